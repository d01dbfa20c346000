//! From the places that every frame offers to one path of a mark.

use super::template::Match;

/// Gain that a path loses where it jumps, and where the mark appears or disappears.
const JUMP: f32 = 1.5;
const LEAVE: f32 = 0.6;
/// Samples that a mark moves between two frames at most without a jump, and what each costs.
const STEP: usize = 8;
const STEP_COST: f32 = 0.01;

/// The offers, by position in each frame's list, that together explain the frames best: dynamic programming over offers and
/// the mark's absence (Viterbi 1967). An offer gains what its likeness exceeds `chance` by.
pub(super) fn trace(frames: &[Vec<Match>], chance: f32) -> Vec<Option<usize>> {
    // State 0 is absence, state n offer n - 1.
    let mut gains: Vec<f32> = vec![0.0];
    let mut back: Vec<Vec<usize>> = Vec::with_capacity(frames.len());
    let mut last: &[Match] = &[];
    for offers in frames {
        let step = |from: usize, to: usize| match (from.checked_sub(1), to.checked_sub(1)) {
            (None, None) => 0.0,
            (Some(a), Some(b)) => between(&last[a], &offers[b]),
            _ => LEAVE,
        };
        let mut next = Vec::with_capacity(offers.len() + 1);
        let mut from = Vec::with_capacity(offers.len() + 1);
        for to in 0..=offers.len() {
            let gain = to.checked_sub(1).map_or(0.0, |n| offers[n].likeness - chance);
            let (best, before) = gains
                .iter()
                .enumerate()
                .map(|(n, g)| (n, g - step(n, to)))
                .max_by(|a, b| a.1.total_cmp(&b.1).then(b.0.cmp(&a.0)))
                .unwrap_or((0, 0.0));
            next.push(before + gain);
            from.push(best);
        }
        gains = next;
        back.push(from);
        last = offers;
    }
    let mut state = (0..gains.len()).max_by(|a, b| gains[*a].total_cmp(&gains[*b]).then(b.cmp(a))).unwrap_or(0);
    let mut path = Vec::with_capacity(frames.len());
    for from in back.iter().rev() {
        path.push(state.checked_sub(1));
        state = from[state];
    }
    path.reverse();
    path
}

fn between(a: &Match, b: &Match) -> f32 {
    let far = a.x.abs_diff(b.x).max(a.y.abs_diff(b.y));
    if far <= STEP { STEP_COST * far as f32 } else { JUMP }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_prefers_the_place_where_the_mark_was_to_a_chance_likeness_elsewhere() {
        let at = |x: usize, likeness: f32| Match { x, y: 0, likeness };
        let mut frames: Vec<Vec<Match>> = (0..20).map(|t| vec![at(10 + t, 0.6), at(100, 0.4)]).collect();
        frames[7] = vec![at(100, 0.7), at(17, 0.5)];
        frames.extend((0..10).map(|_| vec![at(100, 0.8), at(11, 0.2)]));
        frames.extend((0..10).map(|_| vec![at(5, 0.1)]));
        let path = trace(&frames, 0.3);
        assert_eq!(path[6..9], [Some(0), Some(1), Some(0)]);
        assert_eq!((path[20], path[29], path[35]), (Some(0), Some(0), None));
    }
}
