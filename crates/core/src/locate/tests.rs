//! Synthetic clips with known marks. A textured plane pans behind; every value is a function of position and seed.

use std::sync::OnceLock;

use super::{Detection, Evidence, Survey};
use crate::format::{PixelFormat, PixelLayout};
use crate::frame::{Frame, FrameIdx, HostSurface, RowMut, Surface};
use crate::geometry::Rect;

const W: u32 = 320;
const H: u32 = 180;
const MARK: Rect = Rect::new(220, 20, 60, 28);

/// A side of the tile that the scene repeats.
const TILE: usize = 512;

/// Value noise of octaves 4 to 32 samples wide, 20..=235, repeating every [`TILE`] samples; computed once.
fn texture(x: i64, y: i64) -> f64 {
    static SCENE: OnceLock<Vec<f32>> = OnceLock::new();
    let scene = SCENE.get_or_init(|| {
        let mut state = 7u64;
        let mut random = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f32 / (1u32 << 24) as f32 - 0.5
        };
        let mut tile = vec![120.0f32; TILE * TILE];
        for size in [4, 8, 16, 32] {
            let n = TILE / size;
            let grid: Vec<f32> = (0..n * n).map(|_| random() * 11.0 * (size as f32).sqrt()).collect();
            for (i, value) in tile.iter_mut().enumerate() {
                let (x, y) = (i % TILE, i / TILE);
                let (fx, fy) = ((x % size) as f32 / size as f32, (y % size) as f32 / size as f32);
                let at = |i: usize, j: usize| grid[(y / size + j) % n * n + (x / size + i) % n];
                let top = at(0, 0) * (1.0 - fx) + at(1, 0) * fx;
                let low = at(0, 1) * (1.0 - fx) + at(1, 1) * fx;
                *value += top * (1.0 - fy) + low * fy;
            }
        }
        tile
    });
    let (x, y) = (x.rem_euclid(TILE as i64) as usize, y.rem_euclid(TILE as i64) as usize);
    f64::from(scene[y * TILE + x].clamp(20.0, 235.0))
}

/// A lettered plate in `rect`: alpha and luma at (x, y).
fn plate(rect: Rect, x: u32, y: u32, alpha: f64) -> Option<(f64, f64)> {
    if !rect.contains(x, y) {
        return None;
    }
    let (u, v) = (x - rect.x, y - rect.y);
    let stroke = v > 6 && v + 6 < rect.h && u > 5 && u + 5 < rect.w && (u / 4) % 3 == 0;
    Some((alpha, if stroke { 230.0 } else { 60.0 }))
}

/// What a synthetic clip shows.
#[derive(Clone, Copy)]
struct Clip {
    format: PixelFormat,
    /// Samples a frame that the scene moves.
    pan: (i64, i64),
    /// Alpha of the luma mark; 0 for none.
    alpha: f64,
    /// Whether a mark of the scene's own luma, told by its colour alone, lies at the lower left.
    coloured: bool,
    /// Frames in which marks show.
    shown: (FrameIdx, FrameIdx),
    /// Rows of black above and below.
    bars: u32,
    size: (u32, u32),
}

const PANNING: Clip = Clip {
    format: PixelFormat::YUV420P8,
    pan: (5, 2),
    alpha: 0.0,
    coloured: false,
    shown: (0, FrameIdx::MAX),
    bars: 0,
    size: (W, H),
};
const TINTED: Rect = Rect::new(30, 120, 40, 32);

impl Clip {
    fn frame(&self, idx: FrameIdx) -> Frame {
        let (w, h) = self.size;
        let shift = u32::from(self.format.depth) - 8;
        let mut surface = HostSurface::new(self.format, w, h);
        let shows = idx >= self.shown.0 && idx < self.shown.1;
        for plane in 0..self.format.planes() {
            let (sw, sh) = self.format.subsampling(plane);
            let (_, ph) = self.format.plane_size(plane, w, h);
            for y in 0..ph {
                let value = |x: u32| {
                    let (lx, ly) = (x << sw, y << sh);
                    let bar = ly < self.bars || ly + self.bars >= h;
                    let t = idx as i64;
                    let scene = texture(i64::from(lx) + self.pan.0 * t, i64::from(ly) + self.pan.1 * t);
                    let code = if self.format.is_chroma(plane) {
                        let tinted = shows && self.coloured && TINTED.contains(lx, ly);
                        if tinted { if plane == 1 { 90.0 } else { 200.0 } } else { 128.0 + (scene - 120.0) / 8.0 }
                    } else {
                        let below = if bar { 16.0 } else { scene };
                        match plate(MARK, lx, ly, self.alpha).filter(|_| shows && self.alpha > 0.0) {
                            Some((a, luma)) => below * (1.0 - a) + luma * a,
                            None => below,
                        }
                    };
                    (code.round() as u32) << shift
                };
                match surface.row_mut(plane, y) {
                    RowMut::U8(row) => row.iter_mut().enumerate().for_each(|(x, s)| *s = value(x as u32) as u8),
                    RowMut::U16(row) => row.iter_mut().enumerate().for_each(|(x, s)| *s = value(x as u32) as u16),
                }
            }
        }
        Frame::new(idx, idx as i64, 1, (w, h), self.format, Box::new(surface))
    }

