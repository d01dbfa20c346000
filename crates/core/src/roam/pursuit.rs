//! The second look: every frame of the clip, for the suspects that the first has found.

use std::ops::Range;

use super::field::{Field, factor_of};
use super::line::line;
use super::path::trace;
use super::shape::{Sums, mask_of};
use super::stays::{Stay, extended, figures, stays};
use super::template::{Match, Template};
use super::{Motion, Roaming, Suspect};
use crate::frame::{Frame, FrameIdx};
use crate::mask::Mask;

/// Likeness that any scene reaches somewhere.
const CHANCE: f32 = 0.3;
/// A frame adds to the shape where the likeness is so high and exceeds that of other places by so much.
const CLEAR: f32 = 0.4;
const CLEARLY: f32 = 0.15;
/// What the frames of a hopping mark must show: median likeness, and median excess over other places. Marks of the bench
/// have .8 and .6; what recurs by chance in a drawn film, whose lines are all alike, .76 and .25.
const LEAST_LIKE: f32 = 0.5;
const LEAST_EXCLUSIVE: f32 = 0.4;
/// Working samples between the places of a drifting mark whose scenery counts as different.
const SPACING: usize = 4;
/// What those of a drifting one must show: the same, less where it lets the picture through; the share of the clip's frames
/// that it is on, and the share of those on which it moves evenly. Of its surroundings no more than this may come along.
const FAINT_LIKE: f32 = 0.35;
const FAINT_EXCLUSIVE: f32 = 0.15;
const LEAST_SEEN: f32 = 0.6;
const LEAST_STRAIGHT: f32 = 0.6;
const MOST_COMPANY: f32 = 0.4;
/// Its sides take at most this share of the picture's.
const LARGEST: (f32, f32) = (0.4, 0.35);
/// Frames from the end of a stay to the beginning of the next, at most, for a hop.
const HANDED: usize = 15;

/// Follows suspects over all frames of a clip. Memory: 60 bytes a frame and suspect.
#[derive(Debug)]
pub struct Pursuit {
    chases: Vec<Chase>,
    known: Mask,
    size: Option<(u32, u32)>,
    frames: Vec<FrameIdx>,
}

#[derive(Debug)]
struct Chase {
    template: Template,
    drifts: bool,
    offers: Vec<Vec<Match>>,
    sums: Sums,
}

impl Pursuit {
    /// After the suspects of a [`Search`](super::Search), with what is known of marks that stay.
    pub fn new(suspects: Vec<Suspect>, known: Mask) -> Self {
        let chase = |s: Suspect| Chase {
            sums: Sums::new(&s.template, if s.drifts { SPACING } else { s.template.width.min(s.template.height) / 2 }),
            template: s.template,
            drifts: s.drifts,
            offers: Vec::new(),
        };
        Self { chases: suspects.into_iter().map(chase).collect(), known, size: None, frames: Vec::new() }
    }

    /// Looks at the next frame; frames come in rising order, all of the clip. One of another size than the first is left out.
    pub fn observe(&mut self, frame: &Frame) {
        let size = (frame.width, frame.height);
        if *self.size.get_or_insert(size) != size || self.frames.last().is_some_and(|last| *last >= frame.idx) {
            return;
        }
        self.frames.push(frame.idx);
        let field = Field::beside(frame, &self.known);
        let half = field.halved();
        for chase in &mut self.chases {
            chase.observe(&field, &half);
        }
    }

    /// What became of the suspects: marks first, the surest of them first. Several may be the same mark.
    pub fn conclude(self) -> Vec<Roaming> {
        let Some((width, height)) = self.size else { return Vec::new() };
        let mut all: Vec<Roaming> =
            self.chases.iter().filter_map(|chase| chase.conclude(&self.frames, (width, height))).collect();
        all.sort_by(|a, b| b.confident.cmp(&a.confident).then(b.score.total_cmp(&a.score)));
        all
    }
}

impl Chase {
    fn observe(&mut self, field: &Field, half: &Field) {
        let offers = self.template.find(field, half);
        if let Some(best) = offers.first().filter(|m| m.likeness > CLEAR) {
            let apart = |m: &&Match| self.template.is_apart((m.x, m.y), (best.x, best.y));
            if offers.iter().find(apart).is_none_or(|m| best.likeness - m.likeness > CLEARLY) {
                self.sums.add(field, best);
            }
        }
        self.offers.push(offers);
    }

