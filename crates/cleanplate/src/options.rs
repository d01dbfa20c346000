//! What a user asks for. The command line, HTTP and programs fill the same structure.

use std::collections::BTreeSet;
use std::path::PathBuf;

use cleanplate_core::{Origin, Repeats};
use cleanplate_infer::{CARD_SHARE, Overrides};
use serde::{Deserialize, Serialize};

use crate::devices::DeviceOptions;
use crate::region::Region;
use crate::times::{Length, Times};
use crate::upscale::Condition;

/// One job: a source, a target and what to do between.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Job {
    /// A video, an image, a folder, or a pattern of numbered images (`frame_%04d.png`).
    pub input: PathBuf,
    /// What to write: of the same kind as the input.
    pub output: PathBuf,
    /// How.
    pub options: Options,
}

/// A tier of restoration that may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tier {
    /// Compute a semi-transparent mark away: the source's own pixels.
    Unblend,
    /// Take what other frames of the shot show there.
    Borrow,
    /// Make up what is missing from the surroundings in the same frame.
    Fill,
}

impl Tier {
    /// Every tier this version has, the truest first.
    pub const ALL: [Self; 3] = [Self::Unblend, Self::Borrow, Self::Fill];

    /// Its name in flags, plans and reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unblend => "unblend",
            Self::Borrow => "borrow",
            Self::Fill => "fill",
        }
    }

    /// The origin of the pixels it settles.
    pub const fn origin(self) -> Origin {
        match self {
            Self::Unblend => Origin::Unblended,
            Self::Borrow => Origin::Borrowed,
            Self::Fill => Origin::Invented,
        }
    }
}

impl std::str::FromStr for Tier {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|tier| tier.name() == text).ok_or_else(|| {
            let names: Vec<&str> = Self::ALL.iter().map(|tier| tier.name()).collect();
            format!("tier {text:?} is not one of {}", names.join(", "))
        })
    }
}

/// What is removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Target {
    /// Logos and watermarks.
    #[default]
    Marks,
    /// Burned-in subtitles and other text that comes and goes.
    Captions,
    /// Both.
    All,
    /// Only what is drawn or named.
    Nothing,
}

impl Target {
    /// Whether marks are removed.
    pub const fn marks(self) -> bool {
        matches!(self, Self::Marks | Self::All)
    }

    /// What is looked for, and how the user may help where none is found.
    pub(crate) const fn sought(self) -> (&'static str, &'static str) {
        match self {
            Self::Marks => ("mark", " (name the place with --region)"),
            Self::Captions => ("caption", ""),
            Self::All => ("mark and no caption", " (name a mark's pixels with --mask)"),
            Self::Nothing => ("mark", " (none was asked for)"),
        }
    }

    /// Whether captions are removed.
    pub const fn captions(self) -> bool {
        matches!(self, Self::Captions | Self::All)
    }
}

/// How captions are looked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CaptionOptions {
    /// The text network looks at every so many frames.
    pub every: u32,
    /// What is shown for less is no caption.
    pub min_duration: Length,
    /// A DBNet-type text detector as ONNX that looks instead of the built-in network.
    pub network: Option<PathBuf>,
}

impl Default for CaptionOptions {
    fn default() -> Self {
        Self { every: 2, min_duration: Length::Seconds(0.25), network: None }
    }
}

/// How large the new picture is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NewSize {
    /// So many times as large on both sides, at least 1.
    Scale(f64),
    /// So many columns and rows, as displayed; one that is left out follows from the picture's shape.
    Fit {
        /// Columns.
        width: Option<u32>,
        /// Rows.
        height: Option<u32>,
    },
}

/// What enlarges.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UpscaleModel {
    /// A small network that the program brings.
    #[default]
    Fast,
    /// A larger one that it brings: sharper, and several times as slow.
    Quality,
    /// A network of the user's, as ONNX: a picture in, the same picture larger out.
    File(PathBuf),
}

/// How the picture is enlarged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct UpscaleOptions {
    /// To which size.
    pub size: NewSize,
    /// By what.
    pub model: UpscaleModel,
    /// What the source has been through, for the built-in networks; `None`: as its quantiser or its codec tells.
    pub condition: Option<Condition>,
    /// What the user knows of a [network of theirs](UpscaleModel::File), and what trying it would tell otherwise.
    pub overrides: Overrides,
    /// Samples a side of what goes through the network at once; `None` suits the machine's caches.
    pub tile: Option<u32>,
    /// Which frames are computed once.
    pub repeats: Repeats,
}

