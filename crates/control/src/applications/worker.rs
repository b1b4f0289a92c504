//! The loop of one application, on a thread of its own.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use millstream_engine::{Application, ErrorRow, RestoreReport};
use millstream_host::Clock;
use millstream_sql::Program;
use millstream_streamlog::{Log, StreamKind};
use tokio::sync::{mpsc, oneshot};

use super::error_stream::ERROR_STREAM;
use super::input::{LogInput, RawBatch};
use super::intake::Intake;
use super::outputs::{OutputPlan, OutputServices, Outputs, WaitingRows};
use super::preprocess::{Preprocessed, Preprocessor};
use super::reference_table::ReferenceTableRows;
use super::tail::{Tail, Tails};
use super::{ApplicationStatus, Counters, counted};
use crate::catalog::{Catalog, StoredCheckpoint};
use crate::consumers;
use crate::definition::ResourceId;
use crate::identifier::Identifiers;
use crate::live::Live;
use crate::pipeline::CheckedApplication;
use crate::registry::Registry;
use crate::supervise::TaskScope;

/// An idle input says how late it is this often.
const BOUND_INTERVAL: Duration = Duration::from_millis(100);
/// A checkpoint is stored this often while there is something new.
const CHECKPOINT_INTERVAL: Duration = Duration::from_secs(3);
/// Before the source is read again after a failure.
const READ_RETRY: Duration = Duration::from_secs(1);

/// What an application works with.
pub(crate) struct ApplicationComponents {
    pub(crate) id: ResourceId,
    pub(crate) source: ResourceId,
    pub(crate) checked: CheckedApplication,
    pub(crate) seed: u64,
    pub(crate) input: LogInput,
    pub(crate) tables: Vec<ReferenceTableRows>,
    /// The state to go on from; without it the application starts from scratch.
    pub(crate) engine_state: Option<Vec<u8>>,
    /// Rows of the last run that wait for their destinations.
    pub(crate) waiting_output: Option<Vec<u8>>,
    pub(crate) preprocessor: Option<Preprocessor>,
    pub(crate) outputs: Vec<OutputPlan>,
    pub(crate) scope: TaskScope,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) catalog: Catalog,
    pub(crate) log: Arc<Log>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) live: Arc<Live>,
    pub(crate) identifiers: Identifiers,
}

/// Why an application could not be built.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BuildError {
    #[error("its waiting output in the catalog is damaged: restore the file from a copy")]
    WaitingOutput,
    #[error(
        "it cannot go on from its checkpoint: {0}; use the version that wrote it, or let it start from scratch with \
         millstream reset application"
    )]
    Checkpoint(millstream_engine::CheckpointError),
    #[error("{0}")]
    Compile(millstream_engine::CompileError),
}

enum Command {
    Drain(Drain),
    Tail(Tail),
    Stop,
}

/// Asks things of an application that runs. Cheap to clone.
#[derive(Clone)]
pub(crate) struct ApplicationHandle {
    name: Arc<str>,
    commands: mpsc::UnboundedSender<Command>,
    counters: Arc<Counters>,
    restored: Arc<RestoreReport>,
    /// The in-application streams, and the error stream.
    streams: Arc<[String]>,
    /// The pumps, each with the stream that it fills.
    pumps: Arc<[(String, String)]>,
}

impl ApplicationHandle {
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn status(&self) -> ApplicationStatus {
        self.counters.status()
    }

    /// The in-application streams by name, the error stream last.
    pub(crate) fn streams(&self) -> &[String] {
        &self.streams
    }

    /// The pumps, each with the stream that it fills.
    pub(crate) fn pumps(&self) -> impl Iterator<Item = &(String, String)> {
        self.pumps.iter()
    }

    /// Rows that came out, by in-application stream.
    pub(crate) fn rows_by_stream(&self) -> BTreeMap<String, u64> {
        self.counters.rows_by_stream()
    }

    /// Error rows, by their name.
    pub(crate) fn errors_by_name(&self) -> BTreeMap<String, u64> {
        self.counters.errors_by_name()
    }

    /// Records of the source that were not taken yet, when last looked at.
    pub(crate) fn lag_records(&self) -> u64 {
        self.counters.lag_records()
    }

