//! The frames of a job as PNG files in a folder, instead of a video.
//!
//! Knows how frames become pictures and when each is shown; what is done to them is the same as for a video, which is rendered without
//! loss first.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use cleanplate_core::{ColorInfo, Frame, Patch, Raster, Rows, rgb};
use cleanplate_media::encode::Loss;
use cleanplate_media::pack::PackReader;
use cleanplate_media::{Container, OpenOptions, Source, mux};
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, ImageEncoder};

use crate::draw::shown;
use crate::error::{Error, Result};
use crate::footage::Footage;
use crate::observer::{Event, Phase};
use crate::options::{EncodeOptions, Job};
use crate::plan::write_beside;
use crate::prepare::Opened;
use crate::report::{CheckReport, Report};
use crate::watch::Watch;

/// Names every picture and for how long it is shown, for FFmpeg's concat demuxer. Written last: where it is, all pictures are.
const LIST: &str = "frames.ffconcat";

/// The same job as one that writes a video without loss; nobody sees that, so that it need not carry anything else.
///
/// # Errors
/// [`Error::Usage`] where the folder is a file or holds something, or settings of an encoder were given.
pub(crate) fn as_video(job: &Job) -> Result<Job> {
    let (folder, options) = (&job.output, &job.options);
    if options.encode != EncodeOptions::default() {
        return Err(Error::Usage("frames are written as PNG: there is no encoder that settings could be for".into()));
    }
    if folder.exists() {
        let mut held = fs::read_dir(folder).map_err(|_| Error::Usage(format!("{} is no folder", folder.display())))?;
        if held.next().is_some() && !options.overwrite {
            return Err(Error::Usage(format!(
                "{} is not empty: choose another folder or allow its frames to be replaced",
                folder.display()
            )));
        }
    }
    let mut video = job.clone();
    video.output = folder.join("frames.mkv");
    video.options.encode.codec = Some("ffv1".to_owned());
    video.options.drop_streams = true;
    video.options.copy_if_clean = false;
    video.options.accept_loss.extend(Loss::ALL.iter().map(|loss| loss.name().to_owned()));
    video.options.accept_loss.extend(mux::KINDS.map(str::to_owned));
    Ok(video)
}

/// Writes the frames in `packs` into `folder`, each whole or not at all, as `frame_000000.png` and so on, as they are displayed:
/// R'G'B' of the source's primaries and transfer, full range, of 8 bits where the source has 8 and of 16 where it has more.
pub(crate) fn write<R: Read>(
    folder: &Path,
    packs: &mut dyn Iterator<Item = cleanplate_media::Result<PackReader<R>>>,
    work: &Path,
    opened: &Opened,
    report: &mut Report,
    watch: &mut Watch<'_>,
) -> Result<()> {
    let count = opened.count();
    watch.begin(Phase::Pictures, count, 0)?;
    let track = Track(work.join("frames.mkv"));
    mux::assemble_alone(packs, &track.0, Container::Mkv, &mut |_, _| watch.progress(0))?;
    let source = Source::open(&track.0, &OpenOptions::default(), &mut |_, _| watch.progress(0))?;
    fs::create_dir_all(folder).map_err(Error::io("make the folder", folder))?;
    let list = folder.join(LIST);
    if list.exists() {
        fs::remove_file(&list).map_err(Error::io("remove", list.clone()))?;
    }
    let video = opened.source.info().video_stream().and_then(|stream| stream.video.as_ref());
    let color = video.map(|video| video.color);
    let digits = count.saturating_sub(1).to_string().len().max(6);
    let (mut reader, mut written, mut bytes) = (source.reader(0)?, 0u64, 0usize);
    let mut lines = String::from("ffconcat version 1.0\n");
    while let Some(frame) = reader.read()? {
        let name = format!("frame_{written:0digits$}.png");
        let png = picture(frame, color, opened)?;
        write_beside(&folder.join(&name), &png)?;
        bytes += png.len();
        let seconds = opened.time(written + 1) - opened.time(written);
        lines += &format!("file {name}\nduration {seconds:.9}\n");
        written += 1;
        if watch.progress(written).is_break() {
            return Err(Error::Cancelled);
        }
    }
    watch.end();
    report.checks.push(CheckReport {
        name: "frames written".into(),
        ok: written == count,
        detail: format!("{written} of {count} frames were written"),
    });
    if written != count {
        return Err(Error::Verification(format!("{written} of {count} frames came back from the rendered track")));
    }
    write_beside(&list, lines.as_bytes())?;
    for stream in &mut report.streams {
        let is_video =
            video.is_some() && opened.source.info().video_stream().is_some_and(|own| own.index == stream.index);
        if !is_video {
            "left out: only frames are written".clone_into(&mut stream.fate);
        }
    }
    watch.tell(Event::info(format!("written: {} | {written} frames | {bytes} bytes", folder.display())));
    Ok(())
}

/// The rendered track, which goes when the pictures are there.
struct Track(PathBuf);

impl Drop for Track {
    fn drop(&mut self) {
        // The work folder is cleared with it where that fails.
        let _ = fs::remove_file(&self.0);
    }
}

fn picture(mut frame: Frame, color: Option<ColorInfo>, opened: &Opened) -> Result<Vec<u8>> {
    // A track on its own says nothing of colour.
    if let Some(color) = color {
        frame.color = color;
    }
    let mut patch = Patch::default();
    frame.lift(frame.bounds(), Rows::All, &mut patch);
    let mut planes: Vec<Raster<f32>> = rgb::of_patch(&patch).into();
    if let Some(alpha) = (0..frame.format.planes()).find(|plane| frame.format.is_alpha(*plane)) {
        let mut raster = patch.planes[alpha].clone();
        let scale = 1.0 / frame.format.max_code() as f32;
        raster.data_mut().iter_mut().for_each(|v| *v *= scale);
        planes.push(raster);
    }
    let planes: Vec<Raster<f32>> = planes.iter().map(|plane| shown(plane, opened.clip.rotation)).collect();
    let (w, h) = (planes[0].width(), planes[0].height());
    let is_wide = frame.format.depth > 8;
    let mut bytes = Vec::with_capacity(w as usize * h as usize * planes.len() * if is_wide { 2 } else { 1 });
    for k in 0..w as usize * h as usize {
        for plane in &planes {
            let value = plane.data()[k].clamp(0.0, 1.0);
            if is_wide {
                bytes.extend(((65535.0 * value).round() as u16).to_ne_bytes());
            } else {
                bytes.push((255.0 * value).round() as u8);
            }
        }
    }
    let colour = match (planes.len(), is_wide) {
        (3, false) => ExtendedColorType::Rgb8,
        (3, true) => ExtendedColorType::Rgb16,
        (_, false) => ExtendedColorType::Rgba8,
        (_, true) => ExtendedColorType::Rgba16,
    };
    let mut out = Vec::new();
    PngEncoder::new_with_quality(&mut out, CompressionType::Fast, FilterType::Adaptive)
        .write_image(&bytes, w, h, colour)
        .map_err(|e| Error::Internal(format!("frame {} as PNG: {e}", frame.idx)))?;
    Ok(out)
}
