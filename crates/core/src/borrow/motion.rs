//! The motion of the background from one frame to the next, also where a mark hides it.

use super::flow::{Field, Search};
use super::guide::{Guide, RING};
use super::sample::{bilinear, length};
use super::spread::Spread;

/// Motions below this are taken for none, in samples of the guide: the noise of the search on a still scene.
pub(super) const STILL: f32 = 0.06;

/// Variance of a motion that is trusted by half: noise of two squared codes over the 64 samples of a patch whose
/// texture is as strong.
const SEARCH_NOISE: f32 = 1.0 / 64.0;

/// Samples of the ring that the model is fitted to at most.
const FITTED: usize = 3000;

/// From every sample of one guide to another.
#[derive(Debug, Default)]
pub(super) struct Motion {
    /// Columns and rows, in samples of the guide.
    pub(super) motion: Vec<[f32; 2]>,
    /// How far the way there and back misses where it started, in samples of the guide.
    pub(super) slip: Vec<f32>,
}

impl Motion {
    pub(super) fn bytes(&self) -> usize {
        self.motion.len() * 12
    }
}

/// Buffers of the completion.
#[derive(Clone, Debug, Default)]
pub(super) struct Completion {
    spread: Spread<2>,
    errors: Vec<f32>,
    samples: Vec<Sample>,
}

#[derive(Clone, Copy, Debug)]
struct Sample {
    basis: [f32; 3],
    motion: [f32; 2],
    trust: f32,
    weight: f32,
}

/// Both ways between two guides of the same size.
pub(super) fn between(
    a: &Guide,
    b: &Guide,
    [one, other]: &mut [Search; 2],
    completion: &mut Completion,
) -> [Motion; 2] {
    let (mut there, mut back) = rayon::join(|| one.run(a, b), || other.run(b, a));
    let doubts = [doubts(&there, &back), doubts(&back, &there)];
    for (field, doubt) in [&mut there, &mut back].into_iter().zip(&doubts) {
        field.trust.iter_mut().zip(doubt).for_each(|(trust, doubt)| *trust *= doubt);
    }
    completion.complete(&mut there, &a.ring, STILL);
    completion.complete(&mut back, &b.ring, STILL);
    let slips = [slips(&there, &back), slips(&back, &there)];
    let [there_slip, back_slip] = slips;
    [Motion { motion: there.motion, slip: there_slip }, Motion { motion: back.motion, slip: back_slip }]
}

/// 0 where a motion that is known is contradicted by the way back, else 1.
fn doubts(there: &Field, back: &Field) -> Vec<f32> {
    let width = there.width;
    let height = there.motion.len() / width;
    (0..there.motion.len())
        .map(|k| {
            let [dx, dy] = there.motion[k];
            let (x, y) = ((k % width) as f32 + dx, (k / width) as f32 + dy);
            if x < 0.0 || y < 0.0 || x > (width - 1) as f32 || y > (height - 1) as f32 {
                return 1.0;
            }
            let on = y.round() as usize * width + x.round() as usize;
            if back.trust[on] <= 0.0 {
                return 1.0;
            }
            let [bx, by] = back.motion[on];
            // Half a sample of the picture and a twentieth of the way, as in the consistency checks of the field.
            f32::from(u8::from(length([dx + bx, dy + by]) < 0.5 + 0.05 * length([dx, dy])))
        })
        .collect()
}

fn slips(there: &Field, back: &Field) -> Vec<f32> {
    let width = there.width;
    let miss = |(k, [dx, dy]): (usize, &[f32; 2])| {
        let [bx, by] = bilinear(&back.motion, width, (k % width) as f32 + dx, (k / width) as f32 + dy);
        length([dx + bx, dy + by])
    };
    there.motion.iter().enumerate().map(miss).collect()
}

impl Completion {
    /// Gives every sample a motion: where none is trusted, a robust affine model of the ring plus the smooth continuation of
    /// what the model leaves of the motions around. Returns whether there was anything to go by.
    pub(super) fn complete(&mut self, field: &mut Field, ring: &[u8], still: f32) -> bool {
        let Some(model) = self.fit(field, ring) else {
            field.motion.fill([0.0; 2]);
            return false;
        };
        let width = field.width;
        let limit = 3.0 * model.deviation + 0.5;
        for (k, motion) in field.motion.iter_mut().enumerate() {
            let expected = model.at(k % width, k / width);
            *motion = [motion[0] - expected[0], motion[1] - expected[1]];
            // A difference from the model that noise can explain is none: only so a stiff background stays stiff.
            let noise = SEARCH_NOISE * (1.0 - field.trust[k]) / field.trust[k].max(1e-6);
            let kept = (1.0 - noise / (motion[0] * motion[0] + motion[1] * motion[1]).max(1e-12)).max(0.0);
            *motion = motion.map(|m| kept * m);
            // What moves for itself beside the mark does not move what the mark hides.
            if ring[k] > 0 && length(*motion) > limit {
                field.trust[k] = 0.0;
            }
        }
        self.spread.fill(width, &mut field.motion, &field.trust);
        for (k, motion) in field.motion.iter_mut().enumerate() {
            let expected = model.at(k % width, k / width);
            *motion = [motion[0] + expected[0], motion[1] + expected[1]];
            if length(*motion) < still {
                *motion = [0.0; 2];
            }
        }
        true
    }

