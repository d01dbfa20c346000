//! The samples that a located mark covers, at full resolution.
//!
//! The mean slopes are integrated (Poisson equation, zero at the border of the box) to the mark's own level against the
//! mean background; its support is where that level or a slope stands out (Dekel et al., CVPR 2017, for the gradients of
//! the mean; the threshold on level and slope together keeps soft edges and flat interiors).

use super::candidates::Candidate;
use super::evidence::Sums;
use super::region::Region;
use super::stack::Stack;
use crate::geometry::Rect;
use crate::mask::Mask;
use crate::raster::Raster;

/// Least level (code values) and least slope (code values per sample) that count as marked.
const LEVEL: f32 = 2.5;
const SLOPE: f32 = 0.9;
/// The same as shares of the mark's strongest (99.5th percentile).
const LEVEL_SHARE: f32 = 0.12;
const SLOPE_SHARE: f32 = 0.12;
/// What remains of the scene's slopes beside the mark (80th percentile) is told from the mark's by these factors: slopes are
/// shrunk towards 0 by the first, at least by [`SHRINK`], before they are integrated; the second is the least that counts.
const RESIDUE: (f32, f32) = (1.5, 2.0);
const SHRINK: f32 = 0.5;
/// How far around its edges a mark may reach, samples at working scale: the faint skirt of a soft edge.
const REACH: usize = 5;
/// Width of the surroundings that are looked at, samples of the plane.
const AROUND: u32 = 8;
/// Parts of fewer samples than this are noise.
const SPECK: usize = 12;

/// The support of the mark that `candidate` is made of: near its edges, or enclosed by them. `None` where nothing stands
/// out.
pub(super) fn support(stack: &Stack<'_>, candidate: &Candidate) -> Option<Mask> {
    let scale = stack.scale;
    let f = scale.factor;
    let working = scale.size(0);
    let b = candidate.bounds.grown(REACH, working);
    let mut near = Region::new(b.width(), b.height());
    for i in &candidate.seeds {
        near.set[(i / working.0 - b.y0) * b.width() + i % working.0 - b.x0] = true;
    }
    let allowed = enclosed(&near.grown(REACH, REACH));
    let bounds = Rect::new(b.x0 as u32 * f, b.y0 as u32 * f, b.width() as u32 * f, b.height() as u32 * f)
        .intersect(&Rect::new(0, 0, scale.width, scale.height));
    let mut set = Region::new(bounds.w as usize, bounds.h as usize);
    let f = f as usize;
    // Of the slopes of scenery close by none may be integrated.
    let own = |x: u32, y: u32| {
        let (x, y) = (x as usize / f, y as usize / f);
        b.holds(x, y) && allowed.set[(y - b.y0) * b.width() + x - b.x0]
    };
    for sums in stack.sums {
        // Frames without the mark add nothing to its slopes on average.
        add_plane(sums, stack.frames.len(), bounds, own, &mut set);
    }
    for (y, row) in set.set.chunks_mut(bounds.w as usize).enumerate() {
        let allowed = &allowed.set[y / f * b.width()..(y / f + 1) * b.width()];
        row.iter_mut().enumerate().for_each(|(x, s)| *s &= allowed[x / f]);
    }
    drop_specks(&mut set);
    let closed = closed(&set);
    let data = closed.set.iter().map(|s| if *s { 255 } else { 0 }).collect();
    let mask = Mask::new(bounds, Raster::from_vec(bounds.w, bounds.h, data)?)?.trimmed();
    (!mask.is_empty()).then_some(mask)
}

/// `set` with everything that it encloses.
fn enclosed(set: &Region) -> Region {
    let (w, h) = (set.width, set.height);
    let outside = Region { width: w, height: h, set: set.set.iter().map(|s| !*s).collect() };
    let border = |i: &usize| i.is_multiple_of(w) || i % w == w - 1 || i / w == 0 || i / w == h - 1;
    let mut filled = Region { width: w, height: h, set: vec![true; w * h] };
    for part in outside.parts() {
        if part.iter().any(border) {
            part.into_iter().for_each(|i| filled.set[i] = false);
        }
    }
    filled
}

