//! What each codec and container can carry, as data: the rules behind `docs/formats.md`.

use std::collections::BTreeSet;

use cleanplate_core::{PixelFormat, PixelLayout, Scan};
use serde::{Deserialize, Serialize};

use super::hardware::HARDWARE;
use crate::types::Container;

/// A codec that is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Codec {
    /// H.264 / AVC, by x264.
    H264,
    /// H.265 / HEVC, by x265.
    Hevc,
    /// AV1, by SVT-AV1.
    Av1,
    /// FFV1 version 3, lossless.
    Ffv1,
    /// Apple ProRes.
    Prores,
    /// MPEG-2 part 2.
    Mpeg2,
}

impl Codec {
    /// Every codec that is written.
    pub const ALL: [Self; 6] = [Self::H264, Self::Hevc, Self::Av1, Self::Ffv1, Self::Prores, Self::Mpeg2];

    /// libav's name of the codec.
    pub const fn name(self) -> &'static str {
        match self {
            Self::H264 => "h264",
            Self::Hevc => "hevc",
            Self::Av1 => "av1",
            Self::Ffv1 => "ffv1",
            Self::Prores => "prores",
            Self::Mpeg2 => "mpeg2video",
        }
    }

    /// As people write it.
    pub const fn title(self) -> &'static str {
        match self {
            Self::H264 => "H.264",
            Self::Hevc => "HEVC",
            Self::Av1 => "AV1",
            Self::Ffv1 => "FFV1",
            Self::Prores => "ProRes",
            Self::Mpeg2 => "MPEG-2",
        }
    }

    /// The codec that a user means by `name`, which may also be that of an encoder.
    pub fn by_name(name: &str) -> Option<Self> {
        Some(match name.to_ascii_lowercase().as_str() {
            "h264" | "h.264" | "avc" | "x264" | "libx264" | "libx264rgb" => Self::H264,
            "hevc" | "h265" | "h.265" | "x265" | "libx265" => Self::Hevc,
            "av1" | "svtav1" | "libsvtav1" => Self::Av1,
            "ffv1" => Self::Ffv1,
            "prores" | "prores_ks" => Self::Prores,
            "mpeg2" | "mpeg2video" => Self::Mpeg2,
            name => return HARDWARE.iter().find(|hardware| hardware.0 == name).map(|hardware| hardware.1),
        })
    }

    /// Whether packets come in another order than frames are shown. AV1's temporal units are always in order.
    pub const fn reorders(self) -> bool {
        matches!(self, Self::H264 | Self::Hevc | Self::Mpeg2)
    }

    /// Whether what is written decodes to the samples that went in.
    pub const fn is_lossless(self) -> bool {
        matches!(self, Self::Ffv1)
    }

    /// Sample formats that its encoders take, as (layout, chroma subsampling, alpha, depths).
    const fn formats(self) -> &'static [Family] {
        use PixelLayout::{Gbr, Gray, Yuv};
        const fn f(layout: PixelLayout, chroma: (u8, u8), alpha: bool, depths: &'static [u8]) -> Family {
            Family { layout, chroma, alpha, depths }
        }
        match self {
            Self::H264 => {
                const T: &[Family] = &[
                    f(Yuv, (1, 1), false, &[8, 10]),
                    f(Yuv, (1, 0), false, &[8, 10]),
                    f(Yuv, (0, 0), false, &[8, 10]),
                    f(Gray, (0, 0), false, &[8, 10]),
                    f(Gbr, (0, 0), false, &[8]),
                ];
                T
            }
            Self::Hevc => {
                const T: &[Family] = &[
                    f(Yuv, (1, 1), false, &[8, 10, 12]),
                    f(Yuv, (1, 0), false, &[8, 10, 12]),
                    f(Yuv, (0, 0), false, &[8, 10, 12]),
                    f(Gray, (0, 0), false, &[8, 10, 12]),
                    f(Gbr, (0, 0), false, &[8, 10, 12]),
                ];
                T
            }
            Self::Av1 => {
                const T: &[Family] = &[f(Yuv, (1, 1), false, &[8, 10])];
                T
            }
            Self::Ffv1 => {
                const T: &[Family] = &[
                    f(Yuv, (1, 1), false, &[8, 9, 10, 12, 14, 16]),
                    f(Yuv, (1, 0), false, &[8, 9, 10, 12, 14, 16]),
                    f(Yuv, (0, 0), false, &[8, 9, 10, 12, 14, 16]),
                    f(Yuv, (0, 1), false, &[8, 10, 12]),
                    f(Yuv, (2, 0), false, &[8]),
                    f(Yuv, (2, 2), false, &[8]),
                    f(Yuv, (1, 1), true, &[8, 9, 10, 16]),
                    f(Yuv, (1, 0), true, &[8, 9, 10, 16]),
                    f(Yuv, (0, 0), true, &[8, 9, 10, 16]),
                    f(Gray, (0, 0), false, &[8, 9, 10, 12, 16]),
                    f(Gbr, (0, 0), false, &[8, 9, 10, 12, 14, 16]),
                    f(Gbr, (0, 0), true, &[8, 10, 12, 16]),
                ];
                T
            }
            Self::Prores => {
                const T: &[Family] =
                    &[f(Yuv, (1, 0), false, &[10]), f(Yuv, (0, 0), false, &[10]), f(Yuv, (0, 0), true, &[10])];
                T
            }
            Self::Mpeg2 => {
                const T: &[Family] = &[f(Yuv, (1, 1), false, &[8]), f(Yuv, (1, 0), false, &[8])];
                T
            }
        }
    }

    /// Every sample format that its encoders take.
    pub fn pixel_formats(self) -> impl Iterator<Item = PixelFormat> {
        self.formats().iter().flat_map(|family| {
            family.depths.iter().map(|depth| PixelFormat {
                layout: family.layout,
                depth: *depth,
                log2_chroma_w: family.chroma.0,
                log2_chroma_h: family.chroma.1,
                alpha: family.alpha,
            })
        })
    }

    /// libav's name of the encoder for `format`.
    pub const fn encoder(self, format: PixelFormat) -> &'static str {
        match (self, format.layout) {
            (Self::H264, PixelLayout::Gbr) => "libx264rgb",
            (Self::H264, _) => "libx264",
            (Self::Hevc, _) => "libx265",
            (Self::Av1, _) => "libsvtav1",
            (Self::Ffv1, _) => "ffv1",
            (Self::Prores, _) => "prores_ks",
            (Self::Mpeg2, _) => "mpeg2video",
        }
    }

    /// Whether fields can be coded as such, for a picture of `height` rows.
    pub const fn codes_fields(self, format: PixelFormat, height: u32) -> bool {
        match self {
            // Rows are cropped in pairs of fields: ITU-T H.264 7.4.2.1.1, CropUnitY.
            Self::H264 => height.is_multiple_of(2 << format.log2_chroma_h),
            Self::Mpeg2 | Self::Prores | Self::Ffv1 => true,
            Self::Hevc | Self::Av1 => false,
        }
    }

    /// Why a picture of that size cannot be written; `None` where it can.
    pub fn size_problem(self, format: PixelFormat, width: u32, height: u32) -> Option<String> {
        let odd = !width.is_multiple_of(1 << format.log2_chroma_w) || !height.is_multiple_of(1 << format.log2_chroma_h);
        let named = |what: &str| Some(format!("{} cannot code {width}x{height}: {what}", self.title()));
        match self {
            // Both standards crop in whole chroma samples.
            Self::H264 | Self::Hevc if odd => named("sides must be multiples of the chroma subsampling"),
            Self::Hevc if width < 16 || height < 16 => named("x265 needs 16 samples a side"),
            Self::Av1 if width < 64 || height < 64 => named("SVT-AV1 needs 64 samples a side"),
            Self::Av1 if odd => named("SVT-AV1 needs even sides"),
            _ => None,
        }
    }
}

