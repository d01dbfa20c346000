//! Which encoder is chosen, and that `docs/formats.md` says so.
#![allow(clippy::unwrap_used, clippy::panic)] // also outside of test functions

mod common;

use std::fmt::Write;
use std::path::Path;

use cleanplate_core::Scan;
use cleanplate_media::encode::{Choice, Codec, Loss};
use cleanplate_media::{Container, EncodeRequest, ErrorKind, Rational, choose_encoder, pixfmt};
use common::source;

fn default_choice(codec: &str, pix_fmt: &str, container: Container) -> Result<Choice, String> {
    choose_encoder(&source(codec, pix_fmt, 64, 64), container, &EncodeRequest::default()).map_err(|e| e.to_string())
}

#[test]
fn a_source_is_written_in_its_own_codec_and_samples_where_that_can_be() {
    for (codec, pix_fmt, container) in [
        ("h264", "yuv420p", Container::Mp4),
        ("h264", "yuv422p10le", Container::Mov),
        ("h264", "gbrp", Container::Mkv),
        ("hevc", "yuv420p10le", Container::Mp4),
        ("hevc", "yuv444p12le", Container::Mkv),
        ("av1", "yuv420p10le", Container::Webm),
        ("ffv1", "gbrap", Container::Mkv),
        ("prores", "yuv422p10le", Container::Mov),
        ("mpeg2video", "yuv420p", Container::Ts),
    ] {
        let choice = default_choice(codec, pix_fmt, container).unwrap();
        assert_eq!((choice.spec.codec.name(), choice.substitutions.len()), (codec, 0), "{pix_fmt}");
        assert_eq!(Some(choice.spec.source_format), pixfmt::by_name(pix_fmt).and_then(pixfmt::from_av));
    }
}

#[test]
fn a_substitute_is_named_and_a_loss_refused_with_its_flag_and_a_way_out() {
    let choice = default_choice("mjpeg", "yuv422p", Container::Avi).unwrap();
    assert_eq!((choice.spec.codec, choice.substitutions), (Codec::H264, vec!["mjpeg is written as H.264".into()]));
    assert!(choice.spec.options.contains(&("bf".into(), "0".into())), "AVI has no presentation times");

    let refused = default_choice("vp9", "yuva420p", Container::Webm).unwrap_err();
    assert!(refused.contains("--accept-loss alpha") && refused.contains("Matroska (FFV1)"), "{refused}");

    let refused = default_choice("theora", "yuv420p", Container::Ogg).unwrap_err();
    assert!(refused.contains("Ogg") && refused.contains("Matroska (H.264)"), "{refused}");

    let mut info = source("hevc", "yuv420p", 64, 64);
    info.streams[0].video.as_mut().unwrap().scan = Scan::TopFirst;
    let choice = choose_encoder(&info, Container::Mp4, &EncodeRequest::default()).unwrap();
    assert_eq!((choice.spec.codec, choice.spec.scan), (Codec::H264, Scan::TopFirst));
    let by_request = EncodeRequest { codec: Some("hevc".into()), ..EncodeRequest::default() };
    let refused = choose_encoder(&info, Container::Mp4, &by_request).unwrap_err().to_string();
    assert!(refused.contains("--accept-loss field-order"), "{refused}");

    // Interlaced 4:2:0 of H.264 needs rows in fours; what cannot keep its fields goes to a codec that can.
    let mut info = source("h264", "yuv420p", 64, 62);
    info.streams[0].video.as_mut().unwrap().scan = Scan::TopFirst;
    let choice = choose_encoder(&info, Container::Mkv, &EncodeRequest::default()).unwrap();
    assert_eq!(choice.spec.codec, Codec::Ffv1);
}

#[test]
fn what_makes_no_sense_is_refused_with_what_does() {
    let info = source("h264", "yuv420p", 64, 64);
    let ask = |change: &dyn Fn(&mut EncodeRequest), container| {
        let mut request = EncodeRequest::default();
        change(&mut request);
        let error = choose_encoder(&info, container, &request).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        error.to_string()
    };
    assert!(ask(&|r| r.codec = Some("libfoo".into()), Container::Mp4).contains("hevc"));
    assert!(ask(&|r| r.codec = Some("ffv1".into()), Container::Mp4).contains("Matroska"));
    assert!(ask(&|r| r.pix_fmt = Some("nv12".into()), Container::Mp4).contains("nv12"));
    let lossless = |r: &mut EncodeRequest| (r.codec, r.crf) = (Some("ffv1".into()), Some(18.0));
    assert!(ask(&lossless, Container::Mkv).contains("--crf"));
}