impl Default for UpscaleOptions {
    fn default() -> Self {
        Self {
            size: NewSize::Scale(2.0),
            model: UpscaleModel::default(),
            condition: None,
            overrides: Overrides::default(),
            tile: None,
            repeats: Repeats::default(),
        }
    }
}

/// How much of the finished file is checked before it takes its name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum VerifyMode {
    /// Every encoded frame is decoded again besides what `Packets` checks.
    #[default]
    Full,
    /// Structure, counts, timestamps and the hashes of copied packets.
    Packets,
}

/// How the worked-on track is encoded. `None` and empty mean: as the source.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct EncodeOptions {
    /// A codec (`h264`, `hevc`, `av1`, `ffv1`, `prores`, `mpeg2video`) or libav's name of an encoder.
    pub codec: Option<String>,
    /// Constant quality on the encoder's own scale.
    pub crf: Option<f32>,
    /// The encoder's speed preset.
    pub preset: Option<String>,
    /// libav's name of a sample format.
    pub pix_fmt: Option<String>,
    /// The encoder's own options.
    pub extra: Vec<(String, String)>,
    /// Encoder threads; `None` takes what the encoder would take by default on this machine. Decides bits, and is pinned in
    /// the plan.
    pub threads: Option<u32>,
}

/// A user's detector and how its boxes become marks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DetectOptions {
    /// A YOLO-type network as ONNX.
    pub network: Option<PathBuf>,
    /// The least score of a box that counts, 0..=1.
    pub min_score: f32,
    /// How long a mark is held before it is first and after it is last seen.
    pub persistence: Length,
    /// A mark that is seen again at its place within this time was there all the time.
    pub accumulate: Length,
    /// Over a gap of at most this length a box moves evenly; over a longer one it covers both ends.
    pub max_gap: Length,
    /// The detector looks at every so many frames.
    pub every: u32,
    /// Frames that a detector of marks or of text takes at once at most; `None` is chosen by the machine. Never shows in what it sees.
    pub batch: Option<usize>,
}

impl Default for DetectOptions {
    fn default() -> Self {
        Self {
            network: None,
            min_score: 0.10,
            persistence: Length::Frames(18),
            accumulate: Length::Seconds(2.0),
            max_gap: Length::Frames(5),
            every: 1,
            batch: None,
        }
    }
}

