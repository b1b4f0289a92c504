//! The monitor as others see it.

use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use millstream_host::{Clock, Random, Spawn, Timestamp};
use parking_lot::Mutex;
use rusqlite::Connection;
use tokio::sync::{Notify, watch};

use crate::alarms::round::Judged;
use crate::alarms::{self, Alarm, AlarmDefinition, AlarmTransition};
use crate::database::{self, Location};
use crate::error::{AlarmError, OpenError, PutError, QueryError, StoreError, TopicError};
use crate::mail::{self, Mail, MailCounts, SmtpServer, TopicMails};
use crate::metrics::{
    self, CheckedPoint, Datapoint, MetricFilter, MetricKey, NewestValue, Pending, Point, StatisticsQuery,
};
use crate::settings::{MonitorSettings, SmtpSettings};
use crate::topics::{self, Message, MessageId, Protocol, Publishing, Subscription, Topic};

/// Metrics, alarms, topics and mail, over one database. Clones share it.
///
/// Plain methods block while the database works: usually well under a millisecond, changes about as long as the disk
/// needs to make a write durable. Call them on a thread that may wait, or where that is short enough. [`put`] works in
/// memory.
///
/// [`put`]: Monitor::put
#[derive(Clone)]
pub struct Monitor(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) settings: MonitorSettings,
    clock: Arc<dyn Clock>,
    /// Guards the one connection, and with it the order of all changes. Taken before `pending` where both are needed.
    store: Mutex<Store>,
    /// Guards the points in memory: apart from `store`, so that `put` does not wait for the disk.
    pending: Mutex<Pending>,
    /// The mail server; the sender follows its changes.
    pub(crate) smtp: watch::Sender<Option<SmtpServer>>,
    changes: watch::Sender<u64>,
    /// Wakes the sender.
    pub(crate) mail_queued: Notify,
    pub(crate) is_running: AtomicBool,
}

/// The database, and what changes along with it.
pub(crate) struct Store {
    pub connection: Connection,
    pub random: Random,
    judged: Judged,
}

impl Monitor {
    /// Opens the database, which is created if absent, and checks the settings. Blocks. Nothing runs before
    /// [`run`](Monitor::run); mails queued by an earlier process are sent then.
    ///
    /// # Errors
    /// The file cannot be opened or is not ours; the SMTP settings cannot work.
    pub fn open(
        location: &Location,
        settings: MonitorSettings,
        clock: Arc<dyn Clock>,
        random: Random,
    ) -> Result<Monitor, OpenError> {
        let smtp = settings.smtp.as_ref().map(SmtpServer::new).transpose()?;
        let connection = database::open(location)?;
        let mut pending = Pending::default();
        let known = metrics::table::metrics(&connection).map_err(|source| location.failed(source))?;
        pending.set_known(known);
        Ok(Monitor(Arc::new(Inner {
            settings,
            clock,
            store: Mutex::new(Store { connection, random, judged: Judged::default() }),
            pending: Mutex::new(pending),
            smtp: watch::Sender::new(smtp),
            changes: watch::Sender::new(0),
            mail_queued: Notify::new(),
            is_running: AtomicBool::new(false),
        })))
    }

    /// Sends mails by another server from now on, or keeps them in the local mailbox with `None`. Mails that are queued
    /// wait for a server.
    ///
    /// # Errors
    /// The settings cannot work; the server before is kept.
    pub fn set_smtp(&self, settings: Option<&SmtpSettings>) -> Result<(), OpenError> {
        let server = settings.map(SmtpServer::new).transpose()?;
        self.0.smtp.send_replace(server);
        Ok(())
    }

    /// Takes points, all or none. They count in [`statistics`](Monitor::statistics) at once, and are durable after the
    /// next [`tick`](Monitor::tick). Works in memory, except when `max_pending_buckets` wait: then they are written.
    ///
    /// # Errors
    /// A point is malformed or beyond a limit; or too many wait and cannot be written.
    pub fn put(&self, points: &[Point]) -> Result<(), PutError> {
        let now = self.now();
        let checked =
            points.iter().map(|point| CheckedPoint::new(point, now)).collect::<Result<Vec<_>, _>>()?;
        if self.0.pending.lock().len() >= self.0.settings.max_pending_buckets {
            self.flush(&mut self.0.store.lock())?;
        }
        self.0.pending.lock().add(checked, self.0.settings.max_metrics)
    }

