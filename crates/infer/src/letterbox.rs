//! A picture of any size in a square of a network's size: scaled evenly, the rest left gray.

/// Gray beside the picture, as YOLO-type networks are trained with (114 of 255).
pub(crate) const GRAY: f32 = 114.0 / 255.0;

/// Where a picture lies in a network's input.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Letterbox {
    /// Columns and rows of the scaled picture.
    pub inner: (u32, u32),
    /// Its first column and row in the input.
    pub offset: (u32, u32),
    /// Pixels of the input a pixel of the picture.
    pub scale: f32,
    size: (u32, u32),
}

impl Letterbox {
    /// A picture of `size` in an input of `side` columns and rows: in the middle, or at the top left.
    pub(crate) fn new(size: (u32, u32), side: (u32, u32), centred: bool) -> Self {
        let per = |inner: u32, outer: u32| f64::from(inner) / f64::from(outer.max(1));
        let scale = per(side.0, size.0).min(per(side.1, size.1));
        let scaled = |n: u32, most: u32| ((f64::from(n) * scale).round() as u32).clamp(1, most.max(1));
        let inner = (scaled(size.0, side.0), scaled(size.1, side.1));
        // Halves go up at the left: Ultralytics rounds (side - inner) / 2 - 0.1.
        let middle = |side: u32, inner: u32| if centred { (side - inner) / 2 } else { 0 };
        let offset = (middle(side.0, inner.0), middle(side.1, inner.1));
        Self { inner, offset, scale: scale as f32, size }
    }

    /// A box of the input in pixels of the picture, clipped to it: left, top, right, bottom.
    pub(crate) fn to_picture(self, sides: [f32; 4]) -> [f32; 4] {
        let back = |v: f32, offset: u32, size: u32| ((v - offset as f32) / self.scale).clamp(0.0, size as f32);
        let x = |v| back(v, self.offset.0, self.size.0);
        let y = |v| back(v, self.offset.1, self.size.1);
        [x(sides[0]), y(sides[1]), x(sides[2]), y(sides[3])]
    }

    /// Writes planar pixels of the scaled picture into one plane of an input of `width` columns, each value through `map`.
    pub(crate) fn place(self, plane: &[f32], input: &mut [f32], width: u32, map: impl Fn(f32) -> f32) {
        let (w, width) = (self.inner.0 as usize, width as usize);
        for (y, row) in plane.chunks_exact(w.max(1)).enumerate() {
            let start = (self.offset.1 as usize + y) * width + self.offset.0 as usize;
            input[start..start + w].iter_mut().zip(row).for_each(|(out, v)| *out = map(*v));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_box_comes_back_to_the_picture_it_was_seen_in() {
        let boxed = Letterbox::new((1920, 1080), (640, 640), true);
        assert_eq!((boxed.inner, boxed.offset), ((640, 360), (0, 140)));
        assert_eq!(boxed.to_picture([100.0, 190.0, 200.0, 240.0]), [300.0, 150.0, 600.0, 300.0]);
        assert_eq!(boxed.to_picture([-9.0, 0.0, 700.0, 640.0]), [0.0, 0.0, 1920.0, 1080.0]);
        let top_left = Letterbox::new((540, 960), (416, 416), false);
        assert_eq!((top_left.inner, top_left.offset), ((234, 416), (0, 0)));
        assert_eq!(Letterbox::new((4000, 3), (64, 64), true).inner, (64, 1));
    }
}
