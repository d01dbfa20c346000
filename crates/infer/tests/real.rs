//! Real networks of users' kinds, where `CLEANPLATE_TESTDATA` names a folder that has them.
#![allow(clippy::unwrap_used, clippy::print_stderr)] // tests

mod common;

use std::path::PathBuf;

use cleanplate_core::Sighting;
use cleanplate_infer::yolo::Head;
use cleanplate_infer::{DbNet, Inpainter, Yolo};
use common::placements;

/// The folder of real networks; `None`, said aloud, where there is none.
fn models() -> Option<PathBuf> {
    let folder = std::env::var_os("CLEANPLATE_TESTDATA").map(|data| PathBuf::from(data).join("models"));
    let found = folder.filter(|folder| folder.is_dir());
    if found.is_none() {
        eprintln!("skipped: CLEANPLATE_TESTDATA names no folder with models");
    }
    found
}

/// A dark figure on two legs before a wall, drawn from slopes and discs.
fn figure(w: usize, h: usize) -> Vec<f32> {
    let mut rgb = Vec::with_capacity(3 * w * h);
    for channel in 0..3 {
        for (x, y) in (0..h).flat_map(|y| (0..w).map(move |x| (x as f32 / w as f32, y as f32 / h as f32))) {
            let disc = |cx: f32, cy: f32, rx: f32, ry: f32| ((x - cx) / rx).powi(2) + ((y - cy) / ry).powi(2) < 1.0;
            let skin = disc(0.5, 0.22, 0.05, 0.09);
            let body = disc(0.5, 0.48, 0.09, 0.19) || disc(0.46, 0.76, 0.03, 0.18) || disc(0.54, 0.76, 0.03, 0.18);
            let wall = 0.6 + 0.2 * y + 0.05 * (40.0 * x).sin();
            rgb.push(if skin {
                [0.8, 0.6, 0.5][channel]
            } else if body {
                [0.1, 0.15, 0.3][channel]
            } else {
                wall
            });
        }
    }
    rgb
}

#[test]
fn a_real_yolox_sees_the_same_on_every_runtime() {
    let Some(models) = models() else { return };
    let mut all: Vec<Vec<Sighting>> = Vec::new();
    for placement in placements() {
        let mut yolo = Yolo::open(&models.join("detect/yolox_nano.onnx"), &placement).unwrap();
        assert_eq!((yolo.head(), yolo.side()), (Head::Cells, (416, 416)));
        let (w, h) = yolo.letterbox((1280, 720)).inner;
        all.extend(yolo.detect(&[figure(w as usize, h as usize)], (1280, 720), 0.05).unwrap());
    }
    assert!(!all[0].is_empty(), "it takes something for something");
    for other in &all[1..] {
        assert_eq!(other.len(), all[0].len());
        for (a, b) in all[0].iter().zip(other) {
            let off = a.sides.iter().zip(b.sides).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(a.class == b.class && off < 0.1 && (a.score - b.score).abs() < 1e-3, "{a:?} {b:?}");
        }
    }
}

#[test]
fn a_real_quantised_yolov8_is_refused_where_it_would_be_computed_wrong() {
    let Some(models) = models() else { return };
    for placement in placements() {
        let opened = Yolo::open(&models.join("detect/yolov8n_int8.onnx"), &placement);
        match opened {
            Ok(yolo) => {
                assert_eq!(yolo.net().runtime(), "onnxruntime");
                assert_eq!((yolo.head(), yolo.side()), (Head::Columns { classes: 80 }, (320, 320)));
            }
            Err(error) => {
                assert!(placement.onnx_runtimes.is_empty() && error.to_string().contains("ConvInteger"), "{error}");
            }
        }
    }
}

#[test]
fn real_text_detectors_are_understood_where_a_runtime_computes_them() {
    let Some(models) = models() else { return };
    for placement in placements() {
        let net = DbNet::open(&models.join("textdet/ch_PP-OCRv3_det_infer.onnx"), &placement).unwrap();
        assert_eq!((net.side((960, 540)), net.words().contains("map as large")), ((960, 544), true));
        match DbNet::open(&models.join("textdet/chineseocr_lite-dbnet_lite.onnx"), &placement) {
            Ok(net) => assert_eq!((net.batch(), net.words().contains("sigmoid")), (1, false)),
            Err(error) => assert!(placement.onnx_runtimes.is_empty(), "{error}"),
        }
    }
}

#[test]
fn real_networks_of_other_kinds_are_refused_with_their_shapes() {
    let Some(models) = models() else { return };
    for placement in placements() {
        for (name, says) in [
            ("detect/FastestDet.onnx", "[1, 85, 22, 22]"),
            ("upscale/ArtCNN_C4F16.onnx", "a detector takes"),
            ("textdet/ch_PP-OCRv3_det_infer.onnx", "are not those of a YOLO-type detector"),
        ] {
            let error = Yolo::open(&models.join(name), &placement).unwrap_err().to_string();
            assert!(error.contains(says), "{name}: {error}");
            let error = Inpainter::open(&models.join(name), &placement).unwrap_err().to_string();
            assert!(error.contains("a picture"), "{name}: {error}");
        }
    }
}
