//! Feeds: a source, and what puts its records.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::watch;

use super::{NotReady, Occasion, StateOutlook, Stopped};
use crate::applications::LogInput;
use crate::catalog::{CatalogError, CopyStart, FeedProgress, ResourceRow};
use crate::definition::{Definition, FeedDefinition, FeedSource, Kind, Reference, ResourceId};
use crate::feeds::{
    Ahead, CopiedFrom, CopyProgress, Copying, FeedEnd, FeedServices, KnownRatings, LineSource, Putting,
    ReadAhead, RecordSource, Resumed, ReviewLines, StandardInput, SyntheticReviews, is_endless,
    producers_of_copy, producers_of_passes, true_progress,
};
use crate::producers;
use crate::supervise::TaskScope;
use crate::world::{World, log_key};

/// A feed that is ready to start. Where it goes on is looked up when its predecessor has stopped.
pub(crate) struct PreparedFeed {
    row: ResourceRow,
    definition: FeedDefinition,
    occasion: Occasion,
}

enum From {
    Source {
        /// `None` when an earlier run has read it to its end.
        source: Option<Ahead>,
        progress: FeedProgress,
    },
    Stream {
        input: LogInput,
        from: CopiedFrom,
    },
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

/// Looks whether its source is there.
pub(super) async fn prepare(
    world: &World,
    row: &ResourceRow,
    definition: &FeedDefinition,
    occasion: Occasion,
) -> Result<PreparedFeed, NotReady> {
    match &definition.source {
        FeedSource::Stream { stream } => drop(source_of(world, stream)?),
        FeedSource::StandardInput { .. } => {
            standard_input_of(world)?;
        }
        _ => can_open(world, definition).await?,
    }
    Ok(PreparedFeed { row: row.clone(), definition: definition.clone(), occasion })
}

/// Looks whether it could run, and from where it would read. `before` is its definition so far.
pub(super) async fn look(
    world: &World,
    definition: &FeedDefinition,
    before: Option<&Definition>,
) -> Result<StateOutlook, NotReady> {
    can_open(world, definition).await?;
    let Some(Definition::Feed(before)) = before else { return Ok(StateOutlook::default()) };
    let is_other = before.source.identity() != definition.source.identity();
    let begins = match &definition.source {
        FeedSource::Stream { stream } if is_other => {
            Some(format!("copies what comes to stream \"{stream}\" from now on"))
        }
        FeedSource::Stream { stream } if before.target != definition.target => Some(format!(
            "goes on in stream \"{stream}\" behind the last record that it has copied; what {} has stays there",
            before.target.reference()
        )),
        FeedSource::Stream { .. } | FeedSource::StandardInput { .. } => None,
        _ => is_other.then(|| "reads its new source from the beginning".to_owned()),
    };
    Ok(StateOutlook { begins, ..StateOutlook::default() })
}

/// Whether a file can be opened.
async fn can_open(world: &World, definition: &FeedDefinition) -> Result<(), NotReady> {
    let FeedSource::File { path, header, repeat, .. } = definition.source.clone() else { return Ok(()) };
    let opened = move || match is_endless(&path) {
        true => Ok(()),
        false => LineSource::file(&path, header, repeat).map(|_| ()),
    };
    world.spawn().blocking(opened).await.map_err(NotReady::yet)?.map_err(NotReady::yet)
}

fn standard_input_of(world: &World) -> Result<&StandardInput, NotReady> {
    world.standard_input.as_ref().ok_or_else(|| {
        NotReady::ever(
            "standard input can be read only by millstream run; name a file, or put records with millstream put",
        )
    })
}

/// The stream that is copied.
fn source_of(world: &World, stream: &str) -> Result<ResourceId, NotReady> {
    let reference = Reference::new(Kind::Stream, stream);
    let found = world.registry.find(&reference).map(|row| row.id);
    found.ok_or_else(|| NotReady::yet(format!("{reference} does not exist")))
}

/// Under which name the progress of a feed waits for the next of its name. Those of other files read for other streams.
fn released_name(row: &ResourceRow) -> String {
    format!("{} of {}", row.name, row.owner)
}

/// How far a feed has come in its source. The call waits for the disk.
fn progress(
    world: &World,
    row: &ResourceRow,
    definition: &FeedDefinition,
) -> impl FnOnce() -> Result<FeedProgress, String> + Send + 'static {
    let (catalog, id) = (world.catalog.clone(), row.id);
    let names = [released_name(row), row.name.clone()];
    let log = Arc::clone(&world.log);
    let identity = definition.source.identity();
    move || {
        // Earlier versions kept it under the name alone.
        let names = [names[0].as_str(), names[1].as_str()];
        let noted = catalog.feed_progress(id, names, &identity).map_err(|error| error.to_string())?;
        Ok(true_progress(&log, id, noted))
    }
}

