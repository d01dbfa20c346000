//! How much of every source a hidden sample takes: both directions of time where they agree, else the surer one, with soft
//! borders between sources; and how much of it is to be borrowed at all.

use super::guide::Guide;
use super::judge::Expected;
use super::trace::{LENIENT, NONE, Region, Source, Trace};

/// Both directions confirm each other up to this many times the difference that is believed of one.
const CONFIRMED: f32 = 2.0;

/// Samples of the guide over which one source passes into another, to each side.
const FEATHER: usize = 2;

/// Samples of the guide to each side over which two directions are compared.
const COMPARED: usize = 2;

/// A share below this part of all is not worth a sample.
const LEAST: f32 = 0.04;

/// The sources and their shares of every sample of the region.
pub(super) struct Blend<'a> {
    sources: Vec<&'a Source>,
    shares: Vec<Vec<f32>>,
    /// How much of every sample is to be borrowed, the rest filled.
    pub(super) borrowed: Vec<f32>,
}

impl Source {
    /// How far its offset is to be trusted.
    pub(super) fn trusted(&self, k: usize) -> f32 {
        (2.0 - 1.5 * self.error[k]).clamp(0.0, 1.0)
    }

    /// Nearer in time and better agreeing sources weigh more.
    fn weight(&self, k: usize) -> f32 {
        1.0 / ((self.distance as f32 + 3.0) * (1.0 + 4.0 * self.error[k] * self.error[k]))
    }
}

/// Where each two directions show the same.
struct Agreements {
    directions: usize,
    pairs: Vec<Vec<bool>>,
}

impl Agreements {
    fn new(directions: usize, agree: impl Fn(usize, usize) -> Vec<bool>) -> Self {
        let pairs = (0..directions).flat_map(|b| (0..b).map(move |a| (a, b))).map(|(a, b)| agree(a, b)).collect();
        Self { directions, pairs }
    }

    /// Whether `a` and `b`, two of them, agree at sample `k`.
    fn at(&self, a: usize, b: usize, k: usize) -> bool {
        let (a, b) = (a.min(b), a.max(b));
        debug_assert!(a < b && b < self.directions);
        self.pairs[b * (b - 1) / 2 + a][k]
    }
}

impl<'a> Blend<'a> {
    pub(super) fn new(
        traces: &'a [Trace],
        region: Region,
        expected: &Expected,
        guide_of: impl Fn(usize) -> &'a Guide,
    ) -> Self {
        let count = region.len();
        let chosen = |trace: &'a Trace, k: usize| match trace.choice[k] {
            NONE => None,
            at => trace.sources.get(usize::from(at)),
        };
        let luma = |source: &Source, k: usize| {
            let ((x, y), [dx, dy]) = (region.place(k), source.motion[k]);
            let value = guide_of(source.crop).levels[0].value(x as f32 + dx, y as f32 + dy);
            value + source.trusted(k) * source.offset[k][0]
        };
        let sources: Vec<&Source> = traces.iter().flat_map(|trace| &trace.sources).collect();
        let agreements = Agreements::new(traces.len(), |a, b| {
            let mut difference = vec![0.0; count];
            let mut both = vec![0.0; count];
            for k in 0..count {
                if let (Some(a), Some(b)) = (chosen(&traces[a], k), chosen(&traces[b], k)) {
                    difference[k] = (luma(a, k) - luma(b, k)).abs();
                    both[k] = 1.0;
                }
            }
            // One sample may agree by chance, its neighbours with it hardly.
            let mut near = both.clone();
            soften(&mut difference, region.width, 1);
            soften(&mut near, region.width, 1);
            (0..count)
                .map(|k| both[k] > 0.0 && difference[k] <= CONFIRMED * expected.believed[k].sqrt() * near[k])
                .collect()
        });
        let mut shares = vec![vec![0.0; count]; sources.len()];
        for k in 0..count {
            let taken = |n: usize| chosen(&traces[n], k).map(|source| (n, source));
            let Some((surest, _)) = (0..traces.len())
                .filter_map(taken)
                .max_by(|(m, a), (n, b)| a.weight(k).total_cmp(&b.weight(k)).then(n.cmp(m)))
            else {
                continue;
            };
            let mut first = 0;
            for (n, trace) in traces.iter().enumerate() {
                if let Some((_, source)) = taken(n) {
                    let confirmed = n != surest && agreements.at(n, surest, k);
                    if confirmed || n == surest {
                        shares[first + usize::from(trace.choice[k])][k] = source.weight(k);
                    }
                }
                first += trace.sources.len();
            }
        }
        accompany(&sources, &mut shares, region, &expected.believed, luma);
        let mut blend = Self { sources, shares, borrowed: Vec::new() };
        blend.feather(region.width);
        let differences = differences(traces, region, |trace, k| chosen(trace, k).map(|source| luma(source, k)));
        let share = |k: usize| {
            let (sum, weight) = blend.at(k).fold((0.0, 0.0), |(sum, all), (source, share)| {
                (sum + share * source.error[k] * source.error[k], all + share)
            });
            if weight > 0.0 { expected.share(k, expected.believed[k] * sum / weight, differences[k]) } else { 0.0 }
        };
        blend.borrowed = (0..count).map(share).collect();
        blend
    }

    /// Lets sources pass into each other where more than one shows what is hidden.
    fn feather(&mut self, width: usize) {
        let count = self.shares.first().map_or(0, Vec::len);
        let settled: Vec<bool> = (0..count).map(|k| self.shares.iter().any(|share| share[k] > 0.0)).collect();
        let mut total = vec![0.0; count];
        for (share, source) in self.shares.iter_mut().zip(&self.sources) {
            for _ in 0..2 {
                soften(share, width, FEATHER);
            }
            for (k, share) in share.iter_mut().enumerate() {
                if !settled[k] || source.error[k] >= LENIENT {
                    *share = 0.0;
                }
                total[k] += *share;
            }
        }
        for share in &mut self.shares {
            share.iter_mut().zip(&total).filter(|(s, t)| **s < LEAST * **t).for_each(|(s, _)| *s = 0.0);
        }
    }

    /// The sources of sample `k` and their shares, which add up to anything.
    pub(super) fn at(&self, k: usize) -> impl Iterator<Item = (&'a Source, f32)> + '_ {
        let shares = self.shares.iter().map(move |share| share[k]);
        self.sources.iter().copied().zip(shares).filter(|(_, share)| *share > 0.0)
    }
}

