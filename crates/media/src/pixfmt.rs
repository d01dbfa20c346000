//! libav's sample formats and ours.

use cleanplate_core::{PixelFormat, PixelLayout};

use crate::av::ffi::{self, AVPixelFormat};

/// Our form of a planar sample format of libav; `None` for packed, paletted, semi-planar, float, hardware and big-endian
/// ones, which are converted at the border or refused.
///
/// The answer comes from libav's own descriptor, so that every planar format it knows is carried.
pub fn from_av(format: AVPixelFormat) -> Option<PixelFormat> {
    // SAFETY: libav's static table; null for unknown formats.
    let d = unsafe { ffi::av_pix_fmt_desc_get(format).as_ref() }?;
    let has = |flag: i32| d.flags & flag as u64 != 0;
    let depth = u8::try_from(d.comp[0].depth).ok()?;
    let little = cfg!(target_endian = "little");
    if has(ffi::AV_PIX_FMT_FLAG_PAL)
        || has(ffi::AV_PIX_FMT_FLAG_BITSTREAM)
        || has(ffi::AV_PIX_FMT_FLAG_HWACCEL)
        || has(ffi::AV_PIX_FMT_FLAG_FLOAT)
        || has(ffi::AV_PIX_FMT_FLAG_BAYER)
        || (depth > 8 && has(ffi::AV_PIX_FMT_FLAG_BE) == little)
        || !(8..=16).contains(&depth)
    {
        return None;
    }
    let count = usize::from(d.nb_components);
    let alpha = has(ffi::AV_PIX_FMT_FLAG_ALPHA);
    let step = if depth > 8 { 2 } else { 1 };
    let planar = (0..count).all(|c| {
        let comp = &d.comp[c];
        comp.step == step && comp.offset == 0 && comp.shift == 0 && comp.depth == i32::from(depth)
    });
    let distinct = (0..count).all(|c| (0..c).all(|o| d.comp[c].plane != d.comp[o].plane));
    if !planar || !distinct {
        return None;
    }
    let layout = match (has(ffi::AV_PIX_FMT_FLAG_RGB), count - usize::from(alpha)) {
        (false, 1) => PixelLayout::Gray,
        (false, 3) => PixelLayout::Yuv,
        (true, 3) => PixelLayout::Gbr,
        _ => return None,
    };
    let (w, h) = if layout == PixelLayout::Yuv { (d.log2_chroma_w, d.log2_chroma_h) } else { (0, 0) };
    Some(PixelFormat { layout, depth, log2_chroma_w: w, log2_chroma_h: h, alpha })
}

/// libav's format for ours in native byte order; `None` where libav has no such format.
///
/// The deprecated "J" formats are never chosen: range is a tag here, not a format.
pub fn to_av(format: PixelFormat) -> Option<AVPixelFormat> {
    let mut descriptor = std::ptr::null();
    loop {
        // SAFETY: walks libav's static table from null to null.
        descriptor = unsafe { ffi::av_pix_fmt_desc_next(descriptor) };
        if descriptor.is_null() {
            return None;
        }
        // SAFETY: a descriptor of that table.
        let id = unsafe { ffi::av_pix_fmt_desc_get_id(descriptor) };
        if from_av(id) == Some(format) && !name(id).starts_with("yuvj") {
            return Some(id);
        }
    }
}

/// libav's name of a format, `unknown` where it has none.
pub fn name(format: AVPixelFormat) -> String {
    // SAFETY: null or a static string.
    let name = unsafe { crate::av::text(ffi::av_get_pix_fmt_name(format)) };
    if name.is_empty() { "unknown".to_owned() } else { name }
}

/// libav's format of that name.
pub fn by_name(name: &str) -> Option<AVPixelFormat> {
    let name = std::ffi::CString::new(name).ok()?;
    // SAFETY: the string lives during the call.
    let format = unsafe { ffi::av_get_pix_fmt(name.as_ptr()) };
    (format != AVPixelFormat::NONE).then_some(format)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn planar_formats_survive_the_round_trip() {
        for (text, planes) in [
            ("yuv420p", 3),
            ("yuv422p10le", 3),
            ("yuv444p12le", 3),
            ("yuva444p10le", 4),
            ("gray", 1),
            ("gray10le", 1),
            ("gbrp", 3),
            ("gbrap12le", 4),
            ("yuv411p", 3),
        ] {
            let av = by_name(text).unwrap();
            let own = from_av(av).unwrap();
            assert_eq!(own.planes(), planes, "{text}");
            assert_eq!(name(to_av(own).unwrap()), text);
        }
        assert_eq!(from_av(by_name("yuvj420p").unwrap()), Some(PixelFormat::YUV420P8));
        for text in ["nv12", "rgb24", "pal8", "yuyv422", "gbrpf32le", "p010le", "yuv420p10be", "monow"] {
            assert_eq!(from_av(by_name(text).unwrap()), None, "{text}");
        }
    }
}
