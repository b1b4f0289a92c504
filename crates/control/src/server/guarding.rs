//! Guarding applications and deliveries while something changes that makes their rows or objects.

use std::sync::atomic::Ordering;
use std::time::Duration;

use millstream_host::real_time;

use super::{CHECKPOINT_LIMIT, Server};
use crate::applications::functions_before;
use crate::apply;
use crate::catalog::ResourceRow;
use crate::definition::{Definition, Desired, Kind, Owner, Reference, ResourceId};
use crate::registry::{Changed, CreateError, DeleteError, UpdateError};
use crate::resources::{self, Guard, Running};

/// How long it may take to see what goes with a resource that is deleted.
const LOOK_LIMIT: Duration = Duration::from_secs(2);

/// A resource that was deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deleted {
    /// Which it was.
    pub id: ResourceId,
    /// What goes with it.
    pub details: Vec<String>,
}

impl Server {
    /// Guards the applications and deliveries whose rows or objects one of these resources makes: the change loses and repeats
    /// none, whenever the process is killed. One that hangs keeps nobody from changing it: it is guarded for a moment when it
    /// goes on, so that what comes after the change is told from what came before.
    pub(super) async fn guard(&self, changed: &[Reference]) -> Vec<Guard> {
        let rows = self.world.registry.rows();
        let concerned = rows.iter().filter(|row| !row.deleting && is_made_by(row, changed, &rows));
        let guarding = concerned.filter_map(|row| self.running.with(row.id, Running::guarding).flatten());
        let guarding = guarding.map(async |guard| {
            // Not dropped when the limit has passed.
            let guard = self.world.spawn().awaited(guard);
            real_time::within(CHECKPOINT_LIMIT, guard).await?.ok().flatten()
        });
        futures::future::join_all(guarding).await.into_iter().flatten().collect()
    }

    /// Creates a resource. It exists when this returns; it runs a moment later.
    ///
    /// # Errors
    /// See [`CreateError`]; nothing has changed then.
    pub async fn create(&self, desired: Desired, owner: Owner) -> Result<ResourceRow, CreateError> {
        self.world.registry.create(desired, owner).await
    }

    /// Gives a resource another definition. It has been tried when this returns, unless that takes long.
    ///
    /// # Errors
    /// See [`UpdateError`]; nothing has changed then.
    pub async fn update(&self, desired: Desired) -> Result<Changed, UpdateError> {
        let reference = desired.reference();
        let _guards = self.guard(std::slice::from_ref(&reference)).await;
        let changed = self.world.registry.update(desired).await?;
        if self.is_running.load(Ordering::SeqCst) && changed == Changed::Updated {
            apply::tried(&self.world, &reference).await;
        }
        Ok(changed)
    }

    /// Deletes a resource: its name is free when this returns; its state goes once it has stopped. By `force` also when
    /// others use it: they wait then until there is another of that name.
    ///
    /// # Errors
    /// See [`DeleteError`]; nothing has changed then.
    pub async fn delete(&self, reference: &Reference, force: bool) -> Result<Deleted, DeleteError> {
        self.world.registry.may_delete(reference, force)?;
        let row = self.world.registry.find(reference);
        // A disk that hangs keeps nobody from deleting: nothing is said then.
        let looking = async { resources::what_is_deleted_with(&self.world, &row?).await };
        let goes = real_time::within(LOOK_LIMIT, looking).await.flatten();
        // What is deleted itself makes nothing any more.
        let _guards = match reference.kind {
            Kind::Application | Kind::DeliveryStream => Vec::new(),
            _ => self.guard(std::slice::from_ref(reference)).await,
        };
        let id = self.world.registry.delete(reference, force).await?;
        Ok(Deleted { id, details: goes.into_iter().collect() })
    }
}

/// Whether one of these resources makes the rows of an application or the objects of a delivery: itself, its function, or the
/// model behind that.
fn is_made_by(row: &ResourceRow, changed: &[Reference], rows: &[ResourceRow]) -> bool {
    let function = match &row.definition {
        Definition::Application(definition) => definition.input.preprocessor.as_deref(),
        Definition::DeliveryStream(definition) => {
            definition.transform.as_ref().map(|transform| transform.function.as_str())
        }
        _ => return false,
    };
    let functions = functions_before(function, rows).into_iter();
    functions.chain([row]).any(|maker| changed.contains(&maker.reference()))
}
