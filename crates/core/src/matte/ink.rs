//! Marks that are known as a picture of ink and opacity: drawn anywhere, at any size, as a matte, and found in a clip to a
//! fraction of a sample.

use rayon::prelude::*;

use super::morphology::quantile;
use super::{Matte, MattePlane};
use crate::colour::Coder;
use crate::format::{ColorInfo, PixelFormat};
use crate::frame::{Frame, Row};
use crate::geometry::Rect;
use crate::raster::Raster;

/// Sizes at which a mark is looked for, as shares of its picture: so far in either direction, in steps of this ratio.
const FARTHEST: f32 = 4.0;
const STEP: f32 = 1.1;
/// Samples of the longer side of a mark in the coarse search.
const COARSE: f32 = 20.0;
/// Places of each size that are taken along, and how many of all are looked at closely.
const PEAKS: usize = 4;
const CLOSE: usize = 12;
/// Marks of less than so many samples are not looked for; so many are left free around one in the coarse search.
const LEAST_SIZE: f32 = 8.0;
const EDGE: usize = 2;
/// A place at the picture's own size that is this alike needs no look at other sizes.
const CERTAIN: f32 = 0.8;
/// Samples to which a place is found, and by which the search begins to move.
const FINE: f32 = 0.04;
/// Points a side at which a sample's footprint is looked up at most.
const POINTS: usize = 6;
/// Opacity of less does not show.
const LEAST_ALPHA: f32 = 1.0 / 512.0;

/// A mark as a picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Ink {
    width: u32,
    height: u32,
    /// Where it begins in the picture that it was cut from.
    offset: (u32, u32),
    /// R'G'B' times opacity, and opacity, each 0..=1.
    samples: Vec<[f32; 4]>,
}

/// Where a picture lies on a frame: the frame's coordinates of the picture's upper left corner, and the frame's samples to a
/// sample of the picture.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Placement {
    /// Columns, luma samples.
    pub x: f32,
    /// Rows, luma samples.
    pub y: f32,
    /// Size.
    pub scale: f32,
}

impl Ink {
    /// Of a picture of `width` x `height` with 8-bit samples R, G, B and opacity, not multiplied. `None` where the sizes do
    /// not fit or nothing is opaque at all.
    pub fn new(width: u32, height: u32, rgba: &[u8]) -> Option<Self> {
        let (pixels, rest) = rgba.as_chunks::<4>();
        if !rest.is_empty() || pixels.len() != width as usize * height as usize {
            return None;
        }
        let (mut left, mut top, mut right, mut bottom) = (u32::MAX, u32::MAX, 0, 0);
        for (k, _) in pixels.iter().enumerate().filter(|(_, p)| p[3] > 0) {
            let (x, y) = (k as u32 % width, k as u32 / width);
            (left, top) = (left.min(x), top.min(y));
            (right, bottom) = (right.max(x + 1), bottom.max(y + 1));
        }
        if left >= right {
            return None;
        }
        let cut = (top..bottom).flat_map(|y| (left..right).map(move |x| (y * width + x) as usize));
        let samples = cut.map(|k| {
            let [r, g, b, a] = pixels[k].map(|s| f32::from(s) / 255.0);
            [r * a, g * a, b * a, a]
        });
        let samples = samples.collect();
        Some(Self { width: right - left, height: bottom - top, offset: (left, top), samples })
    }

    /// Median opacity of the samples where it is strong: at least half of the most.
    pub fn alpha(&self) -> f32 {
        let most = self.samples.iter().map(|s| s[3]).fold(0.0, f32::max);
        quantile(self.samples.iter().map(|s| s[3]).filter(|a| *a >= 0.5 * most), 0.5)
    }

    /// Its opaque part on the frame where the whole picture lies at `at`.
    fn corner(&self, at: Placement) -> (f32, f32) {
        (at.x + at.scale * self.offset.0 as f32, at.y + at.scale * self.offset.1 as f32)
    }

