//! The best labelling of a raster with two labels, where neighbours prefer to agree: a minimum cut.
//!
//! Kolmogorov and Zabih, "What Energy Functions Can Be Minimized via Graph Cuts?", PAMI 2004, section 4; the flow is found by
//! Boykov and Kolmogorov, "An Experimental Comparison of Min-Cut/Max-Flow Algorithms", PAMI 2004, section 3. Knows costs;
//! refuses to know what labels mean.

use std::collections::VecDeque;

use super::morphology::Area;

/// Costs are counted in parts of this size, so that flows are exact.
const UNIT: f32 = 1.0 / 64.0;

/// Costs of labels 0 and 1 on a raster.
pub(super) struct Energy {
    width: usize,
    height: usize,
    /// Columns and rows from a sample to its neighbours; each pair is named once.
    steps: Vec<(isize, isize)>,
    unary: Vec<f32>,
    /// What a sample of label 0 and its neighbour of label 1 cost, and the reverse; per step and sample.
    pairs: Vec<Vec<[f32; 2]>>,
}

impl Energy {
    pub(super) fn new(width: usize, height: usize, steps: &[(isize, isize)]) -> Self {
        let size = width * height;
        Self {
            width,
            height,
            steps: steps.to_vec(),
            unary: vec![0.0; size],
            pairs: vec![vec![[0.0; 2]; size]; steps.len()],
        }
    }

    /// The neighbour of `k` at a step.
    pub(super) fn neighbour(&self, step: usize, k: usize) -> Option<usize> {
        let (dx, dy) = self.steps[step];
        let x = (k % self.width).checked_add_signed(dx).filter(|x| *x < self.width)?;
        let y = (k / self.width).checked_add_signed(dy).filter(|y| *y < self.height)?;
        Some(y * self.width + x)
    }

    /// Adds what label 1 costs more than label 0.
    pub(super) fn prefer(&mut self, k: usize, cost: f32) {
        self.unary[k] += cost;
    }

    /// Adds what the labels of `k` and its neighbour `q` at a step cost together: `[00, 01, 10, 11]`. Where equal labels cost
    /// more than unequal ones (not submodular), the excess is dropped.
    pub(super) fn couple(&mut self, step: usize, (k, q): (usize, usize), [e00, e01, e10, e11]: [f32; 4]) {
        self.unary[k] += e10 - e00;
        self.unary[q] += e11 - e10;
        self.pairs[step][k][0] += (e01 + e10 - e00 - e11).max(0.0);
    }

    /// Adds what unequal labels of `k` and its neighbour at a step cost.
    pub(super) fn divide(&mut self, step: usize, k: usize, cost: f32) {
        self.pairs[step][k].iter_mut().for_each(|c| *c += cost);
    }

