//! What the numbers at the end of a YOLO-type network mean.

use cleanplate_core::Sighting;

use crate::tensor::Tensor;

/// Pixels of the input a cell, of the grids that such networks have; some lack the last.
const STRIDES: [u32; 4] = [8, 16, 32, 64];

/// Anchors a cell of networks that have anchors.
const ANCHORS: usize = 3;

/// How the boxes of a network are written. `n` is a number of cells, `c` of classes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Head {
    /// YOLOv5 and v7, `3n` rows of centre, size, objectness and `c` scores. RGB of 0..=1.
    Anchors,
    /// YOLOv8, v9, v11 and v12, columns: centre, size and `classes` scores over `n` cells. RGB of 0..=1.
    Columns {
        /// Scores that are of classes; what follows belongs to masks.
        classes: usize,
    },
    /// YOLOX, `n` rows of centre and size relative to their cells, objectness and `c` scores. BGR of 0..=255.
    Cells,
    /// Any of them with its suppression inside, and YOLOv10: rows of left, top, right, bottom, score and class. RGB of 0..=1.
    Boxes,
}

impl Head {
    /// The head that gave `outputs` for an input of `side` columns and rows, and which of them holds the boxes.
    ///
    /// # Errors
    /// Where none is known that looks so.
    pub(super) fn of(outputs: &[Tensor], side: (u32, u32)) -> Result<(Self, usize), String> {
        let cells: Vec<usize> = (3..=STRIDES.len()).map(|n| cells(side, n)).collect();
        for (at, output) in outputs.iter().enumerate() {
            let [1, rows, columns] = *output.shape() else { continue };
            if cells.contains(&columns) && rows > 4 {
                // A second output of four dimensions holds prototypes of masks: its channels are coefficients here.
                let of_masks = outputs.iter().find_map(|o| if let [1, n, _, _] = *o.shape() { Some(n) } else { None });
                let classes = (rows - 4).saturating_sub(of_masks.unwrap_or(0));
                return if classes > 0 { Ok((Self::Columns { classes }, at)) } else { continue };
            }
            if cells.contains(&rows) && columns > 5 {
                let far: f32 = output.data().chunks_exact(columns).map(|row| row[0].abs()).sum::<f32>() / rows as f32;
                if far > side.0 as f32 / 8.0 {
                    return Err(
                        "its boxes are decoded already, one a cell, which is not understood; a YOLOX network is \
                                exported without --decode_in_inference"
                            .to_owned(),
                    );
                }
                return Ok((Self::Cells, at));
            }
            if cells.iter().any(|n| n * ANCHORS == rows) && columns > 5 {
                return Ok((Self::Anchors, at));
            }
            if columns == 6 {
                return Ok((Self::Boxes, at));
            }
        }
        let shapes: Vec<String> = outputs.iter().map(|o| format!("{:?}", o.shape())).collect();
        Err(format!(
            "its outputs {} are not those of a YOLO-type detector (for an input of {}x{}: [1, 4 + classes, {n}], [1, {rows}, 5 + \
             classes], [1, {n}, 5 + classes] or [1, any, 6])",
            shapes.join(", "),
            side.0,
            side.1,
            n = cells[0],
            rows = ANCHORS * cells[0],
        ))
    }

    /// Whether the picture lies in the middle of the input, the rest gray on both sides.
    pub(super) const fn is_centred(self) -> bool {
        !matches!(self, Self::Cells)
    }

    /// Whether it wants blue first, and codes of 0..=255.
    pub(super) const fn wants_bgr_codes(self) -> bool {
        matches!(self, Self::Cells)
    }

    /// The boxes that score at least `min_score`, in pixels of an input of `side`. `output` is one picture's part, in rows of
    /// `columns`.
    pub(super) fn decode(self, output: &[f32], columns: usize, side: (u32, u32), min_score: f32) -> Vec<Sighting> {
        let mut found = Vec::new();
        let mut take = |sides: [f32; 4], (class, score): (usize, f32)| {
            let is_box = sides.iter().all(|v| v.is_finite()) && sides[2] > sides[0] && sides[3] > sides[1];
            if score >= min_score && is_box {
                found.push(Sighting { sides, score: score.min(1.0), class: class as u32 });
            }
        };
        match self {
            Self::Columns { classes } => {
                let at = |row: usize, k: usize| output[row * columns + k];
                for k in 0..columns {
                    let best = best((0..classes).map(|c| at(4 + c, k)));
                    take(around(std::array::from_fn(|row| at(row, k))), best);
                }
            }
            Self::Anchors => {
                for row in output.chunks_exact(columns) {
                    let (class, score) = best(row[5..].iter().copied());
                    take(around([row[0], row[1], row[2], row[3]]), (class, score * row[4]));
                }
            }
            Self::Cells => {
                let rows = output.len() / columns;
                for (row, (column, line, stride)) in output.chunks_exact(columns).zip(grid(side, rows)) {
                    let (class, score) = best(row[5..].iter().copied());
                    let score = score * row[4];
                    // Most cells are empty: their exponentials need not be computed.
                    if score >= min_score {
                        let centre = [(row[0] + column) * stride, (row[1] + line) * stride];
                        take(
                            around([centre[0], centre[1], row[2].exp() * stride, row[3].exp() * stride]),
                            (class, score),
                        );
                    }
                }
            }
            Self::Boxes => {
                for row in output.chunks_exact(columns) {
                    take([row[0], row[1], row[2], row[3]], (row[5].max(0.0) as usize, row[4]));
                }
            }
        }
        found
    }
}

