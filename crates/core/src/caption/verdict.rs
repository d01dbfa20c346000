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

/// What is thought of letters, and why.
#[derive(Clone, Debug)]
pub(super) struct Verdict {
    pub(super) taken: bool,
    /// Nothing speaks against it, and nothing for it.
    is_open: bool,
    pub(super) reason: String,
}

impl Verdict {
    const fn taken(reason: String) -> Self {
        Self { taken: true, is_open: false, reason }
    }

    const fn refused(reason: String) -> Self {
        Self { taken: false, is_open: false, reason }
    }
}

/// Letters that move lose more than this part of their cells over their life.
const CONSTANT: f32 = 0.6;

/// Letters that come or go change so many codes more than the scene around them, and by this factor: where the segmenter is in
/// doubt, and where it is clear.
const JUMP: f32 = 8.0;
const STEEPER: [f32; 2] = [3.0, 1.6];

/// What keeps still while the scene around it moves changes by at most this part of that, where that is at least so many codes
/// from look to look.
const STILLER: f32 = 0.6;
const MOVING: f32 = 2.0;

/// What is drawn at letters is more alike from look to look than what is drawn around them, by this much of a correlation.
const STEADIER: f32 = 0.3;

/// More lines than these with letters on more than this share of a frame make a page or a screen, and not captions.
pub(super) const FEW_LINES: usize = 8;
const PAGE: f32 = 0.12;

/// Captions of a clip stand in the same rows: their middles are no farther apart than this part of their height, which differs by
/// no more than this factor; and so many of them make a rule.
const SAME_ROWS: f32 = 0.4;
const SAME_HEIGHT: f32 = 1.5;
const RULE: usize = 2;

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
) -> Verdict {
    let frames = span.end - span.start;
    if frames < rules.shortest || life.looks() < 2 {
        return Verdict::refused(format!("shown on {frames} frames only"));
    }
    if frames == count && count >= rules.persistent {
        return Verdict::refused("shown on the whole clip: a mark, and no caption".to_owned());
    }
    let score = life.score();
    if score < SURE {
        return Verdict::refused(format!("hardly like letters ({score:.2})"));
    }
    if life.length() < LONG && score < CLEAR {
        return Verdict::refused("one thing, and not a line of letters".to_owned());
    }
    let constancy = life.constancy();
    if constancy < CONSTANT {
        return Verdict::refused(format!("moves with the scene ({constancy:.2} of it stays)"));
    }
    let beside = [&life.begins, &life.ends].into_iter().flatten().map(|end| end.beside).fold(0.0, f32::max);
    if beside >= BESIDE[usize::from(score >= CLEAR)] {
        return Verdict::refused("moves with the scene (it goes on beside its place)".to_owned());
    }
    let here: Vec<f32> = crowded.iter().filter(|(idx, _)| span.contains(idx)).map(|c| c.1).collect();
    let pages = here.iter().filter(|share| **share > PAGE).count();
    if 2 * pages > here.len() {
        return Verdict::refused("belongs to a page or a screen full of letters".to_owned());
    }
    let is_cut = |idx: FrameIdx| idx == 0 || idx >= count || cuts.iter().any(|cut| cut.abs_diff(idx) <= AT_CUT);
    let ends = [(&life.begins, span.start), (&life.ends, span.end)];
    for (end, at) in ends {
        if let Some([letters, around]) = end.as_ref().and_then(|end| end.change)
            && !is_cut(at)
            && letters > STEEPER[usize::from(score >= CLEAR)] * around + JUMP
        {
            return Verdict::taken(format!(
                "comes or goes at frame {at} (changes by {letters:.0}, around it {around:.0})"
            ));
        }
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
    Verdict { taken: false, is_open: true, reason }
}

/// Takes letters of which nothing is known but that they stand where captions of the clip do.
pub(super) fn follow_others(lives: &[Life], verdicts: &mut [Verdict]) {
    let rows = |life: &Life| {
        let (top, bottom) = life.rows();
        (0.5 * (top + bottom) as f32, (bottom - top) as f32)
    };
    let known: Vec<(f32, f32)> =
        lives.iter().zip(&*verdicts).filter(|(_, v)| v.taken).map(|(life, _)| rows(life)).collect();
    for (life, verdict) in lives.iter().zip(verdicts).filter(|(life, v)| v.is_open && life.score() >= CLEAR) {
        let (middle, height) = rows(life);
        let is_alike = |(m, h): &&(f32, f32)| {
            (m - middle).abs() <= SAME_ROWS * h.min(height) && h.max(height) <= SAME_HEIGHT * h.min(height)
        };
        let alike = known.iter().filter(is_alike).count();
        if alike >= RULE {
            *verdict = Verdict::taken(format!("stands where {alike} other captions do"));
        }
    }
}
