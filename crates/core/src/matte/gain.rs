//! How strongly a mark of known matte is shown over time: marks fade in and out, come and go.
//!
//! On one frame `J = I + g (add - alpha I)`, so that the slopes of `J` follow those of `t = add - alpha I` by the gain `g`.
//! `I` under the mark is predicted from around it, which its slopes need not be: what the scene adds to them has nothing to
//! do with the mark's. Over frames the gains are those of a piecewise linear curve with few knots.

use rayon::prelude::*;

use super::Matte;
use super::evidence::MatteEvidence;
use super::membrane::Membrane;
use super::morphology::quantile;
use super::residual::slopes;
use super::stack::{code, stacks};
use crate::frame::FrameIdx;

/// Opacity from which a sample belongs to the mark.
const OPAQUE: f32 = 0.02;
/// Slopes that the codec leaves by itself, in 8-bit code values a sample.
const FLOOR: f32 = 2.0;
/// Rounds of reweighting: what the scene's own edges add is given less and less weight (Cauchy's weights, Holland and Welsch,
/// 1977).
const ROUNDS: usize = 6;
/// Neighbouring samples say much the same: the error of the mean is this much larger than that of independent ones.
const ALIKE: f32 = 3.0;

/// Levels of gain that a knot may have, 0 and 1 among them.
const LEVELS: usize = 21;
/// What a knot of the curve costs, in squared errors.
const KNOT: f64 = 30.0;
/// Errors are at least that large: what the prediction of the background is off by.
const LEAST_ERROR: f32 = 0.05;
/// A mark that is nowhere shown by less than this is shown fully all the time.
const FADED: f32 = 0.5;
/// Gains are known where their error is below this.
const MOST_ERROR: f32 = 0.15;
/// So little is nothing, and what lacks so little is all of it: the prediction is not better than that.
const NOTHING: f32 = 0.05;
const NEARLY: f32 = 0.15;
/// Looks that a weaker phase spans at least; shorter ones are errors of measurement.
const LEAST_LOOKS: usize = 3;

/// Runs of frames, of the length of a share of all but of so many looks at least, of which one shows the mark clearest.
const RUNS: usize = 6;
const LEAST_RUN: usize = 12;

/// How strongly a mark is shown on a frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Gain {
    /// The frame.
    pub idx: FrameIdx,
    /// Share of the matte: 0 not at all, 1 fully; measured, so beyond both too.
    pub value: f32,
    /// Its standard error.
    pub error: f32,
}

impl MatteEvidence {
    /// How strongly `matte` (over the rectangle of this evidence, as [`solve`](Self::solve) makes it) is shown on every frame
    /// that was kept, in order of time. Empty for a matte over another rectangle or without any slope.
    pub fn gains(&self, matte: &Matte) -> Vec<Gain> {
        if matte.rect() != self.rect || matte.format() != self.format {
            return Vec::new();
        }
        let code = code(self.format);
        let order: Vec<FrameIdx> = self.in_order().iter().map(|crop| crop.idx).collect();
        let mut sums = vec![Vec::new(); order.len()];
        for (stack, plane) in stacks(self).iter().zip(matte.planes()) {
            let (width, keep) = (stack.width, plane.keep.data());
            let add: Vec<f32> = plane.add.data().iter().map(|add| add / code).collect();
            let mark: Vec<bool> = keep.iter().zip(&add).map(|(k, a)| 1.0 - k > OPAQUE || a.abs() > 1.0).collect();
            if !mark.contains(&true) || !mark.contains(&false) {
                continue;
            }
            // Slopes look one sample to each side.
            let inner: Vec<bool> = (0..mark.len())
                .map(|k| {
                    let (x, y) = (k % width, k / width);
                    let near = [k.wrapping_sub(1), k + 1, k.wrapping_sub(width), k + width, k];
                    let inside = x > 0 && y > 0 && x + 1 < width && y + 1 < stack.height;
                    inside && near.iter().any(|n| mark[*n])
                })
                .collect();
            let membrane = Membrane::new(&mark, width);
            let groups: Vec<(usize, Vec<Vec<[f32; 2]>>)> = stack
                .groups()
                .into_par_iter()
                .map(|first| {
                    let (frames, count) = stack.lanes(first);
                    let mut behind = frames.clone();
                    membrane.fill(&mut behind);
                    let lanes = (0..count).map(|lane| {
                        let own: Vec<f32> = frames.iter().map(|frame| frame[lane]).collect();
                        let full = behind.iter().zip(keep.iter().zip(&add)).map(|(b, (k, a))| a - (1.0 - k) * b[lane]);
                        let full: Vec<f32> = full.collect();
                        pairs(&slopes(&own, width, &inner), &slopes(&full, width, &inner))
                    });
                    (first, lanes.collect())
                })
                .collect();
            for (first, lanes) in groups {
                lanes.into_iter().enumerate().for_each(|(lane, pairs)| sums[first + lane].extend(pairs));
            }
        }
        let strengths: Vec<f32> =
            sums.iter().map(|pairs| pairs.iter().map(|[_, full]| full * full).sum::<f32>().sqrt()).collect();
        let usual = quantile(strengths.iter().copied(), 0.5);
        let gains = order.iter().zip(sums.iter().zip(&strengths)).filter_map(|(idx, (pairs, strength))| {
            let (value, error) = regression(pairs)?;
            // On what has its own brightness a mark shows little, and what the scene does decides.
            let hardly_shown = LEAST_ERROR * (usual / strength.max(1e-3) - 1.0).max(0.0);
            Some(Gain { idx: *idx, value, error: error.hypot(hardly_shown) })
        });
        gains.collect()
    }
}

