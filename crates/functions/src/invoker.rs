//! Calling a function safely: limits on concurrency, time and size; panics kept inside; counts.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use millstream_host::{Clock, Spawn, Timestamp, real_time};
use parking_lot::Mutex;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use crate::function::{Function, FunctionError, FunctionErrorKind};

/// Longest error message that is kept, in characters.
const LOGGED_MESSAGE_CHARACTERS: usize = 2_000;

/// The limits of a function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvokerSettings {
    /// Calls at once; one more is refused as throttled. At least 1.
    pub max_concurrency: usize,
    /// How long one call may take.
    pub timeout: Duration,
    /// Largest event and largest answer in bytes.
    pub max_payload_bytes: usize,
    /// How many of the newest errors are kept.
    pub logged_errors: usize,
}

impl Default for InvokerSettings {
    /// 10 calls at once, 5 minutes, 6 MiB, 100 errors.
    fn default() -> InvokerSettings {
        InvokerSettings {
            max_concurrency: 10,
            timeout: Duration::from_secs(300),
            max_payload_bytes: 6 * 1024 * 1024,
            logged_errors: 100,
        }
    }
}

/// Counts since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InvokerStatistics {
    /// Calls that reached the function.
    pub invocations: u64,
    /// Of these, the ones without an answer.
    pub errors: u64,
    /// Calls refused because of the concurrency limit; the function did not see them.
    pub throttles: u64,
    /// Calls running now.
    pub running: usize,
    /// Time of all finished calls together.
    pub duration_total: Duration,
    /// Time of the longest.
    pub duration_max: Duration,
}

/// An error of a call, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggedError {
    /// When it happened.
    pub at: Timestamp,
    /// What kind.
    pub kind: FunctionErrorKind,
    /// In words, at most 2,000 characters.
    pub message: String,
}

/// What all calls share. The lock guards a few numbers and is never held across a call.
#[derive(Default)]
struct Record {
    statistics: InvokerStatistics,
    newest_errors: VecDeque<LoggedError>,
}

/// A function behind its limits.
pub struct Invoker {
    function: Arc<dyn Function>,
    settings: InvokerSettings,
    clock: Arc<dyn Clock>,
    permits: Semaphore,
    record: Mutex<Record>,
}

impl Invoker {
    /// Wraps `function`. A concurrency limit of 0 counts as 1.
    pub fn new(function: Arc<dyn Function>, settings: InvokerSettings, clock: Arc<dyn Clock>) -> Invoker {
        let permits = settings.max_concurrency.clamp(1, Semaphore::MAX_PERMITS);
        Invoker { function, settings, clock, permits: Semaphore::new(permits), record: Mutex::default() }
    }

    /// The name of the function.
    pub fn name(&self) -> &str {
        self.function.name()
    }

    /// Calls the function. Needs a tokio runtime; dropping the future ends the call.
    pub async fn invoke(&self, event: Bytes) -> Result<Bytes, FunctionError> {
        let Ok(_permit) = self.permits.try_acquire() else {
            let error = FunctionError::throttled(format!(
                "function \"{}\" runs {} times at once, which is its limit; try again later or raise \
                 max_concurrency",
                self.name(),
                self.settings.max_concurrency.max(1),
            ));
            self.record.lock().statistics.throttles += 1;
            self.log(&error);
            return Err(error);
        };
        let started_at = self.clock.now();
        let running = Running::start(&self.record);
        let result = self.call(event).await;
        drop(running);
        let duration = self.clock.now().since(started_at);
        {
            let mut record = self.record.lock();
            let statistics = &mut record.statistics;
            statistics.errors += u64::from(result.is_err());
            statistics.duration_total = statistics.duration_total.saturating_add(duration);
            statistics.duration_max = statistics.duration_max.max(duration);
        }
        if let Err(error) = &result {
            self.log(error);
        }
        result
    }

    /// Counts since the start.
    pub fn statistics(&self) -> InvokerStatistics {
        self.record.lock().statistics
    }

    /// The newest errors, newest first.
    pub fn newest_errors(&self) -> Vec<LoggedError> {
        self.record.lock().newest_errors.iter().rev().cloned().collect()
    }

    async fn call(&self, event: Bytes) -> Result<Bytes, FunctionError> {
        self.check_size("event", event.len())?;
        let function = Arc::clone(&self.function);
        // Its own task, so that a panic ends that task and nothing else.
        let mut task = AbortOnDrop(Spawn::current().awaited(async move { function.invoke(event).await }));
        let answer = match real_time::within(self.settings.timeout, &mut task.0).await {
            Some(Ok(result)) => result?,
            Some(Err(join)) if join.is_panic() => {
                return Err(FunctionError::failed(format!(
                    "function \"{}\" panicked: {}",
                    self.name(),
                    panic_text(join.into_panic().as_ref()),
                )));
            }
            Some(Err(_)) => {
                let message =
                    format!("function \"{}\" was stopped: the process is shutting down", self.name());
                return Err(FunctionError::failed(message));
            }
            None => {
                return Err(FunctionError {
                    kind: FunctionErrorKind::TimedOut,
                    message: format!(
                        "function \"{}\" did not answer within {:?}; raise its timeout or send smaller batches",
                        self.name(),
                        self.settings.timeout,
                    ),
                });
            }
        };
        self.check_size("answer", answer.len())?;
        Ok(answer)
    }

