//! Where letters begin and end, to the frame: their pattern is followed beyond the looks of the segmenter.

use std::collections::VecDeque;

use crate::frame::FrameIdx;
use crate::geometry::Rect;
use crate::raster::Raster;

use super::life::Life;

/// Letters are there while this much of their pattern is (its amplitude), and what is there is alike (normalised correlation).
/// Restoration notes, section 6; fades are followed for so many frames.
const LEAST: f32 = 0.12;
const ALIKE: f32 = 0.2;
pub(super) const LONGEST: u64 = 30;
const FALL: f32 = 0.35;

/// Frames around one that tell what letters look like.
const MODEL: u64 = 4;

/// Frames from an end inwards that are compared with the first one beyond it.
const FADES: [u64; 4] = [0, 2, 5, 11];

/// Cells sideways, up and down within which letters are looked for beyond an end.
const REACH: (i32, i32) = (6, 3);

/// An end of a life.
#[derive(Clone, Debug)]
pub(super) struct Ends {
    /// The outermost frame that shows it.
    pub(super) at: FrameIdx,
    /// By how much the letters differ from the first frame beyond it that is at hand, and by how much the scene around them
    /// does, in codes; `None` where there is none.
    pub(super) change: Option<[f32; 2]>,
    /// How much alike what is to be seen beside their place beyond it is, as a normalised correlation.
    pub(super) beside: f32,
}

/// How much alike what `now` shows at the letters is to what `then` shows, as a normalised correlation.
pub(super) fn likeness(life: &Life, then: &Raster<u8>, now: &Raster<u8>) -> f32 {
    compare(&slopes(then, life, (0, 0)), &slopes(now, life, (0, 0))).1
}

/// The slopes of what is shown around letters, `by` so many cells farther, to the right and downwards; 0 beyond the picture.
fn slopes(luma: &Raster<u8>, life: &Life, by: (i32, i32)) -> Vec<f32> {
    let (rect, near) = life.area();
    slopes_of(luma, rect, near, by)
}

/// As [`slopes`], of the cells of `rect` that are `near`.
pub(super) fn slopes_of(luma: &Raster<u8>, rect: Rect, near: impl Fn(u32, u32) -> bool, by: (i32, i32)) -> Vec<f32> {
    let mut out = Vec::new();
    let inside = |v: u32, by: i32, end: u32| v.checked_add_signed(by).filter(|v| v + 1 < end);
    for y in rect.y..rect.bottom() {
        for x in (rect.x..rect.right()).filter(|x| near(*x, y)) {
            match (inside(x, by.0, luma.width()), inside(y, by.1, luma.height())) {
                (Some(x), Some(y)) => {
                    let own = f32::from(luma.at(x, y));
                    out.extend([f32::from(luma.at(x + 1, y)) - own, f32::from(luma.at(x, y + 1)) - own]);
                }
                _ => out.extend([0.0; 2]),
            }
        }
    }
    out
}

/// How much of `pattern` is in `here`, and their normalised correlation.
pub(super) fn compare(pattern: &[f32], here: &[f32]) -> (f32, f32) {
    let power = |all: &[f32]| all.iter().map(|v| v * v).sum::<f32>().max(1.0);
    let both: f32 = here.iter().zip(pattern).map(|(a, b)| a * b).sum();
    (both / power(pattern), both / (power(pattern) * power(here)).sqrt())
}

/// How much alike what `luma` shows beside the place of the letters is, at best.
fn beside(pattern: &[f32], luma: &Raster<u8>, life: &Life) -> f32 {
    let ways = (-REACH.1..=REACH.1).flat_map(|dy| (-REACH.0..=REACH.0).map(move |dx| (dx, dy)));
    let alike = ways.filter(|by| *by != (0, 0)).map(|by| compare(pattern, &slopes(luma, life, by)).1);
    alike.fold(0.0, f32::max)
}

/// What letters look like around frame `like`: the mean of several frames on which they are, in which the scene behind them fades.
fn pattern(life: &Life, lumas: &VecDeque<(FrameIdx, Raster<u8>)>, like: FrameIdx) -> Option<Vec<f32>> {
    let nearest = lumas.iter().map(|(idx, _)| *idx).min_by_key(|idx| idx.abs_diff(like))?;
    let is_of =
        |idx: FrameIdx| idx == nearest || (idx.abs_diff(like) <= MODEL && (life.first()..=life.last()).contains(&idx));
    let mut sum: Vec<f32> = Vec::new();
    let mut count = 0.0;
    for (_, luma) in lumas.iter().filter(|(idx, _)| is_of(*idx)) {
        let own = slopes(luma, life, (0, 0));
        if sum.is_empty() {
            sum = own;
        } else {
            sum.iter_mut().zip(own).for_each(|(sum, own)| *sum += own);
        }
        count += 1.0;
    }
    sum.iter_mut().for_each(|v| *v /= count);
    Some(sum)
}

/// Follows letters from frame `from`, which shows them, outwards (`ahead`: later), by what they look like on frame `like` or the
/// nearest at hand. `None` where neither is.
pub(super) fn follow(
    life: &Life,
    lumas: &VecDeque<(FrameIdx, Raster<u8>)>,
    from: FrameIdx,
    like: FrameIdx,
    ahead: bool,
) -> Option<Ends> {
    let pattern = pattern(life, lumas, like)?;
    let strength = |luma: &Raster<u8>| {
        let (amplitude, alike) = compare(&pattern, &slopes(luma, life, (0, 0)));
        if alike >= ALIKE { amplitude } else { 0.0 }
    };
    let beyond = |idx: FrameIdx| if ahead { idx > from } else { idx < from };
    let mut frames: Vec<&(FrameIdx, Raster<u8>)> =
        lumas.iter().filter(|(idx, _)| beyond(*idx) && idx.abs_diff(from) <= LONGEST).collect();
    frames.sort_by_key(|(idx, _)| idx.abs_diff(from));
    let mut at = from;
    let mut before = lumas.iter().find(|(idx, _)| *idx == from).map_or(1.0, |(_, luma)| strength(luma));
    let (mut without, mut shown) = (None, None);
    for (idx, luma) in frames {
        let now = strength(luma);
        // Other letters in the same place are alike in part; a fade does not fall so far at once.
        if now < LEAST || now < before - FALL {
            without = Some(luma);
            break;
        }
        before = before.min(now);
        at = *idx;
        shown = Some(luma);
    }
    // What moves looks now as it did last.
    let last = shown.map_or_else(|| pattern.clone(), |luma| slopes(luma, life, (0, 0)));
    // At once, or in a fade: the frame on which the letters stand out most from how the scene changes until then.
    let inwards = |step: u64| if ahead { at.saturating_sub(step) } else { at + step };
    let with = FADES.iter().filter_map(|step| lumas.iter().find(|(idx, _)| *idx == inwards(*step)));
    let changes =
        without.into_iter().flat_map(|without| with.clone().filter_map(|(_, with)| life.change(with, without)));
    let change = changes.max_by(|a, b| (a[0] - 2.0 * a[1]).total_cmp(&(b[0] - 2.0 * b[1])));
    let beside = without.map_or(0.0, |luma| beside(&last, luma, life));
    Some(Ends { at, change, beside })
}
