//! Rows that wait for their destination.

use std::collections::{HashSet, VecDeque};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::Notify;

/// An application stops reading while so much waits for one destination.
const MOST_BYTES: usize = 16 << 20;

/// A row that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WaitingRow {
    /// Its place in the order of rows of this output, for as long as the process lives.
    pub(crate) number: u64,
    /// As JSON or CSV.
    pub(crate) data: Bytes,
    /// Failed deliveries so far.
    pub(crate) retry_hint: u64,
}

#[derive(Default)]
struct Rows {
    waiting: VecDeque<WaitingRow>,
    bytes: usize,
    next_number: u64,
}

/// The rows of one output, in order.
#[derive(Default)]
pub(crate) struct OutputQueue {
    /// Guards the rows; held for moments, never across a delivery.
    rows: Mutex<Rows>,
    added: Notify,
}

impl OutputQueue {
    /// Adds rows at the end.
    pub(crate) fn push<'a>(&self, rows: impl IntoIterator<Item = &'a [u8]>) {
        {
            let mut queue = self.rows.lock();
            for data in rows {
                let number = queue.next_number;
                queue.next_number += 1;
                queue.bytes += data.len();
                queue.waiting.push_back(WaitingRow {
                    number,
                    data: Bytes::copy_from_slice(data),
                    retry_hint: 0,
                });
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
        queue.waiting.iter().take(most_rows).take_while(fits).cloned().collect()
    }

    /// Takes out the rows that arrived, and counts a failed delivery for the others that were sent.
    pub(crate) fn settle(&self, delivered: &HashSet<u64>, failed: &HashSet<u64>) {
        let mut queue = self.rows.lock();
        let Rows { waiting, bytes, .. } = &mut *queue;
        waiting.retain_mut(|row| {
            if failed.contains(&row.number) {
                row.retry_hint += 1;
            }
            let is_kept = !delivered.contains(&row.number);
            if !is_kept {
                *bytes = bytes.saturating_sub(row.data.len());
            }
            is_kept
        });
    }

    /// Everything that waits, for a checkpoint.
    pub(crate) fn all(&self) -> Vec<Vec<u8>> {
        self.rows.lock().waiting.iter().map(|row| row.data.to_vec()).collect()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows.lock().waiting.is_empty()
    }

    pub(crate) fn is_full(&self) -> bool {
        self.rows.lock().bytes > MOST_BYTES
    }

    /// Comes back when there are rows.
    pub(crate) async fn filled(&self) {
        while self.is_empty() {
            self.added.notified().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_stay_in_order_until_they_are_acknowledged() {
        let queue = OutputQueue::default();
        queue.push([b"a".as_slice(), b"bb", b"c"]);
        let sent = queue.oldest(2, 100);
        assert_eq!(sent.iter().map(|row| row.number).collect::<Vec<_>>(), [0, 1]);
        queue.settle(&HashSet::from([1]), &HashSet::from([0]));
        let left = queue.oldest(10, 100);
        assert_eq!(left.iter().map(|row| (row.number, row.retry_hint)).collect::<Vec<_>>(), [(0, 1), (2, 0)]);
        assert_eq!(queue.all(), [b"a".to_vec(), b"c".to_vec()]);
        assert_eq!(queue.oldest(10, 1).len(), 1, "bytes are a limit, but one row always goes");
        queue.settle(&HashSet::from([0, 2]), &HashSet::new());
        assert!(queue.is_empty() && !queue.is_full());
    }
}
