//! Groups of persistent edges that could be marks.

use super::evidence::Evidence;
use super::persistence::Persistence;
use super::picture::View;
use super::region::{Bounds, Region, bounds_of};

/// A luma edge is a seed from this mean slope on (code values per sample).
const LUMA_SEED: f32 = 1.6;
/// A chroma edge is a seed from this mean slope on: chroma carries less of the scene and less noise.
const CHROMA_SEED: f32 = 1.1;
/// Share of frames that must agree at a seed.
const SEED_AGREES: f32 = 0.85;
/// Parts of a mark lie no farther apart than this share of the picture's longer side.
const JOIN: f32 = 0.026;
/// Fewer seeds than this say nothing.
const FEWEST_SEEDS: usize = 40;
/// A row or column of which persistent edges cover this share is a border of the picture or of a screen in it.
const LINE: f32 = 0.5;

/// Persistent edges of all planes.
pub(super) struct Edges {
    /// Luma first, then chroma where there is any.
    pub(super) planes: Vec<Persistence>,
    /// Seeds of all planes at luma's working scale.
    pub(super) seeds: Region,
}

/// A group of seeds.
pub(super) struct Candidate {
    /// Around the seeds.
    pub(super) bounds: Bounds,
    /// The seeds, as positions in luma's working scale.
    pub(super) seeds: Vec<usize>,
}

impl Edges {
    /// Of all frames of `evidence`, which must hold at least one.
    pub(super) fn of(evidence: &Evidence) -> Option<Self> {
        let scale = evidence.scale?;
        let planes: Vec<Persistence> = (0..scale.planes())
            .map(|plane| {
                let (width, height) = scale.size(plane);
                let views: Vec<View<'_>> =
                    evidence.frames.iter().map(|f| View { data: &f.1[plane], width, height }).collect();
                Persistence::of(&views, (width, height))
            })
            .collect();
        let (w, h) = scale.size(0);
        let mut seeds = Region::new(w, h);
        let needed = (SEED_AGREES * evidence.frames.len() as f32).ceil() as u8;
        for (plane, p) in planes.iter().enumerate() {
            let level = if plane == 0 { LUMA_SEED } else { CHROMA_SEED };
            let step = if plane == 0 { 1 } else { 2 };
            for i in 0..p.agree.len() {
                if p.agree[i] >= needed && p.strength(i) > level {
                    let (x, y) = (i % p.width * step, i / p.width * step);
                    for y in y..(y + step).min(h) {
                        seeds.set[y * w + x..y * w + (x + step).min(w)].fill(true);
                    }
                }
            }
        }
        drop_lines(&mut seeds);
        Some(Self { planes, seeds })
    }

    /// Groups of seeds, in reading order of their first seed.
    pub(super) fn candidates(&self) -> Vec<Candidate> {
        let (w, h) = (self.seeds.width, self.seeds.height);
        let reach = ((w.max(h) as f32 * JOIN / 2.0) as usize).max(2);
        let joined = self.seeds.grown(reach, reach);
        joined
            .parts()
            .into_iter()
            .filter_map(|part| {
                let seeds: Vec<usize> = part.into_iter().filter(|i| self.seeds.set[*i]).collect();
                let bounds = bounds_of(&seeds, w)?;
                (seeds.len() >= FEWEST_SEEDS).then_some(Candidate { bounds, seeds })
            })
            .collect()
    }
}

/// Takes out rows and columns that persistent edges run along for half of the picture: black bars, frames of screens.
fn drop_lines(seeds: &mut Region) {
    let (w, h) = (seeds.width, seeds.height);
    let rows: Vec<usize> =
        (0..h).map(|y| seeds.set[y * w..(y + 1) * w].iter().filter(|s| **s).count()).collect();
    let mut columns = vec![0usize; w];
    for row in seeds.set.chunks(w.max(1)) {
        columns.iter_mut().zip(row).for_each(|(c, s)| *c += usize::from(*s));
    }
    for (y, _) in rows.iter().enumerate().filter(|(_, n)| **n as f32 > LINE * w as f32) {
        for y in y.saturating_sub(2)..(y + 3).min(h) {
            seeds.set[y * w..(y + 1) * w].fill(false);
        }
    }
    for (x, _) in columns.iter().enumerate().filter(|(_, n)| **n as f32 > LINE * h as f32) {
        for y in 0..h {
            seeds.set[y * w + x.saturating_sub(2)..y * w + (x + 3).min(w)].fill(false);
        }
    }
}
