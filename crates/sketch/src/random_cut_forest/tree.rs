//! One random cut tree: flat arrays, insertion and deletion.
//!
//! Algorithms InsertPoint and ForgetPoint of Guha, Mishra, Roy and Schrijvers, "Robust Random Cut Forest
//! Based Anomaly Detection on Streams" (ICML 2016), which keep the tree distributed as if it had been built
//! from its sample at once.
//!
//! # Signed points
//!
//! A point `p` of `d` numbers is handled as the `2 d` numbers `(p, -p)`, and a bounding box as the `2 d`
//! numbers `(min, -max)`. Then for every lane, without cases:
//!
//! ```text
//!   growth needed to take p in   = sum of max(0, box lane - point lane)     (first half: below, second: above)
//!   total length of the box      = - sum of box lanes
//!   box that takes p in          = lane-wise min(box, point)
//!   box of two boxes             = lane-wise min
//! ```
//!
//! # Invariants
//!
//! - A leaf holds one distinct point; its mass is the number of sample entries that name it.
//! - Points with `p[cut_dimension] <= cut_value` are left of a node, and both sides hold something.
//! - A node's box is exactly the box of the points below it.
//! - At most `capacity` leaves and `capacity - 1` nodes live at once, in arrays of that length.

use serde::{Deserialize, Serialize};

use crate::generator::Generator;

/// Marks a [`Link`] as the index of a leaf.
pub(super) const LEAF: u16 = 0x8000;
/// No node: the parent of the root, the root of an empty tree.
pub(super) const NONE: u16 = u16::MAX;

/// A node index, a leaf index with [`LEAF`] set, or [`NONE`].
pub(super) type Link = u16;

/// An inner node: its cut, its children (`[left, right]`) and its parent.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Node {
    pub(super) children: [Link; 2],
    pub(super) cut_value: f32,
    pub(super) cut_dimension: u16,
    pub(super) parent: u16,
}

const FREE_NODE: Node = Node { children: [NONE; 2], cut_value: 0.0, cut_dimension: 0, parent: NONE };

/// The tree. See the module for the meaning of boxes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Tree {
    pub(super) root: Link,
    pub(super) nodes: Vec<Node>,
    /// `[capacity - 1][2 * dimensions]`, `(min, -max)` of every node.
    pub(super) boxes: Vec<f32>,
    /// `[capacity][dimensions]`.
    pub(super) leaf_points: Vec<f32>,
    pub(super) leaf_masses: Vec<u16>,
    pub(super) leaf_parents: Vec<u16>,
    pub(super) free_nodes: Vec<u16>,
    pub(super) free_leaves: Vec<u16>,
}

/// A cut of a box.
struct Cut {
    dimension: usize,
    value: f32,
}

impl Tree {
    /// An empty tree with room for `capacity` points, all memory allocated.
    pub(super) fn new(capacity: usize, dimensions: usize) -> Tree {
        Tree {
            root: NONE,
            nodes: vec![FREE_NODE; capacity - 1],
            boxes: vec![0.0; (capacity - 1) * 2 * dimensions],
            leaf_points: vec![0.0; capacity * dimensions],
            leaf_masses: vec![0; capacity],
            leaf_parents: vec![NONE; capacity],
            free_nodes: (0..capacity as u16 - 1).rev().collect(),
            free_leaves: (0..capacity as u16).rev().collect(),
        }
    }

    /// The box of a node, `(min, -max)`.
    #[inline]
    pub(super) fn node_box(&self, node: usize, lanes: usize) -> &[f32] {
        &self.boxes[node * lanes..][..lanes]
    }

    /// The point of a leaf.
    #[inline]
    pub(super) fn leaf_point(&self, leaf: usize, dimensions: usize) -> &[f32] {
        &self.leaf_points[leaf * dimensions..][..dimensions]
    }

