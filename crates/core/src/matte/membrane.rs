//! Values inside an area that lie as smoothly as possible between the known ones around it: the solution of Laplace's
//! equation, on a pyramid, for several pictures at once.
//!
//! The border of the raster lets nothing through (Neumann), so that an area may touch it.

/// Sweeps of successive over-relaxation on the finest level and on the others: a prediction of the background needs no
/// more than a tenth of a code value.
const FINE: usize = 6;
const COARSE: usize = 16;
const OMEGA: f32 = 1.6;

/// An area that was prepared once.
pub(super) struct Membrane {
    levels: Vec<Level>,
}

struct Level {
    width: usize,
    height: usize,
    open: Vec<bool>,
    /// Open cells, those of one colour of a chequerboard before the others, each with its neighbours.
    cells: Vec<(u32, [u32; 4])>,
}

impl Level {
    fn new(width: usize, height: usize, open: Vec<bool>) -> Self {
        let mut cells = Vec::new();
        for parity in 0..2 {
            for k in (0..width * height).filter(|k| open[*k] && (k % width + k / width) % 2 == parity) {
                let (x, y) = (k % width, k / width);
                // A cell stands in for the neighbour that the border denies it.
                let left = if x > 0 { k - 1 } else { k };
                let right = if x + 1 < width { k + 1 } else { k };
                let up = if y > 0 { k - width } else { k };
                let down = if y + 1 < height { k + width } else { k };
                cells.push((k as u32, [left as u32, right as u32, up as u32, down as u32]));
            }
        }
        Self { width, height, open, cells }
    }

    /// The next level: a cell is open where all that it stands for is.
    fn halved(&self) -> Self {
        let (width, height) = (self.width.div_ceil(2), self.height.div_ceil(2));
        let mut open = vec![true; width * height];
        for (k, o) in self.open.iter().enumerate() {
            open[(k / self.width / 2) * width + k % self.width / 2] &= o;
        }
        Self::new(width, height, open)
    }
}

impl Membrane {
    /// For the samples where `open` holds, in a raster of `width` columns.
    pub(super) fn new(open: &[bool], width: usize) -> Self {
        let mut levels = vec![Level::new(width, open.len() / width.max(1), open.to_vec())];
        while let Some(last) = levels.last().filter(|l| !l.cells.is_empty() && l.open.len() > 1) {
            levels.push(last.halved());
        }
        Self { levels }
    }

    /// Replaces the open values; what they were means nothing.
    pub(super) fn fill<const N: usize>(&self, values: &mut [[f32; N]]) {
        let mut pyramid: Vec<Vec<[f32; N]>> = Vec::new();
        for (fine, coarse) in self.levels.iter().zip(self.levels.iter().skip(1)) {
            let from: &[[f32; N]] = pyramid.last().map_or(&*values, |v| v);
            let mut sums = vec![([0.0f32; N], 0.0f32); coarse.open.len()];
            for (k, value) in from.iter().enumerate().filter(|(k, _)| !fine.open[*k]) {
                let (sum, count) = &mut sums[(k / fine.width / 2) * coarse.width + k % fine.width / 2];
                sum.iter_mut().zip(value).for_each(|(s, v)| *s += v);
                *count += 1.0;
            }
            pyramid.push(sums.iter().map(|(sum, count)| sum.map(|s| s / count.max(1.0))).collect());
        }
        for depth in (0..self.levels.len()).rev() {
            let level = &self.levels[depth];
            let (finer, coarser) = pyramid.split_at_mut(depth);
            let here: &mut [[f32; N]] = match finer.last_mut() {
                Some(v) => v,
                None => values,
            };
            if let (Some(parent), Some(from)) = (self.levels.get(depth + 1), coarser.first()) {
                expand(level, parent, from, here);
            }
            let sweeps = if depth == 0 { FINE } else { COARSE };
            for _ in 0..sweeps {
                for (k, near) in &level.cells {
                    let [a, b, c, d] = near.map(|n| here[n as usize]);
                    let value = &mut here[*k as usize];
                    for n in 0..N {
                        value[n] += OMEGA * (0.25 * (a[n] + b[n] + c[n] + d[n]) - value[n]);
                    }
                }
            }
        }
    }

    /// As [`fill`](Self::fill) for one picture.
    pub(super) fn fill_one(&self, values: &[f32]) -> Vec<f32> {
        let mut all: Vec<[f32; 1]> = values.iter().map(|v| [*v]).collect();
        self.fill(&mut all);
        all.iter().map(|[v]| *v).collect()
    }
}

/// First guess of the open cells from the coarser level, bilinear.
fn expand<const N: usize>(level: &Level, parent: &Level, from: &[[f32; N]], here: &mut [[f32; N]]) {
    for (k, _) in &level.cells {
        let (x, y) = (*k as usize % level.width, *k as usize / level.width);
        let beside = |v: usize, end: usize| {
            if v.is_multiple_of(2) { (v / 2).saturating_sub(1) } else { (v / 2 + 1).min(end - 1) }
        };
        let (px, py, qx, qy) = (x / 2, y / 2, beside(x, parent.width), beside(y, parent.height));
        let [a, b, c, d] = [(px, py), (qx, py), (px, qy), (qx, qy)].map(|(x, y)| from[y * parent.width + x]);
        for (n, value) in here[*k as usize].iter_mut().enumerate() {
            *value = (9.0 * a[n] + 3.0 * (b[n] + c[n]) + d[n]) / 16.0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ramp_goes_on_through_an_area_of_any_shape() {
        let (w, h) = (120, 70);
        let ramp = |x: usize, y: usize| 40.0 + 0.7 * x as f32 + 0.4 * y as f32;
        let open: Vec<bool> = (0..w * h)
            .map(|k| (k % w, k / w))
            .map(|(x, y)| (20..100).contains(&x) && (15..55).contains(&y) && !(50..54).contains(&x))
            .collect();
        let values: Vec<f32> = (0..w * h).map(|k| if open[k] { 999.0 } else { ramp(k % w, k / w) }).collect();
        let filled = Membrane::new(&open, w).fill_one(&values);
        let off = (0..w * h).map(|k| (filled[k] - ramp(k % w, k / w)).abs()).fold(0.0, f32::max);
        assert!(off < 0.6, "{off}");
    }
}
