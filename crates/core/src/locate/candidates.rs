//! Groups of persistent edges that could be marks.

use std::sync::Arc;

use super::persistence::Persistence;
use super::region::{Bounds, Region, bounds_of};
use super::stack::Stack;
use super::sway::sway;

/// What an edge must be to count as persistent, a seed.
#[derive(Clone, Copy)]
pub(super) struct Bar {
    /// Least mean slope of luma, code values per sample.
    luma: f32,
    /// The same for chroma, which carries less of the scene and less noise.
    chroma: f32,
    /// Share of the frames that must agree.
    agrees: f32,
}

impl Bar {
    /// For a search of the whole picture.
    pub(super) const ALONE: Self = Self { luma: 1.6, chroma: 1.1, agrees: 0.85 };
    /// For marks that show in part of the frames: their mean slope is as much weaker.
    pub(super) const PARTLY: Self = Self { luma: 1.6, chroma: 1.1, agrees: 0.5 };
    /// Where a user says that there is a mark.
    pub(super) const VOUCHED: Self = Self { luma: 1.1, chroma: 0.7, agrees: 0.7 };

    const fn level(self, plane: usize) -> f32 {
        if plane == 0 { self.luma } else { self.chroma }
    }
}

/// Parts of a mark lie no farther apart than this share of the picture's longer side.
const JOIN: f32 = 0.026;
/// Fewer seeds than this say nothing.
const FEWEST_SEEDS: usize = 40;
/// Parts of a group whose mean slope is below this share of its upper quartile are set apart.
pub(super) const FAINT: f32 = 0.35;
/// Faint samples are taken off where the clear ones' box is a smaller share of the whole than this, and only those
/// farther from every clear one than so many samples: the skirt of a soft edge.
const CORE: f32 = 0.6;
pub(super) const SKIRT: usize = 6;
/// How many times a seed's least slope a clear edge has.
const CLEAR: f32 = 3.0;
/// Largest share of the picture that a mark's box takes.
pub(super) const LARGEST: f32 = 0.08;
/// Share of the picture's edges that persist from which scenery may join a mark.
pub(super) const SETTLED: f32 = 0.04;
/// Share of a sample's strongest slope from which another plane's tells of its movement as well.
const TELLING: f32 = 0.5;
/// How often groups are divided at most.
const LEVELS: usize = 5;
/// A persistent edge that runs straight for this share of the picture is a border of the picture or of a screen in it.
const LINE: f32 = 0.5;

/// Persistent edges of all planes.
#[derive(Clone)]
pub(super) struct Edges {
    /// Luma first, then chroma where there is any.
    pub(super) planes: Arc<Vec<Persistence>>,
    /// Seeds of all planes at luma's working scale.
    pub(super) seeds: Region,
    /// What a seed is.
    bar: Bar,
    /// Frames that must agree at a seed.
    needed: u8,
    /// All frames.
    frames: u8,
}

/// A group of seeds.
#[derive(Clone)]
pub(super) struct Candidate {
    /// Around the seeds.
    pub(super) bounds: Bounds,
    /// The seeds, as positions in luma's working scale.
    pub(super) seeds: Vec<usize>,
    /// Whether it was cut out of a group that cannot be a mark: of scenery, most likely.
    pub(super) is_cut: bool,
}

impl Edges {
    /// Of all frames of `stack`.
    pub(super) fn of(stack: &Stack<'_>, bar: Bar) -> Self {
        let scale = stack.scale;
        let planes: Vec<Persistence> =
            (0..scale.planes()).map(|plane| Persistence::of(&stack.plane(plane), scale.size(plane))).collect();
        Self::from_planes(Arc::new(planes), scale.size(0), stack.frames.len(), bar)
    }

    /// The same frames by another bar.
    pub(super) fn by(&self, stack: &Stack<'_>, bar: Bar) -> Self {
        Self::from_planes(Arc::clone(&self.planes), stack.scale.size(0), stack.frames.len(), bar)
    }

