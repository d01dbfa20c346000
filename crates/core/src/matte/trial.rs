//! How well the clip's background is predicted where it is seen: patches beside the mark are predicted as if they lay under
//! one.

use super::membrane::Membrane;
use super::moments::Moments;
use super::stack::Stack;

/// Distances from the given rectangle at which patches lie, in samples of luma: known samples are left on both sides.
const RING: std::ops::RangeInclusive<u32> = 8..=17;
/// Side of a patch and of what is left between two, in samples of luma.
const PATCH: usize = 12;
/// Distances and side of the larger patches by which single frames are predicted.
const WIDE_RING: std::ops::RangeInclusive<u32> = 6..=21;
const WIDE_PATCH: usize = 16;
/// Fewer samples say nothing.
const LEAST: usize = 40;

/// Errors of predictions beside the mark.
#[derive(Clone, Copy, Debug)]
pub(super) struct Trial {
    /// Mean squared error of the mean over time, in code values of 8 bits.
    pub(super) mean: f32,
    /// Root mean square of the logarithm of the deviation against the predicted one.
    pub(super) deviation: f32,
}

/// Predicts patches of one plane; `distances` are those of luma samples (`width` columns) from the given rectangle. `None`
/// where there is no room.
pub(super) fn trial(stack: &Stack<'_>, moments: &Moments, (distances, width): (&[u32], usize)) -> Option<Trial> {
    let height = distances.len() / width;
    let open: Vec<bool> = (0..stack.len())
        .map(|k| {
            let (x, y) = ((k % stack.width) << stack.halved.0, (k / stack.width) << stack.halved.1);
            let near = distances[y.min(height - 1) * width + x.min(width - 1)];
            RING.contains(&near) && (x / PATCH + y / PATCH).is_multiple_of(2)
        })
        .collect();
    let count = open.iter().filter(|o| **o).count();
    if count < LEAST {
        return None;
    }
    let membrane = Membrane::new(&open, stack.width);
    let log: Vec<f32> = moments.var_j.iter().map(|v| (v.max(0.0).sqrt() + 1.0).ln()).collect();
    let square = |values: &[f32]| {
        let predicted = membrane.fill_one(values);
        let off = (0..values.len()).filter(|k| open[*k]).map(|k| (values[k] - predicted[k]).powi(2));
        off.sum::<f32>() / count as f32
    };
    Some(Trial { mean: square(&moments.mean_j), deviation: square(&log).sqrt() })
}

/// Root mean square error of single frames of luma where patches beside the mark are predicted as if they lay under one, in
/// code values of 8 bits; 0 where there is no room. What a fill misses at least: the mark is larger.
pub(super) fn prediction_error(stack: &Stack<'_>, (distances, width): (&[u32], usize)) -> f32 {
    let (mut sum, mut count) = (0.0f64, 0.0f64);
    for odd in [false, true] {
        let open: Vec<bool> = (0..stack.len())
            .map(|k| {
                let (x, y) = (k % width, k / width);
                WIDE_RING.contains(&distances[k]) && (x / WIDE_PATCH + y / WIDE_PATCH).is_multiple_of(2) == odd
            })
            .collect();
        let membrane = Membrane::new(&open, width);
        for first in stack.groups() {
            let (seen, frames) = stack.lanes(first);
            let mut predicted = seen.clone();
            membrane.fill(&mut predicted);
            for k in (0..stack.len()).filter(|k| open[*k]) {
                let pairs = seen[k].iter().zip(&predicted[k]).take(frames);
                sum += f64::from(pairs.map(|(a, b)| (a - b).powi(2)).sum::<f32>());
                count += frames as f64;
            }
        }
    }
    (sum / count.max(1.0)).sqrt() as f32
}
