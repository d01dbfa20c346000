//! All measures of one restoration together: what a demo prints and a benchmark compares.

use cleanplate_core::{Frame, Mask};
use serde::Serialize;

use crate::flash::Trace;
use crate::metric::{Flicker, Psnr, changed_outside, ssim};

/// Collects frame by frame.
#[derive(Clone, Debug, Default)]
pub struct Evaluation {
    frames: u64,
    psnr: Psnr,
    ssim: f64,
    judged: u64,
    flicker: Flicker,
    truth_flicker: Flicker,
    outside: u64,
    traces: u64,
    left: f64,
    flashes: Vec<u64>,
}

/// The result over all frames.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Verdict {
    /// Frames looked at.
    pub frames: u64,
    /// Peak signal-to-noise ratio inside the mask against the truth, in dB, per plane, pooled over frames; `None` for a plane
    /// without masked samples, or without any error.
    pub psnr_db: Vec<Option<f64>>,
    /// Mean structural similarity inside the mask on the first plane.
    pub ssim: Option<f64>,
    /// Mean difference of consecutive frames inside the mask, in codes of 8 bits.
    pub flicker: Option<f64>,
    /// The same of the truth.
    pub truth_flicker: Option<f64>,
    /// Samples outside the mask, of all planes and frames, that differ from the marked frame. Only a lossless output has 0.
    pub changed_outside: u64,
    /// Mean share of the mark's edges that is left.
    pub mark_left: Option<f64>,
    /// Positions of the frames in which the mark still shows.
    pub flash_frames: Vec<u64>,
}

impl Evaluation {
    /// Takes one frame: restored, without the mark ever having been there, and as it was given to the restoration. `mask` is
    /// where quality is measured and outside of which nothing may change.
    pub fn add(&mut self, out: &Frame, truth: &Frame, marked: &Frame, mask: &Mask) {
        self.frames += 1;
        self.psnr.add(out, truth, mask);
        if let Some(ssim) = ssim(out, truth, mask, 0) {
            self.ssim += ssim;
            self.judged += 1;
        }
        self.flicker.add(out, mask);
        self.truth_flicker.add(truth, mask);
        self.outside += changed_outside(out, marked, mask).iter().sum::<u64>();
        if let Some(trace) = Trace::measure(out, truth, marked, mask) {
            self.traces += 1;
            self.left += trace.amount;
            if trace.is_flash() {
                self.flashes.push(truth.idx);
            }
        }
    }

    /// A cut: motion across it is not counted as flicker.
    pub fn cut(&mut self) {
        self.flicker.cut();
        self.truth_flicker.cut();
    }

    /// The result so far.
    pub fn verdict(&self) -> Verdict {
        let mean = |sum: f64, count: u64| (count > 0).then(|| sum / count as f64);
        Verdict {
            frames: self.frames,
            psnr_db: (0..4).map(|plane| self.psnr.plane(plane).filter(|db| db.is_finite())).collect(),
            ssim: mean(self.ssim, self.judged),
            flicker: self.flicker.value(),
            truth_flicker: self.truth_flicker.value(),
            changed_outside: self.outside,
            mark_left: mean(self.left, self.traces),
            flash_frames: self.flashes.clone(),
        }
    }
}

impl std::fmt::Display for Verdict {
    /// One measure a line, for people.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let planes: Vec<String> = self.psnr_db.iter().flatten().map(|db| format!("{db:.2}")).collect();
        let planes = if planes.is_empty() { "no difference".to_owned() } else { planes.join(" / ") + " dB" };
        let number = |value: Option<f64>, digits| value.map_or("-".to_owned(), |v| format!("{v:.digits$}"));
        writeln!(f, "frames                        {}", self.frames)?;
        writeln!(f, "PSNR inside the mask          {planes}")?;
        writeln!(f, "SSIM inside the mask          {}", number(self.ssim, 4))?;
        let (out, truth) = (number(self.flicker, 2), number(self.truth_flicker, 2));
        writeln!(f, "frame difference in the mask  {out} codes (truth {truth})")?;
        writeln!(f, "samples changed outside       {}", self.changed_outside)?;
        let left = number(self.mark_left.map(|share| 100.0 * share), 1);
        write!(f, "mark's edges left             {left} %, frames that show it: {}", self.flash_frames.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canvas::Scenery;
    use crate::clip::{Clip, Shot};
    use crate::mark::{Mark, MarkKind};
    use crate::motion::Motion;
    use cleanplate_core::Rect;

    #[test]
    fn a_frame_that_was_forgotten_is_found_and_the_rest_is_flawless() {
        let clip = Clip::new(2, (96, 64), &[Shot::new(Scenery::Leaves, Motion::Pan { dx: 2.0, dy: 0.0 }, 6)]);
        let mark = Mark::draw(MarkKind::TranslucentLogo, Rect::new(40, 30, 44, 20));
        let mut evaluation = Evaluation::default();
        for truth in clip.frames() {
            let marked = mark.over(&truth);
            let out = if truth.idx == 4 { marked.clone() } else { truth.clone() };
            evaluation.add(&out, &truth, &marked, &mark.mask());
        }
        let verdict = evaluation.verdict();
        assert_eq!((verdict.frames, verdict.changed_outside), (6, 0));
        assert_eq!(verdict.flash_frames, [4]);
        assert!((verdict.mark_left.unwrap() - 1.0 / 6.0).abs() < 1e-9);
        assert!(verdict.flicker > verdict.truth_flicker);
        assert!(verdict.psnr_db[0].is_some() && verdict.psnr_db[3].is_none());
        assert!(verdict.ssim.unwrap() < 1.0);
        let text = verdict.to_string();
        assert!(text.contains("16.7 %, frames that show it: 1") && text.lines().count() == 6, "{text}");
    }
}
