//! Users' networks in whole jobs: stand-ins whose answers are known, on clips made by the ffmpeg program.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // also outside of test functions

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::Command;

use cleanplate::{DetectOptions, Error, Job, Options, Plan, Report, Silent, Tier, run};
use cleanplate_core::{Frame, Row};
use cleanplate_media::{OpenOptions, Source};

fn network(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../infer/tests/data").join(name)
}

/// A gray, grainy clip of 80 frames with a magenta mark that drifts over frames 12 to 63.
fn marked(folder: &Path) -> PathBuf {
    let output = folder.join("in.mkv");
    let graph = "color=0x707070:s=320x180:r=25:d=3.2,noise=alls=6:allf=t:all_seed=5[b];color=magenta:s=60x24:r=25:d=3.2[m];\
                 [b][m]overlay=x=20+3*n:y=60:enable='between(n,12,63)',format=yuv420p";
    let done = Command::new("ffmpeg")
        .args(["-v", "error", "-y", "-nostdin", "-filter_complex", graph, "-c:v", "ffv1"])
        .arg(&output)
        .status();
    assert!(done.unwrap().success());
    output
}

fn frames(path: &Path) -> Vec<Frame> {
    let source = Source::open(path, &OpenOptions::default(), &mut |_, _| ControlFlow::Continue(())).unwrap();
    let mut reader = source.reader(1).unwrap();
    std::iter::from_fn(|| reader.read().unwrap()).collect()
}

/// Chroma samples that are plainly magenta.
fn magenta(frame: &Frame) -> usize {
    let rows = 0..frame.height / 2;
    let high = |plane, y| match frame.row(plane, y) {
        Row::U8(row) => row.iter().map(|s| *s > 150).collect::<Vec<_>>(),
        Row::U16(_) => panic!("8 bits were asked for"),
    };
    rows.map(|y| high(1, y).iter().zip(high(2, y)).filter(|(u, v)| **u && *v).count()).sum()
}

fn clean(folder: &Path, options: Options) -> (Result<Report, Error>, PathBuf) {
    let output = folder.join("out.mkv");
    let input = folder.join("in.mkv");
    let tiers = if options.plan_in.is_some() { Tier::ALL.into() } else { BTreeSet::from([Tier::Fill]) };
    let options = Options { tiers, overwrite: true, ..options };
    (run(&Job { input, output: output.clone(), options }, &mut Silent), output)
}

fn detecting(name: &str) -> Options {
    Options { detect: DetectOptions { network: Some(network(name)), ..DetectOptions::default() }, ..Options::default() }
}

#[test]
fn a_moving_mark_that_a_detector_finds_is_gone_from_every_frame() {
    let folder = tempfile::tempdir().unwrap();
    let input = marked(folder.path());
    let before = frames(&input);
    assert!(before[30].idx == 30 && magenta(&before[30]) > 300 && magenta(&before[5]) == 0);
    for (name, every) in [("detector_v8.onnx", 1), ("detector_yolox.onnx", 3)] {
        let mut options = detecting(name);
        options.detect.every = every;
        let (report, output) = clean(folder.path(), options);
        let report = report.unwrap();
        assert_eq!(report.marks.len(), 1, "{name}: {:?}", report.marks);
        let mark = &report.marks[0];
        assert_eq!(mark.from, "detected");
        assert!(mark.start <= 12 && mark.end >= 64 && mark.end - mark.start <= 52 + 2 * 18, "{mark:?}");
        let after = frames(&output);
        let left: Vec<u64> = after.iter().filter(|frame| magenta(frame) > 0).map(|frame| frame.idx).collect();
        assert!(left.is_empty(), "{name} every {every}: {left:?}");
    }
}

