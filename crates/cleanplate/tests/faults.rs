//! Every stage and every way to fail, rehearsed: where something else can take its place that stage alone is lost, with its reason in the
//! report and the pixels of a run on the processor; where nothing can, the job ends with an error that names the stage, leaves the output as
//! it was and no part of a new one, and goes on from its finished segments when it is run again.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // also outside of test functions

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use cleanplate::{
    Condition, Error, ErrorKind, Job, Observer, Options, Repeats, Report, Silent, Target, UpscaleOptions, Wish, plan,
    run,
};
use common::{Heard, captioned, coded, samples};

/// Frames of the clip, which has a segment every 20.
const FRAMES: u64 = 60;

/// Two frames a second, since a segment may last for 12 seconds, and a key frame every 20.
fn clip(folder: &Path) -> PathBuf {
    coded(folder, "testsrc2=s=96x64:r=2:d=30", &["-g", "20", "-keyint_min", "20", "-sc_threshold", "0"])
}

/// A job that restores a hole and codes without loss. With `nets` the hole is wide enough for the network that fills, and another one
/// enlarges the picture, which takes most of the time.
fn options(nets: bool) -> Options {
    let condition = Some(Condition::Coded);
    let upscale = UpscaleOptions { repeats: Repeats::Off, condition, ..UpscaleOptions::default() };
    let hole = if nets { "8,8,30,30" } else { "8,8,24,12" };
    let mut options = Options {
        fill_regions: vec![hole.parse().unwrap()],
        upscale: nets.then_some(upscale),
        overwrite: true,
        ..Options::default()
    };
    options.encode.codec = Some("ffv1".to_owned());
    (options.devices.decoder, options.devices.encoder) = (Wish::Software, Wish::Software);
    options
}

fn with(faults: &[&str], mut options: Options) -> Options {
    options.devices.faults = faults.iter().map(|fault| fault.parse().unwrap()).collect();
    options
}

fn done(input: &Path, output: &Path, options: Options, observer: &mut dyn Observer) -> Result<Report, Error> {
    run(&Job { input: input.to_owned(), output: output.to_owned(), options }, observer)
}

/// Which candidates may be used, where the stage that fails is not the last one in its line.
fn on_hardware(stage: &str) -> Options {
    let mut options = options(stage.starts_with("net"));
    match stage {
        "decode" => options.devices.decoder = Wish::Auto,
        "encode" => {
            options.devices.encoder = Wish::Auto;
            // The codec that hardware writes, without loss.
            (options.encode.codec, options.encode.crf) = (Some("h264".to_owned()), Some(0.0));
            options.encode.preset = Some("ultrafast".to_owned());
        }
        _ => {}
    }
    options
}

#[test]
fn a_stage_that_fails_is_lost_alone_where_something_else_can_take_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (clip(folder.path()), folder.path().join("out.mkv"));
    let wanted = [false, true].map(|nets| {
        done(&input, &output, options(nets), &mut Silent).unwrap();
        samples(&output)
    });
    let (absent, opens) = ("it is not there (rehearsed)", "it does not open (rehearsed)");
    let (oom, dies) = ("out of memory (rehearsed)", "the device is lost (rehearsed)");
    // Stage, candidate as faults name it, its failures with what the report says of each, and what did the work in the end.
    let table = [
        (
            "decode",
            "decode:nvdec",
            [("absent", absent), ("open", opens), ("frame=37:oom", oom), ("frame=21:dies", dies)],
        ),
        (
            "encode",
            "encode:h264_nvenc",
            [("absent", absent), ("open", opens), ("frame=37:oom", oom), ("frame=59:dies", dies)],
        ),
        (
            "net fill",
            "net:fill/onnxruntime",
            [("absent", absent), ("open", opens), ("run=3:oom", oom), ("run=9:dies", dies)],
        ),
        (
            "net fast-coded",
            "net:fast-coded/onnxruntime",
            [("absent", absent), ("open", opens), ("run=3:oom", oom), ("run=9:dies", dies)],
        ),
    ];
    for (stage, candidate, failures) in table {
        for (how, reason) in failures {
            let stand_in = if stage.starts_with("net") { "net:onnxruntime" } else { candidate };
            let (stand_in, fault) = (format!("{stand_in}:standin"), format!("{candidate}:{how}"));
            let others = ["decode:vaapi:absent", "encode:h264_qsv:absent", "encode:h264_vaapi:absent"];
            let faults = [&others[..], &[&stand_in, &fault]].concat();
            let report = done(&input, &output, with(&faults, on_hardware(stage)), &mut Silent).unwrap();
            assert!(report.refusals.iter().any(|line| line.contains(reason)), "{fault}: {:?}", report.refusals);
            assert!(report.checks.iter().all(|check| check.ok) && report.damage.is_empty(), "{:?}", report.checks);
            assert!(samples(&output) == wanted[usize::from(stage.starts_with("net"))], "{fault}: other pixels");
            // Of the other networks none has left its runtime, and what runs them is in the report.
            let ran = |name: &str| -> Vec<&str> {
                report.stages.iter().filter(|own| own.name == name).map(|own| &*own.runs_on).collect()
            };
            for net in ["net fill", "net fast-coded"].into_iter().filter(|_| stage.starts_with("net")) {
                let wanted: &[&str] = match how {
                    _ if stage != net => &["onnxruntime"],
                    "absent" | "open" => &["rten"],
                    // A tile that does not fit is cut into smaller ones.
                    "run=3:oom" if net == "net fast-coded" => &["onnxruntime"],
                    // Another input that does not fit, alone, goes to the next runtime.
                    _ => &["onnxruntime", "rten"],
                };
                assert_eq!(ran(net), wanted, "{fault}: {net}");
            }
        }
    }
}

