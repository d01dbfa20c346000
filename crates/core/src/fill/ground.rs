//! The flat ground between the strokes of a mark, as the picture around shows it.
//!
//! Between letters every known sample is near one, and a codec leaves the mark's residue on all of them, its mean included. Where
//! they differ from the ground farther off by no more than that residue, the ground is the better witness. Knows cells and
//! sizes of codes; refuses to know directions.

use super::pyramid::{Effort, Even, Pyramid, Scratch};
use super::shape::chamfer;
use super::stencil::Stencils;

/// Side of the cells in which the ground is gathered, in samples.
const CELL: usize = 4;

/// Samples at least this far from the hole make up the ground.
const FROM: u8 = 5;

/// Samples farther from the hole than this are taken as they are, as in `border`.
const REACH: u8 = 6;

/// Strokes no farther apart than twice this (samples) leave a gap between them. A box leaves none, and the picture next to it
/// is the best witness there is: with the ground it lost up to 3.5 dB on `benches/fill`.
const GAP: u8 = 8;

/// Mean square (8-bit code values squared) of what a codec leaves of a mark in luma within [`REACH`]: the variances of
/// `border` and as much again for the mean. 1.5 and 3 do as well within .05 dB.
const RESIDUE: f32 = 2.0;

/// Cells to every side over which that mean square is taken: a letter or two of a caption.
const AROUND: usize = 6;

const EFFORT: Effort = Effort { fine: 8, coarse: 8, omega: 1.5 };

/// The gaps of a window and where its ground is seen; depends on the mask alone.
#[derive(Clone, Debug)]
pub(super) struct Ground {
    width: usize,
    height: usize,
    /// Samples in gaps.
    gaps: Vec<u32>,
    pyramid: Pyramid,
}

/// Buffers of one window, to be used again.
#[derive(Clone, Debug, Default)]
pub(super) struct Cells {
    values: Vec<[f32; 1]>,
    /// Sum of squared differences from the ground, and their number.
    unlike: Vec<[f32; 2]>,
    spare: Vec<[f32; 2]>,
    scratch: Scratch<1>,
}

impl Ground {
    /// Gaps and cells of a window `width` samples wide, where `distance` is that to the hole.
    pub(super) fn new(width: usize, distance: &[u8]) -> Self {
        let height = distance.len() / width.max(1);
        let gaps = gaps(width, distance);
        if gaps.is_empty() {
            return Self { width: 0, height: 0, gaps, pyramid: Pyramid::new(0, 0, &[]) };
        }
        let (w, h) = (width.div_ceil(CELL), height.div_ceil(CELL));
        let mut open = vec![false; w * h];
        for (p, _) in distance.iter().enumerate().filter(|(_, d)| **d < FROM) {
            open[p / width / CELL * w + p % width / CELL] = true;
        }
        let pyramid = Pyramid::new(w, h, &open);
        // Without any ground nothing can be said.
        let gaps = if pyramid.is_blind() { Vec::new() } else { gaps };
        Self { width: w, height: h, gaps, pyramid }
    }

    pub(super) fn bytes(&self) -> usize {
        self.gaps.len() * 4 + self.pyramid.bytes()
    }

    /// Draws the samples of gaps in `values` (a window `width` samples wide) to the ground where all around differs from it
    /// by residue alone. `code` is the size of an 8-bit code value in code values of the plane.
    pub(super) fn level(&self, values: &mut [f32], width: usize, code: f32, stencils: &Stencils, cells: &mut Cells) {
        if self.gaps.is_empty() {
            return;
        }
        self.gather(values, width, cells);
        self.pyramid.solve(&mut cells.values, stencils, EFFORT, &mut cells.scratch, &mut Even);
        cells.unlike.clear();
        cells.unlike.resize(self.width * self.height, [0.0; 2]);
        for p in &self.gaps {
            let (x, y) = (*p as usize % width, *p as usize / width);
            let unlike = values[*p as usize] - self.at(&cells.values, x, y);
            let cell = &mut cells.unlike[y / CELL * self.width + x / CELL];
            cell[0] += unlike * unlike;
            cell[1] += 1.0;
        }
        spread(&mut cells.unlike, self.width, 1, &mut cells.spare);
        spread(&mut cells.unlike, self.height, self.width, &mut cells.spare);
        for p in &self.gaps {
            let (x, y) = (*p as usize % width, *p as usize / width);
            let [sum, count] = cells.unlike[y / CELL * self.width + x / CELL];
            let excess = RESIDUE * code * code * count / sum.max(1e-6);
            // The fourth power: nothing is lost where a picture shows, and no step between two neighbours.
            let share = excess.min(1.0).powi(4);
            let value = &mut values[*p as usize];
            *value += share * (self.at(&cells.values, x, y) - *value);
        }
    }

    /// Means of the cells.
    fn gather(&self, values: &[f32], width: usize, cells: &mut Cells) {
        cells.values.clear();
        cells.values.resize(self.width * self.height, [0.0]);
        for (rows, cells) in values.chunks(width * CELL).zip(cells.values.chunks_exact_mut(self.width)) {
            for row in rows.chunks_exact(width) {
                cells.iter_mut().zip(row.chunks(CELL)).for_each(|(cell, part)| cell[0] += part.iter().sum::<f32>());
            }
            let height = rows.len() / width;
            for (x, cell) in cells.iter_mut().enumerate() {
                cell[0] /= (CELL.min(width - x * CELL) * height) as f32;
            }
        }
    }

