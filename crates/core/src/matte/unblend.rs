//! Computing a known mark away: the source's own pixels come back, with the codec's noise kept down by a prior.

use std::ops::Range;
use std::sync::Arc;

use super::{Matte, gain_at};
use crate::frame::FrameIdx;
use crate::geometry::Rect;
use crate::hole::{Crop, Hole, Origin, Reach, Restorer, Window};
use crate::mask::Mask;
use crate::raster::Raster;

/// Below `LEAST_KEEP` nothing of the source is left to be computed; up to `FULL_KEEP` the prior takes over gradually.
const LEAST_KEEP: f32 = 0.10;
const FULL_KEEP: f32 = 0.20;

/// A sample that keeps at least this share of the source carries no noise worth a prior.
const CLEAR: f32 = 0.97;

/// Standard deviation, in samples, of the window in which the difference from the prior is weighed.
const SIGMA: f32 = 2.0;
const RADIUS: usize = 5;

/// A matte on the frames on which it is shown.
#[derive(Clone, Debug)]
pub struct Overlay {
    /// Frames on which it is shown.
    pub span: Range<FrameIdx>,
    /// What it does to a sample.
    pub matte: Arc<Matte>,
    /// Standard deviation of what is wrong with computed samples, per plane over the matte's rectangle, in code values.
    pub noise: Arc<Vec<Raster<f32>>>,
    /// How strongly it is shown: knots `(frame, gain)` in rising order, gain 0..=1, linear between, level beyond the ends.
    /// Empty: fully on every frame.
    pub gain: Vec<(FrameIdx, f32)>,
    /// Of a mark that moves: by how many luma samples to the right and below the matte lies on a frame, in rising order; it is
    /// not used on frames that are missing. Empty where it stays.
    pub path: Arc<Vec<(FrameIdx, (i32, i32))>>,
    /// What a computed sample weighs at least where enough of the source is kept: more than 0 where its prior comes through the same
    /// matte on other frames and so is no quieter.
    pub least: f32,
}

impl Overlay {
    /// By how much the matte is moved on a frame; `None` where it is not used.
    fn moved_by(&self, idx: FrameIdx) -> Option<(i32, i32)> {
        if self.path.is_empty() {
            return Some((0, 0));
        }
        self.path.binary_search_by_key(&idx, |step| step.0).ok().map(|n| self.path[n].1)
    }

    /// As it lies `by` so many samples farther.
    fn moved(&self, by: (i32, i32)) -> Self {
        // What lies beyond the picture no hole reaches.
        let (matte, noise) = self.matte.moved(by, (u32::MAX >> 1, u32::MAX >> 1), &self.noise);
        Self { matte: Arc::new(matte), noise: Arc::new(noise), ..self.clone() }
    }

    /// Computes the mark away from `crop`, of a frame on which `others` lie as well, wherever nothing but it does: those samples
    /// are then seen. Marks that move are left alone.
    pub fn reveal(&self, crop: &mut Crop, others: &Mask) {
        let Some(gain) = self.gain_at(crop.idx).filter(|_| self.path.is_empty()) else { return };
        if self.matte.format() != crop.patch.format {
            return;
        }
        let hidden = crop.patch.need(others);
        let (start, step) = crop.patch.rows.start_step();
        for (plane, matte) in self.matte.planes().iter().enumerate() {
            let (sw, sh) = crop.patch.format.subsampling(plane);
            let (origin, area) = (crop.patch.rect.subsampled(sw, sh), self.matte.plane_rect(plane));
            let (values, need) = (&mut crop.patch.planes[plane], &mut crop.need[plane]);
            for y in 0..values.height() {
                let row = start + (origin.y + y) * step;
                for x in 0..values.width() {
                    let Some(k) = place(area, origin.x + x, row) else { continue };
                    let keep = 1.0 - gain * (1.0 - matte.keep.data()[k]);
                    let at = (y * values.width() + x) as usize;
                    if (FULL_KEEP..1.0).contains(&keep) && hidden[plane].data()[at] == 0 {
                        values.data_mut()[at] = (values.data()[at] - gain * matte.add.data()[k]) / keep;
                        need.data_mut()[at] = 0;
                    }
                }
            }
        }
    }

    /// How strongly it is shown on a frame, 0..=1; `None` outside its span.
    pub fn gain_at(&self, idx: FrameIdx) -> Option<f32> {
        self.span.contains(&idx).then(|| gain_at(&self.gain, idx))
    }
}

