//! Borrowing on painted clips whose truth is known at every sample.

use super::*;
use crate::format::{PixelFormat, PixelLayout};
use crate::frame::{Frame, FrameIdx, HostSurface, Patch, RowMut, Rows, Surface};
use crate::geometry::Rect;
use crate::mask::Mask;

const SIZE: (u32, u32) = (176, 144);
const BOX: Rect = Rect::new(70, 58, 34, 24);

/// A smooth texture without a period: values of a lattice, joined by cubic steps, at two sizes. In 8-bit codes.
fn texture(seed: u32, plane: usize, x: f32, y: f32) -> f32 {
    let lattice = |x: i32, y: i32| {
        let mix = |h: u32, v: u32| (h ^ v).wrapping_mul(0x9E37_79B1).rotate_left(13).wrapping_mul(0x85EB_CA77);
        let h = mix(mix(mix(seed, plane as u32), x as u32), y as u32);
        ((h ^ h >> 15) >> 8) as f32 / (1u32 << 24) as f32 - 0.5
    };
    let layer = |size: f32| {
        let (x, y) = (x / size, y / size);
        let (x0, y0) = (x.floor(), y.floor());
        let ease = |t: f32| t * t * (3.0 - 2.0 * t);
        let (fx, fy) = (ease(x - x0), ease(y - y0));
        let row = |y: i32| {
            let (a, b) = (lattice(x0 as i32, y), lattice(x0 as i32 + 1, y));
            a + fx * (b - a)
        };
        let (a, b) = (row(y0 as i32), row(y0 as i32 + 1));
        a + fy * (b - a)
    };
    // Colour varies less than light, as it does in pictures.
    let contrast = if plane == 0 { 1.0 } else { 0.4 };
    120.0 + contrast * (50.0 * layer(13.0) + 80.0 * layer(31.0))
}

/// A scene that is the texture, moved.
#[derive(Clone, Copy)]
struct Scene {
    format: PixelFormat,
    seed: u32,
    /// Luma samples a frame.
    speed: (f32, f32),
    /// Codes a frame by which it grows brighter.
    fade: f32,
    /// Where, on frame 0, something bright begins that hides all to the right, and its luma samples a frame. Both are smooth then.
    thing: Option<(f32, f32)>,
}

const PAN: Scene = Scene { format: PixelFormat::YUV420P8, seed: 5, speed: (3.0, 0.0), fade: 0.0, thing: None };

impl Scene {
    /// Frame `idx`, with every sample of `mark` painted over.
    fn frame(&self, idx: FrameIdx, mark: &Mask) -> Frame {
        let format = self.format;
        let code = (1u32 << (format.depth - 8)) as f32;
        let mut surface = HostSurface::new(format, SIZE.0, SIZE.1);
        for plane in 0..format.planes() {
            let (sw, sh) = format.subsampling(plane);
            let (w, h) = format.plane_size(plane, SIZE.0, SIZE.1);
            let cover = mark.in_plane(Rect::new(0, 0, w, h), Rows::All, sw, sh);
            let luma = |v: u32, log2: u8| (v as f32 + 0.5) * (1u32 << log2) as f32 - 0.5;
            for y in 0..h {
                let value = |x: u32| {
                    if cover.at(x, y) > 0 && !format.is_alpha(plane) {
                        return 235.0 * code;
                    }
                    let time = idx as f32;
                    let (u, v) = (luma(x, sw) + self.speed.0 * time, luma(y, sh) + self.speed.1 * time);
                    if let Some((edge, speed)) = self.thing {
                        let is_hidden = luma(x, sw) > edge + speed * time;
                        let own = texture(self.seed + 9, plane, luma(x, sw) - speed * time, luma(y, sh));
                        let value =
                            if is_hidden { 150.0 + 0.2 * own } else { 60.0 + 0.2 * texture(self.seed, plane, u, v) };
                        return (code * value).round();
                    }
                    (code * (texture(self.seed, plane, u, v) + self.fade * time)).round()
                };
                match surface.row_mut(plane, y) {
                    RowMut::U8(row) => (0..w).zip(row).for_each(|(x, s)| *s = value(x) as u8),
                    RowMut::U16(row) => (0..w).zip(row).for_each(|(x, s)| *s = value(x) as u16),
                }
            }
        }
        Frame::new(idx, 0, 1, SIZE, format, Box::new(surface))
    }

