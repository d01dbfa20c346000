//! What a user can say and see about captions: whose network finds them, what a plan tells of them, and the files that name them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // also outside of test functions

mod common;

use std::path::PathBuf;
use std::process::Command;

use cleanplate::masks::MaskFolder;
use cleanplate::{Error, Job, Plan, Report, Silent, inspect, plan, run};
use cleanplate_core::{Frame, Rect, Row};
use common::captioned::{LINES, clips, job};
use common::frames;

fn network(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../infer/tests/data").join(name)
}

fn row(frame: &Frame, plane: usize, y: u32) -> &[u8] {
    match frame.row(plane, y) {
        Row::U8(row) => row,
        Row::U16(_) => panic!("8 bits were asked for"),
    }
}

/// Whether `found` is `truth` but for what cells, outlines and boxes of text add at its sides.
fn is_about(found: Rect, truth: Rect) -> bool {
    let pairs =
        [(found.x, truth.x), (found.y, truth.y), (found.right(), truth.right()), (found.bottom(), truth.bottom())];
    pairs.into_iter().all(|(a, b)| a.abs_diff(b) <= 24)
}

#[test]
fn a_users_text_detector_finds_captions_as_the_picture_is_displayed() {
    let folder = tempfile::tempdir().unwrap();
    let (_, input) = clips(folder.path(), None);
    let make = |args: &[&str]| {
        assert!(Command::new("ffmpeg").args(["-v", "error", "-y", "-nostdin"]).args(args).status().unwrap().success());
    };
    // Stored lying on its side, turned back for display.
    let [coded, turned, near] = ["coded.mp4", "turned.mp4", "near.mkv"].map(|name| folder.path().join(name));
    let texts = [&input, &coded, &turned, &near].map(|path| path.to_str().unwrap().to_owned());
    make(&["-i", &texts[0], "-vf", "transpose=1", "-c:v", "libx264", "-crf", "12", &texts[1]]);
    make(&["-i", &texts[1], "-c", "copy", "-metadata:s:v", "rotate=90", &texts[2]]);
    // Of 320 columns of a network of one size, strokes of the whole picture would be too thin.
    make(&["-i", &texts[0], "-vf", "crop=288:162:96:110", "-c:v", "libx264", "-crf", "12", &texts[3]]);
    for (input, name, (x, y)) in
        [(&input, "text_any.onnx", (0, 0)), (&turned, "text_any.onnx", (0, 0)), (&near, "text_fixed.onnx", (96, 110))]
    {
        // A rotation and the disposition of a track need the container that they are from.
        let output = folder.path().join("out").with_extension(input.extension().unwrap());
        let mut job = job(input, &output);
        job.options.captions.network = Some(network(name));
        let planned = plan(&job, &mut Silent).unwrap();
        let plan = &planned.plan;
        assert_eq!(plan.source.rotation.0, if input == &turned { 270 } else { 0 }, "the file says how it is turned");
        assert!(plan.words[0].starts_with(&format!("text model: {name} (sha256 ")), "{:?}", plan.words);
        let entries: Vec<_> =
            plan.marks.iter().map(|mark| (mark.span.clone(), mark.caption.clone().unwrap().rect)).collect();
        assert_eq!(entries.len(), LINES.len(), "{name}: {entries:?}");
        for ((found, rect), (_, truth, span)) in entries.iter().zip(&LINES) {
            let truth = Rect::new(truth.x - x, truth.y - y, truth.w, truth.h);
            assert!(found == span && is_about(*rect, truth), "{name}: {entries:?}");
        }
    }
}

#[test]
fn how_many_frames_go_together_does_not_show_in_what_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let (_, input) = clips(folder.path(), None);
    for network in [None, Some(network("text_any.onnx"))] {
        let found = |batch| {
            let mut job = job(&input, &folder.path().join("out.mkv"));
            job.options.captions.network.clone_from(&network);
            job.options.detect.batch = Some(batch);
            plan(&job, &mut Silent).unwrap().plan.marks
        };
        let one = found(1);
        assert_eq!(one.len(), LINES.len());
        for batch in [3, 32] {
            assert_eq!(found(batch), one, "{batch} at once: masks are named by their content");
        }
    }
}

fn cleaned(job: &Job) -> Report {
    run(job, &mut Silent).unwrap()
}

