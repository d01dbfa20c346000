//! Pass 2: every segment that is not in the store is decoded, restored, encoded, checked and committed.

use std::collections::VecDeque;
use std::fs::File;
use std::io::BufReader;
use std::ops::Range;
use std::sync::{Mutex, PoisonError, mpsc};
use std::time::Instant;

use cleanplate_core::{Frame, FrameIdx, Template};
use cleanplate_infer::Placement;
use cleanplate_media::encode::{Encoder, EncoderSpec, StaticSideData};
use cleanplate_media::pack::{PackReader, PackWriter};
use cleanplate_media::source::{Damage, Source, VideoReader};

use crate::check::{Sought, check};
use crate::devices::{CHECK, CONVERT, DECODE, ENCODE, UPSCALE};
use crate::error::{Error, ErrorKind, Result};
use crate::faults::Fault;
use crate::film::begun;
use crate::gray::gray_frame;
use crate::line::{self, Cancel, Give, Giver, Lanes, Queue, Staged};
use crate::observer::Event;
use crate::options::VerifyMode;
use crate::plan::Plan;
use crate::records::{Extra, SegmentRecord, pack_name, record_name};
use crate::report::StageReport;
use crate::restore::{Extras, Restoration, Restored, with_context};
use crate::stages::{Ending, Stage, Stages};
use crate::store::{Store, StoreWriter};
use crate::upscale::{Enlarger, Upscale};

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
    /// Decoders at once, each on segments of its own.
    pub(crate) decoders: u32,
    pub(crate) faults: &'a [Fault],
    pub(crate) queue_bytes: u64,
    pub(crate) placement: Placement,
}

/// Frames that may always wait between two stages, however large they are: fewer would stop the stages from overlapping.
const LEAST_QUEUED: u64 = 3;

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
    /// All frames have come. What ends without it has failed, and what would have followed is not known.
    End,
}

