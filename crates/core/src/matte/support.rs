//! Where a mark shows: gradients that persist over the clip, and edges behind which everything moves less.
//!
//! The usual gradient over time is the mark's own where the picture moves behind it (Dekel et al., "On the Effectiveness of
//! Visible Watermarks", CVPR 2017, section 3.1); integrated it gives the mark's inside too. A mark of the background's own
//! mean has no such gradient, but it lets less through, which the logarithm of the deviation over time shows as plainly.

use std::f32::consts::PI;

use rayon::prelude::*;

use super::morphology::{Area, Halved, closed, dilated, parts, quantile};
use super::stack::Stack;

/// Parts of fewer samples are chance.
const LEAST_PART: usize = 12;

/// Persistent gradients from here on, in code values of 8 bits, are scenery if they surround the mark.
const SCENERY: f32 = 3.0;
/// What a mark must add at least, in code values of 8 bits.
const ADDED: Floor = Floor { level: 1.2, slope: 1.0 };
/// What a mark must hide at least, in logarithms of the deviation.
const HIDDEN: Floor = Floor { level: 0.06, slope: 0.05 };

#[derive(Clone, Copy)]
struct Floor {
    level: f32,
    slope: f32,
}

/// Samples of luma at which something persists.
pub(super) struct Support {
    /// The mark's, grown by what the codec and the chroma planes smear.
    pub(super) mark: Area,
    /// As plain as scenery is.
    pub(super) scenery: Area,
}

/// Sides of the crops that are the frame's own border, which a mark may touch.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Borders {
    pub(super) left: bool,
    pub(super) right: bool,
    pub(super) top: bool,
    pub(super) bottom: bool,
}

/// The support in all planes; `around` are the samples of luma that lie clearly outside of the mark.
pub(super) fn support(stacks: &[Stack<'_>], around: &Area, borders: Borders) -> Support {
    let (width, height) = (stacks[0].width, stacks[0].height);
    let mut out = Support { mark: vec![false; width * height], scenery: vec![false; width * height] };
    for stack in stacks {
        let radius = if stack.halved == (0, 0) { 2 } else { 1 };
        let outside: Area = (0..stack.len())
            .map(|k| {
                let (x, y) = ((k % stack.width) << stack.halved.0, (k / stack.width) << stack.halved.1);
                around[y.min(height - 1) * width + x.min(width - 1)]
            })
            .collect();
        let slopes =
            Slopes { across: stack.usual_slope(false), down: stack.usual_slope(true), width: stack.width, borders };
        let noise = quantile(slopes.sizes().zip(&outside).filter(|(_, o)| **o).map(|(s, _)| s), 0.9);
        let plain: Area = slopes.sizes().map(|s| s > SCENERY).collect();
        for (to, area) in [(&mut out.mark, slopes.area(noise, ADDED, &outside)), (&mut out.scenery, plain)] {
            let area = dilated(&area, stack.width, radius);
            for (k, to) in to.iter_mut().enumerate() {
                *to |= area[((k / width) >> stack.halved.1) * stack.width + ((k % width) >> stack.halved.0)];
            }
        }
    }
    let deviation: Vec<f32> = stacks[0].deviations().iter().map(|d| (d + 1.0).ln()).collect();
    let slopes = Slopes::of(&deviation, width, borders);
    let noise = quantile(slopes.sizes().zip(around).filter(|(_, o)| **o).map(|(s, _)| s), 0.9);
    let hidden = dilated(&slopes.area(noise, HIDDEN, around), width, 2);
    out.mark.iter_mut().zip(&hidden).for_each(|(m, h)| *m |= h);
    out
}

/// Differences to the samples beside and below.
struct Slopes {
    across: Vec<f32>,
    down: Vec<f32>,
    width: usize,
    borders: Borders,
}

impl Slopes {
    fn of(values: &[f32], width: usize, borders: Borders) -> Self {
        let across = (0..values.len()).map(|k| if (k + 1) % width > 0 { values[k + 1] - values[k] } else { 0.0 });
        let down = (0..values.len()).map(|k| values.get(k + width).map_or(0.0, |v| v - values[k]));
        Self { across: across.collect(), down: down.collect(), width, borders }
    }

    fn sizes(&self) -> impl Iterator<Item = f32> + '_ {
        self.across.iter().zip(&self.down).map(|(x, y)| x.hypot(*y))
    }

    /// Where slopes above `noise` are, and what they enclose. What is found in `outside` says how far chance goes.
    fn area(&self, noise: f32, floor: Floor, outside: &[bool]) -> Area {
        let size: Vec<f32> = self.sizes().collect();
        let shrunk = |slopes: &[f32]| -> Vec<f32> {
            slopes.iter().zip(&size).map(|(v, s)| v * (1.0 - noise / s.max(1e-6)).max(0.0)).collect()
        };
        let level = levels(shrunk(&self.across), shrunk(&self.down), self.width, self.borders);
        let top_level = quantile(level.iter().map(|v| v.abs()), 0.995);
        let top_slope = quantile(size.iter().copied(), 0.995);
        let chance = quantile(level.iter().zip(outside).filter(|(_, o)| **o).map(|(v, _)| v.abs()), 0.98);
        let least = floor.level.max(1.5 * chance).max(0.08 * top_level);
        let steep = floor.slope.max(3.0 * noise).max(0.2 * top_slope);
        let mut area: Area = level.iter().zip(&size).map(|(v, s)| v.abs() > least || *s > steep).collect();
        area = closed(&area, self.width);
        for part in parts(&area, self.width).iter().filter(|part| part.len() < LEAST_PART) {
            part.iter().for_each(|k| area[*k] = false);
        }
        area
    }
}

