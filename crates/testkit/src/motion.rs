//! How the camera of a synthetic clip moves.

/// A camera's movement over time, in samples and frames.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Motion {
    /// On a tripod.
    Still,
    /// A steady pan of so many samples a frame, to the right and down.
    Pan {
        /// Samples to the right a frame.
        dx: f64,
        /// Samples down a frame.
        dy: f64,
    },
    /// In the hand: drift of up to `reach` samples a side in both directions and up to half a degree of roll.
    Handheld {
        /// Largest offset from the middle, in samples.
        reach: f64,
    },
    /// A steady zoom in by this factor a frame (1.01 = 1 % closer with every frame).
    Zoom {
        /// Factor a frame, above 1 towards the scene.
        factor: f64,
    },
}

/// Where the camera looks at one instant: the canvas place under the middle of the picture, canvas pixels a sample, roll.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct View {
    /// Canvas column under the middle of the picture, from its place at frame 0.
    pub x: f64,
    /// Canvas row, likewise.
    pub y: f64,
    /// Canvas pixels a sample: below 1 is closer.
    pub scale: f64,
    /// Roll in radians.
    pub roll: f64,
}

impl Motion {
    /// The view `time` frames (or fractions of them) after the start of the shot. `phase` in radians sets a hand's tremor
    /// apart from another's.
    pub fn view(self, time: f64, phase: f64) -> View {
        let rest = View { x: 0.0, y: 0.0, scale: 1.0, roll: 0.0 };
        match self {
            Self::Still => rest,
            Self::Pan { dx, dy } => View { x: dx * time, y: dy * time, ..rest },
            Self::Handheld { reach } => {
                // Sway near 0.5 Hz and tremor near 3 Hz at 25 fps, with periods that share no multiple in a clip's length.
                let wave = |period: f64, shift: f64| (std::f64::consts::TAU * time / period + phase + shift).sin();
                let drift = |shift: f64| {
                    reach * (0.7 * wave(53.0, shift) + 0.22 * wave(19.0, 2.0 * shift) + 0.08 * wave(8.3, shift))
                };
                View { x: drift(0.0), y: drift(1.7), roll: 0.5f64.to_radians() * wave(41.0, 0.9), ..rest }
            }
            Self::Zoom { factor } => View { scale: factor.powf(-time), ..rest },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_movement_does_what_it_says() {
        assert_eq!(Motion::Still.view(40.0, 1.0), Motion::Still.view(0.0, 0.0));
        let pan = Motion::Pan { dx: 3.5, dy: -1.0 };
        assert_eq!((pan.view(10.0, 0.0).x, pan.view(10.5, 0.0).y), (35.0, -10.5));
        assert!((Motion::Zoom { factor: 1.01 }.view(10.0, 0.0).scale - 1.01f64.powi(-10)).abs() < 1e-12);
        let hand = Motion::Handheld { reach: 6.0 };
        let places: Vec<View> = (0..200).map(|t| hand.view(f64::from(t), 0.3)).collect();
        assert!(places.iter().all(|v| v.x.abs() <= 6.0 && v.y.abs() <= 6.0));
        assert!(places.iter().any(|v| v.x > 3.0) && places.iter().any(|v| v.x < -3.0));
        assert!(places.windows(2).all(|p| p[0].x != p[1].x), "a hand is never quite still");
        assert_ne!(hand.view(7.0, 0.0), hand.view(7.0, 1.0));
    }
}
