//! What frames carry beside their samples: captions, time codes, dynamic HDR, user data. Taken off a picture before it is
//! encoded and written into the packet that comes out for it, so that it survives whatever libav's wrappers know.

use std::collections::BTreeSet;

use cleanplate_core::Frame;

use super::bits::{self, BitWriter};
use super::formats::{Codec, Loss};
use super::hdr10plus;
use super::spec::EncoderSpec;
use crate::av::ffi::{self, AVFrameSideDataType as Kind};
use crate::av::{AvError, AvFrame, Packet, text};
use crate::surface::AvSurface;

/// Something to be written into one packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Message {
    /// User data registered by ITU-T T.35, from the country code on.
    T35(Vec<u8>),
    /// User data unregistered: a UUID and what follows.
    Unregistered(Vec<u8>),
    /// Time codes of the frame or of its fields.
    Timecode(Vec<Clock>),
    /// A Dolby Vision reference processing unit as libav hands it out, escaped already.
    DolbyVision(Vec<u8>),
    /// MPEG-2 user data behind its start code.
    Mpeg2UserData(Vec<u8>),
}

/// How a kind of side data fares with a codec.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// We write it.
    Written,
    /// libav's encoder writes it.
    Encoder,
    /// It has no place.
    Lost(Loss),
    /// It says nothing that is not said elsewhere, or speaks of the coding of the source alone.
    Moot,
}

fn fate(codec: Codec, kind: Kind) -> Fate {
    use Codec::{Av1, H264, Hevc, Mpeg2};
    use Fate::{Encoder, Lost, Moot, Written};
    match (kind, codec) {
        (Kind::A53_CC, H264 | Hevc | Av1) => Written,
        (Kind::A53_CC, Mpeg2) => Encoder,
        (Kind::A53_CC, _) => Lost(Loss::Captions),
        (Kind::AFD, H264 | Hevc | Mpeg2) => Written,
        (Kind::AFD, _) => Lost(Loss::Afd),
        (Kind::S12M_TIMECODE, H264 | Hevc) => Written,
        (Kind::S12M_TIMECODE, _) => Lost(Loss::Timecode),
        (Kind::DYNAMIC_HDR_PLUS, H264 | Hevc | Av1) => Written,
        (Kind::DOVI_RPU_BUFFER, Hevc) => Written,
        (Kind::DYNAMIC_HDR_PLUS | Kind::DOVI_RPU_BUFFER | Kind::DYNAMIC_HDR_VIVID, _) => Lost(Loss::HdrDynamic),
        (Kind::SEI_UNREGISTERED, H264 | Hevc) => Written,
        (Kind::SEI_UNREGISTERED, _) => Lost(Loss::UserData),
        _ => Moot,
    }
}

/// Losses that `codec` would bring to frames which carry side data of these kinds, by libav's names of them.
pub fn losses_of_side_data<'a>(codec: Codec, names: impl IntoIterator<Item = &'a str>) -> BTreeSet<Loss> {
    // libav numbers the kinds from 0; those of later versions are all moot here.
    const KINDS: u32 = 32;
    let kind_of = |name: &str| {
        (0..KINDS).map(Kind).find(|kind| {
            // SAFETY: libav answers null or a static string for any number.
            unsafe { text(ffi::av_frame_side_data_name(*kind)) == name }
        })
    };
    let losses = names.into_iter().filter_map(kind_of).filter_map(|kind| match fate(codec, kind) {
        Fate::Lost(loss) => Some(loss),
        _ => None,
    });
    losses.collect()
}

/// The way of messages from pictures into packets of one stream.
#[derive(Clone, Copy, Debug)]
pub(super) struct Carrier {
    codec: Codec,
    /// Frame rates above 30: their time codes count pairs of frames.
    is_fast: bool,
    /// Whether x264 writes picture timing messages, in which time codes lie.
    has_timing: bool,
}

impl Carrier {
    /// For the streams of `spec`.
    pub(super) fn new(spec: &EncoderSpec) -> Self {
        let on_demand = spec.options.iter().any(|(_, value)| value.contains("pic-struct=1"));
        Self {
            codec: spec.codec,
            is_fast: spec.frame_rate.value() > 30.0,
            has_timing: spec.codec != Codec::H264 || spec.scan.is_interlaced() || on_demand,
        }
    }

