//! The clips that jobs are measured on: drawn from a seed, so that every machine gets the same frames.

use std::ops::Range;
use std::str::FromStr;

use clap::ValueEnum;
use cleanplate_testkit::{Clip, Frame, Mark, MarkKind, Motion, Rect, Scenery, Shot};

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    Remove,
    Captions,
    Upscale,
}

impl Kind {
    pub(crate) const ALL: [Self; 3] = [Self::Remove, Self::Captions, Self::Upscale];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Remove => "remove",
            Self::Captions => "captions",
            Self::Upscale => "upscale",
        }
    }
}

/// Size of the picture that a job makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Size {
    pub(crate) name: String,
    pub(crate) width: u32,
    pub(crate) height: u32,
}

/// Sides that are taken: below, no letter of a caption can be read; above, encoders of H.264 give up.
const SIDES: std::ops::RangeInclusive<u32> = 64..=8192;

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let name = text.trim().to_ascii_lowercase();
        let sides = match name.as_str() {
            "720p" => Some((1280, 720)),
            "1080p" => Some((1920, 1080)),
            "4k" | "2160p" => Some((3840, 2160)),
            other => other.split_once('x').and_then(|(w, h)| Some((w.parse().ok()?, h.parse().ok()?))),
        };
        match sides {
            Some((width, height)) if [width, height].iter().all(|side| SIDES.contains(side) && side % 4 == 0) => {
                Ok(Self { name, width, height })
            }
            Some(_) => {
                Err(format!("{text:?}: both sides are multiples of 4 from {} to {}", SIDES.start(), SIDES.end()))
            }
            None => Err(format!("{text:?} is not 720p, 1080p, 4k or WIDTHxHEIGHT")),
        }
    }
}

impl Size {
    pub(crate) fn usual() -> Vec<Self> {
        ["720p", "1080p", "4k"].iter().filter_map(|name| name.parse().ok()).collect()
    }

    /// Frames where nothing is said: about as much work at every size, but enough for what has to be seen over time.
    pub(crate) fn usual_frames(&self) -> u32 {
        const AT_720P: u64 = 96;
        let pixels = u64::from(self.width) * u64::from(self.height);
        (AT_720P * 1280 * 720 / pixels.max(1)).clamp(24, AT_720P) as u32
    }
}

/// Milliseconds a frame: 25 a second.
const FRAME_MS: i64 = 40;

/// A clip with what is laid over it, each on some of its frames.
pub(crate) struct Scene {
    clip: Clip,
    marks: Vec<(Mark, Range<u64>)>,
}

impl Scene {
    /// The clip for a job that makes a picture of `size`: for `Upscale` half of that on both sides.
    pub(crate) fn of(kind: Kind, size: &Size, frames: u32) -> Self {
        let by = if kind == Kind::Upscale { 2 } else { 1 };
        let (w, h) = (size.width / by, size.height / by);
        let frames = u64::from(frames);
        // Two balls before textured clouds, a pan of fractions of a sample, and the noise of a camera: nothing repeats, and nothing is
        // free for the encoder. The pan is so fast that 24 frames tell what moves from what stays (score of the logo 0.65 to 0.66 at
        // 320x240 to 4K; over leaves, or half as fast, it was not found everywhere).
        let pan = Motion::Pan { dx: f64::from(w) / 160.0 + 0.3, dy: f64::from(h) / 900.0 + 0.1 };
        let shot = Shot { movers: 2, grain: 1.5, ..Shot::new(Scenery::Clouds, pan, frames) };
        let clip = Clip::new(2024, (w, h), &[shot]).with_durations(&[FRAME_MS]);
        let marks = match kind {
            Kind::Remove => {
                let logo = MarkKind::TranslucentLogo;
                vec![(Mark::draw(logo, logo.corner(w, h)), 0..frames)]
            }
            Kind::Captions => captions((w, h), frames),
            Kind::Upscale => Vec::new(),
        };
        Self { clip, marks }
    }

    pub(crate) const fn size(&self) -> (u32, u32) {
        self.clip.size()
    }

    pub(crate) fn len(&self) -> u64 {
        self.clip.len()
    }

    /// Frame `idx` without marks.
    pub(crate) fn truth(&self, idx: u64) -> Option<Frame> {
        self.clip.frame(idx)
    }

    /// All frames as they are given to the job.
    pub(crate) fn frames(&self) -> impl Iterator<Item = Frame> + '_ {
        self.clip.frames().map(|frame| self.shown(frame.idx).fold(frame, |frame, mark| mark.over(&frame)))
    }

    /// The marks that frame `idx` shows.
    pub(crate) fn shown(&self, idx: u64) -> impl Iterator<Item = &Mark> {
        self.marks.iter().filter(move |(_, when)| when.contains(&idx)).map(|(mark, _)| mark)
    }
}

/// Two lines of outlined letters, one after the other, with frames before and after on which there is none.
fn captions((w, h): (u32, u32), frames: u64) -> Vec<(Mark, Range<u64>)> {
    let (width, height) = (w * 6 / 10, (h / 12).max(14));
    let place = Rect::new((w - width) / 2, h * 86 / 100, width, height);
    let line = |text: &str, part: Range<u64>| {
        let when = part.start * frames / 8..part.end * frames / 8;
        (Mark::text(MarkKind::OutlinedText, text, place), when)
    };
    vec![line("NOBODY TOLD ME ABOUT IT", 1..4), line("COME BACK TOMORROW", 4..7)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_names_or_sides_and_others_are_refused() {
        for (text, wanted) in [("720p", (1280, 720)), ("4K", (3840, 2160)), ("160x120", (160, 120))] {
            let size: Size = text.parse().unwrap();
            assert_eq!((size.width, size.height), wanted, "{text}");
        }
        for text in ["", "8k", "60x60", "161x120", "9000x9000", "160x", "160"] {
            assert!(text.parse::<Size>().is_err(), "{text}");
        }
        let frames: Vec<u32> = Size::usual().iter().map(Size::usual_frames).collect();
        assert_eq!(frames, [96, 42, 24]);
    }

    #[test]
    fn a_scene_is_the_same_each_time_and_shows_its_marks_on_their_frames_alone() {
        let size: Size = "320x180".parse().unwrap();
        let same = |a: &Frame, b: &Frame| a.has_samples_of(b);
        for (kind, bare) in
            [(Kind::Remove, vec![]), (Kind::Captions, vec![0, 1, 14, 15]), (Kind::Upscale, (0..16).collect())]
        {
            let (one, two) = (Scene::of(kind, &size, 16), Scene::of(kind, &size, 16));
            assert!(one.frames().zip(two.frames()).all(|(a, b)| same(&a, &b)), "{kind:?}");
            let unmarked: Vec<u64> = one
                .frames()
                .filter(|frame| same(frame, &one.truth(frame.idx).unwrap()))
                .map(|frame| frame.idx)
                .collect();
            assert_eq!(unmarked, bare, "{kind:?}");
        }
        assert_eq!(Scene::of(Kind::Upscale, &size, 1).size(), (160, 90));
    }
}
