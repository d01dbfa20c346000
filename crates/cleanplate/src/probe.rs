//! What is in a file, and what a job would keep of it.

use std::collections::BTreeSet;
use std::path::Path;

use cleanplate_media::SourceInfo;
use cleanplate_media::mux::{container_of, plan_copy};
use serde::{Deserialize, Serialize};

use crate::devices::{DeviceOptions, Wish};
use crate::error::Result;
use crate::images;
use crate::observer::{Phase, Silent};
use crate::options::Options;
use crate::prepare;
use crate::watch::Watch;

/// What is in a file, and what a job into the same container would keep of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Probe {
    /// The file as given.
    pub input: String,
    /// Container, streams, chapters, metadata.
    pub source: SourceInfo,
    /// SHA-256 of its parameters and packets.
    pub digest: String,
    /// Frames of the worked-on track, counted.
    pub frames: u64,
    /// Seconds from its first frame to the end of its last.
    pub seconds: f64,
    /// Whether the gaps between its frames differ.
    pub variable_rate: bool,
    /// What is kept, in words.
    pub kept: Vec<String>,
    /// What cannot be kept in this container, with what helps.
    pub lost: Vec<String>,
    /// How the worked-on track would be encoded, in words.
    pub encoder: Vec<String>,
    /// What is broken, in words.
    pub damage: Vec<String>,
}

/// Tells what is in `input` and what a job with `options` would keep of it in the same container.
///
/// # Errors
/// Where the file cannot be read or has no video.
pub fn probe(input: &Path, options: &Options) -> Result<Probe> {
    let mut silent = Silent;
    let mut watch = Watch::new(&mut silent, vec![Phase::Index]);
    if let Some(found) = images::input(input)? {
        return images::probe(input, &found, &mut watch);
    }
    // Hardly a frame is decoded: no device is worth its trial.
    let devices = DeviceOptions { decoder: Wish::Software, ..DeviceOptions::default() };
    let options = &Options { devices, ..options.clone() };
    let opened = prepare::open(input, options, &mut watch)?;
    let (source, index) = (&opened.source, opened.source.index());
    let (mut kept, mut lost, mut encoder) = (Vec::new(), Vec::new(), Vec::new());
    let container = container_of(input, source.info())?;
    match prepare::encoder(&opened, container, options, None) {
        Ok(choice) => {
            encoder = choice.substitutions;
            match plan_copy(source, container, &choice.spec, options.drop_streams, &options.accept_loss) {
                Ok(plan) => {
                    kept = plan
                        .streams
                        .iter()
                        .map(|s| format!("stream {}: {}: {}", s.index, s.words, s.fate.words()))
                        .chain(plan.notes)
                        .collect();
                    lost.extend(plan.losses.iter().map(|l| l.what.clone()));
                }
                Err(error) => lost.push(error.to_string()),
            }
        }
        Err(error) => lost.push(error.to_string()),
    }
    let gaps: BTreeSet<i64> = index.frames.windows(2).map(|pair| pair[1].pts - pair[0].pts).collect();
    let ticks = index.frames.first().zip(index.frames.last()).map_or(0, |(a, b)| b.pts + b.duration - a.pts);
    // Containers with a coarse tick round: gaps that differ by one tick are a constant rate.
    let spread = gaps.last().zip(gaps.first()).map_or(0, |(max, min)| max - min);
    Ok(Probe {
        input: input.display().to_string(),
        source: source.info().clone(),
        digest: source.digest().to_owned(),
        frames: index.frames.len() as u64,
        seconds: index.time_base.seconds(ticks),
        variable_rate: spread > 1,
        kept,
        lost,
        encoder,
        damage: source.damage().summary(),
    })
}
