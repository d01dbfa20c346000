//! What one plane of the clip says under the mark: its samples against the background as predicted from outside.

use rayon::prelude::*;

use super::membrane::Membrane;
use super::morphology::quantile;
use super::stack::{LANES, Stack};

/// Samples of the prediction that are followed over time for [`Moments::independent`].
const FOLLOWED: usize = 1500;

/// First and second moments over time of the coded samples `J` and of the prediction `R`, per sample of a plane; what they
/// are outside the support means nothing.
pub(super) struct Moments {
    pub(super) mean_j: Vec<f32>,
    pub(super) mean_r: Vec<f32>,
    pub(super) var_j: Vec<f32>,
    pub(super) var_r: Vec<f32>,
    pub(super) cov: Vec<f32>,
    /// Standard deviation of the background, continued from outside.
    pub(super) deviation: Vec<f32>,
    /// Frames that are independent of each other, as far as the background is concerned.
    pub(super) independent: f32,
    /// The same for what the prediction misses, which changes faster.
    pub(super) independent_misses: f32,
}

#[derive(Clone)]
struct Sums {
    /// J, R, J J, R R, J R over frames, less `J` and `R` of the plane's middle.
    all: Vec<[f32; 5]>,
    /// J and R of the followed samples.
    followed: Vec<Vec<[f32; 2]>>,
}

/// Values are counted from here, which keeps sums of squares small.
const MIDDLE: f32 = 128.0;

impl Moments {
    /// Of `stack` where `open` holds.
    pub(super) fn new(stack: &Stack<'_>, open: &[bool]) -> Self {
        let membrane = Membrane::new(open, stack.width);
        let places: Vec<usize> = (0..stack.len()).filter(|k| open[*k]).collect();
        let followed: Vec<usize> = places.iter().copied().step_by((places.len() / FOLLOWED).max(1)).collect();
        let sums: Vec<Sums> =
            stack.groups().par_iter().map(|first| Sums::new(stack, *first, &membrane, &followed)).collect();
        let count = stack.frames() as f32;
        let mut total = vec![[0.0f64; 5]; stack.len()];
        for sums in &sums {
            total
                .iter_mut()
                .zip(&sums.all)
                .for_each(|(t, s)| t.iter_mut().zip(s).for_each(|(t, s)| *t += f64::from(*s)));
        }
        let n = f64::from(count.max(1.0));
        let column = |f: &dyn Fn(&[f64; 5]) -> f64| -> Vec<f32> { total.iter().map(|t| f(t) as f32).collect() };
        let var_j = column(&|t| t[2] / n - (t[0] / n).powi(2));
        // One more code value keeps what hardly moves from standing out.
        let known: Vec<f32> = var_j.iter().map(|v| (v.max(0.0).sqrt() + 1.0).ln()).collect();
        let deviation = membrane.fill_one(&known).iter().map(|v| v.exp() - 1.0).collect();
        let cov = column(&|t| t[4] / n - t[0] / n * (t[1] / n));
        let var_r = column(&|t| t[3] / n - (t[1] / n).powi(2));
        let pairs = |k: usize| sums.iter().flat_map(move |s| s.followed[k].iter().copied());
        let predictions = (0..followed.len()).map(|k| pairs(k).map(|[_, r]| r).collect()).collect::<Vec<_>>();
        let misses = followed.iter().enumerate().map(|(k, at)| {
            let slope = cov[*at] / (var_r[*at] + 1e-3);
            pairs(k).map(|[j, r]| j - slope * r).collect()
        });
        let misses = misses.collect::<Vec<_>>();
        Self {
            mean_j: column(&|t| t[0] / n + f64::from(MIDDLE)),
            mean_r: column(&|t| t[1] / n + f64::from(MIDDLE)),
            independent: independent(&predictions, count),
            independent_misses: independent(&misses, count),
            var_r,
            cov,
            var_j,
            deviation,
        }
    }

    /// Correlation of sample and prediction, -1..=1.
    pub(super) fn correlation(&self, k: usize) -> f32 {
        self.cov[k] / (self.var_j[k] * self.var_r[k] + 1e-3).max(1e-3).sqrt()
    }
}

impl Sums {
    fn new(stack: &Stack<'_>, first: usize, membrane: &Membrane, followed: &[usize]) -> Self {
        let (coded, count) = stack.lanes(first);
        let mut predicted = coded.clone();
        membrane.fill(&mut predicted);
        let all = coded.iter().zip(&predicted).map(|(coded, predicted)| {
            let mut sum = [0.0f32; 5];
            for lane in 0..count.min(LANES) {
                let (j, r) = (coded[lane] - MIDDLE, predicted[lane] - MIDDLE);
                sum.iter_mut().zip([j, r, j * j, r * r, j * r]).for_each(|(s, v)| *s += v);
            }
            sum
        });
        let all = all.collect();
        let followed =
            followed.iter().map(|k| (0..count).map(|lane| [coded[*k][lane], predicted[*k][lane]]).collect()).collect();
        Self { all, followed }
    }
}

/// How many of `count` frames are independent: their number over the integrated autocorrelation of the prediction, as far
/// as that stays above noise.
fn independent(series: &[Vec<f32>], count: f32) -> f32 {
    let centred: Vec<Vec<f32>> = series
        .iter()
        .map(|s| {
            let mean = s.iter().sum::<f32>() / s.len().max(1) as f32;
            s.iter().map(|v| v - mean).collect()
        })
        .collect();
    let mut total = 1.0;
    for lag in 1..(count as usize / 2).max(1) {
        let related = quantile(
            centred.iter().map(|s| {
                let all = s.iter().map(|v| v * v).sum::<f32>() / s.len() as f32 + 1e-3;
                let pairs = s.iter().zip(&s[lag.min(s.len())..]);
                pairs.map(|(a, b)| a * b).sum::<f32>() / (s.len() - lag) as f32 / all
            }),
            0.5,
        );
        if related < 0.1 {
            break;
        }
        total += 2.0 * related;
    }
    (count / total).max(1.5)
}
