//! What a job looks at, frame by frame and in any order: the worked-on track of a video, or pictures in files.
//!
//! Refuses to know where the frames come from and what is done to them.

use cleanplate_core::{Frame, FrameIdx};
use cleanplate_media::{Rational, VideoReader};

use crate::error::Result;
use crate::marks::Clip;
use crate::prepare::Opened;

/// Frames of one size in a known order.
pub(crate) trait Footage {
    /// Times, size, rotation and layout of the frames.
    fn clip(&self) -> &Clip;

    /// Whether frame `idx` can be reached without decoding others.
    fn is_key(&self, idx: FrameIdx) -> bool;

    /// A reader of the frames. `threads` 0 lets the decoder choose; it never shows in the frames.
    fn frames(&self, threads: u32) -> Result<Box<dyn Frames + '_>>;

    /// Seconds a tick of the frames' times, and nominal frames a second.
    fn rates(&self) -> (Rational, Rational);

    /// Seconds by which the first frame is later than the beginning of the file that it is from.
    fn lead(&self) -> f64 {
        0.0
    }

    /// When frame `idx` is shown, or after the last one when that ends, in seconds from the first one.
    fn time(&self, idx: FrameIdx) -> f64 {
        let starts = &self.clip().starts;
        // Where nothing is known of it, the last frame takes as long as the one before.
        let after = || match starts.as_slice() {
            [.., before, last] => 2.0 * last - before,
            _ => 0.0,
        };
        starts.get(idx as usize).copied().unwrap_or_else(after)
    }

    /// Number of frames.
    fn count(&self) -> FrameIdx {
        self.clip().starts.len() as FrameIdx
    }
}

/// Reads frames of a [`Footage`] from any place; rising positions are the cheap order.
pub(crate) trait Frames {
    /// Frame `idx`; `None` after the last one.
    fn at(&mut self, idx: FrameIdx) -> Result<Option<Frame>>;
}

impl Footage for Opened {
    fn clip(&self) -> &Clip {
        &self.clip
    }

    fn is_key(&self, idx: FrameIdx) -> bool {
        self.source.index().frames.get(idx as usize).is_some_and(|f| f.key)
    }

    fn rates(&self) -> (Rational, Rational) {
        let video = self.source.info().video_stream().and_then(|s| s.video.as_ref());
        let rate = video.map(|v| v.frame_rate).filter(|r| r.num > 0 && r.den > 0);
        (self.source.index().time_base, rate.unwrap_or(Rational::new(25, 1)))
    }

    fn lead(&self) -> f64 {
        let index = self.source.index();
        let starts = self.source.info().streams.iter().filter_map(|s| Some(s.time_base.seconds(s.start?)));
        // What lies before 0 is what audio decoders need to begin: players do not count it.
        let first = starts.fold(f64::INFINITY, f64::min).max(0.0);
        let own = index.frames.first().map_or(0.0, |frame| index.time_base.seconds(frame.pts));
        if first.is_finite() { (own - first).max(0.0) } else { 0.0 }
    }

    fn time(&self, idx: FrameIdx) -> f64 {
        let index = self.source.index();
        let first = index.frames.first().map_or(0, |frame| frame.pts);
        let end = || index.frames.last().map_or(0, |frame| frame.pts + frame.duration);
        let ticks = index.frames.get(idx as usize).map_or_else(end, |frame| frame.pts);
        index.time_base.seconds(ticks - first)
    }

    fn frames(&self, threads: u32) -> Result<Box<dyn Frames + '_>> {
        Ok(Box::new(Track { reader: self.source.reader(threads)?, next: 0 }))
    }
}

struct Track {
    reader: VideoReader,
    next: FrameIdx,
}

impl Frames for Track {
    fn at(&mut self, idx: FrameIdx) -> Result<Option<Frame>> {
        if idx != self.next {
            self.reader.seek(idx)?;
        }
        let frame = self.reader.read()?;
        self.next = idx + u64::from(frame.is_some());
        Ok(frame)
    }
}
