//! Of boxes that repeat each other the surest.

use cleanplate_core::Sighting;

/// Boxes of one class that share more than this are one (the default of YOLOv5 and YOLOX).
const SAME: f32 = 0.45;

/// Boxes of a picture at most, as in YOLOv5.
const MOST: usize = 300;

/// Boxes that are compared at most: the surest.
const COMPARED: usize = 3000;

/// `boxes` of a picture without those that repeat a surer one of their class, the surest first.
pub(super) fn suppress(mut boxes: Vec<Sighting>) -> Vec<Sighting> {
    boxes.sort_by(|a, b| b.score.total_cmp(&a.score));
    boxes.truncate(COMPARED);
    let mut kept: Vec<Sighting> = Vec::new();
    for seen in boxes {
        if kept.len() < MOST && kept.iter().all(|other| other.class != seen.class || other.iou(&seen) <= SAME) {
            kept.push(seen);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_surest_of_its_class_stays_and_other_classes_are_not_touched() {
        let seen = |x: f32, score, class| Sighting { sides: [x, 0.0, x + 10.0, 10.0], score, class };
        let kept = suppress(vec![seen(0.0, 0.5, 0), seen(1.0, 0.9, 0), seen(2.0, 0.4, 1), seen(6.0, 0.3, 0)]);
        assert_eq!(kept.iter().map(|s| s.score).collect::<Vec<_>>(), [0.9, 0.4, 0.3]);
    }
}
