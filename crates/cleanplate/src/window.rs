//! Frames in a row, each held until everything that a restorer may look at around it is there.
//!
//! Knows how far restorers look and where shots end. Refuses to know masks and what is done to a frame.

use std::collections::VecDeque;
use std::ops::Range;

use cleanplate_core::{Frame, FrameIdx, Reach, Row};

/// Columns and rows of the small picture by which neighbouring frames are compared.
pub(crate) const SMALL: (u32, u32) = (32, 18);

/// Samples a side of the grid by which each of its cells is averaged.
const GRID: u32 = 4;

/// A cut: the median difference of small pictures is above this in 8-bit codes, and above `STEEP` times the local median and
/// `ABOVE` (restoration notes, section 4).
const DIFFERENT: f32 = 8.0;
const STEEP: f32 = 4.0;
const ABOVE: f32 = 2.0;

/// Correlation of small pictures of one scene, at least, and standard deviation in 8-bit codes below which there is none.
const ALIKE: f32 = 0.7;
const FLAT: f32 = 3.0;

/// Differences before and after that are the local level of a cut.
const AROUND: u64 = 2;

/// Bytes of frames that the window may hold: less is looked at where frames are large. Decides bits, so that it depends on
/// the clip alone.
const WINDOW_BYTES: u64 = 128 << 20;

struct Held {
    frame: Frame,
    small: Vec<f32>,
    /// Difference from the frame before; `None` for the first of a run.
    jump: Option<f32>,
    wanted: bool,
}

/// Frames that wait for those after them, and some that have passed.
pub(crate) struct Waiting {
    reach: Reach,
    held: VecDeque<Held>,
    /// Position in `held` of the first frame that has not been given out or passed over.
    next: usize,
}

impl Waiting {
    /// For restorers that look as far as `reach` says at frames of `picture_bytes` each.
    pub(crate) fn new(reach: Reach, picture_bytes: u64) -> Self {
        Self { reach: bounded(reach, picture_bytes), held: VecDeque::new(), next: 0 }
    }

    /// How many frames before a wanted one must have been pushed, and how many after it, where the clip has them.
    pub(crate) fn context(&self) -> (u64, u64) {
        let with_cuts = |frames: u32| if self.looks() { u64::from(frames) + AROUND + 1 } else { 0 };
        (with_cuts(self.reach.before), with_cuts(self.reach.after))
    }

    fn looks(&self) -> bool {
        self.reach.before + self.reach.after > 0
    }

    /// Takes the next frame. One that does not follow the last one starts a new run; what was wanted of the old one must
    /// have been taken out by then.
    pub(crate) fn push(&mut self, frame: Frame, wanted: bool) {
        if self.held.back().is_some_and(|last| last.frame.idx + 1 != frame.idx) {
            self.held.clear();
            self.next = 0;
        }
        let small = if self.looks() { small(&frame) } else { Vec::new() };
        let jump = self.held.back().filter(|_| self.looks()).map(|last| difference(&last.small, &small));
        self.held.push_back(Held { frame, small, jump, wanted });
    }

    /// The position of the next wanted frame, once all that may be looked at has come; `ended`: nothing follows in this run.
    pub(crate) fn ready(&mut self, ended: bool) -> Option<usize> {
        while self.held.get(self.next).is_some_and(|held| !held.wanted) {
            self.next += 1;
        }
        let (before, after) = self.context();
        let (first, last) = (self.held.get(self.next)?.frame.idx, self.held.back()?.frame.idx);
        if !ended && last < first + after {
            return None;
        }
        while self.held.front().is_some_and(|held| held.frame.idx + before < first) {
            self.held.pop_front();
            self.next -= 1;
        }
        Some(self.next)
    }

    /// The positions around `at` that restorers may look at: within reach, and of the same shot.
    pub(crate) fn around(&self, at: usize) -> Range<usize> {
        let first = at.saturating_sub(self.reach.before as usize);
        let last = (at + self.reach.after as usize).min(self.held.len().saturating_sub(1));
        let start = (first + 1..=at).rev().find(|k| self.is_cut(*k)).unwrap_or(first);
        let end = (at + 1..=last).find(|k| self.is_cut(*k)).unwrap_or(last + 1);
        start..end
    }

    /// The small picture of the frame at a position; empty where no restorer looks at other frames.
    pub(crate) fn small(&self, at: usize) -> &[f32] {
        &self.held[at].small
    }

    /// The frame at a position.
    pub(crate) fn frame(&self, at: usize) -> &Frame {
        &self.held[at].frame
    }

    /// Takes the frame at `at`, which [`ready`](Self::ready) has named, as one that may be changed.
    pub(crate) fn take(&mut self, at: usize) -> Option<Frame> {
        self.next = at + 1;
        if self.looks() {
            return self.held.get(at).map(|held| held.frame.clone());
        }
        self.next = 0;
        let held = self.held.drain(..=at).next_back();
        held.map(|held| held.frame)
    }

