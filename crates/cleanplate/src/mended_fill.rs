//! The fill tier of jobs without a user's network: the spatial fill, and in wide holes what our own network adds to it.
//!
//! What the surroundings let expect deep inside a hole is more than what diffusion carries there. The network
//! (`train/fill.py`, its card is `networks/fill.md`) has learnt it; it sees one completed plane of one frame at a time, so that any segment
//! computes the same.

use std::sync::Arc;

use cleanplate_core::{Hole, Origin, Patch, Raster, Rect, SpatialFill};
use cleanplate_infer::{Net, Placement, Tensor};

use crate::error::{Error, Result};

/// The network, as `train/fill.py` writes it.
const NETWORK: &[u8] = include_bytes!("../networks/fill.onnx");

/// Samples from the border of a hole to its middle from which on the network is asked: a width of 20. It was trained on 22
/// and more; what is narrower, diffusion does as well.
const DEPTH: u32 = 10;

/// Samples around a hole that the network was shown in training at least.
const AROUND: u32 = 24;

/// The network computes on cells of so many samples a side.
const CELL: u32 = 4;

/// 8-bit codes that the network calls 1.
const UNIT: f32 = 64.0;

/// 8-bit codes by which its answers are drawn towards nothing (soft thresholding; Donoho, De-Noising by Soft-Thresholding,
/// IEEE Trans. Inf. Theory 1995): where the spatial fill is right, what the network adds is its own noise, and of this size.
const NOISE: f32 = 2.0;

/// Shapes of holes that are kept: the planes of a few marks.
const KEPT: usize = 16;

/// Fills holes from their surroundings, wide ones with the network's help.
pub(crate) struct MendedFill {
    spatial: SpatialFill,
    placement: Placement,
    /// Opened for the first wide hole.
    net: Option<Net>,
    wide: Vec<(Raster<bool>, Arc<Wide>)>,
}

/// The samples of a plane that lie in the wide parts of its hole.
#[derive(Debug, PartialEq)]
struct Wide {
    samples: Raster<bool>,
    /// Their bounds; nothing where there are none.
    bounds: Rect,
}

impl MendedFill {
    /// With the network that the program brings.
    pub(crate) fn new(placement: &Placement) -> Self {
        Self { spatial: SpatialFill::new(), placement: placement.clone(), net: None, wide: Vec::new() }
    }

    /// Settles all that is open of `hole`.
    pub(crate) fn fill(&mut self, hole: &mut Hole) -> Result<()> {
        let format = hole.patch().format;
        // It has learnt luma, as which it takes every plane of RGB.
        let planes = (0..hole.patch().planes.len())
            .filter(|plane| !format.is_alpha(*plane) && !format.is_chroma(*plane) && hole.open(*plane) > 0);
        let wide: Vec<(usize, Arc<Wide>)> =
            planes.map(|plane| (plane, self.wide(hole, plane))).filter(|(_, wide)| !wide.bounds.is_empty()).collect();
        if wide.is_empty() {
            self.spatial.fill(hole);
            return Ok(());
        }
        let mut filled = hole.clone();
        self.spatial.fill(&mut filled);
        let mut added = Vec::new();
        for (plane, wide) in &wide {
            added.push((*plane, self.addition(filled.patch(), *plane, hole, wide)?));
        }
        for plane in 0..filled.patch().planes.len() {
            let more = added.iter().find(|(n, _)| *n == plane).map(|(_, more)| more);
            let values = filled.patch().planes[plane].data().iter().zip(filled.origin()[plane].data());
            for (k, (value, origin)) in values.enumerate().filter(|(_, (_, origin))| **origin == Origin::Invented) {
                hole.settle(plane, k, value + more.map_or(0.0, |more| more.data()[k]), *origin);
            }
        }
        Ok(())
    }

    /// The wide parts of what is open of a plane.
    fn wide(&mut self, hole: &Hole, plane: usize) -> Arc<Wide> {
        let raster = &hole.need()[plane];
        let mut open = Raster::new(raster.width(), raster.height(), false);
        open.data_mut().iter_mut().enumerate().for_each(|(k, is_open)| *is_open = hole.is_open(plane, k));
        if let Some(at) = self.wide.iter().position(|(known, _)| *known == open) {
            self.wide[..=at].rotate_right(1);
            return Arc::clone(&self.wide[0].1);
        }
        let wide = Arc::new(Wide::of(&open));
        self.wide.truncate(KEPT - 1);
        self.wide.insert(0, (open, Arc::clone(&wide)));
        wide
    }

