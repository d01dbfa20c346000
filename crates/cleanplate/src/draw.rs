//! Pictures for people: frames as RGB in displayed orientation, side by side, with outlines, tints and small words.
//!
//! Knows pixels only; refuses to know what a mark or a tier is.

use std::io::Cursor;
use std::path::Path;

use cleanplate_core::{Frame, PixelLayout, Raster, Rect, Row};
use cleanplate_media::rgb::rgb8;
use image::{ExtendedColorType, ImageEncoder, codecs::png::PngEncoder};

use crate::error::{Error, Result};
use crate::plan::write_beside;
use crate::region::{Rotation, shown_size, to_shown};

/// A colour as red, green, blue.
pub(crate) type Rgb = [u8; 3];

/// An RGB picture with 8 bits a sample.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Canvas {
    pixels: Raster<Rgb>,
}

impl Canvas {
    /// A picture of one colour.
    pub(crate) fn new(width: u32, height: u32, colour: Rgb) -> Self {
        Self { pixels: Raster::new(width, height, colour) }
    }

    /// A frame as it is displayed.
    pub(crate) fn of(frame: &Frame, rotation: Rotation) -> Result<Self> {
        let pixels: Vec<Rgb> = match frame.format.layout {
            PixelLayout::Yuv => rgb8(frame)?.chunks_exact(3).map(|p| [p[0], p[1], p[2]]).collect(),
            PixelLayout::Gray if frame.color.full_range != Some(true) && !frame.format.alpha => {
                rgb8(frame)?.chunks_exact(3).map(|p| [p[0], p[1], p[2]]).collect()
            }
            PixelLayout::Gray => direct(frame, [0, 0, 0]),
            PixelLayout::Gbr => direct(frame, [2, 0, 1]),
        };
        let stored = Raster::from_vec(frame.width, frame.height, pixels)
            .ok_or_else(|| Error::Internal("a picture of the wrong size".into()))?;
        Ok(Self { pixels: shown(&stored, rotation) })
    }

    pub(crate) fn width(&self) -> u32 {
        self.pixels.width()
    }

    pub(crate) fn height(&self) -> u32 {
        self.pixels.height()
    }

    /// The colour at column `x`, row `y`, both inside.
    pub(crate) fn at(&self, x: u32, y: u32) -> Rgb {
        self.pixels.at(x, y)
    }

    /// The part in `rect`, which must lie inside.
    pub(crate) fn crop(&self, rect: Rect) -> Self {
        Self { pixels: self.pixels.crop(rect) }
    }

    /// Copies `other` to column `x`, row `y`, as far as it fits.
    pub(crate) fn paste(&mut self, other: &Self, x: u32, y: u32) {
        let place = Rect::new(x, y, other.width(), other.height());
        let place = place.intersect(&Rect::new(0, 0, self.width(), self.height()));
        for row in 0..place.h {
            let to = &mut self.pixels.row_mut(place.y + row)[place.x as usize..place.right() as usize];
            to.copy_from_slice(&other.pixels.row(row)[..place.w as usize]);
        }
    }

    /// Mixes `colour` into a pixel, by `weight` of 256; pixels outside are passed over.
    pub(crate) fn blend(&mut self, x: u32, y: u32, colour: Rgb, weight: u32) {
        if x < self.width() && y < self.height() {
            let mut pixel = self.pixels.at(x, y);
            for (p, c) in pixel.iter_mut().zip(colour) {
                *p = ((u32::from(*p) * (256 - weight) + u32::from(c) * weight + 128) >> 8) as u8;
            }
            self.pixels.set(x, y, pixel);
        }
    }

    /// Fills a rectangle, as far as it lies inside.
    pub(crate) fn fill(&mut self, rect: Rect, colour: Rgb) {
        let rect = rect.intersect(&Rect::new(0, 0, self.width(), self.height()));
        for y in rect.y..rect.bottom() {
            self.pixels.row_mut(y)[rect.x as usize..rect.right() as usize].fill(colour);
        }
    }

