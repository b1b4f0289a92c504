//! A file of desired resources against what exists: what would change, and the change.
//!
//! ```text
//!   desired + rows ─▶ decide (pure) ─▶ look (can it start? does its state fit?) ─▶ one transaction ─▶ wait until it runs
//! ```
//!
//! Start, SIGHUP and `millstream apply` are the same call. A change that cannot be made keeps all others from being made,
//! too: a file is applied whole or not at all.
//!
//! A resource belongs to one file. When that file is no longer at its path, or when the caller asks for it, the file that
//! declares the resource now becomes its owner; what that file does not declare keeps its owner.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use millstream_host::real_time;
use millstream_wording::counted;
use serde::Serialize;

use crate::catalog::{CatalogError, ResourceRow, RowChange};
use crate::definition::{Definition, Desired, Kind, Owner, Reference};
use crate::registry::{Lifecycle, Registry, Status, find, references};
use crate::resources;
use crate::resources::function::labels_mistake;
use crate::world::World;

/// How long a change may take until it is reported as still under way.
const SETTLE_LIMIT: Duration = Duration::from_secs(30);

/// How long what was tried and failed is waited for.
const MOMENT: Duration = Duration::from_secs(2);

/// What becomes of a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// It is new.
    Created,
    /// It becomes another.
    Changed,
    /// It is as it should be.
    Unchanged,
    /// It goes.
    Deleted,
    /// It cannot be made so; then nothing is changed at all.
    Refused,
}

/// What becomes of one resource, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ResourceChange {
    /// Its kind.
    pub kind: Kind,
    /// Its name.
    pub name: String,
    /// What becomes of it.
    pub action: Action,
    /// What changes in it, or why it is refused.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<String>,
    /// Pumps of an application that keep their state.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub keeps_state: Vec<String>,
    /// Pumps of an application that start from scratch.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub starts_from_scratch: Vec<String>,
}

impl ResourceChange {
    fn new(reference: &Reference, action: Action) -> ResourceChange {
        ResourceChange {
            kind: reference.kind,
            name: reference.name.clone(),
            action,
            details: Vec::new(),
            keeps_state: Vec::new(),
            starts_from_scratch: Vec::new(),
        }
    }

    fn refused(reference: &Reference, reason: impl Into<String>) -> ResourceChange {
        ResourceChange { details: vec![reason.into()], ..ResourceChange::new(reference, Action::Refused) }
    }
}

/// How a file is applied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ApplyOptions {
    /// Only say what would change.
    pub is_dry_run: bool,
    /// Resources that belong to another file become this one's, whether or not the other is still there.
    pub takes_over: bool,
}

/// Resources that belonged to another file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TakenOver {
    /// The other file.
    pub file: String,
    /// It is no longer there.
    pub is_gone: bool,
    /// What it declared, and the file that is applied declares now.
    pub resources: Vec<Reference>,
}

/// What applying a file did, or would do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ApplyReport {
    /// Nothing was changed, only checked.
    pub is_dry_run: bool,
    /// Every resource of the file, and those that go.
    pub changes: Vec<ResourceChange>,
    /// What belonged to other files until now, by file.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub taken_over: Vec<TakenOver>,
    /// What does not run yet, and why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub not_settled: Vec<String>,
}

impl ApplyReport {
    /// Something was refused: nothing was changed.
    pub fn is_refused(&self) -> bool {
        self.changes.iter().any(|change| change.action == Action::Refused)
    }

    /// How many resources meet an action.
    pub fn count(&self, action: Action) -> usize {
        self.changes.iter().filter(|change| change.action == action).count()
    }
}

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
    let gone: Vec<&ResourceRow> =
        rows.iter().filter(|row| !row.deleting && row.owner == *owner && !is_wanted(row)).collect();
    for row in &gone {
        let users = references::dependants(rows, &row.reference());
        // A user of this file is as the file wants it now.
        let is_foreign = |user: &Reference| {
            !gone.iter().any(|other| other.reference() == *user)
                && !desired.iter().any(|one| one.reference() == *user)
        };
        if let Some(user) = users.into_iter().find(is_foreign) {
            let reason = format!("{user}, which this file does not own, uses it: change that first");
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
        let reason = format!("records would run in a circle for ever: {circle}");
        let first = desired.first().map(Desired::reference);
        let first = first.unwrap_or_else(|| Reference::new(Kind::Stream, ""));
        decision.changes.push(ResourceChange::refused(&first, reason));
    }
}

