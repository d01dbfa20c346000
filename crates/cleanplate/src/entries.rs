//! What a plan says of a caption for people: when, where, in which colour, and what it looks like.
//!
//! Decides nothing of the output: segments are not made anew for it. Refuses to know how captions are found.

use std::fs;
use std::path::Path;

use cleanplate_core::{FrameIdx, Mask, Rect};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::draw::{Canvas, Rgb, luma};
use crate::error::{Error, Result};
use crate::footage::Footage;
use crate::masks::{MaskFolder, hex};
use crate::options::Options;
use crate::plan::{Mark, write_beside};
use crate::region::to_shown;
use crate::watch::Watch;

/// A caption of a plan, beside its masks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CaptionEntry {
    /// When its first frame is shown, in seconds from the clip's first one.
    pub start_seconds: f64,
    /// When its last frame ends.
    pub end_seconds: f64,
    /// Its bounds in displayed orientation.
    pub rect: Rect,
    /// Mean of its ink as red, green, blue.
    pub colour: [u8; 3],
    /// SHA-256 of a picture of it, `<thumbnail>.png` among the plan's blobs.
    pub thumbnail: String,
    /// The text network has looked at every so many frames, from the clip's first one on; on the others it was joined.
    pub every: u64,
}

impl CaptionEntry {
    /// The name of its picture.
    pub(crate) fn file(&self) -> String {
        format!("{}.png", self.thumbnail)
    }
}

/// Columns of a thumbnail at most.
const WIDEST: u32 = 320;

/// Samples around a caption that its thumbnail shows.
const AROUND: u32 = 8;

/// A patch of like samples is background where more than this share of it lies at a mask's border: tight masks cut into strokes.
const AT_BORDER: f32 = 0.2;

/// Completes the entries of `marks`, all of them captions: a frame in the middle of each is decoded once more. Pictures lie in `masks`.
pub(crate) fn complete(
    footage: &dyn Footage,
    options: &Options,
    every: u64,
    (marks, masks): (&mut [Mark], &mut MaskFolder),
    watch: &mut Watch<'_>,
) -> Result<()> {
    let clip = footage.clip();
    let middle = |mark: &Mark| mark.span.start + (mark.span.end - mark.span.start) / 2;
    let mut order: Vec<usize> = (0..marks.len()).collect();
    order.sort_by_key(|n| middle(&marks[*n]));
    let mut reader = footage.frames(options.decoder_threads.unwrap_or(0))?;
    let mut last: Option<(FrameIdx, Canvas)> = None;
    for n in order {
        watch.poll()?;
        let mark = &mut marks[n];
        let idx = middle(mark);
        let picture = match last.take() {
            Some((known, picture)) if known == idx => picture,
            _ => {
                let Some(frame) = reader.at(idx)? else { continue };
                Canvas::of(&frame, (0, false))?
            }
        };
        let track = mark.track()?;
        let Some(name) = track.at(idx) else { continue };
        let mask = masks.load(name)?;
        let place = mask.rect().intersect(&Rect::new(0, 0, picture.width(), picture.height()));
        if !place.is_empty() {
            let around = place.grow(AROUND, picture.width(), picture.height());
            let crop = picture.crop(around).turned(clip.rotation);
            let thumbnail = keep(&crop.reduced(crop.width().div_ceil(WIDEST)), masks.folder())?;
            mark.caption = Some(CaptionEntry {
                start_seconds: footage.time(mark.span.start),
                end_seconds: footage.time(mark.span.end),
                rect: to_shown(mark.rect, clip.size, clip.rotation),
                colour: ink(&picture, &mask),
                thumbnail,
                every,
            });
        }
        last = Some((idx, picture));
    }
    Ok(())
}

/// Keeps a picture under the hash of its file and answers with that.
fn keep(picture: &Canvas, folder: &Path) -> Result<String> {
    let png = picture.png()?;
    let name = hex(&Sha256::digest(&png));
    let path = folder.join(format!("{name}.png"));
    if !fs::exists(&path).map_err(Error::io("look for", path.clone()))? {
        write_beside(&path, &png)?;
    }
    Ok(name)
}

