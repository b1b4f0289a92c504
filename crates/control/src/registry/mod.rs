//! What exists: the only writer of definitions.
//!
//! ```text
//!   create, update, delete ─▶ check ─▶ one transaction of the catalog ─▶ rows ─▶ wake the reconciler
//!   describe, list         ◀──────────────────────────────────────────── rows (in memory)
//! ```
//!
//! Invariants of the whole of `control`:
//! 1. A resource exists exactly when its row is committed. Everything that runs is derived from rows; a crash at any step is
//!    repaired by the same plan. Every step is idempotent.
//! 2. Definitions are written by the registry alone, running state and statuses by the reconciler alone, one step a resource
//!    at a time. `observed <= generation`.
//! 3. Nothing is stopped before its replacement is prepared.
//! 4. Durable state is kept by id. A name may be used again at once, an id never.
//! 5. Consumers of a buffer are rows. Trimming considers rows, never what happens to run.
//! 6. A pipeline file is applied through the registry and deletes only what that file owns.
//! 7. Only the supervisor starts tasks and threads. A task that ends unasked is an event.
//! 8. No SQLite, `fsync` or file read on a thread of the runtime; no lock held over one that others need.

mod error;
pub(crate) mod references;
mod status;

pub use error::{CreateError, DeleteError, UpdateError};
pub use status::{Lifecycle, Status};

use std::sync::Arc;

use millstream_host::{Clock, Spawn};
use tokio::sync::{Mutex, OwnedMutexGuard, watch};

use crate::catalog::{Catalog, CatalogError, ResourceRow, RowChange};
use crate::definition::{Definition, Desired, Generation, Owner, Reference, ResourceId, check_name};
use crate::resources;

/// All rows, by id.
pub type Rows = Arc<Vec<ResourceRow>>;

/// What a change came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Changed {
    /// The definition is another one now.
    Updated,
    /// It was that already.
    Unchanged,
}

/// What exists.
pub struct Registry {
    catalog: Catalog,
    clock: Arc<dyn Clock>,
    spawn: Spawn,
    /// What is committed. Changed only while `writing` is held.
    rows: Arc<watch::Sender<Rows>>,
    /// Held over a check and the change that rests on it, until the change is in `rows`.
    writing: Arc<Mutex<()>>,
}

impl Registry {
    /// Reads what exists. Waits for the disk.
    pub(crate) fn open(
        catalog: Catalog,
        clock: Arc<dyn Clock>,
        spawn: Spawn,
    ) -> Result<Registry, CatalogError> {
        let rows = Arc::new(catalog.resources()?);
        let rows = Arc::new(watch::Sender::new(rows));
        Ok(Registry { catalog, clock, spawn, rows, writing: Arc::default() })
    }

    /// Everything that exists now, what is being deleted included.
    pub fn rows(&self) -> Rows {
        self.rows.borrow().clone()
    }

    /// Changes whenever a row changes.
    pub fn changes(&self) -> watch::Receiver<Rows> {
        self.rows.subscribe()
    }

    /// One resource.
    pub fn find(&self, reference: &Reference) -> Option<ResourceRow> {
        find(&self.rows(), reference).cloned()
    }

    /// The resource of an id, also while it is being deleted.
    pub(crate) fn row(&self, id: ResourceId) -> Option<ResourceRow> {
        self.rows().iter().find(|row| row.id == id).cloned()
    }

    /// As `Server::create`.
    pub(crate) async fn create(&self, desired: Desired, owner: Owner) -> Result<ResourceRow, CreateError> {
        let reference = desired.reference();
        check_name(reference.kind, &reference.name)?;
        let writing = self.writing().await;
        let rows = self.rows();
        if find(&rows, &reference).is_some() {
            return Err(CreateError::Exists(reference));
        }
        if let Some(missing) = references::missing(&desired.definition, |one| find(&rows, one).is_some()) {
            return Err(CreateError::Missing { of: reference, missing });
        }
        if let Some(circle) = references::circle(&with(&rows, desired.clone())) {
            return Err(CreateError::Circle(circle));
        }
        let Desired { name, definition } = desired;
        let rows = self.commit_locked(writing, vec![RowChange::Insert { name, definition, owner }]).await?;
        Ok(find(&rows, &reference).cloned().expect("the row is among those that were committed"))
    }

