//! Pictures as networks see them: planes of non-linear R'G'B' between 0 and 1.
//!
//! The only way to RGB and back. What comes back is written where samples are settled and nowhere else, so that nothing
//! outside of a mask changes by it. Knows samples and their coding; refuses to know networks.

use crate::colour::Coder;
use crate::format::ColorInfo;
use crate::frame::{Frame, Patch, Row};
use crate::raster::Raster;

/// A sample's position along one axis: the two samples around it, and the share of the second.
#[derive(Clone, Copy, Debug)]
struct Tap {
    first: usize,
    second: usize,
    share: f32,
}

impl Tap {
    /// At `position` among `count` samples whose centres lie at 0, 1, 2 ...; beyond the ends the last one counts.
    fn at(position: f32, count: usize) -> Self {
        let last = count.saturating_sub(1);
        let inside = position.clamp(0.0, last as f32);
        let first = inside as usize;
        Self { first, second: (first + 1).min(last), share: inside - first as f32 }
    }
}

/// Positions of chroma sample centres against luma along one axis of a subsampled plane: the luma position of the first.
pub(crate) fn first_chroma(log2: u8, is_on_luma: bool) -> f32 {
    if is_on_luma { 0.0 } else { ((1u32 << log2) as f32 - 1.0) / 2.0 }
}

/// Whether chroma samples of `color` lie on a luma column, and on a luma row. Unspecified: as H.264 has it by default.
pub(crate) const fn on_luma(color: &ColorInfo) -> (bool, bool) {
    match color.chroma_location {
        2 => (false, false),
        3 => (true, true),
        4 => (false, true),
        _ => (true, false),
    }
}

/// `frame` scaled to `width` x `height`: planes of red, green and blue, one after another, clamped to 0..=1. Bilinear
/// between sample centres without a wider filter, as detectors are trained and run with (OpenCV's INTER_LINEAR).
pub fn scaled(frame: &Frame, width: u32, height: u32) -> Vec<f32> {
    let coder = Coder::new(frame.format, frame.color);
    let area = width as usize * height as usize;
    let colours = if frame.format.planes() >= 3 { 3 } else { 1 };
    let mut planes: Vec<Vec<f32>> = Vec::with_capacity(colours);
    let (on_column, on_row) = on_luma(&frame.color);
    for plane in 0..colours {
        let (sw, sh) = frame.format.subsampling(plane);
        let (w, h) = frame.format.plane_size(plane, frame.width, frame.height);
        let taps = |out: u32, luma: u32, log2: u8, on_luma: bool, count: u32| -> Vec<Tap> {
            let step = luma as f32 / out.max(1) as f32;
            let position = |k: u32| {
                let at = (k as f32 + 0.5) * step - 0.5;
                (at - first_chroma(log2, on_luma)) / (1u32 << log2) as f32
            };
            (0..out).map(|k| Tap::at(position(k), count as usize)).collect()
        };
        let columns = taps(width, frame.width, sw, on_column, w);
        let rows = taps(height, frame.height, sh, on_row, h);
        let mut out = Vec::with_capacity(area);
        for row in rows {
            let (a, b) = (frame.row(plane, row.first as u32), frame.row(plane, row.second as u32));
            match (a, b) {
                (Row::U8(a), Row::U8(b)) => between(a, b, &row, &columns, &mut out),
                (Row::U16(a), Row::U16(b)) => between(a, b, &row, &columns, &mut out),
                // Planes of one frame have samples of one size.
                _ => out.resize(out.len() + columns.len(), 0.0),
            }
        }
        planes.push(out);
    }
    let mut rgb = vec![0.0; 3 * area];
    for k in 0..area {
        let codes = std::array::from_fn(|n| planes[n.min(colours - 1)][k]);
        for (n, value) in coder.decode(codes).into_iter().enumerate() {
            rgb[n * area + k] = value.clamp(0.0, 1.0);
        }
    }
    rgb
}

fn between<T: Copy + Into<f32>>(a: &[T], b: &[T], row: &Tap, columns: &[Tap], out: &mut Vec<f32>) {
    out.extend(columns.iter().map(|column| {
        let across = |row: &[T]| {
            let (first, second): (f32, f32) = (row[column.first].into(), row[column.second].into());
            first + column.share * (second - first)
        };
        let (above, below) = (across(a), across(b));
        above + row.share * (below - above)
    }));
}

