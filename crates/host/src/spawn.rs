//! Starting work: tasks on the runtime, threads of their own, and blocking calls.
//!
//! Nothing else in the project starts a thread or a task, so that each has a name, ends in one of the ways of [`End`], and
//! its panic is a value instead of a line on standard error that nobody reads.

#![expect(clippy::disallowed_methods, reason = "the one place that starts threads and tasks")]

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::panic::AssertUnwindSafe;

use futures::FutureExt;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// How work ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// It returned.
    Returned,
    /// It panicked, with this message.
    Panicked(String),
    /// It was aborted, or the runtime has ended.
    Aborted,
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            End::Returned => f.write_str("it returned"),
            End::Panicked(message) => write!(f, "it panicked: {message}"),
            End::Aborted => f.write_str("it was aborted"),
        }
    }
}

/// Work that was started. Dropping it does not end the work.
#[derive(Debug)]
pub struct Started {
    end: oneshot::Receiver<End>,
    abort: Option<tokio::task::AbortHandle>,
}

impl Started {
    /// Waits until the work has ended. May be dropped and called again.
    pub async fn ended(&mut self) -> End {
        (&mut self.end).await.unwrap_or(End::Aborted)
    }

    /// Ends a task at its next `await`; has no effect on a thread.
    pub fn abort(&self) {
        if let Some(abort) = &self.abort {
            abort.abort();
        }
    }
}

/// Starts tasks and threads on one runtime. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Spawn {
    runtime: Handle,
}

impl Spawn {
    /// On the runtime of the caller.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn current() -> Spawn {
        Spawn { runtime: Handle::current() }
    }

    /// Runs a future as a task.
    pub fn task(&self, work: impl Future<Output = ()> + Send + 'static) -> Started {
        let (sender, end) = oneshot::channel();
        let task = self.runtime.spawn(async move {
            // Nobody may be waiting.
            let _ = sender.send(caught(work).await);
        });
        Started { end, abort: Some(task.abort_handle()) }
    }

    /// Runs a future on a thread of its own, for work that computes or reads files between its awaits. The system shows
    /// the first 15 characters of `name`.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn dedicated(
        &self,
        name: &str,
        work: impl Future<Output = ()> + Send + 'static,
    ) -> std::io::Result<Started> {
        let (sender, end) = oneshot::channel();
        let runtime = self.runtime.clone();
        let name: String = name.chars().take(15).collect();
        std::thread::Builder::new().name(name).spawn(move || {
            let _ = sender.send(runtime.block_on(caught(work)));
        })?;
        Ok(Started { end, abort: None })
    }

    /// Runs a call that blocks on a thread of its own: such a thread may outlive the runtime, and does not keep the
    /// process from ending.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn thread(&self, name: &str, work: impl FnOnce() + Send + 'static) -> std::io::Result<Started> {
        let (sender, end) = oneshot::channel();
        let name: String = name.chars().take(15).collect();
        std::thread::Builder::new().name(name).spawn(move || {
            let end = match std::panic::catch_unwind(AssertUnwindSafe(work)) {
                Ok(()) => End::Returned,
                Err(panic) => End::Panicked(panic_message(&*panic)),
            };
            let _ = sender.send(end);
        })?;
        Ok(Started { end, abort: None })
    }

    /// Runs a short call that waits for the disk, off the runtime's threads.
    ///
    /// # Errors
    /// The message of its panic.
    pub async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, String> {
        self.runtime.spawn_blocking(work).await.map_err(|error| match error.try_into_panic() {
            Ok(panic) => panic_message(&*panic),
            Err(error) => error.to_string(),
        })
    }

    /// The same for a call that tells by itself how it ended.
    pub fn detached(&self, work: impl FnOnce() + Send + 'static) {
        // Its end is seen by whoever waits for what it sends.
        drop(self.runtime.spawn_blocking(work));
    }

    /// Runs a future as a task whose value the caller waits for: an error tells that it panicked or was aborted.
    pub fn awaited<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> JoinHandle<T> {
        self.runtime.spawn(work)
    }

    /// The same for a short call that blocks, off the runtime's threads.
    pub fn awaited_blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> JoinHandle<T> {
        self.runtime.spawn_blocking(work)
    }

    /// The runtime itself, for libraries that ask for it.
    pub fn runtime(&self) -> &Handle {
        &self.runtime
    }
}

/// Starts a thread outside of any runtime, whose end the caller waits for.
///
/// # Errors
/// The system gives no thread.
pub fn spawn_thread(
    name: String,
    work: impl FnOnce() + Send + 'static,
) -> std::io::Result<std::thread::JoinHandle<()>> {
    std::thread::Builder::new().name(name).spawn(work)
}

async fn caught(work: impl Future<Output = ()>) -> End {
    match AssertUnwindSafe(work).catch_unwind().await {
        Ok(()) => End::Returned,
        Err(panic) => End::Panicked(panic_message(&*panic)),
    }
}

/// What a panic says.
pub fn panic_message(panic: &(dyn Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without a message".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_way_to_end_is_a_value() {
        let spawn = Spawn::current();
        assert_eq!(spawn.task(async {}).ended().await, End::Returned);
        assert_eq!(spawn.task(async { panic!("no {}", 1) }).ended().await, End::Panicked("no 1".to_owned()));
        let mut endless = spawn.task(std::future::pending());
        endless.abort();
        assert_eq!(endless.ended().await, End::Aborted);
        let mut thread = spawn.dedicated("a-name-that-is-too-long", async { panic!("thread") }).unwrap();
        assert_eq!(thread.ended().await, End::Panicked("thread".to_owned()));
        let mut thread = spawn.thread("plain", || {}).unwrap();
        assert_eq!(thread.ended().await, End::Returned);
        assert_eq!(spawn.blocking(|| 7).await, Ok(7));
        assert_eq!(spawn.blocking(|| -> u8 { panic!("disk") }).await, Err("disk".to_owned()));
    }
}
