//! Marks of one colour and one opacity with hard edges, where the scene hardly moves: neither slopes nor spreads over time
//! say anything there, but the right matte takes an edge out of the picture all along the mark's border.
//!
//! For a share `s` that is let through and a colour `W`, labels are chosen so that the picture computed back changes least
//! over a few samples; that energy is submodular, so that its least value is a minimum cut. What the edges vote for is tried,
//! and the combination that takes most out of the picture is kept.

use rayon::prelude::*;

use super::cut::Energy;
use super::membrane::Membrane;
use super::morphology::{Area, dilated, parts, quantile};
use super::pairs::{Guess, Pair, Pictures, between, guesses};
use super::stack::{LANES, Stack};

/// Frames that are looked at.
const FRAMES: usize = 10;
const PAIRED: usize = 24;
/// Samples over which the picture is to change little: beyond what a mark's edge is smeared over.
const STEPS: [(isize, isize); 6] = [(4, 0), (0, 4), (3, 3), (3, -3), (1, 0), (0, 1)];
const FAR_STEPS: usize = 4;
/// What a border costs between two samples, in code values of 8 bits.
const BORDER: f32 = 6.0;
/// What a sample of the mark costs.
const COVERED: f32 = 0.3;
/// What a sample computed back costs outside the range that pictures have, per code value.
const RANGE: (f32, f32) = (8.0, 247.0);
const OUT_OF_RANGE: f32 = 4.0;
/// What a label costs where there cannot be a mark.
const NEVER: f32 = 1e4;
/// Changes under the mark are magnified with the codec's noise: they count by this power of what is let through.
const NOISY: f32 = 0.45;
/// Parts of fewer samples are chance, and so is a mark of less.
const LEAST_PART: usize = 8;
const LEAST: usize = 40;
/// Distance over which an edge is measured before and after.
const ACROSS: usize = 5;
/// More than this left of the edges around the mark, and it was none.
const MOST_LEFT: f32 = 0.75;
/// By how much a fit of the spreads may change the share that is let through.
const ADJUSTED: f32 = 0.06;
/// A luma this close to white or black is taken for it, unless that leaves more of the edges, by this share of them.
const NEARLY: f32 = 50.0;
const ALIKE: f32 = 0.04;
/// Distances from the border at which both sides are compared, in samples.
const INNER: f32 = 3.0;
const OUTER: f32 = 4.0;
/// Most of the opacity that samples may have at a distance outside of the border; what a drawn edge and the codec smear.
const RIM: [f32; 3] = [0.6, 0.25, 0.1];
/// Less is nothing.
const LEAST_ALPHA: f32 = 0.015;
/// Groups of frames for the rim.
const GROUPS: usize = 3;
/// Fewer pairs of samples say nothing.
const LEAST_PAIRS: usize = 30;
/// A border stands out where the scene beside it changes by less than this share of what the border does.
const MOST_NATURAL: f32 = 0.65;
/// How far from the border that is looked at, in samples: beyond the rim, and not elsewhere.
const BESIDE: (usize, usize) = (2, 14);
/// Standard deviation over time outside of the border from which on something moves, and the codec's variance.
const MOVES: f32 = 8.0;
const CODED: f32 = 1.5;

/// A mark of one colour.
pub(super) struct Flat {
    /// Opacity of every sample of luma.
    pub(super) alpha: Vec<f32>,
    /// Where it is not the rim's.
    pub(super) core: Area,
    pub(super) keep: f32,
    pub(super) colour: f32,
    /// Standard deviation of what is seen outside along the border, over places and frames, in code values of 8 bits: from
    /// a level background a colour and an opacity cannot be told apart.
    pub(super) spread: f32,
    /// What is left of the change across the border, as a share of what there was: .2 to .5 for right ones.
    pub(super) left: f32,
    /// The same of what both exceed the change beside the border by, which the scene has of its own; 1 where the border
    /// does not stand out from that.
    pub(super) excess: f32,
    /// The share that is let through by how much less samples inside change over time than those outside; `None` where
    /// nothing moves there or too little of the border is straight.
    pub(super) by_time: Option<f32>,
}

