//! Networks that enlarge, from their files to pictures, on every runtime that is there.
#![allow(clippy::unwrap_used, clippy::print_stderr)] // tests

mod common;

use std::path::Path;

use cleanplate_core::Raster;
use cleanplate_infer::{Error, Upscaler};
use common::{data, placements};

fn picture(w: u32, h: u32) -> Raster<f32> {
    let at = |k: u32| {
        let (x, y) = ((k % w) as f32, (k / w) as f32);
        let check = if (x as u32 / 9 + y as u32 / 7).is_multiple_of(2) { 0.15 } else { 0.0 };
        0.5 + 0.3 * (x * 0.7).sin() * (y * 0.5).cos() + check
    };
    Raster::from_vec(w, h, (0..w * h).map(at).collect()).unwrap()
}

#[test]
fn the_built_in_networks_double_and_tiles_show_no_seam() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../cleanplate/networks");
    // Five convolutions of 3 x 3, or seven, on cells of two samples, seen from a sample that lies at either side of its cell.
    let both = [("upscale-fast.onnx", 8..=12), ("upscale-quality.onnx", 10..=16)];
    for ((name, reach), placement) in both.iter().flat_map(|both| placements().map(move |own| (both, own))) {
        let path = folder.join(name);
        let mut net = Upscaler::open(&path, &placement).unwrap();
        let shape = net.shape();
        assert_eq!((shape.channels, shape.factor, shape.side), (1, 2, None));
        assert!(reach.contains(&shape.reach), "{name}: {}", shape.reach);
        // An odd size, which the network takes with its last row and column again.
        let given = picture(151, 93);
        let whole = net.enlarge(std::slice::from_ref(&given), 1024).unwrap();
        assert_eq!((whole[0].width(), whole[0].height()), (302, 186));
        for tile in [16, 48, 64] {
            let tiled = net.enlarge(std::slice::from_ref(&given), tile).unwrap();
            let worst = whole[0].data().iter().zip(tiled[0].data()).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(worst < 1e-4, "tiles of {tile}: {worst}");
        }
        // A picture of one level keeps it.
        let flat = net.enlarge(&[Raster::new(64, 32, 0.4)], 64).unwrap();
        assert!(flat[0].row(32).iter().skip(24).take(80).all(|v| (v - 0.4).abs() < 0.02));
    }
}

#[test]
fn what_a_network_takes_and_gives_is_found_by_trying_it() {
    for placement in placements() {
        for (name, channels, factor, side) in [
            ("upscaler_rgb.onnx", 3, 3, None),
            ("upscaler_fixed.onnx", 1, 2, Some((24, 24))),
            ("upscaler_half.onnx", 3, 2, None),
        ] {
            let mut net = Upscaler::open(&data(name), &placement).unwrap();
            let shape = net.shape();
            assert_eq!((shape.channels, shape.factor, shape.side, shape.reach), (channels, factor, side, 0), "{name}");
            // Smaller than a network's fixed size in one direction, larger in the other.
            let given: Vec<_> = (0..channels).map(|_| picture(61, 17)).collect();
            let made = net.enlarge(&given, 32).unwrap();
            for y in 0..17 * factor as u32 {
                let row = given[0].row(y / factor as u32);
                let alike = made[0].row(y).iter().enumerate().all(|(x, v)| (v - row[x / factor]).abs() < 1e-6);
                assert!(alike && made[0].width() == 61 * factor as u32, "{name}, row {y}");
            }
        }
    }
}

#[test]
fn what_a_runtime_computes_otherwise_than_others_it_refuses() {
    for placement in placements() {
        let opened = Upscaler::open(&data("upscaler_cubic.onnx"), &placement);
        if placement.onnx_runtimes.is_empty() {
            assert!(opened.unwrap_err().to_string().contains("cubic filter"));
        } else {
            assert_eq!(opened.unwrap().shape().factor, 2);
        }
    }
}

#[test]
fn what_does_not_enlarge_is_refused_in_words() {
    for placement in placements() {
        for (name, why) in [
            ("detector_v8.onnx", "which is not that picture enlarged"),
            ("inpainter_any.onnx", "another number of inputs"),
        ] {
            let error = Upscaler::open(&data(name), &placement).unwrap_err();
            assert!(matches!(&error, Error::Model(words) if words.contains(why)), "{name}: {error}");
        }
    }
}
