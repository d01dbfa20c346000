//! What a whole job promises, on small synthetic clips: nothing outside the mask changes, times stay, and neither a crash
//! nor the machine's state shows in the output.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // also outside of test functions

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::Command;

use cleanplate::report::OriginCounts;
use cleanplate::{Control, Event, Job, Observer, Options, Silent, Tier, VerifyMode, run};
use cleanplate_core::{Frame, Rect, Row};
use cleanplate_media::{OpenOptions, Source};
use common::off;

/// A picture of smooth waves of several lengths, over which the camera pans.
const WAVES: &str = "-f lavfi -i nullsrc=s=240x136:r=25,geq=cb=128:cr=128:lum=120\
    +40*sin((X+4.3*N)/9)*cos((Y+1.7*N)/11)+30*sin((X+4.3*N)/23+(Y+1.7*N)/17)+25*sin((X+4.3*N)/31-(Y+1.7*N)/7)";

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn make(&self, name: &str, arguments: &str) -> PathBuf {
        let output = self.path(name);
        let done = Command::new("ffmpeg")
            .args(["-v", "error", "-y", "-nostdin"])
            .args(arguments.split_whitespace())
            .arg(&output)
            .status();
        assert!(done.unwrap().success(), "{arguments}");
        output
    }

    fn job(&self, input: &Path, output: &str, regions: &[&str]) -> Job {
        let regions = regions.iter().map(|r| r.parse().unwrap()).collect();
        Job { input: input.to_owned(), output: self.path(output), options: Options { regions, ..Options::default() } }
    }

    fn leftovers(&self) -> Vec<String> {
        let names = fs::read_dir(self.0.path()).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.starts_with('.')).collect()
    }
}

fn open(path: &Path) -> Source {
    Source::open(path, &OpenOptions::default(), &mut |_, _| ControlFlow::Continue(())).unwrap()
}

fn frames(source: &Source) -> Vec<Frame> {
    let mut reader = source.reader(1).unwrap();
    std::iter::from_fn(|| reader.read().unwrap()).collect()
}

/// Samples that differ inside and outside of `rect`, over all planes.
fn changed(a: &Frame, b: &Frame, rect: Rect) -> (u64, u64) {
    let (mut inside, mut outside) = (0, 0);
    for plane in 0..a.format.planes() {
        let (sw, sh) = a.format.subsampling(plane);
        let place = rect.subsampled(sw, sh);
        for y in 0..a.format.plane_size(plane, a.width, a.height).1 {
            let differ: Vec<bool> = match (a.row(plane, y), b.row(plane, y)) {
                (Row::U8(a), Row::U8(b)) => a.iter().zip(b).map(|(a, b)| a != b).collect(),
                (Row::U16(a), Row::U16(b)) => a.iter().zip(b).map(|(a, b)| a != b).collect(),
                _ => panic!("depths differ"),
            };
            for (x, _) in differ.iter().enumerate().filter(|(_, d)| **d) {
                if place.contains(x as u32, y) { inside += 1 } else { outside += 1 }
            }
        }
    }
    (inside, outside)
}

const PICTURES: &str = "-f lavfi -i testsrc2=s=192x108:r=25:d=2";

#[test]
fn outside_of_the_mask_a_lossless_job_changes_no_sample() {
    let folder = Folder::new();
    for format in ["yuv420p", "yuv422p10le", "yuv444p12le", "gray", "gbrp", "yuva420p", "yuv411p"] {
        let input = folder.make("in.mkv", &format!("{PICTURES} -t 0.4 -pix_fmt {format} -c:v ffv1"));
        let job = folder.job(&input, "out.mkv", &["101,31,41,23"]);
        let job = Job { options: Options { overwrite: true, ..job.options }, ..job };
        let report = run(&job, &mut Silent).unwrap();
        let OriginCounts { unblended, borrowed, invented, .. } = report.origins;
        assert_eq!(unblended + borrowed + invented, 10 * 41 * 23, "{format}");
        assert!(report.checks.iter().all(|c| c.ok), "{format}: {:?}", report.checks);
        let (before, after) = (frames(&open(&input)), frames(&open(&job.output)));
        assert_eq!(before.len(), after.len());
        for (a, b) in before.iter().zip(&after) {
            let (inside, outside) = changed(a, b, Rect::new(101, 31, 41, 23));
            assert!(inside > 100 && outside == 0, "{format}: {inside} inside, {outside} outside");
        }
    }
    assert!(folder.leftovers().is_empty(), "{:?}", folder.leftovers());
}

