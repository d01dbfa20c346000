//! What the tests of whole jobs share: how far two frames are apart, and a captioned clip.
#![allow(dead_code, reason = "every test file takes what it needs")]

pub(crate) mod captioned;

use cleanplate_core::{Frame, Rect, Row};

/// Mean difference inside of `rect` in the first plane, in codes.
pub(crate) fn off(a: &Frame, b: &Frame, rect: Rect) -> f64 {
    let mut sum = 0.0;
    for y in rect.y..rect.bottom() {
        let (Row::U8(a), Row::U8(b)) = (a.row(0, y), b.row(0, y)) else { panic!("not 8 bits deep") };
        let columns = rect.x as usize..rect.right() as usize;
        sum += a[columns.clone()].iter().zip(&b[columns]).map(|(a, b)| f64::from(a.abs_diff(*b))).sum::<f64>();
    }
    sum / rect.area() as f64
}
