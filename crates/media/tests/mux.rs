//! Whole files taken apart and put together again: nothing is lost, the same comes out twice, and a loss is noticed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // also outside of test functions

use std::collections::BTreeSet;
use std::fs;
use std::io::Cursor;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::Command;

use cleanplate_media::mux::{CopyPlan, Method, Verification, assemble, container_of, plan_copy, verify};
use cleanplate_media::{
    EncodeRequest, Encoder, OpenOptions, PackHeader, PackReader, PackWriter, Result, Source, StaticSideData,
    StreamParameters, choose_encoder,
};

/// Frames of a segment: so few that every file has several.
const SEGMENT: usize = 13;

fn ffmpeg(folder: &Path, args: &str) {
    let args: Vec<&str> = args.split_whitespace().collect();
    let out = Command::new("ffmpeg").args(["-v", "error", "-y"]).args(&args).current_dir(folder).output().unwrap();
    assert!(out.status.success(), "{args:?}: {}", String::from_utf8_lossy(&out.stderr));
}

/// Pictures, two sounds, subtitles, chapters and a cover to make files of.
fn ingredients() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    fs::write(at.join("s.srt"), "1\n00:00:00,200 --> 00:00:00,700\nOne\n\n2\n00:00:01,000 --> 00:00:01,400\nTwo\n")
        .unwrap();
    let chapters = ";FFMETADATA1\ntitle=A film\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=700\ntitle=First\n\
                    [CHAPTER]\nTIMEBASE=1/1000\nSTART=700\nEND=1500\ntitle=Second\n";
    fs::write(at.join("c.txt"), chapters).unwrap();
    fs::write(at.join("notes.txt"), "some words").unwrap();
    // Irregular times, B-frames, sample aspect ratio, colour tags.
    ffmpeg(
        at,
        "-f lavfi -i testsrc2=s=96x64:r=25:d=1.5 -vf setpts=(N+floor(N/5)*0.5+mod(N\\,3)*0.2)/25/TB,setsar=4/3 -vsync vfr \
         -enc_time_base 1/12800 -video_track_timescale 12800 -c:v libx264 -preset veryfast -bf 2 -color_primaries bt709 -color_trc \
         bt709 -colorspace bt709 -color_range tv v.mp4",
    );
    ffmpeg(at, "-f lavfi -i sine=440:d=1.4 -c:a aac a.m4a");
    ffmpeg(at, "-f lavfi -i sine=880:d=1.6 -c:a ac3 b.ac3");
    ffmpeg(at, "-f lavfi -i sine=660:d=1.6 -c:a libopus o.ogg");
    ffmpeg(at, "-f lavfi -i testsrc=s=32x32 -frames:v 1 -pix_fmt yuvj420p cover.jpg");
    folder
}

fn packs(source: &Source, spec: &cleanplate_media::EncoderSpec) -> Result<Vec<Vec<u8>>> {
    let mut reader = source.reader(1)?;
    let mut frame = reader.read()?;
    let mut packs = Vec::new();
    while frame.is_some() {
        let mut encoder = Encoder::open(spec, &StaticSideData::default())?;
        let header = PackHeader {
            engine: "test".into(),
            key: packs.len().to_string(),
            time_base: spec.time_base,
            stream: StreamParameters::from_av(&encoder.parameters()?),
        };
        let mut writer = PackWriter::new(Vec::new(), &header)?;
        for _ in 0..SEGMENT {
            let Some(now) = frame else { break };
            encoder.push(now, &mut |packet| writer.push(packet))?;
            frame = reader.read()?;
        }
        encoder.finish(&mut |packet| writer.push(packet))?;
        packs.push(writer.finish()?);
    }
    Ok(packs)
}

struct Trip {
    source: Source,
    plan: CopyPlan,
    packs: Vec<Vec<u8>>,
    out: PathBuf,
}

fn go() -> impl FnMut(u64, u64) -> ControlFlow<()> {
    |_, _| ControlFlow::Continue(())
}