    fn evidence(&self, frames: impl IntoIterator<Item = FrameIdx>) -> Evidence {
        let mut evidence = Evidence::new();
        frames.into_iter().for_each(|idx| assert!(evidence.observe(&self.frame(idx))));
        evidence
    }

    fn marks(&self, frames: u64) -> Vec<Detection> {
        self.evidence(0..frames).conclude().marks().cloned().collect()
    }
}

#[test]
fn a_mark_before_a_moving_scene_is_found_with_its_mask() {
    for alpha in [1.0, 0.5, 0.35] {
        let marks = Clip { alpha, ..PANNING }.marks(24);
        assert_eq!(marks.len(), 1, "alpha {alpha}");
        let mark = &marks[0];
        assert!(mark.rect.iou(&MARK) > 0.7, "alpha {alpha}: {:?}", mark.rect);
        assert_eq!(mark.span, 0..24);
        let grown = mark.mask.dilated(3, W, H);
        let missed = (MARK.y..MARK.bottom())
            .flat_map(|y| (MARK.x..MARK.right()).map(move |x| (x, y)))
            .filter(|(x, y)| grown.at(*x, *y) == 0)
            .count();
        // Every sample of the plate is marked; the integration may lose the faintest in its middle.
        assert!(missed as f64 <= 0.02 * MARK.area() as f64, "alpha {alpha}: {missed} marked samples uncovered");
        assert!(mark.mask.area() as f64 <= 1.6 * MARK.area() as f64, "alpha {alpha}: {}", mark.mask.area());
    }
}

#[test]
fn a_mark_of_the_scenes_own_luma_is_found_by_its_colour() {
    let marks = Clip { coloured: true, ..PANNING }.marks(24);
    assert_eq!(marks.len(), 1);
    assert!(marks[0].rect.iou(&TINTED) > 0.6, "{:?}", marks[0].rect);
    assert!(marks[0].figures.plane > 0);
}

#[test]
fn several_marks_are_found_at_once() {
    let mut marks = Clip { alpha: 0.8, coloured: true, ..PANNING }.marks(24);
    marks.sort_by_key(|m| m.rect.x);
    assert_eq!(marks.len(), 2);
    assert!(marks[0].rect.iou(&TINTED) > 0.6 && marks[1].rect.iou(&MARK) > 0.7);
}

#[test]
fn a_scene_without_a_mark_yields_nothing() {
    for pan in [(5, 2), (1, 0), (0, 3)] {
        let conclusion = Clip { pan, ..PANNING }.evidence(0..24).conclude();
        assert_eq!(conclusion.marks().count(), 0, "pan {pan:?}: {}", conclusion.verdict);
    }
}

#[test]
fn a_still_scene_is_refused_and_the_reason_given() {
    for alpha in [0.0, 1.0] {
        let conclusion = Clip { pan: (0, 0), alpha, ..PANNING }.evidence(0..24).conclude();
        assert_eq!(conclusion.marks().count(), 0);
        assert!(conclusion.verdict.contains("cannot be told apart"), "{}", conclusion.verdict);
        assert!(conclusion.detections.iter().all(|d| !d.reason.is_empty()));
    }
}

#[test]
fn black_bars_are_not_a_mark_and_hide_none() {
    let bars = Clip { bars: 8, ..PANNING };
    assert_eq!(bars.marks(24).len(), 0);
    let marks = Clip { alpha: 0.7, ..bars }.marks(24);
    assert_eq!(marks.len(), 1);
    assert!(marks[0].rect.iou(&MARK) > 0.7, "{:?}", marks[0].rect);
}

#[test]
fn a_mark_that_shows_part_of_the_time_has_that_span() {
    let clip = Clip { alpha: 0.9, shown: (14, 40), ..PANNING };
    let marks = clip.marks(40);
    assert_eq!(marks.len(), 1);
    assert!(marks[0].rect.iou(&MARK) > 0.6, "{:?}", marks[0].rect);
    assert_eq!(marks[0].span, 14..40);
}

#[test]
fn a_caption_of_a_third_of_the_clip_is_not_a_persistent_mark() {
    assert_eq!(Clip { alpha: 0.9, shown: (10, 22), ..PANNING }.marks(40).len(), 0);
}

#[test]
fn every_pixel_format_gives_the_same_place() {
    let yuv = PixelFormat::YUV420P8;
    let gbr = PixelFormat { layout: PixelLayout::Gbr, log2_chroma_w: 0, log2_chroma_h: 0, ..yuv };
    for format in [
        PixelFormat::GRAY8,
        PixelFormat { depth: 10, ..yuv },
        PixelFormat { depth: 12, log2_chroma_h: 0, ..yuv },
        PixelFormat { log2_chroma_w: 0, log2_chroma_h: 0, alpha: true, ..yuv },
        PixelFormat { log2_chroma_w: 2, log2_chroma_h: 0, ..yuv },
        PixelFormat { log2_chroma_w: 2, log2_chroma_h: 2, ..yuv },
        gbr,
        PixelFormat { depth: 16, alpha: true, ..gbr },
    ] {
        let marks = Clip { alpha: 0.8, format, size: (W + 1, H + 1), ..PANNING }.marks(16);
        assert_eq!(marks.len(), 1, "{format:?}");
        assert!(marks[0].rect.iou(&MARK) > 0.7, "{format:?}: {:?}", marks[0].rect);
    }
}

