//! From what a detector sees on single frames to tracks that answer on every frame.
//!
//! A detector misses frames, jitters and sees things that are not there. Its boxes are linked over time, chains of too few
//! are dropped, a line is fitted along each chain, gaps are filled, and both ends are held longer. Looks at the whole clip at
//! once, so that what comes later helps what was missed earlier. Knows boxes; refuses to know pixels and who saw them.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::MaskTrack;
use super::fit::Line;
use crate::frame::FrameIdx;
use crate::geometry::Rect;

/// Two boxes are of one mark where they share this much (restoration notes, section 7).
const SAME: f32 = 0.25;

/// Two boxes of one frame that share this much are one mark that was seen twice.
const TWICE: f32 = 0.7;

/// A chain of fewer boxes is dropped unless one of them scored above `SURE` (restoration notes, section 7).
const FEWEST: usize = 5;
const SURE: f32 = 0.4;

/// Boxes that a line is fitted along (restoration notes, section 7).
const ALONG: usize = 9;

/// A side is moved out by this many standard deviations of the boxes about the line: 2 px of jitter stay covered.
const OUTWARD: f64 = 1.5;

/// Pixels by which a rectangle may be larger than needed so that it stands still for longer.
const SLACK: u32 = 4;

/// A track whose sides never leave a band this wide stands still: pixels, and share of its shorter side.
const STILL: u32 = 6;
const STILL_SHARE: f32 = 0.12;

/// A box in which a detector sees a mark on one frame, in luma samples of the stored picture; it may reach out of it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sighting {
    /// Its left, top, right and bottom sides.
    pub sides: [f32; 4],
    /// How sure the detector is, 0..=1.
    pub score: f32,
    /// Which of its kinds of things it takes it for.
    pub class: u32,
}

impl Sighting {
    /// Intersection over union of two boxes, 0..=1; 0 when either is empty.
    pub fn iou(&self, other: &Self) -> f32 {
        iou(&self.sides, &other.sides)
    }
}

fn iou(a: &[f32; 4], b: &[f32; 4]) -> f32 {
    let area = |s: &[f32; 4]| (s[2] - s[0]).max(0.0) * (s[3] - s[1]).max(0.0);
    let shared = area(&[a[0].max(b[0]), a[1].max(b[1]), a[2].min(b[2]), a[3].min(b[3])]);
    let all = area(a) + area(b) - shared;
    if all > 0.0 { shared / all } else { 0.0 }
}

/// How boxes become tracks. Lengths are in frames of the clip.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Linking {
    /// A mark that is seen again at its place within this many frames was there all the time.
    pub accumulate: u64,
    /// Over a gap of at most this many frames the box moves evenly; over a longer one it covers both ends.
    pub max_gap: u64,
    /// Frames by which a track is held before its first and after its last box.
    pub persistence: u64,
    /// Pixels by which the box grows on every side.
    pub dilate: u32,
}

impl Default for Linking {
    /// At 30 frames a second: 2 s, 5 frames, 18 frames, 3 pixels.
    fn default() -> Self {
        Self { accumulate: 60, max_gap: 5, persistence: 18, dilate: 3 }
    }
}

/// A mark that a detector has seen, and the rectangle that covers it on every frame of its span.
#[derive(Clone, Debug, PartialEq)]
pub struct BoxTrack {
    /// Where it is; inside the picture. Empty where the mark has left it.
    pub places: MaskTrack<Rect>,
    /// The best score of its boxes.
    pub score: f32,
    /// Boxes that it was seen in.
    pub sightings: usize,
}

struct Chain {
    boxes: Vec<(FrameIdx, Sighting)>,
}

impl Chain {
    /// Where its box is expected at `idx`: the lines along its last boxes, or its last box.
    fn expected(&self, idx: FrameIdx) -> [[f32; 4]; 2] {
        let last = self.boxes[self.boxes.len() - 1].1.sides;
        let tail = &self.boxes[self.boxes.len().saturating_sub(ALONG)..];
        let ahead = if tail.len() < FEWEST { last } else { lines(tail, idx).map(|line| line.value as f32) };
        [last, ahead]
    }

    fn best(&self) -> f32 {
        self.boxes.iter().map(|(_, seen)| seen.score).fold(0.0, f32::max)
    }
}

/// Lines along the sides of `boxes`, with time counted from `zero`.
fn lines(boxes: &[(FrameIdx, Sighting)], zero: FrameIdx) -> [Line; 4] {
    std::array::from_fn(|side| {
        let point = |(idx, seen): &(FrameIdx, Sighting)| (*idx as f64 - zero as f64, f64::from(seen.sides[side]));
        Line::through(&boxes.iter().map(point).collect::<Vec<_>>())
    })
}

