//! Networks on devices: a software Vulkan device behind ONNX Runtime's plug-in for any GPU, where one is at hand.
//!
//! `CLEANPLATE_SLOW=1 ORT_DYLIB_PATH=libonnxruntime.so CLEANPLATE_PLUGIN=libonnxruntime_providers_webgpu.so ORT_WEBGPU_EP_ALLOW_SOFTWARE_ADAPTER=1`
//! on a machine with Mesa 25 or later (docs/gpu-checks.md).
#![allow(clippy::unwrap_used, clippy::print_stderr)] // tests

mod common;

use std::path::PathBuf;

use cleanplate_core::Raster;
use cleanplate_infer::{
    Batches, Error, Machine, Net, NetFailure, NetFault, Overrides, Placement, Tensor, Upscaler, Wanted, Wishes, place,
    runtimes,
};
use common::{data, placements};

/// A machine with the plug-in; `None` where the environment names none.
fn with_plugin() -> Option<Machine> {
    let path = |name: &str| std::env::var_os(name).map(PathBuf::from);
    if std::env::var_os("CLEANPLATE_SLOW").is_none() {
        eprintln!("skipped: CLEANPLATE_SLOW is not set");
        return None;
    }
    let (Some(runtime), Some(plugin)) = (path("ORT_DYLIB_PATH"), path("CLEANPLATE_PLUGIN")) else {
        eprintln!("skipped: ORT_DYLIB_PATH and CLEANPLATE_PLUGIN do not name libraries");
        return None;
    };
    let (onnx_runtimes, plugins) = (vec![runtime], vec![plugin]);
    Some(Machine { cores: 2, free_memory: 8 << 30, onnx_runtimes, plugins, ..Machine::default() })
}

/// So many pictures.
fn pictures(count: usize) -> Tensor {
    let data = (0..count * 3 * 16 * 16).map(|k| ((k * 37) % 101) as f32 / 101.0).collect();
    Tensor::new(vec![count, 3, 16, 16], data).unwrap()
}

fn open(placement: &Placement) -> Result<Net, Error> {
    Net::open(&data("upscaler_half.onnx"), placement, |_| Ok(vec![vec![1, 3, 16, 16]])).map(|(net, _)| net)
}

#[test]
fn any_gpu_computes_what_the_processor_does() {
    let Some(machine) = with_plugin() else { return };
    let named = Wishes { wanted: Wanted::Named("webgpu".to_owned()), ..Wishes::default() };
    let shape = vec![1, 3, 160, 160];
    let given = Tensor::new(shape.clone(), (0..3 * 160 * 160).map(|k| ((k * 37) % 101) as f32 / 101.0).collect());
    let given = given.unwrap();
    let open = |placement: &Placement| Net::open(&data("detector_v8.onnx"), placement, |_| Ok(vec![shape.clone()]));
    let wanted = open(&placements().next().unwrap()).unwrap().0.run(&[&given]).unwrap();
    let cache = tempfile::tempdir().unwrap();
    let machine = Machine { cache: Some(cache.path().to_owned()), ..machine };
    let placement = place(&machine, named);
    let mut net = open(&placement).unwrap().0;
    assert_eq!(net.runtime(), "webgpu");
    for _ in 0..3 {
        let found = net.run(&[&given]).unwrap();
        let largest = wanted[0].data().iter().fold(1.0f32, |largest, v| largest.max(v.abs()));
        let apart = found[0].data().iter().zip(wanted[0].data()).map(|(a, b)| (a - b).abs()).fold(0.0f32, f32::max);
        assert!(apart < 1e-5 * largest, "{apart} of {largest}");
        eprintln!("webgpu is {apart:.1e} of {largest} from the processor");
    }
    // That it agrees is known in the next run.
    assert_eq!(std::fs::read_dir(cache.path().join("nets")).unwrap().count(), 1);
    assert_eq!(open(&placement).unwrap().0.refusals(), [""; 0]);
    let all = runtimes(&placement);
    let webgpu = all.iter().find(|own| own.name == "webgpu").unwrap();
    assert_eq!(webgpu.verdict, Ok(()));
}

#[test]
fn a_driver_that_plays_a_gpu_gives_way_to_the_processor_unless_it_is_asked_for() {
    let Some(machine) = with_plugin() else { return };
    // Work enough that a processor behind Vulkan is late with it.
    let opened = |wanted| {
        let placement = place(&machine, Wishes { wanted, ..Wishes::default() });
        Net::open(&data("upscaler_half.onnx"), &placement, |_| Ok(vec![vec![1, 3, 256, 256]])).unwrap().0
    };
    let net = opened(Wanted::Any);
    assert_eq!(net.runtime(), "onnxruntime", "{:?}", net.refusals());
    assert!(net.refusals()[0].starts_with("webgpu: it is slower than the processor"), "{:?}", net.refusals());
    assert_eq!(opened(Wanted::Device).runtime(), "webgpu");
}

