//! What refers to what: missing resources, dependants, circles.

use crate::catalog::ResourceRow;
use crate::definition::{Definition, Desired, Kind, Reference};

/// The first of its references that nobody declares.
pub(crate) fn missing(definition: &Definition, exists: impl Fn(&Reference) -> bool) -> Option<Reference> {
    definition.references().into_iter().find(|reference| !exists(reference))
}

/// The resources that name this one.
pub(crate) fn dependants(rows: &[ResourceRow], wanted: &Reference) -> Vec<Reference> {
    let names = |row: &&ResourceRow| !row.deleting && row.definition.references().contains(wanted);
    rows.iter().filter(names).map(ResourceRow::reference).collect()
}

/// Something that reads one place and writes another.
struct Edge {
    from: Reference,
    to: Reference,
    by: Reference,
}

/// The first circle in which records would run for ever, in words.
pub(crate) fn circle(all: &[Desired]) -> Option<String> {
    let edges: Vec<Edge> = all.iter().flat_map(edges_of).collect();
    edges.iter().find_map(|edge| {
        let mut way = vec![edge];
        leads_back(&edges, &edge.to, &edge.from, &mut Vec::new(), &mut way).then(|| {
            let steps: Vec<String> = way.iter().map(|edge| format!("{} by {}", edge.to, edge.by)).collect();
            format!("{}, to {}", edge.from, steps.join(", to "))
        })
    })
}

fn edges_of(desired: &Desired) -> Vec<Edge> {
    let by = desired.reference();
    let is_place = |reference: &Reference| matches!(reference.kind, Kind::Stream | Kind::DeliveryStream);
    let (from, targets) = match &desired.definition {
        Definition::Application(application) => {
            let targets = application.outputs.iter().map(|output| output.target.reference());
            (application.input.source.reference(), targets.filter(is_place).collect::<Vec<_>>())
        }
        Definition::Feed(feed) => match &feed.source {
            crate::definition::FeedSource::Stream { stream } => {
                (Reference::new(Kind::Stream, stream), vec![feed.target.reference()])
            }
            _ => return Vec::new(),
        },
        _ => return Vec::new(),
    };
    targets.into_iter().map(|to| Edge { from: from.clone(), to, by: by.clone() }).collect()
}

/// Whether `goal` can be reached from `place`; the way there.
fn leads_back<'e>(
    edges: &'e [Edge],
    place: &'e Reference,
    goal: &Reference,
    visited: &mut Vec<&'e Reference>,
    way: &mut Vec<&'e Edge>,
) -> bool {
    if place == goal {
        return true;
    }
    if visited.contains(&place) {
        return false;
    }
    visited.push(place);
    for edge in edges.iter().filter(|edge| edge.from == *place) {
        way.push(edge);
        if leads_back(edges, &edge.to, goal, visited, way) {
            return true;
        }
        way.pop();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition::{FeedDefinition, FeedSource, FeedTarget};

    fn copy(from: &str, to: &str) -> Desired {
        let definition = Definition::Feed(FeedDefinition {
            source: FeedSource::Stream { stream: from.to_owned() },
            target: FeedTarget::Stream(to.to_owned()),
            rate: None,
            from_command_line: false,
        });
        Desired { name: format!("{from}{to}"), definition }
    }

    #[test]
    fn circles_are_found_over_any_number_of_steps() {
        assert_eq!(circle(&[copy("a", "b"), copy("b", "c")]), None);
        assert_eq!(circle(&[copy("a", "a")]).unwrap(), "stream \"a\", to stream \"a\" by feed \"aa\"");
        assert_eq!(
            circle(&[copy("x", "a"), copy("a", "b"), copy("b", "a")]).unwrap(),
            "stream \"a\", to stream \"b\" by feed \"ab\", to stream \"a\" by feed \"ba\""
        );
    }
}
