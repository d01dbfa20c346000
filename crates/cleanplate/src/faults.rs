//! Failures on demand, so that every way out is walked on machines that lack the hardware.

use std::str::FromStr;

use cleanplate_core::FrameIdx;
use serde::{Deserialize, Serialize};

/// Something that goes wrong, as `stage:candidate:what`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    stage: String,
    candidate: String,
    what: What,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum What {
    /// It is not there.
    Absent,
    /// It does not open.
    Open,
    /// It fails at a frame, in such words.
    Frame(FrameIdx, String),
    /// It is there: software plays it.
    StandIn,
}

impl Fault {
    /// Why the candidate cannot be opened.
    pub(crate) fn refuses(&self, stage: &str, candidate: &str) -> Option<String> {
        match &self.what {
            _ if !self.is_of(stage, candidate) => None,
            What::Absent => Some("it is not there (rehearsed)".to_owned()),
            What::Open => Some("it does not open (rehearsed)".to_owned()),
            What::Frame(..) | What::StandIn => None,
        }
    }

    /// Why the candidate fails at frame `idx`.
    pub(crate) fn fails(&self, stage: &str, candidate: &str, idx: FrameIdx) -> Option<String> {
        match &self.what {
            What::Frame(at, words) if self.is_of(stage, candidate) && *at == idx => {
                Some(format!("{words} (rehearsed)"))
            }
            _ => None,
        }
    }

    /// Whether software plays the candidate.
    pub(crate) fn is_stand_in(&self, stage: &str, candidate: &str) -> bool {
        self.is_of(stage, candidate) && self.what == What::StandIn
    }

    fn is_of(&self, stage: &str, candidate: &str) -> bool {
        self.stage == stage && self.candidate == candidate
    }
}

impl FromStr for Fault {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let usage = || {
            format!(
                "{text:?} is no fault: stage:candidate:absent, :open, :standin, or :frame=N:oom or dies (encode:h264_nvenc:frame=37:oom)"
            )
        };
        let parts: Vec<&str> = text.split(':').collect();
        let what = match parts[..] {
            [_, _, "absent"] => What::Absent,
            [_, _, "open"] => What::Open,
            [_, _, "standin"] => What::StandIn,
            [_, _, at, how] => {
                let idx = at.strip_prefix("frame=").and_then(|n| n.parse().ok()).ok_or_else(usage)?;
                match how {
                    "oom" => What::Frame(idx, "out of memory".to_owned()),
                    "dies" => What::Frame(idx, "the device is lost".to_owned()),
                    _ => return Err(usage()),
                }
            }
            _ => return Err(usage()),
        };
        let known = ["encode"];
        if !known.contains(&parts[0]) {
            return Err(format!("{} is no stage in which faults are rehearsed; known: {}", parts[0], known.join(", ")));
        }
        Ok(Self { stage: parts[0].to_owned(), candidate: parts[1].to_owned(), what })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_meets_its_candidate_at_its_frame_alone() {
        let fault: Fault = "encode:h264_nvenc:frame=37:oom".parse().unwrap();
        assert_eq!(fault.fails("encode", "h264_nvenc", 37).as_deref(), Some("out of memory (rehearsed)"));
        assert_eq!(fault.fails("encode", "h264_nvenc", 36), None);
        assert_eq!(fault.fails("encode", "libx264", 37), None);
        assert_eq!(fault.refuses("encode", "h264_nvenc"), None);
        let absent: Fault = "encode:h264_nvenc:absent".parse().unwrap();
        assert!(absent.refuses("encode", "h264_nvenc").is_some());
        for text in ["", "encode", "encode:x", "encode:x:sometimes", "encode:x:frame=a:oom", "mux:x:absent"] {
            assert!(text.parse::<Fault>().is_err(), "{text}");
        }
    }
}
