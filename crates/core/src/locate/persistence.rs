//! Where slopes stay the same over frames that differ.
//!
//! For every sample of a plane at working scale: the mean clipped slope, the share of frames whose slope agrees with it,
//! and how far the others stray. It knows nothing of shapes.

use rayon::prelude::*;

use super::picture::View;
use super::slope::{Room, UNIT, slopes};

/// Slopes count up to this in the mean (code values per sample x 32).
const CLIP: i16 = 14 * UNIT as i16;
/// A frame agrees where its slope projects on the mean slope by more than this share of it (in 1/64).
const AGREES: i32 = 22;
/// Size of a slope from which it is an edge: a third more than a luma seed needs on average.
const EDGE: i32 = 2 * UNIT;
/// Rows that one task works on: 48 frames of them stay in a second-level cache.
const BAND: usize = 16;

/// Persistence of one plane; all rasters are `width * height`, row by row.
#[derive(Clone)]
pub(super) struct Persistence {
    pub(super) width: usize,
    pub(super) height: usize,
    /// Mean clipped slope along x and y, 1/32 code value per sample.
    pub(super) mx: Vec<i16>,
    pub(super) my: Vec<i16>,
    /// Frames that agree with the mean.
    pub(super) agree: Vec<u8>,
    /// Frames with an edge there, of whatever direction: a slope of more than [`EDGE`].
    pub(super) edge: Vec<u8>,
}

impl Persistence {
    /// Over the same plane of all frames (at most 255).
    pub(super) fn of(planes: &[View<'_>], (width, height): (usize, usize)) -> Self {
        let n = width * height;
        let (mut mx, mut my) = (vec![0i16; n], vec![0i16; n]);
        let (mut agree, mut edge) = (vec![0u8; n], vec![0u8; n]);
        let chunk = BAND * width;
        mx.par_chunks_mut(chunk)
            .zip(my.par_chunks_mut(chunk))
            .zip(agree.par_chunks_mut(chunk).zip(edge.par_chunks_mut(chunk)))
            .enumerate()
            .for_each(|(band, ((mx, my), (agree, edge)))| {
                let len = mx.len();
                let mut all = vec![0i16; planes.len() * 2 * len];
                let (mut sx, mut sy) = (vec![0i32; len], vec![0i32; len]);
                let mut room = Room::default();
                for (plane, both) in planes.iter().zip(all.chunks_mut(2 * len)) {
                    let (gx, gy) = both.split_at_mut(len);
                    for (row, (gx, gy)) in gx.chunks_mut(width).zip(gy.chunks_mut(width)).enumerate() {
                        slopes(*plane, band * BAND + row, (0, width), &mut room, gx, gy);
                    }
                    sx.iter_mut().zip(&*gx).for_each(|(s, g)| *s += i32::from((*g).clamp(-CLIP, CLIP)));
                    sy.iter_mut().zip(&*gy).for_each(|(s, g)| *s += i32::from((*g).clamp(-CLIP, CLIP)));
                }
                let count = planes.len().max(1) as i32;
                for i in 0..len {
                    mx[i] = (sx[i] / count) as i16;
                    my[i] = (sy[i] / count) as i16;
                }
                let mut level = vec![0i32; len];
                for i in 0..len {
                    let (x, y) = (i32::from(mx[i]), i32::from(my[i]));
                    level[i] = (x * x + y * y) * AGREES / 64;
                }
                for both in all.chunks(2 * len) {
                    let (gx, gy) = both.split_at(len);
                    for i in 0..len {
                        let (x, y) = (i32::from(mx[i]), i32::from(my[i]));
                        let (a, b) = (i32::from(gx[i]), i32::from(gy[i]));
                        agree[i] += u8::from(a * x + b * y > level[i]);
                        edge[i] += u8::from(a * a + b * b > EDGE * EDGE);
                    }
                }
            });
        Self { width, height, mx, my, agree, edge }
    }

    /// Size of the mean slope at sample `i`, in code values per sample.
    pub(super) fn strength(&self, i: usize) -> f32 {
        f32::from(self.mx[i]).hypot(f32::from(self.my[i])) / UNIT as f32
    }
}
