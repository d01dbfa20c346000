//! The plan: everything that decides the output's bits, made from what was asked and what was seen, before a pixel is
//! changed. Plain JSON beside a folder of masks; it can be read, edited and run again.

use std::collections::BTreeSet;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use cleanplate_core::{FrameIdx, MaskTrack, Rect};
use cleanplate_media::encode::EncoderSpec;
use cleanplate_media::mux::CopyPlan;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::entries::CaptionEntry;
use crate::error::{Error, Result};
use crate::masks::{MaskFolder, MaskRef, hex};
use crate::mattes::MatteRef;
use crate::networks::FillModel;
use crate::options::Tier;
use crate::plates::PlateRef;
use crate::restore::context;
use crate::upscale::Upscale;

/// Version of the plan's structure; raised when a field changes its meaning or goes.
pub const PLAN_VERSION: u32 = 1;

/// Raised whenever an algorithm changes its pixels: finished segments of older algorithms are not used again.
pub(crate) const ALGORITHMS: u32 = 8;

/// Everything that decides the output's bits.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Plan {
    /// [`PLAN_VERSION`].
    pub version: u32,
    /// Version of the engine that made it.
    pub engine: String,
    /// The source it is for.
    pub source: SourcePin,
    /// Tiers that may be used, the truest first.
    pub tiers: Vec<Tier>,
    /// The network that fills instead of the spatial fill.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fill_model: Option<FillModel>,
    /// How the picture is enlarged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upscale: Option<Upscale>,
    /// What is removed. A mark is switched off by `"enabled": false`.
    pub marks: Vec<Mark>,
    /// Runs of frames that are encoded, kept and redone on their own, in order and without a gap.
    pub segments: Vec<Range<FrameIdx>>,
    /// How the worked-on track is encoded.
    pub encoder: EncoderSpec,
    /// What encodes in its place should it be lost on the way: then all of the track is written by that one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub substitute: Option<EncoderSpec>,
    /// How the encoder was chosen, in words.
    pub encoder_words: Vec<String>,
    /// Encoders that would have been taken before, each with why it was not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refusals: Vec<String>,
    /// What becomes of every other stream.
    pub copy: CopyPlan,
    /// What was looked for and seen, in words.
    pub words: Vec<String>,
    /// Marks that are treated otherwise in a segment because they showed in its encoded frames.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub repairs: Vec<Repair>,
    /// Where the masks lie.
    #[serde(skip)]
    pub(crate) masks: PathBuf,
}

/// What a plan knows of its source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourcePin {
    /// SHA-256 of its parameters and packets: no path, no time of change.
    pub digest: String,
    /// The track worked on.
    pub stream: usize,
    /// Frames of that track.
    pub frames: u64,
    /// Columns of the stored picture.
    pub width: u32,
    /// Rows of the stored picture.
    pub height: u32,
    /// Degrees the picture is turned clockwise for display, and whether it is then mirrored.
    pub rotation: (u32, bool),
}

/// Who says that a mark is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MarkSource {
    /// A rectangle that the user gave, in which the mark lies.
    Region,
    /// A rectangle that the user gave, to be filled whole.
    FillRegion,
    /// A picture that the user gave.
    Mask,
    /// A video that the user gave.
    MaskVideo,
    /// A matte that the user gave.
    Matte,
    /// The locator.
    Located,
    /// The user's detector.
    Detected,
    /// The text network: a caption.
    Caption,
}

impl MarkSource {
    /// Whether its masks are rectangles in which a mark lies, and not the mark's own shape.
    pub(crate) const fn is_rectangle(self) -> bool {
        matches!(self, Self::Region | Self::FillRegion | Self::Detected)
    }

    /// Its name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Region => "region",
            Self::FillRegion => "fill-region",
            Self::Mask => "mask",
            Self::MaskVideo => "mask-video",
            Self::Matte => "matte",
            Self::Located => "located",
            Self::Detected => "detected",
            Self::Caption => "caption",
        }
    }
}

