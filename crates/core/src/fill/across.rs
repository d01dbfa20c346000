//! What the known samples at the two ends of a row and of a column of a hole make of the samples between them.
//!
//! Diffusion follows an edge from where it meets the hole and is lost where nothing inside carries it on. Rows and columns
//! reach over the whole hole: what agrees at both ends is likely there in between. Where the two disagree the one is as
//! wrong as the other, and the mean of both answers is the smaller risk. Knows places and distances; refuses to know how the
//! hole was filled.

use super::shape::chamfer;

/// Variance (8-bit code values squared) by which a picture drifts over one sample, as a random walk: what is known of a
/// sample between two ends `a` and `b` samples away is a Brownian bridge of variance `DRIFT a b / (a + b)`.
const DRIFT: f32 = 32.0;

/// Share of the squared difference of the two ends that counts as variance in the middle between them.
const DISAGREE: f32 = 0.05;

/// The most that rows and columns weigh against diffusion, and the depth (samples) at which they weigh 1 - 1/e of it: next to
/// the border diffusion is nearly always right.
const MOST: f32 = 0.6;
const DEPTH: f32 = 16.0;

/// The depth at which the weight has fallen to 1/e again: deep inside neither is right, and what people see of rows and
/// columns are streaks.
const FAR: f32 = 40.0;

/// A bridge longer than any picture.
const NOWHERE: f32 = 1e9;

/// Steps to the known sample to the left, to the right, above and below; 0 where there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Ends {
    left: u16,
    right: u16,
    above: u16,
    below: u16,
}

/// The ends of every open sample's row and column; depends on the mask alone.
#[derive(Clone, Debug)]
pub(super) struct Across {
    ends: Vec<(u32, Ends)>,
    depth: Vec<u8>,
    /// Weight by depth.
    weight: Vec<f32>,
    /// `1 / n` for the samples from one end to the other.
    inverse: Vec<f32>,
}

impl Across {
    /// Ends in a window `width` samples wide, `distance` being that to the hole.
    pub(super) fn new(width: usize, distance: &[u8]) -> Self {
        let mut all = vec![Ends::default(); distance.len()];
        let next = |d: u8, steps: u16| {
            if d > 0 {
                1
            } else if steps > 0 {
                steps.saturating_add(1)
            } else {
                0
            }
        };
        for p in 0..distance.len() {
            if p % width > 0 {
                all[p].left = next(distance[p - 1], all[p - 1].left);
            }
            if p >= width {
                all[p].above = next(distance[p - width], all[p - width].above);
            }
        }
        for p in (0..distance.len()).rev() {
            if p % width + 1 < width {
                all[p].right = next(distance[p + 1], all[p + 1].right);
            }
            if p + width < distance.len() {
                all[p].below = next(distance[p + width], all[p + width].below);
            }
        }
        let ends = all.into_iter().enumerate().filter(|(p, _)| distance[*p] == 0).map(|(p, e)| (p as u32, e)).collect();
        let mut inside: Vec<u8> = distance.iter().map(|d| if *d == 0 { u8::MAX } else { 0 }).collect();
        chamfer(&mut inside, width);
        let deep = inside.iter().copied().filter(|d| *d > 0).collect();
        let weight = |d: f32| MOST * (1.0 - (-d / DEPTH).exp()) * (-(d / FAR).powi(2)).exp();
        let weight = (0..=u8::MAX).map(|d| weight(f32::from(d))).collect();
        let inverse = (0..=width + distance.len() / width.max(1)).map(|n| 1.0 / n as f32).collect();
        Self { ends, depth: deep, weight, inverse }
    }

    pub(super) fn bytes(&self) -> usize {
        self.ends.len() * size_of::<(u32, Ends)>() + self.depth.len() + (self.weight.len() + self.inverse.len()) * 4
    }

    /// Moves the open samples towards what their ends say. `code` is the size of an 8-bit code value.
    pub(super) fn blend<const N: usize>(&self, values: &mut [[f32; N]], width: usize, code: f32) {
        let drift = DRIFT * code * code;
        for ((p, ends), depth) in self.ends.iter().zip(&self.depth) {
            if *ends == Ends::default() {
                continue;
            }
            let p = *p as usize;
            let weight = self.weight[usize::from(*depth)];
            let row = self.pair(p, 1, ends.left, ends.right);
            let column = self.pair(p, width, ends.above, ends.below);
            for n in 0..N {
                let ((a, va), (b, vb)) = (row.look(values, n, drift), column.look(values, n, drift));
                // Each weighs as much as the other varies: one division serves both.
                let mean = a + (b - a) * (va / (va + vb));
                values[p][n] += weight * (mean - values[p][n]);
            }
        }
    }

