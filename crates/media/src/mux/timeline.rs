//! Decoding times for the new video stream. Segments are encoded apart, each with decoding times of its own guess; joined,
//! they need one sequence that never steps back. It knows presentation times and the decoder's delay, nothing else.

use std::collections::VecDeque;

use crate::error::{Error, Result};

/// Gives each packet, in decoding order, its decoding time: the presentation time of the frame `delay` places before it in
/// presentation order (ISO/IEC 14496-10, C.4.5: a picture leaves the decoder once `delay` others wait). The first `delay`
/// packets lie before the first frame, spaced as the first two frames are.
#[derive(Debug)]
pub(crate) struct DecodeTimes<I> {
    shown: I,
    lead: VecDeque<i64>,
    first: i64,
}

impl<I: Iterator<Item = i64>> DecodeTimes<I> {
    /// `shown` are the presentation times of all frames, ascending, `first` the first of them, `step` the ticks before it
    /// that a decoding time takes.
    pub(crate) fn new(shown: I, first: i64, delay: usize, step: i64) -> Self {
        let lead: VecDeque<i64> = (1..=delay as i64).rev().map(|k| first - k * step.max(1)).collect();
        let first = lead.front().copied().unwrap_or(first);
        Self { shown, lead, first }
    }

    /// The first decoding time.
    pub(crate) fn first(&self) -> i64 {
        self.first
    }

    /// Moves the first decoding time to `latest` at the latest.
    pub(crate) fn begin_by(mut self, latest: i64) -> Self {
        if self.first > latest {
            self.first = latest;
            match self.lead.front_mut() {
                Some(first) => *first = latest,
                None => {
                    self.lead.push_front(latest);
                    self.shown.next();
                }
            }
        }
        self
    }

    /// The decoding time of the next packet, which is shown at `pts`.
    ///
    /// # Errors
    /// Where there are more packets than frames, or a packet is shown before it can be decoded: the delay was wrong.
    pub(crate) fn next(&mut self, pts: i64) -> Result<i64> {
        let dts = self.lead.pop_front().or_else(|| self.shown.next());
        let dts = dts.ok_or_else(|| Error::Internal("more packets than frames".into()))?;
        if dts > pts {
            return Err(Error::Internal(format!(
                "a packet shown at {pts} is decoded at {dts}: more reordering than stated"
            )));
        }
        Ok(dts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decoding_times_ascend_across_segments_and_never_pass_presentation() {
        // Two segments of IBBP with irregular times; 4 frames each.
        let shown = [0, 40, 70, 150, 151, 300, 301, 302];
        let decode = [0, 150, 40, 70, 151, 302, 300, 301];
        let mut times = DecodeTimes::new(shown.into_iter(), 0, 2, 40);
        let got: Vec<i64> = decode.iter().map(|pts| times.next(*pts).unwrap()).collect();
        assert_eq!(got, [-80, -40, 0, 40, 70, 150, 151, 300]);
        assert!(times.next(303).is_ok() && times.next(304).is_ok() && times.next(305).is_err());
    }

    #[test]
    fn too_small_a_delay_is_a_defect_not_a_silent_shift() {
        let mut times = DecodeTimes::new([0, 10, 20].into_iter(), 0, 0, 10);
        assert!(times.next(0).is_ok());
        assert!(times.next(20).is_ok());
        assert!(times.next(10).is_err());
    }

    #[test]
    fn the_first_time_can_be_moved_ahead() {
        for (delay, want) in [(0, [-5, 110]), (1, [-5, 100])] {
            let mut times = DecodeTimes::new([100, 110].into_iter(), 100, delay, 10).begin_by(-5);
            assert_eq!([times.next(110).unwrap(), times.next(110).unwrap()], want);
        }
    }
}
