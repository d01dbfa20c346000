//! Elements of EBML documents (RFC 8794): numbers, lengths and nesting, in files and in memory. It knows no element's
//! meaning.

use std::io::{self, BufReader, Read, Seek, SeekFrom};

use crate::error::{Error, Result};

/// A kind of element, its length marker included, as documents list them.
pub(super) type Id = u32;

/// An element in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Element {
    /// What it is.
    pub(super) id: Id,
    /// The first byte of its contents.
    pub(super) data: u64,
    /// The byte after its contents, `None` where the writer did not know it (live streams).
    pub(super) end: Option<u64>,
}

fn bad(what: &str) -> Error {
    Error::Input(format!("Matroska file: {what}"))
}

/// Moves to a byte and keeps what is buffered, where it lies near: blocks are small.
pub(super) fn go_to<R: Read + Seek>(file: &mut BufReader<R>, at: u64) -> io::Result<()> {
    let here = file.stream_position()?;
    file.seek_relative(at.wrapping_sub(here) as i64)
}

/// Reads the head of the element at the reader's place, which lies at `at` before `limit`; `None` behind the last whole one.
pub(super) fn head<R: Read + Seek>(file: &mut BufReader<R>, at: u64, limit: u64) -> Result<Option<Element>> {
    let cut_short = [super::SEGMENT, super::CLUSTER];
    if at >= limit {
        return Ok(None);
    }
    let mut bytes = [0_u8; 12];
    let have = usize::try_from((limit - at).min(12)).unwrap_or(12);
    go_to(file, at).map_err(|e| bad(&e.to_string()))?;
    file.read_exact(&mut bytes[..have]).map_err(|e| bad(&e.to_string()))?;
    let (id, id_len) = id(&bytes[..have])?;
    let (size, size_len) = size(&bytes[id_len..have])?;
    let data = at + (id_len + size_len) as u64;
    let end = size.map(|n| data.saturating_add(n));
    if end.is_some_and(|end| end > limit) {
        let size = file.seek(SeekFrom::End(0)).map_err(|e| bad(&e.to_string()))?;
        if limit != size {
            return Err(bad(&format!("element {id:x} at byte {at} reaches beyond its parent")));
        }
        // The file was cut off here: what holds others ends with it, a single one is lost.
        return Ok(cut_short.contains(&id).then_some(Element { id, data, end: Some(limit) }));
    }
    Ok(Some(Element { id, data, end }))
}

fn id(bytes: &[u8]) -> Result<(Id, usize)> {
    let first = *bytes.first().ok_or_else(|| bad("an element without a head"))?;
    let len = first.leading_zeros() as usize + 1;
    if len > 4 || bytes.len() < len {
        return Err(bad("an element with an impossible identifier"));
    }
    Ok((bytes[..len].iter().fold(0, |n, b| n << 8 | u32::from(*b)), len))
}

/// A length; `None` for "unknown" (all bits set).
pub(super) fn size(bytes: &[u8]) -> Result<(Option<u64>, usize)> {
    let first = *bytes.first().ok_or_else(|| bad("an element without a length"))?;
    let len = first.leading_zeros() as usize + 1;
    if len > 8 || bytes.len() < len {
        return Err(bad("an element with an impossible length"));
    }
    let mask = if len == 8 { 0 } else { 0xff >> len };
    let value = bytes[1..len].iter().fold(u64::from(first & mask), |n, b| n << 8 | u64::from(*b));
    let unknown = (1_u64 << (7 * len)) - 1;
    Ok(((value != unknown).then_some(value), len))
}

/// An element in memory: its kind, its contents, and all of it.
pub(super) type Child<'a> = (Id, &'a [u8], &'a [u8]);

/// The children of an element whose contents are `bytes`.
pub(super) fn children(bytes: &[u8]) -> Result<Vec<Child<'_>>> {
    let mut list = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let (id, id_len) = id(rest)?;
        let (len, size_len) = size(&rest[id_len..])?;
        let head = id_len + size_len;
        let len =
            len.and_then(|n| usize::try_from(n).ok()).ok_or_else(|| bad("an element of unknown length in another"))?;
        let end = head.checked_add(len).filter(|end| *end <= rest.len());
        let end = end.ok_or_else(|| bad("an element reaches beyond its parent"))?;
        list.push((id, &rest[head..end], &rest[..end]));
        rest = &rest[end..];
    }
    Ok(list)
}