    /// Takes off `picture` what is to be written by us, and tells what has no place in the stream.
    pub(super) fn take(&self, picture: &mut AvFrame) -> (Vec<Message>, BTreeSet<Loss>) {
        let (mut messages, mut losses) = (Vec::new(), BTreeSet::new());
        let mut written: Vec<Kind> = Vec::new();
        for (kind, data) in entries(picture) {
            match fate(self.codec, kind) {
                Fate::Written if kind == Kind::S12M_TIMECODE && !self.has_timing => {
                    written.push(kind);
                    losses.insert(Loss::Timecode);
                }
                Fate::Written => {
                    written.push(kind);
                    messages.extend(self.message(kind, data));
                }
                Fate::Lost(loss) if kind != Kind::SEI_UNREGISTERED || !is_banner(data) => {
                    losses.insert(loss);
                }
                _ => {}
            }
        }
        for kind in written {
            // SAFETY: ours; removing a kind that is gone already is allowed.
            unsafe { ffi::av_frame_remove_side_data(picture.as_ptr(), kind) };
        }
        (messages, losses)
    }

    fn message(&self, kind: Kind, data: &[u8]) -> Option<Message> {
        Some(match kind {
            Kind::A53_CC => Message::T35(captions(data)),
            // ETSI TS 101 154 annex B: active_format_flag set, four reserved ones, the code.
            Kind::AFD => {
                let code = [b'D', b'T', b'G', b'1', 0x41, 0xF0 | (*data.first()? & 15)];
                match self.codec {
                    Codec::Mpeg2 => Message::Mpeg2UserData(code.to_vec()),
                    _ => Message::T35([&[0xB5, 0x00, 0x31][..], &code].concat()),
                }
            }
            Kind::S12M_TIMECODE => Message::Timecode(Clock::all(data, self.is_fast)?),
            Kind::DYNAMIC_HDR_PLUS => Message::T35(hdr10plus::message(data)?),
            Kind::DOVI_RPU_BUFFER => Message::DolbyVision(data.to_vec()),
            Kind::SEI_UNREGISTERED if is_banner(data) || data.len() < 16 => return None,
            Kind::SEI_UNREGISTERED => Message::Unregistered(data.to_vec()),
            _ => return None,
        })
    }
}

/// The side data of a picture.
fn entries(picture: &AvFrame) -> impl Iterator<Item = (Kind, &[u8])> {
    let f = picture.get();
    let count = if f.side_data.is_null() { 0 } else { f.nb_side_data.max(0) as usize };
    (0..count).map(move |at| {
        // SAFETY: libav keeps nb_side_data valid entries, each with `size` bytes at `data`.
        unsafe {
            let entry = &**f.side_data.add(at);
            let empty = entry.data.is_null() || entry.size == 0;
            (entry.type_, if empty { &[][..] } else { std::slice::from_raw_parts(entry.data, entry.size) })
        }
    })
}

/// libav's names of the side data on a decoded frame, for an
/// [`EncodeRequest`](super::EncodeRequest); without what an earlier encoder said of its own settings.
pub fn side_data_of(frame: &Frame) -> BTreeSet<String> {
    let Some(surface) = frame.surface().as_any().downcast_ref::<AvSurface>() else { return BTreeSet::new() };
    let told = entries(surface.frame()).filter(|(kind, data)| *kind != Kind::SEI_UNREGISTERED || !is_banner(data));
    // SAFETY: libav answers null or a static string for any number.
    told.map(|(kind, _)| unsafe { text(ffi::av_frame_side_data_name(kind)) }).collect()
}

/// Whether unregistered user data is an encoder's account of its own settings, which would be untrue of ours: x264's and
/// x265's UUIDs.
fn is_banner(data: &[u8]) -> bool {
    const X264: [u8; 16] = *b"\xdc\x45\xe9\xbd\xe6\xd9\x48\xb7\x96\x2c\xd8\x20\xd9\x23\xee\xef";
    const X265: [u8; 16] = *b"\x2c\xa2\xde\x09\xb5\x17\x47\xdb\xbb\x55\xa4\xfe\x7f\xc2\xfc\x4e";
    data.starts_with(&X264) || data.starts_with(&X265)
}

/// CEA-708 `cc_data` (triples of bytes) in ATSC A/53 part 4 framing.
fn captions(triples: &[u8]) -> Vec<u8> {
    let count = (triples.len() / 3).min(31);
    let mut out = vec![0xB5, 0x00, 0x31, b'G', b'A', b'9', b'4', 3, 0x40 | count as u8, 0xFF];
    out.extend_from_slice(&triples[..count * 3]);
    out.push(0xFF);
    out
}

/// A time of day in frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Clock {
    drop: bool,
    hours: u32,
    minutes: u32,
    seconds: u32,
    frames: u32,
}

impl Clock {
    /// From libav's SMPTE ST 12-1 words: how many, then up to three.
    fn all(data: &[u8], is_fast: bool) -> Option<Vec<Self>> {
        let word = |at: usize| Some(u32::from_ne_bytes(data.get(at * 4..at * 4 + 4)?.try_into().ok()?));
        (1..=word(0)?.min(3) as usize).map(|at| word(at).map(|code| Self::from_word(code, is_fast))).collect()
    }

