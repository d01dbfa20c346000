//! What can go wrong with a network, by whose fault it is.

use std::path::PathBuf;

/// Why a network cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file cannot be read.
    #[error("cannot read the network {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is no network that is understood here; the words name it and say what to do.
    #[error("{0}")]
    Model(String),
    /// No runtime computes it; with what each of them said.
    #[error("no runtime computes {name}: {}", refusals.join("; "))]
    Refused {
        /// The network.
        name: String,
        /// A line per runtime.
        refusals: Vec<String>,
    },
    /// Memory does not hold a single input of that size.
    #[error("{name} is short of memory on {runtime} with one input of {shape}: {reason}")]
    Memory {
        /// The network.
        name: String,
        /// Where it ran.
        runtime: &'static str,
        /// The input's shape.
        shape: String,
        /// The runtime's own words.
        reason: String,
    },
    /// It failed while it ran.
    #[error("{name} failed on {runtime}: {reason}")]
    Run {
        /// The network.
        name: String,
        /// Where it ran.
        runtime: &'static str,
        /// The runtime's own words.
        reason: String,
    },
}

/// A result of this crate.
pub type Result<T> = std::result::Result<T, Error>;
