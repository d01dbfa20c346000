//! Completions and manual pages, from the same description of the flags that parses them.

use std::io;
use std::path::Path;

use clap::Command;
use clap_complete::Shell;
use clap_mangen::Man;
use cleanplate::{Error, Result};

use crate::args;
use crate::terminal;

const NAME: &str = "cleanplate";

/// Prints completions for `shell`.
pub(crate) fn completions(shell: Shell) -> Result<()> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut args::command(), NAME, &mut text);
    terminal::print(&String::from_utf8_lossy(&text)).map_err(terminal::failed)
}

/// Prints the main page, or writes one page for every verb into `dir`.
pub(crate) fn man(dir: Option<&Path>) -> Result<()> {
    let mut command = args::command().disable_help_subcommand(true);
    command.build();
    let Some(dir) = dir else {
        let text = page(command.clone()).map_err(terminal::failed)?;
        return terminal::print(&String::from_utf8_lossy(&text)).map_err(terminal::failed);
    };
    std::fs::create_dir_all(dir).map_err(|source| Error::Io { action: "create", path: dir.to_owned(), source })?;
    let verbs = command.get_subcommands().map(|verb| (format!("{NAME}-{}", verb.get_name()), verb.clone()));
    let all = std::iter::once((NAME.to_owned(), command.clone())).chain(verbs);
    for (name, command) in all {
        let path = dir.join(format!("{name}.1"));
        let written = page(command.name(name)).and_then(|text| std::fs::write(&path, text));
        written.map_err(|source| Error::Io { action: "write", path, source })?;
    }
    Ok(())
}

fn page(command: Command) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    Man::new(command).render(&mut text)?;
    Ok(text)
}
