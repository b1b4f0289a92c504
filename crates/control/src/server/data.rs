//! Records in, records and rows out, for those who ask at run time.

use std::sync::Arc;

use bytes::Bytes;
use millstream_host::Timestamp;
use millstream_streamlog::{
    AppendError, Log, NewRecord, Position, ReadError, ReadFrom, StreamError, StreamKey,
};
use millstream_wording::there_are;

use super::Server;
use super::record_tail::RecordTail;
use crate::applications::{ERROR_STREAM, RowTail, Tail};
use crate::catalog::ResourceRow;
use crate::definition::{Kind, Reference};
use crate::world::log_key;

/// Bytes of one read.
const READ_BYTES: usize = 1 << 20;

/// Why records were not put.
#[derive(Debug, thiserror::Error)]
pub enum PutError {
    /// There is neither.
    #[error("there is no stream or delivery stream \"{name}\"; {}", there_are(.known))]
    NotFound {
        /// What was asked for.
        name: String,
        /// What there is.
        known: String,
    },
    /// Both have the name.
    #[error("{}", ambiguous(.0))]
    Ambiguous(String),
    /// No partition key, or one that is too long.
    #[error("the partition key has {chars} characters: it must have 1 to 256")]
    PartitionKey {
        /// How many.
        chars: usize,
    },
    /// A record is too large, with its partition key.
    #[error(
        "record {number} of those sent: data and partition key have {bytes} bytes: at most {most} are allowed"
    )]
    RecordTooLarge {
        /// Which, from 1.
        number: usize,
        /// How large.
        bytes: usize,
        /// The limit.
        most: usize,
    },
    /// The log refused them.
    #[error(transparent)]
    Append(AppendError),
}

impl From<AppendError> for PutError {
    fn from(error: AppendError) -> PutError {
        match error {
            // All of them have the same.
            AppendError::PartitionKey { chars, .. } => PutError::PartitionKey { chars },
            AppendError::RecordTooLarge { record, bytes, most } => {
                PutError::RecordTooLarge { number: record + 1, bytes, most }
            }
            error => PutError::Append(error),
        }
    }
}

/// Why nothing can be followed.
#[derive(Debug, thiserror::Error)]
pub enum TailError {
    /// There is none of that name.
    #[error("{0}")]
    NotFound(String),
    /// Several things have the name.
    #[error("{0}")]
    Ambiguous(String),
    /// The condition is wrong, or nobody knows the columns.
    #[error("{0}")]
    Condition(String),
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

/// A name without one place.
enum NoPlace {
    /// Nothing has it.
    NotFound,
    /// A stream and a delivery stream have it.
    Ambiguous,
}

fn ambiguous(name: &str) -> String {
    format!(
        "\"{name}\" is the name of a stream and of a delivery stream: say which with --kind stream or --kind delivery-stream"
    )
}

/// What somebody follows.
pub(super) enum Followed {
    /// A stream or delivery stream.
    Place(Reference),
    /// An in-application stream, or the error stream.
    Rows { application: String, stream: String },
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
                    "\"{text}\" is not a place to begin: write latest, trim-horizon, a time such as 2024-05-01 12:00:00, or a \
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
    fn place(&self, name: &str, kind: Option<Kind>) -> Result<Reference, NoPlace> {
        let kinds = [Kind::Stream, Kind::DeliveryStream].into_iter();
        let places = kinds.filter(|one| kind.is_none_or(|kind| kind == *one));
        let places = places.map(|kind| Reference::new(kind, name));
        let mut found = places.filter(|place| self.world.registry.find(place).is_some());
        match (found.next(), found.next()) {
            (Some(only), None) => Ok(only),
            (Some(_), Some(_)) => Err(NoPlace::Ambiguous),
            (None, _) => Err(NoPlace::NotFound),
        }
    }

    fn places(&self) -> String {
        let rows = self.world.registry.rows();
        let is_place = |kind| matches!(kind, Kind::Stream | Kind::DeliveryStream);
        let places: Vec<_> = rows.iter().filter(|row| !row.deleting && is_place(row.kind())).collect();
        let name_of = |row: &&ResourceRow| {
            let is_shared = places.iter().filter(|other| other.name == row.name).count() > 1;
            if is_shared { row.reference().to_string() } else { row.name.clone() }
        };
        let names: Vec<String> = places.iter().map(name_of).collect();
        if names.is_empty() { "none".to_owned() } else { names.join(", ") }
    }

