//! From a hole to the frames that show what it hides: motions joined frame by frame, and set right against what both the
//! hole's frame and the far one show around the mark.

use crate::frame::FrameIdx;
use crate::hole::Crop;
use crate::raster::Raster;

use super::blend::soften;
use super::flow::{Field, Search};
use super::guide::{Guide, Level};
use super::judge::{Expected, Judge, Probe, probes};
use super::motion::{Affine, Completion, Motion};
use super::plate::Plate;
use super::sample::{bilinear, length, linear};
use super::spread::Spread;

/// Planes with colour at most.
pub(super) const COLOURS: usize = 3;

/// How far beyond what is believed a source may differ while the other direction of time confirms it.
pub(super) const LENIENT: f32 = 1.5;

/// How far motions joined one after the other may miss on the way there and back, and by how much more each step, in samples
/// of the guide.
const SLIP: [f32; 2] = [4.0, 0.075];

/// Part of a hole that a frame must newly show to be worth a registration: of every other frame less, so that the holes of
/// neighbouring frames take the same frames and what they take does not shimmer.
const WORTH: [usize; 2] = [30, 8];

/// A ring sample's weight in the smooth fields of offset and error: this many make one sure.
const CROWD: f32 = 16.0;

/// A plate weighs as much as a frame so many frames away: it is a mean of many, but of long before or after.
const PLATE: usize = 6;

/// Samples of the guide to each side that decide together whether what a plate shows is taken.
const PATCH: usize = 6;

/// Motions farther apart than this, in samples of the guide, are of two things.
const TORN: f32 = 1.0;

/// No source.
pub(super) const NONE: u16 = u16::MAX;

/// A rectangle of guide samples: the hole and what lies around it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Region {
    pub(super) x: usize,
    pub(super) y: usize,
    pub(super) width: usize,
    pub(super) height: usize,
}

impl Region {
    pub(super) const fn len(&self) -> usize {
        self.width * self.height
    }

    /// Column and row in the guide.
    pub(super) const fn place(&self, k: usize) -> (usize, usize) {
        (self.x + k % self.width, self.y + k / self.width)
    }
}

/// Where the samples of a plane lie among the luma samples of a crop.
#[derive(Clone, Copy, Debug)]
pub(super) struct Grid {
    step: [f32; 2],
    shift: [f32; 2],
}

impl Grid {
    /// Of `plane` in a patch of the crop's place and format.
    pub(super) fn new(crop: &Crop, plane: usize) -> Self {
        let (sw, sh) = crop.patch.format.subsampling(plane);
        let (rect, own) = (crop.patch.rect, crop.patch.rect.subsampled(sw, sh));
        let one = |log2: u8, start: u32, own: u32| {
            let step = (1u32 << log2) as f32;
            (step, (own as f32 + 0.5) * step - 0.5 - start as f32)
        };
        let (x, y) = (one(sw, rect.x, own.x), one(sh, rect.y, own.y));
        Self { step: [x.0, y.0], shift: [x.1, y.1] }
    }

    /// Position of a sample of the plane, in luma samples of the crop.
    pub(super) fn luma(&self, x: f32, y: f32) -> [f32; 2] {
        [x * self.step[0] + self.shift[0], y * self.step[1] + self.shift[1]]
    }

    /// Position in the plane of a luma position.
    pub(super) fn plane(&self, [x, y]: [f32; 2]) -> [f32; 2] {
        [(x - self.shift[0]) / self.step[0], (y - self.shift[1]) / self.step[1]]
    }
}

/// Position of a guide sample in luma samples, and back.
pub(super) const fn to_luma(v: f32) -> f32 {
    2.0 * v + 0.5
}

pub(super) const fn to_guide(v: f32) -> f32 {
    0.5 * (v - 0.5)
}

/// The hole and its surroundings, as the frame that it belongs to shows them.
pub(super) struct Target {
    idx: FrameIdx,
    pub(super) region: Region,
    /// Where something is to be settled.
    pub(super) wanted: Vec<bool>,
    level: Level,
    ring: Vec<u8>,
    probes: Vec<Probe>,
    pub(super) expected: Expected,
    /// Every colour plane at the samples of the region, in 8-bit codes.
    colours: Vec<[f32; COLOURS]>,
    grids: Vec<Grid>,
    scale: f32,
}

