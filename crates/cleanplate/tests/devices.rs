//! What a job promises about hardware: a stage that fails is lost alone, with its reason, and the pixels are those of the substitute.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // also outside of test functions

mod common;

use std::path::{Path, PathBuf};

use cleanplate::{Error, ErrorKind, Job, Options, Repeats, Report, Silent, Target, UpscaleOptions, Wish, run};
use common::{coded, frames, samples};

/// 60 frames that move, with a key frame every 20.
fn clip(folder: &Path) -> PathBuf {
    coded(folder, "testsrc2=s=160x96:r=25:d=2.4", &["-g", "20"])
}

fn removed(input: &Path, output: &Path, faults: &[&str], encoder: Wish) -> Result<Report, Error> {
    let mut options =
        Options { fill_regions: vec!["10,10,24,16".parse().unwrap()], overwrite: true, ..Options::default() };
    options.encode.preset = Some("veryfast".to_owned());
    options.devices.encoder = encoder;
    options.devices.faults = faults.iter().map(|fault| fault.parse().unwrap()).collect();
    run(&Job { input: input.to_owned(), output: output.to_owned(), options }, &mut Silent)
}

/// No machine that tests this has them, or they would answer themselves.
const NO_OTHERS: [&str; 3] = ["encode:h264_nvenc:absent", "encode:h264_qsv:absent", "encode:h264_vaapi:absent"];

#[test]
fn an_encoder_that_is_absent_does_not_open_or_is_lost_costs_that_stage_only() {
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (clip(folder.path()), folder.path().join("out.mp4"));
    let report = removed(&input, &output, &[], Wish::Software).unwrap();
    assert!(
        !report.refusals.iter().any(|line| line.contains("encode"))
            && report.encoder_settings == "libx264 preset veryfast crf 18",
        "{report:?}"
    );
    let software = samples(&output);
    let standing = |fault: &'static str| vec!["encode:h264_nvenc:standin", "encode:h264_qsv:absent", fault];
    for (faults, reason) in [
        (NO_OTHERS.to_vec(), "h264_nvenc: it is not there"),
        (vec!["encode:h264_nvenc:open", "encode:h264_qsv:open"], "h264_qsv: it does not open"),
        (standing("encode:h264_nvenc:frame=0:oom"), "h264_nvenc: at frame 0: out of memory"),
        (standing("encode:h264_nvenc:frame=37:dies"), "h264_nvenc: at frame 37: the device is lost"),
        (standing("encode:h264_nvenc:frame=59:oom"), "h264_nvenc: at frame 59: out of memory"),
    ] {
        let report = removed(&input, &output, &faults, Wish::Auto).unwrap();
        assert!(report.refusals.iter().any(|line| line.contains(reason)), "{faults:?}: {:?}", report.refusals);
        assert_eq!(report.encoder_settings, "libx264 preset veryfast crf 18");
        assert!(report.checks.iter().all(|check| check.ok), "{:?}", report.checks);
        assert!(samples(&output) == software, "{faults:?}");
    }
}

#[test]
fn a_decoder_that_is_absent_does_not_open_or_is_lost_hands_over_to_software() {
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (clip(folder.path()), folder.path().join("out.mp4"));
    removed(&input, &output, &["decode:nvdec:absent", "decode:vaapi:absent"], Wish::Software).unwrap();
    let software = samples(&output);
    for (fault, reason) in [
        ("decode:nvdec:absent", "decode by nvdec: it is not there"),
        ("decode:nvdec:open", "decode by nvdec: it does not open"),
        // A loss within the frames of its trial is a refusal.
        ("decode:nvdec:frame=1:oom", "decode by nvdec: at frame 1: out of memory"),
        ("decode:nvdec:frame=21:dies", "decode by nvdec: at frame 21: the device is lost"),
        ("decode:nvdec:frame=59:oom", "decode by nvdec: at frame 59: out of memory"),
    ] {
        let faults = if reason.contains("at frame") { vec!["decode:nvdec:standin", fault] } else { vec![fault] };
        let report = removed(&input, &output, &faults, Wish::Software).unwrap();
        assert!(report.refusals.iter().any(|line| line.contains(reason)), "{fault}: {:?}", report.refusals);
        assert!(report.checks.iter().all(|check| check.ok) && report.damage.is_empty(), "{:?}", report.checks);
        assert!(samples(&output) == software, "{fault}");
    }
}

