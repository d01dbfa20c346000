//! What a job promises about captions, on small synthetic clips: they are found to the frame and go, scenes without any are left
//! alone, and what was found can be edited.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // also outside of test functions

mod common;

use std::collections::BTreeSet;
use std::ops::Range;

use cleanplate::{Error, Silent, Tier, plan, run};
use cleanplate_core::Rect;
use common::captioned::{LINES, PAD, clips, job, signs};
use common::{frames, off};

#[test]
fn captions_are_found_to_the_frame_and_removed_and_a_caption_of_the_plan_can_be_kept() {
    let folder = tempfile::tempdir().unwrap();
    let (clean, input) = clips(folder.path(), None);
    let output = folder.path().join("out.mkv");
    let made = folder.path().join("plan.json");
    let mut job = job(&input, &output);
    job.options.plan_out = Some(made.clone());
    let report = run(&job, &mut Silent).unwrap();
    let spans: Vec<Range<u64>> = report.marks.iter().map(|mark| mark.start..mark.end).collect();
    assert_eq!(spans, LINES.map(|line| line.2));
    let (truth, marked, restored) = (frames(&clean), frames(&input), frames(&output));
    for (idx, made) in restored.iter().enumerate() {
        let shown = LINES.iter().find(|(_, _, shown)| shown.contains(&(idx as u64)));
        let Some((_, rect, _)) = shown else { continue };
        let (left, before) = (off(&truth[idx], made, *rect), off(&truth[idx], &marked[idx], *rect));
        assert!(before > 20.0 && left < 3.0, "frame {idx}: off by {left:.2}, {before:.2} before");
    }
    // The second one is switched off; nothing is looked for again.
    let text = std::fs::read_to_string(&made).unwrap();
    let at = text.rfind("\"enabled\": true").unwrap();
    std::fs::write(&made, format!("{}\"enabled\": false{}", &text[..at], &text[at + 15..])).unwrap();
    job.options.plan_out = None;
    job.options.plan_in = Some(made);
    let report = run(&job, &mut Silent).unwrap();
    assert_eq!(report.frames_marked, 30);
    let kept = frames(&output);
    assert!(off(&marked[65], &kept[65], LINES[1].1) < 3.0);
}

#[test]
fn a_translucent_panel_is_computed_away_and_its_letters_alone_are_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    let (clean, input) = clips(folder.path(), Some(0.55));
    let output = folder.path().join("out.mkv");
    let report = run(&job(&input, &output), &mut Silent).unwrap();
    assert_eq!(report.marks.len(), LINES.len());
    for mark in &report.marks {
        let origins = mark.origins;
        assert!(mark.reason.contains("opacity 0.5"), "{}", mark.reason);
        // Its letters, grown by what the codec spoils, and its border are most of a panel as narrow as this one.
        let whole = origins.unblended + origins.borrowed + origins.invented;
        assert!(4 * origins.unblended > whole, "{origins:?}");
    }
    let (truth, marked, restored) = (frames(&clean), frames(&input), frames(&output));
    for (idx, made) in restored.iter().enumerate() {
        let shown = LINES.iter().find(|(_, _, shown)| shown.contains(&(idx as u64)));
        let Some((_, rect, _)) = shown else { continue };
        // Of the panel, what lies left of its letters, its border included.
        let side = Rect::new(rect.x - PAD.0 - 2, rect.y - PAD.1 - 2, PAD.0, rect.h + 2 * PAD.1 + 4);
        let (left, before) = (off(&truth[idx], made, side), off(&truth[idx], &marked[idx], side));
        assert!(before > 20.0 && left < 2.5, "frame {idx}: off by {left:.2}, {before:.2} before");
    }
}

#[test]
fn a_clip_without_captions_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let (clean, _) = clips(folder.path(), None);
    let output = folder.path().join("out.mkv");
    let refused = run(&job(&clean, &output), &mut Silent);
    assert!(matches!(refused, Err(Error::NothingFound(_))), "{refused:?}");
    assert!(!output.exists());
}

#[test]
fn signs_over_which_a_camera_moves_are_left_alone_beside_a_caption() {
    let folder = tempfile::tempdir().unwrap();
    let input = signs(folder.path());
    let output = folder.path().join("out.mkv");
    let mut job = job(&input, &output);
    job.options.tiers = BTreeSet::from([Tier::Fill]);
    job.options.encode.codec = Some("ffv1".to_owned());
    let report = run(&job, &mut Silent).unwrap();
    let spans: Vec<Range<u64>> = report.marks.iter().map(|mark| mark.start..mark.end).collect();
    assert_eq!(spans, std::slice::from_ref(&LINES[0].2));
    let (given, made) = (frames(&input), frames(&output));
    for (idx, (given, made)) in given.iter().zip(&made).enumerate() {
        let rows = if LINES[0].2.contains(&(idx as u64)) { LINES[0].1.y - 8 } else { 272 };
        assert_eq!(off(given, made, Rect::new(0, 0, 480, rows)), 0.0, "frame {idx}");
    }
}

#[test]
fn captions_are_looked_for_where_the_user_says() {
    let folder = tempfile::tempdir().unwrap();
    let (_, input) = clips(folder.path(), None);
    let mut job = job(&input, &folder.path().join("out.mkv"));
    job.options.regions = vec!["top".parse().unwrap()];
    assert!(plan(&job, &mut Silent).unwrap().plan.marks.is_empty());
    job.options.regions = vec!["0,220,480,52@f0-f50".parse().unwrap()];
    assert_eq!(plan(&job, &mut Silent).unwrap().plan.marks.len(), 1);
}
