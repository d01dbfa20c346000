//! Frames through the tiers: their holes are opened, settled by the first tier that can, and closed.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use cleanplate_infer::Placement;

use cleanplate_core::roam::part;
use cleanplate_core::{
    Borrow, Crop, Frame, FrameIdx, Hole, Mask, MaskTrack, Origin, Overlay, Patch, Plate, Raster, Reach, Rect, Removed,
    Restorer, Rows, SpatialFill, Template, Unblend, Window,
};

use crate::error::{Error, Result};
use crate::footage::Frames;
use crate::last_tier::{LastTier, Promise};
use crate::masks::{MaskFolder, MaskRef};
use crate::networks::FillModel;
use crate::options::Tier;
use crate::plan::{Mark, Plan, Remedy, Repair, View};
use crate::plates::{PlateFile, PlateRef};
use crate::render::picture_bytes;
use crate::report::OriginCounts;
use crate::window::Waiting;

/// Pixels around a mask that a hole shows to the tiers: what the spatial fill reads of the surroundings.
pub(crate) const CONTEXT: u32 = 24;

/// Samples between the places at which crops around a mark that moves may begin.
const GRID: u32 = 64;

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
    last_tier: Option<LastTier>,
    /// Frames that wait for the last tier, so that it sees some together.
    gathered: Vec<Gathered>,
    /// Frames that are done, in order.
    done: VecDeque<(Frame, Restored)>,
    waiting: Waiting,
    views: Vec<Scene>,
    backdrops: Vec<Backdrop>,
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
pub(crate) struct Track {
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
    /// Of a mark that moves: the frames as seen from it.
    view: Option<View>,
    /// Whether its masks lie at different places.
    moves: bool,
}

