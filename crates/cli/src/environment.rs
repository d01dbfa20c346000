//! `CLEANPLATE_*` variables: the parser reads them; this tells which ones counted. The engine never sees them.

use clap::parser::ValueSource;
use clap::{ArgMatches, Command};
use cleanplate::{Error, Result};

use crate::args;

const PREFIX: &str = "CLEANPLATE_";

/// Variables with our prefix that belong to the tests.
const OF_TESTS: [&str; 4] = ["CLEANPLATE_FAULT", "CLEANPLATE_SLOW", "CLEANPLATE_GPU", "CLEANPLATE_TESTDATA"];

/// The side of the dilation kernel in pixels, by its name in systems that cleanplate replaces.
const OLD_KERNEL: &str = "WATERMARK_DILATION_KERNEL";

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
    kernel: Option<String>,
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
        let has_dilate = |(id, _): &(String, String)| id == "dilate" && matches.value_source(id).is_none();
        let kernel = mine.iter().any(has_dilate).then(|| std::env::var(OLD_KERNEL).ok()).flatten();
        if let Some(kernel) = &kernel {
            lines.push((false, format!("environment: {OLD_KERNEL}={kernel}")));
        }
        Self { lines, kernel }
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

    /// Pixels a side by which masks grow where only the old name says so: a kernel of 2 r + 1 pixels grows by r.
    pub(crate) fn dilate(&self) -> Result<Option<u32>> {
        let Some(kernel) = &self.kernel else { return Ok(None) };
        match kernel.trim().parse::<u32>() {
            Ok(side) => Ok(Some(side.saturating_sub(1) / 2)),
            Err(_) => Err(Error::Usage(format!("{OLD_KERNEL}={kernel:?} is not a number of pixels"))),
        }
    }
}

/// Identifier and variable of every long flag of a verb that takes one.
fn long_flags(verb: &Command) -> impl Iterator<Item = (String, String)> {
    let flags = verb.get_arguments().filter(|arg| arg.get_env().is_some());
    flags.filter_map(|arg| Some((arg.get_id().to_string(), args::variable(arg.get_long()?))))
}
