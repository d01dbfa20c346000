//! What motion is searched in: the first plane of a crop at half size and below, and what of it is seen.
//!
//! Knows one crop at a time; refuses to know time.

use crate::hole::Crop;
use crate::raster::Raster;

use super::spread::Spread;

/// Samples around every level that may be read.
pub(super) const PAD: usize = 12;

/// A level has at least this many rows and columns.
const LEAST: usize = 12;

/// Samples (of the crop) around a mark that its ringing spoils: x264 at crf 20 leaves most of it within two.
pub(super) const SPOILT: usize = 2;

/// Samples of the guide around what is not seen that speak for the motion of what it hides.
pub(super) const RING: usize = 12;

/// The first plane of a crop, in 8-bit codes, as a pyramid that starts at half size.
#[derive(Debug)]
pub(super) struct Guide {
    /// From half size down.
    pub(super) levels: Vec<Level>,
    /// 1 around what is not seen, in rows of the finest level without its padding.
    pub(super) ring: Vec<u8>,
    /// 1 where a sample of the crop's first plane or one next to it is covered or spoilt.
    pub(super) covered: Vec<u8>,
}

/// One level: padded by [`PAD`] on every side, samples beyond the border repeated.
#[derive(Debug, Default)]
pub(super) struct Level {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) luma: Vec<f32>,
    pub(super) gradient: Vec<[f32; 2]>,
    /// 1 where a sample and its four neighbours are seen, else 0; 0 in the padding.
    pub(super) firm: Vec<f32>,
}

impl Level {
    pub(super) const fn stride(&self) -> usize {
        self.width + 2 * PAD
    }

    /// Position of column `x`, row `y` in the padded arrays.
    pub(super) const fn at(&self, x: usize, y: usize) -> usize {
        (y + PAD) * self.stride() + x + PAD
    }

    /// From samples and what of them is seen.
    pub(super) fn new(width: usize, height: usize, luma: &[f32], seen: &[bool]) -> Self {
        let firm = |x: usize, y: usize| {
            let row = &seen[y * width..][..width];
            let beside = row[x.saturating_sub(1)] && row[(x + 1).min(width - 1)];
            let (above, below) = (y.saturating_sub(1), (y + 1).min(height - 1));
            row[x] && beside && seen[above * width + x] && seen[below * width + x]
        };
        let mut level = Self::padded(width, height, luma, firm);
        level.slope();
        level
    }

    /// Without gradients, and with `firm` as it is.
    pub(super) fn padded(width: usize, height: usize, luma: &[f32], firm: impl Fn(usize, usize) -> bool) -> Self {
        let stride = width + 2 * PAD;
        let mut padded = Vec::with_capacity(stride * (height + 2 * PAD));
        for y in 0..height + 2 * PAD {
            let row = &luma[y.saturating_sub(PAD).min(height - 1) * width..][..width];
            padded.extend(std::iter::repeat_n(row[0], PAD));
            padded.extend_from_slice(row);
            padded.extend(std::iter::repeat_n(row[width - 1], PAD));
        }
        let mut level = Self { width, height, luma: padded, ..Self::default() };
        level.firm.resize(level.luma.len(), 0.0);
        for y in 0..height {
            for x in 0..width {
                let k = level.at(x, y);
                level.firm[k] = f32::from(u8::from(firm(x, y)));
            }
        }
        level
    }

    /// Takes the central differences.
    pub(super) fn slope(&mut self) {
        let (l, stride) = (&self.luma, self.stride());
        self.gradient.resize(l.len(), [0.0; 2]);
        for y in 0..self.height {
            for k in self.at(0, y)..self.at(self.width, y) {
                self.gradient[k] = [0.5 * (l[k + 1] - l[k - 1]), 0.5 * (l[k + stride] - l[k - stride])];
            }
        }
    }

    /// Bilinear value at column `x`, row `y`; clamped at the border.
    pub(super) fn value(&self, x: f32, y: f32) -> f32 {
        let x = x.clamp(0.0, (self.width - 1) as f32) + PAD as f32;
        let y = y.clamp(0.0, (self.height - 1) as f32) + PAD as f32;
        let (x0, y0) = (x as usize, y as usize);
        let (fx, fy) = (x - x0 as f32, y - y0 as f32);
        let above = &self.luma[y0 * self.stride() + x0..];
        let below = &self.luma[(y0 + 1) * self.stride() + x0..];
        let top = above[0] + fx * (above[1] - above[0]);
        let bottom = below[0] + fx * (below[1] - below[0]);
        top + fy * (bottom - top)
    }

    pub(super) fn is_firm(&self, x: usize, y: usize) -> bool {
        self.firm[self.at(x, y)] > 0.0
    }
}

