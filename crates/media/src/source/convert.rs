//! Sample formats that are packed, semi-planar, paletted, big-endian or of less than 8 bits, brought to planar samples
//! without loss: no matrix, no dither, no resampling, only another arrangement.

use cleanplate_core::{PixelFormat, PixelLayout, RowMut, Surface};

use crate::av::{AvError, AvFrame, check, ffi};
use crate::error::{Error, Result};
use crate::pixfmt;
use crate::surface::AvSurface;

/// How samples of libav's format are arranged and how they are carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Layout {
    target: PixelFormat,
    /// libav's component of each of our planes.
    components: [i32; 4],
    palette: bool,
    inverted: bool,
}

/// The planar format in which samples of libav's format are carried, `None` where they cannot be (floating point, XYZ,
/// sensor mosaics, pictures of a device).
pub(crate) fn carried(format: ffi::AVPixelFormat) -> Option<PixelFormat> {
    pixfmt::from_av(format).or_else(|| layout(format).map(|layout| layout.target))
}

fn layout(format: ffi::AVPixelFormat) -> Option<Layout> {
    // SAFETY: libav's static table; null for unknown formats.
    let d = unsafe { ffi::av_pix_fmt_desc_get(format).as_ref() }?;
    let has = |flag: i32| d.flags & flag as u64 != 0;
    let name = pixfmt::name(format);
    // In uyyvyy411 luma does not lie at one distance, which libav's descriptor cannot say.
    let refused = [ffi::AV_PIX_FMT_FLAG_HWACCEL, ffi::AV_PIX_FMT_FLAG_FLOAT, ffi::AV_PIX_FMT_FLAG_BAYER];
    if refused.iter().any(|flag| has(*flag)) || name.starts_with("xyz") || name == "uyyvyy411" {
        return None;
    }
    if has(ffi::AV_PIX_FMT_FLAG_PAL) {
        let target =
            PixelFormat { layout: PixelLayout::Gbr, depth: 8, log2_chroma_w: 0, log2_chroma_h: 0, alpha: true };
        return Some(Layout { target, components: [0; 4], palette: true, inverted: false });
    }
    let count = usize::from(d.nb_components);
    let alpha = has(ffi::AV_PIX_FMT_FLAG_ALPHA);
    let deepest = (0..count).map(|c| d.comp[c].depth).max()?;
    let is_rgb = has(ffi::AV_PIX_FMT_FLAG_RGB);
    // Gray with alpha has no planar form in libav: three equal planes keep it.
    let (plane_layout, components) = match (is_rgb, count - usize::from(alpha)) {
        (true, 3) => (PixelLayout::Gbr, [1, 2, 0, 3]),
        (false, 3) => (PixelLayout::Yuv, [0, 1, 2, 3]),
        (false, 1) if alpha => (PixelLayout::Gbr, [0, 0, 0, 1]),
        (false, 1) => (PixelLayout::Gray, [0, 0, 0, 0]),
        _ => return None,
    };
    let is_yuv = plane_layout == PixelLayout::Yuv;
    let at = |depth: i32| PixelFormat {
        layout: plane_layout,
        depth: depth as u8,
        log2_chroma_w: if is_yuv { d.log2_chroma_w } else { 0 },
        log2_chroma_h: if is_yuv { d.log2_chroma_h } else { 0 },
        alpha,
    };
    let target = (deepest.max(8)..=16).map(at).find(|target| pixfmt::to_av(*target).is_some())?;
    Some(Layout { target, components, palette: false, inverted: name == "monow" })
}

/// The picture in a planar format: itself where it is planar already.
///
/// # Errors
/// [`Error::Unsupported`] where its samples cannot be carried.
pub(crate) fn planar(frame: AvFrame) -> Result<AvFrame> {
    let format = ffi::AVPixelFormat(frame.get().format);
    if pixfmt::from_av(format).is_some() {
        return Ok(frame);
    }
    let refused = || Error::unsupported(format!("cannot carry samples in the format {}", pixfmt::name(format)));
    let layout = layout(format).ok_or_else(refused)?;
    let target = pixfmt::to_av(layout.target).ok_or_else(refused)?;
    let (width, height) = (frame.get().width.max(0) as u32, frame.get().height.max(0) as u32);
    let failed = |error: AvError| Error::Backend(format!("cannot rearrange samples: {error}"));
    let out = AvFrame::picture(target, width, height).map_err(failed)?;
    // SAFETY: both frames are valid; only properties are copied.
    check(unsafe { ffi::av_frame_copy_props(out.as_ptr(), frame.as_ptr()) }).map_err(failed)?;
    let mut surface = AvSurface::new(out)?;
    // What devices give.
    let pairs = match pixfmt::name(format).as_str() {
        "nv12" => Some(0),
        "p010le" if cfg!(target_endian = "little") => Some(6),
        _ => None,
    };
    let mut line = vec![0u16; width as usize];
    for plane in 0..layout.target.planes() {
        if let Some(shift) = pairs {
            apart(&frame, &mut surface, plane, shift);
            continue;
        }
        let (columns, rows) = layout.target.plane_size(plane, width, height);
        for y in 0..rows {
            read_row(&frame, format, &layout, plane, y, &mut line[..columns as usize]);
            match surface.row_mut(plane, y) {
                RowMut::U8(row) => row.iter_mut().zip(&line).for_each(|(out, value)| *out = *value as u8),
                RowMut::U16(row) => row.copy_from_slice(&line[..columns as usize]),
            }
        }
    }
    Ok(surface.into_frame())
}

