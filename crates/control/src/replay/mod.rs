//! An application over recorded data on a virtual clock: the same data gives the same rows, as fast as it goes.
//!
//! ```text
//!   records ─▶ preprocessing function (if declared) ─▶ parser ─▶ ROWTIME from a column ─▶ sorted ─▶ engine ─▶ rows
//!                                                           └──▶ or from a rate ─────────────────┘
//! ```
//!
//! Rows whose time comes from a column go into the engine in the order of their times, whatever the order of their
//! records: rows wait until none can come that belongs before them. After the last record the inputs have ended: every
//! window that holds a row gives what it has.

mod reorder;
mod rowtime;

use std::collections::VecDeque;
use std::sync::Arc;

use arrow_array::BooleanArray;
use arrow_buffer::ScalarBuffer;
use bytes::Bytes;
use millstream_columns::formats::{InputSchema, OutputColumn, OutputFormat, OutputWriter};
use millstream_columns::{Batch, ErrorName};
use millstream_engine::{Application, CompileError, CutTexts, ErrorRow, PushError, TableError};
use millstream_host::{Clock, ManualClock, Random, Spawn, Timestamp};
use millstream_monitor::{Location, Monitor, MonitorSettings};
use millstream_sql::{SqlType, StreamId};
use millstream_streamlog::StreamKey;

pub use reorder::OrderError;
pub use rowtime::{LEAST_RATE, RowtimeError, Rowtimes, parse_instant};

use reorder::Reorder;
use rowtime::RowTimes;

pub use crate::applications::EmptyColumn;
use crate::applications::{
    ENGINE_RECORDS, EVENT_RECORDS, EmptyColumns, Failure, HEADER_OF_INPUT, MOST_MADE, Preprocessed,
    Preprocessor, RawRecord, ReadTableError, RowReader, SliceLength, TextColumn, read_file, table_of,
    wrong_shape,
};
use crate::connect::monitor_to_functions::MonitorServices;
use crate::definition::{Definition, ReferencePlace};
use crate::feeds::SourceBatch;
use crate::header_order::header_in_other_order;
use crate::live::Live;
use crate::pipeline::{CheckedApplication, Pipeline, PreprocessorTimeUnit};
use crate::resources::function::FunctionServices;
use crate::resources::{endpoint, function};
use crate::slots::Slots;
use crate::world::CallableFunction;

/// What a recorded record says of its source.
const SHARD: &str = "shardId-000000000000";
const PARTITION_KEY: &str = "replay";

