//! What a file changes, as a pure function of what it declares and what exists.

use std::collections::BTreeSet;

use super::differences::differences;
use super::report::{Action, ResourceChange, TakenOver};
use crate::catalog::{ResourceRow, RowChange};
use crate::definition::{Definition, Desired, Kind, Owner, Reference};
use crate::registry::{Status, find, references};
use crate::resources;

/// What a file changes: the report, and the rows to write.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Decision {
    pub(crate) changes: Vec<ResourceChange>,
    pub(crate) taken_over: Vec<TakenOver>,
    pub(crate) rows: Vec<RowChange>,
}

impl Decision {
    fn take_over(&mut self, file: &str, is_gone: bool, resource: Reference) {
        match self.taken_over.iter_mut().find(|taken| taken.file == file) {
            Some(taken) => taken.resources.push(resource),
            None => {
                let file = file.to_owned();
                self.taken_over.push(TakenOver { file, is_gone, resources: vec![resource] });
            }
        }
    }
}

/// Which resources of other files may become those of the file that is applied.
#[derive(Clone, Debug, Default)]
pub(crate) struct Claims {
    /// All of them.
    pub(crate) takes_over: bool,
    /// Owners that are no longer at their paths.
    pub(crate) gone: BTreeSet<String>,
}

/// Whether a command line brought it: no file declares it, and none deletes it.
pub(super) fn is_from_command_line(row: &ResourceRow) -> bool {
    matches!(&row.definition, Definition::Feed(feed) if feed.from_command_line)
}

/// Compares what is desired with what exists.
pub(crate) fn decide(rows: &[ResourceRow], desired: &[Desired], owner: &Owner, claims: &Claims) -> Decision {
    let mut decision = Decision::default();
    let is_ours = |row: &ResourceRow| row.owner == *owner || row.owner == Owner::File(String::new());
    for wanted in desired {
        let reference = wanted.reference();
        let Some(row) = find(rows, &reference) else {
            decision.changes.push(ResourceChange::new(&reference, Action::Created));
            decision.rows.push(RowChange::Insert {
                name: wanted.name.clone(),
                definition: wanted.definition.clone(),
                owner: owner.clone(),
            });
            continue;
        };
        if let Owner::File(other) = &row.owner
            && !is_ours(row)
        {
            let is_gone = claims.gone.contains(other);
            if !is_gone && !claims.takes_over {
                let reason = format!(
                    "owned by {other}: a resource is declared in one file only; --take-over makes this file its owner"
                );
                decision.changes.push(ResourceChange::refused(&reference, reason));
                continue;
            }
            decision.take_over(other, is_gone, reference.clone());
        }
        let is_same = row.definition == wanted.definition;
        if is_same
            && row.owner == *owner
            && let Some(why) = why_again(row)
        {
            let details = vec![why.to_owned()];
            decision
                .changes
                .push(ResourceChange { details, ..ResourceChange::new(&reference, Action::Changed) });
            decision.rows.push(RowChange::Touch { id: row.id });
            continue;
        }
        if let Some(reason) = resources::refusal(&row.definition, &wanted.definition) {
            decision.changes.push(ResourceChange::refused(&reference, reason));
            continue;
        }
        let action = if is_same { Action::Unchanged } else { Action::Changed };
        let details = if is_same { Vec::new() } else { differences(&row.definition, &wanted.definition) };
        decision.changes.push(ResourceChange { details, ..ResourceChange::new(&reference, action) });
        if !is_same || row.owner != *owner {
            let (id, definition) = (row.id, wanted.definition.clone());
            decision.rows.push(RowChange::Update { id, definition, owner: owner.clone() });
        }
    }
    let is_wanted = |row: &&ResourceRow| desired.iter().any(|one| one.reference() == row.reference());
    // What an earlier version of the catalog kept is taken over when it is named, but not deleted when it is not.
    let gone = rows.iter().filter(|row| !row.deleting && row.owner == *owner && !is_wanted(row));
    let gone: Vec<&ResourceRow> = gone.filter(|row| !is_from_command_line(row)).collect();
    for row in &gone {
        let users = references::dependants(rows, &row.reference());
        // A user of this file is as the file wants it now.
        let is_foreign = |user: &Reference| {
            !gone.iter().any(|other| other.reference() == *user)
                && !desired.iter().any(|one| one.reference() == *user)
        };
        if let Some(user) = users.into_iter().find(is_foreign) {
            let reason = format!("{user}, which this file does not declare, uses it: change that first");
            decision.changes.push(ResourceChange::refused(&row.reference(), reason));
            continue;
        }
        decision.changes.push(ResourceChange::new(&row.reference(), Action::Deleted));
        decision.rows.push(RowChange::Prune { id: row.id });
    }
    refuse_what_cannot_be(rows, desired, &gone, &mut decision);
    decision
}

/// Why a resource is restarted though its definition is the same.
fn why_again(row: &ResourceRow) -> Option<&'static str> {
    let has_tables =
        matches!(&row.definition, Definition::Application(application) if !application.references.is_empty());
    match &row.status {
        Status::Failed { .. } => Some("it failed and is tried again"),
        // Its cause may be gone: it need not wait for its next attempt.
        Status::Retrying { .. } => Some("it is tried again now"),
        _ if has_tables => Some("its reference tables are read again"),
        _ => None,
    }
}

