//! One image file: its samples as a frame, and the frame as a file again with everything else that the file carried.

use std::collections::BTreeSet;
use std::fs;
use std::io::Cursor;
use std::path::Path;

use cleanplate_core::{Frame, FrameIdx, HostSurface, PixelFormat, PixelLayout, Row, RowMut, Surface};
use cleanplate_media::{Error as MediaError, Limits};
use image::codecs::{bmp::BmpEncoder, jpeg::JpegEncoder, png::PngEncoder, webp::WebPEncoder};
use image::metadata::Orientation;
use image::{DynamicImage, ExtendedColorType, ImageDecoder, ImageEncoder, ImageFormat, ImageReader};

use super::blocks;
use super::input::format_of;
use super::tiff::{self, Samples, Tags};
use crate::error::{Error, Result};
use crate::region::Rotation;

/// JPEG quality on libjpeg's scale: every step of the tables is then at most 7 code values.
const JPEG_QUALITY: u8 = 97;

/// Bytes that decoding one image may take at most.
const MAX_BYTES: u64 = 2 << 30;

/// Ticks of an image in a sequence: images have no time of their own, and take that of 25 a second, as libav gives it.
pub(super) const RATE: f64 = 25.0;

/// What an image is like, from its header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) size: (u32, u32),
    pub(crate) format: PixelFormat,
    pub(crate) rotation: Rotation,
}

/// An image with what its file carries beside the samples.
pub(crate) struct Still {
    pub(crate) frame: Frame,
    pub(crate) rotation: Rotation,
    pub(crate) format: ImageFormat,
    /// The whole file.
    pub(crate) bytes: Vec<u8>,
    orientation: Orientation,
    icc: Option<Vec<u8>>,
    exif: Option<Vec<u8>>,
    xmp: Option<Vec<u8>>,
}

/// Reads the header of an image.
///
/// # Errors
/// As [`Still::read`].
pub(crate) fn describe(path: &Path) -> Result<Shape> {
    let bytes = fs::read(path).map_err(Error::io("read", path))?;
    let (_, mut decoder) = open(path, &bytes)?;
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let format = pixel_format(decoder.color_type())
        .ok_or_else(|| unsupported(path, &format!("its samples are {:?}", decoder.color_type())))?;
    Ok(Shape { size: decoder.dimensions(), format, rotation: rotation(orientation) })
}

impl Still {
    /// Reads an image as frame `idx` of a sequence.
    ///
    /// # Errors
    /// [`Input`](MediaError::Input) where it is broken, [`Limit`](MediaError::Limit) where it is too large,
    /// [`Unsupported`](MediaError::Unsupported) for what cannot be written again as it was: animations, several pictures in
    /// one file, print colours, floating point.
    pub(crate) fn read(path: &Path, idx: FrameIdx) -> Result<Self> {
        Self::of(path, fs::read(path).map_err(Error::io("read", path))?, idx)
    }

    /// As [`read`](Self::read), from the bytes of a file that is or will be called `path`.
    pub(crate) fn of(path: &Path, bytes: Vec<u8>, idx: FrameIdx) -> Result<Self> {
        let (format, mut decoder) = open(path, &bytes)?;
        // Broken metadata is no reason to refuse a picture that decodes: it is carried as it is or not at all.
        let icc = decoder.icc_profile().ok().flatten();
        let exif = decoder.exif_metadata().ok().flatten();
        let xmp = decoder.xmp_metadata().ok().flatten();
        let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
        let image = DynamicImage::from_decoder(decoder).map_err(|e| broken(path, &e))?;
        let (format_of_samples, surface) =
            planes(&image).ok_or_else(|| unsupported(path, &format!("its samples are {:?}", image.color())))?;
        let size = (image.width(), image.height());
        let mut frame = Frame::new(idx, idx as i64, 1, size, format_of_samples, Box::new(surface));
        frame.color.full_range = Some(true);
        Ok(Self { frame, rotation: rotation(orientation), format, bytes, orientation, icc, exif, xmp })
    }

