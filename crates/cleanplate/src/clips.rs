//! Frames of a program's own to a file and back, for whoever measures jobs on clips with known truth.
//!
//! Refuses to know what is drawn and what is measured.

use std::ops::ControlFlow;
use std::path::Path;

use cleanplate_core::Frame;
use cleanplate_media::encode::{Codec, EncoderSpec, StaticSideData, usual_encoders};
use cleanplate_media::source::{OpenOptions, Source};
use cleanplate_media::{Container, Rational};

use crate::error::{Error, Result};
use crate::film::Film;

/// Ticks a second of the times of frames that are written.
const TICKS: i32 = 1000;

/// Writes `frames` (8-bit 4:2:0, all of one size, times in milliseconds) as H.264 into the MP4 file `path`, which is whole or not there at
/// all, and returns how many there were. The software encoder writes them as it would write a user's file, at its fast preset where it is x264.
///
/// # Errors
/// Where there is no frame, no encoder, or the file cannot be written; and the first error among `frames`.
pub fn write_clip(path: &Path, frames: impl IntoIterator<Item = Result<Frame>>) -> Result<u64> {
    let (mut film, mut count) = (None, 0);
    for frame in frames {
        let frame = frame?;
        if film.is_none() {
            film = Some(Film::open(&spec((frame.width, frame.height))?, &StaticSideData::default(), "clip")?);
        }
        if let Some(film) = &mut film {
            film.push(frame)?;
        }
        count += 1;
    }
    let film = film.ok_or_else(|| Error::Usage(format!("{} would have no frame", path.display())))?;
    film.write(path, Container::Mp4)?;
    Ok(count)
}

fn spec(size: (u32, u32)) -> Result<EncoderSpec> {
    let mut spec = usual_encoders(Codec::H264, size)?.spec;
    if spec.encoder == "libx264" {
        spec.options
            .iter_mut()
            .filter(|(key, _)| key == "preset")
            .for_each(|(_, value)| *value = "veryfast".to_owned());
    }
    // No reordering: decoding times are presentation times in a file of its own.
    spec.options.push(("bf".to_owned(), "0".to_owned()));
    Ok(EncoderSpec { time_base: Rational::new(1, TICKS), ..spec })
}

/// All frames of the video `path`, in order.
///
/// # Errors
/// Where it cannot be read.
pub fn read_clip(path: &Path) -> Result<impl Iterator<Item = Result<Frame>>> {
    let source = Source::open(path, &OpenOptions::default(), &mut |_, _| ControlFlow::Continue(()))?;
    let mut reader = source.reader(0)?;
    Ok(std::iter::from_fn(move || reader.read().map_err(Error::from).transpose()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use cleanplate_testkit::{Clip, Motion, Scenery, Shot};

    #[test]
    fn frames_come_back_at_their_times_and_close_to_what_they_were() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("clip.mp4");
        let shots = [Shot::new(Scenery::Clouds, Motion::Pan { dx: 1.5, dy: 0.5 }, 5)];
        let clip = Clip::new(3, (96, 64), &shots).with_durations(&[40]);
        assert_eq!(write_clip(&path, clip.frames().map(Ok)).unwrap(), 5);
        let back: Vec<_> = read_clip(&path).unwrap().collect::<Result<_>>().unwrap();
        assert_eq!(back.len(), 5);
        let step = back[1].pts - back[0].pts;
        assert!(back.windows(2).all(|pair| pair[1].pts - pair[0].pts == step), "25 frames a second");
        let mut psnr = cleanplate_testkit::Psnr::default();
        let whole = cleanplate_core::Mask::rectangle(back[0].bounds());
        back.iter().zip(clip.frames()).for_each(|(a, b)| psnr.add(a, &b, &whole));
        // Clouds have no edges: crf 18 leaves next to nothing of the error.
        assert!(psnr.plane(0).unwrap() > 40.0, "{psnr:?}");
    }

    #[test]
    fn what_fails_leaves_no_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("clip.mp4");
        assert!(write_clip(&path, []).is_err());
        let clip = Clip::new(3, (96, 64), &[Shot::new(Scenery::Clouds, Motion::Still, 2)]);
        let frames = clip.frames().map(Ok).chain([Err(Error::Cancelled)]);
        assert!(matches!(write_clip(&path, frames), Err(Error::Cancelled)));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
