//! NVIDIA's libraries beside ONNX Runtime: Python packages keep them in folders that the system's loader does not know.

use std::path::{Path, PathBuf};
use std::sync::Once;

use ort::ep::cuda::{CUDA_DYLIBS, CUDNN_DYLIBS};
use ort::util::preload_dylib;

/// What TensorRT takes besides.
const TENSORRT: [&str; 2] = ["libnvinfer.so.10", "libnvonnxparser.so.10"];

/// Loads what lies in the Python packages around `runtimes`, or in folders installed beside them, once a process. What is not found is left to
/// the system's loader, which says so where it does not find it either.
pub(crate) fn preload(runtimes: &[PathBuf]) {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let folders: Vec<PathBuf> = runtimes.iter().flat_map(|library| around(library)).collect();
        for name in CUDA_DYLIBS.iter().chain(CUDNN_DYLIBS).chain(&TENSORRT) {
            let mut found = folders.iter().map(|folder| folder.join(name)).filter(|path| path.is_file());
            // One that does not load is reported by who needs it.
            let _ = found.find(|path| preload_dylib(path).is_ok());
        }
    });
}

/// Folders that may hold libraries for the ONNX Runtime at `library`: `site-packages/nvidia/*/lib` and `site-packages/tensorrt_libs` where it lies
/// in `site-packages/onnxruntime/capi`, and what is installed beside its own folder.
fn around(library: &Path) -> Vec<PathBuf> {
    let entries = |folder: &Path| {
        let mut paths: Vec<PathBuf> =
            std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
        paths.sort();
        paths
    };
    let Some(own) = library.parent().filter(|folder| !folder.as_os_str().is_empty()) else { return Vec::new() };
    let beside = own.parent().map(entries).unwrap_or_default().into_iter().filter(|path| {
        path.file_name()
            .is_some_and(|name| ["nvidia", "tensorrt"].iter().any(|maker| name.to_string_lossy().starts_with(maker)))
    });
    let packages = own.parent().and_then(Path::parent);
    let nvidia = packages.map(|packages| entries(&packages.join("nvidia"))).unwrap_or_default();
    let in_packages = nvidia.into_iter().map(|package| package.join("lib"));
    let tensorrt = packages.map(|packages| packages.join("tensorrt_libs"));
    beside.chain(in_packages).chain(tensorrt).filter(|folder| folder.is_dir()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_are_looked_for_in_python_packages_and_beside_what_is_installed() {
        let root = tempfile::tempdir().unwrap();
        let folders = [
            "site-packages/onnxruntime/capi",
            "site-packages/nvidia/cu13/lib",
            "site-packages/nvidia/cudnn/lib",
            "site-packages/nvidia/empty",
            "runtimes/onnxruntime_gpu-1.31.1",
            "runtimes/nvidia_cudnn_cu13-9.1",
        ];
        folders.iter().for_each(|folder| std::fs::create_dir_all(root.path().join(folder)).unwrap());
        let found = |library: &str| -> Vec<String> {
            let strip = |path: PathBuf| path.strip_prefix(root.path()).unwrap().display().to_string();
            around(&root.path().join(library)).into_iter().map(strip).collect()
        };
        assert_eq!(found("site-packages/onnxruntime/capi/libonnxruntime.so.1"), [folders[1], folders[2]]);
        assert_eq!(found("runtimes/onnxruntime_gpu-1.31.1/libonnxruntime.so.1"), [folders[5]]);
        assert!(around(Path::new("libonnxruntime.so")).is_empty());
    }
}
