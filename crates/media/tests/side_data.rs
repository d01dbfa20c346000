//! What frames carry beside their samples, through every codec that has a place for it.
#![allow(clippy::unwrap_used, clippy::panic)] // also outside of test functions

mod common;

use std::io::Cursor;

use cleanplate_core::{Frame, Scan};
use cleanplate_media::av::Packet;
use cleanplate_media::av::ffi::AVFrameSideDataType as Kind;
use cleanplate_media::encode::{Codec, ContentLight, MasteringDisplay, losses_of_side_data};
use cleanplate_media::{
    Container, EncodeRequest, EncoderSpec, ErrorKind, PackReader, PackWriter, Rational, StaticSideData, choose_encoder,
};
use common::{carrying, format, frames, pack, pack_with, side_data, source, unpacked};

const COUNT: u64 = 12;

fn spec(codec: Codec, pix_fmt: &str) -> EncoderSpec {
    let request = EncodeRequest { codec: Some(codec.name().into()), ..EncodeRequest::default() };
    choose_encoder(&source(codec.name(), pix_fmt, 64, 64), Container::Mkv, &request).unwrap().spec
}

/// Frames of which each carries what `make` gives for its number.
fn with(pix_fmt: &str, kind: Kind, make: &dyn Fn(u64) -> Vec<u8>) -> Vec<Frame> {
    frames(format(pix_fmt), 64, 64, COUNT, 0).iter().map(|f| carrying(f, &[(kind, make(f.idx))])).collect()
}

fn survives(codec: Codec, kind: Kind, make: &dyn Fn(u64) -> Vec<u8>) {
    let before = with("yuv420p", kind, make);
    let after = unpacked(&pack(&spec(codec, "yuv420p"), &before).unwrap(), &before);
    for frame in after {
        let (found, wanted) = (side_data(&frame, kind), make(frame.idx));
        assert_eq!(found.len(), 1, "{codec:?} frame {}", frame.idx);
        assert_eq!(found[0][..wanted.len()], wanted, "{codec:?} frame {}", frame.idx);
    }
}

#[test]
fn captions_stay_with_their_frames() {
    let captions = |idx: u64| (0..(1 + idx % 4) * 3).map(|n| 0xFC ^ (idx * 31 + n * 7) as u8 & 0x7F | 0x80).collect();
    for codec in [Codec::H264, Codec::Hevc, Codec::Mpeg2] {
        survives(codec, Kind::A53_CC, &captions);
    }
}

#[test]
fn captions_with_zeros_do_not_break_the_stream() {
    let zeros = |_: u64| vec![0xFC, 0, 0, 0, 0, 1, 0xFD, 0, 0];
    for codec in [Codec::H264, Codec::Hevc] {
        survives(codec, Kind::A53_CC, &zeros);
    }
}

#[test]
fn the_active_format_stays_with_its_frame() {
    let code = |idx: u64| vec![8 + (idx % 8) as u8];
    for codec in [Codec::H264, Codec::Mpeg2] {
        survives(codec, Kind::AFD, &code);
    }
    // libav 5.1 does not read it back from HEVC: look at the packets.
    let before = with("yuv420p", Kind::AFD, &code);
    for (pts, data) in packets(&pack(&spec(Codec::Hevc, "yuv420p"), &before).unwrap()) {
        let idx = before.iter().position(|f| f.pts == pts).unwrap() as u64;
        let message = [b"\x04\x09\xB5\x00\x31DTG1\x41".as_slice(), &[0xF0 | code(idx)[0]]].concat();
        assert!(data.windows(message.len()).any(|w| w == message), "frame {idx}");
    }
}

