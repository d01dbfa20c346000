//! Values of cells within a rectangle that grows with them: as large as letters are, and not as the frame.

use crate::geometry::Rect;

/// One value for every cell of a rectangle of the frame; the rest of the frame has none.
#[derive(Clone, Debug, Default)]
pub(super) struct Grid<T> {
    rect: Rect,
    values: Vec<T>,
}

impl<T: Copy + Default> Grid<T> {
    /// The rectangle that has values.
    pub(super) const fn rect(&self) -> Rect {
        self.rect
    }

    /// The value of a cell; `None` outside.
    pub(super) fn get(&self, x: u32, y: u32) -> Option<T> {
        self.place(x, y).map(|k| self.values[k])
    }

    /// The value of a cell to be changed; `None` outside.
    pub(super) fn get_mut(&mut self, x: u32, y: u32) -> Option<&mut T> {
        self.place(x, y).map(|k| &mut self.values[k])
    }

    /// All cells with their values, row by row.
    pub(super) fn cells(&self) -> impl Iterator<Item = ((u32, u32), T)> + '_ {
        let rect = self.rect;
        (0u32..).zip(&self.values).map(move |(k, v)| ((rect.x + k % rect.w, rect.y + k / rect.w), *v))
    }

    /// Grows so that it holds `other` too; new cells have the default value.
    pub(super) fn hold(&mut self, other: Rect) {
        let rect = self.rect.union(&other);
        if rect == self.rect {
            return;
        }
        let mut values = vec![T::default(); rect.area() as usize];
        if !self.rect.is_empty() {
            let width = self.rect.w as usize;
            for (row, y) in self.values.chunks_exact(width).zip(self.rect.y..) {
                let at = (y - rect.y) as usize * rect.w as usize + (self.rect.x - rect.x) as usize;
                values[at..at + width].copy_from_slice(row);
            }
        }
        (self.rect, self.values) = (rect, values);
    }

    fn place(&self, x: u32, y: u32) -> Option<usize> {
        self.rect.contains(x, y).then(|| (y - self.rect.y) as usize * self.rect.w as usize + (x - self.rect.x) as usize)
    }
}

/// The rectangle of cells at `places`, each a position row by row in a frame of `width` columns.
pub(super) fn bounds(places: impl Iterator<Item = u32>, width: u32) -> Rect {
    let mut ends: Option<(u32, u32, u32, u32)> = None;
    for (x, y) in places.map(|k| (k % width, k / width)) {
        let (left, top, right, bottom) = ends.unwrap_or((x, y, x, y));
        ends = Some((left.min(x), top.min(y), right.max(x), bottom.max(y)));
    }
    ends.map_or_else(Rect::default, |(x, y, right, bottom)| Rect::new(x, y, right + 1 - x, bottom + 1 - y))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_of_cells_stays_where_it_is_when_the_rectangle_grows() {
        let mut grid = Grid::<u32>::default();
        assert_eq!(grid.get(0, 0), None);
        grid.hold(Rect::new(5, 7, 2, 2));
        *grid.get_mut(6, 8).unwrap() = 9;
        grid.hold(Rect::new(3, 8, 6, 4));
        assert_eq!(grid.rect(), Rect::new(3, 7, 6, 5));
        assert_eq!(grid.cells().filter(|(_, v)| *v > 0).collect::<Vec<_>>(), [((6, 8), 9)]);
        assert_eq!(bounds([3 * 20 + 4, 20 + 9, 5 * 20 + 6].into_iter(), 20), Rect::new(4, 1, 6, 5));
    }
}
