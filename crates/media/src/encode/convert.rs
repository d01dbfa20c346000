//! Frames as an encoder takes them, and decoded pictures as frames take them.
//!
//! Most frames pass as they are. Where an encoder lacks the source's format, samples are moved without loss (more bits,
//! neutral chroma, packed RGB), or, with the user's consent, resampled by swscale.

use cleanplate_core::{Frame, PixelFormat, PixelLayout, Row, RowMut, Surface};

use super::scale::Scaler;
use super::spec::EncoderSpec;
use crate::av::ffi::{self, AVPixelFormat};
use crate::av::{self, AvFrame};
use crate::error::{Error, Result};
use crate::pixfmt;
use crate::surface::AvSurface;

/// Brings frames into the encoder's sample format.
#[derive(Debug)]
pub(super) struct Input {
    size: (u32, u32),
    source: PixelFormat,
    target: AVPixelFormat,
    way: Way,
}

#[derive(Debug)]
enum Way {
    /// The planes are the same.
    Same,
    /// Planes of another depth, without alpha, or with neutral chroma added.
    Planes { to: PixelFormat, full_range: bool },
    /// 8-bit RGB interleaved as blue, green, red and alpha or padding.
    Packed,
    /// Anything that resamples chroma or leaves RGB.
    Scaled(Scaler),
}

impl Input {
    /// For the frames and the encoder of `spec`.
    ///
    /// # Errors
    /// [`Error::Unsupported`] where there is no way from one format to the other.
    pub(super) fn new(spec: &EncoderSpec) -> Result<Self> {
        let unknown = || Error::unsupported(format!("libav knows no sample format {}", spec.pix_fmt));
        let target = pixfmt::by_name(&spec.pix_fmt).ok_or_else(unknown)?;
        let from = spec.source_format;
        let chroma = |f: PixelFormat| (f.log2_chroma_w, f.log2_chroma_h);
        let way = match (spec.pix_fmt.as_str(), pixfmt::from_av(target)) {
            ("bgr0" | "bgra", _) if from.layout == PixelLayout::Gbr && from.depth == 8 => Way::Packed,
            (_, Some(to)) if to == from => Way::Same,
            (_, Some(to)) if to.layout == from.layout && chroma(to) == chroma(from) && to.alpha <= from.alpha => {
                Way::Planes { to, full_range: is_full(spec) }
            }
            (_, Some(to)) if from.layout == PixelLayout::Gray && to.layout == PixelLayout::Yuv && !to.alpha => {
                Way::Planes { to, full_range: is_full(spec) }
            }
            _ => Way::Scaled(Scaler::new(spec, target)?),
        };
        Ok(Self { size: (spec.width, spec.height), source: from, target, way })
    }

    /// The picture of `frame`.
    ///
    /// # Errors
    /// Where the frame has another size or layout than announced, or memory is short.
    pub(super) fn take(&mut self, frame: Frame) -> Result<AvFrame> {
        if (frame.width, frame.height) != self.size || frame.format != self.source {
            return Err(Error::unsupported(format!(
                "frame {} is {}x{} {:?}, not {}x{} {:?} as those before it",
                frame.idx, frame.width, frame.height, frame.format, self.size.0, self.size.1, self.source
            )));
        }
        let mut picture = match &mut self.way {
            Way::Same => as_picture(frame)?,
            Way::Planes { to, full_range } => with_props(&frame, planes(&frame, *to, self.target, *full_range)?)?,
            Way::Packed => with_props(&frame, packed(&frame, self.target)?)?,
            Way::Scaled(scaler) => {
                let scan = frame.scan;
                scaler.scale(&as_picture(frame)?, scan)?
            }
        };
        // The deprecated full-range formats differ from ours by name only: range is a tag.
        picture.get_mut().format = self.target.0;
        Ok(picture)
    }
}

fn is_full(spec: &EncoderSpec) -> bool {
    spec.color.full_range == Some(true) || spec.source_format.layout == PixelLayout::Gbr
}

fn memory(error: av::AvError) -> Error {
    Error::Backend(format!("cannot make a picture: {error}"))
}

