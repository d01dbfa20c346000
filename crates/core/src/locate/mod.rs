//! Finds persistent marks: logos, bugs and lettering that stay where they are while the scene behind them moves.
//!
//! Works from the frames alone, without trained weights, in two steps that merge over chunks: a [`Survey`] of thumbnails
//! chooses frames that differ, [`Evidence`] keeps what is needed of those. It refuses to guess: where the scene is as still
//! as a mark would be, the verdict says so.

mod candidates;
mod evidence;
mod figures;
mod persistence;
mod picture;
mod region;
mod slope;
mod survey;

use serde::{Deserialize, Serialize};

pub use evidence::{Evidence, MOST_FRAMES};
pub use figures::Figures;
pub use survey::Survey;

use crate::geometry::Rect;

/// A mark, or what could be one.
#[derive(Clone, Debug)]
pub struct Detection {
    /// Around it, in luma samples.
    pub rect: Rect,
    /// What was measured.
    pub figures: Figures,
}

impl Evidence {
    /// Development: every candidate with figures.
    pub fn candidates(&self) -> Vec<Detection> {
        let Some(scale) = self.scale else { return Vec::new() };
        let Some(edges) = candidates::Edges::of(self) else { return Vec::new() };
        let (w, h) = scale.size(0);
        let f = scale.factor;
        let seeds = edges.seeds.count() as f32 / (w * h) as f32;
        let _ = seeds;
        edges
            .candidates()
            .iter()
            .filter(|c| c.bounds.area() < w * h * 15 / 100)
            .filter_map(|c| {
                let b = c.bounds;
                let rect = Rect::new(b.x0 as u32 * f, b.y0 as u32 * f, b.width() as u32 * f, b.height() as u32 * f);
                Some(Detection { rect, figures: figures::measure(self, &edges, c)? })
            })
            .collect()
    }
}
