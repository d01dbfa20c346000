//! A network of a file, opened on the first runtime that proves to compute it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

use crate::error::{Error, Result};
use crate::external;
use crate::golden;
use crate::graph::Graph;
use crate::mend::mended;
use crate::onnx_runtime::{self, OnnxRuntime};
use crate::pace::{Learnt, Notebook, Pace};
use crate::place::{Batches, Incidents, Meters, NetFault, Placement, Wanted};
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

/// Asks every runtime, in the order in which networks are given to them, whether or not `placement` would use it.
pub fn runtimes(placement: &Placement) -> Vec<Checked> {
    let checked = |candidate: &Candidate| {
        let since = Instant::now();
        let verdict = golden::passes(candidate, placement);
        let is_loaded = candidate.name == OnnxRuntime::NAME && verdict.is_ok();
        let library = is_loaded.then(onnx_runtime::loaded).flatten().map(Path::to_owned);
        Checked { name: candidate.name, library, verdict, took: since.elapsed() }
    };
    // Of those with one name, the one that computes with 32 bits tells.
    CANDIDATES.iter().filter(|candidate| candidate.is_exact()).map(checked).collect()
}

/// What a network is for, as far as it decides how much it is shown at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It looks at frames.
    Detect,
    /// It makes samples.
    Fill,
}

/// A network that runs.
pub struct Net {
    name: String,
    digest: String,
    graph: Graph,
    open: Open,
    refusals: Vec<String>,
    rest: Option<Rest>,
    /// Inputs at once at most: what memory has turned out to hold, or what a processor is good for.
    most: usize,
    /// How often memory has turned out not to hold what it was shown.
    shorts: u32,
    /// Whether the caller has smaller inputs, so that memory short of one is no reason for another runtime.
    has_smaller: bool,
    /// What it is shown at once on a processor, once its role is known.
    on_processor: usize,
    /// Inputs at once at most in the search for what is fastest; `None` where there is none.
    pacing: Option<usize>,
    paces: BTreeMap<String, Pace>,
    faults: Vec<NetFault>,
    incidents: Incidents,
    meters: Meters,
    runs: u64,
}

/// A network on a runtime.
struct Open {
    /// Its place among the candidates.
    at: usize,
    title: String,
    is_device: bool,
    runtime: Box<dyn Runtime>,
    notebook: Notebook,
    learnt: Learnt,
}

/// What it takes to open the network on a further runtime.
struct Rest {
    bytes: Vec<u8>,
    shapes: Vec<Vec<usize>>,
    placement: Placement,
    /// The next one to be tried.
    from: usize,
}

/// A network that is to be opened.
struct Wish<'a> {
    bytes: &'a [u8],
    digest: &'a str,
    graph: &'a Graph,
    shapes: &'a [Vec<usize>],
    placement: &'a Placement,
}

impl Wish<'_> {
    /// The first runtime, `from` one on, that computes the network, with what it gave on the probe's inputs.
    fn first(&self, from: usize, refusals: &mut Vec<String>) -> Option<(Open, Vec<Tensor>)> {
        let candidates = CANDIDATES.iter().enumerate().skip(from);
        for (at, candidate) in candidates.filter(|(_, own)| own.is_meant(self.graph, self.placement)) {
            match self.on(at, candidate) {
                Ok((open, outputs)) => {
                    if let Some(shortfall) = open.runtime.shortfall() {
                        refusals.push(format!("{}: {shortfall}", open.title));
                    }
                    return Some((open, outputs));
                }
                Err(reason) => {
                    // With fewer bits it was refused for the same reason: once is enough.
                    let so_far = format!(": {reason}");
                    if refusals.last().is_some_and(|last| {
                        last.starts_with(candidate.name) && last.ends_with(&so_far) && candidate.is_exact()
                    }) {
                        refusals.pop();
                    }
                    refusals.push(format!("{}: {reason}", candidate.title()));
                    // Fewer bits are a wish of ours, and nobody misses what was never installed.
                    if self.placement.is_strict && candidate.is_exact() && candidate.is_installed(self.placement) {
                        return None;
                    }
                }
            }
        }
        None
    }

    fn on(&self, at: usize, candidate: &Candidate) -> std::result::Result<(Open, Vec<Tensor>), String> {
        let Self { bytes, graph, shapes, placement, .. } = *self;
        golden::passes(candidate, placement)?;
        let mut runtime = candidate.opened(bytes, graph, placement)?;
        let is_device = candidate.is_device();
        let slack = if is_device { golden::ITSELF } else { 0.0 };
        let probe = golden::twice(runtime.as_mut(), graph, shapes, slack)?;
        let (title, mut notebook, mut learnt) = (candidate.title(), Notebook::default(), Learnt::default());
        if is_device {
            let library = onnx_runtime::loaded().map(|path| path.display().to_string()).unwrap_or_default();
            notebook = Notebook::of(placement, self.digest, &title, &library);
            learnt = notebook.read();
            if !learnt.agrees {
                let may_be_slow = !matches!(placement.wanted, Wanted::Any);
                golden::like_the_processor(&probe, (bytes, graph, shapes), placement, may_be_slow)?;
                learnt.agrees = true;
                notebook.write(&learnt);
            }
        }
        Ok((Open { at, title, is_device, runtime, notebook, learnt }, probe.outputs))
    }
}

