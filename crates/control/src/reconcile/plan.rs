//! What is to be done so that what runs is what exists: a pure function of both.

use std::collections::{BTreeMap, HashMap};

use millstream_host::Timestamp;

use crate::catalog::ResourceRow;
use crate::definition::{Generation, Reference, ResourceId};
use crate::registry::{dependencies, find};

/// One step. Each can be done again without harm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Stop what runs of a resource that is being deleted.
    Stop(ResourceId),
    /// Delete what a resource has left, and its row.
    Erase(ResourceId),
    /// Prepare and start it.
    Start(ResourceId),
    /// Prepare what its row says now, stop what runs, start the new.
    Change(ResourceId),
    /// It cannot start: what it depends on does not exist.
    Blocked(ResourceId, Reference),
}

/// What the reconciler knows of a resource besides its row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Known {
    /// What runs, if something does.
    pub(crate) running: Option<RunningAs>,
    /// The newest attempt to make it what its row says, unless that was done.
    pub(crate) attempt: Option<Attempt>,
}

/// An attempt to start or delete something as it was. As something else it is tried at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Attempt {
    /// The generation of its definition.
    pub(crate) generation: Generation,
    /// What it depended on.
    pub(crate) dependencies: Dependencies,
    /// To delete it, not to start it.
    pub(crate) is_deletion: bool,
    /// What has become of it.
    pub(crate) outcome: Outcome,
}

/// What has become of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// None yet: it goes on, or waits for one that does. It is looked at again at this instant.
    GoesOn { look_at: Timestamp },
    /// It failed; there is another at this instant.
    Failed { retry_at: Timestamp },
    /// It failed, and is not tried again.
    GivenUp,
}

impl Attempt {
    /// Whether it was as this row says, with these dependencies.
    pub(crate) fn is_of(&self, row: &ResourceRow, dependencies: &Dependencies) -> bool {
        self.generation == row.generation && self.dependencies == *dependencies
    }

    /// Whether nothing is to be done for it now.
    fn rests(&self, now: Timestamp) -> bool {
        match self.outcome {
            Outcome::GoesOn { look_at } => now < look_at,
            Outcome::Failed { retry_at } => now < retry_at,
            Outcome::GivenUp => true,
        }
    }
}

/// Which resources stand behind the names that one depends on. The generation is zero where a change of the definition
/// does not matter.
pub(crate) type Dependencies = BTreeMap<Reference, (ResourceId, Generation)>;

/// As what it was started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct RunningAs {
    /// The generation of its definition.
    pub(crate) generation: Generation,
    /// What it depends on.
    pub(crate) dependencies: Dependencies,
    /// The number of the scope of its tasks.
    pub(crate) scope: u64,
    /// A task of it has ended unasked.
    pub(crate) is_broken: bool,
}

/// The steps, in the order in which they are to be done: what is deleted goes first, users before what they use; then
/// everything starts, what is used before its users.
pub(crate) fn plan(rows: &[ResourceRow], known: &HashMap<ResourceId, Known>, now: Timestamp) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut deleting: Vec<&ResourceRow> = rows.iter().filter(|row| row.deleting).collect();
    deleting.sort_by_key(|row| (std::cmp::Reverse(row.kind()), row.id));
    for row in deleting {
        let state = known.get(&row.id);
        if state.is_some_and(|state| state.running.is_some()) {
            steps.push(Step::Stop(row.id));
        }
        // That it could not start, or not yet, is no reason to keep it.
        let must_wait = state
            .and_then(|state| state.attempt.as_ref())
            .is_some_and(|attempt| attempt.is_deletion && attempt.rests(now));
        if !must_wait {
            steps.push(Step::Erase(row.id));
        }
    }
    let mut wanted: Vec<&ResourceRow> = rows.iter().filter(|row| !row.deleting).collect();
    wanted.sort_by_key(|row| (row.kind(), row.id));
    for row in wanted {
        steps.extend(step_for(row, rows, known, now));
    }
    steps
}

