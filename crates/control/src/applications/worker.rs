//! The loop of one application, on a thread of its own.
//!
//! | file | holds |
//! |---|---|
//! | `guarding.rs` | changes and crashes: which rows wait for a checkpoint, and what is left to a successor |
//! | `storing.rs` | storing checkpoints, and rows that wait for one |
//! | `draining.rs` | those who wait until everything is through |
//! | this one | building it, and the loop |

mod draining;
mod guarding;
mod storing;

use std::sync::Arc;
use std::time::Duration;

use millstream_columns::formats::InputSchema;
use millstream_engine::{Application, RestoreReport};
use millstream_host::{Clock, Spawn};
use millstream_streamlog::{Log, MergedBatch, RecordView};
use millstream_wording::{agreeing, counted};
use tokio::sync::{mpsc, oneshot};

use self::guarding::Guarding;
use self::storing::{Release, Storing};
use super::Counters;
use super::checkpointing::{Cadence, Checkpoints};
use super::cut_texts::{CutTexts, InputCut};
use super::error_stream::ERROR_STREAM;
use super::failed_row::{FailedRow, InputErrors};
use super::handle::{ApplicationHandle, Command, Drain, Settling};
use super::incarnation::Incarnation;
use super::input::{ENGINE_RECORDS, EVENT_BYTES, EVENT_RECORDS, LogInput, RawRecord};
use super::intake::Intake;
use super::outputs::{OutputPlan, OutputServices, Outputs, WaitingRows};
use super::preprocess::{Preprocessed, Preprocessor};
use super::reference_table::ReferenceTableRows;
use super::rows_depend_on::RowsDependOn;
use super::slice_length::SliceLength;
use super::tail::{Tail, Tails, WaitingTails};
use super::wrong_shape::{HEADER_OF_INPUT, wrong_shape};
use crate::catalog::StoredCheckpoint;
use crate::definition::{Generation, ResourceId, StartingPosition};
use crate::live::Live;
use crate::pipeline::{CheckedApplication, RowtimeSource};
use crate::registry::Registry;
use crate::supervise::TaskScope;

/// An idle input says how late it is this often.
const BOUND_INTERVAL: Duration = Duration::from_millis(100);
/// Before the source is read again after a failure.
const READ_RETRY: Duration = Duration::from_secs(1);

/// A part that may fail and be tried again, as people see it.
const SOURCE: &str = "source";

/// What an application works with.
pub(crate) struct ApplicationComponents {
    pub(crate) id: ResourceId,
    /// That of its definition.
    pub(crate) generation: Generation,
    pub(crate) source: ResourceId,
    pub(crate) checked: CheckedApplication,
    pub(crate) seed: u64,
    pub(crate) input: LogInput,
    pub(crate) tables: Vec<ReferenceTableRows>,
    /// What to go on from; without it the application starts from scratch.
    pub(crate) checkpoint: Option<StoredCheckpoint>,
    /// Its number.
    pub(crate) follows: Option<i64>,
    /// Rows of the last run that wait for their destinations.
    pub(crate) waiting: WaitingRows,
    /// The first in which no row was ever numbered.
    pub(crate) next_epoch: u64,
    /// What its rows depend on besides the records.
    pub(crate) rows_depend_on: RowsDependOn,
    pub(crate) starting_position: Option<StartingPosition>,
    /// As JSON.
    pub(crate) definition: String,
    pub(crate) checkpoints: Checkpoints,
    pub(crate) incarnation: Incarnation,
    pub(crate) preprocessor: Option<Preprocessor>,
    pub(crate) outputs: Vec<OutputPlan>,
    pub(crate) scope: TaskScope,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) spawn: Spawn,
    pub(crate) log: Arc<Log>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) live: Arc<Live>,
    /// Readers of its rows, while it does not run.
    pub(crate) waiting_tails: WaitingTails,
}

