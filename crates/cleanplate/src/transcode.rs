//! A plain transcode: decode and encode, with the settings of a job and nothing between. What a job's cost is measured against.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use cleanplate_core::Frame;
use cleanplate_media::mux::{self, container_of, plan_copy};
use serde::{Deserialize, Serialize};

use crate::assemble::Partial;
use crate::devices::{self, Refusal};
use crate::error::Result;
use crate::film::Film;
use crate::line::{self, Cancel, Queue, Stage};
use crate::observer::{Observer, Phase};
use crate::options::Job;
use crate::prepare;
use crate::run::{QUEUE_BYTES, refuse_existing, refuse_same_file};
use crate::watch::Watch;

/// What a plain transcode took.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Transcoded {
    /// Frames of the track.
    pub frames: u64,
    /// Wall seconds, everything included.
    pub seconds: f64,
    /// What decoded: libav's name of the decoder, and of the device where it is one.
    pub decoder: String,
    /// libav's name of the encoder, with its speed and quality.
    pub encoder: String,
    /// Candidates that were not used, with the reason.
    pub refusals: Vec<String>,
}

/// Decodes the video of a job and encodes it again as the job would, with every other stream copied. Marks, networks and a new size are
/// passed over; nothing is checked but what the muxer refuses, and nothing is kept of one that is interrupted.
///
/// # Errors
/// As [`run`](crate::run()).
pub fn transcode(job: &Job, observer: &mut dyn Observer) -> Result<Transcoded> {
    let since = Instant::now();
    let options = &job.options;
    refuse_same_file(&job.input, &job.output)?;
    refuse_existing(&job.output, options.overwrite)?;
    let watch = &mut Watch::new(observer, vec![Phase::Index, Phase::Render, Phase::Assemble]);
    let opened = prepare::open(&job.input, options, watch)?;
    let source = &opened.source;
    let container = container_of(&job.output, source.info())?;
    let choice = prepare::encoder(&opened, container, options, None)?;
    let picked = devices::encoder(&choice, &options.devices)?;
    devices::tell(&picked.refusals, &picked.spec.words(), watch);
    let copy = plan_copy(source, container, &picked.spec, options.drop_streams, &options.accept_loss)?;
    let count = source.index().frames.len() as u64;
    watch.begin(Phase::Render, count, 0)?;
    let mut reader = source.reader(options.decoder_threads.unwrap_or(0))?;
    let (name, film) = (reader.decoder(), Film::open(&picked.spec, &opened.hdr, "transcode")?);
    let (queue, done, cancel) =
        (Queue::<Frame>::new(options.queue_bytes.unwrap_or(QUEUE_BYTES)), AtomicU64::new(0), Cancel::default());
    let decode: Stage<'_> = (
        "decode",
        Box::new(|| {
            let out = queue.giver();
            while let Some(frame) = reader.read()? {
                cancel.check()?;
                let bytes = frame.format.bytes(frame.width, frame.height);
                out.push(frame, bytes)?;
            }
            Ok(())
        }),
    );
    let mut packets = None;
    let kept = &mut packets;
    let encode: Stage<'_> = (
        "encode",
        Box::new(|| {
            let mut film = film;
            let input = queue.taker();
            while let Some(frame) = input.pop() {
                cancel.check()?;
                if frame.idx + 2 >= count {
                    film.stop_reordering();
                }
                film.push(frame)?;
                done.fetch_add(1, Ordering::Relaxed);
            }
            *kept = Some(film.finish(&cancel)?);
            Ok(())
        }),
    );
    line::run(vec![decode, encode], &mut || {
        if watch.progress(done.load(Ordering::Relaxed)).is_break() {
            cancel.set();
        }
    })?;
    let mut packs = packets.into_iter();
    let partial = Partial::new(&job.output)?;
    watch.begin(Phase::Assemble, source.info().size, 0)?;
    mux::assemble(source, &copy, &mut packs, &partial.0, &mut |done, total| watch.progress_of(done, total))?;
    mux::commit(&partial.0, &job.output, options.overwrite)?;
    watch.end();
    let device = source.device().map_or_else(String::new, |device| format!(" on {}", device.name()));
    let refusals = opened.refusals.iter().chain(&picked.refusals).map(Refusal::line).collect();
    Ok(Transcoded {
        frames: done.into_inner(),
        seconds: since.elapsed().as_secs_f64(),
        decoder: format!("{name}{device}"),
        encoder: picked.spec.words(),
        refusals,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clips::{read_clip, write_clip};
    use crate::observer::{Control, Event, Silent};
    use crate::options::Options;
    use cleanplate_testkit::{Clip, Motion, Scenery, Shot};

    struct Stops;

    impl Observer for Stops {
        fn event(&mut self, _: Event) {}

        fn control(&mut self) -> Control {
            Control::Cancel
        }
    }

    #[test]
    fn a_transcode_keeps_frames_and_times_and_one_that_is_interrupted_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let (input, output) = (folder.path().join("in.mp4"), folder.path().join("out.mp4"));
        let shots = [Shot::new(Scenery::Leaves, Motion::Pan { dx: 1.5, dy: 0.5 }, 9)];
        let clip = Clip::new(3, (96, 64), &shots).with_durations(&[40, 60]);
        write_clip(&input, clip.frames().map(Ok)).unwrap();
        let job = Job { input: input.clone(), output: output.clone(), options: Options::default() };
        assert!(matches!(transcode(&job, &mut Stops), Err(crate::Error::Cancelled)));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        let done = transcode(&job, &mut Silent).unwrap();
        assert_eq!((done.frames, done.encoder.as_str()), (9, "libx264 preset medium crf 18"));
        assert!(done.seconds > 0.0 && done.decoder.contains("h264"), "{done:?}");
        let times = |path| read_clip(path).unwrap().map(|frame| frame.unwrap().pts).collect::<Vec<_>>();
        assert_eq!(times(&input), times(&output));
        assert!(transcode(&job, &mut Silent).is_err(), "an existing output is kept");
    }
}