#[test]
fn a_translucent_mark_is_computed_away_and_an_opaque_one_shows_what_other_frames_show() {
    let folder = Folder::new();
    let scene = WAVES;
    let coded = "-frames:v 60 -pix_fmt yuv420p -c:v libx264 -crf 12";
    let clean = folder.make("clean.mkv", &format!("{scene} {coded}"));
    let inside = Rect::new(160, 30, 40, 20);
    let bars = |alpha: &str| {
        let bars = (160..200).step_by(8).map(|x| format!("drawbox={x}:30:4:20:white@{alpha}:fill"));
        bars.collect::<Vec<_>>().join(",")
    };
    for alpha in ["0.5", "1.0"] {
        let mark = bars(alpha);
        let input = folder.make("in.mkv", &format!("{scene},{mark} {coded}"));
        let ends = |tiers: BTreeSet<Tier>| {
            let job = folder.job(&input, "out.mkv", &["156,26,48,28"]);
            let job = Job { options: Options { overwrite: true, tiers, ..job.options }, ..job };
            let report = run(&job, &mut Silent).unwrap();
            assert!(report.flashes.is_empty() && report.checks.iter().all(|c| c.ok), "{:?}", report.checks);
            let (truth, made) = (frames(&open(&clean)), frames(&open(&job.output)));
            let sum: f64 = truth.iter().zip(&made).map(|(a, b)| off(a, b, inside)).sum();
            (report.origins, sum / truth.len() as f64, report.marks[0].clone())
        };
        let (origins, true_first, mark) = ends(Tier::ALL.into());
        let (_, filled, _) = ends([Tier::Fill].into());
        let all = origins.unblended + origins.borrowed + origins.invented;
        // A sample that was computed and borrowed alike has the origin of what weighs more, which may be either.
        let solved = mark.alpha.is_some();
        assert!(4 * origins.invented < all && solved == (alpha == "0.5"), "{alpha}: {origins:?}: {}", mark.reason);
        let (unblended, _, _) = ends([Tier::Unblend, Tier::Fill].into());
        assert!((unblended.unblended > 0) == solved, "{alpha}: {unblended:?}");
        assert!(true_first < 0.5 * filled, "{alpha}: off by {true_first:.2}, filled by {filled:.2}");
    }
    // The matte of one clip serves another on which too little moves to solve it.
    let mark = bars("0.5");
    let first = folder.make("in.mkv", &format!("{scene},{mark} {coded}"));
    let short = folder.make("short.mkv", &format!("{scene},{mark} {coded} -frames:v 3"));
    let job = folder.job(&first, "out.mkv", &["156,26,48,28"]);
    let matte = folder.path("mark.matte");
    let options = Options { overwrite: true, matte_out: Some(matte.clone()), ..job.options };
    run(&Job { options, ..job }, &mut Silent).unwrap();
    let job = folder.job(&short, "out.mkv", &[]);
    let tiers = [Tier::Unblend].into();
    let job = Job { options: Options { overwrite: true, tiers, mattes: vec![matte], ..job.options }, ..job };
    let report = run(&job, &mut Silent).unwrap();
    assert!(report.origins.unblended > 1000 && report.origins.invented == 0, "{:?}", report.origins);
    let (truth, made) = (frames(&open(&clean)), frames(&open(&job.output)));
    let worst = made.iter().zip(&truth).map(|(a, b)| off(a, b, inside)).fold(0.0, f64::max);
    assert!(worst < 5.0, "off by {worst:.2}");
}

