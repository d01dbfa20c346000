//! A whole job on images: marks are placed as on a video, and every image is restored and written on its own, whole or not
//! at all.

use std::collections::BTreeMap;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use cleanplate_core::{Frame, FrameIdx, MaskTrack, Raster, Repeats, Row};
use cleanplate_infer::Placement;
use cleanplate_media::{Error as MediaError, Rational};
use image::{ExtendedColorType, ImageEncoder, ImageFormat, codecs::png::PngEncoder};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::input::Input;
use super::sequence::Sequence;
use super::still::{Still, is_lossless, target};
use crate::analyse::doubts;
use crate::error::{Error, Result};
use crate::footage::Footage;
use crate::masks::{MaskFolder, MaskRef, hex};
use crate::mattes::MatteRef;
use crate::networks::{FillModel, lost, placement};
use crate::observer::{Event, Observer, Phase};
use crate::options::{EncodeOptions, Job, UpscaleOptions, VerifyMode};
use crate::plan::{ALGORITHMS, Mark, write_beside};
use crate::plates::PlateRef;
use crate::prepare::place_marks;
use crate::report::{CheckReport, OriginCounts, REPORT_VERSION, Report, SegmentReport, StreamReport};
use crate::restore::{Extras, Means, Restoration, Restored, context};
use crate::run::{first_pass, mark_report, refuse_existing, refuse_same_file};
use crate::stages::Stage;
use crate::store::{DirStore, Store};
use crate::upscale::{Coding, Enlarger, Upscale};
use crate::watch::Watch;
use crate::work::{WorkFolder, need_room};

/// What is kept of an image that has been written.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Record {
    /// SHA-256 of the written file.
    sha256: String,
    bytes: u64,
    marked: bool,
    decoded: bool,
    origins: OriginCounts,
    by_mark: BTreeMap<u32, OriginCounts>,
}

/// Does a job on images. See [`run`](crate::run).
pub(crate) fn run(job: &Job, input: &Input, observer: &mut dyn Observer) -> Result<Report> {
    let options = &job.options;
    let mut phases = vec![Phase::Index];
    phases.extend(first_pass(options, false));
    phases.push(Phase::Render);
    let watch = &mut Watch::new(observer, phases);
    let work = Work::new(job, input)?;
    let folder = WorkFolder::take(&job.output, options.work_dir.as_deref())?;
    let ended = folder.store(!options.resume).and_then(|store| work.run(&folder.masks()?, &store, input, watch));
    match &ended {
        // What is written already is recorded there.
        Err(_) if folder.store(false).is_ok_and(|store| !store.is_empty()) => drop(folder),
        _ => folder.remove()?,
    }
    ended
}

/// A job whose files are known.
struct Work<'a> {
    job: &'a Job,
    files: Vec<PathBuf>,
    outputs: Vec<PathBuf>,
    targets: Vec<ImageFormat>,
    single: bool,
}

impl<'a> Work<'a> {
    fn new(job: &'a Job, input: &Input) -> Result<Self> {
        let options = &job.options;
        let single = matches!(input, Input::Single(_));
        let (files, outputs) = (input.files(), input.outputs(&job.output)?);
        let targets = outputs.iter().map(|path| target(path)).collect::<Result<_>>()?;
        for (file, output) in files.iter().zip(&outputs) {
            refuse_same_file(file, output)?;
        }
        if single {
            refuse_existing(&job.output, options.overwrite)?;
        }
        let video_only = [
            (options.stream.is_some(), "a stream"),
            (options.encode != EncodeOptions::default(), "encoder settings"),
            (options.plan_in.is_some() || options.plan_out.is_some(), "a plan"),
            (options.captions_out.is_some(), "a file of captions"),
            (options.frames, "writing frames (images are written as images)"),
            (!single && (options.origin_map.is_some() || options.mask_out.is_some()), "a map of a sequence"),
        ];
        if let Some((_, what)) = video_only.iter().find(|(is, _)| *is) {
            return Err(MediaError::unsupported(format!("{what} is not available where the input is images")).into());
        }
        Ok(Self { job, files, outputs, targets, single })
    }

