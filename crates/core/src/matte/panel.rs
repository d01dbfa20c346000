//! The matte of a panel: the flat, translucent plate of one colour and one opacity behind a caption's letters.
//!
//! A caption comes and goes, so that near its ends other frames show what the panel covers. Such a frame `J` and what lies
//! behind it `I` (borrowed from those frames, along their motion) are pairs of `J = keep I + (1 - keep) W` in every plane; one
//! `keep` and one `W` are fitted to the means of squares of samples, since single ones carry the codec's noise in `I`, which
//! draws a slope to nothing. Then every sample tells how much of the panel it has, which gives its border; that is a hole, like
//! letters. Knows pairs of frames; refuses to know how what lies behind was found.

use super::morphology::{dilated, quantile};
use super::{Matte, MattePlane};
use crate::format::PixelFormat;
use crate::frame::{Frame, FrameIdx, Patch, Rows};
use crate::geometry::Rect;
use crate::mask::Mask;
use crate::raster::Raster;

/// Planes with colour at most.
const COLOURS: usize = 3;

/// Samples around what the segmenter takes for the panel in which its border is looked for: two cells of it at 1080p.
const MARGIN: u32 = 8;

/// Samples a side of the squares whose means are compared, and samples between them and the panel's border or letters.
const SQUARE: u32 = 4;
const INSIDE: usize = 4;
const CLEAR_OF_LETTERS: u32 = 2;

/// Differences, in 8-bit codes, from which on a square counts less (Cauchy's weight): the median of those of right mattes is .4 to
/// 1.8 at crf 20 (`benches/captions`, four clips).
const OFF: f32 = 2.0;
const ROUNDS: usize = 25;
/// What is tried first: the fit is not convex.
const STARTS: [f32; 5] = [0.2, 0.35, 0.5, 0.65, 0.8];

/// Squares that a fit needs; the median difference and the mean weight up to which it is believed; and the standard error of
/// `keep`. Right mattes of four clips: 348 squares and more, .34 to 1.8 codes, .54 to .93, .003 to .04.
const FEWEST: usize = 60;
const MOST_OFF: f32 = 3.0;
const LEAST_WEIGHT: f32 = 0.4;
const UNSURE: f32 = 0.06;

/// Panels that let less through are holes; what lets more through is none.
const KEEPS: std::ops::Range<f32> = 0.12..0.93;

/// Another panel's fit serves where it misses by no more than this factor and so many codes more than the own one.
const AS_GOOD: (f32, f32) = (1.25, 0.25);

/// Samples to both sides of the border that are a hole, as letters are: the codec smears edges over as many, and what little is
/// left of an edge shows on even ground.
const BAND: usize = 2;
/// A sample tells of its opacity where these squared codes of what it would differ by are seen.
const TELLS: f32 = 400.0;
/// Noise of the codec in a coded sample of luma and of chroma, in 8-bit codes: clean clips encoded by x264 at crf 20 are 43 to 50 dB
/// from their source (`benches/captions`), which is 0.8 to 1.8. What a sample is mixed with comes through the same panel on
/// other frames and is no quieter, so that the least of it keeps the sample's own half and blurs nothing that moves.
const CODED: [f32; 2] = [0.8, 0.8];
/// The most that the opacity of samples inside may be off in the median.
const UNEVEN: f32 = 0.1;

/// How opaque a panel is, and in which colour.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PanelFit {
    /// Share of the source that it lets through.
    pub keep: f32,
    /// Its colour per plane, in 8-bit codes.
    pub colour: [f32; COLOURS],
    /// The median difference of the squares, in 8-bit codes.
    pub off: f32,
    /// How much the squares know of `keep`: the inverse of its variance.
    pub worth: f32,
    weight: f32,
}

/// A frame that shows a panel, and what lies behind it.
#[derive(Clone, Debug)]
struct Look {
    idx: FrameIdx,
    seen: Patch,
    behind: Patch,
    /// Per luma sample whether `behind` is known there.
    known: Vec<bool>,
    /// Squares that are surely the panel's and free of letters.
    squares: Vec<Square>,
}

/// A square of both: per plane the mean of what is behind and of what is seen, in 8-bit codes.
#[derive(Clone, Copy, Debug)]
struct Square {
    behind: [f32; COLOURS],
    seen: [f32; COLOURS],
}

