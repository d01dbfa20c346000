//! From evidence to marks.

use std::ops::Range;

use super::candidates::{Bar, Candidate, Edges, LARGEST, SETTLED, is_rim};
use super::evidence::Evidence;
use super::extent::Extent;
use super::figures::{Figures, measure};
use super::judge::{MOVES, Size, VIEWS, Verdict, changing, detached, looks, passed, vouched};
use super::stack::Stack;
use super::support::support;
use crate::frame::FrameIdx;
use crate::geometry::Rect;
use crate::mask::Mask;

/// Fewer frames than this prove nothing.
const FEWEST_FRAMES: usize = 8;
/// From this score on a candidate is a mark.
const CONFIDENT: f32 = 0.5;
/// The same for a mark that shows part of the time: fewer frames speak for it, and those were picked for it.
const CONFIDENT_PARTLY: f32 = 0.52;
/// More marks than this at once are scenery.
const MOST_MARKS: usize = 8;
/// Mean slope from which a candidate that looks like a mark is taken for one when the rest of the scene is judged.
const CLEAR: f32 = 5.0;
/// Least share of the frames in which a mark shows that comes or goes: captions stay for less of a clip.
const LEAST_SHOWN: f32 = 0.6;
/// Sets of frames that are searched for marks which show in them alone.
const MOST_SPANS: usize = 3;

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

/// A candidate that was measured and looked at by itself.
struct Looked {
    candidate: Candidate,
    figures: Figures,
    score: f32,
    reason: String,
}

impl Evidence {
    /// Looks for marks in the whole picture: those that show all the time, then those that come or go once.
    pub fn conclude(&self) -> Conclusion {
        let Some(stack) = Stack::of(self, |_| true) else {
            return Conclusion::nothing("no frame was looked at".into());
        };
        if stack.frames.len() < FEWEST_FRAMES {
            return Conclusion::nothing(format!(
                "{} frames are too few to tell what stays from what happens to be there: {FEWEST_FRAMES} are needed",
                stack.frames.len()
            ));
        }
        let edges = Edges::of(&stack, Bar::ALONE);
        let (mut detections, stillness) = search(&stack, &edges);
        let views = stack.views();
        // A still scene changes with the light or with what passes, and so would seem to come and go.
        if views >= VIEWS && stillness <= MOVES {
            self.search_partly(&stack, edges.by(&stack, Bar::PARTLY), &mut detections);
        }
        detections.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.rect.cmp(&b.rect)));
        let verdict = verdict(&detections, views, stillness);
        Conclusion { detections, verdict, views, stillness }
    }

    /// The mark inside each of `regions` (luma samples), for a user who says that there is one: fainter, rarer and more
    /// doubtful edges count than in a search. `None` where what is found cannot be told from the scene: then the whole
    /// region is the mask. What is found lies inside the region; it may be several pieces.
    pub fn conclude_within(&self, regions: &[Rect]) -> Vec<Option<Detection>> {
        let stack = Stack::of(self, |_| true).filter(|stack| stack.frames.len() >= FEWEST_FRAMES);
        let Some(stack) = stack else { return vec![None; regions.len()] };
        let views = stack.views();
        let whole = Edges::of(&stack, Bar::VOUCHED);
        regions.iter().map(|region| within(&stack, &whole, views, *region)).collect()
    }

    /// Looks for marks that are absent part of the time: groups of edges that agree in some frames and in the others do not,
    /// judged by the frames in which they do.
    fn search_partly(&self, stack: &Stack<'_>, mut edges: Edges, detections: &mut Vec<Detection>) {
        let f = stack.scale.factor;
        let known: Vec<Rect> = detections.iter().filter(|d| d.confident).map(|d| d.rect).collect();
        edges.restrict(|x, y| {
            !known.iter().any(|k| k.grow(8 * f, u32::MAX, u32::MAX).contains(x as u32 * f, y as u32 * f))
        });
        let mut asked: Vec<Vec<bool>> = Vec::new();
        for candidate in edges.candidates() {
            let size = size_of(&candidate, stack);
            if size.share > LARGEST {
                continue;
            }
            let Some(figures) = measure(stack, &edges, &candidate) else { continue };
            let Some(shows) = shown(&figures.presence) else { continue };
            if asked.len() == MOST_SPANS || asked.contains(&shows) {
                continue;
            }
            let Some(part) = Stack::of(self, |i| shows[i]) else { continue };
            for found in search(&part, &Edges::of(&part, Bar::ALONE)).0 {
                if found.score >= CONFIDENT_PARTLY
                    && detections.iter().all(|d| !d.confident || d.rect.intersect(&found.rect).is_empty())
                {
                    detections.retain(|d| d.confident || d.rect.intersect(&found.rect).is_empty());
                    detections.push(found);
                }
            }
            asked.push(shows);
        }
    }
}

