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
mod membrane;
mod moments;
mod morphology;
mod opacity;
mod pairs;
mod plain;
mod residual;
mod solve;
mod stack;
mod support;
#[cfg(test)]
mod tests;
mod trial;
mod unblend;

use crate::format::PixelFormat;
use crate::geometry::Rect;
use crate::mask::Mask;
use crate::raster::Raster;

pub use evidence::{MatteEvidence, Solution};
pub use unblend::{Overlay, Unblend};

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
