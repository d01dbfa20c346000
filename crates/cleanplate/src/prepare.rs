//! From a job to its plan: the source is opened and indexed, marks are placed, the encoder and the fate of every other
//! stream are chosen. Nothing is written but masks.

use std::collections::BTreeSet;
use std::path::Path;

use cleanplate_core::Scan;
use cleanplate_media::encode::{Choice, EncodeRequest, StaticSideData, choose_encoder, side_data_of};
use cleanplate_media::mux::{container_of, plan_copy};
use cleanplate_media::source::{OpenOptions, Source};
use cleanplate_media::{Container, Error as MediaError, Rational};

use crate::devices::{self, Refusal};
use crate::error::{Error, Result};
use crate::footage::Footage;
use crate::marks::{Clip, Marker};
use crate::masks::MaskFolder;
use crate::networks::{FillModel, placement};
use crate::observer::{Event, Phase};
use crate::options::{Job, Options};
use crate::plan::{Mark, PLAN_VERSION, Plan, SourcePin, cut};
use crate::upscale::{Coding, Upscale};
use crate::watch::Watch;

/// An opened source and what its worked-on track is like.
pub(crate) struct Opened {
    pub(crate) source: Source,
    pub(crate) clip: Clip,
    pub(crate) hdr: StaticSideData,
    /// How the rows of its first frame were captured: some headers call interlaced tracks progressive.
    pub(crate) scan: Scan,
    /// libav's names of the side data on its first frame.
    pub(crate) frame_side_data: BTreeSet<String>,
    /// Devices that do not decode it.
    pub(crate) refusals: Vec<Refusal>,
}

/// Opens and indexes the source of a job.
pub(crate) fn open(input: &Path, options: &Options, watch: &mut Watch<'_>) -> Result<Opened> {
    let size = std::fs::metadata(input).map(|m| m.len()).unwrap_or(0);
    watch.begin(Phase::Index, size, 0)?;
    let open = OpenOptions { stream: options.stream, ..OpenOptions::default() };
    let source = Source::open(input, &open, &mut |done, total| watch.progress_of(done, total))?;
    watch.end();
    let info = source.info();
    let video = info.video_stream().and_then(|s| s.video.as_ref());
    let video = video.ok_or_else(|| MediaError::Input(format!("{} has no video", input.display())))?;
    let format = video.format.ok_or_else(|| {
        MediaError::unsupported(format!(
            "the samples of {} are {}, which is not supported",
            input.display(),
            video.pix_fmt
        ))
    })?;
    let index = source.index();
    let first = index.frames.first().map_or(0, |f| f.pts);
    let starts = index.frames.iter().map(|f| index.time_base.seconds(f.pts - first)).collect();
    let clip = Clip { starts, size: (video.width, video.height), rotation: video.rotation, format };
    let stream = info.video_stream().map_or("", |s| s.codec.as_str());
    let seconds = clip.starts.last().copied().unwrap_or(0.0);
    watch.tell(Event::info(format!(
        "source: {stream} {}x{} {} | {} frames, {seconds:.2} s | {} streams | {}",
        video.width,
        video.height,
        video.pix_fmt,
        clip.starts.len(),
        info.streams.len(),
        info.demuxer
    )));
    if !source.damage().is_empty() {
        let lines = source.damage().summary();
        lines.into_iter().for_each(|line| watch.tell(Event::warning(format!("source: damaged: {line}"))));
    }
    watch.tell(Event::info(placement(options, watch).words()));
    let refusals = devices::decoder(&source, &options.devices)?;
    devices::tell(
        &refusals,
        &source.device().map_or_else(|| "software".to_owned(), |own| own.name().to_owned()),
        watch,
    );
    // What frames carry is known only from frames: the first one speaks for all until they are encoded.
    let first = source.reader(1)?.read()?;
    let hdr = first.as_ref().map(StaticSideData::of).unwrap_or_default();
    let frame_side_data = first.as_ref().map(side_data_of).unwrap_or_default();
    let scan = first.map(|frame| frame.scan).unwrap_or_default();
    Ok(Opened { source, clip, hdr, scan, frame_side_data, refusals })
}

