//! Matroska and WebM files in which one track's blocks are replaced and everything else stays as it is.
//!
//! libav's muxer rebuilds such a file from what libav understands: it drops dates of tracks, codec delays of sound, nested
//! tags, editions of chapters, and counts in milliseconds whatever the source counted in. Here every element is kept; only
//! the track that was worked on gets new blocks, and the indexes are made anew. It knows elements and blocks, not codecs.

mod ebml;

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom, Write};
use std::ops::ControlFlow;
use std::path::Path;

use ebml::{Element, Id, child, children, put, put_id, put_int, put_uint, uint};

use crate::error::{Error, Result};

// Identifiers of RFC 9559, section 5.
const EBML: Id = 0x1A45_DFA3;
const SEGMENT: Id = 0x1853_8067;
const SEEK_HEAD: Id = 0x114D_9B74;
const SEEK: Id = 0x4DBB;
const SEEK_ID: Id = 0x53AB;
const SEEK_POSITION: Id = 0x53AC;
const INFO: Id = 0x1549_A966;
const TRACKS: Id = 0x1654_AE6B;
const TRACK_ENTRY: Id = 0xAE;
const TRACK_NUMBER: Id = 0xD7;
const TRACK_UID: Id = 0x73C5;
const TRACK_TYPE: Id = 0x83;
const TRACK_SCALE: Id = 0x23_314F;
const CODEC_ID: Id = 0x86;
const CODEC_PRIVATE: Id = 0x63A2;
const CODEC_NAME: Id = 0x25_8688;
const CODEC_DELAY: Id = 0x56AA;
const ENCODINGS: Id = 0x6D80;
const ADDITION_MAPPING: Id = 0x41E4;
const ADDITION_MAX: Id = 0x55EE;
const VIDEO: Id = 0xE0;
const PIXEL_WIDTH: Id = 0xB0;
const PIXEL_HEIGHT: Id = 0xBA;
/// Columns and rows that are coded, cut off and displayed, and the unit of the last.
const SIZES: [Id; 9] = [PIXEL_WIDTH, PIXEL_HEIGHT, 0x54AA, 0x54BB, 0x54CC, 0x54DD, 0x54B0, 0x54BA, 0x54B2];
const ALPHA_MODE: Id = 0x53C0;
const COLOUR: Id = 0x55B0;
const CLUSTER: Id = 0x1F43_B675;
const TIMESTAMP: Id = 0xE7;
const POSITION: Id = 0xA7;
const PREVIOUS_SIZE: Id = 0xAB;
const SIMPLE_BLOCK: Id = 0xA3;
const BLOCK_GROUP: Id = 0xA0;
const BLOCK: Id = 0xA1;
const BLOCK_DURATION: Id = 0x9B;
const REFERENCE: Id = 0xFB;
const CUES: Id = 0x1C53_BB6B;
const CUE_POINT: Id = 0xBB;
const CUE_TIME: Id = 0xB3;
const CUE_POSITIONS: Id = 0xB7;
const CUE_TRACK: Id = 0xF7;
const CUE_CLUSTER: Id = 0xF1;
const TAGS: Id = 0x1254_C367;
const TAG: Id = 0x7373;
const TARGETS: Id = 0x63C0;
const TAG_TRACK: Id = 0x63C5;
const SIMPLE_TAG: Id = 0x67C8;
const TAG_NAME: Id = 0x45A3;
const CRC: Id = 0xBF;
const VOID: Id = 0xEC;

/// Elements that end a cluster of unknown length.
const TOP: &[Id] = &[SEEK_HEAD, INFO, TRACKS, CLUSTER, CUES, TAGS, 0x1941_A469, 0x1043_A770, SEGMENT, EBML];
/// Bytes after which a cluster is closed: readers hold one in memory.
const CLUSTER_BYTES: usize = 8 << 20;
/// The largest element that is held in memory: attachments and single blocks.
const LARGEST: u64 = 1 << 30;
/// Clusters that are listed at most: a day of one-second clusters is 86400.
const MOST_ELEMENTS: usize = 10_000_000;

