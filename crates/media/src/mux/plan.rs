//! What becomes of every stream of a source, decided before the work. A trial file in memory tells what the target can
//! carry, because a muxer's tables and what it does differ. It knows streams and headers, not frames.

use std::collections::BTreeSet;
use std::io::Cursor;
use std::path::PathBuf;

use cleanplate_core::{Frame, HostSurface};
use serde::{Deserialize, Serialize};

use super::facts::{self, Difference, Facts, Mapping};
use super::input::Input;
use super::isobmff::Movie;
use super::layout::{self, Video};
use super::matroska::Document;
use super::output::Output;
use crate::av::{AvError, Packet};
use crate::encode::{Encoder, EncoderSpec, StaticSideData};
use crate::error::{Error, Result};
use crate::source::Source;
use crate::types::{Container, Rational, SourceInfo, StreamKind};

/// Packets and bytes of the source that a trial reads at most, to give each stream a few.
const TRIAL_PACKETS: usize = 3000;
const TRIAL_BYTES: usize = 64 << 20;
/// Packets of each stream that a trial writes.
const TRIAL_EACH: usize = 2;

/// How the output is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// The source's own file with the packets of one track replaced (MP4, QuickTime, Matroska, WebM).
    Graft,
    /// A new file by libav's muxer.
    Mux,
}

/// What becomes of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fate {
    /// Its frames are worked on and coded anew.
    Worked,
    /// Its packets are copied.
    Copied,
    /// What it says is written in the container's own way (chapter tracks).
    Rewritten,
    /// It is left out, with the user's consent.
    Dropped,
}

impl Fate {
    /// In words.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Worked => "worked on and encoded anew",
            Self::Copied => "copied packet for packet",
            Self::Rewritten => "written anew in the container's own way",
            Self::Dropped => "left out, with consent",
        }
    }
}

/// One stream of the source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamPlan {
    /// Position in the source.
    pub index: usize,
    /// Position in the output, `None` where it is not there as a stream.
    pub to: Option<usize>,
    /// What it carries.
    pub kind: StreamKind,
    /// The stream in words.
    pub words: String,
    /// What becomes of it.
    pub fate: Fate,
}

/// Something that the output lacks, with the user's consent.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Lost {
    /// As consent names it (`--accept-loss KIND`).
    pub kind: String,
    /// In words.
    pub what: String,
}

/// What becomes of every part of a source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CopyPlan {
    /// The container that is written.
    pub container: Container,
    /// How.
    pub method: Method,
    /// libav's name of the muxer.
    pub muxer: String,
    /// Options of the muxer.
    pub options: Vec<(String, String)>,
    /// Every stream of the source.
    pub streams: Vec<StreamPlan>,
    /// What is lost with consent.
    pub losses: Vec<Lost>,
    /// What is worth knowing and no loss: rounded times, a file that is built anew.
    pub notes: Vec<String>,
    /// Of a picture of another size than the source's: that size and its sample aspect ratio.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resized: Option<Resized>,
}

/// The size of a new picture that is not the source's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resized {
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// Sample aspect ratio, 0/1 where unknown.
    pub sar: Rational,
}

impl Resized {
    /// The size of the frames of `spec`, where it is another one than the source's.
    fn of(spec: &EncoderSpec, info: &SourceInfo) -> Option<Self> {
        let video = info.video_stream().and_then(|s| s.video.as_ref())?;
        let is_same = (spec.width, spec.height) == (video.width, video.height);
        (!is_same).then_some(Self { width: spec.width, height: spec.height, sar: spec.sar })
    }
}

impl CopyPlan {
    pub(super) fn mapping(&self) -> Vec<Option<usize>> {
        self.streams.iter().map(|s| s.to).collect()
    }

    /// Whether the target keeps what only its own family can keep.
    pub(super) fn is_same_container(&self, source: Container) -> bool {
        same_family(self.container, source)
    }
}

fn same_family(a: Container, b: Container) -> bool {
    a == b || (matches!(a, Container::Mkv | Container::Webm) && matches!(b, Container::Mkv | Container::Webm))
}

