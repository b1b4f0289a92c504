//! Makes what runs be what exists.
//!
//! ```text
//!   rows changed, a task ended, time passed ─▶ plan (pure) ─▶ steps, one after the other ─▶ status of each resource
//! ```
//!
//! A step that fails is tried again with growing waits, and given up after some: then the resource is `Failed` until its
//! definition changes. What ran before a change goes on until its successor is prepared. What takes long to prepare, to start
//! or to delete goes on beside the steps of others, and its users wait for it.

mod beside;
mod plan;
mod starting;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use millstream_host::real_time::Deadline;
use millstream_host::{Backoff, Timestamp};
use parking_lot::Mutex;
use tokio::sync::mpsc;

pub(crate) use plan::{Attempt, Known, Outcome, RunningAs, Step, plan, resolve};

use self::beside::Beside;
use self::plan::Dependencies;
use self::starting::{Started, Starting};
use crate::catalog::ResourceRow;
use crate::definition::{Generation, Kind, ResourceId};
use crate::registry::{Status, find};
use crate::resources::{NotReady, Occasion, Outlook, Prepared, Running, Stopped};
use crate::supervise::{HEALTHY_AFTER, StopSignal, TaskEvent};
use crate::world::World;

/// Waits between attempts.
const FIRST_WAIT: Duration = Duration::from_millis(250);
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// Attempts before a resource counts as failed.
const MOST_ATTEMPTS: u32 = 10;
/// Time limit for what is stopped while the server goes on.
const STOP_LIMIT: Duration = Duration::from_secs(5);
/// What is stopped when the time is up has this long all the same.
pub(crate) const STOP_MOMENT: Duration = Duration::from_millis(50);
/// What is no longer to be prepared has this long to end, before what it has made is erased or made otherwise.
const PREPARE_END_LIMIT: Duration = Duration::from_secs(1);
/// Retries that are due are looked for this often.
const TICK: Duration = Duration::from_millis(250);

/// What runs, by id, each with since when. The lock is held for looks and exchanges, never across an await.
#[derive(Clone, Default)]
pub(crate) struct RunningSet(Arc<Mutex<BTreeMap<ResourceId, (Running, Timestamp)>>>);

impl RunningSet {
    /// Looks at one.
    pub(crate) fn with<T>(&self, id: ResourceId, look: impl FnOnce(&Running) -> T) -> Option<T> {
        self.0.lock().get(&id).map(|(running, _)| look(running))
    }

    /// Looks at all of them.
    pub(crate) fn map<T>(&self, mut look: impl FnMut((&ResourceId, &Running)) -> Option<T>) -> Vec<T> {
        self.0.lock().iter().filter_map(|(id, (running, _))| look((id, running))).collect()
    }

    /// When what runs of a resource was started: what it counts, it counts from there.
    pub(crate) fn since(&self, id: ResourceId) -> Option<Timestamp> {
        self.0.lock().get(&id).map(|(_, since)| *since)
    }

    fn insert(&self, id: ResourceId, running: Running, since: Timestamp) -> Option<Running> {
        self.0.lock().insert(id, (running, since)).map(|(before, _)| before)
    }

    fn take(&self, id: ResourceId) -> Option<Running> {
        self.0.lock().remove(&id).map(|(running, _)| running)
    }

    /// Forgets what is left.
    fn clear(&self) {
        let left = std::mem::take(&mut *self.0.lock());
        drop(left);
    }
}

/// The attempts to start one resource.
struct Attempts {
    count: u32,
    backoff: Backoff,
    started_at: Option<Timestamp>,
    /// Why the last one ended, where it said so.
    reason: Option<String>,
}

impl Default for Attempts {
    fn default() -> Attempts {
        Attempts { count: 0, backoff: Backoff::new(FIRST_WAIT, LONGEST_WAIT), started_at: None, reason: None }
    }
}

