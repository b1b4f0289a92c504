//! Appending records.

use std::sync::Arc;

use tokio::sync::oneshot;

use crate::blocking;
use crate::error::AppendError;
use crate::hash_range::partition_key_hash;
use crate::log::Log;
use crate::producer::{Producer, ProducerChange};
use crate::queue::{Append, AppendAck, Work};
use crate::record::{Appended, MAX_PARTITION_KEY_CHARS, NewRecord};
use crate::record_batch::{RECORD_OVERHEAD, RecordBatch, Records, Refused};
use crate::segment::write::{self, Placements};
use crate::stream::Topology;
use crate::stream_name::StreamKey;

/// What an append that waits takes in memory beside its payloads, and what each frame of it does.
const APPEND_OVERHEAD: usize = 256;
const FRAME_OVERHEAD: usize = 96;

/// Where the records of an append went. Says it of each record when asked, so that an append of many costs nothing.
#[derive(Debug)]
pub struct AppendedBatch {
    records: usize,
    duplicates: usize,
    commit: u64,
    places: Option<Places>,
}

/// What each record's place follows from.
#[derive(Debug)]
struct Places {
    topology: Arc<Topology>,
    /// The shard of each frame, by its place in the topology.
    shards: Vec<usize>,
    placements: Arc<Placements>,
    ack: AppendAck,
}

impl AppendedBatch {
    /// How many records the append had.
    pub fn len(&self) -> usize {
        self.records
    }

    /// Whether it had none.
    pub fn is_empty(&self) -> bool {
        self.records == 0
    }

    /// How many records at its start were dropped because the log had them already, by the producer's numbers.
    pub fn duplicates(&self) -> usize {
        self.duplicates
    }

    /// The commit that the records are in: counts up over the whole log. When all were duplicates, the newest commit.
    pub fn commit(&self) -> u64 {
        self.commit
    }

    /// Where record `place` went, from 0; `None` for a duplicate and beyond the last record.
    pub fn get(&self, place: usize) -> Option<Appended> {
        let Places { topology, shards, placements, ack } = self.places.as_ref()?;
        if !(self.duplicates..self.records).contains(&place) {
            return None;
        }
        let (frame, record) = placements.get(place);
        let shard = &topology.shards[shards[frame]];
        let frame = ack.frames[frame];
        let index = frame.first_index + u64::from(record - frame.skipped);
        Some(Appended { shard: shard.number, sequence_number: shard.sequence_number(index, frame.arrival) })
    }

    /// Where each record went, without the duplicates.
    pub fn iter(&self) -> impl Iterator<Item = Appended> + '_ {
        (self.duplicates..self.records).filter_map(|place| self.get(place))
    }
}

impl Log {
    /// Appends records and resolves when they are on disk, with one answer per record in the same order.
    ///
    /// Limits, routing, encoding and queueing happen in the call itself, so calls made one after the other are in that
    /// order in the log, whether or not the futures are awaited; a dropped future does not take its records back. The
    /// records of one call that share a shard get increasing numbers in the order given. Costs about 1 µs a record of
    /// 1 KB on the caller's thread.
    ///
    /// # Errors
    /// See [`AppendError`]: all records of the call are appended or none.
    pub fn append(
        &self,
        stream: &StreamKey,
        records: Vec<NewRecord>,
    ) -> impl Future<Output = Result<Vec<Appended>, AppendError>> + Send + use<> {
        let appended = finish(self.enqueue(stream, records.as_slice(), None));
        async move { Ok(appended.await?.iter().collect()) }
    }

    /// The same for a plain thread: returns when the records are on disk.
    ///
    /// # Errors
    /// See [`Log::append`].
    pub fn append_blocking(
        &self,
        stream: &StreamKey,
        records: Vec<NewRecord>,
    ) -> Result<Vec<Appended>, AppendError> {
        blocking::wait(self.append(stream, records))
    }

    /// [`Log::append`] for records in one buffer. On a stream with one open shard the buffer is taken as it is: about
    /// 0.1 µs a record of 100 bytes, most of it the checksum.
    ///
    /// # Errors
    /// See [`Log::append`].
    pub fn append_batch(
        &self,
        stream: &StreamKey,
        records: RecordBatch,
    ) -> impl Future<Output = Result<AppendedBatch, AppendError>> + Send + use<> {
        finish(self.enqueue(stream, &records, None))
    }

    /// Appends the records that the log does not have from this producer yet, and drops the others: a repeated append
    /// counts once, whatever happened in between. How far the producer has come becomes durable in the same commit as
    /// the records, on whatever shards they are. An append without records moves the producer on all the same.
    ///
    /// # Errors
    /// See [`AppendError`]: all records that the log does not have are appended or none.
    pub fn append_as(
        &self,
        stream: &StreamKey,
        producer: Producer,
        records: RecordBatch,
    ) -> impl Future<Output = Result<AppendedBatch, AppendError>> + Send + use<> {
        finish(self.enqueue(stream, &records, Some(producer)))
    }

    /// One past the highest number that a producer has appended to a stream, durably; `None` when it never did. What is
    /// under way is not counted.
    ///
    /// # Errors
    /// [`AppendError::StreamNotFound`].
    pub fn producer_position(&self, stream: &StreamKey, producer: u64) -> Result<Option<u64>, AppendError> {
        let found = self.shared.stream(stream).ok_or_else(|| AppendError::StreamNotFound(stream.clone()))?;
        let position = found.producers.lock().get(&producer).copied();
        Ok(position)
    }

