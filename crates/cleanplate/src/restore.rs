//! Frames through the tiers: their holes are opened, settled by the first tier that can, and closed.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use cleanplate_infer::Placement;

use cleanplate_core::{
    Borrow, Frame, FrameIdx, Hole, Mask, Origin, Overlay, Patch, Raster, Reach, Rect, Restorer, Rows, SpatialFill,
    Template, Unblend,
};

use crate::error::{Error, Result};
use crate::footage::Frames;
use crate::last_tier::{LastTier, Promise};
use crate::masks::{MaskFolder, MaskRef};
use crate::networks::FillModel;
use crate::options::Tier;
use crate::origins::{draw_origins, origin_gray, origins_within, whole_mask};
use crate::plan::{Mark, MarkSource, Plan, Repair};
use crate::removals::{Removals, Seen};
use crate::report::OriginCounts;
use crate::scenes::{Scenes, Sight};
use crate::tracks::{Track, demoted};
use crate::window::Waiting;

/// Pixels around a mask that a hole shows to the tiers: what the spatial fill reads of the surroundings.
pub(crate) const CONTEXT: u32 = 24;

/// What a sample that is computed from under a panel weighs at least against the same place on other frames, which comes through
/// the panel as well: as much as one of those.
const OWN: f32 = 0.5;

/// What became of a frame.
#[derive(Debug, Default)]
pub(crate) struct Restored {
    /// Its pixels by origin.
    pub(crate) origins: OriginCounts,
    /// Those within each mark's mask, by the mark's number; pixels that several marks cover count for each.
    pub(crate) by_mark: BTreeMap<u32, OriginCounts>,
    /// Whether a mark lies on it.
    pub(crate) marked: bool,
    /// The earlier frame that it repeats, where it was enlarged with that.
    pub(crate) repeats: Option<FrameIdx>,
    /// Origin of every pixel of the first plane, where asked for.
    pub(crate) origin_map: Option<Raster<u8>>,
    /// Coverage of every pixel, where asked for.
    pub(crate) mask: Option<Raster<u8>>,
}

/// What is made beside the restored picture.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Extras {
    pub(crate) origin_map: bool,
    pub(crate) mask: bool,
    /// The slopes of marks, by which encoded frames are searched for them.
    pub(crate) templates: bool,
}

/// The tiers of a plan, ready to work on its frames one by one in any order.
pub(crate) struct Restoration {
    tracks: Vec<Track>,
    removals: Removals,
    masks: MaskFolder,
    tiers: Vec<Box<dyn Restorer>>,
    extras: Extras,
    /// Masks of the frame before: most frames carry the same.
    last: (Vec<MaskRef>, Arc<Vec<Mask>>),
    last_tier: Option<LastTier>,
    /// Frames that wait for the last tier, so that it sees some together.
    gathered: Vec<Gathered>,
    /// Frames that are done, in order.
    done: VecDeque<(Frame, Restored)>,
    waiting: Waiting,
    scenes: Scenes,
    panels: Vec<(u32, Overlay)>,
}

/// By what holes are settled.
#[derive(Clone, Debug)]
pub(crate) struct Means {
    pub(crate) tiers: Vec<Tier>,
    /// A network that fills instead of the spatial fill.
    pub(crate) fill_model: Option<FillModel>,
    pub(crate) placement: Placement,
}

/// A frame on which all tiers but the last have worked.
struct Gathered {
    /// As the source has it.
    frame: Frame,
    groups: Arc<Vec<Mask>>,
    holes: Vec<(Hole, Promise)>,
    /// What it shows at the marks that encoded frames are searched for.
    seen: Vec<Seen>,
}

impl Restoration {
    pub(crate) fn new(plan: &Plan, placement: &Placement, extras: Extras) -> Result<Self> {
        let (pin, format) = (&plan.source, plan.encoder.source_format);
        let bytes = format.bytes(pin.width, pin.height);
        let (tiers, fill_model) = (plan.tiers.clone(), plan.fill_model.clone());
        let means = Means { tiers, fill_model, placement: placement.clone() };
        Self::of(&plan.marks, &plan.repairs, &means, plan.mask_folder(), extras, bytes)
    }

