//! Rows of several inputs in one order: by ROWTIME, those of one ROWTIME as they arrived.
//!
//! A row waits until every other input has come at least as far, by a row or a bound. Which rows have left after a
//! message depends on what came before it alone, not on how rows were cut into batches.

use super::StateError;
use crate::operators::saved_batch::SavedBatch;
use millstream_columns::Batch;
use millstream_sql::SqlType;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// Rows of several ports that wait for each other.
pub(super) struct ArrivalQueue {
    ports: Vec<Port>,
    /// Batches that have come.
    arrivals: u64,
    /// The bound that was given last.
    given: i64,
}

struct Port {
    waiting: VecDeque<Waiting>,
    /// No later row of this port has a smaller ROWTIME.
    bound: i64,
}

struct Waiting {
    arrival: u64,
    /// That of its last rows: batches that followed each other at one port are put together.
    last_arrival: u64,
    batch: Batch,
}

/// What has left the queue.
pub(super) struct Released {
    /// The rows of each port, one batch after the other.
    pub(super) ports: Vec<Vec<Batch>>,
    /// Ports, each with how many of its rows follow each other.
    pub(super) order: Vec<(usize, usize)>,
    /// How far time has come, when it has moved.
    pub(super) bound: Option<i64>,
}

/// How far the rows of a port are on their way out.
#[derive(Clone, Copy, Default)]
struct Cursor {
    batch: usize,
    row: usize,
}

#[derive(Serialize, Deserialize)]
pub(super) struct SavedQueue {
    ports: Vec<(i64, Vec<(u64, SavedBatch)>)>,
    arrivals: u64,
    given: i64,
}

impl ArrivalQueue {
    pub(super) fn new(ports: usize) -> ArrivalQueue {
        let port = || Port { waiting: VecDeque::new(), bound: i64::MIN };
        ArrivalQueue { ports: (0..ports).map(|_| port()).collect(), arrivals: 0, given: i64::MIN }
    }

    /// Takes rows at a port.
    pub(super) fn rows(&mut self, port: usize, batch: Batch) {
        let Some(last) = batch.rowtimes.last().copied() else { return };
        let port = &mut self.ports[port];
        port.bound = port.bound.max(last);
        let (mut arrival, last_arrival, mut batch) = (self.arrivals, self.arrivals, batch);
        while let Some(before) = port.waiting.back()
            && before.last_arrival + 1 == arrival
            && before.batch.absorbs(&batch)
            && let Some(both) = before.batch.followed_by(&batch)
        {
            (arrival, batch) = (before.arrival, both);
            port.waiting.pop_back();
        }
        port.waiting.push_back(Waiting { arrival, last_arrival, batch });
        self.arrivals += 1;
    }

    /// Takes a bound at a port.
    pub(super) fn bound(&mut self, port: usize, bound: i64) {
        let port = &mut self.ports[port];
        port.bound = port.bound.max(bound);
    }

    /// How far all ports have come.
    fn limit(&self) -> i64 {
        self.ports.iter().map(|port| port.bound).min().unwrap_or(i64::MIN)
    }

    /// The rows that no port can still go before.
    pub(super) fn release(&mut self) -> Released {
        let limit = self.limit();
        let mut cursors = vec![Cursor::default(); self.ports.len()];
        let mut order: Vec<(usize, usize)> = Vec::new();
        while let Some((port, next)) = self.first(&cursors, limit) {
            let cursor = &mut cursors[port];
            let waiting = &self.ports[port].waiting[cursor.batch];
            let rest = &waiting.batch.rowtimes[cursor.row..];
            let goes = |rowtime: &i64| {
                *rowtime <= limit && next.is_none_or(|next| (*rowtime, waiting.arrival) < next)
            };
            // Ports often take turns row by row.
            let count = match rest.get(1) {
                Some(second) if goes(second) => rest.partition_point(goes),
                _ => 1,
            };
            cursor.row += count;
            if cursor.row == waiting.batch.len() {
                *cursor = Cursor { batch: cursor.batch + 1, row: 0 };
            }
            match order.last_mut() {
                Some((last, rows)) if *last == port => *rows += count,
                _ => order.push((port, count)),
            }
        }
        let ports = self.ports.iter_mut().zip(cursors).map(|(port, cursor)| port.take(cursor)).collect();
        let bound = (limit > self.given).then_some(limit);
        self.given = self.given.max(limit);
        Released { ports, order, bound }
    }

