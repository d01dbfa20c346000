//! The line: stages on threads of their own with queues between them, bounded by bytes. The only module that starts
//! threads.

use std::cell::Cell;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::thread::{self, Scope, ScopedJoinHandle};
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
            match spawned(scope, name, stage) {
                Ok(handle) => running.push((name, handle)),
                // The stage's ends of the queues are dropped with its closure, which stops its neighbours.
                Err(error) => outcome = Err(error),
            }
        }
        while running.iter().any(|(_, handle)| !handle.is_finished()) {
            watch();
            thread::sleep(Duration::from_millis(20));
        }
        for (name, handle) in running {
            let ended = match joined(handle, &format!("{name} stage")) {
                Ok(Err(Stop::Failed(error))) | Err(error) => Err(error),
                Ok(Ok(()) | Err(Stop::Neighbour)) => Ok(()),
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

/// Takes what a piece of work gives, with its weight.
pub(crate) type Give<'a, T> = dyn FnMut(T, u64) -> Staged + 'a;

/// Pieces of work that are done at once, and handed on in their order.
pub(crate) struct Lanes {
    /// How many at once.
    pub(crate) count: usize,
    /// Bytes that wait in all of them together.
    pub(crate) bound: u64,
}

impl Lanes {
    /// Does `pieces` pieces of `work`, piece n on lane n modulo their number, each lane with what `open` gives, and hands what they give to `take`,
    /// piece by piece. One lane works on the caller's thread, several on threads called `name`. The cause of a failure wins over its echoes.
    pub(crate) fn run<S, T: Send>(
        &self,
        name: &str,
        pieces: usize,
        open: &(dyn Fn() -> Result<S> + Sync),
        work: &(dyn Fn(&mut S, usize, &mut Give<'_, T>) -> Staged + Sync),
        take: &mut Give<'_, T>,
    ) -> Staged {
        let count = self.count.min(pieces);
        if count <= 1 {
            let mut state = open()?;
            return (0..pieces).try_for_each(|n| work(&mut state, n, take));
        }
        // An item, or the end of a piece.
        let queues: Vec<Queue<Option<(T, u64)>>> = (0..count).map(|_| Queue::new(self.bound / count as u64)).collect();
        let lane = |lane: usize| -> Staged {
            let (out, mut state) = (queues[lane].giver(), open()?);
            for n in (lane..pieces).step_by(count) {
                work(&mut state, n, &mut |item, bytes| out.push(Some((item, bytes)), bytes))?;
                out.push(None, 0)?;
            }
            Ok(())
        };
        let mut outcome = Ok(());
        thread::scope(|scope| {
            let lane = &lane;
            let mut running = Vec::new();
            // Dropped before the lanes are waited for: that stops them.
            let takers: Vec<Taker<'_, _>> = queues.iter().map(Queue::taker).collect();
            for n in 0..count {
                match spawned(scope, &format!("{name}-{n}"), move || lane(n)) {
                    Ok(handle) => running.push(handle),
                    Err(error) => {
                        outcome = Err(error.into());
                        break;
                    }
                }
            }
            for n in (0..pieces).take_while(|_| running.len() == count) {
                let ended = loop {
                    match takers[n % count].pop() {
                        Some(Some((item, bytes))) => {
                            if let Err(stop) = take(item, bytes) {
                                break Err(stop);
                            }
                        }
                        Some(None) => break Ok(()),
                        None => break Err(Stop::Neighbour),
                    }
                };
                if ended.is_err() {
                    outcome = ended;
                    break;
                }
            }
            drop(takers);
            for handle in running {
                let ended = joined(handle, &format!("{name} stage")).unwrap_or_else(|error| Err(error.into()));
                let is_echo = matches!(outcome, Ok(()) | Err(Stop::Neighbour | Stop::Failed(Error::Cancelled)));
                if is_echo && matches!(ended, Err(Stop::Failed(_))) {
                    outcome = ended;
                }
            }
        });
        outcome
    }
}

/// Does `work` on a thread called `name` and `here` on this one at the same time, and waits for both. A panic in `work` is an error
/// that names it.
pub(crate) fn beside<A: Send, B>(
    name: &str,
    work: impl FnOnce() -> A + Send,
    here: impl FnOnce() -> B,
) -> Result<(A, B)> {
    thread::scope(|scope| {
        let running = spawned(scope, name, work)?;
        let own = here();
        Ok((joined(running, &format!("{name} thread"))?, own))
    })
}

/// Starts `work` on a thread of `scope` that is called `name`.
fn spawned<'scope, T: Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    name: &str,
    work: impl FnOnce() -> T + Send + 'scope,
) -> Result<ScopedJoinHandle<'scope, T>> {
    let builder = thread::Builder::new().name(format!("cleanplate-{name}"));
    builder
        .spawn_scoped(scope, work)
        .map_err(|error| Error::Internal(format!("cannot start the {name} thread: {error}")))
}

/// What a thread gave, once it has ended; a panic is an error that says `what` it was.
fn joined<T>(running: ScopedJoinHandle<'_, T>, what: &str) -> Result<T> {
    running.join().map_err(|panic| {
        let words = panic.downcast_ref::<&str>().map(|s| (*s).to_owned());
        let words = words.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
        Error::Internal(format!("the {what} panicked: {words}"))
    })
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
    fn pieces_that_are_done_at_once_are_handed_on_in_their_order() {
        for count in [1, 2, 3, 7, 20] {
            let lanes = Lanes { count, bound: 40 };
            let (opened, mut all) = (AtomicI64::new(0), Vec::new());
            let open = || Ok(opened.fetch_add(1, Ordering::SeqCst));
            let work = |_: &mut i64, n: usize, give: &mut Give<'_, usize>| (0..5).try_for_each(|k| give(10 * n + k, 9));
            let mut take = |item, _| {
                all.push(item);
                Ok(())
            };
            lanes.run("count", 8, &open, &work, &mut take).unwrap();
            assert_eq!(all, (0..8).flat_map(|n| (0..5).map(move |k| 10 * n + k)).collect::<Vec<_>>());
            assert_eq!(opened.load(Ordering::SeqCst), count.min(8) as i64);
        }
    }

    #[test]
    fn a_lane_that_fails_ends_all_of_them_with_its_cause() {
        let lanes = Lanes { count: 3, bound: 20 };
        let work = |(): &mut (), n: usize, give: &mut Give<'_, usize>| {
            (0..50).try_for_each(|k| give(k, 9))?;
            if n == 4 { Err(Error::Usage("the cause".into()).into()) } else { Ok(()) }
        };
        let mut taken = 0;
        let mut failing = |stop_at: usize| {
            taken = 0;
            lanes.run("fail", 9, &|| Ok(()), &work, &mut |_, _| {
                taken += 1;
                if taken == stop_at { Err(Stop::Neighbour) } else { Ok(()) }
            })
        };
        assert!(matches!(failing(usize::MAX), Err(Stop::Failed(Error::Usage(words))) if words == "the cause"));
        // Whoever takes may go away first.
        assert!(matches!(failing(60), Err(Stop::Neighbour)));
        assert!(matches!(
            lanes.run("open", 9, &|| Err::<(), _>(Error::Usage("no".into())), &work, &mut |_, _| Ok(())),
            Err(Stop::Failed(Error::Usage(_)))
        ));
    }

    #[test]
    fn a_panic_in_a_stage_is_an_error_that_names_it() {
        let stage: Stage<'_> = ("restore", Box::new(|| panic!("boom {}", 1)));
        let error = run(vec![stage], &mut || ()).unwrap_err().to_string();
        assert!(error.contains("restore") && error.contains("boom 1"), "{error}");
    }
}
