//! Which luma samples a sample of another plane stands for, in frames and in interlaced fields.

use cleanplate_core::{Mask, PixelFormat, Raster, Rect, Rows, Scan};

/// The luma rows under row `row` of a plane whose rows are halved `log2_h` times, inside a picture of `height` rows. In
/// interlaced material all of them belong to the row's own field.
pub(crate) fn rows_under(scan: Scan, log2_h: u8, row: u32, height: u32) -> impl Iterator<Item = u32> {
    let span = 0..1u32 << log2_h;
    let interlaced = scan.is_interlaced();
    span.map(move |sub| if interlaced { (((row / 2) << log2_h) + sub) * 2 + row % 2 } else { (row << log2_h) + sub })
        .filter(move |y| *y < height)
}

/// Means of `full` (one value a luma sample) over the footprint of every sample of `plane`.
pub(crate) fn subsample(full: Raster<f32>, format: PixelFormat, plane: usize, scan: Scan) -> Raster<f32> {
    let (log2_w, log2_h) = format.subsampling(plane);
    if (log2_w, log2_h) == (0, 0) {
        return full;
    }
    let (w, h) = format.plane_size(plane, full.width(), full.height());
    let mut out = Raster::new(w, h, 0.0f32);
    let mut counts = vec![0u32; w as usize];
    for row in 0..h {
        counts.fill(0);
        let sums = out.row_mut(row);
        for y in rows_under(scan, log2_h, row, full.height()) {
            for (x, value) in full.row(y).iter().enumerate() {
                sums[x >> log2_w] += value;
                counts[x >> log2_w] += 1;
            }
        }
        sums.iter_mut().zip(&counts).for_each(|(s, n)| *s /= (*n).max(1) as f32);
    }
    out
}

/// Coverage of every sample of `plane` in a picture of `size`: the largest coverage of `mask` under its footprint, of its own
/// field where the picture is interlaced. This is what an engine that works field by field may change, and no more.
pub fn plane_mask(mask: &Mask, format: PixelFormat, size: (u32, u32), scan: Scan, plane: usize) -> Raster<u8> {
    let (log2_w, log2_h) = format.subsampling(plane);
    let (w, h) = format.plane_size(plane, size.0, size.1);
    if !scan.is_interlaced() {
        return mask.in_plane(Rect::new(0, 0, w, h), Rows::All, log2_w, log2_h);
    }
    let mut out = Raster::new(w, h, 0u8);
    for rows in [Rows::Top, Rows::Bottom] {
        let (start, step) = rows.start_step();
        let field = mask.in_plane(Rect::new(0, 0, w, rows.count(h)), rows, log2_w, log2_h);
        for y in 0..field.height() {
            out.row_mut(start + y * step).copy_from_slice(field.row(y));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chroma_of_a_field_stands_for_rows_of_that_field_alone() {
        let rows = |scan, row| rows_under(scan, 1, row, 9).collect::<Vec<_>>();
        assert_eq!(rows(Scan::Progressive, 1), [2, 3]);
        assert_eq!(rows(Scan::Progressive, 4), [8]);
        assert_eq!(rows(Scan::TopFirst, 0), [0, 2]);
        assert_eq!(rows(Scan::TopFirst, 1), [1, 3]);
        assert_eq!(rows(Scan::BottomFirst, 2), [4, 6]);
    }

    #[test]
    fn averages_at_odd_edges_count_only_what_is_there() {
        let full = Raster::from_vec(3, 3, (0..9).map(|v| v as f32).collect()).unwrap();
        let small = subsample(full, PixelFormat::YUV420P8, 1, Scan::Progressive);
        assert_eq!(small.data(), [2.0, 3.5, 6.5, 8.0]);
    }

    #[test]
    fn the_mask_of_a_plane_is_where_its_footprint_meets_the_mask() {
        for scan in [Scan::Progressive, Scan::TopFirst] {
            for y in 0..12 {
                let mask = Mask::rectangle(Rect::new(5, y, 2, 1));
                let plane = plane_mask(&mask, PixelFormat::YUV420P8, (12, 12), scan, 1);
                for row in 0..6 {
                    let meets = rows_under(scan, 1, row, 12).any(|luma| luma == y);
                    let wanted: Vec<u8> = (0..6).map(|x| if meets && (x == 2 || x == 3) { 255 } else { 0 }).collect();
                    assert_eq!(plane.row(row), wanted, "{scan:?} luma row {y} chroma row {row}");
                }
            }
        }
    }
}