/// A packet of the new video as far as its block's head tells.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NewPacket {
    /// Presentation time in the source's ticks.
    pub(crate) pts: i64,
    /// Whether decoding can start here.
    pub(crate) key: bool,
}

/// A Matroska file whose structure has been read.
pub(crate) struct Document {
    file: BufReader<File>,
    head: Element,
    elements: Vec<Element>,
    tracks: Vec<u8>,
}

/// A block's head and where its payload lies.
#[derive(Clone, Copy)]
struct BlockHead {
    track: u64,
    relative: i16,
    flags: u8,
    len: usize,
}

fn block_head(bytes: &[u8]) -> Result<BlockHead> {
    let (track, n) = ebml::size(bytes)?;
    let rest = bytes.get(n..n + 3).ok_or_else(|| bad("a block without a head"))?;
    let track = track.ok_or_else(|| bad("a block of no track"))?;
    Ok(BlockHead { track, relative: i16::from_be_bytes([rest[0], rest[1]]), flags: rest[2], len: n + 3 })
}

fn bad(what: &str) -> Error {
    Error::Input(format!("Matroska file: {what}"))
}

fn internal(what: &str) -> Error {
    Error::Internal(format!("joining Matroska tracks: {what}"))
}

impl Document {
    /// Reads the structure.
    ///
    /// # Errors
    /// Where the file is no Matroska file, or its elements do not add up.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let io = |source| Error::Io { action: "read", path: path.to_owned(), source };
        let file = File::open(path).map_err(io)?;
        let size = file.metadata().map_err(io)?.len();
        let mut file = BufReader::with_capacity(1 << 16, file);
        let head = ebml::head(&mut file, 0, size)?.filter(|e| e.id == EBML).ok_or_else(|| bad("no EBML head"))?;
        let after = head.end.ok_or_else(|| bad("an EBML head of unknown length"))?;
        let segment = ebml::head(&mut file, after, size)?.filter(|e| e.id == SEGMENT);
        let segment = segment.ok_or_else(|| bad("no segment"))?;
        let end = segment.end.unwrap_or(size);
        if let Ok(Some(next)) = ebml::head(&mut file, end, size)
            && matches!(next.id, SEGMENT | EBML)
        {
            return Err(bad("several segments"));
        }
        let mut elements = Vec::new();
        let mut at = segment.data;
        while let Some(mut element) = ebml::head(&mut file, at, end)? {
            if element.end.is_none() {
                element.end = Some(Self::end_of_unknown(&mut file, element, end)?);
            }
            at = element.end.unwrap_or(end);
            elements.push(element);
            if elements.len() > MOST_ELEMENTS {
                return Err(Error::Limit("a Matroska file of more than 10 million elements".into()));
            }
        }
        let mut own = Self { file, head, elements, tracks: Vec::new() };
        let tracks = own.elements.iter().find(|e| e.id == TRACKS).copied().ok_or_else(|| bad("no tracks"))?;
        own.tracks = own.load(tracks)?;
        Ok(own)
    }

    fn end_of_unknown(file: &mut BufReader<File>, element: Element, limit: u64) -> Result<u64> {
        if element.id != CLUSTER {
            return Err(bad("an element of unknown length that is no cluster"));
        }
        let mut at = element.data;
        while let Some(inner) = ebml::head(file, at, limit)? {
            if TOP.contains(&inner.id) {
                break;
            }
            at = inner.end.ok_or_else(|| bad("an element of unknown length in a cluster"))?;
        }
        Ok(at)
    }

    fn load(&mut self, element: Element) -> Result<Vec<u8>> {
        let end = element.end.ok_or_else(|| bad("an element of unknown length"))?;
        if end - element.data > LARGEST {
            return Err(Error::Limit(format!("a Matroska element of {} bytes", end - element.data)));
        }
        let mut bytes = vec![0; (end - element.data) as usize];
        let read = ebml::go_to(&mut self.file, element.data).and_then(|()| self.file.read_exact(&mut bytes));
        read.map_err(|e| bad(&e.to_string()))?;
        Ok(bytes)
    }

    /// The entry of the track that is libav's stream `index`.
    fn entry(&self, index: usize) -> Result<Option<&[u8]>> {
        // libav makes a stream of every track of a kind that it knows, in order.
        let known = |e: &&[u8]| {
            let kind = child(e, TRACK_TYPE).map_or(0, uint);
            matches!(kind, 1 | 2 | 17 | 33) && child(e, CODEC_ID).is_some_and(|c| !c.is_empty())
        };
        let entries = children(&self.tracks)?.into_iter().filter(|c| c.0 == TRACK_ENTRY).map(|c| c.1);
        Ok(entries.filter(known).nth(index))
    }

    /// Why the blocks of the track of stream `index`, `width` x `height`, cannot be replaced here; `None` where they can.
    pub(crate) fn unsuited(&self, index: usize, width: u32, height: u32) -> Result<Option<String>> {
        let Some(entry) = self.entry(index)? else { return Ok(Some(format!("stream {index} is no track of it"))) };
        let number = |id| child(entry, id).map(uint);
        let video = child(entry, VIDEO).unwrap_or_default();
        let size = (child(video, PIXEL_WIDTH).map_or(0, uint), child(video, PIXEL_HEIGHT).map_or(0, uint));
        if number(TRACK_TYPE) != Some(1) || size != (u64::from(width), u64::from(height)) {
            return Ok(Some(format!("the track of stream {index} has another size than its pictures")));
        }
        if number(CODEC_DELAY).is_some_and(|d| d != 0)
            || child(entry, TRACK_SCALE).is_some_and(|s| uint(s) != one(s.len()))
        {
            return Ok(Some("the video track has times of its own".into()));
        }
        let clusters = self.elements.iter().filter(|e| e.id == CLUSTER).count();
        Ok((clusters == 0).then(|| "it has no clusters".to_owned()))
    }

    /// What the worked-on track's entry says of things that new packets do not hold: identifiers of block additions.
    pub(crate) fn additions(&self, index: usize) -> Result<Vec<String>> {
        let Some(entry) = self.entry(index)? else { return Ok(Vec::new()) };
        const ADDITION_TYPE: Id = 0x41E7;
        let kinds = children(entry)?.into_iter().filter(|c| c.0 == ADDITION_MAPPING);
        Ok(kinds
            .map(|c| {
                let n = child(c.1, ADDITION_TYPE).map_or(0, uint);
                (n as u32).to_be_bytes().iter().filter(|b| b.is_ascii_graphic()).map(|b| char::from(*b)).collect()
            })
            .collect())
    }

    /// Blocks of a track, and the durations that are stated for some by their times.
    fn survey(&mut self, track: u64) -> Result<(u64, HashMap<i64, u64>)> {
        let (mut count, mut durations) = (0, HashMap::new());
        let clusters: Vec<Element> = self.elements.iter().filter(|e| e.id == CLUSTER).copied().collect();
        for cluster in clusters {
            let (mut at, end) = (cluster.data, cluster.end.unwrap_or(cluster.data));
            let mut time = 0;
            while let Some(inner) = ebml::head(&mut self.file, at, end)? {
                at = inner.end.ok_or_else(|| bad("an element of unknown length in a cluster"))?;
                match inner.id {
                    TIMESTAMP => time = uint(&self.load(inner)?) as i64,
                    SIMPLE_BLOCK => count += u64::from(self.peek(inner)?.track == track),
                    BLOCK_GROUP => {
                        let group = self.load(inner)?;
                        let Some(block) = child(&group, BLOCK) else { continue };
                        let head = block_head(block)?;
                        if head.track == track {
                            count += 1;
                            if let Some(duration) = child(&group, BLOCK_DURATION) {
                                durations.insert(time + i64::from(head.relative), uint(duration));
                            }
                        }
                    }
                    _ => {}
                }
            }
        }
        Ok((count, durations))
    }

    fn peek(&mut self, block: Element) -> Result<BlockHead> {
        let len = block.end.map_or(0, |end| end - block.data).min(12) as usize;
        let mut bytes = [0; 12];
        let read = ebml::go_to(&mut self.file, block.data).and_then(|()| self.file.read_exact(&mut bytes[..len]));
        read.map_err(|e| bad(&e.to_string()))?;
        block_head(&bytes[..len])
    }

    /// Writes this file to `out` with the blocks of stream `index` replaced by those of the only track of `new`, which are
    /// `packets` in coding order and, where it `is_resized`, of another size.
    ///
    /// # Errors
    /// Where a file cannot be read or written, or the observer says to stop.
    pub(crate) fn graft(
        &mut self,
        (index, is_resized): (usize, bool),
        new: &Path,
        packets: &[NewPacket],
        out: &mut (impl Write + Seek),
        progress: &mut dyn FnMut(u64, u64) -> ControlFlow<()>,
    ) -> Result<()> {
        let mut other = Self::open(new)?;
        let graft = other.entry(0)?.ok_or_else(|| internal("no new track"))?.to_vec();
        let entry = self.entry(index)?.ok_or_else(|| internal("no such track"))?.to_vec();
        let track = child(&entry, TRACK_NUMBER).map(uint).ok_or_else(|| bad("a track without a number"))?;
        let uid = child(&entry, TRACK_UID).map(uint);
        let (count, durations) = self.survey(track)?;
        let mut writer = Writer { out, at: 0, segment: 0, cues: Vec::new(), cluster: None, track };

        let head = whole(&mut self.file, 0, self.head.end.unwrap_or(0))?;
        writer.write(&head)?;
        let mut segment = Vec::new();
        put_id(&mut segment, SEGMENT);
        writer.write(&segment)?;
        let size_at = writer.at;
        writer.write(&ebml::long_size(0))?;
        writer.segment = writer.at;
        let mut seeks: Vec<(Id, u64)> = Vec::new();
        let kept: Vec<Element> = self
            .elements
            .iter()
            .filter(|e| !matches!(e.id, SEEK_HEAD | VOID | CUES | CLUSTER | CRC))
            .copied()
            .collect();
        let seek_at = writer.at;
        let planned: Vec<(Id, u64)> = kept.iter().map(|e| (e.id, 0)).chain([(CUES, 0)]).collect();
        writer.write(&seek_head(&planned))?;
        for element in kept {
            let contents = self.load(element)?;
            seeks.push((element.id, writer.at - writer.segment));
            let contents = match element.id {
                TRACKS => replace_track(&contents, &entry, (&graft, is_resized))?,
                TAGS => without_stale_tags(&contents, uid)?,
                _ => contents,
            };
            let mut bytes = Vec::with_capacity(contents.len() + 12);
            put(&mut bytes, element.id, &contents);
            writer.write(&bytes)?;
        }
        let mut feed = Blocks::new(&mut other, packets, &durations);
        let clusters: Vec<Element> = self.elements.iter().filter(|e| e.id == CLUSTER).copied().collect();
        let total = clusters.last().and_then(|c| c.end).unwrap_or(1);
        let mut seen = 0_u64;
        for cluster in clusters {
            if progress(cluster.data, total).is_break() {
                return Err(Error::Cancelled);
            }
            let (mut at, end) = (cluster.data, cluster.end.unwrap_or(cluster.data));
            let mut time = 0;
            writer.close()?;
            while let Some(inner) = ebml::head(&mut self.file, at, end)? {
                at = inner.end.ok_or_else(|| bad("an element of unknown length in a cluster"))?;
                match inner.id {
                    TIMESTAMP => time = uint(&self.load(inner)?) as i64,
                    SIMPLE_BLOCK | BLOCK_GROUP => {
                        let mut contents = self.load(inner)?;
                        let place = if inner.id == SIMPLE_BLOCK { Some(0) } else { block_place(&contents)? };
                        let Some(place) = place else { continue };
                        let head = block_head(&contents[place..])?;
                        if head.track == track {
                            seen += 1;
                            // As many new blocks as there were old ones so far, in proportion where the counts differ.
                            let due = u128::from(seen) * packets.len() as u128 / u128::from(count.max(1));
                            while (feed.given as u128) < due {
                                feed.give(&mut writer)?;
                            }
                            continue;
                        }
                        let absolute = time + i64::from(head.relative);
                        let relative = writer.relative(absolute, contents.len(), time)?;
                        contents[place + head.len - 3..place + head.len - 1].copy_from_slice(&relative.to_be_bytes());
                        writer.element(inner.id, &contents)?;
                    }
                    CRC | VOID | POSITION | PREVIOUS_SIZE => {}
                    _ => {
                        let contents = self.load(inner)?;
                        writer.relative(time, contents.len(), time)?;
                        writer.element(inner.id, &contents)?;
                    }
                }
            }
        }
        while feed.given < packets.len() {
            feed.give(&mut writer)?;
        }
        writer.close()?;
        seeks.push((CUES, writer.at - writer.segment));
        let cues = std::mem::take(&mut writer.cues);
        let mut bytes = Vec::new();
        put(&mut bytes, CUES, &cues);
        writer.write(&bytes)?;
        let len = writer.at - writer.segment;
        writer.patch(size_at, &ebml::long_size(len))?;
        writer.patch(seek_at, &seek_head(&seeks))?;
        writer.out.flush().map_err(writing)
    }
}

