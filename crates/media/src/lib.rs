//! Files to frames and back: index, decode, encode, stream copy, join, verify. All of libav lies behind this crate.
//!
//! It knows containers, codecs, packets and exact integer time. It refuses to know what a mark is, and what is done to
//! the frames between decoding and encoding.

pub mod av;
pub mod encode;
pub mod error;
pub mod mux;
pub mod pack;
pub mod pixfmt;
pub mod rgb;
pub mod source;
pub mod surface;
pub mod types;

pub use encode::{Choice, EncodeRequest, Encoder, EncoderSpec, StaticSideData, choose_encoder};
pub use error::{Error, ErrorKind, Result};
pub use pack::{PackCheck, PackHeader, PackReader, PackWriter, StreamParameters, check_pack};
pub use source::{Damage, FrameEntry, Index, Limits, OpenOptions, PacketReader, Source, VideoReader};
pub use surface::AvSurface;
pub use types::{Container, Rational, SourceInfo, StreamInfo, StreamKind, VideoParams};

/// The build of libav that is loaded: versions of its libraries. Part of every segment's key, because another build may
/// decode or encode to other bits.
pub fn build() -> String {
    use av::ffi;
    // SAFETY: these return numbers and a static string.
    let (versions, release) = unsafe {
        ([ffi::avutil_version(), ffi::avcodec_version(), ffi::avformat_version()], av::text(ffi::av_version_info()))
    };
    let numbers = versions.map(|v| format!("{}.{}.{}", v >> 16, v >> 8 & 255, v & 255));
    format!("{release} ({})", numbers.join(", "))
}
