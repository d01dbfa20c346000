//! Whole jobs through the binary: exit codes, files, reports, events.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests

mod common;

use common::{Dir, FAST};
use serde_json::Value;

fn remove(dir: &Dir, extra: &str) -> common::Ran {
    dir.say(&format!("remove in.mp4 -o out.mp4 --fill-region 8,8,24,12 --preset ultrafast {extra}"))
}

#[test]
fn a_marked_clip_is_cleaned_and_the_report_says_what_was_done() {
    let dir = Dir::new();
    dir.clip("in.mp4", "128x96", 20, FAST);
    let ran = remove(&dir, "--report report.json --log-file job.log").exits(0);
    assert!(ran.out.is_empty(), "people's messages go to stderr: {}", ran.out);
    for part in
        ["out.mp4: ", "frames    20 | with a mark 20", "8,8 24x12, all frames, fill-region", "invented", "checks"]
    {
        assert!(ran.err.contains(part), "{part:?} in:\n{}", ran.err);
    }
    let log = std::fs::read_to_string(dir.path("job.log")).unwrap();
    let is_line = |line: &str| line.as_bytes().get(23..36) == Some(b" | INFO     |") || line.contains(" | WARNING  | ");
    assert!(log.lines().count() > 4 && log.lines().all(is_line), "{log}");
    let report: Value = serde_json::from_slice(&std::fs::read(dir.path("report.json")).unwrap()).unwrap();
    assert_eq!(report["frames_marked"], 20);
    assert_eq!(dir.names(), ["in.mp4", "job.log", "out.mp4", "report.json"], "no state is left after success");
}

#[test]
fn an_existing_output_is_refused_before_any_work_and_replaced_with_consent() {
    let dir = Dir::new();
    dir.clip("in.mp4", "64x64", 5, FAST);
    std::fs::write(dir.path("out.mp4"), "precious").unwrap();
    let ran = remove(&dir, "--json").exits(2);
    let phases = ran.events().iter().filter(|event| event["event"] == "phase").count();
    assert_eq!(phases, 0, "{}", ran.out);
    assert_eq!(std::fs::read(dir.path("out.mp4")).unwrap(), b"precious");
    remove(&dir, "-y").exits(0);
    assert_ne!(std::fs::read(dir.path("out.mp4")).unwrap(), b"precious");
}

#[test]
fn the_input_is_never_written_to_under_any_flag() {
    let dir = Dir::new();
    dir.clip("in.mp4", "64x64", 5, FAST);
    let before = std::fs::read(dir.path("in.mp4")).unwrap();
    for flag in ["--report", "--plan-out", "--origin-map", "--mask-out", "--log-file"] {
        remove(&dir, &format!("-y {flag} ./in.mp4")).exits(2);
    }
    dir.say("remove in.mp4 -o in.mp4 -y --region top").exits(2);
    dir.say("inspect in.mp4 -o in.mp4 -y --region top").exits(2);
    dir.say("plan in.mp4 -o in.mp4 -y --region top").exits(2);
    assert_eq!(std::fs::read(dir.path("in.mp4")).unwrap(), before);
    std::fs::write(dir.path("video.mkv"), "precious").unwrap();
    remove(&dir, "--report video.mkv").exits(2);
    remove(&dir, "--mask-out video.mkv").exits(2);
    remove(&dir, "--mask-out m.mkv --origin-map m.mkv").exits(2);
    assert_eq!(dir.names(), ["in.mp4", "video.mkv"]);
}

#[test]
fn an_unreadable_input_is_exit_code_3_and_leaves_nothing() {
    let dir = Dir::new();
    std::fs::write(dir.path("noise.mp4"), [0x5a; 4096]).unwrap();
    for line in ["remove noise.mp4 -o out.mp4 --region top", "probe noise.mp4", "plan noise.mp4 --json"] {
        let ran = dir.say(line).exits(3);
        assert!(ran.err.contains("noise.mp4"), "{line}: {}", ran.err);
    }
    assert_eq!(dir.names(), ["noise.mp4"]);
}