    fn run(&self, masks: &Path, store: &DirStore, input: &Input, watch: &mut Watch<'_>) -> Result<Report> {
        let options = &self.job.options;
        watch.begin(Phase::Index, self.files.len() as u64, 0)?;
        let sequence = Sequence::open(self.files.clone(), watch)?;
        watch.end();
        let (w, h) = sequence.clip().size;
        let count = self.files.len();
        watch.tell(Event::info(format!("source: {count} images {w}x{h} | {}", self.job.input.display())));
        let mut report = self.describe();
        if let Input::Folder(_, others) = input {
            for name in others {
                let line = format!("{name} is no image: passed over");
                watch.tell(Event::warning(format!("source: {line}")));
                report.refusals.push(line);
            }
        }
        let placement = placement(options, watch);
        let mut said = Vec::new();
        let enlarger = self.enlarger(&sequence, &placement, &mut said, watch)?;
        report.refusals.extend(doubts(&said));
        if self.single && !options.names_marks() && enlarger.is_none() {
            return Err(Error::NothingFound(format!(
                "{} is a single image: a mark is located by comparing frames, and there is nothing to compare it with; \
                 nothing was written (name the place with --region or --mask)",
                self.job.input.display()
            )));
        }
        let (marks, words) = place_marks(options, &sequence, masks, watch)?;
        watch.end();
        report.refusals.extend(doubts(&words));
        report.marks = marks.iter().map(|m| mark_report(m, sequence.clip())).collect();
        if marks.is_empty() && enlarger.is_none() {
            return self.nothing_found(&words, report, watch);
        }
        for mark in &report.marks {
            let cleanplate_core::Rect { x, y, w, h } = mark.rect;
            watch.tell(Event::info(format!("mark {}: {} at {x},{y} {w}x{h} | {}", mark.id, mark.from, mark.reason)));
        }
        if options.dry_run {
            report.timings = watch.timings();
            return Ok(report);
        }
        self.render(&marks, (enlarger, &placement), (masks, store), &sequence, &mut report, watch)?;
        report.refusals.extend(lost(&placement, watch));
        report.timings = watch.timings();
        report.stages.extend(watch.networks());
        watch.refusals(&mut report.refusals);
        report.resources = watch.resources();
        if let Some(path) = &options.report {
            let json = serde_json::to_vec_pretty(&report);
            write_beside(path, &json.map_err(|e| Error::Internal(format!("report as JSON: {e}")))?)?;
        }
        Ok(report)
    }

    /// What enlarges, where that is asked for; every image is computed on its own.
    fn enlarger(
        &self,
        sequence: &Sequence,
        placement: &Placement,
        said: &mut Vec<String>,
        watch: &mut Watch<'_>,
    ) -> Result<Option<Enlarger>> {
        let Some(wanted) = &self.job.options.upscale else { return Ok(None) };
        let wanted = UpscaleOptions { repeats: Repeats::Off, ..wanted.clone() };
        let is_jpeg = |file: &PathBuf| {
            file.extension().is_some_and(|e| ["jpg", "jpeg"].iter().any(|known| e.eq_ignore_ascii_case(known)))
        };
        let coding = Coding::images(self.files.iter().any(is_jpeg));
        let square = Rational::new(1, 1);
        let (plan, _) = Upscale::asked(&wanted, &self.job.options, (sequence.clip(), coding), square, said, watch)?;
        Enlarger::open(&plan, placement).map(Some)
    }

    fn describe(&self) -> Report {
        let what = format!("{} images", self.files.len());
        Report {
            version: REPORT_VERSION,
            engine: env!("CARGO_PKG_VERSION").to_owned(),
            input: self.job.input.display().to_string(),
            output: self.job.output.display().to_string(),
            streams: vec![StreamReport { index: 0, what, fate: "restored".to_owned() }],
            frames: self.files.len() as u64,
            ..Report::default()
        }
    }

