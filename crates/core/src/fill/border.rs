//! The known samples next to a hole, as they were before the mark's own residue lay over them.
//!
//! A codec spreads the edges of a mark a few samples beyond the mask. In flat surroundings that residue would be carried
//! into the whole hole; where the picture has texture of its own it is the smaller evil. Knows distances and sizes of codes;
//! refuses to know directions.

/// Error variance by distance to the hole (8-bit code values squared): medians in flat surroundings over 512 cases of
/// `benches/fill`, opaque marks after x264 crf 20. The last one holds for every larger distance.
const RESIDUE: [f32; 8] = [3.0, 1.9, 1.5, 1.3, 1.2, 1.1, 1.0, 0.9];

/// Samples farther away than this are taken as they are.
const REACH: u8 = 6;

/// Half the side of the square mean, applied twice.
const RADIUS: usize = 3;

/// Buffers of one plane, to be used again.
#[derive(Clone, Debug, Default)]
pub(super) struct Border {
    trust: Vec<f32>,
    first: Vec<f32>,
    second: Vec<f32>,
    spare: Vec<f32>,
    sums: Vec<f32>,
}

impl Border {
    /// Replaces the known samples of `values` (a window `width` samples wide) next to the hole by what a local Wiener
    /// filter (Lee, 1980) makes of them: the trusted mean of the neighbourhood plus the share of the deviation that the
    /// local variance explains. `code` is the size of an 8-bit code value in code values of the plane.
    pub(super) fn clean(&mut self, values: &mut [f32], width: usize, distance: &[u8], code: f32) {
        let variance = code * code;
        let noise = |d: u8| variance * RESIDUE[usize::from(d - 1).min(RESIDUE.len() - 1)];
        // Sums of squares keep their digits when they are taken around a value of the picture's own.
        let (mut sum, mut count) = (0.0f64, 0u32);
        for (v, _) in values.iter().zip(distance).filter(|(_, d)| **d == REACH) {
            sum += f64::from(*v);
            count += 1;
        }
        let middle = if count > 0 { (sum / f64::from(count)) as f32 } else { 0.0 };
        self.trust.clear();
        self.trust.extend(distance.iter().map(|d| if *d == 0 { 0.0 } else { variance / noise(*d) }));
        self.first.clear();
        self.second.clear();
        for ((v, d), t) in values.iter().zip(distance).zip(&self.trust) {
            let v = if *d == 0 { 0.0 } else { v - middle };
            self.first.push(t * v);
            self.second.push(t * v * v);
        }
        for channel in [&mut self.trust, &mut self.first, &mut self.second] {
            for _ in 0..2 {
                mean_rows(channel, width, &mut self.spare);
                sum_columns(channel, width, &mut self.spare, &mut self.sums);
            }
        }
        for (k, (v, d)) in values.iter_mut().zip(distance).enumerate() {
            if *d == 0 || *d > REACH {
                continue;
            }
            let mean = self.first[k] / self.trust[k];
            let signal = (self.second[k] / self.trust[k] - mean * mean - noise(u8::MAX)).max(0.0);
            let share = signal / (signal + noise(*d));
            *v = middle + mean + share * (*v - middle - mean);
        }
    }
}

/// Sums over `2 RADIUS + 1` samples of a row; nothing lies beyond the border.
fn mean_rows(values: &mut [f32], width: usize, spare: &mut Vec<f32>) {
    spare.clear();
    spare.resize(width + 2 * RADIUS, 0.0);
    for row in values.chunks_exact_mut(width) {
        spare[RADIUS..RADIUS + width].copy_from_slice(row);
        for (x, out) in row.iter_mut().enumerate() {
            *out = spare[x..x + 2 * RADIUS + 1].iter().sum();
        }
    }
}

/// Sums over `2 RADIUS + 1` samples of a column; nothing lies beyond the border.
fn sum_columns(values: &mut [f32], width: usize, spare: &mut Vec<f32>, sums: &mut Vec<f32>) {
    spare.clear();
    spare.extend_from_slice(values);
    sums.clear();
    sums.resize(width, 0.0);
    let height = values.len() / width;
    let add = |sums: &mut [f32], y: usize, sign: f32| {
        sums.iter_mut().zip(&spare[y * width..][..width]).for_each(|(sum, v)| *sum += sign * v);
    };
    (0..RADIUS.min(height)).for_each(|y| add(sums, y, 1.0));
    for y in 0..height {
        if y + RADIUS < height {
            add(sums, y + RADIUS, 1.0);
        }
        if y > RADIUS {
            add(sums, y - RADIUS - 1, -1.0);
        }
        values[y * width..][..width].copy_from_slice(sums);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn residue_on_a_flat_ground_is_smoothed_and_an_edge_is_kept() {
        let (width, height) = (40usize, 30usize);
        let distance: Vec<u8> = (0..width * height).map(|k| (k % width).saturating_sub(9usize) as u8).collect();
        for code in [1.0, 4.0, 256.0] {
            let flat: Vec<f32> =
                (0..width * height).map(|k| (100.0 + if k % 3 == 0 { 1.5 } else { -0.75 }) * code).collect();
            let mut cleaned = flat.clone();
            Border::default().clean(&mut cleaned, width, &distance, code);
            let worst = |v: &[f32]| {
                let near = v.iter().zip(&distance).filter(|(_, d)| **d == 1);
                near.map(|(v, _)| (v / code - 100.0).abs()).fold(0.0, f32::max)
            };
            assert!(worst(&cleaned) < 0.6 * worst(&flat), "{}", worst(&cleaned));
            let edge: Vec<f32> =
                (0..width * height).map(|k| if k / width < 15 { 40.0 } else { 200.0 } * code).collect();
            let mut cleaned = edge.clone();
            Border::default().clean(&mut cleaned, width, &distance, code);
            let moved = edge.iter().zip(&cleaned).map(|(a, b)| (a - b).abs() / code).fold(0.0, f32::max);
            assert!(moved < 0.1, "{moved}");
        }
    }
}
