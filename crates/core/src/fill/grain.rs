//! Grain for what diffusion leaves too smooth: the fine residue of the hole's own surroundings, mirrored inwards.
//!
//! The grain is part of the frame that is filled: it moves, freezes and changes as the surroundings do, and nothing is ever
//! drawn anew. Knows where a sample's mirror image lies; refuses to know how the hole was filled.

use super::shape::FAR;

/// Nearest and farthest distance to the hole (samples) from which grain is taken: beyond the samples that are cleaned, and
/// within the margin.
const FROM: i32 = 7;
const TO: i32 = 15;

/// Mirror images at most by which the level of the grain is measured.
const PROBES: usize = 1024;

/// What the high-pass of [`residue`] leaves of the standard deviation of white noise: `sqrt((3/4)^2 + 4/64 + 4/256)`.
const PASSED: f32 = 0.8;

/// A residue beyond this many standard deviations of the grain is structure and is cut. So the grain costs .02 to .04 dB on
/// `benches/fill`.
const CUT: f32 = 2.0;

/// Stronger grain than this (standard deviation in 8-bit code values) is texture, of which a mirror image is as wrong as
/// none: it is added at this strength.
const MOST: f32 = 1.5;

/// Where each open sample of a window takes its grain from; depends on the mask alone.
#[derive(Clone, Debug)]
pub(super) struct Mirror {
    /// The open samples and their sources.
    pairs: Vec<(u32, u32)>,
}

impl Mirror {
    /// Mirror images for the open samples of a window `width` samples wide, `distance` being that to the hole.
    pub(super) fn new(width: usize, distance: &[u8]) -> Self {
        let height = distance.len() / width.max(1);
        let nearest = nearest_known(width, height, distance);
        let mut pairs = Vec::new();
        for (p, (x, y)) in nearest.into_iter().enumerate().filter(|(p, _)| distance[*p] == 0) {
            let (dx, dy) = (x - (p % width) as i32, y - (p / width) as i32);
            let reach = dx.abs().max(dy.abs());
            if x < 0 || reach == 0 {
                continue;
            }
            // Deeper than the margin is wide, the image runs back and forth over it.
            let period = 2 * (TO - FROM);
            let folded = (reach - 1) % period;
            let depth = FROM - 1 + folded.min(period - folded);
            let (sx, sy) = (x + dx * depth / reach, y + dy * depth / reach);
            if sx < 1 || sy < 1 || sx + 1 >= width as i32 || sy + 1 >= height as i32 {
                continue;
            }
            let source = sy as usize * width + sx as usize;
            if i32::from(distance[source]) >= FROM - 1 && distance[source] <= FAR {
                pairs.push((p as u32, source as u32));
            }
        }
        Self { pairs }
    }

    pub(super) fn bytes(&self) -> usize {
        self.pairs.len() * 8
    }

    /// Adds grain to the open samples of lane `n`. `code` is the size of an 8-bit code value.
    pub(super) fn add<const N: usize>(&self, values: &mut [[f32; N]], width: usize, n: usize, code: f32) {
        let step = self.pairs.len().div_ceil(PROBES).max(1);
        let mut probes: Vec<f32> = self
            .pairs
            .iter()
            .step_by(step)
            .map(|(_, source)| residue(values, width, n, *source as usize).abs())
            .collect();
        if probes.is_empty() {
            return;
        }
        let middle = probes.len() / 2;
        let (_, median, _) = probes.select_nth_unstable_by(middle, f32::total_cmp);
        // The median of |x| is .6745 standard deviations of a normal x.
        let level = *median / 0.6745;
        let gain = (MOST * code / level.max(1e-6)).min(1.0 / PASSED);
        for (p, source) in &self.pairs {
            let grain = residue(values, width, n, *source as usize).clamp(-CUT * level, CUT * level);
            values[*p as usize][n] += gain * grain;
        }
    }
}

/// What remains of a sample without the binomial mean of its 3x3 neighbourhood.
fn residue<const N: usize>(values: &[[f32; N]], width: usize, n: usize, p: usize) -> f32 {
    let at = |p: usize| values[p][n];
    let (above, below) = (p - width, p + width);
    let near = at(above) + at(below) + at(p - 1) + at(p + 1);
    let corners = at(above - 1) + at(above + 1) + at(below - 1) + at(below + 1);
    0.75 * at(p) - 0.125 * near - 0.0625 * corners
}

