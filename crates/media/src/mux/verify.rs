//! Proves an output: opens it as any reader would and compares it with the source, stream by stream and packet by packet.
//! It believes nothing that the writer says of itself.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::path::Path;

use cleanplate_core::Scan;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::facts::{self, Facts, Mapping};
use super::isobmff::Movie;
use super::layout;
use super::plan::{CopyPlan, Fate, Method};
use crate::av::{Packet, ffi};
use crate::error::{Error, Result};
use crate::source::{Index, Limits, OpenOptions, PacketReader, Source};
use crate::types::{Container, Rational, StreamKind};

/// Differences that are written out in a check at most.
const SHOWN: usize = 8;
/// Frames at the start of which side data (captions, time codes, HDR) and fields are compared: enough for what is on every
/// frame or every second one, and little beside a job. Encoders carry them frame by frame, or refuse.
const FRAMES_COMPARED: usize = 12;

/// One thing that was checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// What was checked, in a word or two that stay the same.
    pub name: String,
    /// Whether it holds.
    pub is_ok: bool,
    /// What was found.
    pub words: String,
}

/// What an output was found to be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verification {
    /// Every check that was made.
    pub checks: Vec<Check>,
}

impl Verification {
    /// Whether every check holds.
    pub fn is_ok(&self) -> bool {
        self.checks.iter().all(|c| c.is_ok)
    }

    /// The checks that do not hold.
    pub fn failures(&self) -> impl Iterator<Item = &Check> {
        self.checks.iter().filter(|c| !c.is_ok)
    }

    /// The failures as an error.
    ///
    /// # Errors
    /// [`Error::Internal`] where a check does not hold.
    pub fn into_result(self) -> Result<()> {
        let words: Vec<String> = self.failures().map(|c| format!("{}: {}", c.name, c.words)).collect();
        if words.is_empty() {
            Ok(())
        } else {
            Err(Error::Internal(format!("the output is wrong: {}", words.join("; "))))
        }
    }

    fn add(&mut self, name: impl Into<String>, is_ok: bool, words: impl Into<String>) {
        self.checks.push(Check { name: name.into(), is_ok, words: words.into() });
    }
}

/// Reads `out` and compares it with `source` under `plan`; `expected` are the frames of the new video (those of the source,
/// unless a job changes them). The video's frames are counted and timed by their packets, not decoded.
///
/// A check that fails is no error: see [`Verification::is_ok`].
///
/// # Errors
/// Where one of the files cannot be read at all.
pub fn verify(
    out: &Path,
    source: &Source,
    plan: &CopyPlan,
    expected: &Index,
    progress: &mut dyn FnMut(u64, u64) -> ControlFlow<()>,
) -> Result<Verification> {
    let mut result = Verification::default();
    let found = Facts::of(PacketReader::open(out, &Limits::default())?.context());
    let wanted = Facts::of(source.packets()?.context()).resized(source.info().video, plan.resized);
    let map = match plan.method {
        Method::Graft => plan.mapping().into_iter().map(|to| to.filter(|i| *i < found.streams.len())).collect(),
        Method::Mux => layout::place(plan, &wanted, &found),
    };
    let worked = source.info().video;
    let to = map.get(worked).copied().flatten();
    let options = OpenOptions { stream: to, ..OpenOptions::default() };
    let made = Source::open(out, &options, progress)?;
    structure(&mut result, source, plan, &wanted, &found, &map);
    frames(&mut result, plan, expected, &made);
    copies(&mut result, source, &made, plan, &map)?;
    side_data(&mut result, source, &made, plan)?;
    let damage = made.damage();
    result.add(
        "readable",
        damage.read_errors == 0 && damage.decode_errors == 0,
        format!("{} packets refused by the container, {} by the decoder", damage.read_errors, damage.decode_errors),
    );
    Ok(result)
}

