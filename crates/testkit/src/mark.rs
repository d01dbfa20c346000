//! Marks whose alpha and colour are known at every sample, and how they are laid over a frame.

use cleanplate_core::{Coder, Frame, Mask, Patch, Raster, Rect, Rows};

use crate::glyphs;
use crate::planes::rows_under;
use crate::shape::{Segment, cover, disc, rounded_box, soft_cover, triangle};

/// The kinds of mark that overlays in the wild are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MarkKind {
    /// A filled box with rounded corners and an emblem in it, alpha 1.
    OpaqueLogo,
    /// An emblem whose edges fade over several samples, alpha up to 0.85.
    SoftLogo,
    /// A white emblem of alpha 0.35.
    TranslucentLogo,
    /// A line of white text in thin strokes.
    ThinText,
    /// A line of white text with a black outline, as captions have.
    OutlinedText,
    /// A disc in the orange and blue of a station's bug.
    ColouredBug,
}

impl MarkKind {
    /// All kinds.
    pub const ALL: [Self; 6] = [
        Self::OpaqueLogo,
        Self::SoftLogo,
        Self::TranslucentLogo,
        Self::ThinText,
        Self::OutlinedText,
        Self::ColouredBug,
    ];

    /// A place of the usual size in the lower right corner of a picture: a line of text 22 % of the width, a bug 9 % of the
    /// height, other logos 15 % x 9 %; 4 % away from the edges.
    pub fn corner(self, width: u32, height: u32) -> Rect {
        let (w, h) = (f64::from(width), f64::from(height));
        let (mark_w, mark_h) = match self {
            Self::ThinText | Self::OutlinedText => (0.22 * w, 0.05 * h),
            Self::ColouredBug => (0.09 * h, 0.09 * h),
            _ => (0.15 * w, 0.09 * h),
        };
        let (mark_w, mark_h) = (mark_w.ceil() as u32, mark_h.ceil() as u32);
        let (right, bottom) = ((0.96 * w) as u32, (0.96 * h) as u32);
        Rect::new(right.saturating_sub(mark_w), bottom.saturating_sub(mark_h), mark_w, mark_h)
    }
}

const WHITE: [f32; 3] = [0.96, 0.96, 0.96];
const BLACK: [f32; 3] = [0.03, 0.03, 0.03];

/// A mark: alpha and colour of every luma sample of a rectangle.
#[derive(Clone, Debug, PartialEq)]
pub struct Mark {
    rect: Rect,
    alpha: Raster<f32>,
    ink: Raster<[f32; 3]>,
}

impl Mark {
    /// A mark of `alpha` (0..=1) and `ink` (non-linear R'G'B', 0..=1) over `rect` (luma samples of the coded picture); `None`
    /// where a raster has another size.
    pub fn new(rect: Rect, alpha: Raster<f32>, ink: Raster<[f32; 3]>) -> Option<Self> {
        let fits = |w, h| (w, h) == (rect.w, rect.h);
        let whole = fits(alpha.width(), alpha.height()) && fits(ink.width(), ink.height());
        whole.then_some(Self { rect, alpha, ink })
    }

    /// A mark of `kind` that fills `rect`. Text reads `CLEANPLATE`; it is as large as fits.
    pub fn draw(kind: MarkKind, rect: Rect) -> Self {
        match kind {
            MarkKind::ThinText | MarkKind::OutlinedText => Self::text(kind, "CLEANPLATE", rect),
            MarkKind::ColouredBug => bug(rect),
            MarkKind::OpaqueLogo => opaque_logo(rect),
            MarkKind::SoftLogo => {
                // Edges over a seventh of the height: 6 samples on the 45 of a logo at 480p.
                let width = (f64::from(rect.h) / 7.0).max(3.0);
                painted(rect, |place| (0.85 * soft_cover(emblem(place, rect, width), width), WHITE))
            }
            MarkKind::TranslucentLogo => painted(rect, |place| (0.35 * cover(emblem(place, rect, 1.0)), WHITE)),
        }
    }

