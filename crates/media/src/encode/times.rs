//! Times on their way through an encoder, which counts frames, while both sides of it speak of the source's ticks.
//!
//! Encoders are told a constant rate: a source's time base as the rate would end in the stream's headers (90,000 frames a
//! second for every transport stream) and in their rate control.

use crate::error::{Error, Result};

/// Remembers the times of the frames of a segment and gives them to the packets.
///
/// Decoding times are the presentation times in order, moved by the encoder's delay: packet `n` is decoded when frame
/// `n - delay` is shown. That is valid for any stream whose pictures wait for at most `delay` others, keeps irregular
/// times, and lets a joiner go on counting over a border.
#[derive(Debug)]
pub(super) struct Times {
    delay: usize,
    /// Presentation time and duration of every frame, and whether its packet is still to come.
    shown: Vec<(i64, i64, bool)>,
    packets: usize,
}

impl Times {
    /// For an encoder that reorders by at most `delay` frames.
    pub(super) fn new(delay: usize) -> Self {
        Self { delay, shown: Vec::new(), packets: 0 }
    }

    /// Takes the time of the next frame and answers with its number, from 0: what the encoder is given as its time.
    ///
    /// # Errors
    /// Where times do not rise: no container could keep such frames apart.
    pub(super) fn enter(&mut self, pts: i64, duration: i64) -> Result<i64> {
        if let Some((last, ..)) = self.shown.last()
            && *last >= pts
        {
            return Err(Error::Internal(format!("frame at tick {pts} follows one at tick {last}")));
        }
        self.shown.push((pts, duration, true));
        Ok(self.shown.len() as i64 - 1)
    }

    /// Presentation time, decoding time and duration of the packet of frame `number`.
    ///
    /// # Errors
    /// Where the encoder invents or repeats a frame, or reorders further than it has said.
    pub(super) fn leave(&mut self, number: i64) -> Result<(i64, i64, i64)> {
        let unknown =
            || Error::Backend(format!("the encoder wrote a packet of a frame that it was not given ({number})"));
        let frame = usize::try_from(number).ok().and_then(|at| self.shown.get_mut(at)).ok_or_else(unknown)?;
        if !std::mem::take(&mut frame.2) {
            return Err(Error::Backend(format!("the encoder wrote frame {number} twice")));
        }
        let (pts, duration, _) = *frame;
        let dts = match self.packets.checked_sub(self.delay) {
            Some(earlier) => self.shown[earlier].0,
            None => {
                let (first, tick, _) = self.shown[0];
                first - (self.delay - self.packets) as i64 * tick.max(1)
            }
        };
        self.packets += 1;
        if dts > pts {
            return Err(Error::Backend(format!(
                "the encoder reorders further than its delay of {} frames (packet {})",
                self.delay, self.packets
            )));
        }
        Ok((pts, dts, duration))
    }

    /// Frames taken and packets given.
    pub(super) fn counts(&self) -> (usize, usize) {
        (self.shown.len(), self.packets)
    }
}