/// The reconciler of one data directory.
pub(crate) struct Reconciler {
    world: Arc<World>,
    running: RunningSet,
    events: mpsc::UnboundedReceiver<TaskEvent>,
    known: HashMap<ResourceId, Known>,
    attempts: HashMap<ResourceId, Attempts>,
    /// What has run in this process, however often it failed before.
    has_run: HashSet<ResourceId>,
    /// Whose state or records turned out to be missing.
    losses: Vec<String>,
    /// What is being prepared, started, deleted, and takes long.
    preparing: HashMap<ResourceId, Beside<Prepared>>,
    starting: HashMap<ResourceId, Starting>,
    erasing: HashMap<ResourceId, Beside<()>>,
    /// What waits for what is being prepared or started.
    held_up: HashSet<ResourceId>,
}

impl Reconciler {
    pub(crate) fn new(
        world: Arc<World>,
        running: RunningSet,
        events: mpsc::UnboundedReceiver<TaskEvent>,
    ) -> Reconciler {
        Reconciler {
            world,
            running,
            events,
            known: HashMap::new(),
            attempts: HashMap::new(),
            has_run: HashSet::new(),
            losses: Vec::new(),
            preparing: HashMap::new(),
            starting: HashMap::new(),
            erasing: HashMap::new(),
            held_up: HashSet::new(),
        }
    }

    /// Works until stopped.
    pub(crate) async fn run(&mut self, mut stop: StopSignal) {
        let mut changes = self.world.registry.changes();
        loop {
            changes.borrow_and_update();
            tokio::select! {
                () = self.pass() => {}
                // What was under way goes on at the next start.
                () = stop.stopped() => return,
            }
            tokio::select! {
                () = stop.stopped() => return,
                changed = changes.changed() => if changed.is_err() { return },
                event = self.events.recv() => match event {
                    Some(event) => self.note(event).await,
                    None => return,
                },
                () = self.world.clock.sleep(TICK) => {}
            }
        }
    }

    /// The same as [`Reconciler::pass`], until everything has been tried, however long that takes, or something is missing
    /// that was there.
    pub(crate) async fn pass_over_all(&mut self) {
        let mut changes = self.world.registry.changes();
        loop {
            changes.borrow_and_update();
            self.pass().await;
            if self.has_tried_all() || !self.losses.is_empty() {
                return;
            }
            tokio::select! {
                changed = changes.changed() => if changed.is_err() { return },
                () = self.world.clock.sleep(TICK) => {}
            }
        }
    }

    fn has_tried_all(&self) -> bool {
        let rows = self.world.registry.rows();
        let has_successor =
            |row: &ResourceRow| self.erasing.contains_key(&row.id) && find(&rows, &row.reference()).is_some();
        self.preparing.is_empty()
            && self.starting.is_empty()
            && self.held_up.is_empty()
            && !rows.iter().any(has_successor)
    }

    /// Does what is to be done now, until nothing is. What takes long is looked at again by a later pass.
    pub(crate) async fn pass(&mut self) {
        loop {
            while let Ok(event) = self.events.try_recv() {
                self.note(event).await;
            }
            let rows = self.world.registry.rows();
            let steps = plan(&rows, &self.known, self.world.clock.now());
            let mut is_done = true;
            for step in steps {
                if let Step::Blocked(id, missing) = &step {
                    self.forget_start(*id).await;
                    let reason = format!("{missing} does not exist: create it, or change what refers to it");
                    self.set_status(*id, None, Status::Retrying { reason }).await;
                    continue;
                }
                is_done = false;
                self.perform(step).await;
            }
            if is_done {
                return;
            }
        }
    }

    /// What keeps the server from starting over: state or records that were there and are missing.
    pub(crate) fn losses(&self) -> &[String] {
        &self.losses
    }

