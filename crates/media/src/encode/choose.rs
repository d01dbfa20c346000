//! Which encoder writes a source's video: the source's own codec and samples where that can be, a named substitute where
//! nothing is lost by it, a refusal with its remedy where something would be.

use std::collections::BTreeSet;

use cleanplate_core::PixelFormat;
use serde::{Deserialize, Serialize};

use super::carry::losses_of_side_data;
use super::formats::{self, Codec, Fit, Loss};
use super::hardware;
use super::options;
use super::spec::EncoderSpec;
use crate::error::{Error, Result};
use crate::pixfmt;
use crate::types::{Container, SourceInfo, StreamInfo, VideoParams};

/// What the user asks of the encoder; the default leaves everything to the source.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EncodeRequest {
    /// A codec (`h264`, `hevc`, `av1`, `ffv1`, `prores`, `mpeg2`) or libav's name of its encoder (`libx264` ...).
    pub codec: Option<String>,
    /// Constant rate factor, on the encoder's own scale.
    pub crf: Option<f32>,
    /// The encoder's preset.
    pub preset: Option<String>,
    /// libav's name of the sample format to be coded; asking for one is consent to what it loses.
    pub pix_fmt: Option<String>,
    /// Options of libav or the encoder, after all others.
    pub options: Vec<(String, String)>,
    /// Names of what may be lost (see [`Loss::name`]); names of other parts of the engine may be among them.
    pub accept_loss: BTreeSet<String>,
    /// libav's names of the kinds of side data that the frames carry, as far as known before they are encoded: what has no
    /// place in a codec is then refused early.
    pub frame_side_data: BTreeSet<String>,
    /// Threads of the encoder, 0 for as many as plain `ffmpeg` would use on this machine.
    pub threads: u32,
}

/// A chosen encoder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Choice {
    /// The encoder with all its settings.
    pub spec: EncoderSpec,
    /// What differs from the source's own codec and samples, in words for the log and the report; empty where nothing does.
    pub substitutions: Vec<String>,
    /// Encoders in hardware that could write the same in its place, the best first, each with all its settings or with why it cannot. Whether one
    /// is there is not known before it is [tried](super::try_encoder).
    #[serde(default)]
    pub hardware: Vec<Possible>,
}

/// An encoder in hardware.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Possible {
    /// libav's name of it.
    pub name: String,
    /// How it would write, or why it cannot write this.
    pub spec: std::result::Result<EncoderSpec, String>,
}

/// Chooses the encoder for the worked-on video of `info`, to be written into `container`.
///
/// Candidates are the source's codec, then its substitutes, as far as `container` takes them (or the requested codec
/// alone). The first one that loses nothing is chosen; where all lose something, the one that loses least, as far as the
/// request consents.
///
/// # Errors
/// [`Error::Unsupported`] where every candidate loses something: the text names what, the flag that consents, and a
/// container or codec that would lose nothing.
pub fn choose_encoder(info: &SourceInfo, container: Container, request: &EncodeRequest) -> Result<Choice> {
    let stream = info.video_stream().ok_or_else(|| Error::Input("the file has no video stream".into()))?;
    let video = stream.video.as_ref().ok_or_else(|| Error::Input(format!("stream {} is no video", info.video)))?;
    let source = Source::new(&stream.codec, video)?;
    let consent = consent(&request.accept_loss);
    let wanted = request.pix_fmt.as_deref().map(wanted_format).transpose()?;
    let requested = request.codec.as_deref().map(requested_codec).transpose()?;
    let candidates: Vec<Codec> = match requested {
        Some(codec) if !container.codecs().contains(&codec) => {
            return Err(Error::unsupported_but(
                format!("{} cannot carry {}", container.title(), codec.title()),
                format!("write to {}", containers_of(codec)),
            ));
        }
        Some(codec) => vec![codec],
        None => formats::family(&source.codec).iter().copied().filter(|c| container.codecs().contains(c)).collect(),
    };
    let mut refusals = Vec::new();
    let mut possible: Vec<(Codec, Fit)> = Vec::new();
    for codec in &candidates {
        match source.written_with(*codec, wanted, requested.is_some()) {
            Err(problem) => refusals.push(problem),
            Ok(mut fit) => {
                fit.losses.extend(losses_of_side_data(*codec, request.frame_side_data.iter().map(String::as_str)));
                let agreed = |l: &Loss| consent.contains(l) || wanted.is_some() && l.is_of_samples();
                let missing: Vec<Loss> = fit.losses.iter().copied().filter(|l| !agreed(l)).collect();
                if missing.is_empty() {
                    possible.push((*codec, fit));
                } else {
                    refusals.push(refusal(*codec, &source, &fit, &missing));
                }
            }
        }
    }
    // Of equals the first one wins: the order of the candidates is that of the family.
    let least = possible.into_iter().min_by_key(|(_, fit)| match fit.losses.len() {
        0 => (0, 0),
        losses => (losses, fit.changes),
    });
    if let Some((codec, fit)) = least {
        return finish(&source, stream, codec, fit, container, request, consent);
    }
    let what = if candidates.is_empty() {
        format!("{} has no place for {} or any substitute of it that is written here", container.title(), source.codec)
    } else {
        refusals.join("; ")
    };
    Err(Error::Unsupported { what, remedy: remedy(&source, container) })
}

