//! An owned packet.

use std::slice;

use super::{AvError, check, ffi};

/// A compressed unit with its times, flags and side data.
#[derive(Debug)]
pub struct Packet(*mut ffi::AVPacket);

// SAFETY: packets are reference-counted memory; libav's counters are atomic.
unsafe impl Send for Packet {}

impl Packet {
    /// An empty packet.
    ///
    /// # Errors
    /// Where memory is short.
    pub fn new() -> Result<Self, AvError> {
        // SAFETY: returns null or a valid packet that we own.
        let packet = unsafe { ffi::av_packet_alloc() };
        if packet.is_null() { Err(AvError(ffi::AVERROR(12))) } else { Ok(Self(packet)) }
    }

    /// A packet with a copy of `data`.
    ///
    /// # Errors
    /// Where memory is short or `data` exceeds 2 GiB.
    pub fn with_data(data: &[u8]) -> Result<Self, AvError> {
        let packet = Self::new()?;
        let size = i32::try_from(data.len()).map_err(|_| AvError(ffi::AVERROR(12)))?;
        // SAFETY: the packet is empty and ours; libav allocates `size` bytes plus padding.
        check(unsafe { ffi::av_new_packet(packet.0, size) })?;
        if !data.is_empty() {
            // SAFETY: libav has just allocated data for `size` bytes; the two do not overlap.
            unsafe { std::ptr::copy_nonoverlapping(data.as_ptr(), (*packet.0).data, data.len()) };
        }
        Ok(packet)
    }

    /// A packet of `size` zero bytes, to be filled.
    ///
    /// # Errors
    /// Where memory is short or `size` exceeds 2 GiB.
    pub fn zeroed(size: usize) -> Result<Self, AvError> {
        let mut packet = Self::new()?;
        let size = i32::try_from(size).map_err(|_| AvError(ffi::AVERROR(12)))?;
        // SAFETY: the packet is empty and ours; libav allocates `size` bytes plus padding.
        check(unsafe { ffi::av_new_packet(packet.0, size) })?;
        packet.data_mut().fill(0);
        Ok(packet)
    }

    /// The payload, to be changed; copied first where somebody else holds it, and empty where memory for that is short.
    pub fn data_mut(&mut self) -> &mut [u8] {
        // SAFETY: libav keeps `size` bytes at `data`; av_packet_make_writable copies them where they are shared.
        unsafe {
            if (*self.0).data.is_null() || ffi::av_packet_make_writable(self.0) < 0 {
                &mut []
            } else {
                slice::from_raw_parts_mut((*self.0).data, (*self.0).size as usize)
            }
        }
    }

    /// Attaches a copy of `data` as side data of `kind`.
    ///
    /// # Errors
    /// Where memory is short.
    pub fn add_side_data(&mut self, kind: ffi::AVPacketSideDataType, data: &[u8]) -> Result<(), AvError> {
        // SAFETY: ours; libav returns null or room for data.len() bytes.
        unsafe {
            let room = ffi::av_packet_new_side_data(self.0, kind, data.len());
            if room.is_null() {
                return Err(AvError(ffi::AVERROR(12)));
            }
            std::ptr::copy_nonoverlapping(data.as_ptr(), room, data.len());
        }
        Ok(())
    }

    /// Another handle to the same payload, with its own copy of times and side data.
    ///
    /// # Errors
    /// Where memory is short.
    pub fn share(&self) -> Result<Self, AvError> {
        // SAFETY: self is valid; the result is null or ours.
        let packet = unsafe { ffi::av_packet_clone(self.0) };
        if packet.is_null() { Err(AvError(ffi::AVERROR(12))) } else { Ok(Self(packet)) }
    }

    /// The payload.
    pub fn data(&self) -> &[u8] {
        // SAFETY: libav keeps `size` bytes at `data`, which may be null only when there are none.
        unsafe {
            if (*self.0).data.is_null() { &[] } else { slice::from_raw_parts((*self.0).data, (*self.0).size as usize) }
        }
    }

    /// Presentation time in ticks, `None` where the packet has none.
    pub fn pts(&self) -> Option<i64> {
        known(self.get().pts)
    }

    /// Decoding time in ticks, `None` where the packet has none.
    pub fn dts(&self) -> Option<i64> {
        known(self.get().dts)
    }

    /// Whether decoding can start here.
    pub fn is_key(&self) -> bool {
        self.get().flags & ffi::AV_PKT_FLAG_KEY != 0
    }

    /// The fields.
    pub fn get(&self) -> &ffi::AVPacket {
        // SAFETY: valid as long as self.
        unsafe { &*self.0 }
    }

    /// The fields, to be changed. Buffer pointers must stay as they are.
    pub fn get_mut(&mut self) -> &mut ffi::AVPacket {
        // SAFETY: valid and ours alone.
        unsafe { &mut *self.0 }
    }

    /// The packet as libav takes it.
    pub fn as_ptr(&self) -> *mut ffi::AVPacket {
        self.0
    }

    /// Drops the payload and resets every field.
    pub fn clear(&mut self) {
        // SAFETY: ours and valid.
        unsafe { ffi::av_packet_unref(self.0) };
    }
}

impl Drop for Packet {
    fn drop(&mut self) {
        // SAFETY: ours.
        unsafe { ffi::av_packet_free(&mut self.0) };
    }
}

/// `None` for libav's "no value".
pub(crate) fn known(ticks: i64) -> Option<i64> {
    (ticks != i64::MIN).then_some(ticks)
}
