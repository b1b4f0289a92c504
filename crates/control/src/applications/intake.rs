//! From raw records to rows of the input streams: parsing, metadata columns, ROWTIME, bounds.
//!
//! The shards of the source are spread over the input streams in turn: shard `n` feeds stream `n mod streams`.

use arrow_array::ArrayRef;
use arrow_buffer::ScalarBuffer;
use millstream_engine::formats::RecordParser;
use millstream_engine::{Application, Batch, ErrorName, ErrorRow, PushError, array_from_values};
use millstream_sql::{Program, SqlType, StreamId, Value};

use super::input::{RawBatch, RawRecord};
use super::preprocess::Preprocessed;
use super::window_end::last_window_end;
use crate::pipeline::{CheckedApplication, MetadataColumn};

/// All input streams of an application.
pub(crate) struct Intake {
    ports: Vec<Port>,
    metadata: Vec<MetadataColumn>,
}

/// One input stream.
struct Port {
    stream: StreamId,
    parser: RecordParser,
    /// ROWTIME never decreases, whatever the clock does.
    latest_rowtime: i64,
    /// ROWTIME of the newest row; after a restore, the time of the state: windows may be open up to there.
    newest_row: Option<i64>,
}

/// What became of a batch.
#[derive(Default)]
pub(crate) struct Taken {
    /// Rows given to the engine.
    pub(crate) rows: u64,
    /// Records that the preprocessing function dropped.
    pub(crate) dropped: u64,
    /// Records that are no rows.
    pub(crate) errors: Vec<ErrorRow>,
    /// Rows that the engine refused, and why.
    pub(crate) refused: Option<(u64, PushError)>,
}

impl Intake {
    /// For an application that was built from this plan.
    pub(crate) fn new(checked: &CheckedApplication, application: &Application) -> Intake {
        let port = |name: &String| {
            let stream = application.program().stream(name).expect("the plan was made with these inputs");
            let newest_row = application.latest(stream);
            Port {
                stream,
                parser: checked.schema.parser().expect("the schema was checked with the pipeline"),
                latest_rowtime: newest_row.unwrap_or(i64::MIN),
                newest_row,
            }
        };
        Intake { ports: checked.input_streams.iter().map(port).collect(), metadata: checked.metadata.clone() }
    }

    /// Gives records to the engine. They arrive `now`.
    pub(crate) fn take(
        &mut self,
        application: &mut Application,
        batch: &RawBatch,
        preprocessed: Vec<Preprocessed>,
        now: i64,
    ) -> Taken {
        let index = batch.shard as usize % self.ports.len();
        let port = &mut self.ports[index];
        let rowtime = now.max(port.latest_rowtime);
        let mut taken = Taken::default();
        // The parser counts the records that it is given.
        let mut parsed_records: Vec<&RawRecord> = Vec::with_capacity(batch.records.len());
        for (record, outcome) in batch.records.iter().zip(preprocessed) {
            match outcome {
                Preprocessed::Data(data) => {
                    port.parser.parse(&data);
                    parsed_records.push(record);
                }
                Preprocessed::Dropped => taken.dropped += 1,
                Preprocessed::Failed => {
                    let message = "the preprocessing function answered ProcessingFailed";
                    let name = ErrorName::FunctionError;
                    taken.errors.push(ErrorRow::of_record(name, message, &record.data, rowtime, now));
                }
            }
        }
        let parsed = port.parser.finish();
        for error in &parsed.errors {
            taken.errors.push(ErrorRow::of_record(error.name, &error.message, &error.raw, rowtime, now));
        }
        let rows = parsed.row_to_record.len();
        if rows == 0 {
            return taken;
        }
        let records: Vec<&RawRecord> =
            parsed.row_to_record.iter().map(|record| parsed_records[*record as usize]).collect();
        let mut columns = parsed.columns;
        columns.extend(self.metadata.iter().map(|column| metadata_column(*column, &records)));
        let rowtimes = ScalarBuffer::from(vec![rowtime; rows]);
        match application.push(port.stream, &Batch::new(rowtimes, columns), now) {
            Ok(()) => {
                port.latest_rowtime = rowtime;
                port.newest_row = Some(rowtime);
                taken.rows = rows as u64;
            }
            Err(error) => taken.refused = Some((rows as u64, error)),
        }
        taken
    }

    /// Time goes on for every input stream. True if that was news for one of them.
    pub(crate) fn bound(&mut self, application: &mut Application, now: i64) -> Result<bool, PushError> {
        let mut is_news = false;
        for port in &mut self.ports {
            if now > port.latest_rowtime {
                port.latest_rowtime = now;
                application.bound(port.stream, now, now)?;
                is_news = true;
            }
        }
        Ok(is_news)
    }

    /// How far time has come on all input streams.
    pub(crate) fn latest(&self) -> i64 {
        self.ports.iter().map(|port| port.latest_rowtime).min().unwrap_or(i64::MIN)
    }

    /// When the last window closes that rows so far can be in; `None` when there were none.
    pub(crate) fn last_window_end(&self, program: &Program) -> Option<i64> {
        let ends = self.ports.iter().filter_map(|port| Some((port.stream, port.newest_row?)));
        ends.map(|(stream, row)| last_window_end(program, stream, row)).max()
    }
}

/// The values of a metadata column, one for each row's record.
pub(crate) fn metadata_column(column: MetadataColumn, records: &[&RawRecord]) -> ArrayRef {
    let value = |record: &&RawRecord| match column {
        MetadataColumn::ApproximateArrivalTime => Value::Timestamp(record.arrival.millis()),
        MetadataColumn::PartitionKey => Value::Text(record.partition_key.clone()),
        MetadataColumn::SequenceNumber => Value::Text(record.sequence_number.clone()),
        MetadataColumn::ShardId => Value::Text(record.shard.clone()),
    };
    let values: Vec<Value> = records.iter().map(value).collect();
    let sql_type: SqlType = column.sql_type();
    array_from_values(sql_type, &values).expect("the values are of the column's type")
}
