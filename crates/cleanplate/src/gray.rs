//! Gray tracks beside the picture: maps of origins and masks, without loss.

use cleanplate_core::{ColorInfo, Frame, HostSurface, PixelFormat, Raster, RowMut, Scan, Surface};
use cleanplate_media::encode::{Codec, EncoderSpec};

/// A lossless gray track at the times of `spec`.
pub(crate) fn gray_lossless(spec: &EncoderSpec, (width, height): (u32, u32)) -> EncoderSpec {
    EncoderSpec {
        width,
        height,
        codec: Codec::Ffv1,
        encoder: "ffv1".to_owned(),
        stand_in: None,
        source_format: PixelFormat::GRAY8,
        pix_fmt: "gray".to_owned(),
        color: ColorInfo { full_range: Some(true), ..ColorInfo::default() },
        scan: Scan::Progressive,
        options: vec![("level".to_owned(), "3".to_owned()), ("slicecrc".to_owned(), "1".to_owned())],
        ..spec.clone()
    }
}

/// A gray picture at the time of `frame`.
pub(crate) fn gray_frame(frame: &Frame, raster: &Raster<u8>) -> Frame {
    let mut surface = HostSurface::new(PixelFormat::GRAY8, raster.width(), raster.height());
    for y in 0..raster.height() {
        if let RowMut::U8(row) = surface.row_mut(0, y) {
            row.copy_from_slice(raster.row(y));
        }
    }
    let size = (raster.width(), raster.height());
    Frame::new(frame.idx, frame.pts, frame.duration, size, PixelFormat::GRAY8, Box::new(surface))
}
