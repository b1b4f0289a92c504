//! The loops that keep a monitor going.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use crate::error::StoreError;
use crate::mail::sender::Sender;
use crate::monitor::{Monitor, spawn};

/// How long mail that is due may take when the monitor stops. What is left is sent after the next start.
const LAST_MAIL_TIME: Duration = Duration::from_secs(5);

impl Monitor {
    /// Runs until `stop` is true or its sender is gone: a [`tick`](Monitor::tick) every `tick_interval`, and mail to the
    /// SMTP server. Then a last tick, and mail that is due is sent if that takes no longer than five seconds. Failures are
    /// logged and tried again. A second call while the first runs returns at once.
    pub async fn run(&self, stop: watch::Receiver<bool>) {
        if self.0.is_running.swap(true, Ordering::SeqCst) {
            tracing::error!("the monitor runs already");
            return;
        }
        // If this future is dropped, another may run.
        let _running = Running(self);
        let (ticks_ended, ticks_end) = watch::channel(false);
        let ticks = async {
            self.run_ticks(stop).await;
            ticks_ended.send_replace(true);
        };
        tokio::join!(ticks, self.run_sender(ticks_end));
    }

    async fn run_ticks(&self, mut stop: watch::Receiver<bool>) {
        let mut ticks = interval(self.0.settings.tick_interval.max(Duration::from_millis(1)));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut health = Health::new("metrics cannot be written and alarms not judged; trying again");
        loop {
            let is_last = tokio::select! {
                () = stopped(&mut stop) => true,
                _ = ticks.tick() => false,
            };
            let monitor = self.clone();
            health.note(spawn(move || monitor.tick()).await);
            if is_last {
                return;
            }
        }
    }

    async fn run_sender(&self, mut stop: watch::Receiver<bool>) {
        let Some(server) = self.0.smtp.clone() else { return };
        let mut sender = Sender::new(self.clone(), server);
        let mut health = Health::new("the mail queue cannot be read or written; trying again");
        loop {
            let mut is_stopping = *stop.borrow();
            {
                let mut round = std::pin::pin!(sender.round());
                let done = tokio::select! {
                    done = &mut round => Some(done),
                    () = stopped(&mut stop), if !is_stopping => None,
                    () = sleep(LAST_MAIL_TIME), if is_stopping => return,
                };
                let done = match done {
                    Some(done) => done,
                    None => {
                        is_stopping = true;
                        let Ok(done) = timeout(LAST_MAIL_TIME, round).await else { return };
                        done
                    }
                };
                health.note(done);
            }
            if is_stopping {
                return;
            }
            tokio::select! {
                () = stopped(&mut stop) => {}
                () = self.0.mail_queued.notified() => {}
                () = sleep(self.0.settings.tick_interval) => {}
            }
        }
    }
}

struct Running<'a>(&'a Monitor);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.0.is_running.store(false, Ordering::SeqCst);
    }
}

/// Returns when `stop` is true, or can no longer become so.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|is_stopping| *is_stopping).await;
}

/// Logs the first failure of a row and the recovery, not every try.
struct Health {
    trouble: &'static str,
    is_failing: bool,
}

impl Health {
    fn new(trouble: &'static str) -> Health {
        Health { trouble, is_failing: false }
    }

    fn note(&mut self, result: Result<(), StoreError>) {
        match (result, self.is_failing) {
            (Err(error), false) => tracing::error!(%error, "{}", self.trouble),
            (Ok(()), true) => tracing::info!("the monitor's database works again"),
            (Err(_), true) | (Ok(()), false) => return,
        }
        self.is_failing = !self.is_failing;
    }
}
