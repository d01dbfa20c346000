//! Frames at their new size: luma (or colours) by the network, the rest resampled; frames that repeat another take its samples.

use cleanplate_core::{Frame, FrameIdx, HostSurface, PixelLayout, Raster, Resampler, Row, RowMut, Rows, Surface, rgb};
use cleanplate_infer::{Placement, Upscaler};
use cleanplate_media::surface::{blank_like, samples_of};

use super::{Known, Upscale};
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
        let known = Known::new(plan.firsts.as_deref(), plan.repeats);
        Ok(Self { plan: plan.clone(), net, resampler: Resampler::default(), known, kept: Vec::new() })
    }

    /// What of the plan decides the bits of every frame.
    pub(crate) fn key(&self) -> serde_json::Value {
        self.plan.key(&(0..0))
    }

    /// `frame` at its new size, and the first frame of its kind.
    pub(crate) fn enlarge(&mut self, frame: &Frame) -> Result<(Frame, FrameIdx)> {
        let first = self.known.first(frame);
        self.kept.retain(|kept| self.known.comes_again(kept.0, frame.idx));
        if let Some((_, made)) = self.kept.iter().find(|kept| kept.0 == first) {
            return Ok((like(frame, (made.width, made.height), samples_of(made, frame)?), first));
        }
        let made = self.made(frame)?;
        // Should the first of its kind be missing, this one stands for it.
        if self.known.comes_again(first, frame.idx + 1) {
            self.kept.push((first, made.clone()));
        }
        Ok((made, first))
    }

    /// What comes belongs to another segment.
    pub(crate) fn forget(&mut self) {
        self.known.forget();
    }

    fn made(&mut self, frame: &Frame) -> Result<Frame> {
        let size = (self.plan.width, self.plan.height);
        let mut surface = blank_like(frame, size)?;
        let format = frame.format;
        let is_rgb = self.net.shape().channels == 3;
        for plane in 0..format.planes() {
            let is_learnt = !format.is_alpha(plane)
                && match format.layout {
                    PixelLayout::Gbr => true,
                    _ => plane == 0 || is_rgb,
                };
            if !is_learnt {
                self.resample(frame, plane, surface.as_mut())?;
            }
        }
        if is_rgb {
            self.colours(frame, surface.as_mut())?;
        } else {
            let planes = if format.layout == PixelLayout::Gbr { 3 } else { 1 };
            for plane in 0..planes {
                self.plane(frame, plane, surface.as_mut())?;
            }
        }
        Ok(like(frame, size, surface))
    }

    /// One plane through a network of one channel.
    fn plane(&mut self, frame: &Frame, plane: usize, out: &mut dyn Surface) -> Result<()> {
        let scale = 1.0 / frame.format.max_code() as f32;
        let made = self.grown(vec![plane_of(frame, plane, scale)])?;
        self.put(frame, plane, &made[0], out)
    }

    /// Planes through the network, again and again until they are as large as is wanted.
    fn grown(&mut self, mut planes: Vec<Raster<f32>>) -> Result<Vec<Raster<f32>>> {
        while planes[0].width() < self.plan.width || planes[0].height() < self.plan.height {
            planes = self.net.enlarge(&planes, self.plan.tile as usize)?;
            if self.net.shape().factor < 2 {
                break;
            }
        }
        Ok(planes)
    }

    /// All colours through a network of three.
    fn colours(&mut self, frame: &Frame, out: &mut dyn Surface) -> Result<()> {
        let mut patch = cleanplate_core::Patch::default();
        frame.lift(frame.bounds(), Rows::All, &mut patch);
        let rasters = self.grown(rgb::of_patch(&patch).to_vec())?;
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
            self.put(frame, plane, &raster, out)?;
        }
        Ok(())
    }

    /// Writes `raster` (0..=1) as a plane, brought to its size where it has another.
    fn put(&mut self, frame: &Frame, plane: usize, raster: &Raster<f32>, out: &mut dyn Surface) -> Result<()> {
        let (w, h) = frame.format.plane_size(plane, self.plan.width, self.plan.height);
        let most = frame.format.max_code() as f32;
        if (raster.width(), raster.height()) == (w, h) {
            for y in 0..h {
                write(raster.row(y), most, out.row_mut(plane, y));
            }
            return Ok(());
        }
        // At 16 bits, so that resampling rounds once.
        let gray = cleanplate_core::PixelFormat { depth: 16, ..cleanplate_core::PixelFormat::GRAY8 };
        let mut surface = HostSurface::new(gray, raster.width(), raster.height());
        for y in 0..raster.height() {
            write(raster.row(y), 65535.0, surface.row_mut(0, y));
        }
        let size = (raster.width(), raster.height());
        let deep = Frame::new(frame.idx, frame.pts, frame.duration, size, gray, Box::new(surface));
        let mut made = HostSurface::new(gray, w, h);
        self.resampler.plane(&deep, 0, (w, h), &mut made).map_err(Error::Internal)?;
        for y in 0..h {
            if let Row::U16(row) = made.row(0, y) {
                let row: Vec<f32> = row.iter().map(|v| f32::from(*v) / 65535.0).collect();
                write(&row, most, out.row_mut(plane, y));
            }
        }
        Ok(())
    }

    fn resample(&mut self, frame: &Frame, plane: usize, out: &mut dyn Surface) -> Result<()> {
        let size = (self.plan.width, self.plan.height);
        self.resampler.plane(frame, plane, size, out).map_err(Error::Internal)
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

fn write(values: &[f32], most: f32, row: RowMut<'_>) {
    // Rounds as `round` does where nothing is negative, in instructions that every processor has.
    let code = |v: &f32| (v * most + 0.5).clamp(0.0, most);
    match row {
        RowMut::U8(row) => row.iter_mut().zip(values).for_each(|(out, v)| *out = code(v) as u8),
        RowMut::U16(row) => row.iter_mut().zip(values).for_each(|(out, v)| *out = code(v) as u16),
    }
}
