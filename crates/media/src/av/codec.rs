//! Codec parameters, contexts, and a decoder that turns packets into frames.

use std::ffi::CString;
use std::ptr;

use super::device::{self, Device};
use super::{AvError, AvFrame, Dict, Packet, check, ffi, text};
use crate::types::Rational;

/// What a container says of a stream's codec: the owned form of libav's `AVCodecParameters`.
#[derive(Debug)]
pub struct Parameters(*mut ffi::AVCodecParameters);

// SAFETY: plain memory without ties to a thread.
unsafe impl Send for Parameters {}
// SAFETY: through a shared reference only reading is possible.
unsafe impl Sync for Parameters {}

impl Parameters {
    /// Empty parameters.
    ///
    /// # Errors
    /// Where memory is short.
    pub fn new() -> Result<Self, AvError> {
        // SAFETY: null or ours.
        let p = unsafe { ffi::avcodec_parameters_alloc() };
        if p.is_null() { Err(AvError(ffi::AVERROR(12))) } else { Ok(Self(p)) }
    }

    /// A copy of parameters that libav owns.
    ///
    /// # Errors
    /// Where memory is short.
    ///
    /// # Safety
    /// `from` is valid during the call.
    pub unsafe fn copied(from: *const ffi::AVCodecParameters) -> Result<Self, AvError> {
        let own = Self::new()?;
        // SAFETY: both are valid.
        check(unsafe { ffi::avcodec_parameters_copy(own.0, from) })?;
        Ok(own)
    }

    /// The fields.
    pub fn get(&self) -> &ffi::AVCodecParameters {
        // SAFETY: valid as long as self.
        unsafe { &*self.0 }
    }

    /// The fields, to be changed.
    pub fn get_mut(&mut self) -> &mut ffi::AVCodecParameters {
        // SAFETY: valid and ours alone.
        unsafe { &mut *self.0 }
    }

    /// As libav takes it.
    pub fn as_ptr(&self) -> *mut ffi::AVCodecParameters {
        self.0
    }

    /// Global headers (parameter sets), empty where there are none.
    pub fn extradata(&self) -> &[u8] {
        let p = self.get();
        if p.extradata.is_null() || p.extradata_size <= 0 {
            &[]
        } else {
            // SAFETY: libav keeps extradata_size bytes there.
            unsafe { std::slice::from_raw_parts(p.extradata, p.extradata_size as usize) }
        }
    }

    /// Replaces the global headers by a copy of `data`.
    ///
    /// # Errors
    /// Where memory is short.
    pub fn set_extradata(&mut self, data: &[u8]) -> Result<(), AvError> {
        let size = i32::try_from(data.len()).map_err(|_| AvError::INVALID)?;
        let p = self.get_mut();
        // SAFETY: extradata is null or was allocated by libav; the new block has libav's padding and is zeroed.
        unsafe {
            ffi::av_freep((&raw mut p.extradata).cast());
            p.extradata_size = 0;
            if size > 0 {
                let block = ffi::av_mallocz(data.len() + ffi::AV_INPUT_BUFFER_PADDING_SIZE as usize).cast::<u8>();
                if block.is_null() {
                    return Err(AvError(ffi::AVERROR(12)));
                }
                ptr::copy_nonoverlapping(data.as_ptr(), block, data.len());
                p.extradata = block;
                p.extradata_size = size;
            }
        }
        Ok(())
    }
}

impl Drop for Parameters {
    fn drop(&mut self) {
        // SAFETY: ours.
        unsafe { ffi::avcodec_parameters_free(&mut self.0) };
    }
}

/// An owned `AVCodecContext`, open or not.
#[derive(Debug)]
pub struct CodecContext(*mut ffi::AVCodecContext);

// SAFETY: a context may be used from any thread, one at a time.
unsafe impl Send for CodecContext {}

impl CodecContext {
    /// A context for `codec` with libav's defaults.
    ///
    /// # Errors
    /// Where memory is short.
    ///
    /// # Safety
    /// `codec` is null or one of libav's static codecs.
    pub unsafe fn new(codec: *const ffi::AVCodec) -> Result<Self, AvError> {
        // SAFETY: promised by the caller; the result is null or ours.
        let context = unsafe { ffi::avcodec_alloc_context3(codec) };
        if context.is_null() { Err(AvError(ffi::AVERROR(12))) } else { Ok(Self(context)) }
    }

    /// The fields.
    pub fn get(&self) -> &ffi::AVCodecContext {
        // SAFETY: valid as long as self.
        unsafe { &*self.0 }
    }

    /// The fields, to be changed.
    pub fn get_mut(&mut self) -> &mut ffi::AVCodecContext {
        // SAFETY: valid and ours alone.
        unsafe { &mut *self.0 }
    }