    /// `frame` as a file of `target`, with everything that this image's file carried. What the format cannot carry has to be
    /// named in `accept`.
    ///
    /// # Errors
    /// [`Unsupported`](MediaError::Unsupported), naming what is lost and the consent.
    pub(crate) fn encode(&self, frame: &Frame, target: ImageFormat, accept: &BTreeSet<String>) -> Result<Vec<u8>> {
        for (kind, what) in self.losses(frame.format, target) {
            if !accept.contains(kind) {
                let remedy = format!("write PNG or TIFF, or consent with --accept-loss {kind}");
                return Err(MediaError::unsupported_but(format!("{target:?} files cannot carry {what}"), remedy).into());
            }
        }
        let alpha = frame.format.alpha && takes_alpha(target, frame.format.layout);
        let wide = frame.format.depth > 8 && takes_wide(target);
        let size = (frame.width, frame.height);
        let samples = interleaved(frame, alpha);
        let narrow = |samples: &[u16]| -> Vec<u8> {
            let shift = u32::from(frame.format.depth) - 8;
            samples.iter().map(|s| (s >> shift) as u8).collect()
        };
        let bytes: Vec<u8> =
            if wide { samples.iter().flat_map(|s| s.to_ne_bytes()).collect() } else { narrow(&samples) };
        let gray = frame.format.layout == PixelLayout::Gray;
        if target == ImageFormat::Tiff {
            let samples = match (gray, wide) {
                (true, false) => Samples::Gray8(&bytes),
                (true, true) => Samples::Gray16(&samples),
                (false, false) => Samples::Rgb8(&bytes),
                (false, true) => Samples::Rgb16(&samples),
            };
            let tags = match self.format {
                ImageFormat::Tiff => Tags::read(&self.bytes).map_err(|e| internal(target, &e))?,
                _ => Tags::of(self.orientation, self.icc.as_deref(), self.xmp.as_deref()),
            };
            return tiff::write(size, &samples, alpha, &tags).map_err(|e| internal(target, &e));
        }
        let colour = match (gray, alpha, wide) {
            (true, false, false) => ExtendedColorType::L8,
            (true, true, false) => ExtendedColorType::La8,
            (true, false, true) => ExtendedColorType::L16,
            (true, true, true) => ExtendedColorType::La16,
            (false, false, false) => ExtendedColorType::Rgb8,
            (false, true, false) => ExtendedColorType::Rgba8,
            (false, false, true) => ExtendedColorType::Rgb16,
            (false, true, true) => ExtendedColorType::Rgba16,
        };
        let mut out = Cursor::new(Vec::new());
        let written = match target {
            ImageFormat::Png => self.write(PngEncoder::new(&mut out), &bytes, size, colour),
            ImageFormat::Jpeg => {
                self.write(JpegEncoder::new_with_quality(&mut out, JPEG_QUALITY), &bytes, size, colour)
            }
            ImageFormat::WebP => self.write(WebPEncoder::new_lossless(&mut out), &bytes, size, colour),
            _ => BmpEncoder::new(&mut out).write_image(&bytes, size.0, size.1, colour),
        };
        written.map_err(|e| internal(target, &e))?;
        let out = out.into_inner();
        Ok(match (self.format, target) {
            (ImageFormat::Png, ImageFormat::Png) => blocks::png_with(&out, &self.bytes),
            (ImageFormat::Jpeg, ImageFormat::Jpeg) => blocks::jpeg_with(&out, &self.bytes),
            _ => out,
        })
    }

    fn write<E: ImageEncoder>(
        &self,
        mut encoder: E,
        bytes: &[u8],
        size: (u32, u32),
        colour: ExtendedColorType,
    ) -> image::ImageResult<()> {
        if let Some(icc) = &self.icc {
            encoder.set_icc_profile(icc.clone()).map_err(image::ImageError::Unsupported)?;
        }
        let turned = self.orientation != Orientation::NoTransforms;
        let made = || turned.then(|| blocks::exif_of(self.orientation.to_exif()));
        if let Some(exif) = self.exif.clone().or_else(made) {
            encoder.set_exif_metadata(exif).map_err(image::ImageError::Unsupported)?;
        }
        encoder.write_image(bytes, size.0, size.1, colour)
    }

    /// What a file of `target` cannot carry, by its kind and in words.
    pub(super) fn losses(&self, format: PixelFormat, target: ImageFormat) -> Vec<(&'static str, String)> {
        let bmp = target == ImageFormat::Bmp;
        let turned = self.orientation != Orientation::NoTransforms;
        let exif = self.exif.is_some() || (self.format == ImageFormat::Tiff && has_exif(&self.bytes));
        let takes_exif = matches!(target, ImageFormat::Png | ImageFormat::Jpeg | ImageFormat::WebP);
        // Files of the same format get everything byte for byte.
        let copied =
            self.format == target && matches!(target, ImageFormat::Png | ImageFormat::Jpeg | ImageFormat::Tiff);
        let all = [
            (format.alpha && !takes_alpha(target, format.layout), "alpha", "alpha"),
            (format.depth > 8 && !takes_wide(target), "bit-depth", "16 bits a sample"),
            (bmp && self.icc.is_some(), "icc", "an ICC profile"),
            (bmp && turned, "orientation", "an orientation"),
            (!copied && exif && (!takes_exif || self.exif.is_none()), "exif", "this EXIF block"),
            (!copied && self.xmp.is_some() && target != ImageFormat::Tiff, "xmp", "this XMP packet"),
        ];
        all.into_iter().filter(|l| l.0).map(|(_, kind, what)| (kind, what.to_owned())).collect()
    }

