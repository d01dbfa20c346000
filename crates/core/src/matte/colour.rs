//! Marks are drawn in few colours: opacities that are known only roughly, sample by sample, are made precise by the colour
//! that many samples share.
//!
//! `D = mean J - mean R = alpha (W - mean R)` is precise where the opacity from second moments is noisy. So the colour `W`
//! is the one whose `alpha = D / (W - mean R)` agrees best with the noisy opacities of all samples that point its way.

use crate::format::PixelLayout;

/// Planes that are looked at together.
pub(super) const PLANES: usize = 3;

/// A difference in all planes counts from here on.
const CLEAR: f32 = 6.0;
/// Colours looked for at most.
const COLOURS: usize = 4;
/// Cosine below which a direction is another colour.
const ALIKE: f32 = 0.80;
/// Samples that make a colour.
const LEAST: usize = 20;

/// What is known of a sample under the mark.
#[derive(Clone, Copy, Debug)]
pub(super) struct Point {
    /// `mean J - mean R` per plane, as finely as the coarsest plane shows it.
    pub(super) added: [f32; PLANES],
    /// What the first plane shows besides.
    pub(super) detail: f32,
    /// `mean R` per plane.
    pub(super) behind: [f32; PLANES],
    /// Opacity as second moments give it.
    pub(super) alpha: f32,
    /// Variance of `alpha`.
    pub(super) variance: f32,
}

/// A colour and how well it explains the opacities.
#[derive(Clone, Copy, Debug)]
pub(super) struct Colour {
    pub(super) value: [f32; PLANES],
    /// Mean squared deviation of the opacities in units of their variance, clipped at 9.
    pub(super) misfit: f32,
    /// Samples that it was fitted to.
    pub(super) samples: usize,
}

/// Which colours there are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Gamut {
    pub(super) layout: PixelLayout,
    /// Whether samples use all codes; else luma ends at 16 and 235, chroma at 16 and 240.
    pub(super) full: bool,
}

/// How far beyond the gamut a fitted colour may lie, as a share of the range: noise, and what matrices differ by.
const SLACK: f32 = 0.10;
/// The same for luma, black and white, which every matrix agrees on.
const LUMA_SLACK: f32 = 0.02;

/// How far a fitted colour may be from plain white or black, as a share of the range, to be taken for it: most marks are
/// drawn in one of them, and what is fitted is off by some per cent.
const NEARLY: f32 = 0.05;
/// By how much the misfit of white or black may exceed the best one.
const ALIKE_COST: f32 = 0.2;

impl Gamut {
    /// The first sample of white and of black.
    pub(super) const fn ends(&self) -> [f32; 2] {
        if self.full { [255.0, 0.0] } else { [235.0, 16.0] }
    }

    /// Plain white or black where `value` is nearly that.
    pub(super) fn plain(&self, value: [f32; PLANES]) -> Option<[f32; PLANES]> {
        let (low, high, reach) = if self.full { (0.0, 255.0, 255.0) } else { (16.0, 235.0, 224.0) };
        [low, high].into_iter().map(|level| self.grey(level)).find(|plain| {
            (0..PLANES).all(|n| {
                let range = if n > 0 && self.layout == PixelLayout::Yuv { reach } else { high - low };
                (value[n] - plain[n]).abs() <= NEARLY * range
            })
        })
    }

    /// The grey of a level.
    const fn grey(&self, level: f32) -> [f32; PLANES] {
        match self.layout {
            PixelLayout::Yuv => [level, 128.0, 128.0],
            PixelLayout::Gbr => [level; PLANES],
            PixelLayout::Gray => [level, 0.0, 0.0],
        }
    }

