//! The shape of a mark: slopes that come along with it wherever it goes.

use super::field::{Field, UNIT};
use super::template::{Match, Template};
use crate::geometry::Rect;
use crate::locate::region::Region;
use crate::mask::Mask;
use crate::raster::Raster;

/// Sums at different places or times at most.
const MOST: usize = 12;
/// Frames that a sum needs to count.
const FEWEST: u32 = 6;
/// A slope belongs to the shape where its mean is this steep, in units, or this share of the steepest ones, and this share of
/// the sums agree.
const STEEP: f32 = UNIT;
const SHARE: f32 = 0.12;
const AGREES: f32 = 0.75;
/// Parts outside of the template's box that are so many times smaller than the largest part do not belong to the mark.
const CRUMB: usize = 12;
/// A sum agrees that differs by less than this share.
const APART: f32 = 0.75;

/// Slopes around a mark, summed for each place on its own.
#[derive(Clone, Debug)]
pub(super) struct Sums {
    /// Samples around the template's box that are looked at.
    pub(super) margin: usize,
    spacing: usize,
    width: usize,
    height: usize,
    bins: Vec<Bin>,
}

#[derive(Clone, Debug)]
struct Bin {
    place: (usize, usize),
    frames: u32,
    sums: Vec<[f32; 2]>,
}

impl Sums {
    /// For a mark whose places lie at least `spacing` apart; nearer ones are summed together.
    pub(super) fn new(template: &Template, spacing: usize) -> Self {
        let margin = (template.width.max(template.height) / 2).max(8);
        let (width, height) = (template.width + 2 * margin, template.height + 2 * margin);
        Self { margin, spacing, width, height, bins: Vec::new() }
    }

    /// Adds a field in which the template's box lies at `m`.
    pub(super) fn add(&mut self, field: &Field, m: &Match) {
        let near =
            |bin: &Bin, spacing: usize| bin.place.0.abs_diff(m.x) < spacing && bin.place.1.abs_diff(m.y) < spacing;
        while self.bins.len() >= MOST && !self.bins.iter().any(|bin| near(bin, self.spacing)) {
            self.spacing *= 2;
            self.merge();
        }
        let bin = self.bins.iter().position(|bin| near(bin, self.spacing)).unwrap_or_else(|| {
            self.bins.push(Bin { place: (m.x, m.y), frames: 0, sums: vec![[0.0; 2]; self.width * self.height] });
            self.bins.len() - 1
        });
        let bin = &mut self.bins[bin];
        bin.frames += 1;
        for row in 0..self.height {
            let Some(y) = (m.y + row).checked_sub(self.margin).filter(|y| *y < field.height) else { continue };
            for column in 0..self.width {
                let Some(x) = (m.x + column).checked_sub(self.margin).filter(|x| *x < field.width) else { continue };
                let [gx, gy] = field.at(y * field.width + x);
                let sum = &mut bin.sums[row * self.width + column];
                *sum = [sum[0] + gx, sum[1] + gy];
            }
        }
    }

    /// Joins the sums of places that are near each other by now.
    fn merge(&mut self) {
        let all = std::mem::take(&mut self.bins);
        for bin in all {
            let near = |b: &&mut Bin| {
                b.place.0.abs_diff(bin.place.0) < self.spacing && b.place.1.abs_diff(bin.place.1) < self.spacing
            };
            match self.bins.iter_mut().find(near) {
                Some(into) => {
                    into.frames += bin.frames;
                    into.sums.iter_mut().zip(&bin.sums).for_each(|(a, b)| *a = [a[0] + b[0], a[1] + b[1]]);
                }
                None => self.bins.push(bin),
            }
        }
    }

    /// Places with sums that count.
    pub(super) fn places(&self) -> usize {
        self.bins.iter().filter(|b| b.frames >= FEWEST).count()
    }

    /// The samples of the shape, in the box grown by the margin.
    pub(super) fn shape(&self) -> Region {
        self.own(&self.common())
    }

    /// How densely the surroundings of the template's box are filled with slopes that come along, against the box itself.
    pub(super) fn company(&self) -> f32 {
        let set = self.common();
        let (mut inside, mut all) = ((0usize, 0usize), (0usize, 0usize));
        for (i, set) in set.set.iter().enumerate() {
            all = (all.0 + usize::from(*set), all.1 + 1);
            if self.holds(i) {
                inside = (inside.0 + usize::from(*set), inside.1 + 1);
            }
        }
        let density = |(set, of): (usize, usize)| set as f32 / of.max(1) as f32;
        density((all.0 - inside.0, all.1 - inside.1)) / density(inside).max(1e-6)
    }

    /// Whether a sample lies in the template's box.
    fn holds(&self, i: usize) -> bool {
        let (x, y, m) = (i % self.width, i / self.width, self.margin);
        x >= m && y >= m && x + m < self.width && y + m < self.height
    }

