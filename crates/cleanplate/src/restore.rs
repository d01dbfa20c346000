//! One frame through the tiers: its holes are opened, settled by the first tier that can, and closed.

use std::path::Path;
use std::sync::Arc;

use cleanplate_core::{
    Frame, Hole, Mask, MaskTrack, Origin, Overlay, Patch, Raster, Rect, Restorer, Rows, SpatialFill, Unblend, Window,
};

use crate::error::Result;
use crate::masks::{MaskFolder, MaskRef};
use crate::options::Tier;
use crate::plan::{Mark, Plan};
use crate::report::OriginCounts;

/// Pixels around a mask that a hole shows to the tiers: what the spatial fill reads of the surroundings.
const CONTEXT: u32 = 24;

/// What became of a frame.
#[derive(Debug, Default)]
pub(crate) struct Restored {
    /// Its pixels by origin.
    pub(crate) origins: OriginCounts,
    /// Whether a mark lies on it.
    pub(crate) marked: bool,
    /// Origin of every pixel of the first plane, where asked for.
    pub(crate) origin_map: Option<Raster<u8>>,
    /// Coverage of every pixel, where asked for.
    pub(crate) mask: Option<Raster<u8>>,
}

/// Pictures that are made beside the restored one.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Extras {
    pub(crate) origin_map: bool,
    pub(crate) mask: bool,
}

/// Gray of an origin in the map: black is kept, white is invented.
pub(crate) const fn origin_gray(origin: Origin) -> u8 {
    origin as u8 * 85
}

/// The tiers of a plan, ready to work on its frames one by one in any order.
pub(crate) struct Restoration {
    tracks: Vec<MaskTrack<MaskRef>>,
    masks: MaskFolder,
    tiers: Vec<Box<dyn Restorer>>,
    extras: Extras,
    /// Masks of the frame before: most frames carry the same.
    last: (Vec<MaskRef>, Arc<Vec<Mask>>),
}

impl Restoration {
    pub(crate) fn new(plan: &Plan, extras: Extras) -> Result<Self> {
        Self::of(&plan.marks, &plan.tiers, plan.mask_folder(), extras)
    }

    /// For `marks` whose masks lie in `masks`, by `tiers`.
    pub(crate) fn of(marks: &[Mark], tiers: &[Tier], masks: MaskFolder, extras: Extras) -> Result<Self> {
        let tracks = marks.iter().filter(|m| m.enabled).map(Mark::track).collect::<Result<_>>()?;
        let tiers = open(marks, tiers, masks.folder())?;
        Ok(Self { tracks, masks, tiers, extras, last: Default::default() })
    }

    /// Restores `frame` in place.
    pub(crate) fn apply(&mut self, frame: &mut Frame) -> Result<Restored> {
        let groups = self.groups(frame)?;
        let mut restored = Restored { marked: !groups.is_empty(), ..Restored::default() };
        if self.extras.origin_map {
            restored.origin_map = Some(Raster::new(frame.width, frame.height, origin_gray(Origin::Kept)));
        }
        if self.extras.mask {
            restored.mask = Some(whole_mask(frame, &groups));
        }
        let mut holes = open_holes(frame, &groups);
        for tier in &mut self.tiers {
            tier.restore(Window::default(), &mut holes);
        }
        let mut counts = [0; 4];
        for hole in holes {
            if let Some(map) = &mut restored.origin_map {
                draw_origins(&hole, map);
            }
            hole.close(frame).iter().zip(&mut counts).for_each(|(n, sum)| *sum += n);
        }
        let [_, unblended, borrowed, invented] = counts;
        let all = u64::from(frame.width) * u64::from(frame.height);
        let kept = all - unblended - borrowed - invented;
        restored.origins = OriginCounts { kept, unblended, borrowed, invented };
        Ok(restored)
    }

