//! A file of desired resources against what exists: what would change, and the change.
//!
//! ```text
//!   desired + rows ─▶ decide (pure) ─▶ look (can it start? does its state fit?) ─▶ one transaction ─▶ wait until it runs
//! ```
//!
//! | file | holds |
//! |---|---|
//! | `report.rs` | what was done, or would be, for people |
//! | `decide.rs` | what changes, as a pure function |
//! | this one | looking, doing, and waiting until it runs |
//!
//! Start, SIGHUP and `millstream apply` are the same call. A change that cannot be made keeps all others from being made,
//! too: a file is applied whole or not at all.
//!
//! A resource belongs to one file. When that file is no longer at its path, or when the caller asks for it, the file that
//! declares the resource now becomes its owner; what that file does not declare keeps its owner.

mod decide;
mod differences;
mod report;

use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::time::Duration;

use millstream_host::real_time;

pub use report::{Action, ApplyReport, FromScratch, ResourceChange, TakenOver};

use self::decide::{Claims, Decision, decide, is_from_command_line, refuse_to_delete_all};
use crate::catalog::{CatalogError, ResourceRow, RowChange};
use crate::definition::{Definition, Desired, Kind, Owner, Reference};
use crate::registry::{Lifecycle, Registry, Status, find};
use crate::resources::function::labels_mistake;
use crate::resources::{self, Guard, NotReady};
use crate::world::World;

/// How long a change may take until it is reported as still under way.
const SETTLE_LIMIT: Duration = Duration::from_secs(30);

/// How long is waited for what was tried and failed, and for looks that may hang.
const MOMENT: Duration = Duration::from_secs(2);

/// How long it may take to look whether one resource can run.
const LOOK_LIMIT: Duration = Duration::from_secs(60);

/// How a file is applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ApplyOptions {
    /// Only say what would change.
    pub is_dry_run: bool,
    /// Resources that belong to another file become this one's, whether or not the other is still there.
    pub takes_over: bool,
    /// A resource whose files take longer to read is refused: nothing else could be applied meanwhile.
    pub look_limit: Duration,
}

impl Default for ApplyOptions {
    fn default() -> ApplyOptions {
        ApplyOptions { is_dry_run: false, takes_over: false, look_limit: LOOK_LIMIT }
    }
}

/// Why a file was not applied.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// The catalog could not be read or changed.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
}