#[test]
fn a_detector_sees_the_picture_as_it_is_displayed() {
    let folder = tempfile::tempdir().unwrap();
    let input = marked(folder.path());
    let turned = folder.path().join("turned.mp4");
    let make = |args: &[&str]| {
        assert!(Command::new("ffmpeg").args(["-v", "error", "-y"]).args(args).status().unwrap().success());
    };
    let coded = folder.path().join("coded.mp4");
    let [input, coded, turned] = [&input, &coded, &turned].map(|path| path.to_str().unwrap());
    make(&["-i", input, "-c:v", "libx264", "-qp", "4", "-pix_fmt", "yuv420p", coded]);
    make(&["-i", coded, "-c", "copy", "-metadata:s:v", "rotate=90", turned]);
    let (job_in, output) = (folder.path().join("turned.mp4"), folder.path().join("out.mp4"));
    let options = Options { tiers: BTreeSet::from([Tier::Fill]), ..detecting("detector_v5.onnx") };
    let report = run(&Job { input: job_in, output: output.clone(), options }, &mut Silent).unwrap();
    assert!(
        report.marks[0].rect.w < report.marks[0].rect.h,
        "it drifts downwards as shown: {:?}",
        report.marks[0].rect
    );
    assert!(frames(&output).iter().all(|frame| magenta(frame) == 0));
}

#[test]
fn what_a_detector_does_not_see_is_not_touched() {
    let folder = tempfile::tempdir().unwrap();
    marked(folder.path());
    let mut options = detecting("detector_nms.onnx");
    options.regions = vec!["bottom".parse().unwrap()];
    let (nothing, output) = clean(folder.path(), options);
    assert!(matches!(nothing, Err(Error::NothingFound(_))), "the mark is not at the bottom");
    assert!(!output.exists());
}

#[test]
fn a_network_that_cannot_be_used_ends_the_job_with_its_name_and_reason() {
    let folder = tempfile::tempdir().unwrap();
    marked(folder.path());
    let checkpoint = folder.path().join("best.pt");
    std::fs::write(&checkpoint, b"PK\x03\x04").unwrap();
    let options = |network: &Path| Options {
        detect: DetectOptions { network: Some(network.to_owned()), ..DetectOptions::default() },
        ..Options::default()
    };
    let refused = |network: &Path| clean(folder.path(), options(network)).0.unwrap_err();
    let error = refused(&checkpoint);
    assert!(matches!(error, Error::Usage(_)) && error.to_string().contains("format=onnx"), "{error}");
    let error = refused(&folder.path().join("none.onnx"));
    assert!(matches!(error, Error::Io { .. }) && error.to_string().contains("none.onnx"), "{error}");
}

/// Options that fill a rectangle by a network.
fn filling(name: &str) -> Options {
    let regions = vec!["100,60,48,32".parse().unwrap()];
    // Before the mark comes near.
    let only = Some("f0-f12".parse().unwrap());
    Options { fill_regions: regions, fill_model: Some(network(name)), only, ..Options::default() }
}

/// Mean of luma in the filled rectangle of the first frame, and mean difference from frame to frame in it.
fn luma(frames: &[Frame]) -> (f32, f32) {
    let sample = |frame: &Frame, x: usize, y: u32| match frame.row(0, y) {
        Row::U8(row) => f32::from(row[x]),
        Row::U16(_) => panic!("8 bits were asked for"),
    };
    let inside = || (60..92).flat_map(|y| (100..148).map(move |x| (x, y)));
    let n = inside().count() as f32;
    let mean = inside().map(|(x, y)| sample(&frames[0], x, y)).sum::<f32>() / n;
    let moved = |a, b| inside().map(|(x, y)| (sample(a, x, y) - sample(b, x, y)).abs()).sum::<f32>() / n;
    let flicker = frames.windows(2).map(|pair| moved(&pair[0], &pair[1])).sum::<f32>() / (frames.len() - 1) as f32;
    (mean, flicker)
}

