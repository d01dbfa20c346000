//! Images in files as footage: one after another, in the order of their names.

use std::path::PathBuf;

use cleanplate_core::{Frame, FrameIdx};
use cleanplate_media::{Error as MediaError, Rational};

use super::still::{RATE, Shape, Still, describe};
use crate::error::{Error, Result};
use crate::footage::{Footage, Frames};
use crate::marks::Clip;
use crate::watch::Watch;

/// Images of one size and orientation. Their samples may differ: some programs store gray pictures as gray.
pub(crate) struct Sequence {
    pub(crate) files: Vec<PathBuf>,
    clip: Clip,
}

impl Sequence {
    /// Reads the header of every image.
    ///
    /// # Errors
    /// Where one cannot be read, or is of another size or orientation than the first: the text names it.
    pub(crate) fn open(files: Vec<PathBuf>, watch: &mut Watch<'_>) -> Result<Self> {
        let mut first: Option<Shape> = None;
        for (n, file) in files.iter().enumerate() {
            if watch.progress(n as u64).is_break() {
                return Err(Error::Cancelled);
            }
            let shape = describe(file)?;
            let base = *first.get_or_insert(shape);
            if (shape.size, shape.rotation) != (base.size, base.rotation) {
                return Err(MediaError::Input(format!(
                    "{} is {}, the images before it are {}: a sequence has one size",
                    file.display(),
                    words(&shape),
                    words(&base)
                ))
                .into());
            }
        }
        let Some(Shape { size, format, rotation }) = first else {
            return Err(Error::Internal("a sequence without images".into()));
        };
        let starts = (0..files.len()).map(|n| n as f64 / RATE).collect();
        Ok(Self { files, clip: Clip { starts, size, rotation, format } })
    }
}

fn words(shape: &Shape) -> String {
    let (w, h) = shape.size;
    match shape.rotation {
        (0, false) => format!("{w}x{h}"),
        (degrees, false) => format!("{w}x{h} turned by {degrees} degrees"),
        (degrees, true) => format!("{w}x{h} turned by {degrees} degrees and mirrored"),
    }
}

impl Footage for Sequence {
    fn clip(&self) -> &Clip {
        &self.clip
    }

    fn is_key(&self, _: FrameIdx) -> bool {
        true
    }

    fn rates(&self) -> (Rational, Rational) {
        (Rational::new(1, RATE as i32), Rational::new(RATE as i32, 1))
    }

    fn frames(&self, _: u32) -> Result<Box<dyn Frames + '_>> {
        Ok(Box::new(Files(&self.files)))
    }
}

struct Files<'a>(&'a [PathBuf]);

impl Frames for Files<'_> {
    fn at(&mut self, idx: FrameIdx) -> Result<Option<Frame>> {
        let file = self.0.get(usize::try_from(idx).unwrap_or(usize::MAX));
        file.map(|file| Still::read(file, idx).map(|still| still.frame)).transpose()
    }
}
