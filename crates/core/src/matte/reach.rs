//! How far a mark reaches: which of the opacities that were found are its own.
//!
//! Scenery that keeps still beside a mark is taken for a part of it by every statistic over time, and what is invented there
//! changes samples that were clean. Knows opacities and how sure they are; refuses to know how they were found.

use super::morphology::{Area, dilated, parts};
use super::opacity::Opacity;

/// Opacities below this share of the mark's, and below this, are a fringe, which reaches this many samples.
const FAINT: f32 = 0.12;
const LEAST_BODY: f32 = 0.05;
const FRINGE: usize = 4;
/// A part that lies apart is the mark's where it is this strong or this large, as a share of the mark.
const STRONG: f32 = 0.4;
const LARGE: f32 = 0.05;
/// A sample is clear from this share of the mark's opacity on if it is so many standard deviations from nothing, or adds so many
/// code values of 8 bits. Of the samples farther than 4 from the mark on elemental/logo, crystal/logo and dashcam/soft35 of
/// `benches/unblend` half were .5 to 1.9 deviations from nothing and one in 20 added more than 4.5 to 7.7 codes; of the marks'
/// half were 3.7 to 12 and, where these were few (crystal/soft35), half added more than 32.
const CLEAR_SHARE: f32 = 0.25;
const CLEAR: f32 = 2.5;
const ADDED: f32 = 10.0;
/// A part beyond the fringe of all that is clear, and not between two of its parts, is the mark's if it is so many deviations
/// from nothing in the mean, or adds as much: one in 20 of the same samples was 3.3 and more.
const CLEAR_PART: f32 = 3.5;
/// Outside of the given place a sample counts only from here on (4.3 for one in 20 on dashcam/soft35, where a dark corner beside the
/// plate was taken for more of it; at most 6.3), or if it adds as much (on elemental/logo at most 11).
const PLAIN: f32 = 8.0;
const PLAIN_ADDED: f32 = 15.0;

/// Where a mark may change samples: its body, the fringe of it and what lies between its parts. `full`: most of its opacity;
/// `added`: what it adds in the mean, in code values of 8 bits without a sign; `given`: where it is said to be.
pub(super) fn reach(opacity: &Opacity, added: &[f32], (full, width): (f32, usize), given: &Area) -> Area {
    let alpha = &opacity.alpha;
    let sureness: Vec<f32> =
        alpha.iter().zip(&opacity.variance).map(|(a, variance)| a / variance.max(f32::EPSILON).sqrt()).collect();
    let body = body(alpha, full, width);
    let some = |of: &dyn Fn(usize) -> bool| -> Area { (0..body.len()).map(|k| body[k] && of(k)).collect() };
    let clear = some(&|k| alpha[k] >= CLEAR_SHARE * full && (sureness[k] >= CLEAR || added[k] >= ADDED));
    let open: Area = dilated(&clear, width, 2 * FRINGE).iter().map(|near| !near).collect();
    let mut near: Area = dilated(&open, width, FRINGE).iter().map(|open| !open).collect();
    let mut beyond = vec![false; near.len()];
    for part in parts(&some(&|k| !near[k]), width) {
        let mean = |of: &[f32]| part.iter().map(|k| of[*k]).sum::<f32>() / part.len() as f32;
        if mean(&sureness) >= CLEAR_PART || mean(added) >= ADDED {
            part.iter().for_each(|k| beyond[*k] = true);
        }
    }
    near.iter_mut().zip(dilated(&beyond, width, FRINGE)).for_each(|(near, more)| *near |= more);
    let plain = dilated(&some(&|k| sureness[k] >= PLAIN || added[k] >= PLAIN_ADDED), width, FRINGE);
    (0..near.len()).map(|k| near[k] && (given[k] || plain[k])).collect()
}

