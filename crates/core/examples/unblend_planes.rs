//! Solves a mark's matte from raw planar 8-bit 4:2:0 frames and computes the mark away:
//! `unblend_planes WIDTH HEIGHT IN X,Y,W,H OUT [TRUTH X,Y,W,H]`.
//!
//! The box says where the mark is. Crops of every frame (24 samples around the box or the truth's rectangle, whole chroma
//! samples) go to OUT.solved; with TRUTH, a matte of raw f32 planes (keep and add of Y, U and V over the second
//! rectangle), also to OUT.filled (its mask and 2 samples more filled) and OUT.oracle (computed away with the true matte),
//! and the solved matte over that rectangle to OUT.matte. One line of JSON says what was solved. `benches/unblend` runs it.

mod planar;

use std::error::Error;
use std::io::Write;
use std::sync::Arc;
use std::time::Instant;

use cleanplate_core::{
    Frame, Hole, Mask, Matte, MatteEvidence, MattePlane, Overlay, Patch, PixelFormat, Raster, Rect, Restorer, Rows,
    SpatialFill, Unblend, Window,
};
use planar::frame_of;

const FORMAT: PixelFormat = PixelFormat::YUV420P8;

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [width, height, input, place, out, rest @ ..] = args.as_slice() else {
        return Err("usage: unblend_planes WIDTH HEIGHT IN X,Y,W,H OUT [TRUTH X,Y,W,H]".into());
    };
    let size: (u32, u32) = (width.parse()?, height.parse()?);
    let place = rect(place)?;
    let raw = std::fs::read(input)?;
    let bytes: usize =
        (0..3).map(|plane| FORMAT.plane_size(plane, size.0, size.1)).map(|(w, h)| (w * h) as usize).sum();
    let frames: Vec<Frame> =
        raw.chunks_exact(bytes).enumerate().map(|(idx, packed)| frame_of(packed, idx as u64, size.0, size.1)).collect();
    let mut evidence = MatteEvidence::new(&Mask::rectangle(place), FORMAT, size);
    // Frames spread evenly, as a caller that cannot read all of a long clip takes them.
    let step = frames.len().div_ceil(160).max(1);
    frames.iter().step_by(step).for_each(|frame| evidence.observe(frame));
    let start = Instant::now();
    let solution = evidence.solve();
    let took = start.elapsed().as_secs_f64();

    let mut area = place.grow(24, size.0, size.1);
    if let [truth, at] = rest {
        let at = rect(at)?;
        area = at;
        let matte = read_matte(truth, at)?;
        let hidden = matte.planes()[0].keep.data().iter().map(|k| if *k < 0.98 { 255 } else { 0 }).collect();
        let mask =
            Raster::from_vec(at.w, at.h, hidden).and_then(|c| Mask::new(at, c)).ok_or("the mask has another size")?;
        let grown = mask.dilated(2, size.0, size.1);
        let fill: &mut dyn Restorer = &mut SpatialFill::new();
        write(&format!("{out}.filled"), &frames, area, &grown, fill)?;
        write(&format!("{out}.oracle"), &frames, area, &grown, &mut tier(matte, &evidence))?;
        write_matte(&format!("{out}.matte"), solution.matte.as_ref(), at)?;
    }
    match solution.matte.clone() {
        Some(matte) => {
            write(&format!("{out}.solved"), &frames, area, &solution.mask, &mut tier(matte, &evidence))?;
        }
        None => write(&format!("{out}.solved"), &frames, area, &solution.mask, &mut SpatialFill::new())?,
    }
    let line = serde_json::json!({
        "accepted": solution.matte.is_some(), "reason": solution.reason, "alpha": solution.alpha,
        "confidence": solution.confidence, "changed": solution.mask.area(), "seconds": took,
    });
    writeln!(std::io::stdout(), "{line}")?;
    Ok(())
}

fn rect(text: &str) -> Result<Rect, Box<dyn Error>> {
    let v: Vec<u32> = text.split(',').map(str::parse).collect::<Result<_, _>>()?;
    match v.as_slice() {
        [x, y, w, h] => Ok(Rect::new(*x, *y, *w, *h)),
        _ => Err("a rectangle is X,Y,W,H".into()),
    }
}

fn tier(matte: Matte, evidence: &MatteEvidence) -> Unblend {
    let noise = Arc::new(evidence.residual(&matte));
    let overlay = Overlay { span: 0..u64::MAX, matte: Arc::new(matte), noise, gain: Vec::new() };
    Unblend::new(vec![overlay], vec![Box::new(SpatialFill::new())])
}

fn read_matte(path: &str, at: Rect) -> Result<Matte, Box<dyn Error>> {
    let raw = std::fs::read(path)?;
    let mut values = raw.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]));
    let planes = (0..3).map(|plane| {
        let (sw, sh) = FORMAT.subsampling(plane);
        let area = at.subsampled(sw, sh);
        let mut raster = || {
            let data: Vec<f32> = values.by_ref().take(area.area() as usize).collect();
            Raster::from_vec(area.w, area.h, data).ok_or("the matte is cut short")
        };
        Ok(MattePlane { keep: raster()?, add: raster()? })
    });
    let planes = planes.collect::<Result<Vec<_>, &str>>()?;
    Ok(Matte::new(at, FORMAT, planes).ok_or("the matte has another size")?)
}

/// The part of a solved matte in `at`, as [`read_matte`] reads it; no mark where there is no matte.
fn write_matte(path: &str, matte: Option<&Matte>, at: Rect) -> Result<(), Box<dyn Error>> {
    let mut out = std::io::BufWriter::new(std::fs::File::create(path)?);
    for plane in 0..3 {
        let (sw, sh) = FORMAT.subsampling(plane);
        let area = at.subsampled(sw, sh);
        for add in [false, true] {
            for (y, x) in (area.y..area.bottom()).flat_map(|y| (area.x..area.right()).map(move |x| (y, x))) {
                let value = matte.and_then(|matte| {
                    let (own, planes) = (matte.plane_rect(plane), &matte.planes()[plane]);
                    let raster = if add { &planes.add } else { &planes.keep };
                    own.contains(x, y).then(|| raster.at(x - own.x, y - own.y))
                });
                out.write_all(&value.unwrap_or(if add { 0.0 } else { 1.0 }).to_le_bytes())?;
            }
        }
    }
    Ok(())
}

/// Writes `area` of all frames with `mask` restored by `tier` and what it leaves filled.
fn write(path: &str, frames: &[Frame], area: Rect, mask: &Mask, tier: &mut dyn Restorer) -> Result<(), Box<dyn Error>> {
    let mut out = std::io::BufWriter::new(std::fs::File::create(path)?);
    let mut fill = SpatialFill::new();
    for frame in frames {
        let mut frame = frame.clone();
        let mut patch = Patch::default();
        frame.lift(mask.rect().grow(SpatialFill::MARGIN, frame.width, frame.height), Rows::All, &mut patch);
        let mut hole = Hole::new(frame.idx, patch, mask);
        tier.restore(Window::default(), std::slice::from_mut(&mut hole));
        fill.fill(&mut hole);
        hole.close(&mut frame);
        let mut crop = Patch::default();
        frame.lift(area, Rows::All, &mut crop);
        for plane in &crop.planes {
            out.write_all(&plane.data().iter().map(|v| *v as u8).collect::<Vec<u8>>())?;
        }
    }
    Ok(())
}
