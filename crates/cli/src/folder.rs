//! A folder of videos: one job after another, one table at the end.

use std::path::{Path, PathBuf};
use std::time::Instant;

use cleanplate::{Error, Job, Options, Report, Result};
use serde::Serialize;

use crate::exit;
use crate::human;
use crate::paths;
use crate::watch::{Outcome, Watch};

/// Names that end in one of these are videos. Not `.ogg`, which is sound more often than not.
const VIDEOS: [&str; 22] = [
    "mp4", "m4v", "mov", "qt", "mkv", "webm", "ts", "m2ts", "mts", "mpg", "mpeg", "vob", "avi", "flv", "ogv", "3gp",
    "264", "h264", "265", "h265", "hevc", "m2v",
];

/// The videos directly in `input`, by name, and how many other files lie beside them; `None` where it is no folder or has
/// no video: then it is the engine's.
pub(crate) fn videos(input: &Path) -> Result<Option<(Vec<PathBuf>, usize)>> {
    if !input.is_dir() {
        return Ok(None);
    }
    let failed = |source| Error::Io { action: "list", path: input.to_owned(), source };
    let mut found = Vec::new();
    let mut others = 0;
    for entry in std::fs::read_dir(input).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let is_hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        if is_hidden || !path.is_file() {
            continue;
        }
        let extension = path.extension().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
        if VIDEOS.contains(&extension.as_str()) {
            found.push(path);
        } else {
            others += 1;
        }
    }
    found.sort();
    Ok((!found.is_empty()).then_some((found, others)))
}

/// How one file ended.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    input: String,
    output: String,
    exit: u8,
    kind: &'static str,
    #[serde(skip)]
    note: String,
    #[serde(skip)]
    seconds: f64,
}

/// Does every job of a folder, going on after one that fails, until the user stops it. `work` writes one job's output and
/// gives its report, if it has one. Returns the exit code.
pub(crate) fn each(
    watch: &mut Watch,
    jobs: &[Job],
    skip_existing: bool,
    mut work: impl FnMut(&Job, &mut Watch) -> Result<Option<Report>>,
) -> Result<u8> {
    let mut rows = Vec::new();
    for (k, job) in jobs.iter().enumerate() {
        if watch.is_interrupted() {
            break;
        }
        watch.file(k + 1, jobs.len(), &job.input, &job.output);
        let began = Instant::now();
        let exists = skip_existing && job.output.symlink_metadata().is_ok();
        let result = if exists { Ok(None) } else { work(job, watch) };
        if result.is_ok() {
            watch.end()
        } else {
            watch.abandon()
        }
        let code = match &result {
            Ok(report) => report.as_ref().map_or(exit::DONE, exit::of),
            Err(error) => exit::code(error.kind()),
        };
        watch.file_done(k + 1, code, &result);
        if let Err(error) = &result {
            tracing::error!("{}", exit::about(&job.input, &exit::advice(error)));
        }
        let note = match &result {
            _ if exists => "was there already; -y replaces it".to_owned(),
            Ok(Some(report)) => format!(
                "{} of {} frames marked, marks: {}",
                human::grouped(report.frames_marked),
                human::grouped(report.frames),
                report.marks.len()
            ),
            Ok(None) => "written".to_owned(),
            Err(error) => human::printable(&error.to_string()).into_owned(),
        };
        rows.push(Row {
            input: job.input.display().to_string(),
            output: job.output.display().to_string(),
            exit: code,
            kind: if exists { "exists" } else { exit::word(code) },
            note,
            seconds: began.elapsed().as_secs_f64(),
        });
    }
    if rows.len() < jobs.len() {
        tracing::warn!("interrupted: {} of {} files were not begun", jobs.len() - rows.len(), jobs.len());
    }
    let code = if watch.is_interrupted() { exit::INTERRUPTED } else { exit::worst(rows.iter().map(|row| row.exit)) };
    watch.lines(&table(&rows));
    watch.done(code, Outcome::Files(&rows));
    Ok(code)
}

/// The jobs of a folder: `options` for each file, with everything that is written for it under its own name.
pub(crate) fn jobs(videos: &[PathBuf], output: &Path, options: &Options) -> Vec<Job> {
    let job = |input: &PathBuf| {
        let name = Path::new(input.file_name().unwrap_or_default());
        let inside = |dir: &Option<PathBuf>, extension: &str| {
            dir.as_ref().map(|dir| paths::appended(&dir.join(name), extension))
        };
        let mut options = options.clone();
        options.report = inside(&options.report, "json");
        options.plan_out = inside(&options.plan_out, "json");
        options.plan_in = inside(&options.plan_in, "json");
        options.origin_map = inside(&options.origin_map, "mkv");
        options.mask_out = inside(&options.mask_out, "mkv");
        options.captions_out = inside(&options.captions_out, "srt");
        options.matte_out = inside(&options.matte_out, "matte");
        options.work_dir = options.work_dir.map(|dir| dir.join(name));
        Job { input: input.clone(), output: output.join(name), options }
    };
    videos.iter().map(job).collect()
}

fn table(rows: &[Row]) -> Vec<String> {
    let name = |row: &Row| {
        let path = Path::new(&row.input);
        human::printable(&path.file_name().unwrap_or_default().to_string_lossy()).into_owned()
    };
    let width = rows.iter().map(|row| name(row).chars().count()).max().unwrap_or(0).clamp(4, 40);
    let line =
        |row: &Row| format!("{:<width$}  {:<13}  {:>8}  {}", name(row), row.kind, human::clock(row.seconds), row.note);
    std::iter::once(format!("{:<width$}  {:<13}  {:>8}  {}", "file", "result", "time", "what"))
        .chain(rows.iter().map(line))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_without_videos_is_left_to_the_engine() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["b.MP4", "a.mkv", ".hidden.mp4", "cover.jpg"] {
            std::fs::write(dir.path().join(name), "x").unwrap();
        }
        let (found, others) = videos(dir.path()).unwrap().unwrap();
        assert_eq!(found, [dir.path().join("a.mkv"), dir.path().join("b.MP4")]);
        assert_eq!(others, 1);
        for path in found {
            std::fs::remove_file(path).unwrap();
        }
        assert!(videos(dir.path()).unwrap().is_none());
        assert!(videos(Path::new("no such")).unwrap().is_none());
    }

    #[test]
    fn what_is_written_for_each_file_has_its_own_name() {
        let options = Options { report: Some("r".into()), work_dir: Some("w".into()), ..Options::default() };
        let jobs = jobs(&["in/a.mp4".into(), "in/a.mkv".into()], Path::new("out"), &options);
        let reports: Vec<_> = jobs.iter().filter_map(|job| job.options.report.clone()).collect();
        assert_eq!(reports, [Path::new("r/a.mp4.json"), Path::new("r/a.mkv.json")]);
        assert_eq!(jobs[1].options.work_dir.as_deref(), Some(Path::new("w/a.mkv")));
        assert_eq!(jobs[1].output, Path::new("out/a.mkv"));
    }
}
