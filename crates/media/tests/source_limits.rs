//! Hostile, damaged and unfit sources: bounded, reported, never a panic.
#![allow(clippy::unwrap_used)] // tests stop here

mod clips;

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use cleanplate_media::{ErrorKind, Limits, OpenOptions, Source, StreamKind};
use clips::{Clips, PICTURES, Seeded, TONE, frames, open};

fn go(_: u64, _: u64) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

#[test]
fn damage_is_counted_and_changes_neither_times_nor_what_came_before_it() {
    let clips = Clips::new();
    let clean = std::fs::read(clips.make("clean.mkv", &format!("{PICTURES} -c:v libx264 -g 25 -bf 3"))).unwrap();
    let mut random = Seeded(5);
    let mut found = 0;
    for round in 0..4 {
        let mut data = clean.clone();
        for _ in 0..12 {
            let at = 4096 + random.below(data.len() as u64 - 4096) as usize;
            data[at] ^= 1 << random.below(8);
        }
        let source = open(&clips.write("flipped.mkv", &data)).unwrap();
        let mut reader = source.reader(2).unwrap();
        while reader.read().unwrap().is_some() {}
        let damage = reader.damage();
        let broken = damage.corrupt_frames.iter().chain(&damage.missing_frames).min();
        let (one, three) = (frames(&source, 1).unwrap(), frames(&source, 3).unwrap());
        let times = |frames: &[(i64, String)]| frames.iter().map(|f| f.0).collect::<Vec<_>>();
        assert_eq!(times(&one), times(&three), "round {round}");
        // From the first damaged frame on libav conceals with what it finds, which is not always the same.
        let sound = broken.map_or(one.len(), |idx| *idx as usize);
        assert_eq!(one[..sound], three[..sound], "round {round}");
        found += u64::from(!damage.is_empty());
        assert_eq!(damage.corrupt_frames.len() as u64, damage.corrupt_count);
    }
    assert!(found >= 3, "flipped bits went unnoticed: {found} of 4");
}

#[test]
fn mutated_files_neither_panic_nor_hang() {
    let clips = Clips::new();
    let codec = "-t 0.6 -s 64x48";
    let files = [
        clips.make("a.mp4", &format!("{PICTURES} {TONE} {codec} -c:v libx264 -shortest")),
        clips.make("b.mkv", &format!("{PICTURES} {TONE} {codec} -c:v libx265 -x265-params log-level=error")),
        clips.make("c.ts", &format!("{PICTURES} {TONE} {codec} -c:v mpeg2video -bf 2")),
        clips.make("d.avi", &format!("{PICTURES} {TONE} {codec} -c:v mpeg4 -bf 2")),
        clips.make("e.webm", &format!("{PICTURES} {codec} -c:v libvpx-vp9")),
    ];
    let mut random = Seeded(11);
    let (mut opened, mut refused) = (0, 0);
    for round in 0..60 {
        let file = &files[round % files.len()];
        let mut data = std::fs::read(file).unwrap();
        let length = data.len() as u64;
        match random.below(4) {
            0 => data.truncate(random.below(length) as usize),
            1 => (0..random.below(40)).for_each(|_| data[random.below(length) as usize] ^= 1 << random.below(8)),
            2 => {
                let from = random.below(length) as usize;
                let to = (from + random.below(3000) as usize).min(data.len());
                data.drain(from..to);
            }
            _ => (0..20).for_each(|_| data[random.below(length.min(2048)) as usize] = random.below(256) as u8),
        }
        let path = clips.write(&format!("mutant.{}", file.extension().unwrap().to_str().unwrap()), &data);
        let begun = Instant::now();
        match open(&path).and_then(|source| frames(&source, 2)) {
            Ok(_) => opened += 1,
            Err(error) => {
                assert!(!matches!(error.kind(), ErrorKind::Internal | ErrorKind::Backend), "round {round}: {error}");
                refused += 1;
            }
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "round {round}");
    }
    assert!(opened > 10 && refused > 3, "{opened} opened, {refused} refused: the mutations test nothing");
}

#[test]
fn playlists_in_disguise_open_no_other_file() {
    let clips = Clips::new();
    clips.make("victim.ts", &format!("{PICTURES} -t 0.2 -c:v libx264"));
    let victim = clips.path("victim.ts").display().to_string();
    for text in [
        format!("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{victim}\n#EXT-X-ENDLIST\n"),
        format!("ffconcat version 1.0\nfile '{victim}'\n"),
        format!(
            "<?xml version=\"1.0\"?><MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\" type=\"static\"><Period><AdaptationSet \
             mimeType=\"video/mp4\"><Representation id=\"1\"><BaseURL>{victim}</BaseURL></Representation></AdaptationSet>\
             </Period></MPD>"
        ),
    ] {
        let error = open(&clips.write("clip.mp4", text.as_bytes())).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Input | ErrorKind::Unsupported), "{error}");
    }
}

