//! Frames to packets: which encoder writes what, with settings that are pinned, and the encoder itself.
//!
//! It knows codecs, sample formats and what containers can carry. It refuses to know segments' contents, plans and how
//! packets are joined.

mod bits;
mod carry;
mod choose;
mod convert;
mod encoder;
mod formats;
mod hardware;
mod hdr;
mod hdr10plus;
mod options;
mod scale;
mod spec;
mod times;

pub use carry::{losses_of_side_data, side_data_of};
pub use choose::{Choice, EncodeRequest, Possible, choose_encoder};
pub(crate) use convert::planar;
pub use encoder::Encoder;
pub use formats::{Codec, Loss};
pub use hardware::{HARDWARE, try_encoder, usual_encoders};
pub use hdr::{ContentLight, MasteringDisplay, StaticSideData};
pub use spec::EncoderSpec;
