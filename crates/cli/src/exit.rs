//! Exit codes, from the kind of an error alone.

use std::path::Path;

use cleanplate::{Error, ErrorKind, Report};

pub(crate) const DONE: u8 = 0;
pub(crate) const DEFECT: u8 = 1;
pub(crate) const USAGE: u8 = 2;
/// A device or library refused.
pub(crate) const BACKEND: u8 = 6;
/// Written, but a mark still shows in frames that the report lists.
pub(crate) const SHOWS: u8 = 11;
pub(crate) const INTERRUPTED: u8 = 130;

/// The exit code of an error.
pub(crate) const fn code(kind: ErrorKind) -> u8 {
    match kind {
        ErrorKind::Usage => USAGE,
        ErrorKind::Input => 3,
        ErrorKind::Unsupported => 4,
        ErrorKind::Io => 5,
        ErrorKind::Backend => BACKEND,
        ErrorKind::NothingFound => 10,
        ErrorKind::Cancelled => INTERRUPTED,
        _ => DEFECT,
    }
}

/// The exit code of a job that has written its output.
pub(crate) const fn of(report: &Report) -> u8 {
    if report.flashes.is_empty() { DONE } else { SHOWS }
}

/// The error's text with what the user can do next, where that is not in the text itself.
pub(crate) fn advice(error: &Error) -> String {
    match error.kind() {
        ErrorKind::Cancelled => format!("{error}; run the same command again to go on where it stopped"),
        ErrorKind::Internal => format!("{error}; this is a defect of cleanplate, please report it with the log"),
        _ => error.to_string(),
    }
}

/// The error's text, with the file that it is about named once.
pub(crate) fn about(input: &Path, text: &str) -> String {
    let name = input.display().to_string();
    if text.contains(&name) { text.to_owned() } else { format!("{name}: {text}") }
}

/// The word for an exit code in events and tables.
pub(crate) const fn word(code: u8) -> &'static str {
    match code {
        DONE => "done",
        USAGE => "usage",
        3 => "input",
        4 => "unsupported",
        5 => "io",
        BACKEND => "backend",
        10 => "nothing-found",
        SHOWS => "mark-shows",
        INTERRUPTED => "interrupted",
        _ => "internal",
    }
}

/// The exit code of a folder: an interrupt, else the first of these that any file ended with.
pub(crate) fn worst(codes: impl Iterator<Item = u8> + Clone) -> u8 {
    let order = [INTERRUPTED, USAGE, DEFECT, 5, 3, 4, 6, SHOWS, 10];
    order.into_iter().find(|code| codes.clone().any(|c| c == *code)).unwrap_or(DONE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_ends_with_its_gravest_code() {
        let worst = |codes: &[u8]| super::worst(codes.iter().copied());
        assert_eq!(worst(&[0, 10, 3, 0]), 3);
        assert_eq!(worst(&[3, 5, 4]), 5);
        assert_eq!(worst(&[0, 10]), 10);
        assert_eq!(worst(&[5, 1]), 1);
        assert_eq!(worst(&[]), DONE);
    }

    #[test]
    fn every_kind_of_error_has_its_code() {
        let table = [
            (ErrorKind::Internal, 1),
            (ErrorKind::Usage, 2),
            (ErrorKind::Input, 3),
            (ErrorKind::Unsupported, 4),
            (ErrorKind::Io, 5),
            (ErrorKind::Backend, 6),
            (ErrorKind::NothingFound, 10),
            (ErrorKind::Cancelled, 130),
        ];
        for (kind, expected) in table {
            assert_eq!(code(kind), expected, "{kind:?}");
        }
    }
}