impl MatteEvidence {
    /// How strongly something that stands still in the given place shows on every frame that was kept, in order of time, where
    /// nothing else is known of it: 1 is what the run of frames shows in which it is clearest. Empty where nothing is clear.
    pub fn presence(&self) -> Vec<Gain> {
        let stacks = stacks(self);
        let Some(stack) = stacks.first() else { return Vec::new() };
        let (width, run) = (stack.width, (stack.frames() / RUNS).max(LEAST_RUN));
        let inside: Vec<bool> = (0..stack.len())
            .map(|k| self.mask.at(self.rect.x + (k % width) as u32, self.rect.y + (k / width) as u32) > 0)
            .collect();
        let starts = (0..stack.frames()).step_by(run).filter(|start| start + run <= stack.frames());
        let runs = starts.map(|start| {
            let some = stack.some(start..start + run);
            let slopes: Vec<[f32; 2]> =
                some.usual_slope(false).into_iter().zip(some.usual_slope(true)).map(|(x, y)| [x, y]).collect();
            let mean = |wanted: bool| {
                let sizes = || slopes.iter().zip(&inside).filter(|(_, i)| **i == wanted).map(|(s, _)| s[0].hypot(s[1]));
                sizes().map(|size| (size - FLOOR).max(0.0)).sum::<f32>() / sizes().count().max(1) as f32
            };
            (mean(true) - mean(false), slopes)
        });
        let Some((clear, shape)) = runs.max_by(|a, b| a.0.total_cmp(&b.0)) else { return Vec::new() };
        if clear <= 0.0 {
            return Vec::new();
        }
        let order = self.in_order();
        let gains = stack.groups().into_iter().flat_map(|first| {
            let (frames, count) = stack.lanes(first);
            let of = |lane: usize| {
                let at = |k: usize| frames.get(k).map_or(0.0, |frame| frame[lane]);
                let pairs = (0..shape.len()).filter(|k| inside[*k]).flat_map(|k| {
                    let own = at(k);
                    let [across, down] = shape[k];
                    [[at(k + 1) - own, across], [at(k + width) - own, down]]
                });
                let clear: Vec<[f32; 2]> = pairs.filter(|[_, shape]| shape.abs() > FLOOR).collect();
                let (value, error) = regression(&clear)?;
                Some(Gain { idx: order[first + lane].idx, value, error })
            };
            (0..count).filter_map(of).collect::<Vec<_>>()
        });
        gains.collect()
    }
}

/// Slopes of the frame with those of the fully shown mark, where the latter has any.
fn pairs(own: &[[f32; 2]], full: &[[f32; 2]]) -> Vec<[f32; 2]> {
    let both = own.iter().zip(full).flat_map(|(a, b)| [[a[0], b[0]], [a[1], b[1]]]);
    both.filter(|[_, full]| full.abs() > 0.5).collect()
}

