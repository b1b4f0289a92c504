//! A running application: its streams, the pumps between them, and its state as a whole.
//!
//! ```text
//!   push(input, rows) ─▶ input stream ─▶ pump ─▶ stream ─▶ pump ─▶ stream ─▶ take_output(stream)
//!   bound(input, t)                        └─ row errors ─────────────────▶ take_errors()
//! ```
//!
//! Everything happens inside `push` and `bound`: an application has no clock or I/O of its own, and the same calls give
//! the same rows every time. Large batches go through several pumps at a time where the settings allow threads (`round`);
//! they have ended when the call returns, and no row, error or checkpoint tells how many there were.

mod checkpoint;
mod fan_out;
mod fixed_memory;
mod format_2;
mod manifest;
mod merge;
mod restore;
mod round;
mod row_limit;
mod settings;
mod snapshot;
mod tables;

pub use crate::compile_error::MemoryShortage;
pub use crate::error_row::ErrorRow;
pub use crate::state::{PART_BYTES, PartError, PartId, PartIdError, PartRef};
pub use checkpoint::{CheckpointError, read as read_saved_checkpoint};
pub use fixed_memory::{check_memory, fixed_memory};
pub use manifest::{Manifest, ManifestError};
pub use restore::{RestoreReport, ScratchReason, plan_restore};
pub use settings::{ApplicationSettings, SWITCHES, Switch, SwitchError, Switches};
pub use snapshot::{Snapshot, SnapshotError};
pub use tables::{TableError, TableRoom};

use crate::expression::{CompileError, EvaluationContext};
use crate::functions;
use crate::operators::{
    BuildSettings, Dataflow, END_OF_TIME, MadeOfRow, MemoryShare, Message, RunContext, Tables, Workers,
    states_of,
};
use arrow_array::{Array, BooleanArray};
use merge::Merge;
use millstream_columns::{Batch, ErrorName, RowError, RowErrors};
use millstream_sql::{ClockFunction, ExpressionKind, Node, Program, SqlType, Stream, StreamId};
use millstream_wording::counted;
use round::Delivery;
use row_limit::RowLimit;
use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

/// Why rows or bounds were refused. The application is then as it was before.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum PushError {
    /// The stream is not an input.
    #[error("stream \"{0}\" is not an input of the application")]
    NotAnInput(String),
    /// The columns are not those of the stream.
    #[error("input \"{stream}\" has {}, the rows have {found}", counted(*expected, "column"))]
    Columns {
        /// Name of the input.
        stream: String,
        /// Columns of the input.
        expected: usize,
        /// Columns of the rows.
        found: usize,
    },
    /// ROWTIME went backwards.
    #[error("input \"{stream}\" goes backwards: ROWTIME {found} ms after {latest} ms")]
    Backwards {
        /// Name of the input.
        stream: String,
        /// The largest ROWTIME or bound so far.
        latest: i64,
        /// The smaller one.
        found: i64,
    },
}

/// Texts that were longer than their column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CutTexts {
    /// The in-application stream.
    pub stream: String,
    /// Its column.
    pub column: String,
    /// The column's type, such as `VARCHAR(4)`.
    pub sql_type: SqlType,
    /// How many texts were cut.
    pub count: u64,
}

/// A running application.
pub struct Application {
    program: Program,
    settings: ApplicationSettings,
    pumps: Vec<RunningPump>,
    streams: Vec<StreamState>,
    tables: Tables,
    /// What every operator may hold.
    share: MemoryShare,
    errors: Vec<ErrorRow>,
    /// Row errors that have been taken, since the first start.
    errors_emitted: u64,
    /// Bytes of the rows and row errors that pumps have made.
    made_bytes: usize,
    /// How many rows go in before it is looked at what has come out, where that has a limit.
    rows_at_once: usize,
}

struct RunningPump {
    name: Arc<str>,
    /// CURRENT_TIMESTAMP: when this query first started.
    query_started: i64,
    target: StreamId,
    dataflow: Dataflow,
    /// Columns of the target that may not be NULL, with their names.
    not_null: Vec<(usize, String)>,
    target_types: Vec<SqlType>,
    row_limit: RowLimit,
    /// Which writer of its target this pump is.
    writer: usize,
    /// Rows must be handled one by one: see [`need_single_rows`].
    single_rows: bool,
}

