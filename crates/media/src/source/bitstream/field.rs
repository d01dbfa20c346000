//! Whether an H.264 picture is a field: libav's parser reads the slice header for us, because the bit lies behind fields
//! whose length the parameter sets decide.

use std::ptr;

use crate::av::{CodecContext, Parameters, check, ffi};

pub(super) struct FieldParser {
    parser: *mut ffi::AVCodecParserContext,
    context: CodecContext,
    padded: Vec<u8>,
}

/// Bytes of a packet that are shown to the parser: headers and the first slice header fit, whole pictures need no copy.
const HEAD: usize = 64 << 10;

impl FieldParser {
    pub(super) fn new(parameters: &Parameters) -> Option<Self> {
        // SAFETY: a null codec is allowed for a context that is never opened.
        let context = unsafe { CodecContext::new(ptr::null()) }.ok()?;
        // SAFETY: both valid; the context takes a copy.
        check(unsafe { ffi::avcodec_parameters_to_context(context.as_ptr(), parameters.as_ptr()) }).ok()?;
        // SAFETY: a static id; the result is null or ours.
        let parser = unsafe { ffi::av_parser_init(ffi::AVCodecID::H264.0 as _) };
        if parser.is_null() {
            return None;
        }
        // SAFETY: just made.
        unsafe { (*parser).flags |= ffi::PARSER_FLAG_COMPLETE_FRAMES };
        Some(Self { parser, context, padded: Vec::new() })
    }

    /// Whether the packet's first picture is a field.
    pub(super) fn is_field(&mut self, data: &[u8]) -> bool {
        let data = &data[..data.len().min(HEAD)];
        self.padded.clear();
        self.padded.extend_from_slice(data);
        self.padded.resize(data.len() + ffi::AV_INPUT_BUFFER_PADDING_SIZE as usize, 0);
        let mut out: *mut u8 = ptr::null_mut();
        let mut size = 0;
        let none = i64::MIN;
        // SAFETY: parser and context are ours; the input is padded as libav asks and outlives the call; the output points
        // into it and is not used.
        unsafe {
            ffi::av_parser_parse2(
                self.parser,
                self.context.as_ptr(),
                &mut out,
                &mut size,
                self.padded.as_ptr(),
                data.len() as i32,
                none,
                none,
                0,
            );
            matches!(
                (*self.parser).picture_structure,
                ffi::AVPictureStructure::TOP_FIELD | ffi::AVPictureStructure::BOTTOM_FIELD
            )
        }
    }
}

impl Drop for FieldParser {
    fn drop(&mut self) {
        // SAFETY: ours.
        unsafe { ffi::av_parser_close(self.parser) };
    }
}
