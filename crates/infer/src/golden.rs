//! The golden probe: what a runtime must compute right before it is trusted, and what a network must do twice alike.

use std::path::PathBuf;
use std::sync::Mutex;

use crate::graph::Graph;
use crate::place::Placement;
use crate::runtime::{Candidate, Runtime};
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
    name: &'static str,
    looked_for: Vec<PathBuf>,
    verdict: Result<(), String>,
}

/// Whether `candidate` computes the golden network right. Asked once a process and place.
pub(crate) fn passes(candidate: &Candidate, placement: &Placement) -> Result<(), String> {
    if !placement.faults.is_empty() {
        return compare(candidate, placement);
    }
    let mut known = KNOWN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let same = |known: &&Known| known.name == candidate.name && known.looked_for == placement.onnx_runtimes;
    if let Some(Known { verdict, .. }) = known.iter().find(same) {
        return verdict.clone();
    }
    let verdict = compare(candidate, placement);
    let (name, looked_for) = (candidate.name, placement.onnx_runtimes.clone());
    known.push(Known { name, looked_for, verdict: verdict.clone() });
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
    let worst = got
        .iter()
        .zip(&wanted)
        .map(off)
        .fold(0.0f32, |worst, off| if off.is_nan() { f32::NAN } else { worst.max(off) });
    if worst <= TOLERANCE { Ok(()) } else { Err(format!("its golden output is off by {worst}")) }
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks::<4>().0.iter().map(|four| f32::from_le_bytes(*four)).collect()
}

/// Runs a network twice on inputs of `shapes` that look like pictures, and hands back what it gave.
///
/// # Errors
/// Where it fails, gives what is no finite number, or does not give the same twice.
pub(crate) fn twice(runtime: &mut dyn Runtime, graph: &Graph, shapes: &[Vec<usize>]) -> Result<Vec<Tensor>, String> {
    let inputs: Vec<Tensor> = shapes.iter().map(|shape| pattern(shape)).collect();
    let named: Vec<(&str, &Tensor)> = graph.inputs.iter().map(|port| port.name.as_str()).zip(&inputs).collect();
    let first = runtime.run(&named)?;
    if first.iter().any(|tensor| tensor.data().iter().any(|v| !v.is_finite())) {
        return Err("it gives numbers that are not finite".to_owned());
    }
    let same = runtime.run(&named)?.iter().zip(&first).all(|(a, b)| {
        let bits = |t: &Tensor| t.data().iter().map(|v| v.to_bits()).collect::<Vec<_>>();
        a.shape() == b.shape() && bits(a) == bits(b)
    });
    if same { Ok(first) } else { Err("it does not give the same numbers twice".to_owned()) }
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
    use crate::runtime::CANDIDATES;

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
        let refused = |open| compare(&Candidate { name: "wrong", open }, &placement()).unwrap_err();
        let flat = refused(|_, _, _| Ok(Box::new(Wrong(0, |_| 1.0))));
        assert!(flat.contains("off by"), "{flat}");
        let none = refused(|_, _, _| Ok(Box::new(Wrong(0, |_| f32::NAN))));
        assert!(none.contains("off by NaN"), "{none}");
    }

    #[test]
    fn a_network_that_gives_other_numbers_each_time_or_none_is_refused() {
        let graph = Graph::read(NET).unwrap();
        let probe = |what| twice(&mut Wrong(0, what), &graph, &[X_SHAPE.to_vec()]);
        assert!(probe(|n| n as f32).unwrap_err().contains("the same numbers twice"));
        assert!(probe(|_| f32::INFINITY).unwrap_err().contains("not finite"));
        assert!(probe(|_| 0.5).is_ok());
    }
}
