//! The state of an operator that keeps something for each key: how it becomes pieces of a checkpoint.
//!
//! ```text
//!   bases    shard 0 ▉▉▉▉   shard 1 ▉▉▉▉   …        everything in the shard when it was written
//!   deltas   │ 7 │ 8 │ 9 │                          what has changed in any shard since the snapshot before
//! ```
//!
//! A snapshot writes one delta: the slots that have changed, of all shards. Whoever reads takes the base of each shard and
//! then the deltas that are newer than it, in order. Deltas are put together when they are many; when they come to half of
//! the bases, the oldest bases are written again, a few in each snapshot, and deltas that are older than every base go. So a
//! snapshot writes what has changed and a small multiple of it, and never stops for the whole state. A small state is
//! written whole, in one piece with what is not by key.

use super::{StateError, StateReader, StateWriter};
use crate::codec::{Decoder, put_bytes, put_u64};

/// A shard: slots with a key and a state each.
pub(crate) trait Shard {
    /// Slots, free ones included.
    fn slots(&self) -> usize;

    /// The key in a slot; `None` for a free one.
    fn key(&self, slot: usize) -> Option<&[u8]>;

    /// Appends the state of a slot that is not free.
    fn put_state(&self, slot: usize, out: &mut Vec<u8>) -> Result<(), StateError>;

    /// What has changed.
    fn changes(&mut self) -> &mut Changes;

    /// What has changed, to look at.
    fn changes_seen(&self) -> &Changes;

    /// Puts a key into a free slot, which may be behind the last; `Err` when it does not fit.
    fn take_key(&mut self, slot: usize, key: &[u8]) -> Result<(), StateError>;

    /// Takes over the state of a slot whose key is there.
    fn take_state(&mut self, slot: usize, from: &mut Decoder<'_>) -> Result<(), StateError>;

    /// Empties a slot.
    fn take_out(&mut self, slot: usize);

    /// Everything is there; there are so many slots, free ones included.
    fn taken_over(&mut self, slots: usize);
}

/// The state has changed since the last snapshot.
const STATE: u8 = 1;
/// The state has changed since the base was written.
const STATE_SINCE_BASE: u8 = 2;
/// The slot has another key, or none, since the last snapshot.
const KEY: u8 = 4;
/// The same since the base was written.
const KEY_SINCE_BASE: u8 = 8;

/// Which slots of a shard have changed.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    /// By slot.
    flags: Vec<u8>,
    /// All slots have gone since the last snapshot: what is stored of the shard is good for nothing.
    is_cleared: bool,
    /// Something has changed since the last snapshot.
    is_any: bool,
}

impl Changes {
    /// The state of these slots has changed.
    pub(crate) fn states(&mut self, slots: &[u32], of: usize) {
        self.is_any |= !slots.is_empty();
        if self.flags.len() < of {
            self.flags.resize(of, 0);
        }
        for slot in slots {
            self.flags[*slot as usize] |= STATE | STATE_SINCE_BASE;
        }
    }

    /// The slot has a new key, or none any more.
    pub(crate) fn key(&mut self, slot: usize) {
        self.is_any = true;
        if self.flags.len() <= slot {
            self.flags.resize(slot + 1, 0);
        }
        self.flags[slot] |= STATE | STATE_SINCE_BASE | KEY | KEY_SINCE_BASE;
    }

    /// All slots have gone.
    pub(crate) fn cleared(&mut self) {
        self.flags.clear();
        (self.is_cleared, self.is_any) = (true, true);
    }

    /// Slots with one of these flags.
    fn marked(&self, flags: u8) -> impl Iterator<Item = usize> {
        let slots = self.flags.iter().enumerate();
        slots.filter(move |(_, found)| *found & flags != 0).map(|(slot, _)| slot)
    }

    /// A delta that is newer than the base holds the slot.
    fn in_delta(&mut self, slot: usize, has_new_key: bool) {
        if self.flags.len() <= slot {
            self.flags.resize(slot + 1, 0);
        }
        self.flags[slot] |= STATE_SINCE_BASE | if has_new_key { KEY_SINCE_BASE } else { 0 };
    }

    fn written_as_base(&mut self) {
        self.flags.fill(0);
        (self.is_cleared, self.is_any) = (false, false);
    }

    fn written_as_delta(&mut self) {
        if self.is_any {
            self.flags.iter_mut().for_each(|flags| *flags &= !(STATE | KEY));
        }
        (self.is_cleared, self.is_any) = (false, false);
    }
}

