//! Jobs on images and sequences, and the pictures that show what a job would do.
#![allow(clippy::unwrap_used)] // helpers of tests, which the configured exception does not reach

use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};

use cleanplate::{
    Control, Error, ErrorKind, Event, Job, Observer, Options, Report, Silent, inspect, preview, probe, run,
};
use image::codecs::{jpeg::JpegEncoder, png::PngEncoder};
use image::metadata::Orientation;
use image::{DynamicImage, ImageBuffer, ImageDecoder, ImageEncoder, ImageFormat, ImageReader, Pixel};

const SIZE: (u32, u32) = (97, 61);

/// A picture of all four channels at 16 bits: smooth, and different in each.
fn scene(shift: u32) -> ImageBuffer<image::Rgba<u16>, Vec<u16>> {
    ImageBuffer::from_fn(SIZE.0, SIZE.1, |x, y| {
        let wave =
            |a: f64, b: f64| (32768.0 + 20000.0 * (f64::from(x + shift) / a).sin() * (f64::from(y) / b).cos()) as u16;
        image::Rgba([wave(9.0, 11.0), wave(14.0, 6.0), wave(7.0, 17.0), 1000 + (x * 600) as u16])
    })
}

fn kinds() -> Vec<DynamicImage> {
    let whole = DynamicImage::ImageRgba16(scene(0));
    vec![
        whole.to_luma8().into(),
        whole.to_luma_alpha8().into(),
        whole.to_rgb8().into(),
        whole.to_rgba8().into(),
        whole.to_luma16().into(),
        whole.to_luma_alpha16().into(),
        whole.to_rgb16().into(),
        whole,
    ]
}

fn job(input: &Path, output: &Path, region: &str) -> Job {
    let regions = if region.is_empty() { Vec::new() } else { vec![region.parse().unwrap()] };
    Job { input: input.to_owned(), output: output.to_owned(), options: Options { regions, ..Options::default() } }
}

fn done(job: &Job) -> Result<Report, Error> {
    run(job, &mut Silent)
}

fn open(path: &Path) -> impl ImageDecoder {
    ImageReader::new(Cursor::new(fs::read(path).unwrap())).with_guessed_format().unwrap().into_decoder().unwrap()
}

fn read(path: &Path) -> DynamicImage {
    DynamicImage::from_decoder(open(path)).unwrap()
}

/// Pixels that differ.
fn changed(a: &DynamicImage, b: &DynamicImage) -> Vec<(u32, u32)> {
    let (a, b) = (a.to_rgba16(), b.to_rgba16());
    a.enumerate_pixels().filter(|(x, y, p)| *p != b.get_pixel(*x, *y)).map(|(x, y, _)| (x, y)).collect()
}

