//! How long a network takes: `time_net NET.onnx CHANNELS HEIGHT WIDTH [ROUNDS [libonnxruntime.so]]`, on one thread.
//!
//! Prints milliseconds a run, the fastest and the median of the rounds, on the embedded runtime or on the given library.
#![allow(clippy::print_stdout, clippy::print_stderr)] // an example

use std::error::Error;
use std::path::Path;
use std::time::Instant;

use cleanplate_infer::{Machine, Net, Tensor, Wishes, place};

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [net, channels, height, width, more @ ..] = args.as_slice() else {
        return Err("usage: time_net NET.onnx CHANNELS HEIGHT WIDTH [ROUNDS [libonnxruntime.so]]".into());
    };
    let rounds: usize = more.first().map_or(Ok(20), |rounds| rounds.parse())?;
    let onnx_runtimes = more.iter().skip(1).map(Into::into).collect();
    let placement = place(&Machine { cores: 1, free_memory: 4 << 30, onnx_runtimes }, Wishes::default());
    let shape = vec![1, channels.parse()?, height.parse()?, width.parse()?];
    let (mut net, _) = Net::open(Path::new(net), &placement, |_| Ok(vec![shape.clone()]))?;
    let mut input = Tensor::zeros(shape);
    // Values between 0 and 1 that do not repeat, so that no short cut for zeros is timed.
    for (k, value) in input.data_mut().iter_mut().enumerate() {
        *value = ((k as u32).wrapping_mul(2_654_435_761) >> 8) as f32 / (1 << 24) as f32;
    }
    let mut times = Vec::new();
    for _ in 0..rounds.max(1) {
        let since = Instant::now();
        net.run(&[&input])?;
        times.push(since.elapsed().as_secs_f64() * 1e3);
    }
    times.sort_by(f64::total_cmp);
    println!("{}: {:.1} ms, median {:.1} ms of {}", net.runtime(), times[0], times[times.len() / 2], times.len());
    Ok(())
}