impl Track {
    pub(crate) fn of(mark: &Mark, repairs: &[Repair]) -> Result<Self> {
        let is_drawn = mark.recognised || !mark.from.is_rectangle();
        let has_matte = mark.matte.is_some();
        let (masks, without_matte) = (mark.track()?, mark.track_without_matte()?);
        let (shown, demoted, wide) =
            (mark.shown.clone(), demoted(mark, repairs, |_| true), demoted(mark, repairs, |r| r == Remedy::Demote));
        let mut places = masks.keys().iter().map(|(_, name)| name.rect).filter(|rect| !rect.is_empty());
        let moves = places.next().is_some_and(|first| places.any(|rect| rect != first));
        Ok(Self {
            id: mark.id,
            masks,
            demoted,
            wide,
            without_matte,
            shown,
            is_drawn,
            has_matte,
            view: mark.view.clone(),
            moves,
        })
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

/// A frame on which all tiers but the last have worked.
struct Gathered {
    /// As the source has it.
    frame: Frame,
    groups: Arc<Vec<Mask>>,
    holes: Vec<(Hole, Promise)>,
    /// What it shows at every mark that stands still.
    before: Vec<(u32, Vec<f32>)>,
}

/// The crops of a place that a hole sees; kept because the next frame's hole sees nearly the same ones.
struct Scene {
    rect: Rect,
    rows: Rows,
    crops: VecDeque<Crop>,
    /// What plates show of it, and their numbers.
    plates: Vec<Plate>,
    numbers: Vec<usize>,
    /// The last frame that looked at it.
    used: FrameIdx,
}

/// What a mark hides on some frames, read once it is needed and given up once it is not.
struct Backdrop {
    name: PlateRef,
    file: Option<PlateFile>,
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
        // Un-blending keeps a plain spatial fill below it: it is mixed with the result by a small share.
        tiers.retain(|tier| tier.name() != Tier::Fill.name());
        let last_tier = LastTier::of(means)?;
        let plates = marks.iter().filter(|m| m.enabled && means.tiers.contains(&Tier::Borrow)).flat_map(|m| &m.plates);
        let backdrops = plates.map(|name| Backdrop { name: name.clone(), file: None }).collect();
        let (last, views, gathered, done) = Default::default();
        Ok(Self { tracks, removed, masks, tiers, extras, last, last_tier, gathered, done, waiting, views, backdrops })
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
        let around = self.waiting.around(at);
        let source = self.waiting.frame(at).clone();
        let groups = self.groups(&source)?;
        let before = if self.extras.templates { self.look(&source)? } else { Vec::new() };
        let mut holes = Vec::new();
        for mut hole in open_holes(&source, &groups) {
            let mut window = Window::default();
            let behind = self.behind(&hole, at)?;
            let looks_around = self.last_tier.as_ref().is_some_and(LastTier::looks_around);
            if around.len() > 1 || looks_around || !behind.is_empty() {
                let view = self.view(&hole, around.clone(), at)?;
                self.show(view, behind);
                let Scene { crops, plates, .. } = &mut self.views[view];
                window = Window { crops: crops.make_contiguous(), plates };
            }
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
        self.views.retain(|view| view.used + 1 >= frame.idx);
        self.gathered.push(Gathered { frame, groups, holes, before });
        Ok(())
    }

    /// Lets the last tier work on the frames that wait for it, and closes them.
    fn settle(&mut self) -> Result<()> {
        if let Some(tier) = &mut self.last_tier {
            tier.run()?;
        }
        for Gathered { mut frame, groups, holes, before } in std::mem::take(&mut self.gathered) {
            let settled = holes.into_iter().map(|(mut hole, promise)| {
                promise.settle(&mut hole);
                hole
            });
            let restored = self.close(&mut frame, &groups, settled.collect())?;
            for (id, before) in before {
                let view = self.tracks.iter().find(|track| track.id == id).and_then(|track| track.view.as_ref());
                if let Some(Some(Taken { removed, .. })) = self.removed.get_mut(&id) {
                    match view.and_then(|view| Some((view.origin(frame.idx)?, view.size))) {
                        Some((origin, size)) => removed.add(&before, &part(&frame, origin, size)),
                        None => removed.add(&before, &frame),
                    }
                }
            }
            self.done.push_back((frame, restored));
        }
        Ok(())
    }

    /// The slopes of every mark that stood still since this was asked for last, as they were taken away.
    pub(crate) fn templates(&mut self) -> Vec<(u32, Template)> {
        let removed = std::mem::take(&mut self.removed);
        removed.into_iter().filter_map(|(id, taken)| Some((id, taken?.removed.template()?))).collect()
    }

    /// What `source` shows at every mark that stands still, or does so in what is seen from it.
    fn look(&mut self, source: &Frame) -> Result<Vec<(u32, Vec<f32>)>> {
        let mut seen = Vec::new();
        for track in self.tracks.iter().filter(|track| track.is_certain(source.idx)) {
            let (id, name) = (&track.id, track.at(source.idx).filter(|name| !name.rect.is_empty()));
            let Some(name) = name else { continue };
            let is_demoted = track.is_demoted(source.idx);
            let view = track.view.as_ref().map(|view| (view.origin(source.idx), view.size));
            // Where it may be at either of two places its slopes cannot be learnt.
            let Some(view) = view.map_or(Some(None), |(origin, size)| origin.map(|at| Some((at, size)))) else {
                continue;
            };
            let known = self.removed.get(id);
            // What its matte takes away tells more of the mark than what is filled in its place.
            if known.is_none_or(|known| known.as_ref().is_some_and(|taken| taken.is_demoted && !is_demoted)) {
                let mask = self.masks.load(name)?.clipped(source.width, source.height);
                let (mask, (w, h)) = match view {
                    Some((origin, size)) => (seen_from(&mask, origin), size),
                    None => (mask, (source.width, source.height)),
                };
                let removed = Removed::new(&mask, w, h);
                self.removed.insert(*id, Some(Taken { mask: name.clone(), is_demoted, removed }));
            }
            let Some(entry) = self.removed.get_mut(id) else { continue };
            match (entry, view) {
                (Some(taken), Some((origin, size))) if taken.is_demoted == is_demoted => {
                    seen.push((*id, taken.removed.before(&part(source, origin, size))));
                }
                (Some(taken), None) if taken.mask == *name && taken.is_demoted == is_demoted => {
                    seen.push((*id, taken.removed.before(source)));
                }
                (Some(taken), _) if is_demoted && !taken.is_demoted => {}
                (entry, _) => *entry = None,
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
        let (width, height) = (own.width, rows.count(own.height));
        let rect = patch.rect.grow(margin, width, height);
        let moves = self.tracks.iter().any(|track| track.moves && track.masks.span().contains(&own.idx));
        let rect = if moves { snapped(rect, width, height) } else { rect };
        let (first, used) = (self.waiting.frame(around.start).idx, own.idx);
        let known = self.views.iter().position(|view| (view.rect, view.rows) == (rect, rows));
        let n = known.unwrap_or(self.views.len());
        if n == self.views.len() {
            let (crops, plates, numbers) = Default::default();
            self.views.push(Scene { rect, rows, crops, plates, numbers, used });
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

    /// The numbers of the plates that show what `hole` hides in the scene at `at`.
    fn behind(&mut self, hole: &Hole, at: usize) -> Result<Vec<usize>> {
        let mut numbers = Vec::new();
        let patch = hole.patch();
        for (n, Backdrop { name, file }) in self.backdrops.iter_mut().enumerate() {
            if !name.frames.contains(&hole.idx) {
                *file = None;
                continue;
            }
            if name.rows != patch.rows || name.rect.intersect(&patch.rect).is_empty() {
                continue;
            }
            if file.is_none() {
                *file = Some(name.load(self.masks.folder())?);
            }
            if file.as_ref().is_some_and(|file| file.scene.has(hole.idx, self.waiting.small(at))) {
                numbers.push(n);
            }
        }
        Ok(numbers)
    }

    /// Lets the view show what the plates of `numbers` do.
    fn show(&mut self, view: usize, numbers: Vec<usize>) {
        let view = &mut self.views[view];
        if view.numbers != numbers {
            let files = numbers.iter().filter_map(|n| self.backdrops[*n].file.as_ref());
            view.plates = files.map(|file| file.plate.over(view.rect)).collect();
            view.numbers = numbers;
        }
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
        covered(&self.tracks, &mut self.masks, frame.idx, (frame.width, frame.height))
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

/// What any mark hides of frame `idx` of `width` x `height`.
pub(crate) fn covered(
    tracks: &[Track],
    masks: &mut MaskFolder,
    idx: FrameIdx,
    (width, height): (u32, u32),
) -> Result<Mask> {
    let mut all = Mask::empty();
    for name in tracks.iter().filter_map(|track| track.hides(idx)) {
        all = all.union(&masks.load(name)?.clipped(width, height));
    }
    Ok(all)
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

/// The rectangle grown to a coarse grid: holes of a mark that moves see the same crops for many frames, and what was learnt of
/// the motion in them holds on.
fn snapped(rect: Rect, width: u32, height: u32) -> Rect {
    let (x, y) = (rect.x / GRID * GRID, rect.y / GRID * GRID);
    let (right, bottom) =
        (rect.right().next_multiple_of(GRID).min(width), rect.bottom().next_multiple_of(GRID).min(height));
    Rect::new(x, y, right - x, bottom - y)
}

/// A mask as seen from the sample `origin`.
fn seen_from(mask: &Mask, origin: (i32, i32)) -> Mask {
    let rect = mask.rect();
    let (x, y) = (rect.x.saturating_add_signed(-origin.0), rect.y.saturating_add_signed(-origin.1));
    Mask::new(Rect::new(x, y, rect.w, rect.h), mask.coverage().clone()).unwrap_or_else(Mask::empty)
}

/// The mattes of marks on the frames on which they are used.
fn overlays(marks: &[Mark], repairs: &[Repair], blobs: &Path) -> Result<Vec<Overlay>> {
    let mut overlays = Vec::new();
    for mark in marks.iter().filter(|mark| mark.enabled) {
        let Some(name) = &mark.matte else { continue };
        let file = name.load(blobs)?;
        let (matte, noise) = (Arc::new(file.matte), Arc::new(file.noise));
        let path = Arc::new(mark.view.as_ref().map(|view| view.at.clone()).unwrap_or_default());
        let mut start = mark.span.start;
        for end in demoted(mark, repairs, |_| true).iter().chain([&(mark.span.end..mark.span.end)]) {
            let span = start..end.start.min(mark.span.end);
            if !span.is_empty() {
                let (matte, noise, gain) = (Arc::clone(&matte), Arc::clone(&noise), name.gain.clone());
                overlays.push(Overlay { span, matte, noise, gain, path: Arc::clone(&path) });
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
