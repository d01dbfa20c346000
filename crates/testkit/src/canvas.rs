//! What the camera of a synthetic clip looks at: a picture on a torus, painted once from a seed.

use cleanplate_core::Raster;

use crate::noise::{Noise, clouds};
use crate::shape::{Segment, disc};

/// What is painted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scenery {
    /// Overlapping textured discs of all sizes: edges and texture with the statistics of natural pictures (the dead leaves
    /// model: Lee, Mumford, Huang, IJCV 41, 2001).
    Leaves,
    /// Soft clouds in colour: texture without edges.
    Clouds,
    /// Slow ramps of colour, where banding shows.
    Gradient,
    /// Dark strokes on flat paper, as in drawings and slides.
    LineArt,
    /// Rows of equal windows on a wall: repeated structure.
    Facade,
}

impl Scenery {
    /// All kinds.
    pub const ALL: [Self; 5] = [Self::Leaves, Self::Clouds, Self::Gradient, Self::LineArt, Self::Facade];
}

/// `size` x `size` non-linear R'G'B' values of 0..=1 on a torus; `size` is a power of two.
#[derive(Clone, Debug)]
pub(crate) struct Canvas {
    pixels: Raster<[f32; 3]>,
}

impl Canvas {
    /// Paints `scenery`; `size` is rounded up to a power of two.
    pub(crate) fn paint(scenery: Scenery, size: u32, seed: u64) -> Self {
        let size = size.next_power_of_two();
        let mut pixels = Raster::new(size, size, [0.5; 3]);
        let mut noise = Noise::new(seed);
        match scenery {
            Scenery::Leaves => leaves(&mut pixels, &mut noise),
            Scenery::Clouds => cloudy(&mut pixels, &mut noise, 6, 0.65),
            Scenery::Gradient => cloudy(&mut pixels, &mut noise, 1, 0.5),
            Scenery::LineArt => line_art(&mut pixels, &mut noise),
            Scenery::Facade => facade(&mut pixels, &mut noise),
        }
        Self { pixels }
    }

    /// The colours at `start`, `start + step`, `start + 2 step` ... (column, row; between pixels bilinear). The torus has no
    /// outside.
    pub(crate) fn sample(&self, start: (f64, f64), step: (f64, f64), out: &mut [[f32; 3]]) {
        let mask = self.pixels.width() - 1;
        // 32 bits of fraction: rounding a place to whole pixels is then a shift, not a call.
        let fixed = |v: f64| (v * 4_294_967_296.0) as i64;
        let fraction = |v: i64| (v as u32 >> 8) as f32 / 16_777_216.0;
        let (mut x, mut y) = (fixed(start.0), fixed(start.1));
        let (across, down) = (fixed(step.0), fixed(step.1));
        for colour in out {
            let (x0, y0) = ((x >> 32) as u32 & mask, (y >> 32) as u32 & mask);
            let (upper, lower) = (self.pixels.row(y0), self.pixels.row((y0 + 1) & mask));
            let (left, right) = (x0 as usize, ((x0 + 1) & mask) as usize);
            let (u, v) = (fraction(x), fraction(y));
            for (c, value) in colour.iter_mut().enumerate() {
                let above = upper[left][c] + (upper[right][c] - upper[left][c]) * u;
                let below = lower[left][c] + (lower[right][c] - lower[left][c]) * u;
                *value = above + (below - above) * v;
            }
            x = x.wrapping_add(across);
            y = y.wrapping_add(down);
        }
    }
}

fn colour(noise: &mut Noise) -> [f32; 3] {
    // Real pictures are mostly dull: a grey with a moderate tint.
    let grey = noise.between(0.12, 0.88);
    std::array::from_fn(|_| (grey + noise.between(-0.12, 0.12)).clamp(0.02, 0.98) as f32)
}

/// Mixes `ink` over the pixel by `alpha` 0..=1.
fn mix(pixel: &mut [f32; 3], ink: [f32; 3], alpha: f32) {
    pixel.iter_mut().zip(ink).for_each(|(p, i)| *p += (i - *p) * alpha);
}

