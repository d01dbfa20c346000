//! Synthetic clips: shots of a painted scene through a moving camera, as frames of any format.

use cleanplate_core::{Coder, ColorInfo, Frame, FrameIdx, HostSurface, PixelFormat, Raster, RowMut, Scan, Surface};

use crate::canvas::{Canvas, Scenery};
use crate::motion::Motion;
use crate::noise::Noise;
use crate::planes::subsample;
use crate::shape::disc;

/// One take: what is seen, how the camera moves and for how many frames.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shot {
    /// What is painted behind everything.
    pub scenery: Scenery,
    /// How the camera moves.
    pub motion: Motion,
    /// Frames.
    pub frames: u64,
    /// Textured balls that circle before the scene, whatever the camera does.
    pub movers: u32,
    /// Standard deviation of the noise on luma, in codes of 8 bits; chroma gets half of it. New in every frame.
    pub grain: f32,
    /// The first frames in which the picture rises from black.
    pub fade_in: u64,
    /// The last frames in which it falls to black.
    pub fade_out: u64,
}

impl Shot {
    /// A shot without movers, grain and fades.
    pub const fn new(scenery: Scenery, motion: Motion, frames: u64) -> Self {
        Self { scenery, motion, frames, movers: 0, grain: 0.0, fade_in: 0, fade_out: 0 }
    }

    /// Brightness 0..=1 at `time` frames after its start.
    fn gain(&self, time: f64) -> f32 {
        let rise = if self.fade_in == 0 { 1.0 } else { (time + 0.5) / self.fade_in as f64 };
        let fall = if self.fade_out == 0 { 1.0 } else { (self.frames as f64 - time - 0.5) / self.fade_out as f64 };
        rise.min(fall).clamp(0.0, 1.0) as f32
    }
}

/// A clip whose every frame follows from a seed. Frames can be had in any order and are the same each time.
#[derive(Clone, Debug)]
pub struct Clip {
    size: (u32, u32),
    format: PixelFormat,
    color: ColorInfo,
    scan: Scan,
    durations: Vec<i64>,
    seed: u64,
    shots: Vec<(Shot, Canvas)>,
}

impl Clip {
    /// A clip of `size` (columns, rows) that shows `shots` one after the other with hard cuts between them: progressive 8-bit
    /// 4:2:0 with unspecified colour, one tick a frame.
    pub fn new(seed: u64, size: (u32, u32), shots: &[Shot]) -> Self {
        // Large enough that a 1080p picture never shows the same place twice, small enough to paint in a moment.
        let side = size.0.max(size.1).clamp(256, 2048);
        let base = Noise::new(seed);
        let shots = shots
            .iter()
            .zip(0..)
            .map(|(shot, index)| (*shot, Canvas::paint(shot.scenery, side, base.fork(index).next())))
            .collect();
        let (format, color, scan) = (PixelFormat::YUV420P8, ColorInfo::default(), Scan::Progressive);
        Self { size, format, color, scan, durations: vec![1], seed, shots }
    }

    /// The same clip in another format.
    #[must_use]
    pub fn with_format(self, format: PixelFormat) -> Self {
        Self { format, ..self }
    }

    /// The same clip with other colour tags; its samples are coded as they say.
    #[must_use]
    pub fn with_color(self, color: ColorInfo) -> Self {
        Self { color, ..self }
    }

    /// The same clip with other rows: the second field of an interlaced frame is taken half a frame later than the first.
    #[must_use]
    pub fn with_scan(self, scan: Scan) -> Self {
        Self { scan, ..self }
    }

    /// The same clip with frames that last so many ticks, repeated from the start when they run out; empty for one each.
    #[must_use]
    pub fn with_durations(self, durations: &[i64]) -> Self {
        let durations = if durations.is_empty() { vec![1] } else { durations.to_vec() };
        Self { durations, ..self }
    }

    /// Columns and rows.
    pub const fn size(&self) -> (u32, u32) {
        self.size
    }

    /// Layout of the samples.
    pub const fn format(&self) -> PixelFormat {
        self.format
    }

    /// Colour tags.
    pub const fn color(&self) -> ColorInfo {
        self.color
    }

    /// How the rows are captured.
    pub const fn scan(&self) -> Scan {
        self.scan
    }

    /// How many frames there are.
    pub fn len(&self) -> u64 {
        self.shots.iter().map(|(shot, _)| shot.frames).sum()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The first frame of every shot.
    pub fn cuts(&self) -> Vec<FrameIdx> {
        let starts = self.shots.iter().scan(0, |next, (shot, _)| {
            let start = *next;
            *next += shot.frames;
            Some(start)
        });
        starts.collect()
    }

    /// All frames in order.
    pub fn frames(&self) -> impl Iterator<Item = Frame> + '_ {
        (0..self.len()).filter_map(|idx| self.frame(idx))
    }

