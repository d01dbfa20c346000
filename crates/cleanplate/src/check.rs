//! The check of an encoded segment before it is kept: its packets are decoded again, and marks are looked for in the frames.

use std::fs::File;
use std::io::BufReader;
use std::ops::Range;

use cleanplate_core::{Frame, FrameIdx, Resampler, Search, Template};
use cleanplate_media::pack::{PackReader, check_pack};

use crate::error::{Error, Result};
use crate::line::Cancel;
use crate::plan::Mark;
use crate::records::Flash;
use crate::store::StoreWriter;
use crate::upscale::reduced;

/// Marks that are looked for in an encoded segment.
pub(crate) struct Sought<'a> {
    pub(crate) templates: &'a [(u32, Template)],
    /// The size at which they were removed, where the encoded frames have another.
    pub(crate) size: Option<(u32, u32)>,
}

/// Decodes an encoded segment on its own before it counts as done.
///
/// Answers with the frames that still show one of the marks that are `sought`, where the plan says that they are.
pub(crate) fn check<'a>(
    blob: &mut StoreWriter,
    pts: &[i64],
    frames: &Range<FrameIdx>,
    sought: &Sought<'_>,
    mark: &dyn Fn(u32) -> Option<&'a Mark>,
    cancel: &Cancel,
) -> Result<Vec<Flash>> {
    let path = blob.temporary()?.to_owned();
    let file = File::open(&path).map_err(Error::io("open", path))?;
    let pack = PackReader::open(BufReader::new(file))?;
    let stop = || cleanplate_media::Error::Cancelled;
    let mut searches: Vec<(&Mark, Search<'_>)> =
        sought.templates.iter().filter_map(|(id, template)| Some((mark(*id)?, Search::new(template)))).collect();
    let mut resampler = Resampler::default();
    let mut look = |frame: Frame| {
        let idx = frames.start + frame.idx;
        let frame = match sought.size.filter(|_| !searches.is_empty()) {
            Some(size) => reduced(&frame, size, &mut resampler).map_err(cleanplate_media::Error::Internal)?,
            None => frame,
        };
        for (mark, search) in searches.iter_mut().filter(|(mark, _)| mark.span.contains(&idx)) {
            match mark.view.as_ref().map(|view| view.origin(idx)) {
                Some(Some(origin)) => search.look_from(&frame, idx, origin),
                Some(None) => {}
                None => search.look(&frame, idx),
            }
        }
        if cancel.is_set() { Err(stop()) } else { Ok(()) }
    };
    let found = check_pack(pack, pts, &mut look, 1)?;
    if found.is_sound() {
        let seen = |(mark, search): &(&Mark, Search<'_>)| {
            let mark = mark.id;
            search.flashes().into_iter().map(move |(frame, share)| Flash { mark, frame, share })
        };
        return Ok(searches.iter().flat_map(seen).collect());
    }
    Err(Error::Verification(format!(
        "the encoded frames {}..{} do not decode as written: {}",
        frames.start,
        frames.end,
        found.problems.join("; ")
    )))
}
