//! What it takes to run each kind of resource, one file a kind.
//!
//! ```text
//!   row ─▶ prepare (what fails most; nothing changes that others see) ─▶ start (in the place of its predecessor) ─▶ Running ─▶ stop
//!                                                                                                  row deleted: erase ◀┘
//! ```
//!
//! | kind | prepare | runs | erase |
//! |---|---|---|---|
//! | `stream` | the stream of the log, its shards and retention | nothing | deletes it |
//! | `delivery_stream` | the buffer, its bucket, its settings | a delivery | deletes the buffer; objects stay |
//! | `endpoint` | the model's server | it, behind a slot | |
//! | `function` | the function | it, behind a slot | |
//! | `application` | SQL, tables, input, a trial of its state | its thread and outputs | its state |
//! | `feed` | its source | a thread that reads, a task that puts | its position |
//! | `notification` | mail server, topics, subscriptions, metrics, alarms in the monitor | nothing | deletes them |

pub(crate) mod application;
mod catch_up;
mod delivery_catch_up;
pub(crate) mod delivery_stream;
pub(crate) mod endpoint;
pub(crate) mod feed;
pub(crate) mod function;
pub(crate) mod notification;
mod predecessor;
pub(crate) mod stream;

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use millstream_delivery::Resting;
use millstream_host::real_time;
use millstream_wording::{agreeing, counted};

use crate::applications::{self, LogInput};
use crate::apply::FromScratch;
use crate::catalog::ResourceRow;
use crate::definition::{Definition, FeedSource, Reference, ResourceId, StartingPosition};
use crate::supervise::TaskScope;
use crate::world::{World, log_key};

/// Why a resource cannot start now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NotReady {
    /// What failed, why, and how to fix it.
    pub(crate) reason: String,
    /// Whether trying again helps.
    pub(crate) outlook: Outlook,
}

/// Whether trying again helps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outlook {
    /// It may work later.
    Retry,
    /// Only another definition helps.
    Final,
    /// State or records are missing that were there before: a server does not start over such a loss.
    Lost,
}

impl NotReady {
    /// It may work later.
    pub(crate) fn yet(reason: impl std::fmt::Display) -> NotReady {
        NotReady { reason: reason.to_string(), outlook: Outlook::Retry }
    }

    /// It will never work as it is defined.
    pub(crate) fn ever(reason: impl std::fmt::Display) -> NotReady {
        NotReady { reason: reason.to_string(), outlook: Outlook::Final }
    }

    /// State or records that were there are missing.
    pub(crate) fn lost(reason: impl std::fmt::Display) -> NotReady {
        NotReady { reason: reason.to_string(), outlook: Outlook::Lost }
    }
}

/// A resource that is ready to start.
pub(crate) enum Prepared {
    /// There is nothing to start.
    Nothing,
    DeliveryStream(Box<delivery_stream::PreparedDelivery>),
    Endpoint(endpoint::PreparedEndpoint),
    Function(function::PreparedFunction),
    Application(Box<application::PreparedApplication>),
    Feed(Box<feed::PreparedFeed>),
}

/// What runs of a resource.
pub(crate) enum Running {
    /// Nothing: it is there.
    Passive,
    DeliveryStream(delivery_stream::RunningDelivery),
    Endpoint(endpoint::RunningEndpoint),
    Function(function::RunningFunction),
    Application(application::RunningApplication),
    Feed(feed::RunningFeed),
}

/// How long what was made or taken in may take to arrive before a successor starts.
const SETTLE_LIMIT: Duration = Duration::from_secs(2);

/// Stops a scope when it is dropped: what was begun beside a resource goes with the attempt that began it.
struct StopOnDrop(TaskScope);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.begin_stop();
    }
}

