//! Pass 1 where the user has not said where marks are: a sparse look at the clip, and the marks that it shows.

use std::ops::Range;

use cleanplate_core::locate::{Evidence, Survey};
use cleanplate_core::{Frame, FrameIdx, Rect};

use crate::error::Result;
use crate::footage::Footage;
use crate::marks::{Claim, Marker, intersect, named_places};
use crate::observer::{Event, Phase};
use crate::options::Options;
use crate::plan::MarkSource;
use crate::watch::Watch;

/// Frames that are looked at for their differences.
const CANDIDATES: usize = 96;

/// Frames of those that are looked at closely (restoration notes, section 2: 48 most different frames).
const CLOSE: usize = 48;

/// How a line about a place begins that was not believed to be a mark.
pub(crate) const DOUBTED: &str = "doubted";

/// How a line about a runtime begins that does not run a network.
pub(crate) const REFUSED: &str = "refused";

/// Of what was seen, in words, the lines about places that were not believed and runtimes that refused.
pub(crate) fn doubts(words: &[String]) -> impl Iterator<Item = String> + '_ {
    words.iter().filter(|line| line.starts_with(DOUBTED) || line.starts_with(REFUSED)).cloned()
}

/// Places that the log names; the plan has them all.
const SAID: usize = 8;

/// Bytes of candidates that are held so that none is decoded twice; larger pictures are read again.
const HELD_BYTES: u64 = 192 << 20;

/// Share of the clip that may be decoded to reach the candidates where key frames are rare.
const DECODED_SHARE: f64 = 0.25;

/// Clips of fewer frames are read through.
const SHORT: u64 = 400;

/// Pixels a side by which the mask of a mark that was found grows: its soft edge, and the ringing that the codec put around it.
pub(crate) const GROWN: u32 = 3;

/// Looks for persistent marks and adds those that are found with confidence. Answers with what was seen, in words; the last
/// line is the verdict.
pub(crate) fn locate(
    footage: &dyn Footage,
    options: &Options,
    marker: &mut Marker<'_>,
    watch: &mut Watch<'_>,
) -> Result<Vec<String>> {
    let (clip, count) = (footage.clip(), footage.count());
    let candidates = candidates(count, CANDIDATES, |idx| footage.is_key(idx));
    let frame_bytes = clip.format.bytes(clip.size.0, clip.size.1);
    let holds = candidates.len() as u64 * frame_bytes <= HELD_BYTES;
    let close = if holds { 0 } else { CLOSE as u64 };
    watch.begin(Phase::Analyse, candidates.len() as u64 + close, 0)?;
    let mut survey = Survey::new();
    let mut held: Vec<Frame> = Vec::new();
    visit(footage, options, &candidates, 0, watch, &mut |frame| {
        survey.observe(&frame);
        if holds {
            held.push(frame);
        }
    })?;
    let chosen = survey.choose(CLOSE);
    let mut evidence = Evidence::new();
    if holds {
        for frame in held.iter().filter(|frame| chosen.contains(&frame.idx)) {
            watch.poll()?;
            evidence.observe(frame);
        }
    } else {
        visit(footage, options, &chosen, candidates.len() as u64, watch, &mut |frame| {
            evidence.observe(&frame);
        })?;
    }
    drop(held);
    watch.poll()?;
    let conclusion = evidence.conclude();
    let (w, h) = clip.size;
    let mut words = Vec::new();
    for found in &conclusion.detections {
        let r = found.rect;
        let sure = if found.confident { "found" } else { DOUBTED };
        words.push(format!(
            "{sure} {},{} {}x{} (score {:.2}){}",
            r.x,
            r.y,
            r.w,
            r.h,
            found.score,
            because(&found.reason)
        ));
    }
    words.push(conclusion.verdict.clone());
    for (n, line) in words.iter().enumerate() {
        let said = n < SAID || n + 1 == words.len();
        let line = format!("locate: {line}");
        watch.tell(if said { Event::info(line) } else { Event::debug(line) });
    }
    let all = 0..count;
    let places: Vec<(Rect, Vec<Range<FrameIdx>>)> = if options.names_marks() || !options.regions.is_empty() {
        named_places(options, clip)?
    } else {
        vec![(Rect::new(0, 0, w, h), vec![all])]
    };
    let mut taken = 0;
    for found in conclusion.marks() {
        let mask = found.mask.dilated(options.dilate.unwrap_or(GROWN), w, h);
        let span = reach(&found.span, &chosen, count);
        let claim = Claim { from: MarkSource::Located, confidence: f64::from(found.score), reason: &found.reason };
        // A mark belongs to the place that holds most of it.
        let inside = places.iter().filter(|(rect, _)| 2 * rect.intersect(&found.rect).area() > found.rect.area());
        for (_, runs) in inside.take(1) {
            marker.still(&mask, &intersect(runs, std::slice::from_ref(&span)), &claim)?;
            taken += 1;
        }
    }
    if taken == 0 && conclusion.marks().next().is_some() {
        words.push("the marks that were found lie outside of the named places".to_owned());
    }
    watch.end();
    Ok(words)
}

