//! Pass 1 with a user's detector: every frame is shown to it, and what it sees becomes marks.

use std::ops::Range;

use cleanplate_core::track::link;
use cleanplate_core::{Frame, FrameIdx, Linking, Rect, Sighting, rgb};
use cleanplate_infer::Yolo;

use crate::analyse::GROWN;
use crate::error::{Error, Result};
use crate::footage::Footage;
use crate::grid::stored as stored_at;
use crate::marks::{Claim, Clip, Marker, named_places};
use crate::networks::{lost, placement, words};
use crate::observer::{Event, Phase};
use crate::options::{DetectOptions, Options};
use crate::plan::MarkSource;
use crate::region::{Rotation, shown_size};
use crate::watch::Watch;

/// Shows the clip to the detector of `options` and adds the marks that it sees. Answers with what was seen, in words; the
/// last line is the verdict.
pub(crate) fn detect(
    footage: &dyn Footage,
    options: &Options,
    marker: &mut Marker<'_>,
    watch: &mut Watch<'_>,
) -> Result<Vec<String>> {
    let Some(path) = &options.detect.network else { return Ok(Vec::new()) };
    let placement = placement(options, watch);
    let mut yolo = Yolo::open(path, &placement)?;
    let mut said = words("detector", yolo.net());
    said.iter().for_each(|line| watch.tell(Event::info(line.clone())));
    let (clip, count) = (footage.clip(), footage.count());
    let seen = look(footage, options, &mut yolo, watch)?;
    said.extend(lost(&placement, watch));
    let boxes: usize = seen.iter().map(|(_, boxes)| boxes.len()).sum();
    let linking = linking(&options.detect, options.dilate.unwrap_or(GROWN), rate(clip));
    let tracks = link(&seen, count, clip.size, &linking);
    for track in &tracks {
        let reason = format!("seen on {} of {} frames", track.sightings, seen.len());
        let claim = Claim { from: MarkSource::Detected, confidence: f64::from(track.score), reason: &reason };
        marker.tracked(&track.places, &claim)?;
    }
    said.push(format!("the detector saw {boxes} boxes on {} frames: {} marks", seen.len(), tracks.len()));
    watch.tell(Event::info(format!("detect: {}", said.last().map_or("", String::as_str))));
    watch.end();
    Ok(said)
}

/// What the detector sees on the frames that it looks at, in rising order.
fn look(
    footage: &dyn Footage,
    options: &Options,
    yolo: &mut Yolo,
    watch: &mut Watch<'_>,
) -> Result<Vec<(FrameIdx, Vec<Sighting>)>> {
    let (clip, count) = (footage.clip(), footage.count());
    let every = u64::from(options.detect.every.max(1));
    watch.begin(Phase::Analyse, count, 0)?;
    let (turned, wanted) = (clip.rotation.0 % 180 == 90, named_places(options, clip)?);
    let (w, h) = clip.size;
    let shown = if turned { (h, w) } else { (w, h) };
    let inner = yolo.letterbox(shown).inner;
    let stored_inner = if turned { (inner.1, inner.0) } else { inner };
    let mut reader = footage.frames(options.decoder_threads.unwrap_or(0))?;
    let mut seen: Vec<(FrameIdx, Vec<Sighting>)> = Vec::with_capacity((count / every) as usize + 1);
    // Frames that have the samples of the one that was shown last are not shown again: the answer is the same.
    let (mut pictures, mut frames, mut last) = (Vec::new(), Vec::new(), None::<Frame>);
    let mut before: Vec<Sighting> = Vec::new();
    for idx in (0..count).step_by(every as usize) {
        let Some(frame) = reader.at(idx)? else { break };
        let is_new = !last.as_ref().is_some_and(|last| last.has_samples_of(&frame));
        frames.push((idx, is_new));
        if is_new {
            pictures.push(upright(&rgb::scaled(&frame, stored_inner.0, stored_inner.1), stored_inner, clip.rotation));
            last = Some(frame);
        }
        if pictures.len() == yolo.batch() || idx + every >= count {
            let mut found = Vec::new();
            if !pictures.is_empty() {
                found = yolo.detect(&pictures, shown, options.detect.min_score)?;
            }
            let mut found = found.into_iter();
            for (idx, is_new) in frames.drain(..) {
                if is_new && let Some(boxes) = found.next() {
                    let stored = |b: Sighting| Sighting { sides: stored(b.sides, shown, clip.rotation), ..b };
                    before = boxes.into_iter().map(stored).collect();
                }
                seen.push((idx, before.iter().filter(|b| is_wanted(b, idx, &wanted)).cloned().collect()));
            }
            pictures.clear();
        }
        if watch.progress(idx + 1).is_break() {
            return Err(Error::Cancelled);
        }
    }
    Ok(seen)
}

