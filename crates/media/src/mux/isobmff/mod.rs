//! MP4 and QuickTime files in which one track's samples are replaced and everything else stays as it is.
//!
//! libav's muxer rebuilds such a file from what libav understands, and loses the rest: timed metadata of telephones, user
//! data, track references, edit lists of sound. Here the header is kept box by box; only the sample tables of the track
//! that was worked on, and the places of the chunks, are written anew. It knows tables and places; what the samples mean is
//! not its business, and neither are times outside the track's own ticks.

mod boxes;
mod samples;

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::ops::ControlFlow;
use std::path::Path;

use boxes::{Kind, Node, Place, u32_at, u64_at};

use crate::error::{Error, Result};

/// Seconds of video that lie together between chunks of other tracks: half a second, as capture devices write it.
const CHUNKS_PER_SECOND: u64 = 2;
/// Bytes of video that lie together at most.
const CHUNK_BYTES: u64 = 4 << 20;
/// Extensions of a visual sample entry that describe the picture and not its coding: they stay the source's.
const PICTURE_BOXES: &[Kind] =
    &[*b"colr", *b"pasp", *b"clap", *b"fiel", *b"gama", *b"mdcv", *b"clli", *b"cclv", *b"amve", *b"st3d", *b"sv3d"];
/// Boxes of the top level that are made anew or mean nothing in a rewritten file.
const NOT_COPIED: &[Kind] = &[
    *b"ftyp", *b"moov", *b"mdat", *b"free", *b"skip", *b"wide", *b"sidx", *b"ssix", *b"styp", *b"mfra", *b"prft",
    *b"pdin",
];

/// What takes the place of a track's samples: a file with one track, as libav's muxer writes it.
pub(crate) struct NewTrack<'a> {
    /// The file with the new samples.
    pub(crate) file: &'a Path,
    /// The number of the track in the source whose samples are replaced.
    pub(crate) id: u32,
    /// Presentation time of the first frame, in the source's ticks.
    pub(crate) first_pts: i64,
    /// Decoding time of the first packet, at most the presentation offset that [`Movie::offset`] gives.
    pub(crate) first_dts: i64,
    /// End of the last frame.
    pub(crate) end: i64,
    /// Whether its picture has another size than the old one.
    pub(crate) is_resized: bool,
}

/// An MP4 or QuickTime file whose header has been read.
pub(crate) struct Movie {
    file: File,
    size: u64,
    places: Vec<Place>,
    moov: Node,
}

fn internal(what: &str) -> Error {
    Error::Internal(format!("joining MP4 tracks: {what}"))
}

