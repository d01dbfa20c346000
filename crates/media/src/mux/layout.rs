//! The streams of an output as libav's muxer is told of them: order, parameters, side data, metadata, chapters, programs.
//! It knows what each container wants to be told, not whether it keeps it.

use super::facts::Facts;
use super::medium::Medium;
use super::output::Output;
use super::plan::{CopyPlan, Fate, StreamPlan};
use crate::av::{Dict, Packet, Parameters, compat, ffi, text};
use crate::error::{Error, Result};
use crate::source::{Index, Source};
use crate::types::{Container, Rational, StreamKind};

/// The new video stream: what its encoder says, and a few packets for trials.
#[derive(Debug)]
pub(crate) struct Video<'a> {
    /// What the encoder says of its stream.
    pub(crate) parameters: &'a Parameters,
    /// The first packets, in coding order, in the source's ticks; may be empty.
    pub(crate) samples: &'a [Packet],
}

impl Video<'_> {
    /// libav's name of the codec.
    pub(super) fn codec(&self) -> &'static str {
        // SAFETY: libav returns a static name for every number.
        unsafe { std::ffi::CStr::from_ptr(ffi::avcodec_get_name(self.parameters.get().codec_id)) }
            .to_str()
            .unwrap_or("")
    }
}

/// Seconds a tick of a container that has one for all streams; `None` where streams choose.
pub(super) const fn tick(container: Container) -> Option<Rational> {
    match container {
        Container::Mkv | Container::Webm | Container::Flv => Some(Rational::new(1, 1000)),
        Container::Ts | Container::Mpg => Some(Rational::new(1, 90_000)),
        _ => None,
    }
}

/// Ticks a second in which every track's times are whole, where there is such a number of reasonable size. Pauses at the
/// start of tracks are counted in the movie's ticks: coarser ones would round them.
fn movie_ticks(source: &Source) -> Option<i32> {
    const MOST: u64 = 100_000_000;
    let mut bases = source.info().streams.iter().map(|stream| stream.time_base).filter(|base| base.num == 1);
    let ticks = bases.try_fold(1u64, |all, base| {
        let base = u64::try_from(base.den).ok().filter(|den| *den > 0)?;
        let (mut a, mut b) = (all, base);
        while b > 0 {
            (a, b) = (b, a % b);
        }
        Some(all / a * base).filter(|ticks| *ticks <= MOST)
    });
    ticks.and_then(|ticks| i32::try_from(ticks).ok())
}

/// Options of the muxer under which it changes least.
pub(super) fn options(source: &Source, container: Container) -> Result<Vec<(String, String)>> {
    let base = source.index().time_base;
    let mut options: Vec<(&str, String)> = Vec::new();
    match container {
        Container::Mp4 | Container::Mov if base.num == 1 => {
            options.push(("video_track_timescale", base.den.to_string()));
            options.push(("movie_timescale", movie_ticks(source).unwrap_or(base.den).to_string()));
        }
        Container::Mkv | Container::Webm => options.push(("default_mode", "passthrough".into())),
        Container::Ts => {
            options.push(("mpegts_copyts", "1".into()));
            let reader = source.packets()?;
            let context = reader.context();
            let facts_id = context.ts_id;
            if facts_id > 0 {
                options.push(("mpegts_transport_stream_id", facts_id.to_string()));
            }
            // SAFETY: libav keeps nb_programs pointers there.
            let pid = (context.nb_programs > 0).then(|| unsafe { (**context.programs).pmt_pid });
            if let Some(pid) = pid.filter(|pid| (16..0x1fff).contains(pid)) {
                options.push(("mpegts_pmt_start_pid", pid.to_string()));
            }
            if is_m2ts(source)? {
                options.push(("mpegts_m2ts_mode", "1".into()));
            }
        }
        _ => {}
    }
    Ok(options.into_iter().map(|(k, v)| (k.to_owned(), v)).collect())
}