#[test]
fn an_unknown_option_is_an_error_and_a_known_one_reaches_the_encoder() {
    use cleanplate_media::{Encoder, StaticSideData};
    let info = source("h264", "yuv420p", 64, 64);
    let opened = |options: &[(&str, &str)]| {
        let options = options.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let request = EncodeRequest { options, ..EncodeRequest::default() };
        let spec = choose_encoder(&info, Container::Mkv, &request).unwrap().spec;
        Encoder::open(&spec, &StaticSideData::default()).map(|_| spec)
    };
    let error = opened(&[("no-such-option", "1")]).unwrap_err().to_string();
    assert!(error.contains("no-such-option"), "{error}");
    let spec = opened(&[("tune", "grain"), ("crf", "23"), ("x264-params", "keyint=30")]).unwrap();
    let value = |key: &str| spec.options.iter().filter(|(k, _)| k == key).map(|(_, v)| v.as_str()).collect::<Vec<_>>();
    assert_eq!(value("crf"), ["23"]);
    assert_eq!(value("x264-params"), ["cpu-independent=1:keyint=30"], "determinism is not lost to the user's own");
}

#[test]
fn stream_headers_state_a_rate_that_can_be_true() {
    let rate = |codec: &str, stated: (i32, i32), packets: u64| {
        let mut info = source(codec, "yuv420p", 64, 64);
        let stream = &mut info.streams[0];
        (stream.packets, stream.start, stream.end) = (packets, Some(12800), Some(12800 * 11));
        stream.video.as_mut().unwrap().frame_rate = Rational::new(stated.0, stated.1);
        let spec = choose_encoder(&info, Container::Mkv, &EncodeRequest::default()).unwrap().spec;
        spec.frame_rate.value()
    };
    assert_eq!(rate("h264", (30000, 1001), 17), 30000.0 / 1001.0);
    assert_eq!(rate("h264", (1, 2), 5), 0.5);
    assert_eq!(rate("h264", (1000, 1), 480), 48.0, "480 packets in 10 s");
    assert_eq!(rate("h264", (0, 0), 0), 25.0);
    assert_eq!(rate("mpeg2video", (15, 1), 150), 24000.0 / 1001.0, "the nearest that MPEG-2 knows");
}

#[test]
fn a_spec_survives_its_stored_form() {
    let info = source("hevc", "yuv420p10le", 64, 64);
    let mut request = EncodeRequest::default();
    request.accept_loss.extend(["alpha".to_owned(), "chapters".to_owned()]);
    let choice = choose_encoder(&info, Container::Mkv, &request).unwrap();
    let json = serde_json::to_string(&choice).unwrap();
    assert_eq!(serde_json::from_str::<Choice>(&json).unwrap(), choice);
}

const CONTAINERS: [(Container, &str); 9] = [
    (Container::Mp4, "MP4"),
    (Container::Mov, "MOV"),
    (Container::Mkv, "MKV"),
    (Container::Webm, "WebM"),
    (Container::Ts, "TS"),
    (Container::Mpg, "MPG"),
    (Container::Avi, "AVI"),
    (Container::Flv, "FLV"),
    (Container::Ogg, "Ogg"),
];

const FORMATS: [&str; 23] = [
    "yuv420p",
    "yuv420p10le",
    "yuv420p12le",
    "yuv422p",
    "yuv422p10le",
    "yuv422p12le",
    "yuv444p",
    "yuv444p10le",
    "yuv444p12le",
    "yuv440p",
    "yuv411p",
    "gray",
    "gray10le",
    "gray12le",
    "gbrp",
    "gbrp10le",
    "gbrp12le",
    "gbrp16le",
    "yuva420p",
    "yuva444p10le",
    "yuva444p12le",
    "gbrap",
    "gbrap12le",
];