impl Movie {
    /// Reads the header.
    ///
    /// # Errors
    /// Where the file is no MP4 or QuickTime file, or its boxes do not add up.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let io = |source| Error::Io { action: "read", path: path.to_owned(), source };
        let mut file = File::open(path).map_err(io)?;
        let size = file.metadata().map_err(io)?.len();
        let places = boxes::top_level(&mut file, size)?;
        let moov = places.iter().find(|p| p.kind == *b"moov").copied();
        let moov = moov.ok_or_else(|| Error::Input(format!("{}: no moov box", path.display())))?;
        let moov = boxes::load(&mut file, moov)?;
        Ok(Self { file, size, places, moov })
    }

    fn tracks(&self) -> impl Iterator<Item = &Node> {
        self.moov.boxes().iter().filter(|n| n.kind == *b"trak")
    }

    fn track(&self, id: u32) -> Option<&Node> {
        self.tracks().find(|trak| track_id(trak).is_ok_and(|n| n == id))
    }

    /// Why the samples of track `id` cannot be replaced here; `None` where they can.
    pub(crate) fn unsuited(&self, id: u32) -> Option<String> {
        if self.moov.find(&[b"cmov"]).is_some() {
            return Some("its header is compressed".into());
        }
        if self.moov.find(&[b"mvex"]).is_some() || self.places.iter().any(|p| p.kind == *b"moof") {
            return Some("it is fragmented".into());
        }
        if self.tracks().filter(|trak| track_id(trak).is_ok_and(|n| n == id)).count() != 1 {
            return Some(format!("track {id} is not there exactly once"));
        }
        for trak in self.tracks() {
            let Some(stbl) = trak.find(&[b"mdia", b"minf", b"stbl"]) else {
                return Some("a track has no sample table".into());
            };
            if stbl.boxes().iter().any(|n| n.kind == *b"saio" || n.kind == *b"senc") {
                return Some("samples refer to places in the file (encryption)".into());
            }
            match samples::chunks(stbl) {
                Err(e) => return Some(e.to_string()),
                Ok(chunks) => {
                    if chunks
                        .iter()
                        .any(|c| c.offset.saturating_add(c.len.unwrap_or(0)) > self.size && c.len != Some(0))
                    {
                        return Some("samples lie beyond the end of the file".into());
                    }
                }
            }
            if trak.find(&[b"mdia", b"minf", b"dinf", b"dref"]).is_some_and(|dref| external(dref.bytes())) {
                return Some("samples lie in another file".into());
            }
        }
        let places = |bytes: &[u8]| bytes.windows(4).any(|w| w == b"iloc");
        if self.places.iter().any(|p| p.kind == *b"meta")
            || self.moov.find(&[b"meta"]).is_some_and(|m| places(m.bytes()))
        {
            return Some("it holds items beside its tracks".into());
        }
        None
    }

    /// Ticks a second of track `id`, and ticks by which its edit list delays it.
    pub(crate) fn offset(&self, id: u32) -> Result<(u32, i64)> {
        let trak = self.track(id).ok_or_else(|| internal("no such track"))?;
        let (_, movie) = self.scales(trak)?;
        let mdhd = trak.find(&[b"mdia", b"mdhd"]).ok_or_else(|| internal("no mdhd"))?;
        let (scale, _) = samples::timescale(mdhd)?;
        let edits = edits(trak)?;
        let empty: u64 = edits.iter().take_while(|e| e.media < 0).map(|e| e.duration).sum();
        Ok((scale, rescale(empty, scale, movie)))
    }

    /// Ticks that the sample of track `id` lasts which is shown last. libav counts the last one's from the edit list.
    pub(crate) fn last_duration(&self, id: u32) -> Option<u64> {
        let stbl = self.track(id)?.find(&[b"mdia", b"minf", b"stbl"])?;
        samples::last_shown(stbl).ok().flatten()
    }

    fn scales(&self, trak: &Node) -> Result<(u32, u32)> {
        let mvhd = self.moov.find(&[b"mvhd"]).ok_or_else(|| Error::Input("moov without mvhd".into()))?;
        let mdhd = trak.find(&[b"mdia", b"mdhd"]).ok_or_else(|| Error::Input("a track without mdhd".into()))?;
        let (movie, media) = (samples::timescale(mvhd)?.0, samples::timescale(mdhd)?.0);
        if movie == 0 || media == 0 {
            return Err(Error::Input("a track without ticks".into()));
        }
        Ok((media, movie))
    }

    /// Boxes in the sample entry of track `id`, by name: what the coding carries that libav may not know of.
    pub(crate) fn entry_boxes(&self, id: u32) -> Vec<String> {
        let stsd = self.track(id).and_then(|t| t.find(&[b"mdia", b"minf", b"stbl", b"stsd"]));
        let entries = stsd.and_then(|stsd| Entry::first(stsd.bytes()).ok());
        entries.map(|e| e.boxes.iter().map(|n| boxes::name(n.kind)).collect()).unwrap_or_default()
    }

    /// Writes this file to `out`, with the samples of one track replaced.
    ///
    /// # Errors
    /// Where a file cannot be read or written, or the observer says to stop.
    pub(crate) fn graft(
        &mut self,
        new: &NewTrack<'_>,
        out: &mut (impl Write + Seek),
        progress: &mut dyn FnMut(u64, u64) -> ControlFlow<()>,
    ) -> Result<()> {
        let mut other = Self::open(new.file)?;
        let graft = other.tracks().next().ok_or_else(|| internal("no new track"))?.clone();
        let mut pieces = Vec::new();
        let mut traks: Vec<Node> = self.tracks().cloned().collect();
        let ends = self.boundaries(&traks)?;
        for (t, trak) in traks.iter_mut().enumerate() {
            let (media, movie) = self.scales(trak)?;
            let is_new = track_id(trak)? == new.id;
            let chunks = if is_new {
                replace(trak, &graft, new, media, movie)?
            } else {
                let stbl = trak.find(&[b"mdia", b"minf", b"stbl"]).ok_or_else(|| internal("no sample table"))?;
                samples::chunks(stbl)?
            };
            for (i, chunk) in chunks.iter().enumerate() {
                let next = ends[ends.partition_point(|e| *e <= chunk.offset).min(ends.len() - 1)];
                let len = chunk.len.unwrap_or(next.saturating_sub(chunk.offset));
                let time = chunk.time as f64 / f64::from(media);
                pieces.push(Piece { time, track: t, chunk: i, is_new, offset: chunk.offset, len });
            }
        }
        pieces.sort_by(|a, b| a.time.total_cmp(&b.time));
        let layout = Layout { movie: self, traks, pieces };
        layout.write(&mut other.file, out, progress)
    }

    /// Every place where something begins or ends in the file, in order.
    fn boundaries(&self, traks: &[Node]) -> Result<Vec<u64>> {
        let mut ends: Vec<u64> = self.places.iter().map(|p| p.start + p.len).chain([self.size]).collect();
        for trak in traks {
            let stbl = trak.find(&[b"mdia", b"minf", b"stbl"]).ok_or_else(|| internal("no sample table"))?;
            ends.extend(samples::chunks(stbl)?.iter().map(|c| c.offset));
        }
        ends.sort_unstable();
        Ok(ends)
    }
}