    /// The luma samples of a frame that it reaches, grown to whole samples of every plane.
    fn reach(&self, at: Placement, format: PixelFormat, (w, h): (u32, u32)) -> Rect {
        let (sw, sh) = if format.planes() > 1 { format.subsampling(1) } else { (0, 0) };
        let (x, y) = self.corner(at);
        let span = |from: f32, length: u32, shift: u8, end: u32| {
            let start = ((from - 1.0).floor().max(0.0) as u32) >> shift << shift;
            let stop = (from + at.scale * length as f32 + 1.0).ceil().max(0.0) as u32;
            let stop = (stop.div_ceil(1 << shift) << shift).min(end);
            (start.min(stop), stop.saturating_sub(start))
        };
        let ((x, w), (y, h)) = (span(x, self.width, sw, w), span(y, self.height, sh, h));
        Rect::new(x, y, w, h)
    }

    /// R'G'B' times opacity and opacity of every luma sample of `rect`: the picture, linear between its samples and clear
    /// around it, averaged over each sample's footprint.
    fn drawn(&self, at: Placement, rect: Rect) -> Vec<[f32; 4]> {
        let (x0, y0) = self.corner(at);
        let points = ((2.0 / at.scale).ceil() as usize).clamp(2, POINTS);
        let places = |from: u32, corner: f32, n: u32| -> Vec<f32> {
            let point = |k: usize| from as f32 + n as f32 + (k as f32 + 0.5) / points as f32;
            (0..points).map(|k| (point(k) - corner) / at.scale - 0.5).collect()
        };
        let columns: Vec<Vec<f32>> = (0..rect.w).map(|x| places(rect.x, x0, x)).collect();
        let mut out = Vec::with_capacity(rect.area() as usize);
        for y in 0..rect.h {
            let rows = places(rect.y, y0, y);
            for columns in &columns {
                let mut sum = [0.0; 4];
                for v in &rows {
                    for u in columns {
                        let sample = self.between(*u, *v);
                        sum.iter_mut().zip(sample).for_each(|(s, v)| *s += v);
                    }
                }
                out.push(sum.map(|s| s / (points * points) as f32));
            }
        }
        out
    }

    /// The picture at column `u`, row `v` between its samples.
    fn between(&self, u: f32, v: f32) -> [f32; 4] {
        let (x, y) = (u.floor(), v.floor());
        let (fx, fy) = (u - x, v - y);
        let mut sum = [0.0; 4];
        for (dx, dy, weight) in
            [(0, 0, (1.0 - fx) * (1.0 - fy)), (1, 0, fx * (1.0 - fy)), (0, 1, (1.0 - fx) * fy), (1, 1, fx * fy)]
        {
            let (x, y) = (x as i64 + dx, y as i64 + dy);
            if (0..i64::from(self.width)).contains(&x) && (0..i64::from(self.height)).contains(&y) {
                let sample = self.samples[(y * i64::from(self.width) + x) as usize];
                sum.iter_mut().zip(sample).for_each(|(s, v)| *s += weight * v);
            }
        }
        sum
    }

    /// The matte that it is on frames of `size`, `format` and `color`, where it lies at `at`. `None` where it lies outside.
    pub fn matte(&self, at: Placement, format: PixelFormat, color: ColorInfo, size: (u32, u32)) -> Option<Matte> {
        let rect = self.reach(at, format, size);
        if rect.is_empty() {
            return None;
        }
        let drawn = self.drawn(at, rect);
        let coder = Coder::new(format, color);
        // Codes are linear in R'G'B', so ink times opacity is coded as its difference to black, and black comes by opacity.
        let black = coder.encode([0.0; 3]);
        let code = |[r, g, b, a]: [f32; 4], plane: usize| coder.encode([r, g, b])[plane] - (1.0 - a) * black[plane];
        let colours = (0..format.planes()).filter(|plane| !format.is_alpha(*plane));
        let planes = colours.map(|plane| {
            let (sw, sh) = format.subsampling(plane);
            let area = rect.subsampled(sw, sh);
            let (mut keep, mut add) = (Raster::new(area.w, area.h, 1.0), Raster::new(area.w, area.h, 0.0));
            for y in 0..area.h {
                for x in 0..area.w {
                    let mut sum = [0.0; 4];
                    let mut count = 0.0;
                    for v in (y << sh)..((y + 1) << sh).min(rect.h) {
                        for u in (x << sw)..((x + 1) << sw).min(rect.w) {
                            let sample = drawn[(v * rect.w + u) as usize];
                            sum.iter_mut().zip(sample).for_each(|(s, v)| *s += v);
                            count += 1.0;
                        }
                    }
                    let mean = sum.map(|s| s / f32::max(count, 1.0));
                    if mean[3] > LEAST_ALPHA {
                        keep.set(x, y, 1.0 - mean[3].min(1.0));
                        add.set(x, y, code(mean, plane));
                    }
                }
            }
            MattePlane { keep, add }
        });
        let planes = planes.collect();
        Matte::new(rect, format, planes)
    }
}

