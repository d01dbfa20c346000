//! Where the picture flows around a hole, and what that suggests inside of it.
//!
//! The structure tensor (Bigun and Granlund, 1987) of the surroundings, gathered in cells and continued evenly into the
//! hole. Knows the guiding plane and the mask; refuses to know what is filled along it.

use super::pyramid::{Effort, Even, Flow, Pyramid, Scratch};
use super::shape::chamfer;
use super::stencil::Stencils;

/// Side of a cell in samples of the guiding plane: with the binomial of [`smooth`] a scale of about 4 samples. On
/// `benches/fill` 2 does as well, 6 loses .1 dB on boxes.
pub(super) const CELL: usize = 4;

/// Gradient energy (8-bit code values squared) at which a direction counts half: what noise leaves in the mean of a cell. On
/// `benches/fill` 0.25 is .05 dB better in the mean on soft marks, 1 has fewer losses, 4 loses .1 dB on boxes.
const NOISE: f32 = 1.0;

/// Share of the strength that remains in the middle of a large hole, where a direction is only continued from afar, and the
/// cells over which it falls there. Against an even strength of 10: strokes .3, boxes .1, soft marks .7 dB; a share of 0.1
/// does as well.
const DEEP: f32 = 0.2;
const DEEP_AFTER: f32 = 4.0;

/// A sample this near to the hole (in samples) carries the mark's own edges and is not asked for its gradient.
const TRUSTED_FROM: u8 = 3;

const EFFORT: Effort = Effort { fine: 8, coarse: 8, omega: 1.4 };

/// The cells over a window and which of them can be measured; depends on the mask alone.
#[derive(Clone, Debug)]
pub(super) struct Cells {
    width: usize,
    height: usize,
    /// Samples measured in each cell.
    counts: Vec<f32>,
    /// Share of the strength with which a direction is followed in each cell.
    share: Vec<f32>,
    pyramid: Pyramid,
}

/// What [`Stencils::index`] wants, a cell each.
#[derive(Clone, Debug, Default)]
pub(super) struct Directions {
    width: usize,
    height: usize,
    vectors: Vec<[f32; 2]>,
    row: Vec<[f32; 2]>,
}

/// From the finest grid of a plane to cells: `cell = sample * scale + shift`.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ToCells {
    pub scale: (f32, f32),
    pub shift: (f32, f32),
}

/// Buffers of one measurement, to be used again.
#[derive(Clone, Debug, Default)]
pub(super) struct Tensors {
    /// `(gx gx - gy gy, 2 gx gy, gx gx + gy gy)` and the samples measured, a cell each.
    cells: Vec<[f32; 4]>,
    spare: Vec<[f32; 4]>,
    scratch: Scratch<4>,
    along: Directions,
}

impl Cells {
    /// Cells over a window of `width` x `height` samples, where `distance` is that to the hole.
    pub(super) fn new(width: usize, height: usize, distance: &[u8]) -> Self {
        let (w, h) = (width.div_ceil(CELL), height.div_ceil(CELL));
        let mut counts = vec![0.0; w * h];
        for y in 1..height.saturating_sub(1) {
            for x in 1..width.saturating_sub(1) {
                if distance[y * width + x] >= TRUSTED_FROM {
                    counts[y / CELL * w + x / CELL] += 1.0;
                }
            }
        }
        let open: Vec<bool> = counts.iter().map(|c| *c == 0.0).collect();
        let mut depth: Vec<u8> = open.iter().map(|open| if *open { u8::MAX } else { 0 }).collect();
        chamfer(&mut depth, w);
        let share = depth.iter().map(|d| DEEP + (1.0 - DEEP) * (-f32::from(*d) / DEEP_AFTER).exp()).collect();
        Self { width: w, height: h, counts, share, pyramid: Pyramid::new(w, h, &open) }
    }

    pub(super) fn bytes(&self) -> usize {
        self.counts.len() * 8 + self.pyramid.bytes()
    }

