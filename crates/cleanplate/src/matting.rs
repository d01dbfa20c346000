//! The rest of pass 1: marks that let the picture through get their matte, solved from the clip itself or given, and the
//! times at which it is shown.

use std::ops::Range;

use cleanplate_core::matte::{Gain, MatteEvidence, Solution, Visits, full_gain, gain_at, ramps};
use cleanplate_core::{FrameIdx, Mask, Matte, Raster, Rect};

use crate::analyse::{candidates, visit};
use crate::error::Result;
use crate::footage::Footage;
use crate::masks::{MaskFolder, MaskRef};
use crate::mattes::{MatteFile, MatteRef};
use crate::observer::{Event, Phase};
use crate::options::{Options, Tier};
use crate::plan::{Mark, MarkSource};
use crate::watch::Watch;

/// Frames that are looked at for each mark (restoration notes, section 1: more bring nothing).
const FRAMES: usize = 160;

/// Frames below which a mark cannot be told from what lies behind it.
const FEWEST: u64 = 8;

/// Rounds of looking closer at where a mark comes or goes, and frames of each.
const ROUNDS: usize = 3;

/// Gains of neighbouring looks that differ by more than this have a change between them.
const CHANGE: f32 = 0.2;

/// A frame shows all of a mark from this gain on; fewer such frames than this are no ground to solve its matte on.
const FULL: f32 = 0.9;
const FEWEST_FULL: usize = 16;

/// Its edges alone are this clear at least, where it is shown at all: how clear depends on what lies behind it.
const PRESENT: f32 = 0.5;

/// A solved matte of which the frames that show most of it show less than this is not the mark's.
const LEAST_SHOWN: f32 = 0.75;

/// A given matte whose gain differs by less from 1 is right as it is.
const AS_GIVEN: f32 = 0.08;

/// A mark that is looked at.
struct Case {
    /// Its place in the list of marks.
    mark: usize,
    evidence: MatteEvidence,
    /// Its matte where that was given.
    given: Option<MatteFile>,
}

/// Solves the mattes of those of `marks` that stand still, narrows their masks to what the mattes change, and finds out
/// when marks with a matte are shown.
pub(crate) fn solve(
    footage: &dyn Footage,
    options: &Options,
    marks: &mut [Mark],
    folder: &mut MaskFolder,
    watch: &mut Watch<'_>,
) -> Result<()> {
    if !options.tiers.contains(&Tier::Unblend) {
        return Ok(());
    }
    let (size, format) = (footage.clip().size, footage.clip().format);
    let mut cases = Vec::new();
    for (n, mark) in marks.iter().enumerate() {
        let is_given = mark.from == MarkSource::Matte;
        let given = mark.matte.as_ref().filter(|_| is_given).map(|name| name.load(folder.folder())).transpose()?;
        let mask = match &given {
            Some(file) => file.matte.mask(),
            None if is_still(mark) => whole(mark, folder)?,
            None => continue,
        };
        cases.push(Case { mark: n, evidence: MatteEvidence::new(&mask, format, size), given });
    }
    if cases.is_empty() {
        return Ok(());
    }
    let frames = looks(footage, cases.iter().map(|case| &marks[case.mark].span));
    watch.begin(Phase::Solve, frames.len() as u64, 0)?;
    visit(footage, options, &frames, 0, watch, &mut |frame| {
        for case in cases.iter_mut().filter(|case| marks[case.mark].span.contains(&frame.idx)) {
            case.evidence.observe(&frame);
        }
    })?;
    for Case { mark, evidence, given } in cases {
        watch.poll()?;
        let mark = &mut marks[mark];
        let mut solved = match given {
            Some(file) => Solved::given(&file, &evidence),
            None => Solved::new(solution(&evidence)),
        };
        if solved.matte.is_none() && mark.from == MarkSource::Region {
            solved.opaque = evidence.opaque();
            solved.visits = if solved.opaque.is_none() { evidence.visits() } else { None };
        }
        solved.time(footage, options, evidence, watch)?;
        let verdict = if solved.matte.is_some() { "solved" } else { "no matte" };
        watch.tell(Event::info(format!("matte of mark {}: {verdict}: {}", mark.id, solved.reason)));
        solved.write(mark, size, folder)?;
    }
    watch.end();
    Ok(())
}