    /// Gives a resource another definition. For those who guard what it changes: see `Server::update`.
    pub(crate) async fn update(&self, desired: Desired) -> Result<Changed, UpdateError> {
        let reference = desired.reference();
        let writing = self.writing().await;
        let rows = self.rows();
        let row = find(&rows, &reference).ok_or_else(|| UpdateError::NotFound(reference.clone()))?;
        if row.definition == desired.definition {
            return Ok(Changed::Unchanged);
        }
        if let Some(missing) = references::missing(&desired.definition, |one| find(&rows, one).is_some()) {
            return Err(UpdateError::Missing { of: reference, missing });
        }
        if let Some(reason) = resources::refusal(&row.definition, &desired.definition) {
            return Err(UpdateError::Refused { of: reference, reason });
        }
        if let Some(circle) = references::circle(&with(&rows, desired.clone())) {
            return Err(UpdateError::Circle(circle));
        }
        let owner = row.owner.clone();
        let change = RowChange::Update { id: row.id, definition: desired.definition, owner };
        self.commit_locked(writing, vec![change]).await?;
        Ok(Changed::Updated)
    }

    /// Deletes a resource. For those who guard what it changes: see `Server::delete`.
    pub(crate) async fn delete(&self, reference: &Reference, force: bool) -> Result<ResourceId, DeleteError> {
        let writing = self.writing().await;
        let id = self.may_delete(reference, force)?;
        self.commit_locked(writing, vec![RowChange::MarkDeleting { id }]).await?;
        Ok(id)
    }

    /// The resource that would be deleted.
    ///
    /// # Errors
    /// It would be refused.
    pub(crate) fn may_delete(&self, reference: &Reference, force: bool) -> Result<ResourceId, DeleteError> {
        let rows = self.rows();
        let row = find(&rows, reference).ok_or_else(|| DeleteError::NotFound(reference.clone()))?;
        let by = references::dependants(&rows, reference);
        if !by.is_empty() && !force {
            return Err(DeleteError::InUse { of: reference.clone(), by });
        }
        Ok(row.id)
    }

    /// Makes changes that `decide` derives from what exists, all or none; nobody else changes anything meanwhile.
    pub(crate) async fn commit<T, E: From<CatalogError>>(
        &self,
        decide: impl FnOnce(&[ResourceRow]) -> Result<(Vec<RowChange>, T), E>,
    ) -> Result<T, E> {
        let writing = self.writing().await;
        let (changes, decided) = decide(&self.rows())?;
        if !changes.is_empty() {
            self.commit_locked(writing, changes).await?;
        }
        Ok(decided)
    }

    /// Keeps how a resource is. For the reconciler.
    pub(crate) async fn set_status(
        &self,
        id: ResourceId,
        observed: Generation,
        status: Status,
    ) -> Result<(), CatalogError> {
        let rows = self.rows();
        let is_known = |row: &&ResourceRow| row.id == id;
        let Some(row) = rows.iter().find(is_known) else { return Ok(()) };
        if row.observed == observed && row.status == status {
            return Ok(());
        }
        let kept = status.clone();
        let keep = move |catalog: &Catalog| catalog.put_status(id, observed, &kept);
        self.publish(self.writing().await, keep, move |(), rows| {
            if let Some(row) = Arc::make_mut(rows).iter_mut().find(|row| row.id == id) {
                (row.observed, row.status) = (observed, status);
            }
        })
        .await?;
        Ok(())
    }

    /// Forgets a resource that has stopped. For the reconciler.
    pub(crate) async fn erase(&self, id: ResourceId) -> Result<(), CatalogError> {
        let erase = move |catalog: &Catalog| catalog.erase_resource(id);
        let forget = move |(), rows: &mut Rows| Arc::make_mut(rows).retain(|row| row.id != id);
        self.publish(self.writing().await, erase, forget).await?;
        Ok(())
    }

    async fn writing(&self) -> OwnedMutexGuard<()> {
        Arc::clone(&self.writing).lock_owned().await
    }

