//! `CLEANPLATE_*` variables: the parser reads them; this tells which ones counted. The engine never sees them.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::parser::ValueSource;
use clap::{ArgMatches, Command};
use cleanplate::{Error, Fault, InstalledKind, Options, Result};

use crate::{args, values};

const PREFIX: &str = "CLEANPLATE_";

/// Variables with our prefix that belong to the tests.
const OF_TESTS: [&str; 5] =
    ["CLEANPLATE_FAULT", "CLEANPLATE_SLOW", "CLEANPLATE_GPU", "CLEANPLATE_TESTDATA", "CLEANPLATE_PLUGIN"];

/// Variables of systems that cleanplate replaces, each standing for a flag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Old {
    /// The side of the dilation kernel in pixels: one of 2 r + 1 grows masks by r.
    Kernel,
    MinScore,
    Persistence,
    Accumulation,
    MaxGap,
    DetectBatch,
    FillBatch,
    Window,
}

impl Old {
    const ALL: [Self; 8] = [
        Self::Kernel,
        Self::MinScore,
        Self::Persistence,
        Self::Accumulation,
        Self::MaxGap,
        Self::DetectBatch,
        Self::FillBatch,
        Self::Window,
    ];

    /// Its name, and the flag that it stands for.
    const fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Kernel => ("WATERMARK_DILATION_KERNEL", "dilate"),
            Self::MinScore => ("WATERMARK_MIN_SCORE", "min_score"),
            Self::Persistence => ("WATERMARK_PERSISTENCE_FRAMES", "persistence"),
            Self::Accumulation => ("WATERMARK_ACCUMULATION_SECONDS", "accumulate"),
            Self::MaxGap => ("WATERMARK_MAX_GAP_FRAMES", "max_gap"),
            Self::DetectBatch => ("YOLO_BATCH_SIZE", "detect_batch"),
            Self::FillBatch => ("INPAINT_BATCH_SIZE", "fill_batch"),
            Self::Window => ("GPU_SEGMENT_FRAMES", "window"),
        }
    }

    /// Its value as the flag has it.
    fn translate(self, value: &str) -> Option<String> {
        let value = value.trim();
        match self {
            Self::Kernel => Some((value.parse::<u32>().ok()?.saturating_sub(1) / 2).to_string()),
            Self::Accumulation => Some(format!("{value}s")),
            Self::MinScore => values::share(value).ok().map(|_| value.to_owned()),
            Self::Window => value.parse::<u32>().ok().filter(|n| *n > 0).map(|n| n.to_string()),
            Self::DetectBatch | Self::FillBatch => {
                value.parse::<u16>().ok().filter(|n| (1..=256).contains(n)).map(|n| n.to_string())
            }
            Self::Persistence | Self::MaxGap => Some(value.to_owned()),
        }
    }
}

/// Keeps SVT-AV1 from writing its settings to stderr between our lines: it takes its level of talk from the environment
/// alone (2 = warnings). To be called before any thread is started.
#[allow(unsafe_code)]
pub(crate) fn quiet_encoders() {
    const LEVEL: &str = "SVT_LOG";
    if std::env::var_os(LEVEL).is_none() {
        // SAFETY: main calls this first, while this is the only thread.
        unsafe { std::env::set_var(LEVEL, "2") };
    }
}

/// What the environment says about the verb that runs.
#[derive(Debug, Default)]
pub(crate) struct Environment {
    lines: Vec<(bool, String)>,
    old: Vec<(Old, String)>,
}

impl Environment {
    /// Looks up every variable with our prefix.
    pub(crate) fn read(command: &Command, matches: &ArgMatches) -> Self {
        let Some((verb, matches)) = matches.subcommand() else { return Self::default() };
        let known: Vec<String> = command.get_subcommands().flat_map(long_flags).map(|(_, name)| name).collect();
        let mine: Vec<(String, String)> = command.find_subcommand(verb).into_iter().flat_map(long_flags).collect();
        let mut names: Vec<String> = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok()).collect();
        names.retain(|name| name.starts_with(PREFIX) && !OF_TESTS.contains(&name.as_str()));
        names.sort();
        let lines = names.into_iter().map(|name| {
            let Some((id, _)) = mine.iter().find(|(_, variable)| *variable == name) else {
                let is_known = known.contains(&name);
                let why =
                    if is_known { format!("{verb} has no such flag") } else { "no flag has this name".to_owned() };
                return (!is_known, format!("environment: {name} is ignored, {why}"));
            };
            let value = std::env::var_os(&name).unwrap_or_default();
            let note = match matches.value_source(id) {
                Some(ValueSource::CommandLine) => " (the flag on the command line wins)",
                _ => "",
            };
            (false, format!("environment: {name}={}{note}", value.to_string_lossy()))
        });
        let mut lines: Vec<(bool, String)> = lines.collect();
        let mut old = Vec::new();
        for variable in Old::ALL {
            let (name, flag) = variable.names();
            let is_unset = |(id, _): &(String, String)| id == flag && matches.value_source(id).is_none();
            if let Some(value) = mine.iter().any(is_unset).then(|| std::env::var(name).ok()).flatten() {
                lines.push((false, format!("environment: {name}={value}")));
                old.push((variable, value));
            }
        }
        Self { lines, old }
    }

    /// Writes it to the log.
    pub(crate) fn tell(&self) {
        for (is_warning, line) in &self.lines {
            if *is_warning {
                tracing::warn!("{line}");
            } else {
                tracing::info!("{line}");
            }
        }
    }

    /// Failures that `CLEANPLATE_FAULT` asks for, joined by commas.
    pub(crate) fn faults(&self) -> Result<Vec<Fault>> {
        let text = std::env::var("CLEANPLATE_FAULT").unwrap_or_default();
        let faults = text.split(',').filter(|part| !part.is_empty()).map(str::parse);
        faults
            .collect::<std::result::Result<_, String>>()
            .map_err(|why| Error::Usage(format!("CLEANPLATE_FAULT: {why}")))
    }

    /// The value of a flag where only an old variable gives it.
    pub(crate) fn old<T: FromStr>(&self, variable: Old) -> Result<Option<T>> {
        let Some((_, value)) = self.old.iter().find(|(known, _)| *known == variable) else { return Ok(None) };
        let (name, flag) = variable.names();
        let parsed = variable.translate(value).and_then(|text| text.parse().ok());
        let flag = flag.replace('_', "-");
        parsed.map(Some).ok_or_else(|| Error::Usage(format!("{name}={value:?} makes no sense for --{flag}")))
    }
}

