//! The state machine of a delivery: no clock, no I/O, no task.
//!
//! In go records, answers of the function, news of written objects, and the time; out come [`Action`]s and
//! [`Positions`] that may be stored. Driving it is all that `worker.rs` does.

use std::collections::VecDeque;
use std::sync::Arc;

use millstream_host::{Random, Timestamp};

pub use crate::lane::Contents;
use crate::lane::Lane;
use crate::naming::Compression;
use crate::position::{Positions, SourcePosition};
use crate::settings::{BufferingHints, DeliverySettings, TransformSettings};
use crate::source::SourceRecord;
use crate::status::ObjectKind;
use crate::transform::{
    FailedRecord, Invocation, MOST_PAYLOAD_BYTES, Outcome, TransformedRecord, event_bytes_bound,
};

/// Of an event: what is not records.
const EVENT_HEADER_BYTES: usize = 16 << 10;

/// Names a batch that is with the function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchId(u64);

/// Something to do.
#[derive(Debug)]
pub enum Action {
    /// Call the function, then [`Pipeline::transformed`].
    Invoke {
        /// To name it by.
        batch: BatchId,
        /// A UUID.
        invocation_id: String,
        /// What to transform.
        records: Arc<Vec<SourceRecord>>,
    },
    /// Write an object until it is written, then [`Pipeline::written`].
    Write {
        /// Which kind.
        kind: ObjectKind,
        /// Its key.
        key: String,
        /// How to compress it.
        compression: Compression,
        /// What to put into it.
        contents: Contents,
    },
}

#[derive(Debug)]
struct InFlight {
    batch: BatchId,
    records: Arc<Vec<SourceRecord>>,
    result: Option<Invocation>,
}

/// See the module.
#[derive(Debug)]
pub struct Pipeline {
    settings: Arc<DeliverySettings>,
    random: Random,
    /// Where the two halves began: what lies before is not delivered again.
    began: Positions,
    /// Everything before it was read.
    read_through: SourcePosition,
    /// Records that wait for the function, and since when the oldest does.
    waiting: VecDeque<SourceRecord>,
    waiting_since: Timestamp,
    waiting_bytes: usize,
    in_flight: VecDeque<InFlight>,
    in_flight_bytes: usize,
    next_batch: u64,
    main: Lane,
    failed: Lane,
    backup: Option<Lane>,
    flush_target: Option<SourcePosition>,
}

impl Pipeline {
    /// A pipeline that goes on from `positions`.
    pub fn new(settings: Arc<DeliverySettings>, positions: Positions, random: Random) -> Pipeline {
        let began = match settings.backup {
            Some(_) => positions,
            None => Positions { backed_up: positions.delivered, ..positions },
        };
        Pipeline {
            random,
            began,
            read_through: began.oldest(),
            waiting: VecDeque::new(),
            waiting_since: Timestamp::default(),
            waiting_bytes: 0,
            in_flight: VecDeque::new(),
            in_flight_bytes: 0,
            next_batch: 0,
            main: Lane::new(settings.buffering),
            failed: Lane::new(settings.buffering),
            backup: settings.backup.as_ref().map(|backup| Lane::new(backup.buffering)),
            flush_target: None,
            settings,
        }
    }

    /// Where to read next.
    pub fn read_position(&self) -> SourcePosition {
        self.read_through
    }

    /// How many bytes of records may be taken in now; 0 while too many are held.
    pub fn room(&self) -> usize {
        self.settings.most_held_bytes.saturating_sub(self.held_bytes())
    }

    /// Bytes of records in memory. A record in two lanes counts twice.
    pub fn held_bytes(&self) -> usize {
        let backup = self.backup.as_ref().map_or(0, Lane::bytes);
        self.waiting_bytes + self.in_flight_bytes + self.main.bytes() + self.failed.bytes() + backup
    }

