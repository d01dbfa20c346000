//! Letters inside of boxes of text: what is thinner than the background and stands out from it.
//!
//! Knows the luma of one frame. Refuses to know where boxes come from.

use crate::geometry::Rect;
use crate::raster::Raster;

use super::cores::Text;

/// Half the width of the widest stroke as a part of a line's height, and how much strokes stand out as a part of what most of them do,
/// and in codes. Measured on 18 frames of `benches/captions` with boxes of PP-OCRv3 (recall, precision; outlined, yellow): .12 and .35:
/// .983, .923; .907, .890. .18 and .25: .999, .902; .960, .890. .25 and .30: .999, .891; .961, .883.
const HALF_STROKE: f32 = 0.18;
const STANDS_OUT: f32 = 0.25;
const LEAST: u8 = 12;

/// How much most of the strokes stand out: all but this part of the samples of a box stand out less.
const MOST: f32 = 0.05;

/// What the strokes of a box are said to be, from the least sure box to the surest: what detectors of boxes are sure of is that there is
/// text, not that it is laid over the picture. So they are never as sure as `verdict::CLEAR` (0.8 of 255), and never as unsure as `SURE`.
const SAID: (u8, u8) = (176, 200);

/// Scores of boxes that are told apart.
const SCORES: (f32, f32) = (0.6, 1.0);

/// What is thought of every sample of `luma`, 0..=255: 0 outside of the strokes of `texts`, which lie in it.
pub fn strokes(luma: &Raster<u8>, texts: &[Text]) -> Raster<u8> {
    let mut said = Raster::new(luma.width(), luma.height(), 0u8);
    for text in texts {
        let half = ((HALF_STROKE * text.height as f32).round() as u32).max(2);
        let around = text.rect.grow(2 * half, luma.width(), luma.height());
        let hats = hats(&luma.crop(around), half);
        let (dx, dy) = (text.rect.x - around.x, text.rect.y - around.y);
        let inside = || {
            let at = |y: u32, x: u32| (x, y, hats.at(x + dx, y + dy));
            let cells = (0..text.rect.h).flat_map(move |y| (0..text.rect.w).map(move |x| at(y, x)));
            cells.filter(|(x, y, _)| text.area.at(*x, *y))
        };
        let least = ((STANDS_OUT * f32::from(most(inside().map(|(.., hat)| hat)))) as u8).max(LEAST);
        let share = ((text.score - SCORES.0) / (SCORES.1 - SCORES.0)).clamp(0.0, 1.0);
        let value = SAID.0 + (share * f32::from(SAID.1 - SAID.0)) as u8;
        // A sample more on every side: the outline's soft border, and ringing.
        for (x, y, _) in inside().filter(|(.., hat)| *hat >= least) {
            let own = Rect::new(text.rect.x + x, text.rect.y + y, 1, 1).grow(1, luma.width(), luma.height());
            for row in own.y..own.bottom() {
                let row = &mut said.row_mut(row)[own.x as usize..own.right() as usize];
                row.iter_mut().for_each(|v| *v = value.max(*v));
            }
        }
    }
    said
}

/// The value that all but [`MOST`] of `values` stay below.
fn most(values: impl Iterator<Item = u8>) -> u8 {
    let mut counts = [0u32; 256];
    values.for_each(|v| counts[usize::from(v)] += 1);
    let beyond = (MOST * counts.iter().sum::<u32>() as f32) as u32;
    let mut above = 0;
    let at = counts.iter().rposition(|n| {
        above += n;
        above > beyond
    });
    at.unwrap_or(0) as u8
}

/// How much every sample stands out among those within `half`, brighter or darker: the larger of both top-hats (Meyer, Contrast Feature
/// Extraction, 1979).
fn hats(luma: &Raster<u8>, half: u32) -> Raster<u8> {
    let opened = extreme(&extreme(luma, half, u8::min), half, u8::max);
    let closed = extreme(&extreme(luma, half, u8::max), half, u8::min);
    let mut out = luma.clone();
    for ((out, low), high) in out.data_mut().iter_mut().zip(opened.data()).zip(closed.data()) {
        *out = (*out - (*low).min(*out)).max(high.saturating_sub(*out));
    }
    out
}

/// The least or largest sample in the square of `half` around each.
fn extreme(luma: &Raster<u8>, half: u32, of: fn(u8, u8) -> u8) -> Raster<u8> {
    let (w, h, half) = (luma.width() as usize, luma.height(), half as usize);
    let mut rows = luma.clone();
    for y in 0..h {
        let from = luma.row(y);
        for (x, out) in rows.row_mut(y).iter_mut().enumerate() {
            *out = from[x.saturating_sub(half)..(x + half + 1).min(w)].iter().fold(from[x], |v, s| of(v, *s));
        }
    }
    let mut out = rows.clone();
    for y in 0..h {
        for row in y.saturating_sub(half as u32)..(y + half as u32 + 1).min(h) {
            out.row_mut(y).iter_mut().zip(rows.row(row)).for_each(|(out, v)| *out = of(*out, *v));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A slope with two upright strokes, light ones with a dark border, in a text of 60 x 24.
    fn drawn() -> (Raster<u8>, Text) {
        let mut luma = Raster::new(120, 60, 0u8);
        (0..60).for_each(|y| luma.row_mut(y).iter_mut().enumerate().for_each(|(x, v)| *v = 60 + x as u8));
        for left in [50u32, 70] {
            for y in 22..38 {
                for x in left..left + 6 {
                    let is_border = x == left || x == left + 5 || y == 22 || y == 37;
                    luma.set(x, y, if is_border { 10 } else { 235 });
                }
            }
        }
        let area = Raster::new(60, 24, true);
        (luma, Text { rect: Rect::new(30, 18, 60, 24), area, height: 24, score: 0.9 })
    }

    #[test]
    fn strokes_with_their_border_are_told_from_what_is_behind_them() {
        let (luma, text) = drawn();
        let said = strokes(&luma, &[text]);
        for y in 18..42 {
            for x in 30..90 {
                let is_stroke = |margin: u32| {
                    (22 - margin..38 + margin).contains(&y)
                        && [50u32, 70].iter().any(|left| (left - margin..left + 6 + margin).contains(&x))
                };
                let found = said.at(x, y) > 0;
                assert!(!is_stroke(0) || found, "{x},{y} is missed");
                assert!(is_stroke(2) || !found, "{x},{y} is none");
            }
        }
    }

    #[test]
    fn nothing_is_found_outside_of_texts_and_strokes_are_never_clear() {
        let (luma, text) = drawn();
        assert!(strokes(&luma, &[]).data().iter().all(|v| *v == 0));
        for (score, value) in [(0.6, 176), (1.0, 200)] {
            let said = strokes(&luma, &[Text { score, ..text.clone() }]);
            assert_eq!(said.data().iter().max(), Some(&value));
        }
        assert!((174..=203).contains(&SAID.0) && SAID.1 < 204, "between `verdict::SURE` and `verdict::CLEAR`");
    }

    #[test]
    fn an_even_place_has_no_strokes() {
        let (_, text) = drawn();
        assert!(strokes(&Raster::new(120, 60, 90), &[text]).data().iter().all(|v| *v == 0));
    }
}
