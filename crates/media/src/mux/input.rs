//! A trial output in memory, opened again for what its header says. Files are opened by [`crate::source`].

use std::path::PathBuf;

use super::medium::{ByteStream, Medium};
use crate::av::{AvError, Dict, check, ffi};
use crate::error::{Error, Result};

/// Demuxers of what the muxers here write.
const FORMATS: &str = "mov,mp4,matroska,webm,mpegts,mpeg,avi,flv,ogg,h264,hevc,mpegvideo,m4v,obu,mjpeg,dnxhd,vc1";

/// An open input over any medium.
pub(crate) struct Input<M: Medium> {
    context: *mut ffi::AVFormatContext,
    _bytes: ByteStream<M>,
}

// SAFETY: used from one thread at a time.
unsafe impl<M: Medium> Send for Input<M> {}

impl<M: Medium> Input<M> {
    /// Opens what `medium` holds; `path` is for words only.
    pub(crate) fn over(medium: M, path: PathBuf) -> Result<Self> {
        let fail = |e: AvError| Error::Input(format!("cannot open {}: {e}", path.display()));
        let bytes = ByteStream::new(medium, false).map_err(fail)?;
        // SAFETY: null or ours.
        let mut context = unsafe { ffi::avformat_alloc_context() };
        if context.is_null() {
            return Err(fail(AvError(ffi::AVERROR(12))));
        }
        let mut options = Dict::new();
        options.set("format_whitelist", FORMATS);
        options.set("protocol_whitelist", "");
        // SAFETY: the context is fresh; on failure avformat_open_input frees it.
        unsafe {
            (*context).pb = bytes.as_ptr();
            check(ffi::avformat_open_input(&mut context, std::ptr::null(), std::ptr::null(), options.as_mut()))
                .map_err(fail)?;
        }
        let own = Self { context, _bytes: bytes };
        // SAFETY: open.
        check(unsafe { ffi::avformat_find_stream_info(own.context, std::ptr::null_mut()) }).map_err(fail)?;
        Ok(own)
    }

    /// libav's fields.
    pub(crate) fn get(&self) -> &ffi::AVFormatContext {
        // SAFETY: valid as long as self.
        unsafe { &*self.context }
    }
}

impl<M: Medium> Drop for Input<M> {
    fn drop(&mut self) {
        // SAFETY: ours; the custom byte stream is not freed by libav.
        unsafe { ffi::avformat_close_input(&mut self.context) };
    }
}
