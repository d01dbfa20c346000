//! Encoders in hardware: which of them could write what a software encoder would, and the trial that shows whether one is there.
//!
//! None of them was ever run on hardware: what stands here follows libav's documentation. A trial decides on each machine.

use cleanplate_core::{ColorInfo, Frame, HostSurface, PixelFormat, PixelLayout, RowMut, Scan, Surface};

use super::choose::{Choice, EncodeRequest, Possible, choose_encoder};
use super::encoder::Encoder;
use super::formats::Codec;
use super::hdr::StaticSideData;
use super::spec::EncoderSpec;
use crate::av::{self, AvError, Decoder, Packet};
use crate::error::{Error, Result};
use crate::pixfmt;
use crate::types::{Container, Rational, SourceInfo, StreamInfo, StreamKind, VideoParams};

/// One of them.
struct Hardware {
    name: &'static str,
    codec: Codec,
    /// libav's names of the sample formats that it takes for 4:2:0 of 8 and of 10 bits.
    formats: [Option<&'static str>; 2],
    family: Family,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Family {
    Nvenc,
    Qsv,
    Vaapi,
}

const fn one(name: &'static str, codec: Codec, formats: [Option<&'static str>; 2], family: Family) -> Hardware {
    Hardware { name, codec, formats, family }
}

/// All of them, of each codec the best first.
const ALL: [Hardware; 9] = [
    one("h264_nvenc", Codec::H264, [Some("yuv420p"), None], Family::Nvenc),
    one("h264_qsv", Codec::H264, [Some("nv12"), None], Family::Qsv),
    one("h264_vaapi", Codec::H264, [Some("nv12"), None], Family::Vaapi),
    one("hevc_nvenc", Codec::Hevc, [Some("yuv420p"), Some("p010le")], Family::Nvenc),
    one("hevc_qsv", Codec::Hevc, [Some("nv12"), Some("p010le")], Family::Qsv),
    one("hevc_vaapi", Codec::Hevc, [Some("nv12"), Some("p010le")], Family::Vaapi),
    one("av1_nvenc", Codec::Av1, [Some("yuv420p"), Some("p010le")], Family::Nvenc),
    one("av1_qsv", Codec::Av1, [Some("nv12"), Some("p010le")], Family::Qsv),
    one("av1_vaapi", Codec::Av1, [Some("nv12"), Some("p010le")], Family::Vaapi),
];

/// libav's names of all encoders in hardware that are known here, each with its codec.
pub const HARDWARE: [(&str, Codec); ALL.len()] = {
    let mut names = [("", Codec::H264); ALL.len()];
    let mut n = 0;
    while n < ALL.len() {
        names[n] = (ALL[n].name, ALL[n].codec);
        n += 1;
    }
    names
};

/// Kinds of side data (libav's names) that encoders in hardware do not write into the stream as ours do.
const UNWRITTEN: [&str; 7] = [
    "ATSC A53 Part 4 Closed Captions",
    "SMPTE 12-1 timecode",
    "Active format description",
    "Mastering display metadata",
    "Content light level metadata",
    "HDR Dynamic Metadata SMPTE2094-40 (HDR10+)",
    "Film grain parameters",
];

/// Those that could write in place of `software`, each with its settings or why it cannot.
pub(super) fn possible(software: &EncoderSpec, request: &EncodeRequest, container: Container) -> Vec<Possible> {
    let of_codec = ALL.iter().filter(|hardware| hardware.codec == software.codec);
    let spec = |hardware: &Hardware| instead(hardware, software, request, container);
    of_codec.map(|hardware| Possible { name: hardware.name.to_owned(), spec: spec(hardware) }).collect()
}

fn instead(
    hardware: &Hardware,
    software: &EncoderSpec,
    request: &EncodeRequest,
    container: Container,
) -> std::result::Result<EncoderSpec, String> {
    let format = software.source_format;
    let is_usual =
        format.layout == PixelLayout::Yuv && (format.log2_chroma_w, format.log2_chroma_h) == (1, 1) && !format.alpha;
    let taken = match format.depth {
        8 => hardware.formats[0],
        10 => hardware.formats[1],
        _ => None,
    };
    let written = software.pix_fmt.as_str();
    let Some(pix_fmt) = taken.filter(|_| is_usual && software.losses.is_empty()) else {
        return Err(format!("it cannot code {written} without loss of samples"));
    };
    if software.scan.is_interlaced() {
        return Err("it is not asked to code fields".to_owned());
    }
    if let Some(kind) = request.frame_side_data.iter().find(|kind| UNWRITTEN.contains(&kind.as_str())) {
        return Err(format!("it would lose what frames carry ({kind})"));
    }
    if let Some((key, _)) = request.options.first() {
        return Err(format!("the option {key} is one of {}", software.encoder));
    }
    let value = |key: &str| software.options.iter().find(|(k, _)| k == key).map(|(_, value)| value.as_str());
    let crf = value("crf").and_then(|text| text.parse::<f32>().ok()).unwrap_or(20.0);
    let speed = speed(value("preset").unwrap_or("medium"));
    let mut options: Vec<(String, String)> = Vec::new();
    let mut set = |key: &str, value: String| options.push((key.to_owned(), value));
    match hardware.family {
        Family::Nvenc => {
            set("preset", format!("p{}", speed + 1));
            set("rc", "vbr".to_owned());
            set("cq", format!("{}", constant(hardware.codec, crf)));
            set("b", "0".to_owned());
        }
        Family::Qsv => {
            const NAMES: [&str; 7] = ["veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow"];
            set("preset", NAMES[speed].to_owned());
            set("global_quality", format!("{}", constant(hardware.codec, crf)));
        }
        Family::Vaapi => {
            // Its speeds are the driver's own affair. Of AV1 it takes the index of a quantiser, which goes to 255.
            let scale = if hardware.codec == Codec::Av1 { 5 } else { 1 };
            set("rc_mode", "CQP".to_owned());
            set("global_quality", format!("{}", scale * constant(hardware.codec, crf)));
        }
    }
    if software.codec.reorders() && !container.allows_reordering() {
        set("bf", "0".to_owned());
    }
    Ok(EncoderSpec {
        encoder: hardware.name.to_owned(),
        pix_fmt: pix_fmt.to_owned(),
        options,
        threads: 1,
        ..software.clone()
    })
}

/// The step of seven (0 the fastest) that stands for a preset of the software encoders, as docs/formats.md says.
fn speed(preset: &str) -> usize {
    match preset {
        "ultrafast" | "superfast" | "12" | "13" => 0,
        "veryfast" | "11" => 1,
        "faster" | "10" | "9" => 2,
        "slow" | "6" | "5" => 4,
        "slower" | "4" | "3" => 5,
        "veryslow" | "placebo" | "2" | "1" | "0" => 6,
        _ => 3,
    }
}

/// The quality of hardware (`-cq`, `-global_quality`) that stands for a constant rate factor: the same number where the scales are those of
/// H.264 and HEVC; AV1's software scale goes to 63, and 51 is the end of hardware's.
fn constant(codec: Codec, crf: f32) -> u32 {
    let scaled = if codec == Codec::Av1 { crf * 51.0 / 63.0 } else { crf };
    (scaled.round() as i64).clamp(1, 51) as u32
}

/// How `codec` is written where nothing is said, for a picture of `size` (columns, rows), 4:2:0 of 8 bits: the software encoder, and those in hardware.
///
/// # Errors
/// As [`choose_encoder`].
pub fn usual_encoders(codec: Codec, size: (u32, u32)) -> Result<Choice> {
    // The first of its own samples, where it has no 4:2:0 of 8 bits.
    let format = if codec == Codec::Prores {
        PixelFormat { depth: 10, log2_chroma_h: 0, ..PixelFormat::YUV420P8 }
    } else {
        PixelFormat::YUV420P8
    };
    let pix_fmt = pixfmt::to_av(format).map(pixfmt::name).unwrap_or_default();
    let video = VideoParams {
        width: size.0,
        height: size.1,
        format: Some(format),
        pix_fmt,
        color: ColorInfo::default(),
        sar: Rational::new(1, 1),
        scan: Scan::Progressive,
        frame_rate: Rational::new(25, 1),
        rotation: (0, false),
        profile: -99,
        reorder: 0,
        bit_rate: 0,
    };
    let stream = StreamInfo {
        index: 0,
        kind: StreamKind::Video,
        codec: codec.name().to_owned(),
        time_base: Rational::new(1, 25),
        metadata: Vec::new(),
        disposition: Vec::new(),
        packets: 0,
        bytes: 0,
        start: None,
        end: None,
        sha256: String::new(),
        side_data: Vec::new(),
        video: Some(video),
        audio: None,
    };
    let info = SourceInfo {
        container: Container::Mkv,
        demuxer: String::new(),
        size: 0,
        streams: vec![stream],
        chapters: Vec::new(),
        metadata: Vec::new(),
        video: 0,
    };
    choose_encoder(&info, Container::Mkv, &EncodeRequest::default())
}

/// Opens the encoder of `spec`, has it code frames of the real size and depth, and decodes what it gives.
///
/// # Errors
/// What kept it from that, in the library's own words where it has any.
pub fn try_encoder(spec: &EncoderSpec) -> std::result::Result<(), String> {
    let log = av::capture();
    code_some(spec).map_err(|error| av::reason(log, &error))
}

/// Frames of a trial.
const FRAMES: u32 = 3;

fn code_some(spec: &EncoderSpec) -> Result<()> {
    let mut encoder = Encoder::open(spec, &StaticSideData::default())?;
    let (parameters, failed) = (encoder.parameters()?, |e: AvError| {
        Error::Backend(format!("what {} gives does not decode: {e}", spec.encoder))
    });
    let mut decoder = Decoder::open(&parameters, spec.time_base, 1, None, &[], None).map_err(failed)?;
    let mut decoded = 0;
    let mut take = |packet: Option<&Packet>| {
        decoder.send(packet).map_err(failed)?;
        while decoder.receive().map_err(failed)?.is_some() {
            decoded += 1;
        }
        Ok(())
    };
    let step = i64::from((spec.time_base.den / spec.time_base.num.max(1) / 25).max(1));
    for n in 0..FRAMES {
        let frame = Frame::new(
            u64::from(n),
            i64::from(n) * step,
            step,
            (spec.width, spec.height),
            spec.source_format,
            Box::new(ramp(spec, 4 * n)),
        );
        encoder.push(frame, &mut |packet| take(Some(packet)))?;
    }
    encoder.finish(&mut |packet| take(Some(packet)))?;
    take(None)?;
    if decoded != FRAMES {
        return Err(Error::Backend(format!("{} gave {decoded} pictures for {FRAMES}", spec.encoder)));
    }
    Ok(())
}

/// A ramp, moved by some samples, in the middle of the codes of any depth.
fn ramp(spec: &EncoderSpec, by: u32) -> HostSurface {
    let mut surface = HostSurface::new(spec.source_format, spec.width, spec.height);
    for plane in 0..spec.source_format.planes() {
        let (w, h) = spec.source_format.plane_size(plane, spec.width, spec.height);
        for y in 0..h {
            let code = |x: u32| 64 + (x + y + by) % 128;
            let deep = spec.source_format.depth.saturating_sub(8);
            match surface.row_mut(plane, y) {
                RowMut::U8(row) => row.iter_mut().zip(0..w).for_each(|(v, x)| *v = code(x) as u8),
                RowMut::U16(row) => row.iter_mut().zip(0..w).for_each(|(v, x)| *v = (code(x) << deep) as u16),
            }
        }
    }
    surface
}