#[test]
fn a_plan_tells_of_every_caption_and_what_it_tells_decides_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (_, input) = clips(folder.path(), None);
    let (made, masks) = (folder.path().join("plan.json"), folder.path().join("masks.mkv"));
    let mut job = job(&input, &folder.path().join("out.mkv"));
    job.options.plan_out = Some(made.clone());
    job.options.mask_out = Some(masks.clone());
    let keys = |report: &Report| report.segments.iter().map(|segment| segment.key.clone()).collect::<Vec<_>>();
    let first = keys(&cleaned(&job));
    let plan = Plan::load(&made).unwrap();
    let blobs = folder.path().join("plan.blobs");
    assert_eq!(plan.marks.len(), LINES.len());
    for (mark, (_, rect, span)) in plan.marks.iter().zip(LINES) {
        let entry = mark.caption.as_ref().unwrap();
        assert_eq!((entry.start_seconds, entry.end_seconds), (span.start as f64 / 25.0, span.end as f64 / 25.0));
        assert!(is_about(entry.rect, rect), "{entry:?}");
        assert!(entry.colour.iter().all(|c| *c > 200), "white with a dark outline: {entry:?}");
        let picture = image::open(blobs.join(format!("{}.png", entry.thumbnail))).unwrap().into_rgb8();
        assert_eq!((picture.width(), picture.height()), (entry.rect.w + 16, entry.rect.h.min(272 - entry.rect.y) + 16));
        assert!(
            picture.pixels().any(|p| p.0.iter().all(|c| *c > 220))
                && picture.pixels().any(|p| p.0.iter().all(|c| *c < 40))
        );
    }
    // The masks that are written are those of the plan, sample by sample.
    let mut folder_of_masks = MaskFolder::new(&blobs);
    for (idx, frame) in frames(&masks).iter().enumerate() {
        let shown = plan.marks.iter().find(|mark| mark.span.contains(&(idx as u64)));
        let mask = shown.map(|mark| folder_of_masks.load(mark.track().unwrap().at(idx as u64).unwrap()).unwrap());
        for y in 0..frame.height {
            let truth = |x: u32| {
                let inside = mask.as_ref().filter(|mask| mask.rect().contains(x, y));
                inside.map_or(0, |mask| mask.coverage().at(x - mask.rect().x, y - mask.rect().y))
            };
            let wrong = row(frame, 0, y).iter().zip(0..).find(|(code, x)| **code != truth(*x));
            assert_eq!(wrong, None, "frame {idx}, row {y}");
        }
    }
    // Another colour, and no pictures: nothing is done anew, nor otherwise.
    let text = std::fs::read_to_string(&made).unwrap().replace("\"end_seconds\": 2.04", "\"end_seconds\": 2.5");
    std::fs::write(&made, text).unwrap();
    let edited = Plan::load(&made).unwrap();
    for entry in edited.marks.iter().filter_map(|mark| mark.caption.as_ref()) {
        std::fs::remove_file(blobs.join(format!("{}.png", entry.thumbnail))).unwrap();
    }
    assert!(edited.marks[0].caption != plan.marks[0].caption);
    (job.options.plan_in, job.options.plan_out, job.options.mask_out) = (Some(made), None, None);
    assert_eq!(keys(&cleaned(&job)), first);
}

#[test]
fn times_and_boxes_of_captions_are_written_as_subtitles_without_text() {
    let folder = tempfile::tempdir().unwrap();
    let (_, input) = clips(folder.path(), None);
    let [srt, ass, planned] = ["found.srt", "found.ass", "plan.json"].map(|name| folder.path().join(name));
    let mut job = job(&input, &folder.path().join("out.mkv"));
    job.options.captions_out = Some(srt.clone());
    job.options.plan_out = Some(planned.clone());
    cleaned(&job);
    let text = std::fs::read_to_string(&srt).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!((lines[0], lines[4]), ("1", "2"), "{text}");
    assert!(lines[1].starts_with("00:00:00,840 --> 00:00:02,040  X1:"), "{text}");
    assert!(lines[5].starts_with("00:00:02,040 --> 00:00:03,200  X1:"), "{text}");
    for (line, (_, rect, _)) in [lines[1], lines[5]].into_iter().zip(LINES) {
        let n: Vec<u32> =
            line.split(':').skip(5).map(|part| part.split(' ').next().unwrap().parse().unwrap()).collect();
        assert!(is_about(Rect::new(n[0], n[2], n[1] - n[0], n[3] - n[2]), rect), "{line}");
    }
    // What is switched off in a plan is not written, and an existing file is kept.
    let edited = std::fs::read_to_string(&planned).unwrap().replacen("\"enabled\": true", "\"enabled\": false", 1);
    std::fs::write(&planned, edited).unwrap();
    (job.options.plan_in, job.options.plan_out) = (Some(planned), None);
    job.options.captions_out = Some(ass.clone());
    job.options.dry_run = true;
    cleaned(&job);
    let text = std::fs::read_to_string(&ass).unwrap();
    assert!(text.contains("PlayResX: 480\nPlayResY: 272\n"), "{text}");
    let entries: Vec<&str> = text.lines().filter(|line| line.starts_with("Dialogue: ")).collect();
    assert_eq!(entries.len(), 1, "{text}");
    assert!(entries[0].starts_with("Dialogue: 0,0:00:02.04,0:00:03.20,Default,X1:"), "{text}");
    assert!(entries[0].ends_with(")}") && entries[0].contains("{\\an2\\pos("), "{text}");
    job.options.overwrite = false;
    job.output = folder.path().join("other.mkv");
    let refused = run(&job, &mut Silent).unwrap_err();
    assert!(matches!(refused, Error::Usage(_)) && refused.to_string().contains("found.ass"), "{refused}");
    job.options.captions_out = Some(folder.path().join("found.vtt"));
    let refused = run(&job, &mut Silent).unwrap_err();
    assert!(matches!(refused, Error::Usage(_)) && refused.to_string().contains("found.vtt"), "{refused}");
}

#[test]
fn an_inspected_clip_shows_which_frames_were_looked_at_and_which_were_joined() {
    let folder = tempfile::tempdir().unwrap();
    let (_, input) = clips(folder.path(), None);
    let mut job = job(&input, &folder.path().join("out.mkv"));
    job.options.captions.every = 3;
    let out = folder.path().join("seen.mkv");
    inspect(&job, Some(&"f30-f36".parse().unwrap()), &out, &mut Silent).unwrap();
    let drawn = frames(&out);
    assert_eq!(drawn.len(), 6);
    for (idx, frame) in (30u64..).zip(&drawn) {
        // The upper of three panels, where the caption is: chroma of green and of yellow, thin lines of it halved.
        let (mut green, mut yellow) = (0, 0);
        for y in 105..136 {
            for (u, v) in row(frame, 1, y).iter().zip(row(frame, 2, y)).take(240) {
                green += u32::from(*v < 105);
                yellow += u32::from(*u < 95 && *v > 115);
            }
        }
        let (own, other) = if idx % 3 == 0 { (green, yellow) } else { (yellow, green) };
        assert!(own > 60 && other < own / 8, "frame {idx}: {green} green, {yellow} yellow");
    }
}
