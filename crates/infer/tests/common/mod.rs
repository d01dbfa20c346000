//! What the tests of networks share.
#![allow(dead_code)] // each test takes its part

use std::path::PathBuf;

use cleanplate_infer::{Machine, Placement, Wishes, place};

/// A network of the tests.
pub(crate) fn data(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

/// Placements on the embedded runtime, and on ONNX Runtime where `ORT_DYLIB_PATH` names its library. The embedded one comes
/// first: a loaded library stays for the rest of the process.
pub(crate) fn placements() -> impl Iterator<Item = Placement> {
    let machine = |onnx_runtimes| Machine { cores: 2, free_memory: 8 << 30, onnx_runtimes, ..Machine::default() };
    let installed = std::env::var_os("ORT_DYLIB_PATH");
    if installed.is_none() {
        eprintln!("skipped on ONNX Runtime: ORT_DYLIB_PATH does not name its library");
    }
    let all = [Some(Vec::new()), installed.map(|path| vec![PathBuf::from(path)])];
    all.into_iter().flatten().map(move |paths| place(&machine(paths), Wishes::default()))
}