/// Why an application could not be built.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BuildError {
    #[error(
        "it cannot go on from its checkpoint: {0}; use the version that wrote it, or let it start from scratch with \
         millstream reset application"
    )]
    Checkpoint(millstream_engine::CheckpointError),
    /// The rows of a reference table were refused.
    #[error(transparent)]
    Table(#[from] millstream_engine::TableError),
    #[error("{0}")]
    Compile(millstream_engine::CompileError),
    #[error("its first checkpoint cannot be stored: {0}")]
    FirstCheckpoint(String),
}

/// What came of records that were given to the preprocessing function.
enum Preprocessing {
    /// What it made of each; `None` when there is no function.
    Done(Option<Vec<Preprocessed>>),
    /// They are not to be taken any more.
    Abandoned,
    /// The application is to stop.
    Stopped,
}

/// An application that is ready to run.
pub(crate) struct Worker {
    id: ResourceId,
    source: ResourceId,
    epoch: u64,
    rows_depend_on: RowsDependOn,
    starting_position: Option<StartingPosition>,
    definition: String,
    /// The number of the checkpoint that it went on from, then of the last that it stored.
    follows: Option<i64>,
    name: Arc<str>,
    application: Application,
    intake: Intake,
    /// How much of it goes into the engine at once.
    slice_length: SliceLength,
    input: LogInput,
    preprocessor: Option<Preprocessor>,
    outputs: Outputs,
    tails: Tails,
    waiting_tails: WaitingTails,
    commands: mpsc::UnboundedReceiver<Command>,
    clock: Arc<dyn Clock>,
    spawn: Spawn,
    checkpoints: Checkpoints,
    incarnation: Incarnation,
    /// A checkpoint that is being stored.
    storing: Option<Storing>,
    cadence: Cadence,
    log: Arc<Log>,
    registry: Arc<Registry>,
    live: Arc<Live>,
    counters: Arc<Counters>,
    drains: Vec<Drain>,
    /// Who waits for a checkpoint.
    asked: Vec<oneshot::Sender<()>>,
    release: Release,
    guarding: Guarding,
    /// Who waits until it rests.
    settling: Vec<Settling>,
    has_settled: bool,
    /// Rows or waiting output have changed since the last checkpoint.
    is_changed: bool,
    /// Records that were gone before they were read, so far.
    lost_records: u64,
    /// Its rows cannot go on in the numbers of those that left before a crash: it ends without a checkpoint.
    must_begin_an_epoch: bool,
    schema: InputSchema,
    /// The first records have been compared with it.
    is_schema_checked: bool,
    cut_texts: CutTexts,
}

