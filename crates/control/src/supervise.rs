//! Owns every task and thread: nothing runs that nobody watches.
//!
//! ```text
//!   Supervisor ─▶ TaskScope (one a resource, one for the system) ─▶ task, thread, …
//!        ▲                      │ stop: flag, wait, abort what does not react
//!        └── TaskEvent ◀────────┘ a task that ended unasked, or panicked
//! ```
//!
//! A task that ends before its scope is stopped is an event: the reconciler decides what becomes of its resource.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use millstream_host::{Clock, End, Spawn, Started, real_time};
use parking_lot::Mutex;
use tokio::sync::{mpsc, watch};

use crate::definition::ResourceId;
use crate::live::Live;

/// What has run this long starts a new series of attempts when it fails.
pub(crate) const HEALTHY_AFTER: Duration = Duration::from_secs(60);

/// Something ended unasked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TaskEvent {
    /// Whose it was; `None` for the system's.
    pub(crate) owner: Option<ResourceId>,
    /// Of which scope: each start has one of its own.
    pub(crate) scope: u64,
    /// What it is called.
    pub(crate) task: String,
    /// How it ended.
    pub(crate) end: End,
}

/// Starts scopes. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Supervisor {
    spawn: Spawn,
    clock: Arc<dyn Clock>,
    live: Arc<Live>,
    events: mpsc::UnboundedSender<TaskEvent>,
    scopes: Arc<AtomicU64>,
}

impl Supervisor {
    /// The events go to whoever reads the receiver.
    pub(crate) fn new(
        spawn: Spawn,
        clock: Arc<dyn Clock>,
        live: Arc<Live>,
    ) -> (Supervisor, mpsc::UnboundedReceiver<TaskEvent>) {
        let (events, receiver) = mpsc::unbounded_channel();
        (Supervisor { spawn, clock, live, events, scopes: Arc::default() }, receiver)
    }

    /// A scope without tasks.
    pub(crate) fn scope(&self, owner: Option<ResourceId>, name: &str) -> TaskScope {
        TaskScope {
            shared: Arc::new(ScopeShared {
                supervisor: self.clone(),
                owner,
                number: self.scopes.fetch_add(1, Ordering::Relaxed),
                name: name.to_owned(),
                stop: watch::Sender::new(false),
                running: Mutex::default(),
                ended: watch::Sender::new(0),
                next: AtomicU64::new(0),
            }),
        }
    }

    /// What starts work.
    pub(crate) fn spawn(&self) -> &Spawn {
        &self.spawn
    }
}

/// The tasks of one resource, or of the system. Cheap to clone; dropping it stops nothing.
#[derive(Clone)]
pub(crate) struct TaskScope {
    shared: Arc<ScopeShared>,
}

struct ScopeShared {
    supervisor: Supervisor,
    owner: Option<ResourceId>,
    number: u64,
    name: String,
    stop: watch::Sender<bool>,
    /// Guards the names of what runs; held for moments.
    running: Mutex<BTreeMap<u64, Task>>,
    /// Changes when something has ended.
    ended: watch::Sender<u64>,
    next: AtomicU64,
}

struct Task {
    name: String,
    abort: Option<watch::Sender<bool>>,
}

/// Hears that its scope stops. Cheap to clone.
#[derive(Clone)]
pub(crate) struct StopSignal(watch::Receiver<bool>);

impl StopSignal {
    /// Comes back when the scope stops.
    pub(crate) async fn stopped(&mut self) {
        // An error means that the scope is gone.
        let _ = self.0.wait_for(|stop| *stop).await;
    }

    /// Whether the scope stops.
    pub(crate) fn is_stopped(&self) -> bool {
        *self.0.borrow()
    }

    /// The flag itself, for workers that take one.
    pub(crate) fn flag(&self) -> watch::Receiver<bool> {
        self.0.clone()
    }
}

impl TaskScope {
    /// Tells it from all other scopes.
    pub(crate) fn number(&self) -> u64 {
        self.shared.number
    }

    /// Hears that this scope stops.
    pub(crate) fn stop_signal(&self) -> StopSignal {
        StopSignal(self.shared.stop.subscribe())
    }

    /// Runs a future on the runtime.
    pub(crate) fn task(&self, name: &str, work: impl Future<Output = ()> + Send + 'static) {
        let started = self.shared.supervisor.spawn.task(work);
        self.watch(name, started, true);
    }

    /// Runs a future on a thread of its own.
    pub(crate) fn dedicated(
        &self,
        name: &str,
        work: impl Future<Output = ()> + Send + 'static,
    ) -> std::io::Result<()> {
        let started = self.shared.supervisor.spawn.dedicated(name, work)?;
        self.watch(name, started, false);
        Ok(())
    }

