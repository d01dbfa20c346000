//! What a job says of its stages: a line when one starts, with what runs it, one when it ends, and all of it in the report.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // also outside of test functions

mod common;

use std::path::Path;

use cleanplate::{Job, Options, Repeats, Report, UpscaleOptions, Wish, run};
use common::{Heard, coded};

/// 30 frames, restored around a hole that is wide enough for the network, and enlarged.
fn done(folder: &Path) -> (Report, Vec<String>) {
    let input = coded(folder, "testsrc2=s=160x96:r=25:d=1.2", &["-g", "30"]);
    let upscale = UpscaleOptions { repeats: Repeats::Off, ..UpscaleOptions::default() };
    let mut options = Options {
        fill_regions: vec!["10,10,60,40".parse().unwrap()],
        upscale: Some(upscale),
        decoder_threads: Some(2),
        ..Options::default()
    };
    options.encode.preset = Some("veryfast".to_owned());
    (options.encode.threads, options.devices.encoder, options.devices.decoder) =
        (Some(2), Wish::Software, Wish::Software);
    let mut heard = Heard::default();
    let report = run(&Job { input, output: folder.join("out.mp4"), options }, &mut heard).unwrap();
    (report, heard.lines)
}

#[test]
fn every_stage_says_once_what_runs_it_and_once_what_it_did() {
    let folder = tempfile::tempdir().unwrap();
    let (report, lines) = done(folder.path());
    for (name, runs_on, units) in [
        ("decode", "software, 2 threads", "30 frames in "),
        ("restore", "unblend, borrow, fill", "30 frames in "),
        ("net fill", "rten", " inputs in "),
        ("net fast-coded", "rten", "60 inputs in "),
        ("upscale", "fast-coded to 320x192", "30 frames in "),
        ("encode", "libx264 preset veryfast crf 18, 2 threads", "30 frames in "),
        ("check", "every encoded frame is decoded again", "30 frames in "),
        ("mux", "mp4, 1 segment and 0 other streams", "30 frames in "),
    ] {
        let start = format!("{name}: {runs_on}");
        let starts: Vec<usize> = (0..lines.len()).filter(|n| lines[*n] == start).collect();
        let is_end = |line: &str| {
            let rest = line.strip_prefix(&format!("{name}: ")).unwrap_or_default();
            rest.contains(units) && (rest.ends_with(" fps)") || rest.ends_with(" a second) on rten"))
        };
        let ends: Vec<usize> = (0..lines.len()).filter(|n| is_end(&lines[*n])).collect();
        let is_so = matches!((&starts[..], &ends[..]), ([start], [end]) if start < end);
        assert!(is_so, "{name}: {starts:?} {ends:?} of {lines:#?}");
        let stages: Vec<_> = report.stages.iter().filter(|stage| stage.name == name).collect();
        let [stage] = &stages[..] else { panic!("{name}: {:?}", report.stages) };
        assert!(stage.runs_on == runs_on && stage.units > 0 && stage.seconds > 0.0, "{stage:?}");
        assert!((stage.rate - stage.units as f64 / stage.seconds).abs() < 1e-6 * stage.rate, "{stage:?}");
    }
}
