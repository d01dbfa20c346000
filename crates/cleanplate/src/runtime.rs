//! Runtimes of networks that users install: libraries out of Python wheels, into a folder of ours.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use cleanplate_infer::{Machine, Wishes, place, runtimes};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use zip::ZipArchive;

use crate::error::{Error, Result};

/// An installed ONNX Runtime, a plug-in of it, or libraries that it needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Installed {
    /// The wheel's name with its version: `onnxruntime-1.27.0`.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// Its library; of NVIDIA's the first of them.
    pub library: PathBuf,
    /// Bytes of all that was installed with it.
    pub bytes: u64,
}

/// What a wheel brings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// ONNX Runtime.
    Runtime,
    /// A plug-in of ONNX Runtime that reaches any GPU.
    Plugin,
    /// Libraries of NVIDIA's that ONNX Runtime needs on its cards.
    Nvidia,
}

impl Kind {
    /// By a wheel's name.
    fn of(name: &str) -> Option<Self> {
        let kinds = [
            ("onnxruntime_ep_", Self::Plugin),
            ("onnxruntime", Self::Runtime),
            ("nvidia_", Self::Nvidia),
            ("tensorrt", Self::Nvidia),
        ];
        kinds.iter().find(|(start, _)| name.starts_with(start)).map(|(_, kind)| *kind)
    }

    /// Whether a file of such a wheel is the library that is loaded first, and not one of its helpers: `libonnxruntime.so.1.27.0`,
    /// `onnxruntime.dll`.
    fn is_main(self, file: &str) -> bool {
        let (prefix, suffix) = (std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
        let is_library = file.contains(&format!("{suffix}.")) || file.ends_with(suffix);
        let starts = |with: &str| file.starts_with(&format!("{prefix}{with}"));
        is_library
            && match self {
                Self::Runtime => starts("onnxruntime."),
                Self::Plugin => starts("onnxruntime_providers_"),
                Self::Nvidia => true,
            }
    }
}

/// Folders of wheels that hold libraries.
const FOLDERS: [&str; 4] = ["onnxruntime/", "onnxruntime_ep_webgpu/", "nvidia/", "tensorrt_libs/"];

/// The largest library that is believed (of wheels for CUDA the largest has 400 MB).
const LARGEST: u64 = 2 << 30;

/// Takes the libraries of ONNX Runtime, its plug-in for any GPU, or NVIDIA's libraries out of a wheel into a folder of its own below `folder`: their
/// checksums have to be those of the wheel's list, and ONNX Runtime has to compute a small network right. One of the same version that is
/// there is replaced.
///
/// # Errors
/// Where the file is no wheel of ONNX Runtime for this machine, is damaged, or what is in it does not compute; nothing is left of it then.
pub fn install(wheel: &Path, folder: &Path) -> Result<Installed> {
    let refuse = |why: &str| Error::Usage(format!("cannot install from {}: {why}", wheel.display()));
    let file = fs::File::open(wheel).map_err(Error::io("read", wheel))?;
    let mut archive = ZipArchive::new(file).map_err(|error| refuse(&format!("it is no wheel ({error})")))?;
    let listed = listed(&mut archive).ok_or_else(|| refuse("it has no list of its files"))?;
    let name = listed.name.clone();
    let Some(kind) = Kind::of(&name) else {
        return Err(refuse(&format!(
            "it is {name}; a wheel of onnxruntime is wanted (pip download --no-deps onnxruntime)"
        )));
    };
    fs::create_dir_all(folder).map_err(Error::io("make the folder", folder))?;
    let partial = tempfile::Builder::new().prefix(".install").tempdir_in(folder);
    let partial = partial.map_err(Error::io("make a folder in", folder))?;
    let (mut bytes, mut library) = (0, None);
    for (path, digest) in listed.libraries() {
        let file_name = path.rsplit('/').next().unwrap_or(path);
        let mut member = archive.by_name(path).map_err(|error| refuse(&format!("{path}: {error}")))?;
        if member.size() > LARGEST {
            return Err(refuse(&format!("{path} is too large")));
        }
        let mut data = Vec::new();
        let read = member.by_ref().take(LARGEST).read_to_end(&mut data);
        read.map_err(|error| refuse(&format!("{path} is damaged ({error})")))?;
        if base64(&Sha256::digest(&data)) != *digest {
            return Err(refuse(&format!("{path} is not what the wheel's list says")));
        }
        let target = partial.path().join(file_name);
        fs::write(&target, &data).map_err(Error::io("write", target))?;
        bytes += data.len() as u64;
        if kind.is_main(file_name) {
            library.get_or_insert_with(|| file_name.to_owned());
        }
    }
    let Some(library) = library else {
        return Err(refuse(&format!(
            "it has no library for this system ({}onnxruntime{})",
            std::env::consts::DLL_PREFIX,
            std::env::consts::DLL_SUFFIX
        )));
    };
    if kind == Kind::Runtime {
        computes(&partial.path().join(&library))
            .map_err(|why| Error::Backend(format!("{name} from {} cannot be used here: {why}", wheel.display())))?;
    }
    let place = folder.join(&name);
    if place.exists() {
        fs::remove_dir_all(&place).map_err(Error::io("replace", place.clone()))?;
    }
    fs::rename(partial.keep(), &place).map_err(Error::io("write", place.clone()))?;
    Ok(Installed { name, kind, library: place.join(library), bytes })
}

/// What is installed below `folder`: first what reaches NVIDIA's cards, of those the newest version first.
pub fn installed(folder: &Path) -> Vec<Installed> {
    let entries = |folder: &Path| fs::read_dir(folder).into_iter().flatten().flatten();
    let mut all: Vec<Installed> = entries(folder)
        .filter_map(|entry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            let kind = Kind::of(&name)?;
            let mut files: Vec<_> = entries(&entry.path()).collect();
            files.sort_by_key(std::fs::DirEntry::file_name);
            let library = files.iter().find(|file| kind.is_main(&file.file_name().to_string_lossy()))?.path();
            let bytes = files.iter().filter_map(|file| file.metadata().ok()).map(|data| data.len()).sum();
            Some(Installed { name, kind, library, bytes })
        })
        .collect();
    all.sort_by_key(|own| std::cmp::Reverse((own.name.starts_with("onnxruntime_gpu-"), version(&own.name))));
    all
}

