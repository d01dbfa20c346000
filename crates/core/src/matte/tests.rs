//! Mattes solved from clips that are made here, with known truth.

use super::*;
use crate::format::{ColorInfo, PixelLayout};
use crate::frame::{Frame, HostSurface, RowMut, Surface};
use crate::mask::Mask;

const SIZE: (u32, u32) = (200, 140);
const FRAMES: u64 = 64;

fn hash(seed: u32, x: i32, y: i32) -> f32 {
    let mix = |h: u32, v: u32| (h ^ v).wrapping_mul(0x9E37_79B1).rotate_left(13).wrapping_mul(0x85EB_CA77);
    let h = mix(mix(mix(0x51, seed), x as u32), y as u32);
    ((h ^ h >> 15) >> 8) as f32 / (1u32 << 24) as f32 - 0.5
}

/// Random values on a lattice of `pitch` samples, bilinear between; -0.5..0.5.
fn lattice(seed: u32, x: f32, y: f32, pitch: f32) -> f32 {
    let (x, y) = (x / pitch, y / pitch);
    let (i, j) = (x.floor() as i32, y.floor() as i32);
    let (fx, fy) = (x - x.floor(), y - y.floor());
    let row = |j: i32| hash(seed, i, j) * (1.0 - fx) + hash(seed, i + 1, j) * fx;
    row(j) * (1.0 - fy) + row(j + 1) * fy
}

/// A textured scene that pans, in code values of 8 bits, in samples of luma.
fn scene(plane: usize, x: f32, y: f32, t: f32) -> f32 {
    let (x, y) = (x + 3.1 * t, y + 1.7 * t);
    let level = 120.0 + 90.0 * lattice(1, x, y, 37.0) + 60.0 * lattice(2, x, y, 15.0) + 25.0 * lattice(3, x, y, 5.0);
    if plane == 0 { level } else { 128.0 + 40.0 * lattice(3 + plane as u32, x, y, 31.0) }
}

/// A mark: opacity at a sample of luma, and a colour.
struct Drawn {
    alpha: fn(f32, f32) -> f32,
    colour: [f32; 3],
}

const PLACE: Rect = Rect::new(60, 45, 70, 40);

/// A plate with three bars beside it.
fn plate(x: f32, y: f32) -> f32 {
    let inside = |x0: f32, x1: f32| x >= x0 && x < x1 && (50.0..80.0).contains(&y);
    f32::from(inside(64.0, 92.0) || inside(100.0, 104.0) || inside(110.0, 114.0) || inside(120.0, 124.0))
}

fn frame(format: PixelFormat, idx: u64, time: f32, mark: &Drawn) -> Frame {
    let mut surface = HostSurface::new(format, SIZE.0, SIZE.1);
    let scale = f32::from(1u16 << (format.depth - 8));
    for plane in 0..format.planes() {
        let (sw, sh) = format.subsampling(plane);
        let (w, h) = format.plane_size(plane, SIZE.0, SIZE.1);
        for y in 0..h {
            let value = |x: u32| {
                let (mut alpha, n) = (0.0, 1u32 << (sw + sh));
                for k in 0..n {
                    let (dx, dy) = (k % (1 << sw), k >> sw);
                    alpha += (mark.alpha)(((x << sw) + dx) as f32, ((y << sh) + dy) as f32) / n as f32;
                }
                let at = |v: u32, log2: u8| (v as f32 + 0.5) * (1u32 << log2) as f32 - 0.5;
                let clean = scene(plane, at(x, sw), at(y, sh), time);
                // A code value of noise, as a codec leaves it.
                let noise = 2.0 * hash(9 + plane as u32, (x + (idx as u32) * 977) as i32, y as i32);
                ((clean + alpha * (mark.colour[plane] - clean) + noise) * scale).round()
            };
            match surface.row_mut(plane, y) {
                RowMut::U8(row) => (0..w).zip(row).for_each(|(x, s)| *s = value(x) as u8),
                RowMut::U16(row) => (0..w).zip(row).for_each(|(x, s)| *s = value(x) as u16),
            }
        }
    }
    Frame::new(idx, idx as i64, 1, SIZE, format, Box::new(surface))
}

fn evidence(format: PixelFormat, frames: impl IntoIterator<Item = Frame>) -> MatteEvidence {
    let mut evidence = MatteEvidence::new(&Mask::rectangle(PLACE), format, SIZE);
    frames.into_iter().for_each(|frame| evidence.observe(&frame));
    evidence
}