    /// For `marks` with their `repairs`, whose masks lie in `masks`, by `means`, on frames of `picture_bytes`.
    pub(crate) fn of(
        marks: &[Mark],
        repairs: &[Repair],
        means: &Means,
        masks: MaskFolder,
        extras: Extras,
        picture_bytes: u64,
    ) -> Result<Self> {
        let enabled = marks.iter().filter(|m| m.enabled);
        let tracks = enabled.map(|mark| Track::of(mark, repairs)).collect::<Result<_>>()?;
        let waiting = waiting(&means.tiers, means.fill_model.as_ref(), picture_bytes);
        let mut tiers = open(marks, repairs, &means.tiers, masks.folder())?;
        // Un-blending keeps a plain spatial fill below it: it is mixed with the result by a small share.
        tiers.retain(|tier| tier.name() != Tier::Fill.name());
        let last_tier = LastTier::of(means)?;
        let plates = marks.iter().filter(|m| m.enabled && means.tiers.contains(&Tier::Borrow)).flat_map(|m| &m.plates);
        let (scenes, removals) = (Scenes::new(plates), Removals::default());
        let panels = panels(marks, repairs, means, masks.folder())?;
        let (last, gathered, done) = Default::default();
        Ok(Self { tracks, removals, masks, tiers, extras, last, last_tier, gathered, done, waiting, scenes, panels })
    }

    /// The same, by borrowing alone and without any doubt: what other frames show in the place of `marks`, as evidence.
    pub(crate) fn of_what_is_seen(
        marks: &[Mark],
        masks: MaskFolder,
        means: &Means,
        picture_bytes: u64,
    ) -> Result<Self> {
        let extras = Extras { origin_map: true, ..Extras::default() };
        let mut own = Self::of(marks, &[], means, masks, extras, picture_bytes)?;
        own.tiers = vec![Box::new(Borrow::bold())];
        Ok(own)
    }

    /// How many frames before a wanted one have to be pushed, and how many after it, where the clip has them.
    pub(crate) fn context(&self) -> (u64, u64) {
        self.waiting.context()
    }

    /// Takes the next frame of a run. Those that are not `wanted` are only looked at.
    pub(crate) fn push(&mut self, frame: Frame, wanted: bool) {
        self.waiting.push(frame, wanted);
    }

    /// The next wanted frame, restored, once all that its tiers look at has been pushed; `ended`: the run is over.
    pub(crate) fn next(&mut self, ended: bool) -> Result<Option<(Frame, Restored)>> {
        let batch = self.last_tier.as_ref().map_or(1, LastTier::batch);
        while self.done.is_empty() {
            let Some(at) = self.waiting.ready(ended) else {
                if !ended || self.gathered.is_empty() {
                    return Ok(None);
                }
                self.settle()?;
                break;
            };
            self.gather(at)?;
            if self.gathered.len() >= batch {
                self.settle()?;
            }
        }
        Ok(self.done.pop_front())
    }

    /// Lets all tiers but the last work on the frame at `at`, and asks the last for the rest.
    fn gather(&mut self, at: usize) -> Result<()> {
        let source = self.waiting.frame(at).clone();
        let groups = self.groups(&source)?;
        let seen = match self.extras.templates {
            true => self.removals.look(&source, &self.tracks, &mut self.masks)?,
            false => Vec::new(),
        };
        let looks_around = self.last_tier.as_ref().is_some_and(LastTier::looks_around);
        let (waiting, around) = (&self.waiting, self.waiting.around(at));
        let mut sight =
            Sight { waiting, at, around, tracks: &self.tracks, masks: &mut self.masks, panels: &self.panels };
        let mut holes = Vec::new();
        for mut hole in open_holes(&source, &groups) {
            let window = self.scenes.window(&hole, &mut sight, looks_around)?;
            for tier in &mut self.tiers {
                tier.restore(window, std::slice::from_mut(&mut hole));
            }
            let promise = match &mut self.last_tier {
                Some(tier) => tier.ask(window, &mut hole)?,
                None => Promise::default(),
            };
            holes.push((hole, promise));
        }
        drop(source);
        let Some(frame) = self.waiting.take(at) else { return Ok(()) };
        self.scenes.forget(frame.idx);
        self.gathered.push(Gathered { frame, groups, holes, seen });
        Ok(())
    }

    /// Lets the last tier work on the frames that wait for it, and closes them.
    fn settle(&mut self) -> Result<()> {
        if let Some(tier) = &mut self.last_tier {
            tier.run()?;
        }
        for Gathered { mut frame, groups, holes, seen } in std::mem::take(&mut self.gathered) {
            let settled = holes.into_iter().map(|(mut hole, promise)| {
                promise.settle(&mut hole);
                hole
            });
            let restored = self.close(&mut frame, &groups, settled.collect())?;
            self.removals.add(&seen, &frame);
            self.done.push_back((frame, restored));
        }
        Ok(())
    }

    /// The slopes of every mark since this was asked for last, as they were taken away.
    pub(crate) fn templates(&mut self) -> Vec<(u32, Template)> {
        self.removals.templates()
    }

