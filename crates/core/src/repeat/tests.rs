use super::*;
use crate::format::PixelFormat;
use crate::frame::{HostSurface, RowMut, Surface};

/// A textured picture of which each sample is given by `at`, in 8-bit codes.
fn painted(idx: FrameIdx, depth: u8, at: impl Fn(f32, f32) -> f32) -> Frame {
    let format = PixelFormat { depth, ..PixelFormat::YUV420P8 };
    let (w, h) = (192, 108);
    let mut surface = HostSurface::new(format, w, h);
    let scale = f32::from(1u16 << (depth - 8));
    for plane in 0..3 {
        let (_, rows) = format.plane_size(plane, w, h);
        let factor = if plane == 0 { 1.0 } else { 2.0 };
        for y in 0..rows {
            let value = |x: usize| (scale * at(factor * x as f32, factor * y as f32)).round();
            match surface.row_mut(plane, y) {
                RowMut::U8(row) => row.iter_mut().enumerate().for_each(|(x, v)| *v = value(x) as u8),
                RowMut::U16(row) => row.iter_mut().enumerate().for_each(|(x, v)| *v = value(x) as u16),
            }
        }
    }
    Frame::new(idx, idx as i64, 1, (w, h), format, Box::new(surface))
}

fn texture(x: f32, y: f32) -> f32 {
    120.0 + 40.0 * (x * 0.31).sin() * (y * 0.23).cos() + 15.0 * (x * 0.9 + y * 0.7).sin()
}

/// Noise of a codec, which copies most blocks of a repeat: `level` codes of either sign in every sixteenth block of 4 x 4.
fn noise(x: f32, y: f32, seed: u32, level: f32) -> f32 {
    let mut state = (x as u32 / 4).wrapping_mul(0x9e37_79b9)
        ^ (y as u32 / 4).wrapping_mul(0x85eb_ca6b)
        ^ seed.wrapping_mul(0xc2b2_ae35);
    state ^= state >> 15;
    state = state.wrapping_mul(0x2c1b_3c6d);
    state ^= state >> 12;
    match state & 31 {
        0 => level,
        1 => -level,
        _ => 0.0,
    }
}

fn firsts(rule: Repeats, frames: &[Frame]) -> Vec<FrameIdx> {
    firsts_of(RepeatFinder::new(rule, false), frames)
}

fn firsts_of(mut finder: RepeatFinder, frames: &[Frame]) -> Vec<FrameIdx> {
    frames.iter().map(|frame| finder.first(frame)).collect()
}

#[test]
fn noise_of_a_codec_makes_no_new_frame_at_any_depth() {
    for depth in [8, 10] {
        let frames: Vec<Frame> =
            (0..4).map(|n| painted(n, depth, |x, y| texture(x, y) + noise(x, y, n as u32, 1.5))).collect();
        assert_eq!(firsts(Repeats::Perceptual, &frames), [0, 0, 0, 0], "{depth} bits");
        assert_eq!(firsts(Repeats::Exact, &frames), [0, 1, 2, 3]);
        assert_eq!(firsts(Repeats::Off, &frames), [0, 1, 2, 3]);
    }
}

#[test]
fn where_the_quantiser_is_coarse_nearly_equal_samples_alone_are_the_same() {
    let strict = |level: f32| {
        let frames = [0, 1].map(|n| painted(n, 8, |x, y| texture(x, y) + noise(x, y, n as u32, level)));
        firsts_of(RepeatFinder::new(Repeats::Perceptual, true), &frames)
    };
    let spot = |n: u64| painted(n, 8, move |x, y| texture(x, y) + if n == 1 && x < 9.0 && y < 9.0 { 1.0 } else { 0.0 });
    assert_eq!(strict(1.5), [0, 1]);
    assert_eq!(firsts_of(RepeatFinder::new(Repeats::Perceptual, true), &[spot(0), spot(1)]), [0, 0]);
}

#[test]
fn grain_that_changes_is_no_repeat() {
    let grain = |n: u64| {
        painted(n, 8, move |x, y| {
            let mut state = (x as u32).wrapping_mul(0x9e37_79b9)
                ^ (y as u32).wrapping_mul(0x85eb_ca6b)
                ^ (n as u32 + 1).wrapping_mul(0xc2b2_ae35);
            state ^= state >> 15;
            state = state.wrapping_mul(0x2c1b_3c6d);
            state ^= state >> 12;
            // Up to 2 codes either way.
            texture(x, y) + (state % 5) as f32 - 2.0
        })
    };
    assert_eq!(firsts(Repeats::Perceptual, &[grain(0), grain(1), grain(2)]), [0, 1, 2]);
}