/// Which parts of a definition differ, by name.
fn differences(old: &Definition, new: &Definition) -> Vec<String> {
    let (kind, old, new) = (old.kind(), old.parts(), new.parts());
    let short = |value: Option<&serde_json::Value>, absent: &str| {
        let text = match value {
            None => absent.to_owned(),
            Some(serde_json::Value::String(text)) if !text.contains('\n') => text.clone(),
            Some(value) => value.to_string(),
        };
        if text.chars().count() > 60 { None } else { Some(text) }
    };
    let names = old.keys().chain(new.keys().filter(|name| !old.contains_key(*name)));
    let differing = names.filter(|name| old.get(*name) != new.get(*name));
    differing
        .map(|name| {
            let (before, after) = (old.get(name), new.get(name));
            if let (Kind::Stream, "shards", Some(kept), None) = (kind, name.as_str(), before, after) {
                let kept = counted(kept.as_u64().unwrap_or_default(), "shard");
                return format!("shards: no longer declared; the stream keeps its {kept}");
            }
            match (short(before, "not declared"), short(after, "no longer declared")) {
                (Some(before), Some(after)) => format!("{name}: {before} -> {after}"),
                _ => format!("{name} has changed"),
            }
        })
        .collect()
}

/// Why a file was not applied.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// The catalog could not be read or changed.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
}

/// Looks, without a change, whether what a decision makes can run, and what becomes of states.
async fn look(world: &World, rows: &[ResourceRow], desired: &[Desired], decision: &mut Decision) {
    for change in &mut decision.changes {
        if change.action == Action::Deleted {
            let reference = Reference::new(change.kind, &change.name);
            if let Some(row) = find(rows, &reference) {
                change.details.extend(resources::what_goes(world, row).await);
            }
        }
        if !matches!(change.action, Action::Created | Action::Changed) {
            continue;
        }
        let reference = Reference::new(change.kind, &change.name);
        let Some(wanted) = desired.iter().find(|one| one.reference() == reference) else { continue };
        let before = find(rows, &reference);
        match resources::look(world, &wanted.name, &wanted.definition, before).await {
            Ok(outlook) => {
                change.details.extend(outlook.begins);
                change.keeps_state = outlook.keeps_state;
                change.starts_from_scratch = outlook.starts_from_scratch;
            }
            Err(error) => {
                change.action = Action::Refused;
                change.details = vec![error.reason];
            }
        }
    }
}

/// Refuses a model whose labels do not fit a function that uses it, or will use it. Reads small files.
async fn refuse_labels(world: &World, rows: &[ResourceRow], desired: &[Desired], decision: &mut Decision) {
    let action_of = |reference: &Reference, decision: &Decision| {
        let is_it = |change: &&ResourceChange| change.kind == reference.kind && change.name == reference.name;
        decision.changes.iter().find(is_it).map(|change| change.action)
    };
    let is_touched = |reference: &Reference, decision: &Decision| {
        matches!(action_of(reference, decision), Some(Action::Created | Action::Changed))
    };
    let others = rows.iter().filter(|row| {
        let is_gone = row.deleting || action_of(&row.reference(), decision) == Some(Action::Deleted);
        !is_gone && !desired.iter().any(|one| one.reference() == row.reference())
    });
    let others = others.map(|row| Desired { name: row.name.clone(), definition: row.definition.clone() });
    let all: Vec<Desired> = others.chain(desired.iter().cloned()).collect();
    for one in &all {
        let (function, used) = (one.reference(), one.definition.references());
        let Definition::Function(definition) = one.definition.clone() else { continue };
        let Some(endpoint) = used.into_iter().find(|used| used.kind == Kind::Endpoint) else { continue };
        // The change to blame: the function's own, else that of the model behind it.
        let Some(changed) =
            [&function, &endpoint].into_iter().find(|reference| is_touched(reference, decision)).cloned()
        else {
            continue;
        };
        let found = all.iter().find(|one| one.reference() == endpoint).map(|one| one.definition.clone());
        let looking = world.spawn().blocking(move || {
            let endpoint = |_: &str| match &found {
                Some(Definition::Endpoint(endpoint)) => Some(endpoint.clone()),
                _ => None,
            };
            labels_mistake(&definition, &endpoint)
        });
        let Ok(Some(mistake)) = looking.await else { continue };
        let reason = if changed == function { mistake } else { format!("{function} uses it: {mistake}") };
        let is_it = |change: &&mut ResourceChange| change.kind == changed.kind && change.name == changed.name;
        if let Some(change) = decision.changes.iter_mut().find(is_it) {
            change.action = Action::Refused;
            change.details = vec![reason];
        }
    }
}

/// A file that declares nothing is rather one that is being written than one that shall delete everything.
fn refuse_to_delete_all(decision: &mut Decision) {
    for change in decision.changes.iter_mut().filter(|change| change.action == Action::Deleted) {
        change.action = Action::Refused;
        change.details = vec![format!(
            "the file declares nothing: what shall go is deleted with  millstream delete {} {}",
            change.kind, change.name
        )];
    }
}