/// Frames that are decoded in a row: a segment with what is looked at around it, up to the next one.
struct Piece {
    frames: Range<FrameIdx>,
    /// Those of the segment.
    wanted: Range<FrameIdx>,
    number: usize,
    /// Whether its frames do not follow those of the piece before.
    is_gap: bool,
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
            Some(upscale) => Some(self.enlarger(upscale)?),
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
        let stages = Stages::of(self);
        let (events, heard) = mpsc::channel();
        // Nobody listens any more only when the job is over.
        let say = |event| drop(events.send(event));
        if !missing.is_empty() {
            stages.all().for_each(|stage| tell(stage.starts()));
            let Stages { decode, restore, upscale, encode, check } = &stages;
            let mut line: Vec<line::Stage<'_>> = vec![
                (decode.name, Box::new(|| self.decode(&missing, context, &decoded, decode.told(&say), cancel))),
                (restore.name, Box::new(|| self.restore(restoration, &decoded, &restored, restore.told(&say), cancel))),
                (encode.name, Box::new(|| self.encode(pictures, &ending, encode.told(&say), cancel))),
                (check.name, Box::new(|| self.conclude(&ending, check.told(&say), &records, &say, cancel))),
            ];
            if let Some((enlarger, stage)) = enlarger.zip(upscale.as_ref()) {
                let enlarge = || self.enlarge(enlarger, &restored, &enlarged, stage.told(&say), cancel);
                line.insert(2, (stage.name, Box::new(enlarge)));
            }
            line::run(line, &mut || {
                heard.try_iter().for_each(&mut *tell);
                poll(encode.frames());
            })?;
        }
        let records = records.into_inner().unwrap_or_else(PoisonError::into_inner);
        let records: Option<Vec<_>> = records.into_iter().collect();
        let records = records.ok_or_else(|| Error::Internal("a segment was left out".into()))?;
        Ok(Rendered { records, stages: stages.all().map(Stage::report).collect() })
    }

    fn enlarger(&self, upscale: &Upscale) -> Result<Enlarger> {
        Fault::rehearse(self.faults, UPSCALE, None)?;
        Enlarger::open(upscale, &self.placement).map_err(|error| error.of_stage(UPSCALE, None))
    }

    fn picture_bytes(&self) -> u64 {
        let pin = &self.plan.source;
        self.plan.encoder.source_format.bytes(pin.width, pin.height)
    }

    /// Decodes the frames of `missing` segments with `context` frames around them, on as many decoders at once as there are.
    fn decode(
        &self,
        missing: &[usize],
        context: (u64, u64),
        out: &Queue<Decoded>,
        stage: Ending<'_>,
        cancel: &Cancel,
    ) -> Staged {
        let out = out.giver();
        self.decoding(None)?;
        let pieces = self.pieces(missing, context);
        let open = || Ok((self.source.reader(self.decoder_threads)?, 0));
        let work = |(reader, next): &mut (VideoReader, FrameIdx), n: usize, give: &mut Give<'_, Decoded>| {
            let piece = &pieces[n];
            if *next != piece.frames.start {
                reader.seek(piece.frames.start)?;
            }
            *next = piece.frames.end;
            self.piece(piece, reader, &stage, cancel, give)
        };
        let lanes = Lanes { count: self.decoders.max(1) as usize, bound: self.queue_bytes / 2 };
        lanes.run(DECODE, pieces.len(), &open, &work, &mut |item, bytes| out.push(item, bytes))?;
        out.push(Decoded::End, 0)
    }

    /// What is decoded, in order, cut where segments begin.
    fn pieces(&self, missing: &[usize], context: (u64, u64)) -> Vec<Piece> {
        let runs: Vec<Range<FrameIdx>> = missing.iter().map(|n| self.plan.segments[*n].clone()).collect();
        let (mut numbers, mut next, mut pieces) = (missing.iter(), 0, Vec::new());
        for (run, wanted) in with_context(&runs, context, self.plan.source.frames) {
            let mut start = run.start;
            for (k, (own, number)) in wanted.iter().zip(&mut numbers).enumerate() {
                let end = wanted.get(k + 1).map_or(run.end, |later| later.start);
                let is_gap = k == 0 && next != run.start;
                pieces.push(Piece { frames: start..end, wanted: own.clone(), number: *number, is_gap });
                start = end;
            }
            next = run.end;
        }
        pieces
    }

    fn piece(
        &self,
        piece: &Piece,
        reader: &mut VideoReader,
        stage: &Stage,
        cancel: &Cancel,
        give: &mut Give<'_, Decoded>,
    ) -> Staged {
        if piece.is_gap {
            give(Decoded::Gap, 0)?;
        }
        let mut before = None;
        for idx in piece.frames.clone() {
            cancel.check()?;
            if idx == piece.wanted.start {
                before = Some(reader.damage().clone());
            }
            self.decoding(Some(idx))?;
            let since = Instant::now();
            let frame = reader.read()?.ok_or_else(|| {
                Error::Internal(format!("the source ended at frame {idx} of {}", self.plan.source.frames))
            })?;
            stage.did(1, since);
            if frame.idx != idx {
                return Err(Error::Internal(format!("frame {} came where {idx} was due", frame.idx)).into());
            }
            let (bytes, is_wanted) = (frame_bytes(&frame), piece.wanted.contains(&idx));
            give(Decoded::Frame { frame, is_wanted }, bytes)?;
            if piece.wanted.end == idx + 1 {
                let damage = before.take().map(|before| reader.damage().since(&before)).unwrap_or_default();
                give(Decoded::Segment { number: piece.number, last: idx, damage }, 0)?;
            }
        }
        Ok(())
    }

    /// Fails where a failure of decoding in software is rehearsed at frame `idx`, or before the first one.
    fn decoding(&self, idx: Option<FrameIdx>) -> Result<()> {
        let is_on_device = || self.source.device().is_some_and(|device| device.lost().is_none());
        if self.faults.is_empty() || is_on_device() { Ok(()) } else { Fault::rehearse(self.faults, DECODE, idx) }
    }

    fn restore(
        &self,
        mut restoration: Restoration,
        input: &Queue<Decoded>,
        out: &Queue<Unit>,
        stage: Ending<'_>,
        cancel: &Cancel,
    ) -> Staged {
        let (input, out) = (input.taker(), out.giver());
        let mut passing = Passing { ends: VecDeque::new(), passed: None, out, stage, cancel };
        while let Some(unit) = input.pop() {
            let is_end = matches!(unit, Decoded::Gap | Decoded::End);
            match unit {
                Decoded::Frame { frame, is_wanted } => restoration.push(frame, is_wanted),
                Decoded::Segment { number, last, damage } => passing.ends.push_back((number, last, damage)),
                Decoded::Gap | Decoded::End => {}
            }
            passing.on(&mut restoration, is_end)?;
        }
        Ok(())
    }

    fn encode(&self, input: &Queue<Unit>, out: &Queue<Ended>, stage: Ending<'_>, cancel: &Cancel) -> Staged {
        let (input, out) = (input.taker(), out.giver());
        let mut open: Option<Open> = None;
        Fault::rehearse(self.faults, CONVERT, None)?;
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
                    stage.did(1, since);
                }
                Unit::End(number, damage, templates) => {
                    let Some(mut segment) = open.take_if(|segment| segment.number == number) else { continue };
                    segment.record.damage = damage;
                    let last = segment.record.frames.end - 1;
                    let ended = segment.finish(templates, cancel).map_err(|error| self.lost(error, last))?;
                    stage.did(0, since);
                    out.push(ended, 1)?;
                }
            }
        }
        Ok(())
    }

    /// What becomes of an error at frame `idx` that came of encoding it: where another encoder can take the place of one that has failed,
    /// its loss.
    fn lost(&self, error: Error, idx: FrameIdx) -> Error {
        if matches!(error, Error::Media(cleanplate_media::Error::Convert(_))) {
            return error.of_stage(CONVERT, Some(idx));
        }
        let name = self.plan.encoder.encoder.clone();
        match (error.kind(), &self.plan.substitute) {
            (ErrorKind::Backend | ErrorKind::Unsupported, Some(_)) => {
                Error::Lost { stage: ENCODE, name, frame: idx, reason: error.to_string() }
            }
            (ErrorKind::Backend, None) => {
                Error::Failed { stage: ENCODE, frame: Some(idx), reason: format!("{name}: {error}") }
            }
            _ => error,
        }
    }

    /// Fails where a failure of the encoder, or of bringing frames into its format, is rehearsed at frame `idx`.
    fn rehearsed(&self, idx: FrameIdx) -> Result<()> {
        Fault::rehearse(self.faults, CONVERT, Some(idx))?;
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
        let (encoder, header) = begun(spec, &hdr, key)?;
        let name = pack_name(key, extra);
        let pack = PackWriter::new(self.store.put(&name)?, &header)?;
        Ok(Writing { encoder, pack, name })
    }

    /// Passes everything on with its frames at their new size, as many at once as the network takes.
    fn enlarge(
        &self,
        mut enlarger: Enlarger,
        input: &Queue<Unit>,
        out: &Queue<Unit>,
        stage: Ending<'_>,
        cancel: &Cancel,
    ) -> Staged {
        let (input, out) = (input.taker(), out.giver());
        let (mut frames, mut restored) = (Vec::new(), Vec::new());
        loop {
            let unit = input.pop();
            cancel.check()?;
            let since = Instant::now();
            let end = match unit {
                Some(Unit::Frame(frame, own)) => {
                    Fault::rehearse(self.faults, UPSCALE, Some(frame.idx))?;
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
            let first = frames.first().map(|frame| frame.idx);
            let made = enlarger.enlarge(&frames).map_err(|error| error.of_stage(UPSCALE, first))?;
            if end.is_some() {
                enlarger.forget();
            }
            stage.did(frames.len() as u64, since);
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

    fn conclude(
        &self,
        input: &Queue<Ended>,
        stage: Ending<'_>,
        records: &Mutex<Vec<Option<(SegmentRecord, bool)>>>,
        say: &(dyn Fn(Event) + Sync),
        cancel: &Cancel,
    ) -> Staged {
        let input = input.taker();
        Fault::rehearse(self.faults, CHECK, None)?;
        while let Some(Ended { number, mut blobs, pts, mut record, templates }) = input.pop() {
            cancel.check()?;
            let since = Instant::now();
            record.frames.clone().try_for_each(|idx| Fault::rehearse(self.faults, CHECK, Some(idx)))?;
            let first = &mut blobs[0].0;
            record.bytes = File::open(first.temporary()?)
                .and_then(|f| f.metadata())
                .map_err(Error::io("look at", self.store.path(&blobs[0].1)))?
                .len();
            if self.verify == VerifyMode::Full {
                let mark = |id: u32| self.plan.marks.iter().find(|mark| mark.id == id);
                let size = (self.plan.source.width, self.plan.source.height);
                let sought = Sought { templates: &templates, size: self.plan.upscale.as_ref().map(|_| size) };
                record.flashes = check(&mut blobs[0].0, &pts, &record.frames, &sought, &mark, cancel)
                    .map_err(|error| error.of_stage(CHECK, Some(record.frames.start)))?;
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
            let (start, end) = (record.frames.start, record.frames.end);
            stage.did(end - start, since);
            records.lock().unwrap_or_else(PoisonError::into_inner)[number] = Some((record, false));
            say(Event::Segment { number, start, end, resumed: false });
        }
        Ok(())
    }
}

/// The giving side of the restoring stage.
struct Passing<'a> {
    /// Segments whose frames have all been decoded: number, last frame, damage.
    ends: VecDeque<(usize, FrameIdx, Damage)>,
    /// The last frame that was passed on.
    passed: Option<FrameIdx>,
    out: Giver<'a, Unit>,
    stage: Ending<'a>,
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
            let due = self.passed.map_or(0, |passed| passed + 1);
            let next = restoration.next(ended).map_err(|error| error.of_stage("restore", Some(due)))?;
            let Some((frame, restored)) = next else { return Ok(()) };
            self.stage.did(1, since);
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

fn frame_bytes(frame: &Frame) -> u64 {
    frame.format.bytes(frame.width, frame.height)
}