/// Why a replay did not go on.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The plan cannot run.
    #[error(transparent)]
    Compile(#[from] CompileError),
    /// The engine refused a batch.
    #[error(transparent)]
    Push(#[from] PushError),
    /// The rows of a reference table were refused.
    #[error(transparent)]
    Table(#[from] TableError),
    /// Nothing can give times to the rows.
    #[error(transparent)]
    Rowtime(#[from] RowtimeError),
    /// The order of rows cannot be restored.
    #[error(transparent)]
    Order(#[from] OrderError),
    /// A reference table cannot be read.
    #[error("reference table \"{table}\" cannot be read: {reason}")]
    ReferenceTable {
        /// Its name.
        table: String,
        /// Why not.
        reason: String,
    },
    /// The preprocessing function cannot be built.
    #[error("the preprocessing function cannot run: {0}")]
    Function(String),
}

/// A row that came out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplayedRow {
    /// Of which in-application stream.
    pub stream: String,
    /// Its ROWTIME.
    pub rowtime: i64,
    /// Its columns as one JSON object.
    pub json: String,
}

/// What has failed.
#[derive(Clone, Debug, PartialEq)]
pub struct ReplayedError {
    /// The number of its record, from 1; `None` for what fails in a pump.
    pub record: Option<u64>,
    /// As the error stream shows it.
    pub row: ErrorRow,
}

/// An output stream that is watched.
struct Watched {
    name: String,
    stream: StreamId,
    writer: OutputWriter,
}

/// A replay under way.
pub struct Replay {
    application: Application,
    reader: RowReader,
    /// The input streams; rows go to the first.
    inputs: Vec<StreamId>,
    rowtimes: Rowtimes,
    preprocessor: Option<Preprocessor>,
    watched: Vec<Watched>,
    rows: Vec<ReplayedRow>,
    errors: Vec<ReplayedError>,
    table_remarks: Vec<String>,
    schema: InputSchema,
    /// Looked at once, with the first records.
    wrong_shape: Option<Option<String>>,
    /// Without it rows come in order.
    reorder: Option<Reorder>,
    /// Rows whose turn has come.
    ready: VecDeque<Batch>,
    slice_length: SliceLength,
    latest: Option<i64>,
    records_in: u64,
    rows_in: u64,
    /// For each column of the records, its name, type, and how many texts were cut to its length.
    cut_values: Vec<(String, SqlType, u64)>,
    empty_columns: EmptyColumns,
}

impl Replay {
    /// A replay of an application; watches every stream that a pump fills.
    ///
    /// # Errors
    /// The plan cannot run, or the time column does not fit.
    pub fn new(checked: &CheckedApplication, seed: u64, rowtimes: Rowtimes) -> Result<Replay, ReplayError> {
        let rowtimes = rowtimes.bound_to(&checked.schema)?;
        let reorder = (!rowtimes.are_in_order()).then(|| Reorder::new(None));
        let settings = checked.settings(seed, rowtimes.start(), true);
        let mut application = Application::new(checked.program.clone(), settings)?;
        let program = application.program().clone();
        let (mut errors, mut table_remarks) = (Vec::new(), Vec::new());
        for reference in &checked.references {
            let failed =
                |reason: String| ReplayError::ReferenceTable { table: reference.name.clone(), reason };
            let ReferencePlace::File(path) = &reference.place else {
                let reason = "it is in a bucket; a replay reads tables only from files, named with path";
                return Err(failed(reason.to_owned()));
            };
            let bytes = read_file(path.as_path()).map_err(failed)?;
            let read = table_of(reference, checked.table_room(reference), &bytes, rowtimes.start());
            let table = read.map_err(|error| match error {
                ReadTableError::Unreadable(reason) => failed(reason),
                ReadTableError::Table(error) => error.into(),
            })?;
            let id = program.table(&table.name).expect("the plan was made with this table");
            application.load_table(id, &table.rows)?;
            errors.extend(table.errors.into_iter().map(|row| ReplayedError { record: None, row }));
            let remark = |reason| format!("reference table \"{}\": {reason}", reference.name);
            table_remarks.extend(table.wrong_shape.map(remark));
        }
        let stream = |name: &String| program.stream(name).expect("the plan was made with these inputs");
        let inputs = checked.input_streams.iter().map(stream).collect();
        let mut filled: Vec<StreamId> = program.pumps.iter().map(|pump| pump.target).collect();
        filled.sort_by_key(|stream| stream.0);
        filled.dedup();
        let watched = filled.into_iter().map(|stream| {
            application.subscribe(stream);
            let declared = &program.streams[stream.0];
            let columns = declared.columns.iter();
            let columns =
                columns.map(|column| OutputColumn { name: column.name.clone(), sql_type: column.sql_type });
            let writer = OutputWriter::new(OutputFormat::Json { newline: false }, columns.collect());
            Watched { name: declared.name.clone(), stream, writer }
        });
        let watched = watched.collect();
        let columns = checked.schema.columns.iter();
        let cut_values = columns.map(|column| (column.name.clone(), column.sql_type, 0)).collect();
        Ok(Replay {
            application,
            reader: RowReader::new(checked, false),
            inputs,
            rowtimes,
            preprocessor: None,
            watched,
            rows: Vec::new(),
            errors,
            table_remarks,
            schema: checked.schema.clone(),
            wrong_shape: None,
            reorder,
            ready: VecDeque::new(),
            slice_length: SliceLength::new(ENGINE_RECORDS),
            latest: None,
            records_in: 0,
            rows_in: 0,
            empty_columns: EmptyColumns::new(&checked.schema),
            cut_values,
        })
    }

    /// Rows whose time comes from a column wait only for this many milliseconds of time; without it, for the whole input.
    #[must_use]
    pub fn with_lateness(mut self, millis: i64) -> Replay {
        if self.reorder.is_some() {
            self.reorder = Some(Reorder::new(Some(millis)));
        }
        self
    }

    /// Lets every record go first through the function that the pipeline declares for the application. To be called
    /// within a tokio runtime.
    ///
    /// # Errors
    /// The function or its endpoint cannot be built.
    pub async fn with_preprocessor(
        mut self,
        pipeline: &Pipeline,
        application: &str,
    ) -> Result<Replay, ReplayError> {
        let found = pipeline.desired.iter().find_map(|one| match &one.definition {
            Definition::Application(found) if one.name == application => Some(found),
            _ => None,
        });
        let Some(found) = found else { return Ok(self) };
        let Some(wanted) = &found.input.preprocessor else { return Ok(self) };
        let failed = |reason: &dyn std::fmt::Display| ReplayError::Function(reason.to_string());
        let spawn = Spawn::current();
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::starting_at(Timestamp(self.rowtimes.start())));
        let monitor = Monitor::open(
            &Location::Memory,
            MonitorSettings::default(),
            Arc::clone(&clock),
            Random::from_seed(0),
        )
        .map_err(|error| failed(&error))?;
        let endpoints = Slots::default();
        let metric = |name: &str| {
            pipeline.desired.iter().find_map(|one| match &one.definition {
                Definition::Metric(metric) if one.name == name => Some(metric.clone()),
                _ => None,
            })
        };
        let functions: Slots<CallableFunction> = Slots::default();
        let function = functions.slot(wanted);
        for one in &pipeline.desired {
            match &one.definition {
                Definition::Endpoint(definition) => {
                    let server = endpoint::open(definition, &spawn).await;
                    let server = server.map_err(|error| failed(&error.reason))?;
                    // Held by the slot, which the function holds.
                    let slot = endpoints.slot(&one.name);
                    slot.replace(Some(server));
                }
                Definition::Function(definition) if one.name == *wanted => {
                    let services = FunctionServices {
                        clock: Arc::clone(&clock),
                        monitor: MonitorServices::new(monitor.clone(), spawn.clone()),
                        endpoints: &endpoints,
                        metric: &metric,
                        log: None,
                        live: Arc::new(Live::new()),
                    };
                    let built = function::build(&one.name, definition, &services);
                    function.replace(Some(Arc::new(built.map_err(|error| failed(&error.reason))?)));
                }
                _ => {}
            }
        }
        self.preprocessor = Some(Preprocessor {
            function,
            application: application.to_owned(),
            time_unit: PreprocessorTimeUnit::default(),
            source: StreamKey::data("replay".parse().expect("letters name a stream")),
            clock,
            live: Arc::new(Live::new()),
        });
        Ok(self)
    }

    /// Takes records in. Their rows may wait: [`Self::advance`].
    ///
    /// # Errors
    /// A row comes too late, or the engine refuses the batch.
    pub async fn push(&mut self, batch: &SourceBatch) -> Result<(), ReplayError> {
        let first_number = self.records_in + 1;
        self.records_in += batch.len() as u64;
        let outcomes = match self.preprocessor.clone() {
            Some(preprocessor) => Some(self.preprocess(preprocessor, batch, first_number).await),
            None => None,
        };
        let read = match &outcomes {
            Some(outcomes) => self.reader.read_preprocessed(batch.iter(), outcomes),
            None => {
                if self.wrong_shape.is_none() {
                    self.wrong_shape = Some(wrong_shape(&self.schema, batch.iter(), HEADER_OF_INPUT));
                }
                self.reader.read_all(batch.bytes(), batch.ends())
            }
        };
        // What was parsed of a record.
        let raw_of = |record: u32| match outcomes.as_ref().map(|outcomes| &outcomes[record as usize]) {
            Some(Preprocessed::Data(data)) => data.to_vec(),
            _ => batch.record(record as usize).to_vec(),
        };
        let number_of = |record: u32| first_number + u64::from(record);
        for ((_, _, sum), cut) in self.cut_values.iter_mut().zip(&read.cut_rows) {
            *sum += cut.len() as u64;
        }
        let rows = read.records.len();
        let data =
            (0..batch.len()).filter_map(|place| match outcomes.as_ref().map(|outcomes| &outcomes[place]) {
                None => Some(batch.record(place)),
                Some(Preprocessed::Data(data)) => Some(data.as_ref()),
                Some(Preprocessed::Dropped | Preprocessed::Failed(_)) => None,
            });
        self.empty_columns.note(&read.columns, rows, data);
        let RowTimes { times, missing } = self.rowtimes.of_rows(&read.columns, rows);
        let without_time = missing.iter().map(|(row, reason)| {
            let record = read.records[*row];
            Failure { record, name: ErrorName::CoercionError, message: reason.clone(), raw: raw_of(record) }
        });
        let mut failures: Vec<Failure> = without_time.chain(read.failures).collect();
        failures.sort_by_key(|failure| failure.record);
        let now = self.now();
        self.errors.extend(failures.iter().map(|failure| ReplayedError {
            record: Some(number_of(failure.record)),
            row: ErrorRow::of_record(failure.name, &failure.message, &failure.raw, now, now),
        }));
        if rows == missing.len() {
            return Ok(());
        }
        let mut numbers: Vec<u64> = read.records.iter().map(|record| number_of(*record)).collect();
        let mut columns = read.columns;
        // A recorded record arrives when its row does.
        let arrivals = times.iter().copied();
        self.reader.add_metadata(&mut columns, arrivals, |column, row| metadata_of(column, numbers[row]));
        let mut batch = Batch::new(ScalarBuffer::from(times), columns);
        if !missing.is_empty() {
            let mut has_time = vec![true; rows];
            missing.iter().for_each(|(row, _)| has_time[*row] = false);
            let mut kept = has_time.iter();
            numbers.retain(|_| kept.next() == Some(&true));
            batch = batch.filter(&BooleanArray::from(has_time)).expect("the mask has a value for each row");
        }
        self.rows_in += batch.len() as u64;
        match &mut self.reorder {
            Some(reorder) => reorder.hold(batch, |row| numbers[row])?,
            None => self.ready.push_back(batch),
        }
        Ok(())
    }

    /// What the preprocessing function makes of records.
    async fn preprocess(
        &mut self,
        preprocessor: Preprocessor,
        batch: &SourceBatch,
        first_number: u64,
    ) -> Vec<Preprocessed> {
        let now = self.now();
        let raw_record = |(number, data): (u64, &[u8])| RawRecord {
            shard: SHARD.to_owned(),
            sequence_number: number.to_string(),
            partition_key: PARTITION_KEY.to_owned(),
            arrival: Timestamp(now),
            data: Bytes::copy_from_slice(data),
        };
        let raw: Vec<RawRecord> = (first_number..).zip(batch.iter()).map(raw_record).collect();
        let mut outcomes = Vec::with_capacity(raw.len());
        for event in raw.chunks(EVENT_RECORDS) {
            outcomes.append(&mut preprocessor.clone().run(event).await);
        }
        if self.wrong_shape.is_none() {
            let data = outcomes.iter().filter_map(|outcome| match outcome {
                Preprocessed::Data(data) => Some(data.as_ref()),
                Preprocessed::Dropped | Preprocessed::Failed(_) => None,
            });
            self.wrong_shape = Some(wrong_shape(&self.schema, data, HEADER_OF_INPUT));
        }
        outcomes
    }

    /// The time of the newest row, or the start.
    fn now(&self) -> i64 {
        self.latest.unwrap_or(self.rowtimes.start())
    }

    /// Gives the engine the next of the rows that wait and whose turn has come. False when there are none.
    ///
    /// # Errors
    /// The engine refuses the batch.
    pub fn advance(&mut self) -> Result<bool, ReplayError> {
        let next = self.ready.pop_front().or_else(|| self.reorder.as_mut().and_then(Reorder::next));
        let Some(batch) = next else { return Ok(false) };
        let slice = batch.slice(0, batch.len().min(self.slice_length.get()));
        let taken = self.push_rows(&slice)?;
        if taken < batch.len() {
            self.ready.push_front(batch.slice(taken, batch.len() - taken));
        }
        Ok(true)
    }

    /// No more records come: nothing that waits has to wait any longer.
    ///
    /// # Errors
    /// The rows cannot be sorted.
    pub fn end_input(&mut self) -> Result<(), ReplayError> {
        Ok(self.reorder.as_mut().map_or(Ok(()), Reorder::end)?)
    }

    /// Gives the engine the first of these rows, as many as come before enough has come out; says how many.
    fn push_rows(&mut self, batch: &Batch) -> Result<usize, ReplayError> {
        let (made_before, newest) = (self.application.made_bytes(), batch.rowtimes[batch.len() - 1]);
        let taken = self.application.push_some(self.inputs[0], batch, newest, MOST_MADE)?;
        self.slice_length.made(taken, self.application.made_bytes() - made_before);
        let newest = batch.rowtimes[taken - 1];
        for other in &self.inputs[1..] {
            self.application.bound(*other, newest, newest)?;
        }
        self.latest = Some(newest);
        self.collect();
        Ok(taken)
    }

    /// The data has ended: every window closes, and rows that wait go.
    ///
    /// # Errors
    /// As of [`Self::end_input`] and [`Self::advance`].
    pub fn finish(&mut self) -> Result<(), ReplayError> {
        self.end_input()?;
        while self.advance()? {}
        let Some(latest) = self.latest else { return Ok(()) };
        self.application.drain(latest);
        self.collect();
        Ok(())
    }

    /// What has come out since the last call, in the order of ROWTIME; rows of the same time stream by stream. No later
    /// call gives an earlier row: time never goes back.
    pub fn take_rows(&mut self) -> Vec<ReplayedRow> {
        let mut rows = std::mem::take(&mut self.rows);
        rows.sort_by_key(|row| row.rowtime);
        rows
    }

    /// What has failed since the last call.
    pub fn take_errors(&mut self) -> Vec<ReplayedError> {
        std::mem::take(&mut self.errors)
    }

    /// What the first records look like that the schema does not say, such as another delimiter.
    pub fn wrong_shape(&self) -> Option<&str> {
        self.wrong_shape.as_ref()?.as_deref()
    }

    /// What the column of ROWTIME looks like that it should not hold, once rows have come.
    pub fn rowtime_remark(&self) -> Option<String> {
        self.rowtimes.remark()
    }

    /// What is odd about a header of the records, which no function changes before.
    pub fn wrong_header(&self, header: &str) -> Option<String> {
        if self.preprocessor.is_some() { None } else { header_in_other_order(&self.schema, header) }
    }

    /// What reference tables look like that their schemas do not say.
    pub fn table_remarks(&self) -> &[String] {
        &self.table_remarks
    }

    /// The streams whose rows come out, by name.
    pub fn streams(&self) -> impl Iterator<Item = &str> {
        self.watched.iter().map(|watched| watched.name.as_str())
    }

    /// Rows that the records held.
    pub fn rows_in(&self) -> u64 {
        self.rows_in
    }

    /// The columns into which texts were put that were too long, cut to the length of the column: those of the input, then
    /// those of in-application streams.
    pub fn cut_texts(&self) -> Vec<CutTexts> {
        let stream = &self.application.program().streams[self.inputs[0].0].name;
        let of_input = self.cut_values.iter().filter(|(_, _, count)| *count > 0);
        let of_input = of_input.map(|(column, sql_type, count)| CutTexts {
            stream: stream.clone(),
            column: column.clone(),
            sql_type: *sql_type,
            count: *count,
        });
        of_input.chain(self.application.cut_texts()).collect()
    }

    /// The columns of the records that were NULL in every row; of few rows only those of which the cause is known.
    pub fn empty_columns(&self) -> Vec<EmptyColumn> {
        self.empty_columns.found()
    }

    /// The ROWTIME of the newest row.
    pub fn latest(&self) -> Option<i64> {
        self.latest
    }

    fn collect(&mut self) {
        for watched in &self.watched {
            for batch in self.application.take_output(watched.stream) {
                let encoded = watched.writer.write(&batch.columns);
                for (row, json) in encoded.iter().enumerate() {
                    self.rows.push(ReplayedRow {
                        stream: watched.name.clone(),
                        rowtime: batch.rowtimes[row],
                        json: String::from_utf8_lossy(json).into_owned(),
                    });
                }
            }
        }
        let errors = self.application.take_errors().into_iter();
        self.errors.extend(errors.map(|row| ReplayedError { record: None, row }));
    }
}

/// The value of a metadata column for the record of a number.
fn metadata_of(column: TextColumn, number: u64) -> String {
    match column {
        TextColumn::PartitionKey => PARTITION_KEY.to_owned(),
        TextColumn::ShardId => SHARD.to_owned(),
        TextColumn::SequenceNumber => number.to_string(),
    }
}
