//! A whole job: index, analyse, plan, render, assemble, verify, and the new name as the last step.

use std::fs;
use std::path::Path;

use cleanplate_core::{PixelLayout, Repeats};
use cleanplate_infer::Placement;
use cleanplate_media::mux;
use cleanplate_media::source::Source;

use crate::assemble::{Partial, Segments, assemble, write_beside_video};
use crate::cards::decode_engines;
use crate::devices::{Refusal, lost_decoder};
use crate::error::{Error, Result};
use crate::gray::gray_lossless;
use crate::images;
use crate::inks::is_picture;
use crate::marks::Clip;
use crate::networks::{lost, placement};
use crate::observer::{Event, Observer, Phase};
use crate::options::{Job, Options, Target, Tier, VerifyMode};
use crate::pictures;
use crate::plan::{Mark, Plan, Repair, write_beside};
use crate::prepare::{self, Opened};
use crate::records::Extra;
use crate::region::to_shown;
use crate::render::{Render, Rendered};
use crate::repairs::repairs;
use crate::report::{
    CheckReport, FlashReport, MarkReport, OriginCounts, REPORT_VERSION, Report, SegmentReport, StreamReport,
};
use crate::subtitles;
use crate::watch::Watch;
use crate::work::{WorkFolder, need_room};

/// Does a whole job: the source is read, marks are removed, and the output takes its name only after it has been checked.
/// What an earlier, interrupted run of the same job has finished is used again.
///
/// # Errors
/// See [`ErrorKind`](crate::ErrorKind). Whatever happens, an existing output is left as it was, and no part of a new one is
/// left; finished segments stay in the work folder for the next run.
pub fn run(job: &Job, observer: &mut dyn Observer) -> Result<Report> {
    let options = &job.options;
    if let Some(input) = images::input(&job.input)? {
        return images::run(job, &input, observer);
    }
    refuse_same_file(&job.input, &job.output)?;
    refuse_captions(options)?;
    let mut phases = vec![Phase::Index];
    phases.extend(first_pass(options, options.dry_run));
    phases.push(Phase::Render);
    let as_video;
    let (carried_out, folder) = if options.frames {
        as_video = pictures::as_video(job)?;
        phases.push(Phase::Pictures);
        (&as_video, Some(&*job.output))
    } else {
        refuse_existing(&job.output, options.overwrite)?;
        phases.extend([Phase::Assemble, Phase::Verify]);
        (job, None)
    };
    let watch = &mut Watch::new(observer, phases);
    let work = WorkFolder::take(&job.output, options.work_dir.as_deref())?;
    let ended = in_work_folder(carried_out, folder, &work, watch);
    match &ended {
        // An interrupted job keeps its work; one that could not even be planned has none to keep.
        Err(_) if work.path().join("plan.json").exists() => drop(work),
        _ => work.remove()?,
    }
    ended
}

/// Makes the plan of a job, without rendering. Masks lie in a temporary folder that lives as long as the answer.
///
/// # Errors
/// As [`run`].
pub fn plan(job: &Job, observer: &mut dyn Observer) -> Result<Planned> {
    refuse_captions(&job.options)?;
    let watch = &mut Watch::new(observer, [Phase::Index].into_iter().chain(first_pass(&job.options, true)).collect());
    let folder = tempfile::tempdir().map_err(Error::io("make a folder in", std::env::temp_dir()))?;
    let opened = prepare::open(&job.input, &job.options, watch)?;
    let plan = prepare::plan(job, &opened, folder.path(), true, watch)?;
    if let Some(path) = &job.options.captions_out {
        subtitles::write(path, &plan.marks, &opened)?;
    }
    watch.end();
    Ok(Planned { plan, _folder: folder })
}

/// A plan with the source it is for.
pub struct Planned {
    /// The plan.
    pub plan: Plan,
    _folder: tempfile::TempDir,
}

/// Writes the mattes of a plan's marks: to `path`, or where there are several each with its mark's number in the name.
fn write_mattes(plan: &Plan, path: &Path, watch: &mut Watch<'_>) -> Result<()> {
    let solved: Vec<&Mark> = plan.marks.iter().filter(|mark| mark.matte.is_some()).collect();
    if solved.is_empty() {
        watch.tell(Event::warning(format!("no mark has a matte: {} was not written", path.display())));
    }
    for mark in &solved {
        let Some(name) = &mark.matte else { continue };
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        let own =
            if solved.len() > 1 { path.with_file_name(format!("{stem}-{}.matte", mark.id)) } else { path.to_owned() };
        name.load(plan.mask_folder().folder())?.write(&own)?;
        watch.tell(Event::info(format!("matte of mark {}: written to {}", mark.id, own.display())));
    }
    Ok(())
}

