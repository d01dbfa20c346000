//! The samples that a located mark covers, at full resolution.
//!
//! The mean slopes are integrated (Poisson equation, zero at the border of the box) to the mark's own level against the
//! mean background; its support is where that level or a slope stands out (Dekel et al., CVPR 2017, for the gradients of
//! the mean; the threshold on level and slope together keeps soft edges and flat interiors).

use super::evidence::{Evidence, Sums};
use super::region::Region;
use crate::geometry::Rect;
use crate::mask::Mask;
use crate::raster::Raster;

/// Least level (code values) and least slope (code values per sample) that count as marked.
const LEVEL: f32 = 2.5;
const SLOPE: f32 = 0.9;
/// The same as shares of the mark's strongest (99.5th percentile).
const LEVEL_SHARE: f32 = 0.12;
const SLOPE_SHARE: f32 = 0.12;
/// Slopes are shrunk by this towards 0 before they are integrated.
const SHRINK: f32 = 0.5;
/// Parts of fewer samples than this are noise.
const SPECK: usize = 12;

/// The support of the mark in `rect` (luma samples), nothing outside of `rect` grown by `margin`. `None` where nothing
/// stands out.
pub(super) fn support(evidence: &Evidence, rect: Rect, margin: u32) -> Option<Mask> {
    let scale = evidence.scale?;
    let bounds = rect.grow(margin, scale.width, scale.height);
    if bounds.is_empty() {
        return None;
    }
    let mut set = Region::new(bounds.w as usize, bounds.h as usize);
    for sums in &evidence.sums {
        add_plane(sums, evidence.frames.len(), bounds, &mut set);
    }
    drop_specks(&mut set);
    let closed = closed(&set);
    let data = closed.set.iter().map(|s| if *s { 255 } else { 0 }).collect();
    let mask = Mask::new(bounds, Raster::from_vec(bounds.w, bounds.h, data)?)?.trimmed();
    (!mask.is_empty()).then_some(mask)
}

/// Adds what stands out in one plane.
fn add_plane(sums: &Sums, frames: usize, bounds: Rect, set: &mut Region) {
    let (sw, sh) = sums.halved;
    // Room for the level to fall to zero.
    let area = bounds.subsampled(sw, sh).grow(6, sums.width as u32, sums.height as u32);
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
    let size: Vec<f32> = gx.iter().zip(gy).map(|(x, y)| x.hypot(*y)).collect();
    let slope_level = SLOPE.max(percentile(&size, 0.995) * SLOPE_SHARE);
    let level = integrate(gx, gy, &size, w, h);
    let heights: Vec<f32> = level.iter().map(|d| d.abs()).collect();
    let height_level = LEVEL.max(percentile(&heights, 0.995) * LEVEL_SHARE);
    for y in 0..set.height {
        let py = ((y + bounds.y as usize) >> sh).min(area.bottom() as usize - 1) - area.y as usize;
        for x in 0..set.width {
            let px = ((x + bounds.x as usize) >> sw).min(area.right() as usize - 1) - area.x as usize;
            let i = py * w + px;
            if size[i] > slope_level || heights[i] > height_level {
                set.set[y * set.width + x] = true;
            }
        }
    }
}

fn percentile(values: &[f32], share: f32) -> f32 {
    let mut sorted = values.to_vec();
    let at = ((values.len() - 1) as f32 * share) as usize;
    *sorted.select_nth_unstable_by(at, f32::total_cmp).1
}

/// The level whose slopes are nearest to `gx`, `gy` in the mean square and that is 0 at the border: successive
/// over-relaxation from a coarse grid to the finest.
fn integrate(gx: &[f32], gy: &[f32], size: &[f32], w: usize, h: usize) -> Vec<f32> {
    let shrunk = |g: &[f32], i: usize| {
        if size[i] > SHRINK { g[i] * (size[i] - SHRINK) / size[i] } else { 0.0 }
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