fn leaves(pixels: &mut Raster<[f32; 3]>, noise: &mut Noise) {
    let size = pixels.width();
    cloudy(pixels, noise, 2, 0.5);
    let texture = clouds(noise, size as usize, (size / 16) as usize, 4, 0.8);
    // Radii from 3 px to a tenth of the canvas with density r^-3; this many cover it about twice.
    let (small, large) = (3.0f64, f64::from(size) / 10.0);
    let count = size * size / 120;
    for _ in 0..count {
        let u = noise.unit();
        let radius = (small.powi(-2) + u * (large.powi(-2) - small.powi(-2))).powf(-0.5);
        let centre = (noise.between(0.0, f64::from(size)), noise.between(0.0, f64::from(size)));
        let ink = colour(noise);
        let contrast = noise.between(0.0, 0.16) as f32;
        stamp(pixels, centre, radius, |pixel, k, alpha| {
            mix(pixel, ink.map(|c| (c + contrast * texture[k]).clamp(0.0, 1.0)), alpha);
        });
    }
    soften(pixels);
}

/// Calls `paint(pixel, index, alpha)` for the pixels of a disc that wraps around the torus.
fn stamp(
    pixels: &mut Raster<[f32; 3]>,
    centre: (f64, f64),
    radius: f64,
    mut paint: impl FnMut(&mut [f32; 3], usize, f32),
) {
    let size = pixels.width();
    let reach = radius.ceil() as i64 + 1;
    for dy in -reach..=reach {
        let y = centre.1.floor() as i64 + dy;
        for dx in -reach..=reach {
            let x = centre.0.floor() as i64 + dx;
            let alpha = disc((x as f64 - centre.0, y as f64 - centre.1), radius);
            if alpha > 0.0 {
                let k = (y as u32 & (size - 1)) as usize * size as usize + (x as u32 & (size - 1)) as usize;
                paint(&mut pixels.data_mut()[k], k, alpha);
            }
        }
    }
}

fn cloudy(pixels: &mut Raster<[f32; 3]>, noise: &mut Noise, octaves: usize, falloff: f32) {
    let size = pixels.width() as usize;
    let luma = clouds(noise, size, 4, octaves, falloff);
    let tints: [Vec<f32>; 3] = std::array::from_fn(|_| clouds(noise, size, 4, 2.min(octaves), 0.5));
    for (k, pixel) in pixels.data_mut().iter_mut().enumerate() {
        *pixel = std::array::from_fn(|c| (0.5 + 0.28 * luma[k] + 0.12 * tints[c][k]).clamp(0.0, 1.0));
    }
}

fn line_art(pixels: &mut Raster<[f32; 3]>, noise: &mut Noise) {
    let size = pixels.width();
    pixels.data_mut().fill([0.94, 0.93, 0.9]);
    for _ in 0..size / 8 {
        let ink = if noise.unit() < 0.7 { [0.08; 3] } else { colour(noise) };
        let half = noise.between(0.6, 2.5);
        let mut at = (noise.between(0.0, f64::from(size)), noise.between(0.0, f64::from(size)));
        let mut heading = noise.between(0.0, std::f64::consts::TAU);
        let bend = noise.between(-0.2, 0.2);
        for _ in 0..12 {
            let next = (at.0 + 7.0 * heading.cos(), at.1 + 7.0 * heading.sin());
            let line = Segment { from: at, to: next };
            let middle = (f64::midpoint(at.0, next.0), f64::midpoint(at.1, next.1));
            let reach = 6 + half.ceil() as i64;
            for dy in -reach..=reach {
                for dx in -reach..=reach {
                    let place = (middle.0.floor() + dx as f64, middle.1.floor() + dy as f64);
                    let alpha = (half + 0.5 - line.distance(place)).clamp(0.0, 1.0) as f32;
                    if alpha > 0.0 {
                        let (x, y) = (place.0 as i64 as u32 & (size - 1), place.1 as i64 as u32 & (size - 1));
                        let mut pixel = pixels.at(x, y);
                        mix(&mut pixel, ink, alpha);
                        pixels.set(x, y, pixel);
                    }
                }
            }
            at = next;
            heading += bend;
        }
    }
}

