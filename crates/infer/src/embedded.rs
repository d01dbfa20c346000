//! The runtime that is always there: rten, in this process and in Rust.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use rten::{Model, NodeId, RunOptions, ThreadPool, Value};
use rten_tensor::TensorView;
use rten_tensor::prelude::*;

use crate::graph::Graph;
use crate::place::Placement;
use crate::runtime::Runtime;
use crate::tensor::Tensor;

pub(crate) struct Embedded {
    model: Model,
    outputs: Vec<NodeId>,
    pool: Arc<ThreadPool>,
}

impl Embedded {
    pub(crate) const NAME: &'static str = "rten";

    pub(crate) fn open(bytes: &[u8], graph: &Graph, placement: &Placement) -> Result<Self, String> {
        // rten 0.27 computes ConvInteger with padding and a zero point wrong without saying so.
        let quantised = graph.quantised();
        if !quantised.is_empty() {
            return Err(format!(
                "it computes on quantised numbers ({}), which needs ONNX Runtime",
                quantised.join(", ")
            ));
        }
        // rten 0.27 takes a linear filter instead and says nothing.
        if graph.resizes_cubic {
            return Err("it resizes by a cubic filter, which needs ONNX Runtime".to_owned());
        }
        let model = quietly(|| Model::load(bytes.to_vec()).map_err(|e| e.to_string()))?;
        let outputs = graph.outputs.iter().map(|port| model.node_id(&port.name).map_err(|e| e.to_string()));
        let outputs = outputs.collect::<Result<_, _>>()?;
        Ok(Self { model, outputs, pool: Arc::new(ThreadPool::with_num_threads(placement.threads)) })
    }
}

impl Runtime for Embedded {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn run(&mut self, inputs: &[(&str, &Tensor)]) -> Result<Vec<Tensor>, String> {
        let mut given = Vec::with_capacity(inputs.len());
        for (name, tensor) in inputs {
            let id = self.model.node_id(name).map_err(|e| e.to_string())?;
            let view = TensorView::try_from_data(tensor.shape(), tensor.data()).map_err(|e| e.to_string())?;
            given.push((id, view.into()));
        }
        let options = RunOptions::default().with_thread_pool(Some(Arc::clone(&self.pool)));
        let values = quietly(|| self.model.run(given, &self.outputs, Some(options)).map_err(|e| e.to_string()))?;
        values.into_iter().map(tensor).collect()
    }
}

fn tensor(value: Value) -> Result<Tensor, String> {
    let tensor: rten_tensor::Tensor<f32> = value.into_tensor().ok_or("an output holds no floating-point numbers")?;
    Tensor::new(tensor.shape().to_vec(), tensor.into_data()).ok_or_else(|| "an output has no shape".to_owned())
}

/// What rten does, with its panics as errors: a damaged or odd network must not end the process.
fn quietly<T>(work: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|cause| {
        let words = cause.downcast_ref::<&str>().map(|s| (*s).to_owned());
        Err(words.or_else(|| cause.downcast_ref::<String>().cloned()).unwrap_or_else(|| "it panicked".to_owned()))
    })
}
