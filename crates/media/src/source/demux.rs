//! Packets of a file in the order in which libav hands them out. Knows containers; refuses to decode.

use std::ffi::CString;
use std::path::Path;
use std::ptr;

use super::Limits;
use super::damage::without_addresses;
use super::io::FileIo;
use crate::av::{AvError, Dict, Packet, capture, check, ffi};
use crate::error::{Error, Result};

/// The demuxers that may touch a file. Playlists and everything else that opens further files are not among them: of ten
/// playlists named `.mp4`, three made libav decode another file, none with such a list.
const FORMATS: &str =
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,mpegts,mpeg,avi,flv,ogg,h264,hevc,mpegvideo,m4v,av1,obu,ivf,mjpeg";

/// Consecutive refusals of a demuxer after which the file counts as ended.
const PATIENCE: u32 = 8;

/// An open file and libav's view of its streams.
pub(crate) struct Demuxer {
    context: *mut ffi::AVFormatContext,
    io: FileIo,
    limits: Limits,
    /// Times that the demuxer refused to go on.
    pub(crate) errors: u64,
}

// SAFETY: a format context may be used from any thread, one at a time.
unsafe impl Send for Demuxer {}

unsafe extern "C" fn refuse(
    _: *mut ffi::AVFormatContext,
    _: *mut *mut ffi::AVIOContext,
    _: *const std::ffi::c_char,
    _: std::ffi::c_int,
    _: *mut *mut ffi::AVDictionary,
) -> std::ffi::c_int {
    ffi::AVERROR(13)
}

impl Demuxer {
    /// Opens and probes a file.
    pub(crate) fn open(path: &Path, limits: &Limits) -> Result<Self> {
        let mut io = FileIo::open(path)?;
        let mark = capture();
        let budget = io.size().saturating_mul(4).saturating_add(limits.probe_bytes.saturating_mul(4));
        io.allow(budget);
        let bad = |io: &mut FileIo, error: AvError, what: &str| {
            if let Some(source) = io.take_failure() {
                return Error::Io { action: "read", path: path.to_owned(), source };
            }
            if mark.last().is_some_and(|line| line.contains("not on whitelist")) {
                return Error::unsupported_but(
                    format!("cannot work on {}: its kind of file is not among those that are opened", path.display()),
                    "MP4, MOV, MKV, WebM, TS, MPG, AVI, FLV, OGG and bare video streams are",
                );
            }
            let words =
                mark.last().map(|line| without_addresses(&line)).map(|line| format!(" ({line})")).unwrap_or_default();
            Error::Input(format!("cannot {what} {}: {error}{words}", path.display()))
        };
        if io.size() == 0 {
            return Err(Error::Input(format!("cannot read {}: the file is empty", path.display())));
        }
        let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default();
        let hint = CString::new(format!("input.{extension}")).unwrap_or_default();
        // SAFETY: the context is ours until open_input, which frees it on failure and sets it to null. The strings are
        // copied by libav's allocator because it frees them itself.
        let mut context = unsafe {
            let context = ffi::avformat_alloc_context();
            if context.is_null() {
                return Err(Error::Backend("memory is short for opening a file".into()));
            }
            let formats = CString::new(FORMATS).unwrap_or_default();
            (*context).pb = io.context();
            (*context).format_whitelist = ffi::av_strdup(formats.as_ptr());
            (*context).protocol_whitelist = ffi::av_strdup(c"none".as_ptr());
            (*context).io_open = Some(refuse);
            (*context).max_streams = i32::try_from(limits.max_streams).unwrap_or(i32::MAX);
            (*context).probesize = i64::try_from(limits.probe_bytes).unwrap_or(i64::MAX);
            (*context).max_analyze_duration = limits.probe_microseconds;
            context
        };
        // SAFETY: as above; a null format lets libav probe.
        let opened = unsafe { ffi::avformat_open_input(&mut context, hint.as_ptr(), ptr::null_mut(), ptr::null_mut()) };
        if let Err(error) = check(opened) {
            return Err(bad(&mut io, error, "read"));
        }
        let mut demuxer = Self { context, io, limits: limits.clone(), errors: 0 };
        demuxer.io.allow(budget);
        if let Err(error) = demuxer.probe() {
            return Err(bad(&mut demuxer.io, error, "find streams in"));
        }
        Ok(demuxer)
    }

