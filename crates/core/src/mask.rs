//! Which pixels of a frame a mark covers, and how much.

use crate::frame::Rows;
use crate::geometry::Rect;
use crate::raster::Raster;

/// Coverage 0..=255 of the pixels in a rectangle of the frame (luma samples, coded orientation); 0 outside of it. A sample
/// is worked on where its coverage is above 0.
#[derive(Clone, Debug, PartialEq)]
pub struct Mask {
    rect: Rect,
    coverage: Raster<u8>,
}

impl Mask {
    /// A mask over `rect`; `None` where the raster has another size.
    pub fn new(rect: Rect, coverage: Raster<u8>) -> Option<Self> {
        (coverage.width() == rect.w && coverage.height() == rect.h).then_some(Self { rect, coverage })
    }

    /// All of `rect`, fully covered.
    pub fn rectangle(rect: Rect) -> Self {
        Self { rect, coverage: Raster::new(rect.w, rect.h, 255) }
    }

    /// A mask of nothing.
    pub fn empty() -> Self {
        Self::rectangle(Rect::default())
    }

    /// Where it may be above 0.
    pub const fn rect(&self) -> Rect {
        self.rect
    }

    /// Coverage of the samples in [`rect`](Self::rect).
    pub const fn coverage(&self) -> &Raster<u8> {
        &self.coverage
    }

    /// Coverage at column `x`, row `y` of the frame.
    pub fn at(&self, x: u32, y: u32) -> u8 {
        if self.rect.contains(x, y) { self.coverage.at(x - self.rect.x, y - self.rect.y) } else { 0 }
    }

    /// Samples with any coverage.
    pub fn area(&self) -> u64 {
        self.coverage.data().iter().filter(|c| **c > 0).count() as u64
    }

    /// Whether nothing is covered.
    pub fn is_empty(&self) -> bool {
        self.coverage.data().iter().all(|c| *c == 0)
    }

    /// The same coverage in the smallest rectangle that holds it.
    #[must_use]
    pub fn trimmed(&self) -> Self {
        let mut bounds = Rect::default();
        for y in 0..self.rect.h {
            let row = self.coverage.row(y);
            if let (Some(first), Some(last)) = (row.iter().position(|c| *c > 0), row.iter().rposition(|c| *c > 0)) {
                bounds = bounds.union(&Rect::new(first as u32, y, (last - first + 1) as u32, 1));
            }
        }
        let rect = Rect::new(self.rect.x + bounds.x, self.rect.y + bounds.y, bounds.w, bounds.h);
        Self { rect, coverage: self.coverage.crop(bounds) }
    }

    /// The larger coverage of the two at every sample.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        let rect = self.rect.union(&other.rect);
        let mut coverage = Raster::new(rect.w, rect.h, 0);
        for mask in [self, other] {
            for y in 0..mask.rect.h {
                let x0 = (mask.rect.x.wrapping_sub(rect.x)) as usize;
                let out = &mut coverage.row_mut(mask.rect.y - rect.y + y)[x0..x0 + mask.rect.w as usize];
                out.iter_mut().zip(mask.coverage.row(y)).for_each(|(o, c)| *o = (*o).max(*c));
            }
        }
        Self { rect, coverage }
    }

    /// This mask without what `other` covers at all.
    #[must_use]
    pub fn without(&self, other: &Self) -> Self {
        let mut coverage = self.coverage.clone();
        let shared = self.rect.intersect(&other.rect);
        for y in shared.y..shared.bottom() {
            for x in shared.x..shared.right() {
                if other.at(x, y) > 0 {
                    coverage.set(x - self.rect.x, y - self.rect.y, 0);
                }
            }
        }
        Self { rect: self.rect, coverage }
    }

    /// What of this mask `other` covers at all.
    #[must_use]
    pub fn within(&self, other: &Self) -> Self {
        self.without(&self.without(other))
    }

    /// Clipped to a picture of `width` x `height`.
    #[must_use]
    pub fn clipped(&self, width: u32, height: u32) -> Self {
        let rect = self.rect.intersect(&Rect::new(0, 0, width, height));
        let inner = Rect::new(rect.x.saturating_sub(self.rect.x), rect.y.saturating_sub(self.rect.y), rect.w, rect.h);
        Self { rect, coverage: self.coverage.crop(inner) }
    }

    /// Grown by a disc of `radius` samples (fully covered where grown) and clipped to `width` x `height`.
    #[must_use]
    pub fn dilated(&self, radius: u32, width: u32, height: u32) -> Self {
        if radius == 0 || self.rect.is_empty() {
            return self.clipped(width, height);
        }
        let rect = self.rect.grow(radius, width, height);
        let mut coverage = Raster::new(rect.w, rect.h, 0u8);
        let r = radius as i64;
        for dy in -r..=r {
            let half = ((r * r - dy * dy) as f64).sqrt().floor() as i64;
            for y in 0..self.rect.h {
                let target = i64::from(self.rect.y + y) + dy - i64::from(rect.y);
                if target < 0 || target >= i64::from(rect.h) {
                    continue;
                }
                let shift = i64::from(self.rect.x) - i64::from(rect.x);
                spread_row(self.coverage.row(y), coverage.row_mut(target as u32), shift, half);
            }
        }
        Self { rect, coverage }
    }

    /// Coverage of the samples of a plane subsampled by `2^sw` x `2^sh`, in `area` (samples of that plane; rows of the field
    /// where `rows` is one): the largest coverage under each footprint. A field's row takes the rows that its own samples
    /// stand for, both of its own parity.
    pub fn in_plane(&self, area: Rect, rows: Rows, sw: u8, sh: u8) -> Raster<u8> {
        let mut out = Raster::new(area.w, area.h, 0u8);
        let (start, step) = rows.start_step();
        for y in 0..area.h {
            let field_row = area.y + y;
            for sub in 0..1u32 << sh {
                // In interlaced 4:2:0 each chroma row of a field lies between two luma rows of the same field.
                let luma_y = ((field_row << sh) + sub) * step + start;
                if luma_y < self.rect.y || luma_y >= self.rect.bottom() {
                    continue;
                }
                let source = self.coverage.row(luma_y - self.rect.y);
                for (i, c) in source.iter().enumerate().filter(|(_, c)| **c > 0) {
                    let x = (self.rect.x + i as u32) >> sw;
                    if x >= area.x && x < area.right() {
                        let at = &mut out.row_mut(y)[(x - area.x) as usize];
                        *at = (*at).max(*c);
                    }
                }
            }
        }
        out
    }
}

