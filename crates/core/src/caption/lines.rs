//! Lines of letters on one frame.

use crate::matte::morphology::parts;
use crate::raster::Raster;

/// A cell belongs to letters from here on where it is connected with one that surely does. A plate is there from `SURE` on.
const LIKELY: u8 = 77;
const SURE: u8 = 128;

/// Letters have so many cells at least, and stand on so many rows.
const LEAST_CELLS: usize = 14;
const LEAST_ROWS: usize = 3;

/// A plate is not larger than this many times its letters.
const PLATE: usize = 6;

/// Share of a frame's rows up to which a gap between letters is one of a line.
const GAP: f32 = 0.03;

/// Letters that stand in a line.
#[derive(Clone, Debug)]
pub(super) struct Line {
    /// Cells of the letters with what the segmenter says of each, by rising position.
    pub(super) cells: Vec<(u32, u8)>,
    /// Cells of the plate behind them.
    pub(super) plate: Vec<u32>,
}

/// The lines of a frame.
pub(super) fn lines(strokes: &Raster<u8>, plates: &Raster<u8>) -> Vec<Line> {
    let (width, height) = (strokes.width() as usize, strokes.height() as usize);
    let likely: Vec<bool> = strokes.data().iter().map(|p| *p >= LIKELY).collect();
    let mut letters = vec![false; likely.len()];
    for part in parts(&likely, width) {
        if part.iter().any(|k| strokes.data()[*k] >= SURE) {
            part.into_iter().for_each(|k| letters[k] = true);
        }
    }
    let gap = ((GAP * height as f32) as usize).max(3);
    let mut smeared = letters.clone();
    for (row, out) in letters.chunks_exact(width).zip(smeared.chunks_exact_mut(width)) {
        let mut last: Option<usize> = None;
        for x in (0..width).filter(|x| row[*x]) {
            if let Some(before) = last.filter(|before| x - before <= gap) {
                out[before..x].fill(true);
            }
            last = Some(x);
        }
    }
    let sure: Vec<bool> = plates.data().iter().map(|p| *p >= SURE).collect();
    let panels = parts(&sure, width);
    let mut found = Vec::new();
    for part in parts(&smeared, width) {
        let mut cells: Vec<(u32, u8)> =
            part.iter().filter(|k| letters[**k]).map(|k| (*k as u32, strokes.data()[*k])).collect();
        cells.sort_unstable();
        let rows = part.iter().map(|k| k / width);
        let (top, bottom) = (rows.clone().min().unwrap_or(0), rows.max().unwrap_or(0));
        if cells.len() < LEAST_CELLS || bottom + 1 - top < LEAST_ROWS {
            continue;
        }
        let is_behind = |panel: &&Vec<usize>| {
            let inside = panel.iter().filter(|k| cells.binary_search_by_key(&(**k as u32), |c| c.0).is_ok()).count();
            2 * inside > cells.len() && panel.len() <= PLATE * cells.len()
        };
        let plate = panels.iter().find(is_behind);
        let plate = plate.map(|panel| panel.iter().map(|k| *k as u32).collect()).unwrap_or_default();
        found.push(Line { cells, plate });
    }
    found
}