fn external(dref: &[u8]) -> bool {
    // Entries: size, kind, version and flags; flag 1 says "in this file".
    let count = u32_at(dref, 4).unwrap_or(0);
    let mut at = 8;
    for _ in 0..count {
        let (Ok(size), Ok(flags)) = (u32_at(dref, at), u32_at(dref, at + 8)) else { return true };
        if flags & 1 == 0 || size < 12 {
            return true;
        }
        at += size as usize;
    }
    false
}

fn track_id(trak: &Node) -> Result<u32> {
    let tkhd = trak.find(&[b"tkhd"]).ok_or_else(|| Error::Input("a track without tkhd".into()))?.bytes();
    u32_at(tkhd, if tkhd.first() == Some(&1) { 20 } else { 12 })
}

fn rescale(ticks: u64, to: u32, from: u32) -> i64 {
    // To the nearest, halves away from zero: as libav reads edit lists.
    let n = u128::from(ticks) * u128::from(to) + u128::from(from) / 2;
    i64::try_from(n / u128::from(from.max(1))).unwrap_or(i64::MAX)
}

/// A row of an edit list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Edit {
    /// In ticks of the movie.
    duration: u64,
    /// In ticks of the track; below 0 for a pause.
    media: i64,
    rate: u32,
}

fn edits(trak: &Node) -> Result<Vec<Edit>> {
    let Some(elst) = trak.find(&[b"edts", b"elst"]) else { return Ok(Vec::new()) };
    let bytes = elst.bytes();
    let wide = bytes.first() == Some(&1);
    let width = if wide { 20 } else { 12 };
    let count = u32_at(bytes, 4)? as usize;
    let rows = bytes.get(8..).unwrap_or_default().chunks_exact(width).take(count);
    rows.map(|row| {
        Ok(if wide {
            Edit { duration: u64_at(row, 0)?, media: u64_at(row, 8)? as i64, rate: u32_at(row, 16)? }
        } else {
            Edit {
                duration: u64::from(u32_at(row, 0)?),
                media: i64::from(u32_at(row, 4)? as i32),
                rate: u32_at(row, 8)?,
            }
        })
    })
    .collect()
}