/// Source codecs that fare alike.
const SOURCES: [(&str, &str); 8] = [
    ("h264", "H.264"),
    ("hevc", "HEVC"),
    ("av1", "AV1, VP8, VP9 (for VP8 and VP9 \"AV1\" is the substitute)"),
    ("mpeg2video", "MPEG-2, MPEG-1 (for MPEG-1 \"MPEG-2\" is the substitute)"),
    ("prores", "ProRes, DNxHD and DNxHR, CineForm (for the latter \"ProRes\" is the substitute)"),
    (
        "ffv1",
        "FFV1 and other lossless codecs: PNG, HuffYUV, Ut Video, MagicYUV, raw video ... (\"FFV1\" is the substitute)",
    ),
    ("mpeg4", "MPEG-4 part 2, MJPEG, Theora, VC-1, H.263, DV and every other lossy codec"),
    (
        "h264 interlaced",
        "Interlaced sources: H.264 and all but HEVC, MPEG-2 and ProRes, which keep their codec in 4:2:0 or 4:2:2",
    ),
];

fn cell(codec: &str, pix_fmt: &str, scan: Scan, container: Container) -> String {
    let mut info = source(codec, pix_fmt, 64, 64);
    info.streams[0].video.as_mut().unwrap().scan = scan;
    let written = |choice: &Choice| {
        let name = choice.spec.codec.title();
        let coded = match choice.spec.pix_fmt.as_str() {
            "bgr0" => "gbrp",
            "bgra" => "gbrap",
            other => other,
        };
        if coded == pix_fmt { name.to_owned() } else { format!("{name} {}", coded.trim_end_matches("le")) }
    };
    match choose_encoder(&info, container, &EncodeRequest::default()) {
        Ok(choice) => written(&choice),
        Err(_) => {
            let accept_loss = Loss::ALL.iter().map(|l| l.name().to_owned()).collect();
            let all = EncodeRequest { accept_loss, ..EncodeRequest::default() };
            match choose_encoder(&info, container, &all) {
                Ok(choice) => {
                    let losses: Vec<&str> = choice.spec.losses.iter().map(|l| l.name()).collect();
                    format!("*{}*: {}", losses.join(", "), written(&choice))
                }
                Err(_) => "-".into(),
            }
        }
    }
}

fn tables() -> String {
    let mut text = String::new();
    for (key, title) in SOURCES {
        let (codec, scan) = match key.split_once(' ') {
            Some((codec, _)) => (codec, Scan::TopFirst),
            None => (key, Scan::Progressive),
        };
        writeln!(text, "\n### {title}\n\n| samples |{}", CONTAINERS.map(|c| format!(" {} |", c.1)).concat()).unwrap();
        writeln!(text, "|---|{}", "---|".repeat(CONTAINERS.len())).unwrap();
        let mut rows: Vec<(Vec<&str>, String)> = Vec::new();
        for pix_fmt in FORMATS {
            let cells = CONTAINERS.map(|c| format!(" {} |", cell(codec, pix_fmt, scan, c.0))).concat();
            let short = pix_fmt.trim_end_matches("le");
            match rows.iter_mut().find(|row| row.1 == cells) {
                Some(row) => row.0.push(short),
                None => rows.push((vec![short], cells)),
            }
        }
        rows.iter().for_each(|(formats, cells)| writeln!(text, "| {} |{cells}", formats.join(", ")).unwrap());
    }
    text
}

#[test]
fn the_table_in_the_documentation_is_what_is_done() {
    const MARKS: [&str; 2] = ["<!-- tables: written by the test `choose` -->\n", "<!-- end of tables -->\n"];
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/formats.md");
    let document = std::fs::read_to_string(&path).unwrap();
    let (head, rest) = document.split_once(MARKS[0]).unwrap();
    let (tables_there, tail) = rest.split_once(MARKS[1]).unwrap();
    let tables = format!("{}\n", tables());
    if std::env::var_os("CLEANPLATE_BLESS").is_some() {
        std::fs::write(&path, [head, MARKS[0], &tables, MARKS[1], tail].concat()).unwrap();
    } else {
        assert!(tables_there == tables, "docs/formats.md is out of date: run this test with CLEANPLATE_BLESS=1");
    }
}
