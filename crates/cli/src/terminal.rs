//! The two streams of the process: lines to stderr that do not tear a progress bar, documents and events to stdout that
//! survive a closed pipe.

use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use indicatif::MultiProgress;
use serde::Serialize;

/// Standard error, shared by the log and the progress bar.
#[derive(Clone, Debug, Default)]
pub(crate) struct Screen {
    bars: MultiProgress,
}

impl Screen {
    /// Where progress bars are put.
    pub(crate) const fn bars(&self) -> &MultiProgress {
        &self.bars
    }

    /// Writes a line above a bar, if there is one. A closed stderr is no reason to stop a job.
    pub(crate) fn line(&self, line: &str) {
        self.bars.suspend(|| {
            let mut stderr = io::stderr().lock();
            let _ = writeln!(stderr, "{line}");
        });
    }
}

/// Set once nobody reads stdout any more.
static CLOSED: AtomicBool = AtomicBool::new(false);

/// Writes `text` to stdout. Once the reader has gone (`cleanplate probe in.mp4 | head`) nothing more is written.
pub(crate) fn print(text: &str) -> io::Result<()> {
    if CLOSED.load(Ordering::Relaxed) {
        return Ok(());
    }
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
            CLOSED.store(true, Ordering::Relaxed);
            Ok(())
        }
        result => result,
    }
}

/// For `map_err` on writing to stdout.
pub(crate) fn failed(source: io::Error) -> cleanplate::Error {
    cleanplate::Error::Io { action: "write to", path: "stdout".into(), source }
}

/// Writes one JSON document to stdout, indented for people.
pub(crate) fn print_document(value: &impl Serialize) -> io::Result<()> {
    let mut text = serde_json::to_string_pretty(value)?;
    text.push('\n');
    print(&text)
}

/// Writes one JSON value to stdout on a line of its own.
pub(crate) fn print_line(value: &impl Serialize) -> io::Result<()> {
    let mut text = serde_json::to_string(value)?;
    text.push('\n');
    print(&text)
}
