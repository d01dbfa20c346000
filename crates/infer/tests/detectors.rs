//! Detectors from their files to boxes, on every runtime that is there, with small networks whose answers are known.
#![allow(clippy::unwrap_used, clippy::print_stderr)] // tests

mod common;

use cleanplate_infer::{Error, Yolo};
use common::{data, placements};

/// A gray picture of `w` x `h` with a magenta rectangle, scaled to the detector's input as its caller does.
fn picture(yolo: &Yolo, (w, h): (u32, u32), mark: [f32; 4]) -> Vec<f32> {
    let boxed = yolo.letterbox((w, h));
    let (inner_w, inner_h) = boxed.inner;
    let mut rgb = Vec::new();
    for channel in 0..3 {
        for y in 0..inner_h {
            for x in 0..inner_w {
                let (px, py) = ((x as f32 + 0.5) / boxed.scale, (y as f32 + 0.5) / boxed.scale);
                let inside = px > mark[0] && py > mark[1] && px < mark[2] && py < mark[3];
                rgb.push(if inside { [0.9, 0.1, 0.9][channel] } else { 0.5 });
            }
        }
    }
    rgb
}

#[test]
fn every_head_finds_the_same_mark_on_every_runtime() {
    let (size, mark) = ((640, 360), [400.0, 80.0, 520.0, 140.0]);
    for placement in placements() {
        for kind in ["v5", "v8", "yolox", "nms"] {
            let mut yolo = Yolo::open(&data(&format!("detector_{kind}.onnx")), &placement).unwrap();
            assert_eq!(yolo.net().runtime(), if placement.onnx_runtimes.is_empty() { "rten" } else { "onnxruntime" });
            let rgb = picture(&yolo, size, mark);
            let found = yolo.detect(&[rgb], size, 0.1).unwrap();
            assert_eq!(found[0].len(), 1, "{kind} on {}: {found:?}", yolo.net().runtime());
            let seen = found[0][0];
            // A pixel of the input stands for four of the picture.
            let off = seen.sides.iter().zip(mark).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(off <= 4.0, "{kind}: {seen:?}");
            assert!(seen.score > 0.75, "{kind}: {seen:?}");
            let none = yolo.detect(&[picture(&yolo, size, [0.0; 4])], size, 0.1).unwrap();
            assert!(none[0].is_empty(), "{kind}: {none:?}");
        }
    }
}

#[test]
fn a_batch_and_the_number_of_threads_do_not_show_in_the_boxes() {
    let size = (640, 360);
    for mut placement in placements() {
        placement.processor.detect = 3;
        let mut yolo = Yolo::open(&data("detector_v8.onnx"), &placement).unwrap();
        assert_eq!(yolo.batch(), 3);
        let marks = [[400.0, 80.0, 520.0, 140.0], [0.0; 4], [20.0, 200.0, 120.0, 300.0]];
        let pictures = marks.map(|mark| picture(&yolo, size, mark));
        let together = yolo.detect(&pictures, size, 0.1).unwrap();
        placement.threads = 1;
        let mut alone = Yolo::open(&data("detector_v8.onnx"), &placement).unwrap();
        for (picture, boxes) in pictures.into_iter().zip(&together) {
            assert_eq!(alone.detect(&[picture], size, 0.1).unwrap()[0], *boxes);
        }
        assert_eq!(together.iter().map(Vec::len).collect::<Vec<_>>(), [1, 0, 1]);
    }
}

#[test]
fn a_checkpoint_is_refused_with_the_way_to_export_it() {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in [("best.pt", &b"PK\x03\x04"[..]), ("lama.pth", b"\x80\x02"), ("net.onnx", b"PK\x03\x04")] {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        for error in placements().map(|p| Yolo::open(&path, &p).unwrap_err().to_string()) {
            assert!(error.contains("export") && error.contains(name) && error.contains("docs/models.md"), "{error}");
        }
    }
}

#[test]
fn what_is_missing_damaged_or_no_detector_is_refused_with_its_name_and_reason() {
    let folder = tempfile::tempdir().unwrap();
    let damaged = folder.path().join("half.onnx");
    let whole = std::fs::read(data("detector_v8.onnx")).unwrap();
    std::fs::write(&damaged, &whole[..whole.len() / 2]).unwrap();
    for placement in placements() {
        let error = Yolo::open(&folder.path().join("none.onnx"), &placement).unwrap_err();
        assert!(matches!(error, Error::Io { .. }) && error.to_string().contains("none.onnx"), "{error}");
        let error = Yolo::open(&damaged, &placement).unwrap_err().to_string();
        assert!(error.contains("half.onnx"), "{error}");
        let error = Yolo::open(&data("inpainter_any.onnx"), &placement).unwrap_err().to_string();
        assert!(error.contains("inpainter_any.onnx") && error.contains("mask ?x1x?x?"), "{error}");
    }
}

#[test]
fn a_runtime_that_is_not_there_is_named_and_the_next_one_serves() {
    let mut placement = placements().next().unwrap();
    placement.onnx_runtimes = vec!["/nowhere/libonnxruntime.so".into()];
    let yolo = Yolo::open(&data("detector_v8.onnx"), &placement).unwrap();
    // Once a library has been loaded the process keeps it.
    if yolo.net().runtime() == "rten" {
        assert!(yolo.net().refusals()[0].contains("/nowhere/"), "{:?}", yolo.net().refusals());
    }
}

#[test]
fn a_quantised_network_runs_on_onnx_runtime_only() {
    let size = (640, 360);
    for placement in placements() {
        let opened = Yolo::open(&data("detector_quantised.onnx"), &placement);
        if placement.onnx_runtimes.is_empty() {
            let error = opened.unwrap_err().to_string();
            assert!(error.contains("DynamicQuantizeLinear") && error.contains("not installed"), "{error}");
            continue;
        }
        let mut yolo = opened.unwrap();
        let found = yolo.detect(&[picture(&yolo, size, [400.0, 80.0, 520.0, 140.0])], size, 0.1).unwrap();
        assert_eq!(found[0].len(), 1, "{found:?}");
    }
}
