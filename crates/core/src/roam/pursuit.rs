//! The second look: every frame of the clip, for the suspects that the first has found.

use std::ops::Range;

use super::field::{Field, factor_of};
use super::path::trace;
use super::shape::{Sums, mask_of};
use super::stays::{Stay, extended, figures, stays};
use super::template::{Match, Template};
use super::{Motion, Roaming, Suspect};
use crate::frame::{Frame, FrameIdx};

/// Likeness that any scene reaches somewhere.
const CHANCE: f32 = 0.3;
/// A frame adds to the shape where the likeness is so high and exceeds that of other places by so much.
const CLEAR: f32 = 0.5;
const CLEARLY: f32 = 0.15;
/// What the frames of a hopping mark must show: median likeness, and median excess over other places.
const LEAST_LIKE: f32 = 0.5;
const LEAST_EXCLUSIVE: f32 = 0.2;
/// Frames from the end of a stay to the beginning of the next, at most, for a hop.
const HANDED: usize = 15;

/// Follows suspects over all frames of a clip. Memory: 60 bytes a frame and suspect.
#[derive(Debug)]
pub struct Pursuit {
    chases: Vec<Chase>,
    size: Option<(u32, u32)>,
    frames: Vec<FrameIdx>,
}

#[derive(Debug)]
struct Chase {
    template: Template,
    offers: Vec<Vec<Match>>,
    sums: Sums,
}

impl Pursuit {
    /// After the suspects of a [`Search`](super::Search).
    pub fn new(suspects: Vec<Suspect>) -> Self {
        let chase = |s: Suspect| Chase { sums: Sums::new(&s.template), template: s.template, offers: Vec::new() };
        Self { chases: suspects.into_iter().map(chase).collect(), size: None, frames: Vec::new() }
    }

    /// Looks at the next frame; frames come in rising order, all of the clip. One of another size than the first is left out.
    pub fn observe(&mut self, frame: &Frame) {
        let size = (frame.width, frame.height);
        if *self.size.get_or_insert(size) != size || self.frames.last().is_some_and(|last| *last >= frame.idx) {
            return;
        }
        self.frames.push(frame.idx);
        let field = Field::of(frame);
        let half = field.halved();
        for chase in &mut self.chases {
            chase.observe(&field, &half);
        }
    }

    /// The marks among the suspects, and those that were none with the reason.
    pub fn conclude(self) -> Vec<Roaming> {
        let Some((width, height)) = self.size else { return Vec::new() };
        let factor = factor_of(width, height);
        self.chases.iter().filter_map(|chase| chase.conclude(&self.frames, factor)).collect()
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

    fn conclude(&self, frames: &[FrameIdx], factor: u32) -> Option<Roaming> {
        let path = trace(&self.offers, CHANCE);
        let stays = stays(&self.offers, &path, &self.template);
        let (likeness, exclusive) = figures(&stays, &self.offers, &self.template);
        let (mask, offset) = mask_of(&self.sums.shape(), factor)?;
        let margin = self.sums.margin as i32;
        let mut places: Vec<(usize, usize)> = stays.iter().map(|s| s.place).collect();
        places.sort_unstable();
        places.dedup();
        let handed = stays.windows(2).filter(|p| is_hop(&p[0], &p[1])).count();
        let reason = if places.len() < 2 || self.sums.places() < 2 {
            "stays at one place".to_owned()
        } else if likeness < LEAST_LIKE || exclusive < LEAST_EXCLUSIVE {
            "looks like other places of the scene".to_owned()
        } else if 2 * handed + 2 < stays.len() + 1 {
            "comes and goes like a thing of the scene".to_owned()
        } else {
            String::new()
        };
        let confident = reason.is_empty();
        let reason = if confident { format!("hops between {} places", places.len()) } else { reason };
        let at = |place: (usize, usize)| {
            let full = |v: usize, o: i32| (v as i32 - margin) * factor as i32 + o;
            (full(place.0, offset.0), full(place.1, offset.1))
        };
        let index = |run: &Range<usize>| frames[run.start]..frames[run.end - 1] + 1;
        let stays = extended(&stays, &self.offers).iter().map(|s| (index(&s.frames), at(s.place))).collect();
        Some(Roaming { mask, motion: Motion::Hops(stays), score: likeness, exclusive, confident, reason })
    }
}

/// Whether a stay follows another at a different place without much time between.
fn is_hop(a: &Stay, b: &Stay) -> bool {
    a.place != b.place && b.frames.start.saturating_sub(a.frames.end) <= HANDED
}
