//! AV1 (bitstream specification, sections 5.3 to 5.9): open bitstream units and the first bits of frame headers.

use super::bits::Bits;
use super::{Entry, Look};

const SEQUENCE_HEADER: u8 = 1;
const FRAME_HEADER: u8 = 3;
const FRAME: u8 = 6;
const KEY_FRAME: u32 = 0;

#[derive(Default)]
pub(super) struct Av1 {
    sequence: Option<Vec<u8>>,
    reduced: bool,
}

impl Av1 {
    pub(super) fn look(&mut self, mut data: &[u8]) -> Look {
        let (mut shown, mut entry, mut has_sequence) = (0, Entry::None, false);
        while !data.is_empty() {
            let Some((kind, layered, body, rest)) = unit(data) else { return Look::Odd };
            data = rest;
            match kind {
                SEQUENCE_HEADER => {
                    has_sequence = true;
                    if self.sequence.get_or_insert_with(|| body.to_vec()) != body {
                        return Look::Odd;
                    }
                    let mut bits = Bits::new(body);
                    bits.take(4); // profile and still_picture
                    self.reduced = bits.flag();
                }
                FRAME_HEADER | FRAME if layered => return Look::Odd,
                FRAME_HEADER | FRAME if self.reduced => {
                    shown += 1;
                    entry = Entry::Closed;
                }
                FRAME_HEADER | FRAME => {
                    let mut bits = Bits::new(body);
                    let existing = bits.flag();
                    let key = !existing && bits.take(2) == KEY_FRAME;
                    let is_shown = existing || bits.flag();
                    if key && is_shown && has_sequence && shown == 0 {
                        entry = Entry::Closed;
                    }
                    shown += usize::from(is_shown);
                }
                _ => {}
            }
        }
        match shown {
            0 => Look::Hidden,
            1 => Look::Frame(entry),
            _ => Look::Odd,
        }
    }
}

/// The first unit: its type, whether it belongs to a layer above the base, its body, and what follows it.
fn unit(data: &[u8]) -> Option<(u8, bool, &[u8], &[u8])> {
    let head = *data.first()?;
    let mut at = 1;
    let mut layered = false;
    if head & 4 != 0 {
        layered = data.get(at)? >> 3 & 3 != 0; // spatial_id
        at += 1;
    }
    let size = if head & 2 != 0 {
        let mut size = 0usize;
        for i in 0.. {
            let byte = *data.get(at)?;
            at += 1;
            size |= usize::from(byte & 0x7f).checked_shl(7 * i).filter(|_| i < 5)?;
            if byte & 0x80 == 0 {
                break;
            }
        }
        size
    } else {
        data.len() - at
    };
    let (body, rest) = data.get(at..)?.split_at_checked(size)?;
    Some((head >> 3 & 15, layered, body, rest))
}
