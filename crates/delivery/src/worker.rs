//! The thin shell around the [`Pipeline`]: one task that reads, calls, writes and stores.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt};
use millstream_host::{Clock, Random, Timestamp};
use object_store::ObjectStore;
use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};

use crate::error::InvalidDelivery;
use crate::pipeline::{Action, BatchId, Pipeline};
use crate::position::{PositionStore, Progress, SourcePosition};
use crate::settings::{DeliverySettings, RetrySettings};
use crate::source::{Source, SourceBatch};
use crate::status::{DeliveredObject, DeliveryStatus, ObjectKind, Observer, Stage};
use crate::transform::{Call, Invocation, Outcome, Transform, TransformedRecord, invoke};
use crate::trying::Trying;
use crate::writing::write;

/// The most taken in by one read.
const READ_BYTES: usize = 4 << 20;
const READ_RECORDS: usize = 10_000;
/// Between two calls of the function: it is often busy for a moment only.
const MOST_CALL_WAIT: Duration = Duration::from_secs(5);
/// Sleeps longer than this are cut, so that a clock that was set is noticed.
const LONGEST_SLEEP: Duration = Duration::from_secs(60);

/// What a delivery works with.
pub struct Components {
    /// Where records come from.
    pub source: Arc<dyn Source>,
    /// Where positions are kept.
    pub positions: Arc<dyn PositionStore>,
    /// The function; needed when the settings have a transform.
    pub transform: Option<Arc<dyn Transform>>,
    /// Where main and failed objects go. For a local directory switch on its `fsync`: once an object is written, its
    /// records may be deleted from the source.
    pub destination: Arc<dyn ObjectStore>,
    /// Where backup objects go; needed when the settings have a backup.
    pub backup: Option<Arc<dyn ObjectStore>>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// For the unique parts of keys. Must differ from run to run, or objects could be written over.
    pub random: Random,
    /// Is notified of what happens.
    pub observer: Option<Arc<dyn Observer>>,
}

/// The delivery ended before it could do that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the delivery was stopped")]
pub struct DeliveryStopped;

enum Command {
    Flush(oneshot::Sender<()>),
    Rest { ready: oneshot::Sender<()>, over: oneshot::Receiver<Infallible> },
    Stop,
}

/// While it lives, a delivery takes in no records.
#[derive(Debug)]
pub struct Resting {
    _over: oneshot::Sender<Infallible>,
}

/// Asks things of a running delivery. Cheap to clone; the delivery ends when the last one is dropped.
#[derive(Clone)]
pub struct DeliveryHandle {
    commands: mpsc::UnboundedSender<Command>,
    status: Arc<Mutex<DeliveryStatus>>,
}

impl DeliveryHandle {
    /// The counters as they are now.
    pub fn status(&self) -> DeliveryStatus {
        self.status.lock().clone()
    }

    /// Delivers everything that the source holds at this moment without waiting for size or age; comes back when it is
    /// in objects and the position is stored. Takes as long as the destination is down.
    ///
    /// # Errors
    /// [`DeliveryStopped`].
    pub async fn flush(&self) -> Result<(), DeliveryStopped> {
        let (reply, answer) = oneshot::channel();
        self.commands.send(Command::Flush(reply)).map_err(|_| DeliveryStopped)?;
        answer.await.map_err(|_| DeliveryStopped)
    }

    /// Delivers everything that was taken in, and takes in no more until what this gives is dropped: all kinds of objects have
    /// then come to one place, which means the same under other settings. Takes as long as the destination is down.
    ///
    /// # Errors
    /// [`DeliveryStopped`].
    pub async fn rest(&self) -> Result<Resting, DeliveryStopped> {
        let (ready, answer) = oneshot::channel();
        let (held, over) = oneshot::channel();
        self.commands.send(Command::Rest { ready, over }).map_err(|_| DeliveryStopped)?;
        answer.await.map_err(|_| DeliveryStopped)?;
        Ok(Resting { _over: held })
    }

    /// Ends the delivery at once. What is buffered is read again by the next one: nothing is lost.
    pub fn stop(&self) {
        // It may have ended already.
        let _ = self.commands.send(Command::Stop);
    }
}

