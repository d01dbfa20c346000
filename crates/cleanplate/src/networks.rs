//! Users' networks: which machine they run on, and what is said about them.

use cleanplate_infer::{Machine, Net, Placement, place};

use crate::analyse::REFUSED;
use crate::error::Error;
use crate::options::Options;

/// Where networks of a job run.
pub(crate) fn placement(options: &Options) -> Placement {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let free_memory = crate::resources::free_memory();
    let onnx_runtimes = options.onnx_runtimes.clone();
    place(&Machine { cores, free_memory, onnx_runtimes }, options.detect.batch)
}

/// What runs `net`, and what refused to, a line each; the first is about the network itself.
pub(crate) fn words(role: &str, net: &Net) -> Vec<String> {
    let digest = &net.digest()[..16];
    let mut words = vec![format!("{role}: {} (sha256 {digest}) on {}", net.name(), net.runtime())];
    words.extend(net.refusals().iter().map(|line| format!("{REFUSED} {role} on {line}")));
    words
}

impl From<cleanplate_infer::Error> for Error {
    fn from(error: cleanplate_infer::Error) -> Self {
        match error {
            cleanplate_infer::Error::Io { path, source } => Self::Io { action: "read the network", path, source },
            cleanplate_infer::Error::Model(words) => Self::Usage(words),
            other => Self::Backend(other.to_string()),
        }
    }
}
