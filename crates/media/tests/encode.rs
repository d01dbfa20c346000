//! Frames into packs and back: samples, times, fields, determinism.
#![allow(clippy::unwrap_used, clippy::panic)] // also outside of test functions

mod common;

use std::collections::BTreeSet;
use std::io::Cursor;
use std::process::Command;

use cleanplate_core::{Frame, HostSurface, PixelFormat, PixelLayout, Row, RowMut, Scan, Surface};
use cleanplate_media::encode::{Codec, Loss};
use cleanplate_media::{
    Container, EncodeRequest, Encoder, EncoderSpec, PackReader, StaticSideData, choose_encoder, pixfmt,
};
use common::{carrying, format, frames, pack, psnr, samples, source, unpacked};

fn libav(format: PixelFormat) -> String {
    pixfmt::name(pixfmt::to_av(format).unwrap())
}

fn chosen(codec: Codec, pix_fmt: &str, size: (u32, u32)) -> EncoderSpec {
    let request = EncodeRequest { codec: Some(codec.name().into()), ..EncodeRequest::default() };
    choose_encoder(&source(codec.name(), pix_fmt, size.0, size.1), Container::Mkv, &request).unwrap().spec
}

#[test]
fn a_lossless_pack_gives_back_every_sample_of_every_format() {
    for own in Codec::Ffv1.pixel_formats() {
        for size in [(64, 48), (65, 47)] {
            let before = frames(own, size.0, size.1, 3, 0);
            let after = unpacked(&pack(&chosen(Codec::Ffv1, &libav(own), size), &before).unwrap(), &before);
            for (a, b) in after.iter().zip(&before) {
                assert_eq!((a.format, samples(a)), (b.format, samples(b)), "{} {size:?}", libav(own));
            }
        }
    }
}

#[test]
fn every_codec_keeps_every_format_it_takes() {
    let lossy = Codec::ALL.into_iter().filter(|codec| !codec.is_lossless());
    for (codec, own) in lossy.flat_map(|codec| codec.pixel_formats().map(move |format| (codec, format))) {
        for size in [(80, 64), (82, 66), (79, 65)] {
            if codec.size_problem(own, size.0, size.1).is_some() {
                continue;
            }
            let spec = chosen(codec, &libav(own), size);
            assert!(spec.losses.is_empty(), "{codec:?} {}", libav(own));
            let before = frames(own, size.0, size.1, 2, 0);
            let mut after = unpacked(&pack(&spec, &before).unwrap(), &before);
            if own.layout == PixelLayout::Gray {
                // libav decodes 4:0:0 of some codecs as 4:2:0 with neutral chroma.
                after = after.iter().map(|frame| rebuilt(frame, own)).collect();
            }
            if codec == Codec::Prores && own.log2_chroma_w == 0 {
                // libav decodes all of ProRes 4444 with 12 bits, also what was written with 10.
                assert_eq!(after[0].format.depth, 12);
                after = after.iter().map(|frame| rebuilt(frame, own)).collect();
            }
            assert_eq!(after[0].format, own, "{codec:?}");
            let quality = psnr(&after, &before);
            assert!(quality > 33.0, "{codec:?} {} {size:?}: {quality:.1} dB", libav(own));
        }
    }
}

/// The planes of `to` alone, with its bits.
fn rebuilt(frame: &Frame, to: PixelFormat) -> Frame {
    let mut own = HostSurface::new(to, frame.width, frame.height);
    let shift = frame.format.depth - to.depth;
    for plane in 0..to.planes() {
        for y in 0..to.plane_size(plane, frame.width, frame.height).1 {
            match (own.row_mut(plane, y), frame.row(plane, y)) {
                (RowMut::U8(to), Row::U8(from)) => to.copy_from_slice(from),
                (RowMut::U16(to), Row::U16(from)) => to.iter_mut().zip(from).for_each(|(t, f)| *t = f >> shift),
                _ => panic!("sample width"),
            }
        }
    }
    Frame::new(frame.idx, frame.pts, frame.duration, (frame.width, frame.height), to, Box::new(own))
}

#[test]
fn samples_that_an_encoder_lacks_are_carried_in_more_bits_without_loss() {
    for (codec, from, to) in [
        ("ffv1", "yuva444p12le", "yuva444p16le"),
        ("ffv1", "gray14le", "gray16le"),
        ("ffv1", "yuva422p12le", "yuva422p16le"),
        ("ffv1", "gbrap14le", "gbrap16le"),
    ] {
        if pixfmt::by_name(from).is_none() {
            continue; // formats that this build of libav does not know cannot come from it either
        }
        let choice = choose_encoder(&source(codec, from, 64, 48), Container::Mkv, &EncodeRequest::default()).unwrap();
        assert_eq!((choice.spec.pix_fmt.as_str(), choice.spec.losses.len()), (to, 0));
        let before = frames(format(from), 64, 48, 2, 0);
        let after = unpacked(&pack(&choice.spec, &before).unwrap(), &before);
        let shift = format(to).depth - format(from).depth;
        for (a, b) in after.iter().zip(&before) {
            let narrowed: Vec<u16> = samples(a).iter().map(|s| s >> shift).collect();
            assert_eq!(narrowed, samples(b), "{from} in {to}");
        }
    }
}

