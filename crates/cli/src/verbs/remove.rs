//! `cleanplate remove`: marks out of a video, an image, numbered images or a folder of them.

use std::path::{Path, PathBuf};

use cleanplate::{Error, Job, Options, Report, Result, Times};

use crate::args::Remove;

use crate::environment::Environment;
use crate::exit;
use crate::folder;
use crate::paths;
use crate::summary;
use crate::watch::{Outcome, Watch};

/// Does the job, or every job of a folder. Returns the exit code.
pub(crate) fn run(args: &Remove, environment: &Environment, watch: &mut Watch) -> Result<u8> {
    run_with(args, options(args, environment)?, Verb { name: "remove", made: "cleaned" }, watch)
}

/// Enlarges a video, or every video of a folder. Returns the exit code.
pub(crate) fn upscale(args: &Remove, environment: &Environment, watch: &mut Watch) -> Result<u8> {
    let mut options = options(args, environment)?;
    args.enlarge.apply(&mut options, true)?;
    if args.preview.is_some() {
        return Err(Error::Usage("--preview shows what is removed: it has nothing to show of enlarging".into()));
    }
    run_with(args, options, Verb { name: "upscale", made: "upscaled" }, watch)
}

/// What a job is called, and what its output.
#[derive(Clone, Copy)]
struct Verb {
    name: &'static str,
    made: &'static str,
}

fn run_with(args: &Remove, options: Options, verb: Verb, watch: &mut Watch) -> Result<u8> {
    let output = args.enlarge.frames_out.clone().or_else(|| args.output.clone());
    let output = output.unwrap_or_else(|| paths::beside(&args.input, verb.made, None));
    match folder::videos(&args.input)? {
        Some(_) if options.frames => {
            Err(Error::Usage("--frames-out takes the frames of one video: name one, and not a folder of them".into()))
        }
        Some((videos, others)) => {
            watch.start(verb.name, &args.input, Some(&output));
            if others > 0 {
                tracing::info!("folder: {} videos; {others} other files are left alone", videos.len());
            }
            whole_folder(args, &videos, &output, &options, watch)
        }
        None => {
            let job = Job { input: args.input.clone(), output, options };
            single(args, job, verb, watch)
        }
    }
}

fn single(args: &Remove, job: Job, verb: Verb, watch: &mut Watch) -> Result<u8> {
    if let Some(at) = &args.preview {
        let picture = match &args.output {
            Some(output) => output.with_extension("png"),
            None => paths::beside(&args.input, "preview", Some("png")),
        };
        watch.start("remove", &job.input, Some(&picture));
        preview(&job, at.as_ref(), &picture, watch)?;
        watch.done(exit::DONE, Outcome::Output(picture.display().to_string()));
        return Ok(exit::DONE);
    }
    watch.start(verb.name, &job.input, Some(&job.output));
    let report = render(&job, watch)?;
    watch.end();
    watch.lines(&summary::of(&report, &job));
    let code = exit::of(&report);
    watch.done(code, Outcome::Report(&report));
    Ok(code)
}

fn whole_folder(args: &Remove, videos: &[PathBuf], output: &Path, options: &Options, watch: &mut Watch) -> Result<u8> {
    paths::protect_input(&args.input, Some(output), "-o")?;
    let jobs = folder::jobs(videos, output, options);
    if !args.dry_run {
        let Options { report, origin_map, mask_out, matte_out, plan_out, captions_out, work_dir, .. } = options;
        for dir in [report, origin_map, mask_out, matte_out, plan_out, captions_out, work_dir]
            .into_iter()
            .flatten()
            .map(PathBuf::as_path)
            .chain([output])
        {
            std::fs::create_dir_all(dir).map_err(|source| Error::Io {
                action: "create",
                path: dir.to_owned(),
                source,
            })?;
        }
    }
    if let Some(at) = &args.preview {
        return folder::each(watch, &jobs, false, |job, watch| {
            preview(job, at.as_ref(), &paths::appended(&job.output, "png"), watch)?;
            Ok(None)
        });
    }
    let skip_existing = !args.overwrite && !args.dry_run;
    folder::each(watch, &jobs, skip_existing, |job, watch| render(job, watch).map(Some))
}

/// Refuses what must not be written, then does the job.
fn render(job: &Job, watch: &mut Watch) -> Result<Report> {
    let Options { overwrite, dry_run, .. } = job.options;
    let Options { report, plan_out, matte_out, .. } = &job.options;
    let documents = [("--report", report), ("--plan-out", plan_out), ("--matte-out", matte_out)];
    let Options { origin_map, mask_out, captions_out, .. } = &job.options;
    let others = [("--origin-map", origin_map), ("--mask-out", mask_out), ("--captions-out", captions_out)];
    let mut written: Vec<(&str, &Path)> = vec![("-o", &job.output)];
    written.extend(documents.iter().chain(&others).filter_map(|(what, path)| Some((*what, path.as_deref()?))));
    paths::refuse_twice(&written)?;
    for (what, path) in written {
        paths::protect_input(&job.input, Some(path), what)?;
    }
    for path in documents.iter().filter_map(|(_, path)| path.as_deref()) {
        paths::refuse_foreign(path, overwrite)?;
    }
    for path in others.iter().filter_map(|(_, path)| path.as_deref()) {
        paths::refuse_existing(path, overwrite || dry_run)?;
    }
    // Images and frames go to a folder, of which the engine knows what may lie in it.
    if !job.input.is_dir() && !job.options.frames {
        paths::refuse_existing(&job.output, overwrite || dry_run)?;
    }
    cleanplate::run(job, watch)
}

fn preview(job: &Job, at: Option<&Times>, picture: &Path, watch: &mut Watch) -> Result<()> {
    paths::protect_input(&job.input, Some(picture), "--preview")?;
    paths::refuse_existing(picture, job.options.overwrite)?;
    cleanplate::preview(job, at, picture, watch)?;
    tracing::info!("preview: wrote {}", picture.display());
    Ok(())
}

fn options(args: &Remove, environment: &Environment) -> Result<Options> {
    let mut options = Options {
        encode: args.encode.options(),
        devices: args.encode.devices(environment)?,
        overwrite: args.overwrite,
        dry_run: args.dry_run,
        ..Options::default()
    };
    args.place.apply(&mut options, environment)?;
    args.how.apply(&mut options, environment)?;
    args.enlarge.apply(&mut options, false)?;
    args.kept.apply(&mut options);
    args.state.apply(&mut options);
    args.found.apply(&mut options);
    args.written.apply(&mut options);
    Ok(options)
}
