//! Standard input: one reader for the whole process, lent to the feed that puts its records.
//!
//! What was read cannot be read again. So what a feed that stops has not put stays with the reader, and its successor goes
//! on with that.

use std::sync::Arc;
use std::time::Duration;

use millstream_host::{Spawn, real_time};
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::read_ahead::{Ahead, ReadAhead};
use super::{LineSource, RecordSource};

/// How long a feed waits for one that stops.
const LENDING_LIMIT: Duration = Duration::from_millis(250);

/// Opens it; the flag says whether its first line is a header.
type Open = Box<dyn Fn(bool) -> Box<dyn RecordSource> + Send + Sync>;

/// The standard input of this process.
pub(crate) struct StandardInput {
    open: Open,
    /// Held by the feed that it is lent to; empty before the first.
    ahead: Arc<Mutex<Option<ReadAhead>>>,
}

/// Standard input cannot be lent.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StandardInputError {
    #[error("standard input is read by another input: only one can have it")]
    Lent,
    #[error("standard input cannot be read: {0}")]
    Thread(#[from] std::io::Error),
}

impl StandardInput {
    /// Nothing is read before somebody wants it.
    pub(crate) fn new() -> StandardInput {
        StandardInput::reading(Box::new(|header| Box::new(LineSource::standard_input(header))))
    }

    fn reading(open: Open) -> StandardInput {
        StandardInput { open, ahead: Arc::default() }
    }

    /// Lends it until what is given is dropped. The first one that wants it says whether it has a header: for the others
    /// that line has been read.
    ///
    /// # Errors
    /// Another feed has it, or the system gives no thread.
    pub(crate) async fn lend(&self, spawn: &Spawn, header: bool) -> Result<Ahead, StandardInputError> {
        let lent = real_time::within(LENDING_LIMIT, Arc::clone(&self.ahead).lock_owned()).await;
        let mut lent = lent.ok_or(StandardInputError::Lent)?;
        let source = match &*lent {
            None => Some((self.open)(header)),
            // Another attempt may read what comes next.
            Some(ahead) if ahead.has_failed() => Some((self.open)(false)),
            Some(_) => None,
        };
        if let Some(source) = source {
            *lent = Some(ReadAhead::start(spawn, "standard-input", source)?);
        }
        let reader = OwnedMutexGuard::map(lent, |ahead| ahead.as_mut().expect("it was opened"));
        Ok(Box::new(reader))
    }
}

#[cfg(test)]
mod tests {
    use super::super::fed::{Fed, Hang};
    use super::super::{FeedEnd, FeedServices, Putting, SourceBatch, SourceState, true_progress};
    use super::*;
    use crate::catalog::{Catalog, FeedProgress};
    use crate::definition::ResourceId;
    use crate::supervise::TaskScope;
    use millstream_host::{SimulatedDisk, SystemClock};
    use millstream_streamlog::{Producer, Retention, StreamKey};
    use std::sync::mpsc;
    use tokio::sync::watch;

    const FEED: ResourceId = ResourceId(7);

