//! Records of a stream, or of the buffer of a delivery stream, for somebody who follows it: those of all shards in the order
//! in which the log committed them.

use std::sync::Arc;

use bytes::Bytes;
use millstream_host::{Spawn, Timestamp};
use millstream_streamlog::{
    Log, Position, Positions, ReadError, ReadFrom, RecordView, SequenceNumber, StreamKey,
};
use tokio::sync::watch;

use super::data::{TailError, TailFrom};
use crate::shard_positions::ShardPositions;

/// Records and bytes of one read.
const READ_RECORDS: usize = 500;
const READ_BYTES: usize = 1 << 20;

/// A record of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TailedRecord {
    /// Its shard, such as `shardId-000000000000`.
    pub shard: String,
    /// Its number.
    pub sequence_number: String,
    /// The key that chose its shard.
    pub partition_key: String,
    /// When it arrived.
    pub arrival: Timestamp,
    /// Its bytes.
    pub data: Bytes,
}

impl TailedRecord {
    fn of(record: RecordView<'_>) -> TailedRecord {
        TailedRecord {
            shard: record.shard().to_string(),
            sequence_number: record.sequence_number().to_string(),
            partition_key: record.partition_key().to_owned(),
            arrival: record.arrival(),
            data: record.data_shared(),
        }
    }
}

/// What came since the read before. One of both is there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TailedRecords {
    /// Records that were deleted before they could be read.
    pub lost: u64,
    /// In the order in which they were committed.
    pub records: Vec<TailedRecord>,
}

/// Reads the records of all shards, one batch after the other.
pub struct RecordTail {
    log: Arc<Log>,
    key: StreamKey,
    positions: ShardPositions,
    changes: watch::Receiver<u64>,
}

impl RecordTail {
    /// Begins where it is asked to. May read files.
    pub(super) fn begin(log: Arc<Log>, key: StreamKey, from: &TailFrom) -> Result<RecordTail, TailError> {
        let changes = log.changes(&key)?;
        let mut positions = ShardPositions::new(&log, &key)?;
        positions.go_to(beginning(&log, &key, from)?, None);
        Ok(RecordTail { log, key, positions, changes })
    }

    /// The next records; waits for the first. Those that were split or merged go on in the shards that came of them.
    ///
    /// # Errors
    /// The stream was deleted, or cannot be read.
    pub async fn next(&mut self) -> Result<TailedRecords, ReadError> {
        loop {
            self.changes.borrow_and_update();
            let (log, key) = (Arc::clone(&self.log), self.key.clone());
            let mut positions = self.positions.clone();
            let read = move || {
                let (batch, lost) = positions.read(&log, &key, READ_RECORDS, READ_BYTES)?;
                positions.advance(&batch);
                Ok::<_, ReadError>((positions, batch, lost))
            };
            // Reading may wait for the disk.
            let read = Spawn::current().awaited_blocking(read).await;
            let (positions, batch, lost) =
                read.map_err(|_| ReadError::StreamNotFound(self.key.clone()))??;
            self.positions = positions;
            let records: Vec<TailedRecord> = batch.iter().map(TailedRecord::of).collect();
            if lost > 0 || !records.is_empty() {
                return Ok(TailedRecords { lost, records });
            }
            if self.changes.changed().await.is_err() {
                return Err(ReadError::StreamNotFound(self.key.clone()));
            }
        }
    }
}