    /// The masks on this frame, joined where one's surroundings would show another's pixels.
    fn groups(&mut self, frame: &Frame) -> Result<Arc<Vec<Mask>>> {
        let names: Vec<MaskRef> = self.tracks.iter().filter_map(|t| t.at(frame.idx)).cloned().collect();
        if self.last.0 == names {
            return Ok(Arc::clone(&self.last.1));
        }
        let mut groups: Vec<Mask> = Vec::new();
        for name in &names {
            let mut mask = self.masks.load(name)?.clipped(frame.width, frame.height);
            if mask.is_empty() {
                continue;
            }
            // Joining makes a group larger, so that it may now reach one that was passed before.
            while let Some(near) = groups.iter().position(|g| touches(g, &mask, frame)) {
                mask = mask.union(&groups.swap_remove(near));
            }
            groups.push(mask);
        }
        self.last = (names, Arc::new(groups));
        Ok(Arc::clone(&self.last.1))
    }
}

/// The tiers that may be used, the truest first.
fn open(marks: &[Mark], tiers: &[Tier], blobs: &Path) -> Result<Vec<Box<dyn Restorer>>> {
    let mut list: Vec<Box<dyn Restorer>> = Vec::new();
    for (n, tier) in tiers.iter().enumerate() {
        match tier {
            Tier::Unblend => {
                let overlays = overlays(marks, blobs)?;
                if !overlays.is_empty() {
                    list.push(Box::new(Unblend::new(overlays, open(marks, &tiers[n + 1..], blobs)?)));
                }
            }
            Tier::Fill => list.push(Box::new(SpatialFill::new())),
        }
    }
    Ok(list)
}

/// The mattes of marks on their frames.
fn overlays(marks: &[Mark], blobs: &Path) -> Result<Vec<Overlay>> {
    let solved = marks.iter().filter(|mark| mark.enabled).filter_map(|mark| Some((mark, mark.matte.as_ref()?)));
    solved
        .map(|(mark, name)| {
            let file = name.load(blobs)?;
            let (matte, noise, gain) = (Arc::new(file.matte), Arc::new(file.noise), name.gain.clone());
            Ok(Overlay { span: mark.span.clone(), matte, noise, gain })
        })
        .collect()
}

fn touches(a: &Mask, b: &Mask, frame: &Frame) -> bool {
    let around = a.rect().grow(CONTEXT, frame.width, frame.height);
    !around.intersect(&b.rect()).is_empty()
}

fn open_holes(frame: &Frame, groups: &[Mask]) -> Vec<Hole> {
    let fields: &[Rows] = if frame.scan.is_interlaced() { &[Rows::Top, Rows::Bottom] } else { &[Rows::All] };
    let mut holes = Vec::with_capacity(groups.len() * fields.len());
    for mask in groups {
        for rows in fields {
            let (_, step) = rows.start_step();
            let r = mask.rect();
            // In rows of a field: from the field's row at or above the mask to the one at or below its end.
            let in_rows = Rect::new(r.x, r.y / step, r.w, r.bottom().div_ceil(step) - r.y / step);
            let around = in_rows.grow(CONTEXT, frame.width, rows.count(frame.height));
            if around.is_empty() {
                continue;
            }
            let mut patch = Patch::default();
            frame.lift(around, *rows, &mut patch);
            holes.push(Hole::new(frame.idx, patch, mask));
        }
    }
    holes
}

fn draw_origins(hole: &Hole, map: &mut Raster<u8>) {
    let (patch, origins) = (hole.patch(), &hole.origin()[0]);
    let (start, step) = patch.rows.start_step();
    for y in 0..origins.height() {
        let row = map.row_mut(start + (patch.rect.y + y) * step);
        for (x, origin) in origins.row(y).iter().enumerate().filter(|(_, o)| **o != Origin::Kept) {
            row[patch.rect.x as usize + x] = origin_gray(*origin);
        }
    }
}

fn whole_mask(frame: &Frame, groups: &[Mask]) -> Raster<u8> {
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
