//! VP8 (RFC 6386, section 9.1) and VP9 (bitstream specification 0.6, section 6.2 and annex B): frame headers.

use super::bits::Bits;
use super::{Entry, Look};

/// Size of the first key frame.
type Size = Option<(u32, u32)>;

#[derive(Default)]
pub(super) struct Vp8 {
    size: Size,
}

impl Vp8 {
    pub(super) fn look(&mut self, data: &[u8]) -> Look {
        let is_key = data[0] & 1 == 0;
        if is_key {
            let Some(head) = data.get(3..10) else { return Look::Odd };
            let side = |low: u8, high: u8| u32::from(low) | u32::from(high & 0x3f) << 8;
            let size = (side(head[3], head[4]), side(head[5], head[6]));
            if head[..3] != [0x9d, 0x01, 0x2a] || *self.size.get_or_insert(size) != size {
                return Look::Odd;
            }
        }
        match (data[0] & 0x10 != 0, is_key) {
            (true, true) => Look::Frame(Entry::Closed),
            (true, false) => Look::Frame(Entry::None),
            (false, _) => Look::Hidden,
        }
    }
}

#[derive(Default)]
pub(super) struct Vp9 {
    size: Size,
}

enum Shown {
    No,
    Yes { key: bool },
    Unknown,
}

impl Vp9 {
    pub(super) fn look(&mut self, data: &[u8]) -> Look {
        let Some(frames) = superframe(data) else { return Look::Odd };
        let mut shown = 0;
        let mut entry = Entry::None;
        for (position, frame) in frames.iter().enumerate() {
            match self.header(frame) {
                Shown::Unknown => return Look::Odd,
                Shown::No => {}
                Shown::Yes { key } => {
                    shown += 1;
                    if key && position == 0 {
                        entry = Entry::Closed;
                    }
                }
            }
        }
        match shown {
            0 => Look::Hidden,
            1 => Look::Frame(entry),
            _ => Look::Odd,
        }
    }

    fn header(&mut self, frame: &[u8]) -> Shown {
        let mut bits = Bits::new(frame);
        if frame.is_empty() || bits.take(2) != 2 {
            return Shown::Unknown;
        }
        let profile = bits.take(1) | bits.take(1) << 1;
        if profile == 3 {
            bits.take(1);
        }
        if bits.flag() {
            return Shown::Yes { key: false }; // show_existing_frame
        }
        let is_key = !bits.flag();
        let is_shown = bits.flag();
        bits.take(1); // error_resilient_mode
        if is_key {
            if bits.take(24) != 0x49_83_42 {
                return Shown::Unknown;
            }
            if profile >= 2 {
                bits.take(1); // bit depth 10 or 12
            }
            let is_rgb = bits.take(3) == 7;
            if is_rgb {
                if profile & 1 == 1 {
                    bits.take(1);
                }
            } else {
                bits.take(1); // range
                if profile & 1 == 1 {
                    bits.take(3); // subsampling and a reserved bit
                }
            }
            let size = (bits.take(16) + 1, bits.take(16) + 1);
            if bits.overrun() || *self.size.get_or_insert(size) != size {
                return Shown::Unknown;
            }
        }
        if is_shown { Shown::Yes { key: is_key } } else { Shown::No }
    }
}

/// The frames of a packet (annex B); `None` where its index contradicts itself.
fn superframe(data: &[u8]) -> Option<Vec<&[u8]>> {
    let marker = *data.last()?;
    let (count, width) = (usize::from(marker & 7) + 1, usize::from(marker >> 3 & 3) + 1);
    let index = 2 + count * width;
    if marker >> 5 != 0b110 || data.len() < index || data[data.len() - index] != marker {
        return Some(vec![data]);
    }
    let (mut rest, table) = data.split_at(data.len() - index);
    let mut frames = Vec::with_capacity(count);
    for entry in table[1..index - 1].chunks(width) {
        let size = entry.iter().rev().fold(0usize, |size, byte| size << 8 | usize::from(*byte));
        let (frame, after) = rest.split_at_checked(size)?;
        rest = after;
        if !frame.is_empty() {
            frames.push(frame);
        }
    }
    Some(frames)
}