/// What is seen of a panel.
#[derive(Clone, Debug)]
pub struct Panel {
    rect: Rect,
    format: PixelFormat,
    /// Per luma sample of `rect`: what the segmenter takes for the panel, what is surely inside of it, and its letters.
    plate: Vec<bool>,
    core: Vec<bool>,
    letters: Vec<bool>,
    looks: Vec<Look>,
}

impl Panel {
    /// Of what is taken for the panel, letters included, and for its letters, on frames of `size`. `None` where the samples are no
    /// planes of luma and colour difference.
    pub fn new(plate: &Mask, letters: &Mask, format: PixelFormat, size: (u32, u32)) -> Option<Self> {
        let (w, h) = size;
        let r = plate.rect().grow(MARGIN, w, h);
        let (x, y) = (r.x / SQUARE * SQUARE, r.y / SQUARE * SQUARE);
        let right = r.right().next_multiple_of(SQUARE).min(w);
        let bottom = r.bottom().next_multiple_of(SQUARE).min(h);
        let rect = Rect::new(x, y, right - x, bottom - y);
        if rect.is_empty() || (0..format.planes()).any(|plane| format.is_alpha(plane)) {
            return None;
        }
        let within = |mask: &Mask| -> Vec<bool> {
            (0..rect.h)
                .flat_map(|y| (0..rect.w).map(move |x| (x, y)))
                .map(|(x, y)| mask.at(rect.x + x, rect.y + y) > 0)
                .collect()
        };
        let letters = within(&letters.dilated(CLEAR_OF_LETTERS, w, h));
        let plate = within(plate);
        let width = rect.w as usize;
        let beside: Vec<bool> = plate.iter().map(|p| !p).collect();
        let near = dilated(&beside, width, INSIDE);
        let core = (0..plate.len()).map(|k| plate[k] && !near[k] && !letters[k]).collect();
        Some(Self { rect, format, plate, core, letters, looks: Vec::new() })
    }

    /// Where it is looked for: all of this must be known of what lies behind.
    pub const fn rect(&self) -> Rect {
        self.rect
    }

    /// What so many looks at it take in memory.
    pub fn bytes(&self, looks: usize) -> u64 {
        let samples = 2 * size_of::<f32>() as u64 * self.format.planes() as u64 + 1;
        looks as u64 * samples * self.rect.area()
    }

    /// Takes in a frame that shows it, and the same frame without it; `known` tells of a sample of the picture whether the latter
    /// is to be believed there.
    pub fn observe(&mut self, seen: &Frame, behind: &Frame, known: impl Fn(u32, u32) -> bool) {
        let mut look = Look {
            idx: seen.idx,
            seen: Patch::default(),
            behind: Patch::default(),
            known: Vec::new(),
            squares: Vec::new(),
        };
        seen.lift(self.rect, Rows::All, &mut look.seen);
        behind.lift(self.rect, Rows::All, &mut look.behind);
        let r = self.rect;
        look.known =
            (0..r.h).flat_map(|y| (0..r.w).map(move |x| (x, y))).map(|(x, y)| known(r.x + x, r.y + y)).collect();
        look.squares = self.squares(&look);
        self.looks.push(look);
    }

    /// Opacity and colour by the frames that `is_wanted` names; `None` where too little is seen.
    pub fn fit(&self, is_wanted: impl Fn(FrameIdx) -> bool) -> Option<PanelFit> {
        let squares = self.squares_of(is_wanted);
        if squares.len() < FEWEST {
            return None;
        }
        let fits = STARTS.iter().map(|keep| self.fitted(&squares, *keep));
        fits.max_by(|a, b| a.weight.total_cmp(&b.weight))
    }

    /// Whether a fit is believed; why not, else.
    ///
    /// # Errors
    /// The reason in words.
    pub fn judge(fit: &PanelFit) -> Result<(), String> {
        let PanelFit { keep, off, weight, worth, .. } = *fit;
        if off > MOST_OFF || weight < LEAST_WEIGHT {
            return Err(format!("it is not flat, or what lies behind it was not found ({off:.1} codes off)"));
        }
        if worth < UNSURE.powi(-2) {
            return Err("what lies behind it is too even to tell its opacity".to_owned());
        }
        if !KEEPS.contains(&keep) {
            return Err(format!("it lets {keep:.2} of the source through"));
        }
        Ok(())
    }