#[test]
fn time_codes_stay_with_their_frames() {
    // SMPTE ST 12-1 in binary-coded decimals: 01:23:45:ff; drop frame set at one rate. Above 30 frames a second ff counts
    // pairs, and one bit tells which of the pair.
    let code = |idx: u64, rate: i32| {
        let idx = idx as u32;
        let (number, second) = if rate > 30 { (idx / 2, idx & 1) } else { (idx, 0) };
        let bit = if rate == 50 { 7 } else { 23 };
        let word =
            u32::from(rate == 60) << 30 | 0x0045_2301 | (number / 10) << 28 | (number % 10) << 24 | second << bit;
        [1u32, word].iter().flat_map(|w| w.to_ne_bytes()).collect::<Vec<u8>>()
    };
    for (codec, scan) in
        [(Codec::Hevc, Scan::Progressive), (Codec::H264, Scan::Progressive), (Codec::H264, Scan::BottomFirst)]
    {
        for rate in [25, 50, 60] {
            let mut info = source(codec.name(), "yuv420p", 64, 64);
            let video = info.streams[0].video.as_mut().unwrap();
            (video.frame_rate, video.scan) = (Rational::new(rate, 1), scan);
            let mut request = EncodeRequest::default();
            request.frame_side_data.insert("SMPTE 12-1 timecode".into());
            let spec = choose_encoder(&info, Container::Mkv, &request).unwrap().spec;
            let mut before = with("yuv420p", Kind::S12M_TIMECODE, &|idx| code(idx, rate));
            before.iter_mut().for_each(|frame| frame.scan = scan);
            for frame in unpacked(&pack(&spec, &before).unwrap(), &before) {
                let found = side_data(&frame, Kind::S12M_TIMECODE);
                assert_eq!(found.len(), 1, "{codec:?} {rate} frame {}", frame.idx);
                assert_eq!(found[0][..8], code(frame.idx, rate), "{codec:?} {rate} frame {}", frame.idx);
            }
        }
    }
    // Not announced, it is refused instead of dropped.
    let before = with("yuv420p", Kind::S12M_TIMECODE, &|idx| code(idx, 25));
    let error = pack(&spec(Codec::H264, "yuv420p"), &before).unwrap_err().to_string();
    assert!(error.contains("--accept-loss timecode"), "{error}");
}

#[test]
fn user_data_stays_but_an_encoders_account_of_itself_does_not() {
    let own = |idx: u64| (0..40u64).map(|n| (n * 5 + idx) as u8).collect::<Vec<u8>>();
    for codec in [Codec::H264, Codec::Hevc] {
        let banner = b"\xdc\x45\xe9\xbd\xe6\xd9\x48\xb7\x96\x2c\xd8\x20\xd9\x23\xee\xefx264 - of the source".to_vec();
        let before: Vec<Frame> = frames(format("yuv420p"), 64, 64, COUNT, 0)
            .iter()
            .map(|f| carrying(f, &[(Kind::SEI_UNREGISTERED, own(f.idx)), (Kind::SEI_UNREGISTERED, banner.clone())]))
            .collect();
        let after = unpacked(&pack(&spec(codec, "yuv420p"), &before).unwrap(), &before);
        for frame in after {
            let found = side_data(&frame, Kind::SEI_UNREGISTERED);
            assert_eq!(found.iter().filter(|d| **d == own(frame.idx)).count(), 1, "{codec:?}");
            assert!(!found.iter().any(|d| d.ends_with(b"of the source")), "{codec:?}");
        }
    }
}

#[test]
fn dolby_vision_units_stay_with_their_frames_in_hevc() {
    let unit = |idx: u64| (0..60u64).map(|n| 1 + ((n * 13 + idx) % 250) as u8).collect::<Vec<u8>>();
    let before = with("yuv420p10le", Kind::DOVI_RPU_BUFFER, &unit);
    let bytes = pack(&spec(Codec::Hevc, "yuv420p10le"), &before).unwrap();
    unpacked(&bytes, &before);
    for (pts, data) in packets(&bytes) {
        let idx = before.iter().position(|f| f.pts == pts).unwrap() as u64;
        // The last unit of the picture, of type 62.
        assert!(data.ends_with(&[&[0, 0, 0, 1, 0x7C, 1][..], &unit(idx)].concat()), "frame {idx}");
    }
}

