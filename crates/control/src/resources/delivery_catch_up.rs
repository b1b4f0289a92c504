//! A delivery stream, or the function of its records, that has changed since a crash, or could not rest before it changed. How
//! far each kind of object has come means something with the definition alone that wrote them: the one from before the crash
//! first writes what it had taken in, until all kinds have come to one place.
//!
//! Where it can no longer do that, because its function is gone or another, nobody knows which kind a record was: it is
//! delivered again rather than not at all.

use super::delivery_stream::{PreparedDelivery, prepare};
use super::predecessor::{LIMIT, patiently};
use super::{NotReady, Occasion, StopOnDrop};
use crate::applications::functions_hash;
use crate::catalog::{ResourceRow, StoredDelivery};
use crate::connect::catalog_to_delivery::is_at_one_place;
use crate::definition::{DeliveryStreamDefinition, Kind, Reference, ResourceId};
use crate::world::World;
use millstream_delivery::{ObjectKind, Positions, Progress};

impl PreparedDelivery {
    /// Brings all kinds of objects to one place where they are not, and something has changed since they were written.
    pub(super) async fn let_predecessor_catch_up(
        &self,
        world: &World,
        occasion: Occasion,
    ) -> Result<(), NotReady> {
        let Some(row) = world.registry.row(self.id) else { return Ok(()) };
        let Some(stored) = load(world, self.id).await? else { return Ok(()) };
        let Some(before) = &stored.definition else { return Ok(()) };
        if is_at_one_place(&stored.progress, before) {
            return Ok(());
        }
        let function = before.transform.as_ref().map(|transform| transform.function.as_str());
        let rows = world.registry.rows();
        let is_same_function = stored.functions == Some(functions_hash(function, &rows));
        if is_same_function && *before == self.definition {
            return Ok(());
        }
        let is_there =
            function.is_none_or(|name| world.registry.find(&Reference::new(Kind::Function, name)).is_some());
        if occasion == Occasion::Again {
            // It has just had its time.
            say(world, &row, "what it had taken in could not be written before the change");
        } else if is_same_function && is_there {
            match write_what_was_taken_in(world, &row, before, &self.definition).await {
                Ok(()) => return Ok(()),
                Err(NotReady { reason, .. }) => say(world, &row, &reason),
            }
        } else {
            say(world, &row, "the function that its records went through is another one now, or gone");
        }
        // What the one before is just storing comes before this.
        let (incarnations, id) = (world.incarnations.clone(), self.id);
        world.spawn().blocking(move || drop(incarnations.begin(id))).await.map_err(NotReady::yet)?;
        if let Some(stored) = load(world, self.id).await? {
            let progress = taking_all_again(stored.progress);
            let stored = StoredDelivery { progress, definition: None, functions: None };
            let (catalog, id) = (world.catalog.clone(), self.id);
            let put = world.spawn().blocking(move || catalog.put_delivery_progress(id, &stored)).await;
            put.map_err(NotReady::yet)?.map_err(NotReady::yet)?;
        }
        Ok(())
    }
}

async fn load(world: &World, id: ResourceId) -> Result<Option<StoredDelivery>, NotReady> {
    let catalog = world.catalog.clone();
    let loaded = world.spawn().blocking(move || catalog.delivery_progress(id)).await;
    loaded.map_err(NotReady::yet)?.map_err(NotReady::yet)
}

fn say(world: &World, row: &ResourceRow, reason: &str) {
    let text = format!("it has changed, and records of the time before may be in two objects: {reason}");
    world.live.problem(world.clock.now(), &row.name, text, 1);
}

/// Main and failed objects from the older of their positions on.
fn taking_all_again(mut progress: Progress) -> Progress {
    let Positions { delivered, failed, backed_up } = progress.positions;
    let oldest = delivered.min(failed);
    progress.positions = Positions { delivered: oldest, failed: oldest, backed_up };
    progress.intents.retain(|intent| intent.kind == ObjectKind::Backup);
    progress
}

async fn write_what_was_taken_in(
    world: &World,
    row: &ResourceRow,
    before: &DeliveryStreamDefinition,
    successor: &DeliveryStreamDefinition,
) -> Result<(), NotReady> {
    let predecessor = prepare(world, row, before, None).await?;
    // Not the resource's own tasks: their end is no event.
    let scope = world.supervisor.scope(None, &row.name);
    let _stopped = StopOnDrop(scope.clone());
    let running = predecessor.start(world, scope).await?;
    let functions = [before, successor].map(|it| it.transform.as_ref().map(|of| of.function.as_str()));
    let rested = patiently(world, &row.name, functions, running.handle().rest()).await;
    let stopped = running.stop(LIMIT).await;
    match (rested, stopped.left.first()) {
        (Some(Ok(_resting)), None) => Ok(()),
        (_, Some(left)) => Err(NotReady::yet(format!("{left} did not stop in time"))),
        _ => Err(NotReady::yet(format!("it was not written within {} s", LIMIT.as_secs()))),
    }
}

#[cfg(test)]
mod tests {
    use millstream_delivery::SourcePosition;

    use super::*;

    #[test]
    fn what_was_of_an_unknown_kind_is_taken_again() {
        let at = |delivered, failed, backed_up| Positions {
            delivered: SourcePosition(delivered),
            failed: SourcePosition(failed),
            backed_up: SourcePosition(backed_up),
        };
        let again = |positions| taking_all_again(Progress::from(positions)).positions;
        assert_eq!(again(at(9, 3, 5)), at(3, 3, 5));
        assert_eq!(again(at(3, 9, 5)), at(3, 3, 5));
    }
}