    /// Copies the box below `link` into `target`.
    pub(super) fn copy_box(&self, link: Link, target: &mut [f32]) {
        let lanes = target.len();
        if link & LEAF == 0 {
            target.copy_from_slice(self.node_box(link as usize, lanes));
        } else {
            let point = self.leaf_point((link & !LEAF) as usize, lanes / 2);
            let (lower, upper) = target.split_at_mut(lanes / 2);
            lower.copy_from_slice(point);
            for (lane, coordinate) in upper.iter_mut().zip(point) {
                *lane = -coordinate;
            }
        }
    }

    /// Inserts a signed point and returns its leaf. The tree must have room. `scratch` is as long as the point.
    pub(super) fn insert(
        &mut self,
        signed_point: &[f32],
        generator: &mut Generator,
        scratch: &mut [f32],
    ) -> u16 {
        let lanes = signed_point.len();
        let dimensions = lanes / 2;
        if self.root == NONE {
            let leaf = self.new_leaf(&signed_point[..dimensions], NONE);
            self.root = leaf | LEAF;
            return leaf;
        }
        let mut link = self.root;
        loop {
            if link & LEAF != 0 {
                let leaf = link & !LEAF;
                if self.leaf_point(leaf as usize, dimensions) == &signed_point[..dimensions] {
                    self.leaf_masses[leaf as usize] += 1;
                    return leaf;
                }
            }
            self.copy_box(link, scratch);
            let inside = scratch.iter().zip(signed_point).all(|(lane, point)| lane <= point);
            if !inside {
                let cut = draw_cut(scratch, signed_point, generator);
                let box_min = scratch[cut.dimension];
                let box_max = -scratch[dimensions + cut.dimension];
                let coordinate = signed_point[cut.dimension];
                let point_is_left = coordinate <= cut.value && cut.value < box_min;
                let point_is_right = coordinate > cut.value && cut.value >= box_max;
                if point_is_left || point_is_right {
                    return self.split(link, &cut, usize::from(point_is_right), signed_point, scratch);
                }
                // The point goes below this node: its box takes the point in.
                let node_box = &mut self.boxes[link as usize * lanes..][..lanes];
                merge(node_box, signed_point);
            }
            let node = &self.nodes[link as usize];
            let side = usize::from(signed_point[node.cut_dimension as usize] > node.cut_value);
            link = node.children[side];
        }
    }

    /// Takes one record off a leaf; the leaf goes when its mass is used up. `scratch` has `2 * dimensions`.
    pub(super) fn remove(&mut self, leaf: u16, scratch: &mut [f32]) {
        self.leaf_masses[leaf as usize] -= 1;
        if self.leaf_masses[leaf as usize] > 0 {
            return;
        }
        let parent = self.leaf_parents[leaf as usize];
        self.free_leaves.push(leaf);
        if parent == NONE {
            self.root = NONE;
            return;
        }
        let Node { children, parent: grandparent, .. } = self.nodes[parent as usize];
        let sibling = if children[0] == leaf | LEAF { children[1] } else { children[0] };
        self.replace_child(grandparent, parent, sibling);
        self.nodes[parent as usize] = FREE_NODE;
        self.free_nodes.push(parent);
        self.shrink_boxes(grandparent, scratch);
    }

    /// Puts a new node with `cut` in the place of `link`, above it and a new leaf for the point. `box_below` is
    /// the box of `link`.
    fn split(
        &mut self,
        link: Link,
        cut: &Cut,
        point_side: usize,
        signed_point: &[f32],
        box_below: &[f32],
    ) -> u16 {
        let lanes = signed_point.len();
        let parent = self.parent_of(link);
        let node = self.free_nodes.pop().expect("a tree with room for a leaf has room for a node");
        self.replace_child(parent, link, node);
        let leaf = self.new_leaf(&signed_point[..lanes / 2], node);
        let mut children = [link; 2];
        children[point_side] = leaf | LEAF;
        self.nodes[node as usize] =
            Node { children, cut_value: cut.value, cut_dimension: cut.dimension as u16, parent };
        self.set_parent(link, node);
        let node_box = &mut self.boxes[node as usize * lanes..][..lanes];
        node_box.copy_from_slice(box_below);
        merge(node_box, signed_point);
        leaf
    }