    fn probe(&mut self) -> std::result::Result<(), AvError> {
        let count = self.streams().len();
        let mut options: Vec<Dict> = (0..count)
            .map(|_| {
                let mut dict = Dict::new();
                dict.set("max_pixels", &self.limits.max_pixels.to_string());
                dict
            })
            .collect();
        // libav takes an array of dictionary pointers, one a stream, and may replace each.
        let mut raw: Vec<*mut ffi::AVDictionary> = options.drain(..).map(Dict::into_raw).collect();
        let array = if raw.is_empty() { ptr::null_mut() } else { raw.as_mut_ptr() };
        // SAFETY: the context is open; the array has one entry for each stream known now.
        let result = check(unsafe { ffi::avformat_find_stream_info(self.context, array) });
        for dict in &mut raw {
            // SAFETY: each is null or a dictionary that came back to us.
            unsafe { ffi::av_dict_free(dict) };
        }
        result.map(|_| ())
    }

    /// libav's context.
    pub(crate) fn context(&self) -> &ffi::AVFormatContext {
        // SAFETY: open as long as self.
        unsafe { &*self.context }
    }

    pub(crate) fn as_ptr(&self) -> *mut ffi::AVFormatContext {
        self.context
    }

    /// libav's streams, in file order.
    pub(crate) fn streams(&self) -> &[*mut ffi::AVStream] {
        let context = self.context();
        if context.streams.is_null() {
            return &[];
        }
        // SAFETY: libav keeps nb_streams pointers there, all valid while the context is open.
        unsafe { std::slice::from_raw_parts(context.streams, context.nb_streams as usize) }
    }

    /// Bytes of the file.
    pub(crate) fn size(&self) -> u64 {
        self.io.size()
    }

    /// About where in the file the demuxer reads.
    pub(crate) fn position(&self) -> u64 {
        // SAFETY: our I/O context, open.
        u64::try_from(unsafe { (*self.io.context()).pos }).unwrap_or(0)
    }

    /// The next packet of any stream into `packet`, `false` at the end. Refusals of the demuxer are counted in `errors`
    /// and skipped.
    pub(crate) fn read(&mut self, packet: &mut Packet) -> Result<bool> {
        for _ in 0..PATIENCE {
            packet.clear();
            let budget = self.io.size().saturating_mul(2).saturating_add(256 << 20);
            self.io.allow(budget);
            // SAFETY: context open, packet ours and empty.
            match check(unsafe { ffi::av_read_frame(self.context, packet.as_ptr()) }) {
                Ok(_) => {
                    let size = packet.data().len() as u64;
                    if size > self.limits.max_packet_bytes {
                        return Err(Error::Limit(format!(
                            "a packet of {size} bytes exceeds the limit of {}",
                            self.limits.max_packet_bytes
                        )));
                    }
                    return Ok(true);
                }
                Err(AvError::EOF) => return Ok(false),
                Err(error) => {
                    self.errors += 1;
                    if let Some(source) = self.io.take_failure() {
                        return Err(Error::Io { action: "read", path: "the source".into(), source });
                    }
                    if self.io.starved() || error == AvError::EXIT {
                        return Ok(false);
                    }
                }
            }
        }
        Ok(false)
    }

    /// Moves so that reading goes on at or before the packet with decoding time `dts` (or at byte `pos` where given).
    pub(crate) fn seek(&mut self, stream: usize, dts: i64, pos: Option<i64>) -> std::result::Result<(), AvError> {
        self.io.allow(self.io.size().saturating_mul(2).saturating_add(256 << 20));
        let stream = i32::try_from(stream).map_err(|_| AvError::INVALID)?;
        let (target, flags) = pos.map_or((dts, ffi::AVSEEK_FLAG_BACKWARD), |pos| (pos, ffi::AVSEEK_FLAG_BYTE));
        // SAFETY: context open.
        check(unsafe { ffi::av_seek_frame(self.context, stream, target, flags) }).map(|_| ())
    }
}

impl Drop for Demuxer {
    fn drop(&mut self) {
        // SAFETY: ours; closes the demuxer but not the I/O context, which `io` frees afterwards.
        unsafe { ffi::avformat_close_input(&mut self.context) };
    }
}
