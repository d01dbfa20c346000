//! Frames through the tiers: their holes are opened, settled by the first tier that can, and closed.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use cleanplate_infer::Placement;

use cleanplate_core::{
    Borrow, Crop, Frame, FrameIdx, Hole, Mask, MaskTrack, Origin, Overlay, Patch, Raster, Reach, Rect, Removed,
    Restorer, Rows, SpatialFill, Template, Unblend, Window,
};

use crate::error::{Error, Result};
use crate::footage::Frames;
use crate::masks::{MaskFolder, MaskRef};
use crate::net_fill::{Fault, NetFill};
use crate::networks::FillModel;
use crate::options::Tier;
use crate::plan::{Mark, Plan, Remedy, Repair};
use crate::render::picture_bytes;
use crate::report::OriginCounts;
use crate::window::Waiting;

/// Pixels around a mask that a hole shows to the tiers: what the spatial fill reads of the surroundings.
const CONTEXT: u32 = 24;

/// What became of a frame.
#[derive(Debug, Default)]
pub(crate) struct Restored {
    /// Its pixels by origin.
    pub(crate) origins: OriginCounts,
    /// Those within each mark's mask, by the mark's number; pixels that several marks cover count for each.
    pub(crate) by_mark: BTreeMap<u32, OriginCounts>,
    /// Whether a mark lies on it.
    pub(crate) marked: bool,
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

/// Gray of an origin in the map: black is kept, white is invented.
pub(crate) const fn origin_gray(origin: Origin) -> u8 {
    origin as u8 * 85
}

/// The tiers of a plan, ready to work on its frames one by one in any order.
pub(crate) struct Restoration {
    tracks: Vec<Track>,
    /// What was taken away of each mark since this was asked for last; `None` for one whose mask has changed meanwhile.
    removed: BTreeMap<u32, Option<Taken>>,
    masks: MaskFolder,
    tiers: Vec<Box<dyn Restorer>>,
    extras: Extras,
    /// Masks of the frame before: most frames carry the same.
    last: (Vec<MaskRef>, Arc<Vec<Mask>>),
    /// What a network said when it failed.
    fault: Fault,
    waiting: Waiting,
    views: Vec<View>,
    /// Whether a tier looks farther around a hole even in its own frame.
    looks_around: bool,
}

/// By what holes are settled.
#[derive(Clone, Debug)]
pub(crate) struct Means {
    pub(crate) tiers: Vec<Tier>,
    /// A network that fills instead of the spatial fill.
    pub(crate) fill_model: Option<FillModel>,
    pub(crate) placement: Placement,
}

/// Where a mark lies on every frame of its span.
struct Track {
    id: u32,
    masks: MaskTrack<MaskRef>,
    /// Frames on which its matte is not used, those of them on which its shape is not believed either, and the masks that hold
    /// there.
    demoted: Vec<Range<FrameIdx>>,
    wide: Vec<Range<FrameIdx>>,
    without_matte: Option<MaskTrack<MaskRef>>,
    /// Frames on which the mark is seen though nothing is done about it.
    shown: Range<FrameIdx>,
    /// Whether what is taken away without a matte is known to be a mark, and not whatever lies in a rectangle.
    is_drawn: bool,
    has_matte: bool,
}

impl Track {
    fn of(mark: &Mark, repairs: &[Repair]) -> Result<Self> {
        let is_drawn = mark.recognised || !mark.from.is_rectangle();
        let has_matte = mark.matte.is_some();
        let (masks, without_matte) = (mark.track()?, mark.track_without_matte()?);
        let (shown, demoted, wide) =
            (mark.shown.clone(), demoted(mark, repairs, |_| true), demoted(mark, repairs, |r| r == Remedy::Demote));
        Ok(Self { id: mark.id, masks, demoted, wide, without_matte, shown, is_drawn, has_matte })
    }

    fn is_demoted(&self, idx: FrameIdx) -> bool {
        self.demoted.iter().any(|frames| frames.contains(&idx))
    }

    /// Whether what is taken away on this frame is known to be a mark.
    fn is_certain(&self, idx: FrameIdx) -> bool {
        self.is_drawn || (self.has_matte && !self.is_demoted(idx))
    }

    fn at(&self, idx: FrameIdx) -> Option<&MaskRef> {
        let own = self.masks.at(idx);
        // One that is not thought to be shown, but is, has no mask of its own there.
        let is_doubted = self.wide.iter().any(|frames| frames.contains(&idx))
            || (self.is_demoted(idx) && own.is_some_and(|name| name.rect.is_empty()));
        let instead = self.without_matte.as_ref().filter(|_| is_doubted);
        instead.map_or(own, |masks| masks.at(idx))
    }

