//! Which neighbours a sample is averaged from when the picture flows in one direction.
//!
//! Knows directions and grids; refuses to know samples.

/// Entries along each axis of the table of directions.
const SIDE: usize = 33;

/// How many times stronger a fully coherent direction is followed than the one across it is one more than this.
/// On `benches/fill` 10, 20 and 40 give strokes 2.2, 2.4 and 2.5 dB over the best of the other fills; boxes gain nothing
/// beyond 10, which is why the strength falls towards the middle of a hole (see `direction`).
pub(super) const STRENGTH: f32 = 40.0;

/// The largest offset of any stencil, in samples.
pub(super) const REACH: i32 = 8;

/// A sample as the weighted mean of three pairs of opposite neighbours: `sum w_k (u(p + o_k) + u(p - o_k))`, where the
/// weights of all six sum to 1. Weights are never negative, so that no sample leaves the range of its neighbours.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Stencil {
    /// Columns and rows of the three offsets, downwards or to the right.
    pub offset: [(i8, i8); 3],
    /// Weight of each neighbour of the pair.
    pub weight: [f32; 3],
}

impl Stencil {
    /// The weight of the neighbours at `offset`, 0 where it is none of the three.
    #[inline]
    pub(super) fn weight_at(&self, offset: (i8, i8)) -> f32 {
        (0..3).find(|k| self.offset[*k] == offset).map_or(0.0, |k| self.weight[k])
    }
}

/// Stencils by direction and coherence.
#[derive(Clone, Debug)]
pub(super) struct Stencils {
    table: Vec<Stencil>,
}

impl Stencils {
    /// The index of the stencil that has no direction.
    pub(super) const EVEN: u16 = (SIDE * SIDE / 2) as u16;

    pub(super) fn new(strength: f32) -> Self {
        let half = (SIDE / 2) as f32;
        let table = (0..SIDE * SIDE)
            .map(|k| stencil((k % SIDE) as f32 / half - 1.0, (k / SIDE) as f32 / half - 1.0, strength))
            .collect();
        Self { table }
    }

    /// The index for a gradient direction given as its doubled angle, `(cos 2a, sin 2a)`, times the square root of the share
    /// 0..=1 of the full strength; the root keeps angles apart where the share is small.
    pub(super) fn index([cos2, sin2]: [f32; 2]) -> u16 {
        let half = (SIDE / 2) as f32;
        let cell = |v: f32| (v * half + (half + 0.5)).clamp(0.0, (SIDE - 1) as f32) as u16;
        cell(sin2) * SIDE as u16 + cell(cos2)
    }

    pub(super) fn all(&self) -> &[Stencil] {
        &self.table
    }
}

/// The diffusion tensor with eigenvalue 1 along the edge and `1 / (1 + strength * share)` across it, as a sum of second
/// differences along three grid offsets: Selling's decomposition (Fehrenbach and Mirebeau, "Sparse non-negative
/// stencils for anisotropic diffusion", 2014, section 2).
fn stencil(cos2: f32, sin2: f32, strength: f32) -> Stencil {
    let root = cos2.hypot(sin2);
    let (c, s) = if root > 1e-6 { (cos2 / root, sin2 / root) } else { (1.0, 0.0) };
    let across = 1.0 / (1.0 + strength * root.min(1.0).powi(2));
    let (mean, swing) = ((1.0 + across) / 2.0, (1.0 - across) / 2.0);
    let (a, b, d) = (mean - swing * c, -swing * s, mean + swing * c);
    let product = |u: (i32, i32), v: (i32, i32)| {
        let (ux, uy, vx, vy) = (u.0 as f32, u.1 as f32, v.0 as f32, v.1 as f32);
        ux * (a * vx + b * vy) + uy * (b * vx + d * vy)
    };
    let mut base = [(1, 0), (0, 1), (-1, -1)];
    // Each step shortens the base and few are needed; the bound only guards against rounding.
    for _ in 0..32 {
        let acute = [(0, 1, 2), (1, 2, 0), (2, 0, 1)].into_iter().find(|(i, j, _)| product(base[*i], base[*j]) > 1e-6);
        let Some((i, j, k)) = acute else { break };
        let (u, v) = (base[i], base[j]);
        base[k] = (u.0 - v.0, u.1 - v.1);
        base[i] = (-u.0, -u.1);
    }
    let mut out = Stencil::default();
    let mut sum = 0.0;
    for (slot, (i, j, k)) in [(0, 1, 2), (1, 2, 0), (2, 0, 1)].into_iter().enumerate() {
        let (dx, dy) = (-base[k].1 as i8, base[k].0 as i8);
        out.offset[slot] = if (dy, dx) < (0, 0) { (-dx, -dy) } else { (dx, dy) };
        out.weight[slot] = (-product(base[i], base[j])).max(0.0);
        sum += 2.0 * out.weight[slot];
    }
    out.weight.iter_mut().for_each(|w| *w /= sum);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_stencil_is_a_mean_of_near_neighbours() {
        for stencil in Stencils::new(STRENGTH).all() {
            let sum: f32 = stencil.weight.iter().map(|w| 2.0 * w).sum();
            assert!((sum - 1.0).abs() < 1e-5, "{stencil:?}");
            for (offset, weight) in stencil.offset.iter().zip(stencil.weight) {
                assert!(weight >= 0.0);
                let reach = i32::from(offset.0).abs().max(i32::from(offset.1).abs());
                assert!(weight == 0.0 || (1..=REACH).contains(&reach), "{stencil:?}");
            }
        }
    }

    #[test]
    fn a_stencil_reproduces_its_diffusion_tensor() {
        for (cos2, sin2) in
            [(0.0f32, 0.0f32), (1.0, 0.0), (-1.0, 0.0), (0.0, 1.0), (0.5, -0.5), (0.7, 0.7), (-0.9, 0.3)]
        {
            let stencil = stencil(cos2, sin2, STRENGTH);
            let (mut xx, mut xy, mut yy) = (0.0, 0.0, 0.0);
            for (offset, weight) in stencil.offset.iter().zip(stencil.weight) {
                let (x, y) = (f32::from(offset.0), f32::from(offset.1));
                xx += weight * x * x;
                xy += weight * x * y;
                yy += weight * y * y;
            }
            let root = cos2.hypot(sin2);
            let across = 1.0 / (1.0 + STRENGTH * root.min(1.0).powi(2));
            // Trace and difference of the tensor, up to the common factor that the normalised weights carry.
            let swing = if root > 0.0 { (1.0 - across) / (1.0 + across) / root } else { 0.0 };
            assert!(((yy - xx) / (xx + yy) - swing * cos2).abs() < 1e-4, "{cos2} {sin2}");
            assert!((-2.0 * xy / (xx + yy) - swing * sin2).abs() < 1e-4, "{cos2} {sin2}");
        }
    }
}