#[test]
fn only_the_mask_changes_and_depth_and_channels_stay_in_every_lossless_format() {
    let folder = tempfile::tempdir().unwrap();
    let mut tried = 0;
    for ending in ["png", "tif", "webp", "bmp"] {
        for (n, picture) in kinds().into_iter().enumerate() {
            let (input, output) =
                (folder.path().join(format!("{n}.{ending}")), folder.path().join(format!("{n}-o.{ending}")));
            if picture.save(&input).is_err() || read(&input).color() != picture.color() {
                continue; // the format has no such pictures
            }
            let report = done(&job(&input, &output, "20,10,30,12")).unwrap();
            let (before, after) = (read(&input), read(&output));
            assert_eq!(after.color(), picture.color(), "{ending}");
            let places = changed(&before, &after);
            assert!(places.len() > 200, "{ending} {:?}: {}", picture.color(), places.len());
            assert!(places.iter().all(|(x, y)| (20..50).contains(x) && (10..22).contains(y)), "{ending}");
            let alpha = |i: &DynamicImage| i.to_rgba16().pixels().map(|p| p.channels()[3]).collect::<Vec<_>>();
            assert_eq!(alpha(&before), alpha(&after), "{ending}: alpha is not touched");
            assert_eq!((report.origins.invented, report.frames_marked, report.segments.len()), (360, 1, 1));
            assert!(report.checks.iter().all(|c| c.ok));
            tried += 1;
        }
    }
    assert!(tried >= 17, "{tried}");
    let left: Vec<_> = fs::read_dir(folder.path())
        .unwrap()
        .filter(|e| e.as_ref().unwrap().file_name().to_string_lossy().starts_with('.'))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

fn exif(orientation: u8) -> Vec<u8> {
    let mut block = b"MM\0*\0\0\0\x08\0\x02\x01\x12\0\x03\0\0\0\x01\0".to_vec();
    block.extend_from_slice(&[orientation, 0, 0]);
    block.extend_from_slice(b"\x01\x31\0\x02\0\0\0\x04abc\0\0\0\0\0");
    block
}

/// The first picture of [`kinds`] with three channels, with an orientation, EXIF and a profile, and a comment in PNG.
fn dressed(path: &Path, orientation: u8) {
    let rgb = DynamicImage::from(scene(0)).to_rgb8();
    let mut bytes = Vec::new();
    let icc = b"not a profile, but carried as it is".to_vec();
    if path.extension().unwrap() == "png" {
        let mut encoder = PngEncoder::new(&mut bytes);
        encoder.set_icc_profile(icc).unwrap();
        encoder.set_exif_metadata(exif(orientation)).unwrap();
        encoder.write_image(&rgb, SIZE.0, SIZE.1, image::ExtendedColorType::Rgb8).unwrap();
        // A chunk whose checksum nobody looks at on the way, before the end.
        let end = bytes.len() - 12;
        let text = b"\0\0\0\x09tEXtTitle\0abc\x00\x00\x00\x00";
        bytes.splice(end..end, text.iter().copied());
    } else {
        let mut encoder = JpegEncoder::new_with_quality(&mut bytes, 90);
        encoder.set_icc_profile(icc).unwrap();
        encoder.set_exif_metadata(exif(orientation)).unwrap();
        encoder.write_image(&rgb, SIZE.0, SIZE.1, image::ExtendedColorType::Rgb8).unwrap();
    }
    fs::write(path, bytes).unwrap();
}

#[test]
fn a_region_is_meant_as_displayed_and_orientation_exif_and_profile_stay() {
    let folder = tempfile::tempdir().unwrap();
    // Where the region 2,3 10x6 of the displayed picture lies in the stored one.
    for (orientation, stored) in [
        (1, (2, 3, 10, 6)),
        (2, (97 - 12, 3, 10, 6)),
        (3, (97 - 12, 61 - 9, 10, 6)),
        (4, (2, 61 - 9, 10, 6)),
        (5, (3, 2, 6, 10)),
        (6, (3, 61 - 12, 6, 10)),
        (7, (97 - 9, 61 - 12, 6, 10)),
        (8, (97 - 9, 2, 6, 10)),
    ] {
        let (input, output) = (folder.path().join("in.png"), folder.path().join(format!("out{orientation}.png")));
        dressed(&input, orientation);
        done(&job(&input, &output, "2,3,10,6")).unwrap();
        let places = changed(&read(&input), &read(&output));
        let (x, y, w, h) = stored;
        assert!(places.len() > 30, "{orientation}");
        assert!(
            places.iter().all(|p| (x..x + w).contains(&p.0) && (y..y + h).contains(&p.1)),
            "{orientation}: {places:?}"
        );
        let mut after = open(&output);
        assert_eq!(after.orientation().unwrap(), Orientation::from_exif(orientation).unwrap());
        assert_eq!(after.exif_metadata().unwrap().unwrap(), exif(orientation));
        assert!(after.icc_profile().unwrap().unwrap().starts_with(b"not a profile"));
        let bytes = fs::read(&output).unwrap();
        assert!(bytes.windows(13).any(|w| w == b"tEXtTitle\0abc"), "comments stay");
    }
}

#[test]
fn a_jpeg_keeps_its_blocks_and_nearly_all_of_its_samples() {
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (folder.path().join("in.jpg"), folder.path().join("out.jpg"));
    dressed(&input, 6);
    done(&job(&input, &output, "2,3,10,6")).unwrap();
    let mut after = open(&output);
    assert_eq!(after.exif_metadata().unwrap().unwrap(), exif(6));
    assert!(after.icc_profile().unwrap().is_some());
    let (before, after) = (read(&input).to_rgb8(), read(&output).to_rgb8());
    let outside = |x: u32, y: u32| !((0..16).contains(&x) && (40..61).contains(&y));
    let (mut sum, mut count) = (0.0, 0.0);
    for (x, y, pixel) in before.enumerate_pixels().filter(|(x, y, _)| outside(*x, *y)) {
        for (a, b) in pixel.channels().iter().zip(after.get_pixel(x, y).channels()) {
            sum += (f64::from(*a) - f64::from(*b)).powi(2);
            count += 1.0;
        }
    }
    let psnr = 10.0 * (255.0f64 * 255.0 * count / sum).log10();
    assert!(psnr > 43.0, "{psnr:.1} dB");
    let tiff = folder.path().join("out.tif");
    let error = done(&job(&input, &tiff, "2,3,10,6")).unwrap_err();
    assert!(error.to_string().contains("--accept-loss exif"), "{error}");
    let mut consenting = job(&input, &tiff, "2,3,10,6");
    consenting.options.accept_loss.insert("exif".into());
    done(&consenting).unwrap();
    assert_eq!(open(&tiff).orientation().unwrap(), Orientation::Rotate90);
    let again = folder.path().join("again.tif");
    done(&job(&tiff, &again, "2,3,10,6")).unwrap();
    assert_eq!(open(&again).orientation().unwrap(), Orientation::Rotate90);
    assert!(open(&again).icc_profile().unwrap().is_some());
}

#[test]
fn what_an_image_cannot_be_is_refused_in_words() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    DynamicImage::from(scene(0)).save(at("in.png")).unwrap();
    let refused = |input: &Path, output: &Path, region: &str, kind: ErrorKind, words: &str| {
        let error = done(&job(input, output, region)).unwrap_err();
        assert!(error.kind() == kind && error.to_string().contains(words), "{error}");
        assert!(!output.exists());
    };
    let region = "2,3,10,6";
    refused(&at("in.png"), &at("out.png"), "", ErrorKind::NothingFound, "single image");
    refused(&at("in.png"), &at("out.jpg"), region, ErrorKind::Unsupported, "--accept-loss alpha");
    refused(&at("in.png"), &at("out.mp4"), region, ErrorKind::Usage, "out.mp4");
    fs::write(at("torn.png"), &fs::read(at("in.png")).unwrap()[..400]).unwrap();
    refused(&at("torn.png"), &at("out.png"), region, ErrorKind::Input, "torn.png");
    let mut animated = fs::read(at("in.png")).unwrap();
    animated.splice(33..33, *b"\0\0\0\x08acTL\0\0\0\x02\0\0\0\0\x9e\x41\x4c\x6b");
    fs::write(at("moving.png"), animated).unwrap();
    refused(&at("moving.png"), &at("out.png"), region, ErrorKind::Unsupported, "animation");
    let error = done(&job(&at("in.png"), &at("in.png"), region)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Usage);
    let names: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(names.len(), 3, "nothing is left behind: {names:?}");
}