#[test]
fn every_codec_keeps_every_frame_at_its_irregular_time() {
    for codec in Codec::ALL {
        let name = if codec == Codec::Prores { "yuv422p10le" } else { "yuv420p" };
        for count in [1, 2, 3, 24] {
            let before = frames(format(name), 64, 64, count, 31);
            let spec = chosen(codec, name, (64, 64));
            let bytes = pack(&spec, &before).unwrap();
            assert_eq!(unpacked(&bytes, &before).len(), count as usize);
            let mut reader = PackReader::open(Cursor::new(&bytes)).unwrap();
            let delay = u64::from(reader.header().stream.video_delay);
            let (mut last, mut n) = (i64::MIN, 0u64);
            while let Some(packet) = reader.next().unwrap() {
                assert_eq!(n == 0, packet.is_key() && n == 0, "{codec:?}: the first packet is a key frame");
                assert!(packet.dts().unwrap() > last, "{codec:?}: decoding times rise");
                // Frame n - delay is shown when packet n is decoded: what a joiner counts on.
                if n >= delay {
                    assert_eq!(packet.dts(), Some(before[(n - delay) as usize].pts), "{codec:?}");
                }
                last = packet.dts().unwrap();
                n += 1;
            }
        }
    }
}

#[test]
fn equal_frames_give_equal_packs_whatever_the_heap_looks_like() {
    for codec in Codec::ALL {
        let name = if codec == Codec::Prores { "yuv422p10le" } else { "yuv420p" };
        let mut spec = chosen(codec, name, (160, 128));
        spec.threads = 3;
        let before = frames(format(name), 160, 128, 16, 0);
        let first = pack(&spec, &before).unwrap();
        let mut churn: Vec<Vec<u8>> = Vec::new();
        for run in 0..6usize {
            churn.extend((0..50).map(|n| vec![n as u8; 1 + (n * 7919 + run * 104_729) % 60_000]));
            churn.retain(|block| block.len() % 3 != run % 3);
            // Pictures of libav and vectors of our own, at other addresses each time.
            let moved: Vec<Frame> =
                before.iter().map(|f| if run % 2 == 0 { carrying(f, &[]) } else { f.clone() }).collect();
            assert!(pack(&spec, &moved).unwrap() == first, "{codec:?}, run {run}");
        }
    }
}

#[test]
fn fields_keep_their_order() {
    for (codec, name) in
        [(Codec::H264, "yuv420p"), (Codec::Mpeg2, "yuv420p"), (Codec::Prores, "yuv422p10le"), (Codec::Ffv1, "yuv420p")]
    {
        for scan in [Scan::TopFirst, Scan::BottomFirst, Scan::Progressive] {
            let mut info = source(codec.name(), name, 64, 64);
            info.streams[0].video.as_mut().unwrap().scan = scan;
            let spec = choose_encoder(&info, Container::Mkv, &EncodeRequest::default()).unwrap().spec;
            assert_eq!((spec.codec, spec.scan), (codec, scan));
            let mut before = frames(format(name), 64, 64, 4, 0);
            before.iter_mut().for_each(|frame| frame.scan = scan);
            for frame in unpacked(&pack(&spec, &before).unwrap(), &before) {
                assert_eq!(frame.scan, scan, "{codec:?}");
            }
        }
    }
}

#[test]
fn a_progressive_frame_does_not_turn_the_fields_of_its_neighbours_round() {
    let mut info = source("h264", "yuv420p", 64, 64);
    info.streams[0].video.as_mut().unwrap().scan = Scan::TopFirst;
    let spec = choose_encoder(&info, Container::Mkv, &EncodeRequest::default()).unwrap().spec;
    let mut before = frames(format("yuv420p"), 64, 64, 6, 0);
    before.iter_mut().for_each(|f| f.scan = if f.idx % 3 == 1 { Scan::Progressive } else { Scan::TopFirst });
    for frame in unpacked(&pack(&spec, &before).unwrap(), &before) {
        assert_ne!(frame.scan, Scan::BottomFirst, "frame {}", frame.idx);
    }
    // The other way round it would be lost that a frame has fields.
    let mut spec = chosen(Codec::H264, "yuv420p", (64, 64));
    let error = pack(&spec, &before).unwrap_err().to_string();
    assert!(error.contains("--accept-loss field-order"), "{error}");
    spec.accept_loss.insert(Loss::FieldOrder);
    unpacked(&pack(&spec, &before).unwrap(), &before);
}

