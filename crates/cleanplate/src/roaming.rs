//! Pass 1 where no mark stays in place: marks that hop between places or drift are looked for, and followed over every frame.

use std::ops::Range;

use cleanplate_core::roam::{Motion, Pursuit, Roaming, Search};
use cleanplate_core::{FrameIdx, Mask, Raster, Rect};

use crate::analyse::visit;
use crate::error::Result;
use crate::footage::Footage;
use crate::marks::{Claim, Marker};
use crate::observer::{Event, Phase};
use crate::options::Options;
use crate::plan::MarkSource;
use crate::watch::Watch;

/// Frames at either end of a stay on which more than the shape is covered, and by what share of its height: marks slide and
/// fade as they come and go (the recorded one of the tests by a fifth, in its last 3 frames).
const ENDS: u64 = 10;
const SLIDE: u32 = 5;

/// Looks for a mark that roams and adds it where it is found with confidence. Answers with what was seen, in words.
pub(crate) fn find(
    footage: &dyn Footage,
    options: &Options,
    marker: &mut Marker<'_>,
    watch: &mut Watch<'_>,
) -> Result<Vec<String>> {
    let clip = footage.clip();
    let mut search = Search::new(&clip.starts);
    let frames = search.frames();
    if frames.is_empty() {
        return Ok(Vec::new());
    }
    watch.begin(Phase::Analyse, frames.len() as u64, 0)?;
    visit(footage, options, &frames, 0, watch, &mut |frame| search.observe(&frame))?;
    let (suspects, seen) = search.conclude();
    watch.tell(Event::info(format!("roam: {} windows, {} frames | {seen}", search.windows(), frames.len())));
    drop(search);
    let mut words = vec![format!("looked for a mark that moves: {seen}")];
    if suspects.is_empty() {
        watch.end();
        return Ok(words);
    }
    let count = footage.count();
    watch.begin(Phase::Analyse, count, 0)?;
    let mut pursuit = Pursuit::new(suspects);
    let all: Vec<FrameIdx> = (0..count).collect();
    visit(footage, options, &all, 0, watch, &mut |frame| pursuit.observe(&frame))?;
    let all = pursuit.conclude();
    for found in &all {
        let verdict = if found.confident { "found" } else { "doubted" };
        let Rect { w, h, .. } = found.mask.rect();
        let line = format!(
            "roam: {verdict} {w}x{h} (score {:.2}, {:.2} more than elsewhere): {}",
            found.score, found.exclusive, found.reason
        );
        watch.tell(Event::info(line.clone()));
        words.push(line);
    }
    if let Some(found) = all.first().filter(|f| f.confident) {
        add(found, options, clip.size, marker)?;
    }
    watch.end();
    Ok(words)
}

/// Adds a mark for each place of a roaming one, or one that moves.
fn add(found: &Roaming, options: &Options, size: (u32, u32), marker: &mut Marker<'_>) -> Result<()> {
    let grown = options.dilate.unwrap_or(0);
    let claim = Claim { from: MarkSource::Located, confidence: f64::from(found.score), reason: &found.reason };
    match &found.motion {
        Motion::Hops(stays) => {
            let slide = found.mask.rect().h.div_ceil(SLIDE);
            let mut places: Vec<(i32, i32)> = stays.iter().map(|s| s.1).collect();
            places.sort_unstable();
            places.dedup();
            for place in places {
                let mask = placed(&found.mask, place, grown, size);
                let wide = placed(&found.mask, place, grown + slide, size);
                let keys = keys(stays.iter().filter(|s| s.1 == place).map(|s| s.0.clone()), &mask, &wide);
                let end = keys.last().map_or(0, |key| key.0);
                marker.moving(keys.into_iter(), end, &claim)?;
            }
        }
        Motion::Drifts(way) => {
            let end = way.last().map_or(0, |step| step.0 + 1);
            let keys = way.chunk_by(|a, b| a.0 == b.0).map(|places| {
                let masks = places.iter().map(|(_, place)| placed(&found.mask, *place, grown, size));
                (places[0].0, masks.fold(Mask::empty(), |all, mask| all.union(&mask)))
            });
            marker.moving(keys, end, &claim)?;
        }
    }
    Ok(())
}

/// The masks of a place: wide ones at the ends of each stay, none between stays. The last one only ends the last stay.
fn keys(stays: impl Iterator<Item = Range<FrameIdx>>, mask: &Mask, wide: &Mask) -> Vec<(FrameIdx, Mask)> {
    let mut keys: Vec<(FrameIdx, Mask)> = Vec::new();
    for stay in stays {
        // Stays at one place that meet are one.
        while keys.last().is_some_and(|key| key.0 >= stay.start) {
            keys.pop();
        }
        keys.push((stay.start, wide.clone()));
        if stay.end - stay.start > 2 * ENDS {
            keys.push((stay.start + ENDS, mask.clone()));
            keys.push((stay.end - ENDS, wide.clone()));
        }
        keys.push((stay.end, Mask::empty()));
    }
    keys
}

/// A shape with its box at `place`, grown and clipped to the picture.
fn placed(shape: &Mask, place: (i32, i32), grown: u32, (w, h): (u32, u32)) -> Mask {
    let rect = shape.rect();
    let shifted = |at: i32| u32::try_from(at).unwrap_or(0);
    let (x, y) = (shifted(place.0), shifted(place.1));
    // What lies left of the picture or above it is cut off.
    let (left, top) = (shifted(-place.0).min(rect.w), shifted(-place.1).min(rect.h));
    let inner = Rect::new(left, top, rect.w - left, rect.h - top);
    let coverage: Raster<u8> = shape.coverage().crop(inner);
    let mask = Mask::new(Rect::new(x, y, inner.w, inner.h), coverage).unwrap_or_else(Mask::empty);
    mask.clipped(w, h).dilated(grown, w, h).trimmed()
}
