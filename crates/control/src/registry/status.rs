//! How a resource is.

use std::fmt;

use serde::Serialize;

use crate::catalog::ResourceRow;

/// What the reconciler last found, as it is kept with the resource.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Status {
    /// Not tried yet.
    #[default]
    Pending,
    /// As it should be.
    Active,
    /// What is done with it takes long, and goes on: nothing has failed, and trying again would begin again.
    TakesLong {
        /// What takes long, and why that may be.
        reason: String,
    },
    /// Something failed, and is tried again.
    Retrying {
        /// What, and how to fix it.
        reason: String,
    },
    /// It was tried too often, or cannot work. A change of the definition tries again.
    Failed {
        /// What, and how to fix it.
        reason: String,
    },
}

impl Status {
    /// Why it is not active, if so.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Status::Pending | Status::Active => None,
            Status::TakesLong { reason } | Status::Retrying { reason } | Status::Failed { reason } => {
                Some(reason)
            }
        }
    }

    pub(crate) fn to_columns(&self) -> (&'static str, Option<&str>) {
        let name = match self {
            Status::Pending => "pending",
            Status::Active => "active",
            Status::TakesLong { .. } => "takes-long",
            Status::Retrying { .. } => "retrying",
            Status::Failed { .. } => "failed",
        };
        (name, self.reason())
    }

    /// What this version does not know counts as not tried.
    pub(crate) fn from_columns(name: &str, reason: Option<String>) -> Status {
        let reason = reason.unwrap_or_default();
        match name {
            "active" => Status::Active,
            "takes-long" => Status::TakesLong { reason },
            "retrying" => Status::Retrying { reason },
            "failed" => Status::Failed { reason },
            _ => Status::Pending,
        }
    }
}

/// Where a resource is in its life, as people see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Lifecycle {
    /// It does not run yet.
    Creating,
    /// It runs as it is defined.
    Active,
    /// It ran as it is defined, and is being started again, which takes long.
    Starting,
    /// It ran as it is defined, and cannot now; it is tried again.
    Retrying,
    /// It runs as it was defined before.
    Updating,
    /// It is being deleted.
    Deleting,
    /// It cannot run.
    Failed,
}

impl Lifecycle {
    /// Derived from its row.
    pub fn of(row: &ResourceRow) -> Lifecycle {
        match &row.status {
            _ if row.deleting => Lifecycle::Deleting,
            Status::Failed { .. } => Lifecycle::Failed,
            _ if row.observed.0 == 0 => Lifecycle::Creating,
            _ if row.observed < row.generation => Lifecycle::Updating,
            Status::TakesLong { .. } => Lifecycle::Starting,
            Status::Retrying { .. } => Lifecycle::Retrying,
            Status::Pending | Status::Active => Lifecycle::Active,
        }
    }
}

impl fmt::Display for Lifecycle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Lifecycle::Creating => "creating",
            Lifecycle::Active => "active",
            Lifecycle::Starting => "starting",
            Lifecycle::Retrying => "retrying",
            Lifecycle::Updating => "updating",
            Lifecycle::Deleting => "deleting",
            Lifecycle::Failed => "failed",
        })
    }
}