/// The first record of each shard. A shard without one is read from its oldest record. A sequence number is a place in the
/// order of arrivals, which all shards share.
fn beginning(log: &Log, key: &StreamKey, from: &TailFrom) -> Result<Positions, TailError> {
    let number = match from {
        TailFrom::TrimHorizon => return Ok(Positions::new()),
        TailFrom::Latest | TailFrom::Timestamp(_) => None,
        TailFrom::SequenceNumber(text) => {
            let number: Result<SequenceNumber, _> = text.parse();
            Some(number.map_err(|_| TailError::From(format!("\"{text}\" is not a sequence number")))?)
        }
    };
    let arrival = match number.map(|number| log.read(key, number.shard(), ReadFrom::At(number), 1, 1)) {
        Some(Ok(batch)) => batch.records.first().map(|record| record.arrival),
        // Its shard has gone: what is there has come later.
        Some(Err(ReadError::ShardNotFound { .. })) => return Ok(Positions::new()),
        Some(Err(error)) => return Err(error.into()),
        None => None,
    };
    let mut positions = Positions::new();
    for extent in log.extent(key)?.shards {
        let from = match (from, number) {
            (TailFrom::Timestamp(at), _) => ReadFrom::AtTimestamp(*at),
            (_, Some(number)) if number.shard() == extent.shard => ReadFrom::At(number),
            (_, Some(_)) if let Some(arrival) = arrival => ReadFrom::AtTimestamp(arrival),
            // "Latest" means now, not the first read.
            _ => ReadFrom::Position(extent.end),
        };
        let position = match from {
            ReadFrom::Position(position) => position,
            from => match log.read(key, extent.shard, from, 1, 1) {
                Ok(batch) => match (from, batch.records.first()) {
                    // It may have been deleted: that is a loss.
                    (ReadFrom::At(number), _) => Position(number.index()),
                    (_, Some(first)) => Position(first.sequence_number.index()),
                    (_, None) => batch.next,
                },
                // Trimmed at this moment.
                Err(ReadError::ShardNotFound { .. }) => continue,
                Err(error) => return Err(error.into()),
            },
        };
        positions.insert(extent.shard, position);
    }
    Ok(positions)
}

#[cfg(test)]
mod tests {
    use super::*;
    use millstream_host::{Clock, ManualClock, real_time};
    use millstream_streamlog::{LogSettings, NewRecord, Retention, ShardNumber};
    use std::time::Duration;

    const HOUR: Duration = Duration::from_secs(3_600);

    /// A stream of two shards, records of which are kept for an hour.
    struct Followed {
        clock: Arc<ManualClock>,
        log: Arc<Log>,
        key: StreamKey,
        _folder: tempfile::TempDir,
    }

    impl Followed {
        fn new() -> Followed {
            let folder = tempfile::tempdir().unwrap();
            let clock = Arc::new(ManualClock::starting_at(Timestamp(1_700_000_000_000)));
            let settings = LogSettings { segment_bytes: 16 << 10, ..LogSettings::default() };
            let log = Log::open(folder.path(), settings, clock.clone()).unwrap().0;
            let key = StreamKey::data("s".parse().unwrap());
            log.stream_create(&key, 2, Retention::hours(1).unwrap()).unwrap();
            Followed { clock, log, key, _folder: folder }
        }

        /// One append: of 0 to the first shard, of 1 to the second.
        fn put(&self, half: u8, numbers: std::ops::Range<u32>) {
            let records = numbers.map(|number| {
                let hash = if half == 0 { 0 } else { u128::MAX };
                let data = format!("{number}{}", " ".repeat(100));
                NewRecord { explicit_hash_key: Some(hash), ..NewRecord::new("k", data) }
            });
            self.log.append_blocking(&self.key, records.collect()).unwrap();
        }

        /// What is there now is past its time and deleted, and so are shards that were split.
        fn forget(&self) {
            self.clock.advance(2 * HOUR);
            for _ in 0..2 {
                self.log.trim(self.clock.now()).unwrap();
            }
        }

        fn tail(&self, from: &TailFrom) -> RecordTail {
            RecordTail::begin(Arc::clone(&self.log), self.key.clone(), from).unwrap()
        }
    }

    /// Records that were lost, and the numbers of those that were not.
    async fn next(tail: &mut RecordTail) -> (u64, Vec<u32>) {
        let read = real_time::within(Duration::from_secs(20), tail.next()).await;
        let TailedRecords { lost, records } = read.expect("something comes").unwrap();
        let number =
            |record: &TailedRecord| std::str::from_utf8(&record.data).unwrap().trim().parse().unwrap();
        (lost, records.iter().map(number).collect())
    }

