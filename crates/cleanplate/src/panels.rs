//! The rest of pass 1 for captions on a translucent panel: its matte is solved from the frames at which the caption comes and goes,
//! so that only the letters are holes.
//!
//! Knows which frames are worth a look, and what becomes of a mark's masks. Refuses to know how a matte is fitted.

use std::ops::Range;

use cleanplate_core::caption::Caption;
use cleanplate_core::matte::{Panel, PanelFit};
use cleanplate_core::{Frame, FrameIdx, Mask, Matte, Origin, Raster, Rect};

use crate::error::{Error, Result};
use crate::footage::Footage;
use crate::marks::Keeps;
use crate::masks::{MaskFolder, MaskRef};
use crate::mattes::MatteFile;
use crate::networks::placement;
use crate::observer::{Event, Phase};
use crate::options::{Options, Tier};
use crate::origins::origin_gray;
use crate::plan::Mark;
use crate::restore::{Means, Restoration};
use crate::watch::Watch;

/// Frames from an end inwards that are looked at: a step is told from a fade by the first, and borrowing reaches 12 frames ahead.
const LOOKS: [u64; 4] = [0, 2, 6, 11];

/// The farthest frame from an end that is looked at where a panel fades.
const LONGEST_FADE: u64 = 11;

/// A frame shows all of a panel from this gain on: right fits give .97 to 1.02 in `benches/captions`.
const FULL: f32 = 0.93;

/// Bytes of looks that are held at most: what one panel has at least is looked at whatever it takes.
const HELD_BYTES: u64 = 256 << 20;

/// Luma samples of all panels of a clip that are computed, since the second pass holds their mattes: 300 MB of them, which is about
/// 110 rows of letters at 1080p, 450 at 480p. Later ones are holes.
const MOST_SAMPLES: u64 = 1 << 24;

/// The panel of a caption that became some marks.
pub(crate) struct Backing {
    /// Their places in the list of marks.
    pub(crate) marks: Vec<usize>,
    /// All of it with the letters, and the letters from which frame on.
    plate: MaskRef,
    letters: Vec<(FrameIdx, MaskRef)>,
}

impl Backing {
    /// That of `caption`, if it has one, as the marks at `marks`; `mask` makes masks of cells, which are kept in `folder`.
    pub(crate) fn of(
        caption: &Caption,
        marks: Range<usize>,
        mask: &dyn Fn(&Raster<bool>) -> Mask,
        folder: &mut MaskFolder,
    ) -> Result<Option<Self>> {
        let Some((plate, letters)) = &caption.plate else { return Ok(None) };
        let letters = letters.iter().map(|(idx, cells)| Ok((*idx, folder.keep(&mask(cells))?)));
        let letters = letters.collect::<Result<_>>()?;
        Ok(Some(Self { marks: marks.collect(), plate: folder.keep(&mask(plate))?, letters }))
    }

    /// The letters on a frame.
    fn letters_at(&self, idx: FrameIdx, folder: &mut MaskFolder) -> Result<Mask> {
        let at = self.letters.partition_point(|key| key.0 <= idx).saturating_sub(1);
        self.letters.get(at).map_or_else(|| Ok(Mask::empty()), |(_, name)| Ok((*folder.load(name)?).clone()))
    }
}

/// A mark whose panel is looked at.
struct Case<'a> {
    mark: usize,
    backing: &'a Backing,
    panel: Panel,
    fit: Option<PanelFit>,
    gains: Vec<(FrameIdx, f32)>,
}

