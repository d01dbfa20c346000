//! Networks that enlarge pictures: one picture in, the same picture larger out (ESRGAN, Compact, SPAN, waifu2x, ArtCNN and their
//! like).
//!
//! What such a network takes and gives is found by trying it: its channels, its factor, how codes are written, and how far it looks
//! around a sample. Large pictures go through it in tiles that overlap by as much as it looks, so that no seam can be.

use std::ops::Range;
use std::path::Path;

use cleanplate_core::Raster;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::graph::Graph;
use crate::net::{Net, Probed, Role};
use crate::place::Placement;
use crate::tensor::Tensor;

/// Samples a side of the picture by which a network that takes any is tried: room for all networks that look no farther than 40
/// samples (the deepest of Compact's have 18 convolutions of 3 x 3).
const TRIED: usize = 96;

/// Sides that are tried in turn: multiples of these are what networks want that halve a picture inside.
const MULTIPLES: [usize; 5] = [1, 2, 4, 8, 16];

/// Tiles begin at multiples of this, so that cells on which a network computes lie where they lie in the whole picture.
const ALIGNED: usize = 16;

/// An answer beyond this was written as 0..=255.
const UNIT: f32 = 4.0;

/// A sample is seen from another where it changes that by more than this, for a change of .5.
const SEEN: f32 = 1e-5;

/// The largest factor that is believed.
const LARGEST: usize = 8;

/// What is known of a network that enlarges. What was inferred can be overridden by the user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// 1 for luma, 3 for red, green and blue.
    pub channels: usize,
    /// How many times larger both sides become.
    pub factor: usize,
    /// Columns and rows that it takes; `None` for any.
    pub side: Option<(usize, usize)>,
    /// Sides of its input are multiples of this.
    pub multiple: usize,
    /// Samples around one that it looks at.
    pub reach: usize,
}

/// What a user knows better than what trying a network tells; `None` and `false` leave it to that.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Overrides {
    /// See [`Shape::channels`]. Only where the file leaves it open.
    pub channels: Option<usize>,
    /// See [`Shape::factor`]. Checked: a network that gives another is refused.
    pub factor: Option<usize>,
    /// What white is written as, in and out: 1 or 255.
    pub white: Option<u16>,
    /// Whether colours go blue, green, red.
    pub is_bgr: bool,
    /// See [`Shape::multiple`], at least 1.
    pub multiple: Option<usize>,
    /// See [`Shape::reach`].
    pub reach: Option<usize>,
}

impl Overrides {
    /// Names that [`set`](Self::set) knows.
    pub const KEYS: [&str; 6] = ["channels", "factor", "white", "order", "multiple", "reach"];

    /// Takes up `key=value`: `channels` (1, 3), `factor` (1 to 8), `white` (1, 255), `order` (rgb, bgr), `multiple` (1 to 1024), `reach` (0 to
    /// 4096).
    ///
    /// # Errors
    /// Where the key is none of these or the value not allowed, in words.
    pub fn set(&mut self, key: &str, value: &str) -> std::result::Result<(), String> {
        let number = |allowed: Range<usize>| {
            let given = value.parse().ok().filter(|v| allowed.contains(v));
            given.ok_or_else(|| {
                format!("{key} is a number from {} to {}, not {value:?}", allowed.start, allowed.end - 1)
            })
        };
        match (key, value) {
            ("channels", "1") => self.channels = Some(1),
            ("channels", "3") => self.channels = Some(3),
            ("white", "1") => self.white = Some(1),
            ("white", "255") => self.white = Some(255),
            ("order", "rgb" | "bgr") => self.is_bgr = value == "bgr",
            ("channels", _) => return Err(format!("channels is 1 (luma) or 3 (colours), not {value:?}")),
            ("white", _) => return Err(format!("white is 1 or 255, not {value:?}")),
            ("order", _) => return Err(format!("order is rgb or bgr, not {value:?}")),
            ("factor", _) => self.factor = Some(number(1..LARGEST + 1)?),
            ("multiple", _) => self.multiple = Some(number(1..1025)?),
            ("reach", _) => self.reach = Some(number(0..4097)?),
            _ => return Err(format!("there is no {key:?}; known: {}", Self::KEYS.join(", "))),
        }
        Ok(())
    }
}