    /// A line of `text` as large as fits into `rect`: thin strokes, or with an outline for [`MarkKind::OutlinedText`].
    /// Letters, digits and some signs are known, others are blank.
    pub fn text(kind: MarkKind, text: &str, rect: Rect) -> Self {
        let outlined = kind == MarkKind::OutlinedText;
        let room = (f64::from(rect.w), f64::from(rect.h));
        // Pen and outline grow with the letters: a tenth of their height and two samples at 480p.
        let pen = |height: f64| if outlined { (height / 14.0).max(0.8) } else { (height / 24.0).max(0.6) };
        let outline = |height: f64| if outlined { (height / 12.0).max(1.5) } else { 0.0 };
        let margin = |height: f64| pen(height) + outline(height) + 1.0;
        let fits = |h: &f64| h + 2.0 * margin(*h) <= room.1 && glyphs::width(text, *h) + 2.0 * margin(*h) <= room.0;
        let height = (1..=rect.h * 4).rev().map(|quarter| f64::from(quarter) / 4.0).find(fits).unwrap_or(1.0);
        let width = glyphs::width(text, height);
        let origin = ((room.0 - width) / 2.0 - 0.5, (room.1 - height) / 2.0 - 0.5);
        let lines: Vec<Segment> = glyphs::write(text, origin, height);
        painted(rect, |place| {
            let d = lines.iter().map(|line| line.distance(place)).fold(f64::INFINITY, f64::min) - pen(height);
            let alpha = cover(d - outline(height));
            let white = if outlined { cover(d) } else { 1.0 };
            (alpha, std::array::from_fn(|c| BLACK[c] + (WHITE[c] - BLACK[c]) * white))
        })
    }

    /// The same mark with all its alpha times `gain` of 0..=1: a step of a fade.
    #[must_use]
    pub fn faded(&self, gain: f32) -> Self {
        let mut faded = self.clone();
        faded.alpha.data_mut().iter_mut().for_each(|alpha| *alpha *= gain);
        faded
    }

    /// The same mark with its corner at column `x`, row `y`.
    #[must_use]
    pub fn moved(&self, x: u32, y: u32) -> Self {
        Self { rect: Rect::new(x, y, self.rect.w, self.rect.h), ..self.clone() }
    }

    /// Where it lies.
    pub const fn rect(&self) -> Rect {
        self.rect
    }

    /// Its alpha, 0..=1, in [`rect`](Self::rect).
    pub const fn alpha(&self) -> &Raster<f32> {
        &self.alpha
    }

    /// Colour of every luma sample of its rectangle, red, green and blue 0..=1.
    pub const fn ink(&self) -> &Raster<[f32; 3]> {
        &self.ink
    }

    /// Every sample that it can change: coverage is alpha, rounded up.
    pub fn mask(&self) -> Mask {
        self.coverage(|alpha| (alpha * 255.0).ceil())
    }

    /// The samples whose alpha is above `floor`, fully covered: `0.02` is where quality inside the mark is measured.
    pub fn support(&self, floor: f32) -> Mask {
        self.coverage(|alpha| if alpha > floor { 255.0 } else { 0.0 })
    }

    fn coverage(&self, of: impl Fn(f32) -> f32) -> Mask {
        let data = self.alpha.data().iter().map(|alpha| of(*alpha) as u8).collect();
        let raster = Raster::from_vec(self.rect.w, self.rect.h, data);
        raster.and_then(|coverage| Mask::new(self.rect, coverage)).unwrap_or_else(Mask::empty).trimmed()
    }