/// What the matte of a mark is that stands still in `footage`, on all frames, within `mask`.
pub(crate) fn solved(footage: &dyn Footage, options: &Options, mask: &Mask, watch: &mut Watch<'_>) -> Result<Solved> {
    let clip = footage.clip();
    let mut evidence = MatteEvidence::new(mask, clip.format, clip.size);
    let frames = candidates(footage.count(), FRAMES, |idx| footage.is_key(idx));
    watch.begin(Phase::Solve, frames.len() as u64, 0)?;
    visit(footage, options, &frames, 0, watch, &mut |frame| evidence.observe(&frame))?;
    let mut solved = Solved::new(solution(&evidence));
    solved.time(footage, options, evidence, watch)?;
    watch.end();
    Ok(solved)
}

/// The matte as all frames tell it or, where they contradict each other, as those do that clearly show a mark.
fn solution(evidence: &MatteEvidence) -> Solution {
    let solution = evidence.solve();
    if solution.matte.is_some() {
        return solution;
    }
    let presence = evidence.presence();
    let Some(full) = full_gain(&presence).filter(|full| *full > 0.0) else { return solution };
    let shown = evidence.of_some(|idx| presence.iter().any(|gain| gain.idx == idx && gain.value >= PRESENT * full));
    if shown.frames() < FEWEST_FULL || shown.frames() == evidence.frames() {
        return solution;
    }
    let again = shown.solve();
    if again.matte.is_some() {
        return again;
    }
    let reason =
        format!("{}; on the {} frames that seem to show it: {}", solution.reason, shown.frames(), again.reason);
    Solution { reason, ..solution }
}

/// What is known of a mark once its matte is settled.
pub(crate) struct Solved {
    pub(crate) matte: Option<Matte>,
    is_given: bool,
    pub(crate) mask: Mask,
    pub(crate) alpha: f32,
    pub(crate) noise: Vec<Raster<f32>>,
    pub(crate) gain: Vec<(FrameIdx, f32)>,
    /// Without a matte: the mark itself, where it is opaque and can be told from the scene.
    opaque: Option<Mask>,
    /// Without either: one that comes and goes before a still camera.
    visits: Option<Visits>,
    pub(crate) reason: String,
}

impl Solved {
    fn new(Solution { matte, mask, alpha, reason, .. }: Solution) -> Self {
        Self {
            matte,
            is_given: false,
            mask,
            alpha,
            noise: Vec::new(),
            gain: Vec::new(),
            opaque: None,
            visits: None,
            reason,
        }
    }

    fn given(file: &MatteFile, evidence: &MatteEvidence) -> Self {
        let matte = file.matte.over(evidence.rect());
        let reason = format!("opacity {:.2}, as given", file.alpha);
        let (noise, gain) = (Vec::new(), Vec::new());
        Self {
            mask: matte.mask(),
            matte: Some(matte),
            is_given: true,
            alpha: file.alpha,
            noise,
            gain,
            opaque: None,
            visits: None,
            reason,
        }
    }

