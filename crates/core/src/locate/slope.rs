//! Smoothed first differences of a plane in integers.
//!
//! The kernel is the binomial [1 2 1] in both directions followed by the central difference, in 1/32 of a code value per
//! sample. Integers make every sum independent of the order in which frames were observed.

use super::picture::View;

/// What a difference of one code value per sample is called here.
pub(super) const UNIT: i32 = 32;

/// Room for the rows that a slope is computed from.
#[derive(Default)]
pub(super) struct Room {
    smooth: Vec<i16>,
    rise: Vec<i16>,
}

/// Slopes along x and y at row `y`, columns `x0..x1`, into `gx` and `gy` (of that length). Samples beyond the plane repeat
/// its border.
pub(super) fn slopes(
    plane: View<'_>,
    y: usize,
    (x0, x1): (usize, usize),
    room: &mut Room,
    gx: &mut [i16],
    gy: &mut [i16],
) {
    let n = x1 - x0;
    let last = plane.height - 1;
    let rows: [&[u8]; 5] = [
        plane.row(y.saturating_sub(2)),
        plane.row(y.saturating_sub(1)),
        plane.row(y),
        plane.row((y + 1).min(last)),
        plane.row((y + 2).min(last)),
    ];
    room.smooth.resize(n + 4, 0);
    room.rise.resize(n + 4, 0);
    // Columns x0 - 2 .. x1 + 2; those inside the plane in one sweep, the rest by repetition.
    let (from, to) = (x0.saturating_sub(2), (x1 + 2).min(plane.width));
    let lead = from + 2 - x0;
    let len = to - from;
    {
        let [a, b, c, d, e] = rows.map(|row| &row[from..to]);
        let smooth = &mut room.smooth[lead..lead + len];
        for i in 0..len {
            smooth[i] = i16::from(b[i]) + 2 * i16::from(c[i]) + i16::from(d[i]);
        }
        let rise = &mut room.rise[lead..lead + len];
        for i in 0..len {
            rise[i] = i16::from(e[i]) - i16::from(a[i]) + 2 * (i16::from(d[i]) - i16::from(b[i]));
        }
    }
    for buffer in [&mut room.smooth, &mut room.rise] {
        let (first, end) = (buffer[lead], buffer[lead + len - 1]);
        buffer[..lead].fill(first);
        buffer[lead + len..].fill(end);
    }
    let (s, r) = (&room.smooth[..n + 4], &room.rise[..n + 4]);
    for (i, g) in gx[..n].iter_mut().enumerate() {
        *g = s[i + 4] - s[i] + 2 * (s[i + 3] - s[i + 1]);
    }
    for (i, g) in gy[..n].iter_mut().enumerate() {
        *g = r[i + 1] + 2 * r[i + 2] + r[i + 3];
    }
}
