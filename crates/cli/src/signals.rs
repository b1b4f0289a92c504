//! Signals: received from the first moment on, and heard whatever else hangs.
//!
//! ```text
//!   SIGINT, SIGTERM ─▶ a thread of their own ─▶ whoever hears signals now
//!                                          └──▶ the end of the process, when nobody does, or when the one before still waits
//!   SIGHUP ─────────▶                      ──▶ whoever hears signals now
//! ```

use std::process;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::Context;
use millstream_host::real_time::Deadline;
use millstream_host::spawn_thread;
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

use crate::messages;

/// Exit code of a stop that left something for the next run.
pub(crate) const STOPPED_EARLY: u8 = 3;
/// How long messages may take that are written when the process is to end at once.
const LAST_WORDS: Duration = Duration::from_millis(50);

/// Signals that come so close together are one: `timeout` sends one to the process and one to its group.
const SAME: Duration = Duration::from_millis(50);

/// What somebody asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signalled {
    /// Ctrl-C or SIGTERM.
    Stop,
    /// SIGHUP.
    Reload,
}

/// Signals that are received, and that nobody hears yet: until then one that stops ends the process.
pub(crate) struct Received {
    hearer: Arc<OnceLock<Hearer>>,
}

/// Ctrl-C, SIGTERM and SIGHUP. From when this is dropped the next signal that stops ends the process, whatever hangs, and
/// until its very end.
pub(crate) struct Signals {
    stops: mpsc::Receiver<()>,
    reloads: mpsc::Receiver<()>,
}

/// Where signals go. Each has room for one: who does not take it hangs, or is about to do what is asked.
struct Hearer {
    stops: mpsc::Sender<()>,
    reloads: mpsc::Sender<()>,
}

impl Received {
    /// Receives signals from now on.
    ///
    /// # Errors
    /// The system gives no thread, or no signals.
    pub(crate) fn start() -> anyhow::Result<Received> {
        // Its own runtime: the threads of another may all wait for a disk.
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .build()
            .context("signals cannot be received")?;
        let hearer = Arc::new(OnceLock::new());
        let passing = {
            let _within = runtime.enter();
            Passing::new(Arc::clone(&hearer))?
        };
        let work = move || passing.run(&runtime);
        spawn_thread("signals".to_owned(), work).context("the system gives no threads")?;
        Ok(Received { hearer })
    }

    /// Hears them from now on.
    pub(crate) fn hear(self) -> Signals {
        let (stops, heard_stops) = mpsc::channel(1);
        let (reloads, heard_reloads) = mpsc::channel(1);
        // This is the only call: it takes what was received.
        let _ = self.hearer.set(Hearer { stops, reloads });
        Signals { stops: heard_stops, reloads: heard_reloads }
    }
}

impl Signals {
    /// Receives and hears signals from now on.
    ///
    /// # Errors
    /// The system gives no thread, or no signals.
    pub(crate) fn listen() -> anyhow::Result<Signals> {
        Ok(Received::start()?.hear())
    }

    /// Waits for the next signal.
    pub(crate) async fn next(&mut self) -> Signalled {
        tokio::select! {
            Some(()) = self.stops.recv() => Signalled::Stop,
            Some(()) = self.reloads.recv() => Signalled::Reload,
            // The thread lives as long as the process.
            else => std::future::pending().await,
        }
    }

    /// Waits for Ctrl-C or SIGTERM.
    pub(crate) async fn stop(&mut self) {
        while self.next().await != Signalled::Stop {}
    }
}

/// The work of the thread.
struct Passing {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
    /// Received and not passed on: a file that may not become larger is an error for whoever writes it, no end.
    _file_size: Signal,
    hearer: Arc<OnceLock<Hearer>>,
}

impl Passing {
    fn new(hearer: Arc<OnceLock<Hearer>>) -> anyhow::Result<Passing> {
        let listen = |kind| signal(kind).context("signals cannot be received");
        Ok(Passing {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
            hang_up: listen(SignalKind::hangup())?,
            _file_size: listen(SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw()))?,
            hearer,
        })
    }

    fn run(mut self, runtime: &Runtime) {
        runtime.block_on(async {
            let mut same = Deadline::after(Duration::ZERO);
            loop {
                let signalled = tokio::select! {
                    _ = self.interrupt.recv() => Signalled::Stop,
                    _ = self.terminate.recv() => Signalled::Stop,
                    _ = self.hang_up.recv() => Signalled::Reload,
                };
                if signalled == Signalled::Stop {
                    if !same.left().is_zero() {
                        continue;
                    }
                    same = Deadline::after(SAME);
                }
                if !is_passed_on(self.hearer.get(), signalled) {
                    end_at_once();
                }
            }
        });
    }
}

/// Ends the process, whatever hangs.
pub(crate) fn end_at_once() -> ! {
    messages::finish(LAST_WORDS);
    process::exit(i32::from(STOPPED_EARLY));
}

/// Whether somebody will hear it; a reload is not worth the end of the process.
fn is_passed_on(hearer: Option<&Hearer>, signalled: Signalled) -> bool {
    match (hearer, signalled) {
        (Some(hearer), Signalled::Stop) => hearer.stops.try_send(()).is_ok(),
        (Some(hearer), Signalled::Reload) => {
            // One that still waits does for both.
            let _ = hearer.reloads.try_send(());
            true
        }
        (None, Signalled::Stop) => false,
        (None, Signalled::Reload) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_stop_that_nobody_takes_ends_the_process() {
        assert!(!is_passed_on(None, Signalled::Stop), "nobody hears yet");
        assert!(is_passed_on(None, Signalled::Reload));
        let received = Received { hearer: Arc::default() };
        let hearer = Arc::clone(&received.hearer);
        let mut signals = received.hear();
        for _ in 0..2 {
            assert!(is_passed_on(hearer.get(), Signalled::Stop));
            assert_eq!(signals.next().await, Signalled::Stop);
        }
        assert!(
            is_passed_on(hearer.get(), Signalled::Reload) && is_passed_on(hearer.get(), Signalled::Reload)
        );
        assert_eq!(signals.next().await, Signalled::Reload, "several are one");
        assert!(is_passed_on(hearer.get(), Signalled::Stop));
        assert!(!is_passed_on(hearer.get(), Signalled::Stop), "the one before still waits");
        signals.stop().await;
        drop(signals);
        assert!(!is_passed_on(hearer.get(), Signalled::Stop), "nobody hears any more");
    }
}
