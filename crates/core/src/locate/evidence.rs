//! What is kept of the frames that were read at full resolution: each at working scale, and sums of clipped slopes at full
//! size.
//!
//! Memory is bounded by the number of frames: 1.4 MB each at most, and 6 bytes per sample of the picture in all. It refuses
//! to judge; that is for [`conclude`](super::Evidence::conclude).

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::picture::{Scale, View, plane_as_u8, reduce};
use super::slope::{Room, slopes};
use crate::frame::{Frame, FrameIdx};

/// Frames kept at most; the sums cannot hold more than 290 without overflow.
pub const MOST_FRAMES: usize = 200;
/// Slopes count up to this, in 1/8 code value per sample: one strong edge of one frame must not outweigh many frames.
const CLIP: i16 = 14 * 8;
/// Rows that one task works on.
const BAND: usize = 64;

/// Clipped slopes of one native plane, summed over all frames, in 1/8 of a code value per sample.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Sums {
    pub(super) width: usize,
    pub(super) height: usize,
    /// How often columns and rows of the luma are halved in this plane.
    pub(super) halved: (u8, u8),
    pub(super) x: Vec<i16>,
    pub(super) y: Vec<i16>,
}

/// Evidence from frames of one clip. Chunks [`merge`](Evidence::merge); the result does not depend on how the frames were
/// divided or ordered.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "Stored")]
pub struct Evidence {
    pub(super) scale: Option<Scale>,
    /// Rising by index; planes at working scale.
    pub(super) frames: Vec<(FrameIdx, Vec<Vec<u8>>)>,
    pub(super) sums: Vec<Sums>,
}

impl Evidence {
    /// Evidence of nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// The frames seen, rising.
    pub fn frames(&self) -> impl Iterator<Item = FrameIdx> + '_ {
        self.frames.iter().map(|f| f.0)
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        let stack: usize = self.frames.iter().flat_map(|f| &f.1).map(Vec::len).sum();
        stack + self.sums.iter().map(|s| 4 * s.x.len()).sum::<usize>()
    }

    /// Takes in a frame. A frame seen before, of another size or layout than the first, or beyond [`MOST_FRAMES`], is left
    /// out: `false`.
    pub fn observe(&mut self, frame: &Frame) -> bool {
        if frame.width == 0 || frame.height == 0 || self.frames.len() >= MOST_FRAMES {
            return false;
        }
        let scale = Scale::of(frame);
        if *self.scale.get_or_insert(scale) != scale {
            return false;
        }
        let Err(at) = self.frames.binary_search_by_key(&frame.idx, |f| f.0) else { return false };
        let count = frame.format.planes() - usize::from(frame.format.alpha);
        let native: Vec<_> = (0..count)
            .map(|plane| {
                let mut data = Vec::new();
                let size = plane_as_u8(frame, plane, &mut data);
                (data, size)
            })
            .collect();
        if self.sums.is_empty() {
            self.sums = native
                .iter()
                .enumerate()
                .map(|(plane, (data, (width, height)))| Sums {
                    width: *width,
                    height: *height,
                    halved: frame.format.subsampling(plane),
                    x: vec![0; data.len()],
                    y: vec![0; data.len()],
                })
                .collect();
        }
        let alike = self.sums.len() == native.len()
            && self.sums.iter().zip(&native).all(|(s, (_, size))| (s.width, s.height) == *size);
        if !alike {
            return false;
        }
        for (sums, (data, (width, height))) in self.sums.iter_mut().zip(&native) {
            let view = View { data, width: *width, height: *height };
            sums.add(view);
        }
        self.frames.insert(at, (frame.idx, reduce(frame, &scale, &native)));
        true
    }

    /// Takes in the evidence of other frames of the same clip. Evidence of another size, or that holds a frame which is here
    /// already, or more than [`MOST_FRAMES`] together, is given back.
    pub fn merge(&mut self, other: Self) -> Result<(), Box<Self>> {
        if other.frames.is_empty() {
            return Ok(());
        }
        if self.frames.is_empty() {
            *self = other;
            return Ok(());
        }
        let sizes = |e: &Self| e.sums.iter().map(|s| (s.width, s.height)).collect::<Vec<_>>();
        let known = |idx: FrameIdx| self.frames.binary_search_by_key(&idx, |f| f.0).is_ok();
        if self.scale != other.scale
            || sizes(self) != sizes(&other)
            || self.frames.len() + other.frames.len() > MOST_FRAMES
            || other.frames().any(known)
        {
            return Err(Box::new(other));
        }
        self.frames.extend(other.frames);
        self.frames.sort_unstable_by_key(|f| f.0);
        for (mine, theirs) in self.sums.iter_mut().zip(other.sums) {
            mine.x.iter_mut().zip(theirs.x).for_each(|(a, b)| *a = a.saturating_add(b));
            mine.y.iter_mut().zip(theirs.y).for_each(|(a, b)| *a = a.saturating_add(b));
        }
        Ok(())
    }
}

impl Sums {
    fn add(&mut self, plane: View<'_>) {
        let w = self.width;
        self.x.par_chunks_mut(BAND * w).zip(self.y.par_chunks_mut(BAND * w)).enumerate().for_each(
            |(band, (sx, sy))| {
                let mut room = Room::default();
                let (mut gx, mut gy) = (vec![0i16; w], vec![0i16; w]);
                for (row, (sx, sy)) in sx.chunks_mut(w).zip(sy.chunks_mut(w)).enumerate() {
                    slopes(plane, band * BAND + row, (0, w), &mut room, &mut gx, &mut gy);
                    sx.iter_mut().zip(&gx).for_each(|(s, g)| *s += ((g + 2) >> 2).clamp(-CLIP, CLIP));
                    sy.iter_mut().zip(&gy).for_each(|(s, g)| *s += ((g + 2) >> 2).clamp(-CLIP, CLIP));
                }
            },
        );
    }
}

/// [`Evidence`] as it lies in a store, before its sizes are checked.
#[derive(Serialize, Deserialize)]
struct Stored {
    scale: Option<Scale>,
    frames: Vec<(FrameIdx, Vec<Vec<u8>>)>,
    sums: Vec<Sums>,
}

impl From<Evidence> for Stored {
    fn from(e: Evidence) -> Self {
        Self { scale: e.scale, frames: e.frames, sums: e.sums }
    }
}

impl TryFrom<Stored> for Evidence {
    type Error = String;

    fn try_from(s: Stored) -> Result<Self, String> {
        let rising = s.frames.windows(2).all(|p| p[0].0 < p[1].0);
        let sums = s.sums.iter().all(|p| {
            p.width.checked_mul(p.height) == Some(p.x.len())
                && p.x.len() == p.y.len()
                && p.halved.0 <= 2
                && p.halved.1 <= 2
        });
        let stack = match s.scale {
            None => s.frames.is_empty() && s.sums.is_empty(),
            Some(scale) => {
                scale.width > 0
                    && scale.height > 0
                    && scale.factor > 0
                    && s.frames.iter().all(|(_, planes)| {
                        planes.len() == scale.planes()
                            && planes.iter().enumerate().all(|(p, data)| {
                                let (w, h) = scale.size(p);
                                w.checked_mul(h) == Some(data.len())
                            })
                    })
            }
        };
        if rising && sums && stack && s.frames.len() <= MOST_FRAMES {
            Ok(Self { scale: s.scale, frames: s.frames, sums: s.sums })
        } else {
            Err(format!("evidence of {} frames does not fit its own sizes", s.frames.len()))
        }
    }
}
