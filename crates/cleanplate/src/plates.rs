//! What marks hide behind a still camera, gathered in the first pass from frames on which they are gone or elsewhere, and as
//! files that plans keep, each named by its content.
//!
//! Knows when marks are shown and which frames are worth a look. Refuses to know how a plate is made.

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use cleanplate_core::{Borrow, ColorInfo, Crop, Frame, FrameIdx, Mask, Patch, PixelFormat, Plate, Raster, Rect, Rows};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::blobs::{self, Magic};
use crate::error::{Error, Result};
use crate::footage::Footage;
use crate::marks::Clip;
use crate::masks::{MaskFolder, hex};
use crate::observer::{Event, Phase};
use crate::options::{Options, Tier};
use crate::plan::{Mark, write_beside};
use crate::restore::CONTEXT;
use crate::tracks::{Track, covered};
use crate::watch::Watch;
use crate::window::{SMALL, same_scene, small};

/// First bytes of a plate's file; the last one is the version.
const MAGIC: &Magic = b"CPPLATE\x01";

/// Samples of a file that are believed at most.
const MAX_SAMPLES: u64 = 1 << 28;

/// Looks before a stay, after it and, where the mark moves, within it: a median of ten has seen what passes by now and then.
const EACH: usize = 10;

/// Frames next to a stay that are passed over, since masks end where a mark is still faintly there, and how far is looked:
/// 24 s of film, after which light has changed.
const GUARD: u64 = 3;
const FARTHEST: u64 = 600;

/// Share of what a stay hides that a look must show at least.
const LEAST_SHOWN: f64 = 0.1;

/// Looks that make a plate at least.
const LEAST_LOOKS: usize = 3;

/// Stays that get a plate at most, the longest first, and views of each shot.
const MOST_STAYS: usize = 64;
const MOST_SIDES: usize = 3;

/// A moving mark's stay ends after so many frames, or once it has swept so many times its own box.
const LONGEST: u64 = 500;
const SWEPT: u64 = 4;

/// Bytes of looks that are held at most.
const HELD_BYTES: u64 = 256 << 20;

/// A plate that is kept elsewhere.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlateRef {
    /// SHA-256 of the file; it is `<blob>.plate`.
    pub blob: String,
    /// Where it lies, in luma samples of the stored picture and `rows` of it.
    pub rect: Rect,
    /// The rows that it holds.
    pub rows: Rows,
    /// Frames on which it may be used.
    pub frames: Range<FrameIdx>,
    /// Frames that it is made of.
    pub looks: u32,
}

/// What a plate's file says before its samples.
#[derive(Debug, Serialize, Deserialize)]
struct Head {
    rect: Rect,
    rows: Rows,
    format: PixelFormat,
    idx: FrameIdx,
    span: f32,
    /// Frames of its scene; their small pictures follow.
    scene: Vec<FrameIdx>,
}

/// A plate with the scene that it belongs to.
#[derive(Debug)]
pub(crate) struct PlateFile {
    pub(crate) plate: Plate,
    pub(crate) scene: Scene,
}

/// Frames of one shot with their small pictures, rising: the way from what a plate was made of to where it is used.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Scene(Vec<(FrameIdx, Vec<f32>)>);

impl Scene {
    /// Whether frame `idx`, which looks like `small`, belongs to it.
    pub(crate) fn has(&self, idx: FrameIdx, small: &[f32]) -> bool {
        let nearest = self.0.iter().min_by_key(|(at, _)| at.abs_diff(idx));
        nearest.is_some_and(|(_, own)| same_scene(own, small))
    }
}

