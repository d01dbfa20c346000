//! The line: stages on threads of their own with queues between them, bounded by bytes. The only module that starts
//! threads.

use std::cell::Cell;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use crate::error::{Error, Result};

/// Why a stage ended early.
#[derive(Debug)]
pub(crate) enum Stop {
    /// Something went wrong here.
    Failed(Error),
    /// A neighbour went away: its own error says why.
    Neighbour,
}

impl<E: Into<Error>> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

/// How a stage ends.
pub(crate) type Staged = std::result::Result<(), Stop>;

struct State<T> {
    items: VecDeque<(T, u64)>,
    bytes: u64,
    ended: bool,
    dropped: bool,
}

/// A queue of bounded weight between two stages. An item counts from its push until its taker comes for the next one, so
/// that the bound holds for what waits and what is being worked on together. An item heavier than the bound passes alone.
pub(crate) struct Queue<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
    bound: u64,
}

impl<T> Queue<T> {
    /// A queue for items of `bound` bytes together.
    pub(crate) fn new(bound: u64) -> Self {
        let state = State { items: VecDeque::new(), bytes: 0, ended: false, dropped: false };
        Self { state: Mutex::new(state), changed: Condvar::new(), bound }
    }

    /// Waits for room, then appends.
    pub(crate) fn push(&self, item: T, bytes: u64) -> Staged {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        while !state.dropped && state.bytes > 0 && state.bytes + bytes > self.bound {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if state.dropped {
            return Err(Stop::Neighbour);
        }
        state.bytes += bytes;
        state.items.push_back((item, bytes));
        self.changed.notify_all();
        Ok(())
    }

    /// Gives back the weight of the item before, then waits for an item and its weight; `None` after the last one.
    fn pop(&self, held: u64) -> Option<(T, u64)> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.bytes = state.bytes.saturating_sub(held);
        self.changed.notify_all();
        loop {
            if let Some(item) = state.items.pop_front() {
                return Some(item);
            }
            if state.ended {
                return None;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The giving end: closes the queue when the stage ends, however it ends.
    pub(crate) fn giver(&self) -> Giver<'_, T> {
        Giver(self)
    }

    /// The taking end: makes the giver stop when the stage ends, however it ends.
    pub(crate) fn taker(&self) -> Taker<'_, T> {
        Taker { queue: self, held: Cell::new(0) }
    }
}

pub(crate) struct Giver<'a, T>(&'a Queue<T>);

impl<T> Giver<'_, T> {
    pub(crate) fn push(&self, item: T, bytes: u64) -> Staged {
        self.0.push(item, bytes)
    }
}

impl<T> Drop for Giver<'_, T> {
    fn drop(&mut self) {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner).ended = true;
        self.0.changed.notify_all();
    }
}

pub(crate) struct Taker<'a, T> {
    queue: &'a Queue<T>,
    held: Cell<u64>,
}

impl<T> Taker<'_, T> {
    pub(crate) fn pop(&self) -> Option<T> {
        let (item, weight) = self.queue.pop(self.held.take())?;
        self.held.set(weight);
        Some(item)
    }
}

impl<T> Drop for Taker<'_, T> {
    fn drop(&mut self) {
        let mut state = self.queue.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.dropped = true;
        state.items.clear();
        state.bytes = 0;
        self.queue.changed.notify_all();
    }
}

/// Whether everything should stop; shared by all stages of a line.
#[derive(Debug, Default)]
pub(crate) struct Cancel(AtomicBool);

impl Cancel {
    pub(crate) fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// An error once it is set.
    pub(crate) fn check(&self) -> Result<()> {
        if self.is_set() { Err(Error::Cancelled) } else { Ok(()) }
    }
}

/// A stage: its name and what it does.
pub(crate) type Stage<'a> = (&'static str, Box<dyn FnOnce() -> Staged + Send + 'a>);

