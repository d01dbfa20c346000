//! Where every sample of one guide lies in another: dense inverse search (Kroeger et al., "Fast Optical Flow using Dense
//! Inverse Search", ECCV 2016) over patches of what both show.
//!
//! Differences from the paper: samples under a mark count nowhere; a patch also starts where its neighbours above and to the
//! left ended; patches weigh by how well their texture pins them down; no variational refinement follows.

use super::guide::{Guide, Level, PAD};
use super::sample::{bilinear, length};
use super::spread::Spread;

/// Columns and rows of a patch, and the step from one to the next.
const SIDE: usize = 8;
const STEP: usize = 4;
const AREA: usize = SIDE * SIDE;

/// Gauss-Newton steps of a patch at most.
const STEPS: usize = 8;

/// A patch needs this many samples that both guides show.
const LEAST: f32 = 20.0;

/// Variance of what is left between two well-aligned samples, in squared codes: x264 at crf 20 and rounding.
const NOISE: f32 = 2.0;

/// A motion of every sample of a grid, in samples of that grid.
#[derive(Clone, Debug, Default)]
pub(super) struct Field {
    pub(super) width: usize,
    pub(super) motion: Vec<[f32; 2]>,
    /// How well a motion is known, 0..=1; 0 where nothing was seen.
    pub(super) trust: Vec<f32>,
}

/// Buffers of the search.
#[derive(Clone, Debug, Default)]
pub(super) struct Search {
    above: Vec<Option<[f32; 2]>>,
    spread: Spread<2>,
}

/// A patch of the first guide, ready to be compared.
struct Patch {
    luma: [f32; AREA],
    gradient: [[f32; AREA]; 2],
    weight: [f32; AREA],
    /// Inverse of the damped Gauss-Newton matrix: xx, xy, yy.
    inverse: [f32; 3],
    /// The smaller eigenvalue of the undamped one, for one sample.
    texture: f32,
}

/// A place at which a patch was compared.
struct Fit {
    residual: [f32; AREA],
    /// Mean squared difference, brightness taken out.
    cost: f32,
}

impl Search {
    /// The motion from `a` to `b` at the finest level; both have the same size.
    pub(super) fn run(&mut self, a: &Guide, b: &Guide) -> Field {
        let coarsest = a.levels.len() - 1;
        let shift = translation(&a.levels[coarsest], &b.levels[coarsest]);
        let mut start = vec![shift; a.levels[coarsest].width * a.levels[coarsest].height];
        for at in (0..=coarsest).rev() {
            let mut field = self.refine(&a.levels[at], &b.levels[at], &start);
            if at == 0 {
                return field;
            }
            let width = field.width;
            self.spread.fill(width, &mut field.motion, &field.trust);
            let finer = &a.levels[at - 1];
            start.clear();
            for y in 0..finer.height {
                for x in 0..finer.width {
                    let motion = bilinear(&field.motion, width, 0.5 * x as f32 - 0.25, 0.5 * y as f32 - 0.25);
                    start.push(motion.map(|m| 2.0 * m));
                }
            }
        }
        Field::default()
    }

    /// One level, starting from a motion of every sample.
    pub(super) fn refine(&mut self, a: &Level, b: &Level, start: &[[f32; 2]]) -> Field {
        let (width, height) = (a.width, a.height);
        let mut field = Field { width, motion: vec![[0.0; 2]; width * height], trust: vec![0.0; width * height] };
        let columns = places(width);
        self.above.clear();
        self.above.resize(columns.len(), None);
        for y in places(height) {
            let mut left = None;
            for (x, above) in columns.iter().zip(&mut self.above) {
                let prior = start[(y + SIDE / 2) * width + x + SIDE / 2];
                left = match Patch::new(a, *x, y) {
                    Some(patch) => {
                        let found = patch.search(b, [*x as f32, y as f32], prior, [left, *above]);
                        found.map(|(motion, fit)| {
                            patch.splat(&mut field, *x, y, motion, &fit);
                            motion
                        })
                    }
                    None => None,
                };
                *above = left;
            }
        }
        for (motion, trust) in field.motion.iter_mut().zip(&mut field.trust) {
            if *trust > 0.0 {
                motion.iter_mut().for_each(|m| *m /= *trust);
                *trust = trust.min(1.0);
            }
        }
        field
    }
}

