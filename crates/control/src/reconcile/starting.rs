//! A resource that is being started, by a task of its own: one that hangs holds up no other.

use std::sync::Arc;

use millstream_host::Timestamp;

use super::STOP_LIMIT;
use super::beside::{Beside, Work};
use super::plan::Dependencies;
use crate::catalog::ResourceRow;
use crate::resources::{self, NotReady, Prepared, Running, Stopped};
use crate::supervise::{TaskEvent, TaskScope};
use crate::world::World;

/// Starting one resource as its row was. Dropping it stops what has started of it.
pub(super) struct Starting {
    world: Arc<World>,
    scope: TaskScope,
    since: Timestamp,
    /// A task of it has ended unasked, before anybody saw that it runs.
    event: Option<TaskEvent>,
    /// `None` once it has ended.
    step: Option<Beside<Running>>,
}

/// What has started.
pub(super) struct Started {
    pub(super) running: Running,
    /// The number of the scope of its tasks.
    pub(super) scope: u64,
    pub(super) since: Timestamp,
    /// That a task of it has ended unasked since.
    pub(super) event: Option<TaskEvent>,
}

impl Starting {
    pub(super) fn begin(
        world: &Arc<World>,
        row: &ResourceRow,
        dependencies: &Dependencies,
        prepared: Prepared,
    ) -> Starting {
        let scope = world.supervisor.scope(Some(row.id), &row.name);
        let (own_world, own_scope) = (Arc::clone(world), scope.clone());
        let task = async move { resources::start(&own_world, prepared, own_scope).await };
        let step = Some(Beside::begin(world, Work::Start, row, dependencies, task));
        Starting { world: Arc::clone(world), scope, since: world.clock.now(), event: None, step }
    }

    /// Whether it is that of this row with these dependencies.
    pub(super) fn is_of(&self, row: &ResourceRow, dependencies: &Dependencies) -> bool {
        self.step.as_ref().is_some_and(|step| step.is_of(row, dependencies))
    }

    /// Notes an event of its tasks. False when it is of others.
    pub(super) fn note(&mut self, event: &TaskEvent) -> bool {
        let is_own = event.scope == self.scope.number();
        if is_own {
            self.event = Some(event.clone());
        }
        is_own
    }

    /// As [`Beside::waited`].
    pub(super) async fn waited(&mut self, row: &ResourceRow) -> Option<Result<Started, NotReady>> {
        let ended = self.step.as_mut()?.waited(&self.world, row).await?;
        self.step = None;
        Some(match ended {
            Ok(running) => {
                let (scope, since, event) = (self.scope.number(), self.since, self.event.take());
                Ok(Started { running, scope, since, event })
            }
            Err(error) => {
                // What it had begun goes with it.
                self.scope.stop(STOP_LIMIT).await;
                Err(error)
            }
        })
    }

    /// It is not to start any more.
    pub(super) async fn end(mut self) -> Stopped {
        match self.step.take() {
            Some(step) => stopped(step, self.scope.clone()).await,
            None => Stopped::default(),
        }
    }
}

impl Drop for Starting {
    fn drop(&mut self) {
        if let Some(step) = self.step.take() {
            drop(self.world.spawn().awaited(stopped(step, self.scope.clone())));
        }
    }
}

async fn stopped(step: Beside<Running>, scope: TaskScope) -> Stopped {
    match step.break_off().await {
        Some(running) => running.stop(STOP_LIMIT, false).await,
        None => Stopped { left: scope.stop(STOP_LIMIT).await, ..Stopped::default() },
    }
}
