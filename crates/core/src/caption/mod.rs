//! Captions: letters laid over the picture, joined over time from what a segmenter says of single frames.
//!
//! An overlay has what no single frame shows: it keeps still to the sample while the scene moves, appears and goes at once or
//! fades, and its letters live together. Knows cells (squares of samples for which the segmenter answers) and frame indices.
//! Refuses to know networks, decoders and how a caption is removed.

mod cores;
mod grid;
mod life;
mod lines;
mod mover;
mod open;
mod passing;
mod pending;
mod span;
mod steady;
mod strokes;
mod verdict;

use std::collections::VecDeque;
use std::ops::Range;

use crate::frame::FrameIdx;
use crate::geometry::Rect;
use crate::raster::Raster;

pub use cores::{Text, texts};
use life::{Cover, Life};
use lines::{Line, lines};
use open::Open;
use passing::Passing;
use pending::Pending;
use steady::Steady;
pub use strokes::strokes;
pub use verdict::Rules;
use verdict::Verdict;

/// What a segmenter says of a frame, 0..=255 a cell.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Letters with outline and shadow, logos.
    pub strokes: Raster<u8>,
    /// The plate behind a caption, letters included.
    pub plates: Raster<u8>,
}

/// Cells that are covered, from these frames on, rising.
pub type Keys = Vec<(FrameIdx, Raster<bool>)>;

/// Letters that live together.
#[derive(Clone, Debug)]
pub struct Caption {
    /// Frames on which it is shown, fades included.
    pub span: Range<FrameIdx>,
    /// The cells around all that it covers.
    pub area: Rect,
    /// Which cells of `area` it covers from these frames on, rising; the first is the span's first. Empty where it is no overlay.
    pub keys: Keys,
    /// The cells of `area` that the plate behind the letters has, letters included, and the letters alone as `keys` has them;
    /// `None` where there is no plate.
    pub plate: Option<(Raster<bool>, Keys)>,
    /// Mean of what the segmenter says of its letters, 0..=1.
    pub score: f32,
    /// Why it is taken for an overlay, or why not.
    pub reason: String,
    /// Whether it is an overlay.
    pub confident: bool,
}

/// Frames whose luma is kept: the longest fade that is followed, and what is needed to tell where it begins.
const KEPT: usize = 96;

/// Looks back to one by which what stays is told from what moves slowly.
const EARLIER: u64 = 6;

/// Part of the smaller of two that both lines share, of all that either covers, for them to be the same letters; and part of the
/// one that the other contains where words are added or taken.
const SAME: f32 = 0.5;
const CONTAINED: f32 = 0.85;
/// What both show is alike by this normalised correlation at least; or by less where more of the cells are the same: letters that
/// let a restless scene through look different on every frame. Small grey ones over neon: .43 on average, two captions in the same
/// place .1 to .3 with .3 to .5 of the cells.
const LOOKS_ALIKE: f32 = 0.6;
const TOGETHER: f32 = 0.8;
/// Below this they look different, however many cells are the same: what a detector of boxes shows of two captions in one place has
/// .83 of the cells in common, and .03 is alike.
const DIFFERENT: f32 = 0.15;
/// From this part on they are, whatever their luma: a word that takes another colour.
const CERTAIN: f32 = 0.9;

/// Where letters pass, what has its cells on a smaller part of its looks than this belongs to them: what was taken of tickers and
/// rolls of credits for letters that stay has .59 to .88, captions .93 to .99 (small grey ones over leaves .78).
const PERSISTENT: f32 = 0.9;

/// Cuts, and looks at frames full of letters, that are remembered at most: what has ended long ago needs neither.
const REMEMBERED: usize = 1 << 14;

/// Joins looks at frames in rising order. What it keeps does not grow with the clip.
#[derive(Debug)]
pub struct Finder {
    size: (u32, u32),
    every: u64,
    rules: Rules,
    /// Frames for which letters may be missed: a segmenter fails on some.
    patience: u64,
    lumas: VecDeque<(FrameIdx, Raster<u8>)>,
    passing: Passing,
    steady: Steady,
    live: Vec<Life>,
    pending: Pending,
    open: Open,
    /// The last frame that the segmenter saw; and, of every one with many lines, the share of cells with letters.
    last: Option<FrameIdx>,
    crowded: VecDeque<(FrameIdx, f32)>,
    cuts: VecDeque<FrameIdx>,
}