    /// What is to be added to a completed plane, in its codes; 0 outside the wide parts.
    fn addition(&mut self, filled: &Patch, plane: usize, hole: &Hole, wide: &Wide) -> Result<Raster<f32>> {
        let samples = &filled.planes[plane];
        let codes = UNIT * (1u32 << (filled.format.depth - 8)) as f32;
        let seen = wide.bounds.grow(AROUND, samples.width(), samples.height());
        // A border of nothing, as the network saw it in training.
        let side = |n: u32| (n + 2 * CELL).next_multiple_of(CELL) as usize;
        let (w, h) = (side(seen.w), side(seen.h));
        let places = || (0..seen.h).flat_map(|y| (0..seen.w).map(move |x| (x, y)));
        let at = |x: u32, y: u32| (y + CELL) as usize * w + (x + CELL) as usize;
        let sum: f64 = places().map(|(x, y)| f64::from(samples.at(seen.x + x, seen.y + y))).sum();
        let mean = (sum / seen.area() as f64) as f32;
        let mut input = Tensor::zeros(vec![1, 2, h, w]);
        let (picture, mask) = input.data_mut().split_at_mut(w * h);
        for (x, y) in places() {
            let k = (seen.y + y) as usize * samples.width() as usize + (seen.x + x) as usize;
            picture[at(x, y)] = (samples.data()[k] - mean) / codes;
            mask[at(x, y)] = if hole.is_open(plane, k) { 1.0 } else { 0.0 };
        }
        let net = match &mut self.net {
            Some(net) => net,
            none => none.insert(network(&self.placement)?),
        };
        let output = net.run(&[&input])?;
        let Some(made) = output.first().filter(|made| made.shape() == [1, 1, h, w]) else {
            return Err(Error::Internal("the fill network gives another size".into()));
        };
        let mut addition = Raster::new(samples.width(), samples.height(), 0.0);
        for (x, y) in places().filter(|(x, y)| wide.samples.at(seen.x + x, seen.y + y)) {
            let (column, row) = (seen.x + x, seen.y + y);
            let share = f32::from(hole.need()[plane].at(column, row)) / 255.0;
            let more = made.data()[at(x, y)];
            let certain = more.signum() * (more.abs() - NOISE / UNIT).max(0.0);
            addition.set(column, row, share * codes * certain);
        }
        Ok(addition)
    }
}

/// The network, open.
pub(crate) fn network(placement: &Placement) -> Result<Net> {
    let probed = vec![vec![1, 2, 16 * CELL as usize, 16 * CELL as usize]];
    let (net, _) = Net::read("the built-in fill network", NETWORK, placement, |_| Ok(probed))?;
    Ok(net)
}

impl Wide {
    /// The parts of `open` into which a square of `2 * DEPTH - 1` fits (its morphological opening). What lies beyond the
    /// patch counts as open: a hole at the border of the picture goes on there.
    fn of(open: &Raster<bool>) -> Self {
        let samples = spread(&spread(open, false), true);
        let mut bounds = Rect::default();
        for y in 0..samples.height() {
            let row = samples.row(y);
            let left = row.iter().position(|wide| *wide).unwrap_or(row.len());
            let right = row.iter().rposition(|wide| *wide).map_or(left, |last| last + 1);
            bounds = bounds.union(&Rect::new(left as u32, y, (right - left) as u32, 1));
        }
        Self { samples, bounds }
    }
}

/// `raster` with `value` wherever it stands less than [`DEPTH`] samples off, in columns and rows.
fn spread(raster: &Raster<bool>, value: bool) -> Raster<bool> {
    let (width, height) = (raster.width() as usize, raster.height() as usize);
    let mut out = raster.clone();
    let mut line = Vec::new();
    let mut along = |count: usize, at: &dyn Fn(usize) -> usize| {
        line.clear();
        line.extend((0..count).map(|k| out.data()[at(k)] == value));
        let mut since = u32::MAX;
        for k in (0..count).chain((0..count).rev()) {
            since = if line[k] { 0 } else { since.saturating_add(1) };
            if since < DEPTH {
                out.data_mut()[at(k)] = value;
            }
        }
    };
    (0..height).for_each(|y| along(width, &|x| y * width + x));
    (0..width).for_each(|x| along(height, &|y| y * width + x));
    out
}

#[cfg(test)]
mod tests {
    use cleanplate_core::{Frame, HostSurface, Mask, PixelFormat, RowMut, Rows, Surface};
    use cleanplate_infer::{Machine, Wishes, place};

