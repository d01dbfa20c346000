//! Ctrl-C and SIGTERM: exit code 130, no part of an output, and a job that goes on where it stopped; SIGKILL: the same without
//! the code.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests
#![cfg(unix)]

mod common;

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use common::{Dir, FAST};
use serde_json::Value;

#[test]
fn an_interrupted_job_exits_with_130_and_goes_on_when_run_again() {
    let dir = Dir::new();
    dir.clip("in.mp4", "256x144", 1100, FAST);
    let args = ["remove", "in.mp4", "-o", "out.mp4", "--fill-region", "8,8,24,12", "--preset", "medium", "--json"];
    for signal in ["INT", "TERM"] {
        let mut child = dir.command().args(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let is_segment = |line: &str| serde_json::from_str::<Value>(line).unwrap()["event"] == "segment";
        assert!(lines.by_ref().any(|line| is_segment(&line.unwrap())), "a segment is committed before the end");
        let sent = Instant::now();
        assert!(Command::new("kill").args(["-s", signal, &child.id().to_string()]).status().unwrap().success());
        let last = lines.map(Result::unwrap).last().unwrap();
        let status = child.wait().unwrap();
        assert!(sent.elapsed() < Duration::from_secs(2), "{:?} after SIG{signal}", sent.elapsed());
        assert_eq!(status.code(), Some(130), "SIG{signal}");
        let last: Value = serde_json::from_str(&last).unwrap();
        assert_eq!((&last["event"], &last["kind"]), (&"error".into(), &"interrupted".into()));
        assert_eq!(dir.names(), [".out.mp4.cleanplate", "in.mp4"], "only the state is left");
    }
    let ran = dir.run(args).exits(0);
    let resumed = ran.events().iter().filter(|event| event["resumed"] == true).count();
    assert!(resumed > 0, "nothing was taken from the interrupted run");
    assert_eq!(dir.names(), ["in.mp4", "out.mp4"]);
}

#[test]
fn a_job_that_is_killed_while_it_borrows_from_plates_ends_in_the_same_bytes() {
    let dir = Dir::new();
    // A still picture, of which the mark hides a part for 18 of 24 seconds: no window of the shot reaches that far.
    let scene = "testsrc2=size=256x144:rate=25,loop=loop=-1:size=1:start=0,setpts=N/25/TB";
    let mark = "drawbox=x=150:y=40:w=40:h=24:color=yellow:t=fill:enable='between(n,75,524)'";
    let made = Command::new("ffmpeg")
        .args(["-v", "error", "-y", "-f", "lavfi", "-i", &format!("{scene},{mark}"), "-frames:v", "600"])
        .args(["-pix_fmt", "yuv420p", "-c:v", "libx264", "-preset", "veryfast", "-crf", "16", "-g", "100"])
        .arg(dir.path("in.mp4"))
        .status();
    assert!(made.unwrap().success());
    let words = |out: &str| {
        let line = format!("remove in.mp4 -o {out} --region 148,38,44,28@f75-f525 --preset medium --json");
        line.split_whitespace().map(str::to_owned).collect::<Vec<_>>()
    };
    let undisturbed = words("whole.mp4").into_iter().chain(["--plan-out".into(), "plan.json".into()]);
    let report = dir.run(undisturbed).exits(0);
    let plan: Value = serde_json::from_slice(&std::fs::read(dir.path("plan.json")).unwrap()).unwrap();
    assert!(!plan["marks"][0]["plates"].as_array().unwrap().is_empty(), "{}", report.err);
    let mut child = dir.command().args(words("out.mp4")).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let is_segment = |line: &str| serde_json::from_str::<Value>(line).unwrap()["event"] == "segment";
    // The next is covered by the mark from its first frame to its last.
    assert!(lines.by_ref().any(|line| is_segment(&line.unwrap())), "a segment is committed before the end");
    child.kill().unwrap();
    assert!(!child.wait().unwrap().success(), "it ended before it could be killed");
    assert!(!dir.path("out.mp4").exists());
    let ran = dir.run(words("out.mp4")).exits(0);
    let events = ran.events();
    let count = |resumed: bool| events.iter().filter(|e| e["event"] == "segment" && e["resumed"] == resumed).count();
    assert!(count(true) >= 1 && count(false) >= 1, "{} resumed, {} rendered", count(true), count(false));
    let bytes = |name: &str| std::fs::read(dir.path(name)).unwrap();
    assert!(bytes("out.mp4") == bytes("whole.mp4"), "the resumed output is another one");
}
