//! A file as frames with exact time: index first, then decoding from any frame.
//!
//! Knows containers, packets and decoders. Trusts no declared count, rate or duration: every packet is read once when a
//! source is opened. Refuses to know what is done to the frames.

mod bitstream;
mod convert;
mod damage;
mod demux;
mod hardware;
mod index;
mod info;
mod io;
mod packets;
mod quantiser;
mod reader;
mod recipe;
mod scan;
mod survey;

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

pub use damage::Damage;
pub use hardware::{DECODERS, DecodeDevice, is_known_device};
pub use index::{FrameEntry, Index, Timing};
pub use packets::PacketReader;
pub use reader::VideoReader;

use crate::av::Parameters;
use crate::error::{Error, Result};
use crate::types::SourceInfo;

/// How much a file may ask for. The default lets real work through (8K, hours, dozens of streams) and stops files that
/// claim what they do not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Samples of the largest picture, columns times rows.
    pub max_pixels: u64,
    /// Streams.
    pub max_streams: usize,
    /// Packets of all streams together.
    pub max_packets: u64,
    /// Bytes of one packet.
    pub max_packet_bytes: u64,
    /// Bytes that probing may read.
    pub probe_bytes: u64,
    /// Microseconds of the streams that probing may look at.
    pub probe_microseconds: i64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_pixels: 8192 * 8192,
            max_streams: 256,
            max_packets: 50_000_000,
            max_packet_bytes: 256 << 20,
            probe_bytes: 32 << 20,
            probe_microseconds: 15_000_000,
        }
    }
}

/// How a source is opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OpenOptions {
    /// How much the file may ask for.
    pub limits: Limits,
    /// The video stream to work on, by position in the file; `None` for libav's choice of the default one.
    pub stream: Option<usize>,
}

/// Something in a stream that decoding does not give.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unread {
    /// As consent names it (`--accept-loss KIND`).
    pub kind: &'static str,
    /// In words.
    pub what: String,
}

/// An opened file: what is in it, the index of its frames, and readers from any place.
#[derive(Debug)]
pub struct Source {
    pub(crate) shared: Arc<survey::Survey>,
    device: Mutex<Option<Arc<DecodeDevice>>>,
}

impl Source {
    /// Opens a file, reads every packet once and lists the frames of the video stream that is worked on.
    ///
    /// `progress` is told how many bytes of how many are read; breaking ends with [`Error::Cancelled`](crate::Error).
    ///
    /// # Errors
    /// [`Input`](crate::Error::Input) where libav cannot read the file or it has no video that decodes,
    /// [`Limit`](crate::Error::Limit) where it exceeds a limit, [`Unsupported`](crate::Error::Unsupported) where the codec has
    /// no decoder here or the wanted stream is no video, [`Io`](crate::Error::Io) where the disk fails.
    pub fn open(
        path: &Path,
        options: &OpenOptions,
        progress: &mut dyn FnMut(u64, u64) -> ControlFlow<()>,
    ) -> Result<Self> {
        let mut survey = survey::take(path, options, progress)?;
        if survey.index.changes.is_empty() {
            let shared = Arc::new(survey);
            let mut reader = VideoReader::open(Arc::clone(&shared), 1)?;
            let first = reader.first_shape()?;
            let (seen, damage) = (reader.frame_side_data().clone(), reader.damage().clone());
            drop(reader);
            survey = Arc::into_inner(shared).ok_or_else(|| Error::Internal("a reader outlived its source".into()))?;
            survey.believe(first, seen, &damage)?;
        }
        Ok(Self { shared: Arc::new(survey), device: Mutex::new(None) })
    }

    /// Where the file was opened.
    pub fn path(&self) -> &Path {
        &self.shared.path
    }

    /// What is in it.
    pub fn info(&self) -> &SourceInfo {
        &self.shared.info
    }

    /// The frames of the stream that is worked on.
    pub fn index(&self) -> &Index {
        &self.shared.index
    }

    /// SHA-256, in hex, over the parameters and packets of all streams; neither path nor dates are part of it.
    pub fn digest(&self) -> &str {
        &self.shared.digest
    }

    /// What opening found broken.
    pub fn damage(&self) -> &Damage {
        &self.shared.damage
    }

    /// libav's names of the side data on the first frames: closed captions, HDR metadata, time codes ...
    pub fn frame_side_data(&self) -> &BTreeSet<String> {
        &self.shared.frame_side_data
    }

    /// What the worked-on stream holds that decoding does not give and a new encoding therefore loses, in words: alpha without
    /// a decoder for it, further layers.
    pub fn unread(&self) -> &[Unread] {
        &self.shared.unread
    }

    /// What the container says of a stream's codec. `None` where there is no such stream.
    pub fn parameters(&self, stream: usize) -> Option<&Parameters> {
        self.shared.parameters.get(stream)
    }

    /// A reader of the frames, at the first one. `threads` 0 lets libav choose; it never shows in the frames.
    ///
    /// # Errors
    /// As [`open`](Self::open); [`Unsupported`](crate::Error::Unsupported) where the picture changes its size or format on
    /// the way.
    pub fn reader(&self, threads: u32) -> Result<VideoReader> {
        let device = self.device().filter(|device| device.lost().is_none());
        VideoReader::on(Arc::clone(&self.shared), threads, device)
    }

    /// By how much predicted pictures that others lean on (P; I where there are none) were quantised in the stream that is worked on, on
    /// the scale of H.264 (0 to 51, 6 more for twice the step): the mean over some frames, which are decoded for it. `None` where that is
    /// not told: other codecs.
    ///
    /// # Errors
    /// As [`reader`](Self::reader).
    pub fn quantiser(&self) -> Result<Option<f32>> {
        quantiser::measured(&self.shared)
    }

    /// A reader of every packet of every stream in file order.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn packets(&self) -> Result<PacketReader> {
        PacketReader::open(&self.shared.path, &self.shared.limits)
    }
}

/// The path as users read it.
pub(crate) fn shown(path: &Path) -> String {
    PathBuf::from(path).display().to_string()
}

/// One stream of an open file, without what only its packets tell.
pub(crate) fn stream_info(stream: &crate::av::ffi::AVStream) -> crate::types::StreamInfo {
    info::stream(stream)
}
