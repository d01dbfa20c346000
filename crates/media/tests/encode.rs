//! Frames into packs and back.

mod common;

use cleanplate_media::{Container, EncodeRequest, choose_encoder};
use common::{format, frames, pack, psnr, samples, source, unpacked};

#[test]
fn a_lossless_pack_gives_back_every_sample_of_every_format() {
    for name in [
        "yuv420p",
        "yuv422p",
        "yuv444p",
        "yuv420p10le",
        "yuv422p10le",
        "yuv444p12le",
        "gray",
        "gray10le",
        "yuva420p",
        "yuva444p10le",
    ] {
        for (width, height) in [(64, 48), (65, 47)] {
            let choice =
                choose_encoder(&source("ffv1", name, width, height), Container::Mkv, &EncodeRequest::default())
                    .unwrap();
            let before = frames(format(name), width, height, 3, 0);
            let after = unpacked(&pack(&choice.spec, &before).unwrap(), &before);
            for (a, b) in after.iter().zip(&before) {
                assert_eq!((a.format, samples(a)), (b.format, samples(b)), "{name} {width}x{height}");
            }
        }
    }
}

#[test]
fn every_codec_keeps_every_frame_at_its_irregular_time() {
    for (codec, name) in [
        ("h264", "yuv420p"),
        ("hevc", "yuv420p"),
        ("av1", "yuv420p"),
        ("ffv1", "yuv420p"),
        ("prores", "yuv422p10le"),
        ("mpeg2video", "yuv420p"),
    ] {
        let choice = choose_encoder(&source(codec, name, 64, 64), Container::Mkv, &EncodeRequest::default()).unwrap();
        for count in [1, 2, 24] {
            let before = frames(format(name), 64, 64, count, 31);
            let after = unpacked(&pack(&choice.spec, &before).unwrap(), &before);
            let quality = psnr(&after, &before);
            assert!(quality > 30.0, "{codec} {count}: {quality:.1} dB");
        }
    }
}
