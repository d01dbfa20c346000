//! libav's own words: its errors and warnings are kept instead of printed, because the reason of a failure is often only
//! there.

use std::collections::VecDeque;
use std::sync::{Mutex, Once, PoisonError};

/// Lines kept at most.
const KEPT: usize = 200;

struct Lines {
    first: u64,
    lines: VecDeque<String>,
}

static LINES: Mutex<Lines> = Mutex::new(Lines { first: 0, lines: VecDeque::new() });

/// A moment in libav's log.
#[derive(Clone, Copy, Debug)]
pub struct LogMark(u64);

/// Starts to keep libav's errors and warnings (once for the process) and marks this moment.
pub fn capture() -> LogMark {
    static START: Once = Once::new();
    START.call_once(install);
    let log = LINES.lock().unwrap_or_else(PoisonError::into_inner);
    LogMark(log.first + log.lines.len() as u64)
}

impl LogMark {
    /// Lines since that moment, the oldest first; as far as they are still kept. The log belongs to the whole process: lines
    /// of other threads are among them.
    pub fn lines(self) -> Vec<String> {
        let log = LINES.lock().unwrap_or_else(PoisonError::into_inner);
        let skip = self.0.saturating_sub(log.first) as usize;
        log.lines.iter().skip(skip).cloned().collect()
    }

    /// The last line since that moment.
    pub fn last(self) -> Option<String> {
        self.lines().pop()
    }
}

/// Why something failed since `mark`: libav's first line since then, which says what the later ones follow from, or `error` where it said
/// nothing.
pub fn reason(mark: LogMark, error: &impl std::fmt::Display) -> String {
    let words = mark.lines().into_iter().next();
    words.map_or_else(
        || error.to_string(),
        |line| line.split_once("] ").map_or_else(|| line.clone(), |(_, words)| words.to_owned()),
    )
}

/// The line without the places in memory that libav writes behind names (`[h264 @ 0x55d0]`): they tell nobody anything, and differ from run
/// to run.
fn bare(line: &str) -> String {
    let mut parts = line.split(" @ 0x");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |bare, part| bare + part.trim_start_matches(|c: char| c.is_ascii_hexdigit()))
}

fn keep(line: &str) {
    let line = bare(line.trim());
    if line.is_empty() {
        return;
    }
    let mut log = LINES.lock().unwrap_or_else(PoisonError::into_inner);
    if log.lines.len() == KEPT {
        log.lines.pop_front();
        log.first += 1;
    }
    log.lines.push_back(line);
}

#[cfg(all(target_arch = "x86_64", not(windows)))]
fn install() {
    use super::ffi;
    use std::ffi::{CStr, c_char, c_int, c_void};

    unsafe extern "C" fn callback(
        object: *mut c_void,
        level: c_int,
        format: *const c_char,
        args: *mut ffi::__va_list_tag,
    ) {
        if level > ffi::AV_LOG_WARNING as c_int {
            return;
        }
        let mut line = [0 as c_char; 512];
        let mut prefix: c_int = 1;
        // SAFETY: object, format and args are libav's own; the buffer is valid for its length and gets a closing zero.
        let text = unsafe {
            ffi::av_log_format_line2(object, level, format, args, line.as_mut_ptr(), line.len() as c_int, &mut prefix);
            CStr::from_ptr(line.as_ptr())
        };
        keep(&text.to_string_lossy());
    }
    // SAFETY: the callback is thread-safe (a mutex) and never unwinds.
    unsafe { ffi::av_log_set_callback(Some(callback)) };
}

#[cfg(not(all(target_arch = "x86_64", not(windows))))]
fn install() {
    // The type of a C variable argument list differs here: libav stays quiet and its reasons are the error codes alone.
    // SAFETY: sets an integer.
    unsafe { super::ffi::av_log_set_level(super::ffi::AV_LOG_QUIET as i32) };
    keep("");
}

#[cfg(test)]
mod tests {
    use super::bare;

    #[test]
    fn places_in_memory_are_left_out() {
        assert_eq!(
            bare("[h264_nvenc @ 0x558da4de4b40] Cannot load libcuda.so.1"),
            "[h264_nvenc] Cannot load libcuda.so.1"
        );
        assert_eq!(bare("mail to a @ b"), "mail to a @ b");
    }
}
