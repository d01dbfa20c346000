//! MPEG-2 video (ITU-T H.262, clause 6.2): start codes, picture types, fields.

use super::{Entry, Look};

const PICTURE: u8 = 0x00;
const SEQUENCE: u8 = 0xb3;
const EXTENSION: u8 = 0xb5;
const SEQUENCE_END: u8 = 0xb7;
const GROUP: u8 = 0xb8;
const INTRA: u8 = 1;
const FRAME_PICTURE: u8 = 3;

#[derive(Default)]
pub(super) struct Mpeg2 {
    /// Size and aspect of the first sequence header.
    size: Option<[u8; 4]>,
    ended: bool,
}

impl Mpeg2 {
    pub(super) fn look(&mut self, data: &[u8]) -> Look {
        let (mut pictures, mut fields, mut intra, mut closed, mut changed) = (0, 0, false, false, false);
        let mut has_sequence = false;
        if std::mem::take(&mut self.ended) {
            changed = true; // a second sequence: only decoding tells what happens at its border
        }
        for at in start_codes(data) {
            let body = &data[at + 1..];
            match data[at] {
                SEQUENCE => {
                    has_sequence = true;
                    if let Some(size) = body.get(..4).and_then(|b| <[u8; 4]>::try_from(b).ok()) {
                        changed |= *self.size.get_or_insert(size) != size;
                    }
                }
                GROUP => closed = body.get(3).is_some_and(|byte| byte & 0x40 != 0),
                PICTURE => {
                    if pictures == 0 {
                        intra = body.get(1).is_some_and(|byte| byte >> 3 & 7 == INTRA);
                    }
                    pictures += 1;
                }
                // The extension 8 of a picture: the structure lies in the last bits of its third byte.
                EXTENSION if body.first().is_some_and(|byte| byte >> 4 == 8) => {
                    fields += usize::from(body.get(2).is_some_and(|byte| byte & 3 != FRAME_PICTURE));
                }
                SEQUENCE_END => self.ended = true,
                _ => {}
            }
        }
        if changed || !matches!((pictures, fields), (1, 0) | (2, 2)) {
            return Look::Odd;
        }
        Look::Frame(match (intra && has_sequence, closed) {
            (true, true) => Entry::Closed,
            (true, false) => Entry::Open,
            (false, _) => Entry::None,
        })
    }
}

/// Positions of the bytes after `00 00 01`, up to the first slice of the last picture.
fn start_codes(data: &[u8]) -> impl Iterator<Item = usize> + '_ {
    data.windows(4).enumerate().filter(|(_, w)| w[..3] == [0, 0, 1]).map(|(at, _)| at + 3)
}
