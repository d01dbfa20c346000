//! The spatial fill: the tier that always has an answer, made up from the surroundings of the hole in the same frame.
//!
//! A hole is filled by diffusion that follows the edges around it: every open sample is the weighted mean of neighbours
//! along the direction in which the surroundings flow (structure tensor, continued into the hole), solved on a pyramid. What
//! depends on the mask alone is prepared once and kept. Knows one frame at a time; refuses to know time, marks and other
//! tiers.

mod direction;
mod pyramid;
mod shape;
mod stencil;

use std::sync::Arc;

use crate::format::PixelFormat;
use crate::hole::{Hole, Origin, Reach, Restorer, Window};

use direction::{Directions, Tensors};
use pyramid::{Effort, Scratch};
use shape::{Outline, PlaneShape, Region, Shape};
use stencil::{STRENGTH, Stencils};

const EFFORT: Effort = Effort { fine: 8, coarse: 10, omega: 1.5 };

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
    values: Vec<f32>,
    tensors: Tensors,
    directions: Directions,
    scratch: Scratch,
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
        let format = hole.patch().format;
        cut(hole, 0, &region.guide, &mut self.guide);
        region.cells.measure(
            &self.guide,
            region.guide.rect.w as usize,
            &region.guide.distance,
            stencils,
            &mut self.scratch,
            &mut self.tensors,
        );
        for plane in &region.planes {
            self.fill_plane(plane, region, stencils, hole, &format);
        }
    }

    fn fill_plane(
        &mut self,
        shape: &PlaneShape,
        region: &Region,
        stencils: &Stencils,
        hole: &mut Hole,
        format: &PixelFormat,
    ) {
        let code = (1u32 << (format.depth - 8)) as f32;
        region.cells.directions(&self.tensors, shape.step, code, &mut self.directions);
        cut(hole, shape.plane, &shape.window, &mut self.values);
        if shape.pyramid.is_blind() {
            // Nothing is known: the middle of the range is grey in every layout.
            self.values.fill((1u32 << (format.depth - 1)) as f32);
        }
        let directions = &self.directions;
        shape.pyramid.solve(&mut self.values, stencils, EFFORT, &mut self.scratch, |scale, x, y| {
            directions.stencil(&shape.to_cells, scale, x, y)
        });
        settle(hole, shape, &self.values);
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
fn settle(hole: &mut Hole, shape: &PlaneShape, values: &[f32]) {
    let (rect, stride) = (shape.window.rect, hole.patch().planes[shape.plane].width());
    for y in 0..rect.h {
        for x in 0..rect.w {
            let at = (y * rect.w + x) as usize;
            if shape.window.distance[at] != 0 {
                continue;
            }
            let k = ((rect.y + y) * stride + rect.x + x) as usize;
            let share = f32::from(hole.need()[shape.plane].data()[k]) / 255.0;
            let source = hole.patch().planes[shape.plane].data()[k];
            hole.settle(shape.plane, k, source + share * (values[at] - source), Origin::Invented);
        }
    }
}