/// Whether the source's packets are 192 bytes long, as cameras and discs write them.
fn is_m2ts(source: &Source) -> Result<bool> {
    use std::io::Read;
    let mut head = [0; 192 * 3];
    let path = source.path();
    let mut file =
        std::fs::File::open(path).map_err(|source| Error::Io { action: "open", path: path.to_owned(), source })?;
    let is_read = file.read_exact(&mut head).is_ok();
    Ok(is_read && [4, 196, 388].iter().all(|i| head[*i] == 0x47))
}

/// Whether a still picture becomes an attachment in this container.
pub(super) fn is_attachment(plan: &CopyPlan, stream: &StreamPlan) -> bool {
    stream.kind == StreamKind::Picture && matches!(plan.container, Container::Mkv | Container::Webm)
}

/// Numbers the streams that are carried: tracks in the source's order, then pictures and attachments, which containers
/// keep apart.
pub(super) fn number(plan: &mut CopyPlan) {
    let is_late = |s: &StreamPlan| matches!(s.kind, StreamKind::Picture | StreamKind::Attachment);
    let mut next = 0;
    for late in [false, true] {
        for stream in &mut plan.streams {
            if is_late(stream) != late {
                continue;
            }
            stream.to = match stream.fate {
                Fate::Worked | Fate::Copied => {
                    next += 1;
                    Some(next - 1)
                }
                Fate::Rewritten | Fate::Dropped => None,
            };
        }
    }
}

/// Where the streams of the plan lie in a file that was opened again: muxers may add tracks of their own (chapters) between.
pub(super) fn place(plan: &CopyPlan, wanted: &Facts, found: &Facts) -> Vec<Option<usize>> {
    let mut order: Vec<&StreamPlan> = plan.streams.iter().filter(|s| s.to.is_some()).collect();
    order.sort_by_key(|s| s.to);
    let mut map = vec![None; plan.streams.len()];
    let mut next = 0;
    for stream in order {
        let fits = |i: &usize| {
            let got = &found.streams[*i];
            let is_new = stream.fate == Fate::Worked;
            got.kind == stream.kind
                && (is_new || wanted.streams.get(stream.index).is_some_and(|w| w.codec == got.codec))
        };
        if let Some(at) = (next..found.streams.len()).find(fits) {
            map[stream.index] = Some(at);
            next = at + 1;
        }
    }
    map
}

/// Tells the muxer everything that the plan carries.
pub(super) fn set_up<M: Medium>(
    output: &mut Output<M>,
    source: &ffi::AVFormatContext,
    plan: &CopyPlan,
    video: &Video<'_>,
    index: &Index,
) -> Result<()> {
    let mut order: Vec<&StreamPlan> = plan.streams.iter().filter(|s| s.to.is_some()).collect();
    order.sort_by_key(|s| s.to);
    for stream in order {
        // SAFETY: the source has that many streams: the plan was made from it.
        let from = unsafe {
            if stream.index >= source.nb_streams as usize {
                return Err(Error::Internal(format!("the source has no stream {}", stream.index)));
            }
            &**source.streams.add(stream.index)
        };
        add(output, from, plan, stream, video, index)?;
    }
    // SAFETY: null or a valid dictionary of the open source.
    let global = unsafe { Dict::pairs(source.metadata) };
    let keys = ["major_brand", "minor_version", "compatible_brands"];
    let global: Dict = global.into_iter().filter(|(k, _)| !keys.contains(&k.as_str())).collect();
    output.get_mut().metadata = global.into_raw();
    chapters(output, source)?;
    if plan.container == Container::Ts {
        programs(output, source, plan)?;
    }
    Ok(())
}

