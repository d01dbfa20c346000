//! Times on their way through an encoder: in the source's ticks on both sides, whatever the encoder counts in.

use std::collections::HashMap;

use crate::error::{Error, Result};

/// Remembers the times of the frames of a segment and gives them to the packets.
///
/// Decoding times are the presentation times in order, moved by the encoder's delay: packet `n` is decoded when frame
/// `n - delay` is shown. That is valid for any stream whose pictures wait for at most `delay` others, keeps irregular
/// times, and lets a joiner go on counting over a border.
#[derive(Debug)]
pub(super) struct Times {
    counted: bool,
    delay: usize,
    shown: Vec<(i64, i64)>,
    by_tick: HashMap<i64, usize>,
    packets: usize,
}

impl Times {
    /// For an encoder that is given the source's ticks or, where `counted`, the number of the frame.
    pub(super) fn new(counted: bool, delay: usize) -> Self {
        Self { counted, delay, shown: Vec::new(), by_tick: HashMap::new(), packets: 0 }
    }

    /// Takes the time of the next frame and answers with the tick that the encoder is given.
    ///
    /// # Errors
    /// Where times do not rise: no container could keep such frames apart.
    pub(super) fn enter(&mut self, pts: i64, duration: i64) -> Result<i64> {
        if let Some((last, _)) = self.shown.last()
            && *last >= pts
        {
            return Err(Error::Internal(format!("frame at tick {pts} follows one at tick {last}")));
        }
        let tick = if self.counted { self.shown.len() as i64 } else { pts };
        self.by_tick.insert(tick, self.shown.len());
        self.shown.push((pts, duration));
        Ok(tick)
    }

    /// Presentation time, decoding time and duration of the packet that the encoder calls `tick`.
    ///
    /// # Errors
    /// Where the encoder invents a time, or reorders further than it has said.
    pub(super) fn leave(&mut self, tick: i64) -> Result<(i64, i64, i64)> {
        let frame = self.by_tick.remove(&tick);
        let frame =
            frame.ok_or_else(|| Error::Backend(format!("the encoder wrote a packet at unknown tick {tick}")))?;
        let (pts, duration) = self.shown[frame];
        let dts = match self.packets.checked_sub(self.delay) {
            Some(earlier) => self.shown[earlier].0,
            None => {
                let (first, tick) = self.shown[0];
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
