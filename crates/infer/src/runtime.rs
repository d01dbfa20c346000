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

/// All of them, the fastest first (on CPUs ONNX Runtime takes about half the time of the embedded one).
pub(crate) const CANDIDATES: [Candidate; 2] = [
    Candidate {
        name: OnnxRuntime::NAME,
        open: |bytes, graph, place| Ok(Box::new(OnnxRuntime::open(bytes, graph, place)?)),
    },
    Candidate { name: Embedded::NAME, open: |bytes, graph, place| Ok(Box::new(Embedded::open(bytes, graph, place)?)) },
];