/// While it lives, a change of a resource, or of what it uses, loses and repeats nothing, whenever the process is killed: an
/// application lets no row go that is in no checkpoint, a delivery takes in no record.
#[derive(Debug)]
pub(crate) enum Guard {
    Application(#[allow(dead_code, reason = "it is kept")] applications::Guard),
    Delivery(#[allow(dead_code, reason = "it is kept")] Resting),
}

/// What a stop left behind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Stopped {
    /// Names of what did not end in time.
    pub(crate) left: Vec<String>,
    /// State that could not be stored, and why.
    pub(crate) unsaved: Vec<String>,
}

impl Stopped {
    /// Adds what another stop left behind.
    pub(crate) fn merge(&mut self, other: Stopped) {
        self.left.extend(other.left);
        self.unsaved.extend(other.unsaved);
    }
}

/// How a resource came to be started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Occasion {
    /// For the first time in this process, failed attempts aside.
    First,
    /// After a change, or after it failed: it goes on where it was.
    Again,
}

/// Prepares a resource: all that can fail.
pub(crate) async fn prepare(
    world: &World,
    row: &ResourceRow,
    occasion: Occasion,
) -> Result<Prepared, NotReady> {
    match &row.definition {
        Definition::Stream(definition) => stream::ensure(world, row, definition).await,
        Definition::MailServer(_)
        | Definition::Topic(_)
        | Definition::Subscription(_)
        | Definition::Metric(_)
        | Definition::Alarm(_) => notification::ensure(world, row).await,
        Definition::DeliveryStream(definition) => {
            let prepared = delivery_stream::prepare(world, row, definition, Some(occasion)).await?;
            Ok(Prepared::DeliveryStream(Box::new(prepared)))
        }
        Definition::Endpoint(definition) => {
            endpoint::prepare(world, row, definition).await.map(Prepared::Endpoint)
        }
        Definition::Function(definition) => {
            function::prepare(world, row, definition).await.map(Prepared::Function)
        }
        Definition::Application(definition) => {
            let prepared = application::prepare(world, row, definition, occasion).await?;
            Ok(Prepared::Application(Box::new(prepared)))
        }
        Definition::Feed(definition) => {
            let prepared = feed::prepare(world, row, definition, occasion).await?;
            Ok(Prepared::Feed(Box::new(prepared)))
        }
    }
}

/// Starts what is prepared; what ran before has stopped.
///
/// # Errors
/// Where it would go on from turns out to be missing or damaged, or the disk cannot be read.
pub(crate) async fn start(world: &World, prepared: Prepared, scope: TaskScope) -> Result<Running, NotReady> {
    Ok(match prepared {
        Prepared::Nothing => Running::Passive,
        Prepared::DeliveryStream(prepared) => Running::DeliveryStream(prepared.start(world, scope).await?),
        Prepared::Endpoint(prepared) => Running::Endpoint(prepared.start()),
        Prepared::Function(prepared) => Running::Function(prepared.start()),
        Prepared::Application(prepared) => Running::Application(prepared.start(world, scope).await?),
        Prepared::Feed(prepared) => Running::Feed(prepared.start(world, scope).await?),
    })
}

impl Running {
    /// What runs goes on while its successor starts: it is stopped afterwards. Others have a state that only one may hold.
    pub(crate) fn overlaps(&self) -> bool {
        matches!(self, Running::Passive | Running::Endpoint(_) | Running::Function(_))
    }

    /// Why a task of it has ended unasked, where it says so.
    pub(crate) fn failure(&self) -> Option<String> {
        match self {
            Running::Feed(running) => running.failure(),
            Running::Passive
            | Running::DeliveryStream(_)
            | Running::Endpoint(_)
            | Running::Function(_)
            | Running::Application(_) => None,
        }
    }