    pub(super) fn from_planes(planes: Arc<Vec<Persistence>>, (w, h): (usize, usize), frames: usize, bar: Bar) -> Self {
        let mut seeds = Region::new(w, h);
        let needed = (bar.agrees * frames as f32).ceil() as u8;
        for (plane, p) in planes.iter().enumerate() {
            let level = bar.level(plane);
            let step = if plane == 0 { 1 } else { 2 };
            for i in 0..p.agree.len() {
                if p.agree[i] >= needed && p.strength(i) > level {
                    let (x, y) = (i % p.width * step, i / p.width * step);
                    for y in y..(y + step).min(h) {
                        seeds.set[y * w + x..y * w + (x + step).min(w)].fill(true);
                    }
                }
            }
        }
        drop_lines(&mut seeds);
        Self { planes, seeds, bar, needed, frames: frames as u8 }
    }

    /// By how much every seed's neighbourhood moves, luma samples (root mean square over frames), in the plane in which it is
    /// strongest and in those that come close; infinite where too little lies around to tell.
    pub(super) fn sway(&self, stack: &Stack<'_>) -> Vec<f32> {
        let sways: Vec<Vec<f32>> = (0..self.planes.len())
            .map(|plane| {
                let p = &self.planes[plane];
                let set = (0..p.agree.len()).map(|i| self.is_seed(plane, i)).collect();
                sway(&stack.plane(plane), p, &Region { width: p.width, height: p.height, set })
            })
            .collect();
        let w = self.seeds.width;
        let of = |i: usize| {
            let level = self.strength(i) * TELLING;
            let planes = self.planes.iter().zip(&sways).enumerate();
            let tells = planes.filter_map(|(plane, (p, sway))| {
                let step = if plane == 0 { 1 } else { 2 };
                let at = i / w / step * p.width + i % w / step;
                (self.is_seed(plane, at) && self.weighed(plane, at) >= level).then(|| sway[at] * step as f32)
            });
            // What is strongest there in a plane in which it does not persist is no mark's.
            tells
                .fold(None, |most: Option<f32>, sway| Some(most.map_or(sway, |m| m.max(sway))))
                .unwrap_or(f32::INFINITY)
        };
        (0..self.seeds.set.len()).map(|i| if self.seeds.set[i] { of(i) } else { 0.0 }).collect()
    }

    /// Whether sample `i` of `plane` is a seed.
    pub(super) fn is_seed(&self, plane: usize, i: usize) -> bool {
        let p = &self.planes[plane];
        p.agree[i] >= self.needed && p.strength(i) > self.bar.level(plane)
    }

    /// Leaves only the seeds that `keep` allows, by column and row.
    pub(super) fn restrict(&mut self, keep: impl Fn(usize, usize) -> bool) {
        let w = self.seeds.width;
        self.seeds.set.iter_mut().enumerate().for_each(|(i, s)| *s &= keep(i % w, i / w));
    }

    /// Groups of seeds, strongest groups first where one lay within reach of a weaker.
    pub(super) fn candidates(&self) -> Vec<Candidate> {
        let mut found = Vec::new();
        self.group(&self.seeds, self.reach(), (LEVELS, true), &mut found);
        found
    }

    /// How far each of two parts of a mark reaches towards the other.
    pub(super) fn reach(&self) -> usize {
        let longer = self.seeds.width.max(self.seeds.height) as f32;
        ((longer * JOIN / 2.0) as usize).max(2)
    }

    /// Joins `seeds` within `reach` of each other into groups. Within a group the parts much weaker than the rest are set
    /// apart and grouped again: a mark often lies within reach of faint scenery that persists by chance. A group too large
    /// for a mark is grouped again with half the reach.
    fn group(&self, seeds: &Region, reach: usize, (levels, cuts): (usize, bool), found: &mut Vec<Candidate>) {
        let (w, h) = (seeds.width, seeds.height);
        for part in seeds.grown(reach, reach).parts() {
            let own: Vec<usize> = part.into_iter().filter(|i| seeds.set[*i]).collect();
            let Some(bounds) = bounds_of(&own, w) else { continue };
            if own.len() < FEWEST_SEEDS {
                continue;
            }
            let (strong, weak) = if levels == 0 { (own, Vec::new()) } else { self.divided(own, bounds) };
            let wide = bounds.area() as f32 > LARGEST * (w * h) as f32;
            let unfit = wide || is_rim(bounds, (w, h));
            if cuts && unfit && (levels == 0 || (weak.is_empty() && !(wide && reach > 2))) {
                self.group_constant(&strong, found);
                continue;
            }
            let wide = wide && reach > 2;
            if levels == 0 || (weak.is_empty() && !wide) {
                found.push(Candidate { bounds, seeds: strong, is_cut: !cuts });
                continue;
            }
            let reach = if wide { reach / 2 } else { reach };
            for side in [strong, weak] {
                let mut region = Region::new(w, h);
                side.iter().for_each(|i| region.set[*i] = true);
                self.group(&region, reach, (levels - 1, cuts), found);
            }
        }
    }