/// What is stored of the shards of an operator.
#[derive(Debug, Default)]
pub(crate) struct KeyedLog {
    /// By shard.
    bases: Vec<Written>,
    /// By number, in order.
    deltas: Vec<Written>,
    /// The number of the next snapshot.
    next: u64,
    /// What is not by key, as it was written last.
    header: Vec<u8>,
    /// All bases are in the piece of the header.
    is_inline: bool,
}

/// Something that is stored.
#[derive(Clone, Copy, Debug, Default)]
struct Written {
    /// The number of its snapshot.
    number: u64,
    bytes: u64,
}

/// The number of the piece that holds what is not by key. Base `n` is piece `n`.
const HEADER: u64 = 1 << 32;
/// Delta `n` is piece `DELTAS + n`.
const DELTAS: u64 = 1 << 33;
/// As many deltas are put together.
const MANY_DELTAS: usize = 16;
/// In how many snapshots all bases are written again.
const ROUNDS: usize = 8;

const LOST: StateError = StateError::Damaged("a part was lost while it was in use");
const NO_SHARD: StateError = StateError::Damaged("there is no such shard");

impl KeyedLog {
    /// Writes the shards, and `header`: the state that is not by key.
    pub(crate) fn save<S: Shard>(
        &mut self,
        header: Vec<u8>,
        shards: &mut [S],
        state: &mut StateWriter<'_>,
    ) -> Result<(), StateError> {
        let is_intact = self.bases.len() == shards.len() && self.pieces().all(|piece| state.is_stored(piece));
        let is_changed = header != self.header || shards.iter().any(|shard| shard.changes_seen().is_any);
        if is_intact && !is_changed {
            return self.pieces().try_for_each(|piece| if state.keep(piece) { Ok(()) } else { Err(LOST) });
        }
        let number = self.next;
        self.next += 1;
        self.header = header;
        if !is_intact || self.is_inline {
            return self.save_whole(number, shards, state);
        }
        let total: u64 = self.bases.iter().map(|base| base.bytes).sum();
        let changed: u64 = self.deltas.iter().map(|delta| delta.bytes).sum();
        // A shard that has been emptied has nothing in common with its base.
        let mut rewritten: Vec<bool> = shards.iter().map(|shard| shard.changes_seen().is_cleared).collect();
        if changed > total / 2 {
            let mut oldest: Vec<usize> = (0..shards.len()).filter(|shard| !rewritten[*shard]).collect();
            oldest.sort_by_key(|shard| (self.bases[*shard].number, *shard));
            let most = shards.len().div_ceil(ROUNDS);
            oldest.into_iter().take(most).for_each(|shard| rewritten[shard] = true);
        }
        let mut written = Vec::new();
        for (index, shard) in shards.iter_mut().enumerate().filter(|(index, _)| rewritten[*index]) {
            let bytes = base_of(shard)?;
            self.bases[index] = Written { number, bytes: bytes.len() as u64 };
            written.push((index as u64, bytes));
            shard.changes().written_as_base();
        }
        if self.bases.iter().all(|base| base.number == number) {
            let bases = written.into_iter().map(|(_, bytes)| bytes).collect();
            return self.put_bases(bases, shards, state);
        }
        // Deltas older than every base say nothing new.
        let oldest = self.bases.iter().map(|base| base.number).min().unwrap_or(number);
        self.deltas.retain(|delta| delta.number > oldest);
        let is_merged = self.deltas.len() >= MANY_DELTAS;
        if is_merged {
            self.deltas.clear();
        }
        let delta = delta_of(shards, &rewritten, is_merged)?;
        for (piece, bytes) in written {
            state.put(piece, bytes);
        }
        let kept = self
            .bases
            .iter()
            .enumerate()
            .filter(|(index, _)| !rewritten[*index])
            .map(|(index, _)| index as u64);
        for piece in kept.chain(self.deltas.iter().map(|delta| DELTAS + delta.number)) {
            if !state.keep(piece) {
                return Err(LOST);
            }
        }
        if !delta.is_empty() {
            self.deltas.push(Written { number, bytes: delta.len() as u64 });
            state.put(DELTAS + number, delta);
        }
        state.put(HEADER, self.header_piece(shards, &[]));
        shards.iter_mut().for_each(|shard| shard.changes().written_as_delta());
        Ok(())
    }

    /// The pieces of the last snapshot.
    fn pieces(&self) -> impl Iterator<Item = u64> {
        let bases = if self.is_inline { 0 } else { self.bases.len() as u64 };
        let deltas = self.deltas.iter().map(|delta| DELTAS + delta.number);
        (0..bases).chain([HEADER]).chain(deltas)
    }

