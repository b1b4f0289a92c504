//! Rows of in-application streams for people who follow them.
//!
//! No reader holds the application up: a reader that does not keep up loses rows, and learns how many. Readers stay when
//! the application is started again, be it after a change or a failure: what it has left is where its successor begins.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use millstream_columns::Batch;
use millstream_columns::formats::{OutputColumn, OutputFormat, OutputWriter};
use millstream_engine::{Application, ErrorRow};
use millstream_sql::StreamId;
use parking_lot::Mutex;
use tokio::sync::mpsc;

use super::error_stream;
use super::failed_row::FailedRow;
use crate::definition::ResourceId;

/// Rows that may wait for a reader.
const MOST_WAITING: usize = 1_000;

/// A row as somebody sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TailedRow {
    /// Milliseconds since the epoch.
    pub rowtime: i64,
    /// Its columns as one JSON object.
    pub json: String,
    /// Of a row of `error_stream`: what failed.
    pub failed: Option<FailedRow>,
}

/// Rows and what was lost before them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TailedRows {
    /// Rows that came too fast for this reader.
    pub lost: u64,
    /// The rows, in the order in which they came out.
    pub rows: Vec<TailedRow>,
}

/// Reads rows of an in-application stream as they come.
pub struct RowTail {
    stream: String,
    rows: mpsc::Receiver<TailedRow>,
    shared: Arc<Shared>,
}

impl RowTail {
    /// The in-application stream, or `error_stream`.
    pub fn stream(&self) -> &str {
        &self.stream
    }

    /// The next rows; waits for the first.
    ///
    /// # Errors
    /// Why no more can come: the application was deleted, or the stream is no longer what it was.
    pub async fn next(&mut self) -> Result<TailedRows, String> {
        let Some(first) = self.rows.recv().await else {
            let lost = self.shared.lost.swap(0, Ordering::Relaxed);
            if lost > 0 {
                return Ok(TailedRows { lost, rows: Vec::new() });
            }
            let reason = self.shared.end.get().cloned();
            return Err(reason.unwrap_or_else(|| "the application has ended unexpectedly".to_owned()));
        };
        let mut rows = vec![first];
        while let Ok(row) = self.rows.try_recv() {
            rows.push(row);
        }
        Ok(TailedRows { lost: self.shared.lost.swap(0, Ordering::Relaxed), rows })
    }
}

/// What a follower shares with the application.
#[derive(Debug, Default)]
struct Shared {
    /// Rows that did not fit.
    lost: AtomicU64,
    /// Why no more come.
    end: OnceLock<String>,
}

/// Somebody who follows a stream.
#[derive(Debug)]
pub(crate) struct Tail {
    /// The in-application stream, or `error_stream`.
    pub(crate) stream: String,
    rows: mpsc::Sender<TailedRow>,
    shared: Arc<Shared>,
    /// The columns that the reader has seen.
    columns: Option<Vec<OutputColumn>>,
}

impl Tail {
    /// A follower, and where its rows come out.
    pub(crate) fn new(stream: &str) -> (Tail, RowTail) {
        let (rows, receiver) = mpsc::channel(MOST_WAITING);
        let shared = Arc::<Shared>::default();
        let tail = Tail { stream: stream.to_owned(), rows, shared: Arc::clone(&shared), columns: None };
        (tail, RowTail { stream: stream.to_owned(), rows: receiver, shared })
    }

    /// Ends it, and says why.
    pub(super) fn end(self, reason: &str) {
        // A second reason would come too late.
        let _ = self.shared.end.set(reason.to_owned());
    }

    /// How many of these rows there is room for; the others are lost.
    fn room_for(&self, rows: usize) -> usize {
        // Nobody else sends: what is free now stays free.
        let room = self.rows.capacity().min(rows);
        self.shared.lost.fetch_add((rows - room) as u64, Ordering::Relaxed);
        room
    }

    /// Sends rows that there is room for.
    fn send(&self, rows: impl Iterator<Item = TailedRow>) {
        for row in rows {
            // The reader may have gone.
            let _ = self.rows.try_send(row);
        }
    }
}

/// A row as it is encoded.
fn tailed(rowtime: i64, json: &[u8], failed: Option<FailedRow>) -> TailedRow {
    TailedRow { rowtime, json: String::from_utf8_lossy(json).into_owned(), failed }
}