/// Links what was seen on frames (`seen`, rising; a frame may be missing or have no box) of a clip of `count` frames of
/// `width` x `height` into tracks, in the order in which they begin.
pub fn link(
    seen: &[(FrameIdx, Vec<Sighting>)],
    count: FrameIdx,
    (width, height): (u32, u32),
    linking: &Linking,
) -> Vec<BoxTrack> {
    let mut chains = chains(seen, linking.accumulate);
    // Of few pictures nothing can be asked more than once.
    let fewest = FEWEST.min(seen.len());
    chains.retain(|chain| chain.boxes.len() >= fewest || chain.best() > SURE);
    let tracks = chains.iter().filter_map(|chain| {
        let (span, rects) = rectangles(chain, count, (width, height), linking);
        let places = MaskTrack::new(span.clone(), runs(span.start, &rects))?;
        Some(BoxTrack { places, score: chain.best(), sightings: chain.boxes.len() })
    });
    tracks.collect()
}

fn chains(seen: &[(FrameIdx, Vec<Sighting>)], accumulate: u64) -> Vec<Chain> {
    let mut chains: Vec<Chain> = Vec::new();
    // Positions of those that may go on; a long clip has many that have ended.
    let mut open: Vec<usize> = Vec::new();
    for (idx, boxes) in seen {
        open.retain(|n| chains[*n].boxes.last().is_some_and(|(last, _)| last + accumulate >= *idx));
        let boxes = once_each(boxes);
        let mut pairs: Vec<(f32, usize, usize)> = Vec::new();
        for n in &open {
            let expected = chains[*n].expected(*idx);
            for (k, seen) in boxes.iter().enumerate() {
                let near = expected.iter().map(|sides| iou(sides, &seen.sides)).fold(0.0, f32::max);
                if near >= SAME {
                    pairs.push((near, *n, k));
                }
            }
        }
        pairs.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)).then(a.2.cmp(&b.2)));
        let (mut taken, mut went_on) = (vec![false; boxes.len()], Vec::new());
        for (_, n, k) in pairs {
            if !taken[k] && !went_on.contains(&n) {
                taken[k] = true;
                went_on.push(n);
                chains[n].boxes.push((*idx, boxes[k]));
            }
        }
        for (seen, _) in boxes.iter().zip(taken).filter(|(_, taken)| !taken) {
            open.push(chains.len());
            chains.push(Chain { boxes: vec![(*idx, *seen)] });
        }
    }
    chains
}

/// The boxes of a frame without those that repeat a surer one.
fn once_each(boxes: &[Sighting]) -> Vec<Sighting> {
    let mut sorted = boxes.to_vec();
    sorted.sort_by(|a, b| b.score.total_cmp(&a.score));
    let mut kept: Vec<Sighting> = Vec::with_capacity(sorted.len());
    for seen in sorted {
        if kept.iter().all(|other| seen.iou(other) < TWICE) {
            kept.push(seen);
        }
    }
    kept
}

/// The frames of a chain, held longer at both ends, and the rectangle that covers its mark on each of them.
fn rectangles(chain: &Chain, count: FrameIdx, size: (u32, u32), linking: &Linking) -> (Range<FrameIdx>, Vec<Rect>) {
    let boxes = &chain.boxes;
    let around = |k: usize| {
        let start = k.saturating_sub(ALONG / 2).min(boxes.len().saturating_sub(ALONG));
        let mut lines = lines(&boxes[start..(start + ALONG).min(boxes.len())], boxes[k].0);
        turn(&mut lines, boxes[k].0, &boxes[k.saturating_sub(1)..(k + 2).min(boxes.len())]);
        lines
    };
    let fitted: Vec<[Line; 4]> = (0..boxes.len()).map(around).collect();
    let (first, last) = (boxes[0].0, boxes[boxes.len() - 1].0);
    let span = first.saturating_sub(linking.persistence)..(last + 1 + linking.persistence).min(count.max(last + 1));
    let mut rects = Vec::with_capacity((span.end - span.start) as usize);
    let mut k = 0;
    for idx in span.clone() {
        while k + 1 < boxes.len() && boxes[k + 1].0 <= idx {
            k += 1;
        }
        let sides = if idx < first {
            held(&fitted[0], first, idx)
        } else if idx == boxes[k].0 {
            outward(&fitted[k], 0.0)
        } else if k + 1 == boxes.len() {
            held(&fitted[k], last, idx)
        } else {
            between((&fitted[k], boxes[k].0), (&fitted[k + 1], boxes[k + 1].0), idx, linking.max_gap)
        };
        rects.push(rectangle(sides, size, linking.dilate));
    }
    (span, rects)
}

/// Where a mark turns round, a line cuts the corner: what the `nearest` boxes lie farther out in the mean is believed.
fn turn(lines: &mut [Line; 4], zero: FrameIdx, nearest: &[(FrameIdx, Sighting)]) {
    for (n, line) in lines.iter_mut().enumerate() {
        let off = |(idx, seen): &(FrameIdx, Sighting)| f64::from(seen.sides[n]) - line.at(*idx as f64 - zero as f64);
        let mean = nearest.iter().map(off).sum::<f64>() / nearest.len() as f64;
        line.value += if n < 2 { mean.min(0.0) } else { mean.max(0.0) };
    }
}

