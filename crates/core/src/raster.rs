//! A dense two-dimensional array.

use crate::geometry::Rect;

/// `width` x `height` values in rows, without padding.
#[derive(Clone, Debug, PartialEq)]
pub struct Raster<T> {
    width: u32,
    height: u32,
    data: Vec<T>,
}

impl<T: Copy> Raster<T> {
    /// A raster filled with `value`.
    pub fn new(width: u32, height: u32, value: T) -> Self {
        Self { width, height, data: vec![value; width as usize * height as usize] }
    }

    /// A raster over `data`, row by row; `None` where the length is not `width * height`.
    pub fn from_vec(width: u32, height: u32, data: Vec<T>) -> Option<Self> {
        (data.len() == width as usize * height as usize).then_some(Self { width, height, data })
    }

    /// Gives it a new size and fills it with `value`, keeping the allocation.
    pub fn reset(&mut self, width: u32, height: u32, value: T) {
        self.width = width;
        self.height = height;
        self.data.clear();
        self.data.resize(width as usize * height as usize, value);
    }

    /// Columns.
    pub const fn width(&self) -> u32 {
        self.width
    }

    /// Rows.
    pub const fn height(&self) -> u32 {
        self.height
    }

    /// All values, row by row.
    pub fn data(&self) -> &[T] {
        &self.data
    }

    /// All values, row by row, to be changed.
    pub fn data_mut(&mut self) -> &mut [T] {
        &mut self.data
    }

    /// Row `y`, which must be below `height`.
    pub fn row(&self, y: u32) -> &[T] {
        let start = y as usize * self.width as usize;
        &self.data[start..start + self.width as usize]
    }

    /// Row `y` to be changed; it must be below `height`.
    pub fn row_mut(&mut self, y: u32) -> &mut [T] {
        let start = y as usize * self.width as usize;
        &mut self.data[start..start + self.width as usize]
    }

    /// The value at column `x`, row `y`, both inside.
    pub fn at(&self, x: u32, y: u32) -> T {
        self.data[y as usize * self.width as usize + x as usize]
    }

    /// Writes the value at column `x`, row `y`, both inside.
    pub fn set(&mut self, x: u32, y: u32, value: T) {
        self.data[y as usize * self.width as usize + x as usize] = value;
    }

    /// A copy of `rect`, which must lie inside.
    #[must_use]
    pub fn crop(&self, rect: Rect) -> Self {
        let mut data = Vec::with_capacity(rect.area() as usize);
        for y in rect.y..rect.bottom() {
            data.extend_from_slice(&self.row(y)[rect.x as usize..rect.right() as usize]);
        }
        Self { width: rect.w, height: rect.h, data }
    }
}