/// The source's video as far as it decides.
pub(super) struct Source<'a> {
    pub(super) codec: String,
    pub(super) video: &'a VideoParams,
    pub(super) format: PixelFormat,
}

impl<'a> Source<'a> {
    fn new(codec: &str, video: &'a VideoParams) -> Result<Self> {
        let format = video
            .format
            .ok_or_else(|| Error::unsupported(format!("samples in the format {} cannot be carried", video.pix_fmt)))?;
        Ok(Self { codec: codec.to_owned(), video, format })
    }

    /// How `codec` would write it, with all that would be lost; in words why it cannot at all.
    pub(super) fn written_with(
        &self,
        codec: Codec,
        wanted: Option<PixelFormat>,
        asked_for: bool,
    ) -> std::result::Result<Fit, String> {
        let mut fit = formats::fit(codec, self.format, wanted)
            .ok_or_else(|| format!("{} cannot code {}", codec.title(), self.video.pix_fmt))?;
        if let Some(problem) = codec.size_problem(fit.format, self.video.width, self.video.height) {
            return Err(problem);
        }
        if formats::loses_fields(codec, self.video.scan, fit.format, self.video.height) {
            fit.losses.insert(Loss::FieldOrder);
        }
        if formats::is_lossless(&self.codec) && !codec.is_lossless() && !asked_for {
            fit.losses.insert(Loss::Lossless);
        }
        Ok(fit)
    }
}

fn consent(names: &BTreeSet<String>) -> BTreeSet<Loss> {
    Loss::ALL.into_iter().filter(|loss| names.contains(loss.name())).collect()
}

fn requested_codec(name: &str) -> Result<Codec> {
    Codec::by_name(name).ok_or_else(|| {
        let known: Vec<&str> = Codec::ALL.iter().map(|c| c.name()).collect();
        Error::unsupported_but(
            format!("there is no encoder for {name} here"),
            format!("known are {}", known.join(", ")),
        )
    })
}

fn wanted_format(name: &str) -> Result<PixelFormat> {
    let unknown = || Error::unsupported(format!("{name} is no planar sample format of libav"));
    pixfmt::by_name(name).and_then(pixfmt::from_av).ok_or_else(unknown)
}

fn refusal(codec: Codec, source: &Source<'_>, fit: &Fit, missing: &[Loss]) -> String {
    let losses: Vec<&str> = missing.iter().map(|l| l.name()).collect();
    let flags: Vec<String> = losses.iter().map(|l| format!("--accept-loss {l}")).collect();
    format!(
        "{} would write {} as {} and lose {} ({} consents)",
        codec.title(),
        describe(source),
        libav_name(fit.format),
        losses.join(", "),
        flags.join(" ")
    )
}

