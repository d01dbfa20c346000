//! `cleanplate runtime`: ONNX Runtime for users who have no Python.

use cleanplate::{Error, InstalledKind, Result};

use crate::args::Runtime;
use crate::environment;
use crate::exit;
use crate::human;
use crate::terminal;

/// Installs or lists. Returns the exit code.
pub(crate) fn run(action: &Runtime) -> Result<u8> {
    let folder = environment::runtimes().ok_or_else(|| {
        Error::Usage("there is no folder for data of this user: set XDG_DATA_HOME or HOME".to_owned())
    })?;
    match action {
        Runtime::Install { wheel } => {
            let own = cleanplate::install(wheel, &folder)?;
            let proved = match own.kind {
                InstalledKind::Runtime => "it computes a small network right",
                InstalledKind::Plugin | InstalledKind::Nvidia => "`cleanplate doctor` tries it",
            };
            let size = human::size(own.bytes as f64);
            let line = format!("{}: {} ({size}); {proved}\n", own.name, own.library.display());
            terminal::print(&line).map_err(terminal::failed)?;
        }
        Runtime::List { json } => {
            let all = cleanplate::installed(&folder);
            let printed = if *json {
                terminal::print_document(&all)
            } else if all.is_empty() {
                terminal::print("none is installed: cleanplate runtime install --wheel FILE.whl\n")
            } else {
                let line = |own: &cleanplate::Installed| {
                    format!("{}: {} ({})\n", own.name, own.library.display(), human::size(own.bytes as f64))
                };
                terminal::print(&all.iter().map(line).collect::<String>())
            };
            printed.map_err(terminal::failed)?;
        }
    }
    Ok(exit::DONE)
}