/// A mark and where it is on every frame of its span.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Mark {
    /// Its number in this plan.
    pub id: u32,
    /// Who says that it is there.
    pub from: MarkSource,
    /// Whether it is removed.
    pub enabled: bool,
    /// Its frames.
    pub span: Range<FrameIdx>,
    /// Frames on which it is to be seen in the source beyond those, because it is not worked on there: it hides what lies
    /// behind it all the same. Empty where there are none.
    #[serde(default, skip_serializing_if = "Range::is_empty")]
    pub shown: Range<FrameIdx>,
    /// Where its mask changes; the first is the span's first frame.
    pub keys: Vec<(FrameIdx, MaskRef)>,
    /// Bounds of all its masks in samples of the stored picture.
    pub rect: Rect,
    /// Pixels of its largest mask.
    pub area: u64,
    /// How sure the locator is, 0..=1; 1 where the user said so.
    pub confidence: f64,
    /// Reasons in words.
    pub reason: String,
    /// Whether a mark was recognised in a place that the user gave: what its masks cover is that mark, and not whatever lies
    /// there.
    #[serde(default)]
    pub recognised: bool,
    /// Its matte, where it is semi-transparent and could be solved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub matte: Option<MatteRef>,
    /// As `keys`, where its matte is not used; empty where it has none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub without_matte: Vec<(FrameIdx, MaskRef)>,
    /// What it hides, as other frames show it; empty where none does or those near by suffice.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub plates: Vec<PlateRef>,
    /// Of a mark that moves and looks the same wherever it is: the frames as seen from it. Its matte lies in those.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub view: Option<View>,
    /// Of a caption, what people are told about it. Decides nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caption: Option<CaptionEntry>,
}

/// The frames as seen from a mark that moves: it stands still in them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct View {
    /// Columns and rows of what is seen from it.
    pub size: (u32, u32),
    /// Column and row of the first sample that is seen from it, by frame, rising; without those on which it may be at either of
    /// two places.
    pub at: Vec<(FrameIdx, (i32, i32))>,
}

impl View {
    /// Where what is seen from the mark begins on a frame; `None` where that is not known.
    pub(crate) fn origin(&self, idx: FrameIdx) -> Option<(i32, i32)> {
        self.at.binary_search_by_key(&idx, |step| step.0).ok().map(|n| self.at[n].1)
    }
}

/// What is done otherwise about a mark that showed in the encoded frames of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Remedy {
    /// Its matte is not used, because what that leaves behind shows: what the matte changes is borrowed or filled.
    Fill,
    /// Its matte is not used, because what that leaves behind shows: the masks are those of a mark without one.
    Demote,
}

/// An amendment for some frames of one segment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Repair {
    /// The frames.
    pub frames: Range<FrameIdx>,
    /// The mark's number.
    pub mark: u32,
    /// What is done.
    pub remedy: Remedy,
}

impl Mark {
    /// Its masks over time.
    ///
    /// # Errors
    /// Where an edited plan leaves a frame of the span without an answer.
    pub fn track(&self) -> Result<MaskTrack<MaskRef>> {
        self.track_of(&self.keys)
    }

    /// As [`track`](Self::track), for where its matte is not used; `None` where it has none.
    ///
    /// # Errors
    /// As [`track`](Self::track).
    pub fn track_without_matte(&self) -> Result<Option<MaskTrack<MaskRef>>> {
        (!self.without_matte.is_empty()).then(|| self.track_of(&self.without_matte)).transpose()
    }

    fn track_of(&self, keys: &[(FrameIdx, MaskRef)]) -> Result<MaskTrack<MaskRef>> {
        MaskTrack::new(self.span.clone(), keys.to_vec()).ok_or_else(|| {
            Error::Usage(format!(
                "mark {} of the plan does not answer on every frame of {}..{}",
                self.id, self.span.start, self.span.end
            ))
        })
    }
}

