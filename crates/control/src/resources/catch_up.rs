//! A definition that has changed since a crash: the version that ran then first gives again what has left since its
//! checkpoint, which the log drops, and stores one. Its successor goes on behind that, and repeats nothing.
//!
//! A file that is applied before the server starts changes what does not run, and one that is applied later may change what
//! has not caught up yet, since its function is slow or away. Otherwise there is nothing to catch up with.

use millstream_host::real_time;

use super::application::{PreparedApplication, checkpoints_of, is_behind};
use super::predecessor::{LIMIT, patiently};
use super::{NotReady, Occasion, SETTLE_LIMIT, StopOnDrop};
use crate::catalog::WaitingOutput;
use crate::definition::ApplicationDefinition;
use crate::pipeline::CheckedApplication;
use crate::world::World;

impl PreparedApplication {
    /// Lets the version that ran before a crash catch up, if there is one and it has left rows since its checkpoint. Where
    /// that is not possible some rows may come once more: a problem says so.
    pub(super) async fn let_predecessor_catch_up(&self, world: &World) {
        let caught_up = match self.predecessor(world).await {
            Ok(Some(predecessor)) => predecessor.catch_up(world, &self.definition).await,
            Ok(None) => return,
            Err(error) => Err(error),
        };
        if let Err(NotReady { reason, .. }) = caught_up {
            let text = format!(
                "it has changed since a crash, and rows that left in the seconds before may come once more: {reason}"
            );
            world.live.problem(world.clock.now(), self.name(), text, 1);
        }
    }

    /// What ran when the newest checkpoint was stored, where that was something else that has not done all of its work.
    async fn predecessor(&self, world: &World) -> Result<Option<PreparedApplication>, NotReady> {
        let newest = checkpoints_of(world, self.id).await?.into_iter().next();
        let Some((_, newest)) = newest else { return Ok(None) };
        let Some(text) = &newest.definition else { return Ok(None) };
        let definition: ApplicationDefinition = serde_json::from_str(text).map_err(NotReady::ever)?;
        let source = world.registry.find(&definition.input.source.reference()).map(|row| row.id);
        if definition == self.definition || source != Some(newest.source) {
            // What it read is no longer there: nothing is read twice.
            return Ok(None);
        }
        let checked = CheckedApplication::of(self.name(), &definition).map_err(NotReady::ever)?;
        // After a change, what has run has let its rows arrive already, as far as they could.
        let has_rows_waiting = self.occasion == Occasion::First && newest.waiting != WaitingOutput::Nothing;
        if !has_rows_waiting && !is_behind(world, self.id, (&definition, &checked), &newest) {
            return Ok(None);
        }
        let Some(row) = world.registry.row(self.id) else { return Ok(None) };
        let source = newest.source;
        PreparedApplication::new(world, &row, source, checked, definition, Occasion::First).await.map(Some)
    }

    /// Gives again what has left, and stops with a checkpoint.
    async fn catch_up(self, world: &World, successor: &ApplicationDefinition) -> Result<(), NotReady> {
        // Not the resource's own tasks: their end is no event.
        let scope = world.supervisor.scope(None, self.name());
        let _stopped = StopOnDrop(scope.clone());
        let running = self.resume(world, scope).await?;
        let functions = [&self.definition, successor].map(|it| it.input.preprocessor.as_deref());
        let caught_up = patiently(world, self.name(), functions, running.handle().catch_up()).await;
        // Its successor may have other destinations. What does not answer is left to it.
        let _ = real_time::within(SETTLE_LIMIT, running.handle().settle()).await;
        let stopped = running.stop(LIMIT).await;
        let left = stopped.left.into_iter().chain(stopped.unsaved).next();
        match (caught_up, left) {
            (Some(()), None) => Ok(()),
            (None, None) => Err(NotReady::yet(format!("not all came again within {} s", LIMIT.as_secs()))),
            (_, Some(left)) => Err(NotReady::yet(left)),
        }
    }
}