/// A labelling and what it was found for.
struct Found {
    guess: Guess,
    labels: Area,
    /// Change across the border before and after, in code values.
    before: f32,
    after: f32,
}

impl Found {
    fn left(&self) -> f32 {
        self.after / self.before.max(1.0)
    }
}

/// The mark of one colour in `allowed` that explains most; `hints` are tried besides what the edges say, `plain` is the luma of
/// white and black. `None` where none explains anything.
pub(super) fn flat(stack: &Stack<'_>, allowed: &Area, hints: &[Guess], plain: [f32; 2]) -> Option<Flat> {
    let pictures = Pictures::of(stack, PAIRED);
    if pictures.frames.len() < 2 || stack.width < 16 || stack.height < 16 {
        return None;
    }
    let few = Pictures::of(stack, FRAMES);
    let mut tried = guesses(stack, &pictures, allowed, plain);
    tried.extend_from_slice(hints);
    let try_one = |guess: Guess| {
        let labels = labelled(&few, guess, allowed)?;
        let (fitted, plain) = refined(&pictures, &labels, guess, plain);
        let (before, after) = crossed(&few, &labels, fitted);
        // Most marks are white or black, which leaves one unknown.
        let better =
            plain.map(|p| (p, crossed(&few, &labels, p).1)).filter(|(_, plain)| *plain < after + ALIKE * before);
        let (guess, after) = better.unwrap_or((fitted, after));
        Some(Found { guess, labels, before, after })
    };
    let all: Vec<Option<Found>> = tried.par_iter().map(|guess| try_one(*guess)).collect();
    let best = all.into_iter().flatten().max_by(|a, b| (a.before - a.after).total_cmp(&(b.before - b.after)))?;
    if best.left() > MOST_LEFT {
        return None;
    }
    let found = try_one(best.guess)?;
    let (alpha, core) = softened(stack, &found);
    let left = found.left();
    let spread = spread(&few, &found.labels);
    let natural = beside(&few, &found.labels) * crossings(&found.labels, few.width) as f32;
    let excess =
        if natural < MOST_NATURAL * found.before { (found.after - natural) / (found.before - natural) } else { 1.0 };
    let by_time = by_time(&pictures, &found.labels);
    Some(Flat { alpha, core, keep: found.guess.0, colour: found.guess.1, spread, left, excess, by_time })
}

/// Where a mark of `guess` lies.
fn labelled(few: &Pictures, (keep, colour): Guess, allowed: &Area) -> Option<Area> {
    let (width, height) = (few.width, few.height());
    let add = (1.0 - keep) * colour;
    let back: Vec<Vec<f32>> = few.frames.iter().map(|f| f.iter().map(|v| (v - add) / keep).collect()).collect();
    let share = 1.0 / few.frames.len() as f32;
    let mut energy = Energy::new(width, height, &STEPS);
    for k in 0..width * height {
        if !allowed[k] {
            energy.prefer(k, NEVER);
            continue;
        }
        let off: f32 = back.iter().map(|f| (RANGE.0 - f[k]).max(0.0) + (f[k] - RANGE.1).max(0.0)).sum();
        energy.prefer(k, COVERED + OUT_OF_RANGE * off * share);
    }
    let noisy = keep.powf(NOISY);
    for step in 0..FAR_STEPS {
        for k in 0..width * height {
            let Some(q) = energy.neighbour(step, k).filter(|q| allowed[k] || allowed[*q]) else { continue };
            let mut costs = [0.0f32; 4];
            for (seen, back) in few.frames.iter().zip(&back) {
                let pairs = [(seen[k], seen[q]), (seen[k], back[q]), (back[k], seen[q]), (back[k], back[q])];
                costs.iter_mut().zip(pairs).for_each(|(c, (a, b))| *c += (a - b).abs() * share);
            }
            costs[3] *= noisy;
            energy.couple(step, (k, q), costs);
        }
    }
    for step in FAR_STEPS..STEPS.len() {
        (0..width * height).for_each(|k| energy.divide(step, k, BORDER));
    }
    let mut labels = energy.labels();
    for part in parts(&labels, width).iter().filter(|part| part.len() < LEAST_PART) {
        part.iter().for_each(|k| labels[*k] = false);
    }
    (labels.iter().filter(|l| **l).count() >= LEAST).then_some(labels)
}

