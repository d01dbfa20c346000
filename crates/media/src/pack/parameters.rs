//! Codec parameters in a form that can be stored.

use std::ffi::CString;

use cleanplate_core::ColorInfo;
use serde::{Deserialize, Serialize};

use crate::av::{Parameters, ffi, text};
use crate::error::{Error, Result};
use crate::pixfmt;
use crate::types::Rational;

/// libav's `AVCodecParameters` of a video stream, by value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StreamParameters {
    /// libav's name of the codec.
    pub codec: String,
    /// Four-character code that the encoder asks for, 0 where it does not mind.
    pub codec_tag: u32,
    /// libav's name of the sample format.
    pub pix_fmt: String,
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// Sample aspect ratio, 0/1 where unknown.
    pub sar: Rational,
    /// libav's number of the field order.
    pub field_order: u32,
    /// Colour tags.
    pub color: ColorInfo,
    /// libav's number of the profile.
    pub profile: i32,
    /// Level as the codec numbers it.
    pub level: i32,
    /// Frames that a decoder delays: the distance between decoding and presentation order.
    pub video_delay: u32,
    /// Bits a coded sample, 0 where it does not matter.
    pub bits_per_coded_sample: i32,
    /// Bits of a sample that mean something, 0 where it does not matter.
    pub bits_per_raw_sample: i32,
    /// Global headers as lower-case hexadecimal digits.
    #[serde(with = "hex")]
    pub extradata: Vec<u8>,
}

impl StreamParameters {
    /// Takes them from libav's form.
    pub fn from_av(parameters: &Parameters) -> Self {
        let p = parameters.get();
        // SAFETY: libav returns a static name for every number.
        let codec = unsafe { text(ffi::avcodec_get_name(p.codec_id)) };
        let full_range = match p.color_range {
            ffi::AVColorRange::JPEG => Some(true),
            ffi::AVColorRange::MPEG => Some(false),
            _ => None,
        };
        Self {
            codec,
            codec_tag: p.codec_tag,
            pix_fmt: pixfmt::name(ffi::AVPixelFormat(p.format)),
            width: p.width.max(0) as u32,
            height: p.height.max(0) as u32,
            sar: p.sample_aspect_ratio.into(),
            field_order: p.field_order.0,
            color: ColorInfo {
                primaries: p.color_primaries.0 as u8,
                transfer: p.color_trc.0 as u8,
                matrix: p.color_space.0 as u8,
                full_range,
                chroma_location: p.chroma_location.0 as u8,
            },
            profile: p.profile,
            level: p.level,
            video_delay: p.video_delay.max(0) as u32,
            bits_per_coded_sample: p.bits_per_coded_sample,
            bits_per_raw_sample: p.bits_per_raw_sample,
            extradata: parameters.extradata().to_vec(),
        }
    }

    /// Gives them to libav.
    ///
    /// # Errors
    /// Where this build of libav does not know the codec or the sample format, or memory is short.
    pub fn to_av(&self) -> Result<Parameters> {
        let unknown =
            |what: &str, name: &str| Error::unsupported(format!("this build of libav knows no {what} {name}"));
        let name = CString::new(self.codec.as_str()).map_err(|_| unknown("codec", "with a zero byte"))?;
        // SAFETY: the string lives during the call; the answer is null or static.
        let descriptor = unsafe { ffi::avcodec_descriptor_get_by_name(name.as_ptr()).as_ref() };
        let id = descriptor.ok_or_else(|| unknown("codec", &self.codec))?.id;
        let format = pixfmt::by_name(&self.pix_fmt).ok_or_else(|| unknown("sample format", &self.pix_fmt))?;
        let memory = |e: crate::av::AvError| Error::Backend(format!("cannot make codec parameters: {e}"));
        let mut parameters = Parameters::new().map_err(memory)?;
        parameters.set_extradata(&self.extradata).map_err(memory)?;
        let p = parameters.get_mut();
        p.codec_type = ffi::AVMediaType::VIDEO;
        p.codec_id = id;
        p.codec_tag = self.codec_tag;
        p.format = format.0;
        p.width = self.width as i32;
        p.height = self.height as i32;
        p.sample_aspect_ratio = self.sar.into();
        p.field_order = ffi::AVFieldOrder(self.field_order);
        p.color_range = match self.color.full_range {
            Some(true) => ffi::AVColorRange::JPEG,
            Some(false) => ffi::AVColorRange::MPEG,
            None => ffi::AVColorRange::UNSPECIFIED,
        };
        p.color_primaries = ffi::AVColorPrimaries(self.color.primaries.into());
        p.color_trc = ffi::AVColorTransferCharacteristic(self.color.transfer.into());
        p.color_space = ffi::AVColorSpace(self.color.matrix.into());
        p.chroma_location = ffi::AVChromaLocation(self.color.chroma_location.into());
        p.profile = self.profile;
        p.level = self.level;
        p.video_delay = self.video_delay as i32;
        p.bits_per_coded_sample = self.bits_per_coded_sample;
        p.bits_per_raw_sample = self.bits_per_raw_sample;
        Ok(parameters)
    }
}

mod hex {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&bytes.iter().map(|b| format!("{b:02x}")).collect::<String>())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        let digits = String::deserialize(from)?;
        if digits.len() % 2 != 0 || !digits.is_ascii() {
            return Err(D::Error::custom("extradata is not pairs of hexadecimal digits"));
        }
        (0..digits.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).map_err(D::Error::custom))
            .collect()
    }
}
