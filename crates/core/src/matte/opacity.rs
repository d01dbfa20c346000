//! The opacity of every sample under a mark, from second moments, from shared colours and from shared opacities.

use super::colour::{Colour, Gamut, PLANES, Point, Weights, fitted, grouped, strain};
use super::moments::Moments;
use super::morphology::{Area, dilated, local_mean, parts, quantile};

/// Variance of the codec's and the rounding noise in a coded sample, which a mark does not scale.
const CODED: f32 = 1.5;

/// Relative errors that more frames do not cure, measured against the truth in `benches/unblend`: a harmonic prediction
/// varies too little, by some per cent, which steepens the slope; the deviation inside is not quite that around.
const SLOPE: f32 = 0.10;
const RATIO: f32 = 0.05;

/// Opacity of what counts as seen, not as the tail of something.
const LEAST_SURE: f32 = 0.05;
/// Squared deviations in units of their variance that chance in four quantities reaches in one sample of 25, and those it
/// never reaches; and how many samples of a part must.
const LIKELY: f32 = 16.0;
const PLAIN: f32 = 30.0;
const LEAST_PLAIN: usize = 12;

/// A colour is sure where it gives the opacity this much better than the moments, in variances.
const SURE: f32 = 0.5;

/// Mean opacity by the moments from which on a group of samples is a colour of the mark.
const LEAST_HIDDEN: f32 = 0.03;

/// How often colours are fitted; between, every sample takes the colour that explains it best.
const ROUNDS: usize = 3;

/// Opacities of the samples of the luma plane.
pub(super) struct Opacity {
    /// 0..=1 where the support is open, else 0.
    pub(super) alpha: Vec<f32>,
    /// Its variance.
    pub(super) variance: Vec<f32>,
    /// The colour where it is sure.
    pub(super) paint: Vec<Option<[f32; PLANES]>>,
    pub(super) colours: Vec<Colour>,
    /// Mean misfit of the colours, weighed by their samples; 1 is what noise explains.
    pub(super) misfit: f32,
}

/// Opacity from the moments of one plane alone, with its variance.
///
/// Two statistics are averaged in logarithms by their variances: the slope of samples on prediction, which is right in the
/// mean and noisy where the prediction is poor, and the ratio of standard deviations, which is steady and assumes that the
/// background inside moves as much as around it.
pub(super) fn from_moments(moments: &Moments, k: usize, strayed: f32) -> (f32, f32) {
    let n = moments.independent;
    let deviation = moments.deviation[k];
    let slope = (moments.cov[k] + 2.0) / (moments.var_r[k] + 2.0);
    let ratio = (moments.var_j[k] - CODED).max(0.3).sqrt() / deviation.max(1.0);
    let rho = moments.correlation(k).abs();
    let missed = 1.0 - rho * rho;
    let of_slope = (missed / rho.max(0.05).powi(2)).clamp(0.0, 25.0) / n + SLOPE.powi(2);
    let of_ratio = 0.5 * missed / n + RATIO.max(strayed).powi(2) + (1.5 / deviation.max(0.5)).powi(2);
    let (ws, wr) = (1.0 / of_slope, 1.0 / of_ratio);
    let log = (slope.clamp(0.03, 1.2).ln() * ws + ratio.clamp(0.03, 1.2).ln() * wr) / (ws + wr);
    let keep = log.exp().clamp(0.03, 1.1);
    (1.0 - keep, keep * keep / (ws + wr) + 0.02f32.powi(2))
}

/// What is known of every sample where `open` holds, in order.
pub(super) struct Known {
    pub(super) places: Vec<usize>,
    pub(super) points: Vec<Point>,
}

