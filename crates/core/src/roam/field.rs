//! Slopes of a picture at working scale: what marks are made of when brightness under them changes.
//!
//! Knows the first plane of frames (luma, or green) and nothing of marks.

use crate::frame::{Frame, Row};
use crate::geometry::Rect;
use crate::mask::Mask;

/// The longest side at working scale. Letters of a mark keep their strokes there; an hour of positions costs megabytes.
const LONGEST_SIDE: u32 = 640;
/// Units of a slope of one 8-bit code value per working sample.
pub(super) const UNIT: f32 = 8.0;
/// Largest slope kept, in units: one strong edge of the scene must not outweigh many of a mark (restoration notes, section 3:
/// clipped at 14 code values).
const CLIP: f32 = 14.0 * UNIT;

/// Working samples around a mask that are left out with it.
const BESIDE: u32 = 2;

/// Full-resolution samples a side that become one working sample.
pub(super) fn factor_of(width: u32, height: u32) -> u32 {
    width.max(height).div_ceil(LONGEST_SIDE).max(1)
}

/// Slopes along columns and rows of every working sample, in 1/8 code value a sample, clipped.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Field {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) x: Vec<i8>,
    pub(super) y: Vec<i8>,
}

impl Field {
    /// Without any slope.
    pub(super) fn flat(width: usize, height: usize) -> Self {
        Self { width, height, x: vec![0; width * height], y: vec![0; width * height] }
    }

    /// Of the first plane of `frame`.
    pub(super) fn of(frame: &Frame) -> Self {
        let factor = factor_of(frame.width, frame.height) as usize;
        let (luma, width, height) = reduced(frame, factor);
        Self::of_plane(&luma, width, height)
    }

    /// As [`of`](Self::of), without slopes where `mask` lies or beside it.
    pub(super) fn beside(frame: &Frame, mask: &Mask) -> Self {
        let (mut field, factor) = (Self::of(frame), factor_of(frame.width, frame.height));
        let rect = mask.rect();
        // Sobel's operator reaches one sample farther, and the codec's ringing some more.
        let first = |at: u32| (at / factor).saturating_sub(BESIDE) as usize;
        let last = |at: u32, most: usize| ((at.div_ceil(factor) + BESIDE) as usize).min(most);
        let (right, bottom) = (last(rect.right(), field.width), last(rect.bottom(), field.height));
        for y in first(rect.y)..bottom {
            for x in first(rect.x)..right {
                let cell = Rect::new(x as u32 * factor, y as u32 * factor, factor, factor);
                let around = cell.grow(BESIDE * factor, u32::MAX, u32::MAX).intersect(&rect);
                let covers = |x, y| mask.at(x, y) > 0;
                if (around.y..around.bottom()).any(|y| (around.x..around.right()).any(|x| covers(x, y))) {
                    (field.x[y * field.width + x], field.y[y * field.width + x]) = (0, 0);
                }
            }
        }
        field
    }

    /// Of the first plane of `frame` at its full resolution.
    pub(super) fn whole(frame: &Frame) -> Self {
        let (luma, width, height) = reduced(frame, 1);
        Self::of_plane(&luma, width, height)
    }

    /// Sobel's operator; its sum is a slope in 1/8 code value per sample. The border has none.
    fn of_plane(luma: &[u8], width: usize, height: usize) -> Self {
        let mut field = Self::flat(width, height);
        if width < 3 || height < 3 {
            return field;
        }
        for y in 1..height - 1 {
            let rows: [&[u8]; 3] = [-1isize, 0, 1].map(|d| &luma[(y as isize + d) as usize * width..][..width]);
            let (out_x, out_y) = (&mut field.x[y * width..][..width], &mut field.y[y * width..][..width]);
            for x in 1..width - 1 {
                let at = |r: usize, c: usize| f32::from(rows[r][c]);
                let across = |c: usize| at(0, c) + 2.0 * at(1, c) + at(2, c);
                let along = |r: usize| at(r, x - 1) + 2.0 * at(r, x) + at(r, x + 1);
                let (gx, gy) = (across(x + 1) - across(x - 1), along(2) - along(0));
                let size = gx.hypot(gy);
                let scale = if size > CLIP { CLIP / size } else { 1.0 };
                (out_x[x], out_y[x]) = ((gx * scale) as i8, (gy * scale) as i8);
            }
        }
        field
    }

    /// Means of 2 x 2 samples.
    pub(super) fn halved(&self) -> Self {
        let (width, height) = (self.width / 2, self.height / 2);
        let mut half = Self::flat(width, height);
        for (from, to) in [(&self.x, &mut half.x), (&self.y, &mut half.y)] {
            for y in 0..height {
                let (a, b) =
                    (&from[2 * y * self.width..][..self.width], &from[(2 * y + 1) * self.width..][..self.width]);
                for (x, out) in to[y * width..][..width].iter_mut().enumerate() {
                    let sum =
                        i16::from(a[2 * x]) + i16::from(a[2 * x + 1]) + i16::from(b[2 * x]) + i16::from(b[2 * x + 1]);
                    *out = (sum / 4) as i8;
                }
            }
        }
        half
    }

    /// Both slopes at a sample, in units.
    pub(super) fn at(&self, i: usize) -> [f32; 2] {
        [f32::from(self.x[i]), f32::from(self.y[i])]
    }

    /// Steepness of a sample, in units.
    pub(super) fn size(&self, i: usize) -> f32 {
        let [x, y] = self.at(i);
        x.hypot(y)
    }
}

/// The first plane in 8-bit codes, means of `factor` x `factor` samples; what does not fill a sample at the right and lower
/// border is left out.
fn reduced(frame: &Frame, factor: usize) -> (Vec<u8>, usize, usize) {
    let (width, height) = (frame.width as usize / factor, frame.height as usize / factor);
    let shift = frame.format.depth.saturating_sub(8);
    let mut out = Vec::with_capacity(width * height);
    let mut sums = vec![0u32; width];
    let count = (factor * factor) as u32;
    for y in 0..height {
        sums.fill(0);
        for row in 0..factor {
            match frame.row(0, (y * factor + row) as u32) {
                Row::U8(row) => add(&mut sums, row, factor, |s| u32::from(*s)),
                Row::U16(row) => add(&mut sums, row, factor, |s| u32::from(*s >> shift)),
            }
        }
        out.extend(sums.iter().map(|s| ((s + count / 2) / count).min(255) as u8));
    }
    (out, width, height)
}

fn add<T>(sums: &mut [u32], row: &[T], factor: usize, code: impl Fn(&T) -> u32) {
    for (sum, samples) in sums.iter_mut().zip(row.chunks_exact(factor)) {
        *sum += samples.iter().map(&code).sum::<u32>();
    }
}
