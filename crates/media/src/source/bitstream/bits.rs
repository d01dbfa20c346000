//! Bits from the most significant one on.

/// A reader over bytes; beyond their end it gives zeros and remembers it.
pub(super) struct Bits<'a> {
    data: &'a [u8],
    at: usize,
}

impl<'a> Bits<'a> {
    pub(super) fn new(data: &'a [u8]) -> Self {
        Self { data, at: 0 }
    }

    /// The next `count` bits, at most 32.
    pub(super) fn take(&mut self, count: u32) -> u32 {
        (0..count).fold(0, |value, _| {
            let byte = self.data.get(self.at / 8).copied().unwrap_or(0);
            let bit = byte >> (7 - self.at % 8) & 1;
            self.at += 1;
            value << 1 | u32::from(bit)
        })
    }

    pub(super) fn flag(&mut self) -> bool {
        self.take(1) != 0
    }

    /// Whether more was taken than there is.
    pub(super) fn overrun(&self) -> bool {
        self.at > self.data.len() * 8
    }
}
