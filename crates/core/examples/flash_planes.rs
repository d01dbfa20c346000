//! Looks for a mark in frames that should not carry it, raw planar 8-bit 4:2:0:
//! `flash_planes WIDTH HEIGHT MARKED CLEAN TEST [TEST...] -- X,Y,W,H [X,Y,W,H...]`.
//!
//! The template of each mark is what was taken away from MARKED to make CLEAN inside its rectangle. One line of JSON a
//! rectangle: for every TEST the share of the mark that shows and whether it is a flash, frame by frame. `benches/flash`
//! runs it.
#![allow(clippy::expect_used, clippy::panic, clippy::print_stdout)] // a program for benchmarks

mod planar;

use cleanplate_core::{Frame, Mask, PixelFormat, Rect, Removed, Search};
use planar::frame_of;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let split = args.iter().position(|arg| arg == "--").expect("-- before the rectangles");
    let (width, height): (u32, u32) = (args[0].parse().expect("a width"), args[1].parse().expect("a height"));
    let files: Vec<Vec<Frame>> = args[2..split].iter().map(|path| read(path, width, height)).collect();
    let [marked, clean, tests @ ..] = files.as_slice() else { panic!("MARKED, CLEAN and TEST are needed") };
    for rect in &args[split + 1..] {
        let numbers: Vec<u32> = rect.split(',').map(|n| n.parse().expect("a number")).collect();
        let rect = Rect::new(numbers[0], numbers[1], numbers[2], numbers[3]);
        let mut removed = Removed::new(&Mask::rectangle(rect), width, height);
        marked.iter().zip(clean).for_each(|(marked, clean)| removed.add(&removed.before(marked), clean));
        let template = removed.template();
        let tests: Vec<_> = tests
            .iter()
            .map(|frames| {
                let mut search = template.as_ref().map(Search::new);
                if let Some(search) = &mut search {
                    frames.iter().for_each(|frame| search.look(frame, frame.idx));
                }
                let looks = search.as_ref().map(Search::looks).unwrap_or_default();
                serde_json::json!({
                    "share": looks.iter().map(|look| look.share).collect::<Vec<_>>(),
                    "likeness": looks.iter().map(|look| look.likeness).collect::<Vec<_>>(),
                    "flash": search.as_ref().map_or(0, |search| search.flashes().len()),
                    "visible": looks.len(),
                    "frames": frames.len(),
                })
            })
            .collect();
        println!("{}", serde_json::json!({ "visible": template.is_some(), "tests": tests }));
    }
}

fn read(path: &str, width: u32, height: u32) -> Vec<Frame> {
    let format = PixelFormat::YUV420P8;
    let bytes: u32 = (0..3).map(|p| format.plane_size(p, width, height)).map(|(w, h)| w * h).sum();
    let raw = std::fs::read(path).expect("the file can be read");
    let packed = raw.chunks_exact(bytes as usize).enumerate();
    packed.map(|(idx, packed)| frame_of(packed, idx as u64, width, height)).collect()
}
