//! cleanplate removes burned-in marks from video: true pixels first, nothing else touched.
//!
//! [`run`] does a whole [`Job`]; [`probe`] tells what is in a file and what will be kept. The engine reads and writes
//! files, tells an [`Observer`] what it does and asks it whether to go on. It refuses to know command lines, terminals,
//! signals, HTTP and the environment.
#![forbid(unsafe_code)]

pub mod error;
pub mod observer;
pub mod options;
pub mod region;
pub mod report;
pub mod times;

pub use error::{Error, ErrorKind, Result};
pub use observer::{Control, Event, Level, Observer, Phase, Silent};
pub use options::{EncodeOptions, Job, Options, Tier, VerifyMode};
pub use region::Region;
pub use report::Report;
pub use times::Times;
