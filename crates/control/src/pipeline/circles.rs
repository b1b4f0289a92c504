//! Records must not run in a circle: each round would make more of them, for ever.

use std::collections::{HashMap, HashSet};

use toml::Spanned;

use super::declarations::Declarations;

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

/// The first circle that the file declares. Looks at each place and each edge once.
pub(super) fn find(declared: &Declarations) -> Option<Circle> {
    let edges = edges(declared);
    let mut from: HashMap<Place<'_>, Vec<&Edge<'_>>> = HashMap::new();
    for edge in &edges {
        from.entry(edge.from).or_default().push(edge);
    }
    // Places from which no circle can be reached.
    let mut is_clear: HashSet<Place<'_>> = HashSet::new();
    for start in &edges {
        // The way to the current place, each step with what is still to be tried behind it.
        let mut way: Vec<(&Edge<'_>, usize)> = Vec::new();
        let mut on_way: HashSet<Place<'_>> = HashSet::new();
        let mut next = Some(start).filter(|edge| !is_clear.contains(&edge.from));
        if next.is_some() {
            on_way.insert(start.from);
        }
        while let Some(edge) = next.take() {
            if on_way.contains(&edge.to) {
                way.push((edge, 0));
                return Some(circle(&way));
            }
            if !is_clear.contains(&edge.to) {
                on_way.insert(edge.to);
                way.push((edge, 0));
            }
            while let Some((last, tried)) = way.last_mut() {
                let place = last.to;
                match from.get(&place).and_then(|edges| edges.get(*tried)) {
                    Some(onward) => {
                        *tried += 1;
                        next = Some(onward);
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

/// The circle at the end of a way: its last edge leads to where an earlier one began.
fn circle(way: &[(&Edge<'_>, usize)]) -> Circle {
    let (last, _) = way.last().expect("a way that closes has an edge");
    let begin = way.iter().position(|(edge, _)| edge.from == last.to).unwrap_or(0);
    let names: Vec<String> =
        way[begin..].iter().map(|(edge, _)| format!("{} by {}", name(edge.to), edge.by)).collect();
    Circle { span: last.reference.span(), way: format!("{}, to {}", name(last.to), names.join(", to ")) }
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
