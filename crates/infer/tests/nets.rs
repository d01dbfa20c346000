//! What becomes of a network whose runtime fails on the way.
#![allow(clippy::unwrap_used, clippy::print_stderr)] // tests

mod common;

use cleanplate_infer::{Error, Net, NetFailure, NetFault, Placement, Tensor};
use common::{data, placements};

/// A network whose runtime `onnxruntime` is played by the embedded one and fails as said.
fn failing(failures: &[NetFailure]) -> Net {
    let fault = |what: &NetFailure| NetFault { network: None, runtime: "onnxruntime".to_owned(), what: what.clone() };
    let faults = [NetFailure::StandIn].iter().chain(failures).map(fault).collect();
    open(&Placement { faults, ..placements().next().unwrap() })
}

fn open(placement: &Placement) -> Net {
    Net::open(&data("upscaler_half.onnx"), placement, |_| Ok(vec![vec![1, 3, 16, 16]])).unwrap().0
}

/// So many pictures.
fn pictures(count: usize) -> Tensor {
    let data = (0..count * 3 * 16 * 16).map(|k| ((k * 37) % 101) as f32 / 101.0).collect();
    Tensor::new(vec![count, 3, 16, 16], data).unwrap()
}

#[test]
fn the_next_runtime_takes_over_for_good_with_the_same_numbers() {
    let given = pictures(2);
    let wanted = open(&placements().next().unwrap()).run(&[&given]).unwrap();
    let mut net = failing(&[NetFailure::From(3, "the device is lost".to_owned())]);
    assert_eq!(net.runtime(), "onnxruntime");
    for run in 1..6 {
        assert_eq!(net.run(&[&given]).unwrap(), wanted, "run {run}");
        assert_eq!(net.runtime(), if run < 3 { "onnxruntime" } else { "rten" });
    }
    assert_eq!(net.refusals(), ["onnxruntime: the device is lost"]);
    let refused = failing(&[NetFailure::Refuses("no such library".to_owned())]);
    assert_eq!((refused.runtime(), refused.refusals()), ("rten", &["onnxruntime: no such library".to_owned()][..]));
}

#[test]
fn where_memory_is_short_fewer_go_at_once_until_it_suffices() {
    let given = pictures(7);
    let wanted = open(&placements().next().unwrap()).run(&[&given]).unwrap();
    let short =
        |what: fn(u64, String) -> NetFailure, at| what(at, "Failed to allocate memory for requested buffer".to_owned());
    let mut net = failing(&[short(NetFailure::Once, 1), short(NetFailure::Once, 2)]);
    assert_eq!(net.run(&[&given]).unwrap(), wanted);
    // 7, then 4, then 1 at once.
    assert_eq!((net.runtime(), net.refusals().len()), ("onnxruntime", 2));
    assert_eq!(net.run(&[&given]).unwrap(), wanted);
    assert_eq!(net.refusals().len(), 2);
    // Never enough: 7, 4 and 1 are tried, then the other runtime gets all.
    let mut net = failing(&[short(NetFailure::From, 1)]);
    assert_eq!(net.run(&[&given]).unwrap(), wanted);
    assert_eq!((net.runtime(), net.refusals().len()), ("rten", 3));
}

#[test]
fn the_last_runtime_has_nobody_to_take_over() {
    let fault =
        NetFault { network: None, runtime: "rten".to_owned(), what: NetFailure::From(1, "it breaks".to_owned()) };
    let mut net = open(&Placement { faults: vec![fault], onnx_runtimes: Vec::new(), ..placements().next().unwrap() });
    let error = net.run(&[&pictures(1)]).unwrap_err();
    assert!(matches!(&error, Error::Run { reason, .. } if reason == "it breaks"), "{error}");
}
