//! The walk of pass 1 over all frames: every n-th one is shown to a text detector, several at once, while the next ones are decoded.

use cleanplate_core::caption::Seen;
use cleanplate_core::{Frame, FrameIdx, Raster};

use crate::error::{Error, Result};
use crate::footage::Footage;
use crate::grid::Grid;
use crate::line::beside;
use crate::texts::TextDetector;
use crate::watch::Watch;
use crate::window::small;

/// Frames that wait for a detector or are looked at by it take so many bytes at most, beyond one of each.
const HELD_BYTES: u64 = 192 << 20;

/// What is known of a frame.
pub(crate) struct Look {
    pub(crate) idx: FrameIdx,
    /// Mean luma of every cell.
    pub(crate) luma: Raster<u8>,
    /// As [`small`] makes it.
    pub(crate) small: Vec<f32>,
    /// What the detector says of it, where it was asked.
    pub(crate) seen: Option<Seen>,
}

/// Whether the detector is asked about frame `idx` of `count`: about every `every`th, and the last.
pub(crate) const fn is_looked_at(idx: FrameIdx, every: u64, count: FrameIdx) -> bool {
    idx.is_multiple_of(if every > 0 { every } else { 1 }) || idx + 1 == count
}

/// A frame that waits for the detector, or that is not shown to it.
struct Waiting {
    idx: FrameIdx,
    luma: Raster<u8>,
    small: Vec<f32>,
    is_asked: bool,
}

/// Frames in order up to one more than a batch of the detector takes: what is known of each, and those that it is shown.
#[derive(Default)]
struct Batch {
    waiting: Vec<Waiting>,
    frames: Vec<Frame>,
}

/// Shows every `every`th frame of `footage`, and the last, to `detector`, and hands all of them out in order.
///
/// How many frames the detector takes at once never shows.
pub(crate) fn look(
    footage: &dyn Footage,
    (detector, grid): (&mut dyn TextDetector, Grid),
    (every, threads): (u64, u32),
    watch: &mut Watch<'_>,
    see: &mut dyn FnMut(Look, &mut Watch<'_>) -> Result<()>,
) -> Result<()> {
    let (clip, count) = (footage.clip(), footage.count());
    let fit = HELD_BYTES / 2 / clip.format.bytes(clip.size.0, clip.size.1).max(1);
    let most = detector.batch().min(usize::try_from(fit).unwrap_or(usize::MAX)).max(1);
    let mut reader = footage.frames(threads)?;
    let mut next: FrameIdx = 0;
    let mut read = |watch: &mut Watch<'_>| -> Result<Batch> {
        let mut batch = Batch::default();
        while next < count && batch.frames.len() < most {
            let Some(frame) = reader.at(next)? else {
                next = count;
                break;
            };
            let is_asked = is_looked_at(next, every, count);
            batch.waiting.push(Waiting { idx: next, luma: grid.luma(&frame), small: small(&frame), is_asked });
            if is_asked {
                batch.frames.push(frame);
            }
            next += 1;
            if watch.progress(next).is_break() {
                return Err(Error::Cancelled);
            }
        }
        Ok(batch)
    };
    let mut batch = read(watch)?;
    while !batch.waiting.is_empty() {
        let Batch { waiting, frames } = batch;
        let asked = || if frames.is_empty() { Ok(Vec::new()) } else { detector.see(&frames) };
        let (said, following) = beside("text-network", asked, || read(watch))?;
        batch = following?;
        let mut said = said?.into_iter();
        for Waiting { idx, luma, small, is_asked } in waiting {
            let seen = if is_asked { said.next() } else { None };
            see(Look { idx, luma, small, seen }, watch)?;
        }
    }
    Ok(())
}
