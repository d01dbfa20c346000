//! Enlarging: what a plan pins of it, and how that follows from what the user asks for.

mod coding;
mod enlarger;
mod model;
mod repeats;

use cleanplate_core::{FrameIdx, RepeatFinder, Repeats};
use cleanplate_media::Rational;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::marks::Clip;
use crate::networks::{placement, words};
use crate::observer::Event;
use crate::options::{NewSize, Options, UpscaleOptions};
use crate::region::shown_size;
use crate::watch::Watch;

pub(crate) use coding::Coding;
pub use coding::Condition;
pub(crate) use enlarger::{Enlarger, reduced};
pub use model::Model;
pub(crate) use repeats::{Known, find, shares};

/// The longest side that is written: what codecs and players know.
const LONGEST: u32 = 16_384;

/// Samples a side of a tile that goes through a network at once, where the user does not say: its features stay in the caches of
/// a core (two layers of 64 channels at half size take 2 MB), and overlaps stay below a fifth of the work.
const TILE: u32 = 128;

/// How the picture is enlarged, as a plan names it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Upscale {
    /// Columns of the stored picture.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// The network.
    pub model: Model,
    /// Samples a side of its tiles.
    pub tile: u32,
    /// What counts as a repeat.
    pub repeats: Repeats,
    /// Whether the source is quantised so coarsely that what moves a little is lost in its noise: then it takes more to be a repeat.
    #[serde(default)]
    pub is_coarse: bool,
    /// Frames that repeat an earlier one of their segment, rising, each with the first of its kind; the rest is new. `None`: they are
    /// found among the frames as they are enlarged.
    #[serde(default)]
    pub firsts: Option<Vec<(FrameIdx, FrameIdx)>>,
}

impl Upscale {
    /// What of it decides the bits of a segment.
    pub(crate) fn key(&self, segment: &std::ops::Range<FrameIdx>) -> serde_json::Value {
        let firsts = self.firsts.as_ref().map(|firsts| {
            let from = firsts.partition_point(|pair| pair.0 < segment.start);
            let to = firsts.partition_point(|pair| pair.0 < segment.end);
            &firsts[from..to]
        });
        let rule = firsts.is_none().then_some((self.repeats, self.is_coarse));
        serde_json::json!([self.width, self.height, self.model.key(), self.tile, rule, firsts])
    }

    /// What finds its repeats.
    pub(crate) const fn finder(&self) -> RepeatFinder {
        RepeatFinder::new(self.repeats, self.is_coarse)
    }

    /// As [`of`](Self::of), with the network that is `wanted` and fits how the source was coded opened once; says what was found out, and puts
    /// what runs it and what refused to into `said`.
    pub(crate) fn asked(
        wanted: &UpscaleOptions,
        options: &Options,
        (clip, coding): (&Clip, Coding),
        sar: Rational,
        said: &mut Vec<String>,
        watch: &mut Watch<'_>,
    ) -> Result<(Self, Rational)> {
        let condition = wanted.condition.unwrap_or_else(|| coding.condition());
        let (model, net) = Model::of(wanted, condition, &placement(options, watch))?;
        if model.path.is_none() {
            let why = if wanted.condition.is_some() { "as was said".to_owned() } else { coding.words() };
            watch.tell(Event::info(format!(
                "upscale: {} has weights for {} sources: {why}",
                model.name,
                condition.name()
            )));
        }
        let own = words("upscale", net.net());
        own.iter().for_each(|line| watch.tell(Event::info(line.clone())));
        said.extend(own);
        watch.tell(Event::info(format!("upscale: {} is {}", model.name, net.words())));
        let (mut upscale, sar) = Self::of(wanted, model, clip, sar)?;
        upscale.is_coarse = coding.is_coarse();
        let (w, h) = clip.size;
        watch.tell(Event::info(format!("upscale: {w}x{h} to {}x{}", upscale.width, upscale.height)));
        Ok((upscale, sar))
    }