/// Which pumps of a stream take a batch.
#[derive(Clone, Copy, PartialEq)]
enum Readers {
    All,
    /// Those that take rows in batches, or those that take them one by one.
    SingleRows(bool),
}

/// What pumps may know besides their messages.
#[derive(Clone, Copy)]
struct Surroundings<'a> {
    /// What the clock says, in milliseconds since the epoch.
    now: i64,
    virtual_clock: bool,
    tables: &'a Tables,
    share: MemoryShare,
    workers: Workers,
    /// Everything comes of one row of an input.
    is_one_row: bool,
}

impl Surroundings<'_> {
    /// For a run of a pump.
    fn context<'r>(
        &'r self,
        pump: &'r Arc<str>,
        query_started: i64,
        errors: &'r mut Vec<ErrorRow>,
    ) -> RunContext<'r> {
        let Surroundings { now, virtual_clock, tables, share, workers, is_one_row } = *self;
        let made_of_row = is_one_row.then(MadeOfRow::default);
        let evaluation = EvaluationContext { query_started, now, virtual_clock };
        RunContext { evaluation, pump, errors, tables, share, workers, is_tight: false, made_of_row }
    }
}

/// What a stream holds between two calls.
struct StreamState {
    merge: Merge,
    /// Rows for whoever reads the stream from outside.
    output: Vec<Batch>,
    wanted: bool,
    /// The largest ROWTIME or bound so far.
    latest: i64,
    /// Rows that have come out of it, since the first start.
    rows_emitted: u64,
    /// Of the rows of an input.
    row_limit: Option<RowLimit>,
}

impl Application {
    /// Builds the operators of a program. No rows are kept for [`Application::take_output`] until a stream is asked
    /// for by [`Application::subscribe`].
    ///
    /// # Errors
    /// When its forests do not fit the memory limit ([`check_memory`] tells before); when the plan contradicts itself,
    /// which the front end prevents.
    pub fn new(program: Program, settings: ApplicationSettings) -> Result<Application, CompileError> {
        check_memory(&program, &settings)?;
        let mut writers = vec![0_usize; program.streams.len()];
        let mut pumps = Vec::new();
        for (number, pump) in program.pumps.iter().enumerate() {
            if !(pump.started || settings.switches.pump_stopped_autostart) {
                continue;
            }
            let seed = settings.seed.wrapping_add((number as u64).wrapping_mul(0xd1b5_4a32_d192_ed03));
            let build_settings = BuildSettings {
                seed,
                range_excludes_lower_bound: settings.switches.range_lower_bound_exclusive,
                unmatched_logs_dropped: settings.switches.unmatched_logs_dropped,
                outer_join_reemits: settings.switches.outer_join_reemit,
            };
            // A state depends on the plan as it was compiled; switches are settings.
            let mut query = pump.query.clone();
            if settings.switches.tsdiff_end_minus_start {
                query.for_each_expression_mut(&mut functions::use_signed_tsdiff);
            }
            let dataflow = Dataflow::new(&query, states_of(&pump.query, &program), build_settings)?;
            let target = &program.streams[pump.target.0];
            let not_null = target
                .columns
                .iter()
                .enumerate()
                .filter(|(_, column)| column.not_null)
                .map(|(index, column)| (index, column.name.clone()));
            pumps.push(RunningPump {
                name: Arc::from(pump.name.as_str()),
                query_started: settings.query_started,
                target: pump.target,
                dataflow,
                not_null: not_null.collect(),
                target_types: target.columns.iter().map(|column| column.sql_type).collect(),
                row_limit: RowLimit::of_types(target.columns.iter().map(|column| column.sql_type).collect()),
                writer: writers[pump.target.0],
                single_rows: reads_row_clock(&pump.query),
            });
            writers[pump.target.0] += 1;
        }
        need_single_rows(&mut pumps, &writers, &program);
        let streams: Vec<StreamState> = writers
            .iter()
            .zip(&program.streams)
            .map(|(writers, stream)| StreamState {
                merge: Merge::new(
                    *writers,
                    &stream.columns.iter().map(|column| column.sql_type).collect::<Vec<_>>(),
                ),
                output: Vec::new(),
                wanted: false,
                latest: i64::MIN,
                rows_emitted: 0,
                row_limit: stream.is_input.then(|| {
                    RowLimit::of_types(stream.columns.iter().map(|column| column.sql_type).collect())
                }),
            })
            .collect();
        let tables = Tables { batches: vec![None; program.tables.len()], version: 0 };
        let holders = pumps.iter().map(|pump| pump.dataflow.holders()).sum::<usize>()
            + streams.iter().filter(|stream| stream.merge.holds_rows()).count();
        let fixed = fixed_memory(&program, &settings);
        let share = MemoryShare::new(settings.memory_limit, fixed, holders);
        let rows_at_once = fan_out::rows_at_once(&program);
        Ok(Application {
            program,
            settings,
            pumps,
            streams,
            tables,
            share,
            errors: Vec::new(),
            errors_emitted: 0,
            made_bytes: 0,
            rows_at_once,
        })
    }

