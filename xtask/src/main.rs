//! `cargo xtask TASK`: what a developer or a build machine does with the workspace, in one place and without a shell.
//!
//! Tasks run the workspace's binaries and cargo as programs; they know no codec and no pixel.

mod aarch64;
mod ci;
mod deny;
mod dist;
mod docs;
mod layers;
mod step;

use std::process::ExitCode;

const USAGE: &str = "usage: cargo xtask TASK

  ci [STEP ...]     all checks, or the named ones: fmt docs layers clippy test doc deny
  demo [ARGS ...]   make a marked clip with known truth, clean it, report how close it came
  fixtures [DIR]    write pictures of every synthetic scenery and mark (default: target/fixtures)
  bench [ARGS ...]  run the benches
  dist              build the program for this machine and pack it with its manual pages: target/dist/*.tar.gz
  aarch64           check the types of the program as it would be built for 64-bit ARM (Debian, with its cross compiler)";

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let task = args.next().unwrap_or_default();
    let rest: Vec<String> = args.collect();
    let done = match task.as_str() {
        "ci" => ci::run_steps(&rest),
        "demo" => step::demo(&rest),
        "fixtures" => step::fixtures(&rest),
        "bench" => step::bench(&rest),
        "dist" => dist::dist(),
        "aarch64" => aarch64::check(),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error}");
            ExitCode::FAILURE
        }
    }
}
