//! Scattered values made dense: the pull-push pyramid of Gortler et al., "The Lumigraph", SIGGRAPH 1996, section 3.4.
//!
//! Values with weights go in, a smooth surface through them comes out. Refuses to know what the values mean.

/// Buffers of the pyramid, kept between calls.
#[derive(Clone, Debug, Default)]
pub(super) struct Spread<const N: usize> {
    levels: Vec<Level<N>>,
}

#[derive(Clone, Debug, Default)]
struct Level<const N: usize> {
    width: usize,
    height: usize,
    values: Vec<[f32; N]>,
    weights: Vec<f32>,
}

impl<const N: usize> Spread<N> {
    /// Replaces every value of a grid of rows of `width` by a mean of itself and of what lies around it: itself alone where
    /// its weight is 1 or more, others alone where it is 0. Zeros where no weight is above 0.
    pub(super) fn fill(&mut self, width: usize, values: &mut [[f32; N]], weights: &[f32]) {
        if values.is_empty() {
            return;
        }
        self.pull(width, values, weights);
        let top = self.levels.len() - 1;
        let blind = self.levels[top].weights[0] <= 0.0;
        if blind {
            values.fill([0.0; N]);
            return;
        }
        for at in (0..top).rev() {
            let (fine, coarse) = self.levels.split_at_mut(at + 1);
            fine[at].push(&coarse[0]);
        }
        values.copy_from_slice(&self.levels[0].values);
    }

    fn pull(&mut self, width: usize, values: &[[f32; N]], weights: &[f32]) {
        let mut at = 0;
        let (mut w, mut h) = (width, values.len() / width);
        loop {
            if self.levels.len() <= at {
                self.levels.push(Level::default());
            }
            if at == 0 {
                let level = &mut self.levels[0];
                (level.width, level.height) = (w, h);
                level.values.clear();
                level.values.extend_from_slice(values);
                level.weights.clear();
                level.weights.extend(weights.iter().map(|weight| weight.clamp(0.0, 1.0)));
            } else {
                let (fine, coarse) = self.levels.split_at_mut(at);
                coarse[0].gather(&fine[at - 1], w, h);
            }
            at += 1;
            if w == 1 && h == 1 {
                break;
            }
            (w, h) = (w.div_ceil(2), h.div_ceil(2));
        }
        self.levels.truncate(at);
    }
}

impl<const N: usize> Level<N> {
    /// The weighted means of 2x2 values of `fine`; a cell is sure once the weights of its four reach 1.
    fn gather(&mut self, fine: &Self, width: usize, height: usize) {
        (self.width, self.height) = (width, height);
        self.values.clear();
        self.weights.clear();
        for y in 0..height {
            let rows = 2 * y..(2 * y + 2).min(fine.height);
            for x in 0..width {
                let (mut sum, mut weight) = ([0.0; N], 0.0);
                for fy in rows.clone() {
                    for fx in 2 * x..(2 * x + 2).min(fine.width) {
                        let k = fy * fine.width + fx;
                        let w = fine.weights[k];
                        weight += w;
                        sum.iter_mut().zip(&fine.values[k]).for_each(|(s, v)| *s += w * v);
                    }
                }
                if weight > 0.0 {
                    sum.iter_mut().for_each(|s| *s /= weight);
                }
                self.values.push(sum);
                self.weights.push(weight.min(1.0));
            }
        }
    }

    /// What is not sure takes its share from `coarse`, bilinearly.
    fn push(&mut self, coarse: &Self) {
        for y in 0..self.height {
            let (y0, y1) = neighbours(y, coarse.height);
            for x in 0..self.width {
                let k = y * self.width + x;
                let own = self.weights[k];
                if own >= 1.0 {
                    continue;
                }
                let (x0, x1) = neighbours(x, coarse.width);
                let at = |x: usize, y: usize| &coarse.values[y * coarse.width + x];
                let (a, b, c, d) = (at(x0, y0), at(x1, y0), at(x0, y1), at(x1, y1));
                for (n, value) in self.values[k].iter_mut().enumerate() {
                    let above = 0.5625 * a[n] + 0.1875 * (b[n] + c[n]) + 0.0625 * d[n];
                    *value = own * *value + (1.0 - own) * above;
                }
            }
        }
    }
}

/// The coarse cell that a fine one lies in, and the one it lies nearest to beside it.
fn neighbours(fine: usize, count: usize) -> (usize, usize) {
    let near = fine / 2;
    let far = if fine % 2 == 1 { (near + 1).min(count - 1) } else { near.saturating_sub(1) };
    (near, far)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_takes_a_smooth_mean_of_its_border() {
        let (w, h) = (37, 23);
        let mut values: Vec<[f32; 2]> = (0..w * h).map(|k| [(k % w) as f32, 5.0]).collect();
        let truth = values.clone();
        let inside = |k: usize| (10..26).contains(&(k % w)) && (6..17).contains(&(k / w));
        let weights: Vec<f32> = (0..w * h).map(|k| if inside(k) { 0.0 } else { 1.0 }).collect();
        (0..w * h).filter(|k| inside(*k)).for_each(|k| values[k] = [1e6, 1e6]);
        Spread::default().fill(w, &mut values, &weights);
        for (k, (value, truth)) in values.iter().zip(&truth).enumerate() {
            if inside(k) {
                // A ramp through a gap of 16 columns stays within a quarter of its width.
                assert!((value[0] - truth[0]).abs() < 4.0, "{k}: {value:?} {truth:?}");
                assert!((value[1] - 5.0).abs() < 1e-4);
            } else {
                assert_eq!(value, truth);
            }
        }
    }

    #[test]
    fn without_any_weight_there_is_nothing_to_spread() {
        let mut values = vec![[7.0]; 12];
        Spread::default().fill(4, &mut values, &[0.0; 12]);
        assert!(values.iter().all(|v| v[0] == 0.0));
    }
}
