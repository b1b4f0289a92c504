//! A running pipeline: everything that a file declares, started, fed, drained and stopped.
//!
//! ```text
//!   start:  directory ─▶ log, catalog, monitor ─▶ streams ─▶ endpoints, functions ─▶ consumers ─▶ deliveries, applications
//!   feed:   inputs of the file, and others
//!   drain:  producers end ─▶ applications close their windows, streams are copied ─▶ deliveries write what they hold
//!   stop:   producers ─▶ applications (checkpoint) ─▶ deliveries ─▶ monitor ─▶ endpoints
//! ```
//!
//! Invariant: all consumers of a buffer are known before the first of them advances, so that nothing is trimmed that
//! one of them still needs.

mod applications;
mod flow;
pub(crate) mod functions;
mod inputs;
mod notifications;
mod overview;
mod settings;
mod streams;
mod update;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use millstream_delivery::{Components, DeliveryHandle, DeliveryWorker, Positions, Transform};
use millstream_host::{Clock, Random, Timestamp};
use millstream_monitor::{Location, Monitor};
use millstream_streamlog::{Log, LogSettings, OpenError};
use parking_lot::{Mutex, RwLock};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub use settings::ServerSettings;
pub use update::{UpdateError, UpdateReport, UpdatedApplication};

use crate::applications::{ApplicationStatus, RunningApplication};
use crate::catalog::Catalog;
use crate::connect::catalog_to_delivery::{CatalogPositions, DELIVERY_CONSUMER};
use crate::connect::delivery_to_live::LiveDelivery;
use crate::connect::function_to_transform::FunctionTransform;
use crate::connect::log_to_delivery::LogSource;
use crate::connect::monitor_to_functions::MonitorServices;
use crate::connect::monitor_to_live::MonitorWatch;
use crate::consumers::BufferConsumers;
use crate::data_directory::DataDirectory;
use crate::deliveries;
use crate::error::StartError;
use crate::identifier::Identifiers;
use crate::live::Live;
use crate::pipeline::{Builtin, DeliveryStreamDeclaration, Pipeline};
use crate::producers::Producer;
use crate::view::Summary;

/// What no longer counts in the log is deleted this often.
const TRIM_INTERVAL: Duration = Duration::from_secs(30);
/// People see changes at most this often.
const SHOW_INTERVAL: Duration = Duration::from_millis(100);

/// A delivery stream that runs.
struct Delivery {
    name: String,
    handle: DeliveryHandle,
    task: JoinHandle<()>,
}

/// A running pipeline. Dropping it without [`Server::stop`] is like a crash: nothing is lost, some is done again.
pub struct Server {
    /// Guards the pipeline against its replacement by an update.
    pipeline: RwLock<Arc<Pipeline>>,
    settings: ServerSettings,
    clock: Arc<dyn Clock>,
    started_at: Timestamp,
    directory: DataDirectory,
    log: Arc<Log>,
    catalog: Catalog,
    consumers: Arc<BufferConsumers>,
    monitor: Monitor,
    monitor_watch: MonitorWatch,
    live: Arc<Live>,
    identifiers: Identifiers,
    runtime: Handle,
    endpoints: functions::Endpoints,
    functions: functions::Functions,
    deliveries: Vec<Delivery>,
    /// Guards the list and the threads in it; taken to stop them.
    applications: Mutex<Vec<RunningApplication>>,
    /// Guards the list only.
    producers: Mutex<Vec<(String, Producer)>>,
    /// True when background work shall end.
    stop: watch::Sender<bool>,
    /// Guards the list until it is taken by the stop.
    background: Mutex<Vec<JoinHandle<()>>>,
    monitor_task: Mutex<Option<JoinHandle<()>>>,
}

