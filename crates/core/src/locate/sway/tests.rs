use super::*;

const SIZE: (usize, usize) = (96, 64);

/// A wave about 12 samples long both ways, moved by `dx`; to the right a checkered mark that stays.
fn frame(dx: f64) -> Vec<u8> {
    let value = |x: usize, y: usize| {
        if x >= 60 && (20..44).contains(&y) {
            return if (x / 6 + y / 6).is_multiple_of(2) { 40 } else { 210 };
        }
        let (u, v) = ((x as f64 - dx) / 2.0, y as f64 / 2.0);
        if x < 48 { (125.0 + 20.0 * (u.sin() + v.sin())) as u8 } else { 125 }
    };
    (0..SIZE.1).flat_map(|y| (0..SIZE.0).map(move |x| value(x, y))).collect()
}

fn swayed(by: f64) -> (Persistence, Region, Vec<f32>) {
    let frames: Vec<Vec<u8>> = [-1.0, 0.0, 1.0, 0.0].iter().cycle().take(16).map(|t| frame(t * by)).collect();
    let views: Vec<View<'_>> = frames.iter().map(|data| View { data, width: SIZE.0, height: SIZE.1 }).collect();
    let p = Persistence::of(&views, SIZE);
    let set = (0..SIZE.0 * SIZE.1).map(|i| p.strength(i) > 1.6).collect();
    let seeds = Region { width: SIZE.0, height: SIZE.1, set };
    let sway = sway(&views, &p, &seeds);
    (p, seeds, sway)
}

#[test]
fn scenery_sways_by_what_it_moves_and_a_mark_beside_it_does_not() {
    for by in [0.0, 0.5, 1.0] {
        let (p, seeds, sway) = swayed(by);
        let mean = |from: usize, to: usize| {
            let own = (0..sway.len()).filter(|i| seeds.set[*i] && (from..to).contains(&(i % p.width)));
            let (sum, n) = own.fold((0.0, 0), |(sum, n), i| (sum + sway[i], n + 1));
            assert!(n > 200);
            sum / n as f32
        };
        // Half of the frames lie off by it.
        let expected = by as f32 * 0.5f32.sqrt();
        assert!((mean(0, 44) - expected).abs() < 0.15 * expected + 0.02, "{by}: {} for {expected}", mean(0, 44));
        assert!(mean(62, SIZE.0) < 0.02, "{by}: {}", mean(62, SIZE.0));
    }
}

#[test]
fn too_few_samples_measure_no_movement() {
    let frames: Vec<Vec<u8>> = (0..8).map(|_| frame(0.0)).collect();
    let views: Vec<View<'_>> = frames.iter().map(|data| View { data, width: SIZE.0, height: SIZE.1 }).collect();
    let p = Persistence::of(&views, SIZE);
    let mut seeds = Region::new(SIZE.0, SIZE.1);
    (0..MEASURABLE - 1).for_each(|i| seeds.set[30 * SIZE.0 + 62 + i % 8 + i / 8 * SIZE.0] = true);
    assert!(sway(&views, &p, &seeds).iter().zip(&seeds.set).all(|(s, set)| !set || s.is_infinite()));
    seeds.set[29 * SIZE.0 + 62] = true;
    assert!(sway(&views, &p, &seeds).iter().all(|s| s.is_finite()));
}
