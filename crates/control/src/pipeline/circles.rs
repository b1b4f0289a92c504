//! Records must not run in a circle: each round would make more of them, for ever.

use std::collections::HashMap;

use toml::Spanned;

use super::declarations::Declarations;
use crate::graph;

/// A place where records come to rest until somebody reads them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
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
    let places: Vec<(Place<'_>, Place<'_>)> = edges.iter().map(|edge| (edge.from, edge.to)).collect();
    let way: Vec<&Edge<'_>> = graph::circle(&places)?.into_iter().map(|edge| &edges[edge]).collect();
    let (first, last) = (way.first()?, way.last()?);
    let steps: Vec<String> = way.iter().map(|edge| format!("{} by {}", name(edge.to), edge.by)).collect();
    Some(Circle {
        span: last.reference.span(),
        way: format!("{}, to {}", name(first.from), steps.join(", to ")),
    })
}

fn edges(declared: &Declarations) -> Vec<Edge<'_>> {
    let mut edges = Vec::new();
    let dead_letters: HashMap<&str, &Spanned<String>> = declared
        .functions
        .iter()
        .filter_map(|function| Some((function.name.get_ref().as_str(), function.dead_letter.as_ref()?)))
        .collect();
    let dead_letter = |function: &str| dead_letters.get(function).copied();
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
            if let Some(function) = &output.function
                && let Some(to) = dead_letter(function.get_ref())
            {
                let by = format!("{by} and function {}", function.get_ref());
                edges.push(Edge { from, to: Place::Stream(to.get_ref()), reference: to, by });
            }
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

    #[test]
    fn a_dead_letter_closes_a_circle_and_many_streams_take_no_time() {
        let text = "[[stream]]\nname = \"a\"\n[[function]]\nname = \"f\"\nbuiltin = \"metric-from-average\"\n\
                    dead_letter = \"a\"\n[[application]]\nname = \"app\"\nsql = \"\"\n\
                    input = {stream = \"a\", columns = \"n INTEGER\"}\n[[application.output]]\nfrom = \"X\"\nfunction = \"f\"\n";
        assert_eq!(way(text).unwrap(), "stream \"a\", to stream \"a\" by application app and function f");
        let copy = |from: usize| {
            format!("[[input]]\nname = \"i{from}\"\nstream = \"s{from}\"\ninto_stream = \"s{}\"\n", from + 1)
        };
        let chain: String = (0..20_000).rev().map(copy).collect();
        assert_eq!(way(&chain), None);
        let closed =
            format!("{chain}[[input]]\nname = \"x\"\nstream = \"s20000\"\ninto_stream = \"s19998\"\n");
        assert_eq!(
            way(&closed).unwrap(),
            "stream \"s19999\", to stream \"s20000\" by input i19999, to stream \"s19998\" by input x, to stream \
             \"s19999\" by input i19998"
        );
    }
}
