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