#[test]
fn who_asks_for_a_device_that_is_not_there_is_told_why() {
    let refused = |wanted| {
        let bare = placements().next().unwrap();
        match open(&Placement { wanted, ..bare }) {
            Err(Error::Refused { refusals, .. }) => refusals.join("; "),
            other => panic!("{other:?}"),
        }
    };
    assert!(refused(Wanted::Device).contains("no device is known here"));
    assert!(refused(Wanted::Named("cuda".to_owned())).contains("not installed"));
    assert!(refused(Wanted::Named("abacus".to_owned())).contains("known: tensorrt, cuda, webgpu, onnxruntime, rten"));
}

#[test]
fn whoever_is_strict_gets_no_other_runtime_than_the_first_that_is_installed() {
    let strict = |faults: &[NetFault]| {
        let bare = placements().next().unwrap();
        open(&Placement { faults: faults.to_vec(), is_strict: true, ..bare })
    };
    // That none is installed is no refusal.
    assert_eq!(strict(&[]).unwrap().runtime(), "rten");
    let what = NetFailure::Refuses("the driver is too old".to_owned());
    let refused = strict(&[NetFault { network: None, runtime: "cuda".to_owned(), what }]).unwrap_err();
    assert!(refused.to_string().contains("cuda: the driver is too old"), "{refused}");
}

/// A placement whose `cuda` is played by the embedded runtime.
fn played(failures: &[NetFailure]) -> Placement {
    let fault = |what: &NetFailure| NetFault { network: None, runtime: "cuda".to_owned(), what: what.clone() };
    let faults = [NetFailure::StandIn].iter().chain(failures).map(fault).collect();
    Placement { faults, ..placements().next().unwrap() }
}

#[test]
fn a_device_that_is_lost_leaves_the_processor_with_as_many_at_once_as_suit_it() {
    let given = pictures(8);
    let wanted = open(&placements().next().unwrap()).unwrap().run(&[&given]).unwrap();
    let placement = played(&[NetFailure::From(2, "CUDA error: the GPU has fallen off the bus".to_owned())]);
    let placement = Placement { processor: Batches { detect: 2, fill: 1 }, ..placement };
    let mut net = open(&placement).unwrap();
    assert_eq!((net.runtime(), net.batch(cleanplate_infer::Role::Fill, &placement)), ("cuda", 6));
    for _ in 0..3 {
        assert_eq!(net.run(&[&given]).unwrap(), wanted);
    }
    assert_eq!(net.runtime(), "rten");
    assert!(net.refusals().iter().any(|line| line.contains("fallen off the bus")), "{:?}", net.refusals());
}

#[test]
fn memory_that_does_not_hold_a_tile_gets_smaller_ones_with_the_same_samples() {
    let fast = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../cleanplate/networks/upscale-fast-coded.onnx");
    let picture = Raster::from_vec(300, 90, (0..300 * 90).map(|k| ((k * 37) % 101) as f32 / 101.0).collect()).unwrap();
    let made = |placement: &Placement| {
        let mut net = Upscaler::open(&fast, Overrides::default(), placement).unwrap();
        let tile = net.tile(128);
        let made = net.enlarge(&[std::slice::from_ref(&picture)], tile).unwrap().remove(0).remove(0);
        (tile, made, net.net().runtime(), net.net().refusals().len())
    };
    let whole = made(&placements().next().unwrap());
    // 512, then 256, then 128 samples a side.
    let words = || "CUDA failure 2: out of memory".to_owned();
    let short = made(&played(&[NetFailure::Once(1, words()), NetFailure::Once(2, words())]));
    assert_eq!(((whole.0, whole.2, whole.3), (short.0, short.2, short.3)), ((128, "rten", 1), (512, "cuda", 2)));
    let off =
        |other: &Raster<f32>| whole.1.data().iter().zip(other.data()).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(off(&short.1) < 1e-5);
    // Never enough: not even the smallest tile.
    let lost = made(&played(&[NetFailure::From(1, words())]));
    assert!(lost.2 == "rten" && off(&lost.1) < 1e-5);
}

#[test]
fn memory_of_a_device_that_does_not_suffice_costs_three_steps_at_most() {
    let given = pictures(16);
    let wanted = open(&placements().next().unwrap()).unwrap().run(&[&given]).unwrap();
    // It fails from the third run on for one run: the first attempt at two at once.
    let short = NetFailure::Once(3, "CUDA failure 2: out of memory".to_owned());
    let mut net = open(&played(&[short])).unwrap();
    let batch = net.batch(cleanplate_infer::Role::Fill, &played(&[]));
    assert_eq!(batch, 6);
    assert_eq!(net.run(&[&given]).unwrap(), wanted);
    assert_eq!((net.runtime(), net.refusals().len()), ("cuda", 1), "{:?}", net.refusals());
}