/// The pairs of samples whose change across the border of `labels` is looked at: the one inside first.
fn across(labels: &Area, width: usize) -> impl Iterator<Item = (usize, usize)> {
    [(ACROSS, 1), (ACROSS * width, width)].into_iter().flat_map(move |(step, unit)| {
        (0..labels.len() - step)
            .filter(move |k| unit > 1 || k % width + step < width)
            .filter(move |k| labels[*k] != labels[k + step])
            .map(move |k| if labels[k] { (k, k + step) } else { (k + step, k) })
    })
}

/// How many those are.
fn crossings(labels: &Area, width: usize) -> usize {
    across(labels, width).count()
}

/// Change across the border of `labels` before and after the mark is computed away, in code values a frame.
fn crossed(few: &Pictures, labels: &Area, (keep, colour): Guess) -> (f32, f32) {
    let add = (1.0 - keep) * colour;
    let (mut before, mut after) = (0.0, 0.0);
    for (inside, outside) in across(labels, few.width) {
        for frame in &few.frames {
            before += (frame[inside] - frame[outside]).abs();
            after += ((frame[inside] - add) / keep - frame[outside]).abs();
        }
    }
    let count = few.frames.len() as f32;
    (before / count, after / count)
}

/// Mean change over the same distance between samples that lie beside the mark of `labels`, in code values.
fn beside(few: &Pictures, labels: &Area) -> f32 {
    let width = few.width;
    let (near, far) = (dilated(labels, width, BESIDE.0), dilated(labels, width, BESIDE.1));
    let ring = |k: usize| far[k] && !near[k];
    let (mut sum, mut count) = (0.0f32, 0.0f32);
    for (step, unit) in [(ACROSS, 1), (ACROSS * width, width)] {
        for k in (0..labels.len() - step).filter(|k| unit > 1 || k % width + step < width) {
            if ring(k) && ring(k + step) {
                sum += few.frames.iter().map(|f| (f[k] - f[k + step]).abs()).sum::<f32>();
                count += few.frames.len() as f32;
            }
        }
    }
    sum / count.max(1.0)
}

/// Standard deviation of what is seen just outside of `labels`, over places and frames.
fn spread(few: &Pictures, labels: &Area) -> f32 {
    let (near, far) = (dilated(labels, few.width, 2), dilated(labels, few.width, ACROSS));
    let (mut n, mut sum, mut squares) = (0.0f64, 0.0f64, 0.0f64);
    for frame in &few.frames {
        for k in (0..labels.len()).filter(|k| far[*k] && !near[*k]) {
            let v = f64::from(frame[k]);
            (n, sum, squares) = (n + 1.0, sum + v, squares + v * v);
        }
    }
    let mean = sum / n.max(1.0);
    (squares / n.max(1.0) - mean * mean).max(0.0).sqrt() as f32
}

