//! Text detectors of the DBNet kind (PP-OCR and its like): a picture in, how surely every sample lies in the core of a text out.

use std::path::Path;

use crate::error::{Error, Result};
use crate::graph::Graph;
use crate::net::{Net, Role};
use crate::place::Placement;
use crate::tensor::Tensor;

/// Sizes of a network that takes any are multiples of this: such networks halve the picture five times.
const STEP: usize = 32;

/// The size with which a network that takes any is probed.
const PROBED: usize = 96;

/// A channel's mean and deviation over ImageNet's pictures, which PaddleOCR and its like subtract and divide by; blue first, as OpenCV
/// reads pictures, but in the order of red, green and blue (`NormalizeImage` of PaddleOCR's configurations).
const MEAN: [f32; 3] = [0.485, 0.456, 0.406];
const DEVIATION: [f32; 3] = [0.229, 0.224, 0.225];

/// Maps are as large as the picture, or smaller by at most this factor.
const COARSEST: usize = 4;

/// Channels of the output: probability; beside it the learned threshold, and what both make.
const CHANNELS: std::ops::RangeInclusive<usize> = 1..=3;

/// Probabilities lie within this of 0..=1; what lies beyond is before its sigmoid.
const ROUNDING: f32 = 1e-3;

/// A text detector.
#[derive(Debug)]
pub struct DbNet {
    net: Net,
    /// Columns and rows that it takes; `None` takes any multiple of 32.
    side: Option<(usize, usize)>,
    batch: usize,
    /// Samples of its input a side of one of its map.
    cell: usize,
    /// Which output holds the map.
    output: usize,
    is_before_sigmoid: bool,
    input: Tensor,
}

impl DbNet {
    /// Opens the network at `path`.
    ///
    /// # Errors
    /// As [`Net::open`]; also where it does not take a picture, or does not give a map.
    pub fn open(path: &Path, placement: &Placement) -> Result<Self> {
        let refuse =
            |why: String| Error::Model(format!("cannot use the network {} as a text detector: {why}", path.display()));
        if let Some(what) = unexported(path) {
            return Err(refuse(format!("it is {what}; {EXPORT}")));
        }
        let (mut net, outputs) = Net::open(path, placement, |graph| Ok(vec![input(graph)?.1]))?;
        let (side, shape) = input(net.graph()).map_err(refuse)?;
        let (output, cell) = map_of(&outputs, (shape[3], shape[2])).map_err(refuse)?;
        let beyond = |v: &f32| *v < -ROUNDING || *v > 1.0 + ROUNDING;
        let is_before_sigmoid = first_channel(&outputs[output], 0).iter().any(beyond);
        let takes_many = net.graph().inputs[0].shape[0].is_none();
        let batch = if takes_many { net.batch(Role::Detect, placement) } else { 1 };
        Ok(Self { net, side, batch, cell, output, is_before_sigmoid, input: Tensor::zeros(vec![0]) })
    }

    /// The network.
    pub const fn net(&self) -> &Net {
        &self.net
    }

    /// Pictures that it takes at once at most.
    pub const fn batch(&self) -> usize {
        self.batch
    }

    /// Columns and rows of its input for a picture of `size`: what the network takes, or enough of what it can take. A picture lies at
    /// its top left; a larger one than a fixed input has to be scaled first.
    pub fn side(&self, (w, h): (usize, usize)) -> (usize, usize) {
        self.side.unwrap_or_else(|| (w.next_multiple_of(STEP).max(STEP), h.next_multiple_of(STEP).max(STEP)))
    }

    /// What is inferred about the network, in words.
    pub fn words(&self) -> String {
        let side = self.side.map_or_else(|| "any multiple of 32".to_owned(), |(w, h)| format!("{w}x{h}"));
        let map = if self.cell == 1 { "as large".to_owned() } else { format!("1/{} as large", self.cell) };
        let before = if self.is_before_sigmoid { ", before its sigmoid" } else { "" };
        format!("input {side}, {} at once, map {map}{before}", self.batch)
    }

