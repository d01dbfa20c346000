//! What this machine can do, shown by doing it: every candidate of every stage with one unit of its work.

use std::ops::ControlFlow;
use std::path::Path;
use std::time::{Duration, Instant};

use cleanplate_core::Rect;
use cleanplate_infer::{Card, runtimes};
use cleanplate_media::encode::{Choice, Codec, Possible, usual_encoders};
use cleanplate_media::source::{DECODERS, OpenOptions, Source, is_known_device};
use cleanplate_media::{Container, Rational};
use serde::{Deserialize, Serialize};
use tempfile::TempDir;

use crate::cards::cards;
use crate::devices::{self, DECODE, DeviceOptions, ENCODE};
use crate::draw::Canvas;
use crate::error::{Error, Result};
use crate::networks::{own, placed};
use crate::options::Options;
use crate::reel::Reel;
use crate::resources;

/// What was found.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Doctor {
    /// Version of the engine.
    pub engine: String,
    /// The machine.
    pub machine: Machine,
    /// Name and version, or place, of every library that is loaded.
    pub libraries: Vec<(String, String)>,
    /// Every candidate of every stage, in the order in which they are tried.
    pub candidates: Vec<Candidate>,
    /// Whether every job can be done here, on hardware or not.
    pub is_healthy: bool,
}

/// The machine as the system tells.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Machine {
    /// Operating system and processor family.
    pub system: String,
    /// The processor's own name.
    pub processor: String,
    /// Cores that this process may use.
    pub cores: usize,
    /// Bytes of memory that could be taken now, within what a container allows.
    pub free_memory: u64,
    /// NVIDIA cards that the driver tells of, by name.
    pub nvidia: Vec<String>,
    /// What their library tells of them, where it is there.
    pub cards: Vec<Card>,
    /// Devices through which other cards are reached (`/dev/dri/renderD128`).
    pub render_devices: Vec<String>,
}

/// One candidate of a stage.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Candidate {
    /// `decode`, `encode`, `net` or `disk`.
    pub stage: String,
    /// Its name.
    pub name: String,
    /// Whether it has just done one unit of its work.
    pub available: bool,
    /// Whether nothing can be done without it, or what stands for it.
    pub is_needed: bool,
    /// Why not, in the library's own words.
    pub reason: Option<String>,
    /// What would help.
    pub remedy: Option<String>,
    /// How long the trial took.
    pub ms: f64,
}

/// The size at which encoders are tried.
const SIZE: (u32, u32) = (1280, 720);

/// Examines the machine. Nothing is left behind but what libraries keep for themselves.
pub fn doctor(options: &Options) -> Doctor {
    let (machine, devices) = (machine(), &options.devices);
    let mut candidates = Vec::new();
    let clip = clip();
    let could = |kind: &str| match &clip {
        Ok((source, _)) => source.could_decode_on(kind),
        Err(_) => is_known_device(kind),
    };
    for (name, _) in DECODERS.iter().filter(|own| could(own.1)) {
        let since = Instant::now();
        let verdict = match &clip {
            Ok((source, _folder)) => devices::device(name, devices).and_then(|device| source.decode_on(device)),
            Err(error) => Err(format!("there is no clip to try it with: {error}")),
        };
        candidates.push(Candidate::of(DECODE, name, verdict, false, since.elapsed(), &machine));
    }
    for codec in Codec::ALL {
        match usual_encoders(codec, SIZE) {
            Ok(choice) => encoders(codec, &choice, &machine, devices, &mut candidates),
            Err(error) => {
                let reason = error.to_string();
                candidates.push(Candidate::of(
                    ENCODE,
                    codec.name(),
                    Err(reason),
                    is_needed(codec),
                    Duration::ZERO,
                    &machine,
                ));
            }
        }
    }
    let placement = placed(options);
    let mut libraries = vec![("libav".to_owned(), cleanplate_media::build())];
    for checked in runtimes(&placement) {
        libraries.extend(checked.library.map(|path| (checked.name.to_owned(), path.display().to_string())));
        // The embedded one is a part of this program.
        candidates.push(Candidate::of(
            "net",
            checked.name,
            checked.verdict,
            checked.name == "rten",
            checked.took,
            &machine,
        ));
    }
    for (name, verdict, took) in own(&placement) {
        candidates.push(Candidate::of("net", &name, verdict, true, took, &machine));
    }
    let since = Instant::now();
    let verdict = tempfile::tempfile().map(|_| ()).map_err(|error| error.to_string());
    let folder = std::env::temp_dir().display().to_string();
    candidates.push(Candidate::of("disk", &folder, verdict, true, since.elapsed(), &machine));
    let is_healthy = candidates.iter().all(|candidate| candidate.available || !candidate.is_needed);
    Doctor { engine: env!("CARGO_PKG_VERSION").to_owned(), machine, libraries, candidates, is_healthy }
}