    async fn note(&mut self, event: TaskEvent) {
        let Some(id) = event.owner else { return };
        if self.starting.get_mut(&id).is_some_and(|starting| starting.note(&event)) {
            return;
        }
        let Some(running) = self.known.get_mut(&id).and_then(|known| known.running.as_mut()) else { return };
        if running.scope != event.scope {
            // It is of a predecessor.
            return;
        }
        running.is_broken = true;
        let now = self.world.clock.now();
        let attempts = self.attempts.entry(id).or_default();
        let is_healthy = attempts.started_at.is_some_and(|started_at| now.since(started_at) >= HEALTHY_AFTER);
        if is_healthy {
            *attempts = Attempts::default();
        }
        attempts.count += 1;
        attempts.reason = self.running.with(id, Running::failure).flatten();
        let reason = attempts.reason.clone();
        let (generation, dependencies) = (running.generation, running.dependencies.clone());
        let outcome = Outcome::Failed { retry_at: now.plus(attempts.backoff.wait()) };
        let known = self.known.entry(id).or_default();
        known.attempt = Some(Attempt { generation, dependencies, is_deletion: false, outcome });
        match &reason {
            // Said where it failed.
            Some(reason) => tracing::debug!(resource = %id, task = event.task, reason, "ended unexpectedly"),
            None => tracing::warn!(resource = %id, task = event.task, "ended unexpectedly: {}", event.end),
        }
        if let Some(reason) = reason {
            self.set_status(id, None, Status::Retrying { reason }).await;
        }
    }

    fn row(&self, id: ResourceId) -> Option<ResourceRow> {
        self.world.registry.row(id)
    }

    async fn perform(&mut self, step: Step) {
        match step {
            Step::Stop(id) => {
                if let Some(running) = self.running.take(id) {
                    self.report(running.stop(STOP_LIMIT, false).await);
                }
                self.known.entry(id).or_default().running = None;
            }
            Step::Erase(id) => self.erase(id).await,
            Step::Start(id) | Step::Change(id) => self.start(id).await,
            Step::Blocked(..) => {}
        }
    }

    async fn erase(&mut self, id: ResourceId) {
        let Some(row) = self.row(id) else { return };
        self.forget_start(id).await;
        let erasing = self.erasing.entry(id).or_insert_with(|| Beside::erase(&self.world, &row));
        let Some(erased) = erasing.waited(&self.world, &row).await else {
            return self.look_again(&row, Dependencies::default());
        };
        self.erasing.remove(&id);
        let erased = match erased {
            Ok(()) => self.world.registry.erase(id).await.map_err(NotReady::yet),
            Err(error) => Err(error),
        };
        match erased {
            Ok(()) => {
                self.known.remove(&id);
                self.attempts.remove(&id);
                self.has_run.remove(&id);
            }
            Err(error) => self.failed(&row, error).await,
        }
    }

    /// Prepares, stops what ran before, starts.
    async fn start(&mut self, id: ResourceId) {
        let Some(row) = self.row(id) else { return };
        let rows = self.world.registry.rows();
        let Ok(dependencies) = resolve(&row, &rows) else { return };
        let is_as_other = |starting: &Starting| !starting.is_of(&row, &dependencies);
        if self.starting.get(&id).is_some_and(is_as_other) {
            self.forget_start(id).await;
        }
        if self.starting.contains_key(&id) {
            return self.started(&row, dependencies).await;
        }
        let is_broken = self
            .known
            .get(&id)
            .and_then(|known| known.running.as_ref())
            .is_some_and(|running| running.is_broken);
        if is_broken && let Some(broken) = self.running.take(id) {
            self.report(broken.stop(STOP_LIMIT, false).await);
            self.known.entry(id).or_default().running = None;
        }
        let attempt = self.known.get(&id).and_then(|known| known.attempt.as_ref());
        let is_tried_again = attempt.is_some_and(|attempt| attempt.is_of(&row, &dependencies));
        let attempts = self.attempts.entry(id).or_default();
        if !is_tried_again {
            *attempts = Attempts::default();
        }
        if attempts.count >= MOST_ATTEMPTS {
            let why = match &attempts.reason {
                Some(reason) => format!("the last time: {reason}"),
                None => "see the problems above".to_owned(),
            };
            let error = NotReady::ever(format!(
                "it failed {} times in a row; {why}; apply its file again, or change it",
                attempts.count
            ));
            return self.failed(&row, error).await;
        }
        let is_held_up = self.is_held_up_by(&dependencies);
        if is_held_up {
            self.held_up.insert(id);
            return self.look_again(&row, dependencies);
        }
        self.held_up.remove(&id);
        let prepared = match self.prepared(&row, &dependencies).await {
            Some(Ok(prepared)) => prepared,
            Some(Err(error)) => return self.failed(&row, error).await,
            None => return self.look_again(&row, dependencies),
        };
        // What it was prepared with may have been deleted and made again meanwhile: then it is prepared again.
        if resolve(&row, &self.world.registry.rows()).as_ref() != Ok(&dependencies) {
            return;
        }
        let overlaps = self.running.with(id, Running::overlaps).unwrap_or(true);
        if !overlaps && let Some(settling) = self.running.with(id, Running::settling) {
            // It is among what runs for as long as it does: a stop of the server finds it.
            let _settled = settling.await;
            if let Some(before) = self.running.take(id) {
                self.report(before.stop(STOP_LIMIT, false).await);
            }
            self.known.entry(id).or_default().running = None;
        }
        let starting = Starting::begin(&self.world, &row, &dependencies, prepared);
        self.starting.insert(id, starting);
        self.started(&row, dependencies).await;
    }