impl Trip {
    fn plan(input: &Path, output: &str, drop_streams: bool, accept: &[&str]) -> Result<Self> {
        let source = Source::open(input, &OpenOptions::default(), &mut go())?;
        let out = input.with_file_name(output);
        let container = container_of(&out, source.info())?;
        let request = EncodeRequest { preset: Some("ultrafast".into()), threads: 1, ..EncodeRequest::default() };
        let spec = choose_encoder(source.info(), container, &request)?.spec;
        let accept: BTreeSet<String> = accept.iter().map(|s| (*s).to_owned()).collect();
        let plan = plan_copy(&source, container, &spec, drop_streams, &accept)?;
        let packs = packs(&source, &spec)?;
        Ok(Self { source, plan, packs, out })
    }

    fn write(&self, out: &Path) -> Result<()> {
        let mut readers = self.packs.iter().map(|pack| PackReader::open(Cursor::new(pack)));
        assemble(&self.source, &self.plan, &mut readers, out, &mut go()).map(|_| ())
    }

    fn verify(&self, out: &Path) -> Verification {
        verify(out, &self.source, &self.plan, self.source.index(), &mut go()).unwrap()
    }
}

fn words(found: &Verification) -> String {
    found.failures().map(|c| format!("{}: {}", c.name, c.words)).collect::<Vec<_>>().join("; ")
}

/// What ffprobe says of a file, stream by stream: how streams interleave is no content. Side data of packets and frames is
/// left to the crate's own checks: encoders sign the first picture of each segment, and sound before time 0 may be marked.
fn probe(path: &Path, what: &str) -> Vec<String> {
    let mut command = Command::new("ffprobe");
    command.args(["-v", "error", "-of", "json"]).args(what.split_whitespace()).arg(path);
    let answer: serde_json::Value = serde_json::from_slice(&command.output().unwrap().stdout).unwrap();
    let mut items: Vec<serde_json::Value> =
        answer.as_object().unwrap().values().filter_map(|v| v.as_array()).flatten().cloned().collect();
    if !what.contains("stream_side_data") {
        items.iter_mut().for_each(|item| drop(item.as_object_mut().unwrap().remove("side_data_list")));
    }
    items.sort_by_key(|item| item["stream_index"].as_u64());
    items.iter().map(ToString::to_string).collect()
}

#[test]
fn every_container_keeps_everything_beside_the_pictures() {
    let folder = ingredients();
    let at = folder.path();
    let names =
        "-metadata:s:a:0 language=deu -metadata:s:a:1 language=fra -metadata artist=Nobody -disposition:a:1 comment";
    for (name, args, method) in [
        (
            "all.mp4",
            "-i v.mp4 -i a.m4a -i b.ac3 -i s.srt -i c.txt -i cover.jpg -map 0:v -map 1:a -map 2:a -map 3:s -map 5:v \
             -map_metadata 4 -map_chapters 4 -c copy -c:s mov_text -disposition:v:1 attached_pic -timecode 01:00:00:00",
            Method::Graft,
        ),
        (
            "all.mov",
            "-itsoffset 0.3 -i v.mp4 -i a.m4a -i b.ac3 -i c.txt -map 0:v -map 1:a -map 2:a -map_metadata 3 -map_chapters 3 \
             -c copy -timecode 01:00:00:00 -movflags +faststart -metadata:s:v rotate=90",
            Method::Graft,
        ),
        (
            "all.mkv",
            "-i v.mp4 -i a.m4a -i o.ogg -i s.srt -i c.txt -map 0:v -map 1:a -map 2:a -map 3:s -map_metadata 4 -map_chapters 4 \
             -c copy -c:s ass -attach notes.txt -metadata:s:t mimetype=text/plain -disposition:s forced",
            Method::Graft,
        ),
        (
            "fragments.mp4",
            "-i v.mp4 -i a.m4a -i b.ac3 -map 0:v -map 1:a -map 2:a -c copy -movflags +frag_keyframe+delay_moov",
            Method::Mux,
        ),
        (
            "all.ts",
            "-i v.mp4 -i a.m4a -i b.ac3 -map 0:v -map 1:a -map 2:a -c copy -output_ts_offset 37 -mpegts_service_id 7 \
             -metadata service_name=One -mpegts_start_pid 300",
            Method::Mux,
        ),
        ("all.flv", "-i v.mp4 -i a.m4a -map 0:v -map 1:a -map 1:a? -c copy", Method::Mux),
    ] {
        let extra = if name.ends_with("flv") { "" } else { names };
        let args = if name.ends_with("flv") { "-i v.mp4 -i a.m4a -map 0:v -map 1:a -c copy" } else { args };
        ffmpeg(at, &format!("{args} {extra} {name}"));
        let trip =
            Trip::plan(&at.join(name), &format!("out-{name}"), false, &[]).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(trip.plan.method, method, "{name}: {:?}", trip.plan.notes);
        trip.write(&trip.out).unwrap_or_else(|e| panic!("{name}: {e}"));
        let found = trip.verify(&trip.out);
        assert!(found.is_ok(), "{name}: {}", words(&found));
        // The same by another program's eyes.
        let source = at.join(name);
        let worked = trip.source.info().video;
        for what in [
            "-show_entries packet=stream_index,pts,data_hash -show_data_hash md5 -select_streams a",
            "-show_entries packet=stream_index,pts,duration,data_hash -show_data_hash md5 -select_streams s",
            "-show_entries packet=stream_index,data_hash -show_data_hash md5 -select_streams d",
            "-show_chapters",
            "-show_entries stream=index,codec_name,sample_aspect_ratio,color_space,color_range,id:stream_disposition:stream_side_data",
        ] {
            let (a, b) = (probe(&source, what), probe(&trip.out, what));
            let differ = a.iter().zip(&b).find(|(a, b)| a != b);
            assert!(differ.is_none() && a.len() == b.len(), "{name}: {what}: {} {} {differ:?}", a.len(), b.len());
        }
        let frames = format!("-show_entries frame=pts -select_streams {worked}");
        assert!(probe(&trip.out, &frames) == probe(&source, &frames), "{name}: times of frames");
    }
}