    /// Puts records into a stream or delivery stream; they are durable when this returns. Without a partition key each
    /// gets one of its own, which spreads them over the shards. A kind tells a stream from a delivery stream of its name.
    ///
    /// # Errors
    /// See [`PutError`]: all records are put or none.
    pub async fn put(
        &self,
        name: &str,
        kind: Option<Kind>,
        key: Option<&str>,
        records: Vec<Bytes>,
    ) -> Result<u64, PutError> {
        let place = self.place(name, kind).map_err(|no_place| match no_place {
            NoPlace::NotFound => PutError::NotFound { name: name.to_owned(), known: self.places() },
            NoPlace::Ambiguous => PutError::Ambiguous(name.to_owned()),
        })?;
        let count = records.len() as u64;
        let records = records.into_iter().map(|data| {
            let key = key.map_or_else(|| self.world.identifiers.partition_key(), str::to_owned);
            NewRecord::new(key, data)
        });
        self.world.log.append(&log_key(&place), records.collect()).await?;
        self.world.live.note(|seen| seen.summary.records_in += count);
        Ok(count)
    }

    /// What a text names: a stream, a delivery stream, `APPLICATION/IN_APPLICATION_STREAM`, or `error_stream` of the only
    /// application. With a kind it is the name of a stream or delivery stream.
    pub(super) fn followed(&self, what: &str, kind: Option<Kind>) -> Result<Followed, TailError> {
        if let (Some((application, stream)), None) = (what.split_once('/'), kind) {
            return Ok(Followed::Rows { application: application.to_owned(), stream: stream.to_owned() });
        }
        let place = self.place(what, kind);
        if what == ERROR_STREAM && kind.is_none() {
            if !matches!(place, Err(NoPlace::NotFound)) {
                return Err(TailError::Ambiguous(format!(
                    "\"{what}\" is also the name of a stream or delivery stream: say which with --kind stream or --kind \
                     delivery-stream, or write APPLICATION/error_stream"
                )));
            }
            let applications = self.application_names();
            let [only] = applications.as_slice() else {
                return Err(TailError::NotFound(match applications.is_empty() {
                    true => "there is no application, so there is no error_stream".to_owned(),
                    false => format!(
                        "there are {} applications: write APPLICATION/error_stream, with one of {}",
                        applications.len(),
                        applications.join(", ")
                    ),
                }));
            };
            return Ok(Followed::Rows { application: only.clone(), stream: ERROR_STREAM.to_owned() });
        }
        place.map(Followed::Place).map_err(|no_place| match no_place {
            NoPlace::Ambiguous => TailError::Ambiguous(ambiguous(what)),
            NoPlace::NotFound if let (Some(handle), None) = (self.application(what), kind) => {
                let streams = handle.streams().iter().map(|stream| format!("{what}/{stream}"));
                TailError::NotFound(format!(
                    "\"{what}\" is an application: name one of its streams; {}",
                    there_are(&streams.collect::<Vec<_>>().join(", "))
                ))
            }
            NoPlace::NotFound => TailError::NotFound(format!(
                "there is no {} \"{what}\"; {}. Rows of an application: APPLICATION/IN_APPLICATION_STREAM",
                kind.map_or("stream or delivery stream", Kind::noun),
                there_are(&self.places())
            )),
        })
    }

    /// Follows a stream, a delivery stream (its buffer), `APPLICATION/IN_APPLICATION_STREAM`, or `error_stream` of the only
    /// application. A kind tells a stream from a delivery stream of its name.
    ///
    /// # Errors
    /// See [`TailError`].
    pub async fn tail(&self, what: &str, kind: Option<Kind>, from: &TailFrom) -> Result<Tailing, TailError> {
        let place = match self.followed(what, kind)? {
            Followed::Place(place) => place,
            Followed::Rows { application, stream } => return self.tail_rows(&application, &stream, from),
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
            let text = format!("no application \"{application}\" runs; {}", there_are(&known));
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
