//! Models in the form that every runtime here takes: 16-bit floating point becomes 32-bit, and convolutions name their strides.
//!
//! rten 0.27 knows no 16-bit numbers and fails on a convolution that leaves its strides to the default. Works on the bytes of whole
//! messages ([`wire::is_model`](crate::wire::is_model)); refuses to know what a network computes.

use crate::wire::{Message, integer, take};

/// ONNX's numbers of data types (onnx.proto, `TensorProto.DataType`).
const FLOAT: u64 = 1;
const FLOAT16: u64 = 10;

/// `bytes`, which are a whole model, mended.
pub(crate) fn mended(bytes: &[u8]) -> Vec<u8> {
    rewritten(bytes, Message::Model).unwrap_or_else(|| bytes.to_vec())
}

/// A field of a message: its number, the integer that it holds or the length of its bytes, its bytes, and all of it.
#[derive(Debug)]
pub(crate) struct Field<'a> {
    pub(crate) number: u64,
    pub(crate) value: u64,
    pub(crate) bytes: &'a [u8],
    pub(crate) whole: &'a [u8],
}

/// Takes one field off.
fn field<'a>(rest: &mut &'a [u8]) -> Option<Field<'a>> {
    let all = *rest;
    let tag = integer(rest)?;
    let (value, bytes) = match tag & 7 {
        0 => (integer(rest)?, &[][..]),
        1 => (0, take(rest, 8)?),
        2 => {
            let length = integer(rest)?;
            (length, take(rest, usize::try_from(length).ok()?)?)
        }
        5 => (0, take(rest, 4)?),
        _ => return None,
    };
    Some(Field { number: tag >> 3, value, bytes, whole: &all[..all.len() - rest.len()] })
}

pub(crate) fn fields(mut bytes: &[u8]) -> Option<Vec<Field<'_>>> {
    let mut list = Vec::new();
    while !bytes.is_empty() {
        list.push(field(&mut bytes)?);
    }
    Some(list)
}

fn rewritten(bytes: &[u8], message: Message) -> Option<Vec<u8>> {
    let fields = fields(bytes)?;
    if matches!(message, Message::Tensor) && fields.iter().any(|f| f.number == 2 && f.value == FLOAT16) {
        return widened(&fields);
    }
    let is_cast = matches!(message, Message::Attribute) && fields.iter().any(|f| f.number == 1 && f.bytes == b"to");
    let mut out = Vec::with_capacity(bytes.len());
    for f in &fields {
        match (message, f.number) {
            (Message::TensorType, 1) if f.value == FLOAT16 => put_integer(&mut out, 1, FLOAT),
            (Message::Attribute, 3) if is_cast && f.value == FLOAT16 => put_integer(&mut out, 3, FLOAT),
            _ => match message.inner(f.number) {
                Some(inner) => put_bytes(&mut out, f.number, &rewritten(f.bytes, inner)?),
                None => out.extend(f.whole),
            },
        }
    }
    if matches!(message, Message::Node) {
        out.extend(strides(&fields)?);
    }
    Some(out)
}

/// What a convolution of these `fields` lacks: `strides`, all 1.
fn strides(node: &[Field<'_>]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    if !node.iter().any(|f| f.number == 4 && f.bytes == b"Conv") {
        return Some(out);
    }
    let mut axes = 2;
    for attribute in node.iter().filter(|f| f.number == 5) {
        let inner = fields(attribute.bytes)?;
        let is = |name: &[u8]| inner.iter().any(|f| f.number == 1 && f.bytes == name);
        if is(b"strides") {
            return Some(out);
        }
        if is(b"kernel_shape") {
            // Packed, where a side of a kernel takes one byte, or one by one.
            axes = inner.iter().filter(|f| f.number == 8).map(|f| f.bytes.len().max(1)).sum();
        }
    }
    let mut attribute = Vec::new();
    put_bytes(&mut attribute, 1, b"strides");
    (0..axes).for_each(|_| put_integer(&mut attribute, 8, 1));
    // Its type: integers.
    put_integer(&mut attribute, 20, 7);
    put_bytes(&mut out, 5, &attribute);
    Some(out)
}

/// A tensor of 16-bit numbers as one of 32-bit numbers.
fn widened(tensor: &[Field<'_>]) -> Option<Vec<u8>> {
    let (mut out, mut values) = (Vec::new(), Vec::new());
    for f in tensor {
        match f.number {
            2 => put_integer(&mut out, 2, FLOAT),
            // Their bits, in integers or as they are.
            5 if f.bytes.is_empty() => values.push(f.value as u16),
            5 => {
                let mut rest = f.bytes;
                while !rest.is_empty() {
                    values.push(integer(&mut rest)? as u16);
                }
            }
            9 => values.extend(f.bytes.chunks_exact(2).map(|two| u16::from_le_bytes([two[0], two[1]]))),
            _ => out.extend(f.whole),
        }
    }
    let raw: Vec<u8> = values.into_iter().flat_map(|bits| single(bits).to_le_bytes()).collect();
    put_bytes(&mut out, 9, &raw);
    Some(out)
}

/// A number of IEEE 754's binary16.
fn single(bits: u16) -> f32 {
    let (sign, exponent, fraction) = (u32::from(bits >> 15) << 31, u32::from(bits >> 10 & 31), u32::from(bits & 1023));
    let size = match exponent {
        0 => fraction as f32 / (1u32 << 24) as f32,
        31 => f32::from_bits(0x7f80_0000 | fraction << 13),
        _ => f32::from_bits((exponent + 112) << 23 | fraction << 13),
    };
    f32::from_bits(size.to_bits() | sign)
}

fn put_integer(out: &mut Vec<u8>, number: u64, value: u64) {
    varint(out, number << 3);
    varint(out, value);
}

pub(crate) fn put_bytes(out: &mut Vec<u8>, number: u64, bytes: &[u8]) {
    varint(out, number << 3 | 2);
    varint(out, bytes.len() as u64);
    out.extend(bytes);
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sixteen_bits_keep_their_value() {
        let known = [
            (0x3c00, 1.0),
            (0xc000, -2.0),
            (0x7bff, 65504.0),
            (0x0001, 5.960_464_5e-8),
            (0x3555, 0.333_251_95),
            (0x8000, -0.0),
        ];
        for (bits, value) in known {
            assert_eq!(single(bits).to_bits(), f32::to_bits(value), "{bits:x}");
        }
        assert!(single(0x7c00).is_infinite() && single(0x7e00).is_nan());
    }

    #[test]
    fn a_model_that_needs_nothing_stays_as_it_is() {
        for bytes in
            [&include_bytes!("../tests/data/detector_v8.onnx")[..], include_bytes!("../tests/data/upscaler_rgb.onnx")]
        {
            assert!(mended(bytes) == bytes);
        }
    }
}
