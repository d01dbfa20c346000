//! Small clips made by the `ffmpeg` program, what it says of them, and our frames to compare.
#![allow(dead_code, unreachable_pub)] // every test program uses its own part of this module

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::Command;

use cleanplate_core::{Frame, Row};
use cleanplate_media::{OpenOptions, Result, Source};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

/// Three seconds of moving colours with a counter, and a tone.
pub const PICTURES: &str = "-f lavfi -i testsrc2=s=160x120:r=25:d=3";
pub const TONE: &str = "-f lavfi -i sine=d=3";

/// A folder with clips.
pub struct Clips(TempDir);

impl Clips {
    pub fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Runs `ffmpeg` with `arguments` (parted by blanks), writing `name`.
    pub fn make(&self, name: &str, arguments: &str) -> PathBuf {
        let output = self.path(name);
        let run = Command::new("ffmpeg")
            .args(["-v", "error", "-y", "-nostdin"])
            .args(arguments.split_whitespace())
            .arg(&output)
            .current_dir(self.0.path())
            .output()
            .expect("the ffmpeg program");
        assert!(run.status.success(), "{name}: {}", String::from_utf8_lossy(&run.stderr));
        output
    }

    pub fn write(&self, name: &str, data: &[u8]) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, data).unwrap();
        path
    }
}

/// Presentation time and checksum of every frame as the `ffmpeg` program decodes them on one thread.
pub fn reference(path: &Path, input: &str, output: &str) -> Vec<(i64, String)> {
    let run = Command::new("ffmpeg")
        .args(["-v", "error", "-nostdin", "-threads", "1", "-noautorotate"])
        .args(input.split_whitespace())
        .arg("-i")
        .arg(path)
        .args(["-map", "0:v:0", "-vsync", "passthrough", "-copyts", "-enc_time_base", "-1"])
        .args(output.split_whitespace())
        .args(["-f", "framehash", "-hash", "SHA256", "-"])
        .output()
        .expect("the ffmpeg program");
    String::from_utf8_lossy(&run.stdout)
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| {
            let fields: Vec<&str> = line.split(',').map(str::trim).collect();
            (fields[2].parse().unwrap(), fields[5].to_owned())
        })
        .collect()
}

pub fn open(path: &Path) -> Result<Source> {
    Source::open(path, &OpenOptions::default(), &mut |_, _| ControlFlow::Continue(()))
}

/// SHA-256 of the samples, plane by plane, as the `ffmpeg` program computes it.
pub fn checksum(frame: &Frame) -> String {
    let mut hash = Sha256::new();
    for plane in 0..frame.format.planes() {
        let (_, rows) = frame.format.plane_size(plane, frame.width, frame.height);
        for y in 0..rows {
            match frame.row(plane, y) {
                Row::U8(row) => hash.update(row),
                Row::U16(row) => hash.update(row.iter().flat_map(|s| s.to_le_bytes()).collect::<Vec<u8>>()),
            }
        }
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Every frame: presentation time, checksum.
pub fn frames(source: &Source, threads: u32) -> Result<Vec<(i64, String)>> {
    let mut reader = source.reader(threads)?;
    let mut all = Vec::new();
    while let Some(frame) = reader.read()? {
        let entry = source.index().frames[frame.idx as usize];
        assert_eq!((frame.idx, frame.pts, frame.duration), (all.len() as u64, entry.pts, entry.duration));
        all.push((frame.pts, checksum(&frame)));
    }
    assert_eq!(all.len(), source.index().frames.len());
    Ok(all)
}

/// Numbers that look random, the same in every run.
pub struct Seeded(pub u64);

impl Seeded {
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) % bound.max(1)
    }
}

/// Compares frames after `count` seeks with those of sequential reading.
pub fn check_seeks(name: &str, source: &Source, all: &[(i64, String)], count: u64) {
    let mut random = Seeded(all.len() as u64);
    let mut reader = source.reader(2).unwrap();
    for _ in 0..count {
        let target = random.below(all.len() as u64);
        reader.seek(target).unwrap();
        for (idx, want) in all.iter().enumerate().skip(target as usize).take(2) {
            let frame = reader.read().unwrap().unwrap();
            assert_eq!(
                (frame.idx, &(frame.pts, checksum(&frame))),
                (idx as u64, want),
                "{name}: after a seek to {target}"
            );
        }
    }
}
