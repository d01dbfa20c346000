//! How wrong a sample would be: borrowed from a source, and filled from around. Both are measured on what is seen and
//! continued into the hole, so that what is borrowed is at least as good as what the next tier would make up.
//!
//! Knows the surroundings of one hole; refuses to know how either is done.

use crate::hole::Crop;

use super::guide::{Guide, Level};
use super::sample::cubic;
use super::spread::Spread;
use super::trace::Region;

/// Mean squared difference, in squared 8-bit codes, that is believed of any source: coding noise of both frames at full size
/// (x264 at crf 20).
const FLOOR: f32 = 2.0;

/// Share of a fill's expected squared error that a source may have around the hole, and the squared error that a source has
/// inside and its surroundings do not tell of: what moves for itself. The smoother the surroundings, the more that weighs
/// against borrowing (`benches/borrow`: a room and a portrait against trees passing by).
const SHARE: f32 = 0.8;
const UNTOLD: f32 = 90.0;

/// More than this squared difference is not believed of any picture: reflections and rags of motion differ by more.
const MOST: f32 = 120.0;

/// A single difference counts no more than this, in squared codes.
const CLIP: f32 = 900.0;

/// Half the widths of the gaps, in samples of the guide, over which a fill is tried on what is seen.
const GAPS: [usize; 5] = [1, 2, 4, 8, 16];

/// The mean squared error of a source behind the mark, `TOLD[0] (error + 2) ^ TOLD[1]` by what differs around it; where two
/// directions of time show a sample, `AGREED[0] (difference + 2) ^ AGREED[1] (error + 2) ^ AGREED[2]` by what both differ by
/// there; and that of a fill by what is expected of it, `MADE_UP[0] (fill + 2) ^ MADE_UP[1]`. Gamma regression of 6.6 million
/// samples of 24 cases of `benches/borrow`. The first factor came out as 1.17: half as much again is thought of what nothing
/// confirms, for a wrong thing in a smooth place is seen.
const TOLD: [f32; 2] = [1.75, 1.22];
const AGREED: [f32; 3] = [0.3, 0.72, 0.54];
const MADE_UP: [f32; 2] = [0.6, 1.27];

/// Correlation of the errors of a source and of a fill, measured likewise: .3 to .4.
const ALIKE: f32 = 0.4;

/// Samples that together say how large an error is.
const CROWD: f32 = 16.0;

/// Buffers of the judgement.
#[derive(Clone, Debug, Default)]
pub(super) struct Judge {
    spread: Spread<1>,
    values: Vec<[f32; 1]>,
    weights: Vec<f32>,
}

/// What is expected of every cell of a region.
#[derive(Clone, Debug, Default)]
pub(super) struct Expected {
    /// The largest squared difference that is believed of a source, in squared 8-bit codes.
    pub(super) believed: Vec<f32>,
    /// By how much, squared, a line across a gap as wide as the hole misses what lies half-way.
    missed: Vec<f32>,
}

impl Expected {
    /// The share of a source in the mean with a fill that errs least: inverse variances for errors that are alike in part
    /// (Bates and Granger, The Combination of Forecasts, Oper. Res. Q. 1969). `error`: mean squared difference of the source
    /// around the hole; `difference`: that of two directions of time at cell `k`, where both show it.
    pub(super) fn share(&self, k: usize, error: f32, difference: Option<f32>) -> f32 {
        let error = error + 2.0;
        let borrowed = match difference {
            Some(difference) => AGREED[0] * (difference + 2.0).powf(AGREED[1]) * error.powf(AGREED[2]),
            None => TOLD[0] * error.powf(TOLD[1]),
        };
        let filled = MADE_UP[0] * (self.missed[k] + 2.0).powf(MADE_UP[1]);
        let both = ALIKE * (borrowed * filled).sqrt();
        ((filled - both) / (filled + borrowed - 2.0 * both)).clamp(0.0, 1.0)
    }
}

/// Where both the hole's frame and a source are compared: cell of the region, column and row of the crop's first plane.
pub(super) struct Probe {
    cell: usize,
    x: f32,
    y: f32,
    value: f32,
}

/// One sample of the first plane for every cell of the region that is covered in part, and for every other that is not at
/// all. Values in codes of the format.
pub(super) fn probes(crop: &Crop, guide: &Guide, region: Region) -> Vec<Probe> {
    let plane = &crop.patch.planes[0];
    let width = plane.width() as usize;
    let probe = |cell: usize| {
        let (x, y) = region.place(cell);
        // Another of the four from cell to cell: no pattern of the picture meets the same one everywhere.
        let turn = x / 2 + y;
        let four: [(usize, usize); 4] = std::array::from_fn(|n| (2 * x + (n + turn) % 2, 2 * y + (n + turn) / 2 % 2));
        let clear = |at: &&(usize, usize)| guide.covered[at.1 * width + at.0] == 0;
        if (x + y) % 2 == 1 && four.iter().all(|at| clear(&at)) {
            return None;
        }
        let (x, y) = *four.iter().find(clear)?;
        Some(Probe { cell, x: x as f32, y: y as f32, value: plane.at(x as u32, y as u32) })
    };
    (0..region.len()).filter_map(probe).collect()
}