    fn crops(&self, frames: std::ops::Range<FrameIdx>, rows: Rows, mark: impl Fn(FrameIdx) -> Mask) -> Vec<Crop> {
        let crop = |idx| {
            let mut patch = Patch::default();
            self.frame(idx, &mark(idx)).lift(place(rows).grow(48, SIZE.0, SIZE.1), rows, &mut patch);
            Crop::new(idx, patch, &mark(idx))
        };
        frames.map(crop).collect()
    }

    fn hole(&self, idx: FrameIdx, rows: Rows, mark: &Mask) -> Hole {
        let mut patch = Patch::default();
        self.frame(idx, mark).lift(place(rows), rows, &mut patch);
        Hole::new(idx, patch, mark)
    }

    /// The largest difference of a borrowed sample from the truth, in 8-bit codes, and the share of the mask borrowed.
    /// Subsampled planes count two thirds: between their samples lies a straight line.
    fn judge(&self, hole: &Hole) -> (f32, f32) {
        let truth = self.hole(hole.idx, hole.patch().rows, &Mask::empty());
        let code = (1u32 << (self.format.depth - 8)) as f32;
        let (mut worst, mut borrowed, mut all) = (0.0f32, 0.0, 0.0);
        for plane in 0..hole.patch().planes.len() {
            let pairs = hole.patch().planes[plane].data().iter().zip(truth.patch().planes[plane].data());
            for (k, (a, b)) in pairs.enumerate() {
                let origin = hole.origin()[plane].data()[k];
                assert!(origin == Origin::Kept || origin == Origin::Borrowed);
                all += f32::from(u8::from(hole.need()[plane].data()[k] > 0));
                if origin == Origin::Borrowed {
                    borrowed += 1.0;
                    let whole = self.format.subsampling(plane) == (0, 0);
                    worst = worst.max((a - b).abs() / code * if whole { 1.0 } else { 2.0 / 3.0 });
                }
            }
        }
        (worst, borrowed / all)
    }
}

/// The rectangle of the holes, in rows.
fn place(rows: Rows) -> Rect {
    let step = rows.start_step().1;
    Rect::new(BOX.x, BOX.y / step, BOX.w, BOX.h / step).grow(16, SIZE.0, rows.count(SIZE.1))
}

fn mark() -> Mask {
    Mask::rectangle(BOX)
}

fn borrowed(borrow: &mut Borrow, crops: &[Crop], mut hole: Hole) -> Hole {
    borrow.restore(Window { crops, plates: &[] }, std::slice::from_mut(&mut hole));
    hole
}

#[test]
fn a_pan_brings_back_what_the_mark_hides() {
    for speed in [(3.0, 0.0), (-2.0, 1.0), (0.0, 4.0), (2.5, 0.25), (-1.3, -1.7), (11.0, -3.0)] {
        let scene = Scene { speed, ..PAN };
        let crops = scene.crops(0..30, Rows::All, |_| mark());
        for idx in [14, 29] {
            let hole = borrowed(&mut Borrow::default(), &crops, scene.hole(idx, Rows::All, &mark()));
            let (worst, share) = scene.judge(&hole);
            // Half a code each for rounding the source and the truth, the rest for the registration after up to 24 steps.
            assert!(worst <= 2.25, "{speed:?} at {idx}: {worst}");
            assert!(share >= 0.95, "{speed:?} at {idx}: {share}");
        }
    }
}

#[test]
fn what_no_frame_uncovers_stays_open() {
    let bar = Mask::rectangle(Rect::new(0, BOX.y, SIZE.0, BOX.h));
    for (speed, mask) in [((0.0, 0.0), mark()), ((3.0, 0.0), bar)] {
        let scene = Scene { speed, ..PAN };
        let crops = scene.crops(0..20, Rows::All, |_| mask.clone());
        let hole = borrowed(&mut Borrow::default(), &crops, scene.hole(10, Rows::All, &mask));
        assert_eq!(scene.judge(&hole).1, 0.0, "{speed:?}");
    }
    // Of a mark that shifts by half its width, the half that both cover is never seen.
    let scene = Scene { speed: (0.0, 0.0), ..PAN };
    let shown = |idx: FrameIdx| Mask::rectangle(Rect::new(BOX.x + if idx < 10 { 0 } else { 17 }, BOX.y, 34, BOX.h));
    let crops = scene.crops(0..20, Rows::All, shown);
    let hole = borrowed(&mut Borrow::default(), &crops, scene.hole(9, Rows::All, &shown(9)));
    let rect = hole.patch().rect;
    for (k, origin) in hole.origin()[0].data().iter().enumerate() {
        let x = rect.x + k as u32 % rect.w;
        assert!(*origin == Origin::Kept || x < BOX.x + 17, "column {x}");
    }
    assert!(scene.judge(&hole).1 > 0.3);
}

