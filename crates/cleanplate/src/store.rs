//! Where finished work is kept: blobs under keys, each written all or nothing.

use std::fs::{self, File};
use std::io::{self, BufWriter, Seek, Write};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// Keeps blobs under keys. A blob is there whole or not at all, also after a crash.
pub trait Store: Send + Sync {
    /// Opens the blob of `key` for reading; `None` where it is not there.
    ///
    /// # Errors
    /// Where the medium fails.
    fn get(&self, key: &str) -> Result<Option<File>>;

    /// Starts a blob for `key`; it takes its place at [`StoreWriter::commit`].
    ///
    /// # Errors
    /// Where the medium fails.
    fn put(&self, key: &str) -> Result<StoreWriter>;

    /// Where the blob of `key` lies or would lie, for readers that need a file.
    fn path(&self, key: &str) -> PathBuf;
}

/// A blob that is being written. Dropped without [`commit`](Self::commit) it leaves nothing behind.
#[derive(Debug)]
pub struct StoreWriter {
    file: Option<BufWriter<File>>,
    temporary: PathBuf,
    path: PathBuf,
}

impl StoreWriter {
    /// Makes the blob durable, then visible: data first, then the name, then the folder.
    ///
    /// # Errors
    /// Where the medium fails; nothing is visible then.
    pub fn commit(mut self) -> Result<()> {
        let Some(mut file) = self.file.take() else { return Ok(()) };
        let failed = |action| Error::io(action, self.path.clone());
        file.flush().map_err(failed("write"))?;
        file.get_ref().sync_all().map_err(failed("sync"))?;
        drop(file);
        fs::rename(&self.temporary, &self.path).map_err(failed("rename"))?;
        sync_parent(&self.path)
    }

    /// Where the bytes lie until the commit, once flushed: for a check before it.
    pub fn temporary(&mut self) -> Result<&Path> {
        if let Some(file) = &mut self.file {
            file.flush().map_err(Error::io("write", self.temporary.clone()))?;
        }
        Ok(&self.temporary)
    }
}

impl Write for StoreWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.as_mut().map_or(Ok(0), |file| file.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.as_mut().map_or(Ok(()), Write::flush)
    }
}

impl Seek for StoreWriter {
    fn seek(&mut self, to: io::SeekFrom) -> io::Result<u64> {
        self.file.as_mut().map_or(Ok(0), |file| file.seek(to))
    }
}

impl Drop for StoreWriter {
    fn drop(&mut self) {
        if self.file.take().is_some() {
            // Nothing depends on it: temporaries are also cleared when a store is opened.
            let _ = fs::remove_file(&self.temporary);
        }
    }
}

/// Makes the names in the folder of `path` durable.
pub(crate) fn sync_parent(path: &Path) -> Result<()> {
    let Some(folder) = path.parent() else { return Ok(()) };
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    if cfg!(unix) {
        let handle = File::open(folder).map_err(Error::io("open", folder))?;
        handle.sync_all().map_err(Error::io("sync", folder))?;
    }
    Ok(())
}

/// A store in a folder: one file a blob.
#[derive(Debug)]
pub struct DirStore {
    folder: PathBuf,
}

/// Ending of blobs that were being written when a process died.
const TEMPORARY: &str = ".tmp";

impl DirStore {
    /// Opens the folder, making it where needed, and clears what a crash has left half-written. The caller holds the lock of
    /// the work folder.
    ///
    /// # Errors
    /// Where the folder cannot be made or read.
    pub fn open(folder: &Path) -> Result<Self> {
        fs::create_dir_all(folder).map_err(Error::io("make the folder", folder))?;
        for entry in fs::read_dir(folder).map_err(Error::io("read the folder", folder))? {
            let path = entry.map_err(Error::io("read the folder", folder))?.path();
            if path.to_string_lossy().ends_with(TEMPORARY) {
                fs::remove_file(&path).map_err(Error::io("remove", path.clone()))?;
            }
        }
        Ok(Self { folder: folder.to_owned() })
    }

    /// Whether it holds nothing, as far as the system tells.
    pub(crate) fn is_empty(&self) -> bool {
        fs::read_dir(&self.folder).is_ok_and(|mut entries| entries.next().is_none())
    }
}

impl Store for DirStore {
    fn get(&self, key: &str) -> Result<Option<File>> {
        match File::open(self.path(key)) {
            Ok(file) => Ok(Some(file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::io("open", self.path(key))(error)),
        }
    }

    fn put(&self, key: &str) -> Result<StoreWriter> {
        let path = self.path(key);
        let temporary = self.folder.join(format!("{key}{TEMPORARY}"));
        let file = File::options().create(true).truncate(true).read(true).write(true).open(&temporary);
        let file = BufWriter::with_capacity(1 << 18, file.map_err(Error::io("create", temporary.clone()))?);
        Ok(StoreWriter { file: Some(file), temporary, path })
    }

    fn path(&self, key: &str) -> PathBuf {
        self.folder.join(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn a_blob_is_there_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let store = DirStore::open(folder.path()).unwrap();
        let mut writer = store.put("a").unwrap();
        writer.write_all(b"half").unwrap();
        assert!(store.get("a").unwrap().is_none(), "not committed yet");
        drop(writer);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "an abandoned blob leaves nothing");

        let mut writer = store.put("a").unwrap();
        writer.write_all(b"whole").unwrap();
        writer.commit().unwrap();
        let mut text = String::new();
        store.get("a").unwrap().unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text, "whole");
    }

    #[test]
    fn what_a_crash_left_half_written_is_cleared() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("b.tmp"), "torn").unwrap();
        let store = DirStore::open(folder.path()).unwrap();
        assert!(store.get("b").unwrap().is_none());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
