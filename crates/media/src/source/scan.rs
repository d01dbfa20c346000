//! Counting frames by decoding all of them, for streams whose packets cannot tell.

use std::ops::ControlFlow;

use cleanplate_core::FrameIdx;

use super::damage::Damage;
use super::demux::Demuxer;
use super::recipe::{Care, MAX_REFUSALS, Recipe};
use crate::av::{AvFrame, Packet, capture, compat, ffi};
use crate::error::{Error, Result};
use crate::pixfmt;

/// A frame that came out.
pub(crate) struct ScannedFrame {
    /// The packet it came from, by ordinal in its stream.
    pub(crate) packet: u32,
    pub(crate) key: bool,
}

/// What came out, in order.
#[derive(Default)]
pub(crate) struct Scanned {
    pub(crate) frames: Vec<ScannedFrame>,
    pub(crate) changes: Vec<(FrameIdx, String)>,
    shape: Option<(i32, i32, i32)>,
}

impl Scanned {
    fn take(&mut self, frame: &AvFrame, damage: &mut Damage) {
        let av = frame.get();
        let idx = self.frames.len() as FrameIdx;
        let shape = (av.width, av.height, av.format);
        if self.shape.is_some_and(|before| before != shape) {
            let name = pixfmt::name(ffi::AVPixelFormat(av.format));
            self.changes.push((idx, format!("{}x{} {name}", av.width, av.height)));
        }
        self.shape = Some(shape);
        if av.flags & ffi::AV_FRAME_FLAG_CORRUPT != 0 || av.decode_error_flags != 0 {
            damage.corrupt(idx);
        }
        let packet = u32::try_from(av.pts).unwrap_or(0);
        self.frames.push(ScannedFrame { packet, key: compat::picture_flags(av).key });
    }
}

/// Decodes the whole stream once. `None` where the decoder complained and `care` does not say how to go on all the same.
pub(crate) fn scan(
    demuxer: &mut Demuxer,
    stream: usize,
    recipe: &Recipe<'_>,
    care: Care,
    damage: &mut Damage,
    progress: &mut dyn FnMut(u64, u64) -> ControlFlow<()>,
) -> Result<Option<Scanned>> {
    let mark = capture();
    let mut decoder = recipe.open(0, care, None)?;
    let mut scanned = Scanned::default();
    let before = damage.clone();
    let mut packet = Packet::new().map_err(|e| Error::Backend(format!("cannot make a packet: {e}")))?;
    let mut ordinal = 0i64;
    let mut ended = false;
    while !ended {
        ended = !demuxer.read(&mut packet)?;
        if !ended && packet.get().stream_index as usize != stream {
            continue;
        }
        if !ended {
            packet.get_mut().pts = ordinal;
            packet.get_mut().dts = ordinal;
            ordinal += 1;
        }
        if ordinal % 64 == 0 && progress(demuxer.position(), demuxer.size()).is_break() {
            return Err(Error::Cancelled);
        }
        if decoder.send((!ended).then_some(&packet)).is_err() {
            damage.decode_errors += 1;
        }
        let mut refusals = 0;
        loop {
            match decoder.receive() {
                Ok(Some(frame)) => scanned.take(&frame, damage),
                Ok(None) => break,
                Err(_) => {
                    damage.decode_errors += 1;
                    refusals += 1;
                    if refusals > MAX_REFUSALS {
                        break;
                    }
                }
            }
        }
        if care == Care::Strict && (damage.decode_errors, damage.corrupt_count) != (0, 0) {
            *damage = before;
            return Ok(None);
        }
    }
    if !damage.is_empty() {
        damage.words(mark.lines());
    }
    Ok(Some(scanned))
}