    /// Before a successor takes its place that may be something else: what it has made, or taken in, already arrives, for a
    /// moment. What this gives is kept until it is stopped.
    pub(crate) fn settling(&self) -> BoxFuture<'static, Option<Guard>> {
        match self {
            Running::Application(running) => {
                let handle = running.handle().clone();
                async move {
                    // What does not arrive is left to its successor.
                    let _ = real_time::within(SETTLE_LIMIT, handle.settle()).await;
                    None
                }
                .boxed()
            }
            Running::DeliveryStream(running) => {
                let handle = running.handle().clone();
                // What is not written by then is left to its successor.
                async move { Some(Guard::Delivery(real_time::within(SETTLE_LIMIT, handle.rest()).await?.ok()?)) }
                    .boxed()
            }
            Running::Passive | Running::Endpoint(_) | Running::Function(_) | Running::Feed(_) => {
                std::future::ready(None).boxed()
            }
        }
    }

    /// Prepares it for a change of itself or of what it uses: see [`Guard`]. `None` when it needs none.
    pub(crate) fn guarding(&self) -> Option<BoxFuture<'static, Option<Guard>>> {
        match self {
            Running::Application(running) => {
                let handle = running.handle().clone();
                Some(async move { handle.guard().await.map(Guard::Application) }.boxed())
            }
            Running::DeliveryStream(running) => {
                let handle = running.handle().clone();
                Some(async move { handle.rest().await.ok().map(Guard::Delivery) }.boxed())
            }
            Running::Passive | Running::Endpoint(_) | Running::Function(_) | Running::Feed(_) => None,
        }
    }

    /// Stops it within `limit`, keeping what is under way. `succeeded` when another has taken its place already.
    pub(crate) async fn stop(self, limit: Duration, succeeded: bool) -> Stopped {
        match self {
            Running::Passive => Stopped::default(),
            Running::DeliveryStream(running) => running.stop(limit).await,
            Running::Endpoint(running) => running.stop(limit, succeeded).await,
            Running::Function(running) => running.stop(succeeded),
            Running::Application(running) => running.stop(limit).await,
            Running::Feed(running) => running.stop(limit).await,
        }
    }
}

/// Deletes what a stopped resource has left outside of the catalog. Can be done again.
pub(crate) async fn erase(world: &World, row: &ResourceRow) -> Result<(), NotReady> {
    match &row.definition {
        Definition::Stream(_) => stream::erase(world, row).await,
        Definition::DeliveryStream(_) => delivery_stream::erase(world, row).await,
        Definition::MailServer(_)
        | Definition::Topic(_)
        | Definition::Subscription(_)
        | Definition::Metric(_)
        | Definition::Alarm(_) => notification::erase(world, row).await,
        Definition::Application(_) => application::erase(world, row).await,
        Definition::Feed(_) => feed::erase(world, row).await,
        Definition::Endpoint(_) | Definition::Function(_) => Ok(()),
    }
}

/// What becomes of the state of an application.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct StateOutlook {
    /// What a new one reads first, where that is not what comes from now on.
    pub(crate) begins: Option<String>,
    /// What its reference tables look like that their schemas do not say, and rows of them that are refused.
    pub(crate) remarks: Vec<String>,
    /// Pumps that go on with their state.
    pub(crate) keeps_state: Vec<String>,
    /// Pumps that start from scratch.
    pub(crate) starts_from_scratch: Vec<FromScratch>,
}

/// What is deleted with a resource, where that is worth a word.
pub(crate) async fn what_is_deleted_with(world: &World, row: &ResourceRow) -> Option<String> {
    match &row.definition {
        Definition::Stream(_) => match records_in(world, &row.reference()).await {
            0 => None,
            records => Some(format!("{} with it", agreeing(records, "record goes", "records go"))),
        },
        Definition::DeliveryStream(_) => {
            let waiting = match delivery_stream::waiting_records(world, row.id, &row.name).await {
                0 => "nothing left to deliver".to_owned(),
                records => format!("{} not delivered yet", counted(records, "record")),
            };
            Some(format!("its buffer goes with it, with {waiting}; objects stay"))
        }
        Definition::Application(definition) => {
            let pumps = application::pumps(&row.name, definition);
            let of_pumps = match pumps.as_slice() {
                [] => String::new(),
                [only] => format!(" (pump {only})"),
                several => format!(" (pumps {})", several.join(", ")),
            };
            Some(format!("its state{of_pumps} goes with it"))
        }
        _ => None,
    }
}

