//! Synthetic clips under marks that do not stay: a textured plane that pans or stands still, and a mark of random cells.

use super::{Motion, Pursuit, Roaming, Search};
use crate::format::PixelFormat;
use crate::frame::{Frame, FrameIdx, HostSurface, RowMut, Surface};
use crate::geometry::Rect;
use crate::mask::Mask;

const W: u32 = 320;
const H: u32 = 180;
const MARK: (u32, u32) = (48, 20);
const FRAMES: u64 = 105;
/// Frames of a stay.
const STAY: u64 = 35;

fn hash(x: i64, y: i64, seed: i64) -> f64 {
    let mut v = (x.wrapping_mul(73_856_093) ^ y.wrapping_mul(19_349_663) ^ seed.wrapping_mul(83_492_791)) as u64;
    v = (v ^ (v >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    v = (v ^ (v >> 32)).wrapping_mul(0x94D0_49BB_1331_11EB);
    ((v >> 40) as f64) / f64::from(1u32 << 24)
}

/// Value noise, 12 samples a cell.
fn scene(x: i64, y: i64) -> f64 {
    let cell = |v: i64| (v.div_euclid(12), v.rem_euclid(12) as f64 / 12.0);
    let ((cx, fx), (cy, fy)) = (cell(x), cell(y));
    let at = |i: i64, j: i64| hash(cx + i, cy + j, 1);
    let top = at(0, 0) * (1.0 - fx) + at(1, 0) * fx;
    let low = at(0, 1) * (1.0 - fx) + at(1, 1) * fx;
    60.0 + 120.0 * (top * (1.0 - fy) + low * fy)
}

/// What a clip shows: how far the scene moves a frame, the mark's opacity, and where it is on a frame.
struct Clip {
    pan: (i64, i64),
    alpha: f64,
    place: fn(FrameIdx) -> (u32, u32),
}

impl Clip {
    fn frame(&self, idx: FrameIdx) -> Frame {
        let (px, py) = (self.place)(idx);
        let inside = Rect::new(px, py, MARK.0, MARK.1);
        let mut surface = HostSurface::new(PixelFormat::GRAY8, W, H);
        for y in 0..H {
            if let RowMut::U8(row) = surface.row_mut(0, y) {
                for (x, out) in (0..).zip(row) {
                    let t = idx as i64;
                    let mut value = scene(i64::from(x) + self.pan.0 * t, i64::from(y) + self.pan.1 * t);
                    if inside.contains(x, y) && ink(x - px, y - py) {
                        value += self.alpha * (235.0 - value);
                    }
                    *out = (value + 3.0 * (hash(i64::from(x), i64::from(y), t) - 0.5)) as u8;
                }
            }
        }
        Frame::new(idx, idx as i64, 1, (W, H), PixelFormat::GRAY8, Box::new(surface))
    }

    /// The clip through both looks.
    fn found(&self) -> Vec<Roaming> {
        let starts: Vec<f64> = (0..FRAMES).map(|i| i as f64 / 25.0).collect();
        let mut search = Search::new(&starts, Mask::empty());
        search.frames().into_iter().for_each(|idx| search.observe(&self.frame(idx)));
        let mut pursuit = Pursuit::new(search.conclude().0, Mask::empty());
        (0..FRAMES).for_each(|idx| pursuit.observe(&self.frame(idx)));
        pursuit.conclude().into_iter().filter(|r| r.confident).collect()
    }

    /// Share of the mark's ink that is covered on a frame, and how many times the mark's box all covered samples are.
    fn covered(&self, found: &Roaming, idx: FrameIdx) -> (f64, f64) {
        let places: Vec<(i32, i32)> = match &found.motion {
            Motion::Hops(stays) => stays.iter().filter(|s| s.0.contains(&idx)).map(|s| s.1).collect(),
            Motion::Drifts(way) => way.iter().filter(|s| s.0 == idx).map(|s| s.1).collect(),
        };
        let at = (self.place)(idx);
        let covers = |x: u32, y: u32| {
            places.iter().any(|p| {
                let (u, v) = (x as i32 - p.0, y as i32 - p.1);
                u >= 0 && v >= 0 && found.mask.at(u as u32, v as u32) > 0
            })
        };
        let all = (0..MARK.1).flat_map(|y| (0..MARK.0).map(move |x| (x, y))).filter(|(x, y)| ink(*x, *y));
        let (mut ink, mut held) = (0, 0);
        for (x, y) in all {
            ink += 1;
            held += u32::from(covers(at.0 + x, at.1 + y));
        }
        let area = places.len() as f64 * found.mask.area() as f64;
        (f64::from(held) / f64::from(ink), area / f64::from(MARK.0 * MARK.1))
    }
}

/// Cells of the mark, some of them filled, so that no part of it looks like another.
fn ink(x: u32, y: u32) -> bool {
    hash(i64::from(x / 5), i64::from(y / 5), 9) > 0.45
}

fn hopping(idx: FrameIdx) -> (u32, u32) {
    [(20, 12), (170, 70), (30, 100)][(idx / STAY) as usize % 3]
}

/// Bounces off the picture's borders.
fn bouncing(idx: FrameIdx) -> (u32, u32) {
    let turned = |at: i64, room: u32| {
        let at = at.rem_euclid(2 * i64::from(room)) as u32;
        if at > room { 2 * room - at } else { at }
    };
    let t = idx as i64;
    (turned(60 + 2 * t, W - MARK.0), turned(40 + t, H - MARK.1))
}

#[test]
fn a_mark_that_hops_is_covered_on_every_frame_of_all_its_stays() {
    for pan in [(3, 1), (0, 0)] {
        let clip = Clip { pan, alpha: 0.7, place: hopping };
        let found = clip.found();
        assert_eq!(found.len(), 1, "pan {pan:?}");
        assert!(found[0].reason.contains("3 places"), "{}", found[0].reason);
        for idx in 0..FRAMES {
            let (covered, area) = clip.covered(&found[0], idx);
            assert!(covered > 0.99, "pan {pan:?}, frame {idx}: {covered:.3} covered");
            // Stays overlap by the few frames that they are extended by.
            assert!(area < 6.0, "pan {pan:?}, frame {idx}: {area:.1} times the mark");
        }
    }
}

#[test]
fn a_mark_that_drifts_and_bounces_is_covered_on_every_frame() {
    let clip = Clip { pan: (-3, 1), alpha: 0.6, place: bouncing };
    let found = clip.found();
    assert!(!found.is_empty());
    assert!(matches!(found[0].motion, Motion::Drifts(_)), "{}", found[0].reason);
    for idx in 0..FRAMES {
        let (covered, area) = clip.covered(&found[0], idx);
        assert!(covered > 0.99, "frame {idx}: {covered:.3} covered");
        // Where it turns, both of two places are covered.
        assert!(area < 5.0, "frame {idx}: {area:.1} times the mark");
    }
}

#[test]
fn scenes_without_a_mark_and_marks_that_stay_roam_nowhere() {
    for (pan, alpha) in [((3, 1), 0.0), ((0, 0), 0.0), ((3, 1), 0.7)] {
        let found = Clip { pan, alpha, place: |_| (140, 80) }.found();
        assert!(found.is_empty(), "pan {pan:?}, alpha {alpha}: {}", found[0].reason);
    }
}
