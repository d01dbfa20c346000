//! Frames in presentation order from any place, with the index's own times.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use cleanplate_core::{ColorInfo, Frame, FrameIdx, PixelFormat, Scan};

use super::damage::Damage;
use super::demux::Demuxer;
use super::hardware::DecodeDevice;
use super::index::Start;
use super::recipe::{Care, MAX_REFUSALS, Recipe};
use super::survey::{PacketEntry, Survey};
use super::{convert, info, quantiser, shown};
use crate::av::{AvError, AvFrame, Decoder, LogMark, Packet, capture, compat, ffi, reason, text};
use crate::error::{Error, Result};
use crate::pixfmt;
use crate::surface::AvSurface;

/// Packets read after a seek in search of a known one before the stream is read from its start instead.
const SEARCH: usize = 4096;

/// What a decoded picture says of itself.
pub(crate) struct Shape {
    pub(crate) width: u32,
    pub(crate) height: u32,
    /// How its samples are carried; `None` where they cannot be.
    pub(crate) format: Option<PixelFormat>,
    pub(crate) pix_fmt: String,
    pub(crate) color: ColorInfo,
    pub(crate) scan: Scan,
}

impl Shape {
    fn of(frame: &AvFrame) -> Self {
        let av = frame.get();
        let format = ffi::AVPixelFormat(av.format);
        let pix_fmt = pixfmt::name(format);
        let flags = compat::picture_flags(av);
        Self {
            width: u32::try_from(av.width).unwrap_or(0),
            height: u32::try_from(av.height).unwrap_or(0),
            format: convert::carried(format),
            color: ColorInfo {
                primaries: u8::try_from(av.color_primaries.0).unwrap_or(2),
                transfer: u8::try_from(av.color_trc.0).unwrap_or(2),
                matrix: u8::try_from(av.colorspace.0).unwrap_or(2),
                full_range: info::full_range(av.color_range, &pix_fmt),
                chroma_location: u8::try_from(av.chroma_location.0).unwrap_or(0),
            },
            pix_fmt,
            scan: match (flags.interlaced, flags.top_first) {
                (false, _) => Scan::Progressive,
                (true, true) => Scan::TopFirst,
                (true, false) => Scan::BottomFirst,
            },
        }
    }
}

/// Reads frames of the worked-on stream. Every frame of the index comes exactly once and in order; a frame that the decoder
/// does not give is replaced by the one before it and counted in [`damage`](Self::damage).
pub struct VideoReader {
    survey: Arc<Survey>,
    threads: u32,
    care: Care,
    demuxer: Demuxer,
    decoder: Decoder,
    packet: Packet,
    /// The next packet that `demuxer` gives, by ordinal in the stream.
    ordinal: u32,
    /// Whether the packet to send is in `packet` already.
    held: bool,
    drained: bool,
    /// Whether decoding began at the first packet.
    from_start: bool,
    /// The first packet from which on the decoder must not complain.
    settled: u32,
    /// Frames that came out since decoding began.
    counted: u64,
    ready: VecDeque<(FrameIdx, AvFrame)>,
    last: Option<AvFrame>,
    next: FrameIdx,
    damage: Damage,
    mark: LogMark,
    frame_side_data: BTreeSet<String>,
    /// By how much pictures that others lean on were quantised, where that is asked for.
    quantisers: Option<Vec<quantiser::Told>>,
    /// What decodes instead of software.
    device: Option<Arc<DecodeDevice>>,
}

impl VideoReader {
    pub(crate) fn open(survey: Arc<Survey>, threads: u32) -> Result<Self> {
        Self::opened(survey, threads, None, None)
    }

    /// As [`open`](Self::open), on a device as long as that works.
    pub(crate) fn on(survey: Arc<Survey>, threads: u32, device: Option<Arc<DecodeDevice>>) -> Result<Self> {
        Self::opened(survey, threads, None, device)
    }

    /// As [`open`](Self::open), taking down by how much pictures were quantised.
    pub(crate) fn measuring(survey: Arc<Survey>, threads: u32) -> Result<Self> {
        Self::opened(survey, threads, Some(Vec::new()), None)
    }

