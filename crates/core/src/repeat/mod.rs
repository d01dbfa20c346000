//! Repeats: frames that show what an earlier one showed, so that what was computed for that one serves again.
//!
//! A codec never gives the same samples twice, so equality is no test, and hashes merge small motion. A frame is a repeat
//! where its difference from the first frame of its kind looks like the codec's noise in every part of the picture: small, not
//! along the slopes of the picture as motion would be, and without a level of its own as light would have. It is always
//! compared with the first of its kind, so that small steps do not add up.
//!
//! Knows the samples of frames. Refuses to know what is saved by it.

mod compare;

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::frame::{Frame, FrameIdx};

use compare::{COARSE, Noise, Thumbnail, USUAL, is_like};

/// What counts as a repeat.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Repeats {
    /// The same samples.
    Exact,
    /// What differs by no more than the codec's noise.
    #[default]
    Perceptual,
    /// Nothing.
    Off,
}

/// Frames of different kinds that are remembered, of which all together take so many bytes at most: animation comes back to a
/// drawing within some frames.
const KINDS: usize = 8;
const KEPT_BYTES: u64 = 96 << 20;

/// Finds for each frame the first of its kind.
#[derive(Debug)]
pub struct RepeatFinder {
    rule: Repeats,
    noise: Noise,
    kinds: VecDeque<(Thumbnail, Frame)>,
}

impl RepeatFinder {
    /// A finder by `rule` that has seen nothing. `is_coarse`: the stream is quantised so coarsely that what moves a little is lost in
    /// the noise; then nearly equal samples alone are the same.
    pub const fn new(rule: Repeats, is_coarse: bool) -> Self {
        Self { rule, noise: if is_coarse { COARSE } else { USUAL }, kinds: VecDeque::new() }
    }

    /// Forgets all frames: what comes is not compared with what was.
    pub fn forget(&mut self) {
        self.kinds.clear();
    }

    /// Whether a frame may still be found to be of the kind that began with frame `first`.
    pub fn knows(&self, first: FrameIdx) -> bool {
        self.kinds.iter().any(|(_, frame)| frame.idx == first)
    }

    /// The first frame of the kind of `frame`: its own number where it is new.
    pub fn first(&mut self, frame: &Frame) -> FrameIdx {
        if self.rule == Repeats::Off {
            return frame.idx;
        }
        let thumbnail = Thumbnail::of(frame);
        // The last one first: most repeats follow at once.
        let alike = self.kinds.iter().rposition(|(small, first)| {
            small.may_be(&thumbnail)
                && match self.rule {
                    Repeats::Exact => first.has_samples_of(frame),
                    _ => is_like(first, frame, self.noise),
                }
        });
        if let Some(kind) = alike.and_then(|at| self.kinds.remove(at)) {
            let first = kind.1.idx;
            self.kinds.push_back(kind);
            return first;
        }
        let bytes = frame.format.bytes(frame.width, frame.height);
        let most = (KEPT_BYTES / bytes.max(1)).clamp(1, KINDS as u64) as usize;
        while self.kinds.len() >= most {
            self.kinds.pop_front();
        }
        self.kinds.push_back((thumbnail, frame.clone()));
        frame.idx
    }
}

#[cfg(test)]
mod tests;
