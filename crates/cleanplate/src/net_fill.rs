//! The fill tier by a user's network: a crop around the hole and its mask in, the hole's samples out.
//!
//! A hole is asked for first and settled later, so that the crops of several frames go through the network together.
//! What the network makes of the noise of a frame changes from one to the next. So the answers for neighbouring frames whose
//! surroundings stand still are averaged; each depends on its own frame alone, and any segment computes the same.

use std::collections::VecDeque;
use std::sync::{Arc, OnceLock};

use cleanplate_core::{Crop, FrameIdx, Hole, Origin, Patch, Raster, Reach, Rect, Rows, Window, rgb};
use cleanplate_infer::{Inpainter, Placement, Tensor};

use crate::error::{Error, Result};
use crate::networks::FillModel;

/// A neighbour counts fully where its surroundings differ by at most `STILL` 8-bit codes in the mean, what sensors and codecs
/// leave between frames of a standing camera, and not at all from `MOVED` on.
const STILL: f32 = 2.5;
const MOVED: f32 = 5.0;

/// Samples around a hole whose differences tell whether it stands still.
const RING: u32 = 12;

/// Answers that are kept: neighbours of the frames in work, for a few holes.
const KEPT: usize = 32;

/// Fills holes by a network.
pub(crate) struct NetFill {
    net: Inpainter,
    reach: Reach,
    batch: usize,
    kept: VecDeque<Answer>,
    asked: Vec<Asked>,
}

/// What the network answers for a crop, in the samples of its planes, once it has.
type Planes = Arc<OnceLock<Vec<Raster<f32>>>>;

/// The answer for a crop as the source has it.
struct Answer {
    idx: FrameIdx,
    rect: Rect,
    rows: Rows,
    need: Raster<u8>,
    planes: Planes,
}

/// A crop that waits to be shown to the network.
struct Asked {
    patch: Patch,
    rgb: [Raster<f32>; 3],
    mask: Raster<f32>,
    planes: Planes,
}

/// What a hole is settled with once the network has run: answers over one patch, with their weights.
#[derive(Default)]
pub(crate) struct Promise {
    patch: Patch,
    answers: Vec<(f32, Planes)>,
}

impl NetFill {
    /// The network of a plan.
    pub(crate) fn open(model: &FillModel, placement: &Placement) -> Result<Self> {
        let net = model.open(placement)?;
        let batch = net.batch();
        Ok(Self { net, reach: model.reach, batch, kept: VecDeque::new(), asked: Vec::new() })
    }

    /// Crops that it is shown at once at most.
    pub(crate) const fn batch(&self) -> usize {
        self.batch
    }

    /// Asks for what `hole` leaves open, to be settled after [`run`](Self::run).
    pub(crate) fn ask(&mut self, window: Window<'_>, hole: &Hole) -> Result<Promise> {
        let planes = hole.patch().planes.len();
        if (0..planes).all(|plane| hole.open(plane) == 0) {
            return Ok(Promise::default());
        }
        let Some(own) = window.crops.iter().position(|crop| crop.idx == hole.idx) else {
            return Err(Error::Internal(format!("frame {} is not in its own window", hole.idx)));
        };
        let crop = &window.crops[own];
        let is_untouched = hole.origin().iter().all(|origin| origin.data().iter().all(|o| *o == Origin::Kept));
        if !is_untouched {
            // What earlier tiers have settled is known here, and nowhere else.
            let (patch, need) = composed(crop, hole);
            let planes = self.put(&patch, &need);
            return Ok(Promise { patch, answers: vec![(1.0, planes)] });
        }
        let mut answers = Vec::new();
        let first = own.saturating_sub(self.reach.before as usize);
        let last = (own + self.reach.after as usize).min(window.crops.len() - 1);
        for other in &window.crops[first..=last] {
            let weight = likeness(crop, other, hole);
            if weight > 0.0 {
                answers.push((weight, self.kept_answer(other)));
            }
        }
        Ok(Promise { patch: crop.patch.clone(), answers })
    }

    /// The answer for a crop as the source has it, which depends on nothing else.
    fn kept_answer(&mut self, crop: &Crop) -> Planes {
        let (rect, rows) = (crop.patch.rect, crop.patch.rows);
        let known = |a: &&Answer| a.idx == crop.idx && (a.rect, a.rows) == (rect, rows) && a.need == crop.need[0];
        if let Some(answer) = self.kept.iter().find(known) {
            return Arc::clone(&answer.planes);
        }
        let planes = self.put(&crop.patch, &crop.need);
        if self.kept.len() == KEPT {
            self.kept.pop_front();
        }
        let need = crop.need[0].clone();
        self.kept.push_back(Answer { idx: crop.idx, rect, rows, need, planes: Arc::clone(&planes) });
        planes
    }

