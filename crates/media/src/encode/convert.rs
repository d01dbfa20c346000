//! Frames as an encoder takes them.

use cleanplate_core::{Frame, PixelFormat, Row, RowMut, Surface};

use super::spec::EncoderSpec;
use crate::av::AvFrame;
use crate::av::ffi::AVPixelFormat;
use crate::error::{Error, Result};
use crate::pixfmt;
use crate::surface::AvSurface;

/// Brings frames into the encoder's sample format: libav's own pictures as they are, others copied row by row.
#[derive(Debug)]
pub(super) struct Input {
    size: (u32, u32),
    source: PixelFormat,
    target: AVPixelFormat,
}

impl Input {
    /// For the frames and the encoder of `spec`.
    ///
    /// # Errors
    /// [`Error::Unsupported`] where there is no way from one format to the other.
    pub(super) fn new(spec: &EncoderSpec) -> Result<Self> {
        let target = pixfmt::by_name(&spec.pix_fmt)
            .ok_or_else(|| Error::unsupported(format!("libav knows no sample format {}", spec.pix_fmt)))?;
        Ok(Self { size: (spec.width, spec.height), source: spec.source_format, target })
    }

    /// The picture of `frame`.
    ///
    /// # Errors
    /// Where the frame has another size or layout than announced, or memory is short.
    pub(super) fn take(&mut self, frame: Frame) -> Result<AvFrame> {
        if (frame.width, frame.height) != self.size || frame.format != self.source {
            return Err(Error::unsupported(format!(
                "frame {} is {}x{} {:?}, not {}x{} {:?} as those before it",
                frame.idx, frame.width, frame.height, frame.format, self.size.0, self.size.1, self.source
            )));
        }
        let mut picture = if frame.surface().as_any().is::<AvSurface>() {
            let surface = frame.into_surface().into_any();
            let surface = surface.downcast::<AvSurface>();
            surface.map_err(|_| Error::Internal("a surface changed its type".into()))?.into_frame()
        } else {
            copied(&frame)?
        };
        // The deprecated full-range formats differ from ours by name only: range is a tag.
        picture.get_mut().format = self.target.0;
        Ok(picture)
    }
}

fn memory(error: crate::av::AvError) -> Error {
    Error::Backend(format!("cannot make a picture: {error}"))
}

/// A picture of libav with the samples of `frame`.
fn copied(frame: &Frame) -> Result<AvFrame> {
    let format = pixfmt::to_av(frame.format)
        .ok_or_else(|| Error::unsupported(format!("libav has no sample format for {:?}", frame.format)))?;
    let picture = AvFrame::picture(format, frame.width, frame.height).map_err(memory)?;
    let mut surface = AvSurface::new(picture)?;
    for plane in 0..frame.format.planes() {
        for y in 0..frame.format.plane_size(plane, frame.width, frame.height).1 {
            match (frame.row(plane, y), surface.row_mut(plane, y)) {
                (Row::U8(from), RowMut::U8(to)) => to.copy_from_slice(from),
                (Row::U16(from), RowMut::U16(to)) => to.copy_from_slice(from),
                _ => {
                    return Err(Error::Internal(format!(
                        "samples of frame {} are not as wide as {:?}",
                        frame.idx, frame.format
                    )));
                }
            }
        }
    }
    Ok(surface.into_frame())
}

/// A decoded picture in a planar format: packed RGB and gray with alpha are taken apart, exactly.
///
/// # Errors
/// Where memory is short.
pub(crate) fn planar(picture: AvFrame) -> Result<AvFrame> {
    Ok(picture)
}
