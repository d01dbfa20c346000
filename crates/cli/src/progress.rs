//! How far a job is: a bar on a terminal, a line every five seconds elsewhere.

use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

use cleanplate::{Event, Phase};
use indicatif::{ProgressBar, ProgressStyle};

use crate::args;
use crate::human;
use crate::terminal::Screen;

const LINE_EVERY: Duration = Duration::from_secs(5);

/// Shows the progress of one job after another.
#[derive(Debug)]
pub(crate) enum Progress {
    Bar { screen: Screen, bar: ProgressBar },
    Lines { title: String, shown: Instant },
    Silent,
}

impl Progress {
    /// As asked for; `Auto` looks at stderr.
    pub(crate) fn new(kind: args::Progress, screen: &Screen) -> Self {
        let is_bar = kind == args::Progress::Auto && std::io::stderr().is_terminal();
        match kind {
            args::Progress::None => Self::Silent,
            _ if is_bar => Self::Bar { screen: screen.clone(), bar: ProgressBar::hidden() },
            _ => Self::Lines { title: String::new(), shown: Instant::now() },
        }
    }

    /// Takes up what an event says about progress.
    pub(crate) fn show(&mut self, event: &Event) {
        match event {
            Event::Phase { phase, number, of, total } => self.start(&title(*phase, *number, *of), *total),
            Event::Progress { phase, done, total, rate, eta } => self.advance(*phase, *done, *total, *rate, *eta),
            _ => {}
        }
    }

    fn start(&mut self, title: &str, total: u64) {
        match self {
            Self::Bar { screen, bar } => {
                bar.finish_and_clear();
                *bar = screen.bars().add(ProgressBar::new(total).with_style(style()));
                bar.set_prefix(title.to_owned());
            }
            Self::Lines { title: shown_title, shown } => {
                title.clone_into(shown_title);
                *shown = Instant::now();
            }
            Self::Silent => {}
        }
    }

    fn advance(&mut self, phase: Phase, done: u64, total: u64, rate: f64, eta: Option<f64>) {
        match self {
            Self::Bar { bar, .. } => {
                bar.set_length(total);
                bar.set_position(done.min(total));
                bar.set_message(pace(phase, rate, eta));
            }
            Self::Lines { title, shown } if shown.elapsed() >= LINE_EVERY => {
                *shown = Instant::now();
                let share = human::percent(done, total.max(1));
                let counts = if counts_frames(phase) { format!(" | frame {done} of {total}") } else { String::new() };
                tracing::info!("{title}: {share}{counts} | {}", pace(phase, rate, eta));
            }
            Self::Lines { .. } | Self::Silent => {}
        }
    }

    /// Takes the bar away: the job is over.
    pub(crate) fn end(&mut self) {
        if let Self::Bar { bar, .. } = self {
            bar.finish_and_clear();
        }
    }
}

fn style() -> ProgressStyle {
    ProgressStyle::with_template("{prefix:>14} [{bar:32}] {percent:>3} % | {msg}")
        .map_or_else(|_| ProgressStyle::default_bar(), |style| style.progress_chars("=> "))
}

/// The phase's name in logs.
pub(crate) const fn name(phase: Phase) -> &'static str {
    match phase {
        Phase::Index => "index",
        Phase::Analyse => "analyse",
        Phase::Solve => "solve",
        Phase::Render => "render",
        Phase::Assemble => "assemble",
        Phase::Verify => "verify",
        Phase::Pictures => "pictures",
    }
}

/// Whether the phase's units are frames; bytes otherwise.
const fn counts_frames(phase: Phase) -> bool {
    matches!(phase, Phase::Analyse | Phase::Solve | Phase::Render | Phase::Pictures)
}

/// Units of a phase in words.
pub(crate) fn units(phase: Phase, count: u64) -> String {
    if counts_frames(phase) { format!("{} frames", human::grouped(count)) } else { human::size(count as f64) }
}

/// Units a second in words.
pub(crate) fn rate(phase: Phase, rate: f64) -> String {
    let rate = if rate.is_finite() { rate } else { 0.0 };
    if counts_frames(phase) { format!("{rate:.1} fps") } else { format!("{}/s", human::size(rate)) }
}

fn title(phase: Phase, number: u32, of: u32) -> String {
    format!("{} {number}/{of}", name(phase))
}

fn pace(phase: Phase, per_second: f64, eta: Option<f64>) -> String {
    let eta = eta.map_or_else(|| "-".to_owned(), human::clock);
    format!("{} | ETA {eta}", rate(phase, per_second))
}