fn structure(
    result: &mut Verification,
    source: &Source,
    plan: &CopyPlan,
    wanted: &Facts,
    found: &Facts,
    map: &[Option<usize>],
) {
    let same_container = plan.is_same_container(source.info().container);
    let mapping = Mapping { to: map, video: source.info().video, same_container, chapters: true };
    let missing: Vec<String> = plan
        .streams
        .iter()
        .filter(|s| s.to.is_some() && map.get(s.index).copied().flatten().is_none())
        .map(|s| s.words.clone())
        .collect();
    let carried = plan.streams.iter().filter(|s| s.to.is_some()).count();
    let words =
        if missing.is_empty() { format!("{carried} carried") } else { format!("missing: {}", missing.join(", ")) };
    result.add("streams", missing.is_empty(), words);
    let is_consented = |kind: &str| plan.losses.iter().any(|l| l.kind == kind);
    let differences = facts::compare(wanted, found, &mapping);
    let (known, new): (Vec<_>, Vec<_>) = differences.into_iter().partition(|d| is_consented(d.kind));
    let mut words: Vec<String> = new.iter().take(SHOWN).map(|d| format!("{}: {}", d.kind, d.what)).collect();
    if new.len() > SHOWN {
        words.push(format!("and {} more", new.len() - SHOWN));
    }
    if words.is_empty() {
        words.push(format!("as in the source but for {} consented losses", known.len()));
    }
    result.add("headers", new.is_empty(), words.join("; "));
}

/// Ticks by which a time may be off because the container counts coarser: half a tick of it, in ticks of 1/1000000 s.
fn rescaled(ticks: i64, from: Rational, to: Rational) -> i64 {
    // SAFETY: plain arithmetic.
    unsafe { ffi::av_rescale_q(ticks, from.into(), to.into()) }
}

fn frames(result: &mut Verification, plan: &CopyPlan, expected: &Index, made: &Source) {
    let (want, got) = (&expected.frames, &made.index().frames);
    result.add("frame count", want.len() == got.len(), format!("{} frames, {} expected", got.len(), want.len()));
    if plan.container == Container::Raw {
        result.add("times", true, "a bare stream has none");
        return;
    }
    let (from, to) = (expected.time_base, made.index().time_base);
    let off: Vec<usize> = want
        .iter()
        .zip(got)
        .enumerate()
        .filter(|(_, (w, g))| rescaled(w.pts, from, to) != g.pts)
        .map(|(i, _)| i)
        .collect();
    let exact = i64::from(from.num) * i64::from(to.den) % (i64::from(from.den) * i64::from(to.num)).max(1) == 0;
    let words = match off.first() {
        None if exact => "every frame at its time, exactly".to_owned(),
        None => format!("every frame at its time, rounded to {}/{} s", to.num, to.den),
        Some(i) => format!(
            "{} frames at other times, first frame {i}: {} (of {}/{} s), expected {}",
            off.len(),
            got[*i].pts,
            to.num,
            to.den,
            rescaled(want[*i].pts, from, to)
        ),
    };
    result.add("times", off.is_empty(), words);
    if let (Some(w), Some(g)) = (want.last(), got.last()) {
        let w = rescaled(w.duration, from, to);
        let stored = if plan.container.is_isobmff() { last_duration(made) } else { None };
        // A tick of rounding; where no duration is stored readers derive one, each its own.
        let is_ok = stored.is_none_or(|s| (w - s).abs() <= 1);
        let words =
            format!("the last frame lasts {} of {}/{} s, expected {w}", stored.unwrap_or(g.duration), to.num, to.den);
        result.add("last duration", is_ok, words);
    }
}

/// How long the last frame lasts in an MP4 or QuickTime file, as its tables say; `None` where it has none (fragments).
fn last_duration(made: &Source) -> Option<i64> {
    let reader = made.packets().ok()?;
    let id = reader.streams().nth(made.info().video)?.id;
    let movie = Movie::open(made.path()).ok()?;
    movie.last_duration(u32::try_from(id).ok()?).and_then(|d| i64::try_from(d).ok())
}

