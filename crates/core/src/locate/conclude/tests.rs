use super::super::region::Bounds;
use super::super::testing::clear_figures;
use super::*;

/// A word 60 samples wide, and how surely it is a mark by itself.
fn word(x0: usize, y0: usize, height: usize, figures: Figures) -> Looked {
    let bounds = Bounds { x0, y0, x1: x0 + 60, y1: y0 + height };
    let candidate = Candidate { bounds, seeds: Vec::new(), is_cut: true };
    Looked { candidate, figures, score: 0.65, reason: String::new() }
}

/// What becomes of `second`, doubtful so far, beside a sure word.
fn beside_a_sure_word(second: Looked) -> f32 {
    let looked = [word(40, 100, 20, clear_figures()), second];
    let mut judged = [(0.6, String::new(), 0.5), (0.3, "doubtful".to_owned(), 0.5)];
    join_lines(&looked, &mut judged, 30);
    judged[1].0
}

#[test]
fn a_word_in_line_with_a_sure_one_is_taken_where_the_scene_changes_on_all_sides() {
    // Behind it nothing moves clearly: by itself it stays doubtful.
    let calm = Figures { drift_around: 0.5, ..clear_figures() };
    assert!(passed(&calm, 30).score < CONFIDENT);
    assert!(beside_a_sure_word(word(115, 102, 20, calm.clone())) >= CONFIDENT);
    for (why, second) in [
        ("farther than a word space", word(125, 102, 20, calm.clone())),
        ("another line", word(115, 112, 20, calm.clone())),
        ("taller", word(115, 85, 45, calm.clone())),
        ("fainter", word(115, 102, 20, Figures { strength: 6.0, ..calm.clone() })),
        ("still on one side", word(115, 102, 20, Figures { quietest: 0.3, ..calm.clone() })),
        ("a still scene", word(115, 102, 20, Figures { coherence: 0.8, ..calm.clone() })),
        ("hidden when the scene changes", word(115, 102, 20, Figures { agree_changed: 0.75, ..calm.clone() })),
        ("no mark by its looks", Looked { score: 0.4, ..word(115, 102, 20, calm) }),
    ] {
        assert_eq!(beside_a_sure_word(second), 0.3, "{why}");
    }
}

#[test]
fn words_are_taken_one_after_the_other_along_a_line() {
    let looked: Vec<Looked> = (0..4).map(|i| word(75 * i, 100, 20, clear_figures())).collect();
    let mut judged: Vec<_> = (0..4).map(|i| (if i == 0 { 0.6 } else { 0.3 }, String::new(), 0.5)).collect();
    join_lines(&looked, &mut judged, 30);
    assert!(judged.iter().all(|j| j.0 >= CONFIDENT));
    // Without a sure one none is.
    let mut judged: Vec<_> = (0..4).map(|_| (0.3, String::new(), 0.5)).collect();
    join_lines(&looked, &mut judged, 30);
    assert!(judged.iter().all(|j| j.0 < CONFIDENT));
}
