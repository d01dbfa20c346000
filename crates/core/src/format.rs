//! How samples are laid out and what colours they mean.

use serde::{Deserialize, Serialize};

/// What the planes of a frame stand for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PixelLayout {
    /// One plane of luma.
    Gray,
    /// Luma, then two chroma planes.
    Yuv,
    /// Three planes of equal size in the order green, blue, red.
    Gbr,
}

/// A planar pixel format: layout, bits a sample, chroma subsampling and whether a plane of alpha follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PixelFormat {
    /// What the planes stand for.
    pub layout: PixelLayout,
    /// Bits a sample, 8..=16. Samples of 8 bits are stored as `u8`, all others as native-endian `u16`, low bits used.
    pub depth: u8,
    /// Chroma columns are halved this many times (0 or 1, 2 for 4:1:0 and 4:1:1).
    pub log2_chroma_w: u8,
    /// Chroma rows are halved this many times (0 or 1, 2 for 4:1:0).
    pub log2_chroma_h: u8,
    /// Whether the last plane is alpha, of the size of the first.
    pub alpha: bool,
}

impl PixelFormat {
    /// 8-bit 4:2:0.
    pub const YUV420P8: Self =
        Self { layout: PixelLayout::Yuv, depth: 8, log2_chroma_w: 1, log2_chroma_h: 1, alpha: false };
    /// 8-bit luma alone.
    pub const GRAY8: Self =
        Self { layout: PixelLayout::Gray, depth: 8, log2_chroma_w: 0, log2_chroma_h: 0, alpha: false };

    /// Number of planes, alpha included.
    pub const fn planes(&self) -> usize {
        let colour = match self.layout {
            PixelLayout::Gray => 1,
            PixelLayout::Yuv | PixelLayout::Gbr => 3,
        };
        colour + self.alpha as usize
    }

    /// How many times columns and rows of `plane` are halved against the first plane.
    pub const fn subsampling(&self, plane: usize) -> (u8, u8) {
        match (self.layout, plane) {
            (PixelLayout::Yuv, 1 | 2) => (self.log2_chroma_w, self.log2_chroma_h),
            _ => (0, 0),
        }
    }

    /// Columns and rows of `plane` in a picture of `width` x `height`, rounded up.
    pub const fn plane_size(&self, plane: usize, width: u32, height: u32) -> (u32, u32) {
        let (sw, sh) = self.subsampling(plane);
        ((width + (1 << sw) - 1) >> sw, (height + (1 << sh) - 1) >> sh)
    }

    /// Bytes of the samples of a picture of `width` x `height`.
    pub fn bytes(&self, width: u32, height: u32) -> u64 {
        let sample = if self.depth == 8 { 1 } else { 2 };
        let plane = |plane| {
            let (w, h) = self.plane_size(plane, width, height);
            u64::from(w) * u64::from(h) * sample
        };
        (0..self.planes()).map(plane).sum()
    }

    /// The largest code value, `2^depth - 1`.
    pub const fn max_code(&self) -> u32 {
        (1 << self.depth) - 1
    }

    /// Whether `plane` is the alpha plane.
    pub const fn is_alpha(&self, plane: usize) -> bool {
        self.alpha && plane + 1 == self.planes()
    }

    /// Whether `plane` carries colour difference, which has its zero at half of the code range.
    pub const fn is_chroma(&self, plane: usize) -> bool {
        matches!(self.layout, PixelLayout::Yuv) && (plane == 1 || plane == 2)
    }
}

/// Colour tags as code points of ITU-T H.273; 2 means unspecified.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ColorInfo {
    /// `ColourPrimaries`.
    pub primaries: u8,
    /// `TransferCharacteristics`.
    pub transfer: u8,
    /// `MatrixCoefficients`.
    pub matrix: u8,
    /// Whether samples use the full code range; `None` where the stream does not say.
    pub full_range: Option<bool>,
    /// Chroma sample location as libav numbers it: 0 unspecified, 1 left, 2 centre, 3 top-left ...
    pub chroma_location: u8,
}

impl Default for ColorInfo {
    fn default() -> Self {
        Self { primaries: 2, transfer: 2, matrix: 2, full_range: None, chroma_location: 0 }
    }
}

/// How the rows of a frame were captured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scan {
    /// All rows at one instant.
    #[default]
    Progressive,
    /// Two fields, the even rows first.
    TopFirst,
    /// Two fields, the odd rows first.
    BottomFirst,
}

impl Scan {
    /// Whether the frame carries two fields.
    pub const fn is_interlaced(self) -> bool {
        !matches!(self, Self::Progressive)
    }
}