fn facade(pixels: &mut Raster<[f32; 3]>, noise: &mut Noise) {
    let size = pixels.width();
    let wall = colour(noise);
    let texture = clouds(noise, size as usize, (size / 8) as usize, 3, 0.8);
    let panes: Vec<[f32; 3]> = (0..64).map(|_| colour(noise)).collect();
    for y in 0..size {
        for x in 0..size {
            // Windows of 18 x 24 px every 32 px, with a 2 px frame.
            let (cx, cy) = (x % 32, y % 32);
            let inside = (4..28).contains(&cy) && (7..25).contains(&cx);
            let pane = (6..26).contains(&cy) && (9..23).contains(&cx);
            let ink = match (inside, pane) {
                (_, true) => panes[((x / 32 * 7 + y / 32 * 13) % 64) as usize],
                (true, false) => [0.85; 3],
                _ => wall,
            };
            let grain = 0.05 * texture[(y * size + x) as usize];
            pixels.set(x, y, ink.map(|c| (c + grain).clamp(0.0, 1.0)));
        }
    }
    soften(pixels);
}

/// A binomial 3 x 3 blur on the torus: no lens gives edges of one pixel, and bilinear sampling shimmers on them.
fn soften(pixels: &mut Raster<[f32; 3]>) {
    let size = pixels.width();
    let mask = size - 1;
    let source = pixels.clone();
    let blend = |a: [f32; 3], b: [f32; 3], c: [f32; 3]| std::array::from_fn(|k| (a[k] + 2.0 * b[k] + c[k]) * 0.25);
    let mut wide = source.clone();
    for y in 0..size {
        for x in 0..size {
            let row = source.row(y);
            wide.set(
                x,
                y,
                blend(row[(x.wrapping_sub(1) & mask) as usize], row[x as usize], row[((x + 1) & mask) as usize]),
            );
        }
    }
    for y in 0..size {
        for x in 0..size {
            let (above, below) = (wide.at(x, y.wrapping_sub(1) & mask), wide.at(x, (y + 1) & mask));
            pixels.set(x, y, blend(above, wide.at(x, y), below));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spread(canvas: &Canvas) -> f64 {
        let luma: Vec<f64> =
            canvas.pixels.data().iter().map(|p| p.iter().map(|c| f64::from(*c)).sum::<f64>() / 3.0).collect();
        let mean = luma.iter().sum::<f64>() / luma.len() as f64;
        (luma.iter().map(|l| (l - mean).powi(2)).sum::<f64>() / luma.len() as f64).sqrt()
    }

    #[test]
    fn every_scenery_shows_something_and_follows_from_its_seed() {
        for scenery in Scenery::ALL {
            let canvas = Canvas::paint(scenery, 128, 3);
            assert!(spread(&canvas) > 0.04, "{scenery:?} is flat: {}", spread(&canvas));
            assert!(canvas.pixels.data().iter().flatten().all(|c| (0.0..=1.0).contains(c)), "{scenery:?}");
            assert_eq!(canvas.pixels, Canvas::paint(scenery, 128, 3).pixels, "{scenery:?}");
            assert_ne!(canvas.pixels, Canvas::paint(scenery, 128, 4).pixels, "{scenery:?}");
        }
    }

    #[test]
    fn sampling_meets_the_pixels_and_wraps() {
        let canvas = Canvas::paint(Scenery::Leaves, 64, 3);
        let sample = |x, y| {
            let mut out = [[0.0; 3]; 2];
            canvas.sample((x, y), (1.0, -2.0), &mut out);
            out
        };
        assert_eq!(sample(5.0, 9.0), [canvas.pixels.at(5, 9), canvas.pixels.at(6, 7)]);
        assert_eq!(sample(5.0 - 64.0, 9.0 + 128.0), sample(5.0, 9.0));
        let half = sample(63.5, 9.0)[0][1];
        let mean = f32::midpoint(canvas.pixels.at(63, 9)[1], canvas.pixels.at(0, 9)[1]);
        assert!((half - mean).abs() < 1e-6);
    }
}