/// The mean picture of a clip, in which marks of known ink are looked for: what moves is smooth in it.
#[derive(Clone, Debug)]
pub struct InkSearch {
    size: (u32, u32),
    format: PixelFormat,
    color: ColorInfo,
    sum: Vec<f32>,
    frames: u32,
}

/// Where a mark of known ink was found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct InkFound {
    /// Where.
    pub at: Placement,
    /// Correlation of the picture's slopes with those of the clip there, -1..=1.
    pub likeness: f32,
}

/// Slopes of the first plane on a coarser raster.
struct Slopes {
    width: usize,
    height: usize,
    values: Vec<f32>,
    slopes: Vec<[f32; 2]>,
}

impl Slopes {
    fn new(values: Vec<f32>, width: usize) -> Self {
        let height = values.len() / width.max(1);
        let mut slopes = vec![[0.0; 2]; values.len()];
        for y in 0..height.saturating_sub(1) {
            for x in 0..width.saturating_sub(1) {
                let k = y * width + x;
                slopes[k] = [values[k + 1] - values[k], values[k + width] - values[k]];
            }
        }
        Self { width, height, values, slopes }
    }

    /// Averaged over squares of `by` samples.
    fn coarser(&self, by: usize) -> Self {
        let (width, height) = (self.width / by, self.height / by);
        let mean = |k: usize| {
            let (x, y) = (k % width * by, k / width * by);
            let rows = (y..y + by).map(|y| self.values[y * self.width + x..][..by].iter().sum::<f32>());
            rows.sum::<f32>() / (by * by) as f32
        };
        Self::new((0..width * height).map(mean).collect(), width)
    }

    /// How alike the slopes from (`x`, `y`) on are to those of `shape`.
    fn alike(&self, shape: &[(usize, usize, [f32; 2])], energy: f32, x: usize, y: usize) -> f32 {
        let (mut along, mut own) = (0.0f32, 0.0f32);
        for (dx, dy, slope) in shape {
            let here = self.slopes[(y + dy) * self.width + x + dx];
            along += here[0] * slope[0] + here[1] * slope[1];
            own += here[0] * here[0] + here[1] * here[1];
        }
        if own > 0.0 { along / (own * energy).sqrt() } else { 0.0 }
    }
}

impl InkSearch {
    /// Nothing seen yet, of frames of `size` and `format`.
    pub fn new(size: (u32, u32), format: PixelFormat) -> Self {
        let sum = vec![0.0; size.0 as usize * size.1 as usize];
        Self { size, format, color: ColorInfo::default(), sum, frames: 0 }
    }

    /// Takes in a frame; one of another size or format is left out.
    pub fn observe(&mut self, frame: &Frame) {
        if (frame.width, frame.height) != self.size || frame.format != self.format {
            return;
        }
        let scale = 1.0 / (1u32 << (frame.format.depth - 8)) as f32;
        for (y, sums) in (0..).zip(self.sum.chunks_exact_mut(self.size.0 as usize)) {
            match frame.row(0, y) {
                Row::U8(row) => sums.iter_mut().zip(row).for_each(|(sum, s)| *sum += f32::from(*s)),
                Row::U16(row) => sums.iter_mut().zip(row).for_each(|(sum, s)| *sum += scale * f32::from(*s)),
            }
        }
        self.frames += 1;
        self.color = frame.color;
    }

    /// The colours of the frames seen.
    pub const fn color(&self) -> ColorInfo {
        self.color
    }

    fn mean(&self) -> Slopes {
        let count = self.frames.max(1) as f32;
        Slopes::new(self.sum.iter().map(|sum| sum / count).collect(), self.size.0 as usize)
    }