fn add<M: Medium>(
    output: &mut Output<M>,
    from: &ffi::AVStream,
    plan: &CopyPlan,
    stream: &StreamPlan,
    video: &Video<'_>,
    index: &Index,
) -> Result<()> {
    let is_new = stream.fate == Fate::Worked;
    let base = if is_new { index.time_base } else { from.time_base.into() };
    let mut own = None;
    // SAFETY: streams of an open context have parameters; the attached picture is a valid packet.
    let (old, picture) = unsafe {
        let picture = &from.attached_pic;
        let picture: &[u8] =
            if picture.data.is_null() { &[] } else { std::slice::from_raw_parts(picture.data, picture.size as usize) };
        (Parameters::copied(from.codecpar).map_err(memory)?, picture)
    };
    if !is_new {
        let mut copy = old;
        if is_attachment(plan, stream) {
            copy.get_mut().codec_type = ffi::AVMediaType::ATTACHMENT;
            copy.set_extradata(picture).map_err(memory)?;
        }
        own = Some(copy);
    }
    let parameters = own.as_ref().unwrap_or(video.parameters);
    let new = output.add(parameters, base)?;
    new.id = from.id;
    new.disposition = from.disposition;
    new.sample_aspect_ratio = from.sample_aspect_ratio;
    if is_new {
        // SAFETY: the new stream and the source's have parameters.
        let (par, old) = unsafe { (&mut *new.codecpar, &*from.codecpar) };
        if from.sample_aspect_ratio.num > 0 {
            par.sample_aspect_ratio = from.sample_aspect_ratio;
        } else if par.sample_aspect_ratio.num == 0 {
            par.sample_aspect_ratio = old.sample_aspect_ratio;
        }
        new.sample_aspect_ratio = par.sample_aspect_ratio;
        if old.field_order != ffi::AVFieldOrder::UNKNOWN {
            par.field_order = old.field_order;
        }
        if let Some(rate) = constant_rate(index) {
            new.avg_frame_rate = rate.into();
        }
    } else {
        new.avg_frame_rate = from.avg_frame_rate;
    }
    // SAFETY: null or a valid dictionary of the open source.
    let mut metadata = unsafe { Dict::pairs(from.metadata) };
    let stale = |k: &str| {
        let k = k.to_lowercase();
        ["bps", "duration", "number_of_frames", "number_of_bytes"].iter().any(|s| k.split('-').next() == Some(s))
            || k.starts_with("_statistics_")
            || k == "encoder"
    };
    if is_new {
        metadata.retain(|(k, _)| !stale(k));
    }
    if is_attachment(plan, stream) {
        name_picture(&mut metadata, from, stream.index);
    }
    new.metadata = metadata.into_iter().collect::<Dict>().into_raw();
    // SAFETY: both streams are valid.
    unsafe {
        for (kind, data) in compat::stream_side_data(from) {
            if kind != ffi::AVPacketSideDataType::CPB_PROPERTIES
                && !(is_new && kind == ffi::AVPacketSideDataType::DOVI_CONF)
            {
                compat::add_stream_side_data(new, kind, &data).map_err(memory)?;
            }
        }
    }
    Ok(())
}

/// Matroska wants a file name and a type of every attachment.
fn name_picture(metadata: &mut Vec<(String, String)>, from: &ffi::AVStream, index: usize) {
    // SAFETY: streams of an open context have parameters; the name is static.
    let codec = unsafe { text(ffi::avcodec_get_name((*from.codecpar).codec_id)) };
    let (extension, mime) = match codec.as_str() {
        "mjpeg" => ("jpg", "image/jpeg"),
        "png" => ("png", "image/png"),
        "gif" => ("gif", "image/gif"),
        "bmp" => ("bmp", "image/bmp"),
        "tiff" => ("tiff", "image/tiff"),
        "webp" => ("webp", "image/webp"),
        _ => ("bin", "application/octet-stream"),
    };
    let has = |metadata: &[(String, String)], key: &str| metadata.iter().any(|(k, _)| k.eq_ignore_ascii_case(key));
    if !has(metadata, "filename") {
        // Players look for this name (Matroska, "Cover Art").
        metadata.push((
            "filename".into(),
            format!("cover{}.{extension}", if index > 9 { index.to_string() } else { String::new() }),
        ));
    }
    if !has(metadata, "mimetype") {
        metadata.push(("mimetype".into(), mime.into()));
    }
}