/// The phases that make the plan, on paper only or to be carried out.
pub(crate) fn first_pass(options: &Options, on_paper: bool) -> impl Iterator<Item = Phase> {
    let fresh = options.plan_in.is_none();
    let own = options.detect.network.is_some() || options.mattes.iter().any(|path| is_picture(path));
    let looks = options.looks_for_marks() || own;
    let repeats = on_paper && options.upscale.as_ref().is_some_and(|upscale| upscale.repeats != Repeats::Off);
    let locate = (fresh && (looks || repeats)).then_some(Phase::Analyse);
    let looks = looks || options.target != Target::Nothing;
    let looks_behind = looks && [Tier::Unblend, Tier::Borrow].iter().any(|tier| options.tiers.contains(tier));
    let solve = (fresh && looks_behind).then_some(Phase::Solve);
    locate.into_iter().chain(solve)
}

/// The job, whose frames go into `folder` where there is one.
fn in_work_folder(job: &Job, folder: Option<&Path>, work: &WorkFolder, watch: &mut Watch<'_>) -> Result<Report> {
    let options = &job.options;
    let store = work.store(!options.resume)?;
    let opened = prepare::open(&job.input, options, watch)?;
    let mut plan = prepare::plan(job, &opened, &work.masks()?, options.dry_run, watch)?;
    if let Some(path) = &options.plan_out {
        plan.save(path)?;
    }
    if let Some(path) = &options.matte_out {
        write_mattes(&plan, path, watch)?;
    }
    if folder.is_some() {
        // What a video would lose is of no matter to pictures.
        plan.copy.losses.clear();
    }
    let mut report = describe(job, &plan, &opened);
    if let Some(folder) = folder {
        report.output = folder.display().to_string();
    }
    tell_plan(&plan, &report, watch);
    if plan.marks.iter().all(|m| !m.enabled) && plan.upscale.is_none() {
        return nothing_found(job, &plan, report, watch);
    }
    if options.dry_run {
        if let Some(path) = &options.captions_out {
            subtitles::write(path, &plan.marks, &opened)?;
        }
        report.timings = watch.timings();
        return Ok(report);
    }
    need_room(&job.output, room(&plan, &opened))?;
    write_beside(&work.path().join("plan.json"), plan.json()?.as_bytes())?;
    let placement = placement(options, watch);
    let (keys, rendered) = loop {
        let keys = plan.segments.iter().map(|s| plan.key(s)).collect::<Result<Vec<_>>>()?;
        let segments = Segments { keys: &keys, store: &store };
        let rendered = match render((options, &placement), &plan, &opened, &segments, watch) {
            Ok(rendered) => rendered,
            Err(lost @ Error::Lost { .. }) => {
                let refusal = take_substitute(&mut plan, lost)?;
                watch.tell(Event::warning(refusal.words(&plan.encoder.words())));
                report.refusals.push(refusal.line());
                write_beside(&work.path().join("plan.json"), plan.json()?.as_bytes())?;
                continue;
            }
            Err(error) => return Err(error),
        };
        let repairs = repairs(&plan, rendered.records.iter().map(|(record, _)| (&record.frames, &*record.flashes)));
        if repairs.is_empty() {
            break (keys, rendered);
        }
        for repair in &repairs {
            let Repair { frames, mark, .. } = repair;
            let words = format!(
                "check: mark {mark} shows in encoded frames {}..{}: its matte is not used there",
                frames.start, frames.end
            );
            watch.tell(Event::warning(words));
        }
        plan.repairs.extend(repairs);
    };
    report.encoder_settings = plan.encoder.words();
    report.refusals.extend(lost(&placement, watch));
    if let Some(lost) = lost_decoder(&opened.source) {
        watch.tell(Event::warning(lost.words("software")));
        report.refusals.push(lost.line());
    }
    finish_report(&mut report, &rendered, &keys);
    let segments = Segments { keys: &keys, store: &store };
    match folder {
        Some(folder) => {
            pictures::write(folder, &mut segments.packs(None), work.path(), &opened, &mut report, watch)?;
            write_beside_video(options, &plan, &opened, &segments, watch)?;
        }
        None => assemble(job, &plan, &opened, &segments, &mut report, watch)?,
    }
    if options.verify == VerifyMode::Full {
        let check = flash_check(&rendered, &mut report);
        if !check.ok {
            watch.tell(Event::warning(format!("check: {}", check.detail)));
        }
        report.checks.push(check);
    }
    if let Some(upscale) = &mut plan.upscale {
        let repeats: Vec<_> = rendered.records.iter().flat_map(|(record, _)| &record.repeats).copied().collect();
        report.repeats = Some(repeats.len() as u64);
        watch.tell(Event::info(crate::upscale::shares(plan.source.frames, repeats.len() as u64)));
        let were_open = upscale.firsts.is_none();
        upscale.firsts = Some(repeats);
        if let Some(path) = options.plan_out.as_ref().filter(|_| were_open) {
            plan.save(path)?;
        }
    }
    report.timings = watch.timings();
    report.stages.extend(watch.networks());
    watch.refusals(&mut report.refusals);
    report.resources = watch.resources();
    if let Some(path) = &options.report {
        let json = serde_json::to_vec_pretty(&report).map_err(|e| Error::Internal(format!("report as JSON: {e}")))?;
        write_beside(path, &json)?;
    }
    Ok(report)
}

