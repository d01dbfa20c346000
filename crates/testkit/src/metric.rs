//! How close a restored frame is to the truth inside a mask, how steady it is, and what was touched outside.

use cleanplate_core::{Frame, Mask, Patch, Raster, Rect, Row, Rows};

use crate::planes::plane_mask;

/// Peak signal-to-noise ratio of the samples inside a mask, pooled over frames, for every plane.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Psnr {
    squares: [f64; 4],
    counts: [u64; 4],
    peak: f64,
}

impl Psnr {
    /// Takes a frame and its truth into account. Frames of unequal format or size are left out.
    pub fn add(&mut self, frame: &Frame, truth: &Frame, mask: &Mask) {
        self.peak = f64::from(truth.format.max_code());
        for_each_sample(frame, truth, mask, |plane, inside, a, b| {
            if inside {
                let error = f64::from(a) - f64::from(b);
                self.squares[plane] += error * error;
                self.counts[plane] += 1;
            }
        });
    }

    /// Decibels of `plane`; infinite where every sample is equal, `None` where the mask held none.
    pub fn plane(&self, plane: usize) -> Option<f64> {
        let count = *self.counts.get(plane).filter(|count| **count > 0)?;
        Some(10.0 * (self.peak * self.peak * count as f64 / self.squares[plane]).log10())
    }
}

/// Samples per plane that differ between two frames and that `mask` does not cover (in subsampled planes: whose footprint it
/// does not meet). Frames of unequal format or size count as different in every sample of the first.
pub fn changed_outside(a: &Frame, b: &Frame, mask: &Mask) -> [u64; 4] {
    let mut changed = [0; 4];
    let same = for_each_sample(a, b, mask, |plane, inside, x, y| changed[plane] += u64::from(!inside && x != y));
    if !same {
        for (plane, count) in changed.iter_mut().enumerate().take(a.format.planes()) {
            let (w, h) = a.format.plane_size(plane, a.width, a.height);
            *count = u64::from(w) * u64::from(h);
        }
    }
    changed
}

/// Calls `visit(plane, inside the mask, sample of a, sample of b)`; returns whether the frames can be compared at all.
fn for_each_sample(a: &Frame, b: &Frame, mask: &Mask, mut visit: impl FnMut(usize, bool, u32, u32)) -> bool {
    if a.format != b.format || a.bounds() != b.bounds() {
        return false;
    }
    for plane in 0..a.format.planes() {
        let cover = plane_mask(mask, a.format, (a.width, a.height), a.scan, plane);
        for y in 0..cover.height() {
            let cover = cover.row(y).iter();
            let mut pair = |c: &u8, x: u32, y: u32| visit(plane, *c > 0, x, y);
            match (a.row(plane, y), b.row(plane, y)) {
                (Row::U8(a), Row::U8(b)) => {
                    cover.zip(a.iter().zip(b)).for_each(|(c, (x, y))| pair(c, u32::from(*x), u32::from(*y)));
                }
                (Row::U16(a), Row::U16(b)) => {
                    cover.zip(a.iter().zip(b)).for_each(|(c, (x, y))| pair(c, u32::from(*x), u32::from(*y)));
                }
                _ => return false,
            }
        }
    }
    true
}

/// Mean absolute difference between consecutive frames inside a mask, in codes of 8 bits: what flicker adds to motion.
#[derive(Clone, Debug, Default)]
pub struct Flicker {
    last: Option<Frame>,
    sum: f64,
    count: u64,
}

impl Flicker {
    /// Takes the next frame; its samples are shared, not copied.
    pub fn add(&mut self, frame: &Frame, mask: &Mask) {
        if let Some(last) = self.last.replace(frame.clone()) {
            let unit = f64::from(1u32 << (frame.format.depth - 8));
            for_each_sample(frame, &last, mask, |plane, inside, a, b| {
                if plane == 0 && inside {
                    self.sum += f64::from(a.abs_diff(b)) / unit;
                    self.count += 1;
                }
            });
        }
    }

