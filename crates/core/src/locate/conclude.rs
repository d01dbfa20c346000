//! From evidence to marks.

use std::ops::Range;

use super::candidates::{Candidate, Edges, LARGEST};
use super::evidence::Evidence;
use super::figures::{Figures, measure};
use super::judge::{Size, VIEWS, detached, looks};
use super::support::support;
use crate::frame::FrameIdx;
use crate::geometry::Rect;
use crate::mask::Mask;

/// Fewer frames than this prove nothing.
const FEWEST_FRAMES: usize = 8;
/// From this score on a candidate is a mark.
const CONFIDENT: f32 = 0.5;
/// More marks than this at once are scenery.
const MOST_MARKS: usize = 8;
/// Pictures differ where their coarse grids do by more than this on average, code values: repeats of a screen or a page
/// stay below 1, frames of a locked camera 1 to 3 apart count by and by.
const DIFFERENT: f32 = 2.0;
/// How far around its edges a mark may reach, samples at working scale.
const MARGIN: u32 = 3;

/// A mark, or what could be one.
#[derive(Clone, Debug, PartialEq)]
pub struct Detection {
    /// Around the mark, in luma samples.
    pub rect: Rect,
    /// What it covers. Faint rims may reach up to 3 samples farther.
    pub mask: Mask,
    /// How sure, 0..=1; 0.5 is the bound of confidence.
    pub score: f32,
    /// Whether it is a mark.
    pub confident: bool,
    /// What speaks most against it; empty where nothing does.
    pub reason: String,
    /// From the first to behind the last of the frames looked at in which it shows.
    pub span: Range<FrameIdx>,
    /// What was measured.
    pub figures: Figures,
}

/// What the evidence says.
#[derive(Clone, Debug, PartialEq)]
pub struct Conclusion {
    /// Marks and doubtful ones, the surest first.
    pub detections: Vec<Detection>,
    /// In words: what was found, or why nothing was found with confidence.
    pub verdict: String,
    /// Different pictures among the frames looked at.
    pub views: usize,
    /// Share of all edges of the picture that persist: 1 for a still scene.
    pub stillness: f32,
}

impl Conclusion {
    /// The marks found with confidence.
    pub fn marks(&self) -> impl Iterator<Item = &Detection> {
        self.detections.iter().filter(|d| d.confident)
    }

    fn nothing(verdict: String) -> Self {
        Self { detections: Vec::new(), verdict, views: 0, stillness: 0.0 }
    }
}