    /// How far restorers look, as far as memory allows.
    pub(crate) const fn reach(&self) -> Reach {
        self.reach
    }

    /// Whether a shot begins at `at`.
    fn is_cut(&self, at: usize) -> bool {
        let around = at.saturating_sub(AROUND as usize)..(at + 1 + AROUND as usize).min(self.held.len());
        let level = around.filter(|k| *k != at).filter_map(|k| self.held[k].jump);
        self.held[at].jump.is_some_and(|jump| stands_out(jump, level))
    }
}

/// Whether a jump is a cut, by those of the frames around it.
fn stands_out(jump: f32, around: impl Iterator<Item = f32>) -> bool {
    let mut level: Vec<f32> = around.collect();
    level.sort_by(f32::total_cmp);
    let median = level.get(level.len() / 2).copied().unwrap_or(0.0);
    jump > DIFFERENT && jump > STEEP * median + ABOVE
}

/// Tells the first frames of shots, by how much the small picture of every frame differs from that of the one before; each
/// [`AROUND`] frames later.
#[derive(Default)]
pub(crate) struct Cuts {
    jumps: VecDeque<f32>,
    /// Jumps that have come, and how many of them have been decided.
    come: u64,
    decided: u64,
}

impl Cuts {
    /// Takes the next frame's difference from the one before it (0 for the first) and answers with the frame that is found to be
    /// a cut by it, if any.
    pub(crate) fn push(&mut self, jump: f32) -> Option<FrameIdx> {
        if self.jumps.len() > 2 * AROUND as usize {
            self.jumps.pop_front();
        }
        self.jumps.push_back(jump);
        self.come += 1;
        (self.come > self.decided + AROUND).then(|| self.decide()).flatten()
    }

    /// The cuts among the last frames, once none follows.
    pub(crate) fn finish(mut self) -> Vec<FrameIdx> {
        let left = self.come - self.decided;
        (0..left).filter_map(|_| self.decide()).collect()
    }

    fn decide(&mut self) -> Option<FrameIdx> {
        let (idx, first) = (self.decided, self.come - self.jumps.len() as u64);
        self.decided += 1;
        let near = idx.saturating_sub(AROUND).max(first)..(idx + AROUND + 1).min(self.come);
        let level = near.filter(|k| *k != idx).map(|k| self.jumps[(k - first) as usize]);
        stands_out(self.jumps[(idx - first) as usize], level).then_some(idx)
    }
}

/// `reach` with fewer frames where they would not fit into [`WINDOW_BYTES`].
fn bounded(reach: Reach, picture_bytes: u64) -> Reach {
    let (frames, fit) = (u64::from(reach.before + reach.after), WINDOW_BYTES / picture_bytes.max(1));
    if frames <= fit {
        return reach;
    }
    let scaled = |count: u32| (u64::from(count) * fit / frames) as u32;
    Reach { before: scaled(reach.before), after: scaled(reach.after), ..reach }
}

/// Means of the first plane over a grid of cells, in 8-bit codes.
pub(crate) fn small(frame: &Frame) -> Vec<f32> {
    let scale = 1.0 / (GRID * GRID) as f32 / (1u32 << (frame.format.depth - 8)) as f32;
    let mut cells = vec![0.0; (SMALL.0 * SMALL.1) as usize];
    let (columns, rows) = (SMALL.0 * GRID, SMALL.1 * GRID);
    for n in 0..rows {
        let y = (u64::from(n) * u64::from(frame.height) / u64::from(rows)) as u32;
        let row = frame.row(0, y);
        let cells = &mut cells[(n / GRID * SMALL.0) as usize..][..SMALL.0 as usize];
        for m in 0..columns {
            let x = (u64::from(m) * u64::from(frame.width) / u64::from(columns)) as usize;
            let sample = match row {
                Row::U8(row) => f32::from(row[x]),
                Row::U16(row) => f32::from(row[x]),
            };
            cells[(m / GRID) as usize] += sample * scale;
        }
    }
    cells
}

