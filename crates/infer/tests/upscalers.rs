//! Networks that enlarge, from their files to pictures, on every runtime that is there.
#![allow(clippy::unwrap_used, clippy::print_stderr)] // tests

mod common;

use std::path::Path;

use cleanplate_core::Raster;
use cleanplate_infer::{Batches, Error, Overrides, Placement, Result, Upscaler};
use common::{data, placements};

fn open(path: &Path, placement: &Placement) -> Result<Upscaler> {
    Upscaler::open(path, Overrides::default(), placement)
}

/// One picture.
fn enlarge(net: &mut Upscaler, planes: &[Raster<f32>], tile: usize) -> Vec<Raster<f32>> {
    net.enlarge(&[planes], tile).unwrap().remove(0)
}

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
    // Seven convolutions of 3 x 3, or eight, on cells of two samples, seen from a sample that lies at either side of its cell.
    let both = [("upscale-fast-coded.onnx", 10..=16), ("upscale-quality-coded.onnx", 12..=18)];
    for ((name, reach), placement) in both.iter().flat_map(|both| placements().map(move |own| (both, own))) {
        let path = folder.join(name);
        let mut net = open(&path, &placement).unwrap();
        let shape = net.shape();
        assert_eq!((shape.channels, shape.factor, shape.side), (1, 2, None));
        assert!(reach.contains(&shape.reach), "{name}: {}", shape.reach);
        // An odd size, which the network takes with its last row and column again.
        let given = picture(151, 93);
        let whole = enlarge(&mut net, std::slice::from_ref(&given), 1024);
        assert_eq!((whole[0].width(), whole[0].height()), (302, 186));
        for tile in [16, 48, 64] {
            let tiled = enlarge(&mut net, std::slice::from_ref(&given), tile);
            let worst = whole[0].data().iter().zip(tiled[0].data()).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(worst < 1e-4, "tiles of {tile}: {worst}");
        }
        // A picture of one level keeps it.
        let flat = enlarge(&mut net, &[Raster::new(64, 32, 0.4)], 64);
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
            let mut net = open(&data(name), &placement).unwrap();
            let shape = net.shape();
            assert_eq!((shape.channels, shape.factor, shape.side, shape.reach), (channels, factor, side, 0), "{name}");
            // Smaller than a network's fixed size in one direction, larger in the other.
            let given: Vec<_> = (0..channels).map(|_| picture(61, 17)).collect();
            let made = enlarge(&mut net, &given, 32);
            for y in 0..17 * factor as u32 {
                let row = given[0].row(y / factor as u32);
                let alike = made[0].row(y).iter().enumerate().all(|(x, v)| (v - row[x / factor]).abs() < 1e-6);
                assert!(alike && made[0].width() == 61 * factor as u32, "{name}, row {y}");
            }
        }
    }
}

#[test]
fn tiles_of_several_pictures_go_through_a_network_at_once_and_nothing_shows_it() {
    let fast = Path::new(env!("CARGO_MANIFEST_DIR")).join("../cleanplate/networks/upscale-fast-coded.onnx");
    for placement in placements() {
        let mut alone = open(&fast, &placement).unwrap();
        let together = Placement { processor: Batches { detect: 1, fill: 5 }, ..placement.clone() };
        let mut net = open(&fast, &together).unwrap();
        assert_eq!((alone.batch(), net.batch()), (1, 5));
        // Tiles at borders have other sizes than those between.
        let given: Vec<_> =
            (0..3).map(|n| Raster::from_vec(75, 43, picture(75, 43 + n).data()[..75 * 43].to_vec()).unwrap()).collect();
        let pictures: Vec<_> = given.iter().map(std::slice::from_ref).collect();
        let made = net.enlarge(&pictures, 16).unwrap();
        for (given, made) in given.iter().zip(&made) {
            let own = enlarge(&mut alone, std::slice::from_ref(given), 16);
            let worst = own[0].data().iter().zip(made[0].data()).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(worst < 1e-4, "{worst}");
        }
        // Its file says one at once.
        assert_eq!(open(&data("upscaler_fixed.onnx"), &together).unwrap().batch(), 1);
    }
}

#[test]
fn what_a_user_says_of_a_network_wins_over_what_was_found() {
    for placement in placements() {
        let said = |name: &str, pairs: &[(&str, &str)]| {
            let mut overrides = Overrides::default();
            pairs.iter().for_each(|(key, value)| overrides.set(key, value).unwrap());
            Upscaler::open(&data(name), overrides, &placement)
        };
        let net = said("upscaler_rgb.onnx", &[("white", "255"), ("order", "bgr"), ("multiple", "8"), ("reach", "7")])
            .unwrap();
        let words = "3x of blue, green, red (0..255), takes any size in multiples of 8, looks 7 samples around each";
        assert_eq!(net.words(), words);
        for (pairs, why) in [(("factor", "2"), "3 times, not 2"), (("channels", "1"), "another number of channels")] {
            let error = said("upscaler_rgb.onnx", &[pairs]).unwrap_err();
            assert!(matches!(&error, Error::Model(words) if words.contains(why)), "{error}");
        }
    }
}

#[test]
fn what_a_runtime_computes_otherwise_than_others_it_refuses() {
    for placement in placements() {
        let opened = open(&data("upscaler_cubic.onnx"), &placement);
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
            let error = open(&data(name), &placement).unwrap_err();
            assert!(matches!(&error, Error::Model(words) if words.contains(why)), "{name}: {error}");
        }
    }
}