fn step_for(
    row: &ResourceRow,
    rows: &[ResourceRow],
    known: &HashMap<ResourceId, Known>,
    now: Timestamp,
) -> Option<Step> {
    let state = known.get(&row.id);
    let running = state.and_then(|state| state.running.as_ref());
    let dependencies = match resolve(row, rows) {
        Ok(dependencies) => dependencies,
        // What runs on without one gets its errors from there; it is restarted when there is another.
        Err(missing) => return Some(Step::Blocked(row.id, missing)),
    };
    if let Some(running) = running {
        let is_current = running.generation == row.generation && running.dependencies == dependencies;
        if is_current && !running.is_broken {
            return None;
        }
    }
    let attempt =
        state.and_then(|state| state.attempt.as_ref()).filter(|attempt| attempt.is_of(row, &dependencies));
    let must_wait = attempt.is_some_and(|attempt| attempt.rests(now));
    // A predecessor of the same name must be gone first: they share what is kept by name. Its users wait with it.
    let has_predecessor =
        |one: &Reference| rows.iter().any(|other| other.deleting && other.reference() == *one);
    let waits = has_predecessor(&row.reference()) || dependencies.keys().any(has_predecessor);
    if must_wait || waits {
        return None;
    }
    Some(if running.is_some() { Step::Change(row.id) } else { Step::Start(row.id) })
}

