//! Pass 2: every segment that is not in the store is decoded, restored, encoded, checked and committed.

use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::io::BufReader;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError, mpsc};
use std::time::Instant;

use cleanplate_core::{
    ColorInfo, Frame, FrameIdx, HostSurface, PixelFormat, Raster, Resampler, RowMut, Scan, Search, Surface, Template,
};
use cleanplate_infer::Placement;
use cleanplate_media::encode::{Codec, Encoder, EncoderSpec, StaticSideData};
use cleanplate_media::pack::{PackHeader, PackReader, PackWriter, StreamParameters, check_pack};
use cleanplate_media::source::{Damage, Source};
use serde::{Deserialize, Serialize};

use crate::devices::ENCODE;
use crate::error::{Error, ErrorKind, Result};
use crate::faults::Fault;
use crate::line::{self, Cancel, Giver, Queue, Stage, Staged};
use crate::observer::Event;
use crate::options::VerifyMode;
use crate::plan::{Mark, Plan};
use crate::report::{OriginCounts, StageReport};
use crate::restore::{Extras, Restoration, Restored, with_context};
use crate::store::{Store, StoreWriter};
use crate::upscale::{Enlarger, reduced};

/// What is known of a finished segment, kept beside its packets.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct SegmentRecord {
    pub(crate) frames: Range<FrameIdx>,
    pub(crate) bytes: u64,
    pub(crate) frames_marked: u64,
    /// Frames that were enlarged with an earlier one, with that.
    #[serde(default)]
    pub(crate) repeats: Vec<(FrameIdx, FrameIdx)>,
    pub(crate) origins: OriginCounts,
    /// Those within each mark's mask.
    #[serde(default)]
    pub(crate) by_mark: BTreeMap<u32, OriginCounts>,
    /// Whether the encoded frames were decoded again before the commit.
    pub(crate) decoded: bool,
    pub(crate) damage: Damage,
    /// Marks that were looked for in the encoded frames.
    #[serde(default)]
    pub(crate) looked_for: Vec<u32>,
    /// Where they were seen.
    #[serde(default)]
    pub(crate) flashes: Vec<Flash>,
}

/// An encoded frame on which a mark shows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Flash {
    pub(crate) mark: u32,
    pub(crate) frame: FrameIdx,
    /// Share of the mark that shows.
    pub(crate) share: f32,
}

/// A picture track beside the restored one, kept in packs of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extra {
    OriginMap,
    Mask,
}

impl Extra {
    const fn suffix(self) -> &'static str {
        match self {
            Self::OriginMap => ".origin",
            Self::Mask => ".mask",
        }
    }
}

/// Names of a segment's blobs in the store.
pub(crate) fn pack_name(key: &str, extra: Option<Extra>) -> String {
    format!("{key}{}.pack", extra.map_or("", Extra::suffix))
}

fn record_name(key: &str) -> String {
    format!("{key}.json")
}

/// Everything that rendering reads.
pub(crate) struct Render<'a> {
    pub(crate) source: &'a Source,
    pub(crate) plan: &'a Plan,
    pub(crate) keys: &'a [String],
    pub(crate) store: &'a dyn Store,
    pub(crate) verify: VerifyMode,
    pub(crate) extras: Vec<(Extra, EncoderSpec)>,
    pub(crate) hdr: StaticSideData,
    pub(crate) decoder_threads: u32,
    pub(crate) faults: &'a [Fault],
    pub(crate) queue_bytes: u64,
    pub(crate) placement: Placement,
}

/// Seconds that each stage was busy, not waiting.
#[derive(Debug, Default)]
pub(crate) struct Busy([AtomicU64; 5]);

/// Frames that may always wait between two stages, however large they are: fewer would stop the stages from overlapping.
const LEAST_QUEUED: u64 = 3;

const STAGES: [&str; 5] = ["decode", "restore", "encode", "check", "upscale"];

impl Busy {
    fn add(&self, stage: usize, since: Instant) {
        self.0[stage].fetch_add(since.elapsed().as_micros() as u64, Ordering::Relaxed);
    }

    fn report(&self, frames: u64) -> Vec<StageReport> {
        let stage = |(name, micros): (&&str, &AtomicU64)| {
            let seconds = micros.load(Ordering::Relaxed) as f64 / 1e6;
            let rate = if seconds > 0.0 { frames as f64 / seconds } else { 0.0 };
            StageReport { name: (*name).to_owned(), seconds, units: frames, rate }
        };
        let worked = |stage: &StageReport| stage.seconds > 0.0 || stage.name != "upscale";
        STAGES.iter().zip(&self.0).map(stage).filter(worked).collect()
    }
}