#[test]
fn a_pan_by_half_a_sample_is_no_repeat() {
    let frames: Vec<Frame> =
        (0..4).map(|n| painted(n, 8, |x, y| texture(x + 0.5 * n as f32, y) + noise(x, y, n as u32, 1.0))).collect();
    assert_eq!(firsts(Repeats::Perceptual, &frames), [0, 1, 2, 3]);
}

#[test]
fn a_cursor_and_a_small_mouth_are_no_repeats() {
    // 6 x 6 samples that are brighter by 60, and a patch of 12 x 8 that opens by 14 codes.
    let cursor = |n: u64| {
        painted(n, 8, move |x, y| {
            texture(x, y)
                + if (40.0 + 5.0 * n as f32..46.0 + 5.0 * n as f32).contains(&x) && (50.0..56.0).contains(&y) {
                    60.0
                } else {
                    0.0
                }
        })
    };
    assert_eq!(firsts(Repeats::Perceptual, &[cursor(0), cursor(1), cursor(2)]), [0, 1, 2]);
    let mouth = |n: u64| {
        painted(n, 8, move |x, y| {
            texture(x, y) - if n == 1 && (80.0..92.0).contains(&x) && (40.0..48.0).contains(&y) { 14.0 } else { 0.0 }
        })
    };
    assert_eq!(firsts(Repeats::Perceptual, &[mouth(0), mouth(1)]), [0, 1]);
}

#[test]
fn a_slow_fade_starts_anew_before_it_can_be_seen() {
    let frames: Vec<Frame> =
        (0..20).map(|n| painted(n, 10, |x, y| texture(x, y) - 0.25 * n as f32 + noise(x, y, n as u32, 0.5))).collect();
    let firsts = firsts(Repeats::Perceptual, &frames);
    // A quarter of a code a frame: one step may pass, two may not.
    assert!(firsts.iter().zip(0u64..).all(|(first, idx)| idx - first <= 1), "{firsts:?}");
}

#[test]
fn light_that_changes_in_a_part_of_the_picture_is_no_repeat() {
    let lit =
        |n: u64| painted(n, 8, move |x, y| texture(x, y) + if x < 64.0 && y < 64.0 { 2.0 * n as f32 } else { 0.0 });
    assert_eq!(firsts(Repeats::Perceptual, &[lit(0), lit(1)]), [0, 1]);
}

#[test]
fn a_colour_alone_makes_a_new_frame() {
    let mut red = painted(1, 8, texture);
    let mut patch = crate::frame::Patch::default();
    let rect = crate::geometry::Rect::new(60, 40, 24, 24);
    red.lift(rect, crate::frame::Rows::All, &mut patch);
    patch.planes[2].data_mut().iter_mut().for_each(|v| *v += 20.0);
    let mask = crate::mask::Mask::rectangle(rect);
    let need = patch.need(&mask);
    red.put_back(&patch, &need);
    assert_eq!(firsts(Repeats::Perceptual, &[painted(0, 8, texture), red]), [0, 1]);
}

#[test]
fn drawings_that_come_back_are_known_for_a_while() {
    let drawing = |idx: u64, kind: u64| {
        painted(idx, 8, move |x, y| texture(x + 7.0 * kind as f32, y) + noise(x, y, idx as u32, 1.0))
    };
    let order = [0, 0, 1, 1, 0, 2, 2, 1];
    let frames: Vec<Frame> = order.iter().zip(0..).map(|(kind, idx)| drawing(idx, *kind)).collect();
    assert_eq!(firsts(Repeats::Perceptual, &frames), [0, 0, 2, 2, 0, 5, 5, 2]);
    // More kinds than are kept: the first has been forgotten.
    let frames: Vec<Frame> = (0..12).chain([0]).zip(0..).map(|(kind, idx)| drawing(idx, kind)).collect();
    assert_eq!(firsts(Repeats::Perceptual, &frames)[12], 12);
}