fn edit_list(edits: &[Edit]) -> Node {
    let wide = edits.iter().any(|e| u32::try_from(e.duration).is_err() || i32::try_from(e.media).is_err());
    let mut bytes = vec![u8::from(wide), 0, 0, 0];
    bytes.extend((edits.len() as u32).to_be_bytes());
    for e in edits {
        if wide {
            bytes.extend(e.duration.to_be_bytes());
            bytes.extend(e.media.to_be_bytes());
        } else {
            bytes.extend((e.duration as u32).to_be_bytes());
            bytes.extend((e.media as i32).to_be_bytes());
        }
        bytes.extend(e.rate.to_be_bytes());
    }
    Node::with(b"edts", vec![Node::new(b"elst", bytes)])
}

/// The edit list under which the new samples are shown at the old times.
///
/// A reader shows a sample at `media time - edit's media time + pause before`; the new media time of a frame is
/// `pts - first_dts`. So the edit begins at `pause - first_dts`, whatever the old one was.
fn edits_for(old: &[Edit], new: &NewTrack<'_>, media: u32, movie: u32) -> Result<Vec<Edit>> {
    let lead: Vec<Edit> = old.iter().copied().take_while(|e| e.media < 0).collect();
    let kept: u64 = lead.iter().map(|e| e.duration).sum();
    let pause = rescale(kept, media, movie);
    let start = pause - new.first_dts;
    if start < 0 || new.first_pts < new.first_dts {
        return Err(internal("packets begin after the track does"));
    }
    let plain = match old[lead.len()..] {
        [] => None,
        [only] if only.rate == 0x0001_0000 => Some(only),
        // Several edits: what decoding shows is already cut and in order, one edit spans it.
        _ => None,
    };
    if old.is_empty() && start == 0 {
        return Ok(Vec::new());
    }
    let ticks = u64::try_from(new.end - pause).unwrap_or(0);
    let whole = (u128::from(ticks) * u128::from(movie)).div_ceil(u128::from(media));
    let duration = plain.map_or(u64::try_from(whole).unwrap_or(u64::MAX), |e| e.duration);
    let edit = Edit { duration, media: start, rate: 0x0001_0000 };
    Ok(lead.into_iter().chain([edit]).collect())
}

/// A sample entry, taken apart.
struct Entry {
    fourcc: Kind,
    fixed: Vec<u8>,
    boxes: Vec<Node>,
}

impl Entry {
    /// Bytes of a visual sample entry before its extensions (clause 12.1.3.2).
    const FIXED: usize = 78;

    fn first(stsd: &[u8]) -> Result<Self> {
        let size = u32_at(stsd, 8)? as usize;
        let entry = size.checked_add(8).and_then(|end| stsd.get(8..end));
        let entry = entry.filter(|e| e.len() >= 8 + Self::FIXED);
        let entry = entry.ok_or_else(|| Error::Input("a sample entry ends before its contents".into()))?;
        let fourcc = [entry[4], entry[5], entry[6], entry[7]];
        let boxes = boxes::parse(&entry[8 + Self::FIXED..], usize::MAX)?;
        Ok(Self { fourcc, fixed: entry[8..8 + Self::FIXED].to_vec(), boxes })
    }

    fn into_stsd(self) -> Node {
        let mut inner = self.fixed;
        self.boxes.iter().for_each(|node| node.write(&mut inner));
        let mut bytes = vec![0, 0, 0, 0, 0, 0, 0, 1];
        Node::new(&self.fourcc, inner).write(&mut bytes);
        Node::new(b"stsd", bytes)
    }
}

