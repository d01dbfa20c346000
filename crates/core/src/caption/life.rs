//! Letters over time: which of their cells are shown when.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;

use crate::frame::FrameIdx;
use crate::geometry::Rect;
use crate::raster::Raster;

use super::lines::Line;
use super::span::{Ends, compare, follow, slopes_of};

/// Cells around letters that tell how the scene changes there.
const RING: u32 = 6;

/// A cell that is sure to be inside of a letter.
const CORE: u8 = 150;

/// What is joined to letters is thought of as letters by this much.
const LETTERS: f32 = 0.6;

/// A cell counts where it was seen on this part of the looks between its first and its last one.
const STEADY: f32 = 0.35;

/// Cells that come up to so many looks after the first belong to it: a fade, or a segmenter that wavers.
const TOGETHER: u64 = 5;

/// One cell's first and last look, how often it was seen, and the sum of what was said.
#[derive(Clone, Copy, Debug)]
struct Cell {
    first: FrameIdx,
    last: FrameIdx,
    looks: u32,
    sum: u32,
}

/// Letters that live together.
#[derive(Clone, Debug)]
pub(super) struct Life {
    size: (u32, u32),
    first: FrameIdx,
    last: FrameIdx,
    looks: u32,
    cells: BTreeMap<u32, Cell>,
    plate: BTreeMap<u32, u32>,
    shown: usize,
    rect: Rect,
    /// How many times longer than wide the rows are that were joined to it.
    longest: f32,
    /// Where they begin and end once that was followed, and by how much letters and scene change there.
    pub(super) begins: Option<Ends>,
    pub(super) ends: Option<Ends>,
    /// Sums of the changes of letters and of what is around them from look to look, and their number.
    pub(super) unrest: [f32; 2],
    /// Sums of how much alike both are from look to look.
    pub(super) likeness: [f32; 2],
    pub(super) compared: u32,
}

impl Life {
    pub(super) fn new(size: (u32, u32), idx: FrameIdx, line: &Line) -> Self {
        let mut life = Self {
            size,
            first: idx,
            last: idx,
            looks: 0,
            cells: BTreeMap::new(),
            plate: BTreeMap::new(),
            shown: 0,
            rect: Rect::default(),
            longest: 0.0,
            begins: None,
            ends: None,
            unrest: [0.0; 2],
            likeness: [0.0; 2],
            compared: 0,
        };
        life.see(idx, line);
        life
    }

    pub(super) const fn last(&self) -> FrameIdx {
        self.last
    }

    /// Cells that the last look showed.
    pub(super) const fn shown(&self) -> usize {
        self.shown
    }

    /// Cells of `line` that the last look showed too.
    pub(super) fn shared(&self, line: &Line) -> usize {
        line.cells.iter().filter(|(k, _)| self.cells.get(k).is_some_and(|cell| cell.last == self.last)).count()
    }

    pub(super) fn see(&mut self, idx: FrameIdx, line: &Line) {
        if idx != self.last || self.looks == 0 {
            self.looks += 1;
            self.shown = 0;
        }
        self.last = idx;
        self.shown += line.cells.len();
        for (k, said) in &line.cells {
            let cell = self.cells.entry(*k).or_insert(Cell { first: idx, last: idx, looks: 0, sum: 0 });
            cell.last = idx;
            cell.looks += 1;
            cell.sum += u32::from(*said);
            let at = Rect::new(k % self.size.0, k / self.size.0, 1, 1);
            self.rect = self.rect.union(&at);
        }
        for k in &line.plate {
            *self.plate.entry(*k).or_default() += 1;
        }
    }

    /// Notes how letters and scene have changed from one look to the next.
    pub(super) fn unrest(&mut self, now: &Raster<u8>, then: &Raster<u8>) {
        if let Some([letters, around]) = self.change(now, then) {
            self.unrest[0] += letters;
            self.unrest[1] += around;
            let alike = self.alike(now, then);
            (self.likeness[0], self.likeness[1]) = (self.likeness[0] + alike[0], self.likeness[1] + alike[1]);
            self.compared += 1;
        }
    }

    /// How much alike what two lumas draw is: at the letters, and around them.
    fn alike(&self, now: &Raster<u8>, then: &Raster<u8>) -> [f32; 2] {
        let around = self.rect.grow(RING, self.size.0, self.size.1);
        let is_known = |x: u32, y: u32| {
            let k = y * self.size.0 + x;
            self.cells.contains_key(&k) || self.plate.contains_key(&k)
        };
        let is_clear = |x: u32, y: u32| !is_known(x, y) && !is_known(x + 1, y) && !is_known(x, y + 1);
        let letters = [now, then].map(|luma| slopes_of(luma, self.rect, self.area().1, (0, 0)));
        let scene = [now, then].map(|luma| slopes_of(luma, around, is_clear, (0, 0)));
        [compare(&letters[0], &letters[1]).1, compare(&scene[0], &scene[1]).1]
    }

