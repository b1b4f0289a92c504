//! What waits for the writer thread: a queue bounded by bytes.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::{Condvar, Mutex};
use tokio::sync::oneshot;

use crate::error::AppendError;
use crate::segment::write::PendingFrame;
use crate::stream::Stream;

/// What the writer assigned to a frame.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FrameAck {
    pub(crate) first_index: u64,
    pub(crate) arrival: millstream_host::Timestamp,
}

/// One append.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) stream: Arc<Stream>,
    pub(crate) frames: Vec<PendingFrame>,
    /// The length of all frames.
    pub(crate) bytes: usize,
    pub(crate) reply: oneshot::Sender<Result<Vec<FrameAck>, AppendError>>,
}

#[derive(Debug, Default)]
struct Waiting {
    requests: VecDeque<Request>,
    bytes: usize,
    closed: bool,
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

    /// Adds a request, or refuses it at once. A single request larger than the whole queue is let in when it is alone.
    pub(crate) fn push(&self, request: Request) -> Result<(), AppendError> {
        let mut waiting = self.waiting.lock();
        if waiting.closed {
            return Err(AppendError::Closed);
        }
        if !waiting.requests.is_empty() && waiting.bytes + request.bytes > self.most_bytes {
            return Err(AppendError::Busy { waiting: waiting.bytes, most: self.most_bytes });
        }
        waiting.bytes += request.bytes;
        waiting.requests.push_back(request);
        drop(waiting);
        self.filled.notify_one();
        Ok(())
    }

    /// Waits for requests and takes as many as fit `group_bytes`, at least one. Empty when the queue is closed and
    /// drained.
    pub(crate) fn take(&self, group_bytes: usize) -> Vec<Request> {
        let mut waiting = self.waiting.lock();
        while waiting.requests.is_empty() && !waiting.closed {
            self.filled.wait(&mut waiting);
        }
        let mut group = Vec::new();
        let mut bytes = 0;
        while let Some(next) = waiting.requests.front() {
            if !group.is_empty() && bytes + next.bytes > group_bytes {
                break;
            }
            bytes += next.bytes;
            group.extend(waiting.requests.pop_front());
        }
        waiting.bytes -= bytes;
        group
    }

    /// Lets nothing in any more; what waits is still written.
    pub(crate) fn close(&self) {
        self.waiting.lock().closed = true;
        self.filled.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::{CatalogShard, CatalogStream};
    use crate::hash_range::HashRange;
    use crate::stream_name::StreamKind;

    fn request(bytes: usize) -> Request {
        let row = CatalogStream {
            id: 1,
            kind: StreamKind::Data,
            name: "s".parse().unwrap(),
            created_at: 0,
            retention_hours: 24,
            shards: vec![CatalogShard::new(0, HashRange { starting: 0, ending: u128::MAX }, 0)],
        };
        let (reply, _) = oneshot::channel();
        Request { stream: Arc::new(Stream::new(&row)), frames: Vec::new(), bytes, reply }
    }

    #[test]
    fn a_full_queue_refuses_at_once_and_a_large_request_gets_through_alone() {
        let queue = Queue::new(100);
        queue.push(request(1_000)).unwrap();
        assert!(matches!(queue.push(request(1)), Err(AppendError::Busy { waiting: 1_000, most: 100 })));
        assert_eq!(queue.take(10).len(), 1);
        for _ in 0..10 {
            queue.push(request(10)).unwrap();
        }
        assert!(matches!(queue.push(request(1)), Err(AppendError::Busy { waiting: 100, .. })));
        assert_eq!(queue.take(35).len(), 3);
        queue.push(request(30)).unwrap();
        queue.close();
        assert!(matches!(queue.push(request(1)), Err(AppendError::Closed)));
        assert_eq!(queue.take(1_000).len(), 8, "what waits is still given out");
        assert!(queue.take(1_000).is_empty());
    }
}
