//! What applying a file did, or would do, for people to read.

use serde::Serialize;

use crate::definition::{Kind, Reference};

/// What becomes of a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// It is new.
    Created,
    /// It becomes another.
    Changed,
    /// It is as it should be.
    Unchanged,
    /// It goes.
    Deleted,
    /// It cannot be made so; then nothing is changed at all.
    Refused,
}

/// A pump of an application that starts from scratch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FromScratch {
    /// Its name.
    pub name: String,
    /// Why.
    pub reason: String,
}

/// What becomes of one resource, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ResourceChange {
    /// Its kind.
    pub kind: Kind,
    /// Its name.
    pub name: String,
    /// What becomes of it.
    pub action: Action,
    /// What changes in it, or why it is refused.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<String>,
    /// Pumps of an application that keep their state.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub keeps_state: Vec<String>,
    /// Pumps of an application that start from scratch.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub starts_from_scratch: Vec<FromScratch>,
}

impl ResourceChange {
    pub(super) fn new(reference: &Reference, action: Action) -> ResourceChange {
        ResourceChange {
            kind: reference.kind,
            name: reference.name.clone(),
            action,
            details: Vec::new(),
            keeps_state: Vec::new(),
            starts_from_scratch: Vec::new(),
        }
    }

    pub(super) fn refused(reference: &Reference, reason: impl Into<String>) -> ResourceChange {
        ResourceChange { details: vec![reason.into()], ..ResourceChange::new(reference, Action::Refused) }
    }
}

/// Resources that belonged to another file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TakenOver {
    /// The other file.
    pub file: String,
    /// It is no longer there.
    pub is_gone: bool,
    /// What it declared, and the file that is applied declares now.
    pub resources: Vec<Reference>,
}

/// What applying a file did, or would do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ApplyReport {
    /// Nothing was changed, only checked.
    pub is_dry_run: bool,
    /// Every resource of the file, and those that go.
    pub changes: Vec<ResourceChange>,
    /// What belonged to other files until now, by file.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub taken_over: Vec<TakenOver>,
    /// What does not run yet, and why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub not_settled: Vec<String>,
}

impl ApplyReport {
    /// Something was refused: nothing was changed.
    pub fn is_refused(&self) -> bool {
        self.changes.iter().any(|change| change.action == Action::Refused)
    }

    /// How many resources meet an action.
    pub fn count(&self, action: Action) -> usize {
        self.changes.iter().filter(|change| change.action == action).count()
    }
}
