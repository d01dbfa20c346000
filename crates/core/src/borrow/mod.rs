//! The borrow tier: what a mark hides in one frame is taken from another frame of the shot that shows it.
//!
//! The motion of the background is measured around the mark from frame to frame and continued under it; what is hidden is
//! followed along it, before and after, to the nearest frame that shows it; that frame is registered against what both show
//! around the mark; its samples are taken once, between samples by a cubic, with a smooth offset of brightness. What is not
//! seen, or where the surroundings disagree, stays open for the next tier. Refuses to know marks and other tiers.

mod cache;
mod flow;
mod guide;
mod motion;
mod sample;
mod spread;
#[cfg(test)]
mod tests;
mod trace;

use std::sync::Arc;

use crate::hole::{Crop, Hole, Origin, Reach, Restorer, Window};

use cache::{Cache, Key};
use guide::{Guide, RING};
use motion::Motion;
use sample::{bilinear, cubic, linear};
use trace::{COLOURS, Grid, NONE, Region, Scratch, Step, Target, Trace, to_guide};

/// Two sources that differ by more, in 8-bit codes, cannot both be right.
const CONTRADICTION: f32 = 12.0;

/// Settles samples with what other frames of the shot show in their place.
#[derive(Debug)]
pub struct Borrow {
    reach: Reach,
    cache: Cache,
    scratch: Scratch,
}

impl Default for Borrow {
    fn default() -> Self {
        Self::new(Self::REACH)
    }
}

/// What a sample of the region takes: up to one source of each direction, by weight.
type Shares = [(Option<usize>, f32); 2];

impl Borrow {
    /// A mark of 90 rows under a slow pan is passed within 24 frames; frames after are held whole by whoever decodes.
    pub const REACH: Reach = Reach { before: 24, after: 12, margin: 64 };

    /// Looking as far as `reach` says.
    pub fn new(reach: Reach) -> Self {
        Self { reach, cache: Cache::default(), scratch: Scratch::default() }
    }

    /// Settles what other crops of `window` show of `hole`.
    pub fn borrow(&mut self, window: Window<'_>, hole: &mut Hole) {
        let crops = window.crops;
        let Some(own) = crops.iter().position(|crop| crop.idx == hole.idx) else { return };
        let crop = &crops[own];
        if !fits(crop, hole) || crops.iter().any(|other| !alike(crop, other)) {
            return;
        }
        self.cache.trim();
        let first = own.saturating_sub(self.reach.before as usize);
        let last = (own + self.reach.after as usize).min(crops.len() - 1);
        let keys: Vec<Key> = crops[first..=last].iter().map(Key::of).collect();
        let guides: Option<Vec<Arc<Guide>>> =
            keys.iter().zip(&crops[first..]).map(|(key, crop)| self.cache.guide(*key, crop)).collect();
        let Some(guides) = guides else { return };
        let Some((region, wanted)) = wanted(crop, hole, guides[own - first].size()) else { return };
        let motions: Vec<Arc<[Motion; 2]>> = (1..keys.len())
            .map(|n| self.cache.motion([keys[n - 1], keys[n]], [&guides[n - 1], &guides[n]]))
            .collect();
        let target = Target::new(crop, &guides[own - first], region, wanted, &mut self.scratch);
        let forward = (own - first..keys.len() - 1).map(|n| Step {
            crop: first + n + 1,
            patch: &crops[first + n + 1],
            guide: &guides[n + 1],
            motion: &motions[n][0],
        });
        let backward = (0..own - first).rev().map(|n| Step {
            crop: first + n,
            patch: &crops[first + n],
            guide: &guides[n],
            motion: &motions[n][1],
        });
        if std::env::var("DBG").is_ok() { eprintln!("hole {}", hole.idx); }
        let traces = [
            target.trace(forward, self.cache.tools(), &mut self.scratch),
            target.trace(backward, self.cache.tools(), &mut self.scratch),
        ];
        let guide_of = |crop: usize| guides[crop - first].as_ref();
        let shares: Vec<Shares> = (0..region.len()).map(|k| shares(&traces, region, k, guide_of)).collect();
        settle(hole, crops, crop, region, &traces, &shares);
    }
}

impl Restorer for Borrow {
    fn name(&self) -> &'static str {
        "borrow"
    }

    fn reach(&self) -> Reach {
        self.reach
    }

    fn restore(&mut self, window: Window<'_>, holes: &mut [Hole]) {
        holes.iter_mut().for_each(|hole| self.borrow(window, hole));
    }
}

/// Whether the hole's patch lies inside the crop.
fn fits(crop: &Crop, hole: &Hole) -> bool {
    let (outer, inner) = (&crop.patch, hole.patch());
    outer.rows == inner.rows
        && outer.format == inner.format
        && outer.planes.len() == inner.planes.len()
        && outer.rect.intersect(&inner.rect) == inner.rect
}

fn alike(a: &Crop, b: &Crop) -> bool {
    a.patch.rect == b.patch.rect
        && a.patch.rows == b.patch.rows
        && a.patch.format == b.patch.format
        && a.patch.planes.len() == b.patch.planes.len()
}

/// Position in the hole's plane -> position in the crop's plane.
fn shift(crop: &Crop, hole: &Hole, plane: usize) -> [u32; 2] {
    let (sw, sh) = crop.patch.format.subsampling(plane);
    let (outer, inner) = (crop.patch.rect.subsampled(sw, sh), hole.patch().rect.subsampled(sw, sh));
    [inner.x - outer.x, inner.y - outer.y]
}

