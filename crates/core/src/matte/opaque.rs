//! Marks that hide what lies behind them: where they are, as the clip tells.
//!
//! Over a scene that moves, a sample under an opaque mark keeps its value while its surroundings change. Knows crops; refuses
//! to judge where the scene stands still, because there everything keeps its value.

use super::evidence::MatteEvidence;
use super::membrane::Membrane;
use super::morphology::{Area, dilated, parts};
use super::solve::{AROUND, MOST_SCENERY, allowed, borders, distances, scenery};
use super::stack::stacks;
use super::support::support;
use crate::mask::Mask;
use crate::raster::Raster;

/// Fewer frames prove nothing.
const LEAST_FRAMES: usize = 12;
/// Standard deviation around the mark, in 8-bit code values, below which nothing moves there.
const MOVES: f32 = 5.0;
/// A sample is hidden where it deviates by less than this share of what its surroundings do, besides the codec's own noise.
const HIDDEN: f32 = 0.22;
const NOISE: f32 = 1.5;
/// Share of what persists in the given place that is hidden, at least: the rest are soft edges and what the codec smears.
const MOSTLY: f32 = 0.35;
/// Parts of fewer samples are chance.
const LEAST_PART: usize = 12;
/// Samples by which what persists is grown: soft edges, and the ringing of the codec.
const GROWN: usize = 2;

impl MatteEvidence {
    /// The opaque mark in the given place, with its soft edges: a part of the given mask. `None` where nothing there is opaque,
    /// the scene does not move, or it cannot be told from the scene.
    pub fn opaque(&self) -> Option<Mask> {
        if self.frames() < LEAST_FRAMES || self.rect.is_empty() {
            return None;
        }
        let stacks = stacks(self);
        let stack = stacks.first()?;
        let distances = distances(self);
        let around: Area = distances.iter().map(|d| *d >= AROUND).collect();
        let support = support(&stacks, &around, borders(self));
        if scenery(&distances, &support.scenery) > MOST_SCENERY {
            return None;
        }
        let given = allowed(self);
        let open: Area = given.iter().zip(&support.mark).map(|(g, m)| *g && *m).collect();
        let deviations = stack.deviations();
        let logs: Vec<f32> = deviations.iter().map(|d| (d + 1.0).ln()).collect();
        let expected: Vec<f32> =
            Membrane::new(&open, stack.width).fill_one(&logs).iter().map(|l| l.exp() - 1.0).collect();
        let hidden: Area = (0..open.len())
            .map(|k| open[k] && expected[k] > MOVES && deviations[k] < NOISE + HIDDEN * expected[k])
            .collect();
        let count = |area: &Area| area.iter().filter(|a| **a).count() as f32;
        if count(&hidden) < MOSTLY * count(&open) || count(&hidden) < LEAST_PART as f32 {
            return None;
        }
        // What persists but is nowhere hidden is something else, and stays with the whole place in doubt.
        let mut mark = vec![false; open.len()];
        for part in parts(&dilated(&open, stack.width, 1), stack.width) {
            let inside = part.iter().filter(|k| open[**k]).count();
            if inside < LEAST_PART {
                continue;
            }
            if !part.iter().any(|k| hidden[*k]) {
                return None;
            }
            part.into_iter().for_each(|k| mark[k] = true);
        }
        let coverage: Vec<u8> = dilated(&mark, stack.width, GROWN).iter().map(|m| if *m { 255 } else { 0 }).collect();
        let grown = Mask::new(self.rect, Raster::from_vec(self.rect.w, self.rect.h, coverage)?)?;
        let inside = self.mask.within(&grown).trimmed();
        (!inside.is_empty()).then_some(inside)
    }
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
        let r = (x as f32 - 50.0).hypot(y as f32 - 44.0);
        r < 10.0 || ((64..72).contains(&x) && (34..54).contains(&y))
    }

    fn evidence(alpha: f32, pan: u32) -> MatteEvidence {
        let format = PixelFormat::GRAY8;
        let mut evidence = MatteEvidence::new(&Mask::rectangle(GIVEN), format, SIZE);
        for t in 0..30u32 {
            let mut surface = HostSurface::new(format, SIZE.0, SIZE.1);
            for y in 0..SIZE.1 {
                if let RowMut::U8(row) = surface.row_mut(0, y) {
                    for (x, out) in (0u32..).zip(row.iter_mut()) {
                        let (u, v) = ((x + 3 * pan * t) as f32, (y + pan * t) as f32);
                        let scene =
                            110.0 + 40.0 * (u * 0.17).sin() * (v * 0.13).cos() + 15.0 * (u * 0.31 + v * 0.2).sin();
                        *out = if is_mark(x, y) { (1.0 - alpha) * scene + alpha * 230.0 } else { scene }.round() as u8;
                    }
                }
            }
            evidence.observe(&Frame::new(u64::from(t), 0, 1, SIZE, format, Box::new(surface)));
        }
        evidence
    }

    #[test]
    fn an_opaque_mark_is_found_whole_and_little_besides() {
        let mask = evidence(1.0, 1).opaque().unwrap();
        let places = || (0..SIZE.0 * SIZE.1).map(|k| (k % SIZE.0, k / SIZE.0));
        assert!(places().filter(|(x, y)| is_mark(*x, *y)).all(|(x, y)| mask.at(x, y) > 0), "the mark is not covered");
        let near = |x: u32, y: u32| {
            let reach = 8i64;
            (-reach..=reach)
                .any(|dy| (-reach..=reach).any(|dx| is_mark((i64::from(x) + dx) as u32, (i64::from(y) + dy) as u32)))
        };
        assert!(places().filter(|(x, y)| mask.at(*x, *y) > 0).all(|(x, y)| near(x, y)), "covers what is no mark");
        assert!(mask.area() < u64::from(GIVEN.w * GIVEN.h) * 6 / 10, "{} samples", mask.area());
    }

    #[test]
    fn what_lets_the_scene_through_or_stands_in_a_still_one_is_not_opaque() {
        assert!(evidence(0.5, 1).opaque().is_none());
        assert!(evidence(0.0, 1).opaque().is_none());
        assert!(evidence(1.0, 0).opaque().is_none());
    }
}