    /// What of a frame the mark hides, also where it is not worked on.
    fn hides(&self, idx: FrameIdx) -> Option<&MaskRef> {
        let keys = self.masks.keys();
        let beyond = || if idx < self.masks.span().start { keys.first() } else { keys.last() };
        self.at(idx).or_else(|| beyond().filter(|_| self.shown.contains(&idx)).map(|(_, name)| name))
    }
}

/// Frames on which a mark's matte is not used by remedies that are `meant`, rising.
fn demoted(mark: &Mark, repairs: &[Repair], meant: impl Fn(Remedy) -> bool) -> Vec<Range<FrameIdx>> {
    let here = repairs.iter().filter(|repair| meant(repair.remedy) && repair.mark == mark.id);
    let mut frames: Vec<Range<FrameIdx>> = here.map(|repair| repair.frames.clone()).collect();
    frames.sort_by_key(|range| range.start);
    frames
}

/// What was taken away of a mark by one mask.
struct Taken {
    mask: MaskRef,
    /// Whether its matte was not used.
    is_demoted: bool,
    removed: Removed,
}

/// The crops of a place that a hole sees; kept because the next frame's hole sees nearly the same ones.
struct View {
    rect: Rect,
    rows: Rows,
    crops: VecDeque<Crop>,
    /// The last frame that looked at it.
    used: FrameIdx,
}

impl Restoration {
    pub(crate) fn new(plan: &Plan, placement: &Placement, extras: Extras) -> Result<Self> {
        let (pin, format) = (&plan.source, plan.encoder.source_format);
        let bytes = picture_bytes(format, pin.width, pin.height);
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
        let removed = BTreeMap::new();
        let waiting = waiting(&means.tiers, means.fill_model.as_ref(), picture_bytes);
        let mut tiers = open(marks, repairs, &means.tiers, masks.folder())?;
        let fault = Fault::default();
        let model = means.fill_model.as_ref().filter(|_| means.tiers.contains(&Tier::Fill));
        if let Some(model) = model {
            // What the network leaves open where it fails is not written: the job ends.
            tiers.retain(|tier| tier.name() != Tier::Fill.name());
            tiers.push(Box::new(NetFill::open(model, &means.placement, fault.clone())?));
        }
        let looks_around = model.is_some();
        let (last, views) = Default::default();
        Ok(Self { tracks, removed, masks, tiers, extras, last, fault, waiting, views, looks_around })
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
        let Some(at) = self.waiting.ready(ended) else { return Ok(None) };
        let around = self.waiting.around(at);
        let source = self.waiting.frame(at).clone();
        let groups = self.groups(&source)?;
        let mut holes = open_holes(&source, &groups);
        let before = if self.extras.templates { self.look(&source)? } else { Vec::new() };
        drop(source);
        for hole in &mut holes {
            let mut window = Window::default();
            if around.len() > 1 || self.looks_around {
                let view = self.view(hole, around.clone(), at)?;
                window = Window { crops: self.views[view].crops.make_contiguous() };
            }
            for tier in &mut self.tiers {
                tier.restore(window, std::slice::from_mut(hole));
            }
        }
        self.fault.check()?;
        let Some(mut frame) = self.waiting.take(at) else { return Ok(None) };
        self.views.retain(|view| view.used + 1 >= frame.idx);
        let restored = self.close(&mut frame, &groups, holes)?;
        for (id, before) in before {
            if let Some(Some(taken)) = self.removed.get_mut(&id) {
                taken.removed.add(&before, &frame);
            }
        }
        Ok(Some((frame, restored)))
    }

    /// The slopes of every mark that stood still since this was asked for last, as they were taken away.
    pub(crate) fn templates(&mut self) -> Vec<(u32, Template)> {
        let removed = std::mem::take(&mut self.removed);
        removed.into_iter().filter_map(|(id, taken)| Some((id, taken?.removed.template()?))).collect()
    }

