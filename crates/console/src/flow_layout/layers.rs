//! A column for each stage.

/// From which node to which.
type Edge = (usize, usize);

/// The nodes in columns, and the edges told apart.
pub(super) struct Layering {
    /// The column of each node, from 0.
    pub(super) column_of: Vec<usize>,
    /// Edges that lead to a later column.
    pub(super) forward: Vec<Edge>,
    /// Edges that close a circle.
    pub(super) backward: Vec<Edge>,
}

/// Columns by the longest way from a source; a source stands just before the first thing that it feeds.
pub(super) fn layer(count: usize, edges: &[Edge]) -> Layering {
    let (forward, backward) = without_circles(count, edges);
    let mut column_of = vec![0_usize; count];
    // Without circles a way has at most `count` nodes: so many rounds settle every column.
    for _ in 0..count {
        let mut has_changed = false;
        for (from, to) in &forward {
            if column_of[*to] <= column_of[*from] {
                column_of[*to] = column_of[*from] + 1;
                has_changed = true;
            }
        }
        if !has_changed {
            break;
        }
    }
    for node in 0..count {
        let is_source = forward.iter().all(|(_, to)| *to != node);
        let first_fed = forward.iter().filter(|(from, _)| *from == node).map(|(_, to)| column_of[*to]).min();
        if let (true, Some(column)) = (is_source, first_fed) {
            column_of[node] = column.saturating_sub(1);
        }
    }
    Layering { column_of, forward, backward }
}

/// Splits the edges: those that a walk in depth finds leading to a node on its own way are backward.
fn without_circles(count: usize, edges: &[Edge]) -> (Vec<Edge>, Vec<Edge>) {
    #[derive(Clone, Copy, PartialEq)]
    enum Visit {
        Not,
        OnTheWay,
        Done,
    }
    let mut visits = vec![Visit::Not; count];
    let mut backward = Vec::new();
    for start in 0..count {
        if visits[start] != Visit::Not {
            continue;
        }
        visits[start] = Visit::OnTheWay;
        // Each entry: a node on the way and how many of the edges have been looked at from it.
        let mut way = vec![(start, 0)];
        while let Some((node, seen)) = way.last_mut() {
            let Some((from, to)) = edges.get(*seen).copied() else {
                visits[*node] = Visit::Done;
                way.pop();
                continue;
            };
            *seen += 1;
            if from != *node {
                continue;
            }
            match visits[to] {
                Visit::Not => {
                    visits[to] = Visit::OnTheWay;
                    way.push((to, 0));
                }
                Visit::OnTheWay => backward.push((from, to)),
                Visit::Done => {}
            }
        }
    }
    let forward = edges.iter().filter(|edge| !backward.contains(edge)).copied().collect();
    (forward, backward)
}