/// The number 1 as a float of that many bytes.
fn one(len: usize) -> u64 {
    if len == 4 { u64::from(1_f32.to_bits()) } else { 1_f64.to_bits() }
}

fn whole(file: &mut BufReader<File>, from: u64, to: u64) -> Result<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(to - from).map_err(|_| bad("a head too large"))?];
    ebml::go_to(file, from).and_then(|()| file.read_exact(&mut bytes)).map_err(|e| bad(&e.to_string()))?;
    Ok(bytes)
}

/// Where in a block group's contents its block's contents begin.
fn block_place(group: &[u8]) -> Result<Option<usize>> {
    let block = children(group)?.into_iter().find(|c| c.0 == BLOCK).map(|c| c.1);
    Ok(block.map(|b| b.as_ptr() as usize - group.as_ptr() as usize))
}

/// A seek head whose length does not depend on the positions.
fn seek_head(entries: &[(Id, u64)]) -> Vec<u8> {
    let mut inner = Vec::new();
    for (id, position) in entries {
        let mut seek = Vec::new();
        let mut name = Vec::new();
        put_id(&mut name, *id);
        put(&mut seek, SEEK_ID, &name);
        put(&mut seek, SEEK_POSITION, &position.to_be_bytes());
        put(&mut inner, SEEK, &seek);
    }
    let mut bytes = Vec::new();
    put(&mut bytes, SEEK_HEAD, &inner);
    bytes
}

