//! Layouts of the catalog, each made from the one before.
//!
//! | layout | since | what changed |
//! |---|---|---|
//! | 1 | 0.1 | definitions as they were in the file; everything kept by name |
//! | 2 | 0.2 | resources with ids, generations, owners; positions and checkpoints by id |
//! | 3 | 0.2 | the source that the progress of a feed is of; `deleting` is 2 for what its file no longer declares |
//! | 4 | 0.2 | the newest epoch of each application, which a damaged checkpoint does not tell |
//! | 5 | 0.2 | for feeds, a record of the source that was put; for copies, how many records had gone with their shards |
//! | 6 | 0.2 | for progress that waits for a feed, the feed's name and the place that its records went to |
//!
//! A migration runs in one transaction together with its new version number: a crash leaves the layout before.

use std::collections::HashMap;
use std::path::Path;

use millstream_delivery::{Positions, Progress, SourcePosition};
use rusqlite::{Connection, Transaction, params};

use super::CatalogError;
use crate::definition::{Definition, Kind};
use crate::pipeline::definitions_of_layout_1;

/// The layout that this program reads and writes.
const LAYOUT: i64 = 6;

const LAYOUT_2: &str = "
CREATE TABLE resource (
  id INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, name TEXT NOT NULL, definition TEXT NOT NULL,
  generation INTEGER NOT NULL, owner TEXT NOT NULL, created_at INTEGER NOT NULL, changed_at INTEGER NOT NULL,
  observed INTEGER NOT NULL DEFAULT 0, status TEXT NOT NULL DEFAULT 'creating', reason TEXT,
  deleting INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE UNIQUE INDEX resource_name ON resource (kind, name) WHERE deleting = 0;
CREATE TABLE position (
  consumer INTEGER NOT NULL, source INTEGER NOT NULL, shard INTEGER NOT NULL, position INTEGER NOT NULL,
  PRIMARY KEY (consumer, source, shard)
) STRICT, WITHOUT ROWID;
CREATE TABLE delivery_progress (
  delivery_stream INTEGER PRIMARY KEY, progress TEXT NOT NULL
) STRICT;
CREATE TABLE feed_position (
  feed INTEGER PRIMARY KEY, pass INTEGER NOT NULL, produced INTEGER NOT NULL, ended INTEGER NOT NULL
) STRICT;
CREATE TABLE unclaimed_feed_position (
  name TEXT PRIMARY KEY, produced INTEGER NOT NULL
) STRICT;
CREATE TABLE checkpoint (
  application INTEGER NOT NULL, number INTEGER NOT NULL, taken_at INTEGER NOT NULL, manifest BLOB NOT NULL,
  checksum INTEGER NOT NULL, PRIMARY KEY (application, number)
) STRICT;
";

const LAYOUT_3: &str = "
ALTER TABLE feed_position ADD COLUMN source TEXT;
ALTER TABLE unclaimed_feed_position ADD COLUMN source TEXT;
";

const LAYOUT_4: &str = "
CREATE TABLE epoch (
  application INTEGER PRIMARY KEY, newest INTEGER NOT NULL
) STRICT;
";

const LAYOUT_5: &str = "
ALTER TABLE feed_position ADD COLUMN spent_records INTEGER;
ALTER TABLE feed_position ADD COLUMN known_record INTEGER;
ALTER TABLE feed_position ADD COLUMN known_hash INTEGER;
ALTER TABLE unclaimed_feed_position ADD COLUMN known_record INTEGER;
ALTER TABLE unclaimed_feed_position ADD COLUMN known_hash INTEGER;
";

const LAYOUT_6: &str = "
ALTER TABLE feed_position ADD COLUMN target INTEGER;
ALTER TABLE unclaimed_feed_position ADD COLUMN target INTEGER;
ALTER TABLE unclaimed_feed_position ADD COLUMN feed_name TEXT;
";

/// Brings the layout up to date.
pub(super) fn run(path: &Path, connection: &mut Connection) -> Result<(), CatalogError> {
    let failed = |source| CatalogError::of(path, source);
    let found: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(failed)?;
    match found {
        LAYOUT => return Ok(()),
        0..LAYOUT => {}
        found => return Err(CatalogError::Layout { path: path.to_owned(), found, known: LAYOUT }),
    }
    let transaction = connection.transaction().map_err(failed)?;
    match found {
        0 => transaction.execute_batch(LAYOUT_2).map_err(failed)?,
        1 => from_layout_1(&transaction).map_err(failed)?,
        _ => {}
    }
    if found < 3 {
        transaction.execute_batch(LAYOUT_3).map_err(failed)?;
    }
    if found < 4 {
        transaction.execute_batch(LAYOUT_4).map_err(failed)?;
        note_epochs(&transaction).map_err(failed)?;
    }
    if found < 5 {
        transaction.execute_batch(LAYOUT_5).map_err(failed)?;
    }
    transaction.execute_batch(LAYOUT_6).map_err(failed)?;
    transaction.pragma_update(None, "user_version", LAYOUT).map_err(failed)?;
    transaction.commit().map_err(failed)
}

/// Names become ids. Definitions are read as the pipeline file that they came from; one that cannot be read any more is
/// left to its file, whose next `run` declares it again, and its state waits under its name until then.
fn from_layout_1(transaction: &Transaction<'_>) -> Result<(), rusqlite::Error> {
    let old: Vec<(String, String, String, i64, i64)> = transaction
        .prepare("SELECT kind, name, definition, created_at, changed_at FROM resource ORDER BY rowid")?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?)))?
        .collect::<Result<_, _>>()?;
    transaction.execute_batch(
        "ALTER TABLE resource RENAME TO old_resource;
         ALTER TABLE delivery_position RENAME TO old_delivery_position;
         ALTER TABLE application_checkpoint RENAME TO old_checkpoint;",
    )?;
    transaction.execute_batch(LAYOUT_2)?;
    let times: HashMap<(&str, &str), (i64, i64)> = old
        .iter()
        .map(|(kind, name, _, created, changed)| ((kind.as_str(), name.as_str()), (*created, *changed)))
        .collect();
    let texts: Vec<(&str, &str, &str)> =
        old.iter().map(|(kind, name, text, ..)| (kind.as_str(), name.as_str(), text.as_str())).collect();
    let mut ids: HashMap<(Kind, String), i64> = HashMap::new();
    for desired in definitions_of_layout_1(&texts) {
        let kind = desired.definition.kind();
        let (created, changed) =
            times.get(&(kind.noun(), desired.name.as_str())).copied().unwrap_or_default();
        insert(transaction, &desired.name, &desired.definition, created, changed)?;
        ids.insert((kind, desired.name), transaction.last_insert_rowid());
    }
    copy_positions(transaction, &ids)?;
    transaction.execute_batch(
        "INSERT INTO unclaimed_feed_position (name, produced) SELECT producer, produced FROM producer_position;
         DROP TABLE producer_position; DROP TABLE old_resource; DROP TABLE old_delivery_position;
         DROP TABLE old_checkpoint;",
    )
}

