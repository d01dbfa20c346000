//! Masks and origins drawn over frames, for people who want to know what would be touched and how.

use std::path::Path;

use cleanplate_core::{Frame, FrameIdx, Mask, Raster, Rect};
use cleanplate_media::Container;

use crate::draw::{Canvas, Rgb, TEXT_HEIGHT, joined, shown, text_width};
use crate::error::{Error, Result};
use crate::looks::is_looked_at;
use crate::masks::MaskFolder;
use crate::moment;
use crate::observer::{Event, Observer, Phase};
use crate::options::Job;
use crate::origins::origin_gray;
use crate::reel::Reel;
use crate::restore::{Extras, Restoration, Restored};
use crate::subject::Subject;
use crate::times::Times;
use crate::watch::Watch;

/// Colours of marks, in turn: far apart for most eyes (Okabe and Ito's palette without black).
const MARKS: [Rgb; 7] =
    [[230, 159, 0], [86, 180, 233], [240, 228, 66], [204, 121, 167], [0, 158, 115], [213, 94, 0], [0, 114, 178]];

/// Captions on frames that the text network has looked at, and on those between, on which they were joined.
const LOOKS: [(&str, Rgb); 2] = [("analysed", [0, 200, 80]), ("joined", [255, 220, 0])];

/// Origins with a colour, from the truest.
const ORIGINS: [(cleanplate_core::Origin, &str, Rgb); 3] = [
    (cleanplate_core::Origin::Unblended, "unblended", [0, 158, 115]),
    (cleanplate_core::Origin::Borrowed, "borrowed", [86, 180, 233]),
    (cleanplate_core::Origin::Invented, "invented", [213, 94, 0]),
];

/// Weight of 256 of a mark's colour over the picture.
const TINT: u32 = 80;

/// Weight of 256 of an origin's colour over the faded picture.
const ORIGIN_TINT: u32 = 200;

/// Pixels between the panels, and their gray.
const DIVIDER: (u32, Rgb) = (2, [128; 3]);

/// Draws what a job would touch. `out` with the ending `.png` becomes one frame: the one that `at` names, else the most
/// telling one; with `.mp4` or `.mkv` a clip (H.264, at the times of the source) of the frames that `at` names, else from the
/// first to the last frame with a mark. Three panels in displayed orientation show the source with every mark outlined,
/// tinted and numbered (captions in green where the text network has looked at the frame, in
/// yellow where they were joined), the origins of the pixels by colour, and the restored frame. `job.output` is not looked at.
///
/// # Errors
/// As [`preview`](crate::preview()).
pub fn inspect(job: &Job, at: Option<&Times>, out: &Path, observer: &mut dyn Observer) -> Result<()> {
    let watch = &mut Watch::new(observer, vec![Phase::Index, Phase::Analyse, Phase::Solve, Phase::Render]);
    let ending = out.extension().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    match ending.as_str() {
        "png" => picture(job, at, out, watch),
        "mp4" => clip(job, at, out, Container::Mp4, watch),
        "mkv" => clip(job, at, out, Container::Mkv, watch),
        _ => Err(Error::Usage(format!("{} is neither a .png nor a .mp4 or .mkv", out.display()))),
    }
}

fn picture(job: &Job, at: Option<&Times>, out: &Path, watch: &mut Watch<'_>) -> Result<()> {
    let subject = Subject::open(job, watch)?;
    let threads = job.options.decoder_threads.unwrap_or(0);
    let idx = moment::choose(&subject, at, threads, watch)?;
    watch.begin(Phase::Render, 1, 0)?;
    let mut frames = subject.footage.frames(threads)?;
    let (mut sheet, mut words) = (Sheet::new(&subject), String::new());
    let one = idx..idx + 1;
    restoration(&subject)?.over(frames.as_mut(), &[one], subject.footage.count(), &mut |source, frame, restored| {
        let canvas = sheet.draw(source, &frame, &restored)?;
        words = restored.origins.words();
        watch.poll()?;
        canvas.save_png(out)
    })?;
    watch.end();
    let seconds = subject.footage.clip().starts.get(idx as usize).copied().unwrap_or(0.0);
    watch.tell(Event::info(format!(
        "inspect: {} | frame {idx} at {seconds:.2} s | marks, origins, restored | {words}",
        out.display()
    )));
    Ok(())
}

fn clip(job: &Job, at: Option<&Times>, out: &Path, container: Container, watch: &mut Watch<'_>) -> Result<()> {
    let subject = Subject::open(job, watch)?;
    let runs = match at {
        Some(times) => times.frames(&subject.footage.clip().starts),
        None => {
            let marked = moment::marked(&subject);
            let ends = marked.first().zip(marked.last());
            ends.map(|(first, last)| first.start..last.end).into_iter().collect()
        }
    };
    let total: u64 = runs.iter().map(|run| run.end - run.start).sum();
    if total == 0 {
        return Err(match at {
            Some(times) => Error::Usage(format!("the time {times} names no frame of {}", job.input.display())),
            None => Error::NothingFound("no frame carries a mark: there is nothing to show".into()),
        });
    }
    watch.begin(Phase::Render, total, 0)?;
    let (time_base, frame_rate) = subject.footage.rates();
    let mut reel = Reel::new(time_base, frame_rate);
    let mut frames = subject.footage.frames(job.options.decoder_threads.unwrap_or(0))?;
    let (mut sheet, mut drawn) = (Sheet::new(&subject), 0);
    restoration(&subject)?.over(frames.as_mut(), &runs, subject.footage.count(), &mut |source, frame, restored| {
        let canvas = sheet.draw(source, &frame, &restored)?;
        reel.push(&canvas, frame.pts, frame.duration)?;
        drawn += 1;
        if watch.progress(drawn).is_break() { Err(Error::Cancelled) } else { Ok(()) }
    })?;
    reel.finish(out, container)?;
    watch.end();
    watch.tell(Event::info(format!("inspect: {} | {total} frames | marks, origins, restored", out.display())));
    Ok(())
}

