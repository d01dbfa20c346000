//! What a matte leaves behind: noise, speckle along the mark's edges and ghosts of its shape, measured on the clip's own
//! crops after the mark has been computed away.
//!
//! Nothing here needs the truth. Noise shows as more energy in the finest scale than the surroundings have, a ghost as
//! slopes of the result that follow the slopes of the matte more than chance allows. Knows crops and mattes; refuses to
//! change either.

use rayon::prelude::*;

use super::evidence::MatteEvidence;
use super::membrane::Membrane;
use super::morphology::{local_mean, quantile};
use super::stack::{LANES, Stack, code, stacks};
use super::{Matte, MattePlane};
use crate::raster::Raster;

/// Noise of the codec in a coded sample of luma (or RGB) and of chroma (8-bit code values), which the inverse divides by what
/// the mark lets through. Between x264's crf 20 and 28 the best values run from 2 to 4 in luma and from 1.5 to 3 in chroma;
/// these lose 0.1 dB at most at either end (`benches/unblend`).
const CODED: [f32; 2] = [2.5, 2.0];
/// Less of the source than this is not computed.
const LEAST_KEEP: f32 = 0.10;
/// A sample that keeps this share is surroundings.
const CLEAR: f32 = 0.97;
/// Groups of frames that are looked at: more say the same.
const GROUPS: usize = 4;
/// Samples by which the weights of a local mean fall to 1/e.
const REACH: f32 = 4.0;
/// Samples that such a mean is worth: (sum w)^2 / sum w^2 of two-sided exponentials in both directions.
const WORTH: f32 = 16.0 * REACH * REACH;
/// Energy above that of the surroundings by which chance exceeds it at most.
const CHANCE: f32 = 1.5;
/// Along edges the error is the same over some samples, of which the finest scale shows a part.
const SPREAD: f32 = 8.0;

impl MatteEvidence {
    /// Standard deviation of what is wrong with samples that `matte` gives back, per plane over the matte's rectangle, in
    /// code values. `matte` must be one that [`solve`](Self::solve) has made from this evidence; for another rectangle only
    /// what the codec's noise becomes is told.
    pub fn residual(&self, matte: &Matte) -> Vec<Raster<f32>> {
        let code = code(self.format);
        let stacks = stacks(self);
        let planes = stacks.iter().zip(matte.planes()).enumerate();
        planes
            .map(|(n, (stack, plane))| {
                let coded = CODED[usize::from(self.format.is_chroma(n))];
                let (w, h) = (plane.keep.width(), plane.keep.height());
                let mut noise = Raster::new(w, h, 0.0);
                let fits = (stack.width, stack.height) == (w as usize, h as usize) && stack.frames() > 0;
                let extra = if fits { extra(stack, plane, code) } else { vec![0.0; noise.data().len()] };
                for ((noise, keep), extra) in noise.data_mut().iter_mut().zip(plane.keep.data()).zip(extra) {
                    *noise = code * ((coded / keep.max(LEAST_KEEP)).powi(2) + extra).sqrt();
                }
                noise
            })
            .collect()
    }
}

