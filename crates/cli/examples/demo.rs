//! The whole job on a clip whose truth is known: draws a scene, burns a logo in, encodes it as users' files are, cleans it
//! with the `cleanplate` program, and tells how close the result came. Leaves the clips, the report and a before/after
//! picture in a folder (`demo-out`, or the first argument).

#![allow(clippy::print_stdout, clippy::print_stderr)] // a program talks

use std::error::Error;
use std::fs::{self, File};
use std::io::BufReader;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::Command;

use cleanplate_core::{Frame, PixelFormat, Rect, Scan};
use cleanplate_media::encode::{Codec, Encoder, EncoderSpec, StaticSideData};
use cleanplate_media::mux::assemble_alone;
use cleanplate_media::pack::{PackHeader, PackReader, PackWriter, StreamParameters};
use cleanplate_media::source::{OpenOptions, Source};
use cleanplate_media::{Container, Rational};
use cleanplate_testkit::{Clip, Evaluation, Mark, MarkKind, Motion, Picture, Scenery, Shot};

const SIZE: (u32, u32) = (1280, 720);
const FRAMES: u64 = 75;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args().nth(1).map_or_else(|| PathBuf::from("demo-out"), PathBuf::from);
    fs::create_dir_all(&folder)?;
    let path = |name: &str| folder.join(name);

    println!("drawing {FRAMES} frames of {}x{} with a logo ...", SIZE.0, SIZE.1);
    let shot = Shot { movers: 2, grain: 1.0, ..Shot::new(Scenery::Clouds, Motion::Handheld { reach: 6.0 }, FRAMES) };
    let clip = Clip::new(7, SIZE, &[shot]).with_durations(&[40]);
    let mark = Mark::draw(MarkKind::OpaqueLogo, MarkKind::OpaqueLogo.corner(SIZE.0, SIZE.1));
    encode(clip.frames().map(|frame| mark.over(&frame)), &path("marked.mp4"))?;

    let place = mark.mask().trimmed().rect();
    let region = format!("{},{},{},{}", place.x, place.y, place.w, place.h);
    println!("cleanplate remove marked.mp4 -o clean.mp4 --region {region}");
    let status = Command::new(program()?)
        .args(["remove", "-y", "--region", &region, "--report"])
        .arg(path("report.json"))
        .arg("-o")
        .arg(path("clean.mp4"))
        .arg(path("marked.mp4"))
        .status()?;
    if !status.success() {
        return Err(format!("cleanplate ended with {status}").into());
    }

    println!("comparing with the truth inside the mark ...");
    let support = mark.support(0.02);
    let (mut before, mut after) = (Evaluation::default(), Evaluation::default());
    let (mut marked, mut clean) = (read(&path("marked.mp4"))?, read(&path("clean.mp4"))?);
    let mut sheet = None;
    for truth in clip.frames() {
        let (Some(marked), Some(clean)) = (marked.read()?, clean.read()?) else {
            return Err(format!("frame {} is missing", truth.idx).into());
        };
        let burned = mark.over(&truth);
        before.add(&marked, &truth, &burned, &support);
        after.add(&clean, &truth, &burned, &support);
        if truth.idx == FRAMES / 2 {
            let shown = place.grow(60, SIZE.0, SIZE.1);
            let picture = |frame: &Frame| Picture::of(frame, shown).enlarged(2);
            let whole = Rect::new(0, 0, SIZE.0, SIZE.1);
            sheet = Some(Picture::sheet(&[
                &[("MARKED", picture(&marked)), ("CLEANED", picture(&clean)), ("TRUTH", picture(&truth))],
                &[("CLEANED, WHOLE FRAME", Picture::of(&clean, whole))],
            ]));
        }
    }
    println!("\nbefore:\n{}\nafter:\n{}", before.verdict(), after.verdict());
    if let Some(sheet) = sheet {
        sheet.write_png(&path("before_after.png"))?;
    }
    println!("\nin {}: marked.mp4, clean.mp4, report.json, before_after.png", folder.display());
    Ok(())
}

/// The program that was built beside this example.
fn program() -> Result<PathBuf, Box<dyn Error>> {
    let own = std::env::current_exe()?;
    let folder = own.parent().and_then(Path::parent).ok_or("an example outside of a target folder")?;
    let program = folder.join(format!("cleanplate{}", std::env::consts::EXE_SUFFIX));
    if program.exists() { Ok(program) } else { Err(format!("{} is not built", program.display()).into()) }
}

fn read(path: &Path) -> Result<cleanplate_media::VideoReader, Box<dyn Error>> {
    let source = Source::open(path, &OpenOptions::default(), &mut |_, _| ControlFlow::Continue(()))?;
    Ok(source.reader(0)?)
}

/// H.264 at crf 20, 25 frames a second.
fn encode(frames: impl Iterator<Item = Frame>, path: &Path) -> Result<(), Box<dyn Error>> {
    let option = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    let spec = EncoderSpec {
        codec: Codec::H264,
        encoder: "libx264".to_owned(),
        stand_in: None,
        source_format: PixelFormat::YUV420P8,
        pix_fmt: "yuv420p".to_owned(),
        width: SIZE.0,
        height: SIZE.1,
        time_base: Rational::new(1, 1000),
        frame_rate: Rational::new(25, 1),
        sar: Rational::new(1, 1),
        color: Default::default(),
        scan: Scan::Progressive,
        global_header: true,
        threads: 2,
        options: vec![option("preset", "medium"), option("crf", "20"), option("bf", "0")],
        losses: Default::default(),
        accept_loss: Default::default(),
    };
    let mut encoder = Encoder::open(&spec, &StaticSideData::default())?;
    let header = PackHeader {
        engine: "demo".to_owned(),
        key: "demo".to_owned(),
        time_base: spec.time_base,
        stream: StreamParameters::from_av(&encoder.parameters()?),
    };
    let pack_path = path.with_extension("pack");
    let mut pack = PackWriter::new(File::create(&pack_path)?, &header)?;
    for frame in frames {
        encoder.push(frame, &mut |packet| pack.push(packet))?;
    }
    encoder.finish(&mut |packet| pack.push(packet))?;
    pack.finish()?.sync_all()?;
    let pack = PackReader::open(BufReader::new(File::open(&pack_path)?));
    assemble_alone(&mut std::iter::once(pack), path, Container::Mp4, &mut |_, _| ControlFlow::Continue(()))?;
    fs::remove_file(pack_path)?;
    Ok(())
}
