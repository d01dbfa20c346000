//! Marks that hop: what is steady within a window and recurs in other windows at other places.

use rayon::prelude::*;

use super::field::Field;
use super::template::{Match, Template};
use super::windows::{Glimpse, STEEP, median};
use crate::frame::FrameIdx;
use crate::locate::region::{Bounds, Region, bounds_of};

/// A patch has at least so many steady samples, and sides of at least so many.
const FEWEST: usize = 60;
const SIDES: (usize, usize) = (10, 6);
/// Its sides take at most this share of the picture's.
const LARGEST: (f32, f32) = (0.35, 0.3);
/// Steady samples within this share of the width belong together.
const JOIN: f32 = 0.01;
/// Patches of a window that are searched for in others, the steepest first, at each of two levels of steepness: swaying leaves
/// have faint slopes all around a mark.
const PATCHES: usize = 6;
const LEVELS: [f32; 2] = [STEEP, 3.0 * STEEP];
/// A patch recurs where it is so alike.
const ALIKE: f32 = 0.5;
/// Patches below this spread are straight edges, which are found anywhere along themselves.
const STRAIGHT: f32 = 0.15;
/// Patches that are pooled over their places, those that recur most.
const POOLED: usize = 4;
/// What counts of a likeness: less is found anywhere.
const CHANCE: f32 = 0.3;
/// Samples by which a template's box exceeds its patch.
const MARGIN: usize = 4;
/// Over the windows, the median likeness at the best place, and by how much it exceeds that at the second best (restoration
/// notes, section 3: true marks .60-.96 and .50-.94; clean clips .34 and .45 at most).
const LEAST_LIKE: f32 = 0.55;
const LEAST_EXCLUSIVE: f32 = 0.3;

/// A mark that may hop.
#[derive(Clone, Debug)]
pub(super) struct Hopper {
    pub(super) template: Template,
    /// Median over the windows of the likeness at the best place, and what it exceeds the second best place by.
    pub(super) likeness: f32,
    pub(super) exclusive: f32,
    /// Places where more than one window shows it.
    pub(super) places: usize,
}

impl Hopper {
    /// Whether it is at one place at a time, and no scenery.
    pub(super) fn is_exclusive(&self) -> bool {
        self.places > 1
            && self.template.spread > STRAIGHT
            && self.likeness >= LEAST_LIKE
            && self.exclusive >= LEAST_EXCLUSIVE
    }
}

/// The patch that recurs most at other places; `None` where none does.
pub(super) fn find(glimpses: &[Glimpse]) -> Option<Hopper> {
    let base = base(glimpses);
    let novel: Vec<Novel> = glimpses.iter().map(|glimpse| Novel::of(glimpse, &base)).collect();
    let glimpses = novel.as_slice();
    let mut patches: Vec<(usize, Bounds, Template)> = Vec::new();
    for (n, glimpse) in glimpses.iter().enumerate() {
        for bounds in LEVELS.iter().flat_map(|level| patches_of(&glimpse.steady, *level)) {
            let template = Template::of(&glimpse.steady, (bounds.x0, bounds.y0, bounds.width(), bounds.height()));
            if template.spread > STRAIGHT {
                patches.push((n, bounds, template));
            }
        }
    }
    let mut scored: Vec<(f32, usize, Bounds)> =
        patches.par_iter().map(|(n, bounds, t)| (recurrence(glimpses, *n, *bounds, t), *n, *bounds)).collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0));
    let pooled = scored.iter().take(POOLED).filter(|s| s.0 > 0.0).map(|(_, n, bounds)| pooled(glimpses, *n, *bounds));
    pooled.max_by(|a, b| a.is_exclusive().cmp(&b.is_exclusive()).then(a.exclusive.total_cmp(&b.exclusive)))
}

/// What is steady in a window, but not in most: a mark that hops is found by it alone, also before scenery that stands still.
struct Novel {
    frames: (FrameIdx, FrameIdx),
    steady: Field,
    half: Field,
}

impl Novel {
    fn of(glimpse: &Glimpse, base: &Field) -> Self {
        let steady = difference(&glimpse.steady, base);
        Self { frames: glimpse.frames, half: steady.halved(), steady }
    }
}

/// What is steady through most windows: the scenery of a still camera.
fn base(glimpses: &[Glimpse]) -> Field {
    let Some(first) = glimpses.first() else { return Field::default() };
    let (w, h) = (first.steady.width, first.steady.height);
    let mut out = Field::flat(w, h);
    out.x.par_chunks_mut(w).zip(out.y.par_chunks_mut(w)).enumerate().for_each(|(row, (out_x, out_y))| {
        let mut room = Vec::with_capacity(glimpses.len());
        for column in 0..w {
            let i = row * w + column;
            out_x[column] = median(glimpses.iter().map(|g| g.steady.x[i]), &mut room);
            out_y[column] = median(glimpses.iter().map(|g| g.steady.y[i]), &mut room);
        }
    });
    out
}

/// The steady slopes that differ clearly from the base.
fn difference(steady: &Field, base: &Field) -> Field {
    let mut out = Field::flat(steady.width, steady.height);
    for i in 0..out.x.len() {
        let [x, y] = steady.at(i);
        let [bx, by] = base.at(i);
        if (x, y) != (0.0, 0.0) && (x - bx).hypot(y - by) > STEEP {
            (out.x[i], out.y[i]) = (steady.x[i].saturating_sub(base.x[i]), steady.y[i].saturating_sub(base.y[i]));
        }
    }
    out
}