    fn nothing_found(&self, words: &[String], mut report: Report, watch: &mut Watch<'_>) -> Result<Report> {
        let reason = words.last().map_or("the marks cover nothing", String::as_str);
        if !self.job.options.copy_if_clean || self.job.options.dry_run {
            return Err(Error::NothingFound(format!(
                "no mark was found with confidence in {}: {reason}; nothing was written (name the place with --region)",
                self.job.input.display()
            )));
        }
        for (file, output) in self.files.iter().zip(&self.outputs) {
            watch.poll()?;
            self.ready(output)?;
            let bytes = fs::read(file).map_err(Error::io("read", file.clone()))?;
            if file.extension() != output.extension() {
                return Err(Error::Usage(
                    "a clean image is copied as it is: input and output need the same extension".into(),
                ));
            }
            write_beside(output, &bytes)?;
        }
        report.refusals.push(format!("nothing found ({reason}): the images were copied as they are"));
        report.timings = watch.timings();
        Ok(report)
    }

    /// Refuses an existing file, and makes the folder of a new one.
    fn ready(&self, output: &Path) -> Result<()> {
        if self.single {
            return Ok(());
        }
        if output.exists() && !self.job.options.overwrite {
            return Err(Error::Usage(format!(
                "{} exists: choose another folder or allow its images to be replaced",
                output.display()
            )));
        }
        match output.parent().filter(|p| !p.as_os_str().is_empty()) {
            Some(folder) => fs::create_dir_all(folder).map_err(Error::io("make the folder", folder)),
            None => Ok(()),
        }
    }

    fn render(
        &self,
        marks: &[Mark],
        (mut enlarger, placement): (Option<Enlarger>, &Placement),
        (masks, store): (&Path, &DirStore),
        sequence: &Sequence,
        report: &mut Report,
        watch: &mut Watch<'_>,
    ) -> Result<()> {
        let options = &self.job.options;
        let tracks = marks.iter().map(Mark::track).collect::<Result<Vec<_>>>()?;
        let clip = sequence.clip();
        let bytes = clip.format.bytes(clip.size.0, clip.size.1);
        let tiers: Vec<_> = options.tiers.iter().copied().collect();
        let (fill_model, refused) = FillModel::of(options, watch)?;
        report.refusals.extend(doubts(&refused));
        let means = Means { tiers, fill_model, placement: placement.clone() };
        let upscale = enlarger.as_ref().map(Enlarger::key);
        let keys = self.keys((marks, &tracks), &means, upscale, bytes, watch)?;
        let done: Vec<Option<Record>> =
            (0..keys.len()).map(|n| self.done(n, &keys[n], store)).collect::<Result<_>>()?;
        for (output, _) in self.outputs.iter().zip(&done).filter(|(_, done)| done.is_none()) {
            self.ready(output)?;
        }
        let size = |n: usize| fs::metadata(&self.files[n]).map_or(0, |m| m.len());
        need_room(&self.job.output, (0..done.len()).filter(|n| done[*n].is_none()).map(size).sum::<u64>() / 2)?;
        let before = done.iter().flatten().count() as u64;
        watch.begin(Phase::Render, keys.len() as u64, before)?;
        if before > 0 {
            watch.tell(Event::info(format!("resume: {before} of {} images were done by an earlier run", keys.len())));
        }
        let extras =
            Extras { origin_map: options.origin_map.is_some(), mask: options.mask_out.is_some(), templates: false };
        let mut restoration = Restoration::of(marks, &[], &means, MaskFolder::new(masks), extras, bytes)?;
        let tiers: Vec<&str> = means.tiers.iter().map(|tier| tier.name()).collect();
        // One image after another is read, restored, enlarged where that is asked for, and written.
        let stage = Stage::new("restore", tiers.join(", "));
        watch.tell(stage.starts());
        let (mut finished, since) = (before, std::time::Instant::now());
        let was_done: Vec<bool> = done.iter().map(Option::is_some).collect();
        let missing: Vec<Range<FrameIdx>> =
            (0..).zip(&was_done).filter(|(_, done)| !**done).map(|(n, _)| n..n + 1).collect();
        let mut records = done;
        let segment = |n: usize, resumed| Event::Segment { number: n, start: n as u64, end: n as u64 + 1, resumed };
        (0..keys.len()).filter(|n| was_done[*n]).for_each(|n| watch.tell(segment(n, true)));
        let mut frames = sequence.frames(0)?;
        restoration.over(frames.as_mut(), &missing, keys.len() as FrameIdx, &mut |_, frame, restored| {
            let n = frame.idx as usize;
            let frame = match &mut enlarger {
                Some(enlarger) => enlarger.enlarge(&[frame])?.remove(0).0,
                None => frame,
            };
            let record = self.image(n, &frame, restored, sequence, report)?;
            let mut writer = store.put(&record_name(&keys[n]))?;
            let json = serde_json::to_vec(&record).map_err(|e| Error::Internal(format!("image record: {e}")))?;
            std::io::Write::write_all(&mut writer, &json).map_err(Error::io("write", store.path(&keys[n])))?;
            writer.commit()?;
            records[n] = Some(record);
            watch.tell(segment(n, false));
            finished += 1;
            let is_last = finished == keys.len() as u64;
            if watch.progress(finished).is_break() && !is_last { Err(Error::Cancelled) } else { Ok(()) }
        })?;
        for (n, (record, resumed)) in records.into_iter().zip(was_done).enumerate() {
            let record = record.ok_or_else(|| Error::Internal(format!("image {n} was left out")))?;
            let (start, end) = (n as FrameIdx, n as FrameIdx + 1);
            report.origins.add(record.origins);
            report.count(&record.by_mark);
            report.frames_marked += u64::from(record.marked);
            report.segments.push(SegmentReport {
                start,
                end,
                key: keys[n].clone(),
                bytes: record.bytes,
                resumed,
                decoded: record.decoded,
                origins: record.origins,
                frames_marked: u64::from(record.marked),
            });
        }
        watch.end();
        stage.did(finished - before, since);
        watch.tell(stage.ends());
        report.stages = vec![stage.report()];
        report.checks.push(self.check(report));
        watch.tell(Event::info(format!("written: {} | {} images", self.job.output.display(), keys.len())));
        Ok(())
    }

