//! Everything that decides the bits of an encoded segment.

use std::collections::BTreeSet;

use cleanplate_core::{ColorInfo, PixelFormat, Scan};
use serde::{Deserialize, Serialize};

use super::formats::{Codec, Loss};
use crate::types::Rational;

/// An encoder with all its settings. Two encoders opened from equal specs, by the same build of the same libraries, turn
/// equal frames into equal packets; so a hash over this (and the library versions) is part of every segment's key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EncoderSpec {
    /// The codec it writes.
    pub codec: Codec,
    /// libav's name of the encoder.
    pub encoder: String,
    /// libav's name of one that works in its place and under its name, in rehearsals of what fails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stand_in: Option<String>,
    /// Layout of the frames that are pushed: the source's.
    pub source_format: PixelFormat,
    /// libav's name of the sample format that the encoder is given. Frames are brought into it without loss, or with the
    /// losses in [`losses`](Self::losses).
    pub pix_fmt: String,
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// Seconds a tick of all times: the source's time base.
    pub time_base: Rational,
    /// Nominal frames a second, which rate control and stream headers want; timing never comes from it.
    pub frame_rate: Rational,
    /// Sample aspect ratio, 0/1 where unknown.
    pub sar: Rational,
    /// Colour tags written into the stream.
    pub color: ColorInfo,
    /// Whether and how fields are coded.
    pub scan: Scan,
    /// Parameter sets in the global headers only (`true`, as MP4 and Matroska want them) or at every key frame as well.
    pub global_header: bool,
    /// Threads of the encoder. They decide bits (x264, x265), so they are pinned here, whatever machine encodes.
    pub threads: u32,
    /// Options of libav and of the encoder, in order: quality, preset and the user's own.
    pub options: Vec<(String, String)>,
    /// What is lost against the source, with the user's consent.
    pub losses: BTreeSet<Loss>,
    /// What the user has consented to lose, needed or not: frames may turn out to carry things that the codec cannot.
    pub accept_loss: BTreeSet<Loss>,
}

impl EncoderSpec {
    /// libav's name of what does the work.
    pub(super) fn works(&self) -> &str {
        self.stand_in.as_deref().unwrap_or(&self.encoder)
    }

    /// The encoder with its speed and quality, in words.
    pub fn words(&self) -> String {
        let mut words = self.encoder.clone();
        for key in ["preset", "crf", "cq", "global_quality"] {
            if let Some((_, value)) = self.options.iter().find(|(k, _)| k == key) {
                words.push_str(&format!(" {key} {value}"));
            }
        }
        words
    }
}
