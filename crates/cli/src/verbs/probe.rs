//! `cleanplate probe`: what is in a file, what will be kept and what cannot be.

use std::path::Path;

use cleanplate::{Options, Probe as Found, Result};
use serde::Serialize;
use serde_json::{Value, json};

use crate::args::Probe;
use crate::exit;
use crate::folder;
use crate::human::{self, printable};
use crate::terminal;

/// Prints what is in the file, or in every video of a folder. Returns the exit code.
pub(crate) fn run(args: &Probe) -> Result<u8> {
    let options = Options { encode: args.encode.options(), stream: args.stream.stream, ..Options::default() };
    let Some((videos, _)) = folder::videos(&args.input)? else {
        let found = cleanplate::probe(&args.input, &options)?;
        show(args, &args.input, &found)?;
        return Ok(exit::DONE);
    };
    let mut codes = Vec::new();
    let mut documents: Vec<Value> = Vec::new();
    for path in videos {
        let input = path.display().to_string();
        match cleanplate::probe(&path, &options) {
            Ok(found) if args.talk.json => {
                documents.push(json!({ "input": input, "exit": exit::DONE, "probe": found }))
            }
            Ok(found) => show(args, &path, &found)?,
            Err(error) => {
                let code = exit::code(error.kind());
                tracing::error!("{}", exit::about(&path, &error.to_string()));
                documents.push(json!({ "input": input, "exit": code, "message": error.to_string() }));
                codes.push(code);
            }
        }
    }
    if args.talk.json {
        terminal::print_document(&json!({ "files": documents })).map_err(terminal::failed)?;
    }
    Ok(exit::worst(codes.iter().copied()))
}

fn show(args: &Probe, input: &Path, found: &Found) -> Result<()> {
    let printed = if args.talk.json { terminal::print_document(found) } else { terminal::print(&text(input, found)) };
    printed.map_err(terminal::failed)
}

/// What was found, for people.
fn text(input: &Path, found: &Found) -> String {
    let source = &found.source;
    let mut lines = vec![format!(
        "{}: {} ({}), {}, {} frames in {} s{}",
        printable(&input.display().to_string()),
        word(&source.container),
        source.demuxer,
        human::size(source.size as f64),
        human::grouped(found.frames),
        trimmed(found.seconds),
        if found.variable_rate { ", variable frame rate" } else { "" }
    )];
    for stream in &source.streams {
        let mut what = format!("  stream {}: {} {}", stream.index, word(&stream.kind), stream.codec);
        if let Some(video) = &stream.video {
            what.push_str(&format!(", {}x{} {}", video.width, video.height, video.pix_fmt));
            if video.frame_rate.value() > 0.0 {
                what.push_str(&format!(", about {} fps", trimmed(video.frame_rate.value())));
            }
            if video.rotation != (0, false) {
                let mirrored = if video.rotation.1 { ", mirrored" } else { "" };
                what.push_str(&format!(", turned {} degrees{mirrored}", video.rotation.0));
            }
        }
        if let Some((rate, channels)) = stream.audio {
            what.push_str(&format!(", {rate} Hz, {channels} channels"));
        }
        what.push_str(&format!(", {} packets, {}", human::grouped(stream.packets), human::size(stream.bytes as f64)));
        if let (Some(start), Some(end)) = (stream.start, stream.end) {
            let seconds = stream.time_base.seconds(end.saturating_sub(start));
            what.push_str(&format!(", {} s", trimmed(seconds)));
        }
        if let Some((_, language)) = stream.metadata.iter().find(|(key, _)| key == "language") {
            what.push_str(&format!(", {}", printable(language)));
        }
        if !stream.disposition.is_empty() {
            what.push_str(&format!(" [{}]", stream.disposition.join(", ")));
        }
        if stream.index == source.video {
            what.push_str(" <- worked on");
        }
        lines.push(what);
    }
    if !source.chapters.is_empty() {
        lines.push(format!("  {} chapters", source.chapters.len()));
    }
    for (title, entries) in
        [("encoder", &found.encoder), ("kept", &found.kept), ("lost", &found.lost), ("damage", &found.damage)]
    {
        let title = format!("{title}:");
        for (k, entry) in entries.iter().enumerate() {
            lines.push(format!("  {:<8} {}", if k == 0 { &title } else { "" }, printable(entry)));
        }
    }
    if found.lost.is_empty() {
        lines.push("  lost:    nothing".to_owned());
    }
    lines.push(String::new());
    lines.join("\n")
}

/// The word that the JSON has for an enumerated value.
fn word(value: &impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(Value::String(word)) => word,
        _ => "unknown".to_owned(),
    }
}

/// Up to three decimals, none that say nothing.
fn trimmed(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
