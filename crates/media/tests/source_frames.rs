//! Frames, times and seeks of every kind of source, against what the `ffmpeg` program decodes.
#![allow(clippy::unwrap_used)] // tests stop here

mod clips;

use cleanplate_media::source::Timing;
use clips::{Clips, PICTURES, TONE, check_seeks, frames, open, reference};

/// Makes each clip, compares every frame's time and samples, and those after seeks. `input` and `output` are options of the
/// program that decodes for comparison.
fn check(cases: &[(&str, &str)]) {
    check_with("", "", cases);
}

fn check_with(input: &str, output: &str, cases: &[(&str, &str)]) {
    let clips = Clips::new();
    for (name, arguments) in cases {
        let path = clips.make(name, arguments);
        let source = open(&path).unwrap();
        let all = frames(&source, 2).unwrap();
        assert_eq!(all, reference(&path, input, output), "{name}");
        assert!(source.damage().is_empty(), "{name}: {:?}", source.damage());
        check_seeks(name, &source, &all, 8);
    }
}

fn coded(arguments: &str) -> String {
    format!("{PICTURES} {TONE} {arguments}")
}

#[test]
fn h264_in_every_container() {
    let open_gop = coded("-c:v libx264 -x264-params open-gop=1:keyint=12:bframes=3:scenecut=0");
    check(&[
        ("open.mp4", &open_gop),
        ("open.mkv", &open_gop),
        ("open.ts", &open_gop),
        ("closed.flv", &coded("-c:v libx264 -g 12 -ar 44100")),
        ("fields.mp4", &coded("-c:v libx264 -flags +ildct+ilme -x264-params tff=1 -g 20")),
        ("refresh.mp4", &coded("-c:v libx264 -x264-params intra-refresh=1:keyint=15")),
        ("edit.mp4", "-ss 1.3 -i open.mp4 -c copy"),
        ("fragments.mp4", "-i open.mp4 -c copy -movflags frag_keyframe+empty_moov"),
        ("middle.ts", "-ss 1.3 -i open.ts -c copy"),
        ("odd.mkv", "-f lavfi -i testsrc2=s=161x121:d=1 -c:v libx264 -pix_fmt yuv444p"),
    ]);
}

#[test]
fn h264_tells_by_how_much_it_was_quantised() {
    let clips = Clips::new();
    for quantiser in [4, 23, 40] {
        let path =
            clips.make("fixed.mkv", &coded(&format!("-y -c:v libx264 -qp {quantiser} -g 12 -x264-params ipratio=1")));
        let told = open(&path).unwrap().quantiser().unwrap().unwrap();
        assert!((told - quantiser as f32).abs() < 0.1, "{told} for {quantiser}");
    }
    let path = clips.make("other.mkv", &coded("-c:v ffv1"));
    assert_eq!(open(&path).unwrap().quantiser().unwrap(), None);
}

#[test]
fn hevc_in_every_container() {
    let parameters = "keyint=12:bframes=3:scenecut=0:log-level=error";
    check(&[
        ("open.mkv", &coded(&format!("-c:v libx265 -x265-params open-gop=1:{parameters}"))),
        ("leading.mp4", &coded(&format!("-c:v libx265 -x265-params open-gop=0:radl=2:{parameters}"))),
        ("open.ts", "-i open.mkv -c copy"),
        ("middle.ts", "-ss 1.3 -i open.ts -c copy"),
    ]);
}

#[test]
fn hidden_frames_are_not_counted() {
    check(&[
        ("vp8.webm", &coded("-c:v libvpx -auto-alt-ref 1 -lag-in-frames 16 -g 25 -b:v 300k")),
        ("vp9.webm", &coded("-c:v libvpx-vp9 -auto-alt-ref 1 -lag-in-frames 16 -g 25 -b:v 300k")),
        ("vp9.mp4", "-i vp9.webm -c copy"),
        ("av1.mkv", &coded("-c:v libsvtav1 -g 24")),
        ("av1.mp4", "-i av1.mkv -c copy"),
    ]);
}

#[test]
fn mpeg_and_intra_codecs() {
    check(&[
        ("mpeg2.ts", &coded("-c:v mpeg2video -bf 2 -g 12")),
        ("fields.mov", &coded("-c:v mpeg2video -bf 2 -g 12 -flags +ildct+ilme")),
        ("mpeg4.mp4", &coded("-c:v mpeg4 -bf 2 -g 12")),
        ("prores.mov", &coded("-c:v prores_ks")),
        ("dnxhd.mov", &coded("-t 0.3 -s 1280x720 -c:v dnxhd -profile:v dnxhr_lb -pix_fmt yuv422p")),
        ("mjpeg.avi", &coded("-c:v mjpeg")),
        ("ffv1.mkv", &coded("-c:v ffv1 -g 10")),
        ("theora.ogv", &coded("-c:v libtheora -c:a libvorbis -ac 2")),
        ("gray.mkv", &coded("-c:v ffv1 -pix_fmt gray10le")),
    ]);
}