    /// Mean absolute differences of two lumas: of sure letters, and of what is around all of them. `None` where either is nowhere.
    pub(super) fn change(&self, now: &Raster<u8>, then: &Raster<u8>) -> Option<[f32; 2]> {
        let around = self.rect.grow(RING, self.size.0, self.size.1);
        let mut sums = [(0.0, 0.0); 2];
        for y in around.y..around.bottom() {
            for x in around.x..around.right() {
                let k = y * self.size.0 + x;
                let to = match self.cells.get(&k) {
                    Some(cell) if cell.sum >= u32::from(CORE) * cell.looks => &mut sums[0],
                    Some(_) => continue,
                    None if self.plate.contains_key(&k) => continue,
                    None => &mut sums[1],
                };
                to.0 += f32::from(now.at(x, y).abs_diff(then.at(x, y)));
                to.1 += 1.0;
            }
        }
        sums.iter().all(|(_, count)| *count > 0.0).then(|| sums.map(|(sum, count)| sum / count))
    }

    /// Follows where it begins, once it has been seen for long enough to know what it looks like.
    pub(super) fn begin(&mut self, lumas: &VecDeque<(FrameIdx, Raster<u8>)>, idx: FrameIdx) {
        if self.begins.is_none() && idx >= self.first + 12 && self.last == idx {
            self.begins = follow(self, lumas, self.first, self.first + 12, false);
        }
    }

    /// Follows where it ends.
    pub(super) fn end(&mut self, lumas: &VecDeque<(FrameIdx, Raster<u8>)>) {
        let middle = self.first + (self.last - self.first) / 2;
        if self.begins.is_none() {
            self.begins = follow(self, lumas, self.first, middle, false);
        }
        self.ends = follow(self, lumas, self.last, self.last.saturating_sub(12).max(middle), true);
    }

    /// Cells around which what letters look like is compared.
    pub(super) fn area(&self) -> (Rect, impl Fn(u32, u32) -> bool + '_) {
        let near = |x: u32, y: u32| {
            let of = |x: u32, y: u32| self.cells.contains_key(&(y * self.size.0 + x));
            of(x, y) || (x > 0 && of(x - 1, y)) || of(x + 1, y) || (y > 0 && of(x, y - 1)) || of(x, y + 1)
        };
        (self.rect, near)
    }

    /// Frames on which it is shown.
    pub(super) fn span(&self, count: FrameIdx) -> Range<FrameIdx> {
        self.start()..(self.end_at() + 1).min(count)
    }

    /// The first frame that shows it.
    fn start(&self) -> FrameIdx {
        self.begins.as_ref().map_or(self.first, |ends| ends.at)
    }

    /// The last frame that shows it.
    fn end_at(&self) -> FrameIdx {
        self.ends.as_ref().map_or(self.last, |ends| ends.at)
    }

    /// Looks on which it was seen.
    pub(super) const fn looks(&self) -> u32 {
        self.looks
    }

    /// The first of its rows, and the one after the last.
    pub(super) const fn rows(&self) -> (u32, u32) {
        (self.rect.y, self.rect.y + self.rect.h)
    }

    /// How many times longer than wide its longest row is.
    pub(super) fn length(&self) -> f32 {
        let (w, h) = (self.rect.w as f32, self.rect.h as f32);
        self.longest.max(w.max(h) / w.min(h).max(1.0))
    }

    /// Mean of what was said of its cells, 0..=1.
    pub(super) fn score(&self) -> f32 {
        let (sum, looks) =
            self.cells.values().fold((0u64, 0u64), |(s, n), cell| (s + u64::from(cell.sum), n + u64::from(cell.looks)));
        sum as f32 / (255 * looks.max(1)) as f32
    }

    /// Of the cells that are shown after a fifth of its life, and before the last fifth, the part of the fewer that both have: what
    /// moves has few.
    pub(super) fn constancy(&self) -> f32 {
        let fifth = (self.last - self.first) / 5;
        let (early, late) = (self.first + fifth, self.last - fifth);
        let is_at = |cell: &&Cell, idx: FrameIdx| cell.first <= idx && idx <= cell.last;
        let count = |idx| self.cells.values().filter(|cell| is_at(cell, idx)).count();
        let both = self.cells.values().filter(|cell| is_at(cell, early) && is_at(cell, late)).count();
        both as f32 / count(early).min(count(late)).max(1) as f32
    }

    /// Cells of the plate behind it, its letters included; `None` where there is none.
    pub(super) fn plate(&self) -> Option<Raster<bool>> {
        let mut cells = Raster::new(self.size.0, self.size.1, false);
        self.behind().for_each(|k| cells.data_mut()[k as usize] = true);
        self.behind().next().is_some().then_some(cells)
    }

