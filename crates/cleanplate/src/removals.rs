//! What restoring takes away of marks: by its slopes encoded frames are searched for them.

use std::collections::BTreeMap;

use cleanplate_core::roam::part;
use cleanplate_core::{Frame, Mask, Rect, Removed, Template};

use crate::error::Result;
use crate::masks::{MaskFolder, MaskRef};
use crate::tracks::Track;

/// What was taken away of each mark since it was asked for last, by the mark's number; `None` for one whose mask has changed
/// meanwhile.
#[derive(Default)]
pub(crate) struct Removals {
    taken: BTreeMap<u32, Option<Taken>>,
    /// How many accounts of marks were begun.
    begun: u64,
}

/// What was taken away of a mark by one mask.
struct Taken {
    mask: MaskRef,
    /// Whether its matte was not used.
    is_demoted: bool,
    removed: Removed,
    number: u64,
}

/// What a source frame shows at a mark.
pub(crate) struct Seen {
    mark: u32,
    /// The account that it belongs to.
    number: u64,
    /// Where what is seen from a mark that moves begins, and its size.
    view: Option<View>,
    values: Vec<f32>,
}

type View = ((i32, i32), (u32, u32));

impl Removals {
    /// What `source` shows at every mark that stands still, or does so in what is seen from it.
    pub(crate) fn look(&mut self, source: &Frame, tracks: &[Track], masks: &mut MaskFolder) -> Result<Vec<Seen>> {
        let mut seen = Vec::new();
        for track in tracks.iter().filter(|track| track.is_certain(source.idx)) {
            let (mark, name) = (track.id, track.at(source.idx).filter(|name| !name.rect.is_empty()));
            let Some(name) = name else { continue };
            let is_demoted = track.is_demoted(source.idx);
            let view = track.view.as_ref().map(|view| (view.origin(source.idx), view.size));
            // Where it may be at either of two places its slopes cannot be learnt.
            let Some(view) = view.map_or(Some(None), |(origin, size)| origin.map(|at| Some((at, size)))) else {
                continue;
            };
            let known = self.taken.get(&mark);
            // What its matte takes away tells more of the mark than what is filled in its place.
            if known.is_none_or(|known| known.as_ref().is_some_and(|taken| taken.is_demoted && !is_demoted)) {
                let mask = masks.load(name)?.clipped(source.width, source.height);
                let (mask, (w, h)) = match view {
                    Some((origin, size)) => (seen_from(&mask, origin), size),
                    None => (mask, (source.width, source.height)),
                };
                self.begun += 1;
                let (removed, number) = (Removed::new(&mask, w, h), self.begun);
                self.taken.insert(mark, Some(Taken { mask: name.clone(), is_demoted, removed, number }));
            }
            let Some(entry) = self.taken.get_mut(&mark) else { continue };
            match (entry, view) {
                (Some(taken), Some((origin, size))) if taken.is_demoted == is_demoted => {
                    let values = taken.removed.before(&part(source, origin, size));
                    seen.push(Seen { mark, number: taken.number, view, values });
                }
                (Some(taken), None) if taken.mask == *name && taken.is_demoted == is_demoted => {
                    let values = taken.removed.before(source);
                    seen.push(Seen { mark, number: taken.number, view, values });
                }
                (Some(taken), _) if is_demoted && !taken.is_demoted => {}
                (entry, _) => *entry = None,
            }
        }
        Ok(seen)
    }

    /// Takes in what became of a frame of which that was seen.
    pub(crate) fn add(&mut self, seen: &[Seen], restored: &Frame) {
        for Seen { mark, number, view, values } in seen {
            let account = self.taken.get_mut(mark).and_then(Option::as_mut);
            let Some(taken) = account.filter(|taken| taken.number == *number) else { continue };
            match view {
                Some((origin, size)) => taken.removed.add(values, &part(restored, *origin, *size)),
                None => taken.removed.add(values, restored),
            }
        }
    }

    /// The slopes of every mark since this was asked for last, as they were taken away.
    pub(crate) fn templates(&mut self) -> Vec<(u32, Template)> {
        let taken = std::mem::take(&mut self.taken);
        taken.into_iter().filter_map(|(id, taken)| Some((id, taken?.removed.template()?))).collect()
    }
}

/// A mask as seen from the sample `origin`.
fn seen_from(mask: &Mask, origin: (i32, i32)) -> Mask {
    let rect = mask.rect();
    let (x, y) = (rect.x.saturating_add_signed(-origin.0), rect.y.saturating_add_signed(-origin.1));
    Mask::new(Rect::new(x, y, rect.w, rect.h), mask.coverage().clone()).unwrap_or_else(Mask::empty)
}
