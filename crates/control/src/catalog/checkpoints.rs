//! How far applications have come: manifests of their states.
//!
//! The newest two are kept: should the state behind the newest turn out to be damaged, the one before is taken.

use std::collections::BTreeMap;

use millstream_host::Timestamp;
use rusqlite::{OptionalExtension, params};
use serde::{Deserialize, Serialize};

use super::{Catalog, CatalogError, signed, unsigned};
use crate::definition::{ResourceId, StartingPosition};

/// Manifests kept of each application.
const KEPT: i64 = 2;

/// How far an application has come. What it holds belongs together: it is stored and loaded as a whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredCheckpoint {
    /// The stream or delivery stream that the positions are in.
    pub source: ResourceId,
    /// The next record of each shard.
    pub positions: BTreeMap<u32, u64>,
    /// Rows are numbered within an epoch. One begins when the application starts from scratch, and when a second reading of
    /// records may give other rows than the first: a number must not stand for two rows.
    pub epoch: u64,
    /// Error rows of the input so far.
    pub input_errors: u64,
    /// The engine's state.
    pub engine: EngineState,
    /// Rows that came out but were not delivered yet.
    pub waiting: WaitingOutput,
    /// Tells apart what its rows depend on besides the records: the SQL, tables, functions, …; earlier versions did not keep
    /// it.
    pub rows_depend_on: Option<u64>,
    /// Where the application was asked to begin when it started from scratch.
    pub starting_position: Option<StartingPosition>,
    /// What ran, as JSON: when it has changed since a crash, the rows that left meanwhile are known to it alone. Earlier
    /// versions did not keep it.
    pub definition: Option<String>,
    /// Records of shards of the source that had gone when `positions` were taken: tells how many went later, before they could
    /// be read. Earlier versions did not keep it.
    pub spent_records: Option<u64>,
}

/// A checkpoint with its number, which grows with each; an error where it is damaged.
pub type Numbered = (i64, Result<StoredCheckpoint, CatalogError>);

/// The state of the engine in a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum EngineState {
    /// All of it, as the first layout kept it.
    Blob(Vec<u8>),
    /// The engine's manifest; its parts are files.
    Manifest(Vec<u8>),
}

/// The waiting rows of a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum WaitingOutput {
    /// None.
    Nothing,
    /// As the first layout kept them, without numbers.
    Layout1(Vec<u8>),
    /// In the part of this name.
    Part(String),
}

/// Version of the encoding of a checkpoint, in its first byte. A later one has more fields at the end, all of them optional.
const VERSION: u8 = 4;
/// How many fields each version lacks, from version 1.
const LACKS: [usize; VERSION as usize] = [4, 2, 1, 0];
/// A field that is not there, as it is encoded.
const ABSENT: u8 = 0;

impl StoredCheckpoint {
    /// A checkpoint of the layout that kept positions in the order of shards.
    pub(super) fn of_layout_1(
        source: ResourceId,
        positions: &[u64],
        engine_state: Vec<u8>,
        waiting_output: Vec<u8>,
    ) -> StoredCheckpoint {
        StoredCheckpoint {
            source,
            positions: (0..).zip(positions.iter().copied()).collect(),
            epoch: 0,
            input_errors: 0,
            engine: EngineState::Blob(engine_state),
            waiting: WaitingOutput::Layout1(waiting_output),
            rows_depend_on: None,
            starting_position: None,
            definition: None,
            spent_records: None,
        }
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        postcard::to_extend(self, vec![VERSION]).expect("numbers and bytes can be encoded")
    }

    /// `None` for one that is not as it was written, or of a later version.
    pub(super) fn decode_whole(manifest: &[u8], checksum: i64) -> Option<StoredCheckpoint> {
        StoredCheckpoint::decode(manifest).filter(|_| i64::from(self::checksum(manifest)) == checksum)
    }

    /// `None` for bytes that are damaged or of a later version.
    fn decode(bytes: &[u8]) -> Option<StoredCheckpoint> {
        let (version, body) = bytes.split_first()?;
        let lacks = *LACKS.get(usize::from(*version).checked_sub(1)?)?;
        let body = [body, &vec![ABSENT; lacks]].concat();
        let (checkpoint, rest) = postcard::take_from_bytes(&body).ok()?;
        rest.is_empty().then_some(checkpoint)
    }
}

/// CRC-32 of a manifest.
pub(super) fn checksum(manifest: &[u8]) -> u32 {
    crc32fast::hash(manifest)
}

/// The newest checkpoint that is not damaged.
fn newest(
    transaction: &rusqlite::Transaction<'_>,
    application: ResourceId,
) -> Result<Option<StoredCheckpoint>, rusqlite::Error> {
    let sql = "SELECT manifest FROM checkpoint WHERE application = ?1 ORDER BY number DESC LIMIT 1";
    let manifest: Option<Vec<u8>> =
        transaction.query_row(sql, [application.0], |row| row.get(0)).optional()?;
    Ok(manifest.and_then(|manifest| StoredCheckpoint::decode(&manifest)))
}

