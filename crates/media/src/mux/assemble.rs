//! Writes the output: the new video's packets from their packs, everything else from the source, in one deterministic
//! order. It knows packets, not what they show.

use std::fs::{self, File, OpenOptions};
use std::io::Read;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::isobmff::{Movie, NewTrack};
use super::layout::{self, Video};
use super::matroska::{Document, NewPacket};
use super::output::Output;
use super::plan::{CopyPlan, Fate, Method};
use super::timeline::DecodeTimes;
use crate::av::{Packet, Parameters};
use crate::error::{Error, Result};
use crate::pack::PackReader;
use crate::source::Source;
use crate::types::Rational;

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Written {
    /// Bytes of the file.
    pub bytes: u64,
    /// Packets of the new video.
    pub video_packets: u64,
    /// Packets copied from the source; 0 where chunks were moved whole.
    pub copied_packets: u64,
}

/// Told how many bytes of about how many are done; breaking ends with [`Error::Cancelled`].
pub type Progress<'a> = dyn FnMut(u64, u64) -> ControlFlow<()> + 'a;

/// Writes `out`, a path whose name says nothing, from `packs` (the segments in order) and `source` as `plan` says. The file
/// is on the disk when this returns. The same packs and source give the same bytes.
///
/// # Errors
/// [`Error::Internal`] where packs have different global headers or their frames are not the index's;
/// [`Error::Io`], [`Error::Cancelled`], and what packs and source find broken. What was written is removed.
pub fn assemble<R: Read>(
    source: &Source,
    plan: &CopyPlan,
    packs: &mut dyn Iterator<Item = Result<PackReader<R>>>,
    out: &Path,
    progress: &mut Progress<'_>,
) -> Result<Written> {
    let first = packs.next().ok_or_else(|| Error::Internal("no segment to join".into()))??;
    let parameters = first.parameters()?;
    let headers = first.header().stream.clone();
    let base = source.index().time_base;
    if first.header().time_base != base {
        return Err(Error::Internal("a segment counts other ticks than the source".into()));
    }
    let mut current = first;
    let mut next = || loop {
        if let Some(packet) = current.next()? {
            return Ok(Some(packet));
        }
        match packs.next() {
            None => return Ok(None),
            Some(pack) => current = pack?,
        }
        if current.header().stream.extradata != headers.extradata || current.header().time_base != base {
            return Err(Error::Internal("segments were encoded with different headers".into()));
        }
    };
    assemble_from(source, plan, &parameters, &mut next, out, progress)
}

/// [`assemble`] with the packets of the new video from anywhere, in coding order.
pub(crate) fn assemble_from(
    source: &Source,
    plan: &CopyPlan,
    parameters: &Parameters,
    next: &mut dyn FnMut() -> Result<Option<Packet>>,
    out: &Path,
    progress: &mut Progress<'_>,
) -> Result<Written> {
    let mut scrap = Scrap::default();
    scrap.0.push(out.to_owned());
    let mut feed = Feed::new(source, parameters, next);
    let written = match plan.method {
        Method::Mux => mux(source, plan, parameters, &mut feed, out, progress),
        Method::Graft if !plan.container.is_isobmff() => {
            graft_matroska(source, plan, parameters, &mut feed, out, &mut scrap, progress)
        }
        Method::Graft => graft(source, plan, parameters, feed, out, &mut scrap, progress),
    }?;
    scrap.0.retain(|path| path != out);
    Ok(written)
}

/// Files that are removed when this goes.
#[derive(Default)]
struct Scrap(Vec<PathBuf>);

impl Drop for Scrap {
    fn drop(&mut self) {
        // A file that cannot be removed, or was never made, is no reason to hide what went wrong before.
        self.0.iter().for_each(|path| drop(fs::remove_file(path)));
    }
}

fn create(path: &Path) -> Result<File> {
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(path);
    file.map_err(|source| Error::Io { action: "create", path: path.to_owned(), source })
}

/// The new video's packets with decoding times that ascend over all segments.
struct Feed<'a> {
    next: &'a mut dyn FnMut() -> Result<Option<Packet>>,
    times: DecodeTimes<Box<dyn Iterator<Item = i64> + 'a>>,
    wanted: u64,
    given: u64,
    /// Time and duration of the frame that is shown last.
    last: (i64, i64),
    before: Option<i64>,
}