impl Judge {
    /// What is expected at every cell of the region, `depth` (in cells) away from what is seen. A source is believed to be as
    /// wrong as a fill would be there. A fill that follows edges errs by about the geometric mean of what the best
    /// direction and all together err by across a gap as wide (`benches/borrow`).
    pub(super) fn expected(&mut self, level: &Level, region: Region, depth: &[f32]) -> Expected {
        let last = depth.iter().copied().fold(1.0, f32::max);
        let mut errors: Vec<Vec<f32>> = Vec::new();
        for gap in GAPS {
            self.across(level, region, gap);
            self.spread.fill(region.width, &mut self.values, &self.weights);
            // Across more, nothing is filled better; where a gap as wide is seen nowhere, that is all there is to say.
            let narrower = errors.last();
            let least = |k: usize| narrower.map_or(0.0, |all: &Vec<f32>| all[k]);
            let wider = self.values.iter().enumerate().map(|(k, v)| v[0].max(least(k))).collect();
            errors.push(wider);
            if gap as f32 >= last {
                break;
            }
        }
        let top = errors.len() - 1;
        let at = |(k, depth): (usize, &f32)| {
            let place = depth.max(1.0).log2().min(top as f32);
            let (low, part) = (place as usize, place.fract());
            let (a, b) = (errors[low][k], errors[(low + 1).min(top)][k]);
            let fill = a + part * (b - a);
            ((FLOOR + SHARE * fill * fill / (fill + UNTOLD)).min(MOST), fill)
        };
        let (believed, missed) = depth.iter().enumerate().map(at).unzip();
        Expected { believed, missed }
    }

    /// Squared errors of what lies half-way across gaps of `2 gap` cells, where both ends and the middle are seen.
    fn across(&mut self, level: &Level, region: Region, gap: usize) {
        self.values.clear();
        self.weights.clear();
        let (gap, step) = (gap as i64, if gap >= 4 { 2 } else { 1 });
        let slant = (gap as f32 * std::f32::consts::FRAC_1_SQRT_2).round() as i64;
        let ways = [(gap, 0), (0, gap), (slant, slant), (slant, -slant)];
        let (width, height) = (level.width as i64, level.height as i64);
        let seen = |x: i64, y: i64| {
            if x < 0 || y < 0 || x >= width || y >= height {
                return None;
            }
            let at = level.at(x as usize, y as usize);
            (level.firm[at] > 0.0).then(|| level.luma[at])
        };
        for k in 0..region.len() {
            let (x, y) = region.place(k);
            let (x, y) = (x as i64, y as i64);
            let (mut least, mut sum, mut count) = (CLIP, 0.0, 0.0f32);
            if x % step == 0
                && y % step == 0
                && let Some(value) = seen(x, y)
            {
                for (dx, dy) in ways {
                    if let (Some(a), Some(b)) = (seen(x - dx, y - dy), seen(x + dx, y + dy)) {
                        let error = value - 0.5 * (a + b);
                        least = least.min(error * error);
                        sum += (error * error).min(CLIP);
                        count += 1.0;
                    }
                }
            }
            self.values.push([(least * sum / count.max(1.0)).sqrt()]);
            self.weights.push(if count >= 2.0 { (step * step) as f32 / CROWD } else { 0.0 });
        }
    }

    /// The squared difference of a source from the hole's frame at every cell, `offset` (in codes of the format) taken out.
    /// `shown` tells where the source shows a cell at all; `code` is the size of an 8-bit code.
    pub(super) fn differences(
        &mut self,
        (crop, motion): (&Crop, &[[f32; 2]]),
        (probes, region): (&[Probe], Region),
        offset: f32,
        shown: impl Fn(usize) -> bool,
    ) -> Vec<f32> {
        let (plane, depth) = (&crop.patch.planes[0], crop.patch.format.depth);
        let scale = 1.0 / (1u32 << (depth - 8)) as f32;
        self.values.clear();
        self.values.resize(region.len(), [0.0]);
        self.weights.clear();
        self.weights.resize(region.len(), 0.0);
        for probe in probes.iter().filter(|probe| shown(probe.cell)) {
            let [dx, dy] = motion[probe.cell];
            let theirs = cubic(plane, probe.x + 2.0 * dx, probe.y + 2.0 * dy);
            let error = scale * (probe.value - theirs) - offset;
            self.values[probe.cell] = [(error * error).min(CLIP)];
            self.weights[probe.cell] = 1.0 / CROWD;
        }
        self.spread.fill(region.width, &mut self.values, &self.weights);
        self.values.iter().map(|v| v[0]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: (usize, usize) = (64, 48);

    fn believed(luma: impl Fn(usize, usize) -> f32) -> Vec<f32> {
        let (w, h) = SIZE;
        let hidden = |x: usize, y: usize| (28..36).contains(&x) && (20..28).contains(&y);
        let values: Vec<f32> = (0..w * h).map(|k| luma(k % w, k / w)).collect();
        let seen: Vec<bool> = (0..w * h).map(|k| !hidden(k % w, k / w)).collect();
        let depth: Vec<f32> = (0..w * h).map(|k| if k % w < 32 { 1.0 } else { 8.0 }).collect();
        let region = Region { x: 0, y: 0, width: w, height: h };
        Judge::default().expected(&Level::new(w, h, &values, &seen), region, &depth).believed
    }

    #[test]
    fn on_a_ramp_a_source_must_be_as_good_as_noise_and_on_texture_less_so_the_deeper() {
        // Every direction meets a ramp half-way.
        assert!(believed(|x, y| 20.0 + 2.0 * x as f32 + y as f32).iter().all(|b| (b - FLOOR).abs() < 1e-2));
        let waves = believed(|x, y| 100.0 + 40.0 * (0.23 * x as f32).sin() * (0.19 * y as f32).cos());
        let (near, deep) = (waves[24 * SIZE.0 + 31], waves[24 * SIZE.0 + 32]);
        assert!(near < deep && deep > 10.0 * FLOOR && deep <= MOST, "{near} {deep}");
    }
}
