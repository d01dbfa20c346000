//! Synthetic frames and sources for the tests of encoders and packs.
// Not every test file uses all of it.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::io::Cursor;

use cleanplate_core::{ColorInfo, Frame, HostSurface, PixelFormat, Row, RowMut, Scan, Surface};
use cleanplate_media::av::{AvFrame, ffi};
use cleanplate_media::types::{SourceInfo, StreamInfo, StreamKind, VideoParams};
use cleanplate_media::{
    AvSurface, Container, Encoder, EncoderSpec, PackHeader, PackReader, PackWriter, Rational, Result, StaticSideData,
    StreamParameters, check_pack, pixfmt,
};

/// libav's name to our format.
pub(crate) fn format(name: &str) -> PixelFormat {
    pixfmt::from_av(pixfmt::by_name(name).unwrap()).unwrap()
}

/// A source whose only stream is a video of that codec and format.
pub(crate) fn source(codec: &str, pix_fmt: &str, width: u32, height: u32) -> SourceInfo {
    let video = VideoParams {
        width,
        height,
        format: Some(format(pix_fmt)),
        pix_fmt: pix_fmt.into(),
        color: ColorInfo { primaries: 1, transfer: 1, matrix: 1, full_range: Some(false), chroma_location: 1 },
        sar: Rational::new(1, 1),
        scan: Scan::Progressive,
        frame_rate: Rational::new(25, 1),
        rotation: (0, false),
        profile: -99,
        reorder: 2,
        bit_rate: 0,
    };
    let stream = StreamInfo {
        index: 0,
        kind: StreamKind::Video,
        codec: codec.into(),
        time_base: Rational::new(1, 12800),
        metadata: vec![],
        disposition: vec![],
        packets: 0,
        bytes: 0,
        start: None,
        end: None,
        sha256: String::new(),
        side_data: vec![],
        video: Some(video),
        audio: None,
    };
    SourceInfo {
        container: Container::Mkv,
        demuxer: "matroska,webm".into(),
        size: 0,
        streams: vec![stream],
        chapters: vec![],
        metadata: vec![],
        video: 0,
    }
}

/// Frames with structure and motion in every plane, `jitter` ticks off an even beat of 512.
pub(crate) fn frames(format: PixelFormat, width: u32, height: u32, count: u64, jitter: i64) -> Vec<Frame> {
    let value = |plane: usize, x: usize, y: u32, t: u64| -> u32 {
        let (x, y, t) = (x as u32, y, t as u32);
        let wave = (x * 5 + y * 3 + t * 7 + plane as u32 * 40) % 200 + 28;
        let noise = (x * 7919 + y * 104_729 + t * 1_299_709 + plane as u32 * 15_485_863) >> 7 & 7;
        ((wave + noise) << (format.depth - 8)) | ((x + y + t) & ((1 << (format.depth - 8)) - 1))
    };
    (0..count)
        .map(|t| {
            let mut surface = HostSurface::new(format, width, height);
            for plane in 0..format.planes() {
                for y in 0..format.plane_size(plane, width, height).1 {
                    match surface.row_mut(plane, y) {
                        RowMut::U8(row) => {
                            row.iter_mut().enumerate().for_each(|(x, s)| *s = value(plane, x, y, t) as u8)
                        }
                        RowMut::U16(row) => {
                            row.iter_mut().enumerate().for_each(|(x, s)| *s = value(plane, x, y, t) as u16);
                        }
                    }
                }
            }
            let pts = 1000 + t as i64 * 512 + (t as i64 * 37 % 5) * jitter;
            Frame::new(t, pts, 512, (width, height), format, Box::new(surface))
        })
        .collect()
}

/// Every sample of every plane.
pub(crate) fn samples(frame: &Frame) -> Vec<u16> {
    let mut all = Vec::new();
    for plane in 0..frame.format.planes() {
        for y in 0..frame.format.plane_size(plane, frame.width, frame.height).1 {
            match frame.row(plane, y) {
                Row::U8(row) => all.extend(row.iter().map(|s| u16::from(*s))),
                Row::U16(row) => all.extend_from_slice(row),
            }
        }
    }
    all
}

/// Encodes `frames` into a pack.
pub(crate) fn pack(spec: &EncoderSpec, frames: &[Frame]) -> Result<Vec<u8>> {
    pack_with(spec, frames, &StaticSideData::default())
}

