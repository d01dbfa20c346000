//! Where marks lie on every frame, with what the repairs of a plan say.

use std::ops::Range;

use cleanplate_core::{FrameIdx, Mask, MaskTrack};

use crate::error::Result;
use crate::masks::{MaskFolder, MaskRef};
use crate::plan::{Mark, Remedy, Repair, View};

/// Where a mark lies on every frame of its span.
pub(crate) struct Track {
    pub(crate) id: u32,
    masks: MaskTrack<MaskRef>,
    /// Frames on which its matte is not used, those of them on which its shape is not believed either, and the masks that hold
    /// there.
    demoted: Vec<Range<FrameIdx>>,
    wide: Vec<Range<FrameIdx>>,
    without_matte: Option<MaskTrack<MaskRef>>,
    /// Frames on which the mark is seen though nothing is done about it.
    shown: Range<FrameIdx>,
    /// Whether what is taken away without a matte is known to be a mark, and not whatever lies in a rectangle.
    is_drawn: bool,
    has_matte: bool,
    /// Of a mark that moves: the frames as seen from it.
    pub(crate) view: Option<View>,
    /// Whether its masks lie at different places.
    moves: bool,
}

impl Track {
    pub(crate) fn of(mark: &Mark, repairs: &[Repair]) -> Result<Self> {
        let is_drawn = mark.recognised || !mark.from.is_rectangle();
        let has_matte = mark.matte.is_some();
        let (masks, without_matte) = (mark.track()?, mark.track_without_matte()?);
        let (shown, demoted, wide) =
            (mark.shown.clone(), demoted(mark, repairs, |_| true), demoted(mark, repairs, |r| r == Remedy::Demote));
        let mut places = masks.keys().iter().map(|(_, name)| name.rect).filter(|rect| !rect.is_empty());
        let moves = places.next().is_some_and(|first| places.any(|rect| rect != first));
        Ok(Self {
            id: mark.id,
            masks,
            demoted,
            wide,
            without_matte,
            shown,
            is_drawn,
            has_matte,
            view: mark.view.clone(),
            moves,
        })
    }

    /// Whether its matte is not used on this frame.
    pub(crate) fn is_demoted(&self, idx: FrameIdx) -> bool {
        self.demoted.iter().any(|frames| frames.contains(&idx))
    }

    /// Whether what is taken away on this frame is known to be a mark.
    pub(crate) fn is_certain(&self, idx: FrameIdx) -> bool {
        self.is_drawn || (self.has_matte && !self.is_demoted(idx))
    }

    /// The mask on this frame; `None` outside of its span.
    pub(crate) fn at(&self, idx: FrameIdx) -> Option<&MaskRef> {
        let own = self.masks.at(idx);
        // One that is not thought to be shown, but is, has no mask of its own there.
        let is_doubted = self.wide.iter().any(|frames| frames.contains(&idx))
            || (self.is_demoted(idx) && own.is_some_and(|name| name.rect.is_empty()));
        let instead = self.without_matte.as_ref().filter(|_| is_doubted);
        instead.map_or(own, |masks| masks.at(idx))
    }

    /// Whether it moves, and this frame is of its span.
    pub(crate) fn moves_on(&self, idx: FrameIdx) -> bool {
        self.moves && self.masks.span().contains(&idx)
    }

    /// What of a frame the mark hides, also where it is not worked on.
    fn hides(&self, idx: FrameIdx) -> Option<&MaskRef> {
        let keys = self.masks.keys();
        let beyond = || if idx < self.masks.span().start { keys.first() } else { keys.last() };
        self.at(idx).or_else(|| beyond().filter(|_| self.shown.contains(&idx)).map(|(_, name)| name))
    }
}

/// Frames on which a mark's matte is not used by remedies that are `meant`, rising.
pub(crate) fn demoted(mark: &Mark, repairs: &[Repair], meant: impl Fn(Remedy) -> bool) -> Vec<Range<FrameIdx>> {
    let here = repairs.iter().filter(|repair| meant(repair.remedy) && repair.mark == mark.id);
    let mut frames: Vec<Range<FrameIdx>> = here.map(|repair| repair.frames.clone()).collect();
    frames.sort_by_key(|range| range.start);
    frames
}

/// What any mark hides of frame `idx` of `width` x `height`.
pub(crate) fn covered<'a>(
    tracks: impl IntoIterator<Item = &'a Track>,
    masks: &mut MaskFolder,
    idx: FrameIdx,
    (width, height): (u32, u32),
) -> Result<Mask> {
    let mut all = Mask::empty();
    for name in tracks.into_iter().filter_map(|track| track.hides(idx)) {
        all = all.union(&masks.load(name)?.clipped(width, height));
    }
    Ok(all)
}
