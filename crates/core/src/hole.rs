//! What a restorer is given and what it gives back: pixels that are settled once, each with its origin.

use serde::{Deserialize, Serialize};

use crate::borrow::Plate;
use crate::frame::{Frame, FrameIdx, Patch};
use crate::mask::Mask;
use crate::raster::Raster;

/// Where a pixel of the output comes from, from the truest to the least true.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[repr(u8)]
pub enum Origin {
    /// The source's own pixel, untouched.
    #[default]
    Kept = 0,
    /// The source's own pixel with a known mark computed away.
    Unblended = 1,
    /// The real background as another frame shows it.
    Borrowed = 2,
    /// Made up from the surroundings.
    Invented = 3,
}

impl Origin {
    /// All origins in order.
    pub const ALL: [Self; 4] = [Self::Kept, Self::Unblended, Self::Borrowed, Self::Invented];
}

/// A rectangle of one frame in which some samples are to be settled, each once and by the first tier that can.
#[derive(Clone, Debug)]
pub struct Hole {
    /// The frame it belongs to.
    pub idx: FrameIdx,
    patch: Patch,
    need: Vec<Raster<u8>>,
    origin: Vec<Raster<Origin>>,
}

impl Hole {
    /// A hole over `patch` where `mask` (luma samples of the whole frame) covers it.
    pub fn new(idx: FrameIdx, patch: Patch, mask: &Mask) -> Self {
        let need = patch.need(mask);
        let origin = need.iter().map(|n| Raster::new(n.width(), n.height(), Origin::Kept)).collect();
        Self { idx, patch, need, origin }
    }

    /// The samples: of the source where still unsettled, else as settled.
    pub const fn patch(&self) -> &Patch {
        &self.patch
    }

    /// Coverage 0..=255 per plane of the samples that were to be settled at the start.
    pub fn need(&self) -> &[Raster<u8>] {
        &self.need
    }

    /// Origin of every sample, per plane; [`Origin::Kept`] while unsettled.
    pub fn origin(&self) -> &[Raster<Origin>] {
        &self.origin
    }

    /// Whether the `k`-th sample (row by row) of `plane` still waits for a value.
    pub fn is_open(&self, plane: usize, k: usize) -> bool {
        self.need[plane].data()[k] > 0 && self.origin[plane].data()[k] == Origin::Kept
    }

    /// Samples of `plane` that still wait for a value.
    pub fn open(&self, plane: usize) -> usize {
        (0..self.need[plane].data().len()).filter(|k| self.is_open(plane, *k)).count()
    }

    /// Settles the `k`-th sample of `plane`. Returns whether it was open; a closed one, one outside the mask and the origin
    /// [`Origin::Kept`] change nothing.
    pub fn settle(&mut self, plane: usize, k: usize, value: f32, origin: Origin) -> bool {
        if origin == Origin::Kept || !self.is_open(plane, k) {
            return false;
        }
        self.patch.planes[plane].data_mut()[k] = value;
        self.origin[plane].data_mut()[k] = origin;
        true
    }

    /// Writes every settled sample into `frame` and hands back how many samples of the first plane came from each origin,
    /// indexed as [`Origin::ALL`] (samples outside the mask are not counted; unsettled ones count as kept).
    pub fn close(self, frame: &mut Frame) -> [u64; 4] {
        let mut counts = [0; 4];
        let settled: Vec<Raster<u8>> = self
            .origin
            .iter()
            .map(|origin| {
                let mut mask = Raster::new(origin.width(), origin.height(), 0u8);
                mask.data_mut().iter_mut().zip(origin.data()).for_each(|(m, o)| *m = u8::from(*o != Origin::Kept));
                mask
            })
            .collect();
        for (origin, need) in self.origin[0].data().iter().zip(self.need[0].data()) {
            if *need > 0 {
                counts[*origin as usize] += 1;
            }
        }
        frame.put_back(&self.patch, &settled);
        counts
    }
}

/// How many frames before and after its own a restorer looks at, and how much of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reach {
    /// Frames before.
    pub before: u32,
    /// Frames after.
    pub after: u32,
    /// Samples (rows of a field where the hole is one) around the hole that it wants to see of them.
    pub margin: u32,
}

impl Reach {
    /// What is enough for both.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self {
            before: self.before.max(other.before),
            after: self.after.max(other.after),
            margin: self.margin.max(other.margin),
        }
    }
}

/// A rectangle of a frame as the source has it, and what of it is covered.
#[derive(Clone, Debug)]
pub struct Crop {
    /// The frame it was lifted from.
    pub idx: FrameIdx,
    /// Its samples.
    pub patch: Patch,
    /// Coverage 0..=255 of every sample by any mark, per plane; 0 = seen as it is.
    pub need: Vec<Raster<u8>>,
}

impl Crop {
    /// A crop over `patch` where `mask` (luma samples of the whole frame) covers it.
    pub fn new(idx: FrameIdx, patch: Patch, mask: &Mask) -> Self {
        let need = patch.need(mask);
        Self { idx, patch, need }
    }
}

/// What a restorer may look at while it works on a hole: the same rectangle and rows of consecutive frames of one shot.
///
/// The rectangle is the hole's, grown by [`Reach::margin`] and clipped to the picture. Tiers that look at one frame alone
/// take a window without any crop.
#[derive(Clone, Copy, Debug, Default)]
pub struct Window<'a> {
    /// In presentation order without a gap, the hole's own frame among them.
    pub crops: &'a [Crop],
    /// What frames farther away show of the same rectangle and rows.
    pub plates: &'a [Plate],
}

/// A tier of restoration. It keeps no memory between calls that could change a pixel (caches of what depends on the mask
/// alone are welcome), so that any segment gives the same pixels on its own.
pub trait Restorer: Send {
    /// The tier's name in plans, logs and reports.
    fn name(&self) -> &'static str;
    /// How far it looks.
    fn reach(&self) -> Reach;
    /// Settles what it can of `holes`, which belong to frames of `window` and lie inside its rectangle.
    fn restore(&mut self, window: Window<'_>, holes: &mut [Hole]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::PixelFormat;
    use crate::frame::{HostSurface, Rows};
    use crate::geometry::Rect;

    #[test]
    fn a_sample_is_settled_once_and_only_where_needed() {
        let format = PixelFormat::YUV420P8;
        let mut frame = Frame::new(7, 0, 1, (16, 16), format, Box::new(HostSurface::new(format, 16, 16)));
        let mut patch = Patch::default();
        frame.lift(Rect::new(0, 0, 8, 8), Rows::All, &mut patch);
        let mut hole = Hole::new(7, patch, &Mask::rectangle(Rect::new(2, 2, 2, 2)));
        assert_eq!(hole.open(0), 4);
        assert_eq!(hole.open(1), 1);
        assert!(!hole.settle(0, 0, 9.0, Origin::Invented), "outside the mask");
        assert!(hole.settle(0, 2 * 8 + 2, 9.0, Origin::Borrowed));
        assert!(!hole.settle(0, 2 * 8 + 2, 5.0, Origin::Invented), "settled before");
        assert!(!hole.settle(0, 2 * 8 + 3, 5.0, Origin::Kept), "kept is not a way to settle");
        assert_eq!(hole.close(&mut frame), [3, 0, 1, 0]);
        assert!(matches!(frame.row(0, 2), crate::Row::U8(row) if row[2] == 9 && row[3] == 0));
    }
}
