//! The last step: a finished file takes its name, all or nothing.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use crate::error::{Error, Result};

/// Gives the finished file `temp` its name `output`: its bytes are on the disk first, then the name changes in one step,
/// then the folder is on the disk. Both lie in the same folder.
///
/// Without `overwrite` an `output` that exists, also one that appeared a moment ago, is never replaced: the name is taken
/// by a hard link, which the system refuses where there is a file. On file systems without hard links (FAT) the check is
/// made just before the rename, and a file that appears between the two is lost.
///
/// # Errors
/// [`Error::Io`] with the kind `AlreadyExists` where there is a file already, else what the system said.
pub fn commit(temp: &Path, output: &Path, overwrite: bool) -> Result<()> {
    let at = |action: &'static str, path: &Path| {
        let path = path.to_owned();
        move |source: io::Error| Error::Io { action, path, source }
    };
    File::open(temp).and_then(|file| file.sync_all()).map_err(at("write to the disk", temp))?;
    if overwrite {
        fs::rename(temp, output).map_err(at("rename into place", output))?;
    } else {
        match fs::hard_link(temp, output) {
            Ok(()) => fs::remove_file(temp).map_err(at("remove", temp))?,
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => return Err(at("create", output)(e)),
            Err(_) => {
                if output.symlink_metadata().is_ok() {
                    return Err(at("create", output)(io::ErrorKind::AlreadyExists.into()));
                }
                fs::rename(temp, output).map_err(at("rename into place", output))?;
            }
        }
    }
    sync_folder(output).map_err(at("write the folder of", output))
}

#[cfg(unix)]
fn sync_folder(of: &Path) -> io::Result<()> {
    let folder = match of.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    File::open(folder)?.sync_all()
}

#[cfg(not(unix))]
fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_existing_output_is_replaced_only_with_consent() {
        let folder = tempfile::tempdir().unwrap();
        let (temp, output) = (folder.path().join("t"), folder.path().join("o"));
        fs::write(&temp, "new").unwrap();
        fs::write(&output, "old").unwrap();
        let refused = commit(&temp, &output, false).unwrap_err();
        assert!(matches!(&refused, Error::Io { source, .. } if source.kind() == io::ErrorKind::AlreadyExists));
        assert_eq!((fs::read(&output).unwrap(), fs::read(&temp).unwrap()), (b"old".to_vec(), b"new".to_vec()));
        commit(&temp, &output, true).unwrap();
        assert_eq!(fs::read(&output).unwrap(), b"new");
        assert!(!temp.exists());
    }

    #[test]
    fn a_new_output_takes_its_name_and_leaves_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let (temp, output) = (folder.path().join("t"), folder.path().join("o"));
        fs::write(&temp, "new").unwrap();
        commit(&temp, &output, false).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        assert_eq!(fs::read(&output).unwrap(), b"new");
    }
}
