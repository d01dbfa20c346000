//! HDR10 static metadata: one description of the mastering display for the whole stream.

use std::ffi::{c_int, c_uint};

use cleanplate_core::Frame;
use serde::{Deserialize, Serialize};

use crate::av::{AvFrame, ffi};
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
    /// What a decoded frame says of itself; nothing for frames that did not come from libav.
    pub fn of(frame: &Frame) -> Self {
        let Some(surface) = frame.surface().as_any().downcast_ref::<AvSurface>() else { return Self::default() };
        let picture = surface.frame();
        let mastering = side_data::<AvMasteringDisplay>(picture, ffi::AVFrameSideDataType::MASTERING_DISPLAY_METADATA);
        let mastering = mastering.filter(|m| m.has_primaries != 0 && m.has_luminance != 0).map(|m| MasteringDisplay {
            primaries: m.display_primaries.map(|p| p.map(Rational::from)),
            white: m.white_point.map(Rational::from),
            min_luminance: m.min_luminance.into(),
            max_luminance: m.max_luminance.into(),
        });
        let light = side_data::<AvContentLight>(picture, ffi::AVFrameSideDataType::CONTENT_LIGHT_LEVEL);
        let light = light.map(|l| ContentLight { max_content: l.max_cll, max_frame_average: l.max_fall });
        Self { mastering, light }
    }
}

/// libav's `AVMasteringDisplayMetadata`, whose layout is part of its public interface (the bindings leave it out).
#[derive(Clone, Copy)]
#[repr(C)]
struct AvMasteringDisplay {
    display_primaries: [[ffi::AVRational; 2]; 3],
    white_point: [ffi::AVRational; 2],
    min_luminance: ffi::AVRational,
    max_luminance: ffi::AVRational,
    has_primaries: c_int,
    has_luminance: c_int,
}

/// libav's `AVContentLightMetadata`.
#[derive(Clone, Copy)]
#[repr(C)]
struct AvContentLight {
    max_cll: c_uint,
    max_fall: c_uint,
}

/// A copy of a frame's side data of that type; `T` must be libav's structure for it.
fn side_data<T: Copy>(picture: &AvFrame, kind: ffi::AVFrameSideDataType) -> Option<T> {
    // SAFETY: the frame is valid; libav answers with null or an entry of the frame.
    let entry = unsafe { ffi::av_frame_get_side_data(picture.as_ptr(), kind).as_ref() }?;
    // SAFETY: the entry holds at least a T where its size says so; libav aligns it.
    (entry.size >= size_of::<T>()).then(|| unsafe { *entry.data.cast::<T>() })
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
