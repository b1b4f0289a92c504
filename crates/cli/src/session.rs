//! Running a server until it is to end: open, apply, start, tick, stop.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use millstream_control::definition::{Definition, Desired, Owner, Reference};
use millstream_control::pipeline::Mistakes;
use millstream_control::view::OverviewSource;
use millstream_control::{ApplyOptions, ApplyReport, Server, ServerSettings, StartError, StopReport};
use millstream_host::real_time::Deadline;
use millstream_host::{Clock, Random, Spawn, SystemClock, real_time};
use rustix::fs::Mode;
use tokio::runtime::Runtime;

use crate::arguments::SessionArguments;
use crate::display::Display;
use crate::failed_records;
use crate::failure::say;
use crate::loading::{self, Loaded, LoadedTogether};
use crate::messages;
use crate::report;
use crate::serving::{self, Serving};
use crate::signals::{self, Received, STOPPED_EARLY, Signalled, Signals};
use crate::socket::{Socket, StatusAnswer};
use crate::version::VERSION;

/// How often what happens is shown.
const TICK: Duration = Duration::from_secs(1);
/// Time limits of a stop that was asked for, a second together with those of its end: what is under way may arrive, then
/// everything is stored and ends.
const DELIVER_LIMIT: Duration = Duration::from_millis(250);
const STOP_LIMIT: Duration = Duration::from_millis(550);
/// The same after an end that somebody has waited for, such as that of an input: there is no hurry.
const AWAITED_STOP_LIMIT: Duration = Duration::from_secs(10);
/// How long the last results may take to be read: after a stop that was asked for, and after an end that was waited for.
const READ_LIMIT: Duration = Duration::from_millis(100);
const AWAITED_READ_LIMIT: Duration = Duration::from_secs(60);
/// What closing the files has when nothing is left of the limit.
const CLOSE_MOMENT: Duration = Duration::from_millis(100);
/// Time limit for delivering what came in, when the time of `--duration` is up.
const DURATION_LIMIT: Duration = Duration::from_secs(60);
/// How long a start waits for a process that has the data directory and may be about to end, and how often it looks.
const IN_USE_LIMIT: Duration = Duration::from_secs(1);
const IN_USE_PAUSE: Duration = Duration::from_millis(50);
/// Exit code of a run whose input could not be read to its end.
const INPUT_MISSING: u8 = 4;

/// What a session runs.
pub(crate) struct Session {
    pub(crate) what: What,
    /// What feeds it, for people to see.
    pub(crate) source: String,
    pub(crate) is_synthetic: bool,
    /// End when every feed has ended.
    pub(crate) until_end: bool,
    /// At the end of all feeds, the share of records that may fail.
    pub(crate) fail_on_errors: Option<f64>,
    /// Files take over what belongs to others.
    pub(crate) takes_over: bool,
    /// Where all state is kept.
    pub(crate) data_directory: PathBuf,
}

/// A session before it knows what it runs: signals are received already.
pub(crate) struct Starting {
    runtime: Runtime,
    signals: Received,
}

impl Starting {
    /// For the commands that are sessions, by their names. Others end by signals as every program does.
    pub(crate) fn of(command: Option<&OsStr>) -> Option<Starting> {
        let is_session = command.is_some_and(|name| ["demo", "run", "serve"].iter().any(|one| name == *one));
        // What is wrong is said when it is tried again.
        if is_session { Starting::new().ok() } else { None }
    }

    pub(crate) fn new() -> anyhow::Result<Starting> {
        let signals = Received::start()?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .thread_name("millstream")
            .build()
            .context("the system gives no threads")?;
        messages::start();
        Ok(Starting { runtime, signals })
    }
}

/// What there is to run.
pub(crate) enum What {
    /// Everything that the data directory holds, after these files were applied.
    Serve { files: Vec<PathBuf> },
    /// A file, and a feed that the command line asks for.
    File { file: PathBuf, feed: Option<Box<Desired>> },
    /// Resources of the program's own.
    Own { desired: Vec<Desired>, owner: Owner },
}