/// The mean colour of what `mask` covers of `picture` without outline and background. Its samples fall into a light and a dark part
/// (Otsu, 1979); patches of one part that lie along the mask's border are background, and of what is left ink is the part that lies
/// less beside those. The half of it that lies nearer to the other part is the soft border of strokes.
fn ink(picture: &Canvas, mask: &Mask) -> Rgb {
    let rect = mask.rect();
    let (width, size) = (rect.w as usize, (rect.w * rect.h) as usize);
    let place = |k: usize| (rect.x + k as u32 % rect.w, rect.y + k as u32 / rect.w);
    let is_in = |k: usize| {
        let (x, y) = place(k);
        mask.coverage().data()[k] > 0 && x < picture.width() && y < picture.height()
    };
    let colour = |k: usize| picture.at(place(k).0, place(k).1);
    let covered: Vec<bool> = (0..size).map(is_in).collect();
    let split = otsu((0..size).filter(|k| covered[*k]).map(|k| luma(colour(k))));
    let is_light: Vec<bool> = (0..size).map(|k| covered[k] && luma(colour(k)) > split).collect();
    // The four beside a sample; `None` lies outside of the rectangle.
    let beside = |k: usize| {
        let x = k % width;
        [
            (x > 0).then(|| k - 1),
            (x + 1 < width).then_some(k + 1),
            k.checked_sub(width),
            Some(k + width).filter(|k| *k < size),
        ]
    };
    let is_at = |k: usize, others: &dyn Fn(usize) -> bool| beside(k).into_iter().any(|other| other.is_none_or(others));
    let (mut ground, mut known) = (vec![false; size], vec![false; size]);
    for first in 0..size {
        let (mut patch, mut next) = (Vec::new(), vec![first]);
        while let Some(k) = next.pop() {
            if covered[k] && is_light[k] == is_light[first] && !std::mem::replace(&mut known[k], true) {
                patch.push(k);
                next.extend(beside(k).into_iter().flatten());
            }
        }
        let at_border = patch.iter().filter(|k| is_at(**k, &|other| !covered[other])).count();
        if at_border as f32 > AT_BORDER * patch.len() as f32 {
            patch.into_iter().for_each(|k| ground[k] = true);
        }
    }
    if ground == covered {
        ground.fill(false);
    }
    let part = |light: bool| -> Vec<usize> {
        (0..size).filter(|k| covered[*k] && !ground[*k] && is_light[*k] == light).collect()
    };
    let parts = [part(true), part(false)];
    let at_ground = |part: &[usize]| {
        let count = part.iter().filter(|k| is_at(**k, &|other| !covered[other] || ground[other])).count();
        count as f32 / part.len().max(1) as f32
    };
    let own = usize::from(parts[0].is_empty() || (!parts[1].is_empty() && at_ground(&parts[1]) < at_ground(&parts[0])));
    let mut lumas: Vec<u8> = parts[own].iter().map(|k| luma(colour(*k))).collect();
    lumas.sort_unstable();
    let middle = lumas.get(lumas.len() / 2).copied().unwrap_or(0);
    let (mut sums, mut count) = ([0u64; 3], 0u64);
    for colour in parts[own].iter().map(|k| colour(*k)) {
        let is_core = if own == 0 { luma(colour) >= middle } else { luma(colour) <= middle };
        if is_core {
            sums.iter_mut().zip(colour).for_each(|(sum, c)| *sum += u64::from(c));
            count += 1;
        }
    }
    sums.map(|sum| ((sum + count / 2) / count.max(1)) as u8)
}

/// The code that parts `values` so that both parts differ most (Otsu, A Threshold Selection Method from Gray-Level Histograms, 1979).
fn otsu(values: impl Iterator<Item = u8>) -> u8 {
    let mut counts = [0f64; 256];
    values.for_each(|v| counts[usize::from(v)] += 1.0);
    let all: f64 = counts.iter().sum();
    let total: f64 = counts.iter().enumerate().map(|(v, n)| v as f64 * n).sum();
    let (mut below, mut sum, mut best) = (0.0, 0.0, (0.0, 0u8));
    for (v, n) in counts.iter().enumerate() {
        below += n;
        sum += v as f64 * n;
        let above = all - below;
        if below > 0.0 && above > 0.0 {
            let apart = sum / below - (total - sum) / above;
            let between = below * above * apart * apart;
            if between > best.0 {
                best = (between, v as u8);
            }
        }
    }
    best.1
}

#[cfg(test)]
mod tests {
    use super::*;
    use cleanplate_core::Raster;

    /// Upright strokes of `ink` with an outline on a ground, and a mask of both, grown by two.
    fn drawn(ink: Rgb, outline: Rgb, ground: Rgb) -> (Canvas, Mask) {
        let mut picture = Canvas::new(80, 40, ground);
        let mut coverage = Raster::new(60, 24, 0u8);
        for left in [14u32, 26, 38] {
            picture.fill(Rect::new(left - 2, 10, 8, 20), outline);
            picture.fill(Rect::new(left, 12, 4, 16), ink);
            for y in 0..24 {
                coverage.row_mut(y)[(left - 14) as usize + 6..(left - 14) as usize + 18].fill(255);
            }
        }
        // The mask lies at 4,8: two samples around the outlines.
        (picture, Mask::new(Rect::new(4, 8, 60, 24), coverage).unwrap())
    }

    #[test]
    fn the_colour_of_a_caption_is_that_of_its_ink_and_not_of_its_outline() {
        for (colour, outline, ground) in [
            ([250, 250, 250], [0, 0, 0], [90, 110, 60]),
            ([250, 225, 40], [20, 20, 20], [200, 200, 200]),
            ([10, 10, 60], [240, 240, 240], [120, 120, 120]),
        ] {
            let (picture, mask) = drawn(colour, outline, ground);
            assert_eq!(ink(&picture, &mask), colour, "{outline:?} {ground:?}");
        }
    }
}