    /// What its file carries beside the samples, in words.
    pub(super) fn kept(&self) -> Vec<String> {
        let size = |what: &str, block: &Option<Vec<u8>>| block.as_ref().map(|b| format!("{what}: {} bytes", b.len()));
        let turned = (self.orientation != Orientation::NoTransforms)
            .then(|| format!("orientation {}: as it is", self.orientation.to_exif()));
        let blocks = [size("ICC profile", &self.icc), size("EXIF block", &self.exif), size("XMP packet", &self.xmp)];
        turned.into_iter().chain(blocks.into_iter().flatten()).collect()
    }

    /// What is left behind although nothing is lost that belongs to the picture, in words.
    pub(crate) fn left(&self, target: ImageFormat) -> Vec<String> {
        if self.format == ImageFormat::Jpeg && target == ImageFormat::Jpeg {
            blocks::jpeg_left(&self.bytes)
        } else {
            Vec::new()
        }
    }
}

/// Whether samples come back from a file of this format as they were written.
pub(super) const fn is_lossless(format: ImageFormat) -> bool {
    !matches!(format, ImageFormat::Jpeg)
}

/// The format that a name's ending stands for.
///
/// # Errors
/// [`Error::Usage`] for other endings.
pub(super) fn target(path: &Path) -> Result<ImageFormat> {
    ImageFormat::from_path(path).ok().filter(|f| f.can_write()).ok_or_else(|| {
        Error::Usage(format!(
            "{} does not end in .png, .jpg, .tif, .webp or .bmp: an image stays an image",
            path.display()
        ))
    })
}

const fn takes_alpha(format: ImageFormat, layout: PixelLayout) -> bool {
    match format {
        ImageFormat::Jpeg => false,
        ImageFormat::Bmp => matches!(layout, PixelLayout::Gbr),
        _ => true,
    }
}

const fn takes_wide(format: ImageFormat) -> bool {
    matches!(format, ImageFormat::Png | ImageFormat::Tiff)
}

fn has_exif(bytes: &[u8]) -> bool {
    blocks::tiff_facts(bytes).is_some_and(|facts| facts.tags.contains(&0x8769))
}

fn open<'a>(path: &Path, bytes: &'a [u8]) -> Result<(ImageFormat, impl ImageDecoder + 'a)> {
    let format = format_of(bytes)
        .ok_or_else(|| MediaError::Input(format!("{} is not an image that can be read", path.display())))?;
    let pictures = match format {
        ImageFormat::Png if blocks::is_animated_png(bytes) => Some("an animation"),
        // The flag of an animation in the extended header (WebP container specification).
        ImageFormat::WebP if bytes.get(12..16) == Some(b"VP8X") && bytes.get(20).is_some_and(|b| b & 2 > 0) => {
            Some("an animation")
        }
        ImageFormat::Tiff if blocks::tiff_facts(bytes).is_some_and(|facts| facts.more) => Some("several pictures"),
        ImageFormat::Jpeg if blocks::jpeg_components(bytes) == Some(4) => Some("print colours (CMYK)"),
        _ => None,
    };
    if let Some(what) = pictures {
        return Err(unsupported(path, &format!("it holds {what}, which would be lost")));
    }
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    let mut limits = image::Limits::default();
    limits.max_alloc = Some(MAX_BYTES);
    reader.limits(limits);
    let decoder = reader.into_decoder().map_err(|e| broken(path, &e))?;
    let (w, h) = decoder.dimensions();
    let max = Limits::default().max_pixels;
    if u64::from(w) * u64::from(h) > max {
        let what = format!("{} is {w}x{h}, more than {max} pixels", path.display());
        return Err(MediaError::Limit(what).into());
    }
    if matches!(decoder.original_color_type(), ExtendedColorType::Cmyk8 | ExtendedColorType::Cmyk16) {
        return Err(unsupported(path, "it holds print colours (CMYK), which would be lost"));
    }
    Ok((format, decoder))
}

fn broken(path: &Path, error: &image::ImageError) -> Error {
    use image::ImageError;
    let words = format!("cannot read the image {}: {error}", path.display());
    match error {
        ImageError::Limits(_) => MediaError::Limit(words).into(),
        ImageError::Unsupported(_) => MediaError::unsupported(words).into(),
        _ => MediaError::Input(words).into(),
    }
}

