//! Which files a job on images reads and writes, and in which order.

use std::cmp::Ordering;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use cleanplate_media::Error as MediaError;
use image::ImageFormat;

use crate::error::{Error, Result};

/// Endings of the image files that are worked on.
const ENDINGS: [&str; 7] = ["png", "jpg", "jpeg", "tif", "tiff", "webp", "bmp"];

/// What a job's input is, where it is not a video.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Input {
    /// One image.
    Single(PathBuf),
    /// Images of a folder in natural order, and names of files that are none.
    Folder(Vec<PathBuf>, Vec<String>),
    /// Images of a numbered pattern with their numbers, rising without a gap.
    Numbered(Vec<(u64, PathBuf)>),
}

impl Input {
    /// The images in order.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        match self {
            Self::Single(path) => vec![path.clone()],
            Self::Folder(files, _) => files.clone(),
            Self::Numbered(files) => files.iter().map(|(_, path)| path.clone()).collect(),
        }
    }

    /// Where each of them is written, for a job that writes `output`.
    pub(crate) fn outputs(&self, output: &Path) -> Result<Vec<PathBuf>> {
        let named = |files: Vec<PathBuf>| {
            files.iter().map(|file| output.join(file.file_name().unwrap_or_default())).collect::<Vec<_>>()
        };
        match (self, Pattern::of(output)) {
            (Self::Single(_), _) => Ok(vec![output.to_owned()]),
            (Self::Numbered(files), Some(pattern)) => Ok(files.iter().map(|(n, _)| pattern.file(*n)).collect()),
            (Self::Folder(..), Some(_)) => Err(Error::Usage(format!(
                "the input is a folder: the output {} has to be one too, not a pattern",
                output.display()
            ))),
            _ if output.is_file() => Err(Error::Usage(format!(
                "the input is several images: the output {} has to be a folder or a pattern such as frame_%04d.png",
                output.display()
            ))),
            _ => Ok(named(self.files())),
        }
    }
}

/// The images that `path` stands for; `None` where it is something else, a video for all that is known here.
///
/// # Errors
/// Where a folder or pattern has no images, or numbers are missing.
pub(crate) fn input(path: &Path) -> Result<Option<Input>> {
    if path.is_dir() {
        return folder(path).map(Some);
    }
    if path.is_file() {
        return Ok(is_image(path).then(|| Input::Single(path.to_owned())));
    }
    Pattern::of(path).map(|pattern| pattern.files(path)).transpose()
}

fn has_ending(path: &Path) -> bool {
    let ending = path.extension().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    ENDINGS.contains(&ending.as_str())
}

/// Whether name and first bytes both say that it is an image: a stream of JPEG pictures begins like one, too.
fn is_image(path: &Path) -> bool {
    let mut head = [0; 16];
    let read = File::open(path).and_then(|mut file| file.read(&mut head)).unwrap_or(0);
    has_ending(path) && format_of(&head[..read]).is_some()
}

/// The format that an image file begins like.
pub(crate) fn format_of(head: &[u8]) -> Option<ImageFormat> {
    image::guess_format(head).ok().filter(|format| {
        use ImageFormat::{Bmp, Jpeg, Png, Tiff, WebP};
        matches!(format, Png | Jpeg | Tiff | WebP | Bmp)
    })
}

fn folder(path: &Path) -> Result<Input> {
    let (mut files, mut others) = (Vec::new(), Vec::new());
    for entry in fs::read_dir(path).map_err(Error::io("read the folder", path))? {
        let file = entry.map_err(Error::io("read the folder", path))?.path();
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if !file.is_file() || name.starts_with('.') {
            continue;
        }
        if has_ending(&file) { files.push(file) } else { others.push(name) }
    }
    if files.is_empty() {
        return Err(MediaError::Input(format!("the folder {} holds no images", path.display())).into());
    }
    files.sort_by(|a, b| natural(&name_of(a), &name_of(b)));
    others.sort();
    Ok(Input::Folder(files, others))
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// The order that people expect: runs of digits by their value, all else by its characters without case.
fn natural(a: &str, b: &str) -> Ordering {
    let (mut x, mut y) = (a, b);
    loop {
        let (Some(p), Some(q)) = (x.chars().next(), y.chars().next()) else {
            return x.len().cmp(&y.len()).then_with(|| a.cmp(b));
        };
        if p.is_ascii_digit() && q.is_ascii_digit() {
            let (m, n) = (digits(x), digits(y));
            let (v, w) = (m.trim_start_matches('0'), n.trim_start_matches('0'));
            match v.len().cmp(&w.len()).then_with(|| v.cmp(w)) {
                Ordering::Equal => (x, y) = (&x[m.len()..], &y[n.len()..]),
                other => return other,
            }
        } else {
            match p.to_lowercase().cmp(q.to_lowercase()) {
                Ordering::Equal => (x, y) = (&x[p.len_utf8()..], &y[q.len_utf8()..]),
                other => return other,
            }
        }
    }
}

fn digits(text: &str) -> &str {
    &text[..text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len())]
}