/// Solves the mattes of panels behind captions among `marks` and narrows the masks to letters and what the mattes change.
pub(crate) fn solve(
    footage: &dyn Footage,
    options: &Options,
    marks: &mut [Mark],
    backings: &[Backing],
    folder: &mut MaskFolder,
    watch: &mut Watch<'_>,
) -> Result<()> {
    let wanted = [Tier::Unblend, Tier::Borrow].iter().all(|tier| options.tiers.contains(tier));
    if backings.is_empty() || !wanted {
        return Ok(());
    }
    let (size, format) = (footage.clip().size, footage.clip().format);
    let (mut cases, mut held, mut samples, mut sound) = (Vec::new(), 0, 0, Vec::new());
    for backing in backings {
        let mut letters = Mask::empty();
        for (_, name) in &backing.letters {
            letters = letters.union(&*folder.load(name)?);
        }
        let plate = folder.load(&backing.plate)?;
        for n in backing.marks.iter().copied() {
            let mark = &mut marks[n];
            let Some(panel) = Panel::new(&plate, &letters, format, size).filter(|_| mark.matte.is_none()) else {
                continue;
            };
            samples += panel.rect().area();
            if samples > MOST_SAMPLES {
                mark.reason =
                    format!("{}; its panel is a hole: the clip has more of them than are computed", mark.reason);
                continue;
            }
            let bytes = panel.bytes(LOOKS.len().max(LONGEST_FADE as usize + 1) * 2);
            if held > 0 && held + bytes > HELD_BYTES {
                solve_some(footage, options, marks, std::mem::take(&mut cases), &mut sound, folder, watch)?;
                held = 0;
            }
            held += bytes;
            cases.push(Case { mark: n, backing, panel, fit: None, gains: Vec::new() });
        }
    }
    solve_some(footage, options, marks, cases, &mut sound, folder, watch)
}

/// Solves some of them; `sound` are the fits so far that are to be believed.
fn solve_some(
    footage: &dyn Footage,
    options: &Options,
    marks: &mut [Mark],
    mut cases: Vec<Case<'_>>,
    sound: &mut Vec<PanelFit>,
    folder: &mut MaskFolder,
    watch: &mut Watch<'_>,
) -> Result<()> {
    let size = footage.clip().size;
    observe(footage, options, marks, &mut cases, folder, watch, &|case, marks| ends(&marks[case.mark].span, &LOOKS))?;
    for case in &mut cases {
        let span = &marks[case.mark].span;
        let innermost = |idx| !ends(span, &LOOKS[..LOOKS.len() - 1]).contains(&idx);
        case.fit_on(&innermost);
        if case.fit.is_none() {
            // The scene may have moved too far by then. All looks agree on one fit only where the panel comes and goes at once.
            case.fit_on(&|_| true);
            if case.gains.iter().any(|(_, gain)| *gain < FULL) {
                (case.fit, case.gains) = (None, Vec::new());
            }
        }
    }
    // Where a panel fades, every frame of the fade is looked at.
    observe(footage, options, marks, &mut cases, folder, watch, &|case, marks| case.fades(&marks[case.mark].span))?;
    for case in &mut cases {
        if let Some(fit) = &case.fit {
            case.gains = case.panel.gains(fit);
            case.fit_on_full();
        }
    }
    sound.extend(cases.iter().filter_map(|case| case.fit).filter(|fit| Panel::judge(fit).is_ok()));
    let usual = PanelFit::joined(sound.iter());
    let keeps = Keeps::new(options, footage.clip());
    for mut case in cases {
        let verdict = case.settle(usual.as_ref());
        let mark = &mut marks[case.mark];
        let words = match verdict {
            Ok((matte, fit)) => {
                write(mark, &case, &matte, &fit, (size, &keeps), folder)?;
                format!("its panel has opacity {:.2} and is computed away", 1.0 - fit.keep)
            }
            Err(reason) => format!("its panel is a hole: {reason}"),
        };
        watch.tell(Event::info(format!("mark {}: {words}", mark.id)));
        mark.reason = format!("{}; {words}", mark.reason);
    }
    Ok(())
}