#[test]
fn a_mark_that_comes_and_goes_is_computed_away_while_it_is_shown_and_a_known_picture_is_found() {
    let folder = Folder::new();
    let scene = WAVES;
    let coded = "-frames:v 80 -pix_fmt yuv420p -c:v libx264 -crf 12";
    let clean = frames(&open(&folder.make("clean.mkv", &format!("{scene} {coded}"))));
    let (inside, shown) = (Rect::new(160, 30, 36, 20), 20..70);
    let bars = (160..200).step_by(8).map(|x| format!("drawbox={x}:30:4:20:white@0.5:fill:enable='between(n,20,69)'"));
    let input = folder.make("in.mkv", &format!("{scene},{} {coded}", bars.collect::<Vec<_>>().join(",")));
    let check = |job: &Job, what: &str| {
        let report = run(job, &mut Silent).unwrap();
        let mark = &report.marks[0];
        assert_eq!(report.frames_marked, shown.end - shown.start, "{what}: {}", mark.reason);
        let origins = mark.origins;
        assert!(origins.unblended > 0 && 4 * origins.invented < origins.total(), "{what}: {origins:?}");
        let made = frames(&open(&job.output));
        let worst = clean.iter().zip(&made).map(|(a, b)| off(a, b, inside)).fold(0.0, f64::max);
        assert!(worst < 6.0, "{what}: off by {worst:.2}");
    };
    let job = folder.job(&input, "out.mkv", &["156,26,48,28"]);
    check(&Job { options: Options { overwrite: true, ..job.options }, ..job }, "solved");
    // Twice its size, and nothing said of where it lies.
    let picture = folder.path("mark.png");
    image::RgbaImage::from_fn(80, 50, |x, y| {
        let alpha = if (4..44).contains(&y) && (x / 8).is_multiple_of(2) { 127 } else { 0 };
        image::Rgba([255, 255, 255, alpha])
    })
    .save(&picture)
    .unwrap();
    let job = folder.job(&input, "out.mkv", &[]);
    check(&Job { options: Options { overwrite: true, mattes: vec![picture], ..job.options }, ..job }, "given");
}

#[test]
fn a_mark_that_stays_for_seconds_before_a_still_camera_is_replaced_by_what_frames_far_away_show() {
    let folder = Folder::new();
    // Nothing moves but a thing below the mark that is there now and then.
    let scene = WAVES.replace("+4.3*N", "").replace("+1.7*N", "");
    let passing = "drawbox=170:60:12:20:gray@1:fill:enable='lt(mod(n,20),7)'";
    let coded = "-frames:v 150 -pix_fmt yuv420p -c:v libx264 -crf 16";
    let clean = frames(&open(&folder.make("clean.mkv", &format!("{scene},{passing} {coded}"))));
    let inside = Rect::new(160, 30, 40, 20);
    let mark = "drawbox=160:30:40:20:yellow@1:fill:enable='between(n,30,129)'";
    let input = folder.make("in.mkv", &format!("{scene},{passing},{mark} {coded}"));
    let check = |job: &Job| {
        let done = run(job, &mut Silent).unwrap();
        let OriginCounts { borrowed, invented, .. } = done.origins;
        // Along the border a fill of these smooth waves is as good.
        assert!(borrowed > 10 * invented, "{:?}", done.origins);
        assert_eq!(done.frames_marked, 100, "{}", done.marks[0].reason);
        let made = frames(&open(&job.output));
        let worst = clean.iter().zip(&made).map(|(a, b)| off(a, b, inside)).fold(0.0, f64::max);
        assert!(worst < 3.0, "off by {worst:.2}");
    };
    // Nobody says when it is shown.
    check(&folder.job(&input, "region.mkv", &["150,20,60,40"]));
    let job = folder.job(&input, "out.mkv", &["158,28,44,24@f30-f130"]);
    let plan = folder.path("plan.json");
    let job = Job { options: Options { overwrite: true, plan_out: Some(plan.clone()), ..job.options }, ..job };
    check(&job);
    // The plan alone gives the same bytes.
    let first = fs::read(&job.output).unwrap();
    let options = Options { plan_out: None, plan_in: Some(plan), ..job.options };
    let again = Job { options, ..job };
    run(&again, &mut Silent).unwrap();
    assert!(first == fs::read(&again.output).unwrap(), "the plan does not hold what the pixels came from");
}

