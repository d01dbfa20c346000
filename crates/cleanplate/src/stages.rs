//! What the stages of a job do and cost: a line when one starts, with what runs it, and one when it ends, and all of it for the report.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use cleanplate_infer::Meter;

use crate::analyse::REFUSED;
use crate::devices::{CHECK, DECODE, ENCODE, UPSCALE};
use crate::observer::Event;
use crate::options::VerifyMode;
use crate::plan::Plan;
use crate::render::Render;
use crate::report::StageReport;

/// A stage of a job.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) name: &'static str,
    /// What runs it, in words.
    runs_on: String,
    /// Busy, not waiting for its neighbours.
    micros: AtomicU64,
    frames: AtomicU64,
}

impl Stage {
    pub(crate) const fn new(name: &'static str, runs_on: String) -> Self {
        Self { name, runs_on, micros: AtomicU64::new(0), frames: AtomicU64::new(0) }
    }

    /// So many frames were done; it was busy `since` then.
    pub(crate) fn did(&self, frames: u64, since: Instant) {
        self.micros.fetch_add(since.elapsed().as_micros() as u64, Ordering::Relaxed);
        self.frames.fetch_add(frames, Ordering::Relaxed);
    }

    /// How many frames it has done.
    pub(crate) fn frames(&self) -> u64 {
        self.frames.load(Ordering::Relaxed)
    }

    /// That it starts.
    pub(crate) fn starts(&self) -> Event {
        Event::info(format!("{}: {}", self.name, self.runs_on))
    }

    /// That it has ended.
    pub(crate) fn ends(&self) -> Event {
        let StageReport { name, seconds, units, rate, .. } = self.report();
        Event::info(format!("{name}: {units} frames in {seconds:.1} s ({rate:.1} fps)"))
    }

    /// The same, which says that it has ended when it is dropped.
    pub(crate) const fn told<'a>(&'a self, say: &'a (dyn Fn(Event) + Sync)) -> Ending<'a> {
        Ending { stage: self, say }
    }

    pub(crate) fn report(&self) -> StageReport {
        let seconds = self.micros.load(Ordering::Relaxed) as f64 / 1e6;
        cost(self.name.to_owned(), &self.runs_on, seconds, self.frames())
    }
}

/// A running stage: that it ends is told, however that happens.
pub(crate) struct Ending<'a> {
    stage: &'a Stage,
    say: &'a (dyn Fn(Event) + Sync),
}

impl std::ops::Deref for Ending<'_> {
    type Target = Stage;

    fn deref(&self) -> &Stage {
        self.stage
    }
}

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        (self.say)(self.stage.ends());
    }
}

/// The stages of rendering.
pub(crate) struct Stages {
    pub(crate) decode: Stage,
    pub(crate) restore: Stage,
    pub(crate) upscale: Option<Stage>,
    pub(crate) encode: Stage,
    pub(crate) check: Stage,
}

impl Stages {
    /// Of that rendering, with what runs them.
    pub(crate) fn of(render: &Render<'_>) -> Self {
        let plan = render.plan;
        let device = render.source.device().filter(|device| device.lost().is_none());
        let several = if render.decoders > 1 { format!(", {} at once", render.decoders) } else { String::new() };
        let decoder = match (device, render.decoder_threads) {
            (Some(device), _) => format!("{}{several}", device.name()),
            (None, 0) => "software, threads as libav chooses".to_owned(),
            (None, threads) => format!("software, {threads} threads"),
        };
        // Its tiles are sized where the network runs.
        let upscale = plan.upscale.as_ref().map(|upscale| {
            let name = &upscale.model.name;
            Stage::new(UPSCALE, format!("{name} to {}x{}", upscale.width, upscale.height))
        });
        let check = match render.verify {
            VerifyMode::Full => "every encoded frame is decoded again",
            VerifyMode::Packets => "packets alone",
        };
        Self {
            decode: Stage::new(DECODE, decoder),
            restore: Stage::new("restore", tiers(plan)),
            upscale,
            encode: Stage::new(ENCODE, format!("{}, {} threads", plan.encoder.words(), plan.encoder.threads)),
            check: Stage::new(CHECK, check.to_owned()),
        }
    }

    /// All of them, in the order in which a frame meets them.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Stage> {
        let Self { decode, restore, upscale, encode, check } = self;
        [decode, restore].into_iter().chain(upscale).chain([encode, check])
    }
}

/// By what the holes of a plan are settled, in words.
fn tiers(plan: &Plan) -> String {
    if plan.marks.iter().all(|mark| !mark.enabled) {
        return "nothing, there is no mark".to_owned();
    }
    let names: Vec<&str> = plan.tiers.iter().map(|tier| tier.name()).collect();
    names.join(", ")
}

/// The stage of running a network, as lines and reports name it: after a built-in network's role, or the name of a file.
fn network(meter: &Meter) -> String {
    let name = meter.network.trim_start_matches("the built-in ");
    let name = name.strip_suffix(" network").or_else(|| name.strip_prefix("network ")).unwrap_or(name);
    format!("net {name}")
}

/// That a network starts on a runtime.
pub(crate) fn network_starts(meter: &Meter) -> Event {
    Event::info(format!("{}: {}", network(meter), meter.runtime))
}

/// What refused it when it was opened, a line each.
pub(crate) fn network_refusals(meter: &Meter) -> impl Iterator<Item = (String, &String)> {
    meter.refusals.iter().map(|reason| (format!("{REFUSED} {} on {reason}", network(meter)), reason))
}

/// What it has done there since `before`.
pub(crate) fn network_ends(meter: &Meter, before: &Meter) -> Event {
    let (inputs, seconds) = (meter.inputs - before.inputs, (meter.busy - before.busy).as_secs_f64());
    let rate = inputs as f64 / seconds.max(1e-9);
    Event::info(format!(
        "{}: {inputs} inputs in {seconds:.1} s ({rate:.1} a second) on {}",
        network(meter),
        meter.runtime
    ))
}

pub(crate) fn network_report(meter: &Meter) -> StageReport {
    cost(network(meter), meter.runtime, meter.busy.as_secs_f64(), meter.inputs)
}

fn cost(name: String, runs_on: &str, seconds: f64, units: u64) -> StageReport {
    let rate = if seconds > 0.0 { units as f64 / seconds } else { 0.0 };
    StageReport { name, runs_on: runs_on.to_owned(), seconds, units, rate }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn lines_have_what_runs_a_stage_and_then_count_seconds_and_rate() {
        let stage = Stage::new("decode", "software, 2 threads".to_owned());
        assert_eq!(stage.starts(), Event::info("decode: software, 2 threads"));
        stage.frames.store(300, Ordering::Relaxed);
        stage.micros.store(2_100_000, Ordering::Relaxed);
        assert_eq!(stage.ends(), Event::info("decode: 300 frames in 2.1 s (142.9 fps)"));
        let before = Meter {
            network: "the built-in text network".to_owned(),
            runtime: "rten",
            refusals: vec!["onnxruntime: it is not installed".to_owned()],
            inputs: 10,
            busy: Duration::from_secs(1),
        };
        assert_eq!(network_starts(&before), Event::info("net text: rten"));
        let meter = Meter { inputs: 60, busy: Duration::from_secs(6), ..before.clone() };
        assert_eq!(network_ends(&meter, &before), Event::info("net text: 50 inputs in 5.0 s (10.0 a second) on rten"));
        for (name, short) in [("the built-in network fast-coded", "net fast-coded"), ("D.onnx", "net D.onnx")] {
            assert_eq!(network(&Meter { network: name.to_owned(), ..before.clone() }), short);
        }
    }
}