    /// The plan that runs.
    pub fn program(&self) -> &Program {
        &self.program
    }

    /// Bytes that each pump holds of rows and groups, by its name, counted as for the memory limit.
    pub fn held_bytes(&self) -> Vec<(String, usize)> {
        self.pumps.iter().map(|pump| (pump.name.to_string(), pump.dataflow.held_bytes())).collect()
    }

    /// The columns of in-application streams into which pumps have put texts that were too long, cut to the length of the
    /// column as the service does, with their number since the application was built. In the order of the streams.
    pub fn cut_texts(&self) -> Vec<CutTexts> {
        let mut found: Vec<CutTexts> = Vec::new();
        for (id, stream) in self.program.streams.iter().enumerate() {
            let mut counts = vec![0; stream.columns.len()];
            for pump in self.pumps.iter().filter(|pump| pump.target.0 == id) {
                counts.iter_mut().zip(pump.dataflow.cut_texts()).for_each(|(sum, count)| *sum += count);
            }
            let cut = stream.columns.iter().zip(counts).filter(|(_, count)| *count > 0);
            found.extend(cut.map(|(column, count)| CutTexts {
                stream: stream.name.clone(),
                column: column.name.clone(),
                sql_type: column.sql_type,
                count,
            }));
        }
        found
    }

    /// Bytes of rows that wait in a stream for the rows of other pumps that write it.
    pub fn waiting_bytes(&self, stream: StreamId) -> usize {
        self.streams[stream.0].merge.held_bytes()
    }

    /// Keeps the rows of a stream for [`Application::take_output`] from now on.
    pub fn subscribe(&mut self, stream: StreamId) {
        self.streams[stream.0].wanted = true;
    }

    /// Keeps no more rows of a stream, and lets go of those that were not taken.
    pub fn unsubscribe(&mut self, stream: StreamId) {
        let state = &mut self.streams[stream.0];
        state.wanted = false;
        state.output = Vec::new();
    }

    /// The rows of a subscribed stream since the last call, in order.
    pub fn take_output(&mut self, stream: StreamId) -> Vec<Batch> {
        self.start();
        std::mem::take(&mut self.streams[stream.0].output)
    }

    /// The row errors since the last call, in order.
    pub fn take_errors(&mut self) -> Vec<ErrorRow> {
        self.start();
        self.errors_emitted += self.errors.len() as u64;
        std::mem::take(&mut self.errors)
    }

    /// Bytes of the rows and row errors that pumps have made since the application was built, counted as for the memory
    /// limit, whether anybody takes them or not.
    pub fn made_bytes(&self) -> usize {
        self.made_bytes
    }

    /// How many rows a stream has given since the first start, those that wait for [`Application::take_output`]
    /// included. Rows of a stream are numbered from 0 in the order in which they come out: the same input gives the same
    /// row the same number, also after a restore.
    pub fn rows_emitted(&self, stream: StreamId) -> u64 {
        self.streams[stream.0].rows_emitted
    }

    /// How many row errors [`Application::take_errors`] has given since the first start.
    pub fn errors_emitted(&self) -> u64 {
        self.errors_emitted
    }

    /// The next snapshot has to store everything.
    fn forget_stored_parts(&mut self) {
        self.pumps.iter_mut().for_each(|pump| pump.dataflow.forget_stored_parts());
    }

