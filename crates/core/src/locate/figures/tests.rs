use super::super::judge::{Size, looks};
use super::super::testing::{FRAMES, Picture, clear_figures};
use super::*;

#[test]
fn slopes_across_a_straight_line_are_few_and_those_of_letters_many() {
    let mut picture = Picture::new();
    let line = Bounds { x0: 20, y0: 20, x1: 100, y1: 24 };
    picture.fill(line, 8.0, FRAMES);
    let own = |p: &Picture| (0..p.0.agree.len()).filter(|i| p.0.agree[*i] > 0).collect::<Vec<_>>();
    assert!(across(&picture.0, &own(&picture)) < 1e-3);
    // A slanted line is as straight.
    own(&picture).iter().for_each(|i| picture.0.my[*i] = picture.0.mx[*i] / 2);
    assert!(across(&picture.0, &own(&picture)) < 1e-3);
    // A short bar has ends: a twentieth of its edge, of which the slopes run the other way.
    for i in (line.y0..line.y1).flat_map(|y| (line.x0..line.x0 + 4).map(move |x| y * picture.0.width + x)) {
        (picture.0.mx[i], picture.0.my[i]) = (-4 * 32, 8 * 32);
    }
    let bar = across(&picture.0, &own(&picture));
    assert!(bar > 0.02 && bar < 0.2, "{bar}");
    // Half of the slopes each way: as much as there can be.
    for i in own(&picture) {
        let upright = i % 2 == 0;
        (picture.0.mx[i], picture.0.my[i]) = if upright { (256, 0) } else { (0, 256) };
    }
    assert!((across(&picture.0, &own(&picture)) - 0.5).abs() < 1e-3);
}

#[test]
fn straight_lines_are_no_mark() {
    let size = Size { width: 80, height: 30, share: 0.01, is_rim: false };
    let letters = clear_figures();
    assert!(looks(&letters, &size).score > 0.5);
    let roof = looks(&Figures { across: 0.002, ..letters }, &size);
    assert!(roof.score < 0.5 && roof.reason.contains("straight lines"), "{} {}", roof.score, roof.reason);
}
