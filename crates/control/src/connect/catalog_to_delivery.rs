//! The catalog as the keeper of a delivery's positions; tells the log what is no longer wanted.

use std::sync::Arc;

use async_trait::async_trait;
use millstream_delivery::{PositionStore, Positions, StoreError};

use crate::catalog::Catalog;
use crate::consumers::BufferConsumers;

/// The positions of one delivery stream.
pub(crate) struct CatalogPositions {
    pub(crate) catalog: Catalog,
    pub(crate) delivery_stream: String,
    pub(crate) consumers: Arc<BufferConsumers>,
}

/// The name of the delivery among the consumers of its buffer; no application can be called this.
pub(crate) const DELIVERY_CONSUMER: &str = "(delivery)";

fn failed(error: impl std::fmt::Display) -> StoreError {
    StoreError(error.to_string())
}

#[async_trait]
impl PositionStore for CatalogPositions {
    async fn load(&self) -> Result<Option<Positions>, StoreError> {
        let (catalog, name) = (self.catalog.clone(), self.delivery_stream.clone());
        let load = move || catalog.delivery_positions(&name);
        tokio::task::spawn_blocking(load).await.map_err(failed)?.map_err(failed)
    }

    async fn store(&self, positions: Positions) -> Result<(), StoreError> {
        let (catalog, name) = (self.catalog.clone(), self.delivery_stream.clone());
        let store = move || catalog.put_delivery_positions(&name, positions);
        tokio::task::spawn_blocking(store).await.map_err(failed)?.map_err(failed)?;
        self.consumers.advanced(&self.delivery_stream, DELIVERY_CONSUMER, positions.oldest().0);
        Ok(())
    }
}
