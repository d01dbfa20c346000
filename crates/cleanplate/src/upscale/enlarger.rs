//! Frames at their new size: luma (or colours) by the network, the rest resampled; frames that repeat another take its samples.

use cleanplate_core::{Frame, FrameIdx, HostSurface, PixelLayout, Raster, Resampler, Row, RowMut, Rows, Surface, rgb};
use cleanplate_infer::{Placement, Upscaler};
use cleanplate_media::surface::{blank_like, samples_of};

use super::{Known, TILE, Upscale};
use crate::error::{Error, Result};

/// Enlarges the frames of a plan one by one, in any order of segments.
pub(crate) struct Enlarger {
    plan: Upscale,
    net: Upscaler,
    resampler: Resampler,
    known: Known,
    /// Enlarged frames that may be repeated, with the first of their kind.
    kept: Vec<(FrameIdx, Frame)>,
}

impl Enlarger {
    pub(crate) fn open(plan: &Upscale, placement: &Placement) -> Result<Self> {
        let net = plan.model.open(placement)?;
        let known = Known::new(plan);
        Ok(Self { plan: plan.clone(), net, resampler: Resampler::default(), known, kept: Vec::new() })
    }

    /// What of the plan decides the bits of every frame.
    pub(crate) fn key(&self) -> serde_json::Value {
        self.plan.key(&(0..0))
    }

    /// Frames whose tiles go through the network together.
    pub(crate) const fn batch(&self) -> usize {
        self.net.batch()
    }

    /// Samples a side of tiles: what the user has named, else what suits where it runs.
    fn tile(&self) -> usize {
        let planned = self.plan.tile as usize;
        if self.plan.tile == TILE { self.net.tile(planned) } else { planned }
    }

    /// Frames that follow each other at their new size, each with the first frame of its kind.
    pub(crate) fn enlarge(&mut self, frames: &[Frame]) -> Result<Vec<(Frame, FrameIdx)>> {
        let firsts: Vec<FrameIdx> = frames.iter().map(|frame| self.known.first(frame)).collect();
        // Should the first of its kind be missing, the next of them stands for it.
        let is_there = |n: usize| self.kept.iter().any(|kept| kept.0 == firsts[n]) || firsts[..n].contains(&firsts[n]);
        let new: Vec<usize> = (0..frames.len()).filter(|n| !is_there(*n)).collect();
        let made = self.made(&new.iter().map(|n| &frames[*n]).collect::<Vec<_>>())?;
        self.kept.extend(new.iter().map(|n| firsts[*n]).zip(made));
        let mut all = Vec::with_capacity(frames.len());
        for (n, (frame, first)) in frames.iter().zip(firsts).enumerate() {
            let Some((_, made)) = self.kept.iter().find(|kept| kept.0 == first) else {
                return Err(Error::Internal(format!("frame {} was not enlarged", frame.idx)));
            };
            let own = if new.contains(&n) {
                made.clone()
            } else {
                like(frame, (made.width, made.height), samples_of(made, frame)?)
            };
            all.push((own, first));
        }
        let next = frames.last().map_or(0, |frame| frame.idx + 1);
        self.kept.retain(|kept| self.known.comes_again(kept.0, next));
        Ok(all)
    }

    /// What comes belongs to another segment.
    pub(crate) fn forget(&mut self) {
        self.known.forget();
    }