    /// Frame `idx`; `None` behind the end.
    pub fn frame(&self, idx: FrameIdx) -> Option<Frame> {
        let mut start = 0;
        let (shot, canvas) = self.shots.iter().find(|(shot, _)| {
            let holds = idx - start < shot.frames;
            start += if holds { 0 } else { shot.frames };
            holds
        })?;
        let mut planes = self.render(shot, canvas, start, idx - start);
        let noise = Noise::new(self.seed ^ 0x6772_6169_6e00).fork(idx);
        self.add_grain(shot, &mut planes, &noise);
        let surface = self.store(&planes);
        let duration = self.durations[(idx % self.durations.len() as u64) as usize];
        let mut frame = Frame::new(idx, self.pts(idx), duration, self.size, self.format, Box::new(surface));
        frame.color = self.color;
        frame.scan = self.scan;
        Some(frame)
    }

    fn pts(&self, idx: FrameIdx) -> i64 {
        let cycle = self.durations.len() as u64;
        let whole = self.durations.iter().sum::<i64>() * (idx / cycle) as i64;
        whole + self.durations[..(idx % cycle) as usize].iter().sum::<i64>()
    }

    /// Code values of all colour planes, not rounded.
    fn render(&self, shot: &Shot, canvas: &Canvas, start: FrameIdx, time: u64) -> Vec<Raster<f32>> {
        let (width, height) = self.size;
        let coder = Coder::new(self.format, self.color);
        let count = self.format.planes() - usize::from(self.format.alpha);
        let mut full = vec![Raster::new(width, height, 0.0f32); count];
        let mut colours = vec![[0.0; 3]; width as usize];
        for field in 0..=u64::from(self.scan.is_interlaced()) {
            let instant = time as f64 + 0.5 * field as f64;
            let stage = Stage::new(shot, canvas, self.size, Noise::new(self.seed).fork(start), instant);
            let (first, step) = match self.scan {
                Scan::Progressive => (0, 1),
                Scan::TopFirst => (field as u32, 2),
                Scan::BottomFirst => (1 - field as u32, 2),
            };
            for y in (first..height).step_by(step) {
                stage.row(y, &mut colours);
                for (index, plane) in full.iter_mut().enumerate() {
                    plane.row_mut(y).iter_mut().zip(&colours).for_each(|(code, c)| *code = coder.encode(*c)[index]);
                }
            }
        }
        let planes = full.into_iter().enumerate();
        planes.map(|(plane, raster)| subsample(raster, self.format, plane, self.scan)).collect()
    }

    fn add_grain(&self, shot: &Shot, planes: &mut [Raster<f32>], noise: &Noise) {
        if shot.grain <= 0.0 {
            return;
        }
        let unit = shot.grain * (1u32 << (self.format.depth - 8)) as f32;
        for (plane, raster) in planes.iter_mut().enumerate() {
            let mut noise = noise.fork(plane as u64);
            let sigma = if self.format.is_chroma(plane) { 0.5 * unit } else { unit };
            raster.data_mut().iter_mut().for_each(|value| *value += sigma * noise.bell());
        }
    }

    /// Rounds and clamps; a plane of alpha gets a ramp from left to right, so that losing it shows.
    fn store(&self, planes: &[Raster<f32>]) -> HostSurface {
        let (width, height) = self.size;
        let mut surface = HostSurface::new(self.format, width, height);
        let max = self.format.max_code() as f32;
        let ramp: Vec<f32> = (0..width).map(|x| max * (x + 1) as f32 / width as f32).collect();
        for plane in 0..self.format.planes() {
            let rows = self.format.plane_size(plane, width, height).1;
            for y in 0..rows {
                let values = planes.get(plane).map_or(ramp.as_slice(), |raster| raster.row(y));
                let codes = values.iter().map(|v| v.round().clamp(0.0, max));
                match surface.row_mut(plane, y) {
                    RowMut::U8(row) => row.iter_mut().zip(codes).for_each(|(out, code)| *out = code as u8),
                    RowMut::U16(row) => row.iter_mut().zip(codes).for_each(|(out, code)| *out = code as u16),
                }
            }
        }
        surface
    }
}

/// What the camera sees at one instant.
struct Stage<'a> {
    canvas: &'a Canvas,
    gain: f32,
    /// Canvas place of the picture's first sample, and the step to the next column; the step to the next row is that turned
    /// by a right angle.
    origin: (f64, f64),
    step: (f64, f64),
    balls: Vec<Ball>,
}