/// In which frames a group of edges shows, by the share of them that agrees: `None` unless it clearly shows in some, clearly
/// not in others, and changes once: what comes and goes again is a caption, or scenery that rests.
fn shown(presence: &[f32]) -> Option<Vec<bool>> {
    let shows: Vec<bool> = presence.iter().map(|p| *p >= 0.6).collect();
    let clear = presence.iter().filter(|p| **p >= 0.8 || **p <= 0.4).count();
    let on = shows.iter().filter(|s| **s).count();
    let changes = shows.windows(2).filter(|pair| pair[0] != pair[1]).count();
    let some = on >= FEWEST_FRAMES && on as f32 >= LEAST_SHOWN * presence.len() as f32 && on < presence.len();
    (some && changes == 1 && clear as f32 >= 0.9 * presence.len() as f32).then_some(shows)
}

/// All groups of edges that persist in `stack`, judged, and the share of the picture's other edges that persist.
fn search(stack: &Stack<'_>, edges: &Edges) -> (Vec<Detection>, f32) {
    let views = stack.views();
    let looked: Vec<Looked> =
        edges.candidates().into_iter().filter_map(|candidate| look(stack, edges, candidate)).collect();
    // Other marks must not make the scene look still.
    let mut marks: Vec<&Candidate> = looked
        .iter()
        .filter(|l| l.score >= CONFIDENT && l.figures.strength > CLEAR && !l.candidate.is_cut)
        .map(|l| &l.candidate)
        .collect();
    if marks.len() > MOST_MARKS {
        marks.clear();
    }
    let rest = edges.stillness(marks.iter().copied());
    let judge = |l: &Looked| {
        let stillness = edges.stillness(marks.iter().copied().chain([&l.candidate]));
        let around =
            if l.candidate.is_cut { passed(&l.figures, views) } else { detached(&l.figures, stillness, views) };
        if around.score < l.score {
            (around.score, around.reason, stillness)
        } else {
            (l.score, l.reason.clone(), stillness)
        }
    };
    let mut judged: Vec<(f32, String, f32)> = looked.iter().map(judge).collect();
    join_lines(&looked, &mut judged, views);
    // Where scenery persists it may have joined a mark, or part of a mark may have gone with it.
    let sway = (rest > SETTLED).then(|| edges.sway(stack));
    let detections = looked
        .iter()
        .zip(judged)
        .map(|(l, (score, reason, stillness))| {
            let figures = Figures { stillness, ..l.figures.clone() };
            match sway.as_ref().filter(|_| score >= CONFIDENT).map(|sway| Extent::of(&l.candidate, edges, sway)) {
                None => detection(stack, &l.candidate, figures, (score, reason)),
                Some(Extent::Known(own)) => detection(stack, &own, figures, (score, reason)),
                Some(Extent::Open(share)) => {
                    let reason = "where it ends cannot be told from the scene".into();
                    detection(stack, &l.candidate, figures, (share, reason))
                }
            }
        })
        .collect();
    (detections, rest)
}

/// Takes what stands in a line with a sure mark for a mark as well, where it looks like one and the scene changes on all
/// sides of it: the words of a line lie on different parts of the scene, and not behind each of them it moves clearly.
fn join_lines(looked: &[Looked], judged: &mut [(f32, String, f32)], views: usize) {
    while let Some((i, score)) = (0..looked.len()).find_map(|i| {
        let own = &looked[i];
        let beside = changing(&own.figures, views).min(own.score);
        let joins = |j: usize| judged[j].0 >= CONFIDENT && in_line(own, &looked[j]);
        let open = judged[i].0 < CONFIDENT && beside >= CONFIDENT;
        let surest = (0..looked.len()).filter(|j| open && joins(*j)).map(|j| judged[j].0).fold(0.0, f32::max);
        (surest >= CONFIDENT).then_some((i, surest.min(beside)))
    }) {
        judged[i].0 = score;
    }
}

