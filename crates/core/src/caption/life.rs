//! Letters over time: which of their cells are shown when.

use std::collections::VecDeque;
use std::ops::Range;

use crate::frame::FrameIdx;
use crate::geometry::Rect;
use crate::raster::Raster;

use super::Keys;
use super::grid::{Grid, bounds};
use super::lines::Line;
use super::span::{Ends, compare, follow, slopes_of};

/// Cells around letters that tell how the scene changes there.
const RING: u32 = 6;

/// A cell that is sure to be inside of a letter.
const CORE: u8 = 150;

/// What is joined to letters is thought of as letters by this much.
const LETTERS: f32 = 0.6;

/// A cell is covered where this is said of it on average, of 255. On 14 cases of benches/captions, masks grown by a sample, stroke
/// recall and precision are .983 and .894 without a bound, .982 and .909 from 100 on, .982 and .921 from 115, .980 and .930 from
/// 128, .975 and .950 from 150.
const COVERED: u8 = 115;

/// A cell counts where it was seen on this part of the looks between its first and its last one.
const STEADY: f32 = 0.35;

/// Cells that come up to so many looks after the first belong to it: a fade, or a segmenter that wavers.
const TOGETHER: u64 = 5;

/// What letters look like is told by the cells that were seen on at least one in so many looks: others come from the scene.
const OFTEN: u32 = 3;

/// A caption changes so often at most; of one that changes more often, several changes become one. Words that are sung change a
/// few dozen times.
const CHANGES: usize = 240;

/// One cell's first and last look, how often it was seen (0: it is none of the letters), and the sum of what was said.
#[derive(Clone, Copy, Debug, Default)]
struct Cell {
    first: FrameIdx,
    last: FrameIdx,
    looks: u32,
    sum: u32,
}

/// Column and row of a cell, the first frame that shows it, and the first that does not any more.
type Shown = ((u32, u32), FrameIdx, FrameIdx);

/// What letters cover, as [`super::Caption`] has it.
pub(super) struct Cover {
    pub(super) area: Rect,
    pub(super) keys: Keys,
    pub(super) plate: Option<(Raster<bool>, Keys)>,
}

/// Letters that live together.
#[derive(Clone, Debug)]
pub(super) struct Life {
    size: (u32, u32),
    first: FrameIdx,
    last: FrameIdx,
    looks: u32,
    /// The letters, within their own bounds, and on how many looks a cell was one of the plate behind them.
    cells: Grid<Cell>,
    plate: Grid<u32>,
    shown: usize,
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
    /// As `likeness`, over several looks; the sum of how the scene around changes meanwhile; and their number.
    pub(super) lasting: [f32; 2],
    pub(super) moved: f32,
    pub(super) outlasted: u32,
}

impl Life {
    pub(super) fn new(size: (u32, u32), idx: FrameIdx, line: &Line) -> Self {
        let mut life = Self {
            size,
            first: idx,
            last: idx,
            looks: 0,
            cells: Grid::default(),
            plate: Grid::default(),
            shown: 0,
            longest: 0.0,
            begins: None,
            ends: None,
            unrest: [0.0; 2],
            likeness: [0.0; 2],
            compared: 0,
            lasting: [0.0; 2],
            moved: 0.0,
            outlasted: 0,
        };
        life.see(idx, line);
        life
    }

    /// Columns and rows of cells of the frame.
    pub(super) const fn size(&self) -> (u32, u32) {
        self.size
    }

    pub(super) const fn first(&self) -> FrameIdx {
        self.first
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
        let width = self.size.0;
        let is_shown = |k: u32| self.cell(k % width, k / width).is_some_and(|cell| cell.last == self.last);
        line.cells.iter().filter(|(k, _)| is_shown(*k)).count()
    }

    /// What is known of a cell of the letters; `None` where it is none.
    fn cell(&self, x: u32, y: u32) -> Option<Cell> {
        self.cells.get(x, y).filter(|cell| cell.looks > 0)
    }

