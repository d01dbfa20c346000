//! What a file's header says of its streams, in a form that can be compared. It knows what libav reports, not how a
//! container stores it.

use std::collections::{BTreeMap, BTreeSet};

use super::plan::Resized;
use crate::av::{Dict, compat, ffi, text};
use crate::types::{Rational, StreamKind};

/// Everything that a header says.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Facts {
    pub(crate) streams: Vec<StreamFacts>,
    pub(crate) chapters: Vec<ChapterFacts>,
    pub(crate) programs: Vec<ProgramFacts>,
    pub(crate) metadata: BTreeMap<String, String>,
}

/// One stream.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct StreamFacts {
    pub(crate) kind: StreamKind,
    pub(crate) codec: String,
    pub(crate) tag: u32,
    pub(crate) id: i32,
    pub(crate) time_base: Rational,
    pub(crate) metadata: BTreeMap<String, String>,
    pub(crate) disposition: BTreeSet<String>,
    /// Kind (as consent names it), name and value of every property of picture or sound.
    pub(crate) properties: Vec<(&'static str, &'static str, String)>,
    pub(crate) side_data: Vec<(String, Vec<u8>)>,
    pub(crate) extradata: Vec<u8>,
    pub(crate) picture: Vec<u8>,
}

/// A chapter, in seconds.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ChapterFacts {
    pub(crate) start: f64,
    pub(crate) end: f64,
    pub(crate) metadata: BTreeMap<String, String>,
}

/// A program of a transport stream.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ProgramFacts {
    pub(crate) id: i32,
    pub(crate) streams: Vec<usize>,
    pub(crate) metadata: BTreeMap<String, String>,
}

/// Key and value with keys in lower case: containers write them as they like.
fn pairs(dict: *const ffi::AVDictionary) -> BTreeMap<String, String> {
    // SAFETY: null or a dictionary of an open context.
    unsafe { Dict::pairs(dict) }.into_iter().map(|(k, v)| (k.to_lowercase(), v)).collect()
}

impl Facts {
    /// The same of a file whose picture in stream `video` has another size.
    pub(crate) fn resized(mut self, video: usize, to: Option<Resized>) -> Self {
        if let (Some(to), Some(stream)) = (to, self.streams.get_mut(video)) {
            let old = stream.properties.iter().find(|(kind, _, _)| *kind == "size").and_then(|(_, _, size)| {
                let (w, h) = size.split_once('x')?;
                Some([w.parse::<f64>().ok()?, h.parse::<f64>().ok()?])
            });
            for (_, matrix) in stream.side_data.iter_mut().filter(|(name, _)| name == "Display Matrix") {
                // What moves a turned picture back into sight: the first two of the last row (ISO/IEC 14496-12, 8.3.2).
                for (n, (to, old)) in [to.width, to.height].into_iter().zip(old.unwrap_or_default()).enumerate() {
                    if let Some(four) = matrix.get_mut(24 + 4 * n..28 + 4 * n).and_then(|four| four.as_mut_array::<4>())
                        && old > 0.0
                    {
                        let moved = f64::from(i32::from_ne_bytes(*four)) * f64::from(to) / old;
                        *four = (moved.round() as i32).to_ne_bytes();
                    }
                }
            }
            for (kind, _, value) in &mut stream.properties {
                match *kind {
                    "size" => *value = format!("{}x{}", to.width, to.height),
                    "sar" => *value = aspect(to.sar),
                    _ => {}
                }
            }
        }
        self
    }

    /// Of an open file.
    pub(crate) fn of(context: &ffi::AVFormatContext) -> Self {
        // SAFETY: libav keeps that many valid pointers there as long as the context is open.
        let (streams, chapters, programs) = unsafe {
            (
                list(context.streams, context.nb_streams),
                list(context.chapters, context.nb_chapters),
                list(context.programs, context.nb_programs),
            )
        };
        let chapter = |c: &&ffi::AVChapter| {
            let base = Rational::from(c.time_base);
            ChapterFacts { start: base.seconds(c.start), end: base.seconds(c.end), metadata: pairs(c.metadata) }
        };
        let program = |p: &&ffi::AVProgram| {
            // SAFETY: libav keeps nb_stream_indexes numbers there.
            let indexes = unsafe {
                if p.stream_index.is_null() {
                    &[]
                } else {
                    std::slice::from_raw_parts(p.stream_index, p.nb_stream_indexes as usize)
                }
            };
            let streams = indexes.iter().map(|i| *i as usize).collect();
            ProgramFacts { id: p.id, streams, metadata: pairs(p.metadata) }
        };
        Self {
            streams: streams.iter().map(|s| StreamFacts::of(s)).collect(),
            chapters: chapters.iter().map(chapter).collect(),
            programs: programs.iter().map(program).collect(),
            metadata: pairs(context.metadata),
        }
    }
}

