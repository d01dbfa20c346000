//! Packets into a pack.

use std::io::Write;
use std::path::PathBuf;

use sha2::{Digest, Sha256};

use super::{FOOTER, MAGIC, PACKET, PackHeader};
use crate::av::{Packet, ffi};
use crate::error::{Error, Result};

/// Writes a pack. Without [`finish`](Self::finish) it has no footer and no reader accepts it.
#[derive(Debug)]
pub struct PackWriter<W: Write> {
    to: W,
    sha256: Sha256,
    record: Vec<u8>,
    packets: u64,
}

impl<W: Write> PackWriter<W> {
    /// Starts a pack.
    ///
    /// # Errors
    /// Where writing fails.
    pub fn new(to: W, header: &PackHeader) -> Result<Self> {
        let json = serde_json::to_vec(header).map_err(|e| Error::Internal(format!("pack header: {e}")))?;
        let mut pack = Self { to, sha256: Sha256::new(), record: Vec::new(), packets: 0 };
        pack.record.extend_from_slice(&MAGIC);
        pack.record.extend_from_slice(&length(json.len())?.to_le_bytes());
        pack.record.extend_from_slice(&json);
        pack.record.extend_from_slice(&crc32c::crc32c(&json).to_le_bytes());
        pack.write_record()?;
        Ok(pack)
    }

    /// Adds a packet: its times, flags, payload and side data, encoder statistics left out.
    ///
    /// # Errors
    /// Where writing fails.
    pub fn push(&mut self, packet: &Packet) -> Result<()> {
        let p = packet.get();
        let side_data = side_data(packet);
        self.record.push(PACKET);
        for ticks in [p.pts, p.dts, p.duration] {
            self.record.extend_from_slice(&ticks.to_le_bytes());
        }
        self.record.extend_from_slice(&(p.flags as u32).to_le_bytes());
        self.record.extend_from_slice(&length(side_data.len())?.to_le_bytes());
        self.record.extend_from_slice(&length(packet.data().len())?.to_le_bytes());
        for (kind, data) in side_data {
            self.record.extend_from_slice(&kind.to_le_bytes());
            self.record.extend_from_slice(&length(data.len())?.to_le_bytes());
            self.record.extend_from_slice(data);
        }
        self.record.extend_from_slice(packet.data());
        let sum = crc32c::crc32c(&self.record[1..]);
        self.record.extend_from_slice(&sum.to_le_bytes());
        self.packets += 1;
        self.write_record()
    }

    /// Packets so far.
    pub const fn packets(&self) -> u64 {
        self.packets
    }

    /// Writes the footer, flushes, and gives the destination back: bringing it safely to the disk is the store's task.
    ///
    /// # Errors
    /// Where writing fails.
    pub fn finish(mut self) -> Result<W> {
        self.record.push(FOOTER);
        self.record.extend_from_slice(&self.packets.to_le_bytes());
        let digest = self.sha256.finalize();
        self.record.extend_from_slice(&digest);
        self.to.write_all(&self.record).and_then(|()| self.to.flush()).map_err(failed)?;
        Ok(self.to)
    }

    fn write_record(&mut self) -> Result<()> {
        self.sha256.update(&self.record);
        self.to.write_all(&self.record).map_err(failed)?;
        self.record.clear();
        Ok(())
    }
}

fn failed(source: std::io::Error) -> Error {
    Error::Io { action: "write", path: PathBuf::from("a packet pack"), source }
}

fn length(bytes: usize) -> Result<u32> {
    u32::try_from(bytes).map_err(|_| Error::Limit(format!("a packet of {bytes} bytes is too long for a pack")))
}

/// Kind and bytes of what travels with a packet.
fn side_data(packet: &Packet) -> Vec<(u32, &[u8])> {
    let p = packet.get();
    if p.side_data.is_null() || p.side_data_elems <= 0 {
        return Vec::new();
    }
    // SAFETY: libav keeps side_data_elems entries there, each with `size` bytes at `data`.
    let entries = unsafe { std::slice::from_raw_parts(p.side_data, p.side_data_elems as usize) };
    entries
        .iter()
        .filter(|e| e.type_ != ffi::AVPacketSideDataType::QUALITY_STATS && !e.data.is_null())
        // SAFETY: as above.
        .map(|e| (e.type_.0, unsafe { std::slice::from_raw_parts(e.data, e.size) }))
        .collect()
}