    /// Feeds rows to an input. `now` is the time of the clock in milliseconds since the epoch; on a virtual clock
    /// each row is handled at its own ROWTIME instead.
    ///
    /// # Errors
    /// When the rows do not belong to the input, or go backwards.
    pub fn push(&mut self, input: StreamId, batch: &Batch, now: i64) -> Result<(), PushError> {
        let mut taken = 0;
        while taken < batch.len() {
            let rest = batch.slice(taken, batch.len() - taken);
            taken += self.push_some(input, &rest, now, usize::MAX)?;
        }
        Ok(())
    }

    /// Feeds the first rows of a batch to an input, as [`Application::push`] does all of them, and says how many those are:
    /// one at least, if there are any. No more go in once so many bytes have come out of pumps, whether anybody takes them or
    /// not: that is looked at row by row where pumps take rows so, else after the more rows the fewer the plan can make of one.
    ///
    /// # Errors
    /// When the rows do not belong to the input, or go backwards.
    pub fn push_some(
        &mut self,
        input: StreamId,
        batch: &Batch,
        now: i64,
        most_bytes: usize,
    ) -> Result<usize, PushError> {
        let Some(first) = batch.rowtimes.first().copied() else { return Ok(0) };
        self.check_input(input, first)?;
        let stream = &self.program.streams[input.0];
        if batch.columns.len() != stream.columns.len() {
            return Err(PushError::Columns {
                stream: stream.name.clone(),
                expected: stream.columns.len(),
                found: batch.columns.len(),
            });
        }
        if let Some(step) = batch.rowtimes.windows(2).find(|pair| pair[1] < pair[0]) {
            let stream = stream.name.clone();
            return Err(PushError::Backwards { stream, latest: step[0], found: step[1] });
        }
        self.start();
        let rows_at_once = if most_bytes == usize::MAX { usize::MAX } else { self.rows_at_once };
        let (made_before, mut taken) = (self.made_bytes, 0);
        while taken < batch.len() {
            let left = most_bytes.saturating_sub(self.made_bytes - made_before);
            let rows = batch.slice(taken, rows_at_once.min(batch.len() - taken));
            taken += self.push_first(input, &rows, now, left);
            if self.made_bytes - made_before > most_bytes {
                break;
            }
        }
        Ok(taken)
    }

    /// Feeds the first of these rows to an input, one at least, and says how many.
    fn push_first(&mut self, input: StreamId, batch: &Batch, now: i64, most_bytes: usize) -> usize {
        let row_limit = self.streams[input.0].row_limit.as_ref();
        let small_enough = row_limit.map_or(batch.len(), |limit| limit.rows_within(batch));
        if small_enough == 0 {
            self.push_too_large(input, &batch.slice(0, 1), now);
            return 1;
        }
        let taken = self.push_one_by_one(input, &batch.slice(0, small_enough), now, most_bytes);
        self.push_together(input, &batch.slice(0, taken), batch.rowtimes[taken - 1], now);
        taken
    }

    /// A row that is too large for its input becomes an error; time goes on.
    fn push_too_large(&mut self, input: StreamId, row: &Batch, now: i64) {
        let virtual_clock = self.settings.virtual_clock;
        let time = if virtual_clock { row.rowtimes[0] } else { now };
        let clock =
            EvaluationContext { query_started: self.settings.query_started, now: time, virtual_clock };
        let row_limit = self.streams[input.0].row_limit.as_ref();
        let kept = row_limit.and_then(|limit| limit.refuse(row, &Arc::from(""), clock, &mut self.errors));
        // As with a row that goes in: what ends now leaves before anything of this time comes.
        if row.rowtimes[0] > self.streams[input.0].latest {
            self.streams[input.0].latest = row.rowtimes[0];
            self.run(input, vec![Message::Bound(row.rowtimes[0])], Readers::SingleRows(true), time);
        }
        self.push_together(input, kept.as_ref().unwrap_or(row), row.rowtimes[0], now);
    }

    /// Feeds rows to the pumps that take them one by one, until so many bytes have come out; gives how many rows those are.
    fn push_one_by_one(&mut self, input: StreamId, batch: &Batch, now: i64, most_bytes: usize) -> usize {
        if !self.pumps.iter().any(|pump| pump.single_rows && pump.dataflow.reads(input)) {
            return batch.len();
        }
        let made_before = self.made_bytes;
        let mut before = self.streams[input.0].latest;
        for row in 0..batch.len() {
            let rowtime = batch.rowtimes[row];
            let now = if self.settings.virtual_clock { rowtime } else { now };
            self.streams[input.0].latest = rowtime;
            // Time comes before the row, as it may have come by a bound: what ends now leaves first either way.
            if rowtime > before {
                before = rowtime;
                self.run(input, vec![Message::Bound(rowtime)], Readers::SingleRows(true), now);
            }
            let one = vec![Message::Rows(batch.slice(row, 1)), Message::Bound(rowtime)];
            self.run(input, one, Readers::SingleRows(true), now);
            if self.made_bytes - made_before > most_bytes {
                return row + 1;
            }
        }
        batch.len()
    }

