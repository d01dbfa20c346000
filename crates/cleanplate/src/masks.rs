//! Masks as files: what users give, and what plans keep, each named by its content.

use std::collections::HashMap;
use std::fs;
use std::io::{BufReader, Cursor};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cleanplate_core::{Mask, Raster, Rect};
use image::{GrayImage, ImageFormat, ImageReader};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};
use crate::region::{Rotation, shown_size, to_stored};
use crate::store::sync_parent;

/// Coverage of a given mask below which a pixel counts as unmarked: what lossy storage leaves of black.
const NOISE: u8 = 16;

/// A mask that is kept elsewhere: the name of its picture and where that lies in the stored frame.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct MaskRef {
    /// SHA-256 of size and coverage, wherever it lies; the picture is `<blob>.png`, gray, white is covered.
    pub blob: String,
    /// Where it lies, in samples of the stored picture.
    pub rect: Rect,
}

/// A folder of masks named by their content, with those used last kept in memory.
#[derive(Debug)]
pub struct MaskFolder {
    folder: PathBuf,
    recent: HashMap<String, Arc<Mask>>,
}

/// Masks kept in memory at most; a still mark needs one, captions a few.
const RECENT: usize = 32;

impl MaskFolder {
    /// The masks in `folder`, which must exist.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into(), recent: HashMap::new() }
    }

    /// Where the pictures lie.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Keeps `mask` and names it. The same mask is kept once.
    ///
    /// # Errors
    /// Where the folder cannot be written.
    pub fn keep(&mut self, mask: &Mask) -> Result<MaskRef> {
        let mask = mask.trimmed();
        let rect = mask.rect();
        let mut hash = Sha256::new();
        for side in [rect.w, rect.h] {
            hash.update(side.to_le_bytes());
        }
        hash.update(mask.coverage().data());
        let blob = hex(&hash.finalize());
        let path = self.file(&blob);
        if !path.exists() {
            // A mask of nothing still needs a picture with a pixel.
            let (w, h) = (rect.w.max(1), rect.h.max(1));
            let mut data = mask.coverage().data().to_vec();
            data.resize(w as usize * h as usize, 0);
            let picture =
                GrayImage::from_raw(w, h, data).ok_or_else(|| Error::Internal("a mask of the wrong size".into()))?;
            let mut bytes = Cursor::new(Vec::new());
            picture.write_to(&mut bytes, ImageFormat::Png).map_err(|e| Error::Internal(format!("mask as PNG: {e}")))?;
            let temporary = path.with_extension("tmp");
            fs::write(&temporary, bytes.get_ref()).map_err(Error::io("write", temporary.clone()))?;
            fs::rename(&temporary, &path).map_err(Error::io("rename", path.clone()))?;
            sync_parent(&path)?;
        }
        self.remember(&blob, Arc::new(mask));
        Ok(MaskRef { blob, rect })
    }

    /// The mask of that name.
    ///
    /// # Errors
    /// Where its picture is missing, unreadable, or of another size than the plan says.
    pub fn load(&mut self, name: &MaskRef) -> Result<Arc<Mask>> {
        if let Some(mask) = self.recent.get(&name.blob) {
            if mask.rect() == name.rect {
                return Ok(Arc::clone(mask));
            }
            // The same shape at another place.
            if let Some(moved) = Mask::new(name.rect, mask.coverage().clone()) {
                return Ok(Arc::new(moved));
            }
        }
        let path = self.file(&name.blob);
        let picture = read_gray(&path)?;
        let mask = if name.rect.is_empty() {
            Mask::empty()
        } else {
            Mask::new(name.rect, picture).ok_or_else(|| {
                Error::Usage(format!("mask {} is not {}x{} as the plan says", path.display(), name.rect.w, name.rect.h))
            })?
        };
        let mask = Arc::new(mask);
        self.remember(&name.blob, Arc::clone(&mask));
        Ok(mask)
    }

    fn remember(&mut self, blob: &str, mask: Arc<Mask>) {
        if self.recent.len() >= RECENT {
            self.recent.clear();
        }
        self.recent.insert(blob.to_owned(), mask);
    }

    fn file(&self, blob: &str) -> PathBuf {
        self.folder.join(format!("{blob}.png"))
    }
}

