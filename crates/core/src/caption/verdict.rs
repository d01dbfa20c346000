//! Whether letters are laid over the picture or belong to the scene.

use std::ops::Range;

use crate::frame::FrameIdx;

use super::life::Life;

/// What is asked of a caption.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// Frames that it is shown at least.
    pub shortest: u64,
    /// What is shown on the whole clip, for so many frames or more, is a mark.
    pub persistent: u64,
}

/// What is shown this many times as long is a mark, too, wherever it stands and though it comes or goes: a minute, where six
/// seconds are persistent. Titles of chapters were seen for half of that.
const ENDLESS: u64 = 10;

/// On clips that are too short to tell, marks are told by their place: within this part of the width and of the height from a
/// corner. Captions and titles that fill a short clip reach farther towards its middle.
const CORNER: f32 = 0.25;

/// What is thought of letters, and why.
#[derive(Clone, Debug)]
pub(super) struct Verdict {
    pub(super) taken: bool,
    /// Nothing speaks against it, and nothing for it.
    pub(super) is_open: bool,
    pub(super) reason: String,
}

impl Verdict {
    const fn taken(reason: String) -> Self {
        Self { taken: true, is_open: false, reason }
    }

    pub(super) const fn refused(reason: String) -> Self {
        Self { taken: false, is_open: false, reason }
    }
}

/// Letters that move lose more than this part of their cells over their life.
const CONSTANT: f32 = 0.6;

/// Letters that come or go change so many codes more than the scene around them (fewer where that changes by less than `STILL`:
/// grey letters on a wall change 5 to 8 codes where it changes .2 to .6), and by this factor: where the segmenter is in doubt, and
/// where it is clear.
const JUMP: [f32; 2] = [8.0, 3.0];
const STEEPER: [f32; 2] = [3.0, 1.6];
const STILL: f32 = 1.0;

/// What is drawn at letters is alike after several looks by so much of a correlation at least, and by this much more than what is
/// drawn around them; by less where so many looks were compared. Captions of benches/captions that move over the scene have .98 to
/// .27 against .2 to -.05, signs and lamps of tokyo .35 to 0 against .26 to 0.
/// Around them nothing may be left of what was drawn: beside the markings of a road before a still camera .37 to .60 are, however
/// many cars pass.
const LASTING: f32 = 0.25;
const GONE: f32 = 0.3;
const OUTLASTS: [f32; 2] = [0.25, 0.15];
const LONG_ENOUGH: u32 = 6;

/// What keeps still while the scene around it moves changes by at most this part of that, where that is at least so many codes
/// from look to look.
const STILLER: f32 = 0.6;
const MOVING: f32 = 2.0;

/// What is drawn at letters is more alike from look to look than what is drawn around them, by this much of a correlation.
const STEADIER: f32 = 0.3;

/// More lines than these with letters on more than this share of a frame make a page or a screen, and not captions.
pub(super) const FEW_LINES: usize = 8;
const PAGE: f32 = 0.12;

/// Frames beside a cut that count as it.
const AT_CUT: u64 = 2;

/// What the segmenter says of captions is this sure at least.
const SURE: f32 = 0.68;

/// From here on the segmenter itself tells letters from signs and paint.
pub(super) const CLEAR: f32 = 0.8;

/// Letters that are to be seen beside their place, this much alike, once they are gone from it belong to the scene: where the
/// segmenter is in doubt, and where it is clear. Other letters that follow are alike in part; what is shown for less than so many
/// times the shortest caption is in doubt: signs that pass are seen for a few frames in each place.
const BESIDE: [f32; 2] = [0.6, 0.85];
const BRIEF: u64 = 2;

/// A line of letters is so many times longer than it is wide; a square on the road is not.
const LONG: f32 = 1.4;

/// Whether letters stand wholly in a corner of the picture.
fn is_in_corner(life: &Life) -> bool {
    let (rect, (width, height)) = (life.bounds(), life.size());
    let is_beside = |from: u32, to: u32, all: u32| {
        let reach = (CORNER * all as f32) as u32;
        to <= reach || from >= all - reach
    };
    is_beside(rect.x, rect.right(), width) && is_beside(rect.y, rect.bottom(), height)
}

