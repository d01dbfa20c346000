//! What a job promises about enlarging, on small synthetic clips: the size that is asked for, every frame at its time, every other
//! stream, colours in their places, repeats computed once, and marks removed in the same pass.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // also outside of test functions

mod common;

use std::path::Path;
use std::process::Command;

use cleanplate::{
    Condition, Error, Job, NewSize, Options, Region, Repeats, Report, Silent, Target, UpscaleModel, UpscaleOptions, run,
};
use cleanplate_core::{Frame, Rect, Resampler, Row};
use common::{frames, off};

/// A scene of smooth shapes that move in whole steps every third frame: 50 frames, of which 17 are new.
const SCENE: &str = "nullsrc=s=160x90:r=25:d=2,geq=cb=128+40*sin(X/19+floor(N/3)):cr=128+30*cos(Y/13)\
    :lum=120+60*sin((X+5*floor(N/3))/8)*cos(Y/7)";

/// Odd frames come later by 13 ms; and what keeps that.
const UNEVEN: &str = ",settb=1/1000,setpts=PTS+13*mod(N\\,2)";
const EXACT: [&str; 4] = ["-vsync", "passthrough", "-enc_time_base", "1:1000"];

fn make(output: &Path, graph: &str, pix_fmt: &str, more: &[&str]) {
    let done = Command::new("ffmpeg")
        .args(["-v", "error", "-y", "-nostdin", "-filter_complex", &format!("{graph}[v];sine=d=2[a]")])
        .args(["-map", "[v]", "-map", "[a]", "-pix_fmt", pix_fmt, "-c:v", "libx264", "-crf", "14", "-c:a", "aac"])
        .args(more)
        .arg(output)
        .status();
    assert!(done.unwrap().success(), "{graph}");
}

fn enlarged(
    input: &Path,
    output: &Path,
    upscale: UpscaleOptions,
    change: impl Fn(&mut Options),
) -> Result<Report, Error> {
    let mut options =
        Options { target: Target::Nothing, upscale: Some(upscale), overwrite: true, ..Options::default() };
    change(&mut options);
    run(&Job { input: input.to_owned(), output: output.to_owned(), options }, &mut Silent)
}

/// Mean difference of a plane, in codes of 8 bits.
fn apart(a: &Frame, b: &Frame, plane: usize) -> f64 {
    let (w, h) = a.format.plane_size(plane, a.width, a.height);
    let unit = f64::from(1u32 << (a.format.depth - 8));
    let row = |frame: &Frame, y: u32| -> Vec<f64> {
        match frame.row(plane, y) {
            Row::U8(row) => row.iter().map(|v| f64::from(*v)).collect(),
            Row::U16(row) => row.iter().map(|v| f64::from(*v) / unit).collect(),
        }
    };
    let sum: f64 = (0..h).flat_map(|y| row(a, y).into_iter().zip(row(b, y))).map(|(a, b)| (a - b).abs()).sum();
    sum / f64::from(w * h)
}

#[test]
fn a_clip_is_doubled_with_its_times_its_sound_and_its_colours() {
    let folder = tempfile::tempdir().unwrap();
    // One of them with frames that last unequally.
    let uneven = format!("{SCENE}{UNEVEN}");
    for (pix_fmt, scene) in [("yuv420p", &*uneven), ("yuv420p10le", SCENE), ("yuv444p", SCENE)] {
        let (input, output) = (folder.path().join("in.mkv"), folder.path().join("out.mkv"));
        make(&input, scene, pix_fmt, &EXACT);
        let report = enlarged(&input, &output, UpscaleOptions::default(), |o| o.encode.crf = Some(4.0)).unwrap();
        assert!(report.checks.iter().all(|check| check.ok), "{:?}", report.checks);
        assert_eq!(report.streams.iter().filter(|stream| stream.fate.contains("copied")).count(), 1);
        let (small, large) = (frames(&input), frames(&output));
        assert_eq!(small.len(), large.len());
        assert_eq!(small[1].pts - small[0].pts != small[2].pts - small[1].pts, scene != SCENE);
        let mut resampler = Resampler::default();
        for (a, b) in small.iter().zip(&large) {
            assert_eq!((b.width, b.height, b.format, b.pts), (320, 180, a.format, a.pts));
        }
        // Made small again it is what it was.
        let mut back = cleanplate_core::HostSurface::new(large[7].format, 160, 90);
        (0..3).for_each(|plane| resampler.plane(&large[7], plane, (160, 90), &mut back).unwrap());
        let back = Frame::new(7, 0, 1, (160, 90), large[7].format, Box::new(back));
        for plane in 0..3 {
            let off = apart(&small[7], &back, plane);
            assert!(off < 1.5, "{pix_fmt}, plane {plane}: {off}");
        }
    }
}