    /// Notes what has become of its start; a later pass looks at one that takes long.
    async fn started(&mut self, row: &ResourceRow, dependencies: Dependencies) {
        let id = row.id;
        let Some(starting) = self.starting.get_mut(&id) else { return };
        let Some(started) = starting.waited(row).await else { return self.look_again(row, dependencies) };
        self.starting.remove(&id);
        let Started { running, scope, since, event } = match started {
            Ok(started) => started,
            Err(error) => return self.failed(row, error).await,
        };
        if let Some(before) = self.running.insert(id, running, since) {
            self.report(before.stop(STOP_LIMIT, true).await);
        }
        self.has_run.insert(id);
        let running = RunningAs { generation: row.generation, dependencies, scope, is_broken: false };
        self.known.insert(id, Known { running: Some(running), ..Known::default() });
        self.attempts.entry(id).or_default().started_at = Some(self.world.clock.now());
        self.set_status(id, Some(row.generation), Status::Active).await;
        if let Some(event) = event {
            self.note(event).await;
        }
    }

    /// Prepares it; `None` when that takes long, and goes on, or when it is to be something else by now.
    async fn prepared(
        &mut self,
        row: &ResourceRow,
        dependencies: &Dependencies,
    ) -> Option<Result<Prepared, NotReady>> {
        let id = row.id;
        if self.preparing.get(&id).is_some_and(|preparing| !preparing.is_of(row, dependencies)) {
            self.forget_start(id).await;
        }
        let occasion = if self.has_run.contains(&id) { Occasion::Again } else { Occasion::First };
        let start = || Beside::prepare(&self.world, row, dependencies, occasion);
        let preparing = self.preparing.entry(id).or_insert_with(start);
        let ended = preparing.waited(&self.world, row).await?;
        self.preparing.remove(&id);
        Some(ended)
    }

    /// Whether it waits for something that is being prepared or started, and of which nothing runs yet.
    fn is_held_up_by(&self, dependencies: &Dependencies) -> bool {
        let is_waited_for = |id: &ResourceId| {
            let runs = self.known.get(id).is_some_and(|known| known.running.is_some());
            let is_under_way = self.preparing.contains_key(id) || self.starting.contains_key(id);
            !runs && (is_under_way || self.held_up.contains(id))
        };
        dependencies.values().any(|(id, _)| is_waited_for(id))
    }

    /// A later pass looks what has become of it.
    fn look_again(&mut self, row: &ResourceRow, dependencies: Dependencies) {
        let outcome = Outcome::GoesOn { look_at: self.world.clock.now().plus(TICK) };
        let (generation, is_deletion) = (row.generation, row.deleting);
        self.known.entry(row.id).or_default().attempt =
            Some(Attempt { generation, dependencies, is_deletion, outcome });
    }