impl PlateFile {
    /// Head; the small pictures, in 256ths of an 8-bit code; then of every plane the samples (16 bits, little-endian, filled up
    /// with fractions) and a byte each, 0 where seen; then the roots of the first plane's expected errors, in 1024ths.
    fn bytes(&self) -> Result<Vec<u8>> {
        let Crop { idx, patch, need } = &self.plate.crop;
        let scene = self.scene.0.iter().map(|(idx, _)| *idx).collect();
        let head =
            Head { rect: patch.rect, rows: patch.rows, format: patch.format, idx: *idx, span: self.plate.span, scene };
        let mut bytes = blobs::begin(MAGIC, &head)?;
        let small = self.scene.0.iter().flat_map(|(_, small)| small);
        small.for_each(|v| bytes.extend(((256.0 * v).round() as u16).to_le_bytes()));
        let scale = fine(patch.format);
        for (values, need) in patch.planes.iter().zip(need) {
            values.data().iter().for_each(|v| bytes.extend(((v * scale).round() as u16).to_le_bytes()));
            bytes.extend_from_slice(need.data());
        }
        let error = self.plate.error.data().iter();
        error.for_each(|e| bytes.extend(((e.sqrt() * 1024.0).round() as u16).to_le_bytes()));
        Ok(bytes)
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let (head, mut samples): (Head, &[u8]) = blobs::split(bytes, MAGIC)?;
        let Head { rect, rows, format, idx, span, scene } = head;
        if rect.area() > MAX_SAMPLES
            || span.is_nan()
            || span < 1.0
            || rect.is_empty()
            || !(8..=16).contains(&format.depth)
        {
            return None;
        }
        let mut take = |count: usize| {
            let (own, rest) = samples.split_at_checked(count)?;
            samples = rest;
            Some(own)
        };
        let wide = |bytes: &[u8], scale: f32| -> Vec<f32> {
            bytes.as_chunks::<2>().0.iter().map(|v| f32::from(u16::from_le_bytes(*v)) / scale).collect()
        };
        let mut frames = Vec::new();
        for at in scene {
            frames.push((at, wide(take(2 * (SMALL.0 * SMALL.1) as usize)?, 256.0)));
        }
        let (mut planes, mut need) = (Vec::new(), Vec::new());
        for plane in 0..format.planes() {
            let (sw, sh) = format.subsampling(plane);
            let area = rect.subsampled(sw, sh);
            let count = area.area() as usize;
            planes.push(Raster::from_vec(area.w, area.h, wide(take(2 * count)?, fine(format)))?);
            need.push(Raster::from_vec(area.w, area.h, take(count)?.to_vec())?);
        }
        let first = rect.area() as usize;
        let error = wide(take(2 * first)?, 1024.0).into_iter().map(|e| e * e).collect();
        let error = Raster::from_vec(rect.w, rect.h, error)?;
        if !samples.is_empty() {
            return None;
        }
        let patch = Patch { rect, rows, format, color: ColorInfo::default(), planes };
        Some(Self { plate: Plate { crop: Crop { idx, patch, need }, error, span }, scene: Scene(frames) })
    }

    fn keep(&self, folder: &Path, frames: Range<FrameIdx>, looks: usize) -> Result<PlateRef> {
        let bytes = self.bytes()?;
        let blob = hex(&Sha256::digest(&bytes));
        let path = file(folder, &blob);
        if !path.exists() {
            write_beside(&path, &bytes)?;
        }
        let patch = &self.plate.crop.patch;
        Ok(PlateRef { blob, rect: patch.rect, rows: patch.rows, frames, looks: looks as u32 })
    }
}

impl PlateRef {
    /// The file, from the folder in which it is kept.
    pub(crate) fn load(&self, folder: &Path) -> Result<PlateFile> {
        let path = file(folder, &self.blob);
        let bytes = fs::read(&path).map_err(Error::io("read the plate", path.clone()))?;
        let found = PlateFile::parse(&bytes)
            .ok_or_else(|| Error::Usage(format!("{} is not a plate of this version", path.display())))?;
        let patch = &found.plate.crop.patch;
        if (patch.rect, patch.rows) != (self.rect, self.rows) {
            return Err(Error::Usage(format!("the plate {} does not lie where the plan says", path.display())));
        }
        Ok(found)
    }
}

/// What a code value of `format` is multiplied by to fill 16 bits.
fn fine(format: PixelFormat) -> f32 {
    (1u32 << (16 - format.depth)) as f32
}

/// Where a plate lies in a folder of blobs.
pub(crate) fn file(folder: &Path, blob: &str) -> PathBuf {
    folder.join(format!("{blob}.plate"))
}

/// A run of frames on which a mark hides a place.
struct Stay {
    /// The mark's place in the list.
    mark: usize,
    frames: Range<FrameIdx>,
    /// All that it hides there.
    hides: Mask,
    /// Frames that show some of that, and some between them, rising.
    looks: Vec<FrameIdx>,
    /// What they have shown of it.
    seen: Vec<Crop>,
    /// Small pictures of these and of frames on the way through the stay.
    scenes: Vec<(FrameIdx, Vec<f32>)>,
}

