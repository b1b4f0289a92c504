//! The loop of one application, on a thread of its own.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use millstream_engine::{Application, ErrorRow, RestoreReport};
use millstream_host::Clock;
use millstream_streamlog::StreamKind;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};

use super::input::{LogInput, RawBatch};
use super::intake::Intake;
use super::outputs::{OutputPlan, OutputServices, Outputs, WaitingRows};
use super::preprocess::{Preprocessed, Preprocessor};
use super::reference_table::ReferenceTableRows;
use super::{ApplicationStatus, Counters};
use crate::catalog::{Catalog, StoredCheckpoint};
use crate::consumers::BufferConsumers;
use crate::error::StartError;
use crate::identifier::Identifiers;
use crate::live::Live;
use crate::pipeline::CheckedApplication;

/// An idle input says how late it is this often.
const BOUND_INTERVAL: Duration = Duration::from_millis(100);
/// A checkpoint is stored this often while there is something new.
const CHECKPOINT_INTERVAL: Duration = Duration::from_secs(3);
/// A drain waits at most so long for open windows to close; their state is kept in any case.
const LONGEST_WINDOW_WAIT: Duration = Duration::from_secs(60);
/// Before the source is read again after a failure.
const READ_RETRY: Duration = Duration::from_secs(1);

/// What an application works with.
pub(crate) struct ApplicationComponents {
    pub(crate) checked: CheckedApplication,
    pub(crate) seed: u64,
    pub(crate) input: LogInput,
    pub(crate) tables: Vec<ReferenceTableRows>,
    /// The state to go on from; without it the application begins afresh.
    pub(crate) engine_state: Option<Vec<u8>>,
    /// Rows of the last run that wait for their destinations.
    pub(crate) waiting_output: Option<Vec<u8>>,
    pub(crate) preprocessor: Option<Preprocessor>,
    pub(crate) outputs: Vec<OutputPlan>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) catalog: Catalog,
    pub(crate) consumers: Arc<BufferConsumers>,
    pub(crate) live: Arc<Live>,
    pub(crate) identifiers: Identifiers,
    pub(crate) runtime: Handle,
}

enum Command {
    /// Answers when everything that the source holds now has come out and arrived.
    Drain(oneshot::Sender<()>),
    Stop,
}

/// An application that runs.
pub(crate) struct RunningApplication {
    name: String,
    commands: mpsc::UnboundedSender<Command>,
    counters: Arc<Counters>,
    restored: RestoreReport,
    thread: Option<thread::JoinHandle<()>>,
}

impl RunningApplication {
    /// Builds the application, or restores it, and starts its thread.
    pub(crate) fn start(components: ApplicationComponents) -> Result<RunningApplication, StartError> {
        let name = components.checked.name.clone();
        let counters = Arc::new(Counters::default());
        let (commands, receiver) = mpsc::unbounded_channel();
        let runtime = components.runtime.clone();
        let (worker, restored) = Worker::new(components, Arc::clone(&counters))?;
        let thread = thread::Builder::new()
            .name(format!("application-{name}").chars().take(15).collect())
            .spawn(move || runtime.block_on(worker.run(receiver)))
            .map_err(StartError::Thread)?;
        Ok(RunningApplication { name, commands, counters, restored, thread: Some(thread) })
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn status(&self) -> ApplicationStatus {
        self.counters.status()
    }

    /// Rows that came out, by in-application stream.
    pub(crate) fn rows_by_stream(&self) -> BTreeMap<String, u64> {
        self.counters.rows_by_stream()
    }

    /// Which pumps went on from a checkpoint, and which began afresh.
    pub(crate) fn restored(&self) -> &RestoreReport {
        &self.restored
    }

    /// Asks it to drain, also while it is stopped by somebody else.
    pub(crate) fn drainer(&self) -> Drainer {
        Drainer { commands: self.commands.clone() }
    }

    /// Stops at once; the checkpoint keeps what is under way. Blocks until the thread has ended.
    pub(crate) fn stop(&mut self) {
        // It may have stopped already.
        let _ = self.commands.send(Command::Stop);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!(application = self.name, "the application's thread had panicked");
        }
    }
}

/// Drains an application.
pub(crate) struct Drainer {
    commands: mpsc::UnboundedSender<Command>,
}

impl Drainer {
    /// Waits until everything that the source holds now has come out and arrived, open windows included.
    pub(crate) async fn drain(&self) {
        let (reply, answer) = oneshot::channel();
        if self.commands.send(Command::Drain(reply)).is_ok() {
            // An error means that it has stopped: there is nothing to wait for.
            let _ = answer.await;
        }
    }
}