    /// Whether `fit`, of another panel, describes this one as well as one does that is `off` by so many codes.
    pub fn agrees(&self, fit: &PanelFit, off: f32, is_wanted: impl Fn(FrameIdx) -> bool) -> bool {
        let squares = self.squares_of(is_wanted);
        let own = quantile(squares.iter().map(|square| self.off(square, fit.keep, fit.colour)), 0.5);
        squares.len() >= FEWEST / 4 && own <= AS_GOOD.0 * off + AS_GOOD.1
    }

    /// How much of the panel every frame shows, 0..=1, in order of time.
    pub fn gains(&self, fit: &PanelFit) -> Vec<(FrameIdx, f32)> {
        let colours = self.colours();
        let gain = |look: &Look| {
            let squares = &look.squares;
            let mut gain = 1.0f32;
            for _ in 0..6 {
                let (mut both, mut all) = (0.0, 1e-3);
                for square in squares {
                    let full: [f32; COLOURS] =
                        std::array::from_fn(|n| (1.0 - fit.keep) * (fit.colour[n] - square.behind[n]));
                    let own: [f32; COLOURS] = std::array::from_fn(|n| square.seen[n] - square.behind[n]);
                    let off = (0..colours).map(|n| (own[n] - gain * full[n]).powi(2)).sum::<f32>();
                    let weight = 1.0 / (1.0 + off / (OFF * OFF));
                    for n in 0..colours {
                        both += weight * own[n] * full[n];
                        all += weight * full[n] * full[n];
                    }
                }
                gain = both / all;
            }
            (squares.len() >= FEWEST / 4).then(|| (look.idx, gain.clamp(0.0, 1.0)))
        };
        let mut gains: Vec<(FrameIdx, f32)> = self.looks.iter().filter_map(gain).collect();
        gains.sort_by_key(|gain| gain.0);
        gains.dedup_by_key(|gain| gain.0);
        gains
    }

    /// The matte over the whole panel, with its letters and its border opaque: nothing is computed there. `gains` are those of the frames.
    ///
    /// # Errors
    /// Why it is none, in words.
    pub fn matte(&self, fit: &PanelFit, gains: &[(FrameIdx, f32)]) -> Result<Matte, String> {
        let (alpha, width) = (1.0 - fit.keep, self.rect.w as usize);
        let sums = self.opacities(fit, gains);
        let raw: Vec<f32> = sums.iter().map(|[both, all]| both / all.max(1e-3)).collect();
        let inside = self.inside(&sums, alpha);
        let off = (0..raw.len()).filter(|k| self.core[*k] && sums[*k][1] > TELLS).map(|k| (raw[k] - alpha).abs());
        let off = quantile(off, 0.5);
        if off > UNEVEN {
            return Err(format!("its opacity is not the same everywhere ({off:.2} off)"));
        }
        let outside: Vec<bool> = inside.iter().map(|i| !i).collect();
        let (wide, shrunk) = (dilated(&inside, width, BAND), dilated(&outside, width, BAND));
        let opacity: Vec<f32> = (0..inside.len())
            .map(|k| {
                let is_hole = (wide[k] && shrunk[k]) || (inside[k] && self.letters[k]);
                if is_hole { 1.0 } else { f32::from(u8::from(inside[k])) * alpha }
            })
            .collect();
        let code = (1u32 << (self.format.depth - 8)) as f32;
        let planes = (0..self.format.planes()).map(|plane| self.plane(plane, &opacity, code * fit.colour[plane]));
        Matte::new(self.rect, self.format, planes.collect()).ok_or_else(|| "it has no size".to_owned())
    }

    /// Standard deviation of what is wrong with samples that `matte` gives back: the codec's noise grown by the inverse.
    pub fn noise(&self, matte: &Matte) -> Vec<Raster<f32>> {
        let code = (1u32 << (self.format.depth - 8)) as f32;
        let planes = matte.planes().iter().enumerate();
        let noise = planes.map(|(n, plane)| {
            let coded = CODED[usize::from(self.format.is_chroma(n))];
            let mut noise = Raster::new(plane.keep.width(), plane.keep.height(), 0.0);
            let values = noise.data_mut().iter_mut().zip(plane.keep.data());
            values.for_each(|(noise, keep)| *noise = code * coded / keep.max(KEEPS.start));
            noise
        });
        noise.collect()
    }

    fn colours(&self) -> usize {
        self.format.planes().min(COLOURS)
    }