    /// Feeds rows to the other pumps, and gives them out as rows of the input.
    fn push_together(&mut self, input: StreamId, batch: &Batch, last: i64, now: i64) {
        self.streams[input.0].latest = last;
        let now = if self.settings.virtual_clock { last } else { now };
        let messages = vec![Message::Rows(batch.clone()), Message::Bound(last)];
        self.run(input, messages, Readers::SingleRows(false), now);
    }

    /// Tells an input that its next row will have a ROWTIME of `bound` or later.
    ///
    /// # Errors
    /// When the stream is not an input. A bound below an earlier one has no effect, and is no error.
    pub fn bound(&mut self, input: StreamId, bound: i64, now: i64) -> Result<(), PushError> {
        if bound <= self.streams.get(input.0).map_or(i64::MAX, |stream| stream.latest) {
            return self.check_input(input, i64::MAX);
        }
        self.check_input(input, bound)?;
        self.start();
        self.streams[input.0].latest = bound;
        let now = if self.settings.virtual_clock { bound } else { now };
        self.run(input, vec![Message::Bound(bound)], Readers::All, now);
        Ok(())
    }

    /// All inputs have ended: gives all that windows, sorts and joins hold, each window with its own end as ROWTIME, and
    /// one that only a row would have ended with that of its latest row. No rows may follow: a later
    /// [`push`](Application::push) is refused as going backwards. `now` is the time of the clock; on a virtual clock
    /// it is that of the latest row.
    pub fn drain(&mut self, now: i64) {
        self.start();
        let latest = self.streams.iter().map(|stream| stream.latest).filter(|it| *it < END_OF_TIME).max();
        let now = latest.filter(|_| self.settings.virtual_clock).unwrap_or(now);
        let mut open: Vec<StreamId> = (0..self.streams.len()).map(StreamId).collect();
        // A stream has ended when the streams have that its pumps read.
        while let Some(place) = open.iter().position(|stream| self.has_ended(*stream, &open)) {
            let stream = open.remove(place);
            let mut messages = self.streams[stream.0].merge.end();
            messages.extend([Message::Bound(END_OF_TIME), Message::End]);
            self.streams[stream.0].latest = END_OF_TIME;
            self.run(stream, messages, Readers::All, now);
        }
    }

    /// Whether no pump that writes the stream reads one of those that are `open`.
    fn has_ended(&self, stream: StreamId, open: &[StreamId]) -> bool {
        let mut writers = self.pumps.iter().filter(|pump| pump.target == stream);
        writers.all(|pump| !pump.dataflow.sources().any(|source| open.contains(&source)))
    }

    /// Lets the rows go that ORDER BY … WITHIN holds for stragglers, and windows over them close as far as the inputs have
    /// come. Bounds alone do not: a stop that is to leave nothing behind asks for it. Rows may follow; those that belong
    /// before what has left are out of order.
    pub fn release_sorted(&mut self, now: i64) {
        self.start();
        let inputs: Vec<StreamId> =
            (0..self.streams.len()).map(StreamId).filter(|it| self.program.streams[it.0].is_input).collect();
        for input in inputs {
            self.run(input, vec![Message::Release], Readers::All, now);
        }
    }

    /// The largest ROWTIME or bound that an input has seen; `None` before the first.
    pub fn latest(&self, input: StreamId) -> Option<i64> {
        Some(self.streams[input.0].latest).filter(|latest| *latest != i64::MIN)
    }

    fn check_input(&self, input: StreamId, time: i64) -> Result<(), PushError> {
        let stream = &self.program.streams[input.0];
        if !stream.is_input {
            return Err(PushError::NotAnInput(stream.name.clone()));
        }
        let latest = self.streams[input.0].latest;
        if time < latest {
            return Err(PushError::Backwards { stream: stream.name.clone(), latest, found: time });
        }
        Ok(())
    }

