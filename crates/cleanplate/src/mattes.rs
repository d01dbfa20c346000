//! Mattes as files: what plans keep and users carry from clip to clip, each named by its content.

use std::fs;
use std::path::{Path, PathBuf};

use cleanplate_core::{FrameIdx, Matte, MattePlane, PixelFormat, Raster, Rect};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::blobs::{self, Magic};
use crate::error::{Error, Result};
use crate::masks::hex;
use crate::plan::write_beside;

/// First bytes of a matte file; the last one is the version.
const MAGIC: &Magic = b"CPMATTE\x01";

/// Samples of a file that are believed at most.
const MAX_SAMPLES: u64 = 1 << 28;

/// A matte that is kept elsewhere, and what is known of the mark it describes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MatteRef {
    /// SHA-256 of the file; it is `<blob>.matte`.
    pub blob: String,
    /// Where it lies, in samples of the stored picture.
    pub rect: Rect,
    /// Median opacity inside, 0..=1.
    pub alpha: f32,
    /// How strongly the mark is shown: knots of frame and gain (0..=1), linear between; empty: fully on every frame.
    #[serde(default)]
    pub gain: Vec<(FrameIdx, f32)>,
}

/// What a matte file says before its samples.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Head {
    rect: Rect,
    format: PixelFormat,
    frame: (u32, u32),
    alpha: f32,
}

/// A matte with what belongs to it, as a file holds it: the planes as 32-bit floats, little-endian, of each plane first what
/// the mark lets through, then what it adds, then the noise.
#[derive(Clone, Debug, PartialEq)]
pub struct MatteFile {
    /// The matte.
    pub matte: Matte,
    /// Columns and rows of the frames it was made for.
    pub frame: (u32, u32),
    /// Standard deviation of what is wrong with computed samples, per plane of the matte, in code values.
    pub noise: Vec<Raster<f32>>,
    /// Median opacity inside, 0..=1.
    pub alpha: f32,
}

impl MatteFile {
    fn bytes(&self) -> Result<Vec<u8>> {
        let (rect, format) = (self.matte.rect(), self.matte.format());
        let head = Head { rect, format, frame: self.frame, alpha: self.alpha };
        let mut bytes = blobs::begin(MAGIC, &head)?;
        for (plane, noise) in self.matte.planes().iter().zip(&self.noise) {
            for raster in [&plane.keep, &plane.add, noise] {
                raster.data().iter().for_each(|value| bytes.extend(value.to_le_bytes()));
            }
        }
        Ok(bytes)
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let (head, samples): (Head, &[u8]) = blobs::split(bytes, MAGIC)?;
        let whole = Rect::new(0, 0, head.frame.0, head.frame.1);
        if head.rect.area() > MAX_SAMPLES || head.rect.intersect(&whole) != head.rect {
            return None;
        }
        let (values, tail) = samples.as_chunks::<4>();
        let mut values = values.iter().map(|value| f32::from_le_bytes(*value));
        let (mut planes, mut noise) = (Vec::new(), Vec::new());
        for plane in (0..head.format.planes()).filter(|plane| !head.format.is_alpha(*plane)) {
            let (sw, sh) = head.format.subsampling(plane);
            let area = head.rect.subsampled(sw, sh);
            let mut raster = || {
                let data: Vec<f32> = values.by_ref().take(area.area() as usize).collect();
                Raster::from_vec(area.w, area.h, data)
            };
            planes.push(MattePlane { keep: raster()?, add: raster()? });
            noise.push(raster()?);
        }
        let is_sound = noise.iter().flat_map(|plane| plane.data()).all(|n| *n >= 0.0 && n.is_finite());
        if values.next().is_some() || !tail.is_empty() || !is_sound {
            return None;
        }
        let matte = Matte::new(head.rect, head.format, planes)?;
        Some(Self { matte, frame: head.frame, noise, alpha: head.alpha })
    }

    /// Reads a file.
    ///
    /// # Errors
    /// Where it cannot be read or is no matte.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = fs::read(path).map_err(Error::io("read the matte", path))?;
        Self::parse(&bytes)
            .ok_or_else(|| Error::Usage(format!("{} is not a matte file of this version", path.display())))
    }

    /// Writes a file, all or nothing.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        write_beside(path, &self.bytes()?)
    }

    /// Keeps it in `folder` under the name of its content.
    ///
    /// # Errors
    /// Where the folder cannot be written.
    pub fn keep(&self, folder: &Path) -> Result<MatteRef> {
        let bytes = self.bytes()?;
        let blob = hex(&Sha256::digest(&bytes));
        let path = file(folder, &blob);
        if !path.exists() {
            write_beside(&path, &bytes)?;
        }
        Ok(MatteRef { blob, rect: self.matte.rect(), alpha: self.alpha, gain: Vec::new() })
    }
}

impl MatteRef {
    /// The file, from the folder in which it is kept.
    ///
    /// # Errors
    /// Where it is missing or not what the plan says.
    pub fn load(&self, folder: &Path) -> Result<MatteFile> {
        let path = file(folder, &self.blob);
        let found = MatteFile::read(&path)?;
        if found.matte.rect() != self.rect {
            return Err(Error::Usage(format!("the matte {} does not lie where the plan says", path.display())));
        }
        Ok(found)
    }
}

/// Where a matte lies in a folder of blobs.
pub(crate) fn file(folder: &Path, blob: &str) -> PathBuf {
    folder.join(format!("{blob}.matte"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> MatteFile {
        let (rect, format) = (Rect::new(3, 4, 5, 3), PixelFormat::YUV420P8);
        let planes = (0..3).map(|plane| {
            let (sw, sh) = format.subsampling(plane);
            let area = rect.subsampled(sw, sh);
            let values = |from: f32| {
                let data = (0..area.area()).map(|k| from + k as f32 * 0.01).collect();
                Raster::from_vec(area.w, area.h, data).unwrap()
            };
            (MattePlane { keep: values(0.3), add: values(40.0 + plane as f32) }, values(2.0))
        });
        let (planes, noise): (Vec<_>, Vec<_>) = planes.unzip();
        let matte = Matte::new(rect, format, planes).unwrap();
        MatteFile { matte, frame: (64, 48), noise, alpha: 0.6 }
    }

    #[test]
    fn a_matte_comes_back_as_it_was_kept() {
        let folder = tempfile::tempdir().unwrap();
        let (file, path) = (sample(), folder.path().join("m.matte"));
        file.write(&path).unwrap();
        assert_eq!(MatteFile::read(&path).unwrap(), file);
        let name = file.keep(folder.path()).unwrap();
        assert_eq!(file.keep(folder.path()).unwrap(), name, "the same matte has the same name");
        assert_eq!(name.load(folder.path()).unwrap(), file);
    }

    #[test]
    fn a_damaged_matte_is_refused_by_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.matte");
        let whole = sample().bytes().unwrap();
        let mut longer = whole.clone();
        longer.push(0);
        for bytes in [&whole[..whole.len() - 1], &whole[..20], b"PNG", &longer] {
            fs::write(&path, bytes).unwrap();
            assert!(MatteFile::read(&path).unwrap_err().to_string().contains("m.matte"), "{} bytes", bytes.len());
        }
    }
}
