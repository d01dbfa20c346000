//! Pass 1 for captions: the clip is decoded once, the text network looks at every n-th frame, and what it sees becomes one mark
//! for every caption.

use cleanplate_core::caption::{Caption, Finder, Rules};
use cleanplate_core::{Mask, Raster, Rect};

use crate::analyse::DOUBTED;
use crate::detect::rate;
use crate::error::Result;
use crate::footage::Footage;
use crate::grid::Grid;
use crate::looks::{Look, look};
use crate::marks::{Claim, Marker, places};
use crate::networks::{lost, placement, words};
use crate::observer::{Event, Phase};
use crate::options::Options;
use crate::panels::Backing;
use crate::plan::{Mark, MarkSource};
use crate::texts;
use crate::watch::Watch;
use crate::window::{Cuts, difference};

/// Samples a side by which the cells of letters grow: the codec's ringing, beyond what the cell itself reaches.
const GROWN: u32 = 1;

/// Seconds from which on what is shown on the whole clip is a mark.
const PERSISTENT: f64 = 6.0;

/// Lines about what is not believed that are kept for the report at most.
const DOUBTS: usize = 200;

/// Looks for captions and adds a mark for each. Answers with what was seen, in words, of which the last line is the verdict, and
/// with the panels behind them.
pub(crate) fn find(
    footage: &dyn Footage,
    options: &Options,
    marker: &mut Marker<'_>,
    watch: &mut Watch<'_>,
) -> Result<(Vec<String>, Vec<Backing>)> {
    let (clip, count) = (footage.clip(), footage.count());
    let grid = Grid::new(clip.size, clip.rotation);
    let placement = placement(options, watch);
    let (mut detector, inferred) = texts::open(options.captions.network.as_deref(), &placement, grid)?;
    let role = if inferred.is_some() { "text model" } else { "captions" };
    let mut said = words(role, detector.net());
    said.extend(inferred.map(|inferred| format!("{role}: {inferred}")));
    said.iter().for_each(|line| watch.tell(Event::info(line.clone())));
    let every = u64::from(options.captions.every.max(1));
    let rate = rate(clip);
    let wanted = places(options, clip)?;
    watch.begin(Phase::Analyse, count, 0)?;
    let shortest = options.captions.min_duration.frames(rate).max(1);
    let rules = Rules { shortest, persistent: (PERSISTENT * rate) as u64 };
    let mut finder = Finder::new(grid.cells(), every, rate, rules);
    let side = Side { cell: grid.cell(), grown: options.dilate.unwrap_or(GROWN), size: clip.size };
    let (first, mut told) = (marker.count(), Told::default());
    let (mut cuts, mut before) = (Cuts::default(), None::<Vec<f32>>);
    let how = (every, options.decoder_threads.unwrap_or(0));
    look(footage, (&mut *detector, grid), how, watch, &mut |look, watch| {
        let Look { idx, luma, small, mut seen } = look;
        let jump = before.as_ref().map_or(0.0, |before| difference(before, &small));
        cuts.push(jump).into_iter().for_each(|cut| finder.cut(cut));
        before = Some(small);
        if let Some(seen) = seen.as_mut().filter(|_| !wanted.is_empty()) {
            let here = wanted.iter().filter(|(_, runs)| runs.iter().any(|run| run.contains(&idx)));
            let rects: Vec<Rect> = here.map(|(rect, _)| *rect).collect();
            bound(&mut seen.strokes, &rects, grid.cell());
            bound(&mut seen.plates, &rects, grid.cell());
        }
        finder.observe(idx, luma, seen);
        finder.decided().iter().try_for_each(|caption| told.take(caption, &side, marker, watch))
    })?;
    cuts.finish().into_iter().for_each(|cut| finder.cut(cut));
    for caption in finder.finish(count) {
        told.take(&caption, &side, marker, watch)?;
    }
    watch.end();
    in_order(marker.since(first).0, first, &mut told.backings);
    crate::entries::complete(footage, options, every, marker.since(first), watch)?;
    let backings = std::mem::take(&mut told.backings);
    said.extend(lost(&placement, watch));
    said.extend(told.words());
    watch.tell(Event::info(format!("captions: {}", said.last().map_or("", String::as_str))));
    Ok((said, backings))
}

