//! Opaque marks that come and go before a still camera: where and when, as the clip tells.
//!
//! A place that is looked at for long shows two pictures in turn, and the one of them along whose border the other differs has
//! an edge there that the other has not: that is the mark. Knows crops; refuses to judge where the scene moves, where more
//! than two pictures are shown, or where what changes does not end inside of the given place.

use super::evidence::MatteEvidence;
use super::gain::Gain;
use super::morphology::{Area, closed, dilated, parts, quantile};
use super::solve::{AROUND, distances};
use super::stack::{Stack, stacks};
use crate::mask::Mask;
use crate::raster::Raster;

/// Looks that are compared, at most, and looks that each of the two pictures is seen on at least.
const COMPARED: usize = 48;
const LEAST_LOOKS: usize = 3;

/// A sample differs between both pictures from so many 8-bit code values on, and so many times its own unrest.
const DIFFERS: f32 = 10.0;
const UNREST: f32 = 3.0;
/// A single difference counts no more than this when looks are compared.
const MOST: f32 = 30.0;
/// Unrest around the place in code values, and the share of samples with less, for a scene to be still.
const STILL: f32 = 4.0;
const MOSTLY_STILL: f32 = 0.8;
/// Share of the surroundings that may differ as the place does.
const OUTSIDE: f32 = 0.02;
/// Looks are the one picture or the other: so many of them by so much of the difference.
const CLEAR: f32 = 0.25;
const MOSTLY_CLEAR: f32 = 0.85;
/// Parts of fewer samples are chance; the whole takes this share of the given place's box at least. Users draw a box around a mark, and
/// something small in a large one is not what they mean.
const LEAST_PART: usize = 12;
const LEAST_SHARE: f32 = 0.3;
/// The mark's edge is this much steeper than what lies there without it: by a factor and in code values.
const STEEPER: f32 = 2.0;
const EDGE: f32 = 4.0;
/// Samples by which what differs is grown: soft edges, and the ringing of the codec.
const GROWN: usize = 3;

/// An opaque mark that is shown at times.
#[derive(Clone, Debug)]
pub struct Visits {
    /// What it covers, with its soft edges: a part of the given mask.
    pub mask: Mask,
    /// Samples of the crops' first plane that it covers for sure, without it and with it, in 8-bit code values.
    core: Vec<(usize, f32, f32)>,
    /// Samples around, as they are usually.
    around: Vec<(usize, f32)>,
}

impl MatteEvidence {
    /// The opaque mark that comes and goes in the given place, which is one rectangle. `None` where none does or it cannot be
    /// told from the scene.
    pub fn visits(&self) -> Option<Visits> {
        let all = stacks(self);
        let stack = all.first()?;
        let (width, count) = (stack.width, stack.frames());
        if count < 2 * LEAST_LOOKS || self.rect.is_empty() {
            return None;
        }
        let step = count.div_ceil(COMPARED);
        let mut pictures: Vec<Vec<f32>> = (0..count).step_by(step).map(|frame| stack.picture(frame)).collect();
        let outside: Vec<usize> =
            distances(self).iter().enumerate().filter(|(_, d)| **d >= AROUND).map(|(k, _)| k).collect();
        let inside: Vec<usize> = (0..stack.len()).filter(|k| self.given(*k, width)).collect();
        if outside.len() < inside.len() / 8 || inside.is_empty() {
            return None;
        }
        let usual: Vec<(usize, f32)> =
            outside.iter().map(|k| (*k, quantile(pictures.iter().map(|p| p[*k]), 0.5))).collect();
        for picture in &mut pictures {
            let light = light(picture, &usual);
            picture.iter_mut().for_each(|v| *v -= light);
        }
        let unrest = |k: usize, usual: f32| quantile(pictures.iter().map(|p| (p[k] - usual).abs()), 0.75);
        let quiet = usual.iter().filter(|(k, usual)| unrest(*k, *usual) < STILL).count() as f32;
        if quiet < MOSTLY_STILL * usual.len() as f32 {
            return None;
        }
        let is_second = two(&pictures, &inside)?;
        let state = |second: bool| -> Vec<&Vec<f32>> {
            pictures.iter().zip(&is_second).filter(|(_, s)| **s == second).map(|(p, _)| p).collect()
        };
        let both = [state(false), state(true)];
        if both.iter().any(|some| some.len() < LEAST_LOOKS) {
            return None;
        }
        let middle: [Vec<f32>; 2] = [0, 1].map(|n: usize| {
            (0..stack.len()).map(|k| quantile(both[n].iter().map(|p| p[k]), 0.5)).collect::<Vec<f32>>()
        });
        let differs: Area = (0..stack.len())
            .map(|k| {
                let off = |n: usize| quantile(both[n].iter().map(|p| (p[k] - middle[n][k]).abs()), 0.5);
                (middle[0][k] - middle[1][k]).abs() > DIFFERS + UNREST * off(0).max(off(1))
            })
            .collect();
        let changed = outside.iter().filter(|k| differs[**k]).count() as f32;
        if changed > OUTSIDE * outside.len() as f32 {
            return None;
        }
        let core = self.whole(&differs, width)?;
        let second_is_mark = edges(&middle, &core, width)?;
        let (clean, marked) = if second_is_mark { (&middle[0], &middle[1]) } else { (&middle[1], &middle[0]) };
        let known = (0..core.len()).filter(|k| core[*k] && differs[*k]).map(|k| (k, clean[k], marked[k])).collect();
        let coverage: Vec<u8> = dilated(&core, width, GROWN).iter().map(|m| if *m { 255 } else { 0 }).collect();
        let grown = Mask::new(self.rect, Raster::from_vec(self.rect.w, self.rect.h, coverage)?)?;
        let visits = Visits { mask: self.mask.within(&grown).trimmed(), core: known, around: usual };
        let gains = visits.gains(self);
        let clear = gains.iter().filter(|gain| gain.value.abs().min((gain.value - 1.0).abs()) < CLEAR).count() as f32;
        (clear >= MOSTLY_CLEAR * gains.len() as f32).then_some(visits)
    }

