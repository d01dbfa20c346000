//! A mark as the slopes it draws, and where it is in a field of slopes.

use super::field::Field;

/// Steepest samples by which a field is scanned; the rest decides between the places that were found so.
const SCANNED: usize = 96;
/// Places that a scan offers.
pub(super) const OFFERED: usize = 6;
/// Places are different ones where they are this share of the template's box apart (restoration notes, section 3).
const APART: f32 = 0.6;
/// Share of a template's energy below which the slopes under it count as this much when they are compared.
const DARK: f32 = 0.05;

/// One sample of a template.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Point {
    column: usize,
    row: usize,
    slope: [i32; 2],
}

/// The slopes of a mark in a box of its own, at working scale.
#[derive(Clone, Debug)]
pub(super) struct Template {
    pub(super) width: usize,
    pub(super) height: usize,
    points: Vec<Point>,
    energy: f32,
    coarse: Vec<Point>,
    /// How well it keeps to one axis: 0 for a straight edge, up to 0.5 for lettering.
    pub(super) spread: f32,
}

/// A place where a template lies in a field.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Match {
    /// Column and row of the template's box.
    pub(super) x: usize,
    pub(super) y: usize,
    /// Normalised correlation, -1..=1.
    pub(super) likeness: f32,
}

impl Template {
    /// Of the part `(x, y, width, height)` of `field`, samples without slope left out.
    pub(super) fn of(field: &Field, (x0, y0, width, height): (usize, usize, usize, usize)) -> Self {
        let at = |field: &Field, x0: usize, y0: usize, w: usize, h: usize| {
            let mut points = Vec::new();
            for (y, x) in (0..h).flat_map(|y| (0..w).map(move |x| (y, x))) {
                let i = (y0 + y) * field.width + x0 + x;
                let slope = [i32::from(field.x[i]), i32::from(field.y[i])];
                if slope != [0; 2] {
                    points.push(Point { column: x, row: y, slope });
                }
            }
            points
        };
        let points = at(field, x0, y0, width, height);
        // The coarse one has to lie on whole coarse samples of the template's own box.
        let mut own = Field::flat(width, height);
        for p in &points {
            (own.x[p.row * width + p.column], own.y[p.row * width + p.column]) = (p.slope[0] as i8, p.slope[1] as i8);
        }
        let half = own.halved();
        let mut coarse = at(&half, 0, 0, half.width, half.height);
        let size = |p: &Point| p.slope[0] * p.slope[0] + p.slope[1] * p.slope[1];
        coarse.sort_by_key(|p| std::cmp::Reverse(size(p)));
        coarse.truncate(SCANNED);
        let energy = points.iter().map(|p| size(p) as f32).sum();
        let sums = points.iter().fold([0.0f32; 3], |s, p| {
            let [x, y] = p.slope.map(|v| v as f32);
            [s[0] + x * x, s[1] + y * y, s[2] + x * y]
        });
        let (mean, diff) = ((sums[0] + sums[1]) / 2.0, (sums[0] - sums[1]) / 2.0);
        let least = mean - diff.hypot(sums[2]);
        let spread = if mean > 0.0 { least / (2.0 * mean) } else { 0.0 };
        Self { width, height, points, energy, coarse, spread }
    }

    /// Samples with a slope.
    pub(super) const fn len(&self) -> usize {
        self.points.len()
    }

    /// Whether boxes at two positions are at different places.
    pub(super) fn is_apart(&self, a: (usize, usize), b: (usize, usize)) -> bool {
        a.0.abs_diff(b.0) as f32 > APART * self.width as f32 || a.1.abs_diff(b.1) as f32 > APART * self.height as f32
    }