/// The factor that makes the second of each pair the first, and its standard error; outliers count little.
fn regression(pairs: &[[f32; 2]]) -> Option<(f32, f32)> {
    let mut value = None;
    let mut sums = [0.0f64; 3];
    for _ in 0..ROUNDS {
        sums = [0.0; 3];
        for [own, full] in pairs {
            let off = own - value.unwrap_or(0.5) * full;
            let weight = f64::from(1.0 / (FLOOR * FLOOR + off * off));
            let (own, full, off) = (f64::from(*own), f64::from(*full), f64::from(off));
            sums[0] += weight * own * full;
            sums[1] += weight * full * full;
            sums[2] += (weight * full * off).powi(2);
        }
        if sums[1] <= 0.0 {
            return None;
        }
        value = Some((sums[0] / sums[1]) as f32);
    }
    Some((value?, ALIKE * (sums[2].sqrt() / sums[1]) as f32))
}

/// How strongly a mark is shown on frame `idx` by a curve of [`ramps`]: 0..=1; 1 everywhere by one without knots.
pub fn gain_at(knots: &[(FrameIdx, f32)], idx: FrameIdx) -> f32 {
    let after = knots.partition_point(|(at, _)| *at <= idx);
    match (after.checked_sub(1).map(|k| knots[k]), knots.get(after)) {
        (None, None) => 1.0,
        (Some((_, gain)), None) => gain,
        (None, Some((_, gain))) => *gain,
        (Some((from, a)), Some((to, b))) => a + (b - a) * (idx - from) as f32 / (to - from) as f32,
    }
}

/// The gain of a mark where it is fully shown, as `gains` have it: 1 for a right matte.
pub fn full_gain(gains: &[Gain]) -> Option<f32> {
    let sure = || gains.iter().filter(|gain| gain.error < MOST_ERROR).map(|gain| gain.value);
    let high = quantile(sure(), 0.95);
    let count = sure().filter(|value| *value > 0.5 * high).count();
    (count >= 2 * LEAST_LOOKS).then(|| quantile(sure().filter(|value| *value > 0.5 * high), 0.5))
}

/// The curve of gain over time that `gains` (in order of time) tell of: knots of frame and gain (0..=1), linear between,
/// level beyond the ends. Empty where the mark is shown fully on every frame.
///
/// Among all piecewise linear curves whose knots lie on the measured frames and on 21 levels from 0 to 1, it is the one of least
/// squared error with a price for each knot (Bellman, "On the approximation of curves by line segments using dynamic
/// programming", 1961).
pub fn ramps(gains: &[Gain]) -> Vec<(FrameIdx, f32)> {
    let sure: Vec<Gain> = gains.iter().copied().filter(|gain| gain.error < MOST_ERROR).collect();
    let weak = sure.iter().filter(|gain| gain.value < FADED).count();
    if sure.len() < 2 * LEAST_LOOKS || weak < LEAST_LOOKS {
        return Vec::new();
    }
    // One look alone is no phase of its own.
    let middle = |k: usize| {
        let mut three = [sure[k.max(1) - 1].value, sure[k].value, sure[(k + 1).min(sure.len() - 1)].value];
        three.sort_by(f32::total_cmp);
        three[1].clamp(0.0, 1.0)
    };
    let looks: Vec<Look> = (0..sure.len())
        .map(|k| Look {
            at: (sure[k].idx - sure[0].idx) as f64,
            gain: f64::from(middle(k)),
            weight: 1.0 / f64::from(sure[k].error.powi(2) + LEAST_ERROR.powi(2)),
        })
        .collect();
    let mut knots: Vec<(usize, f32)> = fitted(&looks);
    steady(&mut knots);
    if knots.iter().all(|(_, gain)| *gain >= 1.0) {
        return Vec::new();
    }
    knots.into_iter().map(|(k, gain)| (sure[k].idx, gain)).collect()
}

/// A look at the mark: when, how strong, and how much that counts.
struct Look {
    at: f64,
    gain: f64,
    weight: f64,
}

