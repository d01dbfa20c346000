//! From what a user says about marks to marks of a plan: places, times, masks, and what must be kept.

use std::ops::{ControlFlow, Range};
use std::path::Path;

use cleanplate_core::{Frame, FrameIdx, Mask, MaskTrack, PixelFormat, Raster, Rect, Row};
use cleanplate_media::source::{OpenOptions, Source};

use crate::error::{Error, Result};
use crate::inks::{Placed, is_picture};
use crate::masks::{MaskFolder, MaskRef, read_mask, turned};
use crate::mattes::MatteFile;
use crate::options::Options;
use crate::plan::{Mark, MarkSource};
use crate::region::{Region, Rotation, shown_size};
use crate::times::Times;

/// What is known of the worked-on track when marks are placed.
#[derive(Clone, Debug)]
pub(crate) struct Clip {
    /// Times of the frames in seconds from the first one.
    pub(crate) starts: Vec<f64>,
    /// Columns and rows of the stored picture.
    pub(crate) size: (u32, u32),
    /// How it is turned for display.
    pub(crate) rotation: Rotation,
    /// Its samples.
    pub(crate) format: PixelFormat,
}

impl Clip {
    pub(crate) fn frames(&self, times: Option<&Times>) -> Vec<Range<FrameIdx>> {
        let all = 0..self.starts.len() as FrameIdx;
        times.map_or_else(|| vec![all], |times| times.frames(&self.starts))
    }
}

/// Rectangles that are never touched, with the frames on which they are not.
pub(crate) struct Keeps(Vec<(Vec<Range<FrameIdx>>, Rect)>);

impl Keeps {
    /// Those of `options`, grown to whole chroma samples: a shared chroma sample would change a kept pixel.
    pub(crate) fn new(options: &Options, clip: &Clip) -> Self {
        let (sw, sh) = clip.format.subsampling(1.min(clip.format.planes() - 1));
        let whole = Rect::new(0, 0, clip.size.0, clip.size.1);
        let keeps = options.keep_regions.iter().filter_map(|region| {
            let rect = region.stored(clip.size, clip.rotation)?;
            let chroma = rect.subsampled(sw, sh);
            let grown = Rect::new(chroma.x << sw, chroma.y << sh, chroma.w << sw, chroma.h << sh).intersect(&whole);
            Some((clip.frames(region.times()), grown))
        });
        Self(keeps.collect())
    }

    /// The frames in `span` from which on the answer may differ, its first included.
    fn changes(&self, span: &Range<FrameIdx>) -> Vec<FrameIdx> {
        let ends = self.0.iter().flat_map(|(runs, _)| runs.iter().flat_map(|run| [run.start, run.end]));
        let mut changes: Vec<FrameIdx> = ends.filter(|idx| span.contains(idx)).chain([span.start]).collect();
        changes.sort_unstable();
        changes.dedup();
        changes
    }

    /// `mask` without what must be kept at `idx`.
    pub(crate) fn apply(&self, mask: &Mask, idx: FrameIdx) -> Mask {
        let kept = self.0.iter().filter(|(runs, _)| runs.iter().any(|run| run.contains(&idx)));
        kept.fold(mask.clone(), |mask, (_, rect)| mask.without(&Mask::rectangle(*rect)))
    }
}

/// A mark before it has a number: who says so, how surely and why.
pub(crate) struct Claim<'a> {
    pub(crate) from: MarkSource,
    pub(crate) confidence: f64,
    pub(crate) reason: &'a str,
}

/// Turns masks and times into marks.
pub(crate) struct Marker<'a> {
    clip: &'a Clip,
    keeps: Keeps,
    only: Vec<Range<FrameIdx>>,
    masks: &'a mut MaskFolder,
    marks: Vec<Mark>,
}

impl<'a> Marker<'a> {
    pub(crate) fn new(options: &Options, clip: &'a Clip, masks: &'a mut MaskFolder) -> Self {
        let only = clip.frames(options.only.as_ref());
        Self { clip, keeps: Keeps::new(options, clip), only, masks, marks: Vec::new() }
    }

