//! Settings of each encoder: quality, speed, determinism.

use std::ffi::CString;

use cleanplate_core::{ColorInfo, PixelFormat, PixelLayout, Scan};

use super::choose::EncodeRequest;
use super::formats::Codec;
use super::hdr::StaticSideData;
use super::spec::EncoderSpec;
use crate::av::ffi;
use crate::error::{Error, Result};
use crate::pixfmt;
use crate::types::{Container, Rational, StreamInfo, VideoParams};

/// libav's encoder of that name.
pub(super) fn find(name: &str) -> Option<&'static ffi::AVCodec> {
    let name = CString::new(name).ok()?;
    // SAFETY: the string lives during the call; the answer is null or static.
    unsafe { ffi::avcodec_find_encoder_by_name(name.as_ptr()).as_ref() }
}

/// libav's name of time codes that frames carry.
const TIMECODE: &str = "SMPTE 12-1 timecode";

/// Key of an encoder's own parameter list, its separator and the names of the two HDR10 parameters.
fn parameter_list(encoder: &str) -> Option<(&'static str, &'static str, &'static str)> {
    match encoder {
        "libx264" | "libx264rgb" => Some(("x264-params", "mastering-display", "cll")),
        "libx265" => Some(("x265-params", "master-display", "max-cll")),
        "libsvtav1" => Some(("svtav1-params", "mastering-display", "content-light")),
        _ => None,
    }
}

/// The spec's options with HDR10 metadata added for those encoders that write it.
pub(super) fn with_hdr(spec: &EncoderSpec, hdr: &StaticSideData) -> Vec<(String, String)> {
    let mut options = spec.options.clone();
    if let Some((list, mastering, light)) = parameter_list(spec.works()) {
        if let Some(display) = &hdr.mastering {
            let text = if spec.works() == "libsvtav1" { display.for_svt() } else { display.for_x26x() };
            append(&mut options, list, &format!("{mastering}={text}"));
        }
        if let Some(level) = &hdr.light {
            append(&mut options, list, &format!("{light}={},{}", level.max_content, level.max_frame_average));
        }
    }
    options
}

/// Adds `parameter` in front of an encoder's own parameter list, where what the user has set wins over it.
fn append(options: &mut Vec<(String, String)>, list: &str, parameter: &str) {
    match options.iter_mut().find(|(key, _)| key == list) {
        Some((_, value)) => *value = format!("{parameter}:{value}"),
        None => options.push((list.to_owned(), parameter.to_owned())),
    }
}

/// Options of `encoder` for the request: its defaults, then the user's own.
///
/// # Errors
/// Where the user asks for a quality or preset that the encoder does not have.
pub(super) fn all(
    encoder: &str,
    request: &EncodeRequest,
    threads: u32,
    (source, video): (&str, &VideoParams),
    codec: Codec,
    container: Container,
) -> Result<Vec<(String, String)>> {
    let rated = matches!(encoder, "libx264" | "libx264rgb" | "libx265" | "libsvtav1");
    if !rated && request.crf.is_some() {
        return Err(Error::unsupported(format!("{encoder} has no constant rate factor (--crf)")));
    }
    if !rated && request.preset.is_some() {
        return Err(Error::unsupported(format!("{encoder} has no presets (--preset)")));
    }
    let mut options = defaults(encoder, request, threads, source, video);
    if codec.reorders() && !container.allows_reordering() {
        set(&mut options, "bf", "0");
    }
    for (key, value) in &request.options {
        match parameter_list(encoder) {
            Some((list, ..)) if list == key => merge(&mut options, list, value),
            _ => set(&mut options, key, value),
        }
    }
    Ok(options)
}

fn set(options: &mut Vec<(String, String)>, key: &str, value: &str) {
    options.retain(|(k, _)| k != key);
    options.push((key.to_owned(), value.to_owned()));
}

/// Adds the user's own parameters behind ours: encoders let the last one win.
fn merge(options: &mut Vec<(String, String)>, list: &str, user: &str) {
    match options.iter_mut().find(|(key, _)| key == list) {
        Some((_, value)) => *value = format!("{value}:{user}"),
        None => options.push((list.to_owned(), user.to_owned())),
    }
}

