//! Delivery streams: a buffer in the log, and a worker that delivers it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use millstream_delivery::{
    BackupSettings, BufferingHints, Components, Compression, DeliveryHandle, DeliverySettings,
    DeliveryWorker, InvalidDelivery, ObjectNaming, Transform, TransformSettings,
};
use millstream_streamlog::Retention;
use object_store::ObjectStore;
use object_store::local::LocalFileSystem;

use super::{NotReady, Occasion, Stopped, stream};
use crate::applications::BeyondEnd;
use crate::catalog::ResourceRow;
use crate::connect::catalog_to_delivery::CatalogPositions;
use crate::connect::delivery_to_live::LiveDelivery;
use crate::connect::function_to_transform::FunctionTransform;
use crate::connect::log_to_delivery::{BUFFER_SHARD, LogSource};
use crate::data_directory::{DataDirectory, DirectoryError};
use crate::definition::{self, BufferingDefinition, DeliveryStreamDefinition, Kind, Reference, ResourceId};
use crate::resource_name::{delivery_stream_arn, function_arn};
use crate::supervise::TaskScope;
use crate::world::{World, log_key};

/// A delivery that is ready to run.
pub(crate) struct PreparedDelivery {
    pub(super) id: ResourceId,
    pub(super) definition: DeliveryStreamDefinition,
    /// `None` for one that only writes what it had taken in before a crash.
    occasion: Option<Occasion>,
    positions: Arc<CatalogPositions>,
    handle: DeliveryHandle,
    worker: DeliveryWorker,
}

/// A delivery that runs.
pub(crate) struct RunningDelivery {
    handle: DeliveryHandle,
    scope: TaskScope,
}

/// How the objects of a delivery stream are called.
pub(crate) fn naming(
    name: &str,
    definition: &DeliveryStreamDefinition,
) -> Result<ObjectNaming, InvalidDelivery> {
    let naming = ObjectNaming::new(name, &definition.prefix, definition.error_prefix.as_deref())?;
    Ok(naming.with_compression(compression(definition.compression)))
}

fn compression(choice: definition::Compression) -> Compression {
    match choice {
        definition::Compression::None => Compression::Uncompressed,
        definition::Compression::Gzip => Compression::Gzip,
    }
}

/// The settings of a delivery worker.
///
/// # Errors
/// A number out of range, or a prefix that cannot be one.
pub(crate) fn settings(
    name: &str,
    definition: &DeliveryStreamDefinition,
) -> Result<DeliverySettings, InvalidDelivery> {
    let mut settings = DeliverySettings::new(delivery_stream_arn(name), naming(name, definition)?);
    settings.buffering = hints(BufferingHints::default(), definition.buffering);
    if let Some(transform) = &definition.transform {
        let defaults = TransformSettings::default();
        settings.transform = Some(TransformSettings {
            buffering: hints(defaults.buffering, transform.buffering),
            number_of_retries: transform.retries.unwrap_or(defaults.number_of_retries),
            function_arn: function_arn(&transform.function),
            ..defaults
        });
    }
    if let Some(backup) = &definition.backup {
        let naming = ObjectNaming::new(name, &backup.prefix, None)?;
        settings.backup = Some(BackupSettings {
            buffering: hints(settings.buffering, backup.buffering),
            naming: naming.with_compression(compression(backup.compression)),
        });
    }
    settings.check()?;
    Ok(settings)
}

fn hints(defaults: BufferingHints, given: BufferingDefinition) -> BufferingHints {
    let bytes = given.bytes.map(|bytes| usize::try_from(bytes).unwrap_or(usize::MAX));
    BufferingHints {
        size_bytes: bytes.unwrap_or(defaults.size_bytes),
        interval: given.interval.unwrap_or(defaults.interval),
    }
}

/// A bucket that cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BucketError {
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    #[error("bucket \"{name}\" cannot be used: {reason}")]
    Store { name: String, reason: String },
}

/// The directory of a bucket as an object store; an object that was written survives a power cut. Waits for the disk.
pub(crate) fn bucket(directory: &DataDirectory, name: &str) -> Result<Arc<dyn ObjectStore>, BucketError> {
    store_at(&directory.bucket(name)?, name)
}

/// The same for a bucket that somebody has made. Waits for the disk.
pub(crate) fn existing_bucket(
    directory: &DataDirectory,
    name: &str,
) -> Result<Arc<dyn ObjectStore>, BucketError> {
    let path = directory.buckets().join(name);
    match path.is_dir() {
        true => store_at(&path, name),
        false => {
            let reason = format!("it does not exist: a bucket is the folder {}", path.display());
            Err(BucketError::Store { name: name.to_owned(), reason })
        }
    }
}

fn store_at(path: &Path, name: &str) -> Result<Arc<dyn ObjectStore>, BucketError> {
    let store = LocalFileSystem::new_with_prefix(path)
        .map_err(|error| BucketError::Store { name: name.to_owned(), reason: error.to_string() })?;
    Ok(Arc::new(store.with_fsync(true)))
}