/// Puts the new samples into the track and gives their chunks in the new file.
fn replace(trak: &mut Node, graft: &Node, new: &NewTrack<'_>, media: u32, movie: u32) -> Result<Vec<samples::Chunk>> {
    const STBL: &[&Kind] = &[b"mdia", b"minf", b"stbl"];
    let from = graft.find(STBL).ok_or_else(|| internal("the new track has no samples"))?;
    let (scale, _) = samples::timescale(graft.find(&[b"mdia", b"mdhd"]).ok_or_else(|| internal("no mdhd"))?)?;
    if scale != media {
        return Err(internal(&format!("the new samples tick {scale} times a second, the track {media}")));
    }
    let mut stbl = from.clone();
    let (chunks, runs) = gather(from, media)?;
    let old = trak.find(STBL).and_then(|s| s.find(&[b"stsd"])).and_then(|stsd| Entry::first(stsd.bytes()).ok());
    let mut entry = Entry::first(from.find(&[b"stsd"]).ok_or_else(|| internal("no stsd"))?.bytes())?;
    if let Some(old) = old {
        let speaks_of_size = |n: &Node| new.is_resized && matches!(&n.kind, b"pasp" | b"clap");
        let kept = |n: &Node| PICTURE_BOXES.contains(&n.kind) && !speaks_of_size(n);
        entry.boxes.retain(|n| !kept(n) || !old.boxes.iter().any(|o| o.kind == n.kind));
        entry.boxes.extend(old.boxes.into_iter().filter(|n| kept(n)));
        // Which of the track's data references the samples lie in.
        entry.fixed[6..8].copy_from_slice(&old.fixed[6..8]);
    }
    let places = samples::offset_table(&vec![0; chunks.len()], false);
    let tables = stbl.boxes_mut().ok_or_else(|| internal("an empty sample table"))?;
    tables.retain(|n| !matches!(&n.kind, b"stsd" | b"stsc" | b"stco" | b"co64"));
    tables.insert(0, entry.into_stsd());
    tables.push(samples::table(b"stsc", &runs, 3));
    tables.push(places);
    let length = samples::duration(&stbl)?;
    *trak.find_mut(STBL).ok_or_else(|| internal("no sample table"))? = stbl;
    if let Some(Node { content: boxes::Content::Bytes(mdhd), .. }) = trak.find_mut(&[b"mdia", b"mdhd"]) {
        match (mdhd.first(), u32::try_from(length)) {
            (Some(1), _) => mdhd[24..32].copy_from_slice(&length.to_be_bytes()),
            (_, Ok(short)) => mdhd[16..20].copy_from_slice(&short.to_be_bytes()),
            _ => mdhd[16..20].copy_from_slice(&u32::MAX.to_be_bytes()),
        }
    }
    if new.is_resized {
        resize(trak, graft)?;
    }
    let edits = edits_for(&edits(trak)?, new, media, movie)?;
    let inner = trak.boxes_mut().ok_or_else(|| internal("an empty track"))?;
    let at = inner.iter().position(|n| n.kind == *b"edts");
    match (at, edits.is_empty()) {
        (Some(at), true) => drop(inner.remove(at)),
        (Some(at), false) => inner[at] = edit_list(&edits),
        (None, true) => {}
        (None, false) => {
            let after = inner.iter().position(|n| n.kind == *b"tkhd").map_or(0, |i| i + 1);
            inner.insert(after, edit_list(&edits));
        }
    }
    Ok(chunks)
}

