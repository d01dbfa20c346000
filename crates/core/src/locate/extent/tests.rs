use super::super::testing::{FRAMES, H, Picture, W};
use super::*;

const MARK: Bounds = Bounds { x0: 60, y0: 40, x1: 120, y1: 70 };

/// A mark with more beside it, that sways by so much; answers for the group of both.
fn extent(beside: Bounds, slope: f32, sways: f32) -> Extent {
    let mut picture = Picture::new();
    picture.fill(beside, slope, FRAMES);
    picture.fill(MARK, 10.0, FRAMES);
    let edges = picture.edges();
    let seeds: Vec<usize> = (0..W * H).filter(|i| edges.seeds.set[*i]).collect();
    let sway: Vec<f32> = (0..W * H).map(|i| if MARK.holds(i % W, i / W) { 0.1 } else { sways }).collect();
    let near = MARK.grown(20, (W, H));
    let touches = near.holds(beside.x0, beside.y0);
    let own = if touches { seeds } else { seeds.into_iter().filter(|i| MARK.holds(i % W, i / W)).collect() };
    let group = Candidate { bounds: bounds_of(&own, W).unwrap(), seeds: own, is_cut: false };
    Extent::of(&group, &edges, &sway)
}

fn known(extent: Extent) -> Option<Bounds> {
    match extent {
        Extent::Known(own) => Some(own.bounds),
        Extent::Open(share) => {
            assert!(share < TOLD);
            None
        }
    }
}

#[test]
fn scenery_that_sways_is_taken_off_a_mark_that_does_not() {
    let beside = Bounds { x0: 120, y0: 50, x1: 210, y1: 100 };
    assert_eq!(known(extent(beside, 9.0, 3.0)), Some(MARK));
}

#[test]
fn a_mark_is_refused_where_much_beside_it_could_belong_to_it() {
    let beside = Bounds { x0: 120, y0: 50, x1: 210, y1: 100 };
    assert_eq!(known(extent(beside, 9.0, 1.0)), None);
    // Little that could belong to it changes little.
    assert!(known(extent(Bounds { x1: 140, y1: 70, ..beside }, 9.0, 1.0)).is_some());
    // What is much fainter is none of it, unless it touches it.
    assert!(known(extent(Bounds { x0: 125, ..beside }, 2.0, 1.0)).is_some());
    assert_eq!(known(extent(beside, 2.0, 1.0)), None);
}

#[test]
fn words_in_line_with_a_mark_could_be_missing_from_it() {
    let word = |x0: usize, y0: usize| Bounds { x0, y0, x1: x0 + 90, y1: y0 + 28 };
    assert_eq!(known(extent(word(170, 41), 10.0, 0.1)), None);
    assert_eq!(known(extent(word(170, 90), 10.0, 0.1)), Some(MARK), "another line");
    assert_eq!(known(extent(word(170, 41), 4.0, 0.1)), Some(MARK), "fainter");
    assert_eq!(known(extent(word(170, 41), 10.0, 3.0)), Some(MARK), "scenery");
}

#[test]
fn a_group_that_sways_as_a_whole_has_no_extent() {
    let picture = {
        let mut picture = Picture::new();
        picture.fill(MARK, 10.0, FRAMES);
        picture
    };
    let edges = picture.edges();
    let seeds: Vec<usize> = (0..W * H).filter(|i| edges.seeds.set[*i]).collect();
    let group = Candidate { bounds: MARK, seeds, is_cut: false };
    assert_eq!(known(Extent::of(&group, &edges, &vec![2.0; W * H])), None);
    assert_eq!(known(Extent::of(&group, &edges, &vec![0.2; W * H])), Some(MARK));
}
