//! What libav says of a file before a frame is decoded, in our words.

use cleanplate_core::{ColorInfo, Scan};

use crate::av::{Dict, compat, ffi, text};
use crate::error::{Error, Result};
use crate::pixfmt;
use crate::types::{Chapter, Container, Rational, StreamInfo, StreamKind, VideoParams};

/// The family of a demuxer; `mov,mp4...` is told apart by the file's brand.
pub(crate) fn container(demuxer: &str, brand: Option<&str>, doc_type_webm: bool) -> Result<Container> {
    let first = demuxer.split(',').next().unwrap_or_default();
    Ok(match first {
        "mov" => match brand {
            Some(brand) if !brand.trim().eq_ignore_ascii_case("qt") => Container::Mp4,
            _ => Container::Mov,
        },
        "matroska" if doc_type_webm => Container::Webm,
        "matroska" => Container::Mkv,
        "mpegts" => Container::Ts,
        "mpeg" => Container::Mpg,
        "avi" => Container::Avi,
        "flv" => Container::Flv,
        "ogg" => Container::Ogg,
        "h264" | "hevc" | "mpegvideo" | "m4v" | "av1" | "obu" | "ivf" | "mjpeg" => Container::Raw,
        other => return Err(Error::unsupported(format!("cannot work on files of the format {other}"))),
    })
}

/// One stream, without what only its packets tell.
pub(crate) fn stream(stream: &ffi::AVStream) -> StreamInfo {
    // SAFETY: a stream of an open context has parameters.
    let par = unsafe { &*stream.codecpar };
    let attached = stream.disposition & ffi::AV_DISPOSITION_ATTACHED_PIC != 0;
    let kind = match par.codec_type {
        ffi::AVMediaType::VIDEO if attached => StreamKind::Picture,
        ffi::AVMediaType::VIDEO => StreamKind::Video,
        ffi::AVMediaType::AUDIO => StreamKind::Audio,
        ffi::AVMediaType::SUBTITLE => StreamKind::Subtitle,
        ffi::AVMediaType::DATA => StreamKind::Data,
        ffi::AVMediaType::ATTACHMENT => StreamKind::Attachment,
        _ => StreamKind::Unknown,
    };
    // SAFETY: the stream is valid; names are libav's static strings.
    let (codec, metadata, side_data) = unsafe {
        (text(ffi::avcodec_get_name(par.codec_id)), Dict::pairs(stream.metadata), compat::stream_side_data(stream))
    };
    let is_picture = matches!(kind, StreamKind::Video | StreamKind::Picture);
    let rotation = side_data
        .iter()
        .find(|(kind, _)| *kind == ffi::AVPacketSideDataType::DISPLAYMATRIX)
        .map_or((0, false), |(_, matrix)| rotation(matrix));
    StreamInfo {
        index: usize::try_from(stream.index).unwrap_or(0),
        kind,
        codec,
        time_base: stream.time_base.into(),
        metadata,
        disposition: dispositions(stream.disposition),
        packets: 0,
        bytes: 0,
        start: None,
        end: None,
        sha256: String::new(),
        // SAFETY: libav's static names.
        side_data: side_data.iter().map(|(kind, _)| unsafe { text(ffi::av_packet_side_data_name(*kind)) }).collect(),
        video: is_picture.then(|| video(stream, par, rotation)),
        audio: (kind == StreamKind::Audio).then(|| {
            (u32::try_from(par.sample_rate).unwrap_or(0), u32::try_from(par.ch_layout.nb_channels).unwrap_or(0))
        }),
    }
}

fn video(stream: &ffi::AVStream, par: &ffi::AVCodecParameters, rotation: (u32, bool)) -> VideoParams {
    let format = ffi::AVPixelFormat(par.format);
    let name = pixfmt::name(format);
    let sar = if stream.sample_aspect_ratio.num > 0 { stream.sample_aspect_ratio } else { par.sample_aspect_ratio };
    VideoParams {
        width: u32::try_from(par.width).unwrap_or(0),
        height: u32::try_from(par.height).unwrap_or(0),
        format: super::convert::carried(format),
        color: ColorInfo {
            primaries: u8::try_from(par.color_primaries.0).unwrap_or(2),
            transfer: u8::try_from(par.color_trc.0).unwrap_or(2),
            matrix: u8::try_from(par.color_space.0).unwrap_or(2),
            full_range: full_range(par.color_range, &name),
            chroma_location: u8::try_from(par.chroma_location.0).unwrap_or(0),
        },
        pix_fmt: name,
        sar: sar.into(),
        scan: match par.field_order {
            ffi::AVFieldOrder::TT | ffi::AVFieldOrder::BT => Scan::TopFirst,
            ffi::AVFieldOrder::BB | ffi::AVFieldOrder::TB => Scan::BottomFirst,
            _ => Scan::Progressive,
        },
        frame_rate: frame_rate(stream),
        rotation,
        profile: par.profile,
        reorder: u32::try_from(par.video_delay).unwrap_or(0),
        bit_rate: par.bit_rate,
    }
}

