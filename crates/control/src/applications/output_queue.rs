//! Rows that wait for their destination.

use std::collections::{HashSet, VecDeque};

use bytes::Bytes;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

/// An application stops reading while this much waits for one destination.
const MOST_BYTES: usize = 16 << 20;
/// What a row takes beside its bytes.
const ROW_OVERHEAD: usize = 64;

/// What makes a row that is sent again count once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct RowNumber {
    /// Who numbers: the same in every run, and of no other output.
    pub(crate) producer: u64,
    /// Counts the rows of the producer, from 0.
    pub(crate) number: u64,
}

/// A row that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WaitingRow {
    /// Its place in the order of rows of this output, for as long as the process lives.
    pub(crate) place: u64,
    /// `None` for a row of a checkpoint of the first layout: it is sent at least once.
    pub(crate) number: Option<RowNumber>,
    /// As JSON or CSV.
    pub(crate) data: Bytes,
    /// Failed deliveries so far.
    pub(crate) retry_hint: u64,
}

/// A row as a checkpoint keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StoredRow {
    pub(crate) number: Option<RowNumber>,
    pub(crate) data: Vec<u8>,
}

#[derive(Default)]
struct Rows {
    waiting: VecDeque<WaitingRow>,
    bytes: usize,
    next_place: u64,
    /// Rows from this place on are held back.
    held_from: Option<u64>,
}

impl Rows {
    /// Rows that may go.
    fn free(&self) -> impl Iterator<Item = &WaitingRow> {
        let is_free = |row: &&WaitingRow| self.held_from.is_none_or(|held| row.place < held);
        self.waiting.iter().take_while(is_free)
    }

    fn push(&mut self, number: Option<RowNumber>, data: Bytes) {
        let place = self.next_place;
        self.next_place += 1;
        self.bytes += data.len() + ROW_OVERHEAD;
        self.waiting.push_back(WaitingRow { place, number, data, retry_hint: 0 });
    }
}

/// The rows of one output, in order.
#[derive(Default)]
pub(crate) struct OutputQueue {
    /// Guards the rows; held for moments, never across a delivery.
    rows: Mutex<Rows>,
    added: Notify,
    settled: Notify,
}

impl OutputQueue {
    /// Adds rows at the end, numbered one by one; they share one buffer.
    pub(crate) fn push(&self, first: RowNumber, rows: millstream_columns::formats::EncodedRows) {
        {
            let mut queue = self.rows.lock();
            let bytes = Bytes::from(rows.bytes);
            let mut start = 0;
            for (place, end) in rows.ends.iter().enumerate() {
                let number = RowNumber { number: first.number + place as u64, ..first };
                queue.push(Some(number), bytes.slice(start..*end));
                start = *end;
            }
        }
        self.added.notify_one();
    }

    /// Adds rows that waited when the last run ended.
    pub(crate) fn take_over(&self, rows: Vec<StoredRow>) {
        {
            let mut queue = self.rows.lock();
            for row in rows {
                queue.push(row.number, Bytes::from(row.data));
            }
        }
        self.added.notify_one();
    }

    /// The oldest rows; they stay until acknowledged.
    pub(crate) fn oldest(&self, most_rows: usize, most_bytes: usize) -> Vec<WaitingRow> {
        let queue = self.rows.lock();
        let mut bytes = 0;
        let fits = |row: &&WaitingRow| {
            let is_first = bytes == 0;
            bytes += row.data.len().max(1);
            is_first || bytes <= most_bytes
        };
        queue.free().take(most_rows).take_while(fits).cloned().collect()
    }

    /// The first `rows` rows arrived.
    pub(crate) fn settle_first(&self, rows: usize) {
        let mut queue = self.rows.lock();
        let Rows { waiting, bytes, .. } = &mut *queue;
        for row in waiting.drain(..rows.min(waiting.len())) {
            *bytes = bytes.saturating_sub(row.data.len() + ROW_OVERHEAD);
        }
        drop(queue);
        self.settled.notify_one();
    }

    /// Takes out the rows that arrived, by their places, and counts a failed delivery for the others that were sent.
    pub(crate) fn settle(&self, delivered: &HashSet<u64>, failed: &HashSet<u64>) {
        let mut queue = self.rows.lock();
        let Rows { waiting, bytes, .. } = &mut *queue;
        waiting.retain_mut(|row| {
            if failed.contains(&row.place) {
                row.retry_hint += 1;
            }
            let is_kept = !delivered.contains(&row.place);
            if !is_kept {
                *bytes = bytes.saturating_sub(row.data.len() + ROW_OVERHEAD);
            }
            is_kept
        });
        drop(queue);
        self.settled.notify_one();
    }

