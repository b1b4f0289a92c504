//! The state machine of a delivery: no clock, no I/O, no task.
//!
//! In go records, answers of the function, notices of written objects and stored progress, and the time; out come
//! [`Action`]s and the [`Progress`] to store. Driving it is all that `worker.rs` does.

use std::collections::VecDeque;
use std::sync::Arc;

use millstream_host::{Random, Timestamp};

pub use crate::lane::Contents;
use crate::lane::{Lane, PIECE_OVERHEAD};
use crate::naming::ObjectNaming;
use crate::position::{Intent, Positions, Progress, SourcePosition};
use crate::settings::{BufferingHints, DeliverySettings, TransformSettings};
use crate::source::SourceRecord;
use crate::status::ObjectKind;
use crate::transform::{
    FailedRecord, Invocation, MOST_PAYLOAD_BYTES, Outcome, TransformedRecord, event_bytes_bound,
};

/// Of an event: what is not records.
const EVENT_HEADER_BYTES: usize = 16 << 10;
/// What a record that waits for the function takes in memory beside its bytes.
const RECORD_OVERHEAD: usize = 160;
/// Taken in while an object of before a restart is put together again, however much is held.
const RESUMING_BYTES: usize = 1 << 20;

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
        /// What to transform.
        records: Arc<Vec<SourceRecord>>,
    },
    /// Write an object until it is written, then [`Pipeline::written`]. Its intent is durable.
    Write {
        /// Kind, key and compression.
        intent: Intent,
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
    /// A pipeline that goes on from `progress`.
    pub fn new(settings: Arc<DeliverySettings>, progress: &Progress, random: Random) -> Pipeline {
        let Positions { delivered, failed, backed_up } = progress.positions;
        let lane = |kind, hints, began| Lane::new(hints, began, progress.intent(kind));
        let main = lane(ObjectKind::Main, settings.buffering, delivered);
        let failed = lane(ObjectKind::Failed, settings.buffering, failed);
        let backup = settings.backup.as_ref();
        let backup = backup.map(|backup| lane(ObjectKind::Backup, backup.buffering, backed_up));
        let transformed = main.began().min(failed.began());
        let oldest = backup.as_ref().map_or(transformed, |backup| transformed.min(backup.began()));
        Pipeline {
            random,
            read_through: oldest,
            waiting: VecDeque::new(),
            waiting_since: Timestamp::default(),
            waiting_bytes: 0,
            in_flight: VecDeque::new(),
            in_flight_bytes: 0,
            next_batch: 0,
            main,
            failed,
            backup,
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
        let room = self.settings.most_held_bytes.saturating_sub(self.held_bytes());
        // An object of before a restart is put together whole, whatever the limit is today.
        let lanes = [Some(&self.main), Some(&self.failed), self.backup.as_ref()];
        let is_resuming = lanes.into_iter().flatten().any(Lane::is_resuming);
        if is_resuming { room.max(RESUMING_BYTES) } else { room }
    }

    /// How many records may be taken in now: at least one, so that small ones fill no more than [`Pipeline::room`].
    pub fn room_records(&self) -> usize {
        let held = if self.transform().is_some() { RECORD_OVERHEAD } else { PIECE_OVERHEAD };
        let backup = if self.backup.is_some() { PIECE_OVERHEAD } else { 0 };
        (self.room() / (held + backup)).max(1)
    }

    /// Bytes of records in memory, with what they take beside. A record in two lanes counts twice.
    pub fn held_bytes(&self) -> usize {
        let backup = self.backup.as_ref().map_or(0, Lane::held_bytes);
        self.waiting_bytes + self.in_flight_bytes + self.main.held_bytes() + self.failed.held_bytes() + backup
    }

    /// Takes in what was read; the source goes on at `next`.
    pub fn push(&mut self, now: Timestamp, records: Vec<SourceRecord>, next: SourcePosition) {
        for record in records {
            if record.position < self.read_through {
                continue;
            }
            self.read_through = record.position.next();
            if let Some(backup) = &mut self.backup {
                backup.push(now, record.position, record.arrival, record.data.clone());
            }
            if self.settings.transform.is_none() {
                self.main.push(now, record.position, record.arrival, record.data);
                continue;
            }
            if record.position < self.main.began().min(self.failed.began()) {
                continue;
            }
            if self.waiting.is_empty() {
                self.waiting_since = now;
            }
            self.waiting_bytes += held_bytes(&record);
            self.waiting.push_back(record);
        }
        self.read_through = self.read_through.max(next);
        if let Some(backup) = &mut self.backup {
            backup.passed(self.read_through);
        }
        self.pass_transformed();
    }

    /// Everything before it went through the function, if there is one, and is in the lanes.
    fn transformed_through(&self) -> SourcePosition {
        let in_flight = self.in_flight.front().and_then(|flight| flight.records.first());
        let pending = in_flight.or(self.waiting.front());
        pending.map_or(self.read_through, |record| record.position)
    }

    fn pass_transformed(&mut self) {
        let through = self.transformed_through();
        self.main.passed(through);
        self.failed.passed(through);
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
                self.in_flight_bytes -= held_bytes(record);
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
        self.pass_transformed();
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

    /// Delivers everything that was taken in without waiting for size or age, and nothing that comes later.
    pub fn flush_taken(&mut self) {
        self.flush_target = Some(self.read_through);
    }

    /// How far each kind of object has come, and which object of each is next: to be stored whenever it changes. Nothing
    /// is written that is not in it.
    pub fn progress(&self) -> Progress {
        let through = self.transformed_through();
        let position =
            |lane: &Lane, through: SourcePosition| lane.first_pending().unwrap_or(through).max(lane.began());
        let delivered = position(&self.main, through);
        let failed = if self.transform().is_some() { position(&self.failed, through) } else { delivered };
        let backed_up = self.backup.as_ref().map(|backup| position(backup, self.read_through));
        let positions = Positions { delivered, failed, backed_up: backed_up.unwrap_or(delivered) };
        let lanes = [Some(&self.main), Some(&self.failed), self.backup.as_ref()];
        let intents = lanes.into_iter().flatten().filter_map(|lane| lane.intent().cloned()).collect();
        Progress { positions, intents }
    }

    /// This progress is durable: the objects in it may be written.
    pub fn stored(&mut self, progress: &Progress) {
        let lanes = [
            (ObjectKind::Main, Some(&mut self.main)),
            (ObjectKind::Failed, Some(&mut self.failed)),
            (ObjectKind::Backup, self.backup.as_mut()),
        ];
        for (kind, lane) in lanes {
            if let (Some(lane), Some(intent)) = (lane, progress.intent(kind)) {
                lane.intent_stored(intent);
            }
        }
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
        let is_pressed = self.settings.most_held_bytes <= self.held_bytes();
        self.invoke_due(now, is_flushing || is_pressed, &mut actions);
        // A flush waits for the function, so that it makes one object and not several.
        let is_upstream_empty = self.waiting.is_empty() && self.in_flight.is_empty();
        let lanes = [
            (ObjectKind::Backup, self.backup.as_mut(), is_flushing),
            (ObjectKind::Main, Some(&mut self.main), is_flushing && is_upstream_empty),
            (ObjectKind::Failed, Some(&mut self.failed), is_flushing && is_upstream_empty),
        ];
        for (kind, lane, is_flushed) in lanes {
            let Some(lane) = lane else { continue };
            lane.clock_reads(now);
            let is_old = lane.deadline().is_some_and(|deadline| deadline <= now);
            if is_old || is_flushed || (is_pressed && !lane.has_sealed()) {
                lane.seal();
            }
            let naming = match (kind, &self.settings.backup) {
                (ObjectKind::Backup, Some(backup)) => &backup.naming,
                _ => &self.settings.naming,
            };
            lane.announce(|contents| intent(kind, naming, contents, &mut self.random));
            let due = lane.start_write();
            actions.extend(due.map(|(intent, contents)| Action::Write { intent, contents }));
        }
        actions
    }

    fn is_flushing(&mut self) -> bool {
        let Some(target) = self.flush_target else { return false };
        if self.progress().positions.oldest() >= target {
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
            let is_large = self.waiting_data() >= size_bytes || self.waiting.len() >= max_records;
            if !(is_large || at_once || self.waiting_since.plus(interval) <= now) {
                return;
            }
            let mut records = Vec::new();
            let (mut bytes, mut held, mut event_bytes) = (0, 0, EVENT_HEADER_BYTES);
            while let Some(next) = self.waiting.front() {
                let is_full = bytes >= size_bytes || records.len() >= max_records;
                event_bytes += event_bytes_bound(next);
                if !records.is_empty() && (is_full || event_bytes > MOST_PAYLOAD_BYTES) {
                    break;
                }
                bytes += next.data.len();
                held += held_bytes(next);
                records.extend(self.waiting.pop_front());
            }
            self.waiting_bytes -= held;
            self.in_flight_bytes += held;
            let batch = BatchId(self.next_batch);
            self.next_batch += 1;
            let records = Arc::new(records);
            let flight = InFlight { batch, records: Arc::clone(&records), result: None };
            self.in_flight.push_back(flight);
            actions.push(Action::Invoke { batch, records });
        }
    }

    /// Bytes of data that wait for the function.
    fn waiting_data(&self) -> usize {
        self.waiting_bytes - self.waiting.len() * RECORD_OVERHEAD
    }

    fn transform(&self) -> Option<&TransformSettings> {
        self.settings.transform.as_ref()
    }

    fn function_arn(&self) -> &str {
        self.settings.transform.as_ref().map_or("", |transform| &transform.function_arn)
    }
}

fn held_bytes(record: &SourceRecord) -> usize {
    record.data.len() + RECORD_OVERHEAD
}

fn intent(kind: ObjectKind, naming: &ObjectNaming, contents: &Contents, random: &mut Random) -> Intent {
    let key = match kind {
        ObjectKind::Failed => naming.failed_key(contents.oldest_arrival, random),
        ObjectKind::Main | ObjectKind::Backup => naming.key(contents.oldest_arrival, random),
    };
    Intent {
        kind,
        key,
        compression: naming.compression,
        first: contents.first_position,
        last: contents.last_position,
        records: contents.pieces.len() as u64,
        bytes: contents.bytes as u64,
        oldest_arrival: contents.oldest_arrival,
    }
}