/// Variance beyond the codec's at every sample, in squared 8-bit code values.
fn extra(stack: &Stack<'_>, plane: &MattePlane, code: f32) -> Vec<f32> {
    let (width, keep) = (stack.width, plane.keep.data());
    let alpha: Vec<f32> = keep.iter().map(|keep| 1.0 - keep).collect();
    let known: Vec<bool> = keep.iter().map(|keep| *keep > LEAST_KEEP).collect();
    let inner = shrunk(&known, width);
    let clear = shrunk(&keep.iter().map(|keep| *keep >= CLEAR).collect::<Vec<_>>(), width);
    let slopes = slopes(&alpha, width, &inner);
    let steep: Vec<f32> = slopes.iter().map(|[x, y]| x * x + y * y).collect();
    let steep = local_mean(&steep, &inner, width, REACH);
    let groups = stack.groups();
    let step = groups.len().div_ceil(GROUPS);
    let sums: Vec<Sums> = groups
        .iter()
        .step_by(step)
        .copied()
        .collect::<Vec<_>>()
        .into_par_iter()
        .map(|first| {
            let (frames, count) = stack.lanes(first);
            let mut sums = Sums::new(keep.len());
            for lane in (0..LANES).take(count) {
                let computed = |((frame, known), (keep, add)): ((&[f32; LANES], &bool), (&f32, &f32))| {
                    if *known { (frame[lane] - add / code) / keep } else { frame[lane] }
                };
                let samples = frames.iter().zip(&known).zip(keep.iter().zip(plane.add.data()));
                let picture: Vec<f32> = samples.map(computed).collect();
                sums.add(&picture, width, &inner, &slopes, &steep);
            }
            sums
        })
        .collect();
    let count: f32 = sums.iter().map(|sums| sums.frames).sum();
    let mean = |pick: fn(&Sums) -> &Vec<f32>| -> Vec<f32> {
        let mut all = vec![0.0; keep.len()];
        for sums in &sums {
            all.iter_mut().zip(pick(sums)).for_each(|(all, one)| *all += one / count);
        }
        all
    };
    let fine = local_mean(&mean(|sums| &sums.fine), &inner, width, 1.0);
    let expected = predicted(&fine, &clear, width);
    let slope = predicted(&mean(|sums| &sums.slope), &clear, width);
    let ghost = mean(|sums| &sums.ghost);
    let peak = quantile(alpha.iter().copied().filter(|alpha| *alpha > 1.0 - CLEAR), 0.95);
    (0..keep.len())
        .map(|k| {
            if !known[k] || keep[k] >= CLEAR {
                return 0.0;
            }
            let speckle = SPREAD * (fine[k] - CHANCE * expected[k]).max(0.0);
            let by_chance = if steep[k] > 0.0 { CHANCE * 0.5 * slope[k] / (steep[k] * WORTH) } else { 0.0 };
            let ghost = (ghost[k] - by_chance).max(0.0) * (0.5 * peak).powi(2);
            speckle + ghost
        })
        .collect()
}

/// Sums over frames.
struct Sums {
    frames: f32,
    /// Squared response of the noise filter, as a variance.
    fine: Vec<f32>,
    /// Squared slope.
    slope: Vec<f32>,
    /// Squared share of the matte's shape in the picture around a sample, in code values for opacity 1.
    ghost: Vec<f32>,
}

impl Sums {
    fn new(len: usize) -> Self {
        Self { frames: 0.0, fine: vec![0.0; len], slope: vec![0.0; len], ghost: vec![0.0; len] }
    }

    fn add(&mut self, picture: &[f32], width: usize, inner: &[bool], shape: &[[f32; 2]], steep: &[f32]) {
        self.frames += 1.0;
        let own = slopes(picture, width, inner);
        let along: Vec<f32> = own.iter().zip(shape).map(|(a, b)| a[0] * b[0] + a[1] * b[1]).collect();
        let along = local_mean(&along, inner, width, REACH);
        for k in (0..picture.len()).filter(|k| inner[*k]) {
            self.fine[k] += fine(picture, width, k);
            self.slope[k] += own[k][0].powi(2) + own[k][1].powi(2);
            if steep[k] > 1e-6 {
                self.ghost[k] += (along[k] / steep[k]).powi(2);
            }
        }
    }
}

/// Variance of noise by one response of Immerkaer's filter (1996), which straight edges and ramps do not excite.
fn fine(picture: &[f32], width: usize, k: usize) -> f32 {
    let at = |dy: usize, dx: usize| picture[k + dy * width + dx - width - 1];
    let corners = at(0, 0) + at(0, 2) + at(2, 0) + at(2, 2);
    let sides = at(0, 1) + at(1, 0) + at(1, 2) + at(2, 1);
    (corners - 2.0 * sides + 4.0 * at(1, 1)).powi(2) / 36.0
}

/// Central differences where `inner` holds.
pub(super) fn slopes(picture: &[f32], width: usize, inner: &[bool]) -> Vec<[f32; 2]> {
    (0..picture.len())
        .map(|k| {
            if !inner[k] {
                return [0.0; 2];
            }
            [0.5 * (picture[k + 1] - picture[k - 1]), 0.5 * (picture[k + width] - picture[k - width])]
        })
        .collect()
}

