//! What a job tells while it runs, and how it is told to stop.

use serde::{Deserialize, Serialize};

/// The stages of a job as users see them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Reading every packet of the source once.
    Index,
    /// Looking for marks.
    Analyse,
    /// Solving what semi-transparent marks let through, and gathering what opaque ones hide.
    Solve,
    /// Decoding, restoring and encoding.
    Render,
    /// Joining the segments and copying every other stream.
    Assemble,
    /// Reading the finished file again.
    Verify,
    /// Writing frames as pictures.
    Pictures,
}

/// How serious a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// For whoever looks for a fault.
    Debug,
    /// What was done.
    Info,
    /// Something is not as it should be; the job goes on.
    Warning,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Event {
    /// A phase starts: the `number`-th of `of`.
    Phase {
        /// Which.
        phase: Phase,
        /// From 1.
        number: u32,
        /// Phases of this job.
        of: u32,
        /// Units to be done: frames (`Analyse`, `Render`) or bytes.
        total: u64,
    },
    /// Part of the phase is done. Comes a few times a second at most.
    Progress {
        /// Which.
        phase: Phase,
        /// Units done.
        done: u64,
        /// Units to be done.
        total: u64,
        /// Units a second since the phase began, work found done by an earlier run not counted.
        rate: f64,
        /// Seconds until the phase ends at that rate; `None` at first.
        eta: Option<f64>,
    },
    /// A segment has been committed: it survives a crash from now on.
    Segment {
        /// Its number, from 0.
        number: usize,
        /// First frame.
        start: u64,
        /// First frame after it.
        end: u64,
        /// Whether an earlier run had done it.
        resumed: bool,
    },
    /// A line for people.
    Log {
        /// How serious.
        level: Level,
        /// The line, starting with the stage's name.
        message: String,
    },
}

impl Event {
    /// A line for whoever looks for a fault.
    pub fn debug(message: impl Into<String>) -> Self {
        Self::Log { level: Level::Debug, message: message.into() }
    }

    /// A line of information.
    pub fn info(message: impl Into<String>) -> Self {
        Self::Log { level: Level::Info, message: message.into() }
    }

    /// A warning.
    pub fn warning(message: impl Into<String>) -> Self {
        Self::Log { level: Level::Warning, message: message.into() }
    }
}

/// What a job should do next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Control {
    /// Go on.
    #[default]
    Continue,
    /// Stop soon (well under two seconds), keeping what is committed.
    Cancel,
}

/// Whoever watches a job. Both methods are called on the thread that called [`run`](crate::run), `control` at least ten
/// times a second.
pub trait Observer {
    /// Something happened.
    fn event(&mut self, event: Event);

    /// Asked regularly.
    fn control(&mut self) -> Control {
        Control::Continue
    }
}

/// Sees nothing, never stops.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Observer for Silent {
    fn event(&mut self, _: Event) {}
}