    /// Draws the border of a rectangle, `line` pixels wide and inside of it, as far as it lies inside.
    pub(crate) fn frame(&mut self, rect: Rect, line: u32, colour: Rgb) {
        let line = line.min(rect.w).min(rect.h);
        self.fill(Rect { h: line, ..rect }, colour);
        self.fill(Rect { y: rect.bottom() - line, h: line, ..rect }, colour);
        self.fill(Rect { w: line, ..rect }, colour);
        self.fill(Rect { x: rect.right() - line, w: line, ..rect }, colour);
    }

    /// Tints what `mask` (of the size of this picture) covers and draws a line around it: on the pixels that are not covered
    /// but touch one that is within `line` pixels.
    pub(crate) fn mark(&mut self, mask: &Raster<u8>, colour: Rgb, tint: u32, line: u32) {
        let (w, h) = (self.width().min(mask.width()), self.height().min(mask.height()));
        for y in 0..h {
            for x in 0..w {
                if mask.at(x, y) > 0 {
                    self.blend(x, y, colour, tint);
                    continue;
                }
                let (x0, x1) = (x.saturating_sub(line), (x + line).min(w - 1));
                let mut rows = y.saturating_sub(line)..=(y + line).min(h - 1);
                if rows.any(|row| mask.row(row)[x0 as usize..=x1 as usize].iter().any(|c| *c > 0)) {
                    self.blend(x, y, colour, 256);
                }
            }
        }
    }

    /// Writes words on a plate, `size` pixels a dot, as far as they fit. Answers with the plate's rectangle.
    pub(crate) fn write(&mut self, text: &str, (x, y): (u32, u32), size: u32, ink: Rgb, plate: Rgb) -> Rect {
        let rect = Rect::new(x, y, text_width(text, size), TEXT_HEIGHT * size);
        self.fill(rect, plate);
        for (n, letter) in text.chars().enumerate() {
            let bits = glyph(letter);
            for (dot, _) in (0..15u32).map(|dot| (dot, bits >> (14 - dot) & 1)).filter(|(_, on)| *on == 1) {
                let left = x + (1 + 4 * n as u32 + dot % 3) * size;
                self.fill(Rect::new(left, y + (1 + dot / 3) * size, size, size), ink);
            }
        }
        rect
    }

    /// Every colour as its own luma, halved towards gray: a quiet ground for coloured maps.
    pub(crate) fn faded(&self) -> Self {
        let mut pixels = self.pixels.clone();
        for pixel in pixels.data_mut() {
            *pixel = [luma(*pixel) / 2 + 48; 3];
        }
        Self { pixels }
    }

    /// Reduced by a whole factor, each pixel the mean of its block.
    pub(crate) fn reduced(&self, factor: u32) -> Self {
        if factor <= 1 {
            return self.clone();
        }
        let (w, h) = ((self.width() / factor).max(1), (self.height() / factor).max(1));
        let mut pixels = Raster::new(w, h, [0; 3]);
        for y in 0..h {
            for x in 0..w {
                let block = Rect::new(x * factor, y * factor, factor, factor);
                let block = block.intersect(&Rect::new(0, 0, self.width(), self.height()));
                let mut sums = [0u32; 3];
                for row in block.y..block.bottom() {
                    for pixel in &self.pixels.row(row)[block.x as usize..block.right() as usize] {
                        sums.iter_mut().zip(pixel).for_each(|(sum, p)| *sum += u32::from(*p));
                    }
                }
                let count = block.area() as u32;
                pixels.set(x, y, sums.map(|sum| ((sum + count / 2) / count.max(1)) as u8));
            }
        }
        Self { pixels }
    }

    /// A picture of the stored frame as it is displayed.
    pub(crate) fn turned(&self, rotation: Rotation) -> Self {
        Self { pixels: shown(&self.pixels, rotation) }
    }

    /// Writes it as a PNG, whole or not at all.
    pub(crate) fn save_png(&self, path: &Path) -> Result<()> {
        write_beside(path, &self.png()?)
    }

    /// The file of a PNG.
    pub(crate) fn png(&self) -> Result<Vec<u8>> {
        let bytes: Vec<u8> = self.pixels.data().iter().flatten().copied().collect();
        let mut png = Cursor::new(Vec::new());
        PngEncoder::new(&mut png)
            .write_image(&bytes, self.width(), self.height(), ExtendedColorType::Rgb8)
            .map_err(|e| Error::Internal(format!("picture as PNG: {e}")))?;
        Ok(png.into_inner())
    }
}

