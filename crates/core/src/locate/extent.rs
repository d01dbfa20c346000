//! How far a mark reaches where scenery persists beside it.
//!
//! What surely belongs to the mark lies in an inner box, what could belong to it in an outer one; the truth lies between.
//! Whichever box is named, its overlap with the truth is then at least the share of the outer one that the inner one takes.

use super::candidates::{Candidate, Edges, FAINT, SKIRT, parts_of};
use super::judge::MOST_DRIFT;
use super::region::{Bounds, Region, bounds_of};
use super::sway::MEASURABLE;

/// Least share of the outer box that the inner one takes.
const TOLD: f32 = 0.5;
/// Words of one line may lie so many of its heights apart when one between them was lost.
const LINE: usize = 4;
/// And they are of like strength: at least so much of it.
const LIKE: f32 = 0.6;
/// How far around a seed others are asked whether they sway, samples.
const VOTES: usize = 2;

/// An answer on one candidate.
pub(super) enum Extent {
    /// The candidate without what does not belong to it.
    Known(Candidate),
    /// The share that surely belongs to it of the box of all that could: too small.
    Open(f32),
}

impl Extent {
    /// Of `candidate`, by how much the seeds of `edges` sway.
    pub(super) fn of(candidate: &Candidate, edges: &Edges, sway: &[f32]) -> Self {
        let w = edges.seeds.width;
        let size = (w, edges.seeds.height);
        let sure = still(&edges.seeds, sway, MOST_DRIFT / 2.0);
        let core: Vec<usize> = candidate.seeds.iter().copied().filter(|i| sure.set[*i]).collect();
        let level = level(edges, &core);
        let core = clear(edges, core.into_iter().filter(|i| edges.strength(*i) >= level).collect(), level);
        let Some(inner) = bounds_of(&core, w) else {
            return Self::Open(0.0);
        };
        let could = still(&edges.seeds, sway, MOST_DRIFT);
        let all = clear(edges, (0..could.set.len()).filter(|i| could.set[*i]).collect(), level);
        let mut alike = Region::new(w, size.1);
        all.iter().chain(&core).for_each(|i| alike.set[*i] = true);
        let outer = joined(&alike, &core, edges.reach(), inner);
        let strong = core.iter().map(|i| edges.strength(*i)).sum::<f32>() / core.len() as f32 * LIKE;
        let others = (0..sure.set.len()).filter(|i| sure.set[*i] && edges.strength(*i) >= level).collect();
        let words =
            parts_of_all(&clear(edges, others, strong), w).iter().filter_map(|part| bounds_of(part, w)).collect();
        let outer = in_line(words, inner, outer);
        let share = inner.area() as f32 / outer.area() as f32;
        if share < TOLD {
            return Self::Open(share);
        }
        // Inside of the inner box all of it counts, what sways included: a mark's faint parts cannot be measured before a
        // busy scene. Outside only the skirt of what is sure.
        let skirt = {
            let mut near = Region::new(w, size.1);
            core.iter().for_each(|i| near.set[*i] = true);
            near.grown(SKIRT, SKIRT)
        };
        let kept = |i: &usize| inner.holds(i % w, i / w) || (skirt.set[*i] && could.set[*i]);
        let seeds: Vec<usize> = candidate.seeds.iter().copied().filter(kept).collect();
        Self::Known(Candidate { bounds: bounds_of(&seeds, w).unwrap_or(inner), seeds, is_cut: candidate.is_cut })
    }
}

/// The box of what of `alike` lies within `reach` of `core`, which lies in the box `inner`, and of each other.
fn joined(alike: &Region, core: &[usize], reach: usize, inner: Bounds) -> Bounds {
    let w = alike.width;
    let mut outer = inner;
    for part in alike.grown(reach, reach).parts() {
        if core.iter().any(|i| part.binary_search(i).is_ok()) {
            let own: Vec<usize> = part.into_iter().filter(|i| alike.set[*i]).collect();
            outer = bounds_of(&own, w).map_or(outer, |bounds| outer.around(bounds));
        }
    }
    outer
}

/// `outer` with those of `parts` that stand in line with `inner`: of a line of words one may have gone with the scene.
fn in_line(mut parts: Vec<Bounds>, inner: Bounds, mut outer: Bounds) -> Bounds {
    let (gap, slack) = (LINE * inner.height(), inner.height() / 4);
    while let Some(at) = parts.iter().position(|b| {
        let far = b.x0.max(outer.x0).saturating_sub(b.x1.min(outer.x1));
        b.y0 + slack >= inner.y0 && b.y1 <= inner.y1 + slack && 2 * b.height() >= inner.height() && far <= gap
    }) {
        outer = outer.around(parts.swap_remove(at));
    }
    outer
}

/// [`FAINT`] of the upper quartile of the slopes at `samples`.
fn level(edges: &Edges, samples: &[usize]) -> f32 {
    let mut strengths: Vec<f32> = samples.iter().map(|i| edges.strength(*i)).collect();
    let upper = strengths.len() * 3 / 4;
    if strengths.is_empty() { 0.0 } else { FAINT * *strengths.select_nth_unstable_by(upper, f32::total_cmp).1 }
}

/// The parts of `samples` that are large enough to measure and as strong as `level` on average.
fn clear(edges: &Edges, samples: Vec<usize>, level: f32) -> Vec<usize> {
    let strong = |part: &[usize]| part.iter().map(|i| edges.strength(*i)).sum::<f32>() >= level * part.len() as f32;
    let parts = parts_of_all(&samples, edges.seeds.width).into_iter();
    parts.filter(|part| part.len() >= MEASURABLE && strong(part)).flatten().collect()
}

/// The connected parts of `samples` of a plane `w` wide.
fn parts_of_all(samples: &[usize], w: usize) -> Vec<Vec<usize>> {
    bounds_of(samples, w).map_or_else(Vec::new, |bounds| parts_of(samples, bounds, w))
}

/// The seeds that sway by `most` at most, and with which most of the seeds around them do: along an edge that moves some
/// sample always seems to stay.
fn still(seeds: &Region, sway: &[f32], most: f32) -> Region {
    let (w, h) = (seeds.width, seeds.height);
    let mut still = Region::new(w, h);
    for i in (0..w * h).filter(|i| seeds.set[*i] && sway[*i] <= most) {
        let (x, y) = (i % w, i / w);
        let (mut all, mut with) = (0, 0);
        for y in y.saturating_sub(VOTES)..(y + VOTES + 1).min(h) {
            for i in (y * w + x.saturating_sub(VOTES)..y * w + (x + VOTES + 1).min(w)).filter(|i| seeds.set[*i]) {
                all += 1;
                with += usize::from(sway[i] <= most);
            }
        }
        still.set[i] = 2 * with > all;
    }
    still
}

#[cfg(test)]
mod tests;