struct Family {
    layout: PixelLayout,
    chroma: (u8, u8),
    alpha: bool,
    depths: &'static [u8],
}

/// A kind of thing that may be lost, and only with consent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Loss {
    /// The plane of opacity.
    Alpha,
    /// Bits a sample.
    Depth,
    /// Resolution of the colour planes.
    Chroma,
    /// RGB samples, turned into luma and chroma.
    Rgb,
    /// The flags that tell fields and their order; rows stay where they are.
    FieldOrder,
    /// A source that was coded without loss becomes one that is not.
    Lossless,
    /// HDR metadata that changes by frame (HDR10+, Dolby Vision).
    HdrDynamic,
    /// Closed captions inside the pictures (CEA-608, CEA-708).
    Captions,
    /// Time codes inside the pictures (SMPTE ST 12-1).
    Timecode,
    /// Active format description.
    Afd,
    /// User data inside the pictures that no standard names (SEI "user data unregistered").
    UserData,
}

impl Loss {
    /// Every kind.
    pub const ALL: [Self; 11] = [
        Self::Alpha,
        Self::Depth,
        Self::Chroma,
        Self::Rgb,
        Self::FieldOrder,
        Self::Lossless,
        Self::HdrDynamic,
        Self::Captions,
        Self::Timecode,
        Self::Afd,
        Self::UserData,
    ];