    /// Runs the INSERTs that run once, the first time that anything goes in or is asked for: reference tables are there
    /// by then.
    fn start(&mut self) {
        let now = self.settings.query_started;
        let virtual_clock = self.settings.virtual_clock;
        for index in 0..self.pumps.len() {
            let pump = &mut self.pumps[index];
            let (tables, share, workers) = (&self.tables, self.share, Workers::ONE);
            let is_one_row = false;
            let surroundings = Surroundings { now, virtual_clock, tables, share, workers, is_one_row };
            let given = pump.run_once(surroundings, &mut self.errors);
            if given.is_empty() {
                continue;
            }
            let target = pump.target;
            let released = self.merge(index, given, now);
            self.run(target, released, Readers::All, now);
        }
    }

    /// What the stream that a pump writes gives when the pump has given these messages.
    fn merge(&mut self, pump: usize, messages: Vec<Message>, now: i64) -> Vec<Message> {
        let RunningPump { name, target, target_types, writer, .. } = &self.pumps[pump];
        let stream = &self.program.streams[target.0].name;
        let (share, errors) = (self.share, &mut self.errors);
        let clock = EvaluationContext {
            query_started: self.settings.query_started,
            now,
            virtual_clock: self.settings.virtual_clock,
        };
        self.streams[target.0].merge.take(*writer, messages, share, &mut |rows, held| {
            let error = share.no_room_to_wait(stream, held);
            errors.extend(
                (0..rows.len())
                    .map(|row| ErrorRow::of_batch_row(&error, rows, row, target_types, name, clock)),
            );
        })
    }

    /// Carries messages of a stream through some of its pumps and all pumps behind them, round by round. The front end
    /// refuses circles of pumps, so the rounds come to an end.
    fn run(&mut self, stream: StreamId, messages: Vec<Message>, readers: Readers, now: i64) {
        let virtual_clock = self.settings.virtual_clock;
        let workers =
            Workers { threads: self.settings.threads, worthwhile: self.settings.nanoseconds_worth_a_thread };
        let rows =
            messages.iter().map(|message| if let Message::Rows(batch) = message { batch.len() } else { 0 });
        let is_one_row = readers == Readers::SingleRows(true) && rows.sum::<usize>() == 1;
        let mut round = vec![Delivery { stream, messages, readers }];
        while !round.is_empty() {
            for Delivery { stream, messages, readers } in &round {
                let state = &mut self.streams[stream.0];
                // What goes to the pumps row by row has come out as a batch before.
                if *readers == Readers::SingleRows(true) {
                    continue;
                }
                for message in messages {
                    if let Message::Rows(batch) = message {
                        state.rows_emitted += batch.len() as u64;
                        if state.wanted {
                            state.output.push(batch.clone());
                        }
                    }
                }
            }
            let mut next = Vec::new();
            let (tables, share) = (&self.tables, self.share);
            let surroundings = Surroundings { now, virtual_clock, tables, share, workers, is_one_row };
            for given in round::run(&mut self.pumps, &round, surroundings) {
                let target = self.pumps[given.pump].target;
                let rows = self.streams[target.0].merge.bytes_of(&given.messages);
                self.made_bytes = self.made_bytes.saturating_add(rows + bytes_of_errors(&given.errors));
                self.errors.extend(given.errors);
                let messages = self.merge(given.pump, given.messages, now);
                if !messages.is_empty() {
                    next.push(Delivery { stream: target, messages, readers: Readers::All });
                }
            }
            round = next;
        }
    }
}

impl RunningPump {
    fn run(
        &mut self,
        stream: StreamId,
        messages: &[Message],
        surroundings: Surroundings<'_>,
        errors: &mut Vec<ErrorRow>,
    ) -> Vec<Message> {
        let mut context = surroundings.context(&self.name, self.query_started, errors);
        let messages = self.dataflow.run(stream, messages, &mut context);
        self.checked(messages, &mut context)
    }

    /// The rows of an INSERT that runs once; nothing the second time, and nothing of a pump.
    fn run_once(&mut self, surroundings: Surroundings<'_>, errors: &mut Vec<ErrorRow>) -> Vec<Message> {
        let mut context = surroundings.context(&self.name, self.query_started, errors);
        let messages = self.dataflow.run_once(&mut context);
        self.checked(messages, &mut context)
    }