impl<'a> Feed<'a> {
    fn new(source: &'a Source, parameters: &Parameters, next: &'a mut dyn FnMut() -> Result<Option<Packet>>) -> Self {
        let frames = &source.index().frames;
        let first = frames.first().map_or(0, |f| f.pts);
        let step = frames.first().map_or(1, |f| f.duration);
        let delay = usize::try_from(parameters.get().video_delay).unwrap_or(0);
        let last = frames.last().map_or((0, 0), |f| (f.pts, f.duration));
        let shown: Box<dyn Iterator<Item = i64>> = Box::new(frames.iter().map(|f| f.pts));
        Self {
            next,
            times: DecodeTimes::new(shown, first, delay, step),
            wanted: frames.len() as u64,
            given: 0,
            last,
            before: None,
        }
    }

    fn take(&mut self) -> Result<Option<Packet>> {
        let Some(mut packet) = (self.next)()? else {
            if self.given != self.wanted {
                let text = format!("the segments hold {} packets for {} frames", self.given, self.wanted);
                return Err(Error::Internal(text));
            }
            return Ok(None);
        };
        let pts = packet.pts().ok_or_else(|| Error::Internal("a packet without a time".into()))?;
        let mut dts = self.times.next(pts)?;
        if pts == self.last.0
            && let Some(next) = self.times.after()
        {
            // Some containers count a frame's duration from decoding time to decoding time. No frame follows this one to
            // tell its duration otherwise.
            dts = (next - self.last.1).clamp(self.before.map_or(i64::MIN, |b| b + 1), next - 1).min(pts);
        }
        packet.get_mut().dts = dts;
        self.before = Some(dts);
        self.given += 1;
        Ok(Some(packet))
    }
}

fn mux(
    source: &Source,
    plan: &CopyPlan,
    parameters: &Parameters,
    feed: &mut Feed<'_>,
    out: &Path,
    progress: &mut Progress<'_>,
) -> Result<Written> {
    let mut reader = source.packets()?;
    let mut output = Output::new(&plan.muxer, create(out)?)?;
    let video = Video { parameters, samples: &[] };
    layout::set_up(&mut output, reader.context(), plan, &video, source.index())?;
    let options: Vec<(&str, String)> = plan.options.iter().map(|(k, v)| (k.as_str(), v.clone())).collect();
    output.begin(&options)?;
    let worked = source.info().video;
    let to =
        plan.streams.get(worked).and_then(|s| s.to).ok_or_else(|| Error::Internal("no video in the plan".into()))?;
    let mut copied = 0;
    let size = source.info().size;
    let mut is_ended = false;
    while let Some(packet) = reader.next()? {
        let index = packet.get().stream_index as usize;
        if progress(reader.position(), size).is_break() {
            return Err(Error::Cancelled);
        }
        if index == worked {
            // One for one keeps the two in step, whatever the interleaving of the source.
            if !is_ended {
                match feed.take()? {
                    Some(new) => output.write(new, to)?,
                    None => is_ended = true,
                }
            }
            continue;
        }
        let Some(stream) = plan.streams.get(index) else {
            return Err(Error::unsupported(format!("stream {index} appears only inside the file")));
        };
        match (stream.to, stream.fate) {
            (Some(to), Fate::Copied) if !layout::is_attachment(plan, stream) => {
                output.write(packet, to)?;
                copied += 1;
            }
            _ => {}
        }
    }
    while !is_ended {
        match feed.take()? {
            Some(new) => output.write(new, to)?,
            None => is_ended = true,
        }
    }
    let bytes = output.finish(|file| settle(file, out))?;
    Ok(Written { bytes, video_packets: feed.given, copied_packets: copied })
}

/// Brings a file to the disk and gives its size.
fn settle(file: &mut File, path: &Path) -> Result<u64> {
    let settled = file.sync_all().and_then(|()| file.metadata());
    settled.map(|m| m.len()).map_err(|source| Error::Io { action: "write to the disk", path: path.to_owned(), source })
}