/// Whether two candidates could be words of one line: of like height and contrast, a word space apart.
fn in_line(a: &Looked, b: &Looked) -> bool {
    let (p, q) = (a.candidate.bounds, b.candidate.bounds);
    let (low, high) = (p.height().min(q.height()), p.height().max(q.height()));
    let shared = p.y1.min(q.y1).saturating_sub(p.y0.max(q.y0));
    let gap = p.x0.max(q.x0).saturating_sub(p.x1.min(q.x1));
    let (f, g) = (a.figures.strength, b.figures.strength);
    shared * 4 >= low * 3 && high <= 2 * low && gap <= low && f.min(g) > 0.6 * f.max(g)
}

/// `None` where there is too little to measure or far too much for a mark.
fn look(stack: &Stack<'_>, edges: &Edges, candidate: Candidate) -> Option<Looked> {
    let size = size_of(&candidate, stack);
    if size.share > 2.0 * LARGEST {
        return None;
    }
    let figures = measure(stack, edges, &candidate)?;
    let Verdict { score, reason } = looks(&figures, &size);
    Some(Looked { candidate, figures, score, reason })
}

/// The answer on one candidate.
fn detection(stack: &Stack<'_>, candidate: &Candidate, figures: Figures, (score, reason): (f32, String)) -> Detection {
    let b = candidate.bounds;
    let f = stack.scale.factor;
    let seen = Rect::new(b.x0 as u32 * f, b.y0 as u32 * f, b.width() as u32 * f, b.height() as u32 * f)
        .intersect(&Rect::new(0, 0, stack.scale.width, stack.scale.height));
    let span = stack.span(|i| figures.presence.get(i).is_some_and(|p| *p >= 0.5));
    if score < CONFIDENT {
        let mask = Mask::rectangle(seen);
        return Detection { rect: seen, mask, score, confident: false, reason, span, figures };
    }
    let mask = support(stack, candidate).unwrap_or_else(|| Mask::rectangle(seen));
    Detection { rect: mask.rect(), mask, score, confident: true, reason: String::new(), span, figures }
}

/// What is found in `region`: the union of all groups of edges there that the scene does not explain.
fn within(stack: &Stack<'_>, whole: &Edges, views: usize, region: Rect) -> Option<Detection> {
    let f = stack.scale.factor;
    let mut edges = whole.clone();
    edges.restrict(|x, y| region.contains(x as u32 * f, y as u32 * f));
    let groups = edges.candidates();
    let mut all: Option<Detection> = None;
    for candidate in &groups {
        let Some(figures) = measure(stack, &edges, candidate) else { continue };
        // The rest of the region may be mark as well: only what lies outside of it tells whether the scene is still.
        let stillness = whole.stillness(groups.iter());
        let Verdict { score, reason } = vouched(&figures, stillness, views);
        if score < CONFIDENT {
            continue;
        }
        let figures = Figures { stillness, ..figures };
        let found = detection(stack, candidate, figures, (score, reason));
        all = Some(match all {
            None => found,
            Some(first) => joined(first, found),
        });
    }
    let mut found = all?;
    let inside = found.mask.within(&Mask::rectangle(region)).trimmed();
    (!inside.is_empty()).then(|| {
        found.rect = inside.rect();
        found.mask = inside;
        found
    })
}

/// Two pieces of one mark; the figures are those of the larger.
fn joined(a: Detection, b: Detection) -> Detection {
    let mask = a.mask.union(&b.mask).trimmed();
    let span = a.span.start.min(b.span.start)..a.span.end.max(b.span.end);
    let score = a.score.max(b.score);
    let larger = if a.figures.seeds >= b.figures.seeds { a } else { b };
    Detection { rect: mask.rect(), mask, score, span, ..larger }
}

fn size_of(candidate: &Candidate, stack: &Stack<'_>) -> Size {
    let b = candidate.bounds;
    let (w, h) = stack.scale.size(0);
    Size {
        is_rim: is_rim(b, (w, h)),
        width: b.width() as u32 * stack.scale.factor,
        height: b.height() as u32 * stack.scale.factor,
        share: b.area() as f32 / (w * h).max(1) as f32,
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

#[cfg(test)]
mod tests;