#[test]
fn limits_refuse_what_exceeds_them() {
    let clips = Clips::new();
    let path = clips.make("clip.mp4", &format!("{PICTURES} {TONE} -t 1 -c:v libx264"));
    let limits = Limits::default();
    for (limits, what) in [
        (Limits { max_pixels: 160 * 120 - 1, ..limits.clone() }, "pixels"),
        (Limits { max_packets: 20, ..limits.clone() }, "packets"),
        (Limits { max_packet_bytes: 100, ..limits.clone() }, "packet bytes"),
    ] {
        let error = Source::open(&path, &OpenOptions { limits, stream: None }, &mut go).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Limit | ErrorKind::Input), "{what}: {error}");
    }
    let one = Limits { max_streams: 1, ..limits };
    assert!(Source::open(&path, &OpenOptions { limits: one, stream: None }, &mut go).is_err());
}

#[test]
fn opening_can_be_cancelled() {
    let clips = Clips::new();
    let path = clips.make("clip.mp4", &format!("{PICTURES} {TONE} -c:v libx264"));
    let error = Source::open(&path, &OpenOptions::default(), &mut |_, _| ControlFlow::Break(())).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled);
}

#[test]
fn what_has_no_moving_picture_is_refused_in_words() {
    let clips = Clips::new();
    clips.make("cover.png", "-f lavfi -i testsrc2=s=64x64 -frames:v 1");
    for (path, words) in [
        (clips.make("sound.m4a", TONE), "has no video stream"),
        (
            clips.make("album.m4a", &format!("{TONE} -i cover.png -map 0 -map 1 -c:v png -disposition:v attached_pic")),
            "only a cover picture",
        ),
        (clips.write("empty.mp4", b""), "the file is empty"),
        (clips.write("text.mp4", b"<html>not a video</html>"), "cannot read"),
    ] {
        let error = open(&path).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Input);
        assert!(error.to_string().contains(words), "{error}");
    }
    let error = open(&clips.path("nothing.mp4")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io);
}

#[test]
fn a_picture_that_changes_its_size_is_refused_before_the_first_frame() {
    let clips = Clips::new();
    let part = |name: &str, size: &str| {
        std::fs::read(clips.make(name, &format!("{PICTURES} -t 0.5 -s {size} -c:v libx264"))).unwrap()
    };
    let joined = [part("a.264", "160x120"), part("b.264", "128x96")].concat();
    let source = open(&clips.write("joined.264", &joined)).unwrap();
    assert_eq!(source.index().changes.iter().map(|change| change.0).collect::<Vec<_>>(), [13]);
    let error = source.reader(1).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("changes at frame 13 to 128x96"), "{error}");
}

#[test]
fn everything_in_a_file_is_listed_and_hashed() {
    let clips = Clips::new();
    clips.write(
        "chapters.txt",
        b";FFMETADATA1\ntitle=whole\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=1500\ntitle=one\n",
    );
    clips.write("words.srt", b"1\n00:00:00,000 --> 00:00:01,000\nhello\n");
    clips.write("note.txt", b"a note");
    let path = clips.make(
        "all.mkv",
        &format!(
            "{PICTURES} {TONE} -i words.srt -i chapters.txt -map 0 -map 1 -map 2 -map_metadata 3 -map_chapters 3 -c:v libx264 \
             -metadata:s:a:0 language=deu -disposition:s:0 forced -attach note.txt -metadata:s:t mimetype=text/plain"
        ),
    );
    let source = open(&path).unwrap();
    let info = source.info();
    let kinds: Vec<_> = info.streams.iter().map(|stream| stream.kind).collect();
    assert_eq!(kinds, [StreamKind::Video, StreamKind::Audio, StreamKind::Subtitle, StreamKind::Attachment]);
    assert!(
        info.streams[1].metadata.contains(&("language".into(), "ger".into()))
            || info.streams[1].metadata.contains(&("language".into(), "deu".into()))
    );
    assert!(info.streams[2].disposition.contains(&"forced".to_owned()));
    assert_eq!((info.chapters.len(), info.chapters[0].end), (1, 1_500_000_000));
    assert!(info.metadata.iter().any(|(key, value)| key.eq_ignore_ascii_case("title") && value == "whole"));

    let mut counted = vec![(0u64, 0u64); info.streams.len()];
    let mut packets = source.packets().unwrap();
    while let Some(packet) = packets.next().unwrap() {
        let entry = &mut counted[packet.get().stream_index as usize];
        *entry = (entry.0 + 1, entry.1 + packet.data().len() as u64);
    }
    let listed: Vec<_> = info.streams.iter().map(|stream| (stream.packets, stream.bytes)).collect();
    assert_eq!(counted, listed);
    assert_eq!((counted[0].0, counted[2].0), (75, 1));
}

#[test]
fn the_digest_follows_the_packets_and_nothing_else() {
    let clips = Clips::new();
    let arguments = format!("{PICTURES} {TONE} -t 1 -c:v libx264");
    let path = clips.make("one.mp4", &arguments);
    let copy = clips.write("another name.mp4", &std::fs::read(&path).unwrap());
    let titled = clips.make("titled.mp4", "-i one.mp4 -c copy -metadata title=x");
    let other = clips.make("other.mp4", "-i one.mp4 -c copy -t 0.8");
    let digest = |path| open(path).unwrap().digest().to_owned();
    assert_eq!((digest(&path).len(), digest(&path)), (64, digest(&copy)));
    assert_eq!(digest(&path), digest(&titled));
    assert_ne!(digest(&path), digest(&other));
}