    /// Measures the tensor of `guide` (a window `width` samples wide) where `distance` lets it, and continues it; `code` is
    /// the size of an 8-bit code value in code values of the guide.
    pub(super) fn measure(
        &self,
        guide: &[f32],
        width: usize,
        distance: &[u8],
        code: f32,
        stencils: &Stencils,
        t: &mut Tensors,
    ) {
        t.cells.clear();
        t.cells.extend(self.counts.iter().map(|count| [0.0, 0.0, 0.0, *count]));
        let height = guide.len() / width.max(1);
        for y in 1..height.saturating_sub(1) {
            let rows =
                [&guide[(y - 1) * width..][..width], &guide[y * width..][..width], &guide[(y + 1) * width..][..width]];
            let distance = &distance[y * width..][..width];
            let base = y / CELL * self.width;
            for x in 1..width.saturating_sub(1) {
                if distance[x] < TRUSTED_FROM {
                    continue;
                }
                let column = |x: usize| 3.0 * (rows[0][x] + rows[2][x]) + 10.0 * rows[1][x];
                let line = |row: &[f32]| 3.0 * (row[x - 1] + row[x + 1]) + 10.0 * row[x];
                let gx = (column(x + 1) - column(x - 1)) / 32.0;
                let gy = (line(rows[2]) - line(rows[0])) / 32.0;
                let cell = &mut t.cells[base + x / CELL];
                cell[0] += gx * gx - gy * gy;
                cell[1] += 2.0 * gx * gy;
                cell[2] += gx * gx + gy * gy;
            }
        }
        smooth(&mut t.cells, self.width, self.height, &mut t.spare);
        for cell in &mut t.cells {
            let share = 1.0 / cell[3].max(1e-3);
            cell.iter_mut().for_each(|v| *v *= share);
        }
        self.pyramid.solve(&mut t.cells, stencils, EFFORT, &mut t.scratch, &mut Even);
        // Once more along the directions just found: an edge reaches farther into the hole on its own line.
        let mut along = std::mem::take(&mut t.along);
        self.directions(t, (1.0, 1.0), code, &mut along);
        self.pyramid.solve(&mut t.cells, stencils, EFFORT, &mut t.scratch, &mut InCells(&along));
        t.along = along;
    }

    /// Directions as a plane sees them whose samples are `sx` x `sy` samples of the guide.
    pub(super) fn directions(&self, t: &Tensors, (sx, sy): (f32, f32), code: f32, out: &mut Directions) {
        (out.width, out.height) = (self.width, self.height);
        out.vectors.clear();
        if self.pyramid.is_blind() {
            out.vectors.resize(t.cells.len(), [0.0; 2]);
            return;
        }
        out.vectors.extend(t.cells.iter().zip(&self.share).map(|([difference, mixed, trace, _], share)| {
            let xx = (trace + difference) / 2.0 * sx / sy;
            let yy = (trace - difference) / 2.0 * sy / sx;
            let energy = xx + yy + NOISE * code * code;
            let coherence = (xx - yy).hypot(*mixed) / energy;
            let scale = (share / coherence.max(1e-6)).sqrt() / energy;
            [(xx - yy) * scale, mixed * scale]
        }));
    }
}

/// Directions on the grid of the cells themselves.
struct InCells<'a>(&'a Directions);

impl Flow for InCells<'_> {
    fn stencils(&mut self, scale: f32, y: u32, len: u32, out: &mut Vec<u16>) {
        let at = |v: u32, n: usize| (((v as f32 + 0.5) * scale) as usize).min(n - 1);
        let row = &self.0.vectors[at(y, self.0.height) * self.0.width..][..self.0.width];
        out.extend((0..len).map(|x| Stencils::index(row[at(x, self.0.width)])));
    }
}

/// Directions on the grid of a plane.
pub(super) struct InPlane<'a>(pub &'a mut Directions, pub &'a ToCells);

impl Flow for InPlane<'_> {
    fn stencils(&mut self, scale: f32, y: u32, len: u32, out: &mut Vec<u16>) {
        let (directions, to) = (&mut *self.0, self.1);
        let cell = |v: u32, scale_to: f32, shift: f32, n: usize| {
            let at = ((v as f32 + 0.5) * scale * scale_to + (shift - 0.5)).clamp(0.0, (n - 1) as f32);
            let low = (at as usize).min(n.saturating_sub(2));
            (low, at - low as f32)
        };
        let width = directions.width;
        let (row, fy) = cell(y, to.scale.1, to.shift.1, directions.height);
        let upper = &directions.vectors[row * width..][..width];
        let lower = &directions.vectors[(row + 1).min(directions.height - 1) * width..][..width];
        let mix = |a: &[f32; 2], b: &[f32; 2], f: f32| [a[0] + f * (b[0] - a[0]), a[1] + f * (b[1] - a[1])];
        directions.row.clear();
        directions.row.extend(upper.iter().zip(lower).map(|(a, b)| mix(a, b, fy)));
        let row = &directions.row;
        out.extend((0..len).map(|x| {
            let (column, fx) = cell(x, to.scale.0, to.shift.0, width);
            Stencils::index(mix(&row[column], &row[(column + 1).min(width - 1)], fx))
        }));
    }
}

/// The binomial 1 2 1 along both axes; nothing lies beyond the border.
fn smooth(cells: &mut [[f32; 4]], width: usize, height: usize, spare: &mut Vec<[f32; 4]>) {
    for (along_rows, step, inside) in [(true, 1, width), (false, width, height)] {
        spare.clear();
        spare.extend_from_slice(cells);
        for (k, cell) in cells.iter_mut().enumerate() {
            let place = if along_rows { k % width } else { k / width };
            for n in 0..4 {
                let before = if place > 0 { spare[k - step][n] } else { 0.0 };
                let after = if place + 1 < inside { spare[k + step][n] } else { 0.0 };
                cell[n] = 2.0 * spare[k][n] + before + after;
            }
        }
    }
}
