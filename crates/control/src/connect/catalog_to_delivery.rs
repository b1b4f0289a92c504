//! The catalog as the keeper of a delivery's positions; tells the log what is no longer wanted.

use std::sync::Arc;

use async_trait::async_trait;
use millstream_delivery::{PositionStore, Progress, StoreError};
use millstream_host::Spawn;
use millstream_streamlog::Log;

use crate::catalog::Catalog;
use crate::consumers;
use crate::definition::ResourceId;
use crate::registry::Registry;
use crate::world::World;

/// The positions of one delivery stream.
pub(crate) struct CatalogPositions {
    delivery: ResourceId,
    catalog: Catalog,
    registry: Arc<Registry>,
    log: Arc<Log>,
    spawn: Spawn,
}

impl CatalogPositions {
    /// Of a delivery stream.
    pub(crate) fn new(world: &World, delivery: ResourceId) -> CatalogPositions {
        CatalogPositions {
            delivery,
            catalog: world.catalog.clone(),
            registry: Arc::clone(&world.registry),
            log: Arc::clone(&world.log),
            spawn: world.spawn().clone(),
        }
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
        self.spawn.blocking(load).await.map_err(failed)?.map_err(failed)
    }

    async fn store(&self, progress: &Progress) -> Result<(), StoreError> {
        let progress = progress.clone();
        let (catalog, delivery) = (self.catalog.clone(), self.delivery);
        let (log, registry) = (Arc::clone(&self.log), Arc::clone(&self.registry));
        let store = move || {
            catalog.put_delivery_progress(delivery, &progress)?;
            consumers::trim_buffer(&log, &catalog, &registry, delivery);
            Ok::<(), crate::catalog::CatalogError>(())
        };
        self.spawn.blocking(store).await.map_err(failed)?.map_err(failed)
    }
}