    /// The port with the first row up to `limit`, and where the first row of any other port stands.
    fn first(&self, cursors: &[Cursor], limit: i64) -> Option<(usize, Option<(i64, u64)>)> {
        let mut first: Option<(usize, (i64, u64))> = None;
        let mut second: Option<(i64, u64)> = None;
        for (index, (port, cursor)) in self.ports.iter().zip(cursors).enumerate() {
            let Some(waiting) = port.waiting.get(cursor.batch) else { continue };
            let place = (waiting.batch.rowtimes[cursor.row], waiting.arrival);
            match first {
                Some((_, known)) if place > known => second = Some(second.map_or(place, |it| it.min(place))),
                Some((_, known)) => {
                    second = Some(known);
                    first = Some((index, place));
                }
                None => first = Some((index, place)),
            }
        }
        first.filter(|(_, (rowtime, _))| *rowtime <= limit).map(|(index, _)| (index, second))
    }

    /// The rows that wait, each batch with its port.
    pub(super) fn waiting(&self) -> impl Iterator<Item = (usize, &Batch)> {
        let ports = self.ports.iter().enumerate();
        ports.flat_map(|(index, port)| port.waiting.iter().map(move |waiting| (index, &waiting.batch)))
    }

    /// The state; `types` are the column types of each port.
    pub(super) fn save(&self, types: &[&[SqlType]]) -> SavedQueue {
        let ports = self.ports.iter().zip(types).map(|(port, types)| {
            let waiting = port.waiting.iter();
            let waiting = waiting.map(|it| (it.arrival, SavedBatch::of(&it.batch, types)));
            (port.bound, waiting.collect())
        });
        SavedQueue { ports: ports.collect(), arrivals: self.arrivals, given: self.given }
    }

    /// Takes over a saved state.
    pub(super) fn restore(&mut self, saved: SavedQueue, types: &[&[SqlType]]) -> Result<(), StateError> {
        self.arrivals = saved.arrivals;
        self.given = saved.given;
        for ((port, types), (bound, waiting)) in self.ports.iter_mut().zip(types).zip(saved.ports) {
            port.bound = bound;
            port.waiting.clear();
            for (arrival, batch) in waiting {
                port.waiting.push_back(Waiting {
                    arrival,
                    last_arrival: arrival,
                    batch: batch.restored(types)?,
                });
            }
        }
        Ok(())
    }
}

impl Port {
    /// Takes out the rows before the cursor.
    fn take(&mut self, cursor: Cursor) -> Vec<Batch> {
        let mut taken: Vec<Batch> = self.waiting.drain(..cursor.batch).map(|waiting| waiting.batch).collect();
        if cursor.row > 0
            && let Some(front) = self.waiting.front_mut()
        {
            taken.push(front.batch.slice(0, cursor.row));
            front.batch = front.batch.slice(cursor.row, front.batch.len() - cursor.row);
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(rowtimes: &[i64]) -> Batch {
        Batch::new(rowtimes.to_vec().into(), Vec::new())
    }

    fn released(queue: &mut ArrivalQueue) -> Vec<(usize, usize)> {
        let released = queue.release();
        for (port, batches) in released.ports.iter().enumerate() {
            let rows: usize = released.order.iter().filter(|(at, _)| *at == port).map(|(_, rows)| rows).sum();
            assert_eq!(batches.iter().map(Batch::len).sum::<usize>(), rows);
        }
        released.order
    }

    #[test]
    fn rows_leave_by_rowtime_and_arrival_when_the_other_port_has_come_as_far() {
        let mut queue = ArrivalQueue::new(2);
        queue.rows(0, rows(&[1, 5, 5]));
        assert!(released(&mut queue).is_empty());
        queue.rows(1, rows(&[2, 5, 6]));
        // The rows at 5 of port 0 came before that of port 1.
        assert_eq!(released(&mut queue), [(0, 1), (1, 1), (0, 2), (1, 1)]);
        queue.rows(0, rows(&[5, 7]));
        assert_eq!(released(&mut queue), [(0, 1), (1, 1)]);
        queue.bound(1, 7);
        assert_eq!(released(&mut queue), [(0, 1)]);
    }
}
