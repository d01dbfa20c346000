//! Packs as files: round trip and damage.
#![allow(clippy::unwrap_used, clippy::panic)] // also outside of test functions

mod common;

use std::io::Cursor;

use cleanplate_media::av::{Packet, ffi};
use cleanplate_media::{
    Container, EncodeRequest, ErrorKind, PackHeader, PackReader, PackWriter, check_pack, choose_encoder,
};
use common::{format, frames, pack, source};

fn small() -> (PackHeader, Vec<u8>) {
    let spec =
        choose_encoder(&source("h264", "yuv420p", 64, 48), Container::Mp4, &EncodeRequest::default()).unwrap().spec;
    let bytes = pack(&spec, &frames(format("yuv420p"), 64, 48, 5, 0)).unwrap();
    (PackReader::open(Cursor::new(&bytes)).unwrap().header().clone(), bytes)
}

#[test]
fn a_pack_gives_back_times_flags_bytes_and_side_data() {
    let header = small().0;
    let mut writer = PackWriter::new(Vec::new(), &header).unwrap();
    let kind = ffi::AVPacketSideDataType::NEW_EXTRADATA;
    for n in 0..4i64 {
        let mut packet = Packet::with_data(&vec![n as u8; n as usize * 1000]).unwrap();
        if n == 2 {
            packet.add_side_data(kind, b"headers").unwrap();
        }
        let p = packet.get_mut();
        (p.pts, p.dts, p.duration, p.flags) = (i64::MIN + 1 + n, -n, i64::MAX - n, n as i32);
        writer.push(&packet).unwrap();
    }
    let bytes = writer.finish().unwrap();
    let mut reader = PackReader::open(Cursor::new(&bytes)).unwrap();
    assert_eq!(*reader.header(), header);
    for n in 0..4i64 {
        let packet = reader.next().unwrap().unwrap();
        let p = packet.get();
        assert_eq!((p.pts, p.dts, p.duration, p.flags), (i64::MIN + 1 + n, -n, i64::MAX - n, n as i32));
        assert_eq!(packet.data(), vec![n as u8; n as usize * 1000]);
        assert_eq!(p.side_data_elems, i32::from(n == 2));
    }
    assert!(reader.next().unwrap().is_none() && reader.next().unwrap().is_none());
    let again = reader.header().stream.to_av().unwrap();
    assert_eq!(cleanplate_media::StreamParameters::from_av(&again), header.stream);
}

#[test]
fn no_flipped_bit_and_no_missing_end_goes_unnoticed() {
    let (_, bytes) = small();
    let read = |bytes: &[u8]| PackReader::open(Cursor::new(bytes)).and_then(PackReader::verify);
    assert_eq!(read(&bytes).unwrap(), 5);
    for at in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1 << (at % 8);
        let error = read(&damaged).expect_err("a flipped bit");
        assert_eq!(error.kind(), ErrorKind::Io, "byte {at}: {error}");
        if at % 7 == 0 {
            assert_eq!(read(&bytes[..at]).expect_err("a missing end").kind(), ErrorKind::Io, "cut at {at}");
        }
    }
    let mut longer = bytes.clone();
    longer.push(0);
    assert!(read(&longer).is_err());
}

#[test]
fn a_pack_without_all_its_frames_is_not_sound() {
    let (_, bytes) = small();
    let times: Vec<i64> = frames(format("yuv420p"), 64, 48, 5, 0).iter().map(|f| f.pts).collect();
    let check = |bytes: &[u8], times: &[i64]| {
        check_pack(PackReader::open(Cursor::new(bytes)).unwrap(), times, &mut |_| Ok(()), 1).unwrap()
    };
    assert!(check(&bytes, &times).is_sound());
    let mut moved = times.clone();
    moved[3] += 1;
    assert!(!check(&bytes, &moved).is_sound());
    assert!(!check(&bytes, &times[..4]).is_sound());
    // The same pack with one packet fewer, with one packet's payload ruined, and without its key frame.
    let rewritten = |change: &dyn Fn(usize, Packet) -> Option<Packet>| {
        let mut reader = PackReader::open(Cursor::new(&bytes)).unwrap();
        let mut writer = PackWriter::new(Vec::new(), reader.header()).unwrap();
        let mut n = 0;
        while let Some(packet) = reader.next().unwrap() {
            if let Some(packet) = change(n, packet) {
                writer.push(&packet).unwrap();
            }
            n += 1;
        }
        writer.finish().unwrap()
    };
    assert!(check(&rewritten(&|_, packet| Some(packet)), &times).is_sound());
    assert!(!check(&rewritten(&|n, packet| (n != 2).then_some(packet)), &times).is_sound());
    assert!(!check(&rewritten(&|n, packet| (n != 0).then_some(packet)), &times).is_sound());
    let ruined = rewritten(&|n, mut packet| {
        if n == 1 {
            packet.data_mut().iter_mut().skip(6).for_each(|b| *b = 0xA5);
        }
        Some(packet)
    });
    assert!(!check(&ruined, &times).is_sound());
}
