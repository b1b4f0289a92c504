//! The partitions of a sliding window whose keys fall to one shard.

use super::Call;
use crate::codec::Decoder;
use crate::grouping::{EncodedKeys, KeyTable};
use crate::state::StateError;
use crate::state::keyed::{Changes, Shard};
use crate::windows::{CallState, FrameRows};
use arrow_array::ArrayRef;
use millstream_columns::{RowError, array_from_values};
use millstream_sql::{Frame, Value};
use serde::{Deserialize, Serialize};

/// A shard. Slots of its keys are places of partitions.
#[derive(Default)]
pub(super) struct PartitionShard {
    pub(super) keys: KeyTable,
    partitions: Vec<Partition>,
    /// Bytes of all partitions with their rows.
    pub(super) bytes: usize,
    changes: Changes,
    slots: Vec<u32>,
    pub(super) given: Given,
}

/// What the calls gave for the rows of a batch.
#[derive(Default)]
pub(super) struct Given {
    /// The rows, in their order.
    pub(super) rows: Vec<u32>,
    /// One list for each call of the window, one value for each of those rows.
    pub(super) values: Vec<Vec<Value>>,
    /// The same as columns.
    pub(super) columns: Vec<ArrayRef>,
    /// Rows whose value does not exist, with the place of the call; their place in `values` holds NULL.
    pub(super) failed: Vec<(u32, usize, RowError)>,
}

/// One partition.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct Partition {
    pub(super) rows: FrameRows,
    /// One for each call over the window.
    pub(super) states: Vec<CallState>,
}

/// The rows that a window moves over, with what its calls look at.
pub(super) struct SlideRows<'r> {
    pub(super) encoded: &'r EncodedKeys,
    pub(super) rowtimes: &'r [i64],
    /// The calls over this window.
    pub(super) calls: &'r [Call],
    pub(super) arguments: &'r [ArrayRef],
    pub(super) frame: Frame,
    pub(super) lower_bound_is_exclusive: bool,
}

impl SlideRows<'_> {
    /// Whether rows ever leave: an unbounded window need not remember them.
    fn keeps(&self) -> bool {
        self.frame != Frame::Unbounded
    }
}

/// Bytes of a partition without rows: its key, and so many states.
pub(super) fn partition_bytes(key_length: usize, calls: usize) -> usize {
    KeyTable::bytes_of(key_length)
        + 2 * (size_of::<Partition>() + size_of::<u8>())
        + calls * size_of::<CallState>()
}

impl PartitionShard {
    /// Moves the windows over rows; notes the value of each call.
    pub(super) fn advance(&mut self, rows: &[u32], of: &SlideRows<'_>) {
        let row_bytes = FrameRows::bytes_a_row(of.frame);
        self.slots.clear();
        self.given.values.resize_with(of.calls.len(), Vec::new);
        self.given.rows.extend_from_slice(rows);
        for row in rows {
            let (row, rowtime) = (*row as usize, of.rowtimes[*row as usize]);
            let (slot, is_new) = self.keys.slot(of.encoded, row);
            if is_new {
                let states = of.calls.iter().map(|call| CallState::new(&call.plan)).collect();
                self.open(slot, Partition { rows: FrameRows::default(), states });
            }
            self.slots.push(slot);
            let partition = &mut self.partitions[slot as usize];
            let leaving = partition.rows.admit(rowtime, of.frame, of.lower_bound_is_exclusive);
            self.bytes += row_bytes;
            self.bytes -= leaving * row_bytes;
            for (place, call) in of.calls.iter().enumerate() {
                let state = &mut partition.states[place];
                for _ in 0..leaving {
                    self.bytes -= state.leave();
                }
                let value = call.value(of.arguments, row);
                let (more, less) = state.enter(value, rowtime, &call.plan, of.keeps());
                self.bytes += more;
                self.bytes -= less;
                let lag = call.lag(of.arguments, row);
                let value = state.value(rowtime, &call.plan, &lag).unwrap_or_else(|error| {
                    self.given.failed.push((row as u32, place, error));
                    Value::Null
                });
                self.given.values[place].push(value);
            }
        }
        self.changes.states(&self.slots, self.keys.slots());
    }

    /// Makes columns of the values that were given.
    pub(super) fn make_columns(&mut self, calls: &[Call]) {
        if self.given.rows.is_empty() {
            return;
        }
        let columns = calls.iter().zip(&mut self.given.values).map(|(call, values)| {
            let column = array_from_values(call.plan.sql_type, values);
            values.clear();
            column.expect("a call gives values of its own type")
        });
        self.given.columns = columns.collect();
    }

    fn open(&mut self, slot: u32, partition: Partition) {
        self.bytes += partition_bytes(self.keys.key(slot as usize).len(), partition.states.len());
        self.partitions.resize_with(self.keys.slots(), Partition::default);
        self.partitions[slot as usize] = partition;
        self.changes.key(slot as usize);
    }

