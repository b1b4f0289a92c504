//! Running a pipeline until it shall end: start, feed, tick, drain, stop.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use millstream_control::pipeline::Pipeline;
use millstream_control::{Server, ServerSettings, StartError};
use millstream_host::{Clock, Random, SystemClock};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::arguments::SessionArguments;
use crate::display::Display;
use crate::serving::Serving;
use crate::version::VERSION;

/// How often what happens is shown.
const TICK: Duration = Duration::from_secs(1);

/// What a session runs.
pub(crate) struct Session {
    pub(crate) pipeline: Pipeline,
    /// What feeds it, for people to see.
    pub(crate) source: String,
    pub(crate) is_synthetic: bool,
    /// End when every producer has ended.
    pub(crate) until_end: bool,
    /// Reads the pipeline again: SIGHUP asks for the SQL as it is now.
    pub(crate) reload: Option<Reload>,
}

/// Reads a pipeline anew.
pub(crate) type Reload = Box<dyn Fn() -> anyhow::Result<Pipeline> + Send>;

/// Why a session went over to draining.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    Signal,
    Duration,
    InputsEnded,
}

impl Session {
    /// Runs until the end: the time given, Ctrl-C or SIGTERM, or the end of all input. Then everything that came in is
    /// delivered; a second signal ends that, too, and what is left goes on at the next run.
    pub(crate) fn run(
        self,
        arguments: &SessionArguments,
        feed: impl FnOnce(&Server) -> Result<(), StartError>,
    ) -> anyhow::Result<ExitCode> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .thread_name("millstream")
            .build()
            .context("the system gives no threads")?;
        let result = runtime.block_on(self.run_within(arguments, feed));
        // A thread that waits for standard input must not keep the process.
        runtime.shutdown_timeout(Duration::from_secs(1));
        result
    }

    async fn run_within(
        self,
        arguments: &SessionArguments,
        feed: impl FnOnce(&Server) -> Result<(), StartError>,
    ) -> anyhow::Result<ExitCode> {
        let mut signals = Signals::listen(self.reload.is_some())?;
        // The port first: a wrong one must not leave a data directory behind.
        let listener = match arguments.no_console {
            true => None,
            false => Some(Serving::bind(arguments.listen).await?),
        };
        let smtp = self.pipeline.declarations.smtp.as_ref();
        let smtp_password = match smtp.and_then(|smtp| smtp.password_variable.as_deref()) {
            Some(variable) => Some(std::env::var(variable).with_context(|| {
                format!("the mail server's password is expected in the environment variable {variable}")
            })?),
            None => None,
        };
        let settings = ServerSettings {
            data_directory: arguments.data_dir.clone(),
            version: VERSION.to_owned(),
            source: self.source.clone(),
            is_synthetic: self.is_synthetic,
            smtp_password,
        };
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let server =
            Server::start(self.pipeline, settings, Arc::clone(&clock), Random::from_entropy()).await?;
        let serving = match listener {
            Some(listener) => Some(Serving::start(listener, server.clone())?),
            None => None,
        };
        let url = serving.as_ref().map(|serving| format!("http://{}/", serving.address));
        let mut display = Display::start(arguments.json, url.as_deref(), &arguments.data_dir, &self.source);
        feed(&server)?;

        let waiting =
            Waiting { duration: arguments.duration, until_end: self.until_end, reload: self.reload };
        let ending = waiting.wait(&server, &mut signals, &mut display).await;
        display.draining(match ending {
            Ending::Signal => "stopping: delivering what came in (Ctrl-C again to stop at once)",
            Ending::Duration => "time is up: delivering what came in",
            Ending::InputsEnded => "all input is read: delivering what came in",
        });
        let is_drained = tokio::select! {
            () = drain(&server, &mut display) => true,
            () = signals.stop() => false,
        };
        server.stop().await;
        if let Some(serving) = serving {
            serving.stop().await;
        }
        display.finish(&server, is_drained);
        Ok(ExitCode::SUCCESS)
    }
}

/// What a session waits for.
struct Waiting {
    duration: Option<Duration>,
    until_end: bool,
    reload: Option<Reload>,
}

impl Waiting {
    /// Shows what happens until the session shall end.
    async fn wait(&self, server: &Server, signals: &mut Signals, display: &mut Display) -> Ending {
        let mut ticks = tokio::time::interval(TICK);
        let end = async {
            match self.duration {
                Some(duration) => tokio::time::sleep(duration).await,
                None => std::future::pending().await,
            }
        };
        let inputs_ended = async {
            if self.until_end { server.producers_ended().await } else { std::future::pending().await }
        };
        tokio::pin!(end, inputs_ended);
        loop {
            tokio::select! {
                _ = ticks.tick() => display.tick(server),
                signal = signals.next() => match signal {
                    Signalled::Stop => return Ending::Signal,
                    Signalled::Reload => self.reload(server, display).await,
                },
                () = &mut end => return Ending::Duration,
                () = &mut inputs_ended => return Ending::InputsEnded,
            }
        }
    }

    /// Takes over the SQL of the file as it is now; what is wrong with it is shown, and the old goes on.
    async fn reload(&self, server: &Server, display: &mut Display) {
        let Some(reload) = &self.reload else { return };
        let updated = match reload() {
            Ok(pipeline) => server.update(pipeline).await.map_err(anyhow::Error::from),
            Err(error) => Err(error),
        };
        match updated {
            Ok(report) => display.updated(&report),
            Err(error) => display.not_updated(&error),
        }
    }
}

/// Drains while showing what happens.
async fn drain(server: &Server, display: &mut Display) {
    let mut ticks = tokio::time::interval(TICK);
    // The first tick comes at once.
    ticks.tick().await;
    let drained = server.drain();
    tokio::pin!(drained);
    loop {
        tokio::select! {
            () = &mut drained => return,
            _ = ticks.tick() => display.tick(server),
        }
    }
}

/// What somebody asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Signalled {
    /// Ctrl-C or SIGTERM.
    Stop,
    /// SIGHUP.
    Reload,
}

/// Ctrl-C, SIGTERM, and SIGHUP where there is something to reload; elsewhere that ends the process as usual.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Option<Signal>,
}

impl Signals {
    fn listen(reloads: bool) -> anyhow::Result<Signals> {
        let listen = |kind| signal(kind).context("signals cannot be received");
        Ok(Signals {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
            hang_up: if reloads { Some(listen(SignalKind::hangup())?) } else { None },
        })
    }

    async fn next(&mut self) -> Signalled {
        let hang_up = async {
            match &mut self.hang_up {
                Some(signal) => signal.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.interrupt.recv() => Signalled::Stop,
            _ = self.terminate.recv() => Signalled::Stop,
            _ = hang_up => Signalled::Reload,
        }
    }

    async fn stop(&mut self) {
        while self.next().await != Signalled::Stop {}
    }
}