/// The samples all of whose eight neighbours lie in `area` and in the raster.
fn shrunk(area: &[bool], width: usize) -> Vec<bool> {
    let height = area.len() / width.max(1);
    (0..area.len())
        .map(|k| {
            let (x, y) = (k % width, k / width);
            let inside = x > 0 && y > 0 && x + 1 < width && y + 1 < height;
            inside && (0..9).all(|n| area[k + n / 3 * width + n % 3 - width - 1])
        })
        .collect()
}

/// An energy everywhere, as the samples in `clear` have it, continued through the rest.
fn predicted(energy: &[f32], clear: &[bool], width: usize) -> Vec<f32> {
    let logs: Vec<f32> = energy.iter().map(|e| (e + 0.01).ln()).collect();
    let open: Vec<bool> = clear.iter().map(|clear| !clear).collect();
    if !clear.contains(&true) {
        return energy.to_vec();
    }
    Membrane::new(&open, width).fill_one(&logs).iter().map(|log| log.exp()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::PixelFormat;
    use crate::frame::{Frame, HostSurface, RowMut, Surface};
    use crate::geometry::Rect;
    use crate::mask::Mask;

    const SIZE: (u32, u32) = (110, 80);
    const MARK: Rect = Rect::new(40, 30, 30, 20);

    /// Letters of five columns with gaps of five: a shape with slopes inside the box.
    fn is_mark(x: u32, y: u32) -> bool {
        (MARK.x..MARK.right()).contains(&x)
            && (MARK.y..MARK.bottom()).contains(&y)
            && ((x - MARK.x) / 5).is_multiple_of(2)
    }

    fn evidence(alpha: f32) -> MatteEvidence {
        let format = PixelFormat::GRAY8;
        let mut evidence = MatteEvidence::new(&Mask::rectangle(MARK), format, SIZE);
        for t in 0..24u32 {
            let mut surface = HostSurface::new(format, SIZE.0, SIZE.1);
            for y in 0..SIZE.1 {
                if let RowMut::U8(row) = surface.row_mut(0, y) {
                    for (x, out) in (0u32..).zip(row.iter_mut()) {
                        let (u, v) = ((x + 3 * t) as f32, (y + t) as f32);
                        let scene =
                            100.0 + 40.0 * (u * 0.21).sin() * (v * 0.17).cos() + 10.0 * (u * 0.9 + v * 0.7).sin();
                        *out = if is_mark(x, y) { (1.0 - alpha) * scene + alpha * 235.0 } else { scene }.round() as u8;
                    }
                }
            }
            evidence.observe(&Frame::new(u64::from(t), 0, 1, SIZE, format, Box::new(surface)));
        }
        evidence
    }

    fn matte(evidence: &MatteEvidence, alpha: f32) -> Matte {
        let rect = evidence.rect;
        let (mut keep, mut add) = (Raster::new(rect.w, rect.h, 1.0), Raster::new(rect.w, rect.h, 0.0));
        for k in 0..rect.w * rect.h {
            let (x, y) = (k % rect.w, k / rect.w);
            if is_mark(rect.x + x, rect.y + y) {
                keep.set(x, y, 1.0 - alpha);
                add.set(x, y, alpha * 235.0);
            }
        }
        Matte::new(rect, PixelFormat::GRAY8, vec![MattePlane { keep, add }]).unwrap()
    }

    fn worst(evidence: &MatteEvidence, matte: &Matte) -> f32 {
        let noise = &evidence.residual(matte)[0];
        quantile(
            noise.data().iter().zip(matte.planes()[0].keep.data()).filter(|(_, k)| **k < 0.9).map(|(n, _)| *n),
            0.5,
        )
    }

    #[test]
    fn a_right_matte_leaves_the_codecs_noise_and_a_wrong_one_its_ghost() {
        let evidence = evidence(0.5);
        let right = worst(&evidence, &matte(&evidence, 0.5));
        assert!((right - 5.0).abs() < 0.8, "{right}");
        // Too little taken away: about (0.5 - 0.4) * (235 - 100) / 0.6 = 22 code values of the letters remain.
        let ghost = worst(&evidence, &matte(&evidence, 0.4));
        assert!(ghost > 9.0, "{ghost}");
    }
}
