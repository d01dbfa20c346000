//! Flashes: whether a mark shows on a frame from which it should be gone.
//!
//! What was taken away over a run of frames, averaged, is the mark with the scene averaged out. Its slopes are the template
//! that encoded frames are compared with: a frame that still carries the mark has them in itself. Knows the colour
//! planes of frames; refuses to know what is done about a flash.

use crate::format::PixelFormat;
use crate::frame::{Frame, FrameIdx, Row};
use crate::geometry::Rect;
use crate::mask::Mask;
use crate::roam::part;

/// A flash: more than this share of the mark's slopes is in the frame, and they are this much of the slopes that are there
/// (calibrated on encodes with and without the mark, restoration notes, section 9).
const SHARE: f32 = 0.10;
const LIKENESS: f32 = 0.20;
/// And this many times what the scene shows of it by chance: among strong edges of its own a ghost cannot be seen.
const BEYOND: f32 = 3.0;

/// Every so many frames what lies beside the mark is looked at; over so many such looks what remains of it is averaged.
const EVERY: usize = 4;
const RUN: usize = 6;
/// Share and likeness in the mean over a run from which it is a flash on its frames.
const LASTING: f32 = 0.10;
const LASTING_LIKENESS: f32 = 0.08;

/// A ghost: along the mark's edges the frame is rougher than between them, by this many times in squared slopes, by this share
/// of the mark's own slopes and so many 8-bit codes a sample, on this many frames of a run of as many more.
const ROUGHER: f32 = 3.0;
const ROUGH_SHARE: f32 = 0.12;
const ROUGH_CODES: f32 = 2.0;
const ROUGH_FRAMES: usize = 3;

/// Slopes of a template below this share of its steepest ones are the scene's.
const STEEP: f32 = 0.15;

/// A template whose steepest slopes are below this many 8-bit codes a sample shows nothing that could be seen.
const FAINT: f32 = 3.0;

/// Slopes of a plane in chroma count by this much more: they are half as many, and its edges are softer.
const CHROMA: f32 = 1.5;

/// Variance of the restored sample, in squared 8-bit codes, below which nothing is learnt of what the mark hides.
const STEADY: f32 = 9.0;

/// What was taken away at one place, summed over frames.
#[derive(Clone, Debug)]
pub struct Removed {
    rect: Rect,
    /// Per sample of all colour planes: what was taken away, what is there now, its square, and the product of both.
    sums: Vec<[f32; 4]>,
    frames: u32,
    format: Option<PixelFormat>,
}

impl Removed {
    /// Nothing yet, of a mark that `mask` covers in frames of `width` x `height`.
    pub fn new(mask: &Mask, width: u32, height: u32) -> Self {
        let rect = mask.rect().grow(2, width, height);
        Self { rect, sums: Vec::new(), frames: 0, format: None }
    }

    /// What a frame shows there before its restoration, for [`add`](Self::add).
    pub fn before(&self, source: &Frame) -> Vec<f32> {
        planes(source, self.rect).concat()
    }

    /// Adds the difference to the same frame after its restoration.
    pub fn add(&mut self, before: &[f32], restored: &Frame) {
        self.frames += 1;
        self.format = Some(restored.format);
        let after = planes(restored, self.rect).concat();
        self.sums.resize(after.len(), [0.0; 4]);
        for (sums, (before, after)) in self.sums.iter_mut().zip(before.iter().zip(&after)) {
            let (taken, now) = (before - after, after - MIDDLE);
            sums.iter_mut().zip([taken, now, now * now, taken * now]).for_each(|(sum, value)| *sum += value);
        }
    }