/// Why a session ends.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Ending {
    Signal,
    Duration,
    /// Every feed has put what it could read; which could not read all, and why.
    FeedsEnded(Vec<String>),
    /// Nothing can be kept any more, and why.
    Failed(String),
}

impl What {
    fn is_serve(&self) -> bool {
        matches!(self, What::Serve { .. })
    }

    /// To whom what runs belongs, where it is one file or the program's own.
    fn owner(&self) -> Option<Owner> {
        match self {
            What::Serve { .. } => None,
            What::File { file, .. } => Some(loading::owner_of(file)),
            What::Own { owner, .. } => Some(owner.clone()),
        }
    }

    /// The feed that the command line brings.
    fn command_line_feed(&self) -> Option<Reference> {
        let is_one = |desired: &&Desired| matches!(&desired.definition, Definition::Feed(feed) if feed.from_command_line);
        match self {
            What::Serve { .. } => None,
            What::File { feed, .. } => feed.as_ref().map(|feed| feed.reference()),
            What::Own { desired, .. } => desired.iter().find(is_one).map(Desired::reference),
        }
    }

    /// The files that SIGHUP applies again.
    fn files(&self) -> Vec<PathBuf> {
        match self {
            What::Serve { files } => files.clone(),
            What::File { file, .. } => vec![file.clone()],
            What::Own { .. } => Vec::new(),
        }
    }
}

impl Session {
    /// Runs until the end: the time given, Ctrl-C or SIGTERM, or the end of all feeds.
    pub(crate) fn run(self, arguments: &SessionArguments, starting: Starting) -> anyhow::Result<ExitCode> {
        // Records and mails are nobody else's business.
        rustix::process::umask(Mode::from_raw_mode(0o077));
        let Starting { runtime, signals } = starting;
        let result = runtime.block_on(self.run_within(arguments, signals.hear()));
        // A thread that waits for standard input, or that hangs, must not keep the process: it goes with it. Under one that
        // still works, the runtime must not vanish before.
        std::mem::forget(runtime);
        result
    }

