//! A data directory that is open, and everything in it that runs.
//!
//! ```text
//!   open:   directory ─▶ log, catalog, monitor ─▶ registry            (nothing runs yet)
//!   apply:  a file's desired resources ─▶ registry
//!   start:  the reconciler starts everything that exists, and keeps it so
//!   drain:  feeds end ─▶ applications, copies ─▶ deliveries write what they hold
//!   stop:   feeds ─▶ applications (checkpoint) ─▶ deliveries ─▶ functions, endpoints ─▶ monitor; within a time limit
//! ```

mod data;
mod drain;
mod flow;
mod guarding;
mod monitor_figures;
mod open;
mod overview;
mod record_tail;
mod reset;
mod settings;
mod tail_filter;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use millstream_host::real_time::Deadline;
use millstream_host::{Clock, Disk, Random, RealDisk, Timestamp, real_time};
use millstream_monitor::Monitor;
use millstream_streamlog::{Log, LogHealth};
use tokio::sync::Mutex;

pub use data::{PutError, TailError, TailFrom, Tailing};
pub use guarding::Deleted;
pub use record_tail::{RecordTail, TailedRecord, TailedRecords};
pub use reset::ResetOutlook;
pub use settings::ServerSettings;
pub use tail_filter::TailFilter;

use crate::applications::{ApplicationHandle, ApplicationStatus};
use crate::apply::{self, ApplyError, ApplyOptions, ApplyReport};
use crate::catalog::{CatalogError, ResourceRow};
use crate::connect::monitor_to_live::MonitorWatch;
use crate::definition::{Desired, Kind, Owner, Reference, ResourceId};
use crate::error::StartError;
use crate::live::Live;
use crate::reconcile::{Reconciler, RunningSet, STOP_MOMENT, stop_all};
use crate::registry::{Registry, Status, find};
use crate::resources::{Running, Stopped};
use crate::supervise::{StopSignal, TaskScope};
use crate::view::Summary;
use crate::world::World;

/// What no longer counts in the log is deleted this often.
const TRIM_INTERVAL: Duration = Duration::from_secs(30);
/// People see changes at most this often.
const SHOW_INTERVAL: Duration = Duration::from_millis(100);

/// How long an application may take to store its state before a file is compared with it.
const CHECKPOINT_LIMIT: Duration = Duration::from_secs(5);
/// The clock is checked this often, and a jump of this much is reported.
const CLOCK_INTERVAL: Duration = Duration::from_secs(1);
const CLOCK_JUMP: Duration = Duration::from_secs(2);

/// What a stop left behind, for people to read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StopReport {
    /// What did not end in time.
    pub left: Vec<String>,
    /// State that could not be stored, and why. The state before is kept: it goes on from there.
    pub unsaved: Vec<String>,
}

impl StopReport {
    /// Everything ended in time and was stored.
    pub fn is_clean(&self) -> bool {
        self.left.is_empty() && self.unsaved.is_empty()
    }
}

/// A data directory that is open. Dropping it without [`Server::stop`] is like a crash: nothing is lost, some is done again.
pub struct Server {
    pub(crate) world: Arc<World>,
    settings: ServerSettings,
    started_at: Timestamp,
    running: RunningSet,
    /// Tasks that belong to no resource.
    system: TaskScope,
    /// The loop of the reconciler, which stops before what it would start again.
    reconciling: TaskScope,
    monitor_watch: MonitorWatch,
    /// Until it is started.
    reconciler: Mutex<Option<Reconciler>>,
    is_running: AtomicBool,
    /// Held while a file is applied: one update at a time.
    applying: Mutex<()>,
}

impl Server {
    /// Opens a data directory; nothing runs yet. To be called within a tokio runtime.
    ///
    /// # Errors
    /// See [`StartError`].
    pub async fn open(
        settings: ServerSettings,
        clock: Arc<dyn Clock>,
        random: Random,
    ) -> Result<Arc<Server>, StartError> {
        Server::open_on(settings, clock, random, Arc::new(RealDisk)).await
    }

    /// [`Server::open`] with the log on a given disk.
    ///
    /// # Errors
    /// See [`StartError`].
    pub async fn open_on(
        settings: ServerSettings,
        clock: Arc<dyn Clock>,
        random: Random,
        disk: Arc<dyn Disk>,
    ) -> Result<Arc<Server>, StartError> {
        open::open(settings, clock, random, disk).await
    }

