use super::*;

const SIZE: (u32, u32) = (1280, 720);
const FRAMES: u64 = 900;

/// Noise from a seed, even over 0..1.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 40) as f32 / (1u64 << 24) as f32
    }

    fn normal(&mut self) -> f32 {
        (0..12).map(|_| self.roll()).sum::<f32>() - 6.0
    }
}

#[derive(Clone, Copy, Debug)]
enum Motion {
    Still,
    Drift,
    Bounce,
    Hop,
}

/// The mark's own rectangle on frame `idx`; `None` while it is not shown.
fn truth(motion: Motion, idx: u64) -> Option<[f32; 4]> {
    let t = idx as f32;
    let (x, y) = match motion {
        Motion::Still => (1000.0, 60.0),
        Motion::Drift => (60.0 + 1.1 * t, 80.0 + 0.5 * t),
        Motion::Bounce => {
            let fold = |v: f32, to: f32| (v.rem_euclid(2.0 * to) - to).abs();
            (fold(4.0 * t, 1080.0), fold(2.5 * t, 640.0))
        }
        Motion::Hop => [(80.0, 80.0), (900.0, 560.0), (90.0, 600.0), (980.0, 90.0)][(idx / 75 % 4) as usize],
    };
    (20..880).contains(&idx).then_some([x, y, x + 180.0, y + 60.0])
}

/// What a detector makes of it: 5 % misses, bursts of 3 to 8, 2 px of jitter, .3 % seen where nothing is.
fn detected(motion: Motion, dice: &mut Dice) -> Vec<(FrameIdx, Vec<Sighting>)> {
    let mut burst = 0;
    let mut all = Vec::new();
    for idx in 0..FRAMES {
        let mut boxes = Vec::new();
        if dice.roll() < 0.01 {
            burst = 3 + (dice.roll() * 6.0) as u32;
        }
        let is_missed = burst > 0 || dice.roll() < 0.05;
        burst = burst.saturating_sub(1);
        if let Some(sides) = truth(motion, idx).filter(|_| !is_missed) {
            let sides = sides.map(|side| side + 2.0 * dice.normal());
            boxes.push(Sighting { sides, score: 0.3 + 0.6 * dice.roll(), class: 0 });
        }
        if dice.roll() < 0.003 {
            let (x, y) = (1000.0 * dice.roll(), 600.0 * dice.roll());
            boxes.push(Sighting { sides: [x, y, x + 90.0, y + 50.0], score: 0.1 + 0.25 * dice.roll(), class: 0 });
        }
        all.push((idx, boxes));
    }
    all
}

fn covered(tracks: &[BoxTrack], idx: FrameIdx, mark: [f32; 4]) -> f32 {
    let rects: Vec<Rect> = tracks.iter().filter_map(|track| track.places.at(idx)).copied().collect();
    let (mut inside, mut all) = (0, 0);
    for y in mark[1].ceil() as u32..mark[3].floor() as u32 {
        for x in mark[0].ceil() as u32..mark[2].floor() as u32 {
            all += 1;
            inside += u32::from(rects.iter().any(|rect| rect.contains(x, y)));
        }
    }
    inside as f32 / all as f32
}

#[test]
fn no_frame_of_a_mark_is_left_uncovered_whatever_a_detector_misses() {
    let (mut flashes, mut area, mut truly) = (Vec::new(), 0.0, 0.0);
    for motion in [Motion::Still, Motion::Drift, Motion::Bounce, Motion::Hop] {
        for seed in 0..6 {
            let tracks = link(&detected(motion, &mut Dice(seed + 1)), FRAMES, SIZE, &Linking::default());
            for idx in 0..FRAMES {
                area += tracks.iter().filter_map(|t| t.places.at(idx)).map(|r| r.area() as f64).sum::<f64>();
                let Some(mark) = truth(motion, idx) else { continue };
                truly += 180.0 * 60.0;
                if covered(&tracks, idx, mark) < 0.99 {
                    flashes.push((motion, seed, idx));
                }
            }
        }
    }
    assert!(flashes.is_empty(), "{} frames: {:?}", flashes.len(), &flashes[..flashes.len().min(12)]);
    // The prototype of the restoration notes took 1.5 times the mark's area; hops are held at both places.
    assert!(area < 1.8 * truly, "{}", area / truly);
}

