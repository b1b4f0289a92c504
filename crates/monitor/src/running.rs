//! The loops that keep a monitor going.

use std::sync::atomic::Ordering;
use std::time::Duration;

use millstream_host::real_time;
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

use crate::error::StoreError;
use crate::mail::sender::Sender;
use crate::monitor::{Monitor, spawn};

/// Time limit of the mail that is due when the monitor stops. What is left is sent after the next start.
const LAST_MAIL_TIME: Duration = Duration::from_millis(300);

impl Monitor {
    /// Runs until `stop` is true or its sender is gone: a [`tick`](Monitor::tick) every `tick_interval`, and mail to the
    /// SMTP server. Then a last tick, and mail that is due is sent if that takes no longer than 300 ms. Failures are
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

    /// Never zero: that would be a loop without rest.
    fn tick_interval(&self) -> Duration {
        self.0.settings.tick_interval.max(Duration::from_millis(1))
    }

    async fn run_ticks(&self, mut stop: watch::Receiver<bool>) {
        let mut ticks = real_time::ticks(self.tick_interval());
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
        let mut servers = self.0.smtp.subscribe();
        loop {
            let server = servers.borrow_and_update().clone();
            match server {
                Some(server) => {
                    let mut sender = Sender::new(self.clone(), server);
                    tokio::select! {
                        () = self.send_by(&mut sender, stop.clone()) => return,
                        changed = servers.changed() => if changed.is_err() { return },
                    }
                }
                None => tokio::select! {
                    () = stopped(&mut stop) => return,
                    changed = servers.changed() => if changed.is_err() { return },
                },
            }
        }
    }

    /// Sends what is queued until the end.
    async fn send_by(&self, sender: &mut Sender, mut stop: watch::Receiver<bool>) {
        let mut health = Health::new("the mail queue cannot be read or written; trying again");
        loop {
            // A round that begins after the last tick sees all mail that there will be.
            let is_last = *stop.borrow();
            let done = tokio::select! {
                done = sender.round() => done,
                () = stopped_for(&mut stop, LAST_MAIL_TIME) => return,
            };
            health.note(done);
            if is_last {
                return;
            }
            tokio::select! {
                () = stopped(&mut stop) => {}
                () = self.0.mail_queued.notified() => {}
                () = real_time::sleep(self.tick_interval()) => {}
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

/// Returns when so much time has passed since `stopped`.
async fn stopped_for(stop: &mut watch::Receiver<bool>, time: Duration) {
    stopped(stop).await;
    real_time::sleep(time).await;
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