#[test]
fn the_same_packs_give_the_same_bytes() {
    let folder = ingredients();
    let at = folder.path();
    for name in ["x.mp4", "x.mkv", "x.ts"] {
        ffmpeg(at, &format!("-i v.mp4 -i a.m4a -map 0:v -map 1:a -c copy {name}"));
        let trip = Trip::plan(&at.join(name), &format!("out-{name}"), false, &[]).unwrap();
        let (one, two) = (at.join("one"), at.join("two"));
        trip.write(&one).unwrap();
        trip.write(&two).unwrap();
        assert!(fs::read(&one).unwrap() == fs::read(&two).unwrap(), "{name}");
        assert_eq!(
            fs::read_dir(at)
                .unwrap()
                .filter(|f| {
                    let name = f.as_ref().unwrap().file_name();
                    name.to_string_lossy().ends_with(".video")
                })
                .count(),
            0,
            "{name} leaves something behind"
        );
    }
}

#[test]
fn a_loss_in_the_output_is_noticed() {
    let folder = ingredients();
    let at = folder.path();
    ffmpeg(
        at,
        "-i v.mp4 -i a.m4a -i s.srt -i c.txt -map 0:v -map 1:a -map 2:s -map_metadata 3 -map_chapters 3 -c copy \
         -metadata:s:a language=deu -disposition:s forced in.mkv",
    );
    let trip = Trip::plan(&at.join("in.mkv"), "out.mkv", false, &[]).unwrap();
    trip.write(&trip.out).unwrap();
    assert!(trip.verify(&trip.out).is_ok(), "{}", words(&trip.verify(&trip.out)));
    for (what, args, check) in [
        ("a stream", "-map 0:v -map 0:a -c copy", "streams"),
        ("a language", "-map 0 -c copy -metadata:s:a language=eng", "headers"),
        ("a disposition", "-map 0 -c copy -disposition:s 0", "headers"),
        ("the chapters", "-map 0 -c copy -map_chapters -1", "headers"),
        ("the title", "-map 0 -c copy -metadata title=", "headers"),
        ("the aspect ratio", "-map 0 -c copy -aspect 1:1", "headers"),
        ("the last frames", "-map 0 -c copy -frames:v 30", "frame count"),
        ("exact times", "-map 0 -c copy -bsf:v setts=ts=TS+3", "times"),
        ("times of sound", "-map 0 -c copy -bsf:a setts=ts=TS+5", "stream 1"),
        ("the sound itself", "-map 0 -c copy -bsf:a noise=amount=50", "stream 1"),
        ("some packets of sound", "-map 0 -c copy -bsf:a noise=drop=eq(n\\,3)", "stream 1"),
    ] {
        ffmpeg(at, &format!("-i out.mkv {args} broken.mkv"));
        let found = trip.verify(&at.join("broken.mkv"));
        assert!(found.failures().any(|c| c.name.starts_with(check)), "{what} was lost unnoticed: {found:?}");
    }
}