#[test]
fn a_mark_that_stands_still_has_one_rectangle_however_its_boxes_jitter() {
    let tracks = link(&detected(Motion::Still, &mut Dice(3)), FRAMES, SIZE, &Linking::default());
    assert_eq!(tracks.len(), 1);
    assert_eq!(tracks[0].places.keys().len(), 1);
    assert!(tracks[0].places.span().start <= 20 && tracks[0].places.span().end >= 880);
}

fn at(x: f32, score: f32) -> Sighting {
    Sighting { sides: [x, 100.0, x + 50.0, 130.0], score, class: 0 }
}

#[test]
fn few_boxes_are_no_mark_unless_one_is_sure() {
    let boxes = |idx: u64, n: u64, score: f32| if idx < n { vec![at(100.0, score)] } else { Vec::new() };
    let seen = |n: u64, score: f32| (0..30).map(|idx| (idx, boxes(idx, n, score))).collect::<Vec<_>>();
    let found = |n, score| link(&seen(n, score), 100, SIZE, &Linking::default()).len();
    assert_eq!((found(4, 0.3), found(5, 0.3), found(1, 0.5)), (0, 1, 1));
    let one_picture = link(&[(0, vec![at(100.0, 0.2)])], 1, SIZE, &Linking::default());
    assert_eq!(one_picture.len(), 1, "a single picture has one chance");
}

#[test]
fn a_gap_is_filled_and_a_longer_one_ends_the_track() {
    let seen: Vec<_> = (0..40).filter(|i| !(10..30).contains(i)).map(|i| (i, vec![at(100.0, 0.8)])).collect();
    let linking = Linking { accumulate: 21, persistence: 0, ..Linking::default() };
    assert_eq!(link(&seen, 40, SIZE, &linking).len(), 1);
    let apart = link(&seen, 40, SIZE, &Linking { accumulate: 20, ..linking });
    assert_eq!(apart.iter().map(|t| t.places.span()).collect::<Vec<_>>(), [0..10, 30..40]);
}

#[test]
fn over_a_short_gap_the_box_moves_and_over_a_long_one_it_covers_both_ends() {
    let seen: Vec<_> = (0..60).filter(|i| !(20..26).contains(i)).map(|i| (i, vec![at(4.0 * i as f32, 0.8)])).collect();
    let places = |max_gap| {
        let linking = Linking { max_gap, persistence: 0, dilate: 0, ..Linking::default() };
        link(&seen, 60, SIZE, &linking).remove(0).places
    };
    let (moving, wide) = (*places(6).at(22).unwrap(), *places(5).at(22).unwrap());
    assert!(moving.x <= 88 && moving.right() >= 138 && moving.w <= 50 + 2 * SLACK, "{moving:?}");
    assert!(wide.x <= 76 && wide.right() >= 4 * 26 + 50, "{wide:?}");
}

#[test]
fn a_track_is_held_and_follows_a_motion_beyond_its_ends_inside_the_clip() {
    let seen: Vec<_> = (30..60).map(|i| (i, vec![at(10.0 * i as f32, 0.8)])).collect();
    let track = link(&seen, 64, SIZE, &Linking::default()).remove(0);
    assert_eq!(track.places.span(), 12..64);
    let beyond = track.places.at(63).unwrap();
    assert!(beyond.x <= 590 && beyond.right() >= 680, "{beyond:?}");
    assert_eq!((track.sightings, track.score), (30, 0.8));
}

#[test]
fn one_mark_that_is_taken_for_two_kinds_is_one_track() {
    let pair = |i| (i, vec![at(100.0, 0.8), Sighting { class: 1, ..at(103.0, 0.6) }]);
    assert_eq!(link(&(0..20).map(pair).collect::<Vec<_>>(), 20, SIZE, &Linking::default()).len(), 1);
}

#[test]
fn a_detector_that_looks_at_every_third_frame_leaves_none_out() {
    let seen: Vec<_> = (0..90).step_by(3).map(|i| (i, vec![at(3.0 * i as f32, 0.8)])).collect();
    let track = link(&seen, 90, SIZE, &Linking::default()).remove(0);
    for idx in 0..90u64 {
        let (rect, x) = (track.places.at(idx).unwrap(), 3 * idx as u32);
        assert!(rect.x <= x && rect.right() >= x + 50, "{idx}: {rect:?}");
    }
}