    /// The most likely place of `ink` whose centre lies in one of `bounds` (everywhere where there is none), at any size from
    /// a quarter to four times that of its picture.
    pub fn find(&self, ink: &Ink, bounds: &[Rect]) -> Option<InkFound> {
        let mean = self.mean();
        let best = |mut places: Vec<(Placement, f32)>| {
            places.sort_by(|a, b| b.1.total_cmp(&a.1));
            let close = places.into_iter().take(CLOSE).map(|(at, _)| self.refined(&mean, ink, at));
            close.max_by(|a, b| a.likeness.total_cmp(&b.likeness))
        };
        let own = best(self.coarse(&mean, ink, 1.0, bounds));
        if own.is_some_and(|found| found.likeness >= CERTAIN) {
            return own;
        }
        let steps = (FARTHEST.ln() / STEP.ln()).floor() as i32;
        let others = (-steps..=steps).filter(|step| *step != 0);
        let others = best(others.flat_map(|step| self.coarse(&mean, ink, STEP.powi(step), bounds)).collect());
        others.into_iter().chain(own).max_by(|a, b| a.likeness.total_cmp(&b.likeness))
    }

    /// The place near `at`, within about a sample, at which `ink` is most alike.
    pub fn near(&self, ink: &Ink, at: Placement) -> InkFound {
        self.refined(&self.mean(), ink, at)
    }

    /// The best places at one size with their likeness, to a sample of a raster on which the mark is small.
    fn coarse(&self, mean: &Slopes, ink: &Ink, scale: f32, bounds: &[Rect]) -> Vec<(Placement, f32)> {
        let (w, h) = (ink.width as f32 * scale, ink.height as f32 * scale);
        if w > self.size.0 as f32 || h > self.size.1 as f32 || w.max(h) < LEAST_SIZE {
            return Vec::new();
        }
        let by = (w.max(h) / COARSE).floor().max(1.0) as usize;
        let picture = mean.coarser(by);
        let origin = Placement { x: EDGE as f32, y: EDGE as f32, scale: scale / by as f32 };
        let alone = Ink { offset: (0, 0), ..ink.clone() };
        let room = 2 * EDGE as u32 + 1;
        let size = (w as u32 / by as u32 + room, h as u32 / by as u32 + room);
        let level = quantile(picture.values.iter().copied(), 0.5);
        let Some((shape, energy, extent)) = self.shape(&alone, origin, size, level) else { return Vec::new() };
        let columns = picture.width.saturating_sub(extent.0);
        let rows = picture.height.saturating_sub(extent.1);
        let centre = |v: usize, length: f32| (((v + EDGE) * by) as f32 + length / 2.0) as u32;
        let alike: Vec<f32> = (0..rows * columns)
            .into_par_iter()
            .map(|k| {
                let (x, y) = (k % columns, k / columns);
                let (cx, cy) = (centre(x, w), centre(y, h));
                let inside = bounds.is_empty() || bounds.iter().any(|rect| rect.contains(cx, cy));
                if inside { picture.alike(&shape, energy, x, y) } else { -1.0 }
            })
            .collect();
        let corner = |v: usize, offset: u32| ((v + EDGE) * by) as f32 - scale * offset as f32;
        let mut peaks: Vec<(Placement, f32)> = (0..alike.len())
            .filter(|k| {
                let (x, y) = (k % columns, k / columns);
                let around = (y.saturating_sub(1)..(y + 2).min(rows))
                    .flat_map(|y| (x.saturating_sub(1)..(x + 2).min(columns)).map(move |x| y * columns + x));
                alike[*k] > 0.0 && around.into_iter().all(|n| alike[n] <= alike[*k])
            })
            .map(|k| {
                let (x, y) = (corner(k % columns, ink.offset.0), corner(k / columns, ink.offset.1));
                (Placement { x, y, scale }, alike[k])
            })
            .collect();
        peaks.sort_by(|a, b| b.1.total_cmp(&a.1));
        peaks.truncate(PEAKS);
        peaks
    }