    async fn run_within(
        self,
        arguments: &SessionArguments,
        mut signals: Signals,
    ) -> anyhow::Result<ExitCode> {
        // A wrong port must not leave a data directory behind; where there is one, who has it is said rather than who has the
        // port.
        let is_new = !self.data_directory.exists();
        let listener = match arguments.no_console {
            false if is_new => Some(serving::bind(arguments.listen).await?),
            _ => None,
        };
        // A start that waits for a disk or a model can be ended, too.
        let server = tokio::select! {
            biased;
            () = signals.stop() => return Ok(ExitCode::from(STOPPED_EARLY)),
            opened = self.open() => opened?,
        };
        let listener = match listener {
            None if !arguments.no_console => Some(serving::bind(arguments.listen).await?),
            listener => listener,
        };
        let (page, address) = match listener {
            Some(listener) => {
                let (page, address) = Serving::page(listener, server.clone())?;
                (Some(page), Some(address))
            }
            None => (None, None),
        };
        let url = address.map(|address| format!("http://{address}/"));
        server.set_page(url.clone());
        let status = StatusAnswer {
            version: VERSION.to_owned(),
            process: std::process::id(),
            data_directory: loading::absolute(&self.data_directory),
            page: url.clone(),
            is_starting: true,
        };
        // Before anything starts: what hangs in a start can be seen and deleted.
        let socket = tokio::select! {
            biased;
            () = signals.stop() => return Ok(ExitCode::from(STOPPED_EARLY)),
            started = Socket::start(Arc::clone(&server), status) => started?,
        };
        let started = tokio::select! {
            started = self.start(&server) => Some(started),
            () = signals.stop() => None,
        };
        let reports = match started {
            Some(Ok(reports)) => reports,
            ended => {
                drop(signals);
                // What runs already ends in order.
                stop_with(server, STOP_LIMIT, faces_ended(page, socket)).await;
                return match ended {
                    Some(Err(error)) => Err(error),
                    Some(Ok(_)) | None => Ok(ExitCode::from(STOPPED_EARLY)),
                };
            }
        };
        socket.has_started();
        let mut display = Display::start(
            arguments.json,
            url.as_deref(),
            &self.data_directory,
            &self.source,
            self.what.is_serve(),
        );
        reports.iter().for_each(|report| display.taken_over(report));
        display.hint(&server);
        let waiting = Waiting {
            duration: arguments.duration,
            until_end: self.until_end,
            files: self.what.files(),
            options: self.options(),
        };
        let ending = waiting.wait(&server, &mut signals, &mut display).await;
        let closes_windows = arguments.close_windows || matches!(ending, Ending::FeedsEnded(_));
        let delivered = match ending {
            Ending::Failed(_) => Delivered::NotAll,
            _ => deliver(&server, &mut signals, &mut display, &ending, closes_windows).await,
        };
        let overview = server.overview();
        drop(signals);
        let limit = match ending {
            _ if delivered == Delivered::UntilSignal => STOP_LIMIT,
            Ending::Signal | Ending::Failed(_) if !closes_windows => STOP_LIMIT,
            _ => AWAITED_STOP_LIMIT,
        };
        let stopped = stop_with(server, limit, faces_ended(page, socket)).await;
        if let Ending::Failed(reason) = &ending {
            anyhow::bail!("data directory {}: {reason}", self.data_directory.display());
        }
        let is_delivered = delivered == Delivered::All;
        let patience = if limit == STOP_LIMIT { READ_LIMIT } else { AWAITED_READ_LIMIT };
        let has_ended = matches!(ending, Ending::FeedsEnded(_));
        let failed = failed_records::too_many(&overview, self.fail_on_errors).filter(|_| has_ended);
        display.finish(&overview, is_delivered, &stopped, failed.as_deref(), patience);
        let is_clean = stopped.is_clean() && (is_delivered || self.what.is_serve());
        let failures = match ending {
            Ending::FeedsEnded(failures) => failures,
            Ending::Signal | Ending::Duration | Ending::Failed(_) => Vec::new(),
        };
        failures.iter().for_each(|failure| say(format_args!("{failure}; the next run goes on from there")));
        if display.has_lost_results() || failed.is_some() {
            return Ok(ExitCode::FAILURE);
        }
        Ok(match (is_clean, failures.is_empty()) {
            (true, true) => ExitCode::SUCCESS,
            (true, false) => ExitCode::from(INPUT_MISSING),
            (false, _) => ExitCode::from(STOPPED_EARLY),
        })
    }

    /// Opens the data directory; nothing runs yet.
    async fn open(&self) -> anyhow::Result<Arc<Server>> {
        let settings = ServerSettings {
            data_directory: self.data_directory.clone(),
            version: VERSION.to_owned(),
            source: self.source.clone(),
            is_synthetic: self.is_synthetic,
            has_standard_input: !self.what.is_serve(),
            repeats_ended_feeds_of: self.what.owner(),
        };
        // What is wrong with a file is said before a data directory is made.
        if !self.data_directory.exists() {
            load_together(self.what.files(), Vec::new()).await?.all()?;
        }
        let patience = Deadline::after(IN_USE_LIMIT);
        loop {
            let clock: Arc<dyn Clock> = Arc::new(SystemClock);
            match Server::open(settings.clone(), clock, Random::from_entropy()).await {
                Err(StartError::InUse { .. }) if !patience.left().is_zero() => {
                    real_time::sleep(IN_USE_PAUSE).await;
                }
                opened => return Ok(opened?),
            }
        }
    }

