//! Whether the bytes of a file are whole Protocol Buffers messages of ONNX, before a parser trusts their lengths.
//!
//! rten-onnx 0.27 never ends on an integer of more than ten bytes, and takes memory for any length that is claimed.

/// What a field of a message holds.
#[derive(Clone, Copy)]
enum Holds {
    /// Bytes or text.
    Bytes,
    /// Integers, one after another.
    Integers,
    Message(Message),
}

/// Messages of onnx.proto3 with fields that hold messages.
#[derive(Clone, Copy)]
pub(crate) enum Message {
    Model,
    Graph,
    Node,
    Attribute,
    Tensor,
    Value,
    Type,
    TensorType,
    Sequence,
    Shape,
    /// One without messages in it.
    Flat,
}

/// Graphs within graphs at most.
const DEEPEST: usize = 32;

impl Message {
    /// The message that a field holds.
    pub(crate) const fn inner(self, field: u64) -> Option<Self> {
        match self.holds(field) {
            Holds::Message(message) => Some(message),
            _ => None,
        }
    }

    const fn holds(self, field: u64) -> Holds {
        let message = match (self, field) {
            (Self::Model, 7) | (Self::Attribute, 6 | 11) => Self::Graph,
            (Self::Model, 8 | 14) | (Self::Tensor, 13) | (Self::Shape, 1) => Self::Flat,
            (Self::Graph, 1) => Self::Node,
            (Self::Graph, 5) | (Self::Attribute, 5 | 10) => Self::Tensor,
            (Self::Graph, 11..=13) => Self::Value,
            (Self::Node, 5) => Self::Attribute,
            (Self::Value, 2) | (Self::Sequence, 1) => Self::Type,
            (Self::Type, 1) => Self::TensorType,
            (Self::Type, 4) => Self::Sequence,
            (Self::TensorType, 2) => Self::Shape,
            (Self::Tensor, 1 | 5 | 7) | (Self::Attribute, 8) => return Holds::Integers,
            _ => return Holds::Bytes,
        };
        Holds::Message(message)
    }
}

/// Whether `bytes` are one whole model.
pub(crate) fn is_model(bytes: &[u8]) -> bool {
    !bytes.is_empty() && walk(bytes, Message::Model, 0).is_some()
}

fn walk(mut bytes: &[u8], message: Message, depth: usize) -> Option<()> {
    if depth > DEEPEST {
        return None;
    }
    while !bytes.is_empty() {
        let tag = integer(&mut bytes)?;
        match tag & 7 {
            0 => drop(integer(&mut bytes)?),
            1 => drop(take(&mut bytes, 8)?),
            2 => {
                let length = usize::try_from(integer(&mut bytes)?).ok()?;
                let mut inner = take(&mut bytes, length)?;
                match message.holds(tag >> 3) {
                    Holds::Bytes => {}
                    Holds::Integers => {
                        while !inner.is_empty() {
                            integer(&mut inner)?;
                        }
                    }
                    Holds::Message(message) => walk(inner, message, depth + 1)?,
                }
            }
            5 => drop(take(&mut bytes, 4)?),
            _ => return None,
        }
    }
    Some(())
}

/// An integer of 7 bits a byte, at most ten of them.
pub(crate) fn integer(bytes: &mut &[u8]) -> Option<u64> {
    let length = bytes.iter().take(10).position(|byte| byte & 0x80 == 0)? + 1;
    if length == 10 && bytes[9] > 1 {
        return None;
    }
    let value = bytes[..length].iter().rev().fold(0u64, |value, byte| value << 7 | u64::from(byte & 0x7f));
    *bytes = &bytes[length..];
    Some(value)
}

pub(crate) fn take<'a>(bytes: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODEL: &[u8] = include_bytes!("../tests/data/detector_yolox.onnx");

    #[test]
    fn a_whole_model_passes_and_a_part_of_it_does_not() {
        assert!(is_model(MODEL));
        // The last few bytes name the operator set and are a field of their own.
        assert!((16..MODEL.len()).step_by(7).all(|cut| !is_model(&MODEL[..MODEL.len() - cut])));
        assert!(!is_model(&[]) && !is_model(&[0xff; 64]));
    }

    #[test]
    fn no_damage_makes_reading_a_model_hang_or_panic() {
        let mut state = 7u32;
        let mut roll = move || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as usize
        };
        let mut whole = 0;
        for _ in 0..400 {
            let mut bytes = MODEL.to_vec();
            for _ in 0..3 {
                let at = roll() % bytes.len();
                bytes[at] = if roll() % 2 == 0 { 0xff } else { roll() as u8 };
            }
            whole += u32::from(is_model(&bytes));
            // What it says does not matter, that it answers does.
            let _ = crate::graph::Graph::read(&bytes);
        }
        assert!((1..400).contains(&whole), "{whole}");
    }
}