/// Stops the job when `images` are done.
struct Stopping {
    images: usize,
    resumed: usize,
}

impl Observer for Stopping {
    fn event(&mut self, event: Event) {
        if let Event::Segment { resumed, .. } = event {
            self.images = self.images.saturating_sub(1);
            self.resumed += usize::from(resumed);
        }
    }

    fn control(&mut self) -> Control {
        if self.images == 0 { Control::Cancel } else { Control::Continue }
    }
}

fn sequence(folder: &Path, count: u32) -> PathBuf {
    let input = folder.join("in");
    fs::create_dir_all(&input).unwrap();
    for n in 0..count {
        DynamicImage::from(scene(3 * n)).to_rgb8().save(input.join(format!("f{}.png", n + 8))).unwrap();
    }
    input
}

#[test]
fn an_interrupted_sequence_goes_on_where_it_stopped_and_ends_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let input = sequence(folder.path(), 5);
    fs::write(input.join("notes.txt"), "not an image").unwrap();
    let whole = job(&input, &folder.path().join("whole"), "20,10,30,12@f1-f4");
    let report = done(&whole).unwrap();
    assert_eq!((report.frames, report.frames_marked), (5, 3));
    assert!(report.refusals.iter().any(|r| r.contains("notes.txt")), "{:?}", report.refusals);

    let parts = job(&input, &folder.path().join("parts"), "20,10,30,12@f1-f4");
    let mut stopping = Stopping { images: 2, resumed: 0 };
    assert_eq!(run(&parts, &mut stopping).unwrap_err().kind(), ErrorKind::Cancelled);
    let first = parts.output.join("f8.png");
    assert!(first.exists() && !parts.output.join("f12.png").exists());
    // One of the two finished images is damaged in the meantime.
    fs::write(&first, "torn").unwrap();
    let error = done(&parts).unwrap_err();
    assert!(error.to_string().contains("f8.png exists"), "a file that is not ours is not replaced: {error}");
    fs::remove_file(&first).unwrap();
    let mut watching = Stopping { images: 99, resumed: 0 };
    run(&parts, &mut watching).unwrap();
    assert_eq!(watching.resumed, 1);
    for n in 8..13 {
        let name = format!("f{n}.png");
        assert_eq!(fs::read(whole.output.join(&name)).unwrap(), fs::read(parts.output.join(&name)).unwrap(), "{name}");
    }
    let mut names: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["in", "parts", "whole"], "no work folder is left");

    let pattern = job(&input.join("f%d.png"), &folder.path().join("whole/g%03d.png"), "20,10,30,12@f1-f4");
    done(&pattern).unwrap();
    assert_eq!(fs::read(whole.output.join("g010.png")).unwrap(), fs::read(whole.output.join("f10.png")).unwrap());
    fs::remove_file(input.join("f10.png")).unwrap();
    let error = done(&pattern).unwrap_err();
    assert!(error.kind() == ErrorKind::Input && error.to_string().contains("f10.png is missing"), "{error}");
    DynamicImage::from(scene(0)).crop_imm(0, 0, 40, 40).to_rgb8().save(input.join("f10.png")).unwrap();
    let error = done(&job(&input, &folder.path().join("mixed"), "1,1,9,9")).unwrap_err();
    assert!(error.kind() == ErrorKind::Input && error.to_string().contains("f10.png is 40x40"), "{error}");
}