/// Whether two small pictures may be of one scene before a still camera, whatever the light and whoever passes by.
pub(crate) fn same_scene(a: &[f32], b: &[f32]) -> bool {
    if a.len() != b.len() || a.is_empty() {
        return false;
    }
    let mut differences: Vec<f32> = a.iter().zip(b).map(|(a, b)| a - b).collect();
    let middle = differences.len() / 2;
    let light = *differences.select_nth_unstable_by(middle, f32::total_cmp).1;
    differences.iter_mut().for_each(|d| *d = (*d - light).abs());
    if *differences.select_nth_unstable_by(middle, f32::total_cmp).1 > DIFFERENT {
        return false;
    }
    let mean = |v: &[f32]| v.iter().sum::<f32>() / v.len() as f32;
    let (ma, mb) = (mean(a), mean(b));
    let sum = |f: &dyn Fn(f32, f32) -> f32| a.iter().zip(b).map(|(a, b)| f(a - ma, b - mb)).sum::<f32>();
    let (aa, bb, ab) = (sum(&|a, _| a * a), sum(&|_, b| b * b), sum(&|a, b| a * b));
    // Where there is nothing to be seen in either, there is nothing to tell apart.
    let nothing = FLAT * FLAT * a.len() as f32;
    ab >= ALIKE * (aa * bb).sqrt() || (aa < nothing && bb < nothing)
}

/// The median difference of two small pictures.
pub(crate) fn difference(a: &[f32], b: &[f32]) -> f32 {
    let mut all: Vec<f32> = a.iter().zip(b).map(|(a, b)| (a - b).abs()).collect();
    let middle = all.len() / 2;
    *all.select_nth_unstable_by(middle, f32::total_cmp).1
}

#[cfg(test)]
mod tests {
    use super::*;
    use cleanplate_core::{FrameIdx, HostSurface, PixelFormat, RowMut, Surface};

    fn frame(idx: FrameIdx, level: u8) -> Frame {
        let format = PixelFormat::GRAY8;
        let mut surface = HostSurface::new(format, 40, 20);
        for y in 0..20 {
            if let RowMut::U8(row) = surface.row_mut(0, y) {
                row.fill(level);
            }
        }
        Frame::new(idx, 0, 1, (40, 20), format, Box::new(surface))
    }

    const REACH: Reach = Reach { before: 4, after: 3, margin: 8 };

    /// Pushes frames of `range` and tells which frames each wanted one may look at.
    fn windows(range: Range<u64>, wanted: Range<u64>, level: impl Fn(u64) -> u8) -> Vec<(u64, Range<u64>)> {
        let mut waiting = Waiting::new(REACH, 800);
        let mut seen = Vec::new();
        let mut take = |waiting: &mut Waiting, ended: bool| {
            while let Some(at) = waiting.ready(ended) {
                let around = waiting.around(at);
                let idx = |k: usize| waiting.frame(k).idx;
                seen.push((idx(at), idx(around.start)..idx(around.end - 1) + 1));
                waiting.take(at).unwrap();
            }
        };
        for idx in range {
            waiting.push(frame(idx, level(idx)), wanted.contains(&idx));
            take(&mut waiting, false);
        }
        take(&mut waiting, true);
        seen
    }

    #[test]
    fn a_window_ends_at_cuts_and_at_the_ends_of_the_clip() {
        let all = windows(0..30, 0..30, |idx| if idx < 12 { 50 } else { 150 });
        assert_eq!(all.len(), 30);
        assert_eq!(all[0], (0, 0..4));
        assert_eq!(all[6], (6, 2..10));
        assert_eq!(all[10], (10, 6..12));
        assert_eq!(all[12], (12, 12..16));
        assert_eq!(all[29], (29, 25..30));
        // A scene that changes all the time has no cut in it.
        let busy = windows(0..30, 0..30, |idx| (idx * 9) as u8);
        assert_eq!(busy[14], (14, 10..18));
    }

    #[test]
    fn a_part_of_a_clip_with_its_context_sees_what_the_whole_clip_sees() {
        let level = |idx: u64| if idx % 13 < 6 { 40 } else { 120 + (idx % 3) as u8 };
        let whole = windows(0..60, 0..60, level);
        let context = Waiting::new(REACH, 800).context();
        for part in [10..20u64, 18..25, 40..60] {
            let run = part.start - context.0..(part.end + context.1).min(60);
            assert_eq!(windows(run, part.clone(), level), whole[part.start as usize..part.end as usize], "{part:?}");
        }
    }

    #[test]
    fn cuts_are_told_two_frames_later_and_to_the_last_frame() {
        let jump = |idx: u64| if [1, 9, 18].contains(&idx) { 40.0 } else { 1.0 };
        let mut cuts = Cuts::default();
        let told: Vec<(u64, u64)> = (0..20).filter_map(|idx| cuts.push(jump(idx)).map(|cut| (idx, cut))).collect();
        assert_eq!(told, [(3, 1), (11, 9)]);
        assert_eq!(cuts.finish(), [18]);
    }

    #[test]
    fn large_frames_shorten_the_window() {
        let reach = Waiting::new(Reach { before: 24, after: 12, margin: 64 }, 12 << 20).reach();
        assert_eq!((reach.before, reach.after, reach.margin), (6, 3, 64));
        assert!(Waiting::new(Reach::default(), 1 << 20).context() == (0, 0));
    }
}