/// `patch` as rasters of red, green and blue of the size of its first plane, clamped to 0..=1; chroma is interpolated.
pub fn of_patch(patch: &Patch) -> [Raster<f32>; 3] {
    let coder = Coder::new(patch.format, patch.color);
    let (w, h) = (patch.planes[0].width(), patch.planes[0].height());
    let mut out: [Raster<f32>; 3] = std::array::from_fn(|_| Raster::new(w, h, 0.0));
    let chroma: Vec<Chroma<'_>> = (1..3.min(patch.planes.len())).map(|plane| Chroma::new(patch, plane)).collect();
    let has_colour = chroma.len() == 2;
    for y in 0..h {
        for x in 0..w {
            let first = patch.planes[0].at(x, y);
            let codes = if has_colour { [first, chroma[0].at(x, y), chroma[1].at(x, y)] } else { [first; 3] };
            for (raster, value) in out.iter_mut().zip(coder.decode(codes)) {
                raster.set(x, y, value.clamp(0.0, 1.0));
            }
        }
    }
    out
}

/// A plane that is read at positions of the first one.
struct Chroma<'a> {
    plane: &'a Raster<f32>,
    columns: Vec<Tap>,
    rows: Vec<Tap>,
}

impl<'a> Chroma<'a> {
    fn new(patch: &'a Patch, plane: usize) -> Self {
        let (sw, sh) = patch.format.subsampling(plane);
        let (on_column, on_row) = on_luma(&patch.color);
        let raster = &patch.planes[plane];
        let taps = |start: u32, length: u32, log2: u8, on_luma: bool, count: u32| -> Vec<Tap> {
            let first = (start >> log2) as f32;
            let position = |k: u32| ((start + k) as f32 - first_chroma(log2, on_luma)) / (1u32 << log2) as f32 - first;
            (0..length).map(|k| Tap::at(position(k), count as usize)).collect()
        };
        let (w, h) = (patch.planes[0].width(), patch.planes[0].height());
        Self {
            plane: raster,
            columns: taps(patch.rect.x, w, sw, on_column, raster.width()),
            rows: taps(patch.rect.y, h, sh, on_row, raster.height()),
        }
    }

    fn at(&self, x: u32, y: u32) -> f32 {
        let (column, row) = (self.columns[x as usize], self.rows[y as usize]);
        let across = |y: usize| {
            let line = self.plane.row(y as u32);
            line[column.first] + column.share * (line[column.second] - line[column.first])
        };
        let (above, below) = (across(row.first), across(row.second));
        above + row.share * (below - above)
    }
}