/// What is seen over frames on both sides of the border of `labels`, inside first, where both are clear of other parts of it.
fn sides(pictures: &Pictures, labels: &Area) -> Vec<Pair> {
    let (width, height) = (pictures.width, pictures.height());
    let away = signed(labels, width);
    let mut pairs: Vec<Pair> = Vec::new();
    for k in (0..labels.len()).filter(|k| away[*k].abs() < 1.1) {
        let (x, y) = (k % width, k / width);
        if x < 3 || y < 3 || x + 3 >= width || y + 3 >= height {
            continue;
        }
        // The way into the mark.
        let wide = |step: usize, across: usize| {
            let line = |k: usize| away[k - across] + 2.0 * away[k] + away[k + across];
            line(k + step) - line(k - step) + 0.5 * (line(k + 2 * step) - line(k - 2 * step))
        };
        let (gx, gy) = (wide(1, width), wide(width, 1));
        let size = gx.hypot(gy);
        if size < 4.0 {
            continue;
        }
        let place = |far: f32| (x as f32 + far * gx / size, y as f32 + far * gy / size);
        let (inner, outer) = (place(INNER), place(-OUTER));
        if between(&away, width, inner.0, inner.1) <= 1.6 || between(&away, width, outer.0, outer.1) >= -2.2 {
            continue;
        }
        let side = |(x, y): (f32, f32)| (0..pictures.frames.len()).map(|f| pictures.between(f, x, y)).collect();
        pairs.push((side(inner), side(outer)));
    }
    pairs
}

/// The share that is let through by the changes over time alone, of all places together; what does not move, however strong its
/// edges, says nothing here.
fn by_time(pictures: &Pictures, labels: &Area) -> Option<f32> {
    let pairs = sides(pictures, labels);
    if pairs.len() < LEAST_PAIRS {
        return None;
    }
    let variance = |v: &[f32]| {
        let mean = v.iter().sum::<f32>() / v.len() as f32;
        v.iter().map(|x| (x - mean).powi(2)).sum::<f32>() / v.len() as f32
    };
    let mean = |side: fn(&Pair) -> &Vec<f32>| {
        (pairs.iter().map(|pair| variance(side(pair))).sum::<f32>() / pairs.len() as f32 - CODED).max(0.0)
    };
    let (inside, outside) = (mean(|pair| &pair.0), mean(|pair| &pair.1));
    (outside > MOVES * MOVES).then(|| (inside / outside).sqrt())
}

/// The same mark with what is let through as the ratio of the spreads on both sides of the border, which is right where the
/// scene is alike on both; a slope would be too small by what is not.
///
/// Beside it, where its luma is near one of `plain`, what is let through if it is that.
fn refined(pictures: &Pictures, labels: &Area, (keep, colour): Guess, plain: [f32; 2]) -> (Guess, Option<Guess>) {
    let pairs = sides(pictures, labels);
    if pairs.len() < LEAST_PAIRS {
        return ((keep, colour), None);
    }
    let moments = |v: &mut dyn Iterator<Item = f32>| {
        let (mut n, mut sum, mut squares) = (0.0f64, 0.0f64, 0.0f64);
        for v in v {
            (n, sum, squares) = (n + 1.0, sum + f64::from(v), squares + f64::from(v).powi(2));
        }
        let mean = sum / n.max(1.0);
        (mean as f32, (squares / n.max(1.0) - mean * mean).max(0.0).sqrt() as f32)
    };
    let each: Vec<[(f32, f32); 2]> =
        pairs.iter().map(|(a, b)| [moments(&mut a.iter().copied()), moments(&mut b.iter().copied())]).collect();
    let [whole_in, whole_out] = [
        moments(&mut pairs.iter().flat_map(|(a, _)| a.iter().copied())),
        moments(&mut pairs.iter().flat_map(|(_, b)| b.iter().copied())),
    ];
    let fitted = if quantile(each.iter().map(|[_, b]| b.1), 0.5) > 6.0 {
        quantile(each.iter().map(|[a, b]| a.1 / b.1.max(3.0)), 0.5)
    } else if whole_out.1 > 8.0 {
        whole_in.1 / whole_out.1
    } else {
        keep
    };
    let fitted = fitted.clamp(keep - ADJUSTED, keep + ADJUSTED).clamp(0.05, 0.97);
    let shade = quantile(each.iter().map(|[a, b]| (a.0 - fitted * b.0) / (1.0 - fitted)), 0.5);
    let fitted = if (8.0..=262.0).contains(&shade) { (fitted, shade) } else { (keep, colour) };
    let means: Vec<(f32, f32)> = each.iter().map(|[a, b]| (a.0, b.0)).collect();
    let nearest = plain.into_iter().min_by(|a, b| (a - fitted.1).abs().total_cmp(&(b - fitted.1).abs()));
    let plain = nearest.filter(|p| (p - fitted.1).abs() < NEARLY).map(|p| {
        let apart = means.iter().filter(|(_, b)| (p - b).abs() > 20.0);
        (quantile(apart.map(|(a, b)| (p - a) / (p - b)), 0.5).clamp(0.05, 0.97), p)
    });
    (fitted, plain)
}

