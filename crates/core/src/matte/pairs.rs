//! Pairs of samples on both sides of edges that persist: what a mark of one colour makes of the scene beside it.
//!
//! Beside the border of a mark the same scene shows on both sides, so that `inside = W + s (outside - W)` for its colour `W`
//! and the share `s` that it lets through. Every pair and frame votes for the combinations on that line (a Hough
//! transform), and the spread of the pairs over time gives `s` directly.

use super::morphology::{Area, dilated, quantile};
use super::stack::Stack;

/// Distance from the edge at which both sides are looked at: beyond what the codec smears.
const REACH: f32 = 3.0;
/// Slopes from here on are edges, in code values of 8 bits; and their share of the steepest.
const LEAST_SLOPE: f32 = 3.0;
const STEEP: f32 = 0.2;
/// Fewer pairs say nothing; more say the same.
const LEAST: usize = 40;
const MOST: usize = 4000;

/// Shares let through and colours that are voted for: first, step, count.
const KEEPS: (f32, f32, usize) = (0.08, 0.02, 44);
const COLOURS: (f32, f32, usize) = (13.0, 3.0, 77);
/// What a sample may be off by, in code values of 8 bits.
const OFF: f32 = 5.0;
/// How far around a peak of the votes lies what belongs to it, in bins of the share and of the colour.
const BROAD: (usize, usize) = (4, 6);
/// Peaks that are tried.
const PEAKS: usize = 3;

/// What a mark of one colour may be: the share that it lets through, and its luma in code values of 8 bits.
pub(super) type Guess = (f32, f32);

/// Some frames of a plane, each of `width` columns.
pub(super) struct Pictures {
    pub(super) frames: Vec<Vec<f32>>,
    pub(super) width: usize,
}

impl Pictures {
    /// At most `count` frames, spread evenly.
    pub(super) fn of(stack: &Stack<'_>, count: usize) -> Self {
        let (all, count) = (stack.frames(), count.min(stack.frames()));
        let frames = (0..count).map(|n| stack.picture(n * (all - 1) / (count - 1).max(1))).collect();
        Self { frames, width: stack.width }
    }

    pub(super) fn height(&self) -> usize {
        self.frames.first().map_or(0, |f| f.len() / self.width.max(1))
    }

    /// A frame between its samples; beyond the border the nearest one.
    pub(super) fn between(&self, frame: usize, x: f32, y: f32) -> f32 {
        between(&self.frames[frame], self.width, x, y)
    }
}

/// Bilinear; beyond the border the nearest sample.
pub(super) fn between(values: &[f32], width: usize, x: f32, y: f32) -> f32 {
    let height = values.len() / width.max(1);
    let (x, y) = (x.clamp(0.0, (width - 1) as f32), y.clamp(0.0, (height - 1) as f32));
    let (x0, y0) = (x as usize, y as usize);
    let (x1, y1) = ((x0 + 1).min(width - 1), (y0 + 1).min(height - 1));
    let (fx, fy) = (x - x0 as f32, y - y0 as f32);
    let row = |y: usize| values[y * width + x0] * (1.0 - fx) + values[y * width + x1] * fx;
    row(y0) * (1.0 - fy) + row(y1) * fy
}

/// The samples of a pair over frames, on one side and on the other.
pub(super) type Pair = (Vec<f32>, Vec<f32>);

/// What the edges in and beside `allowed` say that a mark may be; `plain` is the luma of white and black.
pub(super) fn guesses(stack: &Stack<'_>, pictures: &Pictures, allowed: &Area, plain: [f32; 2]) -> Vec<Guess> {
    let pairs = pairs(stack, pictures, allowed);
    if pairs.len() < LEAST {
        return Vec::new();
    }
    let votes = votes(&pairs);
    let mut out = peaks(&votes, plain);
    for swapped in [false, true] {
        out.extend(by_spread(&pairs, swapped));
    }
    out
}

fn pairs(stack: &Stack<'_>, pictures: &Pictures, allowed: &Area) -> Vec<Pair> {
    let (width, height) = (stack.width, stack.height);
    let (across, down) = (stack.usual_slope(false), stack.usual_slope(true));
    let near = dilated(allowed, width, REACH as usize);
    let mut slopes = vec![[0.0f32; 2]; stack.len()];
    for y in 1..height - 1 {
        for x in 1..width - 1 {
            let k = y * width + x;
            // Sobel's operator on what usually is.
            let smooth = |v: &[f32], k: usize, step: usize| 0.25 * (v[k - step] + 2.0 * v[k] + v[k + step]);
            let gx = 0.5 * (smooth(&across, k - 1, width) + smooth(&across, k, width));
            let gy = 0.5 * (smooth(&down, k - width, 1) + smooth(&down, k, 1));
            slopes[k] = [gx, gy];
        }
    }
    let size: Vec<f32> = slopes.iter().map(|[x, y]| x.hypot(*y)).collect();
    let least = LEAST_SLOPE.max(STEEP * quantile((0..size.len()).filter(|k| near[*k]).map(|k| size[k]), 0.99));
    let is_crest = |k: usize| {
        let ([gx, gy], s) = (slopes[k], size[k]);
        let (dx, dy) = ((gx / s).round() as isize, (gy / s).round() as isize);
        let step = dy * width as isize + dx;
        s >= size[k.wrapping_add_signed(step)] && s >= size[k.wrapping_add_signed(-step)]
    };
    let margin = REACH as usize + 1;
    let inner =
        |k: usize| (margin..width - margin).contains(&(k % width)) && (margin..height - margin).contains(&(k / width));
    let edges: Vec<usize> =
        (0..size.len()).filter(|k| near[*k] && inner(*k) && size[*k] > least && is_crest(*k)).collect();
    edges
        .iter()
        .step_by(edges.len().div_ceil(MOST).max(1))
        .map(|k| {
            let (x, y) = ((k % width) as f32, (k / width) as f32);
            let [nx, ny] = slopes[*k].map(|v| REACH * v / size[*k]);
            let side = |sign: f32| {
                (0..pictures.frames.len()).map(|f| pictures.between(f, x + sign * nx, y + sign * ny)).collect()
            };
            (side(1.0), side(-1.0))
        })
        .collect()
}