/// The numbers of a version, for comparison.
fn version(name: &str) -> Vec<u32> {
    name.rsplit('-').next().unwrap_or_default().split('.').map(|part| part.parse().unwrap_or(0)).collect()
}

/// Whether the library at `path` computes the golden network. A process keeps the first library that it has loaded, so another process that
/// has loaded one already answers for that.
fn computes(path: &Path) -> std::result::Result<(), String> {
    let machine = Machine { cores: 1, onnx_runtimes: vec![path.to_owned()], ..Machine::default() };
    let checked = runtimes(&place(&machine, Wishes::default()));
    checked.into_iter().find(|own| own.name == "onnxruntime").map_or(Ok(()), |own| own.verdict)
}

/// The wheel's own list.
struct Listed {
    /// Its name and version.
    name: String,
    /// Path and SHA-256 (in URL-safe base64 without padding) of its files.
    files: Vec<(String, String)>,
}

impl Listed {
    /// Libraries without Python's own.
    fn libraries(&self) -> impl Iterator<Item = &(String, String)> {
        let is_library = |file: &str| file.contains(".so") || file.ends_with(".dylib") || file.ends_with(".dll");
        self.files.iter().filter(move |(path, _)| {
            let file = path.rsplit('/').next().unwrap_or(path);
            let is_ours = FOLDERS.iter().any(|folder| path.starts_with(folder)) && !path.contains(['\\', ':']);
            is_ours && is_library(file) && !file.contains("pybind11")
        })
    }
}

/// Reads `RECORD` (Binary distribution format, PyPA specifications).
fn listed(archive: &mut ZipArchive<fs::File>) -> Option<Listed> {
    let path = archive.file_names().flatten().find(|name| name.ends_with(".dist-info/RECORD"))?.into_owned();
    let name = path.strip_suffix(".dist-info/RECORD")?.to_owned();
    if name.contains(['/', '\\']) {
        return None;
    }
    let mut text = String::new();
    archive.by_name(&path).ok()?.take(16 << 20).read_to_string(&mut text).ok()?;
    let entry = |line: &str| {
        let mut fields = line.rsplitn(3, ',');
        let (_, digest, path) = (fields.next()?, fields.next()?, fields.next()?);
        Some((path.to_owned(), digest.strip_prefix("sha256=")?.to_owned()))
    };
    Some(Listed { name, files: text.lines().filter_map(entry).collect() })
}

