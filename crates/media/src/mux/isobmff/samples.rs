//! Sample tables: where the samples of a track lie, how long they last, and when they are shown (ISO/IEC 14496-12,
//! clauses 8.6 and 8.7). It knows numbers, not codecs.

use super::boxes::{Node, u32_at, u64_at};
use crate::error::{Error, Result};

/// Samples of one track at most: a day of 240 fps, or 10 hours of PCM counted sample by sample, lie below.
const MOST_SAMPLES: u64 = 1 << 32;
/// Rows of a table that are listed one by one at most.
const MOST_ROWS: u64 = 1 << 28;

/// A run of samples that lie end to end in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Chunk {
    /// Its first byte in the file.
    pub(super) offset: u64,
    /// Its bytes; `None` where the sample description alone would tell (uncompressed QuickTime sound).
    pub(super) len: Option<u64>,
    /// Decoding time of its first sample in ticks of the track.
    pub(super) time: u64,
}

fn bad(what: &str) -> Error {
    Error::Input(format!("sample table: {what}"))
}

/// Rows of `width` 32-bit numbers behind version, flags and a count.
fn rows(node: &Node, width: usize) -> Result<Vec<Vec<u32>>> {
    let bytes = node.bytes();
    let count = u32_at(bytes, 4)? as usize;
    let body = &bytes[8..];
    if count > body.len() / (4 * width) {
        return Err(bad("more rows claimed than there are"));
    }
    body.chunks_exact(4 * width).take(count).map(|row| (0..width).map(|i| u32_at(row, 4 * i)).collect()).collect()
}

/// Bytes of each sample.
pub(super) enum Sizes {
    /// All the same.
    Same(u32, u64),
    /// One by one.
    Each(Vec<u32>),
}

impl Sizes {
    /// From `stsz` or `stz2`.
    pub(super) fn of(stbl: &Node) -> Result<Self> {
        if let Some(stsz) = stbl.find(&[b"stsz"]) {
            let bytes = stsz.bytes();
            let (same, count) = (u32_at(bytes, 4)?, u32_at(bytes, 8)?);
            if same != 0 {
                return Ok(Self::Same(same, u64::from(count)));
            }
            let body = &bytes[12..];
            if count as usize > body.len() / 4 {
                return Err(bad("more sizes claimed than there are"));
            }
            return body
                .chunks_exact(4)
                .take(count as usize)
                .map(|b| u32_at(b, 0))
                .collect::<Result<_>>()
                .map(Self::Each);
        }
        let stz2 = stbl.find(&[b"stz2"]).ok_or_else(|| bad("no sizes"))?;
        let bytes = stz2.bytes();
        let (bits, count) = (u32_at(bytes, 4)? & 0xff, u32_at(bytes, 8)? as usize);
        let body = &bytes[12..];
        if !matches!(bits, 4 | 8 | 16) || count > body.len() * 8 / bits as usize {
            return Err(bad("sizes of an unknown width or more than there are"));
        }
        let at = |i: usize| match bits {
            4 => u32::from(body[i / 2] >> (4 * (1 - i % 2)) & 15),
            8 => u32::from(body[i]),
            _ => u32::from(body[2 * i]) << 8 | u32::from(body[2 * i + 1]),
        };
        Ok(Self::Each((0..count).map(at).collect()))
    }

    /// How many samples there are.
    pub(super) fn count(&self) -> u64 {
        match self {
            Self::Same(_, n) => *n,
            Self::Each(sizes) => sizes.len() as u64,
        }
    }

    fn sum(&self, from: u64, count: u64) -> Option<u64> {
        match self {
            // A size of a sample that stands for all of them may mean bytes of a channel in QuickTime sound.
            Self::Same(..) => None,
            Self::Each(sizes) => {
                let run = sizes.get(usize::try_from(from).ok()?..usize::try_from(from + count).ok()?)?;
                Some(run.iter().map(|s| u64::from(*s)).sum())
            }
        }
    }
}

