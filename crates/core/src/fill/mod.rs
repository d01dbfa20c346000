//! The spatial fill: the tier that always has an answer, made up from the surroundings of the hole in the same frame.
//!
//! A hole is filled by diffusion that follows the edges around it: every open sample is the weighted mean of neighbours
//! along the direction in which the surroundings flow (structure tensor, continued into the hole), solved on a pyramid. What
//! depends on the mask alone is prepared once and kept. Knows one frame at a time; refuses to know time, marks and other
//! tiers.

mod border;
mod direction;
mod grain;
mod pyramid;
mod shape;
mod stencil;

use std::sync::Arc;

use crate::hole::{Hole, Origin, Reach, Restorer, Window};

use border::Border;
use direction::{Directions, InPlane, Tensors};
use pyramid::{Effort, Scratch};
use shape::{Outline, PlaneShape, Region, Shape};
use stencil::{STRENGTH, Stencils};

/// Sweeps that leave less than .1 dB to the exact solution on `benches/fill`: what the coarse levels settle is cheap.
const EFFORT: Effort = Effort { fine: 4, coarse: 16, omega: 1.75 };

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
        for group in &region.planes {
            region.cells.directions(&self.tensors, group.step, code, &mut self.directions);
            let mut flow = InPlane(&mut self.directions, &group.to_cells);
            let known = Known { guide: &self.guide, plane: &mut self.plane, border: &mut self.border };
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
                    let code = (1u32 << (depth - 8)) as f32;
                    known.border.clean(known.plane, group.window.rect.w as usize, &group.window.distance, code);
                    &*known.plane
                };
                self.values.iter_mut().zip(samples).for_each(|(value, sample)| value[n] = *sample);
            }
            group.pyramid.solve(&mut self.values, stencils, EFFORT, &mut self.scratch, flow);
            for n in 0..N {
                group.mirror.add(&mut self.values, group.window.rect.w as usize, n, (1u32 << (depth - 8)) as f32);
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