    /// Statistics of a metric by period, oldest first.
    ///
    /// # Errors
    /// The query is malformed or beyond a limit, or the database fails.
    pub fn statistics(&self, query: &StatisticsQuery) -> Result<Vec<Datapoint>, QueryError> {
        let store = self.0.store.lock();
        metrics::statistics(&store.connection, &self.0.pending, query, self.now())
    }

    /// What a metric measured last; `None` when nothing of it is kept.
    ///
    /// # Errors
    /// The database fails.
    pub fn newest_value(&self, metric: &MetricKey) -> Result<Option<NewestValue>, QueryError> {
        let store = self.0.store.lock();
        Ok(metrics::newest(&store.connection, &self.0.pending, metric)?)
    }

    /// The metrics that fit the filter, sorted. A new one is there at once. Works in memory.
    ///
    /// # Errors
    /// None at present.
    pub fn metrics(&self, filter: &MetricFilter) -> Result<Vec<MetricKey>, QueryError> {
        Ok(self.0.pending.lock().known().iter().filter(|metric| filter.fits(metric)).cloned().collect())
    }

    /// Deletes a metric with its points; an unknown one is fine. The next point that is put makes a new one.
    ///
    /// # Errors
    /// The database fails; nothing is deleted then.
    pub fn delete_metric(&self, metric: &MetricKey) -> Result<(), StoreError> {
        let mut store = self.0.store.lock();
        let transaction = store.connection.transaction()?;
        metrics::table::delete(&transaction, metric)?;
        transaction.commit()?;
        self.0.pending.lock().forget(metric);
        Ok(())
    }

    /// Creates or replaces an alarm. The same definition again changes nothing; another one starts from scratch, as
    /// `INSUFFICIENT_DATA`, without telling anyone.
    ///
    /// # Errors
    /// The definition cannot work, there are too many alarms, or the database fails.
    pub fn put_alarm(&self, definition: AlarmDefinition) -> Result<(), AlarmError> {
        let mut store = self.0.store.lock();
        if alarms::table::put(&store.connection, &definition, self.now())? {
            store.judged.forget(&definition.name);
            self.changed();
        }
        Ok(())
    }

    /// Deletes an alarm. Its history stays.
    ///
    /// # Errors
    /// There is no such alarm, or the database fails.
    pub fn delete_alarm(&self, name: &str) -> Result<(), AlarmError> {
        let mut store = self.0.store.lock();
        alarms::table::delete(&store.connection, name)?;
        store.judged.forget(name);
        self.changed();
        Ok(())
    }

    /// All alarms by name.
    ///
    /// # Errors
    /// The database fails.
    pub fn alarms(&self) -> Result<Vec<Alarm>, AlarmError> {
        Ok(alarms::table::all(&self.0.store.lock().connection)?)
    }

    /// The newest changes of one alarm, or of all; newest first. The newest 10,000 are kept.
    ///
    /// # Errors
    /// The database fails.
    pub fn alarm_history(
        &self,
        alarm: Option<&str>,
        newest: usize,
    ) -> Result<Vec<AlarmTransition>, AlarmError> {
        Ok(alarms::table::history(&self.0.store.lock().connection, alarm, newest)?)
    }

    /// Creates a topic; an existing one stays as it is.
    ///
    /// # Errors
    /// The name is malformed, there are too many topics, or the database fails.
    pub fn create_topic(&self, name: &str) -> Result<(), TopicError> {
        topics::table::create(&self.0.store.lock().connection, name, self.now())
    }

