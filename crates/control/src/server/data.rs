//! Records in, records and rows out, for those who ask at run time.

use std::sync::Arc;

use bytes::Bytes;
use millstream_host::Timestamp;
use millstream_streamlog::{
    AppendError, Log, NewRecord, Position, ReadError, ReadFrom, StreamError, StreamKey,
};

use super::Server;
use super::record_tail::RecordTail;
use crate::applications::{ERROR_STREAM, RowTail, Tail};
use crate::definition::{Kind, Reference};
use crate::world::log_key;

/// Bytes of one read.
const READ_BYTES: usize = 1 << 20;

/// Why records were not put.
#[derive(Debug, thiserror::Error)]
pub enum PutError {
    /// There is neither.
    #[error("there is no stream or delivery stream \"{name}\"; there are: {known}")]
    NotFound {
        /// What was asked for.
        name: String,
        /// What there is.
        known: String,
    },
    /// The log refused them.
    #[error(transparent)]
    Append(#[from] AppendError),
}

/// Why nothing can be followed.
#[derive(Debug, thiserror::Error)]
pub enum TailError {
    /// There is none of that name.
    #[error("{0}")]
    NotFound(String),
    /// The stream is gone.
    #[error(transparent)]
    Stream(#[from] StreamError),
    /// It cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// It cannot be read from there.
    #[error("{0}")]
    From(String),
}

/// Where to begin.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum TailFrom {
    /// Behind the newest record.
    #[default]
    Latest,
    /// At the oldest record.
    TrimHorizon,
    /// At the first record that arrived at this time or later.
    Timestamp(Timestamp),
    /// At the record with this sequence number; other shards at their newest.
    SequenceNumber(String),
}

impl std::str::FromStr for TailFrom {
    type Err = String;

    /// Takes `latest`, `trim-horizon`, a time (`2024-05-01 12:00:00`, `2024-05-01T12:00:00Z`, UTC) or a sequence number.
    fn from_str(text: &str) -> Result<TailFrom, String> {
        match text.to_lowercase().replace('_', "-").as_str() {
            "latest" => return Ok(TailFrom::Latest),
            "trim-horizon" => return Ok(TailFrom::TrimHorizon),
            _ => {}
        }
        if text.len() > 20 && text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Ok(TailFrom::SequenceNumber(text.to_owned()));
        }
        crate::replay::parse_instant(text.trim_end_matches('Z'))
            .map(|millis| TailFrom::Timestamp(Timestamp(millis)))
            .ok_or_else(|| {
                format!(
                    "\"{text}\" is no place to begin: write latest, trim-horizon, a time such as 2024-05-01 12:00:00, or a \
                     sequence number"
                )
            })
    }
}

/// What is followed.
pub enum Tailing {
    /// Records of a stream or of the buffer of a delivery stream.
    Records(RecordTail),
    /// Rows of an in-application stream.
    Rows(RowTail),
}

/// The newest records of a stream, at most a hundred of each shard.
pub(super) fn sample(log: &Log, key: &StreamKey) -> Result<Vec<Bytes>, ReadError> {
    const NEWEST: u64 = 100;
    let mut records = Vec::new();
    let shards = log.stream_describe(key).map(|described| described.shards).unwrap_or_default();
    for shard in shards {
        let end = log.shard_end(key, shard.number).map_or(0, |end| end.0);
        let from = ReadFrom::Position(Position(end.saturating_sub(NEWEST)));
        let batch = log.read(key, shard.number, from, NEWEST as usize, READ_BYTES)?;
        records.extend(batch.records.into_iter().map(|record| record.data));
    }
    Ok(records)
}

impl Server {
    /// The stream or delivery stream of a name.
    fn place(&self, name: &str) -> Option<Reference> {
        let registry = &self.world.registry;
        let places = [Kind::Stream, Kind::DeliveryStream].map(|kind| Reference::new(kind, name));
        places.into_iter().find(|place| registry.find(place).is_some())
    }