    /// What is asked for, for `clip` with samples of `sar`, without its repeats; and the sample aspect ratio of the new picture.
    pub(crate) fn of(options: &UpscaleOptions, model: Model, clip: &Clip, sar: Rational) -> Result<(Self, Rational)> {
        let (w, h) = clip.size;
        let step = (1u32 << clip.format.log2_chroma_w, 1u32 << clip.format.log2_chroma_h);
        // Of what the codec can hold, the nearest.
        let even = |v: f64, step: u32| ((v / f64::from(step)).round() as u32).max(1) * step;
        let scaled = |x: f64, y: f64| (even(x * f64::from(w), step.0), even(y * f64::from(h), step.1));
        let size = match options.size {
            NewSize::Scale(by) => scaled(by, by),
            NewSize::Fit { width, height } => {
                let (width, height) = shown_size((width, height), clip.rotation);
                let factor = |to: u32, from: u32| f64::from(to) / f64::from(from);
                match (width, height) {
                    (Some(to_w), Some(to_h)) => scaled(factor(to_w, w), factor(to_h, h)),
                    (Some(to), None) => scaled(factor(to, w), factor(to, w)),
                    (None, Some(to)) => scaled(factor(to, h), factor(to, h)),
                    (None, None) => (w, h),
                }
            }
        };
        if size.0 < w || size.1 < h {
            return Err(Error::Usage(format!("{}x{} is smaller than the picture, which is {w}x{h}", size.0, size.1)));
        }
        if size.0.max(size.1) > LONGEST {
            return Err(
                cleanplate_media::Error::Limit(format!("a picture of {}x{} is too large", size.0, size.1)).into()
            );
        }
        let tile = options.tile.unwrap_or(TILE).max(16);
        let firsts = (options.repeats == Repeats::Off).then(Vec::new);
        let upscale =
            Self { width: size.0, height: size.1, model, tile, repeats: options.repeats, is_coarse: false, firsts };
        Ok((upscale, aspect(sar, (w, h), size)))
    }
}

/// The sample aspect ratio with which the new picture is displayed in the shape of the old one.
fn aspect(sar: Rational, (w, h): (u32, u32), to: (u32, u32)) -> Rational {
    if sar.num <= 0 || sar.den <= 0 {
        return sar;
    }
    let num = u64::from(sar.num.unsigned_abs()) * u64::from(w) * u64::from(to.1);
    let den = u64::from(sar.den.unsigned_abs()) * u64::from(h) * u64::from(to.0);
    let common = gcd(num, den).max(1);
    let (num, den) = (num / common, den / common);
    // Rounding to whole cells of chroma is no change of shape.
    let is_near = (num as f64 / den as f64 / (f64::from(sar.num) / f64::from(sar.den)) - 1.0).abs() < 0.004;
    match (i32::try_from(num), i32::try_from(den)) {
        (Ok(num), Ok(den)) if !is_near => Rational { num, den },
        _ => sar,
    }
}

const fn gcd(mut a: u64, mut b: u64) -> u64 {
    while b > 0 {
        (a, b) = (b, a % b);
    }
    a
}

#[cfg(test)]
mod tests {
    use super::*;
    use cleanplate_core::PixelFormat;

    fn clip(size: (u32, u32), rotation: u32) -> Clip {
        Clip { starts: vec![0.0], size, rotation: (rotation, false), format: PixelFormat::YUV420P8 }
    }

    fn made(size: NewSize, clip: &Clip, sar: (i32, i32)) -> Result<((u32, u32), (i32, i32))> {
        let options = UpscaleOptions { size, ..UpscaleOptions::default() };
        let (made, sar) = Upscale::of(&options, Model::default(), clip, Rational::new(sar.0, sar.1))?;
        Ok(((made.width, made.height), (sar.num, sar.den)))
    }

    #[test]
    fn sizes_are_whole_cells_of_chroma_and_keep_the_shape() {
        let plain = clip((641, 359), 0);
        assert_eq!(made(NewSize::Scale(2.0), &plain, (1, 1)).unwrap(), ((1282, 718), (1, 1)));
        assert_eq!(made(NewSize::Scale(1.5), &plain, (0, 1)).unwrap(), ((962, 538), (0, 1)));
        let fit = |width, height| NewSize::Fit { width, height };
        assert_eq!(made(fit(Some(1408), None), &clip((704, 576), 0), (16, 11)).unwrap(), ((1408, 1152), (16, 11)));
        // Displayed columns of a turned picture are stored rows.
        assert_eq!(made(fit(Some(720), None), &clip((640, 360), 90), (1, 1)).unwrap(), ((1280, 720), (1, 1)));
        // Square samples where both sides are given for a wide picture of narrow ones.
        assert_eq!(made(fit(Some(1024), Some(576)), &clip((704, 576), 0), (16, 11)).unwrap(), ((1024, 576), (1, 1)));
        assert!(made(fit(Some(320), None), &plain, (1, 1)).is_err());
        assert!(made(NewSize::Scale(60.0), &plain, (1, 1)).is_err());
    }
}
