//! cargo-deny: where it is found, and how it is built once where it is not.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::step::{Failure, cargo, root, run};

/// The version that is installed where none is found; any that is found is used as it is.
const VERSION: &str = "0.20.2";

/// Duplicates, licences and sources of the whole tree, from the crates on this machine: no network.
pub(crate) fn check() -> Result<(), Failure> {
    let program = find_or_install()?;
    // The lock file names crates of all platforms; fetching is a no-op where they are all there.
    run(&mut cargo(&["fetch", "--locked"]))?;
    let args =
        ["--offline", "--locked", "--all-features", "check", "--hide-inclusion-graph", "bans", "licenses", "sources"];
    run(Command::new(program).current_dir(root()).args(args))
}

fn find_or_install() -> Result<PathBuf, Failure> {
    let own = root().join("target/tools");
    let built = own.join("bin").join(format!("cargo-deny{}", std::env::consts::EXE_SUFFIX));
    for program in [PathBuf::from("cargo-deny"), built.clone()] {
        let trial = Command::new(&program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
        if trial.is_ok_and(|status| status.success()) {
            return Ok(program);
        }
    }
    println!("cargo-deny is not installed: building {VERSION} into {} (a few minutes, once)", own.display());
    let mut install = cargo(&["install", "cargo-deny", "--version", VERSION, "--locked", "--root"]);
    install.arg(&own).arg("--target-dir").arg(root().join("target/tools/build"));
    // It runs for a second, so that compile time counts: without these it takes more than twice as long to build.
    for (setting, value) in [("OPT_LEVEL", "1"), ("LTO", "off"), ("CODEGEN_UNITS", "16"), ("DEBUG", "0")] {
        install.env(format!("CARGO_PROFILE_RELEASE_{setting}"), value);
    }
    run(&mut install)?;
    // The binary is all that is needed from here on.
    let _ = std::fs::remove_dir_all(root().join("target/tools/build"));
    Ok(built)
}