/// Where patches start along a side.
fn places(length: usize) -> Vec<usize> {
    let Some(last) = length.checked_sub(SIDE) else { return Vec::new() };
    let mut all: Vec<usize> = (0..=last).step_by(STEP).collect();
    if all.last() != Some(&last) {
        all.push(last);
    }
    all
}

impl Patch {
    fn new(level: &Level, x: usize, y: usize) -> Option<Self> {
        let mut patch = Self {
            luma: [0.0; AREA],
            gradient: [[0.0; AREA]; 2],
            weight: [0.0; AREA],
            inverse: [0.0; 3],
            texture: 0.0,
        };
        let mut sum = 0.0;
        for row in 0..SIDE {
            let from = level.at(x, y + row);
            for column in 0..SIDE {
                let (k, at) = (row * SIDE + column, from + column);
                let weight = level.firm[at];
                patch.luma[k] = level.luma[at];
                patch.weight[k] = weight;
                patch.gradient[0][k] = weight * level.gradient[at][0];
                patch.gradient[1][k] = weight * level.gradient[at][1];
                sum += weight;
            }
        }
        if sum < LEAST {
            return None;
        }
        let [gx, gy] = &mut patch.gradient;
        for g in [&mut *gx, &mut *gy] {
            let mean = g.iter().sum::<f32>() / sum;
            g.iter_mut().zip(&patch.weight).for_each(|(g, w)| *g -= w * mean);
        }
        let xx = gx.iter().map(|g| g * g).sum::<f32>();
        let yy = gy.iter().map(|g| g * g).sum::<f32>();
        let xy = gx.iter().zip(&*gy).map(|(a, b)| a * b).sum::<f32>();
        let spread = (0.25 * (xx - yy) * (xx - yy) + xy * xy).sqrt();
        patch.texture = (0.5 * (xx + yy) - spread).max(0.0) / sum;
        // A quarter of a squared code a sample: where there is less texture than rounding, the patch stays where it starts.
        let damp = 0.25 * sum;
        let (xx, yy) = (xx + damp, yy + damp);
        let det = 1.0 / (xx * yy - xy * xy);
        patch.inverse = [yy * det, -xy * det, xx * det];
        Some(patch)
    }

    /// Compares the patch with `level` at column `x`, row `y`; `None` where too little of it is shown there.
    fn compare(&self, level: &Level, x: f32, y: f32) -> Option<Fit> {
        let pad = PAD as f32;
        let x = x.clamp(1.0 - pad, level.width as f32 + pad - SIDE as f32 - 2.0) + pad;
        let y = y.clamp(1.0 - pad, level.height as f32 + pad - SIDE as f32 - 2.0) + pad;
        let (x0, y0) = (x as usize, y as usize);
        let (fx, fy) = (x - x0 as f32, y - y0 as f32);
        let (nx, ny) = (usize::from(fx >= 0.5), usize::from(fy >= 0.5));
        let quarter = [(1.0 - fx) * (1.0 - fy), fx * (1.0 - fy), (1.0 - fx) * fy, fx * fy];
        let stride = level.stride();
        let mut fit = Fit { residual: [0.0; AREA], cost: 0.0 };
        let mut weight = [0.0f32; AREA];
        for row in 0..SIDE {
            let from = (y0 + row) * stride + x0;
            let above = &level.luma[from..from + SIDE + 1];
            let below = &level.luma[from + stride..from + stride + SIDE + 1];
            let firm = &level.firm[(y0 + row + ny) * stride + x0 + nx..][..SIDE];
            for column in 0..SIDE {
                let k = row * SIDE + column;
                let value = quarter[0] * above[column]
                    + quarter[1] * above[column + 1]
                    + quarter[2] * below[column]
                    + quarter[3] * below[column + 1];
                weight[k] = self.weight[k] * firm[column];
                fit.residual[k] = weight[k] * (value - self.luma[k]);
            }
        }
        let sum = weight.iter().sum::<f32>();
        if sum < LEAST {
            return None;
        }
        let mean = fit.residual.iter().sum::<f32>() / sum;
        fit.residual.iter_mut().zip(&weight).for_each(|(r, w)| *r -= w * mean);
        fit.cost = fit.residual.iter().map(|r| r * r).sum::<f32>() / sum;
        Some(fit)
    }

