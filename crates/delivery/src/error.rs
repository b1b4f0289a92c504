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

/// Settings that cannot work.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidDelivery {
    /// A key prefix is malformed.
    #[error("{setting}: {error}")]
    Prefix {
        /// Which prefix.
        setting: &'static str,
        /// What is wrong with it.
        error: InvalidPrefix,
    },
    /// A number is out of range.
    #[error("{setting} is {value}: it must be {rule}")]
    Number {
        /// Which setting.
        setting: &'static str,
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