/// # Safety
/// `count` valid pointers lie at `first`, or it is null.
unsafe fn list<'a, T>(first: *mut *mut T, count: u32) -> Vec<&'a T> {
    if first.is_null() {
        return Vec::new();
    }
    // SAFETY: promised by the caller.
    (0..count as usize).filter_map(|i| unsafe { (*first.add(i)).as_ref() }).collect()
}

impl StreamFacts {
    pub(crate) fn of(stream: &ffi::AVStream) -> Self {
        let info = crate::source::stream_info(stream);
        // SAFETY: a stream of an open context has parameters; its attached picture is a valid packet, empty where none.
        let (par, extradata, picture, side_data) = unsafe {
            let par = &*stream.codecpar;
            let bytes = |data: *const u8, size: i32| {
                if data.is_null() || size <= 0 {
                    Vec::new()
                } else {
                    std::slice::from_raw_parts(data, size as usize).to_vec()
                }
            };
            let side_data = compat::stream_side_data(stream).into_iter();
            (
                par,
                bytes(par.extradata, par.extradata_size),
                bytes(stream.attached_pic.data, stream.attached_pic.size),
                side_data.map(|(k, data)| (text(ffi::av_packet_side_data_name(k)), data)).collect(),
            )
        };
        let mut properties = Vec::new();
        if let Some(v) = &info.video {
            let sar = aspect(v.sar);
            let field = match par.field_order {
                ffi::AVFieldOrder::TT | ffi::AVFieldOrder::BT => "top field first",
                ffi::AVFieldOrder::BB | ffi::AVFieldOrder::TB => "bottom field first",
                _ => "progressive",
            };
            let code = |n: u8| if n == 2 { "unspecified".to_owned() } else { n.to_string() };
            properties.extend([
                ("size", "size", format!("{}x{}", v.width, v.height)),
                ("sar", "sample aspect ratio", sar),
                ("field-order", "field order", field.to_owned()),
                ("color", "colour primaries", code(v.color.primaries)),
                ("color", "colour transfer", code(v.color.transfer)),
                ("color", "colour matrix", code(v.color.matrix)),
                (
                    "color",
                    "colour range",
                    v.color.full_range.map_or("unspecified", |f| if f { "full" } else { "limited" }).into(),
                ),
            ]);
        }
        if let Some((rate, channels)) = info.audio {
            properties.push(("audio", "sample rate", rate.to_string()));
            properties.push(("audio", "channels", channels.to_string()));
            properties.push(("edit-list", "priming samples", par.initial_padding.to_string()));
        }
        Self {
            kind: info.kind,
            codec: info.codec,
            tag: par.codec_tag,
            id: stream.id,
            time_base: info.time_base,
            metadata: pairs(stream.metadata),
            disposition: info.disposition.into_iter().collect(),
            properties,
            side_data,
            extradata,
            picture,
        }
    }

    /// The stream in words.
    pub(crate) fn words(&self, index: usize) -> String {
        let kind = match self.kind {
            StreamKind::Video => "video",
            StreamKind::Picture => "picture",
            StreamKind::Audio => "audio",
            StreamKind::Subtitle => "subtitles",
            StreamKind::Data => "data",
            StreamKind::Attachment => "attachment",
            StreamKind::Unknown => "unknown",
        };
        let tag = self.tag.to_le_bytes();
        let name =
            if matches!(self.codec.as_str(), "none" | "unknown" | "unknown_codec" | "bin_data" | "") && self.tag != 0 {
                tag.iter().map(|b| if b.is_ascii_graphic() { char::from(*b) } else { '.' }).collect()
            } else {
                self.codec.clone()
            };
        format!("stream {index} ({kind}, {name})")
    }
}