fn unsupported(path: &Path, why: &str) -> Error {
    MediaError::unsupported(format!("cannot work on the image {}: {why}", path.display())).into()
}

fn internal(target: ImageFormat, error: &dyn std::fmt::Display) -> Error {
    Error::Internal(format!("picture as {target:?}: {error}"))
}

/// How the stored picture is turned for display: quarter turns clockwise, then a mirror left to right.
const fn rotation(orientation: Orientation) -> Rotation {
    match orientation {
        Orientation::NoTransforms => (0, false),
        Orientation::Rotate90 => (90, false),
        Orientation::Rotate180 => (180, false),
        Orientation::Rotate270 => (270, false),
        Orientation::FlipHorizontal => (0, true),
        Orientation::FlipVertical => (180, true),
        Orientation::Rotate90FlipH => (90, true),
        Orientation::Rotate270FlipH => (270, true),
    }
}

const fn pixel_format(colour: image::ColorType) -> Option<PixelFormat> {
    use image::ColorType::{L8, L16, La8, La16, Rgb8, Rgb16, Rgba8, Rgba16};
    let (layout, depth, alpha) = match colour {
        L8 => (PixelLayout::Gray, 8, false),
        La8 => (PixelLayout::Gray, 8, true),
        Rgb8 => (PixelLayout::Gbr, 8, false),
        Rgba8 => (PixelLayout::Gbr, 8, true),
        L16 => (PixelLayout::Gray, 16, false),
        La16 => (PixelLayout::Gray, 16, true),
        Rgb16 => (PixelLayout::Gbr, 16, false),
        Rgba16 => (PixelLayout::Gbr, 16, true),
        _ => return None,
    };
    Some(PixelFormat { layout, depth, log2_chroma_w: 0, log2_chroma_h: 0, alpha })
}

/// Planes in the order of an image's channels.
fn channels(format: PixelFormat) -> &'static [usize] {
    match (format.layout, format.alpha) {
        (PixelLayout::Gray, false) => &[0],
        (PixelLayout::Gray, true) => &[0, 1],
        (_, false) => &[2, 0, 1],
        (_, true) => &[2, 0, 1, 3],
    }
}

fn planes(image: &DynamicImage) -> Option<(PixelFormat, HostSurface)> {
    let format = pixel_format(image.color())?;
    let (w, h) = (image.width(), image.height());
    let mut surface = HostSurface::new(format, w, h);
    let order = channels(format);
    let stride = w as usize * order.len();
    let narrow = if format.depth == 8 { image.as_bytes() } else { &[] };
    let wide = match image {
        DynamicImage::ImageLuma16(i) => i.as_raw().as_slice(),
        DynamicImage::ImageLumaA16(i) => i.as_raw().as_slice(),
        DynamicImage::ImageRgb16(i) => i.as_raw().as_slice(),
        DynamicImage::ImageRgba16(i) => i.as_raw().as_slice(),
        _ => &[],
    };
    for y in 0..h {
        let start = y as usize * stride;
        for (channel, plane) in order.iter().enumerate() {
            match surface.row_mut(*plane, y) {
                RowMut::U8(row) => {
                    let line = narrow.get(start..start + stride)?;
                    row.iter_mut().zip(line.chunks_exact(order.len())).for_each(|(to, pixel)| *to = pixel[channel]);
                }
                RowMut::U16(row) => {
                    let line = wide.get(start..start + stride)?;
                    row.iter_mut().zip(line.chunks_exact(order.len())).for_each(|(to, pixel)| *to = pixel[channel]);
                }
            }
        }
    }
    Some((format, surface))
}

/// The samples pixel by pixel in the order of an image's channels, `alpha` or not.
fn interleaved(frame: &Frame, alpha: bool) -> Vec<u16> {
    let order = channels(PixelFormat { alpha, ..frame.format });
    let stride = frame.width as usize * order.len();
    let mut out = vec![0u16; stride * frame.height as usize];
    for (y, line) in out.chunks_exact_mut(stride.max(1)).enumerate() {
        for (channel, plane) in order.iter().enumerate() {
            let to = line.iter_mut().skip(channel).step_by(order.len());
            match frame.row(*plane, y as u32) {
                Row::U8(row) => to.zip(row).for_each(|(to, s)| *to = u16::from(*s)),
                Row::U16(row) => to.zip(row).for_each(|(to, s)| *to = *s),
            }
        }
    }
    out
}
