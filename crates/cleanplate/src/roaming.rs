//! Pass 1 where the user has not said where marks are: those that hop between places or drift are looked for, and followed over every frame.

use std::ops::Range;

use cleanplate_core::roam::{Closeup, Motion, Pursuit, Roaming, Search};
use cleanplate_core::{FrameIdx, Mask, MatteEvidence, PixelFormat, Raster, Rect};

use crate::along::{AROUND, Along};
use crate::analyse::visit;
use crate::error::Result;
use crate::footage::Footage;
use crate::marks::{Claim, Marker};
use crate::mattes::{MatteFile, MatteRef};
use crate::matting::{self, Solved, parts_beside};
use crate::observer::{Event, Phase};
use crate::options::{Options, Tier};
use crate::plan::{MarkSource, View};
use crate::watch::Watch;

/// A mark may be animated: its shape is the union over so many parts of its stays.
const PHASES: u64 = 8;
/// Frames of each part that are looked at for it, and of a mark that drifts.
const FRAMES: usize = 64;
const DRIFTING: usize = 160;
/// Frames that are enough for a matte.
const ALIKE: usize = 48;

/// Looks for a mark that roams, beside those that are known to stay, and adds it where it is found with confidence. Answers with what was seen, in words.
pub(crate) fn find(
    footage: &dyn Footage,
    options: &Options,
    marker: &mut Marker<'_>,
    watch: &mut Watch<'_>,
) -> Result<Vec<String>> {
    let clip = footage.clip();
    let known = marker.covered()?;
    let mut search = Search::new(&clip.starts, known.clone());
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
    let mut pursuit = Pursuit::new(suspects, known);
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
    if let Some(found) = all.into_iter().next().filter(|f| f.confident) {
        let found = exact(found, footage, options, watch)?;
        let matte = matte(&found, footage, options, watch)?;
        add(&found, matte.as_ref(), options, clip.size, marker)?;
    }
    watch.end();
    Ok(words)
}

/// What was found, at full resolution: where and when to the sample and the frame, and its own shape.
fn exact(mut found: Roaming, footage: &dyn Footage, options: &Options, watch: &mut Watch<'_>) -> Result<Roaming> {
    let mut closeup = Closeup::new(&found);
    let frames = closeup.frames();
    watch.begin(Phase::Analyse, frames.len() as u64, 0)?;
    visit(footage, options, &frames, 0, watch, &mut |frame| closeup.observe(&frame))?;
    let Some(mut tracker) = closeup.conclude() else { return Ok(found) };
    let all: Vec<FrameIdx> = (0..footage.count()).collect();
    watch.begin(Phase::Analyse, all.len() as u64, 0)?;
    visit(footage, options, &all, 0, watch, &mut |frame| tracker.observe(&frame))?;
    found.motion = tracker.conclude();
    let shape = outline(&found, footage, options, watch)?;
    if !shape.is_empty() {
        found.mask = shape;
    }
    Ok(found)
}

/// The mark's own shape in the box of the one that was found.
fn outline(found: &Roaming, footage: &dyn Footage, options: &Options, watch: &mut Watch<'_>) -> Result<Mask> {
    let (way, phases) = way(&found.motion);
    let size = (found.mask.rect().w, found.mask.rect().h);
    let along = Along::new(footage, size, way);
    let seen = along.clip();
    let whole = Mask::new(Rect::new(AROUND, AROUND, size.0, size.1), found.mask.coverage().clone());
    let whole = whole.unwrap_or_else(Mask::empty);
    let count = 1 + phases.iter().copied().max().unwrap_or(0);
    let most = if count > 1 { FRAMES } else { DRIFTING };
    let mut wanted: Vec<FrameIdx> = Vec::new();
    for phase in 0..count {
        let own: Vec<FrameIdx> = (0..phases.len()).filter(|n| phases[*n] == phase).map(|n| n as FrameIdx).collect();
        let step = own.len().div_ceil(most).max(1);
        wanted.extend(own.iter().step_by(step));
    }
    wanted.sort_unstable();
    let mut evidence = vec![MatteEvidence::new(&whole, seen.format, seen.size); count];
    watch.begin(Phase::Analyse, wanted.len() as u64, 0)?;
    visit(&along, options, &wanted, 0, watch, &mut |frame| evidence[phases[frame.idx as usize]].observe(&frame))?;
    let all = evidence.iter().map(MatteEvidence::outline).fold(Mask::empty(), |all, own| all.union(&own));
    let inner = all.rect().intersect(&whole.rect());
    if inner.is_empty() {
        return Ok(Mask::empty());
    }
    // In the box that the places are those of.
    let mut coverage = Raster::new(size.0, size.1, 0u8);
    for y in inner.y..inner.bottom() {
        (inner.x..inner.right()).for_each(|x| coverage.set(x - AROUND, y - AROUND, all.at(x, y)));
    }
    Ok(Mask::new(Rect::new(0, 0, size.0, size.1), coverage).unwrap_or_else(Mask::empty))
}

