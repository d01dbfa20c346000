//! `cleanplate bench` on clips as small as a mark can be found in.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests

mod common;

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use common::Dir;
use serde_json::Value;

/// Small enough for a debug build, large enough for a logo to be found.
const SMALL: &str = "bench --size 320x240 --frames 24 --preset ultrafast --device cpu";

/// The binary with an own folder for temporary files, in `dir`.
fn command(dir: &Dir, line: &str) -> Command {
    let mut command = dir.command();
    fs::create_dir_all(dir.path("tmp")).unwrap();
    command.env("TMPDIR", dir.path("tmp")).args(line.split(' '));
    command
}

#[test]
fn every_job_is_measured_beside_a_transcode_and_written_as_asked() {
    let dir = Dir::new();
    let ran = command(&dir, &format!("{SMALL} --json -o bench.svg -o bench.png -o bench.json")).output().unwrap();
    let err = String::from_utf8_lossy(&ran.stderr);
    assert_eq!(ran.status.code(), Some(0), "{err}");
    let found: Value = serde_json::from_slice(&ran.stdout).unwrap();
    assert_eq!(found["version"], 1);
    assert!(
        found["machine"]["cores"].as_u64().unwrap() > 0 && found["runtimes"] == serde_json::json!(["rten"]),
        "{found}"
    );
    let rows = found["rows"].as_array().unwrap();
    let jobs: Vec<&str> = rows.iter().map(|row| row["job"].as_str().unwrap()).collect();
    assert_eq!(jobs, ["remove", "captions", "upscale"]);
    for row in rows {
        let number = |at: &str| row.pointer(at).and_then(Value::as_f64).unwrap_or_else(|| panic!("{at} in {row}"));
        let near = |a: f64, b: f64| (a / b - 1.0).abs() < 1e-6;
        assert!(near(number("/fps"), number("/frames") / number("/seconds")), "{row}");
        assert!(near(number("/transcode/fps"), number("/frames") / number("/transcode/seconds")), "{row}");
        assert!(near(number("/times_transcode"), number("/seconds") / number("/transcode/seconds")), "{row}");
        // Of the processor, which others on this machine do not disturb.
        assert!(number("/times_transcode_cpu") > 1.0, "a job does all that a transcode does: {row}");
        let utilisation = number("/cpu/utilisation");
        assert!(utilisation > 0.0 && utilisation < 1.1, "{row}");
        assert_eq!((row["size"].as_str(), row["to"].to_string()), (Some("320x240"), "[320,240]".to_owned()));
        assert_eq!(row["encoder"], "libx264 preset ultrafast crf 18");
        let stages: Vec<&str> = row["stages"].as_array().unwrap().iter().map(|s| s["name"].as_str().unwrap()).collect();
        assert!(["decode", "restore", "encode", "check"].iter().all(|stage| stages.contains(stage)), "{row}");
        if row["job"] == "upscale" {
            assert!(
                row["from"] == serde_json::json!([160, 120]) && row["psnr"].is_null() && stages.contains(&"upscale"),
                "{row}"
            );
        } else {
            // What is removed comes nearer to the truth by far.
            assert!(number("/psnr/after_db") > number("/psnr/before_db") + 6.0, "{row}");
        }
    }
    let written = |name: &str| fs::read(dir.path(name)).unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&written("bench.json")).unwrap(), found);
    assert!(
        String::from_utf8(written("bench.svg")).unwrap().starts_with("<svg")
            && written("bench.png").starts_with(b"\x89PNG")
    );
    assert!(err.contains("bench: remove 320x240: drawing 24 frames"), "{err}");
    assert_eq!(fs::read_dir(dir.path("tmp")).unwrap().count(), 0, "clips are left behind");
}

#[test]
fn a_person_gets_a_table_with_what_others_publish_set_apart() {
    let dir = Dir::new();
    let ran = command(&dir, "bench --size 160x120 --job upscale --frames 8 --preset ultrafast").output().unwrap();
    let out = String::from_utf8_lossy(&ran.stdout);
    assert_eq!(ran.status.code(), Some(0), "{}", String::from_utf8_lossy(&ran.stderr));
    assert!(out.contains("\nupscale  160x120  80x60") && out.contains("not measured here"), "{out}");
}

#[test]
fn what_cannot_be_measured_or_written_is_told_before_anything_is() {
    let dir = Dir::new();
    fs::write(dir.path("there.svg"), "").unwrap();
    for (line, code, part) in [
        ("bench --size 8k", 2, "720p, 1080p, 4k"),
        ("bench --size 162x120", 2, "multiples of 4"),
        ("bench --frames 2", 2, "2"),
        ("bench --job clean", 2, "clean"),
        ("bench -o there.svg", 2, "-y"),
        ("bench -o bench.txt", 2, "neither"),
        ("bench -o a.svg -o a.svg", 2, "both"),
        ("bench -o nowhere/a.svg", 2, "does not exist"),
        ("bench --size 160x120 --frames 8 --job upscale --encoder h264_none", 2, "h264_none"),
        // Eight frames of it tell nobody what is a mark.
        ("bench --size 64x64 --frames 8 --job remove --preset ultrafast", 10, "--frames"),
    ] {
        let ran = command(&dir, line).output().unwrap();
        let err = String::from_utf8_lossy(&ran.stderr);
        assert_eq!(ran.status.code(), Some(code), "{line}: {err}");
        assert!(err.contains(part) && ran.stdout.is_empty(), "{line}: {err}");
        assert_eq!(fs::read_dir(dir.path("tmp")).unwrap().count(), 0, "{line}");
    }
}

#[test]
#[cfg(unix)]
fn an_interrupt_leaves_nothing_behind() {
    let dir = Dir::new();
    let mut running =
        command(&dir, "bench --size 720p --job captions").stderr(std::process::Stdio::null()).spawn().unwrap();
    let since = Instant::now();
    while fs::read_dir(dir.path("tmp")).unwrap().count() == 0 {
        assert!(since.elapsed() < Duration::from_secs(20), "nothing is being made");
        std::thread::sleep(Duration::from_millis(20));
    }
    let killed = Command::new("kill").args(["-INT", &running.id().to_string()]).status().unwrap();
    assert!(killed.success());
    assert_eq!(running.wait().unwrap().code(), Some(130));
    assert!(since.elapsed() < Duration::from_secs(40), "it went on to the end");
    assert_eq!(fs::read_dir(dir.path("tmp")).unwrap().count(), 0);
}
