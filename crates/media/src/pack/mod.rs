//! Packet packs: the packets of one segment on disk, in a form that loses neither times nor bytes and tells its own
//! damage.
//!
//! A pack is not a container: libav's own formats drop the decoding times of a segment's first packets or add edit lists.
//! Layout, all numbers little-endian:
//!
//! ```text
//! magic    8 bytes "CPPACK\0\x01"
//! header   u32 length, JSON of PackHeader, u32 CRC-32C of the JSON
//! packet*  u8 'P', i64 pts, i64 dts, i64 duration, u32 flags, u32 side data entries, u32 payload length,
//!          entries (u32 type, u32 length, bytes)*, payload, u32 CRC-32C of everything after the 'P'
//! footer   u8 'F', u64 packets, 32 bytes SHA-256 of everything before the 'F'
//! ```
//!
//! It knows packets and codec parameters, and refuses to know where packs are kept.

mod check;
mod parameters;
mod reader;
mod writer;

pub use check::{PackCheck, check_pack};
pub use parameters::StreamParameters;
pub use reader::PackReader;
pub use writer::PackWriter;

use serde::{Deserialize, Serialize};

use crate::types::Rational;

/// First bytes of a pack; the last one is the version of the layout.
const MAGIC: [u8; 8] = *b"CPPACK\0\x01";
/// Tag of a packet.
const PACKET: u8 = b'P';
/// Tag of the footer.
const FOOTER: u8 = b'F';
/// A header longer than this is damage: extradata of real encoders is below 64 KiB.
const MAX_HEADER: u32 = 16 << 20;
/// A packet longer than this is damage; libav itself stops below 2 GiB.
const MAX_PAYLOAD: u32 = 1 << 30;
/// A packet has a few entries of side data at most.
const MAX_SIDE_DATA: u32 = 64;

/// What is known of a pack before its first packet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PackHeader {
    /// Name and version of the engine that wrote it.
    pub engine: String,
    /// Key of the segment: what decided its bits, as the plan hashes it.
    pub key: String,
    /// Seconds a tick of all times in the pack.
    pub time_base: Rational,
    /// What the encoder says of its stream.
    pub stream: StreamParameters,
}
