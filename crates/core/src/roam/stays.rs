//! A path that stands still, jumps, and stands still again: the stays of a mark that hops.

use std::ops::Range;

use super::hop::middle;
use super::template::{Match, Template};

/// Samples between positions that are the same place.
const SAME: usize = 2;
/// Frames without the mark inside a stay.
const GAP: usize = 12;
/// Frames of a stay that show the mark, at least.
const FEWEST: usize = 5;
/// Likeness that shows a mark where it is expected, and the frames that a stay is extended by beyond the last such one: marks
/// fade and slide at the ends of their stays.
const FAINT: f32 = 0.2;
const BEYOND: usize = 4;

/// A stay of a mark.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Stay {
    /// Column and row of the template's box.
    pub(super) place: (usize, usize),
    /// Positions in the list of frames.
    pub(super) frames: Range<usize>,
    /// Frames that show it.
    pub(super) seen: usize,
}

/// The stays of a path.
pub(super) fn stays(frames: &[Vec<Match>], path: &[Option<usize>], template: &Template) -> Vec<Stay> {
    let at: Vec<Option<&Match>> = path.iter().zip(frames).map(|(n, f)| n.map(|n| &f[n])).collect();
    let places = places(&at, template);
    let place_of = |m: &Match| places.iter().position(|p| p.0.abs_diff(m.x) <= SAME && p.1.abs_diff(m.y) <= SAME);
    let mut stays: Vec<Stay> = Vec::new();
    for (t, m) in at.iter().enumerate() {
        let Some(place) = m.and_then(place_of).map(|n| places[n]) else { continue };
        match stays.last_mut().filter(|s| s.place == place && t - s.frames.end <= GAP) {
            Some(stay) => {
                stay.frames.end = t + 1;
                stay.seen += 1;
            }
            None => stays.push(Stay { place, frames: t..t + 1, seen: 1 }),
        }
    }
    stays.retain(|s| s.seen >= FEWEST && 2 * s.seen >= s.frames.len());
    stays
}

/// The positions that the path has most often, different places each.
fn places(at: &[Option<&Match>], template: &Template) -> Vec<(usize, usize)> {
    let mut counts: Vec<((usize, usize), usize)> = Vec::new();
    for m in at.iter().flatten() {
        match counts.iter_mut().find(|c| c.0 == (m.x, m.y)) {
            Some(c) => c.1 += 1,
            None => counts.push(((m.x, m.y), 1)),
        }
    }
    counts.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
    let mut places: Vec<(usize, usize)> = Vec::new();
    for (place, _) in counts {
        if places.iter().all(|p| template.is_apart(*p, place)) {
            places.push(place);
        }
    }
    places
}

/// Stays grown at both ends as long as the frames show the mark there, however faintly, and a little beyond.
pub(super) fn extended(stays: &[Stay], frames: &[Vec<Match>]) -> Vec<Stay> {
    let shows = |t: usize, place: (usize, usize)| {
        let near = |m: &&Match| m.x.abs_diff(place.0) <= 2 * SAME && m.y.abs_diff(place.1) <= 3 * SAME;
        frames[t].iter().filter(near).any(|m| m.likeness > FAINT)
    };
    let mut out = stays.to_vec();
    for stay in &mut out {
        let (mut start, mut end) = (stay.frames.start, stay.frames.end);
        while start > 0 && shows(start - 1, stay.place) {
            start -= 1;
        }
        while end < frames.len() && shows(end, stay.place) {
            end += 1;
        }
        stay.frames = start.saturating_sub(BEYOND)..(end + BEYOND).min(frames.len());
    }
    out
}

/// Median likeness at the place where a mark is said to be on each frame, and median of what it exceeds that at other places
/// by.
pub(super) fn figures(
    spots: impl Iterator<Item = (usize, (usize, usize))>,
    frames: &[Vec<Match>],
    template: &Template,
) -> (f32, f32) {
    let (mut own, mut margins) = (Vec::new(), Vec::new());
    for (t, place) in spots {
        let (mut here, mut there) = (0.0f32, 0.0f32);
        for m in &frames[t] {
            let best = if template.is_apart((m.x, m.y), place) { &mut there } else { &mut here };
            *best = best.max(m.likeness);
        }
        own.push(here);
        margins.push(here - there);
    }
    (middle(own), middle(margins))
}
