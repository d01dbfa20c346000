//! What a fill prepares once for the shape of a hole: windows, distances, pyramids. Knows masks; refuses to know samples.

use crate::geometry::Rect;
use crate::hole::Hole;
use crate::raster::Raster;

use super::SpatialFill;
use super::across::Across;
use super::direction::{CELL, Cells, ToCells};
use super::grain::Mirror;
use super::ground::Ground;
use super::pyramid::Pyramid;

/// Samples farther from the hole than this are all alike.
pub(super) const FAR: u8 = 24;

/// Side of the blocks in which separate holes are told apart.
const BLOCK: usize = 16;

/// The open samples of every plane of a hole, by which a shape is found again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Outline {
    /// Columns, rows and log2 subsampling of each plane, first column and row of the patch.
    sizes: Vec<[u32; 4]>,
    origin: [u32; 2],
    open: Vec<bool>,
}

/// A window around one or more holes that lie close together.
#[derive(Clone, Debug)]
pub(super) struct Region {
    /// Distance to the nearest open sample of the first plane, for the window in that plane.
    pub guide: Window,
    pub ground: Ground,
    pub cells: Cells,
    /// One for each group of planes that are open at the same samples.
    pub planes: Vec<PlaneShape>,
}

/// A rectangle of a plane with the distance of its samples to the hole.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Window {
    /// In samples of the plane's raster.
    pub rect: Rect,
    /// 0 where open, else the distance in samples up to [`FAR`].
    pub distance: Vec<u8>,
}

#[derive(Clone, Debug)]
pub(super) struct PlaneShape {
    /// The planes it stands for, at most three.
    pub planes: Vec<usize>,
    pub window: Window,
    pub ground: Ground,
    pub pyramid: Pyramid,
    /// For planes as finely sampled as the guide.
    pub across: Option<Across>,
    pub mirror: Mirror,
    pub to_cells: ToCells,
    /// Columns and rows of the guide that a sample of this plane spans.
    pub step: (f32, f32),
}

#[derive(Clone, Debug)]
pub(super) struct Shape {
    pub regions: Vec<Region>,
}

impl Outline {
    /// Describes what is open in `hole` now.
    pub(super) fn take(&mut self, hole: &Hole) {
        let patch = hole.patch();
        self.sizes.clear();
        self.open.clear();
        self.origin = [patch.rect.x, patch.rect.y];
        for (plane, (need, origin)) in hole.need().iter().zip(hole.origin()).enumerate() {
            let (sw, sh) = patch.format.subsampling(plane);
            self.sizes.push([need.width(), need.height(), u32::from(sw), u32::from(sh)]);
            let open = need.data().iter().zip(origin.data());
            self.open.extend(open.map(|(need, origin)| *need > 0 && *origin == crate::Origin::Kept));
        }
        // Only where the chroma grid starts matters, not where the patch lies.
        let (w, h) = self.sizes.iter().fold((0, 0), |(w, h), s| (w.max(s[2]), h.max(s[3])));
        self.origin = [self.origin[0] % (1 << w), self.origin[1] % (1 << h)];
    }

    pub(super) fn is_closed(&self) -> bool {
        !self.open.contains(&true)
    }

    pub(super) fn bytes(&self) -> usize {
        self.open.len() + self.sizes.len() * 16
    }