/// The sides of the box that lines expect at `t`, moved out by the spread of the boxes.
fn outward(lines: &[Line; 4], t: f64) -> [f64; 4] {
    let side = |n: usize, sign: f64| lines[n].at(t) + sign * OUTWARD * lines[n].spread;
    [side(0, -1.0), side(1, -1.0), side(2, 1.0), side(3, 1.0)]
}

/// Beyond an end of a chain at frame `end`: the mark may have stayed or gone on.
fn held(lines: &[Line; 4], end: FrameIdx, idx: FrameIdx) -> [f64; 4] {
    let t = idx as f64 - end as f64;
    // A slope that the spread over the window explains is no motion; the box moves as a whole.
    let slope = |a: &Line, b: &Line| {
        let slope = (a.slope + b.slope) / 2.0;
        if slope.abs() * ALONG as f64 > a.spread + b.spread { slope } else { 0.0 }
    };
    let (x, y) = (t * slope(&lines[0], &lines[2]), t * slope(&lines[1], &lines[3]));
    let stays = outward(lines, 0.0);
    cover(stays, [stays[0] + x, stays[1] + y, stays[2] + x, stays[3] + y])
}

/// On a frame without a box between two that have one.
fn between(a: (&[Line; 4], FrameIdx), b: (&[Line; 4], FrameIdx), idx: FrameIdx, max_gap: u64) -> [f64; 4] {
    let (from, to) = (outward(a.0, 0.0), outward(b.0, 0.0));
    if b.1 - a.1 > max_gap + 1 {
        return cover(from, to);
    }
    let share = (idx - a.1) as f64 / (b.1 - a.1) as f64;
    std::array::from_fn(|n| from[n] + share * (to[n] - from[n]))
}

fn cover(a: [f64; 4], b: [f64; 4]) -> [f64; 4] {
    [a[0].min(b[0]), a[1].min(b[1]), a[2].max(b[2]), a[3].max(b[3])]
}

/// Every sample that the sides touch, grown, inside the picture.
fn rectangle(sides: [f64; 4], (width, height): (u32, u32), dilate: u32) -> Rect {
    let by = f64::from(dilate);
    let low = |v: f64, max: u32| (v - by + 1e-6).floor().clamp(0.0, f64::from(max)) as u32;
    let high = |v: f64, max: u32| (v + by - 1e-6).ceil().clamp(0.0, f64::from(max)) as u32;
    let (x, y) = (low(sides[0], width), low(sides[1], height));
    let (right, bottom) = (high(sides[2], width), high(sides[3], height));
    if right <= x || bottom <= y { Rect::default() } else { Rect::new(x, y, right - x, bottom - y) }
}

/// Rectangles of consecutive frames from `first` on as few changes as possible, each covering the frames until the next.
fn runs(first: FrameIdx, rects: &[Rect]) -> Vec<(FrameIdx, Rect)> {
    let shorter = rects.iter().map(|r| r.w.min(r.h)).max().unwrap_or(0);
    let band = STILL.max((STILL_SHARE * shorter as f32) as u32);
    if let Some(all) = Spread::of(rects, band) {
        return vec![(first, all)];
    }
    let mut keys: Vec<(FrameIdx, Rect)> = Vec::new();
    let mut start = 0;
    while start < rects.len() {
        let mut spread = Spread::new(&rects[start]);
        let mut end = start + 1;
        while end < rects.len() && spread.take(&rects[end], SLACK) {
            end += 1;
        }
        keys.push((first + start as FrameIdx, spread.rect()));
        start = end;
    }
    keys
}

/// How far the sides of rectangles lie apart: least and greatest of each.
struct Spread([(u32, u32); 4]);

impl Spread {
    fn new(rect: &Rect) -> Self {
        Self(sides(rect).map(|side| (side, side)))
    }

    /// Takes one more unless a side would then lie apart by more than `band`.
    fn take(&mut self, rect: &Rect, band: u32) -> bool {
        let mut grown = self.0;
        for ((low, high), side) in grown.iter_mut().zip(sides(rect)) {
            (*low, *high) = ((*low).min(side), (*high).max(side));
        }
        let fits = grown.iter().all(|(low, high)| high - low <= band);
        if fits {
            self.0 = grown;
        }
        fits
    }

    /// The rectangle that covers all of them.
    const fn rect(&self) -> Rect {
        let [(x, _), (y, _), (_, right), (_, bottom)] = self.0;
        Rect::new(x, y, right - x, bottom - y)
    }

    fn of(rects: &[Rect], band: u32) -> Option<Rect> {
        let (first, rest) = rects.split_first()?;
        let mut spread = Self::new(first);
        rest.iter().all(|rect| spread.take(rect, band)).then(|| spread.rect())
    }
}

const fn sides(rect: &Rect) -> [u32; 4] {
    [rect.x, rect.y, rect.right(), rect.bottom()]
}

#[cfg(test)]
#[path = "link_tests.rs"]
mod tests;
