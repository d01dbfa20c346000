//! Guides and motions that one hole after the other asks for, kept by what they were made of.
//!
//! The keys hold a fingerprint of the samples: whatever was asked before, the same crops give the same answers.

use std::sync::Arc;

use crate::frame::{FrameIdx, Rows};
use crate::geometry::Rect;
use crate::hole::Crop;

use super::flow::Search;
use super::guide::Guide;
use super::motion::{Completion, Motion, between};
use super::spread::Spread;

/// Bytes that are kept at most: the guides and motions of 37 crops of 380x250 take 40 MB.
const KEPT_BYTES: usize = 256 << 20;

/// What a crop is known by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Key {
    idx: FrameIdx,
    rect: Rect,
    rows: Rows,
    fingerprint: u64,
}

impl Key {
    pub(super) fn of(crop: &Crop) -> Self {
        let mut print = Fingerprint(0x9E37_79B9_7F4A_7C15 ^ u64::from(crop.patch.format.depth));
        if let (Some(plane), Some(need)) = (crop.patch.planes.first(), crop.need.first()) {
            plane.data().chunks(2).for_each(|pair| {
                let low = u64::from(pair[0].to_bits());
                print.add(low | pair.get(1).map_or(0, |v| u64::from(v.to_bits())) << 32);
            });
            need.data().chunks(8).for_each(|eight| {
                print.add(eight.iter().fold(0, |sum, n| sum << 8 | u64::from(*n)));
            });
        }
        Self { idx: crop.idx, rect: crop.patch.rect, rows: crop.patch.rows, fingerprint: print.0 }
    }
}

/// Multiply and fold, word by word.
struct Fingerprint(u64);

impl Fingerprint {
    fn add(&mut self, word: u64) {
        let wide = u128::from(self.0 ^ word) * u128::from(0xD6E8_FEB8_6659_FD93_u64);
        self.0 = (wide as u64 ^ (wide >> 64) as u64).wrapping_add(0x9E37_79B9_7F4A_7C15);
    }
}

/// What was made lately.
#[derive(Debug, Default)]
pub(super) struct Cache {
    guides: Vec<Entry<Key, Option<Arc<Guide>>>>,
    motions: Vec<Entry<[Key; 2], Arc<[Motion; 2]>>>,
    bytes: usize,
    now: u64,
    /// The frame that is worked on, and when work on the one before it and on itself began.
    frame: FrameIdx,
    began: [u64; 2],
    spread: Spread<1>,
    search: [Search; 2],
    completion: Completion,
}

#[derive(Debug)]
struct Entry<K, V> {
    key: K,
    value: V,
    bytes: usize,
    used: u64,
}

impl Cache {
    pub(super) fn guide(&mut self, key: Key, crop: &Crop) -> Option<Arc<Guide>> {
        self.now += 1;
        if let Some(entry) = self.guides.iter_mut().find(|entry| entry.key == key) {
            entry.used = self.now;
            return entry.value.clone();
        }
        let value = Guide::new(crop, &mut self.spread).map(Arc::new);
        let bytes = value.as_ref().map_or(64, |guide| guide.bytes());
        self.bytes += bytes;
        self.guides.push(Entry { key, value: value.clone(), bytes, used: self.now });
        value
    }

    /// The motion from the first guide to the second, and back.
    pub(super) fn motion(&mut self, keys: [Key; 2], [a, b]: [&Guide; 2]) -> Arc<[Motion; 2]> {
        self.now += 1;
        if let Some(entry) = self.motions.iter_mut().find(|entry| entry.key == keys) {
            entry.used = self.now;
            return Arc::clone(&entry.value);
        }
        let value = Arc::new(between(a, b, &mut self.search, &mut self.completion));
        let bytes = value.iter().map(Motion::bytes).sum();
        self.bytes += bytes;
        self.motions.push(Entry { key: keys, value: Arc::clone(&value), bytes, used: self.now });
        value
    }

    /// Drops what was asked for neither in the frame of the hole that comes next, `frame`, nor in the one before, and what was
    /// not asked for the longest, until the rest fits. Called between holes, never within one.
    pub(super) fn trim(&mut self, frame: FrameIdx) {
        if frame != self.frame {
            self.frame = frame;
            self.began = [self.began[1], self.now];
            let since = self.began[0];
            self.guides.retain(|entry| entry.used > since);
            self.motions.retain(|entry| entry.used > since);
            let guides = self.guides.iter().map(|entry| entry.bytes);
            self.bytes = guides.chain(self.motions.iter().map(|entry| entry.bytes)).sum();
        }
        while self.bytes > KEPT_BYTES {
            let oldest = |used: Option<(usize, u64)>| used.map_or(u64::MAX, |(_, used)| used);
            let guide = self.guides.iter().map(|e| e.used).enumerate().min_by_key(|(_, used)| *used);
            let motion = self.motions.iter().map(|e| e.used).enumerate().min_by_key(|(_, used)| *used);
            match (guide, motion) {
                (Some((at, _)), _) if oldest(guide) < oldest(motion) => self.bytes -= self.guides.swap_remove(at).bytes,
                (_, Some((at, _))) => self.bytes -= self.motions.swap_remove(at).bytes,
                _ => break,
            }
        }
    }
}