fn describe(source: &Source<'_>) -> String {
    let fields = if source.video.scan.is_interlaced() { " interlaced" } else { "" };
    format!("{}{fields} {}", source.codec, source.video.pix_fmt)
}

fn containers_of(codec: Codec) -> String {
    let titles: Vec<&str> =
        Container::EVERY.iter().filter(|c| c.codecs().contains(&codec)).map(|c| c.title()).collect();
    titles.join(", ")
}

/// Containers in which nothing would be lost, with the codec that would be written there.
fn remedy(source: &Source<'_>, not: Container) -> Option<String> {
    let lossless = |container: &Container| {
        let codec = formats::family(&source.codec).iter().copied().find(|codec| {
            container.codecs().contains(codec)
                && source.written_with(*codec, None, false).is_ok_and(|fit| fit.losses.is_empty())
        })?;
        Some(format!("{} ({})", container.title(), codec.title()))
    };
    let kept: Vec<String> = [Container::Mkv, Container::Mov, Container::Mp4]
        .iter()
        .filter(|container| **container != not)
        .filter_map(lossless)
        .collect();
    (!kept.is_empty()).then(|| format!("nothing is lost in {}", kept.join(" or ")))
}

fn libav_name(format: PixelFormat) -> String {
    pixfmt::to_av(format).map_or_else(|| format!("{format:?}"), pixfmt::name)
}

fn finish(
    source: &Source<'_>,
    stream: &StreamInfo,
    codec: Codec,
    fit: Fit,
    container: Container,
    request: &EncodeRequest,
    accept_loss: BTreeSet<Loss>,
) -> Result<Choice> {
    let video = source.video;
    let encoder = codec.encoder(fit.format);
    if options::find(encoder).is_none() {
        return Err(Error::unsupported(format!("this build of libav has no encoder {encoder}")));
    }
    let threads = if request.threads > 0 { request.threads } else { options::threads(encoder, video.height) };
    let scan = if codec.codes_fields(fit.format, video.height) { video.scan } else { Default::default() };
    let options = options::all(encoder, request, threads, (&source.codec, video), codec, container)?;
    let color = options::color(video, fit.format, source.format);
    let spec = EncoderSpec {
        codec,
        encoder: encoder.to_owned(),
        stand_in: None,
        source_format: source.format,
        pix_fmt: options::encoder_format(encoder, fit.format)
            .ok_or_else(|| Error::Internal(format!("{encoder} has no sample format for {:?}", fit.format)))?,
        width: video.width,
        height: video.height,
        time_base: stream.time_base,
        frame_rate: options::frame_rate(codec, stream, video.frame_rate),
        sar: video.sar,
        color,
        scan,
        global_header: container.has_global_header(),
        threads,
        options,
        losses: fit.losses.clone(),
        accept_loss,
    };
    let substitutions = substitutions(source, codec, &fit);
    let hardware = hardware::possible(&spec, request, container);
    Ok(Choice { spec, substitutions, hardware })
}

fn substitutions(source: &Source<'_>, codec: Codec, fit: &Fit) -> Vec<String> {
    let mut words = Vec::new();
    if codec.name() != source.codec {
        words.push(format!("{} is written as {}", source.codec, codec.title()));
    }
    if fit.format != source.format {
        let kept = if fit.losses.is_empty() { "no sample value is lost" } else { "with your consent" };
        words.push(format!("{} is coded as {} ({kept})", libav_name(source.format), libav_name(fit.format)));
    }
    if !fit.losses.is_empty() {
        let losses: Vec<&str> = fit.losses.iter().map(|l| l.name()).collect();
        words.push(format!("lost by consent: {}", losses.join(", ")));
    }
    words
}