    /// Whether `value` is a colour that a mark can be drawn in.
    pub(super) fn holds(&self, value: [f32; PLANES]) -> bool {
        let (low, range, reach) = if self.full { (0.0, 255.0, 255.0) } else { (16.0, 219.0, 224.0) };
        let first = (value[0] - low) / range;
        let within = |v: f32, slack: f32| (-slack..=1.0 + slack).contains(&v);
        match self.layout {
            PixelLayout::Gray => within(first, LUMA_SLACK),
            PixelLayout::Gbr => value.iter().all(|v| within((v - low) / range, LUMA_SLACK)),
            PixelLayout::Yuv => {
                let (u, v) = ((value[1] - 128.0) / reach, (value[2] - 128.0) / reach);
                // Rec. ITU-R BT.601-7, 2.5.1 solved for the primaries.
                let rgb = [first + 1.402 * v, first - 0.344 * u - 0.714 * v, first + 1.772 * u];
                within(first, LUMA_SLACK) && rgb.iter().all(|v| within(*v, SLACK))
            }
        }
    }
}

/// How much the planes weigh: the inverse variance of `added` in each.
pub(super) type Weights = [f32; PLANES];

impl Point {
    /// The opacity that a mark of colour `value` has here.
    pub(super) fn alpha_for(&self, value: [f32; PLANES], weights: Weights) -> f32 {
        let (mut num, mut den) = (0.0, 1e-6);
        for n in 0..PLANES {
            let d = value[n] - self.behind[n];
            num += weights[n] * d * self.added[n];
            den += weights[n] * d * d;
        }
        // Detail is worth as much as the first plane tells it from noise.
        let d = value[0] - self.behind[0];
        let power = weights[0] * d * d;
        num / den + self.detail * d / (d * d + 1e-6) * (power / (power + DETAIL))
    }

    /// The variance of [`alpha_for`](Self::alpha_for) from the noise of `added`.
    pub(super) fn variance_for(&self, value: [f32; PLANES], weights: Weights) -> f32 {
        let power: f32 = (0..PLANES).map(|n| weights[n] * (value[n] - self.behind[n]).powi(2)).sum();
        1.0 / (power + 1e-6)
    }
}

/// How many standard deviations a full mark must stand out, squared, for half of its detail to be believed.
const DETAIL: f32 = 100.0;

/// How badly a colour explains a point: squared differences in units of their variances.
pub(super) fn strain(point: &Point, value: [f32; PLANES], weights: Weights) -> f32 {
    let alpha = point.alpha_for(value, weights).clamp(0.0, 1.0);
    let added: f32 =
        (0..PLANES).map(|n| weights[n] * (point.added[n] - alpha * (value[n] - point.behind[n])).powi(2)).sum();
    added + (alpha - point.alpha).powi(2) / (point.variance + point.variance_for(value, weights))
}

fn direction(v: [f32; PLANES]) -> ([f32; PLANES], f32) {
    let size = v.iter().map(|v| v * v).sum::<f32>().sqrt() + 1e-3;
    (v.map(|v| v / size), size)
}

fn cosine(a: [f32; PLANES], b: [f32; PLANES]) -> f32 {
    a.iter().zip(&b).map(|(a, b)| a * b).sum()
}

