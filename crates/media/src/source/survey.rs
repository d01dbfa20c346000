//! One pass over every packet: what each stream holds, hashes, and what the index needs.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use cleanplate_core::Scan;
use sha2::{Digest, Sha256};

use super::Unread;
use super::bitstream::{Examiner, Look};
use super::damage::Damage;
use super::demux::Demuxer;
use super::index::Index;
use super::reader::Shape;
use super::recipe::{Care, Recipe};
use super::{Limits, OpenOptions, info, scan, shown};
use crate::av::{AvError, Packet, Parameters, capture, compat, ffi, text};
use crate::error::{Error, Result};
use crate::types::{Rational, SourceInfo, StreamInfo, StreamKind};

/// The longest run of B-frames that a reader looks ahead over for damage: the 16 that H.264 and HEVC can reorder.
const MAX_AHEAD: u64 = 16;

/// What is kept of a packet of the video stream.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PacketEntry {
    pub(crate) pts: Option<i64>,
    pub(crate) dts: Option<i64>,
    pub(crate) duration: i64,
    pub(crate) pos: i64,
    pub(crate) size: u32,
    pub(crate) crc: u32,
    pub(crate) flags: i32,
}

impl PacketEntry {
    pub(crate) fn of(packet: &Packet) -> Self {
        let av = packet.get();
        Self {
            pts: packet.pts(),
            dts: packet.dts(),
            duration: av.duration,
            pos: av.pos,
            size: u32::try_from(av.size).unwrap_or(0),
            crc: crc32c::crc32c(packet.data()),
            flags: av.flags,
        }
    }

    pub(crate) fn is_key(&self) -> bool {
        self.flags & ffi::AV_PKT_FLAG_KEY != 0
    }

    pub(crate) fn is_corrupt(&self) -> bool {
        self.flags & ffi::AV_PKT_FLAG_CORRUPT != 0
    }

    pub(crate) fn is_discarded(&self) -> bool {
        self.flags & ffi::AV_PKT_FLAG_DISCARD != 0
    }

    /// Whether both stand for the same packet of the file: the payload's size and checksum, and the place where known.
    pub(crate) fn same(&self, other: &Self) -> bool {
        self.size == other.size && self.crc == other.crc && (self.pos < 0 || other.pos < 0 || self.pos == other.pos)
    }
}

/// Everything that is known of an opened source.
#[derive(Debug)]
pub(crate) struct Survey {
    pub(crate) path: PathBuf,
    pub(crate) limits: Limits,
    pub(crate) info: SourceInfo,
    pub(crate) parameters: Vec<Parameters>,
    pub(crate) digest: String,
    pub(crate) unread: Vec<Unread>,
    pub(crate) frame_side_data: BTreeSet<String>,
    pub(crate) damage: Damage,
    pub(crate) index: Index,
    pub(crate) packets: Vec<PacketEntry>,
    pub(crate) decoder: Option<&'static str>,
    /// The video stream's parameters as its decoder gets them.
    pub(crate) decoding: Parameters,
    /// What the decoder does with damage, as far as known.
    pub(crate) care: Care,
    /// Frames by which one may be shown before another that it leans on.
    pub(crate) ahead: u64,
}

impl Survey {
    pub(crate) fn recipe(&self) -> Recipe<'_> {
        Recipe {
            parameters: &self.decoding,
            time_base: self.index.time_base,
            name: self.decoder,
            max_pixels: self.limits.max_pixels,
            tells_quantiser: false,
        }
    }
}

impl Survey {
    /// Corrects what headers claim by what the first picture is.
    pub(crate) fn believe(&mut self, first: Option<Shape>, seen: BTreeSet<String>, damage: &Damage) -> Result<()> {
        let Some(first) = first else {
            let words = damage.lines.last().map(|line| format!(" ({line})")).unwrap_or_default();
            return Err(Error::Input(format!("no frame of {} can be decoded{words}", shown(&self.path))));
        };
        self.frame_side_data = seen;
        let Some(video) = self.info.streams.get_mut(self.info.video).and_then(|stream| stream.video.as_mut()) else {
            return Ok(());
        };
        (video.width, video.height) = (first.width, first.height);
        (video.format, video.pix_fmt) = (first.format, first.pix_fmt);
        let told = |header: &mut u8, picture: u8, unknown: u8| {
            if *header == unknown {
                *header = picture;
            }
        };
        told(&mut video.color.primaries, first.color.primaries, 2);
        told(&mut video.color.transfer, first.color.transfer, 2);
        told(&mut video.color.matrix, first.color.matrix, 2);
        told(&mut video.color.chroma_location, first.color.chroma_location, 0);
        video.color.full_range = video.color.full_range.or(first.color.full_range);
        if video.scan == Scan::Progressive {
            video.scan = first.scan;
        }
        Ok(())
    }
}