    /// Starts everything that exists, and keeps it so. With `all` it waits for what takes long to prepare; otherwise that
    /// starts later.
    ///
    /// # Errors
    /// State or records are missing that were there before; with `all` also when anything cannot start. What was started
    /// is stopped again.
    pub async fn start(self: &Arc<Server>, all: bool) -> Result<(), StartError> {
        let taken = self.reconciler.lock().await.take();
        let Some(mut reconciler) = taken else { return Ok(()) };
        match all {
            true => reconciler.pass_over_all().await,
            false => reconciler.pass().await,
        }
        let mut reasons = reconciler.losses().to_vec();
        if all && reasons.is_empty() {
            let rows = self.world.registry.rows();
            // What was started and has failed since is tried again.
            let has_started = |row: &&ResourceRow| self.running.with(row.id, |_| ()).is_some();
            let rows = rows.iter().filter(|row| !row.deleting && !has_started(row));
            let failed = rows.filter_map(|row| {
                let reason = match &row.status {
                    Status::Retrying { reason } | Status::Failed { reason } => reason,
                    Status::Pending | Status::Active | Status::TakesLong { .. } => return None,
                };
                Some(format!("{}: {reason}", row.reference()))
            });
            reasons.extend(failed);
        }
        if !reasons.is_empty() {
            stop_all(&self.world, &self.running, Deadline::after(Duration::from_secs(2))).await;
            return Err(StartError::NotRunning(reasons));
        }
        self.is_running.store(true, Ordering::SeqCst);
        let stop = self.reconciling.stop_signal();
        let reconciling = Arc::new(Mutex::new(reconciler));
        self.reconciling.forever("reconciler", move |_| {
            let (reconciling, stop) = (Arc::clone(&reconciling), stop.clone());
            async move { reconciling.lock().await.run(stop).await }
        });
        let world = Arc::clone(&self.world);
        self.system.forever("trim", move |stop| trim(Arc::clone(&world), stop));
        let world = Arc::clone(&self.world);
        self.system.forever("show", move |stop| show(Arc::clone(&world), stop));
        let world = Arc::clone(&self.world);
        self.system.forever("clock", move |stop| watch_clock(Arc::clone(&world), stop));
        let watch = self.monitor_watch.clone();
        self.system.forever("mail view", move |stop| watch.clone().run(stop.flag()));
        let monitor = self.world.monitor.clone();
        self.system.forever("monitor", move |stop| {
            let monitor = monitor.clone();
            async move { monitor.run(stop.flag()).await }
        });
        Ok(())
    }

    /// Makes the data directory hold what is desired, and nothing else of this owner.
    ///
    /// # Errors
    /// The catalog cannot be changed. What is refused is in the report.
    pub async fn apply(
        &self,
        desired: Vec<Desired>,
        owner: Owner,
        options: ApplyOptions,
    ) -> Result<ApplyReport, ApplyError> {
        let _applying = self.applying.lock().await;
        let is_running = self.is_running.load(Ordering::SeqCst);
        self.checkpoint_what_changes(&desired).await;
        let guard = async |changed: &[Reference]| self.guard(changed).await;
        apply::apply(&self.world, desired, owner, options, is_running, guard).await
    }

    /// Gives resources that one of these files no longer declares to the one of them that declares them now: to be called before
    /// files that belong together are applied one by one. What they are, and all state, stays.
    ///
    /// # Errors
    /// The catalog cannot be changed.
    pub async fn move_between(&self, files: &[(Owner, Vec<Reference>)]) -> Result<(), CatalogError> {
        let _applying = self.applying.lock().await;
        apply::move_between(&self.world, files).await
    }

    /// Ends the feeds that the command lines of earlier processes brought, but for the one that is about to be applied for
    /// `owner`: to be called at the start of a process. How far they came is kept for the next of their name and file.
    ///
    /// # Errors
    /// The catalog cannot be changed.
    pub async fn end_command_line_feeds(
        &self,
        kept: Option<&Reference>,
        owner: &Owner,
    ) -> Result<(), CatalogError> {
        apply::end_command_line_feeds(&self.world, kept, owner).await
    }

    /// Lets applications that would change store their state, so that what is said of it is true now.
    async fn checkpoint_what_changes(&self, desired: &[Desired]) {
        let rows = self.world.registry.rows();
        let changes = |wanted: &&Desired| {
            find(&rows, &wanted.reference()).is_some_and(|row| row.definition != wanted.definition)
        };
        let applications = desired.iter().filter(changes).filter_map(|wanted| self.application(&wanted.name));
        let storing = applications.map(async |application| {
            // One that hangs is no reason not to compare the file.
            let _ = real_time::within(CHECKPOINT_LIMIT, application.checkpoint()).await;
        });
        futures::future::join_all(storing).await;
    }

    /// What exists.
    pub fn registry(&self) -> &Arc<Registry> {
        &self.world.registry
    }

    /// The totals since the start.
    pub fn summary(&self) -> Summary {
        self.world.live.summary()
    }

    /// When the first review was rated, if one was.
    pub fn first_classified_at(&self) -> Option<Timestamp> {
        self.world.live.seen().first_classified_at
    }

    /// What an application has done since it was started.
    pub fn application_status(&self, name: &str) -> Option<ApplicationStatus> {
        self.application(name).map(|application| application.status())
    }

    /// Which pumps of an application went on with their state when it was started last, and which started from scratch.
    pub fn application_restored(&self, name: &str) -> Option<(Vec<String>, Vec<String>)> {
        let application = self.application(name)?;
        let report = application.restored();
        let scratch = report.started_from_scratch.iter().map(|(pump, _)| pump.clone());
        Some((report.resumed.clone(), scratch.collect()))
    }