/// How many pairs each combination explains, over `KEEPS` rows of `COLOURS`.
fn votes(pairs: &[Pair]) -> Vec<Vec<f32>> {
    (0..KEEPS.2)
        .map(|n| {
            let keep = KEEPS.0 + n as f32 * KEEPS.1;
            let mut row = vec![0.0f32; COLOURS.2];
            for (a, b) in pairs {
                for (a, b) in a.iter().zip(b) {
                    let weight = ((a - b).abs() / 10.0).min(1.0) / pairs[0].0.len() as f32;
                    for (inside, outside) in [(a, b), (b, a)] {
                        let colour = (inside - keep * outside) / (1.0 - keep);
                        let bin = ((colour - COLOURS.0) / COLOURS.1).round();
                        if bin >= 0.0 && (bin as usize) < COLOURS.2 {
                            row[bin as usize] += weight;
                        }
                    }
                }
            }
            // What a sample may be off by, a colour is by more.
            blurred(&row, OFF / (1.0 - keep) / COLOURS.1)
        })
        .collect()
}

/// Sums under a Gaussian of height 1.
fn blurred(row: &[f32], sigma: f32) -> Vec<f32> {
    let reach = (3.0 * sigma).ceil() as usize;
    let weight: Vec<f32> = (0..=reach).map(|d| (-0.5 * (d as f32 / sigma.max(1e-3)).powi(2)).exp()).collect();
    (0..row.len())
        .map(|k| {
            (k.saturating_sub(reach)..(k + reach + 1).min(row.len())).map(|n| row[n] * weight[n.abs_diff(k)]).sum()
        })
        .collect()
}

/// The most prominent combinations, and the best one of each luma in `plain`.
fn peaks(votes: &[Vec<f32>], plain: [f32; 2]) -> Vec<Guess> {
    let (rows, columns) = (votes.len(), COLOURS.2);
    let norm = |sigma: f32| (2.0 * std::f32::consts::PI).sqrt() * sigma;
    let wide: Vec<Vec<f32>> = votes.iter().map(|row| blurred(row, 10.0)).collect();
    let mut rest: Vec<Vec<f32>> = vec![vec![0.0; columns]; rows];
    for column in 0..columns {
        let line: Vec<f32> = wide.iter().map(|row| row[column]).collect();
        for (row, around) in blurred(&line, 6.0).into_iter().enumerate() {
            rest[row][column] = votes[row][column] - around / (norm(10.0) * norm(6.0));
        }
    }
    let keep = |row: usize| KEEPS.0 + row as f32 * KEEPS.1;
    let mut out: Vec<Guess> = plain
        .iter()
        .filter_map(|luma| {
            let column = (((luma - COLOURS.0) / COLOURS.1).round() as usize).min(columns - 1);
            let best = (0..rows).max_by(|a, b| rest[*a][column].total_cmp(&rest[*b][column]))?;
            Some((keep(best), *luma))
        })
        .collect();
    for _ in 0..PEAKS {
        let places = (0..rows).flat_map(|r| (0..columns).map(move |c| (r, c)));
        let Some((r, c)) = places.max_by(|a, b| rest[a.0][a.1].total_cmp(&rest[b.0][b.1])) else { break };
        out.push((keep(r), COLOURS.0 + c as f32 * COLOURS.1));
        for values in &mut rest[r.saturating_sub(BROAD.0)..(r + BROAD.0 + 1).min(rows)] {
            values[c.saturating_sub(BROAD.1)..(c + BROAD.1 + 1).min(columns)].fill(f32::MIN);
        }
    }
    out
}

/// The combination that the spread of most pairs over time speaks for; `None` where they hardly move.
fn by_spread(pairs: &[Pair], swapped: bool) -> Option<Guess> {
    let moments = |v: &[f32]| {
        let mean = v.iter().sum::<f32>() / v.len() as f32;
        (mean, (v.iter().map(|x| (x - mean).powi(2)).sum::<f32>() / v.len() as f32).sqrt())
    };
    let moving: Vec<(f32, f32, f32)> = pairs
        .iter()
        .map(|(a, b)| if swapped { (moments(b), moments(a)) } else { (moments(a), moments(b)) })
        .filter(|((_, inside), (_, outside))| *outside > 4.0 && *inside > 1.0)
        .map(|((a, inside), (b, outside))| (inside / outside, a, b))
        .collect();
    if moving.len() < LEAST {
        return None;
    }
    let near = |s: f32| moving.iter().filter(|(ratio, ..)| (ratio - s).abs() < 0.04).count();
    let keep = (0..46).map(|n| 0.05 + 0.02 * n as f32).max_by_key(|s| near(*s))?;
    let colours: Vec<f32> = moving
        .iter()
        .filter(|(ratio, ..)| (ratio - keep).abs() < 0.08)
        .map(|(_, a, b)| (a - keep * b) / (1.0 - keep))
        .collect();
    let colour = quantile(colours.iter().copied(), 0.5);
    (colours.len() >= LEAST && (8.0..260.0).contains(&colour)).then_some((keep, colour))
}
