//! Marks that users give as a picture with opacity (`--matte logo.png`): read, found in the clip, and drawn as a matte.

use std::path::{Path, PathBuf};

use cleanplate_core::matte::{Ink, InkFound, InkSearch, Placement};
use cleanplate_core::{Raster, Rect};
use image::{ImageReader, RgbaImage};

use crate::analyse::{candidates, visit};
use crate::error::{Error, Result};
use crate::footage::Footage;
use crate::marks::place;
use crate::mattes::MatteFile;
use crate::observer::{Event, Phase};
use crate::options::Options;
use crate::region::{Rotation, shown_size, to_stored};
use crate::watch::Watch;

/// Frames whose mean is looked at.
const FRAMES: usize = 48;

/// A user's picture as a matte of the clip.
pub(crate) struct Placed {
    pub(crate) file: MatteFile,
    /// How it was placed, in words.
    pub(crate) words: String,
}

/// Whether a matte is given as a picture rather than as a file of ours.
pub(crate) fn is_picture(path: &Path) -> bool {
    !path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("matte"))
}

/// Finds the marks that `options` give as pictures. A picture of the displayed size lies where it lies (to a sample; it is
/// placed more finely where the clip shows how); a smaller one is looked for, at any size from a quarter to four times its
/// own, within the regions where there are some.
pub(crate) fn placed(footage: &dyn Footage, options: &Options, watch: &mut Watch<'_>) -> Result<Vec<Placed>> {
    let paths: Vec<&PathBuf> = options.mattes.iter().filter(|path| is_picture(path)).collect();
    if paths.is_empty() {
        return Ok(Vec::new());
    }
    let clip = footage.clip();
    let frames = candidates(footage.count(), FRAMES, |idx| footage.is_key(idx));
    watch.begin(Phase::Analyse, frames.len() as u64, 0)?;
    let mut search = InkSearch::new(clip.size, clip.format);
    visit(footage, options, &frames, 0, watch, &mut |frame| search.observe(&frame))?;
    let bounds = options.regions.iter().map(|region| place(region, clip)).collect::<Result<Vec<Rect>>>()?;
    let mut out = Vec::new();
    for path in paths {
        watch.poll()?;
        let (ink, is_whole) = read(path, clip.size, clip.rotation)?;
        let (at, words) = if is_whole {
            whole(&ink, search.near(&ink, Placement { x: 0.0, y: 0.0, scale: 1.0 }))
        } else {
            found(path, &ink, search.find(&ink, &bounds))?
        };
        watch.tell(Event::info(format!("matte {}: {words}", path.display())));
        let matte = ink.matte(at, clip.format, search.color(), clip.size).ok_or_else(|| {
            Error::Usage(format!("the picture of the mark {} lies outside of the frame", path.display()))
        })?;
        let noise = matte.planes().iter().map(|p| Raster::new(p.keep.width(), p.keep.height(), 0.0)).collect();
        out.push(Placed { file: MatteFile { matte, frame: clip.size, noise, alpha: ink.alpha() }, words });
    }
    watch.end();
    Ok(out)
}

/// Where a picture of the frame's size lies.
fn whole(ink: &Ink, near: InkFound) -> (Placement, String) {
    let Placement { x, y, scale } = near.at;
    let moved = x.abs().max(y.abs());
    if near.is_sure(ink) && moved < 2.0 && (scale - 1.0).abs() < 0.01 {
        return (near.at, format!("moved by {x:.2},{y:.2} to where the clip shows it (likeness {:.2})", near.likeness));
    }
    let at = Placement { x: 0.0, y: 0.0, scale: 1.0 };
    (at, format!("placed as drawn: the clip does not show it better (likeness {:.2})", near.likeness))
}

fn found(path: &Path, ink: &Ink, found: Option<InkFound>) -> Result<(Placement, String)> {
    let best = found.map_or(0.0, |found| found.likeness);
    let found = found.filter(|found| found.is_sure(ink)).ok_or_else(|| {
        Error::Usage(format!(
            "the mark of {} was not found in the clip (best likeness {best:.2}): give a picture of the \
             size of the frame, which needs no search, or name its place with --region",
            path.display()
        ))
    })?;
    let Placement { x, y, scale } = found.at;
    Ok((found.at, format!("found at {x:.2},{y:.2}, {scale:.3} times its size (likeness {:.2})", found.likeness)))
}

/// The mark of a picture, turned as the frames are stored, and whether the picture has their size.
fn read(path: &Path, size: (u32, u32), rotation: Rotation) -> Result<(Ink, bool)> {
    let reader = ImageReader::open(path).map_err(Error::io("open the matte", path))?;
    let picture = reader.with_guessed_format().map_err(Error::io("read the matte", path))?.decode();
    let picture = picture.map_err(|e| Error::Usage(format!("cannot read the matte {}: {e}", path.display())))?;
    if !picture.color().has_alpha() {
        return Err(Error::Usage(format!(
            "the matte {} has no opacity: give a picture with alpha, or --mask for where the mark is",
            path.display()
        )));
    }
    let picture = stored(&picture.into_rgba8(), rotation);
    let (w, h) = picture.dimensions();
    let ink = Ink::new(w, h, picture.as_raw());
    let ink = ink.ok_or_else(|| Error::Usage(format!("the matte {} is clear everywhere", path.display())))?;
    Ok((ink, (w, h) == size))
}

/// A picture of the displayed frame as it is stored.
fn stored(shown: &RgbaImage, rotation: Rotation) -> RgbaImage {
    let (w, h) = shown.dimensions();
    let (w, h) = shown_size((w, h), rotation);
    let mut out = RgbaImage::new(w, h);
    for (x, y, pixel) in shown.enumerate_pixels() {
        let at = to_stored(Rect::new(x, y, 1, 1), (w, h), rotation);
        out.put_pixel(at.x, at.y, *pixel);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_without_opacity_or_ink_is_refused_by_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("logo.png");
        image::RgbImage::new(4, 4).save(&path).unwrap();
        let words = read(&path, (64, 48), (0, false)).unwrap_err().to_string();
        assert!(words.contains("logo.png") && words.contains("--mask"), "{words}");
        RgbaImage::new(4, 4).save(&path).unwrap();
        assert!(read(&path, (64, 48), (0, false)).unwrap_err().to_string().contains("clear everywhere"));
    }

    #[test]
    fn a_picture_is_turned_as_the_frames_are_stored() {
        let mut shown = RgbaImage::new(2, 3);
        shown.put_pixel(0, 0, image::Rgba([1, 2, 3, 255]));
        let turned = stored(&shown, (90, false));
        assert_eq!((turned.dimensions(), turned.get_pixel(0, 1).0), ((3, 2), [1, 2, 3, 255]));
    }
}