#[test]
fn what_the_target_cannot_carry_is_named_and_left_out_only_with_consent() {
    let folder = ingredients();
    let at = folder.path();
    ffmpeg(
        at,
        "-i v.mp4 -i a.m4a -i s.srt -map 0:v -map 1:a -map 2:s -c copy -c:s ass -attach notes.txt \
         -metadata:s:t mimetype=text/plain in.mkv",
    );
    let refused = Trip::plan(&at.join("in.mkv"), "out.mp4", false, &[]).err().expect("a refusal").to_string();
    for word in ["stream 2 (subtitles, ass)", "stream 3 (attachment", "Matroska", "--drop-streams"] {
        assert!(refused.contains(word), "\"{word}\" is not in: {refused}");
    }
    let trip = Trip::plan(&at.join("in.mkv"), "out.mp4", true, &[]).unwrap();
    assert_eq!(trip.plan.losses.iter().filter(|l| l.kind == "streams").count(), 2, "{:?}", trip.plan.losses);
    trip.write(&trip.out).unwrap();
    let found = trip.verify(&trip.out);
    assert!(found.is_ok(), "{}", words(&found));
}

#[test]
fn boxes_and_elements_that_libav_does_not_know_stay_in_the_file() {
    let folder = ingredients();
    let at = folder.path();
    ffmpeg(at, "-i v.mp4 -i a.m4a -map 0:v -map 1:a -c copy in.mp4");
    // A private box of the top level, and one in the sound's own user data.
    let mut bytes = fs::read(at.join("in.mp4")).unwrap();
    bytes.extend([0, 0, 0, 24]);
    bytes.extend(b"uuid0123456789abcdefWORD");
    bytes.truncate(bytes.len() - 4);
    fs::write(at.join("private.mp4"), &bytes).unwrap();
    let trip = Trip::plan(&at.join("private.mp4"), "out.mp4", false, &[]).unwrap();
    assert_eq!(trip.plan.method, Method::Graft);
    trip.write(&trip.out).unwrap();
    let out = fs::read(&trip.out).unwrap();
    assert!(out.windows(20).any(|w| w == b"uuid0123456789abcdef"), "the private box is gone");
    assert!(trip.verify(&trip.out).is_ok(), "{}", words(&trip.verify(&trip.out)));

    // libav's own muxer drops dates of Matroska tracks; here the tag is as it was.
    ffmpeg(at, "-i v.mp4 -i a.m4a -map 0:v -map 1:a -c copy -metadata:s:a KREATION_TIME=2020-02-02 in.mkv");
    let bytes = fs::read(at.join("in.mkv")).unwrap();
    let at_tag = bytes.windows(13).position(|w| w == b"KREATION_TIME").unwrap();
    let mut dated = bytes.clone();
    dated[at_tag] = b'C';
    // The tags' checksum is void now: libav checks it where asked, so it goes the way of a stale one.
    fs::write(at.join("dated.mkv"), &dated).unwrap();
    let trip = Trip::plan(&at.join("dated.mkv"), "out.mkv", false, &[]).unwrap();
    assert_eq!(trip.plan.method, Method::Graft);
    trip.write(&trip.out).unwrap();
    let found = trip.verify(&trip.out);
    assert!(found.is_ok(), "{}", words(&found));
    assert!(fs::read(&trip.out).unwrap().windows(13).any(|w| w == b"CREATION_TIME"));
}

#[test]
fn files_of_the_test_data_survive_the_round_trip() {
    let data = std::env::var_os("CLEANPLATE_TESTDATA")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/testdata"), PathBuf::from);
    let folder = tempfile::tempdir().unwrap();
    for name in
        ["odd/made/everything.mp4", "odd/made/everything.mkv", "odd/made/start_offset_37s.ts", "odd/real/edts.mp4"]
    {
        let path = data.join(name);
        if !path.exists() {
            continue;
        }
        let copy = folder.path().join(path.file_name().unwrap());
        fs::copy(&path, &copy).unwrap();
        let trip =
            Trip::plan(&copy, &format!("out-{}", copy.file_name().unwrap().to_string_lossy()), false, &[]).unwrap();
        trip.write(&trip.out).unwrap();
        let found = trip.verify(&trip.out);
        assert!(found.is_ok(), "{name}: {}", words(&found));
    }
}