    /// Lays the mark over `frame`: in every colour plane `out = (1 - a) x + a c` on code values, as players and editors do it.
    /// A subsampled sample takes the mean of `a` and of `a c` over its footprint, of its own field where the frame is
    /// interlaced. Samples without alpha, and a plane of alpha, stay as they are.
    pub fn apply(&self, frame: &mut Frame) {
        let coder = Coder::new(frame.format, frame.color);
        let mut patch = Patch::default();
        // A chroma row of a field stands for luma rows up to three below the rows that its place in the frame suggests.
        let area = self.rect.grow(4, frame.width, frame.height);
        frame.lift(area, Rows::All, &mut patch);
        let mut touched = Vec::with_capacity(patch.planes.len());
        for (plane, raster) in patch.planes.iter_mut().enumerate() {
            let (log2_w, log2_h) = frame.format.subsampling(plane);
            let corner = patch.rect.subsampled(log2_w, log2_h);
            let mut changed = Raster::new(raster.width(), raster.height(), 0u8);
            if frame.format.is_alpha(plane) {
                touched.push(changed);
                continue;
            }
            for y in 0..raster.height() {
                for x in 0..raster.width() {
                    let columns = (corner.x + x) << log2_w..((corner.x + x + 1) << log2_w).min(frame.width);
                    let (mut alpha, mut ink, mut count) = (0.0, 0.0, 0.0);
                    for row in rows_under(frame.scan, log2_h, corner.y + y, frame.height) {
                        for column in columns.clone() {
                            let (a, c) = self.at(column, row);
                            alpha += a;
                            ink += if a > 0.0 { a * coder.encode(c)[plane] } else { 0.0 };
                            count += 1.0;
                        }
                    }
                    if alpha > 0.0 {
                        raster.set(x, y, (1.0 - alpha / count) * raster.at(x, y) + ink / count);
                        changed.set(x, y, 255);
                    }
                }
            }
            touched.push(changed);
        }
        frame.put_back(&patch, &touched);
    }

    /// `frame` with the mark laid over it; `frame` itself is shared, not changed.
    #[must_use]
    pub fn over(&self, frame: &Frame) -> Frame {
        let mut marked = frame.clone();
        self.apply(&mut marked);
        marked
    }

    fn at(&self, x: u32, y: u32) -> (f32, [f32; 3]) {
        if !self.rect.contains(x, y) {
            return (0.0, BLACK);
        }
        let (x, y) = (x - self.rect.x, y - self.rect.y);
        (self.alpha.at(x, y), self.ink.at(x, y))
    }
}

/// A mark whose alpha and ink are a function of the place in `rect`, in samples from its corner.
fn painted(rect: Rect, paint: impl Fn((f64, f64)) -> (f32, [f32; 3])) -> Mark {
    let mut mark = Mark { rect, alpha: Raster::new(rect.w, rect.h, 0.0), ink: Raster::new(rect.w, rect.h, BLACK) };
    for y in 0..rect.h {
        for x in 0..rect.w {
            let (alpha, ink) = paint((f64::from(x), f64::from(y)));
            mark.alpha.set(x, y, alpha);
            mark.ink.set(x, y, ink);
        }
    }
    mark
}

/// Signed distance to a ring with a triangle in it and, where there is room, three bars to its right.
fn emblem(place: (f64, f64), rect: Rect, margin: f64) -> f64 {
    let (w, h) = (f64::from(rect.w) - 1.0, f64::from(rect.h) - 1.0);
    let radius = (w.min(h) / 2.0 - margin).max(1.0);
    let room = w - 2.0 * radius - 3.0 * margin;
    let middle = (if room > radius { margin + radius } else { w / 2.0 }, h / 2.0);
    let offset = (place.0 - middle.0, place.1 - middle.1);
    let ring = (offset.0.hypot(offset.1) - 0.86 * radius).abs() - 0.14 * radius;
    let mut d = ring.min(triangle(offset, 0.6 * radius));
    if room > radius {
        let left = 2.0 * radius + 2.0 * margin + 0.2 * radius;
        for (row, share) in [(-0.6, 1.0), (0.0, 0.8), (0.6, 0.55)] {
            let half = (share * (w - margin - left) / 2.0, 0.16 * radius);
            let bar = (place.0 - left - half.0, place.1 - middle.1 - row * radius);
            d = d.min(rounded_box(bar, half, 0.1 * radius));
        }
    }
    d
}

