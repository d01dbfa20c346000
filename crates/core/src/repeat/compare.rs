//! Whether two frames show the same.

use crate::frame::{Frame, Row};

/// Columns and rows of a thumbnail.
const SMALL: (u32, u32) = (32, 18);

/// Means of its cells, in 8-bit codes, differ by more than this in frames that are not the same: a true repeat moves none of them by
/// more than 1.5 at crf 28 (benches/repeats).
const APART: f32 = 3.0;

/// Samples a side of a block. By how many 8-bit codes its samples differ on average: true repeats reach 4.8, 6.9 and
/// 9.7 in their worst block at crf 18, 23 and 28 (95 %: 4.1, 5.9, 7.4; benches/repeats).
const BLOCK: usize = 8;

/// By how much frames that show the same may differ, in 8-bit codes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Noise {
    block: f32,
    difference: f32,
}

/// As the quantiser of most streams leaves them: samples of a block on average as said above, of all of the picture less than what grain
/// begins at (.44; 95 % of true repeats stay below .27 at crf 23).
pub(super) const USUAL: Noise = Noise { block: 8.0, difference: 0.4 };

/// Where it is so coarse that it takes grain, faint motion and slow fades away, nearly the same samples alone: what it leaves of these
/// differs by .053 on average and 2.05 in its worst block at least (benches/repeats, crf 28), and by more in most.
pub(super) const COARSE: Noise = Noise { block: 2.0, difference: 0.04 };

/// Samples a side of a tile in which motion and light are looked for.
const TILE: usize = 32;

/// What motion explains of a tile's difference, in squared 8-bit codes a sample, where it explains at least this share of it: true
/// repeats reach 5.8, 9.3 and 9.6 (95 % of them, worst of seven clips but one), moving ones begin at 20 (benches/repeats).
const MOTION: f32 = 9.0;
const EXPLAINED: f32 = 0.3;

/// Squared slope below which a sample tells nothing of motion.
const FLAT: f32 = 0.05;

/// What motion explains of the whole picture's difference, in squared 8-bit codes a sample: 95 % of true repeats stay below .1 at crf
/// 23 in six of seven clips, a face that hardly moves begins at .17, and at .11 at crf 28 (benches/repeats).
const MOTION_OF_ALL: f32 = 0.1;

/// By how many 8-bit codes the mean may change: of luma (true repeats: .06 in 95 % at crf 23, .1 at crf 28), of chroma, and of a tile.
const LIGHT: f32 = 0.08;
const COLOUR: f32 = 0.3;
const TILE_LIGHT: f32 = 1.6;

/// Means of the first plane over a grid of cells, in 8-bit codes: what tells most frames apart at once.
#[derive(Clone, Debug)]
pub(super) struct Thumbnail(Vec<f32>);

impl Thumbnail {
    pub(super) fn of(frame: &Frame) -> Self {
        let mut sums = vec![[0.0f32; 2]; (SMALL.0 * SMALL.1) as usize];
        let scale = code(frame);
        // Every second row is enough to tell most frames apart.
        for y in (0..frame.height).step_by(2) {
            let row = (u64::from(y) * u64::from(SMALL.1) / u64::from(frame.height.max(1))) as usize * SMALL.0 as usize;
            let mut add = |x: usize, v: f32| {
                let at = x * SMALL.0 as usize / frame.width.max(1) as usize;
                sums[row + at][0] += v;
                sums[row + at][1] += 1.0;
            };
            match frame.row(0, y) {
                Row::U8(row) => row.iter().enumerate().step_by(2).for_each(|(x, v)| add(x, f32::from(*v))),
                Row::U16(row) => row.iter().enumerate().step_by(2).for_each(|(x, v)| add(x, f32::from(*v))),
            }
        }
        Self(sums.into_iter().map(|[sum, count]| sum * scale / count.max(1.0)).collect())
    }

    /// Whether two frames may be the same.
    pub(super) fn may_be(&self, other: &Self) -> bool {
        self.0.iter().zip(&other.0).all(|(a, b)| (a - b).abs() <= APART)
    }
}

/// 8-bit codes a code of `frame`.
fn code(frame: &Frame) -> f32 {
    1.0 / (1u32 << (frame.format.depth - 8)) as f32
}

/// Whether `b` differs from `a` by no more than a codec's `noise`.
pub(super) fn is_like(a: &Frame, b: &Frame, noise: Noise) -> bool {
    a.is_comparable(b) && (0..a.format.planes()).all(|plane| is_plane_alike(a, b, plane, noise))
}