    /// Runs a task that is started again with growing waits whenever it ends unasked.
    pub(crate) fn forever<F>(&self, name: &'static str, work: impl Fn(StopSignal) -> F + Send + 'static)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (scope, mut stop) = (self.clone(), self.stop_signal());
        let supervisor = self.shared.supervisor.clone();
        self.task(name, async move {
            let mut backoff =
                millstream_host::Backoff::new(Duration::from_millis(100), Duration::from_secs(30));
            while !stop.is_stopped() {
                let began_at = supervisor.clock.now();
                let end = supervisor.spawn.task(work(scope.stop_signal())).ended().await;
                if stop.is_stopped() {
                    return;
                }
                scope.report(name, &end);
                if supervisor.clock.now().since(began_at) >= HEALTHY_AFTER {
                    backoff.reset();
                }
                tokio::select! {
                    () = supervisor.clock.sleep(backoff.wait()) => {}
                    () = stop.stopped() => {}
                }
            }
        });
    }

    fn watch(&self, name: &str, mut started: Started, is_task: bool) {
        let number = self.shared.next.fetch_add(1, Ordering::Relaxed);
        let (abort, mut aborted) = watch::channel(false);
        let task = Task { name: name.to_owned(), abort: is_task.then_some(abort) };
        self.shared.running.lock().insert(number, task);
        let (shared, name) = (Arc::clone(&self.shared), name.to_owned());
        let scope = self.clone();
        self.shared.supervisor.spawn.task(async move {
            let must_abort = async {
                // Without a sender nobody can ask for it.
                if aborted.wait_for(|abort| *abort).await.is_err() {
                    std::future::pending::<()>().await;
                }
            };
            let end = tokio::select! {
                end = started.ended() => Some(end),
                () = must_abort => None,
            };
            let end = match end {
                Some(end) => end,
                None => {
                    started.abort();
                    started.ended().await
                }
            };
            shared.running.lock().remove(&number);
            let is_asked = *shared.stop.borrow();
            if !is_asked || matches!(end, End::Panicked(_)) {
                scope.report(&name, &end);
            }
            if !is_asked {
                let event = TaskEvent { owner: shared.owner, scope: shared.number, task: name, end };
                // Nobody listens any more when the server has stopped.
                let _ = shared.supervisor.events.send(event);
            }
            shared.ended.send_modify(|count| *count += 1);
        });
    }

    fn report(&self, task: &str, end: &End) {
        let ScopeShared { supervisor, name, .. } = &*self.shared;
        match end {
            End::Panicked(message) => {
                let text = format!("{task} failed unexpectedly and is started again: {message}");
                supervisor.live.problem(supervisor.clock.now(), name, text, 1);
            }
            End::Returned | End::Aborted => {}
        }
    }

    /// From now on an end is no event; the tasks are asked to stop.
    pub(crate) fn begin_stop(&self) {
        self.shared.stop.send_replace(true);
    }

    /// Stops the scope: every task is asked to stop and has until `limit` has passed; then tasks are aborted and threads are left
    /// behind. Gives the names of what did not end by itself.
    pub(crate) async fn stop(&self, limit: Duration) -> Vec<String> {
        let shared = &self.shared;
        self.begin_stop();
        let mut ended = shared.ended.subscribe();
        let all_ended = async {
            while !shared.running.lock().is_empty() {
                if ended.changed().await.is_err() {
                    return;
                }
            }
        };
        // A stop is bounded in real time, whatever clock the server runs on.
        let is_done = real_time::within(limit, all_ended).await.is_some();
        if is_done {
            return Vec::new();
        }
        let left = shared.running.lock();
        left.values()
            .map(|task| {
                if let Some(abort) = &task.abort {
                    abort.send_replace(true);
                }
                task.name.clone()
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use millstream_host::ManualClock;

    fn supervisor() -> (Supervisor, mpsc::UnboundedReceiver<TaskEvent>, Arc<Live>) {
        let live = Arc::new(Live::new());
        let clock = Arc::new(ManualClock::default());
        let (supervisor, events) = Supervisor::new(Spawn::current(), clock, Arc::clone(&live));
        (supervisor, events, live)
    }

    #[tokio::test]
    async fn r5_a_panic_is_an_event_and_a_problem() {
        let (supervisor, mut events, live) = supervisor();
        let scope = supervisor.scope(Some(ResourceId(7)), "prices");
        scope.dedicated("application", async { panic!("no room") }).unwrap();
        let event = events.recv().await.unwrap();
        assert_eq!((event.owner, event.task.as_str()), (Some(ResourceId(7)), "application"));
        assert_eq!(event.end, End::Panicked("no room".to_owned()));
        let problems = live.seen().problems;
        assert!(problems[0].message.contains("no room"), "{problems:?}");
        scope.task("worker", async {});
        assert_eq!(events.recv().await.unwrap().end, End::Returned);
        assert!(scope.stop(Duration::from_secs(5)).await.is_empty());
    }

    #[tokio::test]
    async fn a_stop_waits_for_those_who_hear_it_and_is_bounded_for_the_others() {
        let (supervisor, mut events, _) = supervisor();
        let scope = supervisor.scope(None, "system");
        let mut stop = scope.stop_signal();
        scope.task("polite", async move { stop.stopped().await });
        assert!(scope.stop(Duration::from_secs(5)).await.is_empty());
        let scope = supervisor.scope(None, "system");
        scope.task("deaf", std::future::pending());
        assert_eq!(scope.stop(Duration::from_millis(20)).await, ["deaf"]);
        assert!(events.try_recv().is_err(), "an end that was asked for is no event");
    }
}