/// A frame that shows something of what a hole hides.
pub(super) struct Source {
    /// Position among the window's crops, with its plates behind them.
    pub(super) crop: usize,
    /// Frames between it and the hole's.
    pub(super) distance: usize,
    /// From every sample of the region, in samples of the guide.
    pub(super) motion: Vec<[f32; 2]>,
    /// What the hole's frame is brighter by, per plane in 8-bit codes.
    pub(super) offset: Vec<[f32; COLOURS]>,
    /// How much both differ around the mark, as a share of what is believed: below 1 a source is taken by itself, below
    /// [`LENIENT`] with another. Infinite where it does not show what is hidden.
    pub(super) error: Vec<f32>,
}

/// The sources of one direction of time, and which of them every sample of the region takes.
pub(super) struct Trace {
    pub(super) sources: Vec<Source>,
    pub(super) choice: Vec<u16>,
}

/// A step of the way: the window's next crop, its guide, and the motion there.
pub(super) struct Step<'a> {
    pub(super) crop: usize,
    pub(super) patch: &'a Crop,
    pub(super) guide: &'a Guide,
    pub(super) motion: &'a Motion,
}

/// Buffers of the registration.
#[derive(Clone, Debug, Default)]
pub(super) struct Scratch {
    luma: Vec<f32>,
    firm: Vec<bool>,
    offsets: Spread<COLOURS>,
    judge: Judge,
    weights: Vec<f32>,
    search: Search,
    completion: Completion,
}

impl Target {
    pub(super) fn new(crop: &Crop, guide: &Guide, region: Region, wanted: Vec<bool>, scratch: &mut Scratch) -> Self {
        let from = &guide.levels[0];
        let (mut luma, mut ring) = (Vec::new(), Vec::new());
        for k in 0..region.len() {
            let (x, y) = region.place(k);
            let at = from.at(x, y);
            luma.push(from.luma[at]);
            ring.push(guide.ring[y * from.width + x]);
        }
        let firm = |x: usize, y: usize| from.is_firm(region.x + x, region.y + y);
        let mut level = Level::padded(region.width, region.height, &luma, firm);
        level.slope();
        let format = crop.patch.format;
        let colours = (0..format.planes()).filter(|plane| !format.is_alpha(*plane)).count();
        let grids: Vec<Grid> = (0..colours.min(COLOURS)).map(|plane| Grid::new(crop, plane)).collect();
        let mut target = Self {
            idx: crop.idx,
            region,
            wanted,
            level,
            ring,
            probes: probes(crop, guide, region),
            expected: Expected::default(),
            colours: Vec::new(),
            grids,
            scale: 1.0 / (1u32 << (format.depth - 8)) as f32,
        };
        target.colours = (0..region.len()).map(|k| target.colour(crop, guide, k, [0.0; 2])).collect();
        target.expected = scratch.judge.expected(from, region, &target.depth());
        target
    }

    /// Samples of the guide to the nearest that is seen, along rows, columns and diagonals.
    fn depth(&self) -> Vec<f32> {
        let (width, height) = (self.region.width, self.region.height);
        let far = (width + height) as f32;
        let mut depth: Vec<f32> = (0..self.region.len())
            .map(|k| if self.level.firm[self.level.at(k % width, k / width)] > 0.0 { 0.0 } else { far })
            .collect();
        let mut pass = |k: usize, beside: [(bool, usize, f32); 4]| {
            for (_, other, step) in beside.into_iter().filter(|(inside, _, _)| *inside) {
                depth[k] = depth[k].min(depth[other] + step);
            }
        };
        for k in 0..width * height {
            let (x, y) = (k % width, k / width);
            let up = k.wrapping_sub(width);
            let beside = [
                (x > 0, k.wrapping_sub(1), 1.0),
                (y > 0, up, 1.0),
                (x > 0 && y > 0, up.wrapping_sub(1), std::f32::consts::SQRT_2),
                (x + 1 < width && y > 0, up.wrapping_add(1), std::f32::consts::SQRT_2),
            ];
            pass(k, beside);
        }
        for k in (0..width * height).rev() {
            let (x, y) = (k % width, k / width);
            let beside = [
                (x + 1 < width, k + 1, 1.0),
                (y + 1 < height, k + width, 1.0),
                (x + 1 < width && y + 1 < height, k + width + 1, std::f32::consts::SQRT_2),
                (x > 0 && y + 1 < height, (k + width).wrapping_sub(1), std::f32::consts::SQRT_2),
            ];
            pass(k, beside);
        }
        depth
    }