    fn plane(&self, plane: usize) -> Plane<'_> {
        let before: usize = self.sizes[..plane].iter().map(|s| (s[0] * s[1]) as usize).sum();
        let [width, height, sw, sh] = self.sizes[plane];
        let (ox, oy) = (self.origin[0] >> sw << sw, self.origin[1] >> sh << sh);
        Plane {
            width,
            height,
            log2: (sw, sh),
            lead: (self.origin[0] - ox, self.origin[1] - oy),
            open: &self.open[before..before + (width * height) as usize],
        }
    }

    /// Prepares all that depends on the outline alone.
    pub(super) fn prepare(&self) -> Shape {
        let (width, height) = self.sizes.first().map_or((0, 0), |s| (s[0], s[1]));
        let mut any = Raster::new(width, height, false);
        for plane in (0..self.sizes.len()).map(|plane| self.plane(plane)) {
            for y in 0..plane.height {
                for x in (0..plane.width).filter(|x| plane.is_open(*x, y)) {
                    let area = plane.in_guide(Rect::new(x, y, 1, 1)).intersect(&Rect::new(0, 0, width, height));
                    for gy in area.y..area.bottom() {
                        any.row_mut(gy)[area.x as usize..area.right() as usize].fill(true);
                    }
                }
            }
        }
        let regions = clusters(&any).into_iter().map(|bounds| self.region(bounds, width, height)).collect();
        Shape { regions }
    }

    fn region(&self, bounds: Rect, width: u32, height: u32) -> Region {
        let rect = bounds.grow(SpatialFill::MARGIN, width, height);
        let guide = self.plane(0).window(rect);
        let cells = Cells::new(rect.w as usize, rect.h as usize, &guide.distance);
        let mut planes: Vec<PlaneShape> = Vec::new();
        for index in 0..self.sizes.len() {
            let plane = self.plane(index);
            let window = plane.window(plane.of_guide(rect));
            if !window.distance.contains(&0) {
                continue;
            }
            match planes.iter_mut().find(|other| other.window == window && other.step == plane.step()) {
                Some(alike) => alike.planes.push(index),
                None => planes.push(plane.shape(index, window, rect)),
            }
        }
        let ground = Ground::new(rect.w as usize, &guide.distance);
        Region { guide, ground, cells, planes }
    }
}

impl Shape {
    /// Bytes of memory, about.
    pub(super) fn bytes(&self) -> usize {
        let plane = |p: &PlaneShape| {
            p.window.distance.len()
                + p.ground.bytes()
                + p.pyramid.bytes()
                + p.across.as_ref().map_or(0, Across::bytes)
                + p.mirror.bytes()
        };
        let region = |r: &Region| {
            r.guide.distance.len() + r.ground.bytes() + r.cells.bytes() + r.planes.iter().map(plane).sum::<usize>()
        };
        self.regions.iter().map(region).sum()
    }
}

/// One plane of an outline.
struct Plane<'a> {
    width: u32,
    height: u32,
    log2: (u32, u32),
    /// Guide samples by which the plane's first sample starts before the patch.
    lead: (u32, u32),
    open: &'a [bool],
}

impl Plane<'_> {
    fn is_open(&self, x: u32, y: u32) -> bool {
        self.open[(y * self.width + x) as usize]
    }

    /// The guide samples under `rect` of this plane.
    fn in_guide(&self, rect: Rect) -> Rect {
        let axis = |from: u32, len: u32, log2: u32, lead: u32| {
            let (a, b) = (from << log2, (from + len) << log2);
            (a.saturating_sub(lead), b.saturating_sub(lead))
        };
        let (x0, x1) = axis(rect.x, rect.w, self.log2.0, self.lead.0);
        let (y0, y1) = axis(rect.y, rect.h, self.log2.1, self.lead.1);
        Rect::new(x0, y0, x1 - x0, y1 - y0)
    }

    /// The samples of this plane that touch `rect` of the guide.
    fn of_guide(&self, rect: Rect) -> Rect {
        Rect::new(rect.x + self.lead.0, rect.y + self.lead.1, rect.w, rect.h)
            .subsampled(self.log2.0 as u8, self.log2.1 as u8)
            .intersect(&Rect::new(0, 0, self.width, self.height))
    }

    fn step(&self) -> (f32, f32) {
        ((1u32 << self.log2.0) as f32, (1u32 << self.log2.1) as f32)
    }

    /// Prepares plane `index` in `window`, where the guide's window is `guide`.
    fn shape(&self, index: usize, window: Window, guide: Rect) -> PlaneShape {
        let step = self.step();
        let shift = |first: u32, step: f32, lead: u32, start: u32| {
            (first as f32 * step - lead as f32 - start as f32) / CELL as f32
        };
        let to_cells = ToCells {
            scale: (step.0 / CELL as f32, step.1 / CELL as f32),
            shift: (
                shift(window.rect.x, step.0, self.lead.0, guide.x),
                shift(window.rect.y, step.1, self.lead.1, guide.y),
            ),
        };
        let open: Vec<bool> = window.distance.iter().map(|d| *d == 0).collect();
        let pyramid = Pyramid::new(window.rect.w as usize, window.rect.h as usize, &open);
        let across = (self.log2 == (0, 0)).then(|| Across::new(window.rect.w as usize, &window.distance));
        let mirror = Mirror::new(window.rect.w as usize, &window.distance);
        let ground = Ground::new(window.rect.w as usize, &window.distance);
        PlaneShape { planes: vec![index], window, ground, pyramid, across, mirror, to_cells, step }
    }

    fn window(&self, rect: Rect) -> Window {
        let mut distance = Vec::with_capacity(rect.area() as usize);
        for y in rect.y..rect.bottom() {
            distance.extend((rect.x..rect.right()).map(|x| if self.is_open(x, y) { 0 } else { FAR }));
        }
        chamfer(&mut distance, rect.w as usize);
        Window { rect, distance }
    }
}

