//! An encoder of one segment.

use std::collections::{BTreeSet, HashMap};
use std::mem::ManuallyDrop;
use std::time::{Duration, Instant};

use cleanplate_core::{Frame, Scan};

use super::carry::{self, Carrier, Message};
use super::convert::Input;
use super::formats::{Codec, Loss};
use super::hdr::StaticSideData;
use super::options;
use super::spec::EncoderSpec;
use super::times::Times;
use crate::av::{self, AvError, AvFrame, CodecContext, Device, Dict, LogMark, Packet, Parameters, Upload, ffi};
use crate::error::{Error, Result};
use crate::pixfmt;

/// Turns the frames of one segment into packets: the first is a key frame that needs nothing before it, all times are the
/// source's, and every frame comes out by [`finish`](Self::finish).
#[derive(Debug)]
pub struct Encoder {
    name: String,
    codec: Codec,
    carrier: Carrier,
    scan: Scan,
    accepted: BTreeSet<Loss>,
    messages: HashMap<i64, Vec<Message>>,
    context: ManuallyDrop<CodecContext>,
    input: Input,
    /// Where it takes its pictures on a device.
    upload: Option<Upload>,
    times: Times,
    packet: Packet,
    log: LogMark,
    /// Whether the encoder has given all that it was given.
    ended: bool,
    /// Whether frames are coded in the order in which they are shown from here on.
    in_order: bool,
}

impl Encoder {
    /// Opens the encoder of `spec`. `hdr` is written into the stream where the codec has a place for it.
    ///
    /// # Errors
    /// [`Error::Unsupported`] where this build of libav lacks the encoder, or the encoder does not know an option or refuses
    /// the size; its own words are in the text.
    pub fn open(spec: &EncoderSpec, hdr: &StaticSideData) -> Result<Self> {
        let log = av::capture();
        let codec = options::find(spec.works())
            .ok_or_else(|| Error::unsupported(format!("this build of libav has no encoder {}", spec.encoder)))?;
        // SAFETY: a static codec of libav.
        let mut context = unsafe { CodecContext::new(codec) }
            .map_err(|e| Error::Backend(format!("cannot make a context for {}: {e}", spec.encoder)))?;
        configure(&mut context, spec)?;
        let upload = upload(&mut context, spec, log)
            .map_err(|why| Error::unsupported(format!("{} cannot be given pictures: {why}", spec.encoder)))?;
        let mut dict = Dict::new();
        let options = options::with_hdr(spec, hdr);
        options.iter().for_each(|(key, value)| dict.set(key, value));
        context.open(&mut dict).map_err(|e| {
            let words = log.lines().join("; ");
            let what = format!("{} cannot encode {}x{} {}: {e}", spec.encoder, spec.width, spec.height, spec.pix_fmt);
            Error::unsupported(if words.is_empty() { what } else { format!("{what} ({words})") })
        })?;
        if let Some((key, value)) = dict.entries().first() {
            return Err(Error::unsupported(format!("{} has no option {key} (set to {value})", spec.encoder)));
        }
        let delay = delay(&context, spec.codec);
        context.get_mut().has_b_frames = delay as i32;
        Ok(Self {
            name: spec.encoder.clone(),
            codec: spec.codec,
            carrier: Carrier::new(spec),
            scan: spec.scan,
            accepted: spec.accept_loss.clone(),
            messages: HashMap::new(),
            input: Input::new(spec)?,
            upload,
            times: Times::new(delay),
            packet: Packet::new().map_err(|e| Error::Backend(format!("cannot make a packet: {e}")))?,
            context: ManuallyDrop::new(context),
            ended: false,
            in_order: false,
            log,
        })
    }