    fn options(&self) -> ApplyOptions {
        ApplyOptions { takes_over: self.takes_over, ..ApplyOptions::default() }
    }

    /// Applies what is to be applied, and starts everything.
    async fn start(&self, server: &Arc<Server>) -> anyhow::Result<Vec<ApplyReport>> {
        let options = self.options();
        let owner = self.what.owner().unwrap_or(Owner::Api);
        server.end_command_line_feeds(self.what.command_line_feed().as_ref(), &owner).await?;
        let mut reports = Vec::new();
        match &self.what {
            What::Serve { files } => {
                let together = load_together(files.clone(), loading::owned(server)).await?.all()?;
                move_between(server, &together).await?;
                for (file, loaded) in together {
                    reports.push(checked(apply_loaded(server, loaded, options).await?, &file)?);
                }
            }
            What::File { file, feed } => {
                let report = apply_with_feed(server, file, feed.as_deref(), options).await?;
                reports.push(checked(report, file)?);
            }
            What::Own { desired, owner } => {
                let report = server.apply(desired.clone(), owner.clone(), options).await?;
                reports.push(checked(report, Path::new("demo"))?);
            }
        }
        server.start(!self.what.is_serve()).await?;
        Ok(reports)
    }
}

/// Ends what people and commands reach a server by.
async fn faces_ended(page: Option<Serving>, socket: Socket) {
    let page_ended = async {
        if let Some(page) = page {
            page.stop().await;
        }
    };
    tokio::join!(page_ended, socket.stop());
}

/// Stops a server while others let go of it, and gives its directory back, within `limit` and a moment.
async fn stop_with<T>(server: Arc<Server>, limit: Duration, others: impl Future<Output = T>) -> StopReport {
    let deadline = Deadline::after(limit);
    let (mut stopped, let_go) = tokio::join!(server.stop(limit), real_time::within(limit, others));
    if let_go.is_none() {
        stopped.left.push("what serves clients".to_owned());
    }
    // A disk that hangs must not keep the process.
    if !server.close(deadline.left().max(CLOSE_MOMENT)).await {
        stopped.left.push("the log or the catalog".to_owned());
    }
    stopped
}

/// Applies a file with a feed beside what it declares.
async fn apply_with_feed(
    server: &Server,
    file: &Path,
    feed: Option<&Desired>,
    options: ApplyOptions,
) -> anyhow::Result<ApplyReport> {
    let existing = loading::existing(server, &loading::owner_of(file));
    let mut loaded = load(file, existing).await??;
    loaded.desired.extend(feed.cloned());
    apply_loaded(server, loaded, options).await
}

/// What has moved from one of these files to another goes on.
async fn move_between(server: &Server, files: &[(PathBuf, Loaded)]) -> anyhow::Result<()> {
    let declared = |loaded: &Loaded| loaded.desired.iter().map(Desired::reference).collect();
    let files: Vec<_> = files.iter().map(|(_, loaded)| (loaded.owner.clone(), declared(loaded))).collect();
    Ok(server.move_between(&files).await?)
}

/// Applies a file that was read.
async fn apply_loaded(server: &Server, loaded: Loaded, options: ApplyOptions) -> anyhow::Result<ApplyReport> {
    loaded.say_warnings();
    let Loaded { desired, owner, .. } = loaded;
    Ok(server.apply(desired, owner, options).await?)
}

/// Reads a file while signals are heard.
async fn load(file: &Path, existing: Vec<Reference>) -> anyhow::Result<Result<Loaded, Mistakes>> {
    let file = file.to_owned();
    Spawn::current().awaited_blocking(move || loading::load(&file, &existing)).await?
}

/// Reads files that refer to each other while signals are heard.
async fn load_together(
    files: Vec<PathBuf>,
    existing: Vec<(Reference, Owner)>,
) -> anyhow::Result<LoadedTogether> {
    Ok(Spawn::current().awaited_blocking(move || loading::load_together(&files, &existing)).await?)
}

