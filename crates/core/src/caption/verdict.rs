//! Whether letters are laid over the picture or belong to the scene.

use std::ops::Range;

use crate::frame::FrameIdx;

use super::life::Life;

/// What is asked of a caption.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// Frames that it is shown at least.
    pub shortest: u64,
}

/// Letters that move lose more than this part of their cells over their life.
const CONSTANT: f32 = 0.6;

/// Letters that come or go change so many codes more than the scene around them, and by this factor.
const JUMP: f32 = 8.0;
const STEEPER: f32 = 1.6;

/// What keeps still while the scene around it moves changes by at most this part of that, where that is at least so many codes
/// from look to look.
const STILLER: f32 = 0.6;
const MOVING: f32 = 2.0;

/// What is drawn at letters is more alike from look to look than what is drawn around them, by this much of a correlation.
const STEADIER: f32 = 0.3;

/// More letters than on this share of a frame make a page or a screen, and not captions.
const PAGE: f32 = 0.12;

/// Frames beside a cut that count as it.
const AT_CUT: u64 = 2;

/// What the segmenter says of captions is this sure at least.
const SURE: f32 = 0.68;

/// From here on the segmenter itself tells letters from signs and paint.
const CLEAR: f32 = 0.8;

/// Letters that are to be seen beside their place, this much alike, once they are gone from it belong to the scene: where the
/// segmenter is in doubt, and where it is clear. Other letters that follow are alike in part.
const BESIDE: [f32; 2] = [0.6, 0.85];

/// A line of letters is so many times longer than it is wide; a square on the road is not.
const LONG: f32 = 1.4;

/// Whether the letters of `life`, shown on `span` of a clip with `cuts` and `count` frames, are laid over it, and why.
pub(super) fn judge(
    life: &Life,
    span: &Range<FrameIdx>,
    (cuts, count): (&[FrameIdx], FrameIdx),
    crowded: &[(FrameIdx, f32)],
    rules: &Rules,
) -> (bool, String) {
    let frames = span.end - span.start;
    if frames < rules.shortest || life.looks() < 2 {
        return (false, format!("shown on {frames} frames only"));
    }
    let score = life.score();
    if score < SURE {
        return (false, format!("hardly like letters ({score:.2})"));
    }
    if life.length() < LONG && score < CLEAR {
        return (false, "one thing, and not a line of letters".to_owned());
    }
    let constancy = life.constancy();
    if constancy < CONSTANT {
        return (false, format!("moves with the scene ({constancy:.2} of it stays)"));
    }
    let beside = [&life.begins, &life.ends].into_iter().flatten().map(|end| end.beside).fold(0.0, f32::max);
    if beside >= BESIDE[usize::from(score >= CLEAR)] {
        return (false, "moves with the scene (it goes on beside its place)".to_owned());
    }
    let here: Vec<f32> = crowded.iter().filter(|(idx, _)| span.contains(idx)).map(|c| c.1).collect();
    let pages = here.iter().filter(|share| **share > PAGE).count();
    if 2 * pages > here.len() {
        return (false, "belongs to a page or a screen full of letters".to_owned());
    }
    let is_cut = |idx: FrameIdx| idx == 0 || idx >= count || cuts.iter().any(|cut| cut.abs_diff(idx) <= AT_CUT);
    let ends = [(&life.begins, span.start), (&life.ends, span.end)];
    for (end, at) in ends {
        if let Some([letters, around]) = end.as_ref().and_then(|end| end.change)
            && !is_cut(at)
            && letters > STEEPER * around + JUMP
        {
            return (true, format!("comes or goes at frame {at} (changes by {letters:.0}, around it {around:.0})"));
        }
    }
    let [letters, around] = life.unrest.map(|sum| sum / life.compared.max(1) as f32);
    if around >= MOVING && letters <= STILLER * around {
        return (true, format!("keeps still while the scene moves ({letters:.1} against {around:.1})"));
    }
    let [own, scene] = life.likeness.map(|sum| sum / life.compared.max(1) as f32);
    if own >= scene + STEADIER {
        return (true, format!("looks the same while the scene changes ({own:.2} alike, around it {scene:.2})"));
    }
    (false, format!("as still as the scene around it ({letters:.1} against {around:.1}), and as long as its shot"))
}
