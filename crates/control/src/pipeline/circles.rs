//! Records must not run in a circle: each round would make more of them, for ever.

use toml::Spanned;

use super::declarations::Declarations;

/// A place where records come to rest until somebody reads them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place<'a> {
    Stream(&'a str),
    DeliveryStream(&'a str),
}

/// Something that reads one place and writes another.
struct Edge<'a> {
    from: Place<'a>,
    to: Place<'a>,
    /// What names the place that is written.
    reference: &'a Spanned<String>,
    /// Who does it.
    by: String,
}

/// A circle: what closes it, and the way round in words.
pub(super) struct Circle {
    pub(super) span: std::ops::Range<usize>,
    pub(super) way: String,
}

/// The first circle that the file declares.
pub(super) fn find(declared: &Declarations) -> Option<Circle> {
    let edges = edges(declared);
    for edge in &edges {
        let mut way = Vec::new();
        if leads_back(&edges, edge.to, edge.from, &mut Vec::new(), &mut way) {
            way.insert(0, edge);
            let names: Vec<String> =
                way.iter().map(|edge| format!("{} by {}", name(edge.to), edge.by)).collect();
            return Some(Circle {
                span: edge.reference.span(),
                way: format!("{}, to {}", name(edge.from), names.join(", to ")),
            });
        }
    }
    None
}

fn edges(declared: &Declarations) -> Vec<Edge<'_>> {
    let mut edges = Vec::new();
    for input in &declared.inputs {
        let Some(from) = &input.stream else { continue };
        let from = Place::Stream(from.get_ref());
        let by = format!("input {}", input.name.get_ref());
        if let Some(to) = &input.into_stream {
            edges.push(Edge { from, to: Place::Stream(to.get_ref()), reference: to, by: by.clone() });
        }
        if let Some(to) = &input.delivery_stream {
            edges.push(Edge { from, to: Place::DeliveryStream(to.get_ref()), reference: to, by });
        }
    }
    for application in &declared.applications {
        let from = match (&application.input.stream, &application.input.delivery_stream) {
            (Some(stream), _) => Place::Stream(stream.get_ref()),
            (None, Some(delivery)) => Place::DeliveryStream(delivery.get_ref()),
            (None, None) => continue,
        };
        let by = format!("application {}", application.name.get_ref());
        for output in &application.outputs {
            if let Some(to) = &output.stream {
                edges.push(Edge { from, to: Place::Stream(to.get_ref()), reference: to, by: by.clone() });
            }
            if let Some(to) = &output.delivery_stream {
                edges.push(Edge {
                    from,
                    to: Place::DeliveryStream(to.get_ref()),
                    reference: to,
                    by: by.clone(),
                });
            }
        }
    }
    edges
}

/// Whether `goal` can be reached from `place`; the way there.
fn leads_back<'a, 'e>(
    edges: &'e [Edge<'a>],
    place: Place<'a>,
    goal: Place<'a>,
    visited: &mut Vec<Place<'a>>,
    way: &mut Vec<&'e Edge<'a>>,
) -> bool {
    if place == goal {
        return true;
    }
    if visited.contains(&place) {
        return false;
    }
    visited.push(place);
    for edge in edges.iter().filter(|edge| edge.from == place) {
        way.push(edge);
        if leads_back(edges, edge.to, goal, visited, way) {
            return true;
        }
        way.pop();
    }
    false
}

fn name(place: Place<'_>) -> String {
    match place {
        Place::Stream(name) => format!("stream \"{name}\""),
        Place::DeliveryStream(name) => format!("delivery stream \"{name}\""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn way(text: &str) -> Option<String> {
        let declared: Declarations = toml::from_str(text).unwrap();
        find(&declared).map(|circle| circle.way)
    }

    const STREAMS: &str = "[[stream]]\nname = \"a\"\n[[stream]]\nname = \"b\"\n";

    #[test]
    fn circles_of_copies_and_applications_are_found() {
        let copy = |from: &str, to: &str| {
            format!("[[input]]\nname = \"{from}{to}\"\nstream = \"{from}\"\ninto_stream = \"{to}\"\n")
        };
        let application = "[[application]]\nname = \"app\"\nsql = \"\"\ninput = {stream = \"b\", columns = \"n INTEGER\"}\n\
                           [[application.output]]\nfrom = \"X\"\nstream = \"a\"\n";
        assert_eq!(way(&format!("{STREAMS}{}", copy("a", "b"))), None);
        assert_eq!(
            way(&format!("{STREAMS}{}", copy("a", "a"))).unwrap(),
            "stream \"a\", to stream \"a\" by input aa"
        );
        assert_eq!(
            way(&format!("{STREAMS}{}{application}", copy("a", "b"))).unwrap(),
            "stream \"a\", to stream \"b\" by input ab, to stream \"a\" by application app"
        );
    }
}