    /// Has `patch` wait for the network, which fills it where `need` is above 0.
    fn put(&mut self, patch: &Patch, need: &[Raster<u8>]) -> Planes {
        let planes = Planes::default();
        let (rgb, mask) = (rgb::of_patch(patch), mask(patch, need));
        self.asked.push(Asked { patch: patch.clone(), rgb, mask, planes: Arc::clone(&planes) });
        planes
    }

    /// Shows the network what it was asked for, crops of one size together.
    pub(crate) fn run(&mut self) -> Result<()> {
        let fits: Vec<Fit> = self.asked.iter().map(|asked| self.fit(&asked.mask)).collect();
        let mut order: Vec<usize> = (0..fits.len()).collect();
        order.sort_by_key(|k| fits[*k].side);
        for alike in order.chunk_by(|a, b| fits[*a].side == fits[*b].side) {
            for batch in alike.chunks(self.batch) {
                let (w, h) = fits[batch[0]].side;
                let (mut pictures, mut holes) =
                    (Tensor::zeros(vec![batch.len(), 3, h, w]), Tensor::zeros(vec![batch.len(), 1, h, w]));
                let parts =
                    pictures.data_mut().chunks_exact_mut(3 * w * h).zip(holes.data_mut().chunks_exact_mut(w * h));
                for (k, (picture, holes)) in batch.iter().zip(parts) {
                    fits[*k].lay_in(&self.asked[*k].rgb, &self.asked[*k].mask, picture, holes);
                }
                let filled = self.net.fill(&pictures, &holes)?;
                for (n, k) in batch.iter().enumerate() {
                    self.asked[*k].answer(&fits[*k], filled.part(n));
                }
            }
        }
        self.asked.clear();
        Ok(())
    }

    fn fit(&self, mask: &Raster<f32>) -> Fit {
        let (w, h) = (mask.width(), mask.height());
        Fit::new((w, h), self.net.side((w as usize, h as usize)))
    }
}

impl Asked {
    /// Takes what the network made of the crop.
    fn answer(&mut self, fit: &Fit, filled: &[f32]) {
        for (n, raster) in self.rgb.iter_mut().enumerate() {
            for (x, y) in positions(self.mask.width(), self.mask.height()) {
                if self.mask.at(x, y) > 0.0 {
                    raster.set(x, y, fit.at(filled, n, x, y));
                }
            }
        }
        // Each is asked for once.
        let _ = self.planes.set(rgb::to_planes(&self.rgb, &self.patch));
    }
}

impl Promise {
    /// Settles what is open of the hole by the weighted mean of the answers. A softly covered sample keeps the share of the
    /// source that the mask leaves it.
    pub(crate) fn settle(&self, hole: &mut Hole) {
        let answers: Vec<(f32, &Vec<Raster<f32>>)> =
            self.answers.iter().filter_map(|(weight, planes)| Some((*weight, planes.get()?))).collect();
        let total: f32 = answers.iter().map(|(weight, _)| weight).sum();
        for plane in 0..hole.patch().planes.len() {
            if answers.is_empty() || self.patch.format.is_alpha(plane) {
                continue;
            }
            let (dx, dy) = offset(&self.patch, hole, plane);
            let width = hole.patch().planes[plane].width();
            for k in 0..hole.patch().planes[plane].data().len() {
                if !hole.is_open(plane, k) {
                    continue;
                }
                let (x, y) = (dx + k as u32 % width, dy + k as u32 / width);
                let value = answers.iter().map(|(weight, planes)| weight * planes[plane].at(x, y)).sum::<f32>() / total;
                let source = hole.patch().planes[plane].data()[k];
                let share = f32::from(hole.need()[plane].data()[k]) / 255.0;
                hole.settle(plane, k, source + share * (value - source), Origin::Invented);
            }
        }
    }
}

