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

/// Buffers of one solve, to be used again.
#[derive(Clone, Debug, Default)]
pub(super) struct Scratch {
    values: Vec<Vec<f32>>,
    index: Vec<u16>,
    near: Vec<Reaching>,
}

/// A stencil with its offsets in samples of a certain level.
#[derive(Clone, Copy, Debug, Default)]
struct Reaching {
    offset: [i32; 3],
    weight: [f32; 3],
}

/// How a level is relaxed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Effort {
    /// Sweeps on the finest level.
    pub fine: u32,
    /// Sweeps on every other level.
    pub coarse: u32,
    /// Over-relaxation, 1 ..< 2.
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
        self.levels.iter().map(|level| level.known.len() * 4 + level.spans.len() * 16).sum()
    }

    /// Fills the open samples of `values`. `direction(scale, x, y)` names the stencil of the sample whose centre lies at
    /// `((x + .5) scale, (y + .5) scale)` on the finest grid. Does nothing where the pyramid [is blind](Self::is_blind).
    pub(super) fn solve(
        &self,
        values: &mut Vec<f32>,
        stencils: &Stencils,
        effort: Effort,
        scratch: &mut Scratch,
        mut direction: impl FnMut(f32, u32, u32) -> u16,
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
            for span in &level.spans {
                let scale = (1u32 << l) as f32;
                scratch.index.extend((span.x..span.x + span.len).map(|x| direction(scale, x, span.y)));
            }
            level.resolve(stencils, &mut scratch.near);
            for sweep in 0..if l == 0 { effort.fine } else { effort.coarse } {
                if sweep % 2 == 0 {
                    level.forward(values, &scratch.index, &scratch.near, stencils.all(), effort.omega);
                } else {
                    level.backward(values, &scratch.index, &scratch.near, stencils.all(), effort.omega);
                }
            }
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
                open += 1;
                let inside = x >= reach && x + reach < width && y >= reach && y + reach < height;
                match spans.last_mut() {
                    Some(s) if s.y == y as u32 && s.x + s.len == x as u32 && s.near_border != inside => s.len += 1,
                    _ => spans.push(Span { x: x as u32, y: y as u32, len: 1, near_border: !inside }),
                }
            }
        }
        Self { width, height, known, spans, open }
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

    fn resolve(&self, stencils: &Stencils, out: &mut Vec<Reaching>) {
        out.clear();
        out.extend(stencils.all().iter().map(|s| Reaching {
            offset: s.offset.map(|(dx, dy)| i32::from(dy) * self.width as i32 + i32::from(dx)),
            weight: s.weight,
        }));
    }

    fn forward(&self, values: &mut [f32], index: &[u16], near: &[Reaching], all: &[Stencil], omega: f32) {
        let mut index = index.iter();
        for span in &self.spans {
            let start = span.y as usize * self.width + span.x as usize;
            if span.near_border {
                for (p, k) in (start..start + span.len as usize).zip(index.by_ref()) {
                    self.relax_at_border(values, p, &all[usize::from(*k)], omega);
                }
            } else {
                for (p, k) in (start..start + span.len as usize).zip(index.by_ref()) {
                    relax(values, p, &near[usize::from(*k)], omega);
                }
            }
        }
    }

    fn backward(&self, values: &mut [f32], index: &[u16], near: &[Reaching], all: &[Stencil], omega: f32) {
        let mut index = index.iter().rev();
        for span in self.spans.iter().rev() {
            let start = span.y as usize * self.width + span.x as usize;
            if span.near_border {
                for (p, k) in (start..start + span.len as usize).rev().zip(index.by_ref()) {
                    self.relax_at_border(values, p, &all[usize::from(*k)], omega);
                }
            } else {
                for (p, k) in (start..start + span.len as usize).rev().zip(index.by_ref()) {
                    relax(values, p, &near[usize::from(*k)], omega);
                }
            }
        }
    }

    /// As [`relax`], with neighbours beyond the border taken from the border: nothing flows over it.
    fn relax_at_border(&self, values: &mut [f32], p: usize, stencil: &Stencil, omega: f32) {
        let (x, y) = ((p % self.width) as i32, (p / self.width) as i32);
        let at = |x: i32, y: i32| {
            let (x, y) = (x.clamp(0, self.width as i32 - 1), y.clamp(0, self.height as i32 - 1));
            values[y as usize * self.width + x as usize]
        };
        let mut mean = 0.0;
        for ((dx, dy), weight) in stencil.offset.iter().zip(stencil.weight) {
            let (dx, dy) = (i32::from(*dx), i32::from(*dy));
            mean += weight * (at(x + dx, y + dy) + at(x - dx, y - dy));
        }
        values[p] += omega * (mean - values[p]);
    }
}

#[inline]
fn relax(values: &mut [f32], p: usize, near: &Reaching, omega: f32) {
    let pair = |k: usize| {
        let offset = near.offset[k] as isize;
        near.weight[k] * (values[p.wrapping_add_signed(offset)] + values[p.wrapping_add_signed(-offset)])
    };
    let mean = pair(0) + pair(1) + pair(2);
    values[p] += omega * (mean - values[p]);
}

/// Means of the known samples under each coarser one.
fn restrict(fine: &Level, values: &[f32], coarse: &Level, out: &mut Vec<f32>) {
    out.clear();
    out.resize(coarse.known.len(), 0.0);
    let rows = values.chunks_exact(fine.width).zip(fine.known.chunks_exact(fine.width));
    for (y, (row, known)) in rows.enumerate() {
        let out = &mut out[y / 2 * coarse.width..][..coarse.width];
        for (out, (v, k)) in out.iter_mut().zip(row.chunks(2).zip(known.chunks(2))) {
            *out += v.iter().zip(k).map(|(v, k)| if *k > 0.0 { v * k } else { 0.0 }).sum::<f32>();
        }
    }
    for (out, known) in out.iter_mut().zip(&coarse.known) {
        if *known > 0.0 {
            *out /= known * 4.0;
        }
    }
}

/// Starts the open samples of `fine` from the bilinear interpolation of `coarse`.
fn prolong(coarse: &Level, values: &[f32], fine: &Level, out: &mut [f32]) {
    let (w, h) = (coarse.width, coarse.height);
    for span in &fine.spans {
        let y = span.y as usize;
        let near = y / 2;
        let other = if y % 2 == 1 { (near + 1).min(h - 1) } else { near.saturating_sub(1) };
        let (near, other) = (&values[near * w..][..w], &values[other * w..][..w]);
        let start = y * fine.width;
        for x in span.x as usize..(span.x + span.len) as usize {
            let a = x / 2;
            let b = if x % 2 == 1 { (a + 1).min(w - 1) } else { a.saturating_sub(1) };
            out[start + x] = 0.75 * (0.75 * near[a] + 0.25 * near[b]) + 0.25 * (0.75 * other[a] + 0.25 * other[b]);
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
        let mut values: Vec<f32> =
            (0..width * height).map(|k| if open[k] { f32::NAN } else { truth(at(k).0, at(k).1) }).collect();
        let stencils = Stencils::new(STRENGTH);
        Pyramid::new(width, height, &open)
            .solve(&mut values, &stencils, EFFORT, &mut Scratch::default(), |_, _, _| Stencils::EVEN);
        (0..width * height).map(|k| (values[k] - truth(at(k).0, at(k).1)).abs()).fold(0.0, f32::max)
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
