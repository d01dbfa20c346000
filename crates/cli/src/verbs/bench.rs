//! `cleanplate bench`: how fast this machine is, against a plain transcode.

use std::path::Path;

use cleanplate::{Error, Options, Result};

use crate::args::Bench as Args;
use crate::bench::plot::Plot;
use crate::bench::scene::{Kind, Size};
use crate::bench::{BENCH_VERSION, Bench, Row, elsewhere, measure, table};
use crate::environment::{self, Environment};
use crate::exit;
use crate::paths;
use crate::terminal;
use crate::watch::Watch;

/// Measures every job at every size and prints what came of it. Returns the exit code.
pub(crate) fn run(args: &Args, environment: &Environment, watch: &mut Watch) -> Result<u8> {
    let written: Vec<(&str, &Path)> = args.output.iter().map(|path| ("-o", path.as_path())).collect();
    paths::refuse_twice(&written)?;
    for path in &args.output {
        Kept::of(path)?;
        paths::refuse_existing(path, args.overwrite)?;
        // Told now, and not after minutes of measuring.
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        if let Some(folder) = folder.filter(|folder| !folder.is_dir()) {
            return Err(Error::Usage(format!("the folder {} does not exist", folder.display())));
        }
    }
    match measured(args, environment, watch) {
        Ok(bench) => {
            show(args, &bench)?;
            Ok(exit::DONE)
        }
        // The temporary folder has gone: there is nothing to go on with.
        Err(error) if exit::code(error.kind()) == exit::INTERRUPTED => {
            watch.abandon();
            tracing::warn!("interrupted: nothing was kept");
            Ok(exit::INTERRUPTED)
        }
        Err(error) => Err(error),
    }
}

fn measured(args: &Args, environment: &Environment, watch: &mut Watch) -> Result<Bench> {
    let devices = args.encode.devices(environment)?;
    let mut options = Options { encode: args.encode.options(), devices, overwrite: true, ..Options::default() };
    environment::networks(&mut options);
    let sizes = if args.size.is_empty() { Size::usual() } else { args.size.clone() };
    let kinds = if args.job.is_empty() { Kind::ALL.to_vec() } else { args.job.clone() };
    let folder = tempfile::Builder::new().prefix("cleanplate-bench-").tempdir();
    let folder =
        folder.map_err(|source| Error::Io { action: "make a folder in", path: std::env::temp_dir(), source })?;
    let machine = cleanplate::machine();
    let mut rows = Vec::new();
    for size in &sizes {
        for kind in &kinds {
            let frames = args.frames.unwrap_or_else(|| size.usual_frames());
            rows.push(measure::row((*kind, size, frames), &options, (folder.path(), machine.cores), watch)?);
        }
    }
    let elsewhere = elsewhere::beside(&rows);
    let (engine, runtimes) = (env!("CARGO_PKG_VERSION").to_owned(), ran_networks(&rows));
    Ok(Bench { version: BENCH_VERSION, engine, machine, runtimes, rows, elsewhere })
}

/// What ran networks, in the order in which it came.
fn ran_networks(rows: &[Row]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for stage in rows.iter().flat_map(|row| &row.stages).filter(|stage| stage.name.starts_with("net ")) {
        if !names.contains(&stage.runs_on) {
            names.push(stage.runs_on.clone());
        }
    }
    names
}

fn show(args: &Args, bench: &Bench) -> Result<()> {
    let printed = if args.talk.json { terminal::print_document(bench) } else { terminal::print(&table::text(bench)) };
    printed.map_err(terminal::failed)?;
    for path in &args.output {
        write(path, bench)?;
        tracing::info!("bench: wrote {}", path.display());
    }
    Ok(())
}

/// What is written, as the name tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kept {
    Svg,
    Png,
    Json,
}

impl Kept {
    fn of(path: &Path) -> Result<Self> {
        let extension = path.extension().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
        match extension.as_str() {
            "svg" => Ok(Self::Svg),
            "png" => Ok(Self::Png),
            "json" => Ok(Self::Json),
            _ => Err(Error::Usage(format!("{} is neither .svg, .png nor .json", path.display()))),
        }
    }
}

fn write(path: &Path, bench: &Bench) -> Result<()> {
    let written = match Kept::of(path)? {
        Kept::Svg => std::fs::write(path, Plot::of(bench).svg()),
        Kept::Png => Plot::of(bench).picture().write_png(path),
        Kept::Json => {
            let text = serde_json::to_string_pretty(bench);
            let text = text.map_err(|error| Error::Internal(format!("cannot write the figures as JSON: {error}")))?;
            std::fs::write(path, text + "\n")
        }
    };
    written.map_err(|source| Error::Io { action: "write", path: path.to_owned(), source })
}