fn spread_row(source: &[u8], target: &mut [u8], shift: i64, half: i64) {
    let mut x = 0;
    while x < source.len() {
        if source[x] == 0 {
            x += 1;
            continue;
        }
        let start = x;
        while x < source.len() && source[x] > 0 {
            x += 1;
        }
        let from = (start as i64 + shift - half).max(0) as usize;
        let to = ((x as i64 + shift + half).max(0) as usize).min(target.len());
        if from < to {
            target[from..to].fill(255);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dilated_point_is_a_disc() {
        let point = Mask::rectangle(Rect::new(10, 10, 1, 1));
        let disc = point.dilated(3, 100, 100);
        for y in 0..20u32 {
            for x in 0..20u32 {
                let d2 = (i64::from(x) - 10).pow(2) + (i64::from(y) - 10).pow(2);
                assert_eq!(disc.at(x, y) > 0, d2 <= 9, "{x},{y}");
            }
        }
        assert_eq!(Mask::rectangle(Rect::new(0, 0, 1, 1)).dilated(2, 2, 2).area(), 4);
    }

    #[test]
    fn chroma_is_covered_wherever_any_of_its_luma_is() {
        let mask = Mask::rectangle(Rect::new(3, 5, 1, 1));
        let chroma = mask.in_plane(Rect::new(0, 0, 4, 4), Rows::All, 1, 1);
        let covered: Vec<_> =
            (0..4).flat_map(|y| (0..4).map(move |x| (x, y))).filter(|(x, y)| chroma.at(*x, *y) > 0).collect();
        assert_eq!(covered, [(1, 2)]);
        // Luma row 5 is row 2 of the bottom field, which chroma row 1 of that field stands for.
        let field = mask.in_plane(Rect::new(0, 0, 4, 4), Rows::Bottom, 1, 1);
        assert_eq!(field.at(1, 1), 255);
        assert_eq!(field.data().iter().filter(|c| **c > 0).count(), 1);
        assert!(mask.in_plane(Rect::new(0, 0, 4, 4), Rows::Top, 1, 1).data().iter().all(|c| *c == 0));
    }

    #[test]
    fn union_trim_and_subtraction_keep_every_other_sample() {
        let a = Mask::rectangle(Rect::new(2, 2, 4, 4));
        let b = Mask::rectangle(Rect::new(8, 3, 2, 2));
        let both = a.union(&b);
        assert_eq!(both.area(), 20);
        assert_eq!(both.without(&a).trimmed(), b);
        assert_eq!(both.within(&a).trimmed(), a);
        assert_eq!(both.clipped(3, 100).area(), 4);
        assert!(Mask::empty().union(&Mask::empty()).is_empty());
    }
}