    fn given(&self, k: usize, width: usize) -> bool {
        self.mask.at(self.rect.x + (k % width) as u32, self.rect.y + (k / width) as u32) > 0
    }

    /// What differs, without specks and gaps; `None` where it is not a mark in the given place.
    fn whole(&self, differs: &Area, width: usize) -> Option<Area> {
        let closed = closed(differs, width);
        let mut core = vec![false; closed.len()];
        for part in parts(&closed, width).into_iter().filter(|part| part.len() >= LEAST_PART) {
            // What differs where no mark was said to be goes on outside.
            if part.iter().any(|k| !self.given(*k, width)) {
                return None;
            }
            part.into_iter().for_each(|k| core[k] = true);
        }
        let places = || (0..core.len()).filter(|k| core[*k]).map(|k| (k % width, k / width));
        let bounds = (places().map(|p| p.0).min()?, places().map(|p| p.0).max()?);
        let rows = (places().map(|p| p.1).min()?, places().map(|p| p.1).max()?);
        let area = ((bounds.1 - bounds.0 + 1) * (rows.1 - rows.0 + 1)) as f32;
        (area >= LEAST_SHARE * self.mask.rect().area() as f32).then_some(core)
    }
}

impl Visits {
    /// How strongly the mark is shown on every frame that `evidence` of the same place holds, in order of time: 0 not at all, 1
    /// fully.
    pub fn gains(&self, evidence: &MatteEvidence) -> Vec<Gain> {
        let all = stacks(evidence);
        let Some(stack) = all.first() else { return Vec::new() };
        let order = evidence.in_order();
        (0..stack.frames()).map(|frame| self.gain(order[frame].idx, stack, frame)).collect()
    }

    fn gain(&self, idx: u64, stack: &Stack<'_>, frame: usize) -> Gain {
        let picture = stack.picture(frame);
        let light = light(&picture, &self.around);
        let parts = self.core.iter().map(|(k, without, with)| (picture[*k] - light - without) / (with - without));
        let value = quantile(parts.clone(), 0.5);
        // Many samples say the same: what half of them are off by is no less than the error of their median.
        let error = quantile(parts.map(|part| (part - value).abs()), 0.5) / 3.0;
        Gain { idx, value, error }
    }
}

/// What a picture is brighter by than `usual`.
fn light(picture: &[f32], usual: &[(usize, f32)]) -> f32 {
    quantile(usual.iter().map(|(k, usual)| picture[*k] - usual), 0.5)
}

/// Whether each picture is one of the second kind, by what they show at `inside`: two medians (Lloyd's iteration) that start from
/// the first picture and the one that is least like it. `None` where there is one kind alone.
fn two(pictures: &[Vec<f32>], inside: &[usize]) -> Option<Vec<bool>> {
    let away = |a: &[f32], b: &[f32]| inside.iter().map(|k| (a[*k] - b[*k]).abs().min(MOST)).sum::<f32>();
    let least_like = |of: &[f32]| pictures.iter().max_by(|a, b| away(a, of).total_cmp(&away(b, of)));
    let one = least_like(pictures.first()?)?;
    let mut ends = [one.clone(), least_like(one)?.clone()];
    let mut kinds = vec![false; pictures.len()];
    for _ in 0..4 {
        kinds = pictures.iter().map(|p| away(p, &ends[1]) < away(p, &ends[0])).collect();
        for (n, end) in ends.iter_mut().enumerate() {
            let some = || pictures.iter().zip(&kinds).filter(|(_, second)| **second == (n == 1)).map(|(p, _)| p);
            if some().next().is_none() {
                return None;
            }
            inside.iter().for_each(|k| end[*k] = quantile(some().map(|p| p[*k]), 0.5));
        }
    }
    Some(kinds)
}

