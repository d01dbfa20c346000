//! The end of a job: segments are joined with every other stream of the source, the file is proved, and takes its name as the last step.

use std::fs::{self, File};
use std::io::BufReader;
use std::path::Path;
use std::time::Instant;

use cleanplate_media::Container;
use cleanplate_media::mux::{self, Fate};
use cleanplate_media::pack::PackReader;
use cleanplate_media::source::Timing;

use crate::devices::MUX;
use crate::error::{Error, Result};
use crate::faults::Fault;
use crate::observer::{Event, Phase};
use crate::options::{Job, Options, VerifyMode};
use crate::plan::Plan;
use crate::prepare::Opened;
use crate::records::{Extra, pack_name};
use crate::report::{CheckReport, Report};
use crate::stages::Stage;
use crate::store::{DirStore, Store};
use crate::subtitles;
use crate::watch::Watch;
use crate::work::partial_path;

/// Where the rendered segments of a plan lie: their keys, in order, and the store.
pub(crate) struct Segments<'a> {
    pub(crate) keys: &'a [String],
    pub(crate) store: &'a DirStore,
}

impl Segments<'_> {
    /// The rendered segments, or what was made beside them.
    pub(crate) fn packs(
        &self,
        extra: Option<Extra>,
    ) -> impl Iterator<Item = cleanplate_media::Result<PackReader<BufReader<File>>>> + '_ {
        self.keys.iter().map(move |key| {
            let path = self.store.path(&pack_name(key, extra));
            let file = File::open(&path).map_err(|source| media_io("open", &path, source))?;
            PackReader::open(BufReader::new(file))
        })
    }
}

/// Joins the segments with every other stream, proves the file and gives it its name.
pub(crate) fn assemble(
    job: &Job,
    plan: &Plan,
    opened: &Opened,
    segments: &Segments<'_>,
    report: &mut Report,
    watch: &mut Watch<'_>,
) -> Result<()> {
    let (source, options) = (&opened.source, &job.options);
    let partial = Partial::new(&job.output)?;
    watch.begin(Phase::Assemble, source.info().size, 0)?;
    let copied = plan.copy.streams.iter().filter(|stream| stream.fate == Fate::Copied).count();
    let counted = |n: usize, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
    let parts = (counted(segments.keys.len(), "segment"), counted(copied, "other stream"));
    let what = format!("{}, {} and {}", plan.copy.muxer, parts.0, parts.1);
    let stage = Stage::new(MUX, what);
    watch.tell(stage.starts());
    let (since, faults) = (Instant::now(), &options.devices.faults);
    Fault::rehearse(faults, MUX, None)?;
    let mut failed = None;
    let mut packs = segments.packs(None).zip(&plan.segments).map(|(pack, frames)| {
        frames.clone().try_for_each(|idx| Fault::rehearse(faults, MUX, Some(idx))).map_err(|error| {
            let words = error.to_string();
            failed = Some(error);
            cleanplate_media::Error::Backend(words)
        })?;
        pack
    });
    let progress = &mut |done, total| watch.progress_of(done, total);
    let written = mux::assemble(source, &plan.copy, &mut packs, &partial.0, progress);
    drop(packs);
    let written = written.map_err(|error| failed.unwrap_or_else(|| Error::from(error).of_stage(MUX, None)))?;
    stage.did(plan.source.frames, since);
    watch.tell(stage.ends());
    report.stages.push(stage.report());
    watch.begin(Phase::Verify, written.bytes, 0)?;
    let found =
        mux::verify(&partial.0, source, &plan.copy, source.index(), &mut |done, total| watch.progress_of(done, total))?;
    watch.end();
    report.checks = found
        .checks
        .iter()
        .map(|c| CheckReport { name: c.name.clone(), ok: c.is_ok, detail: c.words.clone() })
        .collect();
    let decoded = report.segments.iter().filter(|s| s.decoded).count();
    report.checks.push(match options.verify {
        VerifyMode::Full => CheckReport {
            name: "segments decoded".into(),
            ok: decoded == report.segments.len(),
            detail: format!("{decoded} of {} segments were decoded again before they were kept", report.segments.len()),
        },
        VerifyMode::Packets => CheckReport {
            name: "segments decoded".into(),
            ok: true,
            detail: "not asked for (--verify packets): flashes and decoder errors were not looked for".into(),
        },
    });
    if let Some(failed) = report.checks.iter().find(|c| !c.ok) {
        let what = format!("the written file fails the check \"{}\": {}", failed.name, failed.detail);
        let is_sound = report.damage.is_empty() && source.index().timing != Timing::Repaired;
        let name = job.input.display();
        // What a demuxer makes of a broken file need not fit into a whole one: nothing is written rather than a loss.
        let words = match source.damage().lines.first() {
            None if is_sound => return Err(Error::Verification(what)),
            Some(words) if is_sound => format!("{name} seems to be damaged (libav: {words})"),
            _ => format!("{name} is damaged"),
        };
        return Err(cleanplate_media::Error::Input(format!("{words} and cannot be kept whole: {what}")).into());
    }
    write_beside_video(options, plan, opened, segments, watch)?;
    watch.poll()?;
    mux::commit(&partial.0, &job.output, options.overwrite)?;
    let size = fs::metadata(&job.output).map(|m| m.len()).unwrap_or(0);
    watch.tell(Event::info(format!(
        "written: {} | {} frames | {size} bytes",
        job.output.display(),
        plan.source.frames
    )));
    Ok(())
}

/// Writes what was asked for beside the picture.
pub(crate) fn write_beside_video(
    options: &Options,
    plan: &Plan,
    opened: &Opened,
    segments: &Segments<'_>,
    watch: &mut Watch<'_>,
) -> Result<()> {
    for (path, extra) in [(&options.origin_map, Extra::OriginMap), (&options.mask_out, Extra::Mask)] {
        if let Some(path) = path {
            let partial = Partial::new(path)?;
            mux::assemble_alone(&mut segments.packs(Some(extra)), &partial.0, Container::Mkv, &mut |_, _| {
                watch.progress(0)
            })?;
            mux::commit(&partial.0, path, options.overwrite)?;
        }
    }
    if let Some(path) = &options.captions_out {
        subtitles::write(path, &plan.marks, opened)?;
    }
    Ok(())
}

fn media_io(action: &'static str, path: &Path, source: std::io::Error) -> cleanplate_media::Error {
    cleanplate_media::Error::Io { action, path: path.to_owned(), source }
}

/// A file that grows beside its final place and goes away unless it was renamed.
pub(crate) struct Partial(pub(crate) std::path::PathBuf);

impl Partial {
    pub(crate) fn new(output: &Path) -> Result<Self> {
        let path = partial_path(output);
        if path.exists() {
            fs::remove_file(&path).map_err(Error::io("remove", path.clone()))?;
        }
        Ok(Self(path))
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        // Gone already where the job went well.
        let _ = fs::remove_file(&self.0);
    }
}