impl Plan {
    /// Reads a plan and remembers where its masks lie (`P.blobs/` beside `P.json`).
    ///
    /// # Errors
    /// Where it cannot be read, is of another version, or contradicts itself.
    pub fn load(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).map_err(Error::io("read the plan", path))?;
        let mut plan: Self = serde_json::from_str(&text)
            .map_err(|e| Error::Usage(format!("cannot understand the plan {}: {e}", path.display())))?;
        if plan.version != PLAN_VERSION {
            return Err(Error::Usage(format!(
                "the plan {} has version {}, this program reads version {PLAN_VERSION}",
                path.display(),
                plan.version
            )));
        }
        plan.masks = blobs_of(path);
        plan.check()?;
        Ok(plan)
    }

    /// Writes it as `path` and its masks into `P.blobs/` beside it.
    ///
    /// # Errors
    /// Where either cannot be written.
    pub fn save(&self, path: &Path) -> Result<()> {
        let folder = blobs_of(path);
        fs::create_dir_all(&folder).map_err(Error::io("make the folder", folder.clone()))?;
        let wanted: BTreeSet<&str> =
            self.marks.iter().flat_map(|m| m.keys.iter().chain(&m.without_matte)).map(|k| k.1.blob.as_str()).collect();
        let masks = wanted.iter().map(|blob| format!("{blob}.png"));
        let mattes = self.marks.iter().filter_map(|m| m.matte.as_ref()).map(|matte| format!("{}.matte", matte.blob));
        let plates = self.marks.iter().flat_map(|m| &m.plates).map(|plate| format!("{}.plate", plate.blob));
        for name in masks.chain(mattes).chain(plates) {
            let (from, to) = (self.masks.join(&name), folder.join(&name));
            if from != to {
                fs::copy(&from, &to).map_err(Error::io("copy a blob of the plan to", to.clone()))?;
            }
        }
        // Whoever cleared thumbnails away keeps a plan that can be run.
        for name in self.marks.iter().filter_map(|m| m.caption.as_ref()).map(CaptionEntry::file) {
            let (from, to) = (self.masks.join(&name), folder.join(&name));
            if from != to && from.exists() {
                fs::copy(&from, &to).map_err(Error::io("copy a thumbnail of the plan to", to.clone()))?;
            }
        }
        write_beside(path, self.json()?.as_bytes())
    }

    /// The plan as JSON.
    ///
    /// # Errors
    /// Where a number cannot be expressed.
    pub fn json(&self) -> Result<String> {
        serde_json::to_string_pretty(self).map_err(|e| Error::Internal(format!("plan as JSON: {e}")))
    }

    /// Whether segments cover every frame once and every mark answers on all of its frames inside the clip.
    fn check(&self) -> Result<()> {
        let mut next = 0;
        for segment in &self.segments {
            if segment.start != next || segment.end <= segment.start {
                return Err(Error::Usage(format!("the plan's segments leave a gap or overlap at frame {next}")));
            }
            next = segment.end;
        }
        if next != self.source.frames {
            return Err(Error::Usage(format!("the plan's segments end at {next} of {} frames", self.source.frames)));
        }
        let whole = Rect::new(0, 0, self.source.width, self.source.height);
        for mark in &self.marks {
            mark.track()?;
            mark.track_without_matte()?;
            if mark.view.as_ref().is_some_and(|view| !view.at.is_sorted_by(|a, b| a.0 < b.0)) {
                return Err(Error::Usage(format!("the frames of mark {} of the plan do not rise", mark.id)));
            }
            let mattes = mark.matte.iter().filter(|_| mark.view.is_none()).map(|m| m.rect);
            let masks = mark.keys.iter().chain(&mark.without_matte).map(|(_, m)| m.rect);
            let inside = masks.chain(mattes).all(|r| r.intersect(&whole) == r);
            if mark.span.end > self.source.frames || !inside {
                return Err(Error::Usage(format!("mark {} of the plan lies outside of the clip", mark.id)));
            }
        }
        Ok(())
    }

    /// Marks that are removed on some frame of `frames`.
    pub(crate) fn active(&self, frames: &Range<FrameIdx>) -> impl Iterator<Item = &Mark> {
        let frames = frames.clone();
        self.marks.iter().filter(move |m| m.enabled && m.span.start < frames.end && frames.start < m.span.end)
    }

    /// The key of a segment: a digest of everything that decides its packets.
    ///
    /// # Errors
    /// Where the plan cannot be expressed.
    pub(crate) fn key(&self, segment: &Range<FrameIdx>) -> Result<String> {
        // Of each mark only what holds inside the segment and where its tiers look, so that an edit elsewhere leaves this one
        // done.
        let pin = &self.source;
        let bytes = self.encoder.source_format.bytes(pin.width, pin.height);
        let (before, after) = context(&self.tiers, self.fill_model.as_ref(), bytes);
        let seen = segment.start.saturating_sub(before)..(segment.end + after).min(pin.frames);
        let marks: Vec<_> = self
            .active(&seen)
            .map(|mark| {
                let span = mark.span.start.max(seen.start)..mark.span.end.min(seen.end);
                let before = mark.keys.partition_point(|k| k.0 <= span.start).saturating_sub(1);
                let keys: Vec<_> = mark.keys[before..]
                    .iter()
                    .take_while(|k| k.0 < span.end)
                    .map(|(idx, m)| (*idx.max(&span.start), m))
                    .collect();
                let here = |plate: &&PlateRef| plate.frames.start < segment.end && segment.start < plate.frames.end;
                let plates: Vec<&PlateRef> = mark.plates.iter().filter(here).collect();
                let view = mark.view.as_ref().map(|view| {
                    let inside = view.at.iter().filter(|step| span.contains(&step.0)).collect::<Vec<_>>();
                    (view.size, inside)
                });
                serde_json::json!([span, keys, mark.matte, mark.without_matte, mark.shown, plates, view])
            })
            .collect();
        let all = serde_json::json!({
            "algorithms": ALGORITHMS,
            "libav": cleanplate_media::build(),
            "source": [self.source.digest, self.source.stream.to_string()],
            "segment": segment,
            "encoder": self.encoder,
            "tiers": self.tiers,
            "fill_model": self.fill_model.as_ref().map(FillModel::key),
            "upscale": self.upscale.as_ref().map(|upscale| upscale.key(segment)),
            "marks": marks,
            "repairs": self.repairs.iter().filter(|r| r.frames.start < seen.end && seen.start < r.frames.end).collect::<Vec<_>>(),
        });
        let text = serde_json::to_vec(&all).map_err(|e| Error::Internal(format!("segment key: {e}")))?;
        Ok(hex(&Sha256::digest(&text))[..40].to_owned())
    }

    /// Its masks.
    pub(crate) fn mask_folder(&self) -> MaskFolder {
        MaskFolder::new(&self.masks)
    }
}

