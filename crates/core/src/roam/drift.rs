//! Marks that drift: slopes that add up along a velocity of their own.
//!
//! Fields of a window are summed along every velocity, pairs first, then pairs of pairs (as the fast discrete Radon transform
//! of Götz and Druckmüller, Pattern Recognition 29, 1996, does along lines). Blocks in which much adds up along a velocity that
//! the rest of the picture does not have are candidates.

use rayon::prelude::*;

use super::field::Field;
use super::hop::middle;
use super::template::Template;
use super::windows::{Glimpse, median, steady};
use crate::locate::region::{Bounds, Region};

/// Frames that are summed.
const SUMMED: usize = 8;
/// Displacement over these frames at most, in half working samples, either way.
const REACH: i32 = 24;
/// Block of half working samples for which sums are compared, and blocks a side that are worked on at a time.
const BLOCK: (usize, usize) = (16, 9);
const TILE: usize = 4;
/// A velocity stands out in a block by so many standard deviations over all velocities.
const STANDS_OUT: f32 = 4.0;
/// Velocities of a block, and how far apart they lie.
const PEAKS: usize = 4;
const APART: i32 = 2;
/// Sides of a mark at most, in shares of the picture.
const LARGEST: (f32, f32) = (0.4, 0.35);
/// Share of the blocks with a velocity that a candidate must hold.
const OWN: f32 = 0.5;
/// Candidates of a window that are looked at, and templates that are kept of them.
const TRIED: usize = 12;
const MOST: usize = 6;
/// Steady samples that a candidate's template needs.
const FEWEST: usize = 60;
/// Templates below this spread are straight edges.
const STRAIGHT: f32 = 0.15;
/// Median likeness in single frames, and its excess over other places, of what is looked for in all frames (marks of the bench:
/// .44-.96 and .30-.67; scenery .10 at most).
const LEAST_LIKE: f32 = 0.35;
const LEAST_EXCLUSIVE: f32 = 0.18;
const LEAST_MOVES: f32 = 0.6;
/// Drifters that are followed at most.
const FOLLOWED: usize = 3;
/// Displacement in working samples below which a thing stands still.
const STILL: i32 = 2;

/// A patch that moves by itself in a window.
#[derive(Clone, Debug)]
pub(super) struct Drifter {
    pub(super) template: Template,
}

/// How a template is found in the first frames of all windows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Recurrence {
    /// Median likeness at the best place, and median of what it exceeds other places by.
    pub(super) likeness: f32,
    pub(super) exclusive: f32,
    /// Share of the windows in which it is no longer where it was in the one before.
    moves: f32,
}

impl Recurrence {
    /// Whether it is worth being looked for in all frames.
    pub(super) fn is_clear(&self) -> bool {
        self.likeness >= LEAST_LIKE && self.exclusive >= LEAST_EXCLUSIVE && self.moves >= LEAST_MOVES
    }
}

/// The drifters that recur most exclusively, those first that are worth following.
pub(super) fn likeliest(glimpses: &[Glimpse], slow: &[Drifter]) -> Vec<(Template, Recurrence)> {
    let all: Vec<&Template> = glimpses.iter().flat_map(|g| &g.drifters).chain(slow).map(|d| &d.template).collect();
    let figures: Vec<Recurrence> = all.par_iter().map(|t| recurrence(t, glimpses)).collect();
    let mut order: Vec<usize> = (0..all.len()).collect();
    order.sort_by(|a, b| {
        let (a, b) = (&figures[*a], &figures[*b]);
        b.is_clear().cmp(&a.is_clear()).then(b.exclusive.total_cmp(&a.exclusive))
    });
    order.into_iter().take(FOLLOWED).map(|n| (all[n].clone(), figures[n])).collect()
}

fn recurrence(template: &Template, glimpses: &[Glimpse]) -> Recurrence {
    let (mut tops, mut margins, mut moves) = (Vec::new(), Vec::new(), 0);
    let mut last: Option<(usize, usize)> = None;
    for g in glimpses {
        let matches = template.find(&g.first, &g.first_half);
        let Some(best) = matches.first() else { continue };
        let other = matches.iter().find(|m| template.is_apart((m.x, m.y), (best.x, best.y)));
        tops.push(best.likeness);
        margins.push(best.likeness - other.map_or(0.0, |m| m.likeness));
        moves += usize::from(last.is_some_and(|l| l.0.abs_diff(best.x).max(l.1.abs_diff(best.y)) > 1));
        last = Some((best.x, best.y));
    }
    let moves = moves as f32 / tops.len().saturating_sub(1).max(1) as f32;
    Recurrence { likeness: middle(tops), exclusive: middle(margins), moves }
}

/// Which of `count` frames are summed: evenly spaced from the first.
fn summed(count: usize) -> Option<usize> {
    let step = count.checked_sub(1)? / (SUMMED - 1);
    (step > 0).then_some(step)
}

