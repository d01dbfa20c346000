//! What the documents claim and a program can check: links lead somewhere, and tests that are named exist.

use crate::step::{Failure, files, read, root};

/// Checks every document of the project; fails with all that is wrong.
pub(crate) fn check() -> Result<(), Failure> {
    let root = root();
    let mut documents = files(&root.join("docs"), "md")?;
    documents.extend(["README.md", "CONTRIBUTING.md", "CHANGELOG.md"].map(|name| root.join(name)));
    let mut sources = String::new();
    for folder in ["crates", "xtask"] {
        for path in files(&root.join(folder), "rs")? {
            sources.push_str(&read(&path)?);
        }
    }
    let mut wrong = Vec::new();
    for path in documents {
        let text = read(&path)?;
        let name = path.strip_prefix(&root).unwrap_or(&path).display();
        let folder = path.parent().unwrap_or(&root);
        let dead = links(&text).filter(|link| !folder.join(link).exists());
        wrong.extend(dead.map(|link| format!("{name}: the link to {link} leads nowhere")));
        let unknown = named_tests(&text).filter(|test| !sources.contains(&format!("fn {test}(")));
        wrong.extend(unknown.map(|test| format!("{name}: there is no test {test}")));
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) }
}

/// Targets of links to files of the project, without anchors.
fn links(text: &str) -> impl Iterator<Item = &str> {
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target);
    let local = targets.filter(|target| !target.contains("://") && !target.starts_with('#'));
    local.map(|target| target.split_once('#').map_or(target, |(path, _)| path))
}

/// Names between backticks that read like a test's: at least four words joined by underscores.
fn named_tests(text: &str) -> impl Iterator<Item = &str> {
    let quoted = text.split('`').skip(1).step_by(2);
    let plain = |name: &&str| name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    quoted.filter(plain).filter(|name| name.split('_').filter(|word| !word.is_empty()).count() >= 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_and_tests_are_told_from_other_words() {
        let text =
            "[a](docs/a.md#part) [b](https://example.org) [c](#here) `a_line_of_words` `queue_bytes` `Frame::lift`";
        assert_eq!(links(text).collect::<Vec<_>>(), ["docs/a.md"]);
        assert_eq!(named_tests(text).collect::<Vec<_>>(), ["a_line_of_words"]);
    }

    #[test]
    fn the_documents_of_this_project_hold_what_they_say() {
        assert_eq!(check(), Ok(()));
    }
}