    /// Drops the partitions whose rows no row from `time` on can see.
    pub(super) fn sweep(&mut self, time: i64, frame: Frame) {
        for slot in 0..self.partitions.len() {
            if self.keys.is_used(slot) && self.partitions[slot].rows.is_past(time, frame) {
                self.drop_bytes(slot);
                self.keys.detach(slot as u32);
                self.keys.release(slot as u32);
                self.partitions[slot] = Partition::default();
                self.changes.key(slot);
            }
        }
    }

    fn drop_bytes(&mut self, slot: usize) {
        let Partition { rows, states } = &self.partitions[slot];
        let states_bytes: usize = states.iter().map(CallState::held_bytes).sum();
        self.bytes -=
            partition_bytes(self.keys.key(slot).len(), states.len()) + rows.held_bytes() + states_bytes;
    }

    /// Lets the rows go that a row at `rowtime` in the partition of its key no longer sees.
    pub(super) fn let_go(&mut self, row: usize, of: &SlideRows<'_>) {
        let Some(slot) = self.keys.find(of.encoded, row) else { return };
        let partition = &mut self.partitions[slot as usize];
        let leaving = partition.rows.expire(of.rowtimes[row], of.frame, of.lower_bound_is_exclusive);
        self.bytes -= leaving * FrameRows::bytes_a_row(of.frame);
        for state in &mut partition.states {
            (0..leaving).for_each(|_| self.bytes -= state.leave());
        }
        self.changes.states(&[slot], self.keys.slots());
    }

    /// Bytes that a row adds to what is held. Rows that are past have left their window already.
    pub(super) fn needed_bytes(&self, row: usize, of: &SlideRows<'_>) -> usize {
        let mut scratch = [0; 8];
        let partition = self.keys.find(of.encoded, row).map(|slot| &self.partitions[slot as usize]);
        let new_partition = match partition {
            Some(_) => 0,
            None => partition_bytes(of.encoded.row_bytes(row, &mut scratch).len(), of.calls.len()),
        };
        // A full window of rows gives one up for each that comes.
        if partition.is_some_and(|partition| partition.rows.is_full(of.frame)) {
            return 0;
        }
        let values = of.calls.iter().enumerate().map(|(place, call)| {
            let value = call.value(of.arguments, row);
            match partition {
                Some(partition) => partition.states[place].needed_bytes(&value, &call.plan, of.keeps()),
                None => CallState::new(&call.plan).needed_bytes(&value, &call.plan, of.keeps()),
            }
        });
        new_partition + FrameRows::bytes_a_row(of.frame) + values.sum::<usize>()
    }

    /// Takes over a partition of a checkpoint of version 1.
    pub(super) fn take_partition(&mut self, key: &[u8], partition: Partition) -> Result<(), StateError> {
        let slot = self.keys.slots();
        if !self.keys.put(slot as u32, key) {
            return Err(StateError::Damaged("two partitions have one key"));
        }
        self.count(&partition);
        self.open(slot as u32, partition);
        Ok(())
    }

    fn count(&mut self, partition: &Partition) {
        let states: usize = partition.states.iter().map(CallState::held_bytes).sum();
        self.bytes += partition.rows.held_bytes() + states;
    }
}

impl Shard for PartitionShard {
    fn slots(&self) -> usize {
        self.keys.slots()
    }

    fn key(&self, slot: usize) -> Option<&[u8]> {
        self.keys.is_used(slot).then(|| self.keys.key(slot))
    }

    fn put_state(&self, slot: usize, out: &mut Vec<u8>) -> Result<(), StateError> {
        *out = postcard::to_extend(&self.partitions[slot], std::mem::take(out))?;
        Ok(())
    }

    fn changes(&mut self) -> &mut Changes {
        &mut self.changes
    }

    fn changes_seen(&self) -> &Changes {
        &self.changes
    }

    fn take_key(&mut self, slot: usize, key: &[u8]) -> Result<(), StateError> {
        if !self.keys.put(slot as u32, key) {
            return Err(StateError::Damaged("two partitions have one key"));
        }
        self.partitions.resize_with(self.keys.slots(), Partition::default);
        self.bytes += partition_bytes(key.len(), 0);
        Ok(())
    }

    fn take_state(&mut self, slot: usize, from: &mut Decoder<'_>) -> Result<(), StateError> {
        let partition: Partition = postcard::from_bytes(from.take(from.rest().len())?)?;
        let former = std::mem::replace(&mut self.partitions[slot], partition);
        let bytes = |partition: &Partition| {
            let states: usize = partition.states.iter().map(CallState::held_bytes).sum();
            partition.rows.held_bytes() + states + partition.states.len() * size_of::<CallState>()
        };
        self.bytes += bytes(&self.partitions[slot]);
        self.bytes -= bytes(&former);
        Ok(())
    }

    fn take_out(&mut self, slot: usize) {
        self.drop_bytes(slot);
        self.keys.take_out(slot as u32);
        self.partitions[slot] = Partition::default();
    }

    fn taken_over(&mut self, slots: usize) {
        self.keys.find_free_slots(slots);
        self.partitions.resize_with(slots, Partition::default);
    }
}