    /// Everything that the marks so far cover on any frame.
    pub(crate) fn covered(&mut self) -> Result<Mask> {
        let mut names = self.marks.iter().flat_map(|mark| &mark.keys);
        names.try_fold(Mask::empty(), |all, (_, name)| Ok(all.union(&*self.masks.load(name)?)))
    }

    /// How many marks there are so far.
    pub(crate) fn count(&self) -> usize {
        self.marks.len()
    }

    /// The marks from number `first` on (counted from 0), and where masks are kept: for what is known of them beyond masks.
    pub(crate) fn since(&mut self, first: usize) -> (&mut [Mark], &mut MaskFolder) {
        (&mut self.marks[first..], self.masks)
    }

    /// The marks so far.
    pub(crate) fn finish(self) -> Vec<Mark> {
        self.marks
    }

    /// Adds a mark that looks the same on all frames of `runs`.
    pub(crate) fn still(&mut self, mask: &Mask, runs: &[Range<FrameIdx>], claim: &Claim<'_>) -> Result<()> {
        for span in intersect(runs, &self.only) {
            let mut keys = Vec::new();
            let mut area = 0;
            for idx in self.keeps.changes(&span) {
                let kept = self.keeps.apply(mask, idx);
                area = area.max(kept.area());
                keys.push((idx, self.masks.keep(&kept)?));
            }
            let shown = runs.iter().find(|run| run.contains(&span.start) && **run != span).cloned();
            let before = self.marks.len();
            self.add(span, keys, area, claim);
            for mark in &mut self.marks[before..] {
                mark.shown = shown.clone().unwrap_or_default();
            }
        }
        Ok(())
    }

    /// Adds a mark whose mask changes at the frames of `keys`, which rise, and holds until the next one, the last until `end`.
    pub(crate) fn moving(
        &mut self,
        keys: impl Iterator<Item = (FrameIdx, Mask)>,
        end: FrameIdx,
        claim: &Claim<'_>,
    ) -> Result<()> {
        let keys: Vec<(FrameIdx, MaskRef, u64)> =
            keys.map(|(idx, mask)| Ok((idx, self.masks.keep(&mask)?, mask.area()))).collect::<Result<_>>()?;
        self.changing(&keys, end, claim)
    }

    /// As [`moving`](Self::moving), for masks that are kept already, with their areas.
    fn changing(&mut self, all: &[(FrameIdx, MaskRef, u64)], end: FrameIdx, claim: &Claim<'_>) -> Result<()> {
        let Some(first) = all.first().map(|key| key.0).filter(|first| *first < end) else { return Ok(()) };
        for span in intersect(&[first..end], &self.only) {
            let inside = all.iter().map(|key| key.0).filter(|idx| span.contains(idx));
            let mut changes: Vec<FrameIdx> = self.keeps.changes(&span).into_iter().chain(inside).collect();
            changes.sort_unstable();
            changes.dedup();
            let mut keys: Vec<(FrameIdx, MaskRef)> = Vec::new();
            let mut area = 0;
            for idx in changes {
                let (_, name, pixels) = &all[all.partition_point(|key| key.0 <= idx) - 1];
                let name = if self.keeps.0.is_empty() {
                    name.clone()
                } else {
                    let mask = self.masks.load(name)?;
                    self.masks.keep(&self.keeps.apply(&mask, idx))?
                };
                area = area.max(*pixels);
                if keys.last().is_none_or(|(_, last)| *last != name) {
                    keys.push((idx, name));
                }
            }
            self.add(span, keys, area, claim);
        }
        Ok(())
    }

    /// Adds a mark that lies in a rectangle of its own on every frame of its span.
    pub(crate) fn tracked(&mut self, places: &MaskTrack<Rect>, claim: &Claim<'_>) -> Result<()> {
        for span in intersect(std::slice::from_ref(&places.span()), &self.only) {
            let moves = places.keys().iter().map(|(idx, _)| *idx).filter(|idx| span.contains(idx));
            let mut changes: Vec<FrameIdx> = self.keeps.changes(&span).into_iter().chain(moves).collect();
            changes.sort_unstable();
            changes.dedup();
            let mut keys: Vec<(FrameIdx, MaskRef)> = Vec::with_capacity(changes.len());
            let mut area = 0;
            for idx in changes {
                let rect = places.at(idx).copied().unwrap_or_default();
                let kept = self.keeps.apply(&Mask::rectangle(rect), idx);
                area = area.max(kept.area());
                let name = self.masks.keep(&kept)?;
                if keys.last().is_none_or(|(_, last)| *last != name) {
                    keys.push((idx, name));
                }
            }
            self.add(span, keys, area, claim);
        }
        Ok(())
    }

