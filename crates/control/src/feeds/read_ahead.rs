//! A source whose records are read ahead of their time, by a thread.
//!
//! Invariant: what was given counts as given only when it is known to be taken: whoever goes on with the same reader gets
//! it again, under the same numbers.

use std::ops::DerefMut;

use millstream_host::{End, Spawn, Started};
use millstream_streamlog::{Producer, RecordBatch, RecordBatchBuilder, StreamKey};
use tokio::sync::mpsc;

use super::{RecordSource, SourceBatch, SourceState};
use crate::identifier::RepeatableKey;
use crate::supervise::StopSignal;

/// Records that are read at once, and how many such batches are read ahead of their time.
const READ_RECORDS: usize = 4_096;
const READ_AHEAD: usize = 2;
/// The most bytes of one append.
const APPEND_BYTES: usize = 4 << 20;

/// A reader for as long as it is somebody's: of its own, or lent.
pub(crate) type Ahead = Box<dyn DerefMut<Target = ReadAhead> + Send + Sync>;

/// Whether there will be more records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum GoesOn {
    Yes,
    /// The source has given its last.
    SourceEnded,
    /// The source cannot be read any further, and why.
    SourceFailed(String),
    /// Somebody asked for no more.
    Stopped,
}

/// A source and its reader.
pub(crate) struct ReadAhead {
    reader: Started,
    /// What was read, and what the source said then. That it ended is a value: a reader that is gone has failed.
    batches: mpsc::Receiver<(SourceBatch, SourceState)>,
    /// The batch under way, and its first record that was not given yet.
    current: (SourceBatch, usize),
    /// What the source said with that batch.
    state: SourceState,
    given: Option<Given>,
}

/// Records of which it is not known whether they were taken.
struct Given {
    stream: StreamKey,
    producer: Producer,
    records: RecordBatch,
}

impl ReadAhead {
    /// Starts reading.
    ///
    /// # Errors
    /// The system gives no thread.
    pub(crate) fn start(
        spawn: &Spawn,
        name: &str,
        mut source: Box<dyn RecordSource>,
    ) -> std::io::Result<ReadAhead> {
        let (sender, batches) = mpsc::channel(READ_AHEAD);
        // The thread ends when nobody wants its records; one that waits for standard input ends with the process.
        let reader = spawn.thread(name, move || {
            loop {
                let mut batch = SourceBatch::default();
                let state = source.read(&mut batch, READ_RECORDS);
                let goes_on = state.is_open();
                if sender.blocking_send((batch, state)).is_err() || !goes_on {
                    return;
                }
            }
        })?;
        let (current, state) = ((SourceBatch::default(), 0), SourceState::Open);
        Ok(ReadAhead { reader, batches, current, state, given: None })
    }

    /// For one feed alone.
    pub(crate) fn alone(self) -> Ahead {
        Box::new(Box::new(self))
    }

    /// The number of the first record that this producer was given for this stream, when it is not known whether it was
    /// taken.
    pub(super) fn first_given(&self, stream: &StreamKey, producer: u64) -> Option<u64> {
        let given = self.given.as_ref();
        let given = given.filter(|given| given.stream == *stream && given.producer.id == producer);
        given.map(|given| given.producer.first_number)
    }

    /// What another producer, or that of another stream, was given, when it is not known whether it was taken: the stream,
    /// the producer, and the number behind the last record.
    pub(super) fn given_to_other(&self, stream: &StreamKey, producer: u64) -> Option<(StreamKey, u64, u64)> {
        let given = self.given.as_ref();
        let given = given.filter(|given| given.stream != *stream || given.producer.id != producer);
        given.map(|Given { stream, producer, records }| {
            (stream.clone(), producer.id, producer.first_number + records.len() as u64)
        })
    }

    /// What was given has been taken.
    pub(super) fn taken(&mut self) {
        self.given = None;
    }

    /// Nothing is left to give, and the source cannot be read any further.
    pub(super) fn has_failed(&self) -> bool {
        let (current, next) = &self.current;
        self.given.is_none() && *next == current.len() && self.state.failure().is_some()
    }

    /// Up to `most` records, or those again that were not taken; waits for the first only. Says what cannot be a record.
    pub(super) async fn gather(
        &mut self,
        stream: &StreamKey,
        producer: Producer,
        most: usize,
        stop: &mut StopSignal,
        unusable: impl Fn(&str),
    ) -> (RecordBatch, GoesOn) {
        if let Some(given) = &mut self.given {
            (given.stream, given.producer) = (stream.clone(), producer);
            return (given.records.clone(), GoesOn::Yes);
        }
        let mut batch = RecordBatchBuilder::new();
        let mut goes_on = GoesOn::Yes;
        while batch.len() < most && batch.bytes() < APPEND_BYTES {
            let (current, next) = &mut self.current;
            if *next < current.len() {
                let number = producer.first_number + batch.len() as u64;
                let key = RepeatableKey::new(producer.id, number);
                batch.push(key.as_str(), current.record(*next));
                *next += 1;
                continue;
            }
            match &self.state {
                SourceState::Open => {}
                SourceState::Ended => {
                    goes_on = GoesOn::SourceEnded;
                    break;
                }
                SourceState::Failed(reason) => {
                    goes_on = GoesOn::SourceFailed(reason.clone());
                    break;
                }
            }
            let next = if batch.is_empty() {
                tokio::select! {
                    next = self.batches.recv() => next,
                    () = stop.stopped() => return (batch.build(), GoesOn::Stopped),
                }
            } else {
                match self.batches.try_recv() {
                    Ok(next) => Some(next),
                    // That the reader is gone is found with the next batch.
                    Err(mpsc::error::TryRecvError::Empty | mpsc::error::TryRecvError::Disconnected) => break,
                }
            };
            let Some((next, state)) = next else {
                self.state = SourceState::Failed(self.why_reader_is_gone().await);
                continue;
            };
            self.state = state;
            next.unusable().iter().for_each(|reason| unusable(reason));
            self.current = (next, 0);
        }
        let records = batch.build();
        if !records.is_empty() {
            self.given = Some(Given { stream: stream.clone(), producer, records: records.clone() });
        }
        (records, goes_on)
    }

    /// The reader ended without saying that the source did.
    async fn why_reader_is_gone(&mut self) -> String {
        match self.reader.ended().await {
            End::Panicked(message) => format!("reading failed unexpectedly: {message}"),
            End::Returned | End::Aborted => "reading ended before the source did".to_owned(),
        }
    }
}
