//! Failures on demand, so that every way out is walked on machines that lack the hardware.

use std::str::FromStr;

use cleanplate_core::FrameIdx;
use cleanplate_infer::{NetFailure, NetFault};
use serde::{Deserialize, Serialize};

use crate::devices::{CHECK, CONVERT, DECODE, ENCODE, MUX, NET, UPSCALE};
use crate::error::Error;

/// The only candidate of stages that no device does, and the last one of decoding.
const SOFTWARE: &str = "software";

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
    /// A network fails from a run on, or at one alone, in such words.
    Run { first: u64, is_once: bool, words: String },
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
            What::Frame(..) | What::Run { .. } | What::StandIn => None,
        }
    }

    /// Why the candidate fails at frame `idx`.
    pub(crate) fn fails(&self, stage: &str, candidate: &str, idx: FrameIdx) -> Option<String> {
        self.failure(stage, candidate).filter(|(at, _)| *at == idx).map(|(_, words)| words)
    }

    /// At which frame the candidate fails, and why.
    pub(crate) fn failure(&self, stage: &str, candidate: &str) -> Option<(FrameIdx, String)> {
        match &self.what {
            What::Frame(at, words) if self.is_of(stage, candidate) => Some((*at, words.clone())),
            _ => None,
        }
    }

    /// Whether software plays the candidate.
    pub(crate) fn is_stand_in(&self, stage: &str, candidate: &str) -> bool {
        self.is_of(stage, candidate) && self.what == What::StandIn
    }

    /// Fails where that of the only candidate of `stage` is rehearsed: at a frame, or before the first one.
    pub(crate) fn rehearse(faults: &[Self], stage: &'static str, frame: Option<FrameIdx>) -> Result<(), Error> {
        let reason = faults.iter().find_map(|fault| match frame {
            None => fault.refuses(stage, SOFTWARE),
            Some(idx) => fault.fails(stage, SOFTWARE, idx),
        });
        reason.map_or(Ok(()), |reason| Err(Error::Failed { stage, frame, reason }))
    }

    /// What it means for runtimes of networks, where it is about one.
    pub(crate) fn of_network(&self) -> Option<NetFault> {
        let what = match &self.what {
            What::Absent | What::Open => NetFailure::Refuses(self.refuses(NET, &self.candidate)?),
            What::Run { first, is_once: true, words } => NetFailure::Once(*first, words.clone()),
            What::Run { first, is_once: false, words } => NetFailure::From(*first, words.clone()),
            What::StandIn => NetFailure::StandIn,
            What::Frame(..) => return None,
        };
        let (network, runtime) = match self.candidate.rsplit_once('/') {
            Some((network, runtime)) => (Some(network.to_owned()), runtime),
            None => (None, &*self.candidate),
        };
        (self.stage == NET).then(|| NetFault { network, runtime: runtime.to_owned(), what })
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
                "{text:?} is no fault: decode, encode or net:candidate:absent, :open or :standin; of decode and encode also :frame=N:oom or :dies, of net \
                 :run=N:oom or :dies; upscale, convert, check or mux:software:absent, :open, :frame=N:oom or :dies (encode:h264_nvenc:frame=37:oom, \
                 net:text/rten:open)"
            )
        };
        let parts: Vec<&str> = text.split(':').collect();
        let words = |how: &str| match how {
            "oom" => Ok("out of memory (rehearsed)".to_owned()),
            "dies" => Ok("the device is lost (rehearsed)".to_owned()),
            _ => Err(usage()),
        };
        let number = |text: &str, key: &str| text.strip_prefix(key).and_then(|n| n.parse().ok());
        let what = match parts[..] {
            [DECODE | ENCODE | NET, _, "absent"] => What::Absent,
            [DECODE | ENCODE | NET, _, "open"] => What::Open,
            [DECODE | ENCODE | NET, _, "standin"] => What::StandIn,
            [UPSCALE | CONVERT | CHECK | MUX, SOFTWARE, "absent"] => What::Absent,
            [UPSCALE | CONVERT | CHECK | MUX, SOFTWARE, "open"] => What::Open,
            [DECODE | ENCODE, _, at, how] | [UPSCALE | CONVERT | CHECK | MUX, SOFTWARE, at, how] => {
                What::Frame(number(at, "frame=").ok_or_else(usage)?, words(how)?)
            }
            // What memory does not hold fits when there is less of it; what is lost stays lost.
            [NET, _, at, how] => {
                What::Run { first: number(at, "run=").ok_or_else(usage)?, is_once: how == "oom", words: words(how)? }
            }
            _ => return Err(usage()),
        };
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
        let lost: Fault = "net:onnxruntime:run=2:dies".parse().unwrap();
        assert!(lost.of_network().is_some() && fault.of_network().is_none());
        let named: Fault = "net:text/rten:open".parse().unwrap();
        let named = named.of_network().unwrap();
        assert_eq!((named.network.as_deref(), &*named.runtime), (Some("text"), "rten"));
        let mux: Fault = "mux:software:frame=4:dies".parse().unwrap();
        let failed = Fault::rehearse(&[mux], MUX, Some(4)).unwrap_err().to_string();
        assert_eq!(failed, "mux: failed at frame 4 (the device is lost (rehearsed)), and nothing can take its place");
        let absent: Fault = "encode:h264_nvenc:absent".parse().unwrap();
        assert!(absent.refuses("encode", "h264_nvenc").is_some());
        for text in [
            "",
            "encode",
            "encode:x",
            "encode:x:sometimes",
            "encode:x:frame=a:oom",
            "net:x:frame=1:oom",
            "mux:x:absent",
            "mux:software:standin",
            "restore:software:absent",
        ] {
            assert!(text.parse::<Fault>().is_err(), "{text}");
        }
    }
}
