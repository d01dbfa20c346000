//! Whether a mark of one colour and one opacity explains the clip, and the matte that follows.
//!
//! [`flat`] finds such a mark by its border. It is believed where it takes most of the edge out of the picture and nothing
//! else in the place has edges of its own: a gradient, a soft rim or a second colour leaves them. Where the moments of the
//! clip agree, its rim and what the codec made of its chroma are taken from them.

use super::colour::{Colour, PLANES};
use super::evidence::MARGIN;
use super::flat::{Flat, flat};
use super::moments::Moments;
use super::morphology::{Area, dilated, quantile};
use super::opacity::Opacity;
use super::pairs::Guess;
use super::solve::{Around, Basis, Candidate, changed, planes, weights};
use super::stack::Stack;
use super::strokes::{Known, with_strokes};
use super::support::halved;
use super::trial::trial;

/// What may be left of the edges along the border of a mark, and of slopes apart from it against the surroundings': for a
/// mark that nothing else speaks for, for one that the moments contradict, and for one that they confirm. Chosen on 112
/// cases of 14 clips (`benches/unblend`).
const ALONE: Limits = Limits { left: 0.52, stray: 1.35 };
const AGAINST: Limits = Limits { left: 0.40, stray: 1.25 };
const CONFIRMED: Limits = Limits { left: 0.52, stray: 1.60 };
/// Deviation of the background along the border, in code values of 8 bits, below which it is level.
const LEAST_SPREAD: f32 = 8.0;
/// Where the scene has strong edges of its own, most of what is left along the border is theirs: what exceeds them may be this
/// much, if what moves says that as much is let through, to this difference.
const MOST_EXCESS: f32 = 0.36;
const AGREES: f32 = 0.06;
/// A mark that is sound is preferred to one that the moments know this badly, in code values.
const BADLY: f32 = 10.0;
/// Opacities that differ by more, as a share of the mean, are not of the same mark.
const MOST_APART: f32 = 0.12;
/// Slopes in code values of 8 bits that count everywhere, so that what is smooth is not compared by its noise.
const SMOOTH: f32 = 0.3;
/// Standard deviations of the opacity inside the mark and on its rim.
const INSIDE: f32 = 0.015;
const RIM: f32 = 0.05;
/// How far from the inside the rim reaches that the moments know of, in samples.
const REACH: usize = 4;

#[derive(Clone, Copy)]
struct Limits {
    left: f32,
    stray: f32,
}

/// A mark of one colour and one opacity.
pub(super) struct Plain {
    flat: Flat,
    /// Its colour in code values of 8 bits.
    value: [f32; PLANES],
    basis: Basis,
    stray: f32,
}