fn moving(format: PixelFormat, mark: &Drawn) -> MatteEvidence {
    evidence(format, (0..FRAMES).map(|t| frame(format, t, t as f32, mark)))
}

fn still(format: PixelFormat, mark: &Drawn) -> MatteEvidence {
    evidence(format, (0..FRAMES).map(|t| frame(format, t, 0.0, mark)))
}

/// Mean opacity solved and true, and mean added values in units of the truth, where the mark is at its full.
fn core(solution: &Solution, mark: &Drawn, code: f32) -> (f32, f32, f32) {
    let matte = solution.matte.as_ref().unwrap();
    let (rect, plane) = (matte.plane_rect(0), &matte.planes()[0]);
    let (mut alpha, mut truth, mut colour, mut count) = (0.0, 0.0, 0.0, 0.0);
    for y in PLACE.y..PLACE.bottom() {
        for x in PLACE.x..PLACE.right() {
            let wanted = (mark.alpha)(x as f32, y as f32);
            if wanted > 0.0 {
                let share = 1.0 - plane.keep.at(x - rect.x, y - rect.y);
                alpha += share;
                truth += wanted;
                colour += plane.add.at(x - rect.x, y - rect.y) / code;
                count += 1.0;
            }
        }
    }
    (alpha / count, truth / count, colour / alpha)
}

const WHITE: [f32; 3] = [235.0, 128.0, 128.0];

#[test]
fn a_white_mark_of_half_opacity_is_recovered_at_any_depth() {
    let mark = Drawn { alpha: |x, y| 0.5 * plate(x, y), colour: WHITE };
    for (depth, layout, sub) in
        [(8, PixelLayout::Yuv, 1), (10, PixelLayout::Yuv, 1), (8, PixelLayout::Yuv, 0), (8, PixelLayout::Gray, 0)]
    {
        let format = PixelFormat { layout, depth, log2_chroma_w: sub, log2_chroma_h: sub, alpha: false };
        let solution = moving(format, &mark).solve();
        assert!(solution.matte.is_some(), "{format:?}: {}", solution.reason);
        let (alpha, truth, colour) = core(&solution, &mark, f32::from(1u16 << (depth - 8)));
        assert!((alpha - truth).abs() < 0.02, "{format:?}: {alpha} {}", solution.reason);
        assert!((colour - 235.0).abs() < 6.0, "{format:?}: {colour} {}", solution.reason);
        assert!((solution.alpha - 0.5).abs() < 0.03, "{}", solution.alpha);
    }
}

#[test]
fn a_mark_of_the_scenes_own_mean_is_found_by_what_it_hides() {
    let mark = Drawn { alpha: |x, y| 0.5 * plate(x, y), colour: [120.0, 128.0, 128.0] };
    let solution = moving(PixelFormat::YUV420P8, &mark).solve();
    assert!(solution.matte.is_some(), "{}", solution.reason);
    let (alpha, truth, _) = core(&solution, &mark, 1.0);
    // No colour stands out that could make the opacity precise.
    assert!((alpha - truth).abs() < 0.06, "{alpha} {truth} {}", solution.reason);
}

#[test]
fn samples_away_from_the_mark_are_not_in_the_mask() {
    let mark = Drawn { alpha: |x, y| 0.6 * plate(x, y), colour: [150.0, 60.0, 185.0] };
    let solution = moving(PixelFormat::YUV420P8, &mark).solve();
    assert!(solution.matte.is_some(), "{}", solution.reason);
    for (x, y) in (0..SIZE.1).flat_map(|y| (0..SIZE.0).map(move |x| (x, y))) {
        let near = (-4..=4).any(|dy| (-4..=4).any(|dx| plate((x as i32 + dx) as f32, (y as i32 + dy) as f32) > 0.0));
        let on = plate(x as f32, y as f32) > 0.0;
        assert!(near || solution.mask.at(x, y) == 0, "{x},{y} changed");
        assert!(!on || solution.mask.at(x, y) > 0, "{x},{y} left");
    }
}

#[test]
fn every_sample_of_the_mask_is_settled_by_the_matte() {
    let mark = Drawn { alpha: |x, y| 0.4 * plate(x, y), colour: WHITE };
    let solution = moving(PixelFormat::YUV420P8, &mark).solve();
    let matte = solution.matte.unwrap();
    for (plane, drawn) in matte.planes().iter().enumerate() {
        let (sw, sh) = matte.format().subsampling(plane);
        let covered = solution.mask.in_plane(matte.plane_rect(plane), crate::frame::Rows::All, sw, sh);
        for (keep, covered) in drawn.keep.data().iter().zip(covered.data()) {
            assert_eq!(*keep < 1.0, *covered > 0);
        }
    }
}