/// The resources that one depends on.
///
/// # Errors
/// The first that does not exist.
pub(crate) fn resolve(row: &ResourceRow, rows: &[ResourceRow]) -> Result<Dependencies, Reference> {
    let resolved =
        dependencies(&row.definition).into_iter().map(|(reference, follows)| match find(rows, &reference) {
            Some(found) => {
                let generation = if follows { found.generation } else { Generation(0) };
                Ok((reference, (found.id, generation)))
            }
            None => Err(reference),
        });
    resolved.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition::{
        Definition, FeedDefinition, FeedSource, FeedTarget, Owner, StreamDefinition, TopicDefinition,
    };
    use crate::registry::Status;

    const NOW: Timestamp = Timestamp(1_000);

    fn row(id: i64, name: &str, definition: Definition) -> ResourceRow {
        ResourceRow {
            id: ResourceId(id),
            name: name.to_owned(),
            definition,
            generation: Generation(1),
            observed: Generation(0),
            status: Status::Pending,
            owner: Owner::Api,
            created_at: Timestamp(0),
            changed_at: Timestamp(0),
            deleting: false,
        }
    }

    fn stream(id: i64, name: &str) -> ResourceRow {
        row(id, name, Definition::Stream(StreamDefinition { shards: Some(1), retention_hours: 24 }))
    }

    fn feed(id: i64, into: &str) -> ResourceRow {
        let definition = FeedDefinition {
            source: FeedSource::StandardInput { header: false },
            target: FeedTarget::Stream(into.to_owned()),
            rate: None,
            from_command_line: false,
        };
        row(id, "feed", Definition::Feed(definition))
    }

    fn deleting(row: ResourceRow) -> ResourceRow {
        ResourceRow { deleting: true, ..row }
    }

    fn running(rows: &[&ResourceRow], all: &[ResourceRow]) -> HashMap<ResourceId, Known> {
        rows.iter()
            .map(|row| {
                let running = RunningAs {
                    generation: row.generation,
                    dependencies: resolve(row, all).unwrap_or_default(),
                    ..RunningAs::default()
                };
                (row.id, Known { running: Some(running), ..Known::default() })
            })
            .collect()
    }

    #[test]
    fn what_is_used_starts_before_its_users() {
        let rows = [feed(1, "a"), stream(2, "a"), row(3, "t", Definition::Topic(TopicDefinition {}))];
        let (feed, stream, topic) = (ResourceId(1), ResourceId(2), ResourceId(3));
        let steps = plan(&rows, &HashMap::new(), NOW);
        assert_eq!(steps, [Step::Start(topic), Step::Start(stream), Step::Start(feed)]);
        let known = running(&[&rows[0], &rows[1], &rows[2]], &rows);
        assert_eq!(plan(&rows, &known, NOW), []);
    }

    #[test]
    fn users_of_what_is_deleted_stop_first() {
        let all = [feed(1, "a"), stream(2, "a")];
        let known = running(&[&all[0], &all[1]], &all);
        let rows = all.map(deleting);
        let (feed, stream) = (ResourceId(1), ResourceId(2));
        let expected = [Step::Stop(feed), Step::Erase(feed), Step::Stop(stream), Step::Erase(stream)];
        assert_eq!(plan(&rows, &known, NOW), expected);
    }

    #[test]
    fn r18_a_new_stream_under_an_old_name_restarts_its_users() {
        let old = [feed(1, "a"), stream(2, "a")];
        let mut known = running(&[&old[0], &old[1]], &old);
        let rows = [feed(1, "a"), deleting(stream(2, "a")), stream(3, "a")];
        let steps = plan(&rows, &known, NOW);
        assert_eq!(
            steps,
            [Step::Stop(ResourceId(2)), Step::Erase(ResourceId(2))],
            "the newcomer and its users wait until its predecessor is gone"
        );
        known.remove(&ResourceId(2));
        let rows = [feed(1, "a"), stream(3, "a")];
        assert_eq!(plan(&rows, &known, NOW), [Step::Start(ResourceId(3)), Step::Change(ResourceId(1))]);
    }

    #[test]
    fn a_missing_place_blocks() {
        let rows = [feed(1, "a")];
        let missing = FeedTarget::Stream("a".to_owned()).reference();
        assert_eq!(plan(&rows, &HashMap::new(), NOW), [Step::Blocked(ResourceId(1), missing)]);
    }

    #[test]
    fn changes_failures_and_waits_are_seen() {
        let mut changed = stream(1, "a");
        let mut known = running(&[&changed], &[]);
        changed.generation = Generation(2);
        let rows = [changed];
        let id = ResourceId(1);
        assert_eq!(plan(&rows, &known, NOW), [Step::Change(id)]);
        let mut tried_as = |generation, outcome| {
            let (generation, dependencies) = (Generation(generation), Dependencies::new());
            known.get_mut(&id).unwrap().attempt =
                Some(Attempt { generation, dependencies, is_deletion: false, outcome });
            known.clone()
        };
        let later = Timestamp(1_001);
        let (failed, goes_on) = (Outcome::Failed { retry_at: later }, Outcome::GoesOn { look_at: later });
        for outcome in [failed, goes_on] {
            let known = tried_as(2, outcome);
            assert_eq!(plan(&rows, &known, NOW), [], "not before its time");
            assert_eq!(plan(&rows, &known, later), [Step::Change(id)]);
        }
        assert_eq!(plan(&rows, &tried_as(2, Outcome::GivenUp), later), []);
        for outcome in [failed, goes_on, Outcome::GivenUp] {
            let known = tried_as(1, outcome);
            assert_eq!(plan(&rows, &known, NOW), [Step::Change(id)], "another definition is tried at once");
        }
        let broken = RunningAs { generation: Generation(2), is_broken: true, ..RunningAs::default() };
        let known = HashMap::from([(id, Known { running: Some(broken), ..Known::default() })]);
        assert_eq!(plan(&rows, &known, NOW), [Step::Change(id)]);
    }

    #[test]
    fn what_waits_for_another_attempt_to_start_is_deleted_at_once() {
        let rows = [deleting(stream(1, "a"))];
        let attempt = |is_deletion| {
            let (generation, dependencies) = (Generation(1), Dependencies::new());
            let outcome = Outcome::Failed { retry_at: Timestamp(9_000) };
            let attempt = Some(Attempt { generation, dependencies, is_deletion, outcome });
            HashMap::from([(ResourceId(1), Known { attempt, ..Known::default() })])
        };
        assert_eq!(plan(&rows, &attempt(false), NOW), [Step::Erase(ResourceId(1))]);
        assert_eq!(plan(&rows, &attempt(true), NOW), []);
    }

    #[test]
    fn what_failed_for_good_is_tried_again_with_another_dependency() {
        let rows = [feed(1, "a"), stream(2, "a")];
        let dependencies = resolve(&rows[0], &rows).unwrap();
        let failed = Attempt {
            generation: Generation(1),
            dependencies,
            is_deletion: false,
            outcome: Outcome::GivenUp,
        };
        let stream_runs = RunningAs { generation: Generation(1), ..RunningAs::default() };
        let mut known = HashMap::from([
            (ResourceId(1), Known { attempt: Some(failed), ..Known::default() }),
            (ResourceId(2), Known { running: Some(stream_runs.clone()), ..Known::default() }),
        ]);
        assert_eq!(plan(&rows, &known, NOW), []);
        let missing = FeedTarget::Stream("a".to_owned()).reference();
        assert_eq!(plan(&rows[..1], &known, NOW), [Step::Blocked(ResourceId(1), missing)]);
        known.insert(ResourceId(3), Known { running: Some(stream_runs), ..Known::default() });
        let rows = [feed(1, "a"), stream(3, "a")];
        assert_eq!(plan(&rows, &known, NOW), [Step::Start(ResourceId(1))]);
    }
}