/// A reason at the end of a line, where there is one.
fn because(reason: &str) -> String {
    if reason.is_empty() { String::new() } else { format!(": {reason}") }
}

/// The frames of a mark that was seen on sampled frames only: up to the next sample on which it was not.
fn reach(seen: &std::ops::Range<FrameIdx>, sampled: &[FrameIdx], count: FrameIdx) -> std::ops::Range<FrameIdx> {
    let before = sampled.iter().filter(|idx| **idx < seen.start).max();
    let after = sampled.iter().filter(|idx| **idx >= seen.end).min();
    before.map_or(0, |idx| idx + 1)..after.copied().unwrap_or(count)
}

/// About `wanted` frames to be looked at: spread over the clip, and cheap to decode.
pub(crate) fn candidates(count: FrameIdx, wanted: usize, is_key: impl Fn(FrameIdx) -> bool) -> Vec<FrameIdx> {
    let even = |n: u64| (0..n).map(move |i| (i * count + count / 2) / n);
    if count <= SHORT {
        let mut all: Vec<FrameIdx> = even((wanted as u64).min(count)).collect();
        all.dedup();
        return all;
    }
    let keys: Vec<FrameIdx> = (0..count).filter(|idx| is_key(*idx)).collect();
    if keys.len() >= wanted {
        return even(wanted as u64).map(|at| keys[keys.partition_point(|k| *k <= at).saturating_sub(1)]).fold(
            Vec::new(),
            |mut list, key| {
                if list.last() != Some(&key) {
                    list.push(key);
                }
                list
            },
        );
    }
    if keys.is_empty() {
        return even(wanted as u64).collect();
    }
    // Few key frames: after each of them a run is decoded, as long as the share allows, and looked at in even steps.
    let run = (DECODED_SHARE * count as f64 / keys.len() as f64).ceil() as u64;
    let looks = (wanted as u64).div_ceil(keys.len() as u64).min(run.max(1));
    let ends = keys.iter().skip(1).copied().chain([count]);
    let list = keys.iter().zip(ends).flat_map(|(key, end)| {
        let step = (run / looks).max(1);
        (0..looks).map(move |i| key + i * step).filter(move |idx| *idx < end)
    });
    list.collect()
}

/// Shows frames in rising order; `before` units of the running phase were done.
pub(crate) fn visit(
    footage: &dyn Footage,
    options: &Options,
    frames: &[FrameIdx],
    before: u64,
    watch: &mut Watch<'_>,
    see: &mut dyn FnMut(Frame),
) -> Result<()> {
    let mut reader = footage.frames(options.decoder_threads.unwrap_or(0))?;
    for (n, idx) in frames.iter().enumerate() {
        let Some(frame) = reader.at(*idx)? else { break };
        see(frame);
        if watch.progress(before + n as u64 + 1).is_break() {
            return Err(crate::Error::Cancelled);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn candidates_are_spread_and_cheap_to_reach() {
        assert_eq!(candidates(10, CANDIDATES, |_| true), (0..10).collect::<Vec<_>>());
        assert!(candidates(0, CANDIDATES, |_| true).is_empty());
        let all_keys = candidates(100_000, CANDIDATES, |idx| idx % 12 == 0);
        assert!(all_keys.len() > 90 && all_keys.iter().all(|idx| idx % 12 == 0));
        assert!(*all_keys.last().unwrap() > 99_000);
        let rare = candidates(1500, CANDIDATES, |idx| idx % 250 == 0);
        let reach: u64 =
            (0..6).map(|k| rare.iter().filter(|i| **i / 250 == k).map(|i| i % 250 + 1).max().unwrap()).sum();
        assert!(rare.len() >= CLOSE && rare.is_sorted() && reach <= 450, "{} frames, {reach} decoded", rare.len());
    }

    #[test]
    fn a_mark_reaches_to_the_next_frame_that_was_seen_without_it() {
        let sampled = [5, 15, 25, 35];
        assert_eq!(reach(&(5..36), &sampled, 40), 0..40);
        assert_eq!(reach(&(15..26), &sampled, 40), 6..35);
    }
}
