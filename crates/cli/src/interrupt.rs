//! Ctrl-C and SIGTERM as a flag that a job reads. It refuses to know what a job does about it.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

/// How soon after the first signal another one is a second wish. `timeout`, `npm` and others pass one signal on twice, to
/// the process and to its group, within a millisecond.
const SECOND_AFTER: Duration = Duration::from_millis(500);

/// How often the flag is looked at to see when the first signal came.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Whether the user asked to stop.
#[derive(Clone, Debug, Default)]
pub(crate) struct Interrupt {
    asked: Arc<AtomicBool>,
}

impl Interrupt {
    /// From now on the first signal sets the flag, and a second one ends the process at once with exit code 130.
    pub(crate) fn listen() -> io::Result<Self> {
        let (asked, armed) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        for signal in [SIGINT, SIGTERM] {
            flag::register_conditional_shutdown(signal, i32::from(crate::exit::INTERRUPTED), Arc::clone(&armed))?;
            flag::register(signal, Arc::clone(&asked))?;
        }
        let first = Arc::clone(&asked);
        // On a thread of its own: a job that hangs must still end at the second signal.
        thread::Builder::new().name("interrupt".to_owned()).spawn(move || {
            while !first.load(Ordering::Relaxed) {
                thread::sleep(LOOK_EVERY);
            }
            thread::sleep(SECOND_AFTER);
            armed.store(true, Ordering::Relaxed);
        })?;
        Ok(Self { asked })
    }

    /// Whether a signal came.
    pub(crate) fn is_asked(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }
}
