//! Reading a stored forest back: whatever the bytes say, the result keeps the invariants of `tree.rs` or is
//! refused, so that a damaged checkpoint cannot make the forest panic or loop later.

use serde::Deserialize;

use super::tree::{LEAF, Link, NONE, Node, Tree};
use super::{ForestSettings, RandomCutForest, SampledTree, Scratch, SettingsError};

/// The fields of a forest as they are stored.
#[derive(Deserialize)]
pub(super) struct StoredForest {
    settings: ForestSettings,
    records: u64,
    shingle: Vec<f32>,
    trees: Vec<SampledTree>,
}

/// Why stored bytes are not a forest.
#[derive(Debug, thiserror::Error)]
pub(super) enum StoredForestError {
    #[error("the stored random cut forest has settings that are refused: {0}")]
    Settings(#[from] SettingsError),
    #[error("the stored random cut forest is damaged: {0}")]
    Damaged(&'static str),
}

impl TryFrom<StoredForest> for RandomCutForest {
    type Error = StoredForestError;

    fn try_from(stored: StoredForest) -> Result<RandomCutForest, StoredForestError> {
        let StoredForest { settings, records, shingle, trees } = stored;
        settings.validate()?;
        ensure(shingle.len() == settings.dimensions(), "the shingle has another length")?;
        ensure(shingle.iter().all(|value| value.is_finite()), "the shingle has a value that is not finite")?;
        ensure(records <= i64::MAX as u64, "the number of records is too large")?;
        ensure(trees.len() == settings.number_of_trees as usize, "the number of trees differs")?;
        let mass = trees[0].sample.heap.len();
        ensure(mass <= settings.sample_size as usize, "a sample is too large")?;
        for sampled in &trees {
            ensure(sampled.sample.heap.len() == mass, "the samples differ in size")?;
            check_tree(sampled, &settings)?;
        }
        let scratch = Scratch::new(&settings);
        Ok(RandomCutForest { settings, records, shingle, trees, scratch })
    }
}

fn ensure(holds: bool, otherwise: &'static str) -> Result<(), StoredForestError> {
    if holds { Ok(()) } else { Err(StoredForestError::Damaged(otherwise)) }
}

/// Walks one tree and compares every link, mass and free list with what they must be.
fn check_tree(sampled: &SampledTree, settings: &ForestSettings) -> Result<(), StoredForestError> {
    let SampledTree { sample, tree, .. } = sampled;
    let (capacity, dimensions) = (settings.sample_size as usize, settings.dimensions());
    let lengths_agree = tree.nodes.len() == capacity - 1
        && tree.boxes.len() == (capacity - 1) * 2 * dimensions
        && tree.leaf_points.len() == capacity * dimensions
        && tree.leaf_masses.len() == capacity
        && tree.leaf_parents.len() == capacity;
    ensure(lengths_agree, "an array of a tree has another length")?;
    let all_finite = tree.boxes.iter().chain(&tree.leaf_points).all(|value| value.is_finite())
        && sample.heap.iter().all(|entry| entry.weight.is_finite());
    ensure(all_finite, "a number is not finite")?;

    let mut masses = vec![0_u16; capacity];
    for entry in &sample.heap {
        let mass = masses.get_mut(entry.leaf as usize);
        *mass.ok_or(StoredForestError::Damaged("a sample entry names no leaf"))? += 1;
    }
    let heap_ordered =
        (1..sample.heap.len()).all(|child| sample.heap[(child - 1) / 2].weight >= sample.heap[child].weight);
    ensure(heap_ordered, "a sample is out of order")?;

    let (used_nodes, used_leaves) = walk(tree, dimensions, &masses)?;
    let leaves_named = masses.iter().zip(&used_leaves).all(|(mass, used)| (*mass > 0) == *used);
    ensure(leaves_named, "a sampled leaf is not in the tree")?;
    ensure(is_complement(&tree.free_nodes, &used_nodes), "the list of free nodes is wrong")?;
    ensure(is_complement(&tree.free_leaves, &used_leaves), "the list of free leaves is wrong")
}

/// Follows every link from the root; returns which nodes and leaves were met.
fn walk(tree: &Tree, dimensions: usize, masses: &[u16]) -> Result<(Vec<bool>, Vec<bool>), StoredForestError> {
    let mut used_nodes = vec![false; tree.nodes.len()];
    let mut used_leaves = vec![false; masses.len()];
    let mut open: Vec<(Link, u16)> = Vec::new();
    if tree.root != NONE {
        open.push((tree.root, NONE));
    }
    while let Some((link, parent)) = open.pop() {
        let index = (link & !LEAF) as usize;
        let (used, found_parent) = if link & LEAF == 0 {
            (used_nodes.get_mut(index), tree.nodes.get(index).map(|node| node.parent))
        } else {
            (used_leaves.get_mut(index), tree.leaf_parents.get(index).copied())
        };
        let used = used.ok_or(StoredForestError::Damaged("a link leads out of the tree"))?;
        ensure(!std::mem::replace(used, true), "two links lead to one place")?;
        ensure(found_parent == Some(parent), "a parent link is wrong")?;
        if link & LEAF == 0 {
            let node = &tree.nodes[index];
            ensure((node.cut_dimension as usize) < dimensions, "a cut has no such dimension")?;
            ensure(children_exist(tree, node.children), "a link leads out of the tree")?;
            check_box_and_cut(tree, index, dimensions)?;
            open.extend(node.children.map(|child| (child, link)));
        } else {
            ensure(tree.leaf_masses[index] == masses[index], "a mass is wrong")?;
        }
    }
    Ok((used_nodes, used_leaves))
}

fn children_exist(tree: &Tree, children: [Link; 2]) -> bool {
    children.iter().all(|child| {
        let arena = if child & LEAF == 0 { tree.nodes.len() } else { tree.leaf_masses.len() };
        ((child & !LEAF) as usize) < arena
    })
}

/// A node's box is the box of its children's, and its cut lies between them.
fn check_box_and_cut(tree: &Tree, node: usize, dimensions: usize) -> Result<(), StoredForestError> {
    let Node { children, cut_value, cut_dimension, .. } = tree.nodes[node];
    let mut boxes = [vec![0.0; 2 * dimensions], vec![0.0; 2 * dimensions]];
    tree.copy_box(children[0], &mut boxes[0]);
    tree.copy_box(children[1], &mut boxes[1]);
    let greatest_left = -boxes[0][dimensions + cut_dimension as usize];
    let least_right = boxes[1][cut_dimension as usize];
    ensure(greatest_left <= cut_value && cut_value < least_right, "a cut does not separate")?;
    tree.merge_box_of(children[1], &mut boxes[0]);
    ensure(boxes[0] == tree.node_box(node, 2 * dimensions), "a box is wrong")
}

/// Whether `free` names every unused index once.
fn is_complement(free: &[u16], used: &[bool]) -> bool {
    let mut seen = used.to_vec();
    let all_new = free
        .iter()
        .all(|index| seen.get_mut(*index as usize).is_some_and(|seen| !std::mem::replace(seen, true)));
    all_new && seen.into_iter().all(|seen| seen)
}