    /// The samples whose slopes are the same at most places.
    fn common(&self) -> Region {
        let bins: Vec<Vec<[f32; 2]>> = self
            .bins
            .iter()
            .filter(|b| b.frames >= FEWEST)
            .map(|b| b.sums.iter().map(|s| s.map(|v| v / b.frames as f32)).collect())
            .collect();
        let mut set = Region::new(self.width, self.height);
        if bins.is_empty() {
            return set;
        }
        let count = bins.len() as f32;
        // Medians over places: what only one of them shows is its scenery.
        let means: Vec<[f32; 2]> =
            (0..set.set.len()).map(|i| [0, 1].map(|axis| middle(bins.iter().map(|b| b[i][axis]).collect()))).collect();
        let mut sizes: Vec<f32> = means.iter().map(|[x, y]| x.hypot(*y)).collect();
        let at = sizes.len() * 98 / 100;
        let steepest = *sizes.select_nth_unstable_by(at, f32::total_cmp).1;
        let level = STEEP.max(SHARE * steepest);
        let needed = (AGREES * count).ceil() as usize;
        for (i, [x, y]) in means.iter().enumerate().filter(|(_, [x, y])| x.hypot(*y) > level) {
            let allowed = APART * x.hypot(*y);
            let agree = bins.iter().filter(|b| (b[i][0] - x).hypot(b[i][1] - y) < allowed).count();
            set.set[i] = agree >= needed;
        }
        set
    }

    /// Of the samples the groups that touch the template's box, with everything inside of their hulls.
    fn own(&self, set: &Region) -> Region {
        let mut own = Region::new(self.width, self.height);
        let inside = |i: &usize| self.holds(*i);
        let reach = (self.margin / 4).clamp(2, 6);
        // Crumbs outside of the box are scenery.
        let mut set = set.clone();
        let parts: Vec<Vec<usize>> = set.grown(1, 1).parts();
        let parts: Vec<Vec<usize>> =
            parts.into_iter().map(|part| part.into_iter().filter(|i| set.set[*i]).collect()).collect();
        let largest = parts.iter().map(Vec::len).max().unwrap_or(0);
        for part in parts.iter().filter(|part| part.len() * CRUMB < largest && !part.iter().any(inside)) {
            part.iter().for_each(|i| set.set[*i] = false);
        }
        for part in set.grown(reach, reach).parts() {
            let points: Vec<usize> = part.into_iter().filter(|i| set.set[*i]).collect();
            if points.iter().any(inside) {
                fill_hull(&points, &mut own);
            }
        }
        own
    }
}

/// The median; of two in the middle the smaller one, and 0 where their signs differ.
fn middle(mut values: Vec<f32>) -> f32 {
    values.sort_unstable_by(f32::total_cmp);
    let n = values.len();
    let (a, b) = (values[(n - 1) / 2], values[n / 2]);
    if a * b <= 0.0 {
        0.0
    } else if a.abs() < b.abs() {
        a
    } else {
        b
    }
}

/// Sets the convex hull of `points`: borders that no place shows clearly are bridged (Andrew's monotone chain, 1979).
fn fill_hull(points: &[usize], into: &mut Region) {
    let w = into.width;
    let mut all: Vec<(i64, i64)> = points.iter().map(|i| ((i % w) as i64, (i / w) as i64)).collect();
    all.sort_unstable();
    let turn = |o: (i64, i64), a: (i64, i64), b: (i64, i64)| (a.0 - o.0) * (b.1 - o.1) - (a.1 - o.1) * (b.0 - o.0);
    let chain = |points: &mut dyn Iterator<Item = (i64, i64)>| {
        let mut chain: Vec<(i64, i64)> = Vec::new();
        for p in points {
            while let [.., a, b] = chain.as_slice() {
                if turn(*a, *b, p) > 0 {
                    break;
                }
                chain.pop();
            }
            chain.push(p);
        }
        chain
    };
    let mut hull = chain(&mut all.iter().copied());
    hull.extend(chain(&mut all.iter().rev().copied()));
    let mut rows: Vec<Option<(i64, i64)>> = vec![None; into.height];
    for (a, b) in hull.iter().zip(hull.iter().cycle().skip(1)) {
        let steps = (b.1 - a.1).abs().max(1);
        for k in 0..=steps {
            let (x, y) = (a.0 + (b.0 - a.0) * k / steps, a.1 + (b.1 - a.1) * k / steps);
            let row = rows[y as usize].get_or_insert((x, x));
            *row = (row.0.min(x), row.1.max(x));
        }
    }
    for (y, row) in rows.into_iter().enumerate() {
        if let Some((from, to)) = row {
            into.set[y * w + from as usize..=y * w + to as usize].fill(true);
        }
    }
}

/// A shape at full resolution, where a working sample is `factor` samples a side, grown by what that leaves unknown and by
/// `strays`; its box begins at 0, 0. With it, how far the shape's box lies from the region's, in full samples.
pub(super) fn mask_of(region: &Region, factor: u32, strays: u32) -> Option<(Mask, (i32, i32))> {
    let (w, h) = (region.width as u32 * factor, region.height as u32 * factor);
    let mut coverage = Raster::new(w, h, 0u8);
    for y in 0..h {
        let from = &region.set[(y / factor) as usize * region.width..][..region.width];
        for (x, out) in coverage.row_mut(y).iter_mut().enumerate() {
            *out = if from[x / factor as usize] { 255 } else { 0 };
        }
    }
    // Room for growing on every side.
    let grow = factor + 1 + strays;
    let whole = Mask::new(Rect::new(grow, grow, w, h), coverage)?.dilated(grow, w + 2 * grow, h + 2 * grow).trimmed();
    let rect = whole.rect();
    let offset = (rect.x as i32 - grow as i32, rect.y as i32 - grow as i32);
    let mask = Mask::new(Rect::new(0, 0, rect.w, rect.h), whole.coverage().clone())?;
    (!mask.is_empty()).then_some((mask, offset))
}
