//! What refers to what: missing resources, dependants, circles.

use std::collections::HashMap;

use crate::catalog::ResourceRow;
use crate::definition::{Definition, Desired, FeedDefinition, FeedSource, Kind, OutputTarget, Reference};
use crate::graph;

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
    by: String,
}

/// The first circle in which records would run for ever, in words. Rows that functions reject run on, too.
pub(crate) fn circle(all: &[Desired]) -> Option<String> {
    let dead_letters: HashMap<&str, &str> = all.iter().filter_map(dead_letter).collect();
    let edges: Vec<Edge> = all.iter().flat_map(|one| edges_of(one, &dead_letters)).collect();
    let places: Vec<(&Reference, &Reference)> = edges.iter().map(|edge| (&edge.from, &edge.to)).collect();
    let way: Vec<&Edge> = graph::circle(&places)?.into_iter().map(|edge| &edges[edge]).collect();
    let steps: Vec<String> = way.iter().map(|edge| format!("{} by {}", edge.to, edge.by)).collect();
    Some(format!("{}, to {}", way.first()?.from, steps.join(", to ")))
}

/// A function, and the stream of the rows that it rejects.
fn dead_letter(one: &Desired) -> Option<(&str, &str)> {
    match &one.definition {
        Definition::Function(function) => Some((&one.name, function.dead_letter.as_deref()?)),
        _ => None,
    }
}

fn edges_of(desired: &Desired, dead_letters: &HashMap<&str, &str>) -> Vec<Edge> {
    let own = desired.reference();
    let (from, targets) = match &desired.definition {
        Definition::Application(application) => {
            let targets = application.outputs.iter().filter_map(|output| match &output.target {
                OutputTarget::Function(function) => {
                    let stream = dead_letters.get(function.as_str())?;
                    let by = format!("{own} and {}", output.target.reference());
                    Some((Reference::new(Kind::Stream, stream), by))
                }
                target => Some((target.reference(), own.to_string())),
            });
            (application.input.source.reference(), targets.collect())
        }
        Definition::Feed(FeedDefinition { source: FeedSource::Stream { stream }, target, .. }) => {
            (Reference::new(Kind::Stream, stream), vec![(target.reference(), own.to_string())])
        }
        _ => return Vec::new(),
    };
    targets.into_iter().map(|(to, by): (Reference, String)| Edge { from: from.clone(), to, by }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition::{FeedTarget, FunctionBody, FunctionDefinition};
    use crate::pipeline::Pipeline;

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
    #[test]
    fn rejected_rows_run_in_circles_over_the_files_that_declare_them() {
        let function = |dead_letter: &str| {
            let body = FunctionBody::MetricFromAverage { metric: "m".to_owned(), column: "N".to_owned() };
            let timeout = std::time::Duration::from_secs(1);
            let dead_letter = Some(dead_letter.to_owned());
            let definition = Definition::Function(FunctionDefinition { timeout, body, dead_letter });
            Desired { name: "f".to_owned(), definition }
        };
        let text = "[[application]]\nname = \"app\"\nsql = 'CREATE STREAM T (N INTEGER);'\n\
                    input = {stream = \"s\", columns = \"N INTEGER\"}\n\
                    [[application.output]]\nfrom = \"T\"\nfunction = \"f\"\n";
        let existing = [Reference::new(Kind::Stream, "s"), Reference::new(Kind::Function, "f")];
        let file =
            Pipeline::parse_beside("b.toml", text, &|_| Err("no files".to_owned()), &existing).unwrap();
        let circle = |dead_letter| circle(&[file.desired.clone(), vec![function(dead_letter)]].concat());
        assert_eq!(circle("other"), None);
        assert_eq!(
            circle("s").unwrap(),
            "stream \"s\", to stream \"s\" by application \"app\" and function \"f\""
        );
    }
}
