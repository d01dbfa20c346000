//! The grid of cells for which a text detector answers, and how frames lie on it.
//!
//! Knows sizes, rotations and means of samples. Refuses to know networks.

use std::ops::Range;

use cleanplate_core::{Frame, Raster, Row};

use crate::region::{Rotation, shown_size};

/// Samples of the picture that a network is shown, a side of a cell.
pub(crate) const CELL: u32 = 2;

/// Rows (or columns, if fewer) of a picture that a network is shown at most: larger ones are scaled down.
const LARGEST: u32 = 760;

/// Cells over stored frames of one size that are displayed after one rotation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Grid {
    /// Samples of a frame a side of one of the picture that a network is shown.
    pub(crate) scale: u32,
    /// Columns and rows of the frames.
    pub(crate) size: (u32, u32),
    pub(crate) rotation: Rotation,
}

impl Grid {
    /// For stored frames of `size` that are displayed after `rotation`.
    pub(crate) fn new(size: (u32, u32), rotation: Rotation) -> Self {
        Self { scale: size.0.min(size.1).div_ceil(LARGEST).max(1), size, rotation }
    }

    /// Samples of a frame a side of a cell.
    pub(crate) const fn cell(&self) -> u32 {
        CELL * self.scale
    }

    /// Columns and rows of cells; the last ones may reach beyond the frame.
    pub(crate) const fn cells(&self) -> (u32, u32) {
        (self.size.0.div_ceil(self.cell()), self.size.1.div_ceil(self.cell()))
    }

    /// Columns and rows of the picture that a network is shown, before it is turned.
    pub(crate) const fn picture(&self) -> (u32, u32) {
        (self.size.0.div_ceil(self.scale), self.size.1.div_ceil(self.scale))
    }

    /// `size` as it is displayed.
    pub(crate) const fn shown(&self, size: (u32, u32)) -> (u32, u32) {
        shown_size(size, self.rotation)
    }

    /// Mean luma of every cell in 8-bit codes.
    pub(crate) fn luma(&self, frame: &Frame) -> Raster<u8> {
        luma(frame, self.cell(), self.cells())
    }
}

/// Mean luma of squares of `side` samples, `size` of them, in 8-bit codes.
pub(crate) fn luma(frame: &Frame, side: u32, (w, h): (u32, u32)) -> Raster<u8> {
    let means = means(frame, 0, side, (w, h));
    let code = 1.0 / (1u32 << (frame.format.depth - 8)) as f32;
    let mut luma = Raster::new(w, h, 0u8);
    luma.data_mut().iter_mut().zip(&means).for_each(|(out, v)| *out = (v * code).round() as u8);
    luma
}

/// Where a sample of the displayed picture lies in the stored one of `w` x `h`, row by row.
pub(crate) const fn stored(x: u32, y: u32, (w, h): (u32, u32), rotation: Rotation) -> usize {
    let (shown_w, _) = shown_size((w, h), rotation);
    let x = if rotation.1 { shown_w - 1 - x } else { x };
    let (column, row) = match rotation.0 % 360 {
        90 => (y, h - 1 - x),
        180 => (w - 1 - x, h - 1 - y),
        270 => (w - 1 - y, x),
        _ => (x, y),
    };
    (row * w + column) as usize
}

/// Means of a plane over squares of `side` luma samples, `size` of them; those beyond the frame repeat the last.
pub(crate) fn means(frame: &Frame, plane: usize, side: u32, (w, h): (u32, u32)) -> Vec<f32> {
    let (sw, sh) = frame.format.subsampling(plane);
    let (pw, ph) = frame.format.plane_size(plane, frame.width, frame.height);
    let part = |n: u32, by: u8, end: u32| {
        let start = ((n * side) >> by).min(end - 1);
        start..(((n + 1) * side) >> by).clamp(start + 1, end)
    };
    let columns: Vec<Range<u32>> = (0..w).map(|x| part(x, sw, pw)).collect();
    let mut out = Vec::with_capacity(w as usize * h as usize);
    let mut sums = vec![0.0f32; w as usize];
    for y in 0..h {
        let rows = part(y, sh, ph);
        sums.fill(0.0);
        for row in rows.clone() {
            match frame.row(plane, row) {
                Row::U8(row) => add(&mut sums, &columns, |x| f32::from(row[x])),
                Row::U16(row) => add(&mut sums, &columns, |x| f32::from(row[x])),
            }
        }
        let count = rows.len() as f32;
        out.extend(sums.iter().zip(&columns).map(|(sum, own)| sum / (count * own.len() as f32)));
    }
    out
}

fn add(sums: &mut [f32], columns: &[Range<u32>], at: impl Fn(usize) -> f32) {
    for (sum, own) in sums.iter_mut().zip(columns) {
        *sum += own.clone().map(|x| at(x as usize)).sum::<f32>();
    }
}