/// The crop with what earlier tiers have settled of the hole, and what is still open.
fn composed(crop: &Crop, hole: &Hole) -> (Patch, Vec<Raster<u8>>) {
    let (mut patch, mut need) = (crop.patch.clone(), crop.need.clone());
    for (plane, raster) in hole.patch().planes.iter().enumerate() {
        let (dx, dy) = offset(&patch, hole, plane);
        for (x, y) in positions(raster.width(), raster.height()) {
            if hole.origin()[plane].at(x, y) != Origin::Kept {
                patch.planes[plane].set(dx + x, dy + y, raster.at(x, y));
                need[plane].set(dx + x, dy + y, 0);
            }
        }
    }
    (patch, need)
}

/// Every column and row, row by row.
fn positions(width: u32, height: u32) -> impl Iterator<Item = (u32, u32)> {
    (0..height).flat_map(move |y| (0..width).map(move |x| (x, y)))
}

/// Where a plane of the hole begins in the same plane of a patch around it.
fn offset(patch: &Patch, hole: &Hole, plane: usize) -> (u32, u32) {
    let (sw, sh) = patch.format.subsampling(plane);
    let (outer, inner) = (patch.rect.subsampled(sw, sh), hole.patch().rect.subsampled(sw, sh));
    (inner.x - outer.x, inner.y - outer.y)
}

/// 1 where a sample of the first plane is covered in any plane.
fn mask(patch: &Patch, need: &[Raster<u8>]) -> Raster<f32> {
    let mut mask = Raster::new(need[0].width(), need[0].height(), 0.0);
    for (plane, need) in need.iter().enumerate().filter(|(_, need)| need.data().iter().any(|n| *n > 0)) {
        let (sw, sh) = patch.format.subsampling(plane);
        let origin = patch.rect.subsampled(sw, sh);
        for (x, y) in positions(mask.width(), mask.height()) {
            let (column, row) = (((patch.rect.x + x) >> sw) - origin.x, ((patch.rect.y + y) >> sh) - origin.y);
            if need.at(column, row) > 0 {
                mask.set(x, y, 1.0);
            }
        }
    }
    mask
}

/// How much the answer for `other` counts in the frame of `own`, 0..=1: as far as both show the same around the hole.
fn likeness(own: &Crop, other: &Crop, hole: &Hole) -> f32 {
    if own.idx == other.idx {
        return 1.0;
    }
    if (own.patch.rect, own.patch.rows) != (other.patch.rect, other.patch.rows) || own.need[0] != other.need[0] {
        return 0.0;
    }
    let (dx, dy) = offset(&own.patch, hole, 0);
    let (need, inner) = (&own.need[0], &hole.patch().planes[0]);
    let (left, top) = (dx.saturating_sub(RING), dy.saturating_sub(RING));
    let right = (dx + inner.width() + RING).min(need.width());
    let bottom = (dy + inner.height() + RING).min(need.height());
    let (mut sum, mut count) = (0.0f64, 0u32);
    for (x, y) in (top..bottom).flat_map(|y| (left..right).map(move |x| (x, y))).filter(|(x, y)| need.at(*x, *y) == 0) {
        sum += f64::from((own.patch.planes[0].at(x, y) - other.patch.planes[0].at(x, y)).abs());
        count += 1;
    }
    if count == 0 {
        return 0.0;
    }
    let codes = (sum / f64::from(count)) as f32 / (1u32 << (own.patch.format.depth - 8)) as f32;
    ((MOVED - codes) / (MOVED - STILL)).clamp(0.0, 1.0)
}

/// A crop in a network's input: scaled down where it is too large, mirrored beyond its ends where it is smaller.
struct Fit {
    size: (usize, usize),
    inner: (usize, usize),
    side: (usize, usize),
}

impl Fit {
    fn new((w, h): (u32, u32), side: (usize, usize)) -> Self {
        let size = (w as usize, h as usize);
        let scale = (side.0 as f64 / f64::from(w)).min(side.1 as f64 / f64::from(h)).min(1.0);
        let scaled = |n: usize, most: usize| ((n as f64 * scale).round() as usize).clamp(1, most);
        Self { size, inner: (scaled(size.0, side.0), scaled(size.1, side.1)), side }
    }

