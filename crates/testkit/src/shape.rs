//! Distances to simple shapes, and the coverage of a pixel that follows from them.

/// A straight line between two points, in samples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Segment {
    pub(crate) from: (f64, f64),
    pub(crate) to: (f64, f64),
}

impl Segment {
    /// Distance of `place` to the nearest point of the line.
    pub(crate) fn distance(&self, place: (f64, f64)) -> f64 {
        let along = (self.to.0 - self.from.0, self.to.1 - self.from.1);
        let rest = (place.0 - self.from.0, place.1 - self.from.1);
        let length2 = along.0 * along.0 + along.1 * along.1;
        let t = if length2 > 0.0 { ((rest.0 * along.0 + rest.1 * along.1) / length2).clamp(0.0, 1.0) } else { 0.0 };
        let off = (rest.0 - t * along.0, rest.1 - t * along.1);
        (off.0 * off.0 + off.1 * off.1).sqrt()
    }
}

/// Share 0..=1 of a pixel at `offset` from the centre that a disc covers.
pub(crate) fn disc(offset: (f64, f64), radius: f64) -> f32 {
    cover((offset.0 * offset.0 + offset.1 * offset.1).sqrt() - radius)
}

/// Signed distance to a rectangle of half size `half` with rounded corners, negative inside.
pub(crate) fn rounded_box(offset: (f64, f64), half: (f64, f64), corner: f64) -> f64 {
    let x = offset.0.abs() - half.0 + corner;
    let y = offset.1.abs() - half.1 + corner;
    x.max(0.0).hypot(y.max(0.0)) + x.max(y).min(0.0) - corner
}

/// Signed distance to an upright triangle with its centre of mass at the origin, inscribed in a circle of `radius`.
pub(crate) fn triangle(offset: (f64, f64), radius: f64) -> f64 {
    let edge = |angle: f64| offset.0 * angle.cos() + offset.1 * angle.sin() - radius * 0.5;
    let third = std::f64::consts::TAU / 3.0;
    let down = std::f64::consts::FRAC_PI_2;
    edge(down).max(edge(down + third)).max(edge(down - third))
}

/// Share 0..=1 of a pixel that lies at signed distance `d` from an edge, negative inside.
pub(crate) fn cover(d: f64) -> f32 {
    (0.5 - d).clamp(0.0, 1.0) as f32
}

/// As [`cover`], for an edge that fades over `width` samples.
pub(crate) fn soft_cover(d: f64, width: f64) -> f32 {
    let t = (0.5 - d / width).clamp(0.0, 1.0);
    (t * t * (3.0 - 2.0 * t)) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_right_at_known_places() {
        let line = Segment { from: (0.0, 0.0), to: (10.0, 0.0) };
        for (place, wanted) in [((5.0, 3.0), 3.0), ((-3.0, 4.0), 5.0), ((10.0, -2.0), 2.0)] {
            assert!((line.distance(place) - wanted).abs() < 1e-12, "{place:?}");
        }
        assert_eq!(Segment { from: (1.0, 1.0), to: (1.0, 1.0) }.distance((4.0, 5.0)), 5.0);
        assert!((rounded_box((0.0, 0.0), (8.0, 5.0), 2.0) + 5.0).abs() < 1e-12);
        assert!((rounded_box((11.0, 0.0), (8.0, 5.0), 2.0) - 3.0).abs() < 1e-12);
        assert!(rounded_box((7.9, 4.9), (8.0, 5.0), 2.0) > 0.0, "the corner is rounded off");
        assert!((triangle((0.0, 4.0), 8.0)).abs() < 1e-12 && triangle((0.0, -8.0), 8.0).abs() < 1e-9);
    }

    #[test]
    fn the_covered_area_of_a_disc_is_its_area() {
        let sum: f32 = (-12..=12).flat_map(|y| (-12..=12).map(move |x| disc((f64::from(x), f64::from(y)), 9.3))).sum();
        assert!((f64::from(sum) - std::f64::consts::PI * 9.3 * 9.3).abs() < 2.0, "{sum}");
    }
}