    fn check(&self, report: &Report) -> CheckReport {
        let decoded = report.segments.iter().filter(|s| s.decoded).count();
        let full = self.job.options.verify == VerifyMode::Full;
        let detail = if full {
            format!("{decoded} of {} images were decoded again before they took their names", report.segments.len())
        } else {
            "not asked for (--verify packets)".to_owned()
        };
        CheckReport { name: "images decoded".to_owned(), ok: !full || decoded == report.segments.len(), detail }
    }

    /// A digest of everything that decides each image's bits: itself and its `context` images before and after it.
    fn keys(
        &self,
        (marks, tracks): (&[Mark], &[MaskTrack<MaskRef>]),
        means: &Means,
        upscale: Option<serde_json::Value>,
        picture_bytes: u64,
        watch: &mut Watch<'_>,
    ) -> Result<Vec<String>> {
        let options = &self.job.options;
        let context = context(&means.tiers, means.fill_model.as_ref(), picture_bytes);
        let mut seen = Vec::with_capacity(self.files.len());
        for (n, file) in self.files.iter().enumerate() {
            watch.poll()?;
            let bytes = fs::read(file).map_err(Error::io("read", file.clone()))?;
            let masks: Vec<&MaskRef> = tracks.iter().filter_map(|t| t.at(n as FrameIdx)).collect();
            let here = || marks.iter().filter(|mark| mark.span.contains(&(n as FrameIdx)));
            let mattes: Vec<&MatteRef> = here().filter_map(|mark| mark.matte.as_ref()).collect();
            let plates = here().flat_map(|mark| &mark.plates);
            let plates: Vec<&PlateRef> = plates.filter(|plate| plate.frames.contains(&(n as FrameIdx))).collect();
            seen.push(serde_json::json!([hex(&Sha256::digest(&bytes)), masks, mattes, plates]));
        }
        let mut keys = Vec::with_capacity(self.files.len());
        for n in 0..self.files.len() {
            let first = n.saturating_sub(context.0 as usize);
            let last = (n + context.1 as usize).min(seen.len() - 1);
            let all = serde_json::json!({
                "algorithms": ALGORITHMS,
                "engine": env!("CARGO_PKG_VERSION"),
                "source": [&seen[n]],
                "around": &seen[first..=last],
                "format": format!("{:?}", self.targets[n]),
                "accept": options.accept_loss,
                "tiers": means.tiers,
                "fill_model": means.fill_model.as_ref().map(FillModel::key),
                "upscale": upscale,
            });
            let text = serde_json::to_vec(&all).map_err(|e| Error::Internal(format!("image key: {e}")))?;
            keys.push(hex(&Sha256::digest(&text))[..40].to_owned());
        }
        Ok(keys)
    }

