//! Pictures of persistent edges drawn by hand, for the tests of single rules.

use std::sync::Arc;

use super::candidates::{Bar, Edges};
use super::figures::Figures;
use super::persistence::Persistence;
use super::region::Bounds;

pub(super) const W: usize = 320;
pub(super) const H: usize = 180;
pub(super) const FRAMES: u8 = 20;

/// A luma plane of [`W`] x [`H`] samples.
pub(super) struct Picture(pub(super) Persistence);

impl Picture {
    pub(super) fn new() -> Self {
        let n = W * H;
        let plane =
            Persistence { width: W, height: H, mx: vec![0; n], my: vec![0; n], agree: vec![0; n], edge: vec![0; n] };
        Self(plane)
    }

    /// Slopes along x of that size, code values per sample, which so many frames show.
    pub(super) fn fill(&mut self, b: Bounds, slope: f32, agree: u8) {
        for i in (b.y0..b.y1).flat_map(|y| y * W + b.x0..y * W + b.x1) {
            self.0.mx[i] = (slope * 32.0) as i16;
            (self.0.agree[i], self.0.edge[i]) = (agree, agree);
        }
    }

    /// Takes out the slopes at the columns and rows that `out` names.
    pub(super) fn clear(&mut self, out: impl Fn(usize, usize) -> bool) {
        (0..W * H).filter(|i| out(i % W, i / W)).for_each(|i| self.0.agree[i] = 0);
    }

    pub(super) fn edges(&self) -> Edges {
        Edges::from_planes(Arc::new(vec![self.0.clone()]), (W, H), FRAMES.into(), Bar::ALONE)
    }
}

/// Of a clear mark before a scene that moves.
pub(super) fn clear_figures() -> Figures {
    Figures {
        seeds: 800,
        fill: 0.4,
        strength: 12.0,
        across: 0.4,
        agree: 0.99,
        agree_changed: 0.99,
        changed: 1.0,
        activity: 6.0,
        quietest: 4.0,
        coherence: 0.05,
        own_coherence: 0.8,
        drift: 0.1,
        explained: 0.02,
        drift_around: 4.0,
        stillness: 0.01,
        plane: 0,
        presence: vec![1.0; FRAMES.into()],
    }
}