/// Encodes `frames` into a pack with HDR10 metadata.
pub(crate) fn pack_with(spec: &EncoderSpec, frames: &[Frame], hdr: &StaticSideData) -> Result<Vec<u8>> {
    let mut encoder = Encoder::open(spec, hdr)?;
    let header = PackHeader {
        engine: "test 1".into(),
        key: "segment".into(),
        time_base: spec.time_base,
        stream: StreamParameters::from_av(&encoder.parameters()?),
    };
    let mut writer = PackWriter::new(Vec::new(), &header)?;
    for frame in frames {
        encoder.push(frame.clone(), &mut |packet| writer.push(packet))?;
    }
    encoder.finish(&mut |packet| writer.push(packet))?;
    writer.finish()
}

/// Decodes a pack, demands that it is sound for the times of `frames`, and gives its frames.
pub(crate) fn unpacked(pack: &[u8], frames: &[Frame]) -> Vec<Frame> {
    let times: Vec<i64> = frames.iter().map(|f| f.pts).collect();
    let reader = PackReader::open(Cursor::new(pack)).unwrap();
    let mut out = Vec::new();
    let check = check_pack(
        reader,
        &times,
        &mut |frame| {
            out.push(frame);
            Ok(())
        },
        1,
    )
    .unwrap();
    assert!(check.is_sound(), "{:?}", check.problems);
    assert_eq!(check.frames, frames.len() as u64);
    assert!(out.iter().zip(frames).all(|(o, f)| o.duration == f.duration), "durations");
    out
}

/// Peak signal to noise ratio in dB over all samples; infinite where all are equal.
pub(crate) fn psnr(a: &[Frame], b: &[Frame]) -> f64 {
    let (mut sum, mut count) = (0f64, 0f64);
    let max = f64::from(a[0].format.max_code());
    for (a, b) in a.iter().zip(b) {
        let (a, b) = (samples(a), samples(b));
        assert_eq!(a.len(), b.len());
        sum += a.iter().zip(&b).map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2)).sum::<f64>();
        count += a.len() as f64;
    }
    10.0 * (max * max * count / sum).log10()
}

/// The same frame in a picture of libav that carries `side_data`.
pub(crate) fn carrying(frame: &Frame, side_data: &[(ffi::AVFrameSideDataType, Vec<u8>)]) -> Frame {
    let picture = AvFrame::picture(pixfmt::to_av(frame.format).unwrap(), frame.width, frame.height).unwrap();
    for (kind, bytes) in side_data {
        // SAFETY: the picture is valid; libav answers null or room for the bytes.
        unsafe {
            let entry = ffi::av_frame_new_side_data(picture.as_ptr(), *kind, bytes.len());
            assert!(!entry.is_null());
            std::ptr::copy_nonoverlapping(bytes.as_ptr(), (*entry).data, bytes.len());
        }
    }
    let mut surface = AvSurface::new(picture).unwrap();
    for plane in 0..frame.format.planes() {
        for y in 0..frame.format.plane_size(plane, frame.width, frame.height).1 {
            match (surface.row_mut(plane, y), frame.row(plane, y)) {
                (RowMut::U8(to), Row::U8(from)) => to.copy_from_slice(from),
                (RowMut::U16(to), Row::U16(from)) => to.copy_from_slice(from),
                _ => panic!("sample width"),
            }
        }
    }
    let mut own =
        Frame::new(frame.idx, frame.pts, frame.duration, (frame.width, frame.height), frame.format, Box::new(surface));
    (own.color, own.scan) = (frame.color, frame.scan);
    own
}

/// Side data of that kind on a decoded frame, each entry by itself.
pub(crate) fn side_data(frame: &Frame, kind: ffi::AVFrameSideDataType) -> Vec<Vec<u8>> {
    let surface = frame.surface().as_any().downcast_ref::<AvSurface>().unwrap();
    let f = surface.frame().get();
    let mut found = Vec::new();
    for at in 0..f.nb_side_data.max(0) as usize {
        // SAFETY: libav keeps nb_side_data valid entries with `size` bytes each.
        unsafe {
            let entry = &**f.side_data.add(at);
            if entry.type_ == kind {
                found.push(std::slice::from_raw_parts(entry.data, entry.size).to_vec());
            }
        }
    }
    found
}
