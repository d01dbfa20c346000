//! The archive of a release: the program, its manual pages and completions, licences and the README.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::step::{Failure, cargo, root, run};

/// Files of the workspace's root that go with the program.
const BESIDE: [&str; 4] = ["README.md", "CHANGELOG.md", "LICENSE-APACHE", "LICENSE-MIT"];

/// Shells, and what their completions are called.
const SHELLS: [(&str, &str); 3] = [("bash", "cleanplate.bash"), ("zsh", "_cleanplate"), ("fish", "cleanplate.fish")];

/// Builds the program for this machine and packs it: `target/dist/cleanplate-VERSION-TARGET.tar.gz`.
pub(crate) fn dist() -> Result<(), Failure> {
    run(&mut cargo(&["build", "--release", "--locked", "--package", "cleanplate-cli"]))?;
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    let built = root().join(target).join("release");
    let program = built.join(format!("cleanplate{}", std::env::consts::EXE_SUFFIX));
    let name = format!("cleanplate-{}-{}", version(&program)?, host()?);
    let folder = root().join("target/dist");
    let place = folder.join(&name);
    if place.exists() {
        fs::remove_dir_all(&place).map_err(|error| format!("cannot remove {}: {error}", place.display()))?;
    }
    for part in ["man", "completions"] {
        fs::create_dir_all(place.join(part)).map_err(|error| format!("cannot make {}: {error}", place.display()))?;
    }
    copy(&program, &place)?;
    let own = place.join(program.file_name().unwrap_or_default());
    if cfg!(unix) {
        run(Command::new("strip").arg(&own))?;
    }
    BESIDE.iter().try_for_each(|file| copy(&root().join(file), &place))?;
    run(Command::new(&own).arg("man").arg(place.join("man")))?;
    fs::write(place.join("man/cleanplate.1"), output(Command::new(&own).arg("man"))?)
        .map_err(|error| format!("cannot write the manual page: {error}"))?;
    for (shell, file) in SHELLS {
        fs::write(place.join("completions").join(file), output(Command::new(&own).args(["completions", shell]))?)
            .map_err(|error| format!("cannot write {file}: {error}"))?;
    }
    let archive = folder.join(format!("{name}.tar.gz"));
    run(Command::new("tar").arg("-czf").arg(&archive).arg("-C").arg(&folder).arg(&name))?;
    let bytes = fs::metadata(&archive).map_or(0, |data| data.len());
    println!("{} ({:.1} MB)", archive.display(), bytes as f64 / 1e6);
    Ok(())
}

fn copy(file: &Path, folder: &Path) -> Result<(), Failure> {
    let target = folder.join(file.file_name().unwrap_or_default());
    fs::copy(file, target).map(drop).map_err(|error| format!("cannot copy {}: {error}", file.display()))
}

/// What the program calls itself: `cleanplate 0.1.0`.
fn version(program: &Path) -> Result<String, Failure> {
    let text = output(Command::new(program).arg("--version"))?;
    let text = String::from_utf8_lossy(&text).trim().to_owned();
    text.rsplit(' ').next().map(str::to_owned).ok_or_else(|| "the program has no version".to_owned())
}

/// The target that is built for where nothing else is said.
fn host() -> Result<String, Failure> {
    let told = output(Command::new("rustc").arg("-vV"))?;
    let told = String::from_utf8_lossy(&told).into_owned();
    let line = told.lines().find_map(|line| line.strip_prefix("host: "));
    line.map(str::to_owned).ok_or_else(|| "rustc does not say for what it builds".to_owned())
}

fn output(command: &mut Command) -> Result<Vec<u8>, Failure> {
    let name = crate::step::describe(command);
    let ran = command.output().map_err(|error| format!("cannot run `{name}`: {error}"))?;
    if ran.status.success() { Ok(ran.stdout) } else { Err(format!("`{name}` failed ({})", ran.status)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_with_the_program_is_there() {
        BESIDE.iter().for_each(|file| assert!(root().join(file).is_file(), "{file}"));
        assert!(host().unwrap().contains('-'));
        assert!(output(Command::new("/nowhere/at/all").arg("x")).unwrap_err().contains("`all x`"));
    }
}
