//! HDR10+ (SMPTE ST 2094-40, application 4) from libav's parsed form back into the bits of a T.35 message.

use super::bits::BitWriter;
use crate::av::ffi::AVRational;

/// `AVHDRPlusPercentile`; the layout is part of libav's ABI.
#[repr(C)]
#[derive(Clone, Copy)]
struct Percentile {
    percentage: u8,
    percentile: AVRational,
}

/// `AVHDRPlusColorTransformParams`.
#[repr(C)]
#[derive(Clone, Copy)]
struct Window {
    corners: [AVRational; 4],
    center_x: u16,
    center_y: u16,
    rotation_angle: u8,
    semimajor_internal: u16,
    semimajor_external: u16,
    semiminor_external: u16,
    overlap: std::ffi::c_uint,
    maxscl: [AVRational; 3],
    average_maxrgb: AVRational,
    percentiles: u8,
    distribution: [Percentile; 15],
    fraction_bright: AVRational,
    tone_mapping: u8,
    knee_x: AVRational,
    knee_y: AVRational,
    anchors: u8,
    bezier: [AVRational; 15],
    saturation_mapping: u8,
    saturation_weight: AVRational,
}

/// The front of `AVDynamicHDRPlus`; libav may append to it.
#[repr(C)]
#[derive(Clone, Copy)]
struct DynamicHdrPlus {
    country_code: u8,
    application_version: u8,
    windows: u8,
    params: [Window; 3],
    target_luminance: AVRational,
    target_peak: Peak,
    mastering_peak: Peak,
}

/// A grid of actual peak luminances.
#[repr(C)]
#[derive(Clone, Copy)]
struct Peak {
    present: u8,
    rows: u8,
    columns: u8,
    luminance: [[AVRational; 25]; 25],
}

/// The message as ITU-T T.35 bytes from the country code on; `None` where `side_data` is no complete `AVDynamicHDRPlus`.
pub(super) fn message(side_data: &[u8]) -> Option<Vec<u8>> {
    if side_data.len() < size_of::<DynamicHdrPlus>() {
        return None;
    }
    // SAFETY: the bytes are libav's struct of this layout (all fields are numbers, any bits are valid) and long enough.
    let hdr = unsafe { side_data.as_ptr().cast::<DynamicHdrPlus>().read_unaligned() };
    let windows = usize::from(hdr.windows).min(3);
    let mut bits = BitWriter::default();
    // United States, SMPTE, 2094-40, application 4.
    for (value, count) in [(0xB5, 8), (0x003C, 16), (0x0001, 16), (4, 8)] {
        bits.put(value, count);
    }
    bits.put(u32::from(hdr.application_version), 8);
    bits.put(windows as u32, 2);
    for window in hdr.params.iter().take(windows).skip(1) {
        window.corners.iter().for_each(|corner| bits.put(corner.num as u32, 16));
        bits.put(u32::from(window.center_x), 16);
        bits.put(u32::from(window.center_y), 16);
        bits.put(u32::from(window.rotation_angle), 8);
        bits.put(u32::from(window.semimajor_internal), 16);
        bits.put(u32::from(window.semimajor_external), 16);
        bits.put(u32::from(window.semiminor_external), 16);
        bits.put(window.overlap, 1);
    }
    bits.put(steps(hdr.target_luminance, 1), 27);
    hdr.target_peak.put(&mut bits);
    for window in hdr.params.iter().take(windows) {
        window.maxscl.iter().for_each(|value| bits.put(steps(*value, 100_000), 17));
        bits.put(steps(window.average_maxrgb, 100_000), 17);
        let count = window.percentiles.min(15);
        bits.put(u32::from(count), 4);
        for entry in window.distribution.iter().take(usize::from(count)) {
            bits.put(u32::from(entry.percentage), 7);
            bits.put(steps(entry.percentile, 100_000), 17);
        }
        bits.put(steps(window.fraction_bright, 1000), 10);
    }
    hdr.mastering_peak.put(&mut bits);
    for window in hdr.params.iter().take(windows) {
        bits.put(u32::from(window.tone_mapping != 0), 1);
        if window.tone_mapping != 0 {
            bits.put(steps(window.knee_x, 4095), 12);
            bits.put(steps(window.knee_y, 4095), 12);
            let count = window.anchors.min(15);
            bits.put(u32::from(count), 4);
            window.bezier.iter().take(usize::from(count)).for_each(|anchor| bits.put(steps(*anchor, 1023), 10));
        }
        bits.put(u32::from(window.saturation_mapping != 0), 1);
        if window.saturation_mapping != 0 {
            bits.put(steps(window.saturation_weight, 8), 6);
        }
    }
    Some(bits.closed_by_zeros())
}

impl Peak {
    fn put(&self, bits: &mut BitWriter) {
        bits.put(u32::from(self.present != 0), 1);
        if self.present == 0 {
            return;
        }
        let (rows, columns) = (self.rows.min(25), self.columns.min(25));
        bits.put(u32::from(rows), 5);
        bits.put(u32::from(columns), 5);
        for row in self.luminance.iter().take(usize::from(rows)) {
            row.iter().take(usize::from(columns)).for_each(|value| bits.put(steps(*value, 15), 4));
        }
    }
}

/// `value` in steps of `1 / per`; libav keeps exactly these denominators, so nothing is rounded.
fn steps(value: AVRational, per: i64) -> u32 {
    if value.den == 0 { 0 } else { ((i64::from(value.num) * per) / i64::from(value.den)) as u32 }
}