    fn from_word(code: u32, is_fast: bool) -> Self {
        let bcd = |shift: u32, tens: u32| (code >> shift & 15) + 10 * (code >> (shift + 4) & tens);
        // The bit that tells the frames of a pair apart is 7 at 50 frames a second, 23 at others.
        let second = (code >> 23 | code >> 7) & 1;
        let frames = if is_fast { bcd(24, 3) * 2 + second } else { bcd(24, 3) };
        Self { drop: code >> 30 & 1 == 1, hours: bcd(0, 3), minutes: bcd(8, 7), seconds: bcd(16, 7), frames }
    }

    /// `counting_type`: 4 where numbers are dropped, 0 where none is (ITU-T H.264 table D-3, H.265 table D.10).
    const fn counting_type(self) -> u32 {
        if self.drop { 4 } else { 0 }
    }
}

/// HEVC's time code payload (ITU-T H.265 D.2.27).
fn time_code(clocks: &[Clock]) -> Vec<u8> {
    let mut bits = BitWriter::default();
    bits.put(clocks.len() as u32, 2);
    for clock in clocks {
        bits.put(0b10, 2); // clock_timestamp_flag, units_field_based_flag
        bits.put(clock.counting_type(), 5);
        bits.put(0b10, 2); // full_timestamp_flag, discontinuity_flag
        bits.put(u32::from(clock.drop), 1);
        bits.put(clock.frames, 9);
        bits.put(clock.seconds, 6);
        bits.put(clock.minutes, 6);
        bits.put(clock.hours, 5);
        bits.put(0, 5); // time_offset_length
    }
    bits.closed_by_one()
}

/// H.264's picture timing payload (ITU-T H.264 D.1.3) for a stream without HRD parameters.
fn picture_timing(pic_struct: u8, clocks: &[Clock]) -> Vec<u8> {
    // NumClockTS, table D-1.
    const CLOCKS: [usize; 9] = [1, 1, 1, 2, 2, 3, 3, 2, 3];
    let mut bits = BitWriter::default();
    bits.put(u32::from(pic_struct), 4);
    for at in 0..CLOCKS.get(usize::from(pic_struct)).copied().unwrap_or(0) {
        let Some(clock) = clocks.get(at) else {
            bits.put(0, 1);
            continue;
        };
        bits.put(1, 1); // clock_timestamp_flag
        bits.put(if pic_struct == 0 { 0 } else { 1 }, 2); // ct_type: progressive, interlaced
        bits.put(0, 1); // nuit_field_based_flag
        bits.put(clock.counting_type(), 5);
        bits.put(0b10, 2); // full_timestamp_flag, discontinuity_flag
        bits.put(u32::from(clock.drop), 1);
        bits.put(clock.frames, 8);
        bits.put(clock.seconds, 6);
        bits.put(clock.minutes, 6);
        bits.put(clock.hours, 5);
        bits.put(0, 24); // time_offset, whose length is 24 without HRD parameters (E.2.2)
    }
    bits.closed_by_one()
}

/// Where x264's picture timing message lies (from the zeros before its start code to the next ones) and its `pic_struct`.
fn picture_timing_unit(data: &[u8]) -> Option<(std::ops::Range<usize>, u8)> {
    const SEI: u8 = 6;
    const PIC_TIMING: u8 = 1;
    let codes: Vec<(usize, u8)> = bits::start_codes(data).collect();
    let at = codes.iter().position(|(at, byte)| byte & 31 == SEI && data.get(at + 4) == Some(&PIC_TIMING))?;
    let start = codes[at].0;
    let end = codes.get(at + 1).map_or(data.len(), |(next, _)| next - usize::from(data[next - 1] == 0));
    Some((start..end, data.get(start + 6)? >> 4))
}

/// `packet` with `messages` written into it.
///
/// # Errors
/// Where memory is short.
pub(super) fn written(packet: &Packet, messages: &[Message], codec: Codec) -> Result<Packet, AvError> {
    let data = packet.data();
    let bytes = match codec {
        Codec::H264 | Codec::Hevc => into_annex_b(data, messages, codec == Codec::Hevc),
        Codec::Av1 => into_obus(data, messages),
        Codec::Mpeg2 => into_mpeg2(data, messages),
        Codec::Ffv1 | Codec::Prores => data.to_vec(),
    };
    let out = Packet::with_data(&bytes)?;
    // SAFETY: both valid; copies times, flags and side data, not the payload.
    crate::av::check(unsafe { ffi::av_packet_copy_props(out.as_ptr(), packet.as_ptr()) })?;
    Ok(out)
}

fn splice(data: &[u8], at: usize, middle: &[u8], end: &[u8]) -> Vec<u8> {
    [&data[..at], middle, &data[at..], end].concat()
}