impl Case<'_> {
    fn fit_on(&mut self, wanted: &dyn Fn(FrameIdx) -> bool) {
        self.fit = self.panel.fit(wanted);
        self.gains = self.fit.as_ref().map(|fit| self.panel.gains(fit)).unwrap_or_default();
    }

    /// Once more on all frames that show all of it.
    fn fit_on_full(&mut self) {
        let gains = std::mem::take(&mut self.gains);
        let is_full = |idx| gains.iter().any(|(at, gain)| *at == idx && *gain >= FULL);
        if let Some(fit) = self.panel.fit(is_full) {
            self.gains = self.panel.gains(&fit);
            self.fit = Some(fit);
        } else {
            self.gains = gains;
        }
    }

    fn gain_of(&self, idx: FrameIdx) -> Option<f32> {
        self.gains.iter().find(|(at, _)| *at == idx).map(|(_, gain)| *gain)
    }

    /// Frames at the ends of `span` that were not looked at and on which the panel comes or goes little by little.
    fn fades(&self, span: &Range<FrameIdx>) -> Vec<FrameIdx> {
        let first = [span.start, span.end - 1];
        let fades = first.map(|idx| self.fit.is_some() && self.gain_of(idx).is_some_and(|gain| gain < FULL));
        let all: Vec<u64> = (0..=LONGEST_FADE).collect();
        let inside = ends(span, &all).into_iter().filter(|idx| self.gain_of(*idx).is_none());
        let near = |idx: &FrameIdx, n: usize| fades[n] && idx.abs_diff(first[n]) <= LONGEST_FADE;
        inside.filter(|idx| near(idx, 0) || near(idx, 1)).collect()
    }

    /// The matte by the own fit or, where that knows too little, by what is `usual` in the clip.
    fn settle(&mut self, usual: Option<&PanelFit>) -> std::result::Result<(Matte, PanelFit), String> {
        let is_full = |idx| self.gains.iter().any(|(at, gain)| *at == idx && *gain >= FULL);
        let fit = match (self.fit, usual) {
            (Some(own), Some(usual)) if self.panel.agrees(usual, own.off, is_full) => *usual,
            (Some(own), _) => Panel::judge(&own).map(|()| own)?,
            // What little is seen need not contradict it.
            (None, Some(usual)) if self.panel.agrees(usual, usual.off, |_| true) => *usual,
            (None, _) => return Err("too little of what lies behind it is seen".to_owned()),
        };
        self.gains = self.panel.gains(&fit);
        let matte = self.panel.matte(&fit, &self.gains)?;
        Ok((matte, fit))
    }

    /// The curve of gain over the frames of `span`; empty where it comes and goes at once.
    fn curve(&self, span: &Range<FrameIdx>) -> Vec<(FrameIdx, f32)> {
        let middle = span.start + (span.end - span.start) / 2;
        let mut knots = self.gains.clone();
        knots.iter_mut().filter(|knot| knot.1 >= FULL).for_each(|knot| knot.1 = 1.0);
        let (before, after) = knots.split_at_mut(self.gains.partition_point(|(idx, _)| *idx < middle));
        // From the ends inwards it only grows: what falls is an error of measurement.
        rise(before.iter_mut());
        rise(after.iter_mut().rev());
        if knots.iter().all(|(_, gain)| *gain >= 1.0) { Vec::new() } else { knots }
    }
}

/// Lets gains never fall along `knots`.
fn rise<'a>(knots: impl Iterator<Item = &'a mut (FrameIdx, f32)>) {
    let mut most = 0.0f32;
    for (_, gain) in knots {
        most = most.max(*gain);
        *gain = most;
    }
}

/// The frames that lie `steps` inwards of both ends of a span.
fn ends(span: &Range<FrameIdx>, steps: &[u64]) -> Vec<FrameIdx> {
    let half = (span.end - span.start) / 2;
    let inside = steps.iter().filter(|step| **step <= half && span.start + **step < span.end);
    let mut frames: Vec<FrameIdx> = inside.flat_map(|step| [span.start + step, span.end - 1 - step]).collect();
    frames.sort_unstable();
    frames.dedup();
    frames
}