    /// Takes in what was read; the source goes on at `next`.
    pub fn push(&mut self, now: Timestamp, records: Vec<SourceRecord>, next: SourcePosition) {
        for record in records {
            if record.position < self.read_through {
                continue;
            }
            self.read_through = record.position.next();
            if let Some(backup) = &mut self.backup
                && record.position >= self.began.backed_up
            {
                backup.push(now, record.position, record.arrival, record.data.clone());
            }
            if record.position < self.began.delivered {
                continue;
            }
            if self.settings.transform.is_none() {
                self.main.push(now, record.position, record.arrival, record.data);
                continue;
            }
            if self.waiting.is_empty() {
                self.waiting_since = now;
            }
            self.waiting_bytes += record.data.len();
            self.waiting.push_back(record);
        }
        self.read_through = self.read_through.max(next);
    }

    /// Takes the answer for a batch. Gives the records whose turn it now is, in the order of the source.
    pub(crate) fn transformed(
        &mut self,
        now: Timestamp,
        batch: BatchId,
        result: Invocation,
    ) -> Vec<TransformedRecord> {
        if let Some(flight) = self.in_flight.iter_mut().find(|flight| flight.batch == batch) {
            flight.result = Some(result);
        }
        let mut applied = Vec::new();
        while self.in_flight.front().is_some_and(|flight| flight.result.is_some()) {
            let Some(InFlight { records, result: Some(result), .. }) = self.in_flight.pop_front() else {
                break;
            };
            for (record, outcome) in records.iter().zip(result.outcomes) {
                self.in_flight_bytes -= record.data.len();
                match &outcome {
                    Outcome::Ok(data) => self.main.push(now, record.position, record.arrival, data.clone()),
                    Outcome::Dropped => {}
                    Outcome::Failed { code, message } => {
                        let failed = FailedRecord {
                            record,
                            attempts: result.attempts,
                            code,
                            message,
                            ended_at: result.ended_at,
                            function_arn: self.function_arn(),
                        };
                        let line = failed.line();
                        self.failed.push(now, record.position, record.arrival, line);
                    }
                }
                applied.push(TransformedRecord { record: record.clone(), outcome });
            }
        }
        applied
    }

    /// The object of this kind that was to be written is in the store.
    pub fn written(&mut self, kind: ObjectKind) {
        match kind {
            ObjectKind::Main => self.main.written(),
            ObjectKind::Failed => self.failed.written(),
            ObjectKind::Backup => {
                if let Some(backup) = &mut self.backup {
                    backup.written();
                }
            }
        }
    }

    /// Delivers everything before `target` without waiting for size or age.
    pub fn flush_to(&mut self, target: SourcePosition) {
        self.flush_target = self.flush_target.max(Some(target));
    }

    /// How far both halves have come: may be stored once the objects given so far as written are durable.
    pub fn positions(&self) -> Positions {
        let waiting = self.waiting.front().map(|record| record.position);
        let in_flight = self.in_flight.front().and_then(|flight| flight.records.first());
        let pending = [
            waiting,
            in_flight.map(|record| record.position),
            self.main.first_pending(),
            self.failed.first_pending(),
        ];
        let delivered = pending.into_iter().flatten().min().unwrap_or(self.read_through);
        let delivered = delivered.max(self.began.delivered);
        let backed_up = match &self.backup {
            None => delivered,
            Some(backup) => backup.first_pending().unwrap_or(self.read_through).max(self.began.backed_up),
        };
        Positions { delivered, backed_up }
    }

    /// When [`Pipeline::poll`] has something to do by age alone.
    pub fn deadline(&self) -> Option<Timestamp> {
        let can_invoke = self.in_flight.len() < self.transform().map_or(0, |transform| transform.concurrency);
        let waiting = self
            .transform()
            .filter(|_| can_invoke && !self.waiting.is_empty())
            .map(|transform| self.waiting_since.plus(transform.buffering.interval));
        let backup = self.backup.as_ref().and_then(Lane::deadline);
        [waiting, self.main.deadline(), self.failed.deadline(), backup].into_iter().flatten().min()
    }

