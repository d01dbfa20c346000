//! Resampling of chroma and leaving RGB, by swscale, bit-exactly. Only ever with the user's consent.

use std::ptr;

use cleanplate_core::{PixelLayout, Scan};

use super::spec::EncoderSpec;
use crate::av::ffi::{self, AVPixelFormat};
use crate::av::{self, AvFrame};
use crate::error::{Error, Result};
use crate::pixfmt;

/// A conversion between two formats of one size. Fields are resampled apart from each other.
#[derive(Debug)]
pub(super) struct Scaler {
    whole: Context,
    field: Option<Context>,
    target: AVPixelFormat,
    size: (u32, u32),
}

impl Scaler {
    /// From the frames of `spec` to `target`.
    ///
    /// # Errors
    /// [`Error::Unsupported`] where swscale does not know the way.
    pub(super) fn new(spec: &EncoderSpec, target: AVPixelFormat) -> Result<Self> {
        let whole = Context::new(spec, target, spec.height)?;
        let fields = spec.height.is_multiple_of(2) && spec.height >= 4;
        let field = if fields { Some(Context::new(spec, target, spec.height / 2)?) } else { None };
        Ok(Self { whole, field, target, size: (spec.width, spec.height) })
    }

    /// The converted picture, with the side data of the original.
    ///
    /// # Errors
    /// Where memory is short or swscale fails.
    pub(super) fn scale(&mut self, picture: &AvFrame, scan: Scan) -> Result<AvFrame> {
        let failed = |e: av::AvError| Error::Backend(format!("cannot convert samples: {e}"));
        let out = AvFrame::picture(self.target, self.size.0, self.size.1).map_err(failed)?;
        match &self.field {
            Some(field) if scan.is_interlaced() => {
                for parity in [0, 1] {
                    field.run(picture, &out, (parity, 2)).map_err(failed)?;
                }
            }
            _ => self.whole.run(picture, &out, (0, 1)).map_err(failed)?,
        }
        // SAFETY: both valid.
        av::check(unsafe { ffi::av_frame_copy_props(out.as_ptr(), picture.as_ptr()) }).map_err(failed)?;
        Ok(out)
    }
}

#[derive(Debug)]
struct Context {
    raw: *mut ffi::SwsContext,
    height: u32,
}

// SAFETY: a context has no ties to a thread.
unsafe impl Send for Context {}

impl Context {
    fn new(spec: &EncoderSpec, target: AVPixelFormat, height: u32) -> Result<Self> {
        let refused =
            || Error::unsupported(format!("swscale knows no way from {:?} to {}", spec.source_format, spec.pix_fmt));
        let source = pixfmt::to_av(spec.source_format).ok_or_else(refused)?;
        let flags = ffi::SWS_BICUBIC | ffi::SWS_ACCURATE_RND | ffi::SWS_FULL_CHR_H_INP | ffi::SWS_BITEXACT;
        let (width, rows) = (spec.width as i32, height as i32);
        // SAFETY: null or a context that we own; filters and parameters may be null.
        let raw = unsafe {
            let none = ptr::null_mut();
            ffi::sws_getContext(width, rows, source, width, rows, target, flags, none, none, ptr::null())
        };
        if raw.is_null() {
            return Err(refused());
        }
        let context = Self { raw, height };
        let rgb = spec.source_format.layout == PixelLayout::Gbr;
        let full = i32::from(spec.color.full_range == Some(true));
        // swscale numbers its matrices as H.273 does and takes BT.601 for unknown ones.
        // SAFETY: tables are static; the context is valid.
        unsafe {
            let table = ffi::sws_getCoefficients(i32::from(spec.color.matrix));
            let source_range = if rgb { 1 } else { full };
            ffi::sws_setColorspaceDetails(raw, table, source_range, table, full, 0, 1 << 16, 1 << 16);
        }
        Ok(context)
    }

    /// Converts every `step`-th row from row `first` on.
    fn run(&self, from: &AvFrame, to: &AvFrame, (first, step): (isize, i32)) -> std::result::Result<(), av::AvError> {
        let rows = |frame: &AvFrame| {
            let f = frame.get();
            let mut data = [ptr::null_mut::<u8>(); 4];
            let mut strides = [0i32; 4];
            for plane in 0..4 {
                if !f.data[plane].is_null() {
                    // SAFETY: row 0 or 1 of a plane of at least two rows.
                    data[plane] = unsafe { f.data[plane].offset(f.linesize[plane] as isize * first) };
                    strides[plane] = f.linesize[plane] * step;
                }
            }
            (data, strides)
        };
        let ((source, source_strides), (target, target_strides)) = (rows(from), rows(to));
        // SAFETY: both pictures have the size and format of the context; the target has just been made.
        let done = unsafe {
            ffi::sws_scale(
                self.raw,
                source.as_ptr().cast(),
                source_strides.as_ptr(),
                0,
                self.height as i32,
                target.as_ptr(),
                target_strides.as_ptr(),
            )
        };
        av::check(done).map(|_| ())
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: ours.
        unsafe { ffi::sws_freeContext(self.raw) };
    }
}