/// As [`integrated`], but nothing is known of what lies beyond the frame: there the picture is mirrored.
fn levels(across: Vec<f32>, down: Vec<f32>, width: usize, borders: Borders) -> Vec<f32> {
    let height = across.len() / width;
    let (wide, tall) = (borders.left || borders.right, borders.top || borders.bottom);
    if !wide && !tall {
        return integrated(&across, &down, width, height);
    }
    let (w, h) = (if wide { 2 * width } else { width }, if tall { 2 * height } else { height });
    // Where the original begins: after its mirror image at the near side, or before it at the far one.
    let (x0, y0) = (if borders.left { width } else { 0 }, if borders.top { height } else { 0 });
    // The place that stands for `v`, whether its image is mirrored, and whether the next place shows the same sample.
    let fold = |v: usize, from: usize, len: usize| {
        if (from..from + len).contains(&v) {
            (v - from, false, v + 1 == from + len && from == 0)
        } else if v < from {
            (from - 1 - v, true, v + 1 == from)
        } else {
            (2 * len - 1 - v, true, false)
        }
    };
    let (mut a, mut d) = (vec![0.0; w * h], vec![0.0; w * h]);
    for y in 0..h {
        let (sy, turned_y, seam_y) = fold(y, y0, height);
        for x in 0..w {
            let (sx, turned_x, seam_x) = fold(x, x0, width);
            a[y * w + x] = match (turned_x, seam_x, sx) {
                (_, true, _) | (true, _, 0) => 0.0,
                (true, _, _) => -across[sy * width + sx - 1],
                (false, _, _) => across[sy * width + sx],
            };
            d[y * w + x] = match (turned_y, seam_y, sy) {
                (_, true, _) | (true, _, 0) => 0.0,
                (true, _, _) => -down[(sy - 1) * width + sx],
                (false, _, _) => down[sy * width + sx],
            };
        }
    }
    let all = integrated(&a, &d, w, h);
    (0..width * height).map(|k| all[(y0 + k / width) * w + x0 + k % width]).collect()
}

/// The picture whose differences come closest to the given ones, 0 beyond the border: Poisson's equation, by a sine
/// transform along the shorter side and elimination along the longer.
fn integrated(across: &[f32], down: &[f32], width: usize, height: usize) -> Vec<f32> {
    let mut rhs: Vec<f32> = across.iter().zip(down).map(|(x, y)| x + y).collect();
    for k in 0..rhs.len() {
        if k % width > 0 {
            rhs[k] -= across[k - 1];
        }
        if k >= width {
            rhs[k] -= down[k - width];
        }
    }
    if width < height {
        return transposed(&solved(&transposed(&rhs, width), height, width), height);
    }
    solved(&rhs, width, height)
}