/// Gives a track the size at which `graft` is shown (ISO/IEC 14496-12, 8.3.2): what else speaks of its old one goes.
fn resize(trak: &mut Node, graft: &Node) -> Result<()> {
    let missing = || internal("a track without tkhd");
    let size = |tkhd: &[u8]| tkhd.len().checked_sub(8).map(|at| [at, at + 4].map(|at| u32_at(tkhd, at)));
    let new = graft.find(&[b"tkhd"]).and_then(|tkhd| size(tkhd.bytes())).ok_or_else(missing)?;
    let inner = trak.boxes_mut().ok_or_else(missing)?;
    inner.retain(|n| n.kind != *b"tapt");
    let tkhd = inner.iter_mut().find(|n| n.kind == *b"tkhd").ok_or_else(missing)?;
    let boxes::Content::Bytes(bytes) = &mut tkhd.content else { return Err(missing()) };
    let at = bytes.len().checked_sub(8).ok_or_else(missing)?;
    let old = [u32_at(bytes, at)?, u32_at(bytes, at + 4)?];
    for (n, side) in new.into_iter().enumerate() {
        let side = side?;
        bytes[at + 4 * n..at + 4 * n + 4].copy_from_slice(&side.to_be_bytes());
        // The matrix before it moves a turned picture back into sight: its last row but for the weight.
        if let Some(place) = (at + 4 * n).checked_sub(12).filter(|_| old[n] > 0) {
            let moved = f64::from(u32_at(bytes, place)?.cast_signed()) * f64::from(side) / f64::from(old[n]);
            bytes[place..place + 4].copy_from_slice(&(moved.round() as i32).to_be_bytes());
        }
    }
    Ok(())
}

/// The samples of a track in runs of about half a second: the chunks and their `stsc`.
fn gather(stbl: &Node, media: u32) -> Result<(Vec<samples::Chunk>, Vec<[u32; 3]>)> {
    let list = samples::samples(stbl)?;
    let starts = samples::starts(stbl, list.len())?;
    let span = u64::from(media) / CHUNKS_PER_SECOND;
    let (mut chunks, mut counts): (Vec<samples::Chunk>, Vec<u32>) = (Vec::new(), Vec::new());
    for ((offset, size), time) in list.into_iter().zip(starts) {
        if let (Some(chunk), Some(count)) = (chunks.last_mut(), counts.last_mut()) {
            let len = chunk.len.unwrap_or(0);
            if chunk.offset + len == offset && len + u64::from(size) <= CHUNK_BYTES && time - chunk.time < span {
                chunk.len = Some(len + u64::from(size));
                *count += 1;
                continue;
            }
        }
        chunks.push(samples::Chunk { offset, len: Some(u64::from(size)), time });
        counts.push(1);
    }
    let mut runs: Vec<[u32; 3]> = Vec::new();
    for (i, count) in counts.into_iter().enumerate() {
        if runs.last().is_none_or(|run| run[1] != count) {
            runs.push([i as u32 + 1, count, 1]);
        }
    }
    Ok((chunks, runs))
}

/// Bytes that move as one.
struct Piece {
    time: f64,
    track: usize,
    chunk: usize,
    is_new: bool,
    offset: u64,
    len: u64,
}

struct Layout<'a> {
    movie: &'a mut Movie,
    traks: Vec<Node>,
    pieces: Vec<Piece>,
}

