//! Numbers that look random and follow from a seed alone.

/// A stream of numbers (`SplitMix64`: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014).
#[derive(Clone, Debug)]
pub(crate) struct Noise(u64);

impl Noise {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A stream of its own for `index`, independent of how far this one was read.
    pub(crate) fn fork(&self, index: u64) -> Self {
        let mut child = Self(self.0 ^ index.wrapping_mul(0xd605_1a2f_9ab1_5e6d).rotate_left(17));
        child.next();
        Self(child.next())
    }

    pub(crate) const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Uniform in `0.0..1.0`.
    pub(crate) fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Uniform in `from..to`.
    pub(crate) fn between(&mut self, from: f64, to: f64) -> f64 {
        from + (to - from) * self.unit()
    }

    /// Mean 0, variance 1, bell-shaped within +-3.46: the sum of four 16-bit uniforms from one draw, which is close enough
    /// to a Gaussian for grain and costs one multiplication a sample.
    pub(crate) fn bell(&mut self) -> f32 {
        let draw = self.next();
        let sum: u32 = (0..4).map(|k| (draw >> (16 * k)) as u16).map(u32::from).sum();
        // Four uniforms on 0..65536 have mean 2 * 65536 and standard deviation 65536 / sqrt(3).
        (sum as f32 - 131_070.0) * (1.732_050_8 / 65_536.0)
    }
}

/// Smooth noise on a torus: `size` x `size` values with mean near 0, the sum of octaves from `coarsest` cells across on,
/// each finer one weaker by `falloff`.
pub(crate) fn clouds(noise: &mut Noise, size: usize, coarsest: usize, octaves: usize, falloff: f32) -> Vec<f32> {
    let mut out = vec![0.0; size * size];
    let mut weight = 1.0;
    let mut cells = coarsest;
    for _ in 0..octaves {
        if cells > size {
            break;
        }
        let lattice: Vec<f32> = (0..cells * cells).map(|_| noise.between(-1.0, 1.0) as f32).collect();
        let step = size / cells;
        let ease: Vec<f32> = (0..step)
            .map(|i| {
                let t = i as f32 / step as f32;
                t * t * (3.0 - 2.0 * t)
            })
            .collect();
        for y in 0..cells * step {
            let (top, bottom) = (y / step * cells, (y / step + 1) % cells * cells);
            let v = ease[y % step];
            let row = &mut out[y * size..(y + 1) * size];
            for cell in 0..cells {
                let next = (cell + 1) % cells;
                let left = lattice[top + cell] + (lattice[bottom + cell] - lattice[top + cell]) * v;
                let right = lattice[top + next] + (lattice[bottom + next] - lattice[top + next]) * v;
                for (o, u) in row[cell * step..(cell + 1) * step].iter_mut().zip(&ease) {
                    *o += weight * (left + (right - left) * u);
                }
            }
        }
        weight *= falloff;
        cells *= 2;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_stream_and_forks_differ() {
        let take = |mut n: Noise| (0..8).map(|_| n.next()).collect::<Vec<_>>();
        assert_eq!(take(Noise::new(5)), take(Noise::new(5)));
        assert_ne!(take(Noise::new(5)), take(Noise::new(6)));
        let mut read = Noise::new(5);
        let before = take(read.fork(3));
        assert_ne!(before, take(read.fork(4)));
        read.next();
        assert_ne!(before, take(read.fork(3)), "a fork follows from the state it was taken at");
    }

    #[test]
    fn grain_has_mean_zero_and_variance_one() {
        let mut noise = Noise::new(1);
        let draws: Vec<f64> = (0..100_000).map(|_| f64::from(noise.bell())).collect();
        let mean = draws.iter().sum::<f64>() / 1e5;
        let variance = draws.iter().map(|d| (d - mean).powi(2)).sum::<f64>() / 1e5;
        // Standard errors of 1e5 draws: .003 of the mean, .005 of the variance.
        assert!(mean.abs() < 0.015, "{mean}");
        assert!((variance - 1.0).abs() < 0.03, "{variance}");
    }

    #[test]
    fn clouds_close_on_themselves() {
        let size = 64;
        let field = clouds(&mut Noise::new(9), size, 4, 3, 0.5);
        let step = |a: usize, b: usize| (field[a] - field[b]).abs();
        let inner = (0..size).flat_map(|y| (1..size).map(move |x| (y * size + x, y * size + x - 1)));
        let largest = inner.map(|(a, b)| step(a, b)).fold(0.0, f32::max);
        let seam = (0..size).map(|y| step(y * size, y * size + size - 1)).fold(0.0, f32::max);
        assert!(seam <= largest * 1.01, "seam {seam}, inside {largest}");
    }
}