/// The tracks with the entry `old` as it is but for the coding, which is that of `new`.
fn replace_track(tracks: &[u8], old: &[u8], (new, is_resized): (&[u8], bool)) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    for (id, contents, all) in children(tracks)? {
        if id == CRC {
            continue;
        }
        if id != TRACK_ENTRY || contents != old {
            out.extend(all);
            continue;
        }
        let mut entry = Vec::new();
        for (id, contents, all) in children(old)? {
            match id {
                CODEC_ID | CODEC_PRIVATE | CODEC_NAME | ENCODINGS | ADDITION_MAPPING | ADDITION_MAX | CRC => {}
                VIDEO => {
                    let made = picture(contents, child(new, VIDEO).unwrap_or_default(), is_resized)?;
                    put(&mut entry, VIDEO, &made);
                }
                _ => entry.extend(all),
            }
        }
        for (id, _, all) in children(new)? {
            if matches!(id, CODEC_ID | CODEC_PRIVATE) {
                entry.extend(all);
            }
        }
        put(&mut out, TRACK_ENTRY, &entry);
    }
    Ok(out)
}

/// The picture as the source describes it; colours as the encoder states them where the source is silent, and the size of a
/// picture that `is_resized`.
fn picture(old: &[u8], new: &[u8], is_resized: bool) -> Result<Vec<u8>> {
    let speaks_of_size = |id: Id| is_resized && SIZES.contains(&id);
    let mut out = Vec::new();
    for (id, _, all) in children(old)? {
        if !matches!(id, ALPHA_MODE | CRC) && !speaks_of_size(id) {
            out.extend(all);
        }
    }
    for (id, _, all) in children(new)? {
        if speaks_of_size(id) {
            out.extend(all);
        }
    }
    if child(old, COLOUR).is_none()
        && let Some(colour) = child(new, COLOUR)
    {
        put(&mut out, COLOUR, colour);
    }
    Ok(out)
}

