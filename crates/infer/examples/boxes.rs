//! Boxes of a detector on raw frames: `boxes NET.onnx frames.yuv WIDTH HEIGHT MIN_SCORE inputs.f32 [libonnxruntime.so]`.
//!
//! Frames are 8-bit 4:2:0, limited range, BT.709. Prints a line of JSON a frame and writes what the network was given;
//! `benches/models/models.py` compares both with ONNX Runtime in Python.
#![allow(clippy::print_stdout, clippy::print_stderr)] // an example

use std::error::Error;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::time::Instant;

use cleanplate_core::{Frame, HostSurface, PixelFormat, RowMut, Surface, rgb};
use cleanplate_infer::{Machine, Wishes, Yolo, place};

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [net, frames, w, h, min_score, inputs, runtimes @ ..] = args.as_slice() else {
        return Err("usage: boxes NET.onnx frames.yuv WIDTH HEIGHT MIN_SCORE inputs.f32 [libonnxruntime.so]".into());
    };
    let size: (u32, u32) = (w.parse()?, h.parse()?);
    let onnx_runtimes = runtimes.iter().map(Into::into).collect();
    let cores = std::thread::available_parallelism()?.get();
    let machine = Machine { cores, free_memory: 4 << 30, onnx_runtimes, ..Machine::default() };
    let mut yolo = Yolo::open(Path::new(net), &place(&machine, Wishes { detect_batch: Some(1), ..Wishes::default() }))?;
    eprintln!("{:?} of {:?} on {}: {:?}", yolo.head(), yolo.side(), yolo.net().runtime(), yolo.net().refusals());
    let inner = yolo.letterbox(size).inner;
    let bytes = std::fs::read(frames)?;
    let format = PixelFormat::YUV420P8;
    let (mut ms, mut count) = (0.0, 0);
    let mut given = BufWriter::new(File::create(inputs)?);
    for raw in bytes.chunks_exact(plane_sizes(format, size).iter().map(|(w, h)| w * h).sum()) {
        let frame = frame(format, size, raw);
        let since = Instant::now();
        let picture = rgb::scaled(&frame, inner.0, inner.1);
        let found = yolo.detect(&[picture], size, min_score.parse()?)?;
        ms += since.elapsed().as_secs_f64() * 1e3;
        count += 1;
        for value in yolo.input().data() {
            given.write_all(&value.to_le_bytes())?;
        }
        let boxes: Vec<String> = found[0]
            .iter()
            .map(|s| format!("[{},{},{},{},{},{}]", s.sides[0], s.sides[1], s.sides[2], s.sides[3], s.score, s.class))
            .collect();
        println!("[{}]", boxes.join(","));
    }
    eprintln!("{:.1} ms a frame", ms / f64::from(count.max(1)));
    Ok(())
}

fn plane_sizes(format: PixelFormat, (w, h): (u32, u32)) -> Vec<(usize, usize)> {
    let sizes = (0..format.planes()).map(|plane| format.plane_size(plane, w, h));
    sizes.map(|(w, h)| (w as usize, h as usize)).collect()
}

fn frame(format: PixelFormat, size: (u32, u32), mut raw: &[u8]) -> Frame {
    let mut surface = HostSurface::new(format, size.0, size.1);
    for (plane, (w, h)) in plane_sizes(format, size).into_iter().enumerate() {
        for y in 0..h {
            if let RowMut::U8(row) = surface.row_mut(plane, y as u32) {
                row.copy_from_slice(&raw[y * w..(y + 1) * w]);
            }
        }
        raw = &raw[w * h..];
    }
    Frame::new(0, 0, 1, size, format, Box::new(surface))
}
