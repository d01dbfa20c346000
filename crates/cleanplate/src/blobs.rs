//! The frame of the files that plans keep beside them: who wrote it, a description as JSON, then samples.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, Result};

/// First bytes of a file; the last one is the version.
pub(crate) type Magic = [u8; 8];

/// Bytes of a description that are believed at most.
const MAX_HEAD: usize = 1 << 16;

/// A file with the description `head`, to be followed by its samples.
pub(crate) fn begin(magic: &Magic, head: &impl Serialize) -> Result<Vec<u8>> {
    let head = serde_json::to_vec(head).map_err(|e| Error::Internal(format!("a blob's head as JSON: {e}")))?;
    let mut bytes = magic.to_vec();
    bytes.extend((head.len() as u32).to_le_bytes());
    bytes.extend(head);
    Ok(bytes)
}

/// The description of a file and its samples; `None` where it is another file, or damaged.
pub(crate) fn split<'a, H: DeserializeOwned>(bytes: &'a [u8], magic: &Magic) -> Option<(H, &'a [u8])> {
    let (own, rest) = bytes.split_first_chunk::<8>()?;
    let (length, rest) = rest.split_first_chunk::<4>()?;
    let length = u32::from_le_bytes(*length) as usize;
    if own != magic || length > MAX_HEAD.min(rest.len()) {
        return None;
    }
    let (head, samples) = rest.split_at(length);
    Some((serde_json::from_slice(head).ok()?, samples))
}
