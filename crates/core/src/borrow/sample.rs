//! Values between samples.

use crate::raster::Raster;

/// Length of a motion; `hypot` of the standard library is a call that takes ten times as long.
pub(super) fn length([x, y]: [f32; 2]) -> f32 {
    (x * x + y * y).sqrt()
}

/// Bilinear value of a grid in rows of `width` at column `x`, row `y`; clamped at the border.
pub(super) fn bilinear<const N: usize>(values: &[[f32; N]], width: usize, x: f32, y: f32) -> [f32; N] {
    let height = values.len() / width;
    let x = x.clamp(0.0, (width - 1) as f32);
    let y = y.clamp(0.0, (height - 1) as f32);
    let (x0, y0) = (x as usize, y as usize);
    let (x1, y1) = ((x0 + 1).min(width - 1), (y0 + 1).min(height - 1));
    let (fx, fy) = (x - x0 as f32, y - y0 as f32);
    let (a, b) = (&values[y0 * width + x0], &values[y0 * width + x1]);
    let (c, d) = (&values[y1 * width + x0], &values[y1 * width + x1]);
    std::array::from_fn(|n| {
        let top = a[n] + fx * (b[n] - a[n]);
        let bottom = c[n] + fx * (d[n] - c[n]);
        top + fy * (bottom - top)
    })
}

/// Bilinear value of a raster at column `x`, row `y`; clamped at the border.
pub(super) fn linear(raster: &Raster<f32>, x: f32, y: f32) -> f32 {
    let (width, height) = (raster.width() as usize, raster.height() as usize);
    let x = x.clamp(0.0, (width - 1) as f32);
    let y = y.clamp(0.0, (height - 1) as f32);
    let (x0, y0) = (x as usize, y as usize);
    let x1 = (x0 + 1).min(width - 1);
    let (fx, fy) = (x - x0 as f32, y - y0 as f32);
    let (above, below) = (raster.row(y0 as u32), raster.row((y0 + 1).min(height - 1) as u32));
    let top = above[x0] + fx * (above[x1] - above[x0]);
    let bottom = below[x0] + fx * (below[x1] - below[x0]);
    top + fy * (bottom - top)
}

/// Cubic convolution with a = -1/2 (Keys 1981, equation 15) at column `x`, row `y`; clamped at the border. Returns the
/// sample itself where both are whole.
pub(super) fn cubic(raster: &Raster<f32>, x: f32, y: f32) -> f32 {
    let (x0, y0) = (x.floor(), y.floor());
    let (wx, wy) = (weights(x - x0), weights(y - y0));
    let (width, height) = (raster.width() as i64, raster.height() as i64);
    let columns: [usize; 4] = std::array::from_fn(|i| (x0 as i64 + i as i64 - 1).clamp(0, width - 1) as usize);
    let mut sum = 0.0;
    for (i, wy) in wy.iter().enumerate() {
        let row = raster.row((y0 as i64 + i as i64 - 1).clamp(0, height - 1) as u32);
        sum += wy * columns.iter().zip(&wx).map(|(c, w)| w * row[*c]).sum::<f32>();
    }
    sum
}

fn weights(t: f32) -> [f32; 4] {
    let (t2, t3) = (t * t, t * t * t);
    [-0.5 * t + t2 - 0.5 * t3, 1.0 - 2.5 * t2 + 1.5 * t3, 0.5 * t + 2.0 * t2 - 1.5 * t3, 0.5 * (t3 - t2)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parabola_is_met_between_samples_and_a_sample_is_kept() {
        let f = |x: f32, y: f32| 3.0 + 0.5 * x * x - 0.25 * y * y + x * y;
        let data = (0..12 * 9).map(|k| f((k % 12) as f32, (k / 12) as f32)).collect();
        let Some(raster) = Raster::from_vec(12, 9, data) else { return };
        assert_eq!(cubic(&raster, 5.0, 4.0), f(5.0, 4.0));
        assert!((cubic(&raster, 5.3, 4.6) - f(5.3, 4.6)).abs() < 1e-3);
        assert!((linear(&raster, 5.0, 4.0) - f(5.0, 4.0)).abs() < 1e-6);
    }
}