/// URL-safe base64 without padding (RFC 4648, section 5).
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let digits = bytes.chunks(3).flat_map(|three| {
        let bits = three.iter().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - three.len()));
        (0..=three.len()).map(move |n| char::from(DIGITS[(bits >> (18 - 6 * n) & 63) as usize]))
    });
    digits.collect()
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use zip::write::SimpleFileOptions;

    use super::*;

    /// A wheel with one library of `data`, whose list says that it is `said`.
    fn wheel(folder: &Path, name: &str, data: &[u8], said: &[u8]) -> PathBuf {
        let path = folder.join("some.whl");
        let mut archive = zip::ZipWriter::new(fs::File::create(&path).unwrap());
        let (prefix, suffix) = (std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
        let file = match Kind::of(name) {
            Some(Kind::Plugin) => format!("onnxruntime_ep_webgpu/{prefix}onnxruntime_providers_webgpu{suffix}"),
            Some(Kind::Nvidia) => format!("nvidia/cudnn/lib/{prefix}cudnn{suffix}.9"),
            _ => format!("onnxruntime/capi/{prefix}onnxruntime{suffix}"),
        };
        archive.start_file(&file, SimpleFileOptions::default()).unwrap();
        archive.write_all(data).unwrap();
        archive.start_file(format!("{name}.dist-info/RECORD"), SimpleFileOptions::default()).unwrap();
        let list =
            format!("{file},sha256={},{}\nonnxruntime/__init__.py,,\n", base64(&Sha256::digest(said)), said.len());
        archive.write_all(list.as_bytes()).unwrap();
        archive.finish().unwrap();
        path
    }

    #[test]
    fn what_is_no_sound_wheel_of_it_is_refused_and_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("runtimes");
        let refusal = |wheel: &Path| install(wheel, &place).unwrap_err().to_string();
        let junk = folder.path().join("junk.whl");
        fs::write(&junk, b"junk").unwrap();
        assert!(refusal(&junk).contains("no wheel"));
        let other = wheel(folder.path(), "numpy-2.0.0", b"x", b"x");
        assert!(refusal(&other).contains("it is numpy-2.0.0"));
        let damaged = wheel(folder.path(), "onnxruntime-1.27.0", b"x", b"y");
        assert!(refusal(&damaged).contains("not what the wheel's list says"));
        let useless = wheel(folder.path(), "onnxruntime-1.27.0", b"x", b"x");
        assert!(refusal(&useless).contains("cannot be used here"));
        assert_eq!(fs::read_dir(&place).unwrap().count(), 0);
    }

    #[test]
    fn plug_ins_and_nvidias_libraries_are_installed_and_known_for_what_they_are() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("runtimes");
        for (name, kind) in [("onnxruntime_ep_webgpu-0.4.0", Kind::Plugin), ("nvidia_cudnn_cu13-9.12.0", Kind::Nvidia)]
        {
            let own = install(&wheel(folder.path(), name, b"x", b"x"), &place).unwrap();
            assert_eq!((own.name.as_str(), own.kind, own.library.is_file()), (name, kind, true));
            assert!(installed(&place).contains(&own));
        }
        assert!(Kind::Runtime.is_main("libonnxruntime.so.1.27.0") == cfg!(target_os = "linux"));
        assert!(!Kind::Runtime.is_main("libonnxruntime_providers_shared.so"));
    }

    #[test]
    fn what_reaches_cards_and_the_newest_version_come_first() {
        let folder = tempfile::tempdir().unwrap();
        let library = format!("{}onnxruntime{}", std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
        for name in ["onnxruntime-1.9.0", "onnxruntime-1.27.0", "onnxruntime_gpu-1.26.1"] {
            fs::create_dir(folder.path().join(name)).unwrap();
            fs::write(folder.path().join(name).join(&library), b"four").unwrap();
        }
        fs::create_dir(folder.path().join("empty-2.0")).unwrap();
        let names: Vec<String> = installed(folder.path()).into_iter().map(|own| own.name).collect();
        assert_eq!(names, ["onnxruntime_gpu-1.26.1", "onnxruntime-1.27.0", "onnxruntime-1.9.0"]);
    }

    #[test]
    fn base64_is_that_of_the_standard() {
        let pairs: [(&[u8], &str); 5] =
            [(b"", ""), (b"f", "Zg"), (b"fo", "Zm8"), (b"foo", "Zm9v"), (&[0xfb, 0xff], "-_8")];
        pairs.iter().for_each(|(bytes, text)| assert_eq!(base64(bytes), *text));
    }
}