#[test]
fn hdr10_plus_stays_with_its_frames_in_hevc() {
    // A message of the standard, put into a stream by hand and decoded by libav, is written by us bit for bit.
    let spec = spec(Codec::Hevc, "yuv420p10le");
    let before = frames(format("yuv420p10le"), 64, 64, COUNT, 0);
    let plain = pack(&spec, &before).unwrap();
    let mut reader = PackReader::open(Cursor::new(&plain)).unwrap();
    let mut writer = PackWriter::new(Vec::new(), reader.header()).unwrap();
    while let Some(packet) = reader.next().unwrap() {
        let idx = before.iter().position(|f| Some(f.pts) == packet.pts()).unwrap() as u32;
        let data = packet.data();
        let is_slice = |w: &[u8]| w[..3] == [0, 0, 1] && (w[3] >> 1 & 63) < 32;
        let slice = data.windows(4).position(is_slice).unwrap();
        let message = hdr10_plus(idx);
        let sei = [&[0, 0, 1, 0x4E, 1, 4, message.len() as u8][..], &message, &[0x80]].concat();
        let mut own = Packet::with_data(&[&data[..slice], &sei, &data[slice..]].concat()).unwrap();
        let (from, to) = (packet.get(), own.get_mut());
        (to.pts, to.dts, to.duration, to.flags) = (from.pts, from.dts, from.duration, from.flags);
        writer.push(&own).unwrap();
    }
    let carried = unpacked(&writer.finish().unwrap(), &before);
    assert!(carried.iter().all(|f| side_data(f, Kind::DYNAMIC_HDR_PLUS).len() == 1));
    for (pts, data) in packets(&pack(&spec, &carried).unwrap()) {
        let idx = before.iter().position(|f| f.pts == pts).unwrap() as u32;
        let message = hdr10_plus(idx);
        let found = data.windows(message.len()).filter(|w| *w == message).count();
        assert_eq!(found, 1, "frame {idx}");
    }
}

/// A T.35 message of ST 2094-40 with every optional part, different for each frame, without emulated start codes.
fn hdr10_plus(idx: u32) -> Vec<u8> {
    let mut fields = vec![(0xB5, 8), (0x3C, 16), (1, 16), (4, 8), (1, 8), (1, 2), (1000 + idx, 27)];
    fields.extend([(1, 1), (2, 5), (3, 5)]); // targeted peaks: 2 x 3
    fields.extend((1..=6).map(|n| (n, 4)));
    fields.extend([(70_001, 17), (80_003, 17), (99_999, 17), (45_677 + idx, 17), (9, 4)]);
    fields.extend((1..=9).map(|n| n * 11).flat_map(|n| [(n, 7), (n * 901 + idx, 17)]));
    fields.extend([(517, 10), (1, 1), (2, 5), (2, 5), (13, 4), (14, 4), (15, 4), (1, 4)]);
    fields.extend([(1, 1), (2047, 12), (3001 + idx, 12), (5, 4)]);
    fields.extend((1..=5).map(|n| (n * 200 + 1, 10)));
    fields.extend([(1, 1), (41, 6)]);
    let bits: Vec<u8> = fields.iter().flat_map(|(v, n)| (0..*n).rev().map(move |b| (v >> b & 1) as u8)).collect();
    bits.chunks(8).map(|c| c.iter().enumerate().fold(0, |byte, (i, bit)| byte | bit << (7 - i))).collect()
}

/// Presentation time and payload of every packet.
fn packets(pack: &[u8]) -> Vec<(i64, Vec<u8>)> {
    let mut reader = PackReader::open(Cursor::new(pack)).unwrap();
    let mut all = Vec::new();
    while let Some(packet) = reader.next().unwrap() {
        all.push((packet.pts().unwrap(), packet.data().to_vec()));
    }
    all
}