    fn add(&mut self, span: Range<FrameIdx>, keys: Vec<(FrameIdx, MaskRef)>, area: u64, claim: &Claim<'_>) {
        let rect = keys.iter().fold(Rect::default(), |all, (_, name)| all.union(&name.rect));
        if area == 0 || rect.is_empty() {
            return;
        }
        let id = self.marks.len() as u32 + 1;
        let Claim { from, confidence, reason } = *claim;
        self.marks.push(Mark {
            id,
            from,
            enabled: true,
            span,
            shown: 0..0,
            keys,
            rect,
            area,
            confidence,
            reason: reason.to_owned(),
            recognised: false,
            matte: None,
            without_matte: Vec::new(),
            plates: Vec::new(),
            view: None,
            caption: None,
        });
    }

    /// Adds everything that the user has said.
    pub(crate) fn said(
        &mut self,
        options: &Options,
        placed: &[Placed],
        poll: &mut dyn FnMut() -> ControlFlow<()>,
    ) -> Result<()> {
        // A region around a mark of known ink has said where to look for it, and no more.
        let is_bound = |region: &&Region| {
            let rect = place(region, self.clip).unwrap_or_default();
            placed.iter().any(|ink| 2 * rect.intersect(&ink.file.matte.rect()).area() > ink.file.matte.rect().area())
        };
        let names = |region: &&Region| options.target.marks() && !region.is_named() && !is_bound(region);
        let exact: Vec<&Region> = options.regions.iter().filter(names).collect();
        let exact = exact.into_iter().map(|region| (region, MarkSource::Region));
        let whole = options.fill_regions.iter().map(|region| (region, MarkSource::FillRegion));
        for (region, from) in exact.chain(whole) {
            let mask = Mask::rectangle(place(region, self.clip)?);
            let runs = self.clip.frames(region.times());
            if runs.is_empty() {
                return Err(Error::Usage(format!("region {region} holds on no frame of the clip")));
            }
            self.still(&mask, &runs, &by_user(from))?;
        }
        let (w, h) = self.clip.size;
        let grown = options.dilate.unwrap_or(0);
        for path in &options.masks {
            let mask = read_mask(path, self.clip.size, self.clip.rotation)?.dilated(grown, w, h);
            self.still(&mask, &self.clip.frames(None), &by_user(MarkSource::Mask))?;
        }
        for path in options.mattes.iter().filter(|path| !is_picture(path)) {
            let file = MatteFile::read(path)?;
            self.fits(path, &file)?;
            self.matte(&file, "given by the user")?;
        }
        for ink in placed {
            self.matte(&ink.file, &format!("given by the user as a picture, {}", ink.words))?;
        }
        if let Some(path) = &options.mask_video {
            let masks = self.mask_video(path, grown, poll)?;
            self.changing(&masks, masks.len() as FrameIdx, &by_user(MarkSource::MaskVideo))?;
        }
        Ok(())
    }

    /// Whether a matte is for this clip.
    fn fits(&self, path: &Path, file: &MatteFile) -> Result<()> {
        let (size, format) = (self.clip.size, self.clip.format);
        if file.frame == size && file.matte.format() == format {
            return Ok(());
        }
        let (w, h) = file.frame;
        Err(Error::Usage(format!(
            "the matte {} is for frames of {w}x{h} ({:?}), the clip has {}x{} ({format:?})",
            path.display(),
            file.matte.format(),
            size.0,
            size.1
        )))
    }

    /// Adds a mark whose matte is known.
    fn matte(&mut self, file: &MatteFile, reason: &str) -> Result<()> {
        let name = file.keep(self.masks.folder())?;
        let first = self.marks.len();
        self.still(&file.matte.mask(), &self.clip.frames(None), &Claim { reason, ..by_user(MarkSource::Matte) })?;
        for mark in &mut self.marks[first..] {
            mark.matte = Some(name.clone());
            mark.without_matte = mark.keys.clone();
        }
        Ok(())
    }

