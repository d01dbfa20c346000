//! Fills a mask in raw planar 8-bit 4:2:0 frames: `fill_planes WIDTH HEIGHT MASK IN OUT [REPEAT]`.
//!
//! MASK is one raw byte a luma sample (coverage). Every frame of IN is written to OUT with the mask filled, and the median
//! and worst wall time of a frame (lifting the patch, filling and putting it back; the best of REPEAT runs each) are
//! written to standard output in milliseconds, after the time of the very first frame, which prepares the mask.
//! `benches/fill` runs it.

mod planar;

use std::error::Error;
use std::io::Write;
use std::time::Instant;

use cleanplate_core::{Hole, Mask, Patch, PixelFormat, Raster, Rect, Row, Rows, SpatialFill};
use planar::{frame_of, rows};

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [width, height, mask, input, output, rest @ ..] = args.as_slice() else {
        return Err("usage: fill_planes WIDTH HEIGHT MASK IN OUT [REPEAT]".into());
    };
    let (width, height): (u32, u32) = (width.parse()?, height.parse()?);
    let repeat: u32 = rest.first().map_or(Ok(1), |r| r.parse())?;
    let format = PixelFormat::YUV420P8;
    let coverage = Raster::from_vec(width, height, std::fs::read(mask)?).ok_or("the mask has another size")?;
    let mask = Mask::new(Rect::new(0, 0, width, height), coverage).ok_or("the mask has another size")?.trimmed();
    let area = mask.rect().grow(SpatialFill::MARGIN, width, height);
    let raw = std::fs::read(input)?;
    let size: usize = (0..3).map(|plane| format.plane_size(plane, width, height)).map(|(w, h)| (w * h) as usize).sum();
    let mut out = std::io::BufWriter::new(std::fs::File::create(output)?);
    let mut fill = SpatialFill::new();
    let mut first = None;
    let mut times = Vec::new();
    for (idx, packed) in raw.chunks_exact(size).enumerate() {
        let mut best = f64::MAX;
        let mut filled = None;
        for _ in 0..repeat {
            let mut frame = frame_of(packed, idx as u64, width, height);
            let start = Instant::now();
            let mut patch = Patch::default();
            frame.lift(area, Rows::All, &mut patch);
            let mut hole = Hole::new(idx as u64, patch, &mask);
            fill.fill(&mut hole);
            hole.close(&mut frame);
            let took = start.elapsed().as_secs_f64() * 1e3;
            first.get_or_insert(took);
            best = best.min(took);
            filled = Some(frame);
        }
        times.push(best);
        for (plane, y) in filled.iter().flat_map(|_| (0..3).flat_map(|p| rows(p, width, height))) {
            if let Some(Row::U8(row)) = filled.as_ref().map(|frame| frame.row(plane, y)) {
                out.write_all(row)?;
            }
        }
    }
    times.sort_by(f64::total_cmp);
    let (median, worst) = (times[times.len() / 2], times[times.len() - 1]);
    writeln!(std::io::stdout(), "{:.3} {median:.3} {worst:.3}", first.unwrap_or_default())?;
    Ok(())
}