    /// Takes the next frame in presentation order and hands over what packets are ready, in coding order.
    ///
    /// # Errors
    /// [`Error::Unsupported`] where the frame has another size or layout than the spec, is interlaced in a progressive stream,
    /// or carries what has no place in the codec, without consent; [`Error::Convert`] where it cannot be brought into the encoder's
    /// format; where the encoder fails, or `out` does.
    pub fn push(&mut self, frame: Frame, out: &mut dyn FnMut(&Packet) -> Result<()>) -> Result<()> {
        let (pts, duration, scan, idx) = (frame.pts, frame.duration, frame.scan, frame.idx);
        // MPEG-2 says the order of each picture; the others say one for all.
        let keeps_order = !scan.is_interlaced() || scan == self.scan || self.codec == Codec::Mpeg2;
        if !keeps_order && !self.accepted.contains(&Loss::FieldOrder) {
            return Err(Error::unsupported_but(
                format!("the fields of frame {idx} are {}, the track's are {}", words(scan), words(self.scan)),
                "--accept-loss field-order consents to the loss of its field order",
            ));
        }
        let converting = |error| match error {
            Error::Backend(reason) => Error::Convert(reason),
            other => other,
        };
        let mut picture = self.input.take(frame).map_err(converting)?;
        let (messages, losses) = self.carrier.take(&mut picture);
        if let Some(loss) = losses.difference(&self.accepted).next() {
            return Err(Error::unsupported_but(
                format!("{} has no place for what frame {idx} carries ({})", self.codec.title(), loss.name()),
                format!("--accept-loss {} consents to its loss", loss.name()),
            ));
        }
        let tick = self.times.enter(pts, duration)?;
        if !messages.is_empty() {
            self.messages.insert(tick, messages);
        }
        if let Some(upload) = &self.upload {
            picture = upload.up(&picture).map_err(|e| self.failed(&format!("be given frame {idx}"), e))?;
        }
        prepare(&mut picture, tick, (scan, self.scan), self.context.get().global_quality, self.in_order);
        loop {
            // SAFETY: context open, frame valid; libav takes its own reference.
            match av::check(unsafe { ffi::avcodec_send_frame(self.context.as_ptr(), picture.as_ptr()) }) {
                Ok(_) => break,
                Err(AvError::AGAIN) => self.drain(out)?,
                Err(error) => return Err(self.failed(&format!("encode frame {idx}"), error)),
            };
        }
        drop(picture);
        self.drain(out).map(|_| ())
    }

    /// From the next frame on none is coded after one that is shown later. For the last two frames of a track: containers
    /// that count durations in coding order (ISO/IEC 14496-12, 8.6.1.2) can then say how long the last frame is shown.
    pub fn stop_reordering(&mut self) {
        // SVT-AV1 hides its order from the container, and takes no orders but key frames.
        self.in_order = self.codec.reorders() && self.times.counts().0 > 0;
    }

    /// Hands over every packet that is left.
    ///
    /// # Errors
    /// Where the encoder fails, gives fewer packets than it was given frames, or `out` fails.
    pub fn finish(mut self, out: &mut dyn FnMut(&Packet) -> Result<()>) -> Result<()> {
        // SAFETY: context open; null starts draining.
        av::check(unsafe { ffi::avcodec_send_frame(self.context.as_ptr(), std::ptr::null()) })
            .map_err(|e| self.failed("flush", e))?;
        self.drain(out)?;
        self.ended = true;
        let (frames, packets) = self.times.counts();
        if frames != packets {
            return Err(Error::Backend(format!("{} gave {packets} packets for {frames} frames", self.name)));
        }
        Ok(())
    }

    /// What the encoder says of its stream: global headers, profile, delay.
    ///
    /// # Errors
    /// Where memory is short.
    pub fn parameters(&self) -> Result<Parameters> {
        let memory = |e: AvError| Error::Backend(format!("cannot make codec parameters: {e}"));
        let parameters = Parameters::new().map_err(memory)?;
        // SAFETY: both valid, the context is open.
        av::check(unsafe { ffi::avcodec_parameters_from_context(parameters.as_ptr(), self.context.as_ptr()) })
            .map_err(memory)?;
        Ok(parameters)
    }

    fn drain(&mut self, out: &mut dyn FnMut(&Packet) -> Result<()>) -> Result<()> {
        loop {
            // SAFETY: context open, packet ours; libav clears it first.
            match av::check(unsafe { ffi::avcodec_receive_packet(self.context.as_ptr(), self.packet.as_ptr()) }) {
                Ok(_) => {}
                Err(AvError::AGAIN | AvError::EOF) => return Ok(()),
                Err(error) => return Err(self.failed("encode", error)),
            }
            let tick = self.packet.get().pts;
            let (pts, dts, duration) = self.times.leave(tick)?;
            let p = self.packet.get_mut();
            (p.pts, p.dts, p.duration) = (pts, dts, duration);
            match self.messages.remove(&tick) {
                None => out(&self.packet)?,
                Some(messages) => {
                    let packet = carry::written(&self.packet, &messages, self.codec);
                    out(&packet.map_err(|e| Error::Backend(format!("cannot make a packet: {e}")))?)?;
                }
            }
        }
    }

    fn failed(&self, action: &str, error: AvError) -> Error {
        let words = self.log.last().map(|l| format!(" ({l})")).unwrap_or_default();
        Error::Backend(format!("{} cannot {action}: {error}{words}", self.name))
    }
}

impl Drop for Encoder {
    /// SVT-AV1 waits for ever when it is closed in the middle of its work: it is made to end first. Where that takes longer
    /// than a cancelled job may, it is left behind, idle.
    fn drop(&mut self) {
        const PATIENCE: Duration = Duration::from_secs(1);
        let busy = self.codec == Codec::Av1 && !self.ended && self.times.counts().0 > 0;
        if busy {
            let since = Instant::now();
            // SAFETY: context open; null starts draining, which may have begun already.
            unsafe { ffi::avcodec_send_frame(self.context.as_ptr(), std::ptr::null()) };
            loop {
                // SAFETY: context open, packet ours.
                match av::check(unsafe { ffi::avcodec_receive_packet(self.context.as_ptr(), self.packet.as_ptr()) }) {
                    Ok(_) if since.elapsed() < PATIENCE => {}
                    Err(AvError::EOF) => break,
                    _ => return,
                }
            }
        }
        // SAFETY: dropped here and nowhere else.
        unsafe { ManuallyDrop::drop(&mut self.context) };
    }
}

