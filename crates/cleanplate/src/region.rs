//! Places in the picture as users write them: `X,Y,W,H[@TIMES]` in displayed orientation.

use std::fmt;
use std::str::FromStr;

use cleanplate_core::Rect;
use serde::{Deserialize, Serialize};

use crate::times::Times;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Length {
    Pixels(f64),
    Percent(f64),
}

impl Length {
    fn of(self, whole: u32) -> f64 {
        match self {
            Self::Pixels(n) => n,
            Self::Percent(p) => p / 100.0 * f64::from(whole),
        }
    }
}

/// A rectangle in displayed orientation (after rotation, in stored pixels), optionally at some times only. `X,Y,W,H` in
/// pixels or per cent (`70%,5%,25%,10%`), or one of the names in [`Region::NAMES`].
#[derive(Clone, Debug, PartialEq)]
pub struct Region {
    sides: [Length; 4],
    named: bool,
    times: Option<Times>,
    text: String,
}

/// How the stored picture is turned for display: quarter turns clockwise in degrees, then a mirror left to right.
pub type Rotation = (u32, bool);

impl Region {
    /// Names of places, with the rectangle in per cent that each stands for.
    pub const NAMES: [(&'static str, [f64; 4]); 9] = [
        ("top", [0.0, 0.0, 100.0, 25.0]),
        ("bottom", [0.0, 75.0, 100.0, 25.0]),
        ("left", [0.0, 0.0, 25.0, 100.0]),
        ("right", [75.0, 0.0, 25.0, 100.0]),
        ("top-left", [0.0, 0.0, 35.0, 25.0]),
        ("top-right", [65.0, 0.0, 35.0, 25.0]),
        ("bottom-left", [0.0, 75.0, 35.0, 25.0]),
        ("bottom-right", [65.0, 75.0, 35.0, 25.0]),
        ("center", [25.0, 25.0, 50.0, 50.0]),
    ];

    /// When it holds; `None` is always.
    pub const fn times(&self) -> Option<&Times> {
        self.times.as_ref()
    }

    /// Whether it is one of the named places, which say where to look rather than what to fill.
    pub const fn is_named(&self) -> bool {
        self.named
    }

    /// The rectangle in samples of the stored picture of `width` x `height` that is displayed with `rotation`: every sample
    /// that the region touches. `None` where nothing of it lies inside the picture.
    pub fn stored(&self, (width, height): (u32, u32), rotation: Rotation) -> Option<Rect> {
        let (shown_w, shown_h) = shown_size((width, height), rotation);
        let [x, y, w, h] = self.sides;
        let (x, y) = (x.of(shown_w), y.of(shown_h));
        let (r, b) = (x + w.of(shown_w), y + h.of(shown_h));
        // Shares of whole samples stay whole: per cent are not exact in binary.
        let low = |v: f64, max: u32| (v + 1e-6).floor().clamp(0.0, f64::from(max)) as u32;
        let high = |v: f64, max: u32| (v - 1e-6).ceil().clamp(0.0, f64::from(max)) as u32;
        let (x0, y0, x1, y1) = (low(x, shown_w), low(y, shown_h), high(r, shown_w), high(b, shown_h));
        let shown = Rect::new(x0, y0, x1.saturating_sub(x0), y1.saturating_sub(y0));
        (!shown.is_empty()).then(|| to_stored(shown, (width, height), rotation))
    }
}

/// Columns and rows of a stored picture as it is displayed, or of a displayed one as it is stored.
pub(crate) const fn shown_size<T: Copy>((width, height): (T, T), rotation: Rotation) -> (T, T) {
    if rotation.0 % 180 == 90 { (height, width) } else { (width, height) }
}

/// A rectangle of the displayed picture in samples of the stored one of `width` x `height`.
pub fn to_stored(shown: Rect, (width, height): (u32, u32), (degrees, mirrored): Rotation) -> Rect {
    let shown_w = if degrees % 180 == 90 { height } else { width };
    let Rect { mut x, y, w, h } = shown;
    if mirrored {
        x = shown_w - x - w;
    }
    match degrees % 360 {
        90 => Rect::new(y, height - x - w, h, w),
        180 => Rect::new(width - x - w, height - y - h, w, h),
        270 => Rect::new(width - y - h, x, h, w),
        _ => Rect::new(x, y, w, h),
    }
}

/// A rectangle of the stored picture of `width` x `height` in samples of the displayed one.
pub fn to_shown(stored: Rect, (width, height): (u32, u32), (degrees, mirrored): Rotation) -> Rect {
    let Rect { x, y, w, h } = stored;
    let shown = match degrees % 360 {
        90 => Rect::new(height - y - h, x, h, w),
        180 => Rect::new(width - x - w, height - y - h, w, h),
        270 => Rect::new(y, width - x - w, h, w),
        _ => stored,
    };
    let shown_w = if degrees % 180 == 90 { height } else { width };
    if mirrored { Rect { x: shown_w - shown.x - shown.w, ..shown } } else { shown }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for Region {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (place, times) = match text.split_once('@') {
            Some((place, times)) => (place, Some(times.parse()?)),
            None => (text, None),
        };
        let place = place.trim();
        if let Some((_, sides)) = Self::NAMES.iter().find(|(name, _)| *name == place) {
            return Ok(Self { sides: sides.map(Length::Percent), named: true, times, text: text.to_owned() });
        }
        let sides: Vec<Length> = place.split(',').map(|side| length(side, text)).collect::<Result<_, _>>()?;
        let sides: [Length; 4] = sides.try_into().map_err(|_| {
            let names: Vec<&str> = Self::NAMES.iter().map(|(name, _)| *name).collect();
            format!("region {text:?} is neither X,Y,W,H nor one of {}", names.join(", "))
        })?;
        if sides[2..].iter().any(|side| side.of(100) <= 0.0) {
            return Err(format!("region {text:?} has no area: width and height must be above 0"));
        }
        Ok(Self { sides, named: false, times, text: text.to_owned() })
    }
}

fn length(side: &str, region: &str) -> Result<Length, String> {
    let side = side.trim();
    let (number, percent) = side.strip_suffix('%').map_or((side, false), |number| (number, true));
    let value: f64 =
        number.parse().map_err(|_| format!("region {region:?}: {side:?} is neither pixels (120) nor per cent (5%)"))?;
    if !value.is_finite() || value < 0.0 {
        return Err(format!("region {region:?}: {side:?} is below 0"));
    }
    Ok(if percent { Length::Percent(value) } else { Length::Pixels(value) })
}

impl Serialize for Region {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Region {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pixels_per_cent_and_names_give_the_same_rectangle() {
        let stored = |text: &str| text.parse::<Region>().unwrap().stored((200, 100), (0, false));
        assert_eq!(stored("150,0,50,25"), Some(Rect::new(150, 0, 50, 25)));
        assert_eq!(stored("75%, 0%, 25%, 25%"), stored("150,0,50,25"));
        assert_eq!(stored("bottom"), Some(Rect::new(0, 75, 200, 25)));
        assert_eq!(stored("190,90,50,50"), Some(Rect::new(190, 90, 10, 10)), "clipped to the picture");
        assert_eq!(stored("300,0,10,10"), None);
        let touched = "70%,5%,25%,12%".parse::<Region>().unwrap().stored((2, 2), (0, false));
        assert_eq!(touched, Some(Rect::new(1, 0, 1, 1)), "a sample that is touched is covered");
    }