    /// Every plane of a crop at sample `k` of the region, moved by `motion`.
    fn colour(&self, crop: &Crop, guide: &Guide, k: usize, motion: [f32; 2]) -> [f32; COLOURS] {
        let (x, y) = self.region.place(k);
        let (x, y) = (x as f32 + motion[0], y as f32 + motion[1]);
        let mut colour = [0.0; COLOURS];
        for (plane, grid) in self.grids.iter().enumerate() {
            colour[plane] = if plane == 0 {
                guide.levels[0].value(x, y)
            } else {
                let [px, py] = grid.plane([to_luma(x), to_luma(y)]);
                self.scale * linear(&crop.patch.planes[plane], px, py)
            };
        }
        colour
    }

    /// Follows what the hole hides along `steps` until it is seen.
    pub(super) fn trace<'a>(&self, steps: impl Iterator<Item = Step<'a>>, scratch: &mut Scratch) -> Trace {
        let count = self.region.len();
        let mut trace = Trace { sources: Vec::new(), choice: vec![NONE; count] };
        let mut way = vec![[0.0f32; 2]; count];
        let mut slip = vec![0.0f32; count];
        // Step at which a sample that was refused asks again, how often it was, and its error so far.
        let mut asks = vec![(0u32, 0u32, f32::INFINITY); count];
        let total = self.wanted.iter().filter(|w| **w).count();
        let mut open = total;
        let mut steps = steps.enumerate().peekable();
        while let Some((n, step)) = steps.next() {
            if open == 0 {
                break;
            }
            let (width, height) = step.guide.size();
            for (k, way) in way.iter_mut().enumerate() {
                let (x, y) = self.region.place(k);
                let (x, y) = (x as f32 + way[0], y as f32 + way[1]);
                let [dx, dy] = bilinear(&step.motion.motion, width, x, y);
                let on = (y.round().clamp(0.0, (height - 1) as f32) as usize) * width
                    + x.round().clamp(0.0, (width - 1) as f32) as usize;
                slip[k] += step.motion.slip[on];
                *way = [way[0] + dx, way[1] + dy];
            }
            let n = n as u32 + 1;
            let limit = SLIP[0] + SLIP[1] * n as f32;
            let asking = |k: &usize| self.wanted[*k] && asks[*k].2 >= 1.0 && asks[*k].0 <= n && slip[*k] < limit;
            let seen: Vec<usize> =
                (0..count).filter(asking).filter(|k| self.shows(step.guide, step.patch, *k, way[*k])).collect();
            let worth = if steps.peek().is_none() { 1 } else { total.div_ceil(WORTH[step.patch.idx as usize % 2]) };
            if seen.len() < worth.min(open) {
                continue;
            }
            let Some((motion, warped)) = self.register(step.guide, &way, scratch) else {
                continue;
            };
            way.copy_from_slice(&motion);
            let seen_in = (step.crop, step.patch, step.guide);
            let mut source = self.agree(seen_in, n as usize, motion, &warped, scratch);
            for (k, wanted) in self.wanted.iter().enumerate() {
                if *wanted && !(slip[k] < limit && self.shows(step.guide, step.patch, k, source.motion[k])) {
                    source.error[k] = f32::INFINITY;
                }
            }
            let id = trace.sources.len() as u16;
            let mut used = false;
            for k in seen {
                let ask = &mut asks[k];
                let error = source.error[k];
                if error < LENIENT.min(0.8 * ask.2) {
                    trace.choice[k] = id;
                    ask.2 = error;
                    open -= usize::from(error < 1.0);
                    used = true;
                }
                *ask = (n + (2 << ask.1.min(5)), ask.1 + 1, ask.2);
            }
            if used {
                trace.sources.push(source);
            }
        }
        trace
    }

    /// What a plate shows of what the hole hides, as a direction of its own; `step` leads there.
    pub(super) fn behind(&self, plate: &Plate, step: &Step<'_>, scratch: &mut Scratch) -> Trace {
        let count = self.region.len();
        let mut trace = Trace { sources: Vec::new(), choice: vec![NONE; count] };
        let width = step.guide.size().0;
        let way: Vec<[f32; 2]> = (0..count)
            .map(|k| {
                let (x, y) = self.region.place(k);
                step.motion.motion[y * width + x]
            })
            .collect();
        let Some((motion, warped)) = self.register(step.guide, &way, scratch) else { return trace };
        let distance = plate.crop.idx.abs_diff(self.idx) as f32;
        let seen_in = (step.crop, step.patch, step.guide);
        let mut source = self.agree(seen_in, PLATE, motion, &warped, scratch);
        let mut any = false;
        for k in 0..count {
            if !(self.wanted[k] && self.shows(step.guide, step.patch, k, source.motion[k])) {
                source.error[k] = f32::INFINITY;
                continue;
            }
            let ((x, y), [dx, dy]) = (self.region.place(k), source.motion[k]);
            let own = plate.error_at(to_luma(x as f32 + dx), to_luma(y as f32 + dy), distance);
            source.error[k] = source.error[k].max((own / self.expected.believed[k]).sqrt());
            // It may be of another scene.
            if source.error[k] < 1.0 {
                trace.choice[k] = 0;
                any = true;
            }
        }
        if any {
            trace.sources.push(source);
        }
        trace
    }

    /// Plates of before and of after that show different things leave it open which of them lies behind the mark here: the
    /// nearer one with more right, and none where that would be worse than to fill. `plates` are their frames and guides, in
    /// the order of `traces`.
    pub(super) fn doubt(&self, traces: &mut [Trace], plates: &[(FrameIdx, &Guide)]) {
        let luma = |source: &Source, guide: &Guide, k: usize| {
            let ((x, y), [dx, dy]) = (self.region.place(k), source.motion[k]);
            guide.levels[0].value(x as f32 + dx, y as f32 + dy) + source.offset[k][0]
        };
        let count = self.region.len();
        for b in 0..traces.len() {
            for a in (0..b).filter(|a| (plates[*a].0 < self.idx) != (plates[b].0 < self.idx)) {
                let (Some(one), Some(other)) = (traces[a].sources.first(), traces[b].sources.first()) else { continue };
                let (mut squares, mut both) = (vec![0.0; count], vec![0.0; count]);
                for k in (0..count).filter(|k| one.error[*k].is_finite() && other.error[*k].is_finite()) {
                    squares[k] = (luma(one, plates[a].1, k) - luma(other, plates[b].1, k)).powi(2);
                    both[k] = 1.0;
                }
                soften(&mut squares, self.region.width, 2);
                soften(&mut both, self.region.width, 2);
                let [da, db] = [a, b].map(|n| plates[n].0.abs_diff(self.idx) as f32);
                for (n, share) in [(a, da / (da + db)), (b, db / (da + db))] {
                    let trace = &mut traces[n];
                    for (k, choice) in trace.choice.iter_mut().enumerate().filter(|(k, _)| both[*k] > 0.0) {
                        let error = &mut trace.sources[0].error[k];
                        *error = error.max((share * squares[k] / both[k] / self.expected.believed[k]).sqrt());
                        *choice = if *error < 1.0 { *choice } else { NONE };
                    }
                }
            }
        }
    }

    /// Drops of a plate what most around it is not taken of: another scene is alike here and there.
    pub(super) fn drop_rags(&self, trace: &mut Trace) {
        let of = |is_so: &dyn Fn(usize) -> bool| {
            let mut share: Vec<f32> = (0..self.region.len()).map(|k| f32::from(u8::from(is_so(k)))).collect();
            soften(&mut share, self.region.width, PATCH);
            share
        };
        let wanted = of(&|k| self.wanted[k]);
        // Twice: what the first time leaves of a patch may be a rag.
        for _ in 0..2 {
            let taken = of(&|k| trace.choice[k] != NONE);
            let is_rag = |k: &usize| 2.0 * taken[*k] < wanted[*k];
            (0..self.region.len()).filter(is_rag).for_each(|k| trace.choice[k] = NONE);
        }
    }

    /// Adds to the squared error of every wanted sample what the source would show there if it moved as what is seen above it,
    /// below, to the left or to the right: where things of two motions meet under the mark, nothing tells where. Nearer ones
    /// count more, by the square of their distance; what `model`, the motion of most, explains does not count.
    fn torn(&self, guide: &Guide, field: &Field, model: &Affine, error: &mut [f32]) {
        let (width, height) = (self.region.width, self.region.height);
        let beyond = |k: usize| {
            let expected = model.at(k % width, k / width);
            [field.motion[k][0] - expected[0], field.motion[k][1] - expected[1]]
        };
        let value = |k: usize, [dx, dy]: [f32; 2]| {
            let ((x, y), [mx, my]) = (self.region.place(k), field.motion[k]);
            guide.levels[0].value(x as f32 + mx + dx, y as f32 + my + dy)
        };
        let mut sums = vec![[0.0f32; 2]; error.len()];
        let mut walk = |line: &mut dyn Iterator<Item = usize>| {
            let mut last: Option<(f32, [f32; 2])> = None;
            for k in line {
                if field.trust[k] > 0.0 {
                    last = Some((0.0, beyond(k)));
                    continue;
                }
                let Some((distance, other)) = &mut last else { continue };
                *distance += 1.0;
                if self.wanted[k] {
                    let weight = 1.0 / (*distance * *distance);
                    sums[k][1] += weight;
                    let own = beyond(k);
                    let apart = [other[0] - own[0], other[1] - own[1]];
                    if length(apart) > TORN {
                        sums[k][0] += weight * (value(k, apart) - value(k, [0.0; 2])).powi(2);
                    }
                }
            }
        };
        for y in 0..height {
            walk(&mut (y * width..(y + 1) * width));
            walk(&mut (y * width..(y + 1) * width).rev());
        }
        for x in 0..width {
            walk(&mut (x..width * height).step_by(width));
            walk(&mut (x..width * height).step_by(width).rev());
        }
        for (error, [sum, weight]) in error.iter_mut().zip(&sums).filter(|(_, [sum, _])| *sum > 0.0) {
            *error += sum / weight;
        }
    }

    /// Whether a source shows every sample under sample `k` of the region, moved by `motion`, and what a cubic between them
    /// reads.
    fn shows(&self, guide: &Guide, crop: &Crop, k: usize, motion: [f32; 2]) -> bool {
        let (x, y) = self.region.place(k);
        let (x, y) = (to_luma(x as f32 + motion[0]), to_luma(y as f32 + motion[1]));
        let plane: &Raster<f32> = &crop.patch.planes[0];
        let (width, height) = (plane.width() as i64, plane.height() as i64);
        let (x0, y0) = ((x - 0.5).floor() as i64, (y - 0.5).floor() as i64);
        if x0 < 0 || y0 < 0 || x0 + 2 >= width || y0 + 2 >= height {
            return false;
        }
        let at = |x: i64, y: i64| guide.covered[(y * width + x) as usize] == 0;
        at(x0, y0) && at(x0 + 2, y0) && at(x0, y0 + 2) && at(x0 + 2, y0 + 2)
    }

    /// The source as it would look from here.
    fn warp(&self, guide: &Guide, motion: &[[f32; 2]], scratch: &mut Scratch) -> Level {
        let from = &guide.levels[0];
        scratch.luma.clear();
        scratch.firm.clear();
        for (k, [dx, dy]) in motion.iter().enumerate() {
            let (x, y) = self.region.place(k);
            let (x, y) = (x as f32 + dx, y as f32 + dy);
            scratch.luma.push(from.value(x, y));
            let (nx, ny) = (x.round(), y.round());
            let inside = nx >= 0.0 && ny >= 0.0 && nx < from.width as f32 && ny < from.height as f32;
            scratch.firm.push(inside && from.is_firm(nx as usize, ny as usize));
        }
        let (width, firm) = (self.region.width, &scratch.firm);
        Level::padded(width, self.region.height, &scratch.luma, |x, y| firm[y * width + x])
    }

    /// How much the ring differs, brightness taken out; `None` where too little of it is shown.
    fn misfit(&self, warped: &Level) -> Option<f32> {
        let (mut sum, mut count) = (0.0, 0.0f32);
        let ring = || {
            (0..self.region.len())
                .filter(|k| self.ring[*k] > 0)
                .map(|k| self.level.at(k % self.region.width, k / self.region.width))
        };
        for k in ring() {
            sum += warped.firm[k] * (self.level.luma[k] - warped.luma[k]).clamp(-30.0, 30.0);
            count += warped.firm[k];
        }
        if count < 24.0 {
            return None;
        }
        let mean = sum / count;
        let error = ring().map(|k| warped.firm[k] * (self.level.luma[k] - warped.luma[k] - mean).abs().min(20.0));
        Some(error.sum::<f32>() / count)
    }

    /// Sets the joined motion right against the ring. `None` where the source shows too little of it.
    fn register(&self, guide: &Guide, way: &[[f32; 2]], scratch: &mut Scratch) -> Option<(Vec<[f32; 2]>, Level)> {
        let mut motion = way.to_vec();
        let mut warped = self.warp(guide, &motion, scratch);
        let mut misfit = self.misfit(&warped);
        // A still camera: nothing that was joined is truer than no motion at all.
        let still = vec![[0.0; 2]; motion.len()];
        let unmoved = self.warp(guide, &still, scratch);
        if let Some(error) = self.misfit(&unmoved)
            && misfit.is_none_or(|m| error <= m + 0.05)
        {
            (motion, warped, misfit) = (still.clone(), unmoved, Some(error));
        }
        let mut misfit = misfit?;
        for _ in 0..2 {
            let mut field: Field = scratch.search.refine(&self.level, &warped, &still);
            if !scratch.completion.complete(&mut field, &self.ring, 0.05) {
                break;
            }
            let next: Vec<[f32; 2]> =
                motion.iter().zip(&field.motion).map(|(m, c)| [m[0] + c[0], m[1] + c[1]]).collect();
            let there = self.warp(guide, &next, scratch);
            match self.misfit(&there) {
                Some(error) if error < 0.99 * misfit => (motion, warped, misfit) = (next, there, error),
                _ => break,
            }
        }
        Some((motion, warped))
    }

    /// What the ring says of a source: how much it differs, smoothly continued into the hole.
    fn agree(
        &self,
        (crop, patch, guide): (usize, &Crop, &Guide),
        distance: usize,
        motion: Vec<[f32; 2]>,
        warped: &Level,
        scratch: &mut Scratch,
    ) -> Source {
        let width = self.region.width;
        let mut offset = vec![[0.0; COLOURS]; motion.len()];
        scratch.weights.clear();
        scratch.weights.resize(motion.len(), 0.0);
        for (k, offset) in offset.iter_mut().enumerate() {
            let at = self.level.at(k % width, k / width);
            if self.level.firm[at] * warped.firm[at] > 0.0 {
                let theirs = self.colour(patch, guide, k, motion[k]);
                *offset = std::array::from_fn(|n| (self.colours[k][n] - theirs[n]).clamp(-30.0, 30.0));
                scratch.weights[k] = 1.0 / CROWD;
            }
        }
        let raw: Vec<f32> = offset.iter().map(|o| o[0]).collect();
        scratch.offsets.fill(width, &mut offset, &scratch.weights);
        // Light changes for all alike; what differs here and there is another thing, or in another place.
        let mut sorted: Vec<f32> =
            raw.iter().zip(&scratch.weights).filter(|(_, w)| **w > 0.0).map(|(r, _)| *r).collect();
        sorted.sort_unstable_by(f32::total_cmp);
        let middle = sorted.get(sorted.len() / 2).copied().unwrap_or_default();
        let shown = |k: usize| self.shows(guide, patch, k, motion[k]);
        let compared = (self.probes.as_slice(), self.region);
        let mut error = scratch.judge.differences((patch, &motion), compared, middle, shown);
        let field = Field { width, motion, trust: scratch.weights.clone() };
        if let Some(model) = scratch.completion.fit(&field, &self.ring) {
            self.torn(guide, &field, &model, &mut error);
        }
        error.iter_mut().zip(&self.expected.believed).for_each(|(error, limit)| *error = (*error / limit).sqrt());
        Source { crop, distance, motion: field.motion, offset, error }
    }
}