    /// Deletes a topic with its subscriptions; an unknown one is fine. Its mails stay, and queued ones still go out.
    ///
    /// # Errors
    /// The database fails.
    pub fn delete_topic(&self, name: &str) -> Result<(), TopicError> {
        topics::table::delete(&self.0.store.lock().connection, name)
    }

    /// All topics by name.
    ///
    /// # Errors
    /// The database fails.
    pub fn topics(&self) -> Result<Vec<Topic>, TopicError> {
        Ok(topics::table::all(&self.0.store.lock().connection)?)
    }

    /// Subscribes an endpoint to a topic; an existing subscription is returned.
    ///
    /// # Errors
    /// There is no such topic, the endpoint is malformed, there are too many, or the database fails.
    pub fn subscribe(
        &self,
        topic: &str,
        protocol: Protocol,
        endpoint: &str,
    ) -> Result<Subscription, TopicError> {
        let now = self.now();
        let Store { connection, random, .. } = &mut *self.0.store.lock();
        let transaction = connection.transaction()?;
        let subscription = topics::table::subscribe(&transaction, random, topic, protocol, endpoint, now)?;
        transaction.commit()?;
        Ok(subscription)
    }

    /// Ends a subscription by its id. Mails that are queued already still go out.
    ///
    /// # Errors
    /// There is no such subscription, or the database fails.
    pub fn unsubscribe(&self, id: &str) -> Result<(), TopicError> {
        topics::table::unsubscribe(&self.0.store.lock().connection, id)
    }

    /// The subscriptions of one topic, or of all.
    ///
    /// # Errors
    /// There is no such topic, or the database fails.
    pub fn subscriptions(&self, topic: Option<&str>) -> Result<Vec<Subscription>, TopicError> {
        topics::table::subscriptions(&self.0.store.lock().connection, topic)
    }

    /// Publishes a message: one mail for each subscriber, or one without a recipient if there is none. When this
    /// returns, the mails are on disk, and survive a power cut. Without a subject, mails bear one that names the topic.
    /// Waits for the disk on a thread of its own; needs a Tokio runtime.
    ///
    /// # Errors
    /// There is no such topic, subject or message are malformed, too many mails wait for the SMTP server, or the
    /// database fails; then there is no mail.
    pub async fn publish(
        &self,
        topic: &str,
        subject: Option<&str>,
        message: &str,
    ) -> Result<MessageId, TopicError> {
        self.publish_message(None, topic, subject, message).await
    }

    /// The same for a message that has an id: one that was published to the topic already is not published again. Ids are
    /// known for as long as their mails are kept.
    ///
    /// # Errors
    /// As for [`publish`](Monitor::publish), or the id is malformed.
    pub async fn publish_once(
        &self,
        id: &str,
        topic: &str,
        subject: Option<&str>,
        message: &str,
    ) -> Result<MessageId, TopicError> {
        self.publish_message(Some(id), topic, subject, message).await
    }

    async fn publish_message(
        &self,
        id: Option<&str>,
        topic: &str,
        subject: Option<&str>,
        message: &str,
    ) -> Result<MessageId, TopicError> {
        let (topic, message) = (topic.to_owned(), message.to_owned());
        let (id, subject) = (id.map(str::to_owned), subject.map(str::to_owned));
        let monitor = self.clone();
        spawn(move || {
            let now = monitor.now();
            let Store { connection, random, .. } = &mut *monitor.0.store.lock();
            let transaction = connection.transaction()?;
            let message = Message { id: id.as_deref(), subject: subject.as_deref(), text: &message };
            let id = monitor.publishing(random).publish(&transaction, &topic, message, now)?;
            transaction.commit()?;
            monitor.mail_written();
            Ok(id)
        })
        .await
    }

    /// The newest mails, newest first.
    ///
    /// # Errors
    /// The database fails.
    pub fn mails(&self, newest: usize) -> Result<Vec<Mail>, TopicError> {
        Ok(mail::table::newest(&self.0.store.lock().connection, newest)?)
    }