    /// Whether it is about the sample format alone, to which asking for a sample format consents.
    pub const fn is_of_samples(self) -> bool {
        matches!(self, Self::Alpha | Self::Depth | Self::Chroma | Self::Rgb)
    }

    /// As the user consents to it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Alpha => "alpha",
            Self::Depth => "depth",
            Self::Chroma => "chroma",
            Self::Rgb => "rgb",
            Self::FieldOrder => "field-order",
            Self::Lossless => "lossless",
            Self::HdrDynamic => "hdr-dynamic",
            Self::Captions => "captions",
            Self::Timecode => "timecode",
            Self::Afd => "afd",
            Self::UserData => "user-data",
        }
    }
}

/// How a source's samples would be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fit {
    pub(super) format: PixelFormat,
    pub(super) losses: BTreeSet<Loss>,
    /// How far the samples are from the source's: fewer is better.
    pub(super) changes: u32,
}

/// The best way to write `source` with `codec`: fewest losses, then fewest changes, then fewest bits. `wanted` restricts it
/// to one format. `None` where there is no way at all.
pub(super) fn fit(codec: Codec, source: PixelFormat, wanted: Option<PixelFormat>) -> Option<Fit> {
    codec
        .pixel_formats()
        .filter(|format| wanted.is_none_or(|w| w == *format))
        .filter_map(|format| fit_to(source, format))
        .min_by_key(|fit| (fit.losses.len(), fit.changes, fit.format.depth, fit.format.alpha))
}

fn fit_to(source: PixelFormat, format: PixelFormat) -> Option<Fit> {
    use PixelLayout::{Gbr, Gray, Yuv};
    let mut losses = BTreeSet::new();
    let mut changes = 0;
    if format.alpha && !source.alpha {
        return None;
    }
    if source.alpha && !format.alpha {
        losses.insert(Loss::Alpha);
    }
    if format.depth < source.depth {
        losses.insert(Loss::Depth);
        changes += u32::from(source.depth - format.depth);
    }
    changes += u32::from(format.depth > source.depth);
    let chroma = |f: PixelFormat| (f.log2_chroma_w, f.log2_chroma_h);
    match (source.layout, format.layout) {
        (Yuv, Yuv) => {
            // Any change of the chroma grid resamples; towards more samples it costs least.
            if chroma(source) != chroma(format) {
                losses.insert(Loss::Chroma);
                let fewer = chroma(format).0 > chroma(source).0 || chroma(format).1 > chroma(source).1;
                changes += if fewer { 8 } else { 2 };
            }
        }
        (Gray, Gray) | (Gbr, Gbr) => {}
        // Neutral chroma adds nothing; the fewer of it the better.
        (Gray, Yuv) => changes += 5 - u32::from(chroma(format).0 + chroma(format).1),
        (Gbr, Yuv) => {
            losses.insert(Loss::Rgb);
            if chroma(format) != (0, 0) {
                losses.insert(Loss::Chroma);
                changes += 8;
            }
        }
        _ => return None,
    }
    Some(Fit { format, losses, changes })
}

