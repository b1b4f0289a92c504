//! Feeds: a source, and what puts its records.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::watch;

use super::{NotReady, Stopped};
use crate::applications::LogInput;
use crate::catalog::{CatalogError, FeedProgress, ResourceRow};
use crate::definition::{Definition, FeedDefinition, FeedSource, Kind, Reference, ResourceId};
use crate::feeds::{
    CopyProgress, Copying, FeedEnd, FeedServices, KnownRatings, LineSource, Putting, RecordSource, Resumed,
    ReviewLines, SyntheticReviews, is_endless, producers_of_passes, true_progress,
};
use crate::producers;
use crate::supervise::TaskScope;
use crate::world::{World, log_key};

/// A feed that is ready to start. Its source is opened when its predecessor has stopped.
pub(crate) struct PreparedFeed {
    id: ResourceId,
    name: String,
    definition: FeedDefinition,
    from: From,
}

enum From {
    Source { source: Option<Box<dyn RecordSource>>, progress: FeedProgress },
    Stream { input: LogInput },
}

/// A feed that runs.
pub(crate) struct RunningFeed {
    records: Arc<AtomicU64>,
    scope: TaskScope,
    state: State,
}

enum State {
    Source(watch::Receiver<FeedEnd>),
    Copy(CopyProgress),
    /// An earlier run has read it to its end.
    Ended,
}

/// Opens the source where an earlier run stopped.
pub(super) async fn prepare(
    world: &World,
    row: &ResourceRow,
    definition: &FeedDefinition,
) -> Result<PreparedFeed, NotReady> {
    let from = match &definition.source {
        FeedSource::Stream { stream } => from_stream(world, row, stream).await?,
        _ => from_source(world, row, definition).await?,
    };
    Ok(PreparedFeed { id: row.id, name: row.name.clone(), definition: definition.clone(), from })
}

/// Looks whether the source can be opened.
pub(super) async fn look(world: &World, definition: &FeedDefinition) -> Result<(), NotReady> {
    let FeedSource::File { path, header, repeat, .. } = definition.source.clone() else { return Ok(()) };
    let opened = move || match is_endless(&path) {
        true => Ok(()),
        false => LineSource::file(&path, header, repeat).map(|_| ()),
    };
    world.spawn().blocking(opened).await.map_err(NotReady::yet)?.map_err(NotReady::yet)
}

async fn from_source(
    world: &World,
    row: &ResourceRow,
    definition: &FeedDefinition,
) -> Result<From, NotReady> {
    if matches!(definition.source, FeedSource::StandardInput { .. }) && !world.has_standard_input {
        let reason = "standard input can be read only by millstream run; name a file, or put records with millstream put";
        return Err(NotReady::ever(reason));
    }
    let (catalog, id, name) = (world.catalog.clone(), row.id, row.name.clone());
    let repeats_ended = world.repeats_ended_feeds;
    let (source, log) = (definition.source.clone(), Arc::clone(&world.log));
    let ratings = Arc::clone(&world.known_ratings);
    let key = log_key(&definition.target.reference());
    let progress = move || {
        let noted = catalog.feed_progress(id, &name).map_err(|error| error.to_string())?;
        let progress = true_progress(&log, &key, id, noted);
        open(&catalog, id, progress, &source, ratings, repeats_ended)
    };
    let opened = world.spawn().blocking(progress).await;
    let (source, progress) = opened.map_err(NotReady::yet)?.map_err(NotReady::yet)?;
    Ok(From::Source { source, progress })
}

/// Waits for the disk.
fn open(
    catalog: &crate::catalog::Catalog,
    id: ResourceId,
    mut progress: FeedProgress,
    source: &FeedSource,
    ratings: Arc<KnownRatings>,
    repeats_ended: bool,
) -> Result<(Option<Box<dyn RecordSource>>, FeedProgress), String> {
    if progress.ended {
        if !repeats_ended {
            return Ok((None, progress));
        }
        progress = FeedProgress { pass: progress.pass + 1, produced: 0, ended: false };
        catalog.put_feed_progress(id, progress).map_err(|error| error.to_string())?;
    }
    let source: Box<dyn RecordSource> = match source {
        FeedSource::File { path, header, repeat, review_columns } => {
            let lines = LineSource::file(path, *header, *repeat).map_err(|error| error.to_string())?;
            match review_columns {
                None => Box::new(lines),
                Some(columns) => Box::new(ReviewLines::new(lines, columns, ratings)?),
            }
        }
        // What was not read is not there any more.
        FeedSource::StandardInput { header } => {
            return Ok((Some(Box::new(LineSource::standard_input(*header))), progress));
        }
        FeedSource::SyntheticReviews { seed, rate } => Box::new(SyntheticReviews::new(*seed, *rate, ratings)),
        FeedSource::Stream { .. } => unreachable!("a stream is no source of lines"),
    };
    Ok((Some(Box::new(Resumed::after(progress.produced, source))), progress))
}

