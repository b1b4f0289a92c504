//! Rows that no retry can mend: counted, and the newest kept for people.
//!
//! The contract of an output function knows only "delivered" and "send it again". A row without the expected number
//! would come again for ever and hold up all rows behind it, so it is acknowledged and kept here.

use std::collections::VecDeque;

use bytes::Bytes;
use millstream_host::Timestamp;
use parking_lot::Mutex;

const KEPT_ROWS: usize = 100;
const KEPT_BYTES: usize = 1_024;

/// A row that could not be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RejectedRow {
    /// When.
    pub at: Timestamp,
    /// Why.
    pub reason: String,
    /// The row, at most its first 1,024 bytes.
    pub data: Bytes,
}

/// How many, and the newest. The lock guards the list and is held for moments.
#[derive(Default)]
pub(crate) struct RejectedRows(Mutex<(u64, VecDeque<RejectedRow>)>);

impl RejectedRows {
    pub(crate) fn add(&self, function: &str, at: Timestamp, reason: String, data: &Bytes) {
        tracing::error!(function, reason, "row of a query cannot be used and is left out");
        // A copy: a slice would keep the whole event in memory.
        let data = Bytes::copy_from_slice(&data[..data.len().min(KEPT_BYTES)]);
        let mut kept = self.0.lock();
        kept.0 += 1;
        kept.1.push_back(RejectedRow { at, reason, data });
        if kept.1.len() > KEPT_ROWS {
            kept.1.pop_front();
        }
    }

    pub(crate) fn count(&self) -> u64 {
        self.0.lock().0
    }

    /// Newest first.
    pub(crate) fn newest(&self) -> Vec<RejectedRow> {
        self.0.lock().1.iter().rev().cloned().collect()
    }
}