/// One stream as its packets tell.
#[derive(Default)]
struct Tally {
    packets: u64,
    bytes: u64,
    start: Option<i64>,
    end: Option<i64>,
    payload: Sha256,
    structure: Sha256,
}

impl Tally {
    fn add(&mut self, packet: &Packet) {
        let av = packet.get();
        self.packets += 1;
        self.bytes += packet.data().len() as u64;
        if let Some(time) = packet.pts().or(packet.dts()) {
            let end = time.saturating_add(av.duration.max(0));
            self.start = Some(self.start.map_or(time, |t| t.min(time)));
            self.end = Some(self.end.map_or(end, |t| t.max(end)));
        }
        self.payload.update(packet.data());
        for number in [av.pts, av.dts, av.duration, i64::from(av.size), i64::from(av.flags)] {
            self.structure.update(number.to_le_bytes());
        }
        side_data(av, |kind, data| {
            self.structure.update(i64::from(kind.0).to_le_bytes());
            self.structure.update(data);
        });
    }
}

fn side_data(packet: &ffi::AVPacket, mut visit: impl FnMut(ffi::AVPacketSideDataType, &[u8])) {
    for i in 0..usize::try_from(packet.side_data_elems).unwrap_or(0) {
        // SAFETY: libav keeps side_data_elems elements there, each with `size` bytes.
        let (kind, data) = unsafe {
            let entry = &*packet.side_data.add(i);
            let empty: &[u8] = &[];
            let data = if entry.data.is_null() { empty } else { std::slice::from_raw_parts(entry.data, entry.size) };
            (entry.type_, data)
        };
        visit(kind, data);
    }
}

