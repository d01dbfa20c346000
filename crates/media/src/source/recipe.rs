//! How a stream is decoded: which decoder, with how many threads, and what happens when it meets damage.

use super::bitstream::is_intra;
use crate::av::{AvError, Decoder, Device, Parameters, ffi, text};
use crate::error::{Error, Result};
use crate::types::Rational;

/// Refusals of a decoder after one packet before the next one is tried.
pub(crate) const MAX_REFUSALS: u32 = 64;

/// What the decoder does with damage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Care {
    /// It refuses the picture, so that the caller learns of it before any picture that leans on it comes out.
    Strict,
    /// It conceals, on one thread: what is concealed with several differs from run to run (six different outputs of six on a
    /// file with flipped bits).
    Conceal,
}

/// A decoder to be.
#[derive(Debug)]
pub(crate) struct Recipe<'a> {
    pub(crate) parameters: &'a Parameters,
    pub(crate) time_base: Rational,
    /// The decoder where libav's choice is not the one.
    pub(crate) name: Option<&'static str>,
    pub(crate) max_pixels: u64,
    /// Whether frames carry by how much they were quantised, where the decoder tells.
    pub(crate) tells_quantiser: bool,
}

impl Recipe<'_> {
    /// Opens it, in software or on a device. `threads` 0 lets libav choose.
    pub(crate) fn open(&self, threads: u32, care: Care, device: Option<&Device>) -> Result<Decoder> {
        use ffi::AVCodecID as C;
        let mut options = vec![("max_pixels", self.max_pixels.to_string())];
        if self.tells_quantiser {
            options.push(("export_side_data", "venc_params".to_owned()));
        }
        let codec = self.parameters.get().codec_id;
        let threads = match (care, codec) {
            (Care::Strict, C::H264 | C::HEVC | C::VP8 | C::VP9 | C::AV1 | C::FFV1) => {
                options.push(("err_detect", "explode".to_owned()));
                threads
            }
            (Care::Strict, C::MPEG2VIDEO) => threads,
            (Care::Strict, _) if is_intra(codec) => threads,
            // libav's MPEG-4 decoder aborts the process when it is to refuse damage and has several threads.
            _ => 1,
        };
        // A device has its own.
        let threads = if device.is_some() { 1 } else { threads };
        Decoder::open(self.parameters, self.time_base, threads, self.name, &options, device).map_err(|error| {
            // SAFETY: a static name.
            let codec = unsafe { text(ffi::avcodec_get_name(self.parameters.get().codec_id)) };
            match error {
                AvError(ffi::AVERROR_DECODER_NOT_FOUND) if codec == "none" => Error::unsupported(format!(
                    "this build of libav does not know the video's codec ({})",
                    tag(self.parameters.get().codec_tag)
                )),
                AvError(ffi::AVERROR_DECODER_NOT_FOUND) => {
                    Error::unsupported(format!("this build of libav has no decoder for {codec} video"))
                }
                error => Error::Input(format!("the decoder for {codec} refuses the stream: {error}")),
            }
        })
    }
}

/// A container's four characters for a codec, or their number where they are not letters.
fn tag(tag: u32) -> String {
    let bytes = tag.to_le_bytes();
    if bytes.iter().all(u8::is_ascii_graphic) {
        bytes.iter().map(|byte| char::from(*byte)).collect()
    } else {
        format!("tag {tag:#x}")
    }
}