/// Patches of a window that move by themselves, those that stand out most first. `fields` are evenly spaced in time.
pub(super) fn find(fields: &[&Field]) -> Vec<Drifter> {
    let Some(step) = summed(fields.len()) else { return Vec::new() };
    let mut halves: Vec<Field> = (0..SUMMED).map(|i| fields[i * step].halved()).collect();
    without_standing(&mut halves);
    let blocks = Blocks::of(&halves);
    let mut found = Vec::new();
    for (bounds, velocity) in blocks.candidates().into_iter().take(TRIED) {
        let span = (SUMMED - 1) * step;
        found.extend(template(fields, bounds, velocity, span));
    }
    found.truncate(MOST);
    found
}

/// Takes out what stands still: the medians over all fields.
fn without_standing(fields: &mut [Field]) {
    let mut room = Vec::with_capacity(fields.len());
    for i in 0..fields[0].x.len() {
        let x = median(fields.iter().map(|f| f.x[i]), &mut room);
        let y = median(fields.iter().map(|f| f.y[i]), &mut room);
        for field in &mut *fields {
            (field.x[i], field.y[i]) = (field.x[i].saturating_sub(x), field.y[i].saturating_sub(y));
        }
    }
}

/// A velocity in half working samples over the summed frames, and the energy that it has more than others.
type Peak = ((i32, i32), f32);

/// What adds up in every block of half working samples, along every velocity.
struct Blocks {
    across: usize,
    down: usize,
    /// Velocities that stand out, by block, with the energy that they have more than others, strongest first.
    peaks: Vec<Vec<Peak>>,
}

impl Blocks {
    fn of(fields: &[Field]) -> Self {
        let (w, h) = (fields[0].width, fields[0].height);
        let (across, down) = (w / BLOCK.0, h / BLOCK.1);
        let tiles: Vec<(usize, usize)> =
            (0..down).step_by(TILE).flat_map(|y| (0..across).step_by(TILE).map(move |x| (x, y))).collect();
        let parts: Vec<Vec<(usize, Vec<Peak>)>> = tiles
            .par_iter()
            .map(|(bx, by)| {
                let size = (TILE.min(across - bx), TILE.min(down - by));
                let sums = tile_sums(fields, (bx * BLOCK.0, by * BLOCK.1), size);
                let own = |n: usize| (by + n / size.0) * across + bx + n % size.0;
                sums.iter().enumerate().map(|(n, energies)| (own(n), peaks(energies))).collect()
            })
            .collect();
        let mut all = vec![Vec::new(); across * down];
        for (n, peaks) in parts.into_iter().flatten() {
            all[n] = peaks;
        }
        Self { across, down, peaks: all }
    }

    /// Groups of neighbouring blocks with a velocity that few others have, in working samples, strongest first.
    fn candidates(&self) -> Vec<(Bounds, (i32, i32))> {
        let mut list: Vec<(f32, Bounds, (i32, i32))> = Vec::new();
        let mut order: Vec<(usize, (i32, i32), f32)> =
            self.peaks.iter().enumerate().flat_map(|(n, p)| p.iter().map(move |(v, z)| (n, *v, *z))).collect();
        order.sort_by(|a, b| b.2.total_cmp(&a.2).then(a.0.cmp(&b.0)));
        for (seed, v, _) in order {
            if v.0.abs().max(v.1.abs()) < STILL {
                continue;
            }
            let near = |n: usize| {
                let same = |p: &&Peak| (p.0.0 - v.0).abs() <= 1 && (p.0.1 - v.1).abs() <= 1;
                self.peaks[n].iter().find(same).map(|p| p.1)
            };
            let mut set = Region::new(self.across, self.down);
            (0..set.set.len()).for_each(|n| set.set[n] = near(n).is_some());
            let all = set.set.iter().filter(|s| **s).count();
            let Some(part) = set.parts().into_iter().find(|part| part.contains(&seed)) else { continue };
            let Some(b) = crate::locate::region::bounds_of(&part, self.across) else { continue };
            let fits =
                b.width() as f32 <= LARGEST.0 * self.across as f32 && b.height() as f32 <= LARGEST.1 * self.down as f32;
            let known = list.iter().any(|(_, o, u)| {
                o.x0 < 2 * BLOCK.0 * b.x1
                    && 2 * BLOCK.0 * b.x0 < o.x1
                    && o.y0 < 2 * BLOCK.1 * b.y1
                    && 2 * BLOCK.1 * b.y0 < o.y1
                    && (u.0 - 2 * v.0).abs() <= 4
                    && (u.1 - 2 * v.1).abs() <= 4
            });
            if !fits || known || (part.len() as f32) < OWN * all as f32 {
                continue;
            }
            let weight: f32 = part.iter().filter_map(|n| near(*n)).sum();
            let bounds = Bounds {
                x0: 2 * BLOCK.0 * b.x0,
                y0: 2 * BLOCK.1 * b.y0,
                x1: 2 * BLOCK.0 * b.x1,
                y1: 2 * BLOCK.1 * b.y1,
            };
            list.push((weight, bounds, (2 * v.0, 2 * v.1)));
        }
        list.sort_by(|a, b| b.0.total_cmp(&a.0));
        list.into_iter().map(|c| (c.1, c.2)).collect()
    }
}

