//! Ranges of time as users write them: `10-25,1:30-2:00,f120-f180`.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use cleanplate_core::FrameIdx;
use serde::{Deserialize, Serialize};

/// A point in time.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Moment {
    /// Seconds from the first frame.
    Seconds(f64),
    /// Position of a frame.
    Frame(FrameIdx),
}

/// Half-open ranges of time, joined by commas. Each end is seconds (`12.5`), a clock (`1:30`, `1:02:03.5`) or a frame
/// (`f120`), counted from the first frame; a missing start is the beginning, a missing end the end.
#[derive(Clone, Debug, PartialEq)]
pub struct Times {
    ranges: Vec<(Option<Moment>, Option<Moment>)>,
    text: String,
}

impl Times {
    /// The frames of those ranges as sorted, disjoint, non-empty runs. `starts` are the frames' times in seconds from the
    /// first frame, rising; a frame belongs to a range when it starts inside.
    pub fn frames(&self, starts: &[f64]) -> Vec<Range<FrameIdx>> {
        let count = starts.len() as FrameIdx;
        let position = |moment: Moment| match moment {
            Moment::Frame(idx) => idx.min(count),
            // A microsecond of slack: users copy times that were rounded for display.
            Moment::Seconds(s) => starts.partition_point(|start| *start < s - 1e-6) as FrameIdx,
        };
        let mut runs: Vec<Range<FrameIdx>> = self
            .ranges
            .iter()
            .map(|(from, to)| from.map_or(0, position)..to.map_or(count, position))
            .filter(|run| run.start < run.end)
            .collect();
        runs.sort_by_key(|run| run.start);
        runs.into_iter().fold(Vec::new(), |mut joined: Vec<Range<FrameIdx>>, run| {
            match joined.last_mut() {
                Some(last) if run.start <= last.end => last.end = last.end.max(run.end),
                _ => joined.push(run),
            }
            joined
        })
    }

    /// The moment as frame position and as seconds of the first range's start: for options that take one time.
    pub fn first_frame(&self, starts: &[f64]) -> Option<FrameIdx> {
        self.frames(starts).first().map(|run| run.start)
    }
}

impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for Times {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let ranges = text
            .split(',')
            .map(|part| {
                let part = part.trim();
                let (from, to) = part
                    .split_once('-')
                    .ok_or_else(|| format!("time range {part:?} has no '-': write start-end, for example 10-25"))?;
                let (from, to) = (moment(from)?, moment(to)?);
                let backwards = match (from, to) {
                    (Some(Moment::Seconds(a)), Some(Moment::Seconds(b))) => a >= b,
                    (Some(Moment::Frame(a)), Some(Moment::Frame(b))) => a >= b,
                    _ => false,
                };
                if backwards {
                    return Err(format!("time range {part:?} ends before it starts"));
                }
                Ok((from, to))
            })
            .collect::<Result<Vec<_>, String>>()?;
        Ok(Self { ranges, text: text.to_owned() })
    }
}

/// A length of time: frames (`18`) or seconds (`0.6s`).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Length {
    /// Frames.
    Frames(u64),
    /// Seconds.
    Seconds(f64),
}

impl Length {
    /// The nearest number of frames at `rate` frames a second.
    pub fn frames(self, rate: f64) -> u64 {
        match self {
            Self::Frames(frames) => frames,
            Self::Seconds(seconds) => (seconds * rate).round() as u64,
        }
    }
}

impl fmt::Display for Length {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Frames(frames) => write!(f, "{frames}"),
            Self::Seconds(seconds) => write!(f, "{seconds}s"),
        }
    }
}

impl From<Length> for String {
    fn from(length: Length) -> Self {
        length.to_string()
    }
}

impl TryFrom<String> for Length {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl FromStr for Length {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is neither frames (18) nor seconds (0.6s)");
        let Some(seconds) = text.trim().strip_suffix('s') else {
            return text.trim().parse().map(Self::Frames).map_err(|_| wrong());
        };
        // An hour and more is no property of a mark, and would overflow counts of frames.
        let value: f64 = seconds.trim().parse().map_err(|_| wrong())?;
        if (0.0..=3600.0).contains(&value) { Ok(Self::Seconds(value)) } else { Err(wrong()) }
    }
}

impl Serialize for Times {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Times {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

fn moment(text: &str) -> Result<Option<Moment>, String> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    let wrong = || format!("time {text:?} is neither seconds (12.5), a clock (1:30) nor a frame (f120)");
    if let Some(frame) = text.strip_prefix(['f', 'F']) {
        return frame.parse().map(|idx| Some(Moment::Frame(idx))).map_err(|_| wrong());
    }
    let parts: Vec<&str> = text.split(':').collect();
    if parts.len() > 3 {
        return Err(wrong());
    }
    let mut seconds = 0.0;
    for part in parts {
        let value: f64 = part.parse().map_err(|_| wrong())?;
        if !value.is_finite() || value < 0.0 {
            return Err(wrong());
        }
        seconds = seconds * 60.0 + value;
    }
    Ok(Some(Moment::Seconds(seconds)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_half_open_in_seconds_clock_and_frames() {
        let starts: Vec<f64> = (0..100).map(|i| f64::from(i) / 10.0).collect();
        let frames = |text: &str| text.parse::<Times>().unwrap().frames(&starts);
        assert_eq!(frames("1-2"), [10..20]);
        assert_eq!(frames("0:01-0:02.5"), [10..25]);
        assert_eq!(frames("f3-f7,5-"), [3..7, 50..100]);
        assert_eq!(frames("-1,0.5-2,f15-f30"), [0..30]);
        assert_eq!(frames("50-60"), Vec::<Range<u64>>::new());
        assert_eq!("5-6".parse::<Times>().unwrap().first_frame(&starts), Some(50));
    }

    #[test]
    fn a_length_is_frames_or_seconds() {
        let frames = |text: &str| text.parse::<Length>().map(|length| length.frames(25.0));
        assert_eq!((frames("18"), frames("0.6s"), frames(" 2 s"), frames("0")), (Ok(18), Ok(15), Ok(50), Ok(0)));
        for text in ["", "s", "-1", "1.5", "-2s", "nans", "1e9s", "2m"] {
            assert!(frames(text).unwrap_err().contains("neither frames"), "{text}");
        }
        assert_eq!("0.6s".parse::<Length>().unwrap().to_string(), "0.6s");
    }

    #[test]
    fn nonsense_is_refused_with_the_offending_text() {
        for text in ["", "10", "a-b", "25-10", "1:2:3:4-5", "f9-f9", "nan-3", "-5--3"] {
            let error = text.parse::<Times>();
            assert!(error.is_err(), "{text:?}");
        }
        assert!("x-3".parse::<Times>().unwrap_err().contains("\"x\""));
    }
}
