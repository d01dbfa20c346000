//! The first look at a clip: a thumbnail of every frame, and from them the frames worth reading at full resolution.
//!
//! A mark that stays is told from a scene by frames that differ, so the choice takes the most different ones and spreads
//! them over shots and time. It refuses to know what a mark is.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::format::PixelLayout;
use crate::frame::{Frame, FrameIdx, Row};

/// Luma cells of a thumbnail, columns and rows.
const CELLS: (u32, u32) = (32, 18);
/// Samples a side that are averaged in a cell at most.
const SAMPLES: u32 = 4;
/// Thumbnails kept at most: 3.5 MB. Beyond, every second one is dropped, by frame index.
const MOST_KEPT: usize = 4096;

/// Thumbnails of the frames seen so far. Surveys of chunks [`merge`](Survey::merge) into the survey of the whole.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Survey {
    stride: u64,
    thumbnails: BTreeMap<FrameIdx, Vec<u8>>,
}

impl Default for Survey {
    fn default() -> Self {
        Self { stride: 1, thumbnails: BTreeMap::new() }
    }
}

impl Survey {
    /// A survey of nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Frames whose thumbnails are kept.
    pub fn len(&self) -> usize {
        self.thumbnails.len()
    }

    /// Whether no frame was seen.
    pub fn is_empty(&self) -> bool {
        self.thumbnails.is_empty()
    }

    /// Looks at one frame; about 10,000 samples are read whatever its size. Any order, any subset of the frames.
    pub fn observe(&mut self, frame: &Frame) {
        if frame.width > 0 && frame.height > 0 && frame.idx.is_multiple_of(self.stride) {
            self.thumbnails.insert(frame.idx, thumbnail(frame));
            self.thin();
        }
    }

    /// Takes in what another survey of the same clip saw.
    pub fn merge(&mut self, other: Self) {
        self.stride = self.stride.max(other.stride);
        self.thumbnails.extend(other.thumbnails);
        let stride = self.stride;
        self.thumbnails.retain(|idx, _| idx.is_multiple_of(stride));
        self.thin();
    }

    /// Halves what is kept until it fits. The stride depends on the set of frames alone, not on the order they came in.
    fn thin(&mut self) {
        while self.thumbnails.len() > MOST_KEPT {
            self.stride *= 2;
            let stride = self.stride;
            self.thumbnails.retain(|idx, _| idx.is_multiple_of(stride));
        }
    }

    /// At most `max` frames worth reading at full resolution, rising: by turns the one most different from all that are
    /// chosen (farthest-point sampling, Gonzalez 1985), where distance in time counts a little, so that a still clip is
    /// sampled evenly. All frames where there are no more than `max`.
    pub fn choose(&self, max: usize) -> Vec<FrameIdx> {
        let frames: Vec<(FrameIdx, &[u8])> = self.thumbnails.iter().map(|(idx, t)| (*idx, t.as_slice())).collect();
        if frames.len() <= max || max == 0 {
            return frames.iter().map(|f| f.0).take(max).collect();
        }
        let span = (frames[frames.len() - 1].0 - frames[0].0).max(1);
        // Across the whole clip time weighs as much as a mean difference of 8 code values: more than the codec's noise, less
        // than a moved camera.
        let distance = |a: usize, b: usize| -> u64 {
            let pixels: u64 = frames[a].1.iter().zip(frames[b].1).map(|(p, q)| u64::from(p.abs_diff(*q))).sum();
            pixels * 256 / frames[a].1.len().max(1) as u64 + frames[a].0.abs_diff(frames[b].0) * 8 * 256 / span
        };
        let mut chosen = vec![0usize];
        let mut nearest: Vec<u64> = (0..frames.len()).map(|i| distance(i, 0)).collect();
        while chosen.len() < max {
            let mut far = 0;
            for i in 1..nearest.len() {
                if nearest[i] > nearest[far] {
                    far = i;
                }
            }
            chosen.push(far);
            for (i, d) in nearest.iter_mut().enumerate() {
                *d = (*d).min(distance(i, far));
            }
            nearest[far] = 0;
        }
        chosen.sort_unstable();
        chosen.dedup();
        chosen.into_iter().map(|i| frames[i].0).collect()
    }
}

/// Mean 8-bit luma of 32x18 cells, then both chroma planes in 16x9.
fn thumbnail(frame: &Frame) -> Vec<u8> {
    let colour = if frame.format.layout == PixelLayout::Gray { 1 } else { 3 };
    let mut cells = Vec::with_capacity(864);
    let shift = frame.format.depth.saturating_sub(8);
    for plane in 0..colour {
        let (w, h) = frame.format.plane_size(plane, frame.width, frame.height);
        let (cw, ch) = if plane == 0 { CELLS } else { (CELLS.0 / 2, CELLS.1 / 2) };
        for cy in 0..ch {
            let mut sums = [0u32; CELLS.0 as usize];
            for sy in 0..SAMPLES {
                let y = u64::from(cy * SAMPLES + sy) * u64::from(h) / u64::from(ch * SAMPLES);
                let row = frame.row(plane, y as u32);
                for i in 0..cw * SAMPLES {
                    let x = (u64::from(i) * u64::from(w) / u64::from(cw * SAMPLES)) as usize;
                    sums[(i / SAMPLES) as usize] += match row {
                        Row::U8(row) => u32::from(row[x]),
                        Row::U16(row) => u32::from(row[x] >> shift).min(255),
                    };
                }
            }
            cells.extend(sums[..cw as usize].iter().map(|s| (s / (SAMPLES * SAMPLES)) as u8));
        }
    }
    cells
}