    fn mask_video(
        &mut self,
        path: &Path,
        grown: u32,
        poll: &mut dyn FnMut() -> ControlFlow<()>,
    ) -> Result<Vec<(FrameIdx, MaskRef, u64)>> {
        let source = Source::open(path, &OpenOptions::default(), &mut |_, _| poll())?;
        let (given, wanted) = (source.index().frames.len(), self.clip.starts.len());
        if given != wanted {
            return Err(Error::Usage(format!(
                "the mask video {} has {given} frames, the clip has {wanted}",
                path.display()
            )));
        }
        let shown = shown_size(self.clip.size, self.clip.rotation);
        let mut reader = source.reader(0)?;
        let mut masks = Vec::with_capacity(wanted);
        let mut covered = false;
        while let Some(frame) = reader.read()? {
            if poll().is_break() {
                return Err(Error::Cancelled);
            }
            if (frame.width, frame.height) != shown {
                return Err(Error::Usage(format!(
                    "the mask video {} is {}x{}, the picture is displayed at {}x{}",
                    path.display(),
                    frame.width,
                    frame.height,
                    shown.0,
                    shown.1
                )));
            }
            let mask = turned(&binary(&frame), self.clip.size, self.clip.rotation);
            let mask = mask.dilated(grown, self.clip.size.0, self.clip.size.1);
            covered |= !mask.is_empty();
            masks.push((masks.len() as FrameIdx, self.masks.keep(&mask)?, mask.area()));
        }
        if !covered {
            return Err(Error::Usage(format!("the mask video {} covers nothing: white is the mark", path.display())));
        }
        Ok(masks)
    }
}

const fn by_user<'a>(from: MarkSource) -> Claim<'a> {
    Claim { from, confidence: 1.0, reason: "given by the user" }
}

/// The rectangle of a region that the user gave, in the stored picture.
pub(crate) fn place(region: &Region, clip: &Clip) -> Result<Rect> {
    let (w, h) = shown_size(clip.size, clip.rotation);
    region
        .stored(clip.size, clip.rotation)
        .ok_or_else(|| Error::Usage(format!("region {region} lies outside of the picture of {w}x{h}")))
}

/// The named places in which `options` want marks looked for, with their frames; empty where there is none.
pub(crate) fn named_places(options: &Options, clip: &Clip) -> Result<Vec<(Rect, Vec<Range<FrameIdx>>)>> {
    bounds(options.regions.iter().filter(|region| region.is_named()), clip)
}

/// The rectangles of all regions with the frames on which they hold: where captions are looked for. None: everywhere.
pub(crate) fn places(options: &Options, clip: &Clip) -> Result<Vec<(Rect, Vec<Range<FrameIdx>>)>> {
    bounds(options.regions.iter(), clip)
}

fn bounds<'a>(regions: impl Iterator<Item = &'a Region>, clip: &Clip) -> Result<Vec<(Rect, Vec<Range<FrameIdx>>)>> {
    regions.map(|region| Ok((place(region, clip)?, clip.frames(region.times())))).collect()
}

/// White or black: a mask video was usually encoded with loss, in which black is not quite black.
fn binary(frame: &Frame) -> Raster<u8> {
    let mut mask = Raster::new(frame.width, frame.height, 0);
    let half = (frame.format.max_code() / 2) as u16;
    for y in 0..frame.height {
        let out = mask.row_mut(y);
        match frame.row(0, y) {
            Row::U8(row) => out.iter_mut().zip(row).for_each(|(o, s)| *o = if u16::from(*s) > half { 255 } else { 0 }),
            Row::U16(row) => out.iter_mut().zip(row).for_each(|(o, s)| *o = if *s > half { 255 } else { 0 }),
        }
    }
    mask
}