    /// The squares of all looks at frames that `is_wanted` names.
    fn squares_of(&self, is_wanted: impl Fn(FrameIdx) -> bool) -> Vec<Square> {
        let looks = self.looks.iter().filter(|look| is_wanted(look.idx));
        looks.flat_map(|look| look.squares.iter().copied()).collect()
    }

    /// The squares of a look that are surely the panel's and free of letters.
    fn squares(&self, look: &Look) -> Vec<Square> {
        let (colours, scale) = (self.colours(), 1.0 / (1u32 << (self.format.depth - 8)) as f32);
        let width = self.rect.w;
        let mut squares = Vec::new();
        for y in (0..self.rect.h / SQUARE).map(|n| n * SQUARE) {
            for x in (0..self.rect.w / SQUARE).map(|n| n * SQUARE) {
                let mut all = (y..y + SQUARE).flat_map(|y| (x..x + SQUARE).map(move |x| (y * width + x) as usize));
                if !all.all(|k| self.core[k] && look.known[k]) {
                    continue;
                }
                let mean = |patch: &Patch, plane: usize| {
                    let (sw, sh) = self.format.subsampling(plane);
                    let (from, values) = ((x >> sw, y >> sh), &patch.planes[plane]);
                    let (w, h) = (SQUARE >> sw, SQUARE >> sh);
                    let sum: f32 = (0..h)
                        .map(|y| values.row(from.1 + y)[from.0 as usize..][..w as usize].iter().sum::<f32>())
                        .sum();
                    scale * sum / (w * h) as f32
                };
                let mut square = Square { behind: [0.0; COLOURS], seen: [0.0; COLOURS] };
                for plane in 0..colours {
                    square.behind[plane] = mean(&look.behind, plane);
                    square.seen[plane] = mean(&look.seen, plane);
                }
                squares.push(square);
            }
        }
        squares
    }

    /// By how much a square is off, in the plane that tells most.
    fn off(&self, square: &Square, keep: f32, colour: [f32; COLOURS]) -> f32 {
        let off = |n: usize| (square.seen[n] - keep * square.behind[n] - (1.0 - keep) * colour[n]).abs();
        (0..self.colours()).map(off).fold(0.0, f32::max)
    }

    /// Weighted least squares with one slope for all planes, again and again (Holland and Welsch, Robust regression using
    /// iteratively reweighted least-squares, Comm. Stat. 1977).
    fn fitted(&self, squares: &[Square], start: f32) -> PanelFit {
        let colours = self.colours();
        let mut keep = start;
        let mut added: [f32; COLOURS] =
            std::array::from_fn(|n| quantile(squares.iter().map(|s| s.seen[n] - start * s.behind[n]), 0.5));
        let (mut spread, mut total, mut offs) = (0.0, 0.0, 0.0);
        for _ in 0..ROUNDS {
            let colour = added.map(|added| added / (1.0 - keep));
            let weights: Vec<f32> =
                squares.iter().map(|s| 1.0 / (1.0 + (self.off(s, keep, colour) / OFF).powi(2))).collect();
            total = weights.iter().sum::<f32>().max(1e-6);
            let mean =
                |of: &dyn Fn(&Square) -> f32| squares.iter().zip(&weights).map(|(s, w)| w * of(s)).sum::<f32>() / total;
            let (mut both, mut all) = (0.0, 0.0);
            let mut means = [[0.0; 2]; COLOURS];
            for (n, means) in means.iter_mut().enumerate().take(colours) {
                *means = [mean(&|s| s.behind[n]), mean(&|s| s.seen[n])];
                let [behind, seen] = *means;
                both += mean(&|s| (s.behind[n] - behind) * (s.seen[n] - seen));
                all += mean(&|s| (s.behind[n] - behind).powi(2));
            }
            keep = (both / all.max(1e-6)).clamp(0.02, 0.98);
            added = std::array::from_fn(|n| means[n][1] - keep * means[n][0]);
            spread = all;
            offs = mean(&|s| (0..colours).map(|n| (s.seen[n] - keep * s.behind[n] - added[n]).powi(2)).sum());
        }
        let colour = added.map(|added| added / (1.0 - keep));
        let off = quantile(squares.iter().map(|s| self.off(s, keep, colour)), 0.5);
        // Neighbouring squares of neighbouring frames err alike: four of them count as one.
        let worth = 0.25 * total * spread / offs.max(0.25);
        PanelFit { keep, colour, off, worth, weight: total / squares.len() as f32 }
    }

