//! A Rust reader or writer as libav's byte stream. It knows bytes and positions, not what they mean.

use std::ffi::{c_int, c_void};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::ptr;

use crate::av::{AvError, ffi};

/// Bytes that libav asks for or hands over at a time.
const BLOCK: usize = 1 << 16;

/// Something with bytes and a position.
pub(crate) trait Medium: Read + Write + Seek + Send {}
impl<T: Read + Write + Seek + Send> Medium for T {}

struct Inner<M> {
    medium: M,
    error: Option<io::Error>,
}

/// A byte stream for libav over a [`Medium`] that comes back at the end.
pub(crate) struct ByteStream<M: Medium> {
    context: *mut ffi::AVIOContext,
    inner: Box<Inner<M>>,
}

// SAFETY: the context is plain memory used from one thread at a time, the medium is Send.
unsafe impl<M: Medium> Send for ByteStream<M> {}

/// A pointer to bytes, constant or not: libav 7 made the write callback's buffer constant.
trait Bytes: Copy {
    fn address(self) -> *const u8;
}
impl Bytes for *mut u8 {
    fn address(self) -> *const u8 {
        self.cast_const()
    }
}
impl Bytes for *const u8 {
    fn address(self) -> *const u8 {
        self
    }
}

unsafe extern "C" fn read<M: Medium>(opaque: *mut c_void, buffer: *mut u8, size: c_int) -> c_int {
    // SAFETY: opaque is the Inner that the ByteStream keeps alive; libav's buffer has `size` bytes.
    let (inner, into) = unsafe {
        let inner = &mut *opaque.cast::<Inner<M>>();
        (inner, std::slice::from_raw_parts_mut(buffer, usize::try_from(size).unwrap_or(0)))
    };
    loop {
        match inner.medium.read(into) {
            Ok(0) => return ffi::AVERROR_EOF,
            Ok(n) => return n as c_int,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => {
                inner.error.get_or_insert(e);
                return ffi::AVERROR(5);
            }
        }
    }
}

unsafe extern "C" fn write<M: Medium, B: Bytes>(opaque: *mut c_void, buffer: B, size: c_int) -> c_int {
    // SAFETY: as in `read`.
    let (inner, from) = unsafe {
        let inner = &mut *opaque.cast::<Inner<M>>();
        (inner, std::slice::from_raw_parts(buffer.address(), usize::try_from(size).unwrap_or(0)))
    };
    match inner.medium.write_all(from) {
        Ok(()) => size,
        Err(e) => {
            inner.error.get_or_insert(e);
            ffi::AVERROR(5)
        }
    }
}

unsafe extern "C" fn seek<M: Medium>(opaque: *mut c_void, offset: i64, whence: c_int) -> i64 {
    // SAFETY: as in `read`.
    let inner = unsafe { &mut *opaque.cast::<Inner<M>>() };
    let target = match whence & !(ffi::AVSEEK_FORCE as c_int) {
        0 => match u64::try_from(offset) {
            Ok(at) => SeekFrom::Start(at),
            Err(_) => return i64::from(ffi::AVERROR(22)),
        },
        1 => SeekFrom::Current(offset),
        2 => SeekFrom::End(offset),
        w if w == ffi::AVSEEK_SIZE as c_int => {
            let size = inner.medium.stream_position().and_then(|at| {
                let end = inner.medium.seek(SeekFrom::End(0))?;
                inner.medium.seek(SeekFrom::Start(at))?;
                Ok(end)
            });
            return size.map_or(i64::from(ffi::AVERROR(5)), |s| s as i64);
        }
        _ => return i64::from(ffi::AVERROR(22)),
    };
    inner.medium.seek(target).map_or(i64::from(ffi::AVERROR(5)), |at| at as i64)
}

impl<M: Medium> ByteStream<M> {
    /// Reads from `medium`, or writes to it (and reads back, which some muxers need) where `write` is set.
    pub(crate) fn new(medium: M, for_writing: bool) -> Result<Self, AvError> {
        let mut inner = Box::new(Inner { medium, error: None });
        // SAFETY: a fresh block of libav's, handed to the context below, which may replace and then owns it.
        let block = unsafe { ffi::av_malloc(BLOCK) }.cast::<u8>();
        if block.is_null() {
            return Err(AvError(ffi::AVERROR(12)));
        }
        // SAFETY: the callbacks match the boxed Inner, which outlives the context.
        let context = unsafe {
            ffi::avio_alloc_context(
                block,
                BLOCK as c_int,
                c_int::from(for_writing),
                (&raw mut *inner).cast(),
                Some(read::<M>),
                Some(write::<M, _>),
                Some(seek::<M>),
            )
        };
        if context.is_null() {
            // SAFETY: nobody took the block.
            unsafe { ffi::av_free(block.cast()) };
            return Err(AvError(ffi::AVERROR(12)));
        }
        Ok(Self { context, inner })
    }

    /// As libav takes it, valid as long as self.
    pub(crate) fn as_ptr(&self) -> *mut ffi::AVIOContext {
        self.context
    }

    /// What the medium itself complained of first.
    pub(crate) fn take_error(&mut self) -> Option<io::Error> {
        self.inner.error.take()
    }

    /// The medium; what libav still buffers is written first.
    pub(crate) fn medium(&mut self) -> &mut M {
        // SAFETY: ours and open.
        unsafe { ffi::avio_flush(self.context) };
        &mut self.inner.medium
    }
}

impl<M: Medium> Drop for ByteStream<M> {
    fn drop(&mut self) {
        // SAFETY: the context is ours; libav may have replaced its block, so the one it holds now is freed.
        unsafe {
            ffi::av_freep((&raw mut (*self.context).buffer).cast());
            ffi::avio_context_free(&mut self.context);
        }
        self.context = ptr::null_mut();
    }
}