/// A network that enlarges.
#[derive(Debug)]
pub struct Upscaler {
    net: Net,
    shape: Shape,
    /// What white is written as, in and out.
    top: f32,
    is_bgr: bool,
    /// Tiles that it is shown at once at most.
    batch: usize,
    /// Samples a side of tiles at most: what memory has turned out to hold.
    largest: usize,
}

/// Tiles are not made smaller than this where memory is short: overlaps would be most of the work.
const SMALLEST: usize = 64;

/// Samples a side of a tile on a device, which smaller ones leave idle, where the user does not say.
const ON_DEVICE: usize = 512;

impl Upscaler {
    /// Opens the network at `path`.
    ///
    /// # Errors
    /// As [`Net::open`]; also where it does not give an enlarged picture for a picture, or is not as `overrides` say.
    pub fn open(path: &Path, overrides: Overrides, placement: &Placement) -> Result<Self> {
        let opened = Net::open(path, placement, |graph| Ok(vec![tried(graph, overrides)?]))?;
        Self::of(opened, overrides, placement, &path.display().to_string())
    }

    /// As [`open`](Self::open) for a network that is `bytes` already.
    ///
    /// # Errors
    /// As [`open`](Self::open), but for reading.
    pub fn read(name: &str, bytes: &[u8], placement: &Placement) -> Result<Self> {
        let overrides = Overrides::default();
        let opened = Net::read(name, bytes, placement, |graph| Ok(vec![tried(graph, overrides)?]))?;
        Self::of(opened, overrides, placement, name)
    }

    fn of((net, outputs): Probed, overrides: Overrides, placement: &Placement, place: &str) -> Result<Self> {
        let refuse = |why: String| Error::Model(format!("cannot use the network {place} to enlarge: {why}"));
        let given = tried(net.graph(), overrides).map_err(refuse)?;
        let output = outputs.first().map(Tensor::shape).unwrap_or_default();
        let factor = output.last().map_or(0, |w| w / given[3]);
        let is_enlarged = output.len() == 4
            && output[..2] == given[..2]
            && (2..4).all(|n| output[n] == factor * given[n])
            && (1..=LARGEST).contains(&factor);
        if !is_enlarged {
            return Err(refuse(format!(
                "for a picture of {given:?} it gives {output:?}, which is not that picture enlarged by a whole factor"
            )));
        }
        if let Some(wanted) = overrides.factor.filter(|wanted| *wanted != factor) {
            return Err(refuse(format!("it enlarges {factor} times, not {wanted} times as was said")));
        }
        let port = &net.graph().inputs[0].shape;
        let (side, takes_many) = (port[2].zip(port[3]).map(|(h, w)| (w, h)), port[0].is_none());
        let highest = outputs[0].data().iter().fold(0.0f32, |top, v| top.max(*v));
        let top = overrides.white.map_or(if highest > UNIT { 255.0 } else { 1.0 }, f32::from);
        let shape = Shape { channels: given[1], factor, side, multiple: 1, reach: 0 };
        let mut found = Self { net, shape, top, is_bgr: overrides.is_bgr, batch: 1, largest: usize::MAX };
        if let Some(multiple) = overrides.multiple {
            found.shape.multiple = multiple.max(1);
        } else if side.is_none() {
            found.shape.multiple = found.multiple();
        }
        found.shape.reach = match overrides.reach {
            Some(reach) => reach,
            None => found.looks()?,
        };
        let batch = found.net.batch(Role::Fill, placement);
        if takes_many && batch > 1 && found.keeps_apart() {
            found.batch = batch;
        }
        Ok(found)
    }