    /// What is to be done now.
    pub fn poll(&mut self, now: Timestamp) -> Vec<Action> {
        let mut actions = Vec::new();
        self.waiting_since = self.waiting_since.min(now);
        let is_flushing = self.is_flushing();
        let is_pressed = self.room() == 0;
        self.invoke_due(now, is_flushing || is_pressed, &mut actions);
        // A flush waits for the function, so that it makes one object and not several.
        let is_upstream_empty = self.waiting.is_empty() && self.in_flight.is_empty();
        let lanes = [
            (ObjectKind::Backup, self.backup.as_mut(), is_flushing),
            (ObjectKind::Main, Some(&mut self.main), is_flushing && is_upstream_empty),
            (ObjectKind::Failed, Some(&mut self.failed), is_flushing && is_upstream_empty),
        ];
        let mut writes = Vec::new();
        for (kind, lane, is_flushed) in lanes {
            let Some(lane) = lane else { continue };
            lane.clock_reads(now);
            let is_old = lane.deadline().is_some_and(|deadline| deadline <= now);
            if is_old || is_flushed || (is_pressed && !lane.has_sealed()) {
                lane.seal();
            }
            writes.extend(lane.start_write().map(|contents| (kind, contents)));
        }
        for (kind, contents) in writes {
            let naming = match (kind, &self.settings.backup) {
                (ObjectKind::Backup, Some(backup)) => &backup.naming,
                _ => &self.settings.naming,
            };
            let key = match kind {
                ObjectKind::Failed => naming.failed_key(contents.oldest_arrival, &mut self.random),
                ObjectKind::Main | ObjectKind::Backup => {
                    naming.key(contents.oldest_arrival, &mut self.random)
                }
            };
            actions.push(Action::Write { kind, key, compression: naming.compression, contents });
        }
        actions
    }

    fn is_flushing(&mut self) -> bool {
        let Some(target) = self.flush_target else { return false };
        if self.positions().oldest() >= target {
            self.flush_target = None;
            return false;
        }
        self.read_through >= target
    }

    /// Starts calls of the function for what is due, as many as may be under way.
    fn invoke_due(&mut self, now: Timestamp, at_once: bool, actions: &mut Vec<Action>) {
        let Some(TransformSettings { buffering, max_records, concurrency, .. }) = self.transform().cloned()
        else {
            return;
        };
        let BufferingHints { size_bytes, interval } = buffering;
        while self.in_flight.len() < concurrency && !self.waiting.is_empty() {
            let is_large = self.waiting_bytes >= size_bytes || self.waiting.len() >= max_records;
            if !(is_large || at_once || self.waiting_since.plus(interval) <= now) {
                return;
            }
            let mut records = Vec::new();
            let (mut bytes, mut event_bytes) = (0, EVENT_HEADER_BYTES);
            while let Some(next) = self.waiting.front() {
                let is_full = bytes >= size_bytes || records.len() >= max_records;
                event_bytes += event_bytes_bound(next);
                if !records.is_empty() && (is_full || event_bytes > MOST_PAYLOAD_BYTES) {
                    break;
                }
                bytes += next.data.len();
                records.extend(self.waiting.pop_front());
            }
            self.waiting_bytes -= bytes;
            self.in_flight_bytes += bytes;
            let batch = BatchId(self.next_batch);
            self.next_batch += 1;
            let records = Arc::new(records);
            let flight = InFlight { batch, records: Arc::clone(&records), result: None };
            self.in_flight.push_back(flight);
            let mut id = [0; 16];
            id[..8].copy_from_slice(&self.random.next_u64().to_be_bytes());
            id[8..].copy_from_slice(&self.random.next_u64().to_be_bytes());
            let invocation_id = uuid::Builder::from_random_bytes(id).into_uuid().to_string();
            actions.push(Action::Invoke { batch, invocation_id, records });
        }
    }

    fn transform(&self) -> Option<&TransformSettings> {
        self.settings.transform.as_ref()
    }

    fn function_arn(&self) -> &str {
        self.settings.transform.as_ref().map_or("", |transform| &transform.function_arn)
    }
}
