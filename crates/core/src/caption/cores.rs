//! Texts on one frame from the map of a DBNet-type detector: the shrunken cores of text boxes, grown back.
//!
//! Liao et al., Real-time Scene Text Detection with Differentiable Binarization, AAAI 2020: a box of area A and perimeter L is
//! learned as its core, shrunken inwards; a core of area A' and perimeter L' is grown by A' r' / L'.

use crate::geometry::Rect;
use crate::matte::morphology::parts;
use crate::raster::Raster;

/// A sample belongs to a core from here on, and cores less sure than this in the mean are none (PaddleOCR's `det_db_thresh` and
/// `det_db_box_thresh`, 0.3 and 0.6).
const LIKELY: f32 = 0.3;
const SURE: f32 = 0.6;

/// r'. On 18 frames of `benches/captions` (x264 crf 20) 1.5, 1.8 and 2.2 cover .97, .99 and 1.00 of outlined strokes by PP-OCRv3's
/// boxes, and .93, .98, 1.00 by those of chineseocr_lite; what strokes are looked for in is .88, .83, .75 text. PaddleOCR has 1.5.
const GROWTH: f32 = 1.8;

/// Cores narrower than this are noise (PaddleOCR's `min_size`).
const NARROWEST: u32 = 3;

/// A text on a frame.
#[derive(Clone, Debug, PartialEq)]
pub struct Text {
    /// Bounds of what it may cover.
    pub rect: Rect,
    /// What it may cover of them.
    pub area: Raster<bool>,
    /// The narrower side of its bounds: about the height of a line.
    pub height: u32,
    /// Mean of the map over its core, 0..=1.
    pub score: f32,
}

/// The texts of a map of probabilities, 0..=1.
pub fn texts(map: &Raster<f32>) -> Vec<Text> {
    let width = map.width() as usize;
    let likely: Vec<bool> = map.data().iter().map(|p| *p > LIKELY).collect();
    parts(&likely, width).into_iter().filter_map(|core| grown(&core, map)).collect()
}

/// The text whose core has these samples; `None` where they are none.
fn grown(core: &[usize], map: &Raster<f32>) -> Option<Text> {
    let at = |k: &usize| ((k % map.width() as usize) as u32, (k / map.width() as usize) as u32);
    let bounds = core.iter().map(at).fold(Rect::default(), |all, (x, y)| all.union(&Rect::new(x, y, 1, 1)));
    let score = core.iter().map(|k| map.data()[*k]).sum::<f32>() / core.len().max(1) as f32;
    if bounds.w.min(bounds.h) < NARROWEST || score < SURE {
        return None;
    }
    let mut own = Raster::new(bounds.w, bounds.h, false);
    core.iter().map(at).for_each(|(x, y)| own.set(x - bounds.x, y - bounds.y, true));
    let by = (GROWTH * core.len() as f32 / perimeter(&own) as f32).round() as u32;
    let rect = bounds.grow(by, map.width(), map.height());
    let mut rows = Raster::new(rect.w, rect.h, false);
    for (x, y) in core.iter().map(at) {
        let (from, to) = (x.saturating_sub(by).max(rect.x), (x + by + 1).min(rect.right()));
        rows.row_mut(y - rect.y)[(from - rect.x) as usize..(to - rect.x) as usize].fill(true);
    }
    let mut area = Raster::new(rect.w, rect.h, false);
    for y in 0..rect.h {
        for row in y.saturating_sub(by)..(y + by + 1).min(rect.h) {
            area.row_mut(y).iter_mut().zip(rows.row(row)).for_each(|(out, set)| *out |= *set);
        }
    }
    Some(Text { rect, area, height: rect.w.min(rect.h), score })
}

/// Sides of samples of an area that lie on its border.
fn perimeter(area: &Raster<bool>) -> usize {
    let (w, h) = (area.width(), area.height());
    let is = |x: Option<u32>, y: Option<u32>| x.zip(y).is_some_and(|(x, y)| x < w && y < h && area.at(x, y));
    let borders = |x: u32, y: u32| {
        let near =
            [(x.checked_sub(1), Some(y)), (Some(x + 1), Some(y)), (Some(x), y.checked_sub(1)), (Some(x), Some(y + 1))];
        near.into_iter().filter(|(x, y)| !is(*x, *y)).count()
    };
    let inside = (0..h).flat_map(|y| (0..w).map(move |x| (x, y))).filter(|(x, y)| area.at(*x, *y));
    inside.map(|(x, y)| borders(x, y)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(cores: &[(Rect, f32)]) -> Raster<f32> {
        let mut map = Raster::new(200, 80, 0.01);
        for (rect, score) in cores {
            (rect.y..rect.bottom()).for_each(|y| map.row_mut(y)[rect.x as usize..rect.right() as usize].fill(*score));
        }
        map
    }

    #[test]
    fn a_core_grows_by_its_area_over_its_perimeter() {
        // 100 x 10: 1.8 * 1000 / 220 = 8.2 on every side.
        let found = texts(&map(&[(Rect::new(50, 30, 100, 10), 0.9)]));
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].rect, found[0].height), (Rect::new(42, 22, 116, 26), 26));
        assert!((found[0].score - 0.9).abs() < 1e-5);
        assert!(found[0].area.data().iter().all(|set| *set), "a box stays one");
    }

    #[test]
    fn texts_stay_in_the_picture_and_what_is_narrow_or_unsure_is_none() {
        let found = texts(&map(&[
            (Rect::new(0, 0, 40, 6), 0.8),
            (Rect::new(100, 40, 50, 2), 0.9),
            (Rect::new(100, 60, 50, 8), 0.5),
        ]));
        assert_eq!(found.iter().map(|text| text.rect).collect::<Vec<_>>(), [Rect::new(0, 0, 45, 11)]);
    }
}
