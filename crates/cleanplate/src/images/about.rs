//! What is in image files, and what a job would keep of them.

use std::fs;
use std::path::{Path, PathBuf};

use cleanplate_core::{ColorInfo, PixelLayout, Scan};
use cleanplate_media::{Container, Rational, SourceInfo, StreamInfo, StreamKind, VideoParams};
use sha2::{Digest, Sha256};

use super::input::Input;
use super::sequence::Sequence;
use super::still::{RATE, Still, is_lossless};
use crate::error::{Error, Result};
use crate::footage::Footage;
use crate::masks::hex;
use crate::probe::Probe;
use crate::watch::Watch;

/// Tells what is in images, as [`probe`](crate::probe()) does for videos: one stream with a frame an image, 25 a second.
pub(crate) fn probe(path: &Path, input: &Input, watch: &mut Watch<'_>) -> Result<Probe> {
    let sequence = Sequence::open(input.files(), watch)?;
    let files = &sequence.files;
    let first = files.first().ok_or_else(|| Error::Internal("a sequence without images".into()))?;
    let still = Still::read(first, 0)?;
    let (bytes, sha256, digest) = sums(files, watch)?;
    let count = files.len() as u64;
    let clip = sequence.clip();
    let format = still.frame.format;
    let layout = match format.layout {
        PixelLayout::Gray => "gray",
        _ => "rgb",
    };
    let alpha = if format.alpha { "a" } else { "" };
    let video = VideoParams {
        width: clip.size.0,
        height: clip.size.1,
        format: Some(format),
        pix_fmt: format!("{layout}{alpha}{}", format.depth),
        color: ColorInfo { full_range: Some(true), ..ColorInfo::default() },
        sar: Rational::new(0, 1),
        scan: Scan::Progressive,
        frame_rate: Rational::new(RATE as i32, 1),
        rotation: clip.rotation,
        profile: -1,
        reorder: 0,
        bit_rate: 0,
    };
    let stream = StreamInfo {
        index: 0,
        kind: StreamKind::Video,
        codec: format!("{:?}", still.format).to_ascii_lowercase(),
        time_base: Rational::new(1, RATE as i32),
        metadata: Vec::new(),
        disposition: Vec::new(),
        packets: count,
        bytes,
        start: Some(0),
        end: Some(count as i64),
        sha256,
        side_data: Vec::new(),
        video: Some(video),
        audio: None,
    };
    let coding = if is_lossless(still.format) { "without loss" } else { "as JPEG 4:4:4 of quality 97" };
    let mut lost: Vec<String> = still.left(still.format);
    if let Input::Folder(_, others) = input {
        lost.extend(others.iter().map(|name| format!("{name} is no image: passed over")));
    }
    let losses = still.losses(format, still.format).into_iter();
    lost.extend(losses.map(|(kind, what)| format!("{what} cannot be kept (--accept-loss {kind})")));
    Ok(Probe {
        input: path.display().to_string(),
        source: SourceInfo {
            container: Container::Raw,
            demuxer: "image2".to_owned(),
            size: bytes,
            streams: vec![stream],
            chapters: Vec::new(),
            metadata: Vec::new(),
            video: 0,
        },
        digest,
        frames: count,
        seconds: count as f64 / RATE,
        variable_rate: false,
        kept: still.kept(),
        lost,
        encoder: vec![format!("samples are written {coding}")],
        damage: Vec::new(),
    })
}

/// Bytes of all files, their SHA-256 in order, and that of the list of them.
fn sums(files: &[PathBuf], watch: &mut Watch<'_>) -> Result<(u64, String, String)> {
    let (mut bytes, mut all, mut list) = (0, Sha256::new(), Sha256::new());
    for file in files {
        watch.poll()?;
        let content = fs::read(file).map_err(Error::io("read", file.clone()))?;
        bytes += content.len() as u64;
        all.update(&content);
        list.update(Sha256::digest(&content));
    }
    Ok((bytes, hex(&all.finalize()), hex(&list.finalize())))
}
