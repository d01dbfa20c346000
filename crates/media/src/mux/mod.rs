//! Encoded packets and a source become a file again, in which nothing else has changed; then the file is proved.
//!
//! [`plan_copy`] decides before the work what becomes of every stream, [`assemble`] writes, [`verify`] reads the result and
//! compares it with the source, [`commit`] gives it its name. It knows containers and packets. What the frames show, and
//! what was done to them, it refuses to know.

mod alone;
mod assemble;
mod commit;
mod container;
mod facts;
mod input;
mod isobmff;
mod layout;
mod matroska;
mod medium;
mod output;
mod plan;
mod timeline;
mod verify;

pub use alone::assemble_alone;
pub use assemble::{Progress, Written, assemble};
pub use commit::commit;
pub use container::container_of;
pub use facts::KINDS;
pub use plan::{CopyPlan, Fate, Lost, Method, Resized, StreamPlan, plan_copy};
pub use verify::{Check, Verification, verify};
