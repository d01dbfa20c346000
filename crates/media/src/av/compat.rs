//! What differs between versions of libav, in one place.

use super::ffi;

/// What a decoder says of one picture: fields that newer versions of libav express as flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PictureFlags {
    /// Whether decoding can start at this picture.
    pub key: bool,
    /// Whether the rows belong to two fields.
    pub interlaced: bool,
    /// Whether the field of the even rows comes first.
    pub top_first: bool,
}

/// The flags of a decoded picture.
pub fn picture_flags(frame: &ffi::AVFrame) -> PictureFlags {
    PictureFlags {
        key: frame.key_frame != 0,
        interlaced: frame.interlaced_frame != 0,
        top_first: frame.top_field_first != 0,
    }
}

/// Kinds of side data that a stream's header carries, as libav names them.
///
/// # Safety
/// `stream` is a valid stream during the call.
pub unsafe fn stream_side_data(stream: *const ffi::AVStream) -> Vec<(ffi::AVPacketSideDataType, Vec<u8>)> {
    // SAFETY: promised by the caller.
    let stream = unsafe { &*stream };
    let count = usize::try_from(stream.nb_side_data).unwrap_or(0);
    (0..count)
        .map(|i| {
            // SAFETY: libav keeps nb_side_data elements there, each with `size` bytes of data.
            unsafe {
                let entry = &*stream.side_data.add(i);
                let data = if entry.data.is_null() { &[] } else { std::slice::from_raw_parts(entry.data, entry.size) };
                (entry.type_, data.to_vec())
            }
        })
        .collect()
}

/// Whether this build of libav has a decoder of that name.
pub fn has_decoder(name: &str) -> bool {
    let Ok(name) = std::ffi::CString::new(name) else { return false };
    // SAFETY: the string lives during the call.
    !unsafe { ffi::avcodec_find_decoder_by_name(name.as_ptr()) }.is_null()
}

/// Gives a stream that is to be written a piece of side data.
///
/// # Errors
/// Where memory is short.
///
/// # Safety
/// `stream` is a valid stream of an output during the call.
pub unsafe fn add_stream_side_data(
    stream: *mut ffi::AVStream,
    kind: ffi::AVPacketSideDataType,
    data: &[u8],
) -> Result<(), super::AvError> {
    // SAFETY: promised by the caller; libav gives `len` bytes or null.
    unsafe {
        let to = ffi::av_stream_new_side_data(stream, kind, data.len());
        if to.is_null() {
            return Err(super::AvError(ffi::AVERROR(12)));
        }
        std::ptr::copy_nonoverlapping(data.as_ptr(), to, data.len());
    }
    Ok(())
}