#[test]
fn a_mark_that_comes_and_goes_before_a_still_camera_is_replaced_by_what_was_there() {
    let scene = Scene { speed: (0.0, 0.0), ..PAN };
    let shown = |idx: FrameIdx| if idx < 8 { Mask::empty() } else { mark() };
    let crops = scene.crops(0..25, Rows::All, shown);
    let hole = borrowed(&mut Borrow::default(), &crops, scene.hole(20, Rows::All, &mark()));
    let (worst, share) = scene.judge(&hole);
    // A fill has next to no part in it.
    assert!(worst < 0.2 && share == 1.0, "{worst} {share}");
}

#[test]
fn a_source_that_is_off_by_one_sample_differs_around_the_mark() {
    let crops = PAN.crops(10..12, Rows::All, |_| mark());
    let guides: Vec<Guide> = crops.iter().filter_map(|crop| Guide::new(crop, &mut spread::Spread::default())).collect();
    let (width, height) = guides[0].size();
    let region = Region { x: 0, y: 0, width, height };
    let probes = judge::probes(&crops[0], &guides[0], region);
    let mean = |off: f32| {
        // Three luma samples a frame to the left are one and a half of the guide.
        let motion = vec![[off - 1.5, 0.0]; region.len()];
        let shown = |k: usize| (4..width - 4).contains(&(k % width));
        let all = judge::Judge::default().differences((&crops[1], &motion), (&probes, region), 0.0, shown);
        all.iter().sum::<f32>() / all.len() as f32
    };
    // Nothing, and then the squared slope of the texture.
    let (right, off) = (mean(0.0), mean(0.5));
    assert!(right < 0.1 && off > 2.0, "{right} {off}");
}

#[test]
fn a_scene_that_grows_brighter_is_met_by_an_offset() {
    let scene = Scene { fade: 0.7, ..PAN };
    let crops = scene.crops(0..30, Rows::All, |_| mark());
    let hole = borrowed(&mut Borrow::default(), &crops, scene.hole(15, Rows::All, &mark()));
    let (worst, share) = scene.judge(&hole);
    // 9 codes between the frames; the offset varies by rounding, and the registration by the change.
    assert!(worst <= 3.0 && share >= 0.95, "{worst} {share}");
}

#[test]
fn frames_that_show_something_else_are_not_believed() {
    let other = Scene { seed: 77, ..PAN };
    let mut crops = other.crops(0..30, Rows::All, |_| mark());
    crops[15] = PAN.crops(15..16, Rows::All, |_| mark()).remove(0);
    let hole = borrowed(&mut Borrow::default(), &crops, PAN.hole(15, Rows::All, &mark()));
    assert!(PAN.judge(&hole).1 < 0.05, "{}", PAN.judge(&hole).1);
}

#[test]
fn every_format_and_field_is_served() {
    for depth in [8, 10, 12, 16] {
        for (layout, log2_chroma_w, log2_chroma_h, alpha) in [
            (PixelLayout::Gray, 0, 0, false),
            (PixelLayout::Yuv, 1, 1, false),
            (PixelLayout::Yuv, 1, 0, true),
            (PixelLayout::Yuv, 2, 0, false),
            (PixelLayout::Yuv, 0, 0, false),
            (PixelLayout::Gbr, 0, 0, true),
        ] {
            let format = PixelFormat { layout, depth, log2_chroma_w, log2_chroma_h, alpha };
            let scene = Scene { format, speed: (4.0, 0.0), ..PAN };
            for rows in [Rows::All, Rows::Top, Rows::Bottom] {
                let crops = scene.crops(0..20, rows, |_| mark());
                let hole = borrowed(&mut Borrow::default(), &crops, scene.hole(10, rows, &mark()));
                let (worst, share) = scene.judge(&hole);
                // Chroma at a quarter of the width is sharper than a straight line between its samples.
                let bound = if log2_chroma_w == 2 { 8.0 } else { 4.0 };
                assert!(worst <= bound && share >= 0.95, "{format:?} {rows:?}: {worst} {share}");
            }
        }
    }
}