fn transposed(values: &[f32], width: usize) -> Vec<f32> {
    let height = values.len() / width;
    (0..values.len()).map(|k| values[(k % height) * width + k / height]).collect()
}

/// Poisson's equation with zero borders; the sine transform runs along the columns (`height` long).
fn solved(rhs: &[f32], width: usize, height: usize) -> Vec<f32> {
    let period = 2 * (height + 1);
    let sine: Vec<f32> = (0..period).map(|k| (2.0 * PI * k as f32 / period as f32).sin()).collect();
    let transform = |from: &[f32], scale: f32| -> Vec<f32> {
        let mut out = vec![0.0; from.len()];
        out.par_chunks_mut(width).enumerate().for_each(|(mode, row)| {
            for y in 0..height {
                let weight = scale * sine[((mode + 1) * (y + 1)) % period];
                row.iter_mut().zip(&from[y * width..][..width]).for_each(|(o, v)| *o += weight * v);
            }
        });
        out
    };
    let mut modes = transform(rhs, 1.0);
    modes.par_chunks_mut(width).enumerate().for_each(|(mode, row)| {
        // Thomas's algorithm for (1, diagonal, 1).
        let diagonal = 2.0 * (PI * (mode + 1) as f32 / (height + 1) as f32).cos() - 4.0;
        let mut ratio = vec![0.0; width];
        let mut before = (0.0, 0.0);
        for (value, ratio) in row.iter_mut().zip(&mut ratio) {
            let pivot = 1.0 / (diagonal - before.0);
            before = (pivot, (*value - before.1) * pivot);
            (*ratio, *value) = before;
        }
        for x in (0..width.saturating_sub(1)).rev() {
            row[x] -= ratio[x] * row[x + 1];
        }
    });
    transform(&modes, 2.0 / (height + 1) as f32)
}

/// How the samples of a stack lie on those of the luma.
pub(super) fn halved(stack: &Stack<'_>) -> Halved {
    Halved { width: stack.width, height: stack.height, by: stack.halved }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_may_touch_the_border_of_the_frame() {
        let (w, h) = (40, 30);
        for (borders, x0, y0) in [
            (Borders { left: true, top: true, ..Borders::default() }, 0, 0),
            (Borders { right: true, ..Borders::default() }, 28, 10),
            (Borders { bottom: true, ..Borders::default() }, 15, 20),
        ] {
            let inside = |x: usize, y: usize| (x0..x0 + 12).contains(&x) && (y0..y0 + 10).contains(&y);
            let values: Vec<f32> = (0..w * h).map(|k| if inside(k % w, k / w) { 25.0 } else { 0.0 }).collect();
            let slopes = Slopes::of(&values, w, borders);
            let out = levels(slopes.across, slopes.down, w, borders);
            let off = values.iter().zip(&out).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(off < 0.05, "{borders:?}: {off}");
        }
    }

    #[test]
    fn differences_are_integrated_to_the_picture_that_they_are_of() {
        for (w, h) in [(50, 31), (23, 40)] {
            let inside = |x: usize, y: usize| (8..18).contains(&x) && (9..25).contains(&y);
            let value = |x: usize, y: usize| if inside(x, y) { 30.0 + x as f32 } else { 0.0 };
            let at = |x: usize, y: usize| if x < w && y < h { value(x, y) } else { 0.0 };
            let across: Vec<f32> = (0..w * h).map(|k| at(k % w + 1, k / w) - at(k % w, k / w)).collect();
            let down: Vec<f32> = (0..w * h).map(|k| at(k % w, k / w + 1) - at(k % w, k / w)).collect();
            let out = integrated(&across, &down, w, h);
            let off = (0..w * h).map(|k| (out[k] - value(k % w, k / w)).abs()).fold(0.0, f32::max);
            assert!(off < 0.05, "{w}x{h}: {off}");
        }
    }
}
