//! The matte of a persistent mark from the clip alone: support, prediction of the background, opacity, decision.
//!
//! Per plane and sample the model is `J = keep I + add` in coded values, the same over all frames. Knows crops; refuses to
//! know files, shots and when the mark is shown: every frame seen must show it fully.

use super::check;
use super::colour::{Gamut, PLANES, Weights};
use super::evidence::{MARGIN, MatteEvidence, Solution};
use super::moments::Moments;
use super::morphology::{Area, Halved, dilated, quantile};
use super::opacity::{self, Known, Opacity};
use super::pairs::Guess;
use super::plain::Plain;
use super::reach::reach;
use super::stack::{Stack, code, stacks};
use super::support::{Borders, halved, support};
use super::trial::{Trial, prediction_error, trial};
use super::{Matte, MattePlane};
use crate::format::PixelLayout;
use crate::mask::Mask;
use crate::raster::Raster;

/// Fewer frames say nothing.
const LEAST_FRAMES: usize = 8;
/// How far beyond the given mask a mark may reach.
const BEYOND: usize = 3;
/// Samples this far from the given rectangle are not the mark's.
pub(super) const AROUND: u32 = 6;
/// A larger share of the surroundings with persistent gradients is scenery that stands still.
pub(super) const MOST_SCENERY: f32 = 0.10;
/// Samples that follow their prediction less than this are not seen through the mark.
const LEAST_CORRELATION: f32 = 0.35;
/// Opacities that colours miss by more, in squared deviations, are not those of a mark.
const MOST_MISFIT: f32 = 2.5;
/// Where scenery stands still, the matte must be this good for what it is taken for to be a mark. Chosen on 88 cases of
/// eleven clips (`benches/unblend`).
const SURE_MISFIT: f32 = 1.0;
const SURE_CORRELATION: f32 = 0.5;
const MOST_STRANGE: f32 = 0.25;
/// Less of what was taken for the mark standing out means that some of it may be left.
const LEAST_SHARE: f32 = 0.6;
/// A larger share of a mark that would be left is not removed but torn.
const MOST_LEFT: f32 = 0.10;
/// A mark's edges cannot be told from the scene's by moments alone where more of the surroundings stand still.
const MOST_STILL: f32 = 0.40;
/// They need not be where what the mark's variances let expect to be wrong is less than this share of what a fill misses
/// beside it: chosen on 112 cases of 14 clips (`benches/unblend`), of which those below .8 gained and those from there on lost.
const PROMISE: f32 = 0.6;
/// Slopes of the mean picture computed back, as multiples of those of the surroundings: under the mark, where noise grows
/// as less is let through, and beside it, where a part of the mark may have been missed.
const GHOST: f32 = 0.9;
const GHOST_OF_NOISE: f32 = 0.3;
const MOST_BESIDE: f32 = 1.2;
/// Less of the source than this is not worth computing.
const LEAST_KEEP: f32 = 0.15;
/// Opacity and added code values that change a sample.
const LEAST_ALPHA: f32 = 0.03;
const LEAST_ADD: f32 = 3.0;
/// Squared errors of predictions under a mark against those in the narrower patches beside it.
const DEPTH: f32 = 3.0;
/// Variance of what the codec takes away from a mark in a plane of halved samples.
const TAKEN: f32 = 1.5;
/// What a sample keeps that is settled as it is.
const HARDLY: f32 = 0.9999;
/// Grey in code values of 8 bits.
const NEUTRAL: f32 = 128.0;

struct Refusal {
    reason: String,
    /// What the mark may be all the same.
    hint: Option<Guess>,
}

impl Refusal {
    const fn new(reason: String) -> Self {
        Self { reason, hint: None }
    }

    fn with(self, hint: Option<Guess>) -> Self {
        Self { hint, ..self }
    }
}

/// Solves the matte from `evidence`.
pub(super) fn solve(evidence: &MatteEvidence) -> Solution {
    let stacks = stacks(evidence);
    solved(evidence, &stacks).unwrap_or_else(|Refusal { reason, .. }| Solution {
        matte: None,
        mask: evidence.mask.clone(),
        alpha: 0.0,
        confidence: 0.0,
        reason,
    })
}

