//! Our own network that tells, cell by cell, where letters and graphics are laid over a frame (`train/text.py`; its card is
//! `networks/text.md`).
//!
//! Knows frames one by one. Refuses to know time, and what is done with the answer.

use cleanplate_core::caption::Seen;
use cleanplate_core::{Frame, PixelLayout, Raster};
use cleanplate_infer::{Net, Placement, Role, Tensor};

use crate::error::{Error, Result};
use crate::grid::{CELL, Grid, means, stored};
use crate::texts::TextDetector;

/// The network, as `train/text.py` writes it.
const NETWORK: &[u8] = include_bytes!("../networks/text.onnx");

/// The sides of its input are multiples of this.
const MULTIPLE: u32 = 16;

/// The network, open.
pub(crate) fn network(placement: &Placement) -> Result<Net> {
    let probed = vec![vec![1, 3, 4 * MULTIPLE as usize, 6 * MULTIPLE as usize]];
    Ok(Net::read("the built-in text network", NETWORK, placement, |_| Ok(probed))?.0)
}

/// Shows frames of one size to the network.
pub(crate) struct Segmenter {
    net: Net,
    grid: Grid,
    batch: usize,
    input: Tensor,
}

impl Segmenter {
    /// For frames on `grid`.
    pub(crate) fn open(placement: &Placement, grid: Grid) -> Result<Self> {
        let mut net = network(placement)?;
        let batch = net.batch(Role::Detect, placement);
        Ok(Self { net, grid, batch, input: Tensor::zeros(vec![0]) })
    }
}

impl TextDetector for Segmenter {
    fn net(&self) -> &Net {
        &self.net
    }

    fn batch(&self) -> usize {
        self.batch
    }

    fn see(&mut self, frames: &[Frame]) -> Result<Vec<Seen>> {
        let grid = self.grid;
        let (w, h) = grid.picture();
        let shown = grid.shown((w, h));
        let (columns, rows) = (shown.0.next_multiple_of(MULTIPLE), shown.1.next_multiple_of(MULTIPLE));
        let shape = vec![frames.len(), 3, rows as usize, columns as usize];
        if self.input.shape() != shape {
            self.input = Tensor::zeros(shape);
        }
        let area = (rows * columns) as usize;
        for (frame, part) in frames.iter().zip(self.input.data_mut().chunks_exact_mut(3 * area)) {
            for (values, target) in nominal(frame, grid.scale, (w, h)).iter().zip(part.chunks_exact_mut(area)) {
                for y in 0..rows {
                    for x in 0..columns {
                        let (x0, y0) = (x.min(shown.0 - 1), y.min(shown.1 - 1));
                        target[(y * columns + x) as usize] = values[stored(x0, y0, (w, h), grid.rotation)];
                    }
                }
            }
        }
        let output = self.net.run(&[&self.input])?;
        let (ow, oh) = (columns / CELL, rows / CELL);
        let fits = |said: &&Tensor| said.shape() == [frames.len(), 2, oh as usize, ow as usize];
        let said = output.first().filter(fits);
        let said = said.ok_or_else(|| Error::Internal("the text network gives another size".into()))?;
        Ok((0..frames.len()).map(|n| seen(said.part(n), (ow, oh), grid)).collect())
    }
}

/// What the network says of one frame, `(w, h)` cells of the displayed picture for strokes and for plates, on the stored one.
fn seen(said: &[f32], (w, h): (u32, u32), grid: Grid) -> Seen {
    let cells = grid.cells();
    let inner = grid.shown(cells);
    let mut maps = [Raster::new(cells.0, cells.1, 0u8), Raster::new(cells.0, cells.1, 0u8)];
    for (map, said) in maps.iter_mut().zip(said.chunks_exact((w * h) as usize)) {
        for y in 0..inner.1.min(h) {
            for x in 0..inner.0.min(w) {
                let k = stored(x, y, cells, grid.rotation);
                map.data_mut()[k] = (255.0 * said[(y * w + x) as usize]).round() as u8;
            }
        }
    }
    let [strokes, plates] = maps;
    Seen { strokes, plates }
}

/// Y, U and V of a frame, every `scale`th sample the mean of as many a side, from the nominal range to 0..1.
fn nominal(frame: &Frame, scale: u32, size: (u32, u32)) -> [Vec<f32>; 3] {
    let format = frame.format;
    let code = (1u32 << (format.depth - 8)) as f32;
    let full = frame.color.full_range == Some(true) || format.layout == PixelLayout::Gbr;
    let (lift, luma, chroma) = if full { (0.0, 255.0, 255.0) } else { (16.0, 219.0, 224.0) };
    let whole = |plane: usize| means(frame, plane, scale, size);
    if format.layout == PixelLayout::Gbr {
        // As BT.709 has it: the network does not mind which.
        let [g, b, r] = [0, 1, 2].map(whole);
        let value = |k: usize| [r[k], g[k], b[k]].map(|v| v / code / 255.0);
        let y = |[r, g, b]: [f32; 3]| 0.2126 * r + 0.7152 * g + 0.0722 * b;
        let all = || (0..r.len()).map(value);
        return [
            all().map(y).collect(),
            all().map(|v| 0.5 + (v[2] - y(v)) / 1.8556).collect(),
            all().map(|v| 0.5 + (v[0] - y(v)) / 1.5748).collect(),
        ];
    }
    let mut planes = [whole(0), Vec::new(), Vec::new()];
    planes[0].iter_mut().for_each(|v| *v = (*v / code - lift) / luma);
    for (plane, out) in planes.iter_mut().enumerate().skip(1) {
        *out = if format.is_chroma(plane) {
            let mut values = means(frame, plane, scale, size);
            values.iter_mut().for_each(|v| *v = (*v / code - lift) / chroma);
            values
        } else {
            vec![(128.0 - lift) / chroma; planes_len(size)]
        };
    }
    planes
}

const fn planes_len(size: (u32, u32)) -> usize {
    size.0 as usize * size.1 as usize
}
