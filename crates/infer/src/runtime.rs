//! What runs networks, and the candidates for it.

use crate::embedded::Embedded;
use crate::graph::Graph;
use crate::onnx_runtime::OnnxRuntime;
use crate::place::Placement;
use crate::tensor::Tensor;

/// Runs one network.
pub(crate) trait Runtime: Send {
    /// The runtime's name in logs and reports.
    fn name(&self) -> &'static str;

    /// Computes every output of the graph, in its order, from an input of each name.
    ///
    /// # Errors
    /// In the runtime's own words.
    fn run(&mut self, inputs: &[(&str, &Tensor)]) -> Result<Vec<Tensor>, String>;
}

/// A runtime with a network, or why there is none.
pub(crate) type Opened = Result<Box<dyn Runtime>, String>;

/// A runtime that may be there and may understand a network.
pub(crate) struct Candidate {
    pub(crate) name: &'static str,
    pub(crate) open: fn(&[u8], &Graph, &Placement) -> Opened,
}

impl Candidate {
    /// Opens a network, or the embedded runtime under its name where that is rehearsed.
    pub(crate) fn opened(&self, bytes: &[u8], graph: &Graph, placement: &Placement) -> Opened {
        if let Some(reason) = placement.faults.iter().find_map(|fault| fault.refuses(self.name)) {
            return Err(reason);
        }
        if placement.faults.iter().any(|fault| fault.is_stand_in(self.name)) {
            return Ok(Box::new(StandIn { name: self.name, plays: Embedded::open(bytes, graph, placement)? }));
        }
        (self.open)(bytes, graph, placement)
    }
}

/// The embedded runtime under another's name.
struct StandIn {
    name: &'static str,
    plays: Embedded,
}

impl Runtime for StandIn {
    fn name(&self) -> &'static str {
        self.name
    }

    fn run(&mut self, inputs: &[(&str, &Tensor)]) -> Result<Vec<Tensor>, String> {
        self.plays.run(inputs)
    }
}

/// All of them, the fastest first (on CPUs ONNX Runtime takes about half the time of the embedded one).
pub(crate) const CANDIDATES: [Candidate; 2] = [
    Candidate {
        name: OnnxRuntime::NAME,
        open: |bytes, graph, place| Ok(Box::new(OnnxRuntime::open(bytes, graph, place)?)),
    },
    Candidate { name: Embedded::NAME, open: |bytes, graph, place| Ok(Box::new(Embedded::open(bytes, graph, place)?)) },
];
