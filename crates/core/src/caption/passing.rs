//! Which lines pass at a constant speed that is not the scene's: credits that roll, tickers.

use std::collections::VecDeque;
use std::ops::Range;

use crate::frame::FrameIdx;
use crate::geometry::Rect;
use crate::raster::Raster;

use super::lines::{Line, lines};
use super::mover::Mover;
use super::span::{compare, slopes_of};
use super::{Caption, Seen, grid, luma_of};

/// Looks between the two that are compared, and cells that letters may have moved between them.
const APART: usize = 4;
const FARTHEST: i32 = 48;
const NEAREST: i32 = 2;

/// Lines of fewer cells tell nothing; more lines than these are not looked at.
const LEAST: usize = 40;
const MOST_LINES: usize = 12;

/// What a segmenter says of letters at least, of 255.
const LIKELY: u8 = 77;

/// Letters have moved where what is drawn is alike (normalised correlation), and more than without the motion. They stay where it
/// is as alike as `STAYS` without. So many cells of a line are asked.
const ALIKE: f32 = 0.5;
const STANDS_OUT: f32 = 0.2;
const STAYS: f32 = 0.75;
const ASKED: usize = 400;

/// Cells around a line that tell whether the scene goes along; it does where what it draws is as alike as this. Where it draws less
/// than `PLAIN` (mean slope in codes) it tells nothing, unless `NIGHT` of the whole frame's cells are `BLACK` (codes): credits. A
/// lit sign at night has nothing around it, too, but the frame has.
const CONTEXT: u32 = 24;
const ALONG: f32 = 0.35;
const PLAIN: f32 = 1.0;
const BLACK: u8 = 26;
const NIGHT: f32 = 0.85;

/// Looks on which a line has moved alike, at least, before it is believed (a sign of tokyo passed for 9); looks without it after which it is forgotten; and looks
/// that are kept to begin with.
const BELIEVED: u32 = 12;
const FORGOTTEN: u64 = 6;
const KEPT: usize = 24;

/// Movers that are followed at once.
const MOST: usize = 4;

/// Movers that are remembered after their end.
const KNOWN: usize = 16;

/// A motion that some lines have shown.
#[derive(Debug)]
struct Guess {
    is_level: bool,
    /// Cells in [`APART`] looks.
    shift: f32,
    first: FrameIdx,
    last: FrameIdx,
    votes: u32,
    band: Range<u32>,
    /// How much the scene around goes along, and on how many votes it is black.
    along: f32,
    plain: u32,
    black: u32,
}

/// One line's motion.
struct Vote {
    is_level: bool,
    shift: i32,
    band: Range<u32>,
    along: f32,
    is_plain: bool,
    is_black: bool,
}

/// What passes, looked at in rising order.
#[derive(Debug)]
pub(super) struct Passing {
    size: (u32, u32),
    every: u64,
    looks: VecDeque<(FrameIdx, Raster<u8>)>,
    guesses: Vec<Guess>,
    movers: Vec<Mover>,
    over: Vec<Caption>,
    /// What passed of late: along the rows or not, from which frame on, until when, and where across.
    known: VecDeque<(bool, Range<FrameIdx>, Range<u32>)>,
}

impl Passing {
    pub(super) fn new(size: (u32, u32), every: u64) -> Self {
        let (looks, guesses, movers, over, known) = Default::default();
        Self { size, every, looks, guesses, movers, over, known }
    }

    /// Looks at a frame, and takes what passes away from what is said of it.
    pub(super) fn look(&mut self, idx: FrameIdx, seen: &mut Seen, lumas: &VecDeque<(FrameIdx, Raster<u8>)>) {
        self.movers.iter_mut().for_each(|mover| mover.see(idx, &seen.strokes));
        if self.looks.len() == KEPT {
            self.looks.pop_front();
        }
        self.looks.push_back((idx, seen.strokes.clone()));
        for vote in self.votes(idx, lumas) {
            self.count(idx, vote);
        }
        let (every, patience) = (self.every, FORGOTTEN * self.every);
        self.guesses.retain(|guess| guess.last + patience > idx);
        let believed = self.guesses.iter().position(|guess| guess.votes >= BELIEVED);
        if let Some(guess) = believed.map(|n| self.guesses.swap_remove(n))
            && self.movers.len() < MOST
            && guess.is_apart()
        {
            let speed = guess.shift / (APART as u64 * every) as f32;
            let mut mover = Mover::new(self.size, guess.is_level, speed, every, guess.first, guess.band);
            let since = self.looks.iter().filter(|(at, _)| *at >= guess.first);
            since.for_each(|(at, strokes)| mover.see(*at, strokes));
            self.movers.push(mover);
        }
        let (over, going): (Vec<Mover>, Vec<Mover>) =
            self.movers.drain(..).partition(|mover| mover.is_over(idx, patience));
        self.movers = going;
        for mover in &over {
            if self.known.len() == KNOWN {
                self.known.pop_front();
            }
            self.known.push_back(mover.path());
        }
        self.over.extend(over.into_iter().flat_map(|mut mover| mover.rest(FrameIdx::MAX)));
        self.movers.iter().for_each(|mover| mover.blank(idx, &mut seen.strokes));
    }

