//! Which frames are looked at, in short windows, and what stays in place within each.

use std::collections::BTreeMap;

use rayon::prelude::*;

use super::drift::Drifter;
use super::field::{Field, UNIT};
use crate::frame::FrameIdx;

/// Seconds of a window (restoration notes, section 3): shorter than any stay, long enough for the scene to move.
const SECONDS: f64 = 0.8;
/// Windows at most; those of a longer clip are spread over it.
const MOST: usize = 32;
/// Frames of a window that are looked at, at most; those by which it is judged what is steady; the fewest that tell anything.
const FRAMES: usize = 24;
const JUDGED: usize = 12;
pub(super) const FEWEST: usize = 6;
/// Windows in which drifting marks are looked for, at most.
const DRIFTING: usize = 8;
/// Frames by which slowly drifting marks are looked for, and seconds between them: what moves by a tenth of a sample a frame has
/// then gone on by more than a stroke.
const SLOW: usize = 8;
const SLOW_STEP: f64 = 0.4;
/// A slope of a window is steady where it is this steep, in units, and this share of the frames agrees with it.
pub(super) const STEEP: f32 = 1.6 * UNIT;
const AGREES: f32 = 0.85;
/// Share of a mean slope that a frame must show along it to agree.
pub(super) const ALONG: f32 = 0.35;

/// The frames of every window, rising, from the times of all frames in seconds. Windows of a short clip overlap by half.
pub(super) fn windows(starts: &[f64]) -> Vec<Vec<FrameIdx>> {
    let count = starts.len();
    let Some(last) = starts.last().filter(|_| count >= FEWEST) else { return Vec::new() };
    let length = last - starts[0];
    // At very low rates a window is as long as its fewest frames.
    let seconds = SECONDS.max(length * (FEWEST as f64) / (count as f64));
    let room = (length - seconds).max(0.0);
    let wanted = ((room / (seconds / 2.0)).floor() as usize + 1).min(MOST);
    let mut list: Vec<Vec<FrameIdx>> = Vec::with_capacity(wanted);
    for n in 0..wanted {
        let from = starts[0] + if wanted > 1 { room * n as f64 / (wanted - 1) as f64 } else { 0.0 };
        let a = starts.partition_point(|s| *s < from - 1e-6);
        let b = starts.partition_point(|s| *s < from + seconds - 1e-6).max(a + FEWEST).min(count);
        let step = (b - a).div_ceil(FRAMES).max(1);
        let frames: Vec<FrameIdx> = (a..b).step_by(step).map(|i| i as FrameIdx).collect();
        if frames.len() >= FEWEST && list.last().is_none_or(|l| l[0] < frames[0]) {
            list.push(frames);
        }
    }
    list
}

/// Frames far enough apart for slow motion to be seen, rising, spread over the clip.
pub(super) fn slow_windows(starts: &[f64]) -> Vec<Vec<FrameIdx>> {
    let (Some(first), Some(last)) = (starts.first(), starts.last()) else { return Vec::new() };
    let seconds = SLOW_STEP * (SLOW - 1) as f64;
    let room = last - first - seconds;
    let count = ((room / seconds).ceil() as usize + 1).min(DRIFTING);
    if room < 0.0 {
        return Vec::new();
    }
    let from = |n: usize| first + if count > 1 { room * n as f64 / (count - 1) as f64 } else { 0.0 };
    let at =
        |second: f64| (starts.partition_point(|s| *s < second - 1e-6) as FrameIdx).min(starts.len() as FrameIdx - 1);
    let window = |n: usize| (0..SLOW).map(|k| at(from(n) + SLOW_STEP * k as f64)).collect::<Vec<_>>();
    (0..count).map(window).filter(|w| w.is_sorted_by(|a, b| a < b)).collect()
}

/// What a window of frames shows.
#[derive(Clone, Debug)]
pub(super) struct Glimpse {
    /// Its first frame and the one after its last.
    pub(super) frames: (FrameIdx, FrameIdx),
    /// Slopes that stay in place; 0 elsewhere.
    pub(super) steady: Field,
    /// Its first frame alone, at both sizes.
    pub(super) first: Field,
    pub(super) first_half: Field,
    /// What moves by itself in it, where that was looked for.
    pub(super) drifters: Vec<Drifter>,
}

impl Glimpse {
    pub(super) fn of(frames: (FrameIdx, FrameIdx), fields: &[&Field], drifts: bool) -> Self {
        let judged: Vec<&Field> = fields.iter().copied().step_by(fields.len().div_ceil(JUDGED)).collect();
        let steady = steady(&judged);
        let (first, first_half) = (fields[0].clone(), fields[0].halved());
        let drifters = if drifts { super::drift::find(fields) } else { Vec::new() };
        Self { frames, steady, first, first_half, drifters }
    }
}