impl Finder {
    /// For frames of `size` cells of which the segmenter sees every `every`th, shown `rate` times a second.
    pub fn new(size: (u32, u32), every: u64, rate: f64, rules: Rules) -> Self {
        let patience = ((0.25 * rate) as u64).max(2 * every);
        let (lumas, live, crowded, cuts) = Default::default();
        let (steady, pending, open) = (Steady::default(), Pending::new(rules.persistent), Open::default());
        let every = every.max(1);
        let passing = Passing::new(size, every);
        Self { passing, size, every, rules, patience, lumas, steady, live, pending, open, last: None, crowded, cuts }
    }

    /// Takes note that a shot begins at frame `idx`. In rising order, each at most six frames after it was looked at.
    pub fn cut(&mut self, idx: FrameIdx) {
        remember(&mut self.cuts, idx);
    }

    /// Looks at a frame: the mean luma of its cells in 8-bit codes, and what the segmenter says where it was asked.
    pub fn observe(&mut self, idx: FrameIdx, luma: Raster<u8>, seen: Option<Seen>) {
        if self.lumas.len() == KEPT {
            self.lumas.pop_front();
        }
        self.lumas.push_back((idx, luma));
        let Some(mut seen) = seen else { return };
        self.passing.look(idx, &mut seen, &self.lumas);
        if let Some((idx, seen)) = self.steady.push(idx, seen) {
            self.look(idx, &seen);
        }
    }

    /// Joins what is to be seen on frame `idx`, some frames later.
    fn look(&mut self, idx: FrameIdx, seen: &Seen) {
        let found = lines(&seen.strokes, &seen.plates);
        let cells: usize = found.iter().map(|line| line.cells.len()).sum();
        let share = cells as f32 / (self.size.0 * self.size.1) as f32;
        remember(&mut self.crowded, (idx, if found.len() > verdict::FEW_LINES { share } else { 0.0 }));
        self.join(idx, found);
        let (previous, earlier) = (self.last.replace(idx), idx.checked_sub(EARLIER * self.every));
        let lumas = &self.lumas;
        let pair = |then: Option<FrameIdx>| Some((luma_of(lumas, idx)?, luma_of(lumas, then?)?));
        let (before, earlier) = (pair(previous), pair(earlier).zip(earlier));
        for life in self.live.iter_mut().filter(|life| life.last() == idx) {
            if let Some((now, then)) = before {
                life.unrest(now, then);
            }
            if let Some(((now, then), _)) = earlier.filter(|(_, idx)| life.first() <= *idx) {
                life.outlast(now, then);
            }
        }
        let (patience, lumas) = (self.patience, &self.lumas);
        for life in &mut self.live {
            life.begin(lumas, idx);
        }
        let (kept, over): (Vec<Life>, Vec<Life>) = self.live.drain(..).partition(|life| life.last() + patience > idx);
        self.live = kept;
        for mut life in over {
            life.end(&self.lumas);
            self.pending.push(life);
        }
    }

    /// Gives every line to the letters that it continues, the most alike first; the rest begin anew.
    fn join(&mut self, idx: FrameIdx, found: Vec<Line>) {
        let mut pairs: Vec<(f32, usize, usize)> = Vec::new();
        for (l, life) in self.live.iter().enumerate() {
            for (n, line) in found.iter().enumerate() {
                let both = life.shared(line) as f32;
                let (own, theirs) = (life.shown() as f32, line.cells.len() as f32);
                let alike = both / (own + theirs - both).max(1.0);
                let contained = both / own.min(theirs).max(1.0);
                if alike < SAME && contained < CONTAINED {
                    continue;
                }
                let looks = if alike < CERTAIN { self.likeness(life, idx) } else { 1.0 };
                let restless = alike >= SAME && looks >= DIFFERENT && alike + 0.5 * looks >= TOGETHER;
                if looks >= LOOKS_ALIKE || restless {
                    pairs.push((alike, l, n));
                }
            }
        }
        pairs.sort_by(|a, b| b.0.total_cmp(&a.0));
        let mut taken = vec![false; found.len()];
        for (_, l, n) in pairs {
            // One line may show the words of several, and several lines may be parts of one.
            if !taken[n] {
                taken[n] = true;
                self.live[l].see(idx, &found[n]);
            }
        }
        for (line, _) in found.iter().zip(&taken).filter(|(_, taken)| !**taken) {
            self.live.push(Life::new(self.size, idx, line));
        }
    }