/// Pins the encoder that takes the place of one that was lost; no packet of that one is used.
///
/// # Errors
/// The loss itself, where there is no other.
fn take_substitute(plan: &mut Plan, lost: Error) -> Result<Refusal> {
    let Error::Lost { stage, name, frame, reason } = &lost else { return Err(lost) };
    let reason = format!("at frame {frame}: {reason}");
    let refusal = Refusal { stage, name: name.clone(), reason };
    plan.encoder = plan.substitute.take().ok_or(lost)?;
    Ok(refusal)
}

fn render(
    (options, placement): (&Options, &Placement),
    plan: &Plan,
    opened: &Opened,
    segments: &Segments<'_>,
    watch: &mut Watch<'_>,
) -> Result<Rendered> {
    let gray = |wanted: bool, extra| {
        wanted.then(|| (extra, gray_lossless(&plan.encoder, (plan.source.width, plan.source.height))))
    };
    let extras = [gray(options.origin_map.is_some(), Extra::OriginMap), gray(options.mask_out.is_some(), Extra::Mask)];
    let render = Render {
        source: &opened.source,
        plan,
        keys: segments.keys,
        store: segments.store,
        verify: options.verify,
        extras: extras.into_iter().flatten().collect(),
        hdr: opened.hdr,
        decoder_threads: options.decoder_threads.unwrap_or(0),
        decoders: options.decoders.unwrap_or_else(|| decoders(&opened.source, placement)),
        faults: &options.devices.faults,
        queue_bytes: queue_bytes(options, placement, plan, &opened.source),
        placement: placement.clone(),
    };
    let done = render.done()?;
    let before: u64 = done.iter().flatten().map(|r| r.frames.end - r.frames.start).sum();
    watch.begin(Phase::Render, plan.source.frames, before)?;
    if before > 0 {
        watch.tell(Event::info(format!(
            "resume: {before} of {} frames were done by an earlier run",
            plan.source.frames
        )));
    }
    let cancel = crate::line::Cancel::default();
    // Both closures tell the one observer; they are called in turn on this thread.
    let shared = std::cell::RefCell::new(watch);
    let rendered = render.run(done, &cancel, &mut |event| shared.borrow_mut().tell(event), &mut |frames| {
        if shared.borrow_mut().progress(before + frames).is_break() {
            cancel.set();
        }
    })?;
    let watch = shared.into_inner();
    watch.poll()?;
    watch.end();
    let damage: Vec<String> = rendered.records.iter().flat_map(|(r, _)| r.damage.summary()).collect();
    damage.into_iter().for_each(|line| watch.tell(Event::warning(format!("decode: damaged: {line}"))));
    Ok(rendered)
}

/// How many decoders may work at once: as many engines as the card has, where it decodes. Software has threads instead.
fn decoders(source: &Source, placement: &Placement) -> u32 {
    let is_on_card = source.device().is_some_and(|device| device.name() == "nvdec" && device.lost().is_none());
    let name = placement.card.as_ref().map(|card| card.name.as_str()).filter(|_| is_on_card);
    name.map_or(1, decode_engines)
}

/// Bytes of frames that wait between stages where nobody says otherwise.
pub(crate) const QUEUE_BYTES: u64 = 64 << 20;