/// The mean squared difference of what the directions of time show around every sample; `None` where fewer than two show any.
fn differences<'a>(
    traces: &'a [Trace],
    region: Region,
    shown: impl Fn(&'a Trace, usize) -> Option<f32>,
) -> Vec<Option<f32>> {
    let (mut squares, mut pairs) = (vec![0.0; region.len()], vec![0.0; region.len()]);
    for k in 0..region.len() {
        let values: Vec<f32> = traces.iter().filter_map(|trace| shown(trace, k)).collect();
        for (n, a) in values.iter().enumerate() {
            for b in &values[..n] {
                squares[k] += (a - b) * (a - b);
                pairs[k] += 1.0;
            }
        }
    }
    soften(&mut squares, region.width, COMPARED);
    soften(&mut pairs, region.width, COMPARED);
    squares.iter().zip(&pairs).map(|(sum, count)| (*count > 0.0).then(|| sum / count)).collect()
}

/// Gives a share to every further source that shows a sample and agrees with those that were chosen for it: the mean of
/// several has less noise, and what the holes of neighbouring frames take changes little by little.
fn accompany(
    sources: &[&Source],
    shares: &mut [Vec<f32>],
    region: Region,
    limit: &[f32],
    luma: impl Fn(&Source, usize) -> f32,
) {
    let mut sums = vec![[0.0f32; 2]; region.len()];
    for (share, source) in shares.iter().zip(sources) {
        for (k, share) in share.iter().enumerate().filter(|(_, share)| **share > 0.0) {
            sums[k][0] += share * luma(source, k);
            sums[k][1] += share;
        }
    }
    let mut difference = vec![0.0; region.len()];
    let mut near = vec![0.0; region.len()];
    for (share, source) in shares.iter_mut().zip(sources) {
        let further = |k: usize| share[k] <= 0.0 && sums[k][1] > 0.0 && source.error[k] < 1.0;
        let mut any = false;
        for k in 0..region.len() {
            (difference[k], near[k]) = (0.0, 0.0);
            if further(k) {
                (difference[k], near[k]) = ((luma(source, k) - sums[k][0] / sums[k][1]).abs(), 1.0);
                any = true;
            }
        }
        if !any {
            continue;
        }
        soften(&mut difference, region.width, 1);
        soften(&mut near, region.width, 1);
        for k in 0..region.len() {
            if share[k] <= 0.0
                && sums[k][1] > 0.0
                && source.error[k] < 1.0
                && difference[k] <= limit[k].sqrt() * near[k]
            {
                share[k] = source.weight(k);
            }
        }
    }
}

/// Mean over a square of `2 radius + 1`; nothing lies beyond the border.
pub(super) fn soften(values: &mut [f32], width: usize, radius: usize) {
    let scale = 1.0 / (2 * radius + 1) as f32;
    let mut line = Vec::new();
    for row in values.chunks_exact_mut(width) {
        line.clear();
        line.extend_from_slice(row);
        for (x, out) in row.iter_mut().enumerate() {
            *out = scale * line[x.saturating_sub(radius)..(x + radius + 1).min(width)].iter().sum::<f32>();
        }
    }
    let all = values.to_vec();
    let height = values.len() / width;
    for y in 0..height {
        let row = &mut values[y * width..][..width];
        row.fill(0.0);
        for from in y.saturating_sub(radius)..(y + radius + 1).min(height) {
            row.iter_mut().zip(&all[from * width..][..width]).for_each(|(o, v)| *o += scale * v);
        }
    }
}
