//! `cleanplate doctor`, as it is and with faults.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests

mod common;

use common::{Dir, Ran};
use serde_json::Value;

fn document(ran: &Ran) -> Value {
    serde_json::from_str(&ran.out).unwrap()
}

#[test]
fn a_machine_without_graphics_is_healthy_and_every_reason_has_a_remedy() {
    let dir = Dir::new();
    let ran = dir.say("doctor --json").exits(0);
    let found = document(&ran);
    assert_eq!(found["is_healthy"], true);
    let candidates = found["candidates"].as_array().unwrap();
    for candidate in candidates {
        let is_there = candidate["available"] == true;
        assert_eq!(is_there, candidate["reason"].is_null(), "{candidate}");
        assert_eq!(is_there, candidate["remedy"].is_null(), "{candidate}");
        assert!(candidate["ms"].as_f64().unwrap() >= 0.0);
    }
    let there = |stage: &str, name: &str| {
        candidates.iter().any(|c| c["stage"] == stage && c["name"] == name && c["available"] == true)
    };
    assert!(there("encode", "libx264") && there("net", "rten") && there("net", "upscale quality-coded"), "{}", ran.out);
    let ran = dir.say("doctor").exits(0);
    let lines =
        ran.out.lines().filter(|line| ["OK  ", "no  ", "FAIL"].iter().any(|mark| line.starts_with(mark))).count();
    assert!(lines == candidates.len() && ran.out.contains("0 that are needed are not: healthy"), "{}", ran.out);
}

#[test]
fn what_is_needed_and_missing_is_told_by_the_exit_code() {
    let dir = Dir::new();
    for (fault, code, line) in [
        ("encode:libx264:absent", 6, "FAIL encode: libx264"),
        ("encode:libx265:open", 0, "no   encode: libx265"),
        ("encode:h264_nvenc:absent", 0, "no   encode: h264_nvenc"),
    ] {
        let ran = Ran::from(dir.command().arg("doctor").env("CLEANPLATE_FAULT", fault).output().unwrap()).exits(code);
        let found = ran.out.lines().find(|own| own.starts_with(line)).unwrap_or_else(|| panic!("{}", ran.out));
        assert!(found.contains("(rehearsed)"), "{found}");
    }
    let ran =
        Ran::from(dir.command().arg("doctor").env("CLEANPLATE_FAULT", "mux:mp4:absent").output().unwrap()).exits(2);
    assert!(ran.err.contains("mux:mp4:absent") && ran.err.contains("is no fault"), "{}", ran.err);
}