/// A sample aspect ratio in words; one that is unknown is square.
fn aspect(sar: Rational) -> String {
    if sar.num == 0 || sar.den == 0 || sar.num == sar.den {
        return "1:1".to_owned();
    }
    format!("{}:{}", sar.num, sar.den)
}

/// Every kind of loss that a container may mean, which a user consents to by its name.
pub const KINDS: [&str; 16] = [
    "audio",
    "chapters",
    "color",
    "disposition",
    "edit-list",
    "field-order",
    "hdr-dynamic",
    "hdr-static",
    "language",
    "metadata",
    "programs",
    "rotation",
    "sar",
    "side-data",
    "stereo",
    "streams",
];

/// A difference between what was to be carried and what is there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Difference {
    /// As consent names it.
    pub(crate) kind: &'static str,
    /// In words.
    pub(crate) what: String,
}

/// Keys that writers set themselves and that say nothing of the content: counts, brands, versions.
fn is_made_anew(key: &str, same_container: bool) -> bool {
    let stem = key.split('-').next().unwrap_or(key);
    let counted = ["bps", "duration", "number_of_frames", "number_of_bytes"];
    let made = ["encoder", "encoding_tool", "major_brand", "minor_version", "compatible_brands", "vendor_id"];
    counted.contains(&stem)
        || stem.starts_with("_statistics_")
        || made.contains(&key)
        || (!same_container && matches!(key, "handler_name" | "mimetype" | "filename" | "alpha_mode"))
}

/// Compares metadata; `found` may hold more.
fn metadata(
    whose: &str,
    wanted: &BTreeMap<String, String>,
    found: &BTreeMap<String, String>,
    same_container: bool,
    out: &mut Vec<Difference>,
) {
    for (key, value) in wanted {
        if is_made_anew(key, same_container) || (key == "language" && value == "und") {
            continue;
        }
        let got = found.get(key);
        let is_same = |g: &String| g == value || (key == "creation_time" && moment(g) == moment(value));
        // Writers sign with their own name.
        let is_signature = value.starts_with("Lavf") || value.starts_with("Lavc");
        if !got.is_some_and(is_same) && !is_signature {
            let kind = if key == "language" { "language" } else { "metadata" };
            let got = got.map_or("nothing".to_owned(), |g| format!("\"{}\"", short(g)));
            out.push(Difference { kind, what: format!("{whose}: {key} = \"{}\" became {got}", short(value)) });
        }
    }
}

/// A date without what its writers differ in: `2016-05-31 17:01:35` and `2016-05-31T17:01:35.000000Z` are one moment.
fn moment(date: &str) -> String {
    let date = date.trim_end_matches('Z').replace('T', " ");
    date.split_once('.')
        .filter(|(_, f)| f.bytes().all(|b| b == b'0'))
        .map_or(date.clone(), |(whole, _)| whole.to_owned())
}

fn short(value: &str) -> String {
    if value.chars().count() > 60 { value.chars().take(57).chain("...".chars()).collect() } else { value.to_owned() }
}

/// How streams of the source lie in the output.
pub(crate) struct Mapping<'a> {
    /// Output stream of each source stream, `None` for those left out.
    pub(crate) to: &'a [Option<usize>],
    /// The stream whose packets are new.
    pub(crate) video: usize,
    /// Whether both are of one container family.
    pub(crate) same_container: bool,
    /// Whether chapters are carried.
    pub(crate) chapters: bool,
}