    /// How surely every sample of `pictures` of `size` lies in the core of a text, 0..=1, picture by picture and row by row. `pictures` are
    /// planes of red, green and blue of 0..=1, one after another; at most [`batch`](Self::batch) of them, no larger than their
    /// [`side`](Self::side).
    ///
    /// # Errors
    /// Where the runtime fails.
    pub fn cores(&mut self, pictures: &[Vec<f32>], size: (usize, usize)) -> Result<Vec<Vec<f32>>> {
        let (w, h) = self.side(size);
        let shape = vec![pictures.len(), 3, h, w];
        if self.input.shape() != shape {
            self.input = Tensor::zeros(shape);
        }
        // Beyond the picture lies the mean of all pictures, in which there is no edge.
        self.input.data_mut().fill(0.0);
        for (picture, part) in pictures.iter().zip(self.input.data_mut().chunks_exact_mut(3 * w * h)) {
            for (n, plane) in picture.chunks_exact(size.0 * size.1).enumerate() {
                let channel = 2 - n;
                let rows = part[channel * w * h..(channel + 1) * w * h].chunks_exact_mut(w);
                for (row, values) in rows.zip(plane.chunks_exact(size.0)) {
                    let normal = |v: &f32| (v - MEAN[channel]) / DEVIATION[channel];
                    row.iter_mut().zip(values).for_each(|(out, v)| *out = normal(v));
                }
            }
        }
        let outputs = self.net.run(&[&self.input])?;
        let (columns, rows) = (w / self.cell, h / self.cell);
        let fits = |t: &&Tensor| matches!(*t.shape(), [n, c, r, k] if n == pictures.len() && CHANNELS.contains(&c) && (r, k) == (rows, columns));
        let map = outputs.get(self.output).filter(fits).ok_or_else(|| Error::Run {
            name: self.net.name().to_owned(),
            runtime: self.net.runtime(),
            reason: format!("it gave no map of {columns}x{rows} for {} pictures of {w}x{h}", pictures.len()),
        })?;
        let (cell, is_before_sigmoid) = (self.cell, self.is_before_sigmoid);
        let value = move |v: f32| if is_before_sigmoid { 1.0 / (1.0 + (-v).exp()) } else { v.clamp(0.0, 1.0) };
        let of = |n: usize| {
            let said = first_channel(map, n);
            let at = move |x: usize, y: usize| value(said[y / cell * columns + x / cell]);
            (0..size.1).flat_map(|y| (0..size.0).map(move |x| at(x, y))).collect()
        };
        Ok((0..pictures.len()).map(of).collect())
    }
}

/// The first channel of the `n`-th picture's map.
fn first_channel(map: &Tensor, n: usize) -> &[f32] {
    let area = map.shape().iter().skip(2).product::<usize>();
    &map.part(n)[..area]
}

const EXPORT: &str = "export it to ONNX first (PaddleOCR: `paddle2onnx --model_dir DIR --model_filename inference.pdmodel \
     --params_filename inference.pdiparams --save_file det.onnx`; PyTorch: torch.onnx.export; recipes in docs/models.md)";

/// What a file is that has not been exported yet, by its name; `None` where that says nothing. Checkpoints of PyTorch are known to
/// [`Net::open`] as well, which does not know text detectors.
fn unexported(path: &Path) -> Option<&'static str> {
    let ending = path.extension().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    match ending.as_str() {
        "pdparams" | "pdopt" => Some("a checkpoint of PaddlePaddle"),
        "pdmodel" | "pdiparams" => Some("one of two files of a network of PaddlePaddle"),
        "pt" | "pth" | "ckpt" | "safetensors" => Some("a checkpoint of PyTorch"),
        _ => None,
    }
}

/// Columns and rows that a network takes; `None` for any.
type Side = Option<(usize, usize)>;

/// What a network with the inputs of `graph` takes, and the shape of a probe.
fn input(graph: &Graph) -> std::result::Result<(Side, Vec<usize>), String> {
    let no = |why: &str| {
        let inputs: Vec<String> = graph.inputs.iter().map(|port| format!("{} {}", port.name, port.words())).collect();
        Err(format!("a text detector takes one picture of [n, 3, height, width]; {why} ({})", inputs.join(", ")))
    };
    let [port] = graph.inputs.as_slice() else { return no("this has other inputs") };
    let [batch, channels, h, w] = port.shape[..] else { return no("this takes something else") };
    if channels.is_some_and(|n| n != 3) {
        return no("this takes something else; an export with channels last has to be made anew with channels first");
    }
    if batch.is_some_and(|n| n != 1) {
        return no("this takes several at once only; export it with batch 1 or a dynamic batch");
    }
    let side = w.zip(h);
    if side.is_none() && (w.is_some() || h.is_some()) {
        return no("of this one side is fixed and the other is not; export it with both dynamic");
    }
    if side.is_some_and(|(w, h)| w % STEP != 0 || h % STEP != 0 || w * h > 1 << 24) {
        return no("this takes sizes that are no multiples of 32, or beyond 4096");
    }
    let (w, h) = side.unwrap_or((PROBED, PROBED));
    Ok((side, vec![1, 3, h, w]))
}

/// Which of `outputs` for an input of `side` columns and rows is a map, and how many samples of the input a side of one of it.
fn map_of(outputs: &[Tensor], side: (usize, usize)) -> std::result::Result<(usize, usize), String> {
    let cell_of = |output: &Tensor| {
        let [1, channels, h, w] = *output.shape() else { return None };
        let fits = |cell: &usize| (w * cell, h * cell) == side;
        CHANNELS.contains(&channels).then(|| (1..=COARSEST).find(fits)).flatten()
    };
    let found = outputs.iter().enumerate().find_map(|(n, output)| Some((n, cell_of(output)?)));
    found.ok_or_else(|| {
        let shapes: Vec<String> = outputs.iter().map(|o| format!("{:?}", o.shape())).collect();
        format!(
            "its outputs {} are not those of a DBNet-type text detector (for an input of {}x{}: [1, 1, {}, {}], the probability of \
             every sample, or with its threshold as a second channel)",
            shapes.join(", "),
            side.0,
            side.1,
            side.1,
            side.0
        )
    })
}