/// What is kept of a copied stream's packets.
#[derive(Default)]
struct Trace {
    packets: u64,
    payload: Sha256,
    times: Sha256,
    flags: Sha256,
}

fn trace(source: &Source, wanted: &dyn Fn(usize) -> Option<Rational>, normal: bool) -> Result<Vec<Trace>> {
    let mut traces: Vec<Trace> = Vec::new();
    let mut reader = source.packets()?;
    let bases: Vec<Rational> = source.info().streams.iter().map(|s| s.time_base).collect();
    let codecs: Vec<String> = source.info().streams.iter().map(|s| s.codec.clone()).collect();
    while let Some(packet) = reader.next()? {
        let index = packet.get().stream_index as usize;
        let (Some(to), Some(from)) = (wanted(index), bases.get(index).copied()) else { continue };
        if traces.len() <= index {
            traces.resize_with(index + 1, Trace::default);
        }
        let trace = &mut traces[index];
        trace.packets += 1;
        trace.payload.update(if normal { essence(&codecs[index], packet.data()) } else { packet.data() });
        let time = packet.pts().or(packet.dts()).map_or(i64::MIN, |t| rescaled(t, from, to));
        trace.times.update(time.to_le_bytes());
        // Sound before time 0 is not heard: some files say so once more in each packet, some leave it at the time.
        let is_before = packet.pts().is_some_and(|t| t < 0);
        let discarded = packet.get().flags & ffi::AV_PKT_FLAG_DISCARD != 0 && !is_before;
        trace.flags.update([u8::from(packet.is_key()), u8::from(discarded)]);
        extras(&packet, &mut |kind, data| {
            if !(is_before && kind == ffi::AVPacketSideDataType::SKIP_SAMPLES.0) {
                trace.flags.update(kind.to_le_bytes());
                trace.flags.update(data);
            }
        });
    }
    Ok(traces)
}

/// Side data of a packet that belongs to its content: gaps at the ends of sound, alpha planes, cue settings.
fn extras(packet: &Packet, visit: &mut dyn FnMut(u32, &[u8])) {
    let p = packet.get();
    for i in 0..usize::try_from(p.side_data_elems).unwrap_or(0) {
        // SAFETY: libav keeps side_data_elems elements there, each with `size` bytes.
        let entry = unsafe { &*p.side_data.add(i) };
        // Which of a transport stream's stream numbers it was is no content.
        if entry.data.is_null() || entry.type_ == ffi::AVPacketSideDataType::MPEGTS_STREAM_ID {
            continue;
        }
        // SAFETY: as above.
        visit(entry.type_.0, unsafe { std::slice::from_raw_parts(entry.data, entry.size) });
    }
}

/// A packet without what a container adds: the ADTS header of AAC in transport streams (ISO/IEC 14496-3, 1.A.2.2).
fn essence<'a>(codec: &str, data: &'a [u8]) -> &'a [u8] {
    match data {
        [0xff, b, ..] if codec == "aac" && b & 0xf6 == 0xf0 => {
            data.get(if b & 1 == 1 { 7 } else { 9 }..).unwrap_or(data)
        }
        _ => data,
    }
}