    /// The record of an image that an earlier run has written, where the file is still as it was written.
    fn done(&self, n: usize, key: &str, store: &DirStore) -> Result<Option<Record>> {
        let Some(file) = store.get(&record_name(key))? else { return Ok(None) };
        let Ok(record) = serde_json::from_reader::<_, Record>(std::io::BufReader::new(file)) else { return Ok(None) };
        let Ok(written) = fs::read(&self.outputs[n]) else { return Ok(None) };
        let enough = record.decoded || self.job.options.verify == VerifyMode::Packets;
        Ok((enough && hex(&Sha256::digest(&written)) == record.sha256).then_some(record))
    }

    fn image(
        &self,
        n: usize,
        frame: &Frame,
        restored: Restored,
        sequence: &Sequence,
        report: &mut Report,
    ) -> Result<Record> {
        let options = &self.job.options;
        let (file, output, format) = (&self.files[n], &self.outputs[n], self.targets[n]);
        let still = Still::read(file, n as FrameIdx)?;
        let (size, rotation) = (sequence.clip().size, sequence.clip().rotation);
        if (still.frame.width, still.frame.height) != size || still.rotation != rotation {
            return Err(MediaError::Input(format!("{} has changed since the job began", file.display())).into());
        }
        let bytes = still.encode(frame, format, &options.accept_loss)?;
        let decoded = options.verify == VerifyMode::Full;
        if decoded {
            verify(output, &bytes, frame, format)?;
        }
        for what in still.left(format) {
            report.refusals.push(format!("{}: {what} describes the old file: left out", file.display()));
        }
        for (path, raster) in [(&options.origin_map, &restored.origin_map), (&options.mask_out, &restored.mask)] {
            if let Some((path, raster)) = path.as_ref().zip(raster.as_ref()) {
                refuse_existing(path, options.overwrite)?;
                write_beside(path, &gray_png(raster)?)?;
            }
        }
        write_beside(output, &bytes)?;
        Ok(Record {
            sha256: hex(&Sha256::digest(&bytes)),
            bytes: bytes.len() as u64,
            marked: restored.marked,
            decoded,
            origins: restored.origins,
            by_mark: restored.by_mark,
        })
    }
}

/// Decodes a written image again: to the same samples where the format is lossless.
fn verify(path: &Path, bytes: &[u8], frame: &Frame, format: ImageFormat) -> Result<()> {
    let failed = |what: &str| Error::Verification(format!("the image {} {what}", path.display()));
    let again = Still::of(path, bytes.to_vec(), frame.idx)?.frame;
    if (again.width, again.height) != (frame.width, frame.height) {
        return Err(failed("decodes to another size than it was written with"));
    }
    // A format that takes less than the frame has was consented to.
    if !is_lossless(format) || again.format != frame.format {
        return Ok(());
    }
    let same = (0..frame.format.planes()).all(|plane| {
        (0..frame.height).all(|y| match (frame.row(plane, y), again.row(plane, y)) {
            (Row::U8(a), Row::U8(b)) => a == b,
            (Row::U16(a), Row::U16(b)) => a == b,
            _ => false,
        })
    });
    if same { Ok(()) } else { Err(failed("does not decode to the samples that were written")) }
}

fn gray_png(raster: &Raster<u8>) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    PngEncoder::new(&mut bytes)
        .write_image(raster.data(), raster.width(), raster.height(), ExtendedColorType::L8)
        .map_err(|e| Error::Internal(format!("map as PNG: {e}")))?;
    Ok(bytes)
}

fn record_name(key: &str) -> String {
    format!("{key}.json")
}