#[test]
fn what_has_no_place_is_refused_by_name_or_dropped_by_consent() {
    let captions = |_: u64| vec![0xFC, 0x94, 0x20];
    for codec in [Codec::Ffv1, Codec::Prores] {
        let pix_fmt = if codec == Codec::Prores { "yuv422p10le" } else { "yuv420p" };
        let before = with(pix_fmt, Kind::A53_CC, &captions);
        let error = pack(&spec(codec, pix_fmt), &before).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.to_string().contains("--accept-loss captions"), "{error}");
        // Known beforehand, it is refused before a frame is touched.
        let mut request = EncodeRequest { codec: Some(codec.name().into()), ..EncodeRequest::default() };
        request.frame_side_data.insert("ATSC A53 Part 4 Closed Captions".into());
        let info = source(codec.name(), pix_fmt, 64, 64);
        assert!(choose_encoder(&info, Container::Mkv, &request).is_err());
        request.accept_loss.insert("captions".into());
        let spec = choose_encoder(&info, Container::Mkv, &request).unwrap().spec;
        unpacked(&pack(&spec, &before).unwrap(), &before);
    }
    let kinds = ["HDR Dynamic Metadata SMPTE2094-40 (HDR10+)", "SMPTE 12-1 timecode", "no such thing"];
    assert_eq!(losses_of_side_data(Codec::Hevc, kinds).len(), 0);
    assert_eq!(losses_of_side_data(Codec::Ffv1, kinds).len(), 2);
}

#[test]
fn hdr10_metadata_is_written_into_the_stream() {
    let r = |num: i32, den: i32| Rational::new(num, den);
    let c = |num: i32| r(num, 50_000);
    let hdr = StaticSideData {
        mastering: Some(MasteringDisplay {
            primaries: [[c(34_000), c(16_000)], [c(13_250), c(34_500)], [c(7_500), c(3_000)]],
            white: [c(15_635), c(16_450)],
            min_luminance: r(50, 10_000),
            max_luminance: r(1000, 1),
        }),
        light: Some(ContentLight { max_content: 1203, max_frame_average: 407 }),
    };
    for codec in [Codec::H264, Codec::Hevc, Codec::Av1] {
        let before = frames(format("yuv420p10le"), 64, 64, 3, 0);
        let bytes = pack_with(&spec(codec, "yuv420p10le"), &before, &hdr).unwrap();
        let after = unpacked(&bytes, &before);
        if codec == Codec::H264 {
            // libav 5.1 does not read it back from H.264: messages 137 and 144, of 24 and 4 bytes.
            let first = &packets(&bytes)[0].1;
            let light = [0x90, 4, 0x04, 0xB3, 0x01, 0x97];
            assert!(first.windows(6).any(|w| w == light) && first.windows(4).any(|w| w == [0x89, 24, 0x33, 0xC2]));
            continue;
        }
        let found = StaticSideData::of(&after[0]);
        let light = found.light.unwrap_or_else(|| panic!("{codec:?} {found:?}"));
        assert_eq!((light.max_content, light.max_frame_average), (1203, 407), "{codec:?}");
        let (a, b) = (found.mastering.unwrap(), hdr.mastering.unwrap());
        let near = |a: Rational, b: Rational| (a.value() - b.value()).abs() <= 1e-4 * b.value().max(0.1);
        assert!(a.primaries.iter().flatten().zip(b.primaries.iter().flatten()).all(|(a, b)| near(*a, *b)), "{a:?}");
        assert!(near(a.white[0], b.white[0]) && near(a.white[1], b.white[1]), "{codec:?}");
        assert!(near(a.max_luminance, b.max_luminance) && near(a.min_luminance, b.min_luminance), "{codec:?} {a:?}");
    }
}
