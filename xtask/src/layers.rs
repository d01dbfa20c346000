//! The rules of `docs/architecture.md` that a compiler does not know: who may import whom, and what each crate keeps its hands
//! off.

use std::path::Path;

use crate::step::{Failure, files, read, root};

/// Lines that a source file may have.
const LONGEST: usize = 800;

/// What no library may do: read the environment, end the process, start others, open connections.
const LIBRARY: [&str; 6] = ["env::var", "env::args", "process::exit", "process::abort", "process::Command", "std::net"];

/// Ways to threads of one's own; asking how many cores there are is none.
const THREADS: [&str; 4] = ["thread::spawn", "thread::scope", "thread::Builder", "thread::sleep"];

/// What holds for one crate.
struct Layer {
    /// Its folder below `crates`.
    folder: &'static str,
    /// Crates of this workspace that it may depend on outside of tests.
    imports: &'static [&'static str],
    /// The one file that may start threads; empty for none.
    threads: &'static str,
    /// Words that its sources must not hold besides those of [`LIBRARY`].
    never: &'static [&'static str],
}

const LAYERS: [Layer; 5] = [
    Layer {
        folder: "core",
        imports: &[],
        threads: "",
        never: &["std::fs", "std::env", "std::time", "std::process", "unsafe {"],
    },
    Layer { folder: "media", imports: &["cleanplate-core"], threads: "", never: &[] },
    Layer { folder: "infer", imports: &["cleanplate-core"], threads: "", never: &["unsafe {", "cleanplate_media"] },
    Layer {
        folder: "cleanplate",
        imports: &["cleanplate-core", "cleanplate-infer", "cleanplate-media"],
        threads: "line.rs",
        never: &["unsafe {"],
    },
    Layer { folder: "testkit", imports: &["cleanplate-core"], threads: "", never: &["unsafe {"] },
];

/// Checks every crate that has rules; fails with all offences.
pub(crate) fn check() -> Result<(), Failure> {
    let crates = root().join("crates");
    let mut wrong = Vec::new();
    for layer in LAYERS {
        let folder = crates.join(layer.folder);
        if !folder.is_dir() {
            continue;
        }
        let strangers = imports(&read(&folder.join("Cargo.toml"))?);
        let strangers = strangers.into_iter().filter(|name| !layer.imports.contains(&name.as_str()));
        wrong.extend(strangers.map(|name| format!("crates/{} must not import {name}", layer.folder)));
        for path in files(&folder.join("src"), "rs")? {
            let name = path.strip_prefix(&crates).unwrap_or(&path).display();
            wrong.extend(offences(&layer, &path, &read(&path)?).into_iter().map(|what| format!("{name}: {what}")));
        }
    }
    for path in files(&crates, "rs")? {
        let lines = read(&path)?.lines().count();
        if lines > LONGEST {
            wrong.push(format!("{}: {lines} lines, more than {LONGEST}", path.display()));
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) }
}

/// Crates of this workspace below `[dependencies]` of a manifest.
fn imports(manifest: &str) -> Vec<String> {
    let mut inside = false;
    let mut found = Vec::new();
    for line in manifest.lines() {
        if line.starts_with('[') {
            inside = line.trim() == "[dependencies]";
        } else if inside && line.starts_with("cleanplate") {
            found.extend(line.split(['.', '=', ' ']).next().map(str::to_owned));
        }
    }
    found
}

/// What a source file does that its layer must not. Comments and tests are not looked at: by the rules of the house tests are the
/// last part of a file.
fn offences(layer: &Layer, path: &Path, text: &str) -> Vec<String> {
    let may_thread = !layer.threads.is_empty() && path.ends_with(layer.threads);
    let threads: &[&str] = if may_thread { &[] } else { &THREADS };
    let words: Vec<&str> = [&LIBRARY, layer.never, threads].concat();
    let code = text.lines().take_while(|line| !line.starts_with("#[cfg(test)]"));
    let code = code.zip(1..).filter(|(line, _)| !line.trim_start().starts_with("//"));
    code.flat_map(|(line, number)| {
        let found = words.iter().filter(move |word| line.contains(**word));
        found.map(move |word| format!("line {number} must not hold `{word}`"))
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_forbidden_word_is_found_outside_of_comments_and_tests_alone() {
        let engine = LAYERS.iter().find(|layer| layer.folder == "cleanplate").unwrap();
        let text = "// env::var is not read\nenv::var(a);\nthread::sleep(x);\n#[cfg(test)]\nenv::var(a);\n";
        let found = offences(engine, Path::new("cleanplate/src/run.rs"), text);
        assert_eq!(found, ["line 2 must not hold `env::var`", "line 3 must not hold `thread::sleep`"]);
        assert_eq!(offences(engine, Path::new("cleanplate/src/line.rs"), text), found[..1]);
    }

    #[test]
    fn dependencies_of_tests_may_point_anywhere() {
        let manifest =
            "[dependencies]\ncleanplate-core.workspace = true\nserde = \"1\"\n\n[dev-dependencies]\ncleanplate = {}\n";
        assert_eq!(imports(manifest), ["cleanplate-core"]);
        assert_eq!(imports("[dependencies]\ncleanplate = { path = \"x\" }\n"), ["cleanplate"]);
    }

    #[test]
    fn the_crates_of_this_workspace_keep_to_their_layers() {
        assert_eq!(check(), Ok(()));
    }
}