/// A drain under way.
struct Drain {
    /// The source's ends when it was asked for.
    ends: Vec<u64>,
    /// When the last open window closes, once all input is taken.
    closes_at: Option<i64>,
    reply: oneshot::Sender<()>,
}

struct Worker {
    name: String,
    application: Application,
    intake: Intake,
    input: LogInput,
    preprocessor: Option<Preprocessor>,
    outputs: Outputs,
    clock: Arc<dyn Clock>,
    catalog: Catalog,
    consumers: Arc<BufferConsumers>,
    live: Arc<Live>,
    counters: Arc<Counters>,
    drains: Vec<Drain>,
    checkpointed_at: i64,
    /// Rows or waiting output have changed since the last checkpoint.
    is_changed: bool,
}

impl Worker {
    fn new(
        components: ApplicationComponents,
        counters: Arc<Counters>,
    ) -> Result<(Worker, RestoreReport), StartError> {
        let ApplicationComponents {
            checked, seed, input, tables, engine_state, preprocessor, outputs, ..
        } = components;
        let name = checked.name.clone();
        let now = components.clock.now().millis();
        let settings = checked.settings(seed, now, false);
        let waiting: WaitingRows = match &components.waiting_output {
            Some(stored) => {
                postcard::from_bytes(stored).map_err(|_| StartError::WaitingOutput { name: name.clone() })?
            }
            None => WaitingRows::new(),
        };
        let mut restored = RestoreReport::default();
        let mut application = match engine_state {
            Some(stored) => {
                let (application, report) =
                    Application::restore_saved(checked.program.clone(), settings, &stored)
                        .map_err(|error| StartError::Checkpoint { name: name.clone(), error })?;
                for (pump, reason) in &report.started_from_scratch {
                    tracing::warn!(application = name, pump, "the pump starts from scratch: {reason}");
                }
                restored = report;
                application
            }
            None => Application::new(checked.program.clone(), settings)
                .map_err(|error| StartError::Application { name: name.clone(), error })?,
        };
        let mut table_errors = Vec::new();
        for table in tables {
            let id = application.program().table(&table.name).expect("the plan was made with this table");
            application.load_table(id, &table.rows).expect("the rows have the columns of the table");
            table_errors.extend(table.errors);
        }
        let services = OutputServices {
            application: name.clone(),
            counters: Arc::clone(&counters),
            live: Arc::clone(&components.live),
            clock: Arc::clone(&components.clock),
            identifiers: components.identifiers.clone(),
            runtime: components.runtime.clone(),
        };
        let outputs = Outputs::start(outputs, &mut application, waiting, &services);
        let intake = Intake::new(&checked, &application);
        let mut worker = Worker {
            name,
            intake,
            application,
            input,
            preprocessor,
            outputs,
            clock: components.clock,
            catalog: components.catalog,
            consumers: components.consumers,
            live: components.live,
            counters,
            drains: Vec::new(),
            checkpointed_at: now,
            is_changed: false,
        };
        worker.came_out(table_errors);
        Ok((worker, restored))
    }

    async fn run(mut self, mut commands: mpsc::UnboundedReceiver<Command>) {
        while self.step(&mut commands).await {}
        self.outputs.stop().await;
        self.checkpoint();
    }

    /// One round. False when the application shall stop.
    async fn step(&mut self, commands: &mut mpsc::UnboundedReceiver<Command>) -> bool {
        let batch = if self.outputs.are_full() { Ok(None) } else { self.input.read() };
        match batch {
            Ok(Some(batch)) => {
                let Some(preprocessed) = self.preprocess(&batch, commands).await else { return false };
                self.take(&batch, preprocessed);
                self.input.taken(&batch);
                // Commands are heard also when there is always something to read.
                while let Ok(command) = commands.try_recv() {
                    if !self.heard(Some(command)) {
                        return false;
                    }
                }
            }
            Ok(None) => {
                tokio::select! {
                    command = commands.recv() => if !self.heard(command) { return false },
                    () = self.input.changed() => {}
                    () = tokio::time::sleep(BOUND_INTERVAL) => {}
                }
                self.bound();
            }
            Err(error) => {
                let message = format!("the source cannot be read and is tried again: {error}");
                self.live.problem(self.clock.now(), &self.name, message, 1);
                tokio::select! {
                    command = commands.recv() => if !self.heard(command) { return false },
                    () = tokio::time::sleep(READ_RETRY) => {}
                }
                self.bound();
            }
        }
        let since = self.clock.now().millis().saturating_sub(self.checkpointed_at);
        if self.is_changed && since >= CHECKPOINT_INTERVAL.as_millis() as i64 {
            self.checkpoint();
        }
        self.answer_drains();
        true
    }

