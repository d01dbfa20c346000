//! What is kept of a segment in the store: its packs, and a record of what became of its frames.

use std::collections::BTreeMap;
use std::ops::Range;

use cleanplate_core::FrameIdx;
use cleanplate_media::source::Damage;
use serde::{Deserialize, Serialize};

use crate::report::OriginCounts;

/// What is known of a finished segment, kept beside its packets.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct SegmentRecord {
    pub(crate) frames: Range<FrameIdx>,
    pub(crate) bytes: u64,
    pub(crate) frames_marked: u64,
    /// Frames that were enlarged with an earlier one, with that.
    #[serde(default)]
    pub(crate) repeats: Vec<(FrameIdx, FrameIdx)>,
    pub(crate) origins: OriginCounts,
    /// Those within each mark's mask.
    #[serde(default)]
    pub(crate) by_mark: BTreeMap<u32, OriginCounts>,
    /// Whether the encoded frames were decoded again before the commit.
    pub(crate) decoded: bool,
    pub(crate) damage: Damage,
    /// Marks that were looked for in the encoded frames.
    #[serde(default)]
    pub(crate) looked_for: Vec<u32>,
    /// Where they were seen.
    #[serde(default)]
    pub(crate) flashes: Vec<Flash>,
}

/// An encoded frame on which a mark shows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Flash {
    pub(crate) mark: u32,
    pub(crate) frame: FrameIdx,
    /// Share of the mark that shows.
    pub(crate) share: f32,
}

/// A picture track beside the restored one, kept in packs of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extra {
    OriginMap,
    Mask,
}

impl Extra {
    const fn suffix(self) -> &'static str {
        match self {
            Self::OriginMap => ".origin",
            Self::Mask => ".mask",
        }
    }
}

/// Names of a segment's blobs in the store.
pub(crate) fn pack_name(key: &str, extra: Option<Extra>) -> String {
    format!("{key}{}.pack", extra.map_or("", Extra::suffix))
}

pub(crate) fn record_name(key: &str) -> String {
    format!("{key}.json")
}
