//! Networks that fill holes: a picture and a mask in, the whole picture out (LaMa and its like).

use std::path::Path;

use crate::error::{Error, Result};
use crate::graph::Graph;
use crate::net::{Net, Role};
use crate::place::Placement;
use crate::tensor::Tensor;

/// Sizes of a network that takes any are multiples of this: such networks halve the picture three times, some more often,
/// and few different sizes keep a runtime's memory bounded.
const STEP: usize = 64;

/// The size with which a network that takes any is probed.
const PROBED: usize = 128;

/// A picture whose codes reach beyond this was written as 0..=255.
const UNIT: f32 = 4.0;

/// An inpainting network.
#[derive(Debug)]
pub struct Inpainter {
    net: Net,
    layout: Layout,
    /// Columns and rows that it takes; `None` takes any multiple of 64.
    side: Option<(usize, usize)>,
    /// Pictures that it is shown at once at most.
    batch: usize,
    /// What its output of white is.
    top: f32,
}

impl Inpainter {
    /// Opens the network at `path`.
    ///
    /// # Errors
    /// As [`Net::open`]; also where it does not take a picture and a mask, or does not give a picture.
    pub fn open(path: &Path, placement: &Placement) -> Result<Self> {
        let (mut net, outputs) = Net::open(path, placement, |graph| Ok(roles(graph)?.shapes()))?;
        let refuse =
            |why: String| Error::Model(format!("cannot use the network {} to fill holes: {why}", path.display()));
        let roles = roles(net.graph()).map_err(refuse)?;
        let (w, h) = roles.probed();
        let output = outputs.first().map(Tensor::shape).unwrap_or_default();
        if output != [1, 3, h, w] {
            return Err(refuse(format!("it gives {output:?} for a picture of {w}x{h}")));
        }
        // The probe's picture is of 0..=1, so that what comes back tells how white is written.
        let highest = outputs[0].data().iter().fold(0.0f32, |top, v| top.max(*v));
        let top = if highest > UNIT { 255.0 } else { 1.0 };
        let takes_many = net.graph().inputs.iter().all(|port| port.shape[0].is_none());
        let Roles { layout, side } = roles;
        let batch = if takes_many { net.batch(Role::Fill, placement) } else { 1 };
        Ok(Self { net, layout, side, batch, top })
    }

    /// The network.
    pub const fn net(&self) -> &Net {
        &self.net
    }

    /// Columns and rows of the input for a picture of `size`: what the network takes, or enough of what it can take. A larger
    /// picture than a fixed input has to be scaled first.
    pub fn side(&self, (w, h): (usize, usize)) -> (usize, usize) {
        self.side.unwrap_or_else(|| (w.next_multiple_of(STEP).max(STEP), h.next_multiple_of(STEP).max(STEP)))
    }

    /// How many pictures of one size it is shown at once at most.
    pub const fn batch(&self) -> usize {
        self.batch
    }

    /// Fills pictures of one size, as many at once as [`batch`](Self::batch) allows. `pictures` is `[n, 3, h, w]`, planes of red,
    /// green and blue of 0..=1; `masks` `[n, 1, h, w]`, 1 where it is to be filled and 0 elsewhere; `(w, h)` as
    /// [`side`](Self::side) says. The answer is like `pictures`, clamped.
    ///
    /// # Errors
    /// Where the runtime fails.
    pub fn fill(&mut self, pictures: &Tensor, masks: &Tensor) -> Result<Tensor> {
        let mut outputs = match self.layout {
            Layout::PictureFirst => self.net.run(&[pictures, masks])?,
            Layout::MaskFirst => self.net.run(&[masks, pictures])?,
            Layout::Together => {
                let mut shape = pictures.shape().to_vec();
                shape[1] = 4;
                let mut both = Tensor::zeros(shape);
                let one = both.data().len() / pictures.shape()[0];
                for (n, both) in both.data_mut().chunks_exact_mut(one).enumerate() {
                    let (colours, last) = both.split_at_mut(one / 4 * 3);
                    colours.copy_from_slice(pictures.part(n));
                    last.copy_from_slice(masks.part(n));
                }
                self.net.run(&[&both])?
            }
        };
        if outputs.first().map(Tensor::shape) != Some(pictures.shape()) {
            return Err(Error::Run {
                name: self.net.name().to_owned(),
                runtime: self.net.runtime(),
                reason: format!("it gave no pictures of {:?}", pictures.shape()),
            });
        }
        let mut filled = outputs.swap_remove(0);
        filled.data_mut().iter_mut().for_each(|v| *v = (*v / self.top).clamp(0.0, 1.0));
        Ok(filled)
    }
}

/// How the picture and the mask are given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Layout {
    PictureFirst,
    MaskFirst,
    /// As the channels of one input: red, green, blue, mask.
    Together,
}

/// How the picture and the mask are given, and the size that they have.
struct Roles {
    layout: Layout,
    side: Option<(usize, usize)>,
}

impl Roles {
    /// Columns and rows of a probe.
    fn probed(&self) -> (usize, usize) {
        self.side.unwrap_or((PROBED, PROBED))
    }

    /// Shapes for one probe, in the order of the inputs.
    fn shapes(&self) -> Vec<Vec<usize>> {
        let (w, h) = self.probed();
        let channels: &[usize] = match self.layout {
            Layout::PictureFirst => &[3, 1],
            Layout::MaskFirst => &[1, 3],
            Layout::Together => &[4],
        };
        channels.iter().map(|channels| vec![1, *channels, h, w]).collect()
    }
}

fn roles(graph: &Graph) -> std::result::Result<Roles, String> {
    let no = |why: &str| {
        let inputs: Vec<String> = graph.inputs.iter().map(|port| format!("{} {}", port.name, port.words())).collect();
        Err(format!(
            "it has to take a picture [1, 3, height, width] and a mask [1, 1, height, width], or both as [1, 4, height, width]; \
             {why} ({})",
            inputs.join(", ")
        ))
    };
    if graph.inputs.iter().any(|port| port.shape.len() != 4) {
        return no("this takes something else");
    }
    let channels: Vec<Option<usize>> = graph.inputs.iter().map(|port| port.shape[1]).collect();
    let layout = match channels[..] {
        [Some(3), Some(1)] => Layout::PictureFirst,
        [Some(1), Some(3)] => Layout::MaskFirst,
        [Some(4)] => Layout::Together,
        _ => return no("this takes something else"),
    };
    if graph.inputs.iter().any(|port| port.shape[0].is_some_and(|n| n != 1)) {
        return no("this takes several at once only; export it with batch 1");
    }
    let mut sizes = graph.inputs.iter().map(|port| port.shape[3].zip(port.shape[2]));
    let side = sizes.next().flatten();
    let is_one = graph.inputs.iter().all(|port| port.shape[2..] == graph.inputs[0].shape[2..] || side.is_none());
    if !is_one || sizes.any(|other| other.is_some() != side.is_some()) || side.is_some_and(|(w, h)| w * h > 1 << 24) {
        return no("their sizes do not fit");
    }
    Ok(Roles { layout, side })
}
