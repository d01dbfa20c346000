//! Pictures of a few samples, where rounding up, mirroring and clipping meet: everything still adds up.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests

use cleanplate_core::{Mask, PixelFormat, PixelLayout, Rect, Scan};
use cleanplate_testkit::{Clip, Evaluation, Mark, MarkKind, Motion, Picture, Scenery, Shot, changed_outside};

fn formats() -> Vec<PixelFormat> {
    let subsampled = |log2_chroma_w, log2_chroma_h| PixelFormat {
        layout: PixelLayout::Yuv,
        depth: 10,
        log2_chroma_w,
        log2_chroma_h,
        alpha: false,
    };
    let whole = |layout, alpha| PixelFormat { layout, depth: 8, log2_chroma_w: 0, log2_chroma_h: 0, alpha };
    let mut formats = vec![whole(PixelLayout::Gray, true), whole(PixelLayout::Gbr, false)];
    formats.extend([(0, 0), (1, 0), (1, 1), (2, 0), (2, 2)].map(|(w, h)| subsampled(w, h)));
    formats
}

#[test]
fn every_mark_on_every_format_stays_inside_its_mask_however_small_the_picture_is() {
    let shot = Shot { grain: 1.0, movers: 1, ..Shot::new(Scenery::Clouds, Motion::Handheld { reach: 2.0 }, 2) };
    for size in [(1, 1), (2, 3), (3, 2), (7, 5), (17, 13)] {
        let clip = Clip::new(11, size, &[shot]);
        for format in formats() {
            for scan in [Scan::Progressive, Scan::TopFirst, Scan::BottomFirst] {
                let clip = clip.clone().with_format(format).with_scan(scan);
                let frames: Vec<_> = clip.frames().collect();
                assert_eq!(frames.len(), 2);
                for kind in MarkKind::ALL {
                    for rect in
                        [kind.corner(size.0, size.1), Rect::new(0, 0, size.0, size.1), Rect::new(size.0, 0, 4, 4)]
                    {
                        let mark = Mark::draw(kind, rect);
                        let mut evaluation = Evaluation::default();
                        for truth in &frames {
                            let marked = mark.over(truth);
                            assert_eq!(
                                changed_outside(&marked, truth, &mark.mask()),
                                [0; 4],
                                "{kind:?} {format:?} {scan:?}"
                            );
                            evaluation.add(truth, truth, &marked, &mark.mask());
                        }
                        let verdict = evaluation.verdict();
                        assert!(
                            verdict.flash_frames.is_empty() && verdict.ssim.is_none_or(|s| s > 0.999_999),
                            "{verdict:?}"
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn nothing_at_all_is_drawn_on_nothing() {
    let mark = Mark::draw(MarkKind::OutlinedText, Rect::default());
    assert!(mark.mask().is_empty());
    let empty = Clip::new(1, (8, 8), &[]);
    assert!(empty.is_empty() && empty.frame(0).is_none() && empty.cuts().is_empty());
    let frame = Clip::new(1, (8, 8), &[Shot::new(Scenery::Gradient, Motion::Still, 1)]).frame(0).unwrap();
    assert_eq!(Picture::of(&frame, Rect::new(8, 8, 3, 3)).size(), (0, 0));
    assert_eq!(changed_outside(&frame, &mark.over(&frame), &Mask::empty()), [0; 4]);
    assert_eq!(Picture::sheet(&[]).size(), (0, 0));
}
