//! Packets out of a pack, with every sum checked.

use std::io::{ErrorKind, Read};
use std::path::PathBuf;

use sha2::{Digest, Sha256};

use super::{FOOTER, MAGIC, MAX_HEADER, MAX_PAYLOAD, MAX_SIDE_DATA, PACKET, PackHeader};
use crate::av::{Packet, Parameters, ffi};
use crate::error::{Error, Result};

/// Reads a pack from its start to its footer.
#[derive(Debug)]
pub struct PackReader<R> {
    from: R,
    sha256: Sha256,
    header: PackHeader,
    packets: u64,
    ended: bool,
}

impl<R: Read> PackReader<R> {
    /// Reads and checks the header. Packets are read one small piece at a time: give a buffered reader.
    ///
    /// # Errors
    /// [`Error::Damaged`] where this is not a pack of this version or its header is damaged; [`Error::Io`].
    pub fn open(mut from: R) -> Result<Self> {
        let mut sha256 = Sha256::new();
        let mut start = [0u8; 12];
        fill(&mut from, &mut start)?;
        if start[..8] != MAGIC {
            return Err(damaged("it does not start as a pack of this version"));
        }
        let size = u32::from_le_bytes([start[8], start[9], start[10], start[11]]);
        if size > MAX_HEADER {
            return Err(damaged(&format!("its header claims {size} bytes")));
        }
        let mut json = vec![0u8; size as usize];
        fill(&mut from, &mut json)?;
        let mut sum = [0u8; 4];
        fill(&mut from, &mut sum)?;
        if u32::from_le_bytes(sum) != crc32c::crc32c(&json) {
            return Err(damaged("the checksum of its header is wrong"));
        }
        let header = serde_json::from_slice(&json).map_err(|e| damaged(&format!("its header cannot be read: {e}")))?;
        sha256.update(start);
        sha256.update(&json);
        sha256.update(sum);
        Ok(Self { from, sha256, header, packets: 0, ended: false })
    }

    /// What the writer said of it.
    pub const fn header(&self) -> &PackHeader {
        &self.header
    }

    /// The encoder's stream as libav takes it.
    ///
    /// # Errors
    /// Where this build of libav does not know the codec.
    pub fn parameters(&self) -> Result<Parameters> {
        self.header.stream.to_av()
    }

    /// Packets read so far; after the end, how many there are.
    pub const fn packets(&self) -> u64 {
        self.packets
    }

    /// The next packet in coding order; `None` after the last, when count and SHA-256 of the footer have been found right.
    ///
    /// # Errors
    /// [`Error::Damaged`] where a checksum, the count or the end is wrong; [`Error::Io`].
    #[allow(clippy::should_implement_trait)] // errors end it for good, which an Iterator would not promise
    pub fn next(&mut self) -> Result<Option<Packet>> {
        if self.ended {
            return Ok(None);
        }
        let mut tag = [0u8; 1];
        fill(&mut self.from, &mut tag)?;
        match tag[0] {
            PACKET => {
                let packet = self.packet()?;
                self.packets += 1;
                Ok(Some(packet))
            }
            FOOTER => self.footer().map(|()| None),
            other => Err(damaged(&format!("packet {} starts with the byte {other}", self.packets))),
        }
    }

    /// Reads what is left and checks all of it.
    ///
    /// # Errors
    /// As [`next`](Self::next).
    pub fn verify(mut self) -> Result<u64> {
        while self.next()?.is_some() {}
        Ok(self.packets)
    }

    fn packet(&mut self) -> Result<Packet> {
        let at = self.packets;
        let mut fixed = [0u8; 36];
        fill(&mut self.from, &mut fixed)?;
        let ticks = |i: usize| i64::from_le_bytes(std::array::from_fn(|k| fixed[i * 8 + k]));
        let word = |i: usize| u32::from_le_bytes(std::array::from_fn(|k| fixed[24 + i * 4 + k]));
        let (flags, entries, size) = (word(0), word(1), word(2));
        if entries > MAX_SIDE_DATA || size > MAX_PAYLOAD {
            return Err(damaged(&format!("packet {at} claims {size} bytes and {entries} entries of side data")));
        }
        let mut sum = crc32c::crc32c(&fixed);
        self.sha256.update([PACKET]);
        self.sha256.update(fixed);
        let mut take = |from: &mut R, buffer: &mut [u8]| -> Result<()> {
            fill(from, buffer)?;
            sum = crc32c::crc32c_append(sum, buffer);
            self.sha256.update(&*buffer);
            Ok(())
        };
        let mut side_data = Vec::new();
        for _ in 0..entries {
            let mut entry = [0u8; 8];
            take(&mut self.from, &mut entry)?;
            let kind = u32::from_le_bytes([entry[0], entry[1], entry[2], entry[3]]);
            let bytes = u32::from_le_bytes([entry[4], entry[5], entry[6], entry[7]]);
            if bytes > MAX_HEADER {
                return Err(damaged(&format!("packet {at} claims side data of {bytes} bytes")));
            }
            let mut data = vec![0u8; bytes as usize];
            take(&mut self.from, &mut data)?;
            side_data.push((kind, data));
        }
        let mut packet = Packet::zeroed(size as usize).map_err(memory)?;
        take(&mut self.from, packet.data_mut())?;
        let mut wanted = [0u8; 4];
        fill(&mut self.from, &mut wanted)?;
        self.sha256.update(wanted);
        if u32::from_le_bytes(wanted) != sum {
            return Err(damaged(&format!("the checksum of packet {at} is wrong")));
        }
        for (kind, data) in &side_data {
            packet.add_side_data(ffi::AVPacketSideDataType(*kind), data).map_err(memory)?;
        }
        let p = packet.get_mut();
        (p.pts, p.dts, p.duration, p.flags) = (ticks(0), ticks(1), ticks(2), flags as i32);
        p.time_base = self.header.time_base.into();
        Ok(packet)
    }

    fn footer(&mut self) -> Result<()> {
        let mut footer = [0u8; 40];
        fill(&mut self.from, &mut footer)?;
        let count = u64::from_le_bytes(std::array::from_fn(|k| footer[k]));
        if count != self.packets {
            return Err(damaged(&format!("it holds {} packets, its footer says {count}", self.packets)));
        }
        if self.sha256.finalize_reset()[..] != footer[8..] {
            return Err(damaged("its SHA-256 is wrong"));
        }
        match self.from.read(&mut [0u8; 1]) {
            Ok(0) => {}
            Ok(_) => return Err(damaged("it goes on after its footer")),
            Err(source) => return Err(failed(source)),
        }
        self.ended = true;
        Ok(())
    }
}

fn fill(from: &mut impl Read, buffer: &mut [u8]) -> Result<()> {
    from.read_exact(buffer).map_err(|source| match source.kind() {
        ErrorKind::UnexpectedEof => damaged("it ends early"),
        _ => failed(source),
    })
}

fn failed(source: std::io::Error) -> Error {
    Error::Io { action: "read", path: PathBuf::from("a packet pack"), source }
}

fn damaged(what: &str) -> Error {
    Error::Damaged(format!("a packet pack is damaged: {what}"))
}

fn memory(error: crate::av::AvError) -> Error {
    Error::Backend(format!("cannot make a packet: {error}"))
}
