//! Marks that move, in whole jobs on clips made by the ffmpeg program.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // also outside of test functions

mod common;

use std::path::Path;
use std::process::Command;

use cleanplate::{Job, Options, Silent, run};
use cleanplate_core::Rect;
use common::{frames, off};

/// A picture of smooth waves over which the camera pans, and a mark of random cells, half opaque.
const SCENE: &str = "nullsrc=s=320x180:r=25:d=3.6,geq=cb=128:cr=128:lum='120+40*sin((X+3*N)/7)*cos(Y/9)\
                     +25*sin((X+3*N)/19+Y/5)+18*cos((X+3*N)/3.1-Y/11)',format=yuv420p[b]";
const MARK: &str = "nullsrc=s=60x26:r=25:d=3.6,format=rgba,geq=r=235:g=235:b=235:\
                    a='127*gt(mod(floor(X/5)*7+floor(Y/5)*13+floor(X/5)*floor(Y/5)*3,5),2)'[m]";

fn make(output: &Path, graph: &str, last: &str) {
    let done = Command::new("ffmpeg")
        .args(["-v", "error", "-y", "-nostdin", "-filter_complex", graph, "-map", last, "-c:v", "libx264", "-qp", "12"])
        .arg(output)
        .status();
    assert!(done.unwrap().success(), "{graph}");
}

#[test]
fn a_mark_that_drifts_is_computed_away_and_looked_for_wherever_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let [clean, input, output] = ["clean.mp4", "in.mp4", "out.mp4"].map(|name| folder.path().join(name));
    make(&clean, SCENE, "[b]");
    make(&input, &format!("{SCENE};{MARK};[b][m]overlay=x='20+2*n':y='100-n':format=yuv420[o]"), "[o]");
    let report = run(&Job { input: input.clone(), output: output.clone(), options: Options::default() }, &mut Silent);
    let report = report.unwrap();
    assert_eq!(report.marks.len(), 1, "{:?}", report.marks);
    let mark = &report.marks[0];
    assert!((mark.start, mark.end) == (0, 90) && mark.reason.contains("drifts"), "{mark:?}");
    // Its matte is known, and there is no telling which of both a sample has most from where the scene is borrowed as well.
    assert!(mark.alpha.is_some_and(|alpha| (0.3..0.6).contains(&alpha)), "{mark:?}");
    assert!(report.origins.unblended > 1000, "{:?}", report.origins);
    let looked = report.checks.iter().find(|check| check.name == "flashes").unwrap();
    assert!(looked.ok && looked.detail.contains("100 %"), "{looked:?}");
    let (truth, marked, made) = (frames(&clean), frames(&input), frames(&output));
    for (n, ((truth, marked), made)) in (0u32..).zip(truth.iter().zip(&marked).zip(&made)) {
        let place = Rect::new(20 + 2 * n, 100 - n, 60, 26);
        let (left, before) = (off(truth, made, place), off(truth, marked, place));
        assert!(left < 2.5 && before > 15.0, "frame {n}: {left:.2} of {before:.2} left");
    }
}