    /// Whether two pictures at once give what each gives alone; some files leave the batch open that the network inside does not take.
    fn keeps_apart(&mut self) -> bool {
        let small = ALIGNED.next_multiple_of(self.shape.multiple);
        let (w, h) = self.shape.side.unwrap_or((small, small));
        let one = self.shape.channels * w * h;
        let mut both = Tensor::zeros(vec![2, self.shape.channels, h, w]);
        both.data_mut().iter_mut().enumerate().for_each(|(k, v)| *v = if k < one { 0.2 } else { 0.6 });
        let mut alone = Tensor::zeros(vec![1, self.shape.channels, h, w]);
        let Ok(given) = self.attempt(&both) else { return false };
        let least = 1e-3 * self.top;
        [0.2, 0.6].into_iter().enumerate().all(|(n, level)| {
            alone.data_mut().fill(level);
            let is_near = |own: &Tensor| own.data().iter().zip(given.part(n)).all(|(a, b)| (a - b).abs() < least);
            self.attempt(&alone).is_ok_and(|own| is_near(&own))
        })
    }

    /// Tiles that it is shown at once at most.
    pub const fn batch(&self) -> usize {
        self.batch
    }

    /// The least number of which sides have to be multiples.
    fn multiple(&mut self) -> usize {
        let mut takes = |multiple: &usize| {
            // No multiple of the next one.
            let side = TRIED - multiple;
            self.attempt(&Tensor::zeros(vec![1, self.shape.channels, side, side])).is_ok()
        };
        MULTIPLES.into_iter().find(|multiple| takes(multiple)).unwrap_or(2 * ALIGNED)
    }

    /// How far around a sample it looks: as far as one that is changed shows.
    fn looks(&mut self) -> Result<usize> {
        let (w, h) = self.shape.side.unwrap_or((TRIED, TRIED));
        let mut picture = Tensor::zeros(vec![1, self.shape.channels, h, w]);
        let grain = |k: usize| (k.wrapping_mul(2_654_435_761) >> 7) % 97;
        picture.data_mut().iter_mut().enumerate().for_each(|(k, v)| *v = 0.3 + 0.004 * grain(k) as f32);
        let before = self.attempt(&picture)?;
        // The samples of one place in all channels.
        let at = (h / 2) * w + w / 2;
        for channel in 0..self.shape.channels {
            picture.data_mut()[channel * w * h + at] += 0.5;
        }
        let after = self.attempt(&picture)?;
        let (wide, high) = (w * self.shape.factor, h * self.shape.factor);
        let mut reach = 0;
        for (k, (a, b)) in before.data().iter().zip(after.data()).enumerate() {
            if (a - b).abs() > SEEN {
                let (x, y) = (k % wide / self.shape.factor, k / wide % high / self.shape.factor);
                reach = reach.max(x.abs_diff(w / 2)).max(y.abs_diff(h / 2));
            }
        }
        Ok(reach)
    }

    /// What is known of it.
    pub const fn shape(&self) -> Shape {
        self.shape
    }

    /// The network.
    pub const fn net(&self) -> &Net {
        &self.net
    }

    /// What was found out about it, in words.
    pub fn words(&self) -> String {
        let Shape { channels, factor, side, multiple, reach } = self.shape;
        let what = match channels {
            1 => "luma",
            _ if self.is_bgr => "blue, green, red",
            _ => "red, green, blue",
        };
        let size = side.map_or_else(|| "any size".to_owned(), |(w, h)| format!("{w}x{h}"));
        let top = if self.top > 1.0 { "0..255" } else { "0..1" };
        let sides = if multiple > 1 { format!(" in multiples of {multiple}") } else { String::new() };
        format!("{factor}x of {what} ({top}), takes {size}{sides}, looks {reach} samples around each")
    }

    /// Samples a side of its tiles where the user does not say: `usual` on a processor.
    pub fn tile(&self, usual: usize) -> usize {
        if self.net.is_on_device() { usual.max(ON_DEVICE) } else { usual }
    }