impl Server {
    /// Starts everything that the pipeline declares, but its inputs. To be called within a tokio runtime.
    ///
    /// # Errors
    /// See [`StartError`]. What was started ends again.
    pub async fn start(
        pipeline: Pipeline,
        settings: ServerSettings,
        clock: Arc<dyn Clock>,
        random: Random,
    ) -> Result<Arc<Server>, StartError> {
        let runtime = Handle::current();
        // Opening files waits for the disk.
        let opening = {
            let (pipeline, settings, clock) = (pipeline.clone(), settings.clone(), Arc::clone(&clock));
            let identifiers = Identifiers::new(random);
            move || Opened::open(&pipeline, &settings, &clock, identifiers)
        };
        let opened = tokio::task::spawn_blocking(opening).await.expect("opening does not panic")?;
        let Opened { directory, log, catalog, monitor, identifiers } = opened;
        let live = Arc::new(Live::new());
        let endpoints = functions::start_endpoints(&pipeline.declarations.endpoints)?;
        let services = MonitorServices(monitor.clone());
        let (functions, scorers) = functions::build(&pipeline, &endpoints, &services, &clock)?;
        let consumers = Arc::new(BufferConsumers::new(Arc::clone(&log)));

        for declared in &pipeline.declarations.delivery_streams {
            let name = declared.name.get_ref();
            consumers.add_buffer(name, streams::buffer_key(name));
            let positions = catalog.delivery_positions(name)?.unwrap_or_else(Positions::default);
            consumers.add_consumer(name, DELIVERY_CONSUMER, positions.oldest().0);
        }
        let application_services = applications::ApplicationServices {
            directory: &directory,
            log: &log,
            catalog: &catalog,
            consumers: &consumers,
            functions: &functions,
            clock: &clock,
            live: &live,
            identifiers: &identifiers,
            runtime: &runtime,
        };
        let declared = pipeline.declarations.applications.iter().zip(&pipeline.applications);
        let prepared = declared
            .map(|(declared, checked)| application_services.prepare(declared, checked))
            .collect::<Result<Vec<_>, _>>()?;
        let mut running = Vec::new();
        for application in prepared {
            running.push(application_services.start(application).await?);
        }
        let mut deliveries = Vec::new();
        for declared in &pipeline.declarations.delivery_streams {
            let worker = DeliveryParts {
                directory: &directory,
                log: &log,
                catalog: &catalog,
                consumers: &consumers,
                functions: &functions,
                scorers: &scorers,
                pipeline: &pipeline,
                clock: &clock,
                live: &live,
                identifiers: &identifiers,
            };
            let (handle, worker) = worker.build(declared)?;
            let name = declared.name.get_ref().clone();
            deliveries.push(Delivery { name, handle, task: runtime.spawn(worker.run()) });
        }
        let stop = watch::Sender::new(false);
        let monitor_watch = MonitorWatch::new(monitor.clone(), Arc::clone(&live));
        let background = vec![
            runtime.spawn(monitor_watch.clone().run(stop.subscribe())),
            runtime.spawn(trim(Arc::clone(&log), Arc::clone(&clock), Arc::clone(&live), stop.subscribe())),
            runtime.spawn(show(Arc::clone(&live), stop.subscribe())),
        ];
        let monitor_task = {
            let (monitor, stop) = (monitor.clone(), stop.subscribe());
            runtime.spawn(async move { monitor.run(stop).await })
        };
        Ok(Arc::new(Server {
            started_at: clock.now(),
            pipeline: RwLock::new(Arc::new(pipeline)),
            settings,
            clock,
            directory,
            log,
            catalog,
            consumers,
            monitor,
            monitor_watch,
            live,
            identifiers,
            runtime,
            endpoints,
            functions,
            deliveries,
            applications: Mutex::new(running),
            producers: Mutex::default(),
            stop,
            background: Mutex::new(background),
            monitor_task: Mutex::new(Some(monitor_task)),
        }))
    }

    /// The totals since the start.
    pub fn summary(&self) -> Summary {
        self.live.summary()
    }

    /// When the first review was rated, if one was.
    pub fn first_classified_at(&self) -> Option<Timestamp> {
        self.live.seen().first_classified_at
    }

    /// What an application has done since the start.
    pub fn application_status(&self, name: &str) -> Option<ApplicationStatus> {
        self.applications.lock().iter().find(|one| one.name() == name).map(RunningApplication::status)
    }

    /// Rows that came out of an application, by in-application stream.
    fn rows_by_stream(&self, name: &str) -> BTreeMap<String, u64> {
        let applications = self.applications.lock();
        let found = applications.iter().find(|one| one.name() == name);
        found.map(RunningApplication::rows_by_stream).unwrap_or_default()
    }

    /// The monitor: metrics, alarms, topics and mails.
    pub fn monitor(&self) -> &Monitor {
        &self.monitor
    }

    /// The log that holds the records.
    pub fn log(&self) -> &Arc<Log> {
        &self.log
    }

