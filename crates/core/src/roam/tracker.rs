//! Follows a mark whose template is known at full resolution over all frames: the sample at which it lies on each, or the
//! frame with which each of its stays begins and ends.

use std::ops::Range;

use super::Motion;
use super::closeup::crop;
use super::hop::middle;
use super::template::Template;
use crate::frame::{Frame, FrameIdx};

/// Frames before and after a stay that are looked at: what the scene shows there by chance.
const AROUND: u64 = 10;
/// A stay that shows less of its template than this in the middle is left as it is.
const LEAST_SHARE: f32 = 0.25;
/// A frame next to a stay shows the mark where it has more of it than this, and so many times what frames around have by
/// chance; so many frames at most.
const FAINT: f32 = 0.2;
const BEYOND_CHANCE: f32 = 2.5;
const MOST_CHANCE: f32 = 0.5;
const FADES: usize = 6;
/// A mark that hops is somewhere all the time: a stay lasts until the next begins where they are so many frames apart.
const HANDED: u64 = 6;
/// Frames by which a stay is extended at either end: the codec takes the mark along.
const PAD: u64 = 1;
/// A frame shows a drifting mark where its likeness is this share of the usual one.
const CLEAR: f32 = 0.5;
/// Frames to either side that say by how much the mark usually lies off the line there, and samples by which it may differ.
const NEAR: usize = 6;
const STRAY: i32 = 2;

/// The last look at a mark.
#[derive(Clone, Debug)]
pub struct Tracker {
    template: Template,
    motion: Motion,
    size: (u32, u32),
    reach: usize,
    /// What every stay shows, frame by frame.
    shares: Vec<Vec<(FrameIdx, f32)>>,
    /// Where the mark is most alike on every frame, against its place there, and how alike.
    offs: Vec<(FrameIdx, usize, (i32, i32), f32)>,
}

impl Tracker {
    pub(super) fn new(template: Template, motion: Motion, size: (u32, u32), reach: usize) -> Self {
        let count = if let Motion::Hops(stays) = &motion { stays.len() } else { 0 };
        Self { template, motion, size, reach, shares: vec![Vec::new(); count], offs: Vec::new() }
    }

    /// Looks at the next frame; all frames come, in rising order.
    pub fn observe(&mut self, frame: &Frame) {
        let idx = frame.idx;
        match &self.motion {
            Motion::Hops(stays) => {
                for ((frames, place), shares) in stays.iter().zip(&mut self.shares) {
                    if idx + AROUND >= frames.start && idx < frames.end + AROUND {
                        let field = crop(frame, *place, self.size, 1);
                        shares.push((idx, self.template.share(&field, 1, 1)));
                    }
                }
            }
            Motion::Drifts(way) => {
                let first = way.partition_point(|step| step.0 < idx);
                let own = way[first..].iter().take_while(|step| step.0 == idx).enumerate();
                let looks = own.map(|(n, (_, place))| {
                    let margin = self.reach + 1;
                    let field = crop(frame, *place, self.size, margin);
                    let m = self.template.refine(&field, margin, margin, self.reach);
                    let off = (m.x as i32 - margin as i32, m.y as i32 - margin as i32);
                    (idx, first + n, off, m.likeness)
                });
                self.offs.extend(looks.max_by(|a, b| a.3.total_cmp(&b.3)));
            }
        }
    }

    /// How the mark moves, to the sample and the frame.
    pub fn conclude(self) -> Motion {
        match self.motion {
            Motion::Hops(stays) => {
                let mut fitted: Vec<(Range<FrameIdx>, (i32, i32))> = stays
                    .into_iter()
                    .zip(&self.shares)
                    .map(|((frames, place), shares)| (fitted(&frames, shares).unwrap_or(frames), place))
                    .collect();
                let starts: Vec<(FrameIdx, (i32, i32))> = fitted.iter().map(|s| (s.0.start, s.1)).collect();
                let last = self.shares.iter().flatten().map(|s| s.0 + 1).max().unwrap_or(0);
                for (frames, place) in &mut fitted {
                    let next =
                        starts.iter().filter(|s| s.1 != *place && (frames.end..=frames.end + HANDED).contains(&s.0));
                    frames.end = next.map(|s| s.0).min().unwrap_or(frames.end);
                    *frames = frames.start.saturating_sub(PAD)..(frames.end + PAD).min(last.max(frames.end));
                }
                Motion::Hops(fitted)
            }
            Motion::Drifts(way) => {
                let usual = middle(self.offs.iter().map(|o| o.3).collect());
                let clear: Vec<&(FrameIdx, usize, (i32, i32), f32)> =
                    self.offs.iter().filter(|o| o.3 >= CLEAR * usual).collect();
                Motion::Drifts(way.chunk_by(|a, b| a.0 == b.0).flat_map(|same| placed(same, &way, &clear)).collect())
            }
        }
    }
}

