//! Sets of samples at working scale: growing, joining, connected parts.

/// A set of samples of a `width * height` plane.
#[derive(Clone)]
pub(crate) struct Region {
    pub(crate) width: usize,
    pub(crate) height: usize,
    pub(crate) set: Vec<bool>,
}

/// A half-open box of columns and rows at working scale.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bounds {
    pub(crate) x0: usize,
    pub(crate) y0: usize,
    pub(crate) x1: usize,
    pub(crate) y1: usize,
}

impl Bounds {
    pub(crate) const fn width(&self) -> usize {
        self.x1 - self.x0
    }

    pub(crate) const fn height(&self) -> usize {
        self.y1 - self.y0
    }

    pub(crate) const fn area(&self) -> usize {
        self.width() * self.height()
    }

    pub(crate) fn grown(&self, by: usize, (width, height): (usize, usize)) -> Self {
        Self {
            x0: self.x0.saturating_sub(by),
            y0: self.y0.saturating_sub(by),
            x1: (self.x1 + by).min(width),
            y1: (self.y1 + by).min(height),
        }
    }

    /// The smallest box around both.
    pub(crate) fn around(self, other: Self) -> Self {
        Self {
            x0: self.x0.min(other.x0),
            y0: self.y0.min(other.y0),
            x1: self.x1.max(other.x1),
            y1: self.y1.max(other.y1),
        }
    }

    pub(crate) const fn holds(&self, x: usize, y: usize) -> bool {
        x >= self.x0 && x < self.x1 && y >= self.y0 && y < self.y1
    }
}

impl Region {
    pub(crate) fn new(width: usize, height: usize) -> Self {
        Self { width, height, set: vec![false; width * height] }
    }

    /// Grown by a rectangle of `rx` columns and `ry` rows to every side.
    pub(crate) fn grown(&self, rx: usize, ry: usize) -> Self {
        let (w, h) = (self.width, self.height);
        let mut across = vec![false; w * h];
        for y in 0..h {
            let row = &self.set[y * w..(y + 1) * w];
            let out = &mut across[y * w..(y + 1) * w];
            let mut filled = 0;
            for x in (0..w).filter(|x| row[*x]) {
                let (from, to) = (x.saturating_sub(rx).max(filled), (x + rx + 1).min(w));
                if from < to {
                    out[from..to].fill(true);
                    filled = to;
                }
            }
        }
        let mut grown = Self::new(w, h);
        // Per column the row of the last set sample above and below.
        let mut reach = vec![0usize; w];
        for y in 0..h {
            for x in 0..w {
                if across[y * w + x] {
                    reach[x] = y + ry + 1;
                }
                grown.set[y * w + x] = reach[x] > y;
            }
        }
        reach.fill(usize::MAX);
        for y in (0..h).rev() {
            for x in 0..w {
                if across[y * w + x] {
                    reach[x] = y.saturating_sub(ry);
                }
                grown.set[y * w + x] |= reach[x] <= y;
            }
        }
        grown
    }

    /// Connected parts (8 neighbours), each as the list of its samples, in the order of their first sample.
    pub(crate) fn parts(&self) -> Vec<Vec<usize>> {
        let (w, h) = (self.width, self.height);
        let mut left = self.set.clone();
        let mut parts = Vec::new();
        let mut open = Vec::new();
        for start in 0..w * h {
            if !left[start] {
                continue;
            }
            let mut part = Vec::new();
            left[start] = false;
            open.push(start);
            while let Some(i) = open.pop() {
                part.push(i);
                let (x, y) = (i % w, i / w);
                for ny in y.saturating_sub(1)..(y + 2).min(h) {
                    for nx in x.saturating_sub(1)..(x + 2).min(w) {
                        if std::mem::take(&mut left[ny * w + nx]) {
                            open.push(ny * w + nx);
                        }
                    }
                }
            }
            part.sort_unstable();
            parts.push(part);
        }
        parts
    }
}

/// The smallest box around `samples` of a plane `width` wide; `None` for no samples.
pub(crate) fn bounds_of(samples: &[usize], width: usize) -> Option<Bounds> {
    let mut all: Option<Bounds> = None;
    for i in samples {
        let (x, y) = (i % width, i / width);
        let own = Bounds { x0: x, y0: y, x1: x + 1, y1: y + 1 };
        all = Some(all.map_or(own, |b| b.around(own)));
    }
    all
}
