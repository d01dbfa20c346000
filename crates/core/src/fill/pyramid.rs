//! Solves a hole on a pyramid: from the level where nothing is open down to the finest, each starting from the one above.
//!
//! Cascadic multigrid (Bornemann and Deuflhard, 1996): no corrections travel back up, so that the cost is a fixed number of
//! sweeps a level and the memory four thirds of the picture. Knows values and stencils; refuses to know what they mean.

use super::stencil::{REACH, Stencil, Stencils};

/// A run of open samples in one row.
#[derive(Clone, Copy, Debug)]
struct Span {
    x: u32,
    y: u32,
    len: u32,
    /// Open samples in the spans before.
    first: u32,
    /// Whether a stencil may reach over the border of the level.
    near_border: bool,
}

#[derive(Clone, Debug)]
struct Level {
    width: usize,
    height: usize,
    /// Share of each sample that is known, 0..=1.
    known: Vec<f32>,
    spans: Vec<Span>,
    open: usize,
}

/// What is open on every level of a grid; depends on the mask alone.
#[derive(Clone, Debug)]
pub(super) struct Pyramid {
    levels: Vec<Level>,
}

/// Buffers of solves of `N` values a sample, to be used again.
#[derive(Clone, Debug, Default)]
pub(super) struct Scratch<const N: usize> {
    values: Vec<Vec<[f32; N]>>,
    index: Vec<u16>,
    steps: Vec<[isize; 3]>,
    edges: Vec<[f32; 6]>,
    spare: Vec<[f32; N]>,
}

/// Where the picture flows, on the finest grid of a pyramid.
pub(super) trait Flow {
    /// Appends the stencils of the first `len` samples of row `y`, where the centre of a sample lies at
    /// `((x + .5) scale, (y + .5) scale)` on the finest grid.
    fn stencils(&mut self, scale: f32, y: u32, len: u32, out: &mut Vec<u16>);
}

/// The flow of a picture without directions.
pub(super) struct Even;

impl Flow for Even {
    fn stencils(&mut self, _scale: f32, _y: u32, len: u32, out: &mut Vec<u16>) {
        out.extend(std::iter::repeat_n(Stencils::EVEN, len as usize));
    }
}

/// Which row comes first.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Order {
    Down,
    Up,
}

/// Sweeps without over-relaxation at the end of a level, which take away the stripes that it leaves between even and odd
/// samples.
const PLAIN: u32 = 2;

/// How a level is relaxed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Effort {
    /// Sweeps on the finest level.
    pub fine: u32,
    /// Sweeps on every other level.
    pub coarse: u32,
    /// Over-relaxation, 1 ..< 2, of all but the last [`PLAIN`] sweeps of a level.
    pub omega: f32,
}

impl Pyramid {
    /// Levels over a grid whose samples are open where `open` says so. Coarser levels halve both sides until none is open.
    pub(super) fn new(width: usize, height: usize, open: &[bool]) -> Self {
        let known: Vec<f32> = open.iter().map(|open| if *open { 0.0 } else { 1.0 }).collect();
        let mut levels = vec![Level::new(width, height, known)];
        while let Some(last) = levels.last()
            && last.open > 0
            && last.width.max(last.height) > 1
        {
            let coarser = last.halved();
            levels.push(coarser);
        }
        Self { levels }
    }

    /// Whether there is nothing to start from: every sample is open.
    pub(super) fn is_blind(&self) -> bool {
        self.levels.last().is_some_and(|level| level.open > 0)
    }

    /// Bytes of memory, about.
    pub(super) fn bytes(&self) -> usize {
        self.levels.iter().map(|level| level.known.len() * 4 + level.spans.len() * size_of::<Span>()).sum()
    }

