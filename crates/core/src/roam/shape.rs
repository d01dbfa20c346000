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
const APART: f32 = 0.6;
/// Samples that a gap in the shape has at most, half of them.
const GAP: usize = 2;

/// Slopes around a mark, summed for each place on its own.
#[derive(Clone, Debug)]
pub(super) struct Sums {
    /// Samples around the template's box that are looked at.
    pub(super) margin: usize,
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
    pub(super) fn new(template: &Template) -> Self {
        let margin = (template.width.max(template.height) / 2).max(8);
        let (width, height) = (template.width + 2 * margin, template.height + 2 * margin);
        Self { margin, width, height, bins: Vec::new() }
    }

    /// Adds a field in which the template's box lies at `m`. What is not near an earlier place begins a sum of its own.
    pub(super) fn add(&mut self, field: &Field, m: &Match) {
        let near = (self.width / 2, self.height / 2);
        let known = self.bins.iter().position(|b| b.place.0.abs_diff(m.x) < near.0 && b.place.1.abs_diff(m.y) < near.1);
        let bin = match known {
            Some(bin) => bin,
            None if self.bins.len() < MOST => {
                self.bins.push(Bin { place: (m.x, m.y), frames: 0, sums: vec![[0.0; 2]; self.width * self.height] });
                self.bins.len() - 1
            }
            None => return,
        };
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

    /// Places with sums that count.
    pub(super) fn places(&self) -> usize {
        self.bins.iter().filter(|b| b.frames >= FEWEST).count()
    }

    /// The samples of the shape, in the box grown by the margin.
    pub(super) fn shape(&self) -> Region {
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
        self.own(&set)
    }

    /// Of the samples the parts that touch the template's box, with gaps and insides filled.
    fn own(&self, set: &Region) -> Region {
        let mut own = Region::new(self.width, self.height);
        let inside = |i: &usize| {
            let (x, y) = (i % self.width, i / self.width);
            let m = self.margin;
            x >= m && y >= m && x + m < self.width && y + m < self.height
        };
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
            if part.iter().any(|i| set.set[*i] && inside(i)) {
                part.iter().filter(|i| set.set[**i]).for_each(|i| own.set[*i] = true);
            }
        }
        filled(&closed(&own))
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

fn closed(set: &Region) -> Region {
    let grown = set.grown(GAP, GAP);
    let inverse = |r: &Region| Region { width: r.width, height: r.height, set: r.set.iter().map(|s| !s).collect() };
    let outside = inverse(&grown).grown(GAP, GAP);
    let mut closed = inverse(&outside);
    closed.set.iter_mut().zip(&set.set).for_each(|(c, s)| *c |= s);
    closed
}

/// With everything that is surrounded.
fn filled(set: &Region) -> Region {
    let (w, h) = (set.width, set.height);
    let mut free = vec![false; w * h];
    let border = (0..w).flat_map(|x| [x, (h - 1) * w + x]).chain((0..h).flat_map(|y| [y * w, y * w + w - 1]));
    let mut open: Vec<usize> = border.filter(|i| !set.set[*i]).collect();
    open.iter().for_each(|i| free[*i] = true);
    while let Some(i) = open.pop() {
        let (x, y) = (i % w, i / w);
        let around =
            [(x > 0).then(|| i - 1), (x + 1 < w).then(|| i + 1), (y > 0).then(|| i - w), (y + 1 < h).then(|| i + w)];
        for n in around.into_iter().flatten() {
            if !set.set[n] && !free[n] {
                free[n] = true;
                open.push(n);
            }
        }
    }
    Region { width: w, height: h, set: free.iter().map(|f| !f).collect() }
}

/// A shape at full resolution, where a working sample is `factor` samples a side, grown by what that leaves unknown; its box
/// begins at 0, 0. With it, how far the shape's box lies from the region's, in full samples.
pub(super) fn mask_of(region: &Region, factor: u32) -> Option<(Mask, (i32, i32))> {
    let (w, h) = (region.width as u32 * factor, region.height as u32 * factor);
    let mut coverage = Raster::new(w, h, 0u8);
    for y in 0..h {
        let from = &region.set[(y / factor) as usize * region.width..][..region.width];
        for (x, out) in coverage.row_mut(y).iter_mut().enumerate() {
            *out = if from[x / factor as usize] { 255 } else { 0 };
        }
    }
    // Room for growing on every side.
    let grow = factor + 1;
    let whole = Mask::new(Rect::new(grow, grow, w, h), coverage)?.dilated(grow, w + 2 * grow, h + 2 * grow).trimmed();
    let rect = whole.rect();
    let offset = (rect.x as i32 - grow as i32, rect.y as i32 - grow as i32);
    let mask = Mask::new(Rect::new(0, 0, rect.w, rect.h), whole.coverage().clone())?;
    (!mask.is_empty()).then_some((mask, offset))
}