    fn made(&mut self, frames: &[&Frame]) -> Result<Vec<Frame>> {
        let size = (self.plan.width, self.plan.height);
        let is_rgb = self.net.shape().channels == 3;
        let mut surfaces = frames.iter().map(|frame| Ok(blank_like(frame, size)?)).collect::<Result<Vec<_>>>()?;
        for (frame, surface) in frames.iter().zip(&mut surfaces) {
            let format = frame.format;
            for plane in 0..format.planes() {
                let is_learnt = !format.is_alpha(plane)
                    && match format.layout {
                        PixelLayout::Gbr => true,
                        _ => plane == 0 || is_rgb,
                    };
                if !is_learnt {
                    self.resampler.plane(frame, plane, size, surface.as_mut()).map_err(Error::Internal)?;
                }
            }
        }
        if is_rgb {
            self.colours(frames, &mut surfaces)?;
        } else {
            let planes = frames.first().map_or(0, |frame| if frame.format.layout == PixelLayout::Gbr { 3 } else { 1 });
            for plane in 0..planes {
                self.plane(frames, plane, &mut surfaces)?;
            }
        }
        Ok(frames.iter().zip(surfaces).map(|(frame, surface)| like(frame, size, surface)).collect())
    }

    /// One plane of all through a network of one channel.
    fn plane(&mut self, frames: &[&Frame], plane: usize, out: &mut [Box<dyn Surface>]) -> Result<()> {
        let given = |frame: &&Frame| vec![plane_of(frame, plane, 1.0 / frame.format.max_code() as f32)];
        let given: Vec<_> = frames.iter().map(given).collect();
        let (most, factor) = (frames[0].format.max_code() as f32, self.net.shape().factor as u32);
        if (self.plan.width, self.plan.height) == (factor * frames[0].width, factor * frames[0].height) {
            // What is made is what is wanted: no need to keep it as numbers.
            let given: Vec<_> = given.iter().map(Vec::as_slice).collect();
            let tile = self.tile();
            self.net.rows(&given, tile, &mut |picture, _, (x, y), values| {
                write(values, most, out[picture].row_mut(plane, y), x as usize);
            })?;
            return Ok(());
        }
        let made = self.grown(given)?;
        for ((frame, made), out) in frames.iter().zip(&made).zip(out) {
            self.put(frame, plane, &made[0], out.as_mut())?;
        }
        Ok(())
    }

    /// Planes of pictures through the network, again and again until they are as large as is wanted.
    fn grown(&mut self, mut pictures: Vec<Vec<Raster<f32>>>) -> Result<Vec<Vec<Raster<f32>>>> {
        let wanted = (self.plan.width, self.plan.height);
        while pictures.first().is_some_and(|p| p[0].width() < wanted.0 || p[0].height() < wanted.1) {
            let given: Vec<_> = pictures.iter().map(Vec::as_slice).collect();
            pictures = self.net.enlarge(&given, self.tile())?;
            if self.net.shape().factor < 2 {
                break;
            }
        }
        Ok(pictures)
    }

    /// All colours of all through a network of three.
    fn colours(&mut self, frames: &[&Frame], out: &mut [Box<dyn Surface>]) -> Result<()> {
        let mut patches = Vec::with_capacity(frames.len());
        for frame in frames {
            let mut patch = cleanplate_core::Patch::default();
            frame.lift(frame.bounds(), Rows::All, &mut patch);
            patches.push(patch);
        }
        let given = patches.iter().map(|patch| rgb::of_patch(patch).to_vec()).collect();
        let made = self.grown(given)?;
        for (((frame, mut patch), rasters), out) in frames.iter().zip(patches).zip(made).zip(out) {
            let (w, h) = (rasters[0].width(), rasters[0].height());
            let Ok(rasters) = <[Raster<f32>; 3]>::try_from(rasters) else {
                return Err(Error::Internal("a network of three channels gave others".into()));
            };
            patch.rect = cleanplate_core::Rect::new(0, 0, w, h);
            for (plane, raster) in patch.planes.iter_mut().enumerate() {
                let (w, h) = frame.format.plane_size(plane, w, h);
                raster.reset(w, h, 0.0);
            }
            let planes = rgb::to_planes(&rasters, &patch);
            let scale = 1.0 / frame.format.max_code() as f32;
            for (plane, mut raster) in planes.into_iter().enumerate().filter(|(n, _)| !frame.format.is_alpha(*n)) {
                raster.data_mut().iter_mut().for_each(|v| *v *= scale);
                self.put(frame, plane, &raster, out.as_mut())?;
            }
        }
        Ok(())
    }

