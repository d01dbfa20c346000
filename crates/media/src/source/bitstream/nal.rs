//! H.264 (ITU-T H.264, table 7-1) and HEVC (ITU-T H.265, table 7-1): types of NAL units.

use super::field::FieldParser;
use super::{Entry, Look};
use crate::av::{Parameters, ffi};

const H264_SLICE: u8 = 1;
const H264_IDR: u8 = 5;
const H264_SPS: u8 = 7;
const HEVC_BLA: std::ops::RangeInclusive<u8> = 16..=18;
const HEVC_IDR: std::ops::RangeInclusive<u8> = 19..=20;
const HEVC_CRA: u8 = 21;
const HEVC_VCL: std::ops::RangeInclusive<u8> = 0..=31;
const HEVC_SPS: u8 = 33;
const HEVC_EOS: std::ops::RangeInclusive<u8> = 36..=37;

pub(super) struct Nal {
    hevc: bool,
    /// Bytes of a unit's length, `None` where units are parted by start codes.
    length: Option<usize>,
    sps: Option<Vec<u8>>,
    field: Option<FieldParser>,
    ended: bool,
    /// Whether HEVC layers above the base were seen.
    pub(super) layered: bool,
}

impl Nal {
    pub(super) fn new(parameters: &Parameters) -> Self {
        let hevc = parameters.get().codec_id == ffi::AVCodecID::HEVC;
        let extra = parameters.extradata();
        let position = if hevc { 21 } else { 4 };
        let length = (extra.first() == Some(&1) && extra.len() > position).then(|| (extra[position] & 3) as usize + 1);
        let field = if hevc { None } else { FieldParser::new(parameters) };
        let mut nal = Self { hevc, length, sps: None, field, ended: false, layered: false };
        if length.is_none() {
            for unit in start_code_units(extra) {
                nal.note_sps(unit);
            }
        } else if !hevc {
            // avcC: five bytes, the number of SPS in five bits, then each with its length in two bytes.
            let size = extra.get(6..8).map_or(0, |b| usize::from(u16::from_be_bytes([b[0], b[1]])));
            if let Some(unit) = extra.get(8..8 + size) {
                nal.note_sps(unit);
            }
        }
        nal
    }

    /// Whether the unit is a parameter set that differs from the one before it.
    fn note_sps(&mut self, unit: &[u8]) -> bool {
        let Some(head) = unit.first() else { return false };
        let is_sps = if self.hevc { head >> 1 & 0x3f == HEVC_SPS } else { head & 0x1f == H264_SPS };
        if !is_sps {
            return false;
        }
        let unit = &unit[..unit.iter().rposition(|b| *b != 0).map_or(0, |last| last + 1)];
        match &self.sps {
            Some(known) => known != unit,
            None => {
                self.sps = Some(unit.to_vec());
                false
            }
        }
    }

    pub(super) fn look(&mut self, data: &[u8], key: bool) -> Look {
        let units = match self.length {
            Some(length) => match length_units(data, length) {
                Some(units) => units,
                None => return Look::Odd,
            },
            None => start_code_units(data),
        };
        let look = if self.hevc { self.hevc(&units) } else { self.h264(&units, data, key) };
        let changed = units.iter().filter(|unit| self.note_sps(unit)).count() > 0;
        if changed { Look::Odd } else { look }
    }

    fn h264(&mut self, units: &[&[u8]], data: &[u8], key: bool) -> Look {
        let kind = |unit: &&&[u8]| unit.first().map_or(0, |head| head & 0x1f);
        let slices = units.iter().filter(|unit| matches!(kind(unit), H264_SLICE | 2 | H264_IDR));
        // A picture begins with the slice of macroblock 0, whose number's code is a single one bit.
        let pictures = slices.clone().filter(|unit| unit.get(1).is_some_and(|byte| byte & 0x80 != 0)).count();
        let is_idr = slices.clone().any(|unit| kind(&unit) == H264_IDR);
        let fields = self.field.as_mut().is_none_or(|parser| parser.is_field(data));
        if pictures != if fields { 2 } else { 1 } {
            return Look::Odd;
        }
        Look::Frame(match (is_idr, key) {
            (true, _) => Entry::Closed,
            (false, true) => Entry::Open,
            (false, false) => Entry::None,
        })
    }

    fn hevc(&mut self, units: &[&[u8]]) -> Look {
        let kind = |unit: &&[u8]| unit.first().map_or(63, |head| head >> 1 & 0x3f);
        // Other layers (multiview, alpha) ride along and are not decoded.
        let base = |unit: &&&[u8]| unit.len() > 2 && unit[0] & 1 == 0 && unit[1] >> 3 == 0;
        self.layered |= units.iter().any(|unit| HEVC_VCL.contains(&kind(unit)) && !base(&unit));
        let slices = units.iter().filter(base).filter(|unit| HEVC_VCL.contains(&kind(unit)));
        let first_slices = slices.clone().filter(|unit| unit[2] & 0x80 != 0).count();
        let Some(first) = slices.clone().map(kind).next() else { return Look::Odd };
        let after_end = std::mem::replace(&mut self.ended, units.iter().any(|unit| HEVC_EOS.contains(&kind(unit))));
        // Pictures that lead a broken link, or the first one after an end of sequence, are not shown.
        if first_slices != 1 || after_end || HEVC_BLA.contains(&first) {
            return Look::Odd;
        }
        Look::Frame(match first {
            kind if HEVC_IDR.contains(&kind) => Entry::Closed,
            HEVC_CRA => Entry::Open,
            _ => Entry::None,
        })
    }
}

/// Units with their length in front; `None` where the lengths do not add up.
fn length_units(mut data: &[u8], length: usize) -> Option<Vec<&[u8]>> {
    let mut units = Vec::new();
    while !data.is_empty() {
        let (head, rest) = data.split_at_checked(length)?;
        let size = head.iter().fold(0usize, |size, byte| size << 8 | usize::from(*byte));
        let (unit, rest) = rest.split_at_checked(size)?;
        units.push(unit);
        data = rest;
    }
    Some(units)
}

/// Units after start codes (`00 00 01`).
fn start_code_units(data: &[u8]) -> Vec<&[u8]> {
    let mut units = Vec::new();
    let mut start = None;
    let mut at = 0;
    while at + 3 <= data.len() {
        if data[at + 2] > 1 {
            at += 3;
        } else if data[at..at + 3] == [0, 0, 1] {
            if let Some(start) = start {
                units.push(&data[start..at]);
            }
            start = Some(at + 3);
            at += 3;
        } else {
            at += 1;
        }
    }
    if let Some(start) = start {
        units.push(&data[start..]);
    }
    units
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_found_by_start_code_and_by_length() {
        let data = [0, 0, 0, 1, 0x67, 9, 0, 0, 1, 0x65, 1, 2, 0, 0, 0, 1, 0x41];
        assert_eq!(start_code_units(&data), [&[0x67, 9][..], &[0x65, 1, 2, 0], &[0x41]]);
        assert_eq!(length_units(&[0, 2, 5, 6, 0, 1, 7], 2), Some(vec![&[5, 6][..], &[7]]));
        assert_eq!(length_units(&[0, 3, 5, 6], 2), None);
        assert!(start_code_units(&[0, 0]).is_empty());
    }
}
