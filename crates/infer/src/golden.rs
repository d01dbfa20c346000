//! The golden probe: what a runtime must compute right before it is trusted, what a network must do twice alike, and what it must compute on a
//! device as on the processor.

use std::path::PathBuf;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::graph::Graph;
use crate::place::Placement;
use crate::runtime::{CANDIDATES, Candidate, Runtime};
use crate::tensor::Tensor;

/// A small network with the operators that detectors and inpainting networks are made of, its input, and its output as ONNX
/// Runtime computes it (`train/stand_ins.py`).
const NET: &[u8] = include_bytes!("../golden/net.onnx");
const X: &[u8] = include_bytes!("../golden/x.f32");
const Y: &[u8] = include_bytes!("../golden/y.f32");
const X_SHAPE: [usize; 4] = [1, 3, 32, 32];

/// Outputs lie within 0.05 and 20; runtimes agree within 1e-5 of that, wrong ones differ by more than 1e-2.
const TOLERANCE: f32 = 1e-3;

/// Runtimes that have passed or failed in this process, with where they were looked for.
static KNOWN: Mutex<Vec<Known>> = Mutex::new(Vec::new());

struct Known {
    title: String,
    looked_for: (Vec<PathBuf>, Vec<PathBuf>, usize),
    verdict: Result<(), String>,
}

/// Whether `candidate` computes the golden network right. Asked once a process and place.
pub(crate) fn passes(candidate: &Candidate, placement: &Placement) -> Result<(), String> {
    if !placement.faults.is_empty() {
        return compare(candidate, placement);
    }
    let mut known = KNOWN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let looked_for = (placement.onnx_runtimes.clone(), placement.plugins.clone(), placement.index);
    let title = candidate.title();
    let same = |known: &&Known| known.title == title && known.looked_for == looked_for;
    if let Some(Known { verdict, .. }) = known.iter().find(same) {
        return verdict.clone();
    }
    let verdict = compare(candidate, placement);
    known.push(Known { title, looked_for, verdict: verdict.clone() });
    verdict
}

fn compare(candidate: &Candidate, placement: &Placement) -> Result<(), String> {
    let graph = Graph::read(NET)?;
    let mut runtime = candidate.opened(NET, &graph, placement)?;
    let x = Tensor::new(X_SHAPE.to_vec(), floats(X)).ok_or("the golden input is damaged")?;
    let y = runtime.run(&[("x", &x)])?;
    let (got, wanted) = (y.first().map(Tensor::data).unwrap_or_default(), floats(Y));
    if got.len() != wanted.len() {
        return Err(format!("its golden output has {} numbers instead of {}", got.len(), wanted.len()));
    }
    let off = |(a, b): (&f32, &f32)| (a - b).abs() / b.abs().max(1.0);
    let worst = worst(got.iter().zip(&wanted).map(off));
    // With fewer bits a number is coarser by what the check of each network allows.
    let allowed = if candidate.is_exact() { TOLERANCE } else { DEVICE };
    if worst <= allowed { Ok(()) } else { Err(format!("its golden output is off by {worst}")) }
}

/// The largest, or none that is a number where one of them is not.
fn worst(all: impl Iterator<Item = f32>) -> f32 {
    all.fold(0.0f32, |worst, one| if worst.is_nan() || one.is_nan() { f32::NAN } else { worst.max(one) })
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks::<4>().0.iter().map(|four| f32::from_le_bytes(*four)).collect()
}

/// What a network gave on the probe's inputs, and how long the second run took.
pub(crate) struct Probe {
    pub(crate) outputs: Vec<Tensor>,
    took: Duration,
}

/// Runs a network twice on inputs of `shapes` that look like pictures. A device may differ from itself by `slack` of the largest number.
///
/// # Errors
/// Where it fails, gives what is no finite number, or does not give the same twice.
pub(crate) fn twice(
    runtime: &mut dyn Runtime,
    graph: &Graph,
    shapes: &[Vec<usize>],
    slack: f32,
) -> Result<Probe, String> {
    let inputs: Vec<Tensor> = shapes.iter().map(|shape| pattern(shape)).collect();
    let named: Vec<(&str, &Tensor)> = graph.inputs.iter().map(|port| port.name.as_str()).zip(&inputs).collect();
    let first = runtime.run(&named)?;
    if first.iter().any(|tensor| tensor.data().iter().any(|v| !v.is_finite())) {
        return Err("it gives numbers that are not finite".to_owned());
    }
    let since = Instant::now();
    let second = runtime.run(&named)?;
    let took = since.elapsed();
    let same = second.iter().zip(&first).all(|(a, b)| a.shape() == b.shape() && distance(a, b) <= slack);
    if same { Ok(Probe { outputs: first, took }) } else { Err("it does not give the same numbers twice".to_owned()) }
}

/// How far a device may be from the processor: half a code of 8 bits where numbers are samples of 0..=1.
pub(crate) const DEVICE: f32 = 2e-3;

/// How far a device may be from itself: orders of sums that differ.
pub(crate) const ITSELF: f32 = 1e-5;

/// A device that takes longer than the processor by this factor, and longer than this at all, is none: a driver that plays a GPU. Small
/// probes leave a real one idle, so that it need not be faster on them.
const SLOWER: f64 = 4.0;
const LONG: Duration = Duration::from_millis(20);