/// A delivery that is ready to run.
pub struct DeliveryWorker {
    components: Components,
    settings: Arc<DeliverySettings>,
    status: Arc<Mutex<DeliveryStatus>>,
    commands: mpsc::UnboundedReceiver<Command>,
}

impl DeliveryWorker {
    /// Checks the settings. Nothing happens until [`DeliveryWorker::run`].
    ///
    /// # Errors
    /// [`InvalidDelivery`]: a number is out of range, or settings and components do not fit.
    pub fn new(
        components: Components,
        settings: DeliverySettings,
    ) -> Result<(DeliveryHandle, DeliveryWorker), InvalidDelivery> {
        settings.check()?;
        if settings.transform.is_some() && components.transform.is_none() {
            return Err(InvalidDelivery::Missing { setting: "transform", missing: "function" });
        }
        if settings.backup.is_some() && components.backup.is_none() {
            return Err(InvalidDelivery::Missing { setting: "backup", missing: "object store for it" });
        }
        let (sender, commands) = mpsc::unbounded_channel();
        let status = Arc::new(Mutex::new(DeliveryStatus::default()));
        let handle = DeliveryHandle { commands: sender, status: Arc::clone(&status) };
        Ok((handle, DeliveryWorker { components, settings: Arc::new(settings), status, commands }))
    }

    /// Delivers until stopped, or until every handle is dropped. May be cancelled at any point without losing records.
    pub async fn run(mut self) {
        let clock = Arc::clone(&self.components.clock);
        let trying = Trying::new(clock, Arc::clone(&self.status), self.settings.retry);
        let loaded = {
            let load = load_progress(Arc::clone(&self.components.positions), trying);
            let mut load = std::pin::pin!(load);
            let mut early = Vec::new();
            let loaded = loop {
                tokio::select! {
                    loaded = &mut load => break loaded,
                    command = self.commands.recv() => match command {
                        Some(Command::Stop) | None => return,
                        Some(command) => early.push(command),
                    },
                }
            };
            (loaded, early)
        };
        let (progress, early) = loaded;
        let pipeline = Pipeline::new(Arc::clone(&self.settings), &progress, self.components.random.clone());
        let mut running = Running {
            components: self.components,
            settings: self.settings,
            status: self.status,
            pipeline,
            furthest: progress.furthest(),
            stored: progress,
            has_stored: false,
            reading: None,
            storing: None,
            calls: FuturesUnordered::new(),
            writes: FuturesUnordered::new(),
            ends: FuturesUnordered::new(),
            flushes: Vec::new(),
            rests: FuturesUnordered::new(),
            to_rest: Vec::new(),
        };
        for command in early {
            running.obey(command);
        }
        running.run(&mut self.commands).await;
    }
}

/// The task's state: the pipeline and everything under way.
struct Running {
    components: Components,
    settings: Arc<DeliverySettings>,
    status: Arc<Mutex<DeliveryStatus>>,
    pipeline: Pipeline,
    stored: Progress,
    /// What is in objects, or is about to be written, of an earlier run ends here.
    furthest: SourcePosition,
    /// By this run: its store may keep more than the progress.
    has_stored: bool,
    reading: Option<BoxFuture<'static, SourceBatch>>,
    storing: Option<BoxFuture<'static, Progress>>,
    calls: FuturesUnordered<BoxFuture<'static, (BatchId, Invocation)>>,
    writes: FuturesUnordered<BoxFuture<'static, DeliveredObject>>,
    /// Flushes that look for the end of the source.
    ends: FuturesUnordered<BoxFuture<'static, (SourcePosition, oneshot::Sender<()>)>>,
    /// Flushes that wait for their position to be stored.
    flushes: Vec<(SourcePosition, oneshot::Sender<()>)>,
    /// Who wants that nothing is taken in.
    rests: FuturesUnordered<oneshot::Receiver<Infallible>>,
    /// Those of them who have not been answered, nor wait among the flushes.
    to_rest: Vec<oneshot::Sender<()>>,
}