/// Runs every stage on a thread of its own and `watch` on this one, every 20 ms until all have ended and once more after
/// that. The cause of a failure wins over its echoes in the neighbours; a panic in a stage is an error that names the stage.
pub(crate) fn run<'a>(stages: Vec<Stage<'a>>, watch: &mut dyn FnMut()) -> Result<()> {
    let mut outcome = Ok(());
    thread::scope(|scope| {
        let mut running = Vec::new();
        for (name, stage) in stages {
            let builder = thread::Builder::new().name(format!("cleanplate-{name}"));
            match builder.spawn_scoped(scope, stage) {
                Ok(handle) => running.push((name, handle)),
                // The stage's ends of the queues are dropped with its closure, which stops its neighbours.
                Err(error) => outcome = Err(Error::Internal(format!("cannot start the {name} thread: {error}"))),
            }
        }
        while running.iter().any(|(_, handle)| !handle.is_finished()) {
            watch();
            thread::sleep(Duration::from_millis(20));
        }
        for (name, handle) in running {
            let ended = match handle.join() {
                Ok(Err(Stop::Failed(error))) => Err(error),
                Ok(Ok(()) | Err(Stop::Neighbour)) => Ok(()),
                Err(panic) => Err(Error::Internal(format!("the {name} stage panicked: {}", words_of(&*panic)))),
            };
            // A cancellation is the weakest reason: another stage may have failed just before.
            if matches!(outcome, Ok(()) | Err(Error::Cancelled)) && ended.is_err() {
                outcome = ended;
            }
        }
    });
    watch();
    outcome
}

/// Does `work` on a thread called `name` and `here` on this one at the same time, and waits for both. A panic in `work` is an error
/// that names it.
pub(crate) fn beside<A: Send, B>(
    name: &str,
    work: impl FnOnce() -> A + Send,
    here: impl FnOnce() -> B,
) -> Result<(A, B)> {
    thread::scope(|scope| {
        let builder = thread::Builder::new().name(format!("cleanplate-{name}"));
        let running = builder
            .spawn_scoped(scope, work)
            .map_err(|error| Error::Internal(format!("cannot start the {name} thread: {error}")))?;
        let own = here();
        match running.join() {
            Ok(other) => Ok((other, own)),
            Err(panic) => Err(Error::Internal(format!("the {name} thread panicked: {}", words_of(&*panic)))),
        }
    })
}

/// What a panic says.
fn words_of(panic: &(dyn std::any::Any + Send)) -> String {
    let words = panic.downcast_ref::<&str>().map(|s| (*s).to_owned());
    words.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicI64;

    #[test]
    fn a_queue_never_holds_more_than_its_bound() {
        let queue = Queue::new(100);
        // Signed: the taker may count its pop before the giver has counted its push.
        let (inside, most) = (AtomicI64::new(0), AtomicI64::new(0));
        let give: Stage<'_> = (
            "give",
            Box::new(|| {
                let out = queue.giver();
                for i in 0..200u32 {
                    out.push(i, 30)?;
                    most.fetch_max(inside.fetch_add(30, Ordering::SeqCst) + 30, Ordering::SeqCst);
                }
                Ok(())
            }),
        );
        let take: Stage<'_> = (
            "take",
            Box::new(|| {
                let input = queue.taker();
                let mut expected = 0;
                while let Some(i) = input.pop() {
                    inside.fetch_sub(30, Ordering::SeqCst);
                    assert_eq!(i, expected);
                    expected += 1;
                }
                assert_eq!(expected, 200);
                Ok(())
            }),
        );
        run(vec![give, take], &mut || ()).unwrap();
        // Three fit; one more may be counted by the giver before the taker has counted its pop.
        assert!((60..=120).contains(&most.load(Ordering::SeqCst)), "{most:?}");
    }

    #[test]
    fn the_cause_of_a_failure_wins_over_its_echo() {
        let (a, b) = (Queue::new(10), Queue::new(10));
        let first: Stage<'_> = (
            "first",
            Box::new(|| {
                let out = a.giver();
                loop {
                    out.push(0u8, 5)?;
                }
            }),
        );
        let second: Stage<'_> = (
            "second",
            Box::new(|| {
                let (input, out) = (a.taker(), b.giver());
                while let Some(item) = input.pop() {
                    out.push(item, 5)?;
                }
                Ok(())
            }),
        );
        let third: Stage<'_> = (
            "third",
            Box::new(|| {
                let input = b.taker();
                input.pop();
                Err(Error::Usage("the cause".into()).into())
            }),
        );
        assert_eq!(run(vec![first, second, third], &mut || ()).unwrap_err().to_string(), "the cause");
    }

    #[test]
    fn a_panic_in_a_stage_is_an_error_that_names_it() {
        let stage: Stage<'_> = ("restore", Box::new(|| panic!("boom {}", 1)));
        let error = run(vec![stage], &mut || ()).unwrap_err().to_string();
        assert!(error.contains("restore") && error.contains("boom 1"), "{error}");
    }
}
