//! `cleanplate bench`: how fast jobs are on this machine, on clips that are drawn for it. What is measured and what is said about it;
//! jobs themselves are the engine's.

pub(crate) mod elsewhere;
pub(crate) mod measure;
pub(crate) mod plot;
pub(crate) mod scene;
pub(crate) mod table;

use cleanplate::Machine;
use cleanplate::report::{GpuReport, PhaseReport, StageReport};
use serde::Serialize;

use self::elsewhere::Elsewhere;

/// Version of the document, see docs/json-events.md; raised when a field changes its meaning or goes.
pub(crate) const BENCH_VERSION: u32 = 1;

/// All that was measured: what `--json` prints.
#[derive(Debug, Serialize)]
pub(crate) struct Bench {
    pub(crate) version: u32,
    pub(crate) engine: String,
    pub(crate) machine: Machine,
    /// What networks run on.
    pub(crate) runtimes: Vec<String>,
    pub(crate) rows: Vec<Row>,
    /// What others publish: measured elsewhere, on other hardware and other clips.
    pub(crate) elsewhere: Vec<Elsewhere>,
}

/// One job at one size.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) job: &'static str,
    /// As `--size` names it.
    pub(crate) size: String,
    /// Columns and rows of the clip, and of what the job made of it.
    pub(crate) from: (u32, u32),
    pub(crate) to: (u32, u32),
    pub(crate) frames: u64,
    /// Wall seconds of the whole job, finding the mark and checking the output included.
    pub(crate) seconds: f64,
    pub(crate) fps: f64,
    /// The same clip decoded and encoded with the same settings, at its own size.
    pub(crate) transcode: Cost,
    /// How many times as long as that the job took.
    pub(crate) times_transcode: f64,
    /// The same of processor seconds: what does not depend on how well the cores are kept busy.
    pub(crate) times_transcode_cpu: Option<f64>,
    pub(crate) cpu: Option<Processor>,
    /// Peak of resident memory during the job, where the system tells; of the process so far where the peak cannot be reset.
    pub(crate) peak_rss_bytes: Option<f64>,
    /// NVIDIA cards during the job, where their driver is there.
    pub(crate) gpus: Vec<GpuReport>,
    pub(crate) phases: Vec<PhaseReport>,
    /// Frames a busy second of every stage; stages overlap.
    pub(crate) stages: Vec<StageReport>,
    pub(crate) decoder: String,
    pub(crate) encoder: String,
    pub(crate) refusals: Vec<String>,
    /// Inside of the mark against the clip without it.
    pub(crate) psnr: Option<Quality>,
    /// Frames of the output on which a mark still shows.
    pub(crate) flashes: usize,
}

/// What a plain transcode took, one run before the job and one after it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Cost {
    /// Mean of both.
    pub(crate) seconds: f64,
    pub(crate) runs: [f64; 2],
    pub(crate) fps: f64,
    pub(crate) cpu: Option<Processor>,
}

impl Cost {
    /// By how much one run took longer than the other, where both are long enough to tell: something else kept the machine busy.
    pub(crate) fn unrest(&self) -> Option<f64> {
        let [least, most] = [self.runs[0].min(self.runs[1]), self.runs[0].max(self.runs[1])];
        // Runs of half a second differ by that much on an idle machine.
        (least > 0.5 && most > 1.2 * least).then(|| most / least - 1.0)
    }
}

/// What was used of the processor.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Processor {
    pub(crate) seconds: f64,
    /// Share of all cores, 0 to 1.
    pub(crate) utilisation: f64,
}

impl Processor {
    fn of(seconds: f64, wall: f64, cores: usize) -> Self {
        Self { seconds, utilisation: seconds / wall.max(1e-9) / cores.max(1) as f64 }
    }
}

/// PSNR of luma in dB, null where nothing differs.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Quality {
    pub(crate) before_db: Option<f64>,
    pub(crate) after_db: Option<f64>,
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A row as another machine might have measured it.
    pub(crate) fn row(job: &'static str, size: &str, fps: f64, plain: f64) -> Row {
        let cost = |fps: f64| Cost {
            seconds: 50.0 / fps,
            runs: [50.0 / fps; 2],
            fps,
            cpu: Some(Processor::of(80.0 / fps, 50.0 / fps, 2)),
        };
        Row {
            job,
            size: size.to_owned(),
            from: (1920, 1080),
            to: (1920, 1080),
            frames: 50,
            seconds: 50.0 / fps,
            fps,
            transcode: cost(plain),
            times_transcode: plain / fps,
            times_transcode_cpu: Some(plain / fps),
            cpu: cost(fps).cpu,
            peak_rss_bytes: Some(5e8),
            gpus: Vec::new(),
            phases: Vec::new(),
            stages: vec![StageReport {
                name: "decode".to_owned(),
                seconds: 0.5,
                units: 50,
                rate: 100.0,
                ..Default::default()
            }],
            decoder: "h264".to_owned(),
            encoder: "libx264 preset medium crf 18".to_owned(),
            refusals: vec!["refused encode by h264_nvenc: no \u{1b}card".to_owned()],
            psnr: Some(Quality { before_db: Some(18.04), after_db: None }),
            flashes: 0,
        }
    }

    pub(crate) fn bench(rows: Vec<Row>) -> Bench {
        let elsewhere = elsewhere::beside(&rows);
        let machine = Machine { processor: "A & B <2 GHz>".to_owned(), cores: 2, ..cleanplate::machine() };
        Bench {
            version: BENCH_VERSION,
            engine: "0.1.0".to_owned(),
            machine,
            runtimes: vec!["rten".to_owned()],
            rows,
            elsewhere,
        }
    }

    #[test]
    fn utilisation_is_a_share_of_all_cores() {
        assert!((Processor::of(6.0, 4.0, 2).utilisation - 0.75).abs() < 1e-12);
    }
}
