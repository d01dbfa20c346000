//! One frame before and after, side by side, as a PNG.

use std::path::Path;

use cleanplate_core::Rect;

use crate::draw::{Canvas, joined};
use crate::error::{Error, Result};
use crate::moment;
use crate::observer::{Event, Observer, Phase};
use crate::options::Job;
use crate::restore::Extras;
use crate::subject::Subject;
use crate::times::Times;
use crate::watch::Watch;

/// Columns between before and after, and their gray.
const DIVIDER: (u32, [u8; 3]) = (2, [128; 3]);

/// Writes one frame of a job before and after, side by side, as the PNG `out`: at its own size, in displayed orientation,
/// cropped around its marks. `at` names the frame (the first one of its first range); without it the most telling one is
/// taken: most of the mark, most motion around it. `job.output` is not looked at.
///
/// # Errors
/// As [`run`](crate::run); [`ErrorKind::NothingFound`](crate::ErrorKind) where there is no mark on the frame;
/// [`ErrorKind::Usage`](crate::ErrorKind) where `at` names no frame. An existing `out` is replaced, whole or not at all.
pub fn preview(job: &Job, at: Option<&Times>, out: &Path, observer: &mut dyn Observer) -> Result<()> {
    let watch = &mut Watch::new(observer, vec![Phase::Index, Phase::Analyse, Phase::Solve, Phase::Render]);
    let subject = Subject::open(job, watch)?;
    let threads = job.options.decoder_threads.unwrap_or(0);
    let idx = moment::choose(&subject, at, threads, watch)?;
    let masks = subject.masks_at(idx, &mut subject.mask_folder())?;
    let marks = masks.iter().fold(Rect::default(), |all, (_, mask)| all.union(&mask.trimmed().rect()));
    if marks.is_empty() {
        return Err(Error::NothingFound(format!("frame {idx} carries no mark: there is nothing to show")));
    }
    watch.begin(Phase::Render, 1, 0)?;
    let rotation = subject.footage.clip().rotation;
    let part = moment::crop(subject.shown_rect(marks), subject.shown_size());
    let (mut frames, count) = (subject.footage.frames(threads)?, subject.footage.count());
    let mut words = String::new();
    let one = idx..idx + 1;
    subject.restoration(Extras::default())?.over(frames.as_mut(), &[one], count, &mut |source, frame, restored| {
        let before = Canvas::of(source, rotation)?.crop(part);
        let after = Canvas::of(&frame, rotation)?.crop(part);
        words = restored.origins.words();
        watch.poll()?;
        joined(&[before, after], false, DIVIDER.0, DIVIDER.1).save_png(out)
    })?;
    watch.end();
    let seconds = subject.footage.clip().starts.get(idx as usize).copied().unwrap_or(0.0);
    watch.tell(Event::info(format!(
        "preview: {} | frame {idx} at {seconds:.2} s | {}x{} at {},{} | before, after | {}",
        out.display(),
        part.w,
        part.h,
        part.x,
        part.y,
        words
    )));
    Ok(())
}