#[test]
fn frames_that_repeat_others_are_computed_once_and_all_are_there() {
    let folder = tempfile::tempdir().unwrap();
    let (input, output, all) =
        (folder.path().join("in.mp4"), folder.path().join("out.mp4"), folder.path().join("all.mp4"));
    make(&input, SCENE, "yuv420p", &[]);
    let plan = folder.path().join("plan.json");
    let report = enlarged(&input, &output, UpscaleOptions::default(), |o| o.plan_out = Some(plan.clone())).unwrap();
    // 17 pictures; the codec's noise may make one of a kind look new now and then.
    let repeats = report.repeats.unwrap();
    assert!((31..=33).contains(&repeats), "{repeats} repeats");
    let json: serde_json::Value = serde_json::from_slice(&std::fs::read(&plan).unwrap()).unwrap();
    let firsts = json["upscale"]["firsts"].as_array().unwrap();
    assert_eq!(firsts.len() as u64, repeats);
    for pair in firsts {
        let (idx, first) = (pair[0].as_u64().unwrap(), pair[1].as_u64().unwrap());
        assert_eq!(idx / 3, first / 3, "frame {idx} is none of the kind of {first}");
    }
    let off = UpscaleOptions { repeats: Repeats::Off, ..UpscaleOptions::default() };
    assert_eq!(enlarged(&input, &all, off, |_| {}).unwrap().repeats, Some(0));
    for (n, (a, b)) in frames(&output).iter().zip(&frames(&all)).enumerate() {
        let off = apart(a, b, 0);
        assert!(off < 1.5, "frame {n}: {off}");
    }
}

#[test]
fn weights_and_what_counts_as_a_repeat_follow_from_how_the_source_was_quantised() {
    let folder = tempfile::tempdir().unwrap();
    let [input, output, path] = ["in.mkv", "out.mkv", "plan.json"].map(|name| folder.path().join(name));
    let planned = |crf: &str, upscale: UpscaleOptions| {
        make(&input, SCENE, "yuv420p", &["-crf", crf]);
        enlarged(&input, &output, upscale, |o| (o.dry_run, o.plan_out) = (true, Some(path.clone()))).unwrap();
        let json: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        (json["upscale"]["model"]["name"].as_str().unwrap().to_owned(), json["upscale"]["is_coarse"] == true)
    };
    let usual = UpscaleOptions::default;
    assert_eq!(planned("3", usual()), ("fast-clean".to_owned(), false));
    assert_eq!(planned("22", usual()), ("fast-coded".to_owned(), false));
    assert_eq!(planned("32", usual()), ("fast-coded".to_owned(), true));
    let quality = UpscaleOptions { model: UpscaleModel::Quality, condition: Some(Condition::Clean), ..usual() };
    assert_eq!(planned("32", quality), ("quality-clean".to_owned(), true));
}

