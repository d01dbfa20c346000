//! Drawn pictures as a clip: H.264 at the times of the source, in a file of its own.

use std::path::Path;

use cleanplate_core::{ColorInfo, Frame, HostSurface, PixelFormat, RowMut, Scan, Surface};
use cleanplate_media::encode::{Codec, EncoderSpec, StaticSideData};
use cleanplate_media::{Container, Rational};

use crate::draw::Canvas;
use crate::error::{Error, Result};
use crate::film::Film;

/// The longest side that is written, in pixels: what players and hardware decoders of H.264 take.
const LONGEST_SIDE: u32 = 4096;

/// A clip that is being written.
pub(crate) struct Reel {
    open: Option<Open>,
    time_base: Rational,
    frame_rate: Rational,
}

struct Open {
    film: Film,
    /// Columns and rows of the clip, and by how much the pictures are reduced for it.
    size: (u32, u32),
    factor: u32,
}

impl Reel {
    /// For pictures at ticks of `time_base`.
    pub(crate) const fn new(time_base: Rational, frame_rate: Rational) -> Self {
        Self { open: None, time_base, frame_rate }
    }

    /// Adds a picture; all of them are of one size. Sides beyond [`LONGEST_SIDE`] are reduced by a whole factor.
    pub(crate) fn push(&mut self, canvas: &Canvas, pts: i64, duration: i64) -> Result<()> {
        if self.open.is_none() {
            self.open = Some(self.start(canvas)?);
        }
        let Some(open) = &mut self.open else { return Ok(()) };
        let small = canvas.reduced(open.factor);
        let (w, h) = open.size;
        let mut frame = Frame::new(0, pts, duration, (w, h), PixelFormat::YUV420P8, Box::new(yuv(&small, w, h)));
        frame.color = COLOR;
        open.film.push(frame)
    }

    fn start(&self, canvas: &Canvas) -> Result<Open> {
        let factor = canvas.width().max(canvas.height()).div_ceil(LONGEST_SIDE).max(1);
        let even = |length: u32| (length / factor).max(2).next_multiple_of(2);
        let size = (even(canvas.width()), even(canvas.height()));
        let option = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        let spec = EncoderSpec {
            codec: Codec::H264,
            encoder: "libx264".to_owned(),
            stand_in: None,
            source_format: PixelFormat::YUV420P8,
            pix_fmt: "yuv420p".to_owned(),
            width: size.0,
            height: size.1,
            time_base: self.time_base,
            frame_rate: self.frame_rate,
            sar: Rational::new(1, 1),
            color: COLOR,
            scan: Scan::Progressive,
            global_header: true,
            threads: 0,
            // No reordering: decoding times are presentation times in a file of its own.
            options: vec![option("crf", "18"), option("preset", "veryfast"), option("bf", "0")],
            losses: Default::default(),
            accept_loss: Default::default(),
        };
        let film = Film::open(&spec, &StaticSideData::default(), "inspect")?;
        Ok(Open { film, size, factor })
    }

    /// Writes the clip, whole or not at all.
    pub(crate) fn finish(self, out: &Path, container: Container) -> Result<()> {
        let Some(Open { film, .. }) = self.open else {
            return Err(Error::NothingFound("there is no frame to show".into()));
        };
        film.write(out, container)
    }
}

/// ITU-R BT.709, limited range.
const COLOR: ColorInfo =
    ColorInfo { primaries: 1, transfer: 1, matrix: 1, full_range: Some(false), chroma_location: 1 };

/// A picture as 8-bit 4:2:0 by ITU-R BT.709, its last column and row repeated up to `width` x `height`.
fn yuv(canvas: &Canvas, width: u32, height: u32) -> HostSurface {
    let mut surface = HostSurface::new(PixelFormat::YUV420P8, width, height);
    let at = |x: u32, y: u32| canvas.at(x.min(canvas.width() - 1), y.min(canvas.height() - 1)).map(f32::from);
    // BT.709 clause 3: luma weights; 219 and 224 steps of 255 for luma and colour difference.
    let luma = |[r, g, b]: [f32; 3]| 0.2126 * r + 0.7152 * g + 0.0722 * b;
    for y in 0..height {
        if let RowMut::U8(row) = surface.row_mut(0, y) {
            for (x, to) in row.iter_mut().enumerate() {
                *to = (16.0 + luma(at(x as u32, y)) * 219.0 / 255.0).round() as u8;
            }
        }
    }
    for (plane, channel, scale) in [(1, 2, 1.8556), (2, 0, 1.5748)] {
        for y in 0..height / 2 {
            if let RowMut::U8(row) = surface.row_mut(plane, y) {
                for (x, to) in row.iter_mut().enumerate() {
                    let mut sum = 0.0;
                    for (dx, dy) in [(0, 0), (1, 0), (0, 1), (1, 1)] {
                        let pixel = at(2 * x as u32 + dx, 2 * y + dy);
                        sum += (pixel[channel] - luma(pixel)) / scale;
                    }
                    *to = (128.0 + sum / 4.0 * 224.0 / 255.0).round() as u8;
                }
            }
        }
    }
    surface
}

#[cfg(test)]
mod tests {
    use super::*;
    use cleanplate_core::Row;

    #[test]
    fn colours_become_the_code_values_of_the_standard() {
        let sample = |surface: &HostSurface, plane| match surface.row(plane, 0) {
            Row::U8(row) => row[0],
            Row::U16(_) => 0,
        };
        // Code values of 100 % bars in BT.709.
        for (colour, wanted) in
            [([255, 255, 255], [235, 128, 128]), ([255, 0, 0], [63, 102, 240]), ([0; 3], [16, 128, 128])]
        {
            let surface = yuv(&Canvas::new(3, 3, colour), 4, 4);
            assert_eq!([0, 1, 2].map(|plane| sample(&surface, plane)), wanted, "{colour:?}");
        }
    }
}