impl std::fmt::Debug for Net {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Net {{ {} on {} }}", self.name, self.open.title)
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
        let gathered = if wire::is_model(&bytes) {
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
            external::gathered(&bytes, folder, LARGEST - size).map_err(refuse)?
        } else {
            None
        };
        let bytes = gathered.unwrap_or(bytes);
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
        let digest = hex_digest(bytes);
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
        let placement = &placement.of_network(&name);
        let mut refusals = Vec::new();
        let wish = Wish { bytes, digest: &digest, graph: &graph, shapes: &shapes, placement };
        let Some((open, outputs)) = wish.first(0, &mut refusals) else {
            if refusals.is_empty() {
                refusals.push(match &placement.wanted {
                    Wanted::Named(name) => format!("there is no runtime {name}; known: {}", known().join(", ")),
                    _ => NO_DEVICE.to_owned(),
                });
            }
            return Err(Error::Refused { name, refusals });
        };
        // Kept as long as another runtime could take over.
        let from = open.at + 1;
        let is_last = from == CANDIDATES.len();
        let rest = (!is_last).then(|| Rest { bytes: bytes.to_vec(), shapes, placement: placement.clone(), from });
        let net = Self {
            name,
            digest,
            graph,
            open,
            refusals,
            rest,
            most: usize::MAX,
            shorts: 0,
            has_smaller: false,
            on_processor: usize::MAX,
            pacing: None,
            paces: BTreeMap::new(),
            faults: placement.faults.clone(),
            incidents: placement.incidents.clone(),
            meters: placement.meters.clone(),
            runs: 0,
        };
        Ok((net, outputs))
    }

    /// How many inputs it may be shown at once where it allows it, by what it is for and where it runs. On a device that is a first guess: the
    /// runs themselves show how many of them are fastest.
    pub fn batch(&mut self, role: Role, placement: &Placement) -> usize {
        let of = |batches: Batches| if role == Role::Detect { batches.detect } else { batches.fill };
        self.on_processor = of(placement.processor);
        if !self.open.is_device {
            return self.on_processor;
        }
        let is_wished = if role == Role::Detect { placement.is_wished.0 } else { placement.is_wished.1 };
        let most = of(placement.device);
        self.pacing = (!is_wished).then_some(most);
        most
    }

    /// The name of its file.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// SHA-256 of its file, with the weights of files beside it, in hexadecimal digits.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// What its file says.
    pub const fn graph(&self) -> &Graph {
        &self.graph
    }

    /// The runtime that computes it.
    pub fn runtime(&self) -> &'static str {
        self.open.runtime.name()
    }

    /// That, with how exactly it computes where there is more than one way.
    pub fn title(&self) -> &str {
        &self.open.title
    }

    /// Runtimes that refused before, each with its reason.
    pub fn refusals(&self) -> &[String] {
        &self.refusals
    }

    /// Says whether smaller inputs could be shown instead: then memory that does not hold one of them is an error, and no reason to go to another
    /// runtime.
    pub(crate) const fn has_smaller(&mut self, has_smaller: bool) {
        self.has_smaller = has_smaller;
    }

    /// Whether it runs elsewhere than on the processor.
    pub const fn is_on_device(&self) -> bool {
        self.open.is_device
    }

    /// Runs it on `inputs`, one for each input of its graph in that order. Where memory does not suffice for as many at once, fewer are run at
    /// once from then on (half, an eighth, one); where the runtime fails otherwise, the next one takes over for good, with the reason among the
    /// [refusals](Self::refusals).
    ///
    /// # Errors
    /// Where the last runtime fails, or memory does not hold one input and the caller has smaller ones.
    pub fn run(&mut self, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
        let count = inputs.first().and_then(|input| input.shape().first()).copied().unwrap_or(1);
        if count > self.at_once(inputs)
            && let Some(outputs) = self.in_parts(inputs, count)?
        {
            return Ok(outputs);
        }
        loop {
            self.runs += 1;
            let (runtime, since) = (self.runtime(), Instant::now());
            self.meters.start(&self.name, runtime, &self.refusals);
            let fault = self.faults.iter().find_map(|fault| fault.fails(runtime, self.runs));
            let reason = match fault.map_or_else(|| self.attempt(inputs), Err) {
                Ok(outputs) => {
                    let took = since.elapsed();
                    self.meters.add(&self.name, runtime, count as u64, took);
                    self.ran(inputs, count, took);
                    return Ok(outputs);
                }
                Err(reason) => reason,
            };
            let is_short = is_about_memory(&reason);
            if is_short && count > 1 {
                self.refuse(format!("{}: {count} at once: {reason}", self.open.title));
                self.shorts += 1;
                self.most = fewer(count, self.shorts);
                self.pace(inputs).into_iter().for_each(|pace| pace.short_of(count));
                if let Some(outputs) = self.in_parts(inputs, count)? {
                    return Ok(outputs);
                }
            }
            let failed = self.runtime();
            if is_short && self.has_smaller {
                let shape = shape_of_one(inputs);
                self.refuse(format!("{}: one of {shape}: {reason}", self.open.title));
                return Err(Error::Memory { name: self.name.clone(), runtime: failed, shape, reason });
            }
            if !self.goes_on(&reason) {
                return Err(Error::Run { name: self.name.clone(), runtime: failed, reason });
            }
            // The one that took over may not be good for as many.
            if count > self.most {
                return self.run(inputs);
            }
        }
    }

    /// How many of such inputs it is shown at once at most.
    fn at_once(&mut self, inputs: &[&Tensor]) -> usize {
        let most = self.most;
        self.pace(inputs).map_or(most, |pace| pace.batch().min(most))
    }

    /// The search for how many of such inputs at once are fastest, where there is one.
    fn pace(&mut self, inputs: &[&Tensor]) -> Option<&mut Pace> {
        let most = self.pacing.filter(|_| self.open.is_device)?;
        let shape = shape_of_one(inputs);
        if !self.paces.contains_key(&shape) {
            let found = self.open.learnt.batches.get(&shape);
            let pace = found.map_or_else(|| Pace::new(most), |batch| Pace::settled(*batch, most));
            self.paces.insert(shape.clone(), pace);
        }
        self.paces.get_mut(&shape)
    }

    /// Takes down how long `count` inputs took.
    fn ran(&mut self, inputs: &[&Tensor], count: usize, took: Duration) {
        let settled = self.pace(inputs).and_then(|pace| pace.ran(count, took.as_secs_f64()));
        if let Some(batch) = settled {
            self.open.learnt.batches.insert(shape_of_one(inputs), batch);
            self.open.notebook.write(&self.open.learnt);
        }
    }

    /// As [`run`](Self::run), but nothing comes of a failure: to find out what a network takes.
    ///
    /// # Errors
    /// In the runtime's own words.
    pub fn attempt(&mut self, inputs: &[&Tensor]) -> std::result::Result<Vec<Tensor>, String> {
        let names = self.graph.inputs.iter().map(|port| port.name.as_str());
        let named: Vec<(&str, &Tensor)> = names.zip(inputs.iter().copied()).collect();
        self.open.runtime.run(&named)
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
        self.refuse(format!("{}: {reason}", self.open.title));
        let Some(rest) = &mut self.rest else { return false };
        let Rest { bytes, shapes, placement, from } = rest;
        // Who failed as asked for by name has nobody to take over.
        let wish = Wish { bytes, digest: &self.digest, graph: &self.graph, shapes, placement };
        let next = wish.first(*from, &mut self.refusals);
        let Some((open, _)) = next else {
            self.rest = None;
            return false;
        };
        rest.from = open.at + 1;
        self.most = if open.is_device { usize::MAX } else { self.on_processor };
        self.shorts = 0;
        self.paces.clear();
        self.open = open;
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
            let end = start.saturating_add(self.at_once(inputs).max(1)).min(count);
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

/// How many to try where memory does not hold `count`, for the `shorts`-th time: three times find out that one is all it holds.
const fn fewer(count: usize, shorts: u32) -> usize {
    match shorts {
        1 => count.div_ceil(2),
        2 => count.div_ceil(4),
        _ => 1,
    }
}

/// The shape of one of the inputs, by which batches are told apart.
fn shape_of_one(inputs: &[&Tensor]) -> String {
    let one = |input: &&Tensor| input.shape().iter().skip(1).map(ToString::to_string).collect::<Vec<_>>().join("x");
    inputs.iter().map(one).collect::<Vec<_>>().join(",")
}

/// SHA-256 in hexadecimal digits.
pub(crate) fn hex_digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The names of all runtimes, in the order in which networks are given to them.
pub fn known() -> Vec<&'static str> {
    CANDIDATES.iter().filter(|candidate| candidate.is_exact()).map(|candidate| candidate.name).collect()
}

const NO_DEVICE: &str = "no device is known here: it takes ONNX Runtime with CUDA, or its plug-in for any GPU";

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