/// Whether the letters of `life`, shown on `span` of a clip with `cuts` and `count` frames, are laid over it, and why.
pub(super) fn judge(
    life: &Life,
    span: &Range<FrameIdx>,
    (cuts, count): (&[FrameIdx], FrameIdx),
    crowded: &[(FrameIdx, f32)],
    rules: &Rules,
) -> Verdict {
    let frames = span.end - span.start;
    let score = life.score();
    // What the clip cuts off may be part of a caption that was shown for longer.
    let is_cut_off = frames < rules.shortest && (span.start == 0 || span.end >= count) && score >= CLEAR;
    if !is_cut_off && (frames < rules.shortest || life.looks() < 2) {
        return Verdict::refused(format!("shown on {frames} frames only"));
    }
    let is_whole = frames == count;
    if is_whole && (count >= rules.persistent || is_in_corner(life)) || frames >= ENDLESS * rules.persistent {
        let when = if is_whole { "on the whole clip" } else { "for too long" };
        return Verdict::refused(format!("shown {when}: a mark, and no caption"));
    }
    if score < SURE {
        return Verdict::refused(format!("hardly like letters ({score:.2})"));
    }
    if life.length() < LONG && score < CLEAR {
        return Verdict::refused("one thing, and not a line of letters".to_owned());
    }
    let here: Vec<f32> = crowded.iter().filter(|(idx, _)| span.contains(idx)).map(|c| c.1).collect();
    let pages = here.iter().filter(|share| **share > PAGE).count();
    if 2 * pages > here.len() {
        return Verdict::refused("belongs to a page or a screen full of letters".to_owned());
    }
    let [kept, around] = life.lasting.map(|sum| sum / life.outlasted.max(1) as f32);
    let moved = life.moved / life.outlasted.max(1) as f32;
    let outlasts = OUTLASTS[usize::from(life.outlasted >= LONG_ENOUGH)];
    if life.outlasted > 1 && moved >= MOVING && around <= GONE && kept >= LASTING.max(around + outlasts) {
        return Verdict::taken(format!("stays while the scene goes on ({kept:.2} alike, around it {around:.2})"));
    }
    let constancy = life.constancy();
    if constancy < CONSTANT {
        return Verdict::refused(format!("moves with the scene ({constancy:.2} of it stays)"));
    }
    let beside = [&life.begins, &life.ends].into_iter().flatten().map(|end| end.beside).fold(0.0, f32::max);
    let is_brief = frames <= BRIEF * rules.shortest;
    if beside >= BESIDE[usize::from(score >= CLEAR && !is_brief)] {
        return Verdict::refused("moves with the scene (it goes on beside its place)".to_owned());
    }
    let is_cut = |idx: FrameIdx| idx == 0 || idx >= count || cuts.iter().any(|cut| cut.abs_diff(idx) <= AT_CUT);
    let jumps: Vec<String> = [(&life.begins, span.start), (&life.ends, span.end)]
        .into_iter()
        .filter_map(|(end, at)| {
            let [letters, around] = end.as_ref().and_then(|end| end.change)?;
            let limit = STEEPER[usize::from(score >= CLEAR)] * around + JUMP[usize::from(around < STILL)];
            (!is_cut(at) && letters > limit)
                .then(|| format!("comes or goes at frame {at} (changes by {letters:.0}, around it {around:.0})"))
        })
        .collect();
    // Something that passes, half-seen, leaves its place as suddenly.
    let asked = if is_brief && score < CLEAR { 2 } else { 1 };
    if jumps.len() >= asked {
        return Verdict::taken(jumps.into_iter().next().unwrap_or_default());
    }
    if is_cut_off {
        return Verdict::refused(format!("shown on {frames} frames only, and neither comes nor goes"));
    }
    let [letters, around] = life.unrest.map(|sum| sum / life.compared.max(1) as f32);
    if around >= MOVING && letters <= STILLER * around {
        return Verdict::taken(format!("keeps still while the scene moves ({letters:.1} against {around:.1})"));
    }
    let [own, scene] = life.likeness.map(|sum| sum / life.compared.max(1) as f32);
    if own >= scene + STEADIER {
        return Verdict::taken(format!(
            "looks the same while the scene changes ({own:.2} alike, around it {scene:.2})"
        ));
    }
    let reason = format!("as still as the scene around it ({letters:.1} against {around:.1}), and as long as its shot");
    Verdict { taken: false, is_open: score >= CLEAR, reason }
}
