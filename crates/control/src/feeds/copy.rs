//! The records of a stream go on into another one, from its newest on.
//!
//! ```text
//!   stream ─▶ LogInput ─▶ (pace) ─▶ append to the target ─▶ positions in the catalog, about once a second
//! ```
//!
//! Invariants: a position is stored only after its record was acknowledged by the target, so that every record arrives at
//! least once over all runs on a data directory; records keep their partition keys and, within a shard, their order.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use millstream_host::Timestamp;
use millstream_streamlog::{Log, NewRecord, StreamKey};
use tokio::sync::watch;

use super::pace::Pace;
use super::put::{FeedServices, POSITION_INTERVAL};
use crate::applications::{LogInput, RawBatch};
use crate::definition::ResourceId;
use crate::identifier::Identifiers;

/// Before the source is read again after a failure.
const READ_RETRY: Duration = Duration::from_secs(1);

/// How far a copy has come.
#[derive(Clone)]
pub(crate) struct CopyProgress {
    log: Arc<Log>,
    source: StreamKey,
    /// The next record of each shard: those before it have been acknowledged by the target.
    positions: watch::Receiver<BTreeMap<u32, u64>>,
}

impl CopyProgress {
    /// Comes back when everything that the source holds now has been copied, or the copy has ended.
    pub(crate) async fn caught_up(&self) {
        let ends = LogInput::new(Arc::clone(&self.log), self.source.clone()).and_then(|input| input.ends());
        let ends = match ends {
            Ok(ends) => ends,
            // It is gone: there is nothing to wait for.
            Err(error) => return tracing::warn!(stream = %self.source, %error, "a copy cannot be waited for"),
        };
        let has_all = |positions: &BTreeMap<u32, u64>| {
            ends.iter().all(|(shard, end)| positions.get(shard).is_some_and(|position| position >= end))
        };
        // An error means that the copy has ended.
        let _ = self.positions.clone().wait_for(has_all).await;
    }
}

/// A copy under way.
pub(crate) struct Copying {
    services: FeedServices,
    source: ResourceId,
    input: LogInput,
    positions: watch::Sender<BTreeMap<u32, u64>>,
    stored_at: Timestamp,
    is_stored: bool,
}

impl Copying {
    /// A copy of what an input reads.
    pub(crate) fn new(
        services: FeedServices,
        source: ResourceId,
        input: LogInput,
    ) -> (Copying, CopyProgress) {
        let (sender, positions) = watch::channel(input.positions());
        let progress =
            CopyProgress { log: Arc::clone(&services.log), source: input.key().clone(), positions };
        let stored_at = services.clock.now();
        (Copying { services, source, input, positions: sender, stored_at, is_stored: true }, progress)
    }

    /// Copies until stopped.
    pub(crate) async fn run(mut self) {
        let mut pace = self.services.rate.map(|rate| Pace::new(rate, self.services.clock.now()));
        while !self.services.stop.is_stopped() {
            let now = self.services.clock.now();
            let due = pace.as_mut().map_or(u64::MAX, |pace| pace.due(now));
            let batch = if due == 0 { Ok(None) } else { self.input.read() };
            match batch {
                Ok(Some(batch)) => {
                    let batch = first(batch, usize::try_from(due).unwrap_or(usize::MAX));
                    if !self.put(&batch).await {
                        break;
                    }
                    if let Some(pace) = &mut pace {
                        pace.sent(batch.records.len() as u64);
                    }
                    self.input.advance(&batch);
                    self.is_stored = false;
                    self.positions.send_replace(self.input.positions());
                }
                Ok(None) => {
                    let wait = match (&pace, due) {
                        (Some(pace), 0) => pace.wait(now),
                        _ => POSITION_INTERVAL,
                    };
                    tokio::select! {
                        () = self.services.clock.sleep(wait) => {}
                        () = self.input.changed(), if due > 0 => {}
                        () = self.services.stop.stopped() => {}
                    }
                }
                Err(error) => {
                    let message = format!("the stream cannot be read and is tried again: {error}");
                    self.services.live.problem(now, &self.services.name, message, 1);
                    tokio::select! {
                        () = self.services.clock.sleep(READ_RETRY) => {}
                        () = self.services.stop.stopped() => {}
                    }
                }
            }
            let now = self.services.clock.now();
            if !self.is_stored && (now < self.stored_at || now.since(self.stored_at) >= POSITION_INTERVAL) {
                self.store_positions();
            }
        }
        if !self.is_stored {
            self.store_positions();
        }
    }

    async fn put(&mut self, batch: &RawBatch) -> bool {
        let records = |_: &Identifiers| {
            let records = batch.records.iter();
            records.map(|record| NewRecord::new(record.partition_key.clone(), record.data.clone())).collect()
        };
        self.services.put(records).await
    }

    /// The copy has a thread of its own, which may wait for the disk.
    fn store_positions(&mut self) {
        self.stored_at = self.services.clock.now();
        let (catalog, id) = (&self.services.catalog, self.services.id);
        match catalog.put_positions(id, self.source, &self.input.positions()) {
            Ok(()) => self.is_stored = true,
            Err(error) => tracing::warn!(copy = self.services.name, %error, "position not stored"),
        }
    }
}

/// No more than the first records of a batch; the others are read again.
fn first(mut batch: RawBatch, most: usize) -> RawBatch {
    if batch.records.len() > most {
        batch.records.truncate(most);
        // Numbers may have gaps where a commit failed: the next one is what follows the last record that is kept.
        if let Some(last) = batch.records.last() {
            batch.next = last.index + 1;
        }
    }
    batch
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::applications::RawRecord;

    #[test]
    fn r10_a_paced_copy_carries_the_index() {
        let record = |index: u64| RawRecord {
            index,
            shard: String::new(),
            sequence_number: String::new(),
            partition_key: String::new(),
            arrival: Timestamp(0),
            data: bytes::Bytes::new(),
        };
        // The commit of records 3 and 4 failed.
        let batch = RawBatch { shard: 0, next: 7, records: vec![record(1), record(2), record(5), record(6)] };
        let cut = first(batch, 2);
        assert_eq!((cut.next, cut.records.len()), (3, 2), "5 and 6 are read again");
    }
}
