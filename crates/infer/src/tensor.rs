//! A dense array of numbers of any number of dimensions.

/// Numbers in row-major order with their shape.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    shape: Vec<usize>,
    data: Vec<f32>,
}

impl Tensor {
    /// A tensor over `data`; `None` where their number is not the product of `shape`.
    pub fn new(shape: Vec<usize>, data: Vec<f32>) -> Option<Self> {
        (shape.iter().product::<usize>() == data.len()).then_some(Self { shape, data })
    }

    /// A tensor of zeros.
    pub fn zeros(shape: Vec<usize>) -> Self {
        let data = vec![0.0; shape.iter().product()];
        Self { shape, data }
    }

    /// Its shape, the outermost dimension first.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// All numbers.
    pub fn data(&self) -> &[f32] {
        &self.data
    }

    /// All numbers, to be changed.
    pub fn data_mut(&mut self) -> &mut [f32] {
        &mut self.data
    }

    /// The numbers of the `n`-th part along the outermost dimension, which must be there.
    pub fn part(&self, n: usize) -> &[f32] {
        let size = self.shape.iter().skip(1).product::<usize>();
        &self.data[n * size..(n + 1) * size]
    }
}
