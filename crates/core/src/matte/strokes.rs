//! Strokes of a mark that are too thin for a border.
//!
//! A cut pays for its border, so that it leaves out strokes of one to three samples that hardly differ from what lies behind
//! them. Once the mark's colour is known they are told where the scene moves: what they add is the same share of that colour
//! on all frames, and they let as much through as the rest of the mark. Knows one plane; refuses to judge where nothing moves.

use super::membrane::Membrane;
use super::morphology::{Area, dilated, parts};
use super::stack::{LANES, Stack};

/// A stroke has at least this share of the mark's opacity and so many samples. On dashcam_trees/grey50 of `benches/unblend` the missed
/// parts of M and E have 66, 5 and 5 samples.
const LEAST_SHARE: f32 = 0.5;
const LEAST_SAMPLES: usize = 4;
/// Of the squared differences to what is predicted behind it the colour leaves at most this share: .29 to .45 on the same strokes.
const MOST_LEFT: f32 = 0.6;
/// Standard deviation over time from which on it is told what is let through, in code values of 8 bits, and by how much that may
/// differ from what the mark lets through, as a share of what it hides. On the same strokes 32 to 42 and .06 to .20. Of scenery that was
/// taken for strokes (motorway_static/white70, highway_dash/white20) the deviations were 1 to 15.1; what it seemed to let through
/// was off by .3 or more on six of seven parts, and by .06 on one that varied by 13.0.
const MOVES: f32 = 18.0;
const AGREES: f32 = 0.25;
/// Squared code values that keep an opacity from being told where the background has the mark's colour, as on the rim of a cut.
const SAME: f32 = 10.0;
/// How far a stroke's own rim reaches, in samples, and what is nothing there.
const RIM: usize = 2;
const LEAST_ALPHA: f32 = 0.015;

/// A mark of one colour and one opacity as its border tells it.
pub(super) struct Known<'a> {
    /// Opacity of every sample.
    pub(super) alpha: &'a [f32],
    /// Where it is the full one.
    pub(super) core: &'a Area,
    /// The share that it lets through and its colour in code values of 8 bits.
    pub(super) keep: f32,
    pub(super) colour: f32,
}

/// Sums over frames at one sample.
#[derive(Clone, Copy, Default)]
struct Sums {
    seen: f64,
    behind: f64,
    behind_squared: f64,
    product: f64,
    /// Difference to what is predicted behind: times the room to the colour, and squared; and the room squared.
    toward: f64,
    off: f64,
    room: f64,
}

/// The opacities with those of strokes in `open` that `known` lacks; `None` where it lacks none.
pub(super) fn with_strokes(stack: &Stack<'_>, known: &Known<'_>, open: &Area) -> Option<Vec<f32>> {
    let (width, full, frames) = (stack.width, 1.0 - known.keep, stack.frames() as f64);
    let covered: Area = known.alpha.iter().map(|a| *a > 0.0).collect();
    let hole = dilated(&covered, width, 1);
    let hole: Area = (0..hole.len()).map(|k| (hole[k] || open[k]) && !known.core[k]).collect();
    let sums = sums(stack, known, &hole);
    let opacity: Vec<f32> = sums.iter().map(|s| (s.toward / (s.room + f64::from(SAME) * frames)) as f32).collect();
    let strong: Area = known.alpha.iter().map(|a| *a > LEAST_SHARE * full).collect();
    let near = dilated(&strong, width, 1);
    let stands: Area = (0..hole.len()).map(|k| hole[k] && !near[k] && opacity[k] > LEAST_SHARE * full).collect();
    let mut missed = vec![false; stands.len()];
    for part in parts(&stands, width).iter().filter(|part| part.len() >= LEAST_SAMPLES) {
        if is_stroke(part.iter().map(|k| &sums[*k]), known.keep, frames) {
            part.iter().for_each(|k| missed[*k] = true);
        }
    }
    missed.contains(&true).then(|| {
        let near = dilated(&missed, width, RIM);
        let grown = |k: usize| if near[k] && hole[k] { opacity[k].clamp(0.0, full) } else { 0.0 };
        let kept = |alpha: f32| if alpha < LEAST_ALPHA { 0.0 } else { alpha };
        (0..hole.len()).map(|k| known.alpha[k].max(kept(grown(k)))).collect()
    })
}

/// Whether the samples of which those are the sums let as much through as a mark that keeps `keep` of what moves behind it.
fn is_stroke<'a>(samples: impl Iterator<Item = &'a Sums>, keep: f32, frames: f64) -> bool {
    let (mut count, mut variance, mut common, mut off, mut left) = (0.0, 0.0, 0.0, 0.0, 0.0);
    for s in samples {
        count += 1.0;
        variance += s.behind_squared / frames - (s.behind / frames).powi(2);
        common += s.product / frames - s.seen * s.behind / frames.powi(2);
        off += s.off;
        left += s.off - s.toward.powi(2) / s.room.max(1.0);
    }
    let moves = variance > f64::from(MOVES).powi(2) * count;
    let agrees = (common - f64::from(keep) * variance).abs() < f64::from(AGREES * (1.0 - keep)) * variance;
    moves && agrees && left < f64::from(MOST_LEFT) * off
}

/// What is seen and predicted where `hole` is, from the samples around it and those of the mark that are computed back.
fn sums(stack: &Stack<'_>, known: &Known<'_>, hole: &Area) -> Vec<Sums> {
    let membrane = Membrane::new(hole, stack.width);
    let mut sums = vec![Sums::default(); stack.len()];
    for first in stack.groups() {
        let (seen, count) = stack.lanes(first);
        let mut behind = seen.clone();
        for k in (0..stack.len()).filter(|k| known.core[*k]) {
            behind[k].iter_mut().for_each(|v| *v = (*v - (1.0 - known.keep) * known.colour) / known.keep);
        }
        membrane.fill(&mut behind);
        for k in (0..stack.len()).filter(|k| hole[*k]) {
            for lane in 0..count.min(LANES) {
                let (seen, behind) = (f64::from(seen[k][lane]), f64::from(behind[k][lane]));
                let (off, room) = (seen - behind, f64::from(known.colour) - behind);
                let s = &mut sums[k];
                s.seen += seen;
                s.behind += behind;
                s.behind_squared += behind * behind;
                s.product += seen * behind;
                s.toward += off * room;
                s.off += off * off;
                s.room += room * room;
            }
        }
    }
    sums
}
