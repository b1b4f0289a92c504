//! What every resource works with: the workers and stores of one data directory.

use std::sync::Arc;

use millstream_functions::Invoker;
use millstream_host::{Clock, Spawn};
use millstream_inference::ModelServer;
use millstream_monitor::Monitor;
use millstream_streamlog::{Log, StreamKey, StreamName};

use crate::applications::{Incarnations, WaitingTails};
use crate::catalog::Catalog;
use crate::connect::monitor_to_functions::PageAddress;
use crate::connect::rejected_to_log::RejectedCount;
use crate::data_directory::DataDirectory;
use crate::definition::{Kind, Owner, Reference};
use crate::feeds::{KnownRatings, StandardInput};
use crate::identifier::Identifiers;
use crate::live::Live;
use crate::registry::Registry;
use crate::slots::Slots;
use crate::supervise::Supervisor;

/// A function that can be called.
pub(crate) struct CallableFunction {
    /// Behind its limits.
    pub(crate) invoker: Invoker,
    /// Its answers are reviews with a star rating.
    pub(crate) scores_reviews: bool,
    /// The columns of a raw review, when they are configured.
    pub(crate) review_columns: Option<Vec<String>>,
    /// It finds a column in the rows of a query by its name.
    pub(crate) reads_rows: bool,
    /// Rows that it has rejected.
    pub(crate) rejected_rows: RejectedCount,
}

/// One world for each data directory that is open.
pub(crate) struct World {
    pub(crate) directory: DataDirectory,
    pub(crate) log: Arc<Log>,
    pub(crate) catalog: Catalog,
    pub(crate) incarnations: Incarnations,
    pub(crate) waiting_tails: WaitingTails,
    pub(crate) registry: Arc<Registry>,
    pub(crate) monitor: Monitor,
    /// For links in mails.
    pub(crate) page: PageAddress,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) identifiers: Identifiers,
    pub(crate) live: Arc<Live>,
    /// What authors of reviews gave, beside the records.
    pub(crate) known_ratings: Arc<KnownRatings>,
    pub(crate) supervisor: Supervisor,
    pub(crate) functions: Slots<CallableFunction>,
    pub(crate) endpoints: Slots<ModelServer>,
    /// Of this process, if a feed may read it.
    pub(crate) standard_input: Option<StandardInput>,
    /// Whose feeds begin again when an earlier run has read them to their end.
    pub(crate) repeats_ended_feeds_of: Option<Owner>,
}

impl World {
    /// What starts work.
    pub(crate) fn spawn(&self) -> &Spawn {
        self.supervisor.spawn()
    }
}

/// The stream of the log that holds the records of a stream, or the buffer of a delivery stream.
///
/// # Panics
/// For a reference of another kind, or a name that the registry would have refused.
pub(crate) fn log_key(place: &Reference) -> StreamKey {
    let name: StreamName = place.name.parse().expect("the registry checks names");
    match place.kind {
        Kind::Stream => StreamKey::data(name),
        Kind::DeliveryStream => StreamKey::delivery(name),
        other => unreachable!("a {other} holds no records"),
    }
}
