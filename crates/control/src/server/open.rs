//! Opening a data directory: its files, and what must be true of them before anything runs.

use std::sync::Arc;

use millstream_delivery::remove_unfinished_objects;
use millstream_host::{Clock, Disk, Random, Spawn};
use millstream_monitor::{Location, Monitor, MonitorSettings};
use millstream_streamlog::{Log, LogSettings, OpenError};
use tokio::sync::Mutex;

use super::{Server, ServerSettings};
use crate::applications::{Incarnations, WaitingTails, erase_all_but};
use crate::catalog::Catalog;
use crate::connect::monitor_to_functions::PageAddress;
use crate::connect::monitor_to_live::MonitorWatch;
use crate::data_directory::DataDirectory;
use crate::error::StartError;
use crate::feeds::StandardInput;
use crate::identifier::Identifiers;
use crate::live::Live;
use crate::reconcile::{Reconciler, RunningSet};
use crate::registry::Registry;
use crate::slots::Slots;
use crate::supervise::Supervisor;
use crate::world::World;

/// What a data directory holds, opened.
struct Opened {
    directory: DataDirectory,
    log: Arc<Log>,
    catalog: Catalog,
    monitor: Monitor,
    monitor_watch: MonitorWatch,
    registry: Arc<Registry>,
}

pub(super) async fn open(
    settings: ServerSettings,
    clock: Arc<dyn Clock>,
    random: Random,
    disk: Arc<dyn Disk>,
) -> Result<Arc<Server>, StartError> {
    let spawn = Spawn::current();
    let (identifiers, live) = (Identifiers::new(random), Arc::new(Live::new()));
    // Opening files waits for the disk.
    let opening = {
        let (settings, clock, identifiers, live, spawn) =
            (settings.clone(), Arc::clone(&clock), identifiers.clone(), Arc::clone(&live), spawn.clone());
        move || open_files(&settings, &clock, &identifiers, live, disk, spawn)
    };
    let opened = spawn.blocking(opening).await.expect("opening does not panic")?;
    let Opened { directory, log, catalog, monitor, monitor_watch, registry } = opened;
    // The clock of the log never goes back, not even from one run to the next.
    let clock: Arc<dyn Clock> = log.clock();
    let (supervisor, events) = Supervisor::new(spawn, Arc::clone(&clock), Arc::clone(&live));
    let world = Arc::new(World {
        directory,
        log,
        catalog,
        incarnations: Incarnations::default(),
        waiting_tails: WaitingTails::default(),
        registry,
        monitor,
        page: PageAddress::default(),
        clock: Arc::clone(&clock),
        identifiers,
        live,
        known_ratings: Arc::default(),
        supervisor: supervisor.clone(),
        functions: Slots::default(),
        endpoints: Slots::default(),
        standard_input: settings.has_standard_input.then(StandardInput::new),
        repeats_ended_feeds_of: settings.repeats_ended_feeds_of.clone(),
    });
    let running = RunningSet::default();
    let reconciler = Reconciler::new(Arc::clone(&world), running.clone(), events);
    Ok(Arc::new(Server {
        started_at: clock.now(),
        system: supervisor.scope(None, "server"),
        reconciling: supervisor.scope(None, "server"),
        world,
        settings,
        running,
        monitor_watch,
        reconciler: Mutex::new(Some(reconciler)),
        is_running: std::sync::atomic::AtomicBool::new(false),
        applying: Mutex::new(()),
    }))
}

fn open_files(
    settings: &ServerSettings,
    clock: &Arc<dyn Clock>,
    identifiers: &Identifiers,
    live: Arc<Live>,
    disk: Arc<dyn Disk>,
    spawn: Spawn,
) -> Result<Opened, StartError> {
    let directory = DataDirectory::create(&settings.data_directory)?;
    // The log holds the lock: nobody else has the other files open either.
    let opened =
        Log::open_on(&directory.log(), LogSettings::default(), Arc::clone(clock), identifiers.random(), disk);
    let (log, report) = opened.map_err(|error| match error {
        OpenError::InUse { holder, .. } => {
            StartError::InUse { directory: directory.root().to_owned(), holder }
        }
        error => StartError::Log(error),
    })?;
    if let Some(torn) = &report.torn_tail {
        tracing::warn!(
            path = %torn.path.display(),
            offset = torn.offset,
            bytes = torn.bytes,
            reason = torn.reason,
            "the log ended in the middle of a write that was never acknowledged; that part was cut off"
        );
    }
    // Only this process has the directory, and nothing of it runs yet.
    match remove_unfinished_objects(&directory.buckets()) {
        Ok(0) => {}
        Ok(removed) => tracing::info!(removed, "unfinished objects of an earlier process were deleted"),
        Err(error) => tracing::warn!(%error, "unfinished objects of an earlier process cannot be deleted"),
    }
    // Without the catalog nobody knows who has read what: starting over would deliver everything again.
    if !directory.catalog().exists() && !log.stream_list().is_empty() {
        return Err(StartError::NoCatalog { directory: directory.root().to_owned() });
    }
    let catalog = Catalog::open(&directory.catalog())?;
    // An empty one tells as little. What exists has a row for as long as the log has anything of it.
    let resources = catalog.resources()?;
    if resources.is_empty() && !log.stream_list().is_empty() {
        return Err(StartError::NoCatalog { directory: directory.root().to_owned() });
    }
    match erase_all_but(&directory.all_checkpoints(), &resources.iter().map(|row| row.id).collect()) {
        Ok(0) => {}
        Ok(erased) => tracing::info!(erased, "states of deleted applications were deleted"),
        Err(error) => tracing::warn!(%error, "states of deleted applications cannot be deleted"),
    }
    let clock: Arc<dyn Clock> = log.clock();
    let location = Location::File(directory.monitor());
    let monitor =
        Monitor::open(&location, MonitorSettings::default(), Arc::clone(&clock), identifiers.random())
            .map_err(|error| StartError::Monitor(error.to_string()))?;
    let monitor_watch = MonitorWatch::new(monitor.clone(), live);
    let registry = Arc::new(Registry::open(catalog.clone(), clock, spawn)?);
    Ok(Opened { directory, log, catalog, monitor, monitor_watch, registry })
}