    /// Restores the frames of `runs` (rising, apart) of footage of `count` frames and hands each to `visit`, as the source has
    /// it and restored.
    pub(crate) fn over(
        &mut self,
        frames: &mut dyn Frames,
        runs: &[Range<FrameIdx>],
        count: FrameIdx,
        visit: &mut dyn FnMut(&Frame, Frame, Restored) -> Result<()>,
    ) -> Result<()> {
        let mut sources = VecDeque::new();
        for (run, wanted) in with_context(runs, self.context(), count) {
            let (end, mut wanted) = (run.end, wanted.into_iter().peekable());
            for idx in run {
                let frame = frames.at(idx)?.ok_or_else(|| Error::Internal(format!("frame {idx} is missing")))?;
                while wanted.next_if(|range| range.end <= idx).is_some() {}
                let is_wanted = wanted.peek().is_some_and(|range| range.contains(&idx));
                if is_wanted {
                    sources.push_back(frame.clone());
                }
                self.push(frame, is_wanted);
                while let Some((frame, restored)) = self.next(idx + 1 == end)? {
                    let source = sources.pop_front().ok_or_else(|| Error::Internal("a frame came twice".into()))?;
                    visit(&source, frame, restored)?;
                }
            }
        }
        Ok(())
    }

    /// Writes what the holes hold into their frame.
    fn close(&mut self, frame: &mut Frame, groups: &[Mask], holes: Vec<Hole>) -> Result<Restored> {
        let by_mark = self.count(frame, &holes)?;
        let mut restored = Restored { marked: !groups.is_empty(), by_mark, ..Restored::default() };
        if self.extras.origin_map {
            restored.origin_map = Some(Raster::new(frame.width, frame.height, origin_gray(Origin::Kept)));
        }
        if self.extras.mask {
            restored.mask = Some(whole_mask(frame, groups));
        }
        let mut counts = [0; 4];
        for hole in holes {
            if let Some(map) = &mut restored.origin_map {
                draw_origins(&hole, map);
            }
            hole.close(frame).iter().zip(&mut counts).for_each(|(n, sum)| *sum += n);
        }
        let [_, unblended, borrowed, invented] = counts;
        let all = u64::from(frame.width) * u64::from(frame.height);
        let kept = all - unblended - borrowed - invented;
        restored.origins = OriginCounts { kept, unblended, borrowed, invented };
        Ok(restored)
    }

    /// Where the pixels within every mark's mask come from.
    fn count(&mut self, frame: &Frame, holes: &[Hole]) -> Result<BTreeMap<u32, OriginCounts>> {
        let mut counts = BTreeMap::new();
        for track in &self.tracks {
            let Some(name) = track.at(frame.idx).filter(|name| !name.rect.is_empty()) else { continue };
            let mask = self.masks.load(name)?;
            let mut own = OriginCounts::default();
            holes.iter().for_each(|hole| own.add(origins_within(hole, &mask)));
            counts.insert(track.id, own);
        }
        Ok(counts)
    }

    /// The masks on this frame, joined where one's surroundings would show another's pixels.
    fn groups(&mut self, frame: &Frame) -> Result<Arc<Vec<Mask>>> {
        let names: Vec<MaskRef> = self.tracks.iter().filter_map(|track| track.at(frame.idx)).cloned().collect();
        if self.last.0 == names {
            return Ok(Arc::clone(&self.last.1));
        }
        let mut groups: Vec<Mask> = Vec::new();
        for name in &names {
            let mut mask = self.masks.load(name)?.clipped(frame.width, frame.height);
            if mask.is_empty() {
                continue;
            }
            // Joining makes a group larger, so that it may now reach one that was passed before.
            while let Some(near) = groups.iter().position(|g| touches(g, &mask, frame)) {
                mask = mask.union(&groups.swap_remove(near));
            }
            groups.push(mask);
        }
        self.last = (names, Arc::new(groups));
        Ok(Arc::clone(&self.last.1))
    }
}

/// How many frames before and after a segment decide its pixels by `tiers` and a network that fills, at frames of
/// `picture_bytes`.
pub(crate) fn context(tiers: &[Tier], fill_model: Option<&FillModel>, picture_bytes: u64) -> (u64, u64) {
    waiting(tiers, fill_model, picture_bytes).context()
}

/// Where frames wait for what `tiers` look at. Borrowing and networks look at other frames.
fn waiting(tiers: &[Tier], fill_model: Option<&FillModel>, picture_bytes: u64) -> Waiting {
    let borrows = tiers.contains(&Tier::Borrow).then_some(Borrow::REACH);
    let fills = fill_model.filter(|_| tiers.contains(&Tier::Fill)).map(|model| model.reach);
    let reach = borrows.into_iter().chain(fills).fold(Reach::default(), Reach::union);
    Waiting::new(reach, picture_bytes)
}

/// A run of frames to be read, with the runs in it that are wanted.
pub(crate) type Reading = (Range<FrameIdx>, Vec<Range<FrameIdx>>);