#[test]
fn what_was_asked_before_does_not_show() {
    let crops = PAN.crops(0..30, Rows::All, |_| mark());
    let hole = |idx| PAN.hole(idx, Rows::All, &mark());
    let fresh = borrowed(&mut Borrow::default(), &crops, hole(12));
    let mut used = Borrow::default();
    // Other samples under the same frame numbers, then the same in any order.
    let other = Scene { seed: 9, speed: (-1.0, 2.0), ..PAN };
    borrowed(&mut used, &other.crops(0..30, Rows::All, |_| mark()), other.hole(12, Rows::All, &mark()));
    for idx in [29, 3, 11, 13, 0] {
        borrowed(&mut used, &crops, hole(idx));
    }
    let again = borrowed(&mut used, &crops, hole(12));
    assert_eq!(fresh.patch(), again.patch());
    assert_eq!(fresh.origin(), again.origin());
    // Nor do crops beyond the reach.
    let reach = Reach { before: 6, after: 5, margin: 48 };
    let near = borrowed(&mut Borrow::new(reach), &crops[6..18], hole(12));
    let far = borrowed(&mut Borrow::new(reach), &crops, hole(12));
    assert_eq!(near.patch(), far.patch());
}

#[test]
fn softly_covered_samples_keep_their_share_and_settled_ones_stay() {
    let mut soft = mark();
    soft = Mask::new(soft.rect(), crate::raster::Raster::new(BOX.w, BOX.h, 51)).unwrap();
    let crops = PAN.crops(0..30, Rows::All, |_| mark());
    let mut hole = PAN.hole(15, Rows::All, &soft);
    let k = (0..hole.need()[0].data().len()).find(|k| hole.is_open(0, *k)).unwrap();
    hole.settle(0, k, 7.0, Origin::Unblended);
    let out = borrowed(&mut Borrow::default(), &crops, hole);
    let truth = PAN.hole(15, Rows::All, &Mask::empty());
    assert_eq!(out.patch().planes[0].data()[k], 7.0);
    for (n, value) in out.patch().planes[0].data().iter().enumerate() {
        if out.origin()[0].data()[n] == Origin::Borrowed {
            let expected = 0.8 * 235.0 + 0.2 * truth.patch().planes[0].data()[n];
            assert!((value - expected).abs() <= 0.5, "{n}: {value} {expected}");
        }
    }
}

#[test]
fn windows_that_do_not_fit_leave_everything_open() {
    let crops = PAN.crops(0..10, Rows::All, |_| mark());
    let mut alien = crops.clone();
    alien[3].patch.rect.x += 1;
    let mut tiny = crops.clone();
    tiny.iter_mut().for_each(|crop| {
        PAN.frame(crop.idx, &mark()).lift(Rect::new(70, 58, 9, 5), Rows::All, &mut crop.patch);
        crop.need = crop.patch.need(&mark());
    });
    for window in [&[][..], &crops[..4], &alien[..], &tiny[..]] {
        let hole = borrowed(&mut Borrow::default(), window, PAN.hole(5, Rows::All, &mark()));
        assert_eq!(PAN.judge(&hole).1, 0.0);
    }
    let mut hole = PAN.hole(5, Rows::All, &mark());
    let rect = Rect::new(72, 60, 4, 3);
    let mut patch = Patch::default();
    PAN.frame(5, &mark()).lift(rect, Rows::All, &mut patch);
    hole = Hole::new(hole.idx, patch, &mark());
    borrowed(&mut Borrow::default(), &tiny, hole);
}

#[test]
fn where_two_motions_meet_under_a_mark_neither_is_believed_to_go_on() {
    // The mark is shown from frame 20 on; twelve frames later the edge has moved by 10 samples, and the scene by 12 to the other side.
    let scene = Scene { speed: (1.0, 0.2), thing: Some((66.0, 0.8)), ..PAN };
    let shown = |idx| if idx < 20 { Mask::empty() } else { mark() };
    for idx in [24, 26, 28, 32] {
        let hole = borrowed(
            &mut Borrow::default(),
            &scene.crops(0..40, Rows::All, shown),
            scene.hole(idx, Rows::All, &mark()),
        );
        let (worst, share) = scene.judge(&hole);
        // Without the doubt it is 63 on the last.
        assert!(worst < 20.0, "frame {idx}: {worst} {share}");
    }
}

