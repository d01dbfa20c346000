//! Letters that move at a constant speed: a picture of them that is put together while they pass, and where it lies on a frame.

use std::collections::VecDeque;
use std::ops::Range;

use crate::frame::FrameIdx;
use crate::geometry::Rect;
use crate::raster::Raster;

use super::Caption;
use super::grid::bounds;

/// What a segmenter says of letters at least, of 255; what it says on average of what is covered; and the part of the looks on
/// which it says so, with so many of them at least.
const LIKELY: u8 = 77;
const COVERED: u32 = 115;
const OFTEN: u32 = 3;
const LEAST_LOOKS: u32 = 3;

/// The letters that should be seen are missed on a look where fewer than this part of them, or fewer than so many cells, are.
const SEEN: f32 = 0.45;
const LEAST_SEEN: u32 = 30;

/// Looks by which speed and place are told.
const FITTED: usize = 150;

/// Frames that are handed out together, and frames for which they wait: what comes in at an edge is known better later.
const PIECE: u64 = 100;
const WAIT: u64 = 50;

/// What was said of a place of the picture of letters.
#[derive(Clone, Copy, Debug, Default)]
struct Place {
    looks: u32,
    hits: u32,
    sum: u32,
}

impl Place {
    const fn is_letter(self) -> bool {
        self.hits >= LEAST_LOOKS && OFTEN * self.hits >= self.looks && self.sum >= COVERED * self.hits
    }
}

/// Letters that pass: along the rows (`is_level`) or along the columns.
#[derive(Debug)]
pub(super) struct Mover {
    size: (u32, u32),
    pub(super) is_level: bool,
    /// Cells a frame.
    pub(super) speed: f32,
    /// Where its picture begins on frame `since`.
    origin: f32,
    since: FrameIdx,
    places: VecDeque<(FrameIdx, f32)>,
    last: FrameIdx,
    /// Frames before it were handed out.
    from: FrameIdx,
    every: u64,
    /// Columns or rows across the motion.
    pub(super) band: Range<u32>,
    /// Lines across the motion, the first of them at `base` of its picture.
    picture: VecDeque<Vec<Place>>,
    base: i64,
}

impl Mover {
    pub(super) fn new(
        size: (u32, u32),
        is_level: bool,
        speed: f32,
        every: u64,
        since: FrameIdx,
        band: Range<u32>,
    ) -> Self {
        let (places, picture) = Default::default();
        Self {
            size,
            is_level,
            speed,
            origin: 0.0,
            since,
            places,
            last: since,
            from: since,
            every,
            band,
            picture,
            base: 0,
        }
    }

    /// Cells along the motion, and across it.
    const fn sides(&self) -> (u32, u32) {
        if self.is_level { self.size } else { (self.size.1, self.size.0) }
    }

    fn at(&self, strokes: &Raster<u8>, along: u32, across: u32) -> u8 {
        if self.is_level { strokes.at(along, across) } else { strokes.at(across, along) }
    }

    /// Where its picture begins on a frame.
    fn place(&self, idx: FrameIdx) -> f32 {
        self.origin + self.speed * (idx as f32 - self.since as f32)
    }

    /// Whether it passes along the rows, on which frames, and where across.
    pub(super) fn path(&self) -> (bool, Range<FrameIdx>, Range<u32>) {
        (self.is_level, self.since..self.last + 1, self.band.clone())
    }

    /// Whether it was last seen so many frames ago.
    pub(super) const fn is_over(&self, idx: FrameIdx, patience: u64) -> bool {
        self.last + patience <= idx
    }

    /// Looks at a frame, and adds to the picture where it is seen there.
    pub(super) fn see(&mut self, idx: FrameIdx, strokes: &Raster<u8>) {
        let middle = self.place(idx).round() as i64;
        let Some(at) = self.find(strokes, middle) else { return };
        self.last = idx;
        if self.places.len() == FITTED {
            self.places.pop_front();
        }
        self.places.push_back((idx, at as f32));
        self.fit();
        self.add(strokes, at);
    }

    /// Where its picture begins on a frame, near `middle`; `None` where it is not seen.
    fn find(&self, strokes: &Raster<u8>, middle: i64) -> Option<i64> {
        if self.places.len() < LEAST_LOOKS as usize {
            return Some(middle);
        }
        let seen = [middle, middle - 1, middle + 1].map(|at| (self.seen(strokes, at), at));
        let best = seen.into_iter().reduce(|best, next| if next.0.0 > best.0.0 { next } else { best })?;
        let ((hits, all), at) = best;
        (hits >= LEAST_SEEN && hits as f32 >= SEEN * all as f32).then_some(at)
    }

    /// Cells of letters that are seen where the picture begins at `at`, and those that should be.
    fn seen(&self, strokes: &Raster<u8>, at: i64) -> (u32, u32) {
        let (mut hits, mut all) = (0, 0);
        for (line, n) in self.picture.iter().zip(self.base..) {
            let Ok(along) = u32::try_from(n + at) else { continue };
            if along < self.sides().0 {
                for across in self.band.clone().filter(|across| line[*across as usize].is_letter()) {
                    all += 1;
                    hits += u32::from(self.at(strokes, along, across) >= LIKELY);
                }
            }
        }
        (hits, all)
    }

