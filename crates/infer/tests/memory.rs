//! What a network holds does not grow with the number of its runs, on whatever runtime.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::print_stderr)] // tests

mod common;

use cleanplate_infer::{Net, NetFailure, NetFault, Placement, Tensor};
use common::{data, placements};

/// Bytes of memory that this process holds now.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}

/// A batch of 4 pictures of 16 x 16 in three channels takes 12 kB and its answer 48 kB: were one of them kept by every run, 1800 runs
/// would take 21 MB at least. Allocators move by less than this.
const GROWTH: u64 = 8 << 20;

#[test]
fn memory_stays_flat_over_two_thousand_batches() {
    let stand_in = NetFault { network: None, runtime: "onnxruntime".to_owned(), what: NetFailure::StandIn };
    let placement = Placement { faults: vec![stand_in], ..placements().next().unwrap() };
    let shapes = |_: &_| Ok(vec![vec![1, 3, 16, 16]]);
    let (mut net, _) = Net::open(&data("upscaler_half.onnx"), &placement, shapes).unwrap();
    assert_eq!(net.runtime(), "onnxruntime");
    let values = (0..4 * 3 * 16 * 16).map(|k| ((k * 37) % 101) as f32 / 101.0).collect();
    let batch = Tensor::new(vec![4, 3, 16, 16], values).unwrap();
    let wanted = net.run(&[&batch]).unwrap();
    let mut early = 0;
    for run in 1..2000 {
        assert!(net.run(&[&batch]).unwrap() == wanted, "run {run}");
        if run == 199 {
            early = resident();
        }
    }
    let late = resident();
    assert!(late < early + GROWTH, "{early} bytes after 200 runs, {late} after 2000");
    assert_eq!(placement.meters.since(0).iter().map(|meter| meter.inputs).sum::<u64>(), 4 * 2000);
}