/// The chunks of a track, in the order of its table.
///
/// # Errors
/// Where the tables contradict each other.
pub(super) fn chunks(stbl: &Node) -> Result<Vec<Chunk>> {
    let sizes = Sizes::of(stbl)?;
    if sizes.count() > MOST_SAMPLES {
        return Err(Error::Limit(format!("a track of {} samples", sizes.count())));
    }
    let offsets = offsets(stbl)?;
    let runs = rows(stbl.find(&[b"stsc"]).ok_or_else(|| bad("no stsc"))?, 3)?;
    let mut times = Times::new(stbl)?;
    let mut chunks = Vec::with_capacity(offsets.len());
    let (mut run, mut sample, mut time) = (0, 0_u64, 0_u64);
    for (i, offset) in offsets.into_iter().enumerate() {
        while run + 1 < runs.len() && runs[run + 1][0] as usize <= i + 1 {
            run += 1;
        }
        let claimed = runs.get(run).map_or(0, |r| u64::from(r[1]));
        let count = claimed.min(sizes.count() - sample);
        if count == 0 {
            // Chunks beyond the last sample hold nothing.
            chunks.push(Chunk { offset, len: Some(0), time });
            continue;
        }
        chunks.push(Chunk { offset, len: sizes.sum(sample, count), time });
        sample += count;
        time += times.take(count);
    }
    if sample < sizes.count() {
        return Err(bad("fewer chunks than the samples need"));
    }
    Ok(chunks)
}

/// Where each sample of a track lies: `(offset, bytes)`. For tracks with listed sizes.
pub(super) fn samples(stbl: &Node) -> Result<Vec<(u64, u32)>> {
    let sizes = match Sizes::of(stbl)? {
        Sizes::Each(sizes) => sizes,
        Sizes::Same(size, count) if count <= MOST_ROWS => vec![size; count as usize],
        Sizes::Same(..) => return Err(bad("too many samples")),
    };
    let runs = rows(stbl.find(&[b"stsc"]).ok_or_else(|| bad("no stsc"))?, 3)?;
    let mut list = Vec::with_capacity(sizes.len());
    let (mut run, mut left) = (0, sizes.into_iter());
    for (i, mut offset) in offsets(stbl)?.into_iter().enumerate() {
        while run + 1 < runs.len() && runs[run + 1][0] as usize <= i + 1 {
            run += 1;
        }
        for size in left.by_ref().take(runs.get(run).map_or(0, |r| r[1] as usize)) {
            list.push((offset, size));
            offset += u64::from(size);
        }
    }
    Ok(list)
}

fn offsets(stbl: &Node) -> Result<Vec<u64>> {
    if let Some(stco) = stbl.find(&[b"stco"]) {
        return Ok(rows(stco, 1)?.into_iter().map(|row| u64::from(row[0])).collect());
    }
    let co64 = stbl.find(&[b"co64"]).ok_or_else(|| bad("no chunk offsets"))?;
    rows(co64, 2)?.into_iter().map(|row| Ok(u64::from(row[0]) << 32 | u64::from(row[1]))).collect()
}

/// Durations of samples, taken in order.
struct Times {
    runs: std::vec::IntoIter<Vec<u32>>,
    left: u64,
    delta: u64,
}

impl Times {
    fn new(stbl: &Node) -> Result<Self> {
        let runs = stbl.find(&[b"stts"]).map_or_else(|| Ok(Vec::new()), |stts| rows(stts, 2))?;
        Ok(Self { runs: runs.into_iter(), left: 0, delta: 0 })
    }

    fn take(&mut self, mut count: u64) -> u64 {
        let mut sum = 0_u64;
        while count > 0 {
            if self.left == 0 {
                let Some(run) = self.runs.next() else { return sum };
                (self.left, self.delta) = (u64::from(run[0]), u64::from(run[1]));
                continue;
            }
            let n = count.min(self.left);
            sum = sum.saturating_add(n.saturating_mul(self.delta));
            self.left -= n;
            count -= n;
        }
        sum
    }
}