    async fn commit_locked(
        &self,
        writing: OwnedMutexGuard<()>,
        changes: Vec<RowChange>,
    ) -> Result<Rows, CatalogError> {
        let now = self.clock.now();
        let change = move |catalog: &Catalog| {
            catalog.change_resources(&changes, now)?;
            catalog.resources()
        };
        self.publish(writing, change, |changed, rows| *rows = Arc::new(changed)).await
    }

    /// Changes the catalog, then the rows in memory, and gives them. A caller that goes away meanwhile stops neither: the
    /// task holds the lock until what is committed is what everybody sees.
    async fn publish<T: Send + 'static>(
        &self,
        writing: OwnedMutexGuard<()>,
        change: impl FnOnce(&Catalog) -> Result<T, CatalogError> + Send + 'static,
        show: impl FnOnce(T, &mut Rows) + Send + 'static,
    ) -> Result<Rows, CatalogError> {
        let (catalog, rows) = (self.catalog.clone(), Arc::clone(&self.rows));
        let published = self.spawn.awaited_blocking(move || {
            let _writing = writing;
            let changed = change(&catalog)?;
            rows.send_modify(|rows| show(changed, rows));
            Ok(rows.borrow().clone())
        });
        published.await.expect("work on the catalog does not panic")
    }
}

/// The resource of this kind and name that is not being deleted.
pub(crate) fn find<'r>(rows: &'r [ResourceRow], reference: &Reference) -> Option<&'r ResourceRow> {
    let is_it =
        |row: &&ResourceRow| !row.deleting && row.kind() == reference.kind && row.name == reference.name;
    rows.iter().find(is_it)
}

/// What exists, as it would be with one more or another definition.
fn with(rows: &[ResourceRow], desired: Desired) -> Vec<Desired> {
    let wanted = desired.reference();
    let others = rows.iter().filter(|row| !row.deleting && row.reference() != wanted);
    let others = others.map(|row| Desired { name: row.name.clone(), definition: row.definition.clone() });
    others.chain([desired]).collect()
}

/// The resources that must exist before this one can run, and whether it is restarted when their definition changes.
/// It is restarted in any case when one of them is replaced.
pub(crate) fn dependencies(definition: &Definition) -> Vec<(Reference, bool)> {
    use crate::definition::Kind;
    let references = definition.references().into_iter();
    references
        .filter_map(|reference| match reference.kind {
            Kind::Stream | Kind::DeliveryStream | Kind::Topic => Some((reference, false)),
            Kind::Metric => Some((reference, true)),
            // Behind slots: they come and go while their users run.
            Kind::Function | Kind::Endpoint => None,
            Kind::MailServer | Kind::Subscription | Kind::Alarm | Kind::Application | Kind::Feed => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition::{Kind, StreamDefinition};
    use millstream_host::ManualClock;

    fn stream(name: &str) -> Desired {
        let definition = Definition::Stream(StreamDefinition { shards: Some(1), retention_hours: 24 });
        Desired { name: name.to_owned(), definition }
    }

    /// Polls once, and goes away.
    async fn begin<T>(work: impl Future<Output = T>) {
        let mut work = std::pin::pin!(work);
        let _ = futures::poll!(work.as_mut());
    }

    #[tokio::test]
    async fn what_is_committed_is_seen_though_its_caller_has_gone() {
        let catalog = Catalog::in_memory().unwrap();
        let clock = Arc::new(ManualClock::default());
        let registry = Registry::open(catalog.clone(), clock, Spawn::current()).unwrap();
        let reference = Reference::new(Kind::Stream, "s");
        // Comes back when what was begun has ended.
        let settled = async || {
            drop(registry.writing().await);
            assert_eq!(*registry.rows(), catalog.resources().unwrap());
        };
        begin(registry.create(stream("s"), Owner::Api)).await;
        settled().await;
        let row = registry.find(&reference).expect("it was created");
        begin(registry.set_status(row.id, row.generation, Status::Active)).await;
        settled().await;
        assert_eq!(registry.find(&reference).unwrap().status, Status::Active);
        begin(registry.delete(&reference, false)).await;
        settled().await;
        assert!(registry.find(&reference).is_none());
        begin(registry.erase(row.id)).await;
        settled().await;
        assert!(registry.rows().is_empty());
        assert!(registry.create(stream("s"), Owner::Api).await.is_ok(), "the name is free");
    }
}