    /// The template; `None` where too little was taken away to be seen.
    pub fn template(&self) -> Option<Template> {
        let format = self.format.filter(|_| !self.rect.is_empty())?;
        let count = self.frames as f32;
        let means: Vec<[f32; 4]> = self.sums.iter().map(|sums| sums.map(|sum| sum / count)).collect();
        let mut parts = Vec::new();
        let mut at = 0;
        for (plane, area) in plane_rects(format, self.rect) {
            let own = means.get(at..at + area.area() as usize)?;
            at += own.len();
            let taken: Vec<f32> = own.iter().map(|mean| mean[0]).collect();
            // What is taken away falls with what lies behind by the mark's opacity.
            let hidden: Vec<f32> = own
                .iter()
                .map(|[taken, now, square, product]| {
                    let (variance, common) = (square - now * now, product - taken * now);
                    (-common / (variance + STEADY)).clamp(0.0, 1.0)
                })
                .collect();
            let level = own.iter().map(|mean| mean[1] + MIDDLE).sum::<f32>() / own.len().max(1) as f32;
            let weight = if format.is_chroma(plane) { CHROMA } else { 1.0 };
            let width = area.w as usize;
            let slopes = [slopes(&taken, width), slopes(&hidden, width)];
            parts.push(Part { plane, level, weight, slopes });
        }
        let template = Template { rect: self.rect, parts };
        template.is_visible().then_some(template)
    }
}

/// What a mark adds to the slopes of one plane.
#[derive(Clone, Debug)]
struct Part {
    plane: usize,
    /// Mean of the restored samples, in 8-bit codes.
    level: f32,
    weight: f32,
    /// Over a background of that level, and what each code less of it adds.
    slopes: [Vec<[f32; 2]>; 2],
}

impl Part {
    /// Its slopes over a background of `level`, without those that may be the scene's.
    fn over(&self, level: f32) -> Vec<[f32; 2]> {
        let by = self.level - level;
        let [mean, more] = &self.slopes;
        let mut slopes: Vec<[f32; 2]> =
            mean.iter().zip(more).map(|(a, b)| [a[0] + by * b[0], a[1] + by * b[1]]).collect();
        let least = STEEP * steepest(&slopes);
        slopes.iter_mut().filter(|slope| slope[0].hypot(slope[1]) < least).for_each(|slope| *slope = [0.0; 2]);
        slopes
    }
}

/// The slopes of a mark where it lies.
#[derive(Clone, Debug)]
pub struct Template {
    rect: Rect,
    parts: Vec<Part>,
}

/// How much of a mark a frame shows.
#[derive(Clone, Debug, PartialEq)]
pub struct Shown {
    /// The frame.
    pub idx: FrameIdx,
    /// Share of the mark's slopes, 1 for the mark as it was taken away; negative where it was taken away twice.
    pub share: f32,
    /// Correlation with the slopes of the frame there, -1..=1.
    pub likeness: f32,
    /// Slopes along the mark's edges beyond those between them, as a share of the mark's own; 0 where they are no rougher than
    /// chance makes them. What is left of a mark in the wrong colours, or twice taken away, is seen by this.
    pub ghost: f32,
    /// Shares of what lies beside the mark, in all directions: what the scene has of it by chance. Empty where it was not
    /// looked for.
    pub beside: Vec<f32>,
}

impl Shown {
    /// Whether the frame may be a flash, as far as can be told without what lies beside the mark.
    fn is_suspect(&self) -> bool {
        self.share > SHARE && self.likeness > LIKENESS
    }
}

impl Template {
    /// Whether people would see the mark.
    fn is_visible(&self) -> bool {
        self.parts.iter().any(|part| part.weight * steepest(&part.over(part.level)) >= FAINT)
    }

    /// How much of the mark `frame` shows; `None` where it lies on what has its own brightness, so that nobody would see it.
    /// `place`: its rectangle there, of which and of its surroundings what lies in `whole` is the picture's.
    fn shown(&self, frame: &Frame, idx: FrameIdx, (place, whole): (Rect, Rect), is_sample: bool) -> Option<Shown> {
        // Its slopes depend on the brightness that it lies on.
        let shapes: Vec<Vec<[f32; 2]>> = self
            .parts
            .iter()
            .zip(planes(frame, place))
            .map(|(part, here)| part.over(here.iter().sum::<f32>() / here.len().max(1) as f32))
            .collect();
        self.parts.iter().zip(&shapes).find(|(part, shape)| part.weight * steepest(shape) >= FAINT)?;
        let (share, likeness) = self.compared(&shapes, frame, place);
        let mut ghost = self
            .ghost(&shapes, frame, place)
            .filter(|(rough, clear)| *clear && *rough > ROUGH_SHARE)
            .map_or(0.0, |g| g.0);
        if ghost > 0.0 {
            // What the scene has of it by chance beside the mark.
            let beside = self.places(place, whole).flatten().filter_map(|rect| self.ghost(&shapes, frame, rect));
            let (squares, count) = beside.fold((0.0f32, 0.0f32), |(sum, n), (rough, _)| (sum + rough * rough, n + 1.0));
            if ghost <= BEYOND * (squares / f32::max(count, 1.0)).sqrt() {
                ghost = 0.0;
            }
        }
        let mut shown = Shown { idx, share, likeness, ghost, beside: Vec::new() };
        if is_sample || shown.is_suspect() {
            shown.beside = self.beside(&shapes, frame, place, whole);
        }
        Some(shown)
    }