    /// It is not to start any more, or not as it was to.
    async fn forget_start(&mut self, id: ResourceId) {
        self.held_up.remove(&id);
        if let Some(preparing) = self.preparing.remove(&id) {
            preparing.end(PREPARE_END_LIMIT).await;
        }
        if let Some(starting) = self.starting.remove(&id) {
            self.report(starting.end().await);
        }
    }

    async fn failed(&mut self, row: &ResourceRow, error: NotReady) {
        let now = self.world.clock.now();
        let attempts = self.attempts.entry(row.id).or_default();
        attempts.count += 1;
        let wait = attempts.backoff.wait();
        let is_given_up = error.outlook != Outlook::Retry || attempts.count >= MOST_ATTEMPTS;
        if is_given_up {
            *attempts = Attempts::default();
        }
        let known = self.known.entry(row.id).or_default();
        let outcome = match is_given_up && !row.deleting {
            true => Outcome::GivenUp,
            false => Outcome::Failed { retry_at: now.plus(wait) },
        };
        known.attempt = Some(Attempt {
            generation: row.generation,
            dependencies: resolve(row, &self.world.registry.rows()).unwrap_or_default(),
            is_deletion: row.deleting,
            outcome,
        });
        let goes_on = if known.running.is_some() { " (what ran before goes on)" } else { "" };
        let reason = format!("{}{goes_on}", error.reason);
        if error.outlook == Outlook::Lost {
            self.losses.push(format!("{} \"{}\": {}", row.kind(), row.name, error.reason));
        }
        let cannot = if row.deleting { "be deleted" } else { "start" };
        let text = format!("{} cannot {cannot}: {reason}", row.reference());
        self.world.live.problem(now, &row.name, text, 1);
        let status = if is_given_up { Status::Failed { reason } } else { Status::Retrying { reason } };
        self.set_status(row.id, None, status).await;
    }

    async fn set_status(&self, id: ResourceId, observed: Option<Generation>, status: Status) {
        set_status(&self.world, id, observed, status).await;
    }

    fn report(&self, stopped: Stopped) {
        let now = self.world.clock.now();
        for left in stopped.left {
            self.world.live.problem(now, "server", format!("{left} did not stop in time"), 1);
        }
        for unsaved in stopped.unsaved {
            self.world.live.problem(now, "server", format!("not stored when stopping: {unsaved}"), 1);
        }
    }
}

async fn set_status(world: &World, id: ResourceId, observed: Option<Generation>, status: Status) {
    let Some(row) = world.registry.row(id) else { return };
    let observed = observed.unwrap_or(row.observed);
    if let Err(error) = world.registry.set_status(id, observed, status).await {
        tracing::warn!(resource = %id, %error, "the state of a resource cannot be stored");
    }
}

/// Stops everything that runs, users before what they use, until the deadline. What hangs leaves [`STOP_MOMENT`] to each
/// kind that comes after it.
pub(crate) async fn stop_all(world: &World, running: &RunningSet, deadline: Deadline) -> Stopped {
    let rows = world.registry.rows();
    let kind_of = |id: ResourceId| rows.iter().find(|row| row.id == id).map(ResourceRow::kind);
    let mut by_kind: BTreeMap<Kind, Vec<ResourceId>> = BTreeMap::new();
    for id in running.map(|(id, running)| (!matches!(running, Running::Passive)).then_some(*id)) {
        by_kind.entry(kind_of(id).unwrap_or(Kind::Feed)).or_default().push(id);
    }
    let mut stopped = Stopped::default();
    while let Some((_, ids)) = by_kind.pop_last() {
        let kinds_after = u32::try_from(by_kind.len()).unwrap_or(u32::MAX);
        let limit = deadline.left().saturating_sub(STOP_MOMENT * kinds_after).max(STOP_MOMENT);
        let all = ids.into_iter().filter_map(|id| running.take(id)).map(|one| one.stop(limit, false));
        for one in futures::future::join_all(all).await {
            stopped.merge(one);
        }
    }
    running.clear();
    stopped
}