/// The contents of the first child of that kind.
pub(super) fn child(bytes: &[u8], id: Id) -> Option<&[u8]> {
    children(bytes).ok()?.into_iter().find(|c| c.0 == id).map(|c| c.1)
}

/// An unsigned number.
pub(super) fn uint(bytes: &[u8]) -> u64 {
    bytes.iter().take(8).fold(0, |n, b| n << 8 | u64::from(*b))
}

/// Appends an element.
pub(super) fn put(out: &mut Vec<u8>, id: Id, contents: &[u8]) {
    put_id(out, id);
    // Eight bytes of length only where fewer do not hold it.
    let len = contents.len() as u64;
    let width = (1..=8).find(|w| len < (1_u64 << (7 * w)) - 1).unwrap_or(8);
    let marked = len | 1 << (7 * width);
    out.extend(&marked.to_be_bytes()[8 - width..]);
    out.extend(contents);
}

/// Appends an unsigned number as an element.
pub(super) fn put_uint(out: &mut Vec<u8>, id: Id, value: u64) {
    let bytes = value.to_be_bytes();
    let from = bytes.iter().position(|b| *b != 0).unwrap_or(7);
    put(out, id, &bytes[from..]);
}

/// Appends a signed number as an element.
pub(super) fn put_int(out: &mut Vec<u8>, id: Id, value: i64) {
    put(out, id, &value.to_be_bytes());
}

/// Appends an identifier.
pub(super) fn put_id(out: &mut Vec<u8>, id: Id) {
    let bytes = id.to_be_bytes();
    let from = bytes.iter().position(|b| *b != 0).unwrap_or(3);
    out.extend(&bytes[from..]);
}

/// A length in eight bytes, to be overwritten later.
pub(super) fn long_size(len: u64) -> [u8; 8] {
    (len | 1 << 56).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_read_back_as_written() {
        for len in [0, 1, 126, 127, 128, 16_382, 16_383, 70_000] {
            let mut out = Vec::new();
            put(&mut out, 0x1654_AE6B, &vec![7; len]);
            put_uint(&mut out, 0xE7, 300);
            let list = children(&out).unwrap();
            assert_eq!(
                (list[0].0, list[0].1.len(), list[1].0, uint(list[1].1)),
                (0x1654_AE6B, len, 0xE7, 300),
                "{len}"
            );
            let found = head(&mut BufReader::new(io::Cursor::new(&out)), 0, out.len() as u64).unwrap().unwrap();
            assert_eq!(found.end.unwrap() - found.data, len as u64);
        }
    }

    #[test]
    fn elements_that_reach_beyond_their_parent_are_refused() {
        for bytes in [&[0xA3, 0x85, 1][..], &[0x00, 0x81], &[0xA3], &[0xA3, 0x01, 0, 0]] {
            assert!(children(bytes).is_err());
            let longer = [bytes, &[0; 9]].concat();
            assert!(head(&mut BufReader::new(io::Cursor::new(longer)), 0, bytes.len() as u64).is_err());
        }
    }

    #[test]
    fn a_file_that_was_cut_off_ends_with_its_last_whole_element() {
        let read = |bytes: &'static [u8]| head(&mut BufReader::new(io::Cursor::new(bytes)), 0, bytes.len() as u64);
        assert!(read(&[0xA3, 0x85, 1]).unwrap().is_none(), "half a block");
        let cluster = read(&[0x1F, 0x43, 0xB6, 0x75, 0x90, 0xE7, 0x81, 7]).unwrap().unwrap();
        assert_eq!((cluster.data, cluster.end), (5, Some(8)));
    }

    #[test]
    fn an_unknown_length_is_told_from_the_largest_known_one() {
        assert_eq!(size(&[0xff]).unwrap(), (None, 1));
        assert_eq!(size(&[0x01, 255, 255, 255, 255, 255, 255, 255]).unwrap(), (None, 8));
        assert_eq!(size(&[0xfe]).unwrap(), (Some(126), 1));
    }
}