/// Where a mark is on one frame, of which `same` are the places that it may be at: one, or as many and where those around say.
fn placed(
    same: &[(FrameIdx, (i32, i32))],
    way: &[(FrameIdx, (i32, i32))],
    clear: &[&(FrameIdx, usize, (i32, i32), f32)],
) -> Vec<(FrameIdx, (i32, i32))> {
    let idx = same[0].0;
    let at = clear.partition_point(|o| o.0 < idx);
    let around = &clear[at.saturating_sub(NEAR)..(at + NEAR + 1).min(clear.len())];
    let off = |axis: fn(&(i32, i32)) -> i32| middle(around.iter().map(|o| axis(&o.2) as f32).collect()).round() as i32;
    let usual = (off(|o| o.0), off(|o| o.1));
    let own = clear.get(at).filter(|o| o.0 == idx);
    if let Some((_, n, off, _)) = own {
        let place = way[*n].1;
        let seen = (idx, (place.0 + off.0, place.1 + off.1));
        // Where it turns it lies off the line on some frames in a row.
        if (off.0 - usual.0).abs().max((off.1 - usual.1).abs()) <= STRAY || same.len() > 1 {
            return vec![seen];
        }
        return vec![(idx, (same[0].1.0 + usual.0, same[0].1.1 + usual.1)), seen];
    }
    let mut all: Vec<(FrameIdx, (i32, i32))> =
        same.iter().flat_map(|(_, p)| [(idx, *p), (idx, (p.0 + usual.0, p.1 + usual.1))]).collect();
    all.dedup();
    all
}

/// The frames that show a stay, from the shares of its template that they have; `None` where those do not tell.
fn fitted(frames: &Range<FrameIdx>, shares: &[(FrameIdx, f32)]) -> Option<Range<FrameIdx>> {
    let inner = frames.start + (frames.end - frames.start) / 4..frames.end - (frames.end - frames.start) / 4;
    let usual = middle(shares.iter().filter(|s| inner.contains(&s.0)).map(|s| s.1).collect());
    if usual < LEAST_SHARE {
        return None;
    }
    let half = shares.partition_point(|s| s.0 < (frames.start + frames.end) / 2);
    let values: Vec<f32> = shares.iter().map(|s| (s.1 / usual).clamp(-1.0, 1.5)).collect();
    let before: Vec<f32> = values[..half].iter().rev().copied().collect();
    let (start, end) = (half - shown(&before), half + shown(&values[half..]));
    let first = shares.get(start)?.0;
    let end = shares.get(end.checked_sub(1)?)?.0 + 1;
    (first < end).then_some(first..end)
}

/// How many of `values`, which go from the middle of a stay outward, show the mark: a step from 1 to 0 that is fitted by least
/// squares, and what may fade beyond it.
fn shown(values: &[f32]) -> usize {
    let mut cost: f32 = values.iter().map(|v| v * v).sum();
    let (mut best, mut count) = (cost, 0);
    for (n, v) in values.iter().enumerate() {
        cost += (1.0 - v).powi(2) - v * v;
        if cost < best {
            (best, count) = (cost, n + 1);
        }
    }
    let rest = values.get(count + FADES..).unwrap_or_default();
    let chance =
        if rest.len() < 4 { 0.0 } else { (rest.iter().map(|v| v * v).sum::<f32>() / rest.len() as f32).sqrt() };
    let level = (BEYOND_CHANCE * chance).clamp(FAINT, MOST_CHANCE);
    count + values[count..].iter().take(FADES).take_while(|v| **v > level).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stay_ends_where_a_step_fits_best_and_its_fading_ends() {
        let noise = |n: usize| 0.15 * ((n * 7919 % 13) as f32 / 6.0 - 1.0);
        let stay = |to: usize, fade: &[f32]| -> Vec<f32> {
            let shown = (0..to).map(|n| 1.0 + noise(n));
            shown.chain(fade.iter().copied()).chain((0..12).map(|n| 0.5 * noise(n + 3))).collect()
        };
        assert_eq!(shown(&stay(30, &[])), 30);
        assert_eq!(shown(&stay(30, &[0.8, 0.6, 0.4])), 33);
        // One frame that shows nothing is no end.
        let mut gap = stay(30, &[]);
        gap[12] = 0.0;
        assert_eq!(shown(&gap), 30);
        assert_eq!(shown(&stay(0, &[])), 0);
    }
}
