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

/// Words of the scene, where they stand on the first frame, and their kind.
const SIGNS: [(&str, Rect, MarkKind); 3] = [
    ("OPEN ALL DAY", Rect::new(330, 60, 190, 22), MarkKind::OutlinedText),
    ("STATION", Rect::new(560, 150, 150, 26), MarkKind::ThinText),
    ("EXIT 24", Rect::new(560, 300, 130, 24), MarkKind::OutlinedText),
];

/// Letters on a transparent ground, or over a black `panel` of that opacity which is larger by `pad`.
fn letters(path: &Path, mark: &Mark, (w, h): (u32, u32), pad: (u32, u32), panel: f32) {
    let code = |v: f32| (255.0 * v).round() as u8;
    image::RgbaImage::from_fn(w + 2 * pad.0, h + 2 * pad.1, |x, y| {
        let (x, y) = (x.wrapping_sub(pad.0), y.wrapping_sub(pad.1));
        let is_inside = x < w && y < h;
        let (ink, alpha) = if is_inside { (mark.ink().at(x, y), mark.alpha().at(x, y)) } else { ([0.0; 3], 0.0) };
        // The letters over the panel (Porter and Duff 1984).
        let whole = alpha + (1.0 - alpha) * panel;
        let [r, g, b] = ink.map(|v| code(v * alpha / whole.max(1e-3)));
        image::Rgba([r, g, b, code(whole)])
    })
    .save(path)
    .unwrap();
}

/// The scene, without loss: it is slow to compute.
fn scene(folder: &Path) -> String {
    let scene = folder.join("scene.mkv");
    make(&scene, &format!("{SCENE}[v]"), &["ffv1"]);
    format!("movie={}", scene.display())
}

/// Lays the captions over `from`, on panels of that opacity.
fn overlaid(folder: &Path, mut from: String, lines: &[(&str, Rect, Range<u64>)], panel: Option<f32>) -> String {
    let pad = panel.map_or((0, 0), |_| PAD);
    for (n, (text, rect, shown)) in lines.iter().enumerate() {
        let picture = folder.join(format!("{n}.png"));
        let mark = Mark::text(MarkKind::OutlinedText, text, *rect);
        letters(&picture, &mark, (rect.w, rect.h), pad, panel.unwrap_or(0.0));
        from += &format!(
            "[v{n}];movie={}[m{n}];[v{n}][m{n}]overlay={}:{}:enable='between(n,{},{})'",
            picture.display(),
            rect.x - pad.0,
            rect.y - pad.1,
            shown.start,
            shown.end - 1
        );
    }
    from + "[v]"
}

/// The scene with and without its captions, as encoded; those of a `panel` stand on a black one of that opacity.
pub(crate) fn clips(folder: &Path, panel: Option<f32>) -> (PathBuf, PathBuf) {
    let (clean, captioned) = (folder.join("clean.mkv"), folder.join("in.mkv"));
    let shown = scene(folder);
    make(&clean, &format!("{shown}[v]"), &ENCODED);
    make(&captioned, &overlaid(folder, shown, &LINES, panel), &ENCODED);
    (clean, captioned)
}

/// The scene with signs that belong to it, and the first caption over them.
pub(crate) fn signs(folder: &Path) -> PathBuf {
    let (output, mut from) = (folder.join("signs.mkv"), scene(folder));
    for (n, (text, rect, kind)) in SIGNS.into_iter().enumerate() {
        let picture = folder.join(format!("sign{n}.png"));
        letters(&picture, &Mark::text(kind, text, rect), (rect.w, rect.h), (0, 0), 0.0);
        let (x, y) = (rect.x, rect.y);
        from += &format!("[s{n}];movie={}[p{n}];[s{n}][p{n}]overlay='{x}-3.1*n':'{y}-1.3*n'", picture.display());
    }
    make(&output, &overlaid(folder, from, &LINES[..1], None), &ENCODED);
    output
}

/// A job that removes captions.
pub(crate) fn job(input: &Path, output: &Path) -> Job {
    let options = Options { target: Target::Captions, overwrite: true, ..Options::default() };
    Job { input: input.to_owned(), output: output.to_owned(), options }
}