    /// Fills the open samples of `values`, whose `N` values are independent of each other. Does nothing where the pyramid
    /// [is blind](Self::is_blind).
    pub(super) fn solve<const N: usize>(
        &self,
        values: &mut Vec<[f32; N]>,
        stencils: &Stencils,
        effort: Effort,
        scratch: &mut Scratch<N>,
        flow: &mut impl Flow,
    ) {
        if self.is_blind() || self.levels[0].open == 0 {
            return;
        }
        scratch.values.resize_with(self.levels.len().max(scratch.values.len()), Vec::new);
        std::mem::swap(values, &mut scratch.values[0]);
        for l in 1..self.levels.len() {
            let (finer, coarser) = scratch.values.split_at_mut(l);
            restrict(&self.levels[l - 1], &finer[l - 1], &self.levels[l], &mut coarser[0]);
        }
        for l in (0..self.levels.len() - 1).rev() {
            let level = &self.levels[l];
            let (finer, coarser) = scratch.values.split_at_mut(l + 1);
            let values = &mut finer[l];
            prolong(&self.levels[l + 1], &coarser[0], level, values);
            scratch.index.clear();
            let scale = (1u32 << l) as f32;
            for y in 0..level.height as u32 {
                flow.stencils(scale, y, level.width as u32, &mut scratch.index);
            }
            let step = |(dx, dy): (i8, i8)| isize::from(dy) * level.width as isize + isize::from(dx);
            scratch.steps.clear();
            scratch.steps.extend(stencils.all().iter().map(|s| s.offset.map(step)));
            level.connect(&mut scratch.index, stencils.all(), &mut scratch.edges);
            let sweeps = if l == 0 { effort.fine } else { effort.coarse };
            for sweep in 0..sweeps {
                let omega = if sweep + PLAIN < sweeps { effort.omega } else { 1.0 };
                let order = if sweep % 2 == 0 { Order::Down } else { Order::Up };
                level.relax(values, &scratch.index, &scratch.steps, &scratch.edges, omega, order);
            }
            level.quell(values, &mut scratch.spare);
        }
        std::mem::swap(values, &mut scratch.values[0]);
    }
}

impl Level {
    fn new(width: usize, height: usize, known: Vec<f32>) -> Self {
        let reach = REACH as usize;
        let mut spans: Vec<Span> = Vec::new();
        let mut open = 0;
        for y in 0..height {
            for x in (0..width).filter(|x| known[y * width + x] == 0.0) {
                let inside = x >= reach && x + reach < width && y >= reach && y + reach < height;
                match spans.last_mut() {
                    Some(s) if s.y == y as u32 && s.x + s.len == x as u32 && s.near_border != inside => s.len += 1,
                    _ => spans.push(Span { x: x as u32, y: y as u32, len: 1, first: open, near_border: !inside }),
                }
                open += 1;
            }
        }
        Self { width, height, known, spans, open: open as usize }
    }

    fn halved(&self) -> Self {
        let (width, height) = (self.width.div_ceil(2), self.height.div_ceil(2));
        let mut known = vec![0.0; width * height];
        for (y, row) in self.known.chunks_exact(self.width).enumerate() {
            for (x, share) in row.iter().enumerate() {
                known[y / 2 * width + x / 2] += share / 4.0;
            }
        }
        Self::new(width, height, known)
    }

    /// The weights of the six neighbours of every open sample: the mean of what the sample and the neighbour
    /// give to the edge between them, so that what flows out of one flows into the other (divergence form; .1 dB better on
    /// boxes and .5 dB on soft marks than each sample's own weights). Nothing flows over the border.
    fn connect(&self, index: &mut [u16], all: &[Stencil], edges: &mut Vec<[f32; 6]>) {
        edges.clear();
        for span in &self.spans {
            for x in span.x..span.x + span.len {
                let p = span.y as usize * self.width + x as usize;
                let (mut weights, mut sum) = self.weigh(span, x, p, index, all);
                if sum <= 0.0 {
                    index[p] = Stencils::EVEN;
                    (weights, sum) = self.weigh(span, x, p, index, all);
                }
                let scale = if sum > 0.0 { 1.0 / sum } else { 0.0 };
                edges.push(weights.map(|w| w * scale));
            }
        }
    }

    #[inline]
    fn weigh(&self, span: &Span, x: u32, p: usize, index: &[u16], all: &[Stencil]) -> ([f32; 6], f32) {
        let own = &all[usize::from(index[p])];
        let (mut weights, mut sum) = ([0.0; 6], 0.0);
        for (k, (dx, dy)) in own.offset.into_iter().enumerate() {
            for (slot, sign) in [(2 * k, 1), (2 * k + 1, -1)] {
                let (dx, dy) = (sign * isize::from(dx), sign * isize::from(dy));
                if span.near_border {
                    let (x, y) = (x as isize + dx, span.y as isize + dy);
                    if x < 0 || y < 0 || x >= self.width as isize || y >= self.height as isize {
                        continue;
                    }
                }
                let other = index[p.wrapping_add_signed(dy * self.width as isize + dx)];
                let theirs =
                    if other == index[p] { own.weight[k] } else { all[usize::from(other)].weight_at(own.offset[k]) };
                weights[slot] = own.weight[k] + theirs;
                sum += weights[slot];
            }
        }
        (weights, sum)
    }

