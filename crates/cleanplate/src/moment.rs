//! Which frame of a clip tells most about a job: the one with most of the mark and most motion around it.

use std::ops::Range;

use cleanplate_core::{Frame, FrameIdx, Mask, Rect, Row};

use crate::error::{Error, Result};
use crate::observer::Phase;
use crate::subject::Subject;
use crate::times::Times;
use crate::watch::Watch;

/// Frames that are looked at.
const LOOKS: usize = 24;

/// Marked frames that may be decoded to reach those; of longer clips the frames after a key frame are looked at.
const DECODED: u64 = 600;

/// Pixels around a mark in which motion counts: what is close enough to be seen with it.
const AROUND: u32 = 64;

/// Mean difference of neighbouring frames, of 255, above which they show two scenes: hard cuts of the test clips lie above
/// 25, the fastest pan among them below 15.
const CUT: f64 = 24.0;

/// The frame to show: the first one of `at`, else the most telling one.
///
/// # Errors
/// [`Error::Usage`] where `at` names no frame of the clip; [`Error::NothingFound`] where no frame carries a mark.
pub(crate) fn choose(subject: &Subject, at: Option<&Times>, threads: u32, watch: &mut Watch<'_>) -> Result<FrameIdx> {
    let starts = &subject.footage.clip().starts;
    if let Some(times) = at {
        return times.first_frame(starts).ok_or_else(|| {
            let seconds = starts.last().copied().unwrap_or(0.0);
            Error::Usage(format!(
                "the time {times} names no frame: the clip has {} frames in {seconds:.2} s",
                starts.len()
            ))
        });
    }
    let runs = marked(subject);
    let looks = looks(&runs, |idx| subject.footage.is_key(idx));
    let nothing = || Error::NothingFound("no frame carries a mark: there is nothing to show".into());
    if looks.len() <= 1 {
        return looks.first().copied().ok_or_else(nothing);
    }
    watch.begin(Phase::Analyse, looks.len() as u64, 0)?;
    let mut frames = subject.footage.frames(threads)?;
    let mut folder = subject.mask_folder();
    let mut seen: Vec<(FrameIdx, f64, f64)> = Vec::new();
    for (n, idx) in looks.into_iter().enumerate() {
        if watch.progress(n as u64).is_break() {
            return Err(Error::Cancelled);
        }
        let masks = subject.masks_at(idx, &mut folder)?;
        let area: u64 = masks.iter().map(|(_, mask)| mask.area()).sum();
        if area == 0 {
            continue;
        }
        let Some(frame) = frames.at(idx)? else { break };
        let motion = frames.at(idx + 1)?.map_or(0.0, |next| motion(&frame, &next, &masks));
        seen.push((idx, area as f64, if motion > CUT { 0.0 } else { motion }));
    }
    watch.end();
    most(&seen).ok_or_else(nothing)
}

/// The frame with the largest sum of both shares; the earlier one of equals.
fn most(seen: &[(FrameIdx, f64, f64)]) -> Option<FrameIdx> {
    let area = seen.iter().fold(0.0, |max: f64, s| max.max(s.1));
    let motion = seen.iter().fold(1e-9, |max: f64, s| max.max(s.2));
    let score = |s: &(FrameIdx, f64, f64)| s.1 / area + s.2 / motion;
    seen.iter()
        .fold(None, |best: Option<(FrameIdx, f64)>, s| match best {
            Some((_, most)) if score(s) <= most => best,
            _ => Some((s.0, score(s))),
        })?
        .0
        .into()
}

/// Runs of frames that lie in some mark's span, in order and disjoint.
pub(crate) fn marked(subject: &Subject) -> Vec<Range<FrameIdx>> {
    let mut spans: Vec<Range<FrameIdx>> = subject.marks.iter().map(|m| m.span.clone()).collect();
    spans.sort_by_key(|s| s.start);
    spans.into_iter().filter(|s| s.start < s.end).fold(Vec::new(), |mut runs: Vec<Range<FrameIdx>>, span| {
        match runs.last_mut() {
            Some(last) if span.start <= last.end => last.end = last.end.max(span.end),
            _ => runs.push(span),
        }
        runs
    })
}

/// Frames to be looked at: spread over `runs`, and cheap to reach where there are many.
fn looks(runs: &[Range<FrameIdx>], is_key: impl Fn(FrameIdx) -> bool) -> Vec<FrameIdx> {
    let total: u64 = runs.iter().map(|r| r.end - r.start).sum();
    let nth = |n: u64| {
        let mut left = n;
        runs.iter().find_map(|run| {
            let length = run.end - run.start;
            if left < length {
                Some(run.start + left)
            } else {
                left -= length;
                None
            }
        })
    };
    let count = (LOOKS as u64).min(total);
    let even = (0..count).filter_map(|i| nth((2 * i + 1) * total / (2 * count)));
    let mut looks: Vec<FrameIdx> = if total <= DECODED {
        even.collect()
    } else {
        let inside = |idx: &FrameIdx| runs.iter().any(|run| run.contains(idx));
        even.map(|idx| (idx.saturating_sub(DECODED)..=idx).rev().filter(&inside).find(|i| is_key(*i)).unwrap_or(idx))
            .collect()
    };
    looks.dedup();
    looks
}

