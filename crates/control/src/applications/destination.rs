//! Where rows go: a function, a stream, or a delivery stream.

use std::sync::Arc;
use std::time::Duration;

use millstream_functions::events::output::{
    DeliveryMetadata, DeliveryResult, OutputAnswer, OutputEvent, OutputRecord,
};
use millstream_functions::{FunctionError, FunctionErrorKind};
use millstream_streamlog::{AppendError, Log, Producer, RecordBatchBuilder, StreamKey};
use millstream_wording::agreeing;

use super::output_queue::{RowNumber, WaitingRow};
use crate::identifier::{RepeatableKey, repeatable_uuid};
use crate::resource_name::application_arn;
use crate::slots::Slot;
use crate::world::CallableFunction;

/// One destination.
pub(crate) enum Destination {
    /// Called with the documented event; acknowledges row by row.
    Function {
        /// The function.
        function: Arc<Slot<CallableFunction>>,
        /// Named in events.
        application: String,
        /// The names of the fields, when rows are CSV.
        columns: Option<Vec<String>>,
    },
    /// The log: a stream, or the buffer of a delivery stream. A row that is sent again counts once.
    Log {
        /// The log.
        log: Arc<Log>,
        /// Which stream in it.
        key: StreamKey,
    },
}

/// What became of rows that were sent.
pub(crate) struct Sent {
    /// One for each row, in order: whether it arrived, or can never.
    pub(crate) arrived: Vec<bool>,
    /// Why not, when some did not.
    pub(crate) problem: Option<String>,
}

impl Destination {
    /// Most rows and bytes of one call.
    pub(crate) fn limits(&self) -> (usize, usize) {
        match self {
            Destination::Function { .. } => (500, 1 << 20),
            Destination::Log { .. } => (8_192, 4 << 20),
        }
    }

    /// The shortest time between two calls: functions are called about once a second.
    pub(crate) fn pause(&self) -> Duration {
        match self {
            Destination::Function { .. } => Duration::from_secs(1),
            Destination::Log { .. } => Duration::ZERO,
        }
    }

    /// In words.
    pub(crate) fn name(&self) -> String {
        match self {
            Destination::Function { function, .. } => format!("function {}", function.name()),
            Destination::Log { key, .. } => format!("stream {key}"),
        }
    }

    /// Under which name checkpoints of the catalog's first layout keep its rows: functions bore the name of what they do.
    pub(crate) fn name_of_layout_1(&self) -> String {
        match self {
            Destination::Function { function, .. } => {
                let name = function.get().map(|callable| callable.invoker.name().to_owned());
                format!("function {}", name.unwrap_or_default())
            }
            Destination::Log { key, .. } => format!("stream {key}"),
        }
    }

    /// One past the highest number that it has of a producer; 0 when it has none, or does not tell.
    pub(crate) fn arrived(&self, producer: u64) -> u64 {
        match self {
            Destination::Function { .. } => 0,
            // A stream that is gone has nothing.
            Destination::Log { log, key } => log.producer_position(key, producer).ok().flatten().unwrap_or(0),
        }
    }

    /// Sends rows.
    pub(crate) async fn send(&self, rows: &[WaitingRow]) -> Sent {
        match self {
            Destination::Function { function, application, columns } => {
                call(function, application, columns.as_ref(), rows).await
            }
            Destination::Log { log, key } => append(log, key, rows).await,
        }
    }
}

/// An id that a row has in every run.
fn record_id(row: &WaitingRow) -> String {
    match row.number {
        Some(RowNumber { producer, number }) => format!("{producer:016x}-{number}"),
        None => format!("waiting-{}", row.place),
    }
}