/// What of the opacities may be the mark itself, of which most is `full`: not what hardly stands out from nothing, nor what lies
/// apart, is small and weak.
fn body(alpha: &[f32], full: f32, width: usize) -> Area {
    let stands: Area = alpha.iter().map(|a| *a >= (FAINT * full).max(LEAST_BODY)).collect();
    let all = stands.iter().filter(|s| **s).count();
    let mut body = vec![false; alpha.len()];
    for part in parts(&stands, width) {
        let strongest = part.iter().map(|k| alpha[*k]).fold(0.0, f32::max);
        if strongest >= STRONG * full || part.len() as f32 >= LARGE * all as f32 {
            part.into_iter().for_each(|k| body[k] = true);
        }
    }
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    const WIDTH: usize = 40;

    fn of(x0: usize, y0: usize, w: usize, h: usize) -> impl Fn(usize) -> bool {
        move |k| (x0..x0 + w).contains(&(k % WIDTH)) && (y0..y0 + h).contains(&(k / WIDTH))
    }

    /// A plate, a letter apart from it, a weak speck, and what hardly stands out.
    fn opacity(deviation: impl Fn(usize) -> f32) -> Opacity {
        let (plate, letter, speck, haze) = (of(4, 4, 12, 12), of(24, 4, 2, 6), of(30, 10, 2, 2), of(16, 4, 2, 12));
        let alpha = |k: usize| match k {
            k if plate(k) => 0.5,
            k if letter(k) => 0.4,
            k if speck(k) => 0.1,
            k if haze(k) => 0.03,
            _ => 0.0,
        };
        let count = WIDTH * 20;
        let variance = (0..count).map(|k| deviation(k).powi(2)).collect();
        Opacity {
            alpha: (0..count).map(alpha).collect(),
            variance,
            paint: Vec::new(),
            colours: Vec::new(),
            misfit: 1.0,
        }
    }

    #[test]
    fn a_small_weak_part_that_lies_apart_is_not_the_marks() {
        let (plate, letter) = (of(4, 4, 12, 12), of(24, 4, 2, 6));
        let body = body(&opacity(|_| 0.02).alpha, 0.5, WIDTH);
        assert!((0..body.len()).all(|k| body[k] == (plate(k) || letter(k))));
    }

    #[test]
    fn a_part_that_may_be_chance_is_the_marks_only_if_it_adds_much() {
        let letter = of(24, 4, 2, 6);
        let unsure = opacity(|k| if letter(k) { 0.2 } else { 0.02 });
        for (more, is_kept) in [(4.0, false), (20.0, true)] {
            let added: Vec<f32> = (0..WIDTH * 20).map(|k| if letter(k) { more } else { 0.0 }).collect();
            let reach = reach(&unsure, &added, (0.5, WIDTH), &vec![true; WIDTH * 20]);
            assert!((0..reach.len()).filter(|k| letter(*k)).all(|k| reach[k] == is_kept), "adds {more}");
        }
    }

    #[test]
    fn what_lies_between_clear_parts_is_the_marks() {
        let faint = of(18, 6, 3, 3);
        let mut found = opacity(|k| if faint(k) { 0.1 } else { 0.02 });
        (0..WIDTH * 20).filter(|k| faint(*k)).for_each(|k| found.alpha[k] = 0.07);
        let reach = reach(&found, &[0.0; WIDTH * 20], (0.5, WIDTH), &vec![true; WIDTH * 20]);
        assert!((0..reach.len()).filter(|k| faint(*k)).all(|k| reach[k]));
        assert!(!reach[8 * WIDTH + 32], "and not what lies beside them");
    }

    #[test]
    fn beyond_the_given_place_only_what_is_plain_is_the_marks() {
        let given: Area = (0..WIDTH * 20).map(of(0, 0, 10, 20)).collect();
        for (deviation, right) in [(0.02, 15 + FRINGE), (0.15, 9)] {
            let reach = reach(&opacity(|_| deviation), &[0.0; WIDTH * 20], (0.5, WIDTH), &given);
            let row = &reach[14 * WIDTH..15 * WIDTH];
            assert_eq!(row.iter().rposition(|r| *r), Some(right), "by {deviation}");
        }
    }
}
