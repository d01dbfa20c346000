//! Planes at another size, by Lanczos' windowed sinc of three lobes (Duchon, Lanczos Filtering in One and Two Dimensions, 1979).
//!
//! Knows where chroma samples lie against luma, so that colour stays in its place. Refuses to know networks.

use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::{U8, U16};
use fast_image_resize::{FilterType, PixelTrait, ResizeAlg, ResizeOptions, Resizer};

use crate::format::{ColorInfo, PixelFormat};
use crate::frame::{Frame, Row, RowMut, Surface};
use crate::rgb::{first_chroma, on_luma};

/// Samples by which a plane is continued beyond its borders: the filter's reach at any enlargement, and the chroma's shift.
const BEYOND: u32 = 4;

/// Resamples planes of frames; keeps its memory from one to the next.
#[derive(Debug, Default)]
pub struct Resampler {
    resizer: Resizer,
}

/// Where along one axis what is wanted lies in a plane: the start and the length, in its samples.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Span {
    start: f64,
    length: f64,
}

impl Span {
    /// For a plane that is halved `log2` times, of which `wanted` samples are made where luma grows from `from` to `to`
    /// samples.
    fn of((from, to): (u32, u32), log2: u8, is_on_luma: bool, wanted: u32) -> Self {
        let factor = f64::from(to) / f64::from(from);
        let (first, step) = (f64::from(first_chroma(log2, is_on_luma)), f64::from(1u32 << log2));
        // The first sample's centre, in luma of the source, then in samples of the plane.
        let at = ((first + 0.5) / factor - 0.5 - first) / step;
        Self { start: at + 0.5 - 0.5 / factor, length: f64::from(wanted) / factor }
    }
}

impl Resampler {
    /// Fills `plane` of `out`, a picture of `size` (columns, rows) of the layout of `frame`, with that plane of it at the new
    /// size. What goes beyond the codes is clamped.
    ///
    /// # Errors
    /// In words, where a size is none that can be made.
    pub fn plane(
        &mut self,
        frame: &Frame,
        plane: usize,
        size: (u32, u32),
        out: &mut dyn Surface,
    ) -> Result<(), String> {
        let format = frame.format;
        let spans = spans(format, &frame.color, plane, (frame.width, frame.height), size);
        let (w, h) = format.plane_size(plane, frame.width, frame.height);
        let wanted = format.plane_size(plane, size.0, size.1);
        if format.depth == 8 {
            let row = |y: u32| match frame.row(plane, y) {
                Row::U8(row) => row.iter().map(|v| U8::new(*v)).collect(),
                Row::U16(_) => Vec::new(),
            };
            let made = self.resized((w, h), row, spans, wanted)?;
            for (y, line) in (0..wanted.1).zip(made.pixels().chunks_exact(wanted.0 as usize)) {
                if let RowMut::U8(row) = out.row_mut(plane, y) {
                    row.iter_mut().zip(line).for_each(|(out, v)| *out = v.0);
                }
            }
        } else {
            let row = |y: u32| match frame.row(plane, y) {
                Row::U16(row) => row.iter().map(|v| U16::new(*v)).collect(),
                Row::U8(_) => Vec::new(),
            };
            let made = self.resized((w, h), row, spans, wanted)?;
            let most = format.max_code() as u16;
            for (y, line) in (0..wanted.1).zip(made.pixels().chunks_exact(wanted.0 as usize)) {
                if let RowMut::U16(row) = out.row_mut(plane, y) {
                    row.iter_mut().zip(line).for_each(|(out, v)| *out = v.0.min(most));
                }
            }
        }
        Ok(())
    }

    fn resized<P: PixelTrait>(
        &mut self,
        (w, h): (u32, u32),
        row: impl Fn(u32) -> Vec<P>,
        [columns, rows]: [Span; 2],
        wanted: (u32, u32),
    ) -> Result<TypedImage<'static, P>, String> {
        let (wide, high) = (w + 2 * BEYOND, h + 2 * BEYOND);
        let mut padded: Vec<P> = Vec::with_capacity(wide as usize * high as usize);
        for y in 0..high {
            let line = row(y.saturating_sub(BEYOND).min(h - 1));
            let (Some(first), Some(last)) = (line.first(), line.last()) else {
                return Err("a plane without samples cannot be resampled".to_owned());
            };
            padded.extend(std::iter::repeat_n(*first, BEYOND as usize));
            padded.extend_from_slice(&line);
            padded.extend(std::iter::repeat_n(*last, BEYOND as usize));
        }
        let source = TypedImageRef::new(wide, high, &padded).map_err(|e| e.to_string())?;
        let mut made = TypedImage::new(wanted.0, wanted.1);
        let beyond = f64::from(BEYOND);
        let options = ResizeOptions::new()
            .resize_alg(ResizeAlg::Convolution(FilterType::Lanczos3))
            .crop(columns.start + beyond, rows.start + beyond, columns.length, rows.length)
            .use_alpha(false);
        self.resizer.resize_typed(&source, &mut made, &options).map_err(|e| e.to_string())?;
        Ok(made)
    }
}

