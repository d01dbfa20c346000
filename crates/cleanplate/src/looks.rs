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

/// What is asked about a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    /// Nothing.
    Not,
    /// The detector is shown it.
    Shown,
    /// It has the samples of the last one that was shown, so that the answer is the same.
    Again,
}

/// A frame that waits for the detector, or that is not shown to it.
struct Waiting {
    idx: FrameIdx,
    luma: Raster<u8>,
    small: Vec<f32>,
    asked: Asked,
}

/// Frames that wait at most for each that is shown: screens that stand still repeat for long.
const WAITING: usize = 64;

/// Frames in order up to one more than a batch of the detector takes: what is known of each, and those that it is shown.
#[derive(Default)]
struct Batch {
    waiting: Vec<Waiting>,
    frames: Vec<Frame>,
}

/// Shows every `every`th frame of `footage`, and the last, to `detector`, and hands all of them out in order.
///
/// Frames that repeat the one that was shown last are not shown again. Neither that nor how many frames the detector takes at once shows.
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
    let (mut next, mut last): (FrameIdx, Option<Frame>) = (0, None);
    let mut read = |watch: &mut Watch<'_>| -> Result<Batch> {
        let mut batch = Batch::default();
        while next < count && batch.frames.len() < most && batch.waiting.len() < WAITING * most {
            let Some(frame) = reader.at(next)? else {
                next = count;
                break;
            };
            let asked = if !is_looked_at(next, every, count) {
                Asked::Not
            } else if last.as_ref().is_some_and(|last| last.has_samples_of(&frame)) {
                Asked::Again
            } else {
                Asked::Shown
            };
            batch.waiting.push(Waiting { idx: next, luma: grid.luma(&frame), small: small(&frame), asked });
            if asked == Asked::Shown {
                last = Some(frame.clone());
                batch.frames.push(frame);
            }
            next += 1;
            if watch.progress(next).is_break() {
                return Err(Error::Cancelled);
            }
        }
        Ok(batch)
    };
    let (mut batch, mut before) = (read(watch)?, None);
    while !batch.waiting.is_empty() {
        let Batch { waiting, frames } = batch;
        let asked = || if frames.is_empty() { Ok(Vec::new()) } else { detector.see(&frames) };
        let (said, following) = beside("text-network", asked, || read(watch))?;
        batch = following?;
        let mut said = said?.into_iter();
        for Waiting { idx, luma, small, asked } in waiting {
            if asked == Asked::Shown {
                before = said.next();
            }
            let seen = if asked == Asked::Not { None } else { before.clone() };
            see(Look { idx, luma, small, seen }, watch)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use cleanplate_core::{HostSurface, PixelFormat, Row, RowMut, Surface};
    use cleanplate_infer::{Machine, Net, Wishes, place};
    use cleanplate_media::Rational;

    use super::*;
    use crate::footage::Frames;
    use crate::marks::Clip;
    use crate::observer::{Phase, Silent};

    /// Frames of one level each.
    struct Levels(Vec<u8>, Clip);

    impl Footage for Levels {
        fn clip(&self) -> &Clip {
            &self.1
        }

        fn is_key(&self, idx: FrameIdx) -> bool {
            idx == 0
        }

        fn frames(&self, _threads: u32) -> Result<Box<dyn Frames + '_>> {
            Ok(Box::new(Reader(&self.0)))
        }

        fn rates(&self) -> (Rational, Rational) {
            (Rational::new(1, 25), Rational::new(25, 1))
        }
    }

    struct Reader<'a>(&'a [u8]);

    impl Frames for Reader<'_> {
        fn at(&mut self, idx: FrameIdx) -> Result<Option<Frame>> {
            let Some(level) = self.0.get(idx as usize) else { return Ok(None) };
            let mut surface = HostSurface::new(PixelFormat::GRAY8, 64, 48);
            for y in 0..48 {
                if let RowMut::U8(row) = surface.row_mut(0, y) {
                    row.fill(*level);
                }
            }
            Ok(Some(Frame::new(idx, idx as i64, 1, (64, 48), PixelFormat::GRAY8, Box::new(surface))))
        }
    }

    /// Sees the level of a frame, and counts what it is shown.
    struct Counting {
        net: Net,
        shown: usize,
        batch: usize,
    }

    impl TextDetector for Counting {
        fn net(&self) -> &Net {
            &self.net
        }

        fn batch(&self) -> usize {
            self.batch
        }

        fn see(&mut self, frames: &[Frame]) -> Result<Vec<Seen>> {
            self.shown += frames.len();
            let level = |frame: &Frame| match frame.row(0, 0) {
                Row::U8(row) => row[0],
                Row::U16(_) => 0,
            };
            let seen = |frame: &Frame| Raster::new(1, 1, level(frame));
            Ok(frames.iter().map(seen).map(|one| Seen { strokes: one.clone(), plates: one }).collect())
        }
    }

    #[test]
    fn frames_that_repeat_the_last_one_are_not_shown_again_and_get_its_answer() {
        let levels = vec![9, 9, 9, 40, 40, 9, 9, 70, 71, 71];
        let starts = (0..levels.len()).map(|n| n as f64 / 25.0).collect();
        let clip = Clip { starts, size: (64, 48), rotation: (0, false), format: PixelFormat::GRAY8 };
        let footage = Levels(levels.clone(), clip);
        let grid = Grid::new((64, 48), (0, false));
        for (batch, every, shown) in [(1, 1, 5), (3, 1, 5), (2, 2, 4), (20, 1, 5)] {
            let net = crate::segmenter::network(&place(&Machine::default(), Wishes::default())).unwrap();
            let (mut detector, mut told) = (Counting { net, shown: 0, batch }, Vec::new());
            let mut silent = Silent;
            let mut watch = Watch::new(&mut silent, vec![Phase::Analyse]);
            watch.begin(Phase::Analyse, 10, 0).unwrap();
            look(&footage, (&mut detector, grid), (every, 1), &mut watch, &mut |look, _| {
                told.push(look.seen.map(|seen| seen.strokes.at(0, 0)));
                Ok(())
            })
            .unwrap();
            let wanted: Vec<_> =
                (0..).zip(&levels).map(|(idx, level)| is_looked_at(idx, every, 10).then_some(*level)).collect();
            assert_eq!(told, wanted, "{batch} at once");
            assert_eq!(detector.shown, shown, "{batch} at once");
        }
    }
}
