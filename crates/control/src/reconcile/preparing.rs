//! A resource that is being prepared, by a task of its own: one that hangs holds up no other.

use std::sync::Arc;
use std::time::Duration;

use millstream_host::real_time;
use tokio::task::JoinHandle;

use super::plan::Dependencies;
use crate::catalog::ResourceRow;
use crate::definition::Generation;
use crate::resources::{self, NotReady, Occasion, Prepared};
use crate::world::World;

/// Preparing one resource as its row was. Dropping it ends that at its next await.
pub(super) struct Preparing {
    generation: Generation,
    dependencies: Dependencies,
    task: JoinHandle<Result<Prepared, NotReady>>,
}

impl Preparing {
    pub(super) fn start(
        world: &Arc<World>,
        row: &ResourceRow,
        dependencies: &Dependencies,
        occasion: Occasion,
    ) -> Preparing {
        let (own_world, own_row) = (Arc::clone(world), row.clone());
        let work = async move { resources::prepare(&own_world, &own_row, occasion).await };
        let task = world.spawn().awaited(work);
        Preparing { generation: row.generation, dependencies: dependencies.clone(), task }
    }

    /// Whether it is that of this row with these dependencies.
    pub(super) fn is_of(&self, row: &ResourceRow, dependencies: &Dependencies) -> bool {
        self.generation == row.generation && self.dependencies == *dependencies
    }

    /// How it ended. May be dropped and called again until it has.
    pub(super) async fn ended(&mut self) -> Result<Prepared, NotReady> {
        (&mut self.task)
            .await
            .unwrap_or_else(|error| Err(NotReady::yet(format!("preparing it broke off: {error}"))))
    }

    /// Ends it: what it is about to do may be done for no longer than `limit`.
    pub(super) async fn end(mut self, limit: Duration) {
        let _ = real_time::within(limit, self.ended()).await;
    }
}

impl Drop for Preparing {
    fn drop(&mut self) {
        self.task.abort();
    }
}