/// The program's folder for this user: below the one that `variable` names (XDG Base Directory Specification), or `usual` in the home.
fn folder(variable: &str, usual: &str) -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let (named, home) = if cfg!(windows) { ("LOCALAPPDATA", "USERPROFILE") } else { (variable, "HOME") };
    Some(set(named).or_else(|| Some(set(home)?.join(usual)))?.join("cleanplate"))
}

/// Where runtimes that the user has installed lie.
pub(crate) fn runtimes() -> Option<PathBuf> {
    Some(folder("XDG_DATA_HOME", ".local/share")?.join("runtimes"))
}

/// Says where networks find what runs them, and where they keep what they learn.
pub(crate) fn networks(options: &mut Options) {
    let own = runtimes().map(|folder| cleanplate::installed(&folder)).unwrap_or_default();
    let of = |kind| own.iter().filter(move |one| one.kind == kind).map(|one| one.library.clone());
    let plugin =
        format!("{}onnxruntime_providers_webgpu{}", std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
    let packaged = roots().into_iter().flat_map(|lib| packaged(&lib, "onnxruntime_ep_webgpu", &plugin));
    options.runtime_plugins = of(InstalledKind::Plugin).chain(packaged).collect();
    options.onnx_runtimes = onnx_runtimes(of(InstalledKind::Runtime));
    // What is found out about devices: engines, batches.
    options.cache = folder("XDG_CACHE_HOME", ".cache");
}

/// Where the library of ONNX Runtime may lie: what `ORT_DYLIB_PATH` names, alone where it is set; else what the user has installed, Python
/// packages of this user and this machine, then what the loader knows.
fn onnx_runtimes(own: impl Iterator<Item = PathBuf>) -> Vec<PathBuf> {
    if let Some(path) = std::env::var_os("ORT_DYLIB_PATH").filter(|path| !path.is_empty()) {
        return vec![path.into()];
    }
    let (prefix, suffix) = (std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
    // Linux appends the version: libonnxruntime.so.1.27.0.
    let library = format!("{prefix}onnxruntime{suffix}");
    let packaged = roots().into_iter().flat_map(|lib| packaged(&lib, "onnxruntime/capi", &library));
    own.chain(packaged).chain([PathBuf::from(&library)]).collect()
}

/// Folders with Python's libraries, of this user and of this machine.
fn roots() -> Vec<PathBuf> {
    let homes = ["VIRTUAL_ENV", "CONDA_PREFIX"].into_iter().filter_map(std::env::var_os).map(PathBuf::from);
    let user = std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".local"));
    homes.chain(user).chain(["/usr/local", "/usr"].map(PathBuf::from)).map(|root| root.join("lib")).collect()
}

/// Files whose names begin with `library` in the folder `package` of the Python packages below `lib`, in the order of their names.
fn packaged(lib: &Path, package: &str, library: &str) -> Vec<PathBuf> {
    let names = |folder: &Path| {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
        paths.sort();
        paths
    };
    let starts = |path: &PathBuf, with: &str| path.file_name().is_some_and(|n| n.to_string_lossy().starts_with(with));
    let pythons = names(lib).into_iter().filter(|path| starts(path, "python3"));
    let packages = pythons.flat_map(|python| ["site-packages", "dist-packages"].map(|kind| python.join(kind)));
    packages.flat_map(|folder| names(&folder.join(package))).filter(|path| starts(path, library)).collect()
}

/// Identifier and variable of every long flag of a verb that takes one.
fn long_flags(verb: &Command) -> impl Iterator<Item = (String, String)> {
    let flags = verb.get_arguments().filter(|arg| arg.get_env().is_some());
    flags.filter_map(|arg| Some((arg.get_id().to_string(), args::variable(arg.get_long()?))))
}