impl Container {
    /// Every container.
    pub(super) const EVERY: [Self; 10] =
        [Self::Mp4, Self::Mov, Self::Mkv, Self::Webm, Self::Ts, Self::Mpg, Self::Avi, Self::Flv, Self::Ogg, Self::Raw];

    /// Codecs of ours that libav's muxer writes so that its demuxer reads the same packets and times back.
    pub const fn codecs(self) -> &'static [Codec] {
        use Codec::{Av1, Ffv1, H264, Hevc, Mpeg2, Prores};
        match self {
            Self::Mp4 => &[H264, Hevc, Av1, Mpeg2],
            Self::Mov => &[H264, Hevc, Prores, Ffv1, Mpeg2],
            Self::Mkv => &[H264, Hevc, Av1, Ffv1, Prores, Mpeg2],
            Self::Webm => &[Av1],
            Self::Ts => &[H264, Hevc, Mpeg2],
            Self::Mpg => &[Mpeg2, H264],
            Self::Avi => &[H264, Ffv1, Mpeg2],
            Self::Flv => &[H264],
            Self::Ogg => &[],
            Self::Raw => &[H264, Hevc, Mpeg2],
        }
    }

    /// Whether parameter sets lie in the container's header.
    pub const fn has_global_header(self) -> bool {
        matches!(self, Self::Mp4 | Self::Mov | Self::Mkv | Self::Webm | Self::Flv)
    }

    /// Whether packets may come in another order than frames are shown.
    pub const fn allows_reordering(self) -> bool {
        !matches!(self, Self::Avi)
    }

    /// As people write it.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Mp4 => "MP4",
            Self::Mov => "MOV",
            Self::Mkv => "Matroska",
            Self::Webm => "WebM",
            Self::Ts => "MPEG-TS",
            Self::Mpg => "MPEG-PS",
            Self::Avi => "AVI",
            Self::Flv => "FLV",
            Self::Ogg => "Ogg",
            Self::Raw => "a bare stream",
        }
    }
}

/// Codecs to try for a source, the best first.
pub(super) fn family(source: &str) -> &'static [Codec] {
    use Codec::{Av1, Ffv1, H264, Hevc, Mpeg2, Prores};
    match source {
        "hevc" => &[Hevc, H264, Ffv1, Av1],
        "av1" | "vp9" | "vp8" => &[Av1, Hevc, H264, Ffv1],
        "mpeg2video" | "mpeg1video" => &[Mpeg2, H264, Hevc, Ffv1, Av1],
        "prores" | "dnxhd" | "cfhd" => &[Prores, Ffv1, Hevc, H264, Av1],
        name if is_lossless(name) => &[Ffv1, H264, Hevc, Av1, Mpeg2],
        _ => &[H264, Hevc, Ffv1, Mpeg2, Av1],
    }
}

/// Whether a codec of libav keeps every sample (those that have lossy modes are not among them).
pub(super) fn is_lossless(codec: &str) -> bool {
    matches!(
        codec,
        "ffv1"
            | "huffyuv"
            | "ffvhuff"
            | "utvideo"
            | "magicyuv"
            | "lagarith"
            | "rawvideo"
            | "v210"
            | "v308"
            | "v408"
            | "v410"
            | "r210"
            | "png"
            | "apng"
            | "bmp"
            | "tiff"
            | "qtrle"
            | "gif"
            | "zmbv"
            | "flashsv"
            | "camtasia"
            | "tscc"
            | "msrle"
            | "rpza"
            | "targa"
            | "sgi"
            | "pam"
            | "ppm"
            | "dpx"
    )
}

/// Whether the loss of fields matters for this source and codec.
pub(super) fn loses_fields(codec: Codec, scan: Scan, format: PixelFormat, height: u32) -> bool {
    scan.is_interlaced() && !codec.codes_fields(format, height)
}
