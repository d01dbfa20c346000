//! HDR10 static metadata: one description of the mastering display for the whole stream.

use cleanplate_core::Frame;
use serde::{Deserialize, Serialize};

use crate::av::ffi;
use crate::surface::AvSurface;
use crate::types::Rational;

/// Colour volume of the mastering display (SMPTE ST 2086).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct MasteringDisplay {
    /// CIE 1931 x and y of the red, green and blue primary.
    pub primaries: [[Rational; 2]; 3],
    /// CIE 1931 x and y of the white point.
    pub white: [Rational; 2],
    /// Smallest luminance in candela a square metre.
    pub min_luminance: Rational,
    /// Largest luminance in candela a square metre.
    pub max_luminance: Rational,
}

/// Content light level (CTA-861.3), in candela a square metre.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContentLight {
    /// Largest light level of any sample.
    pub max_content: u32,
    /// Largest average light level of any frame.
    pub max_frame_average: u32,
}

/// What encoders write once for a stream. It decides bits as the [`EncoderSpec`](super::EncoderSpec) does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StaticSideData {
    /// The mastering display, where known.
    pub mastering: Option<MasteringDisplay>,
    /// The light level, where known.
    pub light: Option<ContentLight>,
}

impl StaticSideData {
    /// What a decoded frame carries.
    pub fn of_frame(frame: &Frame) -> Self {
        let Some(surface) = frame.surface().as_any().downcast_ref::<AvSurface>() else {
            return Self::default();
        };
        let data = |kind| {
            // SAFETY: the picture lives as long as the frame; libav answers null or an entry with `size` bytes.
            unsafe {
                let entry = ffi::av_frame_get_side_data(surface.frame().as_ptr(), kind).as_ref()?;
                (!entry.data.is_null()).then(|| std::slice::from_raw_parts(entry.data, entry.size))
            }
        };
        Self::from_bytes(
            data(ffi::AVFrameSideDataType::MASTERING_DISPLAY_METADATA),
            data(ffi::AVFrameSideDataType::CONTENT_LIGHT_LEVEL),
        )
    }

    /// From the bytes of libav's `AVMasteringDisplayMetadata` and `AVContentLightMetadata`, which frames and streams carry
    /// alike. Chromaticities or luminances that are not given become 0, which CTA-861.3 reads as unknown.
    pub fn from_bytes(mastering: Option<&[u8]>, light: Option<&[u8]>) -> Self {
        let number = |bytes: &[u8], at: usize| {
            let word = bytes.get(at * 4..at * 4 + 4).and_then(|b| <[u8; 4]>::try_from(b).ok());
            word.map_or(0, i32::from_ne_bytes)
        };
        let mastering = mastering.filter(|bytes| bytes.len() >= 22 * 4).map(|bytes| {
            let (has_primaries, has_luminance) = (number(bytes, 20) != 0, number(bytes, 21) != 0);
            let rational = |at: usize| {
                let given = if at < 8 { has_primaries } else { has_luminance };
                if given {
                    Rational::new(number(bytes, at * 2), number(bytes, at * 2 + 1))
                } else {
                    Rational::new(0, 1)
                }
            };
            MasteringDisplay {
                primaries: [0, 1, 2].map(|c| [rational(c * 2), rational(c * 2 + 1)]),
                white: [rational(6), rational(7)],
                min_luminance: rational(8),
                max_luminance: rational(9),
            }
        });
        let light = light.filter(|bytes| bytes.len() >= 8).map(|bytes| ContentLight {
            max_content: number(bytes, 0).max(0) as u32,
            max_frame_average: number(bytes, 1).max(0) as u32,
        });
        Self { mastering, light }
    }
}

/// `value` in steps of `1 / per`, rounded to the nearest.
fn steps(value: Rational, per: i64) -> i64 {
    if value.den == 0 {
        return 0;
    }
    let (num, den) = (i64::from(value.num) * per, i64::from(value.den));
    (num + den / 2).div_euclid(den)
}

impl MasteringDisplay {
    /// As x264 and x265 take it: chromaticities in 1/50000, luminances in 1/10000 (ITU-T H.265 D.3.28).
    pub(super) fn for_x26x(&self) -> String {
        let pair = |p: [Rational; 2]| format!("({},{})", steps(p[0], 50_000), steps(p[1], 50_000));
        let [red, green, blue] = self.primaries;
        format!(
            "G{}B{}R{}WP{}L({},{})",
            pair(green),
            pair(blue),
            pair(red),
            pair(self.white),
            steps(self.max_luminance, 10_000),
            steps(self.min_luminance, 10_000)
        )
    }

    /// As SVT-AV1 takes it: numbers as they are.
    pub(super) fn for_svt(&self) -> String {
        let pair = |p: [Rational; 2]| format!("({:.5},{:.5})", p[0].value(), p[1].value());
        let [red, green, blue] = self.primaries;
        format!(
            "G{}B{}R{}WP{}L({:.4},{:.4})",
            pair(green),
            pair(blue),
            pair(red),
            pair(self.white),
            self.max_luminance.value(),
            self.min_luminance.value()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mastering_display_is_written_in_the_units_of_each_encoder() {
        let r = |n: i32| Rational::new(n, 50_000);
        let display = MasteringDisplay {
            primaries: [[r(34_000), r(16_000)], [r(13_250), r(34_500)], [r(7_500), r(3_000)]],
            white: [r(15_635), r(16_450)],
            min_luminance: Rational::new(50, 10_000),
            max_luminance: Rational::new(1000, 1),
        };
        assert_eq!(display.for_x26x(), "G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,50)");
        assert_eq!(
            display.for_svt(),
            "G(0.26500,0.69000)B(0.15000,0.06000)R(0.68000,0.32000)WP(0.31270,0.32900)L(1000.0000,0.0050)"
        );
    }
}
