//! Restores raw planar 8-bit 4:2:0 frames of one shot: `borrow_planes WIDTH HEIGHT MASK IN OUT ORIGIN [BEFORE AFTER MARGIN]`.
//!
//! MASK holds one raw byte a luma sample (coverage), for one frame or for every frame. OUT gets the frames with the mask
//! restored (borrowed, the rest filled), ORIGIN one byte a luma sample (`Origin` as a number). Standard output: median,
//! mean and worst milliseconds of a frame with a hole, for borrowing alone (lifting and filling not counted), the median of
//! the fill, and the share of luma samples borrowed. `benches/borrow` runs it.

mod planar;

use std::error::Error;
use std::io::Write;
use std::time::Instant;

use cleanplate_core::{
    Borrow, Crop, Frame, Hole, Mask, Patch, PixelFormat, Raster, Reach, Rect, Restorer, Row, Rows, SpatialFill, Window,
};
use planar::{frame_of, rows};

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [width, height, mask, input, output, origins, rest @ ..] = args.as_slice() else {
        return Err("usage: borrow_planes WIDTH HEIGHT MASK IN OUT ORIGIN [BEFORE AFTER MARGIN]".into());
    };
    let (width, height): (u32, u32) = (width.parse()?, height.parse()?);
    let mut reach = Borrow::REACH;
    if let [before, after, margin] = rest {
        reach = Reach { before: before.parse()?, after: after.parse()?, margin: margin.parse()? };
    }
    let format = PixelFormat::YUV420P8;
    let area = (width * height) as usize;
    let masks: Vec<Mask> = std::fs::read(mask)?
        .chunks_exact(area)
        .map(|coverage| {
            let coverage = Raster::from_vec(width, height, coverage.to_vec())?;
            Some(Mask::new(Rect::new(0, 0, width, height), coverage)?.trimmed())
        })
        .collect::<Option<_>>()
        .ok_or("the mask has another size")?;
    let mask_of = |idx: usize| &masks[idx.min(masks.len() - 1)];
    let all = masks.iter().fold(Rect::default(), |all, mask| all.union(&mask.rect()));
    let raw = std::fs::read(input)?;
    let size: usize = (0..3).map(|plane| format.plane_size(plane, width, height)).map(|(w, h)| (w * h) as usize).sum();
    let frames: Vec<Frame> =
        raw.chunks_exact(size).enumerate().map(|(idx, packed)| frame_of(packed, idx as u64, width, height)).collect();
    let place = all.grow(SpatialFill::MARGIN, width, height).grow(reach.margin, width, height);
    let crops: Vec<Crop> = frames
        .iter()
        .map(|frame| {
            let mut patch = Patch::default();
            frame.lift(place, Rows::All, &mut patch);
            Crop::new(frame.idx, patch, mask_of(frame.idx as usize))
        })
        .collect();
    let mut out = std::io::BufWriter::new(std::fs::File::create(output)?);
    let mut map = std::io::BufWriter::new(std::fs::File::create(origins)?);
    let (mut borrow, mut fill) = (Borrow::new(reach), SpatialFill::new());
    let (mut times, mut fills) = (Vec::new(), Vec::new());
    let mut counts = [0; 4];
    for (idx, mut frame) in frames.into_iter().enumerate() {
        let mut origin = vec![0u8; area];
        if !mask_of(idx).is_empty() {
            let mut patch = Patch::default();
            frame.lift(all.grow(SpatialFill::MARGIN, width, height), Rows::All, &mut patch);
            let mut hole = Hole::new(frame.idx, patch, mask_of(idx));
            let from = idx.saturating_sub(reach.before as usize);
            let to = (idx + reach.after as usize + 1).min(crops.len());
            let start = Instant::now();
            borrow.restore(Window { crops: &crops[from..to], plates: &[] }, std::slice::from_mut(&mut hole));
            times.push(start.elapsed().as_secs_f64() * 1e3);
            let start = Instant::now();
            fill.fill(&mut hole);
            fills.push(start.elapsed().as_secs_f64() * 1e3);
            let rect = hole.patch().rect;
            for y in 0..rect.h {
                let row = &mut origin[((rect.y + y) * width + rect.x) as usize..][..rect.w as usize];
                row.iter_mut().zip(hole.origin()[0].row(y)).for_each(|(o, origin)| *o = *origin as u8);
            }
            hole.close(&mut frame).iter().zip(&mut counts).for_each(|(n, sum)| *sum += n);
        }
        map.write_all(&origin)?;
        for (plane, y) in (0..3).flat_map(|p| rows(p, width, height)) {
            if let Row::U8(row) = frame.row(plane, y) {
                out.write_all(row)?;
            }
        }
    }
    let mean = times.iter().sum::<f64>() / times.len().max(1) as f64;
    let median = |times: &mut Vec<f64>| {
        times.sort_by(f64::total_cmp);
        times.get(times.len() / 2).copied().unwrap_or_default()
    };
    let (median, fill) = (median(&mut times), median(&mut fills));
    let share = counts[2] as f64 / counts.iter().sum::<u64>().max(1) as f64;
    let worst = times.last().copied().unwrap_or_default();
    writeln!(std::io::stdout(), "{median:.3} {mean:.3} {worst:.3} {fill:.3} {share:.4}")?;
    Ok(())
}
