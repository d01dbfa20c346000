//! Devices that decode.

use std::ffi::{CString, c_void};
use std::ptr;

use super::{AvError, AvFrame, CodecContext, check, ffi};

/// A device of libav, open.
#[derive(Debug)]
pub struct Device {
    kind: ffi::AVHWDeviceType,
    context: *mut ffi::AVBufferRef,
}

// SAFETY: a reference-counted context; libav's devices may be used from any thread.
unsafe impl Send for Device {}
// SAFETY: through a shared reference it is only referred to.
unsafe impl Sync for Device {}

impl Device {
    /// Whether this build of libav has devices of that kind (`cuda`, `vaapi` ...).
    pub fn is_known(kind: &str) -> bool {
        let kind = kind_of(kind);
        // SAFETY: each call gives the type after the one that it is given.
        let next = |last: &ffi::AVHWDeviceType| Some(unsafe { ffi::av_hwdevice_iterate_types(*last) });
        std::iter::successors(next(&ffi::AVHWDeviceType::NONE), next)
            .take_while(|own| *own != ffi::AVHWDeviceType::NONE)
            .any(|own| own == kind)
    }

    /// Opens the device of that kind with that number, from 0.
    ///
    /// # Errors
    /// Where there is none, or its driver does not open; the reason is in the log.
    pub fn open(kind: &str, index: usize) -> Result<Self, AvError> {
        let name = match kind {
            // Without a name libav looks for one that works.
            _ if index == 0 => None,
            "vaapi" => CString::new(format!("/dev/dri/renderD{}", 128 + index)).ok(),
            _ => CString::new(index.to_string()).ok(),
        };
        let kind = kind_of(kind);
        let mut context = ptr::null_mut();
        let name = name.as_ref().map_or(ptr::null(), |name| name.as_ptr());
        // SAFETY: the name lives during the call, or is null; writes a reference that is ours, or leaves null.
        check(unsafe { ffi::av_hwdevice_ctx_create(&mut context, kind, name, ptr::null_mut(), 0) })?;
        Ok(Self { kind, context })
    }

    /// Lets a decoder that is not open yet decode on it: the sample format of its pictures there. `None` where the decoder cannot.
    pub(super) fn attach(&self, context: &mut CodecContext) -> Result<Option<ffi::AVPixelFormat>, AvError> {
        let codec = context.get().codec;
        let method = ffi::AV_CODEC_HW_CONFIG_METHOD_HW_DEVICE_CTX.0 as i32;
        // SAFETY: libav's static tables; null after the last entry.
        let mut configs = (0..).map_while(|n| unsafe { ffi::avcodec_get_hw_config(codec, n).as_ref() });
        let Some(config) = configs.find(|c| c.device_type == self.kind && c.methods & method != 0) else {
            return Ok(None);
        };
        // SAFETY: ours and valid; the result is null or a new reference.
        let own = unsafe { ffi::av_buffer_ref(self.context) };
        if own.is_null() {
            return Err(AvError(ffi::AVERROR(12)));
        }
        let fields = context.get_mut();
        fields.hw_device_ctx = own;
        fields.opaque = config.pix_fmt.0 as usize as *mut c_void;
        fields.get_format = Some(wanted);
        Ok(Some(config.pix_fmt))
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        // SAFETY: ours.
        unsafe { ffi::av_buffer_unref(&mut self.context) };
    }
}

fn kind_of(name: &str) -> ffi::AVHWDeviceType {
    let Ok(name) = CString::new(name) else { return ffi::AVHWDeviceType::NONE };
    // SAFETY: the string lives during the call.
    unsafe { ffi::av_hwdevice_find_type_by_name(name.as_ptr()) }
}

/// The device's own format, which `attach` has left in the context, or none: then the decoder fails, and does not fall back by itself.
unsafe extern "C" fn wanted(
    context: *mut ffi::AVCodecContext,
    offered: *const ffi::AVPixelFormat,
) -> ffi::AVPixelFormat {
    // SAFETY: libav gives a valid context and a list that ends with NONE.
    unsafe {
        let own = (*context).opaque as usize as i32;
        let mut at = offered;
        while (*at) != ffi::AVPixelFormat::NONE {
            if (*at).0 == own {
                return *at;
            }
            at = at.add(1);
        }
    }
    ffi::AVPixelFormat::NONE
}

/// The picture in the machine's memory.
///
/// # Errors
/// Where memory is short or the device fails.
pub(super) fn downloaded(frame: &AvFrame) -> Result<AvFrame, AvError> {
    let own = AvFrame::new()?;
    // SAFETY: both valid; the first has no buffers yet and gets its own.
    unsafe {
        check(ffi::av_hwframe_transfer_data(own.as_ptr(), frame.as_ptr(), 0))?;
        check(ffi::av_frame_copy_props(own.as_ptr(), frame.as_ptr()))?;
    }
    Ok(own)
}
