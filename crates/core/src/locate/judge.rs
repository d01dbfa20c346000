//! Whether a candidate is a mark, and why not.
//!
//! Every claim is a share in 0..=1 that is 0.5 where the measurement meets its bound; a candidate is as sure as its weakest
//! claim. Bounds were set on the 16 clean and 9 marked clips of the test data and marks composited on them
//! (`benches/locate`).

use super::candidates::LARGEST;
use super::figures::Figures;

/// Least share of the box that persistent edges take.
const FILL: f32 = 0.08;
/// Least mean slope at them, code values per sample.
const STRENGTH: f32 = 2.4;
/// Least share of their slope energy across the direction in which most run: short bars have it several times over by their ends, a long straight edge has not.
const ACROSS: f32 = 0.01;
/// Least share of them that agrees in a frame.
const AGREES: f32 = 0.85;
/// Movement allowed to a mark, samples, and how much of the surroundings' movement leaks into its estimate.
const DRIFT: f32 = 0.35;
const LEAK: f32 = 0.09;
/// Movement above which nothing is a mark.
pub(super) const MOST_DRIFT: f32 = 1.5;
/// Share of persistent edges elsewhere up to which the scene as a whole moves.
pub(super) const MOVES: f32 = 0.06;
/// The same up to which what happens beside the mark decides.
const PARTLY: f32 = 0.15;
/// Movement of what persists beside it, samples, from which the scene moves there.
const SWAYS: f32 = 2.0;
/// Different pictures among the frames that must be seen: with fewer, whatever a page or a screen shows would count.
pub(super) const VIEWS: usize = 10;

/// A verdict on a candidate.
pub(super) struct Verdict {
    pub(super) score: f32,
    pub(super) reason: String,
}

/// Size of the candidate's box and of the picture, luma samples.
pub(super) struct Size {
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) share: f32,
    /// Whether it touches the picture's border and runs along two fifths of it or more.
    pub(super) is_rim: bool,
}

const fn at_least(value: f32, bound: f32) -> f32 {
    if value <= 0.0 { 0.0 } else { value / (value + bound) }
}

const fn at_most(value: f32, bound: f32) -> f32 {
    bound / (value.max(0.0) + bound)
}

/// Whether the candidate by itself looks like a mark: compact, clear, and not moving.
pub(super) fn looks(f: &Figures, size: &Size) -> Verdict {
    let drift = (DRIFT + LEAK * f.drift_around).min(MOST_DRIFT);
    weakest(&[
        (at_least(size.width.min(size.height) as f32, 8.0), "too thin for a mark"),
        (at_most(size.share, LARGEST), "too large for a mark"),
        (if size.is_rim { 0.3 } else { 1.0 }, "runs along the picture's border"),
        (at_least(f.fill, FILL), "too scattered for a mark"),
        (at_least(f.strength, STRENGTH), "too faint"),
        (at_least(f.across, ACROSS), "straight lines, which may move along themselves"),
        // Agreement is squeezed between its bound and 1.
        (at_least(f.agree - 0.7, AGREES - 0.7), "not there all the time"),
        (at_most(f.drift, drift), "moves with the scene"),
    ])
}

/// Whether the scene shows that the candidate does not belong to it. `stillness` leaves other marks out, `views` counts
/// different pictures among the frames.
pub(super) fn detached(f: &Figures, stillness: f32, views: usize) -> Verdict {
    let varied = at_least(views as f32, VIEWS as f32);
    // What happens beside it: the scene's slopes change on all sides, or what persists of them moves.
    let changes = changes(f);
    let sways = at_least(f.drift_around, SWAYS);
    let beside = at_most(stillness, PARTLY)
        .min(at_least(f.activity, 1.5).min(at_most(f.coherence, 0.35)).max(at_least(f.drift_around, 1.5)));
    let proven = at_most(stillness, MOVES).max(beside).max(changes.min(sways));
    weakest(&[
        (varied, "too few different pictures to tell a mark from an object"),
        (proven, "the scene around it stays as still as it does"),
    ])
}

/// The same by what happens beside it alone: for what was cut out of scenery, of which the rest of the picture says nothing.
pub(super) fn passed(f: &Figures, views: usize) -> Verdict {
    weakest(&[
        (at_least(views as f32, VIEWS as f32), "too few different pictures to tell a mark from an object"),
        (changes(f).min(at_least(f.drift_around, SWAYS)), "the scene around it stays as still as it does"),
    ])
}

/// How surely the scene's slopes change on all sides of the candidate.
fn changes(f: &Figures) -> f32 {
    at_least(f.activity, 1.2).min(at_most(f.coherence, 0.3)).min(at_least(f.quietest, 0.6))
}

/// The same where enough different pictures were seen, and the candidate shows as well in the frames that changed.
pub(super) fn changing(f: &Figures, views: usize) -> f32 {
    changes(f).min(at_least(views as f32, VIEWS as f32)).min(at_least(f.agree_changed - 0.7, AGREES - 0.7))
}

/// Whether what lies where a user says a mark is can be told from the scene at all.
pub(super) fn vouched(f: &Figures, stillness: f32, views: usize) -> Verdict {
    let drift = 1.5 * (DRIFT + LEAK * f.drift_around).min(MOST_DRIFT);
    let beside = at_least(f.activity, 0.8).min(at_most(f.coherence, 0.5)).max(at_least(f.drift_around, 1.0));
    weakest(&[
        (at_least(views as f32, VIEWS as f32 / 2.0), "too few different pictures to tell a mark from an object"),
        (at_most(f.drift, drift), "moves with the scene"),
        (
            at_most(stillness, 2.0 * MOVES).max(beside.min(at_most(stillness, 0.4))),
            "the scene around it stays as still as it does",
        ),
    ])
}

fn weakest(claims: &[(f32, &str)]) -> Verdict {
    let mut worst = (1.0, "");
    for claim in claims {
        if claim.0 < worst.0 {
            worst = *claim;
        }
    }
    Verdict { score: worst.0, reason: worst.1.to_owned() }
}
