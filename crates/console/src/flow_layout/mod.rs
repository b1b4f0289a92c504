//! Where the stages of the flow stand in its picture: a layered drawing of a directed graph.
//!
//! ```text
//!  stages, feeds ──layers──▶ a column for each stage ──places──▶ rows, so that few arrows cross ──▶ boxes and arrows
//! ```
//!
//! After Sugiyama, Tagawa and Toda (1981): columns by the longest way from a source, arrows over several columns led
//! through placeholders, rows ordered by the mean of their neighbours. Departures: arrows that close a circle are left
//! out of the layering and led below the picture; rows are set by a few passes of averaging rather than by an optimum.
//!
//! Invariants: the same flow gives the same picture; every box is inside of the picture and no two overlap; a flow of
//! any shape (circles, unknown names, doubled names, a stage that feeds itself) gives a picture.

mod layers;
mod places;

use std::collections::HashMap;

/// The size of the boxes and the distances between them, in pixels.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Measures {
    pub(crate) box_width: f64,
    pub(crate) box_height: f64,
    pub(crate) column_gap: f64,
    pub(crate) row_gap: f64,
    pub(crate) margin: f64,
}

/// A drawn flow.
#[derive(Debug)]
pub(crate) struct FlowLayout {
    /// The upper left corner of every node, in the order of the nodes.
    pub(crate) corners: Vec<(f64, f64)>,
    /// For each arrow the corners of its way, from the right side of its source to the left side of its target.
    pub(crate) arrows: Vec<Arrow>,
    pub(crate) width: f64,
    pub(crate) height: f64,
}

/// An arrow between two boxes.
#[derive(Debug)]
pub(crate) struct Arrow {
    pub(crate) from: usize,
    pub(crate) to: usize,
    /// Points that the arrow passes, first to last.
    pub(crate) way: Vec<(f64, f64)>,
    /// It leads back to an earlier stage.
    pub(crate) is_backward: bool,
}

/// Edges by index from names: `feeds[i]` are the names that node `i` feeds. Unknown names and repetitions are skipped.
pub(crate) fn edges(names: &[&str], feeds: &[Vec<&str>]) -> Vec<(usize, usize)> {
    let mut index_of = HashMap::new();
    for (index, name) in names.iter().enumerate() {
        index_of.entry(*name).or_insert(index);
    }
    let mut edges = Vec::new();
    for (from, names) in feeds.iter().enumerate() {
        for to in names.iter().filter_map(|name| index_of.get(name)) {
            if !edges.contains(&(from, *to)) {
                edges.push((from, *to));
            }
        }
    }
    edges
}

/// Lays `count` nodes out with `edges` between them.
pub(crate) fn lay_out(count: usize, edges: &[(usize, usize)], measures: Measures) -> FlowLayout {
    let layering = layers::layer(count, edges);
    places::place(count, &layering, measures)
}

#[cfg(test)]
mod tests;
