//! Where networks run: chosen from what the machine has. It never shows in the results beyond rounding.

use std::path::PathBuf;

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
    /// Inputs that are run together at most, where a network allows it.
    pub batch: usize,
    /// As [`Machine::onnx_runtimes`].
    pub onnx_runtimes: Vec<PathBuf>,
}

/// Bytes that a run may take for each of its inputs: YOLO-type networks at 640 pixels take about 150 MB in ONNX Runtime.
const BYTES_AN_INPUT: u64 = 256 << 20;

/// More inputs at once bring nothing on a CPU: a single one keeps all cores busy.
const BATCH: usize = 4;

/// A placement for `machine`; `batch` is what the user wishes. Pure: the same machine gives the same placement.
pub fn place(machine: &Machine, batch: Option<usize>) -> Placement {
    let fits = (machine.free_memory / 2 / BYTES_AN_INPUT).clamp(1, BATCH as u64) as usize;
    Placement {
        threads: machine.cores.max(1),
        batch: batch.unwrap_or(fits).max(1),
        onnx_runtimes: machine.onnx_runtimes.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn little_memory_makes_batches_small_and_a_wish_wins() {
        let machine = |free_memory| Machine { cores: 2, free_memory, ..Machine::default() };
        assert_eq!(place(&machine(64 << 30), None).batch, BATCH);
        assert_eq!(place(&machine(1 << 30), None).batch, 2);
        assert_eq!(place(&machine(0), None).batch, 1);
        assert_eq!(place(&machine(0), Some(7)).batch, 7);
        assert_eq!(place(&Machine::default(), None).threads, 1);
    }
}
