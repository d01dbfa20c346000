//! Networks that enlarge pictures: one picture in, the same picture larger out (ESRGAN, Compact, SPAN, waifu2x, ArtCNN and their
//! like).
//!
//! What such a network takes and gives is found by trying it: its channels, its factor, how codes are written, and how far it looks
//! around a sample. Large pictures go through it in tiles that overlap by as much as it looks, so that no seam can be.

use std::ops::Range;
use std::path::Path;

use cleanplate_core::Raster;

use crate::error::{Error, Result};
use crate::graph::Graph;
use crate::net::Net;
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

/// A network that enlarges.
#[derive(Debug)]
pub struct Upscaler {
    net: Net,
    shape: Shape,
    /// What white is written as, in and out.
    top: f32,
}

impl Upscaler {
    /// Opens the network at `path`.
    ///
    /// # Errors
    /// As [`Net::open`]; also where it does not give an enlarged picture for a picture.
    pub fn open(path: &Path, placement: &Placement) -> Result<Self> {
        let (net, outputs) = Net::open(path, placement, |graph| Ok(vec![tried(graph)?]))?;
        Self::of(net, &outputs, &path.display().to_string())
    }

    /// As [`open`](Self::open) for a network that is `bytes` already.
    ///
    /// # Errors
    /// As [`open`](Self::open), but for reading.
    pub fn read(name: &str, bytes: &[u8], placement: &Placement) -> Result<Self> {
        let (net, outputs) = Net::read(name, bytes, placement, |graph| Ok(vec![tried(graph)?]))?;
        Self::of(net, &outputs, name)
    }

    fn of(net: Net, outputs: &[Tensor], place: &str) -> Result<Self> {
        let refuse = |why: String| Error::Model(format!("cannot use the network {place} to enlarge: {why}"));
        let given = tried(net.graph()).map_err(refuse)?;
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
        let port = &net.graph().inputs[0].shape;
        let side = port[2].zip(port[3]).map(|(h, w)| (w, h));
        let highest = outputs[0].data().iter().fold(0.0f32, |top, v| top.max(*v));
        let top = if highest > UNIT { 255.0 } else { 1.0 };
        let shape = Shape { channels: given[1], factor, side, multiple: 1, reach: 0 };
        let mut found = Self { net, shape, top };
        if side.is_none() {
            found.shape.multiple = found.multiple();
        }
        found.shape.reach = found.looks()?;
        Ok(found)
    }

    /// The least number of which sides have to be multiples.
    fn multiple(&mut self) -> usize {
        let mut takes = |multiple: &usize| {
            // No multiple of the next one.
            let side = TRIED - multiple;
            self.run(&Tensor::zeros(vec![1, self.shape.channels, side, side])).is_ok()
        };
        MULTIPLES.into_iter().find(|multiple| takes(multiple)).unwrap_or(2 * ALIGNED)
    }

    /// How far around a sample it looks: as far as one that is changed shows.
    fn looks(&mut self) -> Result<usize> {
        let (w, h) = self.shape.side.unwrap_or((TRIED, TRIED));
        let mut picture = Tensor::zeros(vec![1, self.shape.channels, h, w]);
        let grain = |k: usize| (k.wrapping_mul(2_654_435_761) >> 7) % 97;
        picture.data_mut().iter_mut().enumerate().for_each(|(k, v)| *v = 0.3 + 0.004 * grain(k) as f32);
        let before = self.run(&picture)?;
        // The samples of one place in all channels.
        let at = (h / 2) * w + w / 2;
        for channel in 0..self.shape.channels {
            picture.data_mut()[channel * w * h + at] += 0.5;
        }
        let after = self.run(&picture)?;
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
        let Shape { channels, factor, side, reach, .. } = self.shape;
        let what = if channels == 1 { "luma" } else { "red, green, blue" };
        let size = side.map_or_else(|| "any size".to_owned(), |(w, h)| format!("{w}x{h}"));
        let top = if self.top > 1.0 { "0..255" } else { "0..1" };
        format!("{factor}x of {what} ({top}), takes {size}, looks {reach} samples around each")
    }

    /// Enlarges `planes` (as many as it has channels, all of one size, 0..=1) in tiles of `tile` samples a side, without what
    /// overlaps. The size of tiles does not show in the answer beyond rounding.
    ///
    /// # Errors
    /// Where the runtime fails.
    pub fn enlarge(&mut self, planes: &[Raster<f32>], tile: usize) -> Result<Vec<Raster<f32>>> {
        let Shape { channels, factor, side, multiple, reach } = self.shape;
        let (w, h) = (planes[0].width() as usize, planes[0].height() as usize);
        let larger = Raster::new((w * factor) as u32, (h * factor) as u32, 0.0f32);
        let mut made = vec![larger; channels.min(planes.len())];
        let scale = 1.0 / self.top;
        let along = |length: usize, fixed: Option<usize>| match fixed {
            Some(side) => cut(length, side.saturating_sub(2 * reach.min(side / 4)), reach.min(side / 4), Some(side)),
            None => cut(length, tile.max(ALIGNED) / ALIGNED * ALIGNED, reach.next_multiple_of(ALIGNED), None),
        };
        let (columns, rows) = (along(w, side.map(|s| s.0)), along(h, side.map(|s| s.1)));
        for down in &rows {
            for across in &columns {
                let (in_w, in_h) = match side {
                    Some(side) => side,
                    None => (across.seen.next_multiple_of(multiple), down.seen.next_multiple_of(multiple)),
                };
                let mut input = Tensor::zeros(vec![1, channels, in_h, in_w]);
                for (target, plane) in input.data_mut().chunks_exact_mut(in_w * in_h).zip(planes) {
                    for (n, row) in target.chunks_exact_mut(in_w).enumerate() {
                        // Beyond the picture its last samples go on.
                        let line = &plane.row((down.from + n).min(h - 1) as u32)[across.from..];
                        let (inside, beyond) = row.split_at_mut(line.len().min(in_w));
                        inside.iter_mut().zip(line).for_each(|(v, given)| *v = self.top * given);
                        beyond.fill(self.top * line[line.len() - 1]);
                    }
                }
                let output = self.run(&input)?;
                let (wide, high) = (in_w * factor, in_h * factor);
                for (plane, part) in made.iter_mut().zip(output.data().chunks_exact(wide * high)) {
                    let target = across.own.start * factor..across.own.end * factor;
                    for y in down.own.start * factor..down.own.end * factor {
                        let from = (y - down.from * factor) * wide + target.start - across.from * factor;
                        let out = &mut plane.row_mut(y as u32)[target.clone()];
                        out.iter_mut().zip(&part[from..]).for_each(|(out, v)| *out = scale * v);
                    }
                }
            }
        }
        Ok(made)
    }

    fn run(&mut self, input: &Tensor) -> Result<Tensor> {
        let mut outputs = self.net.run(&[input])?;
        let given = input.shape();
        let wanted = [1, given[1], given[2] * self.shape.factor, given[3] * self.shape.factor];
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
fn tried(graph: &Graph) -> std::result::Result<Vec<usize>, String> {
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
    let channels = match channels {
        Some(n @ (1 | 3)) => n,
        None => 3,
        Some(_) => return no("its input has neither 1 nor 3 channels"),
    };
    Ok(vec![1, channels, height.unwrap_or(TRIED), width.unwrap_or(TRIED)])
}

#[cfg(test)]
mod tests {
    use super::*;

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