    fn save_whole<S: Shard>(
        &mut self,
        number: u64,
        shards: &mut [S],
        state: &mut StateWriter<'_>,
    ) -> Result<(), StateError> {
        let mut bases = Vec::with_capacity(shards.len());
        self.bases.clear();
        for shard in shards.iter_mut() {
            let bytes = base_of(shard)?;
            self.bases.push(Written { number, bytes: bytes.len() as u64 });
            shard.changes().written_as_base();
            bases.push(bytes);
        }
        self.put_bases(bases, shards, state)
    }

    /// Puts the bases of all shards: there is nothing else.
    fn put_bases<S: Shard>(
        &mut self,
        bases: Vec<Vec<u8>>,
        shards: &[S],
        state: &mut StateWriter<'_>,
    ) -> Result<(), StateError> {
        self.deltas.clear();
        self.is_inline = bases.iter().map(|base| base.len() as u64).sum::<u64>() <= state.whole_bytes();
        if self.is_inline {
            state.put(HEADER, self.header_piece(shards, &bases));
            return Ok(());
        }
        state.put(HEADER, self.header_piece(shards, &[]));
        (0..).zip(bases).for_each(|(piece, bytes)| state.put(piece, bytes));
        Ok(())
    }

    fn header_piece<S: Shard>(&self, shards: &[S], bases: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = Vec::new();
        put_u64(&mut bytes, self.next);
        for (shard, base) in shards.iter().zip(&self.bases) {
            put_u64(&mut bytes, shard.slots() as u64);
            put_u64(&mut bytes, base.number);
        }
        bytes.push(u8::from(!bases.is_empty()));
        bases.iter().for_each(|base| put_bytes(&mut bytes, base));
        bytes.extend_from_slice(&self.header);
        bytes
    }

    /// Takes over what [`KeyedLog::save`] wrote into shards that are empty; gives the header.
    pub(crate) fn restore<S: Shard>(
        &mut self,
        shards: &mut [S],
        state: &mut StateReader<'_>,
    ) -> Result<&[u8], StateError> {
        // The bases come first, then the header, then the deltas.
        self.bases = vec![Written::default(); shards.len()];
        self.deltas.clear();
        let mut slots = Vec::new();
        while let Some((key, bytes)) = state.next()? {
            if let Some(number) = key.checked_sub(DELTAS) {
                self.deltas.push(Written { number, bytes: bytes.len() as u64 });
                self.take_delta(number, shards, Decoder::new(&bytes))?;
            } else if key == HEADER {
                slots = self.take_header(shards, &bytes)?;
            } else {
                let index = usize::try_from(key).unwrap_or(usize::MAX);
                let shard = shards.get_mut(index).ok_or(NO_SHARD)?;
                self.bases[index].bytes = bytes.len() as u64;
                take_slots(shard, Decoder::new(&bytes), false)?;
            }
        }
        if slots.len() != shards.len() {
            return Err(StateError::Damaged("its header is missing"));
        }
        for (shard, slots) in shards.iter_mut().zip(slots) {
            if slots > u32::MAX as usize || slots < shard.slots() {
                return Err(StateError::Damaged("a shard has another number of slots"));
            }
            shard.taken_over(slots);
        }
        Ok(&self.header)
    }

    /// Reads the header; gives the number of slots of each shard.
    fn take_header<S: Shard>(&mut self, shards: &mut [S], bytes: &[u8]) -> Result<Vec<usize>, StateError> {
        let mut from = Decoder::new(bytes);
        self.next = from.u64()?;
        let mut slots = Vec::new();
        for base in &mut self.bases {
            slots.push(from.usize()?);
            base.number = from.u64()?;
        }
        self.is_inline = from.bool()?;
        if self.is_inline {
            for (shard, base) in shards.iter_mut().zip(&mut self.bases) {
                let bytes = from.bytes()?;
                base.bytes = bytes.len() as u64;
                take_slots(shard, Decoder::new(bytes), false)?;
            }
        }
        self.header = from.rest().to_vec();
        Ok(slots)
    }

    /// Reads a delta into the shards whose bases are older.
    fn take_delta<S: Shard>(
        &self,
        number: u64,
        shards: &mut [S],
        mut from: Decoder<'_>,
    ) -> Result<(), StateError> {
        while !from.is_empty() {
            let index = from.usize()?;
            let shard = shards.get_mut(index).ok_or(NO_SHARD)?;
            let slots = Decoder::new(from.bytes()?);
            if number > self.bases[index].number {
                take_slots(shard, slots, true)?;
            }
        }
        Ok(())
    }
}

