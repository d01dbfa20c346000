//! Plates: what a mark hides behind a still camera, gathered from frames far away on which it is gone or elsewhere.
//!
//! Crops of such frames are registered to one of them by what both show, their brightness is set alike, and every sample is
//! the mean of those that agree with the median along time. How much they differ there is the error to be expected of it.
//! Refuses to know which frames are worth looking at and on which a plate may be used.

use crate::hole::Crop;
use crate::raster::Raster;

use super::flow::Search;
use super::guide::{Guide, SPOILT, box_dilated};
use super::motion::{Affine, Completion, STILL};
use super::sample::{cubic, linear};
use super::spread::Spread;
use super::trace::{COLOURS, Grid, to_guide};

/// The camera may sway by so many samples of the guide; what moved more is another view.
const SWAY: f32 = 6.0;

/// Median difference of two looks, in 8-bit codes, up to which they show one scene: x264 at crf 28 leaves about 2.
const SAME: f32 = 4.0;

/// A look's registration is kept where it brings the median difference down by this much; else it is as it is.
const WORTH: f32 = 0.05;

/// Samples count for the mean within so many standard deviations of the median, which is never below one code.
const CLOSE: f32 = 2.5;

/// A single difference counts no more than this, in squared codes.
const CLIP: f32 = 900.0;

/// What is believed of a sample before looks are compared: the squared error of one look, and how many looks it counts for.
const PRIOR: (f32, f32) = (40.0, 0.25);

/// Squared differences of looks up to which nothing has changed between them, in squared codes: coding noise of both, and what
/// the few looks and the prior add.
const NOISE: f32 = 4.0;

/// Samples compared of a plane for its brightness, at most.
const COMPARED: usize = 20_000;

/// What lies behind a mark, as seen on frames far away.
#[derive(Clone, Debug)]
pub struct Plate {
    /// Samples as the frame `idx` would show them, in a rectangle and rows of the picture; covered where they were seen
    /// nowhere.
    pub crop: Crop,
    /// Expected squared error of every sample of the first plane, in squared 8-bit codes, `span` frames away.
    pub error: Raster<f32>,
    /// Mean distance in time of what it was made of from its own frame.
    pub span: f32,
}

/// A look, as the reference would show it.
struct Look<'a> {
    crop: &'a Crop,
    /// In samples of the guide; `None`: in place.
    motion: Option<Affine>,
    /// What the reference is brighter by, per plane in codes of the format.
    offset: [f32; COLOURS],
    /// Per plane 1 where covered or spoilt.
    covered: Vec<Vec<u8>>,
}

impl Plate {
    /// From `looks` at one place, which have the same rectangle, rows and format and of which the `reference`-th tells where
    /// everything lies, with the numbers of those that agreed. `None` where none agrees with it, or the place is too small to
    /// tell.
    pub fn of(looks: &[Crop], reference: usize) -> Option<(Self, Vec<usize>)> {
        let own = looks.get(reference)?;
        let (mut search, mut completion, mut spread) = <(Search, Completion, Spread<1>)>::default();
        let guide = Guide::new(own, &mut spread)?;
        let mut kept = vec![Look::new(own, None, [0.0; COLOURS])];
        let mut agreed = vec![reference];
        for (n, other) in looks.iter().enumerate().filter(|(n, _)| *n != reference) {
            if !super::alike(own, other) {
                continue;
            }
            if let Some(there) = Guide::new(other, &mut spread)
                && let Some(motion) = register(&guide, &there, &mut search, &mut completion)
            {
                let offset = brightness(own, other);
                kept.push(Look::new(other, motion, offset));
                agreed.push(n);
            }
        }
        (kept.len() > 1).then(|| (gathered(own, &kept), agreed))
    }

    /// The same over another rectangle of the same rows (luma samples); covered where it does not reach.
    #[must_use]
    pub fn over(&self, rect: crate::geometry::Rect) -> Self {
        let (patch, format) = (&self.crop.patch, self.crop.patch.format);
        let mut out = self.clone();
        out.crop.patch.rect = rect;
        for plane in 0..patch.planes.len() {
            let (sw, sh) = format.subsampling(plane);
            let (from, to) = (patch.rect.subsampled(sw, sh), rect.subsampled(sw, sh));
            let values = &mut out.crop.patch.planes[plane];
            let need = &mut out.crop.need[plane];
            values.reset(to.w, to.h, 0.0);
            need.reset(to.w, to.h, if format.is_alpha(plane) { 0 } else { 255 });
            if plane == 0 {
                out.error.reset(to.w, to.h, PRIOR.0);
            }
            let shared = from.intersect(&to);
            for y in shared.y..shared.bottom() {
                for x in shared.x..shared.right() {
                    let (there, here) = ((x - from.x, y - from.y), (x - to.x, y - to.y));
                    values.set(here.0, here.1, patch.planes[plane].at(there.0, there.1));
                    need.set(here.0, here.1, self.crop.need[plane].at(there.0, there.1));
                    if plane == 0 {
                        out.error.set(here.0, here.1, self.error.at(there.0, there.1));
                    }
                }
            }
        }
        out
    }