    /// Enlarges pictures of one size, each as many planes as the network has channels (red, green, blue for three), 0..=1, in tiles of
    /// `tile` samples a side, without what overlaps, as many of all pictures at once as [`batch`](Self::batch) says. Neither the size of
    /// tiles nor how many are computed at once shows in the answer beyond rounding.
    ///
    /// # Errors
    /// Where the runtime fails.
    pub fn enlarge(&mut self, pictures: &[&[Raster<f32>]], tile: usize) -> Result<Vec<Vec<Raster<f32>>>> {
        let (channels, factor) = (self.shape.channels, self.shape.factor as u32);
        let larger = |picture: &&[Raster<f32>]| {
            vec![Raster::new(picture[0].width() * factor, picture[0].height() * factor, 0.0f32); channels]
        };
        let mut made: Vec<_> = pictures.iter().map(larger).collect();
        self.rows(pictures, tile, &mut |picture, plane, (x, y), row| {
            let x = x as usize;
            made[picture][plane].row_mut(y)[x..x + row.len()].copy_from_slice(row);
        })?;
        Ok(made)
    }

    /// As [`enlarge`](Self::enlarge), but tells of each row of a tile as soon as it is made: of which picture and plane, at which column
    /// and row of it. Where memory does not hold a single tile, smaller ones are made from then on, and what was told is told again.
    ///
    /// # Errors
    /// As there.
    pub fn rows(
        &mut self,
        pictures: &[&[Raster<f32>]],
        tile: usize,
        tell: &mut impl FnMut(usize, usize, (u32, u32), &[f32]),
    ) -> Result<()> {
        loop {
            let tile = tile.min(self.largest);
            let has_smaller = self.shape.side.is_none() && tile > SMALLEST;
            self.net.has_smaller(has_smaller);
            match self.rows_of(pictures, tile, tell) {
                Err(Error::Memory { .. }) if has_smaller => self.largest = (tile / 2).max(SMALLEST),
                ended => return ended,
            }
        }
    }

    fn rows_of(
        &mut self,
        pictures: &[&[Raster<f32>]],
        tile: usize,
        tell: &mut impl FnMut(usize, usize, (u32, u32), &[f32]),
    ) -> Result<()> {
        let Shape { channels, factor, side, multiple, reach } = self.shape;
        let Some(first) = pictures.first() else { return Ok(()) };
        let (w, h) = (first[0].width() as usize, first[0].height() as usize);
        let along = |length: usize, fixed: Option<usize>| match fixed {
            Some(side) => cut(length, side.saturating_sub(2 * reach.min(side / 4)), reach.min(side / 4), Some(side)),
            None => cut(length, tile.max(ALIGNED) / ALIGNED * ALIGNED, reach.next_multiple_of(ALIGNED), None),
        };
        let (columns, rows) = (along(w, side.map(|s| s.0)), along(h, side.map(|s| s.1)));
        let size = |across: &Part, down: &Part| {
            side.unwrap_or_else(|| (across.seen.next_multiple_of(multiple), down.seen.next_multiple_of(multiple)))
        };
        let mut tiles: Vec<(usize, &Part, &Part)> = Vec::new();
        for (n, down) in (0..pictures.len()).flat_map(|n| rows.iter().map(move |down| (n, down))) {
            tiles.extend(columns.iter().map(|across| (n, across, down)));
        }
        if self.batch > 1 {
            // Those of one size beside each other, whichever picture they are of.
            tiles.sort_by_key(|(_, across, down)| size(across, down));
        }
        let mut rest = &tiles[..];
        while let [(_, across, down), ..] = rest {
            let wanted = size(across, down);
            let alike =
                rest.iter().take(self.batch).take_while(|(_, across, down)| size(across, down) == wanted).count();
            let (now, later) = rest.split_at(alike);
            rest = later;
            let (in_w, in_h) = wanted;
            let mut input = Tensor::zeros(vec![now.len(), channels, in_h, in_w]);
            for ((n, across, down), target) in now.iter().zip(input.data_mut().chunks_exact_mut(channels * in_w * in_h))
            {
                for (channel, target) in target.chunks_exact_mut(in_w * in_h).enumerate() {
                    self.show(&pictures[*n][self.of_channel(channel)], (across, down), in_w, target);
                }
            }
            let output = self.run(&input)?;
            for (k, (n, across, down)) in now.iter().enumerate() {
                for (channel, part) in output.part(k).chunks_exact(in_w * in_h * factor * factor).enumerate() {
                    let plane = self.of_channel(channel);
                    self.take(part, (across, down), in_w, &mut |at, row| tell(*n, plane, at, row));
                }
            }
        }
        Ok(())
    }