#[test]
fn a_mark_is_removed_and_the_rest_enlarged_in_one_pass() {
    let folder = tempfile::tempdir().unwrap();
    let [input, removed, output] = ["in.mp4", "removed.mp4", "out.mp4"].map(|name| folder.path().join(name));
    make(&input, &format!("{SCENE},drawbox=x=20:y=60:w=24:h=12:color=white:t=fill"), "yuv420p", &[]);
    let region: Region = "18,58,28,16".parse().unwrap();
    let marked = |o: &mut Options| {
        (o.target, o.regions, o.encode.crf) = (Target::Marks, vec![region.clone()], Some(4.0));
    };
    let mut options = Options::default();
    marked(&mut options);
    run(&Job { input: input.clone(), output: removed.clone(), options }, &mut Silent).unwrap();
    let larger = UpscaleOptions { size: NewSize::Scale(1.5), ..UpscaleOptions::default() };
    let report = enlarged(&input, &output, larger, marked).unwrap();
    assert!(report.checks.iter().all(|check| check.ok) && report.frames_marked == 50, "{:?}", report.checks);
    let (given, small, made) = (frames(&input), frames(&removed), frames(&output));
    assert_eq!((made[0].width, made[0].height, made.len()), (240, 136, 50));
    let mut resampler = Resampler::default();
    let mut larger = |frame: &Frame| {
        let mut surface = cleanplate_core::HostSurface::new(frame.format, 240, 136);
        resampler.plane(frame, 0, (240, 136), &mut surface).unwrap();
        Frame::new(frame.idx, 0, 1, (240, 136), frame.format, Box::new(surface))
    };
    let mark = Rect::new(30, 90, 36, 18);
    for n in [3, 30] {
        let (with, without) = (larger(&given[n]), larger(&small[n]));
        let (left, seen) = (off(&without, &made[n], mark), off(&with, &made[n], mark));
        // What two encoders and another filter change, against what the box does.
        assert!(left < 6.0 && seen > 40.0, "frame {n}: {left}, {seen}");
    }
}

#[test]
fn images_are_enlarged_by_a_network_of_the_users_sample_for_sample() {
    let folder = tempfile::tempdir().unwrap();
    let net = Path::new(env!("CARGO_MANIFEST_DIR")).join("../infer/tests/data/upscaler_rgb.onnx");
    let model = UpscaleModel::File(net);
    let triple = || UpscaleOptions { size: NewSize::Scale(3.0), model: model.clone(), ..UpscaleOptions::default() };
    let [input, output] = ["in", "out"].map(|name| folder.path().join(name));
    std::fs::create_dir(&input).unwrap();
    for n in 0..2u8 {
        let picture = image::RgbImage::from_fn(33, 21, |x, y| {
            image::Rgb([x as u8 * 7, y as u8 * 12, n * 90 + (x * y % 11) as u8])
        });
        picture.save(input.join(format!("{n}.png"))).unwrap();
    }
    // Tiles go through it one by one, or several at once.
    let report = enlarged(&input, &output, triple(), |o| o.fill_batch = Some(3)).unwrap();
    assert!(report.checks.iter().all(|check| check.ok) && report.frames == 2, "{:?}", report.checks);
    for n in 0..2 {
        let name = format!("{n}.png");
        let small = image::open(input.join(&name)).unwrap().to_rgb8();
        let large = image::open(output.join(&name)).unwrap().to_rgb8();
        assert_eq!(large.dimensions(), (99, 63));
        assert!(large.enumerate_pixels().all(|(x, y, sample)| sample == small.get_pixel(x / 3, y / 3)));
    }
    // One of them, of another factor than the network's.
    let single = folder.path().join("single.png");
    enlarged(&input.join("0.png"), &single, UpscaleOptions { size: NewSize::Scale(2.0), ..triple() }, |_| {}).unwrap();
    assert_eq!(image::image_dimensions(&single).unwrap(), (66, 42));
}

#[test]
fn frames_that_go_through_a_network_together_are_as_if_alone() {
    let folder = tempfile::tempdir().unwrap();
    let [input, alone, together] = ["in.mkv", "alone.mkv", "together.mkv"].map(|name| folder.path().join(name));
    make(&input, SCENE, "yuv420p", &[]);
    let reports = [(&alone, 1), (&together, 7)].map(|(output, batch)| {
        let lossless = |o: &mut Options| (o.encode.codec, o.fill_batch) = (Some("ffv1".to_owned()), Some(batch));
        enlarged(&input, output, UpscaleOptions::default(), lossless).unwrap()
    });
    assert_eq!(reports[0].repeats, reports[1].repeats);
    for (n, (a, b)) in frames(&alone).iter().zip(&frames(&together)).enumerate() {
        assert!(a.pts == b.pts && apart(a, b, 0) < 0.01, "frame {n}");
    }
}

#[test]
fn what_cannot_be_enlarged_is_refused_in_words_and_writes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (folder.path().join("in.mp4"), folder.path().join("out.mp4"));
    make(&input, &SCENE.replace("160x90", "160x96"), "yuv420p", &["-flags", "+ildct+ilme", "-x264-params", "tff=1"]);
    let error = enlarged(&input, &output, UpscaleOptions::default(), |_| {}).unwrap_err();
    assert!(error.to_string().contains("interlaced"), "{error}");
    make(&input, SCENE, "yuv420p", &[]);
    let smaller = UpscaleOptions { size: NewSize::Fit { width: Some(100), height: None }, ..UpscaleOptions::default() };
    let error = enlarged(&input, &output, smaller, |_| {}).unwrap_err();
    assert!(error.to_string().contains("smaller"), "{error}");
    assert!(!output.exists());
}