    fn opened(
        survey: Arc<Survey>,
        threads: u32,
        quantisers: Option<Vec<quantiser::Told>>,
        device: Option<Arc<DecodeDevice>>,
    ) -> Result<Self> {
        if let Some((frame, what)) = survey.index.changes.first() {
            return Err(Error::unsupported(format!(
                "the picture of {} changes at frame {frame} to {what}",
                shown(&survey.path)
            )));
        }
        let mark = capture();
        let care = survey.care;
        let demuxer = Demuxer::open(&survey.path, &survey.limits)?;
        let recipe = Recipe { tells_quantiser: quantisers.is_some(), ..survey.recipe() };
        // What conceals damage is software.
        let mut device = device.filter(|_| care == Care::Strict);
        let decoder = opened(&recipe, threads, care, &mut device)?;
        Ok(Self {
            survey,
            threads,
            care,
            demuxer,
            decoder,
            packet: Packet::new().map_err(memory)?,
            ordinal: 0,
            held: false,
            drained: false,
            from_start: true,
            settled: 0,
            counted: 0,
            ready: VecDeque::new(),
            last: None,
            next: 0,
            damage: Damage::default(),
            mark,
            frame_side_data: BTreeSet::new(),
            quantisers,
            device,
        })
    }

    /// Moves so that [`read`](Self::read) gives frame `idx` next, the same to the bit as when read from the start.
    ///
    /// # Errors
    /// [`Error::Input`] where the index has no such frame (its length is allowed: the end).
    pub fn seek(&mut self, idx: FrameIdx) -> Result<()> {
        let count = self.survey.index.frames.len() as FrameIdx;
        if idx > count {
            return Err(Error::Input(format!("frame {idx} lies beyond the {count} frames")));
        }
        let here = self.next;
        self.next = idx;
        let start = self.survey.index.start_for(idx).filter(|_| self.survey.care == Care::Strict);
        let ahead = idx >= here && start.is_none_or(|start| start.packet <= self.ordinal);
        if ahead || idx == count {
            return Ok(());
        }
        self.care = self.survey.care;
        self.begin(start)
    }

    /// The next frame, `None` after the last one.
    ///
    /// # Errors
    /// Where the disk fails, or the picture changes its size or format.
    pub fn read(&mut self) -> Result<Option<Frame>> {
        let count = self.survey.index.frames.len() as FrameIdx;
        if self.next >= count {
            return Ok(None);
        }
        loop {
            while self.ready.front().is_some_and(|(idx, _)| *idx < self.next) {
                self.last = self.ready.pop_front().map(|(_, frame)| frame);
            }
            // What leans on damage may be shown before it: frames wait until those that they can lean on are out.
            let awaited = (self.next + self.survey.ahead).min(count - 1);
            if self.care == Care::Strict && !self.drained && self.ready.back().is_none_or(|(idx, _)| *idx < awaited) {
                self.pull()?;
                continue;
            }
            match self.ready.front() {
                Some((idx, _)) if *idx == self.next => {
                    let Some((idx, frame)) = self.ready.pop_front() else { continue };
                    self.last = Some(frame.share().map_err(memory)?);
                    self.next += 1;
                    return self.finish(idx, frame).map(Some);
                }
                Some(_) => return self.repeat().map(Some),
                None if self.drained => return self.repeat().map(Some),
                None => self.pull()?,
            }
        }
    }

    /// What decoding has found broken so far.
    pub fn damage(&self) -> &Damage {
        &self.damage
    }

    /// libav's name of the decoder.
    pub fn decoder(&self) -> String {
        self.decoder.name()
    }

    /// libav's names of the side data seen on frames so far (closed captions, HDR metadata, time codes ...).
    pub fn frame_side_data(&self) -> &BTreeSet<String> {
        &self.frame_side_data
    }

    /// By how much the pictures so far that others lean on were quantised, of a reader that takes that down.
    pub(crate) fn quantisers(&self) -> &[quantiser::Told] {
        self.quantisers.as_deref().unwrap_or_default()
    }

    /// In place of a frame that did not come: the one before it, or where there is none the one after.
    fn repeat(&mut self) -> Result<Frame> {
        let idx = self.next;
        if self.care == Care::Strict {
            self.conceal()?;
            return self.read()?.ok_or_else(|| Error::Internal("the index lost a frame".into()));
        }
        if self.last.is_none() && !self.from_start {
            self.begin(None)?;
            return self.read()?.ok_or_else(|| Error::Internal("the index lost a frame".into()));
        }
        let source = self.last.as_ref().or(self.ready.front().map(|(_, frame)| frame));
        let Some(frame) = source else {
            let words = self.mark.last().map(|line| format!(" ({line})")).unwrap_or_default();
            return Err(Error::Input(format!("no frame of {} can be decoded{words}", shown(&self.survey.path))));
        };
        let frame = frame.share().map_err(memory)?;
        self.damage.missing(idx);
        self.damage.words(self.mark.lines());
        self.next += 1;
        self.finish(idx, frame)
    }

