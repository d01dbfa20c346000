//! Footage as seen from a mark that moves: the mark stands still in it, and all that is known of marks that stay holds.

use cleanplate_core::roam::part;
use cleanplate_core::{Frame, FrameIdx};
use cleanplate_media::Rational;

use crate::error::Result;
use crate::footage::{Footage, Frames};
use crate::marks::Clip;

/// Samples around the mark's box that are seen: what a matte is solved from, and some more, so that nothing takes the view's
/// border for that of the picture.
pub(crate) const AROUND: u32 = 32;

/// Frames on which a mark is shown, each around the place of its box.
pub(crate) struct Along<'a> {
    footage: &'a dyn Footage,
    clip: Clip,
    /// Frames of the footage, rising, with column and row of the box.
    way: Vec<(FrameIdx, (i32, i32))>,
}

impl<'a> Along<'a> {
    /// For a box of `size` on its `way`: frames rising, each once.
    pub(crate) fn new(footage: &'a dyn Footage, size: (u32, u32), way: Vec<(FrameIdx, (i32, i32))>) -> Self {
        let clip = footage.clip();
        let starts = way.iter().filter_map(|(idx, _)| clip.starts.get(*idx as usize)).copied().collect();
        let size = (size.0 + 2 * AROUND, size.1 + 2 * AROUND);
        let clip = Clip { starts, size, rotation: (0, false), format: clip.format };
        Self { footage, clip, way }
    }

    /// The frame of the footage that is shown as `idx`.
    pub(crate) fn source(&self, idx: FrameIdx) -> Option<FrameIdx> {
        self.way.get(idx as usize).map(|step| step.0)
    }
}

impl Footage for Along<'_> {
    fn clip(&self) -> &Clip {
        &self.clip
    }

    fn is_key(&self, idx: FrameIdx) -> bool {
        self.source(idx).is_some_and(|idx| self.footage.is_key(idx))
    }

    fn frames(&self, threads: u32) -> Result<Box<dyn Frames + '_>> {
        Ok(Box::new(Reader { along: self, frames: self.footage.frames(threads)? }))
    }

    fn rates(&self) -> (Rational, Rational) {
        self.footage.rates()
    }
}

struct Reader<'a> {
    along: &'a Along<'a>,
    frames: Box<dyn Frames + 'a>,
}

impl Frames for Reader<'_> {
    fn at(&mut self, idx: FrameIdx) -> Result<Option<Frame>> {
        let Some((source, (x, y))) = self.along.way.get(idx as usize) else { return Ok(None) };
        let around = AROUND as i32;
        let seen = self.frames.at(*source)?.map(|frame| {
            let mut seen = part(&frame, (x - around, y - around), self.along.clip.size);
            seen.idx = idx;
            seen
        });
        Ok(seen)
    }
}