/// Distance to the nearest 0 in steps to any of eight neighbours, in two passes.
pub(super) fn chamfer(distance: &mut [u8], width: usize) {
    let height = distance.len() / width.max(1);
    for y in 0..height {
        for x in 0..width {
            let k = y * width + x;
            let mut near = distance[k];
            if x > 0 {
                near = near.min(distance[k - 1].saturating_add(1));
            }
            if y > 0 {
                for x in x.saturating_sub(1)..(x + 2).min(width) {
                    near = near.min(distance[(y - 1) * width + x].saturating_add(1));
                }
            }
            distance[k] = near;
        }
    }
    for y in (0..height).rev() {
        for x in (0..width).rev() {
            let k = y * width + x;
            let mut near = distance[k];
            if x + 1 < width {
                near = near.min(distance[k + 1].saturating_add(1));
            }
            if y + 1 < height {
                for x in x.saturating_sub(1)..(x + 2).min(width) {
                    near = near.min(distance[(y + 1) * width + x].saturating_add(1));
                }
            }
            distance[k] = near;
        }
    }
}

/// The bounding rectangles of the groups of `true` that lie more than a block apart, in the order of their first block.
fn clusters(any: &Raster<bool>) -> Vec<Rect> {
    let (w, h) = ((any.width() as usize).div_ceil(BLOCK), (any.height() as usize).div_ceil(BLOCK));
    let mut boxes = vec![Rect::default(); w * h];
    for y in 0..any.height() {
        let mut x = 0;
        let row = any.row(y);
        while let Some(skip) = row[x..].iter().position(|open| *open) {
            let start = x + skip;
            let limit = (start / BLOCK + 1) * BLOCK;
            let len = row[start..limit.min(row.len())].iter().take_while(|open| **open).count();
            let cell = &mut boxes[y as usize / BLOCK * w + start / BLOCK];
            *cell = cell.union(&Rect::new(start as u32, y, len as u32, 1));
            x = start + len;
        }
    }
    let mut seen = vec![false; w * h];
    let mut found = Vec::new();
    for first in 0..w * h {
        if seen[first] || boxes[first].is_empty() {
            continue;
        }
        let (mut bounds, mut queue) = (Rect::default(), vec![first]);
        seen[first] = true;
        while let Some(k) = queue.pop() {
            bounds = bounds.union(&boxes[k]);
            let (bx, by) = (k % w, k / w);
            for y in by.saturating_sub(2)..(by + 3).min(h) {
                for x in bx.saturating_sub(2)..(bx + 3).min(w) {
                    let next = y * w + x;
                    if !seen[next] && !boxes[next].is_empty() {
                        seen[next] = true;
                        queue.push(next);
                    }
                }
            }
        }
        found.push(bounds);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_grow_by_one_a_step_in_every_direction() {
        let mut distance = vec![FAR; 81];
        distance[40] = 0;
        chamfer(&mut distance, 9);
        for (k, d) in distance.iter().enumerate() {
            let (x, y) = (k as i32 % 9 - 4, k as i32 / 9 - 4);
            assert_eq!(i32::from(*d), x.abs().max(y.abs()));
        }
    }

    #[test]
    fn holes_far_apart_are_told_apart_and_near_ones_joined() {
        let mut any = Raster::new(300, 100, false);
        for x in [5, 30, 200] {
            any.row_mut(50)[x..x + 10].fill(true);
        }
        assert_eq!(clusters(&any), [Rect::new(5, 50, 35, 1), Rect::new(200, 50, 10, 1)]);
        assert!(clusters(&Raster::new(0, 0, false)).is_empty());
    }
}
