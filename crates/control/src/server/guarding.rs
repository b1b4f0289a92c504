//! Guarding applications while something changes that makes their rows.

use millstream_host::real_time;

use super::{CHECKPOINT_LIMIT, Server};
use crate::applications::{Guard, functions_before};
use crate::catalog::ResourceRow;
use crate::definition::{Definition, Kind, Reference, ResourceId};
use crate::registry::DeleteError;

impl Server {
    /// Guards the applications whose rows one of these resources makes: a crash in the middle of the change repeats none of
    /// their rows. One that hangs keeps nobody from changing it: it is guarded when it goes on.
    pub(super) async fn guard(&self, changed: &[Reference]) -> Vec<Guard> {
        let rows = self.world.registry.rows();
        let concerned = rows.iter().filter(|row| !row.deleting && is_made_by(row, changed, &rows));
        let guarding = concerned.filter_map(|row| self.application(&row.name)).map(async |application| {
            real_time::within(CHECKPOINT_LIMIT, application.guard()).await.flatten()
        });
        futures::future::join_all(guarding).await.into_iter().flatten().collect()
    }

    /// Deletes a resource: its name is free when this returns; its state goes once it has stopped. By `force` also when
    /// others use it: they wait then until there is another of that name.
    ///
    /// # Errors
    /// See [`DeleteError`]; nothing has changed then.
    pub async fn delete(&self, reference: &Reference, force: bool) -> Result<ResourceId, DeleteError> {
        self.world.registry.may_delete(reference, force)?;
        // The rows of one that is deleted itself come no second time.
        let _guards = match reference.kind {
            Kind::Application => Vec::new(),
            _ => self.guard(std::slice::from_ref(reference)).await,
        };
        self.world.registry.delete(reference, force).await
    }
}

/// Whether one of these resources makes the rows of an application: itself, its function, or the model behind that.
fn is_made_by(row: &ResourceRow, changed: &[Reference], rows: &[ResourceRow]) -> bool {
    let Definition::Application(definition) = &row.definition else { return false };
    let functions = functions_before(definition.input.preprocessor.as_deref(), rows).into_iter();
    functions.chain([row]).any(|maker| changed.contains(&maker.reference()))
}
