//! Finds the mark of a video that does not stay where it is: `roam FILE`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

use std::io::Read;
use std::process::{Command, Stdio};

use cleanplate_core::roam::{Pursuit, Search};
use cleanplate_core::{Frame, Mask};

#[path = "planar/mod.rs"]
mod planar;

fn main() {
    let path = std::env::args().nth(1).expect("usage: roam FILE");
    let probe = Command::new("ffprobe")
        .args(["-v", "error", "-select_streams", "v:0", "-count_packets", "-show_entries"])
        .args(["stream=width,height,r_frame_rate,nb_read_packets", "-of", "csv=p=0"])
        .arg(&path)
        .output()
        .expect("ffprobe runs");
    let probe = String::from_utf8(probe.stdout).unwrap();
    let fields: Vec<&str> = probe.trim().split([',', '/']).collect();
    let number = |n: usize| fields[n].parse::<f64>().unwrap();
    let (width, height) = (number(0) as u32, number(1) as u32);
    let starts: Vec<f64> = (0..number(4) as usize).map(|i| i as f64 * number(3) / number(2)).collect();
    let mut search = Search::new(&starts, Mask::empty());
    let wanted = search.frames();
    let t0 = std::time::Instant::now();
    read(&path, (width, height), |frame| {
        if wanted.binary_search(&frame.idx).is_ok() {
            search.observe(frame);
        }
    });
    let t1 = t0.elapsed();
    let (suspects, words) = search.conclude();
    let t2 = t0.elapsed();
    println!(
        "{path} {} of {} frames | {} suspects | {words} | {t1:.1?} {t2:.1?}",
        wanted.len(),
        starts.len(),
        suspects.len()
    );
    if suspects.is_empty() {
        return;
    }
    let mut pursuit = Pursuit::new(suspects, Mask::empty());
    read(&path, (width, height), |frame| pursuit.observe(frame));
    for r in pursuit.conclude() {
        if let Some(out) = std::env::args().nth(2) {
            let (w, h) = (r.mask.rect().w, r.mask.rect().h);
            std::fs::write(out, [format!("P5 {w} {h} 255\n").as_bytes(), r.mask.coverage().data()].concat()).unwrap();
        }
        println!(
            "   {} {} score {:.2} exclusive {:.2} shape {:?} {} {:?} {:.1?}",
            r.confident,
            r.reason,
            r.score,
            r.exclusive,
            r.mask.rect(),
            r.mask.area(),
            r.motion,
            t0.elapsed()
        );
    }
}

/// Calls `each` with every frame of the file.
fn read(path: &str, (width, height): (u32, u32), mut each: impl FnMut(&Frame)) {
    let mut child = Command::new("ffmpeg")
        .args(["-v", "error", "-i", path, "-map", "0:v:0", "-vsync", "0", "-f", "rawvideo", "-pix_fmt", "yuv420p", "-"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("ffmpeg runs");
    let mut pipe = child.stdout.take().unwrap();
    let bytes: u32 = (0..3)
        .flat_map(|p| planar::rows(p, width, height))
        .map(|(p, _)| if p == 0 { width } else { width.div_ceil(2) })
        .sum();
    let mut packed = vec![0u8; bytes as usize];
    let mut idx = 0;
    while pipe.read_exact(&mut packed).is_ok() {
        each(&planar::frame_of(&packed, idx, width, height));
        idx += 1;
    }
    child.wait().unwrap();
}
