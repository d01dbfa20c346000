//! The borrow tier: what a mark hides in one frame is taken from another frame of the shot that shows it.
//!
//! The motion of the background is measured around the mark from frame to frame and continued under it; what is hidden is
//! followed along it, before and after, to the nearest frame that shows it; that frame is registered against what both show
//! around the mark; its samples are taken once, between samples by a cubic, with a smooth offset of brightness. Behind a still
//! camera a plate, made of frames farther away, is one more source. Where the surroundings or the directions of time
//! disagree, a sample is the mean of what is borrowed and what a spatial fill makes of it that is expected to err least. What
//! is not seen, or is worth less than a fill, stays open for the next tier. Refuses to know marks and other tiers.

mod blend;
mod cache;
mod flow;
mod guide;
mod judge;
mod motion;
mod plate;
mod sample;
mod spread;
#[cfg(test)]
mod tests;
mod trace;

use std::sync::Arc;

use crate::fill::SpatialFill;
use crate::frame::FrameIdx;
use crate::hole::{Crop, Hole, Origin, Reach, Restorer, Window};

use blend::Blend;
use cache::{Cache, Key};
use guide::{Guide, RING};
use motion::Motion;
use sample::{bilinear, cubic, linear};
use trace::{COLOURS, Grid, Region, Scratch, Step, Target, to_guide, to_luma};

pub use plate::Plate;

/// From this share on a sample is borrowed alone, and below this one not at all: what weighs less does not settle it.
const SURE: f32 = 0.95;
const LEAST: f32 = 0.5;

/// Settles samples with what other frames of the shot show in their place.
#[derive(Debug)]
pub struct Borrow {
    reach: Reach,
    cache: Cache,
    /// One for each direction of time.
    scratch: [Scratch; 2],
    /// Of what the last tier would make there.
    fill: SpatialFill,
    /// From these shares on a sample is borrowed at all, and alone.
    shares: [f32; 2],
}

impl Default for Borrow {
    fn default() -> Self {
        Self::new(Self::REACH)
    }
}

impl Borrow {
    /// A mark of 90 rows under a slow pan is passed within 24 frames; frames after are held whole by whoever decodes.
    pub const REACH: Reach = Reach { before: 24, after: 12, margin: 64 };

    /// Looking as far as `reach` says.
    pub fn new(reach: Reach) -> Self {
        let (cache, scratch, fill) = (Cache::default(), <[Scratch; 2]>::default(), SpatialFill::new());
        Self { reach, cache, scratch, fill, shares: [LEAST, SURE] }
    }

    /// One that never fills: whatever is believed of a source at all is borrowed as it is. For evidence, which is to show what
    /// other frames show and may be wrong here and there.
    pub fn bold() -> Self {
        Self { shares: [0.0; 2], ..Self::default() }
    }