async fn call(
    function: &Slot<CallableFunction>,
    application: &str,
    columns: Option<&Vec<String>>,
    rows: &[WaitingRow],
) -> Sent {
    let Some(callable) = function.get() else {
        let problem = format!("function \"{}\" does not exist; rows wait for it", function.name());
        return Sent { arrived: vec![false; rows.len()], problem: Some(problem) };
    };
    let records: Vec<OutputRecord> = rows
        .iter()
        .map(|row| OutputRecord {
            record_id: record_id(row),
            data: row.data.clone(),
            lambda_delivery_record_metadata: DeliveryMetadata { retry_hint: row.retry_hint },
        })
        .collect();
    // The same rows again are the same invocation: whoever is called can drop what it has.
    let ids: Vec<&str> = records.iter().map(|record| record.record_id.as_str()).collect();
    let event = OutputEvent {
        invocation_id: repeatable_uuid(&ids.join(" ")),
        application_arn: application_arn(application),
        row_columns: columns.filter(|_| callable.reads_rows).cloned(),
        records,
    };
    let answer = match callable.invoker.invoke(event.encode()).await {
        Ok(answer) => OutputAnswer::decode_for(&event, &answer).map_err(|error| error.to_string()),
        // No retry can fix it: it is named, and those behind it go on.
        Err(FunctionError { kind: FunctionErrorKind::TooLarge, message }) if rows.len() == 1 => {
            let problem = format!("a row of {} bytes is skipped: {message}", rows[0].data.len());
            return Sent { arrived: vec![true], problem: Some(problem) };
        }
        Err(error) => Err(error.to_string()),
    };
    match answer {
        Ok(results) => {
            let arrived: Vec<bool> = results.iter().map(|result| *result == DeliveryResult::Ok).collect();
            let failed = arrived.iter().filter(|arrived| !**arrived).count();
            let problem = (failed > 0)
                .then(|| format!("{} not taken by the function", agreeing(failed, "row was", "rows were")));
            Sent { arrived, problem }
        }
        Err(reason) => Sent { arrived: vec![false; rows.len()], problem: Some(reason) },
    }
}

/// Appends rows in runs of one producer.
async fn append(log: &Log, key: &StreamKey, rows: &[WaitingRow]) -> Sent {
    let mut sent = Sent { arrived: Vec::with_capacity(rows.len()), problem: None };
    let follows = |one: &WaitingRow, next: &WaitingRow| match (one.number, next.number) {
        (Some(one), Some(next)) => one.producer == next.producer && one.number + 1 == next.number,
        (None, None) => true,
        _ => false,
    };
    for run in rows.chunk_by(follows) {
        let arrived = append_run(log, key, run, &mut sent.problem).await;
        sent.arrived.extend((0..run.len()).map(|place| place < arrived));
        if arrived < run.len() {
            break;
        }
    }
    sent.arrived.resize(rows.len(), false);
    sent
}

/// How many rows, from the first, are in the log or can never be.
async fn append_run(log: &Log, key: &StreamKey, rows: &[WaitingRow], problem: &mut Option<String>) -> usize {
    let mut start = 0;
    while start < rows.len() {
        let rest = &rows[start..];
        match append_rows(log, key, rest).await {
            Ok(()) => return rows.len(),
            // No retry can fix it: it is named, and its neighbours go on.
            Err(AppendError::RecordTooLarge { record, bytes, most }) if record < rest.len() => {
                if record > 0
                    && let Err(error) = append_rows(log, key, &rest[..record]).await
                {
                    *problem = Some(error.to_string());
                    return start;
                }
                let skipped = skip(log, key, &rest[record]).await;
                if let Err(error) = skipped {
                    *problem = Some(error.to_string());
                    return start + record;
                }
                *problem = Some(format!("a row of {bytes} bytes is skipped: a record holds at most {most}"));
                start += record + 1;
            }
            Err(error) => {
                *problem = Some(error.to_string());
                return start;
            }
        }
    }
    start
}

async fn append_rows(log: &Log, key: &StreamKey, rows: &[WaitingRow]) -> Result<(), AppendError> {
    let bytes = rows.iter().map(|row| row.data.len() + 16).sum();
    let mut batch = RecordBatchBuilder::with_capacity(rows.len(), bytes);
    for row in rows {
        let number = row.number.unwrap_or(RowNumber { producer: 0, number: row.place });
        batch.push(RepeatableKey::new(number.producer, number.number).as_str(), &row.data);
    }
    let batch = batch.build();
    match rows.first().and_then(|row| row.number) {
        Some(first) => {
            log.append_as(key, Producer::new(first.producer, first.number), batch).await?;
        }
        None => {
            log.append_batch(key, batch).await?;
        }
    }
    Ok(())
}

/// Moves the producer on behind a row that cannot be appended.
async fn skip(log: &Log, key: &StreamKey, row: &WaitingRow) -> Result<(), AppendError> {
    let Some(RowNumber { producer, number }) = row.number else { return Ok(()) };
    let producer = Producer::spanning(producer, number, number + 1);
    log.append_as(key, producer, RecordBatchBuilder::new().build()).await?;
    Ok(())
}