/// The tags without what counts the old packets of track `uid`.
fn without_stale_tags(tags: &[u8], uid: Option<u64>) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    for (id, contents, all) in children(tags)? {
        let is_ours = id == TAG
            && child(contents, TARGETS).and_then(|t| child(t, TAG_TRACK)).map(uint).is_some_and(|n| Some(n) == uid);
        if !is_ours {
            if id != CRC {
                out.extend(all);
            }
            continue;
        }
        let mut tag = Vec::new();
        for (id, contents, all) in children(contents)? {
            let name = (id == SIMPLE_TAG).then(|| child(contents, TAG_NAME)).flatten().unwrap_or_default();
            let is_stale = [&b"BPS"[..], b"NUMBER_OF_BYTES", b"ENCODER"].iter().any(|n| name.eq_ignore_ascii_case(n));
            if !is_stale && id != CRC {
                tag.extend(all);
            }
        }
        put(&mut out, TAG, &tag);
    }
    Ok(out)
}

/// The new track's payloads in order.
struct Blocks<'a> {
    from: &'a mut Document,
    clusters: std::vec::IntoIter<Element>,
    inside: Option<(u64, u64)>,
    packets: &'a [NewPacket],
    durations: &'a HashMap<i64, u64>,
    given: usize,
    before: i64,
}