/// Everything a user can say about a job. `Default` is what the command does without flags.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Options {
    /// Rectangles in which a mark lies, and named places (`bottom`) in which marks are looked for.
    pub regions: Vec<Region>,
    /// Rectangles to be filled whole.
    pub fill_regions: Vec<Region>,
    /// Gray pictures of the displayed size: white is the mark.
    pub masks: Vec<PathBuf>,
    /// A gray video of the displayed size, frame for frame: white is the mark.
    pub mask_video: Option<PathBuf>,
    /// Mattes that were solved before on clips of the same size and format (`.matte`), and pictures of marks with their
    /// opacity: of the displayed size, or smaller ones that are looked for in the clip.
    pub mattes: Vec<PathBuf>,
    /// What is looked for; what is drawn or named otherwise than by `regions` is removed in any case.
    pub target: Target,
    /// How captions are looked for.
    pub captions: CaptionOptions,
    /// A network that finds the marks.
    pub detect: DetectOptions,
    /// Rectangles that are never touched; they win over everything.
    pub keep_regions: Vec<Region>,
    /// Nothing is touched at other times.
    pub only: Option<Times>,
    /// Pixels by which found masks, boxes of a detector and given masks grow on every side; `None` is 3 for found ones, 0 for
    /// given ones.
    pub dilate: Option<u32>,
    /// An inpainting network as ONNX that fills instead of the spatial fill.
    pub fill_model: Option<PathBuf>,
    /// Crops that such a network is shown at once at most; `None` is as many as suit the machine.
    pub fill_batch: Option<usize>,
    /// Tiers that may be used.
    pub tiers: BTreeSet<Tier>,
    /// How the picture is enlarged; `None` leaves its size.
    pub upscale: Option<UpscaleOptions>,
    /// The output is a folder that gets every frame as a PNG file, and no video is written.
    pub frames: bool,
    /// The video track worked on, by its number in the file; `None` is libav's default.
    pub stream: Option<usize>,
    /// How it is encoded.
    pub encode: EncodeOptions,
    /// Where the stages run.
    pub devices: DeviceOptions,
    /// Streams that the target cannot carry are left out instead of an error.
    pub drop_streams: bool,
    /// Kinds of loss consented to (`alpha`, `hdr-dynamic`, `captions` ...).
    pub accept_loss: BTreeSet<String>,
    /// Checks before the output takes its name.
    pub verify: VerifyMode,
    /// An existing output is replaced.
    pub overwrite: bool,
    /// Where the state of the job lies; `None` is `.OUT.cleanplate/` beside the output.
    pub work_dir: Option<PathBuf>,
    /// Finished segments of an earlier run are used.
    pub resume: bool,
    /// Where nothing is found the input's packets are copied instead of an error.
    pub copy_if_clean: bool,
    /// A report as JSON is written there.
    pub report: Option<PathBuf>,
    /// A video (FFV1, gray) of every pixel's origin is written there.
    pub origin_map: Option<PathBuf>,
    /// A video (FFV1, gray) of the masks is written there.
    pub mask_out: Option<PathBuf>,
    /// The matte of the mark that has one is written there; where several have, each with the mark's number in its name.
    pub matte_out: Option<PathBuf>,
    /// Times and boxes of the captions are written there, as SRT or ASS with empty text.
    pub captions_out: Option<PathBuf>,
    /// The plan is written there.
    pub plan_out: Option<PathBuf>,
    /// The plan is read from there instead of being made.
    pub plan_in: Option<PathBuf>,
    /// Everything but the rendering and writing.
    pub dry_run: bool,
    /// Where the library of ONNX Runtime may lie, the likeliest first; without one networks run on the embedded runtime.
    pub onnx_runtimes: Vec<PathBuf>,
    /// Where a plug-in of it that reaches any GPU may lie, the likeliest first.
    pub runtime_plugins: Vec<PathBuf>,
    /// Where what was found out about devices and networks is kept between jobs; `None` keeps nothing.
    pub cache: Option<PathBuf>,
    /// Share of a card's memory that may be taken, 0..=1.
    pub card_share: f64,
    /// Decoders that work at once, each on segments of its own; `None` is as many as the device has engines. Never shows in the pixels.
    pub decoders: Option<u32>,
    /// Frames that wait between stages at most; `None` is chosen by the card's memory, and without a card by `queue_bytes`. Never shows in the
    /// pixels.
    pub window: Option<usize>,
    /// Decoder threads; `None` is one per core. Never shows in the pixels.
    pub decoder_threads: Option<u32>,
    /// Bytes of frames that wait between stages at most; `None` is 64 MiB, or what the window takes. Never shows in the pixels.
    pub queue_bytes: Option<u64>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            regions: Vec::new(),
            fill_regions: Vec::new(),
            masks: Vec::new(),
            mask_video: None,
            mattes: Vec::new(),
            target: Target::default(),
            captions: CaptionOptions::default(),
            detect: DetectOptions::default(),
            keep_regions: Vec::new(),
            only: None,
            dilate: None,
            fill_model: None,
            fill_batch: None,
            tiers: Tier::ALL.into(),
            upscale: None,
            frames: false,
            stream: None,
            encode: EncodeOptions::default(),
            devices: DeviceOptions::default(),
            drop_streams: false,
            accept_loss: BTreeSet::new(),
            verify: VerifyMode::Full,
            overwrite: false,
            work_dir: None,
            resume: true,
            copy_if_clean: false,
            report: None,
            origin_map: None,
            mask_out: None,
            matte_out: None,
            captions_out: None,
            plan_out: None,
            plan_in: None,
            dry_run: false,
            onnx_runtimes: Vec::new(),
            runtime_plugins: Vec::new(),
            cache: None,
            card_share: CARD_SHARE,
            decoders: None,
            window: None,
            decoder_threads: None,
            queue_bytes: None,
        }
    }
}

impl Options {
    /// Whether the user said exactly where some mark is, or who knows. A named place (`bottom`) only says where to look.
    pub fn names_marks(&self) -> bool {
        // Captions are bound by regions, and marks are where regions are.
        let exact = self.target.marks() && self.regions.iter().any(|region| !region.is_named());
        let drawn = !self.masks.is_empty() || self.mask_video.is_some() || !self.mattes.is_empty();
        exact || drawn || !self.fill_regions.is_empty() || self.detect.network.is_some()
    }

    /// Whether marks have to be located: everywhere where nothing was said, else in the named places. A detector does that
    /// instead.
    pub fn looks_for_marks(&self) -> bool {
        let is_asked = !self.names_marks() || self.regions.iter().any(Region::is_named);
        self.target.marks() && is_asked && self.detect.network.is_none()
    }
}
