//! Whether a trace of the mark is left in a restored frame.

use cleanplate_core::{Frame, Mask, Patch, Raster};

use crate::metric::{luma_of, mirrored};

/// How strongly the mark's edges show in what differs from the truth.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Trace {
    /// Share of the mark's gradient that is left: 1 untouched, 0 none, below 0 the mark's negative.
    pub amount: f64,
    /// Correlation -1..=1 of the difference's gradient with the mark's.
    pub likeness: f64,
}

impl Trace {
    /// A frame is a flash where more than a tenth of the mark's edges is left and what is left looks like the mark.
    /// The two limits separate left-over marks from lost texture on the prototypes' clips.
    pub fn is_flash(&self) -> bool {
        self.amount.abs() > 0.10 && self.likeness.abs() > 0.20
    }

    /// Compares a restored frame with its truth, given the frame as it was with the mark on it.
    ///
    /// With M the gradient of `marked - truth`, R that of `out - truth` and I that of `truth`, all on the first plane inside
    /// `mask` grown by one sample, it is the partial regression of R on M with I held fixed: a fill that merely lost texture
    /// (R near -I) counts as no trace. `None` where the mask is empty or shows no edge, or formats differ.
    pub fn measure(out: &Frame, truth: &Frame, marked: &Frame, mask: &Mask) -> Option<Self> {
        let alike = |f: &Frame| f.format == truth.format && f.bounds() == truth.bounds();
        if mask.is_empty() || !alike(out) || !alike(marked) {
            return None;
        }
        let region = mask.dilated(1, truth.width, truth.height);
        let area = region.rect().grow(2, truth.width, truth.height);
        let mut patch = Patch::default();
        let [out, truth, marked] = [out, truth, marked].map(|frame| luma_of(frame, area, &mut patch));
        let difference = |a: &Raster<f32>, b: &Raster<f32>| {
            let data = a.data().iter().zip(b.data()).map(|(a, b)| a - b).collect();
            Raster::from_vec(a.width(), a.height(), data)
        };
        let left = difference(&out, &truth)?;
        let mark = difference(&marked, &truth)?;
        let [mut mm, mut ii, mut mi, mut rm, mut ri, mut rr] = [0.0; 6];
        for y in 0..truth.height() {
            for x in 0..truth.width() {
                if region.at(patch.rect.x + x, patch.rect.y + y) == 0 {
                    continue;
                }
                let (r, m, i) = (gradient(&left, x, y), gradient(&mark, x, y), gradient(&truth, x, y));
                let dot = |a: (f64, f64), b: (f64, f64)| a.0 * b.0 + a.1 * b.1;
                mm += dot(m, m);
                ii += dot(i, i);
                mi += dot(m, i);
                rm += dot(r, m);
                ri += dot(r, i);
                rr += dot(r, r);
            }
        }
        // Below one squared code over the whole region there is no edge to speak of.
        let floor = 1e-3;
        let own = mm - mi * mi / (ii + floor);
        if own <= floor {
            return None;
        }
        let shared = rm - ri * mi / (ii + floor);
        let rest = (rr - ri * ri / (ii + floor)).max(1e-6);
        Some(Self { amount: shared / own, likeness: shared / (own * rest).sqrt() })
    }
}

/// Scharr's operator in codes a sample.
fn gradient(raster: &Raster<f32>, x: u32, y: u32) -> (f64, f64) {
    let at = |dx: i64, dy: i64| {
        let column = mirrored(i64::from(x) + dx, raster.width());
        f64::from(raster.at(column, mirrored(i64::from(y) + dy, raster.height())))
    };
    let across = 3.0 * (at(1, -1) - at(-1, -1)) + 10.0 * (at(1, 0) - at(-1, 0)) + 3.0 * (at(1, 1) - at(-1, 1));
    let down = 3.0 * (at(-1, 1) - at(-1, -1)) + 10.0 * (at(0, 1) - at(0, -1)) + 3.0 * (at(1, 1) - at(1, -1));
    (across / 32.0, down / 32.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canvas::Scenery;
    use crate::clip::{Clip, Shot};
    use crate::mark::{Mark, MarkKind};
    use crate::motion::Motion;
    use cleanplate_core::{Rect, Rows};

    fn scene() -> (Frame, Mark) {
        let shot = Shot { grain: 1.0, ..Shot::new(Scenery::Leaves, Motion::Still, 1) };
        let clip = Clip::new(6, (160, 96), &[shot]);
        (clip.frame(0).unwrap(), Mark::draw(MarkKind::ThinText, Rect::new(30, 40, 100, 24)))
    }

    #[test]
    fn what_is_left_of_the_mark_is_measured() {
        let (truth, mark) = scene();
        let mut marked = truth.clone();
        mark.apply(&mut marked);
        for share in [0.0, 0.05, 0.3, 0.6, 1.0] {
            let mut out = truth.clone();
            mark.faded(share).apply(&mut out);
            let trace = Trace::measure(&out, &truth, &marked, &mark.mask()).unwrap();
            assert!((trace.amount - f64::from(share)).abs() < 0.02, "{share}: {trace:?}");
            assert_eq!(trace.is_flash(), share > 0.1, "{share}: {trace:?}");
        }
    }

    #[test]
    fn lost_texture_is_no_trace() {
        let (truth, mark) = scene();
        let mut marked = truth.clone();
        mark.apply(&mut marked);
        let mut out = truth.clone();
        let mut patch = Patch::default();
        out.lift(mark.rect(), Rows::All, &mut patch);
        let need = patch.need(&mark.mask());
        let mean = patch.planes[0].data().iter().sum::<f32>() / patch.planes[0].data().len() as f32;
        patch.planes[0].data_mut().iter_mut().for_each(|v| *v += (mean - *v) * 0.5);
        out.put_back(&patch, &need);
        let trace = Trace::measure(&out, &truth, &marked, &mark.mask()).unwrap();
        assert!(!trace.is_flash(), "{trace:?}");
    }

    #[test]
    fn without_a_mark_there_is_nothing_to_trace() {
        let (truth, mark) = scene();
        assert_eq!(Trace::measure(&truth, &truth, &truth, &mark.mask()), None);
        assert_eq!(Trace::measure(&truth, &truth, &truth, &Mask::empty()), None);
    }
}