/// Knots (number of the look, gain) of the best curve, the first and last look among them.
fn fitted(looks: &[Look]) -> Vec<(usize, f32)> {
    let level = |l: usize| l as f64 / (LEVELS - 1) as f64;
    let count = looks.len();
    // best[j][m]: least cost of a curve that ends at look j with level m, and the knot before.
    let mut best = vec![[(f64::INFINITY, (0usize, 0usize)); LEVELS]; count];
    let own = |j: usize, m: usize| looks[j].weight * (looks[j].gain - level(m)).powi(2);
    best[0] = std::array::from_fn(|m| (own(0, m), (0, m)));
    for j in 1..count {
        // Sums over the looks after i up to j, of weight times 1, g, g g, t, t t, g t with t from look j on.
        let mut sums = [0.0f64; 6];
        for i in (0..j).rev() {
            let Look { at, gain, weight } = looks[i + 1];
            let t = at - looks[j].at;
            let terms = [1.0, gain, gain * gain, t, t * t, gain * t];
            sums.iter_mut().zip(terms).for_each(|(s, term)| *s += weight * term);
            let [one, g, gg, t, tt, gt] = sums;
            let length = looks[j].at - looks[i].at;
            let here = best[i];
            for (m, to) in best[j].iter_mut().enumerate() {
                for (l, (before, _)) in here.iter().enumerate() {
                    // The line is `end + slope t`.
                    let (end, slope) = (level(m), (level(m) - level(l)) / length);
                    let cost = gg - 2.0 * (end * g + slope * gt)
                        + end * end * one
                        + 2.0 * end * slope * t
                        + slope * slope * tt;
                    let cost = before + cost.max(0.0) + KNOT;
                    if cost < to.0 {
                        *to = (cost, (i, l));
                    }
                }
            }
        }
    }
    let mut at = count - 1;
    let last = best[at].iter().enumerate().min_by(|a, b| a.1.0.total_cmp(&b.1.0));
    let mut own = last.map_or(LEVELS - 1, |(m, _)| m);
    let mut knots = vec![(at, level(own) as f32)];
    while at > 0 {
        (at, own) = best[at][own].1;
        knots.push((at, level(own) as f32));
    }
    knots.reverse();
    knots
}

/// Dips that never come near to nothing are errors of the prediction, not fades, and what is nearly nothing or nearly all
/// over some time is just that.
fn steady(knots: &mut [(usize, f32)]) {
    for (near, level) in [((0.0..=NOTHING), 0.0), ((1.0 - NEARLY..=1.0), 1.0)] {
        for k in 0..knots.len() {
            let beside = [k.checked_sub(1), Some(k + 1)].into_iter().flatten().filter_map(|n| knots.get(n));
            if near.contains(&knots[k].1) && beside.into_iter().any(|(_, gain)| near.contains(gain)) {
                knots[k].1 = level;
            }
        }
    }
    let mut start = 0;
    while start < knots.len() {
        if knots[start].1 >= 1.0 {
            start += 1;
            continue;
        }
        let end = start + knots[start..].iter().take_while(|(_, gain)| *gain < 1.0).count();
        let deepest = knots[start..end].iter().map(|(_, gain)| *gain).fold(1.0, f32::min);
        if deepest > FADED {
            knots[start..end].iter_mut().for_each(|(_, gain)| *gain = 1.0);
        }
        start = end;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(truth: impl Fn(u64) -> f32, frames: impl Iterator<Item = u64>) -> Vec<Gain> {
        let noise = |idx: u64| ((idx * 7919 % 101) as f32 / 101.0 - 0.5) * 0.12;
        frames.map(|idx| Gain { idx, value: truth(idx) + noise(idx), error: 0.04 }).collect()
    }

    #[test]
    fn a_fade_in_and_out_is_found_to_the_frame() {
        let truth = |idx: u64| ((idx as f32 - 30.0) / 20.0).min((110.0 - idx as f32) / 20.0).clamp(0.0, 1.0);
        let knots = ramps(&measured(truth, 0..130));
        let worst = (0..130).map(|idx| (gain_at(&knots, idx) - truth(idx)).abs()).fold(0.0, f32::max);
        assert!(worst < 0.08, "{worst}: {knots:?}");
        assert_eq!((gain_at(&knots, 0), gain_at(&knots, 70), gain_at(&knots, 129)), (0.0, 1.0, 0.0));
        assert!(knots.len() <= 7, "{knots:?}");
    }

    #[test]
    fn a_mark_that_comes_at_once_has_a_step() {
        let truth = |idx: u64| if idx < 57 { 0.0 } else { 1.0 };
        let knots = ramps(&measured(truth, 0..100));
        assert_eq!((gain_at(&knots, 56), gain_at(&knots, 57)), (0.0, 1.0), "{knots:?}");
    }

    #[test]
    fn a_steady_mark_has_no_knots_whatever_single_looks_say() {
        let mut gains = measured(|_| 1.0, (0..400).step_by(4));
        assert!(ramps(&gains).is_empty());
        gains[20].value = 0.1;
        gains[50].value = 0.3;
        assert!(ramps(&gains).is_empty(), "single outliers");
        gains.iter_mut().skip(60).take(20).for_each(|gain| gain.value -= 0.3);
        assert!(ramps(&gains).is_empty(), "a dip that does not come near to nothing");
    }
}