/// Mean difference of the first planes around `masks`, as if they had 8 bits.
fn motion(a: &Frame, b: &Frame, masks: &[(usize, Mask)]) -> f64 {
    let (mut sum, mut count) = (0u64, 0u64);
    for (_, mask) in masks {
        let around = mask.rect().grow(AROUND, a.width, a.height);
        for y in (around.y..around.bottom()).step_by(2) {
            let (from, to) = (around.x as usize, around.right() as usize);
            let outside = |x: usize| !covers(masks, (from + x) as u32, y);
            let mut add = |x: usize, difference: u16| {
                if outside(x) {
                    sum += u64::from(difference);
                    count += 1;
                }
            };
            match (a.row(0, y), b.row(0, y)) {
                (Row::U8(a), Row::U8(b)) => {
                    let pairs = a[from..to].iter().zip(&b[from..to]).enumerate().step_by(2);
                    pairs.for_each(|(x, (a, b))| add(x, u16::from(a.abs_diff(*b))));
                }
                (Row::U16(a), Row::U16(b)) => {
                    let pairs = a[from..to].iter().zip(&b[from..to]).enumerate().step_by(2);
                    pairs.for_each(|(x, (a, b))| add(x, a.abs_diff(*b)));
                }
                _ => {}
            }
        }
    }
    let scale = 255.0 / f64::from(a.format.max_code());
    sum as f64 / count.max(1) as f64 * scale
}

fn covers(masks: &[(usize, Mask)], x: u32, y: u32) -> bool {
    masks.iter().any(|(_, mask)| mask.at(x, y) > 0)
}

/// The part of a picture of `size` to be shown around `marks`: with surroundings, at least 320 x 180 where there is as much.
pub(crate) fn crop(marks: Rect, size: (u32, u32)) -> Rect {
    // A third of the mark on every side, and never less than the eye needs to see where it lies.
    let margin = |length: u32| (length / 3).max(48);
    let side = |start: u32, length: u32, least: u32, whole: u32| {
        let wanted = (length + 2 * margin(length)).max(least).min(whole);
        let middle = start + length / 2;
        let from = middle.saturating_sub(wanted / 2).min(whole - wanted);
        (from, wanted)
    };
    let (x, w) = side(marks.x, marks.w, 320, size.0);
    let (y, h) = side(marks.y, marks.h, 180, size.1);
    Rect::new(x, y, w, h)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crop_holds_the_mark_and_surroundings_and_stays_inside() {
        let size = (1920, 1080);
        for marks in [Rect::new(0, 0, 40, 20), Rect::new(1700, 1000, 220, 80), Rect::new(900, 500, 10, 10)] {
            let part = crop(marks, size);
            assert_eq!(part.intersect(&marks), marks);
            assert!(part.w >= 320 && part.h >= 180 && part.right() <= 1920 && part.bottom() <= 1080, "{part:?}");
        }
        assert_eq!(crop(Rect::new(0, 0, 1920, 1080), size), Rect::new(0, 0, 1920, 1080));
        assert_eq!(crop(Rect::new(3, 3, 4, 4), (16, 16)), Rect::new(0, 0, 16, 16));
    }

    #[test]
    fn looks_are_spread_over_marked_frames_and_near_key_frames_where_there_are_many() {
        let few = looks(&[10..20, 30..34], |_| false);
        assert_eq!(few, (10..20).chain(30..34).collect::<Vec<_>>());
        let many = looks(std::slice::from_ref(&(1000..9000)), |idx| idx % 250 == 0);
        assert!(many.len() >= 20 && many.iter().all(|idx| idx % 250 == 0 && (1000..9000).contains(idx)), "{many:?}");
        let no_keys = looks(std::slice::from_ref(&(1000..9000)), |_| false);
        assert!(no_keys.len() == LOOKS && no_keys.iter().all(|idx| (1000..9000).contains(idx)));
        assert!(looks(&[], |_| true).is_empty());
    }

    #[test]
    fn the_most_telling_frame_has_much_of_the_mark_and_much_motion() {
        assert_eq!(most(&[(1, 100.0, 0.0), (5, 100.0, 8.0), (9, 30.0, 9.0)]), Some(5));
        assert_eq!(most(&[(4, 10.0, 0.0), (6, 10.0, 0.0)]), Some(4));
        assert_eq!(most(&[]), None);
    }
}