#[test]
fn nothing_is_borrowed_from_a_mark_that_stays_outside_of_the_given_times() {
    let folder = Folder::new();
    let scene = "-f lavfi -i testsrc2=s=160x96:r=25:d=2,boxblur=3:1";
    let input =
        folder.make("in.mkv", &format!("{scene},drawbox=60:30:40:24:red@1:fill -pix_fmt yuv420p -c:v libx264 -crf 8"));
    let job = folder.job(&input, "out.mkv", &["58,28,44,28"]);
    let only = Some("0-1".parse().unwrap());
    let job = Job { options: Options { overwrite: true, only, ..job.options }, ..job };
    run(&job, &mut Silent).unwrap();
    let (source, made) = (frames(&open(&input)), frames(&open(&job.output)));
    // Inside of the plate nothing may look like it up to the last frame that is worked on.
    let plate = Rect::new(66, 36, 28, 12);
    let alike = |idx: usize| off(&source[idx], &made[idx], plate);
    assert!(alike(30) < 4.0, "frame 30 is left as it is: {}", alike(30));
    let least = (0..25).map(alike).fold(f64::INFINITY, f64::min);
    assert!(least > 8.0, "off by {least:.1}: {:?}", (0..25).map(alike).collect::<Vec<_>>());
}

#[test]
fn irregular_times_and_every_other_stream_come_back() {
    let folder = Folder::new();
    for (name, codecs) in [("in.mkv", "-c:v libx264 -c:a flac"), ("in.mp4", "-c:v libx264 -c:a aac")] {
        let select = "-vf select='not(eq(mod(n,7),3))*not(eq(mod(n,5),1))' -vsync passthrough";
        let input = folder.make(name, &format!("{PICTURES} -f lavfi -i sine=d=2 {select} {codecs} -preset veryfast"));
        let job = folder.job(&input, &name.replace("in", "out"), &["10,10,30,20"]);
        let report = run(&job, &mut Silent).unwrap();
        let (before, after) = (open(&input), open(&job.output));
        // How long the last frame lasts libav guesses from edit lists in MP4; what the file itself says is one of the checks.
        let times = |s: &Source| s.index().frames.iter().map(|f| f.pts).collect::<Vec<_>>();
        assert_eq!(times(&before), times(&after), "{name}");
        assert!(report.checks.iter().any(|c| c.name == "last duration" && c.ok), "{name}");
        assert_eq!(before.info().streams[1].sha256, after.info().streams[1].sha256, "{name}");
    }
}

/// Cancels once a number of segments is committed.
struct CancelAfter(usize);

impl Observer for CancelAfter {
    fn event(&mut self, event: Event) {
        if matches!(event, Event::Segment { resumed: false, .. }) {
            self.0 = self.0.saturating_sub(1);
        }
    }

    fn control(&mut self) -> Control {
        if self.0 == 0 { Control::Cancel } else { Control::Continue }
    }
}

