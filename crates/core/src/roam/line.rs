//! A path of constant velocity, piece by piece: where a mark that drifts is on every frame.

use super::hop::middle;

/// Frames to either side that a position is fitted to, and those by which it is judged whether the path is straight.
const NEAR: usize = 8;
const FAR: usize = 20;
/// Working samples from the fitted line within which a position is on it: they are whole numbers.
const ON_LINE: f32 = 1.2;
/// A mark moves this many times faster than usual at most.
const HASTE: f32 = 1.6;
/// Rounds of fitting, each with less weight for what lies off the line (Huber's weights).
const ROUNDS: usize = 4;
/// Frames by which a path goes on beyond the first and the last that show the mark: it may be hidden there.
const BEYOND: usize = 8;
/// Frames from either end of the clip within which a path goes on to the end.
const TO_END: usize = 30;

/// A path over frames without a gap.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Line {
    /// Position in the list of frames, rising, with column and row of the template's box in working samples. Twice for a frame
    /// that was seen to show the mark away from the line: where a path turns, either may be right.
    pub(super) at: Vec<(usize, (f32, f32))>,
    /// Share of the frames that show the mark.
    pub(super) seen: f32,
    /// Share of those that lie on a straight line of constant velocity with their neighbours.
    pub(super) straight: f32,
}

impl Line {
    /// The longer side of the box in which the path lies, in working samples.
    pub(super) fn travels(&self) -> f32 {
        let side = |axis: fn(&(f32, f32)) -> f32| {
            let values = self.at.iter().map(|(_, p)| axis(p));
            values.clone().fold(f32::MIN, f32::max) - values.fold(f32::MAX, f32::min)
        };
        side(|p| p.0).max(side(|p| p.1))
    }
}

/// The path through `seen` positions; `None` where there are too few.
pub(super) fn line(seen: &[Option<(usize, usize)>]) -> Option<Line> {
    let seen = continuous(seen);
    let seen = seen.as_slice();
    let from = seen.iter().position(Option::is_some)?;
    let to = seen.iter().rposition(Option::is_some)? + 1;
    let points: Vec<(usize, [f32; 2])> =
        seen.iter().enumerate().filter_map(|(t, p)| p.map(|(x, y)| (t, [x as f32, y as f32]))).collect();
    if points.len() < NEAR {
        return None;
    }
    let start = if from <= TO_END { 0 } else { from - BEYOND };
    let end = if seen.len() - to <= TO_END { seen.len() } else { to + BEYOND };
    let mut straight = 0;
    let mut at = Vec::with_capacity(end - start);
    for (t, own) in seen.iter().enumerate().take(end).skip(start) {
        let near = fitted(&points, t, NEAR);
        let own = own.map(|(x, y)| [x as f32, y as f32]);
        if let Some(own) = own {
            let far = fitted(&points, t, FAR);
            straight += usize::from(apart(own, far) <= ON_LINE);
        }
        at.push((t, (near[0], near[1])));
        if let Some(off) = own.filter(|own| apart(*own, near) > ON_LINE) {
            at.push((t, (off[0], off[1])));
        }
    }
    let share = points.len() as f32 / seen.len() as f32;
    Some(Line { at, seen: share, straight: straight as f32 / points.len() as f32 })
}

