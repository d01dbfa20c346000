//! What is done about marks that show in encoded frames.
//!
//! Knows which frames show what; refuses to know how that was found and how frames are rendered again.

use std::collections::BTreeSet;
use std::ops::Range;

use cleanplate_core::FrameIdx;

use crate::plan::{Plan, Remedy, Repair};
use crate::records::Flash;

/// Frames before and after a flash that are made without the matte too: what shows there is hardly less.
const BESIDE_FLASH: u64 = 4;

/// What is to be done about marks that show in the encoded frames of `segments`, of which each has its frames and what was
/// seen on them: what has not been tried there yet.
///
/// First the matte is left out around the frames on which the mark shows; where that was not enough, in the whole segment.
pub(crate) fn repairs<'a>(
    plan: &Plan,
    segments: impl Iterator<Item = (&'a Range<FrameIdx>, &'a [Flash])>,
) -> Vec<Repair> {
    let mut repairs = Vec::new();
    for (segment, seen) in segments {
        let shown: BTreeSet<u32> = seen.iter().map(|flash| flash.mark).collect();
        for mark in shown.into_iter().filter(|id| plan.marks.iter().any(|m| m.id == *id && m.matte.is_some())) {
            let before: Vec<&Range<FrameIdx>> = plan
                .repairs
                .iter()
                .filter(|r| r.mark == mark && r.frames.start < segment.end && segment.start < r.frames.end)
                .map(|r| &r.frames)
                .collect();
            let flashes: Vec<FrameIdx> =
                seen.iter().filter(|flash| flash.mark == mark).map(|flash| flash.frame).collect();
            let runs = if before.is_empty() { around(&flashes, segment) } else { Vec::new() };
            match runs.is_empty() {
                false => repairs.extend(runs.into_iter().map(|frames| Repair { frames, mark, remedy: Remedy::Fill })),
                true if before.contains(&segment) => {}
                true => repairs.push(Repair { frames: segment.clone(), mark, remedy: Remedy::Demote }),
            }
        }
    }
    repairs
}

/// The runs of `segment` around the frames on which a mark shows (rising); none where they are most of it, because a matte that
/// fails that often is wrong.
fn around(flashes: &[FrameIdx], segment: &Range<FrameIdx>) -> Vec<Range<FrameIdx>> {
    let mut runs: Vec<Range<FrameIdx>> = Vec::new();
    for frame in flashes {
        let run = frame.saturating_sub(BESIDE_FLASH).max(segment.start)..(frame + BESIDE_FLASH + 1).min(segment.end);
        match runs.last_mut().filter(|last| run.start <= last.end + BESIDE_FLASH) {
            Some(last) => last.end = run.end,
            None => runs.push(run),
        }
    }
    let frames: u64 = runs.iter().map(|run| run.end - run.start).sum();
    if 2 * frames > segment.end - segment.start { Vec::new() } else { runs }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_matte_is_left_out_around_flashes_unless_they_are_many() {
        assert_eq!(around(&[20, 21, 30, 60], &(10..80)), [16..35, 56..65]);
        assert_eq!(around(&[11, 79], &(10..80)), [10..16, 75..80], "not beyond the segment");
        let many: Vec<FrameIdx> = (10..80).step_by(7).collect();
        assert_eq!(around(&many, &(10..80)), []);
    }
}
