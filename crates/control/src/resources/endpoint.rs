//! Endpoints: a model behind a slot.

use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use millstream_host::{Spawn, real_time};
use millstream_inference::{ModelServer, ModelSource, ServerSettings};

use super::{NotReady, Stopped};
use crate::catalog::ResourceRow;
use crate::definition::{EndpointDefinition, Model};
use crate::slots::Slot;
use crate::world::World;

/// A model server with the slot that it is for.
pub(crate) struct PreparedEndpoint {
    slot: Arc<Slot<ModelServer>>,
    server: Arc<ModelServer>,
}

/// An endpoint that answers.
pub(crate) struct RunningEndpoint {
    slot: Arc<Slot<ModelServer>>,
    server: Arc<ModelServer>,
}

/// What is wrong with a model folder at first sight; `None` when it may be one.
pub(crate) fn folder_mistake(folder: &Path) -> Option<String> {
    let missing: Vec<&str> = ["config.json", "tokenizer.json", "model.safetensors"]
        .into_iter()
        .filter(|file| !folder.join(file).is_file())
        .collect();
    (!missing.is_empty()).then(|| {
        format!(
            "{} is not a model folder: it has no {}; name a Hugging Face folder or builtin:star-rating",
            folder.display(),
            missing.join(" and no ")
        )
    })
}

/// Checks the folder of a model.
pub(super) async fn look(definition: &EndpointDefinition, spawn: &Spawn) -> Result<(), NotReady> {
    let Model::Folder(folder) = definition.model.clone() else { return Ok(()) };
    let mistake = spawn.blocking(move || folder_mistake(&folder)).await.map_err(NotReady::yet)?;
    mistake.map_or(Ok(()), |mistake| Err(NotReady::yet(mistake)))
}

/// Starts the server for the slot of the endpoint.
pub(super) async fn prepare(
    world: &World,
    row: &ResourceRow,
    definition: &EndpointDefinition,
) -> Result<PreparedEndpoint, NotReady> {
    let server = open(definition, world.spawn()).await?;
    Ok(PreparedEndpoint { slot: world.endpoints.slot(&row.name), server })
}

/// Starts a server. The model in the program loads while others start; a folder is loaded here, so that one that does
/// not load is refused.
pub(crate) async fn open(
    definition: &EndpointDefinition,
    spawn: &Spawn,
) -> Result<Arc<ModelServer>, NotReady> {
    let source = match &definition.model {
        Model::BuiltinStarRating => ModelSource::EmbeddedStarRating,
        Model::Folder(folder) => {
            let looked_at = folder.clone();
            let mistake = spawn.blocking(move || folder_mistake(&looked_at)).await;
            if let Some(mistake) = mistake.map_err(NotReady::yet)? {
                return Err(NotReady::yet(mistake));
            }
            ModelSource::Folder(folder.clone())
        }
    };
    let must_load = matches!(source, ModelSource::Folder(_));
    let defaults = ServerSettings::default();
    let settings = ServerSettings {
        threads: definition.threads.and_then(NonZeroUsize::new),
        max_queue_texts: definition.queue_texts.unwrap_or(defaults.max_queue_texts),
        ..defaults
    };
    let server = ModelServer::start(source, settings).map_err(NotReady::ever)?;
    if must_load && let Err(error) = server.wait_until_loaded().await {
        server.shutdown().await;
        return Err(NotReady::yet(error));
    }
    Ok(server)
}

impl PreparedEndpoint {
    pub(super) fn start(self) -> RunningEndpoint {
        self.slot.replace(Some(Arc::clone(&self.server)));
        RunningEndpoint { slot: self.slot, server: self.server }
    }
}

impl RunningEndpoint {
    /// The model server.
    pub(crate) fn server(&self) -> &Arc<ModelServer> {
        &self.server
    }

    pub(super) async fn stop(self, limit: Duration, succeeded: bool) -> Stopped {
        if !succeeded {
            self.slot.replace(None);
        }
        // A batch under way takes as long as it takes; the process does not wait for it.
        let is_ended = real_time::within(limit, self.server.shutdown()).await.is_some();
        let left = if is_ended { Vec::new() } else { vec![format!("endpoint {}", self.slot.name())] };
        Stopped { left, unsaved: Vec::new() }
    }
}