/// A slot whose key stays: its state follows.
const SAME_KEY: u8 = 0;
/// Its key and its state follow.
const NEW_KEY: u8 = 1;
/// The slot is free.
const FREE: u8 = 2;

/// All slots of a shard that have a key.
fn base_of<S: Shard>(shard: &S) -> Result<Vec<u8>, StateError> {
    let mut bytes = Vec::new();
    let used = (0..shard.slots()).filter(|slot| shard.key(*slot).is_some());
    put_slots(shard, used, |_| true, &mut bytes)?;
    Ok(bytes)
}

/// What has changed in all shards since the last snapshot, or since their bases; but for those that are `rewritten`.
fn delta_of<S: Shard>(shards: &[S], rewritten: &[bool], since_bases: bool) -> Result<Vec<u8>, StateError> {
    let (state, key) = if since_bases { (STATE_SINCE_BASE, KEY_SINCE_BASE) } else { (STATE, KEY) };
    let mut bytes = Vec::new();
    for (index, shard) in shards.iter().enumerate().filter(|(index, _)| !rewritten[*index]) {
        let changes = shard.changes_seen();
        if !since_bases && !changes.is_any {
            continue;
        }
        let mut own = Vec::new();
        put_slots(shard, changes.marked(state), |slot| changes.flags[slot] & key != 0, &mut own)?;
        if !own.is_empty() {
            put_u64(&mut bytes, index as u64);
            put_bytes(&mut bytes, &own);
        }
    }
    Ok(bytes)
}

fn put_slots<S: Shard>(
    shard: &S,
    slots: impl Iterator<Item = usize>,
    has_new_key: impl Fn(usize) -> bool,
    out: &mut Vec<u8>,
) -> Result<(), StateError> {
    let mut before = 0;
    let mut state = Vec::new();
    for slot in slots {
        put_u64(out, (slot - before) as u64);
        before = slot;
        let key = if slot < shard.slots() { shard.key(slot) } else { None };
        let Some(key) = key else {
            out.push(FREE);
            continue;
        };
        if has_new_key(slot) {
            out.push(NEW_KEY);
            put_bytes(out, key);
        } else {
            out.push(SAME_KEY);
        }
        state.clear();
        shard.put_state(slot, &mut state)?;
        put_bytes(out, &state);
    }
    Ok(())
}

/// A slot as it is written.
struct WrittenSlot<'b> {
    slot: usize,
    change: SlotChange<'b>,
}

enum SlotChange<'b> {
    State(&'b [u8]),
    Key(&'b [u8], &'b [u8]),
    Free,
}

fn next_slot<'b>(from: &mut Decoder<'b>, before: usize) -> Result<Option<WrittenSlot<'b>>, StateError> {
    if from.is_empty() {
        return Ok(None);
    }
    let slot = before.checked_add(from.usize()?).filter(|slot| *slot < u32::MAX as usize);
    let slot = slot.ok_or(StateError::Damaged("a slot is too large"))?;
    let change = match from.u8()? {
        SAME_KEY => SlotChange::State(from.bytes()?),
        NEW_KEY => SlotChange::Key(from.bytes()?, from.bytes()?),
        FREE => SlotChange::Free,
        _ => return Err(StateError::Damaged("a slot has changed in an unknown way")),
    };
    Ok(Some(WrittenSlot { slot, change }))
}

fn take_slots<S: Shard>(shard: &mut S, from: Decoder<'_>, is_delta: bool) -> Result<(), StateError> {
    // Keys may have changed places: all that go are gone before any comes.
    if is_delta {
        let (mut rest, mut before) = (from.clone(), 0);
        while let Some(WrittenSlot { slot, change }) = next_slot(&mut rest, before)? {
            before = slot;
            let has_new_key = !matches!(change, SlotChange::State(_));
            if has_new_key && slot < shard.slots() && shard.key(slot).is_some() {
                shard.take_out(slot);
            }
            shard.changes().in_delta(slot, has_new_key);
        }
    }
    let (mut rest, mut before) = (from, 0);
    while let Some(WrittenSlot { slot, change }) = next_slot(&mut rest, before)? {
        before = slot;
        let state = match change {
            SlotChange::Free => continue,
            SlotChange::State(state) => state,
            SlotChange::Key(key, state) => {
                shard.take_key(slot, key)?;
                state
            }
        };
        if slot >= shard.slots() || shard.key(slot).is_none() {
            return Err(StateError::Damaged("a slot has a state and no key"));
        }
        let mut state = Decoder::new(state);
        shard.take_state(slot, &mut state)?;
        state.end()?;
    }
    Ok(())
}
