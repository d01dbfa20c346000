//! Where gradients persist over the clip: the support of a mark, and scenery that stands still.
//!
//! The median of the gradient over time is the mark's own where the picture moves behind it (Dekel et al., "On the
//! Effectiveness of Visible Watermarks", CVPR 2017, section 3.1); integrated it gives the mark's inside too.

use std::f32::consts::PI;

use rayon::prelude::*;

use super::morphology::{Area, Halved, closed, dilated, parts, quantile};
use super::stack::Stack;

/// Medians of less than this are the rounding of samples.
const ROUNDING: f32 = 0.75;

/// Parts of fewer samples are chance.
const LEAST_PART: usize = 12;

/// Samples of luma where gradients of any plane persist, grown by what the codec and the chroma planes smear.
pub(super) fn support(stacks: &[Stack<'_>]) -> Area {
    let (width, height) = (stacks[0].width, stacks[0].height);
    let mut out = vec![false; width * height];
    for stack in stacks {
        let full = stack.halved == (0, 0);
        let area = dilated(&persistent(stack), stack.width, if full { 2 } else { 1 });
        for (k, out) in out.iter_mut().enumerate() {
            *out |= area[((k / width) >> stack.halved.1) * stack.width + ((k % width) >> stack.halved.0)];
        }
    }
    out
}

/// Samples of one plane at which gradients persist or that they enclose.
fn persistent(stack: &Stack<'_>) -> Area {
    let (mut across, mut down) = (stack.median_slope(false), stack.median_slope(true));
    let size: Vec<f32> = across.iter().zip(&down).map(|(x, y)| x.hypot(*y)).collect();
    for (k, size) in size.iter().enumerate() {
        let share = (1.0 - ROUNDING / size.max(1e-6)).max(0.0);
        across[k] *= share;
        down[k] *= share;
    }
    let level = integrated(&across, &down, stack.width, stack.height);
    let top_level = quantile(level.iter().map(|v| v.abs()), 0.995);
    let top_size = quantile(size.iter().copied(), 0.995);
    let (least, steep) = (f32::max(2.5, 0.12 * top_level), f32::max(3.0, 0.25 * top_size));
    let mut area: Area = level.iter().zip(&size).map(|(v, s)| v.abs() > least || *s > steep).collect();
    area = closed(&area, stack.width);
    for part in parts(&area, stack.width).iter().filter(|part| part.len() < LEAST_PART) {
        part.iter().for_each(|k| area[*k] = false);
    }
    area
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