fn into_annex_b(data: &[u8], messages: &[Message], hevc: bool) -> Vec<u8> {
    // x264's own picture timing gives way to ours, which tells the same and the time code.
    let timed = !hevc && messages.iter().any(|m| matches!(m, Message::Timecode(_)));
    let timing = if timed { picture_timing_unit(data) } else { None };
    let without = timing.as_ref().map(|(unit, _)| [&data[..unit.start], &data[unit.end..]].concat());
    let data = without.as_deref().unwrap_or(data);
    // Messages belong behind parameter sets and before the first slice: NAL types 1..=5 of H.264, 0..=31 of HEVC.
    let is_slice = |byte: u8| if hevc { byte >> 1 & 63 < 32 } else { (1..=5).contains(&(byte & 31)) };
    let slice = bits::start_codes(data).find(|(_, byte)| is_slice(*byte)).map_or(data.len(), |(at, _)| at);
    // A start code may have one more zero in front of it, which stays with it.
    let slice = if slice > 0 && data[slice - 1] == 0 { slice - 1 } else { slice };
    let (mut middle, mut end) = (Vec::new(), Vec::new());
    for message in messages {
        let (kind, payload) = match message {
            Message::T35(payload) => (4u8, payload.clone()),
            Message::Unregistered(payload) => (5, payload.clone()),
            Message::Timecode(clocks) if hevc => (136, time_code(clocks)),
            Message::Timecode(clocks) => (1, picture_timing(timing.as_ref().map_or(0, |(_, kind)| *kind), clocks)),
            Message::DolbyVision(unit) => {
                // NAL type 62 behind all slices, as Dolby's stream format wants it.
                end.extend_from_slice(&[0, 0, 0, 1, 0x7C, 0x01]);
                end.extend_from_slice(unit);
                continue;
            }
            Message::Mpeg2UserData(_) => continue,
        };
        let mut sei = vec![kind];
        sei.extend(std::iter::repeat_n(255, payload.len() / 255));
        sei.push((payload.len() % 255) as u8);
        sei.extend_from_slice(&payload);
        sei.push(0x80);
        middle.extend_from_slice(if hevc { &[0, 0, 0, 1, 0x4E, 0x01] } else { &[0, 0, 0, 1, 0x06] });
        bits::escape(&sei, &mut middle);
    }
    splice(data, slice, &middle, &end)
}

fn into_obus(data: &[u8], messages: &[Message]) -> Vec<u8> {
    const METADATA: u8 = 5;
    const METADATA_TYPE_ITUT_T35: u8 = 4;
    let mut middle = Vec::new();
    for message in messages {
        if let Message::T35(payload) = message {
            middle.push(METADATA << 3 | 2);
            middle.extend_from_slice(&leb128(payload.len() + 2));
            middle.push(METADATA_TYPE_ITUT_T35);
            middle.extend_from_slice(payload);
            middle.push(0x80);
        }
    }
    splice(data, shown_frame(data).unwrap_or(data.len()), &middle, &[])
}

/// Where the last frame of a temporal unit starts: the one that is shown (AV1 specification 7.5).
fn shown_frame(data: &[u8]) -> Option<usize> {
    const FRAME_HEADER: u8 = 3;
    const FRAME: u8 = 6;
    let (mut at, mut found) = (0, None);
    while let Some(header) = data.get(at) {
        let kind = header >> 3 & 15;
        if header & 2 == 0 {
            return found;
        }
        if matches!(kind, FRAME_HEADER | FRAME) {
            found = Some(at);
        }
        let mut next = at + 1 + usize::from(header >> 2 & 1);
        let (mut size, mut shift) = (0usize, 0);
        loop {
            let byte = *data.get(next)?;
            next += 1;
            size |= usize::from(byte & 127) << shift;
            shift += 7;
            if byte & 128 == 0 || shift > 28 {
                break;
            }
        }
        at = next.checked_add(size)?;
    }
    found
}

fn leb128(mut value: usize) -> Vec<u8> {
    let mut out = Vec::new();
    loop {
        let byte = (value & 127) as u8;
        value >>= 7;
        out.push(if value > 0 { byte | 128 } else { byte });
        if value == 0 {
            return out;
        }
    }
}

fn into_mpeg2(data: &[u8], messages: &[Message]) -> Vec<u8> {
    // Slices have the start codes 01 to AF (ISO/IEC 13818-2 table 6-1); user data lies right before the first.
    let slice = bits::start_codes(data).find(|(_, byte)| (0x01..=0xAF).contains(byte)).map_or(data.len(), |(at, _)| at);
    let mut middle = Vec::new();
    for message in messages {
        if let Message::Mpeg2UserData(payload) = message {
            middle.extend_from_slice(&[0, 0, 1, 0xB2]);
            middle.extend_from_slice(payload);
        }
    }
    splice(data, slice, &middle, &[])
}
