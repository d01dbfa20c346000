//! Takes a file apart and puts it together again with nothing done to its frames: decode, encode, packs, join, verify.
//! Prints one JSON object.
#![allow(clippy::print_stdout, clippy::print_stderr)] // a program for the terminal

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufReader, BufWriter, Seek};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use cleanplate_media::mux::{assemble, commit, container_of, plan_copy, verify};
use cleanplate_media::{
    EncodeRequest, Encoder, OpenOptions, PackHeader, PackReader, PackWriter, Result, Source, StaticSideData,
    StreamParameters, choose_encoder,
};
use serde_json::json;

/// Frames of a segment.
const SEGMENT: usize = 48;

fn main() -> std::process::ExitCode {
    let mut args = std::env::args().skip(1);
    let (Some(input), Some(output)) = (args.next(), args.next()) else {
        eprintln!("usage: roundtrip IN OUT [--preset P] [--codec C] [--drop-streams] [--accept-loss KIND]...");
        return std::process::ExitCode::from(2);
    };
    let mut request = EncodeRequest { threads: 2, ..EncodeRequest::default() };
    let mut drop_streams = false;
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--preset" => request.preset = args.next(),
            "--codec" => request.codec = args.next(),
            "--drop-streams" => drop_streams = true,
            "--accept-loss" => request.accept_loss.extend(args.next()),
            other => {
                eprintln!("unknown argument {other}");
                return std::process::ExitCode::from(2);
            }
        }
    }
    let (code, answer) = match run(Path::new(&input), Path::new(&output), &request, drop_streams) {
        Ok(answer) => (if answer["ok"] == json!(true) { 0 } else { 1 }, answer),
        Err(e) => (4, json!({"ok": false, "refused": e.to_string(), "kind": format!("{:?}", e.kind())})),
    };
    println!("{answer}");
    std::process::ExitCode::from(code)
}

fn run(input: &Path, output: &Path, request: &EncodeRequest, drop_streams: bool) -> Result<serde_json::Value> {
    let go = &mut |_, _| ControlFlow::Continue(());
    let source = Source::open(input, &OpenOptions::default(), go)?;
    let container = container_of(output, source.info())?;
    let choice = choose_encoder(source.info(), container, request)?;
    let accept: BTreeSet<String> = request.accept_loss.clone();
    let plan = plan_copy(&source, container, &choice.spec, drop_streams, &accept)?;
    let part = PathBuf::from(format!("{}.part", output.display()));
    let packs = encode(&source, &choice.spec)?;
    let mut readers = packs.into_iter().map(|mut file| {
        file.rewind().map_err(|source| cleanplate_media::Error::Io {
            action: "read",
            path: "a pack".into(),
            source,
        })?;
        PackReader::open(BufReader::new(file))
    });
    let written = assemble(&source, &plan, &mut readers, &part, go)?;
    let checks = verify(&part, &source, &plan, source.index(), go)?;
    commit(&part, output, true)?;
    Ok(json!({
        "ok": checks.is_ok(), "words": choice.substitutions, "method": plan.method, "notes": plan.notes, "losses": plan.losses,
        "bytes": written.bytes, "failures": checks.failures().collect::<Vec<_>>(), "checks": checks.checks.len(),
        "timing": source.index().timing, "frames": source.index().frames.len(),
        "streams": plan.streams.iter().map(|s| json!({"from": s.index, "to": s.to, "fate": s.fate})).collect::<Vec<_>>(),
        "encoder": choice.spec.encoder, "codec": choice.spec.codec, "time_base": source.index().time_base,
        "video": source.info().video,
        "pts": source.index().frames.iter().map(|f| f.pts).collect::<Vec<_>>(),
    }))
}

/// Every segment as a pack in a nameless file.
fn encode(source: &Source, spec: &cleanplate_media::EncoderSpec) -> Result<Vec<File>> {
    let mut reader = source.reader(2)?;
    let mut packs = Vec::new();
    let io = |source| cleanplate_media::Error::Io { action: "write", path: "a pack".into(), source };
    let mut frame = reader.read()?;
    let hdr = frame.as_ref().map(StaticSideData::of).unwrap_or_default();
    while frame.is_some() {
        let mut encoder = Encoder::open(spec, &hdr)?;
        let header = PackHeader {
            engine: "roundtrip".into(),
            key: packs.len().to_string(),
            time_base: spec.time_base,
            stream: StreamParameters::from_av(&encoder.parameters()?),
        };
        let mut writer = PackWriter::new(BufWriter::new(tempfile::tempfile().map_err(io)?), &header)?;
        for _ in 0..SEGMENT {
            let Some(now) = frame else { break };
            encoder.push(now, &mut |packet| writer.push(packet))?;
            frame = reader.read()?;
        }
        encoder.finish(&mut |packet| writer.push(packet))?;
        let file = writer.finish()?.into_inner().map_err(|e| io(e.into_error()))?;
        packs.push(file);
    }
    Ok(packs)
}
