//! Finds marks that do not stay where they are, from the frames alone: those that hop between places, and those that drift.
//!
//! Four looks. A [`Search`] of short windows of frames finds suspects: shapes that recur at other places while the scene around
//! them does not come along. A [`Pursuit`] follows them over every frame and says which are marks, where they are and when, at
//! working scale. A [`Closeup`] of some frames learns the mark's slopes at full resolution, by which a [`Tracker`] says to the
//! sample where it lies on every frame, and to the frame when. [`part`] is the frame as seen from the mark: there it stands
//! still, so that what is known of marks that stay holds for it.
//! Refuses to know marks that stay: [`locate`](crate::locate) finds those.

mod closeup;
mod drift;
mod field;
mod hop;
mod line;
mod part;
mod path;
mod pursuit;
mod shape;
mod stays;
mod template;
mod tracker;
mod windows;

use std::ops::Range;

pub use closeup::Closeup;
pub use part::part;
pub(crate) use part::split;
pub use pursuit::Pursuit;
pub use tracker::Tracker;

use crate::frame::{Frame, FrameIdx};
use crate::mask::Mask;
use field::Field;
use template::Template;
use windows::{Watcher, slow_windows, windows};

/// The first look: windows of up to 24 frames, at most 32 of them, and up to 8 of 8 frames farther apart, reduced to a longest
/// side of 640 samples. Memory: 40 MB.
#[derive(Debug)]
pub struct Search {
    watcher: Watcher,
    known: Mask,
}

/// A shape that may be a roaming mark.
#[derive(Clone, Debug)]
pub struct Suspect {
    template: Template,
    drifts: bool,
}

/// A mark that roams, or what looked like one.
#[derive(Clone, Debug)]
pub struct Roaming {
    /// Its shape, grown for soft edges; its box begins at 0, 0.
    pub mask: Mask,
    /// Where the shape's box lies, and when.
    pub motion: Motion,
    /// Samples by which places may be off.
    pub reach: u32,
    /// Median likeness of the frames to the mark where it is, 0..=1.
    pub score: f32,
    /// Median of what the likeness exceeds that at any other place by.
    pub exclusive: f32,
    /// Whether it is a mark.
    pub confident: bool,
    /// How it moves, or why it is none.
    pub reason: String,
}

/// How a mark moves.
#[derive(Clone, Debug, PartialEq)]
pub enum Motion {
    /// Frames of every stay with column and row, rising by their first frame; stays may share frames.
    Hops(Vec<(Range<FrameIdx>, (i32, i32))>),
    /// Frames in a row without a gap, each with column and row; one where the mark may be at either of two places comes twice.
    Drifts(Vec<(FrameIdx, (i32, i32))>),
}

impl Search {
    /// Of a clip whose frames begin at `starts`, in seconds. What `known` covers is not looked at: marks that stay.
    pub fn new(starts: &[f64], known: Mask) -> Self {
        Self { watcher: Watcher::new(windows(starts), slow_windows(starts)), known }
    }

    /// Windows that were looked at.
    pub fn windows(&self) -> usize {
        self.watcher.glimpses.len()
    }

    /// The frames that it wants to look at, rising.
    pub fn frames(&self) -> Vec<FrameIdx> {
        self.watcher.wanted()
    }

    /// Looks at the next frame; frames come in rising order.
    pub fn observe(&mut self, frame: &Frame) {
        self.watcher.observe(frame.idx, Field::beside(frame, &self.known));
    }

    /// What should be looked for in all frames, and what was seen, in words.
    pub fn conclude(&self) -> (Vec<Suspect>, String) {
        let glimpses = &self.watcher.glimpses;
        let (mut suspects, mut words) = (Vec::new(), Vec::new());
        if let Some(h) = hop::find(glimpses) {
            let excess = h.exclusive;
            words.push(format!(
                "recurs at {} places (likeness {:.2}, {excess:.2} more than elsewhere)",
                h.places, h.likeness
            ));
            if h.is_exclusive() {
                suspects.push(Suspect { template: h.template, drifts: false });
            }
        }
        let drifters = drift::likeliest(glimpses, &self.watcher.slow_drifters);
        if let Some((_, best)) = drifters.first() {
            let (likeness, excess) = (best.likeness, best.exclusive);
            words.push(format!("moves by itself (likeness {likeness:.2}, {excess:.2} more than elsewhere)"));
        }
        let clear = drifters.into_iter().filter(|d| d.1.is_clear());
        suspects.extend(clear.map(|(template, _)| Suspect { template, drifts: true }));
        let seen = if words.is_empty() { "nothing recurs at other places".to_owned() } else { words.join("; ") };
        (suspects, seen)
    }
}

#[cfg(test)]
mod tests;