/// References to what will not exist, and circles.
fn refuse_what_cannot_be(
    rows: &[ResourceRow],
    desired: &[Desired],
    gone: &[&ResourceRow],
    decision: &mut Decision,
) {
    let exists = |reference: &Reference| {
        desired.iter().any(|one| one.reference() == *reference)
            || (find(rows, reference).is_some() && !gone.iter().any(|row| row.reference() == *reference))
    };
    for wanted in desired {
        if let Some(missing) = references::missing(&wanted.definition, exists) {
            let reason = format!("it refers to {missing}, which does not exist");
            decision.changes.push(ResourceChange::refused(&wanted.reference(), reason));
        }
    }
    let others = rows.iter().filter(|row| {
        !row.deleting
            && !gone.iter().any(|gone| gone.id == row.id)
            && !desired.iter().any(|one| one.reference() == row.reference())
    });
    let others = others.map(|row| Desired { name: row.name.clone(), definition: row.definition.clone() });
    let all: Vec<Desired> = others.chain(desired.iter().cloned()).collect();
    if let Some(circle) = references::circle(&all) {
        let reason = format!("records would run in a circle forever: {circle}");
        let first = desired.first().map(Desired::reference);
        let first = first.unwrap_or_else(|| Reference::new(Kind::Stream, ""));
        decision.changes.push(ResourceChange::refused(&first, reason));
    }
}