    /// Which pumps went on from a checkpoint, and which started from scratch.
    pub(crate) fn restored(&self) -> &RestoreReport {
        &self.restored
    }

    /// Why the newest checkpoint could not be stored, if so.
    pub(crate) fn last_checkpoint_error(&self) -> Option<String> {
        self.counters.checkpoint_error()
    }

    /// Waits until everything that the source holds now has come out and arrived. With `close_windows` also until the
    /// windows that are open then have closed by themselves.
    pub(crate) async fn drain(&self, close_windows: bool) {
        let (reply, answer) = oneshot::channel();
        let drain = Drain { close_windows, ends: None, closes_at: None, reply };
        if self.commands.send(Command::Drain(drain)).is_ok() {
            // An error means that it has stopped: there is nothing to wait for.
            let _ = answer.await;
        }
    }

    /// Sends rows of an in-application stream to `tail` from now on.
    pub(crate) fn tail(&self, tail: Tail) {
        // One that has stopped drops it, which its reader sees.
        let _ = self.commands.send(Command::Tail(tail));
    }

    /// Ends it with a last checkpoint.
    pub(crate) fn stop(&self) {
        // It may have ended already.
        let _ = self.commands.send(Command::Stop);
    }
}

fn pumps_of(program: &Program) -> Arc<[(String, String)]> {
    let target = |pump: &millstream_sql::Pump| program.streams[pump.target.0].name.clone();
    program.pumps.iter().map(|pump| (pump.name.clone(), target(pump))).collect()
}

/// A drain under way.
struct Drain {
    close_windows: bool,
    /// The source's ends when it was asked for; `None` until they could be read.
    ends: Option<BTreeMap<u32, u64>>,
    /// When the last open window closes, once all input is taken.
    closes_at: Option<i64>,
    reply: oneshot::Sender<()>,
}

/// An application that is ready to run.
pub(crate) struct Worker {
    id: ResourceId,
    source: ResourceId,
    name: Arc<str>,
    application: Application,
    intake: Intake,
    input: LogInput,
    preprocessor: Option<Preprocessor>,
    outputs: Outputs,
    tails: Tails,
    commands: mpsc::UnboundedReceiver<Command>,
    clock: Arc<dyn Clock>,
    catalog: Catalog,
    log: Arc<Log>,
    registry: Arc<Registry>,
    live: Arc<Live>,
    counters: Arc<Counters>,
    drains: Vec<Drain>,
    checkpointed_at: i64,
    /// Rows or waiting output have changed since the last checkpoint.
    is_changed: bool,
}

impl Worker {
    /// Builds the application, or restores it, and starts the tasks of its outputs. Waits for the disk.
    pub(crate) fn new(components: ApplicationComponents) -> Result<(Worker, ApplicationHandle), BuildError> {
        let ApplicationComponents {
            checked, seed, input, tables, engine_state, preprocessor, outputs, ..
        } = components;
        let name: Arc<str> = checked.name.as_str().into();
        let now = components.clock.now().millis();
        let settings = checked.settings(seed, now, false);
        let waiting: WaitingRows = match &components.waiting_output {
            Some(stored) => postcard::from_bytes(stored).map_err(|_| BuildError::WaitingOutput)?,
            None => WaitingRows::new(),
        };
        let mut restored = RestoreReport::default();
        let mut application = match engine_state {
            Some(stored) => {
                let (application, report) =
                    Application::restore_saved(checked.program.clone(), settings, &stored)
                        .map_err(BuildError::Checkpoint)?;
                for (pump, reason) in &report.started_from_scratch {
                    tracing::warn!(application = &*name, pump, "the pump starts from scratch: {reason}");
                }
                restored = report;
                application
            }
            None => Application::new(checked.program.clone(), settings).map_err(BuildError::Compile)?,
        };
        let mut table_errors = Vec::new();
        for table in tables {
            let id = application.program().table(&table.name).expect("the plan was made with this table");
            application.load_table(id, &table.rows).expect("the rows have the columns of the table");
            table_errors.extend(table.errors);
        }
        let counters = Arc::new(Counters::default());
        let services = OutputServices {
            application: name.to_string(),
            counters: Arc::clone(&counters),
            live: Arc::clone(&components.live),
            clock: Arc::clone(&components.clock),
            identifiers: components.identifiers,
            scope: components.scope,
        };
        let outputs = Outputs::start(outputs, &mut application, waiting, &services);
        let intake = Intake::new(&checked, &application);
        let (sender, commands) = mpsc::unbounded_channel();
        let handle = ApplicationHandle {
            name: Arc::clone(&name),
            commands: sender,
            counters: Arc::clone(&counters),
            restored: Arc::new(restored),
            streams: application
                .program()
                .streams
                .iter()
                .map(|stream| stream.name.clone())
                .chain([ERROR_STREAM.to_owned()])
                .collect(),
            pumps: pumps_of(application.program()),
        };
        let mut worker = Worker {
            id: components.id,
            source: components.source,
            name,
            intake,
            application,
            input,
            preprocessor,
            outputs,
            tails: Tails::default(),
            commands,
            clock: components.clock,
            catalog: components.catalog,
            log: components.log,
            registry: components.registry,
            live: components.live,
            counters,
            drains: Vec::new(),
            checkpointed_at: now,
            is_changed: false,
        };
        worker.collect(table_errors);
        Ok((worker, handle))
    }

