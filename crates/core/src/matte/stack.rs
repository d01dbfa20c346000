//! One plane of all crops of a mark, in order of time.

use rayon::prelude::*;

use super::evidence::{Crop, MatteEvidence, Samples};
use crate::format::PixelFormat;

/// Frames that are worked on side by side.
pub(super) const LANES: usize = 16;

/// One plane of all crops; values are given in code values of 8 bits, whatever the depth.
pub(super) struct Stack<'a> {
    crops: Vec<&'a Crop>,
    offset: usize,
    scale: f32,
    pub(super) width: usize,
    pub(super) height: usize,
    /// How often columns and rows of the luma are halved in this plane.
    pub(super) halved: (u8, u8),
}

/// The stacks of all colour planes.
pub(super) fn stacks(evidence: &MatteEvidence) -> Vec<Stack<'_>> {
    let crops = evidence.in_order();
    let mut offset = 0;
    let mut out = Vec::new();
    for (plane, rect) in evidence.plane_rects() {
        let (width, height) = (rect.w as usize, rect.h as usize);
        let halved = evidence.format.subsampling(plane);
        out.push(Stack { crops: crops.clone(), offset, scale: 1.0 / code(evidence.format), width, height, halved });
        offset += width * height;
    }
    out
}

/// One code value of 8 bits in code values of `format`.
pub(super) const fn code(format: PixelFormat) -> f32 {
    (1u32 << (format.depth - 8)) as f32
}

impl Stack<'_> {
    pub(super) fn frames(&self) -> usize {
        self.crops.len()
    }

    pub(super) fn len(&self) -> usize {
        self.width * self.height
    }

    /// The first frames of the groups that [`lanes`](Self::lanes) gives.
    pub(super) fn groups(&self) -> Vec<usize> {
        (0..self.frames()).step_by(LANES).collect()
    }

    /// The samples of up to [`LANES`] frames from `first` on, side by side, and how many frames they are; the lanes that
    /// are left repeat the last one.
    pub(super) fn lanes(&self, first: usize) -> (Vec<[f32; LANES]>, usize) {
        let count = LANES.min(self.frames() - first);
        let mut out = vec![[0.0; LANES]; self.len()];
        for lane in 0..LANES {
            let crop = self.crops[first + lane.min(count - 1)];
            let range = self.offset..self.offset + self.len();
            match &crop.samples {
                Samples::U8(all) => {
                    out.iter_mut().zip(&all[range]).for_each(|(o, s)| o[lane] = f32::from(*s));
                }
                Samples::U16(all) => {
                    out.iter_mut().zip(&all[range]).for_each(|(o, s)| o[lane] = f32::from(*s) * self.scale);
                }
            }
        }
        (out, count)
    }

    /// Temporal median of the difference to the sample `step` further on, at every sample whose neighbour is inside (0
    /// elsewhere).
    pub(super) fn median_slope(&self, down: bool) -> Vec<f32> {
        let (dx, dy) = if down { (0, 1) } else { (1, 0) };
        let step = dy * self.width + dx;
        let mut out = vec![0.0; self.len()];
        out.par_chunks_mut(self.width).enumerate().filter(|(y, _)| y + dy < self.height).for_each(|(y, row)| {
            let count = self.width - dx;
            let mut all = vec![0i32; count * self.frames()];
            for (f, crop) in self.crops.iter().enumerate() {
                let from = self.offset + y * self.width;
                for x in 0..count {
                    let k = from + x;
                    all[x * self.crops.len() + f] = match &crop.samples {
                        Samples::U8(s) => i32::from(s[k + step]) - i32::from(s[k]),
                        Samples::U16(s) => i32::from(s[k + step]) - i32::from(s[k]),
                    };
                }
            }
            for (out, some) in row.iter_mut().zip(all.chunks_exact_mut(self.crops.len())) {
                let middle = some.len() / 2;
                let (below, high, _) = some.select_nth_unstable(middle);
                let low = if below.len() * 2 == self.crops.len() { below.iter().max().copied() } else { None };
                *out = 0.5 * (*high + low.unwrap_or(*high)) as f32 * self.scale;
            }
        });
        out
    }
}