/// Bytes of frames that may wait between stages: the window of a card that decodes takes what it needs, up to an eighth of the memory that is
/// free.
fn queue_bytes(options: &Options, placement: &Placement, plan: &Plan, source: &Source) -> u64 {
    let is_fed = source.device().is_some_and(|device| device.lost().is_none());
    let window = placement.window.filter(|_| is_fed || options.window.is_some());
    let Some(frames) = window else { return options.queue_bytes.unwrap_or(QUEUE_BYTES) };
    let pin = &plan.source;
    let window = (frames as u64).saturating_mul(plan.encoder.source_format.bytes(pin.width, pin.height));
    let most = || (crate::resources::free_memory() / 8).max(QUEUE_BYTES);
    window.min(options.queue_bytes.unwrap_or_else(most))
}

pub(crate) fn refuse_same_file(input: &Path, output: &Path) -> Result<()> {
    let same = match (fs::canonicalize(input), fs::canonicalize(output)) {
        (Ok(a), Ok(b)) => a == b || same_inode(&a, &b),
        _ => false,
    };
    if same {
        return Err(Error::Usage(format!("input and output are the same file: {}", input.display())));
    }
    Ok(())
}

#[cfg(unix)]
fn same_inode(a: &Path, b: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    matches!((fs::metadata(a), fs::metadata(b)), (Ok(a), Ok(b)) if (a.dev(), a.ino()) == (b.dev(), b.ino()))
}

#[cfg(not(unix))]
fn same_inode(_: &Path, _: &Path) -> bool {
    false
}

/// Refuses a file of captions that exists already or is of no known kind.
pub(crate) fn refuse_captions(options: &Options) -> Result<()> {
    let Some(path) = &options.captions_out else { return Ok(()) };
    subtitles::Kind::of(path)?;
    if !options.target.captions() && options.plan_in.is_none() {
        return Err(Error::Usage(format!(
            "captions are not looked for: none can be written to {} (--target captions or all)",
            path.display()
        )));
    }
    refuse_existing(path, options.overwrite)
}

pub(crate) fn refuse_existing(output: &Path, overwrite: bool) -> Result<()> {
    if output.exists() && !overwrite {
        return Err(Error::Usage(format!(
            "{} exists: choose another name or allow it to be replaced",
            output.display()
        )));
    }
    let parent = output.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if !parent.is_dir() {
        return Err(Error::Usage(format!("the folder {} does not exist", parent.display())));
    }
    Ok(())
}

/// Bytes that the work folder and the output will take, roughly and rather too few: a refusal must be certain.
fn room(plan: &Plan, opened: &Opened) -> u64 {
    let info = opened.source.info();
    let video = info.video_stream().map_or(0, |s| s.bytes);
    let pin = &plan.source;
    let lossless = matches!(plan.encoder.encoder.as_str(), "ffv1");
    let planes = match plan.encoder.source_format.layout {
        PixelLayout::Gray => 1,
        _ => 2,
    };
    let track =
        if lossless { pin.frames * u64::from(pin.width) * u64::from(pin.height) * planes / 4 } else { video / 2 };
    info.size.saturating_sub(video) + 2 * track
}

/// What looking for marks in the encoded frames has shown.
fn flash_check(rendered: &Rendered, report: &mut Report) -> CheckReport {
    let flashes = rendered.records.iter().flat_map(|(record, _)| &record.flashes);
    report.flashes =
        flashes.map(|flash| FlashReport { mark: flash.mark, frame: flash.frame, share: flash.share }).collect();
    let seen: u64 = rendered
        .records
        .iter()
        .filter(|(record, _)| !record.looked_for.is_empty())
        .map(|(record, _)| record.frames.end - record.frames.start)
        .sum();
    let share = if report.frames > 0 { 100.0 * seen as f64 / report.frames as f64 } else { 0.0 };
    let frames: Vec<String> = report.flashes.iter().take(8).map(|flash| flash.frame.to_string()).collect();
    let detail = match report.flashes.len() {
        0 => format!("no mark shows; {share:.0} % of the encoded frames were looked at"),
        n => format!("{n} frames still show a mark: {}{}", frames.join(", "), if n > 8 { " ..." } else { "" }),
    };
    CheckReport { name: "flashes".into(), ok: report.flashes.is_empty(), detail }
}