/// Gives every mark that hides a place for longer than borrowing reaches plates of what lies behind it, from frames that show
/// it. Marks that always hide the same are not looked at.
pub(crate) fn gather(
    footage: &dyn Footage,
    options: &Options,
    marks: &mut [Mark],
    folder: &mut MaskFolder,
    watch: &mut Watch<'_>,
) -> Result<()> {
    if !options.tiers.contains(&Tier::Borrow) {
        return Ok(());
    }
    let clip = footage.clip();
    let tracks: Vec<Track> =
        marks.iter().filter(|mark| mark.enabled).map(|mark| Track::of(mark, &[])).collect::<Result<_>>()?;
    let mut stays = stays(marks, folder)?;
    for stay in &mut stays {
        let each = ((HELD_BYTES / 4 / bytes(stay, clip).max(1)) as usize).clamp(LEAST_LOOKS - 1, EACH);
        stay.looks =
            looks(stay, each, footage.count(), &mut |idx| Ok(stay.shown(&covered(&tracks, folder, idx, clip.size)?)))?;
    }
    stays.retain(|stay| stay.looks.len() >= LEAST_LOOKS);
    let mut visits: Vec<(FrameIdx, usize)> =
        stays.iter().enumerate().flat_map(|(n, stay)| stay.looks.iter().map(move |idx| (*idx, n))).collect();
    visits.sort_unstable();
    if visits.is_empty() {
        return Ok(());
    }
    watch.begin(Phase::Solve, visits.len() as u64, 0)?;
    let mut reader = footage.frames(options.decoder_threads.unwrap_or(0))?;
    let (mut held, mut done) = (0, 0);
    for group in visits.chunk_by(|a, b| a.0 == b.0) {
        let Some(frame) = reader.at(group[0].0)? else { break };
        let hidden = covered(&tracks, folder, frame.idx, clip.size)?;
        for (_, n) in group {
            let stay = &mut stays[*n];
            let bytes = bytes(stay, clip);
            let before = stay.seen.len();
            stay.observe(&frame, &hidden, held + bytes <= HELD_BYTES);
            held += bytes * (stay.seen.len() - before) as u64;
            done += 1;
            if stay.looks.last() == Some(&frame.idx) {
                held -= bytes * stay.seen.len() as u64;
                let plates = stay.plates(folder.folder())?;
                let mark = &mut marks[stay.mark];
                for plate in &plates {
                    let Range { start, end } = &plate.frames;
                    let words = format!(
                        "plate of mark {}: what it hides in frames {start}..{end} is taken from {} others",
                        mark.id, plate.looks
                    );
                    watch.tell(Event::info(words));
                }
                mark.plates.extend(plates);
            }
        }
        if watch.progress(done).is_break() {
            return Err(Error::Cancelled);
        }
    }
    watch.end();
    Ok(())
}

/// Bytes that a look at a stay takes.
fn bytes(stay: &Stay, clip: &Clip) -> u64 {
    let rect = stay.hides.rect().grow(CONTEXT + Borrow::REACH.margin, clip.size.0, clip.size.1);
    // At most three planes of 4 bytes and one of coverage.
    rect.area() * 15
}

/// The stays of all marks that last longer than borrowing reaches.
fn stays(marks: &[Mark], folder: &mut MaskFolder) -> Result<Vec<Stay>> {
    let reach = u64::from(Borrow::REACH.before + Borrow::REACH.after);
    let mut stays = Vec::new();
    for (n, mark) in marks.iter().enumerate().filter(|(_, mark)| mark.enabled) {
        let ends = mark.keys.iter().map(|(idx, _)| *idx).chain([mark.span.end]).skip(1);
        let mut open: Option<Stay> = None;
        for ((start, name), end) in mark.keys.iter().zip(ends) {
            if name.rect.is_empty() {
                stays.extend(open.take());
                continue;
            }
            let mask = folder.load(name)?;
            let joins = open.as_ref().is_some_and(|stay| {
                let swept = stay.hides.rect().union(&name.rect).area();
                end - stay.frames.start <= LONGEST && swept <= SWEPT * name.rect.area() && stay.frames.end == *start
            });
            if !joins {
                stays.extend(open.take());
            }
            let stay = open.get_or_insert_with(|| Stay {
                mark: n,
                frames: *start..end,
                hides: Mask::empty(),
                looks: Vec::new(),
                seen: Vec::new(),
                scenes: Vec::new(),
            });
            stay.frames.end = end;
            stay.hides = stay.hides.union(&mask);
        }
        stays.extend(open.take());
    }
    stays.retain(|stay| stay.frames.end - stay.frames.start > reach);
    stays.sort_by_key(|stay| std::cmp::Reverse(stay.frames.end - stay.frames.start));
    stays.truncate(MOST_STAYS);
    stays.sort_by_key(|stay| stay.frames.start);
    Ok(stays)
}

