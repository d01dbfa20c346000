//! Proof that a pack decodes on its own to every frame that it should hold.

use std::io::Read;

use cleanplate_core::{ColorInfo, Frame, Scan};
use serde::{Deserialize, Serialize};

use super::PackReader;
use crate::av::{self, AvError, AvFrame, Decoder, ffi};
use crate::error::{Error, Result};
use crate::pixfmt;
use crate::surface::AvSurface;

/// Problems kept at most: the first ones tell what went wrong.
const KEPT: usize = 20;

/// What decoding a pack has shown.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackCheck {
    /// Frames that came out.
    pub frames: u64,
    /// Bytes of payload.
    pub bytes: u64,
    /// What is wrong, in words; empty where the pack is sound. At most twenty.
    pub problems: Vec<String>,
}

impl PackCheck {
    /// Whether every frame is there at its time and no decoder complained.
    pub const fn is_sound(&self) -> bool {
        self.problems.is_empty()
    }

    fn note(&mut self, problem: String) {
        if self.problems.len() < KEPT {
            self.problems.push(problem);
        }
    }
}

/// Decodes `pack` on its own, with a decoder of `threads` threads (0: libav chooses), and compares the frames' times with
/// `expected_pts`, in presentation order. Every frame is handed to `visit`; its index counts from 0 within the pack.
///
/// # Errors
/// Where the pack itself is damaged, no decoder opens, or `visit` fails. What is wrong with the stream is in the answer.
pub fn check_pack<R: Read>(
    mut pack: PackReader<R>,
    expected_pts: &[i64],
    visit: &mut dyn FnMut(Frame) -> Result<()>,
    threads: u32,
) -> Result<PackCheck> {
    let parameters = pack.parameters()?;
    let time_base = pack.header().time_base;
    let codec = pack.header().stream.codec.clone();
    av::capture();
    let mut decoder = Decoder::open(&parameters, time_base, threads, None, &[], None)
        .map_err(|e| Error::Backend(format!("cannot open a decoder for {codec}: {e}")))?;
    let mut visitor = Visitor { check: PackCheck::default(), expected: expected_pts, durations: Vec::new(), visit };
    let mut first = true;
    while let Some(packet) = pack.next()? {
        visitor.check.bytes += packet.data().len() as u64;
        if first && !packet.is_key() {
            visitor.check.note("the first packet is no key frame".into());
        }
        first = false;
        match (packet.pts(), packet.dts()) {
            (Some(pts), Some(dts)) if dts <= pts => visitor.durations.push((pts, packet.get().duration)),
            (pts, dts) => visitor.check.note(format!("packet {} has pts {pts:?} and dts {dts:?}", pack.packets() - 1)),
        }
        loop {
            match decoder.send(Some(&packet)) {
                Ok(()) => break,
                Err(AvError::AGAIN) => {
                    if visitor.receive(&mut decoder)? == 0 {
                        return Err(Error::Backend(format!("the decoder of {codec} neither takes nor gives")));
                    }
                }
                Err(error) => {
                    visitor.check.note(format!("packet {} cannot be decoded: {error}", pack.packets() - 1));
                    break;
                }
            }
        }
        visitor.receive(&mut decoder)?;
    }
    match decoder.send(None) {
        Ok(()) | Err(AvError::EOF) => {}
        Err(error) => visitor.check.note(format!("the decoder cannot be flushed: {error}")),
    }
    visitor.receive(&mut decoder)?;
    let mut check = visitor.check;
    if check.frames != expected_pts.len() as u64 {
        check.note(format!("{} frames came out, {} went in", check.frames, expected_pts.len()));
    }
    Ok(check)
}

struct Visitor<'a> {
    check: PackCheck,
    expected: &'a [i64],
    /// Time and duration of packets whose frames are still to come.
    durations: Vec<(i64, i64)>,
    visit: &'a mut dyn FnMut(Frame) -> Result<()>,
}

impl Visitor<'_> {
    /// Takes every frame that is ready; answers how many results the decoder gave.
    fn receive(&mut self, decoder: &mut Decoder) -> Result<usize> {
        let mut given = 0;
        loop {
            match decoder.receive() {
                Ok(Some(picture)) => self.frame(picture)?,
                Ok(None) => return Ok(given),
                Err(error) => {
                    self.check.note(format!("a frame after {} cannot be decoded: {error}", self.check.frames))
                }
            }
            given += 1;
            // A decoder that fails for ever must not hold us: it gives at most a few results for each packet.
            if given > 1024 {
                return Err(Error::Backend("a decoder gives results without end".into()));
            }
        }
    }

    fn frame(&mut self, picture: AvFrame) -> Result<()> {
        let at = self.check.frames;
        let f = picture.get();
        let pts = f.pts;
        if self.expected.get(at as usize) != Some(&pts) {
            self.check.note(format!("frame {at} is shown at {pts}, not at {:?}", self.expected.get(at as usize)));
        }
        if f.decode_error_flags != 0 || f.flags & ffi::AV_FRAME_FLAG_CORRUPT != 0 {
            self.check.note(format!("frame {at} is damaged (flags {:#x})", f.decode_error_flags));
        }
        let duration = match self.durations.iter().position(|(time, _)| *time == pts) {
            Some(found) => self.durations.swap_remove(found).1,
            None => 0,
        };
        self.check.frames += 1;
        (self.visit)(to_frame(picture, at, pts, duration)?)
    }
}

/// A decoded picture as a frame; packed samples are taken apart.
fn to_frame(picture: AvFrame, idx: u64, pts: i64, duration: i64) -> Result<Frame> {
    let picture = crate::encode::planar(picture)?;
    let f = picture.get();
    let color = ColorInfo {
        primaries: f.color_primaries.0 as u8,
        transfer: f.color_trc.0 as u8,
        matrix: f.colorspace.0 as u8,
        full_range: match f.color_range {
            ffi::AVColorRange::JPEG => Some(true),
            ffi::AVColorRange::MPEG => Some(false),
            _ => None,
        },
        chroma_location: f.chroma_location.0 as u8,
    };
    let scan = match (f.interlaced_frame != 0, f.top_field_first != 0) {
        (false, _) => Scan::Progressive,
        (true, true) => Scan::TopFirst,
        (true, false) => Scan::BottomFirst,
    };
    let size = (f.width.max(0) as u32, f.height.max(0) as u32);
    let av = ffi::AVPixelFormat(f.format);
    let format = pixfmt::from_av(av)
        .ok_or_else(|| Error::unsupported(format!("cannot carry samples in the format {}", pixfmt::name(av))))?;
    let surface = AvSurface::new(picture)?;
    let mut frame = Frame::new(idx, pts, duration, size, format, Box::new(surface));
    (frame.color, frame.scan) = (color, scan);
    Ok(frame)
}
