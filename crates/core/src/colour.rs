//! From non-linear R'G'B' to a format's code values and back, as ITU-T H.273 defines them.

use crate::format::{ColorInfo, PixelFormat, PixelLayout};

/// Turns R'G'B' of 0..=1 into code values of one format and back. Chroma comes out at full resolution: averaging it over a
/// footprint is up to the caller.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Coder {
    layout: PixelLayout,
    /// Weights of red and blue in luma.
    weights: (f32, f32),
    /// Code value of 0 and codes from 0 to 1, for luma and for R'G'B'.
    luma: (f32, f32),
    /// Code value of 0 and codes from -0.5 to 0.5, for colour difference.
    chroma: (f32, f32),
}

impl Coder {
    /// The coder of `format` with the matrix and range of `color`. An unspecified or unknown matrix is read as BT.709; an
    /// unspecified range as limited, for planes of green, blue and red as full.
    pub fn new(format: PixelFormat, color: ColorInfo) -> Self {
        // H.273, table 4: KR and KB of each MatrixCoefficients.
        let weights = match color.matrix {
            4 => (0.30, 0.11),
            5 | 6 => (0.299, 0.114),
            7 => (0.212, 0.087),
            9 | 10 => (0.2627, 0.0593),
            _ => (0.2126, 0.0722),
        };
        let unit = (1u32 << (format.depth - 8)) as f32;
        let max = format.max_code() as f32;
        let full = color.full_range.unwrap_or(format.layout == PixelLayout::Gbr);
        let middle = 128.0 * unit;
        let (luma, chroma) =
            if full { ((0.0, max), (middle, max)) } else { ((16.0 * unit, 219.0 * unit), (middle, 224.0 * unit)) };
        Self { layout: format.layout, weights, luma, chroma }
    }

    /// Code values, not rounded, in the order of the format's planes; for gray the first alone counts.
    pub fn encode(&self, [r, g, b]: [f32; 3]) -> [f32; 3] {
        let level = |v: f32| self.luma.0 + self.luma.1 * v;
        if self.layout == PixelLayout::Gbr {
            return [level(g), level(b), level(r)];
        }
        let (kr, kb) = self.weights;
        let y = kr * r + (1.0 - kr - kb) * g + kb * b;
        let difference = |v: f32, k: f32| self.chroma.0 + self.chroma.1 * (v - y) / (2.0 * (1.0 - k));
        [level(y), difference(b, kb), difference(r, kr)]
    }

    /// R'G'B' of the code values; 0..=1 for legal ones, beyond for others.
    pub fn decode(&self, codes: [f32; 3]) -> [f32; 3] {
        let level = |v: f32| (v - self.luma.0) / self.luma.1;
        match self.layout {
            PixelLayout::Gbr => [level(codes[2]), level(codes[0]), level(codes[1])],
            PixelLayout::Gray => [level(codes[0]); 3],
            PixelLayout::Yuv => {
                let (kr, kb) = self.weights;
                let y = level(codes[0]);
                let difference = |v: f32, k: f32| y + (v - self.chroma.0) / self.chroma.1 * 2.0 * (1.0 - k);
                let (b, r) = (difference(codes[1], kb), difference(codes[2], kr));
                [r, (y - kr * r - kb * b) / (1.0 - kr - kb), b]
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn format(layout: PixelLayout, depth: u8) -> PixelFormat {
        PixelFormat { layout, depth, log2_chroma_w: 0, log2_chroma_h: 0, alpha: false }
    }

    #[test]
    fn known_colours_get_the_codes_of_the_standards() {
        // Bars at 100 %, limited range: the equations of BT.601, BT.709 and BT.2020 worked by hand.
        for (matrix, rgb, codes) in [
            (6, [1.0, 1.0, 1.0], [235.0, 128.0, 128.0]),
            (6, [0.0, 0.0, 0.0], [16.0, 128.0, 128.0]),
            (6, [1.0, 0.0, 0.0], [81.5, 90.2, 240.0]),
            (1, [1.0, 0.0, 0.0], [62.6, 102.3, 240.0]),
            (1, [0.0, 0.0, 1.0], [31.8, 240.0, 117.7]),
            (9, [0.0, 1.0, 0.0], [164.5, 47.3, 25.0]),
        ] {
            let color = ColorInfo { matrix, ..ColorInfo::default() };
            let got = Coder::new(format(PixelLayout::Yuv, 8), color).encode(rgb);
            assert!(got.iter().zip(codes).all(|(g, w): (&f32, f32)| (g - w).abs() < 0.1), "{matrix} {rgb:?}: {got:?}");
        }
        let ten = Coder::new(format(PixelLayout::Yuv, 10), ColorInfo::default());
        assert_eq!(ten.encode([1.0; 3])[0].round(), 940.0);
        let full = ColorInfo { full_range: Some(true), ..ColorInfo::default() };
        assert_eq!(Coder::new(format(PixelLayout::Yuv, 12), full).encode([1.0; 3])[0].round(), 4095.0);
        assert_eq!(
            Coder::new(format(PixelLayout::Gbr, 8), ColorInfo::default()).encode([0.0, 1.0, 0.0]),
            [255.0, 0.0, 0.0]
        );
    }

    #[test]
    fn every_layout_matrix_and_range_comes_back() {
        for layout in [PixelLayout::Yuv, PixelLayout::Gbr] {
            for matrix in [1, 2, 4, 6, 7, 9] {
                for full_range in [None, Some(false), Some(true)] {
                    let color = ColorInfo { matrix, full_range, ..ColorInfo::default() };
                    let coder = Coder::new(format(layout, 10), color);
                    let rgb = [0.9, 0.2, 0.4];
                    let back = coder.decode(coder.encode(rgb));
                    assert!(rgb.iter().zip(back).all(|(a, b)| (a - b).abs() < 1e-5), "{layout:?} {color:?}: {back:?}");
                }
            }
        }
    }
}