    /// Groups by themselves the samples of a group that cannot be a mark as a whole: what a mark draws over a moving scene
    /// is clear in all frames, while scenery that sways or is passed at times agrees in most. Of scenery that runs along the
    /// picture's border nothing near the border is taken.
    fn group_constant(&self, own: &[usize], found: &mut Vec<Candidate>) {
        let (w, h) = (self.seeds.width, self.seeds.height);
        let reach = self.reach();
        let inside = |i: usize| {
            let (x, y) = (i % w, i / w);
            x.min(w - 1 - x) >= reach && y.min(h - 1 - y) >= reach
        };
        let mut region = Region::new(w, h);
        own.iter().filter(|i| inside(**i) && self.is_constant(**i)).for_each(|i| region.set[*i] = true);
        self.group(&region, reach, (LEVELS, false), found);
    }

    /// Whether luma's sample `i` has a clear edge in all frames, but for one.
    fn is_constant(&self, i: usize) -> bool {
        let (x, y) = (i % self.seeds.width, i / self.seeds.width);
        self.planes.iter().enumerate().any(|(plane, p)| {
            let i = if plane == 0 { i } else { y / 2 * p.width + x / 2 };
            p.agree[i] + 1 >= self.frames && p.strength(i) > CLEAR * self.bar.level(plane)
        })
    }

    /// Divides a group into its strong parts and those whose mean slope is below [`FAINT`] of the group's upper quartile.
    /// Faint samples that are connected to strong ones but reach far beyond them go with the weak.
    fn divided(&self, own: Vec<usize>, bounds: Bounds) -> (Vec<usize>, Vec<usize>) {
        let w = self.seeds.width;
        let mut strengths: Vec<f32> = own.iter().map(|i| self.strength(*i)).collect();
        let upper = strengths.len() * 3 / 4;
        let (_, level, _) = strengths.select_nth_unstable_by(upper, f32::total_cmp);
        let level = *level * FAINT;
        let (mut strong, mut weak) = (Vec::new(), Vec::new());
        for part in parts_of(&own, bounds, w) {
            let mean = part.iter().map(|i| self.strength(*i)).sum::<f32>() / part.len().max(1) as f32;
            if mean < level { weak.extend(part) } else { strong.extend(part) }
        }
        let clear: Vec<usize> = strong.iter().copied().filter(|i| self.strength(*i) >= level).collect();
        let (Some(all), Some(core)) = (bounds_of(&strong, w), bounds_of(&clear, w)) else { return (strong, weak) };
        if (core.area() as f32) < CORE * all.area() as f32 {
            let mut near = Region::new(all.width(), all.height());
            let local = |i: usize| (i / w - all.y0) * all.width() + i % w - all.x0;
            clear.iter().for_each(|i| near.set[local(*i)] = true);
            let near = near.grown(SKIRT, SKIRT);
            let (kept, far): (Vec<usize>, Vec<usize>) = strong.into_iter().partition(|i| near.set[local(*i)]);
            weak.extend(far);
            strong = kept;
        }
        (strong, weak)
    }

