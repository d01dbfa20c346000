//! Where the pixels of restored frames come from: counted and drawn.

use cleanplate_core::{Frame, Hole, Mask, Origin, Raster, Rect};

use crate::report::OriginCounts;

/// Gray of an origin in the map: black is kept, white is invented.
pub(crate) const fn origin_gray(origin: Origin) -> u8 {
    origin as u8 * 85
}

/// The origins of the hole's pixels that `mask` covers.
pub(crate) fn origins_within(hole: &Hole, mask: &Mask) -> OriginCounts {
    let (patch, origins) = (hole.patch(), &hole.origin()[0]);
    let (start, step) = patch.rows.start_step();
    let columns = patch.rect.intersect(&Rect { y: patch.rect.y, h: patch.rect.h, ..mask.rect() });
    let mut counts = [0; Origin::ALL.len()];
    for y in 0..origins.height() {
        let row = start + (patch.rect.y + y) * step;
        for x in columns.x..columns.right() {
            if mask.at(x, row) > 0 {
                counts[origins.at(x - patch.rect.x, y) as usize] += 1;
            }
        }
    }
    let [kept, unblended, borrowed, invented] = counts;
    OriginCounts { kept, unblended, borrowed, invented }
}

/// Writes the origins of what the hole has settled into the map of its frame.
pub(crate) fn draw_origins(hole: &Hole, map: &mut Raster<u8>) {
    let (patch, origins) = (hole.patch(), &hole.origin()[0]);
    let (start, step) = patch.rows.start_step();
    for y in 0..origins.height() {
        let row = map.row_mut(start + (patch.rect.y + y) * step);
        for (x, origin) in origins.row(y).iter().enumerate().filter(|(_, o)| **o != Origin::Kept) {
            row[patch.rect.x as usize + x] = origin_gray(*origin);
        }
    }
}

/// The coverage of every pixel of `frame` by masks.
pub(crate) fn whole_mask(frame: &Frame, groups: &[Mask]) -> Raster<u8> {
    let mut whole = Raster::new(frame.width, frame.height, 0);
    for mask in groups {
        let rect = mask.rect();
        for y in 0..rect.h {
            let row = &mut whole.row_mut(rect.y + y)[rect.x as usize..rect.right() as usize];
            row.iter_mut().zip(mask.coverage().row(y)).for_each(|(o, c)| *o = (*o).max(*c));
        }
    }
    whole
}