/// Frames a second in the mean.
pub(crate) fn rate(clip: &Clip) -> f64 {
    let seconds = clip.starts.last().copied().unwrap_or(0.0);
    if seconds > 0.0 { (clip.starts.len() - 1) as f64 / seconds } else { 25.0 }
}

fn linking(detect: &DetectOptions, dilate: u32, rate: f64) -> Linking {
    let every = u64::from(detect.every.max(1));
    Linking {
        // Where not every frame is looked at, marks are seen no more often.
        accumulate: detect.accumulate.frames(rate).max(every),
        max_gap: detect.max_gap.frames(rate).max(every - 1),
        persistence: detect.persistence.frames(rate).max(every - 1),
        dilate,
    }
}

/// Whether the middle of a box lies in a place that is searched on that frame.
fn is_wanted(seen: &Sighting, idx: FrameIdx, places: &[(Rect, Vec<Range<FrameIdx>>)]) -> bool {
    let [left, top, right, bottom] = seen.sides;
    let (x, y) = (((left + right) / 2.0).max(0.0) as u32, ((top + bottom) / 2.0).max(0.0) as u32);
    let inside =
        |(rect, runs): &(Rect, Vec<Range<FrameIdx>>)| rect.contains(x, y) && runs.iter().any(|run| run.contains(&idx));
    places.is_empty() || places.iter().any(inside)
}

/// Planes of a stored picture of `w` x `h` as it is displayed.
pub(crate) fn upright(planes: &[f32], (w, h): (u32, u32), rotation: Rotation) -> Vec<f32> {
    if rotation == (0, false) {
        return planes.to_vec();
    }
    let (shown_w, shown_h) = shown_size((w, h), rotation);
    let mut out = Vec::with_capacity(planes.len());
    for plane in planes.chunks_exact((w * h) as usize) {
        for y in 0..shown_h {
            out.extend((0..shown_w).map(|x| plane[stored_at(x, y, (w, h), rotation)]));
        }
    }
    out
}

/// A box of the displayed picture of `shown` in the stored one, as [`to_stored`](crate::region::to_stored) does it.
fn stored([left, top, right, bottom]: [f32; 4], shown: (u32, u32), (degrees, mirrored): Rotation) -> [f32; 4] {
    let (w, h) = (shown.0 as f32, shown.1 as f32);
    let (left, right) = if mirrored { (w - right, w - left) } else { (left, right) };
    match degrees % 360 {
        90 => [top, w - right, bottom, w - left],
        180 => [w - right, h - bottom, w - left, h - top],
        270 => [h - bottom, left, h - top, right],
        _ => [left, top, right, bottom],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::region::to_stored;

    #[test]
    fn boxes_and_pixels_turn_as_regions_do() {
        let size = (6u32, 4u32);
        for degrees in [0, 90, 180, 270] {
            for mirrored in [false, true] {
                let rotation = (degrees, mirrored);
                let shown = if degrees % 180 == 90 { (size.1, size.0) } else { size };
                let rect = Rect::new(1, 0, 2, 1);
                let wanted = to_stored(rect, size, rotation);
                let got = stored([1.0, 0.0, 3.0, 1.0], shown, rotation);
                let corners = [wanted.x, wanted.y, wanted.right(), wanted.bottom()].map(|v| v as f32);
                assert_eq!(got, corners, "{rotation:?}");
                // A picture that is 1 in the stored rectangle is 1 in the displayed one.
                let mut plane = vec![0.0; 24];
                (0..24u32).filter(|k| wanted.contains(k % 6, k / 6)).for_each(|k| plane[k as usize] = 1.0);
                let up = upright(&plane, size, rotation);
                for k in 0..24u32 {
                    let inside = rect.contains(k % shown.0, k / shown.0);
                    assert_eq!(up[k as usize] > 0.5, inside, "{rotation:?} {k}");
                }
            }
        }
    }

    #[test]
    fn a_detector_that_skips_frames_still_makes_whole_tracks() {
        let detect = DetectOptions {
            every: 7,
            max_gap: "2".parse().unwrap(),
            persistence: "0.1s".parse().unwrap(),
            ..DetectOptions::default()
        };
        let linking = linking(&detect, 3, 30.0);
        assert_eq!((linking.accumulate, linking.max_gap, linking.persistence), (60, 6, 6));
    }
}