impl Running {
    async fn run(&mut self, commands: &mut mpsc::UnboundedReceiver<Command>) {
        loop {
            self.start_what_is_due();
            let now = self.components.clock.now();
            let sleep = self.pipeline.deadline().map_or(LONGEST_SLEEP, |deadline| deadline.since(now));
            tokio::select! {
                command = commands.recv() => match command {
                    Some(Command::Stop) | None => return,
                    Some(command) => self.obey(command),
                },
                Some(_over) = self.rests.next(), if !self.rests.is_empty() => self.rest_is_over(),
                Some((target, reply)) = self.ends.next(), if !self.ends.is_empty() => {
                    self.flushes.push((target, reply));
                    if self.rests.is_empty() {
                        self.pipeline.flush_to(target);
                    }
                }
                Some(object) = self.writes.next(), if !self.writes.is_empty() => self.object_written(&object),
                Some((batch, result)) = self.calls.next(), if !self.calls.is_empty() => {
                    let now = self.components.clock.now();
                    let records = self.pipeline.transformed(now, batch, result);
                    self.records_transformed(&records);
                }
                progress = until(&mut self.storing) => {
                    self.storing = None;
                    self.pipeline.stored(&progress);
                    self.stored = progress;
                    self.has_stored = true;
                }
                batch = until(&mut self.reading) => {
                    self.reading = None;
                    self.take_in(batch);
                }
                () = self.components.clock.sleep(sleep.min(LONGEST_SLEEP)) => {}
            }
        }
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Flush(reply) => self.find_end(reply),
            Command::Rest { ready, over } => {
                self.rests.push(over);
                self.to_rest.push(ready);
                if !self.may_read() {
                    // What it would bring is read again.
                    self.reading = None;
                }
            }
            // Whoever reads the commands has ended.
            Command::Stop => {}
        }
    }

    /// Whether records are taken in: all kinds of objects come to one place behind what an earlier run has written.
    fn may_read(&self) -> bool {
        self.rests.is_empty() || self.pipeline.read_position() < self.furthest
    }

    /// Flushes that wait for records which come later go on.
    fn rest_is_over(&mut self) {
        if !self.rests.is_empty() {
            return;
        }
        // Something has changed that the store may keep: from this place on it counts.
        self.has_stored = false;
        if let Some(target) = self.flushes.iter().map(|(target, _)| *target).max() {
            self.pipeline.flush_to(target);
        }
    }

    fn start_what_is_due(&mut self) {
        let now = self.components.clock.now();
        if !self.to_rest.is_empty() && !self.may_read() {
            self.pipeline.flush_taken();
            let target = self.pipeline.read_position();
            self.flushes.extend(self.to_rest.drain(..).map(|ready| (target, ready)));
        }
        for action in self.pipeline.poll(now) {
            match action {
                Action::Invoke { batch, records } => {
                    let (Some(function), Some(transform)) =
                        (self.components.transform.clone(), self.settings.transform.clone())
                    else {
                        continue;
                    };
                    let settings = Arc::clone(&self.settings);
                    let retry = self.settings.retry;
                    let retry =
                        RetrySettings { longest_wait: retry.longest_wait.min(MOST_CALL_WAIT), ..retry };
                    let trying = self.trying_with(retry);
                    let call = invoke(Call { function, settings, transform }, records, trying);
                    self.calls.push(call.map(move |result| (batch, result)).boxed());
                }
                Action::Write { intent, contents } => {
                    let store = match (intent.kind, &self.components.backup) {
                        (ObjectKind::Backup, Some(backup)) => Arc::clone(backup),
                        _ => Arc::clone(&self.components.destination),
                    };
                    self.writes.push(write(intent, contents, store, self.trying()).boxed());
                }
            }
        }
        if self.storing.is_none() {
            let progress = self.pipeline.progress();
            if progress != self.stored || !self.has_stored {
                let store = Arc::clone(&self.components.positions);
                self.storing = Some(store_progress(store, progress, self.trying()).boxed());
            }
        }
        let stored = self.stored.positions.oldest();
        for (_, reply) in self.flushes.extract_if(.., |(target, _)| *target <= stored) {
            // Whoever asked may have gone.
            let _ = reply.send(());
        }
        let room = self.pipeline.room();
        if self.reading.is_none() && room > 0 && self.may_read() {
            let source = Arc::clone(&self.components.source);
            let from = self.pipeline.read_position();
            let most = (self.pipeline.room_records().min(READ_RECORDS), room.min(READ_BYTES));
            self.reading = Some(read(source, from, most, self.trying()).boxed());
        }
        self.status.lock().held_bytes = self.pipeline.held_bytes() as u64;
    }

    fn trying(&self) -> Trying {
        self.trying_with(self.settings.retry)
    }

    fn trying_with(&self, retry: RetrySettings) -> Trying {
        Trying::new(Arc::clone(&self.components.clock), Arc::clone(&self.status), retry)
    }

    fn take_in(&mut self, batch: SourceBatch) {
        {
            let mut status = self.status.lock();
            status.records_in += batch.records.len() as u64;
            status.bytes_in += batch.records.iter().map(|record| record.data.len() as u64).sum::<u64>();
        }
        let now: Timestamp = self.components.clock.now();
        self.pipeline.push(now, batch.records, batch.next);
    }

    fn records_transformed(&mut self, records: &[TransformedRecord]) {
        if records.is_empty() {
            return;
        }
        {
            let mut status = self.status.lock();
            for record in records {
                match record.outcome {
                    Outcome::Ok(_) => status.records_transformed += 1,
                    Outcome::Dropped => status.dropped_records += 1,
                    Outcome::Failed { .. } => status.failed_records += 1,
                }
            }
        }
        if let Some(observer) = &self.components.observer {
            observer.records_transformed(records);
        }
    }

    fn object_written(&mut self, object: &DeliveredObject) {
        self.pipeline.written(object.kind);
        {
            let mut status = self.status.lock();
            status.object_bytes += object.bytes;
            match object.kind {
                ObjectKind::Main => {
                    status.objects_written += 1;
                    status.records_delivered += object.records;
                    status.last_object = Some(object.key.clone());
                }
                ObjectKind::Backup => status.backup_objects_written += 1,
                ObjectKind::Failed => status.failed_objects_written += 1,
            }
        }
        tracing::debug!(key = object.key, records = object.records, bytes = object.bytes, "object written");
        if let Some(observer) = &self.components.observer {
            observer.object_delivered(object);
        }
    }

    fn find_end(&mut self, reply: oneshot::Sender<()>) {
        let (source, mut trying) = (Arc::clone(&self.components.source), self.trying());
        let end = async move {
            loop {
                match source.end().await {
                    Ok(end) => return (end, reply),
                    Err(error) => trying.failed(Stage::Source, error.to_string()).await,
                }
            }
        };
        self.ends.push(end.boxed());
    }
}