#[test]
fn a_mark_of_one_colour_over_a_scene_that_stands_still_is_solved_by_its_border() {
    for (depth, alpha, colour) in [(8, 0.5, WHITE), (10, 0.5, WHITE), (8, 0.4, [16.0, 128.0, 128.0])] {
        let format = PixelFormat { depth, ..PixelFormat::YUV420P8 };
        let draw = if alpha == 0.5 { |x, y| 0.5 * plate(x, y) } else { |x, y| 0.4 * plate(x, y) };
        let mark = Drawn { alpha: draw, colour };
        let solution = still(format, &mark).solve();
        assert!(solution.matte.is_some(), "{alpha}: {}", solution.reason);
        let (found, truth, value) = core(&solution, &mark, f32::from(1u16 << (depth - 8)));
        assert!((found - truth).abs() < 0.02, "{alpha}: {found} {}", solution.reason);
        assert!((value - colour[0]).abs() < 6.0, "{alpha}: {value} {}", solution.reason);
        let far = PLACE.grow(2, SIZE.0, SIZE.1);
        assert!(far.intersect(&solution.mask.rect()) == solution.mask.rect(), "{:?}", solution.mask.rect());
    }
}

#[test]
fn strokes_that_a_border_leaves_out_are_told_by_the_colour_where_the_scene_moves() {
    let inside = |x: f32, y: f32, x0: f32, x1: f32| x >= x0 && x < x1 && (50.0..80.0).contains(&y);
    // A grey plate and two strokes beside it, over the scene with more contrast.
    let draw = |idx: u64, time: f32| {
        let mut surface = HostSurface::new(PixelFormat::GRAY8, SIZE.0, SIZE.1);
        for y in 0..SIZE.1 {
            let RowMut::U8(row) = surface.row_mut(0, y) else { continue };
            for (x, s) in (0u32..).zip(row) {
                let (x, y) = (x as f32, y as f32);
                let behind = (128.0 + 1.6 * (scene(0, x, y, time) - 120.0)).clamp(16.0, 235.0);
                let hidden = [(64.0, 84.0), (100.0, 102.0), (108.0, 110.0)].iter().any(|(a, b)| inside(x, y, *a, *b));
                *s = (if hidden { 0.5 * (behind + 128.0) } else { behind }).round() as u8;
            }
        }
        Frame::new(idx, idx as i64, 1, SIZE, PixelFormat::GRAY8, Box::new(surface))
    };
    for moves in [true, false] {
        let frames = (0..FRAMES).map(|t| draw(t, if moves { t as f32 } else { 0.0 }));
        let evidence = evidence(PixelFormat::GRAY8, frames);
        let (rect, stacks) = (evidence.rect(), stack::stacks(&evidence));
        let of = |holds: &dyn Fn(f32, f32) -> bool| -> Vec<bool> {
            (0..rect.area() as u32).map(|k| holds((rect.x + k % rect.w) as f32, (rect.y + k / rect.w) as f32)).collect()
        };
        let plate = of(&|x, y| inside(x, y, 64.0, 84.0));
        let alpha: Vec<f32> = plate.iter().map(|p| if *p { 0.5 } else { 0.0 }).collect();
        // Something seems to persist at both strokes and where there is none.
        let open = of(&|x, y| [98.0, 106.0, 118.0].iter().any(|from| inside(x, y, *from, from + 6.0)));
        let known = strokes::Known { alpha: &alpha, core: &plate, keep: 0.5, colour: 128.0 };
        let found = strokes::with_strokes(&stacks[0], &known, &open);
        if !moves {
            assert!(found.is_none(), "nothing tells a stroke from the scene");
            continue;
        }
        let found = found.expect("strokes");
        let mean = |area: &[bool]| {
            let some = || found.iter().zip(area).filter(|(_, of)| **of).map(|(a, _)| *a);
            some().sum::<f32>() / some().count() as f32
        };
        let (first, second) = (of(&|x, y| inside(x, y, 100.0, 102.0)), of(&|x, y| inside(x, y, 108.0, 110.0)));
        let none = of(&|x, y| inside(x, y, 118.0, 124.0));
        assert!(mean(&first) > 0.42 && mean(&second) > 0.42, "{} {}", mean(&first), mean(&second));
        assert!(mean(&none) < 0.01 && mean(&plate) > 0.49, "{} {}", mean(&none), mean(&plate));
    }
}

