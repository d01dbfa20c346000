//! Whether an un-blended picture looks like its surroundings: a ghost of the mark raises the gradients under it, a wrong
//! opacity shifts them.

use super::MattePlane;
use super::evidence::MARGIN;
use super::membrane::Membrane;
use super::morphology::{Area, dilated};
use super::solve::Around;
use super::stack::{LANES, Stack};

/// Groups of frames that are looked at.
const GROUPS: usize = 3;

/// Slopes in code values of 8 bits that count everywhere, so that what is smooth is not compared by its noise.
const SMOOTH: f32 = 0.3;
/// Samples nearer to the mask may still show the mark.
const CLEAR: u32 = 4;

/// Slopes of the mean picture `mean` after `matte` has been computed away, under and close to what it changes and in the
/// rest of the place, each as a multiple of the surroundings'. Over a moving scene the mean is smooth, so that what is left
/// of a mark stands out; where the scene stands still both are about 1.
pub(super) fn ghosts(
    mean: &[f32],
    matte: &MattePlane,
    changed: &Area,
    (around, width): (&Around<'_>, usize),
) -> (f32, f32) {
    let pairs = matte.add.data().iter().zip(matte.keep.data());
    let back: Vec<f32> = mean.iter().zip(pairs).map(|(v, (add, keep))| (v - add) / keep.max(0.1)).collect();
    let slope = |k: usize| match back.get(k + width) {
        Some(below) if !(k + 1).is_multiple_of(width) => (back[k + 1] - back[k]).hypot(below - back[k]),
        _ => 0.0,
    };
    let of = |area: &dyn Fn(usize) -> bool| {
        let (mut sum, mut count) = (0.0, 0.0f32);
        (0..back.len()).filter(|k| area(*k)).for_each(|k| (sum, count) = (sum + slope(k), count + 1.0));
        sum / count.max(1.0) + SMOOTH
    };
    let near = dilated(changed, width, 2);
    let beyond = of(&|k| (CLEAR..=MARGIN - 3).contains(&around.distances[k]));
    (of(&|k| near[k]) / beyond, of(&|k| !near[k] && around.allowed[k]) / beyond)
}

/// Mean absolute logarithm of the gradients' size in the un-blended samples of `changed`, against what the surroundings let
/// expect; 0.1 to 0.5 for right mattes. `matte` is in code values of 8 bits.
pub(super) fn strangeness(stack: &Stack<'_>, matte: &MattePlane, changed: &Area) -> f32 {
    let width = stack.width;
    let groups = stack.groups();
    let mut size = vec![0.0f32; stack.len()];
    let mut frames = 0;
    for first in groups.iter().step_by(groups.len().div_ceil(GROUPS).max(1)) {
        let (mut values, count) = stack.lanes(*first);
        for (k, value) in values.iter_mut().enumerate().filter(|(k, _)| changed[*k]) {
            let (keep, add) = (matte.keep.data()[k].max(0.05), matte.add.data()[k]);
            value.iter_mut().for_each(|v| *v = ((*v - add) / keep).clamp(0.0, 255.0));
        }
        for k in 0..stack.len() {
            let (right, below) =
                (k + usize::from((k + 1) % width > 0), if k + width < stack.len() { k + width } else { k });
            let slopes = values[k].iter().zip(&values[right]).zip(&values[below]).take(count.min(LANES));
            size[k] += slopes.map(|((here, right), below)| (right - here).hypot(below - here)).sum::<f32>();
        }
        frames += count;
    }
    let logs: Vec<f32> = size.iter().map(|s| (s / frames.max(1) as f32 + 0.5).ln()).collect();
    let expected = Membrane::new(&dilated(changed, width, 2), width).fill_one(&logs);
    let (mut away, mut all) = (0.0, 0.0f32);
    for k in (0..logs.len()).filter(|k| changed[*k]) {
        away += (logs[k] - expected[k]).abs();
        all += 1.0;
    }
    away / all.max(1.0)
}
