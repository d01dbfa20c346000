//! Mattes: how much of the source a semi-transparent mark lets through at every sample, and what it adds.
//!
//! A mark of opacity `alpha` and colour `W` over a picture `I` is coded as `J = (1 - alpha) I + alpha W` in every plane.
//! Stored as `keep = 1 - alpha` and `add = alpha W` the model is linear in both, chroma included. Knows planes and code
//! values; refuses to know where marks come from and when they are shown.

mod check;
mod colour;
mod cut;
mod evidence;
mod flat;
mod gain;
mod ink;
mod membrane;
mod moments;
pub(crate) mod morphology;
mod opacity;
mod opaque;
mod pairs;
mod panel;
#[cfg(test)]
mod panel_tests;
mod plain;
mod reach;
mod residual;
mod solve;
mod stack;
mod strokes;
mod support;
#[cfg(test)]
mod tests;
mod trial;
mod unblend;
mod visits;

use crate::format::PixelFormat;
use crate::geometry::Rect;
use crate::mask::Mask;
use crate::raster::Raster;
use crate::roam::split;

pub use evidence::{MatteEvidence, Solution};
pub use gain::{Gain, full_gain, gain_at, ramps};
pub use ink::{Ink, InkFound, InkSearch, Placement};
pub use panel::{Panel, PanelFit};
pub use unblend::{Overlay, Unblend};
pub use visits::Visits;

/// A matte in one plane.
#[derive(Clone, Debug, PartialEq)]
pub struct MattePlane {
    /// Share of the source that the mark lets through, 0..=1; 1 where there is no mark.
    pub keep: Raster<f32>,
    /// What the mark adds, in code values of the clip (0 ..= 2^depth - 1); 0 where there is no mark.
    pub add: Raster<f32>,
}

/// A mark's matte in the planes of a clip. Planes of alpha have none of their own: a mark leaves them alone.
#[derive(Clone, Debug, PartialEq)]
pub struct Matte {
    rect: Rect,
    format: PixelFormat,
    planes: Vec<MattePlane>,
}

impl Matte {
    /// A matte over `rect` (luma samples of the frame) with a plane for every plane of `format` that shows colour; `None`
    /// where their sizes are not those of `rect` in that plane or a value is not finite.
    pub fn new(rect: Rect, format: PixelFormat, planes: Vec<MattePlane>) -> Option<Self> {
        let colours = (0..format.planes()).filter(|plane| !format.is_alpha(*plane)).count();
        let fits = |(plane, matte): (usize, &MattePlane)| {
            let (sw, sh) = format.subsampling(plane);
            let area = rect.subsampled(sw, sh);
            let size = (area.w, area.h);
            let finite = |raster: &Raster<f32>| raster.data().iter().all(|v| v.is_finite());
            (matte.keep.width(), matte.keep.height()) == size
                && (matte.add.width(), matte.add.height()) == size
                && finite(&matte.keep)
                && finite(&matte.add)
        };
        (planes.len() == colours && planes.iter().enumerate().all(fits)).then_some(Self { rect, format, planes })
    }

    /// Where it lies, in luma samples of the frame.
    pub const fn rect(&self) -> Rect {
        self.rect
    }

    /// The samples it is for.
    pub const fn format(&self) -> PixelFormat {
        self.format
    }

    /// The luma samples that it changes in any plane.
    pub fn mask(&self) -> Mask {
        let mut coverage = Raster::new(self.rect.w, self.rect.h, 0u8);
        for (plane, matte) in self.planes.iter().enumerate() {
            let ((sw, sh), area) = (self.format.subsampling(plane), self.plane_rect(plane));
            for k in 0..self.rect.w * self.rect.h {
                let (x, y) = (k % self.rect.w, k / self.rect.w);
                let (px, py) = (((self.rect.x + x) >> sw) - area.x, ((self.rect.y + y) >> sh) - area.y);
                if matte.keep.at(px, py) < 1.0 || matte.add.at(px, py) != 0.0 {
                    coverage.set(x, y, 255);
                }
            }
        }
        Mask::new(self.rect, coverage).map_or_else(Mask::empty, |mask| mask.trimmed())
    }