/// `P.blobs` beside `P.json`.
fn blobs_of(plan: &Path) -> PathBuf {
    plan.with_extension("blobs")
}

/// Writes a small file beside, makes it durable and gives it its name.
pub(crate) fn write_beside(path: &Path, bytes: &[u8]) -> Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temporary = path.with_file_name(format!(".{name}.tmp"));
    let write = || -> std::io::Result<()> {
        let mut file = fs::File::create(&temporary)?;
        std::io::Write::write_all(&mut file, bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, path)
    };
    write().map_err(|source| {
        let _ = fs::remove_file(&temporary);
        Error::Io { action: "write", path: path.to_owned(), source }
    })
}

/// Frames of a segment at most: x264's default distance of key frames, so that cutting there costs no bytes (notes of the
/// format measurements: 4 s segments cost 0.17 %, 8 s none).
pub const SEGMENT_FRAMES: u64 = 250;

/// Seconds of a segment at most: what a crash can lose.
pub const SEGMENT_SECONDS: f64 = 12.0;

/// Cuts a track into segments: at a key frame of the source in the second half of what a segment may hold, where there is
/// one (scenes usually begin there), else at the bound. `starts` are the frames' times in seconds, rising; `is_key` tells
/// where the source can be cut.
pub(crate) fn cut(starts: &[f64], is_key: impl Fn(usize) -> bool) -> Vec<Range<FrameIdx>> {
    let mut segments = Vec::new();
    let mut start = 0;
    while start < starts.len() {
        let by_time = starts.partition_point(|s| *s < starts[start] + SEGMENT_SECONDS);
        let bound = by_time.clamp(start + 1, start + SEGMENT_FRAMES as usize);
        let end = if bound >= starts.len() {
            starts.len()
        } else {
            let half = start + (bound - start).div_ceil(2);
            (half..=bound).rev().find(|idx| is_key(*idx)).unwrap_or(bound)
        };
        segments.push(start as FrameIdx..end as FrameIdx);
        start = end;
    }
    segments
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_cover_every_frame_once_and_prefer_key_frames() {
        let starts: Vec<f64> = (0..1000).map(|i| f64::from(i) / 25.0).collect();
        let segments = cut(&starts, |idx| idx % 90 == 0);
        assert_eq!(segments[0], 0..180);
        assert!(segments.windows(2).all(|pair| pair[0].end == pair[1].start));
        assert_eq!(segments.last().unwrap().end, 1000);
        assert!(segments[..segments.len() - 1].iter().all(|s| s.end % 90 == 0));
        assert_eq!(cut(&starts, |_| false)[0], 0..250);
        assert!(cut(&[], |_| true).is_empty());
        // One frame a minute: the bound on time cuts.
        let slow: Vec<f64> = (0..5).map(|i| f64::from(i) * 60.0).collect();
        assert_eq!(cut(&slow, |_| false).len(), 5);
    }
}
