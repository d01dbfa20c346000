//! The boxes of ISO/IEC 14496-12 and QuickTime files as a tree that writes back byte for byte. It knows lengths and
//! nesting, and the contents of no box.

use std::io::{self, Read, Seek, SeekFrom};

use crate::error::{Error, Result};

/// Four characters that name a kind of box.
pub(super) type Kind = [u8; 4];

/// The largest header (`moov`) that is read into memory; 10 hours of 60 fps with five tracks take under 100 MiB.
const LARGEST_HEADER: u64 = 1 << 30;
/// The deepest nesting: `moov/trak/mdia/minf/stbl` is 5.
const DEEPEST: usize = 8;
/// Boxes whose contents are boxes and nothing else, as far as the sample tables need them opened.
const OPENED: &[Kind] = &[*b"moov", *b"trak", *b"mdia", *b"minf", *b"stbl", *b"edts"];

/// Where a box of the top level lies.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    /// What it is.
    pub(super) kind: Kind,
    /// Its first byte in the file.
    pub(super) start: u64,
    /// Bytes, its header included.
    pub(super) len: u64,
}

/// A box in memory.
#[derive(Clone, Debug)]
pub(super) struct Node {
    /// What it is.
    pub(super) kind: Kind,
    /// What is in it.
    pub(super) content: Content,
}

/// What is in a box.
#[derive(Clone, Debug)]
pub(super) enum Content {
    /// Bytes, not looked into.
    Bytes(Vec<u8>),
    /// Boxes.
    Boxes(Vec<Node>),
}

fn bad(what: impl Into<String>) -> Error {
    Error::Input(what.into())
}

/// The boxes of the top level of a file of `size` bytes.
///
/// # Errors
/// Where the lengths do not add up, or reading fails.
pub(super) fn top_level(file: &mut (impl Read + Seek), size: u64) -> Result<Vec<Place>> {
    let mut places = Vec::new();
    let mut start = 0;
    while start + 8 <= size {
        let mut head = [0; 16];
        let read = |file: &mut dyn Read, head: &mut [u8]| file.read_exact(head);
        file.seek(SeekFrom::Start(start)).and_then(|_| read(file, &mut head[..8])).map_err(reading)?;
        let kind = [head[4], head[5], head[6], head[7]];
        let len = match u32_at(&head, 0)? {
            0 => size - start,
            1 => {
                read(file, &mut head[8..16]).map_err(reading)?;
                u64_at(&head, 8)?
            }
            n => u64::from(n),
        };
        if len < 8 || len > size - start {
            return Err(bad(format!("box {} at byte {start} claims {len} bytes of {}", name(kind), size - start)));
        }
        places.push(Place { kind, start, len });
        start += len;
        if places.len() > 100_000 {
            return Err(Error::Limit("more than 100000 boxes at the top level of the file".into()));
        }
    }
    Ok(places)
}

fn reading(e: io::Error) -> Error {
    bad(format!("cannot read the boxes of the file: {e}"))
}

/// The characters of a kind, as text.
pub(super) fn name(kind: Kind) -> String {
    kind.iter().map(|b| char::from(*b)).collect()
}

/// Reads one box of the top level, opened.
///
/// # Errors
/// Where it is larger than any real header, or its inner lengths do not add up.
pub(super) fn load(file: &mut (impl Read + Seek), place: Place) -> Result<Node> {
    if place.len > LARGEST_HEADER {
        return Err(Error::Limit(format!(
            "box {} of {} bytes: more than 1 GiB of header",
            name(place.kind),
            place.len
        )));
    }
    let mut bytes = vec![0; place.len as usize];
    file.seek(SeekFrom::Start(place.start)).and_then(|_| file.read_exact(&mut bytes)).map_err(reading)?;
    let mut nodes = parse(&bytes, 0)?;
    nodes.pop().ok_or_else(|| bad("an empty box"))
}

/// The boxes that lie end to end in `bytes`. Trailing bytes that are too few for a box (QuickTime ends user data with four
/// zeros) are kept as a nameless rest.
pub(super) fn parse(mut bytes: &[u8], depth: usize) -> Result<Vec<Node>> {
    let mut nodes = Vec::new();
    while bytes.len() >= 8 {
        let kind = [bytes[4], bytes[5], bytes[6], bytes[7]];
        let (head, len) = match u32_at(bytes, 0)? {
            0 => (8, bytes.len() as u64),
            1 => (16, u64_at(bytes, 8)?),
            n => (8, u64::from(n)),
        };
        if len < head || len > bytes.len() as u64 {
            return Err(bad(format!("box {} claims {len} bytes where {} are left", name(kind), bytes.len())));
        }
        let (whole, rest) = bytes.split_at(len as usize);
        let inner = &whole[head as usize..];
        let content = if OPENED.contains(&kind) && depth < DEEPEST {
            Content::Boxes(parse(inner, depth + 1)?)
        } else {
            Content::Bytes(inner.to_vec())
        };
        nodes.push(Node { kind, content });
        bytes = rest;
    }
    Ok(nodes)
}