    fn check_size(&self, what: &str, bytes: usize) -> Result<(), FunctionError> {
        let limit = self.settings.max_payload_bytes;
        if bytes <= limit {
            return Ok(());
        }
        Err(FunctionError {
            kind: FunctionErrorKind::TooLarge,
            message: format!(
                "the {what} of function \"{}\" has {bytes} bytes and the limit is {limit}; send smaller batches",
                self.name(),
            ),
        })
    }

    fn log(&self, error: &FunctionError) {
        let logged = LoggedError {
            at: self.clock.now(),
            kind: error.kind,
            message: error.message.chars().take(LOGGED_MESSAGE_CHARACTERS).collect(),
        };
        tracing::warn!(function = self.name(), "function failed: {}", logged.message);
        let mut record = self.record.lock();
        record.newest_errors.push_back(logged);
        while record.newest_errors.len() > self.settings.logged_errors {
            record.newest_errors.pop_front();
        }
    }
}

/// An invoker is a function too, so it can stand wherever one is wanted.
#[async_trait]
impl Function for Invoker {
    fn name(&self) -> &str {
        self.function.name()
    }

    async fn invoke(&self, event: Bytes) -> Result<Bytes, FunctionError> {
        Invoker::invoke(self, event).await
    }
}

/// Counts a running call, also when its future is dropped half-way.
struct Running<'invoker>(&'invoker Mutex<Record>);

impl Running<'_> {
    fn start(record: &Mutex<Record>) -> Running<'_> {
        let mut locked = record.lock();
        locked.statistics.invocations += 1;
        locked.statistics.running += 1;
        Running(record)
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.lock().statistics.running -= 1;
    }
}

struct AbortOnDrop<T>(JoinHandle<T>);

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> &str {
    if let Some(text) = panic.downcast_ref::<&str>() {
        text
    } else if let Some(text) = panic.downcast_ref::<String>() {
        text
    } else {
        "no message"
    }
}

#[cfg(test)]
mod tests {
    use millstream_host::ManualClock;
    use tokio::sync::Notify;

    use super::*;

    /// Does what its event says.
    struct Obedient {
        clock: Arc<ManualClock>,
        release: Notify,
    }

    #[async_trait]
    impl Function for Obedient {
        fn name(&self) -> &str {
            "obedient"
        }

        async fn invoke(&self, event: Bytes) -> Result<Bytes, FunctionError> {
            match &event[..] {
                b"panic" => panic!("as told"),
                b"fail" => Err(FunctionError::failed("no")),
                b"hang" => {
                    self.release.notified().await;
                    Ok(event)
                }
                b"for ever" => std::future::pending().await,
                b"large" => Ok(Bytes::from(vec![b' '; 101])),
                _ => {
                    self.clock.advance(Duration::from_millis(30));
                    Ok(event)
                }
            }
        }
    }

    fn invoker(max_concurrency: usize) -> (Arc<Invoker>, Arc<Obedient>) {
        let clock = Arc::new(ManualClock::starting_at(Timestamp(1_000)));
        let function = Arc::new(Obedient { clock: clock.clone(), release: Notify::new() });
        let settings = InvokerSettings {
            max_concurrency,
            timeout: Duration::from_secs(5),
            max_payload_bytes: 100,
            logged_errors: 3,
        };
        (Arc::new(Invoker::new(function.clone(), settings, clock)), function)
    }

    async fn kind(invoker: &Invoker, event: &'static [u8]) -> Result<(), FunctionErrorKind> {
        invoker.invoke(Bytes::from_static(event)).await.map(|_| ()).map_err(|error| error.kind)
    }

    #[tokio::test(start_paused = true)]
    async fn every_failure_has_its_kind_and_is_counted() {
        let (invoker, _) = invoker(2);
        assert_eq!(kind(&invoker, b"{}").await, Ok(()));
        assert_eq!(kind(&invoker, b"fail").await, Err(FunctionErrorKind::Failed));
        assert_eq!(kind(&invoker, b"panic").await, Err(FunctionErrorKind::Failed));
        assert!(invoker.newest_errors()[0].message.contains("as told"));
        assert_eq!(kind(&invoker, b"for ever").await, Err(FunctionErrorKind::TimedOut));
        assert_eq!(kind(&invoker, b"large").await, Err(FunctionErrorKind::TooLarge));
        assert_eq!(kind(&invoker, &[b' '; 101]).await, Err(FunctionErrorKind::TooLarge));
        let statistics = invoker.statistics();
        assert_eq!((statistics.invocations, statistics.errors, statistics.running), (6, 5, 0));
        assert_eq!(statistics.duration_max, Duration::from_millis(30));
        assert_eq!(statistics.duration_total, Duration::from_millis(30));
        assert_eq!(invoker.newest_errors().len(), 3, "the log is bounded");
    }

    #[tokio::test]
    async fn one_call_too_many_is_throttled_and_a_dropped_call_frees_its_place() {
        let (invoker, function) = invoker(1);
        let first = tokio::spawn({
            let invoker = invoker.clone();
            async move { kind(&invoker, b"hang").await }
        });
        while invoker.statistics().running == 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(kind(&invoker, b"{}").await, Err(FunctionErrorKind::Throttled));
        assert_eq!(invoker.statistics().throttles, 1);
        function.release.notify_one();
        assert_eq!(first.await.unwrap(), Ok(()));
        let dropped = tokio::spawn({
            let invoker = invoker.clone();
            async move { kind(&invoker, b"for ever").await }
        });
        while invoker.statistics().running == 0 {
            tokio::task::yield_now().await;
        }
        dropped.abort();
        assert!(dropped.await.is_err());
        assert_eq!(invoker.statistics().running, 0);
        assert_eq!(kind(&invoker, b"{}").await, Ok(()));
    }
}