    /// Samples of luma between the places beside the mark, whole ones of every plane.
    const fn steps(&self) -> (u32, u32) {
        (self.rect.w.div_ceil(8) * 4, self.rect.h.div_ceil(8) * 4)
    }

    /// What the frame shows of the mark beside it; not a number where the frame ends.
    fn beside(&self, shapes: &[Vec<[f32; 2]>], frame: &Frame, place: Rect, whole: Rect) -> Vec<f32> {
        self.places(place, whole)
            .map(|rect| rect.map_or(f32::NAN, |rect| self.compared(shapes, frame, rect).0))
            .collect()
    }

    /// Places beside `place`: in all directions, half its size away; `None` for those that do not lie in `whole`.
    fn places(&self, place: Rect, whole: Rect) -> impl Iterator<Item = Option<Rect>> {
        let Rect { x, y, w, h } = place;
        let (dx, dy) = self.steps();
        let (dx, dy) = (i64::from(dx), i64::from(dy));
        let around = [(1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, 1), (1, -1), (-1, -1), (2, 0), (-2, 0)];
        around.into_iter().map(move |(u, v)| {
            let (x, y) = (i64::from(x) + u * dx, i64::from(y) + v * dy);
            let corner = u32::try_from(x).ok().zip(u32::try_from(y).ok());
            corner.map(|(x, y)| Rect::new(x, y, w, h)).filter(|rect| rect.intersect(&whole) == *rect)
        })
    }

    /// How much rougher the frame is along the mark's edges than between them, as a share of the mark's own slopes, and whether
    /// that is clear and can be seen.
    fn ghost(&self, shapes: &[Vec<[f32; 2]>], frame: &Frame, rect: Rect) -> Option<(f32, bool)> {
        let mut worst: Option<(f32, bool)> = None;
        for (part, (shape, (_, area))) in self.parts.iter().zip(shapes.iter().zip(plane_rects(frame.format, rect))) {
            let here = slopes(&samples(frame, part.plane, area), area.w as usize);
            // Squares and numbers of the slopes between the edges and along them, and the mark's own.
            let mut sums = [[0.0f32; 2]; 2];
            let mut own = 0.0;
            for (a, b) in shape.iter().zip(here) {
                let sum = &mut sums[usize::from(*a != [0.0; 2])];
                sum[0] += b[0] * b[0] + b[1] * b[1];
                sum[1] += 1.0;
                own += a[0] * a[0] + a[1] * a[1];
            }
            let [[between, others], [along, edges]] = sums;
            // Where nearly all of a mark is edges there is nothing to compare with.
            if others < 0.25 * (others + edges) || edges < 1.0 || own == 0.0 {
                continue;
            }
            let (between, along, own) = (between / others, along / edges, own / edges);
            let visible = ROUGH_CODES / part.weight;
            let is_clear = along > ROUGHER * between && along - between > visible * visible;
            let rough = ((along - between).max(0.0) / own).sqrt();
            if worst.is_none_or(|worst| (is_clear, rough) > (worst.1, worst.0)) {
                worst = Some((rough, is_clear));
            }
        }
        worst
    }

