//! The work folder of a job: its lock, its store, and the room on its disk.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::store::DirStore;

/// A folder that one process at a time works in.
#[derive(Debug)]
pub(crate) struct WorkFolder {
    path: PathBuf,
    lock: File,
}

impl WorkFolder {
    /// Takes the folder for the job that writes `output`: `given`, or `.OUT.cleanplate` beside the output.
    pub(crate) fn take(output: &Path, given: Option<&Path>) -> Result<Self> {
        let path = given.map_or_else(|| default_path(output), Path::to_owned);
        fs::create_dir_all(&path).map_err(Error::io("make the work folder", path.clone()))?;
        let lock_path = path.join("lock");
        let lock = File::options().create(true).truncate(false).write(true).open(&lock_path);
        let lock = lock.map_err(Error::io("open", lock_path.clone()))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path, lock }),
            Err(TryLockError::WouldBlock) => Err(Error::Usage(format!(
                "another process works on {}: its work folder {} is locked",
                output.display(),
                path.display()
            ))),
            Err(TryLockError::Error(source)) => Err(Error::io("lock", lock_path)(source)),
        }
    }

    /// The folder.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Its store; `fresh` throws away what earlier runs have left.
    pub(crate) fn store(&self, fresh: bool) -> Result<DirStore> {
        let folder = self.path.join("segments");
        if fresh && folder.exists() {
            fs::remove_dir_all(&folder).map_err(Error::io("clear", folder.clone()))?;
        }
        DirStore::open(&folder)
    }

    /// Where masks lie, by the name of their content.
    pub(crate) fn masks(&self) -> Result<PathBuf> {
        let folder = self.path.join("masks");
        fs::create_dir_all(&folder).map_err(Error::io("make the folder", folder.clone()))?;
        Ok(folder)
    }

    /// Removes what this program has made in it, and the folder itself where nothing else is left.
    pub(crate) fn remove(self) -> Result<()> {
        for name in ["segments", "masks"] {
            let folder = self.path.join(name);
            if folder.exists() {
                fs::remove_dir_all(&folder).map_err(Error::io("remove", folder.clone()))?;
            }
        }
        for name in ["plan.json", "lock"] {
            let file = self.path.join(name);
            if file.exists() {
                fs::remove_file(&file).map_err(Error::io("remove", file.clone()))?;
            }
        }
        drop(self.lock);
        // A folder that the user gave may hold more.
        let _ = fs::remove_dir(&self.path);
        Ok(())
    }
}

fn default_path(output: &Path) -> PathBuf {
    let name = output.file_name().unwrap_or_default().to_string_lossy();
    output.with_file_name(format!(".{name}.cleanplate"))
}

/// Where the finished file grows until it takes its name: on the output's own file system.
pub(crate) fn partial_path(output: &Path) -> PathBuf {
    let name = output.file_name().unwrap_or_default().to_string_lossy();
    output.with_file_name(format!(".{name}.cleanplate-part"))
}

/// Refuses a job for which the disk of `path` has no room; silent where the system does not tell.
pub(crate) fn need_room(path: &Path, bytes: u64) -> Result<()> {
    let folder = path.ancestors().find(|p| p.is_dir()).unwrap_or(Path::new("."));
    match fs4::available_space(folder) {
        Ok(free) if free < bytes => Err(Error::Io {
            action: "write to",
            path: folder.to_owned(),
            source: std::io::Error::new(
                std::io::ErrorKind::StorageFull,
                format!("about {} MB are needed, {} MB are free", bytes >> 20, free >> 20),
            ),
        }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_jobs_cannot_share_a_work_folder() {
        let folder = tempfile::tempdir().unwrap();
        let output = folder.path().join("out.mp4");
        let first = WorkFolder::take(&output, None).unwrap();
        let error = WorkFolder::take(&output, None).unwrap_err();
        assert!(error.to_string().contains("locked"), "{error}");
        first.remove().unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "a finished job leaves nothing");
        WorkFolder::take(&output, None).unwrap();
    }

    #[test]
    fn a_job_larger_than_the_disk_is_refused_before_it_starts() {
        let folder = tempfile::tempdir().unwrap();
        assert!(need_room(&folder.path().join("out.mp4"), 1).is_ok());
        let error = need_room(&folder.path().join("out.mp4"), u64::MAX).unwrap_err();
        assert_eq!(error.kind(), crate::ErrorKind::Io);
    }
}
