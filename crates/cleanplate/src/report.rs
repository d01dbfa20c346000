//! What was done, in numbers.

use std::collections::BTreeMap;

use cleanplate_core::Rect;
use serde::{Deserialize, Serialize};

use crate::observer::Phase;

/// Version of the report's structure; raised when a field changes its meaning or goes.
pub const REPORT_VERSION: u32 = 1;

/// What a job did. Written by `--report` as JSON.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Report {
    /// [`REPORT_VERSION`].
    pub version: u32,
    /// Version of the engine.
    pub engine: String,
    /// The source as given.
    pub input: String,
    /// The target as given.
    pub output: String,
    /// SHA-256 of the source's packets and parameters.
    pub source: String,
    /// Every stream of the source and what became of it.
    pub streams: Vec<StreamReport>,
    /// What the encoder of the worked-on track writes otherwise than the source was, in words.
    pub encoder: Vec<String>,
    /// libav's name of the encoder that wrote the track, with its speed and quality.
    #[serde(default)]
    pub encoder_settings: String,
    /// Every mark that was worked on.
    pub marks: Vec<MarkReport>,
    /// Frames of the worked-on track, and how many of them carry a mark.
    pub frames: u64,
    /// Frames that carry a mark.
    pub frames_marked: u64,
    /// Frames that repeat an earlier one and were enlarged with it, where the picture was enlarged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repeats: Option<u64>,
    /// Pixels of the first plane by origin, over all frames.
    pub origins: OriginCounts,
    /// Segments of the worked-on track.
    pub segments: Vec<SegmentReport>,
    /// Frames of the output on which a mark still shows.
    #[serde(default)]
    pub flashes: Vec<FlashReport>,
    /// What could not be used, with the reason.
    pub refusals: Vec<String>,
    /// Damage of the source, in words.
    pub damage: Vec<String>,
    /// Checks of the finished file.
    pub checks: Vec<CheckReport>,
    /// Seconds and units of each phase.
    pub timings: Vec<PhaseReport>,
    /// Seconds that each stage was busy; stages overlap, and the time of networks is a part of that of those who ask them.
    pub stages: Vec<StageReport>,
    /// How much of the machine was used.
    pub resources: Resources,
}

impl Report {
    /// Adds the pixels of a segment to those of each mark.
    pub(crate) fn count(&mut self, by_mark: &BTreeMap<u32, OriginCounts>) {
        for mark in &mut self.marks {
            mark.origins.add(by_mark.get(&mark.id).copied().unwrap_or_default());
        }
    }
}

/// A stream of the source and what became of it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct StreamReport {
    /// Position in the source.
    pub index: usize,
    /// What it carries, and how, in words.
    pub what: String,
    /// `restored`, `copied` or `dropped`, with the reason where it was dropped.
    pub fate: String,
}

/// A mark that was worked on.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct MarkReport {
    /// The number it has in the plan.
    pub id: u32,
    /// Who says that it is there: `region`, `fill-region`, `mask`, `mask-video`, `matte`,
    /// `located`, `detected` or `caption`.
    pub from: String,
    /// Its bounds in displayed orientation.
    pub rect: Rect,
    /// Its first frame.
    pub start: u64,
    /// The first frame after it.
    pub end: u64,
    /// When its first frame is shown, in seconds from the clip's first one.
    #[serde(default)]
    pub start_seconds: f64,
    /// When its last frame is shown.
    #[serde(default)]
    pub last_seconds: f64,
    /// Pixels of its mask, at most over time.
    pub area: u64,
    /// How sure the locator is, 0..=1; 1 where the user said so.
    pub confidence: f64,
    /// Reasons of the locator and of the matte's solver.
    pub reason: String,
    /// Median opacity, 0..=1, where the mark is computed away by its matte.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alpha: Option<f32>,
    /// Pixels within its mask by origin, over all its frames; those that several marks cover count for each.
    #[serde(default)]
    pub origins: OriginCounts,
}

/// Pixels by origin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OriginCounts {
    /// Untouched.
    pub kept: u64,
    /// Computed back.
    pub unblended: u64,
    /// Taken from other frames.
    pub borrowed: u64,
    /// Made up.
    pub invented: u64,
}

impl OriginCounts {
    /// Adds those of another frame or segment.
    pub fn add(&mut self, other: Self) {
        self.kept += other.kept;
        self.unblended += other.unblended;
        self.borrowed += other.borrowed;
        self.invented += other.invented;
    }

    /// All pixels.
    pub const fn total(&self) -> u64 {
        self.kept + self.unblended + self.borrowed + self.invented
    }

    /// The pixels that are not kept, in words.
    pub(crate) fn words(&self) -> String {
        let parts = [(self.unblended, "unblended"), (self.borrowed, "borrowed"), (self.invented, "invented")];
        let parts: Vec<String> = parts.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}")).collect();
        if parts.is_empty() { "nothing restored".to_owned() } else { format!("pixels: {}", parts.join(", ")) }
    }
}

/// A segment of the worked-on track.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct SegmentReport {
    /// First frame.
    pub start: u64,
    /// First frame after it.
    pub end: u64,
    /// Its key in the store.
    pub key: String,
    /// Bytes of its packets.
    pub bytes: u64,
    /// Whether an earlier run had done it.
    pub resumed: bool,
    /// Whether its encoded frames were decoded and checked before its commit.
    pub decoded: bool,
    /// Its pixels by origin.
    pub origins: OriginCounts,
    /// Frames of it that carry a mark.
    pub frames_marked: u64,
}

/// A frame of the output on which a mark still shows.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct FlashReport {
    /// The mark's number.
    pub mark: u32,
    /// The frame.
    pub frame: u64,
    /// Share of the mark's edges that shows, 1 for all of it.
    pub share: f32,
}

/// A check of the finished file.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct CheckReport {
    /// What was checked.
    pub name: String,
    /// Whether it held.
    pub ok: bool,
    /// What was found.
    pub detail: String,
}

/// A stage's cost.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct StageReport {
    /// `decode`, `restore`, `upscale`, `encode`, `check`, `mux`, or `net` and the network's name.
    pub name: String,
    /// What runs it: a device, a library with its settings, the runtime of a network.
    #[serde(default)]
    pub runs_on: String,
    /// Seconds busy, waiting for its neighbours not counted.
    pub seconds: f64,
    /// Frames; inputs of a network.
    pub units: u64,
    /// Units a busy second.
    pub rate: f64,
}

/// How much of the machine was used; what the system does not tell is left out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Resources {
    /// Seconds from the beginning of the job to its end.
    pub wall_seconds: f64,
    /// Seconds of processor time of all threads since the process began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_seconds: Option<f64>,
    /// The processor time of this job as a share of what all cores had in that time, 0..=1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_share: Option<f64>,
    /// Cores that the process may use.
    pub cores: u64,
    /// The peak of resident memory since the process began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peak_rss_bytes: Option<f64>,
    /// NVIDIA cards, where their driver is there.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub gpus: Vec<GpuReport>,
}

/// What was seen of a card twice a second, whoever used it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct GpuReport {
    /// Its name.
    pub name: String,
    /// Share of the time in which it computed, 0..=1.
    pub busy_mean: f64,
    /// The largest share that was seen.
    pub busy_peak: f64,
    /// Bytes of its memory that were taken at most.
    pub memory_peak_bytes: u64,
}

/// A phase's cost.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PhaseReport {
    /// Which.
    pub phase: Phase,
    /// Wall seconds.
    pub seconds: f64,
    /// Frames or bytes.
    pub units: u64,
    /// Units a second.
    pub rate: f64,
}
