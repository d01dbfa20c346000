//! The `cleanplate` command: flags to options, events to the terminal, errors to exit codes. What is done to a video is
//! the engine's alone.
#![deny(unsafe_code)]

mod args;
mod argv;
mod bench;
mod environment;
mod exit;
mod folder;
mod human;
mod interrupt;
mod logging;
mod options;
mod paths;
mod progress;
mod summary;
mod terminal;
mod values;
mod verbs;
mod watch;

use std::panic::{self, AssertUnwindSafe};
use std::path::Path;
use std::process::ExitCode;

use clap::{ArgMatches, Command, FromArgMatches as _};
use cleanplate::{Error, Result};

use crate::args::{Cli, Talk, Target, Verb};
use crate::environment::Environment;
use crate::interrupt::Interrupt;
use crate::terminal::Screen;
use crate::watch::Watch;

fn main() -> ExitCode {
    environment::quiet_encoders();
    let mut command = args::command();
    let parsed = command
        .try_get_matches_from_mut(argv::normalise(std::env::args_os()))
        .and_then(|matches| Cli::from_arg_matches(&matches).map(|cli| (cli, matches)));
    let code = match parsed {
        Ok((cli, matches)) => dispatch(cli.verb, &command, &matches),
        Err(error) => {
            // Help that nobody reads to its end (`| head`) is no failure.
            let _ = error.print();
            if error.use_stderr() { exit::USAGE } else { exit::DONE }
        }
    };
    ExitCode::from(code)
}

/// Runs a verb and says how it ended.
fn dispatch(verb: Verb, command: &Command, matches: &ArgMatches) -> u8 {
    let environment = Environment::read(command, matches);
    match verb {
        Verb::Remove(args) => {
            session(&args.talk, true, &args.input, &environment, |watch| verbs::remove::run(&args, &environment, watch))
        }
        Verb::Captions(mut args) => {
            args.place.target.get_or_insert(Target::Captions);
            session(&args.talk, true, &args.input, &environment, |watch| verbs::remove::run(&args, &environment, watch))
        }
        Verb::Upscale(mut args) => {
            args.place.target.get_or_insert(Target::Nothing);
            session(&args.talk, true, &args.input, &environment, |watch| {
                verbs::remove::upscale(&args, &environment, watch)
            })
        }
        Verb::Probe(args) => session(&args.talk, false, &args.input, &environment, |_| verbs::probe::run(&args)),
        Verb::Inspect(args) => session(&args.talk, true, &args.input, &environment, |watch| {
            verbs::inspect::run(&args, &environment, watch)
        }),
        Verb::Plan(args) => {
            session(&args.talk, false, &args.input, &environment, |watch| verbs::plan::run(&args, &environment, watch))
        }
        Verb::Bench(args) => session(&args.talk, false, Path::new(""), &environment, |watch| {
            verbs::bench::run(&args, &environment, watch)
        }),
        Verb::Doctor(args) => without_session(verbs::doctor::run(&args, &environment)),
        Verb::Runtime { action } => without_session(verbs::runtime::run(&action)),
        Verb::Completions { shell } => without_session(verbs::shell::completions(shell).map(|()| exit::DONE)),
        Verb::Man { dir } => without_session(verbs::shell::man(dir.as_deref()).map(|()| exit::DONE)),
    }
}

/// Runs `body` with log, interrupt and observer. Only with `events` does `--json` mean JSON lines. `input` is empty where there is none.
fn session(
    talk: &Talk,
    events: bool,
    input: &Path,
    environment: &Environment,
    body: impl FnOnce(&mut Watch) -> Result<u8>,
) -> u8 {
    let screen = Screen::default();
    let opened = paths::protect_input(input, talk.log_file.as_deref(), "--log-file")
        .and_then(|()| logging::start(screen.clone(), talk.log_level, talk.log_file.as_deref()))
        .and_then(|()| {
            Interrupt::listen().map_err(|error| Error::Internal(format!("cannot listen to signals: {error}")))
        });
    let interrupt = match opened {
        Ok(interrupt) => interrupt,
        Err(error) => {
            screen.line(&format!("error: {error}"));
            return exit::code(error.kind());
        }
    };
    environment.tell();
    let mut watch = Watch::new(talk, events, &screen, interrupt);
    match guarded(|| body(&mut watch)) {
        Ok(code) => {
            watch.end();
            code
        }
        Err(error) => {
            watch.abandon();
            let code = exit::code(error.kind());
            tracing::error!("{}", exit::advice(&error));
            watch.failed(code, &error);
            code
        }
    }
}

/// What `body` gives; a panic, which is a defect by definition, becomes an error like any other, so that the exit code and
/// the last event are what their readers expect.
fn guarded<T>(body: impl FnOnce() -> Result<T>) -> Result<T> {
    panic::set_hook(Box::new(|panic| {
        tracing::debug!("{}", std::backtrace::Backtrace::force_capture());
        tracing::error!("{panic}");
    }));
    panic::catch_unwind(AssertUnwindSafe(body))
        .unwrap_or_else(|_| Err(Error::Internal("a thread panicked, see the line above".to_owned())))
}

fn without_session(result: Result<u8>) -> u8 {
    match result {
        Ok(code) => code,
        Err(error) => {
            Screen::default().line(&format!("error: {error}"));
            exit::code(error.kind())
        }
    }
}
