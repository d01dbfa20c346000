//! Pictures at working scale: 8-bit luma and two chroma planes of half its size, whatever the source's layout.
//!
//! Knows how to read samples of every [`PixelFormat`](crate::PixelFormat) and nothing of what they show.

use serde::{Deserialize, Serialize};

use crate::format::PixelLayout;
use crate::frame::{Frame, Row};

/// The longest side at working scale. Marks of testdata's clips are found as well at 960x540 as at 1920x1080.
const LONGEST_SIDE: u32 = 1280;

/// Size of the source and how it is reduced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Scale {
    /// Columns of the source's luma.
    pub(super) width: u32,
    /// Rows of the source's luma.
    pub(super) height: u32,
    /// Luma samples a side that become one.
    pub(super) factor: u32,
    /// Whether there are chroma planes.
    pub(super) colour: bool,
}

impl Scale {
    pub(super) fn of(frame: &Frame) -> Self {
        let factor = frame.width.max(frame.height).div_ceil(LONGEST_SIDE).max(1);
        Self { width: frame.width, height: frame.height, factor, colour: frame.format.layout != PixelLayout::Gray }
    }

    /// Columns and rows of `plane` at working scale.
    pub(super) const fn size(&self, plane: usize) -> (usize, usize) {
        let step = if plane == 0 { self.factor } else { 2 * self.factor };
        (self.width.div_ceil(step) as usize, self.height.div_ceil(step) as usize)
    }

    /// Planes at working scale.
    pub(super) const fn planes(&self) -> usize {
        if self.colour { 3 } else { 1 }
    }
}

/// A plane of 8-bit samples, borrowed.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    pub(super) data: &'a [u8],
    pub(super) width: usize,
    pub(super) height: usize,
}

impl<'a> View<'a> {
    pub(super) fn row(&self, y: usize) -> &'a [u8] {
        &self.data[y * self.width..(y + 1) * self.width]
    }
}

/// One plane of a frame as 8-bit samples at full size, into `out`.
pub(super) fn plane_as_u8(frame: &Frame, plane: usize, out: &mut Vec<u8>) -> (usize, usize) {
    let (w, h) = frame.format.plane_size(plane, frame.width, frame.height);
    let shift = frame.format.depth.saturating_sub(8);
    out.clear();
    out.reserve(w as usize * h as usize);
    for y in 0..h {
        match frame.row(plane, y) {
            Row::U8(row) => out.extend_from_slice(row),
            Row::U16(row) => out.extend(row.iter().map(|s| (s >> shift).min(255) as u8)),
        }
    }
    (w as usize, h as usize)
}

/// The working-scale planes of a frame whose native planes, alpha left out, are `native` with their sizes.
pub(super) fn reduce(frame: &Frame, scale: &Scale, native: &[(Vec<u8>, (usize, usize))]) -> Vec<Vec<u8>> {
    let mut planes: Vec<Vec<u8>> = Vec::with_capacity(3);
    if frame.format.layout == PixelLayout::Gbr {
        let (n, w) = (native[0].0.len(), native[0].1);
        let (g, b, r) = (&native[0].0[..n], &native[1].0[..n], &native[2].0[..n]);
        let luma = |i: usize| (2 * i32::from(g[i]) + i32::from(b[i]) + i32::from(r[i])) / 4;
        let mixed: [Vec<u8>; 3] = [
            (0..n).map(|i| luma(i) as u8).collect(),
            (0..n).map(|i| (128 + (i32::from(b[i]) - luma(i)) / 2) as u8).collect(),
            (0..n).map(|i| (128 + (i32::from(r[i]) - luma(i)) / 2) as u8).collect(),
        ];
        for (plane, data) in mixed.iter().enumerate() {
            planes.push(boxed(data, w, scale, plane));
        }
    } else {
        for (plane, (data, size)) in native.iter().enumerate().take(scale.planes()) {
            planes.push(boxed(data, *size, scale, plane));
        }
    }
    planes
}

/// Averages the native samples under every working-scale sample; repeats them where the native plane is coarser.
fn boxed(data: &[u8], (w, h): (usize, usize), scale: &Scale, plane: usize) -> Vec<u8> {
    let (ow, oh) = scale.size(plane);
    if (w, h) == (ow, oh) {
        return data.to_vec();
    }
    let spans = |out: usize, native: usize, full: u32| -> Vec<(usize, usize)> {
        let step = if plane == 0 { scale.factor } else { 2 * scale.factor } as usize;
        // Native samples a luma sample: 1, 1/2 or 1/4.
        let ratio = (full as usize).div_ceil(native.max(1)).next_power_of_two();
        (0..out)
            .map(|i| {
                let from = (i * step / ratio).min(native - 1);
                (from, ((i + 1) * step / ratio).clamp(from + 1, native))
            })
            .collect()
    };
    let (xs, ys) = (spans(ow, w, scale.width), spans(oh, h, scale.height));
    let mut out = Vec::with_capacity(ow * oh);
    let mut sums = vec![0u32; w];
    for (y0, y1) in ys {
        sums.fill(0);
        for y in y0..y1 {
            sums.iter_mut().zip(&data[y * w..(y + 1) * w]).for_each(|(s, v)| *s += u32::from(*v));
        }
        out.extend(xs.iter().map(|&(x0, x1)| {
            let n = ((x1 - x0) * (y1 - y0)) as u32;
            ((sums[x0..x1].iter().sum::<u32>() + n / 2) / n) as u8
        }));
    }
    out
}