/// Shows every case its `wanted` frames, with what lies behind its panel as borrowing has it.
fn observe(
    footage: &dyn Footage,
    options: &Options,
    marks: &[Mark],
    cases: &mut [Case<'_>],
    folder: &mut MaskFolder,
    watch: &mut Watch<'_>,
    wanted: &dyn Fn(&Case<'_>, &[Mark]) -> Vec<FrameIdx>,
) -> Result<()> {
    let frames: Vec<Vec<FrameIdx>> = cases.iter().map(|case| wanted(case, marks)).collect();
    let mut all: Vec<FrameIdx> = frames.iter().flatten().copied().collect();
    all.sort_unstable();
    all.dedup();
    if all.is_empty() {
        return Ok(());
    }
    // All of a panel and what is around it is a hole.
    let mut probed = marks.to_vec();
    for case in cases.iter() {
        let name = folder.keep(&Mask::rectangle(case.panel.rect()))?;
        let mark = &mut probed[case.mark];
        mark.keys = vec![(mark.span.start, name)];
    }
    let clip = footage.clip();
    let means = Means { tiers: vec![Tier::Borrow], fill_model: None, placement: placement(options, watch) };
    let bytes = clip.format.bytes(clip.size.0, clip.size.1);
    let mut restoration = Restoration::of_what_is_seen(&probed, MaskFolder::new(folder.folder()), &means, bytes)?;
    let runs: Vec<Range<FrameIdx>> = all.iter().map(|idx| *idx..*idx + 1).collect();
    watch.begin(Phase::Solve, all.len() as u64, 0)?;
    let (mut reader, mut done) = (footage.frames(options.decoder_threads.unwrap_or(0))?, 0);
    restoration.over(&mut *reader, &runs, footage.count(), &mut |seen: &Frame, behind: Frame, restored| {
        let borrowed = origin_gray(Origin::Borrowed);
        let map = restored.origin_map.as_ref();
        let known = |x: u32, y: u32| map.is_some_and(|map| map.at(x, y) == borrowed);
        for (case, _) in cases.iter_mut().zip(&frames).filter(|(_, frames)| frames.contains(&seen.idx)) {
            case.panel.observe(seen, &behind, known);
        }
        done += 1;
        if watch.progress(done).is_break() { Err(Error::Cancelled) } else { Ok(()) }
    })?;
    watch.end();
    Ok(())
}

/// Writes a matte into its mark: what it changes is a hole with the letters, and where it is not used all that was one before.
fn write(
    mark: &mut Mark,
    case: &Case<'_>,
    matte: &Matte,
    fit: &PanelFit,
    (size, keeps): ((u32, u32), &Keeps),
    folder: &mut MaskFolder,
) -> Result<()> {
    let changed = matte.mask();
    let (mut keys, mut area): (Vec<(FrameIdx, MaskRef)>, u64) = (Vec::new(), 0);
    for (idx, name) in &mark.keys {
        let letters = folder.load(name)?.within(&case.backing.letters_at(*idx, folder)?);
        let mask = keeps.apply(&changed, *idx).union(&letters);
        area = area.max(mask.area());
        keys.push((*idx, folder.keep(&mask)?));
    }
    let noise = case.panel.noise(matte);
    let file = MatteFile { matte: matte.clone(), frame: size, noise, alpha: 1.0 - fit.keep };
    let mut kept = file.keep(folder.folder())?;
    kept.gain = case.curve(&mark.span);
    mark.matte = Some(kept);
    let before = std::mem::replace(&mut mark.keys, keys);
    mark.without_matte = before;
    mark.area = area;
    mark.rect = mark.keys.iter().fold(Rect::default(), |all, (_, name)| all.union(&name.rect));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_lie_at_both_ends_and_inside_of_a_span() {
        assert_eq!(ends(&(8..42), &LOOKS), [8, 10, 14, 19, 30, 35, 39, 41]);
        assert_eq!(ends(&(5..10), &LOOKS), [5, 7, 9], "a short one");
    }
}