/// Frames that lie in both, as sorted runs; both are sorted and disjoint.
pub(crate) fn intersect(a: &[Range<FrameIdx>], b: &[Range<FrameIdx>]) -> Vec<Range<FrameIdx>> {
    let pairs = a.iter().flat_map(|a| b.iter().map(move |b| a.start.max(b.start)..a.end.min(b.end)));
    pairs.filter(|run| run.start < run.end).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clip() -> Clip {
        let starts = (0..100).map(|i| f64::from(i) / 10.0).collect();
        Clip { starts, size: (200, 100), rotation: (0, false), format: PixelFormat::YUV420P8 }
    }

    fn marks(options: &Options) -> Result<(Vec<Mark>, Vec<Mask>)> {
        let folder = tempfile::tempdir().unwrap();
        let mut masks = MaskFolder::new(folder.path());
        let clip = clip();
        let mut marker = Marker::new(options, &clip, &mut masks);
        marker.said(options, &[], &mut || ControlFlow::Continue(()))?;
        let marks = marker.finish();
        let all = marks.iter().flat_map(|m| &m.keys).map(|k| (*masks.load(&k.1).unwrap()).clone()).collect();
        Ok((marks, all))
    }

    #[test]
    fn a_region_with_times_holds_on_those_frames_only() {
        let mut options = Options { regions: vec!["10,20,30,40@1-2,f50-f60".parse().unwrap()], ..Options::default() };
        let (made, _) = marks(&options).unwrap();
        assert_eq!(made.iter().map(|m| m.span.clone()).collect::<Vec<_>>(), [10..20, 50..60]);
        assert_eq!((made[0].rect, made[0].area), (Rect::new(10, 20, 30, 40), 1200));
        options.only = Some("1.5-5.5".parse().unwrap());
        let (made, _) = marks(&options).unwrap();
        assert_eq!(made.iter().map(|m| m.span.clone()).collect::<Vec<_>>(), [15..20, 50..55]);
    }

    #[test]
    fn what_must_be_kept_wins_and_takes_its_chroma_with_it() {
        let options = Options {
            regions: vec!["10,20,30,40".parse().unwrap()],
            keep_regions: vec!["11,21,5,5@2-4".parse().unwrap()],
            ..Options::default()
        };
        let (made, masks) = marks(&options).unwrap();
        assert_eq!(made[0].keys.iter().map(|k| k.0).collect::<Vec<_>>(), [0, 20, 40]);
        assert_eq!(masks.iter().map(Mask::area).collect::<Vec<_>>(), [1200, 1200 - 36, 1200]);
        assert_eq!((masks[1].at(10, 20), masks[1].at(16, 21)), (0, 255), "grown to 10,20 6x6");
    }

    #[test]
    fn a_tracked_mark_has_a_rectangle_of_its_own_on_every_frame() {
        let options = Options {
            keep_regions: vec!["0,0,200,20@3-4".parse().unwrap()],
            only: Some("1-8".parse().unwrap()),
            ..Options::default()
        };
        let folder = tempfile::tempdir().unwrap();
        let mut masks = MaskFolder::new(folder.path());
        let clip = clip();
        let mut marker = Marker::new(&options, &clip, &mut masks);
        let keys = (0..10).map(|i| (5 + 5 * i, Rect::new(10 * i as u32, 10, 30, 30))).collect();
        let places = MaskTrack::new(5..90, keys).unwrap();
        let claim = Claim { from: MarkSource::Detected, confidence: 0.5, reason: "seen" };
        marker.tracked(&places, &claim).unwrap();
        let mark = marker.finish().remove(0);
        assert_eq!((mark.span.clone(), mark.area), (10..80, 900));
        let track = mark.track().unwrap();
        for idx in mark.span.clone() {
            let mut wanted = *places.at(idx).unwrap();
            if (30..40).contains(&idx) {
                wanted = Rect::new(wanted.x, 20, 30, 20);
            }
            assert_eq!(track.at(idx).unwrap().rect, wanted, "frame {idx}");
        }
    }

    #[test]
    fn a_place_outside_of_the_picture_or_the_clip_is_refused() {
        let refused = |region: &str| {
            let options = Options { regions: vec![region.parse().unwrap()], ..Options::default() };
            marks(&options).unwrap_err().to_string()
        };
        assert!(refused("300,0,10,10").contains("200x100"));
        assert!(refused("0,0,10,10@50-60").contains("no frame"));
    }
}