    /// Finds out when the mark is shown and how strongly, and what computing it away leaves behind.
    fn time(
        &mut self,
        footage: &dyn Footage,
        options: &Options,
        evidence: MatteEvidence,
        watch: &mut Watch<'_>,
    ) -> Result<()> {
        if let Some(visits) = &self.visits {
            let mut gains = visits.gains(&evidence);
            look_closer(&mut gains, &|near| visits.gains(near), (footage, options, &evidence), watch)?;
            self.gain = ramps(&gains);
            return Ok(());
        }
        let Some(matte) = &self.matte else { return Ok(()) };
        let mut gains = evidence.gains(matte);
        let full = full_gain(&gains).filter(|full| *full > 0.0);
        let mut shown = None;
        if let Some(full) = full.filter(|full| !self.is_given && *full < LEAST_SHOWN) {
            self.matte = None;
            self.alpha = 0.0;
            self.reason = format!("the frames show {full:.2} of the matte that all of them tell of ({})", self.reason);
            return Ok(());
        }
        if let Some(full) = full {
            gains.iter_mut().for_each(|gain| gain.value /= full);
            if self.is_given && (full - 1.0).abs() > AS_GIVEN {
                self.rescale(full);
            }
            if !ramps(&gains).is_empty() {
                let is_full = |idx| gains.iter().any(|gain| gain.idx == idx && gain.value >= FULL);
                let fully = &*shown.insert(evidence.of_some(is_full));
                self.time_fades(&mut gains, fully, (footage, options, &evidence), watch)?;
            }
        }
        let shown = shown.unwrap_or(evidence);
        self.noise = self.matte.as_ref().map(|matte| shown.residual(matte)).unwrap_or_default();
        Ok(())
    }

    /// The mark of a given matte is shown by `full` of it at most.
    fn rescale(&mut self, full: f32) {
        self.matte = self.matte.as_ref().map(|matte| matte.scaled(full));
        self.alpha *= full;
        self.reason = format!("{}, shown by {full:.2} of that", self.reason);
    }

    /// As [`time`](Self::time) for a mark that is not shown alike on all frames; `shown` has those that show it fully.
    fn time_fades(
        &mut self,
        gains: &mut Vec<Gain>,
        shown: &MatteEvidence,
        (footage, options, evidence): (&dyn Footage, &Options, &MatteEvidence),
        watch: &mut Watch<'_>,
    ) -> Result<()> {
        if !self.is_given && shown.frames() >= FEWEST_FULL {
            let again = shown.solve();
            if let Some(matte) = &again.matte {
                *gains = evidence.gains(matte);
                *self = Self::new(again);
            }
        }
        let Some(matte) = &self.matte else { return Ok(()) };
        look_closer(gains, &|near| near.gains(matte), (footage, options, evidence), watch)?;
        self.gain = ramps(gains);
        Ok(())
    }

    /// Writes what was found out into the mark.
    fn write(self, mark: &mut Mark, size: (u32, u32), folder: &mut MaskFolder) -> Result<()> {
        mark.reason = if mark.reason.is_empty() { self.reason } else { format!("{}; {}", mark.reason, self.reason) };
        let Some(matte) = self.matte else {
            return match (self.opaque, self.visits) {
                (Some(mask), _) => narrow(mark, &mask, "an opaque mark was found inside", folder),
                (None, Some(visits)) if !self.gain.is_empty() => {
                    narrow(mark, &visits.mask, "an opaque mark comes and goes inside", folder)?;
                    mark.keys = while_shown(mark, &self.gain, folder.keep(&Mask::empty())?)?;
                    tell_runs(mark);
                    Ok(())
                }
                _ => Ok(()),
            };
        };
        let (mut keys, mut area) = (Vec::with_capacity(mark.keys.len()), 0);
        for (idx, name) in &mark.keys {
            let mask = folder.load(name)?;
            let mut kept = mask.within(&self.mask);
            if !self.is_given && !mark.from.is_rectangle() {
                kept = kept.union(&parts_beside(&mask, &self.mask, size));
            }
            area = area.max(kept.area());
            keys.push((*idx, folder.keep(&kept)?));
        }
        if area == 0 {
            return Ok(());
        }
        let file = MatteFile { matte, frame: size, noise: self.noise, alpha: self.alpha };
        mark.matte = Some(MatteRef { gain: self.gain, ..file.keep(folder.folder())? });
        mark.rect = keys.iter().fold(Rect::default(), |all, (_, name)| all.union(&name.rect));
        let masks = std::mem::replace(&mut mark.keys, keys);
        if mark.without_matte.is_empty() {
            mark.without_matte = masks;
        }
        let gain = mark.matte.as_ref().map(|matte| matte.gain.clone()).unwrap_or_default();
        mark.keys = while_shown(mark, &gain, folder.keep(&Mask::empty())?)?;
        if !gain.is_empty() {
            tell_runs(mark);
        }
        mark.area = area;
        Ok(())
    }
}