    /// Takes out the rows that the target does not take.
    fn checked(&self, mut messages: Vec<Message>, context: &mut RunContext<'_>) -> Vec<Message> {
        for message in &mut messages {
            if let Message::Rows(batch) = message
                && let Some(kept) =
                    self.row_limit.refuse(batch, &self.name, context.evaluation, context.errors)
            {
                *batch = kept;
            }
        }
        if !self.not_null.is_empty() {
            for message in &mut messages {
                if let Message::Rows(batch) = message {
                    *batch = refuse_nulls(batch, &self.not_null, &self.target_types, context);
                }
            }
        }
        messages
    }
}

fn bytes_of_errors(errors: &[ErrorRow]) -> usize {
    let texts = |error: &ErrorRow| error.message.len() + error.data_row.len();
    errors.iter().map(|error| size_of::<ErrorRow>() + texts(error)).sum()
}

/// Takes out the rows with NULL in a NOT NULL column.
fn refuse_nulls(
    batch: &Batch,
    not_null: &[(usize, String)],
    types: &[SqlType],
    context: &mut RunContext<'_>,
) -> Batch {
    let mut errors = RowErrors::default();
    for (column, name) in not_null.iter().filter(|(column, _)| batch.columns[*column].null_count() > 0) {
        for row in 0..batch.len() {
            if batch.columns[*column].is_null(row) {
                let message = format!("column \"{name}\" is NOT NULL");
                errors.push(row, RowError::new(ErrorName::NullViolation, message));
            }
        }
    }
    if errors.is_empty() {
        return batch.clone();
    }
    errors.settle();
    let mut kept = vec![true; batch.len()];
    for (row, error) in errors.iter() {
        kept[row] = false;
        let error = ErrorRow::of_batch_row(error, batch, row, types, context.pump, context.evaluation);
        context.errors.push(error);
    }
    batch.filter(&BooleanArray::from(kept)).expect("the mask has one value for each row")
}

/// Marks the pumps whose rows must go one by one for the output to be independent of batches: where several pumps write
/// one stream, rows of one ROWTIME leave in the order in which they came; and CURRENT_ROW_TIMESTAMP, which is marked
/// already, differs from row to row. So does a query that reads rows of one input by two paths, by a join or a UNION ALL.
/// What feeds such a pump is one itself.
fn need_single_rows(pumps: &mut [RunningPump], writers: &[usize], program: &Program) {
    let inputs = inputs_of_streams(pumps, program);
    for pump in pumps.iter_mut() {
        pump.single_rows |= writers[pump.target.0] > 1 || {
            let mut seen = HashSet::new();
            let mut reached = pump.dataflow.sources().flat_map(|source| &inputs[source.0]);
            !reached.all(|input| seen.insert(*input))
        };
    }
    loop {
        let single = pumps.iter().filter(|pump| pump.single_rows);
        let sources: Vec<StreamId> = single.flat_map(|pump| pump.dataflow.sources()).collect();
        let mut changed = false;
        for pump in pumps.iter_mut().filter(|pump| !pump.single_rows && sources.contains(&pump.target)) {
            pump.single_rows = true;
            changed = true;
        }
        if !changed {
            return;
        }
    }
}

/// The inputs whose rows reach each stream.
fn inputs_of_streams(pumps: &[RunningPump], program: &Program) -> Vec<BTreeSet<usize>> {
    let streams = program.streams.iter().enumerate();
    let own = |(index, stream): (usize, &Stream)| stream.is_input.then_some(index).into_iter().collect();
    let mut inputs: Vec<BTreeSet<usize>> = streams.map(own).collect();
    // A chain of pumps is at most as long as there are pumps.
    for _ in 0..pumps.len() {
        for pump in pumps {
            let reached: Vec<usize> =
                pump.dataflow.sources().flat_map(|source| inputs[source.0].clone()).collect();
            inputs[pump.target.0].extend(reached);
        }
    }
    inputs
}

fn reads_row_clock(query: &Node) -> bool {
    let mut found = false;
    query.walk(&mut |node| {
        found |= node.expressions().iter().any(|expression| {
            expression.any(&mut |e| e.kind == ExpressionKind::Clock(ClockFunction::RowTimestamp))
        });
    });
    found
}