/// The tier that computes marks of known matte away: `I = (J - add) / keep`.
///
/// The codec's noise grows by `1 / keep` with it. So the result is mixed with a prior (what the later tiers would put
/// there) by the weight of a local Wiener filter: the share of the mean squared difference between both that noise of that
/// size cannot explain. A mixed sample has the origin of the part that weighs more.
pub struct Unblend {
    overlays: Vec<Overlay>,
    prior: Vec<Box<dyn Restorer>>,
    buffers: Buffers,
    /// Those that move, as they were last: fields and planes of a frame need them again.
    moved: Vec<Option<((i32, i32), Overlay)>>,
}

#[derive(Default)]
struct Buffers {
    energy: Vec<f32>,
    weight: Vec<f32>,
    spare: Vec<f32>,
}

/// A sample that an overlay covers.
struct Sample {
    at: usize,
    value: f32,
    keep: f32,
    noise: f32,
    least: f32,
}

impl Unblend {
    /// For `overlays`, with the tiers that make the prior in order; what they leave open is computed without one.
    pub fn new(overlays: Vec<Overlay>, prior: Vec<Box<dyn Restorer>>) -> Self {
        let moved = vec![None; overlays.len()];
        Self { overlays, prior, buffers: Buffers::default(), moved }
    }

    /// Puts the overlays that move to where they lie on frame `idx`.
    fn place(&mut self, idx: FrameIdx) {
        for (overlay, moved) in self.overlays.iter().zip(&mut self.moved).filter(|(o, _)| !o.path.is_empty()) {
            let by = overlay.gain_at(idx).and_then(|_| overlay.moved_by(idx));
            match (by, &moved) {
                (Some(by), Some((known, _))) if *known == by => {}
                (Some(by), _) => *moved = Some((by, overlay.moved(by))),
                (None, _) => *moved = None,
            }
        }
    }

    fn unblend(&mut self, window: Window<'_>, hole: &mut Hole) {
        self.place(hole.idx);
        let overlays: Vec<(&Overlay, f32)> = self
            .overlays
            .iter()
            .zip(&self.moved)
            .filter_map(
                |(overlay, moved)| if overlay.path.is_empty() { Some(overlay) } else { Some(&moved.as_ref()?.1) },
            )
            .filter_map(|overlay| overlay.gain_at(hole.idx).map(|gain| (overlay, gain)))
            .filter(|(overlay, gain)| *gain > 0.0 && overlay.matte.format() == hole.patch().format)
            .collect();
        let planes = hole.patch().planes.len();
        let samples: Vec<Vec<Sample>> = (0..planes).map(|plane| covered(hole, plane, &overlays)).collect();
        if samples.iter().all(Vec::is_empty) {
            return;
        }
        let mut prior = hole.clone();
        for tier in &mut self.prior {
            tier.restore(window, std::slice::from_mut(&mut prior));
        }
        for (plane, samples) in samples.iter().enumerate() {
            let width = hole.patch().planes[plane].width() as usize;
            let guess = prior.patch().planes[plane].data();
            let energy = self.buffers.energies(samples, guess, width);
            for sample in samples {
                let energy = energy[sample.at];
                let noise = sample.noise.powi(2);
                let told = if sample.keep >= CLEAR || energy <= 0.0 {
                    1.0
                } else {
                    ((energy - noise) / energy).max(sample.least)
                };
                let known = ((sample.keep - LEAST_KEEP) / (FULL_KEEP - LEAST_KEEP)).clamp(0.0, 1.0);
                let behind = prior.origin()[plane].data()[sample.at];
                let weight = if behind == Origin::Kept { 1.0 } else { told * known };
                let origin = if weight >= 0.5 { Origin::Unblended } else { behind };
                let value = guess[sample.at] + weight * (sample.value - guess[sample.at]);
                hole.settle(plane, sample.at, value, origin);
            }
        }
    }
}

impl Restorer for Unblend {
    fn name(&self) -> &'static str {
        "unblend"
    }

    fn reach(&self) -> Reach {
        self.prior.iter().fold(Reach::default(), |reach, tier| reach.union(tier.reach()))
    }

    fn restore(&mut self, window: Window<'_>, holes: &mut [Hole]) {
        holes.iter_mut().for_each(|hole| self.unblend(window, hole));
    }
}

