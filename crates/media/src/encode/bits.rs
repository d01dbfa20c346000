//! Single bits into bytes, and NAL units around them.

/// Writes numbers of any width, the most significant bit first.
#[derive(Debug, Default)]
pub(super) struct BitWriter {
    bytes: Vec<u8>,
    used: u8,
}

impl BitWriter {
    /// Appends the lowest `count` bits of `value`, at most 32.
    pub(super) fn put(&mut self, value: u32, count: u8) {
        for bit in (0..count).rev() {
            if self.used == 0 {
                self.bytes.push(0);
            }
            if let Some(last) = self.bytes.last_mut() {
                *last |= ((value >> bit & 1) as u8) << (7 - self.used);
            }
            self.used = (self.used + 1) % 8;
        }
    }

    /// The bytes; an open one is closed by a 1 and zeros, as SEI payloads want it (ITU-T H.265 7.3.5).
    pub(super) fn closed_by_one(mut self) -> Vec<u8> {
        if self.used != 0 {
            self.put(1, 1);
        }
        self.bytes
    }

    /// The bytes; an open one is filled with zeros.
    pub(super) fn closed_by_zeros(self) -> Vec<u8> {
        self.bytes
    }
}

/// Appends `payload` with an emulation prevention byte wherever it would look like a start code (ITU-T H.264 7.4.1).
pub(super) fn escape(payload: &[u8], out: &mut Vec<u8>) {
    let mut zeros = 0;
    for byte in payload {
        if zeros == 2 && *byte <= 3 {
            out.push(3);
            zeros = 0;
        }
        zeros = if *byte == 0 { zeros + 1 } else { 0 };
        out.push(*byte);
    }
}

/// Offsets of start codes (the first of `00 00 01`) in an Annex B or MPEG-2 stream, with the byte behind each.
pub(super) fn start_codes(data: &[u8]) -> impl Iterator<Item = (usize, u8)> {
    data.windows(4).enumerate().filter(|(_, w)| w[..3] == [0, 0, 1]).map(|(at, w)| (at, w[3]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_come_out_in_order() {
        let mut bits = BitWriter::default();
        bits.put(0b101, 3);
        bits.put(0xABCD, 16);
        bits.put(1, 1);
        assert_eq!(bits.closed_by_one(), [0b1011_0101, 0b0111_1001, 0b1011_1000]);
    }

    #[test]
    fn no_start_code_survives_inside_a_payload() {
        let mut out = Vec::new();
        escape(&[0, 0, 0, 0, 0, 1, 0, 0, 3, 0, 0, 4], &mut out);
        assert_eq!(out, [0, 0, 3, 0, 0, 3, 0, 1, 0, 0, 3, 3, 0, 0, 4]);
        assert_eq!(start_codes(&out).count(), 0);
    }
}