    /// The cells of the letters.
    fn letters(&self) -> impl Iterator<Item = ((u32, u32), Cell)> + '_ {
        self.cells.cells().filter(|(_, cell)| cell.looks > 0)
    }

    /// Whether a cell was ever one of the plate.
    fn is_plate(&self, x: u32, y: u32) -> bool {
        self.plate.get(x, y).is_some_and(|looks| looks > 0)
    }

    /// Cells that it keeps in memory.
    pub(super) const fn held(&self) -> u64 {
        self.cells.rect().area() + self.plate.rect().area()
    }

    pub(super) fn see(&mut self, idx: FrameIdx, line: &Line) {
        if idx != self.last || self.looks == 0 {
            self.looks += 1;
            self.shown = 0;
        }
        self.last = idx;
        self.shown += line.cells.len();
        let width = self.size.0;
        self.cells.hold(bounds(line.cells.iter().map(|(k, _)| *k), width));
        for (k, said) in &line.cells {
            if let Some(cell) = self.cells.get_mut(k % width, k / width) {
                if cell.looks == 0 {
                    cell.first = idx;
                }
                cell.last = idx;
                cell.looks += 1;
                cell.sum += u32::from(*said);
            }
        }
        self.plate.hold(bounds(line.plate.iter().copied(), width));
        for k in &line.plate {
            if let Some(looks) = self.plate.get_mut(k % width, k / width) {
                *looks += 1;
            }
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

    /// Notes what letters and scene have kept over several looks.
    pub(super) fn outlast(&mut self, now: &Raster<u8>, then: &Raster<u8>) {
        if let Some([_, around]) = self.change(now, then) {
            let alike = self.alike(now, then);
            (self.lasting[0], self.lasting[1]) = (self.lasting[0] + alike[0], self.lasting[1] + alike[1]);
            self.moved += around;
            self.outlasted += 1;
        }
    }

    /// How much alike what two lumas draw is: at the letters, and around them.
    fn alike(&self, now: &Raster<u8>, then: &Raster<u8>) -> [f32; 2] {
        let around = self.bounds().grow(RING, self.size.0, self.size.1);
        let is_known = |x: u32, y: u32| self.cell(x, y).is_some() || self.is_plate(x, y);
        let is_clear = |x: u32, y: u32| !is_known(x, y) && !is_known(x + 1, y) && !is_known(x, y + 1);
        let letters = [now, then].map(|luma| slopes_of(luma, self.bounds(), self.area().1, (0, 0)));
        let scene = [now, then].map(|luma| slopes_of(luma, around, is_clear, (0, 0)));
        [compare(&letters[0], &letters[1]).1, compare(&scene[0], &scene[1]).1]
    }

    /// Mean absolute differences of two lumas: of sure letters, and of what is around all of them. `None` where either is nowhere.
    pub(super) fn change(&self, now: &Raster<u8>, then: &Raster<u8>) -> Option<[f32; 2]> {
        let around = self.bounds().grow(RING, self.size.0, self.size.1);
        let mut sums = [(0.0, 0.0); 2];
        for y in around.y..around.bottom() {
            for x in around.x..around.right() {
                let to = match self.cell(x, y) {
                    Some(cell) if cell.sum >= u32::from(CORE) * cell.looks => &mut sums[0],
                    Some(_) => continue,
                    None if self.is_plate(x, y) => continue,
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
            let of = |x: u32, y: u32| self.cell(x, y).is_some_and(|cell| OFTEN * cell.looks >= self.looks);
            of(x, y) || (x > 0 && of(x - 1, y)) || of(x + 1, y) || (y > 0 && of(x, y - 1)) || of(x, y + 1)
        };
        (self.bounds(), near)
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
        (self.bounds().y, self.bounds().bottom())
    }

    /// The rectangle around its letters.
    pub(super) const fn bounds(&self) -> Rect {
        self.cells.rect()
    }

    /// How many times longer than wide its longest row is.
    pub(super) fn length(&self) -> f32 {
        let (w, h) = (self.bounds().w as f32, self.bounds().h as f32);
        self.longest.max(w.max(h) / w.min(h).max(1.0))
    }

    /// On which part of the looks its cells were seen on average, 0..=1: letters that pass leave most of theirs soon.
    pub(super) fn persistence(&self) -> f32 {
        let (looks, cells) = self.letters().fold((0u64, 0u64), |(s, n), (_, cell)| (s + u64::from(cell.looks), n + 1));
        looks as f32 / (cells * u64::from(self.looks)).max(1) as f32
    }

    /// Mean of what was said of its cells, 0..=1.
    pub(super) fn score(&self) -> f32 {
        let (sum, looks) =
            self.letters().fold((0u64, 0u64), |(s, n), (_, cell)| (s + u64::from(cell.sum), n + u64::from(cell.looks)));
        sum as f32 / (255 * looks.max(1)) as f32
    }

    /// Of the cells that are shown after a fifth of its life, and before the last fifth, the part of the fewer that both have: what
    /// moves has few.
    pub(super) fn constancy(&self) -> f32 {
        let fifth = (self.last - self.first) / 5;
        let (early, late) = (self.first + fifth, self.last - fifth);
        let is_at = |cell: &Cell, idx: FrameIdx| cell.first <= idx && idx <= cell.last;
        let count = |idx| self.letters().filter(|(_, cell)| is_at(cell, idx)).count();
        let both = self.letters().filter(|(_, cell)| is_at(cell, early) && is_at(cell, late)).count();
        both as f32 / count(early).min(count(late)).max(1) as f32
    }

    /// What it covers from which frame on; `None` where nothing lasts. Looks are `every` frames apart.
    pub(super) fn cover(&self, every: u64) -> Option<Cover> {
        let start = self.start();
        let mut shown: Vec<Shown> = Vec::new();
        for (at, cell) in self.letters() {
            let looks = (cell.last - cell.first) / every + 1;
            if (cell.looks as f32) < STEADY * looks as f32 || (cell.looks < 3 && self.looks > 8) {
                continue;
            }
            if cell.sum < u32::from(COVERED) * cell.looks {
                continue;
            }
            // The frames between two looks may show it already, or still.
            let first = if cell.first <= self.first + TOGETHER * every { start } else { cell.first + 1 - every };
            let last = if cell.last + TOGETHER * every >= self.last { FrameIdx::MAX } else { cell.last + every };
            shown.push((at, first, last));
        }
        let letters = shown.len();
        let behind = self.plate.cells().filter(|(_, looks)| *looks > 0 && 2 * *looks >= self.looks);
        shown.extend(behind.map(|(at, _)| (at, start, FrameIdx::MAX)));
        if shown.is_empty() {
            return None;
        }
        let area = bounds(shown.iter().map(|((x, y), _, _)| y * self.size.0 + x), self.size.0);
        let keys = self.keys(&shown, area);
        let plate = (shown.len() > letters).then(|| {
            let mut cells = Raster::new(area.w, area.h, false);
            shown.iter().for_each(|((x, y), _, _)| cells.set(x - area.x, y - area.y, true));
            (cells, self.keys(&shown[..letters], area))
        });
        Some(Cover { area, keys, plate })
    }

    /// Which cells of `area` are `shown` from which frame on.
    fn keys(&self, shown: &[Shown], area: Rect) -> Keys {
        let end = self.end_at();
        let mut changes: Vec<FrameIdx> =
            shown.iter().flat_map(|(_, first, last)| [*first, *last]).filter(|idx| *idx <= end).collect();
        changes.sort_unstable();
        changes.dedup();
        let several = changes.len().div_ceil(CHANGES);
        let changes: Vec<FrameIdx> = changes.into_iter().step_by(several.max(1)).collect();
        // What is shown on any frame until the next change is covered on all of them.
        let until = changes.iter().skip(1).copied().chain([end + 1]);
        let keys = changes.iter().copied().zip(until).map(|(idx, until)| {
            let mut cells = Raster::new(area.w, area.h, false);
            for ((x, y), first, last) in shown {
                if *first < until && idx < *last {
                    cells.set(x - area.x, y - area.y, true);
                }
            }
            (idx, cells)
        });
        keys.collect()
    }

    /// Becomes one with `other`.
    pub(super) fn absorb(&mut self, other: Self) {
        self.longest = self.length().max(other.length());
        self.cells.hold(other.bounds());
        for ((x, y), cell) in other.letters() {
            let Some(own) = self.cells.get_mut(x, y) else { continue };
            if own.looks == 0 {
                *own = cell;
            } else if own.first != cell.first || own.last != cell.last || own.looks != cell.looks {
                own.first = own.first.min(cell.first);
                own.last = own.last.max(cell.last);
                own.looks += cell.looks;
                own.sum += cell.sum;
            }
        }
        self.plate.hold(other.plate.rect());
        for ((x, y), looks) in other.plate.cells() {
            if let Some(own) = self.plate.get_mut(x, y) {
                *own += looks;
            }
        }
        if other.first < self.first {
            (self.first, self.begins) = (other.first, other.begins);
        }
        if other.last > self.last {
            (self.last, self.ends) = (other.last, other.ends);
        }
        self.looks = self.looks.max(other.looks);
        for n in 0..2 {
            self.unrest[n] += other.unrest[n];
            self.likeness[n] += other.likeness[n];
            self.lasting[n] += other.lasting[n];
        }
        self.compared += other.compared;
        self.moved += other.moved;
        self.outlasted += other.outlasted;
    }

    /// Whether both stand in one line beside each other, at the same time for the most part.
    fn is_beside(&self, other: &Self) -> bool {
        let (a, b) = (self.bounds(), other.bounds());
        let (height, larger) = (a.h.min(b.h), a.h.max(b.h));
        let rows = a.bottom().min(b.bottom()).saturating_sub(a.y.max(b.y));
        let gap = a.x.max(b.x).saturating_sub(a.right().min(b.right()));
        let time = self.last.min(other.last).saturating_sub(self.first.max(other.first));
        let [own, theirs] = [self.last - self.first, other.last - other.first];
        // Words of a line come or go with it; what is there all the time is not one of them.
        let near = |a: FrameIdx, b: FrameIdx| a.abs_diff(b) <= TOGETHER;
        let together = near(self.first, other.first) || near(self.last, other.last) || 2 * time >= own.max(theirs);
        let shorter = own.min(theirs);
        let are_letters = self.score().min(other.score()) >= LETTERS;
        // A column of letters is higher than they are.
        are_letters
            && 2 * rows > height
            && larger <= 2 * height
            && gap <= 2 * height.min(2 * a.w.min(b.w))
            && 2 * time >= shorter
            && together
            && shorter > 0
    }

    /// Whether both come and go together, one below the other.
    fn is_row_of(&self, other: &Self) -> bool {
        let near = |a: FrameIdx, b: FrameIdx| a.abs_diff(b) <= TOGETHER;
        let reach = self.bounds().h.min(other.bounds().h);
        let around = self.bounds().grow(reach, self.size.0, self.size.1);
        let are_letters = self.score().min(other.score()) >= LETTERS;
        are_letters
            && near(self.first, other.first)
            && near(self.last, other.last)
            && !around.intersect(&other.bounds()).is_empty()
    }

    /// Whether `other` is the same, which the segmenter lost from sight: what one looks like is followed to the other.
    fn goes_on_in(&self, other: &Self) -> bool {
        let reaches = self.ends.as_ref().is_some_and(|end| end.at >= other.first)
            || other.begins.as_ref().is_some_and(|begin| begin.at <= self.last);
        if other.first <= self.last || !reaches {
            return false;
        }
        let both = self.letters().filter(|((x, y), _)| other.cell(*x, *y).is_some()).count();
        2 * both >= self.letters().count() + other.letters().count() - both
    }

    /// Whether both are one: words of a line, rows of one caption, or letters that were lost from sight for a while. `other`
    /// does not begin before.
    pub(super) fn continues_in(&self, other: &Self) -> bool {
        self.is_beside(other) || self.is_row_of(other) || self.goes_on_in(other)
    }
}