impl Worker {
    /// Builds the application, or restores it, and starts the tasks of its outputs. One that starts from scratch stores a
    /// first checkpoint, so that a crash does not make it start from scratch again. Waits for the disk.
    pub(crate) fn new(components: ApplicationComponents) -> Result<(Worker, ApplicationHandle), BuildError> {
        let ApplicationComponents { checked, seed, mut input, tables, preprocessor, outputs, .. } =
            components;
        let name: Arc<str> = checked.name.as_str().into();
        let (now, monotonic) = (components.clock.now(), components.clock.monotonic());
        // What starts from scratch has read nothing that could have gone.
        let lost = components.checkpoint.as_ref().map_or(0, |_| input.look_for_losses());
        let repeats_otherwise = components.checkpoint.as_ref().is_some_and(|checkpoint| {
            lost > 0
                || checked.switches.rowtime == RowtimeSource::Processing
                || checkpoint
                    .rows_depend_on
                    .is_some_and(|then| then != components.rows_depend_on.now(&components.registry.rows()))
        });
        let epoch = match &components.checkpoint {
            Some(checkpoint) if !repeats_otherwise => checkpoint.epoch,
            _ => components.next_epoch,
        };
        let settings = checked.settings(seed, now.millis(), checked.switches.has_virtual_clock());
        let mut restored = RestoreReport::default();
        let is_new = components.checkpoint.is_none();
        let mut application = match &components.checkpoint {
            Some(checkpoint) => {
                let (application, report) = components
                    .checkpoints
                    .restore(checked.program.clone(), settings, checkpoint)
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
            application.load_table(id, &table.rows)?;
            table_errors.extend(table.errors);
            if let Some(reason) = &table.wrong_shape {
                let text = format!("reference table \"{}\": {reason}", table.name);
                components.live.problem(now, &name, text, 1);
            }
        }
        if preprocessor.is_some() {
            input.limit(EVENT_RECORDS, EVENT_BYTES);
        }
        let counters = Arc::new(Counters::default());
        let services = OutputServices {
            application: name.to_string(),
            id: components.id,
            epoch,
            counters: Arc::clone(&counters),
            live: Arc::clone(&components.live),
            clock: Arc::clone(&components.clock),
            scope: components.scope,
        };
        let input_errors = components.checkpoint.as_ref().map_or(0, |checkpoint| checkpoint.input_errors);
        let shows_errors = outputs.iter().any(|output| output.from == ERROR_STREAM);
        let outputs = Outputs::start(outputs, &mut application, components.waiting, input_errors, &services);
        let intake = Intake::new(&checked, &application, shows_errors);
        let program = application.program();
        let (handle, commands) =
            ApplicationHandle::new(Arc::clone(&name), program, Arc::clone(&counters), restored);
        let stored_with = components.checkpoint.as_ref().and_then(|checkpoint| checkpoint.rows_depend_on);
        let changes = components.registry.changes();
        let guarding = Guarding::new(components.id, components.generation, changes, stored_with);
        let mut worker = Worker {
            id: components.id,
            source: components.source,
            epoch,
            rows_depend_on: components.rows_depend_on,
            starting_position: components.starting_position,
            definition: components.definition,
            follows: components.follows,
            name,
            intake,
            slice_length: SliceLength::new(ENGINE_RECORDS),
            application,
            input,
            preprocessor,
            outputs,
            tails: Tails::default(),
            waiting_tails: components.waiting_tails,
            commands,
            clock: components.clock,
            spawn: components.spawn,
            checkpoints: components.checkpoints,
            incarnation: components.incarnation,
            storing: None,
            cadence: if is_new { Cadence::new(monotonic) } else { Cadence::resumed() },
            log: components.log,
            registry: components.registry,
            live: components.live,
            counters,
            drains: Vec::new(),
            asked: Vec::new(),
            release: Release::Stored,
            guarding,
            settling: Vec::new(),
            has_settled: false,
            is_changed: false,
            lost_records: 0,
            must_begin_an_epoch: false,
            schema: checked.schema,
            is_schema_checked: false,
            cut_texts: CutTexts::default(),
        };
        worker.report_lost(lost);
        if is_new || repeats_otherwise {
            // Before a row comes out: whoever goes on from here numbers as this one does. Twice: should the newest checkpoint be
            // damaged, the one before it is of this run, too, and not of what ran before.
            for _ in 0..2 {
                let (snapshot, contents) = worker.snapshot().map_err(BuildError::FirstCheckpoint)?;
                worker.guarding.stored(contents.rows_depend_on);
                let stored = worker.checkpoints.store(&worker.incarnation, snapshot, contents, now);
                let number = stored.map_err(|error| BuildError::FirstCheckpoint(error.to_string()))?;
                worker.follows = Some(number);
            }
        }
        worker.collect(InputErrors::without_places(table_errors));
        Ok((worker, handle))
    }

    /// Works until it is stopped, then stores a last checkpoint.
    pub(crate) async fn run(mut self) {
        for tail in self.waiting_tails.take(self.id) {
            self.follow(tail);
        }
        while self.step().await {}
        self.finish_storing().await;
        if !self.must_begin_an_epoch {
            self.begin_checkpoint();
            self.finish_storing().await;
        }
    }

    /// Whether rows have left before a crash that have not come out again yet.
    fn is_behind(&self) -> bool {
        self.outputs.are_behind()
    }

    /// Somebody looks on from now on.
    fn follow(&mut self, tail: Tail) {
        if tail.stream == ERROR_STREAM {
            self.intake.read_all_metadata();
        }
        self.tails.add(tail, &mut self.application);
    }

    /// Readers wait for the next start; for one that has begun already they are too late.
    fn leave_tails(&mut self) {
        self.commands.close();
        let mut tails = std::mem::take(&mut self.tails).into_waiting();
        while let Ok(command) = self.commands.try_recv() {
            if let Command::Tail(tail) = command {
                tails.push(tail);
            }
        }
        match self.incarnation.hold() {
            Ok(_newest) => self.waiting_tails.leave(self.id, tails),
            Err(superseded) => tails.into_iter().for_each(|tail| tail.end(&superseded.to_string())),
        }
    }

    /// One round. False when the application is to stop.
    async fn step(&mut self) -> bool {
        // What was asked for comes before records that were put after it; also when there is always something to read.
        while let Ok(command) = self.commands.try_recv() {
            if !self.obey(Some(command)) {
                return false;
            }
        }
        self.look_at_guards();
        let batch = if self.outputs.are_full() || self.rests() { None } else { Some(self.input.read()) };
        match batch {
            Some(Ok(batch)) if !batch.is_empty() => {
                self.counters.retrying().worked(SOURCE);
                if !self.note_lost() {
                    return false;
                }
                match self.preprocess(&batch).await {
                    Preprocessing::Done(outcomes) => self.take_in_slices(&batch, outcomes.as_deref()),
                    Preprocessing::Abandoned => {}
                    Preprocessing::Stopped => return false,
                }
                // Others on this thread's runtime get their turn.
                tokio::task::yield_now().await;
            }
            Some(Ok(batch)) => {
                self.counters.retrying().worked(SOURCE);
                if !self.note_lost() {
                    return false;
                }
                self.input.advance(&batch);
                self.bound(batch.bound.millis());
                self.answer_drains();
                if !self.wait(BOUND_INTERVAL, true).await {
                    return false;
                }
            }
            None => {
                if !self.wait(BOUND_INTERVAL, false).await {
                    return false;
                }
            }
            Some(Err(error)) => {
                self.counters.retrying().failed(SOURCE, self.clock.now(), error.to_string());
                let message = format!("the source cannot be read and is tried again: {error}");
                self.live.problem(self.clock.now(), &self.name, message, 1);
                if !self.wait(READ_RETRY, false).await {
                    return false;
                }
            }
        }
        self.counters.set_lag_records(self.input.lag());
        self.store_what_is_due();
        self.answer_drains();
        self.answer_settled();
        true
    }

    /// Waits for a command, for input, or for some time. False when the application is to stop.
    async fn wait(&mut self, time: Duration, for_input: bool) -> bool {
        let is_settling = self.is_settling();
        tokio::select! {
            command = self.commands.recv() => self.obey(command),
            result = Worker::ended(&mut self.storing) => {
                self.stored(result);
                true
            }
            () = self.input.changed(), if for_input => true,
            () = self.outputs.settled(), if is_settling => true,
            () = self.clock.sleep(time) => true,
        }
    }

    /// Records that were trimmed before they were read are no silent loss. False when the application is to begin again: rows
    /// that left before a crash will not all come again, and what comes instead must not take their numbers. The next one
    /// finds the loss behind the newest checkpoint, and begins an epoch.
    fn note_lost(&mut self) -> bool {
        let lost = self.input.take_lost();
        if lost > 0 && self.is_behind() {
            self.must_begin_an_epoch = true;
            return false;
        }
        if lost > 0 {
            // Whoever reads again from the last checkpoint finds them gone, too, and begins an epoch: what comes out until the
            // next one would come twice.
            self.hold_until_stored();
        }
        self.report_lost(lost);
        true
    }

    fn report_lost(&mut self, lost: u64) {
        if lost > 0 {
            self.lost_records += lost;
            self.counters.add(|status| status.lost_records += lost);
            self.live.problem(self.clock.now(), &self.name, self.input.explain_lost(lost), lost);
        }
    }

    /// False when the application is to stop.
    fn obey(&mut self, command: Option<Command>) -> bool {
        match command {
            Some(Command::Drain(drain)) => {
                self.drains.push(drain);
                true
            }
            Some(Command::Checkpoint(reply)) => {
                self.asked.push(reply);
                true
            }
            Some(Command::Tail(tail)) => {
                self.follow(tail);
                true
            }
            Some(Command::Guard(asked)) => {
                self.take_guard(asked);
                true
            }
            Some(Command::Settle(settling)) => {
                self.settle(settling);
                true
            }
            Some(Command::Stop) | None => false,
        }
    }

    /// Lets the preprocessing function have the records, if there is one. That may take as long as the function is away:
    /// what has come out before is stored and delivered meanwhile.
    async fn preprocess(&mut self, batch: &MergedBatch) -> Preprocessing {
        let Some(preprocessor) = self.preprocessor.clone() else { return Preprocessing::Done(None) };
        let records: Vec<RawRecord> = batch.iter().map(RawRecord::of).collect();
        let counters = Arc::clone(&self.counters);
        let mut run = std::pin::pin!(preprocessor.run_noting(&records, counters.retrying()));
        loop {
            let outcomes = tokio::select! {
                outcomes = &mut run => Some(outcomes),
                goes_on = self.wait(BOUND_INTERVAL, false) => match goes_on {
                    true => None,
                    false => return Preprocessing::Stopped,
                },
            };
            // The function may be another one by now.
            self.look_at_guards();
            if self.rests() {
                // Whoever comes next reads the records again.
                return Preprocessing::Abandoned;
            }
            if let Some(outcomes) = outcomes {
                return Preprocessing::Done(Some(outcomes));
            }
            self.store_what_is_due();
        }
    }

    /// Gives records to the engine slice by slice, until all are taken, a destination has enough, or something is asked.
    fn take_in_slices(&mut self, batch: &MergedBatch, outcomes: Option<&[Preprocessed]>) {
        self.check_shape(batch, outcomes);
        let records: Vec<RecordView<'_>> = batch.iter().collect();
        let mut start = 0;
        while start < records.len() {
            let end = records.len().min(start + self.slice_length.get());
            start += self.take(&records[start..end], outcomes.map(|outcomes| &outcomes[start..end]));
            // What a function has made of the others is not thrown away for a command.
            let is_asked = outcomes.is_none() && !self.commands.is_empty();
            if start < records.len() && (is_asked || self.outputs.are_full()) {
                // The others are read again.
                self.input.advance_before(batch, &records[start..]);
                return;
            }
        }
        self.input.advance(batch);
        self.bound(batch.bound.millis());
    }

    /// Gives records to the engine and takes what comes out. Says how many it has taken.
    fn take(&mut self, records: &[RecordView<'_>], outcomes: Option<&[Preprocessed]>) -> usize {
        let now = self.clock.now().millis();
        let made_before = self.application.made_bytes();
        let report = self.intake.take(&mut self.application, records, outcomes, now);
        self.slice_length.made(report.records, self.application.made_bytes() - made_before);
        let taken = report.records;
        let bytes = |record: &RecordView<'_>| record.data().len() as u64;
        let (records, bytes) = (taken as u64, records[..taken].iter().map(bytes).sum());
        self.cadence.add(records, bytes);
        self.counters.add(|status| {
            status.records_in += records;
            status.bytes_in += bytes;
            status.dropped_records += report.dropped;
            status.rows_in += report.rows;
        });
        if let Some((rows, error)) = report.refused {
            let message = format!("{} refused: {error}", agreeing(rows as usize, "row was", "rows were"));
            self.live.problem(self.clock.now(), &self.name, message, rows);
        }
        for remark in report.remarks {
            // The rows are there.
            self.live.problem(self.clock.now(), &self.name, remark, 0);
        }
        self.is_changed = true;
        self.collect(report.errors);
        self.note_cut_texts(&report.cuts);
        taken
    }

    /// Counts texts that were cut: by columns of the input, and by those that pumps fill.
    fn note_cut_texts(&mut self, of_input: &[InputCut]) {
        let of_pumps = self.application.cut_texts();
        let mut said = Vec::new();
        for InputCut { stream, column, count, first } in of_input {
            let stream = &self.application.program().streams[stream.0].name;
            let column = &self.schema.columns[*column];
            said.extend(self.cut_texts.add(stream, &column.name, column.sql_type, *count, Some(*first)));
        }
        let mut has_cut = !of_input.is_empty();
        for cut in of_pumps {
            let new = cut.count.saturating_sub(self.cut_texts.of(&cut.stream, &cut.column));
            if new > 0 {
                has_cut = true;
                said.extend(self.cut_texts.add(&cut.stream, &cut.column, cut.sql_type, new, None));
            }
        }
        if has_cut {
            self.counters.set_cut_texts(self.cut_texts.counts());
        }
        for text in said {
            // The rows are there.
            self.live.problem(self.clock.now(), &self.name, text, 0);
        }
    }

    /// Says once when the first records look as if they were written in another way than the schema says.
    fn check_shape(&mut self, batch: &MergedBatch, outcomes: Option<&[Preprocessed]>) {
        /// Fewer say too little.
        const FEWEST: usize = 3;
        const MOST: usize = 100;
        if self.is_schema_checked || batch.len() < FEWEST {
            return;
        }
        self.is_schema_checked = true;
        let schema = &self.schema;
        let wrong = match outcomes {
            None => wrong_shape(schema, batch.iter().take(MOST).map(|record| record.data()), HEADER_OF_INPUT),
            Some(outcomes) => {
                let data = outcomes.iter().take(MOST).filter_map(|outcome| match outcome {
                    Preprocessed::Data(data) => Some(data.as_ref()),
                    Preprocessed::Dropped | Preprocessed::Failed(_) => None,
                });
                wrong_shape(schema, data, HEADER_OF_INPUT)
            }
        };
        if let Some(wrong) = wrong {
            let message = format!("its records do not match the format and columns of the input: {wrong}");
            // The rows are counted where they fail.
            self.live.problem(self.clock.now(), &self.name, message, 0);
        }
    }

    /// Time goes on.
    fn bound(&mut self, bound: i64) {
        let now = self.clock.now().millis();
        match self.intake.bound(&mut self.application, bound, now) {
            Ok(false) => return,
            Ok(true) => {}
            Err(error) => self.live.problem(self.clock.now(), &self.name, error.to_string(), 1),
        }
        self.collect(InputErrors::default());
        self.note_cut_texts(&[]);
    }

    /// Takes what has come out of the engine, and the errors of the input.
    fn collect(&mut self, input_errors: InputErrors) {
        let before = self.counters.status().rows_out;
        self.outputs.collect(&mut self.application, &mut self.tails);
        self.is_changed |= self.counters.status().rows_out != before;
        let pump_errors = self.application.take_errors();
        let Some(newest) = pump_errors.last().or(input_errors.rows().last()) else { return };
        let is_of_input = pump_errors.is_empty();
        let origin = if is_of_input { input_errors.origin() } else { &newest.pump_name };
        let place = input_errors.newest_place().filter(|_| is_of_input);
        let place = place.map(|place| format!(", {place}")).unwrap_or_default();
        let count = input_errors.rows().len() + pump_errors.len();
        let kind = format!("error_stream: {origin}: {}", newest.error_name);
        let message = format!(
            "{} went to error_stream; the newest from {origin}{place}: {}: {}",
            counted(count, "row"),
            newest.error_name,
            newest.message
        );
        self.live.problem_of(self.clock.now(), &self.name, &kind, message, count as u64);
        self.counters.add(|status| status.failed_records += input_errors.records());
        self.counters.add_errors(input_errors.rows());
        self.counters.add_errors(&pump_errors);
        self.tails.errors(input_errors.rows(), || input_errors.failed(self.input.key()));
        self.tails.errors(&pump_errors, || pump_errors.iter().map(FailedRow::of));
        self.outputs.errors(input_errors.rows(), &pump_errors);
        self.is_changed = true;
    }
}

impl Drop for Worker {
    /// However it ends.
    fn drop(&mut self) {
        self.leave_tails();
    }
}
