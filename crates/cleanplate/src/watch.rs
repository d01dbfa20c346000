//! The observer's side of a running job: phases, progress at a bearable rate, and the wish to stop.

use std::cell::OnceCell;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use cleanplate_infer::{Meter, Meters, Placement};

use crate::analyse::REFUSED;
use crate::cards;
use crate::error::{Error, Result};
use crate::line::Cancel;
use crate::observer::{Control, Event, Observer, Phase};
use crate::report::{PhaseReport, Resources, StageReport};
use crate::stages;
use crate::usage::Usage;

/// Progress is told this often at most.
const EVERY: Duration = Duration::from_millis(200);

/// Tells an observer what happens and keeps the time of each phase.
pub(crate) struct Watch<'a> {
    observer: &'a mut dyn Observer,
    pub(crate) cancel: Cancel,
    phases: Vec<Phase>,
    current: Option<Running>,
    finished: Vec<PhaseReport>,
    /// What networks of the job do.
    pub(crate) meters: Meters,
    /// Where they run, once it has been found out.
    pub(crate) placement: OnceCell<Placement>,
    /// What has been told of each.
    told: Vec<Meter>,
    /// Lines about what refused.
    refused: Vec<String>,
    usage: Usage,
}

struct Running {
    phase: Phase,
    total: u64,
    /// Units that were done before it began, by an earlier run.
    before: u64,
    done: u64,
    since: Instant,
    told: Option<Instant>,
}

impl<'a> Watch<'a> {
    /// For a job of these phases.
    pub(crate) fn new(observer: &'a mut dyn Observer, phases: Vec<Phase>) -> Self {
        let (cancel, meters, placement) = Default::default();
        let usage = Usage::new(cards::open);
        Self {
            observer,
            cancel,
            phases,
            current: None,
            finished: Vec::new(),
            meters,
            placement,
            told: Vec::new(),
            refused: Vec::new(),
            usage,
        }
    }

    /// Passes an event on.
    pub(crate) fn tell(&mut self, event: Event) {
        if let Event::Log { message, .. } = &event
            && message.starts_with(REFUSED)
        {
            self.refused.push(message.clone());
        }
        self.observer.event(event);
    }

    /// What of the machine the job has used until now.
    pub(crate) fn resources(&mut self) -> Resources {
        self.usage.report()
    }

    /// Tells of networks that have started, and looks at the machine now and then.
    fn look(&mut self) {
        self.usage.look();
        for meter in self.meters.since(self.told.len()) {
            self.observer.event(stages::network_starts(&meter));
            for (line, reason) in stages::network_refusals(&meter) {
                // Most are refused alike, and some are introduced when they are opened.
                if !self.refused.iter().any(|told| told.ends_with(reason)) {
                    self.tell(Event::info(line));
                }
            }
            self.told.push(Meter { inputs: 0, busy: Duration::ZERO, ..meter });
        }
    }

    /// Adds to `lines` what was told to be refused and is not among them.
    pub(crate) fn refusals(&self, lines: &mut Vec<String>) {
        for line in &self.refused {
            if !lines.contains(line) {
                lines.push(line.clone());
            }
        }
    }

    /// What every network has done.
    pub(crate) fn networks(&self) -> Vec<StageReport> {
        self.meters.since(0).iter().map(stages::network_report).collect()
    }

    /// Starts a phase of `total` units, of which `before` were done by an earlier run.
    pub(crate) fn begin(&mut self, phase: Phase, total: u64, before: u64) -> Result<()> {
        self.end();
        self.poll()?;
        let number = self.phases.iter().position(|p| *p == phase).map_or(0, |at| at as u32 + 1);
        self.tell(Event::Phase { phase, number, of: self.phases.len() as u32, total });
        self.current = Some(Running { phase, total, before, done: before, since: Instant::now(), told: None });
        Ok(())
    }

    /// Ends the running phase.
    pub(crate) fn end(&mut self) {
        if let Some(running) = self.current.take() {
            self.observer.event(running.progress());
            let (units, seconds) = (running.done - running.before, running.since.elapsed().as_secs_f64());
            let rate = units as f64 / seconds.max(1e-9);
            self.finished.push(PhaseReport { phase: running.phase, seconds, units, rate });
        }
        self.look();
        for (meter, told) in self.meters.since(0).into_iter().zip(&mut self.told) {
            if meter.inputs > told.inputs {
                self.observer.event(stages::network_ends(&meter, told));
                *told = meter;
            }
        }
    }

    /// `done` units of the running phase are done (those before it began included). Breaks when the job should stop.
    pub(crate) fn progress(&mut self, done: u64) -> ControlFlow<()> {
        if let Some(running) = &mut self.current {
            running.done = done.max(running.done);
            if running.told.is_none_or(|told| told.elapsed() >= EVERY) {
                running.told = Some(Instant::now());
                let event = running.progress();
                self.observer.event(event);
            }
        }
        self.look();
        if self.observer.control() == Control::Cancel {
            self.cancel.set();
        }
        if self.cancel.is_set() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    /// As [`progress`](Self::progress), with `total` units to be done in all.
    pub(crate) fn progress_of(&mut self, done: u64, total: u64) -> ControlFlow<()> {
        if let Some(running) = &mut self.current {
            running.total = total;
        }
        self.progress(done)
    }

    /// An error once the job should stop.
    pub(crate) fn poll(&mut self) -> Result<()> {
        self.look();
        if self.observer.control() == Control::Cancel {
            self.cancel.set();
        }
        if self.cancel.is_set() { Err(Error::Cancelled) } else { Ok(()) }
    }

    /// The cost of the phases that have ended.
    pub(crate) fn timings(&mut self) -> Vec<PhaseReport> {
        self.end();
        std::mem::take(&mut self.finished)
    }
}

impl Running {
    fn progress(&self) -> Event {
        let seconds = self.since.elapsed().as_secs_f64();
        let fresh = self.done - self.before;
        let rate = if seconds > 0.0 { fresh as f64 / seconds } else { 0.0 };
        let eta = (fresh > 0 && seconds > 0.5).then(|| self.total.saturating_sub(self.done) as f64 / rate);
        Event::Progress { phase: self.phase, done: self.done, total: self.total, rate, eta }
    }
}
