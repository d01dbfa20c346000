//! A file opened by libav for copying: its packets, and what its header says beside them.

use std::fs::File;
use std::path::{Path, PathBuf};

use super::medium::{ByteStream, Medium};
use crate::av::{AvError, Dict, Packet, Parameters, check, ffi};
use crate::error::{Error, Result};
use crate::types::Rational;

/// Demuxers that may open a file: all that read one file and open no other (playlists do).
pub(crate) const FORMATS: &str = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,mpegts,mpeg,mpegvideo,avi,flv,ogg,h264,hevc,m4v,\
     mpegvideo,obu,ivf,dnxhd,vc1,mxf,asf,wav,aac,mp3,image2pipe,png_pipe,jpeg_pipe,mjpeg";

/// An open input over any medium.
pub(crate) struct Input<M: Medium> {
    context: *mut ffi::AVFormatContext,
    _bytes: ByteStream<M>,
}

// SAFETY: used from one thread at a time.
unsafe impl<M: Medium> Send for Input<M> {}

impl Input<File> {
    /// Opens a file.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(|source| Error::Io { action: "open", path: path.to_owned(), source })?;
        Self::over(file, path.to_owned())
    }
}

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
            check(ffi::avformat_open_input(&mut context, std::ptr::null(), std::ptr::null(), options.as_mut())).map_err(fail)?;
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

    /// libav's streams.
    pub(crate) fn streams(&self) -> impl ExactSizeIterator<Item = &ffi::AVStream> {
        let context = self.get();
        // SAFETY: libav keeps nb_streams pointers there, each valid as long as the context.
        (0..context.nb_streams as usize).map(|i| unsafe { &**context.streams.add(i) })
    }

    /// The next packet in file order.
    pub(crate) fn next(&mut self) -> Result<Option<Packet>> {
        let mut packet = Packet::new().map_err(|e| Error::Backend(format!("packet: {e}")))?;
        loop {
            // SAFETY: both ours and valid.
            match check(unsafe { ffi::av_read_frame(self.context, packet.as_ptr()) }) {
                Ok(_) => return Ok(Some(packet)),
                Err(AvError::EOF) => return Ok(None),
                Err(AvError::AGAIN) => packet.clear(),
                Err(e) => return Err(Error::Input(format!("cannot read a packet: {e}"))),
            }
        }
    }

    /// A stream's parameters.
    pub(crate) fn parameters(&self, index: usize) -> Result<Parameters> {
        let stream = self.streams().nth(index).ok_or_else(|| Error::Internal(format!("no stream {index}")))?;
        // SAFETY: valid as long as the context.
        unsafe { Parameters::copied(stream.codecpar) }.map_err(|e| Error::Backend(format!("parameters: {e}")))
    }

    /// A stream's time base.
    pub(crate) fn time_base(&self, index: usize) -> Rational {
        self.streams().nth(index).map_or(Rational::new(0, 1), |s| s.time_base.into())
    }
}

impl<M: Medium> Drop for Input<M> {
    fn drop(&mut self) {
        // SAFETY: ours; the custom byte stream is not freed by libav.
        unsafe { ffi::avformat_close_input(&mut self.context) };
    }
}
