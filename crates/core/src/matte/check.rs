//! Whether an un-blended picture looks like its surroundings: a ghost of the mark raises the gradients under it, a wrong
//! opacity shifts them.

use super::MattePlane;
use super::membrane::Membrane;
use super::morphology::{Area, dilated};
use super::stack::{LANES, Stack};

/// Groups of frames that are looked at.
const GROUPS: usize = 3;

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
