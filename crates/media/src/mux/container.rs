//! Names of containers: by extension, for libav, and for people.

use std::path::Path;

use crate::error::{Error, Result};
use crate::types::{Container, SourceInfo};

/// Extensions, the container they stand for, and libav's muxer for it.
const EXTENSIONS: &[(&str, Container)] = &[
    ("mp4", Container::Mp4),
    ("m4v", Container::Mp4),
    ("mov", Container::Mov),
    ("qt", Container::Mov),
    ("mkv", Container::Mkv),
    ("webm", Container::Webm),
    ("ts", Container::Ts),
    ("m2ts", Container::Ts),
    ("mts", Container::Ts),
    ("mpg", Container::Mpg),
    ("mpeg", Container::Mpg),
    ("vob", Container::Mpg),
    ("avi", Container::Avi),
    ("flv", Container::Flv),
    ("ogv", Container::Ogg),
    ("ogg", Container::Ogg),
    ("264", Container::Raw),
    ("h264", Container::Raw),
    ("avc", Container::Raw),
    ("265", Container::Raw),
    ("h265", Container::Raw),
    ("hevc", Container::Raw),
    ("m2v", Container::Raw),
    ("obu", Container::Raw),
];

/// The container that the extension of `path` asks for.
///
/// `.mp4` and `.mov` are one family: where the source is of that family and its own kind is the one that the extension
/// does not name, the extension still decides.
///
/// # Errors
/// [`Error::Unsupported`] for an extension that stands for no container, naming those that do and the source's own.
pub fn container_of(path: &Path, source: &SourceInfo) -> Result<Container> {
    let extension = path.extension().map(|e| e.to_string_lossy().to_lowercase()).unwrap_or_default();
    if let Some((_, container)) = EXTENSIONS.iter().find(|(known, _)| *known == extension) {
        return Ok(*container);
    }
    let known = EXTENSIONS.iter().map(|(e, _)| format!(".{e}")).collect::<Vec<_>>().join(" ");
    let own = EXTENSIONS.iter().find(|(_, c)| *c == source.container).map_or("mkv", |(e, _)| e);
    let what = if extension.is_empty() {
        format!("cannot tell the container of {}: its name has no extension", path.display())
    } else {
        format!("cannot write {}: no container is known for the extension .{extension}", path.display())
    };
    Err(Error::unsupported_but(what, format!("known are {known}; the source's own is .{own}")))
}

impl Container {
    /// libav's name of the muxer; `codec` decides for bare streams.
    pub(crate) fn muxer(self, codec: &str) -> &'static str {
        match self {
            Self::Mp4 => "mp4",
            Self::Mov => "mov",
            Self::Mkv => "matroska",
            Self::Webm => "webm",
            Self::Ts => "mpegts",
            Self::Mpg => "vob",
            Self::Avi => "avi",
            Self::Flv => "flv",
            Self::Ogg => "ogg",
            Self::Raw => match codec {
                "h264" | "libx264" | "libx264rgb" => "h264",
                "hevc" | "libx265" => "hevc",
                "mpeg2video" => "mpeg2video",
                "mpeg1video" => "mpeg1video",
                "mjpeg" => "mjpeg",
                "av1" | "libsvtav1" => "obu",
                "vc1" => "vc1",
                "mpeg4" => "m4v",
                "dnxhd" => "dnxhd",
                _ => "rawvideo",
            },
        }
    }

    /// The name as people write it.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Mp4 => "MP4",
            Self::Mov => "QuickTime (.mov)",
            Self::Mkv => "Matroska (.mkv)",
            Self::Webm => "WebM",
            Self::Ts => "an MPEG transport stream (.ts)",
            Self::Mpg => "an MPEG program stream (.mpg)",
            Self::Avi => "AVI",
            Self::Flv => "FLV",
            Self::Ogg => "Ogg",
            Self::Raw => "a bare video stream",
        }
    }

    /// Whether it is one of the two that share the ISO base media file format.
    pub const fn is_isobmff(self) -> bool {
        matches!(self, Self::Mp4 | Self::Mov)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(container: Container) -> SourceInfo {
        SourceInfo {
            container,
            demuxer: String::new(),
            size: 0,
            streams: Vec::new(),
            chapters: Vec::new(),
            metadata: Vec::new(),
            video: 0,
        }
    }

    #[test]
    fn the_extension_decides_whatever_its_case() {
        for (name, container) in [
            ("a.MP4", Container::Mp4),
            ("a.b.mov", Container::Mov),
            ("-x.MKV", Container::Mkv),
            ("a.m2ts", Container::Ts),
        ] {
            assert_eq!(container_of(Path::new(name), &source(Container::Avi)).unwrap(), container, "{name}");
        }
    }

    #[test]
    fn an_unknown_extension_is_refused_with_the_known_ones() {
        for name in ["a.docx", "a", ".mp4"] {
            let words = container_of(Path::new(name), &source(Container::Mov)).unwrap_err().to_string();
            assert!(words.contains(".mkv") && words.contains("own is .mov"), "{words}");
        }
    }
}