/// Waits for the future if there is one, else for ever.
async fn until<T>(future: &mut Option<BoxFuture<'static, T>>) -> T {
    match future {
        Some(future) => future.await,
        None => std::future::pending().await,
    }
}

/// Reads until there is something: records, or a place further on.
async fn read(
    source: Arc<dyn Source>,
    from: SourcePosition,
    (most_records, most_bytes): (usize, usize),
    mut trying: Trying,
) -> SourceBatch {
    loop {
        match source.read(from, most_records, most_bytes).await {
            Ok(batch) => {
                trying.worked(Stage::Source);
                if !batch.records.is_empty() || batch.next > from {
                    return batch;
                }
                source.wait(from).await;
            }
            Err(error) => trying.failed(Stage::Source, error.to_string()).await,
        }
    }
}

async fn load_progress(store: Arc<dyn PositionStore>, mut trying: Trying) -> Progress {
    loop {
        match store.load().await {
            Ok(progress) => {
                trying.worked(Stage::Positions);
                return progress.unwrap_or_default();
            }
            Err(error) => trying.failed(Stage::Positions, error.to_string()).await,
        }
    }
}

async fn store_progress(store: Arc<dyn PositionStore>, progress: Progress, mut trying: Trying) -> Progress {
    loop {
        match store.store(&progress).await {
            Ok(()) => {
                trying.worked(Stage::Positions);
                return progress;
            }
            Err(error) => trying.failed(Stage::Positions, error.to_string()).await,
        }
    }
}