    /// The same matte over another rectangle: nothing is changed where it did not reach before, and what lies outside of
    /// `rect` is left out. A chroma sample belongs to both rectangles or to none where `rect` begins on whole ones.
    #[must_use]
    pub fn over(&self, rect: Rect) -> Self {
        let planes = self.planes.iter().enumerate().map(|(n, plane)| {
            let (sw, sh) = self.format.subsampling(n);
            let (from, to) = (self.plane_rect(n), rect.subsampled(sw, sh));
            let mut out = MattePlane { keep: Raster::new(to.w, to.h, 1.0), add: Raster::new(to.w, to.h, 0.0) };
            let shared = from.intersect(&to);
            for y in shared.y..shared.bottom() {
                for x in shared.x..shared.right() {
                    out.keep.set(x - to.x, y - to.y, plane.keep.at(x - from.x, y - from.y));
                    out.add.set(x - to.x, y - to.y, plane.add.at(x - from.x, y - from.y));
                }
            }
            out
        });
        Self { rect, format: self.format, planes: planes.collect() }
    }

    /// The same matte `by` so many luma samples to the right and below, and `others` of its planes' sizes likewise (outside of
    /// them 0). What then lies outside of a picture of `size` is cut off; a plane that would lie between its samples is
    /// interpolated linearly.
    #[must_use]
    pub fn moved(&self, by: (i32, i32), size: (u32, u32), others: &[Raster<f32>]) -> (Self, Vec<Raster<f32>>) {
        let at = |at: u32, by: i32, most: u32| at.saturating_add_signed(by).min(most);
        let (x, y) = (at(self.rect.x, by.0, size.0), at(self.rect.y, by.1, size.1));
        let (right, bottom) = (at(self.rect.right(), by.0, size.0), at(self.rect.bottom(), by.1, size.1));
        let rect = Rect::new(x, y, right - x, bottom - y);
        let moved = |n: usize, raster: &Raster<f32>, beyond: f32| {
            let ((sw, sh), from) = (self.format.subsampling(n), self.plane_rect(n));
            let (to, (dx, fx), (dy, fy)) = (rect.subsampled(sw, sh), split(by.0, sw), split(by.1, sh));
            let at = |x: i32, y: i32| {
                let (x, y) = (x - from.x as i32, y - from.y as i32);
                let inside = (0..from.w as i32).contains(&x) && (0..from.h as i32).contains(&y);
                if inside { raster.at(x as u32, y as u32) } else { beyond }
            };
            let mut out = Raster::new(to.w, to.h, beyond);
            for y in 0..to.h {
                let v = (to.y + y) as i32 - dy;
                for (x, out) in out.row_mut(y).iter_mut().enumerate() {
                    let u = to.x as i32 + x as i32 - dx;
                    let along = |v: i32| if fx > 0.0 { (1.0 - fx) * at(u, v) + fx * at(u - 1, v) } else { at(u, v) };
                    *out = if fy > 0.0 { (1.0 - fy) * along(v) + fy * along(v - 1) } else { along(v) };
                }
            }
            out
        };
        let planes = self.planes.iter().enumerate();
        let planes =
            planes.map(|(n, p)| MattePlane { keep: moved(n, &p.keep, 1.0), add: moved(n, &p.add, 0.0) }).collect();
        let others = others.iter().enumerate().map(|(n, raster)| moved(n, raster, 0.0)).collect();
        (Self { rect, format: self.format, planes }, others)
    }

    /// The same mark shown by `gain` (0 not at all, 1 as it is); it hides everything at most.
    #[must_use]
    pub fn scaled(&self, gain: f32) -> Self {
        let mut scaled = self.clone();
        for plane in &mut scaled.planes {
            let most = plane.keep.data().iter().map(|keep| 1.0 - keep).fold(0.0, f32::max);
            let gain = if most > 0.0 { gain.min(1.0 / most) } else { gain };
            plane.keep.data_mut().iter_mut().for_each(|keep| *keep = 1.0 - gain * (1.0 - *keep));
            plane.add.data_mut().iter_mut().for_each(|add| *add *= gain);
        }
        scaled
    }

    /// Its planes, in the order of the format.
    pub fn planes(&self) -> &[MattePlane] {
        &self.planes
    }

    /// The rectangle of a plane's rasters, in samples of that plane of the frame.
    pub fn plane_rect(&self, plane: usize) -> Rect {
        let (sw, sh) = self.format.subsampling(plane);
        self.rect.subsampled(sw, sh)
    }
}
