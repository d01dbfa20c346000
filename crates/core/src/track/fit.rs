//! A straight line through noisy points, little moved by a few wrong ones.

/// Rounds of reweighting; the weights settle within three on windows of nine points.
const ROUNDS: usize = 5;

/// Residuals above this many standard deviations count less (Huber 1981: 95 % efficient on normal noise).
const HUBER: f64 = 1.345;

/// From a median of absolute residuals to a standard deviation of normal noise.
const NORMAL: f64 = 1.4826;

/// A line `value + slope * t` and the spread of the points about it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Line {
    pub(super) value: f64,
    pub(super) slope: f64,
    /// Standard deviation of the points, from their median distance.
    pub(super) spread: f64,
}

impl Line {
    /// The line through `points` of (t, value) by Huber's weights; a constant where they share one t.
    pub(super) fn through(points: &[(f64, f64)]) -> Self {
        let mut weights = vec![1.0; points.len()];
        let mut line = weighted(points, &weights);
        for _ in 0..ROUNDS {
            line.spread = NORMAL * median(points.iter().map(|(t, v)| (v - line.at(*t)).abs()).collect());
            // Codes of a thousandth of a sample: a perfect fit has nothing to reweight.
            if line.spread < 1e-3 {
                break;
            }
            for (weight, (t, v)) in weights.iter_mut().zip(points) {
                let off = (v - line.at(*t)).abs() / line.spread;
                *weight = if off <= HUBER { 1.0 } else { HUBER / off };
            }
            let spread = line.spread;
            line = Self { spread, ..weighted(points, &weights) };
        }
        line
    }

    /// Its value at `t`.
    pub(super) fn at(&self, t: f64) -> f64 {
        self.value + self.slope * t
    }
}

fn weighted(points: &[(f64, f64)], weights: &[f64]) -> Line {
    let sum = |f: &dyn Fn(&(f64, f64)) -> f64| points.iter().zip(weights).map(|(p, w)| w * f(p)).sum::<f64>();
    let total = sum(&|_| 1.0).max(f64::MIN_POSITIVE);
    let (t, v) = (sum(&|p| p.0) / total, sum(&|p| p.1) / total);
    let var = sum(&|p| (p.0 - t) * (p.0 - t));
    let slope = if var > 1e-9 { sum(&|p| (p.0 - t) * (p.1 - v)) / var } else { 0.0 };
    Line { value: v - slope * t, slope, spread: 0.0 }
}

fn median(mut values: Vec<f64>) -> f64 {
    if values.is_empty() {
        return 0.0;
    }
    let middle = values.len() / 2;
    *values.select_nth_unstable_by(middle, f64::total_cmp).1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_wrong_point_in_nine_hardly_moves_the_line() {
        let mut points: Vec<(f64, f64)> = (0..9).map(|t| (f64::from(t), 10.0 + 2.0 * f64::from(t))).collect();
        for (k, off) in [0.5, -0.4, 0.3, -0.5, 0.2, 0.4, -0.3, 0.1, -0.2].into_iter().enumerate() {
            points[k].1 += off;
        }
        points[3].1 += 60.0;
        let line = Line::through(&points);
        assert!((line.at(4.0) - 18.0).abs() < 1.0, "{line:?}");
        assert!((line.slope - 2.0).abs() < 0.3, "{line:?}");
    }

    #[test]
    fn points_at_one_time_give_a_constant() {
        let line = Line::through(&[(3.0, 5.0), (3.0, 5.0)]);
        assert_eq!((line.at(0.0), line.slope), (5.0, 0.0));
        assert_eq!(Line::through(&[]).at(7.0), 0.0);
    }
}
