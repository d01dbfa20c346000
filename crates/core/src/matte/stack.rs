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

impl<'a> Stack<'a> {
    /// The same plane of some of its frames, in order of time.
    pub(super) fn some(&self, frames: std::ops::Range<usize>) -> Self {
        Self { crops: self.crops[frames].to_vec(), ..*self }
    }
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

    /// The mean over the middle half of all frames of the difference to the sample beside (`down`: below), at every sample
    /// whose neighbour is inside (0 elsewhere). As steady as the median, and finer than a code value.
    pub(super) fn usual_slope(&self, down: bool) -> Vec<f32> {
        let (dx, dy) = if down { (0, 1) } else { (1, 0) };
        let step = dy * self.width + dx;
        let frames = self.frames();
        let quarter = frames / 4;
        let mut out = vec![0.0; self.len()];
        out.par_chunks_mut(self.width).enumerate().filter(|(y, _)| y + dy < self.height).for_each(|(y, row)| {
            let mut all = vec![0i32; (self.width - dx) * frames];
            for (f, crop) in self.crops.iter().enumerate() {
                let from = self.offset + y * self.width;
                for x in 0..self.width - dx {
                    let k = from + x;
                    all[x * frames + f] = match &crop.samples {
                        Samples::U8(s) => i32::from(s[k + step]) - i32::from(s[k]),
                        Samples::U16(s) => i32::from(s[k + step]) - i32::from(s[k]),
                    };
                }
            }
            for (out, some) in row.iter_mut().zip(all.chunks_exact_mut(frames)) {
                some.select_nth_unstable(quarter);
                let upper = &mut some[quarter..];
                let count = upper.len() - quarter;
                upper.select_nth_unstable(count - 1);
                *out = upper[..count].iter().sum::<i32>() as f32 / count as f32 * self.scale;
            }
        });
        out
    }

    /// Standard deviation over time of every sample.
    pub(super) fn deviations(&self) -> Vec<f32> {
        let mut out = vec![0.0; self.len()];
        out.par_iter_mut().enumerate().for_each(|(k, out)| {
            let (mut sum, mut squares) = (0u64, 0u64);
            for crop in &self.crops {
                let value = match &crop.samples {
                    Samples::U8(s) => u64::from(s[self.offset + k]),
                    Samples::U16(s) => u64::from(s[self.offset + k]),
                };
                sum += value;
                squares += value * value;
            }
            let n = self.frames() as u64;
            *out = ((n * squares - sum * sum) as f64).sqrt() as f32 / n as f32 * self.scale;
        });
        out
    }
}
