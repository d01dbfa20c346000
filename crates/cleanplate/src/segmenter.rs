//! Our own network that tells, cell by cell, where letters and graphics are laid over a frame (`train/text.py`; its card is
//! `networks/text.md`).
//!
//! Knows one frame at a time. Refuses to know time, and what is done with the answer.

use cleanplate_core::caption::Seen;
use cleanplate_core::{Frame, PixelLayout, Raster, Row};
use cleanplate_infer::{Net, Placement, Tensor};

use crate::error::{Error, Result};
use crate::region::Rotation;

/// The network, as `train/text.py` writes it.
const NETWORK: &[u8] = include_bytes!("../networks/text.onnx");

/// The sides of its input are multiples of this.
const MULTIPLE: u32 = 16;

/// Samples of its input a side of a cell of its output.
const CELL: u32 = 2;

/// Rows (or columns, if fewer) of a picture that it is shown at most: larger ones are scaled down.
const LARGEST: u32 = 760;

/// Shows frames of one size to the network.
pub(crate) struct Segmenter {
    net: Net,
    /// Samples of a frame a side of one of the network's input.
    scale: u32,
    /// Columns and rows of the frames.
    size: (u32, u32),
    rotation: Rotation,
}

impl Segmenter {
    /// For stored frames of `size` that are displayed after `rotation`.
    pub(crate) fn open(placement: &Placement, size: (u32, u32), rotation: Rotation) -> Result<Self> {
        let probed = vec![vec![1, 3, 4 * MULTIPLE as usize, 6 * MULTIPLE as usize]];
        let (net, _) = Net::read("the built-in text network", NETWORK, placement, |_| Ok(probed))?;
        let scale = size.0.min(size.1).div_ceil(LARGEST).max(1);
        Ok(Self { net, scale, size, rotation })
    }

    pub(crate) const fn net(&self) -> &Net {
        &self.net
    }

    /// Samples of a frame a side of a cell.
    pub(crate) const fn cell(&self) -> u32 {
        CELL * self.scale
    }

    /// Columns and rows of cells; the last ones may reach beyond the frame.
    pub(crate) const fn cells(&self) -> (u32, u32) {
        (self.size.0.div_ceil(self.cell()), self.size.1.div_ceil(self.cell()))
    }

    /// Mean luma of every cell in 8-bit codes.
    pub(crate) fn luma(&self, frame: &Frame) -> Raster<u8> {
        let (w, h) = self.cells();
        let means = means(frame, 0, self.cell(), (w, h));
        let code = 1.0 / (1u32 << (frame.format.depth - 8)) as f32;
        let mut luma = Raster::new(w, h, 0u8);
        luma.data_mut().iter_mut().zip(&means).for_each(|(out, v)| *out = (v * code).round() as u8);
        luma
    }

    /// What the network says of a frame.
    pub(crate) fn see(&mut self, frame: &Frame) -> Result<Seen> {
        let (w, h) = (self.size.0.div_ceil(self.scale), self.size.1.div_ceil(self.scale));
        let turned = self.rotation.0 % 180 == 90;
        let shown = if turned { (h, w) } else { (w, h) };
        let (columns, rows) = (shown.0.next_multiple_of(MULTIPLE), shown.1.next_multiple_of(MULTIPLE));
        let mut input = Tensor::zeros(vec![1, 3, rows as usize, columns as usize]);
        let area = (rows * columns) as usize;
        for (plane, values) in nominal(frame, self.scale, (w, h)).iter().enumerate() {
            let target = &mut input.data_mut()[plane * area..][..area];
            for y in 0..rows {
                for x in 0..columns {
                    let (x0, y0) = (x.min(shown.0 - 1), y.min(shown.1 - 1));
                    target[(y * columns + x) as usize] = values[stored(x0, y0, (w, h), self.rotation)];
                }
            }
        }
        let output = self.net.run(&[&input])?;
        let (ow, oh) = (columns / CELL, rows / CELL);
        let said = output.first().filter(|said| said.shape() == [1, 2, oh as usize, ow as usize]);
        let said = said.ok_or_else(|| Error::Internal("the text network gives another size".into()))?;
        let (cells_w, cells_h) = self.cells();
        let inner = if turned { (cells_h, cells_w) } else { (cells_w, cells_h) };
        let mut maps = [Raster::new(cells_w, cells_h, 0u8), Raster::new(cells_w, cells_h, 0u8)];
        for (map, said) in maps.iter_mut().zip(said.data().chunks_exact((ow * oh) as usize)) {
            for y in 0..inner.1.min(oh) {
                for x in 0..inner.0.min(ow) {
                    let k = stored(x, y, (cells_w, cells_h), self.rotation);
                    map.data_mut()[k] = (255.0 * said[(y * ow + x) as usize]).round() as u8;
                }
            }
        }
        let [strokes, plates] = maps;
        Ok(Seen { strokes, plates })
    }
}

/// Where a sample of the displayed picture lies in the stored one of `w` x `h`, row by row.
pub(crate) const fn stored(x: u32, y: u32, (w, h): (u32, u32), rotation: Rotation) -> usize {
    let shown_w = if rotation.0 % 180 == 90 { h } else { w };
    let x = if rotation.1 { shown_w - 1 - x } else { x };
    let (column, row) = match rotation.0 % 360 {
        90 => (y, h - 1 - x),
        180 => (w - 1 - x, h - 1 - y),
        270 => (w - 1 - y, x),
        _ => (x, y),
    };
    (row * w + column) as usize
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

/// Means of a plane over squares of `side` luma samples, `size` of them; those beyond the frame repeat the last.
fn means(frame: &Frame, plane: usize, side: u32, (w, h): (u32, u32)) -> Vec<f32> {
    let (sw, sh) = frame.format.subsampling(plane);
    let (pw, ph) = frame.format.plane_size(plane, frame.width, frame.height);
    let part = |n: u32, by: u8, end: u32| {
        let start = ((n * side) >> by).min(end - 1);
        start..(((n + 1) * side) >> by).clamp(start + 1, end)
    };
    let columns: Vec<std::ops::Range<u32>> = (0..w).map(|x| part(x, sw, pw)).collect();
    let mut out = Vec::with_capacity(planes_len((w, h)));
    let mut sums = vec![0.0f32; w as usize];
    for y in 0..h {
        let rows = part(y, sh, ph);
        sums.fill(0.0);
        for row in rows.clone() {
            match frame.row(plane, row) {
                Row::U8(row) => add(&mut sums, &columns, |x| f32::from(row[x])),
                Row::U16(row) => add(&mut sums, &columns, |x| f32::from(row[x])),
            }
        }
        let count = rows.len() as f32;
        out.extend(sums.iter().zip(&columns).map(|(sum, own)| sum / (count * own.len() as f32)));
    }
    out
}

fn add(sums: &mut [f32], columns: &[std::ops::Range<u32>], at: impl Fn(usize) -> f32) {
    for (sum, own) in sums.iter_mut().zip(columns) {
        *sum += own.clone().map(|x| at(x as usize)).sum::<f32>();
    }
}