    fn new_leaf(&mut self, point: &[f32], parent: u16) -> u16 {
        let leaf = self.free_leaves.pop().expect("the sample makes room before it inserts");
        self.leaf_points[leaf as usize * point.len()..][..point.len()].copy_from_slice(point);
        self.leaf_masses[leaf as usize] = 1;
        self.leaf_parents[leaf as usize] = parent;
        leaf
    }

    fn parent_of(&self, link: Link) -> u16 {
        if link & LEAF == 0 {
            self.nodes[link as usize].parent
        } else {
            self.leaf_parents[(link & !LEAF) as usize]
        }
    }

    fn set_parent(&mut self, link: Link, parent: u16) {
        if link & LEAF == 0 {
            self.nodes[link as usize].parent = parent;
        } else {
            self.leaf_parents[(link & !LEAF) as usize] = parent;
        }
    }

    /// Makes `replacement` the child of `parent` in the place of `child`, or the root if there is no parent.
    fn replace_child(&mut self, parent: u16, child: Link, replacement: Link) {
        if parent == NONE {
            self.root = replacement;
        } else {
            let children = &mut self.nodes[parent as usize].children;
            children[usize::from(children[1] == child)] = replacement;
        }
        self.set_parent(replacement, parent);
    }

    /// Recomputes boxes from `node` upward until one does not change.
    fn shrink_boxes(&mut self, mut node: u16, scratch: &mut [f32]) {
        let lanes = scratch.len();
        while node != NONE {
            let Node { children, parent, .. } = self.nodes[node as usize];
            self.copy_box(children[0], scratch);
            self.merge_box_of(children[1], scratch);
            let node_box = &mut self.boxes[node as usize * lanes..][..lanes];
            if node_box == scratch {
                return;
            }
            node_box.copy_from_slice(scratch);
            node = parent;
        }
    }

    /// Extends `target` by the box below `link`.
    pub(super) fn merge_box_of(&self, link: Link, target: &mut [f32]) {
        let lanes = target.len();
        if link & LEAF == 0 {
            merge(target, self.node_box(link as usize, lanes));
        } else {
            let point = self.leaf_point((link & !LEAF) as usize, lanes / 2);
            let (lower, upper) = target.split_at_mut(lanes / 2);
            for ((low, high), coordinate) in lower.iter_mut().zip(upper).zip(point) {
                *low = low.min(*coordinate);
                *high = high.min(-coordinate);
            }
        }
    }
}

/// Lane-wise least: the box of two boxes, or of a box and a signed point.
fn merge(target: &mut [f32], other: &[f32]) {
    for (lane, addition) in target.iter_mut().zip(other) {
        *lane = lane.min(*addition);
    }
}

/// A cut of the box and the point together, uniform over their total length. They must not be one point.
fn draw_cut(box_lanes: &[f32], signed_point: &[f32], generator: &mut Generator) -> Cut {
    let dimensions = box_lanes.len() / 2;
    let range = |dimension: usize| -> (f32, f32) {
        let low = box_lanes[dimension].min(signed_point[dimension]);
        let high = -box_lanes[dimensions + dimension].min(signed_point[dimensions + dimension]);
        (low, high)
    };
    let length = |(low, high): (f32, f32)| f64::from(high) - f64::from(low);
    let total: f64 = (0..dimensions).map(|dimension| length(range(dimension))).sum();
    let mut position = generator.open_unit() * total;
    let mut chosen = Cut { dimension: 0, value: 0.0 };
    for dimension in 0..dimensions {
        let (low, high) = range(dimension);
        if high <= low {
            continue;
        }
        let value = (f64::from(low) + position) as f32;
        chosen = Cut { dimension, value: if value >= high { high.next_down() } else { value } };
        position -= length((low, high));
        if position <= 0.0 {
            break;
        }
    }
    chosen
}