/// What was refused keeps a server from starting.
fn checked(report: ApplyReport, file: &Path) -> anyhow::Result<ApplyReport> {
    if !report.is_refused() {
        return Ok(report);
    }
    anyhow::bail!("{}: {}", file.display(), report::refusals(&report).join("\n"))
}

/// What a session waits for.
struct Waiting {
    duration: Option<Duration>,
    until_end: bool,
    files: Vec<PathBuf>,
    options: ApplyOptions,
}

impl Waiting {
    /// Shows what happens until the session is to end.
    async fn wait(&self, server: &Server, signals: &mut Signals, display: &mut Display) -> Ending {
        let mut ticks = real_time::ticks(TICK);
        let end = async {
            match self.duration {
                Some(duration) => real_time::sleep(duration).await,
                None => std::future::pending().await,
            }
        };
        let feeds_ended =
            async { if self.until_end { server.feeds_ended().await } else { std::future::pending().await } };
        let failed = server.failed();
        tokio::pin!(end, feeds_ended, failed);
        // Files are applied beside all else, one time after the other.
        let mut reloading = None;
        let mut is_asked_again = false;
        loop {
            tokio::select! {
                biased;
                signal = signals.next() => match signal {
                    // A reload under way ends here: a file is applied whole or not at all.
                    Signalled::Stop => return Ending::Signal,
                    Signalled::Reload if reloading.is_some() => is_asked_again = true,
                    Signalled::Reload => reloading = Some(Box::pin(self.reload(server))),
                },
                reason = &mut failed => return Ending::Failed(reason),
                () = &mut end => return Ending::Duration,
                reloaded = of_some(reloading.as_mut()) => {
                    self.show(&reloaded, display);
                    reloading = std::mem::take(&mut is_asked_again).then(|| Box::pin(self.reload(server)));
                }
                failures = &mut feeds_ended, if reloading.is_none() => return Ending::FeedsEnded(failures),
                _ = ticks.tick() => display.tick(server),
            }
        }
    }

    /// Applies the files as they are now, as a start does; what runs goes on where one is wrong, and the others are applied.
    async fn reload(&self, server: &Server) -> Vec<anyhow::Result<ApplyReport>> {
        let LoadedTogether { loaded, refused } =
            match load_together(self.files.clone(), loading::owned(server)).await {
                Ok(together) => together,
                Err(error) => return vec![Err(error)],
            };
        if let Err(error) = move_between(server, &loaded).await {
            return vec![Err(error)];
        }
        let mut reloaded = Vec::new();
        for (_, loaded) in loaded {
            reloaded.push(apply_loaded(server, loaded, self.options).await);
        }
        reloaded.extend(refused.into_iter().map(Err));
        reloaded
    }

    fn show(&self, reloaded: &[anyhow::Result<ApplyReport>], display: &mut Display) {
        if self.files.is_empty() {
            display.say("not applied", "there is no file to read again");
        }
        for applied in reloaded {
            match applied {
                Ok(report) => display.applied(report),
                Err(error) => display.not_applied(&format!("{error:#}")),
            }
        }
    }
}

/// What the work gives; never comes back without work.
async fn of_some<F: Future + Unpin>(work: Option<&mut F>) -> F::Output {
    match work {
        Some(work) => work.await,
        None => std::future::pending().await,
    }
}

/// How far delivering came at an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Delivered {
    All,
    NotAll,
    /// Another signal has ended it: something is left, and there is no more patience.
    UntilSignal,
}

