//! Delivery streams.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Kind, Reference};

/// A delivery stream: buffer, transform, objects.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveryStreamDefinition {
    /// The bucket of its objects.
    pub bucket: String,
    /// Before the date in the keys of objects; may hold `!{timestamp:…}`.
    pub prefix: String,
    /// The same of objects with failed records.
    pub error_prefix: Option<String>,
    /// Of objects with the records.
    pub compression: Compression,
    /// When an object is written.
    pub buffering: BufferingDefinition,
    /// The function that records go through.
    pub transform: Option<TransformDefinition>,
    /// The untouched copy of every record.
    pub backup: Option<BackupDefinition>,
}

/// When what has gathered goes on; `None` is the default of the place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BufferingDefinition {
    /// Once its oldest record reaches this age.
    pub interval: Option<Duration>,
    /// Or this many bytes.
    pub bytes: Option<u64>,
}

/// How objects are compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Compression {
    /// Not at all.
    #[default]
    None,
    /// GZIP.
    Gzip,
}

/// The function of a delivery stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransformDefinition {
    /// Its name.
    pub function: String,
    /// When it is called.
    pub buffering: BufferingDefinition,
    /// How often a failed call is repeated.
    pub retries: Option<u32>,
}

/// Where raw records go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupDefinition {
    /// The bucket; that of the delivery stream unless given.
    pub bucket: Option<String>,
    /// Before the date in the keys.
    pub prefix: String,
    /// When an object is written; as for the delivery stream unless given.
    pub buffering: BufferingDefinition,
    /// Of its objects.
    pub compression: Compression,
}

impl DeliveryStreamDefinition {
    pub(super) fn references(&self) -> Vec<Reference> {
        let function = self.transform.iter();
        function.map(|transform| Reference::new(Kind::Function, &transform.function)).collect()
    }

    /// The bucket of the backup, if there is one.
    pub fn backup_bucket(&self) -> Option<&str> {
        self.backup.as_ref().map(|backup| backup.bucket.as_deref().unwrap_or(&self.bucket))
    }
}