/// The frames on which a mark is at one place alone, and which part of its stay each belongs to.
fn way(motion: &Motion) -> (Vec<(FrameIdx, (i32, i32))>, Vec<usize>) {
    match motion {
        Motion::Hops(stays) => {
            let mut all: Vec<(FrameIdx, (i32, i32), usize)> = Vec::new();
            for (n, (frames, place)) in stays.iter().enumerate() {
                let other = |idx| stays.iter().enumerate().any(|(m, s)| m != n && s.0.contains(&idx));
                let length = frames.end - frames.start;
                let phase = |idx: FrameIdx| ((idx - frames.start) * PHASES / length) as usize;
                all.extend(frames.clone().filter(|idx| !other(*idx)).map(|idx| (idx, *place, phase(idx))));
            }
            all.sort_by_key(|step| step.0);
            all.into_iter().map(|(idx, place, phase)| ((idx, place), phase)).unzip()
        }
        Motion::Drifts(way) => {
            let sure = way.chunk_by(|a, b| a.0 == b.0).filter(|same| same.len() == 1);
            sure.map(|same| (same[0], 0)).unzip()
        }
    }
}

/// The mark's matte, solved from the frames as seen from it; `None` where it may not be computed away.
fn matte(found: &Roaming, footage: &dyn Footage, options: &Options, watch: &mut Watch<'_>) -> Result<Option<Solved>> {
    // Those that hop are animated: over the recorded one of the tests a matte is 14 dB worse than borrowing.
    let drifts = matches!(found.motion, Motion::Drifts(_));
    if !drifts || !options.tiers.contains(&Tier::Unblend) {
        return Ok(None);
    }
    let rect = found.mask.rect();
    let (way, _) = way(&found.motion);
    let way = aligned(way, footage.clip().format);
    let along = Along::new(footage, (rect.w, rect.h), way);
    let mask = Mask::new(Rect::new(AROUND, AROUND, rect.w, rect.h), found.mask.coverage().clone());
    let mut solved = matting::solved(&along, options, &mask.unwrap_or_else(Mask::empty), watch)?;
    // Times are those of the clip.
    solved.gain.iter_mut().for_each(|knot| knot.0 = along.source(knot.0).unwrap_or(knot.0));
    let verdict = if solved.matte.is_some() { "solved" } else { "no matte" };
    watch.tell(Event::info(format!("matte of the mark that moves: {verdict}: {}", solved.reason)));
    Ok(Some(solved))
}

/// Of a way the frames on which the mark lies alike on the samples of subsampled planes, where those are enough: between such
/// samples its colours mix with those around it otherwise.
fn aligned(way: Vec<(FrameIdx, (i32, i32))>, format: PixelFormat) -> Vec<(FrameIdx, (i32, i32))> {
    let (sw, sh) = if format.planes() > 1 { format.subsampling(1) } else { (0, 0) };
    let phase = |place: (i32, i32)| (place.0.rem_euclid(1 << sw), place.1.rem_euclid(1 << sh));
    let mut phases: Vec<(i32, i32)> = way.iter().map(|step| phase(step.1)).collect();
    phases.sort_unstable();
    let most = phases.chunk_by(|a, b| a == b).max_by_key(|same| same.len());
    match most {
        Some(same) if same.len() >= ALIKE => way.into_iter().filter(|step| phase(step.1) == same[0]).collect(),
        _ => way,
    }
}

