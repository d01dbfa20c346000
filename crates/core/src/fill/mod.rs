//! The spatial fill: the tier that always has an answer, made up from the surroundings of the hole in the same frame.
//!
//! A hole is filled by diffusion that follows the edges around it: every open sample is the weighted mean of neighbours
//! along the direction in which the surroundings flow (structure tensor, continued into the hole), solved on a pyramid. Deep
//! inside it is drawn to what the ends of its row and column agree on, and flat ground between letters is taken from farther
//! off. What depends on the mask alone is prepared once and kept. Knows one frame at a time; refuses to know time, marks and other
//! tiers.

mod across;
mod border;
mod direction;
mod grain;
mod ground;
mod pyramid;
mod shape;
mod stencil;

use std::sync::Arc;

use crate::format::PixelLayout;
use crate::hole::{Hole, Origin, Reach, Restorer, Window};

use border::Border;
use direction::{Directions, InPlane, Tensors};
use pyramid::{Effort, Scratch};
use shape::{Outline, PlaneShape, Region, Shape};
use stencil::{STRENGTH, Stencils};

/// Fewer sweeps than the last .05 dB of `benches/fill` would take: what the coarse levels settle is cheap.
const EFFORT: Effort = Effort { fine: 4, coarse: 12, omega: 1.75 };

/// Shapes that are kept at most, and their bytes.
const KEPT_SHAPES: usize = 32;
const KEPT_BYTES: usize = 64 << 20;

/// Fills holes from their surroundings, alone of all tiers without ever leaving a sample open.
#[derive(Clone, Debug)]
pub struct SpatialFill {
    stencils: Stencils,
    shapes: Vec<(Outline, Arc<Shape>)>,
    outline: Outline,
    buffers: Buffers,
}

#[derive(Clone, Debug, Default)]
struct Buffers {
    guide: Vec<f32>,
    plane: Vec<f32>,
    border: Border,
    ground: ground::Cells,
    tensors: Tensors,
    directions: Directions,
    one: Lanes<1>,
    two: Lanes<2>,
    three: Lanes<3>,
}

/// What planes that are solved together need.
#[derive(Clone, Debug, Default)]
struct Lanes<const N: usize> {
    values: Vec<[f32; N]>,
    scratch: Scratch<N>,
}

impl Default for SpatialFill {
    fn default() -> Self {
        Self::new()
    }
}

impl SpatialFill {
    /// Samples around the mask that a patch should hold for the fill to see its surroundings. With less it still works.
    pub const MARGIN: u32 = 16;

    /// A fill that has seen no mask yet.
    pub fn new() -> Self {
        Self {
            stencils: Stencils::new(STRENGTH),
            shapes: Vec::new(),
            outline: Outline::default(),
            buffers: Buffers::default(),
        }
    }

    /// Settles every open sample of `hole` with [`Origin::Invented`].
    pub fn fill(&mut self, hole: &mut Hole) {
        self.outline.take(hole);
        if self.outline.is_closed() {
            return;
        }
        let shape = self.shape();
        for region in &shape.regions {
            self.buffers.fill_region(region, &self.stencils, hole);
        }
    }

    /// The shape of the present outline, prepared now or found among those kept.
    fn shape(&mut self) -> Arc<Shape> {
        if let Some(at) = self.shapes.iter().position(|(outline, _)| *outline == self.outline) {
            self.shapes[..=at].rotate_right(1);
            return Arc::clone(&self.shapes[0].1);
        }
        let shape = Arc::new(self.outline.prepare());
        self.shapes.insert(0, (self.outline.clone(), Arc::clone(&shape)));
        let mut bytes = 0;
        let kept = self.shapes.iter().take(KEPT_SHAPES).take_while(|(outline, shape)| {
            bytes += outline.bytes() + shape.bytes();
            bytes <= KEPT_BYTES
        });
        let kept = kept.count();
        self.shapes.truncate(kept);
        shape
    }
}

impl Restorer for SpatialFill {
    fn name(&self) -> &'static str {
        "fill"
    }

    fn reach(&self) -> Reach {
        Reach::default()
    }

    fn restore(&mut self, _window: Window<'_>, holes: &mut [Hole]) {
        holes.iter_mut().for_each(|hole| self.fill(hole));
    }
}

