//! A part of a frame as a frame of its own: seen from a mark that moves, the mark stands still.
//!
//! Knows samples; refuses to know marks.

use crate::frame::{Frame, HostSurface, Row, RowMut, Surface};

/// The part of `frame` of `size` whose first luma sample lies at column and row `origin`, with the frame's number and times.
///
/// Beyond the border the outermost samples repeat. Where `origin` does not lie on a whole sample of a subsampled plane, that
/// plane is interpolated linearly.
pub fn part(frame: &Frame, origin: (i32, i32), size: (u32, u32)) -> Frame {
    let mut surface = HostSurface::new(frame.format, size.0, size.1);
    let max = frame.format.max_code() as f32;
    for plane in 0..frame.format.planes() {
        let (sw, sh) = frame.format.subsampling(plane);
        let (w, h) = frame.format.plane_size(plane, frame.width, frame.height);
        let (own_w, own_h) = frame.format.plane_size(plane, size.0, size.1);
        let (x0, fx) = split(origin.0, sw);
        let (y0, fy) = split(origin.1, sh);
        let columns: Vec<[usize; 2]> =
            (0..own_w as i32).map(|x| [clamped(x0 + x, w), clamped(x0 + x + 1, w)]).collect();
        for y in 0..own_h {
            let rows = [clamped(y0 + y as i32, h), clamped(y0 + y as i32 + 1, h)].map(|y| frame.row(plane, y as u32));
            match surface.row_mut(plane, y) {
                RowMut::U8(out) => {
                    let [Row::U8(a), Row::U8(b)] = rows else { continue };
                    for (out, at) in out.iter_mut().zip(&columns) {
                        *out = mixed([a, b], *at, (fx, fy), |s| f32::from(*s)).round().clamp(0.0, max) as u8;
                    }
                }
                RowMut::U16(out) => {
                    let [Row::U16(a), Row::U16(b)] = rows else { continue };
                    for (out, at) in out.iter_mut().zip(&columns) {
                        *out = mixed([a, b], *at, (fx, fy), |s| f32::from(*s)).round().clamp(0.0, max) as u16;
                    }
                }
            }
        }
    }
    let mut part = Frame::new(frame.idx, frame.pts, frame.duration, size, frame.format, Box::new(surface));
    (part.color, part.scan) = (frame.color, frame.scan);
    part
}

/// Whole samples of a plane subsampled by `2^log2`, and what is left as a share of one.
pub(crate) fn split(at: i32, log2: u8) -> (i32, f32) {
    let step = 1 << log2;
    (at.div_euclid(step), at.rem_euclid(step) as f32 / step as f32)
}

fn clamped(at: i32, count: u32) -> usize {
    at.clamp(0, count as i32 - 1) as usize
}

fn mixed<T>([a, b]: [&[T]; 2], [x, right]: [usize; 2], (fx, fy): (f32, f32), code: impl Fn(&T) -> f32) -> f32 {
    if fx == 0.0 && fy == 0.0 {
        return code(&a[x]);
    }
    let along = |row: &[T]| (1.0 - fx) * code(&row[x]) + fx * code(&row[right]);
    (1.0 - fy) * along(a) + fy * along(b)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::PixelFormat;

    #[test]
    fn a_part_repeats_the_border_and_lies_between_chroma_samples_where_it_must() {
        let format = PixelFormat::YUV420P8;
        let mut surface = HostSurface::new(format, 16, 12);
        for plane in 0..3 {
            for y in 0..format.plane_size(plane, 16, 12).1 {
                if let RowMut::U8(row) = surface.row_mut(plane, y) {
                    row.iter_mut().enumerate().for_each(|(x, s)| *s = (10 * x + y as usize) as u8);
                }
            }
        }
        let frame = Frame::new(7, 0, 1, (16, 12), format, Box::new(surface));
        let at = |part: &Frame, plane, x: usize, y| match part.row(plane, y) {
            Row::U8(row) => row[x],
            Row::U16(_) => 0,
        };
        let odd = part(&frame, (3, 2), (6, 4));
        assert_eq!((odd.idx, odd.width, odd.height), (7, 6, 4));
        assert_eq!((at(&odd, 0, 0, 0), at(&odd, 0, 5, 3)), (32, 85));
        // Between columns 1 and 2 of row 1.
        assert_eq!(at(&odd, 1, 0, 0), 16);
        let beyond = part(&frame, (-4, 10), (8, 8));
        assert_eq!((at(&beyond, 0, 0, 0), at(&beyond, 0, 5, 7)), (10, 21));
        assert_eq!((at(&beyond, 2, 0, 0), at(&beyond, 2, 3, 3)), (5, 15));
    }
}
