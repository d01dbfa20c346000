//! An owned picture of libav.

use super::{AvError, check, ffi};

/// A decoded picture with its side data. Its planes may be shared with a decoder: see
/// [`make_writable`](Self::make_writable).
#[derive(Debug)]
pub struct AvFrame(*mut ffi::AVFrame);

// SAFETY: frames are reference-counted memory; libav's counters are atomic.
unsafe impl Send for AvFrame {}
// SAFETY: through a shared reference only reading is possible.
unsafe impl Sync for AvFrame {}

impl AvFrame {
    /// An empty frame.
    ///
    /// # Errors
    /// Where memory is short.
    pub fn new() -> Result<Self, AvError> {
        // SAFETY: returns null or a valid frame that we own.
        let frame = unsafe { ffi::av_frame_alloc() };
        if frame.is_null() { Err(AvError(ffi::AVERROR(12))) } else { Ok(Self(frame)) }
    }

    /// A frame with its own memory for `width` x `height` in libav's sample format.
    ///
    /// # Errors
    /// Where memory is short or the size is impossible.
    pub fn picture(format: ffi::AVPixelFormat, width: u32, height: u32) -> Result<Self, AvError> {
        let mut frame = Self::new()?;
        frame.get_mut().format = format.0;
        frame.get_mut().width = i32::try_from(width).map_err(|_| AvError::INVALID)?;
        frame.get_mut().height = i32::try_from(height).map_err(|_| AvError::INVALID)?;
        // SAFETY: format and size are set, no buffer is attached yet.
        check(unsafe { ffi::av_frame_get_buffer(frame.0, 0) })?;
        Ok(frame)
    }

    /// Another handle to the same picture.
    ///
    /// # Errors
    /// Where memory is short.
    pub fn share(&self) -> Result<Self, AvError> {
        // SAFETY: self is valid; the result is null or ours.
        let frame = unsafe { ffi::av_frame_clone(self.0) };
        if frame.is_null() { Err(AvError(ffi::AVERROR(12))) } else { Ok(Self(frame)) }
    }

    /// Copies the planes where anyone else holds them: decoders go on reading their output as reference.
    ///
    /// # Errors
    /// Where memory is short.
    pub fn make_writable(&mut self) -> Result<(), AvError> {
        // SAFETY: ours and valid.
        check(unsafe { ffi::av_frame_make_writable(self.0) }).map(|_| ())
    }

    /// Whether nobody else holds the planes.
    pub fn is_writable(&self) -> bool {
        // SAFETY: valid; the call only reads counters.
        unsafe { ffi::av_frame_is_writable(self.0) > 0 }
    }

    /// Drops the side data of this handle.
    pub fn forget_side_data(&mut self) {
        let kinds: Vec<_> = (0..self.get().nb_side_data.max(0) as usize)
            // SAFETY: libav keeps that many valid pointers.
            .map(|n| unsafe { (**self.get().side_data.add(n)).type_ })
            .collect();
        for kind in kinds {
            // SAFETY: ours and valid.
            unsafe { ffi::av_frame_remove_side_data(self.0, kind) };
        }
    }

    /// The fields.
    pub fn get(&self) -> &ffi::AVFrame {
        // SAFETY: valid as long as self.
        unsafe { &*self.0 }
    }

    /// The fields, to be changed. Buffer pointers must stay as they are.
    pub fn get_mut(&mut self) -> &mut ffi::AVFrame {
        // SAFETY: valid and ours alone.
        unsafe { &mut *self.0 }
    }

    /// The frame as libav takes it.
    pub fn as_ptr(&self) -> *mut ffi::AVFrame {
        self.0
    }
}

impl Drop for AvFrame {
    fn drop(&mut self) {
        // SAFETY: ours.
        unsafe { ffi::av_frame_free(&mut self.0) };
    }
}
