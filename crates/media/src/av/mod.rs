//! The thin layer over libav: owned packets, frames, dictionaries and codec contexts. The only place besides its siblings
//! in this crate that calls C.

mod codec;
pub mod compat;
mod device;
mod dict;
mod frame;
mod log;
mod packet;

pub use codec::{CodecContext, Decoder, Parameters};
pub use device::{Device, Upload};
pub use dict::Dict;
pub use ffmpeg_sys_the_third as ffi;
pub use frame::AvFrame;
pub use log::{LogMark, capture, reason};
pub use packet::Packet;

use std::ffi::{CStr, c_int};

use crate::types::Rational;

/// A libav error code with its meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AvError(pub c_int);

impl AvError {
    /// The end of a file or of a codec's output.
    pub const EOF: Self = Self(ffi::AVERROR_EOF);
    /// More input (or a read of output) is needed first.
    pub const AGAIN: Self = Self(-(libc_eagain()));
    /// The data makes no sense.
    pub const INVALID: Self = Self(ffi::AVERROR_INVALIDDATA);
    /// Not done by this codec on that device.
    pub const UNSUPPORTED: Self = Self(ffi::AVERROR(if cfg!(target_os = "linux") { 95 } else { 45 }));
    /// A callback asked to stop at once.
    pub const EXIT: Self = Self(-i32::from_le_bytes(*b"EXIT"));
}

const fn libc_eagain() -> c_int {
    if cfg!(any(target_os = "macos", target_os = "ios", target_os = "freebsd")) { 35 } else { 11 }
}

impl std::fmt::Display for AvError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut text = [0 as std::ffi::c_char; 128];
        // SAFETY: the buffer is valid for its length, and libav ends the text with a zero.
        let known = unsafe { ffi::av_strerror(self.0, text.as_mut_ptr(), text.len()) } >= 0;
        if known {
            // SAFETY: written by av_strerror above, zero-terminated.
            write!(f, "{}", unsafe { CStr::from_ptr(text.as_ptr()) }.to_string_lossy())
        } else {
            write!(f, "libav error {}", self.0)
        }
    }
}

impl std::error::Error for AvError {}

/// Turns a return value of libav, negative on failure, into a result.
pub fn check(code: c_int) -> Result<c_int, AvError> {
    if code < 0 { Err(AvError(code)) } else { Ok(code) }
}

/// Text that libav owns, lossily as UTF-8; empty for null.
///
/// # Safety
/// `text` is null or a zero-terminated string that lives during the call.
pub unsafe fn text(text: *const std::ffi::c_char) -> String {
    if text.is_null() {
        String::new()
    } else {
        // SAFETY: promised by the caller.
        unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
    }
}

impl From<ffi::AVRational> for Rational {
    fn from(r: ffi::AVRational) -> Self {
        Self::new(r.num, r.den)
    }
}

impl From<Rational> for ffi::AVRational {
    fn from(r: Rational) -> Self {
        Self { num: r.num, den: r.den }
    }
}
