//! Rows of in-application streams for people who look on.
//!
//! No reader holds the application up: a reader that does not keep up loses rows, and is told how many.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use millstream_columns::Batch;
use millstream_columns::formats::{OutputColumn, OutputFormat, OutputWriter};
use millstream_engine::{Application, ErrorRow};
use millstream_sql::StreamId;
use tokio::sync::mpsc;

use super::error_stream;

/// Rows that may wait for a reader.
const MOST_WAITING: usize = 1_000;

/// A row as somebody sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TailedRow {
    /// Milliseconds since the epoch.
    pub rowtime: i64,
    /// Its columns as one JSON object.
    pub json: String,
}

/// Somebody who looks on.
pub(crate) struct Tail {
    /// The in-application stream, or `error_stream`.
    pub(crate) stream: String,
    pub(crate) rows: mpsc::Sender<TailedRow>,
    /// Rows that did not fit.
    pub(crate) lost: Arc<AtomicU64>,
}

impl Tail {
    /// A place to look on, and where the rows come out.
    pub(crate) fn new(stream: &str) -> (Tail, mpsc::Receiver<TailedRow>, Arc<AtomicU64>) {
        let (rows, receiver) = mpsc::channel(MOST_WAITING);
        let lost = Arc::new(AtomicU64::new(0));
        (Tail { stream: stream.to_owned(), rows, lost: Arc::clone(&lost) }, receiver, lost)
    }

    fn send(&self, row: TailedRow) {
        if self.rows.try_send(row).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Everybody who looks on at an application.
#[derive(Default)]
pub(crate) struct Tails {
    tails: Vec<(Tail, Option<StreamId>, OutputWriter)>,
}

impl Tails {
    /// One more; dropped at once when there is no such stream.
    pub(crate) fn add(&mut self, tail: Tail, application: &mut Application) {
        let stream = application.program().stream(&tail.stream);
        let columns: Vec<OutputColumn> = match stream {
            Some(id) => {
                application.subscribe(id);
                let columns = application.program().streams[id.0].columns.iter();
                columns
                    .map(|column| OutputColumn { name: column.name.clone(), sql_type: column.sql_type })
                    .collect()
            }
            None if tail.stream == error_stream::ERROR_STREAM => error_stream::columns(),
            None => return,
        };
        let writer = OutputWriter::new(OutputFormat::Json { newline: false }, columns);
        self.tails.push((tail, stream, writer));
    }

    /// The streams that somebody follows.
    pub(crate) fn streams(&mut self) -> Vec<StreamId> {
        self.tails.retain(|(tail, ..)| !tail.rows.is_closed());
        self.tails.iter().filter_map(|(_, stream, _)| *stream).collect()
    }

    /// Rows of a stream.
    pub(crate) fn rows(&self, stream: StreamId, batches: &[Batch]) {
        for (tail, _, writer) in self.tails.iter().filter(|(_, one, _)| *one == Some(stream)) {
            for batch in batches {
                let encoded = writer.write(&batch.columns);
                for (row, json) in encoded.iter().enumerate() {
                    let json = String::from_utf8_lossy(json).into_owned();
                    tail.send(TailedRow { rowtime: batch.rowtimes[row], json });
                }
            }
        }
    }

    /// Rows of `error_stream`.
    pub(crate) fn errors(&self, rows: &[ErrorRow]) {
        for (tail, _, writer) in self.tails.iter().filter(|(_, stream, _)| stream.is_none()) {
            let encoded = error_stream::write(writer, rows);
            for (row, json) in rows.iter().zip(encoded.iter()) {
                let json = String::from_utf8_lossy(json).into_owned();
                tail.send(TailedRow { rowtime: row.error_time, json });
            }
        }
    }
}
