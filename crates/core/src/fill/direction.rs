//! Where the picture flows around a hole, and what that suggests inside of it.
//!
//! The structure tensor (Bigun and Granlund, 1987) of the surroundings, gathered in cells and continued evenly into the
//! hole. Knows the guiding plane and the mask; refuses to know what is filled along it.

use super::pyramid::{Effort, Pyramid, Scratch};
use super::stencil::Stencils;

/// Side of a cell in samples of the guiding plane: with the binomial of [`smooth`] a scale of about 4 samples, the best of
/// 2, 4 and 6 on `benches/fill`.
pub(super) const CELL: usize = 4;

/// Gradient energy (8-bit code values squared) at which a direction counts half: what noise alone shows.
const NOISE: f32 = 1.0;

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
    pyramid: Pyramid,
}

/// Doubled-angle direction of the gradient times its coherence, a cell each.
#[derive(Clone, Debug, Default)]
pub(super) struct Directions {
    width: usize,
    height: usize,
    cos2: Vec<f32>,
    sin2: Vec<f32>,
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
    difference: Vec<f32>,
    mixed: Vec<f32>,
    trace: Vec<f32>,
    weight: Vec<f32>,
    spare: Vec<f32>,
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
        Self { width: w, height: h, counts, pyramid: Pyramid::new(w, h, &open) }
    }

    pub(super) fn bytes(&self) -> usize {
        self.counts.len() * 4 + self.pyramid.bytes()
    }

    /// Measures the tensor of `guide` (a window `width` samples wide) where `distance` lets it, and continues it.
    pub(super) fn measure(
        &self,
        guide: &[f32],
        width: usize,
        distance: &[u8],
        stencils: &Stencils,
        scratch: &mut Scratch,
        t: &mut Tensors,
    ) {
        let cells = self.width * self.height;
        for channel in [&mut t.difference, &mut t.mixed, &mut t.trace] {
            channel.clear();
            channel.resize(cells, 0.0);
        }
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
                let cell = base + x / CELL;
                t.difference[cell] += gx * gx - gy * gy;
                t.mixed[cell] += 2.0 * gx * gy;
                t.trace[cell] += gx * gx + gy * gy;
            }
        }
        t.weight.clone_from(&self.counts);
        for channel in [&mut t.difference, &mut t.mixed, &mut t.trace, &mut t.weight] {
            smooth(channel, self.width, self.height, &mut t.spare);
        }
        for channel in [&mut t.difference, &mut t.mixed, &mut t.trace] {
            channel.iter_mut().zip(&t.weight).for_each(|(v, w)| *v /= w.max(1e-3));
            self.pyramid.solve(channel, stencils, EFFORT, scratch, |_, _, _| Stencils::EVEN);
        }
    }

    /// Directions as a plane sees them whose samples are `sx` x `sy` samples of the guide; `code` is the size of an 8-bit
    /// code value in code values of the guide.
    pub(super) fn directions(&self, t: &Tensors, (sx, sy): (f32, f32), code: f32, out: &mut Directions) {
        (out.width, out.height) = (self.width, self.height);
        out.cos2.clear();
        out.sin2.clear();
        let blind = self.pyramid.is_blind();
        for ((difference, mixed), trace) in t.difference.iter().zip(&t.mixed).zip(&t.trace) {
            let xx = (trace + difference) / 2.0 * sx / sy;
            let yy = (trace - difference) / 2.0 * sy / sx;
            let scale = if blind { 0.0 } else { 1.0 / (xx + yy + NOISE * code * code) };
            out.cos2.push((xx - yy) * scale);
            out.sin2.push(mixed * scale);
        }
    }
}

impl Directions {
    /// The stencil at the sample whose centre lies at `((x + .5) scale, (y + .5) scale)` on the plane's finest grid.
    pub(super) fn stencil(&self, to: &ToCells, scale: f32, x: u32, y: u32) -> u16 {
        let cell = |v: u32, scale_to: f32, shift: f32, n: usize| {
            let at = ((v as f32 + 0.5) * scale).mul_add(scale_to, shift - 0.5).clamp(0.0, (n - 1) as f32);
            let low = at as usize;
            (low, (low + 1).min(n - 1), at - low as f32)
        };
        let (x0, x1, fx) = cell(x, to.scale.0, to.shift.0, self.width);
        let (y0, y1, fy) = cell(y, to.scale.1, to.shift.1, self.height);
        let mix = |v: &[f32]| {
            let (upper, lower) = (&v[y0 * self.width..], &v[y1 * self.width..]);
            let (a, b) = (upper[x0] + fx * (upper[x1] - upper[x0]), lower[x0] + fx * (lower[x1] - lower[x0]));
            a + fy * (b - a)
        };
        Stencils::index(mix(&self.cos2), mix(&self.sin2))
    }
}

/// The binomial 1 2 1 along both axes; nothing lies beyond the border.
fn smooth(values: &mut [f32], width: usize, height: usize, spare: &mut Vec<f32>) {
    spare.clear();
    spare.extend_from_slice(values);
    for y in 0..height {
        for x in 0..width {
            let at = |x: usize| spare[y * width + x];
            let left = if x > 0 { at(x - 1) } else { 0.0 };
            let right = if x + 1 < width { at(x + 1) } else { 0.0 };
            values[y * width + x] = 2.0 * at(x) + left + right;
        }
    }
    spare.copy_from_slice(values);
    for y in 0..height {
        for x in 0..width {
            let at = |y: usize| spare[y * width + x];
            let above = if y > 0 { at(y - 1) } else { 0.0 };
            let below = if y + 1 < height { at(y + 1) } else { 0.0 };
            values[y * width + x] = 2.0 * at(y) + above + below;
        }
    }
}