impl Layout<'_> {
    fn write(
        mut self,
        new: &mut File,
        out: &mut (impl Write + Seek),
        progress: &mut dyn FnMut(u64, u64) -> ControlFlow<()>,
    ) -> Result<()> {
        let payload: u64 = self.pieces.iter().map(|p| p.len).sum();
        let header: u64 = self.movie.moov.len() * 2 + self.traks.iter().map(Node::len).sum::<u64>();
        let others: Vec<Place> = self.movie.places.iter().filter(|p| !NOT_COPIED.contains(&p.kind)).copied().collect();
        let copied: u64 = others.iter().map(|p| p.len).sum();
        let wide = payload + header + copied + (1 << 20) > u64::from(u32::MAX);
        let head = if wide { 16 } else { 8 };
        let ftyp = self.movie.places.iter().find(|p| p.kind == *b"ftyp").copied();
        let at = |kind: &Kind| self.movie.places.iter().position(|p| p.kind == *kind);
        let is_first = at(b"moov") < at(b"mdat");
        let before = ftyp.map_or(0, |p| p.len) + copied;
        self.settle(wide, 0)?;
        let moov_len = self.moov().len();
        let mut start = before + head;
        if is_first {
            start += moov_len;
        }
        self.settle(wide, start)?;
        let moov = self.moov();
        let mut bytes = Vec::new();
        moov.write(&mut bytes);
        if bytes.len() as u64 != moov_len {
            return Err(internal("the header changed its length"));
        }
        for place in ftyp.iter().chain(&others) {
            let mut whole = vec![0; usize::try_from(place.len).map_err(|_| internal("a box too large"))?];
            read_at(&mut self.movie.file, place.start, &mut whole)?;
            out.write_all(&whole).map_err(writing)?;
        }
        if is_first {
            out.write_all(&bytes).map_err(writing)?;
        }
        let whole = payload + head;
        let mut mdat = Vec::new();
        if wide {
            mdat.extend(1_u32.to_be_bytes());
            mdat.extend(b"mdat");
            mdat.extend(whole.to_be_bytes());
        } else {
            mdat.extend((whole as u32).to_be_bytes());
            mdat.extend(b"mdat");
        }
        out.write_all(&mdat).map_err(writing)?;
        let mut buffer = vec![0; 1 << 20];
        let mut done = 0;
        for piece in &self.pieces {
            let file = if piece.is_new { &mut *new } else { &mut self.movie.file };
            let mut left = piece.len;
            let mut offset = piece.offset;
            while left > 0 {
                let n = left.min(buffer.len() as u64) as usize;
                read_at(file, offset, &mut buffer[..n])?;
                out.write_all(&buffer[..n]).map_err(writing)?;
                left -= n as u64;
                offset += n as u64;
                done += n as u64;
            }
            if progress(done, payload).is_break() {
                return Err(Error::Cancelled);
            }
        }
        if !is_first {
            out.write_all(&bytes).map_err(writing)?;
        }
        out.flush().map_err(writing)
    }

    /// Writes the places of all chunks into the tables, the first at `start`.
    fn settle(&mut self, wide: bool, start: u64) -> Result<()> {
        let mut offsets: Vec<Vec<u64>> = vec![Vec::new(); self.traks.len()];
        for piece in &self.pieces {
            let list = &mut offsets[piece.track];
            list.resize(list.len().max(piece.chunk + 1), 0);
        }
        let mut at = start;
        for piece in &self.pieces {
            offsets[piece.track][piece.chunk] = at;
            at += piece.len;
        }
        for (trak, list) in self.traks.iter_mut().zip(&offsets) {
            let stbl = trak.find_mut(&[b"mdia", b"minf", b"stbl"]).ok_or_else(|| internal("no sample table"))?;
            let tables = stbl.boxes_mut().ok_or_else(|| internal("an empty sample table"))?;
            for table in tables.iter_mut().filter(|n| matches!(&n.kind, b"stco" | b"co64")) {
                *table = samples::offset_table(list, wide);
            }
        }
        Ok(())
    }

    fn moov(&self) -> Node {
        let mut traks = self.traks.iter();
        let boxes = self.movie.moov.boxes().iter();
        let boxes = boxes.filter_map(|n| if n.kind == *b"trak" { traks.next().cloned() } else { Some(n.clone()) });
        Node::with(b"moov", boxes.collect())
    }
}

fn read_at(file: &mut File, at: u64, into: &mut [u8]) -> Result<()> {
    let read = file.seek(SeekFrom::Start(at)).and_then(|_| file.read_exact(into));
    read.map_err(|e| Error::Input(format!("cannot read {} bytes at {at}: {e}", into.len())))
}

fn writing(source: std::io::Error) -> Error {
    Error::Io { action: "write", path: "the output".into(), source }
}