    /// Comes back when every producer has put its last record. Copies of streams have no end: they do not count.
    pub async fn producers_ended(&self) {
        let (producers, _) = self.producers_and_copies();
        futures::future::join_all(producers.iter().map(Producer::ended)).await;
    }

    /// What comes from outside, and what copies streams within.
    fn producers_and_copies(&self) -> (Vec<Producer>, Vec<Producer>) {
        let all: Vec<Producer> = self.producers.lock().iter().map(|(_, one)| one.clone()).collect();
        all.into_iter().partition(|producer| producer.copy_progress().is_none())
    }

    /// Ends the producers, then waits until everything that came in has come out and arrived: windows are closed, streams
    /// copied, objects written, functions called. Takes as long as a destination is down.
    pub async fn drain(&self) {
        let (producers, copies) = self.producers_and_copies();
        producers.iter().for_each(Producer::stop);
        self.producers_ended().await;
        // What has come in is delivered while applications wait for their windows to close.
        tokio::join!(self.flush_deliveries(), self.drain_streams(&copies));
        // What they have put out meanwhile comes behind it.
        self.flush_deliveries().await;
        self.monitor_watch.look_aside().await;
    }

    /// Waits until applications and copies have passed on what is in the streams.
    async fn drain_streams(&self, copies: &[Producer]) {
        let drains: Vec<_> = self.applications.lock().iter().map(RunningApplication::drainer).collect();
        // They may feed each other through streams: a chain is at most as long as there are applications and copies.
        for _ in 0..drains.len() + copies.len() {
            futures::future::join_all(drains.iter().map(|drainer| drainer.drain())).await;
            let copied =
                copies.iter().filter_map(Producer::copy_progress).map(|progress| progress.caught_up());
            futures::future::join_all(copied).await;
        }
    }

    async fn flush_deliveries(&self) {
        for delivery in &self.deliveries {
            // An error means that it was stopped meanwhile.
            let _ = delivery.handle.flush().await;
        }
    }

    /// Ends everything at once. What is under way is kept and goes on at the next start.
    pub async fn stop(&self) {
        let (producers, copies) = self.producers_and_copies();
        for producer in producers.iter().chain(&copies) {
            producer.stop();
            producer.ended().await;
        }
        let mut applications = std::mem::take(&mut *self.applications.lock());
        let stopping = tokio::task::spawn_blocking(move || {
            for application in &mut applications {
                application.stop();
            }
            applications
        });
        match stopping.await {
            // Kept, so that their counters can still be seen.
            Ok(applications) => *self.applications.lock() = applications,
            Err(error) => tracing::error!(%error, "applications did not stop"),
        }
        for delivery in &self.deliveries {
            delivery.handle.stop();
            while !delivery.task.is_finished() {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        }
        self.stop.send_replace(true);
        let tasks: Vec<JoinHandle<()>> = std::mem::take(&mut *self.background.lock());
        let monitor_task = self.monitor_task.lock().take();
        for task in tasks.into_iter().chain(monitor_task) {
            if let Err(error) = task.await {
                tracing::error!(%error, "a background task failed");
            }
        }
        for endpoint in self.endpoints.values() {
            endpoint.shutdown().await;
        }
    }
}

/// What a data directory holds, opened.
struct Opened {
    directory: DataDirectory,
    log: Arc<Log>,
    catalog: Catalog,
    monitor: Monitor,
    identifiers: Identifiers,
}

impl Opened {
    fn open(
        pipeline: &Pipeline,
        settings: &ServerSettings,
        clock: &Arc<dyn Clock>,
        identifiers: Identifiers,
    ) -> Result<Opened, StartError> {
        let directory = DataDirectory::create(&settings.data_directory)?;
        // The log holds the lock: nobody else has the other files open either.
        let opened = Log::open(&directory.log(), LogSettings::default(), Arc::clone(clock));
        let (log, report) = opened.map_err(|error| match error {
            OpenError::InUse { holder, .. } => {
                StartError::InUse { directory: directory.root().to_owned(), holder }
            }
            error => StartError::Log(error),
        })?;
        if let Some(torn) = &report.torn_tail {
            tracing::warn!(
                ?torn,
                "the log ended in the middle of a write that nobody was promised; it was cut off"
            );
        }
        let catalog = Catalog::open(&directory.catalog())?;
        let monitor_settings =
            notifications::settings(&pipeline.declarations, settings.smtp_password.as_deref());
        let location = Location::File(directory.monitor());
        let monitor = Monitor::open(&location, monitor_settings, Arc::clone(clock), identifiers.random())
            .map_err(|error| StartError::Monitor(error.to_string()))?;
        catalog.put_resources(&pipeline.declarations.resources(), clock.now())?;
        streams::create(&log, &pipeline.declarations)?;
        notifications::create(&monitor, &pipeline.declarations)?;
        Ok(Opened { directory, log, catalog, monitor, identifiers })
    }
}

/// What deliveries share.
struct DeliveryParts<'a> {
    directory: &'a DataDirectory,
    log: &'a Arc<Log>,
    catalog: &'a Catalog,
    consumers: &'a Arc<BufferConsumers>,
    functions: &'a functions::Functions,
    scorers: &'a functions::Scorers,
    pipeline: &'a Pipeline,
    clock: &'a Arc<dyn Clock>,
    live: &'a Arc<Live>,
    identifiers: &'a Identifiers,
}

