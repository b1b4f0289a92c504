//! Circles in directed graphs.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;

/// The first circle that edges make, each from a place to a place: its edges by their place in `edges`, in the order of the
/// way round. Looks at each place and each edge once, however long the ways are.
pub(crate) fn circle<P: Copy + Eq + Hash>(edges: &[(P, P)]) -> Option<Vec<usize>> {
    let mut from: HashMap<P, Vec<usize>> = HashMap::new();
    for (number, (start, _)) in edges.iter().enumerate() {
        from.entry(*start).or_default().push(number);
    }
    // Places from which no circle can be reached.
    let mut is_clear: HashSet<P> = HashSet::new();
    for (number, (start, _)) in edges.iter().enumerate() {
        if is_clear.contains(start) {
            continue;
        }
        // The way to the current place: edges, each with how many were tried behind it.
        let mut way: Vec<(usize, usize)> = Vec::new();
        let mut on_way: HashSet<P> = HashSet::from([*start]);
        let mut next = Some(number);
        while let Some(edge) = next.take() {
            let to = edges[edge].1;
            if on_way.contains(&to) {
                let way: Vec<usize> = way.into_iter().map(|(edge, _)| edge).chain([edge]).collect();
                let begin = way.iter().position(|edge| edges[*edge].0 == to).unwrap_or(0);
                return Some(way[begin..].to_vec());
            }
            if !is_clear.contains(&to) {
                on_way.insert(to);
                way.push((edge, 0));
            }
            while let Some((last, tried)) = way.last_mut() {
                let place = edges[*last].1;
                match from.get(&place).and_then(|onward| onward.get(*tried)) {
                    Some(onward) => {
                        *tried += 1;
                        next = Some(*onward);
                        break;
                    }
                    None => {
                        is_clear.insert(place);
                        on_way.remove(&place);
                        way.pop();
                    }
                }
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_way_round_is_given_in_order() {
        assert_eq!(circle::<u8>(&[]), None);
        assert_eq!(circle(&[('a', 'a')]), Some(vec![0]));
        assert_eq!(circle(&[('x', 'a'), ('b', 'a'), ('a', 'b')]), Some(vec![2, 1]));
        assert_eq!(circle(&[('a', 'b'), ('b', 'd'), ('a', 'c'), ('c', 'd'), ('a', 'd')]), None);
        let long: Vec<(u32, u32)> = (0..100_000).map(|place| (place, place + 1)).collect();
        assert_eq!(circle(&long), None);
        assert_eq!(circle(&[long, vec![(100_000, 0)]].concat()).unwrap().len(), 100_001);
    }

    proptest! {
        #[test]
        fn one_is_found_exactly_where_there_is_one(edges in prop::collection::vec((0_u8..8, 0_u8..8), 0..14)) {
            let mut reached = edges.clone();
            // All ways, by adding edges until nothing is new.
            loop {
                let longer: Vec<(u8, u8)> = reached
                    .iter()
                    .flat_map(|(from, via)| {
                        edges.iter().filter(move |edge| edge.0 == *via).map(move |edge| (*from, edge.1))
                    })
                    .filter(|way| !reached.contains(way))
                    .collect();
                if longer.is_empty() {
                    break;
                }
                reached.extend(longer);
            }
            let found = circle(&edges);
            prop_assert_eq!(found.is_some(), reached.iter().any(|(from, to)| from == to));
            for pair in found.iter().flat_map(|found| found.iter().zip(found.iter().cycle().skip(1))) {
                prop_assert_eq!(edges[*pair.0].1, edges[*pair.1].0);
            }
        }
    }
}