/// The open samples of a plane that exactly one overlay covers and lets something through, with that mark computed away.
fn covered(hole: &Hole, plane: usize, overlays: &[(&Overlay, f32)]) -> Vec<Sample> {
    let patch = hole.patch();
    let raster = &patch.planes[plane];
    let (sw, sh) = patch.format.subsampling(plane);
    let (start, step) = patch.rows.start_step();
    let origin = patch.rect.subsampled(sw, sh);
    let mut samples = Vec::new();
    for y in 0..raster.height() {
        let row = start + (origin.y + y) * step;
        for x in 0..raster.width() {
            let at = (y * raster.width() + x) as usize;
            if !hole.is_open(plane, at) {
                continue;
            }
            let column = origin.x + x;
            let mut here = overlays.iter().filter_map(|(overlay, gain)| {
                let matte = overlay.matte.planes().get(plane)?;
                let k = place(overlay.matte.plane_rect(plane), column, row)?;
                let (keep, add) = (1.0 - gain * (1.0 - matte.keep.data()[k]), gain * matte.add.data()[k]);
                (keep < 1.0 || add != 0.0).then_some((
                    keep,
                    add,
                    overlay.noise.get(plane).and_then(|noise| noise.data().get(k)).copied().unwrap_or(0.0),
                    overlay.least,
                ))
            });
            let (Some((keep, add, noise, least)), None) = (here.next(), here.next()) else { continue };
            if keep > LEAST_KEEP {
                let share = f32::from(hole.need()[plane].data()[at]) / 255.0;
                let source = raster.data()[at];
                let value = source + share * ((source - add) / keep - source);
                samples.push(Sample { at, value, keep, noise, least });
            }
        }
    }
    samples
}

/// The position of a sample in a raster that lies at `rect`.
fn place(rect: Rect, x: u32, y: u32) -> Option<usize> {
    let inside = (rect.x..rect.right()).contains(&x) && (rect.y..rect.bottom()).contains(&y);
    inside.then(|| ((y - rect.y) * rect.w + x - rect.x) as usize)
}

impl Buffers {
    /// The mean squared difference from `guess` around every sample, over the samples alone.
    fn energies(&mut self, samples: &[Sample], guess: &[f32], width: usize) -> &[f32] {
        self.energy.clear();
        self.energy.resize(guess.len(), 0.0);
        self.weight.clear();
        self.weight.resize(guess.len(), 0.0);
        for sample in samples {
            self.energy[sample.at] = (sample.value - guess[sample.at]).powi(2);
            self.weight[sample.at] = 1.0;
        }
        blur(&mut self.energy, width, &mut self.spare);
        blur(&mut self.weight, width, &mut self.spare);
        self.energy.iter_mut().zip(&self.weight).for_each(|(e, w)| *e = if *w > 0.0 { *e / *w } else { 0.0 });
        &self.energy
    }
}