#[test]
fn a_network_fills_the_hole_and_nothing_else_without_flicker() {
    let folder = tempfile::tempdir().unwrap();
    let before = frames(&marked(folder.path()));
    for name in ["inpainter_any.onnx", "inpainter_fixed.onnx"] {
        let mut options = filling(name);
        options.encode.codec = Some("ffv1".to_owned());
        let (report, output) = clean(folder.path(), options);
        let report = report.unwrap();
        assert_eq!(report.origins.invented, 12 * 48 * 32, "{name}");
        let after = frames(&output);
        let mut changed = 0;
        for (a, b) in before.iter().zip(&after) {
            for (plane, (left, top, right, bottom)) in
                [(0, (100, 60, 148, 92)), (1, (50, 30, 74, 46)), (2, (50, 30, 74, 46))]
            {
                for y in 0..if plane == 0 { 180 } else { 90 } {
                    let (Row::U8(a), Row::U8(b)) = (a.row(plane, y), b.row(plane, y)) else { panic!("8 bits") };
                    let outside = |x: &usize| !(top..bottom).contains(&y) || !(left..right).contains(x);
                    changed += (0..a.len()).filter(outside).filter(|x| a[*x] != b[*x]).count();
                }
            }
        }
        assert_eq!(changed, 0, "{name}: samples outside of the hole");
        let (mean, flicker) = luma(&after[..12]);
        let (truth, grain) = luma(&before[..12]);
        assert!((mean - truth).abs() < 3.0, "{name}: {mean} {truth}");
        assert!(flicker < 0.5 * grain, "{name}: {flicker} of {grain}");
    }
}

#[test]
fn how_many_crops_go_together_does_not_show_in_the_fill() {
    let folder = tempfile::tempdir().unwrap();
    marked(folder.path());
    let filled = |fill_batch| {
        let mut options = Options { fill_batch: Some(fill_batch), ..filling("inpainter_any.onnx") };
        // Parts of the hole are borrowed first: the crops are those of single frames then.
        options.tiers = [Tier::Borrow, Tier::Fill].into();
        options.encode.codec = Some("ffv1".to_owned());
        let (report, output) = clean(folder.path(), options);
        (report.unwrap().origins, frames(&output))
    };
    let (origins, one) = filled(1);
    for batch in [5, 64] {
        let (same, many) = filled(batch);
        assert_eq!(origins, same, "{batch}");
        assert_eq!(one.len(), many.len());
        for (a, b) in one.iter().zip(&many) {
            let off = (60..92).flat_map(|y| {
                let (Row::U8(a), Row::U8(b)) = (a.row(0, y), b.row(0, y)) else { panic!("8 bits") };
                a.iter().zip(b).map(|(a, b)| a.abs_diff(*b)).collect::<Vec<_>>()
            });
            assert!(off.max() <= Some(1), "{batch}, frame {}", a.idx);
        }
    }
}

#[test]
fn a_plan_names_its_network_and_its_segments_do_not_show_in_the_fill() {
    let folder = tempfile::tempdir().unwrap();
    marked(folder.path());
    let plan = folder.path().join("plan.json");
    let own = folder.path().join("fill.onnx");
    std::fs::copy(network("inpainter_any.onnx"), &own).unwrap();
    let options =
        Options { fill_model: Some(own.clone()), plan_out: Some(plan.clone()), ..filling("inpainter_any.onnx") };
    let (report, output) = clean(folder.path(), options);
    report.unwrap();
    let first = std::fs::read(&output).unwrap();
    let again = Options { plan_in: Some(plan.clone()), ..Options::default() };
    clean(folder.path(), again.clone()).0.unwrap();
    assert_eq!(std::fs::read(&output).unwrap(), first, "the same plan and network give the same bytes");
    let whole = frames(&output);
    let mut cut = Plan::load(&plan).unwrap();
    cut.segments = vec![0..5, 5..7, 7..80];
    let edited = folder.path().join("cut.json");
    cut.save(&edited).unwrap();
    clean(folder.path(), Options { plan_in: Some(edited), ..Options::default() }).0.unwrap();
    for (a, b) in whole.iter().zip(frames(&output)) {
        let rows = (0..a.height).all(|y| matches!((a.row(0, y), b.row(0, y)), (Row::U8(a), Row::U8(b)) if a == b));
        assert!(rows, "segments show in frame {}", a.idx);
    }
    std::fs::copy(network("inpainter_fixed.onnx"), &own).unwrap();
    let error = clean(folder.path(), again.clone()).0.unwrap_err();
    assert!(error.to_string().contains("another one than the plan names"), "{error}");
    let moved = Options { fill_model: Some(network("inpainter_any.onnx")), ..again };
    clean(folder.path(), moved).0.unwrap();
    assert_eq!(std::fs::read(&output).unwrap(), first);
}