/// Whether samples use the full range; the formats that libav calls `yuvj...` say so by their name.
pub(crate) fn full_range(range: ffi::AVColorRange, format: &str) -> Option<bool> {
    match range {
        ffi::AVColorRange::JPEG => Some(true),
        _ if format.starts_with("yuvj") => Some(true),
        ffi::AVColorRange::MPEG => Some(false),
        _ => None,
    }
}

/// A plausible nominal rate, 0/1 without one.
fn frame_rate(stream: &ffi::AVStream) -> Rational {
    let plausible = |r: ffi::AVRational| r.num > 0 && r.den > 0 && Rational::from(r).value() < 1000.0;
    if plausible(stream.avg_frame_rate) {
        stream.avg_frame_rate.into()
    } else if plausible(stream.r_frame_rate) {
        stream.r_frame_rate.into()
    } else {
        Rational::new(0, 1)
    }
}

/// Degrees clockwise and mirroring of a display matrix (nine 32-bit numbers, native byte order): the picture is mirrored
/// left to right *after* it was turned.
pub(crate) fn rotation(matrix: &[u8]) -> (u32, bool) {
    let value =
        |i: usize| matrix.get(i * 4..i * 4 + 4).and_then(|b| <[u8; 4]>::try_from(b).ok()).map_or(0, i32::from_ne_bytes);
    let (a, b, c, d) = (f64::from(value(0)), f64::from(value(1)), f64::from(value(3)), f64::from(value(4)));
    let mirrored = a * d - b * c < 0.0;
    // Output x is a x + c y: mirroring after the turn changes the sign of a and c.
    let a = if mirrored { -a } else { a };
    if a == 0.0 && b == 0.0 {
        return (0, mirrored);
    }
    let degrees = b.atan2(a).to_degrees();
    ((((degrees / 90.0).round() as i32).rem_euclid(4) * 90) as u32, mirrored)
}

fn dispositions(flags: i32) -> Vec<String> {
    (0..31)
        .map(|bit| 1i32 << bit)
        .filter(|flag| flags & flag != 0)
        // SAFETY: null or a static string.
        .map(|flag| unsafe { text(ffi::av_disposition_to_string(flag)) })
        .filter(|name| !name.is_empty())
        .collect()
}

/// Every chapter of an open file.
pub(crate) fn chapters(context: &ffi::AVFormatContext) -> Vec<Chapter> {
    if context.chapters.is_null() {
        return Vec::new();
    }
    // SAFETY: libav keeps nb_chapters pointers to valid chapters there.
    let chapters = unsafe { std::slice::from_raw_parts(context.chapters, context.nb_chapters as usize) };
    chapters
        .iter()
        .map(|chapter| {
            // SAFETY: valid as long as the context.
            let chapter = unsafe { &**chapter };
            Chapter {
                id: chapter.id,
                time_base: chapter.time_base.into(),
                start: chapter.start,
                end: chapter.end,
                // SAFETY: null or a valid dictionary.
                metadata: unsafe { Dict::pairs(chapter.metadata) },
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn display_matrices_are_turns_with_or_without_a_mirror() {
        let matrix = |v: [i32; 4]| {
            let full = [v[0], v[1], 0, v[2], v[3], 0, 0, 0, 1 << 30];
            full.iter().flat_map(|x| x.to_ne_bytes()).collect::<Vec<u8>>()
        };
        const ONE: i32 = 1 << 16;
        for (values, want) in [
            ([ONE, 0, 0, ONE], (0, false)),
            ([0, ONE, -ONE, 0], (90, false)),
            ([-ONE, 0, 0, -ONE], (180, false)),
            ([0, -ONE, ONE, 0], (270, false)),
            ([-ONE, 0, 0, ONE], (0, true)),
            ([ONE, 0, 0, -ONE], (180, true)),
        ] {
            assert_eq!(rotation(&matrix(values)), want, "{values:?}");
        }
        assert_eq!(rotation(&[]), (0, false));
    }
}
