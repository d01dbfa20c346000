//! What the tests of whole jobs share: videos, their frames, how far two of them are apart, a captioned clip, and what a job says.
#![allow(dead_code, reason = "every test file takes what it needs")]

pub(crate) mod captioned;

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::Command;

use cleanplate::{Event, Observer};
use cleanplate_core::{Frame, Rect, Row};
use cleanplate_media::{OpenOptions, Source};

/// All frames of a video.
pub(crate) fn frames(path: &Path) -> Vec<Frame> {
    let source = Source::open(path, &OpenOptions::default(), &mut |_, _| ControlFlow::Continue(())).unwrap();
    let mut reader = source.reader(1).unwrap();
    std::iter::from_fn(|| reader.read().unwrap()).collect()
}

/// Mean difference inside of `rect` in the first plane, in codes.
pub(crate) fn off(a: &Frame, b: &Frame, rect: Rect) -> f64 {
    let mut sum = 0.0;
    for y in rect.y..rect.bottom() {
        let (Row::U8(a), Row::U8(b)) = (a.row(0, y), b.row(0, y)) else { panic!("not 8 bits deep") };
        let columns = rect.x as usize..rect.right() as usize;
        sum += a[columns.clone()].iter().zip(&b[columns]).map(|(a, b)| f64::from(a.abs_diff(*b))).sum::<f64>();
    }
    sum / rect.area() as f64
}

/// A video of what libav's filter `graph` makes, coded by libx264.
pub(crate) fn coded(folder: &Path, graph: &str, how: &[&str]) -> PathBuf {
    let path = folder.join("in.mp4");
    let done = Command::new("ffmpeg")
        .args(["-v", "error", "-y", "-nostdin", "-f", "lavfi", "-i", graph, "-pix_fmt", "yuv420p", "-c:v", "libx264"])
        .args(["-crf", "20"])
        .args(how)
        .arg(&path)
        .status();
    assert!(done.unwrap().success());
    path
}

/// Samples of all planes of all frames.
pub(crate) fn samples(path: &Path) -> Vec<String> {
    let lines = |frame: &Frame| {
        let planes = (0..frame.format.planes()).flat_map(|plane| {
            (0..frame.format.plane_size(plane, frame.width, frame.height).1).map(move |y| (plane, y))
        });
        planes.map(|(plane, y)| format!("{:?}", frame.row(plane, y))).collect::<String>()
    };
    frames(path).iter().map(lines).collect()
}

/// Keeps the lines that a job says.
#[derive(Default)]
pub(crate) struct Heard {
    pub(crate) lines: Vec<String>,
}

impl Observer for Heard {
    fn event(&mut self, event: Event) {
        if let Event::Log { message, .. } = event {
            self.lines.push(message);
        }
    }
}