    /// The expected squared error around column `x`, row `y` of the first plane, `distance` frames away: what does not stay as
    /// it is wanders off, by a random walk.
    pub(super) fn error_at(&self, x: f32, y: f32, distance: f32) -> f32 {
        let (width, height) = (self.error.width() as i64, self.error.height() as i64);
        let (x0, y0) = (x.floor() as i64, y.floor() as i64);
        let at = |dx: i64, dy: i64| {
            self.error.at((x0 + dx).clamp(0, width - 1) as u32, (y0 + dy).clamp(0, height - 1) as u32)
        };
        let places = (-1..3).flat_map(|dy| (-1..3).map(move |dx| (dx, dy)));
        let own = places.map(|(dx, dy)| at(dx, dy)).sum::<f32>() / 16.0;
        own.min(NOISE) + (own - NOISE).max(0.0) * (distance / self.span).max(1.0)
    }
}

impl<'a> Look<'a> {
    fn new(crop: &'a Crop, motion: Option<Affine>, offset: [f32; COLOURS]) -> Self {
        let covered = crop.need.iter().enumerate().map(|(plane, need)| {
            let covered: Vec<u8> = need.data().iter().map(|n| u8::from(*n > 0)).collect();
            let (sw, sh) = crop.patch.format.subsampling(plane);
            box_dilated(&covered, need.width().max(1) as usize, SPOILT >> sw.max(sh))
        });
        Self { crop, motion, offset, covered: covered.collect() }
    }

    /// The sample of `plane` that the reference shows at column `x`, row `y`; `None` where it is covered or outside.
    fn at(&self, plane: usize, grid: &Grid, (x, y): (u32, u32)) -> Option<f32> {
        let raster = &self.crop.patch.planes[plane];
        let (width, height) = (i64::from(raster.width()), i64::from(raster.height()));
        let clear = |x: i64, y: i64| {
            (0..width).contains(&x) && (0..height).contains(&y) && self.covered[plane][(y * width + x) as usize] == 0
        };
        let Some(model) = &self.motion else {
            return clear(i64::from(x), i64::from(y)).then(|| raster.at(x, y) + self.offset[plane]);
        };
        let [lx, ly] = grid.luma(x as f32, y as f32);
        let [dx, dy] = model.between(to_guide(lx), to_guide(ly));
        let [fx, fy] = grid.plane([lx + 2.0 * dx, ly + 2.0 * dy]);
        let (x0, y0) = (fx.floor() as i64, fy.floor() as i64);
        if !(clear(x0, y0) && clear(x0 + 1, y0) && clear(x0, y0 + 1) && clear(x0 + 1, y0 + 1)) {
            return None;
        }
        let whole = self.crop.patch.format.subsampling(plane) == (0, 0);
        let value = if whole { cubic(raster, fx, fy) } else { linear(raster, fx, fy) };
        Some(value + self.offset[plane])
    }
}

/// How the second guide is moved against the first, `None` inside where it is not at all; `None` where both show another
/// view.
fn register(a: &Guide, b: &Guide, search: &mut Search, completion: &mut Completion) -> Option<Option<Affine>> {
    let (width, height) = a.size();
    let unmoved = misfit(a, b, |_, _| [0.0; 2])?;
    let field = search.run(a, b);
    let model = completion.fit(&field, &vec![1; width * height]);
    if let Some(model) = model {
        let corners = [(0, 0), (width - 1, 0), (0, height - 1), (width - 1, height - 1)].map(|(x, y)| model.at(x, y));
        let most = corners.iter().map(|[x, y]| x.hypot(*y)).fold(0.0, f32::max);
        if (STILL..SWAY).contains(&most)
            && let Some(moved) = misfit(a, b, |x, y| model.at(x, y))
            && moved < unmoved - WORTH
        {
            return (moved <= SAME).then_some(Some(model));
        }
    }
    (unmoved <= SAME).then_some(None)
}