    /// One sweep of successive over-relaxation. A row takes its even samples first, then its odd ones: they hardly depend
    /// on each other, which lets a processor work on several at once.
    fn relax<const N: usize>(
        &self,
        values: &mut [[f32; N]],
        index: &[u16],
        steps: &[[isize; 3]],
        edges: &[[f32; 6]],
        omega: f32,
        order: Order,
    ) {
        for k in 0..self.spans.len() {
            let span = &self.spans[if order == Order::Down { k } else { self.spans.len() - 1 - k }];
            let start = span.y as usize * self.width + span.x as usize;
            let index = &index[start..][..span.len as usize];
            let edges = &edges[span.first as usize..][..span.len as usize];
            for odd in [0, 1] {
                for (i, (k, edges)) in index.iter().zip(edges).enumerate().skip(odd).step_by(2) {
                    if span.near_border {
                        relax_at_border(values, start + i, &steps[usize::from(*k)], edges, omega);
                    } else {
                        relax(values, start + i, &steps[usize::from(*k)], edges, omega);
                    }
                }
            }
        }
    }
}

impl Level {
    /// Takes the finest checkerboard out of the open samples: long diagonal offsets join every other sample only, so that
    /// two interleaved solutions may drift apart. What changes more slowly than that is left alone.
    fn quell<const N: usize>(&self, values: &mut [[f32; N]], spare: &mut Vec<[f32; N]>) {
        spare.clear();
        spare.extend_from_slice(values);
        for span in self.spans.iter().filter(|span| !span.near_border) {
            let start = span.y as usize * self.width + span.x as usize;
            for p in start..start + span.len as usize {
                let rows = [&spare[p - self.width - 1..][..3], &spare[p - 1..][..3], &spare[p + self.width - 1..][..3]];
                for n in 0..N {
                    let along = |row: &[[f32; N]]| row[0][n] - 2.0 * row[1][n] + row[2][n];
                    values[p][n] -= (along(rows[0]) - 2.0 * along(rows[1]) + along(rows[2])) / 16.0;
                }
            }
        }
    }
}

#[inline]
fn relax<const N: usize>(values: &mut [[f32; N]], p: usize, steps: &[isize; 3], edges: &[f32; 6], omega: f32) {
    let at = |step: isize| values[p.wrapping_add_signed(step)];
    let near = [at(steps[0]), at(-steps[0]), at(steps[1]), at(-steps[1]), at(steps[2]), at(-steps[2])];
    let value = &mut values[p];
    for n in 0..N {
        let (a, b) = (edges[0] * near[0][n] + edges[1] * near[1][n], edges[2] * near[2][n] + edges[3] * near[3][n]);
        let mean = a + b + (edges[4] * near[4][n] + edges[5] * near[5][n]);
        value[n] += omega * (mean - value[n]);
    }
}

/// As [`relax`], where some neighbours may not exist; their edges weigh nothing.
fn relax_at_border<const N: usize>(
    values: &mut [[f32; N]],
    p: usize,
    steps: &[isize; 3],
    edges: &[f32; 6],
    omega: f32,
) {
    if edges.iter().all(|weight| *weight == 0.0) {
        return;
    }
    let mut sum = [0.0; N];
    for (slot, weight) in edges.iter().enumerate().filter(|(_, weight)| **weight > 0.0) {
        let step = if slot % 2 == 0 { steps[slot / 2] } else { -steps[slot / 2] };
        let near = values[p.wrapping_add_signed(step)];
        (0..N).for_each(|n| sum[n] += weight * near[n]);
    }
    (0..N).for_each(|n| values[p][n] += omega * (sum[n] - values[p][n]));
}