#[test]
fn frames_are_written_as_pictures_of_the_colours_that_the_source_has_with_their_times() {
    let folder = tempfile::tempdir().unwrap();
    let uneven = format!("{SCENE}{UNEVEN}");
    for (pix_fmt, wanted) in [("yuv420p", image::ColorType::Rgb8), ("yuv420p10le", image::ColorType::Rgb16)] {
        let (input, output) = (folder.path().join("in.mkv"), folder.path().join(pix_fmt));
        make(&input, &uneven, pix_fmt, &[&EXACT[..], &["-color_range", "tv", "-colorspace", "bt709"]].concat());
        let size = UpscaleOptions { size: NewSize::Scale(1.0), ..UpscaleOptions::default() };
        let report = enlarged(&input, &output, size.clone(), |o| o.frames = true).unwrap();
        assert!(report.checks.iter().all(|check| check.ok), "{:?}", report.checks);
        let list = std::fs::read_to_string(output.join("frames.ffconcat")).unwrap();
        let names: Vec<&str> = list.lines().filter_map(|line| line.strip_prefix("file ")).collect();
        assert_eq!(names.len(), 50);
        let lengths: Vec<&str> = list.lines().filter_map(|line| line.strip_prefix("duration ")).take(2).collect();
        assert_eq!(lengths, ["0.053000000", "0.027000000"]);
        let raw = Command::new("ffmpeg")
            .args(["-v", "error", "-i"])
            .arg(&input)
            .args(["-vf", "scale=flags=accurate_rnd+full_chroma_int+full_chroma_inp+bilinear"])
            .args(["-vsync", "passthrough", "-pix_fmt", "rgb24", "-f", "rawvideo", "-"])
            .output();
        let raw = raw.unwrap().stdout;
        for (name, theirs) in names.iter().zip(raw.chunks_exact(160 * 90 * 3)) {
            let picture = image::open(output.join(name)).unwrap();
            assert_eq!((picture.color(), picture.width(), picture.height()), (wanted, 160, 90));
            let ours = picture.to_rgb8();
            let apart: f64 = ours.as_raw().iter().zip(theirs).map(|(a, b)| f64::from(a.abs_diff(*b))).sum();
            assert!(apart / (theirs.len() as f64) < 0.7, "{pix_fmt} {name}: {apart}");
        }
        // Neither is it written over what is there, nor is anything left beside it.
        let refused = enlarged(&input, &output, size, |o| (o.frames, o.overwrite) = (true, false));
        assert!(matches!(refused, Err(Error::Usage(_))), "{refused:?}");
    }
    // Stored on its side, and with sound that nobody wants.
    let (lying, turned) = (folder.path().join("turned.mp4"), folder.path().join("turned"));
    let done = Command::new("ffmpeg")
        .args(["-v", "error", "-i"])
        .arg(folder.path().join("in.mkv"))
        .args(["-t", "0.2", "-c", "copy", "-metadata:s:v", "rotate=90"])
        .arg(&lying)
        .status();
    assert!(done.unwrap().success());
    let size = UpscaleOptions { size: NewSize::Scale(1.0), ..UpscaleOptions::default() };
    enlarged(&lying, &turned, size, |o| o.frames = true).unwrap();
    let (upright, stored) = (turned.join("frame_000000.png"), folder.path().join("yuv420p10le/frame_000000.png"));
    let (upright, stored) = (image::open(upright).unwrap().to_rgb8(), image::open(stored).unwrap().to_rgb8());
    assert_eq!(upright.dimensions(), (90, 160));
    let turned_back = image::imageops::rotate90(&upright);
    let apart: f64 = turned_back.as_raw().iter().zip(stored.as_raw()).map(|(a, b)| f64::from(a.abs_diff(*b))).sum();
    assert!(apart / (stored.as_raw().len() as f64) < 0.5, "{apart}");
    let left = std::fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(left, 5);
}