    fn behind(&self) -> impl Iterator<Item = u32> + '_ {
        self.plate.iter().filter(|(_, looks)| 2 * **looks >= self.looks).map(|(k, _)| *k)
    }

    /// What it covers from which frame on, with the plate behind it or without; `None` where nothing lasts. Looks are `every`
    /// frames apart.
    pub(super) fn keys(&self, every: u64, with_plate: bool) -> Option<Vec<(FrameIdx, Raster<bool>)>> {
        let start = self.start();
        let mut shown: Vec<(u32, FrameIdx, FrameIdx)> = Vec::new();
        for (k, cell) in &self.cells {
            let looks = (cell.last - cell.first) / every + 1;
            if (cell.looks as f32) < STEADY * looks as f32 || (cell.looks < 3 && self.looks > 8) {
                continue;
            }
            // The frames between two looks may show it already, or still.
            let first = if cell.first <= self.first + TOGETHER * every { start } else { cell.first + 1 - every };
            let last = if cell.last + TOGETHER * every >= self.last { FrameIdx::MAX } else { cell.last + every };
            shown.push((*k, first, last));
        }
        if with_plate {
            shown.extend(self.behind().map(|k| (k, start, FrameIdx::MAX)));
        }
        let mut changes: Vec<FrameIdx> =
            shown.iter().flat_map(|(_, first, last)| [*first, *last]).filter(|idx| *idx < FrameIdx::MAX).collect();
        changes.sort_unstable();
        changes.dedup();
        let end = self.end_at();
        let keys: Vec<(FrameIdx, Raster<bool>)> = changes
            .into_iter()
            .filter(|idx| *idx <= end)
            .map(|idx| {
                let mut cells = Raster::new(self.size.0, self.size.1, false);
                let here = shown.iter().filter(|(_, first, last)| *first <= idx && idx < *last);
                here.for_each(|(k, _, _)| cells.data_mut()[*k as usize] = true);
                (idx, cells)
            })
            .collect();
        (!shown.is_empty()).then_some(keys)
    }

    fn absorb(&mut self, other: Self) {
        self.longest = self.length().max(other.length());
        for (k, cell) in other.cells {
            let own = self.cells.entry(k).or_insert(cell);
            if own.first != cell.first || own.last != cell.last || own.looks != cell.looks {
                own.first = own.first.min(cell.first);
                own.last = own.last.max(cell.last);
                own.looks += cell.looks;
                own.sum += cell.sum;
            }
        }
        for (k, looks) in other.plate {
            *self.plate.entry(k).or_default() += looks;
        }
        if other.first < self.first {
            (self.first, self.begins) = (other.first, other.begins);
        }
        if other.last > self.last {
            (self.last, self.ends) = (other.last, other.ends);
        }
        self.looks = self.looks.max(other.looks);
        self.rect = self.rect.union(&other.rect);
        for n in 0..2 {
            self.unrest[n] += other.unrest[n];
            self.likeness[n] += other.likeness[n];
        }
        self.compared += other.compared;
    }

    /// Whether both stand in one line beside each other, at the same time for the most part.
    fn is_beside(&self, other: &Self) -> bool {
        let (a, b) = (self.rect, other.rect);
        let (height, larger) = (a.h.min(b.h), a.h.max(b.h));
        let rows = a.bottom().min(b.bottom()).saturating_sub(a.y.max(b.y));
        let gap = a.x.max(b.x).saturating_sub(a.right().min(b.right()));
        let time = self.last.min(other.last).saturating_sub(self.first.max(other.first));
        let shorter = (self.last - self.first).min(other.last - other.first);
        let are_letters = self.score().min(other.score()) >= LETTERS;
        are_letters
            && 2 * rows > height
            && larger <= 2 * height
            && gap <= 2 * height
            && 2 * time >= shorter
            && shorter > 0
    }

    /// Whether both come and go together, one below the other.
    fn is_row_of(&self, other: &Self) -> bool {
        let near = |a: FrameIdx, b: FrameIdx| a.abs_diff(b) <= TOGETHER;
        let reach = self.rect.h.min(other.rect.h);
        let around = self.rect.grow(reach, self.size.0, self.size.1);
        let are_letters = self.score().min(other.score()) >= LETTERS;
        are_letters
            && near(self.first, other.first)
            && near(self.last, other.last)
            && !around.intersect(&other.rect).is_empty()
    }

    /// Whether `other` is the same, which the segmenter lost from sight: what one looks like is followed to the other.
    fn goes_on_in(&self, other: &Self) -> bool {
        let reaches = self.ends.as_ref().is_some_and(|end| end.at >= other.first)
            || other.begins.as_ref().is_some_and(|begin| begin.at <= self.last);
        let both = self.cells.keys().filter(|k| other.cells.contains_key(k)).count();
        other.first > self.last && reaches && 2 * both >= self.cells.len() + other.cells.len() - both
    }
}

/// Joins what is one: words of a line, and letters that were lost from sight for a while.
pub(super) fn joined(mut lives: Vec<Life>) -> Vec<Life> {
    lives.sort_by_key(|life| (life.first, life.last));
    let mut out: Vec<Life> = Vec::new();
    for life in lives {
        let same =
            out.iter().rposition(|known| known.is_beside(&life) || known.is_row_of(&life) || known.goes_on_in(&life));
        match same {
            Some(n) => out[n].absorb(life),
            None => out.push(life),
        }
    }
    out
}
