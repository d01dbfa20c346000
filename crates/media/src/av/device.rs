//! Devices that decode.

use std::ffi::{CString, c_void};
use std::ptr;

use super::log::{capture, reason};
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
    /// Where there is none, or its driver does not open; in libav's own words where it has any.
    pub fn open(kind: &str, index: usize) -> Result<Self, String> {
        let log = capture();
        // libav does not say what VA-API lacks.
        let is_without = kind == "vaapi" && !std::path::Path::new("/dev/dri").exists();
        let words = |error| if is_without { "there is no /dev/dri".to_owned() } else { reason(log, &error) };
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
        check(unsafe { ffi::av_hwdevice_ctx_create(&mut context, kind, name, ptr::null_mut(), 0) }).map_err(words)?;
        Ok(Self { kind, context })
    }

    /// libav's first decoder of a codec that can decode on such a device.
    pub(super) fn decoder(&self, codec: ffi::AVCodecID) -> Option<*const ffi::AVCodec> {
        decoder_on(codec, self.kind)
    }

    /// Whether this build of libav has a decoder of a codec for devices of that kind.
    pub fn decodes(codec: ffi::AVCodecID, kind: &str) -> bool {
        let kind = kind_of(kind);
        kind != ffi::AVHWDeviceType::NONE && decoder_on(codec, kind).is_some()
    }

    /// Lets a decoder that is not open yet decode on it: the sample format of its pictures there. `None` where the decoder cannot.
    pub(super) fn attach(&self, context: &mut CodecContext) -> Result<Option<ffi::AVPixelFormat>, AvError> {
        let Some(config) = config_on(context.get().codec, self.kind) else { return Ok(None) };
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

/// How a decoder decodes on devices of that kind.
fn config_on(codec: *const ffi::AVCodec, kind: ffi::AVHWDeviceType) -> Option<&'static ffi::AVCodecHWConfig> {
    let method = ffi::AV_CODEC_HW_CONFIG_METHOD_HW_DEVICE_CTX.0 as i32;
    // SAFETY: libav's static tables; null after the last entry.
    let mut configs = (0..).map_while(|n| unsafe { ffi::avcodec_get_hw_config(codec, n).as_ref() });
    configs.find(|c| c.device_type == kind && c.methods & method != 0)
}

/// The first decoder of a codec for devices of that kind.
fn decoder_on(id: ffi::AVCodecID, kind: ffi::AVHWDeviceType) -> Option<*const ffi::AVCodec> {
    let mut state = ptr::null_mut();
    // SAFETY: libav's static tables, walked with its own state; null after the last one.
    let mut codecs = std::iter::from_fn(|| unsafe { ffi::av_codec_iterate(&mut state).as_ref() });
    codecs
        .find(|codec| {
            // SAFETY: a static codec of libav.
            let is_decoder = unsafe { ffi::av_codec_is_decoder(*codec) } != 0;
            codec.id == id && is_decoder && config_on(*codec, kind).is_some()
        })
        .map(ptr::from_ref)
}

impl Drop for Device {
    fn drop(&mut self) {
        // SAFETY: ours.
        unsafe { ffi::av_buffer_unref(&mut self.context) };
    }
}

/// Pictures of one size on a device, for an encoder that takes them there.
#[derive(Debug)]
pub struct Upload {
    frames: *mut ffi::AVBufferRef,
    format: ffi::AVPixelFormat,
}

// SAFETY: a reference-counted context; libav's frame pools may be used from any thread.
unsafe impl Send for Upload {}

impl Upload {
    /// Pictures that an encoder holds at once besides those that it is given: what it looks ahead and refers to.
    const HELD: i32 = 24;