/// Makes a data directory hold what is desired, and nothing else of this owner.
pub(crate) async fn apply(
    world: &World,
    desired: Vec<Desired>,
    owner: Owner,
    options: ApplyOptions,
    is_running: bool,
) -> Result<ApplyReport, ApplyError> {
    let rows = world.registry.rows();
    let claims =
        Claims { takes_over: options.takes_over, gone: owners_that_are_gone(world, &rows, &owner).await };
    let mut decision = decide(&rows, &desired, &owner, &claims);
    look(world, &rows, &desired, &mut decision).await;
    refuse_labels(world, &rows, &desired, &mut decision).await;
    if desired.is_empty() {
        refuse_to_delete_all(&mut decision);
    }
    let Decision { changes, taken_over, .. } = decision;
    let is_dry_run = options.is_dry_run;
    let report = ApplyReport { is_dry_run, changes, taken_over, not_settled: Vec::new() };
    if is_dry_run || report.is_refused() {
        return Ok(report);
    }
    // Decided again under the lock: somebody else may have changed something meanwhile.
    let committed = world.registry.commit(|rows| {
        let decision = decide(rows, &desired, &owner, &claims);
        let is_refused = decision.changes.iter().any(|change| change.action == Action::Refused);
        let changes = if is_refused { Vec::new() } else { decision.rows };
        Ok::<_, CatalogError>((changes, decision.changes))
    });
    let mut report = match committed.await? {
        changes if changes.iter().any(|change| change.action == Action::Refused) => {
            return Ok(ApplyReport { changes, ..report });
        }
        _ => report,
    };
    if is_running {
        let registry = &world.registry;
        let tried = until(registry, |rows| !report.changes.iter().any(|change| is_open(rows, change)));
        if real_time::within(SETTLE_LIMIT, tried).await.is_some() {
            // What waited for another resource may only need a moment more.
            let all_run = until(registry, |rows| not_settled(rows, &report).is_empty());
            let _ = real_time::within(MOMENT, all_run).await;
        }
        report.not_settled = not_settled(&registry.rows(), &report);
    }
    Ok(report)
}

/// Waits until what was deleted and made again is there once and runs, or cannot; no longer than a change may take.
pub(crate) async fn made_again(world: &World, references: &[Reference]) {
    let is_there = |rows: &[ResourceRow], reference: &Reference| {
        let mut of_name = rows.iter().filter(|row| row.reference() == *reference);
        let (row, other) = (of_name.next(), of_name.next());
        let has_ended =
            |row: &ResourceRow| matches!(Lifecycle::of(row), Lifecycle::Active | Lifecycle::Failed);
        other.is_none() && row.is_some_and(has_ended)
    };
    let all_there = until(&world.registry, |rows| references.iter().all(|one| is_there(rows, one)));
    // What takes longer is seen in its description.
    let _ = real_time::within(SETTLE_LIMIT, all_there).await;
}

/// The files that own something and are no longer at their paths. A file that cannot be looked for counts as there.
async fn owners_that_are_gone(world: &World, rows: &[ResourceRow], owner: &Owner) -> BTreeSet<String> {
    let others = rows.iter().filter(|row| row.owner != *owner).filter_map(|row| match &row.owner {
        // Other names, such as the demo's, are not those of files.
        Owner::File(path) if Path::new(path).is_absolute() => Some(path.clone()),
        Owner::File(_) | Owner::Api => None,
    });
    let others: BTreeSet<String> = others.collect();
    let looking = world.spawn().blocking(move || {
        let is_gone = |path: &String| matches!(Path::new(path).try_exists(), Ok(false));
        others.into_iter().filter(is_gone).collect()
    });
    looking.await.unwrap_or_default()
}

/// Waits until the rows are as wanted.
async fn until(registry: &Registry, is_reached: impl Fn(&[ResourceRow]) -> bool) {
    // An error means that the registry is gone.
    let _ = registry.changes().wait_for(|rows| is_reached(rows)).await;
}

fn is_open(rows: &[ResourceRow], change: &ResourceChange) -> bool {
    let reference = Reference::new(change.kind, &change.name);
    match change.action {
        Action::Unchanged | Action::Refused => false,
        Action::Deleted => rows.iter().any(|row| row.deleting && row.reference() == reference),
        Action::Created | Action::Changed => find(rows, &reference)
            .is_some_and(|row| row.observed < row.generation && row.status.reason().is_none()),
    }
}

fn not_settled(rows: &[ResourceRow], report: &ApplyReport) -> Vec<String> {
    let mut texts = Vec::new();
    for change in &report.changes {
        let reference = Reference::new(change.kind, &change.name);
        let Some(row) = find(rows, &reference) else { continue };
        match &row.status {
            Status::Retrying { reason } => texts.push(format!("{reference} is tried again: {reason}")),
            Status::Failed { reason } => texts.push(format!("{reference} failed: {reason}")),
            Status::Pending | Status::Active if row.observed < row.generation => {
                texts.push(format!("{reference} is still {}", Lifecycle::of(row)));
            }
            Status::Pending | Status::Active => {}
        }
    }
    texts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition::{
        EndpointDefinition, Generation, Model, ResourceId, StreamDefinition, TopicDefinition,
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
        let claims = Claims { takes_over: false, gone };
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
        assert!(decision.changes[0].details[0].contains("does not own"), "{decision:?}");
    }
}