/// Looks, without a change, whether what a decision makes can run, and what becomes of states.
async fn look(
    world: &World,
    rows: &[ResourceRow],
    desired: &[Desired],
    decision: &mut Decision,
    limit: Duration,
) {
    for change in &mut decision.changes {
        if change.action == Action::Deleted {
            let reference = Reference::new(change.kind, &change.name);
            if let Some(row) = find(rows, &reference) {
                change.details.extend(resources::what_is_deleted_with(world, row).await);
            }
        }
        if !matches!(change.action, Action::Created | Action::Changed) {
            continue;
        }
        let reference = Reference::new(change.kind, &change.name);
        let Some(wanted) = desired.iter().find(|one| one.reference() == reference) else { continue };
        let before = find(rows, &reference);
        let looking = resources::look(world, &wanted.name, &wanted.definition, before);
        let looked = real_time::within(limit, looking).await;
        match looked.unwrap_or_else(|| Err(NotReady::yet(takes_too_long(limit)))) {
            Ok(outlook) => {
                change.details.extend(outlook.begins);
                change.details.extend(outlook.remarks);
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

fn takes_too_long(limit: Duration) -> String {
    format!(
        "a file that it needs could not be read within {} s: the disk or the network behind it is slow or hangs",
        limit.as_secs()
    )
}

/// Refuses a model whose labels do not fit a function that uses it, or will use it. Reads small files.
async fn refuse_labels(
    world: &World,
    rows: &[ResourceRow],
    desired: &[Desired],
    decision: &mut Decision,
    limit: Duration,
) {
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
        let mistake = match real_time::within(limit, looking).await {
            Some(Ok(Some(mistake))) => mistake,
            Some(Ok(None) | Err(_)) => continue,
            None => takes_too_long(limit),
        };
        let reason = if changed == function { mistake } else { format!("{function} uses it: {mistake}") };
        let is_it = |change: &&mut ResourceChange| change.kind == changed.kind && change.name == changed.name;
        if let Some(change) = decision.changes.iter_mut().find(is_it) {
            change.action = Action::Refused;
            change.details = vec![reason];
        }
    }
}

/// Makes a data directory hold what is desired, and nothing else of this owner. What `guard` gives for the resources that
/// change is kept until the change has been tried.
pub(crate) async fn apply(
    world: &World,
    desired: Vec<Desired>,
    owner: Owner,
    options: ApplyOptions,
    is_running: bool,
    guard: impl AsyncFnOnce(&[Reference]) -> Vec<Guard>,
) -> Result<ApplyReport, ApplyError> {
    let rows = world.registry.rows();
    let claims =
        Claims { takes_over: options.takes_over, gone: owners_that_are_gone(world, &rows, &owner).await };
    let mut decision = decide(&rows, &desired, &owner, &claims);
    look(world, &rows, &desired, &mut decision, options.look_limit).await;
    refuse_labels(world, &rows, &desired, &mut decision, options.look_limit).await;
    if desired.is_empty() {
        refuse_to_delete_all(&mut decision);
    }
    let Decision { changes, taken_over, .. } = decision;
    let is_dry_run = options.is_dry_run;
    let report = ApplyReport { is_dry_run, changes, taken_over, not_settled: Vec::new() };
    if is_dry_run || report.is_refused() {
        return Ok(report);
    }
    let is_changed = |change: &&ResourceChange| match change.action {
        Action::Changed => true,
        // What is deleted itself makes nothing any more.
        Action::Deleted => !matches!(change.kind, Kind::Application | Kind::DeliveryStream),
        Action::Created | Action::Unchanged | Action::Refused => false,
    };
    let changed = report.changes.iter().filter(is_changed);
    let changed: Vec<Reference> = changed.map(|change| Reference::new(change.kind, &change.name)).collect();
    let _guards = guard(&changed).await;
    // Decided again under the lock: somebody else may have changed something meanwhile.
    let committed = world.registry.commit(|rows| {
        let mut decision = decide(rows, &desired, &owner, &claims);
        let is_refused = decision.changes.iter().any(|change| change.action == Action::Refused);
        let changes = if is_refused { Vec::new() } else { std::mem::take(&mut decision.rows) };
        Ok::<_, CatalogError>((changes, decision))
    });
    let Decision { changes, taken_over, .. } = committed.await?;
    let changes = with_outlooks(changes, report.changes);
    let mut report = ApplyReport { is_dry_run, changes, taken_over, not_settled: Vec::new() };
    if report.is_refused() {
        return Ok(report);
    }
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

/// What was committed, with what was found out before it about those changes that are still the same.
fn with_outlooks(committed: Vec<ResourceChange>, looked_at: Vec<ResourceChange>) -> Vec<ResourceChange> {
    let key = |change: &ResourceChange| (change.kind, change.name.clone(), change.action);
    let mut looked_at: HashMap<_, _> = looked_at.into_iter().map(|change| (key(&change), change)).collect();
    let same = |change: ResourceChange| looked_at.remove(&key(&change)).unwrap_or(change);
    committed.into_iter().map(same).collect()
}

/// Gives resources that one of these files no longer declares to the one that declares them now: they go on, in whatever order the
/// files are applied.
pub(crate) async fn move_between(
    world: &World,
    files: &[(Owner, Vec<Reference>)],
) -> Result<(), CatalogError> {
    let new_owner = |row: &ResourceRow| {
        let (_, declared) = files.iter().find(|(owner, _)| *owner == row.owner)?;
        let reference = row.reference();
        let (owner, _) = files.iter().find(|(_, declared)| declared.contains(&reference))?;
        (!declared.contains(&reference)).then(|| owner.clone())
    };
    let committed = world.registry.commit(|rows| {
        let moved = rows.iter().filter(|row| !row.deleting && !is_from_command_line(row));
        let moved = moved.filter_map(|row| {
            let (id, definition) = (row.id, row.definition.clone());
            new_owner(row).map(|owner| RowChange::Update { id, definition, owner })
        });
        Ok::<_, CatalogError>((moved.collect(), ()))
    });
    committed.await
}

/// Ends the feeds that the command lines of earlier processes brought, but for `kept`, which is about to be applied for this
/// owner. Files know nothing of them.
pub(crate) async fn end_command_line_feeds(
    world: &World,
    kept: Option<&Reference>,
    owner: &Owner,
) -> Result<(), CatalogError> {
    let gone = owners_that_are_gone(world, &world.registry.rows(), owner).await;
    let is_kept = |row: &ResourceRow| {
        let is_ours = match &row.owner {
            Owner::File(path) => row.owner == *owner || gone.contains(path),
            Owner::Api => false,
        };
        is_ours && kept == Some(&row.reference())
    };
    let committed = world.registry.commit(|rows| {
        let from_command_lines = rows.iter().filter(|row| !row.deleting && is_from_command_line(row));
        let ended = from_command_lines.filter(|row| !is_kept(row));
        Ok::<_, CatalogError>((ended.map(|row| RowChange::Prune { id: row.id }).collect(), ()))
    });
    committed.await
}

/// Waits until a change of a resource has been tried, no longer than that may take.
pub(crate) async fn tried(world: &World, reference: &Reference) {
    let is_tried = |rows: &[ResourceRow]| !find(rows, reference).is_some_and(is_untried);
    let _ = real_time::within(SETTLE_LIMIT, until(&world.registry, is_tried)).await;
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

/// The files that own something and are no longer at their paths. A file that cannot be looked for within [`MOMENT`] counts
/// as there.
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
    real_time::within(MOMENT, looking).await.and_then(Result::ok).unwrap_or_default()
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
        Action::Created | Action::Changed => find(rows, &reference).is_some_and(is_untried),
    }
}

fn is_untried(row: &ResourceRow) -> bool {
    row.observed < row.generation && row.status.reason().is_none()
}

fn not_settled(rows: &[ResourceRow], report: &ApplyReport) -> Vec<String> {
    let mut texts = Vec::new();
    for change in &report.changes {
        let reference = Reference::new(change.kind, &change.name);
        let Some(row) = find(rows, &reference) else { continue };
        match &row.status {
            Status::TakesLong { reason } => texts.push(format!("{reference} does not run yet: {reason}")),
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
    use std::sync::Arc;

    use millstream_host::{Random, SystemClock};

    use super::*;
    use crate::definition::StreamDefinition;
    use crate::server::{Server, ServerSettings};

    #[tokio::test(flavor = "multi_thread")]
    async fn the_report_is_of_what_was_committed_though_others_change_something_before_it() {
        let folder = tempfile::tempdir().unwrap();
        let settings = ServerSettings {
            data_directory: folder.path().to_owned(),
            version: "test".to_owned(),
            source: "test".to_owned(),
            is_synthetic: false,
            has_standard_input: false,
            repeats_ended_feeds_of: None,
        };
        let server = Server::open(settings, Arc::new(SystemClock), Random::from_seed(1)).await.unwrap();
        let stream = |name: &str, retention_hours| {
            let definition = Definition::Stream(StreamDefinition { shards: None, retention_hours });
            Desired { name: name.to_owned(), definition }
        };
        let owner = Owner::File("a.toml".to_owned());
        let world = &*server.world;
        let apply = async |desired: Vec<Desired>, meanwhile: bool| {
            let guard = async |_: &[Reference]| {
                if meanwhile {
                    world.registry.delete(&Reference::new(Kind::Stream, "deleted"), false).await.unwrap();
                    world.registry.create(stream("created", 24), owner.clone()).await.unwrap();
                    world.registry.update(stream("changed", 48)).await.unwrap();
                }
                Vec::new()
            };
            apply(world, desired, owner.clone(), ApplyOptions::default(), false, guard).await.unwrap()
        };
        let before = ["changed", "deleted", "gone", "same"].map(|name| stream(name, 24)).to_vec();
        assert_eq!(apply(before, false).await.count(Action::Created), 4);
        let after = [("changed", 24), ("created", 24), ("deleted", 24), ("same", 24)];
        let after = after.map(|(name, hours)| stream(name, hours)).to_vec();
        let report = apply(after, true).await;
        let actions: Vec<(&str, Action)> =
            report.changes.iter().map(|change| (change.name.as_str(), change.action)).collect();
        let expected = [
            ("changed", Action::Changed),
            ("created", Action::Unchanged),
            ("deleted", Action::Created),
            ("same", Action::Unchanged),
            ("gone", Action::Deleted),
        ];
        assert_eq!(actions, expected);
    }
}