/// The median difference of what both guides show, brightness taken out; `None` where that is too little.
fn misfit(a: &Guide, b: &Guide, motion: impl Fn(usize, usize) -> [f32; 2]) -> Option<f32> {
    let (width, height) = a.size();
    let (from, to) = (&a.levels[0], &b.levels[0]);
    let step = if width * height > 4 * COMPARED { 2 } else { 1 };
    let mut differences = Vec::new();
    for y in (0..height).step_by(step) {
        for x in (0..width).step_by(step).filter(|x| from.is_firm(*x, y)) {
            let [dx, dy] = motion(x, y);
            let (px, py) = (x as f32 + dx, y as f32 + dy);
            let (nx, ny) = (px.round(), py.round());
            let inside = nx >= 0.0 && ny >= 0.0 && nx < width as f32 && ny < height as f32;
            if inside && to.is_firm(nx as usize, ny as usize) {
                differences.push(from.luma[from.at(x, y)] - to.value(px, py));
            }
        }
    }
    if differences.len() * step * step * 8 < width * height {
        return None;
    }
    let middle = median(&mut differences)?;
    differences.iter_mut().for_each(|d| *d = (*d - middle).abs());
    median(&mut differences)
}

/// What `own` is brighter by than `other`, per plane in codes of the format, where both are seen.
fn brightness(own: &Crop, other: &Crop) -> [f32; COLOURS] {
    let format = own.patch.format;
    let mut offset = [0.0; COLOURS];
    for (plane, offset) in offset.iter_mut().enumerate().take(own.patch.planes.len()) {
        if format.is_alpha(plane) {
            continue;
        }
        let (a, b) = (own.patch.planes[plane].data(), other.patch.planes[plane].data());
        let (need, theirs) = (own.need[plane].data(), other.need[plane].data());
        let step = a.len().div_ceil(COMPARED).max(1);
        let both = (0..a.len()).step_by(step).filter(|k| need[*k] == 0 && theirs[*k] == 0);
        let mut differences: Vec<f32> = both.map(|k| a[k] - b[k]).collect();
        *offset = median(&mut differences).unwrap_or(0.0);
    }
    offset
}

fn median(values: &mut [f32]) -> Option<f32> {
    let middle = values.len() / 2;
    (!values.is_empty()).then(|| *values.select_nth_unstable_by(middle, f32::total_cmp).1)
}

fn gathered(own: &Crop, looks: &[Look<'_>]) -> Plate {
    let format = own.patch.format;
    let code = (1u32 << (format.depth - 8)) as f32;
    let mut crop = own.clone();
    let first = &own.patch.planes[0];
    let mut error = Raster::new(first.width(), first.height(), PRIOR.0);
    let mut values: Vec<f32> = Vec::with_capacity(looks.len());
    let mut sorted: Vec<f32> = Vec::with_capacity(looks.len());
    for plane in (0..own.patch.planes.len().min(COLOURS)).filter(|plane| !format.is_alpha(*plane)) {
        let grid = Grid::new(own, plane);
        let (width, height) = (own.patch.planes[plane].width(), own.patch.planes[plane].height());
        for y in 0..height {
            for x in 0..width {
                values.clear();
                values.extend(looks.iter().filter_map(|look| look.at(plane, &grid, (x, y))));
                sorted.clear();
                sorted.extend_from_slice(&values);
                let Some(middle) = median(&mut sorted) else {
                    crop.need[plane].set(x, y, 255);
                    continue;
                };
                sorted.iter_mut().for_each(|v| *v = (*v - middle).abs());
                let deviation = median(&mut sorted).unwrap_or(0.0);
                let near = CLOSE * (1.4826 * deviation).max(code);
                let (mut sum, mut count) = (0.0, 0.0);
                for value in values.iter().filter(|value| (*value - middle).abs() <= near) {
                    sum += value;
                    count += 1.0f32;
                }
                let value = sum / count.max(1.0);
                crop.patch.planes[plane].set(x, y, value);
                crop.need[plane].set(x, y, 0);
                if plane == 0 {
                    let squares = values.iter().map(|v| ((v - value) / code).powi(2).min(CLIP)).sum::<f32>();
                    let others = values.len() as f32 - 1.0;
                    error.set(x, y, (squares + PRIOR.0 * PRIOR.1) / (others + PRIOR.1));
                }
            }
        }
    }
    let distances = looks.iter().map(|look| look.crop.idx.abs_diff(own.idx) as f32);
    let span = (distances.sum::<f32>() / (looks.len() as f32 - 1.0)).max(1.0);
    Plate { crop, error, span }
}