/// What a resource that starts from scratch does once more, when these start from scratch together with it.
pub(crate) async fn what_is_done_again(
    world: &World,
    row: &ResourceRow,
    reset: &[Reference],
) -> Option<String> {
    match &row.definition {
        Definition::Application(definition) => {
            let source = definition.input.source.reference();
            // What is reset holds nothing.
            let records = if reset.contains(&source) { 0 } else { records_in(world, &source).await };
            match definition.input.starting_position {
                Some(StartingPosition::Now | StartingPosition::LastStoppedPoint) => None,
                Some(StartingPosition::TrimHorizon) | None if records == 0 => None,
                Some(StartingPosition::TrimHorizon) | None => Some(format!(
                    "it reads {source} again from its oldest record ({}), and writes its rows once more",
                    counted(records, "record")
                )),
            }
        }
        Definition::Feed(feed) => Some(match &feed.source {
            FeedSource::File { .. } | FeedSource::SyntheticReviews { .. } => {
                "it reads its source again from the beginning, and puts its records once more".to_owned()
            }
            FeedSource::StandardInput { .. } => "it goes on with the lines that have not come yet".to_owned(),
            FeedSource::Stream { stream } => {
                format!("it copies what comes to stream \"{stream}\" from then on; what it has copied stays")
            }
        }),
        _ => None,
    }
}

/// The records of a source, which must be the one of this id: another one of its name has other records.
fn input_of(world: &World, source: &Reference, id: ResourceId) -> Result<LogInput, NotReady> {
    let input = LogInput::new(Arc::clone(&world.log), log_key(source)).map_err(NotReady::yet)?;
    // Looked at afterwards: the row of another one is there before its records are, and until they are gone.
    let rows = world.registry.rows();
    let is_alone = rows.iter().filter(|row| row.reference() == *source).all(|row| row.id == id);
    if is_alone { Ok(input) } else { Err(NotReady::yet(format!("{source} has been made again meanwhile"))) }
}

/// Records of a stream or buffer that a reader could read now, delivered ones included. 0 when there is none of that name, or
/// it cannot be read.
pub(crate) async fn records_in(world: &World, place: &Reference) -> u64 {
    let (log, key) = (Arc::clone(&world.log), log_key(place));
    let counted = world.spawn().blocking(move || log.readable_records(&key)).await;
    counted.ok().and_then(Result::ok).map_or(0, |by_shard| by_shard.values().sum())
}

/// Looks, without a change, whether a definition could run. `before` is its row, if there is one.
pub(crate) async fn look(
    world: &World,
    name: &str,
    definition: &Definition,
    before: Option<&ResourceRow>,
) -> Result<StateOutlook, NotReady> {
    match definition {
        Definition::Application(application) => {
            application::look(world, name, application, before.map(|row| row.id)).await
        }
        Definition::DeliveryStream(delivery) => {
            delivery_stream::settings(name, delivery).map_err(NotReady::ever)?;
            Ok(StateOutlook::default())
        }
        Definition::Endpoint(endpoint) => {
            endpoint::look(endpoint, world.spawn()).await?;
            Ok(StateOutlook::default())
        }
        Definition::Feed(feed) => feed::look(world, feed, before.map(|row| &row.definition)).await,
        _ => Ok(StateOutlook::default()),
    }
}

/// Why a definition cannot follow another; `None` when it can.
pub(crate) fn refusal(old: &Definition, new: &Definition) -> Option<String> {
    match (old, new) {
        _ if old.kind() != new.kind() => Some("it cannot become another kind".to_owned()),
        (Definition::Subscription(old), Definition::Subscription(new)) if old != new => {
            Some("delete it and make another".to_owned())
        }
        _ => None,
    }
}
