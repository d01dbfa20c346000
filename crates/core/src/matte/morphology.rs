//! Areas of a raster: growing, shrinking, connecting, carrying from one plane to another.

use std::collections::VecDeque;

/// Samples of a raster of `width` columns, row by row.
pub(super) type Area = Vec<bool>;

/// Grown by a disc of `radius` samples.
pub(super) fn dilated(area: &[bool], width: usize, radius: usize) -> Area {
    let height = area.len() / width.max(1);
    let r = radius as i64;
    let mut out = vec![false; area.len()];
    for dy in -r..=r {
        // Half a sample more than the circle: the disc of radius 1 is a cross, that of 2 has cut corners.
        let half = ((r * r - dy * dy) as f32 + 0.5).sqrt() as i64;
        for y in 0..height {
            let Some(to) = usize::try_from(y as i64 + dy).ok().filter(|to| *to < height) else { continue };
            let row = &area[y * width..][..width];
            let target = &mut out[to * width..][..width];
            for x in (0..width).filter(|x| row[*x]) {
                let from = (x as i64 - half).max(0) as usize;
                target[from..=(x + half as usize).min(width - 1)].fill(true);
            }
        }
    }
    out
}

/// With the gaps of up to two samples closed.
pub(super) fn closed(area: &[bool], width: usize) -> Area {
    let square = |area: &[bool]| -> Area {
        let height = area.len() / width.max(1);
        (0..area.len())
            .map(|k| {
                let (x, y) = (k % width, k / width);
                (y.saturating_sub(1)..(y + 2).min(height))
                    .any(|y| area[y * width + x.saturating_sub(1)..y * width + (x + 2).min(width)].iter().any(|a| *a))
            })
            .collect()
    };
    let grown: Area = square(area).iter().map(|a| !a).collect();
    square(&grown).iter().map(|a| !a).collect()
}

/// The connected parts of `area` (diagonals connect), each as its positions in rising order of discovery.
pub(crate) fn parts(area: &[bool], width: usize) -> Vec<Vec<usize>> {
    let height = area.len() / width.max(1);
    let mut seen = vec![false; area.len()];
    let mut out = Vec::new();
    let mut queue = VecDeque::new();
    for start in 0..area.len() {
        if !area[start] || seen[start] {
            continue;
        }
        seen[start] = true;
        queue.push_back(start);
        let mut part = Vec::new();
        while let Some(k) = queue.pop_front() {
            part.push(k);
            let (x, y) = (k % width, k / width);
            for ny in y.saturating_sub(1)..(y + 2).min(height) {
                for nx in x.saturating_sub(1)..(x + 2).min(width) {
                    let n = ny * width + nx;
                    if area[n] && !seen[n] {
                        seen[n] = true;
                        queue.push_back(n);
                    }
                }
            }
        }
        out.push(part);
    }
    out
}

/// How the samples of a plane lie on those of another that was not halved.
#[derive(Clone, Copy, Debug)]
pub(super) struct Halved {
    /// Columns and rows of the halved plane.
    pub(super) width: usize,
    pub(super) height: usize,
    /// How often columns and rows were halved.
    pub(super) by: (u8, u8),
}

impl Halved {
    /// An area of luma (`width` columns) in this plane: every sample whose footprint it touches.
    pub(super) fn touched(&self, area: &[bool], width: usize) -> Area {
        let mut out = vec![false; self.width * self.height];
        for k in (0..area.len()).filter(|k| area[*k]) {
            out[((k / width) >> self.by.1) * self.width + ((k % width) >> self.by.0)] = true;
        }
        out
    }

    /// Means of luma values (`width` columns) over the footprints of this plane.
    pub(super) fn means(&self, values: &[f32], width: usize) -> Vec<f32> {
        let mut out = vec![(0.0f32, 0.0f32); self.width * self.height];
        for (k, value) in values.iter().enumerate() {
            let to = &mut out[((k / width) >> self.by.1) * self.width + ((k % width) >> self.by.0)];
            *to = (to.0 + value, to.1 + 1.0);
        }
        out.iter().map(|(sum, count)| sum / count.max(1.0)).collect()
    }

    /// Values of this plane at every sample of a luma of `width` x `height`, bilinear between the centres of footprints.
    pub(super) fn spread(&self, values: &[f32], width: usize, height: usize) -> Vec<f32> {
        if self.by == (0, 0) {
            return values.to_vec();
        }
        let place = |v: usize, by: u8, end: usize| {
            let at = ((v as f32 + 0.5) / (1u32 << by) as f32 - 0.5).clamp(0.0, (end - 1) as f32);
            let low = at as usize;
            (low, (low + 1).min(end - 1), at - low as f32)
        };
        let mut out = Vec::with_capacity(width * height);
        for y in 0..height {
            let (y0, y1, fy) = place(y, self.by.1, self.height);
            for x in 0..width {
                let (x0, x1, fx) = place(x, self.by.0, self.width);
                let row = |y: usize| values[y * self.width + x0] * (1.0 - fx) + values[y * self.width + x1] * fx;
                out.push(row(y0) * (1.0 - fy) + row(y1) * fy);
            }
        }
        out
    }
}

/// Mean of `values` around every sample, over the samples of `area` alone, with weights that fall off exponentially by
/// `reach` samples; 0 where there is none near.
pub(super) fn local_mean(values: &[f32], area: &[bool], width: usize, reach: f32) -> Vec<f32> {
    let mut sums: Vec<[f32; 2]> = values.iter().zip(area).map(|(v, a)| if *a { [*v, 1.0] } else { [0.0; 2] }).collect();
    let keep = (-1.0 / reach).exp();
    let height = sums.len() / width.max(1);
    let mut line = Vec::new();
    for y in 0..height {
        smooth(&mut sums, keep, &mut line, (0..width).map(|x| y * width + x));
    }
    for x in 0..width {
        smooth(&mut sums, keep, &mut line, (0..height).map(|y| y * width + x));
    }
    sums.iter().map(|[v, w]| if *w > 1e-6 { v / w } else { 0.0 }).collect()
}

/// A recursive filter there and back.
fn smooth(sums: &mut [[f32; 2]], keep: f32, line: &mut Vec<usize>, at: impl Iterator<Item = usize>) {
    line.clear();
    line.extend(at);
    let mut pass = |order: &mut dyn Iterator<Item = &usize>| {
        let mut last = [0.0; 2];
        for k in order {
            for n in 0..2 {
                last[n] = sums[*k][n] + keep * (last[n] - sums[*k][n]);
            }
            sums[*k] = last;
        }
    };
    pass(&mut line.iter());
    pass(&mut line.iter().rev());
}

/// The value that the share `q` of `values` lies below; 0 of none.
pub(super) fn quantile(values: impl IntoIterator<Item = f32>, q: f32) -> f32 {
    let mut all: Vec<f32> = values.into_iter().collect();
    if all.is_empty() {
        return 0.0;
    }
    let at = ((all.len() - 1) as f32 * q).round() as usize;
    *all.select_nth_unstable_by(at, f32::total_cmp).1
}