/// The samples of three planes as red, green and blue, their highest 8 bits.
fn direct(frame: &Frame, planes: [usize; 3]) -> Vec<Rgb> {
    let shift = frame.format.depth - 8;
    let mut pixels = vec![[0; 3]; frame.width as usize * frame.height as usize];
    for (y, line) in pixels.chunks_exact_mut(frame.width.max(1) as usize).enumerate() {
        for (channel, plane) in planes.into_iter().enumerate() {
            match frame.row(plane, y as u32) {
                Row::U8(row) => line.iter_mut().zip(row).for_each(|(to, s)| to[channel] = *s),
                Row::U16(row) => line.iter_mut().zip(row).for_each(|(to, s)| to[channel] = (s >> shift) as u8),
            }
        }
    }
    pixels
}

/// ITU-R BT.601 luma in 8-bit fractions.
pub(crate) fn luma([r, g, b]: Rgb) -> u8 {
    ((77 * u32::from(r) + 150 * u32::from(g) + 29 * u32::from(b)) >> 8) as u8
}

/// A picture of the stored frame as it is displayed.
pub(crate) fn shown<T: Copy>(stored: &Raster<T>, rotation: Rotation) -> Raster<T> {
    let size = (stored.width(), stored.height());
    if rotation == (0, false) || size.0 == 0 || size.1 == 0 {
        return stored.clone();
    }
    let (w, h) = shown_size(size, rotation);
    let mut out = Raster::new(w, h, stored.at(0, 0));
    for y in 0..size.1 {
        for (x, value) in stored.row(y).iter().enumerate() {
            let at = to_shown(Rect::new(x as u32, y, 1, 1), size, rotation);
            out.set(at.x, at.y, *value);
        }
    }
    out
}

/// Pictures in a row (or a column) with a line of `gap` pixels between them.
pub(crate) fn joined(pictures: &[Canvas], in_column: bool, gap: u32, colour: Rgb) -> Canvas {
    let gaps = gap * (pictures.len() as u32).saturating_sub(1);
    let widths = pictures.iter().map(Canvas::width);
    let heights = pictures.iter().map(Canvas::height);
    let (w, h) = if in_column {
        (widths.max().unwrap_or(0), heights.sum::<u32>() + gaps)
    } else {
        (widths.sum::<u32>() + gaps, heights.max().unwrap_or(0))
    };
    let mut canvas = Canvas::new(w, h, colour);
    let mut at = 0;
    for picture in pictures {
        let (x, y) = if in_column { (0, at) } else { (at, 0) };
        canvas.paste(picture, x, y);
        at += gap + if in_column { picture.height() } else { picture.width() };
    }
    canvas
}

/// Dots of a line of words from top to bottom, its border included.
pub(crate) const TEXT_HEIGHT: u32 = 7;

/// Columns that `text` takes with dots of `size` pixels.
pub(crate) fn text_width(text: &str, size: u32) -> u32 {
    (4 * text.chars().count() as u32 + 1) * size
}

