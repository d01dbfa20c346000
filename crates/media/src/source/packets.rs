//! Every packet of every stream in file order, for those who copy streams.

use std::path::Path;

use super::Limits;
use super::demux::Demuxer;
use crate::av::{Packet, ffi};
use crate::error::Result;

/// A reader of a file's packets with libav's own times.
pub struct PacketReader {
    demuxer: Demuxer,
}

impl PacketReader {
    pub(crate) fn open(path: &Path, limits: &Limits) -> Result<Self> {
        Ok(Self { demuxer: Demuxer::open(path, limits)? })
    }

    /// The next packet; its `stream_index` is the position of its stream. `None` at the end.
    ///
    /// # Errors
    /// Where the disk fails or a packet exceeds the limits. What the container itself cannot give is skipped, as it was
    /// when the source was opened.
    #[allow(clippy::should_implement_trait)] // fallible and lending nothing: not an Iterator of Results that goes on
    pub fn next(&mut self) -> Result<Option<Packet>> {
        let mut packet = Packet::new().map_err(|e| crate::Error::Backend(format!("cannot make a packet: {e}")))?;
        Ok(self.demuxer.read(&mut packet)?.then_some(packet))
    }

    /// Bytes of the file read so far, about.
    pub fn position(&self) -> u64 {
        self.demuxer.position()
    }

    /// libav's demuxing context: metadata, chapters, programs.
    pub fn context(&self) -> &ffi::AVFormatContext {
        self.demuxer.context()
    }

    /// libav's streams, in file order: side data, dispositions, attached pictures. A stream that shows up only later in the
    /// file is missing here until its first packet came.
    pub fn streams(&self) -> impl ExactSizeIterator<Item = &ffi::AVStream> {
        // SAFETY: pointers to streams of the open context, alive as long as self.
        self.demuxer.streams().iter().map(|stream| unsafe { &**stream })
    }
}