    /// The slopes that `ink` at `at` adds over a background of `level`, on a raster of `size`, their energy, and how far they
    /// reach.
    fn shape(&self, ink: &Ink, at: Placement, size: (u32, u32), level: f32) -> Option<Shape> {
        let rect = ink.reach(at, PixelFormat::GRAY8, size);
        let added = self.added(ink, at, rect, level);
        let slopes = Slopes::new(added, rect.w as usize);
        let mut shape = Vec::new();
        for (k, slope) in slopes.slopes.iter().enumerate().filter(|(_, s)| s[0].hypot(s[1]) > 0.0) {
            shape.push((rect.x as usize + k % slopes.width, rect.y as usize + k / slopes.width, *slope));
        }
        let energy: f32 = shape.iter().map(|(_, _, [x, y])| x * x + y * y).sum();
        let extent = |side: fn(&(usize, usize, [f32; 2])) -> usize| shape.iter().map(side).max().map(|v| v + 1);
        let (w, h) = (extent(|s| s.0)?, extent(|s| s.1)?);
        (energy > 0.0).then_some((shape, energy, (w, h)))
    }

    /// What `ink` adds to the first plane over a background of `level`, in 8-bit codes, over `rect`.
    fn added(&self, ink: &Ink, at: Placement, rect: Rect, level: f32) -> Vec<f32> {
        let format = PixelFormat { depth: 8, ..self.format };
        let coder = Coder::new(format, self.color);
        let black = coder.encode([0.0; 3])[0];
        let drawn = ink.drawn(at, rect);
        drawn.iter().map(|[r, g, b, a]| coder.encode([*r, *g, *b])[0] - black + a * (black - level)).collect()
    }

    /// A search in ever smaller steps from a place that is right to a coarse sample.
    fn refined(&self, mean: &Slopes, ink: &Ink, start: Placement) -> InkFound {
        let longer = ink.width.max(ink.height) as f32;
        let mut step = (longer * start.scale / COARSE).max(1.0);
        let mut found = InkFound { at: start, likeness: self.likeness(mean, ink, start) };
        while step > FINE {
            let (size, here) = (2.0 * step / longer, found.at);
            let moved = |dx: f32, dy: f32, grown: f32| {
                // It grows about its centre.
                let (cx, cy) =
                    (ink.offset.0 as f32 + ink.width as f32 / 2.0, ink.offset.1 as f32 + ink.height as f32 / 2.0);
                Placement { x: here.x + dx - grown * cx, y: here.y + dy - grown * cy, scale: here.scale + grown }
            };
            let tries = [
                moved(step, 0.0, 0.0),
                moved(-step, 0.0, 0.0),
                moved(0.0, step, 0.0),
                moved(0.0, -step, 0.0),
                moved(0.0, 0.0, size),
                moved(0.0, 0.0, -size),
            ];
            let tries: Vec<InkFound> = tries
                .into_par_iter()
                .filter(|at| at.scale > 1.0 / (2.0 * FARTHEST) && at.scale < 2.0 * FARTHEST)
                .map(|at| InkFound { at, likeness: self.likeness(mean, ink, at) })
                .collect();
            let best = tries.into_iter().fold(found, |a, b| if b.likeness > a.likeness { b } else { a });
            if best.likeness > found.likeness {
                found = best;
            } else {
                step /= 2.0;
            }
        }
        found
    }

    fn likeness(&self, mean: &Slopes, ink: &Ink, at: Placement) -> f32 {
        let rect = ink.reach(at, PixelFormat::GRAY8, self.size);
        if rect.is_empty() {
            return 0.0;
        }
        let values = (rect.y..rect.bottom()).flat_map(|y| {
            let row = y as usize * mean.width;
            mean.values[row + rect.x as usize..row + rect.right() as usize].iter()
        });
        let level = values.sum::<f32>() / rect.area() as f32;
        let Some((shape, energy, _)) = self.shape(ink, at, self.size, level) else { return 0.0 };
        mean.alike(&shape, energy, 0, 0)
    }
}