/// The tiers with all that the panels show.
pub(crate) fn restoration(subject: &Subject) -> Result<Restoration> {
    subject.restoration(Extras { origin_map: true, ..Extras::default() })
}

/// Draws the panels of one frame after another.
pub(crate) struct Sheet<'a> {
    subject: &'a Subject,
    masks: MaskFolder,
}

impl<'a> Sheet<'a> {
    pub(crate) fn new(subject: &'a Subject) -> Self {
        Self { subject, masks: subject.mask_folder() }
    }

    /// The three panels of a frame.
    pub(crate) fn draw(&mut self, source: &Frame, frame: &Frame, done: &Restored) -> Result<Canvas> {
        let rotation = self.subject.footage.clip().rotation;
        let masks = self.subject.masks_at(frame.idx, &mut self.masks)?;
        let mut source = Canvas::of(source, rotation)?;
        let dot = dot(source.width(), source.height());
        for (n, mask) in &masks {
            self.outline(&mut source, (*n, frame.idx), mask, dot);
        }
        if self.subject.marks.iter().any(|mark| mark.caption.is_some()) {
            legend(&mut source, &LOOKS, dot);
        }
        let restored = Canvas::of(frame, rotation)?;
        let mut origins = restored.faded();
        if let Some(map) = &done.origin_map {
            colour(&mut origins, &shown(map, rotation));
        }
        legend(&mut origins, &ORIGINS.map(|(_, name, hue)| (name, hue)), dot);
        let wide = source.width() > source.height();
        Ok(joined(&[source, origins, restored], wide, DIVIDER.0, DIVIDER.1))
    }

    fn outline(&self, canvas: &mut Canvas, (n, idx): (usize, FrameIdx), mask: &Mask, dot: u32) {
        let Some(mark) = self.subject.marks.get(n) else { return };
        let hue = mark.caption.as_ref().map_or(MARKS[n % MARKS.len()], |caption| {
            let is_joined = !is_looked_at(idx, caption.every, self.subject.footage.count());
            LOOKS[usize::from(is_joined)].1
        });
        let place = self.subject.shown_rect(mask.rect());
        let coverage = shown(mask.coverage(), self.subject.footage.clip().rotation);
        let around = place.grow(dot, canvas.width(), canvas.height());
        let mut local = Raster::new(around.w, around.h, 0u8);
        for y in 0..place.h {
            let (x, row) = ((place.x - around.x) as usize, place.y - around.y + y);
            local.row_mut(row)[x..x + place.w as usize].copy_from_slice(coverage.row(y));
        }
        let mut part = canvas.crop(around);
        part.mark(&local, hue, TINT, dot);
        canvas.paste(&part, around.x, around.y);
        if mark.caption.is_some() {
            canvas.frame(place.grow(3 * dot, canvas.width(), canvas.height()), dot, hue);
        }
        let label = mark.id.to_string();
        canvas.write(&label, label_place(&around, &label, dot, canvas), dot, [0; 3], hue);
    }
}

/// Above the mark where there is room, else below it, else inside its corner.
fn label_place(around: &Rect, label: &str, dot: u32, canvas: &Canvas) -> (u32, u32) {
    let height = TEXT_HEIGHT * dot;
    let x = around.x.min(canvas.width().saturating_sub(text_width(label, dot)));
    let y = if around.y >= height {
        around.y - height
    } else if around.bottom() + height <= canvas.height() {
        around.bottom()
    } else {
        around.y
    };
    (x, y)
}

/// Pixels of a dot of the words: readable where the picture is shown in a window.
fn dot(width: u32, height: u32) -> u32 {
    (width.min(height) / 180).clamp(1, 8)
}

fn colour(canvas: &mut Canvas, map: &Raster<u8>) {
    for y in 0..map.height() {
        for (x, gray) in map.row(y).iter().enumerate().filter(|(_, gray)| **gray > 0) {
            if let Some((.., hue)) = ORIGINS.iter().find(|(origin, ..)| origin_gray(*origin) == *gray) {
                canvas.blend(x as u32, y, *hue, ORIGIN_TINT);
            }
        }
    }
}

/// A line of names, each on its colour.
fn legend(canvas: &mut Canvas, names: &[(&str, Rgb)], dot: u32) {
    let mut x = dot;
    for (name, hue) in names {
        let plate = canvas.write(name, (x, dot), dot, [0; 3], *hue);
        x = plate.right() + dot;
    }
}
