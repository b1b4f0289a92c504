//! How far a delivery has come, and where that is kept.

use async_trait::async_trait;
use millstream_host::Timestamp;
use serde::{Deserialize, Serialize};

use crate::error::StoreError;
use crate::naming::Compression;
use crate::status::ObjectKind;

/// A place in the source. Records have increasing positions; [`SourcePosition::next`] is just after one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SourcePosition(pub u64);

impl SourcePosition {
    /// Just after the record at this position.
    #[must_use]
    pub fn next(self) -> SourcePosition {
        SourcePosition(self.0.saturating_add(1))
    }
}

/// How far each kind of object has come: what a record before the position gave for objects of this kind is in one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Positions {
    /// Of the main objects.
    pub delivered: SourcePosition,
    /// Of the objects with failed records. Equal to `delivered` when there is no function.
    pub failed: SourcePosition,
    /// Of the backup objects. Equal to `delivered` when there is no backup.
    pub backed_up: SourcePosition,
}

impl Positions {
    /// All kinds at the same place.
    pub fn at(position: SourcePosition) -> Positions {
        Positions { delivered: position, failed: position, backed_up: position }
    }

    /// The source may forget everything before this.
    pub fn oldest(&self) -> SourcePosition {
        self.delivered.min(self.failed).min(self.backed_up)
    }
}

/// An object that is about to be written. Kept before the first byte of it is, so that after a crash exactly this object
/// is written again, under the same key, whether or not it had been.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    /// Which kind of object; there is at most one intent for each.
    pub kind: ObjectKind,
    /// Its key.
    pub key: String,
    /// How it is compressed.
    pub compression: Compression,
    /// The position of its first record.
    pub first: SourcePosition,
    /// The position of its last record.
    pub last: SourcePosition,
    /// How many records.
    pub records: u64,
    /// Their bytes before compression.
    pub bytes: u64,
    /// The arrival of the oldest of them, in milliseconds since the epoch.
    #[serde(with = "millis")]
    pub oldest_arrival: Timestamp,
}

mod millis {
    use millstream_host::Timestamp;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(instant: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
        instant.millis().serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
        i64::deserialize(deserializer).map(Timestamp)
    }
}

/// Everything that must survive a restart of a delivery: a few hundred bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// How far each kind of object has come.
    #[serde(flatten)]
    pub positions: Positions,
    /// Objects that may or may not have been written.
    #[serde(default)]
    pub intents: Vec<Intent>,
}

impl Progress {
    /// The end of what is in objects, or is about to be written.
    pub fn furthest(&self) -> SourcePosition {
        let Positions { delivered, failed, backed_up } = self.positions;
        let announced = self.intents.iter().map(|intent| intent.last.next());
        announced.fold(delivered.max(failed).max(backed_up), SourcePosition::max)
    }

    /// The intent for objects of this kind.
    pub(crate) fn intent(&self, kind: ObjectKind) -> Option<&Intent> {
        self.intents.iter().find(|intent| intent.kind == kind)
    }
}

impl From<Positions> for Progress {
    fn from(positions: Positions) -> Progress {
        Progress { positions, intents: Vec::new() }
    }
}

/// Keeps the progress of a delivery across restarts.
#[async_trait]
pub trait PositionStore: Send + Sync + 'static {
    /// The progress last stored; `None` when there never was any.
    async fn load(&self) -> Result<Option<Progress>, StoreError>;

    /// Replaces the progress, all or nothing: positions and intents together. It must be durable when this comes back:
    /// the objects of the intents are written then, and the source may be trimmed up to [`Positions::oldest`]. Called
    /// about once an object.
    async fn store(&self, progress: &Progress) -> Result<(), StoreError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_kept_as_plain_json() {
        let intent = Intent {
            kind: ObjectKind::Main,
            key: "k".to_owned(),
            compression: Compression::Gzip,
            first: SourcePosition(3),
            last: SourcePosition(5),
            records: 3,
            bytes: 30,
            oldest_arrival: Timestamp(7),
        };
        let mut progress = Progress::from(Positions::at(SourcePosition(3)));
        progress.intents.push(intent);
        let text = serde_json::to_string(&progress).unwrap();
        assert_eq!(
            text,
            "{\"delivered\":3,\"failed\":3,\"backed_up\":3,\"intents\":[{\"kind\":\"main\",\"key\":\"k\",\
             \"compression\":\"gzip\",\"first\":3,\"last\":5,\"records\":3,\"bytes\":30,\"oldest_arrival\":7}]}"
        );
        assert_eq!(serde_json::from_str::<Progress>(&text).unwrap(), progress);
        let without: Progress =
            serde_json::from_str("{\"delivered\":1,\"failed\":1,\"backed_up\":2}").unwrap();
        assert!(without.intents.is_empty());
    }
}
