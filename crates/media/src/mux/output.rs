//! A file that libav's muxer writes: streams, chapters, programs and packets in, bytes out, the same bytes every time.

use std::ffi::CString;
use std::ptr;

use super::medium::{ByteStream, Medium};
use crate::av::{AvError, Dict, Packet, Parameters, capture, check, ffi};
use crate::error::{Error, Result};
use crate::types::Rational;

/// Microseconds of packets that are held back to be put in order at most.
const INTERLEAVE_US: i64 = 1_000_000;

/// A muxer before or after its header.
pub(crate) struct Output<M: Medium> {
    context: *mut ffi::AVFormatContext,
    bytes: ByteStream<M>,
    name: String,
    is_open: bool,
    pending: Vec<Rational>,
}

// SAFETY: used from one thread at a time.
unsafe impl<M: Medium> Send for Output<M> {}

impl<M: Medium> Output<M> {
    /// A muxer by libav's name, that writes to `medium`.
    pub(crate) fn new(muxer: &str, medium: M) -> Result<Self> {
        let fail = |e: AvError| Error::Backend(format!("cannot set up the muxer {muxer}: {e}"));
        let bytes = ByteStream::new(medium, true).map_err(fail)?;
        let name = CString::new(muxer).map_err(|_| Error::Internal("a muxer's name with a zero".into()))?;
        let mut context = ptr::null_mut();
        // SAFETY: the name lives during the call; libav sets the context on success.
        check(unsafe { ffi::avformat_alloc_output_context2(&mut context, ptr::null(), name.as_ptr(), ptr::null()) })
            .map_err(fail)?;
        // SAFETY: fresh and ours.
        unsafe {
            (*context).pb = bytes.as_ptr();
            (*context).flags |= ffi::AVFMT_FLAG_BITEXACT | ffi::AVFMT_FLAG_CUSTOM_IO;
            (*context).max_interleave_delta = INTERLEAVE_US;
            (*context).avoid_negative_ts = ffi::AVFMT_AVOID_NEG_TS_DISABLED;
            (*context).strict_std_compliance = ffi::FF_COMPLIANCE_UNOFFICIAL;
            (*context).max_delay = 0;
        }
        Ok(Self { context, bytes, name: muxer.to_owned(), is_open: false, pending: Vec::new() })
    }

    /// libav's fields.
    pub(crate) fn get(&self) -> &ffi::AVFormatContext {
        // SAFETY: valid as long as self.
        unsafe { &*self.context }
    }

    /// libav's fields, to be changed before the header is written.
    pub(crate) fn get_mut(&mut self) -> &mut ffi::AVFormatContext {
        // SAFETY: valid and ours alone.
        unsafe { &mut *self.context }
    }

    /// Adds a stream with those parameters; the tag stays where this container knows it for the codec. The packets' times
    /// will be in `time_base`.
    pub(crate) fn add(&mut self, parameters: &Parameters, time_base: Rational) -> Result<&mut ffi::AVStream> {
        // SAFETY: open for adding; the new stream is owned by the context, the parameters are valid.
        let stream = unsafe {
            let stream = ffi::avformat_new_stream(self.context, ptr::null());
            let stream = stream.as_mut().ok_or_else(|| Error::Backend("memory for a stream".into()))?;
            check(ffi::avcodec_parameters_copy(stream.codecpar, parameters.as_ptr()))
                .map_err(|e| Error::Backend(format!("cannot copy parameters: {e}")))?;
            let par = &mut *stream.codecpar;
            let tags = (*(*self.context).oformat).codec_tag;
            let mut known = 0;
            let is_known = !tags.is_null() && ffi::av_codec_get_tag2(tags, par.codec_id, &mut known) != 0;
            let keeps = tags.is_null() || !is_known || ffi::av_codec_get_id(tags, par.codec_tag) == par.codec_id;
            if !keeps {
                par.codec_tag = 0;
            }
            stream
        };
        stream.time_base = time_base.into();
        self.pending.push(time_base);
        Ok(stream)
    }

    /// Writes the header.
    ///
    /// # Errors
    /// Where the container does not take the streams, in libav's words.
    pub(crate) fn begin(&mut self, options: &[(&str, String)]) -> Result<()> {
        let mut dict = Dict::new();
        options.iter().for_each(|(key, value)| dict.set(key, value));
        let mark = capture();
        // SAFETY: the context has its streams.
        let done = check(unsafe { ffi::avformat_write_header(self.context, dict.as_mut()) });
        if let Err(e) = done {
            return Err(self.failed("begin", e, mark.last()));
        }
        self.is_open = true;
        Ok(())
    }

    fn failed(&mut self, what: &str, e: AvError, words: Option<String>) -> Error {
        if let Some(source) = self.bytes.take_error() {
            return Error::Io { action: "write", path: "the output".into(), source };
        }
        let words = words.map(|w| format!(" ({w})")).unwrap_or_default();
        Error::unsupported(format!("cannot {what} the {} file: {e}{words}", self.name))
    }

    /// Writes a packet of stream `index`, whose times are in the time base that the stream was added with. The muxer puts
    /// the packets of all streams in the order of their decoding times.
    pub(crate) fn write(&mut self, mut packet: Packet, index: usize) -> Result<()> {
        let from = *self.pending.get(index).ok_or_else(|| Error::Internal(format!("no output stream {index}")))?;
        // SAFETY: the stream exists: one was added for each of `pending`.
        let to = unsafe { (**self.get().streams.add(index)).time_base };
        // SAFETY: ours and valid.
        unsafe { ffi::av_packet_rescale_ts(packet.as_ptr(), from.into(), to) };
        packet.get_mut().stream_index = index as i32;
        packet.get_mut().pos = -1;
        let mark = capture();
        // SAFETY: header written, packet valid; libav takes its reference.
        match check(unsafe { ffi::av_interleaved_write_frame(self.context, packet.as_ptr()) }) {
            Ok(_) => Ok(()),
            Err(e) => Err(self.failed("write a packet of", e, mark.last())),
        }
    }

    /// Writes the end and hands the medium to `then`.
    pub(crate) fn finish<T>(mut self, then: impl FnOnce(&mut M) -> Result<T>) -> Result<T> {
        let mark = capture();
        self.is_open = false;
        // SAFETY: header written, not yet closed.
        if let Err(e) = check(unsafe { ffi::av_write_trailer(self.context) }) {
            return Err(self.failed("end", e, mark.last()));
        }
        let result = then(self.bytes.medium())?;
        match self.bytes.take_error() {
            Some(source) => Err(Error::Io { action: "write", path: "the output".into(), source }),
            None => Ok(result),
        }
    }
}

impl<M: Medium> Drop for Output<M> {
    fn drop(&mut self) {
        // SAFETY: ours; the byte stream is custom and freed by its owner. A muxer that was begun but not ended gives up its
        // inner state with the context.
        unsafe { ffi::avformat_free_context(self.context) };
    }
}