impl<'a> Blocks<'a> {
    fn new(from: &'a mut Document, packets: &'a [NewPacket], durations: &'a HashMap<i64, u64>) -> Self {
        let clusters: Vec<Element> = from.elements.iter().filter(|e| e.id == CLUSTER).copied().collect();
        Self { from, clusters: clusters.into_iter(), inside: None, packets, durations, given: 0, before: 0 }
    }

    fn payload(&mut self) -> Result<Vec<u8>> {
        loop {
            let Some((at, end)) = self.inside else {
                let cluster = self.clusters.next().ok_or_else(|| internal("fewer new blocks than packets"))?;
                self.inside = Some((cluster.data, cluster.end.unwrap_or(cluster.data)));
                continue;
            };
            let Some(element) = ebml::head(&mut self.from.file, at, end)? else {
                self.inside = None;
                continue;
            };
            self.inside = Some((element.end.unwrap_or(end), end));
            let mut contents = match element.id {
                SIMPLE_BLOCK => self.from.load(element)?,
                BLOCK_GROUP => {
                    let group = self.from.load(element)?;
                    child(&group, BLOCK).ok_or_else(|| internal("a group without a block"))?.to_vec()
                }
                _ => continue,
            };
            let head = block_head(&contents)?;
            if head.flags & 0x06 != 0 {
                return Err(internal("laced video"));
            }
            contents.drain(..head.len);
            return Ok(contents);
        }
    }