/// Distance of every sample from the border of `labels`, positive inside: 3-4 chamfer (Borgefors 1986), in samples.
fn signed(labels: &Area, width: usize) -> Vec<f32> {
    let distance = |of: bool| {
        let height = labels.len() / width.max(1);
        let mut out: Vec<i32> = labels.iter().map(|l| if *l == of { 1 << 20 } else { 0 }).collect();
        let mut pass = |forward: bool| {
            for n in 0..out.len() {
                let k = if forward { n } else { out.len() - 1 - n };
                let (x, y) = ((k % width) as isize, (k / width) as isize);
                for (dx, dy, cost) in [(-1, 0, 3), (-1, -1, 4), (0, -1, 3), (1, -1, 4)] {
                    let (dx, dy) = if forward { (dx, dy) } else { (-dx, -dy) };
                    let (qx, qy) = (x + dx, y + dy);
                    if qx >= 0 && qy >= 0 && qx < width as isize && qy < height as isize {
                        out[k] = out[k].min(out[(qy * width as isize + qx) as usize] + cost);
                    }
                }
            }
        };
        pass(true);
        pass(false);
        out
    };
    let (inside, outside) = (distance(true), distance(false));
    inside.iter().zip(&outside).map(|(i, o)| (i - o) as f32 / 3.0).collect()
}

/// The opacity of every sample, and where it is the mark's own: along the border it is the least-squares share of the
/// colour between what is computed back inside and what is seen outside.
fn softened(stack: &Stack<'_>, found: &Found) -> (Vec<f32>, Area) {
    let ((keep, colour), width) = (found.guess, stack.width);
    let outside: Area = found.labels.iter().map(|l| !l).collect();
    let core: Area = dilated(&outside, width, 1).iter().map(|o| !o).collect();
    let band: Area = dilated(&found.labels, width, RIM.len()).iter().zip(&core).map(|(d, c)| *d && !c).collect();
    let membrane = Membrane::new(&band, width);
    let mut sums = vec![[0.0f32; 2]; stack.len()];
    let groups = stack.groups();
    for first in groups.iter().step_by(groups.len().div_ceil(GROUPS).max(1)) {
        let (seen, count) = stack.lanes(*first);
        let mut behind = seen.clone();
        for k in (0..stack.len()).filter(|k| core[*k]) {
            behind[k].iter_mut().for_each(|v| *v = (*v - (1.0 - keep) * colour) / keep);
        }
        membrane.fill(&mut behind);
        for k in (0..stack.len()).filter(|k| band[*k]) {
            for lane in 0..count.min(LANES) {
                let room = colour - behind[k][lane];
                sums[k][0] += (seen[k][lane] - behind[k][lane]) * room / count as f32;
                sums[k][1] += room * room / count as f32;
            }
        }
    }
    let away = signed(&found.labels, width);
    let alpha = (0..stack.len()).map(|k| {
        if core[k] {
            return 1.0 - keep;
        }
        if !band[k] {
            return 0.0;
        }
        let most = if found.labels[k] { 1.0 } else { RIM[((-away[k]).round() as usize).clamp(1, RIM.len()) - 1] };
        let alpha = (sums[k][0] / (sums[k][1] + 10.0)).clamp(0.0, most * (1.0 - keep));
        if alpha < LEAST_ALPHA { 0.0 } else { alpha }
    });
    (alpha.collect(), core)
}