/// Groups of samples with slopes above `level` that have the size of a mark, the steepest first.
fn patches_of(field: &Field, level: f32) -> Vec<Bounds> {
    let (w, h) = (field.width, field.height);
    let mut set = Region::new(w, h);
    set.set.iter_mut().enumerate().for_each(|(i, s)| *s = field.size(i) > level);
    let reach = ((w as f32 * JOIN) as usize).max(2);
    let mut found: Vec<(f32, Bounds)> = Vec::new();
    for part in set.grown(reach, 2).parts() {
        let own: Vec<usize> = part.into_iter().filter(|i| set.set[*i]).collect();
        let Some(b) = bounds_of(&own, w) else { continue };
        let fits = b.width() as f32 <= LARGEST.0 * w as f32 && b.height() as f32 <= LARGEST.1 * h as f32;
        if own.len() >= FEWEST && b.width() >= SIDES.0 && b.height() >= SIDES.1 && fits {
            found.push((own.iter().map(|i| field.size(*i)).sum(), b));
        }
    }
    found.sort_by(|a, b| b.0.total_cmp(&a.0));
    found.truncate(PATCHES);
    found.into_iter().map(|f| f.1).collect()
}

/// How much of `template`, which lies at `bounds` in window `n`, is found at one other place alone in other windows.
fn recurrence(glimpses: &[Novel], n: usize, bounds: Bounds, template: &Template) -> f32 {
    let own = glimpses[n].frames;
    let weight = (template.len() as f32).sqrt();
    let others = glimpses.iter().filter(|g| g.frames.1 <= own.0 || g.frames.0 >= own.1);
    let scores = others.map(|g| {
        let matches = template.find(&g.steady, &g.half);
        let Some(best) = matches.first().filter(|m| m.likeness > ALIKE) else { return 0.0 };
        if !template.is_apart((best.x, best.y), (bounds.x0, bounds.y0)) {
            return 0.0;
        }
        // Stripes and scenery that stays are also found elsewhere, or still at home.
        let home = template.refine(&g.steady, bounds.x0, bounds.y0, 2).likeness;
        let other = matches.iter().find(|m| template.is_apart((m.x, m.y), (best.x, best.y)));
        (best.likeness - home.max(other.map_or(0.0, |m| m.likeness)).max(CHANCE)).max(0.0)
    });
    scores.sum::<f32>() * weight
}

/// The template pooled over its places: windows that agree are aligned and averaged, twice, and searched again.
fn pooled(glimpses: &[Novel], n: usize, bounds: Bounds) -> Hopper {
    let (w, h) = (glimpses[n].steady.width, glimpses[n].steady.height);
    let b = bounds.grown(MARGIN, (w, h));
    let mut template = Template::of(&glimpses[n].steady, (b.x0, b.y0, b.width(), b.height()));
    for _ in 0..2 {
        let mut sums = vec![[0.0f32; 2]; template.width * template.height];
        let mut weight = 0.0;
        for (g, m) in glimpses.iter().filter_map(|g| Some((g, best(&template, g)?))) {
            weight += m.likeness;
            for (row, sums) in sums.chunks_mut(template.width).enumerate() {
                for (column, sum) in sums.iter_mut().enumerate() {
                    let [x, y] = g.steady.at((m.y + row) * w + m.x + column);
                    *sum = [sum[0] + m.likeness * x, sum[1] + m.likeness * y];
                }
            }
        }
        let mut mean = Field::flat(template.width, template.height);
        for (i, [x, y]) in sums.into_iter().enumerate().filter(|_| weight > 0.0) {
            (mean.x[i], mean.y[i]) = ((x / weight) as i8, (y / weight) as i8);
        }
        template = Template::of(&mean, (0, 0, mean.width, mean.height));
    }
    let matches: Vec<Match> = glimpses.iter().filter_map(|g| best(&template, g)).collect();
    let mut places: Vec<(usize, usize)> = Vec::new();
    let mut order: Vec<&Match> = matches.iter().collect();
    order.sort_by(|a, b| b.likeness.total_cmp(&a.likeness));
    for m in order {
        if places.iter().all(|p| template.is_apart(*p, (m.x, m.y))) {
            places.push((m.x, m.y));
        }
    }
    let (mut tops, mut margins) = (Vec::new(), Vec::new());
    let mut seen = vec![0; places.len()];
    for g in glimpses {
        let mut at: Vec<f32> = places.iter().map(|p| template.refine(&g.steady, p.0, p.1, 1).likeness).collect();
        seen.iter_mut().zip(&at).for_each(|(seen, like)| *seen += usize::from(*like > LEAST_LIKE));
        at.sort_by(|a, b| b.total_cmp(a));
        if let [first, rest @ ..] = at.as_slice() {
            tops.push(*first);
            margins.push(first - rest.first().copied().unwrap_or(0.0));
        }
    }
    let places = seen.iter().filter(|seen| **seen > 1).count();
    Hopper { template, likeness: middle(tops), exclusive: middle(margins), places }
}

fn best(template: &Template, glimpse: &Novel) -> Option<Match> {
    template.find(&glimpse.steady, &glimpse.half).first().copied().filter(|m| m.likeness > ALIKE)
}

/// The median; 0 of none.
pub(super) fn middle(mut values: Vec<f32>) -> f32 {
    let at = values.len() / 2;
    if values.is_empty() { 0.0 } else { *values.select_nth_unstable_by(at, f32::total_cmp).1 }
}
