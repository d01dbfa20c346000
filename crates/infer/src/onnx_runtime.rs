//! ONNX Runtime, where it is installed: loaded while the program runs, never linked.

use std::panic::catch_unwind;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use ort::environment::Environment;
use ort::logging::LogLevel;
use ort::session::Session;
use ort::session::builder::GraphOptimizationLevel;
use ort::value::TensorRef;

use crate::graph::Graph;
use crate::place::Placement;
use crate::runtime::Runtime;
use crate::tensor::Tensor;

pub(crate) struct OnnxRuntime {
    session: Session,
    outputs: Vec<String>,
}

impl OnnxRuntime {
    pub(crate) const NAME: &'static str = "onnxruntime";

    pub(crate) fn open(bytes: &[u8], graph: &Graph, placement: &Placement) -> Result<Self, String> {
        let environment = environment(placement)?;
        let words = |e: ort::Error<ort::session::builder::SessionBuilder>| e.to_string();
        let session = Session::builder(environment)
            .map_err(|e| e.to_string())?
            .with_optimization_level(GraphOptimizationLevel::Level3)
            .map_err(words)?
            .with_intra_threads(placement.threads)
            .map_err(words)?
            // Its reasons come back as errors, and are told where they matter.
            .with_log_level(LogLevel::Fatal)
            .map_err(words)?
            .commit_from_memory(bytes)
            .map_err(|e| e.to_string())?;
        Ok(Self { session, outputs: graph.outputs.iter().map(|port| port.name.clone()).collect() })
    }
}

impl Runtime for OnnxRuntime {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn run(&mut self, inputs: &[(&str, &Tensor)]) -> Result<Vec<Tensor>, String> {
        let mut given = Vec::with_capacity(inputs.len());
        for (name, tensor) in inputs {
            let view = TensorRef::from_array_view((tensor.shape(), tensor.data())).map_err(|e| e.to_string())?;
            given.push(((*name).to_owned(), view));
        }
        let values = self.session.run(given).map_err(|e| e.to_string())?;
        let output = |name: &String| {
            let value = values.get(name.as_str()).ok_or_else(|| format!("the output {name} is missing"))?;
            let (shape, data) = value.try_extract_tensor::<f32>().map_err(|e| e.to_string())?;
            let shape = shape.iter().map(|n| usize::try_from(*n).unwrap_or(0)).collect();
            Tensor::new(shape, data.to_vec()).ok_or_else(|| format!("the output {name} has no shape"))
        };
        self.outputs.iter().map(output).collect()
    }
}

/// The library of that environment.
static LOADED: OnceLock<PathBuf> = OnceLock::new();

/// Where the library that this process has loaded lies.
pub(crate) fn loaded() -> Option<&'static Path> {
    LOADED.get().map(PathBuf::as_path)
}

/// The one environment of this process. The first library that loads is kept; which of several failed, and why, too.
fn environment(placement: &Placement) -> Result<&'static Environment, String> {
    static ENVIRONMENT: OnceLock<Environment> = OnceLock::new();
    if placement.onnx_runtimes.is_empty() {
        return Err("it is not installed, as far as is known".to_owned());
    }
    if let Some(environment) = ENVIRONMENT.get() {
        return Ok(environment);
    }
    let mut reasons = Vec::new();
    for path in &placement.onnx_runtimes {
        match load(path) {
            Ok(environment) => {
                let _ = LOADED.set(path.clone());
                return Ok(ENVIRONMENT.get_or_init(|| environment));
            }
            Err(reason) => reasons.push(reason),
        }
    }
    Err(reasons.join("; "))
}

fn load(path: &Path) -> Result<Environment, String> {
    let loaded = catch_unwind(|| {
        let builder = ort::init_from(path).map_err(|e| e.to_string())?;
        builder.with_telemetry(false).build().map_err(|e| e.to_string())
    });
    loaded.unwrap_or_else(|_| Err(format!("{} cannot be used", path.display())))
}