/// Makes the plan of a job, on paper only or to be carried out at once. Masks are kept in `masks`.
pub(crate) fn plan(job: &Job, opened: &Opened, masks: &Path, on_paper: bool, watch: &mut Watch<'_>) -> Result<Plan> {
    let Opened { source, clip, .. } = opened;
    let options = &job.options;
    if let Some(path) = &options.plan_in {
        return given(path, source, options);
    }
    let info = source.info();
    let container = container_of(&job.output, info)?;
    let unread = source.unread().iter().find(|loss| !job.options.accept_loss.contains(loss.kind));
    if let Some(loss) = unread {
        return Err(MediaError::unsupported_but(
            format!("{} of {} would be lost: no decoder here gives it", loss.what, job.input.display()),
            format!("--accept-loss {} consents", loss.kind),
        )
        .into());
    }
    let mut said = Vec::new();
    let mut upscale = upscale_of(opened, options, &mut said, watch)?;
    let choice = encoder(opened, container, options, upscale.as_ref().map(|(upscale, sar)| (upscale, *sar)))?;
    let picked = devices::encoder(&choice, &options.devices)?;
    devices::tell(&picked.refusals, &picked.spec.words(), watch);
    let copy = plan_copy(source, container, &picked.spec, options.drop_streams, &options.accept_loss)?;
    let (fill_model, refused) = FillModel::of(options, watch)?;
    let (marks, mut words) = place_marks(options, opened, masks, watch)?;
    words.splice(0..0, said.into_iter().chain(refused));
    let keys: Vec<bool> = source.index().frames.iter().map(|f| f.key).collect();
    let segments = cut(&clip.starts, |idx| keys.get(idx).copied().unwrap_or(false));
    // A job that is carried out finds repeats on its way and decodes nothing for them.
    if let Some((upscale, _)) = upscale.as_mut().filter(|(upscale, _)| on_paper && upscale.firsts.is_none()) {
        let threads = options.decoder_threads.unwrap_or(0);
        upscale.firsts = Some(crate::upscale::find(opened, upscale.finder(), &segments, &marks, threads, watch)?);
    }
    Ok(Plan {
        version: PLAN_VERSION,
        engine: env!("CARGO_PKG_VERSION").to_owned(),
        source: pin(source, clip),
        tiers: options.tiers.iter().copied().collect(),
        fill_model,
        upscale: upscale.map(|(upscale, _)| upscale),
        marks,
        segments,
        encoder_words: choice.substitutions,
        refusals: picked.refusals.iter().map(Refusal::line).collect(),
        encoder: picked.spec,
        substitute: picked.substitute,
        copy,
        words,
        repairs: Vec::new(),
        masks: masks.to_owned(),
    })
}

/// The marks of a job, as the user says or as they are located, and what was seen while looking, in words. Masks are kept in
/// `masks`.
pub(crate) fn place_marks(
    options: &Options,
    footage: &dyn Footage,
    masks: &Path,
    watch: &mut Watch<'_>,
) -> Result<(Vec<Mark>, Vec<String>)> {
    let mut folder = MaskFolder::new(masks);
    let mut marker = Marker::new(options, footage.clip(), &mut folder);
    let mut words = Vec::new();
    if options.names_marks() {
        let placed = crate::inks::placed(footage, options, watch)?;
        marker.said(options, &placed, &mut || watch.progress(0))?;
    }
    if options.detect.network.is_some() {
        words = crate::detect::detect(footage, options, &mut marker, watch)?;
    }
    if options.looks_for_marks() {
        words = crate::analyse::locate(footage, options, &mut marker, watch)?;
        if options.regions.is_empty() && !options.names_marks() {
            words.extend(crate::roaming::find(footage, options, &mut marker, watch)?);
        }
    }
    if !options.target.captions() && options.captions.network.is_some() {
        watch.tell(Event::warning(
            "text model: not asked, since captions are not looked for (--target captions or all)",
        ));
    }
    let mut backings = Vec::new();
    if options.target.captions() {
        let (said, found) = crate::captions::find(footage, options, &mut marker, watch)?;
        words.extend(said);
        backings = found;
    }
    let mut marks = marker.finish();
    crate::matting::solve(footage, options, &mut marks, &mut folder, watch)?;
    crate::panels::solve(footage, options, &mut marks, &backings, &mut folder, watch)?;
    crate::plates::gather(footage, options, &mut marks, &mut folder, watch)?;
    Ok((marks, words))
}

