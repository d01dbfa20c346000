//! What the systems that cleanplate replaces publish of themselves. Nothing here was measured by this program, on this machine or on these clips.

use serde::Serialize;

use super::Row;

/// A figure that others publish, beside what this machine would take for as many frames.
#[derive(Debug, Serialize)]
pub(crate) struct Elsewhere {
    pub(crate) what: &'static str,
    pub(crate) frames: u32,
    pub(crate) published: Vec<Published>,
    pub(crate) computed: Option<Computed>,
}

/// Seconds as published, and on what.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Published {
    pub(crate) seconds: &'static str,
    pub(crate) on: &'static str,
}

/// Computed from a row that was measured here: frames by its frames a second.
#[derive(Debug, Serialize)]
pub(crate) struct Computed {
    pub(crate) from: String,
    pub(crate) seconds: f64,
}

const fn published(seconds: &'static str, on: &'static str) -> Published {
    Published { seconds, on }
}

/// What, how many frames, the row that comes nearest, and the figures.
type Entry = (&'static str, u32, (&'static str, &'static str), &'static [Published]);

const PUBLISHED: [Entry; 3] = [
    (
        "a watermark removed at 1080p",
        300,
        ("remove", "1080p"),
        &[
            published("10-12", "RTX 5090, a target"),
            published("15-18", "RTX 5090 without NVENC"),
            published("35", "a processor alone"),
        ],
    ),
    (
        "enlarged from 1080p to 4K",
        1000,
        ("upscale", "4k"),
        &[
            published("82-91", "RTX 5090"),
            published("50-60", "RTX 5090, 40 % of the frames repeated"),
            published("30-40", "RTX 5090, 70 % of the frames repeated"),
        ],
    ),
    ("captions removed, size not told", 1339, ("captions", "1080p"), &[published("300-310", "H100")]),
];

/// All of it, with what `rows` say of this machine.
pub(crate) fn beside(rows: &[Row]) -> Vec<Elsewhere> {
    let computed = |frames: u32, (job, size): (&str, &str)| {
        let row = rows.iter().find(|row| row.job == job && row.size == size)?;
        Some(Computed { from: format!("{job} {size}"), seconds: f64::from(frames) / row.fps.max(1e-9) })
    };
    let entry = |(what, frames, row, published): Entry| Elsewhere {
        what,
        frames,
        published: published.to_vec(),
        computed: computed(frames, row),
    };
    PUBLISHED.into_iter().map(entry).collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests::row;
    use super::*;

    #[test]
    fn what_this_machine_would_take_is_computed_from_the_row_that_fits_or_left_out() {
        let all = beside(&[row("remove", "720p", 80.0, 90.0), row("remove", "1080p", 20.0, 40.0)]);
        let computed: Vec<_> = all.iter().map(|entry| entry.computed.as_ref().map(|own| own.seconds)).collect();
        assert_eq!(computed, [Some(15.0), None, None], "300 frames at 20 fps");
        assert!(all.iter().all(|entry| !entry.published.is_empty()));
    }
}
