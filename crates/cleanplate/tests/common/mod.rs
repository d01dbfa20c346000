//! What the tests of whole jobs share: the frames of a video, how far two of them are apart, and a captioned clip.
#![allow(dead_code, reason = "every test file takes what it needs")]

pub(crate) mod captioned;

use std::ops::ControlFlow;
use std::path::Path;

use cleanplate_core::{Frame, Rect, Row};
use cleanplate_media::{OpenOptions, Source};

/// All frames of a video.
pub(crate) fn frames(path: &Path) -> Vec<Frame> {
    let source = Source::open(path, &OpenOptions::default(), &mut |_, _| ControlFlow::Continue(())).unwrap();
    let mut reader = source.reader(1).unwrap();
    std::iter::from_fn(|| reader.read().unwrap()).collect()
}

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
