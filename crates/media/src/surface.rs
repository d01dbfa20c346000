//! A libav picture as the home of a frame's samples, without a copy until one is written.

use std::any::Any;

use cleanplate_core::{Frame, HostSurface, PixelFormat, Row, RowMut, Surface};

use crate::av::{self, AvError, AvFrame, ffi};
use crate::error::{Error, Result};
use crate::pixfmt;

/// The planes of a libav picture.
#[derive(Debug)]
pub struct AvSurface {
    frame: AvFrame,
    /// Columns, rows and first libav plane of each of our planes.
    planes: Vec<(usize, u32, usize)>,
    wide: bool,
}

impl AvSurface {
    /// Takes a software picture in one of the formats that [`pixfmt::from_av`] knows.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for any other format.
    pub fn new(frame: AvFrame) -> Result<Self> {
        let av = ffi::AVPixelFormat(frame.get().format);
        let format = pixfmt::from_av(av)
            .ok_or_else(|| Error::unsupported(format!("cannot carry samples in the format {}", pixfmt::name(av))))?;
        let size = (frame.get().width.max(0) as u32, frame.get().height.max(0) as u32);
        // SAFETY: from_av has found a descriptor for this format.
        let descriptor = unsafe { &*ffi::av_pix_fmt_desc_get(av) };
        let planes = (0..format.planes())
            .map(|plane| {
                let (w, h) = format.plane_size(plane, size.0, size.1);
                (w as usize, h, descriptor.comp[component(format, plane)].plane as usize)
            })
            .collect();
        Ok(Self { frame, planes, wide: format.depth > 8 })
    }

    /// The picture.
    pub const fn frame(&self) -> &AvFrame {
        &self.frame
    }

    /// The picture, by value.
    pub fn into_frame(self) -> AvFrame {
        self.frame
    }

    fn start(&self, plane: usize, y: u32) -> (*mut u8, usize) {
        let (width, height, index) = self.planes[plane];
        assert!(y < height, "row {y} of plane {plane} with {height} rows");
        let frame = self.frame.get();
        // SAFETY: the row lies inside the plane; libav's line sizes may be negative.
        let start = unsafe { frame.data[index].offset(frame.linesize[index] as isize * y as isize) };
        (start, width)
    }
}

/// Memory for a picture of `size` (columns, rows) in the layout of `frame`, with all that belongs to that frame beside its samples:
/// libav's where that of `frame` is.
///
/// # Errors
/// Where memory is short, or libav has no such layout.
pub fn blank_like(frame: &Frame, size: (u32, u32)) -> Result<Box<dyn Surface>> {
    if !frame.surface().as_any().is::<AvSurface>() {
        return Ok(Box::new(HostSurface::new(frame.format, size.0, size.1)));
    }
    let failed = |e: AvError| Error::Backend(format!("cannot make a picture of {}x{}: {e}", size.0, size.1));
    let format = pixfmt::to_av(frame.format)
        .ok_or_else(|| Error::unsupported(format!("libav knows no samples like {:?}", frame.format)))?;
    let picture = AvFrame::picture(format, size.0, size.1).map_err(failed)?;
    Ok(Box::new(with_properties_of(picture, frame).map_err(failed)?))
}

/// The samples of `picture` with all that belongs to `frame` beside them; nothing is copied.
///
/// # Errors
/// Where memory is short, or `picture` is none of libav's.
pub fn samples_of(picture: &Frame, frame: &Frame) -> Result<Box<dyn Surface>> {
    let failed = |e: AvError| Error::Backend(format!("cannot share a picture: {e}"));
    let own = picture.surface().as_any().downcast_ref::<AvSurface>();
    let own = own.ok_or_else(|| Error::Internal("a picture to be shared is none of libav's".into()))?;
    let mut shared = own.frame().share().map_err(failed)?;
    shared.forget_side_data();
    Ok(Box::new(with_properties_of(shared, frame).map_err(failed)?))
}

fn with_properties_of(picture: AvFrame, frame: &Frame) -> std::result::Result<AvSurface, AvError> {
    if let Some(own) = frame.surface().as_any().downcast_ref::<AvSurface>() {
        // SAFETY: both valid; the planes and the size of the target stay.
        av::check(unsafe { ffi::av_frame_copy_props(picture.as_ptr(), own.frame().as_ptr()) })?;
    }
    AvSurface::new(picture).map_err(|_| AvError::INVALID)
}

/// libav's component of our plane: RGB components come as red, green, blue, our planes as green, blue, red.
fn component(format: PixelFormat, plane: usize) -> usize {
    match (format.layout, plane) {
        (cleanplate_core::PixelLayout::Gbr, 0) => 1,
        (cleanplate_core::PixelLayout::Gbr, 1) => 2,
        (cleanplate_core::PixelLayout::Gbr, 2) => 0,
        _ => plane,
    }
}

impl Surface for AvSurface {
    fn row(&self, plane: usize, y: u32) -> Row<'_> {
        let (start, width) = self.start(plane, y);
        // SAFETY: libav's plane holds `width` samples there, alive as long as self; wide samples are aligned to 2 by libav.
        unsafe {
            if self.wide {
                Row::U16(std::slice::from_raw_parts(start.cast_const().cast(), width))
            } else {
                Row::U8(std::slice::from_raw_parts(start.cast_const(), width))
            }
        }
    }

    fn row_mut(&mut self, plane: usize, y: u32) -> RowMut<'_> {
        if !self.frame.is_writable() {
            // Out of memory is the only way this fails; writing into a decoder's reference instead would corrupt every later
            // frame, so there is nothing better than to stop.
            #[allow(clippy::expect_used)]
            self.frame.make_writable().expect("memory for a copy of the picture");
        }
        let (start, width) = self.start(plane, y);
        // SAFETY: as in `row`; nobody else holds the planes now.
        unsafe {
            if self.wide {
                RowMut::U16(std::slice::from_raw_parts_mut(start.cast(), width))
            } else {
                RowMut::U8(std::slice::from_raw_parts_mut(start, width))
            }
        }
    }

    fn share(&self) -> Box<dyn Surface> {
        #[allow(clippy::expect_used)] // see row_mut
        let frame = self.frame.share().expect("memory for a handle to the picture");
        Box::new(Self { frame, planes: self.planes.clone(), wide: self.wide })
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

    #[test]
    fn writing_to_a_shared_picture_leaves_the_other_handle_alone() {
        for name in ["yuv420p", "yuv422p10le", "gbrap", "gray12le"] {
            let frame = AvFrame::picture(pixfmt::by_name(name).unwrap(), 33, 17).unwrap();
            let mut one = AvSurface::new(frame).unwrap();
            let set = |surface: &mut dyn Surface, value: u16| match surface.row_mut(0, 16) {
                RowMut::U8(row) => row.fill(value as u8),
                RowMut::U16(row) => row.fill(value),
            };
            let get = |surface: &dyn Surface| match surface.row(0, 16) {
                Row::U8(row) => (row.len(), u16::from(row[32])),
                Row::U16(row) => (row.len(), row[32]),
            };
            set(&mut one, 7);
            let mut two = one.share();
            set(two.as_mut(), 9);
            assert_eq!((get(&one), get(two.as_ref())), ((33, 7), (33, 9)), "{name}");
        }
    }
}