fn opaque_logo(rect: Rect) -> Mark {
    let (w, h) = (f64::from(rect.w) - 1.0, f64::from(rect.h) - 1.0);
    painted(rect, |place| {
        let plate = rounded_box((place.0 - w / 2.0, place.1 - h / 2.0), (w / 2.0 - 0.5, h / 2.0 - 0.5), h / 6.0);
        let figure = cover(emblem(place, rect, h / 7.0));
        let navy = [0.07, 0.14, 0.36];
        (cover(plate), std::array::from_fn(|c| navy[c] + (WHITE[c] - navy[c]) * figure))
    })
}

fn bug(rect: Rect) -> Mark {
    let (w, h) = (f64::from(rect.w) - 1.0, f64::from(rect.h) - 1.0);
    let radius = w.min(h) / 2.0 - 0.5;
    painted(rect, |place| {
        let offset = (place.0 - w / 2.0, place.1 - h / 2.0);
        let (orange, blue) = ([0.95, 0.45, 0.08], [0.1, 0.25, 0.75]);
        let inner = cover(triangle(offset, 0.7 * radius));
        (disc(offset, radius), std::array::from_fn(|c| orange[c] + (blue[c] - orange[c]) * inner))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canvas::Scenery;
    use crate::clip::{Clip, Shot};
    use crate::metric::changed_outside;
    use crate::motion::Motion;
    use crate::planes::plane_mask;
    use cleanplate_core::{PixelFormat, PixelLayout, Row, Scan};

    fn code(frame: &Frame, plane: usize, x: u32, y: u32) -> f32 {
        match frame.row(plane, y) {
            Row::U8(row) => f32::from(row[x as usize]),
            Row::U16(row) => f32::from(row[x as usize]),
        }
    }

    fn clean(format: PixelFormat, scan: Scan) -> Frame {
        let shot = Shot::new(Scenery::Leaves, Motion::Pan { dx: 1.0, dy: 0.0 }, 1);
        Clip::new(4, (97, 61), &[shot]).with_format(format).with_scan(scan).frame(0).unwrap()
    }

    #[test]
    fn every_kind_fills_its_place_with_the_alpha_it_promises() {
        for kind in MarkKind::ALL {
            let rect = kind.corner(1280, 720);
            assert!(rect.right() <= 1280 && rect.bottom() <= 720);
            let mark = Mark::draw(kind, rect);
            let peak = mark.alpha().data().iter().copied().fold(0.0, f32::max);
            let wanted = match kind {
                MarkKind::TranslucentLogo => 0.35,
                MarkKind::SoftLogo => 0.85,
                _ => 1.0,
            };
            assert!((peak - wanted).abs() < 0.03, "{kind:?}: {peak}");
            let bounds = mark.support(0.02).rect();
            assert!(bounds.iou(&rect) > 0.5, "{kind:?} fills {bounds:?} of {rect:?}");
            let border = (0..rect.w).flat_map(|x| [mark.alpha().at(x, 0), mark.alpha().at(x, rect.h - 1)]);
            assert!(kind == MarkKind::OpaqueLogo || border.fold(0.0, f32::max) < 0.6, "{kind:?} is cut off");
        }
    }

    #[test]
    fn edges_are_hard_or_soft_as_named() {
        let partial = |kind: MarkKind| {
            let mark = Mark::draw(kind, Rect::new(0, 0, 190, 66));
            let peak = mark.alpha().data().iter().copied().fold(0.0, f32::max);
            let between = mark.alpha().data().iter().filter(|a| **a > 0.02 && **a < 0.9 * peak).count();
            between as f64 / mark.support(0.02).area() as f64
        };
        assert!(partial(MarkKind::SoftLogo) > 0.5, "{}", partial(MarkKind::SoftLogo));
        assert!(partial(MarkKind::OpaqueLogo) < 0.05);
        assert!(partial(MarkKind::TranslucentLogo) < 0.25);
    }

    #[test]
    fn a_mark_is_blended_in_the_codes_of_its_plane() {
        for (layout, depth) in
            [(PixelLayout::Yuv, 8), (PixelLayout::Yuv, 10), (PixelLayout::Gbr, 12), (PixelLayout::Gray, 8)]
        {
            let format = PixelFormat { layout, depth, log2_chroma_w: 0, log2_chroma_h: 0, alpha: true };
            let before = clean(format, Scan::Progressive);
            let rect = Rect::new(20, 10, 8, 6);
            let ink = [0.9, 0.5, 0.1];
            let mark = Mark::new(rect, Raster::new(8, 6, 0.35), Raster::new(8, 6, ink)).unwrap();
            let mut after = before.clone();
            mark.apply(&mut after);
            let codes = Coder::new(format, before.color).encode(ink);
            for plane in 0..format.planes() {
                for (x, y) in [(20, 10), (27, 15), (19, 10), (28, 15), (24, 9)] {
                    let x0 = code(&before, plane, x, y);
                    let covered = rect.contains(x, y) && !format.is_alpha(plane);
                    let wanted = if covered { (0.65 * x0 + 0.35 * codes[plane.min(2)]).round() } else { x0 };
                    assert_eq!(code(&after, plane, x, y), wanted, "{format:?} plane {plane} at {x},{y}");
                }
            }
        }
    }

    #[test]
    fn a_half_covered_chroma_sample_takes_half_of_the_ink() {
        let before = clean(PixelFormat::YUV420P8, Scan::Progressive);
        let mark =
            Mark::new(Rect::new(21, 10, 1, 2), Raster::new(1, 2, 1.0), Raster::new(1, 2, [1.0, 0.0, 0.0])).unwrap();
        let mut after = before.clone();
        mark.apply(&mut after);
        let red = Coder::new(before.format, before.color).encode([1.0, 0.0, 0.0])[2];
        assert_eq!(code(&after, 2, 10, 5), (0.5 * code(&before, 2, 10, 5) + 0.5 * red).round());
        assert_eq!(code(&after, 0, 20, 10), code(&before, 0, 20, 10));
    }

    #[test]
    fn nothing_changes_outside_the_mask_in_any_format_or_scan() {
        for scan in [Scan::Progressive, Scan::TopFirst, Scan::BottomFirst] {
            for (w, h) in [(0, 0), (1, 0), (1, 1)] {
                let format = PixelFormat {
                    layout: PixelLayout::Yuv,
                    depth: 10,
                    log2_chroma_w: w,
                    log2_chroma_h: h,
                    alpha: false,
                };
                for kind in MarkKind::ALL {
                    for rect in [Rect::new(31, 17, 41, 23), Rect::new(70, 45, 40, 30)] {
                        let before = clean(format, scan);
                        let mut after = before.clone();
                        let mark = Mark::draw(kind, rect);
                        mark.apply(&mut after);
                        assert_eq!(
                            changed_outside(&before, &after, &mark.mask()),
                            [0; 4],
                            "{kind:?} {scan:?} {rect:?}"
                        );
                        let inside = changed_outside(&before, &after, &Mask::empty());
                        assert!(inside[0] > 20 && inside[1] > 0, "{kind:?} {scan:?}: {inside:?}");
                        let need = plane_mask(&mark.mask(), format, (97, 61), scan, 1);
                        assert!(inside[1] <= need.data().iter().filter(|c| **c > 0).count() as u64);
                    }
                }
            }
        }
    }

    #[test]
    fn fading_scales_alpha_and_moving_shifts_it() {
        let mark = Mark::draw(MarkKind::ColouredBug, Rect::new(4, 4, 20, 20));
        let faded = mark.faded(0.25);
        assert!(mark.alpha().data().iter().zip(faded.alpha().data()).all(|(a, f)| (a * 0.25 - f).abs() < 1e-7));
        assert_eq!(mark.moved(9, 30).mask().rect().x, mark.mask().rect().x + 5);
    }
}
