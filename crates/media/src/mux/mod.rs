//! Encoded packets and a source become a file again, in which nothing else has changed; then the file is proved.
//!
//! [`plan_copy`] decides before the work what becomes of every stream, [`assemble`] writes, [`verify`] reads the result and
//! compares it with the source, [`commit`] gives it its name. It knows containers and packets. What the frames show, and
//! what was done to them, it refuses to know.

mod commit;
mod container;
mod input;
mod isobmff;
mod medium;
mod output;
mod timeline;

pub use commit::commit;
pub use container::container_of;

fn cancelled() -> crate::error::Error {
    crate::error::Error::Internal("cancelled".into())
}