/// Frames of a clip of `count` that show enough of what a stay hides, by what `shown` tells of a frame, and some within it: near
/// its ends first, then ever farther apart. At most `each` before it and after
/// it; none at all where nothing is ever shown.
fn looks(
    stay: &Stay,
    each: usize,
    count: FrameIdx,
    shown: &mut dyn FnMut(FrameIdx) -> Result<f64>,
) -> Result<Vec<FrameIdx>> {
    let moves = shown((stay.frames.start + stay.frames.end) / 2)? >= LEAST_SHOWN;
    let mut looks = Vec::new();
    let Range { start, end } = stay.frames;
    for forward in [false, true] {
        let (mut away, mut found) = (GUARD, 0);
        while found < each && away <= FARTHEST {
            let idx = if forward { Some(end - 1 + away).filter(|idx| *idx < count) } else { start.checked_sub(away) };
            let Some(idx) = idx else { break };
            if shown(idx)? >= LEAST_SHOWN {
                looks.push(idx);
                found += 1;
                away += (away / 3).max(2);
            } else {
                away += (away / 8).max(1);
            }
        }
    }
    if looks.is_empty() && !moves {
        return Ok(looks);
    }
    // What leads through the shot; a mark that moves leaves some of its way bare.
    let half = (end - start) / 2;
    let inward = std::iter::successors(Some(GUARD), |away| Some(away + (away / 3).max(2)));
    for away in inward.take_while(|away| *away < half.min(FARTHEST)) {
        looks.extend([start + away, end - 1 - away]);
    }
    looks.sort_unstable();
    looks.dedup();
    Ok(looks)
}

impl Stay {
    /// Takes in a look of which marks cover `hidden`; without `room` only how its frame looks as a whole.
    fn observe(&mut self, frame: &Frame, hidden: &Mask, room: bool) {
        self.scenes.push((frame.idx, small(frame)));
        if !room || self.shown(hidden) < LEAST_SHOWN {
            return;
        }
        let fields: &[Rows] = if frame.scan.is_interlaced() { &[Rows::Top, Rows::Bottom] } else { &[Rows::All] };
        for rows in fields {
            let (_, step) = rows.start_step();
            let r = self.hides.rect();
            let rect = Rect::new(r.x, r.y / step, r.w, r.bottom().div_ceil(step) - r.y / step);
            let rect = rect.grow(CONTEXT + Borrow::REACH.margin, frame.width, rows.count(frame.height));
            let mut patch = Patch::default();
            frame.lift(rect, *rows, &mut patch);
            self.seen.push(Crop::new(frame.idx, patch, hidden));
        }
    }

    /// The share of what it hides that is to be seen where marks cover `hidden`.
    fn shown(&self, hidden: &Mask) -> f64 {
        self.hides.without(hidden).area() as f64 / self.hides.area().max(1) as f64
    }

