//! Resources start from scratch.

use std::sync::atomic::Ordering;

use serde::{Deserialize, Serialize};

use super::Server;
use crate::apply::{self, ApplyError};
use crate::catalog::{CatalogError, ReleasedProgress, ResourceRow, RowChange};
use crate::definition::{Definition, FeedSource, Kind, Reference};
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

/// What is said of feeds into a place that starts from scratch, when they do not: what they have put does not come again.
fn feeds_that_go_on(rows: &[ResourceRow], place: &ResourceRow, reset: &[Reference]) -> Vec<String> {
    let feeds = rows.iter().filter(|row| !row.deleting && !reset.contains(&row.reference()));
    let into_it = feeds.filter(|row| match &row.definition {
        Definition::Feed(feed) => {
            let is_read_again =
                matches!(feed.source, FeedSource::File { .. } | FeedSource::SyntheticReviews { .. });
            is_read_again && feed.target.reference() == place.reference()
        }
        _ => false,
    });
    into_it
        .map(|feed| {
            format!("{} goes on where it is: reset it, too, to have its records again", feed.reference())
        })
        .collect()
}

/// Whether progress that waits for the next feed of a name is among what is meant.
fn is_released_meant(kind: Option<Kind>, name: Option<&str>, feed: &str) -> bool {
    kind.is_none_or(|kind| kind == Kind::Feed) && name.is_none_or(|name| feed == name)
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
            let consequences =
                goes.into_iter().chain(again).chain(feeds_that_go_on(&rows, row, &reset)).collect();
            outlooks.push(ResetOutlook { kind: row.kind(), name: row.name.clone(), consequences });
        }
        self.add_released(kind, name, &rows, &mut outlooks).await;
        outlooks
    }

    /// Adds the progress that waits for the next feed of a name: it goes with a reset of feeds, and with that of the place where
    /// the feed has put its records.
    async fn add_released(
        &self,
        kind: Option<Kind>,
        name: Option<&str>,
        rows: &[ResourceRow],
        outlooks: &mut Vec<ResetOutlook>,
    ) {
        for ReleasedProgress { feed, target } in self.released_progress().await {
            let again = format!(
                "feed \"{feed}\", which a command line brought, reads its source again when it comes back"
            );
            let target = rows.iter().find(|row| Some(row.id) == target).map(ResourceRow::reference);
            if let Some(place) = outlooks.iter_mut().find(|one| Some(one.reference()) == target) {
                place.consequences.push(again.clone());
            }
            if !is_released_meant(kind, name, &feed) {
                continue;
            }
            match outlooks.iter_mut().find(|one| one.kind == Kind::Feed && one.name == feed) {
                Some(known) if known.consequences.contains(&again) => {}
                Some(known) => known.consequences.push(again),
                None => {
                    let again =
                        "a command line brought it: it reads its source again when it comes back".to_owned();
                    outlooks.push(ResetOutlook { kind: Kind::Feed, name: feed, consequences: vec![again] });
                }
            }
        }
    }

    /// Progress that waits for the next feed of a name. None where the catalog cannot be read: a reset says so.
    async fn released_progress(&self) -> Vec<ReleasedProgress> {
        let catalog = self.world.catalog.clone();
        let read = self.world.spawn().blocking(move || catalog.released_progress()).await;
        read.ok().and_then(Result::ok).unwrap_or_default()
    }

    /// Makes resources start from scratch: all, those of one kind, or one. Each is deleted with everything that is kept of
    /// it, records, positions, windows, and made again as it is defined; what waits for the next feed of a name that is meant is
    /// forgotten. Works also before the start; on a server that runs it waits until all of it is there again.
    ///
    /// # Errors
    /// The catalog cannot be changed.
    pub async fn reset(&self, kind: Option<Kind>, name: Option<&str>) -> Result<Vec<Reference>, ApplyError> {
        let _applying = self.applying.lock().await;
        let released = self.released_progress().await;
        let commit = self.world.registry.commit(|rows| {
            let meant: Vec<&ResourceRow> = rows.iter().filter(|row| is_meant(row, kind, name)).collect();
            let mut changes = Vec::new();
            for row in &meant {
                changes.push(RowChange::MarkDeleting { id: row.id });
                let (name, definition) = (row.name.clone(), row.definition.clone());
                changes.push(RowChange::Insert { name, definition, owner: row.owner.clone() });
            }
            if kind.is_none_or(|kind| kind == Kind::Feed) {
                // One that still stops would leave its progress afterwards.
                let stopping = rows.iter().filter(|row| row.deleting && row.kind() == Kind::Feed);
                let stopping = stopping.filter(|row| name.is_none_or(|name| row.name == name));
                changes.extend(stopping.map(|row| RowChange::MarkDeleting { id: row.id }));
                changes.push(RowChange::ForgetReleased { feed: name.map(str::to_owned) });
            }
            let reset = meant.into_iter().map(ResourceRow::reference).collect();
            Ok::<_, CatalogError>((changes, reset))
        });
        let mut reset: Vec<Reference> = commit.await?;
        if self.is_running.load(Ordering::SeqCst) {
            apply::made_again(&self.world, &reset).await;
        }
        for ReleasedProgress { feed, .. } in released {
            let reference = Reference::new(Kind::Feed, &feed);
            if is_released_meant(kind, name, &feed) && !reset.contains(&reference) {
                reset.push(reference);
            }
        }
        Ok(reset)
    }
}
