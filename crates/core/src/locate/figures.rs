//! What is measured of a candidate: how steady it is itself, and how much the picture around it changes meanwhile.
//!
//! An edge that stays proves nothing by itself: a still scene is full of them. It is a mark's where the scene behind it
//! moves and it does not follow.

use serde::{Deserialize, Serialize};

use super::candidates::{Candidate, Edges};
use super::picture::View;
use super::region::Bounds;
use super::slope::{Room, UNIT, slopes};
use super::stack::Stack;
use super::sway::shift;

/// Width of the ring around a candidate, as a share of the picture's longer side.
const RING: f32 = 0.03;
/// Mean change of slope (code values per sample, L1) in the ring from which a frame counts as changed.
const CHANGED: f32 = 1.0;

/// Fewer seeds than this in the plane where the candidate shows best measure nothing.
const FEWEST: usize = 24;

/// Figures of a candidate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// Samples with a persistent edge, at working scale.
    pub seeds: usize,
    /// Their share of the box.
    pub fill: f32,
    /// Mean slope at them, code values per sample.
    pub strength: f32,
    /// Share of their slope energy across the direction in which most of them run, 0..=0.5: 0 for straight lines, whose
    /// movement along themselves cannot be seen.
    pub across: f32,
    /// Mean share of them that agrees in a frame.
    pub agree: f32,
    /// The same in frames in which the surroundings changed.
    pub agree_changed: f32,
    /// Share of frames in which the surroundings changed.
    pub changed: f32,
    /// Mean change of slope in the surroundings, code values per sample.
    pub activity: f32,
    /// The same in the quietest of the four sides.
    pub quietest: f32,
    /// Share of the surroundings' slope energy that persists: 1 for a still scene.
    pub coherence: f32,
    /// The same for the candidate itself.
    pub own_coherence: f32,
    /// How far it moves between frames, samples (root mean square).
    pub drift: f32,
    /// Share of its differences over time that this movement explains, 0..=1: high for scenery that sways, low for a mark
    /// that the scene moves behind.
    pub explained: f32,
    /// How far the persistent part of its surroundings moves.
    pub drift_around: f32,
    /// Share of the edges elsewhere in the picture that persist too: 1 for a still scene.
    pub stillness: f32,
    /// Plane in which it shows best.
    pub plane: usize,
    /// Share of the frames' seeds that agree, per frame.
    #[serde(skip)]
    pub presence: Vec<f32>,
}