    /// The producers of a stream, each with one past its highest number.
    ///
    /// # Errors
    /// [`AppendError::StreamNotFound`].
    pub fn producer_list(&self, stream: &StreamKey) -> Result<Vec<(u64, u64)>, AppendError> {
        let found = self.shared.stream(stream).ok_or_else(|| AppendError::StreamNotFound(stream.clone()))?;
        let list = found.producers.lock().iter().map(|(&producer, &next)| (producer, next)).collect();
        Ok(list)
    }

    /// Forgets a producer that will not come back; durable when this resolves. Its numbers count from the start again.
    ///
    /// # Errors
    /// See [`AppendError`].
    pub fn producer_forget(
        &self,
        stream: &StreamKey,
        producer: u64,
    ) -> impl Future<Output = Result<(), AppendError>> + Send + use<> {
        let queued = self.shared.stream(stream).ok_or_else(|| AppendError::StreamNotFound(stream.clone()));
        let queued = queued.and_then(|found| {
            let change = ProducerChange { stream: found.id, producer, next_number: None };
            let (reply, answer) = oneshot::channel();
            self.shared.queue.push(Work::Producer(found, change, reply))?;
            Ok(answer)
        });
        async move { queued?.await.map_err(|_| AppendError::Closed)? }
    }

    fn enqueue<R: Records + ?Sized>(
        &self,
        key: &StreamKey,
        records: &R,
        producer: Option<Producer>,
    ) -> Result<Option<Pending>, AppendError> {
        let stream = self.shared.stream(key).ok_or_else(|| AppendError::StreamNotFound(key.clone()))?;
        self.check_limits(records)?;
        if records.len() == 0 && producer.is_none() {
            return Ok(None);
        }
        // Held until the append is in the queue: see the field.
        let held = stream.topology.read();
        let topology = Arc::clone(&held);
        let (frames, placements) = match (topology.only_open(), records.as_batch()) {
            (Some(shard), Some(batch)) => write::encode_in_order(batch, shard),
            (Some(shard), None) => write::encode(records, &vec![shard; records.len()]),
            (None, _) => write::encode(records, &route(records, &topology)),
        };
        let placements = Arc::new(placements);
        let shards = frames.iter().map(|frame| frame.shard).collect();
        let frame_bytes = frames.iter().map(|frame| frame.payload.len() + FRAME_OVERHEAD);
        let (reply, answer) = oneshot::channel();
        self.shared.queue.push(Work::Append(Append {
            stream: Arc::clone(&stream),
            topology: Arc::clone(&topology),
            bytes: APPEND_OVERHEAD + frame_bytes.sum::<usize>(),
            frames,
            placements: Arc::clone(&placements),
            records: records.len() as u32,
            producer,
            reply,
        }))?;
        drop(held);
        Ok(Some(Pending { records: records.len(), topology, shards, placements, answer }))
    }

    fn check_limits<R: Records + ?Sized>(&self, records: &R) -> Result<(), AppendError> {
        let settings = &self.shared.settings;
        match records.as_batch().and_then(RecordBatch::refused) {
            Some(Refused::Key { record, chars }) => return Err(AppendError::PartitionKey { record, chars }),
            Some(Refused::Bytes(bytes)) => {
                return Err(AppendError::TooLarge { bytes, most: settings.append_bytes });
            }
            None => {}
        }
        let mut total = 0_usize;
        for record in 0..records.len() {
            let key_bytes = records.key_bytes(record);
            // A text has at least as many bytes as characters: most keys need no counting.
            let chars = if key_bytes <= MAX_PARTITION_KEY_CHARS {
                key_bytes
            } else {
                records.partition_key(record).chars().count()
            };
            if chars == 0 || chars > MAX_PARTITION_KEY_CHARS {
                return Err(AppendError::PartitionKey { record, chars });
            }
            let bytes = key_bytes + records.data_bytes(record);
            if bytes > settings.record_bytes {
                return Err(AppendError::RecordTooLarge { record, bytes, most: settings.record_bytes });
            }
            total = total.saturating_add(bytes);
        }
        // Records without data still take room: their overhead is bounded too.
        let with_overhead = records.len().saturating_mul(RECORD_OVERHEAD).saturating_add(total);
        if total > settings.append_bytes || with_overhead > settings.append_bytes.saturating_mul(4) {
            return Err(AppendError::TooLarge { bytes: total, most: settings.append_bytes });
        }
        Ok(())
    }
}

/// The place of each record's shard.
fn route<R: Records + ?Sized>(records: &R, topology: &Topology) -> Vec<usize> {
    // Neighbours often share their key: its hash costs more than all the rest.
    let mut last: Option<(&str, usize)> = None;
    let shard = |place: usize| {
        if let Some(hash) = records.explicit_hash_key(place) {
            return topology.route(hash);
        }
        let key = records.partition_key(place);
        match last {
            Some((before, shard)) if before == key => shard,
            _ => {
                let shard = topology.route(partition_key_hash(key));
                last = Some((key, shard));
                shard
            }
        }
    };
    (0..records.len()).map(shard).collect()
}

/// An append in the queue or on its way to the disk.
struct Pending {
    records: usize,
    topology: Arc<Topology>,
    /// The shard of each frame.
    shards: Vec<usize>,
    placements: Arc<Placements>,
    answer: oneshot::Receiver<Result<AppendAck, AppendError>>,
}

async fn finish(queued: Result<Option<Pending>, AppendError>) -> Result<AppendedBatch, AppendError> {
    let Some(pending) = queued? else {
        return Ok(AppendedBatch { records: 0, duplicates: 0, commit: 0, places: None });
    };
    let ack = pending.answer.await.map_err(|_| AppendError::Closed)??;
    Ok(AppendedBatch {
        records: pending.records,
        duplicates: ack.duplicates as usize,
        commit: ack.commit,
        places: Some(Places {
            topology: pending.topology,
            shards: pending.shards,
            placements: pending.placements,
            ack,
        }),
    })
}