/// Plans the copy of everything in `source` but the worked-on video into `container`, whose new packets an encoder of `spec` makes. A few
/// black frames are encoded for the trial.
///
/// # Errors
/// [`Error::Unsupported`] where the container cannot carry something and neither `drop_streams` (for streams) nor
/// `accept_loss` (by kind) consents: the text names each thing, and what carries it or which flag consents.
pub fn plan_copy(
    source: &Source,
    container: Container,
    spec: &EncoderSpec,
    drop_streams: bool,
    accept_loss: &BTreeSet<String>,
) -> Result<CopyPlan> {
    let mut encoder = Encoder::open(spec, &StaticSideData::default())?;
    let parameters = encoder.parameters()?;
    let mut samples = Vec::new();
    let mut keep = |packet: &Packet| {
        samples.push(packet.share().map_err(memory)?);
        Ok(())
    };
    for (idx, entry) in source.index().frames.iter().take(TRIAL_EACH).enumerate() {
        let surface = HostSurface::new(spec.source_format, spec.width, spec.height);
        let size = (spec.width, spec.height);
        let mut frame = Frame::new(idx as u64, entry.pts, entry.duration, size, spec.source_format, Box::new(surface));
        (frame.color, frame.scan) = (spec.color, spec.scan);
        encoder.push(frame, &mut keep)?;
    }
    encoder.finish(&mut keep)?;
    let video = Video { parameters: &parameters, samples: &samples };
    plan_for(source, container, &video, Resized::of(spec, source.info()), drop_streams, accept_loss)
}

fn memory(e: AvError) -> Error {
    Error::Backend(format!("cannot make a packet: {e}"))
}

/// [`plan_copy`] for packets that are there already.
pub(crate) fn plan_for(
    source: &Source,
    container: Container,
    video: &Video<'_>,
    resized: Option<Resized>,
    drop_streams: bool,
    accept_loss: &BTreeSet<String>,
) -> Result<CopyPlan> {
    let info = source.info();
    let consent = Consent { drop_streams, accept_loss };
    if info.container == container && (container.is_isobmff() || matches!(container, Container::Mkv | Container::Webm))
    {
        match graft_plan(source, container, video, &consent)? {
            Ok(plan) => return Ok(CopyPlan { resized, ..plan }),
            Err(why) => {
                let mut plan = mux_plan(source, container, video, resized, &consent)?;
                plan.notes.push(format!("the file is built anew, not kept box by box: {why}"));
                return Ok(plan);
            }
        }
    }
    mux_plan(source, container, video, resized, &consent)
}

struct Consent<'a> {
    drop_streams: bool,
    accept_loss: &'a BTreeSet<String>,
}

impl Consent<'_> {
    /// The losses, where all are consented to.
    fn settle(&self, container: Container, source: Container, differences: Vec<Difference>) -> Result<Vec<Lost>> {
        let (lost, refused): (Vec<_>, Vec<_>) =
            differences.into_iter().partition(|d| self.accept_loss.contains(d.kind) && d.kind != "size");
        if refused.is_empty() {
            return Ok(lost.into_iter().map(|d| Lost { kind: d.kind.to_owned(), what: d.what }).collect());
        }
        let words: Vec<&str> = refused.iter().map(|d| d.what.as_str()).collect();
        let kinds: BTreeSet<&str> = refused.iter().map(|d| d.kind).collect();
        let flags: Vec<String> = kinds
            .iter()
            .map(|k| if *k == "streams" { "--drop-streams".to_owned() } else { format!("--accept-loss {k}") })
            .collect();
        let carries = if same_family(source, container) {
            String::new()
        } else {
            format!("{} carries it, or consent with ", source.words())
        };
        let flags = if carries.is_empty() { format!("consent with {}", flags.join(" ")) } else { flags.join(" ") };
        Err(Error::unsupported_but(
            format!("{} cannot carry everything: {}", container.words(), words.join("; ")),
            format!("{carries}{flags}"),
        ))
    }
}

fn stream_plans(facts: &Facts, info: &SourceInfo) -> Vec<StreamPlan> {
    facts
        .streams
        .iter()
        .enumerate()
        .map(|(index, stream)| StreamPlan {
            index,
            to: Some(index),
            kind: stream.kind,
            words: stream.words(index),
            fate: if index == info.video { Fate::Worked } else { Fate::Copied },
        })
        .collect()
}