    fn conclude(&self, frames: &[FrameIdx], size: (u32, u32)) -> Option<Roaming> {
        let factor = factor_of(size.0, size.1);
        let strays = if self.drifts { factor } else { 0 };
        let (mask, offset) = mask_of(&self.sums.shape(), factor, strays)?;
        let reach = factor;
        let (margin, factor) = (self.sums.margin as f32, factor as f32);
        let full = |v: f32, o: i32| ((v - margin) * factor).round() as i32 + o;
        let place = |(x, y): (f32, f32)| (full(x, offset.0), full(y, offset.1));
        let path = trace(&self.offers, CHANCE);
        if self.drifts {
            self.drifting(frames, &path, (mask, reach, size), &place)
        } else {
            Some(self.hopping(frames, &path, (mask, reach), &place))
        }
    }

    fn hopping(
        &self,
        frames: &[FrameIdx],
        path: &[Option<usize>],
        (mask, reach): (Mask, u32),
        place: &dyn Fn((f32, f32)) -> (i32, i32),
    ) -> Roaming {
        let stays = stays(&self.offers, path, &self.template);
        let spots = stays.iter().flat_map(|s| s.frames.clone().map(|t| (t, s.place)));
        let (score, exclusive) = figures(spots, &self.offers, &self.template);
        let mut places: Vec<(usize, usize)> = stays.iter().map(|s| s.place).collect();
        places.sort_unstable();
        places.dedup();
        let handed = stays.windows(2).filter(|p| is_hop(&p[0], &p[1])).count();
        let doubt = if places.len() < 2 || self.sums.places() < 2 {
            Some("stays at one place")
        } else if score < LEAST_LIKE || exclusive < LEAST_EXCLUSIVE {
            Some("looks like other places of the scene")
        } else if 2 * handed + 1 < stays.len() {
            Some("comes and goes like a thing of the scene")
        } else {
            None
        };
        let index = |run: &Range<usize>| frames[run.start]..frames[run.end - 1] + 1;
        let stays = extended(&stays, &self.offers);
        let stays = stays.iter().map(|s| (index(&s.frames), place((s.place.0 as f32, s.place.1 as f32)))).collect();
        let reason = doubt.map_or_else(|| format!("hops between {} places", places.len()), str::to_owned);
        Roaming { mask, reach, motion: Motion::Hops(stays), score, exclusive, confident: doubt.is_none(), reason }
    }

    fn drifting(
        &self,
        frames: &[FrameIdx],
        path: &[Option<usize>],
        (mask, reach, size): (Mask, u32, (u32, u32)),
        place: &dyn Fn((f32, f32)) -> (i32, i32),
    ) -> Option<Roaming> {
        let seen: Vec<Option<(usize, usize)>> =
            path.iter().zip(&self.offers).map(|(n, offers)| n.map(|n| (offers[n].x, offers[n].y))).collect();
        let line = line(&seen)?;
        let spots = seen.iter().enumerate().filter_map(|(t, p)| Some((t, (*p)?)));
        let (score, exclusive) = figures(spots, &self.offers, &self.template);
        let travels = seen.iter().flatten().any(|p| seen.iter().flatten().any(|q| self.template.is_apart(*p, *q)));
        let company = self.sums.company();
        let (w, h) = (mask.rect().w as f32, mask.rect().h as f32);
        let (width, height) = (size.0 as f32, size.1 as f32);
        let doubt = if w > LARGEST.0 * width || h > LARGEST.1 * height {
            Some("is larger than marks are")
        } else if !travels {
            Some("stays at one place")
        } else if line.seen < LEAST_SEEN {
            Some("is there in a part of the clip only")
        } else if score < FAINT_LIKE || exclusive < FAINT_EXCLUSIVE {
            Some("looks like other places of the scene")
        } else if line.straight < LEAST_STRAIGHT {
            Some("does not move evenly")
        } else if company > MOST_COMPANY {
            Some("moves together with what is around it")
        } else {
            None
        };
        let words =
            format!("on {:.0} % of the frames, {:.0} % on straight lines", 100.0 * line.seen, 100.0 * line.straight);
        let reason = format!("{}: {words}", doubt.unwrap_or("drifts"));
        let way = line.at.iter().map(|(t, p)| (frames[*t], place(*p))).collect();
        Some(Roaming { mask, reach, motion: Motion::Drifts(way), score, exclusive, confident: doubt.is_none(), reason })
    }
}

/// Whether a stay follows another at a different place without much time between.
fn is_hop(a: &Stay, b: &Stay) -> bool {
    a.place != b.place && b.frames.start.saturating_sub(a.frames.end) <= HANDED
}