/// Sides of a box from its centre and size.
fn around([x, y, w, h]: [f32; 4]) -> [f32; 4] {
    [x - w / 2.0, y - h / 2.0, x + w / 2.0, y + h / 2.0]
}

fn best(scores: impl Iterator<Item = f32>) -> (usize, f32) {
    scores.enumerate().fold((0, f32::NEG_INFINITY), |best, (n, score)| if score > best.1 { (n, score) } else { best })
}

fn cells(side: (u32, u32), grids: usize) -> usize {
    STRIDES[..grids].iter().map(|s| ((side.0 / s) * (side.1 / s)) as usize).sum()
}

/// Column, row and stride of each of `rows` cells, in the order of the outputs.
fn grid(side: (u32, u32), rows: usize) -> impl Iterator<Item = (f32, f32, f32)> {
    let grids = if rows == cells(side, 3) { 3 } else { STRIDES.len() };
    STRIDES[..grids].iter().flat_map(move |stride| {
        let (w, h) = (side.0 / stride, side.1 / stride);
        (0..h).flat_map(move |y| (0..w).map(move |x| (x as f32, y as f32, *stride as f32)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIDE: (u32, u32) = (64, 64);
    /// 8x8 + 4x4 + 2x2.
    const N: usize = 84;

    fn tensor(shape: &[usize], set: &[(usize, f32)]) -> Tensor {
        let mut tensor = Tensor::zeros(shape.to_vec());
        set.iter().for_each(|(k, v)| tensor.data_mut()[*k] = *v);
        tensor
    }

    fn only(output: &Tensor, head: Head) -> Sighting {
        let found = head.decode(output.data(), output.shape()[2], SIDE, 0.1);
        assert_eq!(found.len(), 1, "{found:?}");
        found[0]
    }

    #[test]
    fn every_head_is_known_by_its_shape_and_read_as_it_is_written() {
        let sides = [10.0, 20.0, 30.0, 44.0];
        let expected = |score, class| Sighting { sides, score, class };

        let k = 5;
        let v8 = [(k, 20.0), (N + k, 32.0), (2 * N + k, 20.0), (3 * N + k, 24.0), (5 * N + k, 0.8)];
        let v8 = tensor(&[1, 6, N], &v8);
        assert_eq!(Head::of(std::slice::from_ref(&v8), SIDE), Ok((Head::Columns { classes: 2 }, 0)));
        assert_eq!(only(&v8, Head::Columns { classes: 2 }), expected(0.8, 1));

        let row = 7 * 200;
        let v5 = [(0, 20.0), (1, 32.0), (2, 20.0), (3, 24.0), (4, 0.5), (5, 0.5), (6, 0.1)].map(|(n, v)| (row + n, v));
        let v5 = tensor(&[1, 3 * N, 7], &v5);
        assert_eq!(Head::of(std::slice::from_ref(&v5), SIDE), Ok((Head::Anchors, 0)));
        assert_eq!(only(&v5, Head::Anchors), expected(0.25, 0));

        // Cell 64 + 9 is column 1, row 2 of the grid of 16 pixels.
        let row = 6 * 73;
        let (w, h) = ((20.0f32 / 16.0).ln(), (24.0f32 / 16.0).ln());
        let yolox = [(0, 0.25), (1, 0.0), (2, w), (3, h), (4, 0.9), (5, 0.5)].map(|(n, v)| (row + n, v));
        let yolox = tensor(&[1, N, 6], &yolox);
        assert_eq!(Head::of(std::slice::from_ref(&yolox), SIDE), Ok((Head::Cells, 0)));
        let found = only(&yolox, Head::Cells);
        assert!(found.sides.iter().zip(sides).all(|(a, b)| (a - b).abs() < 1e-4), "{found:?}");
        assert_eq!((found.score, found.class), (0.45, 0));

        let nms = tensor(&[1, 300, 6], &[(6, 10.0), (7, 20.0), (8, 30.0), (9, 44.0), (10, 0.7), (11, 3.0)]);
        assert_eq!(Head::of(std::slice::from_ref(&nms), SIDE), Ok((Head::Boxes, 0)));
        assert_eq!(only(&nms, Head::Boxes), expected(0.7, 3));
    }

    #[test]
    fn coefficients_of_masks_are_no_classes() {
        let outputs = [tensor(&[1, 38, N], &[]), tensor(&[1, 32, 16, 16], &[])];
        assert_eq!(Head::of(&outputs, SIDE), Ok((Head::Columns { classes: 2 }, 0)));
    }

    #[test]
    fn what_is_no_yolo_is_refused_with_its_shapes() {
        let error = Head::of(&[tensor(&[1, 85, 22, 22], &[])], (352, 352)).unwrap_err();
        assert!(error.contains("[1, 85, 22, 22]") && error.contains("352x352"), "{error}");
        let mut decoded = tensor(&[1, N, 25], &[]);
        decoded.data_mut().iter_mut().for_each(|v| *v = 32.0);
        assert!(Head::of(&[decoded], SIDE).unwrap_err().contains("decoded already"));
    }
}
