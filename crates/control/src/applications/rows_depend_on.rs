//! What the rows of an application depend on besides the records: a second reading gives the same rows only while all of
//! it stays.

use super::reference_table::ReferenceTableRows;
use std::time::Duration;

use crate::catalog::ResourceRow;
use crate::definition::{ApplicationDefinition, Definition, Kind, Reference, ResourceId};
use crate::identifier::stable_hash;
use crate::registry::find;

/// What it is that they depend on. The functions may change while the application runs, the rest does not.
#[derive(Clone, Debug)]
pub(crate) struct RowsDependOn {
    own: String,
    preprocessor: Option<String>,
}

impl RowsDependOn {
    /// Of an application as it is started.
    pub(crate) fn new(
        definition: &ApplicationDefinition,
        source: ResourceId,
        tables: &[ReferenceTableRows],
    ) -> RowsDependOn {
        let mut relevant = definition.clone();
        relevant.outputs.clear();
        relevant.input.starting_position = None;
        let mut parts = vec![env!("CARGO_PKG_VERSION").to_owned(), source.to_string()];
        parts.push(text(&Definition::Application(Box::new(relevant))));
        parts.extend(tables.iter().map(|table| table.content.to_string()));
        RowsDependOn { own: parts.join("\n"), preprocessor: definition.input.preprocessor.clone() }
    }

    /// Tells it apart as it is now. A function that is about to be exchanged, or the model behind it, is like no other:
    /// which of both makes the rows is not known.
    pub(crate) fn now(&self, rows: &[ResourceRow]) -> u64 {
        let mut all = self.own.clone();
        for row in self.functions(rows) {
            all.push('\n');
            all.push_str(&text(&relevant(&row.definition)));
            if is_changing(row) {
                all.push_str(&format!("\nchanges from {}", row.observed.0));
            }
        }
        stable_hash(&all)
    }

    /// Whether one of the functions is about to be exchanged.
    pub(crate) fn are_changing(&self, rows: &[ResourceRow]) -> bool {
        self.functions(rows).into_iter().any(is_changing)
    }

    fn functions<'r>(&self, rows: &'r [ResourceRow]) -> Vec<&'r ResourceRow> {
        functions_before(self.preprocessor.as_deref(), rows)
    }
}

/// A preprocessing function, and the model behind it, as far as they exist.
pub(crate) fn functions_before<'r>(
    preprocessor: Option<&str>,
    rows: &'r [ResourceRow],
) -> Vec<&'r ResourceRow> {
    let mut found = Vec::new();
    let mut wanted: Vec<Reference> =
        preprocessor.iter().map(|name| Reference::new(Kind::Function, name)).collect();
    while let Some(reference) = wanted.pop() {
        if let Some(row) = find(rows, &reference) {
            found.push(row);
            let used = row.definition.references().into_iter();
            wanted.extend(used.filter(|one| one.kind == Kind::Endpoint));
        }
    }
    found
}

/// Tells apart what the functions of [`functions_before`] are.
pub(crate) fn functions_hash(preprocessor: Option<&str>, rows: &[ResourceRow]) -> u64 {
    let functions = functions_before(preprocessor, rows);
    let texts = functions.into_iter().map(|row| text(&relevant(&row.definition)));
    stable_hash(&texts.collect::<Vec<_>>().join("\n"))
}

fn is_changing(row: &ResourceRow) -> bool {
    row.observed < row.generation
}

/// A function or a model without what does not change an answer: how long it may take, how much it does at once, and where
/// rows go that it rejects.
fn relevant(definition: &Definition) -> Definition {
    let mut relevant = definition.clone();
    match &mut relevant {
        Definition::Function(function) => (function.timeout, function.dead_letter) = (Duration::ZERO, None),
        Definition::Endpoint(endpoint) => (endpoint.threads, endpoint.queue_texts) = (None, None),
        _ => {}
    }
    relevant
}

fn text(definition: &Definition) -> String {
    serde_json::to_string(definition).expect("definitions are plain data")
}

#[cfg(test)]
mod tests {
    use millstream_host::Timestamp;

    use super::*;
    use crate::definition::{FunctionBody, FunctionDefinition, Generation, Owner, TextPlace};
    use crate::registry::Status;

    fn function(version: u64, observed: i64, generation: i64) -> ResourceRow {
        let text = TextPlace::Line;
        let (endpoint, delimiter) = (format!("model {version}"), ',');
        let body = FunctionBody::Classify { endpoint, text, delimiter, output: None };
        let timeout = Duration::from_secs(1);
        ResourceRow {
            id: ResourceId(1),
            name: "f".to_owned(),
            definition: Definition::Function(FunctionDefinition { timeout, body, dead_letter: None }),
            generation: Generation(generation),
            observed: Generation(observed),
            status: Status::Active,
            owner: Owner::Api,
            created_at: Timestamp(0),
            changed_at: Timestamp(0),
            deleting: false,
        }
    }

    #[test]
    fn a_function_counts_as_it_is_now_and_between_two_as_neither() {
        let preprocessor = Some("f".to_owned());
        let depends_on = RowsDependOn { own: "own".to_owned(), preprocessor };
        let before = depends_on.now(&[function(1, 1, 1)]);
        let between = depends_on.now(&[function(2, 1, 2)]);
        let after = depends_on.now(&[function(2, 2, 2)]);
        assert!(before != between && between != after && before != after);
        assert!(
            depends_on.are_changing(&[function(2, 1, 2)]) && !depends_on.are_changing(&[function(2, 2, 2)])
        );
        assert_eq!(depends_on.now(&[function(2, 3, 3)]), after, "the definition counts, not its number");
        let mut patient = function(2, 2, 2);
        if let Definition::Function(function) = &mut patient.definition {
            function.timeout = Duration::from_secs(9);
        }
        assert_eq!(depends_on.now(&[patient]), after, "what does not change an answer does not count");
    }
}