/// Medians of slopes where most fields agree, 0 elsewhere.
pub(super) fn steady(fields: &[&Field]) -> Field {
    let (w, h) = (fields[0].width, fields[0].height);
    let mut out = Field::flat(w, h);
    let needed = (AGREES * fields.len() as f32).ceil() as usize;
    out.x.par_chunks_mut(w).zip(out.y.par_chunks_mut(w)).enumerate().for_each(|(row, (out_x, out_y))| {
        let mut values: Vec<i8> = Vec::with_capacity(fields.len());
        for column in 0..w {
            let i = row * w + column;
            let (x, y) = (
                median(fields.iter().map(|f| f.x[i]), &mut values),
                median(fields.iter().map(|f| f.y[i]), &mut values),
            );
            let (mx, my) = (f32::from(x), f32::from(y));
            let energy = mx * mx + my * my;
            if energy > STEEP * STEEP {
                let agree = fields.iter().filter(|f| {
                    let [gx, gy] = f.at(i);
                    gx * mx + gy * my > ALONG * energy
                });
                if agree.count() >= needed {
                    (out_x[column], out_y[column]) = (x, y);
                }
            }
        }
    });
    out
}

/// The value in the middle, the lower of two.
pub(super) fn median(values: impl Iterator<Item = i8>, room: &mut Vec<i8>) -> i8 {
    room.clear();
    room.extend(values);
    let at = room.len().saturating_sub(1) / 2;
    if room.is_empty() { 0 } else { *room.select_nth_unstable(at).1 }
}

/// Turns frames, in rising order, into glimpses.
#[derive(Debug)]
pub(super) struct Watcher {
    open: Vec<Vec<FrameIdx>>,
    slow: Vec<Vec<FrameIdx>>,
    /// In each window of so many drifting marks are looked for.
    apart: usize,
    fields: BTreeMap<FrameIdx, Field>,
    pub(super) glimpses: Vec<Glimpse>,
    /// What moves slowly by itself.
    pub(super) slow_drifters: Vec<Drifter>,
}

impl Watcher {
    pub(super) fn new(mut windows: Vec<Vec<FrameIdx>>, mut slow: Vec<Vec<FrameIdx>>) -> Self {
        windows.reverse();
        slow.reverse();
        let apart = windows.len().div_ceil(DRIFTING).max(1);
        let (fields, glimpses, slow_drifters) = Default::default();
        Self { open: windows, slow, apart, fields, glimpses, slow_drifters }
    }

    /// The frames that are looked at, rising.
    pub(super) fn wanted(&self) -> Vec<FrameIdx> {
        let mut all: Vec<FrameIdx> = self.open.iter().chain(&self.slow).flatten().copied().collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// Takes the next frame. Windows end with their last frame; a window with a frame missing counts with those it has.
    pub(super) fn observe(&mut self, idx: FrameIdx, field: Field) {
        self.fields.insert(idx, field);
        while let Some(window) = self.open.pop_if(|w| w.last().is_some_and(|last| *last <= idx)) {
            self.close(&window);
        }
        while let Some(window) = self.slow.pop_if(|w| w.last().is_some_and(|last| *last <= idx)) {
            let fields = self.fields(&window);
            let found = if fields.len() == window.len() { super::drift::find(&fields) } else { Vec::new() };
            self.slow_drifters.extend(found);
        }
        let next = |windows: &[Vec<FrameIdx>]| windows.last().and_then(|w| w.first()).copied();
        let needed = next(&self.open).into_iter().chain(next(&self.slow)).min().unwrap_or(FrameIdx::MAX);
        // Of a slow window only its own frames, not all in between.
        let open = next(&self.open).unwrap_or(FrameIdx::MAX);
        let slow = self.slow.last().cloned().unwrap_or_default();
        self.fields.retain(|k, _| *k >= needed && (*k >= open || slow.contains(k)));
    }

    /// The fields of a window, as long as their sizes are the same.
    fn fields(&self, window: &[FrameIdx]) -> Vec<&Field> {
        let fields: Vec<&Field> = window.iter().filter_map(|idx| self.fields.get(idx)).collect();
        let same = fields.windows(2).all(|p| (p[0].width, p[0].height) == (p[1].width, p[1].height));
        if same { fields } else { Vec::new() }
    }

    fn close(&mut self, window: &[FrameIdx]) {
        let fields = self.fields(window);
        if let ([first, .., last], true) = (window, fields.len() >= FEWEST) {
            let drifts = self.open.len().is_multiple_of(self.apart);
            let glimpse = Glimpse::of((*first, last + 1), &fields, drifts);
            self.glimpses.push(glimpse);
        }
    }
}
