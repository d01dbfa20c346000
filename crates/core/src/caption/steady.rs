//! What a segmenter says of single frames, made steady: a cell counts as what most of the looks around a frame say.
//!
//! A median over time takes away what is there for a look or two (leaves, sparks) and fills where letters are missed for a look or
//! two, and what comes or goes for longer stays where it is in time.

use std::collections::VecDeque;

use crate::frame::FrameIdx;
use crate::raster::Raster;

use super::Seen;

/// Looks before and after one that are asked, too.
const AROUND: usize = 2;
const LOOKS: usize = 2 * AROUND + 1;

/// The last looks.
#[derive(Debug, Default)]
pub(super) struct Steady {
    looks: VecDeque<(FrameIdx, Seen)>,
    /// Position in `looks` of the next to be answered.
    next: usize,
}

impl Steady {
    /// Takes a look, and answers with the one before it that has enough after it.
    pub(super) fn push(&mut self, idx: FrameIdx, seen: Seen) -> Option<(FrameIdx, Seen)> {
        self.looks.push_back((idx, seen));
        if self.looks.len() <= self.next + AROUND {
            return None;
        }
        let answer = self.answer();
        if self.next > AROUND {
            self.looks.pop_front();
            self.next -= 1;
        }
        answer
    }

    /// Answers for the next of the last looks, once none follows.
    pub(super) fn rest(&mut self) -> Option<(FrameIdx, Seen)> {
        if self.next < self.looks.len() { self.answer() } else { None }
    }

    fn answer(&mut self) -> Option<(FrameIdx, Seen)> {
        let at = self.next;
        self.next += 1;
        // The first and the last look stand for those beyond them.
        let last = self.looks.len() - 1;
        let around: [usize; LOOKS] = std::array::from_fn(|n| (at + n).saturating_sub(AROUND).min(last));
        let (idx, own) = self.looks.get(at)?;
        let median = |of: &dyn Fn(&Seen) -> &Raster<u8>| {
            let maps = around.map(|n| of(&self.looks[n].1).data());
            let mut out = of(own).clone();
            for (k, out) in out.data_mut().iter_mut().enumerate() {
                let mut said = maps.map(|map| map[k]);
                if said.iter().any(|s| *s != said[0]) {
                    said.sort_unstable();
                    *out = said[AROUND];
                }
            }
            out
        };
        Some((*idx, Seen { strokes: median(&|seen| &seen.strokes), plates: median(&|seen| &seen.plates) }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lasts_for_two_looks_is_taken_away_and_what_lasts_for_longer_keeps_its_ends() {
        let said = |t: u64| -> [u8; 3] {
            let (blip, letters) = (t == 4 || t == 5, (6..16).contains(&t) && t != 10 && t != 11);
            [if blip { 200 } else { 3 }, if letters { 220 } else { 5 }, 90]
        };
        let map = |said: [u8; 3]| Raster::from_vec(3, 1, said.to_vec()).unwrap();
        let seen = |t| Seen { strokes: map(said(t)), plates: map([0; 3]) };
        let mut steady = Steady::default();
        let mut all: Vec<(u64, Seen)> = (0..20).filter_map(|t| steady.push(t, seen(t))).collect();
        all.extend(std::iter::from_fn(|| steady.rest()));
        assert_eq!(all.iter().map(|(t, _)| *t).collect::<Vec<_>>(), (0..20).collect::<Vec<_>>());
        for (t, seen) in all {
            let letters = if (6..16).contains(&t) { 220 } else { 5 };
            assert_eq!(seen.strokes.data(), [3, letters, 90], "look {t}");
        }
    }
}