fn is_plane_alike(a: &Frame, b: &Frame, plane: usize, noise: Noise) -> bool {
    let (w, h) = a.format.plane_size(plane, a.width, a.height);
    // A subsampled plane has as many blocks as luma.
    let (sw, sh) = a.format.subsampling(plane);
    let side = (BLOCK >> sw.max(sh)).max(2);
    let (scale, width) = (code(a), w as usize);
    let mut strip = Strip::new(width);
    let (mut light, mut difference, mut explained, mut y) = (0.0f64, 0.0f64, 0.0f64, 0);
    while y < h {
        let rows = TILE.min((h - y) as usize);
        strip.read(a, b, plane, y, rows, scale);
        if strip.has_block(side, noise.block) {
            return false;
        }
        let Some(moved) = strip.motion(plane == 0) else { return false };
        explained += f64::from(moved);
        light += f64::from(strip.difference.iter().sum::<f32>());
        difference += f64::from(strip.difference.iter().map(|d| d.abs()).sum::<f32>());
        y += rows as u32;
    }
    let count = f64::from(w) * f64::from(h);
    let most = if plane == 0 { LIGHT } else { COLOUR };
    light.abs() <= f64::from(most) * count
        && difference <= f64::from(noise.difference) * count
        && explained <= f64::from(MOTION_OF_ALL) * count
}

/// Some rows of both frames: their mean and their difference, in 8-bit codes.
struct Strip {
    width: usize,
    mean: Vec<f32>,
    difference: Vec<f32>,
}

impl Strip {
    const fn new(width: usize) -> Self {
        Self { width, mean: Vec::new(), difference: Vec::new() }
    }

    fn read(&mut self, a: &Frame, b: &Frame, plane: usize, from: u32, rows: usize, scale: f32) {
        self.mean.clear();
        self.difference.clear();
        for y in from..from + rows as u32 {
            match (a.row(plane, y), b.row(plane, y)) {
                (Row::U8(a), Row::U8(b)) => self.add(a, b, scale),
                (Row::U16(a), Row::U16(b)) => self.add(a, b, scale),
                _ => {}
            }
        }
    }

    fn add<T: Copy + Into<f32>>(&mut self, a: &[T], b: &[T], scale: f32) {
        let pairs = || a.iter().zip(b).map(|(a, b)| ((*a).into() * scale, (*b).into() * scale));
        self.mean.extend(pairs().map(|(a, b)| 0.5 * (a + b)));
        self.difference.extend(pairs().map(|(a, b)| b - a));
    }

    /// Whether a block of `side` samples differs by more than `most` on average.
    fn has_block(&self, side: usize, most: f32) -> bool {
        let most = most * (side * side) as f32;
        let mut sums = vec![0.0f32; self.width.div_ceil(side)];
        for rows in self.difference.chunks(self.width * side) {
            sums.fill(0.0);
            for row in rows.chunks_exact(self.width) {
                for (sum, part) in sums.iter_mut().zip(row.chunks(side)) {
                    *sum += part.iter().map(|d| d.abs()).sum::<f32>();
                }
            }
            if sums.iter().any(|sum| *sum > most) {
                return true;
            }
        }
        false
    }

    /// What motion explains of the strip's difference, in squared codes; `None` where something moved in a tile or its light changed.
    /// Motion: the least squares of the difference on the slopes (Lucas and Kanade, IJCAI 1981, equation 9).
    fn motion(&self, looks_for_motion: bool) -> Option<f32> {
        let rows = self.mean.len() / self.width;
        let mut sum = 0.0;
        for n in 0..self.width.div_ceil(TILE) {
            let columns = n * TILE..((n + 1) * TILE).min(self.width);
            let count = (columns.len() * rows) as f32;
            let (mut xx, mut xy, mut yy) = (FLAT * count, 0.0f32, FLAT * count);
            let (mut xd, mut yd, mut dd, mut light) = (0.0f32, 0.0f32, 0.0f32, 0.0f32);
            for y in 0..rows {
                let at = |x: usize, y: usize| self.mean[y * self.width + x];
                for x in columns.clone() {
                    let d = self.difference[y * self.width + x];
                    light += d;
                    if !looks_for_motion {
                        continue;
                    }
                    dd += d * d;
                    if x == 0 || x + 1 == self.width || y == 0 || y + 1 == rows {
                        continue;
                    }
                    let gx = 0.5 * (at(x + 1, y) - at(x - 1, y));
                    let gy = 0.5 * (at(x, y + 1) - at(x, y - 1));
                    (xx, xy, yy) = (xx + gx * gx, xy + gx * gy, yy + gy * gy);
                    (xd, yd) = (xd + gx * d, yd + gy * d);
                }
            }
            // The level of a narrow rest at the border is noise.
            let is_lit = count >= 0.5 * (TILE * TILE) as f32 && light.abs() > TILE_LIGHT * count;
            let determinant = xx * yy - xy * xy;
            let (vx, vy) = (yy * xd - xy * yd, xx * yd - xy * xd);
            let explained = (vx * xd + vy * yd) / determinant.max(f32::MIN_POSITIVE);
            if is_lit || (explained > MOTION * count && explained > EXPLAINED * dd) {
                return None;
            }
            sum += explained;
        }
        Some(sum)
    }
}
