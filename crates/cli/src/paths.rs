//! Which files may be written: the user's files are never replaced without consent, the input never at all.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use cleanplate::{Error, Result};

/// Refuses an existing `path` unless `overwrite`.
pub(crate) fn refuse_existing(path: &Path, overwrite: bool) -> Result<()> {
    if path.is_dir() {
        return Err(Error::Usage(format!("{} is a folder; name a file in it", path.display())));
    }
    if !overwrite && exists(path) {
        return Err(Error::Usage(format!("{} exists; -y replaces it", path.display())));
    }
    Ok(())
}

/// Refuses a JSON file to be written that would replace anything else: a resumed job writes its own documents again.
pub(crate) fn refuse_foreign(path: &Path, overwrite: bool) -> Result<()> {
    let is_json = File::open(path).is_ok_and(|file| {
        let mut first = [0; 1];
        matches!(file.take(1).read(&mut first), Ok(0)) || first[0] == b'{'
    });
    refuse_existing(path, overwrite || is_json)
}

/// Refuses to write to the input, by whatever name.
pub(crate) fn protect_input(input: &Path, path: Option<&Path>, what: &str) -> Result<()> {
    match path {
        Some(path) if same_file(input, path) => {
            Err(Error::Usage(format!("{what} {} is the input; it is never written to", path.display())))
        }
        _ => Ok(()),
    }
}

/// Refuses two things to be written to one file.
pub(crate) fn refuse_twice(paths: &[(&str, &Path)]) -> Result<()> {
    for (k, (what, path)) in paths.iter().enumerate() {
        if let Some((other, _)) = paths[..k].iter().find(|(_, earlier)| earlier == path || same_file(earlier, path)) {
            return Err(Error::Usage(format!("{other} and {what} are both {}", path.display())));
        }
    }
    Ok(())
}

/// `dir/name.word.ext` for `dir/name.old`; the input's own extension where `extension` is `None`.
pub(crate) fn beside(input: &Path, word: &str, extension: Option<&str>) -> PathBuf {
    let mut name = input.file_stem().unwrap_or_default().to_owned();
    name.push(".");
    name.push(word);
    if let Some(extension) = extension.map(Into::into).or_else(|| input.extension().map(ToOwned::to_owned)) {
        name.push(".");
        name.push(extension);
    }
    input.with_file_name(name)
}

/// `path` with `.extension` after its whole name, so that `a.mp4` and `a.mkv` do not meet.
pub(crate) fn appended(path: &Path, extension: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".");
    name.push(extension);
    path.with_file_name(name)
}

fn exists(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

fn same_file(a: &Path, b: &Path) -> bool {
    match (a.canonicalize(), b.canonicalize()) {
        (Ok(a), Ok(b)) => a == b,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_beside_the_input_keep_its_folder() {
        assert_eq!(beside(Path::new("d/a.b.mp4"), "inspect", Some("png")), Path::new("d/a.b.inspect.png"));
        assert_eq!(beside(Path::new("d/f_%04d.png"), "cleaned", None), Path::new("d/f_%04d.cleaned.png"));
        assert_eq!(appended(Path::new("r/a.mp4"), "json"), Path::new("r/a.mp4.json"));
    }

    #[test]
    fn only_json_is_replaced_by_json_without_consent() {
        let dir = tempfile::tempdir().unwrap();
        let [report, video] = ["r.json", "v.mkv"].map(|name| dir.path().join(name));
        std::fs::write(&report, "{\"version\":1}").unwrap();
        std::fs::write(&video, "\u{1a}").unwrap();
        assert!(refuse_foreign(&report, false).is_ok());
        assert!(refuse_foreign(&video, false).is_err());
        assert!(refuse_foreign(&video, true).is_ok());
        assert!(refuse_foreign(dir.path(), true).is_err());
        assert!(refuse_twice(&[("-o", &video), ("--mask-out", &dir.path().join("./v.mkv"))]).is_err());
    }
}
