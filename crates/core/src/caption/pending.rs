//! Lives that have ended and may still be joined to others: kept until nothing to come can belong to them.
//!
//! Refuses to know whether they are captions.

use crate::frame::FrameIdx;

use super::life::Life;
use super::span::LONGEST;

/// Frames after which nothing that begins can be joined to what has ended, and all of its cuts are known: letters are followed for
/// [`LONGEST`] frames, and a cut is decided two frames later.
const SETTLED: u64 = LONGEST + 10;

/// Letters that are shown for so many times as long as a mark needs to be one do not keep others waiting for their end.
const OVERLONG: u64 = 3;

/// Cells of lives that wait at most (about 100 MB): beyond that the oldest are joined with what there is. Screens full of letters at
/// 1080p kept 1.3 million.
const MOST_CELLS: u64 = 4 << 20;

/// Ended lives, in the order in which they are joined.
#[derive(Debug)]
pub(super) struct Pending {
    overlong: u64,
    /// By first and last frame, rising: something that began earlier has not ended yet.
    waiting: Vec<Life>,
    /// Joined as far as they have ended.
    joined: Vec<Life>,
}

impl Pending {
    /// For clips in which what is shown for `persistent` frames may be a mark.
    pub(super) const fn new(persistent: u64) -> Self {
        Self { overlong: OVERLONG * persistent, waiting: Vec::new(), joined: Vec::new() }
    }

    /// Takes a life that has ended.
    pub(super) fn push(&mut self, life: Life) {
        let key = (life.first(), life.last());
        let at = self.waiting.partition_point(|known| (known.first(), known.last()) <= key);
        self.waiting.insert(at, life);
    }

    /// The lives to which nothing can be joined any more, once frame `idx` has been seen and `live` go on.
    pub(super) fn settled(&mut self, idx: FrameIdx, live: &[Life]) -> Vec<Life> {
        let going_on = live.iter().map(Life::first).filter(|first| *first + self.overlong >= idx).min();
        let oldest = going_on.unwrap_or(idx + 1);
        let ended = self.waiting.partition_point(|life| life.first() <= oldest);
        self.join(ended);
        let first = self.waiting.first().map_or(oldest, |life| life.first().min(oldest));
        let mut settled = self.take(|life| life.last() + SETTLED < first);
        if self.cells() > MOST_CELLS {
            self.join(self.waiting.len());
            let middle = self.joined.iter().map(Life::last).sum::<u64>() / self.joined.len().max(1) as u64;
            settled.extend(self.take(|life| life.last() <= middle));
        }
        settled
    }

    /// All that are left, once nothing follows.
    pub(super) fn rest(mut self) -> Vec<Life> {
        self.join(self.waiting.len());
        self.joined
    }

    /// Joins the first `count` that wait to those before them: the latest that they continue.
    fn join(&mut self, count: usize) {
        for life in self.waiting.drain(..count) {
            match self.joined.iter().rposition(|known| known.continues_in(&life)) {
                Some(n) => self.joined[n].absorb(life),
                None => self.joined.push(life),
            }
        }
    }

    fn take(&mut self, which: impl Fn(&Life) -> bool) -> Vec<Life> {
        let (taken, left) = self.joined.drain(..).partition(which);
        self.joined = left;
        taken
    }

    /// Cells that are kept.
    pub(super) fn cells(&self) -> u64 {
        self.waiting.iter().chain(&self.joined).map(Life::held).sum()
    }
}