/// The nearest known sample of every open one in the Chebyshev sense, by passing the place on from neighbour to neighbour
/// twice; `(-1, -1)` where nothing is known.
fn nearest_known(width: usize, height: usize, distance: &[u8]) -> Vec<(i32, i32)> {
    const NONE: (i32, i32) = (-1, -1);
    let mut nearest: Vec<(i32, i32)> = (0..distance.len())
        .map(|p| if distance[p] > 0 { ((p % width) as i32, (p / width) as i32) } else { NONE })
        .collect();
    let squared = |(x, y): (i32, i32), to: (i32, i32)| match to {
        NONE => i64::MAX,
        (tx, ty) => i64::from(tx - x).pow(2) + i64::from(ty - y).pow(2),
    };
    for backwards in [false, true] {
        for k in 0..distance.len() {
            let p = if backwards { distance.len() - 1 - k } else { k };
            if distance[p] > 0 {
                continue;
            }
            let here = ((p % width) as i32, (p / width) as i32);
            let sign = if backwards { 1 } else { -1 };
            let mut best = nearest[p];
            for (dx, dy) in [(sign, 0), (-1, sign), (0, sign), (1, sign)] {
                let (x, y) = (here.0 + dx, here.1 + dy);
                if x >= 0 && y >= 0 && x < width as i32 && y < height as i32 {
                    let candidate = nearest[y as usize * width + x as usize];
                    if squared(here, candidate) < squared(here, best) {
                        best = candidate;
                    }
                }
            }
            nearest[p] = best;
        }
    }
    nearest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fill::shape::chamfer;

    fn window(width: usize, height: usize, hole: impl Fn(usize, usize) -> bool) -> Vec<u8> {
        let mut distance: Vec<u8> =
            (0..width * height).map(|p| if hole(p % width, p / width) { 0 } else { FAR }).collect();
        chamfer(&mut distance, width);
        distance
    }

    #[test]
    fn every_sample_of_a_hole_has_a_known_image_away_from_the_border_of_the_hole() {
        let (width, height) = (140, 100);
        let distance = window(width, height, |x, y| (20..120).contains(&x) && (20..80).contains(&y));
        let mirror = Mirror::new(width, &distance);
        assert_eq!(mirror.pairs.len(), 100 * 60);
        assert!(mirror.pairs.iter().all(|(p, s)| distance[*p as usize] == 0 && distance[*s as usize] >= 6));
    }

    #[test]
    fn grain_is_that_of_the_surroundings_and_a_smooth_picture_gets_none() {
        let (width, height) = (140, 100);
        let distance = window(width, height, |x, y| (20..120).contains(&x) && (20..80).contains(&y));
        let mirror = Mirror::new(width, &distance);
        let smooth: Vec<[f32; 1]> = (0..width * height).map(|p| [(p % width) as f32]).collect();
        let mut filled = smooth.clone();
        mirror.add(&mut filled, width, 0, 1.0);
        assert!(smooth.iter().zip(&filled).all(|(a, b)| (a[0] - b[0]).abs() < 1e-3));

        let mut state = 1u32;
        let mut noisy: Vec<[f32; 1]> = distance
            .iter()
            .map(|d| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                [if *d == 0 { 100.0 } else { 100.0 + (state >> 16) as f32 / 16384.0 - 2.0 }]
            })
            .collect();
        mirror.add(&mut noisy, width, 0, 1.0);
        let spread = |inside: bool| {
            let some = noisy.iter().zip(&distance).filter(|(_, d)| (**d == 0) == inside).map(|(v, _)| v[0]);
            let (n, s, q) = some.fold((0.0, 0.0, 0.0), |(n, s, q), v| (n + 1.0, s + v, q + v * v));
            (q / n - (s / n) * (s / n)).sqrt()
        };
        let ratio = spread(true) / spread(false);
        assert!((0.7..1.1).contains(&ratio), "{ratio}");
    }
}
