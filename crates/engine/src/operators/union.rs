//! UNION ALL of streams: the rows of all branches by ROWTIME.

use super::arrival_queue::{ArrivalQueue, Released, SavedQueue};
use super::{Junction, Outbox, RunContext, StateError};
use crate::batch::Batch;
use arrow_array::Array;
use millstream_sql::SqlType;

pub(super) struct Union {
    queue: ArrivalQueue,
    ports: usize,
    types: Vec<SqlType>,
}

impl Union {
    pub(super) fn new(ports: usize, types: Vec<SqlType>) -> Union {
        Union { queue: ArrivalQueue::new(ports), ports, types }
    }

    fn release(&mut self, outbox: &mut Outbox) {
        let released = self.queue.release();
        if !released.order.is_empty() {
            outbox.rows(interleaved(&released));
        }
        if let Some(bound) = released.bound {
            outbox.bound(bound);
        }
    }

    fn port_types(&self) -> Vec<&[SqlType]> {
        vec![&self.types; self.ports]
    }
}

impl Junction for Union {
    fn rows(&mut self, port: usize, batch: Batch, _context: &mut RunContext<'_>, outbox: &mut Outbox) {
        self.queue.rows(port, batch);
        self.release(outbox);
    }

    fn bound(&mut self, port: usize, bound: i64, _context: &mut RunContext<'_>, outbox: &mut Outbox) {
        self.queue.bound(port, bound);
        self.release(outbox);
    }

    fn save(&self) -> Result<Vec<u8>, StateError> {
        Ok(postcard::to_allocvec(&self.queue.save(&self.port_types()))?)
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), StateError> {
        let saved: SavedQueue = postcard::from_bytes(state)?;
        let types = vec![self.types.as_slice(); self.ports];
        self.queue.restore(saved, &types)
    }
}

/// The released rows of all ports in their order.
fn interleaved(released: &Released) -> Batch {
    let batches: Vec<&Batch> = released.ports.iter().flatten().collect();
    if let [single] = batches.as_slice() {
        return (*single).clone();
    }
    // Where each port stands: its batch among all of them, and the row.
    let mut places = Vec::new();
    let mut before = 0;
    for port in &released.ports {
        places.push((before, 0));
        before += port.len();
    }
    let mut indices = Vec::new();
    let mut rowtimes = Vec::new();
    for (port, count) in &released.order {
        let (batch, row) = &mut places[*port];
        for _ in 0..*count {
            if *row == batches[*batch].len() {
                (*batch, *row) = (*batch + 1, 0);
            }
            indices.push((*batch, *row));
            rowtimes.push(batches[*batch].rowtimes[*row]);
            *row += 1;
        }
    }
    let columns = (0..batches[0].columns.len()).map(|column| {
        let arrays: Vec<&dyn Array> = batches.iter().map(|batch| batch.columns[column].as_ref()).collect();
        arrow_select::interleave::interleave(&arrays, &indices).expect("all branches have the same columns")
    });
    Batch::new(rowtimes.into(), columns.collect())
}
