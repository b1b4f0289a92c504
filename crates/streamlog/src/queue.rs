//! What waits for the writer thread: a queue bounded by bytes.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use tokio::sync::oneshot;

use crate::error::AppendError;
use crate::producer::{Producer, ProducerChange};
use crate::segment::write::{PendingFrame, Placements};
use crate::shard::Shard;
use crate::stream::{Stream, Topology};

/// What the writer assigned to a frame.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FrameAck {
    /// Of the first record that was taken.
    pub(crate) first_index: u64,
    pub(crate) arrival: millstream_host::Timestamp,
    /// Records at its start that the log had already.
    pub(crate) skipped: u32,
}

/// What the writer made of an append.
#[derive(Debug)]
pub(crate) struct AppendAck {
    /// One for each frame.
    pub(crate) frames: Vec<FrameAck>,
    /// The commit they are in; that of the newest commit when the log had them all.
    pub(crate) commit: u64,
    /// Records at the start of the append that the log had already.
    pub(crate) duplicates: u32,
}

/// One append.
#[derive(Debug)]
pub(crate) struct Append {
    pub(crate) stream: Arc<Stream>,
    pub(crate) topology: Arc<Topology>,
    pub(crate) frames: Vec<PendingFrame>,
    pub(crate) placements: Arc<Placements>,
    pub(crate) records: u32,
    /// The length of all payloads, and what else it takes in memory.
    pub(crate) bytes: usize,
    pub(crate) producer: Option<Producer>,
    pub(crate) reply: oneshot::Sender<Result<AppendAck, AppendError>>,
}

/// Something for the writer to do, in the order given.
#[derive(Debug)]
pub(crate) enum Work {
    Append(Append),
    /// Nothing is sent to these shards any more: what was is before this in the queue.
    Finish(Arc<Stream>, Vec<Arc<Shard>>),
    /// Makes a change of a producer durable.
    Producer(Arc<Stream>, ProducerChange, oneshot::Sender<Result<(), AppendError>>),
}

impl Work {
    fn bytes(&self) -> usize {
        match self {
            Work::Append(append) => append.bytes,
            Work::Finish(..) | Work::Producer(..) => 0,
        }
    }
}

#[derive(Debug, Default)]
struct Waiting {
    work: VecDeque<Work>,
    bytes: usize,
    closed: bool,
}

/// What [`Queue::take`] gives.
#[derive(Debug)]
pub(crate) enum Taken {
    Work(Vec<Work>),
    /// There was nothing for a while.
    Idle,
    /// The queue is closed and drained.
    Closed,
}

/// Many callers put in, one writer takes out.
#[derive(Debug)]
pub(crate) struct Queue {
    /// Guards the list and its sum of bytes; held for a push or a pop.
    waiting: Mutex<Waiting>,
    filled: Condvar,
    most_bytes: usize,
}

impl Queue {
    pub(crate) fn new(most_bytes: usize) -> Queue {
        Queue { waiting: Mutex::default(), filled: Condvar::new(), most_bytes }
    }

    /// Adds work, or refuses it at once. A single append larger than the whole queue is let in when it is alone, and
    /// what has no bytes always.
    pub(crate) fn push(&self, work: Work) -> Result<(), AppendError> {
        let mut waiting = self.waiting.lock();
        if waiting.closed {
            return Err(AppendError::Closed);
        }
        let bytes = work.bytes();
        if bytes > 0 && waiting.bytes > 0 && waiting.bytes + bytes > self.most_bytes {
            return Err(AppendError::Busy { waiting: waiting.bytes, most: self.most_bytes });
        }
        waiting.bytes += bytes;
        waiting.work.push_back(work);
        drop(waiting);
        self.filled.notify_one();
        Ok(())
    }

    /// Waits up to `idle` for work and takes as much as fits `group_bytes`, at least one piece.
    pub(crate) fn take(&self, group_bytes: usize, idle: Duration) -> Taken {
        let mut waiting = self.waiting.lock();
        while waiting.work.is_empty() {
            if waiting.closed {
                return Taken::Closed;
            }
            if self.filled.wait_for(&mut waiting, idle).timed_out() && waiting.work.is_empty() {
                return if waiting.closed { Taken::Closed } else { Taken::Idle };
            }
        }
        let mut group = Vec::new();
        let mut bytes = 0;
        while let Some(next) = waiting.work.front() {
            if !group.is_empty() && bytes + next.bytes() > group_bytes {
                break;
            }
            bytes += next.bytes();
            group.extend(waiting.work.pop_front());
        }
        waiting.bytes -= bytes;
        Taken::Work(group)
    }

    /// Lets nothing in any more; what waits is still written.
    pub(crate) fn close(&self) {
        self.waiting.lock().closed = true;
        self.filled.notify_all();
    }

    /// Takes out everything that waits.
    pub(crate) fn clear(&self) -> VecDeque<Work> {
        let mut waiting = self.waiting.lock();
        waiting.bytes = 0;
        std::mem::take(&mut waiting.work)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::CatalogStream;
    use crate::stream_name::StreamKind;

    fn append(bytes: usize) -> Work {
        let row = CatalogStream::new(1, StreamKind::Data, "s".parse().unwrap(), 0, 24, 1);
        let stream = Arc::new(Stream::new(&row));
        let topology = stream.topology();
        let placements = Arc::new(Placements::InOrder(Vec::new()));
        let (reply, _) = oneshot::channel();
        Work::Append(Append {
            stream,
            topology,
            frames: Vec::new(),
            placements,
            records: 0,
            bytes,
            producer: None,
            reply,
        })
    }

    fn take(queue: &Queue, bytes: usize) -> usize {
        match queue.take(bytes, Duration::from_millis(1)) {
            Taken::Work(group) => group.len(),
            Taken::Idle => 0,
            Taken::Closed => usize::MAX,
        }
    }

    #[test]
    fn a_full_queue_refuses_at_once_and_a_large_append_gets_through_alone() {
        let queue = Queue::new(100);
        assert_eq!(take(&queue, 10), 0, "idle");
        queue.push(append(1_000)).unwrap();
        assert!(matches!(queue.push(append(1)), Err(AppendError::Busy { waiting: 1_000, most: 100 })));
        assert_eq!(take(&queue, 10), 1);
        for _ in 0..10 {
            queue.push(append(10)).unwrap();
        }
        assert!(matches!(queue.push(append(1)), Err(AppendError::Busy { waiting: 100, .. })));
        assert_eq!(take(&queue, 35), 3);
        queue.push(append(30)).unwrap();
        queue.close();
        assert!(matches!(queue.push(append(1)), Err(AppendError::Closed)));
        assert_eq!(take(&queue, 1_000), 8, "what waits is still given out");
        assert_eq!(take(&queue, 1_000), usize::MAX);
    }
}
