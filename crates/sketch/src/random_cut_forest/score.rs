//! The score of a point in one tree, and its attribution to columns.
//!
//! The score is the expectation of `1 / (depth + 1)` over the random places at which the point would be
//! inserted, computed exactly on the way from the reached leaf to the root: at a node at depth `k` whose box a
//! random cut separates from the point with probability `q`,
//!
//! ```text
//!   s  <-  q / (k + 1)  +  (1 - q) s          q = growth of the box / total length of the grown box
//! ```
//!
//! Where `q = 0` the point is inside this box and every one above, so the way ends there: for most points
//! after a few steps. A point equal to its leaf scores `damp / (depth + log2(mass + 1))` with
//! `damp = 1 - mass / (2 tree mass)`. The last factor, `log2(tree mass + 1)`, is applied by the forest.

use super::tree::{LEAF, Link, NONE, Tree};

/// Values that scores look up instead of computing.
#[derive(Clone, Debug, Default)]
pub(super) struct ScoreTables {
    /// `[n]` holds `1 / (n + 1)`.
    pub(super) inverse: Vec<f64>,
    /// `[n]` holds `log2(n + 1)`.
    pub(super) logarithm: Vec<f64>,
}

impl ScoreTables {
    pub(super) fn new(sample_size: usize) -> ScoreTables {
        ScoreTables {
            inverse: (0..=sample_size).map(|number| 1.0 / (number as f64 + 1.0)).collect(),
            logarithm: (0..=sample_size).map(|number| (number as f64 + 1.0).log2()).collect(),
        }
    }
}

/// Where a point arrives when it follows the cuts.
struct Arrival {
    leaf: usize,
    depth: usize,
}

impl Tree {
    /// The score, not yet normalised. `dimensions` is an argument so that callers can fix it at compile time.
    #[inline(always)]
    pub(super) fn score(
        &self,
        signed_point: &[f32],
        dimensions: usize,
        tree_mass: usize,
        tables: &ScoreTables,
    ) -> f64 {
        let lanes = 2 * dimensions;
        let Arrival { leaf, mut depth } = self.descend(signed_point, dimensions);
        if self.leaf_point(leaf, dimensions) == &signed_point[..dimensions] {
            return self.score_of_duplicate(leaf, depth, tree_mass, tables);
        }
        let mut score = tables.inverse[depth];
        let mut node = self.leaf_parents[leaf];
        while node != NONE {
            depth -= 1;
            let (growth, length) =
                growth_and_length(self.node_box(node as usize, lanes), &signed_point[..lanes]);
            if growth == 0.0 {
                break;
            }
            let separated = growth / (growth + length);
            score = separated * tables.inverse[depth] + (1.0 - separated) * score;
            node = self.nodes[node as usize].parent;
        }
        score
    }

    fn score_of_duplicate(&self, leaf: usize, depth: usize, tree_mass: usize, tables: &ScoreTables) -> f64 {
        let mass = usize::from(self.leaf_masses[leaf]);
        let damp = 1.0 - mass as f64 / (2.0 * tree_mass as f64);
        damp / (depth as f64 + tables.logarithm[mass])
    }

    #[inline(always)]
    fn descend(&self, signed_point: &[f32], dimensions: usize) -> Arrival {
        let mut link: Link = self.root;
        let mut depth = 0;
        while link & LEAF == 0 {
            let node = &self.nodes[link as usize];
            let dimension = if dimensions == 1 { 0 } else { node.cut_dimension as usize };
            link = node.children[usize::from(signed_point[dimension] > node.cut_value)];
            depth += 1;
        }
        Arrival { leaf: (link & !LEAF) as usize, depth }
    }