/// Adds a mark for each place of a roaming one, or one that moves.
fn add(
    found: &Roaming,
    solved: Option<&Solved>,
    options: &Options,
    size: (u32, u32),
    marker: &mut Marker<'_>,
) -> Result<()> {
    let grown = options.dilate.unwrap_or(0);
    let reason = solved.map_or_else(|| found.reason.clone(), |solved| format!("{}; {}", found.reason, solved.reason));
    let claim = Claim { from: MarkSource::Located, confidence: f64::from(found.score), reason: &reason };
    let first = marker.count();
    match &found.motion {
        Motion::Hops(stays) => {
            let mut places: Vec<(i32, i32)> = stays.iter().map(|s| s.1).collect();
            places.sort_unstable();
            places.dedup();
            for place in places {
                let own: Vec<Range<FrameIdx>> = stays.iter().filter(|s| s.1 == place).map(|s| s.0.clone()).collect();
                let keys = keys(own.iter().cloned(), &placed(&found.mask, place, grown, size));
                let end = keys.last().map_or(0, |key| key.0);
                marker.moving(keys.into_iter(), end, &claim)?;
            }
        }
        Motion::Drifts(way) => {
            let end = way.last().map_or(0, |step| step.0 + 1);
            let shape =
                solved.filter(|s| s.matte.is_some()).map_or_else(|| found.mask.clone(), |s| narrowed(&found.mask, s));
            let masks = |shape: &Mask, places: &[(FrameIdx, (i32, i32))]| {
                let masks = places.iter().map(|(_, place)| placed(shape, *place, grown, size));
                masks.fold(Mask::empty(), |all, mask| all.union(&mask))
            };
            let by_frame = || way.chunk_by(|a, b| a.0 == b.0);
            // Where it may be at either of two places it is not computed away.
            let keys =
                by_frame().map(|same| (same[0].0, masks(if same.len() > 1 { &found.mask } else { &shape }, same)));
            marker.moving(keys, end, &claim)?;
            let rect = found.mask.rect();
            let sure = by_frame().filter(|same| same.len() == 1).map(|same| (same[0].0, origin(same[0].1)));
            let view = View { size: (rect.w + 2 * AROUND, rect.h + 2 * AROUND), at: sure.collect() };
            let (marks, folder) = marker.since(first);
            let name = match solved.and_then(|s| Some((s, s.matte.clone()?))) {
                Some((solved, matte)) => {
                    let file = MatteFile { matte, frame: view.size, noise: solved.noise.clone(), alpha: solved.alpha };
                    Some(MatteRef { gain: solved.gain.clone(), ..file.keep(folder.folder())? })
                }
                None => None,
            };
            for mark in marks {
                mark.view = Some(view.clone());
                let inside = by_frame().filter(|same| mark.span.contains(&same[0].0));
                if name.is_some() {
                    let keys = inside.map(|same| Ok((same[0].0, folder.keep(&masks(&found.mask, same))?)));
                    mark.without_matte = keys.collect::<Result<_>>()?;
                    mark.matte.clone_from(&name);
                }
            }
        }
    }
    Ok(())
}

/// Where what is seen from a mark begins whose box lies at `place`.
const fn origin(place: (i32, i32)) -> (i32, i32) {
    (place.0 - AROUND as i32, place.1 - AROUND as i32)
}

/// What of a mark's shape its matte changes, and parts of it that the matte does not know.
fn narrowed(shape: &Mask, solved: &Solved) -> Mask {
    let rect = shape.rect();
    let all = (rect.w + 2 * AROUND, rect.h + 2 * AROUND);
    let seen = Mask::new(Rect::new(AROUND, AROUND, rect.w, rect.h), shape.coverage().clone());
    let seen = seen.unwrap_or_else(Mask::empty);
    let kept = seen.within(&solved.mask).union(&parts_beside(&seen, &solved.mask, all));
    let mut coverage = Raster::new(rect.w, rect.h, 0u8);
    for y in 0..rect.h {
        (0..rect.w).for_each(|x| coverage.set(x, y, kept.at(x + AROUND, y + AROUND)));
    }
    Mask::new(rect, coverage).unwrap_or_else(|| shape.clone())
}

/// The masks of a place, none between stays. The last one only ends the last stay.
fn keys(stays: impl Iterator<Item = Range<FrameIdx>>, mask: &Mask) -> Vec<(FrameIdx, Mask)> {
    let mut keys: Vec<(FrameIdx, Mask)> = Vec::new();
    for stay in stays {
        // Stays at one place that meet are one.
        while keys.last().is_some_and(|key| key.0 >= stay.start) {
            keys.pop();
        }
        if keys.last().is_none_or(|key| key.1.is_empty()) {
            keys.push((stay.start, mask.clone()));
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