/// Opens the source where an earlier run stopped.
async fn from_source(
    world: &World,
    row: &ResourceRow,
    definition: &FeedDefinition,
    occasion: Occasion,
) -> Result<From, NotReady> {
    let (catalog, id) = (world.catalog.clone(), row.id);
    let is_repeated = world.repeats_ended_feeds_of.as_ref() == Some(&row.owner);
    let begins_again = is_repeated && occasion == Occasion::First;
    let source = definition.source.clone();
    let ratings = Arc::clone(&world.known_ratings);
    let progress = progress(world, row, definition);
    let opened = move || open(&catalog, id, progress()?, &source, ratings, begins_again);
    let opened = world.spawn().blocking(opened).await;
    let (source, progress) = opened.map_err(NotReady::yet)?.map_err(NotReady::yet)?;
    let name = format!("feed-{}", row.name);
    let ahead = source.map(|source| ReadAhead::start(world.spawn(), &name, source)).transpose();
    let ahead = ahead.map_err(NotReady::yet)?;
    Ok(From::Source { source: ahead.map(ReadAhead::alone), progress })
}

/// Goes on with what the process has read of standard input.
async fn from_standard_input(
    world: &World,
    row: &ResourceRow,
    definition: &FeedDefinition,
    header: bool,
) -> Result<From, NotReady> {
    let ahead = standard_input_of(world)?.lend(world.spawn(), header).await.map_err(NotReady::yet)?;
    let progress = world.spawn().blocking(progress(world, row, definition)).await;
    let progress = progress.map_err(NotReady::yet)?.map_err(NotReady::yet)?;
    Ok(From::Source { source: Some(ahead), progress })
}

/// Waits for the disk.
fn open(
    catalog: &crate::catalog::Catalog,
    id: ResourceId,
    mut progress: FeedProgress,
    source: &FeedSource,
    ratings: Arc<KnownRatings>,
    begins_again: bool,
) -> Result<(Option<Box<dyn RecordSource>>, FeedProgress), String> {
    if progress.ended {
        if !begins_again {
            return Ok((None, progress));
        }
        progress = progress.next_pass();
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
        FeedSource::SyntheticReviews { seed, rate } => Box::new(SyntheticReviews::new(*seed, *rate, ratings)),
        FeedSource::StandardInput { .. } => unreachable!("the process has one reader of standard input"),
        FeedSource::Stream { .. } => unreachable!("a stream is no source of lines"),
    };
    Ok((Some(Box::new(Resumed::after(progress.produced, progress.known, source))), progress))
}