/// Where the columns and the rows of a plane of a picture that grows `from` one size `to` another come from.
fn spans(format: PixelFormat, color: &ColorInfo, plane: usize, from: (u32, u32), to: (u32, u32)) -> [Span; 2] {
    let (sw, sh) = format.subsampling(plane);
    let (on_column, on_row) = on_luma(color);
    let wanted = format.plane_size(plane, to.0, to.1);
    [Span::of((from.0, to.0), sw, on_column, wanted.0), Span::of((from.1, to.1), sh, on_row, wanted.1)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::PixelLayout;
    use crate::frame::HostSurface;

    /// Planes of slopes by where their samples lie, which every filter that keeps its place brings back.
    fn slopes(format: PixelFormat, color: ColorInfo, (w, h): (u32, u32), factor: (f32, f32)) -> HostSurface {
        let (on_column, on_row) = on_luma(&color);
        let mut surface = HostSurface::new(format, w, h);
        let unit = (1u32 << (format.depth - 8)) as f32;
        for plane in 0..format.planes() {
            let (sw, sh) = format.subsampling(plane);
            // In luma of the smaller picture.
            let place = |k: u32, log2: u8, on: bool, factor: f32| {
                ((k << log2) as f32 + first_chroma(log2, on) + 0.5) / factor - 0.5
            };
            for y in 0..format.plane_size(plane, w, h).1 {
                let down = place(y, sh, on_row, factor.1);
                let value = |x: usize| unit * (40.0 + 1.5 * place(x as u32, sw, on_column, factor.0) + 1.25 * down);
                match surface.row_mut(plane, y) {
                    RowMut::U8(row) => row.iter_mut().enumerate().for_each(|(x, v)| *v = value(x).round() as u8),
                    RowMut::U16(row) => row.iter_mut().enumerate().for_each(|(x, v)| *v = value(x).round() as u16),
                }
            }
        }
        surface
    }

    #[test]
    fn every_plane_keeps_its_place_at_every_factor_siting_and_depth() {
        let (from, mut resampler) = ((64, 40), Resampler::default());
        for (depth, shift, layout) in [(8, 1, PixelLayout::Yuv), (10, 1, PixelLayout::Yuv), (8, 0, PixelLayout::Gbr)] {
            for chroma_location in [0, 1, 2, 3] {
                for to in [(128, 80), (96, 60), (256, 160), (100, 62), (130, 50)] {
                    let format =
                        PixelFormat { layout, depth, log2_chroma_w: shift, log2_chroma_h: shift, alpha: false };
                    let color = ColorInfo { chroma_location, ..ColorInfo::default() };
                    let small = slopes(format, color, from, (1.0, 1.0));
                    let mut frame = Frame::new(0, 0, 1, from, format, Box::new(small));
                    frame.color = color;
                    let factor = (to.0 as f32 / from.0 as f32, to.1 as f32 / from.1 as f32);
                    let wanted = slopes(format, color, to, factor);
                    let mut made = HostSurface::new(format, to.0, to.1);
                    for plane in 0..3 {
                        resampler.plane(&frame, plane, to, &mut made).unwrap();
                        let (w, h) = format.plane_size(plane, to.0, to.1);
                        // Beyond the borders the picture does not go on as a slope.
                        let edge = (8.0 * factor.0.max(factor.1)) as u32;
                        for y in edge..h - edge.min(h) {
                            let code = |surface: &HostSurface, x: usize| match surface.row(plane, y) {
                                Row::U8(row) => f32::from(row[x]),
                                Row::U16(row) => f32::from(row[x]),
                            };
                            for x in edge as usize..(w - edge.min(w)) as usize {
                                let off = (code(&made, x) - code(&wanted, x)).abs() / (1u32 << (depth - 8)) as f32;
                                // Rounding of the source, of the truth and of the answer.
                                assert!(
                                    off <= 1.0,
                                    "{depth} bits, location {chroma_location}, {to:?}, plane {plane}: {off}"
                                );
                            }
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn a_sharp_edge_overshoots_no_code() {
        let format = PixelFormat { depth: 10, ..PixelFormat::YUV420P8 };
        let mut surface = HostSurface::new(format, 32, 16);
        for y in 0..16 {
            if let RowMut::U16(row) = surface.row_mut(0, y) {
                row[16..].fill(1023);
            }
        }
        let frame = Frame::new(0, 0, 1, (32, 16), format, Box::new(surface));
        let mut made = HostSurface::new(format, 64, 32);
        Resampler::default().plane(&frame, 0, (64, 32), &mut made).unwrap();
        let Row::U16(row) = made.row(0, 16) else { unreachable!() };
        assert!(row.iter().all(|v| *v <= 1023) && row[0] == 0 && row[63] == 1023);
    }
}