impl Evidence {
    /// Looks for marks in the whole picture.
    pub fn conclude(&self) -> Conclusion {
        let Some(scale) = self.scale else { return Conclusion::nothing("no frame was looked at".into()) };
        if self.frames.len() < FEWEST_FRAMES {
            return Conclusion::nothing(format!(
                "{} frames are too few to tell what stays from what happens to be there: {FEWEST_FRAMES} are needed",
                self.frames.len()
            ));
        }
        let Some(edges) = Edges::of(self) else { return Conclusion::nothing("no frame was looked at".into()) };
        let (w, h) = scale.size(0);
        let views = self.views();
        let mut measured: Vec<(Candidate, Figures, f32, String)> = Vec::new();
        for candidate in edges.candidates() {
            let size = size_of(&candidate, scale.factor, w * h);
            if size.share > 2.0 * LARGEST {
                continue;
            }
            let Some(figures) = measure(self, &edges, &candidate) else { continue };
            let look = looks(&figures, &size);
            measured.push((candidate, figures, look.score, look.reason));
        }
        // Other marks must not make the scene look still.
        let alike: Vec<usize> =
            (0..measured.len()).filter(|i| measured[*i].2 >= CONFIDENT && measured[*i].1.strength > 5.0).collect();
        let marks: Vec<&Candidate> =
            if alike.len() <= MOST_MARKS { alike.iter().map(|i| &measured[*i].0).collect() } else { Vec::new() };
        let mut detections = Vec::new();
        for (candidate, figures, score, reason) in &measured {
            let stillness = edges.stillness(marks.iter().copied().chain([candidate]));
            let around = detached(figures, stillness, views);
            let (score, reason) =
                if around.score < *score { (around.score, around.reason) } else { (*score, reason.clone()) };
            let b = candidate.bounds;
            let f = scale.factor;
            let seen = Rect::new(b.x0 as u32 * f, b.y0 as u32 * f, b.width() as u32 * f, b.height() as u32 * f)
                .intersect(&Rect::new(0, 0, scale.width, scale.height));
            let confident = score >= CONFIDENT;
            let mask = if confident { support(self, seen, MARGIN * f) } else { None };
            let mask = mask.unwrap_or_else(|| Mask::rectangle(seen));
            let rect = if confident { mask.rect() } else { seen };
            let mut figures = figures.clone();
            figures.stillness = stillness;
            let span = self.span(&figures.presence);
            let reason = if confident { String::new() } else { reason };
            detections.push(Detection { rect, mask, score, confident, reason, span, figures });
        }
        detections.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.rect.cmp(&b.rect)));
        let stillness = edges.stillness(marks.iter().copied());
        let verdict = verdict(&detections, views, stillness);
        Conclusion { detections, verdict, views, stillness }
    }

    /// From the first frame in which at least half of the edges agree to behind the last.
    fn span(&self, presence: &[f32]) -> Range<FrameIdx> {
        let seen = |i: &usize| presence.get(*i).is_some_and(|p| *p >= 0.5);
        let first = (0..self.frames.len()).find(seen).unwrap_or(0);
        let last = (0..self.frames.len()).rev().find(seen).unwrap_or(self.frames.len() - 1);
        self.frames[first].0..self.frames[last].0 + 1
    }

    /// How many of the frames differ from all counted before, in luma on a coarse grid.
    fn views(&self) -> usize {
        let Some(scale) = self.scale else { return 0 };
        let (w, h) = scale.size(0);
        let cells = (w.min(32), h.min(18));
        let grids: Vec<Vec<f32>> = self
            .frames
            .iter()
            .map(|(_, planes)| {
                let mut grid = Vec::with_capacity(cells.0 * cells.1);
                for cy in 0..cells.1 {
                    for cx in 0..cells.0 {
                        let (x0, x1) = (cx * w / cells.0, (cx + 1) * w / cells.0);
                        let (y0, y1) = (cy * h / cells.1, (cy + 1) * h / cells.1);
                        let sum: u64 =
                            (y0..y1).flat_map(|y| &planes[0][y * w + x0..y * w + x1]).map(|s| u64::from(*s)).sum();
                        grid.push(sum as f32 / ((x1 - x0) * (y1 - y0)) as f32);
                    }
                }
                grid
            })
            .collect();
        let mut views: Vec<&[f32]> = Vec::new();
        for grid in &grids {
            let differs = |view: &&[f32]| {
                let sum: f32 = view.iter().zip(grid).map(|(p, q)| (p - q).abs()).sum();
                sum > DIFFERENT * grid.len() as f32
            };
            if views.iter().all(differs) {
                views.push(grid);
            }
        }
        views.len()
    }
}

fn size_of(candidate: &Candidate, factor: u32, picture: usize) -> Size {
    let b = candidate.bounds;
    Size {
        width: b.width() as u32 * factor,
        height: b.height() as u32 * factor,
        share: b.area() as f32 / picture.max(1) as f32,
    }
}

fn verdict(detections: &[Detection], views: usize, stillness: f32) -> String {
    let found = detections.iter().filter(|d| d.confident).count();
    let doubtful = detections.len() - found;
    match (found, doubtful) {
        (0, 0) => "no edge stays in place: there is no persistent mark".into(),
        (0, _) if views < VIEWS => {
            format!("the frames show only {views} different pictures: marks and objects cannot be told apart")
        }
        (0, _) => format!(
            "{doubtful} places have edges that stay, none surely a mark ({:.0} % of the picture's edges stay); the likeliest: {}",
            100.0 * stillness,
            detections[0].reason
        ),
        (1, _) => "1 mark".into(),
        _ => format!("{found} marks"),
    }
}