    /// Which of red, green and blue goes through a channel, or luma.
    const fn of_channel(&self, channel: usize) -> usize {
        if self.is_bgr && self.shape.channels == 3 { 2 - channel } else { channel }
    }

    /// The samples of `plane` that a part sees, rows of `width` samples; beyond the picture its last samples go on.
    fn show(&self, plane: &Raster<f32>, (across, down): (&Part, &Part), width: usize, target: &mut [f32]) {
        let last = plane.height() as usize - 1;
        for (n, row) in target.chunks_exact_mut(width).enumerate() {
            let line = &plane.row((down.from + n).min(last) as u32)[across.from..];
            let (inside, beyond) = row.split_at_mut(line.len().min(width));
            inside.iter_mut().zip(line).for_each(|(v, given)| *v = self.top * given);
            beyond.fill(self.top * line[line.len() - 1]);
        }
    }

    /// Tells of a part's own rows, of those that were made of what it sees, `width` samples a row before.
    fn take(
        &self,
        made: &[f32],
        (across, down): (&Part, &Part),
        width: usize,
        tell: &mut impl FnMut((u32, u32), &[f32]),
    ) {
        let (factor, scale) = (self.shape.factor, 1.0 / self.top);
        let target = across.own.start * factor..across.own.end * factor;
        let mut scaled = Vec::new();
        for y in down.own.start * factor..down.own.end * factor {
            let from = (y - down.from * factor) * width * factor + target.start - across.from * factor;
            let row = &made[from..from + target.len()];
            let at = (target.start as u32, y as u32);
            if self.top > 1.0 {
                scaled.clear();
                scaled.extend(row.iter().map(|v| scale * v));
                tell(at, &scaled);
            } else {
                tell(at, row);
            }
        }
    }

    fn run(&mut self, input: &Tensor) -> Result<Tensor> {
        let outputs = self.net.run(&[input])?;
        self.enlarged(input, outputs)
    }

    /// As [`run`](Self::run), to find out what it takes.
    fn attempt(&mut self, input: &Tensor) -> Result<Tensor> {
        match self.net.attempt(&[input]) {
            Ok(outputs) => self.enlarged(input, outputs),
            Err(reason) => Err(Error::Run { name: self.net.name().to_owned(), runtime: self.net.runtime(), reason }),
        }
    }

    fn enlarged(&self, input: &Tensor, mut outputs: Vec<Tensor>) -> Result<Tensor> {
        let given = input.shape();
        let wanted = [given[0], given[1], given[2] * self.shape.factor, given[3] * self.shape.factor];
        if outputs.first().map(Tensor::shape) != Some(&wanted[..]) {
            return Err(Error::Run {
                name: self.net.name().to_owned(),
                runtime: self.net.runtime(),
                reason: format!("it gave no picture of {wanted:?}"),
            });
        }
        Ok(outputs.swap_remove(0))
    }
}

/// A part of one axis: samples of its own, and those that are seen for them.
#[derive(Debug, PartialEq)]
struct Part {
    own: Range<usize>,
    from: usize,
    seen: usize,
}