/// Calls `visit` with plane, position in it, and place in the guide of every open sample.
fn open_samples(crop: &Crop, hole: &Hole, mut visit: impl FnMut(usize, usize, [u32; 2], [f32; 2])) {
    let format = crop.patch.format;
    for plane in (0..crop.patch.planes.len().min(COLOURS)).filter(|plane| !format.is_alpha(*plane)) {
        let (grid, [dx, dy]) = (Grid::new(crop, plane), shift(crop, hole, plane));
        let width = hole.patch().planes[plane].width();
        for k in (0..hole.need()[plane].data().len()).filter(|k| hole.is_open(plane, *k)) {
            let (x, y) = (k as u32 % width + dx, k as u32 / width + dy);
            visit(plane, k, [x, y], grid.luma(x as f32, y as f32).map(to_guide));
        }
    }
}

/// The part of the guide that the open samples and their ring lie in, and where they are; `None` where none is open.
fn wanted(crop: &Crop, hole: &Hole, (width, height): (usize, usize)) -> Option<(Region, Vec<bool>)> {
    let mut cells = vec![false; width * height];
    let (mut x0, mut x1, mut y0, mut y1) = (width, 0, height, 0);
    open_samples(crop, hole, |_, _, _, place| {
        let (x, y) = nearest(place, width, height);
        cells[y * width + x] = true;
        (x0, x1, y0, y1) = (x0.min(x), x1.max(x + 1), y0.min(y), y1.max(y + 1));
    });
    if x1 == 0 {
        return None;
    }
    // The ring is counted from what is spoilt around the mark; two samples more keep its edge.
    let (x, y) = (x0.saturating_sub(RING + 4), y0.saturating_sub(RING + 4));
    let (right, bottom) = ((x1 + RING + 4).min(width), (y1 + RING + 4).min(height));
    let region = Region { x, y, width: right - x, height: bottom - y };
    let inside = (0..region.len()).map(|k| {
        let (x, y) = region.place(k);
        cells[y * width + x]
    });
    Some((region, inside.collect()))
}

fn nearest([x, y]: [f32; 2], width: usize, height: usize) -> (usize, usize) {
    let index = |v: f32, count: usize| v.round().clamp(0.0, (count - 1) as f32) as usize;
    (index(x, width), index(y, height))
}

/// The sources of a sample of the region: both directions where they agree, else the better.
fn shares<'a>(traces: &[Trace; 2], region: Region, k: usize, guide_of: impl Fn(usize) -> &'a Guide) -> Shares {
    let (x, y) = region.place(k);
    let mut luma = [0.0; 2];
    let mut out: Shares = [(None, 0.0); 2];
    for ((trace, share), luma) in traces.iter().zip(&mut out).zip(&mut luma) {
        if trace.choice[k] == NONE {
            continue;
        }
        let at = usize::from(trace.choice[k]);
        let source = &trace.sources[at];
        let [dx, dy] = source.motion[k];
        *luma = guide_of(source.crop).levels[0].value(x as f32 + dx, y as f32 + dy) + source.offset[k][0];
        // Nearer in time and better agreeing sources weigh more (measured in `benches/borrow`).
        let error = source.error[k];
        *share = (Some(at), 1.0 / ((source.distance as f32 + 3.0) * (1.0 + 4.0 * error * error)));
    }
    if let [(Some(_), a), (Some(_), b)] = out
        && (luma[0] - luma[1]).abs() > CONTRADICTION
    {
        out[usize::from(a >= b)] = (None, 0.0);
    }
    out
}

fn settle(hole: &mut Hole, crops: &[Crop], crop: &Crop, region: Region, traces: &[Trace; 2], shares: &[Shares]) {
    let format = crop.patch.format;
    let code = (1u32 << (format.depth - 8)) as f32;
    let mut values = Vec::new();
    let (columns, rows) = (region.x + region.width, region.y + region.height);
    open_samples(crop, hole, |plane, k, _, place| {
        let (cx, cy) = nearest(place, columns, rows);
        let cell = (cy - region.y) * region.width + cx - region.x;
        let (local, grid) = ([place[0] - region.x as f32, place[1] - region.y as f32], Grid::new(crop, plane));
        let (mut sum, mut weight) = (0.0, 0.0);
        for (trace, (source, share)) in traces.iter().zip(shares[cell]) {
            let Some(source) = source.map(|at| &trace.sources[at]) else { continue };
            let [dx, dy] = bilinear(&source.motion, region.width, local[0], local[1]);
            let offset = bilinear(&source.offset, region.width, local[0], local[1])[plane];
            let [x, y] = grid.plane([trace::to_luma(place[0] + dx), trace::to_luma(place[1] + dy)]);
            let from = &crops[source.crop].patch.planes[plane];
            // A cubic between subsampled samples would reach for what the mark coloured.
            let value = if format.subsampling(plane) == (0, 0) { cubic(from, x, y) } else { linear(from, x, y) };
            let trusted = (2.0 - 1.5 * source.error[cell]).clamp(0.0, 1.0);
            sum += share * (value + trusted * code * offset);
            weight += share;
        }
        if weight > 0.0 {
            values.push((plane, k, sum / weight));
        }
    });
    for (plane, k, value) in values {
        let share = f32::from(hole.need()[plane].data()[k]) / 255.0;
        let source = hole.patch().planes[plane].data()[k];
        hole.settle(plane, k, source + share * (value - source), Origin::Borrowed);
    }
}