#[test]
fn an_encoder_can_be_given_up_in_the_middle_of_its_work() {
    for codec in Codec::ALL {
        let name = if codec == Codec::Prores { "yuv422p10le" } else { "yuv420p" };
        let mut encoder = Encoder::open(&chosen(codec, name, (64, 64)), &StaticSideData::default()).unwrap();
        for frame in frames(format(name), 64, 64, 5, 0) {
            encoder.push(frame, &mut |_| Ok(())).unwrap();
        }
        drop(encoder); // would wait for ever
    }
}

#[test]
fn colour_tags_reach_the_stream() {
    for codec in [Codec::H264, Codec::Hevc, Codec::Av1] {
        let mut info = source(codec.name(), "yuv420p10le", 64, 64);
        let color = &mut info.streams[0].video.as_mut().unwrap().color;
        (color.primaries, color.transfer, color.matrix, color.full_range) = (9, 16, 9, Some(true));
        let wanted = *color;
        let spec = choose_encoder(&info, Container::Mkv, &EncodeRequest::default()).unwrap().spec;
        let before = frames(format("yuv420p10le"), 64, 64, 2, 0);
        for frame in unpacked(&pack(&spec, &before).unwrap(), &before) {
            let tags = |c: cleanplate_core::ColorInfo| (c.primaries, c.transfer, c.matrix, c.full_range);
            assert_eq!(tags(frame.color), tags(wanted), "{codec:?}");
        }
    }
}

#[test]
fn what_is_lost_by_consent_is_only_what_was_named() {
    // Alpha dropped, RGB turned into luma and chroma, chroma and depth reduced: the rest stays close.
    for (from, codec, losses, floor) in [
        ("yuva420p", "h264", vec![Loss::Alpha], 36.0),
        ("yuv444p", "av1", vec![Loss::Chroma], 0.0),
        ("yuv420p12le", "h264", vec![Loss::Depth], 36.0),
        ("gbrp", "prores", vec![Loss::Rgb], 0.0),
    ] {
        let mut request = EncodeRequest { codec: Some(codec.into()), ..EncodeRequest::default() };
        let info = source("vp9", from, 64, 64);
        let refusal = choose_encoder(&info, Container::Mkv, &request).unwrap_err().to_string();
        for loss in &losses {
            assert!(refusal.contains(&format!("--accept-loss {}", loss.name())), "{refusal}");
        }
        request.accept_loss = losses.iter().map(|l| l.name().to_owned()).collect();
        let spec = choose_encoder(&info, Container::Mkv, &request).unwrap().spec;
        assert_eq!(spec.losses, losses.into_iter().collect::<BTreeSet<_>>());
        let before = frames(format(from), 64, 64, 2, 0);
        let after = unpacked(&pack(&spec, &before).unwrap(), &before);
        let shift = format(from).depth.saturating_sub(after[0].format.depth);
        let planes = after[0].format.planes().min(before[0].format.planes());
        let luma = |frame: &Frame, shift: u8| -> Vec<f64> {
            let count = if floor > 0.0 && planes == 3 { 64 * 64 } else { 0 };
            samples(frame)[..count].iter().map(|s| f64::from(s >> shift)).collect()
        };
        let (a, b) = (luma(&after[0], 0), luma(&before[0], shift));
        let mse = a.iter().zip(&b).map(|(a, b)| (a - b).powi(2)).sum::<f64>() / a.len().max(1) as f64;
        let peak = f64::from(after[0].format.max_code());
        assert!(a.is_empty() || 10.0 * (peak * peak / mse).log10() > floor, "{from} to {codec}");
    }
}

#[test]
fn x264_runs_with_the_settings_that_plain_ffmpeg_gives_it() {
    let said = |bytes: &[u8]| -> String {
        let at = bytes.windows(9).position(|w| w == b"options: ").unwrap();
        let end = bytes[at..].iter().position(|b| *b == 0 || *b == 0x80).unwrap();
        String::from_utf8_lossy(&bytes[at..at + end]).into_owned()
    };
    for preset in ["veryfast", "medium"] {
        let request = EncodeRequest { crf: Some(20.0), preset: Some(preset.into()), ..EncodeRequest::default() };
        let info = source("h264", "yuv420p", 1280, 720);
        let spec = choose_encoder(&info, Container::Mkv, &request).unwrap().spec;
        let own = pack(&spec, &frames(format("yuv420p"), 1280, 720, 1, 0)).unwrap();
        let args = "-v error -f lavfi -i color=s=1280x720:r=25:d=0.04 -pix_fmt yuv420p -c:v libx264 -crf 20 \
                    -x264-params cpu-independent=1 -f h264 -";
        let mut args: Vec<&str> = args.split_whitespace().collect();
        args.splice(args.len() - 3..args.len() - 3, ["-preset", preset]);
        let plain = Command::new("ffmpeg").args(&args).output().unwrap();
        assert!(plain.status.success(), "{}", String::from_utf8_lossy(&plain.stderr));
        assert_eq!(said(&own), said(&plain.stdout));
    }
}
