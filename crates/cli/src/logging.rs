//! The log: `YYYY-MM-DD HH:MM:SS.mmm | LEVEL    | message` in UTC, to stderr and to a file.

use std::fmt::{self, Write as _};
use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::sync::Mutex;
use std::time::{SystemTime, UNIX_EPOCH};

use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt as _};

use crate::args::LogLevel;
use crate::terminal::Screen;

/// Starts the log. Lines of this program and its crates only.
///
/// # Errors
/// The log file cannot be opened.
pub(crate) fn start(screen: Screen, level: LogLevel, file: Option<&Path>) -> cleanplate::Result<()> {
    let file =
        match file {
            Some(path) => Some(Mutex::new(File::options().create(true).append(true).open(path).map_err(|source| {
                cleanplate::Error::Io { action: "open the log file", path: path.to_owned(), source }
            })?)),
            None => None,
        };
    let lines = Lines { screen, file, level: filter(level) };
    // A second start in one process would be a defect without consequence: the first log goes on.
    let _ = tracing::subscriber::set_global_default(tracing_subscriber::registry().with(lines));
    Ok(())
}

const fn filter(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warning => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
    }
}

struct Lines {
    screen: Screen,
    file: Option<Mutex<File>>,
    level: LevelFilter,
}

impl<S: Subscriber> Layer<S> for Lines {
    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        *metadata.level() <= self.level && metadata.target().starts_with("cleanplate")
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut message = Message::default();
        event.record(&mut message);
        let line = line(SystemTime::now(), *event.metadata().level(), &message.text);
        self.screen.line(&line);
        if let Some(file) = &self.file
            && let Ok(mut file) = file.lock()
        {
            // A full disk must not end a job that could still be finished.
            let _ = writeln!(file, "{line}");
        }
    }
}

#[derive(Default)]
struct Message {
    text: String,
}

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let _ = if field.name() == "message" {
            write!(self.text, "{value:?}")
        } else {
            write!(self.text, " {}={value:?}", field.name())
        };
    }
}

fn line(now: SystemTime, level: Level, message: &str) -> String {
    let name = match level {
        Level::ERROR => "ERROR",
        Level::WARN => "WARNING",
        Level::INFO => "INFO",
        Level::DEBUG => "DEBUG",
        Level::TRACE => "TRACE",
    };
    format!("{} | {name:<8} | {}", utc(now), crate::human::printable(message))
}

/// `YYYY-MM-DD HH:MM:SS.mmm` in UTC; times before 1970 show as 1970.
fn utc(now: SystemTime) -> String {
    let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    let (days, second) = (since.as_secs() / 86_400, since.as_secs() % 86_400);
    let (year, month, day) = civil(days);
    let (h, m, s) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02} {h:02}:{m:02}:{s:02}.{:03}", since.subsec_millis())
}

/// Year, month and day of the proleptic Gregorian calendar, `days` after 1970-01-01. Counts in years that start in March,
/// so that the leap day comes last, and in eras of 400 years = 146097 days.
const fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    (era * 400 + year_of_era + (month <= 2) as u64, month, day)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_line_has_time_level_and_one_line_of_message() {
        let at = UNIX_EPOCH + Duration::from_millis(1_709_210_096_007);
        assert_eq!(line(at, Level::INFO, "a\nb"), "2024-02-29 12:34:56.007 | INFO     | a\\nb");
        assert_eq!(line(UNIX_EPOCH, Level::WARN, "x"), "1970-01-01 00:00:00.000 | WARNING  | x");
    }

    #[test]
    fn the_calendar_knows_leap_years_and_centuries() {
        assert_eq!([civil(0), civil(11_016), civil(11_017)], [(1970, 1, 1), (2000, 2, 29), (2000, 3, 1)]);
        assert_eq!([civil(47_540), civil(47_541), civil(20_818)], [(2100, 2, 28), (2100, 3, 1), (2026, 12, 31)]);
    }
}