/// A matte that may be the mark's.
pub(super) struct Candidate {
    /// In code values of 8 bits.
    pub(super) planes: Vec<MattePlane>,
    pub(super) changed: Area,
    pub(super) alpha: f32,
    /// Luma of its foremost colour.
    pub(super) colour: Option<f32>,
    pub(super) confidence: f32,
    pub(super) reason: String,
    /// Root mean square error that its own variances let expect in computed samples of luma, in code values of 8 bits.
    pub(super) expected: f32,
    /// Whether its edges may be the scene's: it was taken for what it promises.
    pub(super) is_doubtful: bool,
    pub(super) basis: Basis,
    pub(super) opacity: Opacity,
}

impl Candidate {
    /// The share that its foremost colour lets through, and its luma.
    fn guess(&self) -> Option<Guess> {
        Some((1.0 - self.alpha, self.colour?))
    }
}

/// What a matte is made of besides opacities.
pub(super) struct Basis {
    pub(super) moments: Vec<Moments>,
    pub(super) weights: Weights,
}

/// Where a mark may be, how far every sample of luma lies from there, and which colours there are.
pub(super) struct Around<'a> {
    pub(super) allowed: &'a Area,
    pub(super) distances: &'a [u32],
    pub(super) gamut: Gamut,
}

fn solved(evidence: &MatteEvidence, stacks: &[Stack<'_>]) -> Result<Solution, Refusal> {
    if evidence.frames() < LEAST_FRAMES || evidence.rect.is_empty() {
        return Err(Refusal::new(format!("{} frames are too few to tell a mark from the scene", evidence.frames())));
    }
    let distances = distances(evidence);
    let around = distances.iter().map(|d| *d >= AROUND).collect();
    let support = support(stacks, &around, borders(evidence));
    let scenery = scenery(&distances, &support.scenery);
    let allowed = allowed(evidence);
    let open: Area = allowed.iter().zip(&support.mark).map(|(a, p)| *a && *p).collect();
    let general = general(evidence, stacks, &open, (&distances, scenery));
    let around = Around { allowed: &allowed, distances: &distances, gamut: gamut(evidence) };
    let general = general.and_then(|found| haunted(stacks, found, &around));
    let mut plain = Plain::of(stacks, &around, general.as_ref().ok().and_then(Candidate::guess));
    if let Err(Refusal { hint: hint @ Some(_), .. }) = &general
        && !plain.as_ref().is_some_and(Plain::is_sound)
    {
        plain = Plain::of(stacks, &around, *hint).filter(Plain::is_sound).or(plain);
    }
    let mut best = match (general, plain) {
        (Ok(general), Some(plain)) if plain.is_also(&general) => plain.with(stacks, general),
        (Ok(general), Some(plain)) if !plain.contradicts(&general) => general,
        (Ok(_), Some(plain)) if plain.is_level() => {
            return Err(Refusal::new("the background is too level to tell the mark's opacity from its colour".into()));
        }
        (Err(refusal), Some(plain)) if !plain.is_sound() => return Err(refusal),
        (_, Some(plain)) => plain.alone(stacks, &around, &open),
        (general, None) => general?,
    };
    if 1.0 - best.alpha < LEAST_KEEP {
        return Err(Refusal::new(hides(best.alpha)));
    }
    let (width, code) = (stacks[0].width, code(evidence.format));
    let reach = reach(&best.opacity, &added(stacks, &best.basis.moments), (best.alpha, width), &given(evidence));
    best.changed.iter_mut().zip(reach).for_each(|(changed, near)| *changed &= near);
    for (plane, stack) in best.planes.iter_mut().zip(stacks) {
        settle(plane, &halved(stack).touched(&best.changed, width), code);
    }
    let matte = Matte::new(evidence.rect, evidence.format, best.planes)
        .ok_or_else(|| Refusal::new("the matte is not finite".into()))?;
    let coverage = best.changed.iter().map(|c| if *c { 255 } else { 0 }).collect();
    let mask = Raster::from_vec(evidence.rect.w, evidence.rect.h, coverage)
        .and_then(|coverage| Mask::new(evidence.rect, coverage))
        .unwrap_or_else(Mask::empty)
        .trimmed();
    if mask.is_empty() {
        return Err(Refusal::new("nothing in the given place differs from its surroundings".into()));
    }
    Ok(Solution { matte: Some(matte), mask, alpha: best.alpha, confidence: best.confidence, reason: best.reason })
}

/// Where something persists in the given place and a little around it.
pub(super) fn outline(evidence: &MatteEvidence) -> Mask {
    if evidence.frames() < LEAST_FRAMES || evidence.rect.is_empty() {
        return Mask::empty();
    }
    let around = distances(evidence).iter().map(|d| *d >= AROUND).collect();
    let support = support(&stacks(evidence), &around, borders(evidence));
    let coverage = allowed(evidence).iter().zip(&support.mark).map(|(a, p)| if *a && *p { 255 } else { 0 }).collect();
    Raster::from_vec(evidence.rect.w, evidence.rect.h, coverage)
        .and_then(|coverage| Mask::new(evidence.rect, coverage))
        .map_or_else(Mask::empty, |mask| mask.trimmed())
}

/// Why a mark of opacity `alpha` is not computed away.
fn hides(alpha: f32) -> String {
    format!("the mark hides {:.0} % of the source", 100.0 * alpha)
}

/// Where the crops end with the frame.
pub(super) fn borders(evidence: &MatteEvidence) -> Borders {
    let (rect, (right, bottom)) = (evidence.rect, evidence.size);
    Borders { left: rect.x == 0, right: rect.right() == right, top: rect.y == 0, bottom: rect.bottom() == bottom }
}

/// The matte from the moments of the clip: any number of colours and opacities, where the scene moves behind the mark.
fn general(
    evidence: &MatteEvidence,
    stacks: &[Stack<'_>],
    open: &Area,
    (distances, scenery): (&[u32], f32),
) -> Result<Candidate, Refusal> {
    let (width, height) = (stacks[0].width, stacks[0].height);
    if !open.contains(&true) {
        return Err(Refusal::new("no edge persists in the given place".into()));
    }
    let opens: Vec<Area> = stacks.iter().map(|stack| halved(stack).touched(open, width)).collect();
    let moments: Vec<Moments> = stacks.iter().zip(&opens).map(|(stack, open)| Moments::new(stack, open)).collect();
    let correlation = quantile((0..open.len()).filter(|k| open[*k]).map(|k| moments[0].correlation(k)), 0.5);
    if correlation < LEAST_CORRELATION {
        return Err(Refusal::new(format!(
            "what lies under the mark follows its surroundings by {correlation:.2} only"
        )));
    }
    let trials: Vec<Option<Trial>> =
        stacks.iter().zip(&moments).map(|(stack, moments)| trial(stack, moments, (distances, width))).collect();
    let (known, weights) = (points(stacks, &moments, &trials, open), weights(stacks, &moments, &trials, open));
    let gamut = gamut(evidence);
    let stress = if evidence.format.layout == PixelLayout::Yuv { [1.0, 1.5, 1.5] } else { [1.0; PLANES] };
    let opacity = opacity::solved(&known, (open, width), weights, (gamut, stress));
    if opacity.misfit > MOST_MISFIT {
        return Err(Refusal::new(format!("no few colours explain the mark (misfit {:.1})", opacity.misfit)));
    }
    let alpha = opacity::core(&opacity.alpha, open);
    let colour = opacity.colours.iter().max_by_key(|c| c.samples).map(|c| c.value[0]);
    let guess = colour.map(|colour| (1.0 - alpha, colour));
    if 1.0 - alpha < LEAST_KEEP {
        return Err(Refusal::new(hides(alpha)));
    }
    let sure = opacity::sure(&known, &opacity.alpha, (open, width), weights);
    let opens: Vec<Area> = stacks.iter().map(|stack| halved(stack).touched(&sure, width)).collect();
    let left = opacity::left(&known, &sure, weights);
    if left > MOST_LEFT {
        return Err(
            Refusal::new(format!("{:.0} % of the mark has no opacity that can be told", 100.0 * left)).with(guess)
        );
    }
    let counted = |area: &Area| area.iter().filter(|a| **a).count() as f32;
    let share = counted(&sure) / counted(open).max(1.0);
    let planes = planes(stacks, &moments, &opens, &opacity, weights, width);
    let changed = changed(stacks, &planes, (width, height));
    let strange = check::strangeness(&stacks[0], &planes[0], &changed);
    let expected = opacity::expected_error(&opacity, &moments[0].mean_r, &changed);
    let unsure = opacity.misfit > SURE_MISFIT
        || correlation < SURE_CORRELATION
        || strange > MOST_STRANGE
        || share < LEAST_SHARE
        || scenery > MOST_STILL;
    let is_doubtful = scenery > MOST_SCENERY && unsure;
    if is_doubtful && expected > PROMISE * prediction_error(&stacks[0], (distances, width)) {
        let reason = format!(
            "{:.0} % of the surroundings stand still, so the mark's edges cannot be told from the scene's (correlation \
             {correlation:.2}, misfit {:.2}, strangeness {strange:.2})",
            100.0 * scenery,
            opacity.misfit
        );
        return Err(Refusal::new(reason).with(guess));
    }
    let reason = format!(
        "opacity {alpha:.2}, colours {} from {} frames ({:.0} independent): correlation {correlation:.2}, misfit {:.2}, scenery \
         {:.0} %, strangeness {strange:.2}",
        described(&opacity),
        evidence.frames(),
        moments[0].independent,
        opacity.misfit,
        100.0 * scenery
    );
    let confidence = confidence(correlation, scenery, opacity.misfit);
    let basis = Basis { moments, weights };
    Ok(Candidate { planes, changed, alpha, colour, confidence, reason, expected, is_doubtful, basis, opacity })
}

/// Refuses a matte that leaves slopes of the mark in the mean picture, under it or beside it.
fn haunted(stacks: &[Stack<'_>], found: Candidate, around: &Around<'_>) -> Result<Candidate, Refusal> {
    let (under, beside) =
        check::ghosts(&found.basis.moments[0].mean_j, &found.planes[0], &found.changed, (around, stacks[0].width));
    if under > GHOST + GHOST_OF_NOISE / (1.0 - found.alpha).max(0.05) || beside > MOST_BESIDE {
        let reason = format!(
            "a ghost of the mark would be left ({under:.1} times the slopes of the surroundings under it, {beside:.1} beside \
             it; {})",
            found.reason
        );
        return Err(Refusal::new(reason).with(found.guess()));
    }
    Ok(found)
}

const fn gamut(evidence: &MatteEvidence) -> Gamut {
    Gamut { layout: evidence.format.layout, full: evidence.full_range }
}

/// How far the figures are from where they would be refused.
fn confidence(correlation: f32, scenery: f32, misfit: f32) -> f32 {
    let followed = (correlation - LEAST_CORRELATION) / (0.9 - LEAST_CORRELATION);
    followed.min(1.0 - 0.5 * scenery / MOST_SCENERY).min((MOST_MISFIT - misfit) / (MOST_MISFIT - 1.0)).clamp(0.05, 1.0)
}

/// The colours in code values of 8 bits.
fn described(opacity: &Opacity) -> String {
    let all = opacity.colours.iter().map(|c| c.value.map(|v| format!("{v:.0}")).join("/"));
    all.collect::<Vec<_>>().join(", ")
}

/// How far every sample of luma lies from the mask's rectangle, in the farther of both directions.
pub(super) fn distances(evidence: &MatteEvidence) -> Vec<u32> {
    let (mask, rect) = (evidence.mask.rect(), evidence.rect);
    let away = |v: u32, from: u32, to: u32| from.saturating_sub(v).max((v + 1).saturating_sub(to));
    (0..rect.area() as u32)
        .map(|k| (rect.x + k % rect.w, rect.y + k / rect.w))
        .map(|(x, y)| away(x, mask.x, mask.right()).max(away(y, mask.y, mask.bottom())))
        .collect()
}

/// The share of the surroundings with persistent gradients; the outermost samples have none by construction.
pub(super) fn scenery(distances: &[u32], persistent: &Area) -> f32 {
    let ring = || distances.iter().zip(persistent).filter(|(d, _)| (10..=MARGIN - 3).contains(*d));
    ring().filter(|(_, p)| **p).count() as f32 / ring().count().max(1) as f32
}

/// The given mask and a little around it, in luma samples of the crops.
pub(super) fn allowed(evidence: &MatteEvidence) -> Area {
    let width = evidence.rect.w as usize;
    dilated(&given(evidence), width, BEYOND)
}

/// The given mask in luma samples of the crops.
fn given(evidence: &MatteEvidence) -> Area {
    let rect = evidence.rect;
    (0..rect.area() as u32).map(|k| evidence.mask.at(rect.x + k % rect.w, rect.y + k / rect.w) > 0).collect()
}

/// By how much what is seen differs from what is predicted behind it in the mean, in the plane where it does most, at every sample
/// of luma.
fn added(stacks: &[Stack<'_>], moments: &[Moments]) -> Vec<f32> {
    let (width, height) = (stacks[0].width, stacks[0].height);
    let mut most = vec![0.0f32; width * height];
    for (stack, moments) in stacks.iter().zip(moments) {
        let off: Vec<f32> = moments.mean_j.iter().zip(&moments.mean_r).map(|(j, r)| (j - r).abs()).collect();
        most.iter_mut().zip(halved(stack).spread(&off, width, height)).for_each(|(most, off)| *most = most.max(off));
    }
    most
}

/// How much the difference between what is seen and what is predicted is worth in each plane, where `open` holds.
pub(super) fn weights(stacks: &[Stack<'_>], moments: &[Moments], trials: &[Option<Trial>], open: &Area) -> Weights {
    let mut weights = [0.0; PLANES];
    for (n, (stack, moments)) in stacks.iter().zip(moments).enumerate().take(PLANES) {
        let covered = halved(stack).touched(open, stacks[0].width);
        // What the prediction misses in a frame, as seen through the mark.
        let missed = quantile(
            (0..covered.len()).filter(|k| covered[*k]).map(|k| {
                let rho = moments.correlation(k);
                moments.var_j[k] * (1.0 - rho * rho)
            }),
            0.5,
        );
        let seen = missed / moments.independent_misses;
        let tried = trials[n].map_or(0.0, |trial| DEPTH * trial.mean);
        weights[n] = 1.0 / (seen.max(tried) + 0.5);
    }
    weights
}

/// What every open sample of the luma plane shows in all planes.
fn points(stacks: &[Stack<'_>], moments: &[Moments], trials: &[Option<Trial>], open: &Area) -> Known {
    let (width, height) = (stacks[0].width, stacks[0].height);
    let places: Vec<usize> = (0..open.len()).filter(|k| open[*k]).collect();
    let strayed = trials[0].map_or(0.0, |trial| DEPTH.sqrt() * trial.deviation);
    let mut points: Vec<super::colour::Point> = places
        .iter()
        .map(|k| {
            let (alpha, variance) = opacity::from_moments(&moments[0], *k, strayed);
            super::colour::Point { added: [0.0; PLANES], detail: 0.0, behind: [0.0; PLANES], alpha, variance }
        })
        .collect();
    let coarsest = stacks.last().map_or_else(|| halved(&stacks[0]), halved);
    for (n, (stack, moments)) in stacks.iter().zip(moments).enumerate().take(PLANES) {
        let halved = halved(stack);
        let added: Vec<f32> = moments.mean_j.iter().zip(&moments.mean_r).map(|(j, r)| j - r).collect();
        let added = halved.spread(&added, width, height);
        if n == 0 {
            let coarse = coarsest.spread(&coarsest.means(&added, width), width, height);
            for (point, k) in points.iter_mut().zip(&places) {
                point.detail = added[*k] - coarse[*k];
            }
        }
        let behind = halved.spread(&moments.mean_r, width, height);
        for (point, k) in points.iter_mut().zip(&places) {
            point.added[n] = if n == 0 { added[*k] - point.detail } else { added[*k] };
            point.behind[n] = behind[*k];
        }
    }
    Known { places, points }
}

/// Keep and add of every plane where `opens` holds, in code values of 8 bits.
pub(super) fn planes(
    stacks: &[Stack<'_>],
    moments: &[Moments],
    opens: &[Area],
    opacity: &Opacity,
    weights: Weights,
    width: usize,
) -> Vec<MattePlane> {
    let mut out = Vec::new();
    for ((stack, moments), open) in stacks.iter().zip(moments).zip(opens) {
        let (w, h) = (stack.width as u32, stack.height as u32);
        let alpha = halved(stack).means(&opacity.alpha, width);
        let (mut keep, mut add) = (Raster::new(w, h, 1.0), Raster::new(w, h, 0.0));
        let of_seen = weights.get(out.len()).map_or(1.0, |w| 1.0 / w.max(1e-3));
        let painted = painted(out.len(), opacity, halved(stack), width);
        let of_codec = if stack.halved == (0, 0) { 0.0 } else { TAKEN };
        for k in (0..open.len()).filter(|k| open[*k]) {
            let share = 1.0 - alpha[k];
            let seen = moments.mean_j[k] - share * moments.mean_r[k];
            // A wrong opacity makes the colour's share wrong in the mean, and never what was seen.
            let value = painted[k].map_or(seen, |(paint, variance)| {
                let of_paint = variance * (paint / alpha[k].max(0.01) - moments.mean_r[k]).powi(2) + of_codec;
                (seen * of_paint + paint * of_seen) / (of_paint + of_seen)
            });
            keep.data_mut()[k] = share;
            add.data_mut()[k] = value;
        }
        out.push(MattePlane { keep, add });
    }
    out
}

/// What the colours of the mark add in a plane, and the variance of its opacity; `None` where a sample's colour is not
/// sure.
fn painted(plane: usize, opacity: &Opacity, halved: Halved, width: usize) -> Vec<Option<(f32, f32)>> {
    let all = || opacity.paint.iter().zip(&opacity.alpha);
    let paint: Vec<f32> = all().map(|(paint, alpha)| paint.map_or(0.0, |p| alpha * p[plane])).collect();
    let unsure: Vec<f32> = all().map(|(paint, alpha)| if paint.is_none() { *alpha } else { 0.0 }).collect();
    let (paint, unsure) = (halved.means(&paint, width), halved.means(&unsure, width));
    let variance = halved.means(&opacity.variance, width);
    (0..paint.len()).map(|k| (unsure[k] <= 0.0).then_some((paint[k], variance[k]))).collect()
}

/// Samples of luma that the matte changes in any plane.
pub(super) fn changed(stacks: &[Stack<'_>], planes: &[MattePlane], (width, height): (usize, usize)) -> Area {
    let mut out = vec![false; width * height];
    for (stack, plane) in stacks.iter().zip(planes) {
        for (k, out) in out.iter_mut().enumerate() {
            let at = ((k / width) >> stack.halved.1) * stack.width + ((k % width) >> stack.halved.0);
            let (keep, add) = (plane.keep.data()[at], plane.add.data()[at]);
            *out |= 1.0 - keep >= LEAST_ALPHA || (add - NEUTRAL * (1.0 - keep)).abs() >= LEAST_ADD;
        }
    }
    out
}

/// Leaves the matte only where the mask that it goes with covers the plane, and there everywhere, so that no later tier
/// finds a sample open that hardly changes; `code` is what one code value of 8 bits is in the clip.
fn settle(plane: &mut MattePlane, covered: &Area, code: f32) {
    for ((keep, add), covered) in plane.keep.data_mut().iter_mut().zip(plane.add.data_mut()).zip(covered) {
        (*keep, *add) = if *covered { (keep.min(HARDLY), *add * code) } else { (1.0, 0.0) };
    }
}