/// libav's picture of a frame: its own, or a copy of its rows.
fn as_picture(frame: Frame) -> Result<AvFrame> {
    if frame.surface().as_any().is::<AvSurface>() {
        let surface = frame.into_surface().into_any().downcast::<AvSurface>();
        return Ok(surface.map_err(|_| Error::Internal("a surface has changed its type".into()))?.into_frame());
    }
    let format = pixfmt::to_av(frame.format)
        .ok_or_else(|| Error::unsupported(format!("libav has no sample format for {:?}", frame.format)))?;
    planes(&frame, frame.format, format, false)
}

/// Gives `picture` the side data that the frame's own picture carries, if it is one of libav.
fn with_props(frame: &Frame, picture: AvFrame) -> Result<AvFrame> {
    if let Some(surface) = frame.surface().as_any().downcast_ref::<AvSurface>() {
        // SAFETY: both valid; side data is shared, not moved.
        av::check(unsafe { ffi::av_frame_copy_props(picture.as_ptr(), surface.frame().as_ptr()) }).map_err(memory)?;
    }
    Ok(picture)
}

/// The planes of `frame` in the layout `to`, which libav calls `format`.
fn planes(frame: &Frame, to: PixelFormat, format: AVPixelFormat, full_range: bool) -> Result<AvFrame> {
    let picture = AvFrame::picture(format, frame.width, frame.height).map_err(memory)?;
    let mut surface = AvSurface::new(picture)?;
    for plane in 0..to.planes() {
        let rows = to.plane_size(plane, frame.width, frame.height).1;
        // Alpha is the last plane on both sides; chroma that the source lacks is neutral.
        let from = if to.is_alpha(plane) { frame.format.planes() - 1 } else { plane };
        let absent = to.is_chroma(plane) && frame.format.layout == PixelLayout::Gray;
        let stretch = full_range && !to.is_chroma(plane) || to.is_alpha(plane);
        let convert = Depth { from: frame.format.depth, to: to.depth, stretch };
        for y in 0..rows {
            match surface.row_mut(plane, y) {
                RowMut::U8(row) if absent => row.fill(1 << (to.depth - 1)),
                RowMut::U16(row) if absent => row.fill(1 << (to.depth - 1)),
                row => convert.row(frame.row(from, y), row),
            }
        }
    }
    Ok(surface.into_frame())
}

/// A change of bits a sample. Limited range and chroma are shifted, so that black, white and neutral stay what they are;
/// full range is stretched, so that the largest code stays the largest. Both undo themselves by a shift to the right.
struct Depth {
    from: u8,
    to: u8,
    stretch: bool,
}

impl Depth {
    fn row(&self, from: Row<'_>, to: RowMut<'_>) {
        match (from, to) {
            (Row::U8(from), RowMut::U8(to)) => to.copy_from_slice(from),
            (Row::U8(from), RowMut::U16(to)) => {
                to.iter_mut().zip(from).for_each(|(t, f)| *t = self.sample(u32::from(*f)) as u16);
            }
            (Row::U16(from), RowMut::U16(to)) if self.from == self.to => to.copy_from_slice(from),
            (Row::U16(from), RowMut::U16(to)) => {
                to.iter_mut().zip(from).for_each(|(t, f)| *t = self.sample(u32::from(*f)) as u16);
            }
            (Row::U16(from), RowMut::U8(to)) => {
                to.iter_mut().zip(from).for_each(|(t, f)| *t = self.sample(u32::from(*f)) as u8);
            }
        }
    }

    fn sample(&self, value: u32) -> u32 {
        let (from_max, to_max) = ((1u32 << self.from) - 1, (1u32 << self.to) - 1);
        if self.to >= self.from {
            let up = self.to - self.from;
            let low = if self.stretch { value >> self.from.saturating_sub(up) } else { 0 };
            return (value << up | low).min(to_max);
        }
        if self.stretch {
            return (value * to_max + from_max / 2) / from_max;
        }
        let down = self.from - self.to;
        ((value + (1 << (down - 1))) >> down).min(to_max)
    }
}

