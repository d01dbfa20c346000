//! Flashes: whether a mark shows on a frame from which it should be gone.
//!
//! What was taken away over a run of frames, averaged, is the mark with the scene averaged out. Its slopes are the template
//! that encoded frames are compared with: a frame that still carries the mark has them in itself. Knows luma (or the first
//! plane) of frames; refuses to know what is done about a flash.

use crate::frame::{Frame, Row};
use crate::geometry::Rect;
use crate::mask::Mask;

/// A flash: more than this share of the mark's slopes is in the frame, and they are this much of the slopes that are there
/// (calibrated on encodes with and without the mark, restoration notes, section 9).
const SHARE: f32 = 0.10;
const LIKENESS: f32 = 0.20;
/// And this many times what the scene shows of it by chance: among strong edges of its own a ghost cannot be seen.
const BEYOND: f32 = 3.0;

/// Slopes of a template below this share of its steepest ones are the scene's.
const STEEP: f32 = 0.15;

/// A template whose steepest slopes are below this many 8-bit codes a sample shows nothing that could be seen.
const FAINT: f32 = 3.0;

/// What was taken away at one place, summed over frames.
#[derive(Clone, Debug)]
pub struct Removed {
    rect: Rect,
    sum: Vec<f32>,
    frames: u32,
}

impl Removed {
    /// Nothing yet, of a mark that `mask` covers in frames of `width` x `height`.
    pub fn new(mask: &Mask, width: u32, height: u32) -> Self {
        let rect = mask.rect().grow(2, width, height);
        Self { rect, sum: vec![0.0; rect.area() as usize], frames: 0 }
    }

    /// What a frame shows there before its restoration, for [`add`](Self::add).
    pub fn before(&self, source: &Frame) -> Vec<f32> {
        luma(source, self.rect)
    }

    /// Adds the difference to the same frame after its restoration.
    pub fn add(&mut self, before: &[f32], restored: &Frame) {
        self.frames += 1;
        let after = luma(restored, self.rect);
        self.sum.iter_mut().zip(before.iter().zip(&after)).for_each(|(sum, (a, b))| *sum += a - b);
    }

    /// The template; `None` where too little was taken away to be seen.
    pub fn template(&self) -> Option<Template> {
        if self.frames == 0 || self.rect.is_empty() {
            return None;
        }
        let mean: Vec<f32> = self.sum.iter().map(|sum| sum / self.frames as f32).collect();
        let mut slopes = slopes(&mean, self.rect.w as usize);
        let mut sizes: Vec<f32> = slopes.iter().map(|[x, y]| x.hypot(*y)).collect();
        let at = sizes.len() * 99 / 100;
        let steepest = *sizes.select_nth_unstable_by(at, f32::total_cmp).1;
        if steepest < FAINT {
            return None;
        }
        for slope in &mut slopes {
            if slope[0].hypot(slope[1]) < STEEP * steepest {
                *slope = [0.0; 2];
            }
        }
        let energy = slopes.iter().map(|[x, y]| x * x + y * y).sum();
        Some(Template { rect: self.rect, slopes, energy })
    }
}

/// The slopes of a mark where it lies.
#[derive(Clone, Debug)]
pub struct Template {
    rect: Rect,
    slopes: Vec<[f32; 2]>,
    energy: f32,
}

/// How much of a mark a frame shows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shown {
    /// Share of the mark's slopes, 1 for the mark as it was taken away; negative where it was taken away twice.
    pub share: f32,
    /// Correlation with the slopes of the frame there, -1..=1.
    pub likeness: f32,
    /// Share that the scene has of them by chance: what is found beside the mark. 0 where nothing had to be looked for.
    pub chance: f32,
}

impl Shown {
    /// Whether people can see it.
    pub fn is_flash(self) -> bool {
        self.share > SHARE && self.likeness > LIKENESS && self.share > BEYOND * self.chance
    }
}

impl Template {
    /// How much of the mark `frame` shows.
    pub fn shown(&self, frame: &Frame) -> Shown {
        let (share, likeness) = self.compared(frame, self.rect);
        let chance = if share > SHARE && likeness > LIKENESS { self.chance(frame) } else { 0.0 };
        Shown { share, likeness, chance }
    }

    /// The root mean square of what the frame shows of the mark beside it: in all directions, by half its size and more.
    fn chance(&self, frame: &Frame) -> f32 {
        let Rect { x, y, w, h } = self.rect;
        let whole = frame.bounds();
        let (dx, dy) = (i64::from(w.div_ceil(2)).max(4), i64::from(h.div_ceil(2)).max(4));
        let steps = [-2i64, -1, 0, 1, 2];
        let around = steps.iter().flat_map(|v| steps.iter().map(move |u| (*u, *v))).filter(|step| *step != (0, 0));
        let shares: Vec<f32> = around
            .filter_map(|(u, v)| {
                let (x, y) = (i64::from(x) + u * dx, i64::from(y) + v * dy);
                let rect = Rect::new(u32::try_from(x).ok()?, u32::try_from(y).ok()?, w, h);
                (rect.intersect(&whole) == rect).then(|| self.compared(frame, rect).0)
            })
            .collect();
        let squares: f32 = shares.iter().map(|share| share * share).sum();
        (squares / shares.len().max(1) as f32).sqrt()
    }

    /// Share of the template's slopes at `rect`, and their correlation.
    fn compared(&self, frame: &Frame, rect: Rect) -> (f32, f32) {
        let picture = luma(frame, rect);
        let (mut along, mut own) = (0.0f32, 0.0f32);
        for (a, b) in self.slopes.iter().zip(slopes(&picture, rect.w as usize)) {
            if *a != [0.0; 2] {
                along += a[0] * b[0] + a[1] * b[1];
                own += b[0] * b[0] + b[1] * b[1];
            }
        }
        let likeness = if own > 0.0 { along / (own * self.energy).sqrt() } else { 0.0 };
        (along / self.energy, likeness)
    }
}

/// The first plane in `rect`, in 8-bit codes.
fn luma(frame: &Frame, rect: Rect) -> Vec<f32> {
    let scale = 1.0 / (1u32 << (frame.format.depth - 8)) as f32;
    let columns = rect.x as usize..rect.right() as usize;
    let mut out = Vec::with_capacity(rect.area() as usize);
    for y in rect.y..rect.bottom() {
        match frame.row(0, y) {
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
    use crate::format::PixelFormat;
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
            for t in 0..40 {
                assert!(template.shown(&frame(t, 0.5, depth)).is_flash(), "frame {t} with the mark");
                let clean = template.shown(&frame(t, 0.0, depth));
                assert!(!clean.is_flash() && clean.share.abs() < 0.1, "frame {t} without: {clean:?}");
            }
            let ghost = template.shown(&frame(3, 0.15, depth));
            assert!((0.15..0.5).contains(&ghost.share), "{ghost:?}");
        }
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
        let shown = template.shown(&Frame::new(0, 0, 1, (80, 48), format, Box::new(surface)));
        assert!(shown.share > SHARE && shown.likeness > LIKENESS && !shown.is_flash(), "{shown:?}");
    }

    #[test]
    fn what_cannot_be_seen_makes_no_template() {
        let mut removed = Removed::new(&Mask::rectangle(MARK), 80, 48);
        (0..20).for_each(|t| removed.add(&removed.before(&frame(t, 0.01, 8)), &frame(t, 0.0, 8)));
        assert!(removed.template().is_none());
    }
}
