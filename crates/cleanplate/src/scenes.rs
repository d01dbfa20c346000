//! What holes see of the frames around theirs, and of what lies behind their marks.

use std::collections::VecDeque;
use std::ops::Range;

use cleanplate_core::{Crop, FrameIdx, Hole, Overlay, Patch, Plate, Rect, Rows, Window};

use crate::error::Result;
use crate::masks::MaskFolder;
use crate::plates::{PlateFile, PlateRef};
use crate::tracks::{Track, covered};
use crate::window::Waiting;

/// Samples between the places at which crops around a mark that moves may begin.
const GRID: u32 = 64;

/// Scenes around holes, kept because the next frame's holes see nearly the same ones.
pub(crate) struct Scenes {
    scenes: Vec<Scene>,
    backdrops: Vec<Backdrop>,
}

/// The crops of a place that a hole sees.
struct Scene {
    rect: Rect,
    rows: Rows,
    crops: VecDeque<Crop>,
    /// What plates show of it, and their numbers.
    plates: Vec<Plate>,
    numbers: Vec<usize>,
    /// The last frame that looked at it.
    used: FrameIdx,
}

/// What a mark hides on some frames, read once it is needed and given up once it is not.
struct Backdrop {
    name: PlateRef,
    file: Option<PlateFile>,
}

/// A frame among those around it, and what marks hide of them.
pub(crate) struct Sight<'a> {
    pub(crate) waiting: &'a Waiting,
    /// Positions in `waiting` of the frame and of those that may be looked at.
    pub(crate) at: usize,
    pub(crate) around: Range<usize>,
    pub(crate) tracks: &'a [Track],
    pub(crate) masks: &'a mut MaskFolder,
    /// Panels behind captions with the numbers of their marks: what they cover is seen.
    pub(crate) panels: &'a [(u32, Overlay)],
}

impl Sight<'_> {
    /// What is seen of a frame, of the waiting ones the `k`-th, in `rect` of `rows`.
    fn crop(&mut self, k: usize, rect: Rect, rows: Rows) -> Result<Crop> {
        let frame = self.waiting.frame(k);
        let (idx, size) = (frame.idx, (frame.width, frame.height));
        let mut patch = Patch::default();
        frame.lift(rect, rows, &mut patch);
        let mut crop = Crop::new(idx, patch, &covered(self.tracks, self.masks, idx, size)?);
        let shown = || self.panels.iter().filter(|(_, panel)| panel.gain_at(idx).is_some_and(|gain| gain > 0.0));
        for (id, panel) in shown() {
            // Where two lie over each other neither is known.
            if shown()
                .any(|(other, beside)| other != id && !beside.matte.rect().intersect(&panel.matte.rect()).is_empty())
            {
                continue;
            }
            let others = covered(self.tracks.iter().filter(|track| track.id != *id), self.masks, idx, size)?;
            panel.reveal(&mut crop, &others);
        }
        Ok(crop)
    }
}

impl Scenes {
    /// With what `plates` show behind marks.
    pub(crate) fn new<'a>(plates: impl Iterator<Item = &'a PlateRef>) -> Self {
        let backdrops = plates.map(|name| Backdrop { name: name.clone(), file: None }).collect();
        Self { scenes: Vec::new(), backdrops }
    }

    /// What `hole` sees. Where that is its own frame alone, crops of it are taken if it `looks_around` in it.
    pub(crate) fn window(&mut self, hole: &Hole, sight: &mut Sight<'_>, looks_around: bool) -> Result<Window<'_>> {
        let behind = self.behind(hole, sight)?;
        if sight.around.len() <= 1 && !looks_around && behind.is_empty() {
            return Ok(Window::default());
        }
        let n = self.scene(hole, sight)?;
        let scene = &mut self.scenes[n];
        if scene.numbers != behind {
            let files = behind.iter().filter_map(|n| self.backdrops[*n].file.as_ref());
            scene.plates = files.map(|file| file.plate.over(scene.rect)).collect();
            scene.numbers = behind;
        }
        Ok(Window { crops: scene.crops.make_contiguous(), plates: &scene.plates })
    }

    /// Gives up what no hole of the frame before `idx` has looked at.
    pub(crate) fn forget(&mut self, idx: FrameIdx) {
        self.scenes.retain(|scene| scene.used + 1 >= idx);
    }

    /// The number of the scene of `hole`, with all crops that it sees.
    fn scene(&mut self, hole: &Hole, sight: &mut Sight<'_>) -> Result<usize> {
        let (at, around) = (sight.at, sight.around.clone());
        let (patch, own) = (hole.patch(), sight.waiting.frame(at));
        let (rows, margin) = (patch.rows, sight.waiting.reach().margin);
        let (width, height) = (own.width, rows.count(own.height));
        let rect = patch.rect.grow(margin, width, height);
        let moves = sight.tracks.iter().any(|track| track.moves_on(own.idx));
        let rect = if moves { snapped(rect, width, height) } else { rect };
        let (first, used) = (sight.waiting.frame(around.start).idx, own.idx);
        let known = self.scenes.iter().position(|scene| (scene.rect, scene.rows) == (rect, rows));
        let n = known.unwrap_or(self.scenes.len());
        if n == self.scenes.len() {
            let (crops, plates, numbers) = Default::default();
            self.scenes.push(Scene { rect, rows, crops, plates, numbers, used });
        }
        let crops = &mut self.scenes[n].crops;
        while crops.front().is_some_and(|crop| crop.idx < first) {
            crops.pop_front();
        }
        if crops.front().is_some_and(|crop| crop.idx != first) {
            crops.clear();
        }
        crops.truncate(around.len());
        for k in around.start + crops.len()..around.end {
            let crop = sight.crop(k, rect, rows)?;
            crops.push_back(crop);
        }
        self.scenes[n].used = used;
        Ok(n)
    }

    /// The numbers of the plates that show what `hole` hides.
    fn behind(&mut self, hole: &Hole, sight: &Sight<'_>) -> Result<Vec<usize>> {
        let mut numbers = Vec::new();
        let patch = hole.patch();
        for (n, Backdrop { name, file }) in self.backdrops.iter_mut().enumerate() {
            if !name.frames.contains(&hole.idx) {
                *file = None;
                continue;
            }
            if name.rows != patch.rows || name.rect.intersect(&patch.rect).is_empty() {
                continue;
            }
            if file.is_none() {
                *file = Some(name.load(sight.masks.folder())?);
            }
            if file.as_ref().is_some_and(|file| file.scene.has(hole.idx, sight.waiting.small(sight.at))) {
                numbers.push(n);
            }
        }
        Ok(numbers)
    }
}

/// The rectangle grown to a coarse grid: holes of a mark that moves see the same crops for many frames, and what was learnt of
/// the motion in them holds on.
fn snapped(rect: Rect, width: u32, height: u32) -> Rect {
    let (x, y) = (rect.x / GRID * GRID, rect.y / GRID * GRID);
    let (right, bottom) =
        (rect.right().next_multiple_of(GRID).min(width), rect.bottom().next_multiple_of(GRID).min(height));
    Rect::new(x, y, right - x, bottom - y)
}