#[test]
fn json_events_are_lines_that_begin_with_start_and_end_with_done() {
    let dir = Dir::new();
    dir.clip("in.mp4", "128x96", 12, FAST);
    let events = remove(&dir, "--json --log-level error").exits(0).events();
    assert_eq!(events[0]["event"], "start");
    assert_eq!(events[0]["version"], 1);
    let last = events.last().unwrap();
    assert_eq!((&last["event"], &last["exit"]), (&"done".into(), &0.into()));
    assert_eq!(last["report"]["frames"], 12);
    let described = include_str!("../../../docs/json-events.md");
    for event in &events {
        let name = event["event"].as_str().unwrap();
        assert!(described.contains(&format!("| `{name}` |")), "{name} is not described");
        for field in event.as_object().unwrap().keys().filter(|field| *field != "event") {
            assert!(described.contains(&format!("`{field}`")), "{field} of {name} is not described");
        }
    }
    let error = dir.say("remove missing.mp4 -o x.mp4 --region top --json");
    let last = error.events().pop().unwrap();
    assert_eq!(last["event"], "error");
    assert_eq!(last["exit"].as_i64(), error.code.map(i64::from));
}

#[test]
fn probe_tells_streams_and_what_is_kept_as_text_and_as_one_document() {
    let dir = Dir::new();
    dir.clip(
        "in.mkv",
        "128x96",
        10,
        &format!("-f lavfi -i sine -shortest -t 0.4 -c:a flac {FAST} -metadata title=a\u{1b}[31m"),
    );
    let text = dir.say("probe in.mkv").exits(0).out;
    for part in ["video h264, 128x96", "audio flac", "10 frames", "kept:", "lost:    nothing"] {
        assert!(text.contains(part), "{part:?} in:\n{text}");
    }
    assert!(!text.contains('\u{1b}'), "metadata must not steer the terminal");
    let document: Value = serde_json::from_str(&dir.say("probe in.mkv --json").exits(0).out).unwrap();
    assert_eq!(document["source"]["streams"].as_array().unwrap().len(), 2);
    assert_eq!(document["frames"], 10);
}

#[test]
fn a_region_is_meant_as_a_rotated_clip_is_displayed() {
    let dir = Dir::new();
    dir.clip("flat.mp4", "128x64", 8, FAST);
    let ffmpeg = "-v error -y -display_rotation 90 -i flat.mp4 -c copy in.mp4";
    let turned =
        std::process::Command::new("ffmpeg").args(ffmpeg.split(' ')).current_dir(dir.path("")).output().unwrap();
    if !turned.status.success() {
        // ffmpeg before 6.0 has the older spelling.
        let ffmpeg = "-v error -y -i flat.mp4 -c copy -metadata:s:v:0 rotate=270 in.mp4";
        let ok =
            std::process::Command::new("ffmpeg").args(ffmpeg.split(' ')).current_dir(dir.path("")).status().unwrap();
        assert!(ok.success());
    }
    let probe: Value = serde_json::from_str(&dir.say("probe in.mp4 --json").exits(0).out).unwrap();
    let rotation = &probe["source"]["streams"][0]["video"]["rotation"][0];
    assert!(rotation == 90 || rotation == 270, "{rotation}");
    // The displayed picture is 64 x 128: what lies below row 64 is inside it only when it is turned.
    let job = |place: &str| {
        let line = format!("remove in.mp4 -o out.mp4 -y --fill-region {place} --preset ultrafast --json");
        let ran = dir.say(&line);
        let last = ran.events().pop().unwrap();
        (ran.code, last["report"]["marks"][0]["rect"].clone())
    };
    let (code, rect) = job("10,100,20,16");
    assert_eq!(code, Some(0));
    assert_eq!(rect, serde_json::json!({ "x": 10, "y": 100, "w": 20, "h": 16 }));
    let (code, _) = job("100,10,16,20");
    assert_ne!(code, Some(0), "outside of the displayed picture");
}

#[test]
fn names_with_dashes_spaces_quotes_and_cjk_work() {
    let dir = Dir::new();
    dir.clip("in.mp4", "64x64", 4, FAST);
    for name in ["-dash.mp4", "a b'c\"d.mp4", "片名 100%.mp4", "file:colon.mp4"] {
        std::fs::copy(dir.path("in.mp4"), dir.path(name)).unwrap();
        let out = format!("-out {name}");
        let output = format!("--output={out}");
        let ran = dir.run(["remove", "--fill-region", "8,8,24,12", "--preset", "ultrafast", &output, "--", name]);
        ran.exits(0);
        assert!(dir.path(&out).is_file(), "{out}");
    }
}