/// Goes on where an earlier run stopped; a copy that is new, or of another stream than before, begins behind the newest
/// record.
async fn from_stream(world: &World, row: &ResourceRow, stream: &str) -> Result<From, NotReady> {
    let source = source_of(world, stream)?;
    let mut input = super::input_of(world, &Reference::new(Kind::Stream, stream), source)?;
    let ends = input.ends().map_err(NotReady::yet)?;
    let ends = ends.into_iter().map(|(shard, end)| (shard.0, end.0)).collect();
    let (catalog, id) = (world.catalog.clone(), row.id);
    let start = world.spawn().blocking(move || catalog.copy_start(id, source, &ends)).await;
    let CopyStart { pass, positions, spent_records } =
        start.map_err(NotReady::yet)?.map_err(NotReady::yet)?;
    input.go_to(&positions, spent_records).map_err(|beyond| NotReady::lost(beyond.explain(&row.name)))?;
    Ok(From::Stream { input, from: CopiedFrom { source, pass } })
}

impl PreparedFeed {
    pub(super) async fn start(self, world: &World, scope: TaskScope) -> Result<RunningFeed, NotReady> {
        let PreparedFeed { row, definition, occasion } = self;
        let records = Arc::new(AtomicU64::new(0));
        let mut services = FeedServices {
            id: row.id,
            name: row.name.clone(),
            key: log_key(&definition.target.reference()),
            rate: definition.rate,
            is_copy: matches!(definition.source, FeedSource::Stream { .. }),
            records: Arc::clone(&records),
            log: Arc::clone(&world.log),
            catalog: world.catalog.clone(),
            clock: Arc::clone(&world.clock),
            live: Arc::clone(&world.live),
            spawn: world.spawn().clone(),
            stop: scope.stop_signal(),
        };
        let from = match &definition.source {
            FeedSource::Stream { stream } => from_stream(world, &row, stream).await?,
            FeedSource::StandardInput { header } => {
                from_standard_input(world, &row, &definition, *header).await?
            }
            _ => {
                // A predecessor may have put records without an answer, into another stream, too.
                if occasion == Occasion::Again && !services.settled().await {
                    return Err(NotReady::yet("it was stopped while it started"));
                }
                from_source(world, &row, &definition, occasion).await?
            }
        };
        let state = match from {
            From::Source { source: None, .. } => State::Ended,
            From::Source { source: Some(source), progress } => {
                let keeps_progress = !matches!(definition.source, FeedSource::StandardInput { .. });
                let (putting, end) = Putting::new(services, source, progress, keeps_progress);
                scope.task("feed", putting.run());
                State::Source(end)
            }
            From::Stream { input, from } => {
                let (copying, progress) = Copying::new(services, input, from);
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
                FeedEnd::Open | FeedEnd::Ended | FeedEnd::Stopped => None,
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

/// The progress of one that a command line brought waits for the next of its name.
pub(super) async fn erase(world: &World, row: &ResourceRow) -> Result<(), NotReady> {
    let Definition::Feed(definition) = &row.definition else { return Ok(()) };
    let (catalog, id, name) = (world.catalog.clone(), row.id, released_name(row));
    // What another process gives at its standard input is something else.
    let is_kept =
        definition.from_command_line && !matches!(definition.source, FeedSource::StandardInput { .. });
    let log = Arc::clone(&world.log);
    let released = move || {
        let noted = catalog.known_feed_progress(id)?;
        if let Some(noted) = noted.filter(|_| is_kept) {
            // It may have put more since it was noted, before a kill; the log is about to forget that.
            catalog.put_feed_progress(id, true_progress(&log, id, noted))?;
            catalog.release_feed_progress(id, &name)?;
        }
        Ok::<_, CatalogError>(noted)
    };
    let progress = world.spawn().blocking(released).await.map_err(NotReady::yet)?.map_err(NotReady::yet)?;
    let progress = progress.unwrap_or_default();
    // It may have had other sources and other targets before.
    let of_passes = producers_of_passes(row.id, progress);
    let own: Vec<u64> = of_passes.chain(producers_of_copy(&world.log, row.id, progress.pass)).collect();
    for stream in world.log.stream_list() {
        producers::forget(&world.log, &stream.key, own.clone()).await.map_err(NotReady::yet)?;
    }
    Ok(())
}
