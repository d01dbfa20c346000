//! Networks that fill holes, on every runtime that is there, with small ones whose answers are known.
#![allow(clippy::unwrap_used, clippy::print_stderr)] // tests

mod common;

use cleanplate_infer::{Inpainter, Tensor};
use common::{data, placements};

/// A slope with a hole of white in it, and the mask of the hole.
fn holed(w: usize, h: usize) -> (Tensor, Tensor) {
    let (mut picture, mut mask) = (Tensor::zeros(vec![1, 3, h, w]), Tensor::zeros(vec![1, 1, h, w]));
    for k in 0..w * h {
        let (x, y) = (k % w, k / w);
        let inside = x.abs_diff(w / 2) < 8 && y.abs_diff(h / 2) < 6;
        for channel in 0..3 {
            let value = 0.2 + 0.1 * channel as f32 + 0.3 * x as f32 / w as f32;
            picture.data_mut()[channel * w * h + k] = if inside { 1.0 } else { value };
        }
        mask.data_mut()[k] = f32::from(u8::from(inside));
    }
    (picture, mask)
}

#[test]
fn a_hole_is_filled_whatever_size_and_range_the_network_was_exported_with() {
    for placement in placements() {
        for name in ["inpainter_any.onnx", "inpainter_fixed.onnx", "inpainter_together.onnx"] {
            let (size, side) = ((100, 70), (128, 128));
            let mut net = Inpainter::open(&data(name), &placement).unwrap();
            assert_eq!(net.side(size), side, "{name}");
            let (picture, mask) = holed(side.0, side.1);
            let filled = net.fill(&picture, &mask).unwrap();
            let area = side.0 * side.1;
            for channel in 0..3 {
                let centre = filled.data()[channel * area + area / 2 + side.0 / 2];
                let truth = 0.2 + 0.1 * channel as f32 + 0.15;
                assert!((centre - truth).abs() < 0.03, "{name}: {centre} instead of {truth}");
                let kept = filled.data()[channel * area];
                assert!((kept - picture.data()[channel * area]).abs() < 1e-3, "{name}: {kept}");
            }
        }
        assert_eq!(Inpainter::open(&data("inpainter_any.onnx"), &placement).unwrap().side((130, 64)), (192, 64));
    }
}

#[test]
fn pictures_that_are_filled_together_come_back_as_each_would_alone() {
    for mut placement in placements() {
        assert_eq!(Inpainter::open(&data("inpainter_any.onnx"), &placement).unwrap().batch(), 1);
        placement.processor.fill = 3;
        for (name, together) in [("inpainter_any.onnx", 3), ("inpainter_together.onnx", 3), ("inpainter_fixed.onnx", 1)]
        {
            let mut net = Inpainter::open(&data(name), &placement).unwrap();
            assert_eq!(net.batch(), together, "{name}");
            let (picture, mask) = holed(128, 64);
            if together == 1 {
                continue;
            }
            let (one, size) = (net.fill(&picture, &mask).unwrap(), picture.data().len());
            let (mut pictures, mut masks) = (Tensor::zeros(vec![3, 3, 64, 128]), Tensor::zeros(vec![3, 1, 64, 128]));
            for n in 0..3 {
                let darker = picture.data().iter().map(|v| v / (n + 1) as f32).collect::<Vec<_>>();
                pictures.data_mut()[n * size..(n + 1) * size].copy_from_slice(&darker);
                masks.data_mut()[n * size / 3..(n + 1) * size / 3].copy_from_slice(mask.data());
            }
            let all = net.fill(&pictures, &masks).unwrap();
            for n in 0..3 {
                let off = all.part(n).iter().zip(one.data()).map(|(a, b)| (a - b / (n + 1) as f32).abs());
                assert!(off.fold(0.0, f32::max) < 1e-5, "{name}, picture {n}");
            }
        }
    }
}

#[test]
fn what_takes_no_picture_and_mask_is_refused() {
    for placement in placements() {
        let error = Inpainter::open(&data("detector_v8.onnx"), &placement).unwrap_err().to_string();
        assert!(error.contains("a picture") && error.contains("images ?x3x160x160"), "{error}");
    }
}