/// Cuts `length` samples into parts of `own`, each seen with `margin` more on both sides where the picture has them; with `side` the
/// parts that are seen have that size, and begin earlier where they would end beyond the picture.
fn cut(length: usize, own: usize, margin: usize, side: Option<usize>) -> Vec<Part> {
    let own = own.max(1);
    (0..length)
        .step_by(own)
        .map(|start| {
            let end = (start + own).min(length);
            let from = start.saturating_sub(margin);
            match side {
                Some(side) => Part { own: start..end, from: from.min(length.saturating_sub(side)), seen: side },
                None => Part { own: start..end, from, seen: (end + margin).min(length) - from },
            }
        })
        .collect()
}

/// The shape by which a network is tried.
fn tried(graph: &Graph, overrides: Overrides) -> std::result::Result<Vec<usize>, String> {
    let no = |why: &str| {
        let ports = |ports: &[crate::graph::Port]| {
            ports.iter().map(|port| format!("{} {}", port.name, port.words())).collect::<Vec<_>>().join(", ")
        };
        Err(format!(
            "it has to take one picture [1, 1 or 3, height, width] and give one; {why} (takes {}, gives {})",
            ports(&graph.inputs),
            ports(&graph.outputs)
        ))
    };
    let [input] = &graph.inputs[..] else { return no("it takes another number of inputs") };
    if graph.outputs.len() != 1 {
        return no("it gives another number of outputs");
    }
    let [batch, channels, height, width] = input.shape[..] else { return no("its input has not four dimensions") };
    if batch.is_some_and(|n| n != 1) {
        return no("it takes several pictures at once and no single one");
    }
    let channels = match (channels, overrides.channels) {
        (Some(n @ (1 | 3)), None) | (None, Some(n @ (1 | 3))) => n,
        (Some(n @ (1 | 3)), Some(said)) if n == said => n,
        (Some(1 | 3), Some(_)) => return no("its input has another number of channels than was said"),
        (None, None) => 3,
        _ => return no("its input has neither 1 nor 3 channels"),
    };
    Ok(vec![1, channels, height.unwrap_or(TRIED), width.unwrap_or(TRIED)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_user_knows_is_taken_by_name_and_nonsense_is_refused() {
        let mut overrides = Overrides::default();
        for (key, value) in
            [("channels", "3"), ("factor", "2"), ("white", "255"), ("order", "bgr"), ("multiple", "4"), ("reach", "0")]
        {
            overrides.set(key, value).unwrap();
        }
        let all = Overrides {
            channels: Some(3),
            factor: Some(2),
            white: Some(255),
            is_bgr: true,
            multiple: Some(4),
            reach: Some(0),
        };
        assert_eq!(overrides, all);
        for (key, value) in [
            ("channels", "2"),
            ("factor", "0"),
            ("white", "1023"),
            ("order", "gbr"),
            ("multiple", "0"),
            ("reach", "-1"),
            ("size", "2"),
        ] {
            assert!(overrides.set(key, value).unwrap_err().contains(key));
        }
    }

    #[test]
    fn parts_cover_an_axis_once_and_see_no_more_than_there_is() {
        for (length, own, margin) in [(100, 32, 16), (32, 32, 16), (33, 32, 0), (5, 64, 16)] {
            let parts = cut(length, own, margin, None);
            assert!(parts.windows(2).all(|pair| pair[0].own.end == pair[1].own.start));
            assert_eq!((parts[0].own.start, parts[parts.len() - 1].own.end), (0, length));
            for part in parts {
                assert!(part.from + part.seen <= length && part.from + margin.min(part.own.start) == part.own.start);
            }
        }
        let fixed = cut(100, 40, 12, Some(64));
        assert!(fixed.iter().all(|p| p.seen == 64 && p.from <= p.own.start && p.own.end <= p.from + 64));
        assert_eq!(fixed.iter().map(|p| p.from).collect::<Vec<_>>(), [0, 28, 36]);
    }
}
