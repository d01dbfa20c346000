//! Numbers and foreign text as people read them.

use std::borrow::Cow;
use std::fmt::Write as _;

/// `text` with control characters written as escapes: names and metadata of files must not steer a terminal or break a line.
pub(crate) fn printable(text: &str) -> Cow<'_, str> {
    if !text.chars().any(char::is_control) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if c.is_control() {
            let _ = write!(out, "{}", c.escape_default());
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

/// `12.3 MB`: powers of 1000, as disks are sold and `ls --si` counts.
pub(crate) fn size(bytes: f64) -> String {
    let mut value = bytes;
    for unit in ["B", "kB", "MB", "GB"] {
        if value < 999.95 {
            return if unit == "B" { format!("{value:.0} B") } else { format!("{value:.1} {unit}") };
        }
        value /= 1000.0;
    }
    format!("{value:.1} TB")
}

/// `0:07`, `12:05`, `1:02:03`.
pub(crate) fn clock(seconds: f64) -> String {
    let whole = if seconds.is_finite() { seconds.max(0.0).round() as u64 } else { 0 };
    let (h, m, s) = (whole / 3600, whole / 60 % 60, whole % 60);
    if h > 0 { format!("{h}:{m:02}:{s:02}") } else { format!("{m}:{s:02}") }
}

/// `12 345 678`.
pub(crate) fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut out = String::new();
    for (k, digit) in digits.chars().enumerate() {
        if k > 0 && (digits.len() - k).is_multiple_of(3) {
            out.push(' ');
        }
        out.push(digit);
    }
    out
}

/// `part` of `whole` in per cent, as precise as small shares need.
pub(crate) fn percent(part: u64, whole: u64) -> String {
    let share = if whole == 0 { 0.0 } else { part as f64 / whole as f64 * 100.0 };
    match share {
        0.0 => "0 %".to_owned(),
        s if s < 0.1 => format!("{s:.3} %"),
        s if s < 10.0 => format!("{s:.2} %"),
        s => format!("{s:.1} %"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_escaped_and_all_else_is_kept() {
        assert_eq!(printable("片名 \u{1b}[31m\n"), "片名 \\u{1b}[31m\\n");
        assert!(matches!(printable("plain 名"), Cow::Borrowed(_)));
    }

    #[test]
    fn numbers_read_well() {
        assert_eq!([size(0.0), size(999.0), size(12_345_678.0)], ["0 B", "999 B", "12.3 MB"]);
        assert_eq!([clock(7.4), clock(725.0), clock(3723.0), clock(f64::NAN)], ["0:07", "12:05", "1:02:03", "0:00"]);
        assert_eq!([grouped(7), grouped(1234), grouped(1_234_567)], ["7", "1 234", "1 234 567"]);
        assert_eq!(
            [percent(0, 9), percent(1, 10_000), percent(1, 20), percent(1, 2)],
            ["0 %", "0.010 %", "5.00 %", "50.0 %"]
        );
    }
}