impl Buffers {
    fn fill_region(&mut self, region: &Region, stencils: &Stencils, hole: &mut Hole) {
        let code = (1u32 << (hole.patch().format.depth - 8)) as f32;
        let (width, distance) = (region.guide.rect.w as usize, &region.guide.distance);
        cut(hole, 0, &region.guide, &mut self.guide);
        self.border.clean(&mut self.guide, width, distance, code);
        region.cells.measure(&self.guide, width, distance, code, stencils, &mut self.tensors);
        region.ground.level(&mut self.guide, width, code, stencils, &mut self.ground);
        for group in &region.planes {
            region.cells.directions(&self.tensors, group.step, code, &mut self.directions);
            let mut flow = InPlane(&mut self.directions, &group.to_cells);
            let known = Known {
                guide: &self.guide,
                plane: &mut self.plane,
                border: &mut self.border,
                ground: &mut self.ground,
            };
            match group.planes.len() {
                1 => self.one.fill(group, stencils, hole, &mut flow, known),
                2 => self.two.fill(group, stencils, hole, &mut flow, known),
                _ => self.three.fill(group, stencils, hole, &mut flow, known),
            }
        }
    }
}

/// Where the known samples of a plane are brought together.
struct Known<'a> {
    guide: &'a [f32],
    plane: &'a mut Vec<f32>,
    border: &'a mut Border,
    ground: &'a mut ground::Cells,
}

impl<const N: usize> Lanes<N> {
    fn fill(
        &mut self,
        group: &PlaneShape,
        stencils: &Stencils,
        hole: &mut Hole,
        flow: &mut InPlane<'_>,
        known: Known<'_>,
    ) {
        let depth = hole.patch().format.depth;
        let (code, width) = ((1u32 << (depth - 8)) as f32, group.window.rect.w as usize);
        // Where nothing is known the middle of the range remains: it is grey in every layout.
        let middle = (1u32 << (depth - 1)) as f32;
        self.values.clear();
        self.values.resize(group.window.distance.len(), [middle; N]);
        if !group.pyramid.is_blind() {
            for (n, plane) in group.planes.iter().enumerate().take(N) {
                let samples = if *plane == 0 {
                    known.guide
                } else {
                    cut(hole, *plane, &group.window, known.plane);
                    known.border.clean(known.plane, width, &group.window.distance, code);
                    // What a mark leaves in chroma is far below what it leaves in luma, and so is what a picture has there.
                    if hole.patch().format.layout != PixelLayout::Yuv {
                        group.ground.level(known.plane, width, code, stencils, known.ground);
                    }
                    &*known.plane
                };
                self.values.iter_mut().zip(samples).for_each(|(value, sample)| value[n] = *sample);
            }
            group.pyramid.solve(&mut self.values, stencils, EFFORT, &mut self.scratch, flow);
            // Subsampled chroma has less to carry across: diffusion alone is .1 dB better there, and .3 ms faster.
            if let Some(across) = &group.across {
                across.blend(&mut self.values, width, code);
            }
            for n in 0..N {
                group.mirror.add(&mut self.values, width, n, code);
            }
        }
        for (n, plane) in group.planes.iter().enumerate().take(N) {
            settle(hole, *plane, &group.window, self.values.iter().map(|value| value[n]));
        }
    }
}

/// Copies the samples of a window; open ones are copied too and mean nothing.
fn cut(hole: &Hole, plane: usize, window: &shape::Window, out: &mut Vec<f32>) {
    out.clear();
    let (rect, raster) = (window.rect, &hole.patch().planes[plane]);
    for y in rect.y..rect.bottom() {
        out.extend_from_slice(&raster.row(y)[rect.x as usize..rect.right() as usize]);
    }
}

