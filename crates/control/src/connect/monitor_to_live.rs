//! Mails and alarms of the monitor, for people to see.

use std::sync::Arc;

use millstream_host::Spawn;
use millstream_monitor::{Mail, Monitor};
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::live::Live;
use crate::view::{AlarmView, MailView};

/// How many mails are shown.
const SHOWN_MAILS: usize = 50;
/// How many are looked through for new ones.
const NEWEST_MAILS: usize = 1_000;

/// Watches one monitor. Cheap to clone.
#[derive(Clone)]
pub(crate) struct MonitorWatch {
    monitor: Monitor,
    live: Arc<Live>,
    /// Mails up to this one are counted, or of an earlier run. Held while looking, so that none counts twice.
    counted_to: Arc<Mutex<Option<i64>>>,
}

impl MonitorWatch {
    /// Takes note of the mails that are there already: they are shown but not counted. Waits for the disk.
    pub(crate) fn new(monitor: Monitor, live: Arc<Live>) -> MonitorWatch {
        let newest = monitor.mails(1).ok().and_then(|mails| mails.first().map(|mail| mail.id));
        MonitorWatch { monitor, live, counted_to: Arc::new(Mutex::new(newest)) }
    }

    /// Shows every change until stopped.
    pub(crate) async fn run(self, mut stop: watch::Receiver<bool>) {
        let mut changes = self.monitor.changes();
        loop {
            changes.borrow_and_update();
            self.look_aside().await;
            tokio::select! {
                changed = changes.changed() => if changed.is_err() { return },
                _ = stop.wait_for(|stop| *stop) => return,
            }
        }
    }

    /// Reads mails and alarms now.
    pub(crate) async fn look_aside(&self) {
        let watch = self.clone();
        if let Err(error) = Spawn::current().awaited_blocking(move || watch.look()).await {
            tracing::error!(%error, "mails and alarms could not be read");
        }
    }

    /// The same; blocks for moments.
    fn look(&self) {
        let mut counted_to = self.counted_to.lock();
        let mails = match self.monitor.mails(NEWEST_MAILS) {
            Ok(mails) => mails,
            Err(error) => {
                tracing::warn!(%error, "mails cannot be read");
                return;
            }
        };
        let alarms = match self.monitor.alarms() {
            Ok(alarms) => alarms,
            Err(error) => {
                tracing::warn!(%error, "alarms cannot be read");
                return;
            }
        };
        let is_new = |mail: &&Mail| counted_to.is_none_or(|counted_to| mail.id > counted_to);
        let new = mails.iter().filter(is_new).count() as u64;
        *counted_to = mails.first().map(|mail| mail.id).or(*counted_to);
        let views: Vec<MailView> = mails.into_iter().take(SHOWN_MAILS).map(mail_view).collect();
        let alarms: Vec<AlarmView> = alarms
            .into_iter()
            .map(|alarm| AlarmView {
                name: alarm.definition.name,
                state: alarm.state.to_string(),
                reason: alarm.reason,
                since: alarm.changed_at.millis(),
            })
            .collect();
        self.live.note(|seen| {
            seen.summary.mails += new;
            seen.mails = views;
            seen.alarms = alarms;
        });
    }
}

fn mail_view(mail: Mail) -> MailView {
    MailView {
        at: mail.created_at.millis(),
        to: mail.recipient.unwrap_or_else(|| format!("topic {}, which nobody has subscribed to", mail.topic)),
        subject: mail.subject,
        body: mail.body,
        status: mail.status.to_string(),
    }
}