    /// A decoded picture as a frame of the index.
    fn finish(&mut self, idx: FrameIdx, frame: AvFrame) -> Result<Frame> {
        let entry = self.survey.index.frames[idx as usize];
        let shape = Shape::of(&frame);
        if let Some(video) = self.survey.info.video_stream().and_then(|stream| stream.video.as_ref())
            && ((shape.width, shape.height) != (video.width, video.height) || shape.format != video.format)
        {
            return Err(Error::unsupported(format!(
                "the picture of {} changes at frame {idx} from {}x{} {} to {}x{} {}",
                shown(&self.survey.path),
                video.width,
                video.height,
                video.pix_fmt,
                shape.width,
                shape.height,
                shape.pix_fmt
            )));
        }
        let frame = convert::planar(frame)?;
        let surface = AvSurface::new(frame)?;
        let format = shape
            .format
            .ok_or_else(|| Error::unsupported(format!("cannot carry samples in the format {}", shape.pix_fmt)))?;
        let size = (shape.width, shape.height);
        let mut out = Frame::new(idx, entry.pts, entry.duration, size, format, Box::new(surface));
        out.color = shape.color;
        out.scan = shape.scan;
        Ok(out)
    }

    /// What the first picture that comes out is like; `None` where none does.
    pub(crate) fn first_shape(&mut self) -> Result<Option<Shape>> {
        while self.ready.is_empty() && !self.drained {
            self.pull()?;
        }
        Ok(self.ready.front().map(|(_, frame)| Shape::of(frame)))
    }

    /// Sends one packet (or the end) and takes what comes out.
    fn pull(&mut self) -> Result<()> {
        let stream = self.survey.info.video;
        let mut ended = false;
        if !self.held {
            loop {
                ended = !self.demuxer.read(&mut self.packet)?;
                if ended || self.packet.get().stream_index as usize == stream {
                    break;
                }
            }
        }
        self.held = false;
        if !ended {
            let flags = self.survey.packets.get(self.ordinal as usize).map(|entry| entry.flags);
            let packet = self.packet.get_mut();
            packet.pts = i64::from(self.ordinal);
            packet.dts = packet.pts;
            packet.flags = flags.unwrap_or(packet.flags);
            self.ordinal += 1;
        }
        self.drained = ended;
        let mut refusals = 0;
        if self.decoder.send((!ended).then_some(&self.packet)).is_err() {
            refusals += 1;
        }
        loop {
            match self.decoder.receive() {
                Ok(Some(frame)) => {
                    if self.place(frame)? {
                        return Ok(());
                    }
                }
                Ok(None) => break,
                Err(_) => refusals += 1,
            }
            if refusals > MAX_REFUSALS {
                break;
            }
        }
        if refusals > 0 {
            self.complaint(refusals)?;
        }
        Ok(())
    }

    /// The decoder refused something.
    fn complaint(&mut self, refusals: u32) -> Result<()> {
        if self.device.is_some() {
            let reason = reason(self.mark, &"it refuses a packet");
            return self.leave_device(&reason);
        }
        if self.care == Care::Conceal {
            self.damage.decode_errors += u64::from(refusals);
            self.damage.words(self.mark.lines());
            return Ok(());
        }
        if self.from_start || self.ordinal > self.settled.saturating_add(self.late()) {
            return self.conceal();
        }
        Ok(())
    }

    /// Decodes in software from the next frame on: what a device refuses may be damage, or its own fault.
    fn leave_device(&mut self, reason: &str) -> Result<()> {
        if let Some(device) = self.device.take() {
            device.lose(reason.to_owned());
        }
        self.begin(self.survey.index.start_for(self.next))
    }

    /// Decodes anew with concealment: nothing that leans on the damage has come out yet. What is concealed leans on whatever
    /// the decoder's memory holds, even across key frames, so only the start of the stream gives the same every time.
    fn conceal(&mut self) -> Result<()> {
        self.care = Care::Conceal;
        self.device = None;
        self.begin(None)
    }

    /// Packets by which a refusal may be late: one for each thread.
    fn late(&self) -> u32 {
        u32::try_from(self.decoder.context().get().thread_count).unwrap_or(0)
    }

