//! Text detectors, on every runtime that is there, with small ones whose answers are known.
#![allow(clippy::unwrap_used, clippy::print_stderr)] // tests

mod common;

use cleanplate_infer::DbNet;
use common::{data, placements};

const SIZE: (usize, usize) = (300, 90);

/// Gray with light and dark strokes at columns 60 to 240, rows `top` to `top` + 20.
fn picture(top: usize) -> Vec<f32> {
    let at = |x: usize, y: usize| {
        let is_text = (60..240).contains(&x) && (top..top + 20).contains(&y);
        if is_text { f32::from(u8::from((x / 3).is_multiple_of(2))) } else { 0.45 }
    };
    let plane: Vec<f32> = (0..SIZE.1).flat_map(|y| (0..SIZE.0).map(move |x| at(x, y))).collect();
    [plane.clone(), plane.clone(), plane].concat()
}

/// The first and last row and column of what is likelier than not.
fn bounds(map: &[f32]) -> [usize; 4] {
    let set = || map.iter().enumerate().filter(|(_, p)| **p > 0.5).map(|(k, _)| (k % SIZE.0, k / SIZE.0));
    [
        set().map(|at| at.1).min().unwrap(),
        set().map(|at| at.1).max().unwrap(),
        set().map(|at| at.0).min().unwrap(),
        set().map(|at| at.0).max().unwrap(),
    ]
}

#[test]
fn cores_of_text_are_where_it_is_whatever_size_and_channels_the_network_was_exported_with() {
    for placement in placements() {
        for (name, side, words) in [
            ("text_any.onnx", (320, 96), "input any multiple of 32, 4 at once, map as large"),
            ("text_fixed.onnx", (320, 320), "input 320x320, 1 at once, map 1/2 as large, before its sigmoid"),
        ] {
            let mut net = DbNet::open(&data(name), &placement).unwrap();
            assert_eq!((net.side(SIZE), net.words().as_str()), (side, words), "{name}");
            let maps = net.cores(&[picture(40)], SIZE).unwrap();
            let [top, bottom, left, right] = bounds(&maps[0]);
            // The stand-in's own reach: 3 rows and 12 columns.
            assert!(top.abs_diff(40) <= 4 && bottom.abs_diff(59) <= 4, "{name}: rows {top} to {bottom}");
            assert!(left.abs_diff(60) <= 12 && right.abs_diff(239) <= 12, "{name}: columns {left} to {right}");
            assert!(maps[0].iter().all(|p| (0.0..=1.0).contains(p)));
        }
    }
}

#[test]
fn pictures_that_are_seen_together_are_seen_as_each_alone_to_the_last_bit() {
    for placement in placements() {
        let mut net = DbNet::open(&data("text_any.onnx"), &placement).unwrap();
        let pictures: Vec<Vec<f32>> = [10, 25, 40, 60].into_iter().map(picture).collect();
        let together = net.cores(&pictures, SIZE).unwrap();
        for (picture, map) in pictures.iter().zip(together) {
            let alone = net.cores(std::slice::from_ref(picture), SIZE).unwrap();
            assert!(alone[0].iter().zip(&map).all(|(a, b)| a.to_bits() == b.to_bits()));
        }
    }
}

#[test]
fn what_is_no_text_detector_is_refused_with_its_shapes_and_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    for placement in placements() {
        let refused = |path: &std::path::Path| DbNet::open(path, &placement).unwrap_err().to_string();
        let error = refused(&data("detector_v8.onnx"));
        assert!(error.contains("[1, 6, 525]") && error.contains("detector_v8.onnx"), "{error}");
        let error = refused(&data("inpainter_any.onnx"));
        assert!(error.contains("a text detector takes") && error.contains("mask"), "{error}");
        for (name, what) in
            [("det.pth", "torch.onnx.export"), ("best.pdparams", "paddle2onnx"), ("inference.pdmodel", "paddle2onnx")]
        {
            let path = folder.path().join(name);
            std::fs::write(&path, b"\x80\x02").unwrap();
            let error = refused(&path);
            assert!(error.contains(what) && error.contains(name), "{error}");
        }
        let path = folder.path().join("none.onnx");
        assert!(refused(&path).contains("none.onnx"));
    }
}