#[test]
fn packed_pictures_are_carried_in_planes_without_loss() {
    let pictures = "-f lavfi -i testsrc2=s=161x121:r=25:d=0.4";
    check_with(
        "",
        "-pix_fmt gbrp",
        &[
            ("bgr.avi", &format!("{pictures} -c:v rawvideo -pix_fmt bgr24")),
            ("rgb.mov", &format!("{pictures} -c:v png -pix_fmt rgb24")),
            ("runs.mov", &format!("{pictures} -c:v qtrle -pix_fmt rgb24")),
        ],
    );
    check_with("", "-pix_fmt gbrap", &[("rgba.mkv", &format!("{pictures} -c:v png -pix_fmt rgba"))]);
    check_with(
        "",
        "-pix_fmt yuv422p",
        &[("yuyv.avi", &format!("{pictures} -s 160x120 -c:v rawvideo -pix_fmt yuyv422"))],
    );
    check_with("", "-pix_fmt gbrp16le", &[("deep.mkv", &format!("{pictures} -c:v png -pix_fmt rgb48be"))]);
}

#[test]
fn alpha_of_vp9_is_decoded() {
    let cases = [(
        "alpha.webm",
        "-f lavfi -i testsrc2=s=64x48:d=1,format=yuva420p -c:v libvpx-vp9 -pix_fmt yuva420p -b:v 200k",
    )];
    check_with("-c:v libvpx-vp9", "", &cases);
    let clips = Clips::new();
    let source = open(&clips.make(cases[0].0, cases[0].1)).unwrap();
    let video = source.info().video_stream().unwrap().video.clone().unwrap();
    assert!(video.format.unwrap().alpha, "{video:?}");
    assert!(source.unread().is_empty());
}

#[test]
fn irregular_times_are_kept_and_last_until_the_next_frame() {
    let clips = Clips::new();
    let select = format!("{PICTURES} -vf select='not(mod(n,3))+lt(mod(n,7),2)' -vsync vfr -c:v libx264 -bf 3");
    let path = clips.make("vfr.mkv", &select);
    let source = open(&path).unwrap();
    let all = frames(&source, 2).unwrap();
    assert_eq!(all, reference(&path, "", ""));
    let index = source.index();
    assert_eq!((index.timing, index.scanned), (Timing::Container, false));
    assert!(index.frames.windows(2).all(|pair| pair[0].pts + pair[0].duration == pair[1].pts));
    assert!(index.frames.iter().map(|f| f.duration).collect::<std::collections::BTreeSet<_>>().len() > 2);
}

#[test]
fn files_without_presentation_times_get_rising_ones() {
    let clips = Clips::new();
    for (name, arguments, timing, first) in [
        // Program streams give the time of some pictures, the first among them, 0.5 s plus the decoder's delay.
        ("mpeg2.mpg", coded("-c:v mpeg2video -bf 2 -g 12"), Timing::Decoding, 48_600),
        ("b_frames.avi", coded("-c:v mpeg4 -bf 2 -g 12"), Timing::Decoding, 1),
        ("bare.264", format!("{PICTURES} -c:v libx264"), Timing::Rate, 0),
        ("bare.265", format!("{PICTURES} -c:v libx265 -x265-params log-level=error"), Timing::Rate, 0),
    ] {
        let path = clips.make(name, &arguments);
        let source = open(&path).unwrap();
        let all = frames(&source, 2).unwrap();
        let sums: Vec<_> = all.iter().map(|frame| frame.1.clone()).collect();
        let wanted: Vec<_> = reference(&path, "", "").into_iter().map(|frame| frame.1).collect();
        assert_eq!(sums, wanted, "{name}");
        assert_eq!((source.index().timing, source.index().scanned, all[0].0), (timing, true, first), "{name}");
        let steps: std::collections::BTreeSet<_> = all.windows(2).map(|pair| pair[1].0 - pair[0].0).collect();
        assert_eq!(steps.len(), 1, "{name}: {steps:?}");
        check_seeks(name, &source, &all, 6);
    }
}

#[test]
fn a_clock_that_jumps_back_goes_on_instead() {
    let clips = Clips::new();
    let once = std::fs::read(clips.make("once.ts", &coded("-c:v libx264 -g 12"))).unwrap();
    let source = open(&clips.write("twice.ts", &[once.clone(), once].concat())).unwrap();
    let all = frames(&source, 2).unwrap();
    assert_eq!((all.len(), source.index().timing), (150, Timing::Repaired));
    assert!(all.windows(2).all(|pair| pair[1].0 - pair[0].0 == 3600));
    assert!(all[..75].iter().zip(&all[75..]).all(|(a, b)| a.1 == b.1));
    check_seeks("twice.ts", &source, &all, 10);
}

#[test]
fn a_recording_that_starts_anywhere_gives_what_decodes() {
    let clips = Clips::new();
    for (name, codec) in [
        ("h264.ts", "-c:v libx264 -x264-params open-gop=1:keyint=12:bframes=3:scenecut=0"),
        ("hevc.ts", "-c:v libx265 -x265-params open-gop=1:keyint=12:bframes=3:scenecut=0:log-level=error"),
        ("mpeg2.ts", "-c:v mpeg2video -bf 2 -g 12"),
    ] {
        let whole = std::fs::read(clips.make(name, &coded(codec))).unwrap();
        let path = clips.write(&format!("tail_{name}"), &whole[whole.len() / 3..]);
        let source = open(&path).unwrap();
        let all = frames(&source, 2).unwrap();
        assert_eq!(all, reference(&path, "", ""), "{name}");
        assert!(!all.is_empty() && source.index().scanned);
        check_seeks(name, &source, &all, 8);
    }
}
