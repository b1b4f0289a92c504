//! What is followed, as lines for its reader.

use std::sync::Arc;

use axum::body::Bytes;
use base64::Engine;
use millstream_control::{FailedRow, TailFilter, TailedRecord, Tailing};
use millstream_host::Timestamp;
use serde_json::value::RawValue;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use super::protocol::{FailedLine, SourceLine, TailLine};

/// Lines that may wait for a reader.
const MOST_WAITING: usize = 256;
/// Their bytes. A longer line waits alone.
const MOST_BYTES: u32 = 256 << 10;

/// Lines on their way to a reader.
pub(super) struct Lines(mpsc::Receiver<Waiting>);

/// A line, and its part of the bytes that may wait.
type Waiting = (Bytes, Option<OwnedSemaphorePermit>);

#[derive(Clone)]
struct Sender {
    lines: mpsc::Sender<Waiting>,
    room: Arc<Semaphore>,
}

/// Where lines for a reader go in.
pub(super) struct TailLines {
    sender: Sender,
    filter: Option<TailFilter>,
}

/// The reader has gone.
struct Gone;

/// Lines of what passes a filter.
pub(super) fn channel(filter: Option<TailFilter>) -> (TailLines, Lines) {
    let (lines, receiver) = mpsc::channel(MOST_WAITING);
    let sender = Sender { lines, room: Arc::new(Semaphore::new(MOST_BYTES as usize)) };
    (TailLines { sender, filter }, Lines(receiver))
}

impl Lines {
    /// The next line; `None` at the end.
    pub(super) async fn next(&mut self) -> Option<Bytes> {
        self.0.recv().await.map(|(line, _)| line)
    }
}

impl TailLines {
    /// Comes back when nobody reads any more.
    pub(super) fn reader_gone(&self) -> impl Future<Output = ()> + use<> {
        let lines = self.sender.lines.clone();
        async move { lines.closed().await }
    }

    /// Sends what comes, until the reader or what is followed has gone: gives why it has.
    pub(super) async fn send(&mut self, tailing: Tailing) -> Option<String> {
        match tailing {
            Tailing::Records(mut records) => loop {
                let batch = match records.next().await {
                    Ok(batch) => batch,
                    Err(error) => return Some(error.to_string()),
                };
                let all = batch
                    .records
                    .into_iter()
                    .map(|record| (record.data.clone(), record.arrival, line_of(record)));
                let lost = (batch.lost > 0).then_some(TailLine::Deleted { records: batch.lost });
                self.batch(lost, all).await.ok()?;
            },
            Tailing::Rows(mut rows) => loop {
                let batch = match rows.next().await {
                    Ok(batch) => batch,
                    Err(reason) => return Some(reason),
                };
                let all = batch.rows.into_iter().map(|row| {
                    let json = RawValue::from_string(row.json.clone());
                    let json = json.unwrap_or_else(|_| RawValue::NULL.to_owned());
                    let (stream, failed) = (rows.stream().to_owned(), row.failed.map(failed_line_of));
                    let line = TailLine::Row { rowtime: row.rowtime, stream, row: json, failed };
                    (Bytes::from(row.json), Timestamp(row.rowtime), line)
                });
                let lost = (batch.lost > 0).then_some(TailLine::Lost { rows: batch.lost });
                self.batch(lost, all).await.ok()?;
            },
        }
    }

    /// What was lost, what passes, and for how much that could not be decided.
    async fn batch(
        &mut self,
        lost: Option<TailLine>,
        all: impl Iterator<Item = (Bytes, Timestamp, TailLine)>,
    ) -> Result<(), Gone> {
        if let Some(lost) = lost {
            line(&self.sender, &lost).await?;
        }
        for (data, rowtime, one) in all {
            if self.filter.as_mut().is_none_or(|filter| filter.passes(&data, rowtime)) {
                line(&self.sender, &one).await?;
            }
        }
        match self.filter.as_mut().map_or(0, TailFilter::take_undecided) {
            0 => Ok(()),
            records => line(&self.sender, &TailLine::Undecided { records }).await,
        }
    }

    /// The last line: why nothing more comes. A reader that does not keep up does not see it.
    pub(super) fn end(self, reason: String) {
        let _ = self.sender.lines.try_send((encoded(&TailLine::End { reason }), None));
    }
}

async fn line(sender: &Sender, line: &TailLine) -> Result<(), Gone> {
    let line = encoded(line);
    let bytes = u32::try_from(line.len()).unwrap_or(MOST_BYTES).min(MOST_BYTES);
    // It is never closed; a reader that has gone is heard beside this.
    let room = Arc::clone(&sender.room).acquire_many_owned(bytes).await.map_err(|_| Gone)?;
    sender.lines.send((line, Some(room))).await.map_err(|_| Gone)
}

fn line_of(record: TailedRecord) -> TailLine {
    let (data, base64) = text_or_base64(&record.data);
    TailLine::Record {
        shard: record.shard,
        sequence_number: record.sequence_number,
        partition_key: record.partition_key,
        arrival: record.arrival.millis(),
        data,
        base64,
    }
}

fn failed_line_of(failed: FailedRow) -> FailedLine {
    let (data, base64) = text_or_base64(whole_characters(&failed.data));
    let source = failed.source.map(|source| SourceLine {
        place: source.place,
        shard: source.shard,
        sequence_number: source.sequence_number,
    });
    FailedLine { data, base64, source }
}

/// Text as it is, and what is no text in letters and digits.
fn text_or_base64(data: &[u8]) -> (Option<String>, Option<String>) {
    match std::str::from_utf8(data) {
        Ok(text) => (Some(text.to_owned()), None),
        Err(_) => (None, Some(base64::engine::general_purpose::STANDARD.encode(data))),
    }
}

/// A text without a last character that was cut in two, as the end of a long row may be.
fn whole_characters(data: &[u8]) -> &[u8] {
    match std::str::from_utf8(data) {
        Err(error) if error.error_len().is_none() => &data[..error.valid_up_to()],
        _ => data,
    }
}

fn encoded(line: &TailLine) -> Bytes {
    let mut line = serde_json::to_vec(line).expect("a line is plain data");
    line.push(b'\n');
    line.into()
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    /// A line of about so many bytes.
    fn of(bytes: usize) -> TailLine {
        TailLine::End { reason: "x".repeat(bytes) }
    }

    #[tokio::test]
    async fn the_bytes_that_wait_for_a_reader_are_bounded() {
        for bytes in [100 << 10, 4 << 20] {
            let (lines, mut reader) = channel(None);
            let waiting = (0..MOST_WAITING).take_while(|_| {
                line(&lines.sender, &of(bytes)).now_or_never().is_some_and(|sent| sent.is_ok())
            });
            let waiting = waiting.count();
            assert!(waiting >= 1, "one of any length has room");
            assert!((waiting - 1) * bytes < MOST_BYTES as usize, "{waiting} lines of {bytes} bytes");
            assert!(reader.next().await.is_some());
            assert!(line(&lines.sender, &of(bytes)).now_or_never().is_some(), "what was read makes room");
        }
    }

    #[tokio::test]
    async fn a_reader_that_has_gone_ends_it() {
        let (lines, reader) = channel(None);
        let gone = lines.reader_gone();
        drop(reader);
        gone.await;
        assert!(line(&lines.sender, &of(1)).await.is_err());
    }
}