    /// Share of the luma edges outside of `candidates` that are seeds, over all frames: 1 for a still scene.
    pub(super) fn stillness<'a>(&self, candidates: impl Iterator<Item = &'a Candidate>) -> f32 {
        let w = self.seeds.width;
        let (mut still, mut all) = self.edges_in(Bounds { x0: 0, y0: 0, x1: w, y1: self.seeds.height });
        let mut seen: Vec<Bounds> = Vec::new();
        for candidate in candidates {
            let own = candidate.bounds.grown(4, (w, self.seeds.height));
            if !seen.contains(&own) {
                let (s, a) = self.edges_in(own);
                (still, all) = (still.saturating_sub(s), all.saturating_sub(a));
                seen.push(own);
            }
        }
        still as f32 / all.max(1) as f32
    }

    /// Edges over all frames in `bounds`: those that are seeds, and all.
    fn edges_in(&self, bounds: Bounds) -> (u64, u64) {
        let w = self.seeds.width;
        let (mut still, mut all) = (0u64, 0u64);
        for y in bounds.y0..bounds.y1 {
            let edges = &self.planes[0].edge[y * w + bounds.x0..y * w + bounds.x1];
            for (edge, seed) in edges.iter().zip(&self.seeds.set[y * w + bounds.x0..y * w + bounds.x1]) {
                all += u64::from(*edge);
                still += if *seed { u64::from(*edge) } else { 0 };
            }
        }
        (still, all)
    }

    /// The largest mean slope of any plane at luma's sample `i`.
    pub(super) fn strength(&self, i: usize) -> f32 {
        let (x, y) = (i % self.seeds.width, i / self.seeds.width);
        let at = |plane: usize, p: &Persistence| if plane == 0 { i } else { y / 2 * p.width + x / 2 };
        self.planes.iter().enumerate().map(|(plane, p)| self.weighed(plane, at(plane, p))).fold(0.0, f32::max)
    }

    /// The mean slope of a plane's sample; chroma counts as much more as its seeds need less.
    fn weighed(&self, plane: usize, at: usize) -> f32 {
        self.planes[plane].strength(at) * (self.bar.luma / self.bar.level(plane))
    }
}

/// The connected parts of `seeds`, which lie in `bounds` of a plane `w` wide; a gap of two samples does not part them.
pub(super) fn parts_of(seeds: &[usize], bounds: Bounds, w: usize) -> Vec<Vec<usize>> {
    let mut local = Region::new(bounds.width(), bounds.height());
    for i in seeds {
        local.set[(i / w - bounds.y0) * bounds.width() + i % w - bounds.x0] = true;
    }
    let whole = |i: usize| (i / bounds.width() + bounds.y0) * w + i % bounds.width() + bounds.x0;
    let parts = local.grown(1, 1).parts();
    parts.into_iter().map(|part| part.into_iter().filter(|i| local.set[*i]).map(whole).collect()).collect()
}

/// Whether a box touches the border of a picture of that `size` and runs along two fifths of it or more.
pub(super) const fn is_rim(b: Bounds, (w, h): (usize, usize)) -> bool {
    let upright = (b.x0 <= 2 || b.x1 + 2 >= w) && b.height() * 5 > h * 2;
    upright || ((b.y0 <= 2 || b.y1 + 2 >= h) && b.width() * 5 > w * 2)
}

/// Takes out rows and columns along which a persistent edge runs on for half of the picture: black bars, frames of screens.
fn drop_lines(seeds: &mut Region) {
    let (w, h) = (seeds.width, seeds.height);
    let set = seeds.set.clone();
    for y in (0..h).filter(|y| longest_run((0..w).map(|x| set[y * w + x])) as f32 > LINE * w as f32) {
        for y in y.saturating_sub(2)..(y + 3).min(h) {
            seeds.set[y * w..(y + 1) * w].fill(false);
        }
    }
    for x in (0..w).filter(|x| longest_run((0..h).map(|y| set[y * w + x])) as f32 > LINE * h as f32) {
        for y in 0..h {
            seeds.set[y * w + x.saturating_sub(2)..y * w + (x + 3).min(w)].fill(false);
        }
    }
}

/// The longest run of `true`; gaps of up to two samples do not end it.
fn longest_run(line: impl Iterator<Item = bool>) -> usize {
    let (mut longest, mut run, mut gap) = (0, 0, 0);
    for on in line {
        if on {
            run += 1 + gap;
            gap = 0;
            longest = longest.max(run);
        } else {
            gap += 1;
            if gap > 2 {
                (run, gap) = (0, 0);
            }
        }
    }
    longest
}

#[cfg(test)]
mod tests;