/// Makes the buffer, opens the buckets, checks the settings.
pub(super) async fn prepare(
    world: &World,
    row: &ResourceRow,
    definition: &DeliveryStreamDefinition,
    occasion: Option<Occasion>,
) -> Result<PreparedDelivery, NotReady> {
    let key = log_key(&row.reference());
    let buckets = {
        let (log, key, directory) = (Arc::clone(&world.log), key.clone(), world.directory.clone());
        let (main, backup) = (definition.bucket.clone(), definition.backup_bucket().map(str::to_owned));
        move || {
            let shards = BUFFER_SHARD.0 + 1;
            super::stream::create_if_absent(&log, &key, shards, Retention::default())
                .map_err(|error| error.to_string())?;
            let main = bucket(&directory, &main).map_err(|error| error.to_string())?;
            let backup = backup.map(|backup| bucket(&directory, &backup)).transpose();
            Ok((main, backup.map_err(|error| error.to_string())?))
        }
    };
    let opened: Result<_, String> = world.spawn().blocking(buckets).await.map_err(NotReady::yet)?;
    let (destination, backup) = opened.map_err(NotReady::yet)?;
    let (catalog, id) = (world.catalog.clone(), row.id);
    let progress = world.spawn().blocking(move || catalog.delivery_progress(id)).await;
    if let Some(stored) = progress.map_err(NotReady::yet)?.map_err(NotReady::yet)? {
        let positions = BTreeMap::from([(BUFFER_SHARD.0, stored.progress.furthest().0)]);
        BeyondEnd::check(&world.log, &key, &positions)
            .map_err(|beyond| NotReady::lost(beyond.explain(&row.name)))?;
    }
    let source = LogSource {
        log: Arc::clone(&world.log),
        changes: world.log.changes(&key).map_err(NotReady::yet)?,
        key,
        spawn: world.spawn().clone(),
    };
    let function = definition.transform.as_ref().map(|transform| world.functions.slot(&transform.function));
    let positions = Arc::new(CatalogPositions::new(world, row.id, definition.clone()));
    let components = Components {
        source: Arc::new(source),
        positions: Arc::<CatalogPositions>::clone(&positions),
        transform: function.clone().map(|slot| -> Arc<dyn Transform> { Arc::new(FunctionTransform(slot)) }),
        destination,
        backup,
        clock: Arc::clone(&world.clock),
        random: world.identifiers.random(),
        observer: Some(Arc::new(LiveDelivery {
            name: row.name.clone(),
            live: Arc::clone(&world.live),
            clock: Arc::clone(&world.clock),
            known_ratings: Arc::clone(&world.known_ratings),
            function,
        })),
    };
    let settings = settings(&row.name, definition).map_err(NotReady::ever)?;
    let (handle, worker) = DeliveryWorker::new(components, settings).map_err(NotReady::ever)?;
    Ok(PreparedDelivery { id: row.id, definition: definition.clone(), occasion, positions, handle, worker })
}

impl PreparedDelivery {
    pub(super) async fn start(self, world: &World, scope: TaskScope) -> Result<RunningDelivery, NotReady> {
        if let Some(occasion) = self.occasion {
            // The future of the predecessor is one of this kind, too.
            Box::pin(self.let_predecessor_catch_up(world, occasion)).await?;
        }
        self.positions.begin().await.map_err(NotReady::yet)?;
        scope.task("delivery", self.worker.run());
        Ok(RunningDelivery { handle: self.handle, scope })
    }
}

impl RunningDelivery {
    /// Asks it things.
    pub(crate) fn handle(&self) -> &DeliveryHandle {
        &self.handle
    }

    pub(super) async fn stop(self, limit: Duration) -> Stopped {
        self.scope.begin_stop();
        self.handle.stop();
        Stopped { left: self.scope.stop(limit).await, unsaved: Vec::new() }
    }
}

/// Records in the buffer of a delivery stream that are not in all of its objects yet; delivered ones stay in the log for a
/// while. 0 when they cannot be counted.
pub(crate) async fn waiting_records(world: &World, id: ResourceId, name: &str) -> u64 {
    let (log, catalog) = (Arc::clone(&world.log), world.catalog.clone());
    let key = log_key(&Reference::new(Kind::DeliveryStream, name));
    let counting = move || {
        let stored = catalog.delivery_progress(id).ok()?;
        let delivered = stored.map_or(0, |stored| stored.progress.positions.oldest().0);
        let end = log.shard_end(&key, BUFFER_SHARD).ok()?.0;
        Some(end.saturating_sub(delivered))
    };
    world.spawn().blocking(counting).await.ok().flatten().unwrap_or(0)
}

/// Deletes the buffer. Objects stay: they belong to the bucket.
pub(super) async fn erase(world: &World, row: &ResourceRow) -> Result<(), NotReady> {
    let (incarnations, id) = (world.incarnations.clone(), row.id);
    let ended = world.spawn().blocking(move || incarnations.end(id)).await;
    ended.map_err(NotReady::yet)?;
    stream::erase(world, row).await
}
