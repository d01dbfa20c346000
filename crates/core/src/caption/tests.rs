use super::*;

const SIZE: (u32, u32) = (120, 200);
const RULES: Rules = Rules { shortest: 6, persistent: 150 };

/// All captions of a clip that has ended, in order of time.
fn all_of(mut finder: Finder, count: u64) -> Vec<Caption> {
    let mut all = finder.decided();
    all.extend(finder.finish(count));
    all.sort_by_key(|caption| (caption.span.start, caption.span.end));
    all
}

/// Whether `caption` covers cell `k` of the frame, by its last key of frame `t` or before.
fn covers(caption: &Caption, t: u64, k: u32) -> bool {
    let (x, y) = (k % SIZE.0, k / SIZE.0);
    let key = caption.keys.iter().rfind(|(idx, _)| *idx <= t);
    key.is_some_and(|(_, cells)| caption.area.contains(x, y) && cells.at(x - caption.area.x, y - caption.area.y))
}

/// Letters of a line: strokes of three cells and gaps of two, in a pattern of its own for every `text`.
fn is_letter(text: u32, x: u32, y: u32) -> bool {
    let inside = (20..90).contains(&x) && (160..169).contains(&y);
    let (column, within) = (x / (5 + 2 * text), x % (5 + 2 * text));
    let drawn = (column * 131 + (y / 3) * 57 + text * 977).wrapping_mul(2_654_435_761) >> 16;
    inside && within < 3 && !drawn.is_multiple_of(3)
}

/// A scene with texture that moves by `speed` cells a frame, letters of `text(t)` shown by `gain(t)` and moved by `way(t)`.
struct Show<'a> {
    speed: f32,
    text: &'a dyn Fn(u64) -> u32,
    gain: &'a dyn Fn(u64) -> f32,
    way: &'a dyn Fn(u64) -> u32,
}

impl Show<'_> {
    fn frame(&self, t: u64) -> (Raster<u8>, Seen) {
        let (mut luma, mut strokes) = (Raster::new(SIZE.0, SIZE.1, 0u8), Raster::new(SIZE.0, SIZE.1, 0u8));
        for y in 0..SIZE.1 {
            for x in 0..SIZE.0 {
                let (u, v) = (x as f32 + self.speed * t as f32, y as f32);
                let scene = 90.0 + 30.0 * (0.31 * u).sin() * (0.23 * v).cos() + 12.0 * (0.9 * u + 0.4 * v).sin();
                let on = x.checked_sub((self.way)(t)).is_some_and(|x| is_letter((self.text)(t), x, y));
                let gain = if on { (self.gain)(t) } else { 0.0 };
                luma.set(x, y, (scene + gain * (235.0 - scene)).round() as u8);
                strokes.set(x, y, if gain > 0.5 { 230 } else { 3 });
            }
        }
        (luma, Seen { strokes, plates: Raster::new(SIZE.0, SIZE.1, 0) })
    }

    fn captions(&self, count: u64, every: u64) -> Vec<Caption> {
        let mut finder = Finder::new(SIZE, every, 25.0, RULES);
        for t in 0..count {
            let (luma, seen) = self.frame(t);
            finder.observe(t, luma, (t % every == 0).then_some(seen));
        }
        all_of(finder, count)
    }
}

fn still(_: u64) -> u32 {
    0
}

/// What is said of them.
fn words(all: &[Caption]) -> Vec<String> {
    all.iter().map(|caption| format!("{:?} {:.2} {}", caption.span, caption.score, caption.reason)).collect()
}

fn confident(all: &[Caption]) -> Vec<&Caption> {
    all.iter().filter(|caption| caption.confident).collect()
}

#[test]
fn captions_are_found_to_the_frame_between_the_looks_and_told_from_those_that_follow_at_once() {
    let text = |t: u64| if t < 51 { 0 } else { 1 };
    let gain = |t: u64| if (21..80).contains(&t) { 1.0 } else { 0.0 };
    let all = Show { speed: 0.7, text: &text, gain: &gain, way: &still }.captions(100, 2);
    let found = confident(&all);
    assert_eq!(found.iter().map(|c| c.span.clone()).collect::<Vec<_>>(), [21..51, 51..80], "{:?}", words(&all));
    for (caption, text) in found.iter().zip([0, 1]) {
        let first = caption.keys[0].0;
        assert_eq!(first, caption.span.start);
        let missed =
            (0..SIZE.0 * SIZE.1).filter(|k| is_letter(text, k % SIZE.0, k / SIZE.0) && !covers(caption, first, *k));
        // Specks that stand alone are no letters.
        assert!(missed.count() <= 9);
        assert!(caption.score > 0.85, "{}", caption.score);
    }
}

#[test]
fn a_fade_is_followed_beyond_what_the_segmenter_sees() {
    let gain = |t: u64| ((t as f32 - 20.0) / 12.0).min((80.0 - t as f32) / 12.0).clamp(0.0, 1.0);
    let all = Show { speed: 0.7, text: &still, gain: &gain, way: &still }.captions(100, 2);
    let found = confident(&all);
    assert_eq!(found.len(), 1, "{:?}", words(&all));
    // The first frame shows a twelfth of it, the second a sixth.
    let span = &found[0].span;
    assert!((21..=23).contains(&span.start) && (78..=80).contains(&span.end), "{span:?}");
}

