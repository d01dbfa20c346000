//! A decoded picture, and the only way to its samples: [`Frame::lift`] and [`Frame::put_back`].
//!
//! The samples lie behind a [`Surface`], so that frames of a decoder, of plain vectors and later of a device or a
//! sandbox look alike, and nothing is copied until it is changed.

use std::any::Any;

use serde::{Deserialize, Serialize};

use crate::format::{ColorInfo, PixelFormat, Scan};
use crate::geometry::Rect;
use crate::mask::Mask;
use crate::raster::Raster;

/// Position of a frame in presentation order, from 0.
pub type FrameIdx = u64;

/// One row of a plane in native samples.
#[derive(Clone, Copy, Debug)]
pub enum Row<'a> {
    /// 8-bit samples.
    U8(&'a [u8]),
    /// Samples of 9 to 16 bits.
    U16(&'a [u16]),
}

/// One row of a plane in native samples, to be changed.
#[derive(Debug)]
pub enum RowMut<'a> {
    /// 8-bit samples.
    U8(&'a mut [u8]),
    /// Samples of 9 to 16 bits.
    U16(&'a mut [u16]),
}

/// Where the samples of a frame live. Copy-on-write: a surface that shares its memory copies it at the first
/// [`row_mut`](Surface::row_mut).
pub trait Surface: Send + Sync + Any {
    /// Row `y` of `plane`, exactly as wide as the plane. Both must be inside the picture.
    fn row(&self, plane: usize, y: u32) -> Row<'_>;
    /// Row `y` of `plane` to be changed.
    fn row_mut(&mut self, plane: usize, y: u32) -> RowMut<'_>;
    /// Another handle to the same samples.
    fn share(&self) -> Box<dyn Surface>;
    /// For the crate that made it, to get back what it put in.
    fn as_any(&self) -> &dyn Any;
    /// As [`as_any`](Surface::as_any), by value.
    fn into_any(self: Box<Self>) -> Box<dyn Any>;
}

/// Which rows of a picture are looked at: all, or those of one field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rows {
    /// Every row.
    All,
    /// Rows 0, 2, 4 ... of every plane.
    Top,
    /// Rows 1, 3, 5 ... of every plane.
    Bottom,
}

impl Rows {
    /// First row and distance between rows.
    pub const fn start_step(self) -> (u32, u32) {
        match self {
            Self::All => (0, 1),
            Self::Top => (0, 2),
            Self::Bottom => (1, 2),
        }
    }

    /// How many of `height` rows there are.
    pub const fn count(self, height: u32) -> u32 {
        let (start, step) = self.start_step();
        if height <= start { 0 } else { (height - start).div_ceil(step) }
    }
}

/// A decoded picture with exact integer time.
pub struct Frame {
    /// Position in presentation order.
    pub idx: FrameIdx,
    /// Presentation time in ticks of the source's time base.
    pub pts: i64,
    /// Duration in ticks of the source's time base.
    pub duration: i64,
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// Layout of the samples.
    pub format: PixelFormat,
    /// What colours the samples mean.
    pub color: ColorInfo,
    /// How the rows were captured.
    pub scan: Scan,
    surface: Box<dyn Surface>,
}

impl std::fmt::Debug for Frame {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Frame {{ idx: {}, pts: {}, {}x{} {:?} }}", self.idx, self.pts, self.width, self.height, self.format)
    }
}

impl Clone for Frame {
    /// Shares the samples.
    fn clone(&self) -> Self {
        Self { surface: self.surface.share(), ..*self }
    }
}

impl Frame {
    /// A frame over `surface`, which must hold `format.planes()` planes of `format.plane_size(..)`.
    pub fn new(
        idx: FrameIdx,
        pts: i64,
        duration: i64,
        (width, height): (u32, u32),
        format: PixelFormat,
        surface: Box<dyn Surface>,
    ) -> Self {
        let color = ColorInfo::default();
        Self { idx, pts, duration, width, height, format, color, scan: Scan::Progressive, surface }
    }

    /// Whether both are of one size and layout, and mean the same by their codes.
    pub fn is_comparable(&self, other: &Self) -> bool {
        (self.width, self.height, self.format, self.scan) == (other.width, other.height, other.format, other.scan)
            && self.color == other.color
    }

    /// Whether every sample is that of `other`, whose codes mean the same.
    pub fn has_samples_of(&self, other: &Self) -> bool {
        self.is_comparable(other)
            && (0..self.format.planes()).all(|plane| {
                let (_, rows) = self.format.plane_size(plane, self.width, self.height);
                (0..rows).all(|y| match (self.row(plane, y), other.row(plane, y)) {
                    (Row::U8(a), Row::U8(b)) => a == b,
                    (Row::U16(a), Row::U16(b)) => a == b,
                    _ => false,
                })
            })
    }

    /// The whole picture as a rectangle.
    pub const fn bounds(&self) -> Rect {
        Rect::new(0, 0, self.width, self.height)
    }