/// What rendering has done.
pub(crate) struct Rendered {
    pub(crate) records: Vec<(SegmentRecord, bool)>,
    pub(crate) stages: Vec<StageReport>,
}

/// What decoding yields.
enum Decoded {
    /// A frame; one that is not wanted is only looked at by the tiers of others.
    Frame { frame: Frame, is_wanted: bool },
    /// All frames of a segment have come, the last of them `last`.
    Segment { number: usize, last: FrameIdx, damage: Damage },
    /// The next frame does not follow the last one.
    Gap,
}

/// What restoring yields.
enum Unit {
    Frame(Frame, Restored),
    /// All frames of a segment have come; with what its marks looked like.
    End(usize, Damage, Vec<(u32, Template)>),
}

/// An encoder with the blob that its packets go to.
struct Writing {
    encoder: Encoder,
    pack: PackWriter<StoreWriter>,
    name: String,
}

/// A segment whose packets are all there, before its check.
struct Ended {
    number: usize,
    blobs: Vec<(StoreWriter, String)>,
    pts: Vec<i64>,
    record: SegmentRecord,
    templates: Vec<(u32, Template)>,
}

/// A segment that is being encoded. Only one at a time: a second encoder would double the memory (x264 medium holds about
/// 75 pictures), and its own threads keep the cores busy while it drains.
struct Open {
    number: usize,
    tracks: Vec<Writing>,
    pts: Vec<i64>,
    record: SegmentRecord,
}