/// Which of at most four directions each point's difference has; `stress` is what each plane counts.
pub(super) fn grouped(points: &[Point], stress: [f32; PLANES]) -> (Vec<usize>, usize) {
    let all: Vec<([f32; PLANES], f32)> =
        points.iter().map(|p| direction(std::array::from_fn(|n| stress[n] * p.added[n]))).collect();
    let clear: Vec<usize> = (0..all.len()).filter(|k| all[*k].1 > CLEAR).collect();
    let Some(first) = clear.iter().max_by(|a, b| all[**a].1.total_cmp(&all[**b].1)).filter(|_| clear.len() >= 30)
    else {
        return (vec![0; points.len()], 1);
    };
    let mut centres = vec![all[*first].0];
    while centres.len() < COLOURS {
        let mut nearest: Vec<(f32, usize)> =
            clear.iter().map(|k| (centres.iter().map(|c| cosine(all[*k].0, *c)).fold(-1.0, f32::max), *k)).collect();
        let count = (clear.len() * 3 / 100).max(1);
        nearest.select_nth_unstable_by(count - 1, |a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        let farthest = &mut nearest[..count];
        farthest.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        if farthest[count / 2].0 > ALIKE {
            break;
        }
        centres.push(mean_direction(farthest.iter().map(|(_, k)| all[*k].0)));
    }
    let mut labels = vec![0; points.len()];
    for _ in 0..8 {
        for (label, (u, _)) in labels.iter_mut().zip(&all) {
            let best = (0..centres.len()).max_by(|a, b| cosine(*u, centres[*a]).total_cmp(&cosine(*u, centres[*b])));
            *label = best.unwrap_or(0);
        }
        for (i, centre) in centres.iter_mut().enumerate() {
            let mut own = clear.iter().filter(|k| labels[**k] == i).peekable();
            if own.peek().is_some() {
                *centre = mean_direction(own.map(|k| all[*k].0));
            }
        }
    }
    (labels, centres.len())
}

fn mean_direction(all: impl Iterator<Item = [f32; PLANES]>) -> [f32; PLANES] {
    direction(all.fold([0.0; PLANES], |sum, u| std::array::from_fn(|n| sum[n] + u[n]))).0
}

/// The colour that the points of one group share; `None` where they are too few or fit none. `weights` as in [`Point`].
pub(super) fn fitted(points: &[Point], weights: Weights, gamut: Gamut) -> Option<Colour> {
    let strong: Vec<Point> =
        points.iter().copied().filter(|p| p.added.iter().map(|v| v * v).sum::<f32>() > 4.0).collect();
    if strong.len() < LEAST {
        return None;
    }
    // The mean opacity of the group is tried from 2 to 99 %; the colour follows from it.
    let tried = (0..64).map(|k| 0.02 * (0.99f32 / 0.02).powf(k as f32 / 63.0));
    let mut best: Option<(f32, Colour)> = None;
    for mean in tried {
        let Some(value) = colour_at(&strong, weights, gamut, mean) else { continue };
        let (cost, misfit) = judged(&strong, value, weights);
        if best.is_none_or(|(least, _)| cost < least) {
            best = Some((cost, Colour { value, misfit, samples: strong.len() }));
        }
    }
    let (cost, colour) = best?;
    let plain = gamut.plain(colour.value).map(|value| (value, judged(&strong, value, weights)));
    Some(match plain {
        Some((value, (of_plain, misfit))) if of_plain <= cost + ALIKE_COST => Colour { value, misfit, ..colour },
        _ => colour,
    })
}

/// What a colour costs over all points, and its misfit alone: opacities cannot exceed 1.
fn judged(points: &[Point], value: [f32; PLANES], weights: Weights) -> (f32, f32) {
    let (mut misfit, mut over) = (0.0, 0.0);
    for p in points {
        let alpha = p.alpha_for(value, weights);
        misfit += ((alpha - p.alpha).powi(2) / (p.variance + p.variance_for(value, weights))).min(9.0);
        over += (alpha - 0.98).max(0.0);
    }
    let count = points.len() as f32;
    (misfit / count + 30.0 * over / count, misfit / count)
}

/// The colour of a mark whose opacity is `mean` in the mean of `points`; `None` outside what samples can be.
fn colour_at(points: &[Point], weights: Weights, gamut: Gamut, mean: f32) -> Option<[f32; PLANES]> {
    let count = points.len() as f32;
    let centre = |f: fn(&Point) -> [f32; PLANES]| -> [f32; PLANES] {
        points.iter().map(f).fold([0.0; PLANES], |s, v| std::array::from_fn(|n| s[n] + v[n] / count))
    };
    let (added, behind) = (centre(|p| p.added), centre(|p| p.behind));
    let mut value: [f32; PLANES] = std::array::from_fn(|n| behind[n] + added[n] / mean);
    for _ in 0..2 {
        let (mut num, mut den, mut all) = ([0.0; PLANES], 0.0, 0.0);
        for p in points {
            let alpha = p.alpha_for(value, weights);
            all += alpha;
            den += alpha * alpha;
            (0..PLANES).for_each(|n| num[n] += alpha * p.added[n] + alpha * alpha * p.behind[n]);
        }
        if den < 1e-6 {
            return None;
        }
        // Opacities are brought back to the mean that is tried: only the hue follows from the fit.
        let scale = (all / count) / mean;
        value = std::array::from_fn(|n| {
            let exact = num[n] / den;
            behind[n] + (exact - behind[n]) * scale
        });
    }
    gamut.holds(value).then_some(value)
}