/// Means of the known samples under each coarser one.
fn restrict<const N: usize>(fine: &Level, values: &[[f32; N]], coarse: &Level, out: &mut Vec<[f32; N]>) {
    out.clear();
    out.resize(coarse.known.len(), [0.0; N]);
    let rows = values.chunks_exact(fine.width).zip(fine.known.chunks_exact(fine.width));
    for (y, (row, known)) in rows.enumerate() {
        let out = &mut out[y / 2 * coarse.width..][..coarse.width];
        for (out, (v, k)) in out.iter_mut().zip(row.chunks(2).zip(known.chunks(2))) {
            for (v, k) in v.iter().zip(k).filter(|(_, k)| **k > 0.0) {
                (0..N).for_each(|n| out[n] += v[n] * k);
            }
        }
    }
    for (out, known) in out.iter_mut().zip(&coarse.known).filter(|(_, known)| **known > 0.0) {
        let share = 1.0 / (known * 4.0);
        out.iter_mut().for_each(|out| *out *= share);
    }
}

/// Starts the open samples of `fine` from the bilinear interpolation of `coarse`.
fn prolong<const N: usize>(coarse: &Level, values: &[[f32; N]], fine: &Level, out: &mut [[f32; N]]) {
    let (w, h) = (coarse.width, coarse.height);
    let pick = |v: usize, n: usize| {
        let near = v / 2;
        (near, if v % 2 == 1 { (near + 1).min(n - 1) } else { near.saturating_sub(1) })
    };
    for span in &fine.spans {
        let (near, other) = pick(span.y as usize, h);
        let (near, other) = (&values[near * w..][..w], &values[other * w..][..w]);
        let start = span.y as usize * fine.width + span.x as usize;
        for (i, out) in out[start..start + span.len as usize].iter_mut().enumerate() {
            let (a, b) = pick(span.x as usize + i, w);
            for n in 0..N {
                out[n] =
                    0.75 * (0.75 * near[a][n] + 0.25 * near[b][n]) + 0.25 * (0.75 * other[a][n] + 0.25 * other[b][n]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fill::stencil::STRENGTH;

    const EFFORT: Effort = Effort { fine: 200, coarse: 50, omega: 1.5 };

    fn fill(
        width: usize,
        height: usize,
        truth: impl Fn(usize, usize) -> f32,
        hole: impl Fn(usize, usize) -> bool,
    ) -> f32 {
        let at = |k: usize| (k % width, k / width);
        let open: Vec<bool> = (0..width * height).map(|k| hole(at(k).0, at(k).1)).collect();
        let mut values: Vec<[f32; 1]> =
            (0..width * height).map(|k| [if open[k] { f32::NAN } else { truth(at(k).0, at(k).1) }]).collect();
        let stencils = Stencils::new(STRENGTH);
        let pyramid = Pyramid::new(width, height, &open);
        pyramid.solve(&mut values, &stencils, EFFORT, &mut Scratch::default(), &mut Even);
        (0..width * height).map(|k| (values[k][0] - truth(at(k).0, at(k).1)).abs()).fold(0.0, f32::max)
    }

    #[test]
    fn a_plane_comes_back_whatever_the_shape_of_the_hole() {
        let plane = |x: usize, y: usize| 20.0 + 2.0 * x as f32 - 0.7 * y as f32;
        let box_hole = |x: usize, y: usize| (20..50).contains(&x) && (10..30).contains(&y);
        let stroke = |x: usize, y: usize| (8..60).contains(&x) && (x + y) % 17 < 4 && (8..32).contains(&y);
        assert!(fill(70, 40, plane, box_hole) < 0.05);
        assert!(fill(70, 40, plane, stroke) < 0.05);
    }

    #[test]
    fn a_constant_is_exact_even_at_the_border_of_the_picture() {
        for hole in [|x: usize, _: usize| x < 9, |_: usize, y: usize| y > 1, |x: usize, y: usize| x + y > 0] {
            assert!(fill(17, 13, |_, _| 77.0, hole) < 1e-3);
        }
    }

    #[test]
    fn nothing_known_is_said_and_left_alone() {
        assert!(Pyramid::new(5, 4, &[true; 20]).is_blind());
        assert!(Pyramid::new(1, 1, &[true]).is_blind());
        assert!(!Pyramid::new(2, 1, &[true, false]).is_blind());
    }
}
