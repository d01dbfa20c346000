//! Clips whose truth is known, marks to put on them, and the measures that tell how well a mark was removed.
//!
//! Everything is computed from a seed: the same seed gives the same samples on every machine and at every frame index,
//! whatever was read before. The crate knows frames and masks and refuses to know files, codecs and the engine, except that
//! [`Picture::write_png`] writes the sheet that a person looks at.
#![forbid(unsafe_code)]

mod canvas;
pub mod clip;
pub mod evaluation;
pub mod flash;
mod glyphs;
pub mod mark;
pub mod metric;
pub mod motion;
mod noise;
pub mod picture;
mod planes;
mod shape;

pub use canvas::Scenery;
/// What clips are made of.
pub use cleanplate_core::{Frame, Rect};
pub use clip::{Clip, Shot};
pub use evaluation::{Evaluation, Verdict};
pub use flash::Trace;
pub use mark::{Mark, MarkKind};
pub use metric::{Flicker, Psnr, changed_outside, ssim};
pub use motion::{Motion, View};
pub use picture::Picture;
pub use planes::plane_mask;
