//! A network of a file, opened on the first runtime that proves to compute it.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

use crate::error::{Error, Result};
use crate::golden;
use crate::graph::Graph;
use crate::mend::mended;
use crate::onnx_runtime::{self, OnnxRuntime};
use crate::place::Placement;
use crate::runtime::{CANDIDATES, Candidate, Runtime};
use crate::tensor::Tensor;
use crate::wire;

/// A file beyond this is no network for single frames, and would not fit beside them.
const LARGEST: u64 = 2 << 30;

/// How a runtime has done on a network of which the answer is known.
#[derive(Clone, Debug, PartialEq)]
pub struct Checked {
    /// Its name.
    pub name: &'static str,
    /// Where its library lies, of one that is loaded.
    pub library: Option<PathBuf>,
    /// Why it cannot be used.
    pub verdict: std::result::Result<(), String>,
    /// How long it took to find out.
    pub took: Duration,
}

/// Asks every runtime, in the order in which networks are given to them.
pub fn runtimes(placement: &Placement) -> Vec<Checked> {
    let checked = |candidate: &Candidate| {
        let since = Instant::now();
        let verdict = golden::passes(candidate, placement);
        let is_loaded = candidate.name == OnnxRuntime::NAME && verdict.is_ok();
        let library = is_loaded.then(onnx_runtime::loaded).flatten().map(Path::to_owned);
        Checked { name: candidate.name, library, verdict, took: since.elapsed() }
    };
    CANDIDATES.iter().map(checked).collect()
}

/// A network that runs.
pub struct Net {
    name: String,
    digest: String,
    graph: Graph,
    runtime: Box<dyn Runtime>,
    refusals: Vec<String>,
}

impl std::fmt::Debug for Net {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Net {{ {} on {} }}", self.name, self.runtime.name())
    }
}

/// A network with what it gave on the probe's inputs, output by output.
pub type Probed = (Net, Vec<Tensor>);

impl Net {
    /// Opens the ONNX file at `path` on the first candidate that passes the golden probe and runs the network twice alike.
    /// `shapes` says what inputs it is probed with, or why such a network is of no use to the caller.
    ///
    /// # Errors
    /// Where the file cannot be read, is no ONNX file (with what to do instead), is of no use to the caller, or no runtime
    /// computes it.
    pub fn open(
        path: &Path,
        placement: &Placement,
        shapes: impl FnOnce(&Graph) -> std::result::Result<Vec<Vec<usize>>, String>,
    ) -> Result<Probed> {
        let io = |source| Error::Io { path: path.to_owned(), source };
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let refuse = |why: String| Error::Model(format!("cannot use the network {}: {why}", path.display()));
        let size = fs::metadata(path).map_err(io)?.len();
        if size > LARGEST {
            return Err(refuse(format!("{size} bytes are more than {LARGEST}")));
        }
        let bytes = fs::read(path).map_err(io)?;
        if is_checkpoint(path, &bytes) {
            return Err(refuse(CHECKPOINT.to_owned()));
        }
        Self::of(name, &path.display().to_string(), &bytes, placement, shapes)
    }

    /// As [`open`](Self::open) for a network that is `bytes` already; `name` tells it from others.
    ///
    /// # Errors
    /// As [`open`](Self::open), but for reading.
    pub fn read(
        name: &str,
        bytes: &[u8],
        placement: &Placement,
        shapes: impl FnOnce(&Graph) -> std::result::Result<Vec<Vec<usize>>, String>,
    ) -> Result<Probed> {
        Self::of(name.to_owned(), name, bytes, placement, shapes)
    }

    fn of(
        name: String,
        place: &str,
        bytes: &[u8],
        placement: &Placement,
        shapes: impl FnOnce(&Graph) -> std::result::Result<Vec<Vec<usize>>, String>,
    ) -> Result<Probed> {
        let refuse = |why: String| Error::Model(format!("cannot use the network {place}: {why}"));
        let digest = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        if !wire::is_model(bytes) {
            return Err(refuse("it is no ONNX file, or not all of one".to_owned()));
        }
        let bytes = &*mended(bytes);
        let graph = Graph::read(bytes).map_err(refuse)?;
        if let Some(port) = graph.inputs.iter().chain(&graph.outputs).find(|port| !port.is_float) {
            let other =
                format!("{} is not of floating-point numbers of 32 or 16 bits; export it with those", port.name);
            return Err(refuse(other));
        }
        let shapes = shapes(&graph).map_err(refuse)?;
        let mut refusals = Vec::new();
        for candidate in &CANDIDATES {
            let opened = golden::passes(candidate, placement)
                .and_then(|()| (candidate.open)(bytes, &graph, placement))
                .and_then(|mut runtime| {
                    let outputs = golden::twice(runtime.as_mut(), &graph, &shapes)?;
                    Ok((runtime, outputs))
                });
            match opened {
                Ok((runtime, outputs)) => return Ok((Self { name, digest, graph, runtime, refusals }, outputs)),
                Err(reason) => refusals.push(format!("{}: {reason}", candidate.name)),
            }
        }
        Err(Error::Refused { name, refusals })
    }

    /// The name of its file.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// SHA-256 of its file, in hexadecimal digits.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// What its file says.
    pub const fn graph(&self) -> &Graph {
        &self.graph
    }

    /// The runtime that computes it.
    pub fn runtime(&self) -> &'static str {
        self.runtime.name()
    }

    /// Runtimes that refused before, each with its reason.
    pub fn refusals(&self) -> &[String] {
        &self.refusals
    }

    /// Runs it on `inputs`, one for each input of its graph in that order.
    ///
    /// # Errors
    /// Where the runtime fails.
    pub fn run(&mut self, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
        let named: Vec<(&str, &Tensor)> =
            self.graph.inputs.iter().map(|port| port.name.as_str()).zip(inputs.iter().copied()).collect();
        self.runtime.run(&named).map_err(|reason| Error::Run {
            name: self.name.clone(),
            runtime: self.runtime.name(),
            reason,
        })
    }
}

const CHECKPOINT: &str = "it is a PyTorch checkpoint, which holds Python objects that only its own program can read; export it to \
     ONNX first (Ultralytics: `yolo export model=best.pt format=onnx`; others: torch.onnx.export; recipes in docs/models.md)";

/// Whether this is what PyTorch saves: an archive of pickles, or a pickle.
fn is_checkpoint(path: &Path, bytes: &[u8]) -> bool {
    let extension = path.extension().unwrap_or_default().to_ascii_lowercase();
    let named = ["pt", "pth", "ckpt", "safetensors"].iter().any(|known| extension == *known);
    named || bytes.starts_with(b"PK\x03\x04") || bytes.starts_with(b"\x80\x02")
}
