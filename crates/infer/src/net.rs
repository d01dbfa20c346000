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
use crate::place::{Incidents, NetFault, Placement};
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
    rest: Option<Rest>,
    /// Inputs at once at most: what memory has turned out to hold.
    most: usize,
    faults: Vec<NetFault>,
    incidents: Incidents,
    runs: u64,
}

/// What it takes to open the network on a further runtime.
struct Rest {
    bytes: Vec<u8>,
    shapes: Vec<Vec<usize>>,
    placement: Placement,
    /// The next one to be tried.
    from: usize,
}

/// The first runtime, `from` one on, that computes the network, with its place among all of them and what it gave on the probe's inputs.
fn first(
    bytes: &[u8],
    graph: &Graph,
    shapes: &[Vec<usize>],
    placement: &Placement,
    from: usize,
    refusals: &mut Vec<String>,
) -> Option<(usize, Box<dyn Runtime>, Vec<Tensor>)> {
    for (at, candidate) in CANDIDATES.iter().enumerate().skip(from) {
        let opened = golden::passes(candidate, placement)
            .and_then(|()| candidate.opened(bytes, graph, placement))
            .and_then(|mut runtime| {
                let outputs = golden::twice(runtime.as_mut(), graph, shapes)?;
                Ok((runtime, outputs))
            });
        match opened {
            Ok((runtime, outputs)) => return Some((at, runtime, outputs)),
            Err(reason) => refusals.push(format!("{}: {reason}", candidate.name)),
        }
    }
    None
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
        let Some((at, runtime, outputs)) = first(bytes, &graph, &shapes, placement, 0, &mut refusals) else {
            return Err(Error::Refused { name, refusals });
        };
        // Kept as long as another runtime could take over.
        let is_last = at + 1 == CANDIDATES.len();
        let rest =
            (!is_last).then(|| Rest { bytes: bytes.to_vec(), shapes, placement: placement.clone(), from: at + 1 });
        let (faults, incidents) = (placement.faults.clone(), placement.incidents.clone());
        let net = Self { name, digest, graph, runtime, refusals, rest, most: usize::MAX, faults, incidents, runs: 0 };
        Ok((net, outputs))
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

    /// Runs it on `inputs`, one for each input of its graph in that order. Where memory does not suffice for as many at once, fewer are run at
    /// once from then on; where the runtime fails otherwise, the next one takes over for good, with the reason among the
    /// [refusals](Self::refusals).
    ///
    /// # Errors
    /// Where the last runtime fails.
    pub fn run(&mut self, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
        let count = inputs.first().and_then(|input| input.shape().first()).copied().unwrap_or(1);
        if count > self.most
            && let Some(outputs) = self.in_parts(inputs, count)?
        {
            return Ok(outputs);
        }
        loop {
            self.runs += 1;
            let fault = self.faults.iter().find_map(|fault| fault.fails(self.runtime.name(), self.runs));
            let reason = match fault.map_or_else(|| self.attempt(inputs), Err) {
                Ok(outputs) => return Ok(outputs),
                Err(reason) => reason,
            };
            let is_short = is_about_memory(&reason);
            if is_short && count > 1 {
                self.refuse(format!("{}: {count} at once: {reason}", self.runtime.name()));
                self.most = count.div_ceil(2);
                if let Some(outputs) = self.in_parts(inputs, count)? {
                    return Ok(outputs);
                }
            }
            let failed = self.runtime.name();
            if !self.goes_on(&reason) {
                return Err(Error::Run { name: self.name.clone(), runtime: failed, reason });
            }
        }
    }

    /// As [`run`](Self::run), but nothing comes of a failure: to find out what a network takes.
    ///
    /// # Errors
    /// In the runtime's own words.
    pub fn attempt(&mut self, inputs: &[&Tensor]) -> std::result::Result<Vec<Tensor>, String> {
        let names = self.graph.inputs.iter().map(|port| port.name.as_str());
        let named: Vec<(&str, &Tensor)> = names.zip(inputs.iter().copied()).collect();
        self.runtime.run(&named)
    }

    /// Takes down what went wrong on the way.
    fn refuse(&mut self, line: String) {
        self.incidents.add(&format!("{}: {line}", self.name));
        self.refusals.push(line);
    }

    /// Opens the network on the next runtime that computes it, for good. Whether there is one.
    fn goes_on(&mut self, reason: &str) -> bool {
        if self.rest.is_none() {
            return false;
        }
        self.refuse(format!("{}: {reason}", self.runtime.name()));
        let Some(rest) = &mut self.rest else { return false };
        let next = first(&rest.bytes, &self.graph, &rest.shapes, &rest.placement, rest.from, &mut self.refusals);
        let Some((at, runtime, _)) = next else {
            self.rest = None;
            return false;
        };
        (self.runtime, rest.from, self.most) = (runtime, at + 1, usize::MAX);
        if rest.from == CANDIDATES.len() {
            self.rest = None;
        }
        true
    }

    /// Runs the `count` inputs a few at a time; `None` where its outputs are none for each input.
    fn in_parts(&mut self, inputs: &[&Tensor], count: usize) -> Result<Option<Vec<Tensor>>> {
        let is_each = |tensor: &Tensor, n: usize| tensor.shape().first() == Some(&n);
        if !inputs.iter().all(|input| is_each(input, count)) {
            return Ok(None);
        }
        let mut joined: Vec<(Vec<usize>, Vec<f32>)> = Vec::new();
        let mut start = 0;
        while start < count {
            let end = start.saturating_add(self.most.max(1)).min(count);
            let part = |input: &&Tensor| {
                let mut shape = input.shape().to_vec();
                shape[0] = end - start;
                let data = (start..end).flat_map(|n| input.part(n).iter().copied()).collect();
                Tensor::new(shape, data)
            };
            let Some(parts) = inputs.iter().map(part).collect::<Option<Vec<_>>>() else { return Ok(None) };
            let outputs = self.run(&parts.iter().collect::<Vec<_>>())?;
            if !outputs.iter().all(|output| is_each(output, end - start)) {
                return Ok(None);
            }
            if joined.is_empty() {
                joined = outputs.iter().map(|output| (output.shape().to_vec(), Vec::new())).collect();
            }
            for ((shape, data), output) in joined.iter_mut().zip(&outputs) {
                shape[0] = count;
                data.extend_from_slice(output.data());
            }
            start = end;
        }
        Ok(joined.into_iter().map(|(shape, data)| Tensor::new(shape, data)).collect())
    }
}

/// Whether a runtime's words are about memory.
fn is_about_memory(reason: &str) -> bool {
    let reason = reason.to_ascii_lowercase();
    ["out of memory", "failed to allocate", "bad_alloc", "bad allocation", "alloc_failed", "cudaerrormemoryallocation"]
        .iter()
        .any(|words| reason.contains(words))
}

const CHECKPOINT: &str = "it is a PyTorch checkpoint, which holds Python objects that only its own program can read; export it to \
     ONNX first (Ultralytics: `yolo export model=best.pt format=onnx`; others: torch.onnx.export; recipes in docs/models.md)";

/// Whether this is what PyTorch saves: an archive of pickles, or a pickle.
fn is_checkpoint(path: &Path, bytes: &[u8]) -> bool {
    let extension = path.extension().unwrap_or_default().to_ascii_lowercase();
    let named = ["pt", "pth", "ckpt", "safetensors"].iter().any(|known| extension == *known);
    named || bytes.starts_with(b"PK\x03\x04") || bytes.starts_with(b"\x80\x02")
}