    /// Fits speed and place to where it was seen: the least squares of a straight line.
    fn fit(&mut self) {
        if self.places.len() < 2 * LEAST_LOOKS as usize {
            return;
        }
        let count = self.places.len() as f32;
        let times = || self.places.iter().map(|(idx, at)| (*idx as f32 - self.since as f32, *at));
        let (mean_t, mean_at) = times().fold((0.0, 0.0), |sum, (t, at)| (sum.0 + t / count, sum.1 + at / count));
        let (both, own) = times().fold((0.0, 0.0), |sum, (t, at)| {
            (sum.0 + (t - mean_t) * (at - mean_at), sum.1 + (t - mean_t) * (t - mean_t))
        });
        if own > 0.0 {
            self.speed = both / own;
            self.origin = mean_at - self.speed * mean_t;
        }
    }

    fn add(&mut self, strokes: &Raster<u8>, at: i64) {
        let (along, across) = self.sides();
        if self.picture.is_empty() {
            self.base = -at;
        }
        while self.base > -at {
            self.picture.push_front(vec![Place::default(); across as usize]);
            self.base -= 1;
        }
        while self.base + (self.picture.len() as i64) < i64::from(along) - at {
            self.picture.push_back(vec![Place::default(); across as usize]);
        }
        for along in 0..along {
            let n = (i64::from(along) - at - self.base) as usize;
            for across in self.band.clone() {
                let said = self.at(strokes, along, across);
                let Some(place) = self.picture.get_mut(n).map(|line| &mut line[across as usize]) else { continue };
                place.looks += 1;
                if said >= LIKELY {
                    place.hits += 1;
                    place.sum += u32::from(said);
                }
            }
        }
    }

    /// Takes what belongs to it away from what is said of a frame.
    pub(super) fn blank(&self, idx: FrameIdx, strokes: &mut Raster<u8>) {
        let cells = self.cells(idx);
        strokes.data_mut().iter_mut().zip(cells.data()).filter(|(_, set)| **set).for_each(|(said, _)| *said = 0);
    }

    /// The cells that it covers on a frame.
    fn cells(&self, idx: FrameIdx) -> Raster<bool> {
        let mut cells = Raster::new(self.size.0, self.size.1, false);
        let place = self.place(idx);
        // Between two cells it covers both.
        let nearest = place.round();
        let ends = [
            nearest as i64,
            if (place - nearest).abs() < 0.25 { nearest } else { 2.0f32.mul_add(place, -nearest).round() } as i64,
        ];
        for along in 0..self.sides().0 {
            let lines = ends
                .map(|at| usize::try_from(i64::from(along) - at - self.base).ok().and_then(|n| self.picture.get(n)));
            for across in self.band.clone() {
                if lines.iter().flatten().any(|line| line[across as usize].is_letter()) {
                    let (x, y) = if self.is_level { (along, across) } else { (across, along) };
                    cells.set(x, y, true);
                }
            }
        }
        cells
    }

    /// The frames of it that are known by frame `idx`, `None` while they are too few.
    pub(super) fn piece(&mut self, idx: FrameIdx) -> Option<Caption> {
        let until = self.from + PIECE;
        (idx >= until + WAIT && self.last >= until).then(|| self.take(until))?
    }

    /// The rest of it, once it is over.
    pub(super) fn rest(&mut self, count: FrameIdx) -> Vec<Caption> {
        let end = (self.last + self.every).min(count);
        let mut pieces = Vec::new();
        while self.from < end {
            pieces.extend(self.take((self.from + PIECE).min(end)));
        }
        pieces
    }

    fn take(&mut self, until: FrameIdx) -> Option<Caption> {
        let span = self.from..until;
        self.from = until;
        let frames: Vec<(FrameIdx, Raster<bool>)> = span.clone().map(|idx| (idx, self.cells(idx))).collect();
        let score = self.score();
        self.forget(until);
        let width = self.size.0;
        let set = |cells: &Raster<bool>| -> Rect {
            bounds((0u32..).zip(cells.data()).filter(|(_, set)| **set).map(|(k, _)| k), width)
        };
        let area = frames.iter().fold(Rect::default(), |all, (_, cells)| all.union(&set(cells)));
        if area.is_empty() {
            return None;
        }
        let keys = frames.into_iter().map(|(idx, cells)| (idx, cells.crop(area))).collect();
        let way = if self.is_level { "along its line" } else { "up or down" };
        let reason = format!("moves steadily {way}, and the scene does not ({:.2} cells a frame)", self.speed);
        Some(Caption { span, area, keys, plate: None, score, reason, confident: true })
    }

    /// Mean of what was said of its letters, 0..=1.
    fn score(&self) -> f32 {
        let letters = self.picture.iter().flatten().filter(|place| place.is_letter());
        let (sum, hits) = letters.fold((0u64, 0u64), |(s, n), p| (s + u64::from(p.sum), n + u64::from(p.hits)));
        sum as f32 / (255 * hits.max(1)) as f32
    }

    /// Forgets what has left the picture by frame `idx`.
    fn forget(&mut self, idx: FrameIdx) {
        let (place, along) = (self.place(idx).round() as i64, i64::from(self.sides().0));
        while self.picture.len() as i64 > along && self.base + place < -1 && self.speed < 0.0 {
            self.picture.pop_front();
            self.base += 1;
        }
        while self.picture.len() as i64 > along
            && self.base + self.picture.len() as i64 + place > along + 1
            && self.speed > 0.0
        {
            self.picture.pop_back();
        }
    }
}
