//! What others ask of an application that runs.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;

use millstream_engine::RestoreReport;
use millstream_sql::Program;
use millstream_streamlog::Positions;
use tokio::sync::{mpsc, oneshot};

use super::error_stream::ERROR_STREAM;
use super::tail::Tail;
use super::{ApplicationStatus, Counters};
use crate::view::RetryingView;

/// What was asked for cannot be had from what has ended; its successor may have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EndedEarly;

/// What is asked.
pub(super) enum Command {
    Drain(Drain),
    /// Answers when a checkpoint is stored that has everything so far.
    Checkpoint(oneshot::Sender<()>),
    Tail(Tail),
    /// Rows that come out from now on are in a checkpoint before they leave.
    Guard(AskedGuard),
    /// Reads no more than what left before a crash.
    Settle(Settling),
    Stop,
}

/// Somebody waits until an application rests.
pub(super) struct Settling {
    /// All its rows must have arrived, too.
    pub(super) must_arrive: bool,
    pub(super) reply: oneshot::Sender<()>,
}

/// A guard that is asked for.
pub(super) struct AskedGuard {
    /// Answers when all rows that left before, also before a crash, are in a checkpoint.
    pub(super) ready: oneshot::Sender<()>,
    /// Closed when the guard goes.
    pub(super) over: oneshot::Receiver<Infallible>,
}

/// While it lives, every row of an application is in a checkpoint before it leaves: whatever changes meanwhile, a crash
/// repeats none.
#[derive(Debug)]
pub(crate) struct Guard {
    _over: oneshot::Sender<Infallible>,
}

/// A drain under way.
pub(super) struct Drain {
    pub(super) close_windows: bool,
    /// The source's ends when it was asked for; `None` until they could be read.
    pub(super) ends: Option<Positions>,
    /// When the last open window closes, once all input is taken.
    pub(super) closes_at: Option<i64>,
    /// The rows that waited for stragglers have gone.
    pub(super) is_released: bool,
    pub(super) reply: oneshot::Sender<()>,
}

/// Asks things of an application that runs. Cheap to clone.
#[derive(Clone)]
pub(crate) struct ApplicationHandle {
    name: Arc<str>,
    commands: mpsc::UnboundedSender<Command>,
    counters: Arc<Counters>,
    restored: Arc<RestoreReport>,
    /// The in-application streams, and the error stream.
    streams: Arc<[String]>,
    /// The pumps, each with the stream that it fills.
    pumps: Arc<[(String, String)]>,
}

impl ApplicationHandle {
    /// For an application of this plan, with where its commands arrive.
    pub(super) fn new(
        name: Arc<str>,
        program: &Program,
        counters: Arc<Counters>,
        restored: RestoreReport,
    ) -> (ApplicationHandle, mpsc::UnboundedReceiver<Command>) {
        let (sender, commands) = mpsc::unbounded_channel();
        let target = |pump: &millstream_sql::Pump| program.streams[pump.target.0].name.clone();
        let streams = program.streams.iter().map(|stream| stream.name.clone());
        let handle = ApplicationHandle {
            name,
            commands: sender,
            counters,
            restored: Arc::new(restored),
            streams: streams.chain([ERROR_STREAM.to_owned()]).collect(),
            pumps: program.pumps.iter().map(|pump| (pump.name.clone(), target(pump))).collect(),
        };
        (handle, commands)
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn status(&self) -> ApplicationStatus {
        self.counters.status()
    }

    /// The in-application streams by name, the error stream last.
    pub(crate) fn streams(&self) -> &[String] {
        &self.streams
    }

    /// The pumps, each with the stream that it fills.
    pub(crate) fn pumps(&self) -> impl Iterator<Item = &(String, String)> {
        self.pumps.iter()
    }

    /// Rows that came out, by in-application stream: of those that pumps write, and of those with outputs.
    pub(crate) fn rows_by_stream(&self) -> BTreeMap<String, u64> {
        self.counters.rows_by_stream()
    }

    /// Error rows, by their name.
    pub(crate) fn errors_by_name(&self) -> BTreeMap<String, u64> {
        self.counters.errors_by_name()
    }

    /// Texts that columns have cut to their lengths, by stream and column.
    pub(crate) fn cut_texts(&self) -> BTreeMap<String, u64> {
        self.counters.cut_texts()
    }

    /// Records of the source that were not taken yet, when last looked at.
    pub(crate) fn lag_records(&self) -> u64 {
        self.counters.lag_records()
    }

    /// When the last of the windows closes that a drain waits for (milliseconds since the epoch), if one does.
    pub(crate) fn windows_close_at(&self) -> Option<i64> {
        self.counters.windows_close_at()
    }

    /// What fails now and is tried again.
    pub(crate) fn retrying(&self) -> Vec<RetryingView> {
        self.counters.retrying().views()
    }

    /// Rows that wait for their destinations.
    pub(crate) fn waiting_rows(&self) -> u64 {
        self.counters.waiting_rows()
    }

    /// Which pumps went on from a checkpoint, and which started from scratch.
    pub(crate) fn restored(&self) -> &RestoreReport {
        &self.restored
    }

    /// Why the newest checkpoint could not be stored, if so.
    pub(crate) fn last_checkpoint_error(&self) -> Option<String> {
        self.counters.checkpoint_error()
    }

    /// Waits until everything that the source holds now has come out and arrived. With `close_windows` also until the
    /// windows that are open then have closed by themselves.
    ///
    /// # Errors
    /// It has ended before.
    pub(crate) async fn drain(&self, close_windows: bool) -> Result<(), EndedEarly> {
        let (reply, answer) = oneshot::channel();
        let drain = Drain { close_windows, ends: None, closes_at: None, is_released: false, reply };
        // It may have ended already.
        let _ = self.commands.send(Command::Drain(drain));
        answer.await.map_err(|_| EndedEarly)
    }

    /// Waits until a checkpoint is stored that has everything so far, or could not be.
    pub(crate) async fn checkpoint(&self) {
        let (reply, answer) = oneshot::channel();
        if self.commands.send(Command::Checkpoint(reply)).is_ok() {
            // An error means that it has stopped, with a last checkpoint.
            let _ = answer.await;
        }
    }

    /// Waits until the application is guarded, or a checkpoint could not be stored; `None` when it has stopped.
    pub(crate) async fn guard(&self) -> Option<Guard> {
        let (ready, answer) = oneshot::channel();
        let (held, over) = oneshot::channel();
        self.commands.send(Command::Guard(AskedGuard { ready, over })).ok()?;
        answer.await.ok()?;
        Some(Guard { _over: held })
    }

    /// Lets it read no more than what left before a crash, and waits until its rows have arrived: what is to be stopped for
    /// a successor leaves none behind, and its successor repeats none.
    pub(crate) async fn settle(&self) {
        self.rest(true).await;
    }

    /// Lets it read no more than what left before a crash, and waits until it has.
    pub(crate) async fn catch_up(&self) {
        self.rest(false).await;
    }

    async fn rest(&self, must_arrive: bool) {
        let (reply, answer) = oneshot::channel();
        if self.commands.send(Command::Settle(Settling { must_arrive, reply })).is_ok() {
            // An error means that it has stopped.
            let _ = answer.await;
        }
    }

    /// Sends rows of an in-application stream to `tail` from now on. False when it has stopped.
    pub(crate) fn tail(&self, tail: Tail) -> bool {
        self.commands.send(Command::Tail(tail)).is_ok()
    }

    /// Ends it with a last checkpoint.
    pub(crate) fn stop(&self) {
        // It may have ended already.
        let _ = self.commands.send(Command::Stop);
    }
}