    /// Whether letters on `span` of frames within `area` lie where something passes then.
    pub(super) fn is_part(&self, span: &Range<FrameIdx>, area: Rect) -> bool {
        let going = self.movers.iter().map(Mover::path);
        going.chain(self.known.iter().cloned()).any(|(is_level, frames, band)| {
            let own = if is_level { area.y..area.bottom() } else { area.x..area.right() };
            let meets = frames.start < span.end && span.start < frames.end;
            meets && band.start <= own.start && own.end <= band.end
        })
    }

    /// What is known by frame `idx`, since the last call.
    pub(super) fn decided(&mut self, idx: FrameIdx) -> Vec<Caption> {
        let mut decided = std::mem::take(&mut self.over);
        decided.extend(self.movers.iter_mut().filter_map(|mover| mover.piece(idx)));
        decided
    }

    /// The rest, once the clip has ended after `count` frames.
    pub(super) fn finish(&mut self, count: FrameIdx) -> Vec<Caption> {
        let mut decided = std::mem::take(&mut self.over);
        self.known.extend(self.movers.iter().map(Mover::path));
        decided.extend(self.movers.drain(..).flat_map(|mut mover| mover.rest(count)));
        decided
    }

    /// How the lines of an earlier look have moved until now.
    fn votes(&self, idx: FrameIdx, lumas: &VecDeque<(FrameIdx, Raster<u8>)>) -> Vec<Vote> {
        let Some(n) = self.looks.len().checked_sub(APART + 1) else { return Vec::new() };
        let (before, then) = &self.looks[n];
        let (Some(was), Some(is)) = (luma_of(lumas, *before), luma_of(lumas, idx)) else { return Vec::new() };
        let plates = Raster::new(self.size.0, self.size.1, 0u8);
        let mut found = lines(then, &plates);
        found.retain(|line| line.cells.len() >= LEAST);
        found.sort_by_key(|line| std::cmp::Reverse(line.cells.len()));
        found.truncate(MOST_LINES);
        let black = was.data().iter().filter(|luma| **luma <= BLACK).count();
        let is_night = black as f32 >= NIGHT * was.data().len() as f32;
        found.iter().filter_map(|line| self.vote(line, then, (was, is), is_night)).collect()
    }

    fn vote(&self, line: &Line, then: &Raster<u8>, lumas: (&Raster<u8>, &Raster<u8>), is_night: bool) -> Option<Vote> {
        let letters = Letters::new(line, lumas.0);
        let still = letters.alike(lumas.1, (0, 0))?;
        if still >= STAYS {
            return None;
        }
        let best = |is_level: bool| {
            let by = |s: i32| if is_level { (s, 0) } else { (0, s) };
            let all: Vec<(f32, i32)> =
                (-FARTHEST..=FARTHEST).filter_map(|s| Some((letters.alike(lumas.1, by(s))?, s))).collect();
            let best = all.into_iter().max_by(|a, b| a.0.total_cmp(&b.0))?;
            Some((best.0, best.1, is_level))
        };
        let (part, shift, is_level) = [true, false].into_iter().filter_map(best).max_by(|a, b| a.0.total_cmp(&b.0))?;
        if shift.abs() < NEAREST || part < ALIKE || part < still + STANDS_OUT {
            return None;
        }
        let by = if is_level { (shift, 0) } else { (0, shift) };
        let rect = grid::bounds(line.cells.iter().map(|(k, _)| *k), self.size.0);
        let is_letter = |x: u32, y: u32| then.at(x, y) >= LIKELY;
        let around = rect.grow(CONTEXT, self.size.0, self.size.1);
        let is_clear = |x: u32, y: u32| {
            (x.saturating_sub(2)..(x + 3).min(self.size.0))
                .all(|x| (y.saturating_sub(2)..(y + 3).min(self.size.1)).all(|y| !is_letter(x, y)))
        };
        let before = slopes_of(lumas.0, around, is_clear, (0, 0));
        let power = before.iter().map(|v| v.abs()).sum::<f32>() / before.len().max(1) as f32;
        let along = compare(&before, &slopes_of(lumas.1, around, is_clear, by)).1;
        let is_plain = power < PLAIN;
        let is_black = is_plain && is_night;
        let band = if is_level { rect.y..rect.bottom() } else { rect.x..rect.right() };
        Some(Vote { is_level, shift, band, along, is_plain, is_black })
    }