/// Goes on where an earlier run stopped; a new copy begins behind the newest record.
async fn from_stream(world: &World, row: &ResourceRow, stream: &str) -> Result<From, NotReady> {
    let reference = Reference::new(Kind::Stream, stream);
    let Some(source) = world.registry.find(&reference).map(|row| row.id) else {
        return Err(NotReady::yet(format!("{reference} does not exist")));
    };
    let mut input = LogInput::new(Arc::clone(&world.log), log_key(&reference)).map_err(NotReady::yet)?;
    let (catalog, id) = (world.catalog.clone(), row.id);
    let stored = world.spawn().blocking(move || catalog.positions(id, source)).await;
    let stored = stored.map_err(NotReady::yet)?.map_err(NotReady::yet)?;
    if stored.is_empty() {
        input.go_to_end().map_err(NotReady::yet)?;
        // From here on nothing is skipped, whatever happens.
        let (catalog, positions) = (world.catalog.clone(), input.positions());
        let noted = world.spawn().blocking(move || catalog.put_positions(id, source, &positions)).await;
        noted.map_err(NotReady::yet)?.map_err(NotReady::yet)?;
    } else {
        input.go_to(&stored).map_err(|beyond| NotReady::lost(beyond.explain(&row.name)))?;
    }
    Ok(From::Stream { input })
}

impl PreparedFeed {
    pub(super) fn start(self, world: &World, scope: TaskScope) -> Result<RunningFeed, NotReady> {
        let PreparedFeed { id, name, definition, from } = self;
        let records = Arc::new(AtomicU64::new(0));
        let services = FeedServices {
            id,
            name,
            key: log_key(&definition.target.reference()),
            rate: definition.rate,
            records: Arc::clone(&records),
            log: Arc::clone(&world.log),
            catalog: world.catalog.clone(),
            clock: Arc::clone(&world.clock),
            live: Arc::clone(&world.live),
            spawn: world.spawn().clone(),
            stop: scope.stop_signal(),
        };
        let state = match from {
            From::Source { source: None, .. } => State::Ended,
            From::Source { source: Some(source), progress } => {
                let keeps_progress = !matches!(definition.source, FeedSource::StandardInput { .. });
                let (putting, end) =
                    Putting::new(services, source, progress, keeps_progress).map_err(NotReady::yet)?;
                scope.task("feed", putting.run());
                State::Source(end)
            }
            From::Stream { input } => {
                let (copying, progress) = Copying::new(services, input);
                scope.dedicated("copy", copying.run()).map_err(NotReady::yet)?;
                State::Copy(progress)
            }
        };
        Ok(RunningFeed { records, scope, state })
    }
}

impl RunningFeed {
    /// Records put since the start.
    pub(crate) fn records(&self) -> u64 {
        self.records.load(Ordering::Relaxed)
    }

    /// Its tasks.
    pub(crate) fn scope(&self) -> &TaskScope {
        &self.scope
    }

    /// Says when its last record has been acknowledged, or that it failed; `None` for a copy, which has no end, and one that has ended before.
    pub(crate) fn end(&self) -> Option<watch::Receiver<FeedEnd>> {
        match &self.state {
            State::Source(end) => Some(end.clone()),
            State::Copy(_) | State::Ended => None,
        }
    }

    /// Its source has no more records.
    pub(crate) fn has_ended(&self) -> bool {
        match &self.state {
            State::Source(end) => *end.borrow() == FeedEnd::Ended,
            State::Copy(_) => false,
            State::Ended => true,
        }
    }

    /// Why its source cannot be read any further.
    pub(crate) fn failure(&self) -> Option<String> {
        match &self.state {
            State::Source(end) => match &*end.borrow() {
                FeedEnd::Failed(reason) => Some(reason.clone()),
                FeedEnd::Open | FeedEnd::Ended => None,
            },
            State::Copy(_) | State::Ended => None,
        }
    }

    /// How far it has come, if it copies a stream.
    pub(crate) fn copy_progress(&self) -> Option<CopyProgress> {
        match &self.state {
            State::Copy(progress) => Some(progress.clone()),
            State::Source(_) | State::Ended => None,
        }
    }

    pub(super) async fn stop(self, limit: Duration) -> Stopped {
        Stopped { left: self.scope.stop(limit).await, unsaved: Vec::new() }
    }
}

/// Its progress waits for the next feed of its name.
pub(super) async fn erase(world: &World, row: &ResourceRow) -> Result<(), NotReady> {
    let (catalog, id, name) = (world.catalog.clone(), row.id, row.name.clone());
    let released = move || {
        let progress = catalog.feed_progress(id, &name)?;
        catalog.release_feed_progress(id, &name)?;
        Ok::<_, CatalogError>(progress)
    };
    let progress = world.spawn().blocking(released).await.map_err(NotReady::yet)?.map_err(NotReady::yet)?;
    let Definition::Feed(definition) = &row.definition else { return Ok(()) };
    let key = log_key(&definition.target.reference());
    let of_passes = producers_of_passes(row.id, progress);
    producers::forget(&world.log, &key, of_passes.collect()).await.map_err(NotReady::yet)?;
    if let FeedSource::Stream { stream } = &definition.source {
        let source = log_key(&Reference::new(Kind::Stream, stream));
        let shards = world.log.stream_describe(&source).map(|found| found.shards).unwrap_or_default();
        let of_shards = shards.iter().map(|shard| producers::of_feed(row.id, &shard.number.to_string()));
        producers::forget(&world.log, &key, of_shards.collect()).await.map_err(NotReady::yet)?;
    }
    Ok(())
}