/// Narrows a place that the user gave to the opaque mark that was found inside.
fn narrow(mark: &mut Mark, found: &Mask, what: &str, folder: &mut MaskFolder) -> Result<()> {
    let mut area = 0;
    for (_, name) in &mut mark.keys {
        let mask = folder.load(name)?;
        let kept = mask.within(found);
        area = area.max(kept.area());
        *name = folder.keep(&kept)?;
    }
    mark.reason = format!("{}; {what}: {area} of {} pixels", mark.reason, mark.area);
    mark.rect = mark.keys.iter().fold(Rect::default(), |all, (_, name)| all.union(&name.rect));
    mark.area = area;
    mark.recognised = true;
    Ok(())
}

/// Adds to the reason on which frames a mark is shown.
fn tell_runs(mark: &mut Mark) {
    let ends = mark.keys.iter().map(|(idx, _)| *idx).chain([mark.span.end]).skip(1);
    let runs = mark.keys.iter().zip(ends).filter(|((_, name), _)| !name.rect.is_empty());
    let runs: Vec<String> = runs.map(|((start, _), end)| format!("{start}..{end}")).collect();
    mark.reason = format!("{}; shown in frames {}", mark.reason, runs.join(", "));
}

/// Adds what `measure` says of frames at which a mark comes or goes, until they lie next to each other.
fn look_closer(
    gains: &mut Vec<Gain>,
    measure: &dyn Fn(&MatteEvidence) -> Vec<Gain>,
    (footage, options, evidence): (&dyn Footage, &Options, &MatteEvidence),
    watch: &mut Watch<'_>,
) -> Result<()> {
    for _ in 0..ROUNDS {
        let closer = changes(gains);
        if closer.is_empty() {
            break;
        }
        let mut near = evidence.of_some(|_| false);
        watch.begin(Phase::Solve, closer.len() as u64, 0)?;
        visit(footage, options, &closer, 0, watch, &mut |frame| near.observe(&frame))?;
        gains.extend(measure(&near));
        gains.sort_by_key(|gain| gain.idx);
    }
    Ok(())
}

/// The masks of a mark, which are `nothing` while it is not shown at all by its `gain` over time.
fn while_shown(mark: &Mark, gain: &[(FrameIdx, f32)], nothing: MaskRef) -> Result<Vec<(FrameIdx, MaskRef)>> {
    if gain.is_empty() {
        return Ok(mark.keys.clone());
    }
    let track = mark.track()?;
    let mut keys: Vec<(FrameIdx, MaskRef)> = Vec::new();
    for idx in mark.span.clone() {
        let name = if gain_at(gain, idx) > 0.0 { track.at(idx) } else { Some(&nothing) };
        if let Some(name) = name.filter(|name| keys.last().is_none_or(|(_, last)| last != *name)) {
            keys.push((idx, name.clone()));
        }
    }
    Ok(keys)
}

/// Frames between looks of which the gains say that the mark comes or goes there.
fn changes(gains: &[Gain]) -> Vec<FrameIdx> {
    let gaps: Vec<Range<FrameIdx>> = gains
        .windows(2)
        .filter(|pair| (pair[0].value - pair[1].value).abs() > CHANGE)
        .map(|pair| pair[0].idx + 1..pair[1].idx)
        .filter(|gap| !gap.is_empty())
        .collect();
    let total: u64 = gaps.iter().map(|gap| gap.end - gap.start).sum();
    let step = total.div_ceil(FRAMES as u64).max(1);
    gaps.into_iter().flat_map(|gap| gap.skip((step / 2) as usize).step_by(step as usize)).collect()
}