    /// Works until it is told to stop, then stores a last checkpoint.
    pub(crate) async fn run(mut self) {
        while self.step().await {}
        self.checkpoint();
    }

    /// One round. False when the application shall stop.
    async fn step(&mut self) -> bool {
        let batch = if self.outputs.are_full() { Ok(None) } else { self.input.read() };
        match batch {
            Ok(Some(batch)) => {
                let Some(preprocessed) = self.preprocess(&batch).await else { return false };
                self.take(&batch, preprocessed);
                self.input.advance(&batch);
                // Commands are obeyed also when there is always something to read.
                while let Ok(command) = self.commands.try_recv() {
                    if !self.obey(Some(command)) {
                        return false;
                    }
                }
            }
            Ok(None) => {
                tokio::select! {
                    command = self.commands.recv() => if !self.obey(command) { return false },
                    () = self.input.changed() => {}
                    () = self.clock.sleep(BOUND_INTERVAL) => {}
                }
                self.bound();
            }
            Err(error) => {
                let message = format!("the source cannot be read and is tried again: {error}");
                self.live.problem(self.clock.now(), &self.name, message, 1);
                tokio::select! {
                    command = self.commands.recv() => if !self.obey(command) { return false },
                    () = self.clock.sleep(READ_RETRY) => {}
                }
                self.bound();
            }
        }
        self.counters.set_lag_records(self.input.lag());
        let since = self.clock.now().millis().saturating_sub(self.checkpointed_at);
        if self.is_changed && since >= CHECKPOINT_INTERVAL.as_millis() as i64 {
            self.checkpoint();
        }
        self.answer_drains();
        true
    }

    /// False when the application shall stop.
    fn obey(&mut self, command: Option<Command>) -> bool {
        match command {
            Some(Command::Drain(drain)) => {
                self.drains.push(drain);
                true
            }
            Some(Command::Tail(tail)) => {
                self.tails.add(tail, &mut self.application);
                true
            }
            Some(Command::Stop) | None => false,
        }
    }

    /// What each record came to; time goes on meanwhile. `None` when the application shall stop.
    async fn preprocess(&mut self, batch: &RawBatch) -> Option<Vec<Preprocessed>> {
        let Some(preprocessor) = self.preprocessor.clone() else {
            return Some(
                batch.records.iter().map(|record| Preprocessed::Data(record.data.clone())).collect(),
            );
        };
        let mut run = std::pin::pin!(preprocessor.run(&batch.records));
        loop {
            tokio::select! {
                preprocessed = &mut run => return Some(preprocessed),
                command = self.commands.recv() => if !self.obey(command) { return None },
                () = self.clock.sleep(BOUND_INTERVAL) => self.bound(),
            }
        }
    }