/// Gaussian of [`SIGMA`] samples; nothing lies beyond the border.
fn blur(values: &mut [f32], width: usize, spare: &mut Vec<f32>) {
    let kernel: [f32; 2 * RADIUS + 1] = std::array::from_fn(|i| {
        let d = (i as f32 - RADIUS as f32) / SIGMA;
        (-0.5 * d * d).exp()
    });
    spare.clear();
    spare.resize(width + 2 * RADIUS, 0.0);
    for row in values.chunks_exact_mut(width.max(1)) {
        spare[RADIUS..RADIUS + width].copy_from_slice(row);
        for (x, out) in row.iter_mut().enumerate() {
            *out = spare[x..].iter().zip(&kernel).map(|(v, k)| v * k).sum();
        }
    }
    spare.clear();
    spare.extend_from_slice(values);
    let height = values.len() / width.max(1);
    values.fill(0.0);
    for (y, out) in values.chunks_exact_mut(width.max(1)).enumerate() {
        for (i, k) in kernel.iter().enumerate() {
            let Some(from) = (y + i).checked_sub(RADIUS).filter(|from| *from < height) else { continue };
            out.iter_mut().zip(&spare[from * width..][..width]).for_each(|(o, v)| *o += k * v);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fill::SpatialFill;
    use crate::format::{PixelFormat, PixelLayout};
    use crate::frame::{Frame, HostSurface, Patch, RowMut, Rows, Surface};
    use crate::matte::MattePlane;

    fn texture(plane: usize, x: u32, y: u32) -> f32 {
        let (x, y) = (x as f32, y as f32);
        110.0 + 30.0 * (x * 0.9 + plane as f32).sin() * (y * 0.7).cos() + 12.0 * (x * 0.11 + y * 0.23).sin()
    }

    /// `texture` under a mark of opacity `alpha` and colour `colour` in every plane, rounded as a clip is.
    fn marked(format: PixelFormat, rect: Rect, alpha: f32, colour: f32) -> (Frame, Frame, Matte) {
        let (w, h) = (96, 64);
        let code = (1u32 << (format.depth - 8)) as f32;
        let (mut clean, mut marked) = (HostSurface::new(format, w, h), HostSurface::new(format, w, h));
        let mut planes = Vec::new();
        for plane in 0..format.planes() {
            let (sw, sh) = format.subsampling(plane);
            let area = rect.subsampled(sw, sh);
            let (pw, ph) = format.plane_size(plane, w, h);
            for y in 0..ph {
                for (surface, on) in [(&mut clean, false), (&mut marked, true)] {
                    let code = |x: usize| {
                        let value = texture(plane, x as u32, y);
                        let covered = on && !format.is_alpha(plane) && place(area, x as u32, y).is_some();
                        (code * if covered { (1.0 - alpha) * value + alpha * colour } else { value }).round()
                    };
                    match surface.row_mut(plane, y) {
                        RowMut::U8(row) => {
                            row.iter_mut().take(pw as usize).enumerate().for_each(|(x, s)| *s = code(x) as u8)
                        }
                        RowMut::U16(row) => row.iter_mut().enumerate().for_each(|(x, s)| *s = code(x) as u16),
                    }
                }
            }
            if !format.is_alpha(plane) {
                let keep = Raster::new(area.w, area.h, 1.0 - alpha);
                let add = Raster::new(area.w, area.h, alpha * colour * code);
                planes.push(MattePlane { keep, add });
            }
        }
        let frame = |surface| Frame::new(3, 0, 1, (w, h), format, Box::new(surface));
        (frame(clean), frame(marked), Matte::new(rect, format, planes).unwrap())
    }

    fn restore(frame: &mut Frame, rect: Rect, rows: &[Rows], overlay: Overlay) -> [u64; 4] {
        let mut tier = Unblend::new(vec![overlay], vec![Box::new(SpatialFill::new())]);
        let mut counts = [0; 4];
        for rows in rows {
            let step = rows.start_step().1;
            let mut patch = Patch::default();
            frame.lift(
                Rect::new(rect.x, rect.y / step, rect.w, rect.h.div_ceil(step)).grow(16, 96, 64),
                *rows,
                &mut patch,
            );
            let mut hole = Hole::new(frame.idx, patch, &Mask::rectangle(rect));
            tier.restore(Window::default(), std::slice::from_mut(&mut hole));
            hole.close(frame).iter().zip(&mut counts).for_each(|(n, sum)| *sum += n);
        }
        counts
    }

    fn worst(a: &Frame, b: &Frame) -> f32 {
        worst_of(a, b, 0..a.format.planes())
    }

    fn worst_of(a: &Frame, b: &Frame, planes: Range<usize>) -> f32 {
        let mut worst = 0.0f32;
        for plane in planes {
            let mut patches = [Patch::default(), Patch::default()];
            a.lift(a.bounds(), Rows::All, &mut patches[0]);
            b.lift(b.bounds(), Rows::All, &mut patches[1]);
            let [a, b] = &patches;
            let pairs = a.planes[plane].data().iter().zip(b.planes[plane].data());
            worst = pairs.map(|(a, b)| (a - b).abs()).fold(worst, f32::max);
        }
        worst
    }

    fn overlay(matte: Matte, noise: f32) -> Overlay {
        let flat = |plane: &MattePlane| Raster::new(plane.keep.width(), plane.keep.height(), noise);
        let noise = Arc::new(matte.planes().iter().map(flat).collect());
        Overlay { span: 0..10, matte: Arc::new(matte), noise, gain: Vec::new(), path: Arc::default(), least: 0.0 }
    }

    #[test]
    fn a_known_mark_is_computed_away_in_every_format_on_frames_and_fields() {
        for (depth, layout, w, h, alpha) in [
            (8, PixelLayout::Yuv, 1, 1, false),
            (10, PixelLayout::Yuv, 1, 1, false),
            (8, PixelLayout::Yuv, 0, 0, true),
            (12, PixelLayout::Gray, 0, 0, false),
            (8, PixelLayout::Gbr, 0, 0, false),
        ] {
            let format = PixelFormat { layout, depth, log2_chroma_w: w, log2_chroma_h: h, alpha };
            let rect = Rect::new(30, 20, 32, 20);
            for rows in [&[Rows::All][..], &[Rows::Top, Rows::Bottom]] {
                let (clean, mut frame, matte) = marked(format, rect, 0.5, 235.0);
                let counts = restore(&mut frame, rect, rows, overlay(matte, 0.0));
                // Half a code of rounding, doubled by the inverse, and the rounding of the result.
                assert!(worst(&clean, &frame) <= 2.0, "{format:?} {rows:?}: {}", worst(&clean, &frame));
                assert_eq!(counts, [0, 32 * 20, 0, 0], "{format:?} {rows:?}");
            }
        }
    }

    #[test]
    fn what_the_mark_hides_and_what_noise_drowns_comes_from_the_prior() {
        let (format, rect) = (PixelFormat::YUV420P8, Rect::new(30, 20, 32, 20));
        let (_, mut frame, matte) = marked(format, rect, 0.95, 235.0);
        let counts = restore(&mut frame, rect, &[Rows::All], overlay(matte, 0.0));
        assert_eq!(counts, [640, 0, 0, 0], "too little is left: open for the tiers that follow");
        let (_, mut frame, matte) = marked(format, rect, 0.5, 235.0);
        let counts = restore(&mut frame, rect, &[Rows::All], overlay(matte, 200.0));
        assert_eq!(counts, [0, 0, 0, 640], "settled by what was drowned, with its origin");
    }

    #[test]
    fn a_mark_that_moves_is_computed_away_where_its_path_says() {
        let (format, rect) = (PixelFormat::YUV420P8, Rect::new(30, 20, 32, 20));
        let (clean, frame, _) = marked(format, rect, 0.5, 235.0);
        // The same matte, known from elsewhere: whole chroma samples away, and between them.
        for by in [(14, -6), (-30, -20), (5, 3)] {
            let from = Rect::new(rect.x.saturating_add_signed(-by.0), rect.y.saturating_add_signed(-by.1), 32, 20);
            let (_, _, matte) = marked(format, from, 0.5, 235.0);
            let path = Arc::new(vec![(2, (50, 40)), (3, by), (4, (0, 0))]);
            let mut done = frame.clone();
            let counts = restore(&mut done, rect, &[Rows::All], Overlay { path, ..overlay(matte, 0.0) });
            assert_eq!(counts, [0, 32 * 20, 0, 0], "{by:?}");
            // The border of a matte that lies between chroma samples is not that of the mark.
            let planes = if by.0 % 2 == 0 { 0..3 } else { 0..1 };
            assert!(worst_of(&clean, &done, planes.clone()) <= 2.0, "{by:?} {planes:?}");
        }
        let mut missing = frame.clone();
        let (_, _, matte) = marked(format, rect, 0.5, 235.0);
        let path = Arc::new(vec![(2, (0, 0)), (4, (0, 0))]);
        assert_eq!(restore(&mut missing, rect, &[Rows::All], Overlay { path, ..overlay(matte, 0.0) })[1], 0);
    }

    #[test]
    fn a_fading_mark_is_computed_away_by_its_gain() {
        let (format, rect) = (PixelFormat::YUV420P8, Rect::new(30, 20, 32, 20));
        let (clean, mut frame, _) = marked(format, rect, 0.3, 235.0);
        let (_, _, full) = marked(format, rect, 0.6, 235.0);
        let overlay = Overlay { gain: vec![(1, 0.25), (5, 0.75)], ..overlay(full, 0.0) };
        assert_eq!((overlay.gain_at(0), overlay.gain_at(3), overlay.gain_at(9)), (Some(0.25), Some(0.5), Some(0.75)));
        assert_eq!(overlay.gain_at(10), None);
        restore(&mut frame, rect, &[Rows::All], overlay);
        assert!(worst(&clean, &frame) <= 2.0, "{}", worst(&clean, &frame));
    }
}