    /// Everything that waits, for a checkpoint.
    pub(crate) fn all(&self) -> Vec<StoredRow> {
        let stored = |row: &WaitingRow| StoredRow { number: row.number, data: row.data.to_vec() };
        self.rows.lock().waiting.iter().map(stored).collect()
    }

    pub(crate) fn len(&self) -> usize {
        self.rows.lock().waiting.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows.lock().waiting.is_empty()
    }

    pub(crate) fn is_full(&self) -> bool {
        self.rows.lock().bytes > MOST_BYTES
    }

    /// Holds back the rows that come from now on, until they are let go.
    pub(crate) fn hold(&self) {
        let mut queue = self.rows.lock();
        let next = queue.next_place;
        queue.held_from.get_or_insert(next);
    }

    /// No row is held back any more.
    pub(crate) fn let_go(&self) {
        self.rows.lock().held_from = None;
        self.added.notify_one();
    }

    /// Rows before this place are not held back any more; if others are, they stay so.
    pub(crate) fn let_go_before(&self, place: u64) {
        if let Some(held_from) = &mut self.rows.lock().held_from {
            *held_from = place.max(*held_from);
        }
        self.added.notify_one();
    }

    /// Whether rows are held back.
    pub(crate) fn holds_some(&self) -> bool {
        let rows = self.rows.lock();
        rows.held_from.is_some_and(|held| rows.waiting.back().is_some_and(|last| last.place >= held))
    }

    /// The place of the next row.
    pub(crate) fn end(&self) -> u64 {
        self.rows.lock().next_place
    }

    /// Comes back when rows have arrived or failed since it was last asked.
    pub(crate) async fn settled(&self) {
        self.settled.notified().await;
    }

    /// Comes back when there are rows that may go.
    pub(crate) async fn filled(&self) {
        loop {
            let added = self.added.notified();
            if self.rows.lock().free().next().is_some() {
                return;
            }
            added.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use millstream_columns::formats::EncodedRows;

    #[test]
    fn rows_stay_in_order_until_they_are_acknowledged() {
        let queue = OutputQueue::default();
        let first = RowNumber { producer: 9, number: 5 };
        queue.push(first, EncodedRows { bytes: b"abbc".to_vec(), ends: vec![1, 3, 4] });
        let sent = queue.oldest(2, 100);
        let numbers =
            |rows: &[WaitingRow]| rows.iter().map(|row| row.number.unwrap().number).collect::<Vec<_>>();
        assert_eq!(numbers(&sent), [5, 6]);
        queue.settle(&HashSet::from([1]), &HashSet::from([0]));
        let left = queue.oldest(10, 100);
        assert_eq!(left.iter().map(|row| (row.place, row.retry_hint)).collect::<Vec<_>>(), [(0, 1), (2, 0)]);
        let stored = queue.all();
        assert_eq!(stored.iter().map(|row| row.data.as_slice()).collect::<Vec<_>>(), [b"a", b"c"]);
        assert_eq!(queue.oldest(10, 1).len(), 1, "bytes are a limit, but one row always goes");
        queue.settle_first(2);
        assert!(queue.is_empty() && !queue.is_full());
        queue.take_over(stored);
        assert_eq!(numbers(&queue.oldest(10, 100)), [5, 7], "numbers outlive the process");
    }

    #[tokio::test]
    async fn rows_that_are_held_back_wait_behind_those_that_may_go() {
        let queue = OutputQueue::default();
        let row = |data: &str| StoredRow { number: None, data: data.as_bytes().to_vec() };
        let oldest = || queue.oldest(10, 1_000).into_iter().map(|row| row.data).collect::<Vec<_>>();
        queue.take_over(vec![row("a")]);
        queue.hold();
        queue.take_over(vec![row("b")]);
        queue.hold();
        assert_eq!((oldest(), queue.len()), (vec!["a".into()], 2));
        queue.settle_first(1);
        let mut filled = std::pin::pin!(queue.filled());
        assert!(futures::poll!(&mut filled).is_pending() && !queue.is_empty());
        queue.let_go();
        filled.await;
        assert_eq!(oldest(), ["b"]);
        queue.let_go_before(queue.end());
        queue.take_over(vec![row("c")]);
        assert_eq!(oldest(), ["b", "c"], "what is not held is not let go");
        queue.hold();
        queue.take_over(vec![row("d")]);
        let end = queue.end();
        queue.take_over(vec![row("e")]);
        queue.let_go_before(end);
        assert_eq!((oldest(), queue.holds_some()), (vec!["b".into(), "c".into(), "d".into()], true));
        queue.let_go_before(queue.end());
        assert!(!queue.holds_some());
    }
}