fn graft(
    source: &Source,
    plan: &CopyPlan,
    parameters: &Parameters,
    mut feed: Feed<'_>,
    out: &Path,
    scrap: &mut Scrap,
    progress: &mut Progress<'_>,
) -> Result<Written> {
    let reader = source.packets()?;
    let worked = source.info().video;
    let from = reader.streams().nth(worked).ok_or_else(|| Error::Internal("the video stream is gone".into()))?;
    let id = u32::try_from(from.id).map_err(|_| Error::Internal("a track without a number".into()))?;
    let mut movie = Movie::open(source.path())?;
    let (scale, pause) = movie.offset(id)?;
    let base = source.index().time_base;
    if base.num != 1 || base.den != i32::try_from(scale).unwrap_or(0) {
        return Err(Error::Internal(format!(
            "track {id} ticks {scale} times a second, its stream {}/{}",
            base.num, base.den
        )));
    }
    let frames = &source.index().frames;
    let (Some(first), Some(last)) = (frames.first(), frames.last()) else {
        return Err(Error::Internal("no frames to join".into()));
    };
    feed.times = feed.times.begin_by(pause.min(first.pts));
    let first_dts = feed.times.first();
    let part = PathBuf::from(format!("{}.video", out.display()));
    scrap.0.push(part.clone());
    let mut output = Output::new(&plan.muxer, create(&part)?)?;
    let stream = output.add(parameters, base)?;
    stream.sample_aspect_ratio = plan.resized.map_or(from.sample_aspect_ratio, |to| to.sar.into());
    // Times of the track alone count: the edit list is made by the graft.
    output.begin(&[("video_track_timescale", base.den.to_string()), ("write_tmcd", "0".into())])?;
    let total = source.info().size;
    while let Some(packet) = feed.take()? {
        output.write(packet, 0)?;
        if feed.given.is_multiple_of(64) && progress(total * feed.given / feed.wanted.max(1) / 2, total).is_break() {
            return Err(Error::Cancelled);
        }
    }
    output.finish(|_| Ok(()))?;
    let (end, is_resized) = (last.pts + last.duration, plan.resized.is_some());
    let new = NewTrack { file: &part, id, first_pts: first.pts, first_dts, end, is_resized };
    let mut file = create(out)?;
    let mut writer = std::io::BufWriter::with_capacity(1 << 20, &mut file);
    movie.graft(&new, &mut writer, &mut |done, of| progress(total / 2 + total * done / of.max(1) / 2, total))?;
    drop(writer);
    let bytes = settle(&mut file, out)?;
    Ok(Written { bytes, video_packets: feed.given, copied_packets: 0 })
}

fn graft_matroska(
    source: &Source,
    plan: &CopyPlan,
    parameters: &Parameters,
    feed: &mut Feed<'_>,
    out: &Path,
    scrap: &mut Scrap,
    progress: &mut Progress<'_>,
) -> Result<Written> {
    /// Milliseconds between the packets of the intermediate file, whose times mean nothing.
    const STEP: i64 = 40;
    let part = PathBuf::from(format!("{}.video", out.display()));
    scrap.0.push(part.clone());
    let mut output = Output::new(&plan.muxer, create(&part)?)?;
    let stream = output.add(parameters, Rational::new(1, 1000))?;
    if let Some(to) = plan.resized {
        stream.sample_aspect_ratio = to.sar.into();
    }
    output.begin(&[])?;
    let total = source.info().size;
    let mut packets = Vec::new();
    while let Some(mut packet) = feed.take()? {
        packets.push(NewPacket { pts: packet.pts().unwrap_or(0), key: packet.is_key() });
        let p = packet.get_mut();
        p.pts = packets.len() as i64 * STEP;
        (p.dts, p.duration) = (p.pts, STEP);
        output.write(packet, 0)?;
        if feed.given.is_multiple_of(64) && progress(total * feed.given / feed.wanted.max(1) / 2, total).is_break() {
            return Err(Error::Cancelled);
        }
    }
    output.finish(|_| Ok(()))?;
    let mut document = Document::open(source.path())?;
    let mut file = create(out)?;
    let mut writer = std::io::BufWriter::with_capacity(1 << 20, &mut file);
    let half = &mut |done: u64, of: u64| progress(total / 2 + total * done / of.max(1) / 2, total);
    document.graft((source.info().video, plan.resized.is_some()), &part, &packets, &mut writer, half)?;
    drop(writer);
    let bytes = settle(&mut file, out)?;
    Ok(Written { bytes, video_packets: feed.given, copied_packets: 0 })
}