    /// Writes the picture, black where it is covered, and the mask; both are zeros before.
    fn lay_in(&self, rgb: &[Raster<f32>; 3], mask: &Raster<f32>, picture: &mut [f32], holes: &mut [f32]) {
        let (w, h) = self.side;
        let area = w * h;
        for y in 0..h {
            let rows = footprint(mirrored(y, self.inner.1), self.inner.1, self.size.1);
            for x in 0..w {
                let columns = footprint(mirrored(x, self.inner.0), self.inner.0, self.size.0);
                let (mut sums, mut known) = ([0.0f32; 3], 0.0f32);
                let mut is_covered = false;
                for (column, row) in rows.clone().flat_map(|row| columns.clone().map(move |column| (column, row))) {
                    let (column, row) = (column as u32, row as u32);
                    if mask.at(column, row) > 0.0 {
                        is_covered = true;
                        continue;
                    }
                    known += 1.0;
                    sums.iter_mut().zip(rgb).for_each(|(sum, raster)| *sum += raster.at(column, row));
                }
                let k = y * w + x;
                if is_covered {
                    holes[k] = 1.0;
                } else {
                    sums.iter().enumerate().for_each(|(n, sum)| picture[n * area + k] = sum / known);
                }
            }
        }
    }

    /// What the network's answer holds at a sample of the crop, between the answer's own samples where it was scaled.
    fn at(&self, filled: &[f32], channel: usize, x: u32, y: u32) -> f32 {
        let plane = &filled[channel * self.side.0 * self.side.1..];
        let position = |k: u32, inner: usize, size: usize| {
            ((k as f32 + 0.5) * inner as f32 / size as f32 - 0.5).clamp(0.0, (inner - 1) as f32)
        };
        let (x, y) = (position(x, self.inner.0, self.size.0), position(y, self.inner.1, self.size.1));
        let (x0, y0) = (x as usize, y as usize);
        let (x1, y1) = ((x0 + 1).min(self.inner.0 - 1), (y0 + 1).min(self.inner.1 - 1));
        let across = |row: usize| {
            let (a, b) = (plane[row * self.side.0 + x0], plane[row * self.side.0 + x1]);
            a + (x - x0 as f32) * (b - a)
        };
        let (above, below) = (across(y0), across(y1));
        above + (y - y0 as f32) * (below - above)
    }
}

/// Position `k` of an endless row of `count` samples and their mirror images.
const fn mirrored(k: usize, count: usize) -> usize {
    let period = if count > 1 { 2 * count - 2 } else { 1 };
    let at = k % period;
    if at < count { at } else { period - at }
}

/// The samples of `size` that lie under sample `k` of `inner`.
fn footprint(k: usize, inner: usize, size: usize) -> std::ops::Range<usize> {
    let start = k * size / inner;
    start..((k + 1) * size).div_ceil(inner).clamp(start + 1, size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crop_is_scaled_down_or_mirrored_into_the_input_and_comes_back() {
        let slope = |w: u32, h: u32| {
            let mut rgb: [Raster<f32>; 3] = std::array::from_fn(|_| Raster::new(w, h, 0.0));
            for (x, y) in positions(w, h) {
                for (n, raster) in rgb.iter_mut().enumerate() {
                    raster.set(x, y, 0.1 * n as f32 + 0.5 * x as f32 / w as f32 + 0.2 * y as f32 / h as f32);
                }
            }
            rgb
        };
        for (size, side, inner) in
            [((50, 30), (64, 64), (50, 30)), ((100, 70), (64, 64), (64, 45)), ((64, 64), (64, 64), (64, 64))]
        {
            let (fit, rgb) = (Fit::new(size, side), slope(size.0, size.1));
            assert_eq!(fit.inner, inner);
            let mut mask = Raster::new(size.0, size.1, 0.0);
            mask.set(20, 15, 1.0);
            let (mut picture, mut holes) = (vec![0.0; 3 * 64 * 64], vec![0.0; 64 * 64]);
            fit.lay_in(&rgb, &mask, &mut picture, &mut holes);
            assert!(holes.contains(&1.0));
            // Beyond the crop its mirror image goes on: no step at the end.
            let step = (picture[inner.0.min(63)] - picture[inner.0 - 1]).abs();
            assert!(step < 0.02, "{size:?}: {step}");
            let (x, y) = (40, 9);
            for (n, raster) in rgb.iter().enumerate() {
                let off = (fit.at(&picture, n, x, y) - raster.at(x, y)).abs();
                assert!(off < 0.01, "{size:?} channel {n}: {off}");
            }
        }
        assert_eq!((0..7).map(|k| mirrored(k, 3)).collect::<Vec<_>>(), [0, 1, 2, 1, 0, 1, 2]);
        assert_eq!((0..3).map(|k| mirrored(k, 1)).collect::<Vec<_>>(), [0, 0, 0]);
    }
}