    /// A cut: the next frame is not compared with the last one.
    pub fn cut(&mut self) {
        self.last = None;
    }

    /// Codes of 8 bits on the first plane; `None` before two frames.
    pub fn value(&self) -> Option<f64> {
        (self.count > 0).then(|| self.sum / self.count as f64)
    }
}

/// Mean structural similarity of `plane` over the samples inside `mask` (Wang, Bovik, Sheikh, Simoncelli, IEEE TIP 13(4),
/// 2004: Gaussian window of 11 x 11 with standard deviation 1.5, K1 = .01, K2 = .03). The picture is mirrored at its edges.
/// `None` where the mask is empty or the frames differ in format or size.
pub fn ssim(frame: &Frame, truth: &Frame, mask: &Mask, plane: usize) -> Option<f64> {
    if frame.format != truth.format || frame.bounds() != truth.bounds() || plane >= frame.format.planes() {
        return None;
    }
    // Twice the window's reach: mirrored samples of the patch's edge never reach a sample inside the mask. 3 more for the
    // rows of the other field.
    let area = mask.rect().grow(2 * 2 * REACH + 3, frame.width, frame.height);
    let (mut a, mut b) = (Patch::default(), Patch::default());
    frame.lift(area, Rows::All, &mut a);
    truth.lift(area, Rows::All, &mut b);
    let (log2_w, log2_h) = frame.format.subsampling(plane);
    let place = a.rect.subsampled(log2_w, log2_h);
    let (x, y) = (&a.planes[plane], &b.planes[plane]);
    let product = |p: &Raster<f32>, q: &Raster<f32>| combine(p, q, |p, q| p * q);
    let (mean_x, mean_y) = (blur(x), blur(y));
    let (xx, yy, xy) = (blur(&product(x, x)), blur(&product(y, y)), blur(&product(x, y)));
    let peak = f64::from(frame.format.max_code());
    let (c1, c2) = ((0.01 * peak).powi(2), (0.03 * peak).powi(2));
    let cover = plane_mask(mask, frame.format, (frame.width, frame.height), frame.scan, plane);
    let (mut sum, mut count) = (0.0, 0u64);
    for row in 0..x.height() {
        for column in 0..x.width() {
            if cover.at(place.x + column, place.y + row) == 0 {
                continue;
            }
            let (mx, my) = (mean_x.at(column, row), mean_y.at(column, row));
            let (vx, vy) = (xx.at(column, row) - mx * mx, yy.at(column, row) - my * my);
            let v = xy.at(column, row) - mx * my;
            sum += (2.0 * mx * my + c1) * (2.0 * v + c2) / ((mx * mx + my * my + c1) * (vx + vy + c2));
            count += 1;
        }
    }
    (count > 0).then(|| sum / count as f64)
}

const REACH: u32 = 5;

fn combine(a: &Raster<f32>, b: &Raster<f32>, f: impl Fn(f64, f64) -> f64) -> Raster<f64> {
    let data = a.data().iter().zip(b.data()).map(|(a, b)| f(f64::from(*a), f64::from(*b))).collect();
    Raster::from_vec(a.width(), a.height(), data).unwrap_or_else(|| Raster::new(0, 0, 0.0))
}

/// The Gaussian window of SSIM over a raster, mirrored at its edges without repeating them.
fn blur<T: Copy + Into<f64>>(source: &Raster<T>) -> Raster<f64> {
    let reach = i64::from(REACH);
    let mut kernel: Vec<f64> = (-reach..=reach).map(|d| (-(d * d) as f64 / (2.0 * 1.5 * 1.5)).exp()).collect();
    let total: f64 = kernel.iter().sum();
    kernel.iter_mut().for_each(|k| *k /= total);
    let (w, h) = (source.width(), source.height());
    let mut wide = Raster::new(w, h, 0.0);
    let mut out = Raster::new(w, h, 0.0);
    for y in 0..h {
        let row = source.row(y);
        for x in 0..w {
            let taps = kernel.iter().zip(-reach..);
            wide.set(x, y, taps.map(|(k, d)| k * row[mirrored(i64::from(x) + d, w) as usize].into()).sum());
        }
    }
    for y in 0..h {
        for x in 0..w {
            let taps = kernel.iter().zip(-reach..);
            out.set(x, y, taps.map(|(k, d)| k * wide.at(x, mirrored(i64::from(y) + d, h))).sum());
        }
    }
    out
}