/// Bytes as lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn read_gray(path: &Path) -> Result<Raster<u8>> {
    let reader = fs::File::open(path).map_err(Error::io("open the mask", path))?;
    let reader = ImageReader::new(BufReader::new(reader));
    let picture = reader.with_guessed_format().map_err(Error::io("read the mask", path))?.decode();
    let picture = picture.map_err(|e| Error::Usage(format!("cannot read the mask {}: {e}", path.display())))?;
    let picture = picture.into_luma8();
    Raster::from_vec(picture.width(), picture.height(), picture.into_raw())
        .ok_or_else(|| Error::Internal("a picture of the wrong size".into()))
}

/// Reads a user's mask: a gray picture of the displayed size (`width` x `height` are the stored ones); white is the mark.
///
/// # Errors
/// Where it cannot be read, has another size, or covers nothing.
pub(crate) fn read_mask(path: &Path, (width, height): (u32, u32), rotation: Rotation) -> Result<Mask> {
    let picture = read_gray(path)?;
    let shown = shown_size((width, height), rotation);
    if (picture.width(), picture.height()) != shown {
        return Err(Error::Usage(format!(
            "the mask {} is {}x{}, the picture is displayed at {}x{}",
            path.display(),
            picture.width(),
            picture.height(),
            shown.0,
            shown.1
        )));
    }
    let mask = turned(&picture, (width, height), rotation);
    if mask.is_empty() {
        return Err(Error::Usage(format!("the mask {} covers nothing: white is the mark", path.display())));
    }
    Ok(mask)
}

/// A mask of the displayed picture as one of the stored picture of `width` x `height`, without noise.
pub(crate) fn turned(shown: &Raster<u8>, (width, height): (u32, u32), rotation: Rotation) -> Mask {
    let mut stored = Raster::new(width, height, 0u8);
    for y in 0..shown.height() {
        for (x, c) in shown.row(y).iter().enumerate().filter(|(_, c)| **c >= NOISE) {
            let at = to_stored(Rect::new(x as u32, y, 1, 1), (width, height), rotation);
            stored.set(at.x, at.y, *c);
        }
    }
    let whole = Rect::new(0, 0, width, height);
    Mask::new(whole, stored).map_or_else(Mask::empty, |mask| mask.trimmed())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_comes_back_as_it_was_kept() {
        let folder = tempfile::tempdir().unwrap();
        let mut masks = MaskFolder::new(folder.path());
        let mut coverage = Raster::new(5, 4, 0u8);
        coverage.set(2, 1, 200);
        coverage.set(3, 3, 17);
        let mask = Mask::new(Rect::new(100, 50, 5, 4), coverage).unwrap();
        let name = masks.keep(&mask).unwrap();
        assert_eq!(masks.keep(&mask).unwrap(), name, "the same mask has the same name");
        let moved = Mask::new(Rect::new(7, 80, 5, 4), mask.coverage().clone()).unwrap();
        let other = masks.keep(&moved).unwrap();
        assert_eq!(other.blob, name.blob, "a shape is kept once, wherever it lies");
        assert_eq!((*masks.load(&name).unwrap()).clone(), mask.trimmed());
        assert_eq!((*masks.load(&other).unwrap()).clone(), moved.trimmed());
        let loaded = MaskFolder::new(folder.path()).load(&name).unwrap();
        assert_eq!(*loaded, mask.trimmed());
        let nothing = masks.keep(&Mask::empty()).unwrap();
        assert!(MaskFolder::new(folder.path()).load(&nothing).unwrap().is_empty());
    }

    #[test]
    fn a_users_mask_is_meant_as_displayed_and_must_fit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.png");
        let mut picture = GrayImage::new(10, 20);
        picture.put_pixel(0, 0, image::Luma([255]));
        picture.put_pixel(5, 5, image::Luma([8]));
        picture.save(&path).unwrap();
        // Stored 20 x 10, shown 10 x 20 after a quarter turn clockwise: the shown top left is the stored bottom left.
        let mask = read_mask(&path, (20, 10), (90, false)).unwrap();
        assert_eq!((mask.rect(), mask.area()), (Rect::new(0, 9, 1, 1), 1));
        let error = read_mask(&path, (20, 10), (0, false)).unwrap_err().to_string();
        assert!(error.contains("10x20") && error.contains("20x10"), "{error}");
    }
}