    fn give<W: Write + Seek>(&mut self, to: &mut Writer<'_, W>) -> Result<()> {
        let packet = *self.packets.get(self.given).ok_or_else(|| internal("no packet left"))?;
        let payload = self.payload()?;
        let relative = to.relative(packet.pts, payload.len(), packet.pts)?;
        if packet.key {
            to.cue(packet.pts);
        }
        let duration = self.durations.get(&packet.pts);
        let mut block = Vec::with_capacity(payload.len() + 12);
        let track = to.track;
        let width = (1..=8_usize).find(|w| track < (1_u64 << (7 * w)) - 1).unwrap_or(8);
        block.extend(&(track | 1 << (7 * width)).to_be_bytes()[8 - width..]);
        block.extend(relative.to_be_bytes());
        block.push(if packet.key && duration.is_none() { 0x80 } else { 0 });
        block.extend(payload);
        match duration {
            None => to.element(SIMPLE_BLOCK, &block)?,
            Some(duration) => {
                let mut group = Vec::new();
                put(&mut group, BLOCK, &block);
                put_uint(&mut group, BLOCK_DURATION, *duration);
                if !packet.key {
                    put_int(&mut group, REFERENCE, self.before - packet.pts);
                }
                to.element(BLOCK_GROUP, &group)?;
            }
        }
        self.before = packet.pts;
        self.given += 1;
        Ok(())
    }
}

struct Writer<'a, W> {
    out: &'a mut W,
    at: u64,
    segment: u64,
    cues: Vec<u8>,
    /// Time and contents of the open cluster, and whether it is listed.
    cluster: Option<(i64, Vec<u8>, bool)>,
    track: u64,
}

impl<W: Write + Seek> Writer<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.out.write_all(bytes).map_err(writing)?;
        self.at += bytes.len() as u64;
        Ok(())
    }

    fn patch(&mut self, at: u64, bytes: &[u8]) -> Result<()> {
        self.out.seek(SeekFrom::Start(at)).map_err(writing)?;
        self.out.write_all(bytes).map_err(writing)?;
        self.out.seek(SeekFrom::Start(self.at)).map(|_| ()).map_err(writing)
    }

    /// `time` relative to the open cluster; opens one at `fresh` where there is none, or it is too far away or too large.
    fn relative(&mut self, time: i64, len: usize, fresh: i64) -> Result<i16> {
        if let Some((base, contents, _)) = &self.cluster
            && contents.len() + len <= CLUSTER_BYTES
            && let Ok(relative) = i16::try_from(time - base)
        {
            return Ok(relative);
        }
        self.close()?;
        // A cluster's own time cannot lie before 0; its blocks' can.
        let base = if i16::try_from(time - fresh.max(0)).is_ok() { fresh.max(0) } else { time.max(0) };
        let mut contents = Vec::new();
        put_uint(&mut contents, TIMESTAMP, u64::try_from(base).unwrap_or(0));
        self.cluster = Some((base, contents, false));
        i16::try_from(time - base).map_err(|_| internal("a time far before 0"))
    }

    fn element(&mut self, id: Id, contents: &[u8]) -> Result<()> {
        let (_, cluster, _) = self.cluster.as_mut().ok_or_else(|| internal("a block outside of a cluster"))?;
        put(cluster, id, contents);
        Ok(())
    }

    /// Lists a key frame in the open cluster, one for each cluster.
    fn cue(&mut self, time: i64) {
        let position = self.at - self.segment;
        let Some((_, _, listed @ false)) = &mut self.cluster else { return };
        *listed = true;
        let mut place = Vec::new();
        put_uint(&mut place, CUE_TRACK, self.track);
        put_uint(&mut place, CUE_CLUSTER, position);
        let mut point = Vec::new();
        put_uint(&mut point, CUE_TIME, u64::try_from(time).unwrap_or(0));
        put(&mut point, CUE_POSITIONS, &place);
        put(&mut self.cues, CUE_POINT, &point);
    }

    fn close(&mut self) -> Result<()> {
        let Some((_, contents, _)) = self.cluster.take() else { return Ok(()) };
        let mut bytes = Vec::with_capacity(contents.len() + 12);
        put(&mut bytes, CLUSTER, &contents);
        self.write(&bytes)
    }
}

fn writing(source: std::io::Error) -> Error {
    Error::Io { action: "write", path: "the output".into(), source }
}
