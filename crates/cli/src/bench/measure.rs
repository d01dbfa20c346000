//! One row: a clip is drawn, transcoded, worked on, transcoded once more, and the result compared with the truth.

use std::path::Path;
use std::time::Instant;

use cleanplate::{Control, Error, Event, Job, Level, Observer, Options, Result, Target, UpscaleOptions};
use cleanplate_testkit::Psnr;
use cpu_time::ProcessTime;

use super::scene::{Kind, Scene, Size};
use super::{Cost, Processor, Quality, Row};
use crate::watch::Watch;

/// Every so many frames are compared with the truth, which has to be drawn once more for that.
const JUDGED_EVERY: usize = 4;

/// Measures `kind` at `size` on `frames` frames, with files in `folder` that are replaced.
pub(crate) fn row(
    (kind, size, frames): (Kind, &Size, u32),
    options: &Options,
    (folder, cores): (&Path, usize),
    watch: &mut Watch,
) -> Result<Row> {
    let path = |name: &str| folder.join(name);
    let (input, plain, output) = (path("clip.mp4"), path("transcoded.mp4"), path("worked-on.mp4"));
    let scene = Scene::of(kind, size, frames);
    let (name, from) = (kind.name(), scene.size());
    tracing::info!("bench: {name} {}: drawing {frames} frames of {}x{}", size.name, from.0, from.1);
    cleanplate::write_clip(&input, scene.frames().map(|frame| interruptible(frame, watch)))?;
    let job = |output: &Path, options| Job { input: input.clone(), output: output.to_owned(), options };
    let transcode = |watch: &mut Watch| {
        let (done, _, cpu) = measured(|| cleanplate::transcode(&job(&plain, options.clone()), &mut Quiet(watch)))?;
        Ok::<_, Error>((done, cpu))
    };
    let (transcoded, before) = transcode(watch)?;
    forget_peak();
    let (report, seconds, cpu) = measured(|| {
        let job = job(&output, told(kind, options));
        cleanplate::run(&job, &mut Quiet(watch)).map_err(|error| match error {
            Error::NothingFound(why) => Error::NothingFound(format!(
                "{name} {}: {why}; more may be seen in a longer clip (--frames)",
                size.name
            )),
            other => other,
        })
    })?;
    let (again, after) = transcode(watch)?;
    watch.end();
    let runs = [transcoded.seconds, again.seconds];
    let plain_seconds = (runs[0] + runs[1]) / 2.0;
    let transcode = Cost {
        seconds: plain_seconds,
        runs,
        fps: transcoded.frames as f64 / plain_seconds.max(1e-9),
        cpu: before.zip(after).map(|(a, b)| Processor::of((a + b) / 2.0, plain_seconds, cores)),
    };
    let fps = report.frames as f64 / seconds.max(1e-9);
    tracing::info!("bench: {name} {}: {fps:.1} fps, transcode {:.1} fps", size.name, transcode.fps);
    let psnr = if kind == Kind::Upscale { None } else { Some(judge(&scene, &input, &output, watch)?) };
    Ok(Row {
        job: name,
        size: size.name.clone(),
        from,
        to: (size.width, size.height),
        frames: report.frames,
        seconds,
        fps,
        times_transcode: seconds / transcode.seconds.max(1e-9),
        times_transcode_cpu: cpu.zip(transcode.cpu).map(|(own, plain)| own / plain.seconds.max(1e-9)),
        transcode,
        cpu: cpu.map(|cpu| Processor::of(cpu, seconds, cores)),
        peak_rss_bytes: report.resources.peak_rss_bytes,
        gpus: report.resources.gpus,
        phases: report.timings,
        stages: report.stages,
        decoder: transcoded.decoder,
        encoder: report.encoder_settings,
        // What was doubted on the way is of no matter to speed.
        refusals: report.refusals.into_iter().filter(|line| line.starts_with("refused ")).collect(),
        psnr,
        flashes: report.flashes.len(),
    })
}

/// What a user would ask for.
fn told(kind: Kind, options: &Options) -> Options {
    let target = match kind {
        Kind::Remove => Target::Marks,
        Kind::Captions => Target::Captions,
        Kind::Upscale => Target::Nothing,
    };
    let upscale = (kind == Kind::Upscale).then(UpscaleOptions::default);
    Options { target, upscale, ..options.clone() }
}

/// What `body` gives, the wall seconds that it took, and the processor's where the system tells.
fn measured<T>(body: impl FnOnce() -> Result<T>) -> Result<(T, f64, Option<f64>)> {
    let (since, used) = (Instant::now(), ProcessTime::try_now().ok());
    let done = body()?;
    let seconds = since.elapsed().as_secs_f64();
    let cpu = used.and_then(|used| Some(ProcessTime::try_now().ok()?.duration_since(used).as_secs_f64()));
    Ok((done, seconds, cpu))
}

/// Sets the peak of this process's memory back to what it holds now (proc(5), `clear_refs`), so that every row has its own. Where that
/// cannot be, the peak is that of all rows so far.
fn forget_peak() {
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

/// How close clip and output come to the truth inside of the marks.
fn judge(scene: &Scene, input: &Path, output: &Path, watch: &Watch) -> Result<Quality> {
    let (mut before, mut after) = (Psnr::default(), Psnr::default());
    let pairs = cleanplate::read_clip(input)?.zip(cleanplate::read_clip(output)?).zip(0..scene.len());
    for ((marked, clean), idx) in pairs.step_by(JUDGED_EVERY) {
        let (marked, clean) = (interruptible(marked?, watch)?, clean?);
        if scene.shown(idx).next().is_none() {
            continue;
        }
        let truth = scene.truth(idx).ok_or_else(|| Error::Internal(format!("the scene has no frame {idx}")))?;
        for mark in scene.shown(idx) {
            // Where less shows through, nothing is to be judged.
            let mask = mark.support(0.02);
            before.add(&marked, &truth, &mask);
            after.add(&clean, &truth, &mask);
        }
    }
    let finite = |psnr: &Psnr| psnr.plane(0).filter(|db| db.is_finite());
    Ok(Quality { before_db: finite(&before), after_db: finite(&after) })
}

fn interruptible<T>(value: T, watch: &Watch) -> Result<T> {
    if watch.is_interrupted() { Err(Error::Cancelled) } else { Ok(value) }
}

/// Lets a job's warnings and progress through; what else it says is for whoever looks for a fault.
struct Quiet<'a>(&'a mut Watch);

impl Observer for Quiet<'_> {
    fn event(&mut self, event: Event) {
        match event {
            Event::Log { level: Level::Warning, .. } => self.0.event(event),
            Event::Log { message, .. } => self.0.event(Event::debug(message)),
            other => self.0.show(&other),
        }
    }

    fn control(&mut self) -> Control {
        self.0.control()
    }
}
