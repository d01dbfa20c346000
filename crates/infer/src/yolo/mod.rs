//! Detectors of the YOLO kind: a picture in, boxes out.
//!
//! What a file is becomes clear from its shapes: anchors (v5, v7), columns (v8 to v12), cells (YOLOX), or boxes that are
//! suppressed already. The caller scales the picture to [`Yolo::letterbox`]'s inner size; the rest happens here.

mod head;
mod nms;

use std::path::Path;

use cleanplate_core::Sighting;

pub use head::Head;

use crate::error::Result;
use crate::graph::Graph;
use crate::letterbox::GRAY;
pub use crate::letterbox::Letterbox;
use crate::net::{Net, Role};
use crate::place::Placement;
use crate::tensor::Tensor;

/// The size of a network that takes any: what such detectors are trained at.
const USUAL: usize = 640;

/// The largest grid's stride: sizes are multiples of it.
const STEP: usize = 32;

/// A detector.
#[derive(Debug)]
pub struct Yolo {
    net: Net,
    head: Head,
    output: usize,
    side: (u32, u32),
    batch: usize,
    input: Tensor,
}

impl Yolo {
    /// Opens the network at `path`.
    ///
    /// # Errors
    /// As [`Net::open`]; also where it is no detector of this kind.
    pub fn open(path: &Path, placement: &Placement) -> Result<Self> {
        let (mut net, outputs) = Net::open(path, placement, |graph| Ok(vec![input_shape(graph)?]))?;
        let shape = input_shape(net.graph()).unwrap_or_default();
        let side = (shape[3] as u32, shape[2] as u32);
        let (head, output) = Head::of(&outputs, side).map_err(|why| {
            crate::error::Error::Model(format!("cannot use the network {} as a detector: {why}", path.display()))
        })?;
        let is_any = net.graph().inputs[0].shape[0].is_none();
        let batch = if is_any { net.batch(Role::Detect, placement) } else { 1 };
        Ok(Self { net, head, output, side, batch, input: Tensor::zeros(vec![0]) })
    }

    /// The network.
    pub const fn net(&self) -> &Net {
        &self.net
    }

    /// How its boxes are written.
    pub const fn head(&self) -> Head {
        self.head
    }

    /// Columns and rows of its input.
    pub const fn side(&self) -> (u32, u32) {
        self.side
    }

    /// Pictures that it takes at once at most.
    pub const fn batch(&self) -> usize {
        self.batch
    }

    /// What the pictures that it saw last were made into: `[n, 3, rows, columns]`.
    pub const fn input(&self) -> &Tensor {
        &self.input
    }

    /// Where a picture of `size` lies in its input.
    pub fn letterbox(&self, size: (u32, u32)) -> Letterbox {
        Letterbox::new(size, self.side, self.head.is_centred())
    }

    /// What it sees in `pictures` of `size` that were scaled to the inner size of their [`letterbox`](Self::letterbox): planes
    /// of red, green and blue of 0..=1, one after another. At most [`batch`](Self::batch) at once. Boxes are in pixels of
    /// `size`, score at least `min_score`, repeat none of their class, and are sorted by score.
    ///
    /// # Errors
    /// Where the runtime fails.
    pub fn detect(&mut self, pictures: &[Vec<f32>], size: (u32, u32), min_score: f32) -> Result<Vec<Vec<Sighting>>> {
        let boxed = self.letterbox(size);
        let (w, h) = self.side;
        let area = (w * h) as usize;
        let shape = vec![pictures.len(), 3, h as usize, w as usize];
        if self.input.shape() != shape {
            self.input = Tensor::zeros(shape);
        }
        let codes = self.head.wants_bgr_codes();
        // Networks are trained on whole codes; quantised ones answer to the last digit of their input.
        let unit = if codes { 1.0 } else { 255.0 };
        let map = |v: f32| (255.0 * v).round() / unit;
        self.input.data_mut().fill(map(GRAY));
        let inner = (boxed.inner.0 * boxed.inner.1) as usize;
        for (picture, part) in pictures.iter().zip(self.input.data_mut().chunks_exact_mut(3 * area)) {
            for (n, plane) in picture.chunks_exact(inner).enumerate() {
                let channel = if codes { 2 - n } else { n };
                boxed.place(plane, &mut part[channel * area..(channel + 1) * area], w, map);
            }
        }
        let outputs = self.net.run(&[&self.input])?;
        let output = &outputs[self.output];
        let columns = output.shape().last().copied().unwrap_or(1);
        let found = (0..pictures.len()).map(|n| {
            let boxes = self.head.decode(output.part(n), columns, self.side, min_score);
            let kept = if self.head == Head::Boxes { boxes } else { nms::suppress(boxes) };
            kept.into_iter().map(|seen| Sighting { sides: boxed.to_picture(seen.sides), ..seen }).collect()
        });
        Ok(found.collect())
    }
}

/// The shape of one picture for a network with the inputs of `graph`.
fn input_shape(graph: &Graph) -> std::result::Result<Vec<usize>, String> {
    let no = |why: &str| {
        let inputs: Vec<String> = graph.inputs.iter().map(|port| format!("{} {}", port.name, port.words())).collect();
        Err(format!("a detector takes one picture of [n, 3, height, width]; {why} ({})", inputs.join(", ")))
    };
    let [port] = graph.inputs.as_slice() else { return no("this has other inputs") };
    let [batch, Some(3) | None, h, w] = port.shape[..] else { return no("this takes something else") };
    if batch.is_some_and(|n| n != 1) {
        return no("this takes several at once only; export it with batch 1 or a dynamic batch");
    }
    let (h, w) = (h.unwrap_or(USUAL), w.unwrap_or(USUAL));
    if h % STEP != 0 || w % STEP != 0 || h * w > 1 << 24 {
        return no("this takes sizes that are no multiples of 32, or beyond 4096");
    }
    Ok(vec![1, 3, h, w])
}