    /// As libav takes it.
    pub fn as_ptr(&self) -> *mut ffi::AVCodecContext {
        self.0
    }

    /// Opens the codec. What is left in `options` afterwards was not understood.
    ///
    /// # Errors
    /// What libav refused.
    pub fn open(&mut self, options: &mut Dict) -> Result<(), AvError> {
        // SAFETY: the context was made for its codec; the dictionary is valid.
        check(unsafe { ffi::avcodec_open2(self.0, ptr::null(), options.as_mut()) }).map(|_| ())
    }
}

impl Drop for CodecContext {
    fn drop(&mut self) {
        // SAFETY: ours; closes an open codec.
        unsafe { ffi::avcodec_free_context(&mut self.0) };
    }
}

/// A decoder of one video stream.
#[derive(Debug)]
pub struct Decoder {
    context: CodecContext,
    /// The format of pictures that lie on a device.
    on_device: Option<ffi::AVPixelFormat>,
}

impl Decoder {
    /// Opens libav's decoder for `parameters` (`name` forces one), in software or on a device. `threads` 0 lets libav choose;
    /// `options` are the codec's own, `max_pixels` among them.
    ///
    /// # Errors
    /// Where there is no decoder, it cannot decode on the device, or it refuses the stream.
    pub fn open(
        parameters: &Parameters,
        time_base: Rational,
        threads: u32,
        name: Option<&str>,
        options: &[(&str, String)],
        device: Option<&Device>,
    ) -> Result<Self, AvError> {
        // SAFETY: look-ups in libav's static tables; the string lives during the call.
        let codec = unsafe {
            match name.and_then(|n| CString::new(n).ok()) {
                Some(name) => ffi::avcodec_find_decoder_by_name(name.as_ptr()),
                None => ffi::avcodec_find_decoder(parameters.get().codec_id),
            }
        };
        // libav's first choice may be a library that knows no devices (dav1d for AV1).
        let codec = device.and_then(|device| device.decoder(parameters.get().codec_id)).unwrap_or(codec);
        if codec.is_null() {
            return Err(AvError(ffi::AVERROR_DECODER_NOT_FOUND));
        }
        // SAFETY: a static codec of libav.
        let mut context = unsafe { CodecContext::new(codec) }?;
        // SAFETY: both valid; the context is not open yet.
        check(unsafe { ffi::avcodec_parameters_to_context(context.as_ptr(), parameters.as_ptr()) })?;
        context.get_mut().pkt_timebase = time_base.into();
        context.get_mut().thread_count = i32::try_from(threads).unwrap_or(0);
        let on_device = match device {
            None => None,
            Some(device) => Some(device.attach(&mut context)?.ok_or(AvError::UNSUPPORTED)?),
        };
        let mut dict = Dict::new();
        options.iter().for_each(|(key, value)| dict.set(key, value));
        context.open(&mut dict)?;
        Ok(Self { context, on_device })
    }

    /// Hands over a packet; `None` starts draining.
    ///
    /// # Errors
    /// [`AvError::AGAIN`] where frames must be received first; else what the decoder found wrong with the packet.
    pub fn send(&mut self, packet: Option<&Packet>) -> Result<(), AvError> {
        let packet = packet.map_or(ptr::null(), |p| p.as_ptr().cast_const());
        // SAFETY: context open, packet valid or null.
        check(unsafe { ffi::avcodec_send_packet(self.context.as_ptr(), packet) }).map(|_| ())
    }

    /// The next frame, `None` where another packet is needed or the end is reached.
    ///
    /// # Errors
    /// What the decoder could not decode.
    pub fn receive(&mut self) -> Result<Option<AvFrame>, AvError> {
        let frame = AvFrame::new()?;
        // SAFETY: context open, frame ours.
        match check(unsafe { ffi::avcodec_receive_frame(self.context.as_ptr(), frame.as_ptr()) }) {
            Ok(_) if self.on_device == Some(ffi::AVPixelFormat(frame.get().format)) => {
                device::downloaded(&frame).map(Some)
            }
            Ok(_) => Ok(Some(frame)),
            Err(AvError::AGAIN | AvError::EOF) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Forgets everything: used after a seek.
    pub fn flush(&mut self) {
        // SAFETY: context open.
        unsafe { ffi::avcodec_flush_buffers(self.context.as_ptr()) };
    }

    /// The context, for fields that the stream's header sets.
    pub fn context(&self) -> &CodecContext {
        &self.context
    }

    /// libav's name of the decoder.
    pub fn name(&self) -> String {
        // SAFETY: an open context has a codec with a static name.
        unsafe { text((*self.context.get().codec).name) }
    }
}