/// A textured disc before the scene.
struct Ball {
    centre: (f64, f64),
    radius: f64,
    texture: (f64, f64),
}

impl<'a> Stage<'a> {
    fn new(shot: &Shot, canvas: &'a Canvas, size: (u32, u32), mut noise: Noise, time: f64) -> Self {
        let view = shot.motion.view(time, noise.between(0.0, std::f64::consts::TAU));
        let step = (view.scale * view.roll.cos(), view.scale * view.roll.sin());
        let (half_w, half_h) = (f64::from(size.0) / 2.0, f64::from(size.1) / 2.0);
        // The middle of the picture starts half a picture from the canvas's corner, so that a still camera meets its pixels.
        let origin =
            (half_w + view.x - half_w * step.0 + half_h * step.1, half_h + view.y - half_w * step.1 - half_h * step.0);
        let balls = (0..shot.movers)
            .map(|_| {
                let middle = (noise.between(0.2, 0.8) * half_w * 2.0, noise.between(0.2, 0.8) * half_h * 2.0);
                let reach = noise.between(0.05, 0.2) * half_h * 2.0;
                let angle = noise.between(0.0, std::f64::consts::TAU) + time * noise.between(0.04, 0.12);
                Ball {
                    centre: (middle.0 + reach * angle.cos(), middle.1 + reach * angle.sin()),
                    radius: noise.between(0.04, 0.12) * half_h * 2.0,
                    texture: (noise.between(0.0, 4096.0), noise.between(0.0, 4096.0)),
                }
            })
            .collect();
        Self { canvas, gain: shot.gain(time), origin, step, balls }
    }