/// A plate of `scene` from frames of `looks`, on which `passing` is painted over though nobody knows.
fn plate(scene: Scene, looks: std::ops::Range<FrameIdx>, passing: &Mask) -> Plate {
    let look = |idx| {
        let mut patch = Patch::default();
        scene.frame(idx, passing).lift(place(Rows::All).grow(48, SIZE.0, SIZE.1), Rows::All, &mut patch);
        Crop::new(idx, patch, &Mask::empty())
    };
    let looks: Vec<Crop> = looks.map(look).collect();
    Plate::of(&looks, 0).unwrap().0
}

fn behind(scene: Scene, plates: &[Plate]) -> (f32, f32) {
    let crops = scene.crops(90..110, Rows::All, |_| mark());
    let mut hole = scene.hole(100, Rows::All, &mark());
    Borrow::default().restore(Window { crops: &crops, plates }, std::slice::from_mut(&mut hole));
    scene.judge(&hole)
}

#[test]
fn a_plate_gives_back_what_no_near_frame_shows_and_follows_the_light_and_a_sway() {
    for (fade, sway) in [(0.0, 0.0), (0.08, 0.0), (0.0, 0.004)] {
        let scene = Scene { speed: (sway, 0.0), fade, ..PAN };
        assert_eq!(behind(scene, &[]).1, 0.0);
        let (worst, share) = behind(scene, &[plate(scene, 0..9, &Mask::empty())]);
        // Rounding of the looks and of the truth, and the offset between.
        assert!(worst <= 2.5 && share >= 0.95, "{fade} {sway}: {worst} {share}");
    }
}

#[test]
fn a_plate_of_another_scene_or_from_before_a_pan_is_not_used() {
    let still = Scene { speed: (0.0, 0.0), ..PAN };
    let other = plate(Scene { seed: 77, ..still }, 0..9, &Mask::empty());
    assert!(behind(still, &[other]).1 < 0.05);
    // 300 samples on, nothing of it is left.
    let looks = plate(Scene { speed: (0.0, 0.0), ..PAN }, 0..9, &Mask::empty());
    let panned = Scene { speed: (3.0, 0.0), ..PAN };
    let (worst, share) = behind(panned, &[looks]);
    assert!(worst <= 2.25 && share >= 0.95, "{worst} {share}");
}

#[test]
fn what_was_there_before_and_not_after_is_not_put_behind_a_mark_half_way() {
    let still = Scene { speed: (0.0, 0.0), ..PAN };
    let thing = Mask::rectangle(BOX);
    let before = plate(still, 40..49, &Mask::empty());
    let after = plate(still, 151..160, &thing);
    let (_, share) = behind(still, &[before.clone(), after]);
    assert!(share < 0.2, "{share}");
    // What passed by on a few of the looks does not matter.
    let (worst, share) = behind(still, &[before.clone(), plate(still, 151..160, &Mask::empty())]);
    assert!(worst <= 1.0 && share == 1.0, "{worst} {share}");
    // Looks that disagree among themselves are as bad.
    let look = |idx: FrameIdx| {
        let mut patch = Patch::default();
        let shown = if idx.is_multiple_of(2) { thing.clone() } else { Mask::empty() };
        still.frame(idx, &shown).lift(place(Rows::All).grow(48, SIZE.0, SIZE.1), Rows::All, &mut patch);
        Crop::new(idx, patch, &Mask::empty())
    };
    let looks: Vec<Crop> = (40..49).map(look).collect();
    assert!(behind(still, &[Plate::of(&looks, 0).unwrap().0]).1 < 0.2);
}

#[test]
fn a_plate_over_another_rectangle_is_covered_where_it_does_not_reach() {
    let still = Scene { speed: (0.0, 0.0), ..PAN };
    let own = plate(still, 0..9, &Mask::empty());
    let rect = own.crop.patch.rect;
    let wider = own.over(Rect::new(rect.x, rect.y, rect.w + 6, rect.h));
    for (plane, need) in wider.crop.need.iter().enumerate() {
        let reach = own.crop.patch.planes[plane].width();
        assert!((0..need.width()).all(|x| (need.at(x, 3) > 0) == (x >= reach)), "plane {plane}");
    }
    let shifted = own.over(Rect::new(rect.x + 4, rect.y + 2, 20, 20));
    assert_eq!(shifted.crop.patch.planes[0].at(0, 0), own.crop.patch.planes[0].at(4, 2));
    assert_eq!(shifted.crop.patch.planes[1].at(0, 0), own.crop.patch.planes[1].at(2, 1));
}