/// A clip to be decoded, in a folder that lives as long as it: shapes that move, H.264.
fn clip() -> Result<(Source, TempDir)> {
    const FRAMES: u32 = 8;
    let folder = tempfile::tempdir().map_err(Error::io("make a folder in", std::env::temp_dir()))?;
    let path = folder.path().join("clip.mp4");
    let rate = Rational::new(25, 1);
    let mut reel = Reel::new(Rational::new(1, 25), rate);
    for n in 0..FRAMES {
        let mut canvas = Canvas::new(SIZE.0, SIZE.1, [90, 120, 60]);
        (0..12).for_each(|k| canvas.fill(Rect::new(97 * k + 8 * n, 53 * k, 60, 40 + 9 * k), [20 * k as u8, 200, 90]));
        reel.push(&canvas, i64::from(n), 1)?;
    }
    reel.finish(&path, Container::Mp4)?;
    let source = Source::open(&path, &OpenOptions::default(), &mut |_, _| ControlFlow::Continue(()))?;
    Ok((source, folder))
}

/// Without these not even ordinary sources can be written, or masks and pictures.
const fn is_needed(codec: Codec) -> bool {
    matches!(codec, Codec::H264 | Codec::Ffv1)
}

fn encoders(
    codec: Codec,
    choice: &Choice,
    machine: &Machine,
    devices: &DeviceOptions,
    candidates: &mut Vec<Candidate>,
) {
    let software = Possible { name: choice.spec.encoder.clone(), spec: Ok(choice.spec.clone()) };
    let hardware = choice.hardware.iter().map(|possible| (possible, false));
    for (possible, is_needed) in hardware.chain([(&software, is_needed(codec))]) {
        let since = Instant::now();
        let verdict = devices::tried(possible, &choice.spec, devices).map(drop);
        candidates.push(Candidate::of(ENCODE, &possible.name, verdict, is_needed, since.elapsed(), machine));
    }
}

impl Candidate {
    fn of(
        stage: &str,
        name: &str,
        verdict: std::result::Result<(), String>,
        is_needed: bool,
        took: Duration,
        machine: &Machine,
    ) -> Self {
        let (reason, ms) = (verdict.err(), 1e3 * took.as_secs_f64());
        let remedy = reason.as_deref().map(|reason| remedy(name, reason, machine));
        let available = reason.is_none();
        Self { stage: stage.to_owned(), name: name.to_owned(), available, is_needed, reason, remedy, ms }
    }
}