    fn search(
        &self,
        level: &Level,
        [x, y]: [f32; 2],
        prior: [f32; 2],
        neighbours: [Option<[f32; 2]>; 2],
    ) -> Option<([f32; 2], Fit)> {
        let mut best = self.compare(level, x + prior[0], y + prior[1]).map(|fit| (prior, fit));
        for motion in neighbours.into_iter().flatten() {
            if (motion[0] - prior[0]).abs() + (motion[1] - prior[1]).abs() < 0.25 {
                continue;
            }
            if let Some(fit) = self.compare(level, x + motion[0], y + motion[1])
                && best.as_ref().is_none_or(|(_, b)| fit.cost + NOISE < b.cost)
            {
                best = Some((motion, fit));
            }
        }
        let (start, mut fit) = best?;
        let mut motion = start;
        for _ in 0..STEPS {
            let dot = |g: &[f32; AREA]| g.iter().zip(&fit.residual).map(|(g, r)| g * r).sum::<f32>();
            let (bx, by) = (dot(&self.gradient[0]), dot(&self.gradient[1]));
            let [xx, xy, yy] = self.inverse;
            let step = [xx * bx + xy * by, xy * bx + yy * by];
            let next = [motion[0] - step[0], motion[1] - step[1]];
            // A patch that leaves its own place has lost itself.
            if (next[0] - start[0]).abs().max((next[1] - start[1]).abs()) > 0.75 * SIDE as f32 {
                break;
            }
            match self.compare(level, x + next[0], y + next[1]) {
                Some(there) if there.cost < fit.cost => (motion, fit) = (next, there),
                _ => break,
            }
            if step[0] * step[0] + step[1] * step[1] < 4e-4 {
                break;
            }
        }
        Some((motion, fit))
    }

    /// Adds the motion to every sample of the patch, by how well it fits there.
    fn splat(&self, field: &mut Field, x: usize, y: usize, motion: [f32; 2], fit: &Fit) {
        let sure = self.texture / (self.texture + NOISE) + 1e-3;
        for row in 0..SIDE {
            for column in 0..SIDE {
                let k = row * SIDE + column;
                if self.weight[k] > 0.0 {
                    let r = fit.residual[k];
                    let weight = sure * NOISE / (NOISE + r * r + fit.cost);
                    let at = (y + row) * field.width + x + column;
                    field.motion[at][0] += weight * motion[0];
                    field.motion[at][1] += weight * motion[1];
                    field.trust[at] += weight;
                }
            }
        }
    }
}

/// The one shift of everything that both levels show, found by trying all up to half of the level.
fn translation(a: &Level, b: &Level) -> [f32; 2] {
    let (w, h) = (a.width as i64, a.height as i64);
    let mut best = (f32::MAX, [0.0; 2]);
    for dy in -h / 2..=h / 2 {
        for dx in -w / 2..=w / 2 {
            let (mut sum, mut count) = (0.0, 0.0);
            for y in (-dy).max(0)..(h - dy).min(h) {
                let (from, to) = ((-dx).max(0), (w - dx).min(w));
                let at = a.at(from as usize, y as usize);
                let on = b.at((from + dx) as usize, (y + dy) as usize);
                for k in 0..(to - from) as usize {
                    let weight = a.firm[at + k] * b.firm[on + k];
                    sum += weight * (a.luma[at + k] - b.luma[on + k]).abs();
                    count += weight;
                }
            }
            // The further, the less is compared, and the likelier is a chance match.
            let cost = (sum + count) / count * (1.0 + 0.03 * length([dx as f32, dy as f32]));
            if count >= 0.2 * (w * h) as f32 && cost < best.0 {
                best = (cost, [dx as f32, dy as f32]);
            }
        }
    }
    best.1
}
