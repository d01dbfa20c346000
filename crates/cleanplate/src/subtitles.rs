//! Times and boxes of captions as subtitle files with empty text, for whoever writes new ones: SRT and ASS.
//!
//! Knows entries of a plan. Refuses to know how captions are found.

use std::fmt::Write as _;
use std::path::Path;

use cleanplate_core::Rect;

use crate::error::{Error, Result};
use crate::footage::Footage;
use crate::plan::{Mark, MarkSource, write_beside};
use crate::region::{shown_size, to_shown};

/// A kind of subtitle file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Srt,
    Ass,
}

impl Kind {
    /// The kind that the ending of `path` names.
    ///
    /// # Errors
    /// Where it names none.
    pub(crate) fn of(path: &Path) -> Result<Self> {
        let ending = path.extension().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
        match ending.as_str() {
            "srt" => Ok(Self::Srt),
            "ass" => Ok(Self::Ass),
            _ => Err(Error::Usage(format!(
                "{} is neither a .srt nor a .ass: captions are written as those",
                path.display()
            ))),
        }
    }

    /// Ticks a second of its times.
    const fn ticks(self) -> u64 {
        match self {
            Self::Srt => 1000,
            Self::Ass => 100,
        }
    }

    /// `seconds` in its ticks, rounded down: a frame that is shown from then on is shown from its tick on, and one that ends there
    /// has ended, as long as frames last longer than a tick.
    fn tick(self, seconds: f64) -> u64 {
        // A millionth of a tick makes up for what seconds lose in binary.
        (seconds.max(0.0) * self.ticks() as f64 + 1e-6) as u64
    }

    fn clock(self, tick: u64) -> String {
        let (seconds, part) = (tick / self.ticks(), tick % self.ticks());
        let (h, m, s) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        match self {
            Self::Srt => format!("{h:02}:{m:02}:{s:02},{part:03}"),
            Self::Ass => format!("{h}:{m:02}:{s:02}.{part:02}"),
        }
    }
}

/// When a caption is shown and where, in displayed orientation.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Entry {
    start: f64,
    end: f64,
    rect: Rect,
}

/// Writes the captions among `marks` that are switched on to `path`, whole or not at all. An existing file is replaced: whether it may
/// be was asked before.
///
/// # Errors
/// Where it names no kind of file, or cannot be written.
pub(crate) fn write(path: &Path, marks: &[Mark], footage: &dyn Footage) -> Result<()> {
    let (kind, clip) = (Kind::of(path)?, footage.clip());
    let (lead, size) = (footage.lead(), clip.size);
    let captions = marks.iter().filter(|mark| mark.enabled && mark.from == MarkSource::Caption);
    let mut entries: Vec<Entry> = captions
        .map(|mark| Entry {
            start: lead + footage.time(mark.span.start),
            end: lead + footage.time(mark.span.end),
            rect: to_shown(mark.rect, size, clip.rotation),
        })
        .collect();
    entries.sort_by(|a, b| (a.start, a.end).partial_cmp(&(b.start, b.end)).unwrap_or(std::cmp::Ordering::Equal));
    let shown = shown_size(size, clip.rotation);
    let text = match kind {
        Kind::Srt => srt(&entries),
        Kind::Ass => ass(&entries, shown),
    };
    write_beside(path, text.as_bytes())
}

/// The box as the coordinates that SubRip knows.
fn coordinates(rect: Rect) -> String {
    format!("X1:{} X2:{} Y1:{} Y2:{}", rect.x, rect.right(), rect.y, rect.bottom())
}

fn srt(entries: &[Entry]) -> String {
    let mut out = String::new();
    for (n, Entry { start, end, rect }) in entries.iter().enumerate() {
        let [start, end] = [*start, *end].map(|at| Kind::Srt.clock(Kind::Srt.tick(at)));
        // A space as text: libav and others pass over entries without any.
        let _ = writeln!(out, "{}\n{start} --> {end}  {}\n \n", n + 1, coordinates(*rect));
    }
    out
}

fn ass(entries: &[Entry], (w, h): (u32, u32)) -> String {
    let mut out = format!(
        "[Script Info]\nScriptType: v4.00+\nPlayResX: {w}\nPlayResY: {h}\nWrapStyle: 2\nScaledBorderAndShadow: yes\n\n\
         [V4+ Styles]\nFormat: Name, Fontname, Fontsize, PrimaryColour, SecondaryColour, OutlineColour, BackColour, Bold, Italic, \
         Underline, StrikeOut, ScaleX, ScaleY, Spacing, Angle, BorderStyle, Outline, Shadow, Alignment, MarginL, MarginR, MarginV, \
         Encoding\nStyle: Default,Arial,{},&H00FFFFFF,&H00FFFFFF,&H00000000,&H00000000,0,0,0,0,100,100,0,0,1,2,0,2,0,0,0,1\n\n\
         [Events]\nFormat: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text\n",
        // About a line of a caption.
        h / 18
    );
    for Entry { start, end, rect } in entries {
        let [start, end] = [*start, *end].map(|at| Kind::Ass.clock(Kind::Ass.tick(at)));
        // The middle of its lower side, where the text of a caption stands.
        let (x, y) = (rect.x + rect.w / 2, rect.bottom());
        let _ =
            writeln!(out, "Dialogue: 0,{start},{end},Default,{},0,0,0,,{{\\an2\\pos({x},{y})}}", coordinates(*rect));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_exact_to_the_tick_and_never_later_than_the_frame() {
        for (seconds, srt, ass) in [
            (0.0, "00:00:00,000", "0:00:00.00"),
            // Frames 21 and 51 of 25 a second, and what 30000/1001 frames a second make of 100.
            (21.0 / 25.0, "00:00:00,840", "0:00:00.84"),
            (51.0 / 25.0, "00:00:02,040", "0:00:02.04"),
            (100.0 * 1001.0 / 30000.0, "00:00:03,336", "0:00:03.33"),
            (3600.0 + 59.0 * 60.0 + 59.999, "01:59:59,999", "1:59:59.99"),
            (0.29, "00:00:00,290", "0:00:00.29"),
        ] {
            let clock = |kind: Kind| kind.clock(kind.tick(seconds));
            assert_eq!((clock(Kind::Srt).as_str(), clock(Kind::Ass).as_str()), (srt, ass));
        }
    }

    #[test]
    fn captions_that_follow_each_other_at_once_do_not_overlap() {
        for n in 0..1000 {
            let at = f64::from(n) * 1001.0 / 24000.0;
            let entries =
                [(at - 0.5, at), (at, at + 0.5)].map(|(start, end)| Entry { start, end, rect: Rect::default() });
            let text = srt(&entries);
            let times: Vec<&str> = text.lines().filter(|line| line.contains("-->")).collect();
            assert_eq!(times[0].split(' ').nth(2), times[1].split(' ').next(), "{text}");
        }
    }

    #[test]
    fn only_srt_and_ass_are_known() {
        assert_eq!(Kind::of(Path::new("a.SRT")).unwrap(), Kind::Srt);
        assert_eq!(Kind::of(Path::new("a.ass")).unwrap(), Kind::Ass);
        assert!(Kind::of(Path::new("a.vtt")).unwrap_err().to_string().contains("a.vtt"));
    }
}