    /// The samples' home, for the crate that made it.
    pub fn surface(&self) -> &dyn Surface {
        self.surface.as_ref()
    }

    /// As [`surface`](Self::surface), by value.
    pub fn into_surface(self) -> Box<dyn Surface> {
        self.surface
    }

    /// Row `y` of `plane`, read only: for hashes, thumbnails and comparisons that need no arithmetic on patches.
    pub fn row(&self, plane: usize, y: u32) -> Row<'_> {
        self.surface.row(plane, y)
    }

    /// Copies `rect` (luma samples; with `rows` of one field, in rows of that field) out of every plane into `patch` as
    /// floating-point code values. Chroma covers every sample whose footprint touches `rect`. The rectangle is clipped to
    /// the picture.
    pub fn lift(&self, rect: Rect, rows: Rows, patch: &mut Patch) {
        let rect = rect.intersect(&Rect::new(0, 0, self.width, rows.count(self.height)));
        patch.rect = rect;
        patch.rows = rows;
        patch.format = self.format;
        patch.color = self.color;
        patch.planes.resize_with(self.format.planes(), || Raster::new(0, 0, 0.0));
        let (start, step) = rows.start_step();
        for (plane, raster) in patch.planes.iter_mut().enumerate() {
            let area = plane_rect(self, rect, rows, plane);
            raster.reset(area.w, area.h, 0.0);
            for y in 0..area.h {
                let out = raster.row_mut(y);
                let (from, to) = (area.x as usize, area.right() as usize);
                match self.surface.row(plane, start + (area.y + y) * step) {
                    Row::U8(row) => out.iter_mut().zip(&row[from..to]).for_each(|(o, s)| *o = f32::from(*s)),
                    Row::U16(row) => out.iter_mut().zip(&row[from..to]).for_each(|(o, s)| *o = f32::from(*s)),
                }
            }
        }
    }

    /// Writes those samples of `patch` back that `need` covers (coverage above 0), rounded to the nearest code and clamped
    /// to the code range; every other sample stays as it is to the bit. `need[plane]` has the size of `patch.planes[plane]`.
    /// Planes without a mask of their own size are left alone.
    pub fn put_back(&mut self, patch: &Patch, need: &[Raster<u8>]) {
        let (start, step) = patch.rows.start_step();
        let max = self.format.max_code() as f32;
        for (plane, (raster, need)) in patch.planes.iter().zip(need).enumerate() {
            let area = plane_rect(self, patch.rect, patch.rows, plane);
            if (raster.width(), raster.height()) != (area.w, area.h)
                || (need.width(), need.height()) != (area.w, area.h)
            {
                continue;
            }
            for y in 0..area.h {
                let need = need.row(y);
                if need.iter().all(|n| *n == 0) {
                    continue;
                }
                let values = raster.row(y).iter().zip(need);
                let (from, to) = (area.x as usize, area.right() as usize);
                match self.surface.row_mut(plane, start + (area.y + y) * step) {
                    RowMut::U8(row) => {
                        for (out, (value, _)) in row[from..to].iter_mut().zip(values).filter(|(_, (_, n))| **n > 0) {
                            *out = value.round().clamp(0.0, max) as u8;
                        }
                    }
                    RowMut::U16(row) => {
                        for (out, (value, _)) in row[from..to].iter_mut().zip(values).filter(|(_, (_, n))| **n > 0) {
                            *out = value.round().clamp(0.0, max) as u16;
                        }
                    }
                }
            }
        }
    }
}

fn plane_rect(frame: &Frame, rect: Rect, rows: Rows, plane: usize) -> Rect {
    let (sw, sh) = frame.format.subsampling(plane);
    let (w, h) = frame.format.plane_size(plane, frame.width, frame.height);
    rect.subsampled(sw, sh).intersect(&Rect::new(0, 0, w, rows.count(h)))
}

/// A rectangle of a frame in floating-point code values (0 ..= 2^depth - 1), one raster per plane.
#[derive(Clone, Debug, PartialEq)]
pub struct Patch {
    /// Where it lies, in luma samples; in rows of the field where `rows` is one.
    pub rect: Rect,
    /// Which rows of the frame it was lifted from.
    pub rows: Rows,
    /// Layout of the frame.
    pub format: PixelFormat,
    /// What colours the frame's samples mean.
    pub color: ColorInfo,
    /// One raster per plane, of the size of `rect` in that plane.
    pub planes: Vec<Raster<f32>>,
}

impl Default for Patch {
    fn default() -> Self {
        let color = ColorInfo::default();
        Self { rect: Rect::default(), rows: Rows::All, format: PixelFormat::GRAY8, color, planes: Vec::new() }
    }
}