/// One plane of a picture whose chroma samples lie in pairs, codes `shift` bits higher than ours where they have two bytes.
fn apart(frame: &AvFrame, surface: &mut AvSurface, plane: usize, shift: u32) {
    let av = frame.get();
    let (index, every, first) = if plane == 0 { (0, 1, 0) } else { (1, 2, plane - 1) };
    let rows = if plane == 0 { av.height } else { (av.height + 1) / 2 };
    for y in 0..rows.max(0) as u32 {
        // SAFETY: row y of that plane lies inside the picture.
        let start = unsafe { av.data[index].offset(av.linesize[index] as isize * y as isize) };
        match surface.row_mut(plane, y) {
            RowMut::U8(row) => {
                // SAFETY: a row of the plane holds `every` samples for each of ours.
                let from = unsafe { std::slice::from_raw_parts(start, row.len() * every) };
                row.iter_mut().zip(from.chunks_exact(every)).for_each(|(out, pair)| *out = pair[first]);
            }
            RowMut::U16(row) => {
                // SAFETY: as above; libav aligns rows to more than two bytes.
                let from = unsafe { std::slice::from_raw_parts(start.cast::<u16>(), row.len() * every) };
                row.iter_mut().zip(from.chunks_exact(every)).for_each(|(out, pair)| *out = pair[first] >> shift);
            }
        }
    }
}

/// One row of one of our planes, in codes of the target's depth.
fn read_row(frame: &AvFrame, format: ffi::AVPixelFormat, layout: &Layout, plane: usize, y: u32, line: &mut [u16]) {
    let component = if layout.palette { 0 } else { layout.components[plane] };
    // SAFETY: a format with a layout has a descriptor.
    let d = unsafe { &*ffi::av_pix_fmt_desc_get(format) };
    let av = frame.get();
    let mut data = av.data.map(<*mut u8>::cast_const);
    let wide = line.len() as i32;
    // SAFETY: row y of this component lies inside the picture; the line holds as many samples as the row has.
    unsafe {
        ffi::av_read_image_line2(
            line.as_mut_ptr().cast(),
            data.as_mut_ptr().cast(),
            av.linesize.as_ptr(),
            d,
            0,
            y as i32,
            component,
            wide,
            0,
            2,
        );
    }
    if layout.palette {
        let shift = [8, 0, 16, 24][plane];
        // SAFETY: plane 1 of a paletted picture holds 256 colours of 32 bits, alpha on top, then red, green, blue.
        let colour = |index: u16| unsafe { av.data[1].cast::<u32>().add(usize::from(index & 255)).read_unaligned() };
        line.iter_mut().for_each(|value| *value = (colour(*value) >> shift & 255) as u16);
        return;
    }
    let depth = d.comp[component as usize].depth;
    let max = (1u32 << depth) - 1;
    let full = layout.target.max_code();
    let has_few_bits =
        depth < 8 || (depth < i32::from(layout.target.depth) && layout.target.layout == PixelLayout::Gbr);
    for value in line {
        let code = if layout.inverted { max - u32::from(*value) } else { u32::from(*value) };
        // Few bits are spread over the whole range, so that white stays white; distinct codes stay distinct.
        *value = if has_few_bits { ((code * full + max / 2) / max) as u16 } else { code as u16 };
    }
}

#[cfg(test)]
mod tests {
    use cleanplate_core::Row;

    use super::*;