/// A scan in words.
const fn words(scan: Scan) -> &'static str {
    match scan {
        Scan::Progressive => "progressive",
        Scan::TopFirst => "top field first",
        Scan::BottomFirst => "bottom field first",
    }
}

/// How many frames later than shown a frame may be decoded.
fn delay(context: &CodecContext, codec: Codec) -> usize {
    let said = context.get().has_b_frames.max(0) as usize;
    match codec {
        // libav's wrapper of x265 does not say. x265 has one level of B-frames that others refer to, so no picture waits
        // for more than two others (its own `bframeDelay`).
        Codec::Hevc => said.max(2),
        _ if codec.reorders() => said,
        _ => 0,
    }
}

/// Room on the device of an encoder that takes its pictures there; or why there is none.
fn upload(context: &mut CodecContext, spec: &EncoderSpec, log: LogMark) -> std::result::Result<Option<Upload>, String> {
    if spec.stand_in.is_some() || !spec.encoder.ends_with("_vaapi") {
        return Ok(None);
    }
    let device = Device::open("vaapi", 0)?;
    let words = |error: AvError| av::reason(log, &error);
    let upload = Upload::new(&device, context.get().pix_fmt, (spec.width, spec.height)).map_err(words)?;
    upload.enter(context).map_err(words)?;
    Ok(Some(upload))
}

/// Fields of the context that are not options.
fn configure(context: &mut CodecContext, spec: &EncoderSpec) -> Result<()> {
    let format = pixfmt::by_name(&spec.pix_fmt)
        .ok_or_else(|| Error::unsupported(format!("this build of libav knows no sample format {}", spec.pix_fmt)))?;
    let size = |s: u32| i32::try_from(s).map_err(|_| Error::Limit(format!("a side of {s} samples is too long")));
    let c = context.get_mut();
    (c.width, c.height) = (size(spec.width)?, size(spec.height)?);
    c.pix_fmt = format;
    c.framerate = spec.frame_rate.into();
    c.time_base = ffi::AVRational { num: spec.frame_rate.den, den: spec.frame_rate.num };
    if spec.sar.num > 0 && spec.sar.den > 0 {
        c.sample_aspect_ratio = spec.sar.into();
    }
    c.color_primaries = ffi::AVColorPrimaries(spec.color.primaries.into());
    c.color_trc = ffi::AVColorTransferCharacteristic(spec.color.transfer.into());
    c.colorspace = ffi::AVColorSpace(spec.color.matrix.into());
    c.color_range = match spec.color.full_range {
        Some(true) => ffi::AVColorRange::JPEG,
        Some(false) => ffi::AVColorRange::MPEG,
        None => ffi::AVColorRange::UNSPECIFIED,
    };
    c.chroma_sample_location = ffi::AVChromaLocation(spec.color.chroma_location.into());
    c.field_order = match spec.scan {
        Scan::Progressive => ffi::AVFieldOrder::PROGRESSIVE,
        Scan::TopFirst => ffi::AVFieldOrder::TT,
        Scan::BottomFirst => ffi::AVFieldOrder::BB,
    };
    c.thread_count = i32::try_from(spec.threads.max(1)).unwrap_or(1);
    let mut flags = ffi::AV_CODEC_FLAG_BITEXACT | ffi::AV_CODEC_FLAG_CLOSED_GOP;
    if spec.global_header {
        flags |= ffi::AV_CODEC_FLAG_GLOBAL_HEADER;
    }
    if spec.scan.is_interlaced() {
        flags |= ffi::AV_CODEC_FLAG_INTERLACED_DCT | ffi::AV_CODEC_FLAG_INTERLACED_ME;
    }
    c.flags |= flags as i32;
    Ok(())
}

/// Sets the fields of a picture that an encoder looks at; what a decoder left there would steer it. A progressive frame
/// of an interlaced stream keeps that stream's order, which x264 would otherwise turn round for it.
fn prepare(picture: &mut AvFrame, tick: i64, (own, stream): (Scan, Scan), quality: i32, in_order: bool) {
    let order = if own.is_interlaced() { own } else { stream };
    let f = picture.get_mut();
    f.pts = tick;
    f.pict_type = if in_order { ffi::AVPictureType::P } else { ffi::AVPictureType::NONE };
    f.key_frame = 0;
    f.quality = quality;
    f.interlaced_frame = i32::from(own.is_interlaced() && stream.is_interlaced());
    f.top_field_first = i32::from(order == Scan::TopFirst);
}