    /// What somebody types.
    struct Typed(mpsc::Receiver<&'static str>);

    impl RecordSource for Typed {
        fn read(&mut self, batch: &mut SourceBatch, _: usize) -> SourceState {
            let Ok(line) = self.0.recv() else { return SourceState::Ended };
            batch.push(line.as_bytes());
            SourceState::Open
        }
    }

    /// Can be opened once.
    fn typed() -> (mpsc::Sender<&'static str>, StandardInput) {
        let (sender, receiver) = mpsc::channel();
        let receiver = parking_lot::Mutex::new(Some(receiver));
        let open = move |_| -> Box<dyn RecordSource> {
            Box::new(Typed(receiver.lock().take().expect("it is opened once")))
        };
        (sender, StandardInput::reading(Box::new(open)))
    }

    /// A feed of it.
    async fn feed(fed: &Fed, input: &StandardInput) -> (TaskScope, watch::Receiver<FeedEnd>) {
        feed_into(fed, input, &fed.key, 0).await
    }

    /// One into a stream, in a pass of its own.
    async fn feed_into(
        fed: &Fed,
        input: &StandardInput,
        key: &StreamKey,
        pass: u64,
    ) -> (TaskScope, watch::Receiver<FeedEnd>) {
        let (catalog, scope) = (Catalog::in_memory().unwrap(), fed.supervisor.scope(None, "feed"));
        let services = FeedServices { key: key.clone(), ..fed.services(FEED, &catalog, None, &scope) };
        let ahead = input.lend(&Spawn::current(), false).await.unwrap();
        let noted = FeedProgress { pass, ..FeedProgress::default() };
        let progress = true_progress(&fed.log, FEED, noted);
        let (putting, end) = Putting::new(services, ahead, progress, false);
        scope.task("feed", putting.run());
        (scope, end)
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_successor_gets_the_lines_that_its_predecessor_waited_for() {
        let fed = Fed::new(Arc::new(SystemClock));
        let (typing, input) = typed();
        let (first, _) = feed(&fed, &input).await;
        typing.send("a").unwrap();
        assert_eq!(fed.records(1).await, ["a"]);
        assert!(input.lend(&Spawn::current(), false).await.is_err(), "it is lent");
        assert!(first.stop(Duration::from_secs(10)).await.is_empty());
        typing.send("b").unwrap();
        typing.send("c").unwrap();
        let (second, mut end) = feed(&fed, &input).await;
        assert_eq!(fed.records(3).await, ["a", "b", "c"]);
        drop(typing);
        assert_eq!(*end.wait_for(|end| *end != FeedEnd::Open).await.unwrap(), FeedEnd::Ended);
        assert!(second.stop(Duration::from_secs(10)).await.is_empty());
        let (third, mut end) = feed(&fed, &input).await;
        assert_eq!(*end.wait_for(|end| *end != FeedEnd::Open).await.unwrap(), FeedEnd::Ended);
        assert!(third.stop(Duration::from_secs(10)).await.is_empty());
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_line_whose_append_was_not_answered_is_put_once() {
        for (is_queued, arrives_before) in [(true, false), (true, true), (false, false)] {
            let disk = SimulatedDisk::new();
            let fed = Fed::on(&disk);
            let (typing, input) = typed();
            let hang = Hang::begin(&disk);
            typing.send("a").unwrap();
            given_a_line(&fed, &input, is_queued).await;
            let mut hang = Some(hang);
            if arrives_before {
                hang = None;
                assert_eq!(fed.records(1).await, ["a"]);
            }
            let (successor, _) = feed(&fed, &input).await;
            typing.send("b").unwrap();
            drop(hang);
            assert_eq!(fed.records(2).await, ["a", "b"]);
            assert!(successor.stop(Duration::from_secs(10)).await.is_empty());
        }
    }

    /// A feed that was given a line on a disk that hangs, and has stopped without an answer.
    async fn given_a_line(fed: &Fed, input: &StandardInput, is_queued: bool) {
        let mut ahead = input.lend(&Spawn::current(), false).await.unwrap();
        let scope = fed.supervisor.scope(None, "feed");
        let services = fed.services(FEED, &Catalog::in_memory().unwrap(), None, &scope);
        let producer = Producer::new(services.producer("pass 0"), 0);
        let (records, _) = ahead.gather(&fed.key, producer, 10, &mut scope.stop_signal(), |_| ()).await;
        if is_queued {
            drop(fed.log.append_as(&fed.key, producer, records));
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_line_without_an_answer_is_put_once_also_into_another_stream_or_under_other_numbers() {
        let other = StreamKey::data("other".parse().unwrap());
        for (into_other, pass) in [(true, 0), (false, 1), (true, 1)] {
            for is_queued in [true, false] {
                let disk = SimulatedDisk::new();
                let fed = Fed::on(&disk);
                fed.log.stream_create(&other, 1, Retention::default()).unwrap();
                let (typing, input) = typed();
                let hang = Hang::begin(&disk);
                typing.send("a").unwrap();
                given_a_line(&fed, &input, is_queued).await;
                let key = if into_other { &other } else { &fed.key };
                let (successor, _) = feed_into(&fed, &input, key, pass).await;
                typing.send("b").unwrap();
                drop(hang);
                let expected: (&[&str], &[&str]) = match (into_other, is_queued) {
                    (true, true) => (&["a"], &["b"]),
                    (true, false) => (&[], &["a", "b"]),
                    (false, _) => (&["a", "b"], &[]),
                };
                let held = (
                    fed.records_of(&fed.key, expected.0.len()).await,
                    fed.records_of(&other, expected.1.len()).await,
                );
                assert!(
                    held.0 == expected.0 && held.1 == expected.1,
                    "{into_other} {pass} {is_queued}: {held:?}"
                );
                assert!(successor.stop(Duration::from_secs(10)).await.is_empty());
                assert_eq!(fed.records_of(&fed.key, 0).await, expected.0, "nothing came later");
                assert_eq!(fed.records_of(&other, 0).await, expected.1, "nothing came later");
            }
        }
    }
}
