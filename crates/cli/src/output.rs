//! What a thread of its own writes: whoever reads it slowly, or not at all, holds up nothing else.
//!
//! ```text
//!   line, status, last ─▶ a bounded queue ─▶ thread ─▶ standard output or standard error
//! ```

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use millstream_host::spawn_thread;
use parking_lot::{Condvar, Mutex};

use crate::failure::say;

/// Bytes that may wait. Below it one of any length has room.
const MOST_WAITING: usize = 1 << 20;

/// One thing that is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Shown {
    /// Nothing replaces it.
    Line(String),
    /// How things are now: the next replaces it while it waits.
    Status(String),
    /// The last of all.
    Last(String),
}

impl Shown {
    /// What is to be read.
    pub(crate) fn text(&self) -> &str {
        match self {
            Shown::Line(text) | Shown::Status(text) | Shown::Last(text) => text,
        }
    }
}

/// Where something is written by a thread of its own. What cannot be written stops nothing, and is a failure in the end.
pub(crate) struct Output {
    queue: Arc<Queue>,
}

#[derive(Default)]
struct Queue {
    /// Held for moments, never while something is written.
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Default)]
struct Waiting {
    shown: VecDeque<Shown>,
    bytes: usize,
    /// The first of all is being written.
    is_writing: bool,
    /// Something was lost, and not because somebody reads no more.
    has_lost: bool,
}

impl Waiting {
    /// Whether it has room.
    fn push(&mut self, one: Shown) -> bool {
        if let Shown::Status(text) = &one
            && let Some(place) = self.shown.iter().position(|other| matches!(other, Shown::Status(_)))
            && let Some(before) = self.shown.remove(place)
        {
            self.bytes -= before.text().len();
            self.bytes += text.len();
            self.shown.push_back(one);
            return true;
        }
        if self.bytes >= MOST_WAITING && !matches!(one, Shown::Last(_)) {
            return false;
        }
        self.bytes += one.text().len();
        self.shown.push_back(one);
        true
    }
}

impl Output {
    /// Writes by `write`, on a thread of this name.
    pub(crate) fn start(name: &str, write: impl FnMut(&Shown) -> io::Result<()> + Send + 'static) -> Output {
        let queue = Arc::new(Queue::default());
        let written = Arc::clone(&queue);
        if spawn_thread(name.to_owned(), move || written.write_all(write)).is_err() {
            // Nothing is ever written; the work is done all the same.
            queue.waiting.lock().has_lost = true;
        }
        Output { queue }
    }

    /// A line that counts. False when it is lost because too much waits already.
    pub(crate) fn line(&self, text: String) -> bool {
        let is_kept = self.push(Shown::Line(text));
        if !is_kept {
            self.queue.waiting.lock().has_lost = true;
        }
        is_kept
    }

    /// How things are now. It is skipped when too much waits.
    pub(crate) fn status(&self, text: String) {
        self.push(Shown::Status(text));
    }

    /// The last of all.
    pub(crate) fn last(&self, text: String) {
        self.push(Shown::Last(text));
    }

    fn push(&self, one: Shown) -> bool {
        let is_kept = self.queue.waiting.lock().push(one);
        self.queue.changed.notify_all();
        is_kept
    }

    /// Waits until everything is written, for no longer than `limit`. Whether it is.
    pub(crate) fn finish(&self, limit: Duration) -> bool {
        let mut waiting = self.queue.waiting.lock();
        let is_waited = |waiting: &mut Waiting| waiting.is_writing || !waiting.shown.is_empty();
        let waited = self.queue.changed.wait_while_for(&mut waiting, is_waited, limit);
        waiting.has_lost |= waited.timed_out();
        !waited.timed_out()
    }

    /// Whether something was lost, other than to somebody who reads no more.
    pub(crate) fn has_lost(&self) -> bool {
        self.queue.waiting.lock().has_lost
    }
}

impl Queue {
    fn write_all(&self, mut write: impl FnMut(&Shown) -> io::Result<()>) {
        loop {
            let one = {
                let mut waiting = self.waiting.lock();
                waiting.is_writing = false;
                self.changed.notify_all();
                self.changed.wait_while(&mut waiting, |waiting| waiting.shown.is_empty());
                let Some(one) = waiting.shown.pop_front() else { continue };
                waiting.bytes -= one.text().len();
                waiting.is_writing = true;
                one
            };
            let Err(error) = write(&one) else { continue };
            // Whoever closed the pipe has seen enough.
            let is_failure = error.kind() != io::ErrorKind::BrokenPipe;
            if is_failure && !std::mem::replace(&mut self.waiting.lock().has_lost, true) {
                say(format_args!("error: standard output cannot be written: {error}; work goes on"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

    use super::*;

    /// More than any machine takes.
    const PATIENCE: Duration = Duration::from_secs(60);

    /// An output whose reader takes one by one.
    fn read_by_hand() -> (Output, Receiver<Shown>) {
        let (sender, receiver): (SyncSender<Shown>, _) = sync_channel(0);
        let output = Output::start("test", move |one| {
            sender.send(one.clone()).map_err(|_| io::ErrorKind::BrokenPipe.into())
        });
        (output, receiver)
    }

    fn take(reader: &Receiver<Shown>) -> String {
        reader.recv_timeout(PATIENCE).unwrap().text().to_owned()
    }

    #[test]
    fn whoever_does_not_read_holds_up_nothing() {
        let (output, reader) = read_by_hand();
        for number in 0..1_000 {
            output.status(format!("status {number}"));
        }
        assert!(output.line("line".to_owned()));
        output.status("newest".to_owned());
        output.last("last".to_owned());
        assert!(!output.finish(Duration::ZERO) && output.has_lost(), "it is not read");
        let mut read = vec![take(&reader)];
        while read.last().is_some_and(|text| text != "last") {
            read.push(take(&reader));
        }
        assert_eq!(&read[read.len() - 3..], ["line", "newest", "last"]);
        assert!(read.len() <= 5, "what is no longer so is skipped: {read:?}");
        assert!(output.finish(PATIENCE), "everything is written");
    }

    #[test]
    fn what_waits_is_bounded_and_the_last_word_always_has_room() {
        let (output, reader) = read_by_hand();
        let long = "x".repeat(MOST_WAITING);
        assert!((0..3).any(|_| !output.line(long.clone())), "one is written, one waits");
        assert!(output.has_lost());
        output.status("skipped".to_owned());
        output.last("last".to_owned());
        drop(reader);
        assert!(output.finish(PATIENCE), "nobody reads any more");
    }

    #[test]
    fn a_line_that_is_lost_is_a_failure_and_a_closed_pipe_is_none() {
        for (kind, is_failure) in [(io::ErrorKind::BrokenPipe, false), (io::ErrorKind::StorageFull, true)] {
            let mut kinds = [kind, io::ErrorKind::BrokenPipe].into_iter();
            let output = Output::start("test", move |_| Err(kinds.next().unwrap().into()));
            output.line("first".to_owned());
            output.last("second".to_owned());
            assert!(output.finish(PATIENCE));
            assert_eq!(output.has_lost(), is_failure, "{kind}");
        }
    }
}
