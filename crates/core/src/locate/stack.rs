//! The frames of an evidence that a question is put to: all of them, or those in which something shows.

use std::ops::Range;

use super::evidence::{Evidence, Sums};
use super::picture::{Scale, View};
use crate::frame::FrameIdx;

/// Pictures differ where their coarse grids do by more than this on average, code values: repeats of a screen or a page
/// stay below 1; a locked camera's frames, which differ by little at a time, count by and by.
const DIFFERENT: f32 = 2.0;
/// Columns and rows of the coarse grid.
const GRID: (usize, usize) = (32, 18);

/// Frames at working scale, rising, and the sums over all frames of the evidence.
pub(super) struct Stack<'a> {
    pub(super) scale: Scale,
    pub(super) frames: Vec<&'a (FrameIdx, Vec<Vec<u8>>)>,
    pub(super) sums: &'a [Sums],
}

impl<'a> Stack<'a> {
    /// The frames of `evidence` at the positions that `keep` names; `None` where there are none.
    pub(super) fn of(evidence: &'a Evidence, keep: impl Fn(usize) -> bool) -> Option<Self> {
        let frames: Vec<_> = evidence.frames.iter().enumerate().filter(|(i, _)| keep(*i)).map(|(_, f)| f).collect();
        (!frames.is_empty()).then_some(Self { scale: evidence.scale?, frames, sums: &evidence.sums })
    }

    /// One plane of every frame.
    pub(super) fn plane(&self, plane: usize) -> Vec<View<'a>> {
        let (width, height) = self.scale.size(plane);
        self.frames.iter().map(|f| View { data: &f.1[plane], width, height }).collect()
    }

    /// From the first frame at whose position `shows` is true to behind the last; all where it never is.
    pub(super) fn span(&self, shows: impl Fn(usize) -> bool) -> Range<FrameIdx> {
        let last = self.frames.len() - 1;
        let from = (0..=last).find(|i| shows(*i)).unwrap_or(0);
        let to = (0..=last).rev().find(|i| shows(*i)).unwrap_or(last);
        self.frames[from].0..self.frames[to].0 + 1
    }

    /// How many of the frames differ from all counted before, in luma on a coarse grid.
    pub(super) fn views(&self) -> usize {
        let (w, h) = self.scale.size(0);
        let cells = (w.min(GRID.0), h.min(GRID.1));
        let mut views: Vec<Vec<f32>> = Vec::new();
        for plane in self.plane(0) {
            let mut grid = Vec::with_capacity(cells.0 * cells.1);
            for cy in 0..cells.1 {
                for cx in 0..cells.0 {
                    let (x0, x1) = (cx * w / cells.0, (cx + 1) * w / cells.0);
                    let (y0, y1) = (cy * h / cells.1, (cy + 1) * h / cells.1);
                    let sum: u64 = (y0..y1).flat_map(|y| &plane.row(y)[x0..x1]).map(|s| u64::from(*s)).sum();
                    grid.push(sum as f32 / ((x1 - x0) * (y1 - y0)) as f32);
                }
            }
            let differs = |view: &Vec<f32>| {
                let sum: f32 = view.iter().zip(&grid).map(|(p, q)| (p - q).abs()).sum();
                sum > DIFFERENT * grid.len() as f32
            };
            if views.iter().all(differs) {
                views.push(grid);
            }
        }
        views.len()
    }
}