/// Whether the second picture is the one with an edge along the border of `core`; `None` where both have one or none.
fn edges(pictures: &[Vec<f32>; 2], core: &Area, width: usize) -> Option<bool> {
    let height = core.len() / width;
    let mut sums = [0.0f32; 2];
    let mut count = 0.0f32;
    let mut compare = |from: usize, to: usize| {
        for (sum, picture) in sums.iter_mut().zip(pictures) {
            *sum += (picture[from] - picture[to]).abs();
        }
        count += 1.0;
    };
    for y in 2..height - 2 {
        for x in 2..width - 2 {
            let k = y * width + x;
            for step in [1, width] {
                // The last sample inside and the second one outside: soft edges lie between.
                if core[k] && !core[k + step] && !core[k + 2 * step] && core[k - step] {
                    compare(k - step, k + 2 * step);
                }
                if core[k] && !core[k - step] && !core[k - 2 * step] && core[k + step] {
                    compare(k + step, k - 2 * step);
                }
            }
        }
    }
    if count < LEAST_PART as f32 {
        return None;
    }
    let [a, b] = sums.map(|sum| sum / count);
    (a.max(b) > STEEPER * a.min(b) + EDGE).then_some(b > a)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::PixelFormat;
    use crate::frame::{Frame, HostSurface, RowMut, Surface};
    use crate::geometry::Rect;

    const SIZE: (u32, u32) = (120, 90);
    const GIVEN: Rect = Rect::new(30, 24, 60, 40);

    fn is_mark(x: u32, y: u32) -> bool {
        (36..84).contains(&x) && (30..56).contains(&y) && (x / 6 + y / 9) % 3 != 0
    }

    /// Forty looks at a still scene that a mark is shown over on `shown`; `what` says what else is to be seen.
    fn evidence(shown: impl Fn(u32) -> bool, what: impl Fn(u32, u32, u32, f32) -> f32) -> MatteEvidence {
        let format = PixelFormat::GRAY8;
        let mut evidence = MatteEvidence::new(&Mask::rectangle(GIVEN), format, SIZE);
        for t in 0..40u32 {
            let mut surface = HostSurface::new(format, SIZE.0, SIZE.1);
            for y in 0..SIZE.1 {
                if let RowMut::U8(row) = surface.row_mut(0, y) {
                    for (x, out) in (0u32..).zip(row.iter_mut()) {
                        let (u, v) = (x as f32, y as f32);
                        let noise = ((x * 7 + y * 13 + t * 29) % 5) as f32 - 2.0;
                        let scene = 110.0 + 30.0 * (u * 0.09).sin() * (v * 0.07).cos() + noise;
                        let seen = if shown(t) && is_mark(x, y) { 210.0 } else { scene };
                        *out = what(t, x, y, seen).round() as u8;
                    }
                }
            }
            evidence.observe(&Frame::new(u64::from(t), 0, 1, SIZE, format, Box::new(surface)));
        }
        evidence
    }

    #[test]
    fn a_mark_that_comes_and_goes_is_told_from_the_scene_behind_it() {
        // More often there than not, and the light changes.
        let shown = |t: u32| (8..32).contains(&t);
        let seen = evidence(shown, |t, _, _, v| v + 0.2 * t as f32);
        let visits = seen.visits().unwrap();
        let places = || (0..SIZE.0 * SIZE.1).map(|k| (k % SIZE.0, k / SIZE.0));
        assert!(places().filter(|(x, y)| is_mark(*x, *y)).all(|(x, y)| visits.mask.at(x, y) > 0));
        assert!(visits.mask.area() < GIVEN.area() * 9 / 10, "{}", visits.mask.area());
        for gain in visits.gains(&seen) {
            let truth = if shown(gain.idx as u32) { 1.0 } else { 0.0 };
            assert!((gain.value - truth).abs() < 0.1 && gain.error < 0.1, "{gain:?}");
        }
    }

    #[test]
    fn what_does_not_come_and_go_like_a_mark_is_refused() {
        let still = |_: u32, _: u32, _: u32, v: f32| v;
        assert!(evidence(|_| true, still).visits().is_none(), "always there");
        assert!(evidence(|_| false, still).visits().is_none(), "never there");
        let passing = |t: u32, x: u32, _: u32, v: f32| if x / 3 == t { 30.0 } else { v };
        assert!(evidence(|_| false, passing).visits().is_none(), "something passes by");
        let large = |t: u32, x: u32, y: u32, v: f32| if t > 20 && x > 50 && y > 30 { 40.0 } else { v };
        assert!(evidence(|_| false, large).visits().is_none(), "goes on beyond the place");
        let lamp = |t: u32, x: u32, y: u32, v: f32| {
            let lit = t > 20 && (40..80).contains(&x) && (30..56).contains(&y);
            v + if lit {
                40.0 * (1.0 - ((x as f32 - 60.0) / 20.0).powi(2)) * (1.0 - ((y as f32 - 43.0) / 13.0).powi(2))
            } else {
                0.0
            }
        };
        assert!(evidence(|_| false, lamp).visits().is_none(), "light without an edge");
        let moving =
            |t: u32, x: u32, y: u32, v: f32| v + 40.0 * (0.3 * (x + 3 * t) as f32).sin() * (0.2 * y as f32).cos();
        assert!(evidence(|t| t > 20, moving).visits().is_none(), "the scene moves");
    }
}
