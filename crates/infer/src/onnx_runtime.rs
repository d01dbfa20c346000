//! ONNX Runtime, where it is installed: loaded while the program runs, never linked. On the processor, and on devices by its execution
//! providers, each of which has to be there or is an error: it never falls back by itself.

use std::panic::catch_unwind;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use ort::environment::Environment;
use ort::ep::{CUDA, ExecutionProvider, TensorRT};
use ort::logging::LogLevel;
use ort::session::Session;
use ort::session::builder::{GraphOptimizationLevel, SessionBuilder};
use ort::value::TensorRef;

use crate::graph::Graph;
use crate::libraries;
use crate::place::Placement;
use crate::runtime::Runtime;
use crate::tensor::Tensor;

/// What of ONNX Runtime computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Provider {
    /// NVIDIA's compiler of networks, with numbers of 16 bits or of 32.
    TensorRt { is_half: bool },
    /// NVIDIA's cards, with products of 19 bits (TensorFloat-32) or of 32.
    Cuda { is_tf32: bool },
    /// Any GPU that Vulkan, Metal or Direct3D 12 reaches, by a plug-in.
    WebGpu,
    /// The processor.
    Processor,
}

impl Provider {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::TensorRt { .. } => "tensorrt",
            Self::Cuda { .. } => "cuda",
            Self::WebGpu => "webgpu",
            Self::Processor => OnnxRuntime::NAME,
        }
    }

    /// What its numbers are called where they have fewer than 32 bits.
    pub(crate) const fn precision(self) -> Option<&'static str> {
        match self {
            Self::TensorRt { is_half: true } => Some("FP16"),
            Self::Cuda { is_tf32: true } => Some("TF32"),
            _ => None,
        }
    }

    /// Whether the library that is loaded, or a plug-in, has it.
    pub(crate) fn is_there(self, graph: &Graph, placement: &Placement) -> bool {
        let has = |is_available: ort::Result<bool>| is_available.unwrap_or(false);
        match self {
            // It compiles anew, for minutes, for every size that it has not seen.
            Self::TensorRt { .. } if !graph.is_of_one_size() => false,
            Self::TensorRt { .. } => environment(placement).is_ok() && has(TensorRT::is_available()),
            Self::Cuda { .. } => environment(placement).is_ok() && has(CUDA::is_available()),
            Self::WebGpu => placement.plugins.iter().any(|path| path.exists()),
            Self::Processor => true,
        }
    }

    /// Puts it into a session.
    fn enter(self, builder: SessionBuilder, placement: &Placement) -> Result<SessionBuilder, String> {
        let missing = |what: &str| {
            let loaded = loaded().map(|path| path.display().to_string()).unwrap_or_default();
            format!("the ONNX Runtime that is loaded ({loaded}) has no {what}: it takes the wheel of onnxruntime-gpu")
        };
        let index = i32::try_from(placement.index).unwrap_or(i32::MAX);
        match self {
            Self::TensorRt { is_half } => {
                if !TensorRT::is_available().map_err(reason)? {
                    return Err(missing("TensorRT"));
                }
                libraries::preload(&placement.onnx_runtimes);
                let mut own = TensorRT::default().with_device_id(index).with_fp16(is_half);
                if let Some(folder) = placement.cache.as_ref().map(|cache| cache.join("tensorrt")) {
                    std::fs::create_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
                    let folder = folder.display().to_string();
                    own = own.with_engine_cache(true).with_engine_cache_path(&folder);
                    own = own.with_timing_cache(true).with_timing_cache_path(folder);
                }
                let cuda = CUDA::default().with_device_id(index).with_tf32(false);
                let both = [own.build().error_on_failure(), cuda.build().error_on_failure()];
                builder.with_execution_providers(both).map_err(reason)
            }
            Self::Cuda { is_tf32 } => {
                if !CUDA::is_available().map_err(reason)? {
                    return Err(missing("CUDA"));
                }
                libraries::preload(&placement.onnx_runtimes);
                let mut own = CUDA::default().with_device_id(index).with_tf32(is_tf32);
                if let Some(bytes) = placement.card_bytes.and_then(|bytes| usize::try_from(bytes).ok()) {
                    own = own.with_memory_limit(bytes);
                }
                builder.with_execution_providers([own.build().error_on_failure()]).map_err(reason)
            }
            Self::WebGpu => {
                let environment = environment(placement)?;
                register(environment, &placement.plugins)?;
                let mut devices = environment.devices().filter(|device| device.ep().is_ok_and(|name| name == WEB_GPU));
                let device = devices.nth(placement.index).ok_or_else(|| {
                    format!(
                        "the plug-in finds no GPU number {} (no driver for Vulkan, or an older one)",
                        placement.index
                    )
                })?;
                builder.with_devices([device], None).map_err(reason)
            }
            Self::Processor => Ok(builder),
        }
    }
}

/// The plug-in's sessions are opened, run and closed one at a time: version 0.4 crashes where threads do so at once (two sessions on
/// llvmpipe, Mesa 25.0.7). One device computes one thing at a time anyway.
static ANY_GPU: Mutex<()> = Mutex::new(());