impl Plain {
    /// The mark that explains most, with `hint` tried as well; `None` where there is none, or of a colour that does not
    /// exist.
    pub(super) fn of(stacks: &[Stack<'_>], around: &Around<'_>, hint: Option<Guess>) -> Option<Self> {
        let width = stacks[0].width;
        let flat = flat(&stacks[0], around.allowed, hint.as_slice(), around.gamut.ends())?;
        let basis = basis(stacks, &flat.alpha, around);
        let mut value = [flat.colour, 0.0, 0.0];
        for (n, (stack, moments)) in stacks.iter().zip(&basis.moments).enumerate().skip(1).take(PLANES - 1) {
            let alpha = halved(stack).means(&flat.alpha, width);
            let full = (0..alpha.len()).filter(|k| alpha[*k] > 0.7 * (1.0 - flat.keep));
            let shades = full.map(|k| (moments.mean_j[k] - (1.0 - alpha[k]) * moments.mean_r[k]) / alpha[k]);
            value[n] = quantile(shades, 0.5);
        }
        let value = around.gamut.plain(value).unwrap_or(value);
        let stray = stray(&stacks[0], &flat, around);
        around.gamut.holds(value).then_some(Self { flat, value, basis, stray })
    }

    fn keeps(&self, limits: Limits) -> bool {
        (self.flat.left <= limits.left || self.is_twice_told()) && self.stray <= limits.stray
    }

    /// Whether the border and what moves behind the mark speak for the same one.
    fn is_twice_told(&self) -> bool {
        let agrees = |by_time: f32| (by_time - self.flat.keep).abs() < AGREES;
        self.flat.excess <= MOST_EXCESS && self.flat.by_time.is_some_and(agrees)
    }

    /// Whether it can be believed where the moments say nothing.
    pub(super) fn is_sound(&self) -> bool {
        self.keeps(ALONE) && !self.is_level()
    }

    /// Whether it speaks against what the moments say, if that is something else.
    pub(super) fn contradicts(&self, general: &Candidate) -> bool {
        let strict = self.flat.left <= AGAINST.left && self.stray <= AGAINST.stray;
        let known_badly = general.is_doubtful || (self.is_twice_told() && general.expected > BADLY);
        strict || (self.is_sound() && known_badly)
    }

    /// Whether what lies behind is so level that its colour and opacity cannot be told apart.
    pub(super) fn is_level(&self) -> bool {
        self.flat.spread < LEAST_SPREAD
    }

    /// Whether it is the mark that `general` describes.
    pub(super) fn is_also(&self, general: &Candidate) -> bool {
        let (own, other) = (&self.flat.alpha, &general.opacity.alpha);
        let differ: f32 = own.iter().zip(other).map(|(a, b)| (a - b).abs()).sum();
        let mean = 0.5 * (own.iter().sum::<f32>() + other.iter().sum::<f32>());
        self.keeps(CONFIRMED) && differ < MOST_APART * mean
    }

    /// Its matte, with strokes in `open`, where something persists, that were too thin for a border.
    pub(super) fn alone(mut self, stacks: &[Stack<'_>], around: &Around<'_>, open: &Area) -> Candidate {
        let Flat { alpha, core, keep, colour, .. } = &self.flat;
        if let Some(alpha) = with_strokes(&stacks[0], &Known { alpha, core, keep: *keep, colour: *colour }, open) {
            self.basis = basis(stacks, &alpha, around);
            self.flat.alpha = alpha;
        }
        let deviations = self.flat.core.iter().map(|core| if *core { INSIDE } else { RIM });
        let variance = deviations.map(|d| d * d).collect();
        let reason = format!(
            "opacity {:.2}, colour {} by its border in {} frames: {:.0} % of the edge left, slopes apart from it {:.2} times \
             those around",
            1.0 - self.flat.keep,
            self.value.map(|v| format!("{v:.0}")).join("/"),
            stacks[0].frames(),
            100.0 * self.flat.left,
            self.stray,
        );
        let confidence = (1.0 - self.flat.left).clamp(0.05, 1.0);
        let (alpha, core) = (self.flat.alpha.clone(), 1.0 - self.flat.keep);
        built(stacks, self.basis, (alpha, variance, self.value), (core, confidence, reason))
    }

    /// Its matte, with a rim and parts that were too small for a border as in `general`.
    pub(super) fn with(self, stacks: &[Stack<'_>], general: Candidate) -> Candidate {
        let (width, full, inside) = (stacks[0].width, 1.0 - self.flat.keep, &self.flat.core);
        let near = dilated(inside, width, REACH);
        let known = &general.opacity;
        let missed: Area = known.alpha.iter().zip(&near).map(|(a, near)| !near && *a > 0.5 * full).collect();
        let near: Area = near.iter().zip(dilated(&missed, width, 2)).map(|(n, m)| *n || m).collect();
        let alpha = (0..near.len()).map(|k| match (inside[k], near[k]) {
            (true, _) => full,
            (_, true) => known.alpha[k].min(full),
            _ => 0.0,
        });
        let variance = known.variance.iter().zip(inside).map(|(v, inside)| if *inside { INSIDE * INSIDE } else { *v });
        let reason = format!("{}; {:.0} % left of the edge along its border", general.reason, 100.0 * self.flat.left);
        let opacity = (alpha.collect(), variance.collect(), self.value);
        built(stacks, general.basis, opacity, (full, general.confidence, reason))
    }
}

/// What is known of the samples where `alpha` is above 0.
fn basis(stacks: &[Stack<'_>], alpha: &[f32], around: &Around<'_>) -> Basis {
    let width = stacks[0].width;
    let open: Area = alpha.iter().map(|a| *a > 0.0).collect();
    let touched = |stack: &Stack<'_>| halved(stack).touched(&open, width);
    let moments: Vec<Moments> = stacks.iter().map(|stack| Moments::new(stack, &touched(stack))).collect();
    let trials = stacks.iter().zip(&moments).map(|(s, m)| trial(s, m, (around.distances, width)));
    let weights = weights(stacks, &moments, &trials.collect::<Vec<_>>(), &open);
    Basis { moments, weights }
}

/// The matte of one colour from opacities with their variances; `full`, confidence and reason as in [`Candidate`].
fn built(
    stacks: &[Stack<'_>],
    basis: Basis,
    (alpha, variance, value): (Vec<f32>, Vec<f32>, [f32; PLANES]),
    (full, confidence, reason): (f32, f32, String),
) -> Candidate {
    let (width, height) = (stacks[0].width, stacks[0].height);
    let open: Area = alpha.iter().map(|a| *a > 0.0).collect();
    let opens: Vec<Area> = stacks.iter().map(|stack| halved(stack).touched(&open, width)).collect();
    let samples = open.iter().filter(|o| **o).count();
    let colours = vec![Colour { value, misfit: 1.0, samples }];
    let opacity = Opacity { paint: vec![Some(value); alpha.len()], alpha, variance, colours, misfit: 1.0 };
    let planes = planes(stacks, &basis.moments, &opens, &opacity, basis.weights, width);
    let changed = changed(stacks, &planes, (width, height));
    let colour = Some(value[0]);
    Candidate {
        planes,
        changed,
        alpha: full,
        colour,
        confidence,
        reason,
        expected: 0.0,
        is_doubtful: false,
        basis,
        opacity,
    }
}

/// Slopes that persist in the place apart from the border of `flat`, computed back inside, as a multiple of those around.
fn stray(stack: &Stack<'_>, flat: &Flat, around: &Around<'_>) -> f32 {
    let (across, down) = (stack.usual_slope(false), stack.usual_slope(true));
    let shrunk = |area: Area| -> Area { dilated(&area, stack.width, 2).iter().map(|grown| !grown).collect() };
    let inside = shrunk(flat.core.iter().map(|core| !core).collect());
    let beside = shrunk(flat.alpha.iter().map(|a| *a > 0.0).collect());
    let mean = |keep: &dyn Fn(usize) -> Option<f32>| {
        let (mut sum, mut count) = (0.0, 0.0f32);
        for k in 0..across.len() {
            if let Some(keep) = keep(k) {
                (sum, count) = (sum + across[k].hypot(down[k]) / keep, count + 1.0);
            }
        }
        sum / count.max(1.0) + SMOOTH
    };
    let within = mean(&|k| if inside[k] { Some(flat.keep) } else { (beside[k] && around.allowed[k]).then_some(1.0) });
    within / mean(&|k| (REACH as u32..=MARGIN - 3).contains(&around.distances[k]).then_some(1.0))
}