/// A file that declares nothing is more likely being written than meant to delete everything.
pub(super) fn refuse_to_delete_all(decision: &mut Decision) {
    for change in decision.changes.iter_mut().filter(|change| change.action == Action::Deleted) {
        change.action = Action::Refused;
        change.details = vec![format!(
            "the file declares nothing: to delete this all the same:  millstream delete {} {}",
            change.kind.as_str(),
            change.name
        )];
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition::{
        EndpointDefinition, FeedDefinition, FeedSource, FeedTarget, Generation, Model, ResourceId,
        StreamDefinition, TopicDefinition,
    };
    use millstream_host::Timestamp;

    fn stream(name: &str, retention_hours: u32) -> Desired {
        let definition = StreamDefinition { shards: Some(1), retention_hours };
        Desired { name: name.to_owned(), definition: Definition::Stream(definition) }
    }

    fn row(id: i64, desired: &Desired, owner: &str) -> ResourceRow {
        ResourceRow {
            id: ResourceId(id),
            name: desired.name.clone(),
            definition: desired.definition.clone(),
            generation: Generation(1),
            observed: Generation(1),
            status: Status::Active,
            owner: Owner::from_text(owner),
            created_at: Timestamp(0),
            changed_at: Timestamp(0),
            deleting: false,
        }
    }

    fn actions(decision: &Decision) -> Vec<(&str, Action)> {
        decision.changes.iter().map(|change| (change.name.as_str(), change.action)).collect()
    }

    #[test]
    fn what_is_tried_again_is_tried_now_but_what_takes_long_is_left_to_it() {
        let owner = Owner::File("a.toml".to_owned());
        let with = |status| ResourceRow { status, ..row(1, &stream("s", 24), "file:a.toml") };
        for (status, action) in [
            (Status::Active, Action::Unchanged),
            (Status::Failed { reason: "no disk".to_owned() }, Action::Changed),
            (Status::Retrying { reason: "no file".to_owned() }, Action::Changed),
            (Status::TakesLong { reason: "it is slow".to_owned() }, Action::Unchanged),
        ] {
            let decision = decide(&[with(status)], &[stream("s", 24)], &owner, &Claims::default());
            assert_eq!(actions(&decision), [("s", action)]);
        }
    }

    #[test]
    fn only_what_the_file_owns_is_pruned() {
        let rows = [
            row(1, &stream("kept", 24), "file:a.toml"),
            row(2, &stream("gone", 24), "file:a.toml"),
            row(3, &stream("foreign", 24), "file:b.toml"),
            row(4, &stream("called", 24), "api"),
        ];
        let owner = Owner::File("a.toml".to_owned());
        let desired = [stream("kept", 48), stream("new", 24), stream("called", 24)];
        let decision = decide(&rows, &desired, &owner, &Claims::default());
        assert_eq!(
            actions(&decision),
            [
                ("kept", Action::Changed),
                ("new", Action::Created),
                ("called", Action::Unchanged),
                ("gone", Action::Deleted)
            ]
        );
        assert_eq!(decision.changes[0].details, ["retention_hours: 24 -> 48"]);
        assert_eq!(decision.rows.len(), 4, "the file takes over what was called for: {decision:?}");
        let again = [stream("foreign", 24)];
        assert_eq!(
            actions(&decide(&rows[2..3], &again, &owner, &Claims::default())),
            [("foreign", Action::Refused)]
        );
    }

    #[test]
    fn what_is_no_longer_declared_is_called_so() {
        let with = |shards| Definition::Stream(StreamDefinition { shards, retention_hours: 24 });
        let stream = |before, after| differences(&with(before), &with(after));
        assert_eq!(stream(Some(3), None), ["shards: no longer declared; the stream keeps its 3 shards"]);
        assert_eq!(stream(Some(1), None), ["shards: no longer declared; the stream keeps its 1 shard"]);
        assert_eq!(stream(None, Some(2)), ["shards: not declared -> 2"]);
        let with = |threads| {
            Definition::Endpoint(EndpointDefinition {
                model: Model::BuiltinStarRating,
                threads,
                queue_texts: None,
            })
        };
        assert_eq!(differences(&with(Some(4)), &with(None)), ["threads: 4 -> no longer declared"]);
        assert_eq!(differences(&with(None), &with(Some(4))), ["threads: not declared -> 4"]);
    }

    #[test]
    fn a_file_that_moved_keeps_what_it_still_declares() {
        let rows = [
            row(1, &stream("same", 24), "file:/old/a.toml"),
            row(2, &stream("changed", 24), "file:/old/a.toml"),
            row(3, &stream("dropped", 24), "file:/old/a.toml"),
            row(4, &stream("other", 24), "file:/there/b.toml"),
        ];
        let owner = Owner::File("/new/a.toml".to_owned());
        let desired = [stream("same", 24), stream("changed", 48)];
        let gone = BTreeSet::from(["/old/a.toml".to_owned()]);
        let claims = Claims { gone, ..Claims::default() };
        let decision = decide(&rows, &desired, &owner, &claims);
        assert_eq!(actions(&decision), [("same", Action::Unchanged), ("changed", Action::Changed)]);
        let taken = |file: &str, is_gone, names: &[&str]| TakenOver {
            file: file.to_owned(),
            is_gone,
            resources: names.iter().map(|name| Reference::new(Kind::Stream, name)).collect(),
        };
        assert_eq!(decision.taken_over, [taken("/old/a.toml", true, &["same", "changed"])]);
        assert_eq!(
            decision.rows.len(),
            2,
            "what the new file does not declare keeps its owner: {decision:?}"
        );

        // A file that is still there keeps what is its own, unless the caller says otherwise.
        let desired = [stream("other", 24), stream("same", 24)];
        let decision = decide(&rows, &desired, &owner, &claims);
        assert_eq!(actions(&decision), [("other", Action::Refused), ("same", Action::Unchanged)]);
        let reason = &decision.changes[0].details[0];
        assert!(reason.contains("/there/b.toml") && reason.contains("--take-over"), "{reason}");
        let decision = decide(&rows, &desired, &owner, &Claims { takes_over: true, ..claims });
        assert_eq!(actions(&decision), [("other", Action::Unchanged), ("same", Action::Unchanged)]);
        let expected = [taken("/there/b.toml", false, &["other"]), taken("/old/a.toml", true, &["same"])];
        assert_eq!(decision.taken_over, expected);
    }

    #[test]
    fn what_a_command_line_brought_is_no_business_of_files() {
        let feed = |from_command_line| Desired {
            name: "f".to_owned(),
            definition: Definition::Feed(FeedDefinition {
                source: FeedSource::File {
                    path: "x".into(),
                    header: false,
                    repeat: false,
                    review_columns: None,
                },
                target: FeedTarget::Stream("s".to_owned()),
                rate: None,
                from_command_line,
            }),
        };
        let owner = Owner::File("a.toml".to_owned());
        for from_command_line in [true, false] {
            let rows =
                [row(1, &stream("s", 24), "file:a.toml"), row(2, &feed(from_command_line), "file:a.toml")];
            let decision = decide(&rows, &[stream("s", 24)], &owner, &Claims::default());
            let deleted = decision.rows.contains(&RowChange::Prune { id: ResourceId(2) });
            assert_eq!(deleted, !from_command_line);
        }
    }

    #[test]
    fn r8_what_is_no_longer_declared_goes_and_users_keep_it() {
        let topic = Desired { name: "t".to_owned(), definition: Definition::Topic(TopicDefinition {}) };
        let subscription = Desired {
            name: "t a@example.com".to_owned(),
            definition: Definition::Subscription(crate::definition::SubscriptionDefinition {
                topic: "t".to_owned(),
                email: "a@example.com".to_owned(),
            }),
        };
        let owner = Owner::File("a.toml".to_owned());
        let rows = [row(1, &topic, "file:a.toml"), row(2, &subscription, "file:a.toml")];
        let without = decide(&rows, std::slice::from_ref(&topic), &owner, &Claims::default());
        assert_eq!(actions(&without), [("t", Action::Unchanged), ("t a@example.com", Action::Deleted)]);
        let foreign = [row(1, &topic, "file:a.toml"), row(2, &subscription, "api")];
        let decision = decide(&foreign, &[], &owner, &Claims::default());
        assert_eq!(actions(&decision), [("t", Action::Refused)]);
        assert!(decision.changes[0].details[0].contains("does not declare"), "{decision:?}");
    }
}
