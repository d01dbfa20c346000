//! What is kept of the clip around one mark: crops of frames, from which the matte is solved.
//!
//! Knows samples and frame indices; refuses to judge, which is for [`solve`](super::solve).

use super::Matte;
use super::solve;
use crate::format::PixelFormat;
use crate::frame::{Frame, FrameIdx, Row};
use crate::geometry::Rect;
use crate::mask::Mask;

/// Frames kept at most: more of one clip add little that is independent.
const MOST_FRAMES: usize = 160;
/// Bytes kept at most.
const MOST_BYTES: usize = 96 << 20;
/// Luma samples kept around the mask: the background is predicted from them, and scenery shows there.
pub(super) const MARGIN: u32 = 24;

/// Crops of the clip around one mark (its mask's rectangle and 24 samples more a side), from frames spread over the clip.
/// Chunks [`merge`](Self::merge); the result does not depend on how the frames were divided or ordered.
#[derive(Clone, Debug)]
pub struct MatteEvidence {
    pub(super) mask: Mask,
    pub(super) format: PixelFormat,
    pub(super) size: (u32, u32),
    /// What a crop covers, in luma samples; whole samples of every plane.
    pub(super) rect: Rect,
    /// Whether any frame says that its samples use all codes.
    pub(super) full_range: bool,
    /// In the order of [`spread`].
    crops: Vec<Crop>,
}

/// The colour planes of one frame, one after the other.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Crop {
    pub(super) idx: FrameIdx,
    pub(super) samples: Samples,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Samples {
    U8(Vec<u8>),
    U16(Vec<u16>),
}

/// What the clip says of a mark.
#[derive(Clone, Debug, PartialEq)]
pub struct Solution {
    /// The matte; `None` where the clip does not determine it or nothing of the source is left.
    pub matte: Option<Matte>,
    /// With a matte the samples that it changes; everything else of the given mask was clean. Without one the given mask.
    pub mask: Mask,
    /// Median opacity where the mark is strong, 0..=1; 0 where nothing was solved.
    pub alpha: f32,
    /// How sure the matte is, 0..=1; 0 where refused.
    pub confidence: f32,
    /// Why it was accepted (with figures) or refused.
    pub reason: String,
}

/// Frames with the smallest of these are kept: bits reversed, any number of the smallest lies evenly over the clip.
const fn spread(idx: FrameIdx) -> u64 {
    idx.reverse_bits()
}

impl MatteEvidence {
    /// Evidence of nothing yet. `mask`: where the mark is said to be (a box or a tight mask, up to 5 samples generous), in
    /// luma samples of frames of `size` and `format`.
    pub fn new(mask: &Mask, format: PixelFormat, size: (u32, u32)) -> Self {
        let mask = mask.clipped(size.0, size.1).trimmed();
        let (sw, sh) = if format.planes() > 1 { format.subsampling(1) } else { (0, 0) };
        let rect = mask.rect().grow(if mask.is_empty() { 0 } else { MARGIN }, size.0, size.1);
        let (x, y) = (rect.x >> sw << sw, rect.y >> sh << sh);
        let right = (rect.right().div_ceil(1 << sw) << sw).min(size.0);
        let bottom = (rect.bottom().div_ceil(1 << sh) << sh).min(size.1);
        let rect = if mask.is_empty() { Rect::default() } else { Rect::new(x, y, right - x, bottom - y) };
        Self { mask, format, size, rect, full_range: false, crops: Vec::new() }
    }

    /// Takes in a frame. One seen before, of another size or format, or beyond what is kept, is left out.
    pub fn observe(&mut self, frame: &Frame) {
        if (frame.width, frame.height) != self.size || frame.format != self.format || self.rect.is_empty() {
            return;
        }
        let Err(at) = self.crops.binary_search_by_key(&spread(frame.idx), |crop| spread(crop.idx)) else { return };
        if at >= self.most() {
            return;
        }
        self.full_range |= frame.color.full_range == Some(true);
        let samples = if self.format.depth == 8 {
            Samples::U8(self.cut(frame, |row, out: &mut Vec<u8>, part| {
                if let Row::U8(row) = row {
                    out.extend_from_slice(&row[part]);
                }
            }))
        } else {
            Samples::U16(self.cut(frame, |row, out: &mut Vec<u16>, part| {
                if let Row::U16(row) = row {
                    out.extend_from_slice(&row[part]);
                }
            }))
        };
        self.crops.insert(at, Crop { idx: frame.idx, samples });
        self.crops.truncate(self.most());
    }

    fn cut<T>(&self, frame: &Frame, take: impl Fn(Row<'_>, &mut Vec<T>, std::ops::Range<usize>)) -> Vec<T> {
        let mut out = Vec::with_capacity(self.plane_rects().map(|(_, r)| r.area() as usize).sum());
        for (plane, area) in self.plane_rects() {
            for y in area.y..area.bottom() {
                take(frame.row(plane, y), &mut out, area.x as usize..area.right() as usize);
            }
        }
        out
    }

    /// The colour planes with what a crop covers of them.
    pub(super) fn plane_rects(&self) -> impl Iterator<Item = (usize, Rect)> + '_ {
        (0..self.format.planes()).filter(|plane| !self.format.is_alpha(*plane)).map(|plane| {
            let (sw, sh) = self.format.subsampling(plane);
            (plane, self.rect.subsampled(sw, sh))
        })
    }

    fn most(&self) -> usize {
        let samples: usize = self.plane_rects().map(|(_, rect)| rect.area() as usize).sum();
        let bytes = samples * if self.format.depth == 8 { 1 } else { 2 };
        MOST_FRAMES.min(MOST_BYTES / bytes.max(1))
    }

    /// Takes in what `other` has seen of the same mark; of another mark or clip it takes nothing.
    pub fn merge(&mut self, other: Self) {
        if other.mask != self.mask || other.format != self.format || other.size != self.size {
            return;
        }
        self.full_range |= other.full_range;
        self.crops.extend(other.crops);
        self.crops.sort_by_key(|crop| spread(crop.idx));
        self.crops.dedup_by_key(|crop| crop.idx);
        self.crops.truncate(self.most());
    }

    /// The same of the frames that `wanted` names.
    #[must_use]
    pub fn of_some(&self, wanted: impl Fn(FrameIdx) -> bool) -> Self {
        let crops = self.crops.iter().filter(|crop| wanted(crop.idx)).cloned().collect();
        Self { mask: self.mask.clone(), crops, ..*self }
    }

    /// What a crop covers, in luma samples: the rectangle of the mattes that are solved from it.
    pub const fn rect(&self) -> Rect {
        self.rect
    }

    /// Frames kept.
    pub fn frames(&self) -> usize {
        self.crops.len()
    }

    /// The crops in order of time.
    pub(super) fn in_order(&self) -> Vec<&Crop> {
        let mut crops: Vec<&Crop> = self.crops.iter().collect();
        crops.sort_by_key(|crop| crop.idx);
        crops
    }

    /// The samples of the given mask, and up to 3 around it, at which a mark shows in what was seen, grown by what the codec
    /// smears; it need not be the same picture on all frames, and may be opaque. Empty where too little was seen.
    pub fn outline(&self) -> Mask {
        solve::outline(self)
    }

    /// Solves the matte from what was seen. Costs about a second for 160 crops of 240 x 110 samples.
    pub fn solve(&self) -> Solution {
        solve::solve(self)
    }
}
