//! A file as libav reads it: through callbacks, never by a path, and never more of it than was allowed.

use std::ffi::{c_int, c_void};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use crate::av::{AvError, ffi};
use crate::error::{Error, Result};

/// Bytes libav reads at once. Larger blocks make seeks in badly interleaved files dear, smaller ones cost calls.
const BLOCK: usize = 64 << 10;

struct State {
    file: File,
    size: u64,
    left: u64,
    starved: bool,
    failure: Option<io::Error>,
}

/// An open file behind libav's I/O context.
pub(crate) struct FileIo {
    context: *mut ffi::AVIOContext,
    state: *mut State,
}

// SAFETY: the context and its state are used by one thread at a time, through &mut self or the demuxer that owns both.
unsafe impl Send for FileIo {}

impl FileIo {
    /// Opens a regular file.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let fail = |source| Error::Io { action: "open", path: path.to_owned(), source };
        let file = File::open(path).map_err(fail)?;
        let meta = file.metadata().map_err(fail)?;
        if !meta.is_file() {
            return Err(Error::Input(format!("cannot read {}: it is not a regular file", path.display())));
        }
        let state = State { file, size: meta.len(), left: 0, starved: false, failure: None };
        let state = Box::into_raw(Box::new(state));
        // SAFETY: the block is libav's and goes to the context, which frees it through Drop below; the state outlives the
        // context.
        let context = unsafe {
            let block = ffi::av_malloc(BLOCK).cast::<u8>();
            ffi::avio_alloc_context(block, BLOCK as c_int, 0, state.cast(), Some(read), None, Some(seek))
        };
        let io = Self { context, state };
        if io.context.is_null() {
            return Err(Error::Backend("memory is short for reading a file".into()));
        }
        Ok(io)
    }

    /// libav's context.
    pub(crate) fn context(&self) -> *mut ffi::AVIOContext {
        self.context
    }

    /// Bytes of the file.
    pub(crate) fn size(&self) -> u64 {
        self.state().size
    }

    /// Lets the next call read at most `bytes`: a demuxer that goes round in circles is stopped there.
    pub(crate) fn allow(&mut self, bytes: u64) {
        // SAFETY: ours, and nobody else reads or writes it now.
        unsafe { (*self.state).left = bytes };
    }

    /// Whether a call was stopped at what [`allow`](Self::allow) gave it.
    pub(crate) fn starved(&self) -> bool {
        self.state().starved
    }

    /// What the system said when reading failed.
    pub(crate) fn take_failure(&mut self) -> Option<io::Error> {
        // SAFETY: as in `allow`.
        unsafe { (*self.state).failure.take() }
    }

    fn state(&self) -> &State {
        // SAFETY: ours; callbacks run only inside calls of the demuxer that owns self.
        unsafe { &*self.state }
    }
}

impl Drop for FileIo {
    fn drop(&mut self) {
        // SAFETY: the context is ours; libav may have replaced its buffer, so the current one is freed. The state came from
        // Box::into_raw.
        unsafe {
            if !self.context.is_null() {
                ffi::av_freep((&raw mut (*self.context).buffer).cast());
                ffi::avio_context_free(&mut self.context);
            }
            drop(Box::from_raw(self.state));
        }
    }
}

unsafe extern "C" fn read(opaque: *mut c_void, buffer: *mut u8, size: c_int) -> c_int {
    // SAFETY: opaque is the State given at open; libav calls from one thread at a time.
    let state = unsafe { &mut *opaque.cast::<State>() };
    let Ok(size) = usize::try_from(size) else { return AvError::INVALID.0 };
    if state.left < size as u64 {
        state.starved = true;
        return AvError::EXIT.0;
    }
    // SAFETY: libav's buffer holds `size` bytes.
    let buffer = unsafe { std::slice::from_raw_parts_mut(buffer, size) };
    loop {
        match state.file.read(buffer) {
            Ok(0) => return AvError::EOF.0,
            Ok(count) => {
                state.left -= count as u64;
                return count as c_int;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => {
                state.failure = Some(error);
                return ffi::AVERROR(5);
            }
        }
    }
}

unsafe extern "C" fn seek(opaque: *mut c_void, offset: i64, whence: c_int) -> i64 {
    // SAFETY: as in `read`.
    let state = unsafe { &mut *opaque.cast::<State>() };
    let target = match whence & 0xffff_u16 as c_int | whence & ffi::AVSEEK_SIZE {
        w if w & ffi::AVSEEK_SIZE != 0 => return i64::try_from(state.size).unwrap_or(i64::MAX),
        0 => match u64::try_from(offset) {
            Ok(offset) => SeekFrom::Start(offset),
            Err(_) => return i64::from(AvError::INVALID.0),
        },
        1 => SeekFrom::Current(offset),
        2 => SeekFrom::End(offset),
        _ => return i64::from(AvError::INVALID.0),
    };
    match state.file.seek(target) {
        Ok(position) => i64::try_from(position).unwrap_or(i64::MAX),
        Err(_) => i64::from(AvError::INVALID.0),
    }
}
