//! The third look, at full resolution: what a roaming mark's slopes are, and to the sample where it lies.
//!
//! The second look knows places to a working sample and times to a few frames, from slopes that scenery shares. Here crops
//! of some frames are laid over each other on the mark, moved until they agree, and what all of them show is its template.

use super::field::{Field, UNIT};
use super::part::part;
use super::template::Template;
use super::tracker::Tracker;
use super::{Motion, Roaming};
use crate::frame::{Frame, FrameIdx};

/// Crops at most, and their bytes.
const MOST: usize = 128;
const MOST_BYTES: usize = 96 << 20;
/// Groups of crops of a mark that drifts: what only some of them show is scenery.
const GROUPS: usize = 12;
/// Crops that a group needs to count.
const FEWEST: usize = 3;
/// Frames at either end of a stay that are left out: the mark may not be there yet.
const ENDS: u64 = 8;
/// Rounds of moving the crops.
const ROUNDS: usize = 3;
/// Slopes of a template: at least this steep, in units, and this share of the steepest ones; so many at most.
const STEEP: f32 = 1.5 * UNIT;
const SHARE: f32 = 0.15;
const POINTS: usize = 6000;
/// Fewer slopes are no template.
const LEAST_POINTS: usize = 40;

/// Looks closely at a mark that was found, on some frames.
#[derive(Clone, Debug)]
pub struct Closeup {
    motion: Motion,
    size: (u32, u32),
    /// Samples by which places may be off, and those around the shape's box that a crop holds for it.
    reach: usize,
    margin: usize,
    wanted: Vec<Wanted>,
    seen: Vec<Seen>,
}

#[derive(Clone, Copy, Debug)]
struct Wanted {
    idx: FrameIdx,
    group: usize,
    place: (i32, i32),
}

#[derive(Clone, Debug)]
struct Seen {
    group: usize,
    place: (i32, i32),
    field: Field,
    /// By how much the mark lies off its place.
    off: (i32, i32),
}

impl Closeup {
    /// Of a mark that was found.
    pub fn new(found: &Roaming) -> Self {
        let rect = found.mask.rect();
        let reach = found.reach as usize + 2;
        let margin = reach + 1;
        let bytes = 2 * (rect.w as usize + 2 * margin) * (rect.h as usize + 2 * margin);
        let most = MOST.min(MOST_BYTES / bytes.max(1)).max(1);
        let mut wanted = wanted(&found.motion, most);
        wanted.sort_by_key(|w| w.idx);
        Self { motion: found.motion.clone(), size: (rect.w, rect.h), reach, margin, wanted, seen: Vec::new() }
    }

    /// The frames that it wants to look at, rising.
    pub fn frames(&self) -> Vec<FrameIdx> {
        let mut frames: Vec<FrameIdx> = self.wanted.iter().map(|w| w.idx).collect();
        frames.dedup();
        frames
    }

    /// Looks at a frame.
    pub fn observe(&mut self, frame: &Frame) {
        for w in self.wanted.iter().filter(|w| w.idx == frame.idx) {
            let field = crop(frame, w.place, self.size, self.margin);
            self.seen.push(Seen { group: w.group, place: w.place, field, off: (0, 0) });
        }
    }

    /// What follows the mark over all frames; `None` where the crops have nothing in common.
    pub fn conclude(mut self) -> Option<Tracker> {
        let mut template = self.template()?;
        for _ in 0..ROUNDS {
            self.adjust(&template);
            template = self.template()?;
        }
        let motion = match self.motion {
            Motion::Hops(ref stays) => {
                let off = |place: (i32, i32)| self.seen.iter().find(|s| s.place == place).map_or((0, 0), |s| s.off);
                let moved = |(frames, place): &(std::ops::Range<FrameIdx>, (i32, i32))| {
                    let (dx, dy) = off(*place);
                    (frames.clone(), (place.0 + dx, place.1 + dy))
                };
                Motion::Hops(stays.iter().map(moved).collect())
            }
            Motion::Drifts(way) => Motion::Drifts(way),
        };
        Some(Tracker::new(template, motion, self.size, self.reach))
    }

