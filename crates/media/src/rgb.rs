//! Pictures for people to look at: frames as 8-bit RGB, by the matrix and range that they are tagged with.

use std::ptr;

use cleanplate_core::{Frame, Row, RowMut, Surface};

use crate::av::{AvFrame, ffi};
use crate::error::{Error, Result};
use crate::pixfmt;
use crate::surface::AvSurface;

/// `frame` as rows of red, green, blue, 8 bits each, without padding. High dynamic range is shown as it is coded, without
/// tone mapping; alpha is left out.
///
/// # Errors
/// Where libav cannot convert the format or memory is short.
pub fn rgb8(frame: &Frame) -> Result<Vec<u8>> {
    let failed = |what: &str| Error::Backend(format!("cannot show frame {} as RGB: {what}", frame.idx));
    let own;
    let source = match frame.surface().as_any().downcast_ref::<AvSurface>() {
        Some(surface) => surface.frame(),
        None => {
            own = copied(frame)?;
            &own
        }
    };
    let (w, h) = (frame.width as i32, frame.height as i32);
    let flags = ffi::SWS_BICUBIC | ffi::SWS_ACCURATE_RND | ffi::SWS_FULL_CHR_H_INT;
    let (from, to) = (ffi::AVPixelFormat(source.get().format), ffi::AVPixelFormat::RGB24);
    // SAFETY: null filters and parameters are allowed; the result is null or ours.
    let context =
        unsafe { ffi::sws_getContext(w, h, from, w, h, to, flags, ptr::null_mut(), ptr::null_mut(), ptr::null()) };
    if context.is_null() {
        return Err(failed("no conversion from this format"));
    }
    let matrix = match frame.color.matrix {
        2 => i32::from(if frame.height >= 720 { 1u8 } else { 5 }),
        m => i32::from(m),
    };
    let full = i32::from(frame.color.full_range == Some(true));
    let mut rgb = vec![0u8; frame.width as usize * frame.height as usize * 3];
    let stride = [w * 3, 0, 0, 0];
    // SAFETY: the context is valid; the tables are libav's; source planes cover w x h, the target holds h rows of w * 3 bytes.
    let rows = unsafe {
        let table = ffi::sws_getCoefficients(matrix);
        ffi::sws_setColorspaceDetails(context, table, full, table, 1, 0, 1 << 16, 1 << 16);
        let target = [rgb.as_mut_ptr(), ptr::null_mut(), ptr::null_mut(), ptr::null_mut()];
        let data = source.get().data.as_ptr().cast();
        let rows =
            ffi::sws_scale(context, data, source.get().linesize.as_ptr(), 0, h, target.as_ptr(), stride.as_ptr());
        ffi::sws_freeContext(context);
        rows
    };
    if rows == h { Ok(rgb) } else { Err(failed("libav stopped early")) }
}

/// A picture of libav with the samples of `frame`.
///
/// # Errors
/// Where libav has no such format or memory is short.
pub(crate) fn copied(frame: &Frame) -> Result<AvFrame> {
    let format = pixfmt::to_av(frame.format)
        .ok_or_else(|| Error::unsupported(format!("libav has no sample format for {:?}", frame.format)))?;
    let picture = AvFrame::picture(format, frame.width, frame.height)
        .map_err(|e| Error::Backend(format!("cannot make a picture: {e}")))?;
    let mut surface = AvSurface::new(picture)?;
    for plane in 0..frame.format.planes() {
        for y in 0..frame.format.plane_size(plane, frame.width, frame.height).1 {
            match (frame.row(plane, y), surface.row_mut(plane, y)) {
                (Row::U8(from), RowMut::U8(to)) => to.copy_from_slice(from),
                (Row::U16(from), RowMut::U16(to)) => to.copy_from_slice(from),
                _ => {
                    let what = format!("samples of frame {} are not as wide as {:?}", frame.idx, frame.format);
                    return Err(Error::Internal(what));
                }
            }
        }
    }
    Ok(surface.into_frame())
}

#[cfg(test)]
mod tests {
    use super::*;
    use cleanplate_core::{HostSurface, PixelFormat};

    #[test]
    fn the_tagged_range_and_matrix_decide_the_colour() {
        let format = PixelFormat::YUV420P8;
        let mut surface = HostSurface::new(format, 16, 16);
        for (plane, value) in [(0, 81u8), (1, 90), (2, 240)] {
            for y in 0..format.plane_size(plane, 16, 16).1 {
                if let RowMut::U8(row) = surface.row_mut(plane, y) {
                    row.fill(value);
                }
            }
        }
        let mut frame = Frame::new(0, 0, 1, (16, 16), format, Box::new(surface));
        frame.color.matrix = 6;
        let rgb = rgb8(&frame).unwrap();
        // ITU-R BT.601 red at full saturation: 81, 90, 240.
        assert!(rgb[0] > 250 && rgb[1] < 5 && rgb[2] < 5, "{:?}", &rgb[..3]);
        frame.color.full_range = Some(true);
        assert_ne!(rgb8(&frame).unwrap(), rgb);
    }
}