    /// Share of the slopes at `rect`, and their correlation.
    fn compared(&self, shapes: &[Vec<[f32; 2]>], frame: &Frame, rect: Rect) -> (f32, f32) {
        let (mut along, mut own, mut energy) = (0.0f32, 0.0f32, 0.0f32);
        for (part, (shape, (_, area))) in self.parts.iter().zip(shapes.iter().zip(plane_rects(frame.format, rect))) {
            let here = slopes(&samples(frame, part.plane, area), area.w as usize);
            let weight = part.weight * part.weight;
            for (a, b) in shape.iter().zip(here).filter(|(a, _)| **a != [0.0; 2]) {
                along += weight * (a[0] * b[0] + a[1] * b[1]);
                own += weight * (b[0] * b[0] + b[1] * b[1]);
                energy += weight * (a[0] * a[0] + a[1] * a[1]);
            }
        }
        let likeness = if own > 0.0 { along / (own * energy).sqrt() } else { 0.0 };
        (along / energy.max(1e-6), likeness)
    }
}

/// The search for one mark in the frames of a run, in order.
///
/// A frame that shows much more of the mark than the scene has by chance is a flash by itself. What remains of a mark on all
/// frames may be too little for that; over some frames the scene averages out and it does not.
#[derive(Clone, Debug)]
pub struct Search<'a> {
    template: &'a Template,
    looks: Vec<Shown>,
    seen: usize,
}

impl<'a> Search<'a> {
    /// For the mark of `template`.
    pub const fn new(template: &'a Template) -> Self {
        Self { template, looks: Vec::new(), seen: 0 }
    }

    /// Looks at the next frame, whose number is `idx`.
    pub fn look(&mut self, frame: &Frame, idx: FrameIdx) {
        let is_sample = self.seen.is_multiple_of(EVERY);
        self.seen += 1;
        let place = (self.template.rect, frame.bounds());
        self.looks.extend(self.template.shown(frame, idx, place, is_sample));
    }

    /// As [`look`](Self::look) for a mark that moves: the template is that of the frames as seen from it
    /// ([`crate::roam::part`]), the first sample of which lies at `origin`.
    pub fn look_from(&mut self, frame: &Frame, idx: FrameIdx, origin: (i32, i32)) {
        let is_sample = self.seen.is_multiple_of(EVERY);
        self.seen += 1;
        let (own, (dx, dy)) = (self.template.rect, self.template.steps());
        // Room for what lies beside it, by whole samples of every plane.
        let (mx, my) = (2 * dx, dy);
        let corner = (origin.0 + own.x as i32 - mx as i32, origin.1 + own.y as i32 - my as i32);
        let corner = (corner.0 - (own.x & 3) as i32, corner.1 - (own.y & 3) as i32);
        let place = Rect::new(mx + (own.x & 3), my + (own.y & 3), own.w, own.h);
        let seen = part(frame, corner, (place.right() + mx, place.bottom() + my));
        // Where the picture begins and ends in it.
        let inner = |at: i32, length: u32| at.clamp(0, length as i32) as u32;
        let (x, y) = (inner(-corner.0, seen.width), inner(-corner.1, seen.height));
        let (right, bottom) = (frame.width as i32 - corner.0, frame.height as i32 - corner.1);
        let whole = Rect::new(x, y, inner(right, seen.width).max(x) - x, inner(bottom, seen.height).max(y) - y);
        self.looks.extend(self.template.shown(&seen, idx, (place, whole), is_sample));
    }

    /// What was seen, frame by frame.
    pub fn looks(&self) -> &[Shown] {
        &self.looks
    }