    /// Iteratively reweighted least squares with Cauchy weights.
    pub(super) fn fit(&mut self, field: &Field, ring: &[u8]) -> Option<Affine> {
        let width = field.width;
        let height = field.motion.len() / width.max(1);
        let mut model = Affine { size: [width as f32, height as f32], ..Affine::default() };
        let any = |k: &usize| field.trust[*k] > 0.02;
        let mut known: Vec<usize> = (0..ring.len()).filter(|k| ring[*k] > 0).filter(any).collect();
        if known.len() < 4 * RING {
            known = (0..ring.len()).filter(any).collect();
        }
        let step = known.len().div_ceil(FITTED).max(1);
        self.samples.clear();
        self.samples.extend(known.iter().step_by(step).map(|k| Sample {
            basis: model.basis(k % width, k / width),
            motion: field.motion[*k],
            trust: field.trust[*k],
            weight: field.trust[*k],
        }));
        if self.samples.is_empty() {
            return None;
        }
        for _ in 0..6 {
            model.parameters = solve(&self.samples)?;
            self.errors.clear();
            let miss = |s: &Sample| {
                let [x, y] = model.apply(s.basis);
                length([s.motion[0] - x, s.motion[1] - y])
            };
            self.errors.extend(self.samples.iter().map(miss));
            let errors: Vec<f32> = self.errors.clone();
            let middle = self.errors.len() / 2;
            let (_, median, _) = self.errors.select_nth_unstable_by(middle, f32::total_cmp);
            model.deviation = 1.4826 * *median + 0.025;
            for (sample, error) in self.samples.iter_mut().zip(&errors) {
                sample.weight = sample.trust / (1.0 + (error / (2.0 * model.deviation)).powi(2));
            }
        }
        Some(model)
    }
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Affine {
    size: [f32; 2],
    parameters: [[f32; 3]; 2],
    /// Robust standard deviation of what it leaves.
    deviation: f32,
}

impl Affine {
    fn basis(&self, x: usize, y: usize) -> [f32; 3] {
        [1.0, (x as f32 - 0.5 * self.size[0]) / self.size[0], (y as f32 - 0.5 * self.size[1]) / self.size[0]]
    }

    fn apply(&self, basis: [f32; 3]) -> [f32; 2] {
        self.parameters.map(|p| p.iter().zip(&basis).map(|(p, b)| p * b).sum())
    }

    /// The motion between the guide's samples.
    pub(super) fn between(&self, x: f32, y: f32) -> [f32; 2] {
        let [w, h] = self.size;
        self.apply([1.0, (x - 0.5 * w) / w, (y - 0.5 * h) / w])
    }

    /// The motion at a column and row of the guide.
    pub(super) fn at(&self, x: usize, y: usize) -> [f32; 2] {
        self.apply(self.basis(x, y))
    }
}

/// Weighted least squares of three parameters for each component.
fn solve(samples: &[Sample]) -> Option<[[f32; 3]; 2]> {
    let mut m = [[0.0f64; 5]; 3];
    for s in samples {
        let values = [s.basis[0], s.basis[1], s.basis[2], s.motion[0], s.motion[1]].map(f64::from);
        for (row, b) in m.iter_mut().zip(s.basis) {
            row.iter_mut().zip(values).for_each(|(cell, value)| *cell += f64::from(s.weight * b) * value);
        }
    }
    let total = m[0][0];
    if total <= 0.0 {
        return None;
    }
    // Where the ring cannot tell a slope (all on one side), the slope is none.
    m[1][1] += 1e-4 * total;
    m[2][2] += 1e-4 * total;
    for pivot in 0..3 {
        let divisor = m[pivot][pivot];
        m[pivot].iter_mut().for_each(|cell| *cell /= divisor);
        for other in (0..3).filter(|other| *other != pivot) {
            let (factor, row) = (m[other][pivot], m[pivot]);
            m[other].iter_mut().zip(row).for_each(|(cell, value)| *cell -= factor * value);
        }
    }
    Some([3, 4].map(|column| std::array::from_fn(|row| m[row][column] as f32)))
}
