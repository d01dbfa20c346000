//! Planar 8-bit 4:2:0 frames as raw bytes, for the examples that the benchmarks run.

use cleanplate_core::{Frame, HostSurface, PixelFormat, RowMut, Surface};

/// The rows of a plane of a `width` x `height` picture, as `(plane, y)`.
pub(crate) fn rows(plane: usize, width: u32, height: u32) -> impl Iterator<Item = (usize, u32)> {
    (0..PixelFormat::YUV420P8.plane_size(plane, width, height).1).map(move |y| (plane, y))
}

/// A frame over packed planes.
pub(crate) fn frame_of(packed: &[u8], idx: u64, width: u32, height: u32) -> Frame {
    let format = PixelFormat::YUV420P8;
    let mut surface = HostSurface::new(format, width, height);
    let mut at = 0;
    for (plane, y) in (0..3).flat_map(|p| rows(p, width, height)) {
        if let RowMut::U8(row) = surface.row_mut(plane, y) {
            row.copy_from_slice(&packed[at..at + row.len()]);
            at += row.len();
        }
    }
    Frame::new(idx, idx as i64, 1, (width, height), format, Box::new(surface))
}