/// Opens `path` and reads all of it.
pub(crate) fn take(
    path: &Path,
    options: &OpenOptions,
    progress: &mut dyn FnMut(u64, u64) -> ControlFlow<()>,
) -> Result<Survey> {
    let limits = &options.limits;
    let mark = capture();
    let mut demuxer = Demuxer::open(path, limits)?;
    let video = choose(&demuxer, path, options.stream)?;
    let mut damage = Damage::default();

    let parameters = copy_parameters(&demuxer, video)?;
    check_size(parameters.get(), limits)?;
    let mut examiner = Examiner::new(&parameters);
    let mut tallies: Vec<Tally> = Vec::new();
    let mut packets: Vec<PacketEntry> = Vec::new();
    let mut looks: Vec<Look> = Vec::new();
    let mut changed = false;
    let mut total = 0u64;
    let payload_limit = demuxer.size().saturating_mul(8).saturating_add(1 << 30);
    let mut payload = 0u64;
    let mut packet = Packet::new().map_err(memory)?;
    while demuxer.read(&mut packet)? {
        total += 1;
        payload += packet.data().len() as u64;
        if total > limits.max_packets {
            return Err(Error::Limit(format!("{} holds more than {} packets", shown(path), limits.max_packets)));
        }
        if payload > payload_limit {
            return Err(Error::Limit(format!("the packets of {} overlap beyond reason", shown(path))));
        }
        let stream = usize::try_from(packet.get().stream_index).unwrap_or(0);
        if tallies.len() <= stream {
            tallies.resize_with(stream + 1, Tally::default);
        }
        tallies[stream].add(&packet);
        if stream == video {
            let entry = PacketEntry::of(&packet);
            looks.push(examiner.look(packet.data(), entry.is_key()));
            packets.push(entry);
            side_data(packet.get(), |kind, _| {
                changed |=
                    kind == ffi::AVPacketSideDataType::NEW_EXTRADATA || kind == ffi::AVPacketSideDataType::PARAM_CHANGE;
            });
        }
        if total.is_multiple_of(64) && progress(demuxer.position(), demuxer.size()).is_break() {
            return Err(Error::Cancelled);
        }
    }
    damage.read_errors = demuxer.errors;
    damage.words(mark.lines());

    let info = describe(&demuxer, path, video, &tallies)?;
    let all = (0..info.streams.len()).map(|i| copy_parameters(&demuxer, i)).collect::<Result<Vec<_>>>()?;
    let digest = digest(&info, &all, &tallies);
    let stream = &info.streams[video];
    let time_base = stream.time_base;
    let tick = nominal_tick(stream, time_base);
    let mut unread = Vec::new();
    let decoder = decoder_for(&parameters, stream).unwrap_or_else(|loss| {
        unread.push(Unread { kind: "alpha", what: loss });
        None
    });
    if examiner.has_layers() {
        unread.push(Unread {
            kind: "layers",
            what: "further layers of its HEVC video (other views or alpha)".to_owned(),
        });
    }
    if packets.is_empty() {
        return Err(Error::Input(format!("{} has no packets in its video stream {video}", shown(path))));
    }
    let plain = if changed || demuxer.errors > 0 { None } else { Index::of_packets(&packets, &looks, time_base, tick) };
    let mut care = Care::Strict;
    let index = match plain {
        Some(index) => index,
        None => {
            drop(demuxer);
            let max_pixels = limits.max_pixels;
            let recipe =
                Recipe { parameters: &parameters, time_base, name: decoder, max_pixels, tells_quantiser: false };
            let mut scan = |care: Care, damage: &mut Damage| {
                scan::scan(&mut Demuxer::open(path, limits)?, video, &recipe, care, damage, progress)
            };
            let scanned = match scan(care, &mut damage)? {
                Some(scanned) => Some(scanned),
                None => {
                    care = Care::Conceal;
                    scan(care, &mut damage)?
                }
            };
            let scanned = scanned.filter(|scanned| !scanned.frames.is_empty()).ok_or_else(|| {
                let words = damage.lines.last().map(|line| format!(" ({line})")).unwrap_or_default();
                Error::Input(format!("no frame of {} can be decoded{words}", shown(path)))
            })?;
            Index::of_scan(&packets, &looks, scanned, time_base, tick)
        }
    };
    let mut decoding = parameters;
    let (depth, ahead) = index.reorder();
    let depth = i32::try_from(depth).unwrap_or(0);
    if !index.scanned && depth > decoding.get().video_delay {
        decoding.get_mut().video_delay = depth;
    }
    let _ = progress(info.size, info.size);
    Ok(Survey {
        path: path.to_owned(),
        limits: limits.clone(),
        info,
        parameters: all,
        digest,
        unread,
        frame_side_data: BTreeSet::new(),
        damage,
        index,
        packets,
        decoder,
        decoding,
        care,
        ahead: ahead.min(MAX_AHEAD),
    })
}

fn memory(error: AvError) -> Error {
    Error::Backend(format!("memory is short for reading a file: {error}"))
}

/// The video stream that is worked on.
fn choose(demuxer: &Demuxer, path: &Path, wanted: Option<usize>) -> Result<usize> {
    let streams = demuxer.streams();
    // SAFETY: streams of an open context.
    let kinds: Vec<StreamKind> = streams.iter().map(|s| info::stream(unsafe { &**s }).kind).collect();
    if let Some(wanted) = wanted {
        return match kinds.get(wanted) {
            Some(StreamKind::Video) => Ok(wanted),
            Some(kind) => {
                Err(Error::unsupported(format!("stream {wanted} of {} is no video but {kind:?}", shown(path))))
            }
            None => Err(Error::Input(format!("{} has {} streams, no stream {wanted}", shown(path), kinds.len()))),
        };
    }
    // SAFETY: the context is open; no decoder is asked for.
    let best =
        unsafe { ffi::av_find_best_stream(demuxer.as_ptr(), ffi::AVMediaType::VIDEO, -1, -1, std::ptr::null_mut(), 0) };
    match usize::try_from(best) {
        Ok(best) if kinds.get(best) == Some(&StreamKind::Video) => Ok(best),
        Ok(_) => Err(Error::Input(format!("{} has no video, only a cover picture", shown(path)))),
        Err(_) => Err(Error::Input(format!("{} has no video stream", shown(path)))),
    }
}

fn check_size(par: &ffi::AVCodecParameters, limits: &Limits) -> Result<()> {
    let pixels = u64::try_from(par.width).unwrap_or(0) * u64::try_from(par.height).unwrap_or(0);
    if pixels > limits.max_pixels {
        return Err(Error::Limit(format!(
            "a picture of {}x{} exceeds the limit of {} pixels",
            par.width, par.height, limits.max_pixels
        )));
    }
    Ok(())
}

