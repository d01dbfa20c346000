//! Pixels and what is done to them: frames, masks, tracks and the restoration algorithms.
//!
//! This crate knows samples in native code values and integer frame indices. It refuses to know files, codecs, clocks,
//! threads of its own and the environment. Every algorithm is a pure function of its inputs, so that any machine computes
//! the same pixels.
#![forbid(unsafe_code)]

pub mod borrow;
pub mod caption;
pub mod colour;
pub mod fill;
pub mod flash;
pub mod format;
pub mod frame;
pub mod geometry;
pub mod hole;
pub mod locate;
pub mod mask;
pub mod matte;
pub mod raster;
pub mod repeat;
pub mod resample;
pub mod rgb;
pub mod roam;
pub mod track;

pub use borrow::{Borrow, Plate};
pub use colour::Coder;
pub use fill::SpatialFill;
pub use flash::{Removed, Search, Shown, Template};
pub use format::{ColorInfo, PixelFormat, PixelLayout, Scan};
pub use frame::{Frame, FrameIdx, HostSurface, Patch, Row, RowMut, Rows, Surface};
pub use geometry::Rect;
pub use hole::{Crop, Hole, Origin, Reach, Restorer, Window};
pub use mask::Mask;
pub use matte::{Matte, MatteEvidence, MattePlane, Overlay, Solution, Unblend};
pub use raster::Raster;
pub use repeat::{RepeatFinder, Repeats};
pub use resample::Resampler;
pub use track::{BoxTrack, Linking, MaskTrack, Sighting};