/// Everything that `wanted` has and `found` lacks.
pub(crate) fn compare(wanted: &Facts, found: &Facts, map: &Mapping<'_>) -> Vec<Difference> {
    let mut out = Vec::new();
    for (i, stream) in wanted.streams.iter().enumerate() {
        let whose = stream.words(i);
        let Some(to) = map.to.get(i).copied().flatten() else { continue };
        match found.streams.get(to) {
            Some(got) => compare_stream(&whose, stream, got, i == map.video, map.same_container, &mut out),
            None => out.push(Difference { kind: "streams", what: format!("{whose} is missing") }),
        }
    }
    metadata("the file", &wanted.metadata, &found.metadata, map.same_container, &mut out);
    if map.chapters {
        compare_chapters(wanted, found, map.same_container, &mut out);
    }
    for program in wanted.programs.iter().filter(|_| map.same_container) {
        let streams: BTreeSet<usize> =
            program.streams.iter().filter_map(|i| map.to.get(*i).copied().flatten()).collect();
        match found.programs.iter().find(|p| p.id == program.id) {
            Some(got) if got.streams.iter().copied().collect::<BTreeSet<_>>() == streams => {
                metadata(&format!("program {}", program.id), &program.metadata, &got.metadata, true, &mut out);
            }
            _ => out.push(Difference {
                kind: "programs",
                what: format!("program {} is missing or has other streams", program.id),
            }),
        }
    }
    out
}

fn compare_chapters(wanted: &Facts, found: &Facts, same_container: bool, out: &mut Vec<Difference>) {
    if wanted.chapters.len() != found.chapters.len() {
        let what = format!("{} chapters became {}", wanted.chapters.len(), found.chapters.len());
        out.push(Difference { kind: "chapters", what });
        return;
    }
    for (i, (a, b)) in wanted.chapters.iter().zip(&found.chapters).enumerate() {
        // Containers keep chapters in milliseconds at the coarsest.
        if (a.start - b.start).abs() > 0.001 || (a.end - b.end).abs() > 0.001 {
            let what = format!("chapter {i} at {:.3}-{:.3} s became {:.3}-{:.3} s", a.start, a.end, b.start, b.end);
            out.push(Difference { kind: "chapters", what });
        }
        metadata(&format!("chapter {i}"), &a.metadata, &b.metadata, same_container, out);
    }
}

fn compare_stream(
    whose: &str,
    wanted: &StreamFacts,
    got: &StreamFacts,
    is_new: bool,
    same_container: bool,
    out: &mut Vec<Difference>,
) {
    let mut differ = |kind: &'static str, what: String| out.push(Difference { kind, what: format!("{whose}: {what}") });
    if wanted.kind != got.kind || (!is_new && wanted.codec != got.codec) {
        differ("streams", format!("became {} {:?}", got.codec, got.kind));
        return;
    }
    if wanted.disposition != got.disposition {
        let of = |s: &BTreeSet<String>| {
            if s.is_empty() { "none".into() } else { s.iter().cloned().collect::<Vec<_>>().join("+") }
        };
        differ("disposition", format!("disposition {} became {}", of(&wanted.disposition), of(&got.disposition)));
    }
    for (kind, name, value) in &wanted.properties {
        let found = got.properties.iter().find(|(_, n, _)| n == name).map(|(_, _, v)| v.as_str());
        // A stream that says nothing may be described; one that says something must keep it.
        let is_open = matches!(value.as_str(), "unspecified") || (*name == "priming samples" && !same_container);
        if found != Some(value) && !is_open {
            differ(kind, format!("{name} {value} became {}", found.unwrap_or("nothing")));
        }
    }
    for (name, data) in &wanted.side_data {
        // What an encoder's buffers need is the encoder's to say.
        if name == "CPB properties" {
            continue;
        }
        let found = got.side_data.iter().find(|(n, _)| n == name);
        if found.is_none_or(|(_, d)| d != data) {
            let kind = match name.as_str() {
                "Display Matrix" => "rotation",
                "Mastering display metadata" | "Content light level metadata" => "hdr-static",
                "DOVI configuration record" => "hdr-dynamic",
                "Stereo 3D" => "stereo",
                _ => "side-data",
            };
            differ(kind, format!("{name} {}", if found.is_some() { "changed" } else { "is missing" }));
        }
    }
    if !is_new && same_container && wanted.extradata != got.extradata {
        differ("streams", "the codec's headers changed".into());
    }
    if wanted.picture != got.picture {
        differ("streams", "the picture changed".into());
    }
    let mut tags = wanted.metadata.clone();
    if is_new {
        // Whether pictures have alpha is what the encoder is asked, and what it refuses to lose.
        tags.remove("alpha_mode");
    }
    metadata(whose, &tags, &got.metadata, same_container, out);
}
