//! What pictures are made of: the footage of a job with its marks, before an output is chosen.

use std::path::PathBuf;

use cleanplate_core::{FrameIdx, Mask, Rect};
use tempfile::TempDir;

use crate::error::{Error, Result};
use crate::footage::Footage;
use crate::images;
use crate::masks::MaskFolder;
use crate::networks::{FillModel, placement};
use crate::observer::Phase;
use crate::options::{Job, Tier};
use crate::plan::{Mark, Plan};
use crate::prepare;
use crate::region::{shown_size, to_shown};
use crate::restore::{Extras, Means, Restoration};
use crate::watch::Watch;

/// Footage and the marks on it. Masks lie in a temporary folder that lives as long as this.
pub(crate) struct Subject {
    pub(crate) footage: Box<dyn Footage>,
    /// Marks that are removed.
    pub(crate) marks: Vec<Mark>,
    means: Means,
    masks: PathBuf,
    _folder: TempDir,
}

/// Why nothing is located on one frame.
const ONE_FRAME: &str = "a mark is located by comparing frames, and there is only one";

/// The footage of a job and the plan that was given for it.
fn open(job: &Job, watch: &mut Watch<'_>) -> Result<(Box<dyn Footage>, Option<Plan>)> {
    if let Some(input) = images::input(&job.input)? {
        let files = input.files();
        watch.begin(Phase::Index, files.len() as u64, 0)?;
        return Ok((Box::new(images::Sequence::open(files, watch)?), None));
    }
    let opened = prepare::open(&job.input, &job.options, watch)?;
    let plan =
        job.options.plan_in.as_ref().map(|path| prepare::given(path, &opened.source, &job.options)).transpose()?;
    Ok((Box::new(opened), plan))
}

impl Subject {
    /// Opens the input of a job and places its marks as [`run`](crate::run) does. The output of the job is not looked at.
    ///
    /// # Errors
    /// As [`run`](crate::run); [`Error::NothingFound`] where there is no mark.
    pub(crate) fn open(job: &Job, watch: &mut Watch<'_>) -> Result<Self> {
        let options = &job.options;
        let folder = tempfile::tempdir().map_err(Error::io("make a folder in", std::env::temp_dir()))?;
        let (footage, pinned) = open(job, watch)?;
        let mut masks = folder.path().to_owned();
        let mut tiers: Vec<Tier> = options.tiers.iter().copied().collect();
        let mut fill_model = if pinned.is_none() { FillModel::of(options, watch)?.0 } else { None };
        let (marks, words) = match pinned {
            Some(plan) => {
                (masks, tiers, fill_model) = (plan.masks, plan.tiers, plan.fill_model);
                (plan.marks, plan.words)
            }
            None if footage.count() == 1 && !options.names_marks() => (Vec::new(), vec![ONE_FRAME.to_owned()]),
            None => prepare::place_marks(options, footage.as_ref(), &masks, watch)?,
        };
        let marks: Vec<Mark> = marks.into_iter().filter(|m| m.enabled).collect();
        if marks.is_empty() {
            let reason = words.last().map_or("every mark of the plan is switched off", String::as_str);
            let (what, hint) = options.target.sought();
            return Err(Error::NothingFound(format!(
                "no {what} was found with confidence in {}: {reason}; there is nothing to show{hint}",
                job.input.display()
            )));
        }
        watch.end();
        let means = Means { tiers, fill_model, placement: placement(options, watch) };
        Ok(Self { footage, marks, means, masks, _folder: folder })
    }

    /// Its masks.
    pub(crate) fn mask_folder(&self) -> MaskFolder {
        MaskFolder::new(&self.masks)
    }

    /// The tiers, ready to work on its frames.
    pub(crate) fn restoration(&self, extras: Extras) -> Result<Restoration> {
        let clip = self.footage.clip();
        let bytes = clip.format.bytes(clip.size.0, clip.size.1);
        Restoration::of(&self.marks, &[], &self.means, self.mask_folder(), extras, bytes)
    }

    /// The masks on frame `idx`, with the position of each one's mark in [`marks`](Self::marks); those that cover nothing are
    /// left out.
    pub(crate) fn masks_at(&self, idx: FrameIdx, folder: &mut MaskFolder) -> Result<Vec<(usize, Mask)>> {
        let (w, h) = self.footage.clip().size;
        let mut masks = Vec::new();
        for (n, mark) in self.marks.iter().enumerate().filter(|(_, m)| m.span.contains(&idx)) {
            let track = mark.track()?;
            let Some(name) = track.at(idx) else { continue };
            let mask = folder.load(name)?.clipped(w, h);
            if !mask.is_empty() {
                masks.push((n, mask));
            }
        }
        Ok(masks)
    }

    /// Columns and rows of the displayed picture.
    pub(crate) fn shown_size(&self) -> (u32, u32) {
        let clip = self.footage.clip();
        shown_size(clip.size, clip.rotation)
    }

    /// A rectangle of the stored picture as it is displayed.
    pub(crate) fn shown_rect(&self, stored: Rect) -> Rect {
        let clip = self.footage.clip();
        to_shown(stored, clip.size, clip.rotation)
    }
}
