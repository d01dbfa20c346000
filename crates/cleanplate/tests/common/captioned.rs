//! A scene over which a camera pans, with two captions of known place and time.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::Command;

use cleanplate::{Job, Options, Target};
use cleanplate_core::Rect;
use cleanplate_testkit::{Mark, MarkKind};

/// Waves of several lengths, over which the camera pans.
const SCENE: &str = "nullsrc=s=480x272:r=25:d=4,geq=cb=120:cr=134:lum=110\
    +30*sin((X+3.1*N)/9)*cos((Y+1.3*N)/13)+25*sin((X+3.1*N)/31+(Y+1.3*N)/23)+20*sin((X+3.1*N)/57-(Y+1.3*N)/19)";

/// The second follows the first at once.
pub(crate) const LINES: [(&str, Rect, Range<u64>); 2] =
    [("NOBODY TOLD ME", Rect::new(120, 232, 240, 26), 21..51), ("COME BACK", Rect::new(150, 232, 180, 26), 51..80)];

const ENCODED: [&str; 3] = ["libx264", "-crf", "16"];

fn make(output: &Path, graph: &str, codec: &[&str]) {
    let done = Command::new("ffmpeg")
        .args(["-v", "error", "-y", "-nostdin", "-filter_complex", graph, "-map", "[v]", "-pix_fmt", "yuv420p", "-c:v"])
        .args(codec)
        .arg(output)
        .status();
    assert!(done.unwrap().success(), "{graph}");
}

/// Columns and rows of a panel beyond its letters, a side.
pub(crate) const PAD: (u32, u32) = (24, 7);

/// The scene with and without its captions, as encoded; those of a `panel` stand on a black one of that opacity.
pub(crate) fn clips(folder: &Path, panel: Option<f32>) -> (PathBuf, PathBuf) {
    let (clean, captioned) = (folder.join("clean.mkv"), folder.join("in.mkv"));
    // The scene is slow to compute: once, without loss.
    let scene = folder.join("scene.mkv");
    make(&scene, &format!("{SCENE}[v]"), &["ffv1"]);
    let shown = format!("movie={}", scene.display());
    make(&clean, &format!("{shown}[v]"), &ENCODED);
    let mut graph = format!("{shown}[v0]");
    for (n, (text, rect, shown)) in LINES.into_iter().enumerate() {
        let mark = Mark::text(MarkKind::OutlinedText, text, rect);
        let pad = panel.map_or((0, 0), |_| PAD);
        let picture = folder.join(format!("{n}.png"));
        let code = |v: f32| (255.0 * v).round() as u8;
        image::RgbaImage::from_fn(rect.w + 2 * pad.0, rect.h + 2 * pad.1, |x, y| {
            let (x, y) = (x.wrapping_sub(pad.0), y.wrapping_sub(pad.1));
            let is_inside = x < rect.w && y < rect.h;
            let (ink, alpha) = if is_inside { (mark.ink().at(x, y), mark.alpha().at(x, y)) } else { ([0.0; 3], 0.0) };
            // The letters over the panel (Porter and Duff 1984).
            let whole = alpha + (1.0 - alpha) * panel.unwrap_or(0.0);
            let [r, g, b] = ink.map(|v| code(v * alpha / whole.max(1e-3)));
            image::Rgba([r, g, b, code(whole)])
        })
        .save(&picture)
        .unwrap();
        let out = if n + 1 == LINES.len() { "v".to_owned() } else { format!("v{}", n + 1) };
        let (from, to) = (shown.start, shown.end - 1);
        graph += &format!(
            ";movie={}[m{n}];[v{n}][m{n}]overlay={}:{}:enable='between(n,{from},{to})'[{out}]",
            picture.display(),
            rect.x - pad.0,
            rect.y - pad.1
        );
    }
    make(&captioned, &graph, &ENCODED);
    (clean, captioned)
}

/// A job that removes captions.
pub(crate) fn job(input: &Path, output: &Path) -> Job {
    let options = Options { target: Target::Captions, overwrite: true, ..Options::default() };
    Job { input: input.to_owned(), output: output.to_owned(), options }
}