/// `seen` without what a mark that moves continuously cannot do: runs of positions that can be reached from the longer ones
/// before and after only by a jump. Scenery that looks like the mark for a while is followed otherwise.
fn continuous(seen: &[Option<(usize, usize)>]) -> Vec<Option<(usize, usize)>> {
    let far = |a: (usize, usize), b: (usize, usize)| a.0.abs_diff(b.0).max(a.1.abs_diff(b.1)) as f32;
    let points: Vec<(usize, (usize, usize))> = seen.iter().enumerate().filter_map(|(t, p)| Some((t, (*p)?))).collect();
    // Over some frames, because positions are whole numbers.
    let speeds = points.windows(NEAR).map(|w| far(w[0].1, w[NEAR - 1].1) / (w[NEAR - 1].0 - w[0].0) as f32);
    let speed = middle(speeds.collect());
    let reaches = |a: &(usize, (usize, usize)), b: &(usize, (usize, usize))| {
        far(a.1, b.1) <= HASTE * speed * a.0.abs_diff(b.0) as f32 + 2.0 * ON_LINE
    };
    let mut runs: Vec<&[(usize, (usize, usize))]> = points.chunk_by(|a, b| reaches(a, b)).collect();
    runs.sort_by_key(|run| (std::cmp::Reverse(run.len()), run[0].0));
    let mut kept: Vec<&[(usize, (usize, usize))]> = Vec::with_capacity(runs.len());
    for run in runs {
        let (first, last) = (&run[0], &run[run.len() - 1]);
        let before = kept.iter().filter(|k| k[0].0 < first.0).max_by_key(|k| k[0].0);
        let after = kept.iter().filter(|k| k[0].0 > first.0).min_by_key(|k| k[0].0);
        if before.is_none_or(|k| reaches(&k[k.len() - 1], first)) && after.is_none_or(|k| reaches(last, &k[0])) {
            kept.push(run);
        }
    }
    let mut out = vec![None; seen.len()];
    kept.iter().copied().flatten().for_each(|(t, p)| out[*t] = Some(*p));
    out
}

fn apart(a: [f32; 2], b: [f32; 2]) -> f32 {
    (a[0] - b[0]).abs().max((a[1] - b[1]).abs())
}

/// Where the line through the points around frame `t` is at `t`. Before the first and after the last point the line through
/// the nearest ones goes on.
fn fitted(points: &[(usize, [f32; 2])], t: usize, reach: usize) -> [f32; 2] {
    let inside = points[0].0.max(t).min(points[points.len() - 1].0);
    let from = points.partition_point(|p| p.0 + reach < inside);
    let to = points.partition_point(|p| p.0 <= inside + reach);
    // In a gap the nearest points on either side.
    let at = points.partition_point(|p| p.0 < inside);
    let (from, to) =
        if to - from < NEAR { (at.saturating_sub(NEAR), (at + NEAR).min(points.len())) } else { (from, to) };
    [0, 1].map(|axis| {
        let own: Vec<(f32, f32)> = points[from..to].iter().map(|p| (p.0 as f32 - t as f32, p.1[axis])).collect();
        let mut weights = vec![1.0f32; own.len()];
        let mut value = middle(own.iter().map(|p| p.1).collect());
        for _ in 0..ROUNDS {
            let sum = |f: &dyn Fn(&(f32, f32)) -> f32| own.iter().zip(&weights).map(|(p, w)| w * f(p)).sum::<f32>();
            let (n, x, y) = (sum(&|_| 1.0), sum(&|p| p.0), sum(&|p| p.1));
            let (xx, xy) = (sum(&|p| p.0 * p.0), sum(&|p| p.0 * p.1));
            let spread = n * xx - x * x;
            let slope = if spread > 1e-6 { (n * xy - x * y) / spread } else { 0.0 };
            value = (y - slope * x) / n;
            for (w, p) in weights.iter_mut().zip(&own) {
                let off = (p.1 - value - slope * p.0).abs();
                *w = 1.0 / off.max(0.5);
            }
        }
        value
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_bounces_is_followed_through_gaps_and_strays() {
        let truth = |t: usize| {
            let x = (40.0 + 1.3 * t as f32) % 200.0;
            (if x > 100.0 { 200.0 - x } else { x }, 50.0 + 0.2 * t as f32)
        };
        let mut seen: Vec<Option<(usize, usize)>> =
            (0..120).map(|t| Some((truth(t).0.round() as usize, truth(t).1.round() as usize))).collect();
        seen[20] = Some((3, 3));
        // Something else is taken for it for a while.
        (80..96).for_each(|t| seen[t] = Some((170 - t / 4, 20)));
        seen[60..66].fill(None);
        seen[..4].fill(None);
        let line = line(&seen).unwrap();
        assert_eq!((line.at[0].0, line.at[line.at.len() - 1].0), (0, 119));
        assert!(line.straight > 0.6 && line.seen > 0.75, "{} {}", line.straight, line.seen);
        for t in 0..120 {
            let (x, y) = truth(t);
            let near = |p: &&(usize, (f32, f32))| p.0 == t && (p.1.0 - x).abs() < 1.3 && (p.1.1 - y).abs() < 1.0;
            assert!(line.at.iter().any(|p| near(&p)), "{t}: not {x},{y}");
        }
    }
}