    /// Where label 1 is best; where both are as good, label 0.
    pub(super) fn labels(&self) -> Area {
        let mut graph = Graph::new(self);
        graph.saturate();
        (0..self.unary.len()).map(|k| graph.tree[graph.node(k % self.width, k / self.width)] == Tree::Sink).collect()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tree {
    Free,
    Source,
    Sink,
}

/// Where a node hangs in its tree.
const NOWHERE: u8 = u8::MAX;
const ROOT: u8 = u8::MAX - 1;

/// A raster of nodes with the same arcs at each; a margin of nodes without capacity keeps neighbours in range. Arcs `2 n` and
/// `2 n + 1` go by step `n` and back.
struct Graph {
    width: usize,
    margin: usize,
    offsets: Vec<isize>,
    /// Of the arcs from every node.
    residual: Vec<i32>,
    /// From the source where positive, to the sink where negative.
    terminal: Vec<i32>,
    tree: Vec<Tree>,
    /// The arc to the parent.
    parent: Vec<u8>,
    depth: Vec<u32>,
    /// When `depth` was known to be right.
    stamp: Vec<u32>,
    time: u32,
    active: VecDeque<usize>,
    is_active: Vec<bool>,
    orphans: VecDeque<usize>,
}

impl Graph {
    fn new(energy: &Energy) -> Self {
        let margin = energy.steps.iter().map(|(dx, dy)| dx.abs().max(dy.abs())).max().unwrap_or(0) as usize;
        let width = energy.width + 2 * margin;
        let size = width * (energy.height + 2 * margin);
        let offsets: Vec<isize> =
            energy.steps.iter().map(|(dx, dy)| dy * width as isize + dx).flat_map(|o| [o, -o]).collect();
        let mut graph = Self {
            width,
            margin,
            residual: vec![0; size * offsets.len()],
            offsets,
            terminal: vec![0; size],
            tree: vec![Tree::Free; size],
            parent: vec![NOWHERE; size],
            depth: vec![0; size],
            stamp: vec![0; size],
            time: 0,
            active: VecDeque::new(),
            is_active: vec![false; size],
            orphans: VecDeque::new(),
        };
        let units = |cost: f32| (cost / UNIT).round().clamp(-1e9, 1e9) as i32;
        for (k, cost) in energy.unary.iter().enumerate() {
            let node = graph.node(k % energy.width, k / energy.width);
            graph.terminal[node] = units(*cost);
            for (step, pairs) in energy.pairs.iter().enumerate() {
                if energy.neighbour(step, k).is_some() {
                    let there = graph.to(node, 2 * step);
                    *graph.arc(node, 2 * step) = units(pairs[k][0]);
                    *graph.arc(there, 2 * step + 1) = units(pairs[k][1]);
                }
            }
            if graph.terminal[node] != 0 {
                graph.tree[node] = if graph.terminal[node] > 0 { Tree::Source } else { Tree::Sink };
                graph.parent[node] = ROOT;
                graph.depth[node] = 1;
                graph.activate(node);
            }
        }
        graph
    }

    fn node(&self, x: usize, y: usize) -> usize {
        (y + self.margin) * self.width + x + self.margin
    }

    fn to(&self, node: usize, arc: usize) -> usize {
        node.wrapping_add_signed(self.offsets[arc])
    }

    /// What an arc from `node` still carries.
    fn arc(&mut self, node: usize, arc: usize) -> &mut i32 {
        &mut self.residual[node * self.offsets.len() + arc]
    }

    /// Whether flow can go on from `node` by `arc` in the direction of its tree: away from the source, or towards the sink
    /// from the other end.
    fn is_open(&self, tree: Tree, node: usize, arc: usize) -> bool {
        let degree = self.offsets.len();
        match tree {
            Tree::Sink => self.residual[self.to(node, arc) * degree + (arc ^ 1)] > 0,
            _ => self.residual[node * degree + arc] > 0,
        }
    }

    fn activate(&mut self, node: usize) {
        if !self.is_active[node] {
            self.is_active[node] = true;
            self.active.push_back(node);
        }
    }

    fn saturate(&mut self) {
        while let Some(node) = self.active.front().copied() {
            match self.grow(node) {
                Some((source, arc)) => {
                    self.augment(source, arc);
                    self.time += 1;
                    while let Some(orphan) = self.orphans.pop_front() {
                        self.adopt(orphan);
                    }
                }
                None => {
                    self.active.pop_front();
                    self.is_active[node] = false;
                }
            }
        }
    }

    /// Takes free neighbours into the tree of `node`; an arc from the source's tree to the sink's, where one is met.
    fn grow(&mut self, node: usize) -> Option<(usize, usize)> {
        let tree = self.tree[node];
        if tree == Tree::Free {
            return None;
        }
        for arc in 0..self.offsets.len() {
            if !self.is_open(tree, node, arc) {
                continue;
            }
            let there = self.to(node, arc);
            if self.tree[there] == Tree::Free {
                self.tree[there] = tree;
                self.hang(there, arc ^ 1, node);
                self.activate(there);
            } else if self.tree[there] != tree {
                return Some(if tree == Tree::Source { (node, arc) } else { (there, arc ^ 1) });
            } else if self.stamp[there] <= self.stamp[node] && self.depth[there] > self.depth[node] + 1 {
                self.hang(there, arc ^ 1, node);
            }
        }
        None
    }

    fn hang(&mut self, node: usize, arc: usize, parent: usize) {
        self.parent[node] = arc as u8;
        self.stamp[node] = self.stamp[parent];
        self.depth[node] = self.depth[parent] + 1;
    }

    /// Sends what fits along the path through an arc from the source's tree to the sink's.
    fn augment(&mut self, source: usize, arc: usize) {
        let sink = self.to(source, arc);
        let mut fits = *self.arc(source, arc);
        for start in [source, sink] {
            let mut node = start;
            while self.parent[node] != ROOT {
                let (up, parent) = (self.parent[node] as usize, self.to(node, self.parent[node] as usize));
                let room = if start == source { *self.arc(parent, up ^ 1) } else { *self.arc(node, up) };
                fits = fits.min(room);
                node = parent;
            }
            fits = fits.min(self.terminal[node].abs());
        }
        *self.arc(source, arc) -= fits;
        *self.arc(sink, arc ^ 1) += fits;
        for start in [source, sink] {
            let mut node = start;
            while self.parent[node] != ROOT {
                let (up, parent) = (self.parent[node] as usize, self.to(node, self.parent[node] as usize));
                let (from, along) = if start == source { (parent, up ^ 1) } else { (node, up) };
                let to = self.to(from, along);
                *self.arc(from, along) -= fits;
                *self.arc(to, along ^ 1) += fits;
                if *self.arc(from, along) == 0 {
                    self.orphan(node);
                }
                node = parent;
            }
            self.terminal[node] -= if start == source { fits } else { -fits };
            if self.terminal[node] == 0 {
                self.orphan(node);
            }
        }
    }

    fn orphan(&mut self, node: usize) {
        self.parent[node] = NOWHERE;
        self.orphans.push_back(node);
    }

    /// How deep `node` hangs below a root; `None` below an orphan.
    fn rooted(&mut self, node: usize) -> Option<u32> {
        let (mut at, mut steps) = (node, 0);
        let depth = loop {
            if self.stamp[at] == self.time && self.parent[at] != NOWHERE {
                break self.depth[at] + steps;
            }
            match self.parent[at] {
                NOWHERE => return None,
                ROOT => {
                    (self.stamp[at], self.depth[at]) = (self.time, 1);
                    break 1 + steps;
                }
                arc => at = self.to(at, arc as usize),
            }
            steps += 1;
        };
        // What was walked over is known from now on.
        let (mut at, mut left) = (node, depth);
        while self.stamp[at] != self.time {
            (self.stamp[at], self.depth[at]) = (self.time, left);
            at = self.to(at, self.parent[at] as usize);
            left -= 1;
        }
        Some(depth)
    }

    /// Finds a new parent for a node or frees it with all that hangs on it.
    fn adopt(&mut self, node: usize) {
        let tree = self.tree[node];
        let mut best: Option<(u32, usize)> = None;
        for arc in 0..self.offsets.len() {
            let there = self.to(node, arc);
            if self.tree[there] != tree || !self.is_open(tree, there, arc ^ 1) {
                continue;
            }
            if let Some(depth) = self.rooted(there).filter(|d| best.is_none_or(|(least, _)| *d < least)) {
                best = Some((depth, arc));
            }
        }
        if let Some((depth, arc)) = best {
            self.parent[node] = arc as u8;
            (self.stamp[node], self.depth[node]) = (self.time, depth + 1);
            return;
        }
        for arc in 0..self.offsets.len() {
            let there = self.to(node, arc);
            if self.tree[there] != tree {
                continue;
            }
            if self.is_open(tree, there, arc ^ 1) {
                self.activate(there);
            }
            if usize::from(self.parent[there]) == arc ^ 1 {
                self.orphan(there);
            }
        }
        self.tree[node] = Tree::Free;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const STEPS: [(isize, isize); 3] = [(1, 0), (0, 1), (-1, 2)];

    /// The cost of a labelling by the definition of the energy.
    fn cost(energy: &Energy, labels: &[bool]) -> f32 {
        let mut sum = 0.0;
        for k in (0..labels.len()).filter(|k| labels[*k]) {
            sum += energy.unary[k];
        }
        for (step, pairs) in energy.pairs.iter().enumerate() {
            for k in 0..labels.len() {
                let Some(q) = energy.neighbour(step, k) else { continue };
                sum += match (labels[k], labels[q]) {
                    (false, true) => pairs[k][0],
                    (true, false) => pairs[k][1],
                    _ => 0.0,
                };
            }
        }
        sum
    }

    proptest! {
        #[test]
        fn no_labelling_costs_less_than_the_cut(costs in proptest::collection::vec(0..40i32, 12 * 8)) {
            let (w, h) = (4, 3);
            let mut energy = Energy::new(w, h, &STEPS);
            for (k, c) in costs.chunks_exact(8).enumerate() {
                energy.prefer(k, (c[0] - 20) as f32);
                for step in 0..STEPS.len() {
                    let Some(q) = energy.neighbour(step, k) else { continue };
                    energy.divide(step, k, c[1 + step] as f32 * 0.25);
                    let [a, b] = [c[4 + step] as f32 * 0.5, c[7] as f32 * 0.25];
                    energy.couple(step, (k, q), [1.0, a + 2.0, b + 1.0, 2.0]);
                }
            }
            let least = (0..1u32 << (w * h))
                .map(|bits| cost(&energy, &(0..w * h).map(|k| bits >> k & 1 > 0).collect::<Vec<_>>()))
                .fold(f32::MAX, f32::min);
            prop_assert!((cost(&energy, &energy.labels()) - least).abs() < 1e-3);
        }
    }

    #[test]
    fn a_blurred_square_is_cut_along_its_border() {
        let (w, h) = (60, 50);
        let inside = |k: usize| (20..40).contains(&(k % w)) && (15..35).contains(&(k / w));
        let mut energy = Energy::new(w, h, &[(1, 0), (0, 1)]);
        for k in 0..w * h {
            // Every seventh sample says the wrong thing.
            let sign = if inside(k) != (k % 7 == 0) { -1.0 } else { 1.0 };
            energy.prefer(k, sign * 3.0);
            energy.divide(0, k, 2.0);
            energy.divide(1, k, 2.0);
        }
        let labels = energy.labels();
        let wrong = (0..w * h).filter(|k| labels[*k] != inside(*k)).count();
        assert!(wrong <= 8, "{wrong} of 428 that were told wrongly");
    }
}