#[test]
fn what_cannot_be_solved_is_refused_with_the_given_mask() {
    let half = Drawn { alpha: |x, y| 0.5 * plate(x, y), colour: WHITE };
    let opaque = Drawn { alpha: plate, colour: WHITE };
    let none = Drawn { alpha: |_, _| 0.0, colour: WHITE };
    let gradient = Drawn { alpha: |x, y| (x - 60.0) / 80.0 * plate(x, y), colour: WHITE };
    let format = PixelFormat::YUV420P8;
    for (what, evidence) in [
        ("an opaque mark", moving(format, &opaque)),
        ("no mark", moving(format, &none)),
        ("no mark over a scene that stands still", still(format, &none)),
        ("a gradient over a scene that stands still", still(format, &gradient)),
        ("identical frames", {
            let still = frame(format, 0, 0.0, &none);
            evidence(
                format,
                (0..FRAMES).map(|t| {
                    let mut again = still.clone();
                    again.idx = t;
                    again
                }),
            )
        }),
        ("two frames", evidence(format, (0..2).map(|t| frame(format, t, t as f32, &half)))),
        ("no frame", evidence(format, [])),
        ("no mask", MatteEvidence::new(&Mask::empty(), format, SIZE)),
    ] {
        let solution = evidence.solve();
        assert!(solution.matte.is_none(), "{what}: {}", solution.reason);
        assert!(!solution.reason.is_empty() && solution.confidence == 0.0 && solution.alpha == 0.0, "{what}");
        assert_eq!(solution.mask, evidence.mask, "{what}");
    }
}

#[test]
fn how_frames_were_divided_and_ordered_does_not_matter() {
    let mark = Drawn { alpha: |x, y| 0.5 * plate(x, y), colour: WHITE };
    let format = PixelFormat::YUV420P8;
    let frames: Vec<Frame> = (0..200).map(|t| frame(format, t, t as f32, &mark)).collect();
    let whole = evidence(format, frames.iter().cloned());
    let mut chunks: Vec<MatteEvidence> = frames.chunks(67).map(|c| evidence(format, c.iter().rev().cloned())).collect();
    let mut merged = chunks.pop().unwrap();
    chunks.into_iter().for_each(|chunk| merged.merge(chunk));
    assert_eq!((whole.frames(), merged.frames()), (160, 160), "bounded");
    merged.merge(whole.clone());
    assert_eq!(merged.frames(), 160, "a frame counts once");
    assert_eq!(whole.solve(), merged.solve());
    let before = merged.frames();
    merged.merge(MatteEvidence::new(&Mask::rectangle(Rect::new(1, 1, 9, 9)), format, SIZE));
    assert_eq!(merged.frames(), before, "another mark");
}

#[test]
fn a_mark_at_the_corner_of_the_frame_is_solved_too() {
    let corner = Drawn { alpha: |x, y| if x < 24.0 && y < 14.0 { 0.5 } else { 0.0 }, colour: WHITE };
    let format = PixelFormat::YUV420P8;
    let mut evidence = MatteEvidence::new(&Mask::rectangle(Rect::new(0, 0, 27, 17)), format, SIZE);
    for t in 0..FRAMES {
        let mut frame = frame(format, t, t as f32, &corner);
        frame.color = ColorInfo { full_range: Some(false), ..ColorInfo::default() };
        evidence.observe(&frame);
    }
    let solution = evidence.solve();
    assert!(solution.matte.is_some(), "{}", solution.reason);
    assert!((solution.alpha - 0.5).abs() < 0.05, "{} {}", solution.alpha, solution.reason);
    assert!(solution.mask.at(0, 0) > 0 && solution.mask.at(23, 13) > 0, "up to the very corner");
}

#[test]
fn a_frame_as_bright_as_the_mark_says_little_of_how_strongly_it_is_shown() {
    let half = Drawn { alpha: |x, y| 0.5 * plate(x, y), colour: WHITE };
    // The same mark over the scene after a flash of light: 97 % of the way to white.
    let flash = Drawn { alpha: |x, y| 1.0 - 0.03 * (1.0 - 0.5 * plate(x, y)), colour: WHITE };
    let format = PixelFormat::YUV420P8;
    let frames = (0..FRAMES).map(|t| frame(format, t, t as f32, if t == 30 { &flash } else { &half }));
    let matte = moving(format, &half).solve().matte.unwrap();
    for gain in evidence(format, frames).gains(&matte) {
        // Errors above .15 are not looked at.
        assert_eq!(gain.error > 0.15, gain.idx == 30, "{gain:?}");
    }
}