#[test]
fn a_folder_goes_on_after_a_broken_file_and_ends_with_its_code_and_a_table() {
    let dir = Dir::new();
    std::fs::create_dir(dir.path("in")).unwrap();
    dir.clip("in/a.mp4", "64x64", 4, FAST);
    std::fs::write(dir.path("in/b.mp4"), [0x5a; 4096]).unwrap();
    dir.clip("in/c.mkv", "64x64", 4, FAST);
    std::fs::write(dir.path("in/notes.txt"), "x").unwrap();
    let line = "remove in -o out --fill-region 8,8,24,12 --preset ultrafast --report reports --json";
    let ran = dir.say(line).exits(3);
    assert!(dir.path("out/a.mp4").is_file() && dir.path("out/c.mkv").is_file() && !dir.path("out/b.mp4").exists());
    assert!(dir.path("reports/c.mkv.json").is_file());
    let last = ran.events().pop().unwrap();
    let codes: Vec<_> = last["files"].as_array().unwrap().iter().map(|file| file["exit"].as_i64()).collect();
    assert_eq!(codes, [Some(0), Some(3), Some(0)]);
    let table: Vec<&str> = ran.err.lines().skip_while(|line| !line.starts_with("file ")).collect();
    assert_eq!(table.len(), 4, "{}", ran.err);
    let again = dir.say(line).exits(3);
    assert!(again.err.contains("was there already"), "{}", again.err);
    let text = dir.say("probe in").exits(3).out;
    assert!(text.contains("a.mp4: mp4") && text.contains("c.mkv: mkv"), "{text}");
}

#[test]
fn a_dry_run_tells_the_marks_and_writes_nothing() {
    let dir = Dir::new();
    dir.clip("in.mp4", "128x96", 6, FAST);
    let ran = dir.say("remove in.mp4 --dry-run --fill-region 8,8,24,12").exits(0);
    assert!(ran.err.contains("8,8 24x12") && ran.err.contains("dry run"), "{}", ran.err);
    assert_eq!(dir.names(), ["in.mp4"]);
}

#[test]
fn a_plan_is_written_and_run_without_a_second_look() {
    let dir = Dir::new();
    dir.clip("in.mp4", "128x96", 6, FAST);
    dir.say("plan in.mp4 -o plan.json --fill-region 8,8,24,12 --preset ultrafast").exits(0);
    dir.say("plan in.mp4 -o plan.json --fill-region 8,8,24,12").exits(2);
    let printed: Value = serde_json::from_str(&dir.say("plan in.mp4 --json --fill-region top").exits(0).out).unwrap();
    assert_eq!(printed["marks"].as_array().unwrap().len(), 1);
    let ran = dir.say("remove in.mp4 -o out.mp4 --plan-in plan.json --json").exits(0);
    assert_eq!(ran.events().pop().unwrap()["report"]["marks"][0]["rect"]["w"], 24);
}

#[test]
fn a_preview_and_an_inspection_are_pictures_beside_the_input_by_default() {
    let dir = Dir::new();
    dir.clip("in.mp4", "128x96", 6, FAST);
    dir.say("remove in.mp4 --preview --fill-region 8,8,24,12").exits(0);
    dir.say("inspect in.mp4 --fill-region 8,8,24,12").exits(0);
    dir.say("inspect in.mp4 --fill-region 8,8,24,12").exits(2);
    assert_eq!(dir.names(), ["in.inspect.png", "in.mp4", "in.preview.png"]);
    for name in ["in.inspect.png", "in.preview.png"] {
        assert_eq!(&std::fs::read(dir.path(name)).unwrap()[1..4], b"PNG", "{name}");
    }
}

#[test]
fn a_stage_that_fails_and_cannot_be_replaced_is_exit_code_6_and_leaves_the_output() {
    let dir = Dir::new();
    dir.clip("in.mp4", "64x64", 10, FAST);
    std::fs::write(dir.path("out.mp4"), "precious").unwrap();
    let args = ["remove", "in.mp4", "-o", "out.mp4", "-y", "--fill-region", "8,8,24,12", "--json"];
    let ran = dir.command().args(args).env("CLEANPLATE_FAULT", "mux:software:frame=4:dies").output().unwrap();
    let last: Value = serde_json::from_str(String::from_utf8(ran.stdout).unwrap().lines().last().unwrap()).unwrap();
    assert_eq!((ran.status.code(), &last["kind"]), (Some(6), &"backend".into()), "{last}");
    assert!(last["message"].as_str().unwrap().starts_with("mux: failed at frame 4 ("), "{last}");
    assert_eq!(std::fs::read(dir.path("out.mp4")).unwrap(), b"precious");
    let segments = dir.run(args).exits(0).events().iter().filter(|event| event["resumed"] == true).count();
    assert_eq!(segments, 1, "what was done before is not done again");
    assert_eq!(dir.names(), ["in.mp4", "out.mp4"]);
}