/// Whether `probe`, of a device, is what the processor gives for the network, and not much later; where no runtime of the processor computes
/// it, the golden network has to do.
///
/// # Errors
/// In words, where it is not. One that was asked for by name may be `slow`.
pub(crate) fn like_the_processor(
    probe: &Probe,
    (bytes, graph, shapes): (&[u8], &Graph, &[Vec<usize>]),
    placement: &Placement,
    may_be_slow: bool,
) -> Result<(), String> {
    let processors = CANDIDATES.iter().filter(|candidate| !candidate.is_device());
    let reference = processors.filter(|candidate| passes(candidate, placement).is_ok()).find_map(|candidate| {
        let mut runtime = candidate.opened(bytes, graph, placement).ok()?;
        twice(runtime.as_mut(), graph, shapes, 0.0).ok()
    });
    let Some(reference) = reference else { return Ok(()) };
    let pairs = || probe.outputs.iter().zip(&reference.outputs);
    if pairs().any(|(a, b)| a.shape() != b.shape()) {
        return Err("its outputs have other shapes than the processor's".to_owned());
    }
    let off = worst(pairs().map(|(a, b)| distance(a, b)));
    if off.is_nan() || off > DEVICE {
        return Err(format!("it is off by {off:.1e} of the largest number from what the processor computes"));
    }
    let limit = reference.took.mul_f64(SLOWER).max(LONG);
    if probe.took > limit && !may_be_slow {
        let ms = |time: Duration| 1e3 * time.as_secs_f64();
        return Err(format!(
            "it is slower than the processor: {:.1} ms a run, not {:.1}",
            ms(probe.took),
            ms(reference.took)
        ));
    }
    Ok(())
}

/// The largest difference of two tensors of one shape, as a share of the largest number of the second, which counts as 1 at least.
fn distance(a: &Tensor, b: &Tensor) -> f32 {
    let largest = b.data().iter().fold(1.0f32, |largest, v| largest.max(v.abs()));
    worst(a.data().iter().zip(b.data()).map(|(a, b)| (a - b).abs())) / largest
}

/// Slopes and grain between 0 and 1, the same on every machine.
fn pattern(shape: &[usize]) -> Tensor {
    let width = shape.last().copied().unwrap_or(1).max(1);
    let mut tensor = Tensor::zeros(shape.to_vec());
    let mut state = 1u32;
    for (k, value) in tensor.data_mut().iter_mut().enumerate() {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let slope = (k % width) as f32 / width as f32;
        *value = 0.8 * slope + 0.2 * (state >> 8) as f32 / (1u32 << 24) as f32;
    }
    tensor
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::place::{Machine, Wishes, place};
    use crate::runtime::By;

    fn placement() -> Placement {
        place(&Machine { cores: 2, ..Machine::default() }, Wishes::default())
    }

    #[test]
    fn the_embedded_runtime_computes_the_golden_network_as_onnx_runtime_does() {
        let embedded = CANDIDATES.iter().find(|c| c.name == "rten").unwrap();
        assert_eq!(compare(embedded, &placement()), Ok(()));
    }

    /// Gives what it is told to, by how often it has run.
    struct Wrong(u32, fn(u32) -> f32);

    impl Runtime for Wrong {
        fn name(&self) -> &'static str {
            "wrong"
        }

        fn run(&mut self, _: &[(&str, &Tensor)]) -> Result<Vec<Tensor>, String> {
            self.0 += 1;
            Ok(vec![Tensor::new(vec![1, 256, 12], vec![(self.1)(self.0); 3072]).unwrap()])
        }
    }

    #[test]
    fn a_runtime_that_computes_wrong_is_refused() {
        let refused = |make| compare(&Candidate { name: "wrong", by: By::Other(make) }, &placement()).unwrap_err();
        let flat = refused(|| Box::new(Wrong(0, |_| 1.0)));
        assert!(flat.contains("off by"), "{flat}");
        let none = refused(|| Box::new(Wrong(0, |_| f32::NAN)));
        assert!(none.contains("off by NaN"), "{none}");
    }

    #[test]
    fn a_network_that_gives_other_numbers_each_time_or_none_is_refused() {
        let graph = Graph::read(NET).unwrap();
        let probe = |what, slack| twice(&mut Wrong(0, what), &graph, &[X_SHAPE.to_vec()], slack).map(drop);
        assert!(probe(|n| n as f32, 0.0).unwrap_err().contains("the same numbers twice"));
        assert!(probe(|_| f32::INFINITY, 0.0).unwrap_err().contains("not finite"));
        assert!(probe(|_| 0.5, 0.0).is_ok());
        // A device may sum in another order.
        assert!(probe(|n| n as f32 * 1e-6, 0.0).is_err() && probe(|n| n as f32 * 1e-6, ITSELF).is_ok());
    }

    #[test]
    fn a_device_has_to_compute_what_the_processor_does_and_not_much_later() {
        let graph = Graph::read(NET).unwrap();
        let shapes = [X_SHAPE.to_vec()];
        let embedded = CANDIDATES.iter().find(|c| c.name == "rten").unwrap();
        let mut runtime = embedded.opened(NET, &graph, &placement()).unwrap();
        let honest = twice(runtime.as_mut(), &graph, &shapes, ITSELF).unwrap();
        let check = |off: f32, took, may_be_slow| {
            let mut outputs = honest.outputs.clone();
            outputs[0].data_mut()[5] += off;
            like_the_processor(&Probe { outputs, took }, (NET, &graph, &shapes), &placement(), may_be_slow)
        };
        assert_eq!(check(0.0, honest.took, false), Ok(()));
        let largest = honest.outputs[0].data().iter().fold(1.0f32, |a, b| a.max(b.abs()));
        assert_eq!(check(0.5 * DEVICE * largest, honest.took, false), Ok(()));
        assert!(check(2.0 * DEVICE * largest, honest.took, false).unwrap_err().contains("from what the processor"));
        assert!(check(f32::NAN, honest.took, false).is_err());
        let late = Duration::from_secs(20);
        assert!(check(0.0, late, false).unwrap_err().contains("slower than the processor"));
        assert_eq!(check(0.0, late, true), Ok(()));
    }
}
