//! Locates the persistent marks of a video and prints them as one line of JSON: `locate FILE [MASK.pgm]`; the masks of
//! the sure ones go into MASK.pgm.
//!
//! Frames come from the programs `ffprobe` and `ffmpeg`; the clip is read twice, as the engine would. `cpu` is the user
//! time of this process alone, in seconds: survey, evidence and conclusion, with the copying of frames.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

use std::io::Read;
use std::process::{Command, Stdio};

use cleanplate_core::locate::{Evidence, Survey};
use cleanplate_core::{Frame, HostSurface, PixelFormat, RowMut, Surface};

fn main() {
    let path = std::env::args().nth(1).expect("usage: locate FILE");
    let probe = Command::new("ffprobe")
        .args([
            "-v",
            "error",
            "-select_streams",
            "v:0",
            "-show_entries",
            "stream=width,height,pix_fmt",
            "-of",
            "csv=p=0",
        ])
        .arg(&path)
        .output()
        .expect("ffprobe runs");
    let probe = String::from_utf8(probe.stdout).unwrap();
    let mut fields = probe.trim().split(',');
    let width: u32 = fields.next().unwrap().parse().expect("a width");
    let height: u32 = fields.next().unwrap().parse().expect("a height");
    let format = if fields.next() == Some("yuvj420p") { "yuvj420p" } else { "yuv420p" };

    let mut survey = Survey::new();
    let frames = read(&path, format, (width, height), |frame| survey.observe(frame));
    let surveyed = user_seconds();
    let most = std::env::var("MOST").map_or(48, |m| m.parse().unwrap());
    let chosen = survey.choose(most);
    let mut evidence = Evidence::new();
    read(&path, format, (width, height), |frame| {
        if chosen.binary_search(&frame.idx).is_ok() {
            evidence.observe(frame);
        }
    });
    let observed = user_seconds();
    let found = evidence.conclude();
    let marks: Vec<_> = found
        .detections
        .iter()
        .map(|d| {
            serde_json::json!({"rect": [d.rect.x, d.rect.y, d.rect.w, d.rect.h], "confident": d.confident, "score": d.score,
                "reason": d.reason, "span": [d.span.start, d.span.end], "figures": d.figures})
        })
        .collect();
    let cpu = user_seconds();
    if let Some(out) = std::env::args().nth(2) {
        let mut pgm = format!("P5 {width} {height} 255\n").into_bytes();
        for y in 0..height {
            pgm.extend((0..width).map(|x| found.marks().map(|d| d.mask.at(x, y)).max().unwrap_or(0)));
        }
        std::fs::write(out, pgm).expect("the mask is written");
    }
    println!(
        "{}",
        serde_json::json!({"frames": frames, "chosen": chosen.len(), "cpu": cpu, "cpu_survey": surveyed, "cpu_evidence": observed - surveyed,
            "cpu_conclude": cpu - observed, "marks": marks, "verdict": found.verdict})
    );
}

/// Calls `each` with every frame of the file and returns how many there were.
fn read(path: &str, format: &str, (width, height): (u32, u32), mut each: impl FnMut(&Frame)) -> u64 {
    let mut child = Command::new("ffmpeg")
        .args(["-v", "error", "-i", path, "-map", "0:v:0", "-vsync", "0", "-f", "rawvideo", "-pix_fmt", format, "-"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("ffmpeg runs");
    let mut pipe = child.stdout.take().unwrap();
    let sizes: Vec<_> = (0..3).map(|p| PixelFormat::YUV420P8.plane_size(p, width, height)).collect();
    let mut raw = vec![0u8; sizes.iter().map(|(w, h)| (w * h) as usize).sum()];
    let mut idx = 0;
    while pipe.read_exact(&mut raw).is_ok() {
        let mut surface = HostSurface::new(PixelFormat::YUV420P8, width, height);
        let mut rest = raw.as_slice();
        for (plane, (w, h)) in sizes.iter().enumerate() {
            for y in 0..*h {
                let (row, tail) = rest.split_at(*w as usize);
                rest = tail;
                if let RowMut::U8(out) = surface.row_mut(plane, y) {
                    out.copy_from_slice(row);
                }
            }
        }
        each(&Frame::new(idx, idx as i64, 1, (width, height), PixelFormat::YUV420P8, Box::new(surface)));
        idx += 1;
    }
    child.wait().unwrap();
    idx
}

/// User time of this process in seconds, from the kernel's account (ticks of 10 ms).
fn user_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let after = stat.rsplit(')').next().unwrap();
    after.split_whitespace().nth(11).unwrap().parse::<f64>().unwrap() / 100.0
}