fn copies(
    result: &mut Verification,
    source: &Source,
    made: &Source,
    plan: &CopyPlan,
    map: &[Option<usize>],
) -> Result<()> {
    let is_copied = |i: usize| plan.streams.get(i).is_some_and(|s| s.fate == Fate::Copied);
    let place = |i: usize| map.get(i).copied().flatten();
    let base = |i: usize| made.info().streams.get(i).map(|s| s.time_base);
    let same_container = plan.is_same_container(source.info().container);
    let before = trace(source, &|i| if is_copied(i) { place(i).and_then(base) } else { None }, !same_container)?;
    let after = trace(made, &base, !same_container)?;
    for stream in plan.streams.iter().filter(|s| s.fate == Fate::Copied) {
        let Some(to) = place(stream.index) else { continue };
        if matches!(stream.kind, StreamKind::Attachment | StreamKind::Picture) {
            // Their bytes are part of the header, and were compared with it.
            continue;
        }
        let empty = Trace::default();
        let (a, b) = (before.get(stream.index).unwrap_or(&empty), after.get(to).unwrap_or(&empty));
        let mut wrong = Vec::new();
        if a.packets != b.packets {
            wrong.push(format!("{} packets became {}", a.packets, b.packets));
        }
        let same = |x: &Sha256, y: &Sha256| x.clone().finalize() == y.clone().finalize();
        if !same(&a.payload, &b.payload) && !is_rewritten(source, stream.index, same_container) {
            wrong.push("payloads differ".into());
        }
        if !same(&a.times, &b.times) {
            wrong.push("times differ".into());
        }
        if !same(&a.flags, &b.flags) && same_container {
            wrong.push("key flags or side data differ".into());
        }
        let words = if wrong.is_empty() { format!("{} packets, the same", a.packets) } else { wrong.join(", ") };
        result.add(stream.words.clone(), wrong.is_empty(), words);
    }
    Ok(())
}

/// Codecs whose packets a change of container writes in another form without loss (start codes or lengths).
fn is_rewritten(source: &Source, index: usize, same_container: bool) -> bool {
    let codec = source.info().streams.get(index).map_or("", |s| s.codec.as_str());
    !same_container && matches!(codec, "h264" | "hevc" | "mov_text" | "webvtt" | "dvd_subtitle")
}

/// What the first frames carry beside their samples: side data, and whether they are fields.
#[derive(Default)]
struct Seen {
    side_data: BTreeSet<String>,
    scans: Vec<Scan>,
}

fn look(source: &Source) -> Result<Seen> {
    let mut seen = Seen::default();
    let mut reader = source.reader(1)?;
    while seen.scans.len() < FRAMES_COMPARED
        && let Some(frame) = reader.read()?
    {
        seen.scans.push(frame.scan);
    }
    seen.side_data = reader.frame_side_data().clone();
    Ok(seen)
}

fn side_data(result: &mut Verification, source: &Source, made: &Source, plan: &CopyPlan) -> Result<()> {
    let (before, after) = (look(source)?, look(made)?);
    let is_consented = |kind: &str| plan.losses.iter().any(|l| l.kind == kind);
    let mut lost = Vec::new();
    for name in before.side_data.difference(&after.side_data) {
        let kind = match name.as_str() {
            "ATSC A53 Part 4 Closed Captions" => "captions",
            "SMPTE 12-1 timecode" | "GOP timecode" => "timecode",
            "Active format description" | "Bar data" => "afd",
            "Mastering display metadata" | "Content light level metadata" => "hdr-static",
            n if n.contains("HDR Dynamic") || n.contains("Dolby Vision") || n.contains("DOVI") => "hdr-dynamic",
            // Containers keep the matrix; only some decoders repeat it on frames. Encoders sign their streams.
            "3x3 displaymatrix" | "H.26[45] User Data Unregistered SEI message" => continue,
            "Video encoding parameters" | "Motion vectors" => continue,
            _ => "side-data",
        };
        if !is_consented(kind) {
            lost.push(format!("{kind}: {name}"));
        }
    }
    let words = if lost.is_empty() {
        format!("{} kinds on the first {} frames, kept", before.side_data.len(), before.scans.len())
    } else {
        format!("lost: {}", lost.join(", "))
    };
    result.add("frame side data", lost.is_empty(), words);
    let differs = before.scans.iter().zip(&after.scans).position(|(a, b)| a != b);
    let words = match differs {
        None => format!("as in the source on the first {} frames", before.scans.len()),
        Some(i) => format!("frame {i} is {:?}, in the source {:?}", after.scans[i], before.scans[i]),
    };
    result.add("fields", differs.is_none() || is_consented("field-order"), words);
    Ok(())
}
