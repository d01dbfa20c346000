//! What runs networks, and the candidates for it.

use crate::embedded::Embedded;
use crate::graph::Graph;
use crate::onnx_runtime::{OnnxRuntime, Provider};
use crate::place::{Placement, Wanted};
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

    /// What of the network it does not compute on its device.
    fn shortfall(&self) -> Option<&str> {
        None
    }
}

/// A runtime with a network, or why there is none.
pub(crate) type Opened = Result<Box<dyn Runtime>, String>;

/// A runtime that may be there and may understand a network.
pub(crate) struct Candidate {
    pub(crate) name: &'static str,
    pub(crate) by: By,
}

/// What stands behind a candidate.
pub(crate) enum By {
    /// An execution provider of ONNX Runtime.
    Provider(Provider),
    Embedded,
    #[cfg(test)]
    Other(fn() -> Box<dyn Runtime>),
}

impl Candidate {
    const fn provider(provider: Provider) -> Self {
        Self { name: provider.name(), by: By::Provider(provider) }
    }

    /// Opens a network, or the embedded runtime under its name where that is rehearsed.
    pub(crate) fn opened(&self, bytes: &[u8], graph: &Graph, placement: &Placement) -> Opened {
        if let Some(reason) = placement.faults.iter().find_map(|fault| fault.refuses(self.name)) {
            return Err(reason);
        }
        if self.is_played(placement) {
            return Ok(Box::new(StandIn { name: self.name, plays: Embedded::open(bytes, graph, placement)? }));
        }
        match self.by {
            By::Provider(provider) => Ok(Box::new(OnnxRuntime::open(provider, bytes, graph, placement)?)),
            By::Embedded => Ok(Box::new(Embedded::open(bytes, graph, placement)?)),
            #[cfg(test)]
            By::Other(make) => Ok(make()),
        }
    }

    /// Whether a network may be given to it.
    pub(crate) fn is_meant(&self, graph: &Graph, placement: &Placement) -> bool {
        let is_device = self.is_device();
        match &placement.wanted {
            Wanted::Named(name) => self.name == name,
            Wanted::Processor => !is_device,
            Wanted::Device if !is_device => false,
            Wanted::Any | Wanted::Device => {
                let is_rehearsed = placement.faults.iter().any(|fault| fault.runtime == self.name);
                is_rehearsed || self.is_there(graph, placement)
            }
        }
    }

    /// Whether it is worth a trial where nobody has asked for it by name.
    fn is_there(&self, graph: &Graph, placement: &Placement) -> bool {
        match self.by {
            By::Provider(provider) => provider.is_there(graph, placement),
            By::Embedded => true,
            #[cfg(test)]
            By::Other(_) => true,
        }
    }

    /// Whether the user has it on this machine.
    pub(crate) fn is_installed(&self, placement: &Placement) -> bool {
        match self.by {
            By::Provider(Provider::Processor) => placement.onnx_runtimes.iter().any(|path| path.exists()),
            _ => true,
        }
    }

    /// Whether it computes elsewhere than on the processor, and has to agree with that.
    pub(crate) const fn is_device(&self) -> bool {
        match self.by {
            By::Provider(provider) => !matches!(provider, Provider::Processor),
            By::Embedded => false,
            #[cfg(test)]
            By::Other(_) => false,
        }
    }

    /// Whether the embedded runtime plays it.
    pub(crate) fn is_played(&self, placement: &Placement) -> bool {
        placement.faults.iter().any(|fault| fault.is_stand_in(self.name))
    }

    /// Whether it computes with 32 bits.
    pub(crate) const fn is_exact(&self) -> bool {
        match self.by {
            By::Provider(provider) => provider.precision().is_none(),
            _ => true,
        }
    }

    /// Its name, with how exactly it computes where there is more than one way.
    pub(crate) fn title(&self) -> String {
        let precision = match self.by {
            By::Provider(provider) => provider.precision(),
            _ => None,
        };
        precision.map_or_else(|| self.name.to_owned(), |precision| format!("{} ({precision})", self.name))
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

/// All of them, the fastest first (on CPUs ONNX Runtime takes about half the time of the embedded one). Who computes with fewer bits comes before
/// itself with 32.
pub(crate) const CANDIDATES: [Candidate; 7] = [
    Candidate::provider(Provider::TensorRt { is_half: true }),
    Candidate::provider(Provider::TensorRt { is_half: false }),
    Candidate::provider(Provider::Cuda { is_tf32: true }),
    Candidate::provider(Provider::Cuda { is_tf32: false }),
    Candidate::provider(Provider::WebGpu),
    Candidate::provider(Provider::Processor),
    Candidate { name: Embedded::NAME, by: By::Embedded },
];
