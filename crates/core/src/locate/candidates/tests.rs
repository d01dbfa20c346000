use super::super::testing::{FRAMES, H, Picture, W};
use super::*;

fn rectangle(x0: usize, y0: usize, x1: usize, y1: usize) -> Bounds {
    Bounds { x0, y0, x1, y1 }
}

/// Scenery along the whole lower border, broken so that no row is one line, clear in all frames but two.
fn meadow(picture: &mut Picture) {
    picture.fill(rectangle(0, 150, W, H), 8.0, FRAMES - 2);
    picture.clear(|x, y| y >= 150 && x % 8 >= 4);
}

#[test]
fn a_mark_is_cut_out_of_scenery_along_the_border_where_it_shows_in_all_frames() {
    let mark = rectangle(200, 118, 260, 150);
    let found = |agree: u8| {
        let mut picture = Picture::new();
        meadow(&mut picture);
        picture.fill(mark, 10.0, agree);
        picture.edges().candidates()
    };
    let cut = found(FRAMES);
    assert_eq!(cut.iter().map(|c| (c.bounds, c.is_cut)).collect::<Vec<_>>(), [(mark, true)]);
    assert_eq!(found(FRAMES - 1).len(), 1);
    // As shaky as the scenery: nothing tells it apart.
    assert_eq!(found(FRAMES - 2).len(), 0);
}

#[test]
fn nothing_beside_the_border_is_cut_out_of_scenery() {
    let mut picture = Picture::new();
    meadow(&mut picture);
    picture.fill(rectangle(100, 176, 160, H), 10.0, FRAMES);
    picture.clear(|x, y| y >= 176 && x % 8 >= 4);
    let reach = picture.edges().reach();
    assert!(picture.edges().candidates().iter().all(|c| c.bounds.y1 + reach <= H));
}

#[test]
fn faint_lines_that_touch_a_mark_are_taken_off_it() {
    let mark = rectangle(60, 40, 120, 70);
    let bounds = |slope: f32| {
        let mut picture = Picture::new();
        picture.fill(mark, 10.0, FRAMES);
        picture.fill(rectangle(120, 54, 210, 57), slope, FRAMES);
        picture.edges().candidates().iter().map(|c| c.bounds).max_by_key(Bounds::area).unwrap()
    };
    assert_eq!(bounds(2.0), rectangle(60, 40, 120 + SKIRT, 70));
    // As strong as the mark it could belong to it.
    assert_eq!(bounds(8.0), rectangle(60, 40, 210, 70));
}
