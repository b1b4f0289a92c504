//! What a delivery has done so far, and who is notified of it.

use std::collections::BTreeMap;
use std::fmt;

use millstream_host::Timestamp;
use serde::{Deserialize, Serialize};

use crate::transform::TransformedRecord;

/// Which of the three kinds of object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ObjectKind {
    /// What the function answered, or the records as they are when there is none.
    Main,
    /// Untransformed copies.
    Backup,
    /// Records that could not be processed, as JSON lines.
    Failed,
}

/// A part of the delivery that may stand still while it tries again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// Reading records.
    Source,
    /// Calling the function.
    Function,
    /// Writing main objects.
    MainObjects,
    /// Writing backup objects.
    BackupObjects,
    /// Writing objects with failed records.
    FailedObjects,
    /// Storing how far it has come.
    Positions,
}

impl From<ObjectKind> for Stage {
    fn from(kind: ObjectKind) -> Stage {
        match kind {
            ObjectKind::Main => Stage::MainObjects,
            ObjectKind::Backup => Stage::BackupObjects,
            ObjectKind::Failed => Stage::FailedObjects,
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Stage::Source => "source",
            Stage::Function => "function",
            Stage::MainObjects => "main objects",
            Stage::BackupObjects => "backup objects",
            Stage::FailedObjects => "objects with failed records",
            Stage::Positions => "positions",
        })
    }
}

/// Since when a stage has not got on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Retrying {
    /// When the first of the failures was, in milliseconds since the epoch.
    pub since: i64,
    /// Failures in a row.
    pub attempts: u64,
    /// The newest of them.
    pub error: String,
}

/// Counters since the delivery was started.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct DeliveryStatus {
    /// Records read from the source.
    pub records_in: u64,
    /// Their bytes.
    pub bytes_in: u64,
    /// Records that the function answered with "Ok".
    pub records_transformed: u64,
    /// Records that the function dropped.
    pub dropped_records: u64,
    /// Records that could not be processed.
    pub failed_records: u64,
    /// Calls of the function, retries included.
    pub invocations: u64,
    /// Records in written main objects.
    pub records_delivered: u64,
    /// Main objects written.
    pub objects_written: u64,
    /// Backup objects written.
    pub backup_objects_written: u64,
    /// Objects with failed records written.
    pub failed_objects_written: u64,
    /// Bytes of all written objects, after compression.
    pub object_bytes: u64,
    /// Failures of the destination, the function, the source and the positions; each try counts.
    pub errors: u64,
    /// The newest of them.
    pub last_error: Option<String>,
    /// The key of the newest main object.
    pub last_object: Option<String>,
    /// Bytes of records held in memory now.
    pub held_bytes: u64,
    /// What stands still and tries again; a stage that works is not in it.
    pub retrying: BTreeMap<Stage, Retrying>,
}

impl DeliveryStatus {
    /// Counts a failure of a stage.
    pub(crate) fn failed(&mut self, stage: Stage, now: Timestamp, error: String) {
        self.errors += 1;
        let retrying = self.retrying.entry(stage).or_insert_with(|| Retrying {
            since: now.millis(),
            attempts: 0,
            error: String::new(),
        });
        retrying.attempts += 1;
        retrying.error.clone_from(&error);
        self.last_error = Some(error);
    }

    /// A stage has got on.
    pub(crate) fn worked(&mut self, stage: Stage) {
        self.retrying.remove(&stage);
    }
}

/// An object that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveredObject {
    /// Which kind.
    pub kind: ObjectKind,
    /// Its key.
    pub key: String,
    /// Records in it.
    pub records: u64,
    /// Its length, after compression.
    pub bytes: u64,
    /// The arrival of its oldest record.
    pub oldest_arrival: Timestamp,
}

/// Is notified of what happens, on the delivery's own task: it must come back at once.
pub trait Observer: Send + Sync + 'static {
    /// An object was written.
    fn object_delivered(&self, object: &DeliveredObject) {
        let _ = object;
    }

    /// Records came back from the function, in the order of the source. After a crash some come a second time.
    fn records_transformed(&self, records: &[TransformedRecord]) {
        let _ = records;
    }
}