    /// False when the application shall stop.
    fn heard(&mut self, command: Option<Command>) -> bool {
        match command {
            Some(Command::Drain(reply)) => {
                match self.input.ends() {
                    Ok(ends) => self.drains.push(Drain { ends, closes_at: None, reply }),
                    Err(error) => tracing::warn!(application = self.name, %error, "cannot drain"),
                }
                true
            }
            Some(Command::Stop) | None => false,
        }
    }

    /// What each record came to; time goes on meanwhile. `None` when the application shall stop.
    async fn preprocess(
        &mut self,
        batch: &RawBatch,
        commands: &mut mpsc::UnboundedReceiver<Command>,
    ) -> Option<Vec<Preprocessed>> {
        let Some(preprocessor) = self.preprocessor.clone() else {
            return Some(
                batch.records.iter().map(|record| Preprocessed::Data(record.data.clone())).collect(),
            );
        };
        let mut run = std::pin::pin!(preprocessor.run(&batch.records));
        loop {
            tokio::select! {
                preprocessed = &mut run => return Some(preprocessed),
                command = commands.recv() => if !self.heard(command) { return None },
                () = tokio::time::sleep(BOUND_INTERVAL) => self.bound(),
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
            let message = format!("{rows} row(s) were refused: {error}");
            self.live.problem(self.clock.now(), &self.name, message, rows);
        }
        self.is_changed = true;
        self.came_out(taken.errors);
    }

    /// Time goes on.
    fn bound(&mut self) {
        let now = self.clock.now().millis();
        match self.intake.bound(&mut self.application, now) {
            Ok(false) => return,
            Ok(true) => {}
            Err(error) => self.live.problem(self.clock.now(), &self.name, error.to_string(), 1),
        }
        self.came_out(Vec::new());
    }

    fn came_out(&mut self, mut errors: Vec<ErrorRow>) {
        let before = self.counters.status().rows_out;
        self.outputs.collect(&mut self.application);
        self.is_changed |= self.counters.status().rows_out != before;
        errors.extend(self.application.take_errors());
        if let Some(newest) = errors.last() {
            let count = errors.len() as u64;
            self.counters.add(|status| status.error_rows += count);
            self.outputs.errors(&errors);
            let pump = if newest.pump_name.is_empty() { "the input" } else { &newest.pump_name };
            let message = format!(
                "{count} row(s) to error_stream; the newest from {pump}: {}: {}",
                newest.error_name, newest.message
            );
            self.live.problem(self.clock.now(), &self.name, message, count);
            self.is_changed = true;
        }
    }

    fn checkpoint(&mut self) {
        let now = self.clock.now();
        self.checkpointed_at = now.millis();
        let engine_state = match self.application.save() {
            Ok(state) => state,
            Err(error) => {
                self.live.problem(now, &self.name, format!("the state cannot be saved: {error}"), 1);
                return;
            }
        };
        let checkpoint = StoredCheckpoint {
            input: self.input.name(),
            input_positions: self.input.positions().to_vec(),
            engine_state,
            waiting_output: postcard::to_stdvec(&self.outputs.waiting())
                .expect("texts and bytes can be encoded"),
        };
        match self.catalog.put_checkpoint(&self.name, &checkpoint, now) {
            Ok(()) => {
                self.is_changed = !self.outputs.are_empty();
                self.counters.add(|status| status.checkpoints += 1);
                let key = self.input.key();
                if key.kind == StreamKind::Delivery {
                    let position = self.input.positions().first().copied().unwrap_or(0);
                    self.consumers.advanced(key.name.as_str(), &self.name, position);
                }
            }
            Err(error) => self.live.problem(now, &self.name, format!("no checkpoint: {error}"), 1),
        }
    }

    /// Answers the drains that are done.
    fn answer_drains(&mut self) {
        if self.drains.is_empty() {
            return;
        }
        let positions = self.input.positions().to_vec();
        let longest = self.clock.now().plus(LONGEST_WINDOW_WAIT).millis();
        for drain in &mut self.drains {
            let is_taken = positions.iter().zip(&drain.ends).all(|(position, end)| position >= end);
            if is_taken && drain.closes_at.is_none() {
                let end = self.intake.last_window_end(self.application.program());
                drain.closes_at = Some(end.unwrap_or(i64::MIN).min(longest));
            }
        }
        if !self.outputs.are_empty() {
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