#[test]
fn a_text_network_that_loses_its_runtime_finds_the_same_captions() {
    let folder = tempfile::tempdir().unwrap();
    let input = captioned::clips(folder.path(), None).1;
    let found = |faults: &[&str]| {
        let Job { input, output, mut options } = captioned::job(&input, &folder.path().join("out.mkv"));
        options.tiers = "fill".split(',').map(|tier| tier.parse().unwrap()).collect();
        options.captions.every = 4;
        let planned = plan(&Job { input, output, options: with(faults, options) }, &mut Silent).unwrap();
        (serde_json::to_string(&planned.plan.marks).unwrap(), planned.plan.words)
    };
    let (wanted, _) = found(&[]);
    for (how, reason) in [
        ("absent", "it is not there (rehearsed)"),
        ("open", "it does not open (rehearsed)"),
        ("run=2:oom", "at once: out of memory (rehearsed)"),
        ("run=3:dies", "the device is lost (rehearsed)"),
    ] {
        let (marks, words) = found(&["net:onnxruntime:standin", &format!("net:text/onnxruntime:{how}")]);
        assert!(words.iter().any(|line| line.starts_with("refused") && line.contains(reason)), "{how}: {words:?}");
        assert!(marks == wanted && marks.contains("caption"), "{how}");
    }
}

#[test]
fn a_stage_that_nothing_can_replace_ends_the_job_and_leaves_all_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (clip(folder.path()), folder.path().join("out.mkv"));
    let wanted = [false, true].map(|nets| {
        done(&input, &output, options(nets), &mut Silent).unwrap();
        fs::read(&output).unwrap()
    });
    for (stage, candidate) in [
        ("decode", "software"),
        ("convert", "software"),
        ("upscale", "software"),
        ("encode", "ffv1"),
        ("check", "software"),
        ("mux", "software"),
    ] {
        for (how, at, reason) in [
            ("absent", None, "it is not there"),
            ("open", None, "it does not open"),
            ("frame=35:oom", Some(35), "out of memory"),
            ("frame=35:dies", Some(35), "the device is lost"),
            // Two frames after the end of a segment, whose last frames are restored from what follows them.
            ("frame=22:dies", Some(22), "the device is lost"),
        ] {
            if at == Some(22) && stage != "decode" {
                continue;
            }
            let (fault, nets) = (format!("{stage}:{candidate}:{how}"), stage == "upscale");
            fs::write(&output, "what was there").unwrap();
            let error = done(&input, &output, with(&[&fault], options(nets)), &mut Silent).unwrap_err();
            let words = error.to_string();
            assert!(
                error.kind() == ErrorKind::Backend && words.starts_with(stage) && words.contains(reason),
                "{words}"
            );
            assert!(at.is_none_or(|at| words.contains(&format!("frame {at}"))), "{words}");
            assert_eq!(fs::read(&output).unwrap(), b"what was there", "{fault}");
            assert!(unfinished(folder.path()).is_empty(), "{fault}: {:?}", unfinished(folder.path()));
            let report = done(&input, &output, options(nets), &mut Silent).unwrap();
            let resumed = report.segments.iter().filter(|segment| segment.resumed).count();
            let kept = match (stage, at) {
                ("mux", _) => 3,
                ("decode", Some(22)) => 0,
                (_, Some(_)) => 1,
                (_, None) => 0,
            };
            assert_eq!((resumed, report.segments.len()), (kept, 3), "{fault}");
            assert!(
                fs::read(&output).unwrap() == wanted[usize::from(nets)],
                "{fault}: other bytes than those of an undisturbed run"
            );
        }
    }
}

/// Files of outputs and segments that are there in part.
fn unfinished(folder: &Path) -> Vec<PathBuf> {
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let is_part = |path: &PathBuf| ["part", "tmp"].iter().any(|end| path.to_string_lossy().ends_with(end));
    paths.flat_map(|path| if path.is_dir() { unfinished(&path) } else { vec![path] }).filter(is_part).collect()
}

#[test]
fn an_encoder_that_is_lost_costs_no_more_frames_than_it_had_coded() {
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (clip(folder.path()), folder.path().join("out.mp4"));
    for lost_at in [0, 7, 37, FRAMES - 1] {
        let fault = format!("encode:h264_nvenc:frame={lost_at}:dies");
        let faults = ["encode:h264_nvenc:standin", "encode:h264_qsv:absent", &fault];
        let mut options = Options { target: Target::Nothing, ..options(false) };
        // Nothing is looked at but the frame itself, and queues hold as little as they can: what is decoded ahead is bounded.
        options.tiers = "fill".split(',').map(|tier| tier.parse().unwrap()).collect();
        (options.encode.codec, options.queue_bytes, options.devices.encoder) = (None, Some(1), Wish::Auto);
        let mut heard = Heard::default();
        done(&input, &output, with(&faults, options), &mut heard).unwrap();
        let counts = |stage: &str| -> Vec<u64> {
            let rest = heard.lines.iter().filter_map(|line| line.strip_prefix(&format!("{stage}: ")));
            rest.filter_map(|rest| rest.split_once(" frames in ")?.0.parse().ok()).collect()
        };
        assert_eq!(counts("encode"), [lost_at, FRAMES], "{fault}");
        let decoded = counts("decode");
        let [first, second] = decoded[..] else { panic!("{decoded:?}") };
        // Four queues and stages of at most three frames lie between.
        assert!(first <= lost_at + 1 + 12 && second == FRAMES, "{fault}: {decoded:?}");
    }
}