    /// The monitor: metrics, alarms, topics and mails.
    pub fn monitor(&self) -> &Monitor {
        &self.world.monitor
    }

    /// The log that holds the records.
    pub fn log(&self) -> &Arc<Log> {
        &self.world.log
    }

    /// The data directory.
    pub fn data_directory(&self) -> &std::path::Path {
        self.world.directory.root()
    }

    fn id_of(&self, kind: Kind, name: &str) -> Option<ResourceId> {
        self.world.registry.find(&Reference::new(kind, name)).map(|row| row.id)
    }

    fn application(&self, name: &str) -> Option<ApplicationHandle> {
        let id = self.id_of(Kind::Application, name)?;
        self.running
            .with(id, |running| match running {
                Running::Application(application) => Some(application.handle().clone()),
                _ => None,
            })
            .flatten()
    }

    /// Comes back when nothing can be kept any more: the data directory was deleted, moved, or taken by another process.
    /// Gives the reason.
    pub async fn failed(&self) -> String {
        let mut health = self.world.log.health();
        loop {
            if let LogHealth::Lost { reason } = &*health.borrow_and_update() {
                return reason.clone();
            }
            if health.changed().await.is_err() {
                return "the log was closed".to_owned();
            }
        }
    }

    /// Ends everything within `limit` in all; what hangs leaves a moment each to what is stopped after it. What is under way
    /// is kept and goes on at the next start.
    pub async fn stop(&self, limit: Duration) -> StopReport {
        self.is_running.store(false, Ordering::SeqCst);
        let deadline = Deadline::after(limit);
        // Nothing that ends from here on is started again.
        let mut left = self.reconciling.stop(limit / 4).await;
        let before_system = Deadline::after(deadline.left().saturating_sub(STOP_MOMENT));
        let Stopped { left: left_running, unsaved } =
            stop_all(&self.world, &self.running, before_system).await;
        left.extend(left_running);
        left.extend(self.system.stop(deadline.left().max(STOP_MOMENT)).await);
        StopReport { left, unsaved }
    }

    /// Gives the data directory back, within about `limit`: to be called by the last who has the server, when it has stopped.
    /// False when that hangs, or when work that hangs has the log still. Then a thread goes on with it, which ends with the
    /// process at the latest.
    pub async fn close(self: Arc<Server>, limit: Duration) -> bool {
        let mut health = self.world.log.health();
        // Dropping the log waits for its writer, and dropping the catalog for its file.
        let closing = self.world.spawn().clone().awaited_blocking(move || drop(self));
        let closed = async {
            // Without a result the runtime is going, and everything with it.
            let _ = closing.await;
            // The log tells of its health for as long as anybody has it.
            while health.changed().await.is_ok() {}
        };
        real_time::within(limit, closed).await.is_some()
    }
}

/// Deletes what no longer counts, now and then.
async fn trim(world: Arc<World>, mut stop: StopSignal) {
    loop {
        tokio::select! {
            () = world.clock.sleep(TRIM_INTERVAL) => {}
            () = stop.stopped() => return,
        }
        let (trimmed, now) = (Arc::clone(&world.log), world.clock.now());
        match world.spawn().blocking(move || trimmed.trim(now)).await {
            Ok(Ok(report)) if report.segments_deleted > 0 => {
                tracing::info!(segments = report.segments_deleted, bytes = report.bytes_freed, "log trimmed");
            }
            Ok(Ok(_)) => {}
            Ok(Err(error)) => {
                world.live.problem(now, "log", format!("old segments cannot be deleted: {error}"), 1);
            }
            Err(error) => tracing::error!(error, "trimming failed"),
        }
    }
}

/// Says when the machine's clock was set back: time goes on at the normal pace until the clock has caught up.
async fn watch_clock(world: Arc<World>, mut stop: StopSignal) {
    let steady = world.log.clock();
    let mut is_ahead = false;
    loop {
        tokio::select! {
            () = world.clock.sleep(CLOCK_INTERVAL) => {}
            () = stop.stopped() => return,
        }
        let ahead = steady.ahead_of_wall();
        if ahead >= CLOCK_JUMP && !is_ahead {
            let message = format!(
                "the clock of this machine was set back: times go on from the latest one, and are {} s ahead of the clock \
                 until it has caught up",
                ahead.as_secs()
            );
            world.live.problem(world.clock.now(), "clock", message, 1);
        }
        is_ahead = ahead >= CLOCK_JUMP;
    }
}

/// Passes changes on to those who look, not too often.
async fn show(world: Arc<World>, mut stop: StopSignal) {
    let live: &Arc<Live> = &world.live;
    loop {
        tokio::select! {
            () = live.changed() => live.publish(),
            () = stop.stopped() => return,
        }
        tokio::select! {
            () = world.clock.sleep(SHOW_INTERVAL) => {}
            () = stop.stopped() => return,
        }
    }
}
