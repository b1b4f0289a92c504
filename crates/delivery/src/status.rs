//! What a delivery has done so far, and who is told of it.

use millstream_host::Timestamp;
use serde::Serialize;

use crate::transform::TransformedRecord;

/// Which of the three kinds of object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ObjectKind {
    /// What the function answered, or the records as they are when there is none.
    Main,
    /// Untransformed copies.
    Backup,
    /// Records that could not be processed, as JSON lines.
    Failed,
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

/// Is told of what happens, on the delivery's own task: it must come back at once.
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