/// The plan that keeps the file box by box, or why that cannot be.
fn graft_plan(
    source: &Source,
    container: Container,
    video: &Video<'_>,
    consent: &Consent<'_>,
) -> Result<std::result::Result<CopyPlan, String>> {
    let info = source.info();
    let facts = Facts::of(source.packets()?.context());
    let carried = if container.is_isobmff() {
        let id = facts.streams.get(info.video).and_then(|s| u32::try_from(s.id).ok()).unwrap_or(0);
        Movie::open(source.path()).map(|movie| match movie.unsuited(id) {
            Some(why) => Err(why),
            None => Ok(movie.entry_boxes(id)),
        })
    } else {
        Document::open(source.path()).and_then(|document| {
            let size = info.video_stream().and_then(|s| s.video.as_ref()).map_or((0, 0), |v| (v.width, v.height));
            Ok(match document.unsuited(info.video, size.0, size.1)? {
                Some(why) => Err(why),
                None => Ok(document.additions(info.video)?),
            })
        })
    };
    let names = match carried {
        Err(e) => return Ok(Err(e.to_string())),
        Ok(Err(why)) => return Ok(Err(why)),
        Ok(Ok(names)) => names,
    };
    let mut differences = Vec::new();
    let whose = facts.streams.get(info.video).map_or_else(String::new, |s| s.words(info.video));
    for name in names {
        let (kind, what) = match name.as_str() {
            "lhvC" | "vexu" | "mvcC" => ("stereo", "the second view of a stereo picture"),
            "dvcC" | "dvvC" | "dvwC" => ("hdr-dynamic", "Dolby Vision metadata"),
            _ => continue,
        };
        if !differences.iter().any(|d: &Difference| d.kind == kind) {
            differences.push(Difference { kind, what: format!("{whose}: {what} is not coded anew") });
        }
    }
    let losses = consent.settle(container, info.container, differences)?;
    // The new track itself is made by libav's muxer: that it takes the codec is tried here, not after hours of work.
    let muxer = container.muxer("").to_owned();
    let mut trial = Output::new(&muxer, Cursor::new(Vec::new()))?;
    trial.add(video.parameters, source.index().time_base)?;
    trial.begin(&[])?;
    Ok(Ok(CopyPlan {
        container,
        method: Method::Graft,
        muxer,
        options: Vec::new(),
        streams: stream_plans(&facts, info),
        losses,
        notes: Vec::new(),
        resized: None,
    }))
}

/// Streams whose header and first packets a trial file has taken, and what it says of them.
struct Trial {
    differences: Vec<Difference>,
}

fn mux_plan(
    source: &Source,
    container: Container,
    video: &Video<'_>,
    resized: Option<Resized>,
    consent: &Consent<'_>,
) -> Result<CopyPlan> {
    let info = source.info();
    let samples = samples(source)?;
    let wanted = Facts::of(source.packets()?.context()).resized(info.video, resized);
    let mut streams = stream_plans(&wanted, info);
    for (plan, facts) in streams.iter_mut().zip(&wanted.streams) {
        let is_chapters =
            facts.kind == StreamKind::Data && facts.codec == "bin_data" && &facts.tag.to_le_bytes() == b"text";
        if is_chapters && !wanted.chapters.is_empty() {
            plan.fate = Fate::Rewritten;
        }
    }
    let muxer = container.muxer(video.codec()).to_owned();
    let mut plan = CopyPlan {
        container,
        method: Method::Mux,
        muxer,
        options: layout::options(source, container)?,
        streams,
        losses: Vec::new(),
        notes: Vec::new(),
        resized,
    };
    layout::number(&mut plan);
    let mut refused = Vec::new();
    let trial = match rehearse(source, &plan, video, &samples, &wanted) {
        Ok(trial) => trial,
        Err(first) => {
            // Which stream is it? Each one alone beside the video tells.
            for i in (0..plan.streams.len()).filter(|i| *i != info.video) {
                let mut alone = plan.clone();
                for other in &mut alone.streams {
                    if other.index != i && other.index != info.video {
                        other.fate = Fate::Dropped;
                    }
                }
                layout::number(&mut alone);
                if let Err(e) = rehearse(source, &alone, video, &samples, &wanted) {
                    refused.push((i, e));
                }
            }
            if refused.is_empty() {
                return Err(first);
            }
            for (i, _) in &refused {
                plan.streams[*i].fate = Fate::Dropped;
            }
            layout::number(&mut plan);
            rehearse(source, &plan, video, &samples, &wanted)?
        }
    };
    let mut trial = trial;
    if container.is_isobmff() && trial.differences.iter().any(|d| d.kind == "metadata") {
        // Keys beyond the classic ones need the newer table of keys.
        let mut other = plan.clone();
        other.options.push(("movflags".into(), "use_metadata_tags".into()));
        let second = rehearse(source, &other, video, &samples, &wanted)?;
        if second.differences.len() < trial.differences.len() {
            (plan, trial) = (other, second);
        }
    }
    let mut differences = trial.differences;
    // Streams that arrive as something else or not at all are no copies: they are dropped, with consent.
    let lost: Vec<usize> = (0..plan.streams.len())
        .filter(|i| *i != info.video && plan.streams[*i].fate == Fate::Copied)
        .filter(|i| differences.iter().any(|d| d.kind == "streams" && d.what.starts_with(&plan.streams[*i].words)))
        .collect();
    let mut consented = Vec::new();
    if consent.drop_streams {
        for i in lost.iter().copied().chain(refused.iter().map(|(i, _)| *i)) {
            plan.streams[i].fate = Fate::Dropped;
            consented.push(Lost { kind: "streams".into(), what: format!("{} is left out", plan.streams[i].words) });
        }
        layout::number(&mut plan);
        if !lost.is_empty() {
            differences = rehearse(source, &plan, video, &samples, &wanted)?.differences;
        }
    } else {
        if !lost.is_empty() {
            // A program without its stream is no second loss.
            differences.retain(|d| d.kind != "programs");
        }
        for (i, e) in &refused {
            let what = format!("{} does not fit into {} ({e})", plan.streams[*i].words, container.words());
            differences.push(Difference { kind: "streams", what });
        }
    }
    plan.losses = consent.settle(container, info.container, differences)?;
    plan.losses.extend(consented);
    if let Some(tick) = layout::tick(container)
        && source.index().time_base != tick
    {
        let base = source.index().time_base;
        let coarser = base.value() < tick.value() || (tick.den % base.den.max(1)) != 0;
        if coarser {
            plan.notes.push(format!(
                "times are rounded from ticks of {}/{} s to {}/{} s",
                base.num, base.den, tick.num, tick.den
            ));
        }
    }
    Ok(plan)
}

