//! Resources start from scratch.

use std::sync::atomic::Ordering;

use serde::{Deserialize, Serialize};

use super::Server;
use crate::apply::{self, ApplyError};
use crate::catalog::{CatalogError, ResourceRow, RowChange};
use crate::definition::{Kind, Reference};
use crate::resources;

/// What a start from scratch means for a resource.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResetOutlook {
    /// Its kind.
    pub kind: Kind,
    /// Its name.
    pub name: String,
    /// What goes with it, and what it does once more.
    pub consequences: Vec<String>,
}

impl ResetOutlook {
    /// The resource.
    pub fn reference(&self) -> Reference {
        Reference::new(self.kind, &self.name)
    }
}

/// Whether a row is one of those that are meant: all, those of a kind, those of a name.
fn is_meant(row: &ResourceRow, kind: Option<Kind>, name: Option<&str>) -> bool {
    !row.deleting && kind.is_none_or(|kind| row.kind() == kind) && name.is_none_or(|name| row.name == name)
}

impl Server {
    /// What [`Server::reset`] would make start from scratch, and what that means. Changes nothing.
    pub async fn would_reset(&self, kind: Option<Kind>, name: Option<&str>) -> Vec<ResetOutlook> {
        let rows = self.world.registry.rows();
        let mut meant: Vec<&ResourceRow> = rows.iter().filter(|row| is_meant(row, kind, name)).collect();
        meant.sort_by_key(|row| (row.kind(), row.id));
        let reset: Vec<Reference> = meant.iter().map(|row| row.reference()).collect();
        let mut outlooks = Vec::new();
        for row in meant {
            let goes = resources::what_is_deleted_with(&self.world, row).await;
            let again = resources::what_is_done_again(&self.world, row, &reset).await;
            let consequences = goes.into_iter().chain(again).collect();
            outlooks.push(ResetOutlook { kind: row.kind(), name: row.name.clone(), consequences });
        }
        outlooks
    }

    /// Makes resources start from scratch: all, those of one kind, or one. Each is deleted with everything that is kept of
    /// it, records, positions, windows, and made again as it is defined. Works also before the start; on a server that runs
    /// it waits until all of it is there again.
    ///
    /// # Errors
    /// The catalog cannot be changed.
    pub async fn reset(&self, kind: Option<Kind>, name: Option<&str>) -> Result<Vec<Reference>, ApplyError> {
        let _applying = self.applying.lock().await;
        let commit = self.world.registry.commit(|rows| {
            let meant: Vec<&ResourceRow> = rows.iter().filter(|row| is_meant(row, kind, name)).collect();
            let mut changes = Vec::new();
            for row in &meant {
                changes.push(RowChange::MarkDeleting { id: row.id });
                let (name, definition) = (row.name.clone(), row.definition.clone());
                changes.push(RowChange::Insert { name, definition, owner: row.owner.clone() });
            }
            let reset = meant.into_iter().map(ResourceRow::reference).collect();
            Ok::<_, CatalogError>((changes, reset))
        });
        let reset: Vec<Reference> = commit.await?;
        if self.is_running.load(Ordering::SeqCst) {
            apply::made_again(&self.world, &reset).await;
        }
        Ok(reset)
    }
}