    /// Settles what other crops of `window` show of `hole`.
    pub fn borrow(&mut self, window: Window<'_>, hole: &mut Hole) {
        let crops = window.crops;
        let Some(own) = crops.iter().position(|crop| crop.idx == hole.idx) else { return };
        let crop = &crops[own];
        if !fits(crop, hole) || crops.iter().any(|other| !alike(crop, other)) {
            return;
        }
        self.cache.trim(hole.idx);
        let first = own.saturating_sub(self.reach.before as usize);
        let last = (own + self.reach.after as usize).min(crops.len() - 1);
        let keys: Vec<Key> = crops[first..=last].iter().map(Key::of).collect();
        let guides: Option<Vec<Arc<Guide>>> =
            keys.iter().zip(&crops[first..]).map(|(key, crop)| self.cache.guide(*key, crop)).collect();
        let Some(guides) = guides else { return };
        let Some((region, wanted)) = wanted(crop, hole, guides[own - first].size()) else { return };
        let motions: Vec<Arc<[Motion; 2]>> =
            (1..keys.len()).map(|n| self.cache.motion([keys[n - 1], keys[n]], [&guides[n - 1], &guides[n]])).collect();
        let [ahead, behind] = &mut self.scratch;
        let target = Target::new(crop, &guides[own - first], region, wanted, ahead);
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
        let (later, earlier) = rayon::join(|| target.trace(forward, ahead), || target.trace(backward, behind));
        let mut traces = vec![later, earlier];
        let plates: Vec<(usize, &Plate, Arc<Guide>)> = window
            .plates
            .iter()
            .enumerate()
            .filter(|(_, plate)| alike(crop, &plate.crop))
            .filter_map(|(n, plate)| {
                let guide = self.cache.guide(Key::of(&plate.crop), &plate.crop)?;
                Some((crops.len() + n, plate, guide))
            })
            .collect();
        for (number, plate, guide) in &plates {
            let ends = [Key::of(crop), Key::of(&plate.crop)];
            let motion = self.cache.motion(ends, [&guides[own - first], guide]);
            let step = Step { crop: *number, patch: &plate.crop, guide, motion: &motion[0] };
            traces.push(target.behind(plate, &step, ahead));
        }
        let ends: Vec<(FrameIdx, &Guide)> =
            plates.iter().map(|(_, plate, guide)| (plate.crop.idx, guide.as_ref())).collect();
        target.doubt(&mut traces[2..], &ends);
        traces[2..].iter_mut().for_each(|trace| target.drop_rags(trace));
        let guide_of = |at: usize| {
            let plate = plates.iter().find(|(number, _, _)| *number == at);
            plate.map_or_else(|| guides[at - first].as_ref(), |(_, _, guide)| guide.as_ref())
        };
        let blend = Blend::new(&traces, region, &target.expected, guide_of);
        settle(hole, window, (crop, region), &blend, (&mut self.fill, self.shares));
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

/// Calls `visit` with plane, number in it, and place in the crop's guide of every open sample.
fn open_samples(crop: &Crop, hole: &Hole, mut visit: impl FnMut(usize, usize, [f32; 2])) {
    let format = crop.patch.format;
    for plane in (0..crop.patch.planes.len().min(COLOURS)).filter(|plane| !format.is_alpha(*plane)) {
        let (grid, [dx, dy]) = (Grid::new(crop, plane), shift(crop, hole, plane));
        let width = hole.patch().planes[plane].width();
        for k in (0..hole.need()[plane].data().len()).filter(|k| hole.is_open(plane, *k)) {
            let (x, y) = (k as u32 % width + dx, k as u32 / width + dy);
            visit(plane, k, grid.luma(x as f32, y as f32).map(to_guide));
        }
    }
}

/// The part of the guide that the open samples and their ring lie in, and where they are; `None` where none is open.
fn wanted(crop: &Crop, hole: &Hole, (width, height): (usize, usize)) -> Option<(Region, Vec<bool>)> {
    let mut cells = vec![false; width * height];
    let (mut x0, mut x1, mut y0, mut y1) = (width, 0, height, 0);
    open_samples(crop, hole, |_, _, place| {
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

/// A crop of a window by its number, with its plates behind its crops.
fn seen_in(window: Window<'_>, number: usize) -> &Crop {
    match number.checked_sub(window.crops.len()) {
        None => &window.crops[number],
        Some(plate) => &window.plates[plate].crop,
    }
}

fn settle(
    hole: &mut Hole,
    window: Window<'_>,
    (crop, region): (&Crop, Region),
    blend: &Blend<'_>,
    (fill, [least, sure]): (&mut SpatialFill, [f32; 2]),
) {
    let format = crop.patch.format;
    let code = (1u32 << (format.depth - 8)) as f32;
    let grids: Vec<Grid> = (0..crop.patch.planes.len()).map(|plane| Grid::new(crop, plane)).collect();
    let mut values = Vec::new();
    let (columns, rows) = (region.x + region.width, region.y + region.height);
    open_samples(crop, hole, |plane, k, place| {
        let (cx, cy) = nearest(place, columns, rows);
        let cell = (cy - region.y) * region.width + cx - region.x;
        let [x, y] = [place[0] - region.x as f32, place[1] - region.y as f32];
        let (mut sum, mut weight) = (0.0, 0.0);
        for (source, share) in blend.at(cell) {
            let [dx, dy] = bilinear(&source.motion, region.width, x, y);
            let offset = bilinear(&source.offset, region.width, x, y)[plane];
            let [x, y] = grids[plane].plane([to_luma(place[0] + dx), to_luma(place[1] + dy)]);
            let from = &seen_in(window, source.crop).patch.planes[plane];
            // A cubic between subsampled samples would reach for what the mark coloured.
            let value = if format.subsampling(plane) == (0, 0) { cubic(from, x, y) } else { linear(from, x, y) };
            sum += share * (value + source.trusted(cell) * code * offset);
            weight += share;
        }
        if weight > 0.0 && blend.borrowed[cell] >= least {
            values.push((plane, k, sum / weight, blend.borrowed[cell]));
        }
    });
    for (plane, k, value, _) in &mut values {
        let share = f32::from(hole.need()[*plane].data()[*k]) / 255.0;
        let source = hole.patch().planes[*plane].data()[*k];
        *value = source + share * (*value - source);
    }
    let is_sure = |(_, _, _, borrowed): &&(usize, usize, f32, f32)| *borrowed >= sure;
    for (plane, k, value, _) in values.iter().filter(is_sure) {
        hole.settle(*plane, *k, *value, Origin::Borrowed);
    }
    if values.iter().all(|value| is_sure(&value)) {
        return;
    }
    let mut filled = hole.clone();
    fill.fill(&mut filled);
    for (plane, k, value, borrowed) in values.iter().filter(|value| !is_sure(value)) {
        let made_up = filled.patch().planes[*plane].data()[*k];
        hole.settle(*plane, *k, made_up + borrowed * (value - made_up), Origin::Borrowed);
    }
}