    /// The score by lane, not yet normalised, added to `total`: `[0, dimensions)` the part for lying below,
    /// `[dimensions, 2 dimensions)` above. `parts` and `siblings` are room to work in, as long as the point.
    pub(super) fn attribute(
        &self,
        signed_point: &[f32],
        tree_mass: usize,
        tables: &ScoreTables,
        room: &mut AttributionRoom,
        total: &mut [f64],
    ) {
        let lanes = signed_point.len();
        let dimensions = lanes / 2;
        let Arrival { leaf, depth } = self.descend(signed_point, dimensions);
        let twin = self.leaf_point(leaf, dimensions) == &signed_point[..dimensions];
        let AttributionRoom { parts, box_lanes } = room;
        if twin {
            let score = self.score_of_duplicate(leaf, depth, tree_mass, tables);
            parts.fill(score / lanes as f64);
            self.attribute_upward(leaf, depth, true, signed_point, tables, parts, box_lanes);
            let sum: f64 = parts.iter().sum();
            for (whole, part) in total.iter_mut().zip(parts.iter()) {
                *whole += part * (score / sum);
            }
        } else {
            self.copy_box(leaf as Link | LEAF, box_lanes);
            let (growth, length) = growth_and_length(box_lanes, signed_point);
            let scale = tables.inverse[depth] / (growth + length);
            for ((part, lane), coordinate) in parts.iter_mut().zip(box_lanes.iter()).zip(signed_point) {
                *part = scale * lane_growth(*lane, *coordinate);
            }
            self.attribute_upward(leaf, depth, false, signed_point, tables, parts, box_lanes);
            for (whole, part) in total.iter_mut().zip(parts.iter()) {
                *whole += part;
            }
        }
    }

    /// The way up. A twin is measured against what the tree would hold without it: the siblings met so far.
    #[expect(clippy::too_many_arguments, reason = "one step of `attribute`, its state passed on")]
    fn attribute_upward(
        &self,
        leaf: usize,
        mut depth: usize,
        twin: bool,
        signed_point: &[f32],
        tables: &ScoreTables,
        parts: &mut [f64],
        siblings: &mut [f32],
    ) {
        let lanes = signed_point.len();
        let mut below = leaf as Link | LEAF;
        let mut node = self.leaf_parents[leaf];
        siblings.fill(f32::INFINITY);
        while node != NONE {
            depth -= 1;
            let box_lanes = if twin {
                let children = self.nodes[node as usize].children;
                self.merge_box_of(children[usize::from(children[0] == below)], siblings);
                &*siblings
            } else {
                self.node_box(node as usize, lanes)
            };
            let (growth, length) = growth_and_length(box_lanes, signed_point);
            if growth == 0.0 {
                break;
            }
            let scale = 1.0 / (growth + length);
            let (at_node, kept) = (tables.inverse[depth] * scale, 1.0 - growth * scale);
            for ((part, lane), coordinate) in parts.iter_mut().zip(box_lanes).zip(signed_point) {
                *part = at_node * lane_growth(*lane, *coordinate) + kept * *part;
            }
            below = node;
            node = self.nodes[node as usize].parent;
        }
    }
}

/// Buffers of [`Tree::attribute`], as long as a signed point.
#[derive(Clone, Debug, Default)]
pub(super) struct AttributionRoom {
    pub(super) parts: Vec<f64>,
    pub(super) box_lanes: Vec<f32>,
}

/// How far one lane of a box must grow to take the point in.
#[inline(always)]
fn lane_growth(lane: f32, coordinate: f32) -> f64 {
    let growth = f64::from(lane) - f64::from(coordinate);
    if growth > 0.0 { growth } else { 0.0 }
}

/// The growth over all lanes, and the total length of the box as it is. Lengths are taken per dimension before
/// they are added, so that a column of large values with a small range keeps its range. Two sums each, for
/// the two lanes of a register of the least common processor.
#[inline(always)]
fn growth_and_length(box_lanes: &[f32], signed_point: &[f32]) -> (f64, f64) {
    let dimensions = box_lanes.len() / 2;
    let (lower, upper) = box_lanes.split_at(dimensions);
    let (point, negated_point) = signed_point.split_at(dimensions);
    let mut growth = [0.0_f64; 2];
    let mut length = [0.0_f64; 2];
    let pairs = lower.chunks_exact(2).zip(upper.chunks_exact(2));
    let point_pairs = point.chunks_exact(2).zip(negated_point.chunks_exact(2));
    for ((low, high), (coordinate, negated)) in pairs.zip(point_pairs) {
        for half in 0..2 {
            growth[half] += lane_growth(low[half], coordinate[half]) + lane_growth(high[half], negated[half]);
            length[half] -= f64::from(low[half]) + f64::from(high[half]);
        }
    }
    if dimensions % 2 == 1 {
        let last = dimensions - 1;
        growth[0] += lane_growth(lower[last], point[last]) + lane_growth(upper[last], negated_point[last]);
        length[0] -= f64::from(lower[last]) + f64::from(upper[last]);
    }
    (growth[0] + growth[1], length[0] + length[1])
}