#[test]
fn previews_and_inspections_show_the_marks_as_displayed() {
    let folder = tempfile::tempdir().unwrap();
    let (input, out) = (folder.path().join("in.png"), folder.path().join("out.png"));
    dressed(&input, 6);
    let task = job(&input, Path::new(""), "2,3,10,6");
    preview(&task, None, &out, &mut Silent).unwrap();
    // The displayed picture is 61 x 97, smaller than the least crop: before, a line of 2, after.
    let picture = read(&out).to_rgb8();
    assert_eq!(picture.dimensions(), (61 * 2 + 2, 97));
    let differs = |x: u32, y: u32| picture.get_pixel(x, y) != picture.get_pixel(x + 63, y);
    let places: Vec<_> = (0..97).flat_map(|y| (0..61).map(move |x| (x, y))).filter(|(x, y)| differs(*x, *y)).collect();
    assert!(places.len() > 30 && places.iter().all(|(x, y)| (2..12).contains(x) && (3..9).contains(y)), "{places:?}");
    inspect(&task, None, &out, &mut Silent).unwrap();
    let sheet = read(&out).to_rgb8();
    assert_eq!(sheet.dimensions(), (61 * 3 + 4, 97));
    assert_eq!(sheet.get_pixel(1, 5), &image::Rgb([230, 159, 0]), "a line around the mark");
    assert_eq!(sheet.get_pixel(63 * 2 + 5, 5), picture.get_pixel(63 + 5, 5), "the restored frame is the last panel");
    let error = preview(&task, Some(&"f7-f9".parse().unwrap()), &out, &mut Silent).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Usage);
    let nothing = job(&input, Path::new(""), "");
    assert_eq!(preview(&nothing, None, &out, &mut Silent).unwrap_err().kind(), ErrorKind::NothingFound);
    assert_eq!(inspect(&nothing, None, &out, &mut Silent).unwrap_err().kind(), ErrorKind::NothingFound);
}