    /// Room on `device` for pictures of `format` in the machine's memory, `size` columns and rows.
    ///
    /// # Errors
    /// Where the device has no such pictures, or not the room.
    pub fn new(device: &Device, format: ffi::AVPixelFormat, size: (u32, u32)) -> Result<Self, AvError> {
        // SAFETY: the device is ours and valid; null asks for what it can do at all.
        let mut can = unsafe { ffi::av_hwdevice_get_hwframe_constraints(device.context, ptr::null()) };
        // SAFETY: null or valid, and the list ends with NONE.
        let own = unsafe { can.as_ref() }.map_or(ffi::AVPixelFormat::NONE, |can| unsafe { *can.valid_hw_formats });
        // SAFETY: null or ours.
        unsafe { ffi::av_hwframe_constraints_free(&mut can) };
        if own == ffi::AVPixelFormat::NONE {
            return Err(AvError::UNSUPPORTED);
        }
        // SAFETY: the device is valid; the result is null or ours.
        let frames = unsafe { ffi::av_hwframe_ctx_alloc(device.context) };
        if frames.is_null() {
            return Err(AvError(ffi::AVERROR(12)));
        }
        let upload = Self { frames, format: own };
        // SAFETY: a fresh context, which nobody else refers to before it is initialised.
        let fields = unsafe { &mut *(*frames).data.cast::<ffi::AVHWFramesContext>() };
        (fields.format, fields.sw_format) = (own, format);
        (fields.width, fields.height) = (size.0 as i32, size.1 as i32);
        fields.initial_pool_size = Self::HELD;
        // SAFETY: ours.
        check(unsafe { ffi::av_hwframe_ctx_init(frames) })?;
        Ok(upload)
    }

    /// Lets an encoder that is not open yet take its pictures there.
    ///
    /// # Errors
    /// Where memory is short.
    pub fn enter(&self, context: &mut CodecContext) -> Result<(), AvError> {
        // SAFETY: ours and valid; the result is null or a new reference.
        let own = unsafe { ffi::av_buffer_ref(self.frames) };
        if own.is_null() {
            return Err(AvError(ffi::AVERROR(12)));
        }
        let fields = context.get_mut();
        fields.hw_frames_ctx = own;
        fields.pix_fmt = self.format;
        Ok(())
    }

    /// `picture` on the device, with all that it carries.
    ///
    /// # Errors
    /// Where the device has no room or fails.
    pub fn up(&self, picture: &AvFrame) -> Result<AvFrame, AvError> {
        let own = AvFrame::new()?;
        // SAFETY: all valid; the first call gives the frame a buffer of the device.
        unsafe {
            check(ffi::av_hwframe_get_buffer(self.frames, own.as_ptr(), 0))?;
            check(ffi::av_hwframe_transfer_data(own.as_ptr(), picture.as_ptr(), 0))?;
            check(ffi::av_frame_copy_props(own.as_ptr(), picture.as_ptr()))?;
        }
        Ok(own)
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        // SAFETY: ours.
        unsafe { ffi::av_buffer_unref(&mut self.frames) };
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs where libav reaches a device of Vulkan; a software one will do.
    #[test]
    fn a_picture_comes_back_from_a_device_as_it_went_there() {
        if std::env::var_os("CLEANPLATE_SLOW").is_none() {
            return;
        }
        let Ok(device) = Device::open("vulkan", 0) else { return };
        let (w, h) = (64u32, 48u32);
        let upload = Upload::new(&device, ffi::AVPixelFormat::NV12, (w, h)).unwrap();
        let picture = AvFrame::picture(ffi::AVPixelFormat::NV12, w, h).unwrap();
        let rows = |frame: &AvFrame| -> Vec<Vec<u8>> {
            let f = frame.get();
            let plane = |n: usize, rows: u32| {
                // SAFETY: planes of NV12 have `w` bytes a row, and libav's own line sizes.
                let row = move |y: u32| unsafe {
                    std::slice::from_raw_parts(f.data[n].offset(y as isize * f.linesize[n] as isize), w as usize)
                };
                (0..rows).map(move |y| row(y).to_vec()).collect::<Vec<_>>()
            };
            [plane(0, h), plane(1, h / 2)].concat()
        };
        for (n, rows) in [(0, h), (1, h / 2)] {
            for y in 0..rows {
                let f = picture.get();
                for x in 0..w {
                    // SAFETY: as above, and ours alone.
                    unsafe {
                        *f.data[n].offset(y as isize * f.linesize[n] as isize + x as isize) = (7 * x + 13 * y) as u8;
                    }
                }
            }
        }
        let there = upload.up(&picture).unwrap();
        assert_ne!(there.get().format, picture.get().format);
        assert!(rows(&downloaded(&there).unwrap()) == rows(&picture));
    }
}
