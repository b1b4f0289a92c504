//! The catalog as the keeper of a delivery's positions; tells the log what is no longer wanted.
//!
//! A delivery that stops does not wait for what it is just storing. Stored after what its successor has stored, that would
//! name objects under other keys than those which the successor has written. So only the one that began last stores.

use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use millstream_delivery::{PositionStore, Positions, Progress, StoreError};
use millstream_host::Spawn;
use millstream_streamlog::Log;
use parking_lot::Mutex;

use crate::applications::{Incarnation, Incarnations, functions_before, functions_hash};
use crate::catalog::{Catalog, StoredDelivery};
use crate::consumers;
use crate::definition::{DeliveryStreamDefinition, ResourceId};
use crate::registry::Registry;
use crate::world::World;

/// The positions of one delivery stream.
pub(crate) struct CatalogPositions {
    delivery: ResourceId,
    definition: DeliveryStreamDefinition,
    catalog: Catalog,
    registry: Arc<Registry>,
    log: Arc<Log>,
    spawn: Spawn,
    incarnations: Incarnations,
    /// Set when it begins.
    incarnation: Arc<OnceLock<Incarnation>>,
    decided_by: Arc<Mutex<Option<DecidedBy>>>,
}

/// The functions that decided which kind a record is, as they were when positions were stored last.
struct DecidedBy {
    functions: u64,
    /// Nothing that they had decided was without an object.
    was_at_one_place: bool,
}

/// Whether positions mean the same with every definition and function.
pub(crate) fn is_at_one_place(progress: &Progress, definition: &DeliveryStreamDefinition) -> bool {
    let Positions { delivered, failed, backed_up } = progress.positions;
    let has_backup = definition.backup.is_some();
    progress.intents.is_empty() && delivered == failed && (!has_backup || backed_up == delivered)
}

impl CatalogPositions {
    /// Of a delivery stream that runs as this.
    pub(crate) fn new(
        world: &World,
        delivery: ResourceId,
        definition: DeliveryStreamDefinition,
    ) -> CatalogPositions {
        CatalogPositions {
            delivery,
            definition,
            catalog: world.catalog.clone(),
            registry: Arc::clone(&world.registry),
            log: Arc::clone(&world.log),
            spawn: world.spawn().clone(),
            incarnations: world.incarnations.clone(),
            incarnation: Arc::default(),
            decided_by: Arc::default(),
        }
    }

    /// What the functions are to be stored as. One that is exchanged counts when all that was decided before is in objects.
    fn functions(&self, progress: &Progress) -> u64 {
        let rows = self.registry.rows();
        let function = self.definition.transform.as_ref().map(|transform| transform.function.as_str());
        let are_changing =
            functions_before(function, &rows).into_iter().any(|row| row.observed < row.generation);
        let is_at_one_place = is_at_one_place(progress, &self.definition);
        let mut decided_by = self.decided_by.lock();
        let functions = match &*decided_by {
            Some(before) if are_changing || !(is_at_one_place || before.was_at_one_place) => before.functions,
            _ => functions_hash(function, &rows),
        };
        *decided_by = Some(DecidedBy { functions, was_at_one_place: is_at_one_place });
        functions
    }

    /// From now on none before this one stores anything. Waits for what an earlier one is just storing.
    ///
    /// # Errors
    /// It could not be begun.
    pub(crate) async fn begin(&self) -> Result<(), StoreError> {
        let (incarnations, delivery) = (self.incarnations.clone(), self.delivery);
        let begun = self.spawn.blocking(move || incarnations.begin(delivery)).await.map_err(failed)?;
        // Nobody begins twice.
        let _ = self.incarnation.set(begun);
        Ok(())
    }
}

fn failed(error: impl std::fmt::Display) -> StoreError {
    StoreError(error.to_string())
}

#[async_trait]
impl PositionStore for CatalogPositions {
    async fn load(&self) -> Result<Option<Progress>, StoreError> {
        let (catalog, delivery) = (self.catalog.clone(), self.delivery);
        let load = move || catalog.delivery_progress(delivery);
        let stored = self.spawn.blocking(load).await.map_err(failed)?.map_err(failed)?;
        Ok(stored.map(|stored| stored.progress))
    }

    async fn store(&self, progress: &Progress) -> Result<(), StoreError> {
        let stored = StoredDelivery {
            progress: progress.clone(),
            definition: Some(self.definition.clone()),
            functions: Some(self.functions(progress)),
        };
        let (catalog, delivery) = (self.catalog.clone(), self.delivery);
        let (log, registry) = (Arc::clone(&self.log), Arc::clone(&self.registry));
        let incarnation = Arc::clone(&self.incarnation);
        let store = move || {
            let incarnation = incarnation.get().ok_or_else(|| failed("the delivery has not begun"))?;
            let held = incarnation.hold().map_err(|_| failed("another delivery goes on in its place"))?;
            catalog.put_delivery_progress(delivery, &stored).map_err(failed)?;
            drop(held);
            consumers::trim_buffer(&log, &catalog, &registry, delivery);
            Ok(())
        };
        self.spawn.blocking(store).await.map_err(failed)?
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition::{BufferingDefinition, Compression};
    use millstream_delivery::SourcePosition;
    use millstream_host::SystemClock;
    use millstream_streamlog::LogSettings;

    #[tokio::test(flavor = "multi_thread")]
    async fn what_a_predecessor_stores_late_does_not_count() {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(SystemClock);
        let (log, _) =
            Log::open(folder.path(), LogSettings::default(), Arc::<SystemClock>::clone(&clock)).unwrap();
        let catalog = Catalog::in_memory().unwrap();
        let registry = Arc::new(Registry::open(catalog.clone(), clock, Spawn::current()).unwrap());
        let incarnations = Incarnations::default();
        let positions = || CatalogPositions {
            delivery: ResourceId(7),
            definition: DeliveryStreamDefinition {
                bucket: "bucket".to_owned(),
                prefix: String::new(),
                error_prefix: None,
                compression: Compression::None,
                buffering: BufferingDefinition::default(),
                transform: None,
                backup: None,
            },
            catalog: catalog.clone(),
            registry: Arc::clone(&registry),
            log: Arc::clone(&log),
            spawn: Spawn::current(),
            incarnations: incarnations.clone(),
            incarnation: Arc::default(),
            decided_by: Arc::default(),
        };
        let up_to = |position| Progress::from(Positions::at(SourcePosition(position)));
        let (first, second) = (positions(), positions());
        assert!(first.store(&up_to(1)).await.is_err(), "it has not begun");
        first.begin().await.unwrap();
        first.store(&up_to(2)).await.unwrap();
        second.begin().await.unwrap();
        assert_eq!(second.load().await.unwrap(), Some(up_to(2)));
        second.store(&up_to(9)).await.unwrap();
        assert!(first.store(&up_to(3)).await.is_err());
        assert_eq!(second.load().await.unwrap(), Some(up_to(9)));
    }
}
