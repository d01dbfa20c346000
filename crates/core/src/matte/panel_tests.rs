use super::panel::{Panel, PanelFit};
use crate::format::PixelFormat;
use crate::frame::{Frame, HostSurface, RowMut, Surface};
use crate::geometry::Rect;
use crate::mask::Mask;

const SIZE: (u32, u32) = (200, 96);
/// The panel, what the segmenter says of it, and its letters.
const PANEL: Rect = Rect::new(37, 41, 120, 32);
const SAID: Rect = Rect::new(40, 42, 114, 34);
const LETTERS: Rect = Rect::new(60, 50, 70, 14);

/// A frame of moving waves with some noise.
fn scene(idx: u64) -> Frame {
    painted(idx, |plane, x, y| {
        let (sx, sy) = (x as f32 + 2.3 * idx as f32, y as f32 + 1.1 * idx as f32);
        let noise = ((u64::from(x) * 7919 + u64::from(y) * 104_729 + idx * 1_299_709) % 97) as f32 / 97.0 - 0.5;
        match plane {
            0 => 110.0 + 40.0 * (0.11 * sx).sin() * (0.17 * sy).cos() + 2.0 * noise,
            _ => 120.0 + 10.0 * (0.1 * sx + 0.07 * sy).sin() + noise,
        }
    })
}

fn painted(idx: u64, value: impl Fn(usize, u32, u32) -> f32) -> Frame {
    let format = PixelFormat::YUV420P8;
    let mut surface = HostSurface::new(format, SIZE.0, SIZE.1);
    for plane in 0..3 {
        let (w, h) = format.plane_size(plane, SIZE.0, SIZE.1);
        for y in 0..h {
            if let RowMut::U8(row) = surface.row_mut(plane, y) {
                row.iter_mut()
                    .take(w as usize)
                    .enumerate()
                    .for_each(|(x, s)| *s = value(plane, x as u32, y).round() as u8);
            }
        }
    }
    Frame::new(idx, 0, 1, SIZE, format, Box::new(surface))
}

/// `frame` under a panel that lets `keep` of it through, shown by `gain`, with white letters.
fn under(frame: &Frame, keep: f32, gain: f32) -> Frame {
    let colour = [16.0, 128.0, 128.0];
    painted(frame.idx, |plane, x, y| {
        let shift = u32::from(plane > 0);
        let crate::Row::U8(row) = frame.row(plane, y) else { return 0.0 };
        let own = f32::from(row[x as usize]);
        if LETTERS.contains(x << shift, y << shift) {
            return if plane == 0 { 235.0 } else { 128.0 };
        }
        let shares = (0..1 << (2 * shift)).map(|n| PANEL.contains((x << shift) + n % 2, (y << shift) + n / 2));
        let share = shares.clone().filter(|inside| *inside).count() as f32 / shares.count() as f32;
        let alpha = gain * share * (1.0 - keep);
        (1.0 - alpha) * own + alpha * colour[plane]
    })
}

fn panel() -> Panel {
    Panel::new(&Mask::rectangle(SAID), &Mask::rectangle(LETTERS), PixelFormat::YUV420P8, SIZE).unwrap()
}

fn solved(keep: f32, gains: &[(u64, f32)]) -> (Panel, Option<PanelFit>) {
    let mut panel = panel();
    for (idx, gain) in gains {
        let frame = scene(*idx);
        // What lies behind is known but for a corner, in which it is wrong.
        let behind = painted(*idx, |plane, x, y| match frame.row(plane, y) {
            crate::Row::U8(_) if plane == 0 && x < 60 && y > 60 => 90.0,
            crate::Row::U8(row) => f32::from(row[x as usize]),
            crate::Row::U16(_) => 0.0,
        });
        panel.observe(&under(&frame, keep, *gain), &behind, |x, y| x + y > 90);
    }
    let fit = panel.fit(|idx| gains.iter().any(|(at, gain)| *at == idx && *gain == 1.0));
    (panel, fit)
}

#[test]
fn the_opacity_colour_and_border_of_a_panel_are_found_though_some_of_what_lies_behind_is_wrong() {
    for keep in [0.25, 0.45, 0.8] {
        let (panel, fit) = solved(keep, &[(0, 1.0), (3, 1.0), (9, 1.0), (14, 1.0)]);
        let fit = fit.unwrap();
        assert!((fit.keep - keep).abs() < 0.02, "{keep}: {fit:?}");
        // An error of keep moves the colour by what lies behind, so that a clear panel's is known less.
        let most = 1.5 / (1.0 - keep);
        assert!((fit.colour[0] - 16.0).abs() < most && (fit.colour[1] - 128.0).abs() < most, "{keep}: {fit:?}");
        assert_eq!(Panel::judge(&fit), Ok(()));
        let matte = panel.matte(&fit, &panel.gains(&fit)).unwrap();
        let (rect, luma) = (matte.rect(), &matte.planes()[0].keep);
        for (y, x) in (rect.y..rect.bottom()).flat_map(|y| (rect.x..rect.right()).map(move |x| (y, x))) {
            let found = luma.at(x - rect.x, y - rect.y);
            let (core, near) =
                (PANEL.contains(x.max(2) - 2, y.max(2) - 2) && PANEL.contains(x + 2, y + 2), PANEL.grow(2, 200, 96));
            // Where what lies behind is wrong, the shape of a clear panel cannot be told.
            let core = core && !(keep > 0.5 && x < 62 && y > 58);
            // Where nothing is known, the segmenter's word holds.
            if x + y <= 96 {
                continue;
            }
            // Its lower left corner is the one where what lies behind is wrong.
            let is_border = PANEL.contains(x, y) && !PANEL.contains(x.max(1) - 1, y.max(1) - 1) && y < 58;
            if LETTERS.contains(x, y) || is_border {
                assert_eq!(found, 0.0, "a letter or the border at {x},{y}");
            } else if !near.contains(x, y) {
                assert_eq!(found, 1.0, "beside the panel at {x},{y}");
            } else if core && found > 0.0 {
                assert!((found - keep).abs() < 0.03, "{found} for {keep} inside at {x},{y}");
            }
        }
    }
}

#[test]
fn a_fade_is_measured_frame_by_frame() {
    let gains: Vec<(u64, f32)> = (0..10).map(|n| (n, (n as f32 / 6.0).min(1.0))).collect();
    let (panel, fit) = solved(0.45, &gains);
    for ((_, truth), (idx, found)) in gains.iter().zip(panel.gains(&fit.unwrap())) {
        assert!((truth - found).abs() < 0.03, "frame {idx}: {found} for {truth}");
    }
}

#[test]
fn what_is_opaque_or_not_there_or_hides_nothing_that_differs_is_no_panel() {
    let (_, opaque) = solved(0.0, &[(0, 1.0), (3, 1.0), (9, 1.0)]);
    let (_, nothing) = solved(1.0, &[(0, 1.0), (3, 1.0), (9, 1.0)]);
    for fit in [opaque, nothing].into_iter().flatten() {
        assert!(Panel::judge(&fit).is_err(), "{fit:?}");
    }
    let mut even = panel();
    for idx in [0, 3, 9] {
        let flat = painted(idx, |plane, x, y| if plane == 0 { 100.0 + ((x + y) % 2) as f32 } else { 128.0 });
        even.observe(&under(&flat, 0.45, 1.0), &flat, |_, _| true);
    }
    assert!(even.fit(|_| true).is_none_or(|fit| Panel::judge(&fit).is_err()));
    assert!(panel().fit(|_| true).is_none(), "nothing was seen");
}
