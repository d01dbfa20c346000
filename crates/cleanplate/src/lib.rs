//! cleanplate removes burned-in marks from video: true pixels first, nothing else touched.
//!
//! [`run()`] does a whole [`Job`]; [`probe()`] tells what is in a file and what will be kept. The engine reads and writes
//! files, tells an [`Observer`] what it does and asks it whether to go on. It refuses to know command lines, terminals,
//! signals, HTTP and the environment.
#![forbid(unsafe_code)]

mod along;
mod analyse;
mod assemble;
mod blobs;
mod captions;
mod cards;
mod check;
mod clips;
mod detect;
mod devices;
mod doctor;
mod draw;
pub mod entries;
pub mod error;
mod faults;
mod film;
mod footage;
mod gray;
mod grid;
mod images;
mod inks;
mod inspect;
mod last_tier;
mod line;
mod looks;
mod marks;
pub mod masks;
mod mattes;
mod matting;
mod mended_fill;
mod moment;
mod net_fill;
pub mod networks;
pub mod observer;
pub mod options;
mod origins;
mod panels;
mod pictures;
pub mod plan;
mod plates;
mod prepare;
mod preview;
pub mod probe;
mod records;
mod reel;
pub mod region;
mod removals;
mod render;
mod repairs;
pub mod report;
mod resources;
mod restore;
mod roaming;
mod run;
mod runtime;
mod scenes;
mod segmenter;
mod stages;
pub mod store;
mod subject;
mod subtitles;
mod texts;
pub mod times;
mod tracks;
mod transcode;
pub mod upscale;
mod usage;
mod watch;
mod window;
mod work;

pub use cleanplate_core::Repeats;
pub use cleanplate_infer::{Card, Overrides, known_runtimes};
pub use clips::{read_clip, write_clip};
pub use devices::{DeviceOptions, Wish};
pub use doctor::{Candidate, Doctor, Machine, doctor, machine};
pub use entries::CaptionEntry;
pub use error::{Error, ErrorKind, Result};
pub use faults::Fault;
pub use inspect::inspect;
pub use mattes::{MatteFile, MatteRef};
pub use networks::FillModel;
pub use observer::{Control, Event, Level, Observer, Phase, Silent};
pub use options::{
    CaptionOptions, DetectOptions, EncodeOptions, Job, NewSize, Options, Target, Tier, UpscaleModel, UpscaleOptions,
    VerifyMode,
};
pub use plan::Plan;
pub use plates::PlateRef;
pub use preview::preview;
pub use probe::{Probe, probe};
pub use region::Region;
pub use report::Report;
pub use run::{Planned, plan, run};
pub use runtime::{Installed, Kind as InstalledKind, install, installed};
pub use times::{Length, Times};
pub use transcode::{Transcoded, transcode};
pub use upscale::Condition;