impl DeliveryParts<'_> {
    fn build(
        &self,
        declared: &DeliveryStreamDeclaration,
    ) -> Result<(DeliveryHandle, DeliveryWorker), StartError> {
        let name = declared.name.get_ref();
        let invalid = |error| StartError::Delivery { name: name.clone(), error };
        let key = streams::buffer_key(name);
        let source = LogSource { log: Arc::clone(self.log), changes: self.log.changes(&key)?, key };
        let transform = declared.transform.as_ref().map(|transform| transform.function.get_ref());
        let rating = transform.and_then(|function| {
            let functions = &self.pipeline.declarations.functions;
            functions
                .iter()
                .find(|one| one.name.get_ref() == function && one.builtin == Builtin::ScoreReviews)
        });
        let bucket = |name: &str| deliveries::bucket(self.directory, name);
        let backup = match &declared.backup {
            Some(backup) => Some(bucket(backup.bucket.as_ref().unwrap_or(&declared.bucket).get_ref())?),
            None => None,
        };
        let components = Components {
            source: Arc::new(source),
            positions: Arc::new(CatalogPositions {
                catalog: self.catalog.clone(),
                delivery_stream: name.clone(),
                consumers: Arc::clone(self.consumers),
            }),
            transform: transform.map(|function| -> Arc<dyn Transform> {
                Arc::new(FunctionTransform(Arc::clone(&self.functions[function])))
            }),
            destination: bucket(declared.bucket.get_ref())?,
            backup,
            clock: Arc::clone(self.clock),
            random: self.identifiers.random(),
            observer: Some(Arc::new(LiveDelivery {
                name: name.clone(),
                live: Arc::clone(self.live),
                clock: Arc::clone(self.clock),
                scorer: rating.and_then(|function| self.scorers.get(function.name.get_ref()).cloned()),
                columns: rating.and_then(|function| function.columns.clone()),
            })),
        };
        let settings = deliveries::settings(declared).map_err(invalid)?;
        DeliveryWorker::new(components, settings).map_err(invalid)
    }
}

/// Deletes what no longer counts, now and then.
async fn trim(log: Arc<Log>, clock: Arc<dyn Clock>, live: Arc<Live>, mut stop: watch::Receiver<bool>) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(TRIM_INTERVAL) => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
        let (trimmed, now) = (Arc::clone(&log), clock.now());
        match tokio::task::spawn_blocking(move || trimmed.trim(now)).await {
            Ok(Ok(report)) if report.segments_deleted > 0 => {
                tracing::info!(segments = report.segments_deleted, bytes = report.bytes_freed, "log trimmed");
            }
            Ok(Ok(_)) => {}
            Ok(Err(error)) => live.problem(now, "log", format!("old segments cannot be deleted: {error}"), 1),
            Err(error) => tracing::error!(%error, "trimming failed"),
        }
    }
}

/// Passes changes on to those who look, not too often.
async fn show(live: Arc<Live>, mut stop: watch::Receiver<bool>) {
    loop {
        tokio::select! {
            () = live.changed() => live.publish(),
            _ = stop.wait_for(|stop| *stop) => return,
        }
        tokio::time::sleep(SHOW_INTERVAL).await;
    }
}