    /// Of every luma sample the sums that give its opacity: of what it is off by from what lies behind times what the panel's
    /// colour is, and of the latter squared.
    fn opacities(&self, fit: &PanelFit, gains: &[(FrameIdx, f32)]) -> Vec<[f32; 2]> {
        let scale = 1.0 / (1u32 << (self.format.depth - 8)) as f32;
        let width = self.rect.w;
        let mut sums = vec![[0.0f32; 2]; self.plate.len()];
        for look in &self.looks {
            let Some((_, gain)) = gains.iter().find(|(idx, gain)| *idx == look.idx && *gain > 0.5) else { continue };
            for plane in 0..self.colours() {
                let (sw, sh) = self.format.subsampling(plane);
                for (k, sums) in sums.iter_mut().enumerate().filter(|(k, _)| look.known[*k]) {
                    let (x, y) = ((k as u32 % width) >> sw, (k as u32 / width) >> sh);
                    let behind = scale * look.behind.planes[plane].at(x, y);
                    let own = scale * look.seen.planes[plane].at(x, y) - behind;
                    let full = gain * (fit.colour[plane] - behind);
                    *sums = [sums[0] + own * full, sums[1] + full * full];
                }
            }
        }
        sums
    }

    /// What lies inside of the panel, letters included: where most samples around say so, near what the segmenter says.
    fn inside(&self, sums: &[[f32; 2]], alpha: f32) -> Vec<bool> {
        const AROUND: i64 = 2;
        let (width, height) = (i64::from(self.rect.w), i64::from(self.rect.h));
        let near = dilated(&self.plate, width as usize, MARGIN as usize);
        let says = |k: usize| if self.letters[k] { self.plate[k] } else { 2.0 * sums[k][0] > alpha * sums[k][1] };
        let votes: Vec<bool> =
            (0..sums.len()).map(|k| if sums[k][1] > 0.0 { says(k) } else { self.plate[k] }).collect();
        (0..sums.len())
            .map(|k| {
                let (x, y) = (k as i64 % width, k as i64 / width);
                let rows = (y - AROUND).max(0)..(y + AROUND + 1).min(height);
                let columns = (x - AROUND).max(0)..(x + AROUND + 1).min(width);
                let all = (rows.end - rows.start) * (columns.end - columns.start);
                let yes = rows
                    .flat_map(|y| columns.clone().map(move |x| (y * width + x) as usize))
                    .filter(|k| votes[*k])
                    .count();
                near[k] && 2 * yes as i64 > all
            })
            .collect()
    }

    /// The matte of a plane whose colour is `colour` in codes of the format, by the `opacity` of luma samples.
    fn plane(&self, plane: usize, opacity: &[f32], colour: f32) -> MattePlane {
        let (sw, sh) = self.format.subsampling(plane);
        let area = self.rect.subsampled(sw, sh);
        let mut out = MattePlane { keep: Raster::new(area.w, area.h, 1.0), add: Raster::new(area.w, area.h, 0.0) };
        for y in 0..area.h {
            for x in 0..area.w {
                let rows = (y << sh)..((y + 1) << sh).min(self.rect.h);
                let columns = (x << sw)..((x + 1) << sw).min(self.rect.w);
                let all = rows.flat_map(|y| columns.clone().map(move |x| opacity[(y * self.rect.w + x) as usize]));
                let alpha = all.fold(0.0, f32::max);
                out.keep.set(x, y, 1.0 - alpha);
                out.add.set(x, y, alpha * colour);
            }
        }
        out
    }
}

impl PanelFit {
    /// The mean of several, by what each is worth.
    pub fn joined<'a>(fits: impl Iterator<Item = &'a Self> + Clone) -> Option<Self> {
        let total: f32 = fits.clone().map(|fit| fit.worth).sum();
        let first = *fits.clone().next()?;
        let mean =
            |of: &dyn Fn(&Self) -> f32| fits.clone().map(|fit| fit.worth * of(fit)).sum::<f32>() / total.max(1e-6);
        let colour = std::array::from_fn(|n| mean(&|fit| fit.colour[n]));
        Some(Self { keep: mean(&|fit| fit.keep), colour, worth: total, ..first })
    }
}