/// Ticks from the first sample's decoding to the end of the last.
pub(super) fn duration(stbl: &Node) -> Result<u64> {
    Ok(Times::new(stbl)?.take(u64::MAX))
}

/// Decoding time of each of the first `count` samples.
pub(super) fn starts(stbl: &Node, count: usize) -> Result<Vec<u64>> {
    let mut times = Times::new(stbl)?;
    let mut at = 0;
    let next = |_| {
        let start = at;
        at += times.take(1);
        start
    };
    Ok((0..count).map(next).collect())
}

/// A table of rows of 32-bit numbers with version and flags 0.
pub(super) fn table(kind: &super::boxes::Kind, rows: &[[u32; 3]], width: usize) -> Node {
    let mut bytes = vec![0; 4];
    bytes.extend((rows.len() as u32).to_be_bytes());
    rows.iter().for_each(|row| row[..width].iter().for_each(|n| bytes.extend(n.to_be_bytes())));
    Node::new(kind, bytes)
}

/// Chunk offsets, in 32 bits where `wide` is not set.
pub(super) fn offset_table(offsets: &[u64], wide: bool) -> Node {
    let mut bytes = vec![0; 4];
    bytes.extend((offsets.len() as u32).to_be_bytes());
    for offset in offsets {
        if wide {
            bytes.extend(offset.to_be_bytes());
        } else {
            bytes.extend((*offset as u32).to_be_bytes());
        }
    }
    Node::new(if wide { b"co64" } else { b"stco" }, bytes)
}

/// A full box's 32- or 64-bit field pair: `(ticks a second, duration)` of `mvhd` and `mdhd`.
pub(super) fn timescale(header: &Node) -> Result<(u32, u64)> {
    let bytes = header.bytes();
    if bytes.first() == Some(&1) {
        Ok((u32_at(bytes, 20)?, u64_at(bytes, 24)?))
    } else {
        Ok((u32_at(bytes, 12)?, u64::from(u32_at(bytes, 16)?)))
    }
}

#[cfg(test)]
mod tests {
    use super::super::boxes::Node;
    use super::*;

    fn stbl() -> Node {
        let mut stsz = vec![0; 8];
        stsz.extend(5_u32.to_be_bytes());
        (1..=5_u32).for_each(|s| stsz.extend((s * 10).to_be_bytes()));
        Node::with(
            b"stbl",
            vec![
                table(b"stts", &[[3, 100, 0], [2, 50, 0]], 2),
                table(b"stsc", &[[1, 2, 1], [3, 1, 1]], 3),
                Node::new(b"stsz", stsz),
                offset_table(&[1000, 5000, 9000], false),
            ],
        )
    }

    #[test]
    fn chunks_and_samples_follow_the_tables() {
        let got = chunks(&stbl()).unwrap();
        let want = [(1000, 30, 0), (5000, 70, 200), (9000, 50, 350)];
        assert_eq!(got, want.map(|(offset, len, time)| Chunk { offset, len: Some(len), time }));
        assert_eq!(samples(&stbl()).unwrap(), [(1000, 10), (1010, 20), (5000, 30), (5030, 40), (9000, 50)]);
        assert_eq!(duration(&stbl()).unwrap(), 400);
    }

    #[test]
    fn tables_that_claim_more_than_they_hold_are_refused() {
        for (kind, bytes) in [
            (b"stsz", [[0; 4], [0; 4], [255; 4]].concat()),
            (b"stsc", [[0; 4], [0, 0, 0, 9]].concat()),
            (b"stco", [[0; 4], [0, 1, 0, 0]].concat()),
            (b"stts", vec![0; 3]),
        ] {
            let mut broken = stbl();
            *broken.find_mut(&[kind]).unwrap() = Node::new(kind, bytes);
            assert!(chunks(&broken).is_err(), "{}", super::super::boxes::name(*kind));
        }
    }
}
