//! The command line itself: help, documentation, refusals of what makes no sense.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests

mod common;

use std::collections::BTreeSet;

use common::{Dir, VERBS};

#[test]
fn the_help_of_every_verb_has_an_example_that_names_it() {
    let dir = Dir::new();
    for verb in VERBS {
        let help = dir.run([verb, "--help"]).exits(0).out;
        let examples = help.split("Examples:").nth(1).unwrap_or_else(|| panic!("{verb} has no examples"));
        assert!(examples.contains(&format!("cleanplate {verb} ")), "{verb}:\n{examples}");
        assert!(help.lines().all(|line| line.chars().count() <= 100), "{verb}: a line is too long\n{help}");
    }
    assert!(dir.say("--help").exits(0).out.contains("Examples:"));
}

#[test]
fn every_flag_of_the_help_is_documented_and_every_documented_flag_exists() {
    let dir = Dir::new();
    let flags = |text: &str| -> BTreeSet<String> {
        let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let found = text.match_indices("--").map(|(at, _)| {
            let rest = &text[at + 2..];
            rest[..rest.find(|c| !is_name(c)).unwrap_or(rest.len())].to_owned()
        });
        found.filter(|name| name.len() > 1 && name.starts_with(|c: char| c.is_ascii_lowercase())).collect()
    };
    let mut helped = BTreeSet::from(["version".to_owned()]);
    for verb in VERBS {
        helped.append(&mut flags(&dir.run([verb, "--help"]).exits(0).out));
    }
    for action in ["install", "list"] {
        helped.append(&mut flags(&dir.run(["runtime", action, "--help"]).exits(0).out));
    }
    let documented = flags(include_str!("../../../docs/cli.md"));
    let undocumented: Vec<_> = helped.difference(&documented).collect();
    assert!(undocumented.is_empty(), "not in docs/cli.md: {undocumented:?}");
    // An alias is documented but hidden in the help.
    let invented: Vec<_> = documented.difference(&helped).filter(|name| *name != "segments").collect();
    assert!(invented.is_empty(), "in docs/cli.md only: {invented:?}");
}

#[test]
fn what_makes_no_sense_is_refused_with_exit_code_2_and_the_offending_text() {
    let dir = Dir::new();
    let cases = [
        ("", "Usage"),
        ("clean in.mp4", "clean"),
        ("remove", "IN"),
        ("remove in.mp4", "--output"),
        ("remove in.mp4 -o out.mp4 --nowhere x.onnx", "--nowhere"),
        ("remove in.mp4 -o out.mp4 --min-score 2", "0 to 1"),
        ("remove in.mp4 -o out.mp4 --persistence 2m", "neither frames"),
        ("remove in.mp4 -o out.mp4 --every 0", "0"),
        ("remove in.mp4 -o out.mp4 --region nowhere", "nowhere"),
        ("remove in.mp4 -o out.mp4 --region 1,2,3,0", "no area"),
        ("remove in.mp4 -o out.mp4 --region -5,0,9,9", "-5"),
        ("remove in.mp4 -o out.mp4 --only 9-3", "ends before"),
        ("remove in.mp4 -o out.mp4 --tiers guess", "guess"),
        ("remove in.mp4 -o out.mp4 --crf nan", "nan"),
        ("remove in.mp4 -o out.mp4 -e tune", "KEY=VALUE"),
        ("remove in.mp4 -o out.mp4 --memory lots", "lots"),
        ("remove in.mp4 -o out.mp4 --encoder-threads 0", "0"),
        ("remove in.mp4 -o out.mp4 --verify some", "some"),
        ("remove in.mp4 --preview=noon", "noon"),
        ("plan in.mp4", "--output"),
        ("completions tcsh", "tcsh"),
    ];
    for (line, part) in cases {
        let ran = dir.say(line).exits(2);
        assert!(ran.err.contains(part), "{line:?} does not mention {part:?}:\n{}", ran.err);
        assert!(ran.out.is_empty(), "{line:?}: {}", ran.out);
    }
    assert!(dir.names().is_empty(), "{:?}", dir.names());
}

#[test]
fn completions_and_manual_pages_are_made_for_every_verb() {
    let dir = Dir::new();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let text = dir.run(["completions", shell]).exits(0).out;
        assert!(text.contains("keep-region"), "{shell}");
    }
    assert!(dir.say("man").exits(0).out.contains(".TH cleanplate 1"));
    dir.say("man pages").exits(0);
    for verb in VERBS {
        let page = std::fs::read_to_string(dir.path(format!("pages/cleanplate-{verb}.1"))).unwrap();
        assert!(page.contains(".TH") && page.contains("Examples"), "{verb}");
    }
}

#[test]
fn a_reader_that_goes_away_is_no_panic() {
    let dir = Dir::new();
    for line in ["--help", "completions bash", "man", "remove missing.mp4 -o out.mp4 --json"] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = dir.command().args(line.split(' ')).stdout(writer).output().unwrap();
        let err = String::from_utf8_lossy(&output.stderr);
        assert!(!err.contains("panicked"), "{line}: {err}");
        assert_ne!(output.status.code(), Some(101), "{line}");
    }
}

#[test]
fn variables_stand_for_flags_and_are_told_and_flags_win() {
    let dir = Dir::new();
    let mut command = dir.command();
    command.args(["remove", "missing.mp4", "-o", "out.mp4", "--crf", "30"]);
    command.env("CLEANPLATE_CRF", "20").env("CLEANPLATE_PRESET", "slow").env("CLEANPLATE_PERSET", "slow");
    command.env("CLEANPLATE_NO_RESUME", "0").env("WATERMARK_DILATION_KERNEL", "7");
    let err = String::from_utf8_lossy(&command.output().unwrap().stderr).into_owned();
    for line in [
        "CLEANPLATE_CRF=20 (the flag on the command line wins)",
        "CLEANPLATE_PRESET=slow\n",
        "CLEANPLATE_PERSET is ignored",
        "WATERMARK_DILATION_KERNEL=7",
    ] {
        assert!(err.contains(line), "{line:?} in:\n{err}");
    }
    for (name, value, part) in [
        ("CLEANPLATE_REGION", "nowhere", "nowhere"),
        ("WATERMARK_DILATION_KERNEL", "wide", "wide"),
        ("WATERMARK_MIN_SCORE", "7", "--min-score"),
        ("WATERMARK_ACCUMULATION_SECONDS", "long", "long"),
        ("YOLO_BATCH_SIZE", "0", "--detect-batch"),
        ("INPAINT_BATCH_SIZE", "x", "--fill-batch"),
    ] {
        let output = dir.command().args(["remove", "missing.mp4", "-o", "out.mp4"]).env(name, value).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{name}");
        assert!(String::from_utf8_lossy(&output.stderr).contains(part), "{name}");
    }
}