/// Sums of slopes over a box that is larger than a tile.
#[derive(Clone)]
struct Sum {
    /// Columns and rows of the box, and where it begins against the tile.
    size: (usize, usize),
    margin: i32,
    slopes: Vec<[i16; 2]>,
}

impl Sum {
    fn row(&self, x: i32, y: i32, n: usize) -> &[[i16; 2]] {
        let from = (y + self.margin) as usize * self.size.0 + (x + self.margin) as usize;
        &self.slopes[from..from + n]
    }
}

/// For each block of a tile (its first column and row in half working samples) the energy of the sums along each velocity.
fn tile_sums(fields: &[Field], (x0, y0): (usize, usize), (bw, bh): (usize, usize)) -> Vec<Vec<f32>> {
    let (w, h) = (bw * BLOCK.0, bh * BLOCK.1);
    let lift = |field: &Field, margin: i32| {
        let size = (w + 2 * margin as usize, h + 2 * margin as usize);
        let mut slopes = vec![[0i16; 2]; size.0 * size.1];
        for row in 0..size.1 {
            let Some(y) = (y0 + row).checked_sub(margin as usize).filter(|y| *y < field.height) else { continue };
            for column in 0..size.0 {
                let Some(x) = (x0 + column).checked_sub(margin as usize).filter(|x| *x < field.width) else { continue };
                let i = y * field.width + x;
                slopes[row * size.0 + column] = [i16::from(field.x[i]), i16::from(field.y[i])];
            }
        }
        Sum { size, margin, slopes }
    };
    // Displacements between the first and the last frame of a pair, of four and of eight frames.
    let scaled = |d: i32, steps: i32| (d * steps * 2 + 7 * d.signum()) / 14;
    let (four, pair) = (scaled(REACH, 3) + 1, scaled(REACH, 1) + 1);
    let start4 = scaled(REACH, 4) + 1;
    let whole: Vec<Sum> = fields.iter().map(|f| lift(f, REACH + 4)).collect();
    let grid = |reach: i32| (-reach..=reach).flat_map(move |dy| (-reach..=reach).map(move |dx| (dx, dy)));
    let at = |reach: i32, (dx, dy): (i32, i32)| ((dy + reach) * (2 * reach + 1) + dx + reach) as usize;
    // Sums of frame pairs, then of fours; those of the second half lie as far off as the mark has moved by then.
    let mut fours: Vec<Vec<Sum>> = Vec::with_capacity(2);
    for half in 0..2 {
        let margin = if half == 0 { 0 } else { start4 };
        let reach2 = four;
        let pairs: Vec<Vec<Sum>> = (0..2)
            .map(|p| {
                let margin = margin + if p == 0 { 0 } else { reach2 };
                let (a, b) = (&whole[4 * half + 2 * p], &whole[4 * half + 2 * p + 1]);
                grid(pair).map(|d| joined(a, b, d, margin.min(REACH + 4 - pair), (w, h))).collect()
            })
            .collect();
        let sums = grid(four).map(|(dx, dy)| {
            let third = |d: i32, n: i32| (2 * d * n + 3 * d.signum()) / 6;
            let p = (third(dx, 1).clamp(-pair, pair), third(dy, 1).clamp(-pair, pair));
            joined(&pairs[0][at(pair, p)], &pairs[1][at(pair, p)], (third(dx, 2), third(dy, 2)), margin, (w, h))
        });
        fours.push(sums.collect());
    }
    let mut out = vec![Vec::with_capacity((2 * REACH as usize + 1).pow(2)); bw * bh];
    for (dx, dy) in grid(REACH) {
        let q = (scaled(dx, 3), scaled(dy, 3));
        let (a, b) = (&fours[0][at(four, q)], &fours[1][at(four, q)]);
        let o = (scaled(dx, 4), scaled(dy, 4));
        let mut energies = vec![0.0f32; bw * bh];
        for y in 0..h {
            let (first, second) = (a.row(0, y as i32, w), b.row(o.0, y as i32 + o.1, w));
            for (n, (first, second)) in first.chunks(BLOCK.0).zip(second.chunks(BLOCK.0)).enumerate() {
                let energy: i32 = first
                    .iter()
                    .zip(second)
                    .map(|(a, b)| {
                        let (x, y) = (i32::from(a[0] + b[0]), i32::from(a[1] + b[1]));
                        (x * x + y * y) >> 6
                    })
                    .sum();
                energies[y / BLOCK.1 * bw + n] += energy as f32;
            }
        }
        out.iter_mut().zip(energies).for_each(|(list, e)| list.push(e));
    }
    out
}