    /// Slopes that most groups of crops share.
    fn template(&self) -> Option<Template> {
        let groups = 1 + self.seen.iter().map(|s| s.group).max()?;
        let (w, h) = (self.size.0 as usize, self.size.1 as usize);
        let mut means: Vec<Vec<[f32; 2]>> = Vec::new();
        for group in 0..groups {
            let own: Vec<&Seen> = self.seen.iter().filter(|s| s.group == group).collect();
            if own.len() < FEWEST {
                continue;
            }
            let mut sums = vec![[0.0f32; 2]; w * h];
            for seen in &own {
                for (row, sums) in sums.chunks_exact_mut(w).enumerate() {
                    let y = (row + self.margin).saturating_add_signed(seen.off.1 as isize);
                    let from = y * seen.field.width + self.margin.saturating_add_signed(seen.off.0 as isize);
                    for (column, sum) in sums.iter_mut().enumerate() {
                        let [x, y] = seen.field.at(from + column);
                        *sum = [sum[0] + x, sum[1] + y];
                    }
                }
            }
            let count = own.len() as f32;
            sums.iter_mut().for_each(|sum| *sum = sum.map(|v| v / count));
            means.push(sums);
        }
        let mut field = Field::flat(w, h);
        let mut sizes: Vec<(f32, usize)> = Vec::with_capacity(w * h);
        let mut room = Vec::with_capacity(means.len());
        for i in 0..w * h {
            let [x, y] = [0, 1].map(|axis| {
                room.clear();
                room.extend(means.iter().map(|m| m[i][axis]));
                shared(&mut room)
            });
            (field.x[i], field.y[i]) = (x as i8, y as i8);
            sizes.push((x.hypot(y), i));
        }
        sizes.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        let least = STEEP.max(SHARE * sizes.get(sizes.len() / 50)?.0);
        for (n, (size, i)) in sizes.iter().enumerate() {
            if *size < least || n >= POINTS {
                (field.x[*i], field.y[*i]) = (0, 0);
            }
        }
        let template = Template::of(&field, (0, 0, w, h));
        (template.len() >= LEAST_POINTS).then_some(template)
    }

    /// Moves the crops to where they are most like `template`: those of a place together, those of a mark that drifts each.
    fn adjust(&mut self, template: &Template) {
        let (side, first) = (2 * self.reach + 1, self.margin - self.reach);
        let maps: Vec<Vec<f32>> = self
            .seen
            .iter()
            .map(|s| {
                let at = |k: usize| template.likeness(&s.field, first + k % side, first + k / side);
                (0..side * side).map(at).collect()
            })
            .collect();
        let best = |map: &[f32]| {
            // Of equals the one nearest to where it was looked for.
            let far = |k: usize| (k % side).abs_diff(self.reach) + (k / side).abs_diff(self.reach);
            let best = (0..map.len()).max_by(|a, b| map[*a].total_cmp(&map[*b]).then(far(*b).cmp(&far(*a))));
            let k = best.unwrap_or(side * self.reach + self.reach);
            ((k % side) as i32 - self.reach as i32, (k / side) as i32 - self.reach as i32)
        };
        let stays = matches!(self.motion, Motion::Hops(_));
        let offs: Vec<(i32, i32)> = (0..self.seen.len())
            .map(|n| {
                if !stays {
                    return best(&maps[n]);
                }
                let own = self.seen.iter().zip(&maps).filter(|(s, _)| s.place == self.seen[n].place);
                let sum = own.fold(vec![0.0f32; side * side], |mut sum, (_, map)| {
                    sum.iter_mut().zip(map).for_each(|(s, v)| *s += v);
                    sum
                });
                best(&sum)
            })
            .collect();
        self.seen.iter_mut().zip(offs).for_each(|(s, off)| s.off = off);
    }
}

/// The slopes of `frame` in a box of `size` at `place` and `margin` samples more a side.
pub(super) fn crop(frame: &Frame, place: (i32, i32), size: (u32, u32), margin: usize) -> Field {
    let (m, grown) = (margin as i32, 2 * margin as u32);
    Field::whole(&part(frame, (place.0 - m, place.1 - m), (size.0 + grown, size.1 + grown)))
}

/// About `most` frames on which the mark is there, by stays or by stretches of its way.
fn wanted(motion: &Motion, most: usize) -> Vec<Wanted> {
    match motion {
        Motion::Hops(stays) => {
            let each = (most / stays.len().max(1)).max(FEWEST) as u64;
            let inner = stays.iter().enumerate().flat_map(|(group, (frames, place))| {
                let ends = ENDS.min((frames.end - frames.start) / 4);
                let (start, end) = (frames.start + ends, frames.end - ends);
                let count = each.min(end - start);
                (0..count).map(move |n| (group, start + n * (end - start) / count, *place))
            });
            // Of more stays than crops those that are spread over the clip.
            let step = (stays.len() * FEWEST).div_ceil(most).max(1);
            inner.filter(|w| w.0 % step == 0).map(|(group, idx, place)| Wanted { idx, group, place }).collect()
        }
        Motion::Drifts(way) => {
            // Where it may be at either of two places it is not looked at.
            let sure: Vec<&(FrameIdx, (i32, i32))> =
                way.chunk_by(|a, b| a.0 == b.0).filter(|same| same.len() == 1).map(|same| &same[0]).collect();
            let count = most.min(sure.len());
            let pick = |n: usize| {
                let (idx, place) = *sure[n * sure.len() / count];
                Wanted { idx, group: n * GROUPS / count, place }
            };
            (0..count).map(pick).collect()
        }
    }
}

/// What most of `values` share: their median, of two in the middle the smaller one, and 0 where those differ in sign.
fn shared(values: &mut [f32]) -> f32 {
    if values.is_empty() {
        return 0.0;
    }
    values.sort_unstable_by(f32::total_cmp);
    let (a, b) = (values[(values.len() - 1) / 2], values[values.len() / 2]);
    match (a * b <= 0.0, a.abs() < b.abs()) {
        (true, _) => 0.0,
        (false, true) => a,
        (false, false) => b,
    }
}