#[test]
fn tiny_pictures_and_few_frames_find_nothing_and_say_why() {
    for size in [(1, 1), (2, 2), (3, 5), (16, 16), (200, 2)] {
        for frames in [0, 1, 3, 12] {
            let conclusion = Clip { size, ..PANNING }.evidence(0..frames).conclude();
            assert_eq!(conclusion.marks().count(), 0);
            assert!(!conclusion.verdict.is_empty());
        }
    }
    let conclusion = Clip { alpha: 1.0, ..PANNING }.evidence(0..3).conclude();
    assert!(conclusion.verdict.contains("too few"), "{}", conclusion.verdict);
}

#[test]
fn evidence_in_chunks_and_through_a_store_is_evidence_in_one_go() {
    let clip = Clip { alpha: 0.6, coloured: true, size: (W - 1, H - 3), ..PANNING };
    let whole = clip.evidence(0..20);
    let mut merged = clip.evidence((13..20).rev());
    for chunk in [clip.evidence(0..5), clip.evidence(5..13)] {
        let stored = serde_json::to_string(&chunk).unwrap();
        merged.merge(serde_json::from_str(&stored).unwrap()).unwrap();
    }
    assert_eq!(merged, whole);
    assert_eq!(merged.conclude(), whole.conclude());
    let mut twice = whole.clone();
    assert!(twice.merge(clip.evidence(3..4)).is_err());
    assert_eq!(twice, whole);
}

#[test]
fn stored_evidence_that_does_not_fit_its_sizes_is_refused() {
    let stored = serde_json::to_string(&Clip { size: (24, 16), ..PANNING }.evidence(0..2)).unwrap();
    for (good, bad) in
        [("\"width\":24", "\"width\":25"), ("\"factor\":1", "\"factor\":0"), ("\"colour\":true", "\"colour\":false")]
    {
        assert!(stored.contains(good));
        assert!(serde_json::from_str::<Evidence>(&stored.replace(good, bad)).is_err(), "{bad}");
    }
}

#[test]
fn a_survey_in_chunks_chooses_what_a_survey_in_one_go_chooses() {
    let clip = Clip { size: (64, 36), ..PANNING };
    let survey = |frames: std::ops::Range<u64>| {
        let mut survey = Survey::new();
        frames.for_each(|idx| survey.observe(&clip.frame(idx)));
        survey
    };
    let whole = survey(0..90);
    let mut merged = survey(60..90);
    merged.merge(survey(0..31));
    merged.merge(survey(31..60));
    assert_eq!(merged, whole);
    let chosen = whole.choose(24);
    assert_eq!((chosen.len(), merged.choose(24)), (24, chosen.clone()));
    assert!(chosen.windows(2).all(|p| p[0] < p[1]));
    // No quarter of a steady pan is left out.
    assert!((0..4).all(|q| chosen.iter().any(|idx| idx * 4 / 90 == q)));
    assert_eq!(whole.choose(500).len(), 90);
    assert!(Survey::new().choose(10).is_empty() && whole.choose(0).is_empty());
}

#[test]
fn a_long_survey_stays_bounded_and_does_not_depend_on_chunks() {
    let clip = Clip { size: (4, 4), format: PixelFormat::GRAY8, ..PANNING };
    let frame = clip.frame(0);
    let survey = |frames: std::ops::Range<u64>| {
        let mut survey = Survey::new();
        frames.for_each(|idx| {
            let mut frame = frame.clone();
            frame.idx = idx;
            survey.observe(&frame);
        });
        survey
    };
    let whole = survey(0..10_000);
    assert!(whole.len() <= 4096 && whole.len() > 2000);
    let mut merged = survey(7000..10_000);
    merged.merge(survey(0..7000));
    assert_eq!(merged, whole);
}

#[test]
fn what_a_user_points_at_is_found_where_a_search_would_miss_it() {
    let region = MARK.grow(12, W, H);
    let faint = Clip { alpha: 0.06, ..PANNING }.evidence(0..24);
    assert_eq!(faint.conclude().marks().count(), 0);
    let found = faint.conclude_within(&[region, Rect::new(10, 100, 60, 40)]);
    let mark = found[0].as_ref().unwrap();
    // The strokes differ from the plate by 10 code values, the plate from the scene by fewer than 4: those are lost.
    assert!(mark.rect.iou(&MARK) > 0.35, "{:?}", mark.rect);
    assert_eq!(mark.rect.intersect(&MARK), mark.rect);
    assert!(found[1].is_none());
    let still = Clip { pan: (0, 0), alpha: 1.0, ..PANNING }.evidence(0..24);
    assert!(still.conclude_within(&[region])[0].is_none());
}