/// `a` plus `b` moved back by `(dx, dy)`, with `margin` samples around the tile of `(w, h)`.
fn joined(a: &Sum, b: &Sum, (dx, dy): (i32, i32), margin: i32, (w, h): (usize, usize)) -> Sum {
    let size = (w + 2 * margin as usize, h + 2 * margin as usize);
    let mut slopes = Vec::with_capacity(size.0 * size.1);
    for y in -margin..h as i32 + margin {
        let (a, b) = (a.row(-margin, y, size.0), b.row(dx - margin, y + dy, size.0));
        slopes.extend(a.iter().zip(b).map(|(a, b)| [a[0] + b[0], a[1] + b[1]]));
    }
    Sum { size, margin, slopes }
}

/// The velocities, in half working samples over the summed frames, that stand out of `energies`.
fn peaks(energies: &[f32]) -> Vec<Peak> {
    let n = energies.len() as f32;
    let mean = energies.iter().sum::<f32>() / n;
    let deviation = (energies.iter().map(|e| (e - mean).powi(2)).sum::<f32>() / n).sqrt();
    if deviation <= 0.0 {
        return Vec::new();
    }
    let side = 2 * REACH + 1;
    let mut order: Vec<usize> = (0..energies.len()).filter(|i| energies[*i] > mean + STANDS_OUT * deviation).collect();
    order.sort_by(|a, b| energies[*b].total_cmp(&energies[*a]).then(a.cmp(b)));
    let mut found: Vec<Peak> = Vec::with_capacity(PEAKS);
    for i in order {
        let v = (i as i32 % side - REACH, i as i32 / side - REACH);
        if found.iter().all(|(u, _)| (u.0 - v.0).abs() > APART || (u.1 - v.1).abs() > APART) {
            found.push((v, energies[i] - mean));
        }
        if found.len() == PEAKS {
            break;
        }
    }
    found
}

/// What is steady in `bounds` of the first field and moves with it by `velocity` until field `span`, both in working samples.
fn template(fields: &[&Field], bounds: Bounds, velocity: (i32, i32), span: usize) -> Option<Drifter> {
    let (w, h) = (fields[0].width, fields[0].height);
    let b = bounds.grown(BLOCK.1, (w, h));
    let energy = |v: (i32, i32)| -> f32 {
        let moved: Vec<Field> = (0..=span).map(|t| moved(fields[t], b, v, t, span)).collect();
        (0..b.area())
            .map(|i| {
                let sum = moved.iter().fold([0.0f32; 2], |s, f| [s[0] + f.at(i)[0], s[1] + f.at(i)[1]]);
                sum[0] * sum[0] + sum[1] * sum[1]
            })
            .sum()
    };
    let tries = (-3..=3).flat_map(|dy| (-3..=3).map(move |dx| (velocity.0 + dx, velocity.1 + dy)));
    let best = tries.map(|v| (v, energy(v))).max_by(|a, b| a.1.total_cmp(&b.1))?.0;
    if best.0.abs().max(best.1.abs()) <= STILL {
        return None;
    }
    let moved: Vec<Field> = (0..=span).map(|t| moved(fields[t], b, best, t, span)).collect();
    let field = steady(&moved.iter().collect::<Vec<_>>());
    let set: Vec<usize> = (0..field.x.len()).filter(|i| field.x[*i] != 0 || field.y[*i] != 0).collect();
    let own = crate::locate::region::bounds_of(&set, field.width)?;
    let template = Template::of(&field, (own.x0, own.y0, own.width(), own.height()));
    (template.len() >= FEWEST && template.spread > STRAIGHT).then_some(Drifter { template })
}

/// The part of `field` where `bounds` has moved to at field `t`.
fn moved(field: &Field, bounds: Bounds, velocity: (i32, i32), t: usize, span: usize) -> Field {
    let shift = |v: i32| (v as f32 * t as f32 / span as f32).round() as isize;
    let (dx, dy) = (shift(velocity.0), shift(velocity.1));
    let mut out = Field::flat(bounds.width(), bounds.height());
    for row in 0..bounds.height() {
        let Some(y) = (bounds.y0 + row).checked_add_signed(dy).filter(|y| *y < field.height) else { continue };
        for column in 0..bounds.width() {
            let Some(x) = (bounds.x0 + column).checked_add_signed(dx).filter(|x| *x < field.width) else { continue };
            let (i, o) = (y * field.width + x, row * bounds.width() + column);
            (out.x[o], out.y[o]) = (field.x[i], field.y[i]);
        }
    }
    out
}