/// Whether a mark may be translucent and stays where it is: what a matte needs.
fn is_still(mark: &Mark) -> bool {
    let named = matches!(mark.from, MarkSource::Region | MarkSource::Mask | MarkSource::Located | MarkSource::Detected);
    let whole = |(_, mask): &(FrameIdx, MaskRef)| mask.rect == mark.rect;
    // The masks of one that roams lie apart, are wider at the ends of a stay, or empty between stays; a place that the user gave
    // may be cut by what must be kept.
    let stays = match mark.from {
        MarkSource::Located | MarkSource::Detected => mark.keys.iter().all(whole),
        _ => mark.keys.iter().any(whole) && mark.keys.iter().all(|(_, mask)| !mask.rect.is_empty()),
    };
    mark.enabled
        && mark.matte.is_none()
        && mark.view.is_none()
        && named
        && stays
        && mark.span.end - mark.span.start >= FEWEST
}

/// Everything that a mark's masks cover.
fn whole(mark: &Mark, folder: &mut MaskFolder) -> Result<Mask> {
    mark.keys.iter().try_fold(Mask::empty(), |all, (_, name)| Ok(all.union(&*folder.load(name)?)))
}

/// Frames spread over the spans of all marks.
fn looks<'a>(footage: &dyn Footage, spans: impl Iterator<Item = &'a Range<FrameIdx>>) -> Vec<FrameIdx> {
    let mut frames: Vec<FrameIdx> = spans
        .flat_map(|span| {
            let inside = candidates(span.end - span.start, FRAMES, |idx| footage.is_key(span.start + idx));
            inside.into_iter().map(move |idx| span.start + idx)
        })
        .collect();
    frames.sort_unstable();
    frames.dedup();
    frames
}

/// What of a located or drawn `mask` is a part of the mark that the matte does not know: more than the margin around what
/// the matte changes.
pub(crate) fn parts_beside(mask: &Mask, changed: &Mask, (w, h): (u32, u32)) -> Mask {
    let beside = mask.without(&changed.dilated(1, w, h)).trimmed();
    if beside.is_empty() {
        return beside;
    }
    // Opened by a square of 3: what is thinner is margin.
    let outside = Mask::rectangle(beside.rect().grow(1, w, h)).without(&beside);
    let core = beside.without(&outside.dilated(1, w, h));
    let grown = core.dilated(1, w, h);
    beside.within(&grown)
}

#[cfg(test)]
mod tests {
    use super::*;
    use cleanplate_core::Rect;

    #[test]
    fn looks_go_where_neighbouring_gains_differ() {
        let gains: Vec<Gain> = [(0, 1.0), (10, 0.98), (20, 0.4), (30, 0.0), (40, 0.02)]
            .map(|(idx, value)| Gain { idx, value, error: 0.02 })
            .to_vec();
        assert_eq!(changes(&gains), (11..20).chain(21..30).collect::<Vec<_>>());
        let far = [Gain { idx: 0, value: 0.0, error: 0.02 }, Gain { idx: 5001, value: 1.0, error: 0.02 }];
        let looks = changes(&far);
        assert!(looks.len() <= FRAMES && looks.is_sorted() && looks[0] > 0 && *looks.last().unwrap() > 4900);
    }

    #[test]
    fn a_part_of_the_mark_beside_its_matte_stays_in_the_mask_and_the_margin_does_not() {
        let size = (100, 100);
        let mark = Mask::rectangle(Rect::new(20, 20, 30, 10));
        let dot = Mask::rectangle(Rect::new(54, 20, 3, 3));
        let located = mark.union(&dot).dilated(3, size.0, size.1);
        let rest = parts_beside(&located, &mark, size);
        assert!((20..23).all(|y| (54..57).all(|x| rest.at(x, y) > 0)), "the dot");
        assert!((10..50).all(|x| (10..40).all(|y| rest.at(x, y) == 0)), "the margin");
        assert!(parts_beside(&mark.dilated(3, 100, 100), &mark, size).is_empty());
    }
}
