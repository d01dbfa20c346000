//! Pictures for people: frames as RGB, side by side with labels, written as PNG.

use std::path::Path;

use cleanplate_core::{Coder, Frame, Patch, PixelLayout, Raster, Rect, Rows};

use crate::glyphs;

/// Space between pictures of a sheet, and around a label, in pixels.
const GAP: u32 = 6;
/// Height of a label's capitals in pixels.
const LABEL: u32 = 12;
const PAPER: [u8; 3] = [32, 32, 32];
const INK: [u8; 3] = [235, 235, 235];

/// 8-bit R'G'B' pixels.
#[derive(Clone, Debug, PartialEq)]
pub struct Picture(Raster<[u8; 3]>);

impl Picture {
    /// `rect` of a frame (clipped to it) at full size, chroma repeated, as its tags say it is coded. Transfer and primaries are
    /// not converted.
    pub fn of(frame: &Frame, rect: Rect) -> Self {
        let mut patch = Patch::default();
        frame.lift(rect, Rows::All, &mut patch);
        let coder = Coder::new(frame.format, frame.color);
        let mut out = Raster::new(patch.rect.w, patch.rect.h, [0u8; 3]);
        let colours = if frame.format.layout == PixelLayout::Gray { 1 } else { 3 };
        for y in 0..patch.rect.h {
            for x in 0..patch.rect.w {
                let mut codes = [0.0; 3];
                for (plane, code) in codes.iter_mut().enumerate().take(colours) {
                    let (log2_w, log2_h) = frame.format.subsampling(plane);
                    let corner = patch.rect.subsampled(log2_w, log2_h);
                    let raster = &patch.planes[plane];
                    *code =
                        raster.at(((patch.rect.x + x) >> log2_w) - corner.x, ((patch.rect.y + y) >> log2_h) - corner.y);
                }
                out.set(x, y, coder.decode(codes).map(|v| (v * 255.0).round().clamp(0.0, 255.0) as u8));
            }
        }
        Self(out)
    }

    /// One of `colour`.
    pub fn plain(width: u32, height: u32, colour: [u8; 3]) -> Self {
        Self(Raster::new(width, height, colour))
    }

    /// Paints `rect`, as far as it lies inside, in `colour`.
    pub fn fill(&mut self, rect: Rect, colour: [u8; 3]) {
        let rect = rect.intersect(&Rect::new(0, 0, self.0.width(), self.0.height()));
        for y in rect.y..rect.bottom() {
            self.0.row_mut(y)[rect.x as usize..rect.right() as usize].fill(colour);
        }
    }

    /// Writes a line of `text` with the upper left corner of its first letter at column `left`, row `top`. Its letters are all
    /// capitals, `height` pixels tall; those that are not known are blank.
    pub fn write(&mut self, text: &str, (left, top): (u32, u32), height: u32, colour: [u8; 3]) {
        let lines = glyphs::write(text, (f64::from(left), f64::from(top)), f64::from(height));
        let pen = f64::from(height) / 20.0 + 0.6;
        let right = left + Self::text_width(text, height) + 2;
        for y in top.saturating_sub(2)..(top + height + 2).min(self.0.height()) {
            for x in left.saturating_sub(2)..right.min(self.0.width()) {
                let place = (f64::from(x), f64::from(y));
                let d = lines.iter().map(|line| line.distance(place)).fold(f64::INFINITY, f64::min);
                let cover = (pen - d).clamp(0.0, 1.0);
                let pixel = self.0.at(x, y);
                let mixed = std::array::from_fn(|c| {
                    (f64::from(pixel[c]) + (f64::from(colour[c]) - f64::from(pixel[c])) * cover).round() as u8
                });
                self.0.set(x, y, mixed);
            }
        }
    }

    /// Columns that [`write`](Self::write) takes for `text`.
    pub fn text_width(text: &str, height: u32) -> u32 {
        glyphs::width(text, f64::from(height)).ceil() as u32
    }

    /// Columns and rows.
    pub const fn size(&self) -> (u32, u32) {
        (self.0.width(), self.0.height())
    }

    /// The pixels.
    pub const fn pixels(&self) -> &Raster<[u8; 3]> {
        &self.0
    }

    /// Every pixel as a block of `factor` x `factor`.
    #[must_use]
    pub fn enlarged(&self, factor: u32) -> Self {
        let factor = factor.max(1);
        let mut out = Raster::new(self.0.width() * factor, self.0.height() * factor, PAPER);
        for y in 0..out.height() {
            let source = self.0.row(y / factor);
            out.row_mut(y).iter_mut().enumerate().for_each(|(x, pixel)| *pixel = source[x / factor as usize]);
        }
        Self(out)
    }

    /// A sheet of rows of labelled pictures, such as before | after | truth.
    pub fn sheet(rows: &[&[(&str, Self)]]) -> Self {
        let column = |label: &str, picture: &Self| picture.size().0.max(Self::text_width(label, LABEL));
        let row_height =
            |row: &[(&str, Self)]| row.iter().map(|(_, p)| p.size().1).max().unwrap_or(0) + LABEL + 3 * GAP;
        let row_width = |row: &[(&str, Self)]| row.iter().map(|(label, p)| column(label, p) + GAP).sum::<u32>() + GAP;
        let width = rows.iter().map(|row| row_width(row)).max().unwrap_or(0);
        let mut out = Self(Raster::new(width, rows.iter().map(|row| row_height(row)).sum(), PAPER));
        let mut top = 0;
        for row in rows {
            let mut left = GAP;
            for (label, picture) in *row {
                out.write(label, (left, top + GAP), LABEL, INK);
                out.paste(picture, left, top + LABEL + 2 * GAP);
                left += column(label, picture) + GAP;
            }
            top += row_height(row);
        }
        out
    }