fn nothing_found(job: &Job, plan: &Plan, mut report: Report, watch: &mut Watch<'_>) -> Result<Report> {
    let reason = plan.words.last().cloned().unwrap_or_else(|| "every mark of the plan is switched off".to_owned());
    if !job.options.copy_if_clean || job.options.dry_run {
        let (what, hint) = job.options.target.sought();
        return Err(Error::NothingFound(format!(
            "no {what} was found with confidence in {}: {reason}; nothing was written{hint}",
            job.input.display()
        )));
    }
    let (from, to) = (job.input.extension(), job.output.extension());
    if !from.zip(to).is_some_and(|(a, b)| a.eq_ignore_ascii_case(b)) {
        return Err(Error::Usage("a clean file is copied as it is: input and output need the same extension".into()));
    }
    let partial = Partial::new(&job.output)?;
    fs::copy(&job.input, &partial.0).map_err(Error::io("copy to", partial.0.clone()))?;
    mux::commit(&partial.0, &job.output, job.options.overwrite)?;
    report.refusals.push(format!("nothing found ({reason}): the file was copied as it is"));
    watch.tell(Event::info(format!("copied: {} carries no mark ({reason})", job.input.display())));
    report.timings = watch.timings();
    Ok(report)
}

/// The report of a job before anything is rendered.
fn describe(job: &Job, plan: &Plan, opened: &Opened) -> Report {
    let fates = plan.copy.streams.iter().map(|s| StreamReport {
        index: s.index,
        what: s.words.clone(),
        fate: s.fate.words().to_owned(),
    });
    Report {
        version: REPORT_VERSION,
        engine: plan.engine.clone(),
        input: job.input.display().to_string(),
        output: job.output.display().to_string(),
        source: plan.source.digest.clone(),
        streams: fates.collect(),
        encoder: plan.encoder_words.clone(),
        marks: plan.marks.iter().filter(|m| m.enabled).map(|m| mark_report(m, &opened.clip)).collect(),
        frames: plan.source.frames,
        refusals: (opened.refusals.iter().map(Refusal::line))
            .chain(plan.refusals.iter().cloned())
            .chain(crate::analyse::doubts(&plan.words))
            .chain(plan.copy.losses.iter().map(|l| format!("lost with consent ({}): {}", l.kind, l.what)))
            .collect(),
        damage: opened.source.damage().summary(),
        ..Report::default()
    }
}

/// A mark of `clip` as reports show it before anything is restored.
pub(crate) fn mark_report(mark: &Mark, clip: &Clip) -> MarkReport {
    let seconds = |idx: u64| clip.starts.get(idx as usize).copied().unwrap_or_default();
    MarkReport {
        id: mark.id,
        from: mark.from.name().to_owned(),
        rect: to_shown(mark.rect, clip.size, clip.rotation),
        start: mark.span.start,
        end: mark.span.end,
        start_seconds: seconds(mark.span.start),
        last_seconds: seconds(mark.span.end.saturating_sub(1)),
        area: mark.area,
        confidence: mark.confidence,
        reason: mark.reason.clone(),
        alpha: mark.matte.as_ref().map(|matte| matte.alpha),
        origins: OriginCounts::default(),
    }
}

fn tell_plan(plan: &Plan, report: &Report, watch: &mut Watch<'_>) {
    for mark in &report.marks {
        let cleanplate_core::Rect { x, y, w, h } = mark.rect;
        watch.tell(Event::info(format!(
            "mark {}: {} at {x},{y} {w}x{h} | frames {}..{} | {} pixels | {}",
            mark.id, mark.from, mark.start, mark.end, mark.area, mark.reason
        )));
    }
    plan.encoder_words.iter().for_each(|line| watch.tell(Event::info(format!("encode: {line}"))));
    plan.copy.notes.iter().for_each(|line| watch.tell(Event::info(format!("mux: {line}"))));
    for lost in &plan.copy.losses {
        watch.tell(Event::warning(format!("mux: lost with consent ({}): {}", lost.kind, lost.what)));
    }
    for stream in report.streams.iter().filter(|s| s.fate.starts_with("left out")) {
        watch.tell(Event::warning(format!("stream {}: {}: {}", stream.index, stream.what, stream.fate)));
    }
}

fn finish_report(report: &mut Report, rendered: &Rendered, keys: &[String]) {
    let mut origins = OriginCounts::default();
    for ((record, resumed), key) in rendered.records.iter().zip(keys) {
        origins.add(record.origins);
        report.count(&record.by_mark);
        report.frames_marked += record.frames_marked;
        report.damage.extend(record.damage.summary());
        report.segments.push(SegmentReport {
            start: record.frames.start,
            end: record.frames.end,
            key: key.clone(),
            bytes: record.bytes,
            resumed: *resumed,
            decoded: record.decoded,
            origins: record.origins,
            frames_marked: record.frames_marked,
        });
    }
    report.origins = origins;
    report.stages = rendered.stages.clone();
}
