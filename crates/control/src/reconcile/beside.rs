//! A step of one resource, by a task of its own: one that hangs holds up no other resource.

use std::sync::Arc;
use std::time::Duration;

use millstream_host::real_time;
use tokio::task::JoinHandle;

use super::plan::Dependencies;
use super::set_status;
use crate::catalog::ResourceRow;
use crate::definition::Generation;
use crate::registry::Status;
use crate::resources::{self, NotReady, Occasion, Prepared};
use crate::world::World;

/// How long the steps of others wait for it.
const LIMIT: Duration = Duration::from_secs(3);

/// What is done with a resource.
#[derive(Clone, Copy, Debug)]
pub(super) enum Work {
    Prepare,
    Start,
    Delete,
}

impl Work {
    fn verb(self) -> &'static str {
        match self {
            Work::Prepare => "prepare",
            Work::Start => "start",
            Work::Delete => "delete",
        }
    }

    /// What it may be waiting for.
    fn cause(self) -> &'static str {
        match self {
            Work::Prepare => "a file or a model that it needs",
            Work::Start => "a file that it reads, or the disk of its state,",
            Work::Delete => "the disk of what is kept of it",
        }
    }
}

/// A step of one resource as its row was. Dropping it ends it at its next await.
pub(super) struct Beside<T> {
    work: Work,
    generation: Generation,
    dependencies: Dependencies,
    /// The others have waited for it.
    takes_long: bool,
    task: JoinHandle<Result<T, NotReady>>,
}

impl Beside<Prepared> {
    /// Prepares a resource.
    pub(super) fn prepare(
        world: &Arc<World>,
        row: &ResourceRow,
        dependencies: &Dependencies,
        occasion: Occasion,
    ) -> Beside<Prepared> {
        let (own_world, own_row) = (Arc::clone(world), row.clone());
        let task = async move { resources::prepare(&own_world, &own_row, occasion).await };
        Beside::begin(world, Work::Prepare, row, dependencies, task)
    }
}

impl Beside<()> {
    /// Deletes what a resource has left outside of the catalog.
    pub(super) fn erase(world: &Arc<World>, row: &ResourceRow) -> Beside<()> {
        let (own_world, own_row) = (Arc::clone(world), row.clone());
        let task = async move { resources::erase(&own_world, &own_row).await };
        Beside::begin(world, Work::Delete, row, &Dependencies::default(), task)
    }
}

impl<T: Send + 'static> Beside<T> {
    pub(super) fn begin(
        world: &World,
        work: Work,
        row: &ResourceRow,
        dependencies: &Dependencies,
        task: impl Future<Output = Result<T, NotReady>> + Send + 'static,
    ) -> Beside<T> {
        Beside {
            work,
            generation: row.generation,
            dependencies: dependencies.clone(),
            takes_long: false,
            task: world.spawn().awaited(task),
        }
    }

    /// Whether it is that of this row with these dependencies.
    pub(super) fn is_of(&self, row: &ResourceRow, dependencies: &Dependencies) -> bool {
        self.generation == row.generation && self.dependencies == *dependencies
    }

    /// Waits for its end as long as others can wait, the first time; `None` when it goes on, or when the row is to be
    /// something else by now.
    pub(super) async fn waited(&mut self, world: &World, row: &ResourceRow) -> Option<Result<T, NotReady>> {
        let mut changes = world.registry.changes();
        let is_other = |rows: &Vec<ResourceRow>| {
            let now = rows.iter().find(|one| one.id == row.id);
            now.is_none_or(|now| now.deleting != row.deleting || now.generation != row.generation)
        };
        // Without an answer the registry is gone.
        let is_other_now = async { drop(changes.wait_for(|rows| is_other(rows)).await) };
        let limit = if self.takes_long { Duration::ZERO } else { LIMIT };
        tokio::select! {
            biased;
            ended = self.ended() => return Some(ended),
            () = is_other_now => return None,
            () = real_time::sleep(limit) => {}
        }
        if !self.takes_long {
            self.takes_long = true;
            let (verb, cause, seconds) = (self.work.verb(), self.work.cause(), LIMIT.as_secs());
            let reason =
                format!("it takes more than {seconds} s to {verb}, and goes on: {cause} may be slow or hang");
            tracing::warn!(resource = %row.reference(), "{reason}");
            set_status(world, row.id, None, Status::TakesLong { reason }).await;
        }
        None
    }

    /// How it ended. May be dropped and called again until it has.
    async fn ended(&mut self) -> Result<T, NotReady> {
        let ended = (&mut self.task).await;
        ended.unwrap_or_else(|error| {
            Err(NotReady::yet(format!("the attempt to {} it broke off: {error}", self.work.verb())))
        })
    }

    /// Ends it: what it is about to do may be done for no longer than `limit`. Gives what came of it.
    pub(super) async fn end(mut self, limit: Duration) -> Option<T> {
        real_time::within(limit, self.ended()).await?.ok()
    }

    /// The same at its next await.
    pub(super) async fn break_off(mut self) -> Option<T> {
        self.task.abort();
        self.ended().await.ok()
    }
}

impl<T> Drop for Beside<T> {
    fn drop(&mut self) {
        self.task.abort();
    }
}