impl Guide {
    /// `None` where the crop is too small to search in.
    pub(super) fn new(crop: &Crop, spread: &mut Spread<1>) -> Option<Self> {
        let plane = crop.patch.planes.first()?;
        let need = crop.need.first()?;
        let (width, height) = (plane.width() as usize / 2, plane.height() as usize / 2);
        if width < LEAST || height < LEAST || need.width() != plane.width() || need.height() != plane.height() {
            return None;
        }
        let covered = dilated(need, SPOILT);
        let scale = 0.25 / (1u32 << (crop.patch.format.depth - 8)) as f32;
        let mut luma = Vec::with_capacity(width * height);
        let mut seen = Vec::with_capacity(width * height);
        let full = plane.width() as usize;
        for y in 0..height {
            let (a, b) = (plane.row(2 * y as u32), plane.row(2 * y as u32 + 1));
            let (ca, cb) = (&covered[2 * y * full..][..full], &covered[(2 * y + 1) * full..][..full]);
            for x in (0..2 * width).step_by(2) {
                luma.push(scale * (a[x] + a[x + 1] + b[x] + b[x + 1]));
                seen.push(ca[x] | ca[x + 1] | cb[x] | cb[x + 1] == 0);
            }
        }
        // A smooth surface in place of the mark: no edge of it is left for the search to hold on to.
        let mut values: Vec<[f32; 1]> = luma.iter().map(|v| [*v]).collect();
        let weights: Vec<f32> = seen.iter().map(|s| f32::from(u8::from(*s))).collect();
        spread.fill(width, &mut values, &weights);
        luma.iter_mut().zip(&values).for_each(|(l, v)| *l = v[0]);
        let mut levels = vec![Level::new(width, height, &luma, &seen)];
        let (mut w, mut h) = (width, height);
        while w / 2 >= LEAST && h / 2 >= LEAST {
            (luma, seen) = halved(&luma, &seen, w, h);
            (w, h) = (w / 2, h / 2);
            levels.push(Level::new(w, h, &luma, &seen));
        }
        let unseen: Vec<u8> = (0..width * height).map(|k| u8::from(!levels[0].is_firm(k % width, k / width))).collect();
        let mut ring = box_dilated(&unseen, width, RING);
        ring.iter_mut().zip(&unseen).for_each(|(r, u)| *r &= 1 - *u);
        Some(Self { levels, ring, covered })
    }

    /// Columns and rows of the finest level.
    pub(super) fn size(&self) -> (usize, usize) {
        (self.levels[0].width, self.levels[0].height)
    }

    pub(super) fn bytes(&self) -> usize {
        self.levels.iter().map(|l| l.luma.len() * 16).sum::<usize>() + self.ring.len() + self.covered.len()
    }
}

fn halved(luma: &[f32], seen: &[bool], width: usize, height: usize) -> (Vec<f32>, Vec<bool>) {
    let mut out = (Vec::new(), Vec::new());
    for y in 0..height / 2 {
        for x in 0..width / 2 {
            let four = [0, 1, width, width + 1].map(|step| 2 * y * width + 2 * x + step);
            let count = four.iter().filter(|k| seen[**k]).count();
            let mean = |all: bool| -> f32 { four.iter().filter(|k| all || seen[**k]).map(|k| luma[*k]).sum() };
            out.0.push(if count > 0 { mean(false) / count as f32 } else { 0.25 * mean(true) });
            out.1.push(count >= 2);
        }
    }
    out
}

/// 1 within `radius` samples of one that is covered at all.
fn dilated(need: &Raster<u8>, radius: usize) -> Vec<u8> {
    let covered: Vec<u8> = need.data().iter().map(|n| u8::from(*n > 0)).collect();
    box_dilated(&covered, need.width() as usize, radius)
}

/// 1 within a square of `2 radius + 1` around a 1.
pub(super) fn box_dilated(set: &[u8], width: usize, radius: usize) -> Vec<u8> {
    let mut rows = vec![0u8; set.len()];
    for (row, out) in set.chunks_exact(width).zip(rows.chunks_exact_mut(width)) {
        let mut reach = 0;
        for (x, _) in row.iter().enumerate().filter(|(_, s)| **s > 0) {
            let to = (x + radius + 1).min(width);
            out[x.saturating_sub(radius).max(reach)..to].fill(1);
            reach = to;
        }
    }
    let height = set.len() / width;
    let mut out = vec![0u8; set.len()];
    for y in 0..height {
        for from in y.saturating_sub(radius)..(y + radius + 1).min(height) {
            let target = &mut out[y * width..][..width];
            target.iter_mut().zip(&rows[from * width..][..width]).for_each(|(o, r)| *o |= *r);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_square_grows_around_every_set_sample() {
        let mut set = vec![0u8; 9 * 7];
        set[3 * 9 + 4] = 1;
        set[0] = 1;
        let out = box_dilated(&set, 9, 2);
        for y in 0..7usize {
            for x in 0..9usize {
                let near = x.abs_diff(4) <= 2 && y.abs_diff(3) <= 2 || x <= 2 && y <= 2;
                assert_eq!(out[y * 9 + x] == 1, near, "{x},{y}");
            }
        }
    }
}