/// The frames to be read for `runs` (rising, apart) with `context` around each, clipped to `count` frames; runs whose
/// contexts meet are read as one.
pub(crate) fn with_context(runs: &[Range<FrameIdx>], (before, after): (u64, u64), count: FrameIdx) -> Vec<Reading> {
    let mut read: Vec<Reading> = Vec::new();
    for run in runs {
        let (start, end) = (run.start.saturating_sub(before), (run.end + after).min(count));
        match read.last_mut().filter(|(last, _)| start <= last.end) {
            Some((last, inside)) => {
                last.end = end;
                inside.push(run.clone());
            }
            None => read.push((start..end, vec![run.clone()])),
        }
    }
    read
}

/// The tiers that may be used, the truest first.
fn open(marks: &[Mark], repairs: &[Repair], tiers: &[Tier], blobs: &Path) -> Result<Vec<Box<dyn Restorer>>> {
    let mut list: Vec<Box<dyn Restorer>> = Vec::new();
    for (n, tier) in tiers.iter().enumerate() {
        match tier {
            Tier::Unblend => {
                let overlays = overlays(marks, repairs, blobs)?;
                if !overlays.is_empty() {
                    list.push(Box::new(Unblend::new(overlays, open(marks, repairs, &tiers[n + 1..], blobs)?)));
                }
            }
            Tier::Borrow => list.push(Box::new(Borrow::default())),
            Tier::Fill => list.push(Box::new(SpatialFill::new())),
        }
    }
    Ok(list)
}

/// The panels behind captions, with the numbers of their marks. Empty where mattes are not used.
fn panels(marks: &[Mark], repairs: &[Repair], means: &Means, blobs: &Path) -> Result<Vec<(u32, Overlay)>> {
    let mut panels = Vec::new();
    if means.tiers.contains(&Tier::Unblend) {
        for mark in marks.iter().filter(|mark| mark.from == MarkSource::Caption) {
            panels.extend(overlays(std::slice::from_ref(mark), repairs, blobs)?.into_iter().map(|own| (mark.id, own)));
        }
    }
    Ok(panels)
}

/// The mattes of marks on the frames on which they are used.
fn overlays(marks: &[Mark], repairs: &[Repair], blobs: &Path) -> Result<Vec<Overlay>> {
    let mut overlays = Vec::new();
    for mark in marks.iter().filter(|mark| mark.enabled) {
        let Some(name) = &mark.matte else { continue };
        let file = name.load(blobs)?;
        let (matte, noise) = (Arc::new(file.matte), Arc::new(file.noise));
        let least = if mark.from == MarkSource::Caption { OWN } else { 0.0 };
        let path = Arc::new(mark.view.as_ref().map(|view| view.at.clone()).unwrap_or_default());
        let mut start = mark.span.start;
        for end in demoted(mark, repairs, |_| true).iter().chain([&(mark.span.end..mark.span.end)]) {
            let span = start..end.start.min(mark.span.end);
            if !span.is_empty() {
                let (matte, noise, gain) = (Arc::clone(&matte), Arc::clone(&noise), name.gain.clone());
                overlays.push(Overlay { span, matte, noise, gain, path: Arc::clone(&path), least });
            }
            start = start.max(end.end);
        }
    }
    Ok(overlays)
}

fn touches(a: &Mask, b: &Mask, frame: &Frame) -> bool {
    let around = a.rect().grow(CONTEXT, frame.width, frame.height);
    !around.intersect(&b.rect()).is_empty()
}

fn open_holes(frame: &Frame, groups: &[Mask]) -> Vec<Hole> {
    let fields: &[Rows] = if frame.scan.is_interlaced() { &[Rows::Top, Rows::Bottom] } else { &[Rows::All] };
    let mut holes = Vec::with_capacity(groups.len() * fields.len());
    for mask in groups {
        for rows in fields {
            let (_, step) = rows.start_step();
            let r = mask.rect();
            // In rows of a field: from the field's row at or above the mask to the one at or below its end.
            let in_rows = Rect::new(r.x, r.y / step, r.w, r.bottom().div_ceil(step) - r.y / step);
            let around = in_rows.grow(CONTEXT, frame.width, rows.count(frame.height));
            if around.is_empty() {
                continue;
            }
            let mut patch = Patch::default();
            frame.lift(around, *rows, &mut patch);
            holes.push(Hole::new(frame.idx, patch, mask));
        }
    }
    holes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_whose_contexts_meet_are_read_once() {
        let read = with_context(&[10..20, 25..30, 60..62], (4, 2), 63);
        assert_eq!(read, [(6..32, vec![10..20, 25..30]), (56..63, vec![60..62])]);
        assert_eq!(with_context(&[0..5, 5..9], (0, 0), 9), [(0..9, vec![0..5, 5..9])]);
        assert!(with_context(&[], (4, 2), 9).is_empty());
    }
}