    fn places(&self) -> String {
        let rows = self.world.registry.rows();
        let is_place = |kind| matches!(kind, Kind::Stream | Kind::DeliveryStream);
        let names = rows.iter().filter(|row| !row.deleting && is_place(row.kind()));
        let names: Vec<&str> = names.map(|row| row.name.as_str()).collect();
        if names.is_empty() { "none".to_owned() } else { names.join(", ") }
    }

    /// Puts records into a stream or delivery stream; they are durable when this returns. Without a partition key each
    /// gets one of its own, which spreads them over the shards.
    ///
    /// # Errors
    /// See [`PutError`]: all records are put or none.
    pub async fn put(&self, name: &str, key: Option<&str>, records: Vec<Bytes>) -> Result<u64, PutError> {
        let not_found = || PutError::NotFound { name: name.to_owned(), known: self.places() };
        let place = self.place(name).ok_or_else(not_found)?;
        let count = records.len() as u64;
        let records = records.into_iter().map(|data| {
            let key = key.map_or_else(|| self.world.identifiers.partition_key(), str::to_owned);
            NewRecord::new(key, data)
        });
        self.world.log.append(&log_key(&place), records.collect()).await?;
        self.world.live.note(|seen| seen.summary.records_in += count);
        Ok(count)
    }

    /// Follows a stream, a delivery stream (its buffer), `APPLICATION/IN_APPLICATION_STREAM`, or `error_stream` of the only
    /// application.
    ///
    /// # Errors
    /// See [`TailError`].
    pub async fn tail(&self, what: &str, from: &TailFrom) -> Result<Tailing, TailError> {
        if let Some((application, stream)) = what.split_once('/') {
            return self.tail_rows(application, stream, from);
        }
        if what == ERROR_STREAM {
            let applications = self.application_names();
            let [only] = applications.as_slice() else {
                let text = format!(
                    "there are {} applications: write APPLICATION/error_stream, with one of {}",
                    applications.len(),
                    applications.join(", ")
                );
                return Err(TailError::NotFound(text));
            };
            return self.tail_rows(only, ERROR_STREAM, from);
        }
        let Some(place) = self.place(what) else {
            let known = self.places();
            return Err(TailError::NotFound(format!(
                "there is no stream or delivery stream \"{what}\"; there are: {known}. Rows of an application: \
                 APPLICATION/IN_APPLICATION_STREAM"
            )));
        };
        let (log, key, from) = (Arc::clone(&self.world.log), log_key(&place), from.clone());
        let begin = move || RecordTail::begin(log, key, &from);
        let begun = self.world.spawn().blocking(begin).await;
        Ok(Tailing::Records(begun.map_err(TailError::From)??))
    }

    fn application_names(&self) -> Vec<String> {
        let rows = self.world.registry.rows();
        let applications = rows.iter().filter(|row| !row.deleting && row.kind() == Kind::Application);
        applications.map(|row| row.name.clone()).collect()
    }

    fn tail_rows(&self, application: &str, stream: &str, from: &TailFrom) -> Result<Tailing, TailError> {
        let Some(handle) = self.application(application) else {
            let known = self.application_names().join(", ");
            let text = format!("no application \"{application}\" runs; there are: {known}");
            return Err(TailError::NotFound(text));
        };
        if *from != TailFrom::Latest {
            let text = "rows of an application are not kept: they can be followed from now on only; name a stream that \
                        an output writes for earlier ones";
            return Err(TailError::From(text.to_owned()));
        }
        let streams = handle.streams();
        if !streams.iter().any(|known| known == stream) {
            return Err(TailError::NotFound(format!(
                "application \"{application}\" has no in-application stream \"{stream}\" (names are case-sensitive); there \
                 are: {}",
                streams.join(", ")
            )));
        }
        let (tail, rows) = Tail::new(stream);
        if !handle.tail(tail) {
            let text = format!("application \"{application}\" is just being stopped or changed: try again");
            return Err(TailError::NotFound(text));
        }
        Ok(Tailing::Rows(rows))
    }
}