    use super::*;

    fn drawn(rects: &[Rect]) -> Raster<bool> {
        let mut open = Raster::new(80, 60, false);
        for rect in rects {
            for (x, y) in (rect.y..rect.bottom()).flat_map(|y| (rect.x..rect.right()).map(move |x| (x, y))) {
                open.set(x, y, true);
            }
        }
        open
    }

    /// A hole over `rect` in a gray picture of 200 x 140.
    fn hole(rect: Rect, picture: &dyn Fn(u32, u32) -> u8) -> Hole {
        let mut surface = HostSurface::new(PixelFormat::GRAY8, 200, 140);
        for y in 0..140 {
            if let RowMut::U8(row) = surface.row_mut(0, y) {
                row.iter_mut().enumerate().for_each(|(x, sample)| *sample = picture(x as u32, y));
            }
        }
        let frame = Frame::new(0, 0, 1, (200, 140), PixelFormat::GRAY8, Box::new(surface));
        let mut patch = Patch::default();
        frame.lift(rect.grow(24, 200, 140), Rows::All, &mut patch);
        Hole::new(0, patch, &Mask::rectangle(rect))
    }

    fn filled(mut hole: Hole) -> [Vec<f32>; 2] {
        let mut plain = hole.clone();
        SpatialFill::new().fill(&mut plain);
        MendedFill::new(&place(&Machine::default(), Wishes::default())).fill(&mut hole).unwrap();
        assert_eq!((hole.open(0), hole.origin()), (0, plain.origin()));
        [plain, hole].map(|hole| hole.patch().planes[0].data().to_vec())
    }

    #[test]
    fn only_wide_holes_with_something_around_them_are_mended_and_those_for_the_better() {
        let level = |_, _| 90;
        let [plain, mended] = filled(hole(Rect::new(70, 50, 60, 40), &level));
        assert_eq!(plain, mended, "nothing is to be seen");
        // Large things before each other, as in photographs (the dead leaves model; Lee, Mumford and Huang, IJCV 2001).
        let scene = |seed: u32| {
            let mut state = seed + 1;
            let mut draw = move |low: f32, high: f32| {
                state = state.wrapping_mul(0x9E37_79B1).rotate_left(11) ^ 0x85EB_CA77;
                low + (high - low) * (state >> 8) as f32 / (1u32 << 24) as f32
            };
            let discs: Vec<[f32; 4]> = (0..60)
                .map(|_| [draw(-20.0, 220.0), draw(-20.0, 160.0), draw(25.0, 70.0), draw(30.0, 225.0)])
                .collect();
            move |x: u32, y: u32| {
                let covers = |d: &&[f32; 4]| (d[0] - x as f32).hypot(d[1] - y as f32) < d[2];
                discs.iter().find(covers).map_or(128, |d| d[3] as u8)
            }
        };
        let [plain, mended] = filled(hole(Rect::new(70, 50, 60, 18), &scene(1)));
        assert_eq!(plain, mended, "diffusion does as well where it is narrow");
        let rect = Rect::new(70, 50, 60, 40);
        let mut gain = 0.0;
        for seed in 0..12 {
            let picture = scene(seed);
            let [plain, mended] = filled(hole(rect, &picture));
            let around = rect.grow(24, 200, 140);
            let places = (around.y..around.bottom()).flat_map(|y| (around.x..around.right()).map(move |x| (x, y)));
            let truth: Vec<f32> = places.map(|(x, y)| f32::from(picture(x, y))).collect();
            let error = |made: &[f32]| made.iter().zip(&truth).map(|(a, b)| (a - b) * (a - b)).sum::<f32>();
            gain += 10.0 * (error(&plain) / error(&mended)).log10() / 12.0;
        }
        assert!(gain > 0.3, "{gain} dB");
    }

    #[test]
    fn wide_parts_are_kept_whole_and_strokes_are_left_out() {
        let wide = Wide::of(&drawn(&[Rect::new(20, 20, 30, 19), Rect::new(50, 28, 20, 6)]));
        assert_eq!(wide.bounds, Rect::new(20, 20, 30, 19));
        assert_eq!(wide.samples, drawn(&[Rect::new(20, 20, 30, 19)]));
        assert!(Wide::of(&drawn(&[Rect::new(20, 20, 30, 18)])).bounds.is_empty());
        assert_eq!(Wide::of(&drawn(&[Rect::new(0, 20, 10, 30)])).bounds, Rect::new(0, 20, 10, 30), "goes on beyond");
    }
}
