//! What a job promises about captions, on small synthetic clips: they are found to the frame and go, scenes without any are left
//! alone, and what was found can be edited.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // also outside of test functions

mod common;

use std::ops::{ControlFlow, Range};
use std::path::{Path, PathBuf};
use std::process::Command;

use cleanplate::{Error, Job, Options, Silent, Target, plan, run};
use cleanplate_core::{Frame, Rect};
use cleanplate_media::{OpenOptions, Source};
use cleanplate_testkit::{Mark, MarkKind};
use common::off;

/// Waves of several lengths, over which the camera pans.
const SCENE: &str = "nullsrc=s=480x272:r=25:d=4,geq=cb=120:cr=134:lum=110\
    +30*sin((X+3.1*N)/9)*cos((Y+1.3*N)/13)+25*sin((X+3.1*N)/31+(Y+1.3*N)/23)+20*sin((X+3.1*N)/57-(Y+1.3*N)/19)";

/// The second follows the first at once.
const LINES: [(&str, Rect, Range<u64>); 2] =
    [("NOBODY TOLD ME", Rect::new(120, 232, 240, 26), 21..51), ("COME BACK", Rect::new(150, 232, 180, 26), 51..80)];

fn make(output: &Path, graph: &str) {
    let done = Command::new("ffmpeg")
        .args(["-v", "error", "-y", "-nostdin", "-filter_complex", graph, "-map", "[v]", "-pix_fmt", "yuv420p"])
        .args(["-c:v", "libx264", "-crf", "16"])
        .arg(output)
        .status();
    assert!(done.unwrap().success(), "{graph}");
}

/// Columns and rows of a panel beyond its letters, a side.
const PAD: (u32, u32) = (12, 7);

/// The scene with and without its captions, as encoded; those of a `panel` stand on a black one of that opacity.
fn clips(folder: &Path, panel: Option<f32>) -> (PathBuf, PathBuf) {
    let (clean, captioned) = (folder.join("clean.mkv"), folder.join("in.mkv"));
    make(&clean, &format!("{SCENE}[v]"));
    let mut graph = format!("{SCENE}[v0]");
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
    make(&captioned, &graph);
    (clean, captioned)
}

fn job(input: &Path, output: &Path) -> Job {
    let options = Options { target: Target::Captions, overwrite: true, ..Options::default() };
    Job { input: input.to_owned(), output: output.to_owned(), options }
}

fn frames(path: &Path) -> Vec<Frame> {
    let source = Source::open(path, &OpenOptions::default(), &mut |_, _| ControlFlow::Continue(())).unwrap();
    let mut reader = source.reader(1).unwrap();
    std::iter::from_fn(|| reader.read().unwrap()).collect()
}

#[test]
fn captions_are_found_to_the_frame_and_removed_and_a_caption_of_the_plan_can_be_kept() {
    let folder = tempfile::tempdir().unwrap();
    let (clean, input) = clips(folder.path(), None);
    let output = folder.path().join("out.mkv");
    let made = folder.path().join("plan.json");
    let mut job = job(&input, &output);
    job.options.plan_out = Some(made.clone());
    let report = run(&job, &mut Silent).unwrap();
    let spans: Vec<Range<u64>> = report.marks.iter().map(|mark| mark.start..mark.end).collect();
    assert_eq!(spans, LINES.map(|line| line.2));
    let (truth, marked, restored) = (frames(&clean), frames(&input), frames(&output));
    for (idx, made) in restored.iter().enumerate() {
        let shown = LINES.iter().find(|(_, _, shown)| shown.contains(&(idx as u64)));
        let Some((_, rect, _)) = shown else { continue };
        let (left, before) = (off(&truth[idx], made, *rect), off(&truth[idx], &marked[idx], *rect));
        assert!(before > 20.0 && left < 3.0, "frame {idx}: off by {left:.2}, {before:.2} before");
    }
    // The second one is switched off; nothing is looked for again.
    let text = std::fs::read_to_string(&made).unwrap();
    let at = text.rfind("\"enabled\": true").unwrap();
    std::fs::write(&made, format!("{}\"enabled\": false{}", &text[..at], &text[at + 15..])).unwrap();
    job.options.plan_out = None;
    job.options.plan_in = Some(made);
    let report = run(&job, &mut Silent).unwrap();
    assert_eq!(report.frames_marked, 30);
    let kept = frames(&output);
    assert!(off(&marked[65], &kept[65], LINES[1].1) < 3.0);
}

#[test]
fn a_translucent_panel_is_computed_away_and_its_letters_alone_are_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    let (clean, input) = clips(folder.path(), Some(0.55));
    let output = folder.path().join("out.mkv");
    let report = run(&job(&input, &output), &mut Silent).unwrap();
    assert_eq!(report.marks.len(), LINES.len());
    for mark in &report.marks {
        let origins = mark.origins;
        assert!(mark.reason.contains("opacity 0.5"), "{}", mark.reason);
        // Its letters, grown by what the codec spoils, are most of a panel as narrow as this one.
        let whole = origins.unblended + origins.borrowed + origins.invented;
        assert!(4 * origins.unblended > whole, "{origins:?}");
    }
    let (truth, marked, restored) = (frames(&clean), frames(&input), frames(&output));
    for (idx, made) in restored.iter().enumerate() {
        let shown = LINES.iter().find(|(_, _, shown)| shown.contains(&(idx as u64)));
        let Some((_, rect, _)) = shown else { continue };
        // Of the panel, what lies left of its letters, its border included.
        let side = Rect::new(rect.x - PAD.0 - 2, rect.y - PAD.1 - 2, PAD.0, rect.h + 2 * PAD.1 + 4);
        let (left, before) = (off(&truth[idx], made, side), off(&truth[idx], &marked[idx], side));
        assert!(before > 20.0 && left < 2.5, "frame {idx}: off by {left:.2}, {before:.2} before");
    }
}

#[test]
fn a_clip_without_captions_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let (clean, _) = clips(folder.path(), None);
    let output = folder.path().join("out.mkv");
    let refused = run(&job(&clean, &output), &mut Silent);
    assert!(matches!(refused, Err(Error::NothingFound(_))), "{refused:?}");
    assert!(!output.exists());
}

#[test]
fn captions_are_looked_for_where_the_user_says() {
    let folder = tempfile::tempdir().unwrap();
    let (_, input) = clips(folder.path(), None);
    let mut job = job(&input, &folder.path().join("out.mkv"));
    job.options.regions = vec!["top".parse().unwrap()];
    assert!(plan(&job, &mut Silent).unwrap().plan.marks.is_empty());
    job.options.regions = vec!["0,220,480,52@f0-f50".parse().unwrap()];
    assert_eq!(plan(&job, &mut Silent).unwrap().plan.marks.len(), 1);
}