/// Opacities of the open samples.
pub(super) fn solved(
    known: &Known,
    (open, width): (&Area, usize),
    weights: Weights,
    (gamut, stress): (Gamut, [f32; PLANES]),
) -> Opacity {
    let (mut labels, count) = grouped(&known.points, stress);
    let mut fits: Vec<Option<Colour>> = Vec::new();
    for round in 0..ROUNDS {
        fits = (0..count)
            .map(|label| {
                let own = known.points.iter().zip(&labels).filter(|(_, l)| **l == label).map(|(p, _)| *p);
                let own = own.collect::<Vec<Point>>();
                fitted(&own, weights, gamut).filter(|_| hides(&own))
            })
            .collect();
        if round + 1 < ROUNDS {
            for (label, point) in labels.iter_mut().zip(&known.points) {
                let strained = |l: &usize| fits[*l].map(|c| strain(point, c.value, weights));
                let best = (0..count).filter_map(|l| strained(&l).map(|s| (s, l))).min_by(|a, b| a.0.total_cmp(&b.0));
                *label = best.map_or(*label, |(_, l)| l);
            }
        }
    }
    let mut precise: Vec<Option<(f32, f32)>> = vec![None; known.points.len()];
    for ((label, point), precise) in labels.iter().zip(&known.points).zip(&mut precise) {
        let Some(colour) = fits[*label] else { continue };
        let alpha = point.alpha_for(colour.value, weights);
        let loose = 4.0 * (colour.misfit - 1.0).max(0.0) * point.variance;
        *precise = Some((alpha, point.variance_for(colour.value, weights) + loose));
    }
    // Where a colour contradicts the moments in a whole neighbourhood, it is the wrong one there.
    let mut off = vec![0.0; open.len()];
    for (n, point) in known.points.iter().enumerate() {
        off[known.places[n]] = precise[n].map_or(0.0, |(a, _)| ((a - point.alpha).powi(2) / point.variance).min(25.0));
    }
    let off = local_mean(&off, open, width, 3.0);
    let (mut alpha, mut paint) = (vec![0.0; open.len()], vec![None; open.len()]);
    let mut variances = vec![0.0; open.len()];
    for (n, point) in known.points.iter().enumerate() {
        let k = known.places[n];
        alpha[k] = match precise[n] {
            None => {
                variances[k] = point.variance;
                point.alpha
            }
            Some((a, variance)) => {
                let doubt = 0.02f32.powi(2) + variance + (off[k] - 1.0).max(0.0) * point.variance;
                if doubt < SURE * point.variance {
                    paint[k] = fits[labels[n]].map(|c| c.value);
                }
                variances[k] = 1.0 / (1.0 / point.variance + 1.0 / doubt);
                (point.alpha / point.variance + a / doubt) / (1.0 / point.variance + 1.0 / doubt)
            }
        }
        .clamp(0.0, 0.98);
    }
    let colours: Vec<Colour> = fits.into_iter().flatten().collect();
    let samples: usize = colours.iter().map(|c: &Colour| c.samples).sum();
    let misfit = colours.iter().map(|c| c.misfit * c.samples as f32).sum::<f32>() / samples.max(1) as f32;
    Opacity { alpha, variance: variances, paint, colours, misfit: if samples == 0 { 9.0 } else { misfit } }
}

/// Whether the moments see a mark at all in these points: a colour alone explains every wrong prediction.
fn hides(points: &[Point]) -> bool {
    let (alpha, weight) = points.iter().fold((0.0, 0.0), |(a, w), p| (a + p.alpha / p.variance, w + 1.0 / p.variance));
    alpha > LEAST_HIDDEN * weight
}

/// The open samples that stand out from what the prediction misses, with a margin for what tails off: the others only
/// happened to be open.
pub(super) fn sure(known: &Known, alpha: &[f32], (open, width): (&Area, usize), weights: Weights) -> Area {
    let mut stands = vec![0.0; open.len()];
    for (point, k) in known.points.iter().zip(&known.places) {
        let added: f32 = (0..PLANES).map(|n| weights[n] * point.added[n].powi(2)).sum();
        stands[*k] = added + weights[0] * point.detail.powi(2) + alpha[*k].powi(2) / point.variance;
    }
    let likely: Area = (0..open.len()).map(|k| open[k] && alpha[k] >= LEAST_SURE && stands[k] > LIKELY).collect();
    let mut kept = vec![false; open.len()];
    for part in parts(&likely, width) {
        if part.iter().filter(|k| stands[**k] > PLAIN).count() >= LEAST_PLAIN {
            part.iter().for_each(|k| kept[*k] = true);
        }
    }
    dilated(&kept, width, 2).iter().zip(open).map(|(k, o)| *k && *o).collect()
}

/// Of the samples whose mean plainly differs from the background's, the share outside of `sure`: what of a mark would be left.
pub(super) fn left(known: &Known, sure: &Area, weights: Weights) -> f32 {
    let (mut plain, mut left) = (0u32, 0u32);
    for (point, k) in known.points.iter().zip(&known.places) {
        let added: f32 = (0..PLANES).map(|n| weights[n] * point.added[n].powi(2)).sum();
        if added + weights[0] * point.detail.powi(2) > PLAIN {
            plain += 1;
            left += u32::from(!sure[*k]);
        }
    }
    left as f32 / plain.max(1) as f32
}

/// Median of the opacities of at least half of the strongest.
pub(super) fn core(alpha: &[f32], open: &Area) -> f32 {
    let inside = || alpha.iter().zip(open).filter(|(_, o)| **o).map(|(a, _)| *a);
    let top = quantile(inside(), 0.95);
    quantile(inside().filter(|a| *a >= 0.5 * top), 0.5)
}

/// Root mean square error that the variances of opacities make in computed samples of the first plane where `changed` holds;
/// `behind` is the mean of what lies there. White stands for colours that are not sure.
pub(super) fn expected_error(opacity: &Opacity, behind: &[f32], changed: &Area) -> f32 {
    let (mut sum, mut count) = (0.0, 0.0f32);
    for k in (0..changed.len()).filter(|k| changed[*k] && opacity.alpha[*k] > 0.02) {
        let keep = (1.0 - opacity.alpha[k]).max(0.1);
        let colour = opacity.paint[k].map_or(235.0, |paint| paint[0]);
        sum += opacity.variance[k] * ((colour - behind[k]) / keep).powi(2);
        count += 1.0;
    }
    (sum / count.max(1.0)).sqrt()
}