    /// Counts a vote for the motion that it agrees with.
    fn count(&mut self, idx: FrameIdx, vote: Vote) {
        let apart = (APART as u64 * self.every) as f32;
        let grown = |band: &Range<u32>| band.start.saturating_sub(2)..band.end + 2;
        let side = if vote.is_level { self.size.1 } else { self.size.0 };
        let own = grown(&vote.band);
        let own = own.start..own.end.min(side);
        let meets = |band: &Range<u32>| band.start < own.end && own.start < band.end;
        let is_of = |mover: &&mut Mover| {
            mover.is_level == vote.is_level && (mover.speed * apart - vote.shift as f32).abs() <= 1.5
        };
        // Lines that roll may lie beside each other; tickers are told apart.
        if let Some(mover) = self.movers.iter_mut().find(|m| is_of(m) && (!vote.is_level || meets(&m.band))) {
            mover.band = mover.band.start.min(own.start)..mover.band.end.max(own.end);
            return;
        }
        let first = idx.saturating_sub(APART as u64 * self.every);
        let guess = self.guesses.iter_mut().find(|guess| {
            guess.is_level == vote.is_level
                && (guess.shift - vote.shift as f32).abs() <= 1.5
                && (!vote.is_level || meets(&guess.band))
        });
        let Some(guess) = guess else {
            let (plain, black) = (u32::from(vote.is_plain), u32::from(vote.is_black));
            let (shift, along) = (vote.shift as f32, vote.along);
            self.guesses.push(Guess {
                is_level: vote.is_level,
                shift,
                first,
                last: idx,
                votes: 1,
                band: own,
                along,
                plain,
                black,
            });
            return;
        };
        if guess.last < idx {
            // The mean of all so far.
            guess.votes += 1;
            guess.shift += (vote.shift as f32 - guess.shift) / guess.votes as f32;
            guess.along += vote.along;
            guess.plain += u32::from(vote.is_plain);
            guess.black += u32::from(vote.is_black);
        }
        guess.last = idx;
        guess.band = guess.band.start.min(own.start)..guess.band.end.max(own.end);
    }
}

impl Guess {
    /// Whether the scene does not go along.
    fn is_apart(&self) -> bool {
        let tells = self.votes.saturating_sub(self.plain);
        let is_black = 10 * self.black >= 9 * self.votes;
        is_black || (2 * tells >= self.votes && self.along <= ALONG * self.votes as f32)
    }
}

/// What is drawn at some cells of a line.
struct Letters {
    cells: Vec<(u32, u32)>,
    slopes: Vec<f32>,
}

impl Letters {
    fn new(line: &Line, luma: &Raster<u8>) -> Self {
        let (width, height) = (luma.width(), luma.height());
        let places = line.cells.iter().step_by(line.cells.len().div_ceil(ASKED)).map(|(k, _)| (k % width, k / width));
        let cells: Vec<(u32, u32)> = places.filter(|(x, y)| x + 1 < width && y + 1 < height).collect();
        let slopes = cells.iter().flat_map(|(x, y)| slope(luma, *x, *y)).collect();
        Self { cells, slopes }
    }

    /// How much alike `luma` is `by` so many cells farther, as a normalised correlation; `None` where most would be outside.
    fn alike(&self, luma: &Raster<u8>, by: (i32, i32)) -> Option<f32> {
        let (mut both, mut own, mut theirs, mut count) = (0.0, 1.0, 1.0, 0);
        for ((x, y), was) in self.cells.iter().zip(self.slopes.chunks_exact(2)) {
            let (Some(x), Some(y)) = (x.checked_add_signed(by.0), y.checked_add_signed(by.1)) else { continue };
            if x + 1 < luma.width() && y + 1 < luma.height() {
                let is = slope(luma, x, y);
                both += was[0] * is[0] + was[1] * is[1];
                own += was[0] * was[0] + was[1] * was[1];
                theirs += is[0] * is[0] + is[1] * is[1];
                count += 1;
            }
        }
        (10 * count >= 6 * self.cells.len()).then(|| both / (own * theirs).sqrt())
    }
}

/// By how much the next cells to the right and below differ.
fn slope(luma: &Raster<u8>, x: u32, y: u32) -> [f32; 2] {
    let own = f32::from(luma.at(x, y));
    [f32::from(luma.at(x + 1, y)) - own, f32::from(luma.at(x, y + 1)) - own]
}