/// The place inside `0..length` that mirroring at both ends puts `at` on.
pub(crate) fn mirrored(at: i64, length: u32) -> u32 {
    let last = i64::from(length) - 1;
    if last <= 0 {
        return 0;
    }
    let folded = at.rem_euclid(2 * last);
    folded.min(2 * last - folded) as u32
}

/// `rect` grown for a filter and clipped to the frame, lifted from both frames: the first plane of each.
pub(crate) fn luma_of(frame: &Frame, rect: Rect, patch: &mut Patch) -> Raster<f32> {
    frame.lift(rect, Rows::All, patch);
    patch.planes[0].clone()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canvas::Scenery;
    use crate::clip::{Clip, Shot};
    use crate::motion::Motion;
    use cleanplate_core::{HostSurface, PixelFormat, RowMut, Surface};

    /// A gray frame with `code(x, y)`.
    fn gray(size: (u32, u32), code: impl Fn(u32, u32) -> u8) -> Frame {
        let mut surface = HostSurface::new(PixelFormat::GRAY8, size.0, size.1);
        for y in 0..size.1 {
            if let RowMut::U8(row) = surface.row_mut(0, y) {
                row.iter_mut().zip(0..).for_each(|(sample, x)| *sample = code(x, y));
            }
        }
        Frame::new(0, 0, 1, size, PixelFormat::GRAY8, Box::new(surface))
    }

    #[test]
    fn psnr_counts_the_mask_alone_and_pools_squares() {
        let truth = gray((16, 16), |x, _| x as u8);
        let off = gray((16, 16), |x, y| x as u8 + if x < 4 { 5 } else { 0 } + if y == 15 { 90 } else { 0 });
        let mut psnr = Psnr::default();
        assert_eq!(psnr.plane(0), None);
        psnr.add(&off, &truth, &Mask::rectangle(Rect::new(0, 0, 8, 8)));
        // Half of the samples are off by 5.
        assert!((psnr.plane(0).unwrap() - 10.0 * (255.0f64 * 255.0 / 12.5).log10()).abs() < 1e-9);
        psnr.add(&truth, &truth, &Mask::rectangle(Rect::new(0, 0, 8, 8)));
        assert!((psnr.plane(0).unwrap() - 10.0 * (255.0f64 * 255.0 / 6.25).log10()).abs() < 1e-9);
        let mut equal = Psnr::default();
        equal.add(&truth, &truth, &Mask::rectangle(Rect::new(3, 3, 2, 2)));
        assert_eq!(equal.plane(0), Some(f64::INFINITY));
        assert_eq!(equal.plane(1), None);
    }

    #[test]
    fn a_single_changed_sample_outside_is_seen_in_every_plane() {
        let clip = Clip::new(1, (32, 32), &[Shot::new(Scenery::Leaves, Motion::Still, 1)]);
        let before = clip.frame(0).unwrap();
        let mask = Mask::rectangle(Rect::new(4, 4, 5, 5));
        for plane in 0..3 {
            let mut after = before.clone();
            let mut patch = Patch::default();
            after.lift(Rect::new(20, 20, 2, 2), Rows::All, &mut patch);
            patch.planes[plane].data_mut()[0] += 1.0;
            let need: Vec<_> = patch.planes.iter().map(|p| Raster::new(p.width(), p.height(), 1u8)).collect();
            after.put_back(&patch, &need);
            let mut wanted = [0; 4];
            wanted[plane] = 1;
            assert_eq!(changed_outside(&before, &after, &mask), wanted);
            assert_eq!(changed_outside(&before, &after, &Mask::rectangle(Rect::new(20, 20, 1, 1))), [0; 4]);
        }
        let other = Clip::new(1, (30, 32), &[Shot::new(Scenery::Leaves, Motion::Still, 1)]).frame(0).unwrap();
        assert_eq!(changed_outside(&before, &other, &mask)[0], 32 * 32);
    }

    #[test]
    fn flicker_is_the_mean_difference_of_neighbours_in_the_mask() {
        let mask = Mask::rectangle(Rect::new(0, 0, 8, 4));
        let mut flicker = Flicker::default();
        for level in [10u8, 14, 12] {
            flicker.add(&gray((8, 8), |_, y| if y < 4 { level } else { level * 9 }), &mask);
        }
        assert_eq!(flicker.value(), Some(3.0));
        flicker.cut();
        flicker.add(&gray((8, 8), |_, _| 200), &mask);
        assert_eq!(flicker.value(), Some(3.0));
    }

    #[test]
    fn ssim_is_one_for_equal_frames_and_matches_a_direct_sum() {
        let truth = gray((40, 36), |x, y| (x * 7 + y * 13 + x * y) as u8);
        let off = gray((40, 36), |x, y| ((x * 7 + y * 13 + x * y) as u8) / 2 + 40);
        let mask = Mask::rectangle(Rect::new(17, 15, 1, 1));
        assert!((ssim(&truth, &truth, &mask, 0).unwrap() - 1.0).abs() < 1e-12);
        let mut sums = [0.0f64; 6];
        for dy in -5i32..=5 {
            for dx in -5i32..=5 {
                let weight = (-f64::from(dx * dx + dy * dy) / 4.5).exp();
                let (x, y) = ((17 + dx) as u32, (15 + dy) as u32);
                let b = f64::from((x * 7 + y * 13 + x * y) as u8);
                let a = f64::from(((x * 7 + y * 13 + x * y) as u8) / 2 + 40);
                for (sum, value) in sums.iter_mut().zip([1.0, a, b, a * a, b * b, a * b]) {
                    *sum += weight * value;
                }
            }
        }
        let [n, a, b, aa, bb, ab] = sums;
        let (ma, mb) = (a / n, b / n);
        let (va, vb, v) = (aa / n - ma * ma, bb / n - mb * mb, ab / n - ma * mb);
        let wanted =
            (2.0 * ma * mb + 6.5025) * (2.0 * v + 58.5225) / ((ma * ma + mb * mb + 6.5025) * (va + vb + 58.5225));
        assert!((ssim(&off, &truth, &mask, 0).unwrap() - wanted).abs() < 1e-9);
        assert_eq!(ssim(&off, &truth, &Mask::empty(), 0), None);
    }

    #[test]
    fn ssim_inside_a_mask_ignores_what_is_far_away() {
        let clip = Clip::new(3, (80, 80), &[Shot::new(Scenery::Leaves, Motion::Still, 1)]);
        let truth = clip.frame(0).unwrap();
        let mut spoiled = truth.clone();
        let mut patch = Patch::default();
        spoiled.lift(Rect::new(60, 60, 8, 8), Rows::All, &mut patch);
        let need: Vec<_> = patch.planes.iter().map(|p| Raster::new(p.width(), p.height(), 1u8)).collect();
        patch.planes.iter_mut().for_each(|p| p.data_mut().fill(200.0));
        spoiled.put_back(&patch, &need);
        for plane in 0..3 {
            assert!(
                (ssim(&spoiled, &truth, &Mask::rectangle(Rect::new(10, 10, 20, 20)), plane).unwrap() - 1.0).abs()
                    < 1e-9
            );
            assert!(ssim(&spoiled, &truth, &Mask::rectangle(Rect::new(60, 60, 8, 8)), plane).unwrap() < 0.9);
        }
    }

    #[test]
    fn mirroring_stays_inside() {
        assert_eq!((-3..8).map(|at| mirrored(at, 4)).collect::<Vec<_>>(), [3, 2, 1, 0, 1, 2, 3, 2, 1, 0, 1]);
        assert_eq!(mirrored(9, 1), 0);
    }
}