impl Render<'_> {
    /// The segments that are already in the store, whole and as well checked as is asked for.
    pub(crate) fn done(&self) -> Result<Vec<Option<SegmentRecord>>> {
        self.keys.iter().map(|key| self.record(key)).collect()
    }

    fn record(&self, key: &str) -> Result<Option<SegmentRecord>> {
        let Some(file) = self.store.get(&record_name(key))? else { return Ok(None) };
        let Ok(record) = serde_json::from_reader::<_, SegmentRecord>(BufReader::new(file)) else { return Ok(None) };
        if self.verify == VerifyMode::Full && !record.decoded {
            return Ok(None);
        }
        let packs = std::iter::once(None).chain(self.extras.iter().map(|(extra, _)| Some(*extra)));
        for extra in packs {
            let Some(file) = self.store.get(&pack_name(key, extra))? else { return Ok(None) };
            // A damaged pack is redone, not an error: the disk may have lost it with the power.
            if PackReader::open(BufReader::new(file)).and_then(PackReader::verify).is_err() {
                return Ok(None);
            }
        }
        Ok(Some(record))
    }

    /// Renders what is missing and tells of every segment through `tell`.
    pub(crate) fn run(
        &self,
        done: Vec<Option<SegmentRecord>>,
        cancel: &Cancel,
        tell: &mut dyn FnMut(Event),
        poll: &mut dyn FnMut(u64),
    ) -> Result<Rendered> {
        let missing: Vec<usize> = (0..done.len()).filter(|n| done[*n].is_none()).collect();
        for (number, record) in done.iter().enumerate() {
            if let Some(record) = record {
                let (start, end) = (record.frames.start, record.frames.end);
                tell(Event::Segment { number, start, end, resumed: true });
            }
        }
        let records = Mutex::new(done.into_iter().map(|r| r.map(|r| (r, true))).collect::<Vec<_>>());
        let bound = (self.queue_bytes / 2).max(LEAST_QUEUED * self.picture_bytes());
        let (decoded, restored, enlarged) = (Queue::new(bound), Queue::new(bound), Queue::new(bound));
        let enlarger = match &self.plan.upscale {
            Some(upscale) => Some(Enlarger::open(upscale, &self.placement)?),
            None => None,
        };
        let pictures = if enlarger.is_some() { &enlarged } else { &restored };
        let wants = |kind| self.extras.iter().any(|(extra, _)| *extra == kind);
        let templates = self.verify == VerifyMode::Full;
        let extras = Extras { origin_map: wants(Extra::OriginMap), mask: wants(Extra::Mask), templates };
        let restoration = Restoration::new(self.plan, &self.placement, extras)?;
        let context = restoration.context();
        // At most one segment is checked while the next one is encoded.
        let ending = Queue::new(1);
        let (busy, frames) = (Busy::default(), AtomicU64::new(0));
        let (events, heard) = mpsc::channel();
        if !missing.is_empty() {
            let mut stages: Vec<Stage<'_>> = vec![
                ("decode", Box::new(|| self.decode(&missing, context, &decoded, &busy, cancel))),
                ("restore", Box::new(|| self.restore(restoration, &decoded, &restored, &busy, cancel))),
                ("encode", Box::new(|| self.encode(pictures, &ending, &busy, &frames, cancel))),
                ("check", Box::new(|| self.conclude(&ending, &busy, &records, events, cancel))),
            ];
            if let Some(enlarger) = enlarger {
                stages.insert(2, ("upscale", Box::new(|| enlarge(enlarger, &restored, &enlarged, &busy, cancel))));
            }
            line::run(stages, &mut || {
                heard.try_iter().for_each(&mut *tell);
                poll(frames.load(Ordering::Relaxed));
            })?;
        }
        let records = records.into_inner().unwrap_or_else(PoisonError::into_inner);
        let records: Option<Vec<_>> = records.into_iter().collect();
        let records = records.ok_or_else(|| Error::Internal("a segment was left out".into()))?;
        Ok(Rendered { records, stages: busy.report(frames.load(Ordering::Relaxed)) })
    }

    fn picture_bytes(&self) -> u64 {
        let pin = &self.plan.source;
        self.plan.encoder.source_format.bytes(pin.width, pin.height)
    }

    /// Decodes the frames of `missing` segments with `context` frames around them.
    fn decode(
        &self,
        missing: &[usize],
        context: (u64, u64),
        out: &Queue<Decoded>,
        busy: &Busy,
        cancel: &Cancel,
    ) -> Staged {
        let out = out.giver();
        let mut reader = self.source.reader(self.decoder_threads)?;
        let runs: Vec<Range<FrameIdx>> = missing.iter().map(|n| self.plan.segments[*n].clone()).collect();
        let mut numbers = missing.iter();
        let mut next = 0;
        for (run, wanted) in with_context(&runs, context, self.plan.source.frames) {
            if next != run.start {
                reader.seek(run.start)?;
                out.push(Decoded::Gap, 0)?;
            }
            next = run.end;
            let mut wanted = wanted.into_iter().peekable();
            let mut before = None;
            for idx in run {
                cancel.check()?;
                let is_wanted = wanted.peek().is_some_and(|range| range.contains(&idx));
                if is_wanted && before.is_none() {
                    before = Some(reader.damage().clone());
                }
                let since = Instant::now();
                let frame = reader.read()?.ok_or_else(|| {
                    Error::Internal(format!("the source ended at frame {idx} of {}", self.plan.source.frames))
                })?;
                busy.add(0, since);
                if frame.idx != idx {
                    return Err(Error::Internal(format!("frame {} came where {idx} was due", frame.idx)).into());
                }
                let bytes = frame_bytes(&frame);
                out.push(Decoded::Frame { frame, is_wanted }, bytes)?;
                if wanted.next_if(|range| range.end == idx + 1).is_some() {
                    let damage = before.take().map(|before| reader.damage().since(&before)).unwrap_or_default();
                    if let Some(number) = numbers.next() {
                        out.push(Decoded::Segment { number: *number, last: idx, damage }, 0)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn restore(
        &self,
        mut restoration: Restoration,
        input: &Queue<Decoded>,
        out: &Queue<Unit>,
        busy: &Busy,
        cancel: &Cancel,
    ) -> Staged {
        let (input, out) = (input.taker(), out.giver());
        let mut passing = Passing { ends: VecDeque::new(), passed: None, out, busy, cancel };
        while let Some(unit) = input.pop() {
            let is_gap = matches!(unit, Decoded::Gap);
            match unit {
                Decoded::Frame { frame, is_wanted } => restoration.push(frame, is_wanted),
                Decoded::Segment { number, last, damage } => passing.ends.push_back((number, last, damage)),
                Decoded::Gap => {}
            }
            passing.on(&mut restoration, is_gap)?;
        }
        passing.on(&mut restoration, true)
    }

    fn encode(
        &self,
        input: &Queue<Unit>,
        out: &Queue<Ended>,
        busy: &Busy,
        frames: &AtomicU64,
        cancel: &Cancel,
    ) -> Staged {
        let (input, out) = (input.taker(), out.giver());
        let mut open: Option<Open> = None;
        while let Some(unit) = input.pop() {
            cancel.check()?;
            let since = Instant::now();
            match unit {
                Unit::Frame(frame, restored) => {
                    let idx = frame.idx;
                    let segment = match &mut open {
                        Some(segment) => segment,
                        None => open.insert(self.open(idx).map_err(|error| self.lost(error, idx))?),
                    };
                    segment.record.origins.add(restored.origins);
                    for (mark, origins) in &restored.by_mark {
                        segment.record.by_mark.entry(*mark).or_default().add(*origins);
                    }
                    segment.record.frames_marked += u64::from(restored.marked);
                    segment.record.repeats.extend(restored.repeats.map(|first| (frame.idx, first)));
                    segment.pts.push(frame.pts);
                    if frame.idx + 2 >= self.plan.source.frames {
                        segment.tracks[0].encoder.stop_reordering();
                    }
                    self.rehearsed(idx)?;
                    segment.push(frame, &restored).map_err(|error| self.lost(error, idx))?;
                    frames.fetch_add(1, Ordering::Relaxed);
                    busy.add(2, since);
                }
                Unit::End(number, damage, templates) => {
                    let Some(mut segment) = open.take_if(|segment| segment.number == number) else { continue };
                    segment.record.damage = damage;
                    let last = segment.record.frames.end - 1;
                    let ended = segment.finish(templates, cancel).map_err(|error| self.lost(error, last))?;
                    busy.add(2, since);
                    out.push(ended, 1)?;
                }
            }
        }
        Ok(())
    }

    /// What becomes of an encoder's error at frame `idx`: where another one can take its place, its loss.
    fn lost(&self, error: Error, idx: FrameIdx) -> Error {
        let is_own = matches!(error.kind(), ErrorKind::Backend | ErrorKind::Unsupported);
        if !is_own || self.plan.substitute.is_none() {
            return error;
        }
        let name = self.plan.encoder.encoder.clone();
        Error::Lost { stage: ENCODE, name, frame: idx, reason: error.to_string() }
    }

    /// Fails where a failure of the encoder is rehearsed at frame `idx`.
    fn rehearsed(&self, idx: FrameIdx) -> Result<()> {
        let fault = self.faults.iter().find_map(|fault| fault.fails(ENCODE, &self.plan.encoder.encoder, idx));
        fault.map_or(Ok(()), |reason| Err(self.lost(Error::Backend(reason), idx)))
    }

    /// The segment that begins with frame `first`.
    fn open(&self, first: FrameIdx) -> Result<Open> {
        let number = self.plan.segments.iter().position(|segment| segment.start == first);
        let number = number.ok_or_else(|| Error::Internal(format!("no segment begins at frame {first}")))?;
        let key = &self.keys[number];
        let mut tracks = vec![self.writing(key, None, &self.plan.encoder)?];
        for (extra, spec) in &self.extras {
            tracks.push(self.writing(key, Some(*extra), spec)?);
        }
        let frames = self.plan.segments[number].clone();
        let record = SegmentRecord { frames, ..SegmentRecord::default() };
        Ok(Open { number, tracks, pts: Vec::new(), record })
    }

    fn writing(&self, key: &str, extra: Option<Extra>, spec: &EncoderSpec) -> Result<Writing> {
        let hdr = if extra.is_none() { self.hdr } else { StaticSideData::default() };
        let encoder = Encoder::open(spec, &hdr)?;
        let header = PackHeader {
            engine: format!("cleanplate {}", env!("CARGO_PKG_VERSION")),
            key: key.to_owned(),
            time_base: spec.time_base,
            stream: StreamParameters::from_av(&encoder.parameters()?),
        };
        let name = pack_name(key, extra);
        let pack = PackWriter::new(self.store.put(&name)?, &header)?;
        Ok(Writing { encoder, pack, name })
    }

    fn conclude(
        &self,
        input: &Queue<Ended>,
        busy: &Busy,
        records: &Mutex<Vec<Option<(SegmentRecord, bool)>>>,
        events: mpsc::Sender<Event>,
        cancel: &Cancel,
    ) -> Staged {
        let input = input.taker();
        while let Some(Ended { number, mut blobs, pts, mut record, templates }) = input.pop() {
            cancel.check()?;
            let since = Instant::now();
            let first = &mut blobs[0].0;
            record.bytes = File::open(first.temporary()?)
                .and_then(|f| f.metadata())
                .map_err(Error::io("look at", self.store.path(&blobs[0].1)))?
                .len();
            if self.verify == VerifyMode::Full {
                let mark = |id: u32| self.plan.marks.iter().find(|mark| mark.id == id);
                let size = (self.plan.source.width, self.plan.source.height);
                let sought = Sought { templates: &templates, size: self.plan.upscale.as_ref().map(|_| size) };
                record.flashes = check(&mut blobs[0].0, &pts, &record.frames, &sought, &mark, cancel)?;
                record.looked_for = templates.iter().map(|(id, _)| *id).collect();
                record.decoded = true;
            }
            // The record first, the packets last: a segment whose packets are there is done.
            let key = &self.keys[number];
            let mut writer = self.store.put(&record_name(key))?;
            let json = serde_json::to_vec(&record).map_err(|e| Error::Internal(format!("segment record: {e}")))?;
            std::io::Write::write_all(&mut writer, &json).map_err(Error::io("write", self.store.path(key)))?;
            writer.commit()?;
            for (blob, _) in blobs.into_iter().rev() {
                blob.commit()?;
            }
            busy.add(3, since);
            let (start, end) = (record.frames.start, record.frames.end);
            records.lock().unwrap_or_else(PoisonError::into_inner)[number] = Some((record, false));
            // Nobody listens any more only when the job is over.
            let _ = events.send(Event::Segment { number, start, end, resumed: false });
        }
        Ok(())
    }
}

/// Passes everything on with its frames at their new size, as many at once as the network takes.
fn enlarge(mut enlarger: Enlarger, input: &Queue<Unit>, out: &Queue<Unit>, busy: &Busy, cancel: &Cancel) -> Staged {
    let (input, out) = (input.taker(), out.giver());
    let (mut frames, mut restored) = (Vec::new(), Vec::new());
    loop {
        let unit = input.pop();
        cancel.check()?;
        let since = Instant::now();
        let end = match unit {
            Some(Unit::Frame(frame, own)) => {
                frames.push(frame);
                restored.push(own);
                if frames.len() < enlarger.batch() {
                    continue;
                }
                None
            }
            Some(end @ Unit::End(..)) => Some(end),
            None if frames.is_empty() => return Ok(()),
            None => None,
        };
        let made = enlarger.enlarge(&frames)?;
        if end.is_some() {
            enlarger.forget();
        }
        busy.add(4, since);
        for ((given, (frame, first)), mut own) in frames.drain(..).zip(made).zip(restored.drain(..)) {
            own.repeats = (first != given.idx).then_some(first);
            let bytes = frame_bytes(&frame);
            out.push(Unit::Frame(frame, own), bytes)?;
        }
        if let Some(end) = end {
            out.push(end, 0)?;
        }
    }
}

/// The giving side of the restoring stage.
struct Passing<'a> {
    /// Segments whose frames have all been decoded: number, last frame, damage.
    ends: VecDeque<(usize, FrameIdx, Damage)>,
    /// The last frame that was passed on.
    passed: Option<FrameIdx>,
    out: Giver<'a, Unit>,
    busy: &'a Busy,
    cancel: &'a Cancel,
}

impl Passing<'_> {
    /// Passes on every frame whose surroundings are known, and the ends of segments that are whole with it; `ended`: no
    /// frame of this run follows.
    fn on(&mut self, restoration: &mut Restoration, ended: bool) -> Staged {
        loop {
            self.cancel.check()?;
            let passed = self.passed;
            while let Some((number, _, damage)) = self.ends.pop_front_if(|(_, last, _)| Some(*last) <= passed) {
                self.out.push(Unit::End(number, damage, restoration.templates()), 0)?;
            }
            let since = Instant::now();
            let Some((frame, restored)) = restoration.next(ended)? else { return Ok(()) };
            self.busy.add(1, since);
            self.passed = Some(frame.idx);
            let bytes = frame_bytes(&frame);
            self.out.push(Unit::Frame(frame, restored), bytes)?;
        }
    }
}

impl Open {
    fn push(&mut self, frame: Frame, restored: &Restored) -> Result<()> {
        let extras = [&restored.origin_map, &restored.mask];
        for (track, raster) in self.tracks[1..].iter_mut().zip(extras.into_iter().flatten()) {
            track.push(gray_frame(&frame, raster))?;
        }
        self.tracks[0].push(frame)
    }

    fn finish(self, templates: Vec<(u32, Template)>, cancel: &Cancel) -> Result<Ended> {
        let Self { number, tracks, pts, record } = self;
        let mut blobs = Vec::with_capacity(tracks.len());
        for Writing { encoder, mut pack, name } in tracks {
            encoder.finish(&mut |packet| {
                cancel.check().map_err(|_| cleanplate_media::Error::Cancelled)?;
                pack.push(packet)
            })?;
            blobs.push((pack.finish()?, name));
        }
        Ok(Ended { number, blobs, pts, record, templates })
    }
}

impl Writing {
    fn push(&mut self, frame: Frame) -> Result<()> {
        let Self { encoder, pack, .. } = self;
        Ok(encoder.push(frame, &mut |packet| pack.push(packet))?)
    }
}

/// Marks that are looked for in an encoded segment.
struct Sought<'a> {
    templates: &'a [(u32, Template)],
    /// The size at which they were removed, where the encoded frames have another.
    size: Option<(u32, u32)>,
}

/// Decodes an encoded segment on its own before it counts as done.
///
/// Answers with the frames that still show one of the marks that are `sought`, where the plan says that they are.
fn check<'a>(
    blob: &mut StoreWriter,
    pts: &[i64],
    frames: &Range<FrameIdx>,
    sought: &Sought<'_>,
    mark: &dyn Fn(u32) -> Option<&'a Mark>,
    cancel: &Cancel,
) -> Result<Vec<Flash>> {
    let path = blob.temporary()?.to_owned();
    let file = File::open(&path).map_err(Error::io("open", path))?;
    let pack = PackReader::open(BufReader::new(file))?;
    let stop = || cleanplate_media::Error::Cancelled;
    let mut searches: Vec<(&Mark, Search<'_>)> =
        sought.templates.iter().filter_map(|(id, template)| Some((mark(*id)?, Search::new(template)))).collect();
    let mut resampler = Resampler::default();
    let mut look = |frame: Frame| {
        let idx = frames.start + frame.idx;
        let frame = match sought.size.filter(|_| !searches.is_empty()) {
            Some(size) => reduced(&frame, size, &mut resampler).map_err(cleanplate_media::Error::Internal)?,
            None => frame,
        };
        for (mark, search) in searches.iter_mut().filter(|(mark, _)| mark.span.contains(&idx)) {
            match mark.view.as_ref().map(|view| view.origin(idx)) {
                Some(Some(origin)) => search.look_from(&frame, idx, origin),
                Some(None) => {}
                None => search.look(&frame, idx),
            }
        }
        if cancel.is_set() { Err(stop()) } else { Ok(()) }
    };
    let found = check_pack(pack, pts, &mut look, 1)?;
    if found.is_sound() {
        let seen = |(mark, search): &(&Mark, Search<'_>)| {
            let mark = mark.id;
            search.flashes().into_iter().map(move |(frame, share)| Flash { mark, frame, share })
        };
        return Ok(searches.iter().flat_map(seen).collect());
    }
    Err(Error::Verification(format!(
        "the encoded frames {}..{} do not decode as written: {}",
        frames.start,
        frames.end,
        found.problems.join("; ")
    )))
}

/// A lossless gray track at the times of `spec`.
pub(crate) fn gray_lossless(spec: &EncoderSpec, (width, height): (u32, u32)) -> EncoderSpec {
    EncoderSpec {
        width,
        height,
        codec: Codec::Ffv1,
        encoder: "ffv1".to_owned(),
        stand_in: None,
        source_format: PixelFormat::GRAY8,
        pix_fmt: "gray".to_owned(),
        color: ColorInfo { full_range: Some(true), ..ColorInfo::default() },
        scan: Scan::Progressive,
        options: vec![("level".to_owned(), "3".to_owned()), ("slicecrc".to_owned(), "1".to_owned())],
        ..spec.clone()
    }
}

/// A gray picture at the time of `frame`.
fn gray_frame(frame: &Frame, raster: &Raster<u8>) -> Frame {
    let mut surface = HostSurface::new(PixelFormat::GRAY8, raster.width(), raster.height());
    for y in 0..raster.height() {
        if let RowMut::U8(row) = surface.row_mut(0, y) {
            row.copy_from_slice(raster.row(y));
        }
    }
    let size = (raster.width(), raster.height());
    Frame::new(frame.idx, frame.pts, frame.duration, size, PixelFormat::GRAY8, Box::new(surface))
}

fn frame_bytes(frame: &Frame) -> u64 {
    frame.format.bytes(frame.width, frame.height)
}
