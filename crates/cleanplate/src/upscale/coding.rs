//! How a source was coded, as far as enlarging cares: which weights suit it, and how much of its motion is left.

use cleanplate_core::Repeats;
use cleanplate_media::Source;
use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::options::{UpscaleModel, UpscaleOptions};

/// What a source has been through. The built-in networks have weights for both.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Condition {
    /// Nothing that shows: all detail is the picture's.
    Clean,
    /// A codec that has left traces.
    Coded,
}

impl Condition {
    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Clean => "clean",
            Self::Coded => "coded",
        }
    }
}

impl std::str::FromStr for Condition {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        [Self::Clean, Self::Coded]
            .into_iter()
            .find(|known| known.name() == text)
            .ok_or_else(|| format!("source is clean or coded, not {text:?}"))
    }
}

/// From this quantiser of H.264 on the weights for coded sources are taken: both make equally sharp pictures of what x264 has coded at crf 18
/// (train/upscale.py measure), whose predicted pictures have 12.6 to 19.4 (clips of benches/repeats).
const TRACES: f32 = 16.0;

/// From here on grain and faint motion are lost in the noise: on the clips of benches/repeats predicted pictures have 13 to 23.2 where frames
/// repeat at crf 23, and what was merged wrongly at crf 28 has 24.6 and more.
const COARSE: f32 = 24.0;

/// libav's names of codecs that leave no traces, or hardly any, at the rates at which they are used.
const LIGHT: [&str; 18] = [
    "ffv1", "huffyuv", "ffvhuff", "utvideo", "magicyuv", "rawvideo", "v210", "v308", "v410", "r210", "png", "apng",
    "tiff", "qtrle", "prores", "dnxhd", "cfhd", "jpeg2000",
];

/// How a source was coded.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Coding {
    codec: String,
    quantiser: Option<f32>,
}

impl Coding {
    /// Of a video that is to be enlarged as is `wanted`; some of its frames are decoded where something depends on its quantiser.
    pub(crate) fn of(source: &Source, wanted: &UpscaleOptions) -> Result<Self> {
        let codec = source.info().video_stream().map(|stream| stream.codec.clone()).unwrap_or_default();
        let picks_weights = wanted.condition.is_none() && !matches!(wanted.model, UpscaleModel::File(_));
        let depends = picks_weights || wanted.repeats == Repeats::Perceptual;
        Ok(Self { codec, quantiser: if depends { source.quantiser()? } else { None } })
    }

    /// Of images, of which some are JPEG or none.
    pub(crate) fn images(is_jpeg: bool) -> Self {
        Self { codec: if is_jpeg { "mjpeg" } else { "png" }.to_owned(), quantiser: None }
    }

    /// Which weights suit it.
    pub(crate) fn condition(&self) -> Condition {
        let is_clean = self.quantiser.map_or_else(|| LIGHT.contains(&self.codec.as_str()), |q| q < TRACES);
        if is_clean { Condition::Clean } else { Condition::Coded }
    }

    /// Whether what moves a little is lost in its noise.
    pub(crate) fn is_coarse(&self) -> bool {
        self.quantiser.is_some_and(|q| q > COARSE)
    }

    /// What is known of it, in words.
    pub(crate) fn words(&self) -> String {
        match self.quantiser {
            Some(q) => format!("the stream's mean quantiser is {q:.1}"),
            None => format!("the codec is {}", self.codec),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_quantiser_decides_and_without_one_the_codec() {
        let of = |codec: &str, quantiser| {
            let coding = Coding { codec: codec.to_owned(), quantiser };
            (coding.condition(), coding.is_coarse())
        };
        assert_eq!(of("h264", Some(9.0)), (Condition::Clean, false));
        assert_eq!(of("h264", Some(22.0)), (Condition::Coded, false));
        assert_eq!(of("h264", Some(27.0)), (Condition::Coded, true));
        assert_eq!(of("hevc", None), (Condition::Coded, false));
        assert_eq!(of("ffv1", None), (Condition::Clean, false));
        assert_eq!("coded".parse(), Ok(Condition::Coded));
        assert!("dirty".parse::<Condition>().is_err());
    }
}
