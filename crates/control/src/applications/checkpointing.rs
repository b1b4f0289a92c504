//! Storing and reading the checkpoints of an application.
//!
//! ```text
//!   snapshot (a short pause of the application) ─▶ parts in files, synced ─▶ manifest in the catalog ─▶ old parts go
//! ```
//!
//! What is stored belongs together: input positions, the state of the engine, the numbers of the rows that have come out,
//! and the rows that wait for their destination.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::time::Duration;

use millstream_engine::{
    Application, ApplicationSettings, CheckpointError, Manifest, PartId, RestoreReport, Snapshot,
    SnapshotError, plan_restore, read_saved_checkpoint,
};
use millstream_host::Timestamp;
use millstream_sql::Program;

use super::incarnation::{Incarnation, Superseded};
use super::output_queue::StoredRow;
use super::outputs::WaitingRows;
use super::parts::PartStore;
use crate::catalog::{Catalog, CatalogError, EngineState, StoredCheckpoint, WaitingOutput};
use crate::definition::{ResourceId, StartingPosition};

/// A checkpoint is due this often while there is something new, or after so much input.
const INTERVAL: Duration = Duration::from_secs(3);
const RECORDS: u64 = 200_000;
const BYTES: u64 = 256 << 20;
/// The shortest time between two for which rows wait.
const SHORTEST: Duration = Duration::from_millis(100);
/// How many times as long as the last one took the next one waits.
const PAUSES: u32 = 4;

