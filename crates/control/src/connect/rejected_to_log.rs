//! Rows that a function rejects: counted, shown, and put into its dead-letter stream when it has one.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use millstream_functions::{RejectedRow, RejectedSink, RejectedSinkError};
use millstream_host::Clock;
use millstream_streamlog::{Log, NewRecord};
use millstream_wording::agreeing;
use serde_json::json;

use crate::definition::{Kind, Reference};
use crate::live::Live;
use crate::world::log_key;

/// Rows rejected since the start.
#[derive(Clone, Default)]
pub(crate) struct RejectedCount(Arc<AtomicU64>);

impl RejectedCount {
    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Where the rejected rows of one function go.
pub(crate) struct RejectedRows {
    pub(crate) function: String,
    /// The dead-letter stream.
    pub(crate) stream: Option<String>,
    /// `None` where there are no streams.
    pub(crate) log: Option<Arc<Log>>,
    pub(crate) live: Arc<Live>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) count: RejectedCount,
}

impl RejectedRows {
    /// A record of the dead-letter stream: one JSON object, with a line feed.
    fn record(&self, row: &RejectedRow) -> NewRecord {
        // Rows are text.
        let data = String::from_utf8_lossy(&row.data);
        let line =
            json!({ "at": row.at.millis(), "function": self.function, "reason": row.reason, "data": data });
        NewRecord::new(self.function.clone(), format!("{line}\n").into_bytes())
    }
}

#[async_trait]
impl RejectedSink for RejectedRows {
    async fn put(&self, rows: &[RejectedRow]) -> Result<(), RejectedSinkError> {
        if let (Some(stream), Some(log)) = (&self.stream, &self.log) {
            let records = rows.iter().map(|row| self.record(row)).collect();
            let key = log_key(&Reference::new(Kind::Stream, stream));
            let put = log.append(&key, records).await;
            put.map_err(|error| RejectedSinkError(format!("stream \"{stream}\": {error}")))?;
        }
        self.count.0.fetch_add(rows.len() as u64, Ordering::Relaxed);
        let newest = rows.last().map_or("", |row| &row.reason);
        let place = match &self.stream {
            Some(stream) => format!("in stream \"{stream}\""),
            None => "lost: name a stream for them with dead_letter".to_owned(),
        };
        let message = format!(
            "{} rejected and {place}; the newest: {newest}",
            agreeing(rows.len(), "row was", "rows were")
        );
        self.live.problem(self.clock.now(), &self.function, message, rows.len() as u64);
        Ok(())
    }
}
