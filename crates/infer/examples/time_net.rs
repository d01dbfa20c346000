//! How long a network takes on one thread: `time_net NET.onnx CHANNELS HEIGHT WIDTH [ROUNDS [libonnxruntime.so]]`.
//!
//! Prints milliseconds a run, the fastest and the median of the rounds, on the embedded runtime; with a library of ONNX Runtime on
//! that too, and how far apart their results are.
#![allow(clippy::print_stdout, clippy::print_stderr)] // an example

use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::Instant;

use cleanplate_infer::{Machine, Net, Tensor, Wishes, place};

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [net, channels, height, width, more @ ..] = args.as_slice() else {
        return Err("usage: time_net NET.onnx CHANNELS HEIGHT WIDTH [ROUNDS [libonnxruntime.so]]".into());
    };
    let rounds: usize = more.first().map_or(Ok(20), |rounds| rounds.parse())?;
    let shape = vec![1, channels.parse()?, height.parse()?, width.parse()?];
    let mut input = Tensor::zeros(shape);
    // Values between 0 and 1 that do not repeat, so that no short cut for zeros is timed.
    for (k, value) in input.data_mut().iter_mut().enumerate() {
        *value = ((k as u32).wrapping_mul(2_654_435_761) >> 8) as f32 / (1 << 24) as f32;
    }
    let ours = timed(Path::new(net), Vec::new(), &input, rounds)?;
    if let Some(library) = more.get(1) {
        let theirs = timed(Path::new(net), vec![library.into()], &input, rounds)?;
        let pairs = ours.iter().zip(&theirs).flat_map(|(a, b)| a.data().iter().zip(b.data()));
        let apart = pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        println!("at most {apart:.1e} apart");
    }
    Ok(())
}

fn timed(
    net: &Path,
    onnx_runtimes: Vec<PathBuf>,
    input: &Tensor,
    rounds: usize,
) -> Result<Vec<Tensor>, Box<dyn Error>> {
    let machine = Machine { cores: 1, free_memory: 4 << 30, onnx_runtimes, ..Machine::default() };
    let placement = place(&machine, Wishes::default());
    let (mut net, mut results) = Net::open(net, &placement, |_| Ok(vec![input.shape().to_vec()]))?;
    let mut times = Vec::new();
    for _ in 0..rounds.max(1) {
        let since = Instant::now();
        results = net.run(&[input])?;
        times.push(since.elapsed().as_secs_f64() * 1e3);
    }
    times.sort_by(f64::total_cmp);
    println!("{}: {:.1} ms, median {:.1} ms of {}", net.runtime(), times[0], times[times.len() / 2], times.len());
    Ok(results)
}