#[test]
fn what_belongs_to_the_scene_is_not_taken_for_a_caption() {
    let always = |_: u64| 1.0;
    let drift = |t: u64| (t / 3) as u32;
    let moving = Show { speed: -1.0 / 3.0, text: &still, gain: &always, way: &drift }.captions(90, 2);
    assert!(confident(&moving).is_empty(), "{:?}", words(&moving));
    let sign = Show { speed: 0.0, text: &still, gain: &always, way: &still }.captions(60, 2);
    assert!(confident(&sign).is_empty(), "{:?}", words(&sign));
    // The same letters all the time, but the scene moves behind them.
    let overlay = Show { speed: 0.7, text: &still, gain: &always, way: &still }.captions(60, 2);
    assert_eq!(
        confident(&overlay).iter().map(|c| c.span.clone()).collect::<Vec<_>>(),
        [0..60],
        "{:?}",
        words(&overlay)
    );
    let mark = Show { speed: 0.7, text: &still, gain: &always, way: &still }.captions(150, 2);
    assert!(confident(&mark).is_empty(), "{:?}", words(&mark));
    let blip = |t: u64| if (20..24).contains(&t) { 1.0 } else { 0.0 };
    let short = Show { speed: 0.7, text: &still, gain: &blip, way: &still }.captions(60, 2);
    assert!(confident(&short).is_empty(), "{:?}", words(&short));
}

#[test]
fn what_the_clip_cuts_off_may_be_shorter_than_a_caption() {
    let gain = |t: u64| if (3..58).contains(&t) { 0.0 } else { 1.0 };
    let all = Show { speed: 0.7, text: &|t| (t / 30) as u32, gain: &gain, way: &still }.captions(60, 2);
    assert_eq!(confident(&all).iter().map(|c| c.span.clone()).collect::<Vec<_>>(), [0..3, 58..60], "{:?}", words(&all));
}

#[test]
fn words_that_are_added_one_by_one_are_covered_from_their_first_frame_on() {
    let mut finder = Finder::new(SIZE, 2, 25.0, RULES);
    let shown = |t: u64, x: u32| x < 20 + 14 * (1 + (t.saturating_sub(10) / 12) as u32);
    let show = Show { speed: 0.7, text: &still, gain: &|t| if (10..70).contains(&t) { 1.0 } else { 0.0 }, way: &still };
    let bare = Show { gain: &|_| 0.0, ..show };
    for t in 0..90 {
        let ((mut luma, mut seen), (scene, _)) = (show.frame(t), bare.frame(t));
        for k in (0..SIZE.0 * SIZE.1).filter(|k| !shown(t, k % SIZE.0)) {
            luma.data_mut()[k as usize] = scene.data()[k as usize];
            seen.strokes.data_mut()[k as usize] = 0;
        }
        finder.observe(t, luma, (t % 2 == 0).then_some(seen));
    }
    let all = all_of(finder, 90);
    let found = confident(&all);
    assert!(!found.is_empty(), "{:?}", words(&all));
    for t in 10..70 {
        let covered = |k: u32| found.iter().any(|caption| caption.span.contains(&t) && covers(caption, t, k));
        let missed = (0..SIZE.0 * SIZE.1)
            .filter(|k| is_letter(0, k % SIZE.0, k / SIZE.0) && shown(t, k % SIZE.0) && !covered(*k));
        assert!(missed.count() <= 9, "frame {t}");
    }
}

#[test]
fn what_is_kept_does_not_grow_with_the_clip() {
    let mut finder = Finder::new(SIZE, 2, 25.0, RULES);
    // A word a second, each somewhere else in its line, and a mark beside them that is always there.
    let gain = |t: u64| if t % 25 < 15 { 1.0 } else { 0.0 };
    let text = |t: u64| (t / 25 % 2) as u32;
    let show = Show { speed: 0.7, text: &text, gain: &gain, way: &still };
    // The mark keeps others waiting for 450 frames, and then no more.
    let (mut decided, mut most) = (0, [0; 2]);
    for t in 0..1200u64 {
        let (mut luma, mut seen) = show.frame(t);
        for (x, y) in (10..14).flat_map(|y| (20..50).map(move |x| (x, y))).filter(|(x, _)| x % 5 < 3) {
            luma.set(x, y, 240);
            seen.strokes.set(x, y, 230);
        }
        finder.observe(t, luma, (t % 2 == 0).then_some(seen));
        decided += finder.decided().iter().filter(|caption| caption.confident).count();
        let half = usize::from(t >= 600);
        most[half] = most[half].max(finder.held());
    }
    assert!(decided >= 40, "{decided}");
    assert!(most[1] <= most[0] + most[0] / 20, "{most:?}");
}

#[test]
fn letters_that_pass_over_the_scene_are_covered_on_every_frame_and_those_that_go_with_it_are_not() {
    let (always, pass) = (|_: u64| 1.0, |t: u64| t as u32);
    let all = Show { speed: 0.0, text: &still, gain: &always, way: &pass }.captions(60, 2);
    let found = confident(&all);
    assert!(!found.is_empty(), "{:?}", words(&all));
    for t in 0..60 {
        let letters: Vec<u32> = (0..SIZE.0 * SIZE.1)
            .filter(|k| (k % SIZE.0).checked_sub(t as u32).is_some_and(|x| is_letter(0, x, k / SIZE.0)))
            .collect();
        let covered = |k: &u32| found.iter().any(|caption| caption.span.contains(&t) && covers(caption, t, *k));
        let missed = letters.iter().filter(|k| !covered(k)).count();
        assert!(50 * missed <= letters.len(), "frame {t}: {missed} of {}", letters.len());
    }
    let sign = Show { speed: -1.0, text: &still, gain: &always, way: &pass }.captions(60, 2);
    assert!(confident(&sign).is_empty(), "{:?}", words(&sign));
}