/// Why a checkpoint was not stored.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    #[error("a part could not be written: {0}")]
    Part(#[from] io::Error),
    #[error("{0}")]
    State(String),
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    #[error(transparent)]
    Superseded(#[from] Superseded),
}

/// What one checkpoint consists of, besides the state of the engine.
pub(crate) struct Contents {
    pub(crate) source: ResourceId,
    pub(crate) positions: BTreeMap<u32, u64>,
    /// Records of shards that had gone when they were taken.
    pub(crate) spent_records: Option<u64>,
    pub(crate) epoch: u64,
    pub(crate) input_errors: u64,
    pub(crate) waiting: WaitingRows,
    pub(crate) rows_depend_on: u64,
    pub(crate) starting_position: Option<StartingPosition>,
    pub(crate) definition: String,
    /// The number of the checkpoint that it goes on from; `None` from scratch.
    pub(crate) follows: Option<i64>,
}

/// Where the checkpoints of one application are.
#[derive(Clone)]
pub(crate) struct Checkpoints {
    pub(crate) id: ResourceId,
    pub(crate) catalog: Catalog,
    pub(crate) parts: PartStore,
}

impl Checkpoints {
    /// Stores a checkpoint and gives its number: when this returns, it is what a restart goes on from. Waits for the disk.
    ///
    /// # Errors
    /// It could not be made durable, or another incarnation has begun: nothing that is stored has changed then.
    pub(crate) fn store(
        &self,
        incarnation: &Incarnation,
        snapshot: Snapshot,
        contents: Contents,
        now: Timestamp,
    ) -> Result<i64, StoreError> {
        let manifest = snapshot.store(|id, bytes| self.put_part(incarnation, id, bytes)).map_err(
            |error| match error {
                SnapshotError::Part { error, .. } => error,
                SnapshotError::Unstored => StoreError::State(error.to_string()),
            },
        )?;
        let waiting = match contents.waiting.is_empty() {
            true => WaitingOutput::Nothing,
            false => {
                let bytes = postcard::to_stdvec(&contents.waiting).expect("texts and bytes can be encoded");
                let id = PartId::of(&bytes);
                self.put_part(incarnation, &id, &bytes)?;
                WaitingOutput::Part(id.to_string())
            }
        };
        self.parts.sync()?;
        let stored = StoredCheckpoint {
            source: contents.source,
            positions: contents.positions,
            epoch: contents.epoch,
            input_errors: contents.input_errors,
            engine: EngineState::Manifest(manifest.to_bytes()),
            waiting,
            rows_depend_on: Some(contents.rows_depend_on),
            starting_position: contents.starting_position,
            definition: Some(contents.definition),
            spent_records: contents.spent_records,
        };
        self.name_newest(incarnation, &stored, contents.follows, now)
    }

    /// Writes a part. Nobody begins in between: one that has a successor writes none that nobody would ever name, and when the
    /// application is deleted, nothing comes after what is deleted of it.
    fn put_part(&self, incarnation: &Incarnation, id: &PartId, bytes: &[u8]) -> Result<(), StoreError> {
        let _newest = incarnation.hold()?;
        Ok(self.parts.put(id, bytes)?)
    }

    /// Makes a checkpoint whose parts are on disk the newest, and deletes the parts that none needs any more. No other
    /// incarnation begins in between: it would have read the checkpoint before, or written parts that nobody names yet.
    fn name_newest(
        &self,
        incarnation: &Incarnation,
        stored: &StoredCheckpoint,
        follows: Option<i64>,
        now: Timestamp,
    ) -> Result<i64, StoreError> {
        let _newest = incarnation.hold()?;
        let number = self.catalog.put_checkpoint(self.id, stored, follows, now)?;
        // Parts that stay a little longer do no harm.
        if let Err(error) = self.delete_unnamed() {
            tracing::warn!(application = %self.id, %error, "old parts of checkpoints cannot be deleted");
        }
        Ok(number)
    }

    fn delete_unnamed(&self) -> Result<(), StoreError> {
        let mut kept = BTreeSet::new();
        for checkpoint in self.catalog.checkpoints(self.id)?.into_iter().filter_map(|(_, one)| one.ok()) {
            if let WaitingOutput::Part(name) = &checkpoint.waiting {
                kept.insert(name.clone());
            }
            if let EngineState::Manifest(bytes) = &checkpoint.engine
                && let Ok(manifest) = Manifest::from_bytes(bytes)
            {
                kept.extend(manifest.parts().map(|part| part.id.to_string()));
            }
        }
        Ok(self.parts.retain(&kept)?)
    }

    /// The waiting rows of a checkpoint.
    pub(crate) fn waiting(&self, checkpoint: &StoredCheckpoint) -> Result<WaitingRows, String> {
        match &checkpoint.waiting {
            WaitingOutput::Nothing => Ok(WaitingRows::new()),
            WaitingOutput::Layout1(bytes) => {
                let old: BTreeMap<String, Vec<Vec<u8>>> =
                    postcard::from_bytes(bytes).map_err(|_| "its waiting output is damaged".to_owned())?;
                let rows = |rows: Vec<Vec<u8>>| {
                    rows.into_iter().map(|data| StoredRow { number: None, data }).collect()
                };
                Ok(old.into_iter().map(|(key, waiting)| (key, rows(waiting))).collect())
            }
            WaitingOutput::Part(name) => {
                let damaged = |reason: String| format!("part {name} with its waiting output: {reason}");
                let id: PartId = name.parse().map_err(|_| damaged("it has no such name".to_owned()))?;
                let bytes = self.parts.get(&id).map_err(|error| damaged(error.to_string()))?;
                if PartId::of(&bytes) != id {
                    return Err(damaged("it is damaged".to_owned()));
                }
                postcard::from_bytes(&bytes).map_err(|_| damaged("it is damaged".to_owned()))
            }
        }
    }

    /// Builds the application with the state of a checkpoint.
    pub(crate) fn restore(
        &self,
        program: Program,
        settings: ApplicationSettings,
        checkpoint: &StoredCheckpoint,
    ) -> Result<(Application, RestoreReport), CheckpointError> {
        match &checkpoint.engine {
            EngineState::Blob(bytes) => Application::restore_saved(program, settings, bytes),
            EngineState::Manifest(bytes) => {
                let manifest = Manifest::from_bytes(bytes)?;
                Application::restore(program, settings, &manifest, &mut |id| Ok(self.parts.get(id)?))
            }
        }
    }

    /// What [`Checkpoints::restore`] would report.
    pub(crate) fn plan(
        &self,
        program: &Program,
        settings: &ApplicationSettings,
        checkpoint: &StoredCheckpoint,
    ) -> Result<RestoreReport, CheckpointError> {
        let manifest = match &checkpoint.engine {
            EngineState::Blob(bytes) => read_saved_checkpoint(bytes, program)?.0,
            EngineState::Manifest(bytes) => Manifest::from_bytes(bytes)?,
        };
        Ok(plan_restore(program, settings, &manifest))
    }
}

/// When the next checkpoint is due. Its instants are those of [`Clock::monotonic`]: a clock that was set must neither hold
/// checkpoints up nor make one look long.
///
/// [`Clock::monotonic`]: millstream_host::Clock::monotonic
pub(crate) struct Cadence {
    /// `None` when the first is due as soon as there is something new.
    ended_at: Option<Duration>,
    took: Duration,
    records: u64,
    bytes: u64,
}

impl Cadence {
    pub(crate) fn new(now: Duration) -> Cadence {
        Cadence { ended_at: Some(now), took: Duration::ZERO, records: 0, bytes: 0 }
    }

    /// Of an application that goes on from a checkpoint: the first one is due as soon as there is something new, so that a
    /// process that never lives for [`INTERVAL`] comes further in each life.
    pub(crate) fn resumed() -> Cadence {
        Cadence { ended_at: None, took: Duration::ZERO, records: 0, bytes: 0 }
    }

    /// Input has been taken.
    pub(crate) fn add(&mut self, records: u64, bytes: u64) {
        self.records += records;
        self.bytes += bytes;
    }

    /// Whether one is due.
    pub(crate) fn is_due(&self, now: Duration) -> bool {
        let Some(ended_at) = self.ended_at else { return true };
        let since = now.saturating_sub(ended_at);
        let has_rested = since >= self.took * PAUSES;
        has_rested && (since >= INTERVAL || self.records >= RECORDS || self.bytes >= BYTES)
    }

    /// Whether one may begin for which rows wait.
    pub(crate) fn has_rested(&self, now: Duration) -> bool {
        let least = SHORTEST.max(self.took * PAUSES);
        self.ended_at.is_none_or(|ended_at| now.saturating_sub(ended_at) >= least)
    }

    /// One begins.
    pub(crate) fn begun(&mut self) {
        (self.records, self.bytes) = (0, 0);
    }

    /// One has ended.
    pub(crate) fn ended(&mut self, began_at: Duration, now: Duration) {
        (self.ended_at, self.took) = (Some(now), now.saturating_sub(began_at));
    }
}

#[cfg(test)]
mod tests {
    use super::super::incarnation::Incarnations;
    use super::*;
    use millstream_sql::{Column, InputStream, SqlType, compile};
    use std::fs::DirEntry;

    #[test]
    fn one_that_has_a_successor_stores_nothing_and_deletes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let parts = PartStore::new(folder.path().join("7"));
        let checkpoints = Checkpoints { id: ResourceId(7), catalog: Catalog::in_memory().unwrap(), parts };
        let at = |position| StoredCheckpoint {
            rows_depend_on: None,
            starting_position: None,
            definition: None,
            spent_records: None,
            source: ResourceId(1),
            positions: BTreeMap::from([(0, position)]),
            epoch: 0,
            input_errors: 0,
            engine: EngineState::Blob(Vec::new()),
            waiting: WaitingOutput::Nothing,
        };
        let newest = || checkpoints.catalog.checkpoints(ResourceId(7)).unwrap().remove(0).1.unwrap();
        let incarnations = Incarnations::default();
        let old = incarnations.begin(ResourceId(7));
        checkpoints.name_newest(&old, &at(10), None, Timestamp(1)).unwrap();
        let new = incarnations.begin(ResourceId(7));
        checkpoints.name_newest(&new, &at(30), None, Timestamp(2)).unwrap();
        // The successor is about to name it.
        let part = PartId::of(b"part");
        checkpoints.parts.put(&part, b"part").unwrap();
        let refused = checkpoints.name_newest(&old, &at(20), None, Timestamp(3));
        assert!(matches!(refused, Err(StoreError::Superseded(Superseded))), "{refused:?}");
        assert_eq!(newest(), at(30));
        assert_eq!(checkpoints.parts.get(&part).unwrap(), b"part");
        checkpoints.name_newest(&new, &at(40), None, Timestamp(4)).unwrap();
        assert_eq!(newest(), at(40));
        assert!(checkpoints.parts.get(&part).is_err(), "nobody has named it");
        incarnations.end(ResourceId(7));
        assert!(checkpoints.name_newest(&new, &at(50), None, Timestamp(5)).is_err(), "it was deleted");
    }

    #[test]
    fn nothing_is_left_of_one_that_is_deleted_while_it_stores() {
        let folder = tempfile::tempdir().unwrap();
        let own_folder = folder.path().join("checkpoints/7");
        let parts = PartStore::new(own_folder.clone());
        let checkpoints = Checkpoints { id: ResourceId(7), catalog: Catalog::in_memory().unwrap(), parts };
        let incarnations = Incarnations::default();
        let own = incarnations.begin(ResourceId(7));
        let sql = "CREATE STREAM T (N INTEGER); \
                   CREATE PUMP P AS INSERT INTO T SELECT STREAM COUNT(*) OVER (ROWS UNBOUNDED PRECEDING) FROM S;";
        let input = InputStream {
            name: "S".to_owned(),
            columns: vec![Column { name: "N".to_owned(), sql_type: SqlType::Integer, not_null: false }],
            metadata_columns: 0,
        };
        let program = compile(sql, &[input], &millstream_engine::catalog()).program.unwrap();
        let snapshot = Application::new(program, ApplicationSettings::default()).unwrap().snapshot().unwrap();
        // Their part is the last one, and takes a while.
        let waiting = vec![StoredRow { number: None, data: vec![0; 32 << 20] }];
        let contents = Contents {
            source: ResourceId(1),
            positions: BTreeMap::new(),
            spent_records: None,
            epoch: 0,
            input_errors: 0,
            waiting: WaitingRows::from([("T".to_owned(), waiting)]),
            rows_depend_on: 0,
            starting_position: None,
            definition: String::new(),
            follows: None,
        };
        std::thread::scope(|scope| {
            let storing = scope.spawn(|| checkpoints.store(&own, snapshot, contents, Timestamp(1)));
            let is_whole =
                |part: io::Result<DirEntry>| part.is_ok_and(|part| part.path().extension().is_none());
            while !own_folder.read_dir().is_ok_and(|mut parts| parts.any(is_whole)) {
                std::thread::yield_now();
            }
            incarnations.end(ResourceId(7));
            checkpoints.parts.erase().unwrap();
            let refused = storing.join().unwrap();
            assert!(matches!(refused, Err(StoreError::Superseded(Superseded))), "{refused:?}");
        });
        assert!(!own_folder.exists());
    }

    #[test]
    fn a_process_that_is_killed_every_second_comes_further_in_each_life() {
        let at = Duration::from_millis;
        assert!(!Cadence::new(at(5_000)).is_due(at(6_000)));
        let mut cadence = Cadence::resumed();
        assert!(cadence.is_due(at(0)));
        cadence.begun();
        cadence.ended(at(1), at(2));
        assert!(!cadence.is_due(at(1_000)), "then as always");
    }

    #[test]
    fn a_checkpoint_is_due_by_time_or_amount_and_never_takes_more_than_a_fifth_of_the_time() {
        let at = Duration::from_millis;
        let mut cadence = Cadence::new(at(0));
        assert!(!cadence.is_due(at(2_999)));
        assert!(cadence.is_due(at(3_000)));
        cadence.add(RECORDS, 0);
        assert!(cadence.is_due(at(1)));
        cadence.begun();
        cadence.ended(at(3_000), at(5_000));
        cadence.add(RECORDS, 0);
        assert!(!cadence.is_due(at(12_999)), "it took 2 s: 8 s of rest");
        assert!(cadence.is_due(at(13_000)));
        assert_eq!([12_999, 13_000].map(|now| cadence.has_rested(at(now))), [false, true]);
        cadence.ended(at(20_000), at(20_001));
        assert_eq!([20_100, 20_101].map(|now| cadence.has_rested(at(now))), [false, true]);
    }
}