/// Dots of a character, 3 columns by 5 rows, row by row from the highest of 15 bits; unknown ones are blank.
const fn glyph(letter: char) -> u16 {
    match letter.to_ascii_lowercase() {
        '0' => 0b111_101_101_101_111,
        '1' => 0b010_110_010_010_111,
        '2' => 0b111_001_111_100_111,
        '3' => 0b111_001_111_001_111,
        '4' => 0b101_101_111_001_001,
        '5' => 0b111_100_111_001_111,
        '6' => 0b111_100_111_101_111,
        '7' => 0b111_001_010_010_010,
        '8' => 0b111_101_111_101_111,
        '9' => 0b111_101_111_001_111,
        'a' => 0b010_101_111_101_101,
        'b' => 0b110_101_110_101_110,
        'c' => 0b011_100_100_100_011,
        'd' => 0b110_101_101_101_110,
        'e' => 0b111_100_110_100_111,
        'f' => 0b111_100_110_100_100,
        'g' => 0b011_100_101_101_011,
        'h' => 0b101_101_111_101_101,
        'i' => 0b111_010_010_010_111,
        'j' => 0b001_001_001_101_010,
        'k' => 0b101_101_110_101_101,
        'l' => 0b100_100_100_100_111,
        'm' => 0b101_111_111_101_101,
        'n' => 0b110_101_101_101_101,
        'o' => 0b010_101_101_101_010,
        'p' => 0b110_101_110_100_100,
        'q' => 0b010_101_101_111_011,
        'r' => 0b110_101_110_101_101,
        's' => 0b011_100_010_001_110,
        't' => 0b111_010_010_010_010,
        'u' => 0b101_101_101_101_111,
        'v' => 0b101_101_101_101_010,
        'w' => 0b101_101_111_111_101,
        'x' => 0b101_101_010_101_101,
        'y' => 0b101_101_010_010_010,
        'z' => 0b111_001_010_100_111,
        '.' => 0b000_000_000_000_010,
        ',' => 0b000_000_000_010_100,
        ':' => 0b000_010_000_010_000,
        '-' => 0b000_000_111_000_000,
        '%' => 0b101_001_010_100_101,
        '/' => 0b001_001_010_100_100,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turned_picture_shows_its_stored_corner_where_it_is_displayed() {
        let mut stored = Raster::new(3, 2, 0u8);
        stored.set(0, 1, 9);
        for (rotation, place) in [
            ((0, false), (0, 1)),
            ((90, false), (0, 0)),
            ((180, false), (2, 0)),
            ((270, false), (1, 2)),
            ((0, true), (2, 1)),
            ((90, true), (1, 0)),
        ] {
            let out = shown(&stored, rotation);
            assert_eq!(out.at(place.0, place.1), 9, "{rotation:?} {out:?}");
            assert_eq!(out.data().iter().filter(|v| **v == 9).count(), 1);
        }
    }

    #[test]
    fn a_mark_is_tinted_inside_and_lined_outside() {
        let mut canvas = Canvas::new(9, 9, [0, 0, 0]);
        let mut mask = Raster::new(9, 9, 0u8);
        mask.set(4, 4, 255);
        canvas.mark(&mask, [200, 100, 0], 128, 1);
        assert_eq!(canvas.at(4, 4), [100, 50, 0]);
        assert_eq!(canvas.at(3, 5), [200, 100, 0]);
        assert_eq!(canvas.at(2, 4), [0, 0, 0]);
    }

    #[test]
    fn words_stay_inside_of_the_picture_and_their_plate() {
        let mut canvas = Canvas::new(30, 7, [9, 9, 9]);
        let plate = canvas.write("12", (2, 0), 1, [255; 3], [0; 3]);
        assert_eq!(plate, Rect::new(2, 0, 9, 7));
        let ink = (0..7).flat_map(|y| (0..30).map(move |x| (x, y))).filter(|(x, y)| canvas.at(*x, *y) == [255; 3]);
        assert_eq!(ink.count() as u32, glyph('1').count_ones() + glyph('2').count_ones());
        assert_eq!(canvas.at(11, 3), [9, 9, 9]);
        canvas.write("99999999", (20, 4), 3, [255; 3], [0; 3]);
    }

    #[test]
    fn pictures_stand_side_by_side_with_a_line_between() {
        let (a, b) = (Canvas::new(3, 2, [1; 3]), Canvas::new(4, 5, [2; 3]));
        let row = joined(&[a.clone(), b.clone()], false, 2, [7; 3]);
        assert_eq!((row.width(), row.height()), (9, 5));
        assert_eq!((row.at(2, 1), row.at(3, 1), row.at(4, 4), row.at(5, 4)), ([1; 3], [7; 3], [7; 3], [2; 3]));
        let column = joined(&[a, b], true, 1, [7; 3]);
        assert_eq!((column.width(), column.height()), (4, 8));
        assert_eq!((column.at(0, 2), column.at(0, 3)), ([7; 3], [2; 3]));
    }

    #[test]
    fn a_reduced_picture_keeps_its_mean() {
        let mut canvas = Canvas::new(4, 2, [0; 3]);
        canvas.fill(Rect::new(0, 0, 1, 2), [200; 3]);
        let small = canvas.reduced(2);
        assert_eq!((small.width(), small.height(), small.at(0, 0), small.at(1, 0)), (2, 1, [100; 3], [0; 3]));
    }
}