/// Places with their slopes, the energy of all, and how far they reach.
type Shape = (Vec<(usize, usize, [f32; 2])>, f32, (usize, usize));

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{HostSurface, RowMut, Surface};

    /// A ring with a bar, of one colour, translucent.
    fn ink() -> Ink {
        let (w, h) = (40u32, 28u32);
        let mut rgba = Vec::new();
        for y in 0..h {
            for x in 0..w {
                let r = (x as f32 - 14.0).hypot(y as f32 - 14.0);
                let inside = (6.0..11.0).contains(&r) || ((28..36).contains(&x) && (4..24).contains(&y));
                rgba.extend([250, 200, 40, if inside { 150 } else { 0 }]);
            }
        }
        Ink::new(w, h, &rgba).unwrap()
    }

    fn scene(x: u32, y: u32, t: u32) -> f32 {
        let (u, v) = ((x + 5 * t) as f32, (y + 2 * t) as f32);
        105.0 + 35.0 * (u * 0.19).sin() * (v * 0.23).cos() + 12.0 * (u * 0.7 + v * 0.5).sin()
    }

    /// Frames of a scene under the ink at `at`, 4:4:4 so that every plane has all samples.
    fn frames(at: Placement) -> Vec<Frame> {
        let format = PixelFormat { log2_chroma_w: 0, log2_chroma_h: 0, ..PixelFormat::YUV420P8 };
        let size = (160, 120);
        let matte = ink().matte(at, format, ColorInfo::default(), size).unwrap();
        (0..16u32)
            .map(|t| {
                let mut surface = HostSurface::new(format, size.0, size.1);
                for plane in 0..3 {
                    let rect = matte.rect();
                    for y in 0..size.1 {
                        let RowMut::U8(row) = surface.row_mut(plane, y) else { continue };
                        for (x, out) in (0u32..).zip(row.iter_mut()) {
                            let value = if plane == 0 { scene(x, y, t) } else { 128.0 };
                            let marked = if rect.contains(x, y) {
                                let of = &matte.planes()[plane];
                                of.keep.at(x - rect.x, y - rect.y) * value + of.add.at(x - rect.x, y - rect.y)
                            } else {
                                value
                            };
                            *out = marked.round() as u8;
                        }
                    }
                }
                Frame::new(u64::from(t), 0, 1, size, format, Box::new(surface))
            })
            .collect()
    }

    #[test]
    fn a_known_mark_is_found_to_a_tenth_of_a_sample_at_its_size_and_at_others() {
        for (at, place, scale) in [
            (Placement { x: 61.4, y: 40.3, scale: 1.0 }, 0.1, 0.005),
            (Placement { x: 20.25, y: 55.7, scale: 1.45 }, 0.15, 0.01),
            (Placement { x: 90.0, y: 20.0, scale: 0.7 }, 0.15, 0.01),
        ] {
            let frames = frames(at);
            let mut search = InkSearch::new((160, 120), frames[0].format);
            frames.iter().for_each(|frame| search.observe(frame));
            let found = search.find(&ink(), &[]).unwrap();
            let off = (found.at.x - at.x).abs().max((found.at.y - at.y).abs());
            assert!(off < place && (found.at.scale - at.scale).abs() < scale, "{at:?}: {found:?}");
            assert!(found.likeness > 0.85, "{found:?}");
            let elsewhere = search.find(&ink(), &[Rect::new(0, 100, 20, 20)]);
            assert!(elsewhere.is_none_or(|found| found.likeness < 0.6), "{elsewhere:?}");
        }
    }

    #[test]
    fn ink_becomes_the_matte_that_the_standards_give_it() {
        let white = Ink::new(4, 4, &[255, 255, 255, 128].repeat(16)).unwrap();
        let at = Placement { x: 8.0, y: 8.0, scale: 2.0 };
        let matte = white.matte(at, PixelFormat::YUV420P8, ColorInfo::default(), (64, 64)).unwrap();
        let (alpha, rect) = (128.0 / 255.0, matte.rect());
        let middle = &matte.planes()[0];
        let k = (12 - rect.x, 12 - rect.y);
        assert!((middle.keep.at(k.0, k.1) - (1.0 - alpha)).abs() < 1e-4);
        assert!((middle.add.at(k.0, k.1) - alpha * 235.0).abs() < 1e-2);
        let chroma = &matte.planes()[1];
        assert!((chroma.add.at(k.0 / 2, k.1 / 2) - alpha * 128.0).abs() < 1e-2);
        assert!(Ink::new(2, 2, &[9; 15]).is_none() && Ink::new(2, 2, &[0; 16]).is_none());
        let outside = Placement { x: 100.0, y: 8.0, scale: 1.0 };
        assert!(white.matte(outside, PixelFormat::YUV420P8, ColorInfo::default(), (64, 64)).is_none());
    }
}