    /// The ground at a sample, bilinear between the centres of cells.
    fn at(&self, cells: &[[f32; 1]], x: usize, y: usize) -> f32 {
        let place = |v: usize, n: usize| {
            let at = ((v as f32 + 0.5) / CELL as f32 - 0.5).clamp(0.0, (n - 1) as f32);
            let low = (at as usize).min(n.saturating_sub(2));
            (low, (low + 1).min(n - 1), at - low as f32)
        };
        let ((x0, x1, fx), (y0, y1, fy)) = (place(x, self.width), place(y, self.height));
        let row = |y: usize| {
            let row = &cells[y * self.width..][..self.width];
            row[x0][0] + fx * (row[x1][0] - row[x0][0])
        };
        let (above, below) = (row(y0), row(y1));
        above + fy * (below - above)
    }
}

/// The known samples near the hole that lie in the closing of the hole by a square of [`GAP`] samples each way, or within
/// [`REACH`] of it: what belongs to a stroke with a gap on its other side.
fn gaps(width: usize, distance: &[u8]) -> Vec<u32> {
    let mut inside: Vec<u8> = distance.iter().map(|d| if *d > GAP { 0 } else { u8::MAX }).collect();
    chamfer(&mut inside, width);
    let closed = inside.iter().zip(distance).map(|(i, d)| if *i > GAP && *d > 0 { 0 } else { u8::MAX });
    let mut near: Vec<u8> = closed.collect();
    chamfer(&mut near, width);
    let picked = near.iter().zip(distance).enumerate().filter(|(_, (n, d))| **n <= REACH && (1..=REACH).contains(*d));
    picked.map(|(p, _)| p as u32).collect()
}

/// Sums over `2 AROUND + 1` cells along the axis whose cells are `step` apart, of which there are `count`.
fn spread(cells: &mut [[f32; 2]], count: usize, step: usize, spare: &mut Vec<[f32; 2]>) {
    spare.clear();
    spare.extend_from_slice(cells);
    for (k, cell) in cells.iter_mut().enumerate() {
        let place = k / step % count;
        let (from, to) = (place.saturating_sub(AROUND), (place + AROUND + 1).min(count));
        let line = k - place * step;
        *cell = (from..to).fold([0.0; 2], |sum, at| {
            let other = spare[line + at * step];
            [sum[0] + other[0], sum[1] + other[1]]
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fill::shape::FAR;

    const WIDTH: usize = 140;

    fn distance(hole: impl Fn(usize, usize) -> bool) -> Vec<u8> {
        let mut distance: Vec<u8> = (0..WIDTH * 80).map(|p| if hole(p % WIDTH, p / WIDTH) { 0 } else { FAR }).collect();
        chamfer(&mut distance, WIDTH);
        distance
    }

    fn letters(x: usize, y: usize) -> bool {
        (20..120).contains(&x) && (25..55).contains(&y) && x % 12 < 5
    }

    #[test]
    fn residue_between_letters_is_levelled_to_the_ground_and_a_picture_is_kept() {
        let distance = distance(letters);
        let ground = Ground::new(WIDTH, &distance);
        for code in [1.0, 4.0, 256.0] {
            let plane = |p: usize| (90.0 + 0.1 * (p % WIDTH) as f32 + 0.05 * (p / WIDTH) as f32) * code;
            // A mean and a ripple that fade with the distance to the mark.
            let residue = |p: usize| match distance[p] {
                0 => 60.0 * code,
                1..5 => (0.8 + if p.is_multiple_of(2) { 0.9 } else { -0.9 }) * code,
                _ => 0.0,
            };
            let mut values: Vec<f32> = (0..WIDTH * 80).map(|p| plane(p) + residue(p)).collect();
            let before = values.clone();
            ground.level(&mut values, WIDTH, code, &Stencils::new(0.0), &mut Cells::default());
            let off = |v: &[f32]| {
                let some = ground.gaps.iter().map(|p| (v[*p as usize] - plane(*p as usize)).powi(2) / code / code);
                some.sum::<f32>() / ground.gaps.len() as f32
            };
            assert!(off(&values) < 0.1 * off(&before), "{} {}", off(&values), off(&before));

            let scene = |p: usize| plane(p) + 25.0 * code * ((p % WIDTH) as f32 / 3.0).sin();
            let before: Vec<f32> = (0..WIDTH * 80).map(scene).collect();
            let mut values = before.clone();
            ground.level(&mut values, WIDTH, code, &Stencils::new(0.0), &mut Cells::default());
            let moved = before.iter().zip(&values).map(|(a, b)| (a - b).abs() / code).fold(0.0, f32::max);
            assert!(moved < 0.1, "{moved}");
        }
    }

    #[test]
    fn a_box_has_no_gaps_and_letters_have_some() {
        let boxed = distance(|x, y| (30..110).contains(&x) && (25..55).contains(&y));
        assert!(Ground::new(WIDTH, &boxed).gaps.is_empty());
        let distance = distance(letters);
        let ground = Ground::new(WIDTH, &distance);
        assert!(!ground.gaps.is_empty() && ground.gaps.iter().all(|p| (1..=REACH).contains(&distance[*p as usize])));
        assert!(Ground::new(10, &[0; 100]).gaps.is_empty());
    }
}
