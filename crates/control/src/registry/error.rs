//! Why the registry refused something.

use crate::catalog::CatalogError;
use crate::definition::{InvalidName, Reference};

/// Why a resource was not created.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    /// The name breaks the rules of its kind.
    #[error(transparent)]
    Name(#[from] InvalidName),
    /// The name is taken.
    #[error("{0} exists already: change it, delete it first, or choose another name")]
    Exists(Reference),
    /// It names something that does not exist.
    #[error("{of} refers to {missing}, which does not exist: create that first")]
    Missing {
        /// What was to be created.
        of: Reference,
        /// What it names.
        missing: Reference,
    },
    /// Records would run in a circle.
    #[error("records would run in a circle forever: {0}; let the last one write to another stream")]
    Circle(String),
    /// The catalog could not be changed.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
}

/// Why a resource was not changed.
#[derive(Debug, thiserror::Error)]
pub enum UpdateError {
    /// There is none.
    #[error("{0} does not exist")]
    NotFound(Reference),
    /// It names something that does not exist.
    #[error("{of} refers to {missing}, which does not exist: create that first")]
    Missing {
        /// What was to be changed.
        of: Reference,
        /// What it names.
        missing: Reference,
    },
    /// Records would run in a circle.
    #[error("records would run in a circle forever: {0}; let the last one write to another stream")]
    Circle(String),
    /// The change cannot be made while it exists.
    #[error("{of} cannot be changed: {reason}")]
    Refused {
        /// What was to be changed.
        of: Reference,
        /// Why, and what to do instead.
        reason: String,
    },
    /// The catalog could not be changed.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
}

/// Why a resource was not deleted.
#[derive(Debug, thiserror::Error)]
pub enum DeleteError {
    /// There is none.
    #[error("{0} does not exist")]
    NotFound(Reference),
    /// Others use it.
    #[error("{of} is used by {}: delete {} first, or use --force", list(by), if by.len() == 1 { "that" } else { "those" })]
    InUse {
        /// What was to be deleted.
        of: Reference,
        /// Who uses it.
        by: Vec<Reference>,
    },
    /// The catalog could not be changed.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
}

fn list(references: &[Reference]) -> String {
    references.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
