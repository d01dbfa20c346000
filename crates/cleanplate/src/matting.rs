//! The rest of pass 1: marks that let the picture through get their matte, solved from the clip itself.

use std::ops::Range;

use cleanplate_core::matte::{MatteEvidence, Solution};
use cleanplate_core::{FrameIdx, Mask, Raster};

use crate::analyse::{candidates, visit};
use crate::error::Result;
use crate::footage::Footage;
use crate::masks::MaskFolder;
use crate::mattes::MatteFile;
use crate::observer::{Event, Phase};
use crate::options::{Options, Tier};
use crate::plan::{Mark, MarkSource};
use crate::watch::Watch;

/// Frames that are looked at for each mark (restoration notes, section 1: more bring nothing).
const FRAMES: usize = 160;

/// Frames below which a mark cannot be told from what lies behind it.
const FEWEST: u64 = 8;

/// Solves the mattes of those of `marks` that stand still, and narrows their masks to what the mattes change.
pub(crate) fn solve(
    footage: &dyn Footage,
    options: &Options,
    marks: &mut [Mark],
    folder: &mut MaskFolder,
    watch: &mut Watch<'_>,
) -> Result<()> {
    if !options.tiers.contains(&Tier::Unblend) {
        return Ok(());
    }
    let (size, format) = (footage.clip().size, footage.clip().format);
    let mut cases: Vec<(usize, MatteEvidence)> = Vec::new();
    for (n, mark) in marks.iter().enumerate() {
        if is_still(mark) {
            cases.push((n, MatteEvidence::new(&whole(mark, folder)?, format, size)));
        }
    }
    if cases.is_empty() {
        return Ok(());
    }
    let frames = looks(footage, cases.iter().map(|(n, _)| &marks[*n].span));
    watch.begin(Phase::Solve, frames.len() as u64, 0)?;
    visit(footage, options, &frames, 0, watch, &mut |frame| {
        for (n, evidence) in &mut cases {
            if marks[*n].span.contains(&frame.idx) {
                evidence.observe(&frame);
            }
        }
    })?;
    for (n, evidence) in cases {
        watch.poll()?;
        let solution = evidence.solve();
        let noise = solution.matte.as_ref().map(|matte| evidence.residual(matte)).unwrap_or_default();
        drop(evidence);
        let mark = &mut marks[n];
        let verdict = if solution.matte.is_some() { "solved" } else { "no matte" };
        watch.tell(Event::info(format!("matte of mark {}: {verdict}: {}", mark.id, solution.reason)));
        apply(mark, solution, noise, size, folder)?;
    }
    watch.end();
    Ok(())
}

/// Whether a mark may be translucent and stays where it is: what a matte needs.
fn is_still(mark: &Mark) -> bool {
    let named = matches!(mark.from, MarkSource::Region | MarkSource::Mask | MarkSource::Located);
    // The masks of one that moves lie apart, or there is none at times.
    let stays = mark.keys.iter().any(|(_, mask)| mask.rect == mark.rect);
    let shows = mark.keys.iter().all(|(_, mask)| !mask.rect.is_empty());
    mark.enabled && named && stays && shows && mark.span.end - mark.span.start >= FEWEST
}

/// Everything that a mark's masks cover.
fn whole(mark: &Mark, folder: &mut MaskFolder) -> Result<Mask> {
    mark.keys.iter().try_fold(Mask::empty(), |all, (_, name)| Ok(all.union(&*folder.load(name)?)))
}

/// Frames spread over the spans of all marks.
fn looks<'a>(footage: &dyn Footage, spans: impl Iterator<Item = &'a Range<FrameIdx>>) -> Vec<FrameIdx> {
    let mut frames: Vec<FrameIdx> = spans
        .flat_map(|span| {
            let inside = candidates(span.end - span.start, FRAMES, |idx| footage.is_key(span.start + idx));
            inside.into_iter().map(move |idx| span.start + idx)
        })
        .collect();
    frames.sort_unstable();
    frames.dedup();
    frames
}

/// What of a located or drawn `mask` is a part of the mark that the matte does not know: more than the margin around what
/// the matte changes.
fn parts_beside(mask: &Mask, changed: &Mask, (w, h): (u32, u32)) -> Mask {
    let beside = mask.without(&changed.dilated(1, w, h)).trimmed();
    if beside.is_empty() {
        return beside;
    }
    // Opened by a square of 3: what is thinner is margin.
    let outside = Mask::rectangle(beside.rect().grow(1, w, h)).without(&beside);
    let core = beside.without(&outside.dilated(1, w, h));
    let grown = core.dilated(1, w, h);
    beside.without(&beside.without(&grown))
}

/// Writes what was solved into the mark.
fn apply(
    mark: &mut Mark,
    solution: Solution,
    noise: Vec<Raster<f32>>,
    size: (u32, u32),
    folder: &mut MaskFolder,
) -> Result<()> {
    mark.reason =
        if mark.reason.is_empty() { solution.reason } else { format!("{}; {}", mark.reason, solution.reason) };
    let Some(matte) = solution.matte else { return Ok(()) };
    let (mut keys, mut area) = (Vec::with_capacity(mark.keys.len()), 0);
    for (idx, name) in &mark.keys {
        let mask = folder.load(name)?;
        let mut kept = mask.without(&mask.without(&solution.mask));
        if mark.from != MarkSource::Region {
            kept = kept.union(&parts_beside(&mask, &solution.mask, size));
        }
        area = area.max(kept.area());
        keys.push((*idx, folder.keep(&kept)?));
    }
    if area == 0 {
        return Ok(());
    }
    let file = MatteFile { matte, frame: size, noise, alpha: solution.alpha };
    mark.matte = Some(file.keep(folder.folder())?);
    mark.rect = keys.iter().fold(cleanplate_core::Rect::default(), |all, (_, name)| all.union(&name.rect));
    mark.without_matte = std::mem::replace(&mut mark.keys, keys);
    mark.area = area;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use cleanplate_core::Rect;

    #[test]
    fn a_part_of_the_mark_beside_its_matte_stays_in_the_mask_and_the_margin_does_not() {
        let size = (100, 100);
        let mark = Mask::rectangle(Rect::new(20, 20, 30, 10));
        let dot = Mask::rectangle(Rect::new(54, 20, 3, 3));
        let located = mark.union(&dot).dilated(3, size.0, size.1);
        let rest = parts_beside(&located, &mark, size);
        assert!((20..23).all(|y| (54..57).all(|x| rest.at(x, y) > 0)), "the dot");
        assert!((10..50).all(|x| (10..40).all(|y| rest.at(x, y) == 0)), "the margin");
        assert!(parts_beside(&mark.dilated(3, 100, 100), &mark, size).is_empty());
    }
}
