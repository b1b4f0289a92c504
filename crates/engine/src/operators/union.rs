//! UNION ALL of streams: the rows of all branches by ROWTIME.

use super::arrival_queue::{ArrivalQueue, Released, SavedQueue};
use super::memory::RowSize;
use super::row_failures::report_row;
use super::{Operator, Outbox, RunContext, StateError, StateReader, StateWriter};
use arrow_array::Array;
use millstream_columns::Batch;
use millstream_sql::SqlType;

pub(super) struct Union {
    queue: ArrivalQueue,
    ports: usize,
    types: Vec<SqlType>,
    row_size: RowSize,
    /// Bytes of the rows in the queue.
    waiting_bytes: usize,
}

impl Union {
    pub(super) fn new(ports: usize, types: Vec<SqlType>) -> Union {
        let row_size = RowSize::of_types(&types);
        Union { queue: ArrivalQueue::new(ports), ports, types, row_size, waiting_bytes: 0 }
    }

    fn release(&mut self, outbox: &mut Outbox) {
        let released = self.queue.release();
        let bytes = released.ports.iter().flatten().map(|batch| self.row_size.of_all(batch));
        self.waiting_bytes -= bytes.sum::<usize>();
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

impl Operator for Union {
    fn rows(&mut self, port: usize, batch: Batch, context: &mut RunContext<'_>, outbox: &mut Outbox) {
        let Some(last) = batch.rowtimes.last().copied() else { return };
        let bytes = self.row_size.of_all(&batch);
        match context.is_tight.then(|| context.refusal(self.waiting_bytes, bytes)).flatten() {
            Some(refusal) => report_row(&refusal, &batch, 0, &self.types, context),
            None => {
                self.waiting_bytes += bytes;
                self.queue.rows(port, batch);
            }
        }
        // A row that is refused still shows how far time has come.
        self.queue.bound(port, last);
        self.release(outbox);
    }

    fn bound(&mut self, port: usize, bound: i64, _context: &mut RunContext<'_>, outbox: &mut Outbox) {
        self.queue.bound(port, bound);
        self.release(outbox);
    }

    /// The bounds of all ports have let everything go.
    fn end(&mut self, _context: &mut RunContext<'_>, _outbox: &mut Outbox) {}

    fn nanoseconds_a_row(&self) -> u64 {
        200
    }

    fn held_bytes(&self) -> usize {
        self.waiting_bytes
    }

    fn most_bytes_a_row(&self) -> usize {
        self.row_size.most()
    }

    fn save(&mut self, state: &mut StateWriter<'_>) -> Result<(), StateError> {
        state.whole(|| postcard::to_allocvec(&self.queue.save(&self.port_types())))
    }

    fn restore(&mut self, state: &mut StateReader<'_>) -> Result<(), StateError> {
        let state = state.whole()?;
        let saved: SavedQueue = postcard::from_bytes(&state)?;
        let types = vec![self.types.as_slice(); self.ports];
        self.queue.restore(saved, &types)?;
        self.waiting_bytes = self.queue.waiting().map(|(_, batch)| self.row_size.of_all(batch)).sum();
        Ok(())
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