    #[inline]
    fn pair(&self, p: usize, step: usize, before: u16, after: u16) -> Pair {
        let (a, b) = (f32::from(before), f32::from(after));
        let at = [p - usize::from(before) * step, p + usize::from(after) * step];
        if before > 0 && after > 0 {
            let scale = self.inverse[usize::from(before) + usize::from(after)];
            let bridge = a * b * scale;
            Pair { at, share: b * scale, bridge, disagree: DISAGREE * 4.0 * bridge * scale }
        } else {
            // One end alone, or none: then the sample stands for itself and hardly counts.
            let bridge = if before > 0 || after > 0 { a + b } else { NOWHERE };
            Pair { at, share: if before > 0 { 1.0 } else { 0.0 }, bridge, disagree: 0.0 }
        }
    }
}

/// The two ends of one line.
struct Pair {
    at: [usize; 2],
    /// Of the first end.
    share: f32,
    /// Variance in multiples of the drift of one sample.
    bridge: f32,
    /// Share of the squared difference that adds to it.
    disagree: f32,
}

impl Pair {
    /// What lane `n` should be, and the variance of it.
    #[inline]
    fn look<const N: usize>(&self, values: &[[f32; N]], n: usize, drift: f32) -> (f32, f32) {
        let (a, b) = (values[self.at[0]][n], values[self.at[1]][n]);
        (b + self.share * (a - b), drift * self.bridge + self.disagree * (a - b) * (a - b))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fill::shape::FAR;

    /// A window with a hole of 40 x 20 samples in the middle, its distances and its samples after `fill` in the hole.
    fn blended(truth: impl Fn(usize, usize) -> f32, fill: f32, code: f32) -> (Vec<u8>, Vec<[f32; 1]>) {
        let (width, height) = (80, 60);
        let hole = |x: usize, y: usize| (20..60).contains(&x) && (20..40).contains(&y);
        let at = |p: usize| (p % width, p / width);
        let mut distance: Vec<u8> = (0..width * height).map(|p| if hole(at(p).0, at(p).1) { 0 } else { FAR }).collect();
        chamfer(&mut distance, width);
        let mut values: Vec<[f32; 1]> =
            (0..width * height).map(|p| [if distance[p] == 0 { fill } else { truth(at(p).0, at(p).1) }]).collect();
        Across::new(width, &distance).blend(&mut values, width, code);
        (distance, values)
    }

    #[test]
    fn a_bar_that_both_ends_of_a_column_show_is_seen_through_the_hole() {
        for code in [1.0, 4.0, 256.0] {
            let bar = |x: usize, _: usize| if (38..42).contains(&x) { 20.0 * code } else { 200.0 * code };
            let (_, values) = blended(bar, 200.0 * code, code);
            let drop = |x: usize| 200.0 - values[30 * 80 + x][0] / code;
            assert!(drop(40) > 20.0, "{}", drop(40));
            assert!(drop(30).abs() < 1e-3 && drop(50).abs() < 1e-3);
        }
    }

    #[test]
    fn a_plane_stays_a_plane_and_known_samples_stay() {
        let plane = |x: usize, y: usize| 20.0 + 2.0 * x as f32 - 0.7 * y as f32;
        let (distance, values) = blended(plane, 90.0, 1.0);
        for (p, (d, v)) in distance.iter().zip(&values).enumerate() {
            let truth = plane(p % 80, p / 80);
            let (before, after) = ((90.0 - truth).abs(), (v[0] - truth).abs());
            assert!(if *d > 0 { after == 0.0 } else { after <= before }, "{p}: {before} {after}");
        }
    }

    #[test]
    fn a_line_without_an_end_says_nothing() {
        let width = 10;
        let mut distance: Vec<u8> = (0..100).map(|p| if p % width < 6 { 0 } else { FAR }).collect();
        chamfer(&mut distance, width);
        let mut values: Vec<[f32; 1]> = distance.iter().map(|d| [if *d == 0 { 50.0 } else { 80.0 }]).collect();
        let across = Across::new(width, &distance);
        across.blend(&mut values, width, 1.0);
        assert!(values.iter().all(|v| (50.0..=80.0).contains(&v[0])));
        let blind = vec![0; 100];
        let mut values = vec![[50.0f32]; 100];
        Across::new(width, &blind).blend(&mut values, width, 1.0);
        assert!(values.iter().all(|v| v[0] == 50.0));
    }
}