fn defaults(
    encoder: &str,
    request: &EncodeRequest,
    threads: u32,
    source: &str,
    video: &VideoParams,
) -> Vec<(String, String)> {
    let mut options: Vec<(String, String)> = Vec::new();
    let mut set = |key: &str, value: &str| options.push((key.to_owned(), value.to_owned()));
    let crf = |usual: f32| format!("{}", request.crf.unwrap_or(usual));
    let preset = |usual: &'static str| request.preset.clone().unwrap_or_else(|| usual.to_owned());
    match encoder {
        "libx264" | "libx264rgb" => {
            set("preset", &preset("medium"));
            set("crf", &crf(18.0));
            // Without this x264 chooses its routines by CPU and alignment: the same frames gave up to 6 streams in 30
            // encodes on a machine with AVX-512; with it 159 of 159 were equal, at no visible cost.
            // Time codes of frames lie in x264's picture timing messages, which it writes for interlaced video or on demand.
            let timed = request.frame_side_data.iter().any(|kind| kind == TIMECODE);
            // The order of the fields, told only with the first frame, would come too late for that frame's own header.
            let order = match video.scan {
                Scan::Progressive => "",
                Scan::TopFirst => ":tff=1",
                Scan::BottomFirst => ":bff=1",
            };
            let timing = if timed { ":pic-struct=1" } else { "" };
            set("x264-params", &format!("cpu-independent=1{order}{timing}"));
        }
        "libx265" => {
            set("preset", &preset("medium"));
            set("crf", &crf(18.0));
            // Every key frame is one to cut and seek at. Pools are pinned like frame threads: without a pool x265 turns
            // wavefronts off, which changes the stream.
            let cores = cores();
            set("x265-params", &format!("open-gop=0:log-level=none:pools={cores}"));
        }
        "libsvtav1" => {
            set("preset", &preset("8"));
            set("crf", &crf(16.0));
            set("svtav1-params", &format!("lp={threads}"));
        }
        "ffv1" => {
            set("level", "3");
            set("slicecrc", "1");
            set("g", "1");
            // libav's own choice is 4 slices; more only where a picture is large enough to pay for their headers.
            if u64::from(video.width) * u64::from(video.height) > 2_500_000 {
                set("slices", "16");
            }
        }
        "prores_ks" => set("profile", prores_profile(video, source == "prores")),
        "mpeg2video" => {
            // A fixed quantiser of 2, the finest that libav's encoder takes without custom matrices.
            set("flags", "+qscale");
            set("global_quality", &(2 * ffi::FF_QP2LAMBDA).to_string());
            set("g", "15");
            set("bf", "2");
            // Closed GOPs and scene cut detection exclude each other in libav's encoder.
            set("sc_threshold", "1000000000");
        }
        _ => {}
    }
    options
}

/// The source's own profile where it is ProRes, else the one for its chroma: libav numbers them from proxy (0) to 4444 XQ (5).
fn prores_profile(video: &VideoParams, source_is_prores: bool) -> &'static str {
    const NAMES: [&str; 6] = ["proxy", "lt", "standard", "hq", "4444", "4444xq"];
    let full = video.format.is_some_and(|f| f.log2_chroma_w == 0);
    let known = usize::try_from(video.profile).ok().and_then(|p| NAMES.get(p)).filter(|_| source_is_prores);
    known.copied().unwrap_or(if full { "4444" } else { "hq" })
}

/// Frames a second for stream headers and rate control: what the source states where that can be true, else its average,
/// within what the codec can express. Timing never comes from it.
pub(super) fn frame_rate(codec: Codec, stream: &StreamInfo, stated: Rational) -> Rational {
    // ISO/IEC 13818-2 table 6-4.
    const MPEG2: [(i32, i32); 8] =
        [(24000, 1001), (24, 1), (25, 1), (30000, 1001), (30, 1), (50, 1), (60000, 1001), (60, 1)];
    // Ordinary Matroska and FLV files state 1000; SVT-AV1 refuses more than 240.
    let plausible = |rate: &Rational| (0.1..=240.0).contains(&rate.value());
    let average = || {
        let ticks = stream.end?.checked_sub(stream.start?)?;
        let rate = stream.packets as f64 / stream.time_base.seconds(ticks);
        Some(Rational::new((rate * 1000.0).round() as i32, 1000)).filter(plausible)
    };
    let rate = Some(stated).filter(plausible).or_else(average).unwrap_or(Rational::new(25, 1));
    if codec != Codec::Mpeg2 {
        return rate;
    }
    let distance = |r: &(i32, i32)| (f64::from(r.0) / f64::from(r.1) / rate.value()).ln().abs();
    let best = MPEG2.iter().min_by(|a, b| distance(a).total_cmp(&distance(b)));
    best.map_or(rate, |r| Rational::new(r.0, r.1))
}

/// libav's name of the sample format that `encoder` takes for samples of `format`: FFV1 and x264 take RGB of 8 bits packed.
pub(super) fn encoder_format(encoder: &str, format: PixelFormat) -> Option<String> {
    let packed = match (encoder, format.layout, format.depth, format.alpha) {
        ("ffv1" | "libx264rgb", PixelLayout::Gbr, 8, false) => Some("bgr0"),
        ("ffv1", PixelLayout::Gbr, 8, true) => Some("bgra"),
        _ => None,
    };
    packed.map(str::to_owned).or_else(|| pixfmt::to_av(format).map(pixfmt::name))
}

/// Colour tags of what is written: the source's, but for a matrix that belongs to the other colour model.
pub(super) fn color(video: &VideoParams, written: PixelFormat, source: PixelFormat) -> ColorInfo {
    let mut color = video.color;
    if written.layout == PixelLayout::Gbr {
        // Decoders tell RGB from luma and chroma by the identity matrix alone (ITU-T H.273 table 4).
        color.matrix = 0;
    }
    if written.layout != source.layout && source.layout == PixelLayout::Gbr {
        // BT.709, limited range: what `convert` computes.
        color.matrix = 1;
        color.full_range = Some(false);
    }
    color
}

fn cores() -> u32 {
    std::thread::available_parallelism().map_or(1, |n| n.get() as u32)
}

/// Threads that plain `ffmpeg` would use on this machine for the same picture, as a number.
pub(super) fn threads(encoder: &str, height: u32) -> u32 {
    let cores = cores();
    match encoder {
        // x264's own rule for "auto": 1.5 threads a core, at most one for two rows of macroblocks.
        "libx264" | "libx264rgb" => (cores * 3 / 2).min(height.div_ceil(16) / 2).max(1),
        // x265's own rule for frame threads.
        "libx265" => match cores {
            0..=3 => 1,
            4..=7 => 2,
            8..=15 => 3,
            16..=31 => 4,
            _ => 5,
        },
        _ => cores.min(16),
    }
}