/// The followers of applications that do not run at the moment. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct WaitingTails(Arc<Mutex<BTreeMap<ResourceId, Vec<Tail>>>>);

impl WaitingTails {
    /// Keeps them for the application's next start.
    pub(super) fn leave(&self, id: ResourceId, tails: Vec<Tail>) {
        let mut waiting = self.0.lock();
        let of_application = waiting.entry(id).or_default();
        of_application.extend(tails);
        of_application.retain(|tail| !tail.rows.is_closed());
    }

    /// Those who wait for an application.
    pub(super) fn take(&self, id: ResourceId) -> Vec<Tail> {
        self.0.lock().remove(&id).unwrap_or_default()
    }

    /// Nothing comes any more: the application was deleted.
    pub(crate) fn end(&self, id: ResourceId) {
        self.take(id).into_iter().for_each(|tail| tail.end("the application was deleted"));
    }
}

/// All followers of an application.
#[derive(Default)]
pub(crate) struct Tails {
    tails: Vec<(Tail, Option<StreamId>, OutputWriter)>,
}

impl Tails {
    /// One more. It learns why, and ends, when the application has no such stream, or one of other columns than the reader knows.
    pub(crate) fn add(&mut self, mut tail: Tail, application: &mut Application) {
        let stream = application.program().stream(&tail.stream);
        let columns: Vec<OutputColumn> = match stream {
            Some(id) => {
                let columns = application.program().streams[id.0].columns.iter();
                columns
                    .map(|column| OutputColumn { name: column.name.clone(), sql_type: column.sql_type })
                    .collect()
            }
            None if tail.stream == error_stream::ERROR_STREAM => error_stream::columns(),
            None => {
                let reason = format!("the application no longer has a stream \"{}\"", tail.stream);
                return tail.end(&reason);
            }
        };
        if tail.columns.as_ref().is_some_and(|known| *known != columns) {
            let reason = format!("the columns of stream \"{}\" have changed", tail.stream);
            return tail.end(&reason);
        }
        if let Some(id) = stream {
            application.subscribe(id);
        }
        tail.columns = Some(columns.clone());
        let writer = OutputWriter::new(OutputFormat::Json { newline: false }, columns);
        self.tails.push((tail, stream, writer));
    }

    /// The followers, for the application's next start.
    pub(super) fn into_waiting(self) -> Vec<Tail> {
        self.tails.into_iter().map(|(tail, ..)| tail).collect()
    }

    /// Takes the rows of the streams that no output reads. A stream whose last reader has gone keeps none from now on.
    pub(crate) fn collect(&mut self, application: &mut Application, is_output: impl Fn(StreamId) -> bool) {
        let known = self.streams();
        self.tails.retain(|(tail, ..)| !tail.rows.is_closed());
        let followed = self.streams();
        for stream in known.into_iter().filter(|stream| !is_output(*stream)) {
            if followed.contains(&stream) {
                self.rows(stream, &application.take_output(stream));
            } else {
                application.unsubscribe(stream);
            }
        }
    }

    fn streams(&self) -> BTreeSet<StreamId> {
        self.tails.iter().filter_map(|(_, stream, _)| *stream).collect()
    }

    /// Rows of a stream. Only those that a reader has room for are encoded: one that is slow costs the application little.
    pub(crate) fn rows(&self, stream: StreamId, batches: &[Batch]) {
        for (tail, _, writer) in self.tails.iter().filter(|(_, one, _)| *one == Some(stream)) {
            for batch in batches {
                let fitting = batch.slice(0, tail.room_for(batch.len()));
                if !fitting.is_empty() {
                    let encoded = writer.write(&fitting.columns);
                    let rows = fitting.rowtimes.iter().zip(encoded.iter());
                    tail.send(rows.map(|(rowtime, json)| tailed(*rowtime, json, None)));
                }
            }
        }
    }