/// 8-bit planes of green, blue, red (and alpha) as quadruples of blue, green, red and alpha or 0.
fn packed(frame: &Frame, format: AVPixelFormat) -> Result<AvFrame> {
    let mut picture = AvFrame::picture(format, frame.width, frame.height).map_err(memory)?;
    for y in 0..frame.height {
        let plane = |plane: usize| match frame.row(plane, y) {
            Row::U8(row) => Ok(row),
            Row::U16(_) => Err(Error::Internal("8-bit samples expected".into())),
        };
        let (green, blue, red) = (plane(0)?, plane(1)?, plane(2)?);
        let alpha = if frame.format.alpha { Some(plane(3)?) } else { None };
        let row = packed_row_mut(&mut picture, y);
        for (x, quad) in row.chunks_exact_mut(4).enumerate() {
            quad.copy_from_slice(&[blue[x], green[x], red[x], alpha.map_or(0, |a| a[x])]);
        }
    }
    Ok(picture)
}

fn packed_row(picture: &AvFrame, y: u32) -> &[u8] {
    let f = picture.get();
    // SAFETY: a 4-byte format holds width * 4 bytes in every row of plane 0, alive as long as the picture.
    unsafe {
        let start = f.data[0].offset(f.linesize[0] as isize * y as isize);
        std::slice::from_raw_parts(start, f.width as usize * 4)
    }
}

fn packed_row_mut(picture: &mut AvFrame, y: u32) -> &mut [u8] {
    let f = picture.get();
    // SAFETY: as in packed_row; the picture has just been made and nobody else holds it.
    unsafe {
        let start = f.data[0].offset(f.linesize[0] as isize * y as isize);
        std::slice::from_raw_parts_mut(start, f.width as usize * 4)
    }
}

/// A decoded picture in a planar format: RGB packed by FFV1 is taken apart, exactly; all else is passed on.
///
/// # Errors
/// Where memory is short.
pub(crate) fn planar(picture: AvFrame) -> Result<AvFrame> {
    let name = pixfmt::name(AVPixelFormat(picture.get().format));
    let planar = match name.as_str() {
        "bgr0" => "gbrp",
        "bgra" => "gbrap",
        _ => return Ok(picture),
    };
    let format = pixfmt::by_name(planar).ok_or_else(|| Error::Internal(format!("libav has no {planar}")))?;
    let (width, height) = (picture.get().width as u32, picture.get().height as u32);
    let mut surface = AvSurface::new(AvFrame::picture(format, width, height).map_err(memory)?)?;
    let offsets: &[usize] = if planar == "gbrap" { &[1, 0, 2, 3] } else { &[1, 0, 2] };
    for (plane, offset) in offsets.iter().enumerate() {
        for y in 0..height {
            let from = packed_row(&picture, y);
            if let RowMut::U8(row) = surface.row_mut(plane, y) {
                row.iter_mut().zip(from.chunks_exact(4)).for_each(|(s, quad)| *s = quad[*offset]);
            }
        }
    }
    let own = surface.into_frame();
    // SAFETY: both valid.
    av::check(unsafe { ffi::av_frame_copy_props(own.as_ptr(), picture.as_ptr()) }).map_err(memory)?;
    Ok(own)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_bits_are_undone_by_a_shift_and_keep_black_white_and_neutral() {
        for (from, to) in [(8, 10), (8, 12), (9, 10), (10, 12), (12, 16), (8, 16)] {
            for stretch in [false, true] {
                let depth = Depth { from, to, stretch };
                for value in 0..1u32 << from {
                    assert_eq!(depth.sample(value) >> (to - from), value, "{from} to {to}");
                }
                let top = depth.sample((1 << from) - 1);
                assert_eq!(top == (1 << to) - 1, stretch, "{from} to {to}");
            }
        }
    }

    #[test]
    fn fewer_bits_are_rounded_to_the_nearest() {
        let limited = Depth { from: 10, to: 8, stretch: false };
        assert_eq!([64, 65, 66, 940, 1023].map(|v| limited.sample(v)), [16, 16, 17, 235, 255]);
        let full = Depth { from: 12, to: 8, stretch: true };
        assert_eq!([0, 4095, 2048].map(|v| full.sample(v)), [0, 255, 128]);
    }
}