impl Patch {
    /// The part of `mask` that lies in this patch, for every plane: `mask` is in luma samples of the whole frame, and a
    /// subsampled sample takes the largest coverage under its footprint. Alpha planes get an empty mask (never filled).
    pub fn need(&self, mask: &Mask) -> Vec<Raster<u8>> {
        (0..self.planes.len())
            .map(|plane| {
                let (w, h) = (self.planes[plane].width(), self.planes[plane].height());
                if self.format.is_alpha(plane) {
                    return Raster::new(w, h, 0);
                }
                let (sw, sh) = self.format.subsampling(plane);
                let origin = self.rect.subsampled(sw, sh);
                mask.in_plane(Rect::new(origin.x, origin.y, w, h), self.rows, sw, sh)
            })
            .collect()
    }
}

/// Samples in vectors of this process: what synthetic clips and tests are made of.
#[derive(Clone, Debug)]
pub struct HostSurface {
    planes: std::sync::Arc<Vec<HostPlane>>,
}

#[derive(Clone, Debug)]
enum HostPlane {
    U8(Raster<u8>),
    U16(Raster<u16>),
}

impl HostSurface {
    /// A picture of `width` x `height` whose planes are all 0.
    pub fn new(format: PixelFormat, width: u32, height: u32) -> Self {
        let planes = (0..format.planes())
            .map(|plane| {
                let (w, h) = format.plane_size(plane, width, height);
                if format.depth == 8 {
                    HostPlane::U8(Raster::new(w, h, 0))
                } else {
                    HostPlane::U16(Raster::new(w, h, 0))
                }
            })
            .collect();
        Self { planes: std::sync::Arc::new(planes) }
    }
}

impl Surface for HostSurface {
    fn row(&self, plane: usize, y: u32) -> Row<'_> {
        match &self.planes[plane] {
            HostPlane::U8(raster) => Row::U8(raster.row(y)),
            HostPlane::U16(raster) => Row::U16(raster.row(y)),
        }
    }

    fn row_mut(&mut self, plane: usize, y: u32) -> RowMut<'_> {
        match &mut std::sync::Arc::make_mut(&mut self.planes)[plane] {
            HostPlane::U8(raster) => RowMut::U8(raster.row_mut(y)),
            HostPlane::U16(raster) => RowMut::U16(raster.row_mut(y)),
        }
    }

    fn share(&self) -> Box<dyn Surface> {
        Box::new(self.clone())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::PixelLayout;

    fn ramp(format: PixelFormat, width: u32, height: u32) -> Frame {
        let mut surface = HostSurface::new(format, width, height);
        for plane in 0..format.planes() {
            let (_, h) = format.plane_size(plane, width, height);
            for y in 0..h {
                match surface.row_mut(plane, y) {
                    RowMut::U8(row) => {
                        row.iter_mut().enumerate().for_each(|(x, s)| *s = (x * 3 + y as usize * 7 + plane) as u8)
                    }
                    RowMut::U16(row) => {
                        row.iter_mut().enumerate().for_each(|(x, s)| *s = (x * 3 + y as usize * 7 + plane) as u16)
                    }
                }
            }
        }
        Frame::new(0, 0, 1, (width, height), format, Box::new(surface))
    }

    fn samples(frame: &Frame) -> Vec<u32> {
        let mut all = Vec::new();
        for plane in 0..frame.format.planes() {
            let (_, h) = frame.format.plane_size(plane, frame.width, frame.height);
            for y in 0..h {
                match frame.row(plane, y) {
                    Row::U8(row) => all.extend(row.iter().map(|s| u32::from(*s))),
                    Row::U16(row) => all.extend(row.iter().map(|s| u32::from(*s))),
                }
            }
        }
        all
    }

    #[test]
    fn only_masked_samples_change_in_every_format_and_on_either_field() {
        for depth in [8, 10, 12] {
            for (layout, sw, sh) in [
                (PixelLayout::Gray, 0, 0),
                (PixelLayout::Yuv, 1, 1),
                (PixelLayout::Yuv, 1, 0),
                (PixelLayout::Gbr, 0, 0),
            ] {
                for rows in [Rows::All, Rows::Top, Rows::Bottom] {
                    let format = PixelFormat {
                        layout,
                        depth,
                        log2_chroma_w: sw,
                        log2_chroma_h: sh,
                        alpha: layout == PixelLayout::Gbr,
                    };
                    let before = ramp(format, 37, 23);
                    let mut after = before.clone();
                    let mask = Mask::rectangle(Rect::new(5, 3, 9, 8));
                    let mut patch = Patch::default();
                    let field = Rect::new(5, 3 / rows.start_step().1, 9, 8);
                    after.lift(field.grow(4, 37, 23), rows, &mut patch);
                    let need = patch.need(&mask);
                    patch.planes.iter_mut().for_each(|p| p.data_mut().iter_mut().for_each(|v| *v += 1.0));
                    after.put_back(&patch, &need);
                    let changed = samples(&before).iter().zip(samples(&after)).filter(|(a, b)| **a != *b).count();
                    let wanted: usize = need.iter().map(|n| n.data().iter().filter(|c| **c > 0).count()).sum();
                    assert_eq!(changed, wanted, "{format:?} {rows:?}");
                    assert!(wanted > 0);
                }
            }
        }
    }
}