/// What helps where `name` refuses for `reason`.
fn remedy(name: &str, reason: &str, machine: &Machine) -> String {
    let has = |words: &str| reason.contains(words);
    let has_nvidia = !machine.nvidia.is_empty();
    let words = if has("rehearsed") {
        "CLEANPLATE_FAULT asks for it"
    } else if has("no encoder") {
        "a build of FFmpeg that has it"
    } else if has("libcuda") && has_nvidia {
        "the driver's libraries are not in this container: run it with --gpus all and NVIDIA_DRIVER_CAPABILITIES=compute,utility,video"
    } else if has("libcuda") {
        "this needs an NVIDIA card and its driver; without one nothing is amiss"
    } else if has("libnvidia-encode") || has("libnvcuvid") {
        "the container lacks the video capability: NVIDIA_DRIVER_CAPABILITIES=compute,utility,video"
    } else if name.contains("nvenc") && (has("No capable devices") || has("unsupported device")) {
        "this card has no encoder (H100, H200 and A100 have none): another card, or software"
    } else if has("MFX") || has("libmfx") || has("oneVPL") {
        "this needs an Intel graphics unit and its runtime (intel-media-va-driver, libmfx-gen or libmfx); without one nothing is amiss"
    } else if name == "vaapi" || name.ends_with("_vaapi") {
        "this needs an Intel or AMD graphics unit (/dev/dri/renderD128) and its driver for VA-API; without one nothing is amiss"
    } else if matches!(name, "cuda" | "tensorrt") && !has_nvidia {
        "this needs an NVIDIA card and its driver; without one nothing is amiss"
    } else if matches!(name, "cuda" | "tensorrt") && (has("not installed") || has("has no")) {
        "`pip download --no-deps onnxruntime-gpu`, then `cleanplate runtime install --wheel FILE.whl`; the same with the wheels of CUDA 13 and cuDNN (nvidia-cuda-runtime, nvidia-cublas, nvidia-cufft, nvidia-curand, nvidia-cudnn-cu13) where they are not on this machine"
    } else if matches!(name, "cuda" | "tensorrt") && has(".so") {
        "install the wheel that has this library (nvidia-cuda-runtime, nvidia-cublas, nvidia-cufft, nvidia-curand, nvidia-cudnn-cu13, tensorrt-cu13-libs 10) by `cleanplate runtime install --wheel`"
    } else if name == "webgpu" && has("finds no GPU") {
        "this needs a GPU and a driver for Vulkan (Mesa 25 or later, or the maker's); without a GPU nothing is amiss"
    } else if name == "webgpu" {
        "with a GPU of any maker: `pip download --no-deps onnxruntime onnxruntime-ep-webgpu`, then `cleanplate runtime install --wheel` with each; without a GPU nothing is amiss"
    } else if name == "onnxruntime" {
        "`pip download --no-deps onnxruntime` (1.24 or later), then `cleanplate runtime install --wheel FILE.whl`; networks run on the embedded runtime without it, half as fast"
    } else if name.starts_with('/') {
        "make room there, or set TMPDIR"
    } else {
        "software does it instead"
    };
    words.to_owned()
}

/// What the system tells of this machine; nothing is tried.
pub fn machine() -> Machine {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let processor = read("/proc/cpuinfo")
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .map(|rest| rest.trim_start_matches(['\t', ' ', ':']).to_owned());
    let entries = |folder: &str| -> Vec<std::path::PathBuf> {
        let mut paths: Vec<_> =
            std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
        paths.sort();
        paths
    };
    let model = |folder: &Path| {
        let text = std::fs::read_to_string(folder.join("information")).ok()?;
        text.lines().find_map(|line| line.strip_prefix("Model:")).map(|name| name.trim().to_owned())
    };
    let is_render = |path: &Path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("renderD"));
    let cards = cards();
    // A container may have the library but not the folder, or the other way round.
    let nvidia = match &cards[..] {
        [] => entries("/proc/driver/nvidia/gpus").iter().filter_map(|folder| model(folder)).collect(),
        cards => cards.iter().map(|card| card.name.clone()).collect(),
    };
    Machine {
        system: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
        processor: processor.unwrap_or_default(),
        cores: resources::cores(),
        free_memory: resources::free_memory(),
        nvidia,
        cards,
        render_devices: entries("/dev/dri")
            .iter()
            .filter(|path| is_render(path))
            .map(|path| path.display().to_string())
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_have_remedies_that_fit_the_machine() {
        let bare = machine();
        let with_card = Machine { nvidia: vec!["NVIDIA H200".to_owned()], ..bare.clone() };
        let without = Machine { nvidia: Vec::new(), ..bare };
        assert!(remedy("h264_nvenc", "Cannot load libcuda.so.1", &without).contains("nothing is amiss"));
        assert!(remedy("h264_nvenc", "Cannot load libcuda.so.1", &with_card).contains("--gpus all"));
        assert!(remedy("h264_nvenc", "Cannot load libnvidia-encode.so.1", &with_card).contains("video capability"));
        assert!(remedy("h264_nvenc", "No capable devices found", &with_card).contains("H200"));
        assert!(remedy("onnxruntime", "it is not installed", &without).contains("runtime install"));
    }
}