impl Provider {
    /// Held while a session of it is worked on.
    fn turn(self) -> Option<MutexGuard<'static, ()>> {
        (self == Self::WebGpu).then(|| ANY_GPU.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What the plug-in calls its provider.
const WEB_GPU: &str = "WebGpuExecutionProvider";

/// Loads the plug-in once a process.
fn register(environment: &Environment, plugins: &[PathBuf]) -> Result<(), String> {
    static REGISTERED: OnceLock<Result<(), String>> = OnceLock::new();
    let first = || {
        let path = plugins.iter().find(|path| path.exists());
        let path = path.ok_or("its plug-in is not installed (the wheel of onnxruntime-ep-webgpu)")?;
        environment.register_ep_library("webgpu", path).map_err(reason)
    };
    REGISTERED.get_or_init(first).clone()
}

pub(crate) struct OnnxRuntime {
    provider: Provider,
    /// There until it is dropped.
    session: Option<Session>,
    outputs: Vec<String>,
    shortfall: Option<&'static str>,
}

impl OnnxRuntime {
    pub(crate) const NAME: &'static str = "onnxruntime";

    pub(crate) fn open(provider: Provider, bytes: &[u8], graph: &Graph, placement: &Placement) -> Result<Self, String> {
        let environment = environment(placement)?;
        let _turn = provider.turn();
        let is_device = provider != Provider::Processor;
        let open = |all_there: bool| {
            let mut builder = Session::builder(environment)
                .map_err(reason)?
                .with_optimization_level(GraphOptimizationLevel::Level3)
                .map_err(reason)?
                .with_intra_threads(placement.threads)
                .map_err(reason)?
                // Its reasons come back as errors, and are told where they matter.
                .with_log_level(LogLevel::Fatal)
                .map_err(reason)?;
            builder = provider.enter(builder, placement)?;
            if is_device {
                builder = builder.with_deterministic_compute(true).map_err(reason)?;
            }
            if all_there {
                builder = builder.with_disable_cpu_fallback().map_err(reason)?;
            }
            builder.commit_from_memory(bytes).map_err(reason)
        };
        let (session, shortfall) = match open(is_device) {
            Ok(session) => (session, None),
            // Shapes are computed on the processor, for example; what that costs, the trial against the processor shows.
            Err(reason) if is_device && reason.contains("fallback to CPU EP") => (open(false)?, Some(SHORTFALL)),
            Err(reason) => return Err(reason),
        };
        let outputs = graph.outputs.iter().map(|port| port.name.clone()).collect();
        Ok(Self { provider, session: Some(session), outputs, shortfall })
    }
}

impl Drop for OnnxRuntime {
    fn drop(&mut self) {
        let _turn = self.provider.turn();
        drop(self.session.take());
    }
}

const SHORTFALL: &str = "it leaves some operators of this network to the processor";

impl Runtime for OnnxRuntime {
    fn name(&self) -> &'static str {
        self.provider.name()
    }

    fn run(&mut self, inputs: &[(&str, &Tensor)]) -> Result<Vec<Tensor>, String> {
        let mut given = Vec::with_capacity(inputs.len());
        for (name, tensor) in inputs {
            let view = TensorRef::from_array_view((tensor.shape(), tensor.data())).map_err(reason)?;
            given.push(((*name).to_owned(), view));
        }
        let _turn = self.provider.turn();
        let session = self.session.as_mut().ok_or("its session is closed")?;
        let values = session.run(given).map_err(reason)?;
        let output = |name: &String| {
            let value = values.get(name.as_str()).ok_or_else(|| format!("the output {name} is missing"))?;
            let (shape, data) = value.try_extract_tensor::<f32>().map_err(reason)?;
            let shape = shape.iter().map(|n| usize::try_from(*n).unwrap_or(0)).collect();
            Tensor::new(shape, data.to_vec()).ok_or_else(|| format!("the output {name} has no shape"))
        };
        self.outputs.iter().map(output).collect()
    }

    fn shortfall(&self) -> Option<&str> {
        self.shortfall
    }
}

/// ONNX Runtime's words without where in its sources they were said, on one line.
fn reason(error: impl std::fmt::Display) -> String {
    // "/path/file.cc:2043 void function() [ONNXRuntimeError] : 1 : FAIL : what happened"
    let words = &*error.to_string();
    let said = words.rsplit_once("[ONNXRuntimeError]").map_or(words, |(_, rest)| rest.trim_start_matches([' ', ':']));
    let said = said
        .split_once(" : ")
        .filter(|(code, _)| code.bytes().all(|b| b.is_ascii_digit()))
        .map_or(said, |(_, rest)| rest);
    let said = said
        .split_once(" : ")
        .filter(|(kind, _)| kind.bytes().all(|b| b.is_ascii_uppercase() || b == b'_'))
        .map_or(said, |(_, rest)| rest);
    said.split_whitespace().collect::<Vec<_>>().join(" ")
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
        let builder = ort::init_from(path).map_err(reason)?;
        builder.with_telemetry(false).build().map_err(reason)
    });
    loaded.unwrap_or_else(|_| Err(format!("{} cannot be used", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_one_line_without_places_in_sources() {
        let given = "/src/core/provider_bridge_ort.cc:2043 onnxruntime::Provider& f() [ONNXRuntimeError] : 1 : FAIL : Failed to load library \
                     x.so with error: libcublasLt.so.13: cannot open shared object file\n";
        let wanted = "Failed to load library x.so with error: libcublasLt.so.13: cannot open shared object file";
        assert_eq!(reason(given), wanted);
        assert_eq!(
            reason("CUDA failure 100: no CUDA-capable device is detected ; GPU=-1"),
            "CUDA failure 100: no CUDA-capable device is detected ; GPU=-1"
        );
        assert_eq!(reason("Non-zero status code : while running"), "Non-zero status code : while running");
    }
}