    fn paste(&mut self, picture: &Self, left: u32, top: u32) {
        let width = picture.size().0 as usize;
        for y in 0..picture.size().1 {
            self.0.row_mut(top + y)[left as usize..left as usize + width].copy_from_slice(picture.0.row(y));
        }
    }

    /// Writes it as PNG.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub fn write_png(&self, path: &Path) -> std::io::Result<()> {
        let bytes: Vec<u8> = self.0.data().iter().flatten().copied().collect();
        image::save_buffer_with_format(
            path,
            &bytes,
            self.0.width(),
            self.0.height(),
            image::ExtendedColorType::Rgb8,
            image::ImageFormat::Png,
        )
        .map_err(|error| std::io::Error::other(format!("cannot write {}: {error}", path.display())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canvas::Scenery;
    use crate::clip::{Clip, Shot};
    use crate::mark::Mark;
    use crate::motion::Motion;
    use cleanplate_core::PixelFormat;

    #[test]
    fn every_format_shows_the_colour_that_was_put_in() {
        for (layout, depth) in
            [(PixelLayout::Yuv, 8), (PixelLayout::Yuv, 10), (PixelLayout::Gbr, 12), (PixelLayout::Gray, 8)]
        {
            for log2 in [0, 1] {
                let format = PixelFormat { layout, depth, log2_chroma_w: log2, log2_chroma_h: log2, alpha: false };
                let shot = Shot::new(Scenery::Clouds, Motion::Still, 1);
                let mut frame = Clip::new(1, (31, 21), &[shot]).with_format(format).frame(0).unwrap();
                let ink = if layout == PixelLayout::Gray { [0.6; 3] } else { [0.8, 0.4, 0.2] };
                let whole = frame.bounds();
                Mark::new(whole, Raster::new(31, 21, 1.0), Raster::new(31, 21, ink)).unwrap().apply(&mut frame);
                let picture = Picture::of(&frame, Rect::new(5, 3, 11, 9));
                assert_eq!(picture.size(), (11, 9));
                // One code of luma is 1.2, of chroma up to 2.1 levels of blue.
                let near = |p: &[u8; 3]| p.iter().zip(ink).all(|(a, b)| (f32::from(*a) - b * 255.0).abs() <= 2.5);
                assert!(picture.pixels().data().iter().all(near), "{format:?} {:?}", picture.pixels().at(0, 0));
            }
        }
    }

    #[test]
    fn boxes_and_words_lie_where_they_are_put() {
        let (paper, ink) = ([250; 3], [10, 20, 30]);
        let mut picture = Picture::plain(60, 30, paper);
        picture.fill(Rect::new(50, 20, 40, 40), ink);
        picture.write("HI 4", (4, 5), 10, ink);
        let at = |x, y| picture.pixels().at(x, y);
        assert_eq!(
            (at(49, 20), at(50, 20), at(59, 29), at(50, 19)),
            (paper, ink, ink, paper),
            "clipped to the picture"
        );
        assert_eq!((at(4, 8), at(4, 22)), (ink, paper), "the left stroke of the first letter, and nothing below");
        let right = 4 + Picture::text_width("HI 4", 10) + 2;
        assert!((right..60).all(|x| (0..20).all(|y| at(x, y) == paper)), "no wider than it says");
        picture.write("BEYOND THE EDGE", (40, 25), 12, ink);
    }

    #[test]
    fn a_sheet_holds_every_picture_untouched_and_comes_back_from_png() {
        let frame = Clip::new(1, (40, 30), &[Shot::new(Scenery::Leaves, Motion::Still, 1)]).frame(0).unwrap();
        let small = Picture::of(&frame, Rect::new(0, 0, 16, 8)).enlarged(2);
        let large = Picture::of(&frame, frame.bounds());
        let sheet =
            Picture::sheet(&[&[("BEFORE", small.clone()), ("AFTER", large.clone())], &[("TRUTH", small.clone())]]);
        let at = |x, y, p: &Picture| sheet.pixels().crop(Rect::new(x, y, p.size().0, p.size().1)) == *p.pixels();
        assert!(at(GAP, LABEL + 2 * GAP, &small) && at(2 * GAP + 66, LABEL + 2 * GAP, &large));
        assert!(at(GAP, 30 + 2 * LABEL + 5 * GAP, &small));
        let label = sheet.pixels().crop(Rect::new(0, 0, 60, LABEL + GAP));
        assert!(label.data().iter().filter(|p| p[0] > 150).count() > 60, "the label can be read");
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sheet.png");
        sheet.write_png(&path).unwrap();
        let back = image::open(&path).unwrap().to_rgb8();
        assert_eq!(back.into_raw(), sheet.pixels().data().iter().flatten().copied().collect::<Vec<u8>>());
        assert!(sheet.write_png(&folder.path().join("absent/sheet.png")).is_err());
    }
}