/// Settles what is open in a plane. A softly covered sample keeps the share of the source that the mask leaves it.
fn settle(hole: &mut Hole, plane: usize, window: &shape::Window, values: impl Iterator<Item = f32>) {
    let (rect, stride) = (window.rect, hole.patch().planes[plane].width());
    for (at, (value, _)) in values.zip(&window.distance).enumerate().filter(|(_, (_, distance))| **distance == 0) {
        let (x, y) = (at as u32 % rect.w, at as u32 / rect.w);
        let k = ((rect.y + y) * stride + rect.x + x) as usize;
        let share = f32::from(hole.need()[plane].data()[k]) / 255.0;
        let source = hole.patch().planes[plane].data()[k];
        hole.settle(plane, k, source + share * (value - source), Origin::Invented);
    }
}
#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::PixelFormat;
    use crate::frame::{Frame, HostSurface, Patch, Row, RowMut, Rows, Surface};
    use crate::geometry::Rect;
    use crate::mask::Mask;
    use crate::raster::Raster;

    /// A frame whose sample at column `x`, row `y` of `plane` (in luma samples) is `value(plane, x, y)`.
    fn frame(format: PixelFormat, width: u32, height: u32, value: impl Fn(usize, f32, f32) -> f32) -> Frame {
        let mut surface = HostSurface::new(format, width, height);
        for plane in 0..format.planes() {
            let (sw, sh) = format.subsampling(plane);
            let at = |v: usize, log2: u8| (v as f32 + 0.5) * (1u32 << log2) as f32 - 0.5;
            for y in 0..format.plane_size(plane, width, height).1 {
                let code = |x: usize| value(plane, at(x, sw), at(y as usize, sh)).round();
                match surface.row_mut(plane, y) {
                    RowMut::U8(row) => row.iter_mut().enumerate().for_each(|(x, s)| *s = code(x) as u8),
                    RowMut::U16(row) => row.iter_mut().enumerate().for_each(|(x, s)| *s = code(x) as u16),
                }
            }
        }
        Frame::new(0, 0, 1, (width, height), format, Box::new(surface))
    }

    fn samples(frame: &Frame) -> Vec<Vec<f32>> {
        let plane = |plane| {
            let rows = 0..frame.format.plane_size(plane, frame.width, frame.height).1;
            rows.flat_map(|y| match frame.row(plane, y) {
                Row::U8(row) => row.iter().map(|s| f32::from(*s)).collect::<Vec<_>>(),
                Row::U16(row) => row.iter().map(|s| f32::from(*s)).collect(),
            })
            .collect()
        };
        (0..frame.format.planes()).map(plane).collect()
    }

    /// Fills `mask` in `frame`, field by field where `fields` says so, and checks that no sample outside was touched.
    fn filled(fill: &mut SpatialFill, frame: &Frame, mask: &Mask, fields: &[Rows]) -> Frame {
        let mut out = frame.clone();
        for rows in fields {
            let step = rows.start_step().1;
            let bounds = mask.rect();
            let area = Rect::new(bounds.x, bounds.y / step, bounds.w, bounds.h.div_ceil(step) + 1);
            let mut patch = Patch::default();
            out.lift(area.grow(SpatialFill::MARGIN, frame.width, frame.height), *rows, &mut patch);
            let mut hole = Hole::new(frame.idx, patch, mask);
            fill.restore(Window::default(), std::slice::from_mut(&mut hole));
            for plane in 0..frame.format.planes() {
                assert_eq!(hole.open(plane), 0, "plane {plane} of {rows:?}");
                let origins = hole.origin()[plane].data().iter().zip(hole.need()[plane].data());
                assert!(origins.clone().all(|(o, n)| *o == if *n > 0 { Origin::Invented } else { Origin::Kept }));
                let known = hole.patch().planes[plane].data().iter();
                assert!(known.clone().all(|v| v.is_finite()), "plane {plane} of {rows:?}");
            }
            hole.close(&mut out);
        }
        let (before, after) = (samples(frame), samples(&out));
        for plane in 0..frame.format.planes() {
            let (sw, sh) = frame.format.subsampling(plane);
            let (w, h) = frame.format.plane_size(plane, frame.width, frame.height);
            let mut covered = Raster::new(w, h, 0u8);
            for rows in fields {
                let part = mask.in_plane(Rect::new(0, 0, w, rows.count(h)), *rows, sw, sh);
                let (start, step) = rows.start_step();
                (0..part.height()).for_each(|y| covered.row_mut(start + y * step).copy_from_slice(part.row(y)));
            }
            for (k, (a, b)) in before[plane].iter().zip(&after[plane]).enumerate() {
                assert!(
                    a == b || (covered.data()[k] > 0 && !frame.format.is_alpha(plane)),
                    "plane {plane}, sample {k}"
                );
            }
        }
        out
    }

    fn worst(a: &Frame, b: &Frame) -> f32 {
        let (a, b) = (samples(a), samples(b));
        a.iter().flatten().zip(b.iter().flatten()).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
    }

    fn noise(seed: u32) -> impl Fn(usize, f32, f32) -> f32 {
        move |plane, x, y| {
            let mix = |h: u32, v: u32| (h ^ v).wrapping_mul(0x9E37_79B1).rotate_left(13).wrapping_mul(0x85EB_CA77);
            let h = mix(mix(mix(seed, plane as u32), (x * 2.0) as u32), (y * 2.0) as u32);
            ((h ^ h >> 15) >> 8) as f32 / (1u32 << 24) as f32 - 0.5
        }
    }

    fn formats() -> Vec<PixelFormat> {
        let mut all = Vec::new();
        for depth in [8, 10, 12, 16] {
            for (layout, log2_chroma_w, log2_chroma_h, alpha) in [
                (PixelLayout::Gray, 0, 0, false),
                (PixelLayout::Yuv, 1, 1, false),
                (PixelLayout::Yuv, 1, 0, true),
                (PixelLayout::Yuv, 2, 0, false),
                (PixelLayout::Yuv, 0, 0, false),
                (PixelLayout::Gbr, 0, 0, true),
            ] {
                all.push(PixelFormat { layout, depth, log2_chroma_w, log2_chroma_h, alpha });
            }
        }
        all
    }

    /// Letters of 3 samples' width, as a caption has them.
    fn strokes(x: u32, y: u32, w: u32, h: u32) -> Mask {
        let mut coverage = Raster::new(w, h, 0u8);
        for k in 0..w * h {
            let (cx, cy) = (k % w, k / w);
            coverage.set(cx, cy, if (cx + cy / 3) % 11 < 3 || cy % 13 < 3 { 255 } else { 0 });
        }
        Mask::new(Rect::new(x, y, w, h), coverage).unwrap()
    }

    #[test]
    fn a_ramp_comes_back_in_every_format_on_frames_and_fields() {
        for format in formats() {
            let code = (1u32 << (format.depth - 8)) as f32;
            let ramp = frame(format, 121, 87, |plane, x, y| (60.0 + 0.35 * x + 0.2 * y + 9.0 * plane as f32) * code);
            for mask in [Mask::rectangle(Rect::new(41, 31, 33, 21)), strokes(31, 25, 61, 37)] {
                for fields in [&[Rows::All][..], &[Rows::Top, Rows::Bottom]] {
                    let out = filled(&mut SpatialFill::new(), &ramp, &mask, fields);
                    // One code for rounding, and a half for what the sweeps leave.
                    // Half a code each for rounding the source and the result, one for the one-sided mean of the cleaned
                    // border and for what the sweeps leave.
                    let off = worst(&ramp, &out) / code;
                    assert!(off <= 2.0, "{format:?} {fields:?}: {off}");
                }
            }
        }
    }

    #[test]
    fn a_mask_of_any_shape_is_filled_in_any_picture_with_values_of_its_range() {
        let format = PixelFormat::YUV420P8;
        for (w, h) in [(1, 1), (2, 2), (1, 9), (7, 1), (3, 5), (40, 30)] {
            let source = frame(format, w, h, |_, x, y| 50.0 + ((x * 7.0 + y * 3.0) as i32 % 90) as f32);
            let point = Rect::new(w / 2, h / 2, 1, 1);
            for rect in [
                Rect::new(0, 0, w, h),
                Rect::new(0, 0, w, h.div_ceil(2)),
                Rect::new(w / 2, 0, w - w / 2, h),
                Rect::new(0, h / 2, w, 1),
                Rect::new(0, 0, 1, h),
                Rect::new(w - 1, h - 1, 1, 1),
                point,
            ] {
                for fields in [&[Rows::All][..], &[Rows::Top, Rows::Bottom]] {
                    let out = filled(&mut SpatialFill::new(), &source, &Mask::rectangle(rect), fields);
                    let (low, high) = if rect == source.bounds() { (128.0, 128.0) } else { (46.0, 144.0) };
                    let values = samples(&out);
                    assert!(values.iter().flatten().all(|v| (low..=high).contains(v)), "{w}x{h} {rect:?} {fields:?}");
                }
            }
        }
    }

    #[test]
    fn an_edge_that_meets_the_hole_goes_on_through_it() {
        let format = PixelFormat::GRAY8;
        let edge = frame(format, 160, 120, |_, x, y| if y - 60.0 > (x - 80.0) * 0.58 { 180.0 } else { 60.0 });
        let off = |mut fill: SpatialFill| {
            let out = filled(&mut fill, &edge, &Mask::rectangle(Rect::new(66, 46, 28, 28)), &[Rows::All]);
            samples(&edge)[0].iter().zip(&samples(&out)[0]).map(|(a, b)| (a - b).abs()).sum::<f32>() / (28.0 * 28.0)
        };
        let (along, even) =
            (off(SpatialFill::new()), off(SpatialFill { stencils: Stencils::new(0.0), ..SpatialFill::new() }));
        assert!(along < 0.7 * even, "{along} {even}");
    }

    #[test]
    fn the_same_hole_gives_the_same_samples_whatever_was_filled_before() {
        let format = PixelFormat::YUV420P8;
        let source = frame(format, 90, 70, |p, x, y| 100.0 + 0.5 * x + 12.0 * noise(5)(p, x, y));
        let masks = [
            strokes(20, 20, 40, 25),
            Mask::rectangle(Rect::new(10, 30, 30, 12)),
            Mask::rectangle(Rect::new(0, 0, 25, 70)),
        ];
        let alone: Vec<_> =
            masks.iter().map(|m| samples(&filled(&mut SpatialFill::new(), &source, m, &[Rows::All]))).collect();
        let mut kept = SpatialFill::new();
        for round in 0..3 {
            for (mask, alone) in masks.iter().zip(&alone) {
                assert!(samples(&filled(&mut kept, &source, mask, &[Rows::All])) == *alone, "round {round}");
            }
        }
        assert_eq!(kept.shapes.len(), masks.len());
    }

    #[test]
    fn no_more_shapes_are_kept_than_the_bound() {
        let source = frame(PixelFormat::GRAY8, 64, 40, |_, x, _| x);
        let mut fill = SpatialFill::new();
        for x in 0..40 {
            filled(&mut fill, &source, &Mask::rectangle(Rect::new(10, 5, x + 1, 4)), &[Rows::All]);
            assert!(fill.shapes.len() <= KEPT_SHAPES);
        }
        assert_eq!(fill.shapes.len(), KEPT_SHAPES);
    }

    #[test]
    fn a_soft_sample_keeps_the_share_of_the_source_that_the_mask_leaves_it() {
        let format = PixelFormat::GRAY8;
        let marked =
            frame(format, 60, 60, |_, x, y| if x > 24.0 && x < 36.0 && y > 24.0 && y < 36.0 { 200.0 } else { 100.0 });
        for (coverage, wanted) in [(255u8, 100.0f32), (128, 150.0), (51, 180.0)] {
            let rect = Rect::new(22, 22, 17, 17);
            let mask = Mask::new(rect, Raster::new(17, 17, coverage)).unwrap();
            let out = samples(&filled(&mut SpatialFill::new(), &marked, &mask, &[Rows::All]));
            let centre = out[0][30 * 60 + 30];
            assert!((centre - wanted).abs() <= 1.0, "{coverage}: {centre}");
        }
    }

    #[test]
    fn what_an_earlier_tier_settled_is_known_and_stays() {
        let format = PixelFormat::GRAY8;
        let source = frame(format, 60, 40, |_, _, _| 90.0);
        let mut patch = Patch::default();
        source.lift(source.bounds(), Rows::All, &mut patch);
        let mut hole = Hole::new(0, patch, &Mask::rectangle(Rect::new(20, 10, 20, 20)));
        let settled: Vec<usize> = (10..30).flat_map(|y| (20..30).map(move |x| y * 60 + x)).collect();
        settled.iter().for_each(|k| assert!(hole.settle(0, *k, 140.0, Origin::Borrowed)));
        SpatialFill::new().fill(&mut hole);
        assert!(settled.iter().all(|k| hole.patch().planes[0].data()[*k] == 140.0));
        assert!(settled.iter().all(|k| hole.origin()[0].data()[*k] == Origin::Borrowed));
        let open = hole.patch().planes[0].data()[20 * 60 + 31];
        assert!(hole.open(0) == 0 && open > 91.0 && open < 140.0, "{open}");
    }

    #[test]
    fn a_fill_flickers_no_more_than_the_scene_around_it() {
        // Still gradients under noise that is drawn anew for every frame; both parts of the bar of the fill's benchmark.
        for (sigma, fresh) in [(0.0, true), (3.0, true), (3.0, false)] {
            let format = PixelFormat::YUV420P8;
            let mask = strokes(30, 24, 80, 40).union(&Mask::rectangle(Rect::new(120, 30, 50, 40)));
            let mut fill = SpatialFill::new();
            let (mut clean, mut ours, mut last) = (0.0, 0.0, None::<(Vec<f32>, Vec<f32>)>);
            for t in 0..6u32 {
                let grain = noise(if fresh { 77 + t } else { 77 });
                let source = frame(format, 200, 100, |p, x, y| {
                    100.0 + 0.2 * x + 20.0 * (y / 15.0).sin() + sigma * 3.46 * grain(p, x, y)
                });
                let now =
                    (samples(&source).remove(0), samples(&filled(&mut fill, &source, &mask, &[Rows::All])).remove(0));
                if let Some(last) = &last {
                    for k in (0..200 * 100).filter(|k| mask.at(k % 200, k / 200) > 0) {
                        clean += (now.0[k as usize] - last.0[k as usize]).abs();
                        ours += (now.1[k as usize] - last.1[k as usize]).abs();
                    }
                }
                last = Some(now);
            }
            let samples = 5.0 * mask.area() as f32;
            assert!(ours / samples <= 1.1 * clean / samples + 0.3, "{sigma}: {} {}", ours / samples, clean / samples);
            if !fresh {
                assert_eq!(ours, 0.0, "a frozen picture is filled with frozen samples");
            }
        }
    }
}