    /// The frames on which people can see the mark, with the share of it that they show, in order.
    pub fn flashes(&self) -> Vec<(FrameIdx, f32)> {
        let mut is_flash: Vec<bool> =
            self.looks.iter().map(|look| look.is_suspect() && look.share > BEYOND * chance(&[look])).collect();
        let samples: Vec<usize> = (0..self.looks.len()).filter(|k| !self.looks[*k].beside.is_empty()).collect();
        for run in samples.windows(RUN.min(samples.len()).max(1)) {
            let looks: Vec<&Shown> = run.iter().map(|k| &self.looks[*k]).collect();
            let mean = |of: fn(&Shown) -> f32| looks.iter().map(|look| of(look)).sum::<f32>() / looks.len() as f32;
            let (share, likeness) = (mean(|look| look.share), mean(|look| look.likeness));
            let enough = run.len() > 2 && share > LASTING && likeness > LASTING_LIKENESS;
            if enough && share > BEYOND * chance(&looks) {
                let (first, last) = (run[0], run[run.len() - 1]);
                (first..=last).for_each(|k| is_flash[k] |= self.looks[k].share > SHARE);
            }
        }
        for run in 0..self.looks.len().saturating_sub(2 * ROUGH_FRAMES - 1) {
            let run = run..run + 2 * ROUGH_FRAMES;
            if self.looks[run.clone()].iter().filter(|look| look.ghost > 0.0).count() >= ROUGH_FRAMES {
                run.for_each(|k| is_flash[k] |= self.looks[k].ghost > 0.0);
            }
        }
        let flashes = self.looks.iter().zip(is_flash).filter(|(_, flash)| *flash);
        flashes.map(|(look, _)| (look.idx, look.share.max(look.ghost))).collect()
    }
}

/// What the scene shows by chance in the mean over `looks`: the root mean square over the places beside the mark.
fn chance(looks: &[&Shown]) -> f32 {
    let places = looks.iter().map(|look| look.beside.len()).min().unwrap_or(0);
    let means = (0..places).map(|n| looks.iter().map(|look| look.beside[n]).sum::<f32>() / looks.len() as f32);
    let squares: Vec<f32> = means.filter(|mean| mean.is_finite()).map(|mean| mean * mean).collect();
    (squares.iter().sum::<f32>() / squares.len().max(1) as f32).sqrt()
}

/// Middle of the 8-bit codes: sums of what lies about it stay precise.
const MIDDLE: f32 = 128.0;

/// The length that one in a hundred slopes exceeds.
fn steepest(slopes: &[[f32; 2]]) -> f32 {
    let mut sizes: Vec<f32> = slopes.iter().map(|[x, y]| x.hypot(*y)).collect();
    if sizes.is_empty() {
        return 0.0;
    }
    let at = sizes.len() * 99 / 100;
    *sizes.select_nth_unstable_by(at, f32::total_cmp).1
}

/// The planes that show colour, with the part of each that `rect` (luma samples) reaches.
fn plane_rects(format: PixelFormat, rect: Rect) -> impl Iterator<Item = (usize, Rect)> {
    (0..format.planes()).filter(move |plane| !format.is_alpha(*plane)).map(move |plane| {
        let (sw, sh) = format.subsampling(plane);
        (plane, rect.subsampled(sw, sh))
    })
}

/// The colour planes in `rect`, in 8-bit codes.
fn planes(frame: &Frame, rect: Rect) -> Vec<Vec<f32>> {
    plane_rects(frame.format, rect).map(|(plane, area)| samples(frame, plane, area)).collect()
}

/// A plane in `area` of its own samples, in 8-bit codes.
fn samples(frame: &Frame, plane: usize, area: Rect) -> Vec<f32> {
    let scale = 1.0 / (1u32 << (frame.format.depth - 8)) as f32;
    let columns = area.x as usize..area.right() as usize;
    let mut out = Vec::with_capacity(area.area() as usize);
    for y in area.y..area.bottom() {
        match frame.row(plane, y) {
            Row::U8(row) => out.extend(row[columns.clone()].iter().map(|s| f32::from(*s))),
            Row::U16(row) => out.extend(row[columns.clone()].iter().map(|s| f32::from(*s) * scale)),
        }
    }
    out
}