    /// Finds a decoded picture's place in the index. Whether decoding had to begin anew instead.
    fn place(&mut self, frame: AvFrame) -> Result<bool> {
        let index = &self.survey.index;
        let idx = if index.by_packet.len() == index.packets.len() {
            u32::try_from(frame.get().pts).ok().and_then(|packet| index.by_packet.get(&packet).copied())
        } else {
            self.from_start.then_some(self.counted)
        };
        self.counted += 1;
        let Some(idx) = idx else { return Ok(false) };
        if let Some(reason) = self.device.as_ref().and_then(|device| device.fails(idx)) {
            self.leave_device(&reason)?;
            return Ok(true);
        }
        let after = self.ready.back().map_or(self.next, |(last, _)| last + 1);
        if idx < after && !self.ready.is_empty() {
            return Ok(false); // a second picture for a place that is taken
        }
        let av = frame.get();
        if av.flags & ffi::AV_FRAME_FLAG_CORRUPT != 0 || av.decode_error_flags != 0 {
            if self.device.is_some() {
                self.leave_device("it gives a damaged picture")?;
                return Ok(true);
            }
            let settled = self.from_start || index.by_packet.get(&self.settled).is_none_or(|first| idx >= *first);
            if self.care == Care::Strict && settled {
                self.conceal()?;
                return Ok(true);
            }
            if idx >= self.next {
                self.damage.corrupt(idx);
                self.damage.words(self.mark.lines());
            }
        }
        if let Some(quantisers) = &mut self.quantisers {
            quantisers.extend(quantiser::of(&frame));
        }
        for i in 0..usize::try_from(av.nb_side_data).unwrap_or(0) {
            // SAFETY: libav keeps nb_side_data pointers there; names are static.
            let name = unsafe { text(ffi::av_frame_side_data_name((**av.side_data.add(i)).type_)) };
            if !self.frame_side_data.contains(&name) {
                self.frame_side_data.insert(name);
            }
        }
        self.ready.push_back((idx, frame));
        Ok(false)
    }

    /// Begins decoding at a place of the index, or where that is `None` or cannot be found, at the first packet.
    fn begin(&mut self, start: Option<Start>) -> Result<()> {
        self.drained = false;
        self.counted = 0;
        self.ready.clear();
        self.last = None;
        let recipe = Recipe { tells_quantiser: self.quantisers.is_some(), ..self.survey.recipe() };
        self.decoder = opened(&recipe, self.threads, self.care, &mut self.device)?;
        if let Some(start) = start
            && self.approach(start.packet)?
        {
            (self.ordinal, self.settled) = (start.packet, start.settled);
            (self.held, self.from_start) = (true, false);
            return Ok(());
        }
        self.demuxer = Demuxer::open(&self.survey.path, &self.survey.limits)?;
        (self.ordinal, self.settled) = (0, 0);
        (self.held, self.from_start) = (false, true);
        Ok(())
    }

    /// Moves the demuxer to a packet, which is then in `packet`.
    fn approach(&mut self, wanted: u32) -> Result<bool> {
        let entry = self.survey.packets[wanted as usize];
        let stream = self.survey.info.video;
        let bytes = matches!(self.survey.info.demuxer.as_str(), "mpegts" | "mpeg");
        let pos = (bytes && entry.pos >= 0).then_some(entry.pos);
        let time = entry.dts.or(entry.pts).unwrap_or(0);
        Ok(self.demuxer.seek(stream, time, pos).is_ok() && self.find(wanted)?)
    }

    /// Reads on to the packet `wanted`, which is then in `packet`.
    fn find(&mut self, wanted: u32) -> Result<bool> {
        let stream = self.survey.info.video;
        let entry = self.survey.packets[wanted as usize];
        let mut seen = 0;
        while seen < SEARCH && self.demuxer.read(&mut self.packet)? {
            if self.packet.get().stream_index as usize != stream {
                continue;
            }
            seen += 1;
            let found = PacketEntry::of(&self.packet);
            if found.same(&entry) && (found.pos >= 0 || found.dts == entry.dts) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// Opens the decoder on the device, or in software where that fails.
fn opened(recipe: &Recipe<'_>, threads: u32, care: Care, device: &mut Option<Arc<DecodeDevice>>) -> Result<Decoder> {
    let log = capture();
    if let Some(own) = device {
        match recipe.open(threads, care, own.device()) {
            Ok(decoder) => return Ok(decoder),
            Err(error) => own.lose(reason(log, &error)),
        }
        *device = None;
    }
    recipe.open(threads, care, None)
}

fn memory(error: AvError) -> Error {
    Error::Backend(format!("memory is short for a frame: {error}"))
}