/// Rasters of red, green and blue over the luma samples of `like` as code values of its planes: chroma is the mean over each
/// sample's footprint. An alpha plane comes back as it is in `like`.
pub fn to_planes(rgb: &[Raster<f32>; 3], like: &Patch) -> Vec<Raster<f32>> {
    let coder = Coder::new(like.format, like.color);
    let mut planes = like.planes.clone();
    let (w, h) = (planes[0].width(), planes[0].height());
    let colours = if planes.len() >= 3 { 3 } else { 1 };
    let mut counts: Vec<Raster<f32>> =
        planes[..colours].iter().map(|p| Raster::new(p.width(), p.height(), 0.0)).collect();
    planes[..colours].iter_mut().for_each(|plane| plane.data_mut().fill(0.0));
    for y in 0..h {
        for x in 0..w {
            let codes = coder.encode(std::array::from_fn(|n| rgb[n].at(x, y)));
            for (n, code) in codes.into_iter().enumerate().take(colours) {
                let (sw, sh) = like.format.subsampling(n);
                let column = ((like.rect.x + x) >> sw) - (like.rect.x >> sw);
                let row = ((like.rect.y + y) >> sh) - (like.rect.y >> sh);
                let at = (row * planes[n].width() + column) as usize;
                planes[n].data_mut()[at] += code;
                counts[n].data_mut()[at] += 1.0;
            }
        }
    }
    for (plane, count) in planes[..colours].iter_mut().zip(&counts) {
        plane.data_mut().iter_mut().zip(count.data()).for_each(|(sum, n)| *sum /= n.max(1.0));
    }
    planes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::{PixelFormat, PixelLayout};
    use crate::frame::{HostSurface, RowMut, Rows, Surface};
    use crate::geometry::Rect;

    const WIDTH: u32 = 41;
    const HEIGHT: u32 = 31;

    /// A slope of colours that bilinear interpolation brings back.
    fn colour(x: f32, y: f32) -> [f32; 3] {
        [0.3 + 0.006 * x, 0.5 - 0.004 * y, 0.4 + 0.003 * x - 0.002 * y]
    }

    fn formats() -> impl Iterator<Item = PixelFormat> {
        [8, 10].into_iter().flat_map(|depth| {
            [(PixelLayout::Yuv, 1, 1), (PixelLayout::Yuv, 1, 0), (PixelLayout::Yuv, 0, 0), (PixelLayout::Gbr, 0, 0)]
                .map(|(layout, log2_chroma_w, log2_chroma_h)| PixelFormat {
                    layout,
                    depth,
                    log2_chroma_w,
                    log2_chroma_h,
                    alpha: false,
                })
        })
    }

    fn frame(format: PixelFormat, color: ColorInfo) -> Frame {
        let coder = Coder::new(format, color);
        let (on_column, on_row) = on_luma(&color);
        let mut surface = HostSurface::new(format, WIDTH, HEIGHT);
        for plane in 0..3 {
            let (sw, sh) = format.subsampling(plane);
            let at = |k: usize, log2: u8, on: bool| (k << log2) as f32 + first_chroma(log2, on);
            for y in 0..format.plane_size(plane, WIDTH, HEIGHT).1 {
                let code =
                    |x: usize| coder.encode(colour(at(x, sw, on_column), at(y as usize, sh, on_row)))[plane].round();
                match surface.row_mut(plane, y) {
                    RowMut::U8(row) => row.iter_mut().enumerate().for_each(|(x, s)| *s = code(x) as u8),
                    RowMut::U16(row) => row.iter_mut().enumerate().for_each(|(x, s)| *s = code(x) as u16),
                }
            }
        }
        let mut frame = Frame::new(0, 0, 1, (WIDTH, HEIGHT), format, Box::new(surface));
        frame.color = color;
        frame
    }

    #[test]
    fn a_scaled_picture_has_the_colours_of_the_frame_wherever_its_chroma_lies() {
        for format in formats() {
            for chroma_location in [0, 1, 2, 3] {
                let color = ColorInfo { matrix: 1, chroma_location, ..ColorInfo::default() };
                let frame = frame(format, color);
                for (w, h) in [(41, 31), (20, 15), (64, 40)] {
                    let rgb = scaled(&frame, w, h);
                    let area = (w * h) as usize;
                    // Beyond the outermost samples the last one counts: the border is left out.
                    for (x, y) in (3..w - 3).flat_map(|x| (3..h - 3).map(move |y| (x, y))) {
                        let at = |k: u32, out: u32, all: u32| (k as f32 + 0.5) * all as f32 / out as f32 - 0.5;
                        let truth = colour(at(x, w, WIDTH), at(y, h, HEIGHT));
                        for (n, wanted) in truth.into_iter().enumerate() {
                            let got = rgb[n * area + (y * w + x) as usize];
                            // Half a code in each of three planes.
                            assert!(
                                (got - wanted).abs() < 0.008,
                                "{format:?} {chroma_location} {x},{y}: {got} {wanted}"
                            );
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn a_patch_comes_back_from_rgb_with_its_own_codes() {
        for format in formats() {
            let color = ColorInfo { matrix: 1, chroma_location: 2, ..ColorInfo::default() };
            let frame = frame(format, color);
            let mut patch = Patch::default();
            frame.lift(Rect::new(5, 3, 24, 17), Rows::All, &mut patch);
            let back = to_planes(&of_patch(&patch), &patch);
            let code = (1u32 << (format.depth - 8)) as f32;
            for (plane, (a, b)) in patch.planes.iter().zip(&back).enumerate() {
                let (w, h) = (a.width(), a.height());
                for (x, y) in (2..w - 2).flat_map(|x| (2..h - 2).map(move |y| (x, y))) {
                    let off = (a.at(x, y) - b.at(x, y)).abs();
                    assert!(off < 0.6 * code, "{format:?} plane {plane} at {x},{y}: {off}");
                }
            }
        }
    }

    #[test]
    fn gray_is_gray_in_all_three() {
        let format = PixelFormat::GRAY8;
        let mut surface = HostSurface::new(format, 8, 8);
        for y in 0..8 {
            if let RowMut::U8(row) = surface.row_mut(0, y) {
                row.fill(126);
            }
        }
        let frame = Frame::new(0, 0, 1, (8, 8), format, Box::new(surface));
        let rgb = scaled(&frame, 4, 4);
        assert!(rgb.iter().all(|v| (v - 110.0 / 219.0).abs() < 1e-5));
        let mut patch = Patch::default();
        frame.lift(frame.bounds(), Rows::All, &mut patch);
        let back = to_planes(&of_patch(&patch), &patch);
        assert!(back.len() == 1 && back[0].data().iter().all(|v| (v - 126.0).abs() < 1e-3));
    }
}