    /// How much alike the picture at the letters of `life` on frame `idx` is to what it was when they were last seen.
    fn likeness(&self, life: &Life, idx: FrameIdx) -> f32 {
        let (then, now) = (luma_of(&self.lumas, life.last()), luma_of(&self.lumas, idx));
        then.zip(now).map_or(0.0, |(then, now)| span::likeness(life, then, now))
    }

    /// What has been decided since the last call, in no order: what is taken for captions and what is not.
    pub fn decided(&mut self) -> Vec<Caption> {
        let Some(idx) = self.last else { return Vec::new() };
        let settled = self.pending.settled(idx, &self.live);
        let mut decided: Vec<Caption> =
            settled.into_iter().filter_map(|life| self.decide(life, FrameIdx::MAX)).collect();
        decided.extend(self.open.dropped());
        decided.extend(self.passing.decided(idx));
        decided
    }

    /// The rest, once the clip has ended after `count` frames and all of its cuts are known.
    pub fn finish(mut self, count: FrameIdx) -> Vec<Caption> {
        while let Some((idx, seen)) = self.steady.rest() {
            self.look(idx, &seen);
        }
        for mut life in std::mem::take(&mut self.live) {
            life.end(&self.lumas);
            self.pending.push(life);
        }
        let passed = self.passing.finish(count);
        let rest = std::mem::replace(&mut self.pending, Pending::new(0)).rest();
        let mut decided: Vec<Caption> = rest.into_iter().filter_map(|life| self.decide(life, count)).collect();
        decided.extend(self.open.finish());
        decided.extend(passed);
        decided
    }

    /// Cells of letters that are kept, of what waits for others among them.
    #[cfg(test)]
    fn held(&self) -> u64 {
        self.pending.cells() + self.live.iter().map(Life::held).sum::<u64>()
    }

    /// What becomes of a life that nothing is joined to any more; `None` where it is left open or nothing of it lasts.
    fn decide(&mut self, life: Life, count: FrameIdx) -> Option<Caption> {
        let span = life.span(count);
        let (cuts, crowded) = (self.cuts.make_contiguous(), self.crowded.make_contiguous());
        let mut verdict = verdict::judge(&life, &span, (cuts, count), crowded, &self.rules);
        if life.persistence() < PERSISTENT && self.passing.is_part(&span, life.bounds()) {
            verdict = Verdict::refused("part of what passes there".to_owned());
        }
        let Cover { area, keys, plate } = life.cover(self.every)?;
        let (confident, score) = (verdict.taken, life.score());
        let mut caption = Caption { span, area, keys, plate, score, reason: verdict.reason, confident };
        if verdict.taken {
            self.open.know(life.rows());
        } else if verdict.is_open {
            self.open.push(caption, life.rows());
            return None;
        } else {
            (caption.keys, caption.plate) = (Vec::new(), None);
        }
        Some(caption)
    }
}

/// The luma of a frame, if it is still at hand.
fn luma_of(lumas: &VecDeque<(FrameIdx, Raster<u8>)>, idx: FrameIdx) -> Option<&Raster<u8>> {
    lumas.iter().find(|(at, _)| *at == idx).map(|(_, luma)| luma)
}

/// Adds to what is remembered, and forgets the oldest where that is too much.
fn remember<T>(all: &mut VecDeque<T>, new: T) {
    if all.len() == REMEMBERED {
        all.pop_front();
    }
    all.push_back(new);
}

#[cfg(test)]
mod tests;
