//! Ctrl-C and SIGTERM: exit code 130, no part of an output, and a job that goes on where it stopped.
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