#[test]
fn several_decoders_at_once_and_the_loss_of_their_device_never_show() {
    let folder = tempfile::tempdir().unwrap();
    let input = coded(folder.path(), "testsrc2=s=160x96:r=25:d=24", &["-g", "50"]);
    let output = folder.path().join("out.mp4");
    let made = |decoders, faults: &[&str]| {
        let mut options = Options {
            fill_regions: vec!["10,10,24,16".parse().unwrap()],
            decoders: Some(decoders),
            queue_bytes: Some(1 << 20),
            overwrite: true,
            ..Options::default()
        };
        options.encode.preset = Some("ultrafast".to_owned());
        options.devices.faults = faults.iter().map(|fault| fault.parse().unwrap()).collect();
        let job = Job { input: input.clone(), output: output.clone(), options };
        let report = run(&job, &mut Silent).unwrap();
        assert!(report.segments.len() >= 3 && report.damage.is_empty(), "{} segments", report.segments.len());
        let decode = report.stages.iter().find(|stage| stage.name == "decode").unwrap().units;
        (std::fs::read(&output).unwrap(), decode, report.refusals)
    };
    let (wanted, decoded, _) = made(1, &["decode:nvdec:absent"]);
    for (decoders, faults) in [
        (2, &["decode:nvdec:standin"][..]),
        (3, &["decode:nvdec:absent"]),
        (9, &["decode:nvdec:standin", "decode:nvdec:frame=410:dies"]),
    ] {
        let (found, again, refusals) = made(decoders, faults);
        assert!(found == wanted, "{decoders} decoders, {faults:?}");
        assert_eq!(again, decoded, "no frame is decoded twice");
        let is_lost = refusals.iter().any(|line| line.contains("the device is lost"));
        assert_eq!(is_lost, faults.len() > 1, "{refusals:?}");
    }
}

#[test]
fn hardware_that_passes_its_trial_is_used_and_named() {
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (clip(folder.path()), folder.path().join("out.mp4"));
    for wish in [Wish::Auto, Wish::Hardware, Wish::Named("h264_nvenc".to_owned())] {
        let report = removed(&input, &output, &["encode:h264_nvenc:standin"], wish).unwrap();
        assert_eq!(report.encoder_settings, "h264_nvenc preset veryfast crf 18");
        assert_eq!(frames(&output).len(), 60);
    }
}

#[test]
fn what_is_asked_for_and_refuses_is_an_error_and_writes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (clip(folder.path()), folder.path().join("out.mp4"));
    for wish in [Wish::Hardware, Wish::Named("h264_nvenc".to_owned())] {
        let error = removed(&input, &output, &NO_OTHERS, wish).unwrap_err();
        assert!(error.kind() == ErrorKind::Backend && error.to_string().contains("it is not there"), "{error}");
    }
    // There is nothing to take its place.
    let lost = ["encode:h264_nvenc:standin", "encode:h264_nvenc:frame=5:oom"];
    let error = removed(&input, &output, &lost, Wish::Named("h264_nvenc".to_owned())).unwrap_err();
    assert!(error.kind() == ErrorKind::Backend && error.to_string().contains("out of memory"), "{error}");
    let error = removed(&input, &output, &[], Wish::Named("hevc_nvenc".to_owned())).unwrap_err();
    assert!(error.kind() == ErrorKind::Usage && error.to_string().contains("known: h264_nvenc"), "{error}");
    assert!(!output.exists());
}

fn enlarged(input: &Path, output: &Path, faults: &[&str]) -> Report {
    let upscale = UpscaleOptions { repeats: Repeats::Off, ..UpscaleOptions::default() };
    let mut options =
        Options { target: Target::Nothing, upscale: Some(upscale), overwrite: true, ..Options::default() };
    (options.encode.codec, options.fill_batch) = (Some("ffv1".to_owned()), Some(4));
    options.devices.faults = faults.iter().map(|fault| fault.parse().unwrap()).collect();
    run(&Job { input: input.to_owned(), output: output.to_owned(), options }, &mut Silent).unwrap()
}

#[test]
fn a_network_whose_runtime_fails_goes_on_elsewhere_with_the_same_pixels() {
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (clip(folder.path()), folder.path().join("out.mkv"));
    enlarged(&input, &output, &[]);
    let wanted = samples(&output);
    for (fault, reason) in [
        ("net:onnxruntime:absent", None),
        ("net:onnxruntime:open", None),
        ("net:onnxruntime:run=1:dies", Some("onnxruntime: the device is lost")),
        ("net:onnxruntime:run=9:dies", Some("onnxruntime: the device is lost")),
        ("net:onnxruntime:run=3:oom", Some("4 at once: out of memory")),
    ] {
        let report = enlarged(&input, &output, &["net:onnxruntime:standin", fault]);
        let is_told = |reason: &str| report.refusals.iter().any(|line| line.contains(reason));
        assert!(reason.is_none_or(is_told), "{fault}: {:?}", report.refusals);
        assert!(report.checks.iter().all(|check| check.ok), "{:?}", report.checks);
        assert!(samples(&output) == wanted, "{fault}");
    }
}

#[test]
fn a_runtime_that_fails_among_images_is_in_their_report() {
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (folder.path().join("in"), folder.path().join("out"));
    std::fs::create_dir(&input).unwrap();
    for n in 0..2u8 {
        let picture = image::RgbImage::from_fn(40, 24, |x, y| image::Rgb([x as u8 * 5, y as u8 * 9, n * 80]));
        picture.save(input.join(format!("{n}.png"))).unwrap();
    }
    let mut options = Options {
        target: Target::Nothing,
        upscale: Some(UpscaleOptions::default()),
        overwrite: true,
        ..Options::default()
    };
    let faults = ["net:onnxruntime:standin", "net:onnxruntime:run=2:dies"];
    options.devices.faults = faults.iter().map(|fault| fault.parse().unwrap()).collect();
    let report = run(&Job { input, output: output.clone(), options }, &mut Silent).unwrap();
    assert!(report.refusals.iter().any(|line| line.contains("the device is lost")), "{:?}", report.refusals);
    assert_eq!(std::fs::read_dir(&output).unwrap().count(), 2);
}