    /// Writes a component of a row as libav lays it out.
    fn write_row(frame: &mut AvFrame, d: &ffi::AVPixFmtDescriptor, component: i32, y: u32, values: &[u16]) {
        let av = frame.get_mut();
        // SAFETY: the row lies inside the picture and the values are as many as its samples.
        unsafe {
            ffi::av_write_image_line2(
                values.as_ptr().cast(),
                av.data.as_mut_ptr(),
                av.linesize.as_ptr(),
                d,
                0,
                y as i32,
                component,
                values.len() as i32,
                2,
            );
        }
    }

    fn codes(surface: &AvSurface, plane: usize, y: u32) -> Vec<u16> {
        match surface.row(plane, y) {
            Row::U8(row) => row.iter().map(|v| u16::from(*v)).collect(),
            Row::U16(row) => row.to_vec(),
        }
    }

    #[test]
    fn every_code_of_every_format_that_is_rearranged_comes_back() {
        let mut state = 1u32;
        let mut random = move || {
            state = state.wrapping_mul(1664525).wrapping_add(1013904223);
            state >> 16
        };
        let mut seen = Vec::new();
        for id in 0..400 {
            let format = ffi::AVPixelFormat(id);
            let (None, Some(layout)) = (pixfmt::from_av(format), layout(format)) else { continue };
            if layout.palette {
                continue;
            }
            // SAFETY: a format with a layout has a descriptor.
            let d = unsafe { &*ffi::av_pix_fmt_desc_get(format) };
            let (width, height) = (34, 6);
            let mut frame = AvFrame::picture(format, width, height).unwrap();
            for plane in 0..4 {
                let size = frame.get().buf[plane];
                if !size.is_null() {
                    // SAFETY: a buffer of the picture and its size; libav's writer only sets bits.
                    unsafe { (*size).data.write_bytes(0, (*size).size) };
                }
            }
            let mut wanted = vec![Vec::new(); layout.target.planes()];
            for (plane, rows) in wanted.iter_mut().enumerate() {
                let component = layout.components[plane];
                let depth = d.comp[component as usize].depth;
                let (columns, lines) = layout.target.plane_size(plane, width, height);
                for y in 0..lines {
                    let values: Vec<u16> = (0..columns).map(|_| (random() & ((1 << depth) - 1)) as u16).collect();
                    if plane > 0 && layout.components[..plane].contains(&component) {
                        continue; // gray with alpha: written with the first plane
                    }
                    write_row(&mut frame, d, component, y, &values);
                    rows.push((depth, values));
                }
            }
            let out = AvSurface::new(planar(frame).unwrap()).unwrap();
            for (plane, rows) in wanted.iter().enumerate() {
                for (y, (depth, values)) in rows.iter().enumerate() {
                    let back: Vec<u16> = codes(&out, plane, y as u32)
                        .iter()
                        .map(|code| {
                            let (max, full) = ((1u32 << depth) - 1, layout.target.max_code());
                            let spread = u32::from(*code) * max;
                            let code = if *depth < i32::from(layout.target.depth)
                                && layout.target.layout != PixelLayout::Yuv
                            {
                                ((spread + full / 2) / full) as u16
                            } else {
                                *code
                            };
                            if layout.inverted { max as u16 - code } else { code }
                        })
                        .collect();
                    assert_eq!(&back, values, "{} plane {plane} row {y}", pixfmt::name(format));
                }
            }
            seen.push(pixfmt::name(format));
        }
        for name in
            ["nv12", "p010le", "yuyv422", "rgb24", "bgra", "rgb565le", "monow", "ya8", "gray16be", "yuv420p10be"]
        {
            assert!(seen.iter().any(|s| s == name), "{name} is not carried");
        }
    }

    #[test]
    fn a_palette_gives_the_colours_it_holds() {
        let mut frame = AvFrame::picture(pixfmt::by_name("pal8").unwrap(), 3, 1).unwrap();
        // SAFETY: a paletted picture has indices in plane 0 and 256 colours of native 32-bit ARGB in plane 1.
        unsafe {
            for (x, index) in [7u8, 0, 255].into_iter().enumerate() {
                *frame.get_mut().data[0].add(x) = index;
            }
            let palette = frame.get_mut().data[1].cast::<u32>();
            palette.add(7).write_unaligned(0xff10_2030);
            palette.write_unaligned(0x00ff_0001);
            palette.add(255).write_unaligned(0x8000_ff00);
        }
        let out = AvSurface::new(planar(frame).unwrap()).unwrap();
        let planes: Vec<Vec<u16>> = (0..4).map(|plane| codes(&out, plane, 0)).collect();
        assert_eq!(planes, [[0x20, 0, 0xff], [0x30, 1, 0], [0x10, 0xff, 0], [0xff, 0, 0x80]]);
    }
}