    /// How the mails to the SMTP server fare. Reads the database.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn mail_counts(&self) -> Result<MailCounts, TopicError> {
        Ok(mail::table::counts(&self.0.store.lock().connection)?)
    }

    /// The mails of a topic. Reads the database.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn topic_mails(&self, topic: &str) -> Result<TopicMails, TopicError> {
        Ok(mail::table::of_topic(&self.0.store.lock().connection, topic)?)
    }

    /// A number that moves when a mail, its status, or the state of an alarm changes.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.0.changes.subscribe()
    }

    /// One round by the clock: writes points, judges alarms and acts on their changes, and lets old data become coarser
    /// or go. [`run`](Monitor::run) calls it. Blocks.
    ///
    /// # Errors
    /// The database fails. Points stay in memory, alarms keep their states, and the next round tries again.
    pub fn tick(&self) -> Result<(), StoreError> {
        let now = self.now();
        let mut store = self.0.store.lock();
        self.flush(&mut store)?;
        let changes = self.judge_alarms(&mut store, now)?;
        if changes > 0 {
            self.mail_written();
        }
        let transaction = store.connection.transaction()?;
        let metrics_are_gone = metrics::retention::sweep(&transaction, now)?;
        mail::table::sweep(&transaction, self.0.settings.max_mails_kept)?;
        transaction.commit()?;
        if metrics_are_gone {
            let stored = metrics::table::metrics(&store.connection)?;
            self.0.pending.lock().set_known(stored);
        }
        Ok(())
    }

    fn judge_alarms(&self, store: &mut Store, now: Timestamp) -> Result<usize, StoreError> {
        let Store { connection, random, judged } = store;
        let transaction = connection.transaction()?;
        let mut judged_now = judged.clone();
        let mut publishing = self.publishing(random);
        let changes =
            alarms::round::round(&transaction, &self.0.pending, &mut judged_now, &mut publishing, now)?;
        transaction.commit()?;
        *judged = judged_now;
        Ok(changes)
    }

    /// Writes the points in memory; on an error they stay there. The lock on `store` makes sure that no reader sees them
    /// twice or not at all.
    fn flush(&self, store: &mut Store) -> Result<(), StoreError> {
        let taken = self.0.pending.lock().take();
        if taken.is_empty() {
            return Ok(());
        }
        let written = store.connection.transaction().and_then(|transaction| {
            metrics::table::write(&transaction, &taken)?;
            transaction.commit()
        });
        if let Err(error) = written {
            self.0.pending.lock().put_back(taken);
            return Err(StoreError(error));
        }
        Ok(())
    }

    fn publishing<'a>(&self, random: &'a mut Random) -> Publishing<'a> {
        Publishing {
            random,
            sends_mail: self.0.smtp.borrow().is_some(),
            max_mails_queued: self.0.settings.max_mails_queued,
        }
    }

    fn mail_written(&self) {
        self.changed();
        self.0.mail_queued.notify_one();
    }

    #[cfg(test)]
    pub(crate) fn store(&self) -> parking_lot::MutexGuard<'_, Store> {
        self.0.store.lock()
    }

    pub(crate) fn changed(&self) {
        self.0.changes.send_modify(|number| *number += 1);
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.0.clock.now()
    }

    /// Works with the database on a thread that may wait.
    pub(crate) async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Store) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let monitor = self.clone();
        spawn(move || Ok(work(&mut monitor.0.store.lock())?)).await
    }

    /// Draws from the randomness on a thread that may wait: it is behind the lock of the database.
    pub(crate) async fn with_random<T: Send + 'static>(
        &self,
        draw: impl FnOnce(&mut Random) -> T + Send + 'static,
    ) -> T {
        let monitor = self.clone();
        spawn(move || draw(&mut monitor.0.store.lock().random)).await
    }
}

/// Runs `work` on a thread that may wait. Its panics go on here.
pub(crate) async fn spawn<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match Spawn::current().awaited_blocking(work).await {
        Ok(done) => done,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => resume_unwind(panic),
            // The runtime shuts down: no one waits for the answer.
            Err(_) => std::future::pending().await,
        },
    }
}
