//! What can go wrong at the traits, and what makes settings unusable.

use crate::naming::InvalidPrefix;

/// The source could not be read. It is tried again.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the source cannot be read: {0}")]
pub struct SourceError(pub String);

/// Positions could not be loaded or stored. It is tried again.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the position cannot be kept: {0}")]
pub struct StoreError(pub String);

/// Settings of which a value may be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Setting {
    /// What the keys of objects begin with.
    #[error("prefix")]
    Prefix,
    /// The same of objects with failed records.
    #[error("error output prefix")]
    ErrorPrefix,
    /// What keys end with.
    #[error("file extension")]
    Extension,
    /// That of the times in keys.
    #[error("custom time zone")]
    TimeZone,
    /// Bytes of an object.
    #[error("buffering size")]
    BufferingSize,
    /// Bytes of records in memory.
    #[error("held bytes")]
    HeldBytes,
    /// Bytes of a backup object.
    #[error("backup buffering size")]
    BackupBufferingSize,
    /// Bytes of a call of the function.
    #[error("transform buffering size")]
    TransformBufferingSize,
    /// Records of a call of the function.
    #[error("transform batch records")]
    TransformRecords,
    /// How often a failed call is repeated.
    #[error("transform retries")]
    TransformRetries,
    /// Calls at the same time.
    #[error("transform concurrency")]
    TransformConcurrency,
}

/// Settings that cannot work.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidDelivery {
    /// A key prefix is malformed.
    #[error("{setting}: {error}")]
    Prefix {
        /// Which prefix.
        setting: Setting,
        /// What is wrong with it.
        error: InvalidPrefix,
    },
    /// A number is out of range.
    #[error("{setting} is {value}: it must be {rule}")]
    Number {
        /// Which setting.
        setting: Setting,
        /// As given.
        value: String,
        /// What is allowed.
        rule: &'static str,
    },
    /// A setting needs a component that was not given, or the other way round.
    #[error("{setting} is set but there is no {missing}")]
    Missing {
        /// What asks for it.
        setting: &'static str,
        /// What is missing.
        missing: &'static str,
    },
}
