//! Captions: letters laid over the picture, joined over time from what a segmenter says of single frames.
//!
//! An overlay has what no single frame shows: it keeps still to the sample while the scene moves, appears and goes at once or
//! fades, and its letters live together. Knows cells (squares of samples for which the segmenter answers) and frame indices.
//! Refuses to know networks, decoders and how a caption is removed.

mod life;
mod lines;
mod span;
mod verdict;

use std::collections::VecDeque;
use std::ops::Range;

use crate::frame::FrameIdx;
use crate::raster::Raster;

use life::Life;
use lines::{Line, lines};
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

/// Letters that live together.
#[derive(Clone, Debug)]
pub struct Caption {
    /// Frames on which it is shown, fades included.
    pub span: Range<FrameIdx>,
    /// Cells that it covers from these frames on, rising; the first is the span's first.
    pub keys: Vec<(FrameIdx, Raster<bool>)>,
    /// The cells of the plate behind the letters, letters included, and the letters alone as `keys` has them; `None` where there
    /// is no plate.
    pub plate: Option<(Raster<bool>, Vec<(FrameIdx, Raster<bool>)>)>,
    /// Mean of what the segmenter says of its letters, 0..=1.
    pub score: f32,
    /// Why it is taken for an overlay, or why not.
    pub reason: String,
    /// Whether it is an overlay.
    pub confident: bool,
}

/// Frames whose luma is kept: the longest fade that is followed, and what is needed to tell where it begins.
const KEPT: usize = 96;

/// Part of the smaller of two that both lines share, of all that either covers, for them to be the same letters; and part of the
/// one that the other contains where words are added or taken.
const SAME: f32 = 0.5;
const CONTAINED: f32 = 0.85;
/// From this part on they are, whatever their luma: a word that takes another colour.
const CERTAIN: f32 = 0.9;

/// Joins looks at frames in rising order.
#[derive(Debug)]
pub struct Finder {
    size: (u32, u32),
    every: u64,
    /// Frames for which letters may be missed: a segmenter fails on some.
    patience: u64,
    lumas: VecDeque<(FrameIdx, Raster<u8>)>,
    live: Vec<Life>,
    ended: Vec<Life>,
    /// The last frame that the segmenter saw; and, of every one with many lines, the share of cells with letters.
    last: Option<FrameIdx>,
    crowded: Vec<(FrameIdx, f32)>,
}

impl Finder {
    /// For frames of `size` cells of which the segmenter sees every `every`th, shown `rate` times a second.
    pub fn new(size: (u32, u32), every: u64, rate: f64) -> Self {
        let patience = ((0.25 * rate) as u64).max(2 * every);
        let (lumas, live, ended, crowded) = Default::default();
        Self { size, every: every.max(1), patience, lumas, live, ended, last: None, crowded }
    }

    /// Looks at a frame: the mean luma of its cells in 8-bit codes, and what the segmenter says where it was asked.
    pub fn observe(&mut self, idx: FrameIdx, luma: Raster<u8>, seen: Option<&Seen>) {
        if self.lumas.len() == KEPT {
            self.lumas.pop_front();
        }
        self.lumas.push_back((idx, luma));
        let Some(seen) = seen else { return };
        let found = lines(&seen.strokes, &seen.plates);
        let cells: usize = found.iter().map(|line| line.cells.len()).sum();
        let share = cells as f32 / (self.size.0 * self.size.1) as f32;
        self.crowded.push((idx, if found.len() > verdict::FEW_LINES { share } else { 0.0 }));
        self.join(idx, found);
        let previous = self.last.replace(idx);
        if let (Some((_, now)), Some(before)) = (self.lumas.back(), previous)
            && let Some((_, then)) = self.lumas.iter().find(|(at, _)| *at == before)
        {
            self.live.iter_mut().filter(|life| life.last() == idx).for_each(|life| life.unrest(now, then));
        }
        let (patience, lumas) = (self.patience, &self.lumas);
        for life in &mut self.live {
            life.begin(lumas, idx);
        }
        let (kept, over): (Vec<Life>, Vec<Life>) = self.live.drain(..).partition(|life| life.last() + patience > idx);
        self.live = kept;
        for mut life in over {
            life.end(&self.lumas);
            self.ended.push(life);
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
                if alike >= CERTAIN || ((alike >= SAME || contained >= CONTAINED) && self.looks_alike(life)) {
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

    /// Whether the picture at the letters of `life` is still what it was when they were last seen.
    fn looks_alike(&self, life: &Life) -> bool {
        let then = self.lumas.iter().find(|(idx, _)| *idx == life.last());
        let (Some((_, then)), Some((_, now))) = (then, self.lumas.back()) else { return false };
        span::is_shown(life, then, now)
    }

    /// All captions in order of time, those that are not believed among them. `cuts` are the first frames of shots, rising; the
    /// clip has `count` frames.
    pub fn finish(mut self, cuts: &[FrameIdx], count: FrameIdx, rules: &Rules) -> Vec<Caption> {
        for mut life in std::mem::take(&mut self.live) {
            life.end(&self.lumas);
            self.ended.push(life);
        }
        let lives = life::joined(self.ended);
        let judged =
            lives.iter().map(|life| verdict::judge(life, &life.span(count), (cuts, count), &self.crowded, rules));
        let mut verdicts: Vec<Verdict> = judged.collect();
        verdict::follow_others(&lives, &mut verdicts);
        let mut captions: Vec<Caption> = lives
            .into_iter()
            .zip(verdicts)
            .filter_map(|(life, verdict)| {
                let keys = life.keys(self.every, true)?;
                let plate = life.plate().and_then(|plate| Some((plate, life.keys(self.every, false)?)));
                let (confident, reason) = (verdict.taken, verdict.reason);
                Some(Caption { span: life.span(count), keys, plate, score: life.score(), reason, confident })
            })
            .collect();
        captions.sort_by_key(|caption| (caption.span.start, caption.span.end));
        captions
    }
}

#[cfg(test)]
mod tests;