pub(crate) fn given(path: &Path, source: &Source, options: &Options) -> Result<Plan> {
    let mut plan = Plan::load(path)?;
    // The network may lie elsewhere by now; whether it is the same one is seen when it is opened.
    if let (Some(model), Some(path)) = (&mut plan.fill_model, &options.fill_model) {
        model.path.clone_from(path);
    }
    if plan.source.digest != source.digest() {
        return Err(Error::Usage(format!(
            "the plan {} was made for another source than {}",
            path.display(),
            source.path().display()
        )));
    }
    Ok(plan)
}

fn pin(source: &Source, clip: &Clip) -> SourcePin {
    SourcePin {
        digest: source.digest().to_owned(),
        stream: source.info().video,
        frames: clip.starts.len() as u64,
        width: clip.size.0,
        height: clip.size.1,
        rotation: clip.rotation,
    }
}

/// The encoder of the worked-on track.
pub(crate) fn encoder(
    opened: &Opened,
    container: Container,
    options: &Options,
    upscale: Option<(&Upscale, Rational)>,
) -> Result<Choice> {
    let mut info = opened.source.info().clone();
    let video = info.video;
    if let Some(video) = info.streams.get_mut(video).and_then(|s| s.video.as_mut())
        && opened.scan.is_interlaced()
    {
        video.scan = opened.scan;
    }
    if let (Some(video), Some((upscale, sar))) =
        (info.streams.get_mut(info.video).and_then(|s| s.video.as_mut()), upscale)
    {
        (video.width, video.height, video.sar) = (upscale.width, upscale.height, sar);
    }
    Ok(choose_encoder(&info, container, &request(options, opened))?)
}

/// How the picture is enlarged, where that is asked for, and the sample aspect ratio of the new one.
fn upscale_of(
    opened: &Opened,
    options: &Options,
    said: &mut Vec<String>,
    watch: &mut Watch<'_>,
) -> Result<Option<(Upscale, Rational)>> {
    let Some(wanted) = &options.upscale else { return Ok(None) };
    if opened.scan.is_interlaced() {
        return Err(MediaError::unsupported_but(
            "an interlaced picture cannot be enlarged: its rows were taken at two times".to_owned(),
            "deinterlace it first".to_owned(),
        )
        .into());
    }
    let video = opened.source.info().video_stream().and_then(|s| s.video.as_ref());
    let sar = video.map_or(Rational::new(0, 1), |video| video.sar);
    let coding = Coding::of(&opened.source, wanted)?;
    Upscale::asked(wanted, options, (&opened.clip, coding), sar, said, watch).map(Some)
}

/// What the media crate is asked to encode.
fn request(options: &Options, opened: &Opened) -> EncodeRequest {
    let encode = &options.encode;
    EncodeRequest {
        codec: encode.codec.clone(),
        crf: encode.crf,
        preset: encode.preset.clone(),
        pix_fmt: encode.pix_fmt.clone(),
        options: encode.extra.clone(),
        accept_loss: options.accept_loss.clone(),
        frame_side_data: opened.frame_side_data.clone(),
        threads: encode.threads.unwrap_or(0),
    }
}
