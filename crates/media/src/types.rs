//! What is known of a source before a frame is decoded.

use cleanplate_core::{ColorInfo, PixelFormat, Scan};
use serde::{Deserialize, Serialize};

/// An exact fraction: a time base (seconds a tick), a rate or an aspect ratio.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Rational {
    /// Numerator.
    pub num: i32,
    /// Denominator; 0 where unknown.
    pub den: i32,
}

impl Rational {
    /// The fraction `num / den`.
    pub const fn new(num: i32, den: i32) -> Self {
        Self { num, den }
    }

    /// The fraction as a number; 0 where the denominator is 0.
    pub fn value(self) -> f64 {
        if self.den == 0 { 0.0 } else { f64::from(self.num) / f64::from(self.den) }
    }

    /// `ticks` of this time base in seconds.
    pub fn seconds(self, ticks: i64) -> f64 {
        ticks as f64 * self.value()
    }
}

/// A family of containers, as far as what they can carry differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Container {
    /// MPEG-4 part 14 (`.mp4`, `.m4v`).
    Mp4,
    /// QuickTime (`.mov`).
    Mov,
    /// Matroska (`.mkv`).
    Mkv,
    /// WebM (`.webm`).
    Webm,
    /// MPEG transport stream (`.ts`, `.m2ts`, `.mts`).
    Ts,
    /// MPEG program stream (`.mpg`, `.vob`).
    Mpg,
    /// Audio Video Interleave (`.avi`).
    Avi,
    /// Flash video (`.flv`).
    Flv,
    /// Ogg (`.ogv`, `.ogg`).
    Ogg,
    /// A bare stream of H.264, HEVC, MPEG-2 ... without a container (`.264`, `.h265`, `.m2v`).
    Raw,
}

/// What a stream carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StreamKind {
    /// Moving pictures.
    Video,
    /// A still picture that belongs to the file (cover art).
    Picture,
    /// Sound.
    Audio,
    /// Subtitles.
    Subtitle,
    /// Time codes, markers, telemetry.
    Data,
    /// Fonts and other files inside the file.
    Attachment,
    /// Anything else.
    Unknown,
}

/// A video stream's picture.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VideoParams {
    /// Columns of the coded picture as shown before rotation.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// Layout of the samples, `None` where this engine cannot carry libav's format natively.
    pub format: Option<PixelFormat>,
    /// libav's name of the sample format.
    pub pix_fmt: String,
    /// Colour tags.
    pub color: ColorInfo,
    /// Sample aspect ratio, 0/1 where unknown.
    pub sar: Rational,
    /// How rows are captured, by the stream's header.
    pub scan: Scan,
    /// Nominal frames a second as libav guesses; never used for timing.
    pub frame_rate: Rational,
    /// Degrees to turn the picture clockwise for display, 0, 90, 180 or 270, and whether it is then mirrored.
    pub rotation: (u32, bool),
    /// libav's number of the profile, below 0 where unknown.
    pub profile: i32,
    /// Frames that the decoder delays at most.
    pub reorder: u32,
    /// Bits a second that the container or codec states, 0 where unknown.
    pub bit_rate: i64,
}

/// One stream of a source.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StreamInfo {
    /// Position in the file, from 0.
    pub index: usize,
    /// What it carries.
    pub kind: StreamKind,
    /// libav's name of the codec (`h264`, `aac`, `none` ...).
    pub codec: String,
    /// Seconds a tick.
    pub time_base: Rational,
    /// Key and value as the container gives them (language and title among them).
    pub metadata: Vec<(String, String)>,
    /// libav's names of the dispositions that are set (`default`, `forced` ...).
    pub disposition: Vec<String>,
    /// Packets counted.
    pub packets: u64,
    /// Bytes of their payload.
    pub bytes: u64,
    /// First presentation time in ticks, `None` without packets or times.
    pub start: Option<i64>,
    /// End of the last packet in ticks, `None` without packets or times.
    pub end: Option<i64>,
    /// SHA-256 over the payload of all packets in file order.
    pub sha256: String,
    /// libav's names of the kinds of side data that the stream carries.
    pub side_data: Vec<String>,
    /// The picture, where `kind` is `Video` or `Picture`.
    pub video: Option<VideoParams>,
    /// Samples a second and channels, where `kind` is `Audio`.
    pub audio: Option<(u32, u32)>,
}

/// A chapter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Chapter {
    /// The number that the container gives it.
    pub id: i64,
    /// Seconds a tick.
    pub time_base: Rational,
    /// First tick.
    pub start: i64,
    /// First tick after it.
    pub end: i64,
    /// Key and value, the title among them.
    pub metadata: Vec<(String, String)>,
}

/// What is in a file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SourceInfo {
    /// The family of its container.
    pub container: Container,
    /// libav's name of the demuxer.
    pub demuxer: String,
    /// Bytes of the file.
    pub size: u64,
    /// Every stream, in file order.
    pub streams: Vec<StreamInfo>,
    /// Every chapter.
    pub chapters: Vec<Chapter>,
    /// Key and value of the whole file.
    pub metadata: Vec<(String, String)>,
    /// Position of the video stream that is worked on.
    pub video: usize,
}

impl SourceInfo {
    /// The video stream that is worked on.
    pub fn video_stream(&self) -> Option<&StreamInfo> {
        self.streams.get(self.video)
    }
}
