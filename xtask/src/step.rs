//! Running a program in the workspace's root, the tasks that are no more than that, and reading the project's own files.

use std::path::{Path, PathBuf};
use std::process::Command;

/// What went wrong, as it is told to the developer.
pub(crate) type Failure = String;

/// The folder that holds the workspace.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_path_buf()
}

/// Cargo as it was called, in the workspace's root.
pub(crate) fn cargo(args: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root()).args(args);
    command
}

/// Runs `command` to its end with our terminal.
pub(crate) fn run(command: &mut Command) -> Result<(), Failure> {
    let name = describe(command);
    let status = command.status().map_err(|error| format!("cannot run `{name}`: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("`{name}` failed ({status})")) }
}

/// The command as one would type it.
pub(crate) fn describe(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or_default().to_string_lossy().into_owned();
    let args = command.get_args().map(|arg| arg.to_string_lossy().into_owned());
    std::iter::once(program).chain(args).collect::<Vec<_>>().join(" ")
}

/// The main job on a clip whose truth is known.
pub(crate) fn demo(args: &[String]) -> Result<(), Failure> {
    example("cleanplate-cli", "demo", args)
}

/// Pictures of everything that the testkit can draw.
pub(crate) fn fixtures(args: &[String]) -> Result<(), Failure> {
    let folder = args.first().map_or_else(|| root().join("target/fixtures"), PathBuf::from);
    std::fs::create_dir_all(&folder).map_err(|error| format!("cannot make {}: {error}", folder.display()))?;
    let sheet = folder.join("contact_sheet.png");
    example("cleanplate-testkit", "contact_sheet", &[sheet.display().to_string()])?;
    println!("{}", sheet.display());
    Ok(())
}

/// All benches of the workspace.
pub(crate) fn bench(args: &[String]) -> Result<(), Failure> {
    run(cargo(&["bench", "--workspace", "--"]).args(args))
}

/// An example program of `package`, optimised.
fn example(package: &str, name: &str, args: &[String]) -> Result<(), Failure> {
    run(cargo(&["run", "--quiet", "--release", "--package", package, "--example", name, "--"]).args(args))
}

/// All files below `folder` with this extension, build outputs left out.
pub(crate) fn files(folder: &Path, extension: &str) -> Result<Vec<PathBuf>, Failure> {
    let failed = |error| format!("cannot list {}: {error}", folder.display());
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.is_dir() {
            if !path.ends_with("target") {
                found.extend(files(&path, extension)?);
            }
        } else if path.extension().is_some_and(|found| found == extension) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// The text of a file.
pub(crate) fn read(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path).map_err(|error| format!("cannot read {}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failing_program_is_named_with_its_arguments() {
        assert!(root().join("Cargo.toml").is_file());
        let failure = run(cargo(&["--no-such-flag"]).stderr(std::process::Stdio::null())).unwrap_err();
        assert!(failure.contains("cargo --no-such-flag"), "{failure}");
        assert!(run(&mut Command::new("/nowhere/at/all")).unwrap_err().starts_with("cannot run `all`"));
        assert_eq!(run(cargo(&["--version"]).stdout(std::process::Stdio::null())), Ok(()));
    }
}