    #[tokio::test]
    async fn records_of_unequal_shards_come_in_the_order_of_their_arrival() {
        let followed = Followed::new();
        followed.put(0, 0..1_200);
        followed.clock.advance(HOUR / 4);
        followed.put(1, 1_200..1_210);
        let mut tail = followed.tail(&TailFrom::TrimHorizon);
        let mut numbers = Vec::new();
        while numbers.len() < 1_210 {
            let (lost, more) = next(&mut tail).await;
            assert_eq!(lost, 0);
            numbers.extend(more);
        }
        assert_eq!(numbers, (0..1_210).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn a_tail_begins_where_it_is_asked_to() {
        let followed = Followed::new();
        followed.put(0, 0..2);
        followed.clock.advance(HOUR / 4);
        followed.put(1, 2..4);
        followed.clock.advance(Duration::from_millis(5));
        followed.put(0, 4..6);
        let first = next(&mut followed.tail(&TailFrom::TrimHorizon)).await;
        assert_eq!(first, (0, (0..6).collect()));
        let whole = followed.tail(&TailFrom::TrimHorizon).next().await.unwrap().records;
        let since = TailFrom::Timestamp(whole[2].arrival);
        assert_eq!(next(&mut followed.tail(&since)).await, (0, vec![2, 3, 4, 5]));
        // Of other shards what arrived after it.
        let number = TailFrom::SequenceNumber(whole[1].sequence_number.clone());
        assert_eq!(next(&mut followed.tail(&number)).await, (0, vec![1, 2, 3, 4, 5]));
        let later = TailFrom::SequenceNumber(whole[4].sequence_number.clone());
        assert_eq!(next(&mut followed.tail(&later)).await, (0, vec![4, 5]));
        let mut latest = followed.tail(&TailFrom::Latest);
        followed.put(0, 6..7);
        followed.put(1, 7..8);
        assert_eq!(next(&mut latest).await, (0, vec![6, 7]));
        // Also of shards that came of a split.
        followed.log.stream_split(&followed.key, ShardNumber(0), 1 << 100).unwrap();
        followed.put(0, 8..10);
        assert_eq!(next(&mut followed.tail(&later)).await, (0, vec![4, 5, 6, 7, 8, 9]));
        let none = TailFrom::SequenceNumber("x".to_owned());
        let refused =
            RecordTail::begin(Arc::clone(&followed.log), followed.key.clone(), &none).err().unwrap();
        assert_eq!(refused.to_string(), "\"x\" is not a sequence number");
    }

    #[tokio::test]
    async fn records_that_go_before_they_are_read_are_counted() {
        let followed = Followed::new();
        followed.put(0, 0..5);
        let mut tail = followed.tail(&TailFrom::TrimHorizon);
        assert_eq!(next(&mut tail).await, (0, (0..5).collect()));
        followed.put(0, 5..205);
        followed.put(1, 205..305);
        followed.forget();
        followed.put(1, 305..306);
        assert_eq!(next(&mut tail).await, (300, vec![305]));
        // Who begins later has lost nothing.
        assert_eq!(next(&mut followed.tail(&TailFrom::TrimHorizon)).await, (0, vec![305]));
    }

    #[tokio::test]
    async fn a_tail_goes_on_when_a_spent_shard_is_no_longer_there() {
        let followed = Followed::new();
        followed.put(0, 0..700);
        let mut tail = followed.tail(&TailFrom::TrimHorizon);
        assert_eq!(next(&mut tail).await, (0, (0..500).collect()));
        followed.log.stream_split(&followed.key, ShardNumber(0), 1 << 100).unwrap();
        followed.forget();
        followed.put(0, 700..702);
        // A trim keeps the newest segment, and with it the last records of the shard.
        followed.put(1, 702..902);
        followed.forget();
        let shards = followed.log.extent(&followed.key).unwrap().shards;
        assert!(shards.iter().all(|extent| extent.shard != ShardNumber(0)), "{shards:?}");
        followed.put(0, 902..904);
        let (lost, numbers) = next(&mut tail).await;
        assert_eq!(numbers, [902, 903]);
        assert_eq!(
            lost,
            200 + 2 + 200,
            "of the shard that is gone, of the one that came of it, and of the other"
        );
        followed.put(0, 904..905);
        assert_eq!(next(&mut tail).await, (0, vec![904]));
    }
}