    /// What `source` shows at every mark that stands still.
    fn look(&mut self, source: &Frame) -> Result<Vec<(u32, Vec<f32>)>> {
        let mut seen = Vec::new();
        for track in self.tracks.iter().filter(|track| track.is_certain(source.idx)) {
            let (id, name) = (&track.id, track.at(source.idx).filter(|name| !name.rect.is_empty()));
            let Some(name) = name else { continue };
            let is_demoted = track.is_demoted(source.idx);
            let known = self.removed.get(id);
            // What its matte takes away tells more of the mark than what is filled in its place.
            if known.is_none_or(|known| known.as_ref().is_some_and(|taken| taken.is_demoted && !is_demoted)) {
                let mask = self.masks.load(name)?.clipped(source.width, source.height);
                let removed = Removed::new(&mask, source.width, source.height);
                self.removed.insert(*id, Some(Taken { mask: name.clone(), is_demoted, removed }));
            }
            let Some(entry) = self.removed.get_mut(id) else { continue };
            match entry {
                Some(taken) if taken.mask == *name && taken.is_demoted == is_demoted => {
                    seen.push((*id, taken.removed.before(source)));
                }
                Some(taken) if is_demoted && !taken.is_demoted => {}
                _ => *entry = None,
            }
        }
        Ok(seen)
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

    /// The position in `views` of what `hole` sees of the frames at `around`.
    fn view(&mut self, hole: &Hole, around: Range<usize>, at: usize) -> Result<usize> {
        let (patch, own) = (hole.patch(), self.waiting.frame(at));
        let (rows, margin) = (patch.rows, self.waiting.reach().margin);
        let rect = patch.rect.grow(margin, own.width, rows.count(own.height));
        let (first, used) = (self.waiting.frame(around.start).idx, own.idx);
        let known = self.views.iter().position(|view| (view.rect, view.rows) == (rect, rows));
        let n = known.unwrap_or(self.views.len());
        if n == self.views.len() {
            self.views.push(View { rect, rows, crops: VecDeque::new(), used });
        }
        let mut crops = std::mem::take(&mut self.views[n].crops);
        while crops.front().is_some_and(|crop| crop.idx < first) {
            crops.pop_front();
        }
        if crops.front().is_some_and(|crop| crop.idx != first) {
            crops.clear();
        }
        crops.truncate(around.len());
        for k in around.start + crops.len()..around.end {
            let frame = self.waiting.frame(k).clone();
            let mut patch = Patch::default();
            frame.lift(rect, rows, &mut patch);
            let covered = self.covered(&frame)?;
            crops.push_back(Crop::new(frame.idx, patch, &covered));
        }
        self.views[n].crops = crops;
        self.views[n].used = used;
        Ok(n)
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

    /// What any mark hides of this frame.
    fn covered(&mut self, frame: &Frame) -> Result<Mask> {
        let mut all = Mask::empty();
        for name in self.tracks.iter().filter_map(|track| track.hides(frame.idx)) {
            all = all.union(&self.masks.load(name)?.clipped(frame.width, frame.height));
        }
        Ok(all)
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

/// The mattes of marks on the frames on which they are used.
fn overlays(marks: &[Mark], repairs: &[Repair], blobs: &Path) -> Result<Vec<Overlay>> {
    let mut overlays = Vec::new();
    for mark in marks.iter().filter(|mark| mark.enabled) {
        let Some(name) = &mark.matte else { continue };
        let file = name.load(blobs)?;
        let (matte, noise) = (Arc::new(file.matte), Arc::new(file.noise));
        let mut start = mark.span.start;
        for end in demoted(mark, repairs, |_| true).iter().chain([&(mark.span.end..mark.span.end)]) {
            let span = start..end.start.min(mark.span.end);
            if !span.is_empty() {
                let (matte, noise, gain) = (Arc::clone(&matte), Arc::clone(&noise), name.gain.clone());
                overlays.push(Overlay { span, matte, noise, gain });
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

/// The origins of the hole's pixels that `mask` covers.
fn origins_within(hole: &Hole, mask: &Mask) -> OriginCounts {
    let (patch, origins) = (hole.patch(), &hole.origin()[0]);
    let (start, step) = patch.rows.start_step();
    let columns = patch.rect.intersect(&Rect { y: patch.rect.y, h: patch.rect.h, ..mask.rect() });
    let mut counts = [0; Origin::ALL.len()];
    for y in 0..origins.height() {
        let row = start + (patch.rect.y + y) * step;
        for x in columns.x..columns.right() {
            if mask.at(x, row) > 0 {
                counts[origins.at(x - patch.rect.x, y) as usize] += 1;
            }
        }
    }
    let [kept, unblended, borrowed, invented] = counts;
    OriginCounts { kept, unblended, borrowed, invented }
}

fn draw_origins(hole: &Hole, map: &mut Raster<u8>) {
    let (patch, origins) = (hole.patch(), &hole.origin()[0]);
    let (start, step) = patch.rows.start_step();
    for y in 0..origins.height() {
        let row = map.row_mut(start + (patch.rect.y + y) * step);
        for (x, origin) in origins.row(y).iter().enumerate().filter(|(_, o)| **o != Origin::Kept) {
            row[patch.rect.x as usize + x] = origin_gray(*origin);
        }
    }
}

fn whole_mask(frame: &Frame, groups: &[Mask]) -> Raster<u8> {
    let mut whole = Raster::new(frame.width, frame.height, 0);
    for mask in groups {
        let rect = mask.rect();
        for y in 0..rect.h {
            let row = &mut whole.row_mut(rect.y + y)[rect.x as usize..rect.right() as usize];
            row.iter_mut().zip(mask.coverage().row(y)).for_each(|(o, c)| *o = (*o).max(*c));
        }
    }
    whole
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