fn copy_parameters(demuxer: &Demuxer, stream: usize) -> Result<Parameters> {
    let stream = demuxer.streams().get(stream).ok_or_else(|| Error::Internal("a stream disappeared".into()))?;
    // SAFETY: a stream of an open context and its parameters.
    unsafe { Parameters::copied((**stream).codecpar) }.map_err(memory)
}

fn describe(demuxer: &Demuxer, path: &Path, video: usize, tallies: &[Tally]) -> Result<SourceInfo> {
    let context = demuxer.context();
    // SAFETY: an open context has a demuxer with a static name.
    let (name, metadata) = unsafe { (text((*context.iformat).name), crate::av::Dict::pairs(context.metadata)) };
    let brand = metadata.iter().find(|(key, _)| key == "major_brand").map(|(_, value)| value.clone());
    let webm = is_webm(path);
    let streams = demuxer
        .streams()
        .iter()
        .enumerate()
        .map(|(i, stream)| {
            // SAFETY: a stream of an open context.
            let mut entry = info::stream(unsafe { &**stream });
            if let Some(tally) = tallies.get(i) {
                entry.packets = tally.packets;
                entry.bytes = tally.bytes;
                entry.start = tally.start;
                entry.end = tally.end;
            }
            entry.sha256 = hex(tallies.get(i).map_or_else(Sha256::new, |tally| tally.payload.clone()));
            entry
        })
        .collect();
    Ok(SourceInfo {
        container: info::container(&name, brand.as_deref(), webm)?,
        demuxer: name,
        size: demuxer.size(),
        streams,
        chapters: info::chapters(context),
        metadata,
        video,
    })
}

/// Whether a Matroska file calls itself WebM in its head.
fn is_webm(path: &Path) -> bool {
    use std::io::Read;
    let mut head = [0u8; 64];
    let count = std::fs::File::open(path).and_then(|mut file| file.read(&mut head)).unwrap_or(0);
    head[..count].windows(4).any(|w| w == b"webm")
}

/// The hash of all that decides the frames and copies: parameters, packets and their times.
fn digest(info: &SourceInfo, parameters: &[Parameters], tallies: &[Tally]) -> String {
    let mut all = Sha256::new();
    all.update((info.video as u64).to_le_bytes());
    for (i, (stream, par)) in info.streams.iter().zip(parameters).enumerate() {
        let p = par.get();
        for number in [p.codec_type.0, p.codec_id.0 as i32, p.format, p.width, p.height, p.sample_rate, p.profile] {
            all.update(number.to_le_bytes());
        }
        for number in [stream.time_base.num, stream.time_base.den, p.extradata_size] {
            all.update(number.to_le_bytes());
        }
        all.update(par.extradata());
        all.update(stream.sha256.as_bytes());
        if let Some(tally) = tallies.get(i) {
            all.update(tally.structure.clone().finalize());
        }
    }
    hex(all)
}

fn hex(hash: Sha256) -> String {
    hash.finalize().iter().fold(String::with_capacity(64), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Ticks that a frame lasts by the nominal rate, 1 where unknown.
fn nominal_tick(stream: &StreamInfo, time_base: Rational) -> i64 {
    let rate = stream.video.as_ref().map_or(0.0, |video| video.frame_rate.value());
    let rate = if rate > 0.0 { rate } else { 25.0 };
    let tick = time_base.value();
    if tick > 0.0 { ((1.0 / (rate * tick)).round() as i64).max(1) } else { 1 }
}

/// The decoder to use where libav's first choice would lose something: its own VP8 and VP9 decoders drop alpha. `Err` where
/// there is none that would not.
fn decoder_for(parameters: &Parameters, stream: &StreamInfo) -> std::result::Result<Option<&'static str>, String> {
    let alpha = stream.metadata.iter().any(|(key, value)| key.eq_ignore_ascii_case("alpha_mode") && value != "0");
    let name = match parameters.get().codec_id {
        ffi::AVCodecID::VP9 if alpha => "libvpx-vp9",
        ffi::AVCodecID::VP8 if alpha => "libvpx",
        _ => return Ok(None),
    };
    if compat::has_decoder(name) {
        Ok(Some(name))
    } else {
        Err(format!("the alpha of its {} video, which needs libav's decoder {name}", stream.codec))
    }
}
