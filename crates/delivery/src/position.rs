//! How far a delivery has come, and where that is kept.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::error::StoreError;

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

/// How far each half of a delivery has come: everything before these positions is in objects or was dropped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Positions {
    /// Of the main and the failed objects.
    pub delivered: SourcePosition,
    /// Of the backup objects. Equal to `delivered` when there is no backup.
    pub backed_up: SourcePosition,
}

impl Positions {
    /// The source may forget everything before this.
    pub fn oldest(&self) -> SourcePosition {
        self.delivered.min(self.backed_up)
    }
}

/// Keeps positions across restarts.
#[async_trait]
pub trait PositionStore: Send + Sync + 'static {
    /// The positions last stored; `None` when there never were any.
    async fn load(&self) -> Result<Option<Positions>, StoreError>;

    /// Replaces the positions, all or nothing. They must be durable when this comes back: the source may then be
    /// trimmed up to [`Positions::oldest`].
    async fn store(&self, positions: Positions) -> Result<(), StoreError>;
}