#[test]
fn an_inspection_of_a_sequence_is_a_clip_with_a_frame_an_image() {
    let folder = tempfile::tempdir().unwrap();
    let input = sequence(folder.path(), 4);
    for name in ["out.mp4", "out.mkv"] {
        let out = folder.path().join(name);
        inspect(&job(&input, Path::new(""), "20,10,30,12@f1-f4"), None, &out, &mut Silent).unwrap();
        let found = probe(&out, &Options::default()).unwrap();
        let video = found.source.video_stream().unwrap().video.clone().unwrap();
        assert_eq!((found.frames, video.width, video.height), (3, 98, 61 * 3 + 5), "{name}");
    }
    let found = probe(&input, &Options::default()).unwrap();
    assert_eq!((found.frames, found.source.streams.len()), (4, 1));
}

/// A textured scene that moves, with a plate that does not.
fn marked(n: u32) -> DynamicImage {
    let (w, h) = (320u32, 200u32);
    let noise = |x: u32, y: u32| {
        let mut v = x.wrapping_mul(0x9e37_79b1) ^ y.wrapping_mul(0x85eb_ca6b);
        v = (v ^ (v >> 15)).wrapping_mul(0x2c1b_3c6d);
        (v >> 24) as f64
    };
    let smooth = |x: f64, y: f64| {
        let (i, j) = (x.floor(), y.floor());
        let (fx, fy) = (x - i, y - j);
        let at = |dx: u32, dy: u32| noise(i as u32 + dx, j as u32 + dy);
        (at(0, 0) * (1.0 - fx) + at(1, 0) * fx) * (1.0 - fy) + (at(0, 1) * (1.0 - fx) + at(1, 1) * fx) * fy
    };
    ImageBuffer::from_fn(w, h, |x, y| {
        if (250..298).contains(&x) && (20..44).contains(&y) {
            let stroke = (x / 4 + y / 6) % 2 == 0;
            return image::Rgb(if stroke { [250u8, 250, 250] } else { [20, 60, 200] });
        }
        let (u, v) = (f64::from(x + 9 * n), f64::from(y + 4 * n));
        let value = 0.6 * smooth(u / 17.0, v / 17.0) + 0.4 * smooth(u / 6.0, v / 6.0);
        image::Rgb([value as u8, (0.8 * value + 20.0) as u8, (200.0 - 0.6 * value) as u8])
    })
    .into()
}

#[test]
fn a_mark_on_a_sequence_is_found_as_on_a_video() {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("in");
    fs::create_dir(&input).unwrap();
    for n in 0..24 {
        marked(n).save_with_format(input.join(format!("{n}.bmp")), ImageFormat::Bmp).unwrap();
    }
    let report = done(&job(&input, &folder.path().join("out"), "")).unwrap();
    let found = report.marks.first().unwrap();
    let plate = cleanplate_core::Rect::new(250, 20, 48, 24);
    // The mask is grown by 3 pixels and by what the locator leaves around a mark.
    let holds = found.rect.intersect(&plate) == plate && found.rect.area() < 3 * plate.area();
    assert!(report.marks.len() == 1 && holds, "{:?}", report.marks);
    assert_eq!(report.frames_marked, 24);
}
