//! Networks through the binary: what they do, what is said about them, and the exit codes of what is refused.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests

mod common;

use common::{Dir, FAST};
use serde_json::Value;

fn network(name: &str) -> String {
    format!("{}/../infer/tests/data/{name}", env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn a_network_fills_and_the_log_and_report_say_what_ran_it() {
    let dir = Dir::new();
    dir.clip("in.mp4", "128x96", 6, FAST);
    let line = "remove in.mp4 -o out.mp4 --fill-region 8,8,24,12 --tiers fill --preset ultrafast --report r.json";
    let ran = dir.say(&format!("{line} --fill-model {}", network("inpainter_any.onnx"))).exits(0);
    assert!(ran.err.contains("fill model: inpainter_any.onnx (sha256 "), "{}", ran.err);
    let report: Value = serde_json::from_slice(&std::fs::read(dir.path("r.json")).unwrap()).unwrap();
    assert_eq!(report["origins"]["invented"], 6 * 24 * 12);
    // Where ONNX Runtime is not installed that is a refusal, and the report has it.
    let refused = report["refusals"].to_string();
    assert!(ran.err.contains(" on onnxruntime") || refused.contains("refused fill model on onnxruntime"), "{refused}");
}

#[test]
fn a_detector_that_sees_nothing_ends_with_exit_code_10() {
    let dir = Dir::new();
    dir.clip("in.mp4", "128x96", 6, "-vf format=gray -c:v libx264 -preset ultrafast -pix_fmt yuv420p");
    let ran = dir.say(&format!("remove in.mp4 -o out.mp4 --detector {}", network("detector_v8.onnx"))).exits(10);
    assert!(ran.err.contains("the detector saw 0 boxes on 6 frames"), "{}", ran.err);
    assert_eq!(dir.names(), ["in.mp4"]);
}

#[test]
fn a_text_detector_is_asked_and_named_also_by_the_environment() {
    let dir = Dir::new();
    dir.clip("in.mp4", "128x96", 6, "-vf format=gray,boxblur=20 -c:v libx264 -preset ultrafast -pix_fmt yuv420p");
    let line = format!("captions in.mp4 -o out.mp4 --text-model {}", network("text_any.onnx"));
    let ran = dir.say(&line).exits(10);
    assert!(ran.err.contains("text model: text_any.onnx (sha256 ") && ran.err.contains("map as large"), "{}", ran.err);
    let mut command = dir.command();
    command.args(["captions", "in.mp4", "-o", "out.mp4"]).env("CLEANPLATE_TEXT_MODEL", network("text_fixed.onnx"));
    let ran = common::Ran::from(command.output().unwrap()).exits(10);
    assert!(ran.err.contains("text model: text_fixed.onnx (sha256 "), "{}", ran.err);
    let ran = dir.say("captions in.mp4 -o out.mp4 --text-model det.pdparams").exits(2);
    assert!(ran.err.contains("paddle2onnx") && ran.err.contains("det.pdparams"), "{}", ran.err);
    dir.say("captions in.mp4 -o out.mp4 --text-model missing.onnx").exits(5);
    dir.say(&format!("captions in.mp4 -o out.mp4 --text-model {}", network("detector_v8.onnx"))).exits(2);
    assert_eq!(dir.names(), ["in.mp4"]);
}

#[test]
fn what_a_user_knows_of_a_network_that_enlarges_is_taken_and_nonsense_refused() {
    let dir = Dir::new();
    dir.clip("in.mp4", "64x48", 3, FAST);
    let line = format!("upscale in.mp4 -o out.mp4 --dry-run -n {}", network("upscaler_rgb.onnx"));
    let ran = dir.say(&format!("{line} --model-set order=bgr --model-set reach=9")).exits(0);
    assert!(ran.err.contains("blue, green, red") && ran.err.contains("looks 9 samples"), "{}", ran.err);
    for (set, why) in
        [("size=9", "known: channels"), ("factor=4", "3 times, not 4"), ("source=clean", "one set of weights")]
    {
        let ran = dir.say(&format!("{line} --model-set {set}")).exits(2);
        assert!(ran.err.contains(why), "{}", ran.err);
    }
    let ran = dir.say("upscale in.mp4 -o out.mp4 --dry-run --model-set source=clean").exits(0);
    assert!(ran.err.contains("fast-clean has weights for clean sources: as was said"), "{}", ran.err);
    dir.say("upscale in.mp4 -o out.mp4 --dry-run --model-set order=bgr").exits(2);
}

#[test]
fn a_file_of_captions_is_refused_before_anything_is_done() {
    let dir = Dir::new();
    dir.clip("in.mp4", "64x64", 3, FAST);
    std::fs::write(dir.path("found.srt"), "1").unwrap();
    for line in [
        "captions in.mp4 -o out.mp4",
        "remove in.mp4 -o out.mp4 --target all",
        "plan in.mp4 -o p.json --target captions",
    ] {
        let ran = dir.say(&format!("{line} --captions-out found.srt")).exits(2);
        assert!(ran.err.contains("found.srt exists"), "{}", ran.err);
        dir.say(&format!("{line} --captions-out found.vtt")).exits(2);
        dir.say(&format!("{line} -y --captions-out in.mp4")).exits(2);
    }
    dir.say("remove in.mp4 -o out.mp4 --captions-out other.srt").exits(2);
    assert_eq!(std::fs::read_to_string(dir.path("found.srt")).unwrap(), "1");
    assert_eq!(dir.names(), ["found.srt", "in.mp4"]);
}

#[test]
fn what_is_no_network_is_refused_by_its_kind() {
    let dir = Dir::new();
    dir.clip("in.mp4", "64x64", 3, FAST);
    std::fs::write(dir.path("best.pt"), b"PK\x03\x04").unwrap();
    for flag in ["--detector", "--fill-model"] {
        let line = format!("remove in.mp4 -o out.mp4 --fill-region 8,8,24,12 {flag}");
        let ran = dir.say(&format!("{line} best.pt")).exits(2);
        assert!(ran.err.contains("export") && ran.err.contains("best.pt"), "{}", ran.err);
        dir.say(&format!("{line} missing.onnx")).exits(5);
        let other = if flag == "--detector" { "inpainter_any.onnx" } else { "detector_v8.onnx" };
        dir.say(&format!("{line} {}", network(other))).exits(2);
    }
    assert_eq!(dir.names(), ["best.pt", "in.mp4"]);
}