#[test]
fn an_interrupted_job_goes_on_and_ends_in_the_same_bytes() {
    let folder = Folder::new();
    let source = "-f lavfi -i testsrc2=s=128x72:r=25:d=40 -g 100 -c:v libx264 -preset ultrafast";
    let input = folder.make("in.mp4", source);
    let whole = folder.job(&input, "whole.mp4", &["80,10,30,20"]);
    run(&whole, &mut Silent).unwrap();
    let job = folder.job(&input, "parts.mp4", &["80,10,30,20"]);
    let error = run(&job, &mut CancelAfter(1)).unwrap_err();
    assert_eq!(error.kind(), cleanplate::ErrorKind::Cancelled);
    assert!(!job.output.exists());
    assert_eq!(folder.leftovers(), [".parts.mp4.cleanplate"]);
    // What a crash in the middle of a write leaves is cleared, what it damages is redone.
    let store = folder.path(".parts.mp4.cleanplate/segments");
    fs::write(store.join("torn.pack.tmp"), b"half").unwrap();
    let pack =
        fs::read_dir(&store).unwrap().map(|e| e.unwrap().path()).find(|p| p.extension().is_some_and(|e| e == "pack"));
    let pack = pack.unwrap();
    let mut bytes = fs::read(&pack).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 4;
    fs::write(&pack, bytes).unwrap();
    let report = run(&job, &mut Silent).unwrap();
    assert_eq!(report.segments.len(), 5);
    assert_eq!(fs::read(&job.output).unwrap(), fs::read(&whole.output).unwrap());
    assert!(folder.leftovers().is_empty());
}

#[test]
fn queues_and_threads_never_show_in_the_output() {
    let folder = Folder::new();
    let input = folder.make("in.mp4", &format!("{PICTURES} -c:v libx264 -preset veryfast"));
    let outputs: Vec<Vec<u8>> = [(1u64, 1u32, VerifyMode::Full), (64 << 20, 3, VerifyMode::Packets)]
        .into_iter()
        .map(|(bytes, threads, verify)| {
            let job = folder.job(&input, "out.mp4", &["80,10,30,20"]);
            let options = Options {
                queue_bytes: Some(bytes),
                decoder_threads: Some(threads),
                verify,
                overwrite: true,
                ..job.options
            };
            run(&Job { options, ..job }, &mut Silent).unwrap();
            fs::read(folder.path("out.mp4")).unwrap()
        })
        .collect();
    assert_eq!(outputs[0], outputs[1]);
}

#[test]
fn a_job_refuses_what_would_destroy_something() {
    let folder = Folder::new();
    let input = folder.make("in.mp4", &format!("{PICTURES} -c:v libx264 -preset ultrafast"));
    let same = folder.job(&input, "in.mp4", &["80,10,30,20"]);
    let same = Job { options: Options { overwrite: true, ..same.options }, ..same };
    assert!(run(&same, &mut Silent).unwrap_err().to_string().contains("same file"));
    fs::write(folder.path("there.mp4"), b"mine").unwrap();
    let there = folder.job(&input, "there.mp4", &["80,10,30,20"]);
    assert!(run(&there, &mut Silent).unwrap_err().to_string().contains("exists"));
    assert_eq!(fs::read(folder.path("there.mp4")).unwrap(), b"mine");
    let nowhere = folder.job(&input, "no/such/out.mp4", &["80,10,30,20"]);
    assert_eq!(run(&nowhere, &mut Silent).unwrap_err().kind(), cleanplate::ErrorKind::Usage);
}

#[test]
fn a_plan_can_be_edited_and_run_again() {
    let folder = Folder::new();
    let input = folder.make("in.mkv", &format!("{PICTURES} -t 0.4 -c:v ffv1"));
    let job = folder.job(&input, "a.mkv", &["20,20,20,20", "100,20,20,20"]);
    let plan = folder.path("p.json");
    run(&Job { options: Options { plan_out: Some(plan.clone()), ..job.options }, ..job }, &mut Silent).unwrap();
    let text = fs::read_to_string(&plan).unwrap();
    fs::write(&plan, text.replacen("\"enabled\": true", "\"enabled\": false", 1)).unwrap();
    let again = folder.job(&input, "b.mkv", &[]);
    let again = Job { options: Options { plan_in: Some(plan), ..again.options }, ..again };
    let report = run(&again, &mut Silent).unwrap();
    assert_eq!(report.marks.len(), 1);
    let (before, after) = (frames(&open(&input)), frames(&open(&again.output)));
    let (inside, outside) = changed(&before[3], &after[3], Rect::new(100, 20, 20, 20));
    assert!(inside > 0 && outside == 0);
}