/// A few packets of every stream.
fn samples(source: &Source) -> Result<Vec<Packet>> {
    let mut reader = source.packets()?;
    let mut kept: Vec<Packet> = Vec::new();
    let mut counts = vec![0_usize; source.info().streams.len()];
    let (mut read, mut bytes) = (0, 0);
    let wanted: Vec<usize> = source.info().streams.iter().map(|s| TRIAL_EACH.min(s.packets as usize)).collect();
    while let Some(packet) = reader.next()? {
        (read, bytes) = (read + 1, bytes + packet.data().len());
        let i = packet.get().stream_index as usize;
        if let Some(count) = counts.get_mut(i)
            && *count < TRIAL_EACH
        {
            *count += 1;
            kept.push(packet);
        }
        if read >= TRIAL_PACKETS || bytes >= TRIAL_BYTES || counts.iter().zip(&wanted).all(|(c, w)| c >= w) {
            break;
        }
    }
    Ok(kept)
}

/// Writes a small file as planned into memory, opens it again and compares the headers.
fn rehearse(source: &Source, plan: &CopyPlan, video: &Video<'_>, samples: &[Packet], wanted: &Facts) -> Result<Trial> {
    let reader = source.packets()?;
    let mut output = Output::new(&plan.muxer, Cursor::new(Vec::new()))?;
    layout::set_up(&mut output, reader.context(), plan, video, source.index())?;
    let options: Vec<(&str, String)> = plan.options.iter().map(|(k, v)| (k.as_str(), v.clone())).collect();
    output.begin(&options)?;
    let mut sent = 0;
    for packet in samples {
        let i = packet.get().stream_index as usize;
        let Some(stream) = plan.streams.get(i) else { continue };
        let (Some(to), Fate::Copied | Fate::Worked) = (stream.to, stream.fate) else { continue };
        let copy = if i == source.info().video {
            let Some(sample) = video.samples.get(sent) else { continue };
            sent += 1;
            sample.share().map_err(memory)?
        } else if layout::is_attachment(plan, stream) {
            continue;
        } else {
            packet.share().map_err(memory)?
        };
        output.write(copy, to)?;
    }
    let bytes = output.finish(|medium| Ok(std::mem::take(medium.get_mut())))?;
    let found = Input::over(Cursor::new(bytes), PathBuf::from("a trial of the output"))?;
    let found = Facts::of(found.get());
    let map = layout::place(plan, wanted, &found);
    let same_container = plan.is_same_container(source.info().container);
    let mapping = Mapping { to: &map, video: source.info().video, same_container, chapters: true };
    let mut differences = facts::compare(wanted, &found, &mapping);
    for (stream, place) in plan.streams.iter().zip(&map) {
        if stream.to.is_some() && place.is_none() {
            differences.push(Difference { kind: "streams", what: format!("{} does not arrive", stream.words) });
        }
    }
    Ok(Trial { differences })
}