    /// Gives records to the engine and takes what comes out.
    fn take(&mut self, batch: &RawBatch, preprocessed: Vec<Preprocessed>) {
        let now = self.clock.now().millis();
        let taken = self.intake.take(&mut self.application, batch, preprocessed, now);
        self.counters.add(|status| {
            status.records_in += batch.records.len() as u64;
            status.dropped_records += taken.dropped;
            status.rows_in += taken.rows;
        });
        if let Some((rows, error)) = taken.refused {
            let message = format!("{} refused: {error}", counted(rows as usize, "row was", "rows were"));
            self.live.problem(self.clock.now(), &self.name, message, rows);
        }
        self.is_changed = true;
        self.collect(taken.errors);
    }

    /// Time goes on.
    fn bound(&mut self) {
        let now = self.clock.now().millis();
        match self.intake.bound(&mut self.application, now) {
            Ok(false) => return,
            Ok(true) => {}
            Err(error) => self.live.problem(self.clock.now(), &self.name, error.to_string(), 1),
        }
        self.collect(Vec::new());
    }

    /// Takes what has come out of the engine.
    fn collect(&mut self, mut errors: Vec<ErrorRow>) {
        let before = self.counters.status().rows_out;
        self.outputs.collect(&mut self.application, &mut self.tails);
        self.is_changed |= self.counters.status().rows_out != before;
        errors.extend(self.application.take_errors());
        if let Some(newest) = errors.last() {
            let count = errors.len() as u64;
            self.counters.add_errors(&errors);
            self.outputs.errors(&errors);
            self.tails.errors(&errors);
            let pump = if newest.pump_name.is_empty() { "the input" } else { &newest.pump_name };
            let message = format!(
                "{} to error_stream; the newest from {pump}: {}: {}",
                counted(errors.len(), "row", "rows"),
                newest.error_name,
                newest.message
            );
            self.live.problem(self.clock.now(), &self.name, message, count);
            self.is_changed = true;
        }
    }

    fn checkpoint(&mut self) {
        let now = self.clock.now();
        self.checkpointed_at = now.millis();
        let stored = self.checkpoint_now();
        match &stored {
            Ok(()) => {
                self.is_changed = !self.outputs.are_empty();
                self.counters.add(|status| {
                    status.checkpoints += 1;
                    status.checkpointed_at = Some(now.millis());
                });
                if self.input.key().kind == StreamKind::Delivery {
                    consumers::trim_buffer(&self.log, &self.catalog, &self.registry, self.source);
                }
            }
            Err(error) => self.live.problem(now, &self.name, format!("no checkpoint: {error}"), 1),
        }
        self.counters.set_checkpoint_error(stored.err());
    }

    fn checkpoint_now(&mut self) -> Result<(), String> {
        let engine_state = self.application.save().map_err(|error| error.to_string())?;
        let checkpoint = StoredCheckpoint {
            source: self.source,
            positions: self.input.positions(),
            engine_state,
            waiting_output: postcard::to_stdvec(&self.outputs.waiting())
                .expect("texts and bytes can be encoded"),
        };
        let now = self.clock.now();
        self.catalog.put_checkpoint(self.id, &checkpoint, now).map_err(|error| error.to_string())
    }

    /// Answers the drains that are done.
    fn answer_drains(&mut self) {
        for drain in &mut self.drains {
            if drain.ends.is_none() {
                match self.input.ends() {
                    Ok(ends) => drain.ends = Some(ends),
                    Err(error) => tracing::warn!(application = &*self.name, %error, "cannot drain yet"),
                }
            }
            let is_taken = drain.ends.as_ref().is_some_and(|ends| self.input.has_reached(ends));
            if is_taken && drain.closes_at.is_none() {
                let end = self.intake.last_window_end(self.application.program());
                drain.closes_at = Some(end.filter(|_| drain.close_windows).unwrap_or(i64::MIN));
            }
        }
        if self.drains.is_empty() || !self.outputs.are_empty() {
            return;
        }
        let latest = self.intake.latest();
        let is_done = |drain: &mut Drain| drain.closes_at.is_some_and(|closes_at| latest >= closes_at);
        let done: Vec<Drain> = self.drains.extract_if(.., is_done).collect();
        if !done.is_empty() {
            self.checkpoint();
        }
        for drain in done {
            // Whoever asked may have gone.
            let _ = drain.reply.send(());
        }
    }
}