    /// Rows of `error_stream`, and what failed in each of them.
    pub(crate) fn errors<F: Iterator<Item = FailedRow>>(&self, rows: &[ErrorRow], failed: impl Fn() -> F) {
        for (tail, _, writer) in self.tails.iter().filter(|(_, stream, _)| stream.is_none()) {
            let fitting = &rows[..tail.room_for(rows.len())];
            if !fitting.is_empty() {
                let encoded = error_stream::write(writer, fitting);
                let rows = fitting.iter().zip(encoded.iter()).zip(failed());
                tail.send(rows.map(|((row, json), failed)| tailed(row.error_time, json, Some(failed))));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::{ArrayRef, BooleanArray, Int32Array};
    use millstream_engine::{ApplicationSettings, catalog};
    use millstream_sql::{Column, InputStream, SqlType, compile};

    /// An application that copies `S` to `T`.
    struct Copying {
        application: Application,
        input: StreamId,
        output: StreamId,
    }

    impl Copying {
        fn new() -> Copying {
            let column = Column { name: "N".to_owned(), sql_type: SqlType::Integer, not_null: false };
            let input = InputStream { name: "S".to_owned(), columns: vec![column], metadata_columns: 0 };
            let sql = "CREATE STREAM T (N INTEGER); CREATE PUMP P AS INSERT INTO T SELECT STREAM N FROM S;";
            let program = compile(sql, &[input], &catalog()).program.unwrap();
            let application = Application::new(program, ApplicationSettings::default()).unwrap();
            let stream = |name| application.program().stream(name).unwrap();
            let (input, output) = (stream("S"), stream("T"));
            Copying { application, input, output }
        }

        fn push(&mut self, numbers: std::ops::Range<i32>) {
            let column: ArrayRef = Arc::new(Int32Array::from_iter_values(numbers));
            let batch = Batch::new(vec![1; column.len()].into(), vec![column]);
            self.application.push(self.input, &batch, 1).unwrap();
        }

        fn held_rows(&mut self) -> usize {
            self.application.take_output(self.output).iter().map(Batch::len).sum()
        }
    }

    #[test]
    fn nothing_is_held_for_readers_that_have_gone() {
        let (mut copying, mut tails) = (Copying::new(), Tails::default());
        let [(one, mut tail), (other, other_tail)] = [Tail::new("T"), Tail::new("T")];
        tails.add(one, &mut copying.application);
        tails.add(other, &mut copying.application);
        drop(other_tail);
        copying.push(0..1);
        tails.collect(&mut copying.application, |_| false);
        assert_eq!(tail.rows.try_recv().unwrap().json, "{\"N\":0}");
        drop(tail);
        copying.push(1..2);
        tails.collect(&mut copying.application, |_| false);
        assert_eq!(copying.held_rows(), 0);
        copying.push(2..3);
        assert_eq!(copying.held_rows(), 0);
        // Somebody comes back: rows from then on.
        let (again, mut tail) = Tail::new("T");
        tails.add(again, &mut copying.application);
        copying.push(3..4);
        tails.collect(&mut copying.application, |_| false);
        assert_eq!(tail.rows.try_recv().unwrap().json, "{\"N\":3}");
    }

    #[test]
    fn outputs_keep_their_rows_when_a_reader_has_gone() {
        let (mut copying, mut tails) = (Copying::new(), Tails::default());
        let (tail, reader) = Tail::new("T");
        tails.add(tail, &mut copying.application);
        drop(reader);
        copying.push(0..1);
        tails.collect(&mut copying.application, |_| true);
        copying.push(1..2);
        assert_eq!(copying.held_rows(), 2);
    }

    #[test]
    fn only_what_fits_is_encoded_and_the_rest_is_counted() {
        let (mut copying, mut tails) = (Copying::new(), Tails::default());
        let (tail, mut reader) = Tail::new("T");
        let shared = Arc::clone(&reader.shared);
        let lost = || shared.lost.load(Ordering::Relaxed);
        tails.add(tail, &mut copying.application);
        let (first, most) = (600, MOST_WAITING as i32);
        copying.push(0..first);
        copying.push(first..most + 5);
        tails.collect(&mut copying.application, |_| false);
        assert_eq!(lost(), 5);
        // A reader that is full costs no encoding: this column could not be encoded.
        let no_integers: ArrayRef = Arc::new(BooleanArray::from(vec![true; 7]));
        tails.rows(copying.output, &[Batch::new(vec![1; 7].into(), vec![no_integers])]);
        assert_eq!(lost(), 12);
        for number in 0..most {
            assert_eq!(reader.rows.try_recv().unwrap().json, format!("{{\"N\":{number}}}"));
        }
        assert!(reader.rows.try_recv().is_err());
        copying.push(0..1);
        tails.collect(&mut copying.application, |_| false);
        assert_eq!((reader.rows.try_recv().unwrap().rowtime, lost()), (1, 12));
    }
}