/// A name with a number in it: `frame_%04d.png` (at least four digits) or `frame_%d.png`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Pattern {
    folder: PathBuf,
    before: String,
    width: usize,
    after: String,
}

impl Pattern {
    fn of(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_str()?;
        let (before, rest) = name.split_once('%')?;
        let (width, after) = rest.split_once('d')?;
        let width = if width.is_empty() { 0 } else { width.strip_prefix('0')?.parse().ok()? };
        let folder = path.parent().unwrap_or(Path::new("")).to_owned();
        (!after.contains('%') && width <= 20).then(|| Self {
            folder,
            before: before.to_owned(),
            width,
            after: after.to_owned(),
        })
    }

    fn file(&self, number: u64) -> PathBuf {
        self.folder.join(format!("{}{number:0width$}{}", self.before, self.after, width = self.width))
    }

    fn number(&self, name: &str) -> Option<u64> {
        let digits = name.strip_prefix(&self.before)?.strip_suffix(&self.after)?;
        let number: u64 = digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse().ok())??;
        (format!("{number:0width$}", width = self.width) == digits).then_some(number)
    }

    fn files(&self, given: &Path) -> Result<Input> {
        let folder = if self.folder.as_os_str().is_empty() { Path::new(".") } else { &self.folder };
        let mut numbers = Vec::new();
        for entry in fs::read_dir(folder).map_err(Error::io("read the folder", folder))? {
            let name = entry.map_err(Error::io("read the folder", folder))?.file_name();
            numbers.extend(self.number(&name.to_string_lossy()));
        }
        numbers.sort_unstable();
        if numbers.is_empty() {
            return Err(MediaError::Input(format!("no file is named like {}", given.display())).into());
        }
        if let Some(gap) = numbers.windows(2).find(|pair| pair[1] != pair[0] + 1) {
            return Err(MediaError::Input(format!(
                "{} is missing: the images of {} go from {} to {}",
                self.file(gap[0] + 1).display(),
                given.display(),
                numbers[0],
                numbers[numbers.len() - 1]
            ))
            .into());
        }
        Ok(Input::Numbered(numbers.into_iter().map(|n| (n, self.file(n))).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_come_in_the_order_that_people_expect() {
        let mut names = ["a10.png", "a2.png", "B1.png", "a02b.png", "a1.png", "a.png"];
        names.sort_by(|a, b| natural(a, b));
        assert_eq!(names, ["a.png", "a1.png", "a2.png", "a02b.png", "a10.png", "B1.png"]);
    }

    #[test]
    fn a_pattern_finds_its_numbers_and_names_the_first_missing_one() {
        let folder = tempfile::tempdir().unwrap();
        let touch = |name: &str| fs::write(folder.path().join(name), "").unwrap();
        for name in ["f_0008.png", "f_0009.png", "f_0010.png", "f_11.png", "f_0012.jpg", "g_0011.png"] {
            touch(name);
        }
        let found = input(&folder.path().join("f_%04d.png")).unwrap().unwrap();
        let Input::Numbered(files) = &found else { panic!("{found:?}") };
        assert_eq!(files.iter().map(|(n, _)| *n).collect::<Vec<_>>(), [8, 9, 10]);
        let out = found.outputs(Path::new("out/clean_%d.png")).unwrap();
        assert_eq!(out[2], Path::new("out/clean_10.png"));
        assert_eq!(found.outputs(Path::new("new")).unwrap()[0], Path::new("new/f_0008.png"));
        touch("f_0012.png");
        let error = input(&folder.path().join("f_%04d.png")).unwrap_err().to_string();
        assert!(error.contains("f_0011.png") && error.contains("missing"), "{error}");
        let error = input(&folder.path().join("none_%d.png")).unwrap_err().to_string();
        assert!(error.contains("none_%d.png"), "{error}");
    }

    #[test]
    fn what_is_no_image_is_left_to_the_videos() {
        let folder = tempfile::tempdir().unwrap();
        let jpeg = folder.path().join("stream.mjpeg");
        fs::write(&jpeg, [0xff, 0xd8, 0xff, 0xe0, 0, 16]).unwrap();
        assert_eq!(input(&jpeg).unwrap(), None);
        assert_eq!(input(Path::new("no/such/file.mp4")).unwrap(), None);
        let error = input(folder.path()).unwrap_err().to_string();
        assert!(error.contains("no images"), "{error}");
    }
}
