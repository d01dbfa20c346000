//! Pass 1 for captions: the clip is decoded once, the text network looks at every n-th frame, and what it sees becomes one mark
//! for every caption.

use cleanplate_core::caption::{Caption, Finder, Rules};
use cleanplate_core::{FrameIdx, Mask, Raster, Rect};

use crate::analyse::DOUBTED;
use crate::detect::rate;
use crate::error::{Error, Result};
use crate::footage::Footage;
use crate::marks::{Claim, Marker, places};
use crate::networks::{placement, words};
use crate::observer::{Event, Phase};
use crate::options::Options;
use crate::panels::Backing;
use crate::plan::MarkSource;
use crate::segmenter::Segmenter;
use crate::watch::Watch;
use crate::window::{cuts, difference, small};

/// Samples a side by which the cells of letters grow: the codec's ringing, beyond what the cell itself reaches.
const GROWN: u32 = 1;

/// Seconds from which on what is shown on the whole clip is a mark.
const PERSISTENT: f64 = 6.0;

/// Looks for captions and adds a mark for each. Answers with what was seen, in words, of which the last line is the verdict, and
/// with the panels behind them.
pub(crate) fn find(
    footage: &dyn Footage,
    options: &Options,
    marker: &mut Marker<'_>,
    watch: &mut Watch<'_>,
) -> Result<(Vec<String>, Vec<Backing>)> {
    let (clip, count) = (footage.clip(), footage.count());
    let mut segmenter = Segmenter::open(&placement(options), clip.size, clip.rotation)?;
    let mut said = words("captions", segmenter.net());
    said.iter().for_each(|line| watch.tell(Event::info(line.clone())));
    let every = u64::from(options.captions.every.max(1));
    let rate = rate(clip);
    let wanted = places(options, clip)?;
    watch.begin(Phase::Analyse, count, 0)?;
    let mut finder = Finder::new(segmenter.cells(), every, rate);
    let mut reader = footage.frames(options.decoder_threads.unwrap_or(0))?;
    let (mut jumps, mut before) = (Vec::with_capacity(count as usize), None);
    for idx in 0..count {
        let Some(frame) = reader.at(idx)? else { break };
        let picture = small(&frame);
        jumps.push(before.replace(picture.clone()).map_or(0.0, |before| difference(&before, &picture)));
        let seen = if idx % every == 0 || idx + 1 == count {
            let mut seen = segmenter.see(&frame)?;
            if !wanted.is_empty() {
                let here = wanted.iter().filter(|(_, runs)| runs.iter().any(|run| run.contains(&idx)));
                let rects: Vec<Rect> = here.map(|(rect, _)| *rect).collect();
                bound(&mut seen.strokes, &rects, segmenter.cell());
                bound(&mut seen.plates, &rects, segmenter.cell());
            }
            Some(seen)
        } else {
            None
        };
        finder.observe(idx, segmenter.luma(&frame), seen.as_ref());
        if watch.progress(idx + 1).is_break() {
            return Err(Error::Cancelled);
        }
    }
    let shortest = options.captions.min_duration.frames(rate).max(1);
    let found = finder.finish(&cuts(&jumps), count, &Rules { shortest, persistent: (PERSISTENT * rate) as u64 });
    watch.end();
    let (mut taken, mut backings) = (0, Vec::new());
    for caption in &found {
        let grown = options.dilate.unwrap_or(GROWN);
        let masks = caption.keys.iter().map(|(idx, cells)| (*idx, mask(cells, segmenter.cell(), grown, clip.size)));
        let masks: Vec<(FrameIdx, Mask)> = masks.collect();
        let rect = masks.iter().fold(Rect::default(), |all, (_, mask)| all.union(&mask.rect()));
        let sure = if caption.confident { "caption" } else { DOUBTED };
        let line = format!(
            "{sure} {},{} {}x{} on {}..{} (score {:.2}): {}",
            rect.x, rect.y, rect.w, rect.h, caption.span.start, caption.span.end, caption.score, caption.reason
        );
        watch.tell(if caption.confident { Event::info(line.clone()) } else { Event::debug(line.clone()) });
        if caption.confident {
            let before = marker.count();
            add(caption, masks, marker)?;
            let of = |cells: &Raster<bool>| mask(cells, segmenter.cell(), grown, clip.size);
            backings.extend(Backing::of(caption, before..marker.count(), &of));
            taken += 1;
        } else {
            said.push(line);
        }
    }
    said.push(match taken {
        0 => "no captions".to_owned(),
        1 => "1 caption".to_owned(),
        n => format!("{n} captions"),
    });
    watch.tell(Event::info(format!("captions: {}", said.last().map_or("", String::as_str))));
    Ok((said, backings))
}

fn add(caption: &Caption, masks: Vec<(FrameIdx, Mask)>, marker: &mut Marker<'_>) -> Result<()> {
    let claim = Claim { from: MarkSource::Caption, confidence: f64::from(caption.score), reason: &caption.reason };
    marker.moving(masks.into_iter(), caption.span.end, &claim)
}

/// Keeps what lies in one of `rects`.
fn bound(said: &mut Raster<u8>, rects: &[Rect], cell: u32) {
    let width = said.width();
    for (k, said) in said.data_mut().iter_mut().enumerate() {
        let (x, y) = (k as u32 % width * cell + cell / 2, k as u32 / width * cell + cell / 2);
        if !rects.iter().any(|rect| rect.contains(x, y)) {
            *said = 0;
        }
    }
}

/// The samples of `cells`, each `side` wide and high, grown.
fn mask(cells: &Raster<bool>, side: u32, grown: u32, size: (u32, u32)) -> Mask {
    let width = cells.width();
    let set = || (0u32..).zip(cells.data()).filter(|(_, set)| **set).map(|(k, _)| (k % width, k / width));
    let bounds = set().fold(Rect::default(), |all, (x, y)| all.union(&Rect::new(x, y, 1, 1)));
    let rect = Rect::new(bounds.x * side, bounds.y * side, bounds.w * side, bounds.h * side);
    let rect = rect.intersect(&Rect::new(0, 0, size.0, size.1));
    let mut coverage = Raster::new(rect.w, rect.h, 0u8);
    for (x, y) in set() {
        let own = Rect::new(x * side, y * side, side, side).intersect(&rect);
        for row in own.y..own.bottom() {
            let from = (own.x - rect.x) as usize;
            coverage.row_mut(row - rect.y)[from..from + own.w as usize].fill(255);
        }
    }
    let mask = Mask::new(rect, coverage).unwrap_or_else(Mask::empty);
    mask.dilated(grown, size.0, size.1)
}