    /// How alike `field` is at column `x`, row `y`, where the template must fit in.
    pub(super) fn likeness(&self, field: &Field, x: usize, y: usize) -> f32 {
        let (mut along, mut own) = (0i32, 0i32);
        for p in &self.points {
            let i = (y + p.row) * field.width + x + p.column;
            let (gx, gy) = (i32::from(field.x[i]), i32::from(field.y[i]));
            along += gx * p.slope[0] + gy * p.slope[1];
            own += gx * gx + gy * gy;
        }
        if self.energy <= 0.0 {
            0.0
        } else {
            along as f32 / (self.energy * (own as f32).max(DARK * self.energy)).sqrt()
        }
    }

    /// What of the template's slopes `field` has at column `x`, row `y`: 1 for all of them, 0 for none; negative where they are
    /// turned round.
    pub(super) fn share(&self, field: &Field, x: usize, y: usize) -> f32 {
        let along: i32 = self
            .points
            .iter()
            .map(|p| {
                let i = (y + p.row) * field.width + x + p.column;
                i32::from(field.x[i]) * p.slope[0] + i32::from(field.y[i]) * p.slope[1]
            })
            .sum();
        if self.energy > 0.0 { along as f32 / self.energy } else { 0.0 }
    }

    /// The places most like it in `field`, whose halved field is `half`, best first; places do not overlap by more than half.
    pub(super) fn find(&self, field: &Field, half: &Field) -> Vec<Match> {
        let mut found: Vec<Match> = Vec::with_capacity(OFFERED);
        if field.width < self.width || field.height < self.height {
            return found;
        }
        for (x, y) in self.scan(half) {
            let m = self.refine(field, 2 * x, 2 * y, 2);
            if !found.iter().any(|f| f.x.abs_diff(m.x) <= 1 && f.y.abs_diff(m.y) <= 1) {
                found.push(m);
            }
        }
        found.sort_by(|a, b| b.likeness.total_cmp(&a.likeness));
        found
    }

    /// The best place within `reach` samples.
    pub(super) fn refine(&self, field: &Field, x: usize, y: usize, reach: usize) -> Match {
        let mut best = Match { x: 0, y: 0, likeness: f32::MIN };
        let (right, bottom) = (field.width - self.width, field.height - self.height);
        for y in y.saturating_sub(reach).min(bottom)..=(y + reach).min(bottom) {
            for x in x.saturating_sub(reach).min(right)..=(x + reach).min(right) {
                let likeness = self.likeness(field, x, y);
                if likeness > best.likeness {
                    best = Match { x, y, likeness };
                }
            }
        }
        best
    }

    /// Places in a halved field where most of the template's slopes are.
    fn scan(&self, half: &Field) -> Vec<(usize, usize)> {
        let (w, h) = (half.width, half.height);
        let (tw, th) = (self.width / 2, self.height / 2);
        if w < tw || h < th {
            return Vec::new();
        }
        let (nw, nh) = (w - tw + 1, h - th + 1);
        let mut sums = vec![0i32; nw * nh];
        for p in &self.coarse {
            let slope = p.slope.map(|v| v as i16);
            for y in 0..nh {
                let from = (y + p.row) * w + p.column;
                let (gx, gy) = (&half.x[from..from + nw], &half.y[from..from + nw]);
                for (sum, (x, y)) in sums[y * nw..][..nw].iter_mut().zip(gx.iter().zip(gy)) {
                    *sum += i32::from(i16::from(*x) * slope[0]) + i32::from(i16::from(*y) * slope[1]);
                }
            }
        }
        let mut places = Vec::with_capacity(OFFERED);
        let (rx, ry) = ((tw / 2).max(1), (th / 2).max(1));
        while places.len() < OFFERED {
            let Some(best) = (0..sums.len()).max_by_key(|i| (sums[*i], std::cmp::Reverse(*i))) else { break };
            if sums[best] <= 0 {
                break;
            }
            let (x, y) = (best % nw, best / nw);
            places.push((x, y));
            for y in y.saturating_sub(ry)..(y + ry + 1).min(nh) {
                sums[y * nw + x.saturating_sub(rx)..y * nw + (x + rx + 1).min(nw)].fill(0);
            }
        }
        places
    }
}
