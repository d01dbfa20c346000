//! The observer of every job: events to the progress display, the log and stdout, and the user's interrupt back.

use std::path::Path;
use std::time::Instant;

use cleanplate::{Control, Error, Event, Level, Observer, Phase, Report};
use serde::Serialize;

use crate::args::{LogLevel, Talk};
use crate::exit;
use crate::folder::Row;
use crate::interrupt::Interrupt;
use crate::progress::{self, Progress};
use crate::terminal::{self, Screen};

/// Version of the events on stdout, see docs/json-events.md; raised when one changes its meaning or goes.
pub(crate) const EVENTS_VERSION: u32 = 1;

/// What the command says itself, between the engine's events.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
enum Said<'a> {
    Start {
        version: u32,
        engine: &'a str,
        verb: &'a str,
        input: String,
        output: Option<String>,
    },
    File {
        number: usize,
        of: usize,
        input: String,
        output: String,
    },
    FileDone {
        number: usize,
        exit: u8,
        kind: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        message: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        report: Option<&'a Report>,
    },
    Done {
        exit: u8,
        #[serde(flatten)]
        result: Outcome<'a>,
    },
    Error {
        exit: u8,
        kind: &'a str,
        message: String,
    },
}

/// What a finished process has to show: one field of the event `done`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Outcome<'a> {
    /// What was done.
    Report(&'a Report),
    /// How each file of a folder ended.
    Files(&'a [Row]),
    /// The picture or clip that was written.
    Output(String),
}

/// Watches jobs, one after another.
#[derive(Debug)]
pub(crate) struct Watch {
    progress: Progress,
    json: bool,
    debug: bool,
    reports: bool,
    screen: Screen,
    interrupt: Interrupt,
    told: bool,
    running: Option<Running>,
}

/// The phase that runs.
#[derive(Debug)]
struct Running {
    phase: Phase,
    since: Instant,
    done: u64,
    rate: f64,
}

impl Watch {
    /// A watcher that talks as asked for. Events go to stdout only with `events`.
    pub(crate) fn new(talk: &Talk, events: bool, screen: &Screen, interrupt: Interrupt) -> Self {
        Self {
            progress: Progress::new(talk.progress, screen),
            json: talk.json && events,
            debug: talk.log_level >= LogLevel::Debug,
            reports: talk.log_level >= LogLevel::Info,
            screen: screen.clone(),
            interrupt,
            told: false,
            running: None,
        }
    }

    /// Whether the user asked to stop.
    pub(crate) fn is_interrupted(&self) -> bool {
        self.interrupt.is_asked()
    }

    /// The first event of the process.
    pub(crate) fn start(&self, verb: &str, input: &Path, output: Option<&Path>) {
        let engine = env!("CARGO_PKG_VERSION");
        tracing::info!("start: cleanplate {engine}, {verb} {}{} (log times are UTC)", input.display(), arrow(output));
        let (input, output) = (words(input), output.map(words));
        self.say(&Said::Start { version: EVENTS_VERSION, engine, verb, input, output });
    }

    /// A file of a folder begins.
    pub(crate) fn file(&self, number: usize, of: usize, input: &Path, output: &Path) {
        tracing::info!("file {number} of {of}: {}{}", input.display(), arrow(Some(output)));
        self.say(&Said::File { number, of, input: words(input), output: words(output) });
    }

    /// A file of a folder is over.
    pub(crate) fn file_done(&self, number: usize, exit: u8, result: &Result<Option<Report>, Error>) {
        let message = result.as_ref().err().map(ToString::to_string);
        let report = result.as_ref().ok().and_then(Option::as_ref);
        self.say(&Said::FileDone { number, exit, kind: exit::word(exit), message, report });
    }

    /// The last event of a process that did what it was asked.
    pub(crate) fn done(&self, exit: u8, result: Outcome<'_>) {
        self.say(&Said::Done { exit, result });
    }

    /// The last event of a process that did not.
    pub(crate) fn failed(&self, exit: u8, error: &Error) {
        self.say(&Said::Error { exit, kind: exit::word(exit), message: error.to_string() });
    }

    /// Shows the progress of a job whose log nobody reads.
    pub(crate) fn show(&mut self, event: &Event) {
        self.progress.show(event);
    }

    /// The job is over: nothing of its progress stays on the terminal.
    pub(crate) fn end(&mut self) {
        self.phase_ended();
        self.progress.end();
    }

    /// The job is over before its end.
    pub(crate) fn abandon(&mut self) {
        self.running = None;
        self.progress.end();
    }

    fn phase_started(&mut self, phase: Phase, total: u64) {
        self.phase_ended();
        let what = if total == 0 { String::new() } else { format!(", {}", progress::units(phase, total)) };
        tracing::info!("{}: starts{what}", progress::name(phase));
        self.running = Some(Running { phase, since: Instant::now(), done: 0, rate: 0.0 });
    }

    fn phase_ended(&mut self) {
        if let Some(Running { phase, since, done, rate }) = self.running.take() {
            let (name, units) = (progress::name(phase), progress::units(phase, done));
            let seconds = since.elapsed().as_secs_f64();
            tracing::info!("{name}: ends, {units} in {seconds:.1} s, {}", progress::rate(phase, rate));
        }
    }

    /// A report for people on stderr, unless only warnings and errors are wanted.
    pub(crate) fn lines(&self, lines: &[String]) {
        if self.reports {
            for line in lines {
                self.screen.line(line);
            }
        }
    }

    fn say(&self, event: &impl Serialize) {
        if self.json
            && let Err(error) = terminal::print_line(event)
        {
            tracing::error!("events: cannot write to stdout: {error}");
        }
    }
}

fn words(path: &Path) -> String {
    path.display().to_string()
}

fn arrow(output: Option<&Path>) -> String {
    output.map_or_else(String::new, |path| format!(" -> {}", path.display()))
}

impl Observer for Watch {
    fn event(&mut self, event: Event) {
        if !matches!(event, Event::Log { level: Level::Debug, .. }) || self.debug {
            self.say(&event);
        }
        match &event {
            Event::Log { level, message } => match level {
                Level::Debug => tracing::debug!("{message}"),
                Level::Info => tracing::info!("{message}"),
                Level::Warning => tracing::warn!("{message}"),
            },
            Event::Segment { number, start, end, resumed } => {
                let what = if *resumed { "taken from an earlier run" } else { "committed" };
                tracing::debug!("render: segment {number}, frames {start}..{end}, {what}");
            }
            Event::Phase { phase, total, .. } => {
                self.phase_started(*phase, *total);
                self.progress.show(&event);
            }
            Event::Progress { done, rate, .. } => {
                if let Some(running) = &mut self.running {
                    (running.done, running.rate) = (*done, *rate);
                }
                self.progress.show(&event);
            }
            _ => {}
        }
    }

    fn control(&mut self) -> Control {
        if !self.interrupt.is_asked() {
            return Control::Continue;
        }
        if !self.told {
            self.told = true;
            tracing::warn!("interrupted: stopping; a second time ends at once");
        }
        Control::Cancel
    }
}
