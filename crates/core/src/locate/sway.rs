//! By how much what persists moves about its place from frame to frame: as a whole, and in every neighbourhood.
//!
//! A mark stays within a fraction of a sample; scenery that a camera on a tripod or a car's windscreen keeps in its place
//! does not quite.

use super::persistence::Persistence;
use super::picture::View;
use super::region::Region;
use super::slope::UNIT;

/// Side of a cell, samples; movement is estimated for every cell from it and the eight around it.
const CELL: usize = 8;
/// Fewer samples than this measure no movement.
pub(super) const MEASURABLE: usize = 24;

/// Two-dimensional least squares: by how much a pattern of slopes `m` must be moved to explain differences `d`.
#[derive(Clone, Copy, Default)]
struct Shift {
    xx: f64,
    xy: f64,
    yy: f64,
    xd: f64,
    yd: f64,
    x: f64,
    y: f64,
    d: f64,
    dd: f64,
    n: f64,
}

impl Shift {
    fn add(&mut self, mx: f64, my: f64, d: f64) {
        self.xx += mx * mx;
        self.xy += mx * my;
        self.yy += my * my;
        self.xd += mx * d;
        self.yd += my * d;
        self.x += mx;
        self.y += my;
        self.d += d;
        self.dd += d * d;
        self.n += 1.0;
    }

    fn join(&mut self, other: &Self) {
        self.xx += other.xx;
        self.xy += other.xy;
        self.yy += other.yy;
        self.xd += other.xd;
        self.yd += other.yd;
        self.x += other.x;
        self.y += other.y;
        self.d += other.d;
        self.dd += other.dd;
        self.n += other.n;
    }

    /// Squared length of the shift in samples, the energy of the differences that it explains, and all of it; a change of
    /// level is allowed for.
    fn solved(&self) -> (f64, f64, f64) {
        if self.n < 8.0 {
            return (0.0, 0.0, 0.0);
        }
        let n = self.n;
        let (xx, xy, yy) =
            (self.xx - self.x * self.x / n, self.xy - self.x * self.y / n, self.yy - self.y * self.y / n);
        let (xd, yd) = (self.xd - self.x * self.d / n, self.yd - self.y * self.d / n);
        // A tenth of the energy as ridge: stripes tell nothing along their direction.
        let ridge = 0.05 * (xx + yy) + 1e-6;
        let (xx, yy) = (xx + ridge, yy + ridge);
        let det = xx * yy - xy * xy;
        let (dx, dy) = ((yy * xd - xy * yd) / det, (xx * yd - xy * xd) / det);
        (dx * dx + dy * dy, (dx * xd + dy * yd).max(0.0), self.dd - self.d * self.d / n)
    }
}

/// Root mean square over frames of the shift that best explains how `samples` differ from their mean over time
/// (Lucas and Kanade 1981, one step).
pub(super) fn shift(frames: &[&[u8]], p: &Persistence, samples: &[usize]) -> (f32, f32) {
    let mean: Vec<f64> = samples
        .iter()
        .map(|i| frames.iter().map(|f| f64::from(f[*i])).sum::<f64>() / frames.len().max(1) as f64)
        .collect();
    let (mut squared, mut explained, mut all) = (0.0f64, 0.0f64, 0.0f64);
    for f in frames {
        let mut shift = Shift::default();
        for (i, mean) in samples.iter().zip(&mean) {
            let unit = f64::from(UNIT);
            shift.add(f64::from(p.mx[*i]) / unit, f64::from(p.my[*i]) / unit, f64::from(f[*i]) - mean);
        }
        let solved = shift.solved();
        squared += solved.0;
        explained += solved.1;
        all += solved.2;
    }
    ((squared / frames.len().max(1) as f64).sqrt() as f32, (explained / all.max(1e-6)) as f32)
}

/// By how much the neighbourhood of each of `seeds`, a set of samples of the plane that `frames` shows, moves: samples of
/// that plane, root mean square over frames; 0 elsewhere, infinite where too little lies around to measure. By connected
/// part, since a mark and scenery that lie side by side must not answer for each other, and within a part by cells; parts
/// that are too small in a cell's neighbourhood are estimated with what lies there.
pub(super) fn sway(frames: &[View<'_>], p: &Persistence, seeds: &Region) -> Vec<f32> {
    let columns = p.width.div_ceil(CELL);
    let cell_of = |i: usize| i / p.width / CELL * columns + i % p.width / CELL;
    // Cells of each part, and behind them the cells of all parts together.
    let mut cells: Vec<(usize, usize)> = Vec::new();
    let mut samples: Vec<(usize, usize, f64)> = Vec::new();
    for (label, part) in seeds.grown(1, 1).parts().into_iter().enumerate() {
        let first = cells.len();
        let mut own: Vec<usize> = part.iter().map(|i| cell_of(*i)).collect();
        own.sort_unstable();
        own.dedup();
        cells.extend(own.iter().map(|cell| (label, *cell)));
        for i in part.into_iter().filter(|i| seeds.set[*i]) {
            let at = first + own.partition_point(|cell| *cell < cell_of(i));
            let mean = frames.iter().map(|f| f64::from(f.data[i])).sum::<f64>() / frames.len().max(1) as f64;
            samples.push((i, at, mean));
        }
    }
    let near =
        |a: usize, b: usize| (a % columns).abs_diff(b % columns) <= 1 && (a / columns).abs_diff(b / columns) <= 1;
    let mut by_cell: Vec<Vec<usize>> = vec![Vec::new(); columns * p.height.div_ceil(CELL)];
    cells.iter().enumerate().for_each(|(at, (_, cell))| by_cell[*cell].push(at));
    let around = |cell: usize| {
        let rows = [cell.saturating_sub(columns), cell, cell + columns];
        let mut found: Vec<usize> = rows.iter().flat_map(|c| c.saturating_sub(1)..=c + 1).collect();
        found.sort_unstable();
        found.dedup();
        found.retain(|c| *c < by_cell.len() && near(*c, cell));
        found.into_iter().flat_map(|c| by_cell[c].iter().copied()).collect::<Vec<usize>>()
    };
    let mut count = vec![0usize; cells.len()];
    samples.iter().for_each(|(_, at, _)| count[*at] += 1);
    let joined: Vec<Vec<usize>> = cells
        .iter()
        .map(|(label, cell)| {
            let all = around(*cell);
            let own: Vec<usize> = all.iter().copied().filter(|at| cells[*at].0 == *label).collect();
            if own.iter().map(|at| count[*at]).sum::<usize>() >= MEASURABLE { own } else { all }
        })
        .collect();
    let unit = f64::from(UNIT);
    let mut squared = vec![0.0f64; cells.len()];
    let mut sums = vec![Shift::default(); cells.len()];
    for f in frames {
        sums.fill(Shift::default());
        for (i, at, mean) in &samples {
            sums[*at].add(f64::from(p.mx[*i]) / unit, f64::from(p.my[*i]) / unit, f64::from(f.data[*i]) - mean);
        }
        for (squared, joined) in squared.iter_mut().zip(&joined) {
            let mut all = Shift::default();
            joined.iter().for_each(|at| all.join(&sums[*at]));
            *squared += all.solved().0;
        }
    }
    let mut drift = vec![0.0f32; seeds.set.len()];
    for (i, at, _) in &samples {
        let measured = joined[*at].iter().map(|at| count[*at]).sum::<usize>() >= MEASURABLE;
        let mean = squared[*at] / frames.len().max(1) as f64;
        drift[*i] = if measured { mean.sqrt() as f32 } else { f32::INFINITY };
    }
    drift
}

#[cfg(test)]
mod tests;