/// Stops the feeds and lets what came in arrive, as long as this kind of end allows.
async fn deliver(
    server: &Server,
    signals: &mut Signals,
    display: &mut Display,
    ending: &Ending,
    closes_windows: bool,
) -> Delivered {
    display.draining(match (ending, closes_windows) {
        (Ending::Signal, false) => "stopping; the next signal ends at once",
        (Ending::Signal | Ending::Duration, true) => "stopping when the open windows have closed",
        (Ending::Duration, false) => "time is up: delivering what came in; open windows are kept",
        (Ending::Failed(_), _) => "stopping",
        (Ending::FeedsEnded(failures), _) if !failures.is_empty() => {
            "not all input can be read: delivering what came in, and closing windows"
        }
        (Ending::FeedsEnded(_), _) => "all input is read: delivering what came in, and closing windows",
    });
    let limit = match (ending, closes_windows) {
        (Ending::Signal, false) => Some(DELIVER_LIMIT),
        (Ending::Duration, false) => Some(DURATION_LIMIT),
        _ => None,
    };
    let is_stopping = matches!((ending, closes_windows), (Ending::Signal, false));
    let mut ticks = real_time::ticks(TICK);
    // The first tick comes at once.
    ticks.tick().await;
    let drained = async {
        server.stop_feeds(DELIVER_LIMIT).await;
        server.drain(closes_windows).await;
    };
    let limited = async {
        match limit {
            Some(limit) => real_time::sleep(limit).await,
            None => std::future::pending().await,
        }
    };
    tokio::pin!(drained, limited);
    loop {
        tokio::select! {
            () = &mut drained => return Delivered::All,
            () = &mut limited => return Delivered::NotAll,
            () = signals.stop() => {
                if is_stopping {
                    // It was the second.
                    signals::end_at_once();
                }
                return Delivered::UntilSignal;
            }
            _ = ticks.tick() => {
                if closes_windows {
                    display.closing(&server.closing());
                }
                display.tick(server);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use millstream_control::definition::{Definition, StreamDefinition};
    use millstream_host::SimulatedDisk;

    #[tokio::test(flavor = "multi_thread")]
    async fn a_log_that_hangs_does_not_keep_the_process() {
        let folder = tempfile::tempdir().unwrap();
        let settings = ServerSettings {
            data_directory: folder.path().join("data"),
            version: VERSION.to_owned(),
            source: "test".to_owned(),
            is_synthetic: false,
            has_standard_input: false,
            repeats_ended_feeds_of: None,
        };
        let disk = SimulatedDisk::new();
        let (clock, on) = (Arc::new(SystemClock), Arc::new(disk.clone()));
        let server = Server::open_on(settings, clock, Random::from_seed(1), on).await.unwrap();
        let definition = Definition::Stream(StreamDefinition { shards: Some(1), retention_hours: 24 });
        let desired = vec![Desired { name: "s".to_owned(), definition }];
        server.apply(desired, Owner::Api, ApplyOptions::default()).await.unwrap();
        server.start(true).await.unwrap();

        disk.hang_syncs(true);
        let put = server.put("s", None, None, vec!["record".into()]);
        assert!(real_time::within(Duration::from_millis(50), put).await.is_none(), "it hangs");
        // A busy machine gets as much again.
        let patience = Deadline::after(2 * (STOP_LIMIT + CLOSE_MOMENT));
        let stopped = stop_with(server, STOP_LIMIT, async {}).await;
        assert!(!patience.left().is_zero(), "it ends all the same");
        assert_eq!(stopped.left, ["the log or the catalog"]);
        disk.hang_syncs(false);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_serves_clients_and_hangs_does_not_keep_the_process() {
        let folder = tempfile::tempdir().unwrap();
        let session = Session {
            what: What::Serve { files: Vec::new() },
            source: "test".to_owned(),
            is_synthetic: false,
            until_end: false,
            fail_on_errors: None,
            takes_over: false,
            data_directory: folder.path().join("data"),
        };
        let server = session.open().await.unwrap();
        let hangs = std::future::pending::<()>();
        let stopped = real_time::within(Duration::from_secs(60), stop_with(server, STOP_LIMIT, hangs)).await;
        assert_eq!(stopped.expect("it ends all the same").left, ["what serves clients"]);
    }
}