    /// The colours of row `y`.
    fn row(&self, y: u32, colours: &mut [[f32; 3]]) {
        let y = f64::from(y);
        let (across, down) = self.step;
        self.canvas.sample((self.origin.0 - y * down, self.origin.1 + y * across), self.step, colours);
        for ball in &self.balls {
            let height = y - ball.centre.1;
            if height.abs() > ball.radius + 1.0 {
                continue;
            }
            let from = (ball.centre.0 - ball.radius - 1.0).max(0.0) as usize;
            let to = ((ball.centre.0 + ball.radius + 2.0).max(0.0) as usize).min(colours.len());
            for (x, colour) in colours.iter_mut().enumerate().take(to).skip(from) {
                let offset = (x as f64 - ball.centre.0, height);
                let alpha = disc(offset, ball.radius);
                let mut ink = [[0.0; 3]];
                self.canvas.sample((ball.texture.0 + offset.0, ball.texture.1 + offset.1), (0.0, 0.0), &mut ink);
                colour.iter_mut().zip(ink[0]).for_each(|(c, i)| *c += (i - *c) * alpha);
            }
        }
        colours.iter_mut().flatten().for_each(|c| *c *= self.gain);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metric::Psnr;
    use cleanplate_core::{Mask, PixelLayout, Rect, Row};

    fn luma(frame: &Frame) -> Vec<u16> {
        let row = |y| match frame.row(0, y) {
            Row::U8(row) => row.iter().map(|s| u16::from(*s)).collect::<Vec<_>>(),
            Row::U16(row) => row.to_vec(),
        };
        (0..frame.height).flat_map(row).collect()
    }

    fn mean(frame: &Frame) -> f64 {
        let codes = luma(frame);
        codes.iter().map(|c| f64::from(*c)).sum::<f64>() / codes.len() as f64
    }

    #[test]
    fn a_frame_is_the_same_whenever_it_is_asked_for() {
        let shots =
            [Shot { grain: 2.0, movers: 2, ..Shot::new(Scenery::Leaves, Motion::Handheld { reach: 5.0 }, 4) }; 2];
        let clip = Clip::new(7, (64, 48), &shots);
        let all: Vec<_> = clip.frames().map(|f| luma(&f)).collect();
        assert_eq!(all.len(), 8);
        for idx in [5u64, 0, 7, 3] {
            assert_eq!(luma(&clip.frame(idx).unwrap()), all[idx as usize]);
        }
        assert_ne!(luma(&Clip::new(8, (64, 48), &shots).frame(0).unwrap()), all[0]);
        assert!(all.windows(2).all(|pair| pair[0] != pair[1]), "grain differs in every frame");
        assert!(clip.frame(8).is_none());
        assert_eq!(clip.cuts(), [0, 4]);
    }

    #[test]
    fn a_pan_of_whole_samples_moves_the_picture_by_them() {
        let clip = Clip::new(7, (64, 48), &[Shot::new(Scenery::Leaves, Motion::Pan { dx: 3.0, dy: 2.0 }, 3)]);
        let (first, second) = (luma(&clip.frame(0).unwrap()), luma(&clip.frame(1).unwrap()));
        for y in 0..46 {
            for x in 0..61 {
                assert_eq!(second[y * 64 + x], first[(y + 2) * 64 + x + 3]);
            }
        }
    }

    #[test]
    fn a_still_camera_with_a_mover_changes_only_a_part() {
        let shot = Shot { movers: 1, ..Shot::new(Scenery::Leaves, Motion::Still, 12) };
        let clip = Clip::new(5, (96, 96), &[shot]);
        let (first, last) = (luma(&clip.frame(0).unwrap()), luma(&clip.frame(11).unwrap()));
        let changed = first.iter().zip(&last).filter(|(a, b)| a != b).count();
        assert!((20..96 * 96 / 3).contains(&changed), "{changed}");
    }

    #[test]
    fn the_formats_agree_on_the_picture() {
        let shot = Shot::new(Scenery::Clouds, Motion::Zoom { factor: 1.01 }, 3);
        for layout in [PixelLayout::Yuv, PixelLayout::Gray] {
            for depth in [8, 10, 12] {
                for (log2_chroma_w, log2_chroma_h) in [(1, 1), (1, 0), (0, 0)] {
                    for alpha in [false, true] {
                        let format = PixelFormat { layout, depth, log2_chroma_w, log2_chroma_h, alpha };
                        let frame = Clip::new(7, (37, 23), &[shot]).with_format(format).frame(2).unwrap();
                        let eight = Clip::new(7, (37, 23), &[shot]).frame(2).unwrap();
                        let scale = f64::from(1u32 << (depth - 8));
                        let (deep, eight) = (luma(&frame), luma(&eight));
                        let worst = deep.iter().zip(&eight).map(|(a, b)| (f64::from(*a) / scale - f64::from(*b)).abs());
                        assert!(worst.fold(0.0, f64::max) <= 0.75, "{format:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn the_second_field_is_taken_half_a_frame_later() {
        let shot = Shot::new(Scenery::Leaves, Motion::Pan { dx: 4.0, dy: 0.0 }, 2);
        let whole = Clip::new(7, (64, 48), &[shot]).frame(0).unwrap();
        let half = Clip::new(7, (64, 48), &[Shot::new(Scenery::Leaves, Motion::Pan { dx: 2.0, dy: 0.0 }, 2)])
            .frame(1)
            .unwrap();
        for (scan, first) in [(Scan::TopFirst, 0), (Scan::BottomFirst, 1)] {
            let frame = Clip::new(7, (64, 48), &[shot]).with_scan(scan).frame(0).unwrap();
            for y in 0..48 {
                let wanted = if y % 2 == first { &whole } else { &half };
                assert_eq!(luma(&frame)[y * 64..][..64], luma(wanted)[y * 64..][..64], "{scan:?} row {y}");
            }
        }
    }

    #[test]
    fn fades_rise_and_fall_and_grain_has_its_strength() {
        let shot = Shot { fade_in: 5, fade_out: 5, ..Shot::new(Scenery::Clouds, Motion::Still, 20) };
        let levels: Vec<f64> = Clip::new(7, (32, 32), &[shot]).frames().map(|f| mean(&f)).collect();
        assert!(levels[..6].windows(2).all(|p| p[0] < p[1]) && levels[14..].windows(2).all(|p| p[0] > p[1]));
        assert!(levels[0] < 30.0 && levels[10] > 60.0);
        let plain = Shot::new(Scenery::Clouds, Motion::Still, 1);
        let (clean, noisy) =
            (Clip::new(7, (96, 96), &[plain]), Clip::new(7, (96, 96), &[Shot { grain: 3.0, ..plain }]));
        let mut psnr = Psnr::default();
        let mask = Mask::rectangle(Rect::new(0, 0, 96, 96));
        psnr.add(&noisy.frame(0).unwrap(), &clean.frame(0).unwrap(), &mask);
        // sqrt of the mean square of grain and of rounding (1/12 twice).
        let sigma = 255.0 / 10f64.powf(psnr.plane(0).unwrap() / 20.0);
        assert!((sigma - (9.0f64 + 1.0 / 6.0).sqrt()).abs() < 0.1, "{sigma}");
    }

    #[test]
    fn uneven_durations_add_up_to_the_timestamps() {
        let clip =
            Clip::new(1, (16, 16), &[Shot::new(Scenery::Clouds, Motion::Still, 7)]).with_durations(&[40, 33, 50]);
        let times: Vec<_> = clip.frames().map(|f| (f.pts, f.duration)).collect();
        assert_eq!(times, [(0, 40), (40, 33), (73, 50), (123, 40), (163, 33), (196, 50), (246, 40)]);
    }
}
