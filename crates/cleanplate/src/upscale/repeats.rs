//! Which frames repeat an earlier one of their segment: as a plan says, or found among the frames that are enlarged.

use std::ops::Range;

use cleanplate_core::{Frame, FrameIdx, RepeatFinder};

use super::Upscale;
use crate::error::{Error, Result};
use crate::footage::Footage;
use crate::observer::{Event, Phase};
use crate::plan::{Mark, SEGMENT_FRAMES};
use crate::watch::Watch;

/// How the first of a frame's kind is known.
pub(crate) enum Known {
    /// From a plan: frames that repeat another, rising.
    Said(Vec<(FrameIdx, FrameIdx)>),
    /// From the frames.
    Seen(RepeatFinder),
}

impl Known {
    /// As the plan says, or by its rule.
    pub(crate) fn new(plan: &Upscale) -> Self {
        plan.firsts.as_ref().map_or_else(|| Self::Seen(plan.finder()), |said| Self::Said(said.clone()))
    }

    /// The first of the kind of `frame`: its own number where it is new.
    pub(crate) fn first(&mut self, frame: &Frame) -> FrameIdx {
        match self {
            Self::Said(firsts) => {
                firsts.binary_search_by_key(&frame.idx, |pair| pair.0).map_or(frame.idx, |n| firsts[n].1)
            }
            Self::Seen(finder) => finder.first(frame),
        }
    }

    /// Whether a frame from `idx` on may be of the kind that began with `first`.
    pub(crate) fn comes_again(&self, first: FrameIdx, idx: FrameIdx) -> bool {
        match self {
            Self::Said(firsts) => {
                let near = firsts[firsts.partition_point(|pair| pair.0 < idx)..].iter();
                // Not beyond its segment.
                near.take_while(|pair| pair.0 < first + SEGMENT_FRAMES).any(|pair| pair.1 == first)
            }
            Self::Seen(finder) => finder.knows(first),
        }
    }

    /// What comes belongs to another segment.
    pub(crate) fn forget(&mut self) {
        if let Self::Seen(finder) = self {
            finder.forget();
        }
    }
}

/// Looks at every frame once with `finder`, for a plan. Answers with those that repeat an earlier one, each with the first of its kind.
/// That lies in the same of `segments`, so that each can be rendered alone, and shows the same of `marks`, so that it is restored alike.
pub(crate) fn find(
    footage: &dyn Footage,
    mut finder: RepeatFinder,
    segments: &[Range<FrameIdx>],
    marks: &[Mark],
    threads: u32,
    watch: &mut Watch<'_>,
) -> Result<Vec<(FrameIdx, FrameIdx)>> {
    let mut firsts = Vec::new();
    watch.begin(Phase::Analyse, footage.count(), 0)?;
    let mut reader = footage.frames(threads)?;
    for segment in segments {
        finder.forget();
        for idx in segment.clone() {
            let Some(frame) = reader.at(idx)? else { break };
            if marks.iter().any(|mark| mark.enabled && changes(mark, idx)) {
                finder.forget();
            }
            let first = finder.first(&frame);
            if first != idx {
                firsts.push((idx, first));
            }
            if watch.progress(idx + 1).is_break() {
                return Err(Error::Cancelled);
            }
        }
    }
    watch.end();
    watch.tell(Event::info(shares(footage.count(), firsts.len() as u64)));
    Ok(firsts)
}

/// Whether from frame `idx` on other samples are restored than before it.
fn changes(mark: &Mark, idx: FrameIdx) -> bool {
    mark.span.start == idx || mark.span.end == idx || mark.keys.iter().any(|key| key.0 == idx)
}

/// How many frames there are of each sort, in words.
pub(crate) fn shares(frames: u64, repeats: u64) -> String {
    let share = 100.0 * repeats as f64 / frames.max(1) as f64;
    format!("frames: {frames} | unique {} | repeats {repeats} ({share:.1} %)", frames - repeats)
}