impl Catalog {
    /// The checkpoints of an application with their numbers, newest first; damaged ones are errors in their place.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn checkpoints(&self, application: ResourceId) -> Result<Vec<Numbered>, CatalogError> {
        let rows: Vec<(i64, Vec<u8>, i64)> = self.with(|connection| {
            let mut query = connection.prepare(
                "SELECT number, manifest, checksum FROM checkpoint WHERE application = ?1 ORDER BY number DESC",
            )?;
            query.query_map([application.0], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?.collect()
        })?;
        let decode = |(number, manifest, sum): (i64, Vec<u8>, i64)| {
            let damaged = || self.damaged(format!("checkpoint {number} of application {application}"));
            (number, StoredCheckpoint::decode_whole(&manifest, sum).ok_or_else(damaged))
        };
        Ok(rows.into_iter().map(decode).collect())
    }

    /// The first epoch of an application in which no row was ever numbered, whatever its checkpoints tell.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn next_epoch(&self, application: ResourceId) -> Result<u64, CatalogError> {
        let newest: Option<i64> = self.with(|connection| {
            let sql = "SELECT newest FROM epoch WHERE application = ?1";
            connection.query_row(sql, [application.0], |row| row.get(0)).optional()
        })?;
        Ok(newest.map_or(0, |newest| unsigned(newest) + 1))
    }

    /// Stores a checkpoint of an application, and its positions for those who trim; all of it or nothing. Gives its number.
    /// `follows` is the number of the one that it goes on from: those after that are damaged, and go.
    ///
    /// # Errors
    /// The change could not be made durable.
    pub fn put_checkpoint(
        &self,
        application: ResourceId,
        checkpoint: &StoredCheckpoint,
        follows: Option<i64>,
        now: Timestamp,
    ) -> Result<i64, CatalogError> {
        let manifest = checkpoint.encode();
        let sum = i64::from(checksum(&manifest));
        self.with(|connection| {
            let transaction = connection.transaction()?;
            let newest_number = "SELECT COALESCE(MAX(number), 0) FROM checkpoint WHERE application = ?1";
            let number =
                1 + transaction.query_row(newest_number, [application.0], |row| row.get::<_, i64>(0))?;
            if let Some(follows) = follows {
                let sql = "DELETE FROM checkpoint WHERE application = ?1 AND number > ?2";
                transaction.execute(sql, [application.0, follows])?;
            }
            // Those who trim keep what the older of the two kept checkpoints needs.
            let before = newest(&transaction, application)?.filter(|old| old.source == checkpoint.source);
            transaction.execute(
                "INSERT INTO checkpoint VALUES (?1, ?2, ?3, ?4, ?5)",
                params![application.0, number, now.millis(), manifest, sum],
            )?;
            transaction.execute(
                "INSERT INTO epoch VALUES (?1, ?2) ON CONFLICT (application) DO UPDATE SET newest = MAX(newest, ?2)",
                [application.0, signed(checkpoint.epoch)],
            )?;
            transaction.execute(
                "DELETE FROM checkpoint WHERE application = ?1 AND number NOT IN \
                 (SELECT number FROM checkpoint WHERE application = ?1 ORDER BY number DESC LIMIT ?2)",
                params![application.0, KEPT],
            )?;
            for (shard, position) in &checkpoint.positions {
                let older = before.as_ref().and_then(|old| old.positions.get(shard));
                // It lies before that where this one has started over.
                let position = older.map_or(*position, |older| *position.min(older));
                transaction.execute(
                    "INSERT OR REPLACE INTO position VALUES (?1, ?2, ?3, ?4)",
                    params![application.0, checkpoint.source.0, shard, signed(position)],
                )?;
            }
            transaction.commit()?;
            Ok(number)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checkpoints_of_earlier_versions_are_read() {
        let version_1 = StoredCheckpoint {
            source: ResourceId(1),
            positions: BTreeMap::from([(0, 12), (7, 1_000)]),
            epoch: 3,
            input_errors: 5,
            engine: EngineState::Manifest(vec![1, 2, 3]),
            waiting: WaitingOutput::Part("part".to_owned()),
            rows_depend_on: None,
            starting_position: None,
            definition: None,
            spent_records: None,
        };
        let version_2 = StoredCheckpoint {
            rows_depend_on: Some(u64::MAX),
            starting_position: Some(StartingPosition::Now),
            ..version_1.clone()
        };
        let version_3 = StoredCheckpoint { definition: Some("{}".to_owned()), ..version_2.clone() };
        let version_4 = StoredCheckpoint { spent_records: Some(70), ..version_3.clone() };
        for (number, lacks, stored) in
            [(1, 4, version_1), (2, 2, version_2), (3, 1, version_3), (4, 0, version_4)]
        {
            let newest = stored.encode();
            assert_eq!(StoredCheckpoint::decode(&newest).as_ref(), Some(&stored));
            let (kept, absent) = newest.split_at(newest.len() - lacks);
            assert_eq!(absent, vec![0; lacks], "what it lacks is absent");
            let bytes = [&[number], &kept[1..]].concat();
            assert_eq!(StoredCheckpoint::decode(&bytes).as_ref(), Some(&stored), "version {number}");
            assert_eq!(
                StoredCheckpoint::decode(&bytes[..bytes.len() - 1]),
                None,
                "version {number}, cut short"
            );
        }
        assert_eq!(StoredCheckpoint::decode(&[5, 0, 0]), None, "a later version");
    }
}