/// Measures `candidate` over all frames.
pub(super) fn measure(stack: &Stack<'_>, edges: &Edges, candidate: &Candidate) -> Option<Figures> {
    let scale = stack.scale;
    let (w, h) = scale.size(0);
    let (plane, seeds) = best_plane(edges, candidate);
    let own = &edges.planes[plane];
    let step = if plane == 0 { 1 } else { 2 };
    if seeds.len() < FEWEST {
        return None;
    }
    let b = candidate.bounds;
    let inner = b.grown(2, (w, h));
    let margin = ((w.max(h) as f32 * RING) as usize).max(6);
    let outer = inner.grown(margin, (w, h));

    let frames = stack.frames.len();
    let luma = &edges.planes[0];
    let mut room = Room::default();
    let (ow, n_own) = (outer.width(), seeds.len());
    let (mut gx, mut gy) = (vec![0i16; ow], vec![0i16; ow]);
    let own_box = Bounds {
        x0: (inner.x0 / step).min(own.width - 1),
        y0: inner.y0 / step,
        x1: inner.x1.div_ceil(step).min(own.width),
        y1: inner.y1.div_ceil(step).min(own.height),
    };
    let mut seed_rows: Vec<Vec<usize>> = vec![Vec::new(); own_box.height()];
    for i in &seeds {
        if let Some(row) = (i / own.width).checked_sub(own_box.y0).and_then(|y| seed_rows.get_mut(y)) {
            row.push(i % own.width);
        }
    }
    let mut presence = Vec::with_capacity(frames);
    let mut own_energy = 0.0f64;
    let mut changes = Vec::with_capacity(frames);
    let mut ring_energy = 0.0f64;
    let mut sides = [(0.0f64, 0usize); 4];
    for (_, planes) in &stack.frames {
        // The candidate itself.
        let view = View { data: &planes[plane], width: own.width, height: own.height };
        let mut agree = 0usize;
        let span = own_box.width();
        gx.resize(ow.max(span), 0);
        gy.resize(ow.max(span), 0);
        for (row, xs) in seed_rows.iter().enumerate().filter(|(_, xs)| !xs.is_empty()) {
            let y = own_box.y0 + row;
            slopes(view, y, (own_box.x0, own_box.x1), &mut room, &mut gx[..span], &mut gy[..span]);
            for x in xs.iter().filter(|x| own_box.holds(**x, y)) {
                let i = y * own.width + x;
                let (a, c) = (f64::from(gx[x - own_box.x0]), f64::from(gy[x - own_box.x0]));
                let (mx, my) = (f64::from(own.mx[i]), f64::from(own.my[i]));
                agree += usize::from(a * mx + c * my > 0.35 * (mx * mx + my * my));
                own_energy += a * a + c * c;
            }
        }
        presence.push(agree as f32 / n_own as f32);
        // Its surroundings.
        let view = View { data: &planes[0], width: w, height: h };
        let (mut change, mut n) = (0u64, 0usize);
        for y in outer.y0..outer.y1 {
            slopes(view, y, (outer.x0, outer.x1), &mut room, &mut gx[..ow], &mut gy[..ow]);
            for x in outer.x0..outer.x1 {
                if inner.holds(x, y) {
                    continue;
                }
                let i = y * w + x;
                let (a, c) = (i32::from(gx[x - outer.x0]), i32::from(gy[x - outer.x0]));
                let off = a.abs_diff(i32::from(luma.mx[i])) + c.abs_diff(i32::from(luma.my[i]));
                change += u64::from(off);
                ring_energy += f64::from(a * a + c * c);
                n += 1;
                let side = if y < inner.y0 {
                    0
                } else if y >= inner.y1 {
                    1
                } else if x < inner.x0 {
                    2
                } else {
                    3
                };
                sides[side].0 += f64::from(off);
                sides[side].1 += 1;
            }
        }
        changes.push(change as f32 / n.max(1) as f32 / UNIT as f32);
    }
    let mut kept = 0.0f64;
    for y in outer.y0..outer.y1 {
        for x in (outer.x0..outer.x1).filter(|x| !inner.holds(*x, y)) {
            kept += f64::from(luma.mx[y * w + x]).powi(2) + f64::from(luma.my[y * w + x]).powi(2);
        }
    }
    let own_kept: f64 = seeds.iter().map(|i| f64::from(own.mx[*i]).powi(2) + f64::from(own.my[*i]).powi(2)).sum();
    let changed: Vec<usize> = (0..frames).filter(|t| changes[*t] > CHANGED).collect();
    let mean = |v: &[f32]| v.iter().sum::<f32>() / v.len().max(1) as f32;
    let agree_changed = mean(&changed.iter().map(|t| presence[*t]).collect::<Vec<_>>());
    let quietest = sides
        .iter()
        .filter(|s| s.1 >= 20 * frames)
        .map(|s| (s.0 / s.1 as f64) as f32 / UNIT as f32)
        .fold(f32::MAX, f32::min);
    let ring: Vec<usize> = (outer.y0..outer.y1)
        .flat_map(|y| (outer.x0..outer.x1).map(move |x| (x, y)))
        .filter(|(x, y)| !inner.holds(*x, *y))
        .map(|(x, y)| y * w + x)
        .collect();
    let own_views: Vec<&[u8]> = stack.plane(plane).iter().map(|v| v.data).collect();
    let luma_views: Vec<&[u8]> = stack.plane(0).iter().map(|v| v.data).collect();
    let (drift, explained) = shift(&own_views, own, &seeds);
    let (drift_around, _) = shift(&luma_views, luma, &ring);
    Some(Figures {
        seeds: candidate.seeds.len(),
        fill: candidate.seeds.len() as f32 / b.area() as f32,
        strength: seeds.iter().map(|i| own.strength(*i)).sum::<f32>() / n_own as f32,
        across: across(own, &seeds),
        agree: mean(&presence),
        agree_changed,
        changed: changed.len() as f32 / frames as f32,
        activity: mean(&changes),
        quietest,
        coherence: (kept * frames as f64 / ring_energy.max(1.0)) as f32,
        own_coherence: (own_kept * frames as f64 / own_energy.max(1.0)) as f32,
        drift,
        explained,
        drift_around,
        stillness: edges.stillness(std::iter::once(candidate)),
        plane,
        presence,
    })
}

/// The smaller eigenvalue of the structure tensor of the mean slopes at `samples`, as a share of both.
fn across(p: &super::persistence::Persistence, samples: &[usize]) -> f32 {
    let (mut xx, mut xy, mut yy) = (0.0f64, 0.0f64, 0.0f64);
    for i in samples {
        let (x, y) = (f64::from(p.mx[*i]), f64::from(p.my[*i]));
        (xx, xy, yy) = (xx + x * x, xy + x * y, yy + y * y);
    }
    let half = f64::midpoint(xx, yy).max(1e-6);
    (0.5 - 0.5 * ((xx - yy) / 2.0).hypot(xy) / half) as f32
}

/// The plane in which the candidate has most seeds, and those: luma where that makes up a quarter of all.
fn best_plane(edges: &Edges, candidate: &Candidate) -> (usize, Vec<usize>) {
    let w = edges.seeds.width;
    let mut planes: Vec<Vec<usize>> = (0..edges.planes.len())
        .map(|plane| {
            let (p, step) = (&edges.planes[plane], if plane == 0 { 1 } else { 2 });
            let mut own: Vec<usize> = candidate
                .seeds
                .iter()
                .map(|i| (i % w / step) + (i / w / step) * p.width)
                .filter(|i| edges.is_seed(plane, *i))
                .collect();
            own.sort_unstable();
            own.dedup();
            own
        })
        .collect();
    let best = if planes[0].len() * 4 >= candidate.seeds.len() {
        0
    } else {
        (0..planes.len()).max_by_key(|p| (planes[*p].len(), std::cmp::Reverse(*p))).unwrap_or(0)
    };
    (best, planes.swap_remove(best))
}

#[cfg(test)]
mod tests;