impl Node {
    /// A box with bytes in it.
    pub(super) fn new(kind: &Kind, bytes: Vec<u8>) -> Self {
        Self { kind: *kind, content: Content::Bytes(bytes) }
    }

    /// A box with boxes in it.
    pub(super) fn with(kind: &Kind, boxes: Vec<Self>) -> Self {
        Self { kind: *kind, content: Content::Boxes(boxes) }
    }

    /// The boxes in it, none where it was not opened.
    pub(super) fn boxes(&self) -> &[Self] {
        match &self.content {
            Content::Boxes(boxes) => boxes,
            Content::Bytes(_) => &[],
        }
    }

    /// The boxes in it, to be changed.
    pub(super) fn boxes_mut(&mut self) -> Option<&mut Vec<Self>> {
        match &mut self.content {
            Content::Boxes(boxes) => Some(boxes),
            Content::Bytes(_) => None,
        }
    }

    /// The bytes in it, none where it was opened.
    pub(super) fn bytes(&self) -> &[u8] {
        match &self.content {
            Content::Bytes(bytes) => bytes,
            Content::Boxes(_) => &[],
        }
    }

    /// The first box along a path of kinds.
    pub(super) fn find(&self, path: &[&Kind]) -> Option<&Self> {
        path.iter().try_fold(self, |node, kind| node.boxes().iter().find(|n| n.kind == **kind))
    }

    /// The first box along a path of kinds, to be changed.
    pub(super) fn find_mut(&mut self, path: &[&Kind]) -> Option<&mut Self> {
        path.iter().try_fold(self, |node, kind| node.boxes_mut()?.iter_mut().find(|n| n.kind == **kind))
    }

    /// Bytes that it takes in a file.
    pub(super) fn len(&self) -> u64 {
        let inner = match &self.content {
            Content::Bytes(bytes) => bytes.len() as u64,
            Content::Boxes(boxes) => boxes.iter().map(Self::len).sum(),
        };
        if inner + 8 > u64::from(u32::MAX) { inner + 16 } else { inner + 8 }
    }

    /// Appends it as it stands in a file.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let len = self.len();
        match u32::try_from(len) {
            Ok(short) => out.extend(short.to_be_bytes()),
            Err(_) => out.extend(1_u32.to_be_bytes()),
        }
        out.extend(self.kind);
        if len > u64::from(u32::MAX) {
            out.extend(len.to_be_bytes());
        }
        match &self.content {
            Content::Bytes(bytes) => out.extend(bytes),
            Content::Boxes(boxes) => boxes.iter().for_each(|node| node.write(out)),
        }
    }
}

/// Four bytes, big end first.
pub(super) fn u32_at(bytes: &[u8], at: usize) -> Result<u32> {
    let four = bytes.get(at..at + 4).and_then(|b| b.try_into().ok());
    four.map(u32::from_be_bytes).ok_or_else(|| bad("a box ends before its contents"))
}

/// Eight bytes, big end first.
pub(super) fn u64_at(bytes: &[u8], at: usize) -> Result<u64> {
    let eight = bytes.get(at..at + 8).and_then(|b| b.try_into().ok());
    eight.map(u64::from_be_bytes).ok_or_else(|| bad("a box ends before its contents"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boxes_write_back_byte_for_byte() {
        let inner = Node::with(b"trak", vec![Node::new(b"tkhd", vec![1, 2, 3]), Node::new(b"edts", vec![])]);
        let moov = Node::with(b"moov", vec![Node::new(b"mvhd", vec![9; 40]), inner]);
        let mut bytes = Vec::new();
        moov.write(&mut bytes);
        assert_eq!(bytes.len() as u64, moov.len());
        let again = parse(&bytes, 0).unwrap();
        let mut twice = Vec::new();
        again[0].write(&mut twice);
        assert_eq!(bytes, twice);
        assert_eq!(again[0].find(&[b"trak", b"tkhd"]).unwrap().bytes(), [1, 2, 3]);
    }

    #[test]
    fn lengths_that_do_not_add_up_are_refused() {
        for bytes in [
            &[0, 0, 0, 7, b'f', b'r', b'e', b'e'][..],
            &[0, 0, 0, 99, b'f', b'r', b'e', b'e'],
            &[0, 0, 0, 1, 1, 1, 1, 1, 0],
        ] {
            assert!(parse(bytes, 0).is_err());
            assert!(top_level(&mut io::Cursor::new(bytes), bytes.len() as u64).is_err());
        }
    }
}
