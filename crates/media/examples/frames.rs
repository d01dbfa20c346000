//! Prints the frames of a video: `frames FILE [threads] [seeks]`.
//!
//! One line a frame (index, presentation time, duration, 8 bytes of the SHA-256 of the samples), then what was found broken. With a number
//! of seeks it compares frames read after random seeks with those of sequential reading.
#![allow(clippy::print_stdout, clippy::print_stderr)] // it is a program

use std::ops::ControlFlow;
use std::path::Path;

use cleanplate_core::{Frame, Row};
use cleanplate_media::{OpenOptions, Result, Source};
use sha2::{Digest, Sha256};

fn checksum(frame: &Frame) -> String {
    let mut hash = Sha256::new();
    for plane in 0..frame.format.planes() {
        let (_, rows) = frame.format.plane_size(plane, frame.width, frame.height);
        for y in 0..rows {
            match frame.row(plane, y) {
                Row::U8(row) => hash.update(row),
                Row::U16(row) => {
                    let bytes: Vec<u8> = row.iter().flat_map(|sample| sample.to_le_bytes()).collect();
                    hash.update(bytes);
                }
            }
        }
    }
    hash.finalize()[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}

fn run(path: &Path, threads: u32, seeks: u64) -> Result<bool> {
    let source = Source::open(path, &OpenOptions::default(), &mut |_, _| ControlFlow::Continue(()))?;
    let index = source.index();
    println!(
        "source {} frames, {:?}, scanned {}, changes {:?}, entries {}, digest {}",
        index.frames.len(),
        index.timing,
        index.scanned,
        index.changes,
        index.entry_count(),
        source.digest()
    );
    println!("opening {:?}", source.damage());
    let mut reader = source.reader(threads)?;
    let mut sums = Vec::new();
    while let Some(frame) = reader.read()? {
        let sum = checksum(&frame);
        let (w, h, key) = (frame.width, frame.height, index.frames[frame.idx as usize].key);
        if sums.is_empty() {
            let format = cleanplate_media::pixfmt::to_av(frame.format).map(cleanplate_media::pixfmt::name);
            println!("stream {} {} {}", source.info().video, reader.decoder(), format.unwrap_or_default());
        }
        println!("{} {} {} {sum} {w}x{h} {key} {:?}", frame.idx, frame.pts, frame.duration, frame.scan);
        sums.push(sum);
    }
    println!("decoder {}, reading {:?}", reader.decoder(), reader.damage());
    println!("side data {:?}", reader.frame_side_data());
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut wrong = 0;
    let mut reader = source.reader(threads)?;
    for _ in 0..seeks {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        let target = (state >> 33) % sums.len() as u64;
        reader.seek(target)?;
        for want in target..(target + 3).min(sums.len() as u64) {
            let got = reader.read()?.map(|frame| (frame.idx, checksum(&frame)));
            if got != Some((want, sums[want as usize].clone())) {
                println!("seek to {target}: frame {want} differs: {got:?}");
                wrong += 1;
            }
        }
    }
    println!("seeks {seeks}, wrong {wrong}");
    Ok(wrong == 0)
}

fn main() -> std::process::ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    let number = |i: usize, default| arguments.get(i).and_then(|a| a.parse().ok()).unwrap_or(default);
    let Some(path) = arguments.get(1) else {
        eprintln!("usage: frames FILE [threads] [seeks]");
        return std::process::ExitCode::from(2);
    };
    match run(Path::new(path), number(2, 2) as u32, number(3, 0)) {
        Ok(true) => std::process::ExitCode::SUCCESS,
        Ok(false) => std::process::ExitCode::FAILURE,
        Err(error) => {
            println!("error {:?}: {error}", error.kind());
            std::process::ExitCode::from(3)
        }
    }
}