/// Adds what stands out in one plane.
fn add_plane(sums: &Sums, frames: usize, bounds: Rect, own: impl Fn(u32, u32) -> bool, set: &mut Region) {
    let (sw, sh) = sums.halved;
    // Room for the level to fall to zero.
    let inner = bounds.subsampled(sw, sh);
    let area = inner.grow(AROUND, sums.width as u32, sums.height as u32);
    let (w, h) = (area.w as usize, area.h as usize);
    if w < 4 || h < 4 || frames == 0 {
        return;
    }
    let mut slopes = [Vec::with_capacity(w * h), Vec::with_capacity(w * h)];
    for (out, all) in slopes.iter_mut().zip([&sums.x, &sums.y]) {
        for y in area.y as usize..area.bottom() as usize {
            let row = &all[y * sums.width + area.x as usize..y * sums.width + area.right() as usize];
            out.extend(row.iter().map(|s| f32::from(*s) / (8 * frames) as f32));
        }
    }
    let [gx, gy] = &slopes;
    let mut size: Vec<f32> = gx.iter().zip(gy).map(|(x, y)| x.hypot(*y)).collect();
    let beside: Vec<f32> = (0..w * h)
        .filter(|i| !inner.contains(area.x + (i % w) as u32, area.y + (i / w) as u32))
        .map(|i| size[i])
        .collect();
    let residue = if beside.is_empty() { 0.0 } else { percentile(&beside, 0.8) };
    for (i, size) in size.iter_mut().enumerate() {
        let (x, y) = (area.x + (i % w) as u32, area.y + (i / w) as u32);
        if !own(x << sw, y << sh) {
            *size = 0.0;
        }
    }
    let slope_level = SLOPE.max(percentile(&size, 0.995) * SLOPE_SHARE).max(RESIDUE.1 * residue);
    let level = integrate(gx, gy, &size, SHRINK.max(RESIDUE.0 * residue), w, h);
    let heights: Vec<f32> = level.iter().map(|d| d.abs()).collect();
    let height_level = LEVEL.max(percentile(&heights, 0.995) * LEVEL_SHARE);
    let mut own = Region::new(w, h);
    for (i, s) in own.set.iter_mut().enumerate() {
        *s = size[i] > slope_level || heights[i] > height_level;
    }
    let own = shrunk(&own);
    for y in 0..set.height {
        let py = ((y + bounds.y as usize) >> sh).min(area.bottom() as usize - 1) - area.y as usize;
        for x in 0..set.width {
            let px = ((x + bounds.x as usize) >> sw).min(area.right() as usize - 1) - area.x as usize;
            set.set[y * set.width + x] |= own.set[py * w + px];
        }
    }
}

/// Without the samples that have a neighbour outside: the slopes of a hard edge reach two samples beyond it.
fn shrunk(set: &Region) -> Region {
    let (w, h) = (set.width, set.height);
    let at = |x: usize, y: usize| set.set[y * w + x];
    let mut out = Region::new(w, h);
    for y in 1..h - 1 {
        for x in 1..w - 1 {
            out.set[y * w + x] = at(x, y) && at(x - 1, y) && at(x + 1, y) && at(x, y - 1) && at(x, y + 1);
        }
    }
    out
}

fn percentile(values: &[f32], share: f32) -> f32 {
    let mut sorted = values.to_vec();
    let at = ((values.len() - 1) as f32 * share) as usize;
    *sorted.select_nth_unstable_by(at, f32::total_cmp).1
}

/// The level whose slopes are nearest to `gx`, `gy` in the mean square and that is 0 at the border: successive
/// over-relaxation from a coarse grid to the finest.
fn integrate(gx: &[f32], gy: &[f32], size: &[f32], shrink: f32, w: usize, h: usize) -> Vec<f32> {
    let shrunk = |g: &[f32], i: usize| {
        if size[i] > shrink { g[i] * (size[i] - shrink) / size[i] } else { 0.0 }
    };
    let mut divergence = vec![0.0f32; w * h];
    for y in 1..h - 1 {
        for x in 1..w - 1 {
            let i = y * w + x;
            divergence[i] = (shrunk(gx, i + 1) - shrunk(gx, i - 1) + shrunk(gy, i + w) - shrunk(gy, i - w)) / 2.0;
        }
    }
    relax(&divergence, w, h)
}

/// Solves the five-point Poisson equation with zero border.
fn relax(rhs: &[f32], w: usize, h: usize) -> Vec<f32> {
    let mut level = vec![0.0f32; w * h];
    let mut sweeps = 200;
    if w.min(h) >= 16 {
        let (cw, ch) = (w.div_ceil(2), h.div_ceil(2));
        let mut coarse = vec![0.0f32; cw * ch];
        for y in 0..h {
            for x in 0..w {
                coarse[y / 2 * cw + x / 2] += rhs[y * w + x];
            }
        }
        let solved = relax(&coarse, cw, ch);
        for y in 1..h - 1 {
            for x in 1..w - 1 {
                level[y * w + x] = solved[y / 2 * cw + x / 2];
            }
        }
        sweeps = 24;
    }
    for sweep in 0..sweeps {
        // The last sweeps smooth only.
        let omega = if sweep + 6 < sweeps { 1.6 } else { 1.0 };
        for y in 1..h - 1 {
            for x in 1..w - 1 {
                let i = y * w + x;
                let next = (level[i - 1] + level[i + 1] + level[i - w] + level[i + w] - rhs[i]) / 4.0;
                level[i] += omega * (next - level[i]);
            }
        }
    }
    level
}

fn drop_specks(set: &mut Region) {
    for part in set.parts() {
        if part.len() < SPECK {
            part.into_iter().for_each(|i| set.set[i] = false);
        }
    }
}

/// Grown by one sample, shrunk by one: cracks of a sample are filled.
fn closed(set: &Region) -> Region {
    let mut grown = set.grown(1, 1);
    grown.set.iter_mut().for_each(|s| *s = !*s);
    let mut shrunk = grown.grown(1, 1);
    shrunk.set.iter_mut().zip(&set.set).for_each(|(s, own)| *s = !*s || *own);
    shrunk
}