/// Differences to the right and the lower neighbour; 0 at the border.
fn slopes(values: &[f32], width: usize) -> Vec<[f32; 2]> {
    let at = |k: usize| values.get(k).copied();
    (0..values.len())
        .map(|k| {
            let right = if (k + 1) % width.max(1) == 0 { None } else { at(k + 1) };
            let own = values[k];
            [right.map_or(0.0, |v| v - own), at(k + width).map_or(0.0, |v| v - own)]
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{HostSurface, RowMut, Surface};

    const MARK: Rect = Rect::new(20, 16, 30, 12);

    /// A scene that pans, under a mark of letters with the opacity `alpha`.
    fn frame(t: u32, alpha: f32, depth: u8) -> Frame {
        let format = PixelFormat { depth, ..PixelFormat::GRAY8 };
        let (w, h) = (80, 48);
        let code = (1u32 << (depth - 8)) as f32;
        let mut surface = HostSurface::new(format, w, h);
        for y in 0..h {
            let value = |x: u32| {
                let (u, v) = ((x + 2 * t) as f32, y as f32);
                let scene = 110.0 + 30.0 * (u * 0.3).sin() + 20.0 * (v * 0.25 + u * 0.11).cos();
                let inside = MARK.contains(x, y) && ((x - MARK.x) / 4).is_multiple_of(2);
                (code * if inside { scene + alpha * (235.0 - scene) } else { scene }).round()
            };
            match surface.row_mut(0, y) {
                RowMut::U8(row) => (0..).zip(row.iter_mut()).for_each(|(x, s)| *s = value(x) as u8),
                RowMut::U16(row) => (0..).zip(row.iter_mut()).for_each(|(x, s)| *s = value(x) as u16),
            }
        }
        Frame::new(u64::from(t), 0, 1, (w, h), format, Box::new(surface))
    }

    #[test]
    fn a_frame_that_still_shows_the_mark_is_told_from_one_that_does_not() {
        for depth in [8, 10] {
            let mut removed = Removed::new(&Mask::rectangle(MARK), 80, 48);
            assert!(removed.template().is_none(), "nothing was taken away yet");
            (0..20).for_each(|t| removed.add(&removed.before(&frame(t, 0.5, depth)), &frame(t, 0.0, depth)));
            let template = removed.template().unwrap();
            let flashes = |alpha: &dyn Fn(u32) -> f32| {
                let mut search = Search::new(&template);
                (0..40).for_each(|t| search.look(&frame(t, alpha(t), depth), u64::from(t)));
                search.flashes()
            };
            assert_eq!(flashes(&|_| 0.5).len(), 40, "with the mark");
            assert_eq!(flashes(&|_| 0.0), [], "without");
            let one = flashes(&|t| if t == 13 { 0.5 } else { 0.0 });
            assert_eq!(one.iter().map(|f| f.0).collect::<Vec<_>>(), [13]);
            let ghost = flashes(&|_| 0.12);
            assert!(ghost.len() > 36 && ghost.iter().all(|(_, share)| (0.1..0.5).contains(share)), "{ghost:?}");
        }
    }

    #[test]
    fn a_mark_that_was_taken_away_twice_leaves_a_ghost() {
        let mark = Rect::new(60, 50, 36, 20);
        let draw = |t: u32, alpha: f32| {
            let mut surface = HostSurface::new(PixelFormat::GRAY8, 160, 120);
            for y in 0..120 {
                let value = |x: u32| {
                    let scene = 110.0 + 30.0 * ((x + 2 * t) as f32 * 0.1).sin() + 20.0 * (y as f32 * 0.07).cos();
                    // Letters of no regular shape.
                    let cell: u32 = (x / 4).wrapping_mul(0x9E37_79B1) ^ (y / 4_u32).wrapping_mul(0x85EB_CA77);
                    let inside = mark.contains(x, y) && (cell ^ cell >> 15).wrapping_mul(0x2C1B_3C6D) >> 31 == 1;
                    (if inside { scene + alpha * (235.0 - scene) } else { scene }).round() as u8
                };
                if let RowMut::U8(row) = surface.row_mut(0, y) {
                    (0..).zip(row.iter_mut()).for_each(|(x, s)| *s = value(x));
                }
            }
            Frame::new(u64::from(t), 0, 1, (160, 120), PixelFormat::GRAY8, Box::new(surface))
        };
        let mut removed = Removed::new(&Mask::rectangle(mark), 160, 120);
        (0..20).for_each(|t| removed.add(&removed.before(&draw(t, 0.5)), &draw(t, 0.0)));
        let template = removed.template().unwrap();
        let flashes = |alpha: &dyn Fn(u32) -> f32| {
            let mut search = Search::new(&template);
            (0..40).for_each(|t| search.look(&draw(t, alpha(t)), u64::from(t)));
            search.flashes().into_iter().map(|f| f.0).collect::<Vec<_>>()
        };
        assert_eq!(flashes(&|_| 0.0).len(), 0);
        assert_eq!(flashes(&|t| if (10..16).contains(&t) { -0.2 } else { 0.0 }), [10, 11, 12, 13, 14, 15]);
        assert_eq!(flashes(&|t| if t == 13 { -0.2 } else { 0.0 }).len(), 0, "too short to be seen");
    }

    #[test]
    fn a_mark_that_moves_is_searched_for_where_it_lies() {
        let place = |t: u32| (3 + t, 9 + t / 3);
        let draw = |t: u32, alpha: f32| {
            let clean = frame(t, 0.0, 8);
            let mut surface = HostSurface::new(clean.format, 80, 48);
            for y in 0..48 {
                let (Row::U8(from), RowMut::U8(row)) = (clean.row(0, y), surface.row_mut(0, y)) else { continue };
                row.copy_from_slice(from);
                for (x, s) in (0..).zip(row) {
                    let inside = Rect::new(place(t).0, place(t).1, 30, 12).contains(x, y);
                    if inside && ((x - place(t).0) / 4).is_multiple_of(2) {
                        *s = (f32::from(*s) + alpha * (235.0 - f32::from(*s))).round() as u8;
                    }
                }
            }
            Frame::new(u64::from(t), 0, 1, (80, 48), clean.format, Box::new(surface))
        };
        // Seen from 10 samples left of it and 8 above.
        let origin = |t: u32| (place(t).0 as i32 - 10, place(t).1 as i32 - 8);
        let seen = |frame: &Frame, t: u32| part(frame, origin(t), (50, 30));
        let mut removed = Removed::new(&Mask::rectangle(Rect::new(10, 8, 30, 12)), 50, 30);
        (0..30).for_each(|t| removed.add(&removed.before(&seen(&draw(t, 0.5), t)), &seen(&draw(t, 0.0), t)));
        let template = removed.template().unwrap();
        let flashes = |alpha: &dyn Fn(u32) -> f32| {
            let mut search = Search::new(&template);
            (0..40).for_each(|t| search.look_from(&draw(t, alpha(t)), u64::from(t), origin(t)));
            search.flashes().into_iter().map(|f| f.0).collect::<Vec<_>>()
        };
        assert_eq!(flashes(&|_| 0.5).len(), 40, "with the mark");
        assert_eq!(flashes(&|_| 0.0).len(), 0, "without");
        assert_eq!(flashes(&|t| if t == 13 { 0.5 } else { 0.0 }), [13]);
    }

    #[test]
    fn edges_that_the_scene_has_everywhere_are_no_mark() {
        let mut removed = Removed::new(&Mask::rectangle(MARK), 80, 48);
        (0..20).for_each(|t| removed.add(&removed.before(&frame(t, 0.5, 8)), &frame(t, 0.0, 8)));
        let template = removed.template().unwrap();
        // A fence with the spacing of the mark's bars, over the whole picture.
        let format = PixelFormat::GRAY8;
        let mut surface = HostSurface::new(format, 80, 48);
        for y in 0..48 {
            if let RowMut::U8(row) = surface.row_mut(0, y) {
                row.iter_mut().enumerate().for_each(|(x, s)| *s = if (x / 4) % 2 == 1 { 190 } else { 90 });
            }
        }
        let fence = Frame::new(0, 0, 1, (80, 48), format, Box::new(surface));
        let mut search = Search::new(&template);
        (0..24).for_each(|idx| search.look(&fence, idx));
        assert!(search.looks().iter().all(|look| look.share > SHARE && look.likeness > LIKENESS));
        assert_eq!(search.flashes(), []);
    }

    #[test]
    fn what_cannot_be_seen_makes_no_template() {
        let mut removed = Removed::new(&Mask::rectangle(MARK), 80, 48);
        (0..20).for_each(|t| removed.add(&removed.before(&frame(t, 0.01, 8)), &frame(t, 0.0, 8)));
        assert!(removed.template().is_none());
    }
}