/// What masks are made by: samples a side of a cell, samples by which they grow, and columns and rows of the frame.
struct Side {
    cell: u32,
    grown: u32,
    size: (u32, u32),
}

/// What was decided so far.
#[derive(Default)]
struct Told {
    taken: usize,
    doubted: Vec<String>,
    beyond: usize,
    backings: Vec<Backing>,
}

impl Told {
    /// Tells of a caption, and makes it a mark if it is one.
    fn take(&mut self, caption: &Caption, side: &Side, marker: &mut Marker<'_>, watch: &mut Watch<'_>) -> Result<()> {
        let Rect { x, y, w, h } = caption.area;
        let rect = Rect::new(x * side.cell, y * side.cell, w * side.cell, h * side.cell);
        let rect = rect.intersect(&Rect::new(0, 0, side.size.0, side.size.1));
        let sure = if caption.confident { "caption" } else { DOUBTED };
        let line = format!(
            "{sure} {},{} {}x{} on {}..{} (score {:.2}): {}",
            rect.x, rect.y, rect.w, rect.h, caption.span.start, caption.span.end, caption.score, caption.reason
        );
        watch.tell(if caption.confident { Event::info(line.clone()) } else { Event::debug(line.clone()) });
        if caption.confident {
            self.taken += 1;
            let claim =
                Claim { from: MarkSource::Caption, confidence: f64::from(caption.score), reason: &caption.reason };
            let masks = caption.keys.iter().map(|(idx, cells)| (*idx, mask(cells, caption.area, side)));
            let before = marker.count();
            marker.moving(masks, caption.span.end, &claim)?;
            let of = |cells: &Raster<bool>| mask(cells, caption.area, side);
            let (added, folder) = marker.since(before);
            self.backings.extend(Backing::of(caption, before..before + added.len(), &of, folder)?);
            return Ok(());
        }
        if self.doubted.len() < DOUBTS {
            self.doubted.push(line);
        } else {
            self.beyond += 1;
        }
        Ok(())
    }

    /// In words; the last line is the verdict.
    fn words(self) -> Vec<String> {
        let mut words = self.doubted;
        if self.beyond > 0 {
            words.push(format!("{DOUBTED} {} more, not listed", self.beyond));
        }
        words.push(match self.taken {
            0 => "no captions".to_owned(),
            1 => "1 caption".to_owned(),
            n => format!("{n} captions"),
        });
        words
    }
}

/// Sorts marks by their frames and numbers them anew; `before` so many stand before them.
fn in_order(marks: &mut [Mark], before: usize, backings: &mut [Backing]) {
    marks.sort_by_key(|mark| (mark.span.start, mark.span.end, mark.rect.y, mark.rect.x));
    // Until now a mark's number is the place that it was added at, counted from 1.
    let mut places = vec![0; marks.len()];
    for (n, mark) in marks.iter_mut().enumerate() {
        places[mark.id as usize - 1 - before] = before + n;
        mark.id = (before + n) as u32 + 1;
    }
    for backing in backings.iter_mut() {
        backing.marks.iter_mut().for_each(|mark| *mark = places[*mark - before]);
    }
    backings.sort_by_key(|backing| backing.marks.first().copied());
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

/// The samples of `cells` of `area`, grown.
fn mask(cells: &Raster<bool>, area: Rect, side: &Side) -> Mask {
    let cell = side.cell;
    let rect = Rect::new(area.x * cell, area.y * cell, area.w * cell, area.h * cell);
    let rect = rect.intersect(&Rect::new(0, 0, side.size.0, side.size.1));
    let mut coverage = Raster::new(rect.w, rect.h, 0u8);
    for row in 0..rect.h {
        let cells = cells.row(row / cell);
        for (x, out) in (0u32..).zip(coverage.row_mut(row)) {
            *out = if cells[(x / cell) as usize] { 255 } else { 0 };
        }
    }
    let mask = Mask::new(rect, coverage).unwrap_or_else(Mask::empty);
    mask.dilated(side.grown, side.size.0, side.size.1)
}