    /// Writes `raster` (0..=1) as a plane, brought to its size where it has another.
    fn put(&mut self, frame: &Frame, plane: usize, raster: &Raster<f32>, out: &mut dyn Surface) -> Result<()> {
        let (w, h) = frame.format.plane_size(plane, self.plan.width, self.plan.height);
        let most = frame.format.max_code() as f32;
        if (raster.width(), raster.height()) == (w, h) {
            for y in 0..h {
                write(raster.row(y), most, out.row_mut(plane, y), 0);
            }
            return Ok(());
        }
        // At 16 bits, so that resampling rounds once.
        let gray = cleanplate_core::PixelFormat { depth: 16, ..cleanplate_core::PixelFormat::GRAY8 };
        let mut surface = HostSurface::new(gray, raster.width(), raster.height());
        for y in 0..raster.height() {
            write(raster.row(y), 65535.0, surface.row_mut(0, y), 0);
        }
        let size = (raster.width(), raster.height());
        let deep = Frame::new(frame.idx, frame.pts, frame.duration, size, gray, Box::new(surface));
        let mut made = HostSurface::new(gray, w, h);
        self.resampler.plane(&deep, 0, (w, h), &mut made).map_err(Error::Internal)?;
        for y in 0..h {
            if let Row::U16(row) = made.row(0, y) {
                let row: Vec<f32> = row.iter().map(|v| f32::from(*v) / 65535.0).collect();
                write(&row, most, out.row_mut(plane, y), 0);
            }
        }
        Ok(())
    }
}

/// `frame` at `size`, for comparisons with what lies on the source.
pub(crate) fn reduced(
    frame: &Frame,
    size: (u32, u32),
    resampler: &mut Resampler,
) -> std::result::Result<Frame, String> {
    let mut surface = HostSurface::new(frame.format, size.0, size.1);
    for plane in 0..frame.format.planes() {
        resampler.plane(frame, plane, size, &mut surface)?;
    }
    Ok(like(frame, size, Box::new(surface)))
}

/// Time and colour of `frame` over the samples of `surface`, a picture of `size`.
fn like(frame: &Frame, size: (u32, u32), surface: Box<dyn Surface>) -> Frame {
    let mut made = Frame::new(frame.idx, frame.pts, frame.duration, size, frame.format, surface);
    (made.color, made.scan) = (frame.color, frame.scan);
    made
}

fn plane_of(frame: &Frame, plane: usize, scale: f32) -> Raster<f32> {
    let (w, h) = frame.format.plane_size(plane, frame.width, frame.height);
    let mut raster = Raster::new(w, h, 0.0);
    for y in 0..h {
        let out = raster.row_mut(y).iter_mut();
        match frame.row(plane, y) {
            Row::U8(row) => out.zip(row).for_each(|(out, v)| *out = scale * f32::from(*v)),
            Row::U16(row) => out.zip(row).for_each(|(out, v)| *out = scale * f32::from(*v)),
        }
    }
    raster
}

/// Writes `values` (0..=1) as codes up to `most` from column `x` on.
fn write(values: &[f32], most: f32, row: RowMut<'_>, x: usize) {
    // Beyond it a number has no room for fractions: adding it rounds, in instructions that every processor has for many at once.
    const WHOLE: f32 = (1u32 << 23) as f32;
    let code = |v: &f32| ((v * most).clamp(0.0, most) + WHOLE).to_bits();
    match row {
        RowMut::U8(row) => row[x..].iter_mut().zip(values).for_each(|(out, v)| *out = code(v) as u8),
        RowMut::U16(row) => row[x..].iter_mut().zip(values).for_each(|(out, v)| *out = code(v) as u16),
    }
}
