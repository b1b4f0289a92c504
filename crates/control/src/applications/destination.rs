//! Where rows go: a function, a stream, or a delivery stream.

use std::sync::Arc;
use std::time::Duration;

use millstream_functions::events::output::{
    DeliveryMetadata, DeliveryResult, OutputAnswer, OutputEvent, OutputRecord,
};
use millstream_streamlog::{AppendError, Log, NewRecord, StreamKey};

use super::counted;
use super::output_queue::WaitingRow;
use crate::identifier::Identifiers;
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
    /// The log: a stream, or the buffer of a delivery stream.
    Log {
        /// The log.
        log: Arc<Log>,
        /// Which stream in it.
        key: StreamKey,
    },
}

/// What became of rows that were sent.
pub(crate) struct Sent {
    /// One for each row, in order: whether it arrived.
    pub(crate) arrived: Vec<bool>,
    /// Why not, when some did not.
    pub(crate) problem: Option<String>,
}

impl Destination {
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

    /// Sends rows.
    pub(crate) async fn send(&self, rows: &[WaitingRow], identifiers: &Identifiers) -> Sent {
        match self {
            Destination::Function { function, application, columns } => {
                call(function, application, columns.as_ref(), rows, identifiers).await
            }
            Destination::Log { log, key } => append(log, key, rows, identifiers).await,
        }
    }
}

async fn call(
    function: &Slot<CallableFunction>,
    application: &str,
    columns: Option<&Vec<String>>,
    rows: &[WaitingRow],
    identifiers: &Identifiers,
) -> Sent {
    let Some(callable) = function.get() else {
        let problem = format!("function \"{}\" does not exist now; rows wait for it", function.name());
        return Sent { arrived: vec![false; rows.len()], problem: Some(problem) };
    };
    let records = rows.iter().map(|row| OutputRecord {
        record_id: identifiers.uuid(),
        data: row.data.clone(),
        lambda_delivery_record_metadata: DeliveryMetadata { retry_hint: row.retry_hint },
    });
    let event = OutputEvent {
        invocation_id: identifiers.uuid(),
        application_arn: application_arn(application),
        row_columns: columns.filter(|_| callable.reads_rows).cloned(),
        records: records.collect(),
    };
    let answer = match callable.invoker.invoke(event.encode()).await {
        Ok(answer) => OutputAnswer::decode_for(&event, &answer).map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    };
    match answer {
        Ok(results) => {
            let arrived: Vec<bool> = results.iter().map(|result| *result == DeliveryResult::Ok).collect();
            let failed = arrived.iter().filter(|arrived| !**arrived).count();
            let problem = (failed > 0)
                .then(|| format!("{} not taken by the function", counted(failed, "row was", "rows were")));
            Sent { arrived, problem }
        }
        Err(reason) => Sent { arrived: vec![false; rows.len()], problem: Some(reason) },
    }
}

async fn append(log: &Log, key: &StreamKey, rows: &[WaitingRow], identifiers: &Identifiers) -> Sent {
    let records = rows.iter().map(|row| NewRecord::new(identifiers.partition_key(), row.data.clone()));
    match log.append(key, records.collect()).await {
        Ok(_) => Sent { arrived: vec![true; rows.len()], problem: None },
        // No retry can mend it: it is named, and its neighbours go on.
        Err(AppendError::RecordTooLarge { record, bytes, most }) => {
            let mut arrived = vec![false; rows.len()];
            if let Some(place) = arrived.get_mut(record) {
                *place = true;
            }
            let problem = format!("a row of {bytes} bytes is skipped: a record holds at most {most}");
            Sent { arrived, problem: Some(problem) }
        }
        Err(error) => Sent { arrived: vec![false; rows.len()], problem: Some(error.to_string()) },
    }
}
