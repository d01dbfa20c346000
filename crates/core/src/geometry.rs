//! Rectangles of samples.

use serde::{Deserialize, Serialize};

/// A half-open rectangle of samples: columns `x..x + w`, rows `y..y + h`.
///
/// Unless a function says otherwise the unit is the luma sample of the coded (not rotated) picture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Rect {
    /// First column.
    pub x: u32,
    /// First row.
    pub y: u32,
    /// Columns.
    pub w: u32,
    /// Rows.
    pub h: u32,
}

impl Rect {
    /// The rectangle with its first column and row, and its size.
    pub const fn new(x: u32, y: u32, w: u32, h: u32) -> Self {
        Self { x, y, w, h }
    }

    /// The first column to the right of it.
    pub const fn right(&self) -> u32 {
        self.x + self.w
    }

    /// The first row below it.
    pub const fn bottom(&self) -> u32 {
        self.y + self.h
    }

    /// Samples in it.
    pub const fn area(&self) -> u64 {
        self.w as u64 * self.h as u64
    }

    /// Whether it holds no sample.
    pub const fn is_empty(&self) -> bool {
        self.w == 0 || self.h == 0
    }

    /// Whether the sample at column `x`, row `y` lies in it.
    pub const fn contains(&self, x: u32, y: u32) -> bool {
        x >= self.x && y >= self.y && x < self.right() && y < self.bottom()
    }

    /// What both share; an empty rectangle where they share nothing.
    #[must_use]
    pub fn intersect(&self, other: &Self) -> Self {
        let x = self.x.max(other.x);
        let y = self.y.max(other.y);
        let r = self.right().min(other.right());
        let b = self.bottom().min(other.bottom());
        if r <= x || b <= y { Self::default() } else { Self::new(x, y, r - x, b - y) }
    }

    /// The smallest rectangle that holds both; an empty one counts as nothing.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        if self.is_empty() {
            return *other;
        }
        if other.is_empty() {
            return *self;
        }
        let x = self.x.min(other.x);
        let y = self.y.min(other.y);
        Self::new(x, y, self.right().max(other.right()) - x, self.bottom().max(other.bottom()) - y)
    }

    /// Grown by `margin` samples a side and clipped to a picture of `width` x `height`.
    #[must_use]
    pub fn grow(&self, margin: u32, width: u32, height: u32) -> Self {
        let x = self.x.saturating_sub(margin);
        let y = self.y.saturating_sub(margin);
        let r = self.right().saturating_add(margin).min(width);
        let b = self.bottom().saturating_add(margin).min(height);
        if r <= x || b <= y { Self::default() } else { Self::new(x, y, r - x, b - y) }
    }

    /// The same place in a plane subsampled by `2^log2_w` x `2^log2_h`, grown outward so that every subsampled sample
    /// whose footprint touches the rectangle is inside.
    #[must_use]
    pub const fn subsampled(&self, log2_w: u8, log2_h: u8) -> Self {
        if self.is_empty() {
            return Self::new(0, 0, 0, 0);
        }
        let x = self.x >> log2_w;
        let y = self.y >> log2_h;
        let r = (self.right() + (1 << log2_w) - 1) >> log2_w;
        let b = (self.bottom() + (1 << log2_h) - 1) >> log2_h;
        Self::new(x, y, r - x, b - y)
    }

    /// Intersection over union of the two areas, 0..=1; 0 when either is empty.
    pub fn iou(&self, other: &Self) -> f64 {
        let shared = self.intersect(other).area() as f64;
        let all = self.area() as f64 + other.area() as f64 - shared;
        if all > 0.0 { shared / all } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subsampled_rectangle_covers_every_footprint_it_touches() {
        assert_eq!(Rect::new(3, 5, 2, 1).subsampled(1, 1), Rect::new(1, 2, 2, 1));
        assert_eq!(Rect::new(640, 358, 1, 1).subsampled(1, 1), Rect::new(320, 179, 1, 1));
        assert_eq!(Rect::default().subsampled(1, 1), Rect::default());
    }

    #[test]
    fn overlap_is_measured_by_area() {
        let a = Rect::new(0, 0, 10, 10);
        assert_eq!(a.iou(&Rect::new(5, 0, 10, 10)), 50.0 / 150.0);
        assert_eq!(a.iou(&Rect::new(20, 0, 1, 1)), 0.0);
        assert!(a.intersect(&Rect::new(20, 0, 1, 1)).is_empty());
    }
}