    /// Plates of what was seen often enough, kept in `folder`.
    fn plates(&mut self, folder: &Path) -> Result<Vec<PlateRef>> {
        let (seen, scenes) = (std::mem::take(&mut self.seen), std::mem::take(&mut self.scenes));
        let mut plates = Vec::new();
        for shot in scenes.chunk_by(|a, b| same_scene(&a.1, &b.1)) {
            let (Some(first), Some(last)) = (shot.first(), shot.last()) else { continue };
            for rows in [Rows::All, Rows::Top, Rows::Bottom] {
                let inside = seen.iter().filter(|look| (first.0..=last.0).contains(&look.idx));
                let mut looks: Vec<Crop> = inside.filter(|look| look.patch.rows == rows).cloned().collect();
                // Before and after the stay the camera may look elsewhere: what does not agree with one is a plate of its own.
                for _ in 0..MOST_SIDES {
                    let Some(reference) = (0..looks.len()).min_by_key(|n| self.away(looks[*n].idx)) else { break };
                    let made = Plate::of(&looks, reference).filter(|(_, agreed)| agreed.len() >= LEAST_LOOKS);
                    let agreed = made.as_ref().map_or_else(|| vec![reference], |(_, agreed)| agreed.clone());
                    if let Some((plate, agreed)) = made {
                        let file = PlateFile { plate, scene: Scene(shot.to_vec()) };
                        plates.push(file.keep(folder, self.frames.clone(), agreed.len())?);
                    }
                    let mut n = 0;
                    looks.retain(|_| {
                        n += 1;
                        !agreed.contains(&(n - 1))
                    });
                }
            }
        }
        Ok(plates)
    }

    /// Frames from the stay; within one of a mark that moves, from its middle.
    fn away(&self, idx: FrameIdx) -> u64 {
        if self.frames.contains(&idx) {
            return idx.abs_diff((self.frames.start + self.frames.end) / 2);
        }
        self.frames.start.saturating_sub(idx).max((idx + 1).saturating_sub(self.frames.end))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> PlateFile {
        let (rect, format) = (Rect::new(4, 6, 7, 5), PixelFormat::YUV420P8);
        let (mut planes, mut need) = (Vec::new(), Vec::new());
        for plane in 0..3 {
            let (sw, sh) = format.subsampling(plane);
            let area = rect.subsampled(sw, sh);
            let values = (0..area.area()).map(|k| 40.0 + k as f32 * 0.25).collect();
            planes.push(Raster::from_vec(area.w, area.h, values).unwrap());
            need.push(Raster::new(area.w, area.h, if plane == 1 { 255 } else { 0 }));
        }
        let patch = Patch { rect, rows: Rows::All, format, color: ColorInfo::default(), planes };
        let plate = Plate { crop: Crop { idx: 9, patch, need }, error: Raster::new(7, 5, 4.0), span: 20.0 };
        PlateFile { plate, scene: Scene(vec![(9, vec![12.5; (SMALL.0 * SMALL.1) as usize])]) }
    }

    #[test]
    fn a_plate_comes_back_as_it_was_kept_and_a_damaged_one_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let (file, bytes) = (sample(), sample().bytes().unwrap());
        let name = file.keep(folder.path(), 5..80, 12).unwrap();
        let back = name.load(folder.path()).unwrap();
        assert_eq!(back.plate.crop.patch, file.plate.crop.patch);
        assert_eq!((&back.plate.crop.need, &back.plate.error), (&file.plate.crop.need, &file.plate.error));
        assert_eq!(back.scene, file.scene);
        assert!(PlateFile::parse(&bytes[..bytes.len() - 1]).is_none());
        assert!(PlateFile::parse(&[bytes.as_slice(), &[0]].concat()).is_none());
        assert!(PlateFile::parse(b"PNG").is_none());
    }

    #[test]
    fn looks_lie_beside_a_stay_where_its_place_is_bare_and_within_one_that_moves() {
        let stay = |frames| {
            let hides = Mask::rectangle(Rect::new(0, 0, 10, 10));
            let (looks, seen, scenes) = Default::default();
            Stay { mark: 0, frames, hides, looks, seen, scenes }
        };
        let bare = |hidden: Range<FrameIdx>| move |idx: FrameIdx| Ok(if hidden.contains(&idx) { 0.0 } else { 1.0 });
        let found = looks(&stay(60..260), EACH, 300, &mut bare(60..260)).unwrap();
        assert!(found.iter().filter(|idx| **idx <= 57).count() == EACH, "{found:?}");
        assert!(found.iter().filter(|idx| **idx >= 262).count() >= EACH / 2, "{found:?}");
        assert!(found.iter().any(|idx| (62..80).contains(idx)), "nothing leads into the stay: {found:?}");
        assert!(looks(&stay(0..300), EACH, 300, &mut bare(0..300)).unwrap().is_empty());
        let moving = looks(&stay(0..300), EACH, 300, &mut |_| Ok(0.4)).unwrap();
        assert!(moving[0] < 30 && moving.last() > Some(&270), "{moving:?}");
    }
}
