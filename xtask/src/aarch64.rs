//! The type check for the other processor family, on a machine of the usual one: libav's headers are the same for both.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::step::{Failure, cargo, root, run};

const TARGET: &str = "aarch64-unknown-linux-gnu";
/// Debian's cross compiler, and where its C library lies.
const COMPILER: &str = "aarch64-linux-gnu-gcc";
const SYSROOT: &str = "/usr/aarch64-linux-gnu";

const LIBRARIES: [&str; 7] = ["avcodec", "avformat", "avutil", "avfilter", "avdevice", "swscale", "swresample"];

/// Checks the types of the whole program as it would be built for 64-bit ARM. Nothing is linked or run.
pub(crate) fn check() -> Result<(), Failure> {
    if Command::new(COMPILER).arg("--version").output().is_err() || !Path::new(SYSROOT).is_dir() {
        return Err(format!("{COMPILER} is missing: apt-get install gcc-aarch64-linux-gnu libc6-dev-arm64-cross"));
    }
    run(Command::new("rustup").args(["target", "add", TARGET]))?;
    // The other family's C library and this one's headers of libav, without this one's C library between them.
    let place = root().join("target/aarch64");
    let (headers, described) = (place.join("include"), place.join("pkgconfig"));
    for folder in [&headers, &described] {
        fs::create_dir_all(folder).map_err(|error| format!("cannot make {}: {error}", folder.display()))?;
    }
    for name in LIBRARIES {
        library(&format!("lib{name}"), &headers, &described)?;
    }
    let clang = format!("--sysroot={SYSROOT} -isystem {SYSROOT}/include -I{}", headers.display());
    let mut command = cargo(&["check", "--locked", "--package", "cleanplate-cli", "--target", TARGET]);
    command.env("PKG_CONFIG_ALLOW_CROSS", "1").env("PKG_CONFIG_LIBDIR", &described);
    command.env("BINDGEN_EXTRA_CLANG_ARGS", clang).env("CC_aarch64_unknown_linux_gnu", COMPILER);
    run(command.env("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER", COMPILER))
}

/// Links the headers of a library into `headers`, and describes it to pkg-config as lying there.
fn library(name: &str, headers: &Path, described: &Path) -> Result<(), Failure> {
    let ask = |args: &[&str]| {
        let asked = Command::new("pkg-config").args(args).arg(name).output();
        let answer = asked.map_err(|error| format!("cannot run pkg-config: {error}"))?;
        let words = String::from_utf8_lossy(&answer.stdout).trim().to_owned();
        if answer.status.success() && !words.is_empty() {
            Ok(words)
        } else {
            Err(format!("pkg-config knows no {name}"))
        }
    };
    let from = Path::new(&ask(&["--variable=includedir"])?).join(name);
    let link = headers.join(name);
    // One that is there already points to the same.
    let _ = fs::remove_file(&link);
    #[cfg(unix)]
    std::os::unix::fs::symlink(&from, &link).map_err(|error| format!("cannot link {}: {error}", link.display()))?;
    let text = format!(
        "Name: {name}\nDescription: {name}\nVersion: {}\nCflags: -I{}\nLibs: -l{}\n",
        ask(&["--modversion"])?,
        headers.display(),
        name.trim_start_matches("lib")
    );
    let file = described.join(format!("{name}.pc"));
    fs::write(&file, text).map_err(|error| format!("cannot write {}: {error}", file.display()))
}
