//! How many inputs a device is shown at once: more as long as that brings something, learnt from the runs themselves.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::place::Placement;

/// Twice as many at once have to bring at least this much more a second.
const GAIN: f64 = 1.05;

/// The search for inputs of one shape. A first run of every number warms up (libraries look for the fastest convolution then), a second one
/// is measured.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Pace {
    /// Inputs at once in the next run.
    batch: usize,
    most: usize,
    is_warm: bool,
    /// The number that brought most so far, with inputs a second.
    best: Option<(usize, f64)>,
    is_settled: bool,
}

impl Pace {
    pub(crate) const fn new(most: usize) -> Self {
        Self { batch: 1, most, is_warm: false, best: None, is_settled: most <= 1 }
    }

    /// One that was found earlier.
    pub(crate) fn settled(batch: usize, most: usize) -> Self {
        let batch = batch.clamp(1, most.max(1));
        Self { batch, most, is_warm: true, best: None, is_settled: true }
    }

    /// How many to show next, at most.
    pub(crate) const fn batch(&self) -> usize {
        self.batch
    }

    /// `count` inputs took so many seconds. The number that is settled on by that, if it is.
    pub(crate) fn ran(&mut self, count: usize, seconds: f64) -> Option<usize> {
        // What is left over of a call says nothing about a whole batch.
        if self.is_settled || count != self.batch {
            return None;
        }
        if !std::mem::replace(&mut self.is_warm, true) {
            return None;
        }
        let rate = count as f64 / seconds.max(1e-9);
        match self.best {
            Some((best, fastest)) if rate < GAIN * fastest => self.settle(best),
            _ if self.batch == self.most => self.settle(self.batch),
            _ => {
                self.best = Some((self.batch, rate));
                self.batch = (2 * self.batch).min(self.most);
                self.is_warm = false;
                None
            }
        }
    }

    /// Memory does not hold `count` inputs.
    pub(crate) fn short_of(&mut self, count: usize) {
        let less = self.best.map_or(count / 2, |(best, _)| best.min(count / 2));
        self.settle(less.max(1));
    }

    const fn settle(&mut self, batch: usize) -> Option<usize> {
        self.batch = batch;
        self.is_settled = true;
        Some(batch)
    }
}

/// What was found out about a network on a device, kept between runs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Learnt {
    /// Whether it computes there what the processor does.
    pub(crate) agrees: bool,
    /// Inputs at once that bring most a second, by the shape of one.
    #[serde(default)]
    pub(crate) batches: BTreeMap<String, usize>,
}

/// Where that is kept: by network, runtime, its library, and card with its driver. What cannot be read or written is found out again.
#[derive(Clone, Debug, Default)]
pub(crate) struct Notebook(Option<PathBuf>);

impl Notebook {
    pub(crate) fn of(placement: &Placement, digest: &str, title: &str, library: &str) -> Self {
        let Some(folder) = placement.cache.as_ref().filter(|_| placement.faults.is_empty()) else { return Self(None) };
        let card = placement.card.as_ref().map(|card| format!("{} {}", card.name, card.driver)).unwrap_or_default();
        let key = format!("{digest} {title} {library} {card} {} {}", placement.index, env!("CARGO_PKG_VERSION"));
        let name = crate::net::hex_digest(key.as_bytes());
        Self(Some(folder.join("nets").join(format!("{name}.json"))))
    }

    pub(crate) fn read(&self) -> Learnt {
        let bytes = self.0.as_ref().and_then(|path| std::fs::read(path).ok());
        bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
    }

    pub(crate) fn write(&self, learnt: &Learnt) {
        let Some(path) = &self.0 else { return };
        let write = || -> std::io::Result<()> {
            let folder = path.parent().unwrap_or(path);
            std::fs::create_dir_all(folder)?;
            // Another process may write the same: each its own file, the last one stays.
            let partial = path.with_extension(format!("{}.partial", std::process::id()));
            std::fs::write(&partial, serde_json::to_vec(learnt)?)?;
            std::fs::rename(&partial, path)
        };
        // A cache that cannot be kept costs time in the next run, and nothing in this one.
        let _ = write();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::place::{Machine, Wishes, place};

    /// Batches that are run until it settles, where a run of n takes `seconds(n)` and memory holds `fits`.
    fn learns(most: usize, fits: usize, seconds: impl Fn(usize) -> f64) -> (Vec<usize>, usize) {
        let (mut pace, mut tried) = (Pace::new(most), Vec::new());
        while !pace.is_settled {
            let n = pace.batch();
            tried.push(n);
            if n > fits {
                pace.short_of(n);
            } else {
                pace.ran(n, seconds(n));
            }
        }
        (tried, pace.batch())
    }

    #[test]
    fn a_batch_grows_while_it_gains_a_twentieth() {
        // A launch costs as much as eight inputs: twice as many always gain.
        assert_eq!(learns(32, 99, |n| 8.0 + n as f64), (vec![1, 1, 2, 2, 4, 4, 8, 8, 16, 16, 32, 32], 32));
        // Launches cost nothing: one at once is as good as any.
        assert_eq!(learns(32, 99, |n| n as f64), (vec![1, 1, 2, 2], 1));
        // It gains up to 4: 5 / 4, 6 / 4, then nothing more.
        let saturating = |n: usize| if n <= 4 { 4.0 + n as f64 } else { 2.0 * n as f64 };
        assert_eq!(learns(16, 99, saturating).1, 4);
        assert_eq!(learns(1, 99, |n| n as f64), (vec![], 1));
        assert_eq!(learns(12, 99, |n| 8.0 + n as f64).1, 12);
    }

    #[test]
    fn memory_that_does_not_suffice_settles_it_at_once() {
        let (tried, batch) = learns(32, 9, |n| 8.0 + n as f64);
        assert_eq!((tried.last(), batch), (Some(&16), 8));
        let mut pace = Pace::settled(16, 16);
        pace.short_of(16);
        assert_eq!(pace.batch(), 8);
        // Rests of calls are not measured.
        let mut pace = Pace::new(8);
        pace.ran(1, 1.0);
        pace.ran(1, 1.0);
        assert_eq!((pace.batch(), pace.ran(1, 1e-6), pace.batch()), (2, None, 2));
    }

    #[test]
    fn what_was_found_out_is_there_in_the_next_run_of_the_same_network_and_device() {
        let folder = tempfile::tempdir().unwrap();
        let machine = Machine { cache: Some(folder.path().join("new")), ..Machine::default() };
        let placement = place(&machine, Wishes::default());
        let notebook = |title| Notebook::of(&placement, "abc", title, "libonnxruntime.so");
        assert_eq!(notebook("cuda").read(), Learnt::default());
        let learnt = Learnt { agrees: true, batches: [("1x3x64x64".to_owned(), 8)].into() };
        notebook("cuda").write(&learnt);
        assert_eq!((notebook("cuda").read(), notebook("webgpu").read()), (learnt, Learnt::default()));
        let none = place(&Machine::default(), Wishes::default());
        Notebook::of(&none, "abc", "cuda", "").write(&Learnt::default());
    }
}
