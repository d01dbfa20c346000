//! What tells where letters are on single frames: the built-in network, or a user's.

use std::path::Path;

use cleanplate_core::caption::{Seen, strokes, texts};
use cleanplate_core::{Frame, Raster, rgb};
use cleanplate_infer::{DbNet, Net, Placement};

use crate::detect::upright;
use crate::error::Result;
use crate::grid::{CELL, Grid, luma, stored};
use crate::segmenter::Segmenter;

/// Looks at frames one by one, several at once. Refuses to know time.
pub(crate) trait TextDetector: Send {
    /// The network that it asks.
    fn net(&self) -> &Net;

    /// Frames that it takes at once at most. Never shows in what it says.
    fn batch(&self) -> usize;

    /// What it says of at most [`batch`](Self::batch) frames, in their order, on the cells of its grid.
    fn see(&mut self, frames: &[Frame]) -> Result<Vec<Seen>>;
}

/// The detector at `path`, or the one that the program brings, for frames on `grid`; with what is inferred about it, in words.
pub(crate) fn open(
    path: Option<&Path>,
    placement: &Placement,
    grid: Grid,
) -> Result<(Box<dyn TextDetector>, Option<String>)> {
    Ok(match path {
        None => (Box::new(Segmenter::open(placement, grid)?), None),
        Some(path) => {
            let net = DbNet::open(path, placement)?;
            let words = net.words();
            (Box::new(Boxes { net, grid }), Some(words))
        }
    })
}

/// A detector of boxes of text: the strokes in them are found in the frame. It tells nothing of plates.
struct Boxes {
    net: DbNet,
    grid: Grid,
}

impl Boxes {
    /// Columns and rows of the displayed picture that the network is shown: as large as it is, or scaled into a fixed input.
    fn inner(&self) -> (u32, u32) {
        let (w, h) = self.grid.shown(self.grid.picture());
        let side = self.net.side((w as usize, h as usize));
        let share = (side.0 as f32 / w as f32).min(side.1 as f32 / h as f32).min(1.0);
        let part = |n: u32| ((n as f32 * share).round() as u32).max(1);
        (part(w), part(h))
    }
}

impl TextDetector for Boxes {
    fn net(&self) -> &Net {
        self.net.net()
    }

    fn batch(&self) -> usize {
        self.net.batch()
    }

    fn see(&mut self, frames: &[Frame]) -> Result<Vec<Seen>> {
        let (grid, inner) = (self.grid, self.inner());
        let lying = grid.shown(inner);
        let pictures: Vec<Vec<f32>> =
            frames.iter().map(|frame| upright(&rgb::scaled(frame, lying.0, lying.1), lying, grid.rotation)).collect();
        let maps = self.net.cores(&pictures, (inner.0 as usize, inner.1 as usize))?;
        Ok(frames.iter().zip(maps).map(|(frame, map)| letters(frame, &map, inner, grid)).collect())
    }
}

/// The letters of a frame by the map of its displayed picture, which has `inner` columns and rows.
fn letters(frame: &Frame, map: &[f32], inner: (u32, u32), grid: Grid) -> Seen {
    let (w, h) = grid.picture();
    let shown = grid.shown((w, h));
    let mut cores = Raster::new(w, h, 0.0f32);
    for y in 0..shown.1 {
        let row = (y * inner.1 / shown.1 * inner.0) as usize;
        for x in 0..shown.0 {
            cores.data_mut()[stored(x, y, (w, h), grid.rotation)] = map[row + (x * inner.0 / shown.0) as usize];
        }
    }
    let said = strokes(&luma(frame, grid.scale, (w, h)), &texts(&cores));
    let cells = grid.cells();
    let mut strokes = Raster::new(cells.0, cells.1, 0u8);
    for y in 0..h {
        let out = strokes.row_mut(y / CELL);
        for (x, said) in said.row(y).iter().enumerate() {
            let cell = &mut out[x / CELL as usize];
            *cell = (*said).max(*cell);
        }
    }
    Seen { strokes, plates: Raster::new(cells.0, cells.1, 0u8) }
}
