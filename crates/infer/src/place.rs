//! Where networks run: chosen from what the machine has. It never shows in the results beyond rounding.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

/// What a machine has, as far as networks care.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Machine {
    /// Cores that may be used; 0 counts as 1.
    pub cores: usize,
    /// Bytes of memory that are free.
    pub free_memory: u64,
    /// Places where the library of ONNX Runtime may lie, the likeliest first. A bare name is looked up as the system does.
    pub onnx_runtimes: Vec<PathBuf>,
}

/// Where networks run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placement {
    /// Threads of a run.
    pub threads: usize,
    /// Frames that a detector of marks or of text is shown at once at most, where it allows it.
    pub detect_batch: usize,
    /// Crops that an inpainting network, or tiles that one that enlarges, is shown at once at most, where it allows it.
    pub fill_batch: usize,
    /// As [`Machine::onnx_runtimes`].
    pub onnx_runtimes: Vec<PathBuf>,
    /// Failures to be rehearsed.
    pub faults: Vec<NetFault>,
    /// What goes wrong with networks on the way.
    pub incidents: Incidents,
}

/// What goes wrong with networks after they were opened, a line each: the runtime and its reason. All that is placed alike writes into one.
#[derive(Clone, Debug, Default)]
pub struct Incidents(Arc<Mutex<Vec<String>>>);

impl Incidents {
    pub(crate) fn add(&self, line: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(line.to_owned());
    }

    /// What has come since it was last asked.
    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl PartialEq for Incidents {
    /// What has happened makes no other placement.
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Incidents {}

/// A failure of a runtime on demand, so that every way out is walked on machines that lack the hardware.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetFault {
    /// The runtime's name.
    pub runtime: String,
    /// What happens.
    pub what: NetFailure,
}

/// What happens to a runtime.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NetFailure {
    /// It cannot be opened, for this reason.
    Refuses(String),
    /// From so many runs of a network on (the first is 1, after those of its probe) it fails, for this reason.
    From(u64, String),
    /// As that, once.
    Once(u64, String),
    /// It is there: the embedded runtime plays it.
    StandIn,
}

impl NetFault {
    pub(crate) fn refuses(&self, runtime: &str) -> Option<String> {
        match &self.what {
            NetFailure::Refuses(reason) if self.runtime == runtime => Some(reason.clone()),
            _ => None,
        }
    }

    pub(crate) fn fails(&self, runtime: &str, run: u64) -> Option<String> {
        match &self.what {
            NetFailure::From(first, reason) if self.runtime == runtime && run >= *first => Some(reason.clone()),
            NetFailure::Once(at, reason) if self.runtime == runtime && run == *at => Some(reason.clone()),
            _ => None,
        }
    }

    pub(crate) fn is_stand_in(&self, runtime: &str) -> bool {
        self.runtime == runtime && self.what == NetFailure::StandIn
    }
}

/// Bytes that a run may take for each of its inputs: YOLO-type networks at 640 pixels take about 150 MB in ONNX Runtime.
const BYTES_AN_INPUT: u64 = 256 << 20;

/// More inputs at once bring nothing on a CPU: a single one keeps all cores busy.
const BATCH: usize = 4;

/// More than these are never shown at once, whatever is wished: what waits for them takes memory, and nothing gains from more.
const LARGEST_BATCH: usize = 32;

/// Batches that the user wishes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wishes {
    /// See [`Placement::detect_batch`].
    pub detect_batch: Option<usize>,
    /// See [`Placement::fill_batch`].
    pub fill_batch: Option<usize>,
}

/// A placement for `machine` after the user's `wishes`. Pure: the same machine gives the same placement.
pub fn place(machine: &Machine, wishes: Wishes) -> Placement {
    let fits = (machine.free_memory / 2 / BYTES_AN_INPUT).clamp(1, BATCH as u64) as usize;
    Placement {
        threads: machine.cores.max(1),
        detect_batch: wishes.detect_batch.unwrap_or(fits).clamp(1, LARGEST_BATCH),
        // A single crop keeps all cores busy, and inpainting networks take gigabytes.
        fill_batch: wishes.fill_batch.unwrap_or(1).max(1),
        onnx_runtimes: machine.onnx_runtimes.clone(),
        faults: Vec::new(),
        incidents: Incidents::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn little_memory_makes_batches_small_and_a_wish_wins() {
        let machine = |free_memory| Machine { cores: 2, free_memory, ..Machine::default() };
        let batch =
            |memory, detect_batch| place(&machine(memory), Wishes { detect_batch, fill_batch: None }).detect_batch;
        assert_eq!(batch(64 << 30, None), BATCH);
        assert_eq!(batch(1 << 30, None), 2);
        assert_eq!(batch(0, None), 1);
        assert_eq!((batch(0, Some(7)), batch(64 << 30, Some(200))), (7, LARGEST_BATCH));
        let fill_batch = |fill_batch| place(&machine(0), Wishes { detect_batch: None, fill_batch }).fill_batch;
        assert_eq!((fill_batch(None), fill_batch(Some(5))), (1, 5));
        assert_eq!(place(&Machine::default(), Wishes::default()).threads, 1);
    }
}