/// Frames a second where every frame lasts the same but for rounding; `None` where they do not: a stated rate would then
/// be taken for each frame's duration.
fn constant_rate(index: &Index) -> Option<Rational> {
    let durations: Vec<i64> = index.frames.iter().map(|f| f.duration).filter(|d| *d > 0).collect();
    let (min, max) = (durations.iter().min()?, durations.iter().max()?);
    if max - min > 1 {
        return None;
    }
    let sum: i64 = durations.iter().sum();
    let count = i64::try_from(durations.len()).ok()?;
    let (mut num, mut den) = (0, 0);
    let base = index.time_base;
    // SAFETY: writes two integers.
    unsafe {
        ffi::av_reduce(
            &mut num,
            &mut den,
            count.checked_mul(i64::from(base.den))?,
            sum.checked_mul(i64::from(base.num))?,
            60_000,
        )
    };
    // Known rates are meant where the mean comes this close: one tick over the whole stream.
    let mean = f64::from(num) / f64::from(den.max(1));
    let known =
        [(24_000, 1001), (30_000, 1001), (60_000, 1001), (120_000, 1001), (24, 1), (25, 1), (30, 1), (50, 1), (60, 1)];
    let slack = mean * 1.5 / (sum as f64).max(1.0);
    let near = known.iter().find(|(n, d)| (f64::from(*n) / f64::from(*d) - mean).abs() <= slack);
    Some(near.map_or(Rational::new(num, den), |(n, d)| Rational::new(*n, *d)))
}

fn chapters<M: Medium>(output: &mut Output<M>, source: &ffi::AVFormatContext) -> Result<()> {
    for i in 0..source.nb_chapters as usize {
        // SAFETY: libav keeps nb_chapters valid pointers; the copy is libav's own memory, given to the output, which frees
        // it.
        unsafe {
            let from = &**source.chapters.add(i);
            let new = ffi::av_mallocz(size_of::<ffi::AVChapter>()).cast::<ffi::AVChapter>();
            let chapter = new.as_mut().ok_or_else(|| memory("no memory for a chapter"))?;
            (chapter.id, chapter.time_base, chapter.start, chapter.end) =
                (from.id, from.time_base, from.start, from.end);
            chapter.metadata = Dict::pairs(from.metadata).into_iter().collect::<Dict>().into_raw();
            let context = output.get_mut();
            let mut count = context.nb_chapters as i32;
            ffi::av_dynarray_add((&raw mut context.chapters).cast(), &mut count, new.cast());
            context.nb_chapters = count as u32;
        }
    }
    Ok(())
}

fn programs<M: Medium>(output: &mut Output<M>, source: &ffi::AVFormatContext, plan: &CopyPlan) -> Result<()> {
    for i in 0..source.nb_programs as usize {
        // SAFETY: libav keeps nb_programs valid pointers, each with its list of streams; the new program belongs to the
        // output.
        unsafe {
            let from = &**source.programs.add(i);
            let context: *mut ffi::AVFormatContext = output.get_mut();
            let new =
                ffi::av_new_program(context, from.id).as_mut().ok_or_else(|| memory("no memory for a program"))?;
            new.program_num = from.program_num;
            new.pmt_pid = from.pmt_pid;
            new.pcr_pid = from.pcr_pid;
            // libav gives nameless services its own name.
            let mut metadata = Dict::pairs(from.metadata);
            for key in ["service_name", "service_provider"] {
                if !metadata.iter().any(|(k, _)| k == key) {
                    metadata.push((key.to_owned(), String::new()));
                }
            }
            new.metadata = metadata.into_iter().collect::<Dict>().into_raw();
            for k in 0..from.nb_stream_indexes as usize {
                let index = *from.stream_index.add(k) as usize;
                if let Some(to) = plan.streams.get(index).and_then(|s| s.to) {
                    ffi::av_program_add_stream_index(context, from.id, to as u32);
                }
            }
        }
    }
    Ok(())
}

fn memory(e: impl std::fmt::Display) -> Error {
    Error::Backend(format!("cannot describe a stream to the muxer: {e}"))
}