fn insert(
    transaction: &Transaction<'_>,
    name: &str,
    definition: &Definition,
    created: i64,
    changed: i64,
) -> Result<(), rusqlite::Error> {
    let text = serde_json::to_string(definition).expect("definitions are plain data");
    transaction.execute(
        "INSERT INTO resource (kind, name, definition, generation, owner, created_at, changed_at) \
         VALUES (?1, ?2, ?3, 1, 'file:', ?4, ?5)",
        params![definition.kind().as_str(), name, text, created, changed],
    )?;
    Ok(())
}

fn copy_positions(
    transaction: &Transaction<'_>,
    ids: &HashMap<(Kind, String), i64>,
) -> Result<(), rusqlite::Error> {
    let id = |kind: Kind, name: &str| ids.get(&(kind, name.to_owned())).copied();
    let deliveries: Vec<(String, i64, i64)> = transaction
        .prepare("SELECT delivery_stream, delivered, backed_up FROM old_delivery_position")?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
        .collect::<Result<_, _>>()?;
    for (name, delivered, backed_up) in deliveries {
        if let Some(id) = id(Kind::DeliveryStream, &name) {
            let progress = Progress::from(Positions {
                delivered: SourcePosition(super::unsigned(delivered)),
                failed: SourcePosition(super::unsigned(delivered)),
                backed_up: SourcePosition(super::unsigned(backed_up)),
            });
            let text = serde_json::to_string(&progress).expect("progress is plain data");
            transaction.execute("INSERT INTO delivery_progress VALUES (?1, ?2)", params![id, text])?;
            let sql = "INSERT INTO position VALUES (?1, ?1, 0, ?2)";
            transaction.execute(sql, params![id, delivered.min(backed_up)])?;
        }
    }
    type Old = (String, i64, String, String, Vec<u8>, Vec<u8>);
    let checkpoints: Vec<Old> = transaction
        .prepare(
            "SELECT application, taken_at, input, input_positions, engine_state, waiting_output FROM old_checkpoint",
        )?
        .query_map([], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?))
        })?
        .collect::<Result<_, _>>()?;
    for (name, taken_at, input, positions, engine_state, waiting_output) in checkpoints {
        let source = match input.strip_prefix("delivery:") {
            Some(delivery) => id(Kind::DeliveryStream, delivery),
            None => id(Kind::Stream, &input),
        };
        let (Some(application), Some(source)) = (id(Kind::Application, &name), source) else { continue };
        let positions: Vec<u64> = serde_json::from_str(&positions).unwrap_or_default();
        for (shard, position) in positions.iter().enumerate() {
            let sql = "INSERT OR REPLACE INTO position VALUES (?1, ?2, ?3, ?4)";
            transaction.execute(sql, params![application, source, shard as i64, super::signed(*position)])?;
        }
        let checkpoint = super::StoredCheckpoint::of_layout_1(
            crate::definition::ResourceId(source),
            &positions,
            engine_state,
            waiting_output,
        );
        let manifest = checkpoint.encode();
        transaction.execute(
            "INSERT INTO checkpoint VALUES (?1, 1, ?2, ?3, ?4)",
            params![application, taken_at, manifest, i64::from(super::checkpoints::checksum(&manifest))],
        )?;
    }
    Ok(())
}

/// Epochs were known to checkpoints alone. One that is damaged may have begun another than the one before it.
fn note_epochs(transaction: &Transaction<'_>) -> Result<(), rusqlite::Error> {
    let checkpoints: Vec<(i64, Vec<u8>, i64)> = transaction
        .prepare("SELECT application, manifest, checksum FROM checkpoint ORDER BY application, number")?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
        .collect::<Result<_, _>>()?;
    let mut newest: HashMap<i64, u64> = HashMap::new();
    for (application, manifest, checksum) in checkpoints {
        let epoch = newest.entry(application).or_default();
        *epoch = match super::StoredCheckpoint::decode_whole(&manifest, checksum) {
            Some(checkpoint) => checkpoint.epoch.max(*epoch),
            None => *epoch + 1,
        };
    }
    for (application, epoch) in newest {
        transaction.execute("INSERT INTO epoch VALUES (?1, ?2)", [application, super::signed(epoch)])?;
    }
    Ok(())
}