    #[test]
    fn a_region_is_meant_as_the_picture_is_displayed() {
        // The displayed picture is 100 x 200; its top left corner is the stored bottom left one.
        let region: Region = "0,0,10,20".parse().unwrap();
        assert_eq!(region.stored((200, 100), (90, false)), Some(Rect::new(0, 90, 20, 10)));
        assert_eq!(region.stored((200, 100), (180, false)), Some(Rect::new(190, 80, 10, 20)));
        assert_eq!(region.stored((200, 100), (270, false)), Some(Rect::new(180, 0, 20, 10)));
        assert_eq!(region.stored((200, 100), (0, true)), Some(Rect::new(190, 0, 10, 20)));
    }

    #[test]
    fn displayed_and_stored_rectangles_are_inverse() {
        let rect = Rect::new(3, 5, 20, 9);
        for degrees in [0, 90, 180, 270] {
            for mirrored in [false, true] {
                let rotation = (degrees, mirrored);
                let shown = to_shown(rect, (200, 100), rotation);
                assert_eq!(to_stored(shown, (200, 100), rotation), rect, "{rotation:?}");
            }
        }
    }

    #[test]
    fn nonsense_is_refused_with_the_offending_text() {
        for text in ["1,2,3", "a,b,c,d", "1,2,0,4", "-1,0,5,5", "nowhere", "1,2,3,4@x", "1,2,3,4,5"] {
            assert!(text.parse::<Region>().unwrap_err().contains(text.split('@').next_back().unwrap()), "{text}");
        }
    }
}
