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

/// Samples by which the template is moved to see what the scene alone does to it, and how many times that a mark exceeds.
/// Of 112 marks over clean clips 15 were taken for shown on some frame without this, 3 with it (`benches/unblend`).
const AWAY: u32 = 8;
const CHANCE: f32 = 2.5;
const PLACES: [(i32, i32); 8] = [(-1, -1), (0, -1), (1, -1), (-1, 0), (1, 0), (-1, 1), (0, 1), (1, 1)];

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
        let energy: f32 = slopes.iter().map(|[x, y]| x * x + y * y).sum();
        let alike = PLACES.map(|place| moved(&slopes, self.rect.w, place) / energy);
        Some(Template { rect: self.rect, slopes, energy, alike })
    }
}

/// The slopes of a mark where it lies.
#[derive(Clone, Debug)]
pub struct Template {
    rect: Rect,
    slopes: Vec<[f32; 2]>,
    energy: f32,
    /// Its share in itself, moved to each of [`PLACES`].
    alike: [f32; 8],
}

/// How much of a mark a frame shows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shown {
    /// Share of the mark's slopes, 1 for the mark as it was taken away; negative where it was taken away twice.
    pub share: f32,
    /// Correlation with the slopes of the frame there, -1..=1.
    pub likeness: f32,
    /// What `share` is beside the mark, root mean square over places: what chance makes of it.
    pub chance: f32,
}

impl Shown {
    /// Whether people can see it.
    pub fn is_flash(self) -> bool {
        self.share > SHARE.max(CHANCE * self.chance) && self.likeness > LIKENESS
    }
}

impl Template {
    /// How much of the mark `frame` shows.
    pub fn shown(&self, frame: &Frame) -> Shown {
        let wide = self.rect.grow(AWAY, frame.width, frame.height);
        let slopes = slopes(&luma(frame, wide), wide.w as usize);
        let (share, likeness) = self.matched(&slopes, wide, (self.rect.x, self.rect.y));
        let (mut squares, mut count) = (0.0, 0.0f32);
        for (n, (dx, dy)) in PLACES.into_iter().enumerate() {
            let away = |v: u32, d: i32| v.checked_add_signed(d * AWAY as i32);
            let (Some(x), Some(y)) = (away(self.rect.x, dx), away(self.rect.y, dy)) else { continue };
            if x >= wide.x && y >= wide.y && x + self.rect.w <= wide.right() && y + self.rect.h <= wide.bottom() {
                // Less what the mark itself shows there.
                squares += (self.matched(&slopes, wide, (x, y)).0 - share * self.alike[n]).powi(2);
                count += 1.0;
            }
        }
        Shown { share, likeness, chance: (squares / count.max(1.0)).sqrt() }
    }

    /// Share and likeness with the template's corner at a place; `slopes` are those of the frame in `wide`.
    fn matched(&self, slopes: &[[f32; 2]], wide: Rect, (x, y): (u32, u32)) -> (f32, f32) {
        let (mut along, mut own) = (0.0f32, 0.0f32);
        let start = (y - wide.y) as usize * wide.w as usize + (x - wide.x) as usize;
        let rows = slopes[start..].chunks(wide.w as usize);
        for (line, row) in self.slopes.chunks(self.rect.w as usize).zip(rows) {
            for (a, b) in line.iter().zip(row).filter(|(a, _)| **a != [0.0; 2]) {
                along += a[0] * b[0] + a[1] * b[1];
                own += b[0] * b[0] + b[1] * b[1];
            }
        }
        let likeness = if own > 0.0 { along / (own * self.energy).sqrt() } else { 0.0 };
        (along / self.energy, likeness)
    }
}

/// The product of slopes with the same, found [`AWAY`] samples off in a direction.
fn moved(slopes: &[[f32; 2]], width: u32, (dx, dy): (i32, i32)) -> f32 {
    let height = slopes.len() as u32 / width.max(1);
    let away = |v: u32, d: i32, end: u32| v.checked_add_signed(d * AWAY as i32).filter(|v| *v < end);
    (0..slopes.len() as u32)
        .filter_map(|k| {
            let there = away(k / width, dy, height)? * width + away(k % width, dx, width)?;
            let (a, b) = (slopes[k as usize], slopes[there as usize]);
            Some(a[0] * b[0] + a[1] * b[1])
        })
        .sum()
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
    fn what_cannot_be_seen_makes_no_template() {
        let mut removed = Removed::new(&Mask::rectangle(MARK), 80, 48);
        (0..20).for_each(|t| removed.add(&removed.before(&frame(t, 0.01, 8)), &frame(t, 0.0, 8)));
        assert!(removed.template().is_none());
    }
}
