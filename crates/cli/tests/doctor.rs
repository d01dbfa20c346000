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

/// A folder with a driver of CUDA that opens and computes nothing.
#[cfg(target_os = "linux")]
fn driver() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let built = std::process::Command::new("rustc")
        .args(["--edition", "2024", "--crate-type", "cdylib", "-C", "panic=abort", "-o"])
        .arg(folder.path().join("libcuda.so.1"))
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/cuda.rs"))
        .output()
        .expect("the compiler that built this test");
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    folder
}

#[cfg(target_os = "linux")]
#[test]
fn a_driver_without_its_video_libraries_costs_those_stages_alone_and_the_remedy_fits() {
    let (dir, driver) = (Dir::new(), driver());
    let run = |line: &str| {
        let mut command = dir.command();
        command.args(line.split(' ')).env("LD_LIBRARY_PATH", driver.path());
        Ran::from(command.output().unwrap()).exits(0)
    };
    let found = document(&run("doctor --json"));
    assert_eq!(found["is_healthy"], true);
    // The device opens; what it is needed for does not work.
    let missing = [("decode", "nvdec", "nvcuvid"), ("encode", "h264_nvenc", "libnvidia-encode")];
    for (stage, name, library) in missing {
        let candidates = found["candidates"].as_array().unwrap();
        let own = candidates.iter().find(|c| c["stage"] == stage && c["name"] == name).unwrap();
        let words = |key: &str| own[key].as_str().unwrap_or_default().to_owned();
        assert!(words("reason").contains(library), "{own}");
        assert!(words("remedy").contains("video capability"), "{own}");
    }
    dir.clip("in.mp4", "160x120", 12, "-c:v libx264 -pix_fmt yuv420p");
    let ran = run("remove in.mp4 -o out.mp4 --fill-region 10,10,20,20 --report report.json");
    for (stage, name, library) in missing {
        let line = format!("{stage}: {name} refused (");
        let found = ran.err.lines().find(|own| own.contains(&line)).unwrap_or_else(|| panic!("{}", ran.err));
        assert!(found.contains(library), "{found}");
    }
    let report: Value = serde_json::from_slice(&std::fs::read(dir.path("report.json")).unwrap()).unwrap();
    assert_eq!(report["encoder_settings"].as_str().map(|words| words.starts_with("libx264")), Some(true), "{report}");
}
